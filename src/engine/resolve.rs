//! The way along a path: from the set, step by step, to what restricts the entities at its end. Every entity on the way is
//! read in the caller's scope, so a path through what the caller does not see is a path to nothing (404).

use super::Engine;
use super::permission::Verb;
use crate::model::caller::{Caller, Scope, Tenants};
use crate::model::edm::{Cell, Value};
use crate::model::expr::Source;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::query::Shape;
use crate::model::schema::{Join, Navigation, SetId, TypeId};
use crate::model::target::{Resource, Step};
use crate::store::{Restriction, Select, Session};

/// Where a path has led.
#[derive(Debug)]
pub(super) struct Place {
    pub ty: TypeId,
    pub set: Option<SetId>,
    pub restrictions: Vec<Restriction>,
    /// A to-one navigation whose foreign key is null: there is nothing, and that is not an error.
    pub null: bool,
    /// The entity that the last navigation began at: its type, key, and which navigation.
    pub parent: Option<Parent>,
}

#[derive(Debug)]
pub(super) struct Parent {
    pub ty: TypeId,
    pub set: Option<SetId>,
    pub navigation: usize,
    pub key: Vec<Value>,
}

impl Place {
    /// That of the entity with a row key.
    pub fn of(ty: TypeId, set: Option<SetId>, key: Vec<Value>) -> Place {
        Place {
            ty,
            set,
            restrictions: vec![Restriction::Row(key)],
            null: false,
            parent: None,
        }
    }
}

impl Engine {
    /// Follows a path.
    ///
    /// # Errors
    /// `NOT_FOUND` when an entity on the way is not there for the caller, `FORBIDDEN` when a set on the way may not be read.
    pub(super) fn resolve(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource) -> Outcome<Place> {
        let mut place = Place {
            ty: self.schema.sets[resource.set].entity_type,
            set: Some(resource.set),
            restrictions: Vec::new(),
            null: false,
            parent: None,
        };
        place.restrictions.extend(self.of_own_jobs(caller, place.ty)?);
        for step in &resource.steps {
            match step {
                Step::Key(values) => {
                    place.restrictions.push(Restriction::Key(values.clone()));
                    self.one_tenant(session, caller, &mut place)?;
                }
                Step::Cast(ty) => place.ty = *ty,
                Step::Among(keys) => {
                    let columns = self.key_columns(place.ty);
                    place.restrictions.push(Restriction::ColumnsIn(columns, keys.clone()));
                }
                Step::Navigate { ty, navigation, set } => {
                    let scope = self.scope(caller, place.ty, place.set, Verb::Read)?;
                    self.navigate(session, &scope, &mut place, *ty, *navigation)?;
                    place.set = *set;
                }
            }
        }
        Ok(place)
    }

    /// Who acts in all tenants may name a key that several of them have. No row is picked by chance then.
    ///
    /// # Errors
    /// `CONFLICT` when there are several.
    fn one_tenant(&self, session: &mut Session<'_>, caller: &Caller, place: &mut Place) -> Outcome<()> {
        let entity = &self.schema.types[place.ty];
        let Some(tenant) = entity.tenant.filter(|_| entity.has_tenant_key() && caller.tenants == Tenants::All) else {
            return Ok(());
        };
        let scope = self.scope(caller, place.ty, place.set, Verb::Read)?;
        let column = entity.properties[tenant].column.clone();
        let rows = self.rows(session, &scope, place, std::slice::from_ref(&column), 2)?;
        match rows.as_slice() {
            [] => {}
            [row] => place.restrictions.push(Restriction::Columns(vec![column], row.clone())),
            _ => {
                let message = "Several tenants have this key: name the tenant in the header.";
                return Err(Fault::new(&fault::CONFLICT, message));
            }
        }
        Ok(())
    }

    fn navigate(&self, session: &mut Session<'_>, scope: &Scope, place: &mut Place, ty: TypeId, navigation: usize) -> Outcome<()> {
        if place.null {
            return Err(Fault::not_found());
        }
        let entity = &self.schema.types[ty];
        let along = &entity.navigations[navigation];
        let mut columns = self.key_columns(ty);
        let key_len = columns.len();
        if let Some(Join::Near { columns: near }) = &along.join {
            columns.extend(near.iter().cloned());
        }
        // The navigation may belong to a derived type: the entity has to be of it.
        place.ty = ty;
        let row = self.one_row(session, scope, place, &columns)?.ok_or_else(Fault::not_found)?;
        let (key, near) = row.split_at(key_len);
        place.restrictions = restrictions(along, key, near);
        place.null = !near.is_empty() && near.iter().any(Value::is_null);
        place.parent = Some(Parent {
            ty,
            set: place.set,
            navigation,
            key: key.to_vec(),
        });
        place.ty = along.target;
        Ok(())
    }

    /// Some columns of the one entity at a place.
    pub(super) fn one_row(
        &self,
        session: &mut Session<'_>,
        scope: &Scope,
        place: &Place,
        columns: &[String],
    ) -> Outcome<Option<Vec<Value>>> {
        Ok(self.rows(session, scope, place, columns, 1)?.into_iter().next())
    }

    /// Some columns of the first entities at a place.
    pub(super) fn rows(
        &self,
        session: &mut Session<'_>,
        scope: &Scope,
        place: &Place,
        columns: &[String],
        limit: usize,
    ) -> Outcome<Vec<Vec<Value>>> {
        let sources = [Source {
            ty: place.ty,
            set: place.set,
            join: None,
            nested: false,
        }];
        let mut wanted = super::layout::Columns::of(&self.schema, place.ty, &nothing());
        let cells: Vec<usize> = columns.iter().map(|column| wanted.hidden(&self.schema, place.ty, column)).collect();
        let mut select = Select::new(&self.schema, scope, &sources);
        select.outputs = wanted.outputs;
        select.restrictions = place.restrictions.clone();
        select.limit = Some(limit);
        let rows = select.fetch(session)?;
        let row = |row: usize| cells.iter().map(|&cell| rows.cell(row, cell)).map(Cell::to_value).collect();
        Ok((0..rows.len()).map(row).collect())
    }
}

/// No property at all; keys and tags are fetched anyway.
pub(super) fn nothing() -> Shape {
    Shape {
        properties: Some(Vec::new()),
        links: Some(Vec::new()),
        ..Shape::default()
    }
}

/// What restricts the targets of a navigation from the entity with a key (and, for a near join, the foreign key it holds).
fn restrictions(navigation: &Navigation, key: &[Value], near: &[Value]) -> Vec<Restriction> {
    match &navigation.join {
        Some(Join::Near { .. }) => vec![Restriction::Row(near.to_vec())],
        Some(Join::Far { columns }) => vec![Restriction::Columns(columns.clone(), key.to_vec())],
        Some(Join::Link { table, near, far }) => {
            vec![Restriction::Link {
                table: *table,
                near: near.clone(),
                far: far.clone(),
                values: key.to_vec(),
            }]
        }
        // The path parser refuses such a navigation; no rows is right all the same.
        None => vec![Restriction::ColumnsIn(Vec::new(), Vec::new())],
    }
}

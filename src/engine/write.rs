//! Changing and deleting entities (WR), and what every change needs. Each runs inside one transaction: a fault leaves nothing half
//! done.

use super::layout::Columns;
use super::permission::Verb;
use super::resolve::{Parent, Place};
use super::row::{Entity, is_none};
use super::{Engine, identity, tenants};
use crate::model::caller::{Caller, Scope};
use crate::model::edm::Value;
use crate::model::expr::Source;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Page;
use crate::model::query::Shape;
use crate::model::schema::{DYNAMIC_COLUMN, Join, MEDIA_COLUMN, Navigation, TypeId};
use crate::model::target::{Body, Preconditions, Resource};
use crate::odata::etag::etag;
use crate::store::{Delete, Insert, Restriction, Select, Session};

impl Engine {
    /// Replaces (PUT) or changes (PATCH, MERGE) one entity. `body` is read when the entity's concrete type is known.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FORBIDDEN`, `PRECONDITION`, what `body` gives, `MISSING_PROPERTY`, `BAD_REFERENCE`, `CONFLICT`.
    pub fn update(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        resource: &Resource,
        body: &dyn Fn(TypeId) -> Outcome<Body>,
        replace: bool,
        preconditions: &Preconditions,
    ) -> Outcome<Page> {
        let (place, scope, current) = self.to_change(session, caller, resource, preconditions)?;
        let mut body = body(current.ty)?;
        let entity = &self.schema.types[current.ty];
        if body.ty != current.ty {
            let message = format!("The entity is a {}, and stays one.", entity.qualified());
            return Err(Fault::new(&fault::BAD_BODY, message));
        }
        let links = std::mem::take(&mut body.links);
        let given: Vec<usize> = body.values.iter().map(|(index, _)| *index).collect();
        let mut changed = self.apply(&current, body, replace)?;
        let mut hidden = Vec::new();
        let elsewhere = self.apply_links(session, caller, place.set, &mut changed, &mut hidden, (links, &given))?;
        self.check_references(session, &scope, &changed, Some(&current))?;
        self.save(session, caller, &scope, &current, &mut changed, &hidden)?;
        for (navigation, end) in elsewhere {
            let own = Parent {
                ty: current.ty,
                set: place.set,
                navigation,
                key: current.key(entity),
            };
            match end {
                Some(end) => self.connect(session, caller, &own, &end)?,
                None => self.disconnect(session, caller, &own, self.end_set(place.set, &entity.navigations[navigation]))?,
            }
        }
        Ok(self.page_of(place.set, &changed))
    }

    /// The one entity that a path leads to, for the caller to change it: where it is, what the caller may change, and as it is now.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FORBIDDEN`, `PRECONDITION`.
    pub(super) fn to_change(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        resource: &Resource,
        preconditions: &Preconditions,
    ) -> Outcome<(Place, Scope, Entity)> {
        let place = self.resolve(session, caller, resource)?;
        let (scope, current) = self.claim(session, caller, &place, Verb::Update)?;
        self.check_preconditions(&current, preconditions)?;
        Ok((place, scope, current))
    }

    /// Deletes one entity; or has it deleted by a job, whose number this is.
    ///
    /// # Errors
    /// `NOT_FOUND`, `FORBIDDEN`, `PRECONDITION`, `REFERENCED`.
    pub fn delete(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        resource: &Resource,
        preconditions: &Preconditions,
    ) -> Outcome<Option<i64>> {
        let place = self.resolve(session, caller, resource)?;
        let (scope, current) = self.claim(session, caller, &place, Verb::Delete)?;
        self.check_preconditions(&current, preconditions)?;
        self.check_power(session, caller, Some(&current), None)?;
        if self.remove_if_job(session, caller, &current)? {
            return Ok(None);
        }
        let job = self.drive_delete(session, caller, &current)?;
        if job.is_none() {
            self.delete_row(session, caller, &place, &scope, &current)?;
        }
        Ok(job)
    }

    /// Deletes an entity that the caller may delete, with what goes along with it.
    pub(super) fn delete_row(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        place: &Place,
        scope: &Scope,
        current: &Entity,
    ) -> Outcome<()> {
        let key = current.key(&self.schema.types[current.ty]);
        let along = self.along(session, caller, place, current)?;
        let administered = self.administered(session, caller, current.ty)?;
        tenants::dissolve(self, session, current)?;
        self.runner_goes(session, current)?;
        self.task_goes(session, current)?;
        self.check_unreferenced(session, current.ty, &key)?;
        self.drop_machine(session, current)?;
        Delete::new(&self.schema, scope, current.ty, &key)?.run(session)?;
        self.drop_lists(session, current)?;
        self.discard_streams(session, current)?;
        self.audit_change(session, caller, Some(current), None)?;
        along.gone(self, session)?;
        self.touched(session, current.ty)?;
        self.keep_administrator(session, administered, None)
    }

    /// Inserts an entity and learns its number.
    pub(super) fn insert(&self, session: &mut Session<'_>, new: &mut Entity, hidden: &[(String, Value)]) -> Outcome<()> {
        let entity = &self.schema.types[new.ty];
        let table = entity.table.ok_or_else(|| Fault::internal("a type without a table"))?;
        let mut insert = Insert::new(&self.schema, table);
        insert.values = self.insert_columns(new);
        insert
            .values
            .extend(hidden.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let number = insert.run(session)?;
        if let (Some(number), Some(index)) = (number, entity.properties.iter().position(|property| property.generated)) {
            new.values[index] = Value::Integer(number);
        }
        Ok(())
    }

    /// After an entity with a number that its client chose: the database does not give it again.
    pub(super) fn skip_number(&self, session: &mut Session<'_>, ty: TypeId, number: i64) -> Outcome<()> {
        let table = self.schema.types[ty].table;
        let table = table.ok_or_else(|| Fault::internal("a type without a table"))?;
        Insert::new(&self.schema, table).skip(session, number)
    }

    /// The columns whose values differ.
    pub(super) fn changed_columns(&self, current: &Entity, changed: &Entity) -> Vec<(&str, Value)> {
        let entity = &self.schema.types[current.ty];
        let mut columns = Vec::new();
        for (index, property) in entity
            .properties
            .iter()
            .enumerate()
            .filter(|(_, property)| !property.column.is_empty())
        {
            if current.values[index] != changed.values[index] {
                columns.push((property.column.as_str(), changed.values[index].clone()));
            }
        }
        if current.dynamic != changed.dynamic {
            columns.push((DYNAMIC_COLUMN, changed.dynamic.clone()));
        }
        columns
    }

    /// The entity at a place with all its values, kept from other writers until the transaction ends.
    pub(super) fn locked(&self, session: &mut Session<'_>, scope: &Scope, place: &Place) -> Outcome<Entity> {
        self.entity_at(session, scope, place, true)
    }

    /// The entity at a place with all its values.
    pub(super) fn entity_at(&self, session: &mut Session<'_>, scope: &Scope, place: &Place, lock: bool) -> Outcome<Entity> {
        if place.null {
            return Err(Fault::not_found());
        }
        let sources = [Source {
            ty: place.ty,
            set: place.set,
            join: None,
            nested: false,
        }];
        let mut columns = Columns::of(&self.schema, place.ty, &Shape::default());
        for &member in &self.schema.types[place.ty].family {
            for property in self.schema.types[member]
                .properties
                .iter()
                .filter(|property| property.write_only && !property.column.is_empty())
            {
                columns.hidden(&self.schema, place.ty, &property.column);
            }
        }
        let mut select = Select::new(&self.schema, scope, &sources);
        select.outputs = columns.outputs;
        select.restrictions = place.restrictions.clone();
        select.limit = Some(1);
        select.lock = lock;
        let rows = select.fetch(session)?;
        if rows.is_empty() {
            return Err(Fault::not_found());
        }
        let mut page = self.page_of(
            place.set,
            &Entity {
                ty: place.ty,
                values: Vec::new(),
                media: Value::Null,
                dynamic: Value::Null,
            },
        );
        (page.rows, page.layout) = (rows, columns.layout);
        let (ty, cells) = page.row_type(&self.schema, 0);
        let value = |(index, cell): (usize, &Option<usize>)| {
            let column = &self.schema.types[*ty].properties[index].column;
            let hidden = || super::layout::cell_of(&self.schema, &page.layout, column);
            cell.or_else(hidden).map_or(Value::Null, |cell| page.rows.cell(0, cell).to_value())
        };
        let hidden = |name: &str| {
            let cell = super::layout::cell_of(&self.schema, &page.layout, name);
            cell.map_or(Value::Null, |cell| page.rows.cell(0, cell).to_value())
        };
        Ok(Entity {
            ty: *ty,
            media: hidden(MEDIA_COLUMN),
            dynamic: hidden(DYNAMIC_COLUMN),
            values: cells.iter().enumerate().map(value).collect(),
        })
    }

    /// `If-Match` and `If-None-Match` on a change (WR-68, WR-69).
    pub(super) fn check_preconditions(&self, current: &Entity, preconditions: &Preconditions) -> Outcome<()> {
        if preconditions.if_match.is_none() && preconditions.if_none_match.is_none() {
            return Ok(());
        }
        let entity = &self.schema.types[current.ty];
        if !entity.has_etag() {
            return Err(Fault::new(
                &fault::BAD_REQUEST,
                "Entities of this set have no ETag to compare with.",
            ));
        }
        let tag = etag(&self.schema, current.ty, |index| current.values[index].cell());
        let matches = preconditions.if_match.as_ref().is_none_or(|tags| tags.contain(&tag));
        let differs = preconditions.if_none_match.as_ref().is_none_or(|tags| !tags.contain(&tag));
        if matches && differs {
            return Ok(());
        }
        Err(Fault::new(&fault::PRECONDITION, "The entity has changed since its ETag was read."))
    }

    /// Every foreign key that a write sets leads to an entity that the caller sees; a foreign tenant's is like none.
    pub(super) fn check_references(&self, session: &mut Session<'_>, scope: &Scope, new: &Entity, current: Option<&Entity>) -> Outcome<()> {
        let entity = &self.schema.types[new.ty];
        let scope = &scope.reading();
        for navigation in &entity.navigations {
            let Some(Join::Near { columns }) = &navigation.join else { continue };
            let index = |column: &String| entity.properties.iter().position(|property| property.column == *column);
            let indexes: Option<Vec<usize>> = self.said(navigation.target, columns).iter().map(index).collect();
            // A hidden column is not the body's, and server-owned members are right by themselves.
            let Some(indexes) = indexes.filter(|indexes| indexes.iter().all(|&index| !entity.properties[index].read_only)) else {
                continue;
            };
            let unchanged = current.is_some_and(|current| indexes.iter().all(|&index| current.values[index] == new.values[index]));
            let values: Vec<Value> = indexes.iter().map(|&index| new.values[index].clone()).collect();
            if unchanged || self.leads_nowhere(navigation, entity, &indexes, &values) || self.is_itself(new, navigation, &values) {
                continue;
            }
            let tenant = columns[..columns.len() - values.len()].iter().filter_map(index);
            let row: Vec<Value> = tenant.map(|index| new.values[index].clone()).chain(values).collect();
            if !self.ask(session, scope, navigation.target, vec![Restriction::Row(row)], |select, session| {
                select.exists(session)
            })? {
                let name = &entity.properties[indexes[0]].name;
                return Err(Fault::new(&fault::BAD_REFERENCE, format!("{name} names no {}.", navigation.name)).of(name));
            }
        }
        Ok(())
    }

    /// The values say "none": one is null, or a non-nullable key of an optional navigation holds zero.
    fn leads_nowhere(
        &self,
        navigation: &Navigation,
        entity: &crate::model::schema::EntityType,
        indexes: &[usize],
        values: &[Value],
    ) -> bool {
        let optional = navigation.multiplicity != crate::model::schema::Multiplicity::One;
        indexes.iter().zip(values).any(|(&index, value)| {
            value.is_null() || (optional && !entity.properties[index].nullable && is_none(value, entity.properties[index].ty.primitive()))
        })
    }

    /// The entity refers to itself, like the root of a tree that is its own parent.
    fn is_itself(&self, new: &Entity, navigation: &Navigation, values: &[Value]) -> bool {
        let (own, target) = (&self.schema.types[new.ty], &self.schema.types[navigation.target]);
        own.root == target.root && own.key.iter().zip(values).all(|(&key, value)| new.values[key] == *value)
    }

    /// Refuses to delete what others refer to, where the database does not see to that itself.
    pub(super) fn check_unreferenced(&self, session: &mut Session<'_>, ty: TypeId, key: &[Value]) -> Outcome<()> {
        let Some(incoming) = self.unenforced.get(&self.schema.types[ty].root) else {
            return Ok(());
        };
        let everything = Scope::everything();
        for reference in incoming {
            let refers = Restriction::Columns(reference.columns.clone(), key.to_vec());
            let own = self.schema.types[reference.ty].root == self.schema.types[ty].root;
            let any = self.ask(
                session,
                &everything,
                reference.ty,
                vec![refers.clone()],
                |select, session| match own {
                    true => select.count(session),
                    false => select.exists(session).map(u64::from),
                },
            )?;
            // The entity may refer to itself, as the root of a tree does.
            let itself = match own && any > 0 {
                true => self.ask(
                    session,
                    &everything,
                    ty,
                    vec![refers, Restriction::Row(key.to_vec())],
                    |select, session| select.count(session),
                )?,
                false => 0,
            };
            if any > itself {
                return Err(Fault::new(&fault::REFERENCED, "Other entities refer to this one."));
            }
        }
        Ok(())
    }

    /// Runs `ask` on the statement for the rows of a type under some restrictions.
    pub(super) fn ask<T>(
        &self,
        session: &mut Session<'_>,
        scope: &Scope,
        ty: TypeId,
        restrictions: Vec<Restriction>,
        ask: impl FnOnce(&Select<'_>, &mut Session<'_>) -> Outcome<T>,
    ) -> Outcome<T> {
        let sources = [Source {
            ty,
            set: None,
            join: None,
            nested: false,
        }];
        let mut select = Select::new(&self.schema, scope, &sources);
        select.restrictions = restrictions;
        ask(&select, session)
    }

    /// A row of a link table.
    pub(super) fn insert_pair(
        &self,
        session: &mut Session<'_>,
        table: usize,
        near: (&[String], &[Value]),
        far: (&[String], &[Value]),
    ) -> Outcome<()> {
        let mut insert = Insert::new(&self.schema, table);
        for (column, value) in near.0.iter().zip(near.1).chain(far.0.iter().zip(far.1)) {
            // The tenant may stand on both sides: its column is one.
            if insert.values.iter().all(|(known, _)| known != column) {
                insert.values.push((column, value.clone()));
            }
        }
        insert.run(session).map(drop)
    }

    /// What callers may do may have changed: cached credentials are looked up again.
    pub(super) fn touched(&self, session: &mut Session<'_>, ty: TypeId) -> Outcome<()> {
        if self.schema.types[ty].security || self.is_session(ty) {
            identity::raise_security_version(self, session)
        } else {
            Ok(())
        }
    }
}

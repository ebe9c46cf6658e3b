//! What the database deletes along with an entity (`cascade` of a navigation): it asks nobody, so it is found and asked for before.

use std::collections::HashMap;

use super::permission::Verb;
use super::resolve::Place;
use super::row::Entity;
use super::{Engine, Incoming};
use crate::model::caller::{Caller, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::CASCADE_ROWS;
use crate::model::schema::{MEDIA_COLUMN, Schema, SetId, TypeId};
use crate::store::{Restriction, Session};

/// Keys in one statement.
const KEYS_AT_ONCE: usize = 100;

/// Entities that go along with another one.
#[derive(Debug, Default)]
pub(super) struct Along {
    /// Type and row key of each, and the first of all: the one that is deleted.
    entities: Vec<(TypeId, Vec<Value>)>,
    /// Columns that say which bytes they have.
    streams: Vec<Value>,
}

/// For each root type, whose rows the database deletes along with its own.
pub(super) fn cascading(schema: &Schema) -> HashMap<TypeId, Vec<Incoming>> {
    let mut all: HashMap<TypeId, Vec<Incoming>> = HashMap::new();
    let of_table = |table: usize| {
        let mut roots = schema.types.iter().enumerate().filter(|(id, ty)| ty.root == *id);
        roots.find(|(_, ty)| ty.table == Some(table)).map(|(id, _)| id)
    };
    for (table, holder) in schema.tables.iter().enumerate() {
        let Some(ty) = of_table(table) else { continue };
        for reference in holder.references.iter().filter(|reference| reference.cascade) {
            if let Some(target) = of_table(reference.table) {
                let columns = reference.columns.clone();
                all.entry(target).or_default().push(Incoming { ty, columns });
            }
        }
    }
    all
}

impl Along {
    /// When the database has deleted them.
    pub fn gone(self, engine: &Engine, session: &mut Session<'_>) -> Outcome<()> {
        Engine::discard_held(session, &self.streams)?;
        let mut types: Vec<TypeId> = self.entities.into_iter().skip(1).map(|(ty, _)| ty).collect();
        types.sort_unstable();
        types.dedup();
        types.into_iter().try_for_each(|ty| engine.touched(session, ty))
    }
}

impl Engine {
    /// What goes along with an entity that the caller deletes: he needs the right to delete each of them.
    ///
    /// # Errors
    /// `FORBIDDEN` naming the set; `REFERENCED` when one is not the caller's to see, when others refer to one, and when they are more than
    /// [`CASCADE_ROWS`].
    pub(super) fn along(&self, session: &mut Session<'_>, caller: &Caller, place: &Place, current: &Entity) -> Outcome<Along> {
        let entity = &self.schema.types[current.ty];
        let mut along = Along::default();
        if !self.cascading.contains_key(&entity.root) {
            return Ok(along);
        }
        along.entities.push((entity.root, current.key(entity)));
        let mut from = 0;
        while from < along.entities.len() {
            let ty = along.entities[from].0;
            let same = along.entities[from..].iter().take(KEYS_AT_ONCE).take_while(|one| one.0 == ty);
            let keys: Vec<Vec<Value>> = same.map(|(_, key)| key.clone()).collect();
            from += keys.len();
            for incoming in self.cascading.get(&ty).into_iter().flatten() {
                self.below(session, caller, place.set, incoming, &keys, &mut along)?;
            }
        }
        for (ty, key) in &along.entities[1..] {
            self.check_unreferenced(session, *ty, key)?;
        }
        Ok(along)
    }

    /// The rows of one type that go along with some others.
    fn below(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        set: Option<SetId>,
        incoming: &Incoming,
        keys: &[Vec<Value>],
        along: &mut Along,
    ) -> Outcome<()> {
        let referring = vec![Restriction::ColumnsIn(incoming.columns.clone(), keys.to_vec())];
        let place = Place {
            restrictions: referring.clone(),
            ..Place::of(incoming.ty, None, Vec::new())
        };
        let mut columns = self.key_columns(incoming.ty);
        let width = columns.len();
        columns.extend(self.stream_columns(incoming.ty));
        let limit = CASCADE_ROWS + 1;
        let rows = self.rows(session, &Scope::everything(), &place, &columns, limit)?;
        if rows.is_empty() {
            return Ok(());
        }
        let too_many = || {
            let message = format!("Deleting this would delete more than {CASCADE_ROWS} other entities: delete those first.");
            Fault::new(&fault::REFERENCED, message)
        };
        if rows.len() > CASCADE_ROWS {
            return Err(too_many());
        }
        let mine = self.may_delete(session, caller, set, incoming.ty, referring)?;
        if mine < rows.len() as u64 {
            return Err(Fault::new(&fault::REFERENCED, "Other entities refer to this one."));
        }
        for mut row in rows {
            let streams = row.split_off(width);
            let one = (incoming.ty, row);
            if !along.entities.contains(&one) {
                along.streams.extend(streams.into_iter().filter(|stream| !stream.is_null()));
                along.entities.push(one);
            }
        }
        if along.entities.len() > limit { Err(too_many()) } else { Ok(()) }
    }

    /// How many rows of a type the caller may delete, of those under some restrictions.
    fn may_delete(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        set: Option<SetId>,
        ty: TypeId,
        restrictions: Vec<Restriction>,
    ) -> Outcome<u64> {
        let set = set.and_then(|set| self.schema.set_of(self.schema.sets[set].endpoint, ty));
        let set = set.or_else(|| self.home_sets.get(&ty).copied());
        let scope = self.scope(caller, ty, set, Verb::Delete).map_err(|fault| {
            let name = set.map_or("", |set| self.schema.sets[set].name.as_str());
            let message = format!("Deleting this would delete entities of {name}, too, and none of your roles allows that.");
            Fault::new(fault.kind, message)
        })?;
        self.ask(session, &scope, ty, restrictions, |select, session| select.count(session))
    }

    /// The columns of a hierarchy that say which bytes a row has.
    fn stream_columns(&self, root: TypeId) -> Vec<String> {
        let family = || self.schema.types[root].family.iter().map(|&ty| &self.schema.types[ty]);
        let mut columns: Vec<String> = Vec::new();
        for property in family().flat_map(|ty| &ty.properties).filter(|property| !property.is_structural()) {
            if !columns.contains(&property.column) {
                columns.push(property.column.clone());
            }
        }
        if family().any(|ty| ty.has_stream) {
            columns.push(MEDIA_COLUMN.to_owned());
        }
        columns
    }
}

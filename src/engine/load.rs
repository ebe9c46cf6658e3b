//! Loading rows: as given, keys included, many in one transaction.

use super::Engine;
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::model::schema::{Join, SetId};
use crate::model::target::Body;
use crate::store::{Insert, Session};

impl Engine {
    /// Inserts rows into a set. Keys that the database would number are taken as given. References are checked at the end of
    /// the transaction, so rows may refer to later ones.
    pub fn load(&self, session: &mut Session<'_>, set: SetId, rows: Vec<Body>) -> Outcome<()> {
        session.defer_references()?;
        let ty = self.schema.sets[set].entity_type;
        let caller = Caller::server();
        for body in rows {
            let numbers: Vec<(usize, Value)> = body
                .values
                .iter()
                .filter(|(index, _)| self.schema.types[body.ty].key.contains(index))
                .cloned()
                .collect();
            let mut new = self.new_entity(&caller, body)?;
            for (index, value) in numbers {
                new.values[index] = value;
            }
            self.insert(session, &mut new, &[])?;
        }
        self.touched(session, ty)?;
        let table = self.schema.types[ty]
            .table
            .ok_or_else(|| Fault::internal("a type without a table"))?;
        Insert::new(&self.schema, table).advance(session)
    }

    /// Inserts pairs of keys into the link table of a many-to-many navigation.
    pub fn load_links(&self, session: &mut Session<'_>, set: SetId, navigation: usize, rows: Vec<(Vec<Value>, Vec<Value>)>) -> Outcome<()> {
        let navigation = &self.schema.set_type(set).navigations[navigation];
        let Some(Join::Link { table, near, far }) = &navigation.join else {
            return Err(Fault::new(
                &crate::model::fault::BAD_PATH,
                format!("{} is not many-to-many.", navigation.name),
            ));
        };
        session.defer_references()?;
        for (own, other) in &rows {
            self.insert_pair(session, *table, (near, own), (far, other))?;
        }
        Ok(())
    }
}

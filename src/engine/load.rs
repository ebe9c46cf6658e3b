//! Loading rows: as given, keys included, many in one transaction.

use super::Engine;
use crate::model::caller::{Caller, Guid};
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::model::schema::{EntityType, Join, SetId};
use crate::model::target::Body;
use crate::store::{Insert, Session};

impl Engine {
    /// Inserts rows into a set, as rows of a tenant where they belong to one. Keys that the database would number are taken as given.
    /// References are checked at the end of the transaction, so rows may refer to later ones.
    pub fn load(&self, session: &mut Session<'_>, set: SetId, tenant: Guid, rows: Vec<Body>) -> Outcome<()> {
        session.defer_references()?;
        let ty = self.schema.sets[set].entity_type;
        let caller = Caller {
            tenant,
            ..Caller::server()
        };
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

    /// Inserts pairs of keys into the link table of a many-to-many navigation; where keys are each tenant's own, those of a tenant.
    pub fn load_links(
        &self,
        session: &mut Session<'_>,
        set: SetId,
        navigation: usize,
        tenant: Guid,
        rows: Vec<(Vec<Value>, Vec<Value>)>,
    ) -> Outcome<()> {
        let own_type = self.schema.set_type(set);
        let navigation = &own_type.navigations[navigation];
        let other_type = &self.schema.types[navigation.target];
        let Some(Join::Link { table, near, far }) = &navigation.join else {
            return Err(Fault::new(
                &crate::model::fault::BAD_PATH,
                format!("{} is not many-to-many.", navigation.name),
            ));
        };
        session.defer_references()?;
        let row_key = |ty: &EntityType, key: Vec<Value>| match ty.has_tenant_key() {
            true => std::iter::once(Value::Bytes(tenant.to_vec())).chain(key).collect(),
            false => key,
        };
        for (own, other) in rows {
            let (own, other) = (row_key(own_type, own), row_key(other_type, other));
            self.insert_pair(session, *table, (near, &own), (far, &other))?;
        }
        Ok(())
    }
}

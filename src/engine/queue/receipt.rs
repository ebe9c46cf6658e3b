//! `JobResponses`: what somebody was told who asked for something that a job carries out. A row is there for whom its job is there.

use crate::engine::Engine;
use crate::engine::permission::Verb;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Tenants};
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::model::page::Page;
use crate::model::schema::{SetId, TypeId};
use crate::store::{Insert, Restriction, Session};

impl Engine {
    /// The set.
    pub fn receipts(&self) -> Outcome<SetId> {
        let found = self.schema.endpoint("Core").and_then(|core| core.set_names.get("JobResponses"));
        found.copied().ok_or_else(|| Fault::internal("Core has no JobResponses"))
    }

    /// Writes down what is answered about a job: that it is there, under a URL.
    pub fn receipt(&self, session: &mut Session<'_>, job: i64, url: String) -> Outcome<Page> {
        let set = self.receipts()?;
        let ty = self.schema.sets[set].entity_type;
        let table = self.schema.types[ty].table.ok_or_else(|| Fault::internal("no table"))?;
        let mut insert = Insert::new(&self.schema, table);
        insert.values = vec![("Id", Value::Integer(job)), ("Name", Value::Text(url.clone()))];
        insert.run(session)?;
        let row = Entity {
            ty,
            values: vec![Value::Integer(job), Value::Text(url)],
            media: Value::Null,
            dynamic: Value::Null,
        };
        Ok(self.page_of(Some(set), &row))
    }

    /// Which rows of a type there are, if they are receipts: those of jobs that the caller may read.
    ///
    /// # Errors
    /// `FORBIDDEN` if he may read no job.
    pub(in crate::engine) fn of_own_jobs(&self, caller: &Caller, ty: TypeId) -> Outcome<Option<Restriction>> {
        let set = self.receipts()?;
        if ty != self.schema.sets[set].entity_type {
            return Ok(None);
        }
        let jobs = self.core_type("Jobs")?;
        let scope = self.scope(caller, jobs, None, Verb::Read)?;
        let table = self.schema.types[jobs].table.ok_or_else(|| Fault::internal("no table"))?;
        let (mut near, mut values) = (Vec::new(), Vec::new());
        if let Tenants::One(tenant) = caller.tenants {
            near.push("Tid".to_owned());
            values.push(Value::Bytes(tenant.to_vec()));
        }
        // Whatever the rule says: one's own jobs are among those that it lets through, and others may not be.
        if scope.rule(self.schema.types[jobs].root).is_some() {
            near.push("CreatedById".to_owned());
            values.push(Value::Integer(caller.user));
        }
        Ok(match near.is_empty() {
            true => None,
            false => Some(Restriction::Link {
                table,
                near,
                far: vec!["Id".to_owned()],
                values,
            }),
        })
    }
}

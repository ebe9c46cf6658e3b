//! `[jobs]` of a type and `job` of an operation: what a job does instead of the request.

use super::build::Build;
use super::raw::RawOperation;
use super::read::At;
use crate::engine::operation::{Who, handler};
use crate::engine::queue::EXTERNAL;
use crate::model::schema::{Behaviour, Driven, Operation, OperationKind, Type};

/// Longest name of a kind: that of the column.
const KIND_CHARACTERS: usize = 200;

impl Build<'_> {
    /// Reads them when all operations are there.
    pub fn jobs(&mut self) {
        for id in self.bases_first.clone() {
            let raw = &self.declared[id].raw.jobs;
            if let Some(create) = raw.create.as_ref().filter(|_| self.schema.types[id].has_stream) {
                let message = "A media entity is made by its bytes, and is there at once: it has no `create` job.";
                self.problems.add(create.place, message);
            }
            let base = self.schema.types[id]
                .base
                .map(|base| self.schema.types[base].jobs.clone())
                .unwrap_or_default();
            self.schema.types[id].jobs = Driven {
                create: self.kind(raw.create.as_ref()).or(base.create),
                delete: self.kind(raw.delete.as_ref()).or(base.delete),
            };
        }
        for &(endpoint, index, raw) in &self.placed {
            let operation = &self.schema.endpoints[endpoint].operations[index];
            if let Some(said) = &raw.job {
                self.kind(Some(said));
                if let Some(fault) = self.job_fault(raw, operation) {
                    self.problems.add(said.place, format!("`{}`: {fault}", operation.name));
                }
            }
        }
    }

    fn kind(&self, said: Option<&At<String>>) -> Option<String> {
        let said = said?;
        let is_name = (1..=KIND_CHARACTERS).contains(&said.it.chars().count()) && !said.it.chars().any(|c| c.is_control() || c == '*');
        if !is_name || said.it == EXTERNAL {
            let message = format!("A kind of job is a text of at most {KIND_CHARACTERS} characters without `*`, and not `{EXTERNAL}`.");
            self.problems.add(said.place, message);
        }
        Some(said.it.clone())
    }

    fn job_fault(&self, raw: &RawOperation, operation: &Operation) -> Option<&'static str> {
        if operation.kind() != OperationKind::Action {
            return Some("only an action can be a `job`'s: it answers when nothing has been done yet.");
        }
        let receipt = self.find_set_type("Core", "JobResponses");
        let answers_it = receipt.is_some_and(|receipt| operation.entities() == Some((receipt, false)));
        if raw.returns.is_some() && !answers_it {
            return Some("an action with a `job` answers the job's JobResponse; `returns` must be that, or missing.");
        }
        if operation.arguments().iter().any(|parameter| holds_entities(&parameter.ty)) {
            return Some("the arguments of an action with a `job` are written down, and entities cannot be.");
        }
        let is_secret = |name: &String| handler(name).is_some_and(|handler| !handler.marks.is_empty() || handler.who == Who::Anybody);
        if matches!(&operation.behaviour, Behaviour::Handler(name) if is_secret(name)) {
            return Some("what this handler is given is not written down, so that no `job` can do it.");
        }
        None
    }
}

fn holds_entities(ty: &Type) -> bool {
    match ty {
        Type::Entity(_) => true,
        Type::Collection(item) => holds_entities(item),
        Type::Primitive(_) | Type::Complex(_) => false,
    }
}

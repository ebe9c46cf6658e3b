//! What follows when a job ends: jobs that depend on it, the next of its chain, and its own removal where that was asked for.

use serde_json::{Map, Value as Json};

use super::enqueue::New;
use super::job::{Job, word};
use super::state::{State, Step};
use crate::engine::Engine;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::JOB_DEPENDENCIES;
use crate::model::schema::Join;
use crate::store::{Session, clear_where};

impl Engine {
    /// A job has ended.
    pub(super) fn ended(&self, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
        self.desk.moves.ring_after(session);
        if job.state == State::Succeeded {
            self.next_of_chain(session, job)?;
        }
        self.tell_dependents(session, job)?;
        self.job_of_run_ended(session, job)?;
        match job.is(self, "RemoveAtEnd") {
            true => self.delete_job(session, job),
            false => Ok(()),
        }
    }

    /// Those that wait for it go on, or fail; and those that wait for these.
    fn tell_dependents(&self, session: &mut Session<'_>, job: &Job) -> Outcome<()> {
        let mut ended = vec![job.clone()];
        let mut told = 0;
        while let Some(job) = ended.pop() {
            for (id, state) in self.linked_jobs(session, job.id, "Dependents")? {
                told += 1;
                if told > JOB_DEPENDENCIES {
                    let message = format!("More than {JOB_DEPENDENCIES} jobs depend on this one.");
                    return Err(Fault::new(&fault::TOO_LARGE, message));
                }
                if state != State::Waiting {
                    continue;
                }
                let mut next = self.job(session, id)?;
                if job.state != State::Succeeded {
                    let why = format!("Job {}, which it depends on, has ended as {}.", job.id, job.state.name());
                    next.step(self, session, Step::Fail, &why, vec![("Error", word(&why))])?;
                    ended.push(next);
                } else if !self.waits(session, &next)? {
                    self.release_job(session, &mut next)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing holds a job back any more but, maybe, the time.
    fn release_job(&self, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
        if job.is_later(self) {
            self.desk.times.ring_after(session);
            return job.step(self, session, Step::Postpone, "", Vec::new());
        }
        let values = self.place(session, job)?;
        job.step(self, session, Step::Release, "", values)?;
        self.desk.work.ring_after(session);
        Ok(())
    }

    /// Enqueues the next step of a chain, with what this one has given among its arguments.
    fn next_of_chain(&self, session: &mut Session<'_>, job: &Job) -> Outcome<()> {
        let mut steps: Vec<Json> = serde_json::from_str(job.text(self, "Chain")).unwrap_or_default();
        if steps.is_empty() {
            return Ok(());
        }
        let step = steps.remove(0);
        let mut parameters: Map<String, Json> = step["Parameters"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        if let Value::Text(result) = job.value(self, "Result") {
            let result = serde_json::from_str(result).unwrap_or_else(|_| Json::from(result.as_str()));
            parameters.insert("previous".to_owned(), result);
        }
        let mut values = vec![
            ("ParentId", Value::Integer(job.id)),
            ("Chain", Value::Text(Json::from(steps).to_string())),
            ("RetrySeconds", job.value(self, "RetrySeconds").clone()),
        ];
        for name in ["Priority", "Attempts"] {
            let value = step[name].as_i64().map_or_else(|| job.value(self, name).clone(), Value::Integer);
            values.push((name, value));
        }
        let new = New {
            tenant: job.tenant,
            user: job.integer(self, "CreatedById"),
            name: "",
            kind: step["Kind"].as_str().unwrap_or_default(),
            parameters: Some(Json::from(parameters).to_string()),
            values,
        };
        match self.enqueue(session, new) {
            Ok(_) => Ok(()),
            // The job is done all the same: what was wrong stands in its log.
            Err(fault) if fault.kind.status < 500 => self.log_line(session, job, "ERROR", &format!("The chain ends here: {fault}")),
            Err(fault) => Err(fault),
        }
    }

    /// Deletes a job with its streams, its log and its history.
    pub(super) fn delete_job(&self, session: &mut Session<'_>, job: &Job) -> Outcome<()> {
        self.desk.counts.ring_after(session);
        let ty = self.core_type("Jobs")?;
        for (set, column) in [("Logs", "JobId"), ("JobEvents", "JobId"), ("JobResponses", "Id")] {
            let of = self.core_type(set)?;
            if let Some(table) = self.schema.types[of].table {
                clear_where(session, &self.schema, table, column, Value::Integer(job.id))?;
            }
        }
        let entity = &self.schema.types[ty];
        for navigation in &entity.navigations {
            if let Some(Join::Link { table, near, .. }) = &navigation.join
                && let [column] = near.as_slice()
            {
                clear_where(session, &self.schema, *table, column, Value::Integer(job.id))?;
            }
        }
        let row = job.clone().into_row();
        let (everything, key) = (crate::model::caller::Scope::everything(), [Value::Integer(job.id)]);
        crate::store::Delete::new(&self.schema, &everything, ty, &key)?.run(session)?;
        self.discard_streams(session, &row)
    }
}

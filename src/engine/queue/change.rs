//! What clients change of a job that is there: nothing that says what it does, nothing that the server says, and of a job that drives an
//! entity nothing that moves it.

use super::enqueue::check_size;
use super::job::{Job, integer};
use super::kinds::EXTERNAL;
use super::state::State;
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::JOB_ANCESTORS;
use crate::store::{Restriction, Session};

/// What only the maker of a job says, and only until it is submitted.
const OF_THE_MAKER: &[&str] = &[
    "Kind",
    "Submitted",
    "Priority",
    "Attempts",
    "Due",
    "RetrySeconds",
    "DeferSeconds",
    "TimeoutSeconds",
    "WallSeconds",
    "LeaseSeconds",
    "Tags",
    "Unique",
    "IdempotencyKey",
    "Chain",
];

/// What the server says of a job from then on.
const OF_THE_SERVER: &[&str] = &["Status", "Error", "EndTime", "ParentId"];

/// What says which entity a job drives, and where that is.
const OF_THE_DRIVER: &[&str] = &["Condition", "ConditionParameters", "EntityKindId", "RefId", "Parameters"];

impl Engine {
    /// A PATCH or PUT of a job, or a link in its row.
    ///
    /// # Errors
    /// `BAD_VALUE`; `NOT_FOUND`, `FORBIDDEN` for one that drives what the caller may not change.
    pub(in crate::engine) fn check_job_change(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        current: &Entity,
        changed: &Entity,
    ) -> Outcome<()> {
        if !self.is_job(current.ty) {
            return Ok(());
        }
        let job = Job::of(self, current.clone())?;
        self.may_drive(session, caller, &job)?;
        let is_driver = job.is_bound(self) || !job.value(self, "RefSet").is_null();
        let parameters: &[&str] = if job.kind == EXTERNAL { &[] } else { &["Parameters"] };
        let of_the_driver = if is_driver { OF_THE_DRIVER } else { &[] };
        let of_the_server = if job.state == State::Draft { &[] } else { OF_THE_SERVER };
        let fixed = [OF_THE_MAKER, parameters, of_the_driver, of_the_server].concat();
        for name in fixed {
            let index = self.property_of(current.ty, name)?;
            if current.values[index] != changed.values[index] {
                return Err(Fault::new(&fault::BAD_VALUE, format!("{name} of a job does not change: make another one.")).of(name));
            }
        }
        let value = |name: &str| self.property_of(current.ty, name).map(|index| &changed.values[index]);
        check_size(value("Parameters")?)?;
        match *value("ParentId")? == *job.value(self, "ParentId") {
            true => Ok(()),
            false => self.check_parent(session, value("Id")?, value("ParentId")?),
        }
    }

    /// A job is not below itself.
    ///
    /// # Errors
    /// `BAD_VALUE`
    fn check_parent(&self, session: &mut Session<'_>, id: &Value, parent: &Value) -> Outcome<()> {
        let bad = |message: String| Err(Fault::new(&fault::BAD_VALUE, message).of("ParentId"));
        let (jobs, mut at) = (self.core_type("Jobs")?, integer(parent));
        for _ in 0..JOB_ANCESTORS {
            if at == 0 {
                return Ok(());
            }
            if at == integer(id) {
                return bad("ParentId leads to the job itself: it would be below itself.".to_owned());
            }
            let row = Restriction::Row(vec![Value::Integer(at)]);
            let rows = self.columns(session, jobs, &["ParentId"], None, vec![row])?;
            at = rows.first().map_or(0, |row| integer(&row[0]));
        }
        bad(format!("A job has at most {JOB_ANCESTORS} others above it."))
    }
}

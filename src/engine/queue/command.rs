//! What clients do with jobs: submit, kill, remove, restart, try again, and say how it ended outside.

use serde_json::Value as Json;

use super::enqueue::New;
use super::job::{Job, Values, cut, moment, word};
use super::state::{self, State, Step};
use super::work::Failure;
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::JOB_MESSAGE_BYTES;
use crate::store::Session;

/// What of a job the one that is made from it has, too.
const COPIED: &[&str] = &[
    "Priority",
    "Attempts",
    "RetrySeconds",
    "DeferSeconds",
    "TimeoutSeconds",
    "WallSeconds",
    "LeaseSeconds",
    "Tags",
    "Unique",
    "Chain",
    "RefId",
    "EntityKindId",
    "Token",
    "Secrets",
];

/// What has become of a job that was restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restarted {
    /// It waited, and is due now.
    Same,
    /// It had ended; this one does the same again.
    New(i64),
}

/// How something ended outside: version 1 of the result of a job.
struct Outside {
    succeeded: bool,
    message: String,
    description: String,
}

impl Outside {
    fn read(text: &str) -> Outcome<Outside> {
        let bad = |message: String| Fault::new(&fault::BAD_ARGUMENT, message).of("JobResult");
        let json: Json = serde_json::from_str(text).map_err(|error| bad(format!("JobResult is a JSON object, as text: {error}.")))?;
        let succeeded = json["Succeeded"].as_bool();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Ok(Outside {
            succeeded: succeeded.ok_or_else(|| bad("JobResult says in `Succeeded` whether it is one.".to_owned()))?,
            message: text("Message"),
            description: text("Description"),
        })
    }
}

impl Engine {
    /// A draft is complete.
    ///
    /// # Errors
    /// `CONFLICT`.
    pub fn submit_job(&self, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
        state::step(job.state, Step::Submit)?;
        job.write(self, session, vec![("Submitted", Value::Boolean(true))])?;
        let (to, values) = self.first_state(session, job)?;
        job.write(self, session, values)?;
        job.state = to;
        job.remember(self, session, Some(State::Draft), Some(to), "")?;
        self.desk.work.ring_after(session);
        Ok(())
    }

    /// Nobody is to work on it any more. What nobody works on ends at once; else its worker is told with its next word.
    ///
    /// # Errors
    /// `CONFLICT` for what has ended.
    pub fn kill_job(&self, session: &mut Session<'_>, job: &mut Job, by: &str) -> Outcome<()> {
        if job.state == State::Stopping {
            return Ok(());
        }
        let why = format!("killed by {by}");
        let values = vec![("KilledAt", moment(self.clock.now())), ("Error", word(&why))];
        job.step(self, session, Step::Kill, &why, values)?;
        self.desk.moves.ring_after(session);
        match job.state.is_end() {
            true => self.ended(session, job),
            false => Ok(()),
        }
    }

    /// Takes a job away with all that belongs to it: at once, or when its worker has stopped.
    pub fn remove_job(&self, session: &mut Session<'_>, job: &mut Job, by: &str) -> Outcome<()> {
        if job.state.is_end() {
            self.desk.moves.ring_after(session);
            return self.delete_job(session, job);
        }
        job.write(self, session, vec![("RemoveAtEnd", Value::Boolean(true))])?;
        self.kill_job(session, job, by)
    }

    /// DELETE of a job is `Remove`: its history goes with it, though nobody may delete that, and those that wait for it are told. Whether
    /// the entity is one.
    pub(in crate::engine) fn remove_if_job(&self, session: &mut Session<'_>, caller: &Caller, entity: &Entity) -> Outcome<bool> {
        let is_job = entity.ty == self.core_type("Jobs")?;
        if is_job {
            let mut job = Job::of(self, entity.clone())?;
            self.may_remove(session, caller, &job)?;
            self.remove_job(session, &mut job, &caller.name)?;
        }
        Ok(is_job)
    }

    /// What waits for its time is due now; what has ended is done again, by another job.
    ///
    /// # Errors
    /// `CONFLICT` for what is queued or being worked on.
    pub fn restart_job(&self, session: &mut Session<'_>, caller: &Caller, job: &mut Job) -> Outcome<Restarted> {
        if !job.state.is_end() {
            let values = self.place(session, job)?;
            job.step(self, session, Step::Restart, "", values)?;
            self.desk.work.ring_after(session);
            return Ok(Restarted::Same);
        }
        if job.is_bound(self) {
            let message = "The job carries out what somebody has asked for: `Retry` it, or ask for that again.";
            return Err(Fault::new(&fault::CONFLICT, message));
        }
        let mut values: Values<'_> = COPIED.iter().map(|name| (*name, job.value(self, name).clone())).collect();
        values.push(("ParentId", Value::Integer(job.id)));
        let parameters = if let Value::Text(text) = job.value(self, "Parameters") {
            Some(text.clone())
        } else {
            None
        };
        let new = New {
            tenant: job.tenant,
            user: caller.user,
            name: job.text(self, "Name"),
            kind: &job.kind,
            parameters,
            values,
        };
        self.enqueue(session, new).map(Restarted::New)
    }

    /// One more attempt for what has failed, was killed or has expired: as if it was submitted now.
    ///
    /// # Errors
    /// `CONFLICT`, also where something that it depends on has ended badly.
    pub fn retry_job(&self, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
        let next = state::step(job.state, Step::Retry)?;
        let to = if self.rests(job) {
            State::Idle
        } else if self.has_to_wait(session, job)? {
            State::Waiting
        } else {
            next
        };
        let attempts = job.integer(self, "Attempts").max(job.integer(self, "Failures") + 1);
        let mut values = if to == next { self.place(session, job)? } else { Values::new() };
        values.extend([("Attempts", Value::Integer(attempts)), ("Losses", Value::Integer(0))]);
        values.extend(["EndTime", "RetireAt", "Deadline", "KilledAt", "Due"].map(|name| (name, Value::Null)));
        // Another one may have been made since this one ended.
        if job.is(self, "Unique") {
            values.push((
                "UniqueKey",
                self.only_one(session, job.tenant, &job.kind, job.value(self, "Parameters"))?,
            ));
        }
        job.go(self, session, to, "", values)?;
        self.desk.work.ring_after(session);
        self.desk.moves.ring_after(session);
        Ok(())
    }

    /// Somebody outside says how a job ended. A failure is written down; `ends` says whether it is also the end.
    ///
    /// # Errors
    /// `BAD_ARGUMENT`, `CONFLICT`.
    pub fn job_result(&self, session: &mut Session<'_>, job: &mut Job, result: &str, ends: bool) -> Outcome<()> {
        let outside = Outside::read(result)?;
        if outside.succeeded && ends {
            return self.succeed(session, job, Some(result));
        }
        if job.state.is_end() {
            return Err(Fault::new(&fault::CONFLICT, format!("The job is {}.", job.state.name())));
        }
        // A failure leaves state and condition as they are: somebody mends what is wrong, and says again how it ended.
        let said = |text: &str| word(cut(&job.masked(self, text), JOB_MESSAGE_BYTES));
        let mut values = vec![("Error", said(result))];
        if !outside.message.is_empty() {
            values.extend([("Name", said(&outside.message)), ("Description", said(&outside.description))]);
        }
        job.write(self, session, values)?;
        self.desk.moves.ring_after(session);
        match job.state.is_held() {
            true => self.fail_attempt(
                session,
                job,
                Failure {
                    error: result,
                    retry: true,
                },
            ),
            false => Ok(()),
        }
    }
}

//! What workers do with jobs: claim, say that they are alive, and how it ended. A worker is a runner over HTTP or a thread of an instance.

use super::job::{Job, Values, cut, guid, moment, word};
use super::kinds;
use super::state::{State, Step};
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::{Guid, Scope};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{JOB_ARGUMENT_BYTES, JOB_LOG_CALL_LINES, JOB_LOG_LINE_BYTES, JOB_LOG_LINES, JOB_MESSAGE_BYTES};
use crate::store::{Asker, Insert, Session};

/// How long a worker may be silent when neither job nor kind says so.
pub const LEASE: Ticks = 60 * SECOND;
/// How long a thread of an instance may be silent: the pool speaks for it, whatever the job says, so that it is soon known when the
/// instance is gone.
pub const THREAD_LEASE: Ticks = 20 * SECOND;
/// The longest wait between two attempts.
const LONGEST_RETRY: i64 = 86_400;

/// Who asks for jobs.
#[derive(Debug, Clone)]
pub struct Worker {
    /// What it is called, for people.
    pub name: String,
    /// `Runners.Id`; none for a thread of an instance.
    pub runner: Option<i64>,
    /// What it has to show when it speaks of a job that it has claimed.
    pub registration: Guid,
    /// Whose jobs it does; none: everybody's.
    pub tenant: Option<Guid>,
    /// What it can do.
    pub kinds: Vec<String>,
    /// What it has.
    pub tags: Vec<String>,
}

/// What makes somebody the one who works on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// That of the claim; none for somebody who only knows the number of the attempt.
    pub registration: Option<Guid>,
    /// The attempt.
    pub attempt: i64,
}

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The job is to be stopped.
    pub stop: bool,
    /// The next word has to come before.
    pub lease_until: Ticks,
    /// Which is in so long a time: a worker's clock may be another one.
    pub lease: Ticks,
}

/// How an attempt has failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// What went wrong.
    pub error: &'a str,
    /// It may be tried again.
    pub retry: bool,
}

impl Worker {
    fn asker(&self) -> Asker<'_> {
        Asker {
            tenant: self.tenant,
            kinds: &self.kinds,
            tags: &self.tags,
        }
    }
}

impl Engine {
    /// Whether there is a job that a worker might get: a look, before a claim that costs a write.
    pub fn is_job_waiting(&self, session: &mut Session<'_>, worker: &Worker) -> Outcome<bool> {
        self.queue()?.is_any(session, &worker.asker())
    }

    /// The next job for a worker, if there is one: highest priority first, users in turn, the oldest of each first. Its secrets are among its
    /// arguments.
    pub fn claim_job(&self, session: &mut Session<'_>, worker: &Worker) -> Outcome<Option<Job>> {
        let queue = self.queue()?;
        let mut limited = Vec::new();
        for kind in &worker.kinds {
            // Who does everybody's jobs meets everybody's limits.
            let is_limited = match worker.tenant {
                Some(tenant) => kinds::of(self, session, tenant, kind).is_ok_and(|defaults| defaults.limited),
                None => true,
            };
            if is_limited {
                limited.push(kind.clone());
            }
        }
        queue.lock_kinds(session, &limited)?;
        let now = self.clock.now();
        let values = [
            ("State", word(State::Claimed.name())),
            ("Worker", word(cut(&worker.name, 200))),
            ("RunnerId", worker.runner.map_or(Value::Null, Value::Integer)),
            ("Registration", Value::Bytes(worker.registration.to_vec())),
            ("LeaseUntil", moment(now + worker.runner.map_or(THREAD_LEASE, |_| LEASE))),
            ("HeartbeatAt", moment(now)),
            ("StartedAt", moment(now)),
            ("Progress", Value::Null),
            ("ProgressMessage", Value::Null),
            ("Overdue", Value::Boolean(false)),
            ("Modified", moment(now)),
            ("RowVersion", Value::Bytes(self.next_version())),
        ];
        let Some(row) = queue.claim(session, &worker.asker(), &values)? else {
            return Ok(None);
        };
        let mut job = Job::of_row(self, row)?;
        let seconds = |name: &str| match job.value(self, name) {
            Value::Integer(seconds) => Some(moment(now + seconds * SECOND)),
            _ => None,
        };
        let bounds = [
            ("LeaseSeconds", "LeaseUntil"),
            ("TimeoutSeconds", "TimeoutAt"),
            ("WallSeconds", "WallAt"),
        ];
        let asks = bounds.iter().filter(|(of, _)| worker.runner.is_some() || *of != "LeaseSeconds");
        let bounds: Values<'_> = asks.filter_map(|(of, to)| Some((*to, seconds(of)?))).collect();
        if !bounds.is_empty() {
            job.write(self, session, bounds)?;
        }
        job.remember(self, session, Some(State::Queued), Some(State::Claimed), "")?;
        self.desk.moves.ring_after(session);
        job.uncover(self)?;
        Ok(Some(job))
    }

    /// A job by its number, kept from other writers.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn job(&self, session: &mut Session<'_>, id: i64) -> Outcome<Job> {
        Job::of(self, self.job_row(session, &Scope::everything(), &Value::Integer(id), true)?)
    }

    pub(super) fn job_row(&self, session: &mut Session<'_>, scope: &Scope, id: &Value, lock: bool) -> Outcome<Entity> {
        let place = crate::engine::resolve::Place::of(self.core_type("Jobs")?, None, vec![id.clone()]);
        self.entity_at(session, scope, &place, lock)
    }

    /// A job of somebody who says that he works on it.
    ///
    /// # Errors
    /// `LOST_LEASE`.
    pub(super) fn held(&self, job: &Job, hold: Hold) -> Outcome<()> {
        let registration = guid(job.value(self, "Registration"));
        let same = hold.registration.is_none_or(|shown| Some(shown) == registration);
        if job.state.is_held() && job.attempt == hold.attempt && same {
            return Ok(());
        }
        let message = match job.state.is_held() {
            true => "Somebody else works on the job now, or another attempt does.",
            false => "Nobody works on the job now.",
        };
        Err(Fault::new(&fault::LOST_LEASE, message))
    }

    /// A worker is alive; its lease begins anew, but not once it is to stop.
    ///
    /// # Errors
    /// `LOST_LEASE`, `BAD_ARGUMENT`.
    pub fn job_heartbeat(
        &self,
        session: &mut Session<'_>,
        job: &mut Job,
        hold: Hold,
        progress: Option<f64>,
        message: Option<&str>,
    ) -> Outcome<Word> {
        self.held(job, hold)?;
        if progress.is_some_and(|progress| !(0.0..=1.0).contains(&progress)) {
            return Err(Fault::new(&fault::BAD_ARGUMENT, "Progress is between 0 and 1.").of("Progress"));
        }
        let now = self.clock.now();
        let lease = match job.value(self, "LeaseSeconds") {
            Value::Integer(seconds) => seconds * SECOND,
            _ => LEASE,
        };
        let is_thread = *job.value(self, "RunnerId") == Value::Null;
        // Who is to stop has as long as a lease for it, however often he speaks: a worker that never stops does not keep its job alive.
        let lease_until = match job.state {
            State::Stopping => job.moment(self, "KilledAt").map_or(now, |killed| killed.min(now)) + lease,
            _ if is_thread => now + THREAD_LEASE,
            _ => now + lease,
        };
        let mut values = vec![("HeartbeatAt", moment(now)), ("LeaseUntil", moment(lease_until))];
        // Within an attempt progress does not go back.
        let known = if let Value::Double(known) = job.value(self, "Progress") {
            *known
        } else {
            0.0
        };
        values.extend(progress.map(|progress| ("Progress", Value::Double(progress.max(known)))));
        let message = message.map(|message| job.masked(self, message));
        values.extend(message.map(|message| ("ProgressMessage", word(cut(&message, JOB_MESSAGE_BYTES)))));
        match job.state {
            State::Claimed => job.step(self, session, Step::Begin, "", values)?,
            _ => job.write(self, session, values)?,
        }
        self.desk.moves.ring_after(session);
        Ok(Word {
            stop: job.state == State::Stopping,
            lease_until,
            lease: (lease_until - now).max(0),
        })
    }

    /// Whether a job is to be stopped; a look.
    ///
    /// # Errors
    /// `LOST_LEASE`, `NOT_FOUND`.
    pub fn is_job_stopping(&self, session: &mut Session<'_>, id: i64, hold: Hold) -> Outcome<bool> {
        let job = Job::of(self, self.job_row(session, &Scope::everything(), &Value::Integer(id), false)?)?;
        self.held(&job, hold)?;
        Ok(job.state == State::Stopping)
    }

    /// Lines for the log of a job, by who works on it. In a full log one more line says that it is full, and the others are left out: what
    /// a job is about is not to fail for that.
    ///
    /// # Errors
    /// `LOST_LEASE`, `TOO_LARGE`.
    pub fn job_log(&self, session: &mut Session<'_>, job: &mut Job, hold: Hold, lines: &[String]) -> Outcome<()> {
        self.held(job, hold)?;
        if lines.len() > JOB_LOG_CALL_LINES {
            let message = format!("One call has at most {JOB_LOG_CALL_LINES} lines of log.");
            return Err(Fault::new(&fault::TOO_LARGE, message).of("Lines"));
        }
        let known = job.integer(self, "LogLines");
        let room = usize::try_from(JOB_LOG_LINES as i64 - known).unwrap_or_default();
        let mut written = lines.len().min(room);
        for line in &lines[..written] {
            self.log_line(session, job, "INFO", line)?;
        }
        if lines.len() > room && known <= JOB_LOG_LINES as i64 {
            self.log_line(session, job, "WARNING", "The log is full: what follows is left out.")?;
            written += 1;
        }
        match written {
            0 => Ok(()),
            written => job.write(self, session, vec![("LogLines", Value::Integer(known + written as i64))]),
        }
    }

    /// A row of `Logs` about a job.
    pub(super) fn log_line(&self, session: &mut Session<'_>, job: &Job, level: &str, line: &str) -> Outcome<()> {
        let ty = self.core_type("Logs")?;
        let table = self.schema.types[ty].table.ok_or_else(|| Fault::internal("no table"))?;
        let now = moment(self.clock.now());
        let mut insert = Insert::new(&self.schema, table);
        let printed = |text: &str| text.chars().filter(|c| *c == '\t' || !c.is_control()).collect::<String>();
        insert.values = vec![
            ("Tid", Value::Bytes(job.tenant.to_vec())),
            ("Name", word(&job.kind)),
            ("CreatedById", job.value(self, "CreatedById").clone()),
            ("ModifiedById", job.value(self, "CreatedById").clone()),
            ("Created", now.clone()),
            ("Modified", now.clone()),
            ("RowVersion", Value::Bytes(self.next_version())),
            ("Level", word(level)),
            ("Source", job.value(self, "Worker").clone()),
            ("Message", Value::Text(printed(cut(&job.masked(self, line), JOB_LOG_LINE_BYTES)))),
            ("Timestamp", now),
            ("JobId", Value::Integer(job.id)),
            ("Attempt", Value::Integer(job.attempt)),
        ];
        if let Some((_, source)) = insert.values.iter_mut().find(|(name, value)| *name == "Source" && value.is_null()) {
            *source = word("");
        }
        insert.run(session).map(drop)
    }

    /// An attempt has succeeded.
    ///
    /// # Errors
    /// `LOST_LEASE`, `TOO_LARGE`.
    pub fn finish_job(&self, session: &mut Session<'_>, job: &mut Job, hold: Hold, result: Option<&str>) -> Outcome<()> {
        self.held(job, hold)?;
        self.succeed(session, job, result)
    }

    /// The same, whoever says so.
    pub(super) fn succeed(&self, session: &mut Session<'_>, job: &mut Job, result: Option<&str>) -> Outcome<()> {
        if result.is_some_and(|result| result.len() > JOB_ARGUMENT_BYTES) {
            let message = format!("A result has at most {JOB_ARGUMENT_BYTES} bytes; what is longer is a job's Output.");
            return Err(Fault::new(&fault::TOO_LARGE, message).of("Result"));
        }
        if job.is_bound(self)
            && let Err(fault) = session.attempt(|session| self.take_effect(session, job))
        {
            let error = fault.to_string();
            let failure = Failure {
                error: &error,
                retry: false,
            };
            return if fault.kind.status < 500 {
                self.fail_attempt(session, job, failure)
            } else {
                Err(fault)
            };
        }
        let mut values = vec![("Progress", Value::Double(1.0)), ("Error", word(""))];
        values.extend(result.map(|result| ("Result", Value::Text(job.masked(self, result)))));
        if let Some(target) = self.target(session, job)? {
            return self.arrive(session, job, target, values);
        }
        job.step(self, session, Step::Finish, "", values)?;
        self.ended(session, job)
    }

    /// An attempt has failed, by the word of who works on it.
    ///
    /// # Errors
    /// `LOST_LEASE`.
    pub fn fail_job(&self, session: &mut Session<'_>, job: &mut Job, hold: Hold, failure: Failure<'_>) -> Outcome<()> {
        self.held(job, hold)?;
        self.fail_attempt(session, job, failure)
    }

    /// An attempt has failed: the next one is due later, or it was the last one.
    pub(super) fn fail_attempt(&self, session: &mut Session<'_>, job: &mut Job, failure: Failure<'_>) -> Outcome<()> {
        let error = job.masked(self, failure.error);
        let error = cut(&error, JOB_MESSAGE_BYTES);
        if job.state == State::Stopping {
            job.step(self, session, Step::Stop, error, vec![("Error", word(error))])?;
            return self.ended(session, job);
        }
        let failures = job.integer(self, "Failures") + 1;
        let mut values = vec![("Error", word(error)), ("Failures", Value::Integer(failures))];
        if !failure.retry || failures >= job.integer(self, "Attempts") {
            job.step(self, session, Step::Fail, error, values)?;
            return self.ended(session, job);
        }
        let due = self.clock.now() + backoff(job.integer(self, "RetrySeconds"), failures) * SECOND;
        values.push(("Due", moment(due)));
        job.step(self, session, Step::FailAttempt, error, values)?;
        self.desk.times.ring_after(session);
        self.desk.moves.ring_after(session);
        Ok(())
    }

    /// Its worker wants to do it later.
    ///
    /// # Errors
    /// `LOST_LEASE`, `BAD_ARGUMENT`.
    pub fn defer_job(&self, session: &mut Session<'_>, job: &mut Job, hold: Hold, seconds: i64, message: &str) -> Outcome<()> {
        self.held(job, hold)?;
        if !(0..=crate::model::limits::JOB_SECONDS as i64).contains(&seconds) {
            return Err(Fault::new(&fault::BAD_ARGUMENT, "Seconds is between 0 and a year.").of("Seconds"));
        }
        if job.state == State::Stopping {
            return self.fail_attempt(
                session,
                job,
                Failure {
                    error: message,
                    retry: false,
                },
            );
        }
        let (now, message) = (self.clock.now(), &*job.masked(self, message));
        // The window begins with the first attempt.
        let window = job.integer(self, "DeferSeconds") * SECOND;
        let deadline = job
            .moment(self, "Deadline")
            .or_else(|| Some(job.moment(self, "StartedAt")? + window));
        let deadline = deadline.unwrap_or(now + window);
        if now >= deadline {
            job.step(
                self,
                session,
                Step::Expire,
                message,
                vec![("Error", word(cut(message, JOB_MESSAGE_BYTES)))],
            )?;
            return self.ended(session, job);
        }
        let values = vec![
            ("Deadline", moment(deadline)),
            ("Due", moment(now + seconds * SECOND)),
            ("ProgressMessage", word(cut(message, JOB_MESSAGE_BYTES))),
        ];
        job.step(self, session, Step::Defer, message, values)?;
        self.desk.times.ring_after(session);
        self.desk.moves.ring_after(session);
        Ok(())
    }
}

/// Seconds until the next attempt after a number of failures.
fn backoff(first: i64, failures: i64) -> i64 {
    let power = (failures - 1).clamp(0, 30) as u32;
    first.saturating_mul(2_i64.pow(power)).min(LONGEST_RETRY.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double() {
        let waits: Vec<i64> = (1..=6).map(|failures| backoff(10, failures)).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320]);
        assert_eq!(backoff(10, 60), LONGEST_RETRY);
        assert_eq!(backoff(1_000_000, 3), 1_000_000, "what its maker says is not shortened");
        assert_eq!(backoff(0, 100), 0);
    }
}

//! What happens by itself when a time has come. Every instance sweeps; a job that another one is about to move is passed over.

use super::job::{Job, Values, cut, moment, word};
use super::state::{State, Step};
use super::work::{Failure, Hold};
use crate::engine::Engine;
use crate::model::clock::Ticks;
use crate::model::edm::Value;
use crate::model::fault::Outcome;
use crate::model::limits::{JOB_LOSSES, JOBS_SWEPT};
use crate::model::text;
use crate::store::{JobRow, Session};

/// Which jobs, by what column, and what happens to one whose time there has come.
struct Timer {
    states: &'static [&'static str],
    column: &'static str,
    act: fn(&Engine, &mut Session<'_>, &mut Job) -> Outcome<()>,
}

const HELD: &[&str] = &["claimed", "running", "stopping"];
const ENDED: &[&str] = &["succeeded", "failed", "killed", "expired"];
const WORKED_ON: &[&str] = &["claimed", "running"];

/// Every timer.
const TIMERS: &[Timer] = &[
    Timer {
        states: &["delayed", "retrying", "deferred"],
        column: "Due",
        act: promote,
    },
    Timer {
        states: HELD,
        column: "LeaseUntil",
        act: lose,
    },
    Timer {
        states: WORKED_ON,
        column: "TimeoutAt",
        act: time_out,
    },
    Timer {
        states: HELD,
        column: "WallAt",
        act: mark_overdue,
    },
    Timer {
        states: ENDED,
        column: "RetireAt",
        act: retire,
    },
];

impl Engine {
    /// Moves what is due; whether there may be more of it.
    pub fn sweep_jobs(&self, session: &mut Session<'_>) -> Outcome<bool> {
        let now = self.clock.now();
        // Runners before jobs, as everybody locks them.
        self.sweep_runners(session)?;
        let mut is_more = false;
        for timer in TIMERS {
            let rows: Vec<JobRow> = self.queue()?.due(session, timer.states, timer.column, now, JOBS_SWEPT)?;
            is_more |= rows.len() == JOBS_SWEPT;
            for row in rows {
                (timer.act)(self, session, &mut Job::of_row(self, row)?)?;
            }
        }
        Ok(is_more)
    }

    /// Takes a job from its worker: it is queued again, in its old place. `counts`: the worker, or the job, may be what is wrong, so that
    /// after some of these the job has failed.
    pub(super) fn lose_job(&self, session: &mut Session<'_>, job: &mut Job, why: &str, counts: bool) -> Outcome<()> {
        if job.state == State::Stopping {
            return self.fail_attempt(session, job, Failure { error: why, retry: false });
        }
        let mut values: Values<'_> = vec![
            ("Progress", Value::Null),
            ("ProgressMessage", Value::Null),
            ("RunnerId", Value::Null),
        ];
        if counts {
            let losses = job.integer(self, "Losses") + 1;
            values.extend([
                ("ZombieAt", moment(self.clock.now())),
                ("Losses", Value::Integer(losses)),
                ("Error", word(why)),
            ]);
            if losses >= job.integer(self, "Attempts").max(JOB_LOSSES as i64) {
                values.retain(|(name, _)| *name != "RunnerId");
                job.step(self, session, Step::Fail, why, values)?;
                return self.ended(session, job);
            }
        }
        job.step(self, session, Step::Lose, why, values)?;
        self.desk.work.ring_after(session);
        self.desk.moves.ring_after(session);
        Ok(())
    }

    /// Its worker ends before the job does, and so gives it back: neither a failure nor a loss. What was to stop has stopped.
    ///
    /// # Errors
    /// `LOST_LEASE`.
    pub fn give_back_job(&self, session: &mut Session<'_>, job: &mut Job, hold: Hold, why: &str) -> Outcome<()> {
        self.held(job, hold)?;
        self.lose_job(session, job, why, false)
    }

    /// Whether something is due; what a sweep begins with where writing costs more than reading.
    pub fn is_job_due(&self, session: &mut Session<'_>) -> Outcome<bool> {
        let now = self.clock.now();
        Ok(self.next_sweep(session)?.is_some_and(|next| next <= now))
    }

    /// When the next sweep has something to do.
    pub fn next_sweep(&self, session: &mut Session<'_>) -> Outcome<Option<Ticks>> {
        let mut next = self.next_runner(session)?;
        for timer in TIMERS {
            let due = self.queue()?.next_due(session, timer.states, timer.column)?;
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }
}

fn promote(engine: &Engine, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
    let values = engine.place(session, job)?;
    job.step(engine, session, Step::Promote, "", values)?;
    engine.desk.work.ring_after(session);
    Ok(())
}

/// Its worker has been silent for too long.
fn lose(engine: &Engine, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
    let worker = job.text(engine, "Worker").to_owned();
    let since = job.moment(engine, "HeartbeatAt").map(text::ticks_to_text).unwrap_or_default();
    // To the millisecond: more is noise.
    let why = format!("no word from {worker} since {}Z", cut(&since, "yyyy-MM-ddTHH:mm:ss.fff".len()));
    engine.lose_job(session, job, &why, true)
}

fn time_out(engine: &Engine, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
    let seconds = job.integer(engine, "TimeoutSeconds");
    let error = format!("timed out after {seconds} seconds");
    engine.fail_attempt(
        session,
        job,
        Failure {
            error: &error,
            retry: true,
        },
    )
}

fn mark_overdue(engine: &Engine, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
    job.write(engine, session, vec![("Overdue", Value::Boolean(true)), ("WallAt", Value::Null)])?;
    engine.log_line(session, job, "WARNING", "It takes longer than its WallSeconds say.")
}

/// It has been kept for as long as its kind says.
fn retire(engine: &Engine, session: &mut Session<'_>, job: &mut Job) -> Outcome<()> {
    engine.delete_job(session, job)
}

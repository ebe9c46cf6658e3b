//! Threads that do the jobs of this process. A panic is the job's failure, and nobody else's.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Map;

use super::handlers::{Handlers, Problem, Task};
use super::{AFTER_FAULT, LOOK, Stop, report};
use crate::engine::Engine;
use crate::engine::queue::{Failure, Hold, Job, THREAD_LEASE, Worker};
use crate::model::fault::{self, Outcome};
use crate::store::Db;

/// How often the pool says that its threads are alive; [`THREAD_LEASE`] is four times as long.
const HEARTBEAT: Duration = Duration::from_nanos((THREAD_LEASE / 4) as u64 * 100);

/// What the threads share.
pub(super) struct Pool {
    engine: Arc<Engine>,
    db: Db,
    handlers: Handlers,
    worker: Worker,
    /// What is being done: its attempt, and what tells it to stop.
    held: Mutex<HashMap<i64, (i64, Arc<AtomicBool>)>>,
    /// How often the bell had rung when there was nothing to claim, and when that was.
    found_none: Mutex<Option<(u64, Instant)>>,
}

impl Pool {
    /// Starts so many threads, and one that speaks for them.
    pub fn start(engine: &Arc<Engine>, db: &Db, mut handlers: Handlers, threads: usize, stop: &Arc<Stop>) -> Vec<JoinHandle<()>> {
        handlers.succeed(engine.effect_kinds());
        let kinds = handlers.kinds();
        engine.desk.kinds.handle(kinds.clone());
        let registration = uuid::Uuid::new_v4().into_bytes();
        let pool = Arc::new(Pool {
            engine: engine.clone(),
            db: db.clone(),
            handlers,
            worker: Worker {
                name: format!("server {}", std::process::id()),
                runner: None,
                registration,
                tenant: None,
                kinds,
                tags: Vec::new(),
            },
            held: Mutex::default(),
            found_none: Mutex::default(),
        });
        let mut handles = Vec::with_capacity(threads + 1);
        for _ in 0..threads {
            let (pool, stop) = (pool.clone(), stop.clone());
            handles.push(std::thread::spawn(move || pool.work(&stop)));
        }
        let stop = stop.clone();
        handles.push(std::thread::spawn(move || pool.speak(&stop)));
        handles
    }

    /// Does one job after the other.
    fn work(&self, stop: &Stop) {
        while !stop.is_told() {
            let rung = self.engine.desk.work.count();
            match self.claim(rung) {
                Ok(Some(job)) => self.carry_out(&job, stop),
                Ok(None) => self.engine.desk.work.wait(rung, LOOK),
                Err(fault) => {
                    report("jobs cannot be claimed", &fault);
                    stop.wait(AFTER_FAULT);
                }
            }
        }
    }

    /// The next job. When one thread has found none, the others need not look until the bell has rung again.
    fn claim(&self, rung: u64) -> Outcome<Option<Job>> {
        let mut found_none = self.found_none.lock().unwrap_or_else(PoisonError::into_inner);
        if found_none.is_some_and(|(since, at)| since == rung && at.elapsed() < LOOK) {
            return Ok(None);
        }
        *found_none = None;
        if !self.db.read_now(|session| self.engine.is_job_waiting(session, &self.worker))? {
            *found_none = Some((rung, Instant::now()));
            return Ok(None);
        }
        drop(found_none);
        let (engine, worker) = (self.engine.clone(), self.worker.clone());
        self.db.write_now(move |session| engine.claim_job(session, &worker))
    }

    fn carry_out(&self, job: &Job, instance: &Stop) {
        let stop = Arc::new(AtomicBool::new(false));
        let hold = Hold {
            registration: Some(self.worker.registration),
            attempt: job.attempt,
        };
        self.lock().insert(job.id, (job.attempt, stop.clone()));
        // Who was told to stop in the middle of the claim comes too late to be told with the others.
        if instance.is_told() {
            stop.store(true, Ordering::Relaxed);
        }
        let arguments = serde_json::from_str(job.text(&self.engine, "Parameters")).unwrap_or_else(|_| Map::new());
        let task = Task {
            arguments: &arguments,
            id: job.id,
            tenant: job.tenant,
            attempt: job.attempt,
            stop: &stop,
            engine: &self.engine,
            db: &self.db,
            hold,
        };
        let done = match self.handlers.get(&job.kind) {
            Some(handler) => catch_unwind(AssertUnwindSafe(|| handler(&task))).unwrap_or_else(|panic| Err(Problem::Failed(said(&*panic)))),
            None => Err(Problem::Hopeless("nobody here does jobs of this kind".to_owned())),
        };
        let is_cut_off = instance.is_told() && task.should_stop();
        // As long as it takes: what was done is not to be done again only because the database was away.
        while let Err(fault) = end(&task, done.clone(), is_cut_off) {
            if fault.kind.status < 500 {
                tracing::warn!(job = job.id, attempt = job.attempt, "what was done does not count: {fault}");
                break;
            }
            report("the end of a job cannot be written down", &fault);
            std::thread::sleep(AFTER_FAULT);
        }
        self.lock().remove(&job.id);
    }

    /// Says of each job that it is being worked on, and tells those to stop that are to.
    fn speak(&self, stop: &Stop) {
        let mut quiet = Duration::ZERO;
        let mut rung = self.engine.desk.moves.count();
        while !stop.is_told() {
            self.engine.desk.moves.wait(rung, LOOK);
            quiet += LOOK;
            let is_rung = self.engine.desk.moves.count() != rung;
            rung = self.engine.desk.moves.count();
            if !is_rung && quiet < HEARTBEAT {
                continue;
            }
            let held: Vec<(i64, i64, Arc<AtomicBool>)> = self
                .lock()
                .iter()
                .map(|(id, (attempt, stop))| (*id, *attempt, stop.clone()))
                .collect();
            for (id, attempt, flag) in held {
                let hold = Hold {
                    registration: Some(self.worker.registration),
                    attempt,
                };
                let is_silent = quiet >= HEARTBEAT;
                if self.is_to_stop(id, hold, is_silent) {
                    flag.store(true, Ordering::Relaxed);
                }
            }
            if quiet >= HEARTBEAT {
                quiet = Duration::ZERO;
            }
            // Not oftener than it makes sense, however often jobs move.
            stop.wait(LOOK / 10);
        }
        self.lock().values().for_each(|(_, flag)| flag.store(true, Ordering::Relaxed));
    }

    fn is_to_stop(&self, id: i64, hold: Hold, is_silent: bool) -> bool {
        let engine = self.engine.clone();
        let told = match is_silent {
            true => self.db.write_now(move |session| {
                let mut job = engine.job(session, id)?;
                Ok(engine.job_heartbeat(session, &mut job, hold, None, None)?.stop)
            }),
            false => self.db.read_now(|session| engine.is_job_stopping(session, id, hold)),
        };
        match told {
            Ok(stop) => stop,
            Err(fault) if fault.kind == &fault::LOST_LEASE || fault.kind == &fault::NOT_FOUND => true,
            Err(fault) => {
                report("a job cannot be looked at", &fault);
                false
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i64, (i64, Arc<AtomicBool>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down how a job has ended. What the end of this instance has cut off has not failed: it is given back.
fn end(task: &Task<'_>, done: Result<Option<String>, Problem>, is_cut_off: bool) -> Outcome<()> {
    task.with_job(move |engine, session, job, hold| match &done {
        Ok(result) => engine.finish_job(session, job, hold, result.as_deref()),
        Err(Problem::Later(seconds, message)) => engine.defer_job(session, job, hold, *seconds, message),
        Err(Problem::Failed(_)) if is_cut_off => engine.give_back_job(session, job, hold, "the server stops"),
        Err(Problem::Failed(error)) => engine.fail_job(session, job, hold, Failure { error, retry: true }),
        Err(Problem::Hopeless(error)) => engine.fail_job(session, job, hold, Failure { error, retry: false }),
    })
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    format!("panicked: {text}")
}

//! Jobs that this process does itself, by the name of their kind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json};

use crate::engine::Engine;
use crate::engine::queue::{Hold, Job};
use crate::model::caller::Guid;
use crate::model::fault::Outcome;
use crate::store::Db;

/// How a job that did not succeed ends for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It has failed, and may be tried again.
    Failed(String),
    /// It has failed, and would fail again.
    Hopeless(String),
    /// It is to be done in so many seconds.
    Later(i64, String),
}

/// Does a job; its result is a text, JSON if possible.
pub type Handler = fn(&Task<'_>) -> Result<Option<String>, Problem>;

/// A job being done.
#[derive(Debug)]
pub struct Task<'a> {
    /// Its arguments.
    pub arguments: &'a Map<String, Json>,
    /// `Jobs.Id`.
    pub id: i64,
    /// Whose it is.
    pub tenant: Guid,
    /// How often it was begun.
    pub attempt: i64,
    pub(super) stop: &'a AtomicBool,
    pub(super) engine: &'a Arc<Engine>,
    pub(super) db: &'a Db,
    pub(super) hold: Hold,
}

impl Task<'_> {
    /// It is to end: somebody has killed it, its lease is lost, or the server stops.
    pub fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Says how far it is, between 0 and 1.
    ///
    /// # Errors
    /// `LOST_LEASE`: then nothing that it does counts any more.
    pub fn progress(&self, progress: f64, message: &str) -> Outcome<()> {
        let message = message.to_owned();
        let word =
            self.with_job(move |engine, session, job, hold| engine.job_heartbeat(session, job, hold, Some(progress), Some(&message)))?;
        if word.stop {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Appends a line to its log.
    ///
    /// # Errors
    /// `LOST_LEASE`, `TOO_LARGE`.
    pub fn log(&self, line: &str) -> Outcome<()> {
        let lines = [line.to_owned()];
        self.with_job(move |engine, session, job, hold| engine.job_log(session, job, hold, &lines))
    }

    pub(super) fn with_job<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Engine, &mut crate::store::Session<'_>, &mut Job, Hold) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let (engine, id, hold) = (self.engine.clone(), self.id, self.hold);
        self.db.write_now(move |session| {
            let mut job = engine.job(session, id)?;
            act(&engine, session, &mut job, hold)
        })
    }

    fn number(&self, name: &str) -> f64 {
        self.arguments.get(name).and_then(Json::as_f64).unwrap_or_default()
    }
}

/// Who does which kind.
#[derive(Debug, Clone)]
pub struct Handlers(BTreeMap<String, Handler>);

impl Default for Handlers {
    /// Those that are built in: they show that the queue works.
    fn default() -> Handlers {
        let mut handlers = Handlers(BTreeMap::new());
        handlers.register("Echo", echo);
        handlers.register("Sleep", sleep);
        handlers
    }
}

impl Handlers {
    /// Does jobs of a kind by a function. It may be called again for a job that it was in the middle of when a process ended.
    pub fn register(&mut self, kind: &str, handler: Handler) {
        self.0.insert(kind.to_owned(), handler);
    }

    /// The same of kinds that nobody has registered for: there is nothing to do for them but to succeed.
    pub(super) fn succeed(&mut self, kinds: Vec<String>) {
        for kind in kinds {
            self.0.entry(kind).or_insert(|_| Ok(None));
        }
    }

    /// Every kind.
    pub fn kinds(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn get(&self, kind: &str) -> Option<Handler> {
        self.0.get(kind).copied()
    }
}

/// Answers its arguments. With `Fail`, an error text, it fails; with `Panic`, it panics.
fn echo(task: &Task<'_>) -> Result<Option<String>, Problem> {
    if let Some(message) = task.arguments.get("Panic").and_then(Json::as_str) {
        std::panic::resume_unwind(Box::new(message.to_owned()));
    }
    match task.arguments.get("Fail").and_then(Json::as_str) {
        Some(message) => Err(Problem::Failed(message.to_owned())),
        None => Ok(Some(Json::from(task.arguments.clone()).to_string())),
    }
}

/// Sleeps for so many `Seconds`, and tells how far it is.
fn sleep(task: &Task<'_>) -> Result<Option<String>, Problem> {
    let (begin, time) = (Instant::now(), Duration::from_secs_f64(task.number("Seconds").clamp(0.0, 86_400.0)));
    let mut told = begin;
    while begin.elapsed() < time {
        if task.should_stop() {
            return Err(Problem::Failed("stopped".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(20).min(time.saturating_sub(begin.elapsed())));
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            let progress = begin.elapsed().as_secs_f64() / time.as_secs_f64();
            let said = task.progress(progress.min(1.0), "");
            said.map_err(|fault| Problem::Failed(fault.to_string()))?;
        }
    }
    Ok(None)
}

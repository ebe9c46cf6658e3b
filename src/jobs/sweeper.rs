//! Moves jobs whose time has come: what was due later, what its worker has left, what takes too long; what has been kept for long enough.
//! Beside it the history of the queue: how many jobs there are in each state, when that has changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AFTER_FAULT, LOOK, Stop, report};
use crate::engine::Engine;
use crate::engine::queue::Known;
use crate::model::clock::SECOND;
use crate::model::fault::Outcome;
use crate::store::Db;

/// How often what is too old of the history is deleted.
const FORGET: Duration = Duration::from_secs(3_600);

/// Sweeps until told to stop.
pub(super) fn run(engine: &Arc<Engine>, db: &Db, stop: &Stop) {
    let mut history = History::default();
    while !stop.is_told() {
        let rung = engine.desk.times.count();
        let pause = sweep(engine, db).unwrap_or_else(|fault| {
            report("jobs cannot be swept", &fault);
            AFTER_FAULT
        });
        if let Err(fault) = history.look(engine, db) {
            report("the history of the queue cannot be written", &fault);
        }
        engine.desk.times.wait(rung, pause);
    }
}

/// Moves what is due; how long nothing is.
fn sweep(engine: &Arc<Engine>, db: &Db) -> Outcome<Duration> {
    loop {
        let now = engine.clock.now();
        let next = db.read_now(|session| engine.next_sweep(session))?;
        let Some(next) = next else { return Ok(LOOK) };
        if next > now {
            return Ok(LOOK.min(Duration::from_micros(((next - now) / (SECOND / 1_000_000)) as u64 + 1)));
        }
        let inner = engine.clone();
        db.write_now(move |session| inner.sweep_jobs(session))?;
    }
}

/// What is known of the history.
#[derive(Debug, Default)]
struct History {
    known: Known,
    /// How often a count had changed when it was looked at last, and when that was.
    seen: Option<(u64, Instant)>,
    forgotten: Option<Instant>,
}

impl History {
    /// Writes down what has changed, at most once in a second.
    fn look(&mut self, engine: &Arc<Engine>, db: &Db) -> Outcome<()> {
        let rung = engine.desk.counts.count();
        if self.seen.is_some_and(|(seen, at)| seen == rung || at.elapsed() < LOOK) {
            return Ok(());
        }
        self.seen = Some((rung, Instant::now()));
        let snapshot = db.read_now(|session| engine.count_queue(session, &self.known))?;
        if !snapshot.is_empty() {
            let (inner, written) = (engine.clone(), snapshot.clone());
            db.write_now(move |session| inner.write_history(session, &written))?;
            snapshot.remember(&mut self.known);
        }
        if self.forgotten.is_none_or(|at| at.elapsed() >= FORGET) {
            let inner = engine.clone();
            let is_more = db.write_now(move |session| inner.forget_history(session))?;
            self.forgotten = (!is_more).then(Instant::now);
        }
        Ok(())
    }
}

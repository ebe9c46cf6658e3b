//! Moves jobs whose time has come: what was due later, what its worker has left, what takes too long; what has been kept for long enough.

use std::sync::Arc;
use std::time::Duration;

use super::{AFTER_FAULT, LOOK, Stop, report};
use crate::engine::Engine;
use crate::model::clock::SECOND;
use crate::model::fault::Outcome;
use crate::store::Db;

/// Sweeps until told to stop.
pub(super) fn run(engine: &Arc<Engine>, db: &Db, stop: &Stop) {
    while !stop.is_told() {
        let rung = engine.desk.times.count();
        let pause = sweep(engine, db).unwrap_or_else(|fault| {
            report("jobs cannot be swept", &fault);
            AFTER_FAULT
        });
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

//! Floor 3: work that outlives a request. Each kind has a thread of its own, so that none waits for another's network.
//!
//! Invariant: nothing that counts is only here. What is to be done stands in the database, and a process that dies takes nothing along.

pub mod handlers;
pub mod mail;
mod pool;
mod scheduler;
mod sweeper;
mod transport;

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use handlers::Handlers;
use pool::Pool;

use crate::engine::Engine;
use crate::model::fault::Fault;
use crate::model::limits::SHUTDOWN_SECONDS;
use crate::store::Db;

/// How often somebody looks for work.
const LOOK: Duration = Duration::from_secs(1);
/// After this many looks what has expired is deleted.
const LOOKS_TO_SWEEP: u32 = 3_600;
/// How long everything may take to stop.
const PATIENCE: Duration = Duration::from_secs(SHUTDOWN_SECONDS as u64);
/// Of the time to stop, what is kept for the end of what runs.
const LAST: Duration = Duration::from_secs(3);
/// How long to wait when the database does not answer.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// The threads.
#[derive(Debug)]
pub struct Jobs {
    engine: Arc<Engine>,
    /// Ends first: what it starts then is done by the others.
    scheduler: (Arc<Stop>, JoinHandle<()>),
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// What runs.
#[derive(Debug, Default)]
pub struct Config {
    /// Mails.
    pub mail: mail::Config,
    /// What this process does itself.
    pub handlers: Handlers,
    /// How many threads do it; without one nobody here does.
    pub threads: usize,
}

/// Says when to stop.
#[derive(Debug, Default)]
struct Stop {
    told: Mutex<bool>,
    bell: Condvar,
}

impl Stop {
    /// Waits, but not once it is time to stop; whether it is.
    fn wait(&self, time: Duration) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(told, time, |told| !*told);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn is_told(&self) -> bool {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }
}

impl Jobs {
    /// Starts them.
    ///
    /// # Errors
    /// The settings of the mail cannot be used.
    pub fn start(engine: &Arc<Engine>, db: &Db, config: Config) -> Result<Jobs, String> {
        let stop = Arc::new(Stop::default());
        let sender = mail::Sender::new(engine.clone(), db.clone(), &config.mail)?;
        let until = stop.clone();
        // Nobody waits for the end of this one: it may be in the middle of a conversation with a slow server, and whatever it has
        // claimed is claimed again later.
        std::thread::spawn(move || sender.run(&until));
        let mut threads = Pool::start(engine, db, config.handlers, config.threads, &stop);
        for run in [keep, sweeper::run] {
            let (engine, db, stop) = (engine.clone(), db.clone(), stop.clone());
            threads.push(std::thread::spawn(move || run(&engine, &db, &stop)));
        }
        let last = (config.threads > 0).then_some(PATIENCE - LAST);
        let until = Arc::new(Stop::default());
        let (inner, db, told) = (engine.clone(), db.clone(), until.clone());
        let thread = std::thread::spawn(move || scheduler::run(&inner, &db, &told, last));
        Ok(Jobs {
            engine: engine.clone(),
            scheduler: (until, thread),
            stop,
            threads,
        })
    }

    /// Stops them: tasks that start at the end are done, then jobs are told to stop, and the journal is written down.
    pub fn stop(self) {
        let begin = Instant::now();
        let (stop, scheduler) = self.scheduler;
        stop.tell();
        self.engine.tray.ring();
        join(scheduler, begin + PATIENCE - LAST);
        self.stop.tell();
        for bell in [&self.engine.desk.work, &self.engine.desk.moves, &self.engine.desk.times] {
            bell.ring();
        }
        self.threads.into_iter().for_each(|thread| join(thread, begin + PATIENCE));
    }
}

/// Waits for the end of a thread, and no longer than that.
fn join(thread: JoinHandle<()>, until: Instant) {
    while !thread.is_finished() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    // A panic there was reported there. What does not end in time is claimed again later, by who is there then.
    if thread.is_finished() {
        let _ = thread.join();
    }
}

/// Writes the journal down, and deletes what has expired.
fn keep(engine: &Arc<Engine>, db: &Db, stop: &Stop) {
    let mut looks = 0;
    let mut is_last = false;
    while !is_last {
        is_last = stop.wait(LOOK);
        looks += 1;
        if let Some(taken) = engine.journal_taken(is_last) {
            let taken = Arc::new(taken);
            let (inner, rows) = (engine.clone(), taken.clone());
            if let Err(fault) = db.write_now(move |session| inner.write_journal(session, &rows)) {
                engine.journal_failed(&taken);
                report("sign-ins were not written down", &fault);
                is_last |= stop.wait(AFTER_FAULT);
            }
        }
        if looks % LOOKS_TO_SWEEP == 0 && !is_last {
            sweep(engine, db, stop);
        }
    }
}

fn sweep(engine: &Arc<Engine>, db: &Db, stop: &Stop) {
    let inner = engine.clone();
    match db.write_now(move |session| inner.sweep_waiting(session)) {
        Ok(gone) if gone > 0 => {
            tracing::info!("deleted {gone} accounts that were never activated");
        }
        Ok(_) => {}
        Err(fault) => report("expired tokens were not deleted", &fault),
    }
    loop {
        let inner = engine.clone();
        match db.write_now(move |session| inner.sweep_audit(session)) {
            Ok(true) if !stop.wait(Duration::ZERO) => {}
            Ok(_) => return,
            Err(fault) => return report("old audit trails were not deleted", &fault),
        }
    }
}

fn report(what: &str, fault: &Fault) {
    tracing::warn!(
        code = fault.kind.code,
        cause = fault.cause.as_deref().unwrap_or(""),
        "{what}: {fault}"
    );
}

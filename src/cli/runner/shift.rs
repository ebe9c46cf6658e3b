//! The runner as a whole: its slots, each of which claims and does one job after the other, and how it comes to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::attempt::{Attempt, Ended};
use super::config::Config;
use super::scratch::Scratch;
use super::server::{Fault, Job, Outcome, Registration, Server};
use super::watch::{Order, Watch};

/// First and longest pause after the server was not reached.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Between two attempts to register while another registration lives.
const TAKEN: Duration = Duration::from_secs(5);
/// What ended jobs have to say so, after their time of grace.
const LAST: Duration = Duration::from_secs(12);
/// The same when everything ends at once.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Why a runner ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Leave {
    /// A signal, or its one job is done.
    Asked,
    /// A second signal.
    Now,
    /// The server does not know it any more, or does not let it.
    Refused(Fault),
}

/// A runner at work.
pub struct Shift {
    config: Config,
    server: Server,
    scratch: Scratch,
    force: bool,
    /// One job only.
    once: bool,
    state: Mutex<State>,
    bell: Condvar,
    /// Held while it registers.
    registration: Mutex<Option<Registration>>,
}

#[derive(Default)]
struct State {
    leave: Option<Leave>,
    /// Nothing that was claimed is begun any more.
    closed: bool,
    running: BTreeMap<usize, Arc<Watch>>,
    /// What became of the one job.
    one: Option<(i64, Ended)>,
}

impl Shift {
    /// Before anything is done.
    pub fn new(config: Config, scratch: Scratch, force: bool, once: bool) -> Shift {
        Shift {
            server: Server::new(&config),
            config,
            scratch,
            force,
            once,
            state: Mutex::default(),
            bell: Condvar::new(),
            registration: Mutex::new(None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A signal came. The second one means it.
    pub fn signal(&self) {
        let mut state = self.state();
        let leave = if state.leave.is_some() { Leave::Now } else { Leave::Asked };
        tracing::info!(
            "{}",
            if leave == Leave::Now {
                "ending at once"
            } else {
                "no more jobs are claimed; ending with those that run"
            }
        );
        state.leave = Some(leave);
        self.bell.notify_all();
    }

    fn leave(&self, why: Leave) {
        let mut state = self.state();
        if state.leave.is_none() || matches!(why, Leave::Refused(_)) {
            state.leave = Some(why);
        }
        self.bell.notify_all();
    }

    fn leaves(&self) -> bool {
        self.state().leave.is_some()
    }

    /// Waits for that long, or until the runner ends.
    fn pause(&self, most: Duration) {
        let _ = self.bell.wait_timeout_while(self.state(), most, |state| state.leave.is_none());
    }

    /// Works until it is asked to end, and ends: the fault is the server's refusal. `grace` is for jobs that run then.
    pub fn work(self: &Arc<Shift>, grace: Duration) -> Result<Option<(i64, Ended)>, Leave> {
        // Threads of their own, never waited for: a long poll cannot be called back.
        for slot in 0..if self.once { 1 } else { self.config.slots } {
            let shift = self.clone();
            std::thread::spawn(move || shift.slot(slot));
        }
        let waited = self.bell.wait_while(self.state(), |state| state.leave.is_none());
        let leave = waited.unwrap_or_else(PoisonError::into_inner).leave.clone();
        match leave {
            Some(Leave::Refused(_)) => self.end_all(Order::Lost, LAST),
            _ => {
                self.wait_for_jobs(grace, true);
                self.end_all(Order::Leave, LAST);
            }
        }
        let state = self.state();
        let (leave, one) = (state.leave.clone(), state.one.clone());
        drop(state);
        match leave {
            Some(leave @ (Leave::Refused(_) | Leave::Now)) => Err(leave),
            _ => {
                self.unregister();
                Ok(one)
            }
        }
    }

    /// Waits until no job runs, or the time is over; with `closing` nothing is begun after that. A second signal ends it all.
    fn wait_for_jobs(&self, most: Duration, closing: bool) {
        let busy = |state: &mut State| !state.running.is_empty() && state.leave != Some(Leave::Now);
        let waited = self.bell.wait_timeout_while(self.state(), most, busy);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.closed |= closing;
    }

    fn end_all(&self, order: Order, most: Duration) {
        let all = |order: Order| {
            let mut state = self.state();
            state.closed = true;
            state.running.values().for_each(|watch| watch.order(order));
        };
        all(order);
        self.wait_for_jobs(most, true);
        all(Order::Now);
        let until = Instant::now() + AT_ONCE;
        while !self.state().running.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn unregister(&self) {
        let registration = self.registration.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(registration) = registration {
            match self.server.unregister(&registration) {
                Ok(()) => tracing::info!("unregistered"),
                Err(fault) => tracing::warn!("the server does not hear of the end: {fault}"),
            }
        }
    }

    /// One slot: claims and does jobs until the runner ends.
    fn slot(&self, slot: usize) {
        let mut trouble = BACKOFF.0;
        let mut busy_since: Option<Instant> = None;
        let mut known = None;
        while !self.leaves() {
            let Some(registration) = self.registered(known.take()) else {
                return;
            };
            match self.server.claim(&registration) {
                Ok(claimed) => {
                    (trouble, busy_since) = (BACKOFF.0, None);
                    match claimed {
                        Some(job) => self.job(slot, &registration, &job),
                        None if self.once => tracing::info!("there is no job"),
                        None => {}
                    }
                    if self.once {
                        return self.leave(Leave::Asked);
                    }
                }
                Err(Fault::Trouble(why)) => {
                    tracing::warn!("no job can be claimed; again in {trouble:.0?}: {why}");
                    self.pause(trouble);
                    trouble = (trouble * 2).min(BACKOFF.1);
                }
                Err(Fault::Lost(why)) => {
                    tracing::warn!("the registration is lost: {why}");
                    known = Some(registration);
                }
                // An answer that got lost may have had a job in it: its lease ends, and the slot is free again.
                Err(Fault::Busy(why)) => {
                    let since = *busy_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > 2 * registration.lease {
                        busy_since = None;
                        known = Some(registration);
                    } else {
                        tracing::warn!("no job can be claimed: {why}");
                        self.pause(registration.heartbeat);
                    }
                }
                Err(fault) => return self.leave(Leave::Refused(fault)),
            }
        }
    }

    /// The registration; a new one where there is none, or only one that is lost. None when the runner ends.
    fn registered(&self, lost: Option<Registration>) -> Option<Registration> {
        let mut held = self.registration.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registration) = held.as_ref().filter(|held| Some(*held) != lost.as_ref()) {
            return Some(registration.clone());
        }
        *held = None;
        let mut trouble = BACKOFF.0;
        let mut told = false;
        while !self.leaves() {
            // By force only once: two runners of one name would else take the place from each other for ever.
            match self.server.register(&self.config, self.force && lost.is_none()) {
                Ok(registration) => {
                    tracing::info!(runner = registration.runner, "registered with {}", self.config.server);
                    *held = Some(registration.clone());
                    return Some(registration);
                }
                Err(Fault::Busy(why) | Fault::Lost(why)) => {
                    if !told {
                        tracing::warn!(
                            "another registration of this runner is alive; waiting for its end (--force takes its place): {why}"
                        );
                    }
                    told = true;
                    self.pause(TAKEN);
                }
                Err(Fault::Trouble(why)) => {
                    tracing::warn!("the server cannot be reached; again in {trouble:.0?}: {why}");
                    self.pause(trouble);
                    trouble = (trouble * 2).min(BACKOFF.1);
                }
                Err(fault) => {
                    self.leave(Leave::Refused(fault));
                    return None;
                }
            }
        }
        None
    }

    /// Does a job.
    fn job(&self, slot: usize, registration: &Registration, job: &Job) {
        let watch = Arc::new(Watch::new(job.lease));
        {
            let mut state = self.state();
            if state.closed {
                // It is claimed again by somebody else as soon as this runner has unregistered.
                return;
            }
            state.running.insert(slot, watch.clone());
        }
        let begin = Instant::now();
        tracing::info!(job = job.id, attempt = job.attempt, kind = job.kind, "claimed");
        let attempt = Attempt {
            config: &self.config,
            server: &self.server,
            by: registration,
            job,
            watch: &watch,
        };
        let ended = attempt.run(&self.scratch);
        let took = begin.elapsed();
        match &ended {
            Ended::Told(Outcome::Done(_)) => tracing::info!(job = job.id, attempt = job.attempt, "finished after {took:.1?}"),
            Ended::Told(Outcome::Failed { why, .. }) => {
                let why = why.lines().next().unwrap_or_default();
                tracing::warn!(job = job.id, attempt = job.attempt, "failed after {took:.1?}: {why}");
            }
            Ended::Lost => tracing::warn!(job = job.id, attempt = job.attempt, "lost after {took:.1?}: its result is nobody's"),
            Ended::Revoked(why) => self.leave(Leave::Refused(Fault::Token(why.clone()))),
        }
        let mut state = self.state();
        state.running.remove(&slot);
        if self.once {
            state.one = Some((job.id, ended));
        }
        self.bell.notify_all();
    }
}

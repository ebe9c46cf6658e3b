//! The job queue: what a job is, who gets it, and how it ends. Floor 3 has the threads that call this.
//!
//! Every function is part of one transaction, so nothing that was acknowledged is lost. Invariants:
//! - A job goes from state to state by [`state::STEPS`] alone, and each step leaves a row in `JobEvents`.
//! - Who works on a job holds its registration and the number of the attempt; a word with any other one changes nothing
//!   ([`LOST_LEASE`](crate::model::fault::LOST_LEASE)).
//! - What is claimed keeps its place in the queue until it ends, so that a lost job comes before what was enqueued after it.

mod change;
mod command;
mod depend;
mod driven;
mod enqueue;
mod follow;
mod guard;
mod history;
mod job;
mod kinds;
mod machine;
mod receipt;
mod runners;
mod secrets;
pub mod state;
mod streams;
mod sweep;
mod work;

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use command::Restarted;
pub use enqueue::New;
pub(super) use enqueue::{Checked, check_arguments};
pub use history::{Known, Snapshot};
pub use job::Job;
pub use kinds::{EXTERNAL, Kinds};
pub use runners::{Claiming, Registering, Registration, Runner};
pub(super) use secrets::MASK;
pub use state::State;
pub use work::{Failure, Hold, THREAD_LEASE, Word, Worker};

use super::Engine;
use crate::model::fault::Outcome;
use crate::model::schema::{Schema, TypeId};
use crate::store::{Queue, Session};

/// What of the queue is not in the database: nothing that counts.
#[derive(Debug, Default)]
pub struct Desk {
    /// A job can be claimed.
    pub work: Bell,
    /// A job has moved.
    pub moves: Bell,
    /// A job is due later.
    pub times: Bell,
    /// There are more or fewer jobs in some state.
    pub counts: Bell,
    /// What is known of kinds.
    pub kinds: Kinds,
    /// The types whose entities may have a state machine.
    machines: HashSet<TypeId>,
}

impl Desk {
    /// For a schema, which declares kinds and machines.
    pub fn of(schema: &Schema) -> Desk {
        Desk {
            kinds: Kinds::of(schema),
            machines: machine::machine_types(schema).into_iter().collect(),
            ..Desk::default()
        }
    }
}

/// Wakes who waits for something of this process; what another one did is seen by looking from time to time.
#[derive(Debug, Clone)]
pub struct Bell {
    futures: watch::Sender<u64>,
    threads: Arc<(Mutex<u64>, Condvar)>,
}

impl Default for Bell {
    fn default() -> Bell {
        Bell {
            futures: watch::Sender::new(0),
            threads: Arc::default(),
        }
    }
}

impl Bell {
    /// Wakes everybody.
    pub fn ring(&self) {
        self.futures.send_modify(|count| *count = count.wrapping_add(1));
        let (count, bell) = &*self.threads;
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.wrapping_add(1);
        bell.notify_all();
    }

    /// For futures, to wait for the next time.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.futures.subscribe()
    }

    /// How often it has rung.
    pub fn count(&self) -> u64 {
        *self.threads.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For threads: waits until it has rung again since it had rung so often, or for a time.
    pub fn wait(&self, since: u64, time: Duration) {
        let (count, bell) = &*self.threads;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        // Woken or not: whoever waits looks.
        drop(bell.wait_timeout_while(count, time, |count| *count == since));
    }

    /// Rings once the job of the database is committed.
    fn ring_after(&self, session: &mut Session<'_>) {
        let bell = self.clone();
        session.after_commit(move || bell.ring());
    }
}

impl Engine {
    fn queue(&self) -> Outcome<Queue<'_>> {
        Queue::of(&self.schema, self.core_type("Jobs")?, self.core_type("JobKinds")?)
    }
}

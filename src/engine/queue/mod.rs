//! The job queue: what a job is, who gets it, and how it ends. Floor 3 has the threads that call this.
//!
//! Every function is part of one transaction, so nothing that was acknowledged is lost. Invariants:
//! - A job goes from state to state by [`state::STEPS`] alone, and each step leaves a row in `JobEvents`.
//! - Who works on a job holds its registration and the number of the attempt; a word with any other one changes nothing
//!   ([`LOST_LEASE`](crate::model::fault::LOST_LEASE)).
//! - What is claimed keeps its place in the queue until it ends, so that a lost job comes before what was enqueued after it.

mod command;
mod enqueue;
mod follow;
mod job;
mod kinds;
pub mod state;
mod sweep;
mod work;

use tokio::sync::watch;

pub use command::Restarted;
pub(super) use enqueue::Checked;
pub use enqueue::New;
pub use job::Job;
pub use kinds::Kinds;
pub use work::{Failure, Hold, Word, Worker};

use super::Engine;
use crate::model::fault::Outcome;
use crate::store::{Queue, Session};

/// What of the queue is not in the database: nothing that counts.
#[derive(Debug, Default)]
pub struct Desk {
    /// A job can be claimed.
    pub work: Bell,
    /// A job has moved.
    pub moves: Bell,
    /// What is known of kinds.
    pub kinds: Kinds,
}

/// Wakes who waits for something of this process. Others look from time to time.
#[derive(Debug, Clone)]
pub struct Bell(watch::Sender<u64>);

impl Default for Bell {
    fn default() -> Bell {
        Bell(watch::Sender::new(0))
    }
}

impl Bell {
    /// Wakes everybody.
    pub fn ring(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// To wait for the next time; what has rung since counts.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
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

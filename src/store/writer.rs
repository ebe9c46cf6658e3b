//! SQLite's one writer: a thread that puts the writes that are waiting, each in a savepoint, into one durable commit
//! (group commit, `design.md` section 7). An answer goes out after the commit, so an acknowledged write survives power loss.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use super::fault;
use super::session::{After, Session};
use crate::model::fault::{Fault, Outcome};
use crate::model::limits;

/// A write that waits, runs, and is answered when its commit has ended.
trait Work: Send {
    /// Runs the job; whether it succeeded.
    fn run(&mut self, session: &mut Session<'_>) -> bool;
    /// Gives the result to who waits for it; `commit` says whether the transaction held.
    fn answer(self: Box<Self>, commit: Result<(), String>);
}

struct Pending<T, J, D> {
    job: Option<J>,
    done: D,
    result: Option<Outcome<T>>,
    after: After,
}

impl<T: Send, J: FnOnce(&mut Session<'_>) -> Outcome<T> + Send, D: FnOnce(Outcome<T>) + Send> Work for Pending<T, J, D> {
    fn run(&mut self, session: &mut Session<'_>) -> bool {
        let Some(job) = self.job.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| job(session))).unwrap_or_else(|_| Err(Fault::internal("a write panicked")));
        let succeeded = result.is_ok();
        self.after = std::mem::take(&mut session.after);
        self.result = Some(result);
        succeeded
    }

    fn answer(self: Box<Self>, commit: Result<(), String>) {
        (self.done)(match (self.result, commit) {
            (Some(Err(fault)), _) => Err(fault),
            (Some(result), Ok(())) => {
                self.after.run();
                result
            }
            (_, Err(cause)) => Err(commit_fault(&cause)),
            (None, Ok(())) => Err(Fault::internal("a write was not run")),
        });
    }
}

struct Write {
    work: Box<dyn Work>,
    /// Shares its transaction with no other write.
    alone: bool,
}

/// The queue to the writing thread.
pub struct Writer {
    queue: Mutex<Option<SyncSender<Write>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(connection: SqliteConnection) -> Writer {
        let (send, receive) = sync_channel(limits::WRITE_QUEUE);
        let thread = std::thread::spawn(move || run(connection, &receive));
        Writer {
            queue: Mutex::new(Some(send)),
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Queues a job; `done` is told its result after the commit.
    pub fn submit<T: Send + 'static>(
        &self,
        alone: bool,
        job: impl FnOnce(&mut Session<'_>) -> Outcome<T> + Send + 'static,
        done: impl FnOnce(Outcome<T>) + Send + 'static,
    ) -> Outcome<()> {
        let work = Box::new(Pending {
            job: Some(job),
            done,
            result: None,
            after: After::default(),
        });
        let queue = self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(queue) = queue.as_ref() else {
            return Err(fault::busy("the writer has stopped"));
        };
        queue.try_send(Write { work, alone }).map_err(|error| match error {
            TrySendError::Full(_) => fault::busy("too many writes are waiting"),
            TrySendError::Disconnected(_) => fault::busy("the writer has stopped"),
        })
    }

    /// Queues a job and waits for its result.
    pub fn wait<T: Send + 'static>(&self, alone: bool, job: impl FnOnce(&mut Session<'_>) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        let (send, receive) = sync_channel(1);
        self.submit(alone, job, move |result| drop(send.send(result)))?;
        receive.recv().map_err(Fault::internal)?
    }

    /// Waits for the queued writes and ends the thread.
    pub fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take());
        let thread = self.thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(thread) = thread {
            // It catches the panics of jobs, so it does not panic itself.
            let _ = thread.join();
        }
    }
}

fn run(mut connection: SqliteConnection, queue: &Receiver<Write>) {
    let mut next = queue.recv().ok();
    while let Some(first) = next.take() {
        let mut group = Vec::new();
        let mut transaction = connection.batch_execute("BEGIN IMMEDIATE").map_err(|error| error.to_string());
        let alone = first.alone;
        let mut waiting = Some(first);
        while let Some(mut write) = waiting.take() {
            if transaction.is_ok() {
                transaction = in_savepoint(&mut connection, write.work.as_mut());
            }
            group.push(write.work);
            if alone || group.len() >= limits::GROUP_COMMIT_WRITES {
                break;
            }
            match queue.try_recv() {
                Ok(write) if write.alone => next = Some(write),
                Ok(write) => waiting = Some(write),
                Err(_) => {}
            }
        }
        if transaction.is_ok() {
            transaction = connection.batch_execute("COMMIT").map_err(|error| error.to_string());
        }
        if transaction.is_err() {
            // Nothing of a transaction that did not commit may stay; it may have ended already, and then this says so.
            let _ = connection.batch_execute("ROLLBACK");
        }
        for work in group {
            work.answer(transaction.clone());
        }
        if next.is_none() {
            next = queue.recv().ok();
        }
    }
}

/// A job that fails is undone alone. An error is one of the transaction itself, which is lost then.
fn in_savepoint(connection: &mut SqliteConnection, work: &mut dyn Work) -> Result<(), String> {
    connection.batch_execute("SAVEPOINT job").map_err(|error| error.to_string())?;
    let succeeded = work.run(&mut Session::sqlite(connection));
    let end = if succeeded { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    connection.batch_execute(end).map_err(|error| error.to_string())
}

fn commit_fault(cause: &str) -> Fault {
    if cause.contains("FOREIGN KEY") {
        return Fault::new(
            &crate::model::fault::BAD_REFERENCE,
            "A foreign key names an entity that is not there.",
        );
    }
    fault::busy(cause)
}

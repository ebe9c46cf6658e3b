//! The database: who gets which connection, and when a write is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, Pool};

use super::session::Session;
use super::sqlite::Readers;
use super::writer::Writer;
use super::{fault, migrate, postgres, sqlite};
use crate::model::fault::{Fault, Outcome};
use crate::model::schema::Schema;

/// How long a read may take, and so where it runs (`design.md` section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A few rows by key: on SQLite inline, on a connection of the calling thread.
    Key,
    /// Anything that may scan: on the blocking pool, so that it never stalls a worker.
    Scan,
}

/// The database behind the server. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    backend: Backend,
}

#[derive(Clone)]
enum Backend {
    Sqlite { readers: Arc<Readers>, writer: Arc<Writer> },
    Postgres(Pool<ConnectionManager<PgConnection>>),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.backend {
            Backend::Sqlite { .. } => "Db(sqlite)",
            Backend::Postgres(_) => "Db(postgres)",
        })
    }
}

impl Db {
    /// Opens `sqlite:<path>` (made with its folder when missing) or `postgres://…`, and brings the server's own tables up to date.
    ///
    /// # Errors
    /// The database cannot be reached or read, or was written by a newer version of the server.
    pub fn open(url: &str) -> Outcome<Db> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let mut connection = sqlite::open_writer(path)?;
            migrate::own_tables(&mut Session::sqlite(&mut connection))?;
            let readers = Arc::new(Readers::new(path)?);
            return Ok(Db {
                backend: Backend::Sqlite {
                    readers,
                    writer: Arc::new(Writer::start(connection)),
                },
            });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let pool = postgres::pool(url)?;
            let db = Db {
                backend: Backend::Postgres(pool),
            };
            db.write_now(migrate::own_tables)?;
            return Ok(db);
        }
        Err(Fault::new(
            &crate::model::fault::BAD_REQUEST,
            "A database is named `sqlite:<path>` or `postgres://…`.",
        ))
    }

    /// Makes what the schema has and the database lacks. Answers what was made; or, changing nothing, every other difference.
    pub fn prepare(&self, schema: &Schema) -> Result<Vec<String>, Vec<String>> {
        self.write_now_with(|session| migrate::prepare(session, schema))
            .unwrap_or_else(|fault| Err(vec![describe(&fault)]))
    }

    /// Every difference between schema and database that [`prepare`](Db::prepare) could not make good.
    pub fn check(&self, schema: &Schema) -> Outcome<Vec<String>> {
        self.read_now(|session| migrate::differences(session, schema))
    }

    /// Runs a job that only reads.
    pub async fn read<T: Send + 'static>(
        &self,
        weight: Weight,
        job: impl FnOnce(&mut Session<'_>) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        match &self.backend {
            Backend::Sqlite { readers, .. } if weight == Weight::Key => readers.inline(job),
            _ => {
                let db = self.clone();
                blocking(move || db.read_now(job)).await
            }
        }
    }

    /// Runs a job in a transaction and waits until the commit is durable. A fault undoes the job, and only the job.
    pub async fn write<T: Send + 'static>(&self, job: impl FnOnce(&mut Session<'_>) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        match &self.backend {
            Backend::Sqlite { writer, .. } => {
                let (send, receive) = tokio::sync::oneshot::channel();
                // A client that went away no longer waits for the answer; the write itself is done or undone as usual.
                writer.submit(false, job, move |result| drop(send.send(result)))?;
                receive.await.map_err(Fault::internal)?
            }
            Backend::Postgres(_) => {
                let db = self.clone();
                blocking(move || db.write_now(job)).await
            }
        }
    }

    /// [`read`](Db::read) for the command line.
    pub fn read_now<T>(&self, job: impl FnOnce(&mut Session<'_>) -> Outcome<T>) -> Outcome<T> {
        match &self.backend {
            Backend::Sqlite { readers, .. } => {
                let mut connection = readers.take()?;
                snapshot(&mut connection, job)
            }
            Backend::Postgres(pool) => {
                let mut connection = pool.get().map_err(fault::busy)?;
                job(&mut Session::postgres(&mut connection))
            }
        }
    }

    /// [`write`](Db::write) for the command line.
    pub fn write_now<T: Send + 'static>(&self, job: impl FnOnce(&mut Session<'_>) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        match &self.backend {
            Backend::Sqlite { writer, .. } => writer.wait(false, job),
            Backend::Postgres(pool) => postgres::transaction(pool, job),
        }
    }

    /// Like [`write_now`](Db::write_now), in a transaction with no other job in it.
    pub fn write_alone<T: Send + 'static>(&self, job: impl FnOnce(&mut Session<'_>) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        match &self.backend {
            Backend::Sqlite { writer, .. } => writer.wait(true, job),
            Backend::Postgres(pool) => postgres::transaction(pool, job),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Outcome<()> {
        self.read(Weight::Key, |session| session.batch("SELECT 1")).await
    }

    /// Waits for the writes that are under way and stops the writer.
    pub fn close(&self) {
        if let Backend::Sqlite { writer, .. } = &self.backend {
            writer.close();
        }
    }

    /// A transaction whose job borrows: only at start, before anything runs beside it.
    fn write_now_with<T>(&self, job: impl FnOnce(&mut Session<'_>) -> Result<T, Vec<String>>) -> Outcome<Result<T, Vec<String>>> {
        match &self.backend {
            Backend::Sqlite { readers, .. } => {
                let mut connection = sqlite::open_writer(readers.path())?;
                connection.batch_execute("BEGIN IMMEDIATE").map_err(fault::of)?;
                let result = job(&mut Session::sqlite(&mut connection));
                connection
                    .batch_execute(if result.is_ok() { "COMMIT" } else { "ROLLBACK" })
                    .map_err(fault::of)?;
                Ok(result)
            }
            Backend::Postgres(pool) => {
                let mut connection = pool.get().map_err(fault::busy)?;
                let mut kept = None;
                let result = connection.transaction(|connection| match job(&mut Session::postgres(connection)) {
                    Ok(value) => Ok(value),
                    Err(differences) => {
                        kept = Some(differences);
                        Err(diesel::result::Error::RollbackTransaction)
                    }
                });
                match (result, kept) {
                    (Ok(value), _) => Ok(Ok(value)),
                    (Err(_), Some(differences)) => Ok(Err(differences)),
                    (Err(error), None) => Err(fault::of(error)),
                }
            }
        }
    }
}

/// On SQLite, several statements of one read see the same rows. On PostgreSQL each sees what is committed when it begins.
fn snapshot<T>(connection: &mut diesel::sqlite::SqliteConnection, job: impl FnOnce(&mut Session<'_>) -> Outcome<T>) -> Outcome<T> {
    connection.batch_execute("BEGIN").map_err(fault::of)?;
    // The transaction ends also when the job panics, or the connection would keep its snapshot for ever.
    let result = catch_unwind(AssertUnwindSafe(|| job(&mut Session::sqlite(connection))));
    connection.batch_execute("COMMIT").map_err(fault::of)?;
    result.unwrap_or_else(|_| Err(Fault::internal("a read panicked")))
}

async fn blocking<T: Send + 'static>(job: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    tokio::task::spawn_blocking(job).await.map_err(Fault::internal)?
}

fn describe(fault: &Fault) -> String {
    match &fault.cause {
        Some(cause) => format!("{fault} ({cause})"),
        None => fault.to_string(),
    }
}

//! Connections to PostgreSQL.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error, Pool};

use super::fault;
use super::session::{After, Session};
use crate::model::fault::{Fault, Outcome};
use crate::model::limits;

#[derive(Debug)]
struct Setup;

impl CustomizeConnection<PgConnection, Error> for Setup {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let seconds = limits::STATEMENT_SECONDS;
        let setup =
            format!("SET statement_timeout = '{seconds}s'; SET idle_in_transaction_session_timeout = '{seconds}s'; SET timezone = 'UTC'");
        connection.batch_execute(&setup).map_err(Error::QueryError)
    }
}

/// A pool of connections; its size follows the processors.
pub fn pool(url: &str) -> Outcome<Pool<ConnectionManager<PgConnection>>> {
    let size = std::thread::available_parallelism().map_or(4, usize::from) * 4;
    Pool::builder()
        .max_size(size.clamp(4, 64) as u32)
        .min_idle(Some(1))
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(limits::DATABASE_WAIT_SECONDS as u64))
        .connection_customizer(Box::new(Setup))
        .build(ConnectionManager::new(url))
        .map_err(fault::busy)
}

/// Runs a job in a transaction; a fault or a panic undoes it. A deadlock or serialization failure is tried once more by nobody:
/// the client gets 503 and decides.
pub fn transaction<T>(pool: &Pool<ConnectionManager<PgConnection>>, job: impl FnOnce(&mut Session<'_>) -> Outcome<T>) -> Outcome<T> {
    let mut connection = pool.get().map_err(fault::busy)?;
    let mut undone = None;
    let mut after = After::default();
    let result = connection.transaction(|connection| {
        let mut session = Session::postgres(connection);
        let result = catch_unwind(AssertUnwindSafe(|| job(&mut session)));
        after = session.after;
        result
            .unwrap_or_else(|_| Err(Fault::internal("a write panicked")))
            .map_err(|fault| {
                undone = Some(fault);
                diesel::result::Error::RollbackTransaction
            })
    });
    drop(connection);
    let result = result.map_err(|error| undone.unwrap_or_else(|| fault::of(error)))?;
    after.run();
    Ok(result)
}

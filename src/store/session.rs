//! A connection lent to a job, and the one place where rows are read.

use std::time::Duration;

use diesel::connection::{Connection, DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::pg::{Pg, PgConnection, PgValue};
use diesel::row::{Field, Row};
use diesel::sqlite::{Sqlite, SqliteConnection, SqliteType};

use super::dialect::Dialect;
use super::fault;
use super::sql::Sql;
use crate::model::edm::{Cell, Class, Edm};
use crate::model::fault::{ARITHMETIC, Fault, Outcome};
use crate::model::page::Rows;
use crate::model::schema::ColumnKind;

/// A connection, for the time of one job. Inside [`Db::write`](super::Db::write) it is in a transaction.
#[allow(missing_debug_implementations)]
pub struct Session<'a> {
    pub(super) connection: Connected<'a>,
    pub(super) after: After,
}

/// To which database.
pub(super) enum Connected<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// What follows the commit of a job, and only that.
#[derive(Default)]
pub(super) struct After {
    hold: Duration,
    calls: Vec<Box<dyn FnOnce() + Send>>,
}

impl After {
    /// The job is committed, and not yet acknowledged.
    pub(super) fn run(self) {
        self.calls.into_iter().for_each(|call| call());
        if !self.hold.is_zero() {
            std::thread::sleep(self.hold);
        }
    }
}

impl<'a> Session<'a> {
    pub(super) fn sqlite(connection: &'a mut SqliteConnection) -> Session<'a> {
        Session {
            connection: Connected::Sqlite(connection),
            after: After::default(),
        }
    }

    pub(super) fn postgres(connection: &'a mut PgConnection) -> Session<'a> {
        Session {
            connection: Connected::Postgres(connection),
            after: After::default(),
        }
    }

    /// Called after the commit of this job; not at all if it is undone. Must be short and must not use the database: others wait.
    pub fn after_commit(&mut self, call: impl FnOnce() + Send + 'static) {
        self.after.calls.push(Box::new(call));
    }

    /// For which database statements are rendered.
    pub(super) fn dialect(&self) -> Dialect {
        match &self.connection {
            Connected::Sqlite(_) => Dialect::Sqlite,
            Connected::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The answer to this write goes out so long after its commit: what other instances remember for that long is forgotten then, and
    /// whoever has the answer meets nobody who does not know of the change. Nothing where one process serves the database.
    pub fn hold_answer(&mut self, time: Duration) {
        if !self.has_one_process() {
            self.after.hold = time.max(self.after.hold);
        }
    }

    /// No other server process works on the database.
    pub fn has_one_process(&self) -> bool {
        matches!(self.connection, Connected::Sqlite(_))
    }

    /// Waits until no other instance does what must happen once, such as making the tables; takes as long as it takes.
    pub fn alone(&mut self) -> Outcome<()> {
        match &mut self.connection {
            Connected::Sqlite(_) => Ok(()),
            Connected::Postgres(_) => self.batch("SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(7023914)"),
        }
    }

    /// Runs a statement that gives rows; `kinds` are those of its columns.
    pub(super) fn fetch(&mut self, sql: &Sql, kinds: &[ColumnKind], rows: &mut Rows) -> Outcome<()> {
        match &mut self.connection {
            Connected::Sqlite(connection) => {
                for row in LoadConnection::<DefaultLoadingMode>::load(*connection, sql).map_err(fault::of)? {
                    read_sqlite(&row.map_err(fault::of)?, kinds, rows)?;
                }
            }
            Connected::Postgres(connection) => {
                for row in LoadConnection::<DefaultLoadingMode>::load(*connection, sql).map_err(fault::of)? {
                    read_postgres(&row.map_err(fault::of)?, kinds, rows)?;
                }
            }
        }
        Ok(())
    }

    /// Runs a statement and says how many rows it changed.
    pub(super) fn execute(&mut self, sql: &Sql) -> Outcome<usize> {
        match &mut self.connection {
            Connected::Sqlite(connection) => connection.execute_returning_count(sql).map_err(fault::of),
            Connected::Postgres(connection) => connection.execute_returning_count(sql).map_err(fault::of),
        }
    }

    /// Runs fixed statements without binds.
    pub(super) fn batch(&mut self, text: &str) -> Outcome<()> {
        match &mut self.connection {
            Connected::Sqlite(connection) => connection.batch_execute(text).map_err(fault::of),
            Connected::Postgres(connection) => connection.batch_execute(text).map_err(fault::of),
        }
    }

    /// Runs a part of a job that writes, which is undone alone if it fails.
    pub fn attempt<T>(&mut self, part: impl FnOnce(&mut Session<'_>) -> Outcome<T>) -> Outcome<T> {
        self.batch("SAVEPOINT part")?;
        let result = part(self);
        self.batch(match result {
            Ok(_) => "RELEASE SAVEPOINT part",
            Err(_) => "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part",
        })?;
        result
    }

    /// Checks foreign keys at the end of the transaction: for loading rows that refer to later ones. Only in a job that is
    /// alone in its transaction ([`Db::write_alone`](super::Db::write_alone)), since the commit fails as a whole.
    pub fn defer_references(&mut self) -> Outcome<()> {
        match &mut self.connection {
            Connected::Sqlite(_) => self.batch("PRAGMA defer_foreign_keys = ON"),
            Connected::Postgres(_) => self.batch("SET CONSTRAINTS ALL DEFERRED"),
        }
    }
}

fn read_sqlite<'a>(row: &impl Row<'a, Sqlite>, kinds: &[ColumnKind], rows: &mut Rows) -> Outcome<()> {
    for (i, kind) in kinds.iter().enumerate() {
        let field = row.get(i).ok_or_else(|| Fault::internal("a statement with too few columns"))?;
        let Some(mut value) = field.value() else {
            rows.push(Cell::Null);
            continue;
        };
        let edm = match kind {
            ColumnKind::Primitive(edm) => *edm,
            ColumnKind::Json => Edm::String,
        };
        match edm.class() {
            // Whole numbers that overflow go on as floating ones.
            Class::Integer if value.value_type() == Some(SqliteType::Double) => {
                return Err(Fault::new(&ARITHMETIC, "An expression overflows or divides by zero."));
            }
            Class::Integer => rows.push(Cell::Integer(value.read_long())),
            Class::Float if value.value_type() == Some(SqliteType::Text) => rows.push(Cell::Double(f64::NAN)),
            Class::Float => rows.push(Cell::Double(value.read_double())),
            _ => match edm {
                Edm::Boolean => rows.push(Cell::Boolean(value.read_long() != 0)),
                Edm::Time => rows.push(Cell::Integer(value.read_long())),
                Edm::Guid | Edm::Binary => rows.push(Cell::Bytes(value.read_blob())),
                _ => rows.push(Cell::Text(value.read_text())),
            },
        }
    }
    Ok(())
}

fn read_postgres<'a>(row: &impl Row<'a, Pg>, kinds: &[ColumnKind], rows: &mut Rows) -> Outcome<()> {
    for (i, kind) in kinds.iter().enumerate() {
        let field = row.get(i).ok_or_else(|| Fault::internal("a statement with too few columns"))?;
        match field.value() {
            None => rows.push(Cell::Null),
            Some(value) => rows.push(postgres_cell(&value, *kind)?),
        }
    }
    Ok(())
}

/// PostgreSQL sends its binary format: big-endian numbers, UTF-8 text, raw bytes.
fn postgres_cell<'a>(value: &'a PgValue<'_>, kind: ColumnKind) -> Outcome<Cell<'a>> {
    let bytes = value.as_bytes();
    let edm = match kind {
        ColumnKind::Primitive(edm) => edm,
        ColumnKind::Json => Edm::String,
    };
    let odd = || Fault::internal(format!("{edm} of {} bytes", bytes.len()));
    Ok(match edm.class() {
        Class::Float => Cell::Double(match bytes.len() {
            4 => f32::from_be_bytes(bytes.try_into().map_err(|_| odd())?).into(),
            _ => f64::from_be_bytes(bytes.try_into().map_err(|_| odd())?),
        }),
        _ if edm == Edm::Boolean => Cell::Boolean(bytes.first() == Some(&1)),
        _ if edm == Edm::Guid || edm == Edm::Binary => Cell::Bytes(bytes),
        Class::Integer => Cell::Integer(postgres_integer(bytes).ok_or_else(odd)?),
        _ if edm == Edm::Time => Cell::Integer(postgres_integer(bytes).ok_or_else(odd)?),
        _ => Cell::Text(std::str::from_utf8(bytes).map_err(Fault::internal)?),
    })
}

fn postgres_integer(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        2 => i16::from_be_bytes(bytes.try_into().ok()?).into(),
        4 => i32::from_be_bytes(bytes.try_into().ok()?).into(),
        8 => i64::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

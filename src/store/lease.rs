//! Leases: what one of the instances does for all of them. A table of the server's own, which no entity set shows.
//!
//! On PostgreSQL the time is the database's, so that the clocks of the instances may differ. On SQLite one process serves the
//! database: whoever asks has the lease, and what another one is told to have is that of a process that is gone.

use super::dialect::Dialect;
use super::session::Session;
use super::sql::Sql;
use crate::model::clock::{Ticks, UNIX_EPOCH};
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::Outcome;
use crate::model::page::Rows;
use crate::model::schema::ColumnKind;

/// A lease that somebody has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Grows whenever the holder changes.
    pub fence: i64,
    /// How long nobody had it, if somebody did before and has not given it back.
    pub lost_for: Option<Ticks>,
}

/// The time now.
fn push_now(sql: &mut Sql, now: Ticks) {
    match sql.dialect {
        Dialect::Sqlite => sql.value(Edm::Int64, Value::Integer(now)).done(),
        Dialect::Postgres => sql
            .push(&format!(
                "((extract(epoch FROM clock_timestamp()) * 10000000)::bigint + {UNIX_EPOCH})"
            ))
            .done(),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Whether nobody has a lease.
pub fn is_free(session: &mut Session<'_>, name: &str, now: Ticks) -> Outcome<bool> {
    if session.has_one_process() {
        return Ok(true);
    }
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT fence FROM odonata_lease WHERE name = ")
        .value(Edm::String, text(name))
        .push(" AND until > ");
    push_now(&mut sql, now);
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
    Ok(rows.is_empty())
}

/// Gives a lease that is free, or has run out, to somebody for some time; none if another one has it.
pub fn take(session: &mut Session<'_>, name: &str, holder: &str, now: Ticks, time: Ticks) -> Outcome<Option<Lease>> {
    let mut sql = Sql::new(session.dialect());
    sql.push("INSERT INTO odonata_lease (name, holder, until, fence) VALUES (")
        .value(Edm::String, text(name))
        .push(", '', 0, 0) ON CONFLICT (name) DO NOTHING");
    session.execute(&sql)?;
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT holder, until, ");
    push_now(&mut sql, now);
    sql.push(" FROM odonata_lease WHERE name = ").value(Edm::String, text(name));
    if sql.dialect == Dialect::Postgres {
        sql.push(" FOR UPDATE");
    }
    let mut rows = Rows::new(3);
    session.fetch(&sql, &[Edm::String, Edm::Int64, Edm::Int64].map(ColumnKind::Primitive), &mut rows)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let (had, until, now) = match (rows.cell(0, 0), rows.cell(0, 1), rows.cell(0, 2)) {
        (Cell::Text(holder), Cell::Integer(until), Cell::Integer(now)) => (holder.to_owned(), until, now),
        _ => return Ok(None),
    };
    if until > now && had != holder && !session.has_one_process() {
        return Ok(None);
    }
    let mut sql = Sql::new(session.dialect());
    sql.push("UPDATE odonata_lease SET fence = fence + 1, holder = ")
        .value(Edm::String, text(holder))
        .push(", until = ");
    sql.value(Edm::Int64, Value::Integer(now + time))
        .push(" WHERE name = ")
        .value(Edm::String, text(name))
        .push(" RETURNING fence");
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
    let lost_for = (!had.is_empty()).then(|| (now - until).max(0));
    Ok(match (!rows.is_empty()).then(|| rows.cell(0, 0)) {
        Some(Cell::Integer(fence)) => Some(Lease { fence, lost_for }),
        _ => None,
    })
}

/// Who has it goes on having it for some time; false if it is another one's.
pub fn renew(session: &mut Session<'_>, name: &str, fence: i64, now: Ticks, time: Ticks) -> Outcome<bool> {
    let mut sql = Sql::new(session.dialect());
    sql.push("UPDATE odonata_lease SET until = ");
    push_now(&mut sql, now);
    sql.push(" + ")
        .push(&time.to_string())
        .push(" WHERE name = ")
        .value(Edm::String, text(name));
    sql.push(" AND fence = ").value(Edm::Int64, Value::Integer(fence));
    Ok(session.execute(&sql)? > 0)
}

/// Whether somebody still has it; then nobody else gets it before the transaction ends.
pub fn is_held(session: &mut Session<'_>, name: &str, fence: i64) -> Outcome<bool> {
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT fence FROM odonata_lease WHERE name = ")
        .value(Edm::String, text(name));
    sql.push(" AND fence = ").value(Edm::Int64, Value::Integer(fence));
    if sql.dialect == Dialect::Postgres {
        sql.push(" FOR SHARE");
    }
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
    Ok(!rows.is_empty())
}

/// Gives it back.
pub fn release(session: &mut Session<'_>, name: &str, fence: i64) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("UPDATE odonata_lease SET holder = '', until = 0 WHERE name = ")
        .value(Edm::String, text(name));
    sql.push(" AND fence = ").value(Edm::Int64, Value::Integer(fence));
    session.execute(&sql).map(drop)
}

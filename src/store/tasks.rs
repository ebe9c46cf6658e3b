//! Statements about tasks that are not those of any entity set: which have changed, and what goes with them.

use super::session::Session;
use super::sources::column_kind;
use super::sql::Sql;
use crate::model::caller::Guid;
use crate::model::clock::Ticks;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::Outcome;
use crate::model::page::Rows;
use crate::model::schema::{ColumnKind, Schema};
use crate::model::text;

/// Writes down that a task of a tenant has changed, for the instance that schedules; 0: all of them.
pub fn note_change(session: &mut Session<'_>, tenant: Guid, task: i64) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("INSERT INTO odonata_task_change (tenant, task) VALUES (")
        .value(Edm::Guid, Value::Bytes(tenant.to_vec()))
        .push(", ");
    sql.value(Edm::Int64, Value::Integer(task)).push(")");
    session.execute(&sql).map(drop)
}

/// Whether something has changed.
pub fn has_changes(session: &mut Session<'_>) -> Outcome<bool> {
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT task FROM odonata_task_change LIMIT 1");
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
    Ok(!rows.is_empty())
}

/// What has changed; nobody is told of it again. What is not committed yet is told later.
pub fn take_changes(session: &mut Session<'_>) -> Outcome<Vec<(Guid, i64)>> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM odonata_task_change RETURNING tenant, task");
    let mut rows = Rows::new(2);
    session.fetch(&sql, &[Edm::Guid, Edm::Int64].map(ColumnKind::Primitive), &mut rows)?;
    let change = |row| match (rows.cell(row, 0), rows.cell(row, 1)) {
        (Cell::Bytes(tenant), Cell::Integer(task)) => Some((Guid::try_from(tenant).ok()?, task)),
        _ => None,
    };
    let mut changes: Vec<(Guid, i64)> = (0..rows.len()).filter_map(change).collect();
    changes.sort_unstable();
    changes.dedup();
    Ok(changes)
}

/// Gives a column another value in all rows that have some value there.
pub fn replace(session: &mut Session<'_>, schema: &Schema, table: usize, column: &str, old: Value, new: Value) -> Outcome<()> {
    let table = &schema.tables[table];
    let kind = column_kind(Some(table), column);
    let mut sql = Sql::new(session.dialect());
    sql.push("UPDATE ")
        .name(&table.name)
        .push(" SET ")
        .name(column)
        .push(" = ")
        .bind(kind, new);
    sql.push(" WHERE ").name(column).push(" = ").bind(kind, old);
    session.execute(&sql).map(drop)
}

/// Deletes the oldest rows of a tenant whose `time` is before another, at most so many, and only those that have something in `there`.
/// How many that were.
pub fn discard_before(
    session: &mut Session<'_>,
    schema: &Schema,
    table: usize,
    tenant: Guid,
    (time, before): (&str, Ticks),
    there: &str,
    most: usize,
) -> Outcome<usize> {
    let table = &schema.tables[table];
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM ")
        .name(&table.name)
        .push(" WHERE \"Id\" IN (SELECT \"Id\" FROM ");
    sql.name(&table.name)
        .push(" WHERE \"Tid\" = ")
        .value(Edm::Guid, Value::Bytes(tenant.to_vec()))
        .push(" AND ");
    sql.name(there).push(" IS NOT NULL AND ").name(time).push(" < ");
    sql.value(Edm::DateTimeOffset, Value::Text(text::ticks_to_text(before - before % 10)))
        .push(" ORDER BY ")
        .name(time)
        .push(" LIMIT ")
        .number(most)
        .push(")");
    session.execute(&sql)
}

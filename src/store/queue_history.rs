//! The statements of the history of the queue that are not those of any entity set: fullest moments, and rows that are written once.
//!
//! Columns are those of `schema/core/QueueCount.toml`.

use super::session::Session;
use super::sources::column_kind;
use super::sql::Sql;
use crate::model::caller::Guid;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{Fault, Outcome};
use crate::model::page::Rows;
use crate::model::schema::{ColumnKind, Schema, Table, TypeId};

/// The table.
#[derive(Debug, Clone, Copy)]
pub struct QueueHistory<'a> {
    table: &'a Table,
}

impl<'a> QueueHistory<'a> {
    /// Of the type behind `QueueHistory`.
    pub fn of(schema: &'a Schema, ty: TypeId) -> Outcome<QueueHistory<'a>> {
        let table = schema.types[ty].table.ok_or_else(|| Fault::internal("a type without a table"))?;
        Ok(QueueHistory {
            table: &schema.tables[table],
        })
    }

    /// Adds a row, unless there is one of this tenant and second: another instance has seen the same.
    pub fn add(&self, session: &mut Session<'_>, values: &[(&str, Value)]) -> Outcome<()> {
        let mut sql = Sql::new(session.dialect());
        sql.push("INSERT INTO ").name(&self.table.name).push(" (");
        sql.list(values, ", ", |sql, (name, _)| sql.name(name).done()).push(") VALUES (");
        sql.list(values, ", ", |sql, (name, value)| {
            sql.bind(column_kind(Some(self.table), name), value.clone()).done();
        });
        sql.push(") ON CONFLICT (\"Tid\", \"Second\") DO NOTHING");
        session.execute(&sql).map(drop)
    }

    /// Of each so many seconds the row with the largest total, the later of two; the latest bucket first. These columns of it.
    pub fn fullest(
        &self,
        session: &mut Session<'_>,
        tenant: Guid,
        (from, to): (i64, i64),
        width: i64,
        columns: &[&str],
        most: usize,
    ) -> Outcome<Vec<Vec<i64>>> {
        let mut sql = Sql::new(session.dialect());
        let list = |sql: &mut Sql| sql.list(columns, ", ", |sql, name| sql.name(name).done()).done();
        sql.push("SELECT ");
        list(&mut sql);
        sql.push(" FROM (SELECT ");
        list(&mut sql);
        sql.push(", row_number() OVER (PARTITION BY \"Second\" / ")
            .value(Edm::Int64, Value::Integer(width))
            .push(" ORDER BY \"Total\" DESC, \"Second\" DESC) AS rank FROM ");
        sql.name(&self.table.name)
            .push(" WHERE \"Tid\" = ")
            .value(Edm::Guid, Value::Bytes(tenant.to_vec()));
        for (comparison, second) in [(">=", from), ("<=", to)] {
            sql.push(" AND \"Second\" ")
                .push(comparison)
                .push(" ")
                .value(Edm::Int64, Value::Integer(second));
        }
        sql.push(") AS ranked WHERE rank = 1 ORDER BY \"Second\" DESC LIMIT ").number(most);
        let mut rows = Rows::new(columns.len());
        session.fetch(&sql, &vec![ColumnKind::Primitive(Edm::Int64); columns.len()], &mut rows)?;
        let number = |row, column| match rows.cell(row, column) {
            Cell::Integer(number) => number,
            _ => 0,
        };
        Ok((0..rows.len())
            .map(|row| (0..columns.len()).map(|column| number(row, column)).collect())
            .collect())
    }

    /// Deletes rows before a second; how many.
    pub fn forget(&self, session: &mut Session<'_>, before: i64, most: usize) -> Outcome<usize> {
        let mut sql = Sql::new(session.dialect());
        sql.push("DELETE FROM ")
            .name(&self.table.name)
            .push(" WHERE \"Id\" IN (SELECT \"Id\" FROM ")
            .name(&self.table.name)
            .push(" WHERE \"Second\" < ")
            .value(Edm::Int64, Value::Integer(before))
            .push(" ORDER BY \"Id\" LIMIT ")
            .number(most)
            .push(")");
        session.execute(&sql)
    }
}

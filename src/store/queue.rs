//! The statements of the job queue that are not those of any entity set: who is next, whose turn it is, what is due.
//!
//! Columns are those of `schema/core/Job.toml` and `JobKind.toml`. A claim is one statement, so that of several workers one gets a job;
//! on PostgreSQL rows that others are about to change are passed over.

use super::dialect::Dialect;
use super::session::Session;
use super::sources::column_kind;
use super::sql::Sql;
use crate::model::caller::{Guid, SYSTEM_TENANT};
use crate::model::clock::Ticks;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{Fault, Outcome};
use crate::model::page::Rows;
use crate::model::schema::{ColumnKind, EntityType, Schema, Table, TypeId};
use crate::model::text;

/// The tables of the queue.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'a> {
    entity: &'a EntityType,
    jobs: &'a Table,
    kinds: &'a Table,
}

/// Who asks for a job.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Whose jobs; none: everybody's.
    pub tenant: Option<Guid>,
    /// Only of these kinds.
    pub kinds: &'a [String],
    /// Only jobs that ask for none but these.
    pub tags: &'a [String],
}

/// Values of one row by property, in the order of the type.
pub type JobRow = Vec<Value>;

/// For this transaction: the first of many is to be found by going along an index, and by a plan that is made once. Without statistics,
/// or because it thinks little of the condition about tags, PostgreSQL would read and sort all that are queued, and would think about it
/// for longer than it takes.
fn in_order(session: &mut Session<'_>) -> Outcome<()> {
    match session.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => session.batch("SET LOCAL enable_sort = off; SET LOCAL plan_cache_mode = force_generic_plan"),
    }
}

impl<'a> Queue<'a> {
    /// Of the types behind `Jobs` and `JobKinds`.
    pub fn of(schema: &'a Schema, jobs: TypeId, kinds: TypeId) -> Outcome<Queue<'a>> {
        let table = |ty: TypeId| {
            let table = schema.types[ty].table.map(|table| &schema.tables[table]);
            table.ok_or_else(|| Fault::internal("a type without a table"))
        };
        Ok(Queue {
            entity: &schema.types[jobs],
            jobs: table(jobs)?,
            kinds: table(kinds)?,
        })
    }

    /// Gives the next job to somebody, with these new values; its attempt is counted. The row as it is then.
    pub fn claim(&self, session: &mut Session<'_>, asker: &Asker<'_>, values: &[(&str, Value)]) -> Outcome<Option<JobRow>> {
        let mut sql = Sql::new(session.dialect());
        sql.push("UPDATE ").name(&self.jobs.name).push(" SET \"Attempt\" = \"Attempt\" + 1");
        for (name, value) in values {
            sql.push(", ")
                .name(name)
                .push(" = ")
                .bind(column_kind(Some(self.jobs), name), value.clone());
        }
        sql.push(" WHERE \"Id\" = (");
        self.push_free(&mut sql, asker);
        sql.push(" ORDER BY j.\"Place\" NULLS FIRST, j.\"Id\" LIMIT 1");
        if session.dialect() == Dialect::Postgres {
            sql.push(" FOR UPDATE OF j SKIP LOCKED");
        }
        sql.push(") RETURNING ");
        self.push_columns(&mut sql);
        in_order(session)?;
        Ok(self.fetch(session, &sql)?.pop())
    }

    /// Whether there is one to claim.
    pub fn is_any(&self, session: &mut Session<'_>, asker: &Asker<'_>) -> Outcome<bool> {
        let mut sql = Sql::new(session.dialect());
        self.push_free(&mut sql, asker);
        sql.push(" LIMIT 1");
        let mut rows = Rows::new(1);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
        Ok(!rows.is_empty())
    }

    /// The numbers of those that may be claimed.
    fn push_free(&self, sql: &mut Sql, asker: &Asker<'_>) {
        sql.push("WITH full_kind AS MATERIALIZED (");
        self.push_full(sql);
        sql.push(") SELECT j.\"Id\" FROM ")
            .name(&self.jobs.name)
            .push(" AS j WHERE j.\"State\" = 'queued'");
        self.push_asker(sql, asker);
        sql.push(
            " AND NOT EXISTS (SELECT 1 FROM full_kind AS f WHERE (f.name = j.\"Kind\" OR f.name = '*') AND (f.tenant = j.\"Tid\" OR f.tenant = ",
        )
        .value(Edm::Guid, Value::Bytes(SYSTEM_TENANT.to_vec()))
        .push("))");
    }

    /// Kinds of which nobody gets any now: paused, or as many at work as may be. The root tenant's count for all tenants together.
    fn push_full(&self, sql: &mut Sql) {
        sql.push("SELECT k.\"Name\" AS name, k.\"Tid\" AS tenant FROM ")
            .name(&self.kinds.name)
            .push(" AS k WHERE k.\"Paused\" OR (k.\"MaxParallel\" IS NOT NULL AND k.\"MaxParallel\" <= (SELECT count(*) FROM ");
        sql.name(&self.jobs.name)
            .push(" AS r WHERE r.\"State\" IN ('claimed', 'running', 'stopping') AND (k.\"Name\" = '*' OR r.\"Kind\" = k.\"Name\") AND (k.\"Tid\" = ")
            .value(Edm::Guid, Value::Bytes(SYSTEM_TENANT.to_vec()))
            .push(" OR k.\"Tid\" = r.\"Tid\")))");
    }

    fn push_asker(&self, sql: &mut Sql, asker: &Asker<'_>) {
        if let Some(tenant) = asker.tenant {
            sql.push(" AND j.\"Tid\" = ").value(Edm::Guid, Value::Bytes(tenant.to_vec()));
        }
        // The plus keeps SQLite from looking kind by kind and sorting all of them for one.
        let kind = if asker.kinds.len() > 1 && sql.dialect == Dialect::Sqlite {
            " AND +j.\"Kind\" IN ("
        } else {
            " AND j.\"Kind\" IN ("
        };
        sql.push(kind)
            .list(asker.kinds, ", ", |sql, kind| {
                sql.value(Edm::String, Value::Text(kind.clone())).done();
            })
            .push(")");
        // Without the worker's tags nothing must be left of the job's but brackets and commas.
        sql.push(" AND (j.\"Tags\" IS NULL OR ");
        sql.push(match sql.dialect {
            Dialect::Sqlite => "trim(",
            Dialect::Postgres => "btrim(",
        });
        asker.tags.iter().for_each(|_| sql.push("replace(").done());
        sql.push(match sql.dialect {
            Dialect::Sqlite => "j.\"Tags\"",
            Dialect::Postgres => "j.\"Tags\"::text",
        });
        for tag in asker.tags {
            sql.push(", ").value(Edm::String, Value::Text(format!("\"{tag}\""))).push(", '')");
        }
        sql.push(", '[, ]') = '')");
    }

    /// The rows of live jobs in some states whose `column` is not after a time, the earliest first, kept from others until the
    /// transaction ends; what others are about to change is passed over.
    pub fn due(&self, session: &mut Session<'_>, states: &[&str], column: &str, time: Ticks, most: usize) -> Outcome<Vec<JobRow>> {
        let mut sql = Sql::new(session.dialect());
        sql.push("SELECT ");
        self.push_columns(&mut sql);
        self.push_due(&mut sql, states, column);
        sql.push(" AND ").name(column).push(" <= ").value(Edm::DateTimeOffset, moment(time));
        sql.push(" ORDER BY ").name(column).push(", \"Id\" LIMIT ").number(most);
        if session.dialect() == Dialect::Postgres {
            sql.push(" FOR UPDATE SKIP LOCKED");
        }
        self.fetch(session, &sql)
    }

    /// The earliest such time.
    pub fn next_due(&self, session: &mut Session<'_>, states: &[&str], column: &str) -> Outcome<Option<Ticks>> {
        let mut sql = Sql::new(session.dialect());
        sql.push("SELECT min(").name(column).push(")");
        self.push_due(&mut sql, states, column);
        let mut rows = Rows::new(1);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::DateTimeOffset)], &mut rows)?;
        Ok(match (!rows.is_empty()).then(|| rows.cell(0, 0)) {
            Some(Cell::Text(time)) => text::text_to_ticks(time),
            _ => None,
        })
    }

    fn push_due(&self, sql: &mut Sql, states: &[&str], column: &str) {
        sql.push(" FROM ").name(&self.jobs.name).push(" WHERE \"State\" IN (");
        sql.list(states, ", ", |sql, state| sql.text_literal(state).done());
        sql.push(") AND ").name(column).push(" IS NOT NULL");
    }

    /// The turn of a user's next job of a priority: after his other ones that live, and not before what is being worked on now. So
    /// users take turns, and what one user enqueues keeps its order.
    pub fn turn(&self, session: &mut Session<'_>, user: i64, priority: i64) -> Outcome<i64> {
        let mut sql = Sql::new(session.dialect());
        let part = |sql: &mut Sql, what: &str, of: &str| {
            sql.push("(SELECT ")
                .push(what)
                .push("(\"Turn\") FROM ")
                .name(&self.jobs.name)
                .push(" WHERE \"Priority\" = ");
            sql.value(Edm::Int32, Value::Integer(priority)).push(" AND ").push(of);
        };
        sql.push("SELECT coalesce(");
        part(&mut sql, "max", "\"State\" IN ('claimed', 'running', 'stopping')), ");
        part(&mut sql, "min", "\"State\" = 'queued'), 0), coalesce(");
        part(&mut sql, "max", "\"Turn\" IS NOT NULL AND \"CreatedById\" = ");
        sql.value(Edm::Int64, Value::Integer(user)).push(") + 1, 0)");
        let mut rows = Rows::new(2);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64); 2], &mut rows)?;
        match (rows.cell(0, 0), rows.cell(0, 1)) {
            (Cell::Integer(now), Cell::Integer(own)) => Ok(now.max(own)),
            _ => Err(Fault::internal("no turn")),
        }
    }

    /// Waits until nobody else claims jobs of these kinds, of which only so many may be worked on at once. Nothing on SQLite, where one
    /// writes at a time.
    pub fn lock_kinds(&self, session: &mut Session<'_>, kinds: &[String]) -> Outcome<()> {
        if session.has_one_process() || kinds.is_empty() {
            return Ok(());
        }
        let mut sql = Sql::new(session.dialect());
        sql.push("SELECT 1 FROM ").name(&self.kinds.name).push(" WHERE \"Name\" IN (");
        sql.list(kinds, ", ", |sql, kind| {
            sql.value(Edm::String, Value::Text(kind.clone())).done();
        });
        sql.push(") AND \"MaxParallel\" IS NOT NULL ORDER BY \"Id\" FOR UPDATE");
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int32)], &mut Rows::new(1))
    }

    /// Jobs do not name a runner any more that is about to go.
    pub fn forget_runner(&self, session: &mut Session<'_>, runner: i64) -> Outcome<()> {
        let mut sql = Sql::new(session.dialect());
        sql.push("UPDATE ")
            .name(&self.jobs.name)
            .push(" SET \"RunnerId\" = NULL WHERE \"RunnerId\" = ");
        sql.value(Edm::Int64, Value::Integer(runner));
        session.execute(&sql).map(drop)
    }

    /// How many jobs there are in each of some states: of one tenant, or of each.
    pub fn counts(&self, session: &mut Session<'_>, tenant: Option<Guid>, states: &[&str]) -> Outcome<Vec<(Guid, String, i64)>> {
        let mut sql = Sql::new(session.dialect());
        sql.push("SELECT \"Tid\", \"State\", count(*) FROM ")
            .name(&self.jobs.name)
            .push(" WHERE \"State\" IN (");
        sql.list(states, ", ", |sql, state| sql.text_literal(state).done());
        sql.push(")");
        if let Some(tenant) = tenant {
            sql.push(" AND \"Tid\" = ").value(Edm::Guid, Value::Bytes(tenant.to_vec()));
        }
        sql.push(" GROUP BY \"Tid\", \"State\"");
        let mut rows = Rows::new(3);
        session.fetch(&sql, &[Edm::Guid, Edm::String, Edm::Int64].map(ColumnKind::Primitive), &mut rows)?;
        let count = |row| match (rows.cell(row, 0), rows.cell(row, 1), rows.cell(row, 2)) {
            (Cell::Bytes(tenant), Cell::Text(state), Cell::Integer(count)) => Some((tenant.try_into().ok()?, state.to_owned(), count)),
            _ => None,
        };
        Ok((0..rows.len()).filter_map(count).collect())
    }

    /// All columns of the type's properties, by name, in their order.
    fn push_columns(&self, sql: &mut Sql) {
        let dialect = sql.dialect;
        let columns = self.entity.properties.iter().filter(|property| !property.column.is_empty());
        sql.list(columns, ", ", |sql, property| {
            let cast = dialect.output_cast(column_kind(Some(self.jobs), &property.column));
            sql.name(&property.column).push(cast).done();
        });
    }

    fn fetch(&self, session: &mut Session<'_>, sql: &Sql) -> Outcome<Vec<JobRow>> {
        let properties = || self.entity.properties.iter();
        let has_column = |column: &str| !column.is_empty();
        let kinds: Vec<ColumnKind> = properties()
            .filter(|property| has_column(&property.column))
            .map(|property| column_kind(Some(self.jobs), &property.column))
            .collect();
        let mut rows = Rows::new(kinds.len());
        session.fetch(sql, &kinds, &mut rows)?;
        let row = |row: usize| {
            let mut cells = 0..;
            let mut value = |column: &str| match has_column(column) {
                true => cells.next().map_or(Value::Null, |cell| rows.cell(row, cell).to_value()),
                false => Value::Null,
            };
            properties().map(|property| value(&property.column)).collect()
        };
        Ok((0..rows.len()).map(row).collect())
    }
}

/// As it stands in a column.
fn moment(ticks: Ticks) -> Value {
    Value::Text(text::ticks_to_text(ticks - ticks % 10))
}

//! Writing statements. Each takes a scope: a row outside it is not there to be changed.

use super::dialect::Dialect;
use super::expression;
use super::session::Session;
use super::sources::{Sources, column_kind};
use super::sql::Sql;
use crate::model::caller::{Scope, Tenants};
use crate::model::edm::{Cell, Edm, Value};
use crate::model::expr::Source;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Rows;
use crate::model::schema::{ColumnKind, Schema, Table, TypeId};

/// A new row: column names and values.
#[derive(Debug)]
pub struct Insert<'a> {
    table: &'a Table,
    /// In any order.
    pub values: Vec<(&'a str, Value)>,
}

/// New values for one row.
#[derive(Debug)]
pub struct Update<'a> {
    row: Row<'a>,
    /// Column names and values.
    pub values: Vec<(&'a str, Value)>,
}

/// One row to go.
#[derive(Debug)]
pub struct Delete<'a> {
    row: Row<'a>,
}

/// One row of a type, by row key, inside a scope.
#[derive(Debug)]
struct Row<'a> {
    schema: &'a Schema,
    scope: &'a Scope,
    ty: TypeId,
    table: &'a Table,
    key: &'a [Value],
}

impl<'a> Insert<'a> {
    /// Into a table of the schema. The scope of an insert is what it writes: the caller's tenant is among the values.
    pub fn new(schema: &'a Schema, table: usize) -> Insert<'a> {
        Insert {
            table: &schema.tables[table],
            values: Vec::new(),
        }
    }

    /// Runs it; the number that the database gave the row, where it numbers them.
    ///
    /// # Errors
    /// `CONFLICT` for a key or unique value that is taken, `BAD_REFERENCE` for a foreign key that leads nowhere.
    pub fn run(&self, session: &mut Session<'_>) -> Outcome<Option<i64>> {
        let mut sql = Sql::new(session.dialect());
        sql.push("INSERT INTO ").name(&self.table.name);
        if self.values.is_empty() {
            sql.push(" DEFAULT VALUES");
        } else {
            sql.push(" (")
                .list(&self.values, ", ", |sql, (name, _)| sql.name(name).done())
                .push(") VALUES (");
            sql.list(&self.values, ", ", |sql, (name, value)| {
                sql.bind(column_kind(Some(self.table), name), value.clone()).done()
            });
            sql.push(")");
        }
        let Some(number) = self.table.columns.iter().find(|column| column.generated) else {
            session.execute(&sql)?;
            return Ok(None);
        };
        sql.push(" RETURNING ").name(&number.name);
        let mut rows = Rows::new(1);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
        match (rows.len() == 1).then(|| rows.cell(0, 0)) {
            Some(Cell::Integer(id)) => Ok(Some(id)),
            _ => Err(Fault::internal("an insert without its number")),
        }
    }

    /// After a row with a number of its own: the database gives larger ones from now on. SQLite sees to that itself.
    pub fn skip(&self, session: &mut Session<'_>, number: i64) -> Outcome<()> {
        let generated = self.table.columns.iter().find(|column| column.generated);
        let (Some(column), Dialect::Postgres) = (generated, session.dialect()) else {
            return Ok(());
        };
        let mut sql = Sql::new(Dialect::Postgres);
        sql.push("SELECT setval(numbers, ")
            .push(&number.to_string())
            .push(") FROM (SELECT pg_get_serial_sequence(");
        sql.text_literal(&format!("\"{}\"", self.table.name))
            .push(", ")
            .text_literal(&column.name);
        // Never backwards: another transaction may have taken a number that nobody sees yet.
        sql.push(")::regclass AS numbers) AS of_column WHERE coalesce(pg_sequence_last_value(numbers), 0) < ")
            .push(&number.to_string());
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut Rows::new(1))
    }

    /// After rows with numbers of their own: the next number the database gives is above them. SQLite sees to that itself.
    pub fn advance(&self, session: &mut Session<'_>) -> Outcome<()> {
        let Some(number) = self.table.columns.iter().find(|column| column.generated) else {
            return Ok(());
        };
        if session.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let mut sql = Sql::new(Dialect::Postgres);
        sql.push("SELECT setval(pg_get_serial_sequence(")
            .text_literal(&format!("\"{}\"", self.table.name))
            .push(", ");
        sql.text_literal(&number.name)
            .push("), greatest(max(")
            .name(&number.name)
            .push("), 1)) FROM ")
            .name(&self.table.name);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut Rows::new(1))
    }
}

impl<'a> Row<'a> {
    fn new(schema: &'a Schema, scope: &'a Scope, ty: TypeId, key: &'a [Value]) -> Outcome<Row<'a>> {
        let table = schema.types[ty].table.ok_or_else(|| Fault::internal("a type without a table"))?;
        Ok(Row {
            schema,
            scope,
            ty,
            table: &schema.tables[table],
            key,
        })
    }

    fn push_where(&self, sql: &mut Sql) {
        let ty = &self.schema.types[self.ty];
        sql.push(" WHERE ");
        self.push_rule(sql);
        sql.list(ty.row_key_properties().zip(self.key), " AND ", |sql, (key, value)| {
            sql.name(&key.column)
                .push(" = ")
                .value(key.ty.primitive().unwrap_or(Edm::String), value.clone());
        });
        if let (Some(tenant), Tenants::One(guid)) = (ty.tenant, self.scope.tenants) {
            sql.push(" AND ")
                .name(&ty.properties[tenant].column)
                .push(" = ")
                .value(Edm::Guid, Value::Bytes(guid.to_vec()));
        }
    }
}

impl Row<'_> {
    /// Appends `… AND `: the rule about rows, which speaks of a table under an alias.
    fn push_rule(&self, sql: &mut Sql) {
        let entity = &self.schema.types[self.ty];
        let Some(rule) = self.scope.rule(entity.root) else { return };
        let list = [Source {
            ty: self.ty,
            set: None,
            join: None,
            nested: false,
        }];
        let sources = Sources {
            schema: self.schema,
            scope: self.scope,
            list: &list,
            few: true,
        };
        sql.push("EXISTS (SELECT 1 FROM ");
        sources.push_table(sql, 0);
        sql.push(" WHERE ");
        sql.list(entity.row_key_properties(), " AND ", |sql, key| {
            sql.column(0, &key.column)
                .push(" = ")
                .name(&self.table.name)
                .push(".")
                .name(&key.column);
        });
        sql.push(" AND ");
        expression::push(sql, &sources, rule);
        sql.push(") AND ");
    }
}

impl<'a> Update<'a> {
    /// Of the row of `ty` with this row key.
    pub fn new(schema: &'a Schema, scope: &'a Scope, ty: TypeId, key: &'a [Value]) -> Outcome<Update<'a>> {
        Ok(Update {
            row: Row::new(schema, scope, ty, key)?,
            values: Vec::new(),
        })
    }

    /// Runs it.
    ///
    /// # Errors
    /// `NOT_FOUND` when the scope shows no such row; as [`Insert::run`].
    pub fn run(&self, session: &mut Session<'_>) -> Outcome<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        let mut sql = Sql::new(session.dialect());
        sql.push("UPDATE ").name(&self.row.table.name).push(" SET ");
        sql.list(&self.values, ", ", |sql, (name, value)| {
            sql.name(name)
                .push(" = ")
                .bind(column_kind(Some(self.row.table), name), value.clone());
        });
        self.row.push_where(&mut sql);
        // Which columns change is the client's choice.
        sql.cached = sql.is_known_shape();
        match session.execute(&sql)? {
            0 => Err(Fault::not_found()),
            _ => Ok(()),
        }
    }
}

impl<'a> Delete<'a> {
    /// Of the row of `ty` with this row key.
    pub fn new(schema: &'a Schema, scope: &'a Scope, ty: TypeId, key: &'a [Value]) -> Outcome<Delete<'a>> {
        Ok(Delete {
            row: Row::new(schema, scope, ty, key)?,
        })
    }

    /// Runs it.
    ///
    /// # Errors
    /// `NOT_FOUND` when the scope shows no such row, `REFERENCED` when others refer to it.
    pub fn run(&self, session: &mut Session<'_>) -> Outcome<()> {
        let mut sql = Sql::new(session.dialect());
        sql.push("DELETE FROM ").name(&self.row.table.name);
        self.row.push_where(&mut sql);
        let changed = session.execute(&sql).map_err(|fault| match fault.kind {
            kind if kind == &fault::BAD_REFERENCE => Fault::new(&fault::REFERENCED, "Other entities refer to this one."),
            _ => fault,
        })?;
        match changed {
            0 => Err(Fault::not_found()),
            _ => Ok(()),
        }
    }
}

/// Two keys in a link table. Who may pair them is asked of the entities: a link table has no tenant of its own.
#[derive(Debug)]
pub struct Pair<'a> {
    table: &'a Table,
    columns: Vec<(&'a str, Value)>,
}

impl<'a> Pair<'a> {
    /// The columns of each side with its key.
    pub fn new(schema: &'a Schema, table: usize, near: (&'a [String], &[Value]), far: (&'a [String], &[Value])) -> Pair<'a> {
        let mut columns: Vec<(&str, Value)> = Vec::new();
        for (column, value) in near.0.iter().zip(near.1).chain(far.0.iter().zip(far.1)) {
            // The tenant may stand on both sides: its column is one.
            if columns.iter().all(|(known, _)| known != column) {
                columns.push((column, value.clone()));
            }
        }
        Pair {
            table: &schema.tables[table],
            columns,
        }
    }

    /// Puts it in; what is there already stays.
    pub fn insert(&self, session: &mut Session<'_>) -> Outcome<()> {
        let mut sql = Sql::new(session.dialect());
        sql.push("INSERT INTO ").name(&self.table.name).push(" (");
        sql.list(&self.columns, ", ", |sql, (name, _)| sql.name(name).done())
            .push(") VALUES (");
        sql.list(&self.columns, ", ", |sql, (name, value)| {
            sql.bind(column_kind(Some(self.table), name), value.clone()).done()
        });
        sql.push(") ON CONFLICT DO NOTHING");
        session.execute(&sql).map(drop)
    }

    /// Takes it out.
    pub fn delete(&self, session: &mut Session<'_>) -> Outcome<()> {
        let mut sql = Sql::new(session.dialect());
        sql.push("DELETE FROM ").name(&self.table.name).push(" WHERE ");
        sql.list(&self.columns, " AND ", |sql, (name, value)| {
            sql.name(name).push(" = ").bind(column_kind(Some(self.table), name), value.clone());
        });
        session.execute(&sql).map(drop)
    }
}

/// Deletes every row of a table; for what the server itself fills anew.
pub fn clear(session: &mut Session<'_>, schema: &Schema, table: usize) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM ").name(&schema.tables[table].name);
    session.execute(&sql).map(drop)
}

/// Deletes the rows of a link table that name an entity which goes.
pub fn clear_where(session: &mut Session<'_>, schema: &Schema, table: usize, column: &str, value: Value) -> Outcome<()> {
    let table = &schema.tables[table];
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM ").name(&table.name).push(" WHERE ").name(column).push(" = ");
    sql.bind(column_kind(Some(table), column), value);
    session.execute(&sql).map(drop)
}

/// Reads an entry of the server's own table of facts.
pub fn fact(session: &mut Session<'_>, name: &str) -> Outcome<Option<String>> {
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT value FROM odonata_fact WHERE name = ")
        .value(Edm::String, Value::Text(name.to_owned()));
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::String)], &mut rows)?;
    Ok(match (!rows.is_empty()).then(|| rows.cell(0, 0)) {
        Some(Cell::Text(text)) => Some(text.to_owned()),
        _ => None,
    })
}

/// Writes an entry of the server's own table of facts.
pub fn set_fact(session: &mut Session<'_>, name: &str, value: &str) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("INSERT INTO odonata_fact (name, value) VALUES (")
        .value(Edm::String, Value::Text(name.to_owned()))
        .push(", ");
    sql.value(Edm::String, Value::Text(value.to_owned()))
        .push(") ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    session.execute(&sql).map(drop)
}

/// Adds one to an entry that is a number; in one statement, so that two at a time count twice.
pub fn count_fact(session: &mut Session<'_>, name: &str) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("INSERT INTO odonata_fact (name, value) VALUES (")
        .value(Edm::String, Value::Text(name.to_owned()));
    sql.push(", '1') ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(odonata_fact.value AS BIGINT) + 1 AS TEXT)");
    session.execute(&sql).map(drop)
}

//! Rows that refer to a row above them in the same table: a tree in one foreign key of one number.

use super::dialect::Dialect;
use super::session::Session;
use super::sources::{Sources, source_predicate};
use super::sql::Sql;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::expr::Source;
use crate::model::fault::Outcome;
use crate::model::page::Rows;
use crate::model::schema::{ColumnKind, Schema, TypeId};

/// The table of a tree, and its columns for a row's key and for that of the row above.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'a> {
    table: &'a str,
    key: &'a str,
    above: &'a str,
}

impl<'a> Tree<'a> {
    /// That of a type whose property `parent` names the row above.
    pub fn of(schema: &'a Schema, ty: TypeId, parent: usize) -> Tree<'a> {
        let entity = &schema.types[ty];
        Tree {
            table: entity.table.map_or("", |table| &schema.tables[table].name),
            key: entity.key_properties().next().map_or("", |key| &key.column),
            above: &entity.properties[parent].column,
        }
    }

    /// Appends whether the row of a source is one of `tops`, or below one with none of `stops` in between. Of few rows the way up is
    /// short; of many it costs less to go down once and to look every row up in what was found: for 10,000 rows a fiftieth.
    pub fn push_below(&self, sql: &mut Sql, sources: &Sources<'_>, source: usize, tops: &[i64], stops: &[i64]) {
        if sources.few {
            sql.push("EXISTS (WITH RECURSIVE up(id, above) AS (SELECT ")
                .column(source, self.key);
            sql.push(", ").column(source, self.above).push(" UNION ");
            self.push_step(sql, "up.above");
            sql.push(" WHERE up.id NOT IN (");
            push_numbers(sql, stops);
            sql.push(")) SELECT 1 FROM up WHERE up.id IN (");
            push_numbers(sql, tops);
            sql.push("))");
            return;
        }
        sql.column(source, self.key).push(" IN (WITH RECURSIVE down(id) AS (");
        push_numbers(sql, tops);
        sql.push(" UNION SELECT p.")
            .name(self.key)
            .push(" FROM down JOIN ")
            .name(self.table);
        sql.push(" AS p ON p.")
            .name(self.above)
            .push(" = down.id WHERE p.")
            .name(self.key)
            .push(" NOT IN (");
        push_numbers(sql, stops);
        sql.push(")) SELECT id FROM down)");
    }

    /// Appends `SELECT` of the rows above those of `up`.
    fn push_step(&self, sql: &mut Sql, above: &str) {
        sql.push("SELECT p.")
            .name(self.key)
            .push(", p.")
            .name(self.above)
            .push(" FROM up JOIN ")
            .name(self.table);
        sql.push(" AS p ON p.").name(self.key).push(" = ").push(above);
    }

    /// Some rows and all above them, at most so many: the key of each, and of the row above.
    pub fn lines(&self, session: &mut Session<'_>, of: &[i64], most: usize) -> Outcome<Vec<(i64, i64)>> {
        let mut sql = Sql::new(session.dialect());
        sql.push("WITH RECURSIVE up(id, above) AS (SELECT p.")
            .name(self.key)
            .push(", p.")
            .name(self.above);
        sql.push(" FROM ")
            .name(self.table)
            .push(" AS p WHERE p.")
            .name(self.key)
            .push(" IN (");
        push_numbers(&mut sql, of);
        sql.push(") UNION ");
        self.push_step(&mut sql, "up.above");
        sql.push(") SELECT id, above FROM up LIMIT ").number(most);
        let mut rows = Rows::new(2);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64); 2], &mut rows)?;
        let pair = |row: usize| match (rows.cell(row, 0), rows.cell(row, 1)) {
            (Cell::Integer(id), Cell::Integer(above)) => Some((id, above)),
            _ => None,
        };
        Ok((0..rows.len()).filter_map(pair).collect())
    }

    /// Whether so many levels of rows begin with one: 1 is the row itself. A row that is its own parent is not below itself.
    pub fn reaches(&self, session: &mut Session<'_>, top: i64, levels: usize) -> Outcome<bool> {
        let mut sql = Sql::new(session.dialect());
        sql.push("WITH RECURSIVE tops(id) AS (");
        push_numbers(&mut sql, &[top]);
        sql.push("), down(id, level) AS (SELECT id, 1 FROM tops UNION SELECT p.")
            .name(self.key)
            .push(", down.level + 1 FROM down JOIN ")
            .name(self.table);
        sql.push(" AS p ON p.").name(self.above).push(" = down.id AND p.");
        sql.name(self.key).push(" <> down.id WHERE down.level < ").number(levels);
        sql.push(") SELECT id FROM down WHERE level = ").number(levels);
        sql.push(" LIMIT 1");
        let mut rows = Rows::new(1);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
        Ok(!rows.is_empty())
    }
}

/// Appends `SELECT` of some numbers: one bind parameter, so that the statement stays the same whatever and however many they are.
fn push_numbers(sql: &mut Sql, numbers: &[i64]) {
    let list: Vec<String> = numbers.iter().map(i64::to_string).collect();
    let list = list.join(",");
    match sql.dialect {
        Dialect::Sqlite => {
            sql.push("SELECT value FROM json_each(")
                .value(Edm::String, Value::Text(format!("[{list}]")))
                .push(")");
        }
        Dialect::Postgres => {
            sql.push("SELECT unnest(")
                .value(Edm::String, Value::Text(format!("{{{list}}}")))
                .push("::bigint[])");
        }
    }
}

/// Appends whether the entity that a property names is there for the caller.
pub fn push_seen(sql: &mut Sql, sources: &Sources<'_>, (source, ty, property): (usize, TypeId, usize), target: TypeId) {
    // A source of its own, after all others.
    let own = sources.list.len();
    let mut list = sources.list.to_vec();
    list.push(Source {
        ty: target,
        set: None,
        join: None,
        nested: true,
    });
    let sources = Sources { list: &list, ..*sources };
    sql.push("EXISTS (SELECT 1 FROM ");
    sources.push_table(sql, own);
    sql.push(" WHERE ").column(own, sources.key_column(own)).push(" = ");
    sql.column(source, &sources.schema.types[ty].properties[property].column);
    source_predicate(sql, &sources, own);
    sql.push(")");
}

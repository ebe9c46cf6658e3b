//! The tables of a statement: how each hangs on another, and what the caller may see of it.

use super::expression;
use super::sql::Sql;
use crate::model::caller::{SYSTEM_TENANT, Scope, Tenants};
use crate::model::edm::{Edm, Value};
use crate::model::expr::Source;
use crate::model::schema::{ColumnKind, Join, Schema, TYPE_COLUMN, Table, TypeId};

/// The tables of a query with what the caller may see of them.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// What the indexes are for.
    pub schema: &'a Schema,
    /// What the caller may see.
    pub scope: &'a Scope,
    /// `[0]` is the statement's own table.
    pub list: &'a [Source],
    /// The statement names its rows by their keys, so that few are looked at.
    pub few: bool,
}

impl<'a> Sources<'a> {
    /// One of them.
    pub fn of(&self, source: usize) -> &'a Source {
        &self.list[source]
    }

    /// The table of a source.
    pub fn table(&self, source: usize) -> Option<&'a Table> {
        self.schema.types[self.list[source].ty]
            .table
            .map(|table| &self.schema.tables[table])
    }

    /// A column that is not null in every row of the table.
    pub fn key_column(&self, source: usize) -> &'a str {
        let ty = &self.schema.types[self.list[source].ty];
        ty.key_properties().next().map_or("", |property| &property.column)
    }

    fn join(&self, source: usize) -> Option<(usize, TypeId, &'a Join)> {
        let (parent, ty, navigation) = self.list[source].join?;
        self.schema.types[ty].navigations[navigation]
            .join
            .as_ref()
            .map(|join| (parent, ty, join))
    }

    /// Appends a table under its alias; with a link table, that too.
    pub fn push_table(&self, sql: &mut Sql, source: usize) {
        sql.name(self.table(source).map_or("", |table| &table.name))
            .push(" AS t")
            .number(source);
        if let Some((_, _, Join::Link { table, far, .. })) = self.join(source) {
            sql.push(" JOIN ")
                .name(&self.schema.tables[*table].name)
                .push(" AS l")
                .number(source)
                .push(" ON ");
            let key = self.schema.types[self.list[source].ty].row_key_properties();
            sql.list(far.iter().zip(key), " AND ", |sql, (far, key)| {
                sql.push("l")
                    .number(source)
                    .push(".")
                    .name(far)
                    .push(" = ")
                    .column(source, &key.column);
            });
        }
    }

    /// Appends the join of a to-one navigation.
    pub fn push_left_join(&self, sql: &mut Sql, source: usize) {
        sql.push(" LEFT JOIN ");
        self.push_table(sql, source);
        sql.push(" ON ");
        join_condition(sql, self, source);
        source_predicate(sql, self, source);
    }
}

/// Appends how a source hangs on its parent.
pub fn join_condition(sql: &mut Sql, sources: &Sources<'_>, source: usize) {
    let Some((parent, ty, join)) = sources.join(source) else {
        return sql.push("TRUE").done();
    };
    let own_key = sources.schema.types[sources.of(source).ty].row_key_properties();
    let parent_key = sources.schema.types[ty].row_key_properties();
    match join {
        Join::Near { columns } => sql
            .list(columns.iter().zip(own_key), " AND ", |sql, (column, key)| {
                sql.column(source, &key.column).push(" = ").column(parent, column);
            })
            .done(),
        Join::Far { columns } => sql
            .list(columns.iter().zip(parent_key), " AND ", |sql, (column, key)| {
                sql.column(source, column).push(" = ").column(parent, &key.column);
            })
            .done(),
        Join::Link { near, .. } => sql
            .list(near.iter().zip(parent_key), " AND ", |sql, (column, key)| {
                sql.push("l")
                    .number(source)
                    .push(".")
                    .name(column)
                    .push(" = ")
                    .column(parent, &key.column);
            })
            .done(),
    }
}

/// Appends ` AND …`: the tenant, the rule about rows, and the types that the source may hold.
pub fn source_predicate(sql: &mut Sql, sources: &Sources<'_>, source: usize) {
    let id = sources.of(source).ty;
    let ty = &sources.schema.types[id];
    if let (Some(tenant), Tenants::One(guid)) = (ty.tenant, sources.scope.tenants) {
        let column = &ty.properties[tenant].column;
        let own = Value::Bytes(guid.to_vec());
        if ty.shared && sources.scope.shares(ty.root) {
            sql.push(" AND ")
                .column(source, column)
                .push(" IN (")
                .value(Edm::Guid, own)
                .push(", ");
            sql.value(Edm::Guid, Value::Bytes(SYSTEM_TENANT.to_vec())).push(")");
        } else {
            sql.push(" AND ").column(source, column).push(" = ").value(Edm::Guid, own);
        }
    }
    if let Some(rule) = sources.scope.rule(ty.root) {
        sql.push(" AND ");
        expression::push(sql, sources, &rule.about(source));
    }
    if ty.root != id {
        sql.push(" AND ").column(source, TYPE_COLUMN).push(" IN (");
        sql.list(&ty.family, ", ", |sql, member| {
            sql.text_literal(&sources.schema.types[*member].qualified()).done()
        })
        .push(")");
    }
}

/// The kind of a table's column.
pub fn column_kind(table: Option<&Table>, name: &str) -> ColumnKind {
    let column = table.and_then(|table| table.columns.iter().find(|column| column.name == name));
    column.map_or(ColumnKind::Primitive(Edm::String), |column| column.kind)
}

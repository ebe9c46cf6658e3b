//! Reading statements.

use super::dialect::Dialect;
use super::expression::{comparison_collation, push, push_order};
use super::session::Session;
use super::sources::{Sources, column_kind, source_predicate};
use super::sql::Sql;
use crate::model::caller::Scope;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::expr::{Expr, Source};
use crate::model::fault::{Fault, Outcome};
use crate::model::page::Rows;
use crate::model::query::Order;
use crate::model::schema::{ColumnKind, Property, Schema, TYPE_COLUMN, Table, TypeId};

/// A column of the answer.
#[derive(Debug, Clone)]
pub enum Output {
    /// A property of this type of the hierarchy, by index.
    Property(TypeId, usize),
    /// A column that is no property, such as a hidden foreign key.
    Column(String, ColumnKind),
    /// A column of the link table that [`Restriction::LinkIn`] joins.
    Link(String, ColumnKind),
    /// The row's qualified type name.
    TypeName,
    /// The value of an expression.
    Expr(Expr),
}

/// What the rows have to do with others.
#[derive(Debug, Clone)]
pub enum Restriction {
    /// Rows with this key, as a client says it: of each tenant at most one.
    Key(Vec<Value>),
    /// The row with this row key ([`EntityType::row_key`](crate::model::schema::EntityType)).
    Row(Vec<Value>),
    /// Rows with these values in these columns.
    Columns(Vec<String>, Vec<Value>),
    /// Rows with one of these tuples in these columns.
    ColumnsIn(Vec<String>, Vec<Vec<Value>>),
    /// Rows that a link table pairs with one key: table, its columns for that key, its columns for the row's key, the key.
    Link {
        /// The link table.
        table: usize,
        /// Its columns for the other key.
        near: Vec<String>,
        /// Its columns for the row's key.
        far: Vec<String>,
        /// The other key.
        values: Vec<Value>,
    },
    /// The same for many keys at once; the table is joined as `l`.
    LinkIn {
        /// The link table.
        table: usize,
        /// Its columns for the other keys.
        near: Vec<String>,
        /// Its columns for the row's key.
        far: Vec<String>,
        /// The other keys.
        values: Vec<Vec<Value>>,
    },
    /// Rows that a link table pairs with one of some keys, or with any where none are named; each row once.
    Linked {
        /// The link table.
        table: usize,
        /// Its columns for the other keys.
        near: Vec<String>,
        /// Its columns for the row's key.
        far: Vec<String>,
        /// The other keys.
        keys: Vec<Vec<Value>>,
    },
}

/// At most `limit` rows for each value of some columns: a page for each parent of an expansion (PAG-14).
#[derive(Debug, Clone)]
pub struct Partition {
    /// [`Output::Column`], [`Output::Property`] or [`Output::Link`].
    pub by: Vec<Output>,
    /// Rows for each.
    pub limit: usize,
}

/// A reading statement.
#[derive(Debug)]
pub struct Select<'a> {
    sources: Sources<'a>,
    /// Columns of the answer.
    pub outputs: Vec<Output>,
    /// All of them hold.
    pub restrictions: Vec<Restriction>,
    /// Only rows for which it is true.
    pub filter: Option<&'a Expr>,
    /// By what, total where pages are cut.
    pub order: Vec<Order>,
    /// Only rows after these values of `order`.
    pub after: Option<&'a [Value]>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Not the first so many.
    pub offset: usize,
    /// At most so many for each parent.
    pub partition: Option<Partition>,
    /// Keeps other writers away from the rows until the transaction ends.
    pub lock: bool,
    /// What a client wrote decides the text of the statement, not only its binds.
    pub client_shaped: bool,
}

impl<'a> Select<'a> {
    /// Rows of `sources[0]` that the scope shows.
    pub fn new(schema: &'a Schema, scope: &'a Scope, sources: &'a [Source]) -> Select<'a> {
        Select {
            sources: Sources {
                schema,
                scope,
                list: sources,
                few: false,
            },
            outputs: Vec::new(),
            restrictions: Vec::new(),
            filter: None,
            order: Vec::new(),
            after: None,
            limit: None,
            offset: 0,
            partition: None,
            lock: false,
            client_shaped: false,
        }
    }

    /// Runs it; one cell for each of `outputs`, in order (and one more, the row number, with a partition).
    pub fn fetch(&self, session: &mut Session<'_>) -> Outcome<Rows> {
        let mut kinds: Vec<ColumnKind> = self.outputs.iter().map(|output| self.kind(output)).collect();
        if self.partition.is_some() {
            kinds.push(ColumnKind::Primitive(Edm::Int64));
        }
        let mut rows = Rows::new(kinds.len());
        let mut sql = Sql::new(session.dialect());
        self.render(&mut sql);
        sql.cached = self.may_cache(&sql);
        session.fetch(&sql, &kinds, &mut rows)?;
        Ok(rows)
    }

    /// How many rows; `limit` and `offset` count too (QRY-8).
    pub fn count(&self, session: &mut Session<'_>) -> Outcome<u64> {
        let mut sql = Sql::new(session.dialect());
        let cut = self.limit.is_some() || self.offset > 0;
        sql.push(if cut { "SELECT COUNT(*) FROM (SELECT 1" } else { "SELECT COUNT(*)" });
        self.push_from(&mut sql);
        if cut {
            self.push_limit(&mut sql);
            sql.push(") AS c");
        }
        sql.cached = self.may_cache(&sql);
        let mut rows = Rows::new(1);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
        match (rows.len(), rows.is_empty()) {
            (1, false) => match rows.cell(0, 0) {
                Cell::Integer(count) => Ok(count.max(0).cast_unsigned()),
                _ => Err(Fault::internal("a count that is no number")),
            },
            _ => Err(Fault::internal("a count without a row")),
        }
    }

    /// Whether any row is there.
    pub fn exists(&self, session: &mut Session<'_>) -> Outcome<bool> {
        let mut sql = Sql::new(session.dialect());
        sql.push("SELECT 1");
        self.push_from(&mut sql);
        sql.push(" LIMIT 1");
        let mut rows = Rows::new(1);
        session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int32)], &mut rows)?;
        Ok(!rows.is_empty())
    }

    fn render(&self, sql: &mut Sql) {
        if let Some(partition) = &self.partition {
            sql.push("SELECT * FROM (");
            self.push_outputs(sql);
            sql.push(", ROW_NUMBER() OVER (PARTITION BY ");
            sql.list(&partition.by, ", ", |sql, output| self.push_output(sql, output));
            self.push_order_by(sql);
            sql.push(") AS n");
            self.push_from(sql);
            sql.push(") AS p WHERE n <= ").number(partition.limit).push(" ORDER BY n");
            return;
        }
        self.push_outputs(sql);
        self.push_from(sql);
        self.push_order_by(sql);
        self.push_limit(sql);
        if self.lock && sql.dialect == Dialect::Postgres {
            sql.push(" FOR UPDATE OF t0");
        }
    }

    fn push_outputs(&self, sql: &mut Sql) {
        sql.push("SELECT ");
        if self.outputs.is_empty() {
            sql.push("1");
        }
        sql.list(self.outputs.iter().enumerate(), ", ", |sql, (i, output)| {
            self.push_output(sql, output);
            let cast = match output {
                Output::Expr(expr) => sql.dialect.expression_cast(expr.edm(self.sources.schema).unwrap_or(Edm::String)),
                _ => sql.dialect.output_cast(self.kind(output)),
            };
            sql.push(cast);
            if self.partition.is_some() {
                sql.push(" AS c").number(i);
            }
        });
    }

    fn push_output(&self, sql: &mut Sql, output: &Output) {
        match output {
            Output::Property(ty, property) => sql.column(0, &self.sources.schema.types[*ty].properties[*property].column).done(),
            Output::Column(name, _) => sql.column(0, name).done(),
            Output::Link(name, _) => sql.push("l.").name(name).done(),
            Output::TypeName => sql.column(0, TYPE_COLUMN).done(),
            Output::Expr(expr) => {
                sql.push("(");
                push(sql, &self.sources, expr);
                sql.push(")");
            }
        }
    }

    fn kind(&self, output: &Output) -> ColumnKind {
        match output {
            Output::Property(ty, property) => match &self.sources.schema.types[*ty].properties[*property].ty {
                crate::model::schema::Type::Primitive(edm) => ColumnKind::Primitive(*edm),
                _ => ColumnKind::Json,
            },
            Output::Column(_, kind) | Output::Link(_, kind) => *kind,
            Output::TypeName => ColumnKind::Primitive(Edm::String),
            Output::Expr(expr) => ColumnKind::Primitive(expr.edm(self.sources.schema).unwrap_or(Edm::String)),
        }
    }

    fn push_from(&self, sql: &mut Sql) {
        let sources = Sources {
            few: self
                .restrictions
                .iter()
                .any(|restriction| matches!(restriction, Restriction::Key(_) | Restriction::Row(_))),
            ..self.sources
        };
        sql.push(" FROM ");
        sources.push_table(sql, 0);
        for restriction in &self.restrictions {
            if let Restriction::LinkIn { table, far, .. } = restriction {
                sql.push(" JOIN ").name(&self.sources.schema.tables[*table].name).push(" AS l ON ");
                self.push_link_far(sql, far);
            }
        }
        for source in 1..sources.list.len() {
            if !sources.of(source).nested {
                sources.push_left_join(sql, source);
            }
        }
        sql.push(" WHERE TRUE");
        source_predicate(sql, &sources, 0);
        for restriction in &self.restrictions {
            sql.push(" AND ");
            self.push_restriction(sql, restriction);
        }
        if let Some(filter) = self.filter {
            sql.push(" AND ");
            push(sql, &sources, filter);
        }
        if let Some(after) = self.after {
            sql.push(" AND ");
            self.push_after(sql, &self.order, after);
        }
    }

    fn push_link_far(&self, sql: &mut Sql, far: &[String]) {
        let key = self.sources.schema.types[self.sources.of(0).ty].row_key_properties();
        sql.list(far.iter().zip(key), " AND ", |sql, (far, key)| {
            sql.push("l.").name(far).push(" = ").column(0, &key.column);
        });
    }

    fn push_restriction(&self, sql: &mut Sql, restriction: &Restriction) {
        let schema = self.sources.schema;
        let ty = &schema.types[self.sources.of(0).ty];
        match restriction {
            Restriction::Key(values) => self.push_key(sql, ty.key_properties(), values),
            Restriction::Row(values) => self.push_key(sql, ty.row_key_properties(), values),
            Restriction::Columns(columns, values) => sql
                .list(columns.iter().zip(values), " AND ", |sql, (column, value)| {
                    sql.column(0, column)
                        .push(" = ")
                        .bind(column_kind(self.sources.table(0), column), value.clone());
                })
                .done(),
            Restriction::ColumnsIn(columns, tuples) => {
                self.push_in(sql, self.sources.table(0), columns, tuples, |sql, column| {
                    sql.column(0, column).done()
                });
            }
            Restriction::Link { table, near, far, values } => {
                let table = &schema.tables[*table];
                sql.push("EXISTS (SELECT 1 FROM ").name(&table.name).push(" AS l WHERE ");
                sql.list(near.iter().zip(values), " AND ", |sql, (near, value)| {
                    sql.push("l.")
                        .name(near)
                        .push(" = ")
                        .bind(column_kind(Some(table), near), value.clone());
                });
                sql.push(" AND ");
                self.push_link_far(sql, far);
                sql.push(")");
            }
            Restriction::LinkIn { table, near, values, .. } => {
                self.push_in(sql, Some(&schema.tables[*table]), near, values, |sql, column| {
                    sql.push("l.").name(column).done()
                });
            }
            Restriction::Linked { table, near, far, keys } => {
                let table = &schema.tables[*table];
                sql.push("(")
                    .list(ty.row_key_properties(), ", ", |sql, key| sql.column(0, &key.column).done());
                sql.push(") IN (SELECT ")
                    .list(far, ", ", |sql, far| sql.push("l.").name(far).done());
                sql.push(" FROM ").name(&table.name).push(" AS l WHERE ");
                match keys.is_empty() {
                    true => sql.push("TRUE").done(),
                    false => self.push_in(sql, Some(table), near, keys, |sql, column| sql.push("l.").name(column).done()),
                }
                sql.push(")");
            }
        }
    }

    fn push_key<'k>(&self, sql: &mut Sql, key: impl Iterator<Item = &'k Property>, values: &[Value]) {
        sql.list(key.zip(values), " AND ", |sql, (key, value)| {
            sql.column(0, &key.column)
                .push(" = ")
                .value(key.ty.primitive().unwrap_or(Edm::String), value.clone());
        });
    }

    /// `(a, b) IN ((1, 2), …)`; on PostgreSQL a row of `VALUES` would lose its types, so the plain list is used on both.
    fn push_in(&self, sql: &mut Sql, table: Option<&Table>, columns: &[String], tuples: &[Vec<Value>], column: impl Fn(&mut Sql, &str)) {
        if tuples.is_empty() {
            return sql.push("FALSE").done();
        }
        let parenthesis = columns.len() > 1;
        sql.push(if parenthesis { "(" } else { "" });
        sql.list(columns, ", ", |sql, name| column(sql, name));
        sql.push(if parenthesis { ") IN (" } else { " IN (" });
        // SQLite wants VALUES before a list of rows.
        sql.push(if parenthesis && sql.dialect == Dialect::Sqlite {
            "VALUES "
        } else {
            ""
        });
        sql.list(tuples, ", ", |sql, tuple| {
            sql.push(if parenthesis { "(" } else { "" });
            sql.list(columns.iter().zip(tuple), ", ", |sql, (name, value)| {
                sql.bind(column_kind(table, name), value.clone()).done()
            });
            sql.push(if parenthesis { ")" } else { "" });
        });
        sql.push(")");
    }

    fn push_order_by(&self, sql: &mut Sql) {
        if self.order.is_empty() {
            return;
        }
        sql.push(" ORDER BY ");
        sql.list(&self.order, ", ", |sql, order| {
            push_order(sql, &self.sources, &order.expr);
            // Null is the smallest (ORD-4), as SQLite has it; PostgreSQL has it the other way round, and an index cannot serve NULLS FIRST.
            let nulls = sql.dialect == Dialect::Postgres && order.expr.nullable(self.sources.schema);
            sql.push(match (order.descending, nulls) {
                (false, false) => "",
                (true, false) => " DESC",
                (false, true) => " NULLS FIRST",
                (true, true) => " DESC NULLS LAST",
            });
        });
    }

    fn push_limit(&self, sql: &mut Sql) {
        // As text: SQLite prepares a statement anew whenever a bound LIMIT is bound again, and PostgreSQL plans for a guess.
        if let Some(limit) = self.limit {
            sql.push(" LIMIT ").number(limit);
        }
        if self.offset > 0 {
            if self.limit.is_none() && sql.dialect == Dialect::Sqlite {
                sql.push(" LIMIT -1");
            }
            sql.push(" OFFSET ").number(self.offset);
        }
    }

    /// Rows after `values`, for any mix of directions and nulls: `c >= v AND (c > v OR rest)`. The leading bound makes the index
    /// range start at the right place; without it the page costs 250 times as much.
    fn push_after(&self, sql: &mut Sql, order: &[Order], values: &[Value]) {
        let (Some(first), Some(value)) = (order.first(), values.first()) else {
            return sql.push("FALSE").done();
        };
        let schema = self.sources.schema;
        let nullable = first.expr.nullable(schema);
        let edm = first.expr.edm(schema).unwrap_or(Edm::String);
        let column = |sql: &mut Sql| {
            push(sql, &self.sources, &first.expr);
            sql.push(comparison_collation(sql.dialect, edm));
        };
        let compare = |sql: &mut Sql, operator: &str| {
            column(sql);
            sql.push(operator).value(edm, value.clone());
        };
        let last = order.len() == 1;
        sql.push("(");
        match (value.is_null(), first.descending) {
            (true, false) => {
                column(sql);
                sql.push(" IS NOT NULL");
                if !last {
                    sql.push(" OR ");
                    self.push_after(sql, &order[1..], &values[1..]);
                }
            }
            (true, true) => {
                column(sql);
                sql.push(" IS NULL AND ");
                self.push_after(sql, &order[1..], &values[1..]);
            }
            (false, descending) => {
                let (beyond, from) = if descending { (" < ", " <= ") } else { (" > ", " >= ") };
                if descending && nullable {
                    column(sql);
                    sql.push(" IS NULL OR ");
                }
                if last {
                    compare(sql, beyond);
                } else {
                    sql.push("(");
                    compare(sql, from);
                    sql.push(" AND (");
                    compare(sql, beyond);
                    sql.push(" OR ");
                    self.push_after(sql, &order[1..], &values[1..]);
                    sql.push("))");
                }
            }
        }
        sql.push(")");
    }

    /// What a client shaped is kept prepared only while few shapes have been met: the cache of a connection never forgets.
    fn may_cache(&self, sql: &Sql) -> bool {
        let many = |restriction: &Restriction| {
            matches!(
                restriction,
                Restriction::ColumnsIn(..) | Restriction::LinkIn { .. } | Restriction::Linked { .. }
            )
        };
        if !self.client_shaped && !self.restrictions.iter().any(many) {
            return true;
        }
        sql.is_known_shape()
    }
}

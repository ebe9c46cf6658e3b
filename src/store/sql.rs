//! The text of a statement and its bind parameters, rendered once.
//!
//! Diesel walks a fragment once for the text, once for the binds and once for caching; walking this is walking two vectors.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, Mutex};

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Nullable, Text, Untyped, Uuid};
use diesel::sqlite::Sqlite;

use super::dialect::Dialect;
use crate::model::edm::{Class, Edm, Value};
use crate::model::limits;
use crate::model::schema::ColumnKind;

/// A statement being rendered.
#[derive(Debug)]
pub struct Sql {
    /// For which database.
    pub dialect: Dialect,
    text: String,
    binds: Vec<Bind>,
    /// Whether the connection keeps it prepared. Only what the server shaped, or few of what clients shape: Diesel's cache never forgets.
    pub cached: bool,
}

#[derive(Debug)]
struct Bind {
    /// Where in the text it stands.
    at: usize,
    kind: ColumnKind,
    value: Value,
}

impl Sql {
    /// An empty statement.
    pub fn new(dialect: Dialect) -> Sql {
        Sql {
            dialect,
            text: String::with_capacity(512),
            binds: Vec::new(),
            cached: true,
        }
    }

    /// Appends SQL. Never anything that a client wrote.
    pub fn push(&mut self, text: &str) -> &mut Sql {
        self.text.push_str(text);
        self
    }

    /// Appends a number that the server made.
    pub fn number(&mut self, number: usize) -> &mut Sql {
        use std::fmt::Write;
        // Writing into a String cannot fail.
        let _ = write!(self.text, "{number}");
        self
    }

    /// Appends a quoted identifier.
    pub fn name(&mut self, name: &str) -> &mut Sql {
        self.text.push('"');
        for c in name.chars() {
            if c == '"' {
                self.text.push('"');
            }
            self.text.push(c);
        }
        self.text.push('"');
        self
    }

    /// Appends `t<source>."column"`.
    pub fn column(&mut self, source: usize, column: &str) -> &mut Sql {
        self.push("t").number(source).push(".").name(column)
    }

    /// Appends a string that the schema author wrote, as an SQL literal.
    pub fn text_literal(&mut self, text: &str) -> &mut Sql {
        self.text.push('\'');
        self.text.push_str(&text.replace('\'', "''"));
        self.text.push('\'');
        self
    }

    /// Appends a bind parameter.
    pub fn bind(&mut self, kind: ColumnKind, value: Value) -> &mut Sql {
        self.binds.push(Bind {
            at: self.text.len(),
            kind,
            value,
        });
        let cast = self.dialect.bind_cast(kind);
        self.push(cast)
    }

    /// Appends a bind parameter of a primitive type.
    pub fn value(&mut self, edm: Edm, value: Value) -> &mut Sql {
        self.bind(ColumnKind::Primitive(edm), value)
    }

    /// Calls `item` for each, with `separator` between.
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, separator: &str, mut item: impl FnMut(&mut Sql, T)) -> &mut Sql {
        for (i, each) in items.into_iter().enumerate() {
            if i > 0 {
                self.push(separator);
            }
            item(self, each);
        }
        self
    }

    /// Whether the text is one of the first that clients have shaped. Only those are kept prepared: the cache of a connection
    /// never forgets.
    pub fn is_known_shape(&self) -> bool {
        static SHAPES: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(|| Mutex::new(HashSet::new()));
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        let shape = hasher.finish();
        let mut shapes = SHAPES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shapes.contains(&shape) || (shapes.len() < limits::STATEMENT_SHAPES && shapes.insert(shape))
    }

    /// Ends a chain where nothing is to be given back.
    pub fn done(&mut self) {}
}

impl QueryId for Sql {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Sql {
    type SqlType = Untyped;
}

/// Pushes the pieces of the text, calling `bind` between them.
macro_rules! walk {
    ($sql:expr, $out:expr, $bind:path) => {{
        let mut from = 0;
        for bind in &$sql.binds {
            $out.push_sql(&$sql.text[from..bind.at]);
            $bind(&mut $out, bind)?;
            from = bind.at;
        }
        $out.push_sql(&$sql.text[from..]);
        if !$sql.cached {
            $out.unsafe_to_cache_prepared();
        }
        Ok(())
    }};
}

impl QueryFragment<Sqlite> for Sql {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> diesel::QueryResult<()> {
        walk!(self, out, bind_sqlite)
    }
}

impl QueryFragment<Pg> for Sql {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        walk!(self, out, bind_postgres)
    }
}

fn bind_sqlite<'b>(out: &mut AstPass<'_, 'b, Sqlite>, bind: &'b Bind) -> diesel::QueryResult<()> {
    match &bind.value {
        Value::Null => out.push_bind_param::<Nullable<Text>, Option<String>>(&None),
        Value::Boolean(b) => out.push_bind_param::<Bool, bool>(b),
        Value::Integer(i) => out.push_bind_param::<BigInt, i64>(i),
        // SQLite makes NULL of a NaN.
        Value::Double(d) if d.is_nan() => out.push_bind_param::<Text, str>("NaN"),
        Value::Double(d) => out.push_bind_param::<Double, f64>(d),
        Value::Text(s) => out.push_bind_param::<Text, str>(s),
        Value::Bytes(b) => out.push_bind_param::<Binary, [u8]>(b),
    }
}

fn bind_postgres<'b>(out: &mut AstPass<'_, 'b, Pg>, bind: &'b Bind) -> diesel::QueryResult<()> {
    let ColumnKind::Primitive(edm) = bind.kind else {
        return match &bind.value {
            Value::Text(s) => out.push_bind_param::<Text, str>(s),
            _ => out.push_bind_param::<Nullable<Text>, Option<String>>(&None),
        };
    };
    match (&bind.value, edm) {
        // A null has the type of its column.
        (Value::Null, Edm::Boolean) => out.push_bind_param::<Nullable<Bool>, Option<bool>>(&None),
        (Value::Null, Edm::Guid) => out.push_bind_param::<Nullable<Uuid>, Option<uuid::Uuid>>(&None),
        (Value::Null, Edm::Binary) => out.push_bind_param::<Nullable<Binary>, Option<Vec<u8>>>(&None),
        (Value::Null, Edm::Time) => out.push_bind_param::<Nullable<BigInt>, Option<i64>>(&None),
        (Value::Null, _) if edm.class() == Class::Integer => out.push_bind_param::<Nullable<BigInt>, Option<i64>>(&None),
        (Value::Null, _) if edm.class() == Class::Float => out.push_bind_param::<Nullable<Double>, Option<f64>>(&None),
        (Value::Null, _) => out.push_bind_param::<Nullable<Text>, Option<String>>(&None),
        (Value::Boolean(b), _) => out.push_bind_param::<Bool, bool>(b),
        (Value::Integer(i), _) => out.push_bind_param::<BigInt, i64>(i),
        (Value::Double(d), _) => out.push_bind_param::<Double, f64>(d),
        (Value::Text(s), _) => out.push_bind_param::<Text, str>(s),
        (Value::Bytes(b), Edm::Guid) => match <&[u8; 16]>::try_from(b.as_slice()) {
            Ok(bytes) => out.push_bind_param::<Uuid, uuid::Uuid>(uuid::Uuid::from_bytes_ref(bytes)),
            Err(_) => out.push_bind_param::<Nullable<Uuid>, Option<uuid::Uuid>>(&None),
        },
        (Value::Bytes(b), _) => out.push_bind_param::<Binary, [u8]>(b),
    }
}

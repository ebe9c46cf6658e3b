//! What differs between the databases in the text of a statement.

use crate::model::edm::{Class, Edm};
use crate::model::function::Function;
use crate::model::schema::ColumnKind;

/// Which database a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.53, bundled.
    Sqlite,
    /// PostgreSQL 15 or later.
    Postgres,
}

/// The collation of exact decimals on SQLite, registered on every connection.
pub const DECIMAL_COLLATION: &str = "odata_decimal";

impl Dialect {
    /// The SQL of a canonical function.
    pub fn template(self, function: &Function) -> &'static str {
        match self {
            Dialect::Sqlite => function.sqlite,
            Dialect::Postgres => function.postgres,
        }
    }

    /// A column's type, with its collation.
    pub fn column_type(self, kind: ColumnKind) -> &'static str {
        let ColumnKind::Primitive(edm) = kind else {
            return match self {
                Dialect::Sqlite => "TEXT",
                Dialect::Postgres => "JSONB",
            };
        };
        match self {
            Dialect::Sqlite => match edm {
                Edm::Boolean | Edm::Time => "INTEGER",
                Edm::Guid | Edm::Binary => "BLOB",
                Edm::Decimal => "TEXT COLLATE odata_decimal",
                // A NaN is kept as text, which a REAL column of a STRICT table would refuse.
                Edm::Single | Edm::Double => "ANY",
                _ if edm.class() == Class::Integer => "INTEGER",
                _ => "TEXT",
            },
            Dialect::Postgres => match edm {
                Edm::Boolean => "BOOLEAN",
                Edm::Byte | Edm::SByte | Edm::Int16 => "SMALLINT",
                Edm::Int32 => "INTEGER",
                Edm::Int64 | Edm::Time => "BIGINT",
                Edm::Single => "REAL",
                Edm::Double => "DOUBLE PRECISION",
                Edm::Decimal => "NUMERIC",
                Edm::Guid => "UUID",
                Edm::Binary => "BYTEA",
                _ => "TEXT COLLATE \"C\"",
            },
        }
    }

    /// What follows a bind parameter so that it has the type of the kind.
    pub fn bind_cast(self, kind: ColumnKind) -> &'static str {
        match (self, kind) {
            (Dialect::Postgres, ColumnKind::Json) => "::jsonb",
            (Dialect::Postgres, ColumnKind::Primitive(Edm::Decimal)) => "::numeric",
            _ => "",
        }
    }

    /// What follows an output column so that it can be read in canonical content.
    pub fn output_cast(self, kind: ColumnKind) -> &'static str {
        match (self, kind) {
            (Dialect::Postgres, ColumnKind::Json | ColumnKind::Primitive(Edm::Decimal)) => "::text",
            _ => "",
        }
    }

    /// What follows an expression (not a column) of a type when it is an output.
    pub fn expression_cast(self, edm: Edm) -> &'static str {
        match (self, edm.class()) {
            (Dialect::Postgres, Class::Integer) => "::bigint",
            (Dialect::Postgres, Class::Float) => "::float8",
            (Dialect::Postgres, Class::Decimal) => "::text",
            _ => "",
        }
    }
}

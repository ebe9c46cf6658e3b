//! The tables of the database, as they follow from the schema. The loader derives them, the store makes them.

use super::edm::{Edm, Value};
use super::schema::TableId;

/// A table of the database, derived from the types.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name, lower case, unique.
    pub name: String,
    /// In order.
    pub columns: Vec<Column>,
    /// Names of the primary key's columns.
    pub key: Vec<String>,
    /// Unique and plain indexes.
    pub indexes: Vec<Index>,
    /// Enforced references.
    pub references: Vec<Reference>,
    /// For the message of a difference: the schema file it comes from.
    pub origin: String,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Takes null.
    pub nullable: bool,
    /// The database numbers it.
    pub generated: bool,
    /// The value of rows that are there when the column is added.
    pub default: Option<Value>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A primitive.
    Primitive(Edm),
    /// Canonical JSON of a complex value or a collection.
    Json,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Columns in order.
    pub columns: Vec<String>,
    /// No two rows alike.
    pub unique: bool,
}

/// A foreign key that the database enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Columns here.
    pub columns: Vec<String>,
    /// The other table.
    pub table: TableId,
    /// Columns there.
    pub target: Vec<String>,
    /// Rows here go when the row there goes.
    pub cascade: bool,
}

/// Name of the column that says which type a row of a hierarchy is; its content is the qualified type name.
pub const TYPE_COLUMN: &str = "odata_type";

/// Name of the column with the properties that an open type does not declare.
pub const DYNAMIC_COLUMN: &str = "odata_dynamic";

/// Name of the column that says what a media entity's media resource is ([`Media`](super::media::Media)).
pub const MEDIA_COLUMN: &str = "odata_media";

//! Floor 0: plain data. Edm types and values, the schema, expressions and queries bound to it,
//! who is calling, what can go wrong, and every limit.
//!
//! Invariant: no I/O, no heavy dependency, and no other module of the house is named here. This
//! floor becomes the small crate that plugin authors depend on.

pub mod association;
pub mod caller;
pub mod clock;
pub mod edm;
pub mod expr;
pub mod fault;
pub mod function;
pub mod geometry;
pub mod limits;
pub mod media;
pub mod operation;
pub mod page;
pub mod pattern;
pub mod query;
pub mod rights;
pub mod schema;
pub mod table;
pub mod target;
pub mod text;

//! Floor 1: text to model and back. Pure functions: a URL becomes a [`Target`](crate::model::target::Target), its options a
//! [`Query`](crate::model::query::Query), a body a [`Body`](crate::model::target::Body), and what was read an answer.
//!
//! Invariant: knows nothing of databases and of HTTP beyond the texts of headers. Reading order: the URL, the formats, `$metadata`.

pub mod accept;
pub mod advertise;
pub mod argument;
pub mod atom;
pub mod atom_read;
pub mod batch;
pub mod bind;
pub mod canonical;
pub mod context;
pub mod csdl;
pub mod csv;
pub mod csv_read;
pub mod csv_records;
pub mod dynamic;
pub mod entity;
pub mod error;
pub mod etag;
pub mod filter;
#[cfg(test)]
pub mod fixture;
pub mod format;
pub mod geojson;
pub mod gml;
pub mod json;
pub mod json_read;
pub mod json_tree;
pub mod literal;
pub mod metadata;
pub mod needs;
pub mod options;
pub mod path;
pub mod raw;
pub mod read;
pub mod references;
pub mod row_rule;
pub mod select;
pub mod service;
pub mod template;
pub mod token;
pub mod url;
pub mod verbose;
pub mod verbose_read;
pub mod version;
mod xml_text;
pub mod xml_tree;

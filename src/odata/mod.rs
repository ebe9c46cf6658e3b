//! Floor 1: text to model and back. Pure functions: a URL becomes a [`Target`](crate::model::target::Target), its options a
//! [`Query`](crate::model::query::Query), a body a [`Body`](crate::model::target::Body), and what was read an answer.
//!
//! Invariant: knows nothing of databases and of HTTP beyond the texts of headers. Reading order: the URL, the formats, `$metadata`.

pub mod url;
pub mod literal;
pub mod path;
pub mod options;
pub mod filter;
pub mod bind;
pub mod select;
pub mod token;
pub mod version;
pub mod accept;
pub mod format;
pub mod context;
pub mod json;
pub mod json_tree;
pub mod json_read;
pub mod canonical;
pub mod geojson;
pub mod etag;
pub mod error;
pub mod service;
pub mod metadata;
pub mod csdl;
#[cfg(test)]
pub mod fixture;

//! Floor 1: the protocol, text to model and back. Paths, query options, literals and bodies are read into what `model` can
//! say; entities, metadata and faults are written from it. One file for each format.
//!
//! Invariant: knows `model` and nothing else of the house, `store` least of all, and does no I/O: text comes in, text goes
//! out. What a client sent is never trusted to be short, flat or well-formed.

pub mod accept;
pub mod bind;
pub mod canonical;
pub mod context;
pub mod csdl;
pub mod error;
pub mod etag;
pub mod filter;
#[cfg(test)]
pub mod fixture;
pub mod format;
pub mod geojson;
pub mod json;
pub mod json_read;
pub mod json_tree;
pub mod literal;
pub mod metadata;
pub mod options;
pub mod path;
pub mod select;
pub mod service;
pub mod token;
pub mod url;
pub mod version;

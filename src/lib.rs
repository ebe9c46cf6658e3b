//! Odonata: an OData v3 entity server. The modules in reading order, each with what it must not know in `//!`.

/// Floor 2: who is calling.
pub mod auth;
/// Floor 5: the commands.
pub mod cli;
/// Floor 2: what an operation means: permission, scope, defaults, references, versions.
pub mod engine;
/// Floor 4: requests and responses.
pub mod http;
/// Floor 5: from a `$metadata` document to schema files.
pub mod import;
/// Floor 3: work that outlives a request: mails, what has expired.
pub mod jobs;
/// Floor 0: types and values, the schema, expressions and queries, who is calling, what can go wrong.
pub mod model;
/// Floor 1: text to model and back: URLs, query options, `$metadata`, JSON.
pub mod odata;
/// Floor 5: from schema files to the schema.
pub mod plugin;
/// Floor 1: conditions on which tasks run: text to tree and back, whether one holds, when that changes.
pub mod schedule;
/// Floor 5: the settings, one row each.
pub mod settings;
/// Floor 1: model to SQL, on SQLite and PostgreSQL.
pub mod store;

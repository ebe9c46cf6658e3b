//! Floor 1: model to SQL, for two databases.
//!
//! Statements ([`Select`], [`Insert`], [`Update`], [`Delete`]) are made from the schema and a
//! [`Scope`](crate::model::caller::Scope), rendered once into [`sql::Sql`] and run on a [`Session`]. What differs between the
//! databases is in `dialect`, `sqlite` and `postgres`.
//!
//! Invariant: the only module that names diesel; knows nothing of URLs, formats and HTTP.

mod change;
mod db;
mod dialect;
mod expression;
mod fault;
pub mod lease;
pub mod mail_token;
pub mod media;
mod migrate;
mod postgres;
mod queue;
mod queue_history;
mod select;
mod session;
mod sources;
mod sql;
mod sqlite;
pub mod tasks;
mod tree;
mod writer;

pub use change::{Delete, Insert, Pair, Update, clear, clear_where, count_fact, fact, set_fact};
pub use db::{Db, Weight};
pub use queue::{Asker, JobRow, Queue};
pub use queue_history::QueueHistory;
pub use select::{Output, Partition, Restriction, Select};
pub use session::Session;
pub use tree::Tree;

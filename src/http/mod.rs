//! Floor 4: HTTP. A request becomes calls on `auth`, `odata`, `engine` and `store`, and what they answer a response.
//!
//! Invariant: the only module that names actix; nothing below it sees a header or a status line.

mod app;
mod batch;
mod body;
mod compression;
mod conditions;
mod core4;
mod cors;
mod document;
mod entity;
mod finish;
mod health;
mod invoke;
mod jsonp;
mod login;
mod media;
mod origin;
mod plan;
mod read;
mod receipt;
mod reply;
mod request;
mod visitor;
mod wait;
mod write;

pub use app::{Config, serve};
pub use cors::Origins;
pub use jsonp::Jsonp;
pub use origin::{Network, split_url};

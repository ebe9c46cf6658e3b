//! Odonata: an OData v3 entity server.

pub mod engine;
pub mod import;
pub mod model;
pub mod odata;
pub mod plugin;
pub mod store;

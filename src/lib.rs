//! Odonata: an OData v3 entity server.

pub mod model;
pub mod store;

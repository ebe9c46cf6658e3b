//! Servers and runners that are killed again and again while they work through a queue, and what must be true afterwards.

pub mod crew;
pub mod inquest;
pub mod site;

//! Floor 1: when tasks run. The language of conditions of Red Engine 1.2 and Rocketry 2.5: text to tree and back, whether a
//! condition holds, why, and when that changes next.
//!
//! Knows the model and nothing else: no database, no task that runs, no clock. The time, the zone and what has happened are
//! handed in, as [`Facts`].

mod change;
mod condition;
mod cron;
mod delta;
mod evaluate;
mod explain;
mod facts;
mod names;
mod parse;
mod period;
mod print;
#[cfg(test)]
mod tests;
pub mod words;
mod zone;

pub use change::{next_change, next_runs};
pub use condition::{Act, Condition, Every, Moment, Span};
pub use cron::Cron;
pub use delta::Delta;
pub use evaluate::holds;
pub use explain::{Explanation, explain};
pub use facts::{Action, Facts, Last, Need, TaskFacts, span_of};
pub use names::{Bond, Dependency, Relation, circle, names};
pub use parse::parse;
pub use period::{Period, Point, Unit, Window};
pub use zone::{Zone, local, zone};

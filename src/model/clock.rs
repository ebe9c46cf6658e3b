//! The one clock, passed in: nothing else in the house reads the time, and no test sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Ticks of 100 ns since 0001-01-01T00:00:00 UTC, the resolution and the epoch of Edm.DateTime (PRM-3).
pub type Ticks = i64;

/// From 0001-01-01 to 1970-01-01, in ticks.
pub const UNIX_EPOCH: Ticks = 621_355_968_000_000_000;
/// Ticks in a second.
pub const SECOND: Ticks = 10_000_000;

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// Set by a test.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The time now, UTC.
    pub fn now(&self) -> Ticks {
        match self {
            Clock::System => {
                let since = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                UNIX_EPOCH + (since.as_nanos() / 100) as Ticks
            }
            Clock::Manual(ticks) => ticks.load(Ordering::SeqCst),
        }
    }
}

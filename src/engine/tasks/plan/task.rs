//! What the plan is made of, and what it hands out.

use crate::model::caller::Guid;
use crate::model::clock::Ticks;
use crate::schedule::{Condition, TaskFacts, Zone};

/// What becomes of starts that were missed while no scheduler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing.
    None,
    /// One start for all of them.
    Once,
    /// Each, at most so many.
    All(usize),
}

/// A task, as far as its starts and ends go.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Task {
    pub id: i64,
    pub tenant: Guid,
    pub name: String,
    /// Another one when a client has changed it.
    pub version: Vec<u8>,
    pub priority: i64,
    pub zone: Zone,
    /// None: it never starts by itself. That of its group is part of it.
    pub start: Option<Condition>,
    pub end: Option<Condition>,
    pub is_disabled: bool,
    pub is_forced: bool,
    /// It starts with the scheduler.
    pub on_startup: bool,
    /// It starts when the scheduler stops.
    pub on_shutdown: bool,
    pub is_multiple: bool,
    /// None: never.
    pub timeout: Option<Ticks>,
    pub catch_up: CatchUp,
    /// It starts up to so much later.
    pub jitter: Ticks,
    /// Starts that are to be made up for.
    pub missed: i64,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// `Runs.Id`.
    pub run: i64,
    /// When it began.
    pub start: Ticks,
    /// It was told to end.
    pub is_told: bool,
}

/// A task, what happened to it, and its runs.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Known {
    pub task: Task,
    pub facts: TaskFacts,
    pub live: Vec<Live>,
}

/// Why a task starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Why {
    Condition,
    Force,
    CatchUp,
    Startup,
    Shutdown,
}

/// Why a run is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Ending {
    Condition,
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Act {
    /// Then [`Plan::started`] or [`Plan::refused`] is told.
    Start { task: i64, due: Ticks, why: Why },
    /// Ends by the run's end, which brings the task anew.
    Stop { task: i64, run: i64, why: Ending },
}

/// Starts of a task that nobody was there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// `Tasks.Id`.
    pub task: i64,
    /// How many are to be made up for.
    pub count: i64,
    /// The last of those that were missed.
    pub last: Ticks,
}

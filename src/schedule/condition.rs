//! The tree of a condition. What it means is said here, part by part; [`super::evaluate`] does it.

use std::cmp::Ordering;

use super::cron::Cron;
use super::delta::Delta;
use super::period::Period;
use crate::model::clock::Ticks;

/// When a task starts, or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `true`, `false`, also with `always`.
    Constant(bool),
    /// `~ c`
    Not(Box<Condition>),
    /// `a & b`, two at least.
    All(Vec<Condition>),
    /// `a | b`, two at least.
    Any(Vec<Condition>),
    /// `daily after 07:00`: now is in the window, and since this window began the task has neither succeeded nor been inactive
    /// or terminated, and has not failed more often than it may be tried again. A crash does not count: it runs again.
    Run(Period),
    /// `time of day after 07:00`: now is in the window, whatever has run.
    TimeOf(Period),
    /// `every 10 minutes`.
    Every(Every),
    /// `cron 0 7 * * mon-fri`: now is in an allowed minute, and the task has not started in it. See [`super::cron`] for the
    /// hours in which clocks are put.
    Cron(Cron),
    /// `crontime 0 7 * * mon-fri`: now is in an allowed minute, whatever has run.
    CronTime(Cron),
    /// `once at 2024-05-01 07:00`: that time has come, and the task has not started since.
    Once(Moment),
    /// `after task 'X'`: it has succeeded later than this task last started, or at all if this task never has. What happened
    /// several times in between counts once.
    After {
        /// At least one.
        tasks: Vec<String>,
        /// One of them is enough.
        any: bool,
        /// What they must have done. Finished is succeeded or failed here.
        act: Act,
    },
    /// `task 'X' has failed today`: it did so at least once in the span.
    Has {
        /// The task; none is the one whose condition this is.
        task: Option<String>,
        /// What it has done. Finished is succeeded, failed or terminated here.
        act: Act,
        /// Since when, and perhaps until when.
        span: Span,
    },
    /// `task 'X' is running`
    Running(String),
    /// `env 'V'`: the parameter `env` of the session is this text.
    Environment(String),
    /// `param 'K' exists`, or `is 'V'`, as text.
    Parameter(String, Option<String>),
    /// `scheduler has more than 3 cycles`; equal is exactly so many.
    Cycles(Ordering, u32),
    /// `scheduler started 10 minutes ago`: that or less ago.
    Started(Delta),
    /// `scheduler has run over 10 minutes`: it started longer ago.
    RunOver(Delta),
    /// `retry 3`: the task failed last, and not more than so many times in a row; none is `-1`, without end.
    Retry(Option<u32>),
    /// `missed`: a time at which the task was to start has gone by without a start.
    Missed,
}

/// `every D`: the task did not start in the last D; what happened exactly D ago is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// Elapsed time: the wall clock has no part in it.
    pub delta: Delta,
    /// Started, unless `based on` names another. Finished is everything that ends a run.
    pub basis: Act,
    /// The intervals are counted from Monday, 1 January of the year 1 in UTC: not since the last multiple of D. What a start was
    /// late by does not add up, then.
    pub anchored: bool,
}

/// What a run does, as conditions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Act {
    Started,
    Succeeded,
    Failed,
    /// What that is, depends on the part of the condition.
    Finished,
    Terminated,
    Inacted,
    Crashed,
}

/// When something must have happened. Its beginning belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// In the span that the task's own condition names, see [`super::facts::span_of`]; ever, if it names none.
    Own,
    /// `today between 10:00 and 12:00`: in that window of the current cycle, up to now.
    This(Period),
    /// `past 2 hours`
    Past(Delta),
}

/// A point in time, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// On the wall clock of the task.
    Local(Ticks),
    /// With a zone; kept in UTC.
    Instant(Ticks),
}

/// What parts of a condition call each act, and the word after `based on`.
pub(super) const ACTS: &[(Act, &str, &str)] = &[
    (Act::Started, "started", "run"),
    (Act::Succeeded, "succeeded", "success"),
    (Act::Failed, "failed", "fail"),
    (Act::Finished, "finished", "finish"),
    (Act::Terminated, "terminated", ""),
    (Act::Inacted, "inacted", ""),
    (Act::Crashed, "crashed", ""),
];

impl Act {
    /// `succeeded`
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// `success`
    pub(super) fn noun(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Act, &'static str, &'static str) {
        ACTS.iter().find(|row| row.0 == self).unwrap_or(&ACTS[0])
    }

    /// What `after` takes.
    pub(super) fn is_outcome(self) -> bool {
        !matches!(self, Act::Started | Act::Inacted)
    }
}

impl Condition {
    /// The parts that this one is made of.
    pub fn parts(&self) -> &[Condition] {
        match self {
            Condition::Not(inner) => std::slice::from_ref(inner),
            Condition::All(parts) | Condition::Any(parts) => parts,
            _ => &[],
        }
    }
}

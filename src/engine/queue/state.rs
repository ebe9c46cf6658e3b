//! The states of a job, and every step from one to the next: who takes it, and what the founding systems call the state.
//!
//! ```text
//!            Submit          depends on others        Due is later
//!   draft ───────────┬────────────► waiting ───┬────────► delayed
//!                    │              Release │  │   Promote │
//!                    ▼                      ▼  ▼           ▼
//!        ┌──────────────────────────────► queued ◄──────────────┐
//!        │ Lose (lease over)                │ Claim             │ Promote (Due has come), Restart
//!        │                                  ▼                   │
//!        │                               claimed ───┐           │
//!        │                                  │ Begin │ Fail ───► retrying
//!        │                                  ▼       │           │
//!        └─────────────────────────────  running ───┤ Defer ──► deferred ──► expired (Deadline)
//!                                           │       │
//!                                    Kill   ▼       │ Finish ─► succeeded,  or idle: an entity's own machine rests
//!                                       stopping ───┘ Fail ───► failed (no attempt left), killed (was to stop)
//! ```
//! `Kill` ends what nobody works on at once. `Retry` makes a failed, killed or expired job queued again. `idle` jobs are nobody's here:
//! an entity's state machine between two transitions (`Invoke` queues the next one), or work that somebody outside ends (`Finish`,
//! `Fail` by `JobResult`).

use crate::model::fault::{self, Fault, Outcome};

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Made, not submitted.
    Draft,
    /// For jobs that it depends on.
    Waiting,
    /// Not due yet.
    Delayed,
    /// To be claimed now.
    Queued,
    /// A worker has it, and has not said anything yet.
    Claimed,
    /// A worker works on it.
    Running,
    /// It is to be stopped, and its worker has not said that it did.
    Stopping,
    /// An attempt has failed; the next one is due later.
    Retrying,
    /// Its worker asked for it to be done later.
    Deferred,
    /// Between two transitions, or somebody's outside.
    Idle,
    /// Ended well.
    Succeeded,
    /// Ended: no attempt is left.
    Failed,
    /// Ended by `Kill`.
    Killed,
    /// Ended: deferred for too long.
    Expired,
}

/// What moves a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Its maker says that it is complete.
    Submit,
    /// All that it depends on has succeeded.
    Release,
    /// The same, and it is due later.
    Postpone,
    /// Its time has come.
    Promote,
    /// Given to a worker.
    Claim,
    /// Its worker's first word.
    Begin,
    /// Done.
    Finish,
    /// One transition done, and another one possible.
    Rest,
    /// An attempt has failed, and another one is left.
    FailAttempt,
    /// An attempt has failed, and was the last one.
    Fail,
    /// Its worker wants it later.
    Defer,
    /// Deferred for too long.
    Expire,
    /// Its worker is silent, or leaves, or is sent away.
    Lose,
    /// To be stopped.
    Kill,
    /// Stopped.
    Stop,
    /// Due now.
    Restart,
    /// Once more after the end.
    Retry,
    /// An entity's next transition.
    Invoke,
}

/// Who takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// Whoever holds the permission of the action.
    Client,
    /// Who has claimed the job.
    Worker,
    /// The server, by itself.
    Server,
}

/// One row of [`STEPS`].
#[derive(Debug)]
pub struct Row {
    /// What moves the job.
    pub step: Step,
    /// From these states.
    pub from: &'static [State],
    /// To this one.
    pub to: State,
    /// Who does it.
    pub by: &'static [Who],
}

use State::{Claimed, Deferred, Delayed, Draft, Expired, Failed, Idle, Killed, Queued, Retrying, Running, Stopping, Succeeded, Waiting};

const fn row(step: Step, from: &'static [State], to: State, by: &'static [Who]) -> Row {
    Row { step, from, to, by }
}

/// Every step. Where a step has several rows, the first fits that has the state.
pub const STEPS: &[Row] = &[
    row(Step::Submit, &[Draft], Queued, &[Who::Client]),
    row(Step::Release, &[Waiting], Queued, &[Who::Server]),
    row(Step::Postpone, &[Waiting], Delayed, &[Who::Server]),
    row(Step::Promote, &[Delayed, Retrying, Deferred], Queued, &[Who::Server]),
    row(Step::Claim, &[Queued], Claimed, &[Who::Worker]),
    row(Step::Begin, &[Claimed], Running, &[Who::Worker]),
    row(Step::Finish, &[Claimed, Running, Stopping], Succeeded, &[Who::Worker]),
    row(
        Step::Finish,
        &[Idle, Waiting, Delayed, Queued, Retrying, Deferred],
        Succeeded,
        &[Who::Client],
    ),
    row(
        Step::Rest,
        &[Claimed, Running, Stopping, Idle, Queued, Retrying, Deferred, Delayed],
        Idle,
        &[Who::Client, Who::Worker],
    ),
    row(Step::FailAttempt, &[Claimed, Running], Retrying, &[Who::Worker, Who::Server]),
    row(Step::Fail, &[Claimed, Running, Waiting], Failed, &[Who::Worker, Who::Server]),
    row(Step::Fail, &[Idle, Delayed, Queued, Retrying, Deferred], Failed, &[Who::Client]),
    row(Step::Defer, &[Claimed, Running], Deferred, &[Who::Worker]),
    row(Step::Expire, &[Deferred, Claimed, Running], Expired, &[Who::Server]),
    row(Step::Lose, &[Claimed, Running], Queued, &[Who::Client, Who::Worker, Who::Server]),
    row(Step::Kill, &[Claimed, Running], Stopping, &[Who::Client]),
    row(
        Step::Kill,
        &[Draft, Waiting, Delayed, Queued, Retrying, Deferred, Idle],
        Killed,
        &[Who::Client],
    ),
    row(Step::Stop, &[Stopping], Killed, &[Who::Worker, Who::Server]),
    row(Step::Restart, &[Delayed, Retrying, Deferred], Queued, &[Who::Client]),
    row(Step::Retry, &[Failed, Killed, Expired], Queued, &[Who::Client]),
    row(Step::Invoke, &[Idle], Queued, &[Who::Client]),
];

/// What each state is called: in the column, in core4, in Project-W.
pub const NAMES: &[(State, &str, &str, &str)] = &[
    (Draft, "draft", "", "notQueued"),
    (Waiting, "waiting", "pending", "pendingRunner"),
    (Delayed, "delayed", "pending", "pendingRunner"),
    (Queued, "queued", "pending", "pendingRunner"),
    (Claimed, "claimed", "running", "runnerAssigned"),
    (Running, "running", "running", "runnerInProgress"),
    (Stopping, "stopping", "running", "runnerAborting"),
    (Retrying, "retrying", "failed", "pendingRunner"),
    (Deferred, "deferred", "deferred", "pendingRunner"),
    (Idle, "idle", "", "notQueued"),
    (Succeeded, "succeeded", "complete", "success"),
    (Failed, "failed", "error", "failed"),
    (Killed, "killed", "killed", "failed"),
    (Expired, "expired", "inactive", "failed"),
];

impl State {
    /// As the column has it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// From the column.
    pub fn of(name: &str) -> Option<State> {
        NAMES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Nothing follows by itself.
    pub fn is_end(self) -> bool {
        matches!(self, Succeeded | Failed | Killed | Expired)
    }

    /// A worker has it.
    pub fn is_held(self) -> bool {
        matches!(self, Claimed | Running | Stopping)
    }
}

/// Where a step leads from a state.
pub fn next(from: State, step: Step) -> Option<State> {
    let row = STEPS.iter().find(|row| row.step == step && row.from.contains(&from));
    row.map(|row| row.to)
}

/// The same, for somebody who wants it.
///
/// # Errors
/// `CONFLICT`, with the state.
pub fn step(from: State, step: Step) -> Outcome<State> {
    next(from, step).ok_or_else(|| {
        let name = from.name();
        Fault::new(&fault::CONFLICT, format!("The job is {name}: {step:?} is not possible then."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_name_and_a_way_in() {
        for (index, (state, name, ..)) in NAMES.iter().enumerate() {
            assert_eq!(State::of(name), Some(*state));
            assert_eq!(NAMES.iter().position(|row| row.0 == *state), Some(index), "once");
            let made = matches!(state, Draft | Waiting | Delayed | Queued | Idle);
            assert!(made || STEPS.iter().any(|row| row.to == *state), "{name} is never reached");
        }
    }

    #[test]
    fn the_page_for_people_says_the_same() {
        let page = include_str!("../../../schema/JOBS.md");
        let own = include_str!("state.rs");
        let drawing = own.split("//! ```").nth(1).unwrap_or_default().lines().skip(1);
        let drawing: Vec<&str> = drawing.map(|line| line.trim_start_matches("//!").trim()).collect();
        let shown = page.split("```").nth(1).unwrap_or_default().lines().skip(1);
        assert!(drawing.len() > 10);
        assert_eq!(shown.map(str::trim).collect::<Vec<_>>(), drawing);
        let or_none = |name: &'static str| if name.is_empty() { "-" } else { name };
        for (_, name, core4, project_w) in NAMES {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let names = format!(" | {} | {} |", or_none(core4), or_none(project_w));
            assert!(row.is_some_and(|row| row.ends_with(&names)), "{name}{names}");
        }
        let names = |states: &[State]| states.iter().map(|state| state.name()).collect::<Vec<_>>().join(", ");
        for row in STEPS {
            let by: Vec<String> = row.by.iter().map(|who| format!("{who:?}").to_lowercase()).collect();
            let shown = format!("\n| {:?} | {} | {} | {} |", row.step, names(row.from), row.to.name(), by.join(", "));
            assert!(page.contains(&shown), "{shown}");
        }
        let rows = page.lines().skip_while(|line| !line.starts_with("| step ")).skip(2);
        assert_eq!(rows.take_while(|line| line.starts_with('|')).count(), STEPS.len());
    }

    #[test]
    fn ends_are_left_by_retry_alone() {
        for row in STEPS.iter().filter(|row| row.from.iter().any(|state| state.is_end())) {
            assert_eq!(row.step, Step::Retry);
        }
        assert_eq!(next(Succeeded, Step::Retry), None, "what is done is done");
    }

    #[test]
    fn only_what_is_held_is_finished_by_a_worker() {
        for row in STEPS.iter().filter(|row| row.by == [Who::Worker] && row.step != Step::Claim) {
            assert!(row.from.iter().all(|state| state.is_held()), "{row:?}");
        }
    }
}

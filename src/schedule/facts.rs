//! What has happened, as far as conditions need it.
//!
//! A caller asks [`Condition::needs`] which tasks count and how far back, reads [`TaskFacts`] of these and no others, and hands
//! them in. Nothing in the facts may be later than the time that a condition is evaluated for.

use std::collections::BTreeMap;

use super::condition::{Act, Condition, Span};
use super::zone::Zone;
use crate::model::clock::Ticks;
use crate::model::limits::TASK_RECORDS;

/// What is written down about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Action {
    Start,
    Success,
    Fail,
    Terminate,
    Inaction,
    Crash,
}

/// All that conditions are evaluated with.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By name; a task that is not here does not exist, or has never run.
    pub tasks: BTreeMap<String, TaskFacts>,
    /// The session's parameters, as text; `env` is one of them.
    pub parameters: BTreeMap<String, String>,
    /// When the scheduler started; none while it does not run.
    pub scheduler_start: Option<Ticks>,
    /// How many cycles it has had.
    pub scheduler_cycles: u64,
}

/// What has happened to a task.
#[derive(Debug, Clone, Default)]
pub struct TaskFacts {
    /// When each action happened last, however long ago.
    pub last: Last,
    /// The newest records, oldest first, back to what [`Condition::needs`] says; [`TASK_RECORDS`] of them are enough, for
    /// what happened last counts without its record.
    pub records: Vec<(Ticks, Action)>,
    /// How often it has failed since it last did anything else.
    pub failures: u32,
    /// A run of it is alive.
    pub running: bool,
    /// How often it may fail in a cycle and be tried again; less than 0 is without end.
    pub retries: i32,
    /// The last time at which it was to start.
    pub scheduled: Option<Ticks>,
    /// What `has succeeded` means without a span: [`span_of`] the condition on which it starts.
    pub span: Option<Span>,
}

/// When each action happened last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Last {
    pub start: Option<Ticks>,
    pub success: Option<Ticks>,
    pub fail: Option<Ticks>,
    pub terminate: Option<Ticks>,
    pub inaction: Option<Ticks>,
    pub crash: Option<Ticks>,
}

impl Last {
    /// When an action happened last.
    pub fn of(&self, action: Action) -> Option<Ticks> {
        match action {
            Action::Start => self.start,
            Action::Success => self.success,
            Action::Fail => self.fail,
            Action::Terminate => self.terminate,
            Action::Inaction => self.inaction,
            Action::Crash => self.crash,
        }
    }

    fn place(&mut self, action: Action) -> &mut Option<Ticks> {
        match action {
            Action::Start => &mut self.start,
            Action::Success => &mut self.success,
            Action::Fail => &mut self.fail,
            Action::Terminate => &mut self.terminate,
            Action::Inaction => &mut self.inaction,
            Action::Crash => &mut self.crash,
        }
    }

    /// When one of the actions happened last.
    pub fn latest(&self, actions: &[Action]) -> Option<Ticks> {
        actions.iter().filter_map(|action| self.of(*action)).max()
    }
}

impl TaskFacts {
    /// Something happens, later than all before.
    pub fn note(&mut self, at: Ticks, action: Action) {
        *self.last.place(action) = Some(at);
        self.records.push((at, action));
        if self.records.len() > 2 * TASK_RECORDS {
            self.records.drain(..TASK_RECORDS);
        }
        match action {
            Action::Start => {}
            Action::Fail => self.failures = self.failures.saturating_add(1),
            _ => self.failures = 0,
        }
    }

    /// How often one of the actions happened from one time up to before another.
    pub(super) fn count(&self, actions: &[Action], from: Ticks, to: Ticks) -> usize {
        let is_in = |at: Ticks| (from..to).contains(&at);
        let records = self.records.iter().filter(|(at, action)| is_in(*at) && actions.contains(action));
        let last = actions.iter().filter(|action| self.last.of(**action).is_some_and(is_in));
        records.count().max(last.count())
    }
}

/// What a condition needs to know of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The task.
    pub task: String,
    /// Records from then on; none: what happened last is enough.
    pub since: Option<Ticks>,
    /// [`TaskFacts::span`] counts, and with it the records back to [`Span::reach`].
    pub span: bool,
}

impl Condition {
    /// The tasks that this condition of a task looks at, the task itself among them, each once. Later times need no more.
    pub fn needs(&self, now: Ticks, zone: Zone, task: &str) -> Vec<Need> {
        let mut needs = BTreeMap::from([(task.to_owned(), Need::of(task))]);
        self.gather(now, zone, task, &mut needs);
        needs.into_values().collect()
    }

    fn gather(&self, now: Ticks, zone: Zone, own: &str, needs: &mut BTreeMap<String, Need>) {
        let mut need = |task: &str, since: Option<Ticks>, span: bool| {
            let need = needs.entry(task.to_owned()).or_insert_with(|| Need::of(task));
            need.since = [need.since, since].into_iter().flatten().min();
            need.span |= span;
        };
        match self {
            Condition::Run(period) => need(own, Some(period.reach(zone, now)), false),
            Condition::After { tasks, .. } => tasks.iter().for_each(|task| need(task, None, false)),
            Condition::Running(task) => need(task, None, false),
            Condition::Has { task, span, .. } => need(task.as_deref().unwrap_or(own), span.reach(now, zone), *span == Span::Own),
            _ => {}
        }
        for part in self.parts() {
            part.gather(now, zone, own, needs);
        }
    }
}

impl Need {
    fn of(task: &str) -> Need {
        Need {
            task: task.to_owned(),
            since: None,
            span: false,
        }
    }
}

impl Span {
    /// How far back its records go; none if what happened last is enough.
    pub fn reach(&self, now: Ticks, zone: Zone) -> Option<Ticks> {
        match self {
            Span::This(period) => Some(period.reach(zone, now)),
            Span::Own | Span::Past(_) => None,
        }
    }
}

/// The span that a condition names: that of its first part with a cycle, a window or an interval. Alternatives and negations
/// name none.
pub fn span_of(condition: &Condition) -> Option<Span> {
    match condition {
        Condition::Run(period) | Condition::TimeOf(period) => Some(Span::This(*period)),
        Condition::Every(every) => Some(Span::Past(every.delta)),
        Condition::All(parts) => parts.iter().find_map(span_of),
        _ => None,
    }
}

impl Act {
    /// What `has` takes for it.
    pub(super) fn has(self) -> &'static [Action] {
        match self {
            Act::Finished => &[Action::Success, Action::Fail, Action::Terminate],
            _ => self.one(),
        }
    }

    /// What `after` takes for it.
    pub(super) fn after(self) -> &'static [Action] {
        match self {
            Act::Finished => &[Action::Success, Action::Fail],
            _ => self.one(),
        }
    }

    /// What `every … based on` takes for it.
    pub(super) fn every(self) -> &'static [Action] {
        match self {
            Act::Finished => &[Action::Success, Action::Fail, Action::Terminate, Action::Inaction, Action::Crash],
            _ => self.one(),
        }
    }

    fn one(self) -> &'static [Action] {
        match self {
            Act::Started => &[Action::Start],
            Act::Succeeded | Act::Finished => &[Action::Success],
            Act::Failed => &[Action::Fail],
            Act::Terminated => &[Action::Terminate],
            Act::Inacted => &[Action::Inaction],
            Act::Crashed => &[Action::Crash],
        }
    }
}

//! Whether a condition holds. What each part means is said in [`super::condition`].

use super::condition::{Act, Condition, Every, Moment, Span};
use super::facts::{Action, Facts, TaskFacts};
use super::period::Period;
use super::zone::{Zone, first};
use crate::model::clock::Ticks;

/// A task about which nothing is known.
static UNKNOWN: TaskFacts = TaskFacts {
    last: super::facts::Last {
        start: None,
        success: None,
        fail: None,
        terminate: None,
        inaction: None,
        crash: None,
    },
    records: Vec::new(),
    failures: 0,
    running: false,
    retries: 0,
    scheduled: None,
    span: None,
};

/// Whether the condition of a task holds now.
pub fn holds(condition: &Condition, now: Ticks, zone: Zone, task: &str, facts: &Facts) -> bool {
    At { now, zone, task, facts }.holds(condition)
}

/// When and for whom a condition is evaluated.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub now: Ticks,
    pub zone: Zone,
    pub task: &'a str,
    pub facts: &'a Facts,
}

impl<'a> At<'a> {
    pub fn holds(self, condition: &Condition) -> bool {
        match condition {
            Condition::Constant(value) => *value,
            Condition::Not(inner) => !self.holds(inner),
            Condition::All(parts) => parts.iter().all(|part| self.holds(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.holds(part)),
            Condition::Run(period) => self.is_due(*period),
            Condition::TimeOf(period) => period.current(self.zone, self.now).is_some(),
            Condition::Every(every) => self.due_since(every).is_none_or(|due| due <= self.now),
            Condition::Cron(cron) => {
                let minute = cron.minute(self.zone, self.now, true);
                minute.is_some_and(|minute| self.own().last.start.is_none_or(|start| start < minute))
            }
            Condition::CronTime(cron) => cron.minute(self.zone, self.now, false).is_some(),
            Condition::Once(moment) => {
                let due = self.instant(*moment);
                due <= self.now && self.own().last.start.is_none_or(|start| start < due)
            }
            Condition::After { tasks, any, act } => {
                let mut tasks = tasks.iter();
                let is_after = |task: &String| self.is_after(task, *act);
                if *any { tasks.any(is_after) } else { tasks.all(is_after) }
            }
            Condition::Has { task, act, span } => self.has(task.as_deref(), *act, *span),
            Condition::Running(task) => self.about(task).running,
            Condition::Environment(value) => self.facts.parameters.get("env") == Some(value),
            Condition::Parameter(key, None) => self.facts.parameters.contains_key(key),
            Condition::Parameter(key, Some(value)) => self.facts.parameters.get(key) == Some(value),
            Condition::Cycles(order, count) => self.facts.scheduler_cycles.cmp(&u64::from(*count)) == *order,
            Condition::Started(delta) => self.scheduler_age().is_some_and(|age| age <= delta.ticks()),
            Condition::RunOver(delta) => self.scheduler_age().is_some_and(|age| age > delta.ticks()),
            Condition::Retry(times) => {
                let failures = self.own().failures;
                failures > 0 && times.is_none_or(|times| failures <= times)
            }
            Condition::Missed => {
                let own = self.own();
                let is_missed = |due: Ticks| due <= self.now && own.last.start.is_none_or(|start| start < due);
                own.scheduled.is_some_and(is_missed)
            }
        }
    }

    /// The task whose condition this is.
    pub fn own(self) -> &'a TaskFacts {
        self.about(self.task)
    }

    pub fn about(self, task: &str) -> &'a TaskFacts {
        self.facts.tasks.get(task).unwrap_or(&UNKNOWN)
    }

    /// How long the scheduler has been running.
    pub fn scheduler_age(self) -> Option<Ticks> {
        self.facts.scheduler_start.map(|start| self.now - start)
    }

    /// The instant of a time as written.
    pub fn instant(self, moment: Moment) -> Ticks {
        match moment {
            Moment::Instant(at) => at,
            Moment::Local(local) => first(self.zone, local),
        }
    }

    /// Whether now is in the window, and the task has still to run in it.
    fn is_due(self, period: Period) -> bool {
        let Some(stretch) = period.current(self.zone, self.now) else {
            return false;
        };
        self.left_over(period.since(self.zone, stretch, self.now))
    }

    /// Whether a task that was to run since some time still is to.
    pub fn left_over(self, since: Ticks) -> bool {
        let own = self.own();
        let done = own.last.latest(&[Action::Success, Action::Terminate, Action::Inaction]);
        if done.is_some_and(|at| at >= since) {
            return false;
        }
        usize::try_from(own.retries).is_ok_and(|retries| own.count(&[Action::Fail], since, Ticks::MAX) <= retries) || own.retries < 0
    }

    /// When an interval is over; none if it never began.
    pub fn due_since(self, every: &Every) -> Option<Ticks> {
        let last = self.own().last.latest(every.basis.every())?;
        let delta = every.delta.ticks();
        Some(if every.anchored {
            last - last.rem_euclid(delta) + delta
        } else {
            last + delta
        })
    }

    /// Whether a task did something later than this one started.
    pub fn is_after(self, task: &str, act: Act) -> bool {
        let done = self.about(task).last.latest(act.after());
        done.is_some_and(|done| self.own().last.start.is_none_or(|start| done > start))
    }

    fn has(self, task: Option<&str>, act: Act, span: Span) -> bool {
        let task = self.about(task.unwrap_or(self.task));
        let (from, to) = self.range(span, task);
        task.count(act.has(), from, to) > 0
    }

    /// The time that a span takes, up to now.
    pub fn range(self, span: Span, task: &TaskFacts) -> (Ticks, Ticks) {
        let after_now = self.now + 1;
        match span {
            Span::Past(delta) => (self.now - delta.ticks(), after_now),
            Span::This(period) => {
                let stretch = period.latest(self.zone, self.now);
                let from = period.since(self.zone, stretch, self.now);
                (from, period.until(self.zone, stretch).min(after_now))
            }
            Span::Own => match task.span {
                Some(span @ (Span::This(_) | Span::Past(_))) => self.range(span, task),
                _ => (Ticks::MIN, after_now),
            },
        }
    }
}

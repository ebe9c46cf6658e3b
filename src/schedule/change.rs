//! When a condition may change, so that a scheduler sleeps until then; and when a task starts next.
//!
//! Each part knows an instant up to which it stays as it is. A conjunction that does not hold cannot hold before the last of
//! those of its parts that do not, and so on: `minutely & time of month on 31st` is looked at once a month, not once a minute.

use super::condition::{Condition, Span};
use super::evaluate::{At, holds};
use super::facts::{Action, Facts, TaskFacts};
use super::zone::Zone;
use crate::model::clock::{SECOND, Ticks};
use crate::model::limits::{CONDITION_WORK, NEXT_RUNS};

/// 9999-12-31T23:59:59.9999999: nothing is looked for beyond.
const LAST: Ticks = 3_155_378_975_999_999_999;

/// The next time at which the condition holds and did not, or does not and did, if nothing else happens until then; none if
/// it stays as it is. Where [`CONDITION_WORK`] is not enough to find it, a time before it.
pub fn next_change(condition: &Condition, now: Ticks, zone: Zone, task: &str, facts: &Facts) -> Option<Ticks> {
    Search::new(zone, task).change(condition, now, facts)
}

/// The next times, at most so many, at which a task starts if it starts as soon as its condition holds and succeeds at once.
/// Where the condition still holds after that, the task starts every second. Where [`CONDITION_WORK`] is not enough to find
/// them all, those that were found.
pub fn next_runs(condition: &Condition, from: Ticks, zone: Zone, task: &str, facts: &Facts, count: usize) -> Vec<Ticks> {
    let mut facts = facts.clone();
    let mut search = Search::new(zone, task);
    let mut runs = Vec::new();
    let mut now = from;
    while runs.len() < count.min(NEXT_RUNS) && search.left > 0 {
        let at = match search.holds(condition, now, &facts) {
            true => now,
            false => match search.change(condition, now, &facts).filter(|_| search.left > 0) {
                Some(at) => at,
                None => break,
            },
        };
        let own = facts.tasks.entry(task.to_owned()).or_default();
        own.note(at, Action::Start);
        own.note(at, Action::Success);
        runs.push(at);
        now = at + if search.holds(condition, at, &facts) { SECOND } else { 0 };
    }
    runs
}

/// Work that is bounded.
struct Search<'a> {
    zone: Zone,
    task: &'a str,
    /// How many parts may still be looked at.
    left: usize,
}

impl<'a> Search<'a> {
    fn new(zone: Zone, task: &'a str) -> Search<'a> {
        Search {
            zone,
            task,
            left: CONDITION_WORK,
        }
    }

    fn holds(&mut self, condition: &Condition, now: Ticks, facts: &Facts) -> bool {
        self.left = self.left.saturating_sub(1);
        holds(condition, now, self.zone, self.task, facts)
    }

    fn change(&mut self, condition: &Condition, now: Ticks, facts: &Facts) -> Option<Ticks> {
        let (value, mut next) = self.steady(condition, now, facts);
        while let Some(at) = next.filter(|at| *at <= LAST) {
            let (then, after) = self.steady(condition, at, facts);
            if then != value || self.left == 0 {
                return Some(at);
            }
            next = after;
        }
        None
    }

    /// Whether a condition holds, and a later time up to which that stays so; none if for ever.
    fn steady(&mut self, condition: &Condition, now: Ticks, facts: &Facts) -> (bool, Option<Ticks>) {
        match condition {
            Condition::Not(inner) => {
                let (value, until) = self.steady(inner, now, facts);
                (!value, until)
            }
            Condition::All(parts) => self.joined(parts, false, now, facts),
            Condition::Any(parts) => self.joined(parts, true, now, facts),
            _ => {
                self.left = self.left.saturating_sub(1);
                let at = At {
                    now,
                    zone: self.zone,
                    task: self.task,
                    facts,
                };
                (at.holds(condition), at.leaf_change(condition))
            }
        }
    }

    /// Parts of which one decides if it has a value: false for `&`, true for `|`.
    fn joined(&mut self, parts: &[Condition], deciding: bool, now: Ticks, facts: &Facts) -> (bool, Option<Ticks>) {
        let mut decided: Option<Option<Ticks>> = None;
        let mut first_change: Option<Ticks> = None;
        for part in parts {
            let (value, until) = self.steady(part, now, facts);
            if value == deciding {
                // For ever is later than any time.
                decided = Some(match decided {
                    Some(None) => None,
                    Some(Some(at)) => until.map(|until| until.max(at)),
                    None => until,
                });
            }
            first_change = [first_change, until].into_iter().flatten().min();
        }
        match decided {
            Some(until) => (deciding, until),
            None => (!deciding, first_change),
        }
    }
}

impl At<'_> {
    /// A later time up to which a part without parts stays as it is.
    fn leaf_change(self, leaf: &Condition) -> Option<Ticks> {
        let later = |at: Ticks| Some(at).filter(|at| *at > self.now);
        match leaf {
            Condition::Run(period) | Condition::TimeOf(period) => period.change(self.zone, self.now),
            Condition::Every(every) => self.due_since(every).and_then(later),
            Condition::Cron(cron) => cron.change(self.zone, self.now, true),
            Condition::CronTime(cron) => cron.change(self.zone, self.now, false),
            Condition::Once(moment) => later(self.instant(*moment)),
            Condition::Has { task, act, span } => {
                let task = self.about(task.as_deref().unwrap_or(self.task));
                self.span_change(*span, task, task.last.latest(act.has()))
            }
            Condition::Started(delta) | Condition::RunOver(delta) => {
                self.facts.scheduler_start.and_then(|at| later(at + delta.ticks() + 1))
            }
            Condition::Missed => self.own().scheduled.and_then(later),
            _ => None,
        }
    }

    fn span_change(self, span: Span, task: &TaskFacts, last: Option<Ticks>) -> Option<Ticks> {
        match span {
            Span::Past(delta) => last.map(|last| last + delta.ticks() + 1).filter(|at| *at > self.now),
            Span::This(period) => period.change(self.zone, self.now),
            Span::Own => match task.span {
                Some(span @ (Span::This(_) | Span::Past(_))) => self.span_change(span, task, last),
                _ => None,
            },
        }
    }
}

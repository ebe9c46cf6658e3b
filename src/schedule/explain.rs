//! Why a condition holds, or does not: each part with a sentence.

use std::cmp::Ordering;

use super::condition::{Act, Condition, Every, Span};
use super::cron::Cron;
use super::evaluate::At;
use super::facts::{Action, Facts};
use super::period::Period;
use super::zone::{Zone, local};
use crate::model::clock::Ticks;
use crate::model::text::ticks_to_text;

/// A part of a condition, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Its canonical text.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in a sentence. Times are those of the wall clock.
    pub why: String,
    /// The parts that it is made of.
    pub parts: Vec<Explanation>,
}

/// How every part of the condition of a task stands now.
pub fn explain(condition: &Condition, now: Ticks, zone: Zone, task: &str, facts: &Facts) -> Explanation {
    At { now, zone, task, facts }.explain(condition)
}

impl At<'_> {
    fn explain(self, condition: &Condition) -> Explanation {
        let parts: Vec<_> = condition.parts().iter().map(|part| self.explain(part)).collect();
        let holds = self.holds(condition);
        let why = match condition {
            Condition::Not(_) if holds => "What it negates does not hold.".to_owned(),
            Condition::Not(_) => "What it negates holds.".to_owned(),
            Condition::All(_) | Condition::Any(_) => counted(&parts),
            leaf => self.sentence(leaf, holds),
        };
        Explanation {
            text: condition.to_string(),
            holds,
            why,
            parts,
        }
    }

    fn sentence(self, leaf: &Condition, holds: bool) -> String {
        match leaf {
            Condition::Constant(true) => "It always holds.".to_owned(),
            Condition::Constant(false) => "It never holds.".to_owned(),
            Condition::Run(period) => self.run(*period),
            Condition::TimeOf(period) => match period.current(self.zone, self.now) {
                Some(stretch) => format!("It is {}, in the window that began {}.", self.clock(), shown(stretch.from)),
                None => self.outside(),
            },
            Condition::Every(every) => self.every(every),
            Condition::Cron(cron) => self.cron(cron, true, holds),
            Condition::CronTime(cron) => self.cron(cron, false, holds),
            Condition::Once(moment) if self.instant(*moment) > self.now => format!("It is {}; the time has not come.", self.clock()),
            Condition::Once(_) if holds => "The time has come, and the task has not started since.".to_owned(),
            Condition::Once(_) => format!("The task has started {}.", self.ago(self.own().last.start)),
            Condition::After { tasks, any, act } => self.after(tasks, *any, *act),
            Condition::Has { task, act, span } => self.happened(task.as_deref(), *act, *span),
            Condition::Running(task) if holds => format!("A run of {task} is alive."),
            Condition::Running(task) => format!("No run of {task} is alive."),
            Condition::Environment(_) => self.parameter("env"),
            Condition::Parameter(key, _) => self.parameter(key),
            Condition::Cycles(order, count) => self.cycles(*order, *count),
            Condition::Started(_) | Condition::RunOver(_) => match self.facts.scheduler_start {
                Some(_) => format!("The scheduler started {}.", self.ago(self.facts.scheduler_start)),
                None => "The scheduler does not run.".to_owned(),
            },
            Condition::Retry(_) => match self.own().failures {
                0 => "The task did not fail last.".to_owned(),
                failures => format!("The task failed {failures} times in a row."),
            },
            Condition::Missed => match self.own().scheduled {
                None => "No start of the task was due yet.".to_owned(),
                due if holds => format!("A start was due {}, and the task has not started since.", self.ago(due)),
                due if due > Some(self.now) => format!("The next start is due {}.", self.ago(due)),
                _ => format!("The task has started {}.", self.ago(self.own().last.start)),
            },
            Condition::Not(_) | Condition::All(_) | Condition::Any(_) => String::new(),
        }
    }

    fn run(self, period: Period) -> String {
        let Some(stretch) = period.current(self.zone, self.now) else {
            return self.outside();
        };
        let since = period.since(self.zone, stretch, self.now);
        let begin = shown(stretch.from);
        if self.left_over(since) {
            return format!(
                "It is {}, and the task still has to run in the window that began {begin}.",
                self.clock()
            );
        }
        let own = self.own();
        for (action, what) in [
            (Action::Success, "succeeded"),
            (Action::Inaction, "had nothing to do"),
            (Action::Terminate, "was terminated"),
        ] {
            let at = own.last.of(action);
            if at >= Some(since) {
                return format!("The task {what} {}, in the window that began {begin}.", self.ago(at));
            }
        }
        let failures = own.count(&[Action::Fail], since, Ticks::MAX);
        format!(
            "The task failed {failures} times in the window that began {begin}; it may be tried again {} times.",
            own.retries
        )
    }

    fn every(self, every: &Every) -> String {
        let last = self.own().last.latest(every.basis.every());
        match self.due_since(every) {
            None => format!("The task has never {}.", every.basis.word()),
            Some(due) => {
                let is_over = if due <= self.now { "was over" } else { "is over" };
                format!(
                    "The task has {} {}; the interval {is_over} {}.",
                    every.basis.word(),
                    self.ago(last),
                    self.ago(Some(due))
                )
            }
        }
    }

    fn cron(self, cron: &Cron, once: bool, holds: bool) -> String {
        if holds {
            return format!("It is {}, in a minute that is allowed.", self.clock());
        }
        match cron.minute(self.zone, self.now, once) {
            Some(_) => format!("The task has started in this minute, {}.", self.ago(self.own().last.start)),
            None => format!("It is {}, in a minute that is not allowed.", self.clock()),
        }
    }

    fn after(self, tasks: &[String], any: bool, act: Act) -> String {
        let sentences = tasks.iter().map(|task| {
            let done = self.about(task).last.latest(act.after());
            match (done, self.is_after(task, act)) {
                (None, _) => format!("{task} has never {}", act.word()),
                (_, true) => format!("{task} has {} {}, later than this task started", act.word(), self.ago(done)),
                (_, false) => format!("{task} has {} {}, before this task started", act.word(), self.ago(done)),
            }
        });
        let sentences: Vec<_> = sentences.collect();
        let one = if any && tasks.len() > 1 { " One is enough." } else { "" };
        format!("{}.{one}", sentences.join("; "))
    }

    fn happened(self, task: Option<&str>, act: Act, span: Span) -> String {
        let name = task.unwrap_or(self.task);
        let about = self.about(name);
        let (from, to) = self.range(span, about);
        let count = about.count(act.has(), from, to);
        let times = match count {
            0 => "not".to_owned(),
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let since = match from {
            Ticks::MIN => String::new(),
            from => format!(" since {}", shown(local(self.zone, from))),
        };
        format!("{name} has {times} {}{since}.", act.word())
    }

    fn parameter(self, key: &str) -> String {
        match self.facts.parameters.contains_key(key) {
            // Not its value: it may be a secret.
            true => format!("There is a parameter {key}."),
            false => format!("There is no parameter {key}."),
        }
    }

    fn cycles(self, order: Ordering, count: u32) -> String {
        let has = self.facts.scheduler_cycles;
        let wanted = match order {
            Ordering::Less => "less than ",
            Ordering::Equal => "exactly ",
            Ordering::Greater => "more than ",
        };
        format!("The scheduler has had {has} cycles; it must be {wanted}{count}.")
    }

    fn outside(self) -> String {
        format!("It is {}, outside of the window.", self.clock())
    }

    fn clock(self) -> String {
        format!("{} in {}", shown(local(self.zone, self.now)), self.zone.name())
    }

    /// `at` and the time; empty if there is none.
    fn ago(self, at: Option<Ticks>) -> String {
        at.map_or_else(String::new, |at| format!("at {}", shown(local(self.zone, at))))
    }
}

fn counted(parts: &[Explanation]) -> String {
    let all = parts.len();
    match parts.iter().filter(|part| part.holds).count() {
        0 => "None of its parts holds.".to_owned(),
        holding if holding == all => "All of its parts hold.".to_owned(),
        holding => format!("{holding} of its {all} parts hold."),
    }
}

/// A local time, to the second.
fn shown(local: Ticks) -> String {
    ticks_to_text(local)[..19].replace('T', " ")
}

//! What is due: the tasks of all tenants in memory, and for each the next time at which something about it may change. Pure: the time
//! is handed in, and what is to be done is handed out.

mod task;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::caller::Guid;
use crate::model::clock::{SECOND, Ticks};
use crate::model::limits::{NEXT_RUNS, TASK_RUNS};
use crate::schedule::{Action, Condition, Facts, TaskFacts, holds, names, next_change, next_runs};
pub use task::{Act, CatchUp, Ending, Known, Live, Missed, Task, Why};

/// How long a task that could not start is left alone.
const AFTER_FAULT: Ticks = 60 * SECOND;
/// A task starts by its condition once in this time at most.
const PACE: Ticks = SECOND;
/// A start that comes later than this after its time does not say that it was for that time.
const LATE: Ticks = 5 * SECOND;

/// All tasks.
#[derive(Debug, Default)]
pub struct Plan {
    tasks: HashMap<i64, Entry>,
    by_name: HashMap<Guid, BTreeMap<String, i64>>,
    /// Whose conditions name a task.
    readers: HashMap<(Guid, String), BTreeSet<i64>>,
    wakes: BTreeSet<(Ticks, i64)>,
    /// The parameters of each tenant's session.
    parameters: HashMap<Guid, BTreeMap<String, String>>,
    /// Tasks whose conditions count the scheduler's cycles.
    counting: BTreeSet<i64>,
    /// When the scheduler started.
    pub start: Option<Ticks>,
    /// How many times it has looked.
    pub cycles: u64,
    /// Nothing starts.
    pub is_held: bool,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    /// The other tasks that its conditions name.
    reads: BTreeSet<String>,
    wake: Option<Ticks>,
    /// Due, and to start a little later.
    armed: Option<(Ticks, Ticks)>,
    not_before: Ticks,
    is_starting: bool,
}

impl Plan {
    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// When something may be due next.
    pub fn next(&self) -> Option<Ticks> {
        self.wakes.first().map(|wake| wake.0)
    }

    /// A task is new, or something about it has changed: it is looked at next time, and so are those that name it.
    pub fn put(&mut self, known: Known) {
        let id = known.task.id;
        let old = self.take_out(id);
        let conditions = || [&known.task.start, &known.task.end].into_iter().flatten();
        let reads: BTreeSet<String> = conditions().flat_map(names).map(|found| found.task).collect();
        let key = |name: &String| (known.task.tenant, name.clone());
        for name in &reads {
            self.readers.entry(key(name)).or_default().insert(id);
        }
        if conditions().any(counts_cycles) {
            self.counting.insert(id);
        }
        let (tenant, name) = (known.task.tenant, known.task.name.clone());
        self.by_name.entry(tenant).or_default().insert(name.clone(), id);
        let same = old
            .as_ref()
            .filter(|old| old.known.task.start == known.task.start && !known.task.is_disabled);
        // What could not start is tried again when it is another one, and not for whatever else has changed.
        let same_version = old.as_ref().filter(|old| old.known.task.version == known.task.version);
        let told: BTreeSet<i64> = old
            .iter()
            .flat_map(|old| &old.known.live)
            .filter(|live| live.is_told)
            .map(|live| live.run)
            .collect();
        let mut entry = Entry {
            armed: same.and_then(|old| old.armed),
            not_before: same_version.map_or(Ticks::MIN, |old| old.not_before),
            known,
            reads,
            wake: None,
            is_starting: false,
        };
        entry
            .known
            .live
            .iter_mut()
            .for_each(|live| live.is_told |= told.contains(&live.run));
        self.tasks.insert(id, entry);
        self.wake(id, Ticks::MIN);
        self.wake_readers(tenant, &name);
    }

    /// A task is gone.
    pub fn remove(&mut self, id: i64) {
        if let Some(old) = self.take_out(id) {
            self.wake_readers(old.known.task.tenant, &old.known.task.name);
        }
    }

    /// Whose a task is.
    pub fn tenant_of(&self, id: i64) -> Option<Guid> {
        self.tasks.get(&id).map(|entry| entry.known.task.tenant)
    }

    /// The tasks of a tenant.
    pub fn of_tenant(&self, tenant: Guid) -> Vec<i64> {
        self.by_name.get(&tenant).into_iter().flat_map(BTreeMap::values).copied().collect()
    }

    /// The parameters of a tenant's session have changed.
    pub fn set_parameters(&mut self, tenant: Guid, parameters: BTreeMap<String, String>) {
        self.parameters.insert(tenant, parameters);
    }

    /// All are looked at next time.
    pub fn wake_all(&mut self) {
        let all: Vec<i64> = self.tasks.keys().copied().collect();
        all.into_iter().for_each(|id| self.wake(id, Ticks::MIN));
    }

    fn take_out(&mut self, id: i64) -> Option<Entry> {
        let old = self.tasks.remove(&id)?;
        if let Some(at) = old.wake {
            self.wakes.remove(&(at, id));
        }
        self.counting.remove(&id);
        let tenant = old.known.task.tenant;
        if let Some(names) = self.by_name.get_mut(&tenant)
            && names.get(&old.known.task.name) == Some(&id)
        {
            names.remove(&old.known.task.name);
        }
        for name in &old.reads {
            let key = (tenant, name.clone());
            if let Some(readers) = self.readers.get_mut(&key) {
                readers.remove(&id);
                if readers.is_empty() {
                    self.readers.remove(&key);
                }
            }
        }
        Some(old)
    }

    /// A task is looked at no later than that.
    fn wake(&mut self, id: i64, at: Ticks) {
        let Some(entry) = self.tasks.get_mut(&id) else { return };
        if let Some(old) = entry.wake {
            if old <= at {
                return;
            }
            self.wakes.remove(&(old, id));
        }
        entry.wake = Some(at);
        self.wakes.insert((at, id));
    }

    fn wake_readers(&mut self, tenant: Guid, name: &str) {
        let readers = self.readers.get(&(tenant, name.to_owned())).cloned().unwrap_or_default();
        readers.into_iter().for_each(|id| self.wake(id, Ticks::MIN));
    }

    /// What is due, the highest priority first. One more cycle of the scheduler.
    pub fn due(&mut self, now: Ticks) -> Vec<Act> {
        self.cycles += 1;
        for id in self.counting.clone() {
            self.wake(id, Ticks::MIN);
        }
        let mut acts = Vec::new();
        while let Some(&(at, id)) = self.wakes.first()
            && at <= now
        {
            self.wakes.pop_first();
            if let Some(entry) = self.tasks.get_mut(&id) {
                entry.wake = None;
            }
            let next = self.look(id, at, now, &mut acts);
            if let Some(next) = next {
                self.wake(id, next.max(now + 1));
            }
        }
        let priority = |act: &Act| match act {
            Act::Stop { .. } => None,
            Act::Start { task, .. } => Some(Reverse(self.tasks.get(task).map_or(0, |entry| entry.known.task.priority))),
        };
        acts.sort_by_key(priority);
        acts
    }

    /// What is due of a task; when to look again.
    fn look(&mut self, id: i64, at: Ticks, now: Ticks, acts: &mut Vec<Act>) -> Option<Ticks> {
        let facts = self.facts(id)?;
        let (is_held, entry) = (self.is_held, self.tasks.get_mut(&id)?);
        let mut wake = entry.endings(now, &facts, acts);
        if let Some(next) = entry.starting(is_held, (at, now), &facts, acts) {
            wake = Some(wake.map_or(next, |wake| wake.min(next)));
        }
        wake
    }

    /// What the conditions of a task are evaluated with.
    fn facts(&self, id: i64) -> Option<Facts> {
        let entry = self.tasks.get(&id)?;
        let (tenant, own) = (entry.known.task.tenant, &entry.known.task.name);
        let names = self.by_name.get(&tenant);
        let other = |name: &String| {
            let id = names?.get(name)?;
            Some((name.clone(), self.tasks.get(id)?.known.facts.clone()))
        };
        let mut tasks: BTreeMap<String, TaskFacts> = entry.reads.iter().filter_map(other).collect();
        tasks.insert(own.clone(), entry.known.facts.clone());
        Some(Facts {
            tasks,
            parameters: self.parameters.get(&tenant).cloned().unwrap_or_default(),
            scheduler_start: self.start,
            scheduler_cycles: self.cycles,
        })
    }

    /// A task has started. Times are those that were written down.
    pub fn started(&mut self, id: i64, run: i64, why: Why, at: Ticks) {
        let Some(entry) = self.tasks.get_mut(&id) else { return };
        let known = &mut entry.known;
        known.facts.note(at, Action::Start);
        known.facts.running = true;
        known.live.push(Live {
            run,
            start: at,
            is_told: false,
        });
        known.task.is_forced = false;
        if why == Why::CatchUp {
            known.task.missed = (known.task.missed - 1).max(0);
        }
        (entry.armed, entry.is_starting, entry.not_before) = (None, false, Ticks::MIN);
        let (tenant, name) = (known.task.tenant, known.task.name.clone());
        self.wake(id, Ticks::MIN);
        self.wake_readers(tenant, &name);
    }

    /// A task could not start; it is left alone for a while, or until it changes. When it is tried again, if it still is to start.
    pub fn refused(&mut self, id: i64, now: Ticks) -> Option<Ticks> {
        let again = now + AFTER_FAULT;
        let entry = self.tasks.get_mut(&id)?;
        (entry.armed, entry.is_starting, entry.not_before) = (None, false, again);
        self.wake(id, again);
        let (facts, task) = (self.facts(id)?, &self.tasks.get(&id)?.known.task);
        match (&task.start, task.is_forced || task.missed > 0) {
            (_, true) => Some(again),
            (Some(start), false) if !task.on_startup && !task.on_shutdown => {
                next_runs(start, again, task.zone, &task.name, &facts, 1).first().copied()
            }
            _ => None,
        }
    }

    /// The start of a task was not carried out, for no reason of its own: it is looked at again.
    pub fn not_started(&mut self, id: i64) {
        if let Some(entry) = self.tasks.get_mut(&id) {
            entry.is_starting = false;
            self.wake(id, Ticks::MIN);
        }
    }

    /// Tasks that start with the scheduler, or when it stops: those without a condition, and those whose condition holds.
    pub fn at_turn(&self, why: Why, now: Ticks) -> Vec<Act> {
        let mut found: Vec<&Entry> = self.tasks.values().filter(|entry| self.is_of_turn(entry, why, now)).collect();
        found.sort_by_key(|entry| (Reverse(entry.known.task.priority), entry.known.task.id));
        let start = |entry: &Entry| Act::Start {
            task: entry.known.task.id,
            due: now,
            why,
        };
        found.into_iter().map(start).collect()
    }

    fn is_of_turn(&self, entry: &Entry, why: Why, now: Ticks) -> bool {
        let task = &entry.known.task;
        let is_of = if why == Why::Startup { task.on_startup } else { task.on_shutdown };
        let free = entry.known.live.is_empty() || task.is_multiple;
        let fits = || match (&task.start, self.facts(task.id)) {
            (None | Some(Condition::Constant(false)), _) => true,
            (Some(condition), Some(facts)) => holds(condition, now, task.zone, &task.name, &facts),
            (Some(_), None) => false,
        };
        is_of && free && !task.is_disabled && !self.is_held && fits()
    }

    /// Starts that nobody was there for between two times, of tasks that are to make up for them or whose conditions speak of it.
    pub fn missed(&self, from: Ticks, now: Ticks) -> Vec<Missed> {
        let mut found: Vec<Missed> = self.tasks.values().filter_map(|entry| self.missed_by(entry, from, now)).collect();
        found.sort_by_key(|missed| missed.task);
        found
    }

    fn missed_by(&self, entry: &Entry, from: Ticks, now: Ticks) -> Option<Missed> {
        let task = &entry.known.task;
        let condition = task.start.as_ref()?;
        let most = match task.catch_up {
            CatchUp::All(most) => most,
            CatchUp::Once => 1,
            CatchUp::None if speaks_of_missed(condition) => 1,
            CatchUp::None => return None,
        };
        if task.is_disabled || task.on_startup || task.on_shutdown {
            return None;
        }
        let facts = self.facts(task.id)?;
        let runs = next_runs(condition, from + 1, task.zone, &task.name, &facts, NEXT_RUNS);
        let runs: Vec<Ticks> = runs.into_iter().filter(|at| *at < now).collect();
        let last = *runs.last()?;
        // One that holds now starts by itself.
        let itself = usize::from(holds(condition, now, task.zone, &task.name, &facts));
        let count = match task.catch_up {
            CatchUp::None => 0,
            _ => runs.len().saturating_sub(itself).min(most),
        };
        Some(Missed {
            task: task.id,
            count: count as i64,
            last,
        })
    }

    /// Starts of a task are to be made up for.
    pub fn owe(&mut self, missed: &Missed) {
        let Some(entry) = self.tasks.get_mut(&missed.task) else { return };
        entry.known.task.missed = missed.count.max(entry.known.task.missed);
        entry.known.facts.scheduled = Some(missed.last);
        self.wake(missed.task, Ticks::MIN);
    }

    /// When a task starts next if it succeeds at once whenever it starts.
    pub fn next_start(&self, id: i64, from: Ticks) -> Option<Ticks> {
        let entry = self.tasks.get(&id)?;
        let (task, mut facts) = (&entry.known.task, self.facts(id)?);
        if task.is_disabled || task.on_startup || task.on_shutdown {
            return None;
        }
        let own = facts.tasks.entry(task.name.clone()).or_default();
        own.note(from, Action::Start);
        own.note(from, Action::Success);
        next_runs(task.start.as_ref()?, from, task.zone, &task.name, &facts, 1)
            .first()
            .copied()
    }

    /// The newest time of which something is known; that of the clock may be behind it, when it was put back.
    pub fn newest(&self) -> Option<Ticks> {
        let last = |entry: &Entry| {
            let last = &entry.known.facts.last;
            [last.start, last.success, last.fail, last.terminate, last.inaction, last.crash]
                .into_iter()
                .flatten()
                .max()
        };
        self.tasks.values().filter_map(last).max()
    }

    /// Runs that have not ended.
    pub fn live(&self) -> Vec<i64> {
        self.tasks
            .values()
            .flat_map(|entry| &entry.known.live)
            .map(|live| live.run)
            .collect()
    }
}

impl Entry {
    /// Runs that are to end now; when to look again.
    fn endings(&mut self, now: Ticks, facts: &Facts, acts: &mut Vec<Act>) -> Option<Ticks> {
        let Known { task, live, .. } = &mut self.known;
        let mut wake: Option<Ticks> = None;
        let mut look = |at: Option<Ticks>| wake = [wake, at].into_iter().flatten().min();
        let open: Vec<&mut Live> = live.iter_mut().filter(|live| !live.is_told).collect();
        if open.is_empty() {
            return None;
        }
        let ends = task.end.as_ref().is_some_and(|end| holds(end, now, task.zone, &task.name, facts));
        for live in open {
            let limit = task.timeout.map(|timeout| live.start.saturating_add(timeout));
            let why = match limit {
                _ if ends => Ending::Condition,
                Some(limit) if limit <= now => Ending::Timeout,
                limit => {
                    look(limit);
                    continue;
                }
            };
            live.is_told = true;
            acts.push(Act::Stop {
                task: task.id,
                run: live.run,
                why,
            });
        }
        if let Some(end) = task.end.as_ref().filter(|_| !ends) {
            look(next_change(end, now, task.zone, &task.name, facts));
        }
        wake
    }

    /// Whether it starts now; when to look again.
    fn starting(&mut self, is_held: bool, (at, now): (Ticks, Ticks), facts: &Facts, acts: &mut Vec<Act>) -> Option<Ticks> {
        let Known { task, live, facts: own } = &self.known;
        let is_free = live.is_empty() || task.is_multiple && live.len() < TASK_RUNS;
        if is_held || !is_free || self.is_starting {
            return None;
        }
        if self.not_before > now {
            return Some(self.not_before);
        }
        let (why, due) = if task.is_forced {
            (Why::Force, now)
        } else if task.is_disabled || task.on_startup || task.on_shutdown {
            return None;
        } else if task.missed > 0 {
            (Why::CatchUp, own.scheduled.unwrap_or(now))
        } else if let Some((due, start)) = self.armed {
            if start > now {
                return Some(start);
            }
            (Why::Condition, due)
        } else {
            let condition = task.start.as_ref()?;
            if !holds(condition, now, task.zone, &task.name, facts) {
                return next_change(condition, now, task.zone, &task.name, facts);
            }
            if let Some(next) = own.last.start.map(|last| last + PACE).filter(|next| *next > now) {
                return Some(next);
            }
            let due = if at > now - LATE { at } else { now };
            let start = due + jitter(task.id, due, task.jitter);
            if start > now {
                self.armed = Some((due, start));
                return Some(start);
            }
            (Why::Condition, due)
        };
        let task = task.id;
        self.is_starting = true;
        acts.push(Act::Start { task, due, why });
        None
    }
}

/// How much later than it is due a task starts: the same for the same task and time, whoever asks.
fn jitter(task: i64, due: Ticks, most: Ticks) -> Ticks {
    if most <= 0 {
        return 0;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in task.to_be_bytes().into_iter().chain(due.to_be_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The high bits are mixed best.
    ((u128::from(hash) * most as u128) >> 64) as Ticks
}

fn counts_cycles(condition: &Condition) -> bool {
    matches!(condition, Condition::Cycles(..)) || condition.parts().iter().any(counts_cycles)
}

fn speaks_of_missed(condition: &Condition) -> bool {
    matches!(condition, Condition::Missed) || condition.parts().iter().any(speaks_of_missed)
}

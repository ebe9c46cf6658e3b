//! Starts and ends tasks when it is time. One of the instances does, by a lease; the others wait for it to be free.
//!
//! It sleeps until the next time at which a condition may change, and is woken when a task does. What is wrong with a task stays with
//! that task; what is wrong with the database is reported, and tried again.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AFTER_FAULT, LOOK, Stop, report};
use crate::engine::Engine;
use crate::engine::tasks::plan::{Act, Ending, Plan, Why};
use crate::engine::tasks::{Start, Started, Trigger};
use crate::model::caller::Guid;
use crate::model::clock::{SECOND, Ticks};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::TASK_STARTS;
use crate::store::{Db, Session};

/// How often the lease is renewed; it is good for five times as long.
const RENEW: Duration = Duration::from_secs(1);
/// How often somebody looks for what other instances have changed.
const POLL: Duration = Duration::from_millis(250);
/// How often it is written down that there is a scheduler.
const WRITE: Duration = Duration::from_secs(10);
/// How often runs are looked for that have no job any more.
const ORPHANS: Duration = Duration::from_secs(60);
/// How often runs are deleted whose time has come.
const SWEEP: Duration = Duration::from_secs(3_600);
/// Starts that were due in a longer time without a look are missed.
const GAP: Ticks = 5 * SECOND;
/// A clock that is put back by more was wrong before.
const DAY: Ticks = 86_400 * SECOND;

/// Schedules until told to stop. Tasks that start then are waited for until that time, where somebody here does their jobs.
pub(super) fn run(engine: &Arc<Engine>, db: &Db, stop: &Stop, last: Option<Duration>) {
    let mut scheduler = Scheduler {
        engine: engine.clone(),
        db: db.clone(),
        holder: format!("instance {} {}", std::process::id(), uuid::Uuid::new_v4().simple()),
        lead: None,
        changed: BTreeSet::new(),
    };
    while !stop.wait(Duration::ZERO) {
        let round = catch_unwind(AssertUnwindSafe(|| scheduler.round()));
        let round = round.unwrap_or_else(|_| Err(Fault::internal("the scheduler panicked")));
        let pause = round.unwrap_or_else(|fault| {
            // Whoever begins anew reads everything, and so forgets whatever was half done.
            scheduler.lead = None;
            report("tasks are not scheduled by this instance for now", &fault);
            match fault.kind == &fault::LOST_LEASE {
                true => LOOK,
                false => AFTER_FAULT,
            }
        });
        let changed = engine.tray.wait(pause);
        scheduler.changed.extend(changed);
    }
    let ended = scheduler.end().and_then(|runs| match last {
        Some(last) => scheduler.see_off(runs, Instant::now() + last),
        None => Ok(()),
    });
    if let Err(fault) = ended {
        report("the scheduler did not end in order", &fault);
    }
}

struct Scheduler {
    engine: Arc<Engine>,
    db: Db,
    holder: String,
    /// While this instance schedules.
    lead: Option<Lead>,
    /// Tasks to read again.
    changed: BTreeSet<(Guid, i64)>,
}

/// What the instance that schedules has in memory.
struct Lead {
    fence: i64,
    /// No other instance serves the database.
    is_alone: bool,
    plan: Plan,
    /// Tasks that start with the scheduler have not, because it was on hold.
    owes_startup: bool,
    /// The time of the last look.
    last: Ticks,
    renewed: Timer,
    polled: Timer,
    written: Timer,
    orphans: Timer,
    swept: Timer,
}

/// Something that is done from time to time.
struct Timer(Instant, Duration);

impl Timer {
    fn new(every: Duration) -> Timer {
        Timer(Instant::now(), every)
    }

    /// Whether it is time again.
    fn is_over(&mut self) -> bool {
        let is_over = self.0.elapsed() >= self.1;
        if is_over {
            self.0 = Instant::now();
        }
        is_over
    }
}

impl Lead {
    /// The time now. It does not go back with the clock, or what was done would be done again: it waits for it.
    fn now(&self, clock: Ticks) -> Ticks {
        if self.last - clock > DAY {
            return clock;
        }
        if self.last - clock > SECOND {
            let seconds = (self.last - clock) / SECOND;
            tracing::warn!("the clock was put back: tasks wait for {seconds} seconds, until it is where it was");
        }
        clock.max(self.last)
    }
}

impl Scheduler {
    /// Everything there is to do now; how long nothing will be.
    fn round(&mut self) -> Outcome<Duration> {
        let Some(mut lead) = self.lead.take() else {
            return self.begin();
        };
        self.keep(&mut lead)?;
        self.read_again(&mut lead)?;
        let now = lead.now(self.engine.clock.now());
        if now - lead.last > GAP {
            let last = lead.last;
            self.make_up(&mut lead, last, now)?;
        }
        lead.last = now;
        let acts = lead.plan.due(now);
        self.perform(&mut lead, acts)?;
        let next = lead.plan.next().map_or(Ticks::MAX, |next| next.max(now));
        // A tick more, so that it is over.
        let wait = Duration::from_nanos(u64::try_from((next - now).min(60 * SECOND) * 100 + 100).unwrap_or_default());
        let most = if lead.is_alone { LOOK } else { POLL };
        self.lead = Some(lead);
        Ok(if self.changed.is_empty() { wait.min(most) } else { Duration::ZERO })
    }

    /// Schedules, if nobody else does.
    fn begin(&mut self) -> Outcome<Duration> {
        let (engine, holder) = (self.engine.clone(), self.holder.clone());
        // Whoever begins reads everything; until then it is another instance's business.
        self.changed.clear();
        if !self.db.read_now(|session| engine.is_scheduler_away(session))? {
            return Ok(LOOK);
        }
        let Some(begun) = self.write(move |engine, session| engine.begin_scheduling(session, &holder))? else {
            return Ok(LOOK);
        };
        let loaded = self.db.read_now(|session| engine.load_tasks(session))?;
        let mut plan = Plan::default();
        (plan.start, plan.cycles, plan.is_held) = (Some(begun.start), begun.cycles, loaded.is_held);
        loaded.tasks.into_iter().for_each(|known| plan.put(known));
        for (tenant, parameters) in loaded.parameters {
            plan.set_parameters(tenant, parameters);
        }
        let clock = engine.clock.now();
        let newest = plan.newest().filter(|newest| *newest < clock + DAY);
        let mut lead = Lead {
            fence: begun.fence,
            is_alone: self.db.read_now(|session| Ok(session.has_one_process()))?,
            last: newest.map_or(clock, |newest| newest.max(clock)),
            owes_startup: begun.is_new,
            plan,
            renewed: Timer::new(RENEW),
            polled: Timer::new(POLL),
            written: Timer::new(WRITE),
            orphans: Timer::new(ORPHANS),
            swept: Timer::new(SWEEP),
        };
        tracing::info!(tasks = lead.plan.len(), fence = lead.fence, "this instance schedules tasks");
        self.end_orphans(&lead)?;
        let now = lead.last;
        if let Some(seen) = begun.seen.filter(|seen| *seen < now) {
            self.make_up(&mut lead, seen, now)?;
        }
        self.start_up(&mut lead, now)?;
        self.lead = Some(lead);
        Ok(Duration::ZERO)
    }

    /// What is done from time to time.
    fn keep(&mut self, lead: &mut Lead) -> Outcome<()> {
        let fence = lead.fence;
        if !lead.is_alone && lead.renewed.is_over() {
            self.write(move |engine, session| engine.renew_scheduling(session, fence))?;
        }
        if !lead.is_alone && lead.polled.is_over() && self.db.read_now(|session| self.engine.are_tasks_changed(session))? {
            let changes = self.write(move |engine, session| engine.take_task_changes(session, fence))?;
            self.changed.extend(changes);
        }
        if lead.written.is_over() {
            let (seen, cycles) = (lead.last, lead.plan.cycles);
            self.write(move |engine, session| engine.write_scheduling(session, fence, seen, cycles, &[]))?;
        }
        if lead.orphans.is_over() {
            self.end_orphans(lead)?;
        }
        if lead.swept.is_over() {
            while self.write(|engine, session| engine.sweep_runs(session))? {}
        }
        Ok(())
    }

    /// Tasks that have changed.
    fn read_again(&mut self, lead: &mut Lead) -> Outcome<()> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let changed = std::mem::take(&mut self.changed);
        let found = self.db.read_now(|session| self.engine.reload_tasks(session, &changed))?;
        let there: BTreeSet<i64> = found.loaded.tasks.iter().map(|known| known.task.id).collect();
        let known = found.tenants.iter().flat_map(|tenant| lead.plan.of_tenant(*tenant));
        let asked: Vec<i64> = known.chain(found.asked).filter(|id| !there.contains(id)).collect();
        asked.into_iter().for_each(|id| lead.plan.remove(id));
        for (tenant, parameters) in found.loaded.parameters {
            lead.plan.set_parameters(tenant, parameters);
        }
        found.loaded.tasks.into_iter().for_each(|known| lead.plan.put(known));
        if lead.plan.is_held != found.loaded.is_held {
            lead.plan.is_held = found.loaded.is_held;
            lead.plan.wake_all();
        }
        let now = lead.last;
        self.start_up(lead, now)
    }

    /// Tasks that start with the scheduler: once, and not on hold.
    fn start_up(&mut self, lead: &mut Lead, now: Ticks) -> Outcome<()> {
        if !lead.owes_startup || lead.plan.is_held {
            return Ok(());
        }
        lead.owes_startup = false;
        let acts = lead.plan.at_turn(Why::Startup, now);
        self.perform(lead, acts)
    }

    /// Starts that nobody was there for.
    fn make_up(&mut self, lead: &mut Lead, from: Ticks, now: Ticks) -> Outcome<()> {
        let missed = lead.plan.missed(from, now);
        let (fence, cycles, rows) = (lead.fence, lead.plan.cycles, missed.clone());
        self.write(move |engine, session| engine.write_scheduling(session, fence, now, cycles, &rows))?;
        missed.iter().for_each(|missed| lead.plan.owe(missed));
        Ok(())
    }

    /// Runs whose job is gone.
    fn end_orphans(&self, lead: &Lead) -> Outcome<()> {
        let (fence, runs) = (lead.fence, lead.plan.live());
        if runs.is_empty() {
            return Ok(());
        }
        let found = self.write(move |engine, session| {
            engine.check_scheduling(session, fence)?;
            engine.end_orphans(session, &runs)
        })?;
        if found > 0 {
            tracing::warn!(runs = found, "runs of tasks had no job any more");
        }
        Ok(())
    }

    /// Starts and ends what is due, many in one transaction where that works.
    fn perform(&mut self, lead: &mut Lead, acts: Vec<Act>) -> Outcome<()> {
        let mut starts = Vec::new();
        for act in acts {
            match act {
                Act::Start { task, due, why } => starts.push((task, due, why, lead.plan.next_start(task, lead.last))),
                Act::Stop { run, why, .. } => self.stop(lead, run, why)?,
            }
        }
        for part in starts.chunks(TASK_STARTS) {
            let (fence, all) = (lead.fence, part.to_vec());
            match self.write(move |engine, session| start_all(engine, session, fence, &all)) {
                Ok(started) => self.note(lead, part, started),
                Err(fault) if fault.kind == &fault::LOST_LEASE => return Err(fault),
                Err(_) => part.iter().try_for_each(|start| self.start_one(lead, *start))?,
            }
        }
        Ok(())
    }

    fn note(&mut self, lead: &mut Lead, part: &[Due], started: Vec<Started>) {
        for ((task, _, why, _), started) in part.iter().zip(started) {
            match started {
                Started::Run(run, at) => lead.plan.started(*task, run, *why, at),
                // Somebody else was faster, or has changed it: how it is now stands in the database.
                Started::Not => self.changed.extend(lead.plan.tenant_of(*task).map(|tenant| (tenant, *task))),
            }
        }
    }

    /// One task whose fault must not be another's.
    fn start_one(&mut self, lead: &mut Lead, start: Due) -> Outcome<()> {
        let fence = lead.fence;
        match self.write(move |engine, session| start_all(engine, session, fence, &[start])) {
            Ok(started) => self.note(lead, &[start], started),
            Err(fault) if fault.kind == &fault::LOST_LEASE => return Err(fault),
            Err(fault) => {
                let task = start.0;
                tracing::warn!(
                    task,
                    cause = fault.cause.as_deref().unwrap_or(""),
                    "a task could not start: {fault}"
                );
                let again = lead.plan.refused(task, lead.last);
                // Where this fails, too, it is the database, and not the task.
                self.write(move |engine, session| {
                    engine.check_scheduling(session, fence)?;
                    engine.task_refused(session, task, &fault, again)
                })?;
            }
        }
        Ok(())
    }

    fn stop(&self, lead: &Lead, run: i64, why: Ending) -> Outcome<()> {
        let fence = lead.fence;
        let stopped = self.write(move |engine, session| {
            engine.check_scheduling(session, fence)?;
            engine.stop_due_run(session, run, why)
        });
        match stopped {
            Err(fault) if fault.kind.status < 500 && fault.kind != &fault::LOST_LEASE => {
                report("a run could not be ended", &fault);
                Ok(())
            }
            other => other,
        }
    }

    /// Tasks that start when the scheduler stops; then another instance may begin at once. Their runs.
    fn end(&mut self) -> Outcome<Vec<i64>> {
        let Some(mut lead) = self.lead.take() else {
            return Ok(Vec::new());
        };
        let before: BTreeSet<i64> = lead.plan.live().into_iter().collect();
        let acts = lead.plan.at_turn(Why::Shutdown, lead.last);
        self.perform(&mut lead, acts)?;
        let fence = lead.fence;
        self.write(move |engine, session| engine.end_scheduling(session, fence))?;
        Ok(lead.plan.live().into_iter().filter(|run| !before.contains(run)).collect())
    }

    /// Waits for what this process does of runs; what is not done by then stays queued, and so does what others do.
    fn see_off(&self, mut runs: Vec<i64>, until: Instant) -> Outcome<()> {
        while let Some(run) = runs.last() {
            let rung = self.engine.desk.moves.count();
            match self.db.read_now(|session| self.engine.is_run_at_work(session, *run))? {
                false => drop(runs.pop()),
                true if Instant::now() < until => self.engine.desk.moves.wait(rung, POLL),
                true => {
                    tracing::warn!(runs = runs.len(), "tasks that start at the end are not done by now");
                    break;
                }
            }
        }
        Ok(())
    }

    fn write<T: Send + 'static>(&self, act: impl FnOnce(&Engine, &mut Session<'_>) -> Outcome<T> + Send + 'static) -> Outcome<T> {
        let engine = self.engine.clone();
        self.db.write_now(move |session| act(&engine, session))
    }
}

/// A task, for which time it starts, why, and when it does next.
type Due = (i64, Ticks, Why, Option<Ticks>);

fn start_all(engine: &Engine, session: &mut Session<'_>, fence: i64, all: &[Due]) -> Outcome<Vec<Started>> {
    engine.check_scheduling(session, fence)?;
    let start = |(task, due, why, next): &Due| {
        let start = Start {
            task: *task,
            due: *due,
            by: Trigger::Scheduler(*why),
            next: *next,
        };
        engine.start_task(session, start)
    };
    all.iter().map(start).collect()
}

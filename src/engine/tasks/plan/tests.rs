//! The plan under a clock that the test turns.

use super::*;
use crate::model::text::text_to_ticks;
use crate::schedule::{Zone, parse};

const TENANT: Guid = [1; 16];
const OTHER: Guid = [2; 16];
const MINUTE: Ticks = 60 * SECOND;
const HOUR: Ticks = 60 * MINUTE;

fn at(text: &str) -> Ticks {
    text_to_ticks(text).unwrap()
}

fn task(id: i64, start: &str) -> Known {
    let start = (!start.is_empty()).then(|| parse(start).unwrap());
    let span = start.as_ref().and_then(crate::schedule::span_of);
    let task = Task {
        id,
        tenant: TENANT,
        name: format!("t{id}"),
        version: vec![1],
        priority: 0,
        zone: Zone::UTC,
        start,
        end: None,
        is_disabled: false,
        is_forced: false,
        on_startup: false,
        on_shutdown: false,
        is_multiple: false,
        timeout: None,
        catch_up: CatchUp::None,
        jitter: 0,
        missed: 0,
    };
    let facts = TaskFacts {
        span,
        ..TaskFacts::default()
    };
    Known {
        task,
        facts,
        live: Vec::new(),
    }
}

fn with(mut known: Known, change: impl FnOnce(&mut Task)) -> Known {
    change(&mut known.task);
    known
}

/// A plan, and what a scheduler would do with it: every start works, and a run ends after some time.
struct World {
    plan: Plan,
    now: Ticks,
    runs: i64,
    /// Task, run, when it ends.
    live: Vec<(i64, i64, Ticks)>,
    takes: Ticks,
    ends: Action,
    /// Task and time of each start.
    log: Vec<(i64, Ticks)>,
    stopped: Vec<(i64, Ticks, Ending)>,
    known: HashMap<i64, Known>,
}

impl World {
    fn new(now: &str, tasks: Vec<Known>) -> World {
        let mut plan = Plan::default();
        let known = tasks.iter().map(|known| (known.task.id, known.clone())).collect();
        tasks.into_iter().for_each(|known| plan.put(known));
        World {
            plan,
            now: at(now),
            runs: 0,
            live: Vec::new(),
            takes: SECOND / 2,
            ends: Action::Success,
            log: Vec::new(),
            stopped: Vec::new(),
            known,
        }
    }

    fn act(&mut self) {
        for act in self.plan.due(self.now) {
            match act {
                Act::Start { task, why, .. } => {
                    self.runs += 1;
                    self.log.push((task, self.now));
                    self.live.push((task, self.runs, self.now + self.takes));
                    self.plan.started(task, self.runs, why, self.now);
                    let known = self.known.get_mut(&task).unwrap();
                    known.facts.note(self.now, Action::Start);
                    known.live.push(Live {
                        run: self.runs,
                        start: self.now,
                        is_told: false,
                    });
                    known.task.is_forced = false;
                    if why == Why::CatchUp {
                        known.task.missed -= 1;
                    }
                }
                Act::Stop { task, run, why } => {
                    self.stopped.push((task, self.now, why));
                    self.end(task, run, Action::Terminate);
                }
            }
        }
    }

    fn end(&mut self, task: i64, run: i64, action: Action) {
        self.live.retain(|live| live.1 != run);
        let known = self.known.get_mut(&task).unwrap();
        known.live.retain(|live| live.run != run);
        known.facts.note(self.now, action);
        known.facts.running = !known.live.is_empty();
        let known = known.clone();
        self.plan.put(known);
    }

    /// Goes on to a time as a scheduler does: from one wake-up to the next, and never in between.
    fn until(&mut self, end: Ticks) {
        let mut looks = 0;
        loop {
            self.act();
            looks += 1;
            assert!(looks < 100_000, "it never sleeps");
            let next_end = self.live.iter().map(|live| live.2).min();
            let next = [self.plan.next(), next_end].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = next.max(self.now);
            let now = self.now;
            let over: Vec<_> = self.live.iter().copied().filter(|live| live.2 <= now).collect();
            for (task, run, _) in over {
                self.end(task, run, self.ends);
            }
        }
    }

    fn starts(&self, task: i64) -> Vec<String> {
        let of = self.log.iter().filter(|start| start.0 == task);
        of.map(|start| crate::model::text::ticks_to_text(start.1)[5..19].to_owned())
            .collect()
    }
}

#[test]
fn tasks_start_when_their_conditions_begin_to_hold() {
    // Condition; when it starts in the first two hours from 2024-05-01 06:58.
    let cases = [
        (
            "every 30 minutes",
            "05-01T06:58:00 05-01T07:28:00 05-01T07:58:00 05-01T08:28:00 05-01T08:58:00",
        ),
        ("hourly", "05-01T06:58:00 05-01T07:00:00 05-01T08:00:00"),
        ("daily after 07:00", "05-01T07:00:00"),
        ("cron 15,45 7 * * *", "05-01T07:15:00 05-01T07:45:00"),
        ("once at 2024-05-01 08:00", "05-01T08:00:00"),
        ("false", ""),
        ("", ""),
        ("hourly & time of day after 08:00", "05-01T08:00:00"),
    ];
    for (condition, expected) in cases {
        let mut world = World::new("2024-05-01T06:58:00", vec![task(1, condition)]);
        world.until(world.now + 2 * HOUR);
        assert_eq!(world.starts(1).join(" "), expected, "{condition}");
    }
}

#[test]
fn a_task_runs_once_at_a_time() {
    let mut world = World::new("2024-05-01T07:00:00", vec![task(1, "every 10 seconds")]);
    world.takes = 25 * SECOND;
    world.until(world.now + MINUTE);
    assert_eq!(world.starts(1), ["05-01T07:00:00", "05-01T07:00:25", "05-01T07:00:50"]);
    let several = with(task(1, "every 10 seconds"), |task| task.is_multiple = true);
    let mut world = World::new("2024-05-01T07:00:00", vec![several]);
    world.takes = 25 * SECOND;
    world.until(world.now + MINUTE - 1);
    assert_eq!(world.log.len(), 6);
    assert_eq!(world.plan.live().len(), 2, "those of the last 25 seconds");
}

#[test]
fn what_always_holds_starts_once_in_a_second() {
    for multiple in [false, true] {
        let always = with(task(1, "true"), |task| task.is_multiple = multiple);
        let mut world = World::new("2024-05-01T07:00:00", vec![always]);
        world.takes = SECOND / 10;
        world.until(world.now + 10 * SECOND - 1);
        assert_eq!(world.log.len(), 10, "{multiple}");
    }
}

#[test]
fn a_task_starts_after_another_one_of_its_tenant() {
    let stranger = with(task(3, "after task 't1'"), |task| task.tenant = OTHER);
    let mut world = World::new("2024-05-01T07:00:00", vec![task(1, "hourly"), task(2, "after task 't1'"), stranger]);
    world.until(world.now + 2 * HOUR - 1);
    assert_eq!(world.starts(1), ["05-01T07:00:00", "05-01T08:00:00"]);
    assert_eq!(world.starts(2), ["05-01T07:00:00", "05-01T08:00:00"]);
    assert_eq!(world.starts(3), Vec::<String>::new());
    let mut world = World::new("2024-05-01T07:00:00", vec![task(1, "hourly"), task(2, "after task 't1' failed")]);
    world.until(world.now + HOUR - 1);
    assert_eq!(world.starts(2), Vec::<String>::new());
    world.ends = Action::Fail;
    world.until(world.now + HOUR);
    assert_eq!(world.starts(2), ["05-01T08:00:00"]);
}

#[test]
fn priority_decides_and_held_or_disabled_tasks_wait() {
    let tasks = [(1, -5), (2, 10), (3, 0)].map(|(id, priority)| with(task(id, "hourly"), |task| task.priority = priority));
    let mut world = World::new("2024-05-01T07:00:00", tasks.into());
    world.plan.is_held = true;
    world.until(world.now + MINUTE);
    assert!(world.log.is_empty());
    world.plan.is_held = false;
    world.plan.wake_all();
    world.act();
    let order: Vec<i64> = world.log.iter().map(|start| start.0).collect();
    assert_eq!(order, [2, 3, 1]);
    let off = with(task(1, "hourly"), |task| task.is_disabled = true);
    let forced = with(task(2, "false"), |task| (task.is_disabled, task.is_forced) = (true, true));
    let mut world = World::new("2024-05-01T07:00:00", vec![off, forced]);
    world.until(world.now + HOUR);
    assert_eq!(
        (world.starts(1).len(), world.starts(2).len()),
        (0, 1),
        "force is stronger, and counts once"
    );
}

#[test]
fn runs_end_by_condition_and_by_timeout() {
    let mut ends = task(1, "daily");
    ends.task.end = Some(parse("time of day after 07:10").unwrap());
    let slow = with(task(2, "daily"), |task| task.timeout = Some(90 * SECOND));
    let mut world = World::new("2024-05-01T07:00:00", vec![ends, slow, task(3, "daily")]);
    world.takes = HOUR;
    world.until(world.now + HOUR);
    let start = at("2024-05-01T07:00:00");
    assert_eq!(
        world.stopped,
        [
            (2, start + 90 * SECOND, Ending::Timeout),
            (1, start + 10 * MINUTE, Ending::Condition)
        ]
    );
    assert_eq!(world.log.len(), 3, "terminated is done for today");
}

#[test]
fn a_run_is_told_once_to_end() {
    let slow = with(task(1, "daily"), |task| task.timeout = Some(SECOND));
    let mut plan = Plan::default();
    plan.put(slow.clone());
    let now = at("2024-05-01T07:00:00");
    assert_eq!(plan.due(now).len(), 1);
    plan.started(1, 7, Why::Condition, now);
    assert!(plan.due(now).is_empty());
    assert_eq!(plan.next(), Some(now + SECOND));
    assert_eq!(plan.due(now + SECOND).len(), 1);
    let mut known = slow;
    known.facts.note(now, Action::Start);
    known.live.push(Live {
        run: 7,
        start: now,
        is_told: false,
    });
    plan.put(known);
    assert!(
        plan.due(now + MINUTE).is_empty(),
        "its worker needs a while; that the task is read anew changes nothing"
    );
}

#[test]
fn missed_starts_are_made_up_for_as_the_task_says() {
    let cases = [
        (CatchUp::None, "cron 0 * * * *", None),
        (CatchUp::Once, "cron 0 * * * *", Some((1, "10:00"))),
        (CatchUp::All(10), "cron 0 * * * *", Some((3, "10:00"))),
        (CatchUp::All(2), "cron 0 * * * *", Some((2, "10:00"))),
        (CatchUp::All(10), "daily", None),
        (CatchUp::Once, "cron 0 6 * * *", None),
        // The last of these starts by itself.
        (CatchUp::All(10), "every 1 hour", Some((2, "10:00"))),
        (CatchUp::None, "cron 0 * * * * | missed", Some((0, "10:00"))),
    ];
    for (policy, condition, expected) in cases {
        let mut known = with(task(1, condition), |task| task.catch_up = policy);
        known.facts.note(at("2024-05-01T07:00:00"), Action::Start);
        known.facts.note(at("2024-05-01T07:00:00"), Action::Success);
        let mut plan = Plan::default();
        plan.put(known);
        let missed = plan.missed(at("2024-05-01T07:10:00"), at("2024-05-01T10:30:00"));
        let found = missed
            .first()
            .map(|missed| (missed.count, crate::model::text::ticks_to_text(missed.last)[11..16].to_owned()));
        assert_eq!(
            found,
            expected.map(|(count, last)| (count, last.to_owned())),
            "{policy:?} {condition}"
        );
    }
}

#[test]
fn what_is_owed_starts_one_after_the_other() {
    let known = with(task(1, "cron 0 * * * *"), |task| task.catch_up = CatchUp::All(10));
    let mut world = World::new("2024-05-01T10:30:00", vec![known]);
    let missed = world.plan.missed(at("2024-05-01T07:10:00"), world.now);
    world.plan.owe(&missed[0]);
    world.known.get_mut(&1).unwrap().task.missed = missed[0].count;
    world.until(world.now + 10 * MINUTE);
    assert_eq!(world.log.len(), 3);
}

#[test]
fn a_clock_that_jumps_starts_nothing_twice() {
    for condition in [
        "daily after 07:00",
        "cron 0 7 * * *",
        "every 2 hours",
        "hourly & ~has succeeded today",
        "once at 2024-05-01 07:00",
    ] {
        let mut world = World::new("2024-05-01T07:00:00", vec![task(1, condition)]);
        world.until(world.now + MINUTE);
        assert_eq!(world.log.len(), 1, "{condition}");
        // Forwards, over several wake-ups at once.
        world.now += 90 * MINUTE;
        world.act();
        assert_eq!(world.log.len(), 1, "{condition}");
    }
}

#[test]
fn chance_delays_a_start_and_does_not_lose_it() {
    let known = with(task(1, "cron 0 7 * * *"), |task| task.jitter = 10 * MINUTE);
    let mut world = World::new("2024-05-01T06:59:00", vec![known.clone()]);
    world.until(world.now + HOUR);
    let due = at("2024-05-01T07:00:00");
    let [(1, start)] = world.log[..] else {
        panic!("{:?}", world.log);
    };
    assert!((due..due + 10 * MINUTE).contains(&start));
    assert_eq!(
        start,
        due + jitter(1, due, 10 * MINUTE),
        "another instance would start it then, too"
    );
    let spread: BTreeSet<Ticks> = (0..100).map(|id| jitter(id, due, 10 * MINUTE) / MINUTE).collect();
    assert_eq!(spread.len(), 10);
}

#[test]
fn a_task_that_could_not_start_is_left_alone_for_a_while() {
    let mut plan = Plan::default();
    plan.put(task(1, "true"));
    plan.put(task(2, "true"));
    let now = at("2024-05-01T07:00:00");
    assert_eq!(plan.due(now).len(), 2);
    assert_eq!(plan.refused(1, now), Some(now + AFTER_FAULT));
    plan.started(2, 1, Why::Condition, now);
    assert!(plan.due(now + SECOND).is_empty());
    plan.put(task(1, "true"));
    assert!(plan.due(now + 2 * SECOND).is_empty(), "something else has changed");
    assert_eq!(plan.due(now + AFTER_FAULT).len(), 1);
    plan.refused(1, now + AFTER_FAULT);
    plan.put(with(task(1, "true"), |task| task.version = vec![2]));
    let soon = now + AFTER_FAULT + SECOND;
    assert_eq!(plan.due(soon).len(), 1, "what was changed itself is tried at once");
    plan.put(task(3, ""));
    assert_eq!(plan.refused(3, soon), None, "it never starts by itself");
}

#[test]
fn tasks_of_the_turn_are_not_those_of_the_day() {
    let tasks = vec![
        with(task(1, ""), |task| task.on_startup = true),
        with(task(2, "false"), |task| (task.on_startup, task.priority) = (true, 5)),
        with(task(3, "time of day after 08:00"), |task| task.on_startup = true),
        with(task(4, "true"), |task| task.on_shutdown = true),
        with(task(5, ""), |task| (task.on_startup, task.is_disabled) = (true, true)),
    ];
    let mut world = World::new("2024-05-01T07:00:00", tasks);
    world.until(world.now + MINUTE);
    assert!(world.log.is_empty());
    let of = |why| -> Vec<i64> {
        let acts = world.plan.at_turn(why, world.now);
        acts.iter()
            .map(|act| if let Act::Start { task, .. } = act { *task } else { 0 })
            .collect()
    };
    assert_eq!(of(Why::Startup), [2, 1]);
    assert_eq!(of(Why::Shutdown), [4]);
}

#[test]
fn cycles_are_counted_and_parameters_seen() {
    let mut plan = Plan::default();
    plan.put(task(1, "scheduler has more than 2 cycles"));
    plan.put(task(2, "param 'mode' is 'live'"));
    let now = at("2024-05-01T07:00:00");
    assert!(plan.due(now).is_empty());
    assert!(plan.due(now + SECOND).is_empty());
    assert_eq!(plan.due(now + 2 * SECOND).len(), 1);
    plan.set_parameters(TENANT, BTreeMap::from([("mode".to_owned(), "live".to_owned())]));
    plan.put(task(2, "param 'mode' is 'live'"));
    assert_eq!(plan.due(now + 3 * SECOND).len(), 1);
}

#[test]
fn many_tasks_sleep() {
    let mut plan = Plan::default();
    for id in 0..10_000 {
        plan.put(task(id, "daily after 07:00"));
    }
    let now = at("2024-05-01T06:00:00");
    assert!(plan.due(now).is_empty());
    assert_eq!(plan.next(), Some(at("2024-05-01T07:00:00")));
    assert_eq!(plan.due(at("2024-05-01T07:00:00")).len(), 10_000);
    plan.remove(0);
    assert_eq!(plan.len(), 9_999);
}

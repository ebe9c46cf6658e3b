//! Two years on a virtual clock, in five zones: the schedules of conditions and those of the long way are the same.

use chrono_tz::Tz;

use super::naive::{Minute, Naive, World};
use crate::model::clock::{SECOND, Ticks, UNIX_EPOCH};
use crate::model::limits::NEXT_RUNS;
use crate::model::text::{text_to_ticks, ticks_to_text};
use crate::schedule::{Action, Condition, Facts, TaskFacts, holds, next_change, next_runs, parse};

const MINUTE: Ticks = 60 * SECOND;

/// What the long way says of a minute.
type Says = fn(&mut Naive<'_>) -> bool;

fn h(hour: i64) -> i64 {
    hour * 60
}

fn day(day: i64) -> i64 {
    day * 1440
}

fn hour_is(minute: Minute, hour: i64) -> bool {
    minute.minute / 60 == hour
}

/// Monday to Friday.
fn works(minute: Minute) -> bool {
    minute.weekday < 5
}

/// Conditions that do not hold any more once the task has run, and the same the long way.
const CASES: &[(&str, Says)] = &[
    ("hourly", |n| n.hour(0, 60).is_some_and(|key| n.due(0, Some(key)))),
    ("hourly between 15:00 and 30:00", |n| {
        let key = n.hour(15, 30);
        n.due(0, key)
    }),
    ("hourly on 45:00", |n| {
        let key = n.hour(45, 46);
        n.due(0, key)
    }),
    ("daily", |n| due(n, |n| n.day(0, day(1)))),
    ("daily after 22:00", |n| due(n, |n| n.day(h(22), h(24)))),
    ("daily before 04:30", |n| due(n, |n| n.day(0, h(4) + 30))),
    ("daily between 10:00 and 12:00", |n| due(n, |n| n.day(h(10), h(12)))),
    ("daily between 22:00 and 06:00", |n| due(n, |n| n.day(h(22), h(30)))),
    ("daily between 02:00 and 02:30", |n| due(n, |n| n.day(h(2), h(2) + 30))),
    ("daily between 02:10 and 02:20", |n| due(n, |n| n.day(h(2) + 10, h(2) + 20))),
    ("daily between 01:30 and 02:15", |n| due(n, |n| n.day(h(1) + 30, h(2) + 15))),
    ("daily between 01:45 and 01:50", |n| due(n, |n| n.day(h(1) + 45, h(1) + 50))),
    ("daily after 02:30", |n| due(n, |n| n.day(h(2) + 30, h(24)))),
    ("daily on 02:30", |n| due(n, |n| n.day(h(2) + 30, h(3) + 30))),
    ("daily on 23:30", |n| due(n, |n| n.day(h(23) + 30, h(24) + 30))),
    ("daily starting 02:30", |n| due(n, |n| n.day(h(2) + 30, h(26) + 30))),
    ("daily starting 09:00", |n| due(n, |n| n.day(h(9), h(33)))),
    ("weekly", |n| due(n, |n| n.week(0, day(7)))),
    ("weekly on Sunday", |n| due(n, |n| n.week(day(6), day(7)))),
    ("weekly on Monday 10:00", |n| due(n, |n| n.week(h(10), day(1) + h(10)))),
    ("weekly before Tuesday", |n| due(n, |n| n.week(0, day(2)))),
    ("weekly after Saturday 18:00", |n| due(n, |n| n.week(day(5) + h(18), day(7)))),
    ("weekly between Saturday and Sunday 02:30", |n| {
        due(n, |n| n.week(day(5), day(6) + h(2) + 30))
    }),
    ("weekly between Friday 22:00 and Monday 06:00", |n| {
        due(n, |n| n.week(day(4) + h(22), day(7) + h(6)))
    }),
    ("weekly between Sunday 02:00 and Sunday 02:20", |n| {
        due(n, |n| n.week(day(6) + h(2), day(6) + h(2) + 20))
    }),
    ("weekly starting Wednesday 12:00", |n| {
        due(n, |n| n.week(day(2) + h(12), day(9) + h(12)))
    }),
    ("monthly", |n| due(n, |n| n.month(1, 31))),
    ("monthly on 31st", |n| due(n, |n| n.month(31, 31))),
    ("monthly after 29th", |n| due(n, |n| n.month(29, 31))),
    ("monthly before 3rd", |n| due(n, |n| n.month(1, 3))),
    ("monthly between 30th and 31st", |n| due(n, |n| n.month(30, 31))),
    ("monthly starting 31st", |n| due(n, |n| Some(n.month_from(31)))),
    ("monthly starting 15th", |n| due(n, |n| Some(n.month_from(15)))),
    ("every 7 hours", |n| n.every(h(7))),
    ("every 1 day", |n| n.every(day(1))),
    ("every 1 day 12 hours", |n| n.every(h(36))),
    ("every 10 days based on success", |n| n.every(day(10))),
    ("every 5 hours anchored", |n| n.anchored(h(5))),
    ("every 7 days anchored", |n| n.anchored(day(7))),
    ("cron 0 * * * *", |n| n.cron(false, |m| m.minute % 60 == 0)),
    ("cron */45 * * * *", |n| n.cron(false, |m| m.minute % 60 % 45 == 0)),
    ("cron 30 2 * * *", |n| n.cron(true, |m| m.minute == h(2) + 30)),
    ("cron 15 2 * * *", |n| n.cron(true, |m| m.minute == h(2) + 15)),
    ("cron 45 1 * * *", |n| n.cron(true, |m| m.minute == h(1) + 45)),
    ("cron */20 2,3 * * *", |n| {
        n.cron(true, |m| (hour_is(m, 2) || hour_is(m, 3)) && m.minute % 20 == 0)
    }),
    ("cron 0 7 * * mon-fri", |n| n.cron(true, |m| m.minute == h(7) && works(m))),
    ("cron 0 0 29 2 *", |n| {
        n.cron(true, |m| m.minute == 0 && m.month == 2 && m.day == 29)
    }),
    ("cron 0 12 31 * *", |n| n.cron(true, |m| m.minute == h(12) && m.day == 31)),
    ("cron 0 0 13 * fri", |n| {
        n.cron(true, |m| m.minute == 0 && (m.day == 13 || m.weekday == 4))
    }),
    ("cron 5/25 22-23 * jan,mar-apr,oct-12 0", |n| {
        n.cron(true, |m| {
            m.minute >= h(22) && [5, 30, 55].contains(&(m.minute % 60)) && [1, 3, 4, 10, 11, 12].contains(&m.month) && m.weekday == 6
        })
    }),
    ("cron 10-20/5 2 * * sat-sun", |n| {
        n.cron(true, |m| hour_is(m, 2) && [10, 15, 20].contains(&(m.minute % 60)) && !works(m))
    }),
    ("cron 0 6 */10 * *", |n| n.cron(true, |m| m.minute == h(6) && m.day % 10 == 1)),
    ("cron @weekly", |n| n.cron(true, |m| m.minute == 0 && m.weekday == 6)),
    ("crontime 30 2 * * * & daily", |n| {
        let due = due(n, |n| n.day(0, day(1)));
        due & n.crontime(true, false, |m| m.minute == h(2) + 30)
    }),
    ("every 1 hour & time of day between 01:30 and 03:30", |n| {
        n.every(60) && n.day(h(1) + 30, h(3) + 30).is_some()
    }),
    (
        "every 3 hours & time of day between 22:00 and 06:00 & time of week between Mon and Fri",
        |n| n.every(h(3)) && n.day(h(22), h(30)).is_some() && works(n.now()),
    ),
    ("hourly & ~time of day between 06:00 and 23:00", |n| {
        let key = n.hour(0, 60);
        n.due(0, key) & n.day(h(6), h(23)).is_none()
    }),
    ("daily & time of month on 31st", |n| {
        due(n, |n| n.day(0, day(1))) & n.month(31, 31).is_some()
    }),
    ("weekly on Monday | cron 0 12 1 * *", |n| {
        let weekly = due(n, |n| n.week(0, day(1)));
        weekly | n.cron(true, |m| m.minute == h(12) && m.day == 1)
    }),
    ("(daily before 03:00 | monthly after 20th) & ~time of week on Sunday", |n| {
        let daily = due(n, |n| n.day(0, h(3)));
        let key = n.month(20, 31);
        let monthly = n.due(1, key);
        (daily | monthly) & (n.now().weekday < 6)
    }),
    ("hourly & crontime 59 23 28-31 2 *", |n| {
        let key = n.hour(0, 60);
        n.due(0, key) & n.crontime(true, false, |m| m.minute == 1439 && m.month == 2 && m.day >= 28)
    }),
];

fn due(naive: &mut Naive<'_>, window: fn(&Naive<'_>) -> Option<i64>) -> bool {
    let key = window(naive);
    naive.due(0, key)
}

fn minutes(text: &str) -> i64 {
    (text_to_ticks(text).unwrap() - UNIX_EPOCH) / MINUTE
}

fn ticks(minutes: i64) -> Ticks {
    UNIX_EPOCH + minutes * MINUTE
}

fn facts(last_run: Option<Ticks>) -> Facts {
    let mut own = TaskFacts::default();
    if let Some(at) = last_run {
        own.note(at, Action::Start);
        own.note(at, Action::Success);
    }
    Facts {
        tasks: [("own".to_owned(), own)].into(),
        ..Facts::default()
    }
}

/// Goes through a world minute by minute. Every hour, and every minute where `close` says so, both must say the same; then the
/// starts must be the same, those that are told in advance and those of a scheduler that sleeps until the next change.
fn compare(text: &str, says: Says, zone: Tz, world: &World, from: usize, close: impl Fn(usize) -> bool) {
    let condition = parse(text).unwrap();
    let mut naive = Naive::new(world);
    let mut starts = Vec::new();
    for index in 0..world.minutes.len() {
        naive.go(index);
        let expected = says(&mut naive);
        if index < from {
            continue;
        }
        let now = ticks(naive.now().utc);
        if index % 60 == 0 || close(index) {
            let found = holds(&condition, now, zone, "own", &facts(naive.last_run().map(ticks)));
            assert_eq!(found, expected, "{text} at {} UTC in {zone}", ticks_to_text(now));
        }
        if expected {
            naive.run();
            starts.push(now);
            assert!(!says(&mut naive), "{text} is for every minute");
        }
    }
    let (begin, end) = (ticks(world.minutes[from].utc), ticks(world.minutes[world.minutes.len() - 1].utc));
    let told = told(&condition, begin, end, zone);
    same(text, zone, "told", &told, &starts);
    if starts.len() < 2_000 {
        let slept = slept(&condition, begin, end, zone);
        same(text, zone, "slept", &slept, &starts);
    }
}

fn same(text: &str, zone: Tz, how: &str, found: &[Ticks], expected: &[Ticks]) {
    let shown = |at: Option<&Ticks>| at.map(|at| ticks_to_text(*at));
    for index in 0..found.len().max(expected.len()) {
        let pair = (found.get(index), expected.get(index));
        assert_eq!(shown(pair.0), shown(pair.1), "{text} in {zone}, {how}, start {index}");
    }
}

fn told(condition: &Condition, begin: Ticks, end: Ticks, zone: Tz) -> Vec<Ticks> {
    let mut all: Vec<Ticks> = Vec::new();
    loop {
        let last = all.last().copied();
        let more = next_runs(condition, last.unwrap_or(begin), zone, "own", &facts(last), NEXT_RUNS);
        let is_over = more.len() < NEXT_RUNS || more.iter().any(|at| *at > end);
        all.extend(more.into_iter().filter(|at| *at <= end));
        if is_over {
            return all;
        }
    }
}

fn slept(condition: &Condition, begin: Ticks, end: Ticks, zone: Tz) -> Vec<Ticks> {
    let mut all: Vec<Ticks> = Vec::new();
    let mut now = Some(begin);
    while let Some(at) = now.filter(|at| *at <= end) {
        if holds(condition, at, zone, "own", &facts(all.last().copied())) {
            all.push(at);
        }
        now = next_change(condition, at, zone, "own", &facts(all.last().copied()));
        assert!(now.is_none_or(|then| then > at));
    }
    all
}

const ZONES: [Tz; 5] = [
    Tz::Europe__Zurich,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kathmandu,
    Tz::UTC,
];

/// Days on which one of the zones puts its clock, and the leap day.
const SPECIAL: &[&str] = &[
    "2023-10-01",
    "2023-10-29",
    "2023-11-05",
    "2024-02-29",
    "2024-03-10",
    "2024-03-31",
    "2024-04-07",
    "2024-10-06",
    "2024-10-27",
    "2024-11-03",
    "2025-03-09",
    "2025-03-30",
    "2025-04-06",
];

/// Before the beginning of a stretch, so that windows begin where they do.
const LEAD: i64 = 40 * 1440;

fn two_years(zone: Tz) {
    let (from, to) = (minutes("2023-06-01"), minutes("2025-06-01"));
    let world = World::new(zone, from - LEAD, to);
    let days: Vec<i64> = SPECIAL.iter().map(|day| minutes(day)).collect();
    let is_special = |index: usize| {
        let utc = world.minutes[index].utc;
        days.iter().any(|day| (day - 720..day + 1440 + 120).contains(&utc)) && utc % 5 == 0
    };
    let turn = ZONES.iter().position(|other| *other == zone).unwrap();
    for (index, (text, says)) in CASES.iter().enumerate() {
        if index % ZONES.len() == turn {
            compare(text, *says, zone, &world, LEAD as usize, is_special);
        }
    }
}

/// Every condition, every zone, every minute of the days around each change.
fn changes(zone: Tz) {
    for day in SPECIAL {
        let middle = minutes(day);
        let world = World::new(zone, middle - LEAD, middle + 2 * 1440);
        let offset = |index: usize| world.minutes[index].ahead;
        let from = (LEAD - 1440) as usize;
        let is_leap_day = *day == "2024-02-29";
        if !is_leap_day && offset(from) == offset(world.minutes.len() - 1) {
            continue;
        }
        let last = (world.minutes.len() - 1, offset(from));
        let turn = (from..last.0).find(|index| offset(*index) != last.1).unwrap_or(LEAD as usize);
        let around = turn - 100..turn + 200;
        for (text, says) in CASES {
            compare(text, *says, zone, &world, from, |index| around.contains(&index));
        }
    }
}

macro_rules! years {
    ($($name:ident $changes:ident $zone:expr;)*) => {
        $(
            #[test]
            fn $name() {
                two_years($zone);
            }

            #[test]
            fn $changes() {
                changes($zone);
            }
        )*
    };
}

years! {
    two_years_in_zurich changes_in_zurich ZONES[0];
    two_years_in_new_york changes_in_new_york ZONES[1];
    two_years_on_lord_howe changes_on_lord_howe ZONES[2];
    two_years_in_kathmandu changes_in_kathmandu ZONES[3];
    two_years_in_utc changes_in_utc ZONES[4];
}

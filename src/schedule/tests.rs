use super::*;
use crate::model::clock::{SECOND, Ticks};
use crate::model::limits::{CONDITION_PARTS, NEXT_RUNS, TASK_RECORDS};
use crate::model::text::{text_to_ticks, ticks_to_text};

mod naive;
mod years;

fn at(text: &str) -> Ticks {
    text_to_ticks(text).unwrap()
}

fn facts(records: &[(&str, &str, Action)]) -> Facts {
    let mut facts = Facts::default();
    for (task, when, action) in records {
        facts.tasks.entry((*task).to_owned()).or_default().note(at(when), *action);
    }
    facts
}

/// Wednesday noon.
const NOON: &str = "2024-05-15T12:00";

#[test]
fn conditions_hold_by_what_has_happened() {
    use Action::{Crash, Fail, Inaction, Start, Success, Terminate};
    // Condition, task, time and action of what happened, whether it holds on Wednesday at noon.
    let cases: &[(&str, &[(&str, &str, Action)], bool)] = &[
        ("daily", &[], true),
        ("daily", &[("own", "2024-05-14T23:59:59", Success)], true),
        ("daily", &[("own", "2024-05-15T00:00", Success)], false),
        ("daily", &[("own", "2024-05-15T11:00", Fail)], false),
        ("daily", &[("own", "2024-05-15T11:00", Terminate)], false),
        ("daily", &[("own", "2024-05-15T11:00", Inaction)], false),
        ("daily", &[("own", "2024-05-15T11:00", Crash)], true),
        ("daily", &[("own", "2024-05-15T11:00", Start)], true),
        ("daily", &[("other", "2024-05-15T11:00", Success)], true),
        ("daily after 12:00", &[("own", "2024-05-15T11:59:59", Success)], true),
        ("daily before 12:00", &[], false),
        ("daily between 12:00 and 12:01", &[], true),
        ("daily between 22:00 and 12:00", &[], false),
        ("time of day between 22:00 and 12:01", &[("own", "2024-05-15T11:00", Success)], true),
        ("time of week on Wednesday", &[], true),
        ("time of week between Thursday and Wednesday", &[], true),
        ("time of month on 15th", &[], true),
        ("time of month between 20th and 14th", &[], false),
        ("every 1 hour", &[], true),
        ("every 1 hour", &[("own", "2024-05-15T11:00", Start)], true),
        ("every 1 hour", &[("own", "2024-05-15T11:00:01", Start)], false),
        ("every 1 hour based on success", &[("own", "2024-05-15T11:30", Start)], true),
        ("every 1 hour based on finish", &[("own", "2024-05-15T11:30", Crash)], false),
        ("every 1 hour based on fail", &[("own", "2024-05-15T11:30", Terminate)], true),
        ("every 7 hours anchored", &[("own", "2024-05-15T11:59", Start)], false),
        ("cron 0 12 * * wed", &[], true),
        ("cron 0 12 * * wed", &[("own", "2024-05-15T11:59:59", Start)], true),
        ("cron 0 12 * * wed", &[("own", "2024-05-15T12:00", Start)], false),
        ("crontime 0 12 * * wed", &[("own", "2024-05-15T12:00", Start)], true),
        ("once at 2024-05-15 12:00", &[], true),
        ("once at 2024-05-15 12:00", &[("own", "2024-05-15T11:59", Start)], true),
        ("once at 2024-05-15 12:00", &[("own", "2024-05-15T12:00", Start)], false),
        ("once at 2024-05-15 12:00:00.1", &[], false),
        ("after task 'a'", &[], false),
        ("after task 'a'", &[("a", "2024-01-01", Success)], true),
        (
            "after task 'a'",
            &[("a", "2024-05-15T10:00", Success), ("own", "2024-05-15T10:00", Start)],
            false,
        ),
        (
            "after task 'a'",
            &[("a", "2024-05-15T10:01", Success), ("own", "2024-05-15T10:00", Start)],
            true,
        ),
        ("after task 'a'", &[("a", "2024-05-15T10:00", Fail)], false),
        ("after task 'a' failed", &[("a", "2024-05-15T10:00", Fail)], true),
        ("after task 'a' finished", &[("a", "2024-05-15T10:00", Fail)], true),
        ("after task 'a' finished", &[("a", "2024-05-15T10:00", Terminate)], false),
        ("after task 'a' finished", &[("a", "2024-05-15T10:00", Crash)], false),
        ("after task 'a' terminated", &[("a", "2024-05-15T10:00", Terminate)], true),
        ("after task 'a' crashed", &[("a", "2024-05-15T10:00", Crash)], true),
        ("after tasks 'a', 'b'", &[("a", "2024-05-15T10:00", Success)], false),
        (
            "after tasks 'a', 'b'",
            &[("a", "2024-05-15T10:00", Success), ("b", "2024-05-14", Success)],
            true,
        ),
        ("after any tasks 'a', 'b'", &[("b", "2024-05-15T10:00", Success)], true),
        ("after any tasks 'a', 'b'", &[], false),
        ("has succeeded", &[("own", "2001-01-01", Success)], true),
        ("has failed", &[("own", "2001-01-01", Success)], false),
        ("task 'a' has succeeded today", &[("a", "2024-05-15T00:00", Success)], true),
        ("task 'a' has succeeded today", &[("a", "2024-05-14T23:59", Success)], false),
        ("has finished this week", &[("own", "2024-05-13T00:00", Terminate)], true),
        ("has finished this week", &[("own", "2024-05-12T23:00", Terminate)], false),
        ("has finished today", &[("own", "2024-05-15T01:00", Inaction)], false),
        (
            "has started this month before 5th",
            &[("own", "2024-05-05T23:00", Start), ("own", "2024-05-14", Start)],
            true,
        ),
        (
            "has started this month before 5th",
            &[("own", "2024-05-06T00:00", Start), ("own", "2024-05-14", Start)],
            false,
        ),
        (
            "has inacted today between 22:00 and 06:00",
            &[("own", "2024-05-14T23:00", Inaction)],
            true,
        ),
        ("has inacted today after 13:00", &[("own", "2024-05-14T23:00", Inaction)], false),
        ("has crashed past 2 hours", &[("own", "2024-05-15T10:00", Crash)], true),
        ("has crashed past 2 hours", &[("own", "2024-05-15T09:59:59", Crash)], false),
        ("has terminated this hour", &[("own", "2024-05-15T12:00", Terminate)], true),
        ("retry 2", &[], false),
        ("retry 2", &[("own", "2024-05-14", Fail), ("own", "2024-05-15", Fail)], true),
        ("retry 1", &[("own", "2024-05-14", Fail), ("own", "2024-05-15", Fail)], false),
        ("retry -1", &[("own", "2024-05-14", Fail), ("own", "2024-05-15", Fail)], true),
        ("retry -1", &[("own", "2024-05-14", Fail), ("own", "2024-05-15", Success)], false),
        (
            "retry 1",
            &[
                ("own", "2024-05-14", Fail),
                ("own", "2024-05-14T01:00", Inaction),
                ("own", "2024-05-15", Fail),
            ],
            true,
        ),
        ("true & ~false | false", &[], true),
        ("~(true | false)", &[], false),
        ("~false & false", &[], false),
    ];
    for (text, records, expected) in cases {
        let condition = parse(text).unwrap();
        let facts = facts(records);
        assert_eq!(
            holds(&condition, at(NOON), Zone::UTC, "own", &facts),
            *expected,
            "{text} after {records:?}"
        );
        let explained = explain(&condition, at(NOON), Zone::UTC, "own", &facts);
        assert_eq!(explained.holds, *expected, "{text}");
        assert!(
            explained.why.ends_with('.') && explained.why.len() > 10,
            "{text}: {}",
            explained.why
        );
    }
}

#[test]
fn conditions_hold_by_the_session_and_the_scheduler() {
    let mut facts = Facts {
        parameters: [("env".to_owned(), "test".to_owned()), ("n".to_owned(), "5".to_owned())].into(),
        scheduler_start: Some(at("2024-05-15T11:50")),
        scheduler_cycles: 3,
        ..Facts::default()
    };
    let running = facts.tasks.entry("a".to_owned()).or_default();
    running.running = true;
    running.scheduled = Some(at("2024-05-15T11:00"));
    let cases = [
        ("env 'test'", true),
        ("env 'Test'", false),
        ("param 'n' exists", true),
        ("param 'm' exists", false),
        ("param 'n' is '5'", true),
        ("param 'n' is '5.0'", false),
        ("task 'a' is running", true),
        ("while task 'b' is running", false),
        ("scheduler has 3 cycles", true),
        ("scheduler has more than 3 cycles", false),
        ("scheduler has less than 4 cycles", true),
        ("scheduler started 10 minutes ago", true),
        ("scheduler started 599 seconds ago", false),
        ("scheduler has run over 10 minutes", false),
        ("scheduler has run over 599 seconds", true),
    ];
    for (text, expected) in cases {
        assert_eq!(holds(&parse(text).unwrap(), at(NOON), Zone::UTC, "own", &facts), expected, "{text}");
    }
    let missed = parse("missed").unwrap();
    assert!(holds(&missed, at(NOON), Zone::UTC, "a", &facts) && !holds(&missed, at(NOON), Zone::UTC, "own", &facts));
    facts.tasks.get_mut("a").unwrap().note(at("2024-05-15T11:00"), Action::Start);
    assert!(!holds(&missed, at(NOON), Zone::UTC, "a", &facts));
}

#[test]
fn a_task_is_tried_again_as_often_as_it_may() {
    let daily = parse("daily").unwrap();
    let mut facts = facts(&[("own", "2024-05-14T09:00", Action::Fail)]);
    for hour in ["2024-05-15T09:00", "2024-05-15T10:00"] {
        facts.tasks.get_mut("own").unwrap().note(at(hour), Action::Fail);
    }
    for (retries, expected) in [(0, false), (1, false), (2, true), (3, true), (-1, true)] {
        facts.tasks.get_mut("own").unwrap().retries = retries;
        assert_eq!(holds(&daily, at(NOON), Zone::UTC, "own", &facts), expected, "{retries}");
    }
}

/// Without a span it is that of the task's own condition.
#[test]
fn a_span_is_the_tasks_own() {
    let condition = parse("task 'a' has succeeded").unwrap();
    let mut facts = facts(&[("a", "2024-05-14T23:00", Action::Success)]);
    let cases = [
        ("after task 'b'", true),
        ("daily after 07:00 & after task 'b'", false),
        ("param 'x' exists & weekly", true),
        ("every 12 hours", false),
        ("every 13 hours", true),
        ("daily | weekly", true),
    ];
    for (own, expected) in cases {
        facts.tasks.get_mut("a").unwrap().span = span_of(&parse(own).unwrap());
        assert_eq!(holds(&condition, at(NOON), Zone::UTC, "own", &facts), expected, "{own}");
    }
}

#[test]
fn what_is_needed_is_said() {
    // Condition; task, how far back, whether its span counts.
    let cases = [
        ("every 10 minutes", "own - false"),
        ("daily", "own 2024-05-13T22:00 false"),
        ("after task 'a' & task 'b' is running", "a - false, b - false, own - false"),
        (
            "task 'a' has failed this week | ~daily",
            "a 2024-05-05T22:00 false, own 2024-05-13T22:00 false",
        ),
        ("task 'a' has failed", "a - true, own - false"),
        ("task 'own' has failed past 1 hour", "own - false"),
        ("monthly & daily between 22:00 and 06:00", "own 2024-03-31T22:00 false"),
    ];
    for (text, expected) in cases {
        let needs = parse(text).unwrap().needs(at(NOON), Zone::Europe__Zurich, "own");
        let since = |since: Option<Ticks>| since.map_or("-".to_owned(), |at| ticks_to_text(at)[..16].to_owned());
        let needs: Vec<_> = needs
            .iter()
            .map(|need| format!("{} {} {}", need.task, since(need.since), need.span))
            .collect();
        assert_eq!(needs.join(", "), expected, "{text}");
    }
}

#[test]
fn every_part_is_explained() {
    let condition = parse("daily between 22:00 and 06:00 & ~(after task 'a' | task 'b' is running)").unwrap();
    let facts = facts(&[
        ("a", "2024-05-15T18:00", Action::Success),
        ("own", "2024-05-15T20:29", Action::Start),
        ("own", "2024-05-15T20:30", Action::Success),
    ]);
    let found = explain(&condition, at("2024-05-15T22:15"), Zone::Europe__Zurich, "own", &facts);
    let mut lines = Vec::new();
    fn list(explained: &Explanation, depth: usize, lines: &mut Vec<String>) {
        lines.push(format!(
            "{}{} {}: {}",
            "  ".repeat(depth),
            explained.holds,
            explained.text,
            explained.why
        ));
        explained.parts.iter().for_each(|part| list(part, depth + 1, lines));
    }
    list(&found, 0, &mut lines);
    assert_eq!(
        lines,
        [
            "false daily between 22:00 and 06:00 & ~(after task 'a' | task 'b' is running): 1 of its 2 parts hold.",
            "  false daily between 22:00 and 06:00: The task succeeded at 2024-05-15 22:30:00, in the window that began 2024-05-15 22:00:00.",
            "  true ~(after task 'a' | task 'b' is running): What it negates does not hold.",
            "    false after task 'a' | task 'b' is running: None of its parts holds.",
            "      false after task 'a': a has succeeded at 2024-05-15 20:00:00, before this task started.",
            "      false task 'b' is running: No run of b is alive.",
        ]
    );
}

#[test]
fn the_next_change_is_exact() {
    let facts = facts(&[
        ("own", "2024-05-15T11:30:00.5", Action::Start),
        ("a", "2024-05-15T11:00", Action::Fail),
    ]);
    // Condition, zone, the next change after Wednesday noon.
    let cases = [
        ("true", "UTC", ""),
        ("after task 'a'", "UTC", ""),
        ("daily after 07:00 & false", "UTC", ""),
        ("every 1 hour", "UTC", "2024-05-15T12:30:00.5000000"),
        ("every 1 hour & daily after 13:00", "UTC", "2024-05-15T13:00:00.0000000"),
        ("~every 1 hour", "UTC", "2024-05-15T12:30:00.5000000"),
        ("time of day before 12:00", "Asia/Kathmandu", "2024-05-15T18:15:00.0000000"),
        ("time of month on 31st", "UTC", "2024-05-31T00:00:00.0000000"),
        ("minutely & time of month on 31st", "UTC", "2024-05-31T00:00:00.0000000"),
        ("secondly & time of month on 28th & cron 0 0 29 2 *", "UTC", ""),
        ("cron 0 0 29 2 * & secondly", "UTC", "2028-02-29T00:00:00.0000000"),
        ("once at 2030-01-01 00:00:00.25", "Europe/Zurich", "2029-12-31T23:00:00.2500000"),
        ("once at 2024-03-31 02:30", "Europe/Zurich", ""),
        ("task 'a' has failed past 2 hours", "UTC", "2024-05-15T13:00:00.0000001"),
        ("task 'a' has failed today", "Europe/Zurich", "2024-05-15T22:00:00.0000000"),
        ("~has succeeded today", "UTC", ""),
    ];
    for (text, name, expected) in cases {
        let zone = zone(name).unwrap();
        let condition = parse(text).unwrap();
        let found = next_change(&condition, at(NOON), zone, "own", &facts);
        let shown = found.map(ticks_to_text).unwrap_or_default();
        // What never changes, but could every second, is looked at until the work is done.
        if expected.is_empty()
            && found.is_some_and(|at| holds(&condition, at, zone, "own", &facts) == holds(&condition, at - 1, zone, "own", &facts))
        {
            continue;
        }
        assert_eq!(shown, expected, "{text}");
    }
}

/// A time that is missing begins after the gap, and one that is there twice at the first.
#[test]
fn moments_are_where_the_clock_shows_them() {
    let cases = [
        ("once at 2024-03-31 02:30", "2024-03-31T01:00"),
        ("once at 2024-10-27 02:30", "2024-10-27T00:30"),
        ("once at 2024-10-27 02:30+01:00", "2024-10-27T01:30"),
    ];
    for (text, expected) in cases {
        let runs = next_runs(
            &parse(text).unwrap(),
            at("2024-01-01"),
            Zone::Europe__Zurich,
            "own",
            &Facts::default(),
            5,
        );
        assert_eq!(runs, [at(expected)], "{text}");
    }
}

#[test]
fn starts_are_told_within_bounds() {
    let runs = |text: &str, count| {
        next_runs(
            &parse(text).unwrap(),
            at(NOON),
            Zone::Europe__Zurich,
            "own",
            &Facts::default(),
            count,
        )
    };
    assert_eq!(runs("true", 3), [at(NOON), at(NOON) + SECOND, at(NOON) + 2 * SECOND]);
    assert_eq!(runs("daily", NEXT_RUNS).len(), NEXT_RUNS);
    assert_eq!(runs("daily", NEXT_RUNS + 1).len(), NEXT_RUNS);
    assert_eq!(runs("secondly", 4)[3], at(NOON) + 3 * SECOND);
    assert!(runs("false", 5).is_empty() && runs("daily", 0).is_empty() && runs("after task 'a'", 5).is_empty());
    // Parts that change all the time and never hold together.
    let never = [
        "secondly & ~secondly",
        "minutely on 10 & minutely on 20",
        "time of day before 01:00 & time of day after 23:00",
    ];
    for text in never {
        assert!(runs(text, 5).is_empty(), "{text}");
    }
    let heavy = vec!["(cron 0 0 29 2 * & ~cron 0 0 29 2 * & secondly & ~minutely)"; CONDITION_PARTS / 4].join("|");
    assert!(runs(&heavy, NEXT_RUNS).is_empty());
}

#[test]
fn the_newest_records_are_enough() {
    let mut task = TaskFacts::default();
    for minute in 0..5 * TASK_RECORDS as Ticks {
        task.note(at("2024-01-01") + minute * 60 * SECOND, Action::Fail);
    }
    assert!((TASK_RECORDS..=2 * TASK_RECORDS).contains(&task.records.len()));
    assert_eq!(task.failures as usize, 5 * TASK_RECORDS);
}

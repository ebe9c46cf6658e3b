//! Canonical texts. Each parses back to the same tree.

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

use super::condition::{Act, Condition, Every, Moment, Span};
use super::delta::{DAY, HOUR, MINUTE};
use super::period::{Period, Point, Unit, Window};
use crate::model::clock::{SECOND, Ticks};
use crate::model::text::ticks_to_text;

/// Names of the cycles: the task's, the window's, the span's.
pub(super) const UNITS: &[(Unit, &str, &str, &str)] = &[
    (Unit::Second, "secondly", "", ""),
    (Unit::Minute, "minutely", "minute", "this minute"),
    (Unit::Hour, "hourly", "hour", "this hour"),
    (Unit::Day, "daily", "day", "today"),
    (Unit::Week, "weekly", "week", "this week"),
    (Unit::Month, "monthly", "month", "this month"),
];

/// From the first day of the week.
pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Constant(value) => write!(f, "{value}"),
            Condition::Not(inner) => {
                f.write_str("~")?;
                inner.within(f, matches!(**inner, Condition::All(_) | Condition::Any(_)))
            }
            Condition::All(parts) => joined(parts, " & ", f, |part| matches!(part, Condition::All(_) | Condition::Any(_))),
            Condition::Any(parts) => joined(parts, " | ", f, |part| matches!(part, Condition::Any(_))),
            Condition::Run(period) => write!(f, "{}{}", names(period.unit).1, Qualifier(period)),
            Condition::TimeOf(period) => write!(f, "time of {}{}", names(period.unit).2, Qualifier(period)),
            Condition::Every(every) => every.fmt(f),
            Condition::Cron(cron) => write!(f, "cron {cron}"),
            Condition::CronTime(cron) => write!(f, "crontime {cron}"),
            Condition::Once(moment) => moment.fmt(f),
            Condition::After { tasks, any, act } => after(tasks, *any, *act, f),
            Condition::Has { task, act, span } => {
                if let Some(task) = task {
                    write!(f, "task {} ", Quoted(task))?;
                }
                write!(f, "has {}", act.word())?;
                match span {
                    Span::Own => Ok(()),
                    _ => write!(f, " {span}"),
                }
            }
            Condition::Running(task) => write!(f, "task {} is running", Quoted(task)),
            Condition::Environment(value) => write!(f, "env {}", Quoted(value)),
            Condition::Parameter(key, None) => write!(f, "param {} exists", Quoted(key)),
            Condition::Parameter(key, Some(value)) => write!(f, "param {} is {}", Quoted(key), Quoted(value)),
            Condition::Cycles(order, count) => {
                let than = match order {
                    Ordering::Less => "less than ",
                    Ordering::Equal => "",
                    Ordering::Greater => "more than ",
                };
                write!(f, "scheduler has {than}{count} cycles")
            }
            Condition::Started(delta) => write!(f, "scheduler started {delta} ago"),
            Condition::RunOver(delta) => write!(f, "scheduler has run over {delta}"),
            Condition::Retry(Some(times)) => write!(f, "retry {times}"),
            Condition::Retry(None) => f.write_str("retry -1"),
            Condition::Missed => f.write_str("missed"),
        }
    }
}

impl Condition {
    fn within(&self, f: &mut Formatter<'_>, parentheses: bool) -> fmt::Result {
        if parentheses { write!(f, "({self})") } else { self.fmt(f) }
    }
}

fn joined(parts: &[Condition], operator: &str, f: &mut Formatter<'_>, apart: fn(&Condition) -> bool) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index > 0 { operator } else { "" })?;
        part.within(f, apart(part))?;
    }
    Ok(())
}

fn after(tasks: &[String], any: bool, act: Act, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(match (any, tasks.len()) {
        (true, _) => "after any tasks",
        (false, 1) => "after task",
        (false, _) => "after tasks",
    })?;
    for (index, task) in tasks.iter().enumerate() {
        write!(f, "{} {}", if index > 0 { "," } else { "" }, Quoted(task))?;
    }
    match act {
        Act::Succeeded => Ok(()),
        _ => write!(f, " {}", act.word()),
    }
}

impl Display for Every {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "every {}", self.delta)?;
        if self.basis != Act::Started {
            write!(f, " based on {}", self.basis.noun())?;
        }
        f.write_str(if self.anchored { " anchored" } else { "" })
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (ticks, zone) = match self {
            Moment::Local(ticks) => (ticks, ""),
            Moment::Instant(ticks) => (ticks, "Z"),
        };
        let text = ticks_to_text(*ticks);
        let (date, time) = text.split_at(10);
        let time = time[1..].trim_end_matches('0').trim_end_matches('.');
        // The fraction may go; the seconds stay.
        let time = if time.len() < 8 { &text[11..19] } else { time };
        write!(f, "once at {date} {time}{zone}")
    }
}

/// Without a word for [`Span::Own`].
impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Span::Own => Ok(()),
            Span::This(period) => write!(f, "{}{}", names(period.unit).3, Qualifier(period)),
            Span::Past(delta) => write!(f, "past {delta}"),
        }
    }
}

fn names(unit: Unit) -> &'static (Unit, &'static str, &'static str, &'static str) {
    UNITS.iter().find(|row| row.0 == unit).unwrap_or(&UNITS[0])
}

/// ` between 22:00 and 06:00`
struct Qualifier<'a>(&'a Period);

impl Display for Qualifier<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let place = |point| Place(self.0.unit, point);
        match self.0.window {
            Window::Whole => Ok(()),
            Window::Between(a, b) => write!(f, " between {} and {}", place(a), place(b)),
            Window::Before(b) => write!(f, " before {}", place(b)),
            Window::After(a) => write!(f, " after {}", place(a)),
            Window::Starting(a) => write!(f, " starting {}", place(a)),
            Window::On(a) => write!(f, " on {}", place(a)),
        }
    }
}

/// A point in a cycle.
struct Place(Unit, Point);

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Place(unit, point) = self;
        match unit {
            Unit::Second | Unit::Minute => return write!(f, "{:02}", point.time / SECOND),
            Unit::Hour => return write!(f, "{:02}:{:02}", point.time / MINUTE, point.time / SECOND % 60),
            Unit::Day => return f.write_str(&time(point.time)),
            Unit::Week => f.write_str(DAYS[usize::from(point.day) % 7])?,
            Unit::Month => write!(f, "{}{}", point.day, ordinal(point.day))?,
        }
        if point.whole { Ok(()) } else { write!(f, " {}", time(point.time)) }
    }
}

/// `07:00`, with seconds where there are some.
pub(super) fn time(ticks: Ticks) -> String {
    let (hour, minute, second) = (ticks % DAY / HOUR, ticks / MINUTE % 60, ticks / SECOND % 60);
    match second {
        0 => format!("{hour:02}:{minute:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}

fn ordinal(day: u8) -> &'static str {
    match (day / 10, day % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

/// A name in quotes, those in it doubled.
pub(super) struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

//! Cron: the minutes that five fields allow.
//!
//! ```text
//! cron   = minute hour day month weekday / "@" name
//! field  = item *( "," item )
//! item   = "*" [ "/" step ] / value [ "-" value ] [ "/" step ]          ; `5/15` is `5-59/15`
//! ```
//!
//! Months and weekdays have names of three letters or more, 0 and 7 are Sunday, a range may end with Sunday. A field that
//! allows everything restricts nothing, however it is written; when days and weekdays are both restricted, one of them is
//! enough. A date that no year has is refused.
//!
//! When clocks are put: times of a cron with restricted hours that are missing fall on the first minute after the gap, and
//! those that are there twice start a task at the first. Where every hour is allowed it goes by the wall clock alone, so
//! that `*/5 * * * *` does not stop for an hour.

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate};

use super::delta::{DAY, HOUR, MINUTE};
use super::zone::{Shown, Zone, date, local, midnight, shown};
use crate::model::clock::Ticks;

/// A field: its name in faults, what it goes from and to, names of its values.
struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: &[&str] = &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// The five fields in their order.
const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of the month", 1, 31, &[]),
    field("month", 1, 12, MONTHS),
    field("weekday", 0, 6, WEEKDAYS),
];

const fn field(name: &'static str, low: u8, high: u8, names: &'static [&'static str]) -> Field {
    Field { name, low, high, names }
}

/// Names of whole expressions.
const NAMED: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Most days that each month has.
const LONGEST: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The values that each of the five fields allows, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron([u64; 5]);

impl Cron {
    /// The expression of a name with `@`.
    pub(super) fn named(name: &str) -> Option<Cron> {
        let row = NAMED.iter().find(|row| row.0.eq_ignore_ascii_case(name))?;
        let mut fields = row.1.split(' ');
        let mut sets = [0; 5];
        for (index, set) in sets.iter_mut().enumerate() {
            *set = Cron::field(index, fields.next()?).ok()?;
        }
        Some(Cron(sets))
    }

    /// The five fields together; none if no date is like that.
    pub(super) fn of(sets: [u64; 5]) -> Option<Cron> {
        let cron = Cron(sets);
        let possible = LONGEST.iter().zip(1..).any(|(&days, month)| {
            let allowed = sets[2] & every(1, days);
            has(sets[3], month) && allowed != 0
        });
        (possible || cron.is_restricted(4)).then_some(cron)
    }

    /// Reads the field of an index; the fault is where in it, and a sentence.
    pub(super) fn field(index: usize, text: &str) -> Result<u64, (usize, String)> {
        let field = &FIELDS[index];
        let mut set = 0;
        let mut at = 0;
        for item in text.split(',') {
            set |= field.item(item).map_err(|(place, what)| (at + place, what))?;
            at += item.len() + 1;
        }
        Ok(set)
    }

    fn is_restricted(self, index: usize) -> bool {
        self.0[index] != every(FIELDS[index].low, FIELDS[index].high)
    }

    fn allows_date(self, date: NaiveDate) -> bool {
        let day = has(self.0[2], date.day() as u8);
        let weekday = has(self.0[4], date.weekday().num_days_from_sunday() as u8);
        let either = self.is_restricted(2) && self.is_restricted(4);
        has(self.0[3], date.month() as u8) && if either { day || weekday } else { day && weekday }
    }

    /// Whether the minute of a local time is allowed.
    fn allows(self, clock: Ticks) -> bool {
        let time = clock.rem_euclid(DAY);
        has(self.0[0], (time / MINUTE % 60) as u8) && has(self.0[1], (time / HOUR) as u8) && self.allows_date(date(clock))
    }

    /// The first allowed minute at or after a local time. The longest way is to a leap day over the end of a century.
    fn next_allowed(self, from: Ticks) -> Option<Ticks> {
        let from = from + (-from).rem_euclid(MINUTE);
        let mut day = date(from);
        let mut time = from.rem_euclid(DAY);
        let last = day.checked_add_months(Months::new(12 * 9))?;
        while day <= last {
            if !has(self.0[3], day.month() as u8) {
                day = day.with_day(1)?.checked_add_months(Months::new(1))?;
                time = 0;
                continue;
            }
            if self.allows_date(day)
                && let Some(time) = self.next_time(time)
            {
                return Some(midnight(day) + time);
            }
            day = day.checked_add_days(Days::new(1))?;
            time = 0;
        }
        None
    }

    /// The first allowed time of a day at or after one.
    fn next_time(self, from: Ticks) -> Option<Ticks> {
        let (hour, minute) = ((from / HOUR) as u8, (from / MINUTE % 60) as u8);
        let in_hour = |hour: u8, minute: u8| {
            let minutes = self.0[0] >> minute << minute;
            (minutes != 0).then(|| Ticks::from(hour) * HOUR + Ticks::from(minutes.trailing_zeros()) * MINUTE)
        };
        if has(self.0[1], hour)
            && let Some(time) = in_hour(hour, minute)
        {
            return Some(time);
        }
        let hour = (hour + 1..24).find(|hour| has(self.0[1], *hour))?;
        in_hour(hour, 0)
    }

    /// The instant at which the minute of now began, if it is an allowed one: by the wall clock, or because allowed ones are
    /// missing just before it. `once`: not the second time that the wall clock shows it.
    pub(super) fn minute(self, zone: Zone, now: Ticks, once: bool) -> Option<Ticks> {
        let clock = local(zone, now);
        let start = now - clock.rem_euclid(MINUTE);
        let clock = clock - clock.rem_euclid(MINUTE);
        if self.allows(clock) {
            let again = once && self.is_restricted(1) && matches!(shown(zone, clock), Shown::Twice { first, .. } if first < start);
            return (!again).then_some(start);
        }
        let before = local(zone, start - 1) + 1;
        let missed = self.is_restricted(1) && before < clock && self.next_allowed(before).is_some_and(|at| at < clock);
        missed.then_some(start)
    }

    /// An instant until which it stays as it is whether [`Cron::minute`] has one.
    pub(super) fn change(self, zone: Zone, now: Ticks, once: bool) -> Option<Ticks> {
        if let Some(start) = self.minute(zone, now, once) {
            return Some(start + MINUTE);
        }
        let clock = local(zone, now);
        let clock = clock - clock.rem_euclid(MINUTE) + MINUTE;
        let shown_next = shown(zone, self.next_allowed(clock)?);
        // When the clock is put back, what was before now on it comes again.
        let turned = match shown(zone, clock - MINUTE) {
            Shown::Twice { turn, .. } => Some(turn).filter(|turn| *turn > now),
            _ => None,
        };
        let next = shown_next.edges().find(|edge| *edge > now);
        [next, turned].into_iter().flatten().min()
    }
}

/// The canonical text: `*`, `*/15`, or values and ranges in their order.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (set, field)) in self.0.iter().zip(&FIELDS).enumerate() {
            f.write_str(if index > 0 { " " } else { "" })?;
            field.print(*set, f)?;
        }
        Ok(())
    }
}

impl Field {
    fn item(&self, text: &str) -> Result<u64, (usize, String)> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        let step_at = range.len() + 1;
        let step_by = match step {
            None => 1,
            Some(digits) => match number(digits).filter(|step| (1..=self.high).contains(step)) {
                Some(step) => step,
                None => return Err((step_at, format!("a step from 1 to {} of the {}", self.high, self.name))),
            },
        };
        let (low, high) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((low, high)) => {
                let (from, to) = (self.value(low, 0)?, self.value(high, low.len() + 1)?);
                let (from, to) = if self.high == 6 { week_range(from, to) } else { (from, to) };
                if from > to {
                    return Err((0, format!("a {} range that goes up", self.name)));
                }
                (from, to)
            }
            None => {
                let value = self.value(range, 0)? % if self.high == 6 { 7 } else { u8::MAX };
                (value, if step.is_some() { self.high } else { value })
            }
        };
        let values = (low..=high).step_by(usize::from(step_by));
        Ok(values.fold(0, |set, value| set | 1 << if self.high == 6 { value % 7 } else { value }))
    }

    fn value(&self, text: &str, at: usize) -> Result<u8, (usize, String)> {
        let highest = if self.high == 6 { 7 } else { self.high };
        let lower = text.to_ascii_lowercase();
        let is_name = |name: &&str| lower.len() == 3 && name.starts_with(&lower) || **name == lower;
        let named = self.names.iter().position(is_name).map(|index| index as u8 + self.low);
        let value = named.or_else(|| number(text).filter(|value| (self.low..=highest).contains(value)));
        let what = || {
            let or_name = if self.names.is_empty() { "" } else { " or its name" };
            format!("a {} from {} to {}{or_name}", self.name, self.low, highest)
        };
        value.ok_or_else(|| (at, what()))
    }

    fn print(&self, set: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if set == every(self.low, self.high) {
            return f.write_str("*");
        }
        let stepped = |step: &u8| {
            set == (self.low..=self.high)
                .step_by(usize::from(*step))
                .fold(0, |set, value| set | 1 << value)
        };
        if let Some(step) = (2..=self.high).find(stepped).filter(|_| set.count_ones() > 2) {
            return write!(f, "*/{step}");
        }
        let mut comma = "";
        let mut value = self.low;
        while value <= self.high {
            if has(set, value) {
                let length = (set >> value).trailing_ones() as u8;
                match length {
                    1 => write!(f, "{comma}{value}")?,
                    _ => write!(f, "{comma}{value}-{}", value + length - 1)?,
                }
                comma = ",";
                value += length;
            }
            value += 1;
        }
        Ok(())
    }
}

/// Sunday begins a week, and ends it.
fn week_range(from: u8, to: u8) -> (u8, u8) {
    match (from, to) {
        (0, 7) => (0, 6),
        _ if from % 7 == to % 7 => (from % 7, from % 7),
        (_, 0) => (from, 7),
        _ => (from % 7, to),
    }
}

/// A number of at most two digits.
fn number(text: &str) -> Option<u8> {
    let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.parse().ok())?
}

fn has(set: u64, value: u8) -> bool {
    set >> value & 1 == 1
}

/// All values from one to another.
fn every(low: u8, high: u8) -> u64 {
    (low..=high).fold(0, |set, value| set | 1 << value)
}

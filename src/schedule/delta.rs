//! Intervals: how long, not when.
//!
//! ```text
//! delta  = part *( separator part )
//! part   = digits [ "." digits ] [ blanks ] unit / clock
//! unit   = "us" / "ms" / "s" / "m" / "h" / "d" / "w" / their names, in any case
//! clock  = digits ":" 2digits [ ":" 2digits [ "." digits ] ]              ; `1 day 02:30:00`
//! separator = [ blanks ] [ "," ] [ blanks ] [ "and" blanks ]
//! ```

use std::fmt;

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while1};
use nom::character::complete::{char, digit1, multispace0, multispace1};
use nom::combinator::{opt, recognize};
use nom::{IResult, Parser as _};

use crate::model::clock::{SECOND, Ticks};
use crate::model::limits::INTERVAL_DAYS;

pub(super) const MINUTE: Ticks = 60 * SECOND;
pub(super) const HOUR: Ticks = 60 * MINUTE;
pub(super) const DAY: Ticks = 24 * HOUR;
pub(super) const WEEK: Ticks = 7 * DAY;

/// The longest interval.
const LONGEST: Ticks = INTERVAL_DAYS as Ticks * DAY;

/// How many digits a number may have before and after its point.
const DIGITS: usize = 12;

/// Names of units. Months and years have no fixed length.
const UNITS: &[(&[&str], Ticks)] = &[
    (&["us", "µs", "microsecond", "microseconds"], SECOND / 1_000_000),
    (&["ms", "milli", "millis", "millisecond", "milliseconds"], SECOND / 1_000),
    (&["s", "sec", "secs", "second", "seconds"], SECOND),
    (&["m", "min", "mins", "minute", "minutes"], MINUTE),
    (&["h", "hr", "hrs", "hour", "hours"], HOUR),
    (&["d", "day", "days"], DAY),
    (&["w", "week", "weeks"], WEEK),
];

/// A positive interval, up to [`INTERVAL_DAYS`], exact to a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delta(Ticks);

impl Delta {
    /// An interval of so many ticks, if it is within the bounds.
    pub fn new(ticks: Ticks) -> Option<Delta> {
        (1..=LONGEST).contains(&ticks).then_some(Delta(ticks))
    }

    /// How many ticks it has.
    pub fn ticks(self) -> Ticks {
        self.0
    }

    /// Reads a whole text.
    pub fn parse(text: &str) -> Option<Delta> {
        let (rest, read) = read(text.trim()).ok()?;
        read.ok().filter(|_| rest.is_empty())
    }
}

/// Days, hours, minutes and seconds, those that are not zero: `1 day 12 hours`.
impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut blank = "";
        for (unit, name) in [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")] {
            let count = rest / unit;
            rest %= unit;
            if count > 0 {
                write!(f, "{blank}{count} {name}{}", if count == 1 { "" } else { "s" })?;
                blank = " ";
            }
        }
        match (rest / SECOND, rest % SECOND) {
            (0, 0) => Ok(()),
            (1, 0) => write!(f, "{blank}1 second"),
            (seconds, 0) => write!(f, "{blank}{seconds} seconds"),
            (seconds, fraction) => {
                let fraction = format!("{fraction:07}");
                write!(f, "{blank}{seconds}.{} seconds", fraction.trim_end_matches('0'))
            }
        }
    }
}

/// Why what looks like an interval is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Nothing, or more than the longest.
    Bounds,
    /// Finer than a tick.
    Fraction,
}

/// Reads the interval that a text begins with; a recoverable error where none begins.
pub(super) fn read(input: &str) -> IResult<&str, Result<Delta, Unfit>, ()> {
    let (mut rest, mut total) = part(input)?;
    while let Ok((after, next)) = (separator, part).map(|(_, next)| next).parse(rest) {
        rest = after;
        total = total.and_then(|total| Ok(total + next?));
    }
    Ok((
        rest,
        total.and_then(|total| i64::try_from(total).ok().and_then(Delta::new).ok_or(Unfit::Bounds)),
    ))
}

fn separator(input: &str) -> IResult<&str, (), ()> {
    let and = (tag_no_case("and"), multispace1);
    (multispace0, opt(char(',')), multispace0, opt(and)).map(|_| ()).parse(input)
}

type Sum = Result<i128, Unfit>;

fn part(input: &str) -> IResult<&str, Sum, ()> {
    alt((clock, counted)).parse(input)
}

/// `1.5 hours`
fn counted(input: &str) -> IResult<&str, Sum, ()> {
    let (rest, number) = recognize((digit1, opt((char('.'), digit1)))).parse(input)?;
    let (rest, _) = multispace0(rest)?;
    let (rest, name) = take_while1(|c: char| c.is_alphabetic()).parse(rest)?;
    let name = name.to_lowercase();
    let unit = UNITS.iter().find(|row| row.0.contains(&name.as_str()));
    let unit = unit.ok_or(nom::Err::Error(()))?.1;
    Ok((rest, times(number, unit)))
}

/// `02:30:00`
fn clock(input: &str) -> IResult<&str, Sum, ()> {
    let seconds = opt((tag(":"), sixty, opt(recognize((char('.'), digit1)))));
    let (rest, (hours, _, minutes, seconds)) = (digit1, char(':'), sixty, seconds).parse(input)?;
    let mut total = times(hours, HOUR).map(|hours| hours + minutes * i128::from(MINUTE));
    if let Some((_, whole, fraction)) = seconds {
        let fraction = fraction.map_or(Ok(0), |digits| times(&format!("0{digits}"), SECOND));
        total = total.and_then(|total| Ok(total + whole * i128::from(SECOND) + fraction?));
    }
    Ok((rest, total))
}

/// Two digits up to 59.
fn sixty(input: &str) -> IResult<&str, i128, ()> {
    let (rest, digits) = digit1(input)?;
    match digits.parse() {
        Ok(value) if digits.len() == 2 && value < 60 => Ok((rest, value)),
        _ => Err(nom::Err::Error(())),
    }
}

/// A decimal number of a unit, in ticks.
fn times(number: &str, unit: Ticks) -> Sum {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = whole.trim_start_matches('0');
    if whole.len() > DIGITS {
        return Err(Unfit::Bounds);
    }
    if fraction.len() > DIGITS {
        return Err(Unfit::Fraction);
    }
    let digits = |digits: &str| digits.bytes().fold(0_i128, |value, byte| value * 10 + i128::from(byte - b'0'));
    let scale = 10_i128.pow(fraction.len() as u32);
    let parts = digits(fraction) * i128::from(unit);
    if parts % scale != 0 {
        return Err(Unfit::Fraction);
    }
    Ok(digits(whole) * i128::from(unit) + parts / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, canonical text.
    const GOOD: &[(&str, &str)] = &[
        ("10 seconds", "10 seconds"),
        ("1 second", "1 second"),
        ("90s", "1 minute 30 seconds"),
        ("1h30m", "1 hour 30 minutes"),
        ("1h 30min", "1 hour 30 minutes"),
        ("1.5 hours", "1 hour 30 minutes"),
        ("2 hours, 30 minutes", "2 hours 30 minutes"),
        ("2 hours,30 minutes", "2 hours 30 minutes"),
        ("2 hours and 30 minutes", "2 hours 30 minutes"),
        ("2 hours, and 30 minutes", "2 hours 30 minutes"),
        ("1 day, 12 hour", "1 day 12 hours"),
        ("1 days 02:30:00", "1 day 2 hours 30 minutes"),
        ("00:10", "10 minutes"),
        ("00:00:01.25", "1.25 seconds"),
        ("100:00:00", "4 days 4 hours"),
        ("2w", "14 days"),
        ("1 Week", "7 days"),
        ("250 ms", "0.25 seconds"),
        ("0.1 us", "0.0000001 seconds"),
        ("5 µs", "0.000005 seconds"),
        ("0.5 days", "12 hours"),
        ("10\n minutes", "10 minutes"),
        ("007 min", "7 minutes"),
        ("36525 days", "36525 days"),
    ];

    /// Also with more than a delta in them, or with none.
    const BAD: &[&str] = &[
        "",
        "10",
        "hours",
        "-1 hour",
        "1 month",
        "1 year",
        "0 seconds",
        "36525 days 1 us",
        "36526 days",
        "0.01 us",
        "0.33333333333333 s",
        "9999999999999 weeks",
        "1 hour ago",
        "1 hour,",
        "1:60",
        "1:2:3",
        ". 5 h",
        "1. h",
        "½ h",
    ];

    #[test]
    fn intervals_print_and_parse_back() {
        for (text, canonical) in GOOD {
            let delta = Delta::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(delta.to_string(), *canonical, "{text}");
            assert_eq!(Delta::parse(canonical), Some(delta), "{text}");
        }
        for text in BAD {
            assert_eq!(Delta::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_number_of_ticks_comes_back() {
        let mut ticks: Ticks = 1;
        while ticks <= LONGEST {
            for near in [ticks - 1, ticks, ticks + 1] {
                let Some(delta) = Delta::new(near) else { continue };
                assert_eq!(Delta::parse(&delta.to_string()), Some(delta), "{near}");
            }
            ticks = ticks * 13 / 8 + 1;
        }
        assert!(Delta::new(LONGEST).is_some() && Delta::new(LONGEST + 1).is_none() && Delta::new(0).is_none());
    }
}

//! Places in a cycle and points in time, as conditions write them.
//!
//! ```text
//! minute SS · hour MM:SS · day HH:MM[:SS] · week Mon|Monday [time of day] · month 1st|3rd|15.|5 [time of day]
//! ```

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while_m_n};
use nom::character::complete::{alpha1, char, digit1, multispace0};
use nom::combinator::{opt, recognize};
use nom::{IResult, Parser as _};

use super::{Parser, ends};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::{Edm, Value};
use crate::model::fault::Outcome;
use crate::model::text::{self, text_to_ticks};
use crate::schedule::condition::Moment;
use crate::schedule::delta::{HOUR, MINUTE};
use crate::schedule::period::{Period, Point, Unit, Window};
use crate::schedule::print::DAYS;

impl<'a> Parser<'a> {
    /// A qualifier if one is there; the whole cycle if not.
    pub(super) fn qualifier(&mut self, unit: Unit) -> Outcome<Period> {
        let window = match () {
            () if unit == Unit::Second => Window::Whole,
            () if self.words("between") => {
                let from = self.point(unit)?;
                if !self.words("and") {
                    self.blanks();
                    return Err(self.expected("`and` and the end of the window"));
                }
                Window::Between(from, self.point(unit)?)
            }
            () if self.words("before") => {
                self.blanks();
                let at = self.at();
                let point = self.point(unit)?;
                let first = u8::from(unit == Unit::Month);
                if !point.whole && point.time == 0 && point.day == first {
                    return Err(self.expected_at(at, "an end after the beginning of the cycle"));
                }
                Window::Before(point)
            }
            () if self.words("after") => Window::After(self.point(unit)?),
            () if self.words("starting") => Window::Starting(self.point(unit)?),
            () if self.words("on") || self.words("at") => Window::On(self.point(unit)?),
            () => Window::Whole,
        };
        Ok(Period { unit, window })
    }

    fn point(&mut self, unit: Unit) -> Outcome<Point> {
        let (point, what): (Option<Point>, _) = match unit {
            Unit::Second | Unit::Minute => (self.token(second), "a second of the minute, such as `30`"),
            Unit::Hour => (self.token(minute), "a minute and second of the hour, such as `15:00`"),
            Unit::Day => (self.token(time).map(|time| point(0, Some(time))), "a time of day, such as `07:30`"),
            Unit::Week => (self.token(weekday), "a day of the week, such as `Monday` or `Monday 07:30`"),
            Unit::Month => (self.token(day), "a day of the month, such as `3rd` or `3rd 07:30`"),
        };
        self.blanks();
        point.ok_or_else(|| self.expected(what))
    }

    /// A date, or a date and time, with or without a zone.
    pub(super) fn moment(&mut self) -> Outcome<Moment> {
        self.blanks();
        let at = self.at();
        let what = "a time such as `2024-05-01 07:30` or `2024-05-01T07:30Z`";
        let (date, time, zone) = self.token(timestamp).ok_or_else(|| self.expected(what))?;
        let written = format!("{date}T{}{zone}", time.unwrap_or("00:00"));
        let moment = match zone {
            "" => text_to_ticks(&written).map(Moment::Local),
            _ => match text::parse(Edm::DateTimeOffset, &written.to_ascii_uppercase()) {
                Some(Value::Text(canonical)) => text_to_ticks(&canonical).map(Moment::Instant),
                _ => None,
            },
        };
        moment.ok_or_else(|| self.expected_at(at, what))
    }
}

fn point(day: u8, time: Option<Ticks>) -> Point {
    Point {
        day,
        time: time.unwrap_or(0),
        whole: time.is_none(),
    }
}

/// One or two digits up to a value.
fn up_to<'a>(largest: u8) -> impl FnMut(&'a str) -> IResult<&'a str, u8, ()> {
    move |input| {
        let (rest, digits) = take_while_m_n(1, 2, |c: char| c.is_ascii_digit()).parse(input)?;
        match digits.parse() {
            Ok(value) if value <= largest => Ok((rest, value)),
            _ => Err(nom::Err::Error(())),
        }
    }
}

/// Two digits up to 59.
fn sixty(input: &str) -> IResult<&str, u8, ()> {
    let (rest, digits) = take_while_m_n(2, 2, |c: char| c.is_ascii_digit()).parse(input)?;
    let (_, value) = up_to(59)(digits)?;
    Ok((rest, value))
}

/// `HH:MM[:SS]`
fn time(input: &str) -> IResult<&str, Ticks, ()> {
    let (rest, (hour, _, minute, second)) = (up_to(23), char(':'), sixty, opt((char(':'), sixty))).parse(input)?;
    let (rest, ()) = ends(rest)?;
    let second = second.map_or(0, |(_, second)| second);
    Ok((
        rest,
        Ticks::from(hour) * HOUR + Ticks::from(minute) * MINUTE + Ticks::from(second) * SECOND,
    ))
}

/// `MM:SS`
fn minute(input: &str) -> IResult<&str, Point, ()> {
    let (rest, (minute, _, second, ())) = (up_to(59), char(':'), sixty, ends).parse(input)?;
    Ok((rest, point(0, Some(Ticks::from(minute) * MINUTE + Ticks::from(second) * SECOND))))
}

/// `SS`
fn second(input: &str) -> IResult<&str, Point, ()> {
    let (rest, (second, ())) = (up_to(59), ends).parse(input)?;
    Ok((rest, point(0, Some(Ticks::from(second) * SECOND))))
}

/// A name of three letters or more.
fn weekday(input: &str) -> IResult<&str, Point, ()> {
    let (rest, word) = alpha1(input)?;
    let lower = word.to_ascii_lowercase();
    let is_it = |name: &&str| word.len() >= 3 && name.to_ascii_lowercase().starts_with(&lower);
    let day = DAYS.iter().position(is_it).ok_or(nom::Err::Error(()))?;
    let (rest, time) = opt((multispace0, time)).parse(rest)?;
    Ok((rest, point(day as u8, time.map(|(_, time)| time))))
}

/// `3`, `3.` or `3rd`
fn day(input: &str) -> IResult<&str, Point, ()> {
    let (rest, day) = up_to(31)(input)?;
    if day == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(nom::Err::Error(()));
    }
    let suffix = alt((tag("."), tag_no_case("st"), tag_no_case("nd"), tag_no_case("rd"), tag_no_case("th")));
    let (rest, _) = opt(suffix).parse(rest)?;
    let (rest, time) = opt((multispace0, time)).parse(rest)?;
    let (rest, ()) = ends(rest)?;
    Ok((rest, point(day, time.map(|(_, time)| time))))
}

type Timestamp<'a> = (&'a str, Option<&'a str>, &'a str);

/// The parts of a date and time; whether they make sense is not looked at.
fn timestamp(input: &str) -> IResult<&str, Timestamp<'_>, ()> {
    let (rest, date) = recognize((digit1, char('-'), digit1, char('-'), digit1)).parse(input)?;
    let clock = |input| recognize((digit1, char(':'), take_while(|c: char| c.is_ascii_digit() || c == ':' || c == '.'))).parse(input);
    let between = alt((tag_no_case("T"), multispace0));
    let (rest, time) = opt((between, clock)).parse(rest)?;
    let offset = recognize((alt((char('+'), char('-'))), digit1, char(':'), digit1));
    let (rest, zone) = opt(alt((tag_no_case("Z"), offset))).parse(rest)?;
    Ok((rest, (date, time.map(|(_, time)| time), zone.unwrap_or_default())))
}

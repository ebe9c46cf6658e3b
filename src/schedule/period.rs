//! Cycles of the calendar and windows in them: `day between 22:00 and 06:00`.
//!
//! * A window has its first instant and not its last: `between 10:00 and 12:00` ends with 11:59:59.
//! * In a week or month, an end without a time has the whole day: `between Monday and Friday` ends with Friday. So does
//!   `before Friday`, which is `between Monday and Friday`.
//! * An end that is not after its beginning is in the next cycle: `between 22:00 and 06:00`.
//! * `on P` is one smaller unit from P: a day of a week or month, an hour of a day, a minute of an hour, a second of a minute.
//! * Weeks begin on Monday. A day that a month does not have is its last: `on 31st`; a window that this leaves empty ends
//!   with the month.
//! * Whether now is in a window is what the wall clock says, so an hour that is there twice is in it twice. But cycles of a day
//!   and longer begin once, at the first of two instants; those of an hour and shorter begin again when the clock is put back.
//! * Where a window of a day or longer cycle is wholly missing because the clock is put forward, it begins at the first
//!   instant after the gap and lasts as long: the work of a day is not lost.

use chrono::{Datelike, Months};

use super::delta::{DAY, HOUR, MINUTE, WEEK};
use super::zone::{Shown, Zone, date, local, midnight, shown};
use crate::model::clock::{SECOND, Ticks};

/// The length of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

impl Unit {
    /// Where the cycle of a local time begins.
    fn start(self, local: Ticks) -> Ticks {
        match self {
            Unit::Month => midnight(first_of_month(local)),
            _ => local - local.rem_euclid(self.ticks()),
        }
    }

    /// Where the cycle after one begins.
    fn next(self, start: Ticks) -> Ticks {
        match self {
            Unit::Month => midnight(first_of_month(start).checked_add_months(Months::new(1)).unwrap_or_default()),
            _ => start + self.ticks(),
        }
    }

    /// Where the cycle before one begins.
    fn previous(self, start: Ticks) -> Ticks {
        self.start(start - 1)
    }

    /// How long a cycle is; the day is that of a month.
    fn ticks(self) -> Ticks {
        match self {
            Unit::Second => SECOND,
            Unit::Minute => MINUTE,
            Unit::Hour => HOUR,
            Unit::Day | Unit::Month => DAY,
            Unit::Week => WEEK,
        }
    }

    /// How long a window `on P` is.
    fn smaller(self) -> Ticks {
        match self {
            Unit::Second | Unit::Minute => SECOND,
            Unit::Hour => MINUTE,
            Unit::Day => HOUR,
            Unit::Week | Unit::Month => DAY,
        }
    }

    /// Whether its cycles begin once, whatever is done to the clock.
    fn is_calendar(self) -> bool {
        self >= Unit::Day
    }
}

fn first_of_month(local: Ticks) -> chrono::NaiveDate {
    let date = date(local);
    date.with_day(1).unwrap_or(date)
}

/// A place in a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// From Monday, 0, in a week; from 1 in a month; 0 in what is shorter.
    pub day: u8,
    /// In the day, or in what is shorter.
    pub time: Ticks,
    /// Written without a time: as an end it has its day.
    pub whole: bool,
}

impl Point {
    /// The local time of this place in a cycle.
    fn within(self, unit: Unit, start: Ticks) -> Ticks {
        let day = match unit {
            Unit::Month => Ticks::from(self.day).min((unit.next(start) - start) / DAY) - 1,
            _ => Ticks::from(self.day),
        };
        start + day * DAY + self.time
    }

    /// The local time that ends a window at this place.
    fn end(self, unit: Unit, start: Ticks) -> Ticks {
        self.within(unit, start) + if self.whole { DAY } else { 0 }
    }

    /// Where it is in a cycle of full length, as a beginning and as an end.
    fn order(self, is_end: bool) -> Ticks {
        (Ticks::from(self.day) + Ticks::from(is_end && self.whole)) * DAY + self.time
    }
}

/// Which part of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Window {
    Whole,
    Between(Point, Point),
    Before(Point),
    After(Point),
    /// All of a cycle that begins at another place.
    Starting(Point),
    On(Point),
}

/// A window in every cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// How long a cycle is.
    pub unit: Unit,
    /// The part of it.
    pub window: Window,
}

/// One window, in local time: its beginning, and what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub from: Ticks,
    pub to: Ticks,
}

impl Period {
    /// The window of the cycle that begins at a local time.
    fn stretch(self, zone: Zone, start: Ticks) -> Stretch {
        let unit = self.unit;
        let next = unit.next(start);
        let (from, to) = match self.window {
            Window::Whole => (start, next),
            Window::Between(a, b) => {
                let wraps = b.order(true) <= a.order(false);
                let from = a.within(unit, start);
                let to = b.end(unit, if wraps { next } else { start });
                (from, if to > from { to } else { next })
            }
            Window::Before(b) => (start, b.end(unit, start)),
            Window::After(a) => (a.within(unit, start), next),
            Window::Starting(a) => (a.within(unit, start), a.within(unit, next)),
            Window::On(a) => {
                let from = a.within(unit, start);
                (from, from + unit.smaller())
            }
        };
        if unit.is_calendar()
            && let Shown::Gap(at) = shown(zone, from)
            && local(zone, at) >= to
        {
            let moved = local(zone, at);
            return Stretch {
                from: moved,
                to: moved + (to - from),
            };
        }
        Stretch { from, to }
    }

    /// The window that now is in.
    pub(super) fn current(self, zone: Zone, now: Ticks) -> Option<Stretch> {
        let clock = local(zone, now);
        let start = self.unit.start(clock);
        let stretches = [start, self.unit.previous(start)].map(|start| self.stretch(zone, start));
        stretches.into_iter().find(|stretch| (stretch.from..stretch.to).contains(&clock))
    }

    /// The window of the current cycle, begun or not; where windows reach into the next cycle, the one that began last.
    pub(super) fn latest(self, zone: Zone, now: Ticks) -> Stretch {
        let clock = local(zone, now);
        let start = self.unit.start(clock);
        let stretch = self.stretch(zone, start);
        if stretch.from > clock && stretch.to > self.unit.next(start) {
            return self.stretch(zone, self.unit.previous(start));
        }
        stretch
    }

    /// The instant since which what happened belongs to the window that now is in.
    pub(super) fn since(self, zone: Zone, stretch: Stretch, now: Ticks) -> Ticks {
        match shown(zone, stretch.from) {
            Shown::Twice { second, .. } if second <= now && !self.unit.is_calendar() => second,
            shown => shown.first(),
        }
    }

    /// The first instant after a window.
    pub(super) fn until(self, zone: Zone, stretch: Stretch) -> Ticks {
        shown(zone, stretch.to).edges().last().unwrap_or(stretch.to)
    }

    /// The earliest instant that the window of now, or the one before it, can have begun at.
    pub(super) fn reach(self, zone: Zone, now: Ticks) -> Ticks {
        let start = self.unit.previous(self.unit.start(local(zone, now)));
        shown(zone, self.stretch(zone, start).from).first().min(shown(zone, start).first())
    }

    /// An instant until which now stays in the same window, or outside of them all: the next at which one begins or ends.
    pub(super) fn change(self, zone: Zone, now: Ticks) -> Option<Ticks> {
        let mut start = self.unit.previous(self.unit.start(local(zone, now)));
        let mut nearest: Option<Ticks> = None;
        for _ in 0..4 {
            let stretch = self.stretch(zone, start);
            for at in [start, stretch.from, stretch.to] {
                let next = shown(zone, at).edges().find(|edge| *edge > now);
                nearest = [nearest, next].into_iter().flatten().min();
            }
            start = self.unit.next(start);
        }
        nearest
    }
}

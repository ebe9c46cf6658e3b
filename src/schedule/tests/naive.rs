//! Schedules the long way: every minute of two years is looked at, by the fields of its wall clock. Shares nothing with the
//! code that it checks but the zones' tables.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// A minute, and what the wall clock shows.
#[derive(Debug, Clone, Copy)]
pub struct Minute {
    /// Minutes since 1970.
    pub utc: i64,
    /// Days since the year 1, 1 for the first, as the wall clock has it.
    pub date: i64,
    /// Of all years.
    pub months: i64,
    pub month: u32,
    pub day: u32,
    /// How many days the month has.
    pub length: u32,
    /// From Monday, 0.
    pub weekday: i64,
    /// Of the day.
    pub minute: i64,
    /// What the clock is ahead of UTC, in minutes.
    pub ahead: i64,
}

/// A stretch of time in a zone.
pub struct World {
    pub minutes: Vec<Minute>,
    /// The first minutes after the clock was put forward, and by how many minutes.
    gaps: Vec<(usize, i64)>,
}

fn at(zone: Tz, utc: i64) -> Minute {
    let moment: DateTime<Utc> = DateTime::from_timestamp(utc * 60, 0).unwrap();
    let clock = zone.from_utc_datetime(&moment.naive_utc());
    let date = clock.date_naive();
    let next = if date.month() == 12 {
        (date.year() + 1, 1)
    } else {
        (date.year(), date.month() + 1)
    };
    Minute {
        utc,
        date: i64::from(date.num_days_from_ce()),
        months: i64::from(date.year()) * 12 + i64::from(date.month()),
        month: date.month(),
        day: date.day(),
        length: NaiveDate::from_ymd_opt(next.0, next.1, 1).unwrap().pred_opt().unwrap().day(),
        weekday: i64::from(date.weekday().num_days_from_monday()),
        minute: i64::from(clock.hour() * 60 + clock.minute()),
        ahead: i64::from(clock.offset().fix().local_minus_utc() / 60),
    }
}

impl World {
    /// From one minute of UTC to another. No zone of today changes within a quarter of an hour.
    pub fn new(zone: Tz, from: i64, to: i64) -> World {
        let quarters = (from..to).step_by(15).map(|quarter| at(zone, quarter));
        let within = |quarter: Minute| {
            (0..15).map(move |more| Minute {
                utc: quarter.utc + more,
                minute: quarter.minute + more,
                ..quarter
            })
        };
        let minutes: Vec<Minute> = quarters.flat_map(within).collect();
        let by = |index: usize| minutes[index].ahead - minutes[index - 1].ahead;
        let gaps = (1..minutes.len())
            .filter(|index| by(*index) > 0)
            .map(|index| (index, by(index)))
            .collect();
        World { minutes, gaps }
    }
}

/// Where a schedule is on its way through a world.
pub struct Naive<'a> {
    world: &'a World,
    index: usize,
    last_run: Option<usize>,
    /// For each part with a window: the last two that now was in, and where they began.
    windows: [[Option<(i64, usize)>; 2]; 4],
}

impl<'a> Naive<'a> {
    pub fn new(world: &'a World) -> Naive<'a> {
        Naive {
            world,
            index: 0,
            last_run: None,
            windows: [[None; 2]; 4],
        }
    }

    pub fn go(&mut self, index: usize) {
        self.index = index;
    }

    pub fn run(&mut self) {
        self.last_run = Some(self.index);
    }

    pub fn last_run(&self) -> Option<i64> {
        self.last_run.map(|index| self.world.minutes[index].utc)
    }

    pub fn now(&self) -> Minute {
        self.world.minutes[self.index]
    }

    fn before(&self) -> Minute {
        self.world.minutes[self.index.saturating_sub(1)]
    }

    /// The task has not run in the window that has a number. Must be asked at every minute.
    pub fn due(&mut self, slot: usize, window: Option<i64>) -> bool {
        let Some(window) = window else { return false };
        let known = &mut self.windows[slot];
        let began = known.iter().flatten().find(|(number, _)| *number == window).map(|row| row.1);
        let began = began.unwrap_or_else(|| {
            *known = [Some((window, self.index)), known[0]];
            self.index
        });
        self.last_run.is_none_or(|run| run < began)
    }

    /// The hour: where the clock last showed its beginning.
    pub fn hour(&self, from: i64, to: i64) -> Option<i64> {
        let of_hour = self.now().minute % 60;
        let is_in = if from < to {
            (from..to).contains(&of_hour)
        } else {
            of_hour >= from || of_hour < to
        };
        let hour = |minute: Minute| (minute.date, minute.minute / 60);
        let begins = |index: &usize| {
            let (before, minute) = (self.world.minutes[index.saturating_sub(1)], self.world.minutes[*index]);
            minute.minute % 60 == from || (before.ahead < minute.ahead && hour(before) != hour(minute))
        };
        is_in.then(|| (0..=self.index).rev().find(begins).map(|index| index as i64))?
    }

    /// Minutes of the day; the second may be in the next day.
    pub fn day(&self, from: i64, to: i64) -> Option<i64> {
        let now = self.now();
        if (from..to).contains(&now.minute) {
            return Some(now.date);
        }
        if to > 1440 && now.minute < to - 1440 {
            return Some(now.date - 1);
        }
        self.lost(from, to, |minute, index| index - minute.date * 1440)
            .map(|index| index.div_euclid(1440))
    }

    /// Minutes of the week; the second may be in the next week.
    pub fn week(&self, from: i64, to: i64) -> Option<i64> {
        let now = self.now();
        let (week, minute) = (now.date - now.weekday, now.weekday * 1440 + now.minute);
        if (from..to).contains(&minute) {
            return Some(week);
        }
        if minute < to - 7 * 1440 {
            return Some(week - 7);
        }
        self.lost(from, to, |minute, index| index - (minute.date - minute.weekday) * 1440)
            .map(|_| week)
    }

    /// First and last day of the month, whole days; both exist in it, or the last one stands for them.
    pub fn month(&self, from: u32, to: u32) -> Option<i64> {
        let now = self.now();
        let is_in = (from.min(now.length)..=to.min(now.length)).contains(&now.day);
        is_in.then_some(now.months)
    }

    /// Months that begin with another day.
    pub fn month_from(&self, first: u32) -> i64 {
        let now = self.now();
        now.months - i64::from(now.day < first.min(now.length))
    }

    /// A window that is missing, wholly, begins after the gap: the wall minute it began at, counted from the year 1.
    fn lost(&self, from: i64, to: i64, within: impl Fn(Minute, i64) -> i64) -> Option<i64> {
        for &(index, gap) in &self.world.gaps {
            let before = self.world.minutes[index - 1];
            let first_lost = before.date * 1440 + before.minute + 1;
            let start = within(before, first_lost);
            let moved = index as i64..index as i64 + to - from;
            if from >= start && to <= start + gap && moved.contains(&(self.index as i64)) {
                return Some(first_lost);
            }
        }
        None
    }

    /// The minute is allowed, and the task has not started in it.
    pub fn cron(&self, hours: bool, allowed: fn(Minute) -> bool) -> bool {
        self.last_run != Some(self.index) && self.crontime(hours, true, allowed)
    }

    /// The minute is allowed; with restricted hours also after a gap with allowed ones, and if `once`, not again.
    pub fn crontime(&self, hours: bool, once: bool, allowed: fn(Minute) -> bool) -> bool {
        let (now, before) = (self.now(), self.before());
        if allowed(now) {
            let same = |other: &Minute| (other.date, other.minute) == (now.date, now.minute);
            let earlier = &self.world.minutes[self.index.saturating_sub(180)..self.index];
            return !(hours && once && earlier.iter().any(same));
        }
        let gap = if self.index > 0 { now.ahead - before.ahead } else { 0 };
        hours
            && (1..=gap).any(|more| {
                allowed(Minute {
                    minute: before.minute + more,
                    ..before
                })
            })
    }

    /// So many minutes since the last run.
    pub fn every(&self, minutes: i64) -> bool {
        self.last_run().is_none_or(|run| self.now().utc - run >= minutes)
    }

    /// No run since the last multiple, counted from a Monday.
    pub fn anchored(&self, minutes: i64) -> bool {
        let monday = DateTime::parse_from_rfc3339("2001-01-01T00:00:00Z").unwrap().timestamp() / 60;
        // Whole weeks of any number of minutes: the year 1 began with a Monday, too.
        let days = i64::from(NaiveDate::from_ymd_opt(2001, 1, 1).unwrap().num_days_from_ce()) - 1;
        let number = |utc: i64| (utc - monday + days * 1440) / minutes;
        self.last_run().is_none_or(|run| number(run) < number(self.now().utc))
    }
}

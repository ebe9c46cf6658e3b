//! Wall clocks. A local time is the [`Ticks`] that the wall clock shows, as if it were UTC.
//!
//! Where clocks are put forward, a local time is missing: it is taken at the first instant after the gap. Where they are put
//! back, one is there twice: [`first`] is the earlier instant. What shows both is the caller's: see [`super::period`] and
//! [`super::cron`]. The tables of the zones end in 2100; after that the clocks stay as they are then.

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone};

use super::delta::DAY;
use crate::model::clock::{SECOND, Ticks, UNIX_EPOCH};
use crate::model::fault::{BAD_VALUE, Fault, Outcome};

/// A time zone of the IANA database.
pub type Zone = chrono_tz::Tz;

/// The zone of a name such as `Europe/Zurich`.
pub fn zone(name: &str) -> Outcome<Zone> {
    let unknown = || {
        Fault::new(
            &BAD_VALUE,
            "There is no such time zone; names are those of the IANA database, such as `Europe/Zurich`.",
        )
    };
    name.parse().map_err(|_| unknown())
}

/// What the wall clock is ahead of UTC.
fn offset(zone: Zone, utc: Ticks) -> Ticks {
    let seconds = (utc - UNIX_EPOCH).div_euclid(SECOND);
    let ahead = |at: DateTime<chrono::Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    DateTime::from_timestamp(seconds, 0).map_or(0, |at| Ticks::from(ahead(at)) * SECOND)
}

/// What the wall clock shows.
pub fn local(zone: Zone, utc: Ticks) -> Ticks {
    utc + offset(zone, utc)
}

/// When the wall clock shows a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Once.
    Once(Ticks),
    /// Never: the clock is put past it at this instant.
    Gap(Ticks),
    /// Twice; between them the clock is put back.
    Twice { first: Ticks, turn: Ticks, second: Ticks },
}

impl Shown {
    /// The first instant that counts as this time.
    pub fn first(self) -> Ticks {
        match self {
            Shown::Once(at) | Shown::Gap(at) | Shown::Twice { first: at, .. } => at,
        }
    }

    /// The instants at which something may begin or end that does at this time.
    pub fn edges(self) -> impl Iterator<Item = Ticks> {
        let (a, b, c) = match self {
            Shown::Once(at) | Shown::Gap(at) => (at, None, None),
            Shown::Twice { first, turn, second } => (first, Some(turn), Some(second)),
        };
        [Some(a), b, c].into_iter().flatten()
    }
}

/// When the wall clock shows a time. No zone has put its clock twice within two days.
pub(super) fn shown(zone: Zone, local: Ticks) -> Shown {
    let (before, after) = (local - DAY, local + DAY);
    let (old, new) = (offset(zone, before), offset(zone, after));
    let (early, late) = (local - old, local - new);
    if old == new {
        return Shown::Once(early);
    }
    match (offset(zone, early) == old, offset(zone, late) == new) {
        (true, true) => Shown::Twice {
            first: early,
            turn: turn(zone, early, late),
            second: late,
        },
        (true, false) => Shown::Once(early),
        (false, true) => Shown::Once(late),
        (false, false) => Shown::Gap(turn(zone, before, after)),
    }
}

/// The first instant that counts as a local time.
pub(super) fn first(zone: Zone, local: Ticks) -> Ticks {
    shown(zone, local).first()
}

/// The instant at which the clock is put, which is after `low` and not after `high`.
fn turn(zone: Zone, low: Ticks, high: Ticks) -> Ticks {
    let old = offset(zone, low);
    let (mut low, mut high) = (low.div_euclid(SECOND), high.div_euclid(SECOND));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(zone, middle * SECOND) == old {
            low = middle;
        } else {
            high = middle;
        }
    }
    high * SECOND
}

/// The date of a local time.
pub(super) fn date(local: Ticks) -> NaiveDate {
    let days = i32::try_from(local.div_euclid(DAY) + 1).unwrap_or(i32::MAX);
    NaiveDate::from_num_days_from_ce_opt(days).unwrap_or(NaiveDate::MAX)
}

/// The local time at which a date begins.
pub(super) fn midnight(date: NaiveDate) -> Ticks {
    (Ticks::from(date.num_days_from_ce()) - 1) * DAY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::{text_to_ticks, ticks_to_text};

    fn ticks(text: &str) -> Ticks {
        text_to_ticks(text).unwrap()
    }

    #[test]
    fn local_times_are_there_once_twice_or_not_at_all() {
        // Zone, local time, what it is, in UTC.
        let cases = [
            ("Europe/Zurich", "2024-07-01T12:00", "once 2024-07-01T10:00"),
            ("Europe/Zurich", "2024-03-31T01:59", "once 2024-03-31T00:59"),
            ("Europe/Zurich", "2024-03-31T02:00", "gap 2024-03-31T01:00"),
            ("Europe/Zurich", "2024-03-31T02:59", "gap 2024-03-31T01:00"),
            ("Europe/Zurich", "2024-03-31T03:00", "once 2024-03-31T01:00"),
            ("Europe/Zurich", "2024-10-27T01:59", "once 2024-10-26T23:59"),
            (
                "Europe/Zurich",
                "2024-10-27T02:00",
                "twice 2024-10-27T00:00 2024-10-27T01:00 2024-10-27T01:00",
            ),
            (
                "Europe/Zurich",
                "2024-10-27T02:30",
                "twice 2024-10-27T00:30 2024-10-27T01:00 2024-10-27T01:30",
            ),
            ("Europe/Zurich", "2024-10-27T03:00", "once 2024-10-27T02:00"),
            ("Australia/Lord_Howe", "2024-10-06T02:15", "gap 2024-10-05T15:30"),
            (
                "Australia/Lord_Howe",
                "2024-04-07T01:45",
                "twice 2024-04-06T14:45 2024-04-06T15:00 2024-04-06T15:15",
            ),
            ("Pacific/Apia", "2011-12-30T12:00", "gap 2011-12-30T10:00"),
            ("Asia/Kathmandu", "2024-01-01T00:00", "once 2023-12-31T18:15"),
        ];
        for (name, at, expected) in cases {
            let text = |ticks: Ticks| ticks_to_text(ticks)[..16].to_owned();
            let found = match shown(zone(name).unwrap(), ticks(at)) {
                Shown::Once(at) => format!("once {}", text(at)),
                Shown::Gap(at) => format!("gap {}", text(at)),
                Shown::Twice { first, turn, second } => format!("twice {} {} {}", text(first), text(turn), text(second)),
            };
            assert_eq!(found, expected, "{name} {at}");
        }
        assert!(zone("Europe/Nowhere").is_err());
    }

    #[test]
    fn dates_and_ticks_are_the_same_days() {
        for at in ["0001-01-01T00:00", "1970-01-01T00:00", "2024-02-29T00:00", "9999-12-31T00:00"] {
            assert_eq!(midnight(date(ticks(at))), ticks(at), "{at}");
            assert!(at.starts_with(&date(ticks(at)).to_string()), "{at}");
        }
    }
}

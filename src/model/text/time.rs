//! Dates and durations: [`Ticks`] and their texts. By hand, because every date of every answer passes here.

use crate::model::clock::{SECOND, Ticks};

const MINUTE: Ticks = 60 * SECOND;
const HOUR: Ticks = 60 * MINUTE;
const DAY: Ticks = 24 * HOUR;
/// 9999-12-31T23:59:59.9999999
const LAST: Ticks = 3_652_059 * DAY - 1;
/// Days before each month of a year without a leap day.
const DAYS_BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// The canonical text of a DateTime, 27 characters: `1996-07-04T00:00:00.0000000`. Ticks before the year 1 or after 9999
/// become the first or the last.
pub fn ticks_to_text(ticks: Ticks) -> String {
    let ticks = ticks.clamp(0, LAST);
    let (year, month, day) = civil(ticks / DAY);
    let rest = ticks % DAY;
    let mut text = *b"0000-00-00T00:00:00.0000000";
    let fields = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, rest / HOUR),
        (14, 2, rest / MINUTE % 60),
        (17, 2, rest / SECOND % 60),
        (20, 7, rest % SECOND),
    ];
    for (at, width, value) in fields {
        let mut value = value;
        for digit in text[at..at + width].iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
        }
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

/// The inverse of [`ticks_to_text`]; takes any DateTime text without a zone.
pub fn text_to_ticks(text: &str) -> Option<Ticks> {
    let moment = parse_date_time(text)?;
    moment.offset.is_none().then_some(moment.ticks)
}

/// Year, month and day of a day counted from 0001-01-01. Years are taken to begin in March, so that the leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 306;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let after_december = i64::from(month >= 10);
    (400 * era + year_of_era + after_december, month + 3 - 12 * after_december, day)
}

/// Days from 0001-01-01 to a date; none if there is no such date.
fn days_before(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let index = usize::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
    let length = DAYS_BEFORE[index] - DAYS_BEFORE[index - 1] + i64::from(is_leap && month == 2);
    if year < 1 || !(1..=length).contains(&day) {
        return None;
    }
    let before = year - 1;
    let leap_day = i64::from(is_leap && month > 2);
    Some(365 * before + before / 4 - before / 100 + before / 400 + DAYS_BEFORE[index - 1] + leap_day + day - 1)
}

/// A date and time as written.
pub(super) struct Moment {
    /// On the wall clock.
    ticks: Ticks,
    /// The zone: from UTC to the wall clock.
    pub(super) offset: Option<Ticks>,
}

impl Moment {
    /// In UTC; as it is, without a zone.
    pub(super) fn utc(&self) -> Option<Ticks> {
        let utc = self.ticks - self.offset.unwrap_or(0);
        (0..=LAST).contains(&utc).then_some(utc)
    }
}

/// Takes texts apart, byte by byte.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.0.strip_prefix(&[byte]) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// All digits from here, at least one, at most `most`: their value and number.
    fn digits(&mut self, most: usize) -> Option<(i64, usize)> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 || length > most {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        Some((digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), length))
    }

    /// Exactly so many digits, up to a value.
    fn field(&mut self, width: usize, largest: i64) -> Option<i64> {
        let (value, length) = self.digits(width)?;
        (length == width && value <= largest).then_some(value)
    }

    /// Digits of a fraction of a second, in ticks; what is finer than a tick is dropped.
    fn fraction(&mut self, most: usize) -> Option<Ticks> {
        let (value, length) = self.digits(most)?;
        Some(match length {
            0..=7 => value * 10_i64.pow(7 - length as u32),
            _ => value / 10_i64.pow(length as u32 - 7),
        })
    }
}

/// `YYYY-MM-DD[Thh:mm[:ss[.f{1,7}]]][Z|±hh:mm]` (LIT-8, PRM-3). 24:00:00 is the next midnight; CSV files have a blank for the T.
pub(super) fn parse_date_time(text: &str) -> Option<Moment> {
    let mut scan = Scanner(text.as_bytes());
    let year = scan.field(4, 9999)?;
    scan.need(b'-')?;
    let month = scan.field(2, 12)?;
    scan.need(b'-')?;
    let day = scan.field(2, 31)?;
    let mut ticks = days_before(year, month, day)? * DAY;
    if scan.take(b'T') || scan.take(b' ') {
        let mut time = scan.field(2, 24)? * HOUR;
        scan.need(b':')?;
        time += scan.field(2, 59)? * MINUTE;
        if scan.take(b':') {
            time += scan.field(2, 59)? * SECOND;
            if scan.take(b'.') {
                time += scan.fraction(7)?;
            }
        }
        if time > DAY {
            return None;
        }
        ticks += time;
    }
    let offset = match scan.peek() {
        None => None,
        Some(b'Z') => scan.take(b'Z').then_some(0),
        Some(sign) => {
            scan.0 = &scan.0[1..];
            let minutes = scan.field(2, 14)? * 60 + scan.need(b':').and_then(|()| scan.field(2, 59))?;
            let sign = match sign {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            (minutes <= 14 * 60).then_some(())?;
            Some(sign * minutes * MINUTE)
        }
    };
    (scan.0.is_empty() && (offset.is_some() || ticks <= LAST)).then_some(Moment { ticks, offset })
}

/// An xsd:duration of days, hours, minutes and seconds in ticks (PRM-5, LIT-10). Years and months have no fixed length and are
/// refused.
pub(super) fn parse_duration(text: &str) -> Option<Ticks> {
    let mut scan = Scanner(text.as_bytes());
    let sign = if scan.take(b'-') { -1 } else { 1 };
    scan.need(b'P')?;
    let mut total: i128 = 0;
    // Designators that may still come, in their order.
    let mut units: &[(u8, Ticks)] = &[(b'D', DAY)];
    let mut in_time = false;
    let mut is_complete = false;
    while !scan.0.is_empty() {
        if !in_time && scan.take(b'T') {
            units = &[(b'H', HOUR), (b'M', MINUTE), (b'S', SECOND)];
            in_time = true;
            is_complete = false;
            continue;
        }
        let (value, _) = scan.digits(18)?;
        let fraction = if scan.take(b'.') { Some(scan.fraction(9)?) } else { None };
        let designator = scan.peek()?;
        let index = units.iter().position(|unit| unit.0 == designator)?;
        scan.take(designator);
        if fraction.is_some() && designator != b'S' {
            return None;
        }
        total += i128::from(value) * i128::from(units[index].1) + i128::from(fraction.unwrap_or(0));
        units = &units[index + 1..];
        is_complete = true;
    }
    is_complete.then(|| i64::try_from(sign * total).ok())?
}

/// Writes the shortest xsd:duration: `PT0S`, `P1DT2H3M4.5S`, `-PT1H`.
pub(super) fn write_duration(ticks: Ticks, out: &mut Vec<u8>) {
    const UNITS: [(u64, u8); 3] = [(HOUR as u64, b'H'), (MINUTE as u64, b'M'), (SECOND as u64, b'S')];
    if ticks == 0 {
        out.extend_from_slice(b"PT0S");
        return;
    }
    if ticks < 0 {
        out.push(b'-');
    }
    out.push(b'P');
    let magnitude = ticks.unsigned_abs();
    let days = magnitude / DAY as u64;
    let mut rest = magnitude % DAY as u64;
    if days > 0 {
        write_number(days, out);
        out.push(b'D');
    }
    if rest > 0 {
        out.push(b'T');
    }
    for (unit, designator) in UNITS {
        let value = rest / unit;
        rest %= unit;
        let has_fraction = designator == b'S' && rest > 0;
        if value > 0 || has_fraction {
            write_number(value, out);
            if has_fraction {
                write_fraction(rest, out);
            }
            out.push(designator);
        }
    }
}

fn write_number(value: u64, out: &mut Vec<u8>) {
    if value >= 10 {
        write_number(value / 10, out);
    }
    out.push(b'0' + (value % 10) as u8);
}

/// A point and the fraction of a second that so many ticks are, without zeros at the end.
fn write_fraction(ticks: u64, out: &mut Vec<u8>) {
    let mut scale = SECOND as u64 / 10;
    let mut rest = ticks;
    out.push(b'.');
    while rest > 0 {
        out.push(b'0' + (rest / scale) as u8);
        rest %= scale;
        scale /= 10;
    }
}

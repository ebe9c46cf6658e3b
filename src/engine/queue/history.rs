//! How full the queue is and was (`reference/core4.md` 3.2, 3.3, 5.9): counts now, a row for each second in which they changed, and the
//! fullest moment of each bucket of a period.

use std::collections::HashMap;

use super::job::moment;
use super::state::{NAMES, State};
use crate::engine::Engine;
use crate::model::caller::Guid;
use crate::model::clock::{SECOND, Ticks, UNIX_EPOCH};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{QUEUE_HISTORY_DAYS, QUEUE_HISTORY_ROWS};
use crate::store::{QueueHistory, Session};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// As long as the longest month and year: what is not longer is no whole one for sure.
const MONTH: i64 = 31 * DAY;
const YEAR: i64 = 366 * DAY;
/// How far a period reaches back that does not say from when.
const DEFAULT_DAYS: i64 = 7;

/// From a period of this length its buckets are this wide, in seconds.
const WIDTHS: &[(i64, i64)] = &[(YEAR, DAY), (MONTH, HOUR), (DAY, MINUTE)];

/// Widths by their names.
const BUCKETS: &[(&str, i64)] = &[("second", 1), ("minute", MINUTE), ("hour", HOUR), ("day", DAY)];

/// Numbers of jobs by state, in the order of [`NAMES`].
pub type Counts = [i64; NAMES.len()];

/// What is known of each tenant that has jobs.
pub type Known = HashMap<Guid, Counts>;

/// What has changed since the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    at: Ticks,
    /// Of each tenant whose counts have changed.
    changed: Vec<(Guid, Counts)>,
}

impl Snapshot {
    /// Nothing has.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// Keeps in mind what is written down.
    pub fn remember(self, known: &mut Known) {
        for (tenant, counts) in self.changed {
            match counts.iter().all(|count| *count == 0) {
                true => drop(known.remove(&tenant)),
                false => drop(known.insert(tenant, counts)),
            }
        }
    }
}

/// The column of a state.
fn column(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Done is done: it counts neither in the history nor in a total.
fn is_counted(state: State) -> bool {
    state != State::Succeeded
}

fn total(counts: &Counts) -> i64 {
    let counted = NAMES.iter().zip(counts).filter(|(row, _)| is_counted(row.0));
    counted.map(|(_, count)| count).sum()
}

/// Whole seconds since 1970.
fn second(ticks: Ticks) -> i64 {
    (ticks - UNIX_EPOCH).div_euclid(SECOND)
}

impl Engine {
    fn history(&self) -> Outcome<QueueHistory<'_>> {
        QueueHistory::of(&self.schema, self.core_type("QueueHistory")?)
    }

    fn counts(&self, session: &mut Session<'_>, tenant: Option<Guid>, all: bool) -> Outcome<HashMap<Guid, Counts>> {
        let states = NAMES.iter().filter(|row| all || is_counted(row.0));
        let states: Vec<&str> = states.map(|row| row.1).collect();
        let mut counts: HashMap<Guid, Counts> = HashMap::new();
        for (tenant, state, count) in self.queue()?.counts(session, tenant, &states)? {
            if let Some(index) = NAMES.iter().position(|row| row.1 == state) {
                counts.entry(tenant).or_insert([0; NAMES.len()])[index] = count;
            }
        }
        Ok(counts)
    }

    /// Which tenants' counts are not those that somebody knows.
    pub fn count_queue(&self, session: &mut Session<'_>, known: &Known) -> Outcome<Snapshot> {
        let now = self.counts(session, None, false)?;
        let gone = known.keys().filter(|tenant| !now.contains_key(*tenant));
        let mut changed: Vec<(Guid, Counts)> = gone.map(|tenant| (*tenant, [0; NAMES.len()])).collect();
        changed.extend(now.into_iter().filter(|(tenant, counts)| known.get(tenant) != Some(counts)));
        changed.sort_unstable();
        Ok(Snapshot {
            at: self.clock.now(),
            changed,
        })
    }

    /// Writes it down. Several instances that see the same second write it once.
    pub fn write_history(&self, session: &mut Session<'_>, snapshot: &Snapshot) -> Outcome<()> {
        let at = snapshot.at - snapshot.at.rem_euclid(SECOND);
        for (tenant, counts) in &snapshot.changed {
            let names: Vec<String> = NAMES.iter().map(|row| column(row.1)).collect();
            let mut values = vec![
                ("Tid", Value::Bytes(tenant.to_vec())),
                ("At", moment(at)),
                ("Second", Value::Integer(second(at))),
                ("Total", Value::Integer(total(counts))),
            ];
            let counted = NAMES.iter().zip(&names).zip(counts).filter(|((row, _), _)| is_counted(row.0));
            values.extend(counted.map(|((_, name), count)| (name.as_str(), Value::Integer(*count))));
            self.history()?.add(session, &values)?;
        }
        Ok(())
    }

    /// Deletes what is too old; whether there may be more of it.
    pub fn forget_history(&self, session: &mut Session<'_>) -> Outcome<bool> {
        let before = second(self.clock.now()) - QUEUE_HISTORY_DAYS as i64 * DAY;
        Ok(self.history()?.forget(session, before, QUEUE_HISTORY_ROWS)? == QUEUE_HISTORY_ROWS)
    }

    /// The counts of a tenant's jobs now: members of `JobCounts`.
    pub(in crate::engine) fn live_counts(&self, session: &mut Session<'_>, tenant: Guid) -> Outcome<Vec<(String, Value)>> {
        let counts = self.counts(session, Some(tenant), true)?;
        let counts = counts.get(&tenant).copied().unwrap_or([0; NAMES.len()]);
        let mut members = vec![
            ("At".to_owned(), moment(self.clock.now())),
            ("Total".to_owned(), Value::Integer(total(&counts))),
        ];
        let counted = NAMES.iter().zip(counts);
        members.extend(counted.map(|(row, count)| (column(row.1), Value::Integer(count))));
        Ok(members)
    }

    /// The fullest moment of each bucket of a period, the latest first: members of `JobCounts`.
    ///
    /// # Errors
    /// `BAD_ARGUMENT`.
    pub fn job_history(
        &self,
        session: &mut Session<'_>,
        tenant: Guid,
        (from, to): (Option<Ticks>, Option<Ticks>),
        bucket: Option<&str>,
    ) -> Outcome<Vec<Vec<(String, Value)>>> {
        let to = second(to.unwrap_or_else(|| self.clock.now()));
        let today = second(self.clock.now()).div_euclid(DAY);
        let from = from.map_or((today - DEFAULT_DAYS) * DAY, second);
        if from > to {
            let message = "Invalid time period. Start date > End date";
            return Err(Fault::new(&fault::BAD_ARGUMENT, message).of("From"));
        }
        let width = match bucket {
            None => width(to - from),
            Some(name) => {
                let known = BUCKETS.iter().find(|row| row.0 == name).map(|row| row.1);
                known.ok_or_else(|| Fault::new(&fault::BAD_ARGUMENT, "Bucket is second, minute, hour or day.").of("Bucket"))?
            }
        };
        let states = NAMES.iter().filter(|row| is_counted(row.0)).map(|row| column(row.1));
        let names: Vec<String> = states.chain(["Total".to_owned()]).collect();
        let columns: Vec<&str> = std::iter::once("Second").chain(names.iter().map(String::as_str)).collect();
        let rows = self
            .history()?
            .fullest(session, tenant, (from, to), width, &columns, QUEUE_HISTORY_ROWS)?;
        let member = |(name, count): (&&str, &i64)| match *name {
            "Second" => ("At".to_owned(), moment(UNIX_EPOCH + count * SECOND)),
            name => (name.to_owned(), Value::Integer(*count)),
        };
        Ok(rows.iter().map(|row| columns.iter().zip(row).map(member).collect()).collect())
    }
}

/// How wide the buckets of a period are, by its largest unit that is not zero.
fn width(period: i64) -> i64 {
    WIDTHS.iter().find(|(least, _)| period >= *least).map_or(1, |row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_as_wide_as_the_period_is_long() {
        for (period, expected) in [
            (0, 1),
            (59, 1),
            (MINUTE, 1),
            (HOUR, 1),
            (DAY - 1, 1),
            (DAY, MINUTE),
            (7 * DAY, MINUTE),
            (MONTH - 1, MINUTE),
            (MONTH, HOUR),
            (YEAR - 1, HOUR),
            (YEAR, DAY),
            (10 * YEAR, DAY),
        ] {
            assert_eq!(width(period), expected, "{period}");
        }
    }

    #[test]
    fn the_done_are_not_counted() {
        let mut counts = [1; NAMES.len()];
        assert_eq!(total(&counts), NAMES.len() as i64 - 1);
        counts[NAMES.iter().position(|row| row.0 == State::Failed).unwrap()] = 5;
        assert_eq!(total(&counts), NAMES.len() as i64 + 3);
        assert_eq!(column("queued"), "Queued");
    }
}

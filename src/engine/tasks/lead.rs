//! What the instance that schedules writes about itself, and how it is known that it still is the one.

use super::plan::Missed;
use super::{Row, moment, word};
use crate::engine::Engine;
use crate::model::caller::{Guid, SYSTEM_TENANT};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::TASK_SWEEP_ROWS;
use crate::store::lease::{self, Lease};
use crate::store::{Restriction, Session, tasks};

/// The name of the scheduler's lease.
pub const LEASE: &str = "scheduler";
/// How long it is good if nothing is heard of its holder.
pub const LEASE_TIME: Ticks = 5 * SECOND;
/// A scheduler that nobody took over from for so long starts anew, with the tasks that start with it.
const FORGOTTEN: Ticks = 60 * SECOND;
const DAY: Ticks = 86_400 * SECOND;

/// A scheduler that begins.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// Of its lease.
    pub fence: i64,
    /// When the scheduler started; before that, if it goes on where another instance has left off.
    pub start: Ticks,
    /// How many cycles it has had.
    pub cycles: u64,
    /// Until when it is sure that there was a scheduler.
    pub seen: Option<Ticks>,
    /// It does not go on: tasks that start with the scheduler do so.
    pub is_new: bool,
}

impl Engine {
    /// Whether nobody schedules.
    pub fn is_scheduler_away(&self, session: &mut Session<'_>) -> Outcome<bool> {
        lease::is_free(session, LEASE, self.clock.now())
    }

    /// Takes the lease of the scheduler; none if another instance has it.
    pub fn begin_scheduling(&self, session: &mut Session<'_>, holder: &str) -> Outcome<Option<Begun>> {
        let now = self.clock.now();
        let Some(Lease { fence, lost_for }) = lease::take(session, LEASE, holder, now, LEASE_TIME)? else {
            return Ok(None);
        };
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(SYSTEM_TENANT.to_vec())]);
        let rows = self.entities(session, "Session", vec![own], Some(1))?;
        let row = rows.first().map(|row| Row::of(self, row));
        let row = row.ok_or_else(|| Fault::internal("the scheduler has no row in Session"))?;
        // The only process of a database does not take over from another one: it is the next.
        let goes_on = !session.has_one_process() && lost_for.is_some_and(|time| time < FORGOTTEN);
        let start = row.moment("StartedAt").filter(|_| goes_on);
        let begun = Begun {
            fence,
            start: start.unwrap_or(now),
            cycles: if start.is_some() { row.integer("Cycles").unsigned_abs() } else { 0 },
            seen: row.moment("SeenAt"),
            is_new: start.is_none(),
        };
        let values = vec![
            ("StartedAt", moment(begun.start)),
            ("Leader", word(holder)),
            ("Fence", Value::Integer(fence)),
            ("Cycles", Value::Integer(i64::try_from(begun.cycles).unwrap_or(i64::MAX))),
            ("Version", word(env!("CARGO_PKG_VERSION"))),
        ];
        self.rewrite(session, "Session", row.integer("Id"), values, true)?;
        Ok(Some(begun))
    }

    /// Whether this instance still schedules: nothing that another one does not know of is written before the transaction ends.
    ///
    /// # Errors
    /// `LOST_LEASE`.
    pub fn check_scheduling(&self, session: &mut Session<'_>, fence: i64) -> Outcome<()> {
        match lease::is_held(session, LEASE, fence)? {
            true => Ok(()),
            false => Err(Fault::new(&fault::LOST_LEASE, "Another instance schedules now.")),
        }
    }

    /// This instance still schedules, and goes on.
    ///
    /// # Errors
    /// `LOST_LEASE`.
    pub fn renew_scheduling(&self, session: &mut Session<'_>, fence: i64) -> Outcome<()> {
        match lease::renew(session, LEASE, fence, self.clock.now(), LEASE_TIME)? {
            true => Ok(()),
            false => Err(Fault::new(&fault::LOST_LEASE, "Another instance schedules now.")),
        }
    }

    /// Until when there was a scheduler, how many cycles it has had, and which starts are to be made up for.
    pub fn write_scheduling(&self, session: &mut Session<'_>, fence: i64, seen: Ticks, cycles: u64, missed: &[Missed]) -> Outcome<()> {
        self.check_scheduling(session, fence)?;
        for missed in missed {
            let values = vec![("Missed", Value::Integer(missed.count)), ("Scheduled", moment(missed.last))];
            match self.rewrite(session, "Tasks", missed.task, values, false) {
                // Deleted meanwhile.
                Err(fault) if fault.kind == &fault::NOT_FOUND => {}
                other => other?,
            }
        }
        let id = self.scheduler_row(session)?;
        let cycles = i64::try_from(cycles).unwrap_or(i64::MAX);
        let values = vec![("SeenAt", moment(seen)), ("Cycles", Value::Integer(cycles))];
        self.rewrite(session, "Session", id, values, false)
    }

    /// Another instance may take over at once.
    pub fn end_scheduling(&self, session: &mut Session<'_>, fence: i64) -> Outcome<()> {
        self.check_scheduling(session, fence)?;
        lease::release(session, LEASE, fence)?;
        let id = self.scheduler_row(session)?;
        self.rewrite(
            session,
            "Session",
            id,
            vec![("Leader", Value::Null), ("SeenAt", moment(self.clock.now()))],
            true,
        )
    }

    /// Nothing starts any more, or everything again.
    pub(in crate::engine) fn hold_scheduler(&self, session: &mut Session<'_>, hold: bool) -> Outcome<()> {
        let id = self.scheduler_row(session)?;
        self.rewrite(session, "Session", id, vec![("OnHold", Value::Boolean(hold))], true)?;
        self.task_changed(session, SYSTEM_TENANT, 0)
    }

    fn scheduler_row(&self, session: &mut Session<'_>) -> Outcome<i64> {
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(SYSTEM_TENANT.to_vec())]);
        let rows = self.columns(session, self.core_type("Session")?, &["Id"], None, vec![own])?;
        match rows.first().map(|row| &row[0]) {
            Some(Value::Integer(id)) => Ok(*id),
            _ => Err(Fault::internal("the scheduler has no row in Session")),
        }
    }

    /// Whether other instances have written down changes.
    pub fn are_tasks_changed(&self, session: &mut Session<'_>) -> Outcome<bool> {
        tasks::has_changes(session)
    }

    /// What other instances have changed; nobody is told of it again.
    pub fn take_task_changes(&self, session: &mut Session<'_>, fence: i64) -> Outcome<Vec<(Guid, i64)>> {
        self.check_scheduling(session, fence)?;
        tasks::take_changes(session)
    }

    /// Deletes runs and what the log says of tasks when they have been kept for long enough; whether there is more of it.
    pub fn sweep_runs(&self, session: &mut Session<'_>) -> Outcome<bool> {
        let ty = self.core_type("Configs")?;
        let named = Restriction::Columns(vec!["Name".to_owned()], vec![word("LogRetentionDays")]);
        let mut is_more = false;
        for row in self.columns(session, ty, &["Tid", "Value"], None, vec![named])? {
            let [Value::Bytes(tenant), Value::Text(days)] = row.as_slice() else {
                continue;
            };
            let (Ok(tenant), Ok(days)) = (Guid::try_from(tenant.as_slice()), days.parse::<i64>()) else {
                continue;
            };
            if days <= 0 {
                continue;
            }
            let before = self.clock.now() - days * DAY;
            for (set, time, there) in [("Runs", "End", "End"), ("Logs", "Timestamp", "TaskName")] {
                let table = self.schema.types[self.core_type(set)?].table;
                let table = table.ok_or_else(|| Fault::internal("a type without a table"))?;
                let gone = tasks::discard_before(session, &self.schema, table, tenant, (time, before), there, TASK_SWEEP_ROWS)?;
                is_more |= gone >= TASK_SWEEP_ROWS;
            }
        }
        Ok(is_more)
    }
}

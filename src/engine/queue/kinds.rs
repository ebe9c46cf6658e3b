//! Which kinds of jobs there are: what `JobKinds` declares, what this process does itself, what the schema declares, and what registered runners do.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError, RwLock};

use super::enqueue::out_of_range;
use super::job::text_of;
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::{Guid, SYSTEM_TENANT};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{JOB_ATTEMPTS, JOB_KEPT_DAYS, JOB_RETENTION_DAYS, JOB_SECONDS};
use crate::model::schema::Schema;
use crate::store::{Restriction, Session};

/// Jobs of this kind are nobody's here: whoever does them says so by `JobResult`.
pub const EXTERNAL: &str = "external";

/// Stands for all kinds.
pub(super) const EVERY: &str = "*";

/// Numbers of `JobKinds`, and their ranges.
const RANGES: &[(&str, i64, i64)] = &[
    ("MaxParallel", 0, i32::MAX as i64),
    ("Attempts", 1, JOB_ATTEMPTS as i64),
    ("TimeoutSeconds", 1, JOB_SECONDS as i64),
    ("LeaseSeconds", 1, JOB_SECONDS as i64),
    ("RetentionDays", 0, JOB_KEPT_DAYS as i64),
];

/// How long something about a kind is remembered.
const REMEMBERED: Ticks = SECOND;
/// Most kinds that something is remembered about.
const MOST: usize = 10_000;

/// What is known of kinds.
#[derive(Debug, Default)]
pub struct Kinds {
    /// By the schema.
    declared: HashSet<String>,
    handled: RwLock<Vec<String>>,
    seen: Mutex<HashMap<(Guid, String), (Ticks, Defaults)>>,
}

/// What `JobKinds` says about a kind, for jobs that do not say themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Most failures.
    pub attempts: Option<i64>,
    /// Longest attempt.
    pub timeout: Option<i64>,
    /// Longest silence.
    pub lease: Option<i64>,
    /// Only so many at once.
    pub limited: bool,
    /// How many days one is kept after its end.
    pub retention: Option<i64>,
}

impl Kinds {
    /// Those that a schema declares.
    pub fn of(schema: &Schema) -> Kinds {
        Kinds {
            declared: schema.job_kinds().map(str::to_owned).collect(),
            ..Kinds::default()
        }
    }

    /// Whether there are such jobs, whoever does them.
    fn is_known(&self, kind: &str) -> bool {
        kind == EXTERNAL || self.declared.contains(kind) || self.is_handled(kind)
    }

    /// This process does jobs of these kinds.
    pub fn handle(&self, kinds: Vec<String>) {
        *self.handled.write().unwrap_or_else(PoisonError::into_inner) = kinds;
    }

    /// Whether this process does them.
    pub fn is_handled(&self, kind: &str) -> bool {
        let handled = self.handled.read().unwrap_or_else(PoisonError::into_inner);
        handled.iter().any(|known| known == kind)
    }

    fn recall(&self, key: &(Guid, String), now: Ticks) -> Option<Defaults> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, defaults) = seen.get(key)?;
        (*at..*at + REMEMBERED).contains(&now).then_some(*defaults)
    }

    fn remember(&self, key: (Guid, String), now: Ticks, defaults: Defaults) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST {
            seen.clear();
        }
        seen.insert(key, (now, defaults));
    }
}

/// What holds for jobs of a kind in a tenant.
///
/// # Errors
/// `BAD_VALUE` for a kind that nobody knows.
pub(super) fn of(engine: &Engine, session: &mut Session<'_>, tenant: Guid, kind: &str) -> Outcome<Defaults> {
    let nobodys = match kind {
        "" => Some("Kind is empty."),
        EVERY => Some("`*` stands for all kinds: it is none."),
        _ => None,
    };
    if let Some(message) = nobodys {
        return Err(Fault::new(&fault::BAD_VALUE, message).of("Kind"));
    }
    let key = (tenant, kind.to_owned());
    let now = engine.clock.now();
    if let Some(known) = engine.desk.kinds.recall(&key, now) {
        return Ok(known);
    }
    let declared = declared(engine, session, tenant, kind)?;
    if declared.is_none() && !engine.desk.kinds.is_known(kind) && !has_runner(engine, session, tenant, kind)? {
        let message = format!("There is no kind of job `{kind}`: no runner has registered for it, and JobKinds does not have it.");
        return Err(Fault::new(&fault::BAD_VALUE, message).of("Kind"));
    }
    let defaults = declared.unwrap_or_default();
    engine.desk.kinds.remember(key, now, defaults);
    Ok(defaults)
}

/// How many days a job of a kind is kept after its end.
pub(super) fn retention(engine: &Engine, session: &mut Session<'_>, tenant: Guid, kind: &str) -> Outcome<i64> {
    let days = match of(engine, session, tenant, kind) {
        Ok(defaults) => defaults.retention,
        // It may have been known when the job was made.
        Err(fault) if fault.kind == &fault::BAD_VALUE => None,
        Err(fault) => return Err(fault),
    };
    Ok(days.unwrap_or(JOB_RETENTION_DAYS as i64))
}

impl Engine {
    /// Whether there are jobs of a kind in a tenant.
    ///
    /// # Errors
    /// `BAD_VALUE`.
    pub(in crate::engine) fn known_kind(&self, session: &mut Session<'_>, tenant: Guid, kind: &str) -> Outcome<()> {
        of(self, session, tenant, kind).map(drop)
    }

    /// A new or changed row of `JobKinds`: a kind that jobs can have, and numbers that they can have.
    ///
    /// # Errors
    /// `BAD_VALUE`
    pub(in crate::engine) fn check_job_kind(&self, new: &Entity) -> Outcome<()> {
        if new.ty != self.core_type("JobKinds")? {
            return Ok(());
        }
        let value = |name: &str| self.property_of(new.ty, name).map(|index| &new.values[index]);
        let name = text_of(value("Name")?);
        if name.is_empty() || name == EXTERNAL || name.chars().any(char::is_control) {
            let message = format!("Name is that of a kind of job: not empty, not `{EXTERNAL}`, without control characters.");
            return Err(Fault::new(&fault::BAD_VALUE, message).of("Name"));
        }
        for (name, least, most) in RANGES {
            if let Value::Integer(number) = value(name)?
                && !(*least..=*most).contains(number)
            {
                return Err(out_of_range(name, *least, *most));
            }
        }
        Ok(())
    }
}

/// What `JobKinds` says; the tenant's own row before the root tenant's.
fn declared(engine: &Engine, session: &mut Session<'_>, tenant: Guid, kind: &str) -> Outcome<Option<Defaults>> {
    let ty = engine.core_type("JobKinds")?;
    for tenant in [tenant, SYSTEM_TENANT] {
        let names = vec!["Tid".to_owned(), "Name".to_owned()];
        let values = vec![Value::Bytes(tenant.to_vec()), Value::Text(kind.to_owned())];
        let columns = ["Attempts", "TimeoutSeconds", "LeaseSeconds", "MaxParallel", "RetentionDays"];
        let rows = engine.columns(session, ty, &columns, None, vec![Restriction::Columns(names, values)])?;
        if let Some(row) = rows.first() {
            let number = |index: usize| {
                if let Value::Integer(number) = row[index] {
                    Some(number)
                } else {
                    None
                }
            };
            return Ok(Some(Defaults {
                attempts: number(0),
                timeout: number(1),
                lease: number(2),
                limited: number(3).is_some(),
                retention: number(4),
            }));
        }
    }
    Ok(None)
}

/// Whether a runner of the tenant or the root tenant has registered for a kind.
fn has_runner(engine: &Engine, session: &mut Session<'_>, tenant: Guid, kind: &str) -> Outcome<bool> {
    let ty = engine.core_type("Runners")?;
    let tenants = vec![vec![Value::Bytes(tenant.to_vec())], vec![Value::Bytes(SYSTEM_TENANT.to_vec())]];
    let of_tenants = Restriction::ColumnsIn(vec!["Tid".to_owned()], tenants);
    let rows = engine.columns_up_to(session, ty, &["Kinds"], None, vec![of_tenants], Some(1_000))?;
    Ok(rows.iter().any(|row| match &row[0] {
        Value::Text(json) => serde_json::from_str::<Vec<String>>(json).is_ok_and(|kinds| kinds.iter().any(|known| known == kind)),
        _ => false,
    }))
}

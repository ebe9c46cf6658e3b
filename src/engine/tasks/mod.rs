//! Tasks: work that starts by itself when its condition holds. What a start, an end, a parameter and a setting mean; floor 3 has the
//! thread that looks at the clock.
//!
//! Invariants:
//! - A start is one transaction: the run and its job are there together, or neither. A run ends with its job, in that job's transaction.
//! - What the scheduler writes is written by the one instance that holds the lease ([`LEASE`]): its fence is looked at in the same
//!   transaction.
//! - A tenant's tasks see the tasks, parameters and returns of that tenant, and no others.
//! - What is wrong with a task stands in its `ConditionError`, and stops nothing else.

mod check;
mod configs;
mod graph;
mod lead;
mod load;
mod parameters;
pub mod plan;
mod run;

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub use check::Sort;
pub use configs::SETTINGS;
pub(super) use configs::complete;
pub use lead::{Begun, LEASE, LEASE_TIME};
pub use load::{Loaded, Reloaded};
pub use run::{Start, Started, Trigger};

use super::Engine;
use super::row::Entity;
use crate::model::caller::{Guid, SYSTEM_TENANT};
use crate::model::clock::Ticks;
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::model::schema::EntityType;
use crate::model::text;
use crate::store::{Session, tasks};

/// Tasks that have changed, for the scheduler of this process. Nothing that counts: a scheduler that begins reads everything.
#[derive(Debug, Default)]
pub struct Tray {
    changed: Mutex<(BTreeSet<(Guid, i64)>, bool)>,
    bell: Condvar,
}

impl Tray {
    /// A task of a tenant has changed; 0: all of them.
    fn put(&self, tenant: Guid, task: i64) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).0.insert((tenant, task));
        self.bell.notify_all();
    }

    /// Wakes who waits.
    pub fn ring(&self) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.bell.notify_all();
    }

    /// Waits for changes, but not longer than some time, and takes them out.
    pub fn wait(&self, time: Duration) -> BTreeSet<(Guid, i64)> {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_empty = |state: &mut (BTreeSet<(Guid, i64)>, bool)| state.0.is_empty() && !state.1;
        let waited = self.bell.wait_timeout_while(changed, time, is_empty);
        let mut changed = waited.unwrap_or_else(PoisonError::into_inner).0;
        changed.1 = false;
        std::mem::take(&mut changed.0)
    }
}

impl Engine {
    /// The scheduler has to look at a task of a tenant again, once this is committed; 0: at all of them.
    fn task_changed(&self, session: &mut Session<'_>, tenant: Guid, task: i64) -> Outcome<()> {
        let tray: Arc<Tray> = self.tray.clone();
        session.after_commit(move || tray.put(tenant, task));
        match session.has_one_process() {
            true => Ok(()),
            false => tasks::note_change(session, tenant, task),
        }
    }
}

/// An entity of a built-in set, by the names of its properties.
#[derive(Clone, Copy)]
struct Row<'a> {
    ty: &'a EntityType,
    entity: &'a Entity,
}

impl<'a> Row<'a> {
    fn of(engine: &'a Engine, entity: &'a Entity) -> Row<'a> {
        let ty = &engine.schema.types[entity.ty];
        Row { ty, entity }
    }

    fn value(self, name: &str) -> &'a Value {
        let index = self.ty.property(name);
        index.and_then(|index| self.entity.values.get(index)).unwrap_or(&Value::Null)
    }

    fn text(self, name: &str) -> &'a str {
        self.filled(name).unwrap_or_default()
    }

    /// A text that is neither null nor blank.
    fn filled(self, name: &str) -> Option<&'a str> {
        match self.value(name) {
            Value::Text(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    fn number(self, name: &str) -> Option<i64> {
        match self.value(name) {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    fn integer(self, name: &str) -> i64 {
        self.number(name).unwrap_or_default()
    }

    fn moment(self, name: &str) -> Option<Ticks> {
        text::text_to_ticks(self.text(name))
    }

    fn is(self, name: &str) -> bool {
        *self.value(name) == Value::Boolean(true)
    }

    fn tenant(self) -> Guid {
        match self.value("Tid") {
            Value::Bytes(bytes) => Guid::try_from(bytes.as_slice()).unwrap_or(SYSTEM_TENANT),
            _ => SYSTEM_TENANT,
        }
    }
}

/// Gives a property of an entity a value.
fn set(engine: &Engine, entity: &mut Entity, name: &str, value: Value) -> Outcome<()> {
    let index = engine.property_of(entity.ty, name)?;
    let place = entity
        .values
        .get_mut(index)
        .ok_or_else(|| Fault::internal("an entity without its values"))?;
    *place = value;
    Ok(())
}

/// A text.
fn word(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A time as it stands in a column.
fn moment(ticks: Ticks) -> Value {
    Value::Text(text::ticks_to_text(whole(ticks)))
}

/// A time in whole microseconds, as columns have it.
fn whole(ticks: Ticks) -> Ticks {
    ticks - ticks.rem_euclid(10)
}

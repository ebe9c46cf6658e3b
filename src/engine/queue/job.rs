//! One job as its row has it, and the one place where it goes from one state to the next.

use super::kinds;
use super::state::{self, State, Step};
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::{Guid, SYSTEM_TENANT, Scope};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::{JOB_KEPT_DAYS, JOB_MESSAGE_BYTES};
use crate::model::schema::EntityType;
use crate::model::text;
use crate::store::{Insert, JobRow, Session, Update};

const DAY: Ticks = 86_400 * SECOND;

/// New values, by property.
pub(crate) type Values<'a> = Vec<(&'a str, Value)>;

/// A job, kept from other writers.
#[derive(Debug, Clone)]
pub struct Job {
    row: Entity,
    /// `Id`.
    pub id: i64,
    /// `Tid`.
    pub tenant: Guid,
    /// `State`.
    pub state: State,
    /// `Kind`.
    pub kind: String,
    /// `Attempt`: how often it was claimed.
    pub attempt: i64,
}

impl Job {
    /// Of its row.
    pub(in crate::engine) fn of(engine: &Engine, row: Entity) -> Outcome<Job> {
        let ty = &engine.schema.types[row.ty];
        let value = |name: &str| value(ty, &row, name);
        Ok(Job {
            id: integer(value("Id")),
            tenant: guid(value("Tid")).unwrap_or(SYSTEM_TENANT),
            state: State::of(text_of(value("State"))).ok_or_else(|| Fault::internal("a job in no state"))?,
            kind: text_of(value("Kind")).to_owned(),
            attempt: integer(value("Attempt")),
            row,
        })
    }

    /// Of values in the order of the type's properties.
    pub(super) fn of_row(engine: &Engine, values: JobRow) -> Outcome<Job> {
        let ty = engine.core_type("Jobs")?;
        let (media, dynamic) = (Value::Null, Value::Null);
        Job::of(
            engine,
            Entity {
                ty,
                values,
                media,
                dynamic,
            },
        )
    }

    /// A property's value.
    pub fn value<'a>(&'a self, engine: &Engine, name: &str) -> &'a Value {
        value(&engine.schema.types[self.row.ty], &self.row, name)
    }

    /// A property that is a number; null is 0.
    pub fn integer(&self, engine: &Engine, name: &str) -> i64 {
        integer(self.value(engine, name))
    }

    /// A property that is a text; null is empty.
    pub fn text<'a>(&'a self, engine: &Engine, name: &str) -> &'a str {
        text_of(self.value(engine, name))
    }

    /// A property that is a moment.
    pub fn moment(&self, engine: &Engine, name: &str) -> Option<Ticks> {
        text::text_to_ticks(self.text(engine, name))
    }

    /// It is not due yet.
    pub(super) fn is_later(&self, engine: &Engine) -> bool {
        self.moment(engine, "Due").is_some_and(|due| due > engine.clock.now())
    }

    /// A property that is true or false.
    pub fn is(&self, engine: &Engine, name: &str) -> bool {
        *self.value(engine, name) == Value::Boolean(true)
    }

    /// The row, to be shown.
    pub(in crate::engine) fn into_row(self) -> Entity {
        self.row
    }

    /// Takes a step: the row, its history, and nothing else.
    ///
    /// # Errors
    /// `CONFLICT` where it is not possible.
    pub(super) fn step(&mut self, engine: &Engine, session: &mut Session<'_>, step: Step, why: &str, values: Values<'_>) -> Outcome<()> {
        let to = state::step(self.state, step)?;
        self.go(engine, session, to, why, values)
    }

    /// Goes where a step has led to, or, where a job begins, what it has to wait for.
    pub(super) fn go(&mut self, engine: &Engine, session: &mut Session<'_>, to: State, why: &str, mut values: Values<'_>) -> Outcome<()> {
        values.push(("State", word(to.name())));
        if !to.is_held() {
            values.extend(["Registration", "LeaseUntil", "TimeoutAt", "WallAt"].map(|name| (name, Value::Null)));
        }
        if to.is_end() || to == State::Idle {
            values.extend(["Place", "Turn"].map(|name| (name, Value::Null)));
        }
        if to.is_end() {
            values.push(("UniqueKey", Value::Null));
            let now = engine.clock.now();
            let days = kinds::retention(engine, session, self.tenant, &self.kind)?;
            values.push(("EndTime", moment(now)));
            // What drives an entity says in which state that is, as long as it is there.
            if !engine.is_machine(self) {
                values.push(("RetireAt", moment(now + days.clamp(0, JOB_KEPT_DAYS as i64) * DAY)));
            }
        }
        let from = self.state;
        self.write(engine, session, values)?;
        self.state = to;
        self.remember(engine, session, Some(from), Some(to), why)
    }

    /// Another value of a property, which nobody writes down yet.
    pub(super) fn put(&mut self, engine: &Engine, name: &str, value: Value) -> Outcome<()> {
        let index = engine.schema.types[self.row.ty].property(name);
        self.row.values[index.ok_or_else(|| Fault::internal(format!("jobs have no {name}")))?] = value;
        Ok(())
    }

    /// Writes values that are no step.
    pub(super) fn write(&mut self, engine: &Engine, session: &mut Session<'_>, mut values: Values<'_>) -> Outcome<()> {
        values.extend([
            ("Modified", moment(engine.clock.now())),
            ("RowVersion", Value::Bytes(engine.next_version())),
        ]);
        for (name, value) in &values {
            self.put(engine, name, value.clone())?;
        }
        self.kind = text_of(self.value(engine, "Kind")).to_owned();
        let (everything, key) = (Scope::everything(), [Value::Integer(self.id)]);
        let mut update = Update::new(&engine.schema, &everything, self.row.ty, &key)?;
        update.values = values;
        update.run(session)
    }

    /// A row of the history.
    pub(super) fn remember(
        &self,
        engine: &Engine,
        session: &mut Session<'_>,
        from: Option<State>,
        to: Option<State>,
        why: &str,
    ) -> Outcome<()> {
        let ty = engine.core_type("JobEvents")?;
        let table = engine.schema.types[ty].table;
        let mut insert = Insert::new(&engine.schema, table.ok_or_else(|| Fault::internal("no table"))?);
        let name = |state: Option<State>| state.map_or(Value::Null, |state| word(state.name()));
        insert.values = vec![
            ("Tid", Value::Bytes(self.tenant.to_vec())),
            ("JobId", Value::Integer(self.id)),
            ("Kind", word(&self.kind)),
            ("At", moment(engine.clock.now())),
            ("From", name(from)),
            ("To", name(to)),
            ("Attempt", Value::Integer(self.attempt)),
            ("Worker", self.value(engine, "Worker").clone()),
            (
                "Message",
                if why.is_empty() {
                    Value::Null
                } else {
                    word(cut(why, JOB_MESSAGE_BYTES))
                },
            ),
        ];
        engine.desk.counts.ring_after(session);
        insert.run(session).map(drop)
    }
}

pub(super) fn value<'a>(ty: &EntityType, row: &'a Entity, name: &str) -> &'a Value {
    ty.property(name).and_then(|index| row.values.get(index)).unwrap_or(&Value::Null)
}

pub(super) fn integer(value: &Value) -> i64 {
    if let Value::Integer(number) = value { *number } else { 0 }
}

pub(super) fn text_of(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

pub(super) fn guid(value: &Value) -> Option<Guid> {
    match value {
        Value::Bytes(bytes) => Guid::try_from(bytes.as_slice()).ok(),
        _ => None,
    }
}

/// A text.
pub(super) fn word(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A time, in whole microseconds.
pub(super) fn moment(ticks: Ticks) -> Value {
    Value::Text(text::ticks_to_text(ticks - ticks % 10))
}

/// At most so many bytes of a text, whole characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

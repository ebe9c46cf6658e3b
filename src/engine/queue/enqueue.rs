//! New jobs: what their maker may say, and where in the queue they begin.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::job::{Job, Values, guid, word};
use super::kinds::{self, EXTERNAL};
use super::state::State;
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Guid, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{JOB_ARGUMENT_BYTES, JOB_ATTEMPTS, JOB_CHAIN, JOB_SECONDS, JOB_TAGS};
use crate::model::target::Body;
use crate::store::{Restriction, Session, Update};

/// Priorities go from minus to plus this.
const PRIORITIES: i64 = 100;
/// So many turns fit into one priority.
const TURNS: i64 = 1 << 40;

/// Numbers that a maker may say, and their ranges.
const RANGES: &[(&str, i64, i64)] = &[
    ("Priority", -PRIORITIES, PRIORITIES),
    ("Attempts", 1, JOB_ATTEMPTS as i64),
    ("RetrySeconds", 0, JOB_SECONDS as i64),
    ("DeferSeconds", 0, JOB_SECONDS as i64),
    ("TimeoutSeconds", 1, JOB_SECONDS as i64),
    ("WallSeconds", 1, JOB_SECONDS as i64),
    ("LeaseSeconds", 1, JOB_SECONDS as i64),
];

/// A job that the server itself makes.
#[derive(Debug, Clone, Default)]
pub struct New<'a> {
    /// In which tenant.
    pub tenant: Guid,
    /// In whose name.
    pub user: i64,
    /// What it is called; its kind if that is empty.
    pub name: &'a str,
    /// `Kind`.
    pub kind: &'a str,
    /// `Parameters`.
    pub parameters: Option<String>,
    /// Further properties.
    pub values: Vec<(&'a str, Value)>,
}

/// What a body made of a job.
pub(in crate::engine) enum Checked {
    /// It is new.
    New,
    /// The same request was carried out before.
    Known(Box<Entity>),
}

impl Engine {
    /// Enqueues a job of the server's.
    pub fn enqueue(&self, session: &mut Session<'_>, new: New<'_>) -> Outcome<i64> {
        let ty = self.core_type("Jobs")?;
        let name = if new.name.is_empty() { new.kind } else { new.name };
        let mut values = vec![("Name", word(name)), ("Kind", word(new.kind))];
        values.extend(new.parameters.map(|parameters| ("Parameters", Value::Text(parameters))));
        values.extend(new.values);
        let mut body = Vec::with_capacity(values.len());
        for (name, value) in values {
            body.push((self.property_of(ty, name)?, value));
        }
        let mut caller = Caller::server();
        (caller.user, caller.tenant) = (new.user, new.tenant);
        let mut row = self.new_entity(&caller, Body::new(ty, body))?;
        if let Checked::Known(known) = self.settle_job(session, &caller, &mut row)? {
            return Ok(Job::of(self, *known)?.id);
        }
        self.insert(session, &mut row, &[])?;
        self.job_made(session, &mut row)?;
        Ok(Job::of(self, row)?.id)
    }

    /// Before an entity is inserted: if it is a job, whether it can be one, and what the server says of it.
    pub(in crate::engine) fn check_job(&self, session: &mut Session<'_>, caller: &Caller, new: &mut Entity) -> Outcome<Checked> {
        if new.ty != self.core_type("Jobs")? {
            return Ok(Checked::New);
        }
        let value = |name: &str| self.property_of(new.ty, name).map(|index| &new.values[index]);
        let tenant = self.schema.types[new.ty].tenant;
        let tenant = tenant.and_then(|index| guid(&new.values[index])).unwrap_or(caller.tenant);
        for (number, step) in steps(value("Chain")?).iter().enumerate() {
            self.check_step(session, tenant, step).map_err(|fault| Fault {
                message: format!("Step {} of the chain: {}", number + 1, fault.message).into(),
                property: Some("Chain".to_owned()),
                ..fault
            })?;
        }
        self.settle_job(session, caller, new)
    }

    /// A step of a chain can be a job when it comes to it.
    fn check_step(&self, session: &mut Session<'_>, tenant: Guid, step: &Json) -> Outcome<()> {
        let bad = |message: &str| Err(Fault::new(&fault::BAD_VALUE, message.to_owned()));
        let Some(kind) = step["Kind"].as_str() else {
            return bad("Kind is a text.");
        };
        if kind == EXTERNAL {
            return bad("What is done outside has no place in a chain.");
        }
        kinds::of(self, session, tenant, kind)?;
        if !matches!(step["Parameters"], Json::Null | Json::String(_)) {
            return bad("Parameters are a JSON object, as text.");
        }
        for (name, least, most) in RANGES {
            let fits = |number: i64| (*least..=*most).contains(&number);
            if !step[*name].is_null() && !step[*name].as_i64().is_some_and(fits) {
                return bad(&out_of_range(name, *least, *most).message);
            }
        }
        Ok(())
    }

    /// The same for jobs of the server's, which were looked at when they were asked for.
    fn settle_job(&self, session: &mut Session<'_>, caller: &Caller, new: &mut Entity) -> Outcome<Checked> {
        let ty = &self.schema.types[new.ty];
        let index = |name: &str| self.property_of(new.ty, name);
        for (name, least, most) in RANGES {
            if let Value::Integer(number) = new.values[index(name)?]
                && !(*least..=*most).contains(&number)
            {
                return Err(out_of_range(name, *least, *most));
            }
        }
        // Until all of it is there: links of a draft alone may change.
        new.values[index("State")?] = word(State::Draft.name());
        let kind = if let Value::Text(kind) = &new.values[index("Kind")?] {
            kind.clone()
        } else {
            String::new()
        };
        let arguments = new.values[index("Parameters")?].clone();
        match kind.as_str() {
            EXTERNAL => check_size(&arguments)?,
            _ => check_arguments(&arguments)?,
        }
        let following = check_lists(&new.values[index("Tags")?], &new.values[index("Chain")?])?;
        for kind in following.iter().chain([&kind]) {
            self.may_job(caller, kind)?;
        }
        let tenant = ty.tenant.and_then(|index| guid(&new.values[index])).unwrap_or(caller.tenant);
        let defaults = kinds::of(self, session, tenant, &kind)?;
        for (name, default) in [
            ("Attempts", Some(defaults.attempts.unwrap_or(1))),
            ("TimeoutSeconds", defaults.timeout),
            ("LeaseSeconds", defaults.lease),
        ] {
            let value = &mut new.values[index(name)?];
            if let (Value::Null, Some(default)) = (&value, default) {
                *value = Value::Integer(default);
            }
        }
        if let Some(known) = self.known_job(
            session,
            (tenant, caller.user),
            &kind,
            &arguments,
            &new.values[index("IdempotencyKey")?],
        )? {
            return Ok(Checked::Known(Box::new(known)));
        }
        if new.values[index("Unique")?] == Value::Boolean(true) {
            new.values[index("UniqueKey")?] = self.only_one(session, tenant, &kind, &arguments)?;
        }
        Ok(Checked::New)
    }

    /// What a unique job holds while it lives.
    ///
    /// # Errors
    /// `CONFLICT` when another one holds it.
    pub(super) fn only_one(&self, session: &mut Session<'_>, tenant: Guid, kind: &str, arguments: &Value) -> Outcome<Value> {
        let key = word(&unique_key(kind, arguments));
        let held = vec![Value::Bytes(tenant.to_vec()), key.clone()];
        let same = Restriction::Columns(vec!["Tid".to_owned(), "UniqueKey".to_owned()], held);
        if let Some(row) = self.columns(session, self.core_type("Jobs")?, &["Id"], None, vec![same])?.first()
            && let Value::Integer(id) = row[0]
        {
            let message = format!("Job {id} has this kind and these arguments, and has not ended.");
            return Err(Fault::new(&fault::CONFLICT, message));
        }
        Ok(key)
    }

    /// The job that was made by the same request before.
    fn known_job(
        &self,
        session: &mut Session<'_>,
        (tenant, user): (Guid, i64),
        kind: &str,
        arguments: &Value,
        key: &Value,
    ) -> Outcome<Option<Entity>> {
        if key.is_null() {
            return Ok(None);
        }
        let held = vec![Value::Bytes(tenant.to_vec()), key.clone()];
        let same = Restriction::Columns(vec!["Tid".to_owned(), "IdempotencyKey".to_owned()], held);
        let ty = self.core_type("Jobs")?;
        let rows = self.columns(session, ty, &["Id", "CreatedById", "Kind", "Parameters"], None, vec![same])?;
        let Some(row) = rows.first() else { return Ok(None) };
        if row[1] != Value::Integer(user) || row[2] != word(kind) || row[3] != *arguments {
            return Err(Fault::new(&fault::CONFLICT, "Another job has this IdempotencyKey."));
        }
        self.job_row(session, &Scope::everything(), &row[0], false).map(Some)
    }

    /// After a job and all its links were inserted: its first state, and the first row of its history.
    pub(in crate::engine) fn job_made(&self, session: &mut Session<'_>, new: &mut Entity) -> Outcome<()> {
        if new.ty != self.core_type("Jobs")? {
            return Ok(());
        }
        let mut job = Job::of(self, new.clone())?;
        let (state, values) = self.first_state(session, &job)?;
        let (everything, key) = (Scope::everything(), [Value::Integer(job.id)]);
        for (name, value) in &values {
            new.values[self.property_of(new.ty, name)?] = value.clone();
        }
        let mut update = Update::new(&self.schema, &everything, new.ty, &key)?;
        update.values = values;
        update.run(session)?;
        job.state = state;
        job.remember(self, session, None, Some(state), "")?;
        match state {
            State::Queued => self.desk.work.ring_after(session),
            State::Delayed => self.desk.times.ring_after(session),
            _ => {}
        }
        Ok(())
    }

    /// Where a job begins that is made or submitted now.
    pub(super) fn first_state(&self, session: &mut Session<'_>, job: &Job) -> Outcome<(State, Values<'static>)> {
        let state = if job.kind == EXTERNAL {
            State::Idle
        } else if !job.is(self, "Submitted") {
            State::Draft
        } else if self.has_to_wait(session, job)? {
            State::Waiting
        } else if job.is_later(self) {
            State::Delayed
        } else {
            State::Queued
        };
        let mut values = vec![("State", word(state.name()))];
        if state == State::Queued {
            values.extend(self.place(session, job)?);
        }
        Ok((state, values))
    }

    /// A job's place in the queue; the one that it had, if it had one.
    pub(super) fn place(&self, session: &mut Session<'_>, job: &Job) -> Outcome<Values<'static>> {
        if !job.value(self, "Place").is_null() {
            return Ok(Vec::new());
        }
        let priority = job.integer(self, "Priority");
        let turn = self.queue()?.turn(session, job.integer(self, "CreatedById"), priority)?;
        let place = (PRIORITIES - priority) * TURNS + turn.min(TURNS - 1);
        Ok(vec![("Place", Value::Integer(place)), ("Turn", Value::Integer(turn))])
    }
}

/// 400, for a number.
pub(super) fn out_of_range(name: &str, least: i64, most: i64) -> Fault {
    Fault::new(&fault::BAD_VALUE, format!("{name} is between {least} and {most}.")).of(name)
}

/// Arguments are no longer than somebody can keep in memory.
pub(super) fn check_size(arguments: &Value) -> Outcome<()> {
    match arguments {
        Value::Text(text) if text.len() > JOB_ARGUMENT_BYTES => {
            let message = format!("Arguments have at most {JOB_ARGUMENT_BYTES} bytes; what is longer is a job's Input.");
            Err(Fault::new(&fault::BAD_VALUE, message).of("Parameters"))
        }
        _ => Ok(()),
    }
}

/// Arguments are a JSON object, or none.
pub(in crate::engine) fn check_arguments(arguments: &Value) -> Outcome<()> {
    let bad = |message: String| Err(Fault::new(&fault::BAD_VALUE, message).of("Parameters"));
    check_size(arguments)?;
    match arguments {
        Value::Text(text) if text.is_empty() => Ok(()),
        Value::Text(text) => match serde_json::from_str::<Json>(text) {
            Ok(Json::Object(_)) => Ok(()),
            Ok(_) => bad("Parameters are a JSON object, as text.".to_owned()),
            Err(error) => bad(format!("Parameters are a JSON object, as text: {error}.")),
        },
        _ => Ok(()),
    }
}

/// The kinds of the jobs that are to follow, after a look at them and at the tags.
fn check_lists(tags: &Value, chain: &Value) -> Outcome<Vec<String>> {
    let mut kinds = Vec::new();
    if let Value::Text(json) = tags {
        let tags: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        check_tags(&tags)?;
    }
    let steps = steps(chain);
    if steps.len() > JOB_CHAIN {
        return Err(Fault::new(&fault::TOO_LARGE, format!("A chain has at most {JOB_CHAIN} steps.")).of("Chain"));
    }
    for step in &steps {
        let parameters = step.get("Parameters").and_then(Json::as_str);
        check_arguments(&parameters.map_or(Value::Null, word))?;
        kinds.extend(step.get("Kind").and_then(Json::as_str).map(str::to_owned));
    }
    Ok(kinds)
}

/// What is to follow, one after the other.
fn steps(chain: &Value) -> Vec<Json> {
    match chain {
        Value::Text(json) => serde_json::from_str(json).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Tags are few, and words.
pub(in crate::engine) fn check_tags(tags: &[String]) -> Outcome<()> {
    let is_word = |tag: &String| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        (1..=100).contains(&tag.len()) && tag.chars().all(fits)
    };
    if tags.len() > JOB_TAGS || !tags.iter().all(is_word) {
        let message = format!("There are at most {JOB_TAGS} tags, of letters, digits, dots, dashes and underscores.");
        return Err(Fault::new(&fault::BAD_VALUE, message).of("Tags"));
    }
    Ok(())
}

/// The same for the same kind and arguments, in whatever order their members are.
fn unique_key(kind: &str, arguments: &Value) -> String {
    let json = if let Value::Text(text) = arguments {
        serde_json::from_str(text).unwrap_or(Json::Null)
    } else {
        Json::Null
    };
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(sorted(&json).to_string().as_bytes());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(json: &Json) -> Json {
    match json {
        Json::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), sorted(&members[name]))).collect()
        }
        Json::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_members_does_not_count() {
        let key = |kind: &str, text: &str| unique_key(kind, &word(text));
        assert_eq!(
            key("a", r#"{"x": 1, "y": {"b": 2, "a": [1, 2]}}"#),
            key("a", r#"{"y":{"a":[1,2],"b":2},"x":1}"#)
        );
        assert_ne!(key("a", r#"{"x": [1, 2]}"#), key("a", r#"{"x": [2, 1]}"#), "that of items does");
        assert_ne!(key("a", "{}"), key("b", "{}"));
        assert_ne!(unique_key("a", &Value::Null), key("a", "{}"));
    }
}

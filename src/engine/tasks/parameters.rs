//! What the job of a task is given: the parameters of the session, of the group, of the task and of whoever runs it, the later before
//! the earlier; and what other tasks gave last, where `{"$return": "task"}` stands.

use serde_json::{Map, Value as Json};

use super::{Row, moment, word};
use crate::engine::Engine;
use crate::engine::queue::MASK;
use crate::model::caller::{Guid, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::JOB_ARGUMENT_BYTES;
use crate::store::{Restriction, Session, Update};

/// Stands for what another task gave last; beside it may be a `default`.
const RETURN: &str = "$return";

/// What the worker of a job is given, and the same for everybody else, with masks for secrets.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    pub real: Map<String, Json>,
    pub shown: Map<String, Json>,
}

impl Given {
    /// What is masked for everybody but the worker.
    pub(super) fn secrets(&self) -> Option<String> {
        let is_masked = |(name, value): &(&String, &Json)| self.shown.get(*name) != Some(*value);
        let masked: Map<String, Json> = self
            .real
            .iter()
            .filter(is_masked)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        (!masked.is_empty()).then(|| Json::from(masked).to_string())
    }

    fn put(&mut self, name: &str, value: Json, is_secret: bool) {
        let shown = if is_secret { Json::from(MASK) } else { value.clone() };
        self.shown.insert(name.to_owned(), shown);
        self.real.insert(name.to_owned(), value);
    }

    fn put_all(&mut self, text: &str, whose: &str) -> Outcome<()> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let bad = |error: &dyn std::fmt::Display| {
            Fault::new(
                &fault::BAD_VALUE,
                format!("The parameters of the {whose} are no JSON object: {error}."),
            )
            .of("Parameters")
        };
        let members: Map<String, Json> = serde_json::from_str(text).map_err(|error| bad(&error))?;
        members.into_iter().for_each(|(name, value)| self.put(&name, value, false));
        Ok(())
    }
}

impl Engine {
    /// What the job of a run is given.
    ///
    /// # Errors
    /// `BAD_VALUE` for what is no JSON object, and for a return that is not there and has no default; `TOO_LARGE`.
    pub(super) fn given(&self, session: &mut Session<'_>, task: Row<'_>, batch: Option<&str>) -> Outcome<Given> {
        let (tenant, mut given) = (task.tenant(), Given::default());
        self.put_rows(session, tenant, (0, None), &mut given)?;
        if let Some(group) = task.filled("GroupName") {
            let text = self.group_parameters(session, tenant, group)?;
            given.put_all(&text, "group")?;
            self.put_rows(session, tenant, (0, Some(group)), &mut given)?;
        }
        given.put_all(task.text("Parameters"), "task")?;
        if let Some(command) = task.filled("Command") {
            given.put("Command", Json::from(command), false);
        }
        self.put_rows(session, tenant, (task.integer("Id"), None), &mut given)?;
        if let Some(batch) = batch {
            given.put_all(batch, "run")?;
        }
        for name in given.real.keys().cloned().collect::<Vec<_>>() {
            let value = given.real[&name].clone();
            let resolved = self.resolved(session, tenant, value.clone())?;
            if resolved != value {
                given.put(&name, resolved, given.shown.get(&name) == Some(&Json::from(MASK)));
            }
        }
        if Json::from(given.real.clone()).to_string().len() > JOB_ARGUMENT_BYTES {
            let message = format!("The parameters of a run have at most {JOB_ARGUMENT_BYTES} bytes together.");
            return Err(Fault::new(&fault::TOO_LARGE, message).of("Parameters"));
        }
        Ok(given)
    }

    /// Rows of `Parameters` at one place.
    fn put_rows(&self, session: &mut Session<'_>, tenant: Guid, (task, group): (i64, Option<&str>), given: &mut Given) -> Outcome<()> {
        for (name, value, is_secret) in self.parameter_rows(session, tenant, task, group)? {
            given.put(&name, serde_json::from_str(&value).unwrap_or(Json::Null), is_secret);
        }
        Ok(())
    }

    /// Name, value and whether it is a secret.
    fn parameter_rows(
        &self,
        session: &mut Session<'_>,
        tenant: Guid,
        task: i64,
        group: Option<&str>,
    ) -> Outcome<Vec<(String, String, bool)>> {
        let here = Restriction::Columns(
            vec!["Tid".to_owned(), "TaskId".to_owned()],
            vec![Value::Bytes(tenant.to_vec()), Value::Integer(task)],
        );
        let columns = ["Name", "Value", "Secret", "IsSecret", "GroupName"];
        let rows = self.columns(session, self.core_type("Parameters")?, &columns, None, vec![here])?;
        let mut found = Vec::new();
        for row in rows {
            let [Value::Text(name), value, secret, is_secret, of] = row.as_slice() else {
                continue;
            };
            let of = if let Value::Text(of) = of { Some(of.as_str()) } else { None };
            if of.filter(|of| !of.is_empty()) != group {
                continue;
            }
            let is_secret = *is_secret == Value::Boolean(true);
            let value = if is_secret { secret } else { value };
            let text = if let Value::Text(text) = value {
                text.clone()
            } else {
                "null".to_owned()
            };
            found.push((name.clone(), text, is_secret));
        }
        Ok(found)
    }

    /// The parameters of a tenant's session as conditions see them: texts without their quotes, secrets masked.
    pub(super) fn session_parameters(&self, session: &mut Session<'_>, tenant: Guid) -> Outcome<Vec<(String, String)>> {
        let rows = self.parameter_rows(session, tenant, 0, None)?;
        let text = |value: String| match serde_json::from_str::<Json>(&value) {
            Ok(Json::String(text)) => text,
            _ => value,
        };
        let row = |(name, value, is_secret): (String, String, bool)| (name, if is_secret { MASK.to_owned() } else { text(value) });
        Ok(rows.into_iter().map(row).collect())
    }

    fn group_parameters(&self, session: &mut Session<'_>, tenant: Guid, group: &str) -> Outcome<String> {
        let same = Restriction::Columns(
            vec!["Tid".to_owned(), "Name".to_owned()],
            vec![Value::Bytes(tenant.to_vec()), word(group)],
        );
        let rows = self.columns(session, self.core_type("TaskGroups")?, &["Parameters"], None, vec![same])?;
        Ok(match rows.first().map(|row| &row[0]) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        })
    }

    /// A value with what other tasks gave in the place of every `{"$return": "task"}`.
    fn resolved(&self, session: &mut Session<'_>, tenant: Guid, value: Json) -> Outcome<Json> {
        match value {
            Json::Object(members) => match members.get(RETURN) {
                Some(Json::String(task)) => match self.returned(session, tenant, task)? {
                    Some(value) => Ok(value),
                    None => members.get("default").cloned().ok_or_else(|| {
                        let message = format!("The task {task} has not given anything yet, and there is no `default` beside `{RETURN}`.");
                        Fault::new(&fault::BAD_VALUE, message).of("Parameters")
                    }),
                },
                _ => {
                    let mut all = Map::new();
                    for (name, value) in members {
                        all.insert(name, self.resolved(session, tenant, value)?);
                    }
                    Ok(Json::Object(all))
                }
            },
            Json::Array(items) => items.into_iter().map(|item| self.resolved(session, tenant, item)).collect(),
            other => Ok(other),
        }
    }

    fn returned(&self, session: &mut Session<'_>, tenant: Guid, task: &str) -> Outcome<Option<Json>> {
        let of = Restriction::Columns(
            vec!["Tid".to_owned(), "TaskName".to_owned()],
            vec![Value::Bytes(tenant.to_vec()), word(task)],
        );
        let rows = self.columns(session, self.core_type("Returns")?, &["Value"], None, vec![of])?;
        Ok(rows.first().map(|row| match &row[0] {
            Value::Text(text) => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.as_str())),
            _ => Json::Null,
        }))
    }

    /// A task gave something.
    pub(super) fn write_return(&self, session: &mut Session<'_>, run: Row<'_>, value: &Value) -> Outcome<()> {
        let ty = self.core_type("Returns")?;
        let task = run.value("TaskId").clone();
        let values = vec![
            ("TaskName", run.value("TaskName").clone()),
            ("Value", value.clone()),
            ("UpdatedAt", moment(self.clock.now())),
            ("RunId", run.value("RunId").clone()),
        ];
        let of = Restriction::Columns(vec!["TaskId".to_owned()], vec![task.clone()]);
        if let Some(row) = self.columns(session, ty, &["Id"], None, vec![of])?.first() {
            let everything = Scope::everything();
            let mut update = Update::new(&self.schema, &everything, ty, &row[..1])?;
            update.values = values;
            return update.run(session);
        }
        let mut all = vec![("TaskId", task)];
        all.extend(values);
        self.add_built_in(session, "Returns", run.tenant(), all).map(drop)
    }

    /// A task has another name.
    pub(super) fn rename_return(&self, session: &mut Session<'_>, task: i64, name: &str) -> Outcome<()> {
        let ty = self.core_type("Returns")?;
        let of = Restriction::Columns(vec!["TaskId".to_owned()], vec![Value::Integer(task)]);
        let rows = self.columns(session, ty, &["Id"], None, vec![of])?;
        let Some(row) = rows.first() else { return Ok(()) };
        let everything = Scope::everything();
        let mut update = Update::new(&self.schema, &everything, ty, &row[..1])?;
        update.values = vec![("TaskName", word(name))];
        update.run(session)
    }
}

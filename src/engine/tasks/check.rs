//! What clients may say of tasks and what belongs to them, before it is written; and what follows when it was.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Row, moment, set, word};
use crate::engine::Engine;
use crate::engine::permission::Verb;
use crate::engine::queue::{MASK, check_arguments};
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Guid, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{JOB_ARGUMENT_BYTES, JOB_ATTEMPTS, JOB_SECONDS, TASK_CATCH_UP, TASK_JITTER_SECONDS, TASK_PARAMETERS, TASKS};
use crate::schedule::{Condition, parse, zone};
use crate::store::{Delete, Restriction, Session, clear_where, tasks};

/// What of tasks an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Of `Tasks`.
    Task,
    /// Of `TaskGroups`.
    Group,
    /// Of `Parameters`.
    Parameter,
    /// Of `Configs`.
    Config,
}

const SORTS: &[(&str, Sort)] = &[
    ("Tasks", Sort::Task),
    ("TaskGroups", Sort::Group),
    ("Parameters", Sort::Parameter),
    ("Configs", Sort::Config),
];

/// What a task may be made of, and the kind of its jobs if it does not say one.
const CLASSES: &[(&str, &str)] = &[
    ("Job", "external"),
    ("Handler", "external"),
    ("Command", "command"),
    ("Http", "http"),
];

/// Numbers of a task, and their ranges.
const RANGES: &[(&str, i64, i64)] = &[
    ("Priority", -100, 100),
    ("TimeoutSeconds", 0, JOB_SECONDS as i64),
    ("Retries", 0, JOB_ATTEMPTS as i64 - 1),
    ("RetrySeconds", 0, JOB_SECONDS as i64),
    ("JitterSeconds", 0, TASK_JITTER_SECONDS as i64),
    ("CatchUpLimit", 1, TASK_CATCH_UP as i64),
];

/// Of `CatchUp`.
const CATCH_UP: &[&str] = &["none", "once", "all"];

impl Engine {
    fn sort(&self, entity: &Entity) -> Outcome<Option<Sort>> {
        for (set, sort) in SORTS {
            if self.core_type(set)? == entity.ty {
                return Ok(Some(*sort));
            }
        }
        Ok(None)
    }

    /// Before an entity is inserted. One that is there already, if that is what the settings say of a task of its name.
    ///
    /// # Errors
    /// `BAD_VALUE`, `BAD_CONDITION`, `BAD_REFERENCE`, `FORBIDDEN`, `TOO_LARGE`.
    pub(in crate::engine) fn check_new_task(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        new: &mut Entity,
    ) -> Outcome<Option<Entity>> {
        match self.sort(new)? {
            Some(Sort::Task) => {
                self.check_task(session, caller, None, new)?;
                return self.settle_name(session, caller, new);
            }
            Some(Sort::Group) => self.check_group(session, None, new)?,
            Some(Sort::Parameter) => self.check_parameter(session, None, new)?,
            Some(Sort::Config) => {
                let message = "Settings come with the tenant; only their values are changed.";
                return Err(Fault::new(&fault::FORBIDDEN, message));
            }
            None => {}
        }
        Ok(None)
    }

    /// Before an entity is changed.
    ///
    /// # Errors
    /// Those of [`check_new_task`](Engine::check_new_task).
    pub(in crate::engine) fn check_task_change(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        current: &Entity,
        changed: &mut Entity,
    ) -> Outcome<()> {
        match self.sort(current)? {
            Some(Sort::Task) => self.check_task(session, caller, Some(current), changed),
            Some(Sort::Group) => self.check_group(session, Some(current), changed),
            Some(Sort::Parameter) => self.check_parameter(session, Some(current), changed),
            Some(Sort::Config) => self.check_config(current, changed),
            None => Ok(()),
        }
    }

    /// After an entity was inserted or changed.
    pub(in crate::engine) fn task_written(&self, session: &mut Session<'_>, current: Option<&Entity>, new: &Entity) -> Outcome<()> {
        let row = Row::of(self, new);
        match self.sort(new)? {
            Some(Sort::Task) => {
                self.write_dependencies(session, current, new)?;
                if current.is_some_and(|current| Row::of(self, current).value("Name") != row.value("Name")) {
                    self.rename_return(session, row.integer("Id"), row.text("Name"))?;
                }
                self.task_changed(session, row.tenant(), row.integer("Id"))
            }
            Some(Sort::Group | Sort::Config) => self.task_changed(session, row.tenant(), 0),
            Some(Sort::Parameter) if is_of_session(row) || current.is_some_and(|current| is_of_session(Row::of(self, current))) => {
                self.task_changed(session, row.tenant(), 0)
            }
            Some(Sort::Parameter) | None => Ok(()),
        }
    }

    /// Before an entity is deleted.
    ///
    /// # Errors
    /// `CONFLICT` for a task that runs, `REFERENCED` for a group with tasks, `FORBIDDEN` for a setting.
    pub(in crate::engine) fn task_goes(&self, session: &mut Session<'_>, gone: &Entity) -> Outcome<()> {
        let row = Row::of(self, gone);
        match self.sort(gone)? {
            Some(Sort::Task) => {
                if !self.live_runs(session, row.integer("Id"))?.is_empty() {
                    return Err(Fault::new(&fault::CONFLICT, "The task runs: terminate it first."));
                }
                self.forget_task(session, row.integer("Id"))?;
                self.task_changed(session, row.tenant(), row.integer("Id"))
            }
            Some(Sort::Group) => self.check_no_members(session, row),
            Some(Sort::Parameter) if is_of_session(row) => self.task_changed(session, row.tenant(), 0),
            Some(Sort::Config) => Err(Fault::new(&fault::FORBIDDEN, "Settings go with the tenant.")),
            Some(Sort::Parameter) | None => Ok(()),
        }
    }

    fn check_task(&self, session: &mut Session<'_>, caller: &Caller, current: Option<&Entity>, new: &mut Entity) -> Outcome<()> {
        let old = current.map(|current| Row::of(self, current));
        let row = Row::of(self, new);
        let is_same = |name: &str| old.is_some_and(|old| old.value(name) == row.value(name));
        check_name(row)?;
        for (name, least, most) in RANGES {
            if row.number(name).is_some_and(|number| !(*least..=*most).contains(&number)) {
                return Err(Fault::new(&fault::BAD_VALUE, format!("{name} is between {least} and {most}.")).of(*name));
            }
        }
        if !CATCH_UP.contains(&row.text("CatchUp")) {
            return Err(Fault::new(&fault::BAD_VALUE, "CatchUp is none, once or all.").of("CatchUp"));
        }
        let class = CLASSES.iter().find(|class| class.0 == row.text("Class"));
        let Some((_, default)) = class else {
            let message =
                "Class is Job, Handler, Command or Http: code is not run for clients. Every class enqueues a job of the task's Kind.";
            return Err(Fault::new(&fault::BAD_VALUE, message).of("Class"));
        };
        if let Some(name) = row.filled("TimeZone") {
            zone(name).map_err(|fault| fault.of("TimeZone"))?;
        }
        let canonical = |name: &str| Ok::<_, Fault>(condition(row, name)?.map_or(Value::Null, |known| word(&known.to_string())));
        let (start, end) = (canonical("StartCondition")?, canonical("EndCondition")?);
        let kind = match row.text("Kind") {
            "external" => (*default).to_owned(),
            kind => kind.to_owned(),
        };
        let tenant = row.tenant();
        if !["Kind", "Class", "Command", "Parameters"].iter().all(|name| is_same(name)) {
            // Whoever has something done by a task could have made the job himself.
            self.scope(caller, self.core_type("Jobs")?, None, Verb::Create)?;
            self.may_job(caller, &kind)?;
            self.known_kind(session, tenant, &kind)?;
            check_arguments(row.value("Parameters"))?;
        }
        if !is_same("GroupName")
            && let Some(group) = row.filled("GroupName")
        {
            self.check_group_name(session, tenant, group)?;
        }
        for (name, value) in [
            ("StartCanonical", start),
            ("EndCanonical", end),
            ("Kind", Value::Text(kind)),
            ("ConditionError", Value::Null),
        ] {
            set(self, new, name, value)?;
        }
        let next = self.next_starts(session, new, 1)?.first().map_or(Value::Null, |next| moment(*next));
        set(self, new, "NextRun", next)
    }

    /// A new task with a name that there is: what the settings say.
    fn settle_name(&self, session: &mut Session<'_>, caller: &Caller, new: &mut Entity) -> Outcome<Option<Entity>> {
        let (tenant, name) = (Row::of(self, new).tenant(), Row::of(self, new).text("Name").to_owned());
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
        if self.ask(session, &Scope::everything(), new.ty, vec![own], |select, session| {
            select.count(session)
        })? >= TASKS as u64
        {
            return Err(Fault::new(&fault::TOO_LARGE, format!("A tenant has at most {TASKS} tasks.")));
        }
        let Some(known) = self.task_named(session, tenant, &name)? else {
            return Ok(None);
        };
        match self.task_settings(session, tenant)?.pre_exist.as_str() {
            "ignore" => {
                let place = crate::engine::resolve::Place::of(new.ty, None, vec![Value::Integer(known)]);
                let seen = self.scope(caller, new.ty, None, Verb::Read)?;
                self.entity_at(session, &seen, &place, false).map(Some)
            }
            "replace" => {
                let place = crate::engine::resolve::Place::of(new.ty, None, vec![Value::Integer(known)]);
                let (scope, current) = self.claim(session, caller, &place, Verb::Delete)?;
                self.task_goes(session, &current)?;
                let key = [Value::Integer(known)];
                Delete::new(&self.schema, &scope, new.ty, &key)?.run(session)?;
                self.audit_change(session, caller, Some(&current), None)?;
                Ok(None)
            }
            "rename" => {
                for number in 1..TASK_CATCH_UP {
                    let other = format!("{name} - {number}");
                    if self.task_named(session, tenant, &other)?.is_none() {
                        set(self, new, "Name", Value::Text(other))?;
                        check_name(Row::of(self, new))?;
                        return Ok(None);
                    }
                }
                Err(Fault::new(&fault::CONFLICT, format!("There are too many tasks named {name}.")))
            }
            _ => Err(Fault::new(&fault::CONFLICT, format!("There is a task named {name}.")).of("Name")),
        }
    }

    /// The number of the task of a tenant with a name.
    pub(super) fn task_named(&self, session: &mut Session<'_>, tenant: Guid, name: &str) -> Outcome<Option<i64>> {
        let same = Restriction::Columns(
            vec!["Tid".to_owned(), "Name".to_owned()],
            vec![Value::Bytes(tenant.to_vec()), word(name)],
        );
        let rows = self.columns(session, self.core_type("Tasks")?, &["Id"], None, vec![same])?;
        Ok(rows
            .first()
            .and_then(|row| if let Value::Integer(id) = row[0] { Some(id) } else { None }))
    }

    fn check_group(&self, session: &mut Session<'_>, current: Option<&Entity>, new: &mut Entity) -> Outcome<()> {
        let row = Row::of(self, new);
        check_name(row)?;
        if let Some(current) = current.map(|current| Row::of(self, current))
            && current.value("Name") != row.value("Name")
        {
            self.check_no_members(session, current)?;
        }
        check_arguments(row.value("Parameters"))?;
        let canonical = condition(row, "StartCondition")?.map_or(Value::Null, |known| word(&known.to_string()));
        set(self, new, "StartCanonical", canonical)
    }

    fn check_no_members(&self, session: &mut Session<'_>, group: Row<'_>) -> Outcome<()> {
        let tenant = group.value("Tid").clone();
        for set in ["Tasks", "Parameters"] {
            let of = Restriction::Columns(
                vec!["Tid".to_owned(), "GroupName".to_owned()],
                vec![tenant.clone(), group.value("Name").clone()],
            );
            let ty = self.core_type(set)?;
            if self.ask(session, &Scope::everything(), ty, vec![of], |select, session| {
                select.exists(session)
            })? {
                return Err(Fault::new(&fault::REFERENCED, format!("The group has {set}.")));
            }
        }
        Ok(())
    }

    fn check_group_name(&self, session: &mut Session<'_>, tenant: Guid, name: &str) -> Outcome<()> {
        let same = Restriction::Columns(
            vec!["Tid".to_owned(), "Name".to_owned()],
            vec![Value::Bytes(tenant.to_vec()), word(name)],
        );
        let ty = self.core_type("TaskGroups")?;
        match self.ask(session, &Scope::everything(), ty, vec![same], |select, session| {
            select.exists(session)
        })? {
            true => Ok(()),
            false => Err(Fault::new(&fault::BAD_REFERENCE, "GroupName names no group.").of("GroupName")),
        }
    }

    /// A parameter: where it counts, and its value, which nobody is shown if it is a secret.
    fn check_parameter(&self, session: &mut Session<'_>, current: Option<&Entity>, new: &mut Entity) -> Outcome<()> {
        let row = Row::of(self, new);
        check_name(row)?;
        let (task, group) = (row.integer("TaskId"), row.filled("GroupName").map(str::to_owned));
        if task != 0 && group.is_some() {
            return Err(Fault::new(&fault::BAD_VALUE, "A parameter is of a task or of a group, or of neither.").of("GroupName"));
        }
        if let Some(group) = &group {
            self.check_group_name(session, row.tenant(), group)?;
        }
        if current.is_none() {
            let place = vec![row.value("Tid").clone(), Value::Integer(task)];
            let here = Restriction::Columns(vec!["Tid".to_owned(), "TaskId".to_owned()], place);
            if self.ask(session, &Scope::everything(), new.ty, vec![here], |select, session| {
                select.count(session)
            })? >= TASK_PARAMETERS as u64
            {
                let message = format!("There are at most {TASK_PARAMETERS} parameters at one place.");
                return Err(Fault::new(&fault::TOO_LARGE, message));
            }
        }
        let bad = |message: String| Fault::new(&fault::BAD_VALUE, message).of("Value");
        let mask = Value::Text(Json::from(MASK).to_string());
        let is_mask = *row.value("Value") == mask;
        let (was_secret, secret) = match current.map(|current| Row::of(self, current)) {
            Some(current) if current.is("IsSecret") => (true, current.value("Secret").clone()),
            _ => (false, Value::Null),
        };
        if was_secret && !row.is("IsSecret") && is_mask {
            return Err(bad("What was secret needs a new Value to be shown.".to_owned()));
        }
        if let Value::Text(text) = row.value("Value") {
            if text.len() > JOB_ARGUMENT_BYTES {
                return Err(bad(format!("A value has at most {JOB_ARGUMENT_BYTES} bytes.")));
            }
            serde_json::from_str::<Json>(text)
                .map_err(|error| bad(format!("Value is JSON, as text, such as `\"text\"` with its quotes: {error}.")))?;
        }
        let place = Json::from(vec![Json::from(task), Json::from(group), Json::from(row.text("Name"))]);
        let place = Sha256::digest(place.to_string().as_bytes());
        let place: String = place.iter().map(|byte| format!("{byte:02x}")).collect();
        let names = vec!["Tid".to_owned(), "Place".to_owned()];
        let same = Restriction::Columns(names, vec![row.value("Tid").clone(), word(&place)]);
        let others = self.columns(session, new.ty, &["Id"], None, vec![same])?;
        if others.iter().any(|other| current.is_none() || other[0] != *row.value("Id")) {
            let message = format!("There is a parameter {} at this place already.", row.text("Name"));
            return Err(Fault::new(&fault::CONFLICT, message).of("Name"));
        }
        let values = match (row.is("IsSecret"), was_secret && is_mask) {
            (true, true) => (secret, mask),
            (true, false) => (row.value("Value").clone(), mask),
            (false, _) => (Value::Null, row.value("Value").clone()),
        };
        set(self, new, "Secret", values.0)?;
        set(self, new, "Value", values.1)?;
        set(self, new, "Place", Value::Text(place))
    }

    /// A task starts by itself, or does not any more.
    pub(in crate::engine) fn disable_task(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        current: &Entity,
        disabled: bool,
    ) -> Outcome<()> {
        let mut changed = current.clone();
        set(self, &mut changed, "Disabled", Value::Boolean(disabled))?;
        let scope = Scope::of(caller);
        self.save(session, caller, &scope, current, &mut changed, &[])
    }

    /// What goes with a task: its parameters and what it gave last. Its runs and its log stay.
    fn forget_task(&self, session: &mut Session<'_>, task: i64) -> Outcome<()> {
        let table = |set: &str| {
            let table = self.schema.types[self.core_type(set)?].table;
            table.ok_or_else(|| Fault::internal("a type without a table"))
        };
        for (set, column) in [("Parameters", "TaskId"), ("Returns", "TaskId"), ("Dependencies", "ChildId")] {
            clear_where(session, &self.schema, table(set)?, column, Value::Integer(task))?;
        }
        tasks::replace(
            session,
            &self.schema,
            table("Runs")?,
            "TaskId",
            Value::Integer(task),
            Value::Integer(0),
        )
    }
}

/// A name that people can read, and conditions can name.
fn check_name(row: Row<'_>) -> Outcome<()> {
    let name = row.text("Name");
    let is_good = !name.is_empty() && name.trim() == name && name.chars().count() <= 200 && !name.chars().any(char::is_control);
    match is_good {
        true => Ok(()),
        false => Err(Fault::new(
            &fault::BAD_VALUE,
            "Name has 1 to 200 characters, no control characters among them, and no blanks at its ends.",
        )
        .of("Name")),
    }
}

fn is_of_session(parameter: Row<'_>) -> bool {
    parameter.integer("TaskId") == 0 && parameter.filled("GroupName").is_none()
}

/// A condition as it is written; none if there is none.
fn condition(row: Row<'_>, name: &str) -> Outcome<Option<Condition>> {
    row.filled(name).map(parse).transpose().map_err(|fault| fault.of(name))
}

//! Entities with a state machine of their own (`reference/appclusive.md` 5.1, 5.2): the transitions stand in `EntityKinds.Parameters`, and
//! one job for each entity says where it is. `Status` of that job is the state, `Condition` the transition that is under way, if one is;
//! in between the job rests. A worker of the kind `<EntityKind>-<Condition>` does a transition, or somebody outside by `JobResult`.

mod transitions;

use super::enqueue::New;
use super::job::{Job, Values, word};
use super::kinds::{self, EXTERNAL};
use super::state::{State, Step};
use crate::engine::Engine;
use crate::engine::operation::handler_of;
use crate::engine::resolve::Place;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::JOB_ARGUMENT_BYTES;
use crate::model::schema::{Schema, TypeId};
use crate::store::{Restriction, Session};
use transitions::Transitions;

/// Where every machine begins.
const FIRST_STATE: &str = "InitialState";
/// The transition that every machine begins with.
const FIRST_CONDITION: &str = "Initialise";
/// `Jobs.Effect` of the job that drives an entity.
const MACHINE: &str = "Machine";
/// The handler of what moves a machine: the types that it is bound to may have one.
const MOVER: &str = "InvokeAction";

/// An entity's kind, as far as the machine goes.
struct Kind {
    id: i64,
    name: String,
    transitions: Transitions,
}

/// Where a transition leads.
pub(super) struct Target {
    state: String,
    is_last: bool,
}

/// The types whose entities may have a machine.
pub(super) fn machine_types(schema: &Schema) -> Vec<TypeId> {
    let operations = schema.endpoints.iter().flat_map(|endpoint| &endpoint.operations);
    let moving = operations.filter(|operation| handler_of(operation).is_some_and(|handler| handler.name == MOVER));
    let mut types: Vec<TypeId> = moving
        .filter_map(|operation| Some(schema.types[operation.binding()?.0].family.clone()))
        .flatten()
        .collect();
    types.sort_unstable();
    types.dedup();
    types
}

impl Engine {
    /// A new or changed row of `EntityKinds`: it has a name and a version that no other has, and its transitions can be read.
    ///
    /// # Errors
    /// `BAD_VALUE`, `MISSING_PROPERTY`
    pub(in crate::engine) fn check_kind(&self, session: &mut Session<'_>, current: Option<&Entity>, new: &Entity) -> Outcome<()> {
        let ty = self.core_type("EntityKinds")?;
        if new.ty != ty {
            return Ok(());
        }
        let value = |entity: &Entity, name: &str| self.property_of(ty, name).map(|index| entity.values[index].clone());
        let differs = |name: &str| current.map_or(Ok(true), |current| Ok(value(current, name)? != value(new, name)?));
        let (name, version) = (value(new, "Name")?, value(new, "Version")?);
        for (property, value) in [("Name", &name), ("Version", &version)] {
            if *value == word("") {
                return Err(Fault::new(&fault::MISSING_PROPERTY, format!("{property} is required.")).of(property));
            }
        }
        if differs("Parameters")?
            && let Value::Text(text) = value(new, "Parameters")?
        {
            Transitions::read(&text).map_err(|why| Fault::new(&fault::BAD_VALUE, why).of("Parameters"))?;
        }
        if !differs("Name")? && !differs("Version")? {
            return Ok(());
        }
        // Two that come at once: the later one waits here until it sees what the first has written.
        let tenant = value(new, "Tid")?;
        let place = Place::of(self.core_type("Tenants")?, None, vec![tenant.clone()]);
        self.locked(session, &Scope::everything(), &place)?;
        let columns = ["Tid", "Name", "Version"].map(str::to_owned).to_vec();
        let same = Restriction::Columns(columns, vec![tenant, name.clone(), version.clone()]);
        let id = Value::Integer(self.integer(new, "Id"));
        let others = self.columns(session, ty, &["Id"], None, vec![same])?;
        if others.iter().any(|other| current.is_none() || other[0] != id) {
            let message = format!(
                "EntityKind with Name '{}' and Version '{}' already exists",
                text_of(&name),
                text_of(&version)
            );
            return Err(Fault::new(&fault::BAD_VALUE, message));
        }
        Ok(())
    }

    /// Starts the machine of a new entity, if its kind has one: the number of its job.
    pub(super) fn start_machine(&self, session: &mut Session<'_>, caller: &Caller, new: &Entity) -> Outcome<Option<i64>> {
        let Some(kind) = self.kind_of(session, new)? else {
            return Ok(None);
        };
        if kind.transitions.target(FIRST_STATE, FIRST_CONDITION).is_none() {
            return Ok(None);
        }
        let tenant = self.tenant_of(caller, new);
        let served = self.served(session, tenant, &kind.name, FIRST_CONDITION)?;
        let mut values = self.reference_to(new)?;
        values.extend([
            ("EntityKindId", Value::Integer(kind.id)),
            ("Effect", word(MACHINE)),
            ("Status", word(FIRST_STATE)),
            ("Condition", word(FIRST_CONDITION)),
            ("ConditionParameters", word("")),
        ]);
        let name = self.schema.types[new.ty].qualified();
        let about = self.about(new)?;
        let job = New {
            tenant,
            user: caller.user,
            name: &name,
            kind: served.as_deref().unwrap_or(EXTERNAL),
            parameters: Some(serde_json::Value::from(about).to_string()),
            values,
        };
        self.enqueue(session, job).map(Some)
    }

    /// The job that drives an entity.
    pub(in crate::engine) fn machine_job(&self, session: &mut Session<'_>, entity: &Entity, lock: bool) -> Outcome<Option<Job>> {
        if !self.desk.machines.contains(&entity.ty) {
            return Ok(None);
        }
        let (mut columns, mut values) = (vec!["Effect".to_owned()], vec![word(MACHINE)]);
        for (name, value) in self.reference_to(entity)? {
            columns.push(name.to_owned());
            values.push(value);
        }
        let ty = &self.schema.types[entity.ty];
        if let Some(tenant) = ty.tenant.filter(|_| ty.has_tenant_key()) {
            columns.push("Tid".to_owned());
            values.push(entity.values[tenant].clone());
        }
        let those = Restriction::Columns(columns, values);
        let found = self.columns(session, self.core_type("Jobs")?, &["Id"], None, vec![those])?;
        match found.last().map(|row| &row[0]) {
            Some(id) => {
                let row = self.job_row(session, &Scope::everything(), id, lock)?;
                Job::of(self, row).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The entity is gone, and with it the job that drove it.
    pub(in crate::engine) fn drop_machine(&self, session: &mut Session<'_>, gone: &Entity) -> Outcome<()> {
        match self.machine_job(session, gone, true)? {
            Some(job) => self.delete_job(session, &job),
            None => Ok(()),
        }
    }

    /// What an entity can be asked for in the state that it is in.
    pub(in crate::engine) fn available_actions(&self, session: &mut Session<'_>, entity: &Entity) -> Outcome<Vec<String>> {
        let Some(job) = self.machine_job(session, entity, false)? else {
            return Ok(Vec::new());
        };
        let kind = self.kind(session, job.integer(self, "EntityKindId"))?;
        Ok(kind.map_or_else(Vec::new, |kind| kind.transitions.conditions(job.text(self, "Status"))))
    }

    /// Begins a transition of an entity: the job that drives it.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` if there is no such transition in the state that it is in, `CONFLICT` while another one is under way.
    pub(in crate::engine) fn invoke_action(
        &self,
        session: &mut Session<'_>,
        entity: &Entity,
        name: &str,
        parameters: &str,
    ) -> Outcome<Job> {
        let bad = |message: String| Fault::new(&fault::BAD_ARGUMENT, message).of("Name");
        let Some(job) = self.machine_job(session, entity, true)? else {
            return Err(bad(
                "The entity has no state machine: its kind had none when it was made.".to_owned()
            ));
        };
        let kind = self.kind(session, job.integer(self, "EntityKindId"))?;
        let status = job.text(self, "Status").to_owned();
        let Some(kind) = kind.filter(|kind| kind.transitions.target(&status, name).is_some()) else {
            return Err(bad(format!("`{status}-{name}` is no transition of the entity's kind.")));
        };
        let pending = job.text(self, "Condition");
        if !pending.is_empty() {
            return Err(Fault::new(&fault::CONFLICT, format!("The transition {pending} is under way.")));
        }
        if job.state != State::Idle {
            let message = format!("The job that drives the entity is {}: `Retry` it first.", job.state.name());
            return Err(Fault::new(&fault::CONFLICT, message));
        }
        if parameters.len() > JOB_ARGUMENT_BYTES {
            let message = format!("Parameters have at most {JOB_ARGUMENT_BYTES} bytes.");
            return Err(Fault::new(&fault::TOO_LARGE, message).of("Parameters"));
        }
        self.begin_transition(session, job, &kind, (name, parameters))
    }

    /// The one place where a resting machine begins to move, and so where that would be published.
    fn begin_transition(&self, session: &mut Session<'_>, mut job: Job, kind: &Kind, (name, parameters): (&str, &str)) -> Outcome<Job> {
        let mut values: Values<'_> = vec![("Condition", word(name)), ("ConditionParameters", word(parameters))];
        values.extend(["Failures", "Losses"].map(|name| (name, Value::Integer(0))));
        values.extend(["Result", "Progress", "ProgressMessage"].map(|name| (name, Value::Null)));
        match self.served(session, job.tenant, &kind.name, name)? {
            None => {
                values.push(("Kind", word(EXTERNAL)));
                job.write(self, session, values)?;
            }
            Some(served) => {
                let defaults = kinds::of(self, session, job.tenant, &served)?;
                let number = |number: Option<i64>| number.map_or(Value::Null, Value::Integer);
                values.extend([
                    ("Kind", word(&served)),
                    ("Attempts", Value::Integer(defaults.attempts.unwrap_or(1))),
                    ("TimeoutSeconds", number(defaults.timeout)),
                    ("LeaseSeconds", number(defaults.lease)),
                ]);
                values.extend(self.place(session, &job)?);
                job.step(self, session, Step::Invoke, name, values)?;
                self.desk.work.ring_after(session);
            }
        }
        self.desk.moves.ring_after(session);
        Ok(job)
    }

    /// Writes what `CreateWithJobConditionParameters` says into the first transition.
    pub(in crate::engine) fn with_condition(&self, session: &mut Session<'_>, job: i64, parameters: &str) -> Outcome<()> {
        if parameters.len() > JOB_ARGUMENT_BYTES {
            let message = format!("JobConditionParameters have at most {JOB_ARGUMENT_BYTES} bytes.");
            return Err(Fault::new(&fault::TOO_LARGE, message).of("JobConditionParameters"));
        }
        let mut job = self.job(session, job)?;
        job.write(self, session, vec![("ConditionParameters", word(parameters))])
    }

    /// A job that has nothing left to do about a new entity: what is answered where a job is promised, and no machine has one.
    pub(in crate::engine) fn done_job(&self, session: &mut Session<'_>, caller: &Caller, new: &Entity) -> Outcome<i64> {
        let mut values = self.reference_to(new)?;
        values.push(("EntityKindId", Value::Integer(self.integer(new, "EntityKindId"))));
        let name = self.schema.types[new.ty].qualified();
        let job = New {
            tenant: self.tenant_of(caller, new),
            user: caller.user,
            name: &name,
            kind: EXTERNAL,
            values,
            ..New::default()
        };
        let id = self.enqueue(session, job)?;
        let mut job = self.job(session, id)?;
        self.succeed(session, &mut job, None)?;
        Ok(id)
    }

    /// Where the transition that is under way leads; none for a job that drives nothing.
    ///
    /// # Errors
    /// `CONFLICT` when none is under way, or when the kind does not have it any more.
    pub(super) fn target(&self, session: &mut Session<'_>, job: &Job) -> Outcome<Option<Target>> {
        if job.text(self, "Effect") != MACHINE {
            return Ok(None);
        }
        let (status, condition) = (job.text(self, "Status"), job.text(self, "Condition"));
        if condition.is_empty() {
            return Err(Fault::new(&fault::CONFLICT, "No transition is under way."));
        }
        let kind = self.kind(session, job.integer(self, "EntityKindId"))?;
        let transitions = kind.as_ref().map(|kind| &kind.transitions);
        let Some((transitions, target)) = transitions.and_then(|all| Some((all, all.target(status, condition)?))) else {
            let message = format!("`{status}-{condition}` is no transition of the entity's kind any more.");
            return Err(Fault::new(&fault::CONFLICT, message));
        };
        Ok(Some(Target {
            state: target.to_owned(),
            is_last: transitions.conditions(target).is_empty(),
        }))
    }

    /// The transition that was under way is done: the entity is in its next state.
    pub(super) fn arrive(&self, session: &mut Session<'_>, job: &mut Job, target: Target, mut values: Values<'_>) -> Outcome<()> {
        values.extend([
            ("Status", word(&target.state)),
            ("Condition", word("")),
            ("ConditionParameters", word("")),
        ]);
        if target.is_last {
            job.step(self, session, Step::Finish, &target.state, values)?;
            return self.ended(session, job);
        }
        job.step(self, session, Step::Rest, &target.state, values)?;
        self.desk.moves.ring_after(session);
        Ok(())
    }

    /// An entity's kind: the one that it names, else the one that has its type's name, with the qualified one for a version.
    fn kind_of(&self, session: &mut Session<'_>, entity: &Entity) -> Outcome<Option<Kind>> {
        if !self.desk.machines.contains(&entity.ty) {
            return Ok(None);
        }
        let ty = &self.schema.types[entity.ty];
        if ty.property("EntityKindId").is_some() {
            return self.kind(session, self.integer(entity, "EntityKindId"));
        }
        let tenant = ty.tenant.map_or(Value::Null, |index| entity.values[index].clone());
        for tenant in [tenant, Value::Bytes(SYSTEM_TENANT.to_vec())] {
            let columns = ["Tid", "Name", "Version"].map(str::to_owned).to_vec();
            let named = Restriction::Columns(columns, vec![tenant, word(&ty.name), word(&ty.qualified())]);
            let kind = self.kind_where(session, named)?;
            if kind.is_some() {
                return Ok(kind);
            }
        }
        Ok(None)
    }

    fn kind(&self, session: &mut Session<'_>, id: i64) -> Outcome<Option<Kind>> {
        match id {
            0 => Ok(None),
            id => self.kind_where(session, Restriction::Row(vec![Value::Integer(id)])),
        }
    }

    fn kind_where(&self, session: &mut Session<'_>, those: Restriction) -> Outcome<Option<Kind>> {
        let ty = self.core_type("EntityKinds")?;
        let rows = self.columns(session, ty, &["Id", "Name", "Parameters"], None, vec![those])?;
        Ok(rows.first().and_then(|row| match row.as_slice() {
            [Value::Integer(id), Value::Text(name), parameters] => Some(Kind {
                id: *id,
                name: name.clone(),
                // What was written before it was looked at has no transitions.
                transitions: Transitions::read(text_of(parameters)).unwrap_or_default(),
            }),
            _ => None,
        }))
    }

    /// The kind of job for a transition, if somebody does such.
    fn served(&self, session: &mut Session<'_>, tenant: Guid, kind: &str, condition: &str) -> Outcome<Option<String>> {
        let name = format!("{kind}-{condition}");
        match kinds::of(self, session, tenant, &name) {
            Ok(_) => Ok(Some(name)),
            Err(fault) if fault.kind == &fault::BAD_VALUE => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether no worker is to do anything of a job that goes on: it is somebody's outside, or a machine between two transitions.
    pub(super) fn rests(&self, job: &Job) -> bool {
        job.kind == EXTERNAL || self.is_machine(job) && job.text(self, "Condition").is_empty()
    }

    /// Whether a job is the one of an entity's machine, which stays as long as the entity does.
    pub(super) fn is_machine(&self, job: &Job) -> bool {
        job.text(self, "Effect") == MACHINE
    }
}

impl Job {
    /// Whether it carries out something that was asked for, or drives an entity: then doing the same again is not for another job.
    pub(super) fn is_bound(&self, engine: &Engine) -> bool {
        !self.text(engine, "Effect").is_empty()
    }
}

fn text_of(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

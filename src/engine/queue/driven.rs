//! Requests that a job carries out: what they begin (`[jobs]` of a type, `job` of an operation), and what the server does of them when
//! the job has succeeded, in the transaction in which it does.
//!
//! Invariant: what the server does for a job is decided by `Effect`, which clients cannot write, and by `Parameters`, which they cannot
//! change of such a job.

use serde_json::{Map, Value as Json, json};

use super::enqueue::New;
use super::job::{Job, guid, word};
use crate::engine::Engine;
use crate::engine::audit::key_text;
use crate::engine::operation::Invocation;
use crate::engine::permission::{Verb, forbidden};
use crate::engine::resolve::Place;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Guid, Scope, Tenants};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::JOB_ARGUMENT_BYTES;
use crate::model::schema::{Behaviour, Operation, SetId, Type, TypeId};
use crate::model::target::{Leaf, Preconditions, Resource, Step};
use crate::model::text;
use crate::odata::format::{self, Context, Format, Metadata, Render};
use crate::store::{Restriction, Session};

/// `Jobs.Effect`: the row that the job is about is deleted when it has succeeded.
const DELETE: &str = "Delete";
/// `Jobs.Effect`: the operation's behaviour is carried out then.
const INVOKE: &str = "Invoke";

impl Engine {
    /// An entity was made: the job that makes of it what it is to be, if its type says so. Where a state machine drives it, that is the
    /// machine's job.
    pub(in crate::engine) fn drive_create(&self, session: &mut Session<'_>, caller: &Caller, new: &Entity) -> Outcome<Option<i64>> {
        let machine = self.start_machine(session, caller, new)?;
        let Some(kind) = &self.schema.types[new.ty].jobs.create else {
            return Ok(None);
        };
        if machine.is_some() {
            return Ok(machine);
        }
        let mut parameters = self.about(new)?;
        parameters.insert("entity".to_owned(), self.shown(new)?);
        if Json::from(parameters.clone()).to_string().len() > JOB_ARGUMENT_BYTES {
            parameters.remove("entity");
        }
        self.drive(session, caller, Some(new), (kind, parameters, None)).map(Some)
    }

    /// An entity is to be deleted, and who asks for it may do so: the job after which it is, if its type says so.
    ///
    /// # Errors
    /// `CONFLICT` if that was asked for before.
    pub(in crate::engine) fn drive_delete(&self, session: &mut Session<'_>, caller: &Caller, current: &Entity) -> Outcome<Option<i64>> {
        let Some(kind) = &self.schema.types[current.ty].jobs.delete else {
            return Ok(None);
        };
        let parameters = self.about(current)?;
        self.drive(session, caller, Some(current), (kind, parameters, Some(DELETE)))
            .map(Some)
    }

    /// An action is to be carried out by a job.
    ///
    /// # Errors
    /// Those of what it is bound to; `FORBIDDEN` where it will change what the caller may not.
    pub(in crate::engine) fn drive_action(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        invocation: &Invocation<'_>,
        kind: &str,
    ) -> Outcome<i64> {
        let operation = invocation.operation;
        let changes = matches!(operation.behaviour, Behaviour::Set(_));
        let mut parameters = Map::new();
        let mut bound = None;
        if let Some(resource) = invocation.binding {
            let place = self.resolve(session, caller, resource)?;
            let verb = if changes { Verb::Update } else { Verb::Read };
            if resource.collection {
                if !resource.steps.is_empty() {
                    let message = "An action that a job carries out is bound to a whole set, or to one entity.";
                    return Err(Fault::new(&fault::BAD_PATH, message));
                }
                self.scope(caller, place.ty, place.set, verb)?;
                parameters.insert("set".to_owned(), self.set_name(resource.set).into());
            } else {
                let (_, entity) = self.claim(session, caller, &place, verb)?;
                self.check_preconditions(&entity, invocation.preconditions)?;
                parameters = self.about(&entity)?;
                bound = Some(entity);
            }
        }
        let endpoint = &self.schema.endpoints[invocation.endpoint].name;
        parameters.insert("operation".to_owned(), format!("{endpoint}/{}", operation.name).into());
        parameters.insert("arguments".to_owned(), arguments_of(operation, invocation.arguments).into());
        let effect = (operation.behaviour != Behaviour::Missing).then_some(INVOKE);
        self.drive(session, caller, bound.as_ref(), (kind, parameters, effect))
    }

    fn drive(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        about: Option<&Entity>,
        (kind, parameters, effect): (&str, Map<String, Json>, Option<&str>),
    ) -> Outcome<i64> {
        let name = about.map_or_else(String::new, |entity| self.schema.types[entity.ty].qualified());
        let mut values = vec![("Unique", Value::Boolean(effect == Some(DELETE)))];
        values.extend(effect.map(|effect| ("Effect", word(effect))));
        if let Some(entity) = about {
            values.extend(self.reference_to(entity)?);
            values.push(("EntityKindId", Value::Integer(self.integer(entity, "EntityKindId"))));
        }
        let new = New {
            tenant: about.map_or(caller.tenant, |entity| self.tenant_of(caller, entity)),
            user: caller.user,
            name: &name,
            kind,
            parameters: Some(Json::from(parameters).to_string()),
            values,
        };
        self.enqueue(session, new)
    }

    /// The properties of a job that say which row it is about.
    pub(super) fn reference_to(&self, entity: &Entity) -> Outcome<Vec<(&'static str, Value)>> {
        let ty = &self.schema.types[entity.ty];
        let set = self.home_set(entity.ty)?;
        Ok(vec![
            ("RefId", Value::Text(key_text(ty, &key_of(self, entity)))),
            ("RefSet", Value::Text(self.set_name(set))),
        ])
    }

    /// Whose the job about an entity is.
    pub(super) fn tenant_of(&self, caller: &Caller, entity: &Entity) -> Guid {
        let tenant = self.schema.types[entity.ty].tenant;
        tenant.and_then(|index| guid(&entity.values[index])).unwrap_or(caller.tenant)
    }

    /// The set that rows of a type are named by: that of the type at the top that has one.
    fn home_set(&self, ty: TypeId) -> Outcome<SetId> {
        let (mut at, mut found) = (Some(ty), None);
        while let Some(ty) = at {
            let own = self.schema.sets.iter().position(|set| set.entity_type == ty);
            found = own.or(found);
            at = self.schema.types[ty].base;
        }
        found.ok_or_else(|| Fault::internal("rows of no set"))
    }

    fn set_name(&self, set: SetId) -> String {
        let set = &self.schema.sets[set];
        format!("{}/{}", self.schema.endpoints[set.endpoint].name, set.name)
    }

    /// `set` and `key` of an entity, for whoever does the job.
    pub(super) fn about(&self, entity: &Entity) -> Outcome<Map<String, Json>> {
        let ty = &self.schema.types[entity.ty];
        let members = ty.key.iter().map(|&index| {
            let property = &ty.properties[index];
            let edm = property.ty.primitive().unwrap_or(Edm::String);
            (property.name.clone(), Json::from(plain(edm, &entity.values[index])))
        });
        let key: Map<String, Json> = members.collect();
        let set = self.set_name(self.home_set(entity.ty)?);
        Ok(Map::from_iter([("set".to_owned(), set.into()), ("key".to_owned(), key.into())]))
    }

    /// An entity as clients see it; what is never shown is not there.
    fn shown(&self, entity: &Entity) -> Outcome<Json> {
        let set = self.home_set(entity.ty)?;
        let render = Render::new(&self.schema, self.schema.sets[set].endpoint, "", Metadata::None);
        let context = Context {
            set: Some(set),
            ty: entity.ty,
            single: true,
            select: None,
        };
        let body = format::entity(&render, Format::JsonLight, &self.page_of(Some(set), entity), 0, &context);
        serde_json::from_slice(&body).map_err(|error| Fault::internal(format!("an entity that is no JSON: {error}")))
    }

    /// What the server does when a job has succeeded; in the name of who asked for it.
    ///
    /// # Errors
    /// Those of what it does.
    pub(super) fn take_effect(&self, session: &mut Session<'_>, job: &Job) -> Outcome<()> {
        let (effect, text) = (job.text(self, "Effect"), job.text(self, "Parameters"));
        let parameters: Json = serde_json::from_str(text).unwrap_or_default();
        match effect {
            DELETE => self.delete_for(session, job, &parameters),
            INVOKE => self.invoke_for(session, job, &parameters),
            _ => Ok(()),
        }
    }

    /// Deletes a row. Whether that may be done was asked when it was asked for; a row that is gone is what was wanted.
    fn delete_for(&self, session: &mut Session<'_>, job: &Job, parameters: &Json) -> Outcome<()> {
        let (set, key) = self.bound_of(parameters)?;
        let mut caller = Caller::server();
        (caller.user, caller.tenant) = (job.integer(self, "CreatedById"), job.tenant);
        caller.tenants = Tenants::One(job.tenant);
        let mut place = Place::of(self.schema.sets[set].entity_type, Some(set), Vec::new());
        place.restrictions = vec![Restriction::Key(key.unwrap_or_default())];
        match self.locked(session, &Scope::of(&caller), &place) {
            Ok(current) => self.delete_row(session, &caller, &place, &Scope::of(&caller), &current),
            Err(fault) if fault.kind == &fault::NOT_FOUND => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Does what an operation does, with the rights that who asked for it has now.
    fn invoke_for(&self, session: &mut Session<'_>, job: &Job, parameters: &Json) -> Outcome<()> {
        let user = job.integer(self, "CreatedById");
        let caller = self.caller(session, user, Some(job.tenant), None)?;
        let caller = caller.ok_or_else(|| forbidden("Who has asked for this may do nothing here any more."))?;
        let (endpoint, index) = self.operation_of(job, parameters)?;
        let operation = &self.schema.endpoints[endpoint].operations[index];
        let arguments = arguments_from(operation, &parameters["arguments"])?;
        let binding = match operation.binding() {
            None => None,
            Some((ty, collection)) => Some(self.resource_of(parameters, ty, collection)?),
        };
        let invocation = Invocation {
            endpoint,
            index,
            operation,
            binding: binding.as_ref(),
            arguments: &arguments,
            preconditions: &Preconditions::default(),
        };
        self.invoke_now(session, &caller, &invocation).map(drop)
    }

    /// The operation that a job carries out: by its name, its kind of job, and the names of its arguments.
    fn operation_of(&self, job: &Job, parameters: &Json) -> Outcome<(usize, usize)> {
        let gone = || Fault::new(&fault::BAD_REQUEST, "The operation is not there any more, or is another one.");
        let said = parameters["operation"].as_str().unwrap_or_default();
        let (endpoint, name) = said.split_once('/').ok_or_else(gone)?;
        let endpoint = self
            .schema
            .endpoints
            .iter()
            .position(|known| known.name == endpoint)
            .ok_or_else(gone)?;
        let arguments = parameters["arguments"].as_object().ok_or_else(gone)?;
        let fits = |operation: &Operation| {
            let names = operation.arguments();
            operation.name == name
                && operation.job.as_deref() == Some(&job.kind)
                && names.len() == arguments.len()
                && names.iter().all(|parameter| arguments.contains_key(&parameter.name))
                && operation.is_bound() == parameters["set"].is_string()
        };
        let index = self.schema.endpoints[endpoint].operations.iter().position(fits);
        Ok((endpoint, index.ok_or_else(gone)?))
    }

    /// What an operation was bound to, as a path.
    fn resource_of(&self, parameters: &Json, ty: TypeId, collection: bool) -> Outcome<Resource> {
        let (set, key) = self.bound_of(parameters)?;
        let mut steps: Vec<Step> = key.into_iter().map(Step::Key).collect();
        let cast = self.schema.sets[set].entity_type != ty;
        if cast {
            steps.push(Step::Cast(ty));
        }
        Ok(Resource {
            set,
            steps,
            ty,
            end_set: Some(set),
            collection,
            cast,
            leaf: Leaf::Entities,
        })
    }

    /// The set of [`Engine::about`], and the key if there is one.
    pub(super) fn bound_of(&self, parameters: &Json) -> Outcome<(SetId, Option<Vec<Value>>)> {
        let gone = || Fault::new(&fault::BAD_REQUEST, "The set that this was about is not there any more.");
        let (endpoint, set) = parameters["set"].as_str().and_then(|set| set.split_once('/')).ok_or_else(gone)?;
        let found = self.schema.endpoint(endpoint).and_then(|endpoint| endpoint.set_names.get(set));
        let set = *found.ok_or_else(gone)?;
        let Some(key) = parameters["key"].as_object() else {
            return Ok((set, None));
        };
        let values = self.schema.set_type(set).key_properties().map(|property| {
            let edm = property.ty.primitive().unwrap_or(Edm::String);
            key.get(&property.name)
                .and_then(Json::as_str)
                .and_then(|text| text::parse(edm, text))
        });
        let values: Option<Vec<Value>> = values.collect();
        Ok((set, Some(values.ok_or_else(gone)?)))
    }

    /// Kinds that no worker has to do anything for: the server's own threads take them, so that what the operation does is done.
    pub fn effect_kinds(&self) -> Vec<String> {
        let operations = self.schema.endpoints.iter().flat_map(|endpoint| &endpoint.operations);
        let mut kinds: Vec<String> = operations
            .filter(|operation| operation.behaviour != Behaviour::Missing)
            .filter_map(|operation| operation.job.clone())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// The key as clients say it, without the tenant.
fn key_of(engine: &Engine, entity: &Entity) -> Vec<Value> {
    let ty = &engine.schema.types[entity.ty];
    ty.key.iter().map(|&index| entity.values[index].clone()).collect()
}

fn plain(edm: Edm, value: &Value) -> String {
    let mut out = Vec::new();
    text::write(edm, value.cell(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Arguments as JSON: primitive ones as text, or what JSON has for them.
fn arguments_of(operation: &Operation, values: &[Value]) -> Map<String, Json> {
    let one = |ty: &Type, value: &Value| match (ty, value) {
        (_, Value::Null) => Json::Null,
        (_, Value::Boolean(flag)) => json!(flag),
        (Type::Primitive(edm), value) => match (edm, value) {
            (Edm::Byte | Edm::SByte | Edm::Int16 | Edm::Int32, Value::Integer(number)) => json!(number),
            _ => plain(*edm, value).into(),
        },
        (_, Value::Text(text)) => serde_json::from_str(text).unwrap_or_default(),
        _ => Json::Null,
    };
    let pairs = operation.arguments().iter().zip(values);
    pairs
        .map(|(parameter, value)| (parameter.name.clone(), one(&parameter.ty, value)))
        .collect()
}

/// And back.
fn arguments_from(operation: &Operation, json: &Json) -> Outcome<Vec<Value>> {
    let one = |ty: &Type, json: &Json| match (ty, json) {
        (_, Json::Null) => Some(Value::Null),
        (Type::Primitive(_), Json::Bool(flag)) => Some(Value::Boolean(*flag)),
        (Type::Primitive(edm), Json::String(text)) => text::parse(*edm, text),
        (Type::Primitive(edm), json) => text::parse(*edm, &json.to_string()),
        (_, json) => Some(Value::Text(json.to_string())),
    };
    let values = operation.arguments().iter().map(|parameter| {
        let value = one(&parameter.ty, &json[parameter.name.as_str()]);
        value.ok_or_else(|| Fault::new(&fault::BAD_ARGUMENT, format!("{} is not what it was.", parameter.name)))
    });
    values.collect()
}

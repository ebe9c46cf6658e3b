//! What moves the state machines of entities, and what makes nodes together with theirs (`reference/appclusive.md` 2.3, 5.1).

use serde_json::Value as Json;

use super::jobs::shown;
use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::permission::Verb;
use crate::engine::row::Entity;
use crate::model::caller::Caller;
use crate::model::edm::{Cell, Value};
use crate::model::fault::{Fault, Outcome};
use crate::model::target::{Body, Leaf, Resource};
use crate::store::Session;

fn entity(bound: &Bound) -> Outcome<&Entity> {
    match bound {
        Bound::Entity(entity) => Ok(entity),
        _ => Err(Fault::internal("bound to no entity")),
    }
}

fn text_of(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

/// Name, Parameters: begins a transition.
pub fn invoke_action(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let job = engine.invoke_action(session, entity(bound)?, text_of(&arguments[0]), text_of(&arguments[1]))?;
    shown(engine, job)
}

/// The names of the transitions that lead on.
pub fn available_actions(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let names = engine.available_actions(session, entity(bound)?)?;
    Ok(Given::Value(Value::Text(Json::from(names).to_string())))
}

/// The job that drives it, for whoever may read jobs; nothing where none does.
pub fn job(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    engine.scope(caller, engine.core_type("Jobs")?, None, Verb::Read)?;
    match engine.machine_job(session, entity(bound)?, false)? {
        Some(job) => shown(engine, job),
        None => Ok(Given::Nothing),
    }
}

/// Name, Description, Parameters, EntityKindId.
pub fn create_node(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let names = ["Name", "Description", "Parameters", "EntityKindId"];
    create(engine, session, caller, bound, (&names, arguments)).map(Given::Driven)
}

/// Name, Description, EntityKindId, ParentId, Parameters, JobConditionParameters.
pub fn create_with_condition(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    bound: &Bound,
    arguments: &[Value],
) -> Outcome<Given> {
    let names = ["Name", "Description", "EntityKindId", "ParentId", "Parameters"];
    let job = create(engine, session, caller, bound, (&names, arguments))?;
    engine.with_condition(session, job, text_of(&arguments[5]))?;
    Ok(Given::Driven(job))
}

/// Makes an entity as a client would: the number of the job that it has then. What is null is as if it were not said.
fn create(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    bound: &Bound,
    (names, arguments): (&[&str], &[Value]),
) -> Outcome<i64> {
    let Bound::Entities { ty, set: Some(set) } = *bound else {
        return Err(Fault::internal("bound to no set"));
    };
    let mut values = Vec::with_capacity(names.len());
    for (name, value) in names.iter().zip(arguments).filter(|(_, value)| value.cell() != Cell::Null) {
        values.push((engine.property_of(ty, name)?, value.clone()));
    }
    let resource = Resource {
        set,
        steps: Vec::new(),
        ty,
        end_set: Some(set),
        collection: true,
        cast: false,
        leaf: Leaf::Entities,
    };
    let created = engine.create(session, caller, &resource, Body::new(ty, values))?;
    let id = created.page.rows.cell(0, engine.property_of(ty, "Id")?).to_value();
    let place = crate::engine::resolve::Place::of(ty, Some(set), vec![id]);
    let node = engine.entity_at(session, &crate::model::caller::Scope::everything(), &place, false)?;
    match engine.machine_job(session, &node, false)? {
        Some(job) => Ok(job.id),
        None => engine.done_job(session, caller, &node),
    }
}

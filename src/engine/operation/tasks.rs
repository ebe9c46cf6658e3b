//! The operations of `Tasks`, `Runs` and the scheduler's `Session`.

use serde_json::Value as Json;

use super::sessions::object;
use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::engine::tasks::{Start, Started, Trigger};
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::NEXT_RUNS;
use crate::model::text;
use crate::schedule::{Explanation, parse};
use crate::store::Session;

fn entity(bound: &Bound) -> Outcome<&Entity> {
    match bound {
        Bound::Entity(entity) => Ok(entity),
        _ => Err(Fault::internal("bound to no entity")),
    }
}

fn value<'a>(engine: &Engine, entity: &'a Entity, name: &str) -> Outcome<&'a Value> {
    Ok(&entity.values[engine.property_of(entity.ty, name)?])
}

fn id(engine: &Engine, entity: &Entity) -> Outcome<i64> {
    match value(engine, entity, "Id")? {
        Value::Integer(id) => Ok(*id),
        _ => Err(Fault::internal("a row without a number")),
    }
}

/// An entity of a set as it is now.
fn shown(engine: &Engine, session: &mut Session<'_>, set: &str, id: i64) -> Outcome<Given> {
    let at = engine.schema.endpoint("Core").and_then(|core| core.set_names.get(set)).copied();
    let place = crate::engine::resolve::Place::of(engine.core_type(set)?, at, vec![Value::Integer(id)]);
    let found = engine.entity_at(session, &crate::model::caller::Scope::everything(), &place, false)?;
    Ok(Given::Entities(Box::new(engine.page_of(at, &found))))
}

/// Starts it now.
pub fn run(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let task = entity(bound)?;
    let conflict = |message: &str| Err(Fault::new(&fault::CONFLICT, message.to_owned()));
    if engine.is_scheduler_held(session)? {
        return conflict("The scheduler is on hold: nothing starts.");
    }
    if *value(engine, task, "Disabled")? == Value::Boolean(true) && arguments[1] != Value::Boolean(true) {
        return conflict("The task is disabled: with Override it runs all the same.");
    }
    let batch = match &arguments[0] {
        Value::Text(text) if !text.trim().is_empty() => {
            let json = serde_json::from_str::<Json>(text);
            if !json.is_ok_and(|json| json.is_object()) {
                return Err(Fault::new(&fault::BAD_ARGUMENT, "Parameters are a JSON object, as text.").of("Parameters"));
            }
            Some(text.as_str())
        }
        _ => None,
    };
    let start = Start {
        task: id(engine, task)?,
        due: engine.clock.now(),
        by: Trigger::User(&caller.name, batch),
        next: None,
    };
    match engine.start_task(session, start)? {
        Started::Run(run, _) => shown(engine, session, "Runs", run),
        Started::Not => conflict("The task runs, and is not one that runs several times at once."),
    }
}

/// Ends its runs.
pub fn terminate(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let task = id(engine, entity(bound)?)?;
    if engine.stop_task(session, task, &caller.name)? == 0 {
        return Err(Fault::new(&fault::CONFLICT, "The task does not run."));
    }
    shown(engine, session, "Tasks", task)
}

/// Ends this run.
pub fn terminate_run(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let run = entity(bound)?;
    if *value(engine, run, "Status")? != Value::Text("run".to_owned()) {
        return Err(Fault::new(&fault::CONFLICT, "The run has ended."));
    }
    let run = id(engine, run)?;
    engine.stop_run(session, run, &caller.name)?;
    shown(engine, session, "Runs", run)
}

/// It starts by itself again.
pub fn enable(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    able(engine, session, caller, bound, false)
}

/// It does not start by itself any more.
pub fn disable(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    able(engine, session, caller, bound, true)
}

fn able(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, disabled: bool) -> Outcome<Given> {
    let task = entity(bound)?;
    engine.disable_task(session, caller, task, disabled)?;
    shown(engine, session, "Tasks", id(engine, task)?)
}

/// When it starts next.
pub fn next_runs(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let count = match arguments[0] {
        Value::Integer(count) if (1..=NEXT_RUNS as i64).contains(&count) => count as usize,
        Value::Null => 10,
        _ => {
            let message = format!("Count is between 1 and {NEXT_RUNS}.");
            return Err(Fault::new(&fault::BAD_ARGUMENT, message).of("Count"));
        }
    };
    let starts = engine.next_starts(session, entity(bound)?, count)?;
    let starts: Vec<Json> = starts.into_iter().map(|at| Json::from(text::ticks_to_text(at - at % 10))).collect();
    Ok(Given::Value(Value::Text(Json::from(starts).to_string())))
}

/// How its condition stands, part by part.
pub fn explain_condition(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let found = engine.explained(session, entity(bound)?)?;
    let mut parts = Vec::new();
    flatten(&found.tree, 0, &mut parts);
    let optional = |text: Option<String>| text.map_or(Value::Null, Value::Text);
    let members = [
        ("Condition", Value::Text(found.tree.text)),
        ("Holds", Value::Boolean(found.tree.holds)),
        ("At", Value::Text(text::ticks_to_text(found.at - found.at % 10))),
        ("TimeZone", Value::Text(found.zone)),
        ("Cycle", optional(found.cycle)),
        ("Obstacle", optional(found.obstacle)),
        ("Parts", Value::Text(Json::from(parts).to_string())),
    ];
    object(engine, "ConditionState", &members)
}

fn flatten(tree: &Explanation, level: usize, parts: &mut Vec<Json>) {
    parts.push(serde_json::json!({"Level": level, "Text": tree.text, "Holds": tree.holds, "Why": tree.why}));
    tree.parts.iter().for_each(|part| flatten(part, level + 1, parts));
}

/// The canonical form of a condition.
pub fn parse_condition(_: &Engine, _: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    match &arguments[0] {
        Value::Text(text) => {
            let condition = parse(text).map_err(|fault| fault.of("Text"))?;
            Ok(Given::Value(Value::Text(condition.to_string())))
        }
        _ => Err(Fault::new(&fault::BAD_ARGUMENT, "Text is a condition.").of("Text")),
    }
}

/// Nothing starts any more, of any tenant.
pub fn hold(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    held(engine, session, caller, bound, true)
}

/// It goes on.
pub fn resume(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    held(engine, session, caller, bound, false)
}

fn held(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, hold: bool) -> Outcome<Given> {
    // The row is everybody's to read, and the scheduler everybody's.
    if !caller.rights.operator {
        return Err(Fault::new(
            &fault::FORBIDDEN,
            "Only an operator may do this: the scheduler is that of all tenants.",
        ));
    }
    let row = id(engine, entity(bound)?)?;
    engine.hold_scheduler(session, hold)?;
    shown(engine, session, "Session", row)
}

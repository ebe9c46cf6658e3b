//! The actions of `Runners`. What a runner does itself it does with its own token: any other is refused, whatever its user may do.

use super::jobs::{lines, shown, text_of};
use super::sessions::{may_manage, object};
use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::queue::{Claiming, Registering, Runner};
use crate::model::caller::{Caller, Guid};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::store::Session;

fn runner(engine: &Engine, bound: &Bound) -> Outcome<Runner> {
    match bound {
        Bound::Entity(entity) => Ok(Runner::of(engine, entity.clone())),
        _ => Err(Fault::internal("bound to no runner")),
    }
}

fn registration(arguments: &[Value]) -> Outcome<Guid> {
    let missing = || Fault::new(&fault::BAD_ARGUMENT, "Registration is what Register has answered.").of("Registration");
    match arguments.first() {
        Some(Value::Bytes(registration)) => Guid::try_from(registration.as_slice()).map_err(|_| missing()),
        _ => Err(missing()),
    }
}

fn token(engine: &Engine, id: i64, token: String) -> Outcome<Given> {
    object(engine, "RunnerToken", &[("Id", Value::Integer(id)), ("Token", Value::Text(token))])
}

/// A runner, and its token, which is shown this one time.
pub fn create(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    may_manage(caller)?;
    let name = arguments.first().and_then(text_of).filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| Fault::new(&fault::BAD_ARGUMENT, "A runner needs a Name.").of("Name"))?;
    let (id, text) = engine.create_runner(session, caller, name)?;
    token(engine, id, text)
}

/// Another token; the old one ends at once.
pub fn rotate(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    may_manage(caller)?;
    let mut runner = runner(engine, bound)?;
    let text = engine.rotate_runner(session, caller, &mut runner)?;
    token(engine, runner.id, text)
}

/// A process begins to be the runner whose token it has.
pub fn register(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let number = |index: usize, default: i64| {
        if let Value::Integer(number) = arguments[index] {
            number
        } else {
            default
        }
    };
    let new = Registering {
        kinds: lines(&arguments[0]),
        tags: lines(&arguments[1]),
        priority: number(2, 0),
        slots: number(3, 1),
        version: text_of(&arguments[4]).unwrap_or_default().to_owned(),
        force: arguments[5] == Value::Boolean(true),
    };
    let told = engine.register_runner(session, caller, &new)?;
    let members = [
        ("RunnerId", Value::Integer(told.runner)),
        ("Registration", Value::Bytes(told.registration.to_vec())),
        ("HeartbeatSeconds", Value::Integer(told.heartbeat)),
        ("LeaseSeconds", Value::Integer(told.lease)),
    ];
    object(engine, "Registration", &members)
}

/// A job to do, if there is one.
pub fn claim(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let mut runner = runner(engine, bound)?;
    match engine.claim_for_runner(session, caller, &mut runner, registration(arguments)?)? {
        Some(job) => shown(engine, job),
        None => Ok(Given::Nothing),
    }
}

/// Whether there may be one.
pub fn look(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Claiming> {
    engine.look_for_runner(session, caller, &runner(engine, bound)?, registration(arguments)?)
}

/// It does nothing any more.
pub fn unregister(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    engine.unregister_runner(session, caller, &mut runner(engine, bound)?, registration(arguments)?)?;
    Ok(Given::Nothing)
}

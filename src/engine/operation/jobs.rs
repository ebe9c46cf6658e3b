//! The actions of `Jobs`. Those of whoever works on a job are refused with `LOST_LEASE` when he does not any more.

use super::sessions::object;
use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::queue::{Failure, Hold, Job, Restarted, Word};
use crate::model::caller::{Caller, Guid};
use crate::model::clock::SECOND;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::text;
use crate::store::Session;

fn job(engine: &Engine, bound: &Bound) -> Outcome<Job> {
    match bound {
        Bound::Entity(entity) => Job::of(engine, entity.clone()),
        _ => Err(Fault::internal("bound to no job")),
    }
}

/// The same for somebody who does not work on it.
fn permitted(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound) -> Outcome<Job> {
    let job = job(engine, bound)?;
    engine.may_drive(session, caller, &job)?;
    Ok(job)
}

/// A job as the answer.
pub(super) fn shown(engine: &Engine, job: Job) -> Outcome<Given> {
    let set = engine.schema.endpoint("Core").and_then(|core| core.set_names.get("Jobs")).copied();
    Ok(Given::Entities(Box::new(engine.page_of(set, &job.into_row()))))
}

/// The registration and the attempt, which come first.
fn hold(arguments: &[Value]) -> Outcome<Hold> {
    match arguments {
        [Value::Bytes(registration), Value::Integer(attempt), ..] => Ok(Hold {
            registration: Guid::try_from(registration.as_slice()).ok(),
            attempt: *attempt,
        }),
        _ => Err(Fault::new(&fault::BAD_ARGUMENT, "Registration and Attempt say which claim it is.")),
    }
}

pub(super) fn text_of(value: &Value) -> Option<&str> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

pub(super) fn lines(value: &Value) -> Vec<String> {
    text_of(value).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

fn told(engine: &Engine, word: Word) -> Outcome<Given> {
    let lease = Value::Text(text::ticks_to_text(word.lease_until - word.lease_until % 10));
    let members = [
        ("Stop", Value::Boolean(word.stop)),
        ("LeaseUntil", lease),
        ("LeaseSeconds", Value::Integer(word.lease / SECOND)),
    ];
    object(engine, "Word", &members)
}

/// How many jobs of the caller's tenant are in each state.
pub fn live_counts(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, _: &[Value]) -> Outcome<Given> {
    let members = engine.live_counts(session, caller.tenant)?;
    let members: Vec<(&str, Value)> = members.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    object(engine, "JobCounts", &members)
}

/// How many there were, at the fullest moments of a period.
pub fn history(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let moment = |value: &Value| text_of(value).and_then(text::text_to_ticks);
    let period = (moment(&arguments[0]), moment(&arguments[1]));
    let bucket = text_of(&arguments[2]).filter(|bucket| !bucket.is_empty());
    let mut rows = Vec::new();
    for members in engine.job_history(session, caller.tenant, period, bucket)? {
        let members: Vec<(&str, Value)> = members.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        if let Given::Value(Value::Text(row)) = object(engine, "JobCounts", &members)? {
            rows.push(row);
        }
    }
    Ok(Given::Value(Value::Text(format!("[{}]", rows.join(",")))))
}

/// A draft is complete.
pub fn submit(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let mut job = permitted(engine, session, caller, bound)?;
    engine.submit_job(session, &mut job)?;
    shown(engine, job)
}

/// Nobody is to work on it any more.
pub fn kill(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let mut job = permitted(engine, session, caller, bound)?;
    engine.kill_job(session, &mut job, &caller.name)?;
    shown(engine, job)
}

/// Takes it away with all that belongs to it.
pub fn remove(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let mut job = job(engine, bound)?;
    engine.may_remove(session, caller, &job)?;
    engine.remove_job(session, &mut job, &caller.name)?;
    Ok(Given::Nothing)
}

/// Due now, or done again by a new job, which is answered.
pub fn restart(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let mut job = permitted(engine, session, caller, bound)?;
    let restarted = engine.restart_job(session, caller, &mut job)?;
    match restarted {
        Restarted::Same => shown(engine, job),
        Restarted::New(id) => shown(engine, engine.job(session, id)?),
    }
}

/// One more attempt after the end.
pub fn retry(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let mut job = permitted(engine, session, caller, bound)?;
    engine.retry_job(session, &mut job)?;
    shown(engine, job)
}

/// A sign of life, with what there is to say.
pub fn heartbeat(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let (mut job, hold) = (job(engine, bound)?, hold(arguments)?);
    let progress = if let Value::Double(progress) = arguments[2] {
        Some(progress)
    } else {
        None
    };
    let word = engine.job_heartbeat(session, &mut job, hold, progress, text_of(&arguments[3]))?;
    engine.job_log(session, &mut job, hold, &lines(&arguments[4]))?;
    told(engine, word)
}

/// The same by somebody who knows the number of the attempt.
pub fn progress(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let [Value::Integer(attempt), progress, message, ..] = arguments else {
        return Err(Fault::new(&fault::BAD_ARGUMENT, "Attempt says which attempt it is."));
    };
    let hold = Hold {
        registration: None,
        attempt: *attempt,
    };
    let progress = if let Value::Double(progress) = progress {
        Some(*progress)
    } else {
        None
    };
    let word = engine.job_heartbeat(session, &mut job(engine, bound)?, hold, progress, text_of(message))?;
    told(engine, word)
}

/// Lines for its log.
pub fn append_log(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    engine.job_log(session, &mut job(engine, bound)?, hold(arguments)?, &lines(&arguments[2]))?;
    Ok(Given::Nothing)
}

/// An attempt has succeeded.
pub fn finish(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    engine.finish_job(session, &mut job(engine, bound)?, hold(arguments)?, text_of(&arguments[2]))?;
    Ok(Given::Nothing)
}

/// An attempt has failed.
pub fn fail(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let failure = Failure {
        error: text_of(&arguments[2]).unwrap_or("failed"),
        retry: arguments[3] != Value::Boolean(false),
    };
    engine.fail_job(session, &mut job(engine, bound)?, hold(arguments)?, failure)?;
    Ok(Given::Nothing)
}

/// To be done later.
pub fn defer(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let seconds = if let Value::Integer(seconds) = arguments[2] { seconds } else { 300 };
    let message = text_of(&arguments[3]).unwrap_or_default();
    engine.defer_job(session, &mut job(engine, bound)?, hold(arguments)?, seconds, message)?;
    Ok(Given::Nothing)
}

/// Somebody outside says how it ended.
pub fn job_result(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    outside(engine, session, caller, (bound, arguments), true)
}

/// Somebody outside says what went wrong; it goes on.
pub fn job_error(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    outside(engine, session, caller, (bound, arguments), false)
}

fn outside(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    (bound, arguments): (&Bound, &[Value]),
    ends: bool,
) -> Outcome<Given> {
    let result = text_of(&arguments[0]).unwrap_or_default();
    let mut job = permitted(engine, session, caller, bound)?;
    engine.job_result(session, &mut job, result, ends)?;
    Ok(Given::Value(Value::Boolean(true)))
}

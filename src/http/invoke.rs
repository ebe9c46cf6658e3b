//! Invoking actions, functions and service operations.

use actix_web::web::Bytes;

use super::app::App;
use super::media;
use super::read;
use super::receipt::{Receipt, Telling};
use super::reply::Answer;
use super::request::Request;
use super::visitor::Work;
use crate::auth::accounts::{Asker, Shown};
use crate::engine::operation::{self, Given, Invocation};
use crate::engine::queue::Claiming;
use crate::engine::{Engine, operation::missing};
use crate::model::caller::Caller;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Page;
use crate::model::query::{Query, Shape};
use crate::model::schema::{Behaviour, Operation, OperationKind, Type};
use crate::model::target::{Call, Leaf, Preconditions, Resource, Step, Then};
use crate::odata::accept::{Choice, Kind};
use crate::odata::format::{self, Context, Entity, Render};
use crate::odata::options::{Options, ResourceKind, query_over};
use crate::odata::template::{Base, narrowed};
use crate::odata::version::Version;
use crate::odata::{argument, canonical, path};
use crate::store::{Session, Weight};

/// An invocation that can be carried to another thread.
pub struct Plan {
    endpoint: usize,
    /// Index into the endpoint's operations.
    operation: usize,
    call: Call,
    arguments: Vec<Value>,
    preconditions: Preconditions,
    way: Way,
    /// The token of a mail that its arguments show.
    shown: Option<Shown>,
}

/// How it comes to its answer.
enum Way {
    /// Reads a declared URL; what has to be picked out of it first.
    Read(Box<read::Plan>, Option<Box<Pick>>),
    /// The engine does something.
    Do(Manner),
}

/// Entities that are read on their own first: those at a place in an order, and the one that a path goes on from.
struct Pick {
    resource: Resource,
    query: Query,
    /// Where their keys go in the steps of the path.
    at: usize,
}

/// How what the engine gives is told.
struct Manner {
    /// None where nothing is answered.
    choice: Option<Choice>,
    version: Version,
    root: String,
    url: String,
}

impl Plan {
    /// What a request invokes.
    pub fn of(request: &Request<'_>, call: &Call, body: &Bytes) -> Outcome<Plan> {
        let schema = &request.app.engine.schema;
        let operations = &schema.endpoints[request.endpoint].operations;
        let first = &operations[call.overloads[0]];
        if call
            .overloads
            .iter()
            .all(|&index| operations[index].behaviour == Behaviour::Missing && operations[index].job.is_none())
        {
            return Err(missing(first));
        }
        let options = Options::parse(request.query)?;
        let (index, arguments) = match first.kind() {
            OperationKind::Action => {
                options.check(ResourceKind::Write)?;
                check_body(request, body)?;
                argument::of_body(schema, request.endpoint, call, body)?
            }
            // A body of one is ignored (ACT-8).
            _ => argument::of_url(schema, request.endpoint, call, &options)?,
        };
        let operation = &operations[index];
        let is_about_one = call.binding.as_ref().is_some_and(|binding| !binding.collection);
        if operation.kind() == OperationKind::Action && request.is_conditional() && !is_about_one {
            return Err(Fault::new(
                &fault::BAD_REQUEST,
                "There is no entity whose ETag a precondition could be about.",
            ));
        }
        let mut call = call.clone();
        if index != call.overloads[0] {
            call.then = match call.is_end {
                true => path::whole(schema, request.endpoint, index, call.binding.as_ref()),
                false if operation.result == first.result => call.then,
                false => {
                    let message = "The path does not go with the function that the arguments mean.";
                    return Err(Fault::new(&fault::BAD_PATH, message));
                }
            };
        }
        if matches!(&call.then, Then::Entities(then) if media::is_stream(then)) {
            return Err(Fault::new(
                &fault::BAD_PATH,
                "The stream of an entity is read by the entity's own URL.",
            ));
        }
        let way = match (&operation.behaviour, &call.then) {
            (Behaviour::Query(text), Then::Entities(then)) => {
                let base = Base::of(schema, request.endpoint, operation, call.binding.as_ref(), (text, &arguments))?;
                let (plan, pick) = read_of(request, operation, then, &base, options)?;
                Way::Read(Box::new(plan), pick)
            }
            (_, Then::Entities(then)) if !then.steps.is_empty() || then.leaf != Leaf::Entities => return Err(missing(operation)),
            _ => {
                options.check(ResourceKind::Write)?;
                Way::Do(Manner::of(request, operation, &call.then)?)
            }
        };
        Ok(Plan {
            endpoint: request.endpoint,
            operation: index,
            call,
            arguments,
            preconditions: request.preconditions.clone(),
            way,
            shown: None,
        })
    }

    fn declared<'e>(&self, engine: &'e Engine) -> &'e Operation {
        &engine.schema.endpoints[self.endpoint].operations[self.operation]
    }

    /// Does about its arguments what takes long or has to be counted.
    pub async fn prepare(&mut self, app: &App, asker: Asker<'_>) -> Outcome<()> {
        if let Some(handler) = operation::handler_of(self.declared(&app.engine)) {
            self.shown = app.auth.prepare(handler, &mut self.arguments, asker).await?;
        }
        Ok(())
    }

    /// The token of a mail that its arguments show: how it ends has to be said.
    pub fn shown(&mut self) -> Option<Shown> {
        self.shown.take()
    }

    /// What is answered before it is carried out; none for all but a few.
    pub fn promise(&self, engine: &Engine) -> Option<Answer> {
        let handler = operation::handler_of(self.declared(engine))?;
        match &self.way {
            Way::Do(manner) if handler.first.is_some() => Some(manner.done()),
            _ => None,
        }
    }

    /// The job that it needs.
    pub fn work(&self, engine: &Engine) -> Work {
        match &self.way {
            Way::Do(_) if operation::writes(self.declared(engine)) => Work::Write,
            Way::Do(_) => Work::Read(Weight::Key),
            Way::Read(plan, None) => Work::Read(plan.weight(engine)),
            Way::Read(_, Some(_)) => Work::Read(Weight::Scan),
        }
    }

    /// Whether what a request invokes can be waited for.
    pub fn can_wait(request: &Request<'_>, call: &Call) -> bool {
        let operations = &request.app.engine.schema.endpoints[request.endpoint].operations;
        let look = |index: &usize| operation::handler_of(&operations[*index]).is_some_and(operation::Handler::can_wait);
        call.overloads.iter().all(look)
    }

    /// Looks whether it is worth doing it now.
    pub fn look(&self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Claiming> {
        engine.look(session, caller, &self.invocation(self.declared(engine)))
    }

    /// The answer where there is no result.
    pub fn nothing(&self) -> Answer {
        match &self.way {
            Way::Do(manner) => manner.done(),
            Way::Read(..) => Answer::of(204),
        }
    }

    fn invocation<'p>(&'p self, operation: &'p Operation) -> Invocation<'p> {
        Invocation {
            endpoint: self.endpoint,
            index: self.operation,
            operation,
            binding: self.call.binding.as_ref(),
            arguments: &self.arguments,
            preconditions: &self.preconditions,
        }
    }

    /// Does it.
    pub fn run(self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Answer> {
        let operation = self.declared(engine);
        match self.way {
            Way::Read(mut plan, pick) => {
                let binding = self.call.binding.as_ref().map(|binding| (binding.ty, binding.end_set));
                engine.may_invoke(caller, (self.endpoint, self.operation), binding)?;
                if let Some(pick) = pick {
                    let keys = engine.keys(session, caller, &pick.resource, &pick.query)?;
                    if keys.is_empty() && !pick.resource.collection {
                        return Err(Fault::not_found());
                    }
                    plan.narrow(|resource| narrowed(resource, pick.at, keys));
                }
                let answer = plan.run(engine, session, caller)?;
                // No entity is no result (PTH-37); behind a navigation it is null.
                let goes_on = matches!(&self.call.then, Then::Entities(then) if !then.steps.is_empty());
                match answer.status {
                    204 if !goes_on => Err(Fault::not_found()),
                    _ => Ok(answer),
                }
            }
            Way::Do(ref manner) => {
                let (given, news) = match engine.invoke(session, caller, &self.invocation(operation))? {
                    Given::Told(given, news) => (*given, Some(news)),
                    given => (given, None),
                };
                let answer = match given {
                    Given::Driven(job) => manner.driven(engine, session, self.endpoint, job)?,
                    given => manner.answer(engine, self.endpoint, operation, &self.call.then, given)?,
                };
                Ok(Answer { news, ..answer })
            }
        }
    }
}

/// A body of arguments is JSON of version 3.0 (CON-19, VER-31); where there is none nothing needs to be said about it.
fn check_body(request: &Request<'_>, body: &Bytes) -> Outcome<()> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    argument::check_media(request.headers.content_type)?;
    match request.versions.explicit {
        Some(version) if version < Version::V3 => Err(Fault::new(
            &fault::BAD_REQUEST,
            "Arguments of an action are of version 3.0; DataServiceVersion says less.",
        )),
        _ => Ok(()),
    }
}

/// What a function with a declared URL reads: the URL's entities, the path behind the function, and the request's options.
fn read_of(
    request: &Request<'_>,
    operation: &Operation,
    then: &Resource,
    base: &Base,
    options: Options,
) -> Outcome<(read::Plan, Option<Box<Pick>>)> {
    let schema = &request.app.engine.schema;
    let is_navigation = |step: &Step| matches!(step, Step::Navigate { .. });
    let split = then.steps.iter().position(is_navigation).unwrap_or(then.steps.len());
    let (before, after) = then.steps.split_at(split);
    let mut resource = Resource {
        set: base.resource.set,
        ..then.clone()
    };
    resource.steps = base.resource.steps.iter().chain(before).cloned().collect();
    let is_one = operation.entities().is_some_and(|(_, many)| !many) && base.resource.collection;
    let pick = if base.is_cut() || !after.is_empty() || is_one {
        let cast = before
            .iter()
            .rev()
            .find_map(|step| if let Step::Cast(ty) = step { Some(*ty) } else { None });
        let has_key = before.iter().any(|step| matches!(step, Step::Key(_)));
        let ty = cast.unwrap_or(base.resource.ty);
        let mut query = query_over(
            schema,
            request.endpoint,
            (ty, base.resource.end_set),
            &Options::default(),
            &base.options,
        )?;
        query.shape = Default::default();
        let collection = base.resource.collection && !has_key && !is_one && after.is_empty();
        let at = resource.steps.len();
        let resource = Resource {
            ty,
            collection,
            leaf: Leaf::Entities,
            ..resource.clone()
        };
        Some(Box::new(Pick { resource, query, at }))
    } else {
        None
    };
    resource.steps.extend_from_slice(after);
    let own = if after.is_empty() {
        base.options.clone()
    } else {
        Options::default()
    };
    let kind = (!operation.is_composable()).then_some(ResourceKind::Operation);
    Ok((read::Plan::over(request, &resource, &own, options, kind)?, pick))
}

impl Manner {
    fn of(request: &Request<'_>, operation: &Operation, then: &Then) -> Outcome<Manner> {
        let kind = match operation.job {
            Some(_) => Some(Kind::Entry),
            None => kind(operation, then),
        };
        let choice = kind.map(|kind| request.negotiate(kind)).transpose()?;
        Ok(Manner {
            choice,
            version: request.versions.answer(needed(request, operation, then, choice.as_ref()))?,
            root: request.root.clone(),
            url: request.url.clone(),
        })
    }

    /// The answer (ACT-3, ACT-9, PTH-37).
    fn answer(&self, engine: &Engine, endpoint: usize, operation: &Operation, then: &Then, given: Given) -> Outcome<Answer> {
        let is_raw = matches!(then, Then::Part { raw: true, .. });
        let nothing = || match operation.kind() {
            OperationKind::Action => Ok(self.done()),
            _ if is_raw || operation.entities().is_some() => Err(Fault::not_found()),
            _ => Ok(self.done()),
        };
        let (Some(choice), Some(result)) = (self.choice, &operation.result) else {
            return Ok(self.done());
        };
        let render = Render {
            version: self.version,
            url: &self.url,
            now: engine.clock.now(),
            ..Render::new(&engine.schema, endpoint, &self.root, choice.level)
        };
        match given {
            // What is told beside the answer has been taken off, and jobs are answered elsewhere.
            Given::Nothing | Given::Told(..) | Given::Driven(_) => nothing(),
            Given::Entities(page) => self.entities(&render, choice, operation, &page),
            Given::Value(value) => {
                let (path, ty) = match then {
                    Then::Part { path, ty, .. } => (path.as_slice(), ty),
                    _ => (&[][..], result),
                };
                let inner = match (path.is_empty(), value.cell()) {
                    (false, Cell::Text(json)) => Some(canonical::follow(json, path, ty)),
                    _ => None,
                };
                let value = inner.unwrap_or(value);
                if value.is_null() {
                    return nothing();
                }
                let name = path.last().unwrap_or(&operation.name);
                Ok(self.ok(match (is_raw, ty) {
                    (true, _) => read::raw_value(ty, value.cell())?,
                    (false, Type::Collection(_)) if path.is_empty() => format::collection(&render, choice.format, name, ty, value.cell()),
                    (false, _) => format::property(&render, choice.format, name, ty, value.cell()),
                }))
            }
        }
    }

    /// A job does it.
    fn driven(&self, engine: &Engine, session: &mut Session<'_>, endpoint: usize, job: i64) -> Outcome<Answer> {
        let receipt = Receipt::of(engine, session, job, (endpoint, &self.root))?;
        let level = self.choice.map_or(format::Metadata::Minimal, |choice| choice.level);
        let telling = Telling {
            render: Render {
                version: self.version,
                url: &self.url,
                now: engine.clock.now(),
                ..Render::new(&engine.schema, endpoint, &self.root, level)
            },
            choice: self.choice,
            is_untyped: false,
        };
        Ok(receipt.answer(engine, &telling))
    }

    fn entities(&self, render: &Render<'_>, choice: Choice, operation: &Operation, page: &Page) -> Outcome<Answer> {
        let Some((ty, many)) = operation.entities() else {
            return Err(Fault::internal("entities where a value was promised"));
        };
        let set = operation.set.or(page.set);
        let context = Context {
            set,
            ty,
            single: !many,
            select: None,
        };
        if many {
            return Ok(self.ok(format::feed(render, choice.format, page, &context, None)));
        }
        if page.rows.is_empty() {
            return Ok(self.done());
        }
        Ok(Answer {
            etag: Entity::of(render, page, 0).etag(),
            ..self.ok(format::entity(render, choice.format, page, 0, &context))
        })
    }

    fn done(&self) -> Answer {
        Answer {
            version: self.version.text(),
            ..Answer::of(204)
        }
    }

    fn ok(&self, body: Vec<u8>) -> Answer {
        Answer {
            version: self.version.text(),
            content_type: self.choice.map_or("", |choice| choice.content_type),
            body: body.into(),
            ..Answer::of(200)
        }
    }
}

/// The version that the answer needs (VER-20..VER-22).
fn needed(request: &Request<'_>, operation: &Operation, then: &Then, choice: Option<&Choice>) -> Version {
    let Some(choice) = choice else { return Version::V1 };
    let needs = request.needs(choice);
    let content = match (then, operation.entities(), &operation.result) {
        (Then::Part { raw: true, .. }, ..) => Version::V1,
        (Then::Part { ty, .. }, ..) => needs.value(ty),
        (_, Some((ty, many)), _) => needs.entities(ty, &Shape::default(), many),
        // A collection that is no property was there before collections were properties.
        (_, None, Some(Type::Collection(item))) => needs.value(item).max(needs.collection()),
        (_, None, result) => result.as_ref().map_or(Version::V1, |ty| needs.value(ty)),
    };
    choice.version.max(content)
}

/// What is negotiated for a result; nothing where there is none.
fn kind(operation: &Operation, then: &Then) -> Option<Kind> {
    Some(match (then, &operation.result) {
        (Then::Part { raw: true, ty, .. }, _) if *ty == Type::Primitive(Edm::Binary) => Kind::RawBinary,
        (Then::Part { raw: true, .. }, _) => Kind::Raw,
        (_, result) => {
            result.as_ref()?;
            match operation.entities() {
                Some((_, true)) => Kind::Feed,
                Some((_, false)) => Kind::Entry,
                None => Kind::Value,
            }
        }
    })
}

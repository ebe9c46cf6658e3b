//! What a request is to do: made without the database, run inside one of its jobs, alone or among the operations of a change set.

use actix_web::web::Bytes;

use super::app::App;
use super::conditions::Method;
use super::document;
use super::invoke;
use super::media;
use super::read;
use super::reply::Answer;
use super::request::Request;
use super::visitor::Work;
use super::write;
use crate::auth::accounts::{Asker, Shown};
use crate::engine::Engine;
use crate::model::caller::Caller;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::target::Target;
use crate::odata::accept::Kind;
use crate::odata::format::Render;
use crate::odata::service;
use crate::odata::version::Version;
use crate::store::{Session, Weight};

/// A request, understood as far as that goes without the database.
pub enum Plan {
    /// An answer that is the same for all who may call at all.
    Answer(Answer),
    /// GET of data.
    Read(read::Plan),
    /// A change.
    Write(write::Plan),
    /// GET of a stream.
    ReadStream(media::Read),
    /// A stream to be written, whole.
    WriteStream(media::Write),
    /// An action, function or service operation.
    Invoke(Box<invoke::Plan>),
}

/// What has been done, and is still to be told. There is one for each request, so its size matters less than another allocation.
#[allow(clippy::large_enum_variant)]
pub enum Done {
    /// All of it.
    Answer(Answer),
    /// A change, rendered where no writer waits for it.
    Changed(write::Changed),
}

impl Plan {
    /// What `request` with `body` is to do.
    pub fn of(request: &Request<'_>, body: Bytes) -> Outcome<Plan> {
        match (request.method, &request.target) {
            (Method::Options, target) => Ok(Plan::Answer(Answer {
                allow: request.allowed(target),
                version: request.versions.answer(Version::V1)?.text(),
                ..Answer::of(204)
            })),
            (_, Target::Service) => service_document(request).map(Plan::Answer),
            (_, Target::Metadata) => metadata(request).map(Plan::Answer),
            (Method::Get | Method::Head, Target::Resource(resource)) if media::is_stream(resource) => {
                media::Read::of(request, resource).map(Plan::ReadStream)
            }
            (Method::Get | Method::Head, Target::Resource(resource)) => read::Plan::of(request, resource).map(Plan::Read),
            (_, Target::Resource(_)) if media::is_upload(request) => media::Write::of(request, body).map(Plan::WriteStream),
            (_, Target::Resource(resource)) => write::Plan::of(request, resource, body).map(Plan::Write),
            (_, Target::Batch) => Err(nested_batch()),
            (_, Target::Operation(call)) => invoke::Plan::of(request, call, &body).map(|plan| Plan::Invoke(Box::new(plan))),
        }
    }

    /// What has to be done before the database is asked, because it takes long.
    pub async fn prepare(&mut self, app: &App, asker: Asker<'_>) -> Outcome<()> {
        match self {
            Plan::Write(plan) => plan.prepare(app).await,
            Plan::Invoke(plan) => plan.prepare(app, asker).await,
            _ => Ok(()),
        }
    }

    /// The token of a mail that it shows.
    pub fn shown(&mut self) -> Option<Shown> {
        match self {
            Plan::Invoke(plan) => plan.shown(),
            _ => None,
        }
    }

    /// How many passwords it would have to hash.
    pub fn passwords(&self, engine: &Engine) -> usize {
        match self {
            Plan::Write(plan) => plan.passwords(&engine.schema),
            _ => 0,
        }
    }

    /// The job that it needs.
    pub fn work(&self, engine: &Engine) -> Work {
        match self {
            Plan::Answer(_) | Plan::ReadStream(_) => Work::Read(Weight::Key),
            Plan::Read(plan) => Work::Read(plan.weight(engine)),
            Plan::Write(_) | Plan::WriteStream(_) => Work::Write,
            Plan::Invoke(plan) => plan.work(engine),
        }
    }

    /// Does it.
    pub fn run(self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Done> {
        match self {
            Plan::Answer(answer) => Ok(Done::Answer(answer)),
            Plan::Read(plan) => plan.run(engine, session, caller).map(Done::Answer),
            Plan::Write(plan) => plan.run(engine, session, caller).map(Done::Changed),
            Plan::ReadStream(read) => read.run(engine, session, caller).map(Done::Answer),
            Plan::WriteStream(write) => write.run(engine, session, caller),
            Plan::Invoke(plan) => plan.run(engine, session, caller).map(Done::Answer),
        }
    }
}

impl Done {
    /// The path of the entity that was made or changed, relative to the service root.
    pub fn path(&self, engine: &Engine) -> Option<String> {
        match self {
            Done::Answer(_) => None,
            Done::Changed(changed) => changed.path(engine),
        }
    }

    /// Answers at once what has no body, so that nothing has to be kept for it; and about how many bytes are kept now.
    pub fn settle(self, engine: &Engine) -> (Done, usize) {
        match self {
            Done::Changed(changed) if changed.has_body() => {
                let size = changed.size();
                (Done::Changed(changed), size)
            }
            done => {
                let answer = done.answer(engine);
                let size = answer.body.len();
                (Done::Answer(answer), size)
            }
        }
    }

    /// The answer.
    pub fn answer(self, engine: &Engine) -> Answer {
        match self {
            Done::Answer(answer) => answer,
            Done::Changed(changed) => changed.answer(engine),
        }
    }
}

/// A batch as a part of one (BCH-43).
pub fn nested_batch() -> Fault {
    Fault::new(&fault::BAD_REQUEST, "A batch has no batches in it.")
}

fn service_document(request: &Request<'_>) -> Outcome<Answer> {
    let choice = request.document(Kind::Service)?;
    let version = request.versions.answer(choice.version)?;
    let render = Render {
        version,
        ..Render::new(&request.app.engine.schema, request.endpoint, &request.root, choice.level)
    };
    let body = service::write(&render, choice.syntax, &|_| true);
    document::answer(&request.preconditions, choice, version, document::tag(&body), body.into())
}

fn metadata(request: &Request<'_>) -> Outcome<Answer> {
    let metadata = &request.app.metadata[request.endpoint];
    let choice = request.document(Kind::Metadata)?;
    let version = request.versions.answer(metadata.version)?;
    document::answer(
        &request.preconditions,
        choice,
        version,
        metadata.etag.clone(),
        metadata.body.clone(),
    )
}

//! `$batch` (BCH): one request that carries many, and one answer to all of them.
//!
//! Parts run one after another, each in a job of its own, so each sees what those before it have done (BCH-10). A change set is one job,
//! and so one transaction. Everything is read before the first part runs; from then on whatever goes wrong is the answer to a part.

mod change_set;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::{Bytes, Data};

use self::change_set::ChangeSet;
use super::app::{App, guarded};
use super::plan::{Plan, nested_batch};
use super::reply::{self, Answer, Reply};
use super::request::{Headers, Line, Request, error_choice};
use super::visitor::{Visitor, Work};
use crate::engine::operation;
use crate::model::caller::Caller;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::BATCH_ANSWER_BYTES;
use crate::model::target::Target;
use crate::odata::batch::{self, Item, Part, Response, Writer};
use crate::odata::options::{Options, ResourceKind};
use crate::odata::references::{ContentIds, relative};
use crate::odata::url::decode_path;
use crate::odata::version::Version;
use crate::store::{Session, Weight};

/// A batch on its way.
struct Batch<'a> {
    app: &'a Data<App>,
    endpoint: usize,
    root: &'a str,
    visitor: Visitor<'a>,
    /// As sent.
    body: &'a Bytes,
    /// What its change sets have made so far, for the GETs behind them.
    ids: ContentIds,
    writer: Writer,
}

/// Answers the batch `envelope`.
pub async fn answer(app: &Data<App>, envelope: &Request<'_>, mut visitor: Visitor<'_>, body: Outcome<Bytes>) -> Outcome<Answer> {
    let (version, body) = match body.and_then(|body| Ok((check(envelope)?, body))) {
        Ok(good) => good,
        Err(fault) => return visitor.refuse(fault).await,
    };
    let items = match batch::boundary(envelope.headers.content_type).and_then(|boundary| batch::parse(&boundary, &body)) {
        Ok(items) => items,
        Err(fault) => return visitor.refuse(fault).await,
    };
    // Credentials and tenant are those of the envelope, and wrong for all parts when they are wrong (BCH-22).
    visitor.run_part(Work::Read(Weight::Key), |_, _| Ok(())).await?;
    let mut batch = Batch {
        app,
        endpoint: envelope.endpoint,
        root: &envelope.root,
        visitor,
        body: &body,
        ids: ContentIds::default(),
        writer: Writer::new(),
    };
    for item in items {
        batch.carry_out(&envelope.headers, item).await;
        // Small reads never wait, and other requests of this thread do.
        tokio::task::yield_now().await;
    }
    Ok(Answer {
        version: version.text(),
        multipart: Some(batch.writer.content_type()),
        body: batch.writer.finish().into(),
        ..Answer::of(202)
    })
}

/// The version of the answer (VER-24), which has one format (CON-17).
fn check(envelope: &Request<'_>) -> Outcome<Version> {
    Options::parse(envelope.query)?.check(ResourceKind::Batch)?;
    envelope.versions.answer(Version::V1)
}

impl<'a> Batch<'a> {
    async fn carry_out(&mut self, envelope: &Headers<'a>, mut item: Item<'a>) {
        let parts = match &mut item {
            Item::Single(part) | Item::Refused { part, .. } => std::slice::from_mut(part),
            Item::ChangeSet(parts) => parts,
        };
        for part in &mut *parts {
            inherit(part, envelope);
        }
        let elsewhere = parts.iter().position(|part| self.visitor.contradicts(&part.headers));
        if let Some(at) = elsewhere {
            item = another_tenant(item, at);
        }
        match item {
            Item::Single(part) => {
                let reply = guarded(self.single(&part)).await;
                let reply = reply.unwrap_or_else(|fault| self.failed(&fault, &part));
                self.writer.single(&response(&part, &reply, &head(&reply)));
            }
            Item::ChangeSet(parts) => self.change_set(&parts).await,
            Item::Refused {
                fault,
                part,
                in_change_set: true,
            } => self.failed_set(&fault, &part),
            Item::Refused { fault, part, .. } => {
                let reply = self.failed(&fault, &part);
                self.writer.single(&response(&part, &reply, &head(&reply)));
            }
        }
    }

    /// A request outside of a change set.
    async fn single(&mut self, part: &Part<'_>) -> Outcome<Reply> {
        let room = self.room()?;
        let url = self.ids.expand(relative(self.root, part.url)?)?;
        let request = request(self.app, self.endpoint, self.root, part, &url, &self.ids)?;
        let plan = Plan::of(&request, Bytes::new())?;
        let engine = self.app.engine.clone();
        let work = plan.work(&engine);
        let job = move |session: &mut Session<'_>, caller: &Caller| plan.run(&engine, session, caller);
        let done = self.visitor.run_part(work, job).await?;
        whole(done.answer(&self.app.engine).reply(), room).await
    }

    /// A change set: all of it, or the error of one request instead (BCH-31, BCH-41).
    async fn change_set(&mut self, parts: &[Part<'a>]) {
        // Which request it is about.
        let at = Arc::new(AtomicUsize::new(0));
        match guarded(self.change(parts, &at)).await {
            Ok(replies) => {
                let heads: Vec<_> = replies.iter().map(head).collect();
                let all = parts.iter().zip(&replies).zip(&heads);
                let responses: Vec<_> = all.map(|((part, reply), head)| response(part, reply, head)).collect();
                self.writer.change_set(&responses);
            }
            Err(fault) => {
                let part = parts.get(at.load(Ordering::Relaxed)).cloned().unwrap_or_default();
                self.failed_set(&fault, &part);
            }
        }
    }

    /// The same, told as replies.
    async fn change(&mut self, parts: &[Part<'a>], at: &Arc<AtomicUsize>) -> Outcome<Vec<Reply>> {
        let room = self.room()?;
        let mut change_set = ChangeSet::new(self.app.clone(), self.endpoint, self.root, room, at.clone());
        for part in parts {
            change_set.add(part, self.body).await?;
        }
        let (done, ids) = self
            .visitor
            .run_part(Work::Write, |session, caller| change_set.run(session, caller))
            .await?;
        self.ids.absorb(ids);
        Ok(done.into_iter().map(|done| done.answer(&self.app.engine).reply()).collect())
    }

    fn failed_set(&mut self, fault: &Fault, part: &Part<'_>) {
        let reply = self.failed(fault, part);
        self.writer.change_set(&[response(part, &reply, &head(&reply))]);
    }

    /// The error as the answer to a part, in the format that the part asks for (ERR-2).
    fn failed(&self, fault: &Fault, part: &Part<'_>) -> Reply {
        let query = part.url.split_once('?').map_or("", |(_, query)| query);
        let preferences = self.app.config.preferences;
        reply::fault_reply(fault, error_choice(preferences, query, false, |name| part.header(name)))
    }

    /// How many bytes the rest of the answer may have.
    fn room(&self) -> Outcome<usize> {
        let room = BATCH_ANSWER_BYTES.saturating_sub(self.writer.size());
        if room == 0 { Err(too_long()) } else { Ok(room) }
    }
}

/// Instead of an item of which a part names another tenant than the batch.
fn another_tenant(item: Item<'_>, at: usize) -> Item<'_> {
    let fault = Fault::new(
        &fault::BAD_REQUEST,
        "A part of a batch acts in the tenant that the batch's own header names.",
    );
    match item {
        Item::Single(part) => Item::Refused {
            fault,
            part,
            in_change_set: false,
        },
        Item::ChangeSet(mut parts) => Item::Refused {
            fault,
            part: parts.swap_remove(at),
            in_change_set: true,
        },
        refused => refused,
    }
}

/// The version headers of the envelope hold for parts that lack them (BCH-20); nothing else of it does. That of the envelope itself says
/// what bodies are written in: datajs gives 1.0 for batches whose URLs use what only 2.0 has (VER-30).
fn inherit<'a>(part: &mut Part<'a>, envelope: &Headers<'a>) {
    for (name, value) in [
        ("DataServiceVersion", envelope.version),
        ("MaxDataServiceVersion", envelope.max_version),
        ("MinDataServiceVersion", envelope.min_version),
    ] {
        let is_for_bodies = name == "DataServiceVersion" && part.body.is_empty();
        if let (None, Some(value), false) = (part.header(name), value, is_for_bodies) {
            part.headers.push((name, value));
        }
    }
}

/// Whether an operation tests a secret or has mails sent.
fn is_alone(request: &Request<'_>) -> bool {
    let Target::Operation(call) = &request.target else { return false };
    let operations = &request.app.engine.schema.endpoints[request.endpoint].operations;
    let mut handlers = call.overloads.iter().filter_map(|&index| operation::handler_of(&operations[index]));
    handlers.any(|handler| !handler.marks.is_empty())
}

/// What a part asks for; `url` is its own, relative to the service root and without references. Its credentials are passed over.
fn request<'p>(app: &'p App, endpoint: usize, root: &str, part: &'p Part<'_>, url: &'p str, ids: &ContentIds) -> Outcome<Request<'p>> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    if decode_path(path.trim_matches('/')).as_deref() == Some("$batch") {
        return Err(nested_batch());
    }
    let mut headers = Headers::read(|name| Ok(part.header(name)))?;
    // The part ends where it ends (BCH-6).
    headers.content_length = None;
    let line = Line {
        method: part.method,
        path,
        query,
    };
    let mut request = Request::new(app, endpoint, root.to_owned(), line, headers)?;
    if request.callback {
        let message = "A part of a batch takes no `$callback`: its answer is none of a script's.";
        return Err(Fault::new(&fault::BAD_OPTION, message));
    }
    if is_alone(&request) {
        let message = "This is not carried out in a batch: how often it is asked for has to be counted.";
        return Err(Fault::new(&fault::BAD_REQUEST, message));
    }
    request.ids = ids.clone();
    Ok(request)
}

/// A reply in memory, at most as long as there is room.
async fn whole(mut reply: Reply, room: usize) -> Outcome<Reply> {
    if let Some(parts) = reply.stream.take() {
        if parts.length() > room as u64 {
            return Err(too_long());
        }
        reply.body = parts.collect().await?.into();
    }
    if reply.body.len() > room { Err(too_long()) } else { Ok(reply) }
}

fn head(reply: &Reply) -> Vec<(&str, &str)> {
    reply.head.iter().map(|(name, value)| (*name, value.as_ref())).collect()
}

fn response<'r>(part: &Part<'r>, reply: &'r Reply, head: &'r [(&'r str, &'r str)]) -> Response<'r> {
    Response {
        status: reply.status,
        content_id: part.content_id,
        headers: head,
        body: &reply.body,
    }
}

fn too_long() -> Fault {
    let message = format!("The answer to a batch has at most {BATCH_ANSWER_BYTES} bytes: this request has to go into another one.");
    Fault::new(&fault::TOO_LARGE, message)
}

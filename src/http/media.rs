//! Media resources and named streams, in both directions piece by piece (RD-11, WR-90..WR-93).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::{Bytes, Payload};
use futures_core::Stream;

use super::app::App;
use super::conditions::{ByteRange, Method, byte_range};
use super::plan::Done;
use super::reply::Answer;
use super::request::Request;
use super::visitor::{Visitor, Work};
use super::write::{Changed, Manner};
use crate::engine::Engine;
use crate::model::caller::Caller;
use crate::model::clock::SECOND;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{MEDIA_BYTES, MEDIA_PART_BYTES, MEDIA_PAUSE_SECONDS, MEDIA_UPLOAD_HOURS};
use crate::model::media::Media;
use crate::model::schema::Type;
use crate::model::target::{Leaf, Preconditions, Resource, Target};
use crate::odata::accept;
use crate::odata::options::{Options, ResourceKind};
use crate::odata::url::decode_query;
use crate::odata::version::Version;
use crate::store::media as parts;
use crate::store::{Db, Session, Weight};

/// Longest `Content-Type` that is kept.
const CONTENT_TYPE_BYTES: usize = 255;

/// GET of a stream.
pub struct Read {
    db: Db,
    resource: Resource,
    preconditions: Preconditions,
    range: Option<String>,
    if_range: Option<String>,
    version: Version,
}

/// PUT of a stream, or POST of one that makes a media entity.
pub struct Write {
    resource: Resource,
    preconditions: Preconditions,
    slug: Option<String>,
    content_type: String,
    source: Source,
    manner: Manner,
    /// For bytes that come with the request.
    begun: i64,
}

enum Source {
    /// Taken in before, part by part.
    Uploaded(Media),
    /// In memory, as a part of a batch.
    Whole(Bytes),
}

/// Whether a leaf is a stream.
pub fn is_stream(resource: &Resource) -> bool {
    match &resource.leaf {
        Leaf::Media => true,
        Leaf::Property { ty, .. } => *ty == Type::Primitive(crate::model::edm::Edm::Stream),
        _ => false,
    }
}

/// Whether the body of a request is a stream, and not a description of one. A POST to a set of media entities is a stream, unless it is in
/// a format of entities and lacks the `Slug` that AtomPub's uploads have (WR-92).
pub fn is_upload(request: &Request<'_>) -> bool {
    let Target::Resource(resource) = &request.target else {
        return false;
    };
    match (request.method, &resource.leaf) {
        (Method::Put, _) => is_stream(resource),
        (Method::Post, Leaf::Entities) => {
            let has_stream = request.app.engine.schema.types[resource.ty].has_stream;
            has_stream && (request.headers.slug.is_some() || !accept::is_entity(request.headers.content_type))
        }
        _ => false,
    }
}

impl Read {
    /// What a request reads of `resource`.
    pub fn of(request: &Request<'_>, resource: &Resource) -> Outcome<Read> {
        Options::parse(request.query)?.check(ResourceKind::Media)?;
        if request.callback {
            return Err(accept::no_script());
        }
        let needed = if resource.leaf == Leaf::Media { Version::V1 } else { Version::V3 };
        Ok(Read {
            db: request.app.db.clone(),
            resource: resource.clone(),
            preconditions: request.preconditions.clone(),
            range: request.headers.range.map(str::to_owned),
            if_range: request.headers.if_range.map(str::to_owned),
            version: request.versions.answer(needed)?,
        })
    }

    /// Reads it; a stream that was never written is 204.
    pub fn run(self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Answer> {
        let version = self.version.text();
        let Some(media) = engine.stream(session, caller, &self.resource)? else {
            return Ok(Answer {
                version,
                ..Answer::of(204)
            });
        };
        let etag = media.etag();
        if self.preconditions.if_match.as_ref().is_some_and(|tags| !tags.contain(&etag)) {
            return Err(Fault::new(&fault::PRECONDITION, "The stream has another ETag now."));
        }
        if self.preconditions.if_none_match.as_ref().is_some_and(|tags| tags.contain(&etag)) {
            return Ok(Answer {
                version,
                etag: Some(etag),
                is_of_bytes: true,
                ..Answer::of(304)
            });
        }
        let is_current = self.if_range.as_ref().is_none_or(|tag| *tag == etag);
        let asked = self.range.as_deref().filter(|_| is_current);
        let range = asked.map_or(ByteRange::Whole, |text| byte_range(text, media.length));
        let (status, from, until) = match range {
            ByteRange::Whole => (200, 0, media.length),
            ByteRange::Part(from, until) => (206, from, until),
            ByteRange::None => (416, 0, 0),
        };
        let content_range = match range {
            ByteRange::Whole => None,
            ByteRange::Part(..) => Some(format!("bytes {from}-{}/{}", until - 1, media.length)),
            ByteRange::None => Some(format!("bytes */{}", media.length)),
        };
        Ok(Answer {
            version,
            etag: Some(etag),
            is_of_bytes: true,
            media: Some(MediaBody {
                content_type: media.content_type.clone(),
                content_range,
                parts: Parts::new(self.db, media, from, until),
            }),
            ..Answer::of(status)
        })
    }
}

/// Takes in a stream, and gives it to its entity. Nothing is half done: until the last byte is there the entity has what it had, and what
/// breaks off is deleted.
pub async fn upload(request: Request<'_>, visitor: Visitor<'_>, payload: Payload) -> Outcome<Done> {
    let app = request.app;
    let mut write = match Write::of(&request, Bytes::new()) {
        Ok(write) => write,
        Err(fault) => return visitor.refuse(fault).await,
    };
    let (engine, resource, preconditions) = (app.engine.clone(), write.resource.clone(), write.preconditions.clone());
    visitor
        .again()
        .run(Work::Read(Weight::Key), move |session, caller| {
            engine.may_upload(session, caller, &resource, &preconditions)
        })
        .await?;
    let id = *uuid::Uuid::new_v4().as_bytes();
    let begun = write.begun;
    app.db.write(move |session| parts::begin(session, &id, begun)).await?;
    let outcome = async {
        let length = take_in(app, &id, payload).await?;
        write.source = Source::Uploaded(Media {
            id,
            length,
            content_type: write.content_type.clone(),
        });
        let engine = app.engine.clone();
        visitor
            .run(Work::Write, move |session, caller| write.run(&engine, session, caller))
            .await
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        app.db.write(move |session| parts::give_up(session, &id)).await?;
    }
    outcome
}

/// Writes what comes, part by part; its length.
async fn take_in(app: &App, id: &[u8; 16], mut payload: Payload) -> Outcome<u64> {
    let id = *id;
    let (mut number, mut length) = (0, 0);
    let mut part = Vec::with_capacity(MEDIA_PART_BYTES);
    loop {
        let next = std::future::poll_fn(|context| Pin::new(&mut payload).poll_next(context));
        let waited = tokio::time::timeout(Duration::from_secs(MEDIA_PAUSE_SECONDS as u64), next).await;
        let piece = waited.map_err(|_| Fault::new(&fault::BODY_TIMEOUT, "The upload paused for too long."))?;
        let ended = piece.is_none();
        let piece = piece
            .unwrap_or(Ok(Bytes::new()))
            .map_err(|_| Fault::new(&fault::BAD_BODY, "The upload ends before it is complete."))?;
        length += piece.len() as u64;
        if length > MEDIA_BYTES as u64 {
            return Err(too_large());
        }
        let mut rest = &piece[..];
        while !rest.is_empty() || (ended && !part.is_empty()) {
            let (now, later) = rest.split_at(rest.len().min(MEDIA_PART_BYTES - part.len()));
            part.extend_from_slice(now);
            rest = later;
            if part.len() == MEDIA_PART_BYTES || ended {
                let full = std::mem::replace(&mut part, Vec::with_capacity(MEDIA_PART_BYTES));
                app.db.write(move |session| parts::append(session, &id, number, full)).await?;
                number += 1;
            }
        }
        if ended {
            return Ok(length);
        }
    }
}

fn too_large() -> Fault {
    Fault::new(&fault::BODY_TOO_LARGE, format!("A stream has at most {MEDIA_BYTES} bytes."))
}

impl Write {
    /// What a request with the bytes `body` writes.
    pub fn of(request: &Request<'_>, body: Bytes) -> Outcome<Write> {
        let Target::Resource(resource) = &request.target else {
            return Err(Fault::internal("an upload to no resource"));
        };
        Options::parse(request.query)?.check(ResourceKind::Write)?;
        let creates = request.method == Method::Post;
        if creates && request.is_conditional() {
            return Err(Fault::new(
                &fault::BAD_REQUEST,
                "A new entity has no ETag yet, so a precondition cannot be met.",
            ));
        }
        // It would have to go out with the same coding, whatever the reader accepts.
        if request
            .headers
            .content_encoding
            .is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            return Err(Fault::new(&fault::MEDIA_TYPE, "A stream is sent without Content-Encoding."));
        }
        let announced = request.headers.content_length.and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| length > MEDIA_BYTES as u64) {
            return Err(too_large());
        }
        let content_type = request.headers.content_type.unwrap_or("application/octet-stream").trim();
        if content_type.len() > CONTENT_TYPE_BYTES || !content_type.contains('/') {
            return Err(Fault::new(
                &fault::MEDIA_TYPE,
                "A stream needs a `Content-Type` of at most 255 characters.",
            ));
        }
        Ok(Write {
            resource: resource.clone(),
            preconditions: request.preconditions.clone(),
            slug: request.headers.slug.and_then(decode_query),
            content_type: content_type.to_owned(),
            source: Source::Whole(body),
            manner: Manner::of(request, resource)?,
            begun: request.app.engine.clock.now(),
        })
    }

    /// Does it.
    pub fn run(self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Done> {
        let media = match self.source {
            Source::Uploaded(media) => media,
            Source::Whole(body) => {
                let id = *uuid::Uuid::new_v4().as_bytes();
                parts::begin(session, &id, self.begun)?;
                for (number, part) in body.chunks(MEDIA_PART_BYTES).enumerate() {
                    parts::append(session, &id, number as i64, part.to_vec())?;
                }
                Media {
                    id,
                    length: body.len() as u64,
                    content_type: self.content_type,
                }
            }
        };
        if self.resource.collection {
            let page = engine.create_media(session, caller, &self.resource, &media, self.slug.as_deref())?;
            return Ok(Done::Changed(Changed::new(self.manner, self.resource, (true, Some(page), None))));
        }
        engine.put_stream(session, caller, &self.resource, &media, &self.preconditions)?;
        Ok(Done::Answer(Answer {
            version: self.manner.version.text(),
            etag: Some(media.etag()),
            ..Answer::of(204)
        }))
    }
}

/// Deletes uploads that broke off when a server ended.
pub async fn clean_up(app: &App) -> Outcome<()> {
    let before = app.engine.clock.now() - MEDIA_UPLOAD_HOURS as i64 * 3600 * SECOND;
    let deleted = app.db.write(move |session| parts::discard_broken(session, before)).await?;
    if deleted > 0 {
        tracing::info!(deleted, "uploads that broke off");
    }
    Ok(())
}

/// A stream as the body of an answer, and the headers that go with it.
#[derive(Debug)]
pub struct MediaBody {
    /// `Content-Type`, as it was sent.
    pub content_type: String,
    /// `Content-Range`.
    pub content_range: Option<String>,
    /// The bytes.
    pub parts: Parts,
}

type Pending = Pin<Box<dyn Future<Output = Outcome<Option<Vec<u8>>>> + Send>>;

/// The bytes of a stream between two places, read from the database part by part as they are sent.
pub struct Parts {
    db: Db,
    id: [u8; 16],
    at: u64,
    until: u64,
    pending: Option<Pending>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts({}..{})", self.at, self.until)
    }
}

impl Parts {
    fn new(db: Db, media: Media, from: u64, until: u64) -> Parts {
        Parts {
            db,
            id: media.id,
            at: from,
            until,
            pending: None,
        }
    }

    /// How many they are.
    pub fn length(&self) -> u64 {
        self.until - self.at
    }

    /// All of them, for what is written as a whole.
    pub async fn collect(mut self) -> Outcome<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = std::future::poll_fn(|context| Pin::new(&mut self).poll_next(context)).await {
            let torn = |error: Box<dyn std::error::Error>| match error.downcast::<Fault>() {
                Ok(fault) => *fault,
                Err(error) => Fault::new(&fault::BUSY, error.to_string()),
            };
            all.extend_from_slice(&piece.map_err(torn)?);
        }
        Ok(all)
    }

    fn part(&self) -> Pending {
        let (db, id, number) = (self.db.clone(), self.id, (self.at / MEDIA_PART_BYTES as u64) as i64);
        Box::pin(async move { db.read(Weight::Scan, move |session| parts::part(session, &id, number)).await })
    }
}

impl MessageBody for Parts {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length())
    }

    /// A part that is gone, because the stream was replaced meanwhile, ends the connection: the client sees that the body is not complete
    /// (ERR-6).
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.at >= self.until {
            return Poll::Ready(None);
        }
        let mut pending = self.pending.take().unwrap_or_else(|| self.part());
        match pending.as_mut().poll(context) {
            Poll::Pending => {
                self.pending = Some(pending);
                Poll::Pending
            }
            Poll::Ready(Ok(Some(part))) => {
                let from = ((self.at % MEDIA_PART_BYTES as u64) as usize).min(part.len());
                let left = usize::try_from(self.until - self.at).unwrap_or(usize::MAX);
                let until = part.len().min(from.saturating_add(left));
                if from == until {
                    return Poll::Ready(Some(Err("a part of the stream is too short".into())));
                }
                self.at += (until - from) as u64;
                Poll::Ready(Some(Ok(Bytes::from(part).slice(from..until))))
            }
            Poll::Ready(Ok(None)) => Poll::Ready(Some(Err("the stream was replaced while it was sent".into()))),
            Poll::Ready(Err(fault)) => Poll::Ready(Some(Err(fault.into()))),
        }
    }
}

//! POST, PUT, PATCH, MERGE and DELETE of data.

use std::collections::HashMap;

use actix_web::web::Bytes;

use super::app::App;
use super::conditions::{Method, Prefer};
use super::plan::missing;
use super::reply::Answer;
use super::request::Request;
use crate::auth::password;
use crate::engine::Engine;
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Page;
use crate::model::schema::TypeId;
use crate::model::target::{Body, Leaf, Preconditions, Resource};
use crate::odata::accept::{self, BodyFormat, Choice, Kind};
use crate::odata::format::{self, Context, Entity, Render};
use crate::odata::options::{Options, ResourceKind};
use crate::odata::read::Reading;
use crate::odata::references::ContentIds;
use crate::odata::version::Version;
use crate::store::Session;

/// A change that can be carried to another thread.
pub struct Plan {
    method: Method,
    resource: Resource,
    preconditions: Preconditions,
    content: Content,
    manner: Manner,
}

/// How a change is answered: known before anything changes, so that nothing can go wrong after (WR-5).
pub struct Manner {
    prefer: Option<Prefer>,
    /// Of the body; none for an answer without one.
    choice: Option<Choice>,
    /// `DataServiceVersion`.
    pub version: Version,
    endpoint: usize,
    root: String,
    url: String,
}

/// The body of a request, to be read when the type of the entity is known.
struct Content {
    body: Bytes,
    /// None where there is no body.
    format: Option<BodyFormat>,
    endpoint: usize,
    root: String,
    ids: ContentIds,
    /// Passwords in it, and their hashes.
    hashes: HashMap<String, String>,
}

/// What has changed, still to be told.
pub struct Changed {
    manner: Manner,
    resource: Resource,
    created: bool,
    /// The entity as it is now; none if it is gone.
    page: Option<Page>,
}

impl Plan {
    /// What a request does to `resource`.
    pub fn of(request: &Request<'_>, resource: &Resource, body: Bytes) -> Outcome<Plan> {
        if resource.leaf != Leaf::Entities {
            return Err(missing("Changing properties, values, streams and links is not implemented yet."));
        }
        Options::parse(request.query)?.check(ResourceKind::Write)?;
        check_preconditions(request, resource)?;
        let format = match request.method {
            Method::Delete => None,
            _ => Some(accept::body_format(request.headers.content_type)?),
        };
        Ok(Plan {
            method: request.method,
            resource: resource.clone(),
            preconditions: request.preconditions.clone(),
            content: Content {
                body,
                format,
                endpoint: request.endpoint,
                root: request.root.clone(),
                ids: request.ids.clone(),
                hashes: HashMap::new(),
            },
            manner: Manner::of(request)?,
        })
    }

    /// Hashes the body's passwords before the database's one writer is asked to work. What is wrong with the body is said later,
    /// when its type is known.
    pub async fn prepare(&mut self, app: &App) -> Outcome<()> {
        let schema = &app.engine.schema;
        let ty = self.resource.ty;
        if self.content.format.is_none() || !schema.types[ty].properties.iter().any(|property| property.hashed) {
            return Ok(());
        }
        let Ok(body) = self.content.entity(&app.engine, ty) else {
            return Ok(());
        };
        for (index, value) in body.values {
            let property = &schema.types[body.ty].properties[index];
            if let (true, Value::Text(password)) = (property.hashed, value) {
                let hash = app.auth.hasher().hash(password.clone()).await;
                self.content
                    .hashes
                    .insert(password, hash.map_err(|fault| fault.of(&property.name))?);
            }
        }
        Ok(())
    }

    /// Does it.
    pub fn run(self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Changed> {
        let page = match self.method {
            Method::Post => {
                let body = self.content.hashed_entity(engine, self.resource.ty)?;
                Some(engine.create(session, caller, &self.resource, body)?)
            }
            Method::Delete => {
                engine.delete(session, caller, &self.resource, &self.preconditions)?;
                None
            }
            _ => {
                let read = |ty| self.content.hashed_entity(engine, ty);
                let replace = self.method == Method::Put;
                Some(engine.update(session, caller, &self.resource, &read, replace, &self.preconditions)?)
            }
        };
        Ok(Changed::new(self.manner, self.resource, self.method == Method::Post, page))
    }
}

/// What preconditions a change takes and needs (WR-67, WR-70).
fn check_preconditions(request: &Request<'_>, resource: &Resource) -> Outcome<()> {
    let creates = request.method == Method::Post;
    if creates && request.is_conditional() {
        return Err(Fault::new(
            &fault::BAD_REQUEST,
            "A new entity has no ETag yet, so a precondition cannot be met.",
        ));
    }
    let has_etag = request.app.engine.schema.types[resource.ty].has_etag();
    if !creates && request.app.config.require_if_match && has_etag && request.preconditions.if_match.is_none() {
        return Err(Fault::new(
            &fault::NO_PRECONDITION,
            "This change needs `If-Match` with the entity's ETag, or `*`.",
        ));
    }
    Ok(())
}

impl Manner {
    /// Of a request.
    pub fn of(request: &Request<'_>) -> Outcome<Manner> {
        let is_delete = request.method == Method::Delete;
        let prefer = if is_delete { None } else { request.prefer() };
        let has_body = !is_delete && prefer.map_or(request.method == Method::Post, |prefer| prefer == Prefer::Content);
        let choice = if has_body { Some(request.negotiate(Kind::Entry)?) } else { None };
        let needed = choice.map_or(Version::V1, |choice| choice.version);
        let needed = if prefer.is_some() { Version::V3 } else { needed };
        Ok(Manner {
            prefer,
            choice,
            version: request.versions.answer(needed)?,
            endpoint: request.endpoint,
            root: request.root.clone(),
            url: request.url.clone(),
        })
    }

    fn render<'a>(&'a self, engine: &'a Engine) -> Render<'a> {
        let level = self.choice.map_or(format::Metadata::Minimal, |choice| choice.level);
        Render {
            version: self.version,
            url: &self.url,
            now: engine.clock.now(),
            ..Render::new(&engine.schema, self.endpoint, &self.root, level)
        }
    }
}

impl Changed {
    /// An entity of `resource` as it is now.
    pub fn new(manner: Manner, resource: Resource, created: bool, page: Option<Page>) -> Changed {
        Changed {
            manner,
            resource,
            created,
            page,
        }
    }

    /// The path of the entity relative to the service root, for references to it by Content-ID.
    pub fn path(&self, engine: &Engine) -> Option<String> {
        let render = self.manner.render(engine);
        let mut path = Vec::new();
        Entity::of(&render, self.page.as_ref()?, 0).write_path(&mut path);
        String::from_utf8(path).ok()
    }

    /// The answer: about a created entity where it is, and its new ETag after every change (WR-11, WR-12, WR-71).
    pub fn answer(self, engine: &Engine) -> Answer {
        let manner = &self.manner;
        let Some(page) = &self.page else {
            return Answer {
                version: manner.version.text(),
                ..Answer::of(204)
            };
        };
        let render = manner.render(engine);
        let entity = Entity::of(&render, page, 0);
        let context = Context {
            set: self.resource.end_set,
            ty: self.resource.ty,
            single: true,
            select: None,
        };
        let body = manner
            .choice
            .map(|choice| format::entity(&render, choice.format, page, 0, &context));
        let status = match (self.created, body.is_some()) {
            (_, false) => 204,
            (true, true) => 201,
            (false, true) => 200,
        };
        Answer {
            version: manner.version.text(),
            content_type: manner.choice.map_or("", |choice| choice.content_type),
            location: self.created.then(|| entity.edit_url()),
            // Without a body, `DataServiceId` says which entity it is (WR-12, WR-13).
            id: (self.created && body.is_none()).then(|| entity.id()),
            etag: entity.etag(),
            preference: manner.prefer.map_or("", Prefer::applied),
            body: body.unwrap_or_default().into(),
            ..Answer::of(status)
        }
    }
}

impl Content {
    fn entity(&self, engine: &Engine, ty: TypeId) -> Outcome<Body> {
        let format = self.format.ok_or_else(|| Fault::internal("a body without a format"))?;
        let reading = Reading {
            schema: &engine.schema,
            endpoint: self.endpoint,
            root: &self.root,
            ids: &self.ids,
        };
        format.reader().entity(&reading, ty, &self.body)
    }

    /// The entity, its passwords replaced by their hashes.
    fn hashed_entity(&self, engine: &Engine, ty: TypeId) -> Outcome<Body> {
        let mut body = self.entity(engine, ty)?;
        for (index, value) in &mut body.values {
            if let (true, Value::Text(password)) = (engine.schema.types[body.ty].properties[*index].hashed, &value) {
                // Only a derived type's own password is not among them yet.
                let hash = self.hashes.get(password).cloned().map_or_else(|| password::hash(password), Ok)?;
                *value = Value::Text(hash);
            }
        }
        Ok(body)
    }
}

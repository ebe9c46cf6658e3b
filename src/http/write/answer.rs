//! How a change is answered.

use super::super::conditions::{Method, Prefer};
use super::super::read;
use super::super::receipt::{Receipt, Telling};
use super::super::reply::Answer;
use super::super::request::Request;
use crate::engine::{Engine, property};
use crate::model::fault::Outcome;
use crate::model::page::Page;
use crate::model::query::Shape;
use crate::model::target::{Leaf, Resource};
use crate::odata::accept::{Choice, Kind};
use crate::odata::format::{self, Context, Entity, Render};
use crate::odata::version::Version;
use crate::store::Session;

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

/// What has changed, still to be told.
pub struct Changed {
    manner: Manner,
    resource: Resource,
    created: bool,
    /// The entity as it is now; none if it is gone, or if only links have changed.
    page: Option<Page>,
    /// Of the job that goes on with it.
    receipt: Option<Receipt>,
}

impl Manner {
    /// Of a request.
    pub fn of(request: &Request<'_>, resource: &Resource) -> Outcome<Manner> {
        let prefer = if takes_preference(request, resource)? {
            request.prefer()
        } else {
            None
        };
        let creates = request.method == Method::Post && resource.leaf == Leaf::Entities;
        let ends = request.method == Method::Delete && resource.leaf == Leaf::Entities && may_drive_delete(request, resource);
        let has_body = prefer.map_or(creates || ends, |prefer| prefer == Prefer::Content);
        let choice = match has_body {
            true if creates || ends => Some(request.negotiate(Kind::Entry)?),
            true => Some(request.negotiate(read::kinds(resource).1)?),
            false => None,
        };
        let needed = choice.map_or(Version::V1, |choice| {
            read::needed(request, &choice, resource, &Shape::default(), false)
        });
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

    /// What is told about a job that goes on with the change.
    pub fn receipt(&self, engine: &Engine, session: &mut Session<'_>, job: i64) -> Outcome<Receipt> {
        Receipt::of(engine, session, job, (self.endpoint, &self.root))
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

/// Whether a job may have to delete what is there: its type, or one that derives from it, says so.
fn may_drive_delete(request: &Request<'_>, resource: &Resource) -> bool {
    let types = &request.app.engine.schema.types;
    types[resource.ty].family.iter().any(|&ty| types[ty].jobs.delete.is_some())
}

/// Whether a client may choose between an answer with a body and one without (VER-33): not where nothing is left to be told, and not
/// about what is never shown.
fn takes_preference(request: &Request<'_>, resource: &Resource) -> Outcome<bool> {
    Ok(match &resource.leaf {
        _ if request.method == Method::Delete => false,
        Leaf::Property { property, path, .. } => {
            let schema = &request.app.engine.schema;
            !property::declared(schema, resource.ty, *property, path)?.write_only
        }
        leaf => *leaf == Leaf::Entities,
    })
}

impl Changed {
    /// An entity of `resource` as it is now.
    pub fn new(manner: Manner, resource: Resource, (created, page, receipt): (bool, Option<Page>, Option<Receipt>)) -> Changed {
        Changed {
            manner,
            resource,
            created,
            page,
            receipt,
        }
    }

    /// The path of the entity relative to the service root, for references to it by Content-ID.
    pub fn path(&self, engine: &Engine) -> Option<String> {
        let render = self.manner.render(engine);
        let mut path = Vec::new();
        Entity::of(&render, self.page.as_ref()?, 0).write_path(&mut path);
        String::from_utf8(path).ok()
    }

    /// Whether the answer has one.
    pub fn has_body(&self) -> bool {
        self.manner.choice.is_some()
    }

    /// About how many bytes are kept until it is answered.
    pub fn size(&self) -> usize {
        self.page.as_ref().map_or(0, Page::size) + self.receipt.as_ref().map_or(0, Receipt::size)
    }

    /// The answer: where the job is that goes on with it; else about a created entity where it is, and its new ETag after every change (WR-11, WR-12, WR-71).
    pub fn answer(self, engine: &Engine) -> Answer {
        let manner = &self.manner;
        if let Some(receipt) = &self.receipt {
            let telling = Telling {
                render: manner.render(engine),
                choice: manner.choice,
                is_untyped: self.created,
            };
            return Answer {
                preference: manner.prefer.map_or("", Prefer::applied),
                ..receipt.answer(engine, &telling)
            };
        }
        let Some(page) = &self.page else {
            return Answer {
                version: manner.version.text(),
                ..Answer::of(204)
            };
        };
        let render = manner.render(engine);
        let entity = Entity::of(&render, page, 0);
        let body = manner.choice.map(|choice| self.body(&render, choice, &entity));
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

    fn body(&self, render: &Render<'_>, choice: Choice, entity: &Entity<'_>) -> Vec<u8> {
        if let Leaf::Property { .. } = self.resource.leaf {
            // A raw value that was just written is not null, so there always is one.
            return read::value(render, choice, entity, &self.resource.leaf).unwrap_or_default();
        }
        let context = Context {
            set: self.resource.end_set,
            ty: self.resource.ty,
            single: true,
            select: None,
        };
        format::entity(render, choice.format, entity.page, 0, &context)
    }
}

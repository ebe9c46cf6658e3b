//! POST, PUT, PATCH, MERGE and DELETE of data: entities, their properties, and the links between them.

mod answer;
mod content;

use actix_web::web::Bytes;

use super::app::App;
use super::conditions::Method;
use super::request::Request;
use crate::engine::Engine;
use crate::engine::property::{self, Assignment};
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::Schema;
use crate::model::target::{Body, Leaf, Preconditions, Resource};
use crate::odata::options::{Options, ResourceKind};
use crate::odata::raw;
use crate::store::Session;

pub use answer::{Changed, Manner};
use content::{Content, Hashes};

/// A change that can be carried to another thread.
pub struct Plan {
    task: Task,
    resource: Resource,
    preconditions: Preconditions,
    manner: Manner,
    hashes: Hashes,
}

/// What is to be done to the resource.
enum Task {
    Create(Body),
    /// The body is read when the entity's concrete type is known.
    Update {
        content: Content,
        replace: bool,
    },
    Delete,
    Assign(Assignment),
    /// To this entity.
    Link(Resource),
    Unlink,
}

impl Plan {
    /// What a request does to `resource`.
    pub fn of(request: &Request<'_>, resource: &Resource, body: Bytes) -> Outcome<Plan> {
        Options::parse(request.query)?.check(ResourceKind::Write)?;
        check_preconditions(request, resource)?;
        let manner = Manner::of(request, resource)?;
        let task = match (&resource.leaf, request.method) {
            (Leaf::Entities, Method::Post) => Task::Create(Content::of(request, body)?.read(&request.app.engine.schema, resource.ty)?),
            (Leaf::Entities, Method::Delete) => Task::Delete,
            (Leaf::Entities, method) => Task::Update {
                content: Content::of(request, body)?,
                replace: method == Method::Put,
            },
            (Leaf::Links, Method::Delete) => Task::Unlink,
            (Leaf::Links, _) => Task::Link(link(request, &body)?),
            _ => Task::Assign(assignment(request, resource, &body)?),
        };
        Ok(Plan {
            task,
            resource: resource.clone(),
            preconditions: request.preconditions.clone(),
            manner,
            hashes: Hashes::default(),
        })
    }

    /// Hashes passwords before the database's one writer is asked to work.
    pub async fn prepare(&mut self, app: &App) -> Outcome<()> {
        match &mut self.task {
            Task::Create(body) => self.hashes.prepare(app, body).await,
            Task::Update { content, .. } => content.prepare(app, self.resource.ty).await,
            Task::Assign(Assignment { property, value, .. }) => {
                // As of an entity with this property alone.
                let body = Body::new(self.resource.ty, vec![(*property, value.clone())]);
                self.hashes.prepare(app, &body).await
            }
            Task::Delete | Task::Link(_) | Task::Unlink => Ok(()),
        }
    }

    /// How many passwords the body has.
    pub fn passwords(&self, schema: &Schema) -> usize {
        match &self.task {
            Task::Create(body) => content::passwords(schema, body),
            Task::Update { content, .. } => content.passwords(schema, self.resource.ty),
            Task::Assign(Assignment { property, .. }) => usize::from(schema.types[self.resource.ty].properties[*property].hashed),
            Task::Delete | Task::Link(_) | Task::Unlink => 0,
        }
    }

    /// Does it.
    pub fn run(self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Changed> {
        let (resource, preconditions) = (&self.resource, &self.preconditions);
        let created = matches!(self.task, Task::Create(_));
        let mut job = None;
        let page = match self.task {
            Task::Create(mut body) => {
                self.hashes.apply(&engine.schema, &mut body)?;
                let made = engine.create(session, caller, resource, body)?;
                job = made.job;
                Some(made.page)
            }
            Task::Update { content, replace } => {
                let read = |ty| content.hashed(engine, ty);
                Some(engine.update(session, caller, resource, &read, replace, preconditions)?)
            }
            Task::Delete => {
                job = engine.delete(session, caller, resource, preconditions)?;
                None
            }
            Task::Assign(mut assignment) => {
                if engine.schema.types[resource.ty].properties[assignment.property].hashed {
                    self.hashes.replace(&mut assignment.value)?;
                }
                Some(engine.assign(session, caller, resource, &assignment, preconditions)?)
            }
            Task::Link(to) => {
                engine.link(session, caller, resource, &to)?;
                None
            }
            Task::Unlink => {
                engine.unlink(session, caller, resource)?;
                None
            }
        };
        let receipt = job.map(|job| self.manner.receipt(engine, session, job)).transpose()?;
        Ok(Changed::new(self.manner, self.resource, (created, page, receipt)))
    }
}

/// What preconditions a change takes and needs (WR-57, WR-67, WR-70).
fn check_preconditions(request: &Request<'_>, resource: &Resource) -> Outcome<()> {
    let refuse = |why: &'static str| Err(Fault::new(&fault::BAD_REQUEST, why));
    if resource.leaf == Leaf::Links {
        return match request.is_conditional() {
            true => refuse("Links have no ETag, so a precondition cannot be met."),
            false => Ok(()),
        };
    }
    let creates = request.method == Method::Post;
    if creates && request.is_conditional() {
        return refuse("A new entity has no ETag yet, so a precondition cannot be met.");
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

/// The entity that the body of `$links` names (WR-85, WR-86).
fn link(request: &Request<'_>, body: &[u8]) -> Outcome<Resource> {
    let url = request.body_format()?.reader().link(body)?;
    request.reading().reference(&url)
}

/// What a property is to hold: null for DELETE (WR-46), else what the body says (WR-55).
fn assignment(request: &Request<'_>, resource: &Resource, body: &[u8]) -> Outcome<Assignment> {
    let Leaf::Property { property, path, raw, .. } = &resource.leaf else {
        return Err(Fault::internal("a property that is none"));
    };
    let declared = property::declared(&request.app.engine.schema, resource.ty, *property, path)?;
    let content_type = request.headers.content_type;
    let value = match (request.method, raw) {
        (Method::Delete, _) => Value::Null,
        (_, true) => raw::read(declared, content_type, body)?,
        (_, false) => request.body_format()?.reader().property(&request.reading(), declared, body)?,
    };
    Ok(Assignment {
        property: *property,
        path: path.clone(),
        value,
        merge: request.method == Method::Patch,
    })
}

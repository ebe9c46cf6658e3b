//! POST, PUT, PATCH, MERGE and DELETE of entities.

use std::collections::HashMap;

use actix_web::web::Bytes;

use super::conditions::{Method, Prefer};
use super::entity::{Request, missing};
use super::reply::Answer;
use super::visitor::{Visitor, Work};
use crate::auth::password;
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Page;
use crate::model::schema::{Schema, TypeId};
use crate::model::target::{Body, Leaf, Resource};
use crate::odata::accept::{self, Choice, Kind};
use crate::odata::format::{self, Context, Entity, Render};
use crate::odata::json_read;
use crate::odata::options::{Options, ResourceKind};
use crate::odata::version::Version;

/// How a change is answered: known before anything changes, so that nothing can go wrong after (WR-5).
struct Manner {
    prefer: Option<Prefer>,
    /// Of the body; none for an answer without one.
    choice: Option<Choice>,
    version: Version,
}

/// Does what `method` means to `resource`.
pub async fn answer(request: &Request<'_>, visitor: Visitor<'_>, method: Method, resource: Resource, body: Bytes) -> Outcome<Answer> {
    let manner = match manner(request, method, &resource) {
        Ok(manner) => manner,
        Err(fault) => return visitor.refuse(fault).await,
    };
    match method {
        Method::Post => create(request, visitor, manner, resource, body).await,
        Method::Delete => {
            let (engine, preconditions) = (request.app.engine.clone(), request.preconditions.clone());
            visitor
                .run(Work::Write, move |session, caller| {
                    engine.delete(session, caller, &resource, &preconditions)
                })
                .await?;
            Ok(Answer {
                version: manner.version.text(),
                ..Answer::of(204)
            })
        }
        _ => update(request, visitor, manner, method == Method::Put, resource, body).await,
    }
}

fn manner(request: &Request<'_>, method: Method, resource: &Resource) -> Outcome<Manner> {
    if resource.leaf != Leaf::Entities {
        return Err(missing("Changing properties, values, streams and links is not implemented yet."));
    }
    Options::parse(request.query)?.check(ResourceKind::Write)?;
    let entity = &request.app.engine.schema.types[resource.ty];
    let creates = method == Method::Post;
    if creates && request.is_conditional() {
        return Err(Fault::new(
            &fault::BAD_REQUEST,
            "A new entity has no ETag yet, so a precondition cannot be met.",
        ));
    }
    if !creates && request.app.config.require_if_match && entity.has_etag() && request.preconditions.if_match.is_none() {
        return Err(Fault::new(
            &fault::NO_PRECONDITION,
            "This change needs `If-Match` with the entity's ETag, or `*`.",
        ));
    }
    if method == Method::Delete {
        return Ok(Manner {
            prefer: None,
            choice: None,
            version: request.versions.answer(Version::V1)?,
        });
    }
    accept::body_format(request.content_type())?;
    let prefer = request.prefer();
    let has_body = prefer.map_or(creates, |prefer| prefer == Prefer::Content);
    let choice = if has_body { Some(request.negotiate(Kind::Entry)?) } else { None };
    let needed = choice.map_or(Version::V1, |choice| choice.version);
    let needed = if prefer.is_some() { Version::V3 } else { needed };
    Ok(Manner {
        prefer,
        choice,
        version: request.versions.answer(needed)?,
    })
}

async fn create(request: &Request<'_>, visitor: Visitor<'_>, manner: Manner, resource: Resource, body: Bytes) -> Outcome<Answer> {
    let engine = request.app.engine.clone();
    let hashes = hashes(request, resource.ty, &body).await;
    let entity = match hashes.and_then(|hashes| read_body(&engine.schema, resource.ty, &body, &hashes)) {
        Ok(entity) => entity,
        Err(fault) => return visitor.refuse(fault).await,
    };
    let context = (resource.end_set, resource.ty);
    let page = visitor
        .run(Work::Write, move |session, caller| {
            engine.create(session, caller, &resource, entity)
        })
        .await?;
    let answer = changed(request, &manner, context, &page, if manner.choice.is_some() { 201 } else { 204 });
    let render = render(request, &manner);
    let entity = Entity::of(&render, &page, 0);
    // Without a body, `DataServiceId` says which entity it is (WR-12, WR-13).
    let id = manner.choice.is_none().then(|| entity.id());
    Ok(Answer {
        location: Some(entity.edit_url()),
        id,
        ..answer
    })
}

async fn update(
    request: &Request<'_>,
    visitor: Visitor<'_>,
    manner: Manner,
    replace: bool,
    resource: Resource,
    body: Bytes,
) -> Outcome<Answer> {
    let engine = request.app.engine.clone();
    let hashes = match hashes(request, resource.ty, &body).await {
        Ok(hashes) => hashes,
        Err(fault) => return visitor.refuse(fault).await,
    };
    let context = (resource.end_set, resource.ty);
    let preconditions = request.preconditions.clone();
    let job = move |session: &mut crate::store::Session<'_>, caller: &crate::model::caller::Caller| {
        let read = |ty| read_body(&engine.schema, ty, &body, &hashes);
        engine.update(session, caller, &resource, &read, replace, &preconditions)
    };
    let page = visitor.run(Work::Write, job).await?;
    Ok(changed(
        request,
        &manner,
        context,
        &page,
        if manner.choice.is_some() { 200 } else { 204 },
    ))
}

/// The answer about a changed entity, with its new ETag (WR-71).
fn changed(request: &Request<'_>, manner: &Manner, context: (Option<usize>, TypeId), page: &Page, status: u16) -> Answer {
    let render = render(request, manner);
    let context = Context {
        set: context.0,
        ty: context.1,
        single: true,
        select: None,
    };
    let body = manner
        .choice
        .map(|choice| format::entity(&render, choice.format, page, 0, &context));
    Answer {
        version: manner.version.text(),
        content_type: manner.choice.map_or("", |choice| choice.content_type),
        etag: Entity::of(&render, page, 0).etag(),
        preference: manner.prefer.map_or("", Prefer::applied),
        body: body.unwrap_or_default().into(),
        ..Answer::of(status)
    }
}

fn render<'a>(request: &'a Request<'_>, manner: &Manner) -> Render<'a> {
    let level = manner.choice.map_or(format::Metadata::Minimal, |choice| choice.level);
    Render {
        schema: &request.app.engine.schema,
        endpoint: request.endpoint,
        root: &request.root,
        level,
    }
}

/// Passwords in a body, and their hashes.
type Hashes = HashMap<String, String>;

/// Hashes the body's passwords before the database's one writer is asked to work. What is wrong with the body is said later,
/// when its type is known.
async fn hashes(request: &Request<'_>, ty: TypeId, body: &[u8]) -> Outcome<Hashes> {
    let schema = &request.app.engine.schema;
    let mut hashes = Hashes::new();
    if !schema.types[ty].properties.iter().any(|property| property.hashed) {
        return Ok(hashes);
    }
    let Ok(body) = json_read::read_entity(schema, ty, body) else {
        return Ok(hashes);
    };
    for (index, value) in body.values {
        let property = &schema.types[body.ty].properties[index];
        if let (true, Value::Text(password)) = (property.hashed, value) {
            let hash = request
                .app
                .auth
                .hasher()
                .hash(password.clone())
                .await
                .map_err(|fault| fault.of(&property.name))?;
            hashes.insert(password, hash);
        }
    }
    Ok(hashes)
}

/// Reads an entity, its passwords replaced by their hashes.
fn read_body(schema: &Schema, ty: TypeId, body: &[u8], hashes: &Hashes) -> Outcome<Body> {
    let mut body = json_read::read_entity(schema, ty, body)?;
    for (index, value) in &mut body.values {
        if let (true, Value::Text(password)) = (schema.types[body.ty].properties[*index].hashed, &value) {
            // Only a derived type's own password is not among them yet.
            let hash = hashes.get(password).cloned().map_or_else(|| password::hash(password), Ok)?;
            *value = Value::Text(hash);
        }
    }
    Ok(body)
}

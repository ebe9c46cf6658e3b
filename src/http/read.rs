//! GET of entities and of what is in them.

use super::reply::Answer;
use super::request::Request;
use crate::engine::{Engine, Read};
use crate::model::caller::Caller;
use crate::model::edm::{Cell, Edm};
use crate::model::expr::Expr;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::{Expanded, Page};
use crate::model::query::{Query, Shape};
use crate::model::schema::{EntityType, SetId, Type};
use crate::model::target::{Leaf, Preconditions, Resource, Step};
use crate::model::text;
use crate::odata::accept::{Choice, Kind};
use crate::odata::canonical;
use crate::odata::format::{self, Context, Entity, Format, LinksContext, Render};
use crate::odata::needs;
use crate::odata::options::{self, Options, ResourceKind};
use crate::odata::version::{Version, Versions};
use crate::store::{Session, Weight};

/// A read that can be carried to another thread. Rendering is part of the database's job, so that it runs where the read does: a
/// small one on the worker, a large one beside it.
pub struct Plan {
    resource: Resource,
    query: Query,
    options: Options,
    choice: Choice,
    versions: Versions,
    /// Of the answer, if it has no next link.
    version: Version,
    endpoint: usize,
    root: String,
    url: String,
    preconditions: Preconditions,
}

/// A property that is never shown can be set by its path, but not be read: there it is as if it did not exist.
fn check_shown(ty: &EntityType, leaf: &Leaf) -> Outcome<()> {
    match leaf {
        Leaf::Property { property, .. } if ty.properties[*property].write_only => {
            let name = &ty.properties[*property].name;
            Err(Fault::new(
                &fault::NOT_FOUND,
                format!("{} has nothing named '{name}'.", ty.qualified()),
            ))
        }
        _ => Ok(()),
    }
}

/// What a leaf is to the options, and to the negotiation of formats.
pub fn kinds(resource: &Resource) -> (ResourceKind, Kind) {
    match (&resource.leaf, resource.collection) {
        (Leaf::Entities, true) => (ResourceKind::Entities, Kind::Feed),
        (Leaf::Entities, false) => (ResourceKind::Entity, Kind::Entry),
        (Leaf::Count | Leaf::LinksCount, _) => (ResourceKind::Count, Kind::Count),
        (Leaf::Links, _) => (ResourceKind::Links, Kind::Value),
        (Leaf::Property { raw: true, ty, .. }, _) if *ty == Type::Primitive(Edm::Binary) => (ResourceKind::Media, Kind::RawBinary),
        (Leaf::Property { raw: true, .. }, _) => (ResourceKind::Media, Kind::Raw),
        (Leaf::Property { .. }, _) => (ResourceKind::Property, Kind::Value),
        (Leaf::Dynamic { raw: true, .. }, _) => (ResourceKind::Media, Kind::Raw),
        (Leaf::Dynamic { raw: false, .. }, _) => (ResourceKind::Property, Kind::Value),
        // Streams are read elsewhere.
        (Leaf::Media, _) => (ResourceKind::Media, Kind::RawBinary),
    }
}

impl Plan {
    /// What a request reads of `resource`.
    pub fn of(request: &Request<'_>, resource: &Resource) -> Outcome<Plan> {
        Plan::over(request, resource, &Options::default(), Options::parse(request.query)?, None)
    }

    /// The same of what a function answers: `base` are the options that are its own, and `takes` says which ones it takes when it
    /// does not take those of the resource.
    pub fn over(
        request: &Request<'_>,
        resource: &Resource,
        base: &Options,
        options: Options,
        takes: Option<ResourceKind>,
    ) -> Outcome<Plan> {
        let (resource_kind, kind) = kinds(resource);
        let schema = &request.app.engine.schema;
        check_shown(&schema.types[resource.ty], &resource.leaf)?;
        options.check(takes.unwrap_or(resource_kind))?;
        let choice = request.negotiate(kind)?;
        // A precondition is about one entity and its ETag (RD-4).
        if request.is_conditional()
            && (resource.collection || !schema.types[resource.ty].family.iter().any(|&ty| schema.types[ty].has_etag()))
        {
            return Err(no_etag());
        }
        let query = options::query_over(schema, request.endpoint, (resource.ty, resource.end_set), base, &options)?;
        demand(&request.versions, resource, &options, &query)?;
        if choice.format == Format::Csv && (!query.shape.expand.is_empty() || query.count) {
            let message = "CSV has no place for `$expand` and `$inlinecount`.";
            return Err(Fault::new(&fault::BAD_OPTION, message));
        }
        let count = if query.count { needs::paging(choice.format) } else { Version::V1 };
        let needed = needed(request, &choice, resource, &query.shape, resource.collection).max(count);
        Ok(Plan {
            query,
            versions: request.versions,
            version: request.versions.answer(needed)?,
            endpoint: request.endpoint,
            root: request.root.clone(),
            url: request.url.clone(),
            preconditions: request.preconditions.clone(),
            resource: resource.clone(),
            options,
            choice,
        })
    }

    /// Changes the path, when it is known which entities it is about.
    pub fn narrow(&mut self, change: impl FnOnce(Resource) -> Resource) {
        self.resource = change(self.resource.clone());
    }

    /// How much it may cost.
    pub fn weight(&self, engine: &Engine) -> Weight {
        match self.resource.leaf {
            Leaf::Count | Leaf::LinksCount => Weight::Scan,
            _ => engine.weight(&self.resource, &self.query),
        }
    }

    /// Reads it.
    pub fn run(&self, engine: &Engine, session: &mut Session<'_>, caller: &Caller) -> Outcome<Answer> {
        if matches!(self.resource.leaf, Leaf::Count | Leaf::LinksCount) {
            let count = engine.count(session, caller, &self.resource, &self.query)?;
            return Ok(self.ok(count.to_string().into_bytes()));
        }
        let mut render = Render {
            version: self.version,
            url: &self.url,
            now: engine.clock.now(),
            ..Render::new(&engine.schema, self.endpoint, &self.root, self.choice.level)
        };
        match engine.read(session, caller, &self.resource, &self.query)? {
            Read::Null => Ok(Answer {
                version: self.version.text(),
                ..Answer::of(204)
            }),
            Read::Entities(page) => {
                let next = page
                    .next
                    .as_deref()
                    .map(|token| format!("{}?{}", self.url, self.options.next_link(token, page.top_left)));
                render.version = self.version_of(&page)?;
                let body = match self.resource.leaf {
                    Leaf::Links => self.links(&render, &page, next.as_deref()),
                    _ => format::feed(&render, self.choice.format, &page, &self.context(&page), next.as_deref()),
                };
                Ok(Answer {
                    version: render.version.text(),
                    next: next.filter(|_| self.choice.format == Format::Csv),
                    ..self.ok(body)
                })
            }
            Read::Entity(page) => {
                render.version = self.version_of(&page)?;
                self.entity(&render, &page)
            }
        }
    }

    /// Next links are of version 2.0. A client below gets what fits on one page, and is told so if there is more (VER-8, VER-21).
    fn version_of(&self, page: &Page) -> Outcome<Version> {
        let paging = needs::paging(self.choice.format);
        if !has_next(page) || paging <= self.version {
            return Ok(self.version);
        }
        self.versions.answer(paging).map_err(|_| {
            let message = "There are more entities than fit on a page, and a next link needs version 2.0: ask with `$top` and `$skip`.";
            Fault::new(&fault::BAD_REQUEST, message)
        })
    }

    fn ok(&self, body: Vec<u8>) -> Answer {
        Answer {
            version: self.version.text(),
            content_type: self.choice.content_type,
            body: body.into(),
            ..Answer::of(200)
        }
    }

    /// One entity, or something of it: with its ETag (RD-1, RD-10), and what that means for preconditions (RD-2, RD-3).
    fn entity(&self, render: &Render<'_>, page: &Page) -> Outcome<Answer> {
        let entity = Entity::of(render, page, 0);
        let etag = entity.etag();
        if self.preconditions != Preconditions::default() {
            let tag = etag.as_deref().ok_or_else(no_etag)?;
            if self.preconditions.if_match.as_ref().is_some_and(|tags| !tags.contain(tag)) {
                return Err(Fault::new(&fault::PRECONDITION, "The entity has another ETag now."));
            }
            if self.preconditions.if_none_match.as_ref().is_some_and(|tags| tags.contain(tag)) {
                return Ok(Answer {
                    version: self.version.text(),
                    etag,
                    ..Answer::of(304)
                });
            }
        }
        let body = match &self.resource.leaf {
            Leaf::Links => self.links(render, page, None),
            Leaf::Property { .. } | Leaf::Dynamic { .. } => value(render, self.choice, &entity, &self.resource.leaf)?,
            _ => format::entity(render, self.choice.format, page, 0, &self.context(page)),
        };
        Ok(Answer {
            etag,
            version: render.version.text(),
            ..self.ok(body)
        })
    }

    fn context<'a>(&self, page: &'a Page) -> Context<'a> {
        let (set, single, select) = (self.resource.end_set, !self.resource.collection, page.shape.select_text.as_deref());
        Context {
            set,
            ty: self.resource.ty,
            single,
            select,
        }
    }

    /// The links of the last navigation of the path.
    fn links(&self, render: &Render<'_>, page: &Page, next: Option<&str>) -> Vec<u8> {
        let (set, navigation, is_many) = last_navigation(render, &self.resource);
        let single = !self.resource.collection;
        let context = LinksContext {
            set,
            navigation,
            single,
            element: single && is_many,
        };
        format::links(render, self.choice.format, page, &context, next)
    }
}

/// Refuses what is newer than the request says of itself (VER-30, VER-31).
fn demand(versions: &Versions, resource: &Resource, options: &Options, query: &Query) -> Outcome<()> {
    for name in ["$select", "$inlinecount", "$skiptoken"] {
        if options.get(name).is_some() {
            versions.demand(Version::V2, name)?;
        }
    }
    if matches!(resource.leaf, Leaf::Count | Leaf::LinksCount) {
        versions.demand(Version::V2, "$count")?;
    }
    let order = query.order.iter().map(|order| &order.expr);
    if query.filter.iter().chain(order).any(Expr::has_lambda) {
        versions.demand(Version::V3, "`any` and `all`")?;
    }
    Ok(())
}

/// The version that the answer needs, as far as that is known before it is read.
pub fn needed(request: &Request<'_>, choice: &Choice, resource: &Resource, shape: &Shape, is_feed: bool) -> Version {
    let needs = request.needs(choice);
    let content = match &resource.leaf {
        Leaf::Entities => needs.entities(resource.ty, shape, is_feed),
        Leaf::Links if resource.collection => needs.collection(),
        Leaf::Property { ty, raw: false, .. } => needs.value(ty),
        Leaf::Dynamic { raw: false, .. } => request.versions.max,
        _ => Version::V1,
    };
    choice.version.max(content)
}

/// Whether there is more than the page has, or than one of those inside it.
fn has_next(page: &Page) -> bool {
    let inside = |expanded: &Expanded| expanded.next.iter().any(Option::is_some) || has_next(&expanded.page);
    page.next.is_some() || page.expanded.iter().any(inside)
}

/// The set that the last navigation starts from, its name, and whether it leads to a collection.
fn last_navigation<'a>(render: &Render<'a>, resource: &Resource) -> (SetId, &'a str, bool) {
    let mut found = (resource.set, "", false);
    let mut at = Some(resource.set);
    for step in &resource.steps {
        if let Step::Navigate { ty, navigation, set } = step {
            let navigation = &render.schema.types[*ty].navigations[*navigation];
            found = (at.unwrap_or(resource.set), &navigation.name, navigation.is_many());
            at = *set;
        }
    }
    found
}

/// The value of a property, or of a member of a complex one.
pub fn value(render: &Render<'_>, choice: Choice, entity: &Entity<'_>, leaf: &Leaf) -> Outcome<Vec<u8>> {
    let body = |raw: bool, name: &str, ty: &Type, cell: Cell<'_>| match raw {
        true => raw_value(ty, cell),
        false => Ok(format::property(render, choice.format, name, ty, cell)),
    };
    match leaf {
        Leaf::Property { property, path, ty, raw } => {
            let name = path.last().unwrap_or(&entity.entity_type().properties[*property].name);
            let inner = match (path.is_empty(), entity.cell(*property)) {
                (false, Cell::Text(json)) => Some(canonical::follow(json, path, ty)),
                _ => None,
            };
            body(*raw, name, ty, inner.as_ref().map_or(entity.cell(*property), |value| value.cell()))
        }
        Leaf::Dynamic { name, raw } => {
            // What is not there is null, and a name that no entity has is not told apart from it (OPN-2).
            let found = entity.dynamic().into_iter().find(|property| property.name == *name);
            let property = found.ok_or_else(Fault::not_found)?;
            body(*raw, name, &property.ty, property.value.cell())
        }
        _ => Err(Fault::internal("no property")),
    }
}

/// The value alone: text, or the bytes of a Binary (CON-16). Null is no value: 404 (RD-7).
pub fn raw_value(ty: &Type, cell: Cell<'_>) -> Outcome<Vec<u8>> {
    match (ty, cell) {
        (_, Cell::Null) => Err(Fault::not_found()),
        (Type::Primitive(Edm::Binary), Cell::Bytes(bytes)) => Ok(bytes.to_vec()),
        (Type::Primitive(edm), cell) => {
            let mut body = Vec::new();
            text::write(*edm, cell, &mut body);
            Ok(body)
        }
        _ => Err(Fault::new(&fault::BAD_PATH, "Only primitive properties have a raw value.")),
    }
}

fn no_etag() -> Fault {
    Fault::new(&fault::BAD_REQUEST, "This resource has no ETag, so a precondition cannot be met.")
}

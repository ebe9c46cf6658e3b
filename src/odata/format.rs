//! What every format of an answer has in common: the [`Sink`] that a format implements, and one driver that walks a
//! [`Page`] and tells the sink what it meets. A new format is one new file with a `Sink`, a row in [`Format`] and rows in
//! `odata::accept`.
//!
//! How `http` writes an answer:
//!
//! ```ignore
//! let render = Render { schema, endpoint, root: "http://host/api/Core/", level: choice.level };
//! let context = Context { set, ty, single: false, select: page.shape.select_text.as_deref() };
//! let body = format::feed(&render, choice.format, &page, &context, next_link.as_deref());
//! let body = format::entity(&render, choice.format, &page, 0, &context);
//! let body = format::property(&render, choice.format, "Name", &property.ty, cell);
//! let body = format::links(&render, choice.format, &page, &LinksContext { set, navigation: "Orders", single, element }, next);
//! let location = Entity::of(&render, &page, 0).edit_url();      // `Location` (WR-11)
//! let id = Entity::of(&render, &page, 0).id();                  // `DataServiceId`
//! let etag = Entity::of(&render, &page, 0).etag();              // `ETag`, if the type has one
//! ```

use super::advertise;
use super::atom::Atom;
use super::context;
use super::csv::Csv;
use super::json::JsonLight;
use super::verbose::Verbose;
use super::version::Version;
use crate::model::clock::Ticks;
use crate::model::edm::{Cell, Edm};
use crate::model::page::Page;
use crate::model::schema::{EntityType, Navigation, Operation, Property, Schema, SetId, Type, TypeId};

pub use super::context::{Context, LinksContext};
pub use super::entity::Entity;

/// How much metadata a JSON light answer has (CON-24, JL-20..23); other formats ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    /// `odata=nometadata`
    None,
    /// `odata=minimalmetadata`, the default.
    Minimal,
    /// `odata=fullmetadata`
    Full,
}

/// A format of answers about data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON light at any level.
    JsonLight,
    /// Verbose JSON in the dialect of the answer's version.
    Verbose,
    /// Atom, and the XML of values and links.
    Atom,
    /// CSV.
    Csv,
}

impl Format {
    /// An empty answer of this format.
    pub fn sink<'a>(self, render: &'a Render<'a>) -> Box<dyn Sink + 'a> {
        match self {
            Format::JsonLight => Box::new(JsonLight::new(render)),
            Format::Verbose => Box::new(Verbose::new(render)),
            Format::Atom => Box::new(Atom::new(render)),
            Format::Csv => Box::new(Csv::new(render)),
        }
    }
}

/// What all answers of a request share.
#[derive(Debug, Clone, Copy)]
pub struct Render<'a> {
    /// Everything served.
    pub schema: &'a Schema,
    /// The endpoint that answers: index into [`Schema::endpoints`].
    pub endpoint: usize,
    /// The service root, absolute, with the slash at its end.
    pub root: &'a str,
    /// How much metadata.
    pub level: Metadata,
    /// The version of the answer: verbose JSON has a dialect for each (VJ-2, VJ-40).
    pub version: Version,
    /// The request's own absolute URL without the query: id and self link of an Atom feed (ATM-20).
    pub url: &'a str,
    /// Says nothing about what type an entity is of, where a format may leave that out.
    pub untyped: bool,
    /// The time of the answer: `updated` of Atom where the entity does not say (ATM-7).
    pub now: Ticks,
}

impl<'a> Render<'a> {
    /// Of the highest version, about the service root.
    pub fn new(schema: &'a Schema, endpoint: usize, root: &'a str, level: Metadata) -> Render<'a> {
        Render {
            schema,
            endpoint,
            root,
            level,
            version: Version::V3,
            url: root,
            untyped: false,
            now: 0,
        }
    }
    /// A set's name as URLs and context fragments have it: `Container.Set` outside the default container (JL-8, SVC-10).
    pub fn write_set_name(&self, set: SetId, out: &mut Vec<u8>) {
        let set = &self.schema.sets[set];
        if set.container > 0
            && let Some(container) = self.schema.endpoints[set.endpoint].containers.get(set.container)
        {
            out.extend_from_slice(container.name.as_bytes());
            out.push(b'.');
        }
        out.extend_from_slice(set.name.as_bytes());
    }

    /// A type's qualified name.
    pub fn write_type_name(&self, ty: &EntityType, out: &mut Vec<u8>) {
        out.extend_from_slice(ty.namespace.as_bytes());
        out.push(b'.');
        out.extend_from_slice(ty.name.as_bytes());
    }

    /// The URL of `$metadata`.
    pub fn write_metadata_url(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.root.as_bytes());
        out.extend_from_slice(b"$metadata");
    }
}

/// Some entities, as their beginning and end are told to a sink.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    /// Of the whole answer; none for an expanded navigation.
    pub context: Option<&'a Context<'a>>,
    /// What they were read from.
    pub page: &'a Page,
    /// `$inlinecount`.
    pub count: Option<u64>,
    /// Absolute URL of the next page.
    pub next: Option<&'a str>,
}

/// What is at the end of an expanded navigation.
#[derive(Debug, Clone, Copy)]
pub enum Inline<'a> {
    /// To one, and there is none.
    Null,
    /// To one: one entity follows.
    One,
    /// To many: entities follow.
    Many(Feed<'a>),
}

/// An answer being written: a format. The driver calls in the order of the document; entities nest by `begin_inline`.
pub trait Sink {
    /// The body.
    fn finish(self: Box<Self>) -> Vec<u8>;
    /// Whether expanded navigations come before the properties (Atom) or after them (JSON).
    fn inline_first(&self) -> bool {
        false
    }
    /// A collection of entities is the answer.
    fn begin_feed(&mut self, feed: &Feed<'_>);
    /// Its end.
    fn end_feed(&mut self, feed: &Feed<'_>);
    /// An entity: what is known of it before its properties. `context` is there when it is the whole answer; `expected` is
    /// the type that the reader expects without being told (JL-20, JL-21).
    fn begin_entity(&mut self, entity: &Entity<'_>, expected: TypeId, context: Option<&Context<'_>>);
    /// Its end.
    fn end_entity(&mut self, entity: &Entity<'_>);
    /// A navigation that is not expanded, before all properties.
    fn link(&mut self, entity: &Entity<'_>, navigation: &Navigation);
    /// An `Edm.Stream` property, before all others; [`Entity::stream`] says what it holds.
    fn stream(&mut self, entity: &Entity<'_>, property: &Property);
    /// Whether operations of this kind are told of at all.
    fn advertises(&self, _operation: &Operation) -> bool {
        true
    }
    /// An action or function that is bound to the entity, after links and streams (ACT-7); those of one name follow each other.
    fn operation(&mut self, entity: &Entity<'_>, operation: &Operation);
    /// Links, streams and operations are over, and what is inline if that comes first: properties follow.
    fn begin_properties(&mut self, _entity: &Entity<'_>) {}
    /// A structural property.
    fn property(&mut self, property: &Property, cell: Cell<'_>);
    /// A property that the open type does not declare, after those that it does (OPN-1). The cell is that of a declared one.
    fn dynamic(&mut self, name: &str, ty: &Type, cell: Cell<'_>);
    /// An expanded navigation: what is there follows, then [`Sink::end_inline`].
    fn begin_inline(&mut self, entity: &Entity<'_>, navigation: &Navigation, inline: &Inline<'_>);
    /// Its end.
    fn end_inline(&mut self, inline: &Inline<'_>);
    /// A property or another value is the whole answer (JL-12).
    fn value(&mut self, name: &str, ty: &Type, cell: Cell<'_>);
    /// A collection that is no property is the whole answer: an operation's, by its name (VJ-9, ATM-31).
    fn collection(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        self.value(name, ty, cell);
    }
    /// Links are the answer: `urls` are absolute (JL-13).
    fn links(&mut self, context: &LinksContext<'_>, urls: &[Vec<u8>], count: Option<u64>, next: Option<&str>);
}

/// The body of a feed. `next` is the absolute URL of the next page.
pub fn feed(render: &Render<'_>, format: Format, page: &Page, context: &Context<'_>, next: Option<&str>) -> Vec<u8> {
    let mut sink = format.sink(render);
    write_feed(render, sink.as_mut(), page, context, next);
    sink.finish()
}

/// The body of one entity: a row of a page.
pub fn entity(render: &Render<'_>, format: Format, page: &Page, row: usize, context: &Context<'_>) -> Vec<u8> {
    let mut sink = format.sink(render);
    write_entity(render, sink.as_mut(), page, row, context);
    sink.finish()
}

/// The body of a property or another value: primitive, complex, collection or null (JL-12).
pub fn property(render: &Render<'_>, format: Format, name: &str, ty: &Type, cell: Cell<'_>) -> Vec<u8> {
    let mut sink = format.sink(render);
    sink.value(name, ty, cell);
    sink.finish()
}

/// The body of a collection of primitives or complex values that an operation answers; `name` is the operation's.
pub fn collection(render: &Render<'_>, format: Format, name: &str, ty: &Type, cell: Cell<'_>) -> Vec<u8> {
    let mut sink = format.sink(render);
    sink.collection(name, ty, cell);
    sink.finish()
}

/// The body of `$links`: the identities of a page's entities (JL-13).
pub fn links(render: &Render<'_>, format: Format, page: &Page, context: &LinksContext<'_>, next: Option<&str>) -> Vec<u8> {
    let mut sink = format.sink(render);
    write_links(render, sink.as_mut(), page, context, next);
    sink.finish()
}

/// Tells a sink of a feed.
pub fn write_feed(render: &Render<'_>, sink: &mut dyn Sink, page: &Page, context: &Context<'_>, next: Option<&str>) {
    let feed = Feed {
        context: Some(context),
        page,
        count: page.count,
        next,
    };
    let plan = Plan::of(render, sink, page);
    sink.begin_feed(&feed);
    for row in 0..page.rows.len() {
        plan.row(render, sink, row, context.ty, None);
    }
    sink.end_feed(&feed);
}

/// Tells a sink of one entity.
pub fn write_entity(render: &Render<'_>, sink: &mut dyn Sink, page: &Page, row: usize, context: &Context<'_>) {
    Plan::of(render, sink, page).row(render, sink, row, context.ty, Some(context));
}

/// Tells a sink of links.
pub fn write_links(render: &Render<'_>, sink: &mut dyn Sink, page: &Page, context: &LinksContext<'_>, next: Option<&str>) {
    let urls: Vec<Vec<u8>> = (0..page.rows.len())
        .map(|row| {
            let mut url = render.root.as_bytes().to_vec();
            Entity::of(render, page, row).write_path(&mut url);
            url
        })
        .collect();
    sink.links(context, &urls, page.count, next);
}

/// What of a page's rows goes out, found once for the page instead of once for each cell.
struct Plan<'a> {
    page: &'a Page,
    /// One for each of `page.layout.types`.
    types: Vec<TypePlan>,
    expanded: Vec<Plan<'a>>,
}

struct TypePlan {
    ty: TypeId,
    properties: Vec<usize>,
    streams: Vec<usize>,
    links: Vec<usize>,
    /// Indexes into the endpoint's operations.
    operations: Vec<usize>,
    /// Indexes into `page.expanded`.
    inline: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn of(render: &Render<'_>, sink: &dyn Sink, page: &'a Page) -> Plan<'a> {
        let types = page.layout.types.iter();
        let expanded = page.expanded.iter();
        Plan {
            page,
            types: types.map(|(ty, _)| TypePlan::of(render, sink, page, *ty)).collect(),
            expanded: expanded.map(|expanded| Plan::of(render, sink, &expanded.page)).collect(),
        }
    }

    fn row(&self, render: &Render<'_>, sink: &mut dyn Sink, row: usize, expected: TypeId, context: Option<&Context<'_>>) {
        let entity = Entity::of(render, self.page, row);
        let ty = entity.entity_type();
        // `row_type` answers with one of the layout's types.
        let Some(plan) = self.types.iter().find(|plan| plan.ty == entity.ty) else {
            return;
        };
        sink.begin_entity(&entity, expected, context);
        for &link in &plan.links {
            sink.link(&entity, &ty.navigations[link]);
        }
        for &stream in &plan.streams {
            sink.stream(&entity, &ty.properties[stream]);
        }
        for &operation in &plan.operations {
            sink.operation(&entity, &render.schema.endpoints[render.endpoint].operations[operation]);
        }
        if sink.inline_first() {
            self.inline(plan, &entity, sink);
        }
        sink.begin_properties(&entity);
        for &index in &plan.properties {
            sink.property(&ty.properties[index], entity.cell(index));
        }
        for property in entity.dynamic() {
            if self.page.shape.shows(&property.name) {
                sink.dynamic(&property.name, &property.ty, property.value.cell());
            }
        }
        if !sink.inline_first() {
            self.inline(plan, &entity, sink);
        }
        sink.end_entity(&entity);
    }

    /// The expanded navigations of an entity. Instances of other types than the cast's have none (EXP-8).
    fn inline(&self, plan: &TypePlan, entity: &Entity<'_>, sink: &mut dyn Sink) {
        for &index in &plan.inline {
            let (expand, expanded) = (&self.page.shape.expand[index], &self.page.expanded[index]);
            let navigation = &entity.render.schema.types[expand.ty].navigations[expand.navigation];
            let rows = expanded.children.get(entity.row).cloned().unwrap_or(0..0);
            let next = context::next_inner(entity, navigation, expand, expanded);
            let inline = match (navigation.is_many(), rows.is_empty()) {
                (true, _) => Inline::Many(Feed {
                    context: None,
                    page: &expanded.page,
                    count: None,
                    next: next.as_deref(),
                }),
                (false, true) => Inline::Null,
                (false, false) => Inline::One,
            };
            sink.begin_inline(entity, navigation, &inline);
            for row in rows {
                self.expanded[index].row(entity.render, sink, row, navigation.target, None);
            }
            sink.end_inline(&inline);
        }
    }
}

impl TypePlan {
    fn of(render: &Render<'_>, sink: &dyn Sink, page: &Page, ty: TypeId) -> TypePlan {
        let schema = render.schema;
        let shape = &page.shape;
        let of = &schema.types[ty];
        let shown = |stream: bool| {
            let properties = of.properties.iter().enumerate();
            let chosen =
                properties.filter(|(_, property)| (property.ty == Type::Primitive(Edm::Stream)) == stream && shape.shows(&property.name));
            chosen.map(|(index, _)| index).collect()
        };
        let inline: Vec<usize> = (0..shape.expand.len().min(page.expanded.len()))
            .filter(|&index| schema.is_a(ty, shape.expand[index].ty))
            .collect();
        let expands = |name: &str| {
            inline.iter().any(|&index| {
                let expand = &shape.expand[index];
                schema.types[expand.ty].navigations[expand.navigation].name == name
            })
        };
        let links = of.navigations.iter().enumerate();
        let links = links.filter(|(_, navigation)| shape.links(&navigation.name) && !expands(&navigation.name));
        TypePlan {
            ty,
            properties: shown(false),
            streams: shown(true),
            links: links.map(|(index, _)| index).collect(),
            operations: advertise::operations(render, sink, page, ty),
            inline,
        }
    }
}

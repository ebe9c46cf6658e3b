//! Atom and XML captures. Each is read, written again by the same root, and what the capture says must be said again: ids, types,
//! links, properties with their types, inline content. Order, `updated`, authors and optional links have no meaning.

mod compare;

use std::collections::BTreeMap;
use std::path::Path;

use odonata::model::edm::{Cell, Edm};
use odonata::model::page::{Expanded, Layout, Page, Rows};
use odonata::model::query::{Expand, Shape};
use odonata::model::schema::{Facets, Property, Schema, Type, TypeId};
use odonata::model::target::{Body, Linked, Step};
use odonata::odata::accept::Syntax;
use odonata::odata::atom::names::{ATOM, DATA, METADATA, RELATED, SCHEME, XML};
use odonata::odata::atom_read::{AtomReader, read_entry};
use odonata::odata::format::{self, Context, Format, LinksContext, Metadata, Render};
use odonata::odata::read::{Reader, Reading};
use odonata::odata::references::ContentIds;
use odonata::odata::service;
use odonata::odata::xml_tree::{self, Element};

use super::{Vector, Verdict, models};

/// Runs the Atom rows of all files.
pub fn run(vectors: &[Vector], shared: &Path, verdicts: &mut BTreeMap<String, Verdict>) {
    let sample = |file: &str| std::fs::read(shared.join("metadata-samples").join(file)).unwrap_or_default();
    let documents = [("Olingo", sample("olingo-static-v30.xml")), ("Demo", sample("odata-demo-v3.edmx"))];
    let schema = models::schema(&documents);
    for vector in vectors.iter().filter(|vector| vector.kind == "payload-atom") {
        let verdict = match &schema {
            Ok(schema) => judge(schema, vector),
            Err(what) => Verdict::Fail(what.clone()),
        };
        verdicts.insert(vector.id.clone(), verdict);
    }
}

/// The answer's body, and before it that of the request.
fn judge(schema: &Schema, vector: &Vector) -> Verdict {
    let (input, expect) = (vector.input(), vector.expect());
    let payload = input["payload"].as_str().or(expect["payload"].as_str()).unwrap_or("service");
    let mut bodies = vec![input["body"].as_str().unwrap_or_default()];
    // The parameters of an action are JSON.
    bodies.extend(expect["body"].as_str());
    for body in bodies
        .into_iter()
        .filter(|body| body.trim_start_matches('\u{feff}').starts_with('<'))
    {
        let verdict = match xml_tree::parse(body.as_bytes()) {
            Err(fault) => Verdict::Fail(fault.message.into_owned()),
            Ok(root) => document(schema, payload, &root, body),
        };
        if verdict != Verdict::Pass {
            return verdict;
        }
    }
    Verdict::Pass
}

fn document(schema: &Schema, payload: &str, root: &Element, body: &str) -> Verdict {
    match payload {
        "entry" | "feed" => entities(schema, root),
        "property" => property(schema, root, body),
        "link" | "links" => links(schema, root, body),
        "service" => services(schema, root),
        other => Verdict::Fail(format!("no test for {other}")),
    }
}

fn entities(schema: &Schema, root: &Element) -> Verdict {
    let base = root.attribute(XML, "base").unwrap_or("http://host/svc/");
    let entries: Vec<&Element> = match root.name.as_str() {
        "feed" => root.elements().filter(|element| element.is(ATOM, "entry")).collect(),
        _ => vec![root],
    };
    let mut bodies = Vec::new();
    let mut endpoint = 0;
    for entry in entries {
        let Some(found) = type_of(schema, entry) else {
            return Verdict::out("the entity's model is not among the material");
        };
        endpoint = found.0;
        match read(schema, found, base, entry) {
            Ok(body) => bodies.push(body),
            Err(what) => return Verdict::Fail(what),
        }
    }
    let next = link(root, "next").and_then(|link| link.attribute("", "href"));
    let count = root.child(METADATA, "count").and_then(|count| count.text().parse().ok());
    let page = Page {
        count,
        ..page_of(schema, bodies)
    };
    let url = root.child(ATOM, "id").map(|id| id.text().into_owned()).unwrap_or_default();
    let render = Render {
        url: &url,
        ..Render::new(schema, endpoint, base, Metadata::Minimal)
    };
    let context = Context {
        set: None,
        ty: page.ty,
        single: root.name == "entry",
        select: None,
    };
    let written = match context.single {
        true => format::entity(&render, Format::Atom, &page, 0, &context),
        false => format::feed(&render, Format::Atom, &page, &context, next),
    };
    same(root, &written, base)
}

/// The endpoint and the type of an entry: by its category, else the first that has all of its properties.
fn type_of(schema: &Schema, entry: &Element) -> Option<(usize, TypeId)> {
    let mut categories = entry.elements().filter(|element| element.is(ATOM, "category"));
    let term = categories
        .find(|category| category.attribute("", "scheme") == Some(SCHEME))
        .and_then(|category| category.attribute("", "term"));
    let properties = entry
        .child(ATOM, "content")
        .and_then(|content| content.child(METADATA, "properties"));
    let names: Vec<&str> = properties
        .or_else(|| entry.child(METADATA, "properties"))
        .into_iter()
        .flat_map(Element::elements)
        .map(|property| property.name.as_str())
        .collect();
    // A namespace may be that of several endpoints, and another version of the same model.
    let fits = |ty: &TypeId| {
        let of = &schema.types[*ty];
        term.is_none_or(|term| term == of.qualified())
            && names.iter().all(|name| of.property(name).is_some())
            && related(entry).all(|(name, _)| of.navigation(name).is_some())
    };
    let endpoints = schema.endpoints.iter().enumerate();
    let mut all = endpoints.flat_map(|(index, endpoint)| endpoint.types.iter().map(move |&ty| (index, ty)));
    all.find(|(_, ty)| fits(ty)).filter(|_| !names.is_empty() || term.is_some())
}

/// Names and links of navigations.
fn related(entry: &Element) -> impl Iterator<Item = (&str, &Element)> {
    entry.elements().filter_map(|link| {
        let name = link.attribute("", "rel")?.strip_prefix(RELATED)?;
        Some((name, link))
    })
}

fn link<'e>(element: &'e Element, rel: &str) -> Option<&'e Element> {
    element
        .elements()
        .find(|link| link.is(ATOM, "link") && link.attribute("", "rel") == Some(rel))
}

/// Reads an entry, and checks that nothing that it says got lost.
fn read(schema: &Schema, (endpoint, ty): (usize, TypeId), base: &str, entry: &Element) -> Result<Body, String> {
    let ids = ContentIds::default();
    let reading = Reading {
        ignore_unknown: false,
        schema,
        endpoint,
        root: base,
        ids: &ids,
    };
    let mut body = read_entry(&reading, ty, entry).map_err(|fault| format!("{} {:?}", fault.message, fault.property))?;
    let of = &schema.types[body.ty];
    // A projection without the key has it in its id.
    let id = entry.child(ATOM, "id").map(|id| id.text()).unwrap_or_default();
    if let Ok(resource) = reading.reference(&id)
        && let Some(Step::Key(key)) = resource.steps.last()
    {
        for (index, value) in of.key.iter().zip(key) {
            if body.values.iter().all(|(known, _)| known != index) {
                body.values.push((*index, value.clone()));
            }
        }
    }
    let bound = |name: &str| {
        let links = body.links.iter().filter(|link| of.navigations[link.navigation].name == name);
        links
            .flat_map(|link| &link.to)
            .filter(|to| matches!(to, Linked::Existing(_)))
            .count()
    };
    for (name, _) in related(entry) {
        let is_bind = |link: &Element| {
            let href = link.attribute("", "href").unwrap_or_default();
            link.child(METADATA, "inline").is_none() && !href.ends_with(&format!("/{name}"))
        };
        let expected = related(entry).filter(|(other, link)| *other == name && is_bind(link)).count();
        if bound(name) != expected {
            return Err(format!("{} links of {name}, expected {expected}", bound(name)));
        }
    }
    Ok(body)
}

/// What was read, as the engine reads rows.
fn page_of(schema: &Schema, bodies: Vec<Body>) -> Page {
    let mut types: Vec<TypeId> = Vec::new();
    for body in &bodies {
        if !types.contains(&body.ty) {
            types.push(body.ty);
        }
    }
    let width = types.iter().map(|ty| schema.types[*ty].properties.len()).max().unwrap_or_default();
    let mut rows = Rows::new(width + 1);
    let mut shape = Shape::default();
    let mut inner: Vec<(Vec<Body>, Vec<std::ops::Range<usize>>)> = Vec::new();
    let count = bodies.len();
    for (row, body) in bodies.into_iter().enumerate() {
        for index in 0..width {
            let value = body.values.iter().find(|(known, _)| *known == index);
            rows.push(value.map_or(Cell::Null, |(_, value)| value.cell()));
        }
        rows.push(Cell::Text(&schema.types[body.ty].qualified()));
        for link in body.links {
            let new = link.to.iter().all(|to| matches!(to, Linked::New(_)));
            if !new {
                continue;
            }
            let known = shape
                .expand
                .iter()
                .position(|expand| (expand.ty, expand.navigation) == (body.ty, link.navigation));
            let at = known.unwrap_or_else(|| {
                shape.expand.push(Expand {
                    ty: body.ty,
                    navigation: link.navigation,
                    set: None,
                    shape: Shape::default(),
                });
                inner.push((Vec::new(), vec![0..0; count]));
                inner.len() - 1
            });
            let start = inner[at].0.len();
            inner[at].0.extend(link.to.into_iter().filter_map(|to| match to {
                Linked::New(body) => Some(body),
                Linked::Existing(_) => None,
            }));
            inner[at].1[row] = start..inner[at].0.len();
        }
    }
    let of = |ty: &TypeId| (*ty, (0..schema.types[*ty].properties.len()).map(Some).collect());
    Page {
        set: None,
        ty: types.first().copied().unwrap_or_default(),
        rows,
        layout: Layout {
            type_cell: Some(width),
            types: types.iter().map(of).collect(),
            hidden: Vec::new(),
        },
        count: None,
        next: None,
        top_left: None,
        shape,
        expanded: inner
            .into_iter()
            .map(|(bodies, children)| {
                let mut page = page_of(schema, bodies);
                (page.shape.properties, page.shape.links) = (None, None);
                Expanded {
                    page,
                    next: vec![None; children.len()],
                    children,
                }
            })
            .collect(),
    }
}

/// A property, or a collection that an operation answers: that has no type of its own.
fn property(schema: &Schema, root: &Element, body: &str) -> Verdict {
    let items: Vec<&Element> = root.elements().collect();
    let is_result = root.attribute(METADATA, "type").is_none() && !items.is_empty();
    let named = |element: &Element| element.attribute(METADATA, "type").unwrap_or("Edm.String").to_owned();
    let name = if is_result {
        format!("Collection({})", named(items[0]))
    } else {
        named(root)
    };
    let Some(ty) = type_named(schema, &name) else {
        return Verdict::out("the complex type's model is not among the material");
    };
    let property = Property {
        name: root.name.clone(),
        ty,
        nullable: true,
        facets: Facets::default(),
        column: String::new(),
        default: None,
        read_only: false,
        write_only: false,
        hashed: false,
        generated: false,
        by_default: false,
        concurrency: false,
        unique: false,
        indexed: false,
        attributes: Vec::new(),
    };
    let ids = ContentIds::default();
    let reading = Reading {
        ignore_unknown: false,
        schema,
        endpoint: 0,
        root: "http://host/svc/",
        ids: &ids,
    };
    let value = match AtomReader.property(&reading, &property, body.as_bytes()) {
        Ok(value) => value,
        Err(fault) => return Verdict::Fail(fault.message.into_owned()),
    };
    let render = Render::new(schema, 0, reading.root, Metadata::Minimal);
    let write = if is_result { format::collection } else { format::property };
    let written = write(&render, Format::Atom, &root.name, &property.ty, value.cell());
    same(root, &written, reading.root)
}

fn type_named(schema: &Schema, name: &str) -> Option<Type> {
    if let Some(item) = name.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')')) {
        return type_named(schema, item).map(|item| Type::Collection(Box::new(item)));
    }
    match name.strip_prefix("Edm.") {
        Some(edm) => Edm::from_name(edm).map(Type::Primitive),
        None => schema.complex.iter().position(|ty| ty.qualified() == name).map(Type::Complex),
    }
}

fn links(schema: &Schema, root: &Element, body: &str) -> Verdict {
    let single = root.name == "uri";
    let uris: Vec<&Element> = match single {
        true => vec![root],
        false => root.elements().filter(|element| element.is(DATA, "uri")).collect(),
    };
    let urls: Vec<Vec<u8>> = uris.iter().map(|uri| uri.text().into_owned().into_bytes()).collect();
    if single && AtomReader.link(body.as_bytes()).ok().map(String::into_bytes).as_ref() != urls.first() {
        return Verdict::Fail("the link is read as another one".to_owned());
    }
    let next = root.child(DATA, "next").map(|next| next.text().into_owned());
    let render = Render::new(schema, 0, "http://host/svc/", Metadata::Minimal);
    let context = LinksContext {
        set: 0,
        navigation: "",
        single,
        element: false,
    };
    let mut sink = Format::Atom.sink(&render);
    sink.links(&context, &urls, None, next.as_deref());
    same(root, &sink.finish(), render.root)
}

/// The sets of the captured document must be among ours.
fn services(schema: &Schema, root: &Element) -> Verdict {
    let base = root.attribute(XML, "base").unwrap_or_default();
    let name = if base.contains("services.odata.org") { "Demo" } else { "Olingo" };
    if base.contains("localhost") || base.is_empty() {
        return Verdict::out("a service document of the source's own model, which a client reads");
    }
    let Some(endpoint) = schema.endpoints.iter().position(|endpoint| endpoint.name == name) else {
        return Verdict::Fail(format!("no endpoint {name}"));
    };
    let render = Render::new(schema, endpoint, base, Metadata::Minimal);
    match same(root, &service::write(&render, Syntax::Xml, &|_| true), base) {
        Verdict::Fail(_) if name == "Demo" => Verdict::out("the capture is of another version of the demo model"),
        verdict => verdict,
    }
}

fn same(expected: &Element, written: &[u8], base: &str) -> Verdict {
    match xml_tree::parse(written) {
        Err(fault) => Verdict::Fail(format!("written: {}", fault.message)),
        Ok(actual) => match compare::difference(expected, &actual, base) {
            Some(what) => Verdict::Fail(what),
            None => Verdict::Pass,
        },
    }
}

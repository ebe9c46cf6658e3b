//! Atom and the XML of properties and links, reading (ATM-40..ATM-44, MET-54).
//!
//! What is not understood is passed over: Atom is full of elements that say nothing about data. Within the properties everything must
//! be known. A link to a navigation binds what it leads to, unless it is the deferred link of an answer that the client sends back
//! (`Products(1)/Category` under the name of `Category`, JL-39).

mod mapped;
mod value;

use super::atom::mapping;
use super::atom::mapping::Mapping;
use super::atom::names::{ATOM, DATA, METADATA, RELATED, SCHEME, XML};
use super::dynamic;
use super::json_read::{bad_body, bad_value, unknown};
use super::read::{Reader, Reading};
use super::xml_tree::{self, Element};
use crate::model::edm::Value;
use crate::model::fault::Outcome;
use crate::model::schema::{EntityType, Property, TypeId};
use crate::model::target::{Body, Dynamic, Link, Linked};

/// Atom.
pub struct AtomReader;

impl Reader for AtomReader {
    fn entity(&self, reading: &Reading<'_>, ty: TypeId, body: &[u8]) -> Outcome<Body> {
        read_entry(reading, ty, &xml_tree::parse(body)?)
    }

    fn property(&self, reading: &Reading<'_>, property: &Property, body: &[u8]) -> Outcome<Value> {
        let root = xml_tree::parse(body)?;
        if !root.is_in(DATA) {
            return Err(bad_body(format!("The body must be an element of the namespace {DATA}.")));
        }
        value::read_property(reading.schema, property, &root)
    }

    fn link(&self, body: &[u8]) -> Outcome<String> {
        let root = xml_tree::parse(body)?;
        if !root.is(DATA, "uri") {
            return Err(bad_body(format!("The body must be an element `uri` of the namespace {DATA}.")));
        }
        Ok(root.text().trim_ascii().to_owned())
    }
}

/// Reads an entry: its category may name a type that derives from `ty`. The depth of what is inline is that of the tree, which its
/// parser bounds.
pub fn read_entry(reading: &Reading<'_>, ty: TypeId, entry: &Element) -> Outcome<Body> {
    read_below(reading, ty, entry, "")
}

/// Reads an entry in which relative URLs begin at `base`; without one they begin at the service root.
fn read_below(reading: &Reading<'_>, ty: TypeId, entry: &Element, base: &str) -> Outcome<Body> {
    if !entry.is(ATOM, "entry") {
        return Err(bad_body("The body must be an Atom entry."));
    }
    let schema = reading.schema;
    let ty = entity_type(reading, ty, entry)?;
    let of = &schema.types[ty];
    let mut body = Body::new(ty, Vec::new());
    let mappings = mapping::mappings(schema, ty);
    match mappings.is_empty() {
        true => read_properties(reading, &mut body, properties(entry))?,
        false => read_mapped(reading, &mut body, entry, of, &mappings)?,
    }
    let base = resolve(base, entry.attribute(XML, "base").unwrap_or_default());
    for link in entry.elements().filter(|element| element.is(ATOM, "link")) {
        if let Some(name) = link.attribute("", "rel").and_then(|rel| rel.strip_prefix(RELATED)) {
            let Some(navigation) = of.navigation(name) else {
                return Err(unknown(of, name));
            };
            read_link(reading, &mut body, navigation, link, &base)?;
        }
    }
    Ok(body)
}

/// `m:properties`, in the content or beside it (ATM-11).
fn properties(entry: &Element) -> Option<&Element> {
    let content = entry.child(ATOM, "content");
    content
        .and_then(|content| content.child(METADATA, "properties"))
        .or_else(|| entry.child(METADATA, "properties"))
}

/// The same with what stands outside of the content (MET-54).
fn read_mapped(reading: &Reading<'_>, body: &mut Body, entry: &Element, of: &EntityType, mappings: &[Mapping]) -> Outcome<()> {
    let mut properties = properties(entry).cloned().unwrap_or_default();
    for mapping in mappings {
        if let Some(text) = mapped::text(entry, mapping) {
            mapped::insert(&mut properties, &of.properties[mapping.property].name, &mapping.path, text);
        }
    }
    read_properties(reading, body, Some(&properties))
}

fn read_properties(reading: &Reading<'_>, body: &mut Body, properties: Option<&Element>) -> Outcome<()> {
    let of = &reading.schema.types[body.ty];
    let elements: Vec<&Element> = properties
        .into_iter()
        .flat_map(Element::elements)
        .filter(|element| element.is_in(DATA))
        .collect();
    value::check_names(&elements)?;
    for element in elements {
        let Some(index) = of.property(&element.name) else {
            match of.is_open && of.navigation(&element.name).is_none() {
                true => body.dynamic.push(undeclared(reading, element)?),
                false if reading.ignore_unknown => {}
                false => return Err(unknown(of, &element.name)),
            }
            continue;
        };
        let property = &of.properties[index];
        let is_echo = property.write_only && value::is_null(element);
        if property.is_given() && !is_echo {
            body.values.push((index, value::read_property(reading.schema, property, element)?));
        }
    }
    Ok(())
}

/// A property that the open type does not declare: its type is what it says, or text (PRM-12, OPN-1).
fn undeclared(reading: &Reading<'_>, element: &Element) -> Outcome<Dynamic> {
    let named = element.attribute(METADATA, "type");
    let ty = dynamic::named(reading.schema, named.unwrap_or("Edm.String"))
        .ok_or_else(|| bad_value(&element.name, "names a type that an undeclared property cannot have"))?;
    Ok(Dynamic {
        name: element.name.clone(),
        value: value::read_value(reading.schema, &ty, &element.name, element)?,
        ty,
    })
}

/// The type that the category names, else the declared one (ATM-40, WR-15).
fn entity_type(reading: &Reading<'_>, declared: TypeId, entry: &Element) -> Outcome<TypeId> {
    let schema = reading.schema;
    let base = schema.types[declared].qualified();
    let mut categories = entry.elements().filter(|element| element.is(ATOM, "category"));
    let named = categories.find(|category| category.attribute("", "scheme") == Some(SCHEME));
    let ty = match named.and_then(|category| category.attribute("", "term")) {
        None => declared,
        Some(term) => match schema.find_type(term.trim_start_matches('#')) {
            Some(ty) if schema.is_a(ty, declared) => ty,
            // A base type says less, and so nothing (WR-35).
            Some(ty) if schema.is_a(declared, ty) => declared,
            _ => {
                return Err(bad_body(format!("The category must name {base} or a type that derives from it.")));
            }
        },
    };
    if schema.types[ty].is_abstract {
        let name = schema.types[ty].qualified();
        return Err(bad_body(format!(
            "The type {name} is abstract: a category must name a type that derives from it."
        )));
    }
    Ok(ty)
}

/// What a link to a navigation says (ATM-41, ATM-42): what is inline is new, anything else is there already.
fn read_link(reading: &Reading<'_>, body: &mut Body, navigation: usize, link: &Element, base: &str) -> Outcome<()> {
    let declared = &reading.schema.types[body.ty].navigations[navigation];
    let base = &resolve(base, link.attribute(XML, "base").unwrap_or_default());
    let href = link.attribute("", "href");
    let mut to = Vec::new();
    if let Some(inline) = link.child(METADATA, "inline") {
        let base = resolve(base, inline.attribute(XML, "base").unwrap_or_default());
        let feed = inline.child(ATOM, "feed");
        let (entries, base) = match feed {
            Some(feed) => (feed, resolve(&base, feed.attribute(XML, "base").unwrap_or_default())),
            None => (inline, base),
        };
        for entry in entries.elements().filter(|element| element.is(ATOM, "entry")) {
            to.push(Linked::New(read_below(reading, declared.target, entry, &base)?));
        }
        // A collection without entries says nothing; nothing at all takes a link to one away.
        if to.is_empty() && (declared.is_many() || feed.is_some()) {
            return Ok(());
        }
    } else {
        let Some(href) = href else {
            return Err(bad_body("A link to a navigation needs `href` or inline content.").of(&declared.name));
        };
        if is_deferred(href, &declared.name) {
            return Ok(());
        }
        let existing = reading.reference(&resolve(base, href));
        to.push(Linked::Existing(existing.map_err(|fault| fault.of(&declared.name))?));
    }
    let known = body.links.iter_mut().find(|known| known.navigation == navigation);
    match known {
        Some(known) => known.to.append(&mut to),
        None => body.links.push(Link { navigation, to }),
    }
    let count = body
        .links
        .iter()
        .find(|known| known.navigation == navigation)
        .map_or(0, |known| known.to.len());
    if count > 1 && !declared.is_many() {
        return Err(bad_body(format!("`{}` leads to one entity at most.", declared.name)).of(&declared.name));
    }
    Ok(())
}

/// Whether a URL is that of the navigation itself, as answers have it.
fn is_deferred(href: &str, navigation: &str) -> bool {
    let path = href.split(['?', '#']).next().unwrap_or_default().trim_end_matches("()");
    path.strip_suffix(navigation).is_some_and(|before| before.ends_with('/'))
}

/// A URL below a base; one that is complete by itself (or a reference in a change set) stays as it is.
fn resolve(base: &str, url: &str) -> String {
    let is_complete = url.starts_with(['/', '$']) || url.split(['/', '?', '(', '\'']).next().is_some_and(|first| first.ends_with(':'));
    match base.rsplit_once('/') {
        Some((folder, _)) if !is_complete => format!("{folder}/{url}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;

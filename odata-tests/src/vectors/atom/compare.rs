//! Whether one document says what another does.

use odonata::model::edm::Edm;
use odonata::model::text;
use odonata::odata::atom::names::{ATOM, DATA, METADATA, RELATED};
use odonata::odata::xml_tree::Element;

/// The first thing that `expected` says and `actual` does not; URLs below `base` may be relative.
pub fn difference(expected: &Element, actual: &Element, base: &str) -> Option<String> {
    let name = &expected.name;
    if (&expected.namespace, name) != (&actual.namespace, &actual.name) {
        return Some(format!("{} stands for {name}", actual.name));
    }
    for (space, attribute, value) in &expected.attributes {
        let space = space.as_deref().unwrap_or_default();
        if !means_something(expected, space, attribute) {
            continue;
        }
        let found = actual.attribute(space, attribute);
        let same = found.is_some_and(|found| match attribute.as_str() {
            "href" | "src" => relative(found, base) == relative(value, base),
            "type" => *found.replace(' ', "") == value.replace(' ', ""),
            _ => found == value,
        });
        if !same {
            return Some(format!("{name}: {attribute} is {found:?}, expected {value}"));
        }
    }
    if expected.elements().next().is_none() {
        return leaf(expected, actual, base);
    }
    let mut left: Vec<&Element> = actual.elements().collect();
    for child in expected.elements().filter(|child| !is_optional(child)) {
        let Some(at) = left.iter().position(|other| stands_for(child, other)) else {
            return Some(format!("{name} has no {} {:?}", child.name, child.attribute("", "rel")));
        };
        if let Some(what) = difference(child, left.remove(at), base) {
            return Some(what);
        }
    }
    None
}

/// Titles of links, types of media resources (nothing is stored) and `xml:` attributes are of no account; the type of a null is lost.
fn means_something(element: &Element, space: &str, attribute: &str) -> bool {
    let is_null = element.attribute(METADATA, "null") == Some("true");
    let is_nav = element.attribute("", "rel").is_some_and(|rel| rel.starts_with(RELATED));
    match (space, attribute) {
        (METADATA, "type") => !is_null,
        (METADATA, _) => true,
        ("", "title" | "type") if element.is(ATOM, "content") => element.attribute("", "src").is_none(),
        ("", "title" | "type") => is_nav,
        ("", _) => true,
        _ => false,
    }
}

/// What may be said or not: what has no meaning, and what a reader makes something else of.
fn is_optional(element: &Element) -> bool {
    let rel = element.attribute("", "rel").unwrap_or_default();
    let is_text = element.is_in(ATOM) && matches!(element.name.as_str(), "updated" | "author" | "title" | "summary");
    let is_operation = element.is_in(METADATA) && matches!(element.name.as_str(), "action" | "function");
    // A collection without entities is no change.
    let is_empty = element.child(ATOM, "feed").is_some_and(|feed| feed.child(ATOM, "entry").is_none());
    is_text || is_operation || is_empty || is_bind(element, rel) || rel == "self" || rel == "delta" || rel.contains("/relatedlinks/")
}

/// A link that binds goes out as the link of the navigation.
fn is_bind(link: &Element, rel: &str) -> bool {
    let href = link.attribute("", "href").unwrap_or_default();
    let name = rel.strip_prefix(RELATED);
    name.is_some_and(|name| link.elements().next().is_none() && !href.ends_with(&format!("/{name}")))
}

/// Whether it is the same thing in the other document.
fn stands_for(element: &Element, other: &Element) -> bool {
    let same = |attribute: &str| element.attribute("", attribute) == other.attribute("", attribute);
    element.name == other.name && element.namespace == other.namespace && same("rel") && (element.name != "collection" || same("href"))
}

/// Text, and what only says that there is nothing.
fn leaf(expected: &Element, actual: &Element, base: &str) -> Option<String> {
    let is_data = expected.is_in(DATA);
    if !is_data && !expected.is(ATOM, "id") {
        return None;
    }
    let (left, right) = (expected.text(), actual.text());
    let edm = actual
        .attribute(METADATA, "type")
        .and_then(|ty| ty.strip_prefix("Edm."))
        .and_then(Edm::from_name);
    let same = match edm {
        // Of another root than the document's own nothing is known.
        _ if !is_data => !left.starts_with(base) || relative(&left, base) == relative(&right, base),
        Some(edm) => text::parse(edm, &left) == text::parse(edm, &right),
        // XML makes line ends of what a writer did not escape.
        None => left == right || (actual.elements().next().is_none() && left.trim() == right.trim() && left.trim().is_empty()),
    };
    (!same).then(|| format!("{} is {right:?}, expected {left:?}", expected.name))
}

fn relative<'u>(url: &'u str, base: &str) -> &'u str {
    url.strip_prefix(base).unwrap_or(url)
}

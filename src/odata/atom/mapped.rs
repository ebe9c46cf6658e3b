//! Mapped values in their places (MET-51..MET-53): what an entry says outside of its content. A null has no place; it stays in the
//! content, where it can be told from an empty text.

use super::mapping::{Mapping, Own, Target, TextKind};
use crate::model::edm::{Edm, Value};
use crate::model::text;
use crate::odata::xml_text::{write_attribute, write_text};
use crate::odata::xml_tree;

/// The value of a mapping in one entity; none where it is null.
pub type ValueOf<'a> = &'a dyn Fn(&Mapping) -> Option<Value>;

/// Writes `title`, `updated` and `author`, which Atom demands of every entry (ATM-7), then what is mapped to other elements of Atom.
/// `updated` is the time of the entity where no mapping says another.
pub fn write_atom(mappings: &[Mapping], value_of: ValueOf<'_>, updated: &dyn Fn(&mut Vec<u8>), out: &mut Vec<u8>) {
    let written = |elements: &[&str], out: &mut Vec<u8>| {
        let mapping = mappings
            .iter()
            .find(|mapping| matches!(&mapping.target, Target::Atom(path) if *path == elements));
        mapping.is_some_and(|mapping| value_of(mapping).is_some_and(|value| write_leaf(mapping, elements, &value, out)))
    };
    if !written(&["title"], out) {
        out.extend_from_slice(b"<title/>");
    }
    for name in ["summary", "rights", "published"] {
        written(&[name], out);
    }
    if !written(&["updated"], out) {
        out.extend_from_slice(b"<updated>");
        updated(out);
        out.extend_from_slice(b"</updated>");
    }
    for person in ["author", "contributor"] {
        let start = out.len();
        out.extend_from_slice(format!("<{person}>").as_bytes());
        let is_named = written(&[person, "name"], out);
        if !is_named {
            out.extend_from_slice(b"<name/>");
        }
        let has_uri = written(&[person, "uri"], out);
        let has_email = written(&[person, "email"], out);
        out.extend_from_slice(format!("</{person}>").as_bytes());
        if person == "contributor" && !(is_named || has_uri || has_email) {
            out.truncate(start);
        }
    }
}

/// Writes one element of Atom; false if the value is none for it.
fn write_leaf(mapping: &Mapping, elements: &[&str], value: &Value, out: &mut Vec<u8>) -> bool {
    let Some(name) = elements.last() else { return false };
    let mut written = Vec::new();
    text::write(mapping.edm, value.cell(), &mut written);
    let Ok(mut written) = String::from_utf8(written) else {
        return false;
    };
    let mut kind = None;
    match *name {
        "updated" | "published" => match time(&written) {
            Some(time) => written = time,
            None => return false,
        },
        "title" | "summary" | "rights" => kind = Some(mapping.kind),
        _ => {}
    }
    out.extend_from_slice(b"<");
    out.extend_from_slice(name.as_bytes());
    // Markup goes out as markup only if it cannot break the document.
    let is_markup = kind == Some(TextKind::Xhtml) && xml_tree::parse(written.as_bytes()).is_ok();
    match kind {
        Some(TextKind::Xhtml) if !is_markup => out.extend_from_slice(b" type=\"text\""),
        Some(kind) => {
            out.extend_from_slice(b" type=\"");
            out.extend_from_slice(kind.name().as_bytes());
            out.push(b'"');
        }
        None => {}
    }
    out.push(b'>');
    match is_markup {
        true => out.extend_from_slice(written.as_bytes()),
        false => write_text(&written, out),
    }
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    true
}

/// A time as Atom wants it, in UTC; a DateTime counts as UTC.
fn time(written: &str) -> Option<String> {
    let value = text::parse(Edm::DateTimeOffset, written).or_else(|| text::parse(Edm::DateTime, written))?;
    let mut out = Vec::new();
    text::write(Edm::DateTimeOffset, value.cell(), &mut out);
    String::from_utf8(out).ok()
}

/// Writes what is mapped to elements of one's own, after the content.
pub fn write_own(mappings: &[Mapping], value_of: ValueOf<'_>, out: &mut Vec<u8>) {
    let mut found: Vec<(&Own, Edm, Value)> = mappings
        .iter()
        .filter_map(|mapping| match &mapping.target {
            Target::Own(own) => value_of(mapping).map(|value| (own, mapping.edm, value)),
            Target::Atom(_) => None,
        })
        .collect();
    // Those that share elements stand together, attributes of an element before what is in it.
    found.sort_by(|(left, ..), (right, ..)| {
        let space = (&left.namespace, &left.prefix).cmp(&(&right.namespace, &right.prefix));
        let element = left.elements.cmp(&right.elements);
        space.then(element).then(left.attribute.is_none().cmp(&right.attribute.is_none()))
    });
    let mut open: Vec<&str> = Vec::new();
    let mut before: Option<&Own> = None;
    // Whether the innermost start tag still takes attributes.
    let mut in_tag = false;
    for (own, edm, value) in &found {
        let same_space = before.is_some_and(|before| (&before.namespace, &before.prefix) == (&own.namespace, &own.prefix));
        let shared = if same_space {
            open.iter().zip(&own.elements).take_while(|(left, right)| left == right).count()
        } else {
            0
        };
        if let Some(before) = before {
            close_to(shared, before, &mut open, &mut in_tag, out);
        }
        for element in &own.elements[shared..] {
            end_tag(&mut in_tag, out);
            out.extend_from_slice(format!("<{}:{element}", own.prefix).as_bytes());
            if open.is_empty() {
                out.extend_from_slice(format!(" xmlns:{}=\"", own.prefix).as_bytes());
                write_attribute(&own.namespace, out);
                out.push(b'"');
            }
            open.push(element);
            in_tag = true;
        }
        let mut written = Vec::new();
        text::write(*edm, value.cell(), &mut written);
        let written = String::from_utf8_lossy(&written);
        match &own.attribute {
            Some(attribute) if in_tag => {
                out.extend_from_slice(format!(" {}:{attribute}=\"", own.prefix).as_bytes());
                write_attribute(&written, out);
                out.push(b'"');
            }
            _ => {
                end_tag(&mut in_tag, out);
                write_text(&written, out);
            }
        }
        before = Some(own);
    }
    if let Some(before) = before {
        close_to(0, before, &mut open, &mut in_tag, out);
    }
}

fn end_tag(in_tag: &mut bool, out: &mut Vec<u8>) {
    if std::mem::take(in_tag) {
        out.push(b'>');
    }
}

fn close_to(depth: usize, own: &Own, open: &mut Vec<&str>, in_tag: &mut bool, out: &mut Vec<u8>) {
    while open.len() > depth {
        end_tag(in_tag, out);
        if let Some(element) = open.pop() {
            out.extend_from_slice(format!("</{}:{element}>", own.prefix).as_bytes());
        }
    }
}

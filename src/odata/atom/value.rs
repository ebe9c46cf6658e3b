//! Values as elements of the namespace of data (ATM-12..ATM-14, ATM-17, PRM-10, PRM-11).

use crate::model::edm::{Cell, Edm};
use crate::model::geometry::{Spatial, is_geography};
use crate::model::schema::{Schema, Type};
use crate::model::text;
use crate::odata::canonical;
use crate::odata::gml;
use crate::odata::json_tree::{self, Json};
use crate::odata::xml_text::{write_attribute, write_text};

/// Paths of members that are left out because they stand elsewhere (MET-52), unless they are null.
pub type Hidden<'a> = &'a [&'a [String]];

/// Writes `<d:name m:type="…">value</d:name>`. Null has no type.
pub fn write_element(schema: &Schema, name: &str, ty: &Type, cell: Cell<'_>, hidden: Hidden<'_>, out: &mut Vec<u8>) {
    open(name, out);
    write_rest(schema, name, ty, cell, hidden, out);
}

/// What follows `<d:name`, to the end of the element.
pub fn write_rest(schema: &Schema, name: &str, ty: &Type, cell: Cell<'_>, hidden: Hidden<'_>, out: &mut Vec<u8>) {
    match (ty, cell) {
        (Type::Primitive(edm), cell) => write_primitive(name, *edm, cell, out),
        // Cells with canonical JSON are written by this server; one that it cannot read is null.
        (_, Cell::Text(json)) => {
            let json = json_tree::parse(json.as_bytes()).unwrap_or(Json::Null);
            write_tree(schema, name, ty, &json, hidden, out);
        }
        // Only text holds complex values and collections.
        _ => out.extend_from_slice(NULL),
    }
}

/// The rest of an element without a value.
const NULL: &[u8] = b" m:null=\"true\"/>";

/// Begins an element, whose start tag stays open.
pub fn open(name: &str, out: &mut Vec<u8>) {
    out.reserve(2 * name.len() + 48);
    out.extend_from_slice(b"<d:");
    out.extend_from_slice(name.as_bytes());
}

/// Ends an element.
pub fn close(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"</d:");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// What follows `<d:name` of a primitive, to the end of the element.
fn write_primitive(name: &str, edm: Edm, cell: Cell<'_>, out: &mut Vec<u8>) {
    if cell.is_null() {
        return out.extend_from_slice(NULL);
    }
    if edm != Edm::String {
        out.extend_from_slice(b" m:type=\"Edm.");
        out.extend_from_slice(concrete(edm, cell).name().as_bytes());
        out.push(b'"');
    }
    write_content(edm, cell, out);
    close(name, out);
}

/// Of the two spatial types that are no shape, that of the value.
fn concrete(edm: Edm, cell: Cell<'_>) -> Edm {
    match (edm, cell) {
        (Edm::Geography | Edm::Geometry, Cell::Text(text)) => {
            Spatial::parse(text).map_or(edm, |spatial| spatial.shape.kind().edm(is_geography(edm)))
        }
        _ => edm,
    }
}

/// The end of the start tag and the text of a primitive that is not null.
fn write_content(edm: Edm, cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Text(value) if edm == Edm::String => {
            // Some readers drop blanks at the ends without it.
            let is_blank = |c: Option<char>| c.is_some_and(char::is_whitespace);
            if is_blank(value.chars().next()) || is_blank(value.chars().next_back()) {
                out.extend_from_slice(b" xml:space=\"preserve\"");
            }
            out.push(b'>');
            write_text(value, out);
        }
        Cell::Text(value) if edm.is_spatial() => {
            out.push(b'>');
            gml::write(value, is_geography(edm), out);
        }
        // The XML text of the others has no character that needs an escape.
        cell => {
            out.push(b'>');
            text::write(edm, cell, out);
        }
    }
}

/// What follows `<d:name` of a complex value or a collection. The depth is that of `json`, which its parser bounds.
fn write_tree(schema: &Schema, name: &str, ty: &Type, json: &Json<'_>, hidden: Hidden<'_>, out: &mut Vec<u8>) {
    match (ty, json) {
        (Type::Collection(item), Json::Array(items)) => {
            write_type(schema, ty, out);
            out.push(b'>');
            write_items(schema, item, items, false, out);
        }
        (Type::Complex(id), Json::Object(_)) => {
            let id = canonical::complex_type(schema, *id, json);
            write_type(schema, &Type::Complex(id), out);
            out.push(b'>');
            write_members(schema, id, json, hidden, out);
        }
        _ => return out.extend_from_slice(NULL),
    }
    close(name, out);
}

/// Writes the members of a complex value; those that it does not have are null.
fn write_members(schema: &Schema, id: usize, json: &Json<'_>, hidden: Hidden<'_>, out: &mut Vec<u8>) {
    for property in &schema.complex[id].properties {
        let json = json.member(&property.name).unwrap_or(&Json::Null);
        let inner: Vec<&[String]> = hidden
            .iter()
            .filter(|path| path.first() == Some(&property.name))
            .map(|path| &path[1..])
            .collect();
        if *json != Json::Null && inner.iter().any(|path| path.is_empty()) {
            continue;
        }
        open(&property.name, out);
        match &property.ty {
            Type::Primitive(edm) => write_primitive(&property.name, *edm, canonical::member(*edm, json).cell(), out),
            ty => write_tree(schema, &property.name, ty, json, &inner, out),
        }
    }
}

/// Writes the items of a collection. They have types where the collection itself does not say it.
pub fn write_items(schema: &Schema, item: &Type, items: &[Json<'_>], typed: bool, out: &mut Vec<u8>) {
    const NAME: &str = "element";
    for json in items {
        open(NAME, out);
        let actual = match item {
            Type::Complex(id) => Type::Complex(canonical::complex_type(schema, *id, json)),
            other => other.clone(),
        };
        if (typed || actual != *item) && *item != Type::Primitive(Edm::String) && *json != Json::Null {
            write_type(schema, &actual, out);
        }
        match (item, json) {
            (Type::Primitive(edm), json) => match canonical::member(*edm, json).cell() {
                Cell::Null => {
                    out.extend_from_slice(NULL);
                    continue;
                }
                cell => write_content(*edm, cell, out),
            },
            (Type::Complex(id), Json::Object(_)) => {
                out.push(b'>');
                write_members(schema, canonical::complex_type(schema, *id, json), json, &[], out);
            }
            _ => {
                out.extend_from_slice(NULL);
                continue;
            }
        }
        close(NAME, out);
    }
}

fn write_type(schema: &Schema, ty: &Type, out: &mut Vec<u8>) {
    out.extend_from_slice(b" m:type=\"");
    write_attribute(&schema.type_name(ty), out);
    out.push(b'"');
}

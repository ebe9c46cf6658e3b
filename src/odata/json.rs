//! JSON light, writing (JL-1..JL-28): one `Vec<u8>` that grows, nothing allocated for a cell.

mod operations;

use super::canonical;
use super::context::{Context, LinksContext, write_value_context};
use super::format::{Entity, Feed, Inline, Metadata, Render, Sink};
use super::geojson;
use super::json_tree::{self, Json};
use crate::model::edm::{Cell, Edm};
use crate::model::media::Media;
use crate::model::schema::{Navigation, Operation, Property, Schema, Type, TypeId};
use crate::model::text;

/// A JSON light answer being written.
pub struct JsonLight<'a> {
    render: &'a Render<'a>,
    out: Vec<u8>,
    told: Option<operations::Told>,
}

impl<'a> JsonLight<'a> {
    /// An empty answer.
    pub fn new(render: &'a Render<'a>) -> JsonLight<'a> {
        JsonLight {
            render,
            out: Vec::with_capacity(4096),
            told: None,
        }
    }

    fn full(&self) -> bool {
        self.render.level == Metadata::Full
    }

    /// Begins the next member of the object that is open.
    fn member(&mut self, name: &str) {
        self.annotation(name, "");
    }

    /// Begins the member `<name><suffix>`.
    fn annotation(&mut self, name: &str, suffix: &str) {
        begin_member(name, suffix, &mut self.out);
    }

    fn string_of(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        string_of(&mut self.out, write);
    }

    fn context(&mut self, write: impl FnOnce(&Render<'_>, &mut Vec<u8>)) {
        if self.render.level != Metadata::None {
            let render = self.render;
            self.member("odata.metadata");
            self.string_of(|out| write(render, out));
        }
    }

    /// `odata.id`, `odata.editLink` and the media links (JL-22).
    fn identity(&mut self, entity: &Entity<'_>) {
        if entity.set().is_none() {
            return;
        }
        let root = self.render.root;
        self.member("odata.id");
        self.string_of(|out| {
            out.extend_from_slice(root.as_bytes());
            entity.write_path(out);
        });
    }

    fn edit_links(&mut self, entity: &Entity<'_>) {
        if entity.set().is_none() {
            return;
        }
        self.member("odata.editLink");
        self.string_of(|out| entity.write_edit_link(out));
        if entity.entity_type().has_stream {
            for name in ["odata.mediaEditLink", "odata.mediaReadLink"] {
                self.member(name);
                self.string_of(|out| {
                    entity.write_edit_link(out);
                    out.extend_from_slice(b"/$value");
                });
            }
        }
    }

    /// What nobody can compute of a stream: its type and ETag (JL-20).
    fn media(&mut self, prefix: &str, media: &Media) {
        if self.render.level != Metadata::None {
            self.annotation(prefix, "odata.mediaContentType");
            write_string(&media.content_type, &mut self.out);
            self.annotation(prefix, "odata.mediaETag");
            write_string(&media.etag(), &mut self.out);
        }
    }

    /// `<name>@odata.<what>` with the URL of something below the entity.
    fn link_below(&mut self, entity: &Entity<'_>, name: &str, what: &str) {
        if self.full() && entity.set().is_some() {
            self.annotation(name, what);
            self.string_of(|out| {
                entity.write_edit_link(out);
                out.push(b'/');
                out.extend_from_slice(name.as_bytes());
            });
        }
    }

    fn typed_value(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        if self.full() && tells_type(ty, cell) {
            self.annotation(name, "@odata.type");
            write_string(&self.render.schema.type_name(ty), &mut self.out);
        }
        self.member(name);
        self.write_value(ty, cell);
    }

    fn write_value(&mut self, ty: &Type, cell: Cell<'_>) {
        match (ty, cell) {
            (_, Cell::Null) => self.out.extend_from_slice(b"null"),
            (Type::Primitive(edm), cell) => write_primitive(*edm, cell, &mut self.out),
            (_, Cell::Text(json)) => write_canonical(self.render.schema, ty, &parse(json), self.render.level, &mut self.out),
            // Only text holds complex values and collections.
            _ => self.out.extend_from_slice(b"null"),
        }
    }
}

impl Sink for JsonLight<'_> {
    fn finish(self: Box<Self>) -> Vec<u8> {
        self.out
    }

    fn begin_feed(&mut self, feed: &Feed<'_>) {
        self.out.push(b'{');
        if let Some(context) = feed.context {
            self.context(|render, out| context.write(render, out));
        }
        if let Some(count) = feed.count {
            self.member("odata.count");
            write_number_string(count, &mut self.out);
        }
        self.member("value");
        self.out.push(b'[');
    }

    fn end_feed(&mut self, feed: &Feed<'_>) {
        self.out.push(b']');
        if let Some(next) = feed.next {
            self.member("odata.nextLink");
            write_string(next, &mut self.out);
        }
        self.out.push(b'}');
    }

    fn begin_entity(&mut self, entity: &Entity<'_>, expected: TypeId, context: Option<&Context<'_>>) {
        comma(&mut self.out);
        self.out.push(b'{');
        if let Some(context) = context {
            self.context(|render, out| context.write(render, out));
        }
        let is_named = self.full() || (self.render.level == Metadata::Minimal && entity.ty != expected);
        if is_named && !self.render.untyped {
            let ty = entity.entity_type();
            self.member("odata.type");
            self.string_of(|out| {
                out.extend_from_slice(ty.namespace.as_bytes());
                out.push(b'.');
                out.extend_from_slice(ty.name.as_bytes());
            });
        }
        if self.full() {
            self.identity(entity);
        }
        if let Some(etag) = entity.etag() {
            self.member("odata.etag");
            write_string(&etag, &mut self.out);
        }
        if self.full() {
            self.edit_links(entity);
        }
        if let Some(media) = entity.media() {
            self.media("", &media);
        }
    }

    fn end_entity(&mut self, _entity: &Entity<'_>) {
        self.out.push(b'}');
    }

    fn link(&mut self, entity: &Entity<'_>, navigation: &Navigation) {
        self.link_below(entity, &navigation.name, "@odata.navigationLinkUrl");
    }

    fn stream(&mut self, entity: &Entity<'_>, property: &Property) {
        self.link_below(entity, &property.name, "@odata.mediaEditLink");
        self.link_below(entity, &property.name, "@odata.mediaReadLink");
        if let Some(media) = entity.stream(property) {
            self.media(&format!("{}@", property.name), &media);
        }
    }

    /// Unless metadata is full only what need not be there (JL-20, JL-22, JL-23).
    fn advertises(&self, operation: &Operation) -> bool {
        self.full() || operation.always_bindable != Some(true)
    }

    fn operation(&mut self, entity: &Entity<'_>, operation: &Operation) {
        self.tell(entity, operation);
    }

    /// Nobody knows its type but from the JSON itself, so that minimal metadata says it too where JSON does not (JL-20, JL-24).
    fn dynamic(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        if self.render.level == Metadata::Minimal && tells_type(ty, cell) {
            self.annotation(name, "@odata.type");
            write_string(&self.render.schema.type_name(ty), &mut self.out);
        }
        if let (Metadata::Minimal, Type::Complex(_), Cell::Text(json)) = (self.render.level, ty, cell) {
            self.member(name);
            return write_canonical(self.render.schema, ty, &parse(json), Metadata::Full, &mut self.out);
        }
        self.typed_value(name, ty, cell);
    }

    fn property(&mut self, property: &Property, cell: Cell<'_>) {
        self.typed_value(&property.name, &property.ty, cell);
    }

    fn begin_inline(&mut self, entity: &Entity<'_>, navigation: &Navigation, inline: &Inline<'_>) {
        self.link_below(entity, &navigation.name, "@odata.navigationLinkUrl");
        if let Inline::Many(feed) = inline {
            if let Some(count) = feed.count {
                self.annotation(&navigation.name, "@odata.count");
                write_number_string(count, &mut self.out);
            }
            if let Some(next) = feed.next {
                self.annotation(&navigation.name, "@odata.nextLink");
                write_string(next, &mut self.out);
            }
        }
        self.member(&navigation.name);
        match inline {
            Inline::Null => self.out.extend_from_slice(b"null"),
            Inline::One => {}
            Inline::Many(_) => self.out.push(b'['),
        }
    }

    fn end_inline(&mut self, inline: &Inline<'_>) {
        if let Inline::Many(_) = inline {
            self.out.push(b']');
        }
    }

    fn value(&mut self, _name: &str, ty: &Type, cell: Cell<'_>) {
        self.out.push(b'{');
        self.context(|render, out| write_value_context(render, ty, cell.is_null(), out));
        match (ty, cell) {
            (_, Cell::Null) => {
                self.member("odata.null");
                self.out.extend_from_slice(b"true");
            }
            (Type::Complex(_), Cell::Text(json)) => {
                write_members(self.render.schema, ty, &parse(json), self.render.level, &mut self.out);
            }
            _ => {
                if self.full() && tells_type(ty, cell) {
                    self.member("odata.type");
                    write_string(&self.render.schema.type_name(ty), &mut self.out);
                }
                self.member("value");
                self.write_value(ty, cell);
            }
        }
        self.out.push(b'}');
    }

    fn links(&mut self, context: &LinksContext<'_>, urls: &[Vec<u8>], count: Option<u64>, next: Option<&str>) {
        self.out.push(b'{');
        self.context(|render, out| context.write(render, out));
        if context.single || context.element {
            if let Some(url) = urls.first() {
                self.member("url");
                self.string_of(|out| out.extend_from_slice(url));
            }
        } else {
            if let Some(count) = count {
                self.member("odata.count");
                write_number_string(count, &mut self.out);
            }
            self.member("value");
            self.out.push(b'[');
            for url in urls {
                comma(&mut self.out);
                self.out.push(b'{');
                self.member("url");
                self.string_of(|out| out.extend_from_slice(url));
                self.out.push(b'}');
            }
            self.out.push(b']');
            if let Some(next) = next {
                self.member("odata.nextLink");
                write_string(next, &mut self.out);
            }
        }
        self.out.push(b'}');
    }
}

/// Writes a string of ASCII and URL characters by `write`, escaped afterwards if it needs that.
pub(super) fn string_of(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    let start = out.len();
    write(out);
    if out[start..].iter().any(|&byte| needs_escape(byte)) {
        let raw = out.split_off(start);
        write_escaped(&raw, out);
    }
    out.push(b'"');
}

/// Begins the member `<name><suffix>` of the object that is open; names of the schema are identifiers and need no escape.
pub(super) fn begin_member(name: &str, suffix: &str, out: &mut Vec<u8>) {
    out.reserve(name.len() + suffix.len() + 4);
    comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Separates from what is before it in the object or array that is open.
pub(super) fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[' | b':')) {
        out.push(b',');
    }
}

/// Whether full metadata names the type of a value: those that JSON does not tell apart (JL-22), and numbers written as text.
/// A complex value names its own type inside.
fn tells_type(ty: &Type, cell: Cell<'_>) -> bool {
    match (ty, cell) {
        (_, Cell::Null) | (Type::Complex(_), _) => false,
        (Type::Primitive(Edm::Double), Cell::Double(value)) => !value.is_finite(),
        (Type::Primitive(edm), _) => !matches!(edm, Edm::String | Edm::Boolean | Edm::Int32 | Edm::Double),
        _ => true,
    }
}

/// Cells with canonical JSON are written by this server; one that it cannot read is null.
pub(super) fn parse(json: &str) -> Json<'_> {
    json_tree::parse(json.as_bytes()).unwrap_or(Json::Null)
}

/// Writes the wire form of a primitive (PRM-20, PRM-21, PRM-31, PRM-32).
pub fn write_primitive(edm: Edm, cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Integer(value) if !matches!(edm, Edm::Int64 | Edm::Time) => write_number(value, out),
        Cell::Double(value) => write_double(edm, value, out),
        Cell::Text(value) if edm == Edm::String => write_string(value, out),
        Cell::Text(value) if edm.is_spatial() => geojson::write(value, out),
        // The XML text of the others has no character that JSON escapes.
        cell => {
            out.push(b'"');
            text::write(edm, cell, out);
            out.push(b'"');
        }
    }
}

/// Writing into a `Vec` cannot fail, and numbers have no error of their own.
pub(super) fn write_number(value: impl serde::Serialize, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, &value);
}

pub(super) fn write_number_string(value: u64, out: &mut Vec<u8>) {
    out.push(b'"');
    write_number(value, out);
    out.push(b'"');
}

fn write_double(edm: Edm, value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else if edm == Edm::Single {
        // Exact: the cell is the double of a Single. Its shortest text is that of the Single.
        write_number(value as f32, out);
    } else {
        write_number(value, out);
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Writes a JSON string in raw UTF-8 (PRM-30).
pub fn write_string(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(value.as_bytes(), out);
    out.push(b'"');
}

fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // Without an early exit the compiler looks at many bytes at once; almost all text ends here.
    if !bytes.iter().fold(false, |found, &byte| found | needs_escape(byte)) {
        return out.extend_from_slice(bytes);
    }
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| needs_escape(byte)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Writes the wire form of canonical JSON by its declared type. The depth is that of `json`, which its parser bounds.
pub(super) fn write_canonical(schema: &Schema, ty: &Type, json: &Json<'_>, level: Metadata, out: &mut Vec<u8>) {
    match (ty, json) {
        (Type::Collection(item), Json::Array(items)) => {
            out.push(b'[');
            for json in items {
                comma(out);
                write_canonical(schema, item, json, level, out);
            }
            out.push(b']');
        }
        (Type::Complex(_), Json::Object(_)) => {
            out.push(b'{');
            write_members(schema, ty, json, level, out);
            out.push(b'}');
        }
        (Type::Primitive(edm), json) => write_primitive(*edm, canonical::member(*edm, json).cell(), out),
        _ => out.extend_from_slice(b"null"),
    }
}

/// Writes the members of a complex value; those that it does not have are null.
fn write_members(schema: &Schema, ty: &Type, json: &Json<'_>, level: Metadata, out: &mut Vec<u8>) {
    let Type::Complex(declared) = ty else { return };
    let id = canonical::complex_type(schema, *declared, json);
    if level == Metadata::Full || (level == Metadata::Minimal && id != *declared) {
        comma(out);
        out.extend_from_slice(b"\"odata.type\":");
        write_string(&schema.complex[id].qualified(), out);
    }
    for property in &schema.complex[id].properties {
        let json = json.member(&property.name).unwrap_or(&Json::Null);
        let tells = match (&property.ty, json) {
            (_, Json::Null) => false,
            (Type::Primitive(Edm::Double), json) => matches!(json, Json::String(_)),
            (ty, _) => tells_type(ty, Cell::Text("")),
        };
        if level == Metadata::Full && tells {
            comma(out);
            out.push(b'"');
            out.extend_from_slice(property.name.as_bytes());
            out.extend_from_slice(b"@odata.type\":");
            write_string(&schema.type_name(&property.ty), out);
        }
        comma(out);
        out.push(b'"');
        out.extend_from_slice(property.name.as_bytes());
        out.extend_from_slice(b"\":");
        write_canonical(schema, &property.ty, json, level, out);
    }
}

#[cfg(test)]
mod tests;

//! Verbose JSON, writing (VJ-1..VJ-43). There is a dialect for each version of the answer:
//!
//! | | 1.0 | 2.0 | 3.0 |
//! |---|---|---|---|
//! | feeds and links | `{"d":[…]}` | `{"d":{"results":[…]}}` | the same |
//! | DateTime, DateTimeOffset | `"\/Date(0)\/"`, `"\/Date(0+0000)\/"` | the same | ISO 8601 |

use super::canonical;
use super::context::{Context, LinksContext};
use super::format::{Entity, Feed, Inline, Render, Sink};
use super::json::{begin_member, comma, parse, string_of, write_number, write_number_string, write_primitive, write_string};
use super::json_tree::Json;
use super::version::Version;
use crate::model::edm::{Cell, Edm};
use crate::model::media::Media;
use crate::model::schema::{Navigation, Operation, Property, Type, TypeId};
use crate::model::text;

/// Ticks from 0001-01-01 to 1970-01-01.
pub(super) const EPOCH: i64 = 621_355_968_000_000_000;
/// Ticks in a millisecond.
pub(super) const MILLISECOND: i64 = 10_000;

/// A verbose JSON answer being written.
pub struct Verbose<'a> {
    render: &'a Render<'a>,
    out: Vec<u8>,
    /// One entity is the whole answer.
    is_entity: bool,
    /// Entities that have begun and not ended.
    depth: usize,
    /// The edit URL of the entity that has begun last, to hang links on; empty if it has none.
    url: Vec<u8>,
    /// Where its `__metadata` ends, so that operations can still go in.
    metadata_end: usize,
    /// They: group, name, what is said of one. Mostly there are none.
    operations: Vec<(&'static str, String, Vec<u8>)>,
}

impl<'a> Verbose<'a> {
    /// An empty answer.
    pub fn new(render: &'a Render<'a>) -> Verbose<'a> {
        Verbose {
            render,
            out: Vec::with_capacity(4096),
            is_entity: false,
            depth: 0,
            url: Vec::new(),
            metadata_end: 0,
            operations: Vec::new(),
        }
    }

    /// Collections of entities and links stand in an object (VJ-2).
    fn has_results(&self) -> bool {
        self.render.version > Version::V1
    }

    fn member(&mut self, name: &str) {
        begin_member(name, "", &mut self.out);
    }

    /// A member with the URL of the entity and what follows it.
    fn url_member(&mut self, name: &str, rest: &[&str]) {
        begin_member(name, "", &mut self.out);
        let url = &self.url;
        string_of(&mut self.out, |out| {
            out.extend_from_slice(url);
            for part in rest {
                out.extend_from_slice(part.as_bytes());
            }
        });
    }

    fn begin_many(&mut self) {
        let open: &[u8] = if self.has_results() { b"{\"results\":[" } else { b"[" };
        self.out.extend_from_slice(open);
    }

    fn end_many(&mut self, count: Option<u64>, next: Option<&str>) {
        self.out.push(b']');
        if !self.has_results() {
            return;
        }
        if let Some(count) = count {
            self.member("__count");
            write_number_string(count, &mut self.out);
        }
        if let Some(next) = next {
            self.member("__next");
            write_string(next, &mut self.out);
        }
        self.out.push(b'}');
    }

    /// `edit_media` and what else is known of a stream (VJ-4, VJ-7).
    fn media(&mut self, below: &[&str], media: Option<&Media>) {
        if !self.url.is_empty() {
            self.url_member("edit_media", below);
            self.url_member("media_src", below);
        }
        if let Some(media) = media {
            self.member("content_type");
            write_string(&media.content_type, &mut self.out);
            self.member("media_etag");
            write_string(&media.etag(), &mut self.out);
        }
    }

    /// Puts the operations into `__metadata`: `"actions":{"<metadata>#Container.Name":[{…}]}`.
    fn flush_operations(&mut self) {
        if self.operations.is_empty() {
            return;
        }
        // Overloads stand side by side.
        self.operations.sort_by(|a, b| a.1.cmp(&b.1));
        let mut inner = Vec::new();
        for group in ["actions", "functions"] {
            let mut last: Option<&str> = None;
            for (_, name, what) in self.operations.iter().filter(|(of, _, _)| *of == group) {
                match last {
                    Some(last) if last == name => inner.push(b','),
                    Some(_) => inner.extend_from_slice(b"],"),
                    None => inner.extend_from_slice(format!(",\"{group}\":{{").as_bytes()),
                }
                if last != Some(name) {
                    write_string(&format!("{}$metadata#{name}", self.render.root), &mut inner);
                    inner.extend_from_slice(b":[");
                }
                inner.extend_from_slice(what);
                last = Some(name);
            }
            if last.is_some() {
                inner.extend_from_slice(b"]}");
            }
        }
        self.out.splice(self.metadata_end..self.metadata_end, inner);
        self.operations.clear();
    }

    fn write_value(&mut self, ty: &Type, cell: Cell<'_>) {
        match (ty, cell) {
            (_, Cell::Null) => self.out.extend_from_slice(b"null"),
            (Type::Primitive(edm), cell) => write_dated(self.render.version, *edm, cell, &mut self.out),
            (_, Cell::Text(json)) => self.write_canonical(ty, &parse(json), true),
            // Only text holds complex values and collections.
            _ => self.out.extend_from_slice(b"null"),
        }
    }

    /// Writes canonical JSON by its declared type; items of a collection do not say theirs again (VJ-8). The depth is that of `json`,
    /// which its parser bounds.
    fn write_canonical(&mut self, ty: &Type, json: &Json<'_>, tells_type: bool) {
        match (ty, json) {
            (Type::Collection(item), Json::Array(items)) => {
                self.out.push(b'{');
                self.type_of(ty);
                self.member("results");
                self.items(item, items);
                self.out.push(b'}');
            }
            (Type::Complex(id), Json::Object(_)) => {
                self.out.push(b'{');
                let schema = self.render.schema;
                let actual = canonical::complex_type(schema, *id, json);
                if tells_type || actual != *id {
                    self.type_of(&Type::Complex(actual));
                }
                for property in &schema.complex[actual].properties {
                    self.member(&property.name);
                    self.write_canonical(&property.ty, json.member(&property.name).unwrap_or(&Json::Null), true);
                }
                self.out.push(b'}');
            }
            (Type::Primitive(edm), json) => {
                let value = canonical::member(*edm, json);
                write_dated(self.render.version, *edm, value.cell(), &mut self.out);
            }
            _ => self.out.extend_from_slice(b"null"),
        }
    }

    fn items(&mut self, item: &Type, items: &[Json<'_>]) {
        self.out.push(b'[');
        for json in items {
            comma(&mut self.out);
            self.write_canonical(item, json, false);
        }
        self.out.push(b']');
    }

    fn type_of(&mut self, ty: &Type) {
        self.member("__metadata");
        self.out.extend_from_slice(b"{\"type\":");
        write_string(&self.render.schema.type_name(ty), &mut self.out);
        self.out.push(b'}');
    }
}

impl Sink for Verbose<'_> {
    fn finish(self: Box<Self>) -> Vec<u8> {
        self.out
    }

    fn begin_feed(&mut self, _feed: &Feed<'_>) {
        self.out.extend_from_slice(b"{\"d\":");
        self.begin_many();
    }

    fn end_feed(&mut self, feed: &Feed<'_>) {
        self.end_many(feed.count, feed.next);
        self.out.push(b'}');
    }

    fn begin_entity(&mut self, entity: &Entity<'_>, _expected: TypeId, context: Option<&Context<'_>>) {
        comma(&mut self.out);
        self.depth += 1;
        if context.is_some() {
            self.is_entity = true;
            self.out.extend_from_slice(b"{\"d\":");
        }
        self.out.extend_from_slice(b"{\"__metadata\":{");
        self.url.clear();
        if entity.set().is_some() {
            self.url.extend_from_slice(self.render.root.as_bytes());
            entity.write_path(&mut self.url);
            self.url_member("id", &[]);
            self.url.truncate(self.render.root.len());
            entity.write_edit_link(&mut self.url);
            self.url_member("uri", &[]);
        }
        self.member("type");
        let (render, ty) = (self.render, entity.entity_type());
        string_of(&mut self.out, |out| render.write_type_name(ty, out));
        if let Some(etag) = entity.etag() {
            self.member("etag");
            write_string(&etag, &mut self.out);
        }
        if ty.has_stream {
            self.media(&["/$value"], entity.media().as_ref());
        }
        self.metadata_end = self.out.len();
        self.out.push(b'}');
    }

    fn end_entity(&mut self, _entity: &Entity<'_>) {
        self.flush_operations();
        self.out.push(b'}');
        self.depth -= 1;
        if self.is_entity && self.depth == 0 {
            self.out.push(b'}');
        }
    }

    fn link(&mut self, _entity: &Entity<'_>, navigation: &Navigation) {
        if !self.url.is_empty() {
            self.member(&navigation.name);
            self.out.extend_from_slice(b"{\"__deferred\":{");
            self.url_member("uri", &["/", &navigation.name]);
            self.out.extend_from_slice(b"}}");
        }
    }

    fn stream(&mut self, entity: &Entity<'_>, property: &Property) {
        self.member(&property.name);
        self.out.extend_from_slice(b"{\"__mediaresource\":{");
        self.media(&["/", &property.name], entity.stream(property).as_ref());
        self.out.extend_from_slice(b"}}");
    }

    fn advertises(&self, _operation: &Operation) -> bool {
        self.render.version >= Version::V3
    }

    fn operation(&mut self, entity: &Entity<'_>, operation: &Operation) {
        let containers = &self.render.schema.endpoints[self.render.endpoint].containers;
        let Some(container) = containers.get(operation.container).filter(|_| !self.url.is_empty()) else {
            return;
        };
        let mut what = b"{\"title\":".to_vec();
        write_string(&operation.name, &mut what);
        what.extend_from_slice(b",\"target\":");
        string_of(&mut what, |out| entity.write_target(operation, out));
        what.push(b'}');
        let is_action = operation.side_effecting.unwrap_or(true);
        let group = if is_action { "actions" } else { "functions" };
        self.operations
            .push((group, format!("{}.{}", container.name, operation.name), what));
    }

    fn property(&mut self, property: &Property, cell: Cell<'_>) {
        self.member(&property.name);
        self.write_value(&property.ty, cell);
    }

    fn dynamic(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        self.member(name);
        self.write_value(ty, cell);
    }

    fn begin_inline(&mut self, _entity: &Entity<'_>, navigation: &Navigation, inline: &Inline<'_>) {
        self.flush_operations();
        self.member(&navigation.name);
        match inline {
            Inline::Null => self.out.extend_from_slice(b"null"),
            Inline::One => {}
            Inline::Many(_) => self.begin_many(),
        }
    }

    fn end_inline(&mut self, inline: &Inline<'_>) {
        if let Inline::Many(feed) = inline {
            self.end_many(feed.count, feed.next);
        }
    }

    fn value(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        self.out.extend_from_slice(b"{\"d\":{");
        self.member(name);
        self.write_value(ty, cell);
        self.out.extend_from_slice(b"}}");
    }

    fn collection(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        match (ty, cell) {
            (Type::Collection(item), Cell::Text(json)) => {
                let json = parse(json);
                let items = if let Json::Array(items) = &json { items.as_slice() } else { &[] };
                self.out.extend_from_slice(if self.has_results() {
                    b"{\"d\":{\"results\":"
                } else {
                    &b"{\"d\":"[..]
                });
                self.items(item, items);
                self.out.extend_from_slice(if self.has_results() { b"}}" } else { b"}" });
            }
            _ => self.value(name, ty, cell),
        }
    }

    fn links(&mut self, context: &LinksContext<'_>, urls: &[Vec<u8>], count: Option<u64>, next: Option<&str>) {
        let link = |out: &mut Vec<u8>, url: &[u8]| {
            comma(out);
            out.extend_from_slice(b"{\"uri\":");
            string_of(out, |out| out.extend_from_slice(url));
            out.push(b'}');
        };
        self.out.extend_from_slice(b"{\"d\":");
        if context.single || context.element {
            match urls.first() {
                Some(url) => link(&mut self.out, url),
                None => self.out.extend_from_slice(b"null"),
            }
        } else {
            self.begin_many();
            for url in urls {
                link(&mut self.out, url);
            }
            self.end_many(count, next);
        }
        self.out.push(b'}');
    }
}

/// Writes the wire form of a primitive in the dialect of a version (VJ-40, VJ-41): cells hold DateTimes without a zone, which count as
/// UTC, and DateTimeOffsets in UTC.
pub fn write_dated(version: Version, edm: Edm, cell: Cell<'_>, out: &mut Vec<u8>) {
    match (edm, cell) {
        (Edm::DateTime | Edm::DateTimeOffset, Cell::Text(date)) if version < Version::V3 => match text::text_to_ticks(date) {
            Some(ticks) => {
                out.extend_from_slice(b"\"\\/Date(");
                write_number((ticks - EPOCH).div_euclid(MILLISECOND), out);
                let end: &[u8] = if edm == Edm::DateTime { b")\\/\"" } else { b"+0000)\\/\"" };
                out.extend_from_slice(end);
            }
            None => out.extend_from_slice(b"null"),
        },
        (edm, cell) => write_primitive(edm, cell, out),
    }
}

#[cfg(test)]
mod tests;

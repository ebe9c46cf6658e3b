//! Atom and the XML of values and links, writing (ATM-1..ATM-32): one `Vec<u8>` that grows, nothing allocated for a cell.

pub mod mapping;
pub mod names;

mod mapped;
mod of_type;
mod value;

use std::ops::Range;

use super::context::{Context, LinksContext};
use super::format::{Entity, Feed, Inline, Render, Sink};
use super::json_tree::{self, Json};
use super::version::Version;
use super::xml_text::{XML_HEAD, write_attribute, write_text};
use crate::model::clock::SECOND;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::media::Media;
use crate::model::schema::{Navigation, Operation, Property, Type, TypeId};
use crate::model::text;
use mapping::Mapping;
use names::{DATA, EDIT_MEDIA, MEDIA_RESOURCE, METADATA, RELATED};
use of_type::OfType;

/// Declarations of the namespaces of data, after the default one.
const PREFIXES: &[u8] = b" xmlns:d=\"http://schemas.microsoft.com/ado/2007/08/dataservices\" \
    xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\" \
    xmlns:georss=\"http://www.georss.org/georss\" xmlns:gml=\"http://www.opengis.net/gml\"";

/// An Atom answer being written.
pub struct Atom<'a> {
    render: &'a Render<'a>,
    out: Vec<u8>,
    /// The service root, escaped.
    root: Vec<u8>,
    /// The time of the answer.
    now: String,
    /// What is the same for all entities of a type, for the types met so far.
    types: Vec<OfType>,
    /// Entities that are open, the outer one first.
    entities: Vec<Open>,
    /// Entities in each feed that is open.
    feeds: Vec<usize>,
}

/// An entity that is open.
struct Open {
    /// Index into `types`.
    of: usize,
    /// Where in the answer its edit link stands; it is repeated in every link. Empty without a set.
    edit: Range<usize>,
    /// Where its properties begin.
    properties: usize,
}

impl<'a> Atom<'a> {
    /// An empty answer.
    pub fn new(render: &'a Render<'a>) -> Atom<'a> {
        let mut root = Vec::new();
        write_attribute(render.root, &mut root);
        Atom {
            render,
            out: Vec::with_capacity(8192),
            root,
            now: text::ticks_to_text(render.now - render.now % SECOND),
            types: Vec::new(),
            entities: Vec::new(),
            feeds: Vec::new(),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Begins the root element of an answer (ATM-1).
    fn begin_root(&mut self, name: &str) {
        self.put(XML_HEAD);
        self.put(b"<");
        self.put(name.as_bytes());
        self.put(b" xml:base=\"");
        self.out.extend_from_slice(&self.root);
        self.put(b"\" xmlns=\"http://www.w3.org/2005/Atom\"");
        self.put(PREFIXES);
    }

    /// ` name="value"`
    fn attribute(&mut self, name: &str, value: &str) {
        self.put(b" ");
        self.put(name.as_bytes());
        self.put(b"=\"");
        write_attribute(value, &mut self.out);
        self.put(b"\"");
    }

    fn write_now(&mut self) {
        text::write(Edm::DateTimeOffset, Cell::Text(&self.now), &mut self.out);
    }

    /// `id`, `title`, `updated` and self link of a feed; `path` is relative to the root (ATM-20).
    fn begin_any_feed(&mut self, title: &str, path: &str, count: Option<u64>) {
        self.put(b"<id>");
        self.out.extend_from_slice(&self.root);
        write_text(path, &mut self.out);
        self.put(b"</id><title type=\"text\">");
        write_text(title, &mut self.out);
        self.put(b"</title><updated>");
        self.write_now();
        self.put(b"</updated><link rel=\"self\"");
        self.attribute("title", title);
        self.attribute("href", path);
        self.put(b"/>");
        if let Some(count) = count {
            self.put(b"<m:count>");
            text::write(Edm::Int64, Cell::Integer(count.try_into().unwrap_or(i64::MAX)), &mut self.out);
            self.put(b"</m:count>");
        }
        self.feeds.push(0);
    }

    fn end_any_feed(&mut self, next: Option<&str>) {
        if self.feeds.pop() == Some(0) {
            self.put(b"<author><name/></author>");
        }
        if let Some(next) = next {
            self.put(b"<link rel=\"next\"");
            self.attribute("href", next);
            self.put(b"/>");
        }
        self.put(b"</feed>");
    }

    /// What is the same for all entities of the type: found or made.
    fn of_type(&mut self, ty: TypeId) -> usize {
        if let Some(known) = self.types.iter().position(|known| known.ty == ty) {
            return known;
        }
        self.types.push(OfType::new(self.render, ty));
        self.types.len() - 1
    }

    /// `<edit link>/<name>` of the entity that is open; false if it has none, and nothing is written then.
    fn href_below(&mut self, name: &str) -> bool {
        let Some(edit) = self.entities.last().map(|open| open.edit.clone()).filter(|edit| !edit.is_empty()) else {
            return false;
        };
        self.put(b" href=\"");
        self.out.extend_from_within(edit);
        self.put(b"/");
        self.put(name.as_bytes());
        self.put(b"\"");
        true
    }

    /// A link to a navigation, its start tag open (ATM-8).
    fn begin_link(&mut self, navigation: &Navigation) {
        self.put(b"<link rel=\"");
        self.put(RELATED.as_bytes());
        self.put(navigation.name.as_bytes());
        self.put(match navigation.is_many() {
            true => b"\" type=\"application/atom+xml;type=feed\" title=\"",
            false => b"\" type=\"application/atom+xml;type=entry\" title=\"",
        });
        self.put(navigation.name.as_bytes());
        self.put(b"\"");
        self.href_below(&navigation.name);
    }

    /// Type and ETag of a stream's link, where they are known (ATM-15, WR-72).
    fn media_attributes(&mut self, media: Option<&Media>, with_tag: bool) {
        if let Some(media) = media {
            self.attribute("type", &media.content_type);
            if with_tag {
                self.attribute("m:etag", &media.etag());
            }
        }
    }

    /// The media link, and the content that stands outside of the entry (ATM-11).
    fn media(&mut self, entity: &Entity<'_>) {
        let media = entity.media();
        self.put(b"<link rel=\"edit-media\"");
        self.attribute("title", &entity.entity_type().name);
        self.href_below("$value");
        if let Some(media) = &media {
            self.attribute("m:etag", &media.etag());
        }
        self.put(b"/><content");
        self.media_attributes(media.as_ref(), false);
        if let Some(edit) = self.entities.last().map(|open| open.edit.clone()) {
            self.put(b" src=\"");
            self.out.extend_from_within(edit);
            self.put(b"/$value\"");
        }
        self.put(b"/>");
    }

    /// Begins the root element of a value (ATM-30).
    fn begin_value(&mut self, name: &str) {
        self.put(XML_HEAD);
        value::open(name, &mut self.out);
        self.put(PREFIXES);
    }
}

impl Sink for Atom<'_> {
    fn finish(self: Box<Self>) -> Vec<u8> {
        self.out
    }

    fn inline_first(&self) -> bool {
        true
    }

    fn begin_feed(&mut self, feed: &Feed<'_>) {
        self.begin_root("feed");
        self.put(b">");
        let path = self
            .render
            .url
            .strip_prefix(self.render.root)
            .unwrap_or_default()
            .trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        let title = last.split('(').next().unwrap_or_default();
        self.begin_any_feed(title, path, feed.count);
    }

    fn end_feed(&mut self, feed: &Feed<'_>) {
        self.end_any_feed(feed.next);
    }

    fn begin_entity(&mut self, entity: &Entity<'_>, _expected: TypeId, context: Option<&Context<'_>>) {
        match context {
            Some(_) => self.begin_root("entry"),
            None => self.put(b"<entry"),
        }
        if let Some(entries) = self.feeds.last_mut() {
            *entries += 1;
        }
        if let Some(etag) = entity.etag() {
            self.attribute("m:etag", &etag);
        }
        self.put(b"><id>");
        let of = self.of_type(entity.ty);
        let mut edit = 0..0;
        if entity.set().is_some() {
            self.out.extend_from_slice(&self.root);
            let start = self.out.len();
            entity.write_path(&mut self.out);
            let path = start..self.out.len();
            self.out.extend_from_slice(&self.types[of].head);
            self.put(b"<link rel=\"edit\" title=\"");
            self.put(entity.entity_type().name.as_bytes());
            self.put(b"\" href=\"");
            let start = self.out.len();
            self.out.extend_from_within(path);
            entity.write_type_segment(&mut self.out);
            edit = start..self.out.len();
            self.put(b"\"/>");
        } else {
            self.out.extend_from_slice(&self.types[of].head);
        }
        self.entities.push(Open { of, edit, properties: 0 });
    }

    fn begin_properties(&mut self, entity: &Entity<'_>) {
        let Some(of) = self.entities.last().and_then(|open| self.types.get(open.of)) else {
            return;
        };
        let (out, now) = (&mut self.out, self.now.as_str());
        let time = match of.modified.map(|index| entity.cell(index)) {
            Some(Cell::Text(time)) => time,
            _ => now,
        };
        let write_time = |out: &mut Vec<u8>| text::write(Edm::DateTimeOffset, Cell::Text(time), out);
        if of.mappings.is_empty() {
            out.extend_from_slice(b"<title/><updated>");
            write_time(out);
            out.extend_from_slice(b"</updated><author><name/></author>");
        } else {
            mapped::write_atom(&of.mappings, &|mapping| value_of(entity, mapping), &write_time, out);
        }
        if entity.entity_type().has_stream {
            self.media(entity);
        } else {
            self.put(b"<content type=\"application/xml\">");
        }
        self.put(b"<m:properties>");
        if let Some(open) = self.entities.last_mut() {
            open.properties = self.out.len();
        }
    }

    fn end_entity(&mut self, entity: &Entity<'_>) {
        let Some(open) = self.entities.pop() else { return };
        let is_empty = self.out.len() == open.properties;
        if is_empty {
            // `<m:properties>` without a property becomes `<m:properties/>`.
            self.out.pop();
            self.put(b"/>");
        } else {
            self.put(b"</m:properties>");
        }
        if !entity.entity_type().has_stream {
            self.put(b"</content>");
        }
        let mappings = &self.types[open.of].mappings;
        if !mappings.is_empty() {
            mapped::write_own(mappings, &|mapping| value_of(entity, mapping), &mut self.out);
        }
        self.put(b"</entry>");
    }

    fn link(&mut self, entity: &Entity<'_>, navigation: &Navigation) {
        if entity.set().is_some() {
            self.begin_link(navigation);
            self.put(b"/>");
        }
    }

    fn stream(&mut self, entity: &Entity<'_>, property: &Property) {
        let media = entity.stream(property);
        for (rel, with_tag) in [(MEDIA_RESOURCE, false), (EDIT_MEDIA, true)] {
            self.put(b"<link rel=\"");
            self.put(rel.as_bytes());
            self.put(property.name.as_bytes());
            self.put(b"\"");
            self.media_attributes(media.as_ref(), with_tag);
            self.attribute("title", &property.name);
            self.href_below(&property.name);
            self.put(b"/>");
        }
    }

    fn advertises(&self, _operation: &Operation) -> bool {
        self.render.version >= Version::V3
    }

    fn operation(&mut self, entity: &Entity<'_>, operation: &Operation) {
        if entity.set().is_none() {
            return;
        }
        let element: &[u8] = match operation.side_effecting {
            Some(false) => b"<m:function metadata=\"",
            _ => b"<m:action metadata=\"",
        };
        self.put(element);
        self.out.extend_from_slice(&self.root);
        self.put(b"$metadata#");
        let container = self.render.schema.endpoints[self.render.endpoint]
            .containers
            .get(operation.container);
        if let Some(container) = container {
            self.put(container.name.as_bytes());
            self.put(b".");
        }
        self.put(operation.name.as_bytes());
        self.put(b"\"");
        self.attribute("title", &operation.name);
        let mut target = Vec::new();
        entity.write_target(operation, &mut target);
        self.attribute("target", &String::from_utf8_lossy(&target));
        self.put(b"/>");
    }

    fn property(&mut self, property: &Property, cell: Cell<'_>) {
        let of = self.entities.last().and_then(|open| self.types.get(open.of));
        let schema = self.render.schema;
        let (ty, out) = (&property.ty, &mut self.out);
        match of.filter(|of| !of.mappings.is_empty()) {
            None => value::write_element(schema, &property.name, ty, cell, &[], out),
            Some(of) => {
                let entity_type = &schema.types[of.ty];
                if cell.is_null() || !of.hides(entity_type, property) {
                    let hidden: Vec<&[String]> = of.hidden(entity_type, property).collect();
                    value::write_element(schema, &property.name, ty, cell, &hidden, out);
                }
            }
        }
    }

    fn dynamic(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        value::write_element(self.render.schema, name, ty, cell, &[], &mut self.out);
    }

    fn begin_inline(&mut self, _entity: &Entity<'_>, navigation: &Navigation, inline: &Inline<'_>) {
        self.begin_link(navigation);
        match inline {
            Inline::Null => self.put(b"><m:inline/>"),
            Inline::One => self.put(b"><m:inline>"),
            Inline::Many(feed) => {
                self.put(b"><m:inline><feed>");
                let edit = self.entities.last().map_or(0..0, |open| open.edit.clone());
                let path = String::from_utf8_lossy(&self.out[edit]).into_owned();
                self.begin_any_feed(&navigation.name, &format!("{path}/{}", navigation.name), feed.count);
            }
        }
    }

    fn end_inline(&mut self, inline: &Inline<'_>) {
        match inline {
            Inline::Null => {}
            Inline::One => self.put(b"</m:inline>"),
            Inline::Many(feed) => {
                self.end_any_feed(feed.next);
                self.put(b"</m:inline>");
            }
        }
        self.put(b"</link>");
    }

    fn value(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        self.begin_value(name);
        value::write_rest(self.render.schema, name, ty, cell, &[], &mut self.out);
    }

    fn collection(&mut self, name: &str, ty: &Type, cell: Cell<'_>) {
        let (Type::Collection(item), Cell::Text(json)) = (ty, cell) else {
            return self.value(name, ty, cell);
        };
        self.begin_value(name);
        self.put(b">");
        if let Ok(Json::Array(items)) = json_tree::parse(json.as_bytes()) {
            value::write_items(self.render.schema, item, &items, true, &mut self.out);
        }
        value::close(name, &mut self.out);
    }

    fn links(&mut self, context: &LinksContext<'_>, urls: &[Vec<u8>], count: Option<u64>, next: Option<&str>) {
        let is_one = context.single || context.element;
        self.put(XML_HEAD);
        self.put(if is_one { b"<uri" } else { b"<links" });
        self.attribute("xmlns", DATA);
        if !is_one && count.is_some() {
            self.attribute("xmlns:m", METADATA);
        }
        self.put(b">");
        let url = |url: &[u8], out: &mut Vec<u8>| write_text(&String::from_utf8_lossy(url), out);
        if is_one {
            url(urls.first().map_or(b"", Vec::as_slice), &mut self.out);
            return self.put(b"</uri>");
        }
        if let Some(count) = count {
            self.put(format!("<m:count>{count}</m:count>").as_bytes());
        }
        for link in urls {
            self.put(b"<uri>");
            url(link, &mut self.out);
            self.put(b"</uri>");
        }
        if let Some(next) = next {
            self.put(b"<next>");
            write_text(next, &mut self.out);
            self.put(b"</next>");
        }
        self.put(b"</links>");
    }
}

/// The value of a mapping in an entity; none where it is null.
fn value_of(entity: &Entity<'_>, mapping: &Mapping) -> Option<Value> {
    Some(mapping.value(entity.cell(mapping.property))).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests;

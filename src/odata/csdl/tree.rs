//! A small tree of a document's elements, with namespaces resolved. Bounded in bytes and depth; a document type
//! declaration is refused, so there are no entities to expand.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::{ANNOTATION_NAMESPACE, EDM_NAMESPACES, EDMX_NAMESPACE, METADATA_NAMESPACE};
use crate::model::fault::{BAD_BODY, Fault, Outcome};
use crate::model::limits::{SCHEMA_BYTES, SCHEMA_DEPTH};

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Space {
    None,
    /// Index into [`EDM_NAMESPACES`].
    Edm(usize),
    Edmx,
    Metadata,
    Annotation,
    Foreign,
}

/// An element.
#[derive(Debug)]
pub(super) struct Node {
    pub space: Space,
    /// Local name.
    pub name: String,
    /// Byte position behind the start tag.
    pub position: usize,
    pub attributes: Vec<NodeAttribute>,
    pub children: Vec<Node>,
}

/// An attribute; namespace declarations are none.
#[derive(Debug)]
pub(super) struct NodeAttribute {
    pub space: Space,
    /// Local name.
    pub name: String,
    /// As written, with its prefix.
    pub written: String,
    pub value: String,
}

impl Node {
    /// The name if it is one of CSDL's own elements.
    pub fn edm(&self) -> Option<&str> {
        matches!(self.space, Space::Edm(_)).then_some(self.name.as_str())
    }
}

/// Reads the root element.
pub(super) fn parse(document: &[u8]) -> Outcome<Node> {
    if document.len() > SCHEMA_BYTES {
        return Err(Fault::new(&BAD_BODY, format!("The document is longer than {SCHEMA_BYTES} bytes.")));
    }
    let text =
        std::str::from_utf8(document).map_err(|error| Fault::new(&BAD_BODY, "The document is not UTF-8.").at(error.valid_up_to()))?;
    let content = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = text.len() - content.len();
    let mut reader = NsReader::from_str(content);
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event();
        let position = mark + position(&reader);
        let closed = match event.map_err(|error| malformed(error, position))? {
            Event::Start(_) if open.len() >= SCHEMA_DEPTH => {
                return Err(Fault::new(&BAD_BODY, format!("Elements are nested deeper than {SCHEMA_DEPTH}.")).at(position));
            }
            Event::Start(start) => {
                open.push(node(&reader, &start, position)?);
                None
            }
            Event::Empty(start) => Some(node(&reader, &start, position)?),
            Event::End(_) => open.pop(),
            Event::DocType(_) => return Err(Fault::new(&BAD_BODY, "A document type declaration is not taken.").at(position)),
            Event::Eof => break,
            _ => None,
        };
        let Some(closed) = closed else { continue };
        match open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None if root.is_none() => root = Some(closed),
            None => return Err(Fault::new(&BAD_BODY, "There is a second root element.").at(position)),
        }
    }
    if let Some(unclosed) = open.last() {
        return Err(Fault::new(&BAD_BODY, format!("The element {} is not closed.", unclosed.name)).at(unclosed.position));
    }
    root.ok_or_else(|| Fault::new(&BAD_BODY, "There is no XML element in the document."))
}

fn node(reader: &NsReader<&[u8]>, start: &BytesStart<'_>, position: usize) -> Outcome<Node> {
    let (space, local) = reader.resolver().resolve_element(start.name());
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| malformed(error, position))?;
        let written: &str = attribute.key.as_ref();
        if written == "xmlns" || written.starts_with("xmlns:") {
            continue;
        }
        let (space, local) = reader.resolver().resolve_attribute(attribute.key);
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| malformed(error, position))?;
        attributes.push(NodeAttribute {
            space: classify(space, position)?,
            name: local.into_inner().to_owned(),
            written: written.to_owned(),
            value: value.into_owned(),
        });
    }
    Ok(Node {
        space: classify(space, position)?,
        name: local.into_inner().to_owned(),
        position,
        attributes,
        children: Vec::new(),
    })
}

fn classify(space: ResolveResult<'_>, position: usize) -> Outcome<Space> {
    Ok(match space {
        ResolveResult::Unbound => Space::None,
        ResolveResult::Bound(Namespace(EDMX_NAMESPACE)) => Space::Edmx,
        ResolveResult::Bound(Namespace(METADATA_NAMESPACE)) => Space::Metadata,
        ResolveResult::Bound(Namespace(ANNOTATION_NAMESPACE)) => Space::Annotation,
        ResolveResult::Bound(Namespace(other)) => match EDM_NAMESPACES.iter().position(|&edm| edm == other) {
            Some(index) => Space::Edm(index),
            None => Space::Foreign,
        },
        ResolveResult::Unknown(prefix) => {
            return Err(Fault::new(&BAD_BODY, format!("The prefix {prefix} has no namespace.")).at(position));
        }
    })
}

fn position(reader: &NsReader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(SCHEMA_BYTES)
}

fn malformed(error: impl std::fmt::Display, position: usize) -> Fault {
    Fault::new(&BAD_BODY, format!("The document is not well-formed XML: {error}.")).at(position)
}

//! XML bodies as a tree with namespaces resolved. Hardened (ATM-44): no document type declaration, no entities but the five of XML and
//! character references; depth, elements and attributes are bounded.

use std::borrow::Cow;
use std::rc::Rc;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::gml;
use super::xml_text::{write_attribute, write_text};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BODY_DEPTH, XML_ATTRIBUTES, XML_NODES};

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// Shared by all elements of a document that are in it.
    pub namespace: Option<Rc<str>>,
    /// Local name.
    pub name: String,
    /// Namespace, local name, value. Declarations of namespaces are not among them.
    pub attributes: Vec<(Option<Rc<str>>, String, String)>,
    /// In the order of the document; adjacent text is one node.
    pub children: Vec<Node>,
}

/// What is in an element. Comments and processing instructions are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    /// Whether it has this name in this namespace.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.is_in(namespace)
    }

    /// Whether it is in a namespace.
    pub fn is_in(&self, namespace: &str) -> bool {
        self.namespace.as_deref() == Some(namespace)
    }

    /// The value of an attribute; `""` is no namespace.
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self
            .attributes
            .iter()
            .find(|(space, local, _)| local == name && space.as_deref().unwrap_or_default() == namespace);
        found.map(|(_, _, value)| value.as_str())
    }

    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element in it with this name.
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.is(namespace, name))
    }

    /// The text directly in it.
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        let first = texts.next().unwrap_or_default();
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }
}

impl gml::Element for Element {
    fn name(&self) -> (Option<&str>, &str) {
        (self.namespace.as_deref(), &self.name)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(_, local, _)| local == name);
        found.map(|(_, _, value)| value.as_str())
    }

    fn elements(&self) -> impl Iterator<Item = &Self> {
        Element::elements(self)
    }

    fn text(&self) -> String {
        Element::text(self).into_owned()
    }
}

/// Writes an element as a document of its own. Attributes of other namespaces than that of XML itself are left out. The depth is that
/// of the tree, which its parser bounds.
pub fn write(element: &Element, around: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(element.name.as_bytes());
    let namespace = element.namespace.as_deref();
    if namespace != around {
        out.extend_from_slice(b" xmlns=\"");
        write_attribute(namespace.unwrap_or_default(), out);
        out.push(b'"');
    }
    for (space, name, value) in &element.attributes {
        let prefix = match space.as_deref() {
            None => "",
            Some("http://www.w3.org/XML/1998/namespace") => "xml:",
            Some(_) => continue,
        };
        out.extend_from_slice(format!(" {prefix}{name}=\"").as_bytes());
        write_attribute(value, out);
        out.push(b'"');
    }
    out.push(b'>');
    for node in &element.children {
        match node {
            Node::Element(inner) => write(inner, namespace, out),
            Node::Text(text) => write_text(text, out),
        }
    }
    out.extend_from_slice(b"</");
    out.extend_from_slice(element.name.as_bytes());
    out.push(b'>');
}

/// Reads one document in UTF-8, with or without byte order mark (CON-9). Faults are `bad_body` with the byte position, and
/// `limit_exceeded`.
pub fn parse(bytes: &[u8]) -> Outcome<Element> {
    let skipped = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let text = std::str::from_utf8(&bytes[skipped..])
        .map_err(|error| Fault::new(&fault::BAD_BODY, "The body is not UTF-8.").at(skipped + error.valid_up_to()))?;
    let mut tree = Tree {
        reader: NsReader::from_str(text),
        open: Vec::new(),
        root: None,
        spaces: Vec::new(),
        nodes: 0,
    };
    loop {
        match tree.step() {
            Ok(true) => {}
            Ok(false) => {
                return tree
                    .root
                    .ok_or_else(|| Fault::new(&fault::BAD_BODY, "The body has no XML element."));
            }
            Err(fault) => {
                let position = usize::try_from(tree.reader.buffer_position()).unwrap_or_default();
                return Err(fault.at(skipped + position.min(text.len())));
            }
        }
    }
}

struct Tree<'a> {
    reader: NsReader<&'a [u8]>,
    open: Vec<Element>,
    root: Option<Element>,
    /// Namespaces met so far.
    spaces: Vec<Rc<str>>,
    /// Elements and attributes so far.
    nodes: usize,
}

impl Tree<'_> {
    /// Takes the next event; false at the end of the document.
    fn step(&mut self) -> Outcome<bool> {
        match self.reader.read_event().map_err(malformed)? {
            Event::Start(start) => {
                if self.open.len() >= BODY_DEPTH {
                    return Err(too_large(format!("The body nests deeper than {BODY_DEPTH} levels.")));
                }
                let element = self.element(&start)?;
                self.open.push(element);
            }
            Event::Empty(start) => {
                let element = self.element(&start)?;
                self.close(element)?;
            }
            Event::End(_) => {
                if let Some(element) = self.open.pop() {
                    self.close(element)?;
                }
            }
            Event::Text(text) => self.text(&text.xml10_content())?,
            Event::CData(text) => self.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => self.reference(&reference)?,
            Event::DocType(_) => return Err(bad_body("A document type declaration is not taken.")),
            Event::Eof if self.open.is_empty() => return Ok(false),
            Event::Eof => return Err(bad_body("The body ends inside an element.")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
        Ok(true)
    }

    fn close(&mut self, element: Element) -> Outcome<()> {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None if self.root.is_none() => self.root = Some(element),
            None => return Err(bad_body("There is a second root element.")),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Outcome<()> {
        match self.open.last_mut() {
            Some(element) => match element.children.last_mut() {
                Some(Node::Text(before)) => before.push_str(text),
                _ => element.children.push(Node::Text(text.to_owned())),
            },
            None if text.trim_ascii().is_empty() => {}
            None => return Err(bad_body("There is text outside of the root element.")),
        }
        Ok(())
    }

    /// `&lt;`, `&#10;`.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Outcome<()> {
        if let Some(c) = reference.resolve_char_ref().map_err(malformed)? {
            return self.text(c.encode_utf8(&mut [0; 4]));
        }
        match resolve_predefined_entity(reference) {
            Some(text) => self.text(text),
            None => Err(bad_body("Entities other than those of XML itself are not taken.")),
        }
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Outcome<Element> {
        self.count()?;
        let (space, local) = self.reader.resolver().resolve_element(start.name());
        let mut element = Element {
            namespace: space_of(&mut self.spaces, space)?,
            name: local.into_inner().to_owned(),
            ..Element::default()
        };
        // The bound stands before the checks: those compare each attribute with all before it.
        for (index, attribute) in start.attributes().enumerate() {
            if index >= XML_ATTRIBUTES {
                return Err(too_large(format!("An element has more than {XML_ATTRIBUTES} attributes.")));
            }
            self.count()?;
            let attribute = attribute.map_err(malformed)?;
            let written: &str = attribute.key.as_ref();
            if written == "xmlns" || written.starts_with("xmlns:") {
                continue;
            }
            let (space, local) = self.reader.resolver().resolve_attribute(attribute.key);
            let space = space_of(&mut self.spaces, space)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(malformed)?;
            element.attributes.push((space, local.into_inner().to_owned(), value.into_owned()));
        }
        Ok(element)
    }

    fn count(&mut self) -> Outcome<()> {
        self.nodes += 1;
        if self.nodes > XML_NODES {
            return Err(too_large(format!("The body has more than {XML_NODES} elements and attributes.")));
        }
        Ok(())
    }
}

/// The shared name of a namespace.
fn space_of(spaces: &mut Vec<Rc<str>>, space: ResolveResult<'_>) -> Outcome<Option<Rc<str>>> {
    let name = match space {
        ResolveResult::Unbound => return Ok(None),
        ResolveResult::Bound(namespace) => namespace.into_inner(),
        ResolveResult::Unknown(prefix) => return Err(bad_body(format!("The prefix {prefix} has no namespace."))),
    };
    // Only the last few are looked through: a document of many namespaces must not cost the square of its size.
    if let Some(known) = spaces.iter().rev().take(16).find(|known| known.as_ref() == name) {
        return Ok(Some(Rc::clone(known)));
    }
    let name: Rc<str> = Rc::from(name);
    spaces.push(Rc::clone(&name));
    Ok(Some(name))
}

fn malformed(error: impl std::fmt::Display) -> Fault {
    bad_body(format!("The body is not well-formed XML: {error}."))
}

fn bad_body(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(&fault::BAD_BODY, message)
}

fn too_large(message: String) -> Fault {
    Fault::new(&fault::TOO_LARGE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Option<&'static str> {
        parse(text.as_bytes()).err().map(|fault| fault.kind.code)
    }

    #[test]
    fn a_document_becomes_a_tree() {
        let root = parse(
            b"\xEF\xBB\xBF<?xml version='1.0'?><!-- c --><a xmlns='u:a' xmlns:p='u:p' p:x='1&amp;2\n3' y='&#65;'>t<!-- c -->&lt;<![CDATA[<&]]>\r\n&#x20AC;<p:b/>u<c xmlns=''/></a> \n",
        )
        .unwrap();
        assert!(root.is("u:a", "a") && !root.is("u:p", "a"));
        assert_eq!((root.attribute("u:p", "x"), root.attribute("", "y")), (Some("1&2 3"), Some("A")));
        assert_eq!((root.attribute("", "x"), root.attribute("u:a", "y")), (None, None));
        assert_eq!(root.text(), "t<<&\n€u");
        assert_eq!(root.children.len(), 4);
        assert!(root.child("u:p", "b").is_some() && root.child("u:a", "c").is_none());
        assert_eq!(root.elements().last().unwrap().namespace, None);
        // Beyond XML's own characters, which this side takes in references.
        assert_eq!(parse(b"<a>&#1;</a>").unwrap().text(), "\u{1}");
    }

    #[test]
    fn written_again() {
        for (text, written) in [
            ("<a/>", "<a></a>"),
            (
                "<p:a xmlns:p='u' x='&lt;' p:y='' xml:lang='de'>t&amp;<p:b/><c/></p:a>",
                "<a xmlns=\"u\" x=\"&lt;\" xml:lang=\"de\">t&amp;<b></b><c xmlns=\"\"></c></a>",
            ),
        ] {
            let mut out = Vec::new();
            write(&parse(text.as_bytes()).unwrap(), None, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    #[test]
    fn what_is_not_taken() {
        for (text, code) in [
            ("", "bad_body"),
            ("x", "bad_body"),
            ("<a>", "bad_body"),
            ("<a></b>", "bad_body"),
            ("</a>", "bad_body"),
            ("<a/><b/>", "bad_body"),
            ("<a/>x", "bad_body"),
            ("x<a/>", "bad_body"),
            ("<a", "bad_body"),
            ("<p:a/>", "bad_body"),
            ("<a p:x='1'/>", "bad_body"),
            ("<a x='1' x='2'/>", "bad_body"),
            ("<a x=1/>", "bad_body"),
            ("<a>&nbsp;</a>", "bad_body"),
            ("<a>&#0;</a>", "bad_body"),
            ("<a>& b</a>", "bad_body"),
            ("<a x='&e;'/>", "bad_body"),
            ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "bad_body"),
            ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "bad_body"),
            ("<a/>&e;", "bad_body"),
        ] {
            assert_eq!(faults(text), Some(code), "{text}");
        }
        assert_eq!(parse(b"<a>\xFF</a>").unwrap_err().position, Some(3));
        assert_eq!(parse(b"<a><b></a>").unwrap_err().kind.code, "bad_body");
    }

    #[test]
    fn limits() {
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(
            (faults(&deep(BODY_DEPTH)), faults(&deep(BODY_DEPTH + 1))),
            (None, Some("limit_exceeded"))
        );
        let many = |nodes: usize| format!("<a>{}</a>", "<b/>".repeat(nodes - 1));
        assert_eq!(
            (faults(&many(XML_NODES)), faults(&many(XML_NODES + 1))),
            (None, Some("limit_exceeded"))
        );
        let wide = |count: usize| format!("<a {}/>", (0..count).map(|i| format!("a{i}='' ")).collect::<String>());
        assert_eq!(
            (faults(&wide(XML_ATTRIBUTES)), faults(&wide(XML_ATTRIBUTES + 1))),
            (None, Some("limit_exceeded"))
        );
    }
}

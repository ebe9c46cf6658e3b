//! Mapped values (MET-54): what stands outside of the content is put where it would stand inside, unless something stands there.
//!
//! Atom demands `title`, `updated` and `author`, so clients write them empty that have nothing to say there: an empty element of Atom
//! is no value.

use std::rc::Rc;

use crate::odata::atom::mapping::{Mapping, Own, Target};
use crate::odata::atom::names::{ATOM, DATA};
use crate::odata::xml_tree::{self, Element, Node};

/// The text of a mapping in an entry, if it is there.
pub fn text(entry: &Element, mapping: &Mapping) -> Option<String> {
    match &mapping.target {
        Target::Atom(names) => {
            let element = names.iter().try_fold(entry, |element, name| element.child(ATOM, name))?;
            Some(content(element)).filter(|text| !text.is_empty())
        }
        Target::Own(own) => of_own(entry, own),
    }
}

/// Several elements may have the name: the value is in the first that has it.
fn of_own(element: &Element, own: &Own) -> Option<String> {
    fn find(element: &Element, own: &Own, depth: usize) -> Option<String> {
        let Some(name) = own.elements.get(depth) else {
            return match &own.attribute {
                Some(attribute) => element.attribute(&own.namespace, attribute).map(str::to_owned),
                None => Some(element.text().into_owned()),
            };
        };
        let mut inside = element.elements().filter(|element| element.is(&own.namespace, name));
        inside.find_map(|element| find(element, own, depth + 1))
    }
    find(element, own, 0)
}

/// The text of an element; markup in it as text.
fn content(element: &Element) -> String {
    let mut elements = element.elements();
    match elements.next() {
        None => element.text().into_owned(),
        Some(first) => {
            let mut out = Vec::new();
            xml_tree::write(first, None, &mut out);
            elements.for_each(|other| xml_tree::write(other, None, &mut out));
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

/// Puts a text into `m:properties`, at a property or at a member inside of it. What is there already stays.
pub fn insert(properties: &mut Element, property: &str, path: &[String], text: String) {
    let mut at = properties;
    let names: Vec<&str> = std::iter::once(property).chain(path.iter().map(String::as_str)).collect();
    for (index, name) in names.iter().enumerate() {
        let known = at
            .children
            .iter()
            .position(|node| matches!(node, Node::Element(element) if element.is(DATA, name)));
        let is_last = index + 1 == names.len();
        let position = match known {
            Some(_) if is_last => return,
            Some(position) => position,
            None => {
                at.children.push(Node::Element(Element {
                    namespace: Some(Rc::from(DATA)),
                    name: (*name).to_owned(),
                    ..Element::default()
                }));
                at.children.len() - 1
            }
        };
        let Some(Node::Element(inner)) = at.children.get_mut(position) else {
            return;
        };
        at = inner;
    }
    at.children.push(Node::Text(text));
}

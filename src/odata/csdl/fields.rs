//! The attributes of an element, taken one by one.

use super::tree::{Node, Space};
use crate::model::fault::{BAD_BODY, Fault, Outcome};
use crate::model::schema::{Attribute, Facets};

/// The attributes of an element, and which of them were asked for.
pub(super) struct Fields<'n> {
    pub node: &'n Node,
    pub used: Vec<bool>,
}

impl<'n> Fields<'n> {
    pub fn of(node: &'n Node) -> Fields<'n> {
        Fields {
            node,
            used: vec![false; node.attributes.len()],
        }
    }

    fn take(&mut self, space: Space, name: &str) -> Option<String> {
        let index = self
            .node
            .attributes
            .iter()
            .position(|attribute| attribute.space == space && attribute.name == name)?;
        self.used[index] = true;
        Some(self.node.attributes[index].value.clone())
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.take(Space::None, name)
    }

    pub fn meta(&mut self, name: &str) -> Option<String> {
        self.take(Space::Metadata, name)
    }

    pub fn required(&mut self, name: &str) -> Outcome<String> {
        match self.text(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(Fault::new(&BAD_BODY, format!("The element {} has no attribute {name}.", self.node.name)).at(self.node.position)),
        }
    }

    pub fn flag(&mut self, name: &str) -> Outcome<Option<bool>> {
        let value = self.text(name);
        self.boolean(name, value)
    }

    pub fn meta_flag(&mut self, name: &str) -> Outcome<Option<bool>> {
        let value = self.meta(name);
        self.boolean(name, value)
    }

    fn boolean(&self, name: &str, value: Option<String>) -> Outcome<Option<bool>> {
        value
            .map(|value| match value.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err(self.bad(name, &value)),
            })
            .transpose()
    }

    fn number(&mut self, name: &str) -> Outcome<Option<u32>> {
        self.text(name)
            .map(|value| value.parse().map_err(|_| self.bad(name, &value)))
            .transpose()
    }

    pub fn facets(&mut self) -> Outcome<Facets> {
        let max_length = match self.text("MaxLength").as_deref() {
            None => None,
            Some("Max" | "max") => Some(None),
            Some(value) => Some(Some(value.parse().map_err(|_| self.bad("MaxLength", value))?)),
        };
        Ok(Facets {
            max_length,
            fixed_length: self.flag("FixedLength")?,
            precision: self.number("Precision")?,
            scale: self.number("Scale")?,
            unicode: self.flag("Unicode")?,
            collation: self.text("Collation"),
            srid: self.text("SRID"),
            collection_kind: self.text("CollectionKind"),
            default_value: self.text("DefaultValue"),
        })
    }

    /// Every attribute of the two namespaces that was not asked for.
    pub fn foreign(&mut self) -> Vec<Attribute> {
        let mut found = Vec::new();
        for (attribute, used) in self.node.attributes.iter().zip(&mut self.used) {
            let prefix = match attribute.space {
                Space::Metadata => "m",
                Space::Annotation => "annotation",
                _ => continue,
            };
            if !*used {
                *used = true;
                found.push(Attribute {
                    name: format!("{prefix}:{}", attribute.name),
                    value: attribute.value.clone(),
                });
            }
        }
        found
    }

    pub fn bad(&self, name: &str, value: &str) -> Fault {
        Fault::new(
            &BAD_BODY,
            format!("The attribute {name} of the element {} is {value:?}.", self.node.name),
        )
        .at(self.node.position)
    }
}

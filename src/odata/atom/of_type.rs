//! What is the same for all entities of a type in one answer.

use super::mapping::{self, Mapping};
use super::names::SCHEME;
use crate::model::schema::{EntityType, Property, TypeId};
use crate::odata::format::Render;
use crate::odata::xml_text::write_attribute;

/// The property of the frame that says when an entity last changed.
const MODIFIED: &str = "Modified";

/// One type.
pub struct OfType {
    /// The type.
    pub ty: TypeId,
    /// What stands between its `id` and its edit link: `category`.
    pub head: Vec<u8>,
    /// The property with the time of the last change.
    pub modified: Option<usize>,
    /// What has a place outside of the content.
    pub mappings: Vec<Mapping>,
}

impl OfType {
    /// Reads it off the schema.
    pub fn new(render: &Render<'_>, ty: TypeId) -> OfType {
        let schema = render.schema;
        let of = &schema.types[ty];
        let mut head = b"</id>".to_vec();
        if !render.untyped {
            head.extend_from_slice(b"<category term=\"");
            write_attribute(&of.qualified(), &mut head);
            head.extend_from_slice(b"\" scheme=\"");
            head.extend_from_slice(SCHEME.as_bytes());
            head.extend_from_slice(b"\"/>");
        }
        OfType {
            ty,
            head,
            modified: of.frame.then(|| of.property(MODIFIED)).flatten(),
            mappings: mapping::mappings(schema, ty),
        }
    }

    /// Whether a property is left out of the content, because all of it stands elsewhere.
    pub fn hides(&self, of: &EntityType, property: &Property) -> bool {
        self.hidden(of, property).any(<[String]>::is_empty)
    }

    /// Paths of what is left out of a property.
    pub fn hidden<'s>(&'s self, of: &'s EntityType, property: &'s Property) -> impl Iterator<Item = &'s [String]> {
        self.mappings
            .iter()
            .filter(|mapping| !mapping.keep && of.properties[mapping.property].name == property.name)
            .map(|mapping| mapping.path.as_slice())
    }
}

//! Feed customisation (MET-50..MET-54): which properties have a place of their own in an Atom entry, by the `m:FC_*` attributes of
//! the schema. Read once for a type.
//!
//! A mapping that makes no sense (no such property, an element that Atom does not have, no namespace for one's own) is none: the
//! property is in the content like all others.

use crate::model::edm::{Cell, Edm, Value};
use crate::model::schema::{Attribute, Property, Schema, Type, TypeId};
use crate::odata::canonical;

/// A property with a place outside of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Index in the type's properties.
    pub property: usize,
    /// Names of members, when the value is one inside a complex property.
    pub path: Vec<String>,
    /// What the value is.
    pub edm: Edm,
    /// Where it stands.
    pub target: Target,
    /// What Atom takes its text for.
    pub kind: TextKind,
    /// Whether it stands in the content too.
    pub keep: bool,
}

/// A place outside of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Elements of Atom, the outer one first (MET-51).
    Atom(&'static [&'static str]),
    /// Elements of one's own, the outer one first.
    Own(Own),
}

/// Elements of a namespace of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// `FC_NsUri`
    pub namespace: String,
    /// `FC_NsPrefix`
    pub prefix: String,
    /// Their names.
    pub elements: Vec<String>,
    /// The value is this attribute of the innermost.
    pub attribute: Option<String>,
}

/// `FC_ContentKind`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TextKind {
    Text,
    Html,
    Xhtml,
}

impl TextKind {
    /// As the attribute `type` has it.
    pub fn name(self) -> &'static str {
        match self {
            TextKind::Text => "text",
            TextKind::Html => "html",
            TextKind::Xhtml => "xhtml",
        }
    }
}

/// `FC_TargetPath`'s names of Atom elements.
const ATOM_TARGETS: &[(&str, &[&str])] = &[
    ("SyndicationAuthorEmail", &["author", "email"]),
    ("SyndicationAuthorName", &["author", "name"]),
    ("SyndicationAuthorUri", &["author", "uri"]),
    ("SyndicationContributorEmail", &["contributor", "email"]),
    ("SyndicationContributorName", &["contributor", "name"]),
    ("SyndicationContributorUri", &["contributor", "uri"]),
    ("SyndicationPublished", &["published"]),
    ("SyndicationRights", &["rights"]),
    ("SyndicationSummary", &["summary"]),
    ("SyndicationTitle", &["title"]),
    ("SyndicationUpdated", &["updated"]),
];

impl Mapping {
    /// The value of an entity, from the cell of its property.
    pub fn value(&self, cell: Cell<'_>) -> Value {
        match cell {
            Cell::Text(json) if !self.path.is_empty() => canonical::follow(json, &self.path, &Type::Primitive(self.edm)),
            _ if !self.path.is_empty() => Value::Null,
            cell => cell.to_value(),
        }
    }
}

/// Whether a property has a place outside of the content, so that it is needed whatever `$select` says (SEL-12).
pub fn is_mapped(schema: &Schema, ty: TypeId, property: &Property) -> bool {
    if property.attributes.iter().any(is_target) {
        return true;
    }
    let mut at = Some(ty);
    while let Some(ty) = at {
        let own = &schema.types[ty].attributes;
        let names_it = |attribute: &Attribute| {
            attribute.name.starts_with("m:FC_SourcePath") && attribute.value.split('/').next() == Some(property.name.as_str())
        };
        if own.iter().any(names_it) {
            return true;
        }
        at = schema.types[ty].base;
    }
    false
}

fn is_target(attribute: &Attribute) -> bool {
    attribute.name.starts_with("m:FC_TargetPath")
}

/// The mappings of a type with those that it inherits, base first; of two with one target the later one counts.
pub fn mappings(schema: &Schema, ty: TypeId) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    let mut add = |mapping: Option<Mapping>| {
        if let Some(mapping) = mapping {
            found.retain(|other| other.target != mapping.target);
            found.push(mapping);
        }
    };
    let of = &schema.types[ty];
    for (index, property) in of.properties.iter().enumerate() {
        for suffix in suffixes(&property.attributes) {
            let path = value(&property.attributes, "m:FC_SourcePath", suffix).unwrap_or_default();
            add(mapping(schema, ty, index, path, &property.attributes, suffix));
        }
    }
    let mut line = vec![ty];
    while let Some(base) = line.last().and_then(|&ty| schema.types[ty].base) {
        line.push(base);
    }
    for &owner in line.iter().rev() {
        let attributes = &schema.types[owner].attributes;
        for suffix in suffixes(attributes) {
            let source = value(attributes, "m:FC_SourcePath", suffix).unwrap_or_default();
            let (name, path) = source.split_once('/').unwrap_or((source, ""));
            if let Some(index) = of.property(name) {
                add(mapping(schema, ty, index, path, attributes, suffix));
            }
        }
    }
    found
}

/// What stands behind the names of one mapping's attributes: nothing, `_1`, `_2`.
fn suffixes(attributes: &[Attribute]) -> impl Iterator<Item = &str> {
    attributes
        .iter()
        .filter_map(|attribute| attribute.name.strip_prefix("m:FC_TargetPath"))
}

fn value<'a>(attributes: &'a [Attribute], name: &str, suffix: &str) -> Option<&'a str> {
    let found = attributes
        .iter()
        .find(|attribute| attribute.name.strip_prefix(name) == Some(suffix));
    found.map(|attribute| attribute.value.as_str())
}

fn mapping(schema: &Schema, ty: TypeId, index: usize, path: &str, attributes: &[Attribute], suffix: &str) -> Option<Mapping> {
    let property = &schema.types[ty].properties[index];
    let path: Vec<String> = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let mut at = &property.ty;
    for name in &path {
        let Type::Complex(id) = at else { return None };
        let member = schema.complex[*id].property(name)?;
        at = &schema.complex[*id].properties[member].ty;
    }
    let edm = at.primitive().filter(|edm| *edm != Edm::Stream && !edm.is_spatial())?;
    let get = |name: &str| value(attributes, name, suffix);
    let text = get("m:FC_TargetPath")?;
    let target = match ATOM_TARGETS.iter().find(|(name, _)| *name == text) {
        Some((_, elements)) => Target::Atom(elements),
        None => Target::Own(own(text, get("m:FC_NsUri")?, get("m:FC_NsPrefix"))?),
    };
    Some(Mapping {
        property: index,
        path,
        edm,
        target,
        kind: match get("m:FC_ContentKind") {
            Some("html") => TextKind::Html,
            Some("xhtml") => TextKind::Xhtml,
            _ => TextKind::Text,
        },
        keep: get("m:FC_KeepInContent") != Some("false"),
    })
}

/// `a/b/@c` in a namespace (MET-51).
fn own(path: &str, namespace: &str, prefix: Option<&str>) -> Option<Own> {
    let (elements, attribute) = match path.split_once("/@") {
        Some((elements, attribute)) => (elements, Some(attribute)),
        None => (path, None),
    };
    let is_prefix = |prefix: &&str| is_name(prefix) && !prefix.to_ascii_lowercase().starts_with("xml");
    let fits = !namespace.is_empty() && elements.split('/').all(is_name) && attribute.is_none_or(is_name);
    fits.then(|| Own {
        namespace: namespace.to_owned(),
        prefix: prefix.filter(is_prefix).unwrap_or("own").to_owned(),
        elements: elements.split('/').map(str::to_owned).collect(),
        attribute: attribute.map(str::to_owned),
    })
}

/// Whether it can be the local name of an element.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_alphabetic() || c == '_') && characters.all(|c| c.is_alphanumeric() || "-._".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::fixture::{shop, type_id};

    fn attributes(list: &[(&str, &str)]) -> Vec<Attribute> {
        let attribute = |&(name, value): &(&str, &str)| Attribute {
            name: format!("m:FC_{name}"),
            value: value.to_owned(),
        };
        list.iter().map(attribute).collect()
    }

    #[test]
    fn met_50_mappings_of_a_type_and_of_what_it_inherits() {
        let mut schema = shop();
        let (product, derived) = (type_id(&schema, "Product"), type_id(&schema, "DerivedProduct"));
        let address = schema.types[product].property("SupplierAddress").unwrap();
        for ty in [product, derived] {
            schema.types[ty].properties[1].attributes = attributes(&[("TargetPath", "SyndicationTitle"), ("ContentKind", "html")]);
            schema.types[ty].properties[address].attributes = attributes(&[
                ("SourcePath", "City"),
                ("TargetPath", "place/@city"),
                ("NsUri", "urn:x"),
                ("NsPrefix", "x"),
                ("KeepInContent", "false"),
                ("SourcePath_1", "Country/Code"),
                ("TargetPath_1", "SyndicationAuthorName"),
                ("SourcePath_2", "Country"),
                ("TargetPath_2", "SyndicationRights"),
                ("SourcePath_3", "Nope"),
                ("TargetPath_3", "SyndicationRights"),
            ]);
        }
        schema.types[product].attributes = attributes(&[
            ("SourcePath", "QuantityPerUnit"),
            ("TargetPath", "SyndicationSummary"),
            ("SourcePath_1", "Weight"),
            ("TargetPath_1", "weight"),
            ("SourcePath_2", "Weight"),
            ("TargetPath_2", "a b"),
            ("NsUri_2", "urn:x"),
        ]);
        schema.types[derived].attributes = attributes(&[("SourcePath", "DerivedProductName"), ("TargetPath", "SyndicationTitle")]);
        let name = |mapping: &Mapping| {
            let place = match &mapping.target {
                Target::Atom(elements) => elements.join("/"),
                Target::Own(own) => format!("{}:{:?}@{:?}", own.prefix, own.elements, own.attribute),
            };
            let property = &schema.types[derived].properties[mapping.property].name;
            format!("{property} {:?} {place} {} {}", mapping.path, mapping.kind.name(), mapping.keep)
        };
        let names = |ty| mappings(&schema, ty).iter().map(name).collect::<Vec<_>>();
        let common = [
            r#"SupplierAddress ["City"] x:["place"]@Some("city") text false"#,
            r#"SupplierAddress ["Country", "Code"] author/name text true"#,
            "QuantityPerUnit [] summary text true",
        ];
        assert_eq!(names(product), [&["ProductName [] title html true"], &common[..]].concat());
        assert_eq!(names(derived), [&common[..], &["DerivedProductName [] title text true"]].concat());
        let mapped = |ty: TypeId, name: &str| {
            let property = schema.types[ty].property(name).unwrap();
            is_mapped(&schema, ty, &schema.types[ty].properties[property])
        };
        assert!(mapped(product, "ProductName") && mapped(derived, "QuantityPerUnit") && mapped(derived, "SupplierAddress"));
        assert!(!mapped(product, "UnitPrice") && !mapped(product, "ProductID"));
    }
}

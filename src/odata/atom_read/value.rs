//! Values from elements of the namespace of data (PRM-10, PRM-12). Of what has a declared type `m:type` is not asked: the text fits the
//! declared one, or it does not.

use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::geometry::is_geography;
use crate::model::schema::{ComplexId, Facets, Property, Schema, Type};
use crate::model::text;
use crate::odata::atom::names::{DATA, METADATA};
use crate::odata::canonical;
use crate::odata::gml;
use crate::odata::json::write_string;
use crate::odata::json_read::{bad_body, bad_value, canonical_text, check, check_facets, spatial, write_canonical};
use crate::odata::xml_tree::Element;

/// Reads a property's value: null and facets are checked.
pub fn read_property(schema: &Schema, property: &Property, element: &Element) -> Outcome<Value> {
    if is_null(element) {
        if !property.nullable {
            return Err(bad_value(&property.name, "must not be null"));
        }
        // A collection is never null (MET-24), even where `$metadata` says that it may be: then null means that it is empty.
        return Ok(match property.ty {
            Type::Collection(_) => Value::Text("[]".to_owned()),
            _ => Value::Null,
        });
    }
    let value = read(schema, &property.ty, &property.facets, &property.name, element)?;
    check_facets(property, &value)?;
    Ok(value)
}

/// Reads a value that has no declaration.
pub fn read_value(schema: &Schema, ty: &Type, name: &str, element: &Element) -> Outcome<Value> {
    match is_null(element) {
        true => Ok(Value::Null),
        false => read(schema, ty, &Facets::default(), name, element),
    }
}

/// `m:null`.
pub fn is_null(element: &Element) -> bool {
    matches!(element.attribute(METADATA, "null"), Some("true" | "1"))
}

/// Refuses a name that stands twice, as JSON does (JL-36).
pub fn check_names(elements: &[&Element]) -> Outcome<()> {
    let mut names: Vec<&str> = elements.iter().map(|element| element.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(bad_body(format!("The property `{}` is there twice.", pair[0])).of(pair[0])),
        None => Ok(()),
    }
}

/// Reads into canonical content what is not null. The depth is that of the tree, which its parser bounds.
fn read(schema: &Schema, ty: &Type, facets: &Facets, name: &str, element: &Element) -> Outcome<Value> {
    match ty {
        Type::Primitive(edm) if edm.is_spatial() => {
            let mut shapes = element.elements();
            match (shapes.next(), shapes.next()) {
                (Some(shape), None) => spatial(*edm, facets, name, |srid| gml::read(shape, is_geography(*edm), srid)),
                _ => Err(bad_value(name, "takes one GML element")),
            }
        }
        Type::Primitive(edm) => primitive(*edm, element).ok_or_else(|| bad_value(name, format!("takes a value of {edm}"))),
        Type::Complex(id) => complex(schema, *id, name, element),
        Type::Collection(item) => collection(schema, item, facets, name, element),
        Type::Entity(_) => Err(bad_value(name, "cannot hold an entity")),
    }
}

fn primitive(edm: Edm, element: &Element) -> Option<Value> {
    let is_leaf = element.elements().next().is_none();
    is_leaf.then(|| text::parse(edm, &element.text())).flatten()
}

fn complex(schema: &Schema, declared: ComplexId, name: &str, element: &Element) -> Outcome<Value> {
    let id = canonical::named_complex(schema, declared, element.attribute(METADATA, "type"), name)?;
    let ty = &schema.complex[id];
    let members = inside(element, name)?;
    check_names(&members)?;
    if let Some(member) = members.iter().find(|member| ty.property(&member.name).is_none()) {
        let message = format!("The type {} has no property `{}`.", ty.qualified(), member.name);
        return Err(Fault::new(&fault::UNKNOWN_PROPERTY, message).of(&member.name));
    }
    let mut out = Vec::new();
    canonical::begin_complex(schema, declared, id, &mut out);
    for property in &ty.properties {
        let Some(member) = members.iter().find(|member| member.name == property.name) else {
            continue;
        };
        let value = read_property(schema, property, member).map_err(|fault| {
            let inner = fault.property.clone().unwrap_or_default();
            fault.of(format!("{name}/{inner}"))
        })?;
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(&property.name, &mut out);
        out.push(b':');
        write_canonical(&property.ty, &value, &mut out);
    }
    out.push(b'}');
    canonical_text(out)
}

fn collection(schema: &Schema, item: &Type, facets: &Facets, name: &str, element: &Element) -> Outcome<Value> {
    let mut out = b"[".to_vec();
    for element in inside(element, name)? {
        if element.name != "element" {
            return Err(bad_value(name, "is a collection of elements `element`"));
        }
        if is_null(element) {
            return Err(bad_value(name, "is a collection, whose items must not be null"));
        }
        let value = read(schema, item, facets, name, element)?;
        if let Some(edm) = item.primitive() {
            check(edm, facets, name, &value)?;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        write_canonical(item, &value, &mut out);
    }
    out.push(b']');
    canonical_text(out)
}

/// Members or items: elements of the namespace of data, or of that of metadata (`m:element`, ATM-14). There may be no text.
fn inside<'e>(element: &'e Element, name: &str) -> Outcome<Vec<&'e Element>> {
    if !element.text().trim_ascii().is_empty() {
        return Err(bad_value(name, "takes elements, not text"));
    }
    let inside = element.elements();
    Ok(inside.filter(|element| element.is_in(DATA) || element.is_in(METADATA)).collect())
}

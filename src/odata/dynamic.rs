//! Properties that an open type does not declare (OPN-1..OPN-5): what the one column that holds them all contains.
//!
//! `{"Size":{"Edm.Int32":5},"Home":{"NS.Address":{"City":"x"}}}`: name, type, canonical value. The type is a member's name, so that SQL
//! finds a value by name and type.

use super::canonical;
use super::json::write_string;
use super::json_read;
use super::json_tree::{self, Json};
use super::verbose_read;
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::{Facets, Schema, Type};
use crate::model::target::Dynamic;

/// The column's content; none without properties. What is null is not there (OPN-2).
pub fn write(schema: &Schema, properties: &[Dynamic]) -> Option<String> {
    let mut out = b"{".to_vec();
    for property in properties.iter().filter(|property| !property.value.is_null()) {
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(&property.name, &mut out);
        out.extend_from_slice(b":{");
        write_string(&schema.type_name(&property.ty), &mut out);
        out.push(b':');
        match (&property.ty, property.value.cell()) {
            (Type::Primitive(_), cell) => canonical::write(cell, &mut out),
            // A complex value is canonical JSON already.
            (_, crate::model::edm::Cell::Text(json)) => out.extend_from_slice(json.as_bytes()),
            _ => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
    out.push(b'}');
    (out.len() > 2).then(|| String::from_utf8_lossy(&out).into_owned())
}

/// What the column holds, in its order; what this server never writes is left out.
pub fn read(schema: &Schema, text: &str) -> Vec<Dynamic> {
    let Ok(Json::Object(members)) = json_tree::parse(text.as_bytes()) else {
        return Vec::new();
    };
    let property = |(name, value): &(std::borrow::Cow<'_, str>, Json<'_>)| {
        let Json::Object(inner) = value else { return None };
        let (type_name, json) = inner.first()?;
        let ty = named(schema, type_name)?;
        let value = match (&ty, json) {
            (_, Json::Null) => Value::Null,
            (Type::Primitive(edm), json) => canonical::member(*edm, json),
            (_, json) => canonical::text(json),
        };
        Some(Dynamic {
            name: name.to_string(),
            ty,
            value,
        })
    };
    members.iter().filter_map(property).collect()
}

/// A property as JSON gives it (OPN-1): of the type that its annotation names, else of the one that JSON tells.
///
/// # Errors
/// `BAD_VALUE` for a collection, an unknown type and a value that is not of it (OPN-3).
pub fn from_json(schema: &Schema, name: &str, type_name: Option<&str>, json: &Json<'_>) -> Outcome<Dynamic> {
    let bad = |what: String| Fault::new(&fault::BAD_VALUE, format!("The property `{name}` {what}.")).of(name);
    let inner = match json.member("odata.type").or_else(|| verbose_read::metadata(json, "type")) {
        Some(Json::String(inner)) => Some(inner.as_ref()),
        _ => None,
    };
    let ty = match (type_name.or(inner), json) {
        (Some(text), _) => {
            let text = text.trim_start_matches('#');
            named(schema, text).ok_or_else(|| bad(format!("cannot be of the type {text}")))?
        }
        (None, Json::String(text)) if verbose_read::date(Edm::DateTime, text).is_some() => {
            // With an offset from UTC behind the milliseconds, which may have a sign of their own.
            let has_offset = text.contains('+') || text.rfind('-').is_some_and(|at| at > "/Date(".len());
            Type::Primitive(if has_offset { Edm::DateTimeOffset } else { Edm::DateTime })
        }
        (None, Json::Null | Json::String(_)) => Type::Primitive(Edm::String),
        (None, Json::Boolean(_)) => Type::Primitive(Edm::Boolean),
        (None, Json::Number(text)) if text.parse::<i32>().is_ok() => Type::Primitive(Edm::Int32),
        (None, Json::Number(text)) if text.parse::<i64>().is_ok() => Type::Primitive(Edm::Int64),
        (None, Json::Number(_)) => Type::Primitive(Edm::Double),
        (None, Json::Array(_) | Json::Object(_)) => {
            return Err(bad(
                "is not declared: it takes a primitive value, or a complex one that names its type".to_owned(),
            ));
        }
    };
    Ok(Dynamic {
        name: name.to_owned(),
        value: json_read::read_value(schema, &ty, &Facets::default(), name, json)?,
        ty,
    })
}

/// The properties of an entity after a change that names some of them (OPN-5).
pub fn merge(current: Vec<Dynamic>, change: Vec<Dynamic>) -> Vec<Dynamic> {
    let mut merged = current;
    for property in change {
        match merged.iter_mut().find(|known| known.name == property.name) {
            Some(known) => *known = property,
            None => merged.push(property),
        }
    }
    merged
}

/// A type that such a property can have: a primitive or a complex one.
pub fn named(schema: &Schema, name: &str) -> Option<Type> {
    if let Some(edm) = name.strip_prefix("Edm.").and_then(Edm::from_name) {
        return (edm != Edm::Stream).then_some(Type::Primitive(edm));
    }
    schema.complex.iter().position(|ty| ty.qualified() == name).map(Type::Complex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::edm::Value;
    use crate::odata::fixture::shop;

    #[test]
    fn columns_come_back() {
        let schema = shop();
        let complex = schema
            .complex
            .iter()
            .position(|ty| ty.property("City").is_some())
            .map(Type::Complex)
            .unwrap();
        let of = |name: &str, ty: &Type, value: Value| Dynamic {
            name: name.to_owned(),
            ty: ty.clone(),
            value,
        };
        let properties = vec![
            of("Size", &Type::Primitive(Edm::Int32), Value::Integer(5)),
            of("Code", &Type::Primitive(Edm::Guid), Value::Bytes(vec![0xab; 16])),
            of("Home", &complex, Value::Text("{\"City\":\"x\"}".to_owned())),
            of("Gone", &Type::Primitive(Edm::String), Value::Null),
        ];
        let text = write(&schema, &properties).unwrap();
        assert_eq!(read(&schema, &text), properties[..3]);
        assert_eq!(write(&schema, &properties[3..]), None);
        let change = vec![
            of("Size", &Type::Primitive(Edm::Double), Value::Double(1.5)),
            of("New", &complex, Value::Null),
        ];
        let merged = merge(properties[..1].to_vec(), change);
        assert_eq!(write(&schema, &merged).unwrap(), "{\"Size\":{\"Edm.Double\":1.5}}");
        for text in ["", "[]", "{\"a\":5}", "{\"a\":{\"Edm.Nope\":1}}", "{\"a\":{}}"] {
            assert_eq!(read(&schema, text), [], "{text}");
        }
    }
}

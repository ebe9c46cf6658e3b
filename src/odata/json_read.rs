//! JSON light, reading (JL-30..JL-39, PRM-20..PRM-24): bodies of entities, properties and links, and checks of values that other
//! readers share.

use std::borrow::Cow;

use super::canonical;
use super::dynamic;
use super::geojson;
use super::json_tree::{self, Json};
use super::read::{Reader, Reading};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::geometry;
use crate::model::schema::{ComplexId, EntityType, Facets, Property, Schema, Type, TypeId};
use crate::model::target::{Body, Link, Linked};
use crate::model::text;

/// JSON light.
pub struct JsonLightReader;

impl Reader for JsonLightReader {
    fn entity(&self, reading: &Reading<'_>, ty: TypeId, body: &[u8]) -> Outcome<Body> {
        read_entity(reading, ty, &json_tree::parse(body)?)
    }

    fn property(&self, reading: &Reading<'_>, property: &Property, body: &[u8]) -> Outcome<Value> {
        read_property(reading.schema, property, body)
    }

    fn link(&self, body: &[u8]) -> Outcome<String> {
        read_link(body)
    }
}

/// Reads an entity: `odata.type` in the body may name a type that derives from `ty` (JL-31).
pub fn read_entity(reading: &Reading<'_>, ty: TypeId, json: &Json<'_>) -> Outcome<Body> {
    let schema = reading.schema;
    let Json::Object(members) = json else {
        return Err(bad_body("The body must be a JSON object with the entity's properties."));
    };
    let ty = entity_type(schema, ty, json.member("odata.type"))?;
    let of = &schema.types[ty];
    let (mut values, mut links, mut undeclared) = (Vec::new(), Vec::new(), Vec::new());
    for (name, json) in members {
        if let Some(property) = of.property(name) {
            let declared = &of.properties[property];
            let is_echo = declared.write_only && *json == Json::Null;
            if !declared.read_only && !declared.generated && declared.is_structural() && !is_echo {
                values.push((property, read_property_value(schema, declared, json)?));
            }
        } else if let Some(navigation) = of.navigation(name) {
            let target = of.navigations[navigation].target;
            let to = each(json, |json| read_entity(reading, target, json).map(Linked::New))?;
            links.push(Link { navigation, to });
        } else if let Some((name, "odata.bind")) = name.split_once('@')
            && let Some(navigation) = of.navigation(name)
        {
            let to = each(json, |json| match json {
                Json::String(url) => reading.reference(url).map(Linked::Existing),
                _ => Err(bad_body("A bind must be a URL.").of(name)),
            })?;
            links.push(Link { navigation, to });
        } else if !is_annotation(name) && of.is_open {
            let type_name = match json_member(members, &format!("{name}@odata.type")) {
                Some(Json::String(type_name)) => Some(type_name.as_ref()),
                _ => None,
            };
            undeclared.push(dynamic::from_json(schema, name, type_name, json)?);
        } else if !is_annotation(name) {
            return Err(unknown(of, name));
        }
    }
    Ok(Body {
        links,
        dynamic: undeclared,
        ..Body::new(ty, values)
    })
}

fn json_member<'j, 'a>(members: &'j [(Cow<'a, str>, Json<'a>)], name: &str) -> Option<&'j Json<'a>> {
    members.iter().find(|(member, _)| member == name).map(|(_, json)| json)
}

/// Reads the body of a property (JL-37): `{"value":…}`, `{"odata.null":true}`, or a complex value's members.
pub fn read_property(schema: &Schema, property: &Property, body: &[u8]) -> Outcome<Value> {
    let json = json_tree::parse(body)?;
    let is_null = json.member("odata.null") == Some(&Json::Boolean(true));
    match (&property.ty, json.member("value")) {
        _ if is_null => read_property_value(schema, property, &Json::Null),
        // A complex type may have a member `value` of its own.
        (Type::Complex(id), value) if value.is_none() || schema.complex[*id].property("value").is_some() => {
            read_property_value(schema, property, &json)
        }
        (_, Some(value)) => read_property_value(schema, property, value),
        _ => Err(bad_body("The body must be a JSON object with the member `value`.")),
    }
}

/// Reads the body of a link (JL-38): the URL in `{"url":"…"}`.
pub fn read_link(body: &[u8]) -> Outcome<String> {
    match json_tree::parse(body)?.member("url") {
        Some(Json::String(url)) => Ok(url.to_string()),
        _ => Err(bad_body("The body must be a JSON object with the member `url`.")),
    }
}

/// Reads a property's value: type, null and facets are checked.
pub fn read_property_value(schema: &Schema, property: &Property, json: &Json<'_>) -> Outcome<Value> {
    if *json == Json::Null && !property.nullable {
        return Err(bad_value(&property.name, "must not be null"));
    }
    // A collection is never null (MET-24), even where `$metadata` says that it may be: then null means that it is empty.
    if *json == Json::Null && matches!(property.ty, Type::Collection(_)) {
        return Ok(Value::Text("[]".to_owned()));
    }
    let value = read_value(schema, &property.ty, &property.facets, &property.name, json)?;
    // Complex values and collections have been checked member by member.
    if property.ty.primitive().is_some() {
        check_facets(property, &value)?;
    }
    Ok(value)
}

/// Reads a value of a type into canonical content; `name` is for faults, `facets` hold for a collection's items. The depth is that of
/// `json`, which its parser bounds.
pub fn read_value(schema: &Schema, ty: &Type, facets: &Facets, name: &str, json: &Json<'_>) -> Outcome<Value> {
    match (ty, json) {
        (_, Json::Null) => Ok(Value::Null),
        (Type::Primitive(edm), Json::Object(_)) if edm.is_spatial() => {
            let srid = fixed_srid(facets).unwrap_or(geometry::default_srid(*edm));
            match geojson::read(json, srid) {
                Ok(spatial) if spatial.is_a(*edm) => Ok(Value::Text(spatial.to_string())),
                Ok(_) => Err(bad_value(name, format!("takes a value of {edm}"))),
                Err(why) => Err(bad_value(name, why)),
            }
        }
        (Type::Primitive(edm), json) => read_primitive(*edm, json).ok_or_else(|| bad_value(name, format!("takes a value of {edm}"))),
        (Type::Complex(id), Json::Object(members)) => read_complex(schema, *id, members, name),
        (Type::Collection(item), Json::Array(items)) => {
            let mut out = b"[".to_vec();
            for (index, json) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                let value = read_value(schema, item, facets, name, json)?;
                if value.is_null() {
                    return Err(bad_value(name, "is a collection, whose items must not be null"));
                }
                if let Some(edm) = item.primitive() {
                    check(edm, facets, name, &value)?;
                }
                write_canonical(item, &value, &mut out);
            }
            out.push(b']');
            canonical_text(out)
        }
        _ => Err(bad_value(name, format!("takes a value of {}", schema.type_name(ty)))),
    }
}

fn read_complex(schema: &Schema, id: ComplexId, members: &[(Cow<'_, str>, Json<'_>)], name: &str) -> Outcome<Value> {
    let ty = &schema.complex[id];
    if let Some((name, _)) = members.iter().find(|(name, _)| ty.property(name).is_none() && !is_annotation(name)) {
        let message = format!("The type {} has no property `{name}`.", ty.qualified());
        return Err(Fault::new(&fault::UNKNOWN_PROPERTY, message).of(name.to_string()));
    }
    let mut out = b"{".to_vec();
    for property in &ty.properties {
        let Some((_, json)) = members.iter().find(|(member, _)| *member == property.name) else {
            continue;
        };
        let value = read_property_value(schema, property, json).map_err(|fault| {
            let inner = fault.property.clone().unwrap_or_default();
            fault.of(format!("{name}/{inner}"))
        })?;
        if out.len() > 1 {
            out.push(b',');
        }
        super::json::write_string(&property.name, &mut out);
        out.push(b':');
        write_canonical(&property.ty, &value, &mut out);
    }
    out.push(b'}');
    canonical_text(out)
}

/// Appends a value to canonical JSON: what is complex or a collection is canonical JSON already.
pub(super) fn write_canonical(ty: &Type, value: &Value, out: &mut Vec<u8>) {
    match (ty.primitive(), value) {
        (None, Value::Text(json)) => out.extend_from_slice(json.as_bytes()),
        _ => canonical::write(value.cell(), out),
    }
}

/// Canonical JSON that has been written, as a value.
pub(super) fn canonical_text(out: Vec<u8>) -> Outcome<Value> {
    String::from_utf8(out).map(Value::Text).map_err(Fault::internal)
}

/// A primitive from its wire form (PRM-20..PRM-24, PRM-31): numbers may come as strings; none when it does not fit.
fn read_primitive(edm: Edm, json: &Json<'_>) -> Option<Value> {
    match (edm, json) {
        (Edm::Boolean, Json::Boolean(value)) => Some(Value::Boolean(*value)),
        (edm, Json::Number(token)) if edm.is_numeric() => text::parse(edm, token),
        (edm, Json::String(text)) => text::parse(edm, text),
        _ => None,
    }
}

/// Checks MaxLength, Precision and Scale of a primitive value: `bad_value` with the property's name. Null is not checked here.
pub fn check_facets(property: &Property, value: &Value) -> Outcome<()> {
    match property.ty.primitive() {
        Some(edm) => check(edm, &property.facets, &property.name, value),
        None => Ok(()),
    }
}

/// The same for what is no property.
pub fn check(edm: Edm, facets: &Facets, name: &str, value: &Value) -> Outcome<()> {
    let max = facets
        .max_length
        .flatten()
        .and_then(|max| usize::try_from(max).ok())
        .unwrap_or(usize::MAX);
    match (edm, value) {
        // Counting characters is only needed when there are more bytes than that.
        (Edm::String, Value::Text(text)) if text.len() > max && text.chars().count() > max => {
            Err(bad_value(name, format!("takes at most {max} characters")))
        }
        (Edm::Binary, Value::Bytes(bytes)) if bytes.len() > max => Err(bad_value(name, format!("takes at most {max} bytes"))),
        (Edm::Decimal, Value::Text(text)) => check_decimal(facets, name, text),
        (_, Value::Text(text)) if edm.is_spatial() => match fixed_srid(facets) {
            Some(srid) if geometry::srid(text) != Some(srid) => Err(bad_value(name, format!("takes values with the SRID {srid}"))),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The SRID that all values have; none where it is `Variable` or not declared.
fn fixed_srid(facets: &Facets) -> Option<u32> {
    facets.srid.as_deref()?.parse().ok()
}

/// Zeros before the first and after the last digit do not count.
fn check_decimal(facets: &Facets, name: &str, text: &str) -> Outcome<()> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches(['-', '+', '0']).len();
    let fraction = fraction.trim_end_matches('0').len();
    let size = |digits: Option<u32>| digits.and_then(|digits| usize::try_from(digits).ok());
    let scale = size(facets.scale);
    if let Some(scale) = scale.filter(|scale| fraction > *scale) {
        return Err(bad_value(name, format!("takes at most {scale} digits after the point")));
    }
    if let Some(precision) = size(facets.precision)
        && whole + scale.unwrap_or(0).max(fraction) > precision
    {
        let whole = precision.saturating_sub(scale.unwrap_or(0));
        return Err(bad_value(
            name,
            format!("takes at most {precision} digits, {whole} of them before the point"),
        ));
    }
    Ok(())
}

/// The type that the body names, else the declared one (WR-15).
fn entity_type(schema: &Schema, declared: TypeId, named: Option<&Json<'_>>) -> Outcome<TypeId> {
    let base = &schema.types[declared];
    let refuse = |message: String| Err(bad_body(message).of("odata.type"));
    let ty = match named {
        None | Some(Json::Null) => declared,
        Some(Json::String(name)) => match schema.find_type(name.trim_start_matches('#')) {
            Some(ty) if schema.is_a(ty, declared) => ty,
            _ => {
                return refuse(format!(
                    "`odata.type` must name {} or a type that derives from it.",
                    base.qualified()
                ));
            }
        },
        Some(_) => return refuse("`odata.type` must be a string.".to_owned()),
    };
    if schema.types[ty].is_abstract {
        return refuse(format!(
            "The type {} is abstract: `odata.type` must name a type that derives from it.",
            schema.types[ty].qualified()
        ));
    }
    Ok(ty)
}

/// What a navigation leads to: nothing, one, or several.
fn each(json: &Json<'_>, mut one: impl FnMut(&Json<'_>) -> Outcome<Linked>) -> Outcome<Vec<Linked>> {
    match json {
        Json::Null => Ok(Vec::new()),
        Json::Array(items) => items.iter().map(one).collect(),
        json => Ok(vec![one(json)?]),
    }
}

/// `odata.x`, `Name@odata.x`, `ns.Term`, `#Container.Action`: no property's name has such a character.
fn is_annotation(name: &str) -> bool {
    name.contains(['.', '@', '#'])
}

pub(super) fn unknown(ty: &EntityType, name: &str) -> Fault {
    let message = format!("The type {} has no property `{name}`.", ty.qualified());
    Fault::new(&fault::UNKNOWN_PROPERTY, message).of(name)
}

pub(super) fn bad_body(message: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(&fault::BAD_BODY, message)
}

pub(super) fn bad_value(name: &str, what: impl std::fmt::Display) -> Fault {
    Fault::new(&fault::BAD_VALUE, format!("The property `{name}` {what}.")).of(name)
}

#[cfg(test)]
mod tests;

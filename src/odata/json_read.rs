//! JSON, reading, light (JL-30..JL-39) and verbose (VJ-1, VJ-9..VJ-13) alike: bodies of entities, properties and links, and checks of
//! values that other readers share (PRM-20..PRM-24).

use std::borrow::Cow;
use std::collections::HashMap;

use super::canonical;
use super::dynamic;
use super::geojson;
use super::json_tree::{self, Json};
use super::read::{Reader, Reading};
use super::verbose_read;
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::geometry::{self, Spatial};
use crate::model::limits::DYNAMIC_PROPERTIES;
use crate::model::schema::{ComplexId, EntityType, Facets, Navigation, Property, Schema, Type, TypeId};
use crate::model::target::{Body, Link, Linked};
use crate::model::text;

/// JSON of both kinds.
pub struct JsonReader;

impl Reader for JsonReader {
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

/// Reads an entity: the body may name a type that derives from `ty` (JL-31, VJ-13).
pub fn read_entity(reading: &Reading<'_>, ty: TypeId, json: &Json<'_>) -> Outcome<Body> {
    let json = match reading.schema.types[ty].property("d") {
        None => verbose_read::unwrap(json),
        Some(_) => json,
    };
    entity(reading, ty, json)
}

/// The depth is that of `json`, which its parser bounds.
fn entity(reading: &Reading<'_>, ty: TypeId, json: &Json<'_>) -> Outcome<Body> {
    let Json::Object(members) = json else {
        return Err(bad_body("The body must be a JSON object with the entity's properties."));
    };
    let ty = entity_type(reading.schema, ty, json)?;
    let of = &reading.schema.types[ty];
    let mut body = Body::new(ty, Vec::new());
    // Looked up once for all.
    let typed = members.iter().filter(|_| of.is_open);
    let types: HashMap<&str, &Json<'_>> = typed
        .filter_map(|(name, json)| Some((name.strip_suffix("@odata.type")?, json)))
        .collect();
    for (name, value) in members {
        if let Some(property) = of.property(name) {
            let declared = &of.properties[property];
            let is_echo = declared.write_only && *value == Json::Null;
            if declared.is_given() && !is_echo {
                body.values.push((property, read_property_value(reading.schema, declared, value)?));
            }
        } else if let Some(navigation) = of.navigation(name) {
            let linked = inline(reading, &of.navigations[navigation], value)?;
            link(&mut body, of, navigation, linked)?;
        } else if let Some((name, "odata.bind")) = name.split_once('@') {
            let navigation = of.navigation(name).ok_or_else(|| unknown(of, name))?;
            let linked = bind(reading, &of.navigations[navigation], value)?;
            link(&mut body, of, navigation, linked)?;
        } else if is_annotation(name) {
        } else if of.is_open {
            let named = match types.get(name.as_ref()) {
                Some(Json::String(named)) => Some(named.as_ref()),
                _ => None,
            };
            body.dynamic.push(dynamic::from_json(reading.schema, name, named, value)?);
            if body.dynamic.len() > DYNAMIC_PROPERTIES {
                let message = format!("An entity has at most {DYNAMIC_PROPERTIES} properties that its type does not declare.");
                return Err(Fault::new(&fault::TOO_LARGE, message));
            }
        } else if !reading.ignore_unknown {
            return Err(unknown(of, name));
        }
    }
    Ok(body)
}

/// Adds what a body says of a navigation, be it in two members (JL-33).
fn link(body: &mut Body, of: &EntityType, navigation: usize, to: Option<Vec<Linked>>) -> Outcome<()> {
    let Some(to) = to else { return Ok(()) };
    match body.links.iter_mut().find(|link| link.navigation == navigation) {
        Some(link) => link.to.extend(to),
        None => body.links.push(Link { navigation, to }),
    }
    let known = body.links.iter().find(|link| link.navigation == navigation);
    if known.is_some_and(|link| link.to.len() > 1) && !of.navigations[navigation].is_many() {
        let name = &of.navigations[navigation].name;
        return Err(bad_body(format!("The navigation `{name}` leads to one entity, and is there twice.")).of(name));
    }
    Ok(())
}

fn existing(reading: &Reading<'_>, navigation: &Navigation, url: &str) -> Outcome<Linked> {
    let found = reading.reference(url).map_err(|fault| fault.of(&navigation.name))?;
    Ok(Linked::Existing(found))
}

/// `Nav@odata.bind`: a URL, or an array of URLs (JL-32). None where that says nothing.
fn bind(reading: &Reading<'_>, navigation: &Navigation, json: &Json<'_>) -> Outcome<Option<Vec<Linked>>> {
    let bad = || {
        let what = if navigation.is_many() { "an array of URLs" } else { "a URL" };
        bad_body(format!("`{}@odata.bind` takes {what}.", navigation.name)).of(&navigation.name)
    };
    let one = |json: &Json<'_>| match json {
        Json::String(url) => existing(reading, navigation, url),
        _ => Err(bad()),
    };
    match (json, navigation.is_many()) {
        (Json::Null, false) => Ok(Some(Vec::new())),
        (Json::Array(items), true) if items.is_empty() => Ok(None),
        (Json::Array(items), true) => items.iter().map(one).collect::<Outcome<_>>().map(Some),
        (json, _) => Ok(Some(vec![one(json)?])),
    }
}

/// The value of a navigation: entities to be created, or to be linked to by `__metadata.uri` (JL-33, VJ-12). None where that says
/// nothing: a link that was not followed, no entities.
fn inline(reading: &Reading<'_>, navigation: &Navigation, json: &Json<'_>) -> Outcome<Option<Vec<Linked>>> {
    let one = |json: &Json<'_>| match (json, verbose_read::metadata(json, "uri")) {
        (_, Some(Json::String(url))) => existing(reading, navigation, url),
        (Json::Object(_), _) => entity(reading, navigation.target, json).map(Linked::New),
        _ => Err(bad_body(format!("The navigation `{}` takes entities.", navigation.name)).of(&navigation.name)),
    };
    match (json, verbose_read::items(json)) {
        (Json::Null, _) => Ok((!navigation.is_many()).then(Vec::new)),
        (json, _) if verbose_read::is_deferred(json) => Ok(None),
        (_, Some([])) => Ok(None),
        (_, Some(items)) if navigation.is_many() => items.iter().map(one).collect::<Outcome<_>>().map(Some),
        (json, None) if !navigation.is_many() => Ok(Some(vec![one(json)?])),
        _ => {
            let what = if navigation.is_many() {
                "an array of entities"
            } else {
                "one entity"
            };
            Err(bad_body(format!("The navigation `{}` takes {what}.", navigation.name)).of(&navigation.name))
        }
    }
}

/// Reads the body of a property: `{"value":…}`, `{"odata.null":true}`, `{"Name":…}`, or a complex value's members (JL-37, VJ-9).
pub fn read_property(schema: &Schema, property: &Property, body: &[u8]) -> Outcome<Value> {
    let json = json_tree::parse(body)?;
    let json = verbose_read::unwrap(&json);
    let is_null = json.member("odata.null") == Some(&Json::Boolean(true));
    // A complex type may have a member of the same name of its own.
    let is_own = |name: &str| matches!(property.ty, Type::Complex(id) if schema.complex[id].property(name).is_some());
    let wrapped = ["value", &property.name].into_iter().filter(|name| !is_own(name));
    let value = wrapped.filter_map(|name| json.member(name)).next();
    match (&property.ty, value) {
        _ if is_null => read_property_value(schema, property, &Json::Null),
        (_, Some(value)) => read_property_value(schema, property, value),
        (Type::Complex(_), None) => read_property_value(schema, property, json),
        (Type::Collection(_), None) if json.member("results").is_some() => read_property_value(schema, property, json),
        _ => Err(bad_body("The body must be a JSON object with the member `value`.")),
    }
}

/// Reads the body of a link: the URL in `{"url":"…"}` or `{"uri":"…"}` (JL-38, VJ-10).
pub fn read_link(body: &[u8]) -> Outcome<String> {
    let json = json_tree::parse(body)?;
    let json = verbose_read::unwrap(&json);
    let url = json.member("url").or_else(|| json.member("uri"));
    match url.or_else(|| verbose_read::metadata(json, "uri")) {
        Some(Json::String(url)) => Ok(url.to_string()),
        _ => Err(bad_body(
            "The body must be a JSON object with the member `url`, or `uri` in verbose JSON.",
        )),
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
        (Type::Primitive(edm), Json::Object(_)) if edm.is_spatial() => spatial(*edm, facets, name, |srid| geojson::read(json, srid)),
        (Type::Primitive(edm), json) => read_primitive(*edm, json).ok_or_else(|| bad_value(name, format!("takes a value of {edm}"))),
        (Type::Complex(id), Json::Object(members)) => read_complex(schema, *id, members, name),
        (Type::Collection(item), json) if verbose_read::items(json).is_some() => {
            let mut out = b"[".to_vec();
            for (index, json) in verbose_read::items(json).unwrap_or_default().iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                let value = read_value(schema, item, facets, name, json).map_err(|fault| match (item.primitive(), json) {
                    (Some(Edm::String), Json::String(text)) if text.contains('\0') => {
                        bad_value(name, format!("has no texts with the character NUL, as item {} is", index + 1))
                    }
                    (Some(edm), _) => bad_value(name, format!("is a collection of {edm}: item {} is none", index + 1)),
                    _ => fault,
                })?;
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
    let declared = id;
    let member = |name: &str| members.iter().find(|(member, _)| member == name).map(|(_, json)| json);
    let in_metadata = member("__metadata").and_then(|metadata| metadata.member("type"));
    let type_name = match member("odata.type").or(in_metadata) {
        Some(Json::String(type_name)) => Some(type_name.as_ref()),
        _ => None,
    };
    let id = canonical::named_complex(schema, declared, type_name, name)?;
    let ty = &schema.complex[id];
    if let Some((name, _)) = members.iter().find(|(name, _)| ty.property(name).is_none() && !is_annotation(name)) {
        let message = format!("The type {} has no property `{name}`.", ty.qualified());
        return Err(Fault::new(&fault::UNKNOWN_PROPERTY, message).of(name.to_string()));
    }
    let mut out = Vec::new();
    canonical::begin_complex(schema, declared, id, &mut out);
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
        (edm, Json::String(text)) => text::parse(edm, text).or_else(|| verbose_read::date(edm, text)),
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

/// A spatial value that `read` makes; it is given the SRID of values that do not say theirs (GEO-2).
pub(super) fn spatial(edm: Edm, facets: &Facets, name: &str, read: impl FnOnce(u32) -> geometry::Read<Spatial>) -> Outcome<Value> {
    match read(fixed_srid(facets).unwrap_or(geometry::default_srid(edm))) {
        Ok(spatial) if spatial.is_a(edm) => Ok(Value::Text(spatial.to_string())),
        Ok(_) => Err(bad_value(name, format!("takes a value of {edm}"))),
        Err(why) => Err(bad_value(name, why)),
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

/// The type that the body names, else the declared one (WR-15). A base type of that says less, and so nothing (WR-35).
fn entity_type(schema: &Schema, declared: TypeId, json: &Json<'_>) -> Outcome<TypeId> {
    let base = &schema.types[declared];
    let light = json.member("odata.type").map(|named| ("odata.type", named));
    let named = light.or_else(|| verbose_read::metadata(json, "type").map(|named| ("__metadata", named)));
    let (member, named) = named.unwrap_or(("odata.type", &Json::Null));
    let refuse = |message: String| Err(bad_body(message).of(member));
    let ty = match named {
        Json::Null => declared,
        Json::String(name) => match schema.find_type(name.trim_start_matches('#')) {
            Some(ty) if schema.is_a(ty, declared) => ty,
            Some(ty) if schema.is_a(declared, ty) => declared,
            _ => {
                return refuse(format!("The body's type must be {} or one that derives from it.", base.qualified()));
            }
        },
        _ => return refuse("The name of a type must be a string.".to_owned()),
    };
    if schema.types[ty].is_abstract {
        return refuse(format!(
            "The type {} is abstract: `odata.type` must name a type that derives from it.",
            schema.types[ty].qualified()
        ));
    }
    Ok(ty)
}

/// `odata.x`, `Name@odata.x`, `ns.Term`, `#Container.Action`: no property's name has such a character. `__metadata` and the like are
/// verbose JSON's.
fn is_annotation(name: &str) -> bool {
    name.contains(['.', '@', '#']) || name.starts_with("__")
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

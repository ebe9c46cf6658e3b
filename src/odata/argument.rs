//! Arguments of operations: of actions one JSON object, light or verbose (ACT-1, ACT-2, VJ-14); of functions and service operations
//! literals in parentheses and in the query (PTH-35, PTH-38). Both also say which of several overloads is meant (ACT-6).

use std::borrow::Cow;

use super::json_read::{self, check};
use super::json_tree::{self, Json};
use super::literal::{literal, to_value};
use super::options::Options;
use crate::model::clock::{SECOND, Ticks, UNIX_EPOCH};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, BAD_ARGUMENT, Fault, Outcome};
use crate::model::schema::{Endpoint, Parameter, Schema, Type};
use crate::model::target::Call;
use crate::model::text;

/// The operation that is meant, as an index into the endpoint's, and an argument for each of its [`Operation::arguments`].
pub type Chosen = (usize, Vec<Value>);

/// Refuses a body of arguments that is not JSON in UTF-8, of any variant (CON-19).
pub fn check_media(content_type: Option<&str>) -> Outcome<()> {
    let mut parts = content_type.unwrap_or_default().split(';');
    let is_json = parts.next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json");
    let other_charset = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            name.trim().eq_ignore_ascii_case("charset") && !matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii")
        })
    };
    if is_json && !parts.any(other_charset) {
        return Ok(());
    }
    Err(Fault::new(
        &fault::MEDIA_TYPE,
        "Arguments of an action are read from bodies of application/json in UTF-8.",
    ))
}

/// Reads the body of an action. An empty one has no arguments: several clients send none when they have nothing to say. A single
/// member `d` around the object is taken off. Unknown members are 400 (ACT-1) unless the endpoint ignores them.
///
/// # Errors
/// `BAD_BODY`, `BAD_ARGUMENT`, and what [`json_read::read_value`] says of complex values.
pub fn of_body(schema: &Schema, endpoint: usize, call: &Call, body: &[u8]) -> Outcome<Chosen> {
    let of = &schema.endpoints[endpoint];
    let whole = match body.trim_ascii() {
        b"" => Json::Object(Vec::new()),
        _ => json_tree::parse(body)?,
    };
    let takes = |name: &str| {
        let mut parameters = call.overloads.iter().flat_map(|&index| of.operations[index].arguments());
        parameters.any(|parameter| parameter.name == name)
    };
    let members = match whole {
        Json::Object(mut members) => match (members.pop(), members.is_empty()) {
            (Some((name, Json::Object(inner))), true) if name == "d" && !takes("d") => inner,
            (last, _) => {
                members.extend(last);
                members
            }
        },
        _ => {
            return Err(Fault::new(
                &fault::BAD_BODY,
                "The body must be a JSON object with the action's arguments.",
            ));
        }
    };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    let chosen = choose(of, &call.overloads, &names);
    let operation = &of.operations[chosen];
    let unknown = |name: &&str| !takes(name) && !name.contains(['.', '@', '#']) && *name != "__metadata";
    if let Some(name) = names.iter().find(|name| unknown(name)).filter(|_| !of.ignores_unknown_arguments) {
        let message = format!("`{}` has no parameter `{name}`.", operation.name);
        return Err(Fault::new(&BAD_ARGUMENT, message).of(*name));
    }
    let mut members: Vec<(Cow<'_, str>, Option<Json<'_>>)> = members.into_iter().map(|(name, json)| (name, Some(json))).collect();
    let values = operation.arguments().iter().map(|parameter| {
        let given = members.iter_mut().find(|(name, _)| *name == parameter.name);
        let json = given
            .and_then(|(_, json)| json.take())
            .map(|json| plain(schema, &parameter.ty, json));
        from_json(schema, parameter, json.as_ref())
    });
    Ok((chosen, values.collect::<Outcome<_>>()?))
}

/// Reads the arguments in parentheses and in the query. Other names without `$` have no meaning (QRY-4).
///
/// # Errors
/// `BAD_ARGUMENT`, and what [`json_read::read_value`] says of complex values.
pub fn of_url(schema: &Schema, endpoint: usize, call: &Call, options: &Options) -> Outcome<Chosen> {
    let of = &schema.endpoints[endpoint];
    let inline = call.arguments.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let given: Vec<(&str, &str)> = inline.chain(options.parameters()).collect();
    let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    let chosen = choose(of, &call.overloads, &names);
    let values = of.operations[chosen].arguments().iter().map(|parameter| {
        let mut texts = given.iter().filter(|(name, _)| *name == parameter.name).map(|(_, text)| *text);
        let text = texts.next();
        if texts.next().is_some() {
            return Err(bad(parameter, "is there twice"));
        }
        let text = match text.and_then(|text| text.trim().strip_prefix('@')) {
            // An alias that says nothing is null (PTH-38).
            Some(alias) => options.custom(&format!("@{alias}")).or(Some("null")),
            None => text,
        };
        from_text(schema, parameter, text)
    });
    Ok((chosen, values.collect::<Outcome<_>>()?))
}

/// The overload that the names fit: it has all that it must have, then most of the names, then the fewest others.
fn choose(endpoint: &Endpoint, overloads: &[usize], names: &[&str]) -> usize {
    let rank = |&&index: &&usize| {
        let parameters = endpoint.operations[index].arguments();
        let is_given = |parameter: &&Parameter| names.contains(&parameter.name.as_str());
        let given = parameters.iter().filter(is_given).count();
        let lacks = parameters.iter().any(|parameter| !parameter.is_nullable() && !is_given(&parameter));
        (lacks, std::cmp::Reverse(given), parameters.len() - given)
    };
    // Of equals it is the first, which is the most specific one.
    overloads.iter().min_by_key(rank).copied().unwrap_or_default()
}

fn from_json(schema: &Schema, parameter: &Parameter, json: Option<&Json<'_>>) -> Outcome<Value> {
    let Some(json) = json.filter(|json| **json != Json::Null) else {
        return absent(parameter, json.is_some());
    };
    let value = json_read::read_value(schema, &parameter.ty, &parameter.facets, &parameter.name, json);
    match (value, parameter.primitive()) {
        (Err(_), Some(edm)) => Err(bad(parameter, format!("takes a value of {edm}"))),
        (value, _) => checked(parameter, value?),
    }
}

fn from_text(schema: &Schema, parameter: &Parameter, text: Option<&str>) -> Outcome<Value> {
    let Some(text) = text.map(str::trim) else {
        return absent(parameter, false);
    };
    let Some(edm) = parameter.primitive() else {
        let json = json_tree::parse(text.as_bytes()).map_err(|_| bad(parameter, "takes a value in JSON"))?;
        return from_json(schema, parameter, Some(&plain(schema, &parameter.ty, json)));
    };
    let value = match literal(text) {
        Ok(("", literal)) => to_value(&literal, edm),
        _ => None,
    };
    match value {
        None => Err(bad(parameter, format!("takes a literal of {edm}"))),
        Some(Value::Null) => absent(parameter, true),
        Some(value) => checked(parameter, value),
    }
}

fn absent(parameter: &Parameter, is_null: bool) -> Outcome<Value> {
    match (parameter.is_nullable(), is_null) {
        (true, _) => Ok(Value::Null),
        (false, true) => Err(bad(parameter, "must not be null")),
        (false, false) => Err(bad(parameter, "is missing")),
    }
}

fn checked(parameter: &Parameter, value: Value) -> Outcome<Value> {
    if let Some(edm) = parameter.primitive() {
        check(edm, &parameter.facets, &parameter.name, &value)?;
    }
    Ok(value)
}

fn bad(parameter: &Parameter, what: impl std::fmt::Display) -> Fault {
    Fault::new(&BAD_ARGUMENT, format!("The argument `{}` {what}.", parameter.name)).of(&parameter.name)
}

/// A value of verbose JSON as JSON light has it; one of JSON light stays as it is. The depth is that of `json`.
fn plain<'a>(schema: &Schema, ty: &Type, json: Json<'a>) -> Json<'a> {
    match (ty, json) {
        (Type::Collection(item), Json::Object(members)) => match members.into_iter().find(|(name, _)| name == "results") {
            Some((_, json @ Json::Array(_))) => plain(schema, &Type::Collection(item.clone()), json),
            _ => Json::Object(Vec::new()),
        },
        (Type::Collection(item), Json::Array(items)) => Json::Array(items.into_iter().map(|json| plain(schema, item, json)).collect()),
        (Type::Complex(id), Json::Object(members)) => {
            let complex = &schema.complex[*id];
            let known = |name: &str| complex.property(name).map(|index| &complex.properties[index].ty);
            let members = members.into_iter().filter(|(name, _)| name != "__metadata");
            let of_type = |(name, json): (Cow<'a, str>, Json<'a>)| match known(&name) {
                Some(ty) => (name, plain(schema, ty, json)),
                None => (name, json),
            };
            Json::Object(members.map(of_type).collect())
        }
        (Type::Primitive(Edm::DateTime | Edm::DateTimeOffset), Json::String(said)) => match date(&said) {
            Some(utc) => Json::String(Cow::Owned(utc)),
            None => Json::String(said),
        },
        (_, json) => json,
    }
}

/// `/Date(ms)/` or `/Date(ms+minutes)/` as a text in UTC (VJ-40, VJ-42); the milliseconds are those of the wall clock.
fn date(text: &str) -> Option<String> {
    let inside = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let sign = inside
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '+' | '-'))
        .map(|(at, _)| at);
    let (milliseconds, minutes) = inside.split_at(sign.unwrap_or(inside.len()));
    let minutes: Ticks = if minutes.is_empty() { 0 } else { minutes.parse().ok()? };
    let utc = milliseconds.parse::<Ticks>().ok()?.checked_sub(minutes.checked_mul(60_000)?)?;
    let ticks = utc.checked_mul(SECOND / 1_000)?.checked_add(UNIX_EPOCH)?;
    let written = text::ticks_to_text(ticks);
    // What lies outside of the years that there are does not come back.
    (text::text_to_ticks(&written) == Some(ticks)).then(|| format!("{written}Z"))
}

#[cfg(test)]
mod tests;

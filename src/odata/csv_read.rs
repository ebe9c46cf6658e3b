//! CSV, reading: an entity as a header and one row, named as the answers name them ([`super::csv`]). It becomes JSON with text for every
//! value, which the reader of JSON takes for every type.

use std::borrow::Cow;

use super::csv_records::{Field, Records};
use super::json_read::read_entity;
use super::json_tree::{self, Json};
use super::read::{Reader, Reading};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BODY_DEPTH, CSV_COLUMNS};
use crate::model::schema::{Property, Schema, TYPE_COLUMN, Type, TypeId};
use crate::model::target::Body;

/// CSV.
pub struct CsvReader;

impl Reader for CsvReader {
    fn entity(&self, reading: &Reading<'_>, ty: TypeId, body: &[u8]) -> Outcome<Body> {
        let (names, fields) = records(body)?;
        let schema = reading.schema;
        let type_name = names.iter().position(|name| name == TYPE_COLUMN).map(|column| &fields[column].text);
        let named = type_name.and_then(|name| schema.find_type(name)).unwrap_or(ty);
        let mut entity = Vec::new();
        for (name, field) in names.iter().zip(&fields) {
            if name == TYPE_COLUMN {
                if !field.is_null() {
                    entity.push((Cow::Borrowed("odata.type"), Json::String(Cow::Borrowed(field.text.as_str()))));
                }
                continue;
            }
            let path: Vec<&str> = name.split('/').collect();
            if path.len() > BODY_DEPTH {
                return Err(Fault::new(
                    &fault::TOO_LARGE,
                    format!("A column's name has at most {BODY_DEPTH} parts."),
                ));
            }
            let property = schema.types[named].property(path[0]);
            let property = property.and_then(|index| member(schema, &schema.types[named].properties[index], &path[1..]));
            if let Some(json) = value(property, field, path.len() > 1)? {
                insert(&mut entity, &path, json);
            }
        }
        read_entity(reading, ty, &Json::Object(entity))
    }

    fn property(&self, _reading: &Reading<'_>, _property: &Property, _body: &[u8]) -> Outcome<Value> {
        Err(only_entities())
    }

    fn link(&self, _body: &[u8]) -> Outcome<String> {
        Err(only_entities())
    }
}

fn only_entities() -> Fault {
    Fault::new(&fault::MEDIA_TYPE, "Only whole entities are read from CSV.")
}

/// The header and the one row after it.
fn records(body: &[u8]) -> Outcome<(Vec<String>, Vec<Field>)> {
    let bad = |message: String| Fault::new(&fault::BAD_BODY, message);
    let mut reader = Records::new(body);
    let mut next = || {
        let record = reader.record();
        record.map_err(|fault| bad(format!("Line {}: {}.", fault.line, fault.message)))
    };
    let (Some((_, header)), Some((line, fields))) = (next()?, next()?) else {
        return Err(bad(
            "The body must have two lines: the names of the properties, and their values.".to_owned()
        ));
    };
    if next()?.is_some() {
        return Err(bad("The body has more than one row; `odonata load` takes many at once.".to_owned()));
    }
    if fields.len() != header.len() {
        let (found, expected) = (fields.len(), header.len());
        return Err(bad(format!("Line {line} has {found} fields, the header {expected}.")));
    }
    if header.len() > CSV_COLUMNS {
        return Err(Fault::new(
            &fault::TOO_LARGE,
            format!("A CSV body has at most {CSV_COLUMNS} columns."),
        ));
    }
    let names: Vec<String> = header.into_iter().map(|field| field.text.trim().to_owned()).collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(bad(format!("The column `{}` is there twice.", twice[0])).of(twice[0]));
    }
    Ok((names, fields))
}

/// The property at the end of a path into a complex one.
fn member<'s>(schema: &'s Schema, property: &'s Property, path: &[&str]) -> Option<&'s Property> {
    match (path, &property.ty) {
        ([], _) => Some(property),
        ([first, rest @ ..], Type::Complex(id)) => {
            let of = &schema.complex[*id];
            member(schema, &of.properties[of.property(first)?], rest)
        }
        _ => None,
    }
}

/// A field as JSON; none where the default stands for it, as `odonata load` has it. A null inside a complex property makes none.
fn value<'f>(property: Option<&Property>, field: &'f Field, inside: bool) -> Outcome<Option<Json<'f>>> {
    match property {
        Some(property) if field.is_null() => Ok(match property.ty.primitive() {
            _ if property.nullable => Some(Json::Null),
            Some(Edm::String) if !inside => Some(Json::String(Cow::Borrowed(""))),
            _ => None,
        }),
        Some(property) if property.ty.primitive().is_none() => {
            let parsed = json_tree::parse(field.text.as_bytes());
            parsed.map(Some).map_err(|fault| fault.of(&property.name))
        }
        _ => Ok(Some(Json::String(Cow::Borrowed(&field.text)))),
    }
}

/// Puts a value where its path leads. Members that are all null are a null around them.
fn insert<'f>(members: &mut Vec<(Cow<'f, str>, Json<'f>)>, path: &[&'f str], json: Json<'f>) {
    let [name, rest @ ..] = path else { return };
    let at = match members.iter().position(|(member, _)| member == name) {
        Some(at) => at,
        None => {
            members.push((Cow::Borrowed(name), Json::Null));
            members.len() - 1
        }
    };
    let slot = &mut members[at].1;
    match (rest, slot) {
        ([], slot) => *slot = json,
        (_, Json::Object(inner)) => insert(inner, rest, json),
        (_, slot) if json != Json::Null => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, json);
            *slot = Json::Object(inner);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;

//! Entities from a JSON file: an array of objects, or an answer's `{"value": [...]}`.

use super::load::Row;
use super::told;
use crate::auth::password;
use crate::model::edm::Value;
use crate::model::schema::{Schema, TypeId};
use crate::model::target::Body;
use crate::odata::json_read::read_property_value;
use crate::odata::json_tree::{self, Json};

/// Gives each entity to `push`, with its number counted from 1.
pub fn entities(schema: &Schema, ty: TypeId, bytes: &[u8], push: &mut dyn FnMut(usize, Row) -> Result<(), String>) -> Result<(), String> {
    let json = json_tree::parse(bytes).map_err(|fault| match fault.position {
        Some(position) => {
            let line = 1 + bytes[..position.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count();
            format!("line {line}: {}", fault.message)
        }
        None => told(&fault),
    })?;
    let items = match (&json, json.member("value")) {
        (Json::Array(items), _) | (_, Some(Json::Array(items))) => items,
        _ => return Err("this is neither a JSON array nor an object with an array `value`".to_owned()),
    };
    for (index, item) in items.iter().enumerate() {
        let number = index + 1;
        let body = entity(schema, ty, item).map_err(|why| format!("item {number}{why}"))?;
        push(number, Row::Entity(body))?;
    }
    Ok(())
}

/// Unlike the body of a request, this may say what the server owns otherwise: numbered keys.
fn entity(schema: &Schema, declared: TypeId, json: &Json<'_>) -> Result<Body, String> {
    let Json::Object(members) = json else {
        return Err(": an entity is a JSON object".to_owned());
    };
    let ty = match json.member("odata.type") {
        Some(Json::String(name)) => schema.find_type(name).filter(|&ty| schema.is_a(ty, declared)),
        Some(_) => None,
        None => Some(declared),
    };
    let ty = ty.ok_or(", odata.type: there is no such type in this set")?;
    let entity = &schema.types[ty];
    let mut values = Vec::with_capacity(members.len());
    for (name, json) in members {
        let Some(index) = entity.property(name) else {
            // Annotations, and the links that answers have, say nothing about the row.
            if name.contains(['.', '@']) || entity.navigation(name).is_some() {
                continue;
            }
            return Err(format!(", {name}: {} has no such property", entity.name));
        };
        let property = &entity.properties[index];
        if !property.is_structural() {
            continue;
        }
        let value = read_property_value(schema, property, json).map_err(|fault| format!(", {name}: {}", fault.message))?;
        let value = match value {
            Value::Text(text) if property.hashed => {
                Value::Text(password::hash(&text).map_err(|fault| format!(", {name}: {}", told(&fault)))?)
            }
            value => value,
        };
        values.push((index, value));
    }
    Ok(Body::new(ty, values))
}

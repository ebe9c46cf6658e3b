//! An entity as values by property: what a write works on before and after the statement.

use super::Engine;
use crate::model::caller::Caller;
use crate::model::clock::Ticks;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BODY_BYTES, DYNAMIC_PROPERTIES};
use crate::model::page::{Layout, Page, Rows};
use crate::model::query::Shape;
use crate::model::schema::{DYNAMIC_COLUMN, EntityType, MEDIA_COLUMN, Property, SetId, TYPE_COLUMN, Type, TypeId};
use crate::model::target::{Body, Dynamic};
use crate::model::text;
use crate::odata::literal::identifier;
use crate::odata::{canonical, dynamic};

/// Names of the frame's columns that the server writes.
mod frame {
    pub const TENANT: &str = "Tid";
    pub const CREATED_BY: &str = "CreatedById";
    pub const MODIFIED_BY: &str = "ModifiedById";
    pub const CREATED: &str = "Created";
    pub const MODIFIED: &str = "Modified";
    pub const ROW_VERSION: &str = "RowVersion";
}

/// Values of one entity, by property index of its type.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    pub ty: TypeId,
    pub values: Vec<Value>,
    /// Of a media entity: its media resource, as its column has it.
    pub media: Value,
    /// Of an open type: what it does not declare, as its column has it.
    pub dynamic: Value,
}

impl Entity {
    /// The values of the row key.
    pub fn key(&self, entity: &EntityType) -> Vec<Value> {
        entity.row_key.iter().map(|&index| self.values[index].clone()).collect()
    }

    /// Column names and values for a statement.
    pub fn columns<'a>(&self, entity: &'a EntityType) -> impl Iterator<Item = (&'a str, Value)> {
        let there = entity
            .properties
            .iter()
            .zip(self.values.clone())
            .filter(|(property, _)| !property.column.is_empty());
        there.map(|(property, value)| (property.column.as_str(), value))
    }
}

impl Engine {
    /// A new entity: the body's values, defaults, and what the server owns.
    ///
    /// # Errors
    /// `MISSING_PROPERTY` for a required one that the body leaves out.
    pub(super) fn new_entity(&self, caller: &Caller, body: Body) -> Outcome<Entity> {
        let entity = &self.schema.types[body.ty];
        let mut given: Vec<Option<Value>> = vec![None; entity.properties.len()];
        for (index, value) in body.values {
            given[index] = Some(value);
        }
        let mut values = Vec::with_capacity(given.len());
        for (index, (property, value)) in entity.properties.iter().zip(given).enumerate() {
            let owned = property.generated || property.read_only || entity.tenant == Some(index) && !entity.key.contains(&index);
            values.push(match value {
                Some(value) => self.complete(property, value)?,
                None if owned || !property.is_structural() => property.default.clone().unwrap_or(Value::Null),
                None => left_out(property)?,
            });
        }
        let media = body.media.map_or(Value::Null, |media| Value::Text(media.to_text()));
        let mut new = Entity {
            ty: body.ty,
            values,
            media,
            dynamic: self.dynamic(entity, body.dynamic)?,
        };
        // A key that is the tenant is the client's to choose; everywhere else the row belongs to the tenant acted in.
        if let Some(tenant) = entity.tenant.filter(|tenant| !entity.key.contains(tenant)) {
            new.values[tenant] = Value::Bytes(caller.tenant.to_vec());
        }
        self.stamp(caller, &mut new, true);
        Ok(new)
    }

    /// Writes who changed the entity and when, and a new version.
    pub(super) fn stamp(&self, caller: &Caller, changed: &mut Entity, created: bool) {
        let entity = &self.schema.types[changed.ty];
        let now = Value::Text(text::ticks_to_text(truncate(self.clock.now())));
        for (property, value) in entity
            .properties
            .iter()
            .zip(&mut changed.values)
            .filter(|(property, _)| property.read_only)
        {
            match property.name.as_str() {
                // Also where all tenants see the row: then it says who made it.
                frame::TENANT if created && entity.frame && entity.tenant.is_none() => *value = Value::Bytes(caller.tenant.to_vec()),
                frame::CREATED if created => *value = now.clone(),
                frame::MODIFIED => *value = now.clone(),
                frame::CREATED_BY if created => *value = Value::Integer(caller.user),
                frame::MODIFIED_BY => *value = Value::Integer(caller.user),
                frame::ROW_VERSION => *value = Value::Bytes(self.next_version()),
                _ => {}
            }
        }
    }

    /// Replaces (PUT) or changes (PATCH) an entity's values by a body's. The key and what the server owns stay (WR-30, WR-31, WR-34).
    pub(super) fn apply(&self, current: &Entity, body: Body, replace: bool) -> Outcome<Entity> {
        let entity = &self.schema.types[current.ty];
        let mut changed = current.clone();
        let mut given: Vec<Option<Value>> = vec![None; entity.properties.len()];
        for (index, value) in body.values {
            given[index] = Some(value);
        }
        for (index, (property, value)) in entity.properties.iter().zip(given).enumerate() {
            let fixed = entity.key.contains(&index) || property.read_only || property.generated || entity.tenant == Some(index);
            match value {
                _ if fixed => {}
                Some(value) => {
                    let value = if replace {
                        value
                    } else {
                        merged(property, &changed.values[index], value)
                    };
                    changed.values[index] = self.complete(property, value)?;
                }
                // What is never shown cannot be sent back, so leaving it out does not mean to empty it.
                None if replace && property.is_structural() && !property.write_only => changed.values[index] = left_out(property)?,
                None => {}
            }
        }
        let kept = match (&current.dynamic, replace) {
            (Value::Text(text), false) => dynamic::read(&self.schema, text),
            _ => Vec::new(),
        };
        changed.dynamic = self.dynamic(entity, dynamic::merge(kept, body.dynamic))?;
        Ok(changed)
    }

    /// Complex values have all their members that are not null.
    pub(super) fn complete(&self, property: &Property, value: Value) -> Outcome<Value> {
        match value {
            Value::Text(json) if property.ty.holds_complex() => {
                canonical::complete(&self.schema, &property.ty, &property.name, &json).map(Value::Text)
            }
            value => Ok(value),
        }
    }

    /// The column of an open type's undeclared properties (OPN-3).
    fn dynamic(&self, entity: &EntityType, properties: Vec<Dynamic>) -> Outcome<Value> {
        if properties.len() > DYNAMIC_PROPERTIES {
            let message = format!("An entity has at most {DYNAMIC_PROPERTIES} properties that its type does not declare.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        for property in &properties {
            let is_declared = entity.property(&property.name).is_some() || entity.navigation(&property.name).is_some();
            if !entity.is_open || is_declared {
                let message = format!("The type {} has no property `{}`.", entity.qualified(), property.name);
                return Err(Fault::new(&fault::UNKNOWN_PROPERTY, message).of(&property.name));
            }
            let is_name = identifier(&property.name).is_ok_and(|(rest, _)| rest.is_empty());
            let is_value = match &property.ty {
                Type::Primitive(edm) => *edm != Edm::Stream,
                Type::Complex(_) => true,
                Type::Collection(_) | Type::Entity(_) => false,
            };
            if !is_name || !is_value {
                let message = "A property that its type does not declare has an identifier for a name, and a primitive or complex value.";
                return Err(Fault::new(&fault::BAD_VALUE, message).of(&property.name));
            }
        }
        match dynamic::write(&self.schema, &properties) {
            Some(text) if text.len() > BODY_BYTES => {
                let message = format!("What the type of an entity does not declare has at most {BODY_BYTES} bytes.");
                Err(Fault::new(&fault::TOO_LARGE, message))
            }
            text => Ok(text.map_or(Value::Null, Value::Text)),
        }
    }

    /// An entity as a page of one row, all properties shown.
    pub(super) fn page_of(&self, set: Option<SetId>, entity: &Entity) -> Page {
        let ty = &self.schema.types[entity.ty];
        let mut rows = Rows::new(ty.properties.len() + 2);
        for (property, value) in ty.properties.iter().zip(&entity.values) {
            rows.push(if property.write_only { Cell::Null } else { value.cell() });
        }
        rows.push(entity.media.cell());
        rows.push(entity.dynamic.cell());
        let cells = ty
            .properties
            .iter()
            .enumerate()
            .map(|(i, property)| (!property.column.is_empty()).then_some(i))
            .collect();
        Page {
            set,
            ty: entity.ty,
            rows,
            layout: Layout {
                type_cell: None,
                types: vec![(entity.ty, cells)],
                hidden: vec![
                    (MEDIA_COLUMN.to_owned(), ty.properties.len()),
                    (DYNAMIC_COLUMN.to_owned(), ty.properties.len() + 1),
                ],
            },
            count: None,
            next: None,
            top_left: None,
            shape: Shape::default(),
            expanded: Vec::new(),
        }
    }

    /// The columns of a new row: the entity's, and the type in a hierarchy. A number that the database gives is left out.
    pub(super) fn insert_columns(&self, entity: &Entity) -> Vec<(&str, Value)> {
        let ty = &self.schema.types[entity.ty];
        let mut columns: Vec<(&str, Value)> = entity.columns(ty).collect();
        columns.retain(|(name, value)| {
            !(value.is_null() && ty.properties.iter().any(|property| property.generated && property.column == *name))
        });
        for (name, value) in [(MEDIA_COLUMN, &entity.media), (DYNAMIC_COLUMN, &entity.dynamic)] {
            if !value.is_null() {
                columns.push((name, value.clone()));
            }
        }
        if ty.in_hierarchy(&self.schema) {
            columns.push((TYPE_COLUMN, Value::Text(ty.qualified())));
        }
        columns
    }
}

/// A complex value keeps the members that a PATCH does not name; any other value is replaced.
fn merged(property: &Property, current: &Value, change: Value) -> Value {
    match (&property.ty, current, &change) {
        (Type::Complex(_), Value::Text(current), Value::Text(change)) => Value::Text(canonical::merge(current, change)),
        _ => change,
    }
}

/// The value of a property that a body leaves out. A required one without a default is a fault rather than 0 or an empty text (WR-19):
/// the clients that this server is for send every property, so that it is missing by mistake.
fn left_out(property: &Property) -> Outcome<Value> {
    match &property.default {
        Some(value) => Ok(value.clone()),
        None if property.nullable => Ok(Value::Null),
        // A collection is never null (MET-24); without items it is empty.
        None if matches!(property.ty, Type::Collection(_)) => Ok(Value::Text("[]".to_owned())),
        None => Err(Fault::new(&fault::MISSING_PROPERTY, format!("{} is required.", property.name)).of(&property.name)),
    }
}

/// Whole microseconds: more is noise of the clock.
fn truncate(ticks: Ticks) -> Ticks {
    ticks - ticks % 10
}

/// Whether a value says "no entity" in a foreign key: null, and the 0 or zero Guid that non-nullable keys hold instead.
pub(super) fn is_none(value: &Value, edm: Option<Edm>) -> bool {
    match value {
        Value::Null => true,
        Value::Integer(0) => edm.is_some(),
        Value::Bytes(bytes) => bytes.len() == 16 && bytes.iter().all(|byte| *byte == 0),
        _ => false,
    }
}

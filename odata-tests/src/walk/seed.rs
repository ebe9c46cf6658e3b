//! Values and bodies for any type. Texts carry a mark of four letters and digits, so that one who should not see them is found out.

use odonata::model::edm::Edm;
use odonata::model::schema::{Facets, Property, Schema, Type, TypeId};
use odonata::model::text;
use serde_json::{Map, Value, json};

use super::{Row, key_holders};
use crate::client::base64;

/// Makes values that differ from each other.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The first letters of every text: whose it is.
    pub mark: &'static str,
    /// Grows with every body.
    pub number: u32,
}

/// How much of a type a body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What it has to.
    Required,
    /// Whatever it may.
    Full,
}

/// What a body says, and where the server has to look for what it links.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The members.
    pub members: Map<String, Value>,
}

impl Seed {
    /// Goes on to the next number.
    pub fn advance(&mut self) -> &Seed {
        self.number += 1;
        self
    }

    /// A text of this seed.
    pub fn text(&self) -> String {
        format!("{}{:04}", self.mark, self.number)
    }

    /// A value of a primitive type.
    pub fn primitive(&self, edm: Edm, facets: &Facets) -> Value {
        let n = self.number;
        let (hour, minute, second) = (n / 3600 % 24, n / 60 % 60, n % 60);
        match edm {
            Edm::Boolean => json!(n.is_multiple_of(2)),
            Edm::Byte | Edm::SByte => json!(n % 100),
            Edm::Int16 => json!(n % 30_000),
            Edm::Int32 => json!(n),
            Edm::Int64 => json!(n.to_string()),
            Edm::Single | Edm::Double => json!(f64::from(n) + 0.5),
            Edm::Decimal => match facets.precision {
                Some(precision) if precision.saturating_sub(facets.scale.unwrap_or(0)) < 8 => json!((n % 5).to_string()),
                _ => json!(n.to_string()),
            },
            Edm::String => json!(self.fitted(facets)),
            Edm::Binary => json!(base64(&n.to_be_bytes()[2..])),
            Edm::Guid => json!(format!("{n:08x}-0000-4000-8000-{:012x}", u64::from(self.mark.as_bytes()[0]))),
            Edm::DateTime => json!(format!("2021-03-04T{hour:02}:{minute:02}:{second:02}")),
            Edm::DateTimeOffset => json!(format!("2021-03-04T{hour:02}:{minute:02}:{second:02}Z")),
            Edm::Time => json!(format!("PT{n}S")),
            Edm::GeographyPoint | Edm::GeometryPoint => json!({"type": "Point", "coordinates": [1.0, 2.0]}),
            _ => Value::Null,
        }
    }

    /// The mark where it fits, else as much of the number as does.
    fn fitted(&self, facets: &Facets) -> String {
        let text = self.text();
        let Some(Some(limit)) = facets.max_length else { return text };
        let limit = limit as usize;
        if text.len() > limit {
            let digits = format!("{:0limit$}", self.number);
            return digits[digits.len() - limit..].to_owned();
        }
        match facets.fixed_length {
            Some(true) => format!("{text:0<limit$}"),
            _ => text,
        }
    }

    /// A value of any type.
    pub fn value(&self, schema: &Schema, ty: &Type, facets: &Facets) -> Value {
        match ty {
            Type::Primitive(edm) => self.primitive(*edm, facets),
            Type::Complex(id) => {
                let members = schema.complex[*id].properties.iter();
                let members = members.filter(|property| property.is_structural());
                Value::Object(
                    members
                        .map(|property| (property.name.clone(), self.value(schema, &property.ty, &property.facets)))
                        .collect(),
                )
            }
            Type::Collection(item) => match **item {
                Type::Entity(_) => json!([]),
                _ => json!([self.value(schema, item, facets)]),
            },
            Type::Entity(_) => Value::Null,
        }
    }

    /// A body for a new entity of `ty`, with references to rows of the caller's own where it needs or may have them; none when a row
    /// that it needs is not there yet.
    pub fn body(&self, schema: &Schema, ty: TypeId, extent: Extent, target: &dyn Fn(TypeId) -> Option<Row>) -> Option<Draft> {
        let entity = &schema.types[ty];
        let mut draft = Draft::default();
        draft.members.insert("odata.type".to_owned(), json!(entity.qualified()));
        for (index, property) in entity.properties.iter().enumerate() {
            let is_key = entity.key.contains(&index);
            let is_needed = is_key || (!property.nullable && property.default.is_none() && !matches!(property.ty, Type::Collection(_)));
            if property.is_given() && !property.hashed && Some(index) != entity.tenant && (is_needed || extent == Extent::Full) {
                let value = self.value(schema, &property.ty, &property.facets);
                draft.members.insert(property.name.clone(), value);
            }
        }
        if entity.is_open && extent == Extent::Full {
            draft.members.insert("Undeclared".to_owned(), json!(self.text()));
        }
        self.refer(schema, ty, target, &mut draft)?;
        Some(draft)
    }

    /// Foreign keys: of rows that are there, or nothing where that may be.
    fn refer(&self, schema: &Schema, ty: TypeId, target: &dyn Fn(TypeId) -> Option<Row>, draft: &mut Draft) -> Option<()> {
        let entity = &schema.types[ty];
        for navigation in entity.navigations.iter().filter(|navigation| !navigation.is_many()) {
            let must = navigation.multiplicity.text() == "1";
            let row = target(navigation.target);
            if must && row.is_none() && matches!(navigation.join, Some(odonata::model::schema::Join::Near { .. })) {
                return None;
            }
            let Some(held) = key_holders(schema, ty, navigation) else {
                if must && let Some(row) = row {
                    let bind = format!("{}@odata.bind", navigation.name);
                    draft.members.insert(bind, json!(row.path(schema)));
                }
                continue;
            };
            let names: Vec<&str> = schema.types[navigation.target]
                .key_properties()
                .map(|key| key.name.as_str())
                .collect();
            for (&index, name) in held.iter().zip(names) {
                let property = &entity.properties[index];
                let is_own_key = entity.key.contains(&index);
                match &row {
                    Some(row) if property.is_given() => drop(draft.members.insert(property.name.clone(), row.json[name].clone())),
                    _ if !is_own_key => drop(draft.members.shift_remove(&property.name)),
                    _ => {}
                }
            }
        }
        Some(())
    }
}

/// The URL literal of a property's value in JSON light.
pub fn literal(property: &Property, json: &Value) -> Option<String> {
    let edm = property.ty.primitive()?;
    let text = match json {
        Value::String(text) => text.clone(),
        Value::Null => return None,
        other => other.to_string(),
    };
    let value = text::parse(edm, &text)?;
    let mut out = Vec::new();
    text::write_literal(edm, value.cell(), &mut out);
    String::from_utf8(out).ok()
}

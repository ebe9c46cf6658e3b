//! Built-in operations that are about no set in particular.

use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::resolve::Place;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Scope};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{Fault, Outcome};
use crate::model::page::Page;
use crate::model::schema::{Property, Schema, SetId, Type, TypeId};
use crate::model::text;
use crate::odata::canonical;
use crate::store::Session;

/// Stands for "the tenant that it will be created in".
const HOME_TENANT: [u8; 16] = [0x22; 16];

/// The server answers.
pub fn ping(_: &Engine, _: &mut Session<'_>, _: &Caller, _: &Bound, _: &[Value]) -> Outcome<Given> {
    Ok(Given::Nothing)
}

/// The server's time: `yyyy-MM-ddTHH:mm:ss.fff+00:00`.
pub fn time(engine: &Engine, _: &mut Session<'_>, _: &Caller, _: &Bound, _: &[Value]) -> Outcome<Given> {
    let mut now = text::ticks_to_text(engine.clock.now());
    now.truncate("yyyy-MM-ddTHH:mm:ss.fff".len());
    Ok(Given::Value(Value::Text(format!("{now}+00:00"))))
}

/// What it was given.
pub fn echo(_: &Engine, _: &mut Session<'_>, _: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    Ok(Given::Value(arguments.first().cloned().unwrap_or(Value::Null)))
}

/// The caller, also when acting in another tenant.
pub fn current_user(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let set = if let Bound::Entities { set, .. } = bound { *set } else { None };
    engine
        .user_page(session, caller.user, set)
        .map(|page| Given::Entities(Box::new(page)))
}

impl Engine {
    /// A user as shown to himself.
    pub(super) fn user_page(&self, session: &mut Session<'_>, user: i64, set: Option<SetId>) -> Outcome<Page> {
        let place = Place::of(self.core_type("Users")?, set, vec![Value::Integer(user)]);
        let user = self.entity_at(session, &Scope::everything(), &place, false)?;
        Ok(self.page_of(set, &user))
    }
}

/// An entity that is no row, with a value in every property: what a client may begin a new one with.
pub fn template(engine: &Engine, _: &mut Session<'_>, _: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let Bound::Entities { ty, set } = *bound else {
        return Err(Fault::internal("Template is bound to no collection"));
    };
    let ty = concrete(&engine.schema, ty);
    let entity = &engine.schema.types[ty];
    let mut values: Vec<Value> = entity.properties.iter().map(|property| default(&engine.schema, property)).collect();
    if let Some(tenant) = entity.tenant {
        values[tenant] = Value::Bytes(HOME_TENANT.to_vec());
    }
    let new = Entity {
        ty,
        values,
        media: Value::Null,
        dynamic: Value::Null,
    };
    Ok(Given::Entities(Box::new(engine.page_of(set, &new))))
}

/// The type itself, or the first that derives from it and has instances.
fn concrete(schema: &Schema, ty: TypeId) -> TypeId {
    let family = schema.types[ty].family.iter().copied();
    family.into_iter().find(|&member| !schema.types[member].is_abstract).unwrap_or(ty)
}

/// The declared default; else the word "required" or "optional" for a text, null where that may be, and the smallest value.
fn default(schema: &Schema, property: &Property) -> Value {
    let edm = property.ty.primitive();
    match &property.default {
        Some(Value::Text(text)) if text.is_empty() && edm == Some(Edm::String) => {}
        Some(value) => return value.clone(),
        None => {}
    }
    if edm == Some(Edm::String) && !property.write_only {
        let word = if property.nullable { "optional" } else { "required" };
        let fits = property.facets.max_length.flatten().is_none_or(|max| word.len() <= max as usize);
        return Value::Text(if fits { word.to_owned() } else { String::new() });
    }
    match property.nullable || property.write_only {
        true => Value::Null,
        false => smallest(schema, &property.ty),
    }
}

fn smallest(schema: &Schema, ty: &Type) -> Value {
    match ty {
        Type::Primitive(edm) => match edm {
            Edm::Boolean => Value::Boolean(false),
            Edm::Single | Edm::Double => Value::Double(0.0),
            Edm::Decimal => Value::Text("0".to_owned()),
            Edm::String => Value::Text(String::new()),
            Edm::Binary => Value::Bytes(Vec::new()),
            Edm::Guid => Value::Bytes(vec![0; 16]),
            Edm::DateTime | Edm::DateTimeOffset => Value::Text(text::ticks_to_text(0)),
            edm if edm.integer_range().is_some() || *edm == Edm::Time => Value::Integer(0),
            _ => Value::Null,
        },
        Type::Complex(id) => {
            let members = schema.complex[*id].properties.iter();
            let members = members.map(|property| (property.name.as_str(), &property.ty, default(schema, property)));
            canonical::object(members)
        }
        Type::Collection(_) => Value::Text("[]".to_owned()),
        Type::Entity(_) => Value::Null,
    }
}

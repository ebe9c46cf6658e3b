//! Built-in operations on tenants: what belongs to one, and how two are related.

use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::engine::tenants::ancestors;
use crate::model::caller::{Caller, Guid};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{Fault, Outcome};
use crate::model::schema::{ComplexType, Type};
use crate::odata::canonical;
use crate::store::{Restriction, Session};

/// About the tenant that the caller acts in.
pub fn current(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, _: &[Value]) -> Outcome<Given> {
    about(engine, session, caller.tenant)
}

/// About the addressed tenant.
pub fn information(engine: &Engine, session: &mut Session<'_>, _: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    about(engine, session, addressed(engine, bound)?)
}

/// The members of the complex type that are known: of the tenant's row, and the numbers of its roles. The others are 0.
fn about(engine: &Engine, session: &mut Session<'_>, tenant: Guid) -> Outcome<Given> {
    let core = engine
        .schema
        .endpoint("Core")
        .ok_or_else(|| Fault::internal("there is no endpoint Core"))?;
    let find = |name: &str| {
        let found = core.complex.iter().map(|&id| &engine.schema.complex[id]).find(|ty| ty.name == name);
        found.ok_or_else(|| Fault::internal(format!("Core has no complex type {name}")))
    };
    let key = Restriction::Key(vec![Value::Bytes(tenant.to_vec())]);
    let tenants = engine.columns(session, engine.core_type("Tenants")?, &["ParentId", "CustomerId"], None, vec![key])?;
    let Some([parent, customer]) = tenants.first().map(Vec::as_slice) else {
        return Err(Fault::not_found());
    };
    let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
    let roles = engine.columns(session, engine.core_type("Roles")?, &["Name", "Id"], None, vec![own])?;
    let role = |name: &str| {
        let row = roles.iter().find(|row| matches!(&row[0], Value::Text(text) if text == name));
        row.map(|row| row[1].clone())
    };
    let roles = object(find("BuiltInRoles")?, role);
    Ok(Given::Value(object(find("TenantManagerInformation")?, |name| match name {
        "Id" => Some(Value::Bytes(tenant.to_vec())),
        "ParentId" => Some(parent.clone()),
        "CustomerId" => Some(customer.clone()).filter(|customer| !customer.is_null()),
        "BuiltInRoles" => Some(roles.clone()),
        _ => None,
    })))
}

/// A complex value; numbers that nobody knows are 0.
fn object(ty: &ComplexType, of: impl Fn(&str) -> Option<Value>) -> Value {
    let members = ty.properties.iter().map(|property| {
        let unknown = match property.ty {
            Type::Primitive(Edm::Int64) => Value::Integer(0),
            _ => Value::Null,
        };
        (property.name.as_str(), &property.ty, of(&property.name).unwrap_or(unknown))
    });
    canonical::object(members)
}

/// The tenants above two: that of the session, and the addressed one.
struct Relation {
    session: Guid,
    addressed: Guid,
    above_session: Vec<Guid>,
    above_addressed: Vec<Guid>,
}

/// Every relation (from the session's tenant towards the addressed one) is a test of these two lines of ancestors.
fn relation(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    bound: &Bound,
    holds: impl FnOnce(&Relation) -> bool,
) -> Outcome<Given> {
    let addressed = addressed(engine, bound)?;
    let relation = Relation {
        session: caller.tenant,
        addressed,
        above_session: ancestors(engine, session, caller.tenant)?,
        above_addressed: ancestors(engine, session, addressed)?,
    };
    Ok(Given::Value(Value::Boolean(holds(&relation))))
}

macro_rules! relations {
    ($($name:ident = $holds:expr, $what:literal;)*) => {
        $(#[doc = $what]
        pub fn $name(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
            relation(engine, session, caller, bound, $holds)
        })*
    };
}

relations! {
    is_ancestor = |of| of.above_session.contains(&of.addressed), "The addressed tenant is above that of the session.";
    is_parent = |of| of.above_session.first() == Some(&of.addressed), "Directly above it.";
    is_child = |of| of.above_addressed.first() == Some(&of.session), "Directly below it.";
    is_descendant = |of| of.above_addressed.contains(&of.session), "Below it.";
    is_self = |of| of.addressed == of.session, "The same.";
    is_sibling = |of| of.addressed != of.session && !of.above_session.is_empty() && of.above_session.first() == of.above_addressed.first(),
        "Below the same parent.";
    is_related = |_| false, "No relation counts as this one: the founding system answers false for all of them, and clients test that.";
}

/// The tenant that the operation is bound to.
fn addressed(engine: &Engine, bound: &Bound) -> Outcome<Guid> {
    let none = || Fault::internal("bound to no tenant");
    let Bound::Entity(Entity { ty, values, .. }) = bound else {
        return Err(none());
    };
    match engine.schema.types[*ty].key.first().map(|&key| &values[key]) {
        Some(Value::Bytes(id)) => Guid::try_from(id.as_slice()).map_err(|_| none()),
        _ => Err(none()),
    }
}

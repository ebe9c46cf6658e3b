//! Built-in operations with which operators mend rows: whose they are, and who is said to have made them
//! (`reference/appclusive.md` 2.3, `SpecialOperations`).

use serde_json::{Map, Value as Json};

use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::audit::Entry;
use crate::engine::identity::{self, raise_security_version};
use crate::engine::permission::forbidden;
use crate::engine::resolve::Place;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, Scope};
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::text;
use crate::store::{Restriction, Session, Update};

fn bad(name: &str, why: &str) -> Fault {
    Fault::new(&fault::BAD_ARGUMENT, format!("{name} {why}")).of(name)
}

/// The row that EntityId and EntitySet name, in the tenant that the caller acts in, kept from other writers. A set is one of Core, or
/// `Endpoint/Set`. Of sets that only the server writes, such as the audit trail, there is none.
fn row(engine: &Engine, session: &mut Session<'_>, caller: &Caller, arguments: &[Value]) -> Outcome<Entity> {
    if !caller.rights.operator {
        return Err(forbidden("Only an operator may do this."));
    }
    let [Value::Integer(id), Value::Text(set), ..] = arguments else {
        return Err(bad("EntitySet", "is required."));
    };
    let (endpoint, name) = set.split_once('/').unwrap_or(("Core", set));
    let found = engine.schema.endpoint(endpoint).and_then(|endpoint| endpoint.set_names.get(name));
    let set = *found.ok_or_else(|| bad("EntitySet", "names no set."))?;
    let ty = engine.schema.sets[set].entity_type;
    let entity = &engine.schema.types[ty];
    let is_by_number = entity.key_properties().all(|key| key.ty.primitive() == Some(Edm::Int64)) && entity.key.len() == 1;
    if engine.schema.sets[set].read_only || engine.is_session(ty) || !entity.frame || !is_by_number || entity.tenant.is_none() {
        return Err(bad("EntitySet", "names a set whose rows stay as they are."));
    }
    let mut place = Place::of(ty, Some(set), Vec::new());
    place.restrictions = vec![Restriction::Key(vec![Value::Integer(*id)])];
    engine.locked(session, &Scope::of(caller), &place)
}

/// Puts a value into a column of a row, and writes down that it was done.
fn set(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    row: &Entity,
    (what, name, value): (&str, &str, Value),
) -> Outcome<Given> {
    let entity = &engine.schema.types[row.ty];
    let index = engine.property_of(row.ty, name)?;
    let tenant = |value: &Value| match value {
        Value::Bytes(bytes) => Guid::try_from(bytes.as_slice()).unwrap_or(SYSTEM_TENANT),
        _ => SYSTEM_TENANT,
    };
    let told = |value: &Value| {
        let mut out = Vec::new();
        text::write(
            entity.properties[index].ty.primitive().unwrap_or(Edm::String),
            value.cell(),
            &mut out,
        );
        Map::from_iter([(name.to_owned(), Json::from(String::from_utf8_lossy(&out).into_owned()))])
    };
    let (everything, key) = (Scope::everything(), row.key(entity));
    let id = engine.integer(row, "Id").to_string();
    let entry = Entry {
        what,
        state: "Succeeded",
        tenant: entity.tenant.map_or(SYSTEM_TENANT, |index| tenant(&row.values[index])),
        by: caller.user,
        about: (row.ty, id.clone()),
        before: told(&row.values[index]),
        after: told(&value),
    };
    let mut update = Update::new(&engine.schema, &everything, row.ty, &key)?;
    update.values = vec![
        (entity.properties[index].column.as_str(), value),
        ("RowVersion", Value::Bytes(engine.next_version())),
    ];
    update.run(session)?;
    engine.audit(session, entry)?;
    // Rows that belong to others are other ones for lists and rules, too.
    raise_security_version(engine, session)?;
    Ok(Given::Value(Value::Text(id)))
}

/// EntityId, EntitySet, TenantId. Users, roles and what else says who may do what stay where they are, and so does a node with an access
/// control list.
pub fn set_tenant(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let row = row(engine, session, caller, arguments)?;
    let entity = &engine.schema.types[row.ty];
    if entity.security {
        return Err(bad("EntitySet", "names a set whose rows stay in their tenant."));
    }
    let Some(Value::Bytes(tenant)) = arguments.get(2) else {
        return Err(bad("TenantId", "is required."));
    };
    let guid = Guid::try_from(tenant.as_slice()).unwrap_or_default();
    if !identity::tenant_exists(engine, session, guid)? {
        return Err(Fault::new(&fault::BAD_REFERENCE, "TenantId names no tenant.").of("TenantId"));
    }
    if entity.root == engine.core_type("Nodes")? {
        let node = Value::Integer(engine.integer(&row, "Id"));
        let those = Restriction::Columns(vec!["EntityId".to_owned()], vec![node]);
        if !engine
            .columns(session, engine.core_type("Acls")?, &["Id"], None, vec![those])?
            .is_empty()
        {
            let message = "The node has an access control list, which is its tenant's: delete that first.";
            return Err(Fault::new(&fault::CONFLICT, message));
        }
    }
    set(engine, session, caller, &row, ("SetTenant", "Tid", Value::Bytes(tenant.clone())))
}

/// JobId, Status: where the state machine of an entity is, or what a job without one says of itself.
pub fn set_job_status(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let Some(id @ Value::Integer(_)) = arguments.first() else {
        return Err(bad("JobId", "is required."));
    };
    let status = arguments
        .get(1)
        .filter(|status| matches!(status, Value::Text(text) if !text.is_empty()));
    let status = status.ok_or_else(|| bad("Status", "is required."))?;
    let row = row(engine, session, caller, &[id.clone(), Value::Text("Jobs".to_owned())])?;
    set(engine, session, caller, &row, ("SetJobStatus", "Status", status.clone()))
}

/// EntityId, EntitySet, CreatedById.
pub fn set_created_by(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let row = row(engine, session, caller, arguments)?;
    let Some(user @ Value::Integer(_)) = arguments.get(2) else {
        return Err(bad("CreatedById", "is required."));
    };
    let key = Restriction::Key(vec![user.clone()]);
    if engine
        .columns(session, engine.core_type("Users")?, &["Id"], None, vec![key])?
        .is_empty()
    {
        return Err(Fault::new(&fault::BAD_REFERENCE, "CreatedById names no user.").of("CreatedById"));
    }
    set(engine, session, caller, &row, ("SetCreatedBy", "CreatedById", user.clone()))
}

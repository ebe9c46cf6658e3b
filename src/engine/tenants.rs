//! The tree of tenants: who is above whom, how requests name a tenant, and what it takes to end one.

use super::Engine;
use super::catalogue::{BUILT_IN, add_roles};
use super::permission::forbidden;
use super::row::Entity;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, SYSTEM_USER, Scope};
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::function;
use crate::model::limits::{NAMESAKES, TENANT_DEPTH};
use crate::model::text;
use crate::store::{Delete, Restriction, Session, clear_where};

/// What only an operator changes of a tenant: where it hangs in the tree, and the names that other systems know it by. An administrator
/// who could would take the tenant out from under those above it, or requests that are meant for another.
const OPERATORS: &[&str] = &["ParentId", "ExternalId", "ExternalType"];

/// Whether there is such a tenant.
pub fn tenant_exists(engine: &Engine, session: &mut Session<'_>, tenant: Guid) -> Outcome<bool> {
    Ok(!row(engine, session, tenant, &["Id"])?.is_empty())
}

/// Makes a tenant below the root, with its built-in roles.
pub fn add_tenant(engine: &Engine, session: &mut Session<'_>, tenant: Guid, name: &str, parent: Guid) -> Outcome<()> {
    let user = Value::Integer(SYSTEM_USER);
    let mut columns = vec![
        ("Id", Value::Bytes(tenant.to_vec())),
        ("Name", Value::Text(name.to_owned())),
        ("ParentId", Value::Bytes(parent.to_vec())),
    ];
    columns.extend([("CreatedById", user.clone()), ("ModifiedById", user)]);
    engine.add_built_in(session, "Tenants", SYSTEM_TENANT, columns)?;
    add_roles(engine, session, tenant)
}

/// The tenant directly above one; none above the root.
pub(super) fn parent_of(engine: &Engine, session: &mut Session<'_>, tenant: Guid) -> Outcome<Option<Guid>> {
    let rows = row(engine, session, tenant, &["ParentId"])?;
    Ok(rows.first().and_then(|row| as_guid(&row[0])).filter(|parent| *parent != tenant))
}

/// The tenants above one, nearest first; the root is its own parent, and has none.
pub(super) fn ancestors(engine: &Engine, session: &mut Session<'_>, tenant: Guid) -> Outcome<Vec<Guid>> {
    let mut found: Vec<Guid> = Vec::new();
    let mut at = tenant;
    while let Some(parent) = parent_of(engine, session, at)? {
        // A tree that bites its own tail ends there.
        if parent == tenant || found.contains(&parent) {
            break;
        }
        found.push(parent);
        if found.len() > TENANT_DEPTH {
            let message = format!("The tenants above this one are more than {TENANT_DEPTH}.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        at = parent;
    }
    Ok(found)
}

/// The tenant that a request names by its Guid or its `ExternalId`; none if it is no tenant's, or several tenants'.
pub fn of_request(engine: &Engine, session: &mut Session<'_>, name: &str) -> Outcome<Option<Guid>> {
    if let Some(tenant) = guid(name) {
        return Ok(Some(tenant));
    }
    let mut found = with_external_id(engine, session, name)?.into_iter();
    Ok(found.next().filter(|_| found.next().is_none()))
}

/// The tenants that a user may name before his own name: by Guid, else by `ExternalId`, else by `Name`, letter case aside. Names are no
/// keys, so it may be several.
pub(super) fn named(engine: &Engine, session: &mut Session<'_>, name: &str) -> Outcome<Vec<Guid>> {
    let by_guid = guid(name);
    let found = with_external_id(engine, session, name)?;
    let Some(lower) = function::overloads("tolower").next() else {
        return Ok(found);
    };
    let ty = engine.core_type("Tenants")?;
    let folded = Expr::Binary {
        op: Op::Eq,
        edm: Edm::String,
        left: Box::new(Expr::Call(lower, vec![engine.column_expr(ty, "Name")?])),
        right: Box::new(Expr::Literal(Edm::String, Value::Text(name.to_lowercase()))),
    };
    let by_name = engine.columns_up_to(session, ty, &["Id"], Some(&folded), Vec::new(), Some(NAMESAKES))?;
    Ok(match (by_guid, found.is_empty()) {
        (Some(tenant), _) => vec![tenant],
        (None, false) => found,
        (None, true) => by_name.iter().filter_map(|row| as_guid(&row[0])).collect(),
    })
}

/// Whether there is a tenant beside the root.
pub(super) fn are_several(engine: &Engine, session: &mut Session<'_>) -> Outcome<bool> {
    let ty = engine.core_type("Tenants")?;
    Ok(engine.columns_up_to(session, ty, &["Id"], None, Vec::new(), Some(2))?.len() > 1)
}

/// What a change of a tenant may not be: another place in the tree by somebody who is no operator, or below itself.
///
/// # Errors
/// `FORBIDDEN`, `BAD_VALUE`.
pub(super) fn check_change(engine: &Engine, session: &mut Session<'_>, caller: &Caller, current: &Entity, changed: &Entity) -> Outcome<()> {
    let ty = engine.core_type("Tenants")?;
    if current.ty != ty {
        return Ok(());
    }
    let entity = &engine.schema.types[ty];
    let differs = |name: &str| {
        let index = entity.property(name);
        index.is_some_and(|index| current.values[index] != changed.values[index])
    };
    if !caller.rights.operator && OPERATORS.iter().any(|name| differs(name)) {
        return Err(forbidden(
            "Only an operator may change what a tenant is below, and what other systems call it.",
        ));
    }
    if !differs("ParentId") {
        return Ok(());
    }
    let value = |name: &str| entity.property(name).and_then(|index| as_guid(&changed.values[index]));
    let (Some(own), Some(parent)) = (value("Id"), value("ParentId")) else {
        return Ok(());
    };
    if own == parent || own == SYSTEM_TENANT || ancestors(engine, session, parent)?.contains(&own) {
        let message = match own == SYSTEM_TENANT {
            true => "The root tenant stays the root.",
            false => "A tenant cannot be below itself.",
        };
        return Err(Fault::new(&fault::BAD_VALUE, message).of("ParentId"));
    }
    Ok(())
}

/// Before a tenant is deleted: it has nothing but its built-in roles, and these go along.
///
/// # Errors
/// `REFERENCED` while it has entities or tenants below it.
pub(super) fn dissolve(engine: &Engine, session: &mut Session<'_>, gone: &Entity) -> Outcome<()> {
    let tenants = engine.core_type("Tenants")?;
    let Some(tenant) = (gone.ty == tenants).then(|| gone.values[engine.schema.types[tenants].key[0]].clone()) else {
        return Ok(());
    };
    let everything = Scope::everything();
    if let Some(table) = engine.schema.types[engine.core_type("Configs")?].table {
        clear_where(session, &engine.schema, table, "Tid", tenant.clone())?;
    }
    let roles = engine.core_type("Roles")?;
    let built_in = Restriction::Columns(
        vec!["Tid".to_owned(), "RoleType".to_owned()],
        vec![tenant.clone(), Value::Text(BUILT_IN.to_owned())],
    );
    for key in engine.columns(session, roles, &["Id"], None, vec![built_in])? {
        engine.check_unreferenced(session, roles, &key)?;
        Delete::new(&engine.schema, &everything, roles, &key)?.run(session)?;
    }
    for (id, entity) in engine.schema.types.iter().enumerate() {
        // What only the server writes, such as the audit trail, stays for the root tenant to see.
        let is_servers = engine.home_sets.get(&id).is_some_and(|&set| engine.schema.sets[set].read_only);
        let has_rows = id == entity.root && id != tenants && entity.table.is_some() && !is_servers;
        let Some(owner) = entity.tenant.filter(|_| has_rows) else {
            continue;
        };
        let own = Restriction::Columns(vec![entity.properties[owner].column.clone()], vec![tenant.clone()]);
        if engine.ask(session, &everything, id, vec![own], |select, session| select.exists(session))? {
            let message = format!("The tenant has entities of {} yet.", entity.qualified());
            return Err(Fault::new(&fault::REFERENCED, message));
        }
    }
    Ok(())
}

fn with_external_id(engine: &Engine, session: &mut Session<'_>, name: &str) -> Outcome<Vec<Guid>> {
    let same = Restriction::Columns(vec!["ExternalId".to_owned()], vec![Value::Text(name.to_owned())]);
    let ty = engine.core_type("Tenants")?;
    let found = engine.columns_up_to(session, ty, &["Id"], None, vec![same], Some(NAMESAKES))?;
    Ok(found.iter().filter_map(|row| as_guid(&row[0])).collect())
}

fn row(engine: &Engine, session: &mut Session<'_>, tenant: Guid, names: &[&str]) -> Outcome<Vec<Vec<Value>>> {
    let key = Restriction::Key(vec![Value::Bytes(tenant.to_vec())]);
    engine.columns(session, engine.core_type("Tenants")?, names, None, vec![key])
}

fn as_guid(value: &Value) -> Option<Guid> {
    match value {
        Value::Bytes(bytes) => Guid::try_from(bytes.as_slice()).ok(),
        _ => None,
    }
}

/// A Guid as it is written, without blanks around it: what has a meaning has one spelling, letter case aside.
fn guid(text: &str) -> Option<Guid> {
    text::parse_guid(text)
}

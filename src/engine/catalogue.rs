//! The catalogue of permissions, and the roles that every tenant has.

use std::collections::HashSet;

use super::Engine;
use crate::model::caller::{Guid, SYSTEM_TENANT, role};
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::model::rights::ADMINISTRATOR;
use crate::store::{Restriction, Session};

pub(super) fn add_roles(engine: &Engine, session: &mut Session<'_>, tenant: Guid) -> Outcome<()> {
    for (name, permissions) in BUILT_IN_ROLES {
        let role = add_role(engine, session, tenant, name)?;
        grant(engine, session, role, permissions)?;
    }
    super::tasks::complete(engine, session, tenant)
}

/// `RoleType` of the roles that every tenant has. Clients cannot make such roles, nor give them other names.
pub const BUILT_IN: &str = "BuiltIn";

/// Roles that every tenant has (`reference/appclusive.md` 4.1), and the permissions that they hold at first.
const BUILT_IN_ROLES: &[(&str, &[&str])] = &[
    (role::CLOUD_ADMIN, &[ADMINISTRATOR]),
    (role::CLOUD_USER, &[EVERYTHING]),
    ("CloudGuest", &[]),
    (role::CREATOR_OWNER, &[]),
    (role::EVERYONE, &["Apc:SessionsCanRead", "Apc:SessionsCanDelete"]),
    ("AppclusiveEveryone", &[]),
    (role::PARENT_TENANT, &[]),
    (role::CHILD_TENANTS, &[]),
];

/// Every verb and operation of every set; to write one that decides what callers may do, a permission has to name it.
pub(super) const EVERYTHING: &str = "*:*Can*";

/// Patterns that the catalogue has beside a name for each set and verb.
const PATTERNS: &[&str] = &[
    ADMINISTRATOR,
    EVERYTHING,
    "*:*CanCreate",
    "*:*CanRead",
    "*:*CanUpdate",
    "*:*CanDelete",
];

/// Makes the permissions that are missing: in the root tenant, for all to grant, one for each set and verb and each operation.
pub fn complete_catalogue(engine: &Engine, session: &mut Session<'_>) -> Outcome<()> {
    let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(SYSTEM_TENANT.to_vec())]);
    let known = engine.columns(session, engine.core_type("Permissions")?, &["Name"], None, vec![own])?;
    let mut known: HashSet<String> = known
        .into_iter()
        .flatten()
        .filter_map(|name| match name {
            Value::Text(name) => Some(name),
            _ => None,
        })
        .collect();
    let names = engine.targets.list.iter().map(|target| target.name.as_str());
    for name in PATTERNS.iter().copied().chain(names) {
        if known.insert(name.to_owned()) {
            engine.add_built_in(session, "Permissions", SYSTEM_TENANT, vec![("Name", text(name))])?;
        }
    }
    Ok(())
}

/// Gives a role permissions of the catalogue.
fn grant(engine: &Engine, session: &mut Session<'_>, role: i64, names: &[&str]) -> Outcome<()> {
    let (_, table, near, far) = engine.role_link("Permissions")?;
    for name in names {
        let columns = ["Name", "Tid"].map(str::to_owned).to_vec();
        let of = Restriction::Columns(columns, vec![text(name), Value::Bytes(SYSTEM_TENANT.to_vec())]);
        let found = engine.columns(session, engine.core_type("Permissions")?, &["Id"], None, vec![of])?;
        let id = found.into_iter().flatten().next();
        let id = id.ok_or_else(|| Fault::internal(format!("the catalogue has no {name}")))?;
        engine.insert_pair(session, table, (&near, &[Value::Integer(role)]), (&far, &[id]))?;
    }
    Ok(())
}

/// Makes a built-in role of a tenant.
pub fn add_role(engine: &Engine, session: &mut Session<'_>, tenant: Guid, name: &str) -> Outcome<i64> {
    engine.add_built_in(session, "Roles", tenant, vec![("Name", text(name)), ("RoleType", text(BUILT_IN))])
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

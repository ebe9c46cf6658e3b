//! What a fresh database needs: the catalogue of permissions, the root tenant, its roles, the SYSTEM user and the first administrator.

use super::Engine;
use super::catalogue::{add_role, complete_catalogue};
use super::identity::{add_tenant, add_user, list_users};
use crate::model::caller::{Guid, SYSTEM_TENANT, SYSTEM_USER, role};
use crate::model::edm::Value;
use crate::model::fault::Outcome;
use crate::store::{Insert, Session};

/// Name of the first administrator.
pub const ADMINISTRATOR: &str = "admin";

/// Completes the catalogue, and makes the rest when there is no user yet; whether it did. The administrator's password hash is asked for only then.
pub fn first_start(engine: &Engine, session: &mut Session<'_>, password_hash: impl FnOnce() -> Outcome<String>) -> Outcome<bool> {
    session.alone()?;
    complete_catalogue(engine, session)?;
    if !list_users(engine, session)?.is_empty() {
        complete_settings(engine, session)?;
        return Ok(false);
    }
    let hash = password_hash()?;
    let name = |name: &str| ("Name", Value::Text(name.to_owned()));
    let system = vec![
        ("Id", Value::Integer(SYSTEM_USER)),
        name("SYSTEM"),
        ("Active", Value::Boolean(false)),
    ];
    engine.add_built_in(session, "Users", SYSTEM_TENANT, system)?;
    if let Some(table) = engine.schema.types[engine.core_type("Users")?].table {
        Insert::new(&engine.schema, table).advance(session)?;
    }
    add_tenant(engine, session, SYSTEM_TENANT, "SYSTEM", SYSTEM_TENANT)?;
    add_role(engine, session, SYSTEM_TENANT, role::UBER_ADMIN)?;
    add_user(
        engine,
        session,
        ADMINISTRATOR,
        SYSTEM_TENANT,
        &[role::UBER_ADMIN, role::CLOUD_ADMIN],
        Some(&hash),
    )?;
    Ok(true)
}

/// Makes the settings that tenants of an older database lack.
fn complete_settings(engine: &Engine, session: &mut Session<'_>) -> Outcome<()> {
    for row in engine.columns(session, engine.core_type("Tenants")?, &["Id"], None, Vec::new())? {
        if let Some(Value::Bytes(tenant)) = row.first()
            && let Ok(tenant) = Guid::try_from(tenant.as_slice())
        {
            super::tasks::complete(engine, session, tenant)?;
        }
    }
    Ok(())
}

//! Users whom somebody else knows: a directory, an issuer of tokens, a Kerberos realm. They map to `Users` by `ExternalType` and
//! `ExternalId` (`reference/appclusive.md` 3.4).

use super::Engine;
use super::identity::{self, User};
use crate::model::caller::{Guid, SYSTEM_TENANT, SYSTEM_USER, role};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::store::{Pair, Restriction, Session};

/// Somebody as another system knows him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// Who knows him: `ExternalType`.
    pub source: String,
    /// His name there, which never changes: `ExternalId`.
    pub id: String,
    /// The name of a user that is made for him.
    pub name: String,
    /// His address; empty if nobody says.
    pub mail: String,
    /// The tenant of a user that is made for him.
    pub tenant: Guid,
    /// Names of the tenant's roles that the other system gives him, and of those that it decides about: held and not held.
    pub roles: Vec<(String, bool)>,
}

/// How somebody whom another system knows stands here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody.
    Unknown,
    /// A user with the roles that the other system gives him, or a deactivated one.
    Settled(User),
    /// A user whose roles differ.
    Unsettled,
}

/// The user that `external` is; where there is none and `provision` is set, one is made, with the roles that the other system gives
/// him or else `CloudUser`. The roles of one who is there become what the other system says, as far as it decides. None: unknown here.
///
/// # Errors
/// `FORBIDDEN` when a user has to be made whose name another has: nobody becomes somebody else by a name.
pub fn user_of(engine: &Engine, session: &mut Session<'_>, external: &External, provision: bool) -> Outcome<Option<User>> {
    settle(engine, session, external, None, provision)
}

/// The same, among the users of one tenant: what others write about their users does not count.
///
/// # Errors
/// Those of [`user_of`].
pub fn settle(
    engine: &Engine,
    session: &mut Session<'_>,
    external: &External,
    within: Option<Guid>,
    provision: bool,
) -> Outcome<Option<User>> {
    if provision && find(engine, session, external, within)?.is_none() && !make(engine, session, external)? {
        return Ok(None);
    }
    let Some(user) = find(engine, session, external, within)? else {
        return Ok(None);
    };
    let mut is_changed = false;
    for change in changes(engine, session, external, &user)? {
        is_changed |= change.make(engine, session, external, &user)?;
    }
    if !is_changed {
        return Ok(Some(user));
    }
    identity::raise_security_version(engine, session)?;
    find(engine, session, external, within)
}

/// How `external` stands among the users of one tenant, or of all. Changes nothing.
pub fn look(engine: &Engine, session: &mut Session<'_>, external: &External, within: Option<Guid>) -> Outcome<Standing> {
    Ok(match find(engine, session, external, within)? {
        None => Standing::Unknown,
        Some(user) if changes(engine, session, external, &user)?.is_empty() => Standing::Settled(user),
        Some(_) => Standing::Unsettled,
    })
}

/// Makes a user; whether there is the tenant for it.
fn make(engine: &Engine, session: &mut Session<'_>, external: &External) -> Outcome<bool> {
    if !identity::tenant_exists(engine, session, external.tenant)? {
        tracing::warn!(
            source = external.source,
            id = external.id,
            "nobody can be made a user of a tenant that is not there"
        );
        return Ok(false);
    }
    // What the other system gives comes after, with what it decides about.
    let decided = external.roles.iter().any(|(name, held)| *held || name == role::CLOUD_USER);
    let roles = if decided { &[][..] } else { &[role::CLOUD_USER] };
    let made = identity::add_external(engine, session, external, roles).map_err(|fault| match fault.kind == &fault::CONFLICT {
        true => Fault::new(&fault::FORBIDDEN, "There is another user of this name."),
        false => fault,
    })?;
    let says = [
        ("Name", external.name.as_str()),
        ("ExternalType", &external.source),
        ("ExternalId", &external.id),
    ];
    engine.audit_account(session, "Provision", (made, external.tenant), SYSTEM_USER, &says)?;
    Ok(true)
}

/// The one user that it is. Two that claim to be the same person are nobody: which of them is true cannot be known.
fn find(engine: &Engine, session: &mut Session<'_>, external: &External, within: Option<Guid>) -> Outcome<Option<User>> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut columns = vec!["ExternalId".to_owned(), "ExternalType".to_owned()];
    let mut values = vec![text(&external.id), text(&external.source)];
    if let Some(tenant) = within {
        columns.push("Tid".to_owned());
        values.push(Value::Bytes(tenant.to_vec()));
    }
    let mut users = identity::users_where(engine, session, None, vec![Restriction::Columns(columns, values)])?.into_iter();
    let user = users.next();
    if users.next().is_some() {
        tracing::warn!(
            source = external.source,
            id = external.id,
            "several users have this ExternalId: none of them counts"
        );
        return Ok(None);
    }
    Ok(user)
}

/// A role that has to be given to somebody, or taken.
struct Change {
    role: i64,
    name: String,
    give: bool,
}

impl Change {
    /// Makes it; whether that is done. The last who may do everything in his tenant keeps the role for that,
    /// whatever the other system says.
    fn make(&self, engine: &Engine, session: &mut Session<'_>, external: &External, user: &User) -> Outcome<bool> {
        let (what, source) = (if self.give { "GiveRole" } else { "TakeRole" }, external.source.as_str());
        if self.give {
            engine.link_role(session, self.role, user.id)?;
        } else {
            let (_, table, near, far) = engine.role_link("Users")?;
            let administered = engine.has_administrator(session, user.tenant, None)?.then_some(user.tenant);
            let (role, holder) = ([Value::Integer(self.role)], [Value::Integer(user.id)]);
            Pair::new(&engine.schema, table, (&near, &role), (&far, &holder)).delete(session)?;
            if let Err(fault) = engine.keep_administrator(session, administered, None) {
                tracing::warn!(user = user.name, source, "the role {} is not taken: {fault}", self.name);
                engine.link_role(session, self.role, user.id)?;
                return Ok(false);
            }
        }
        let says = [("Role", self.name.as_str()), ("ExternalType", source)];
        engine.audit_account(session, what, (user.id, user.tenant), SYSTEM_USER, &says)?;
        Ok(true)
    }
}

/// What differs between the roles that a user has in his tenant and those that the other system says; nothing for a deactivated user.
fn changes(engine: &Engine, session: &mut Session<'_>, external: &External, user: &User) -> Outcome<Vec<Change>> {
    if external.roles.is_empty() || !user.active {
        return Ok(Vec::new());
    }
    let held = held(engine, session, user)?;
    let mut changes = Vec::new();
    for (name, give) in &external.roles {
        // Only the root tenant can make somebody an operator.
        if name == role::UBER_ADMIN && user.tenant != SYSTEM_TENANT {
            continue;
        }
        let Some(role) = identity::find_role(engine, session, user.tenant, name)? else {
            tracing::warn!(source = external.source, "the tenant of {} has no role {name}", user.name);
            continue;
        };
        if held.contains(&role) != *give {
            changes.push(Change {
                role,
                name: name.clone(),
                give: *give,
            });
        }
    }
    Ok(changes)
}

/// The numbers of the roles that a user is in.
fn held(engine: &Engine, session: &mut Session<'_>, user: &User) -> Outcome<Vec<i64>> {
    let (ty, table, near, far) = engine.role_link("Users")?;
    // Seen from the user, the columns change sides.
    let restriction = Restriction::Link {
        table,
        near: far,
        far: near,
        values: vec![Value::Integer(user.id)],
    };
    let rows = engine.columns(session, ty, &["Id"], None, vec![restriction])?;
    let number = |row: Vec<Value>| if let [Value::Integer(id)] = row[..] { Some(id) } else { None };
    Ok(rows.into_iter().filter_map(number).collect())
}

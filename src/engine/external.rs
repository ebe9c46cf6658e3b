//! Users whom somebody else knows: a directory, an issuer of tokens, a Kerberos realm. They map to `Users` by `ExternalType` and
//! `ExternalId` (`reference/appclusive.md` 3.4).

use super::Engine;
use super::identity::{self, User};
use crate::model::caller::{Guid, role};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::store::{Restriction, Session};

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

/// The user that `external` is; where there is none and `provision` is set, one is made, with the roles that the other system gives
/// him or else `CloudUser`. None: unknown here.
///
/// # Errors
/// `FORBIDDEN` when a user has to be made whose name another has: nobody becomes somebody else by a name.
pub fn user_of(engine: &Engine, session: &mut Session<'_>, external: &External, provision: bool) -> Outcome<Option<User>> {
    if let Some(user) = find(engine, session, external)? {
        return Ok(Some(user));
    }
    if !provision {
        return Ok(None);
    }
    let held: Vec<&str> = external.roles.iter().filter(|role| role.1).map(|role| role.0.as_str()).collect();
    let roles = if held.is_empty() { vec![role::CLOUD_USER] } else { held };
    let added = identity::add_external(engine, session, external, &roles);
    if let Err(fault) = added {
        return Err(match fault.kind == &fault::CONFLICT {
            true => Fault::new(&fault::FORBIDDEN, "There is another user of this name."),
            false => fault,
        });
    }
    find(engine, session, external)
}

fn find(engine: &Engine, session: &mut Session<'_>, external: &External) -> Outcome<Option<User>> {
    let text = |text: &str| Value::Text(text.to_owned());
    let same = Restriction::Columns(
        vec!["ExternalId".to_owned(), "ExternalType".to_owned()],
        vec![text(&external.id), text(&external.source)],
    );
    Ok(identity::users_where(engine, session, None, vec![same])?.into_iter().next())
}

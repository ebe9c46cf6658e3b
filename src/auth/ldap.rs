//! Passwords that a directory knows (LDAP, RFC 4511 to 4515).
//!
//! A password is right when the directory takes a bind with it, as the DN that a template makes of the name or a search finds. What the
//! person's entry and groups say then becomes an [`External`]. The name is escaped wherever it goes; a password that is empty goes nowhere, as
//! such a bind proves nothing and succeeds (RFC 4513 5.1.2); referrals are not followed; nothing waits longer for the directory than the
//! settings say. Users with a password of this server never depend on it.

mod names;
mod talk;

use std::sync::Arc;

pub use names::{Secret, check_template, host, is_loopback, normal_dn};
use names::{Whose, dn_of, filter_of, whose};
use talk::Entry;
pub use talk::{Authorities, Directory};

use super::cache::Print;
use super::guard::Attempt;
use super::{Auth, Proof, external, guid, refused};
use crate::engine::external::External;
use crate::engine::identity::User;
use crate::model::caller::Guid;
use crate::model::fault::Outcome;
use crate::model::limits::{DIRECTORY_GROUPS, DIRECTORY_NAME_BYTES};

/// `ExternalType` of the users that the directory knows.
pub const SOURCE: &str = "LDAP";

/// The section `[ldap]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `ldap://` or `ldaps://`, host, port; empty when there is no directory.
    pub url: String,
    /// TLS begins on a plain connection.
    pub starttls: bool,
    /// Passwords may cross a network as they are.
    pub plain: bool,
    /// Who may certify the directory; none is whom the system believes.
    pub authorities: Option<Authorities>,
    /// The account that searches; empty is nobody.
    pub bind_dn: String,
    /// Its password.
    pub bind_password: Secret,
    /// Where people are.
    pub base: String,
    /// Which of them has the name `{name}`.
    pub user_filter: String,
    /// The DN of who has the name `{name}`, instead of a search.
    pub user_dn: String,
    /// Where groups are.
    pub group_base: String,
    /// Which of them the person with `{dn}` and `{name}` is in.
    pub group_filter: String,
    /// The person's attribute that lists the groups, instead of a search.
    pub member_of: String,
    /// Groups, as [`normal_dn`] has them, and the roles that they give.
    pub roles: Vec<(String, String)>,
    /// Domains whose people are in the directory, in lower case.
    pub domains: Vec<String>,
    /// Attribute that never changes; empty is the DN.
    pub id_attribute: String,
    /// Attribute with the name of a user that is made; without it the name that was typed.
    pub name_attribute: String,
    /// Attribute with the address.
    pub mail_attribute: String,
    /// Attribute with the tenant's Guid.
    pub tenant_attribute: String,
    /// The tenant where the attribute says none; without both, people may be users of any.
    pub tenant: Option<Guid>,
    /// People unknown here become users.
    pub provision: bool,
    /// Longest wait for the directory.
    pub timeout_seconds: u64,
}

/// Proves a password by the directory. None: this name is none of its.
///
/// # Errors
/// 401, the same for every reason; 503 when the directory does not answer.
pub async fn prove(
    auth: &Auth,
    print: Option<Print>,
    name: &str,
    password: &str,
    user: Option<&User>,
    attempt: &Attempt,
) -> Outcome<Option<Arc<Proof>>> {
    let Some(directory) = &auth.directory else {
        return Ok(None);
    };
    let name = match whose(&directory.config.domains, name) {
        Whose::Directory(name) => name,
        Whose::Anybody(name) if !user.is_some_and(has_local_password) => name,
        _ => return Ok(None),
    };
    // As long as for a user of this server. Those that wait here together have not failed yet when they are let in.
    let too_many = || auth.guard.check(attempt, auth.engine.clock.now()).err();
    auth.hasher.verify(password.to_owned(), None, too_many).await??;
    if !may_ask(name, password) {
        return Err(refused());
    }
    let known = directory.within_patience(know(directory, name, password)).await?;
    let external = known.ok_or_else(refused)?;
    let config = &directory.config;
    let within = (config.tenant.is_some() || !config.tenant_attribute.is_empty()).then_some(external.tenant);
    external::prove(auth, print, external, within, config.provision).await.map(Some)
}

/// A name as its attempts are counted: people of the directory are the same with each of its domains.
pub fn counted<'a>(auth: &Auth, name: &'a str) -> &'a str {
    match auth.directory.as_ref().map(|directory| whose(&directory.config.domains, name)) {
        Some(Whose::Directory(bare)) => bare,
        _ => name,
    }
}

/// Whether the directory is asked about a name and a password at all. It passes over blanks around a name and between its words, so that
/// attempts under such a name would not count as those of the person. Some directories read a password up to its first NUL.
pub fn may_ask(name: &str, password: &str) -> bool {
    let is_plain = name.split(' ').all(|word| !word.is_empty()) && !name.contains(char::is_control);
    is_plain && name.len() <= DIRECTORY_NAME_BYTES && !password.is_empty() && !password.contains('\0')
}

/// Ends as if the directory had been asked and did not take the password, after as long, so that a wrong password of a user of this server
/// looks like that of somebody unknown.
///
/// # Errors
/// 503 when the directory does not answer.
pub async fn feign(auth: &Auth) -> Outcome<()> {
    if let Some(directory) = &auth.directory {
        let nobody = uuid::Uuid::new_v4().to_string();
        directory.within_patience(know(directory, &nobody, &nobody)).await?;
    }
    Ok(())
}

/// Whether the directory has no say about the user's password.
pub(super) fn has_local_password(user: &User) -> bool {
    user.password_hash.is_some() && user.source != SOURCE
}

/// What the directory knows of somebody whose password is right.
async fn know(directory: &Directory, name: &str, password: &str) -> ldap3::result::Result<Option<External>> {
    let config = &directory.config;
    let found = match config.user_dn.is_empty() {
        true => directory.people(&filter_of(&config.user_filter, name, "")).await?,
        false => None,
    };
    let dn = match &found {
        Some(entry) => entry.dn.clone(),
        None if config.user_dn.is_empty() => String::new(),
        None => dn_of(&config.user_dn, name),
    };
    let Some(mut own) = directory.bind(&dn, password).await? else {
        return Ok(None);
    };
    let Some(entry) = (match found {
        Some(entry) => Some(entry),
        None => directory.entry(&mut own, &dn).await?,
    }) else {
        return Ok(None);
    };
    let groups = match config.group_filter.is_empty() {
        true => entry.texts(&config.member_of),
        false => {
            let filter = filter_of(&config.group_filter, name, &entry.dn);
            directory.groups(&mut own, &filter).await?
        }
    };
    // Says good-bye; whether it is heard does not matter.
    let _ = own.unbind().await;
    Ok(external_of(config, &entry, name, &groups))
}

fn external_of(config: &Config, entry: &Entry, typed: &str, groups: &[String]) -> Option<External> {
    let id = match config.id_attribute.as_str() {
        "" => Some(entry.dn.clone()),
        attribute => entry.text(attribute),
    };
    let tenant = match entry.text(&config.tenant_attribute) {
        Some(text) => guid(&text),
        None => config.tenant.or(Some([0; 16])),
    };
    let (Some(id), Some(tenant)) = (id, tenant) else {
        tracing::warn!(dn = entry.dn, "the entry in the directory has no id, or a tenant that is no Guid");
        return None;
    };
    Some(External {
        source: SOURCE.to_owned(),
        id,
        name: entry.text(&config.name_attribute).unwrap_or_else(|| typed.to_owned()),
        mail: entry.text(&config.mail_attribute).unwrap_or_default(),
        tenant,
        roles: roles_of(&config.roles, groups),
    })
}

/// Every role that the directory decides about, and whether one of the groups gives it.
fn roles_of(table: &[(String, String)], groups: &[String]) -> Vec<(String, bool)> {
    let groups: Vec<String> = groups.iter().map(|group| normal_dn(group)).collect();
    let mut roles: Vec<(String, bool)> = Vec::new();
    for (group, role) in table {
        let held = groups.contains(group);
        match roles.iter_mut().find(|known| known.0 == *role) {
            Some(known) => known.1 |= held,
            None => roles.push((role.clone(), held)),
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (name, password, expected) in [
            ("alice", "x", true),
            ("alice b.", "x", true),
            (" alice", "x", false),
            ("alice ", "x", false),
            ("alice  b.", "x", false),
            ("alice\t", "x", false),
            ("", "x", false),
            ("alice", "", false),
            ("alice", "x\0", false),
        ] {
            assert_eq!(may_ask(name, password), expected, "{name:?} {password:?}");
        }
    }

    #[test]
    fn groups_give_roles() {
        let table: Vec<(String, String)> = [("cn=a,dc=x", "One"), ("cn=b,dc=x", "One"), ("cn=c,dc=x", "Two")]
            .map(|(group, role)| (normal_dn(group), role.to_owned()))
            .to_vec();
        type Roles = &'static [(&'static str, bool)];
        let cases: &[(&[&str], Roles)] = &[
            (&[], &[("One", false), ("Two", false)]),
            (&["CN=B, DC=X"], &[("One", true), ("Two", false)]),
            (&["cn=a,dc=x", "cn=c,dc=x"], &[("One", true), ("Two", true)]),
            (&["cn=a,dc=x,dc=y", "cn=a"], &[("One", false), ("Two", false)]),
        ];
        for (groups, expected) in cases {
            let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
            let expected: Vec<(String, bool)> = expected.iter().map(|(role, held)| ((*role).to_owned(), *held)).collect();
            assert_eq!(roles_of(&table, &groups), expected, "{groups:?}");
        }
    }
}

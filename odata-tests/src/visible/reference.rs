//! Who may do what, and sees which rows.
//!
//! - A caller acts in one tenant. Rows of tenants are there only in their own; sets without a tenant are everybody's.
//! - He holds the roles that he is linked to, of the tenant or of the root; in his own tenant its `Everyone`; elsewhere its `ParentTenant`
//!   when his tenant is the one above, its `ChildTenants` when it is directly below. With a role come those that it includes, of the
//!   tenant or of the root. A role that is not active does not count, nor what comes only with it.
//! - A permission is `<prefix>:<Set>Can<Verb>`; `*` stands for any text; `cop` is everything in the tenant. What changes users, roles and
//!   the like has to name the set.
//! - What only the tenant's `CreatorOwner` permits holds for the rows that the caller has made.
//! - Operators may do everything everywhere.

use std::collections::BTreeSet;

use super::world::{BUILT_IN, OPERATORS, ROOT, Role, Row, World};

/// A user in a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user: usize,
    /// Where.
    pub tenant: usize,
}

/// How much of a set a verb holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reach {
    Nothing,
    /// What the caller has made.
    Own,
    All,
}

/// A set, as far as permissions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// Its endpoint, and the prefix of its permissions.
    pub endpoint: &'static str,
    /// The prefix of its permissions.
    pub prefix: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Says who made a row.
    pub has_owner: bool,
    /// Changing it changes what callers may do.
    pub security: bool,
}

/// Sets that are asked for.
pub const NOTES: Set = set("Desk", "Desk", "Notes", true, false);
/// Folders of notes.
pub const FOLDERS: Set = set("Desk", "Desk", "Folders", true, false);
/// Marks on notes.
pub const MARKS: Set = set("Desk", "Desk", "Marks", false, false);
/// Of nobody.
pub const LABELS: Set = set("Shop", "Shop", "Labels", false, false);
/// Who can sign in.
pub const USERS: Set = set("Core", "Apc", "Users", true, true);

const fn set(endpoint: &'static str, prefix: &'static str, name: &'static str, has_owner: bool, security: bool) -> Set {
    Set {
        endpoint,
        prefix,
        name,
        has_owner,
        security,
    }
}

impl World {
    /// The roles that a caller holds.
    pub fn roles_of(&self, caller: Caller) -> BTreeSet<usize> {
        let home = self.users[caller.user].tenant;
        let counts = |role: &Role| role.active && (role.tenant == caller.tenant || role.tenant == ROOT);
        let implied = match () {
            () if caller.tenant == home => Some("Everyone"),
            () if self.tenants[caller.tenant].parent == home => Some("ParentTenant"),
            () if self.tenants[home].parent == caller.tenant => Some("ChildTenants"),
            () => None,
        };
        let mut held = BTreeSet::new();
        let mut next: Vec<usize> = (0..self.roles.len())
            .filter(|&at| {
                let role = &self.roles[at];
                let is_implied = role.built_in && role.tenant == caller.tenant && Some(role.name.as_str()) == implied;
                role.users.contains(&caller.user) || is_implied
            })
            .collect();
        while let Some(at) = next.pop() {
            if counts(&self.roles[at]) && held.insert(at) {
                next.extend(&self.roles[at].includes);
            }
        }
        held
    }

    fn permissions(&self, role: &Role) -> Vec<String> {
        let first = BUILT_IN.iter().find(|(name, _)| role.built_in && *name == role.name);
        let first = first.into_iter().flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned()));
        first.chain(role.permissions.iter().cloned()).collect()
    }

    /// Names of the permissions that a caller holds.
    pub fn permissions_of(&self, caller: Caller) -> BTreeSet<String> {
        let roles = self.roles_of(caller);
        roles.into_iter().flat_map(|role| self.permissions(&self.roles[role])).collect()
    }

    /// What the tenant permits everybody with his own rows.
    fn owners(&self, tenant: usize) -> BTreeSet<String> {
        let roles = self.roles.iter().filter(|role| {
            let is_it = role.built_in && role.name == "CreatorOwner";
            is_it && role.active && role.tenant == tenant
        });
        roles.flat_map(|role| self.permissions(role)).collect()
    }

    /// Whether a caller may do everything everywhere.
    pub fn is_operator(&self, caller: Caller) -> bool {
        let roles = self.roles_of(caller);
        roles
            .iter()
            .any(|&role| self.roles[role].tenant == ROOT && self.roles[role].name == OPERATORS)
    }

    /// Whether the caller has any business in the tenant: that he would have if he had made something there is none.
    pub fn may_act(&self, caller: Caller) -> bool {
        let is_home = self.users[caller.user].tenant == caller.tenant;
        is_home || self.is_operator(caller) || !self.permissions_of(caller).is_empty()
    }

    /// For which rows of a set a verb holds.
    pub fn reach(&self, caller: Caller, set: Set, verb: &str) -> Reach {
        let permitted = |names: &BTreeSet<String>| names.iter().any(|name| permits(name, set, verb));
        if self.is_operator(caller) || permitted(&self.permissions_of(caller)) {
            Reach::All
        } else if set.has_owner && permitted(&self.owners(caller.tenant)) {
            Reach::Own
        } else {
            Reach::Nothing
        }
    }

    /// Whether a row is there for a caller.
    pub fn sees(&self, caller: Caller, set: Set, row: &Row) -> bool {
        self.holds(caller, set, "Read", row)
    }

    /// Whether a verb holds for a row.
    pub fn holds(&self, caller: Caller, set: Set, verb: &str, row: &Row) -> bool {
        row.tenant == caller.tenant
            && match self.reach(caller, set, verb) {
                Reach::All => true,
                Reach::Own => row.owner == Some(caller.user),
                Reach::Nothing => false,
            }
    }
}

/// Whether a permission's name permits something with a set.
fn permits(name: &str, set: Set, verb: &str) -> bool {
    if name == "cop" {
        return true;
    }
    let names_it = name
        .split_once(':')
        .is_some_and(|(_, rest)| rest.starts_with(&format!("{}Can", set.name)));
    if set.security && verb != "Read" && !names_it {
        return false;
    }
    matches(name.as_bytes(), format!("{}:{}Can{verb}", set.prefix, set.name).as_bytes())
}

/// A text and a pattern in which `*` stands for any text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(letter, text)| first == letter && matches(rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_permit() {
        for (name, set, verb, expected) in [
            ("Desk:NotesCanRead", NOTES, "Read", true),
            ("Desk:NotesCanRead", NOTES, "Update", false),
            ("desk:NotesCanRead", NOTES, "Read", false),
            ("*:*CanRead", USERS, "Read", true),
            ("*:*Can*", USERS, "Update", false),
            ("Apc:UsersCan*", USERS, "Update", true),
            ("*:UsersCanUpdate", USERS, "Update", true),
            ("cop", USERS, "Update", true),
            ("Desk:N*CanRead", NOTES, "Read", true),
            ("Desk:N*CanRead", FOLDERS, "Read", false),
        ] {
            assert_eq!(permits(name, set, verb), expected, "{name} {} {verb}", set.name);
        }
    }
}

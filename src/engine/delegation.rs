//! Who may hand on power: nobody grants, takes away or takes over what he does not hold himself, and the last administrator stays.
//!
//! Power is a permission in a role (`Roles.Permissions`), a role in a role (`Roles.Roles`), a user in a role (`Roles.Users`), a user (whose
//! password or mail address may be changed), and the name of a permission that roles hold.

use super::Engine;
use super::accounts::people;
use super::catalogue::BUILT_IN;
use super::permission::forbidden;
use super::rights::Which;
use super::row::Entity;
use crate::auth::ldap;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, role};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{PERMISSIONS_MADE, ROLES_HELD, ROLES_INCLUDED, ROLES_OF_USER};
use crate::model::rights::{ADMINISTRATOR, Role, check_name};
use crate::model::schema::{Navigation, Property, TypeId};
use crate::store::{Restriction, Session};

/// The sets whose rows are power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    User,
    Role,
    Permission,
}

const POWERS: &[(&str, Power)] = &[("Users", Power::User), ("Roles", Power::Role), ("Permissions", Power::Permission)];

impl Engine {
    fn power(&self, ty: TypeId) -> Outcome<Option<Power>> {
        if !self.schema.types[ty].security {
            return Ok(None);
        }
        for (set, power) in POWERS {
            if self.core_type(set)? == ty {
                return Ok(Some(*power));
            }
        }
        Ok(None)
    }

    /// Whether the caller may make, change or delete a row that is power. `before` is none for a new one, `after` for one to go.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_VALUE`
    pub(super) fn check_power(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        before: Option<&Entity>,
        after: Option<&Entity>,
    ) -> Outcome<()> {
        let Some(entity) = before.or(after) else { return Ok(()) };
        self.check_lists(session, caller, before, after)?;
        let Some(power) = self.power(entity.ty)? else { return Ok(()) };
        let text = |entity: &Entity, name: &str| self.text_of(entity, name);
        match power {
            Power::User => {
                self.check_source(caller, before, after)?;
                // Oneself, too: a token that is limited to some permissions must not set the password that has all of them.
                match before.and_then(|user| self.number_of(user)) {
                    Some(user) => self.check_power_over(session, caller, user),
                    None => Ok(()),
                }
            }
            Power::Permission => {
                let names = [before, after].map(|entity| entity.and_then(|entity| text(entity, "Name")));
                if let Some(name) = &names[1] {
                    check_name(name).map_err(|why| Fault::new(&fault::BAD_VALUE, why).of("Name"))?;
                }
                match names {
                    // A name that no role holds yet is power of nobody.
                    [None, _] => self.check_made(session, caller),
                    [Some(before), after] if after.as_ref() != Some(&before) => {
                        self.check_covers(caller, [Some(before), after].into_iter().flatten())
                    }
                    _ => Ok(()),
                }
            }
            Power::Role => {
                let is_built_in = |entity: &Entity| text(entity, "RoleType").as_deref() == Some(BUILT_IN);
                let same = |name: &str| match (before, after) {
                    (Some(before), Some(after)) => text(before, name) == text(after, name),
                    _ => false,
                };
                let built_in = before.is_some_and(is_built_in) || after.is_some_and(is_built_in);
                if built_in && !(same("Name") && same("RoleType")) {
                    return Err(Fault::new(
                        &fault::BAD_VALUE,
                        "Built-in roles are the server's: they keep their names, and stay.",
                    )
                    .of("RoleType"));
                }
                if let Some(name) = after.filter(|_| !same("Name")).and_then(|role| text(role, "Name")) {
                    self.check_row_roles(caller, [name.as_str()])?;
                }
                match before.and_then(|role| self.number_of(role)) {
                    Some(role) => self.check_role(session, caller, role),
                    None => Ok(()),
                }
            }
        }
    }

    /// Whether there may be one more permission in the caller's tenant: a user who comes to hold them all can sign in.
    fn check_made(&self, session: &mut Session<'_>, caller: &Caller) -> Outcome<()> {
        if self.count_rows(session, "Permissions", caller.tenant)? < PERMISSIONS_MADE || caller.tenant == SYSTEM_TENANT {
            return Ok(());
        }
        let message = format!("A tenant has at most {PERMISSIONS_MADE} permissions of its own.");
        Err(Fault::new(&fault::TOO_LARGE, message))
    }

    /// Whom a directory or an issuer takes for a user is said by administrators alone: the roles that it gives go to that user.
    fn check_source(&self, caller: &Caller, before: Option<&Entity>, after: Option<&Entity>) -> Outcome<()> {
        let Some(after) = after else { return Ok(()) };
        let source = self.text_of(after, "ExternalType").unwrap_or_default();
        let same = |name: &str| before.is_some_and(|before| self.text_of(before, name) == self.text_of(after, name));
        let is_internal = before.is_none() && (source.is_empty() || source == "Internal");
        match caller.rights.administrator || is_internal || same("ExternalType") && same("ExternalId") {
            true => Ok(()),
            false => Err(forbidden("Only an administrator says whom another system takes for a user.")),
        }
    }

    /// Whether the caller may pair two rows in a link table, or part them, where that is power: `own` and `other` are the keys of the row
    /// that `navigation` begins at, and of the one at its end.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub(super) fn check_grant(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        (ty, navigation): (TypeId, &Navigation),
        own: &[Value],
        other: &[Value],
    ) -> Outcome<()> {
        let (role, end, power) = self.granted((ty, navigation), own, other)?;
        match power {
            Some(Power::Permission) => {
                let key = Restriction::Key(vec![end.map_or(Value::Null, Value::Integer)]);
                let names = self.columns(session, self.core_type("Permissions")?, &["Name"], None, vec![key])?;
                let names = names.into_iter().flatten().filter_map(|name| match name {
                    Value::Text(name) => Some(name),
                    _ => None,
                });
                self.check_covers(caller, names)
            }
            Some(Power::Role) => end.map_or(Ok(()), |included| self.check_role(session, caller, included)),
            Some(Power::User) => role.map_or(Ok(()), |role| self.check_role(session, caller, role)),
            None => Ok(()),
        }
    }

    /// The role that receives in a link, and what it receives: from whichever end the path came. None: it is no power.
    fn granted(
        &self,
        (ty, navigation): (TypeId, &Navigation),
        own: &[Value],
        other: &[Value],
    ) -> Outcome<(Option<i64>, Option<i64>, Option<Power>)> {
        if self.power(ty)?.is_none() && self.power(navigation.target)?.is_none() {
            return Ok((None, None, None));
        }
        let (own, other) = (as_number(own), as_number(other));
        Ok(match ty == self.core_type("Roles")? {
            true => (own, other, self.power(navigation.target)?),
            false => (other, own, self.power(ty)?),
        })
    }

    /// After two rows were paired: nobody has come to hold so many roles that he cannot sign in any more ([`ROLES_HELD`]). Who holds
    /// which roles through others is not looked for: the roles of a tenant that users are in, and those that others include, are few
    /// enough for every user who could hold them all.
    ///
    /// # Errors
    /// `TOO_LARGE`
    pub(super) fn check_held(&self, session: &mut Session<'_>, of: (TypeId, &Navigation), own: &[Value], other: &[Value]) -> Outcome<()> {
        const _: () = assert!(2 * (ROLES_OF_USER + ROLES_INCLUDED) < ROLES_HELD);
        let (role, end, power) = self.granted(of, own, other)?;
        let ((Some(role), Some(end)), Some(power)) = ((role, end), power) else {
            return Ok(());
        };
        let (of_whom, link, most, message) = match power {
            Power::Permission => return Ok(()),
            Power::User => {
                let (_, table, near, far) = self.role_link("Users")?;
                let keys = vec![vec![Value::Integer(end)]];
                let (near, far) = (far, near);
                let message = format!("A user is in at most {ROLES_OF_USER} roles of a tenant.");
                (role, Restriction::Linked { table, near, far, keys }, ROLES_OF_USER, message)
            }
            Power::Role => {
                let (_, table, near, far) = self.role_link("Roles")?;
                let keys = Vec::new();
                let message = format!("At most {ROLES_INCLUDED} roles of a tenant are included in others.");
                (end, Restriction::Linked { table, near, far, keys }, ROLES_INCLUDED, message)
            }
        };
        let ty = self.core_type("Roles")?;
        let key = Restriction::Key(vec![Value::Integer(of_whom)]);
        let Some(tenant) = self.columns(session, ty, &["Tid"], None, vec![key])?.pop() else {
            return Ok(());
        };
        let own = Restriction::Columns(vec!["Tid".to_owned()], tenant);
        match self
            .columns_up_to(session, ty, &["Id"], None, vec![own, link], Some(most + 1))?
            .len()
            > most
        {
            true => Err(Fault::new(&fault::TOO_LARGE, message)),
            false => Ok(()),
        }
    }

    /// Whether the caller holds all that a role gives.
    pub(super) fn check_role(&self, session: &mut Session<'_>, caller: &Caller, role: i64) -> Outcome<()> {
        let ty = self.core_type("Roles")?;
        let key = Restriction::Key(vec![Value::Integer(role)]);
        // Also of a role that is not active: it may be, tomorrow.
        let rows = self.columns(session, ty, &["Name", "Tid"], None, vec![key])?;
        let Some([Value::Text(name), Value::Bytes(tenant)]) = rows.first().map(Vec::as_slice) else {
            return Ok(());
        };
        let tenant = Guid::try_from(tenant.as_slice()).unwrap_or(SYSTEM_TENANT);
        let first = Role {
            id: role,
            name: name.clone(),
            tenant,
        };
        if tenant == SYSTEM_TENANT && name == role::UBER_ADMIN && !caller.rights.operator {
            return Err(more_than_held());
        }
        let roles = self.with_included(session, vec![first], tenant, Which::All)?;
        self.check_row_roles(caller, roles.iter().map(|role| role.name.as_str()))?;
        let names = self.permissions_of(session, roles.iter().map(|role| role.id).collect())?;
        self.check_covers(caller, names)
    }

    /// Whether the caller holds all that a user holds. What somebody holds in other tenants, and whether the caller does, is not seen from
    /// this one: that is for operators.
    fn check_power_over(&self, session: &mut Session<'_>, caller: &Caller, user: i64) -> Outcome<()> {
        if caller.rights.operator {
            return Ok(());
        }
        let (roles, names) = self.power_of(session, user)?.ok_or_else(more_than_held)?;
        self.check_row_roles(caller, roles.iter().map(|role| role.name.as_str()))?;
        self.check_covers(caller, names)
    }

    /// Whether the caller may have to do with roles of these names: rules about rows in schema files go by the names of roles, so that such a
    /// role is power before it holds any permission.
    fn check_row_roles<'a>(&self, caller: &Caller, names: impl IntoIterator<Item = &'a str>) -> Outcome<()> {
        let rules = || self.schema.types.iter().flat_map(|ty| &ty.rows);
        let has_rows = |name: &str| rules().any(|rule| rule.roles.iter().any(|role| role == name));
        let is_held = |name: &str| caller.rights.roles.iter().any(|role| role.name == name);
        match caller.rights.administrator || names.into_iter().all(|name| is_held(name) || !has_rows(name)) {
            true => Ok(()),
            false => Err(forbidden(
                "Rules about rows go by this role: it is for administrators, and for those who hold it.",
            )),
        }
    }

    /// Whether every one of some permissions is the caller's, too.
    pub(super) fn check_covers(&self, caller: &Caller, names: impl IntoIterator<Item = String>) -> Outcome<()> {
        match names.into_iter().all(|name| caller.rights.covers(&name)) {
            true => Ok(()),
            false => Err(more_than_held()),
        }
    }

    /// Before a change of a row that is power, or of a link between two: the tenant that has somebody who may do everything in it, and is to
    /// keep such a one ([`keep_administrator`](Engine::keep_administrator)). An operator may leave any tenant without but the root.
    pub(super) fn administered(&self, session: &mut Session<'_>, caller: &Caller, ty: TypeId) -> Outcome<Option<Guid>> {
        if self.power(ty)?.is_none() {
            return Ok(None);
        }
        let tenant = if caller.rights.operator { SYSTEM_TENANT } else { caller.tenant };
        Ok(self.has_administrator(session, tenant, None)?.then_some(tenant))
    }

    /// After it. `moved` does not count ([`moved`](Engine::moved)).
    ///
    /// # Errors
    /// `CONFLICT`
    pub(super) fn keep_administrator(&self, session: &mut Session<'_>, tenant: Option<Guid>, moved: Option<i64>) -> Outcome<()> {
        let Some(tenant) = tenant else { return Ok(()) };
        if self.has_administrator(session, tenant, moved)? {
            return Ok(());
        }
        let message = match tenant == SYSTEM_TENANT {
            true => "Somebody has to be left who may do everything, and can sign in.",
            false => "The tenant needs an administrator who can sign in.",
        };
        Err(Fault::new(&fault::CONFLICT, message))
    }

    /// The number of a user whom another system is to know from now on by the name that he had: whether it does, nobody has said.
    pub(super) fn moved(&self, current: &Entity, changed: &Entity) -> Option<i64> {
        let differs = |name: &str| self.text_of(current, name) != self.text_of(changed, name);
        let is_user = self.core_type("Users").is_ok_and(|users| users == current.ty);
        self.number_of(changed)
            .filter(|_| is_user && differs("ExternalType") && !differs("ExternalId"))
    }

    /// Whether an active user of a tenant who can sign in may do everything in it; in the root tenant, in all. `moved` has to have a password.
    pub(super) fn has_administrator(&self, session: &mut Session<'_>, tenant: Guid, moved: Option<i64>) -> Outcome<bool> {
        let mut roles = match tenant == SYSTEM_TENANT {
            true => self.built_in_role(session, tenant, role::UBER_ADMIN)?,
            false => self.roles_with(session, ADMINISTRATOR)?,
        };
        roles.retain(|role| role.tenant == tenant || role.tenant == SYSTEM_TENANT);
        let roles = self.with_including(session, roles, tenant)?;
        let (_, table, near, far) = self.role_link("Users")?;
        let holders = Restriction::LinkIn {
            table,
            near,
            far,
            values: roles.into_iter().map(|role| vec![Value::Integer(role.id)]).collect(),
        };
        let names = ["Tid", "Active", "Id", "Password", "ExternalType", "ExternalId"];
        let users = self.columns(session, self.core_type("Users")?, &names, None, vec![holders])?;
        let (of, moved) = (Value::Bytes(tenant.to_vec()), moved.map(Value::Integer));
        Ok(users.iter().any(|user| match user.as_slice() {
            [home, Value::Boolean(true), id, proofs @ ..] => *home == of && can_sign_in(proofs, Some(id) == moved.as_ref()),
            _ => false,
        }))
    }

    fn number_of(&self, entity: &Entity) -> Option<i64> {
        as_number(&entity.key(&self.schema.types[entity.ty]))
    }

    fn text_of(&self, entity: &Entity, name: &str) -> Option<String> {
        let of: &[Property] = &self.schema.types[entity.ty].properties;
        let index = of.iter().position(|property| property.name == name)?;
        match &entity.values[index] {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

/// Whether a user with this `Password`, `ExternalType` and `ExternalId` can sign in: by a password that is tested here, which a directory's
/// people have none of, or as whom another system knows.
fn can_sign_in(proofs: &[Value], is_moved: bool) -> bool {
    let text = |at: usize| match proofs.get(at) {
        Some(Value::Text(text)) => text.as_str(),
        _ => "",
    };
    let (password, source, id) = (text(0), text(1), text(2));
    let is_known = !people::INTERNAL.contains(&source) && !id.is_empty() && !is_moved;
    is_known || !password.is_empty() && !source.eq_ignore_ascii_case(ldap::SOURCE)
}

fn as_number(key: &[Value]) -> Option<i64> {
    match key {
        [Value::Integer(number)] => Some(*number),
        _ => None,
    }
}

fn more_than_held() -> Fault {
    forbidden("This needs every permission that it is about, and you do not hold all of them.")
}

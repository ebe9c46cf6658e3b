//! Who holds what: the roles of a user in a tenant, the permissions of those roles, and what follows from them.
//!
//! In a tenant a user holds the roles that `Roles.Users` gives him there, if they are the tenant's own or the root tenant's; in his own
//! tenant its role `Everyone`; in another its role `ParentTenant` or `ChildTenants`, if he is of the tenant directly above or below; and
//! with a role those that it includes (`Roles.Roles`). A role that is not active does not count, nor does what it includes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Engine, identity};
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, Tenants, role};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{CREDENTIAL_CACHE, PERMISSIONS_HELD, ROLES_HELD};
use crate::model::rights::{Holding, Rights, Role, RowRules, Verb};
use crate::model::schema::{Join, TypeId};
use crate::odata::row_rule;
use crate::store::{Restriction, Session};

/// A user, as far as the rights go.
struct Holder {
    id: i64,
    name: String,
    tenant: Guid,
}

/// What one user may do in one tenant, under one security version.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<HashMap<(i64, Guid), (i64, Caller)>>);

impl Remembered {
    fn lock(&self) -> MutexGuard<'_, HashMap<(i64, Guid), (i64, Caller)>> {
        // Every change is one call on the map, so it is whole even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// A user as caller, in a tenant or else the own one. `limit` are the only permissions that count, where there is a limit. None: there
    /// is no such active user, or nothing in that tenant is for him.
    pub fn caller(&self, session: &mut Session<'_>, user: i64, tenant: Option<Guid>, limit: Option<&[String]>) -> Outcome<Option<Caller>> {
        let Some(holder) = self.holder(session, user)? else {
            return Ok(None);
        };
        let home = holder.tenant;
        let tenant = tenant.unwrap_or(home);
        let roles = self.roles_in(session, &holder, tenant)?;
        let operator = roles
            .iter()
            .any(|held| held.tenant == SYSTEM_TENANT && held.name == role::UBER_ADMIN);
        let names = self.permissions_of(session, roles.iter().map(|role| role.id).collect())?;
        let owners = self.built_in_role(session, tenant, role::CREATOR_OWNER)?;
        let holding = Holding {
            operator,
            names,
            own: self.permissions_of(session, owners.iter().map(|role| role.id).collect())?,
            roles,
            limit,
        };
        let mut rights = Rights::new(&self.targets, holding);
        if tenant != home && (rights.is_nothing() || !identity::tenant_exists(self, session, tenant)?) {
            return Ok(None);
        }
        self.add_row_rules(&mut rights, user, tenant)?;
        Ok(Some(Caller {
            user: holder.id,
            name: holder.name,
            tenant,
            tenants: Tenants::One(tenant),
            rights: Arc::new(rights),
        }))
    }

    /// The same without a limit, remembered as long as `version` is the security version.
    pub fn caller_in(&self, session: &mut Session<'_>, user: i64, tenant: Guid, version: i64) -> Outcome<Option<Caller>> {
        let known = self
            .remembered
            .lock()
            .get(&(user, tenant))
            .filter(|known| known.0 == version)
            .cloned();
        if let Some((_, caller)) = known {
            return Ok(Some(caller));
        }
        let caller = self.caller(session, user, Some(tenant), None)?;
        if let Some(caller) = &caller {
            let mut remembered = self.remembered.lock();
            if remembered.len() >= CREDENTIAL_CACHE {
                remembered.clear();
            }
            remembered.insert((user, tenant), (version, caller.clone()));
        }
        Ok(caller)
    }

    fn holder(&self, session: &mut Session<'_>, user: i64) -> Outcome<Option<Holder>> {
        let key = Restriction::Key(vec![Value::Integer(user)]);
        let rows = self.columns(session, self.core_type("Users")?, &["Id", "Name", "Tid", "Active"], None, vec![key])?;
        Ok(rows.into_iter().find_map(|row| match row.as_slice() {
            [Value::Integer(id), Value::Text(name), tenant, Value::Boolean(true)] => Some(Holder {
                id: *id,
                name: name.clone(),
                tenant: as_guid(tenant)?,
            }),
            _ => None,
        }))
    }

    /// The roles that a user holds in a tenant.
    fn roles_in(&self, session: &mut Session<'_>, user: &Holder, tenant: Guid) -> Outcome<Vec<Role>> {
        let mut first = self.linked_roles(session, "Users", vec![Value::Integer(user.id)])?;
        let implied = match () {
            () if tenant == user.tenant => Some(role::EVERYONE),
            () if identity::parent_of(self, session, tenant)? == Some(user.tenant) => Some(role::PARENT_TENANT),
            () if identity::parent_of(self, session, user.tenant)? == Some(tenant) => Some(role::CHILD_TENANTS),
            () => None,
        };
        if let Some(implied) = implied {
            first.extend(self.built_in_role(session, tenant, implied)?);
        }
        self.with_included(session, first, tenant)
    }

    /// Roles together with those that they include, as far as they count in a tenant.
    pub(super) fn with_included(&self, session: &mut Session<'_>, first: Vec<Role>, tenant: Guid) -> Outcome<Vec<Role>> {
        let counts = |role: &Role| role.tenant == SYSTEM_TENANT || role.tenant == tenant && role.name != role::UBER_ADMIN;
        let mut seen = HashSet::new();
        let mut found: Vec<Role> = first.into_iter().filter(|role| counts(role) && seen.insert(role.id)).collect();
        let mut next = 0;
        while next < found.len() {
            let included = self.linked_roles(session, "Roles", vec![Value::Integer(found[next].id)])?;
            found.extend(included.into_iter().filter(|role| counts(role) && seen.insert(role.id)));
            next += 1;
            if found.len() > ROLES_HELD {
                let message = format!("A user holds at most {ROLES_HELD} roles, included ones counted too.");
                return Err(Fault::new(&fault::TOO_LARGE, message));
            }
        }
        Ok(found)
    }

    /// Active roles at the other end of a link: those that a user holds (`Users`), or that a role includes (`Roles`).
    fn linked_roles(&self, session: &mut Session<'_>, navigation: &str, key: Vec<Value>) -> Outcome<Vec<Role>> {
        let (ty, table, near, far) = self.role_link(navigation)?;
        // Seen from the user, the columns change sides.
        let (near, far) = if navigation == "Users" { (far, near) } else { (near, far) };
        let link = Restriction::Link {
            table,
            near,
            far,
            values: key,
        };
        self.roles_where(session, ty, vec![link])
    }

    /// The active built-in role of a tenant with a name.
    fn built_in_role(&self, session: &mut Session<'_>, tenant: Guid, name: &str) -> Outcome<Vec<Role>> {
        let names = ["Tid", "Name", "RoleType"].map(str::to_owned).to_vec();
        let values = vec![
            Value::Bytes(tenant.to_vec()),
            Value::Text(name.to_owned()),
            Value::Text(identity::BUILT_IN.to_owned()),
        ];
        self.roles_where(session, self.core_type("Roles")?, vec![Restriction::Columns(names, values)])
    }

    fn roles_where(&self, session: &mut Session<'_>, ty: TypeId, restrictions: Vec<Restriction>) -> Outcome<Vec<Role>> {
        let rows = self.columns(session, ty, &["Id", "Name", "Tid", "Active"], None, restrictions)?;
        let role = |row: Vec<Value>| match row.as_slice() {
            [Value::Integer(id), Value::Text(name), tenant, Value::Boolean(true)] => Some(Role {
                id: *id,
                name: name.clone(),
                tenant: as_guid(tenant)?,
            }),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(role).collect())
    }

    /// Names of the permissions of some roles.
    pub(super) fn permissions_of(&self, session: &mut Session<'_>, roles: Vec<i64>) -> Outcome<Vec<String>> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let (_, table, near, far) = self.role_link("Permissions")?;
        let link = Restriction::LinkIn {
            table,
            near,
            far,
            values: roles.into_iter().map(|role| vec![Value::Integer(role)]).collect(),
        };
        let rows = self.columns(session, self.core_type("Permissions")?, &["Name"], None, vec![link])?;
        if rows.len() > PERMISSIONS_HELD {
            let message = format!("A user holds at most {PERMISSIONS_HELD} permissions.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        let names = rows.into_iter().flatten().filter_map(|name| match name {
            Value::Text(name) => Some(name),
            _ => None,
        });
        let names = names.collect();
        Ok(names)
    }

    /// The link table behind a many-to-many navigation of roles: the type, the table, the role's columns and the other end's.
    pub(super) fn role_link(&self, navigation: &str) -> Outcome<(TypeId, usize, Vec<String>, Vec<String>)> {
        let ty = self.core_type("Roles")?;
        let roles = &self.schema.types[ty];
        match roles.navigation(navigation).and_then(|index| roles.navigations[index].join.clone()) {
            Some(Join::Link { table, near, far }) => Ok((ty, table, near, far)),
            _ => Err(Fault::internal(format!("Roles.{navigation} is not many-to-many"))),
        }
    }

    /// The rules of schema files about rows. Administrators see all rows of the tenant.
    fn add_row_rules(&self, rights: &mut Rights, user: i64, tenant: Guid) -> Outcome<()> {
        if rights.administrator {
            return Ok(());
        }
        for verb in Verb::ALL {
            let mut rules = HashMap::new();
            for (id, entity) in self.schema.types.iter().enumerate().filter(|(_, entity)| !entity.rows.is_empty()) {
                let mut about = entity.rows.iter().filter(|rule| rule.verbs.contains(&verb)).peekable();
                if about.peek().is_none() {
                    continue;
                }
                let mut any = None;
                for rule in about {
                    let held = |name: &String| rights.roles.iter().any(|role| role.name == *name);
                    if rule.roles.is_empty() || rule.roles.iter().any(held) {
                        let endpoint = self.home_sets.get(&id).map_or(0, |&set| self.schema.sets[set].endpoint);
                        let rows = row_rule::bind(&self.schema, endpoint, id, &rule.filter, user, tenant)?;
                        any = Some(match any {
                            Some(other) => rows.or(other),
                            None => rows,
                        });
                    }
                }
                let nothing = || crate::model::expr::Expr::boolean(false);
                rules.insert(id, any.unwrap_or_else(nothing));
            }
            rights.rows[verb as usize] = RowRules::new(rules);
        }
        Ok(())
    }
}

fn as_guid(value: &Value) -> Option<Guid> {
    match value {
        Value::Bytes(bytes) => Guid::try_from(bytes.as_slice()).ok(),
        _ => None,
    }
}

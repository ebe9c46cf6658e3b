//! Who holds what: the roles of a user in a tenant, the permissions of those roles, and what follows from them.
//!
//! In a tenant a user holds the roles that `Roles.Users` gives him there, if they are the tenant's own or the root tenant's; in his own
//! tenant its role `Everyone`; in another its role `ParentTenant` or `ChildTenants`, if he is of the tenant directly above or below; and
//! with a role those that it includes (`Roles.Roles`). A role that is not active does not count, nor does what it includes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Engine, catalogue, identity};
use crate::model::caller::{Caller, Entry, Guid, SYSTEM_TENANT, Tenants, role};
use crate::model::edm::Value;
use crate::model::expr::Expr;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{CREDENTIAL_CACHE, PERMISSIONS_HELD, ROLES_HELD};
use crate::model::rights::{Holding, Reach, Rights, Role, RowRules, Verb};
use crate::model::schema::{Join, TypeId};
use crate::odata::row_rule;
use crate::store::{Restriction, Session};

/// Which roles are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that count.
    Active,
    /// Those that may count tomorrow, too.
    All,
}

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
        self.add_acl_rules(session, &mut rights, user, tenant)?;
        self.add_kind_rules(session, &mut rights, tenant)?;
        Ok(Some(Caller {
            user: holder.id,
            name: holder.name,
            tenant,
            tenants: Tenants::One(tenant),
            rights: Arc::new(rights),
            entry: Entry::default(),
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
        let mut first = self.linked_roles(session, "Users", vec![Value::Integer(user.id)], Which::Active)?;
        let implied = match () {
            () if tenant == user.tenant => Some(role::EVERYONE),
            () if identity::parent_of(self, session, tenant)? == Some(user.tenant) => Some(role::PARENT_TENANT),
            () if identity::parent_of(self, session, user.tenant)? == Some(tenant) => Some(role::CHILD_TENANTS),
            () => None,
        };
        if let Some(implied) = implied {
            first.extend(self.built_in_role(session, tenant, implied)?);
        }
        self.with_included(session, first, tenant, Which::Active)
    }

    /// Roles together with those that they include, as far as they count in a tenant.
    pub(super) fn with_included(&self, session: &mut Session<'_>, first: Vec<Role>, tenant: Guid, which: Which) -> Outcome<Vec<Role>> {
        self.closure(session, first, tenant, |engine, session, role| {
            engine.linked_roles(session, "Roles", vec![Value::Integer(role)], which)
        })
    }

    /// Roles with what `next` leads to from them, each once; of those that count in a tenant.
    fn closure(
        &self,
        session: &mut Session<'_>,
        first: Vec<Role>,
        tenant: Guid,
        next: impl Fn(&Engine, &mut Session<'_>, i64) -> Outcome<Vec<Role>>,
    ) -> Outcome<Vec<Role>> {
        let counts = |role: &Role| role.tenant == SYSTEM_TENANT || role.tenant == tenant && role.name != role::UBER_ADMIN;
        let mut seen = HashSet::new();
        let mut found: Vec<Role> = first.into_iter().filter(|role| counts(role) && seen.insert(role.id)).collect();
        let mut at = 0;
        while at < found.len() {
            let more = next(self, session, found[at].id)?;
            found.extend(more.into_iter().filter(|role| counts(role) && seen.insert(role.id)));
            at += 1;
            if found.len() > ROLES_HELD {
                let message = format!("A user holds at most {ROLES_HELD} roles, included ones counted too.");
                return Err(Fault::new(&fault::TOO_LARGE, message));
            }
        }
        Ok(found)
    }

    /// The roles that hold a permission by exactly this name.
    pub(super) fn roles_with(&self, session: &mut Session<'_>, permission: &str) -> Outcome<Vec<Role>> {
        let named = Restriction::Columns(vec!["Name".to_owned()], vec![Value::Text(permission.to_owned())]);
        let found = self.columns(session, self.core_type("Permissions")?, &["Id"], None, vec![named])?;
        let (ty, table, near, far) = self.role_link("Permissions")?;
        let holders = Restriction::LinkIn {
            table,
            near: far,
            far: near,
            values: found,
        };
        self.roles_where(session, ty, vec![holders], Which::Active)
    }

    /// Roles together with those that include them, as far as they count in a tenant.
    pub(super) fn with_including(&self, session: &mut Session<'_>, first: Vec<Role>, tenant: Guid) -> Outcome<Vec<Role>> {
        let (ty, table, near, far) = self.role_link("Roles")?;
        self.closure(session, first, tenant, |engine, session, role| {
            let link = Restriction::Link {
                table,
                near: far.clone(),
                far: near.clone(),
                values: vec![Value::Integer(role)],
            };
            engine.roles_where(session, ty, vec![link], Which::Active)
        })
    }

    /// What a user holds in his own tenant, be he and his roles active or not: the roles, and names of their permissions. None: he is an
    /// operator, or has a role that is another tenant's, and so power beyond his own. What roles of his tenant include of third ones counts
    /// nowhere.
    pub(super) fn power_of(&self, session: &mut Session<'_>, user: i64) -> Outcome<Option<(Vec<Role>, Vec<String>)>> {
        let key = Restriction::Key(vec![Value::Integer(user)]);
        let rows = self.columns(session, self.core_type("Users")?, &["Tid"], None, vec![key])?;
        let Some(tenant) = rows.first().and_then(|row| as_guid(&row[0])) else {
            return Ok(Some((Vec::new(), Vec::new())));
        };
        let is_beyond = |role: &Role| role.tenant != tenant || is_operators(role);
        let first = self.linked_roles(session, "Users", vec![Value::Integer(user)], Which::All)?;
        if first.iter().any(is_beyond) {
            return Ok(None);
        }
        let linked = self.with_included(session, first, tenant, Which::All)?;
        if linked.iter().any(is_beyond) {
            return Ok(None);
        }
        let everyone = self.built_in_role(session, tenant, role::EVERYONE)?;
        let mut roles = self.with_included(session, everyone, tenant, Which::All)?;
        roles.extend(linked);
        let names = self.permissions_of(session, roles.iter().map(|role| role.id).collect())?;
        Ok(Some((roles, names)))
    }

    /// Roles at the other end of a link: those that a user holds (`Users`), or that a role includes (`Roles`).
    fn linked_roles(&self, session: &mut Session<'_>, navigation: &str, key: Vec<Value>, which: Which) -> Outcome<Vec<Role>> {
        let (ty, table, near, far) = self.role_link(navigation)?;
        // Seen from the user, the columns change sides.
        let (near, far) = if navigation == "Users" { (far, near) } else { (near, far) };
        let link = Restriction::Link {
            table,
            near,
            far,
            values: key,
        };
        self.roles_where(session, ty, vec![link], which)
    }

    /// The active built-in role of a tenant with a name.
    pub(super) fn built_in_role(&self, session: &mut Session<'_>, tenant: Guid, name: &str) -> Outcome<Vec<Role>> {
        let names = ["Tid", "Name", "RoleType"].map(str::to_owned).to_vec();
        let values = vec![
            Value::Bytes(tenant.to_vec()),
            Value::Text(name.to_owned()),
            Value::Text(catalogue::BUILT_IN.to_owned()),
        ];
        self.roles_where(
            session,
            self.core_type("Roles")?,
            vec![Restriction::Columns(names, values)],
            Which::Active,
        )
    }

    fn roles_where(&self, session: &mut Session<'_>, ty: TypeId, restrictions: Vec<Restriction>, which: Which) -> Outcome<Vec<Role>> {
        let rows = self.columns(session, ty, &["Id", "Name", "Tid", "Active"], None, restrictions)?;
        let role = |row: Vec<Value>| match row.as_slice() {
            [Value::Integer(id), Value::Text(name), tenant, Value::Boolean(active)] if *active || which == Which::All => Some(Role {
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
        // Each permission once, however many of the roles hold it.
        let link = Restriction::Linked {
            table,
            near,
            far,
            keys: roles.into_iter().map(|role| vec![Value::Integer(role)]).collect(),
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

    /// Where a set lets the caller at his own rows alone, there are no others for him by any other way, but for those of types whose sets
    /// let him at all.
    fn own_rule(&self, rights: &Rights, user: i64, root: TypeId, verb: Verb) -> Option<Expr> {
        let (mut is_own, mut types) = (false, Vec::new());
        for (id, set) in self.schema.sets.iter().enumerate() {
            if self.schema.types[set.entity_type].root != root {
                continue;
            }
            match rights.reach(id, verb) {
                Reach::Own => is_own = true,
                Reach::All => types.extend(self.schema.types[set.entity_type].family.iter().copied()),
                Reach::Nothing => {}
            }
        }
        let own = self.own_rows(user, root).filter(|_| is_own && !types.contains(&root))?;
        Some(match types.is_empty() {
            true => own,
            false => own.or(Expr::IsOf { source: 0, types }),
        })
    }

    /// The rules of schema files about rows. Administrators see all rows of the tenant.
    fn add_row_rules(&self, rights: &mut Rights, user: i64, tenant: Guid) -> Outcome<()> {
        if rights.administrator {
            return Ok(());
        }
        for verb in Verb::ALL {
            let mut rules = HashMap::new();
            for &root in self.home_sets.keys() {
                rules.extend(self.own_rule(rights, user, root, verb).map(|rule| (root, rule)));
            }
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
                let rule = any.unwrap_or_else(nothing);
                let rule = match rules.remove(&id) {
                    Some(own) => own.and(rule),
                    None => rule,
                };
                rules.insert(id, rule);
            }
            rights.rows[verb as usize] = RowRules::new(rules);
        }
        Ok(())
    }
}

/// Whether a role makes operators.
fn is_operators(role: &Role) -> bool {
    role.tenant == SYSTEM_TENANT && role.name == role::UBER_ADMIN
}

fn as_guid(value: &Value) -> Option<Guid> {
    match value {
        Value::Bytes(bytes) => Guid::try_from(bytes.as_slice()).ok(),
        _ => None,
    }
}

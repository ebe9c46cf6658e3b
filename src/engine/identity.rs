//! Users, their roles and their tenants, as signing in needs them: read from the built-in sets like any other entity.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::external::External;
use super::resolve::Place;
use super::row::Entity;
pub(super) use super::tenants::parent_of;
pub use super::tenants::{add_tenant, tenant_exists};
use super::{Engine, names};
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, SYSTEM_USER, Scope, role};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::{Cell, Value};
use crate::model::expr::{Expr, Source};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::query::Order;
use crate::model::schema::{Join, TypeId};
use crate::model::target::Body;
use crate::store::{Output, Restriction, Select, Session, Update, count_fact, fact};

/// A user as signing in sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `Users.Id`.
    pub id: i64,
    /// `Users.Name`.
    pub name: String,
    /// The tenant that the user belongs to.
    pub tenant: Guid,
    /// Who knows the user: `ExternalType`.
    pub source: String,
    /// A deactivated user is refused on every path.
    pub active: bool,
    /// argon2id, PHC form; none for users that do not sign in with a password.
    pub password_hash: Option<String>,
    /// Names of the roles that count: those of the user's own tenant, and the root tenant's.
    pub roles: Vec<String>,
}

const SECURITY_VERSION: &str = "security_version";

/// Grows with every change of users, roles, permissions and tenants. What was remembered under another version is not true any more.
pub fn security_version(session: &mut Session<'_>) -> Outcome<i64> {
    Ok(fact(session, SECURITY_VERSION)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Remembers the security version for [`WATCH`], so that not every request costs a second read.
///
/// A change through this process counts from its commit on ([`expire`](SecurityWatch::expire)). One by another instance counts at the
/// latest when it is acknowledged: the answer is held back for as long as versions are remembered (see [`raise_security_version`]).
/// One by a command, such as `odonata user`, counts [`WATCH`] later.
#[derive(Debug, Default)]
pub struct SecurityWatch(Mutex<Watched>);

#[derive(Debug, Default, Clone, Copy)]
struct Watched {
    version: i64,
    since: Ticks,
    until: Ticks,
    /// Counts the expiries: a version that was read before one is not remembered after it.
    expiries: u64,
}

/// How long a version is remembered.
const WATCH: Duration = Duration::from_millis(10);
const WATCH_TICKS: Ticks = WATCH.as_millis() as Ticks * SECOND / 1_000;

impl SecurityWatch {
    /// The version; `now` was asked before.
    pub fn version(&self, session: &mut Session<'_>, now: Ticks) -> Outcome<i64> {
        let seen = *self.lock();
        // A clock that was set back makes nothing last longer.
        if (seen.since..seen.until).contains(&now) {
            return Ok(seen.version);
        }
        let version = security_version(session)?;
        let mut watched = self.lock();
        if watched.expiries == seen.expiries {
            (watched.version, watched.since, watched.until) = (version, now, now + WATCH_TICKS);
        }
        Ok(version)
    }

    /// A change has been committed.
    fn expire(&self) {
        let mut watched = self.lock();
        watched.until = 0;
        watched.expiries += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        // Every change is whole, even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that such a change happened; part of its transaction.
pub fn raise_security_version(engine: &Engine, session: &mut Session<'_>) -> Outcome<()> {
    let watch = engine.security.clone();
    session.after_commit(move || watch.expire());
    session.hold_answer(WATCH);
    count_fact(session, SECURITY_VERSION)
}

/// All users, by name.
pub fn list_users(engine: &Engine, session: &mut Session<'_>) -> Outcome<Vec<User>> {
    users_where(engine, session, None, Vec::new())
}

/// The users for whom something holds.
pub(super) fn users_where(
    engine: &Engine,
    session: &mut Session<'_>,
    filter: Option<&Expr>,
    restrictions: Vec<Restriction>,
) -> Outcome<Vec<User>> {
    users_up_to(engine, session, filter, restrictions, None)
}

/// At most so many of them, the oldest ones.
pub(super) fn users_up_to(
    engine: &Engine,
    session: &mut Session<'_>,
    filter: Option<&Expr>,
    restrictions: Vec<Restriction>,
    limit: Option<usize>,
) -> Outcome<Vec<User>> {
    let ty = engine.core_type("Users")?;
    let names = ["Id", "Name", "Tid", "ExternalType", "Active", "Password"];
    let rows = engine.columns_up_to(session, ty, &names, filter, restrictions, limit)?;
    let mut users = Vec::with_capacity(rows.len());
    for row in rows {
        let [
            Value::Integer(id),
            Value::Text(name),
            Value::Bytes(tenant),
            source,
            active,
            password,
        ] = row.as_slice()
        else {
            continue;
        };
        let tenant = Guid::try_from(tenant.as_slice()).unwrap_or(SYSTEM_TENANT);
        users.push(User {
            id: *id,
            name: name.clone(),
            tenant,
            source: if let Value::Text(source) = source {
                source.clone()
            } else {
                String::new()
            },
            active: *active == Value::Boolean(true),
            password_hash: if let Value::Text(hash) = password {
                Some(hash.clone())
            } else {
                None
            },
            roles: roles_of(engine, session, *id, tenant)?,
        });
    }
    Ok(users)
}

/// A role of another tenant has no power here, and only the root tenant can make somebody an operator.
fn roles_of(engine: &Engine, session: &mut Session<'_>, user: i64, tenant: Guid) -> Outcome<Vec<String>> {
    let ty = engine.core_type("Roles")?;
    let roles = &engine.schema.types[ty];
    let Some(Join::Link { table, near, far }) = roles.navigation("Users").and_then(|index| roles.navigations[index].join.clone()) else {
        return Err(Fault::internal("Roles.Users is not many-to-many"));
    };
    // Seen from the user, the columns change sides.
    let restriction = Restriction::Link {
        table,
        near: far,
        far: near,
        values: vec![Value::Integer(user)],
    };
    let rows = engine.columns(session, ty, &["Name", "Tid"], None, vec![restriction])?;
    let counts = |row: Vec<Value>| {
        let [Value::Text(name), Value::Bytes(of)] = row.as_slice() else {
            return None;
        };
        let counts = *of == SYSTEM_TENANT || (*of == tenant && name != role::UBER_ADMIN);
        counts.then(|| name.clone())
    };
    Ok(rows.into_iter().filter_map(counts).collect())
}

/// What a new entity needs beside its row: a tenant its roles; a user a name that no other has, in whatever letters.
pub(super) fn settle(engine: &Engine, session: &mut Session<'_>, new: &Entity) -> Outcome<()> {
    let entity = &engine.schema.types[new.ty];
    if new.ty == engine.core_type("Tenants")? {
        let Some(Value::Bytes(tenant)) = new.key(entity).into_iter().next() else {
            return Ok(());
        };
        return super::catalogue::add_roles(engine, session, Guid::try_from(tenant.as_slice()).unwrap_or(SYSTEM_TENANT));
    }
    names::check(engine, session, new)
}

/// Makes a user with roles of its tenant.
///
/// # Errors
/// `CONFLICT` when the name is taken, `BAD_REFERENCE` for a role that neither the tenant nor, for operators, the root has.
pub fn add_user(
    engine: &Engine,
    session: &mut Session<'_>,
    name: &str,
    tenant: Guid,
    roles: &[&str],
    password_hash: Option<&str>,
) -> Outcome<i64> {
    let mut columns = vec![("Name", text(name)), ("ExternalId", text(name)), ("ExternalType", text("Internal"))];
    columns.extend(password_hash.map(|hash| ("Password", text(hash))));
    insert_user(engine, session, name, tenant, roles, columns)
}

/// Makes the user that somebody else knows.
///
/// # Errors
/// Those of [`add_user`].
pub(super) fn add_external(engine: &Engine, session: &mut Session<'_>, external: &External, roles: &[&str]) -> Outcome<i64> {
    let columns = vec![
        ("Name", text(&external.name)),
        ("ExternalId", text(&external.id)),
        ("ExternalType", text(&external.source)),
        ("Mail", text(&external.mail)),
    ];
    insert_user(engine, session, &external.name, external.tenant, roles, columns)
}

fn insert_user(
    engine: &Engine,
    session: &mut Session<'_>,
    name: &str,
    tenant: Guid,
    roles: &[&str],
    columns: Vec<(&str, Value)>,
) -> Outcome<i64> {
    if !names::of(engine, session, name, &[tenant], 1)?.is_empty() {
        return Err(Fault::new(&fault::CONFLICT, format!("There is a user {name} already.")).of("Name"));
    }
    let user = engine.add_built_in(session, "Users", tenant, columns)?;
    for role in roles {
        let id = find_role(engine, session, tenant, role)?
            .ok_or_else(|| Fault::new(&fault::BAD_REFERENCE, format!("The tenant has no role {role}.")))?;
        engine.link_role(session, id, user)?;
    }
    raise_security_version(engine, session)?;
    let told = [("Name", name), ("Roles", &roles.join(", "))];
    engine.audit_account(session, "Added", (user, tenant), SYSTEM_USER, &told)?;
    Ok(user)
}

pub(super) fn find_role(engine: &Engine, session: &mut Session<'_>, tenant: Guid, name: &str) -> Outcome<Option<i64>> {
    let ty = engine.core_type("Roles")?;
    let restriction = |tenant: Guid| {
        vec![Restriction::Columns(
            vec!["Name".to_owned(), "Tid".to_owned()],
            vec![text(name), Value::Bytes(tenant.to_vec())],
        )]
    };
    let found = engine.columns(session, ty, &["Id"], None, restriction(tenant))?;
    Ok(found
        .first()
        .and_then(|row| if let Value::Integer(id) = row[0] { Some(id) } else { None }))
}

/// Makes a user who cannot sign in before a token of a mail comes back.
///
/// # Errors
/// Those of [`add_user`].
pub(super) fn add_waiting(
    engine: &Engine,
    session: &mut Session<'_>,
    (name, mail): (&str, &str),
    tenant: Guid,
    roles: &[&str],
    password_hash: Option<&str>,
    state: &str,
) -> Outcome<i64> {
    let mut columns = vec![
        ("Name", text(name)),
        ("ExternalId", text(name)),
        ("ExternalType", text("Internal")),
        ("Mail", text(mail)),
        ("Active", Value::Boolean(false)),
        ("MailState", text(state)),
    ];
    columns.extend(password_hash.map(|hash| ("Password", text(hash))));
    insert_user(engine, session, name, tenant, roles, columns)
}

/// Puts the hash of the same password, made today's way, in the place of an older one; unless the password was changed meanwhile.
pub fn renew_hash(engine: &Engine, session: &mut Session<'_>, user: i64, old: &str, new: &str) -> Outcome<()> {
    let ty = engine.core_type("Users")?;
    // Kept from who changes the password at the same time, before it is looked at.
    let everything = Scope::everything();
    match engine.locked(session, &everything, &Place::of(ty, None, vec![Value::Integer(user)])) {
        Err(fault) if fault.kind == &fault::NOT_FOUND => return Ok(()),
        locked => locked?,
    };
    let key = vec![Restriction::Key(vec![Value::Integer(user)])];
    let stored = engine.columns(session, ty, &["Password"], None, key)?;
    if stored.first().is_none_or(|row| row[0] != text(old)) {
        return Ok(());
    }
    let key = [Value::Integer(user)];
    let mut update = Update::new(&engine.schema, &everything, ty, &key)?;
    update.values = vec![("Password", text(new))];
    update.run(session)
}

/// Gives a user a new password; whether there is such a user.
pub fn set_password(engine: &Engine, session: &mut Session<'_>, user: i64, password_hash: &str) -> Outcome<()> {
    let ty = engine.core_type("Users")?;
    let (everything, key) = (Scope::everything(), [Value::Integer(user)]);
    let mut update = Update::new(&engine.schema, &everything, ty, &key)?;
    update.values = vec![
        ("Password", text(password_hash)),
        ("RowVersion", Value::Bytes(engine.next_version())),
    ];
    update.run(session)?;
    engine.end_sessions(session, user)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl Engine {
    /// A type of the Core endpoint by the name of its set.
    pub(super) fn core_type(&self, set: &str) -> Outcome<TypeId> {
        self.type_of("Core", set)
    }

    /// A type by its endpoint and the name of its set.
    pub(super) fn type_of(&self, endpoint: &str, set: &str) -> Outcome<TypeId> {
        let found = self
            .schema
            .endpoint(endpoint)
            .ok_or_else(|| Fault::internal(format!("there is no endpoint {endpoint}")))?;
        let set = found
            .set_names
            .get(set)
            .ok_or_else(|| Fault::internal(format!("{endpoint} has no set {set}")))?;
        Ok(self.schema.sets[*set].entity_type)
    }

    /// A property of a built-in type.
    pub(super) fn property_of(&self, ty: TypeId, name: &str) -> Outcome<usize> {
        let found = self.schema.types[ty].property(name);
        found.ok_or_else(|| Fault::internal(format!("no property {name}")))
    }

    pub(super) fn column_expr(&self, ty: TypeId, name: &str) -> Outcome<Expr> {
        let property = self.property_of(ty, name)?;
        Ok(Expr::Column { source: 0, ty, property })
    }

    /// Whether a property of a row leads to one that is there for whom the statement is.
    pub(super) fn seen_expr(&self, ty: TypeId, name: &str, target: TypeId) -> Outcome<Expr> {
        let property = self.property_of(ty, name)?;
        Ok(Expr::Seen {
            source: 0,
            ty,
            property,
            target,
        })
    }

    /// Some properties of the rows of a built-in set, in the order of the key; the server's own look, so it sees everything.
    pub(super) fn columns(
        &self,
        session: &mut Session<'_>,
        ty: TypeId,
        names: &[&str],
        filter: Option<&Expr>,
        restrictions: Vec<Restriction>,
    ) -> Outcome<Vec<Vec<Value>>> {
        self.columns_up_to(session, ty, names, filter, restrictions, None)
    }

    /// The same of at most so many rows.
    pub(super) fn columns_up_to(
        &self,
        session: &mut Session<'_>,
        ty: TypeId,
        names: &[&str],
        filter: Option<&Expr>,
        restrictions: Vec<Restriction>,
        limit: Option<usize>,
    ) -> Outcome<Vec<Vec<Value>>> {
        let everything = Scope::everything();
        let sources = [Source {
            ty,
            set: None,
            join: None,
            nested: false,
        }];
        let mut select = Select::new(&self.schema, &everything, &sources);
        for name in names {
            let property = self.schema.types[ty]
                .property(name)
                .ok_or_else(|| Fault::internal(format!("no property {name}")))?;
            select.outputs.push(Output::Property(ty, property));
        }
        select.filter = filter;
        select.restrictions = restrictions;
        select.order = self.total_order(ty, &Vec::<Order>::new());
        select.limit = limit;
        let rows = select.fetch(session)?;
        Ok((0..rows.len())
            .map(|row| (0..names.len()).map(|cell| rows.cell(row, cell)).map(Cell::to_value).collect())
            .collect())
    }

    /// A row of a built-in set with these properties, made by the server; the number it got.
    pub(super) fn add_built_in(&self, session: &mut Session<'_>, set: &str, tenant: Guid, columns: Vec<(&str, Value)>) -> Outcome<i64> {
        let ty = self.core_type(set)?;
        let index = |name: &str| {
            self.schema.types[ty]
                .property(name)
                .ok_or_else(|| Fault::internal(format!("{set} has no {name}")))
        };
        let mut values = Vec::with_capacity(columns.len());
        for (name, value) in columns {
            values.push((index(name)?, value));
        }
        let mut caller = Caller::server();
        caller.tenant = tenant;
        let mut new: Entity = self.new_entity(&caller, Body::new(ty, values.clone()))?;
        // What a client may not say, such as a number or a creator, the server may.
        for (index, value) in values {
            new.values[index] = value;
        }
        self.insert(session, &mut new, &[])?;
        match new.key(&self.schema.types[ty]).first() {
            Some(Value::Integer(id)) => Ok(*id),
            _ => Ok(0),
        }
    }

    /// Puts a user into a role.
    pub(super) fn link_role(&self, session: &mut Session<'_>, role: i64, user: i64) -> Outcome<()> {
        let (_, table, near, far) = self.role_link("Users")?;
        self.insert_pair(session, table, (&near, &[Value::Integer(role)]), (&far, &[Value::Integer(user)]))
    }
}

//! Built-in operations on access control lists, and on what users and roles hold.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Bound, Given};
use crate::engine::Engine;
use crate::engine::acl::{ALLOW, Ace, DENY, List, Lists, OF_ROLE, OF_USER, Trustee};
use crate::engine::layout::Columns;
use crate::engine::permission::{Verb, forbidden};
use crate::engine::rights::Which;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, SYSTEM_TENANT, Scope};
use crate::model::edm::{Cell, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Page;
use crate::model::query::Query;
use crate::model::rights::{Holding, Rights, Role};
use crate::model::schema::SetId;
use crate::model::target::{Body, Leaf, Preconditions, Resource, Step};
use crate::odata::canonical;
use crate::store::{Restriction, Select, Session};

/// What `Aces/Create` calls the kinds of entries, in the order of their numbers.
const ACTIONS: [&str; 4] = ["DENY", "ALLOW", "AUDIT", "ALARM"];

/// A list for the node.
pub fn create_acl(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let node = entity(bound)?;
    let kind = Value::Integer(engine.integer(node, "EntityKindId"));
    make_acl(engine, session, caller, Value::Integer(engine.integer(node, "Id")), kind)
}

/// The same for a node by its number.
pub fn create_node_acl(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let [kind, node, ..] = arguments else {
        return Err(Fault::internal("an operation without its arguments"));
    };
    if *node == Value::Integer(0) {
        return Err(bad("EntityId", "names no node."));
    }
    make_acl(engine, session, caller, node.clone(), kind.clone())
}

fn make_acl(engine: &Engine, session: &mut Session<'_>, caller: &Caller, node: Value, kind: Value) -> Outcome<Given> {
    let name = match node {
        Value::Integer(node) => format!("Acl of node {node}"),
        _ => "Acl".to_owned(),
    };
    let values = vec![("Name", Value::Text(name)), ("EntityId", node), ("EntityKindId", kind)];
    make(engine, session, caller, "Acls", values)
}

/// A list of no node yet.
pub fn create_free_acl(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let [breaks, kind, ..] = arguments else {
        return Err(Fault::internal("an operation without its arguments"));
    };
    let values = vec![
        ("Name", Value::Text("Acl".to_owned())),
        ("NoInheritanceFromParent", breaks.clone()),
        ("EntityKindId", kind.clone()),
    ];
    make(engine, session, caller, "Acls", values)
}

/// An entry. `Trustee` is the name of a user or a role, also as `user:NAME` or `role:NAME`; `Action` what it does, and behind a blank
/// with which permission, if not with all.
pub fn create_ace(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let [name, description, Value::Text(trustee), Value::Text(action), list, ..] = arguments else {
        return Err(Fault::new(&fault::BAD_ARGUMENT, "An entry needs a Trustee and an Action."));
    };
    let (action, permission) = match action.trim().split_once(' ') {
        Some((action, permission)) => (action, Some(permission.trim())),
        None => (action.trim(), None),
    };
    let kind = ACTIONS.iter().position(|known| known.eq_ignore_ascii_case(action));
    let kind = kind.ok_or_else(|| {
        bad(
            "Action",
            "is DENY, ALLOW, AUDIT or ALARM, with the name of a permission behind it or without.",
        )
    })?;
    let permission = match permission {
        Some(name) => named(engine, session, caller, "Permissions", name)?.ok_or_else(|| bad("Action", "names no permission."))?,
        None => 0,
    };
    let (of, trustee) = trustee_named(engine, session, caller, trustee)?;
    let name = match name {
        Value::Text(name) => name.clone(),
        _ => "Ace".to_owned(),
    };
    let values = vec![
        ("Name", Value::Text(name)),
        ("Description", description.clone()),
        ("TrusteeType", Value::Integer(of)),
        ("TrusteeId", Value::Integer(trustee)),
        ("Type", Value::Integer(kind as i64 + 1)),
        ("PermissionId", Value::Integer(permission)),
        ("AclId", list.clone()),
    ];
    make(engine, session, caller, "Aces", values)
}

fn trustee_named(engine: &Engine, session: &mut Session<'_>, caller: &Caller, text: &str) -> Outcome<(i64, i64)> {
    let (users, roles, name) = match text.split_once(':') {
        Some(("user", name)) => (true, false, name),
        Some(("role", name)) => (false, true, name),
        _ => (true, true, text),
    };
    let mut found = Vec::new();
    for (asked, set, of) in [(users, "Users", OF_USER), (roles, "Roles", OF_ROLE)] {
        if asked {
            found.extend(named(engine, session, caller, set, name)?.map(|id| (of, id)));
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(bad("Trustee", "names no user and no role.")),
        _ => Err(bad("Trustee", "names a user and a role: write `user:` or `role:` before it.")),
    }
}

/// The row of a set with a name that is there for the caller; his own tenant's before a shared one.
fn named(engine: &Engine, session: &mut Session<'_>, caller: &Caller, set: &str, name: &str) -> Outcome<Option<i64>> {
    let columns = ["Name", "Tid"].map(str::to_owned).to_vec();
    for tenant in [caller.tenant, SYSTEM_TENANT] {
        let values = vec![Value::Text(name.to_owned()), Value::Bytes(tenant.to_vec())];
        let those = Restriction::Columns(columns.clone(), values);
        for row in engine.columns(session, engine.core_type(set)?, &["Id"], None, vec![those])? {
            if let Some(Value::Integer(id)) = row.first()
                && engine.is_visible(session, caller, set, *id)?
            {
                return Ok(Some(*id));
            }
        }
    }
    Ok(None)
}

/// The list inherits nothing from now on; what it has inherited so far it has itself, if that is wanted.
pub fn break_inheritance(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    bound: &Bound,
    arguments: &[Value],
) -> Outcome<Given> {
    let acl = entity(bound)?;
    let (id, node) = (engine.integer(acl, "Id"), engine.integer(acl, "EntityId"));
    let flag = engine.schema.types[acl.ty].property("NoInheritanceFromParent");
    let flag = flag.ok_or_else(|| Fault::internal("lists without inheritance"))?;
    let inherits = acl.values[flag] != Value::Boolean(true);
    let mut inherited = Vec::new();
    if inherits && arguments.first() == Some(&Value::Boolean(true)) && node != 0 {
        let lists = engine.lists(session, caller.tenant, Some(node))?.unwrap_or_default();
        let chain = lists.chain(node);
        // The first is the node's own.
        inherited = chain.iter().skip(1).flat_map(|list| &list.aces).map(|ace| ace.id).collect();
    }
    let body = |ty| Ok(Body::new(ty, vec![(flag, Value::Boolean(true))]));
    let set = set_of(engine, "Acls")?;
    let mut resource = whole(engine, set);
    resource.steps.push(Step::Key(vec![Value::Integer(id)]));
    resource.collection = false;
    engine.update(session, caller, &resource, &body, false, &Preconditions::default())?;
    if !inherited.is_empty() {
        copy(engine, session, caller, id, inherited)?;
    }
    Ok(Given::Nothing)
}

/// Copies entries into a list. They say what they have said before: that their author may do it himself is not asked for again.
fn copy(engine: &Engine, session: &mut Session<'_>, caller: &Caller, list: i64, aces: Vec<i64>) -> Outcome<()> {
    const COPIED: &[&str] = &["Name", "Description", "TrusteeType", "TrusteeId", "Type", "PermissionId"];
    let ty = engine.core_type("Aces")?;
    engine.scope(caller, ty, None, Verb::Create)?;
    engine.check_aces(session, caller.tenant, aces.len())?;
    let those = aces.into_iter().map(|ace| vec![Value::Integer(ace)]).collect();
    let those = Restriction::ColumnsIn(vec!["Id".to_owned()], those);
    for row in engine.columns(session, ty, COPIED, None, vec![those])? {
        let values = COPIED.iter().copied().zip(row).chain([("AclId", Value::Integer(list))]);
        let body = body_of(engine, ty, values)?;
        let mut new = engine.new_entity(caller, body)?;
        engine.insert(session, &mut new, &[])?;
    }
    engine.touched(session, ty)
}

/// Every entry of the lists that hold for the node.
pub fn all_aces(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    aces(engine, session, caller, bound, |_, _| true)
}

/// Those of them that decide.
pub fn all_permissions(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    aces(engine, session, caller, bound, |_, ace| ace.decides())
}

/// Those that decide for the caller; what another one denies him wholly is not among them.
pub fn effective_aces(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let node = entity(bound)?;
    let own = engine.integer(node, "CreatedById") == caller.user;
    let who = engine.trustee(session, &caller.rights, caller.user, caller.tenant)?;
    let fits = |ace: &&Ace| ace.decides() && who.fits_with(ace, own);
    let node = engine.integer(node, "Id");
    let lists = engine.lists(session, caller.tenant, Some(node))?.unwrap_or_default();
    let fitting = || lists.chain(node).into_iter().flat_map(|list| &list.aces).filter(fits);
    let denied: HashSet<i64> = fitting().filter(|ace| ace.kind == DENY).map(|ace| ace.permission).collect();
    let beaten = |ace: &Ace| ace.kind == ALLOW && (denied.contains(&0) || denied.contains(&ace.permission));
    let effective = fitting().filter(|ace| !beaten(ace)).map(|ace| ace.id).collect();
    rows(engine, session, &Scope::of(caller), "Aces", effective)
}

fn aces(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    bound: &Bound,
    is_wanted: impl Fn(&List, &Ace) -> bool,
) -> Outcome<Given> {
    let node = engine.integer(entity(bound)?, "Id");
    let scope = engine.scope(caller, engine.core_type("Aces")?, None, Verb::Read)?;
    let lists: Lists = engine.lists(session, caller.tenant, Some(node))?.unwrap_or_default();
    let wanted = lists.chain(node).into_iter().flat_map(|list| {
        let aces = list.aces.iter().filter(|ace| is_wanted(list, ace));
        aces.map(|ace| ace.id).collect::<Vec<i64>>()
    });
    rows(engine, session, &scope, "Aces", wanted.collect())
}

/// Whether the caller holds a permission where the node is concerned.
pub fn has_permission(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let permission = permission(engine, session, caller, arguments)?;
    let who = engine.trustee(session, &caller.rights, caller.user, caller.tenant)?;
    let place = (entity(bound)?, caller.tenant);
    let holds = engine.holds_at(session, place, &caller.rights, &who, &permission)?;
    Ok(Given::Value(Value::Boolean(holds)))
}

/// The same for another user, or for somebody who has nothing but a role.
pub fn check_permission(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, arguments: &[Value]) -> Outcome<Given> {
    let permission = permission(engine, session, caller, arguments)?;
    let [_, Value::Integer(trustee), Value::Integer(of), ..] = arguments else {
        return Err(Fault::internal("an operation without its arguments"));
    };
    let set = match *of {
        OF_USER => "Users",
        OF_ROLE => "Roles",
        _ => return Err(bad("TrusteeType", "is 0 (a role) or 1 (a user).")),
    };
    if !engine.is_visible(session, caller, set, *trustee)? {
        return Err(bad("TrusteeId", &format!("names none of the {set}.")));
    }
    let (user, rights) = match *of {
        OF_USER => (*trustee, rights_of(engine, session, caller, *trustee)?),
        _ => (0, Arc::new(rights_of_role(engine, session, caller, *trustee)?)),
    };
    let who: Trustee = engine.trustee(session, &rights, user, caller.tenant)?;
    let place = (entity(bound)?, caller.tenant);
    let holds = engine.holds_at(session, place, &rights, &who, &permission)?;
    Ok(Given::Value(Value::Boolean(holds)))
}

/// The name of the permission that the first argument is.
fn permission(engine: &Engine, session: &mut Session<'_>, caller: &Caller, arguments: &[Value]) -> Outcome<String> {
    let Some(Value::Integer(id)) = arguments.first() else {
        return Err(Fault::internal("an operation without its arguments"));
    };
    let mut names: HashMap<i64, String> = engine.permission_names(session, caller.tenant, [*id])?;
    names.remove(id).ok_or_else(|| bad("PermissionId", "names no permission."))
}

/// The permissions that an entry of the node's list can be about and that the caller holds: those of its sets, and those that begin with
/// the name of its kind.
pub fn assignable_permissions(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let node = entity(bound)?;
    let permissions = engine.core_type("Permissions")?;
    let scope = engine.scope(caller, permissions, None, Verb::Read)?;
    let sets = engine.sets_with(node.ty).into_iter().map(|set| &engine.schema.sets[set]);
    let mut beginnings: Vec<String> = sets
        .map(|set| format!("{}:{}Can", engine.schema.endpoints[set.endpoint].permission_prefix, set.name))
        .collect();
    let key = Restriction::Key(vec![Value::Integer(engine.integer(node, "EntityKindId"))]);
    for kind in engine.columns(session, engine.core_type("EntityKinds")?, &["Name"], None, vec![key])? {
        if let Some(Value::Text(name)) = kind.first() {
            beginnings.push(format!("{name}:"));
        }
    }
    let mut found = Vec::new();
    for tenant in [caller.tenant, SYSTEM_TENANT] {
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
        for row in engine.columns(session, permissions, &["Id", "Name"], None, vec![own])? {
            let [Value::Integer(id), Value::Text(name)] = row.as_slice() else {
                continue;
            };
            let is_about = beginnings.iter().any(|beginning| name.starts_with(beginning.as_str()));
            if is_about && caller.rights.holds(&engine.targets, name) {
                found.push(*id);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    rows(engine, session, &scope, "Permissions", found)
}

/// Whether a user holds a permission, by whatever name.
pub fn user_has_permission(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    bound: &Bound,
    arguments: &[Value],
) -> Outcome<Given> {
    let Some(Value::Text(name)) = arguments.first() else {
        return Err(bad("PermissionName", "is needed."));
    };
    let rights = rights_of_bound(engine, session, caller, bound)?;
    Ok(Given::Value(Value::Boolean(rights.holds(&engine.targets, name))))
}

/// Names of all permissions that a user holds.
pub fn user_permissions(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let rights = rights_of_bound(engine, session, caller, bound)?;
    Ok(texts(rights.names.iter().map(String::as_str)))
}

/// Names of all roles that count for a user.
pub fn user_roles(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let rights = rights_of_bound(engine, session, caller, bound)?;
    let mut names: Vec<&str> = rights.roles.iter().map(|role| role.name.as_str()).collect();
    names.sort_unstable();
    Ok(texts(names.into_iter()))
}

/// Names of all permissions of a role and of those that it includes.
pub fn role_permissions(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    engine.scope(caller, engine.core_type("Permissions")?, None, Verb::Read)?;
    let role = engine.integer(entity(bound)?, "Id");
    let rights = rights_of_role(engine, session, caller, role)?;
    Ok(texts(rights.names.iter().map(String::as_str)))
}

/// What the user holds that an operation is bound to: the caller himself, or somebody of whom an administrator asks.
fn rights_of_bound(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound) -> Outcome<Arc<Rights>> {
    match engine.integer(entity(bound)?, "Id") {
        user if user == caller.user => Ok(caller.rights.clone()),
        user if caller.rights.administrator => rights_of(engine, session, caller, user),
        _ => Err(forbidden("What others hold only administrators are told.")),
    }
}

/// What a user holds in the caller's tenant; nothing, if he is not active.
fn rights_of(engine: &Engine, session: &mut Session<'_>, caller: &Caller, user: i64) -> Outcome<Arc<Rights>> {
    let found = engine.caller(session, user, Some(caller.tenant), None)?;
    Ok(found.map(|found| found.rights).unwrap_or_default())
}

/// What somebody holds who has one role.
fn rights_of_role(engine: &Engine, session: &mut Session<'_>, caller: &Caller, role: i64) -> Outcome<Rights> {
    let key = Restriction::Key(vec![Value::Integer(role)]);
    let found = engine.columns(session, engine.core_type("Roles")?, &["Name", "Active"], None, vec![key])?;
    let first = found.iter().find_map(|row| match row.as_slice() {
        [Value::Text(name), Value::Boolean(true)] => Some(Role {
            id: role,
            name: name.clone(),
            tenant: caller.tenant,
        }),
        _ => None,
    });
    let roles = engine.with_included(session, first.into_iter().collect(), caller.tenant, Which::Active)?;
    let names = engine.permissions_of(session, roles.iter().map(|role| role.id).collect())?;
    let held = Holding {
        roles,
        names,
        ..Holding::default()
    };
    Ok(Rights::new(&engine.targets, held))
}

/// A new row of a set of Core, made as a client would.
fn make(engine: &Engine, session: &mut Session<'_>, caller: &Caller, set: &str, values: Vec<(&str, Value)>) -> Outcome<Given> {
    let resource = whole(engine, set_of(engine, set)?);
    let body = body_of(engine, resource.ty, values)?;
    Ok(Given::Entities(Box::new(engine.create(session, caller, &resource, body)?.page)))
}

fn body_of<'n>(engine: &Engine, ty: usize, values: impl IntoIterator<Item = (&'n str, Value)>) -> Outcome<Body> {
    let mut body = Body::new(ty, Vec::new());
    for (name, value) in values {
        let property = engine.schema.types[ty].property(name);
        body.values
            .push((property.ok_or_else(|| Fault::internal(format!("no property {name}")))?, value));
    }
    Ok(body)
}

fn set_of(engine: &Engine, name: &str) -> Outcome<SetId> {
    let core = engine.schema.endpoint("Core").and_then(|core| core.set_names.get(name));
    core.copied().ok_or_else(|| Fault::internal(format!("Core has no set {name}")))
}

/// All of a set.
fn whole(engine: &Engine, set: SetId) -> Resource {
    Resource {
        set,
        steps: Vec::new(),
        ty: engine.schema.sets[set].entity_type,
        end_set: Some(set),
        collection: true,
        cast: false,
        leaf: Leaf::Entities,
    }
}

/// Rows of a set by their numbers, as far as a scope shows them.
fn rows(engine: &Engine, session: &mut Session<'_>, scope: &Scope, set: &str, ids: Vec<i64>) -> Outcome<Given> {
    let set = set_of(engine, set)?;
    let ty = engine.schema.sets[set].entity_type;
    let query = Query::of(ty, Some(set));
    let columns = Columns::of(&engine.schema, ty, &query.shape);
    let mut select = Select::new(&engine.schema, scope, &query.sources);
    select.outputs = columns.outputs;
    let ids = ids.into_iter().map(|id| vec![Value::Integer(id)]).collect();
    select.restrictions = vec![Restriction::ColumnsIn(vec!["Id".to_owned()], ids)];
    select.order = engine.total_order(ty, &[]);
    Ok(Given::Entities(Box::new(Page {
        set: Some(set),
        ty,
        rows: select.fetch(session)?,
        layout: columns.layout,
        count: None,
        next: None,
        top_left: None,
        shape: query.shape,
        expanded: Vec::new(),
    })))
}

/// A collection of texts.
fn texts<'t>(all: impl Iterator<Item = &'t str>) -> Given {
    let mut out = b"[".to_vec();
    for text in all {
        if out.len() > 1 {
            out.push(b',');
        }
        canonical::write(Cell::Text(text), &mut out);
    }
    out.push(b']');
    Given::Value(String::from_utf8(out).map_or(Value::Null, Value::Text))
}

fn entity(bound: &Bound) -> Outcome<&Entity> {
    match bound {
        Bound::Entity(entity) => Ok(entity),
        _ => Err(Fault::internal("bound to no entity")),
    }
}

fn bad(argument: &str, what: &str) -> Fault {
    Fault::new(&fault::BAD_ARGUMENT, format!("{argument} {what}")).of(argument)
}

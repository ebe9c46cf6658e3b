//! What changes of lists, of their entries and of the tree of nodes need: lists are of nodes that are there for whoever changes them,
//! entries name somebody and something that is there, and allow nothing that their author may not do himself.

use super::{ALLOW, OF_ROLE, OF_USER};
use crate::engine::Engine;
use crate::engine::catalogue::EVERYTHING;
use crate::engine::identity;
use crate::engine::permission::forbidden;
use crate::engine::resolve::Place;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Guid, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{ACES, ACLS, NODE_DEPTH, NODES_ABOVE};
use crate::model::rights::Verb;
use crate::store::{Delete, Restriction, Session, Tree};

/// Properties of an entry that say what it does.
const MEANING: &[&str] = &["Type", "TrusteeType", "TrusteeId", "PermissionId", "AclId"];

impl Engine {
    /// Whether the caller may make, change or delete a list or an entry, or make or move a node. `before` is none for a new one, `after` for one to
    /// go.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_REFERENCE`, `BAD_VALUE`, `CONFLICT`, `TOO_LARGE`
    pub(in crate::engine) fn check_lists(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        before: Option<&Entity>,
        after: Option<&Entity>,
    ) -> Outcome<()> {
        let Some(entity) = before.or(after) else { return Ok(()) };
        let root = self.schema.types[entity.ty].root;
        match (before, after) {
            (before, Some(after)) if root == self.core_type("Nodes")? => self.check_place(session, caller, before, after),
            _ if !self.schema.types[root].security => Ok(()),
            _ if root == self.core_type("Acls")? => self.check_acl(session, caller, before, after),
            _ if root == self.core_type("Aces")? => self.check_ace(session, caller, before, after),
            _ => Ok(()),
        }
    }

    /// A node does not come to hang below itself, nor too deep. Where it hangs now, other lists may hold.
    fn check_place(&self, session: &mut Session<'_>, caller: &Caller, before: Option<&Entity>, after: &Entity) -> Outcome<()> {
        const _: () = assert!((ACLS + 1) * NODE_DEPTH <= NODES_ABOVE);
        let (node, above) = (self.integer(after, "Id"), self.integer(after, "ParentId"));
        if before.is_some_and(|before| self.integer(before, "ParentId") == above) {
            return Ok(());
        }
        let (nodes, parent) = self.node_tree()?;
        let tree = Tree::of(&self.schema, nodes, parent);
        // The root of a tree may be its own parent.
        let above = match above == node || above == 0 {
            true => Vec::new(),
            false => tree.lines(session, &[above], NODE_DEPTH)?,
        };
        if before.is_some() && above.iter().any(|(id, _)| *id == node) {
            return Err(Fault::new(&fault::BAD_VALUE, "A node cannot be below itself.").of("ParentId"));
        }
        let left = NODE_DEPTH - above.len();
        if left == 0 || before.is_some() && tree.reaches(session, node, left + 1)? {
            let message = format!("A tree of nodes has at most {NODE_DEPTH} levels; with this node there, it would have more.");
            return Err(Fault::new(&fault::TOO_LARGE, message).of("ParentId"));
        }
        match before {
            Some(_) if self.count_rows(session, "Acls", caller.tenant)? > 0 => identity::raise_security_version(self, session),
            _ => Ok(()),
        }
    }

    pub(in crate::engine) fn count_rows(&self, session: &mut Session<'_>, set: &str, tenant: Guid) -> Outcome<usize> {
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
        Ok(self.columns(session, self.core_type(set)?, &["Id"], None, vec![own])?.len())
    }

    fn check_acl(&self, session: &mut Session<'_>, caller: &Caller, before: Option<&Entity>, after: Option<&Entity>) -> Outcome<()> {
        if before.is_none() && self.count_rows(session, "Acls", caller.tenant)? >= ACLS {
            let message = format!("A tenant has at most {ACLS} access control lists.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        let node_of = |acl: &Entity| self.integer(acl, "EntityId");
        if let Some(node) = before.map(node_of) {
            self.claim_node(session, caller, node)?;
        }
        let Some(after) = after.filter(|after| node_of(after) != 0) else {
            return Ok(());
        };
        let node = node_of(after);
        let Some(entity) = self.claim_node(session, caller, node)? else {
            return Err(Fault::new(&fault::BAD_REFERENCE, "EntityId names no node.").of("EntityId"));
        };
        let kind = self.integer(after, "EntityKindId");
        if kind != 0 && kind != self.integer(&entity, "EntityKindId") {
            return Err(Fault::new(
                &fault::BAD_VALUE,
                "EntityKindId is not the kind of the node; 0 is right for every node.",
            )
            .of("EntityKindId"));
        }
        let those = Restriction::Columns(vec!["EntityId".to_owned()], vec![Value::Integer(node)]);
        let lists = self.columns(session, self.core_type("Acls")?, &["Id"], None, vec![those])?;
        let own = before.map(|before| Value::Integer(self.integer(before, "Id")));
        match lists.iter().any(|list| Some(&list[0]) != own.as_ref()) {
            true => Err(Fault::new(&fault::CONFLICT, "The node has an access control list already.").of("EntityId")),
            false => Ok(()),
        }
    }

    /// A node whose list the caller may change: he sees it, and its lists let him update it. None: it is not there for him. It is kept from
    /// others, so that it does not get two lists at once.
    fn claim_node(&self, session: &mut Session<'_>, caller: &Caller, node: i64) -> Outcome<Option<Entity>> {
        let nodes = self.core_type("Nodes")?;
        let set = self.schema.sets.iter().position(|set| set.entity_type == nodes);
        let place = Place::of(nodes, set, vec![Value::Integer(node)]);
        match self.claim(session, caller, &place, Verb::Update) {
            Err(fault) if fault.kind == &fault::NOT_FOUND => Ok(None),
            claimed => claimed.map(|(_, entity)| Some(entity)),
        }
    }

    fn check_ace(&self, session: &mut Session<'_>, caller: &Caller, before: Option<&Entity>, after: Option<&Entity>) -> Outcome<()> {
        if before.is_none() {
            self.check_aces(session, caller.tenant, 1)?;
        }
        let list_of = |ace: &Entity| self.integer(ace, "AclId");
        if let Some(list) = before.map(list_of) {
            self.claim_list(session, caller, list)?;
        }
        let Some(after) = after else { return Ok(()) };
        let list = list_of(after);
        if list != 0 && !self.claim_list(session, caller, list)? {
            return Err(Fault::new(&fault::BAD_REFERENCE, "AclId names no access control list.").of("AclId"));
        }
        let same = |name: &&str| before.is_some_and(|before| self.integer(before, name) == self.integer(after, name));
        match MEANING.iter().all(same) {
            true => Ok(()),
            false => self.check_meaning(session, caller, after),
        }
    }

    /// Whether so many more entries are not too many.
    pub(in crate::engine) fn check_aces(&self, session: &mut Session<'_>, tenant: Guid, more: usize) -> Outcome<()> {
        if self.count_rows(session, "Aces", tenant)? + more <= ACES {
            return Ok(());
        }
        let message = format!("The access control lists of a tenant have at most {ACES} entries together.");
        Err(Fault::new(&fault::TOO_LARGE, message))
    }

    /// Whether there is a list, with a node that is the caller's to change.
    fn claim_list(&self, session: &mut Session<'_>, caller: &Caller, list: i64) -> Outcome<bool> {
        let place = Place::of(self.core_type("Acls")?, None, vec![Value::Integer(list)]);
        match self.entity_at(session, &Scope::of(caller), &place, false) {
            Err(fault) if fault.kind == &fault::NOT_FOUND => Ok(false),
            list => {
                let node = self.integer(&list?, "EntityId");
                self.claim_node(session, caller, node)?;
                Ok(true)
            }
        }
    }

    fn check_meaning(&self, session: &mut Session<'_>, caller: &Caller, ace: &Entity) -> Outcome<()> {
        let bad = |kind, name: &str, what: &str| Err(Fault::new(kind, format!("{name} {what}")).of(name));
        let (kind, permission) = (self.integer(ace, "Type"), self.integer(ace, "PermissionId"));
        if !(1..=4).contains(&kind) {
            return bad(&fault::BAD_VALUE, "Type", "is 1 (deny), 2 (allow), 3 (audit) or 4 (alarm).");
        }
        let set = match self.integer(ace, "TrusteeType") {
            OF_ROLE => "Roles",
            OF_USER => "Users",
            _ => return bad(&fault::BAD_VALUE, "TrusteeType", "is 0 (a role) or 1 (a user)."),
        };
        if !self.is_visible(session, caller, set, self.integer(ace, "TrusteeId"))? {
            return bad(&fault::BAD_REFERENCE, "TrusteeId", &format!("names none of the {set}."));
        }
        let mut name = Some(EVERYTHING.to_owned());
        if permission != 0 {
            name = match self.is_visible(session, caller, "Permissions", permission)? {
                true => self.permission_names(session, caller.tenant, [permission])?.remove(&permission),
                false => None,
            };
        }
        match name {
            None => bad(&fault::BAD_REFERENCE, "PermissionId", "names none of the Permissions."),
            Some(name) if kind == ALLOW && !caller.rights.holds(&self.targets, &name) => {
                Err(forbidden("Nobody allows others what he may not do himself."))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether the caller may read a row of a set of Core, and there is one.
    pub(in crate::engine) fn is_visible(&self, session: &mut Session<'_>, caller: &Caller, set: &str, id: i64) -> Outcome<bool> {
        let ty = self.core_type(set)?;
        let Ok(scope) = self.scope(caller, ty, None, Verb::Read) else {
            return Ok(false);
        };
        let key = Restriction::Key(vec![Value::Integer(id)]);
        self.ask(session, &scope, ty, vec![key], |select, session| select.exists(session))
    }

    /// With a node its list goes, and with a list its entries.
    pub(in crate::engine) fn drop_lists(&self, session: &mut Session<'_>, gone: &Entity) -> Outcome<()> {
        let (acls, aces) = (self.core_type("Acls")?, self.core_type("Aces")?);
        let root = self.schema.types[gone.ty].root;
        let id = Value::Integer(self.integer(gone, "Id"));
        let lists = match root {
            _ if root == acls => vec![id],
            _ if root == self.core_type("Nodes")? => self.drop_where(session, acls, "EntityId", id)?,
            _ => return Ok(()),
        };
        for list in &lists {
            self.drop_where(session, aces, "AclId", list.clone())?;
        }
        match lists.is_empty() {
            true => Ok(()),
            false => self.touched(session, acls),
        }
    }

    /// Deletes the rows of a type with a value in a column; their numbers.
    fn drop_where(&self, session: &mut Session<'_>, ty: usize, column: &str, value: Value) -> Outcome<Vec<Value>> {
        let those = Restriction::Columns(vec![column.to_owned()], vec![value]);
        let found = self.columns(session, ty, &["Id"], None, vec![those])?;
        let found: Vec<Value> = found.into_iter().flatten().collect();
        for id in &found {
            Delete::new(&self.schema, &Scope::everything(), ty, std::slice::from_ref(id))?.run(session)?;
        }
        Ok(found)
    }
}

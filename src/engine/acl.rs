//! Access control lists (`reference/appclusive.md` 4.2): which nodes are there for whom, beyond what roles allow.
//!
//! The list of a node, and those of the nodes above it up to the first that inherits nothing, are its chain. Where no entry of the chain
//! decides (allows or denies), roles alone do. Else an entry that denies and fits the caller refuses, wherever in the chain it is, and
//! without one an entry that allows and fits him is needed. An entry is about a verb if its permission is that of the verb for a set of
//! the node's type or of a type that this derives from. Administrators are not bound.
//!
//! What follows for a caller is a rule about rows like any other ([`Rights::rows`]), so that it holds wherever statements are made. It is
//! worked out for the nodes that carry lists; which of them is the nearest above a row, the statement finds out.

mod changes;
mod rules;

pub(super) use rules::restrict;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::Engine;
use super::row::Entity;
use crate::model::caller::{Guid, SYSTEM_TENANT, role};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::NODES_ABOVE;
use crate::model::rights::{Holding, Reach, Rights, Verb};
use crate::model::schema::{SetId, TypeId};
use crate::store::{Restriction, Session, Tree};

/// `Ace.Type`. The others, 3 and 4, are recorded and decide nothing.
pub(super) const DENY: i64 = 1;
pub(super) const ALLOW: i64 = 2;

/// `Ace.TrusteeType`.
pub(super) const OF_ROLE: i64 = 0;
pub(super) const OF_USER: i64 = 1;

/// An entry of a list.
#[derive(Debug)]
pub(super) struct Ace {
    pub id: i64,
    /// Denies, allows or neither.
    pub kind: i64,
    trustee_type: i64,
    trustee: i64,
    /// 0 is every permission.
    pub permission: i64,
}

impl Ace {
    pub fn decides(&self) -> bool {
        self.kind == DENY || self.kind == ALLOW
    }
}

/// The list of a node.
#[derive(Debug, Default)]
pub(super) struct List {
    breaks: bool,
    pub aces: Vec<Ace>,
}

/// Lists of a tenant, and what is above the nodes that carry them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    of: BTreeMap<i64, List>,
    above: HashMap<i64, i64>,
    /// Names of the permissions in them.
    pub names: HashMap<i64, String>,
}

impl Lists {
    /// The lists that hold for a node, the nearest first.
    pub fn chain(&self, node: i64) -> Vec<&List> {
        let mut found = Vec::new();
        let mut at = Some(node);
        while let Some((_, list)) = at.and_then(|node| self.nearest(node)) {
            found.push(list);
            at = self.next(at);
            // A circle ends where it closes.
            if found.len() > self.of.len() {
                break;
            }
        }
        found
    }

    /// The node itself or the nearest above it that carries a list.
    fn nearest(&self, node: i64) -> Option<(i64, &List)> {
        let (mut at, mut seen) = (node, HashSet::new());
        loop {
            match self.of.get(&at) {
                Some(list) => return Some((at, list)),
                None if seen.insert(at) => at = *self.above.get(&at)?,
                None => return None,
            }
        }
    }

    /// Where the chain of a node goes on, behind the first list.
    fn next(&self, node: Option<i64>) -> Option<i64> {
        let (carrier, list) = self.nearest(node?)?;
        let above = self.above.get(&carrier).copied().filter(|above| *above != carrier);
        above.filter(|_| !list.breaks)
    }
}

/// Whom an entry may fit.
#[derive(Debug)]
pub(super) struct Trustee {
    /// 0 is nobody, but somebody who has the roles.
    pub user: i64,
    roles: HashSet<i64>,
    /// The role that stands for who has made a row.
    owners: Option<i64>,
}

impl Trustee {
    fn fits(&self, ace: &Ace) -> bool {
        match ace.trustee_type {
            OF_USER => ace.trustee == self.user,
            _ => self.roles.contains(&ace.trustee),
        }
    }

    fn fits_owners(&self, ace: &Ace) -> bool {
        ace.trustee_type == OF_ROLE && self.owners == Some(ace.trustee)
    }

    /// Whether it fits with a row that he has made, or that he has not.
    pub fn fits_with(&self, ace: &Ace, own: bool) -> bool {
        self.fits(ace) || own && self.fits_owners(ace)
    }
}

/// Whether rows are there that somebody has made himself, and those that he has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Access {
    pub own: bool,
    pub others: bool,
}

/// What entries of a chain say.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    decides: bool,
    denied: [bool; 2],
    allowed: [bool; 2],
}

impl Said {
    fn of(list: &List, who: &Trustee, is_about: impl Fn(&Ace) -> bool) -> Said {
        let mut said = Said::default();
        for ace in list.aces.iter().filter(|ace| ace.decides()) {
            said.decides = true;
            if !is_about(ace) {
                continue;
            }
            let says = if ace.kind == DENY { &mut said.denied } else { &mut said.allowed };
            for (own, says) in [false, true].into_iter().zip(says) {
                *says |= who.fits_with(ace, own);
            }
        }
        said
    }

    fn with(self, above: Said) -> Said {
        let both = |one: [bool; 2], other: [bool; 2]| [one[0] || other[0], one[1] || other[1]];
        Said {
            decides: self.decides || above.decides,
            denied: both(self.denied, above.denied),
            allowed: both(self.allowed, above.allowed),
        }
    }

    fn access(self) -> Access {
        let is_there = |own: usize| !self.decides || self.allowed[own] && !self.denied[own];
        Access {
            own: is_there(1),
            others: is_there(0),
        }
    }
}

impl Engine {
    /// Reads the lists of a tenant, with what is above the nodes that carry them and above another node; none if there are no lists.
    pub(super) fn lists(&self, session: &mut Session<'_>, tenant: Guid, node: Option<i64>) -> Outcome<Option<Lists>> {
        let own = || vec![Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())])];
        let names = ["Id", "EntityId", "NoInheritanceFromParent"];
        let mut lists = Lists::default();
        let mut nodes = HashMap::new();
        for row in self.columns(session, self.core_type("Acls")?, &names, None, own())? {
            if let [Value::Integer(id), Value::Integer(node @ 1..), breaks] = row.as_slice() {
                nodes.insert(*id, *node);
                lists.of.entry(*node).or_default().breaks |= *breaks == Value::Boolean(true);
            }
        }
        if lists.of.is_empty() {
            return Ok(None);
        }
        let names = ["AclId", "Id", "Type", "TrusteeType", "TrusteeId", "PermissionId"];
        let mut permissions = HashSet::new();
        for row in self.columns(session, self.core_type("Aces")?, &names, None, own())? {
            let numbers: Vec<i64> = row.iter().map(number).collect();
            let list = nodes.get(&numbers[0]).and_then(|node| lists.of.get_mut(node));
            if let (Some(list), [_, id, kind, trustee_type, trustee, permission]) = (list, numbers.as_slice()) {
                permissions.insert(*permission);
                list.aces.push(Ace {
                    id: *id,
                    kind: *kind,
                    trustee_type: *trustee_type,
                    trustee: *trustee,
                    permission: *permission,
                });
            }
        }
        lists.names = self.permission_names(session, tenant, permissions)?;
        let of: Vec<i64> = lists.of.keys().copied().chain(node).collect();
        lists.above = self.lines(session, &of)?.into_iter().collect();
        Ok(Some(lists))
    }

    /// Some nodes and those above them: the number of each, and of the node above.
    pub(super) fn lines(&self, session: &mut Session<'_>, of: &[i64]) -> Outcome<Vec<(i64, i64)>> {
        let (nodes, parent) = self.node_tree()?;
        let lines = Tree::of(&self.schema, nodes, parent).lines(session, of, NODES_ABOVE + 1)?;
        if lines.len() > NODES_ABOVE {
            let message = format!("More than {NODES_ABOVE} nodes are above those with access control lists.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        Ok(lines)
    }

    /// The type of nodes, and its property with the node above.
    pub(super) fn node_tree(&self) -> Outcome<(TypeId, usize)> {
        let nodes = self.core_type("Nodes")?;
        let parent = self.schema.types[nodes].property("ParentId");
        Ok((nodes, parent.ok_or_else(|| Fault::internal("Nodes have no ParentId"))?))
    }

    /// Names of permissions that a tenant has or shares.
    pub(super) fn permission_names(
        &self,
        session: &mut Session<'_>,
        tenant: Guid,
        ids: impl IntoIterator<Item = i64>,
    ) -> Outcome<HashMap<i64, String>> {
        let ids: Vec<Vec<Value>> = ids.into_iter().map(|id| vec![Value::Integer(id)]).collect();
        let those = Restriction::ColumnsIn(vec!["Id".to_owned()], ids);
        let rows = self.columns(session, self.core_type("Permissions")?, &["Id", "Name", "Tid"], None, vec![those])?;
        let is_there = |of: &[u8]| of == tenant || of == SYSTEM_TENANT;
        let named = |row: Vec<Value>| match row.as_slice() {
            [Value::Integer(id), Value::Text(name), Value::Bytes(of)] if is_there(of) => Some((*id, name.clone())),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(named).collect())
    }

    /// Whom entries may fit: a user with what he holds in a tenant.
    pub(super) fn trustee(&self, session: &mut Session<'_>, rights: &Rights, user: i64, tenant: Guid) -> Outcome<Trustee> {
        let owners = self.built_in_role(session, tenant, role::CREATOR_OWNER)?;
        let owners = owners.first().map(|role| role.id);
        let roles = rights.roles.iter().map(|role| role.id);
        Ok(Trustee {
            user,
            roles: roles.filter(|role| Some(*role) != owners).collect(),
            owners,
        })
    }

    /// What a permission alone allows.
    fn alone(&self, name: &str) -> Rights {
        let held = Holding {
            names: vec![name.to_owned()],
            ..Holding::default()
        };
        Rights::new(&self.targets, held)
    }

    /// The sets in which entities of a type are, those of types that it derives from among them.
    pub(super) fn sets_with(&self, ty: TypeId) -> Vec<SetId> {
        let sets = self.schema.sets.iter().enumerate();
        sets.filter(|(_, set)| self.schema.is_a(ty, set.entity_type))
            .map(|(id, _)| id)
            .collect()
    }

    /// Whether somebody holds a permission where a node is concerned: his roles allow it, and the lists do.
    pub(super) fn holds_at(
        &self,
        session: &mut Session<'_>,
        (node, tenant): (&Entity, Guid),
        rights: &Rights,
        who: &Trustee,
        permission: &str,
    ) -> Outcome<bool> {
        if rights.administrator {
            return Ok(true);
        }
        if !rights.holds(&self.targets, permission) {
            return Ok(false);
        }
        let id = self.integer(node, "Id");
        let Some(lists) = self.lists(session, tenant, Some(id))? else {
            return Ok(true);
        };
        let sets = self.sets_with(node.ty);
        let verb = Verb::ALL.into_iter().find(|&verb| {
            let named = |set: &SetId| self.targets.name_of(*set, verb) == Some(permission);
            sets.iter().any(named)
        });
        let is_about = |ace: &Ace| {
            let alone = || lists.names.get(&ace.permission).map(|name| self.alone(name));
            ace.permission == 0
                || alone().is_some_and(|alone| match verb {
                    Some(verb) => sets.iter().any(|&set| alone.reach(set, verb) == Reach::All),
                    None => alone.holds(&self.targets, permission),
                })
        };
        let chain = lists.chain(id).into_iter();
        let said = chain.fold(Said::default(), |said, list| said.with(Said::of(list, who, is_about)));
        let access = said.access();
        Ok(match self.integer(node, "CreatedById") == who.user {
            true => access.own,
            false => access.others,
        })
    }

    /// A number in an entity; 0 where there is none.
    pub(super) fn integer(&self, entity: &Entity, name: &str) -> i64 {
        let property = self.schema.types[entity.ty].property(name);
        property.map_or(0, |index| number(&entity.values[index]))
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;

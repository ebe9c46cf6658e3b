//! Random trees of nodes with access control lists, and an evaluator of them that walks up from a node: written from the rules, without a
//! look at the server's way.

use std::collections::{BTreeMap, BTreeSet};

use crate::random::Random;

/// Nodes in a tree.
const NODES: usize = 16;
/// Without lists each of them may do everything with nodes.
pub const USERS: [&str; 3] = ["ann", "bob", "cat"];

/// Types of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Node,
    Folder,
    ScheduledJob,
}

/// All of them.
pub const KINDS: [Kind; 3] = [Kind::Node, Kind::Folder, Kind::ScheduledJob];

impl Kind {
    /// The set of its own.
    pub fn set(self) -> &'static str {
        ["Nodes", "Folders", "ScheduledJobs"][self as usize]
    }
}

/// What somebody does with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Read,
    Create,
    Update,
    Delete,
}

use Verb::{Create, Delete, Read, Update};

/// All of them.
pub const VERBS: &[Verb] = &[Read, Create, Update, Delete];

/// Permissions, the nodes that they are about, and what they let do. The first is "all", number 0.
pub const PERMISSIONS: &[(&str, &[Kind], &[Verb])] = &[
    ("", &KINDS, VERBS),
    ("Apc:NodesCanRead", &KINDS, &[Read]),
    ("Apc:NodesCanUpdate", &KINDS, &[Update]),
    ("Apc:NodesCanCreate", &KINDS, &[Create]),
    ("Apc:NodesCanDelete", &KINDS, &[Delete]),
    ("Apc:FoldersCanRead", &[Kind::Folder], &[Read]),
    ("Apc:FoldersCanUpdate", &[Kind::Folder], &[Update]),
    ("*:*CanRead", &KINDS, &[Read]),
    ("Apc:ScheduledJobsCan*", &[Kind::ScheduledJob], VERBS),
    ("Apc:N*", &KINDS, VERBS),
    ("Apc:UsersCanRead", &[], &[]),
];

/// Roles, and who holds them: `Outer` includes `Inner`.
pub const ROLES: &[(&str, &[usize])] = &[("Inner", &[0, 1]), ("Outer", &[1]), ("Everyone", &[0, 1, 2]), ("CloudGuest", &[])];

/// Whom an entry may fit.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Trustee {
    User(usize),
    Role(usize),
    Owners,
}

/// An entry.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Ace {
    pub kind: usize,
    pub trustee: Trustee,
    pub permission: usize,
}

/// The list of a node.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct List {
    pub breaks: bool,
    pub aces: Vec<Ace>,
}

/// A node.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Node {
    pub kind: Kind,
    pub parent: Option<usize>,
    /// One of the users; past them the administrator.
    pub maker: usize,
    pub id: i64,
}

/// Nodes and their lists.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Tree {
    pub nodes: Vec<Node>,
    pub lists: BTreeMap<usize, List>,
}

impl Tree {
    /// One of them.
    pub fn random(random: &mut Random) -> Tree {
        let nodes: Vec<Node> = (0..NODES)
            .map(|number| Node {
                kind: if random.one_in(2) { Kind::Node } else { *random.pick(&KINDS) },
                parent: (number > 0 && !random.one_in(6)).then(|| random.below(number)),
                maker: random.below(USERS.len() + 1),
                id: 0,
            })
            .collect();
        let mut lists = BTreeMap::new();
        for node in 0..NODES {
            if random.one_in(3) {
                let aces = (0..random.below(5)).map(|_| Ace::random(random)).collect();
                let breaks = random.one_in(4);
                lists.insert(node, List { breaks, aces });
            }
        }
        Tree { nodes, lists }
    }

    /// Whether a user may do something with a node of a kind at the end of a chain; `own` is one that he has made.
    pub fn may(&self, user: usize, verb: Verb, (kind, own): (Kind, bool), from: Option<usize>) -> bool {
        let (mut at, mut is_decided, mut is_allowed) = (from, false, false);
        while let Some(node) = at {
            at = self.nodes[node].parent;
            let Some(list) = self.lists.get(&node) else { continue };
            for ace in list.aces.iter().filter(|ace| ace.kind < 3) {
                is_decided = true;
                let fits = match ace.trustee {
                    Trustee::User(other) => other == user,
                    Trustee::Role(role) => ROLES[role].1.contains(&user),
                    Trustee::Owners => own,
                };
                let (_, kinds, verbs) = PERMISSIONS[ace.permission];
                if fits && kinds.contains(&kind) && verbs.contains(&verb) {
                    if ace.kind == 1 {
                        return false;
                    }
                    is_allowed = true;
                }
            }
            if list.breaks {
                break;
            }
        }
        is_allowed || !is_decided
    }

    /// The same with a node that is there.
    pub fn may_with(&self, user: usize, verb: Verb, node: usize) -> bool {
        let of = &self.nodes[node];
        self.may(user, verb, (of.kind, of.maker == user), Some(node))
    }

    /// Whether it is there for a user.
    pub fn sees(&self, user: usize, node: usize) -> bool {
        self.may_with(user, Read, node)
    }

    /// Ids of some nodes.
    pub fn ids(&self, is_it: impl Fn(usize) -> bool) -> BTreeSet<i64> {
        (0..self.nodes.len())
            .filter(|node| is_it(*node))
            .map(|node| self.nodes[node].id)
            .collect()
    }

    /// The nodes directly below one.
    pub fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(move |child| self.nodes[*child].parent == Some(node))
    }

    /// Whether a node is another or below it.
    pub fn is_below(&self, node: usize, top: usize) -> bool {
        let mut at = Some(node);
        while let Some(here) = at {
            if here == top {
                return true;
            }
            at = self.nodes[here].parent;
        }
        false
    }
}

impl Ace {
    /// One of them.
    pub fn random(random: &mut Random) -> Ace {
        Ace {
            kind: *random.pick(&[1, 2, 2, 2, 3, 4]),
            trustee: match random.below(5) {
                0 => Trustee::Owners,
                1 | 2 => Trustee::User(random.below(USERS.len())),
                _ => Trustee::Role(random.below(ROLES.len())),
            },
            permission: if random.one_in(3) { 0 } else { random.below(PERMISSIONS.len()) },
        }
    }
}

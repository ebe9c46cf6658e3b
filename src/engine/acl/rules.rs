//! Rules about rows that follow from access control lists.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Access, Ace, Lists, Said, Trustee};
use crate::engine::Engine;
use crate::model::caller::Guid;
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::Outcome;
use crate::model::rights::{Reach, Rights, Verb};
use crate::model::schema::TypeId;
use crate::store::Session;

impl Engine {
    /// Adds to the rows that are there for somebody what the lists of the tenant say, and hides lists of nodes that are not.
    pub(in crate::engine) fn add_acl_rules(&self, session: &mut Session<'_>, rights: &mut Rights, user: i64, tenant: Guid) -> Outcome<()> {
        if rights.administrator {
            return Ok(());
        }
        let (nodes, _) = self.node_tree()?;
        if let Some(lists) = self.lists(session, tenant, None)? {
            let who = self.trustee(session, rights, user, tenant)?;
            for (verb, rule) in self.node_rules(&lists, &who)? {
                restrict(rights, verb, nodes, rule);
            }
        }
        if rights.rows[Verb::Read as usize].contains_key(&nodes) {
            for (set, name, target) in [("Acls", "EntityId", "Nodes"), ("Aces", "AclId", "Acls")] {
                let (ty, target) = (self.core_type(set)?, self.core_type(target)?);
                let rule = equals(self.column_expr(ty, name)?, 0).or(self.seen_expr(ty, name, target)?);
                for verb in [Verb::Read, Verb::Update, Verb::Delete] {
                    restrict(rights, verb, ty, rule.clone());
                }
            }
        }
        Ok(())
    }

    /// For each verb which nodes are there, where not all are.
    fn node_rules(&self, lists: &Lists, who: &Trustee) -> Outcome<Vec<(Verb, Expr)>> {
        let (nodes, _) = self.node_tree()?;
        let alone: HashMap<i64, Rights> = lists.names.iter().map(|(id, name)| (*id, self.alone(name))).collect();
        let mut rules = Vec::new();
        // Types of which the lists say the same have one rule together.
        let mut of_types: BTreeMap<[Vec<Access>; 4], Vec<TypeId>> = BTreeMap::new();
        for &ty in &self.schema.types[nodes].family {
            let sets = self.sets_with(ty);
            let mut access = Verb::ALL.map(|verb| {
                let allows = |rights: &Rights| sets.iter().any(|&set| rights.reach(set, verb) == Reach::All);
                accesses(lists, who, |ace| {
                    ace.permission == 0 || alone.get(&ace.permission).is_some_and(allows)
                })
            });
            // What may not be read may not be changed.
            let read = access[Verb::Read as usize].clone();
            for verb in [Verb::Update, Verb::Delete] {
                for (access, read) in access[verb as usize].iter_mut().zip(&read) {
                    access.own &= read.own;
                    access.others &= read.others;
                }
            }
            of_types.entry(access).or_default().push(ty);
        }
        for verb in Verb::ALL {
            let mut all = None;
            for (access, types) in &of_types {
                let Some(rule) = self.node_rule(lists, &access[verb as usize], who)? else {
                    continue;
                };
                let rule = match of_types.len() {
                    1 => rule,
                    _ => is_of(types).negated().or(rule),
                };
                all = both(all, rule);
            }
            rules.extend(all.map(|rule| (verb, rule)));
        }
        Ok(rules)
    }

    /// Which nodes are there; `access` is that to the nodes with lists, in their order. None is all.
    fn node_rule(&self, lists: &Lists, access: &[Access], who: &Trustee) -> Outcome<Option<Expr>> {
        let (ty, parent) = self.node_tree()?;
        let stops: Arc<[i64]> = lists.of.keys().copied().collect();
        let below = |own: bool, others: bool| {
            let those = lists.of.keys().zip(access).filter(|(_, access)| **access == Access { own, others });
            let tops: Arc<[i64]> = those.map(|(node, _)| *node).collect();
            (!tops.is_empty()).then(|| Expr::Below {
                source: 0,
                ty,
                parent,
                tops,
                stops: stops.clone(),
            })
        };
        let own = equals(self.column_expr(ty, "CreatedById")?, who.user);
        let mut rule = below(false, false).map(Expr::negated);
        if let Some(below) = below(true, false) {
            rule = both(rule, below.negated().or(own.clone()));
        }
        if let Some(below) = below(false, true) {
            rule = both(rule, below.negated().or(own.negated()));
        }
        Ok(rule)
    }
}

/// What a chain says at each node with a list, in their order.
pub(super) fn accesses(lists: &Lists, who: &Trustee, is_about: impl Fn(&Ace) -> bool) -> Vec<Access> {
    let mut known: HashMap<i64, Said> = HashMap::new();
    let mut found = Vec::with_capacity(lists.of.len());
    for &node in lists.of.keys() {
        let mut line = Vec::new();
        let mut at = Some(node);
        let mut said = Said::default();
        while let Some((carrier, list)) = at.and_then(|node| lists.nearest(node)) {
            if let Some(above) = known.get(&carrier) {
                said = *above;
                break;
            }
            // A circle ends where it closes.
            if line.len() == lists.of.len() {
                break;
            }
            line.push((carrier, list));
            at = lists.next(Some(carrier));
        }
        while let Some((carrier, list)) = line.pop() {
            said = Said::of(list, who, &is_about).with(said);
            known.insert(carrier, said);
        }
        found.push(said.access());
    }
    found
}

fn equals(column: Expr, number: i64) -> Expr {
    Expr::Binary {
        op: Op::Eq,
        edm: Edm::Int64,
        left: Box::new(column),
        right: Box::new(Expr::Literal(Edm::Int64, Value::Integer(number))),
    }
}

fn is_of(types: &[TypeId]) -> Expr {
    Expr::IsOf {
        source: 0,
        types: types.to_vec(),
    }
}

fn both(one: Option<Expr>, other: Expr) -> Option<Expr> {
    Some(match one {
        Some(one) => one.and(other),
        None => other,
    })
}

/// Of the rows that were there for a verb only those remain for which a rule holds.
pub(in crate::engine) fn restrict(rights: &mut Rights, verb: Verb, ty: TypeId, rule: Expr) {
    let rows = Arc::make_mut(&mut rights.rows[verb as usize]);
    let before = rows.remove(&ty);
    rows.extend(both(before, rule).map(|rule| (ty, rule)));
}

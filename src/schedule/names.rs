//! Which tasks depend on which.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Act, Condition};

/// That a condition names a task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The task that is named.
    pub task: String,
    /// What about it counts.
    pub relation: Relation,
    /// How it is bound to the rest of the condition.
    pub bond: Bond,
}

/// What about a task counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Relation {
    Success,
    Failure,
    Finish,
    Termination,
    Crash,
    Start,
    Inaction,
    Running,
}

/// How a part of a condition is bound to the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bond {
    /// The condition cannot hold without it.
    All,
    /// It is one of several of which one is enough.
    Any,
    /// Deeper, or negated.
    Nested,
}

/// The tasks that a condition names, at any depth, without repetitions.
pub fn names(condition: &Condition) -> Vec<Dependency> {
    let mut found = BTreeSet::new();
    match condition {
        Condition::All(parts) => parts.iter().for_each(|part| gather(part, Bond::All, &mut found)),
        Condition::Any(parts) => parts.iter().for_each(|part| gather(part, Bond::Any, &mut found)),
        _ => gather(condition, Bond::All, &mut found),
    }
    found.into_iter().collect()
}

fn gather(condition: &Condition, bond: Bond, found: &mut BTreeSet<Dependency>) {
    let mut add = |task: &String, relation: Relation, bond: Bond| {
        let task = task.clone();
        found.insert(Dependency { task, relation, bond });
    };
    match condition {
        Condition::After { tasks, any, act } => {
            // Of several in a disjunction, all are needed for one of its sides.
            let bond = match (bond, any, tasks.len()) {
                (bond, _, 1) => bond,
                (Bond::All, true, _) => Bond::Any,
                (Bond::Any, false, _) => Bond::Nested,
                (bond, ..) => bond,
            };
            tasks.iter().for_each(|task| add(task, act.relation(), bond));
        }
        Condition::Has { task: Some(task), act, .. } => add(task, act.relation(), bond),
        Condition::Running(task) => add(task, Relation::Running, bond),
        _ => {}
    }
    for part in condition.parts() {
        gather(part, Bond::Nested, found);
    }
}

impl Act {
    fn relation(self) -> Relation {
        match self {
            Act::Started => Relation::Start,
            Act::Succeeded => Relation::Success,
            Act::Failed => Relation::Failure,
            Act::Finished => Relation::Finish,
            Act::Terminated => Relation::Termination,
            Act::Inacted => Relation::Inaction,
            Act::Crashed => Relation::Crash,
        }
    }
}

/// The tasks of a circle in a graph of dependencies, from one to the next; none if there is no circle. Takes one step for each
/// task and each dependency, without recursion.
pub fn circle<'a>(edges: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Vec<&'a str>> {
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges {
        graph.entry(from).or_default().push(to);
    }
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for &start in graph.keys() {
        // The way from the start, and what is left to look at from each task on it.
        let mut way: Vec<(&str, &[&str])> = Vec::new();
        let mut on_way: BTreeSet<&str> = BTreeSet::new();
        let mut next = Some(start);
        loop {
            if let Some(task) = next {
                if on_way.contains(task) {
                    let circle = way.iter().map(|step| step.0);
                    return Some(circle.skip_while(|name| *name != task).collect());
                }
                if done.insert(task) {
                    on_way.insert(task);
                    way.push((task, graph.get(task).map_or(&[], Vec::as_slice)));
                }
            }
            let Some((task, rest)) = way.last_mut() else { break };
            match rest.split_first() {
                Some((first, others)) => {
                    next = Some(*first);
                    *rest = others;
                }
                None => {
                    on_way.remove(*task);
                    way.pop();
                    next = None;
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::parse;

    #[test]
    fn tasks_are_found_at_any_depth() {
        // Condition; task, relation and bond of each, in order.
        let cases = [
            ("daily", ""),
            ("after task 'a'", "a Success All"),
            ("after tasks 'a', 'b' failed", "a Failure All, b Failure All"),
            ("after any tasks 'a', 'b' finished", "a Finish Any, b Finish Any"),
            ("after any tasks 'a'", "a Success All"),
            ("daily & after task 'a' & after task 'b' crashed", "a Success All, b Crash All"),
            ("after task 'a' | after task 'b' terminated", "a Success Any, b Termination Any"),
            ("after tasks 'a', 'b' | daily", "a Success Nested, b Success Nested"),
            ("daily & (hourly | after task 'a')", "a Success Nested"),
            ("~after task 'a'", "a Success Nested"),
            ("after task 'a' & ~task 'b' is running", "a Success All, b Running Nested"),
            ("task 'a' is running", "a Running All"),
            ("task 'a' has started today & has failed", "a Start All"),
            ("task 'a' has inacted", "a Inaction All"),
            ("after tasks 'a', 'a' & after task 'a'", "a Success All"),
        ];
        for (text, expected) in cases {
            let found = names(&parse(text).unwrap());
            let found: Vec<_> = found
                .iter()
                .map(|row| format!("{} {:?} {:?}", row.task, row.relation, row.bond))
                .collect();
            assert_eq!(found.join(", "), expected, "{text}");
        }
    }

    #[test]
    fn circles_are_found() {
        let cases: &[(&[(&str, &str)], Option<&[&str]>)] = &[
            (&[], None),
            (&[("a", "b"), ("b", "c"), ("a", "c")], None),
            (&[("a", "a")], Some(&["a"])),
            (&[("a", "b"), ("b", "a")], Some(&["a", "b"])),
            (&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")], Some(&["b", "c", "d"])),
            (&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e")], None),
            (&[("x", "y"), ("m", "n"), ("n", "o"), ("o", "m")], Some(&["m", "n", "o"])),
        ];
        for (edges, expected) in cases {
            let found = circle(edges.iter().copied());
            assert_eq!(found.as_deref(), *expected, "{edges:?}");
        }
        let names: Vec<String> = (0..100_000).map(|number| format!("{number:06}")).collect();
        let chain = names.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str()));
        assert_eq!(circle(chain.clone()), None);
        let back = (names[99_999].as_str(), names[0].as_str());
        assert_eq!(circle(chain.chain([back])).map(|circle| circle.len()), Some(100_000));
    }
}

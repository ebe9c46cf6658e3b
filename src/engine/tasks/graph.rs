//! Which tasks depend on which: rows of `Dependencies`, made anew when the condition of a task changes.

use super::{Row, word};
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::Guid;
use crate::model::edm::Value;
use crate::model::fault::{Fault, Outcome};
use crate::schedule::{Bond, Relation, circle, names, parse};
use crate::store::{Insert, Restriction, Session, clear_where};

/// What each relation is called in `Dependencies.Relation`.
const RELATIONS: &[(Relation, &str)] = &[
    (Relation::Success, "DependSuccess"),
    (Relation::Failure, "DependFailure"),
    (Relation::Finish, "DependFinish"),
    (Relation::Termination, "DependTerminate"),
    (Relation::Crash, "DependCrash"),
    (Relation::Start, "DependStart"),
    (Relation::Inaction, "DependInaction"),
    (Relation::Running, "DependRunning"),
];

fn relation(of: Relation) -> &'static str {
    RELATIONS.iter().find(|row| row.0 == of).map_or("", |row| row.1)
}

fn bond(of: Bond) -> &'static str {
    match of {
        Bond::All => "All",
        Bond::Any => "Any",
        Bond::Nested => "Nested",
    }
}

impl Engine {
    /// After a task was written: the tasks that its conditions name.
    pub(super) fn write_dependencies(&self, session: &mut Session<'_>, current: Option<&Entity>, new: &Entity) -> Outcome<()> {
        let row = Row::of(self, new);
        let is_same = |current: &Entity| {
            let old = Row::of(self, current);
            ["Name", "StartCanonical", "EndCanonical"]
                .iter()
                .all(|name| old.value(name) == row.value(name))
        };
        if current.is_some_and(is_same) {
            return Ok(());
        }
        let table = self.schema.types[self.core_type("Dependencies")?].table;
        let table = table.ok_or_else(|| Fault::internal("a type without a table"))?;
        if current.is_some() {
            clear_where(session, &self.schema, table, "ChildId", row.value("Id").clone())?;
        }
        let mut is_any = false;
        for (name, is_end) in [("StartCondition", false), ("EndCondition", true)] {
            let Some(condition) = row.filled(name).and_then(|text| parse(text).ok()) else {
                continue;
            };
            for found in names(&condition) {
                is_any |= !is_end;
                let mut insert = Insert::new(&self.schema, table);
                insert.values = vec![
                    ("Tid", row.value("Tid").clone()),
                    ("Parent", word(&found.task)),
                    ("Child", row.value("Name").clone()),
                    ("ChildId", row.value("Id").clone()),
                    ("Relation", word(relation(found.relation))),
                    ("Type", word(bond(found.bond))),
                    ("IsEnd", Value::Boolean(is_end)),
                ];
                insert.run(session)?;
            }
        }
        // Whether tasks in a circle ever start cannot be told from their conditions: somebody may run one of them. So it is no error.
        if is_any && let Some(circle) = self.circle_through(session, row.tenant(), row.text("Name"))? {
            tracing::warn!(task = row.text("Name"), "tasks wait for each other in a circle: {circle}");
        }
        Ok(())
    }

    /// The circle of tasks, each waiting for the one before, that a task is part of.
    pub(super) fn circle_through(&self, session: &mut Session<'_>, tenant: Guid, task: &str) -> Outcome<Option<String>> {
        let own = Restriction::Columns(
            vec!["Tid".to_owned(), "IsEnd".to_owned()],
            vec![Value::Bytes(tenant.to_vec()), Value::Boolean(false)],
        );
        let rows = self.columns(
            session,
            self.core_type("Dependencies")?,
            &["Parent", "Child", "Relation"],
            None,
            vec![own],
        )?;
        let mut edges: Vec<(&str, &str)> = Vec::with_capacity(rows.len());
        for row in &rows {
            // A task that waits for another one to run, or to have started, does not wait for its end.
            if let [Value::Text(parent), Value::Text(child), Value::Text(relation)] = row.as_slice()
                && relation != "DependRunning"
            {
                edges.push((parent, child));
            }
        }
        let within = reachable(task, &edges);
        let back: Vec<(&str, &str)> = edges.iter().map(|(parent, child)| (*child, *parent)).collect();
        let before = reachable(task, &back);
        let edges = edges
            .iter()
            .copied()
            .filter(|(parent, child)| [parent, child].iter().all(|name| within.contains(*name) && before.contains(*name)));
        Ok(circle(edges).map(|mut names| {
            names.extend(names.first().copied());
            names.join(" → ")
        }))
    }
}

/// A task, and those that wait for it, and those that wait for these.
fn reachable<'a>(from: &'a str, edges: &[(&'a str, &'a str)]) -> std::collections::HashSet<&'a str> {
    let mut next: std::collections::HashMap<&str, Vec<&'a str>> = std::collections::HashMap::new();
    for (parent, child) in edges {
        next.entry(parent).or_default().push(child);
    }
    let mut found = std::collections::HashSet::from([from]);
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        for child in next.get(name).into_iter().flatten() {
            if found.insert(child) {
                open.push(child);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_found() {
        let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("x", "a")];
        let mut found: Vec<&str> = reachable("b", &edges).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, ["a", "b", "c", "d"]);
        assert_eq!(reachable("d", &edges).len(), 1);
    }
}

//! `[[rows]]`: which rows of a type are there for whom.

use super::build::Build;
use crate::model::caller::SYSTEM_TENANT;
use crate::model::rights::Verb;
use crate::model::schema::RowRule;
use crate::odata::row_rule;

impl Build<'_> {
    /// Reads them when everything that a filter may name is there.
    pub fn row_rules(&mut self) {
        for id in 0..self.declared.len() {
            let (raw, endpoint) = (self.declared[id].raw, self.declared[id].endpoint);
            if !raw.rows.is_empty() && self.schema.types[id].base.is_some() {
                let message = format!("`{}` has a base type, whose `rows` hold for it; it cannot have its own.", raw.name);
                self.problems.add(raw.place, message);
                continue;
            }
            let mut rules = Vec::with_capacity(raw.rows.len());
            for rule in &raw.rows {
                let Some(filter) = &rule.filter else { continue };
                if let Err(fault) = row_rule::bind(&self.schema, endpoint, id, &filter.it, 0, SYSTEM_TENANT) {
                    self.problems.add(filter.place, format!("The filter of a row rule: {fault}"));
                }
                let mut verbs = Vec::with_capacity(rule.verbs.len());
                for verb in &rule.verbs {
                    match Verb::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(&verb.it)) {
                        Some(known) => verbs.push(known),
                        None => self.problems.add(verb.place, "A verb is one of read, create, update and delete."),
                    }
                }
                rules.push(RowRule {
                    roles: rule.roles.iter().map(|role| role.it.clone()).collect(),
                    verbs: if verbs.is_empty() { Verb::ALL.to_vec() } else { verbs },
                    filter: filter.it.clone(),
                });
            }
            self.schema.types[id].rows = rules;
        }
    }
}

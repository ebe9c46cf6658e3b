//! What jobs wait for: those that they depend on. That is said before a job is submitted, and never in a circle.

use std::collections::HashMap;

use super::job::Job;
use super::state::State;
use crate::engine::Engine;
use crate::engine::permission::Verb;
use crate::engine::resolve::Place;
use crate::model::caller::{Caller, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::JOB_DEPENDENCIES;
use crate::model::schema::{Join, Navigation, TypeId};
use crate::store::{Restriction, Session};

/// What a job waits for.
const BEFORE: &str = "DependsOn";
/// What waits for it.
const BEHIND: &str = "Dependents";

impl Engine {
    /// Jobs at the end of a navigation of `Jobs` to itself: number and state.
    pub(super) fn linked_jobs(&self, session: &mut Session<'_>, id: i64, navigation: &str) -> Outcome<Vec<(i64, State)>> {
        let ty = self.core_type("Jobs")?;
        let entity = &self.schema.types[ty];
        let found = entity.navigations.iter().find(|known| known.name == navigation);
        let Some(Join::Link { table, near, far }) = found.and_then(|navigation| navigation.join.as_ref()) else {
            return Err(Fault::internal(format!("jobs have no {navigation}")));
        };
        let link = Restriction::Link {
            table: *table,
            near: near.clone(),
            far: far.clone(),
            values: vec![Value::Integer(id)],
        };
        let rows = self.columns_up_to(session, ty, &["Id", "State"], None, vec![link], Some(JOB_DEPENDENCIES + 1))?;
        if rows.len() > JOB_DEPENDENCIES {
            let message = format!("A job has at most {JOB_DEPENDENCIES} others before or behind it.");
            return Err(Fault::new(&fault::TOO_LARGE, message));
        }
        let pair = |row: &Vec<Value>| match (&row[0], &row[1]) {
            (Value::Integer(id), Value::Text(state)) => Some((*id, State::of(state)?)),
            _ => None,
        };
        let mut jobs: Vec<(i64, State)> = rows.iter().filter_map(pair).collect();
        // In the order in which they were made: that is the one in which they get their places.
        jobs.sort_unstable_by_key(|(id, _)| *id);
        Ok(jobs)
    }

    /// Whether a job has to wait for others.
    ///
    /// # Errors
    /// `CONFLICT` when one of them has ended and will never have succeeded.
    pub(super) fn waits(&self, session: &mut Session<'_>, job: &Job) -> Outcome<bool> {
        let before = self.linked_jobs(session, job.id, BEFORE)?;
        if let Some((id, state)) = before.iter().find(|(_, state)| state.is_end() && *state != State::Succeeded) {
            let message = format!("Job {id}, which it depends on, has ended as {}.", state.name());
            return Err(Fault::new(&fault::CONFLICT, message));
        }
        Ok(before.iter().any(|(_, state)| *state != State::Succeeded))
    }

    /// The same for one that begins.
    ///
    /// # Errors
    /// `CONFLICT`, also when it would wait for itself.
    pub(super) fn has_to_wait(&self, session: &mut Session<'_>, job: &Job) -> Outcome<bool> {
        let waits = self.waits(session, job)?;
        // What nothing waits for yet is in no circle.
        if waits && !self.linked_jobs(session, job.id, BEHIND)?.is_empty() {
            self.check_circle(session, job.id)?;
        }
        Ok(waits)
    }

    fn check_circle(&self, session: &mut Session<'_>, id: i64) -> Outcome<()> {
        let mut found: HashMap<i64, i64> = HashMap::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            for (before, state) in self.linked_jobs(session, at, BEFORE)? {
                if state == State::Succeeded || found.contains_key(&before) {
                    continue;
                }
                found.insert(before, at);
                if before == id {
                    let message = format!("The job would wait for itself: {}.", circle(id, &found));
                    return Err(Fault::new(&fault::CONFLICT, message).of(BEFORE));
                }
                if found.len() > JOB_DEPENDENCIES {
                    let message = format!("The job depends on more than {JOB_DEPENDENCIES} others.");
                    return Err(Fault::new(&fault::TOO_LARGE, message).of(BEFORE));
                }
                open.push(before);
            }
        }
        Ok(())
    }

    /// A link is about to come or go: whether it is one of what a job depends on, and that may be said now.
    ///
    /// # Errors
    /// `CONFLICT` once the job that depends is submitted; `BAD_VALUE` for one that would depend on itself; `FORBIDDEN`.
    pub(in crate::engine) fn check_dependency(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        (ty, navigation): (TypeId, &Navigation),
        own: &[Value],
        other: &[Value],
    ) -> Outcome<()> {
        if !self.is_job(ty) || ![BEFORE, BEHIND].contains(&navigation.name.as_str()) {
            return Ok(());
        }
        if own == other {
            return Err(Fault::new(&fault::BAD_VALUE, "A job does not depend on itself.").of(&navigation.name));
        }
        let entity = match navigation.name == BEFORE {
            // Whoever links has claimed it, or makes it.
            true => self.locked(session, &Scope::everything(), &Place::of(ty, None, own.to_vec()))?,
            false => self.claim(session, caller, &Place::of(ty, None, other.to_vec()), Verb::Update)?.1,
        };
        let job = Job::of(self, entity)?;
        match job.state {
            State::Draft => Ok(()),
            state => {
                let message = format!(
                    "Job {} is {}: what it depends on is said before it is submitted.",
                    job.id,
                    state.name()
                );
                Err(Fault::new(&fault::CONFLICT, message).of(&navigation.name))
            }
        }
    }
}

/// Jobs that wait for each other, as people read it; `found` says which one each was found at.
fn circle(id: i64, found: &HashMap<i64, i64>) -> String {
    let (mut way, mut at) = (vec![id.to_string()], id);
    while let Some(&next) = found.get(&at) {
        way.push(next.to_string());
        at = next;
        if at == id {
            break;
        }
    }
    way.reverse();
    way.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_told_in_its_order() {
        let found = HashMap::from([(7, 5), (9, 7), (5, 9), (8, 7)]);
        assert_eq!(circle(5, &found), "5 → 7 → 9 → 5");
        assert_eq!(circle(5, &HashMap::from([(5, 5)])), "5 → 5");
    }
}

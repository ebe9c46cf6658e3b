//! Sign-ins that are to be written down. Attempts are an attacker's to make, so they must not fill the disk: equal ones of a minute
//! become one row with their number, and what is beyond [`AUDIT_KEYS`] different ones becomes one row altogether.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value as Json};

use super::Entry;
use crate::engine::Engine;
use crate::model::caller::{Guid, SYSTEM_TENANT};
use crate::model::clock::{SECOND, Ticks};
use crate::model::fault::Outcome;
use crate::model::limits::AUDIT_KEYS;
use crate::store::Session;

/// How long equal sign-ins are counted together.
const WINDOW: Ticks = 60 * SECOND;

/// Something that somebody did, or tried to do, to prove who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignIn {
    /// How: `SignIn`, or the name of an action.
    pub what: &'static str,
    /// It was right.
    pub succeeded: bool,
    /// The user and the user's tenant; none for names that nobody has. A name that was typed in is not kept: people type passwords there.
    pub user: Option<(i64, Guid)>,
    /// From where.
    pub from: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    /// Not written down yet.
    number: u32,
    /// They are written down from then on.
    due: Ticks,
}

/// What has happened and is not written down yet.
#[derive(Debug, Default)]
pub struct Journal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: HashMap<SignIn, Count>,
    /// Those for which there was no room.
    others: u32,
    others_due: Ticks,
}

impl Journal {
    /// Notes that something happened.
    pub fn note(&self, sign_in: SignIn, now: Ticks) {
        let mut state = self.lock();
        let has_room = state.counts.len() < AUDIT_KEYS;
        match state.counts.get_mut(&sign_in) {
            Some(count) => count.number = count.number.saturating_add(1),
            None if has_room => drop(state.counts.insert(sign_in, Count { number: 1, due: now })),
            None => state.others = state.others.saturating_add(1),
        }
    }

    /// Takes out what is to be written down now: sign-ins and how many of each; None stands for those without room.
    fn take(&self, now: Ticks, is_last: bool) -> Vec<(Option<SignIn>, u32)> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        state.counts.retain(|sign_in, count| {
            if now < count.due && !is_last {
                return true;
            }
            if count.number == 0 {
                return false;
            }
            taken.push((Some(*sign_in), count.number));
            *count = Count {
                number: 0,
                due: now + WINDOW,
            };
            true
        });
        if state.others > 0 && (now >= state.others_due || is_last) {
            taken.push((None, std::mem::take(&mut state.others)));
            state.others_due = now + WINDOW;
        }
        taken
    }

    /// Puts back what could not be written down.
    fn put_back(&self, taken: &[(Option<SignIn>, u32)]) {
        let mut state = self.lock();
        for (sign_in, number) in taken {
            match sign_in.and_then(|sign_in| state.counts.get_mut(&sign_in)) {
                Some(count) => (count.number, count.due) = (count.number.saturating_add(*number), 0),
                None => state.others = state.others.saturating_add(*number),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole, even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sign-ins on their way into the database.
#[derive(Debug)]
pub struct Taken(Vec<(Option<SignIn>, u32)>);

impl Engine {
    /// What of the journal is to be written down now; `is_last` takes all of it.
    pub fn journal_taken(&self, is_last: bool) -> Option<Taken> {
        Some(Taken(self.journal.take(self.clock.now(), is_last))).filter(|taken| !taken.0.is_empty())
    }

    /// Writes it down.
    pub fn write_journal(&self, session: &mut Session<'_>, taken: &Taken) -> Outcome<()> {
        let users = self.core_type("Users")?;
        for (sign_in, number) in &taken.0 {
            let user = sign_in.and_then(|sign_in| sign_in.user);
            let succeeded = sign_in.is_some_and(|sign_in| sign_in.succeeded);
            let mut after = Map::from_iter([("Count".to_owned(), Json::from(*number))]);
            if let Some(from) = sign_in.and_then(|sign_in| sign_in.from) {
                after.insert("From".to_owned(), Json::from(from.to_string()));
            }
            let entry = Entry {
                what: sign_in.map_or("Others", |sign_in| sign_in.what),
                state: if succeeded { "Succeeded" } else { "Failed" },
                tenant: user.map_or(SYSTEM_TENANT, |(_, tenant)| tenant),
                by: user.map_or(0, |(id, _)| if succeeded { id } else { 0 }),
                about: (users, user.map_or_else(String::new, |(id, _)| id.to_string())),
                before: Map::new(),
                after,
            };
            self.audit(session, entry)?;
        }
        Ok(())
    }

    /// It could not be written down; it is tried again.
    pub fn journal_failed(&self, taken: &Taken) {
        self.journal.put_back(&taken.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(user: i64) -> SignIn {
        SignIn {
            what: "SignIn",
            succeeded: false,
            user: Some((user, SYSTEM_TENANT)),
            from: None,
        }
    }

    #[test]
    fn equal_ones_of_a_minute_are_one() {
        let journal = Journal::default();
        journal.note(failure(1), 0);
        assert_eq!(journal.take(0, false), [(Some(failure(1)), 1)], "the first is written down at once");
        for _ in 0..5 {
            journal.note(failure(1), SECOND);
        }
        assert_eq!(journal.take(WINDOW - 1, false), []);
        assert_eq!(journal.take(WINDOW, false), [(Some(failure(1)), 5)]);
        assert_eq!(journal.take(2 * WINDOW, false), []);
        assert!(journal.lock().counts.is_empty(), "what was quiet for a minute is forgotten");
    }

    #[test]
    fn many_different_ones_become_one_row() {
        let journal = Journal::default();
        for user in 0..10 * AUDIT_KEYS as i64 {
            journal.note(failure(user), 0);
        }
        let taken = journal.take(0, false);
        assert_eq!(taken.len(), AUDIT_KEYS + 1);
        assert_eq!(taken.last(), Some(&(None, 9 * AUDIT_KEYS as u32)));
        journal.note(failure(-1), 1);
        assert_eq!(journal.take(1, false), [], "there is no room before the minute is over");
        assert_eq!(journal.take(1, true), [(None, 1)], "at the end all is written down");
    }

    #[test]
    fn what_failed_is_not_lost() {
        let journal = Journal::default();
        journal.note(failure(1), 0);
        let taken = journal.take(0, false);
        journal.put_back(&taken);
        assert_eq!(journal.take(0, false), taken);
    }
}

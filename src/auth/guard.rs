//! How often somebody may try a secret, or have mails sent.
//!
//! Failures of an address empty a bucket that fills again with time; failures under a name make the next attempt wait, each longer than
//! the one before. A name counts without the tenant that may stand before it: a tenant has several names, and a name alone may mean the users of
//! all. An address from which the name, as it is written, has signed in before has a count of its own: whoever guesses a name's
//! password from elsewhere does not lock its owner out.
//!
//! Everything is counted in tables of a fixed size, by salted digests: nothing has to be forgotten when many come, so nobody gets a
//! new start by making the table full. A count is in two cells and the smaller one counts, so that two that fall into one cell
//! rarely disturb each other. Instances count each for itself, and from the start again when they start again.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::engine::names;
use crate::model::clock::{SECOND, Ticks};
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::GUARD_CELLS;

/// The section `[rate]` of the settings.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Failures of one address before it has to wait; it gets them back within ten minutes.
    pub failures_of_address: u32,
    /// Failures under one name before it has to wait.
    pub failures_of_name: u32,
    /// The longest wait of a name.
    pub longest_wait_seconds: i64,
    /// Sign-ups and requests for mails of one address in an hour.
    pub requests_of_address: u32,
    /// Mails to one address that strangers cause in an hour.
    pub mails_to_address: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            failures_of_address: 100,
            failures_of_name: 10,
            longest_wait_seconds: 900,
            requests_of_address: 60,
            mails_to_address: 5,
        }
    }
}

/// How long it takes until an address has got all its attempts back.
const ATTEMPTS_AGAIN: Ticks = 600 * SECOND;
const HOUR: Ticks = 3_600 * SECOND;

/// Where something is counted, and its fingerprint.
type Key = [u64; 3];

/// What this process has seen.
#[derive(Debug)]
pub struct Guard {
    config: Config,
    salt: [u8; 32],
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    /// When the bucket of an address is full again.
    addresses: Vec<Ticks>,
    /// The same for what strangers ask for: by who asks, and by who gets a mail.
    requests: Vec<Ticks>,
    /// Failures under a name.
    names: Vec<Failures>,
    /// Fingerprints of names and the addresses from which they have signed in.
    known: Vec<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    number: u32,
    /// The next attempt.
    from: Ticks,
    /// The last one.
    at: Ticks,
}

/// An attempt that was let in. What became of it has to be said: see [`Guard::succeeded`] and the others.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Attempt {
    address: Key,
    /// Where failures under the name count; none for secrets without a name.
    name: Option<Key>,
    /// The name together with the address.
    pair: Option<Key>,
    /// The name has signed in from there before.
    is_known: bool,
}

impl Guard {
    /// Nothing was seen yet.
    pub fn new(config: Config) -> Outcome<Guard> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(Fault::internal)?;
        let tables = Tables {
            addresses: vec![0; GUARD_CELLS],
            requests: vec![0; GUARD_CELLS],
            names: vec![Failures::default(); GUARD_CELLS],
            known: vec![0; GUARD_CELLS],
        };
        Ok(Guard {
            config,
            salt,
            tables: Mutex::new(tables),
        })
    }

    /// Lets an attempt to prove a secret in. `name` is whose, where there is a name, with or without a tenant.
    ///
    /// # Errors
    /// 429 with the time to wait; the same whether there is such a name or not.
    pub fn admit(&self, name: Option<&str>, from: Option<IpAddr>, now: Ticks) -> Outcome<Attempt> {
        let place = network(from);
        let name = name.map(str::to_lowercase);
        let pair = name.as_ref().map(|name| self.key("pair", &[name.as_bytes(), &place]));
        let mut tables = self.lock();
        let is_known = pair.is_some_and(|pair| tables.known[cell(pair[0])] == pair[2]);
        let own = match is_known {
            true => pair,
            false => name.as_ref().map(|name| self.key("name", &[names::bare(name).as_bytes()])),
        };
        let attempt = Attempt {
            address: self.key("address", &[&place]),
            name: own,
            pair,
            is_known,
        };
        check_name(&tables, &attempt, now)?;
        // Where somebody is known, others at the same address do not use that one's attempts up.
        if !is_known {
            let each = ATTEMPTS_AGAIN / i64::from(self.config.failures_of_address.max(1));
            take(&mut tables.addresses, attempt.address, now, each, ATTEMPTS_AGAIN)?;
        }
        Ok(attempt)
    }

    /// Asks about the name again, after the attempt has waited for its turn.
    pub fn check(&self, attempt: &Attempt, now: Ticks) -> Outcome<()> {
        check_name(&self.lock(), attempt, now)
    }

    /// The secret was right. `is_alone`: nobody else has the name, in whatever tenant; else the failures that are everybody's stay.
    pub fn succeeded(&self, attempt: &Attempt, is_alone: bool) {
        self.untried(attempt);
        let mut tables = self.lock();
        if let Some(name) = attempt.name.filter(|_| is_alone || attempt.is_known) {
            for at in cells(name) {
                tables.names[at] = Failures::default();
            }
        }
        if let Some(pair) = attempt.pair {
            tables.known[cell(pair[0])] = pair[2];
        }
    }

    /// The secret was wrong.
    pub fn failed(&self, attempt: &Attempt, now: Ticks) {
        let Some(name) = attempt.name else { return };
        let longest = self.config.longest_wait_seconds * SECOND;
        let mut tables = self.lock();
        for at in cells(name) {
            let failures = &mut tables.names[at];
            // After a quiet time it begins anew.
            if now - failures.at > 4 * longest {
                *failures = Failures::default();
            }
            failures.number = failures.number.saturating_add(1);
            failures.at = now;
            let beyond = failures.number.saturating_sub(self.config.failures_of_name);
            if beyond > 0 {
                let wait = SECOND.saturating_mul(1 << (beyond - 1).min(30));
                failures.from = now + wait.min(longest);
            }
        }
    }

    /// The secret was not looked at.
    pub fn untried(&self, attempt: &Attempt) {
        if attempt.is_known {
            return;
        }
        let each = ATTEMPTS_AGAIN / i64::from(self.config.failures_of_address.max(1));
        let mut tables = self.lock();
        for at in cells(attempt.address) {
            tables.addresses[at] -= each;
        }
    }

    /// Counts a mail that somebody causes who has not said who he is, or one that a user causes (`from` is none then).
    ///
    /// # Errors
    /// 429; the same whether the address is known or not.
    pub fn mail(&self, to: &str, from: Option<Option<IpAddr>>, now: Ticks) -> Outcome<()> {
        let mut tables = self.lock();
        if let Some(from) = from {
            let asking = self.key("asking", &[&network(from)]);
            let each = HOUR / i64::from(self.config.requests_of_address.max(1));
            take(&mut tables.requests, asking, now, each, HOUR)?;
        }
        let asked = self.key("asked", &[to.to_lowercase().as_bytes()]);
        let each = HOUR / i64::from(self.config.mails_to_address.max(1));
        take(&mut tables.requests, asked, now, each, HOUR)
    }

    fn key(&self, kind: &str, parts: &[&[u8]]) -> Key {
        let mut digest = Sha256::new().chain_update(self.salt).chain_update(kind);
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| digest[at + i]));
        [number(0), number(8), number(16)]
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // A count that is half written after a panic elsewhere is still a count.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cell(number: u64) -> usize {
    number as usize % GUARD_CELLS
}

fn cells(key: Key) -> [usize; 2] {
    [cell(key[0]), cell(key[1])]
}

/// The network that stands for whoever is there: with IPv6, somebody has at least a /64.
fn network(from: Option<IpAddr>) -> [u8; 16] {
    match from.map(|from| from.to_canonical()) {
        None => [0; 16],
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped().octets(),
        Some(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).octets(),
    }
}

/// Takes one out of a bucket that is full again after `all`, and gets one back after `each`.
fn take(buckets: &mut [Ticks], key: Key, now: Ticks, each: Ticks, all: Ticks) -> Outcome<()> {
    let full = cells(key).map(|at| buckets[at].max(now) + each);
    let wait = full.into_iter().min().unwrap_or(now) - now - all;
    if wait > 0 {
        return Err(Fault::too_many(seconds(wait)));
    }
    for (at, full) in cells(key).into_iter().zip(full) {
        buckets[at] = full;
    }
    Ok(())
}

fn check_name(tables: &Tables, attempt: &Attempt, now: Ticks) -> Outcome<()> {
    let Some(name) = attempt.name else { return Ok(()) };
    let from = cells(name).map(|at| tables.names[at].from).into_iter().min().unwrap_or(0);
    if now < from {
        return Err(Fault::too_many(seconds(from - now)));
    }
    Ok(())
}

fn seconds(ticks: Ticks) -> u32 {
    u32::try_from((ticks + SECOND - 1) / SECOND).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Ticks = 1_000_000 * SECOND;

    fn guard() -> Guard {
        Guard::new(Config {
            failures_of_address: 20,
            failures_of_name: 3,
            longest_wait_seconds: 60,
            requests_of_address: 4,
            mails_to_address: 2,
        })
        .unwrap()
    }

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// A wrong password, if it is let in; else the seconds to wait.
    fn guess(guard: &Guard, name: &str, address: &str, now: Ticks) -> Result<(), u32> {
        let attempt = guard
            .admit(Some(name), from(address), now)
            .map_err(|fault| fault.retry_after.unwrap())?;
        guard.failed(&attempt, now);
        Ok(())
    }

    #[test]
    fn failures_under_a_name_wait_longer_and_longer() {
        let guard = guard();
        let mut now = START;
        let mut waits = Vec::new();
        for number in 0..10 {
            // From everywhere, so that only the name counts.
            if let Err(wait) = guess(&guard, "Anna", &format!("192.0.2.{number}"), now) {
                waits.push(wait);
                now += i64::from(wait) * SECOND;
                guess(&guard, "anna", &format!("198.51.100.{number}"), now).unwrap();
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32], "the name's case does not matter");
        now += 60 * SECOND;
        for _ in 0..3 {
            guess(&guard, "anna", "192.0.2.99", now).unwrap();
            now += 60 * SECOND;
        }
        assert_eq!(
            guess(&guard, "anna", "192.0.2.99", now - 1),
            Err(1),
            "never longer than the longest"
        );
        assert_eq!(guess(&guard, "berta", "192.0.2.99", now), Ok(()), "other names are not touched");
    }

    #[test]
    fn who_was_there_before_is_not_locked_out() {
        let guard = guard();
        let attempt = guard.admit(Some("anna"), from("203.0.113.1"), START).unwrap();
        guard.succeeded(&attempt, true);
        for number in 0..30 {
            let _ = guess(&guard, "anna", &format!("192.0.2.{number}"), START);
        }
        assert!(guess(&guard, "anna", "192.0.2.200", START).is_err());
        assert!(guard.admit(Some("anna"), from("203.0.113.1"), START).is_ok());
        // There she has her own failures.
        for _ in 0..4 {
            guess(&guard, "anna", "203.0.113.1", START).unwrap();
        }
        assert!(guess(&guard, "anna", "203.0.113.1", START).is_err());
    }

    #[test]
    fn a_name_is_the_same_with_every_tenant() {
        let guard = guard();
        let names = ["anna", "a\\Anna", " a\\anna", "A\\ANNA", "b\\c\\anna", "\t\\anna"];
        for (number, name) in names.into_iter().cycle().take(4).enumerate() {
            assert_eq!(guess(&guard, name, &format!("192.0.2.{number}"), START), Ok(()), "{name}");
        }
        for name in names {
            assert_eq!(guess(&guard, name, "198.51.100.1", START), Err(1), "{name}");
        }
        // Another of that name signs in: that helps at the own place, under the own whole name, and nobody else.
        let later = START + 2 * SECOND;
        let attempt = guard.admit(Some("b\\anna"), from("203.0.113.1"), later).unwrap();
        guard.succeeded(&attempt, false);
        assert_eq!(guess(&guard, "a\\anna", "203.0.113.1", later), Ok(()));
        assert_eq!(guess(&guard, "a\\anna", "203.0.113.1", later), Err(2));
        assert!(guard.admit(Some("B\\anna"), from("203.0.113.1"), later).is_ok());
    }

    #[test]
    fn an_address_has_a_bucket() {
        let guard = guard();
        for number in 0..20 {
            assert_eq!(guess(&guard, &format!("user {number}"), "2001:db8::1", START), Ok(()), "{number}");
        }
        assert_eq!(guess(&guard, "user", "2001:db8::1", START), Err(30));
        assert_eq!(guess(&guard, "user", "2001:db8::ffff:0:0:1", START), Err(30), "the same /64");
        assert_eq!(guess(&guard, "user", "2001:db8:0:1::1", START), Ok(()), "another one");
        assert_eq!(guess(&guard, "user", "2001:db8::1", START + 30 * SECOND), Ok(()));
        for _ in 0..50 {
            let attempt = guard.admit(Some("good"), from("192.0.2.1"), START).unwrap();
            guard.succeeded(&attempt, true);
        }
    }

    #[test]
    fn mails_are_counted_by_both_ends() {
        let guard = guard();
        let by = |address: &str| Some(from(address));
        assert!(guard.mail("a@b.c", by("192.0.2.1"), START).is_ok());
        assert!(guard.mail("A@B.C", by("192.0.2.2"), START).is_ok());
        assert_eq!(guard.mail("a@b.c", by("192.0.2.3"), START).unwrap_err().retry_after, Some(1_800));
        assert!(guard.mail("a@b.c", None, START).is_err(), "nor may users");
        for number in 0..3 {
            assert!(guard.mail(&format!("{number}@b.c"), by("192.0.2.1"), START).is_ok());
        }
        assert!(guard.mail("x@b.c", by("192.0.2.1"), START).is_err());
        assert!(guard.mail("x@b.c", None, START).is_ok());
    }

    #[test]
    fn many_names_do_not_make_others_wait() {
        let guard = guard();
        for number in 0..2_000 {
            for try_ in 0..4 {
                let _ = guess(
                    &guard,
                    &format!("user {number}"),
                    &format!("10.{}.{}.{try_}", number / 250, number % 250),
                    START,
                );
            }
        }
        let free = (0..1_000).filter(|number| {
            guess(
                &guard,
                &format!("other {number}"),
                &format!("11.0.{}.{}", number / 250, number % 250),
                START,
            )
            .is_ok()
        });
        assert!(free.count() >= 990);
        assert!(guess(&guard, "user 7", "12.0.0.1", START).is_err(), "and nothing was forgotten");
    }
}

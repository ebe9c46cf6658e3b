//! Credentials that were proved a short while ago, so that Basic does not cost a hash on every request.
//!
//! Nothing here can be turned back into a password: entries stand under a digest with a salt that only this process knows.
//! An entry is good until it expires, and only while the database's security version is the one it was proved under.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::Proof;
use crate::model::clock::{SECOND, Ticks};
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::{CREDENTIAL_CACHE, CREDENTIAL_CACHE_SECONDS};

/// Stands for credentials.
pub type Print = [u8; 32];

/// The proofs of this process.
#[derive(Debug)]
pub struct Cache {
    salt: [u8; 32],
    entries: Mutex<HashMap<Print, (Ticks, Arc<Proof>)>>,
}

impl Cache {
    /// An empty one with a salt of its own.
    pub fn new() -> Outcome<Cache> {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(Fault::internal)?;
        Ok(Cache {
            salt,
            entries: Mutex::default(),
        })
    }

    /// What stands for a whole `Authorization` header.
    pub fn print(&self, header: &[u8]) -> Print {
        Sha256::new().chain_update(self.salt).chain_update(header).finalize().into()
    }

    /// The proof, if there is one that has not expired.
    pub fn get(&self, print: &Print, now: Ticks) -> Option<Arc<Proof>> {
        let entries = self.lock();
        entries.get(print).filter(|(until, _)| now < *until).map(|(_, proof)| proof.clone())
    }

    /// Remembers a proof. When there is no room, what has expired goes, and else any one entry.
    pub fn put(&self, print: Print, proof: Arc<Proof>, now: Ticks) {
        let mut entries = self.lock();
        if entries.len() >= CREDENTIAL_CACHE {
            entries.retain(|_, (until, _)| now < *until);
        }
        if entries.len() >= CREDENTIAL_CACHE
            && let Some(any) = entries.keys().next().copied()
        {
            entries.remove(&any);
        }
        let until = proof.until.min(now + CREDENTIAL_CACHE_SECONDS as i64 * SECOND);
        entries.insert(print, (until, proof));
    }

    /// Forgets a proof that does not hold any more.
    pub fn remove(&self, print: &Print) {
        self.lock().remove(print);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Print, (Ticks, Arc<Proof>)>> {
        // Every change is one call on the map, so it is whole even after a panic elsewhere.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::caller::Caller;

    fn proof() -> Arc<Proof> {
        let caller = Caller::nobody();
        Arc::new(Proof {
            caller,
            version: 1,
            scope: None,
            ticket: None,
            until: i64::MAX,
        })
    }

    #[test]
    fn entries_expire() {
        let cache = Cache::new().unwrap();
        let print = cache.print(b"Basic YTph");
        cache.put(print, proof(), 0);
        let end = CREDENTIAL_CACHE_SECONDS as i64 * SECOND;
        assert!(cache.get(&print, end - 1).is_some());
        assert!(cache.get(&print, end).is_none());
        assert!(cache.get(&cache.print(b"Basic YTpi"), 0).is_none());
        cache.remove(&print);
        assert!(cache.get(&print, 0).is_none());
        assert_ne!(print, Cache::new().unwrap().print(b"Basic YTph"), "salted by process");
    }

    #[test]
    fn never_more_than_the_limit() {
        let cache = Cache::new().unwrap();
        for i in 0..CREDENTIAL_CACHE + 1 {
            cache.put(cache.print(&i.to_le_bytes()), proof(), 0);
        }
        assert_eq!(cache.lock().len(), CREDENTIAL_CACHE);
        cache.put(cache.print(b"later"), proof(), 2 * CREDENTIAL_CACHE_SECONDS as i64 * SECOND);
        assert_eq!(cache.lock().len(), 1, "what has expired makes room");
    }
}

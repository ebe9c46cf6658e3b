//! Passwords: argon2id, in PHC strings.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use base64::Engine as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{DATABASE_WAIT_SECONDS, HASHES_AT_ONCE, PASSWORD_BYTES};

/// What an unknown user's password is compared with, so that the answer takes as long as for a known one.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody").unwrap_or_default());

/// The PHC string of a password, with a new salt. Takes about 20 ms and 19 MiB.
pub fn hash(password: &str) -> Outcome<String> {
    if password.len() > PASSWORD_BYTES {
        return Err(Fault::new(
            &fault::TOO_LARGE,
            format!("A password has at most {PASSWORD_BYTES} bytes."),
        ));
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(Fault::internal)?;
    Ok(hash.to_string())
}

/// Whether `password` is the one that `stored` is the hash of. Takes as long when there is no hash, and is then false.
pub fn verify(password: &str, stored: Option<&str>) -> bool {
    if password.len() > PASSWORD_BYTES {
        return false;
    }
    let known = stored.and_then(|stored| PasswordHash::new(stored).ok());
    let is_known = known.is_some();
    let Some(hash) = known.or_else(|| PasswordHash::new(&NOBODY).ok()) else {
        return false;
    };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() && is_known
}

/// Whether a hash was made another way than today's are.
pub fn is_outdated(stored: &str) -> bool {
    let today = Argon2::default();
    let Ok(hash) = PasswordHash::new(stored) else { return false };
    let params = Params::try_from(&hash);
    hash.algorithm != Algorithm::default().ident()
        || hash.version != Some(Version::default().into())
        || params.is_ok_and(|params| {
            let same = today.params();
            (params.m_cost(), params.t_cost(), params.p_cost()) != (same.m_cost(), same.t_cost(), same.p_cost())
        })
}

/// A random password of 20 characters: letters, digits, `-` and `_`.
pub fn random() -> Outcome<String> {
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes).map_err(Fault::internal)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// Works on passwords off the calling thread, and on few at the same time.
#[derive(Debug, Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher {
            turns: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
        }
    }
}

impl Hasher {
    /// [`hash`], when it is this request's turn.
    pub async fn hash(&self, password: String) -> Outcome<String> {
        let _turn = self.turn().await?;
        tokio::task::spawn_blocking(move || hash(&password))
            .await
            .map_err(Fault::internal)?
    }

    /// [`verify`], when it is this request's turn. `skip` is asked then: somebody may have proved the same password meanwhile,
    /// and its answer stands for the comparison.
    pub async fn verify<T>(&self, password: String, stored: Option<String>, skip: impl FnOnce() -> Option<T>) -> Outcome<Result<bool, T>> {
        let _turn = self.turn().await?;
        if let Some(proved) = skip() {
            return Ok(Err(proved));
        }
        let compare = tokio::task::spawn_blocking(move || verify(&password, stored.as_deref()));
        compare.await.map(Ok).map_err(Fault::internal)
    }

    async fn turn(&self) -> Outcome<SemaphorePermit<'_>> {
        let patience = Duration::from_secs(DATABASE_WAIT_SECONDS as u64);
        let turn = tokio::time::timeout(patience, self.turns.acquire()).await;
        turn.map_err(|_| Fault::new(&fault::BUSY, "Too many passwords are being worked on."))?
            .map_err(Fault::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_passes() {
        let stored = hash("Grüße, 1").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert_ne!(stored, hash("Grüße, 1").unwrap(), "every hash has its own salt");
        let long = "x".repeat(PASSWORD_BYTES + 1);
        for (password, stored, expected) in [
            ("Grüße, 1", Some(stored.as_str()), true),
            ("Grüße, 2", Some(stored.as_str()), false),
            ("", Some(stored.as_str()), false),
            (long.as_str(), Some(stored.as_str()), false),
            ("nobody", None, false),
            ("nobody", Some("no hash"), false),
        ] {
            assert_eq!(verify(password, stored), expected, "{} {stored:?}", password.len());
        }
        assert_eq!(hash(&long).unwrap_err().kind.code, "limit_exceeded");
        assert!(verify(&long[1..], Some(&hash(&long[1..]).unwrap())));
    }

    #[test]
    fn older_hashes_are_found_out() {
        let older = |params: &str| format!("$argon2id$v=19${params}$c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A");
        for (stored, expected) in [
            (hash("x").unwrap(), false),
            (older("m=19456,t=2,p=1"), false),
            (older("m=4096,t=3,p=1"), true),
            (older("m=19456,t=2,p=2"), true),
            (older("m=19456,t=2,p=1").replace("argon2id", "argon2i"), true),
            (older("m=19456,t=2,p=1").replace("v=19", "v=16"), true),
            ("no hash".to_owned(), false),
        ] {
            assert_eq!(is_outdated(&stored), expected, "{stored}");
        }
    }

    #[test]
    fn random_passwords_differ() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_eq!(one.len(), 20);
        assert_ne!(one, other);
    }
}

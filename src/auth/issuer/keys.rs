//! The keys of an issuer (RFC 7517): asked for when they are needed, kept, and asked for again when they are old or a token names
//! one that is not among them. One question at a time: who needs no answer goes on with the keys that are there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::ask::{Asker, Deadline, blocking, is_safe};
use super::token::Token;
use super::{Issuer, unreachable};
use crate::model::clock::{Clock, SECOND, Ticks};
use crate::model::fault::Outcome;
use crate::model::limits::{ISSUER_KEYS, ISSUER_KEYS_HOURS, ISSUER_KEYS_SECONDS, ISSUER_PAUSE_SECONDS, ISSUER_SECONDS};

/// A key that tokens may be signed with.
#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// The keys of one issuer.
#[derive(Debug, Default)]
pub struct Keys {
    state: Mutex<State>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    set: Arc<Vec<Key>>,
    /// When they came.
    came: Option<Ticks>,
    /// When they were asked for last, and why that was in vain.
    asked: Option<Ticks>,
    failed: Option<String>,
    /// When they were asked for last because of an unknown key.
    searched: Option<Ticks>,
}

/// What the keys say about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    /// Signed with a key that is not here.
    Unknown,
}

impl State {
    /// Whether the issuer is to be asked: because the keys are old, or because one is unknown.
    fn is_due(&self, issuer: &Issuer, unknown: bool, now: Ticks) -> bool {
        let soon = issuer.keys_seconds.min(ISSUER_KEYS_SECONDS as i64);
        let (last, pause) = match (&self.failed, unknown) {
            // There are good keys: nobody who has one of them should wait often for an issuer that is silent.
            (Some(_), false) if self.is_good(now) => (self.asked, soon),
            (Some(_), _) => (self.asked, ISSUER_PAUSE_SECONDS as i64),
            (None, true) => (self.searched, soon),
            (None, false) => (self.asked, issuer.keys_seconds),
        };
        last.is_none_or(|last| now - last >= pause * SECOND)
    }

    /// Whether the keys may still be believed.
    fn is_good(&self, now: Ticks) -> bool {
        self.came.is_some_and(|came| now - came < ISSUER_KEYS_HOURS as i64 * 3600 * SECOND)
    }

    fn verdict(&self, token: &Token<'_>, algorithm: Algorithm) -> Verdict {
        let named = token.key();
        let fit = |key: &&Key| key.algorithms.contains(&algorithm) && (named.is_none() || key.id.as_deref() == named);
        let mut keys = self.set.iter().filter(fit).peekable();
        if keys.peek().is_none() {
            return Verdict::Unknown;
        }
        match (keys.any(|key| token.is_signed_by(&key.key, algorithm)), named) {
            (true, _) => Verdict::Right,
            (false, Some(_)) => Verdict::Wrong,
            // It may be signed with a newer one.
            (false, None) => Verdict::Unknown,
        }
    }
}

impl Keys {
    /// Whether the issuer has signed a token.
    ///
    /// # Errors
    /// 503 when the keys cannot be had.
    pub async fn verify(&self, issuer: &Issuer, asker: &Asker, clock: &Clock, token: &Token<'_>, algorithm: Algorithm) -> Outcome<bool> {
        let before = self.lock().came;
        let state = self.now(issuer, asker, clock, false).await?;
        let mut verdict = state.verdict(token, algorithm);
        // What came just now has nothing newer behind it.
        if verdict == Verdict::Unknown && state.came == before {
            let state = self.now(issuer, asker, clock, true).await?;
            verdict = state.verdict(token, algorithm);
            if let (Verdict::Unknown, Some(why)) = (verdict, &state.failed) {
                // Whether it is one of the issuer's keys, only the issuer knows.
                return Err(unreachable(&issuer.name, why));
            }
        }
        Ok(verdict == Verdict::Right)
    }

    /// The keys as they are now; after asking for them, if they are due.
    async fn now(&self, issuer: &Issuer, asker: &Asker, clock: &Clock, unknown: bool) -> Outcome<State> {
        let state = self.lock().clone();
        // Who cannot go on without an answer waits for another's question, too.
        let turn = match unknown || !state.is_good(clock.now()) {
            true => {
                let wait = Duration::from_secs(ISSUER_SECONDS as u64 + 1);
                tokio::time::timeout(wait, self.asking.lock()).await.ok()
            }
            false => self.asking.try_lock().ok(),
        };
        if turn.is_some() && self.lock().is_due(issuer, unknown, clock.now()) {
            self.refresh(issuer, asker, clock, unknown).await;
        }
        drop(turn);
        let state = self.lock().clone();
        match state.is_good(clock.now()) {
            true => Ok(state),
            false => Err(unreachable(
                &issuer.name,
                state.failed.as_deref().unwrap_or("others wait for its keys already"),
            )),
        }
    }

    async fn refresh(&self, issuer: &Issuer, asker: &Asker, clock: &Clock, unknown: bool) {
        {
            let mut state = self.lock();
            // A request that is given up while it waits leaves this behind.
            (state.asked, state.failed) = (Some(clock.now()), Some("it was not waited for".to_owned()));
            if unknown {
                state.searched = state.asked;
            }
        }
        let (wanted, asker) = (issuer.clone(), asker.clone());
        let answer = blocking(move || fetch(&wanted, &asker)).await.and_then(|told| told);
        let mut state = self.lock();
        state.asked = Some(clock.now());
        match answer {
            Ok(set) => {
                tracing::debug!(issuer = issuer.name, keys = set.len(), "the issuer has told its keys");
                (state.set, state.came, state.failed) = (Arc::new(set), state.asked, None);
            }
            Err(why) => {
                tracing::warn!(issuer = issuer.name, "the issuer does not tell its keys: {why}");
                state.failed = Some(why);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole, even after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks an issuer for its keys.
fn fetch(issuer: &Issuer, asker: &Asker) -> Result<Vec<Key>, String> {
    let deadline = Deadline::begin();
    let mut url = issuer.jwks_url.clone();
    if url.is_empty() {
        let configuration = asker.get(&issuer.configuration_url(), deadline)?;
        // Otherwise it is somebody else's (OpenID Connect Discovery 4.3).
        if configuration["issuer"].as_str() != Some(issuer.issuer.as_str()) {
            return Err("its configuration is that of another issuer".to_owned());
        }
        url = configuration["jwks_uri"].as_str().unwrap_or_default().to_owned();
        if !is_safe(&url) {
            return Err("the `jwks_uri` of its configuration is not https".to_owned());
        }
    }
    read(&asker.get(&url, deadline)?, &issuer.algorithms)
}

/// The keys of a set that tokens may be signed with. Others, such as those for encryption or of a kind unknown here, are passed over.
fn read(set: &Value, allowed: &[Algorithm]) -> Result<Vec<Key>, String> {
    let keys = set["keys"].as_array().ok_or("it is not a set of keys")?;
    if keys.len() > ISSUER_KEYS {
        return Err(format!("it has more than {ISSUER_KEYS} keys"));
    }
    Ok(keys.iter().filter_map(|key| read_key(key, allowed)).collect())
}

fn read_key(key: &Value, allowed: &[Algorithm]) -> Option<Key> {
    let text = |name: &str| key[name].as_str();
    let operations = key["key_ops"].as_array();
    let verifies = operations.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    if !matches!(text("use"), None | Some("sig")) || !verifies {
        return None;
    }
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let (fit, decoding) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (
            &[RS256, RS384, RS512, PS256, PS384, PS512][..],
            DecodingKey::from_rsa_components(text("n")?, text("e")?),
        ),
        ("EC", Some("P-256")) => (&[ES256][..], DecodingKey::from_ec_components(text("x")?, text("y")?)),
        ("EC", Some("P-384")) => (&[ES384][..], DecodingKey::from_ec_components(text("x")?, text("y")?)),
        ("OKP", Some("Ed25519")) => (&[EdDSA][..], DecodingKey::from_ed_components(text("x")?)),
        // `oct` above all: a key that everybody can read signs for everybody.
        _ => return None,
    };
    let said = text("alg");
    let counts = |algorithm: &&Algorithm| allowed.contains(algorithm) && said.is_none_or(|said| said == format!("{algorithm:?}"));
    let algorithms: Vec<Algorithm> = fit.iter().filter(counts).copied().collect();
    (!algorithms.is_empty()).then_some(())?;
    Some(Key {
        id: text("kid").map(str::to_owned),
        algorithms,
        key: decoding.ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_what_the_settings_allow() {
        let allowed = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
        for (key, expected) in [
            (
                json!({"kty":"RSA","n":"AQAB","e":"AQAB"}),
                &[Algorithm::RS256, Algorithm::PS256][..],
            ),
            (
                json!({"kty":"RSA","n":"AQAB","e":"AQAB","alg":"RS256","use":"sig"}),
                &[Algorithm::RS256],
            ),
            (json!({"kty":"RSA","n":"AQAB","e":"AQAB","alg":"RS512"}), &[]),
            (json!({"kty":"RSA","n":"AQAB","e":"AQAB","alg":"HS256"}), &[]),
            (json!({"kty":"RSA","n":"AQAB","e":"AQAB","use":"enc"}), &[]),
            (json!({"kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["encrypt"]}), &[]),
            (
                json!({"kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["verify"]}),
                &[Algorithm::RS256, Algorithm::PS256],
            ),
            (json!({"kty":"RSA","n":"*","e":"AQAB"}), &[]),
            (json!({"kty":"RSA","e":"AQAB"}), &[]),
            (json!({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}), &[Algorithm::ES256]),
            (json!({"kty":"EC","crv":"P-256","x":"AQ","y":"AQ","alg":"RS256"}), &[]),
            (json!({"kty":"EC","crv":"P-384","x":"AQ","y":"AQ"}), &[]),
            (json!({"kty":"EC","crv":"P-521","x":"AQ","y":"AQ"}), &[]),
            (json!({"kty":"OKP","crv":"Ed25519","x":"AQ"}), &[Algorithm::EdDSA]),
            (json!({"kty":"OKP","crv":"X25519","x":"AQ"}), &[]),
            (json!({"kty":"oct","k":"AQAB","alg":"HS256"}), &[]),
            (json!({"kty":"oct","k":"AQAB","alg":"RS256"}), &[]),
            (json!({"kty":7}), &[]),
            (json!("RSA"), &[]),
            (json!(null), &[]),
        ] {
            let found = read_key(&key, &allowed).map(|key| key.algorithms).unwrap_or_default();
            assert_eq!(found, expected, "{key}");
        }
    }

    #[test]
    fn sets_have_an_end() {
        let set = |count: usize| json!({"keys": vec![json!({"kty":"OKP","crv":"Ed25519","x":"AQ"}); count]});
        assert_eq!(read(&set(ISSUER_KEYS), &[Algorithm::EdDSA]).unwrap().len(), ISSUER_KEYS);
        assert!(read(&set(ISSUER_KEYS + 1), &[Algorithm::EdDSA]).is_err());
        for wrong in [json!({}), json!([]), json!({"keys":{}}), json!(null)] {
            assert!(read(&wrong, &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_issuer_is_asked_now_and_then() {
        let issuer = Issuer {
            keys_seconds: 3600,
            ..Issuer::default()
        };
        let state = |failed: bool| State {
            asked: Some(0),
            came: Some(0),
            searched: Some(0),
            failed: failed.then(String::new),
            ..State::default()
        };
        assert!(State::default().is_due(&issuer, false, 0) && !State::default().is_good(0));
        let fresh = State {
            searched: None,
            ..state(false)
        };
        assert!(!fresh.is_due(&issuer, false, 1) && fresh.is_due(&issuer, true, 1));
        let none = State { came: None, ..state(true) };
        let (pause, unknown) = (ISSUER_PAUSE_SECONDS as i64, ISSUER_KEYS_SECONDS as i64);
        for (failed, named_unknown, seconds, expected) in [
            (false, false, 3599, false),
            (false, false, 3600, true),
            (false, true, unknown - 1, false),
            (false, true, unknown, true),
            (true, false, unknown - 1, false),
            (true, false, unknown, true),
            (true, true, pause - 1, false),
            (true, true, pause, true),
        ] {
            let due = state(failed).is_due(&issuer, named_unknown, seconds * SECOND);
            assert_eq!(due, expected, "{failed} {named_unknown} {seconds}");
        }
        assert!(!none.is_due(&issuer, false, pause * SECOND - 1) && none.is_due(&issuer, false, pause * SECOND));
        let end = ISSUER_KEYS_HOURS as i64 * 3600 * SECOND;
        assert!(state(true).is_good(end - 1) && !state(true).is_good(end));
    }
}

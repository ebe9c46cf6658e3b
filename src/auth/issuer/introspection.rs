//! Asking an issuer about an opaque token (RFC 7662). What it says is remembered for a minute at most; few are asked about at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::ask::{Asker, Deadline, Failure, blocking};
use super::{Claims, Issuer, unreachable};
use crate::auth::cache::Print;
use crate::model::clock::{Clock, SECOND, Ticks};
use crate::model::fault::Outcome;
use crate::model::limits::{INTROSPECTION_CACHE, INTROSPECTION_SECONDS, INTROSPECTIONS_AT_ONCE, ISSUER_PAUSE_SECONDS, ISSUER_SECONDS};

/// What one issuer has said about tokens.
#[derive(Debug)]
pub struct Introspection {
    state: Mutex<State>,
    turns: Semaphore,
}

impl Default for Introspection {
    fn default() -> Introspection {
        Introspection {
            state: Mutex::default(),
            turns: Semaphore::new(INTROSPECTIONS_AT_ONCE),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Active ones and others apart: guesses push out no good token.
    active: Told,
    inactive: Told,
    /// The issuer did not answer: until when it is not asked, and why.
    silent: Option<(Ticks, String)>,
}

/// What was said, and until when that counts.
type Told = HashMap<Print, (Ticks, Option<Arc<Claims>>)>;

impl State {
    /// What was said a short while ago.
    fn told(&self, print: &Print, now: Ticks) -> Option<Option<Arc<Claims>>> {
        let told = self.active.get(print).or_else(|| self.inactive.get(print));
        told.filter(|(until, _)| now < *until).map(|(_, claims)| claims.clone())
    }

    fn remember(&mut self, print: Print, claims: Option<Arc<Claims>>, now: Ticks) {
        let told = if claims.is_some() { &mut self.active } else { &mut self.inactive };
        if told.len() >= INTROSPECTION_CACHE {
            told.retain(|_, (until, _)| now < *until);
        }
        if told.len() >= INTROSPECTION_CACHE
            && let Some(any) = told.keys().next().copied()
        {
            told.remove(&any);
        }
        told.insert(print, (now + INTROSPECTION_SECONDS as i64 * SECOND, claims));
    }
}

impl Introspection {
    /// What the issuer says about a token, which `print` stands for; none if the token is not active.
    ///
    /// # Errors
    /// 503 when it does not answer.
    pub async fn ask(&self, issuer: &Issuer, asker: &Asker, clock: &Clock, print: Print, token: &str) -> Outcome<Option<Arc<Claims>>> {
        let silent = |why: &str| unreachable(&issuer.name, why);
        let patience = Duration::from_secs(ISSUER_SECONDS as u64);
        let known = self.known(&print, clock.now()).map_err(|why| silent(&why))?;
        if let Some(told) = known {
            return Ok(told);
        }
        let turn = tokio::time::timeout(patience, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| silent("too many tokens are being asked about"))?;
        // Another request may have asked about the same one.
        let known = self.known(&print, clock.now()).map_err(|why| silent(&why))?;
        if let Some(told) = known {
            return Ok(told);
        }
        let (url, asker) = (issuer.introspection_url.clone(), asker.clone());
        let (authorization, form) = (
            authorization(issuer),
            format!("token={}&token_type_hint=access_token", encoded(token)),
        );
        let answer = blocking(move || asker.post(&url, &authorization, &form, Deadline::begin())).await;
        let answer = answer.and_then(|answer| match answer {
            Ok(answer) => match (&answer["active"], answer.as_object()) {
                (Value::Bool(true), Some(claims)) => Ok(Some(Arc::new(claims.clone()))),
                (Value::Bool(false), _) => Ok(None),
                _ => Err("it does not say whether the token is active".to_owned()),
            },
            // A stranger's token that it cannot read says nothing about the next one.
            Err(Failure::Refused(_)) => Ok(None),
            Err(Failure::Silent(why)) => Err(why),
        });
        let mut state = self.lock();
        match answer {
            Ok(told) => {
                state.silent = None;
                state.remember(print, told.clone(), clock.now());
                Ok(told)
            }
            Err(why) => {
                tracing::warn!(issuer = issuer.name, "the issuer does not tell about a token: {why}");
                state.silent = Some((clock.now() + ISSUER_PAUSE_SECONDS as i64 * SECOND, why.clone()));
                Err(silent(&why))
            }
        }
    }

    /// Whether the issuer has said a short while ago that a token is active.
    pub fn is_active(&self, print: &Print, now: Ticks) -> bool {
        self.lock().told(print, now).flatten().is_some()
    }

    /// What is known without asking; the error is why the issuer is not asked.
    fn known(&self, print: &Print, now: Ticks) -> Result<Option<Option<Arc<Claims>>>, String> {
        let state = self.lock();
        if let Some(told) = state.told(print, now) {
            return Ok(Some(told));
        }
        match &state.silent {
            Some((until, why)) if now < *until => Err(why.clone()),
            _ => Ok(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole, even after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who we are (RFC 6749 2.3.1).
fn authorization(issuer: &Issuer) -> String {
    let pair = format!("{}:{}", encoded(&issuer.client_id), encoded(&issuer.client_secret.0));
    format!("Basic {}", STANDARD.encode(pair))
}

/// As a value in a form.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::issuer::Secret;

    #[test]
    fn values_are_encoded() {
        assert_eq!(encoded("a b&c=ä/+~"), "a+b%26c%3D%C3%A4%2F%2B%7E");
        let issuer = Issuer {
            client_id: "a:b".into(),
            client_secret: Secret("c d".into()),
            ..Issuer::default()
        };
        assert_eq!(authorization(&issuer), format!("Basic {}", STANDARD.encode("a%3Ab:c+d")));
        assert!(!format!("{issuer:?}").contains("c d"), "a secret is not printed");
    }

    #[test]
    fn what_was_said_is_forgotten() {
        let print = |i: usize| {
            let mut print = [0; 32];
            print[..8].copy_from_slice(&i.to_le_bytes());
            print
        };
        let mut state = State::default();
        state.remember(print(0), Some(Arc::default()), 0);
        for i in 1..=INTROSPECTION_CACHE + 1 {
            state.remember(print(i), None, 0);
        }
        assert_eq!(state.inactive.len(), INTROSPECTION_CACHE);
        assert_eq!(
            state.told(&print(0), 1),
            Some(Some(Arc::default())),
            "guesses push out no good token"
        );
        let end = INTROSPECTION_SECONDS as i64 * SECOND;
        assert!(state.told(&print(0), end).is_none());
        state.remember(print(1), None, end);
        assert_eq!(state.inactive.len(), 1, "what has expired makes room");
    }
}

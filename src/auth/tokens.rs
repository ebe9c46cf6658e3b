//! The tokens that this server gives out: JWTs of one algorithm and one issuer for who signs in, and random texts for programs.
//!
//! Nothing that a token's header says decides how it is tested. A token is only good as long as the row of its session is there; that
//! is looked up by [`bearer`](super::bearer).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::clock::{SECOND, Ticks, UNIX_EPOCH};
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::{CLOCKS_APART_SECONDS, TOKEN_SECRET_BYTES};
use crate::store::{Db, fact, set_fact};

/// What `iss` says.
pub const ISSUER: &str = "odonata";
/// What the tokens of programs begin with, so that they are found where they should not be.
pub const API_PREFIX: &str = "odo_";
const ALGORITHM: Algorithm = Algorithm::HS256;
/// The key's entry in the server's own table of facts.
const SECRET: &str = "token_secret";

/// The section `[tokens]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// How long a token from signing in is good.
    pub life_minutes: i64,
    /// Answers to an older token carry a fresh one.
    pub refresh_minutes: i64,
    /// The query option `token` counts.
    pub in_query: bool,
    /// What tokens are signed with; none is a key that the database keeps.
    pub secret: Option<Secret>,
}

/// A key that no log shows.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// From a setting's text.
    ///
    /// # Errors
    /// A sentence for one that could be guessed.
    pub fn read(text: &str) -> Result<Secret, String> {
        if text.len() < TOKEN_SECRET_BYTES {
            return Err(format!(
                "has at least {TOKEN_SECRET_BYTES} bytes; `openssl rand -base64 32` makes one"
            ));
        }
        Ok(Secret(text.as_bytes().to_vec()))
    }

    /// The one that the database keeps, made if there is none: all instances on it take one another's tokens.
    fn kept(db: &Db) -> Outcome<Secret> {
        let known = match db.read_now(|session| fact(session, SECRET))? {
            Some(known) => known,
            None => db.write_now(|session| {
                session.alone()?;
                if let Some(known) = fact(session, SECRET)? {
                    return Ok(known);
                }
                let mut bytes = [0; TOKEN_SECRET_BYTES];
                getrandom::fill(&mut bytes).map_err(Fault::internal)?;
                let made = STANDARD.encode(bytes);
                set_fact(session, SECRET, &made)?;
                Ok(made)
            })?,
        };
        let bytes = STANDARD.decode(known).map_err(Fault::internal)?;
        if bytes.len() < TOKEN_SECRET_BYTES {
            return Err(Fault::internal("the key of the tokens in the database is too short"));
        }
        Ok(Secret(bytes))
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// `Users.Id`.
    pub sub: String,
    /// `Sessions.Id`.
    pub sid: i64,
    /// `Users.Name`, for people and for core4's clients.
    pub name: String,
    /// Seconds since 1970, as in all of these.
    pub iat: i64,
    /// Not before.
    pub nbf: i64,
    /// Not after.
    pub exp: i64,
    /// `iat` as core4 reads it.
    pub timestamp: f64,
}

/// A token that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The token.
    pub text: String,
    /// When it ends.
    pub until: Ticks,
}

/// Makes and tests tokens.
pub struct Tokens {
    /// The settings.
    pub config: Config,
    signing: EncodingKey,
    testing: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// With the configured key, or the database's.
    pub fn new(config: Config, db: &Db) -> Outcome<Tokens> {
        let secret = match &config.secret {
            Some(secret) => secret.clone(),
            None => Secret::kept(db)?,
        };
        Ok(Tokens::with(config, &secret))
    }

    fn with(config: Config, secret: &Secret) -> Tokens {
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["iss", "sub", "exp", "nbf"]);
        // Times are held against the house's own clock, below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Tokens {
            config,
            signing: EncodingKey::from_secret(&secret.0),
            testing: DecodingKey::from_secret(&secret.0),
            validation,
        }
    }

    /// How long a token from signing in is good.
    pub fn life(&self) -> Ticks {
        self.config.life_minutes * 60 * SECOND
    }

    /// A token of a user for a session, good until `until`.
    pub fn sign(&self, user: i64, name: &str, session: i64, now: Ticks, until: Ticks) -> Outcome<Fresh> {
        let at = seconds(now);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.to_string(),
            sid: session,
            name: name.to_owned(),
            iat: at,
            nbf: at,
            exp: seconds(until),
            timestamp: (now - UNIX_EPOCH) as f64 / SECOND as f64,
        };
        let text = jsonwebtoken::encode(&Header::new(ALGORITHM), &claims, &self.signing).map_err(Fault::internal)?;
        Ok(Fresh { text, until })
    }

    /// What a token says, if this server has made it and now is its time. None for every other reason.
    pub fn read(&self, token: &str, now: Ticks) -> Option<Claims> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.testing, &self.validation).ok()?.claims;
        let now = seconds(now);
        let early = now + CLOCKS_APART_SECONDS as i64;
        (claims.iat <= early && claims.nbf <= early && now < claims.exp).then_some(claims)
    }

    /// Whether answers to a token carry a fresh one.
    pub fn is_old(&self, claims: &Claims, now: Ticks) -> bool {
        seconds(now) - claims.iat >= self.config.refresh_minutes * 60
    }
}

/// Whether a text claims to be a token of this server: another issuer's is for others to test.
pub fn claims_to_be_own(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    let body = token.split('.').nth(1).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok());
    let issuer = body.and_then(|body| serde_json::from_slice::<Issuer>(&body).ok());
    issuer.is_some_and(|issuer| issuer.iss == ISSUER)
}

/// When a token ends that says so in `exp`.
pub fn end(claims: &Claims) -> Ticks {
    UNIX_EPOCH + claims.exp.saturating_mul(SECOND)
}

/// A token for a program.
pub fn random() -> Outcome<String> {
    let mut bytes = [0; TOKEN_SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(Fault::internal)?;
    Ok(format!("{API_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is kept of such a token. It is random, so that nobody finds it by trying, however quick this is.
pub fn digest(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds(ticks: Ticks) -> i64 {
    (ticks - UNIX_EPOCH).div_euclid(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Ticks = UNIX_EPOCH + 1_800_000_000 * SECOND;

    fn tokens(secret: &str) -> Tokens {
        let config = Config {
            life_minutes: 480,
            refresh_minutes: 60,
            ..Config::default()
        };
        Tokens::with(config, &Secret::read(secret).unwrap())
    }

    fn ours() -> Tokens {
        tokens("0123456789abcdef0123456789abcdef")
    }

    fn forged(tokens: &Tokens, header: &Header, change: impl Fn(&mut serde_json::Value)) -> String {
        let claims = Claims {
            iss: ISSUER.into(),
            sub: "7".into(),
            sid: 3,
            name: "ann".into(),
            iat: seconds(NOW),
            nbf: seconds(NOW),
            exp: seconds(NOW) + 60,
            timestamp: 0.0,
        };
        let mut claims = serde_json::to_value(claims).unwrap();
        change(&mut claims);
        jsonwebtoken::encode(header, &claims, &tokens.signing).unwrap()
    }

    #[test]
    fn a_token_holds_for_its_time() {
        let tokens = ours();
        let fresh = tokens.sign(7, "ann", 3, NOW, NOW + tokens.life()).unwrap();
        let claims = tokens.read(&fresh.text, NOW).unwrap();
        assert_eq!((claims.sub.as_str(), claims.sid, claims.name.as_str()), ("7", 3, "ann"));
        assert_eq!(end(&claims), fresh.until);
        assert!(claims_to_be_own(&fresh.text));
        assert!(!tokens.is_old(&claims, NOW + 3_599 * SECOND) && tokens.is_old(&claims, NOW + 3_600 * SECOND));
        assert!(tokens.read(&fresh.text, fresh.until - SECOND).is_some());
        assert_eq!(tokens.read(&fresh.text, fresh.until), None);
        let apart = CLOCKS_APART_SECONDS as i64 * SECOND;
        assert!(tokens.read(&fresh.text, NOW - apart).is_some(), "clocks of instances differ");
        assert_eq!(tokens.read(&fresh.text, NOW - apart - SECOND), None);
    }

    #[test]
    fn only_tokens_of_this_server_are_read() {
        let (tokens, plain) = (ours(), Header::new(ALGORITHM));
        assert!(tokens.read(&forged(&tokens, &plain, |_| {}), NOW).is_some());
        let other = self::tokens("another-secret-another-secret-123");
        assert_eq!(tokens.read(&forged(&other, &plain, |_| {}), NOW), None, "another key");
        let header = Header::new(Algorithm::HS512);
        assert_eq!(tokens.read(&forged(&tokens, &header, |_| {}), NOW), None, "another algorithm");
        for (name, value) in [
            ("iss", serde_json::json!("https://elsewhere")),
            ("iss", serde_json::Value::Null),
            ("sub", serde_json::Value::Null),
            ("sid", serde_json::json!("3")),
            ("exp", serde_json::Value::Null),
            ("exp", serde_json::json!(seconds(NOW) - 1)),
            ("exp", serde_json::json!(1e300)),
            ("nbf", serde_json::json!(seconds(NOW) + 3_600)),
            ("iat", serde_json::json!(seconds(NOW) + 3_600)),
            ("iat", serde_json::Value::Null),
        ] {
            let token = forged(&tokens, &plain, |claims| claims[name] = value.clone());
            assert_eq!(tokens.read(&token, NOW), None, "{name} {value}");
        }
        let good = forged(&tokens, &plain, |_| {});
        let parts: Vec<&str> = good.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"typ\":\"JWT\"}");
        for token in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[0], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{good}x"),
            format!("{good}."),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(tokens.read(&token, NOW), None, "{token}");
        }
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(Secret::read(&"x".repeat(TOKEN_SECRET_BYTES - 1)).is_err());
        let secret = Secret::read(&"x".repeat(TOKEN_SECRET_BYTES)).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn tokens_of_programs_are_random() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_eq!((one.len(), one.starts_with(API_PREFIX)), (47, true));
        assert_ne!(one, other);
        assert_eq!(digest("abc").len(), 64);
        assert!(digest("abc").starts_with("ba7816bf"));
    }
}

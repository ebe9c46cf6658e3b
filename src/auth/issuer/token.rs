//! A signed token (RFC 7515, RFC 7519), taken apart. Nothing of it is believed here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;

use super::{Claims, Issuer};

/// The parts of a token.
#[derive(Debug)]
pub struct Token<'a> {
    /// What is signed.
    signed: &'a str,
    signature: &'a str,
    header: Claims,
    /// What it says.
    pub claims: Claims,
}

impl<'a> Token<'a> {
    /// Takes a token apart; none for one that is opaque: it has not three parts, the first two of them JSON objects.
    pub fn read(text: &'a str) -> Option<Token<'a>> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Token {
            signed,
            signature,
            header: object(header)?,
            claims: object(claims)?,
        })
    }

    /// The key that it says it is signed with.
    pub fn key(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The algorithm that it says it is signed with, if that is one of the settings'.
    ///
    /// # Errors
    /// What of its header cannot be taken.
    pub fn algorithm(&self, issuer: &Issuer) -> Result<Algorithm, &'static str> {
        // What must be understood and is not, such as `b64` (RFC 7515 4.1.11).
        if self.header.contains_key("crit") {
            return Err("its header has `crit`");
        }
        let ty = self.header.get("typ").map(|ty| ty.as_str().unwrap_or("?").to_ascii_lowercase());
        let ty = ty.as_deref().map(|ty| ty.strip_prefix("application/").unwrap_or(ty));
        // One for another purpose, such as logging out, is no credential (RFC 8725 3.11).
        if !matches!(ty, None | Some("jwt" | "at+jwt")) {
            return Err("its `typ` is not JWT or at+jwt");
        }
        let said = self.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let allowed = issuer.algorithms.iter().find(|algorithm| format!("{algorithm:?}") == said);
        allowed.copied().ok_or("its algorithm is not one of the settings'")
    }

    /// Whether a key signed it.
    pub fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm).unwrap_or(false)
    }
}

fn object(part: &str) -> Option<Claims> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn only_three_parts_of_json_are_a_token() {
        for (text, expected) in [
            (token("{}", "{}"), true),
            (token("{}", "[]"), false),
            (token("1", "{}"), false),
            (token("{", "{}"), false),
            (format!("{}.x", token("{}", "{}")), false),
            (token("{}", "{}").replace(".c2ln", ""), false),
            (format!("{}=.e30.", URL_SAFE_NO_PAD.encode("{}")), false),
            (String::new(), false),
            ("..".to_owned(), false),
            ("opaque".to_owned(), false),
            (token(&"[".repeat(10_000), "{}"), false),
            (token("{}", &format!("{{\"a\":{}", "[".repeat(10_000))), false),
        ] {
            assert_eq!(Token::read(&text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn the_settings_say_which_algorithms_count() {
        let issuer = Issuer {
            algorithms: vec![Algorithm::RS256, Algorithm::EdDSA],
            ..Issuer::default()
        };
        for (header, expected) in [
            (r#"{"alg":"RS256"}"#, Ok(Algorithm::RS256)),
            (r#"{"alg":"EdDSA","typ":"at+JWT","kid":"1"}"#, Ok(Algorithm::EdDSA)),
            (r#"{"alg":"RS256","typ":"application/at+jwt"}"#, Ok(Algorithm::RS256)),
            (r#"{"alg":"RS256","typ":"logout+jwt"}"#, Err("typ")),
            (r#"{"alg":"RS256","typ":1}"#, Err("typ")),
            (r#"{"alg":"RS256","crit":["b64"]}"#, Err("crit")),
            (r#"{"alg":"RS512"}"#, Err("algorithm")),
            (r#"{"alg":"HS256"}"#, Err("algorithm")),
            (r#"{"alg":"none"}"#, Err("algorithm")),
            (r#"{"alg":"rs256"}"#, Err("algorithm")),
            (r#"{"alg":["RS256"]}"#, Err("algorithm")),
            (r#"{}"#, Err("algorithm")),
        ] {
            let text = token(header, "{}");
            let found = Token::read(&text).unwrap().algorithm(&issuer);
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{header}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{header}: {why}"),
                (found, _) => panic!("{header}: {found:?}"),
            }
        }
    }
}

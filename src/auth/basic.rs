//! `Authorization: Basic`: user name and password on every request (RFC 7617).

use std::sync::Arc;

use base64::Engine as _;

use super::{Auth, Proof, refused, role_caller};
use crate::engine::identity;
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::PASSWORD_BYTES;
use crate::store::Weight;

/// Proves user name and password. `header` is the whole header, `token` what follows the scheme's name.
pub async fn prove(auth: &Auth, header: &[u8], token: &[u8]) -> Outcome<Arc<Proof>> {
    let print = auth.cache.print(header);
    if let Some(proof) = auth.cache.get(&print, auth.engine.clock.now()) {
        return Ok(proof);
    }
    let (name, password) = decode(token).ok_or_else(refused)?;
    if password.len() > PASSWORD_BYTES {
        return Err(refused());
    }
    let engine = auth.engine.clone();
    let (user, version) = auth
        .db
        // A name that nobody has costs a scan, so this never runs on a worker.
        .read(Weight::Scan, move |session| {
            // The version first: what changes in between makes the proof old, never young.
            let version = identity::security_version(session)?;
            Ok((identity::find_user(&engine, session, &name)?, version))
        })
        .await?;
    let user = user.filter(|user| user.active);
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    // Several requests with the same new credentials wait here for one another's hash.
    let cached = || {
        auth.cache
            .get(&print, auth.engine.clock.now())
            .filter(|proof| proof.version == version)
    };
    match auth.hasher.verify(password, stored, cached).await? {
        Err(proof) => Ok(proof),
        Ok(false) => Err(refused()),
        Ok(true) => {
            let user = user.ok_or_else(|| Fault::internal("a password that fits no user"))?;
            let proof = Arc::new(Proof {
                caller: role_caller(user.id, user.name, user.tenant, &user.roles),
                version,
            });
            auth.cache.put(print, proof.clone(), auth.engine.clock.now());
            Ok(proof)
        }
    }
}

/// Name and password; both UTF-8, or both Latin-1 as older clients send them. `DOMAIN\user` stays whole.
fn decode(token: &[u8]) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(token.trim_ascii()).ok()?;
    let text = String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        type Pair = Option<(&'static str, &'static str)>;
        let cases: &[(&[u8], Pair)] = &[
            (b"YWRtaW46c2VjcmV0", Some(("admin", "secret"))),
            (b" YWRtaW46c2VjcmV0 ", Some(("admin", "secret"))),
            (b"YTpiOmM=", Some(("a", "b:c"))),
            (b"OmI=", Some(("", "b"))),
            (b"w7w6w58=", Some(("ü", "ß"))),
            (b"/Drf", Some(("ü", "ß"))),
            (b"RFxhOmI=", Some(("D\\a", "b"))),
            (b"YWRtaW4=", None),
            (b"YWRtaW46c2Vjc", None),
            (b"\xff", None),
            (b"", None),
        ];
        for (token, expected) in cases {
            let found = decode(token);
            assert_eq!(
                found.as_ref().map(|(name, password)| (name.as_str(), password.as_str())),
                *expected,
                "{token:?}"
            );
        }
    }
}

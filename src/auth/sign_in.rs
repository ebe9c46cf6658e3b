//! Name and password, from wherever they come: an `Authorization` header, a log-in form, a JSON body. The one place that tests a
//! password of a caller.

use std::net::IpAddr;
use std::sync::Arc;

use super::cache::Print;
use super::{Auth, Proof, ldap, refused};
use crate::engine::identity;
use crate::model::caller::Caller;
use crate::model::clock::SECOND;
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::{CREDENTIAL_CACHE_SECONDS, PASSWORD_BYTES};
use crate::store::Weight;

/// Proves that a password is a user's. The proof is remembered under `print`, where there is one. `from` is who asks.
///
/// # Errors
/// 401, the same for every reason.
pub async fn by_password(auth: &Auth, print: Option<Print>, name: String, password: String, from: Option<IpAddr>) -> Outcome<Arc<Proof>> {
    if password.len() > PASSWORD_BYTES {
        return Err(refused());
    }
    tracing::debug!(?from, "a password is tested");
    let (engine, named) = (auth.engine.clone(), name.clone());
    let (user, version) = auth
        .db
        // A name that nobody has costs a scan, so this never runs on a worker.
        .read(Weight::Scan, move |session| {
            // The version first: what changes in between makes the proof old, never young.
            let version = identity::security_version(session)?;
            Ok((identity::find_user(&engine, session, &named)?, version))
        })
        .await?;
    if let Some(proof) = ldap::prove(auth, print, &name, &password, user.as_ref()).await? {
        return Ok(proof);
    }
    let user = user.filter(|user| user.active);
    let stored = user.as_ref().and_then(|user| user.password_hash.clone());
    // Several requests with the same new credentials wait here for one another's hash.
    let cached = || {
        let proof = auth.cache.get(&print?, auth.engine.clock.now());
        proof.filter(|proof| proof.version == version)
    };
    match auth.hasher.verify(password, stored, cached).await? {
        Err(proof) => Ok(proof),
        Ok(false) => {
            ldap::feign(auth).await;
            Err(refused())
        }
        Ok(true) => {
            let user = user.ok_or_else(|| Fault::internal("a password that fits no user"))?;
            let caller = caller_of(auth, user.id).await?.ok_or_else(refused)?;
            let proof = Arc::new(Proof {
                caller,
                version,
                scope: None,
                until: auth.engine.clock.now() + CREDENTIAL_CACHE_SECONDS as i64 * SECOND,
                ticket: None,
            });
            if let Some(print) = print {
                auth.cache.put(print, proof.clone(), auth.engine.clock.now());
            }
            Ok(proof)
        }
    }
}

/// A user as caller in the own tenant; none for one that is not active.
async fn caller_of(auth: &Auth, user: i64) -> Outcome<Option<Caller>> {
    let engine = auth.engine.clone();
    auth.db
        .read(Weight::Scan, move |session| engine.caller(session, user, None, None))
        .await
}

//! From somebody whom another system has proved to be who he is, to the user that he is here.

use std::sync::Arc;

use super::cache::Print;
use super::{Auth, Proof, refused};
use crate::engine::external::{External, user_of};
use crate::engine::identity;
use crate::model::clock::SECOND;
use crate::model::fault::Outcome;
use crate::model::limits::CREDENTIAL_CACHE_SECONDS;
use crate::store::Weight;

/// The proof of the user that `external` is. It is remembered under `print`, where there is one.
///
/// # Errors
/// 401 for somebody unknown who is not to be made a user, and for a deactivated user; 403 for a user who cannot be made.
pub async fn prove(auth: &Auth, print: Option<Print>, external: External, provision: bool) -> Outcome<Arc<Proof>> {
    let engine = auth.engine.clone();
    let user = auth.db.write(move |session| {
        let provision = provision && identity::tenant_exists(&engine, session, external.tenant)?;
        user_of(&engine, session, &external, provision)
    });
    let user = user.await;
    auth.engine.security.expire();
    let proof = of_user(auth, user?.ok_or_else(refused)?.id).await?;
    if let Some(print) = print {
        auth.cache.put(print, proof.clone(), auth.engine.clock.now());
    }
    Ok(proof)
}

/// The proof of a user who has been proved to be who he is, as things are now.
///
/// # Errors
/// 401 for one who is not here or is deactivated.
pub async fn of_user(auth: &Auth, user: i64) -> Outcome<Arc<Proof>> {
    let engine = auth.engine.clone();
    let found = auth.db.read(Weight::Scan, move |session| {
        // The version first: what changes in between makes the proof old, never young.
        let version = identity::security_version(session)?;
        Ok((engine.caller(session, user, None, None)?, version))
    });
    let (caller, version) = found.await?;
    Ok(Arc::new(Proof {
        caller: caller.ok_or_else(refused)?,
        version,
        scope: None,
        ticket: None,
        until: auth.engine.clock.now() + CREDENTIAL_CACHE_SECONDS as i64 * SECOND,
    }))
}

//! From somebody whom another system has proved to be who he is, to the user that he is here.

use std::sync::Arc;

use super::cache::Print;
use super::{Auth, Proof, refused};
use crate::engine::external::{External, Standing, look, settle};
use crate::engine::identity::{self, User};
use crate::model::caller::{Guid, SYSTEM_TENANT};
use crate::model::clock::{SECOND, Ticks};
use crate::model::fault::{self, Outcome};
use crate::model::limits::CREDENTIAL_CACHE_SECONDS;
use crate::store::Weight;

/// The proof of the user that `external` is. It is remembered under `print`, where there is one. `within` is the tenant whose users
/// count, beside those of the root tenant: what administrators of others write about their users does not.
///
/// # Errors
/// 401 for somebody unknown who is not to be made a user, and for a deactivated user; 403 for a user who cannot be made.
pub async fn prove(auth: &Auth, print: Option<Print>, external: External, within: Option<Guid>, provision: bool) -> Outcome<Arc<Proof>> {
    let above = match within {
        Some(_) => user_of(auth, external.clone(), Some(SYSTEM_TENANT), false).await?,
        None => None,
    };
    let user = match above {
        Some(user) => Some(user),
        None => user_of(auth, external, within, provision).await?,
    };
    let proof = of_user(auth, user.ok_or_else(refused)?.id, Ticks::MAX).await?;
    if let Some(print) = print {
        auth.cache.put(print, proof.clone(), auth.engine.clock.now());
    }
    Ok(proof)
}

/// The user, with the roles that the other system gives him, among those of one tenant or of all. Nothing is written where nothing
/// differs. None: unknown here.
///
/// # Errors
/// 403 for a user who cannot be made.
pub async fn user_of(auth: &Auth, external: External, within: Option<Guid>, provision: bool) -> Outcome<Option<User>> {
    let (engine, person) = (auth.engine.clone(), external.clone());
    let looked = auth.db.read(Weight::Scan, move |session| look(&engine, session, &person, within));
    match looked.await? {
        Standing::Settled(user) => return Ok(Some(user)),
        Standing::Unknown if !provision => return Ok(None),
        Standing::Unknown | Standing::Unsettled => {}
    }
    let (engine, person) = (auth.engine.clone(), external.clone());
    let settled = auth
        .db
        .write(move |session| settle(&engine, session, &person, within, provision))
        .await;
    match settled {
        // Another request may have made him meanwhile.
        Err(fault) if fault.kind == &fault::FORBIDDEN => {
            let engine = auth.engine.clone();
            let made = auth.db.write(move |session| settle(&engine, session, &external, within, false));
            made.await?.map(Some).ok_or(fault)
        }
        settled => settled,
    }
}

/// The proof of a user who has been proved to be who he is, as things are now; `until` is when it ends at the latest.
///
/// # Errors
/// 401 for one who is not here or is deactivated.
pub async fn of_user(auth: &Auth, user: i64, until: Ticks) -> Outcome<Arc<Proof>> {
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
        until: until.min(auth.engine.clock.now() + CREDENTIAL_CACHE_SECONDS as i64 * SECOND),
        ticket: None,
    }))
}

//! Name and password, from wherever they come: an `Authorization` header, a log-in form, a JSON body. The one place that tests a
//! password of a caller.

use std::net::IpAddr;
use std::sync::Arc;

use super::cache::Print;
use super::guard::Attempt;
use super::{Auth, Proof, ldap, password, refused};
use crate::engine::accounts::people::Account;
use crate::engine::audit::SignIn;
use crate::engine::identity::{self, User};
use crate::engine::names;
use crate::model::caller::{Caller, Guid};
use crate::model::clock::SECOND;
use crate::model::fault::{self, Outcome};
use crate::model::limits::{CREDENTIAL_CACHE_SECONDS, PASSWORD_BYTES};
use crate::store::Weight;

/// What became of a password; what the directory refuses is a fault at once.
enum Tested {
    /// It is right.
    Now(Arc<Proof>),
    /// Another request with the same credentials has shown that it is right.
    Before(Arc<Proof>),
    /// It is not, and the directory was not asked.
    Wrong,
}

/// Proves that a password is a user's: of those whom the name may mean ([`names::candidates`]), the first whose password it is. The
/// proof is remembered under `print`, where there is one. `from` is who asks.
///
/// # Errors
/// 401, the same for every reason; 429 for who tries too often.
pub async fn by_password(auth: &Auth, print: Option<Print>, name: String, password: String, from: Option<IpAddr>) -> Outcome<Arc<Proof>> {
    if password.len() > PASSWORD_BYTES {
        return Err(refused());
    }
    let attempt = auth.guard.admit(Some(ldap::counted(auth, &name)), from, auth.engine.clock.now())?;
    let may_ask = ldap::may_ask(&name, &password);
    let mut named = None;
    let tested = test(auth, print, &name, password, &attempt, &mut named).await;
    let note = |user: Option<(i64, Guid)>, succeeded: bool| {
        let sign_in = SignIn {
            what: "SignIn",
            succeeded,
            user,
            from,
        };
        auth.engine.journal.note(sign_in, auth.engine.clock.now());
    };
    match &tested {
        Ok(Tested::Now(proof)) => {
            // Where several have the name, the success of one says nothing about who guesses at another's password.
            match is_alone(auth, &name, proof.caller.user).await {
                Ok((true, among_all)) => auth.guard.succeeded(&attempt, among_all),
                _ => auth.guard.untried(&attempt),
            }
            note(Some((proof.caller.user, proof.caller.tenant)), true);
        }
        Err(fault) if fault.kind != &fault::UNAUTHENTICATED => auth.guard.untried(&attempt),
        Ok(Tested::Before(_)) => auth.guard.untried(&attempt),
        Ok(Tested::Wrong) | Err(_) => {
            auth.guard.failed(&attempt, auth.engine.clock.now());
            note(named, false);
        }
    }
    match tested? {
        Tested::Now(proof) | Tested::Before(proof) => Ok(proof),
        Tested::Wrong => {
            if may_ask {
                ldap::feign(auth).await?;
            }
            Err(refused())
        }
    }
}

/// Whether a password is that of the user of this server whom an account is of, whoever else has the name. Attempts are counted like those
/// to sign in, but a right one ends no wait: that would be for the namesakes, too.
///
/// # Errors
/// 429 for who tries too often.
pub async fn is_own(auth: &Auth, account: &Account, password: String, from: Option<IpAddr>) -> Outcome<bool> {
    let clock = &auth.engine.clock;
    let attempt = auth.guard.admit(Some(ldap::counted(auth, &account.name)), from, clock.now())?;
    let too_many = || auth.guard.check(&attempt, clock.now()).err();
    let tested = auth
        .hasher
        .verify(password, account.password_hash.clone(), too_many)
        .await
        .flatten();
    match tested {
        Ok(false) => auth.guard.failed(&attempt, clock.now()),
        _ => auth.guard.untried(&attempt),
    }
    let is_right = tested?;
    let sign_in = SignIn {
        what: "SignIn",
        succeeded: is_right,
        user: Some((account.id, account.tenant)),
        from,
    };
    auth.engine.journal.note(sign_in, clock.now());
    Ok(is_right)
}

/// Whether a user alone has the name that attempts are counted by ([`names::is_alone`]).
async fn is_alone(auth: &Auth, name: &str, user: i64) -> Outcome<(bool, bool)> {
    let (engine, name) = (auth.engine.clone(), ldap::counted(auth, name).to_owned());
    auth.db
        .read(Weight::Scan, move |session| names::is_alone(&engine, session, &name, user))
        .await
}

/// The test itself; `named` learns whose name it is.
async fn test(
    auth: &Auth,
    print: Option<Print>,
    name: &str,
    password: String,
    attempt: &Attempt,
    named: &mut Option<(i64, Guid)>,
) -> Outcome<Tested> {
    let (engine, wanted) = (auth.engine.clone(), name.to_owned());
    let (candidates, version) = auth
        .db
        // Names are compared one by one, so this never runs on a worker.
        .read(Weight::Scan, move |session| {
            // The version first: what changes in between makes the proof old, never young.
            let version = identity::security_version(session)?;
            Ok((names::candidates(&engine, session, &wanted)?, version))
        })
        .await?;
    *named = candidates.iter().flatten().next().map(|user| (user.id, user.tenant));
    let local = candidates
        .iter()
        .flatten()
        .find(|user| user.active && ldap::has_local_password(user));
    if let Some(proof) = ldap::prove(auth, print, name, &password, local, attempt).await? {
        return Ok(Tested::Now(proof));
    }
    let elsewhere = candidates.iter().flatten().any(|user| !ldap::has_local_password(user));
    // Several requests with the same new credentials wait here for one another's hash.
    let cached = || {
        let proof = print.and_then(|print| auth.cache.get(&print, auth.engine.clock.now()));
        let proof = proof.filter(|proof| proof.version == version).map(Tested::Before);
        // Those that wait here together have not failed yet when they are let in.
        let refused = || auth.guard.check(attempt, auth.engine.clock.now()).err();
        proof.map(Ok).or_else(|| refused().map(Err))
    };
    for user in candidates {
        let decides = |user: &User| auth.directory.is_none() || ldap::has_local_password(user);
        let user = user.filter(|user| user.active && decides(user));
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        match (auth.hasher.verify(password.clone(), stored, cached).await?, user) {
            (Err(known), _) => return known,
            (Ok(true), Some(user)) => return proved(auth, print, &user, password, version).await.map(Tested::Now),
            (Ok(_), _) => {}
        }
    }
    // An older user whom the directory knows is not locked out by a newer one of that name here.
    if elsewhere && let Some(proof) = ldap::prove(auth, print, name, &password, None, attempt).await? {
        return Ok(Tested::Now(proof));
    }
    Ok(Tested::Wrong)
}

/// Remembers that somebody is a user.
async fn proved(auth: &Auth, print: Option<Print>, user: &User, password: String, version: i64) -> Outcome<Arc<Proof>> {
    let caller = caller_of(auth, user.id).await?.ok_or_else(refused)?;
    renew_hash(auth, user, password);
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

/// A user as caller in the own tenant; none for one that is not active.
async fn caller_of(auth: &Auth, user: i64) -> Outcome<Option<Caller>> {
    let engine = auth.engine.clone();
    auth.db
        .read(Weight::Scan, move |session| engine.caller(session, user, None, None))
        .await
}

/// A password that was hashed as it was usual once is hashed as it is today; nobody waits for that.
fn renew_hash(auth: &Auth, user: &User, password: String) {
    let Some(old) = user.password_hash.clone().filter(|stored| password::is_outdated(stored)) else {
        return;
    };
    let (engine, db, hasher, id) = (auth.engine.clone(), auth.db.clone(), auth.hasher.clone(), user.id);
    tokio::spawn(async move {
        let renewed = async {
            let new = hasher.hash(password).await?;
            db.write(move |session| identity::renew_hash(&engine, session, id, &old, &new))
                .await
        };
        if let Err(fault) = renewed.await {
            tracing::warn!(
                user = id,
                cause = fault.cause.as_deref().unwrap_or(""),
                "a password's hash was not renewed: {fault}"
            );
        }
    });
}

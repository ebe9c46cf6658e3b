//! `Bearer`: a token instead of a password (RFC 6750); also where it stands in a header of its own, a cookie or the query.
//!
//! A proof by a token is remembered like any other, so that the next request costs a digest and a look-up. What it depends on is
//! looked up only when it is made: the row of the session, which goes when the token is revoked, and the user.

use std::sync::Arc;

use super::issuer::{self, Shown};
use super::tokens::{API_PREFIX, claims_to_be_own, digest, end};
use super::{Auth, Cookie, Fresh, News, Proof};
use crate::engine::Engine;
use crate::engine::identity;
use crate::engine::sessions::{Running, may_impersonate};
use crate::model::caller::{SessionKind, Ticket};
use crate::model::clock::{SECOND, Ticks};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::CREDENTIAL_CACHE_SECONDS;
use crate::store::{Session, Weight};

/// What a token has said by itself.
enum Said {
    /// One of the tokens for programs: what is kept of it.
    Random(String),
    /// The session and the user that it names, when it ends, and whether it is time for another.
    Signed {
        session: i64,
        user: i64,
        until: Ticks,
        is_old: bool,
    },
}

/// Proves a token. `is_cookie`: it came in a cookie, and so goes the next one.
///
/// # Errors
/// 401, the same for every reason; 503 when another issuer's token cannot be looked at, as that issuer does not answer.
pub async fn prove(auth: &Auth, shown: Shown, token: &[u8], is_cookie: bool) -> Outcome<(Arc<Proof>, Option<News>)> {
    let token = std::str::from_utf8(token.trim_ascii()).map_err(|_| refused())?;
    if !token.starts_with(API_PREFIX) && !claims_to_be_own(token) {
        return Ok((issuer::prove(auth, shown, token).await?, None));
    }
    let proved = own(auth, shown, token, is_cookie).await;
    // Who has signed in with it stands in the trail already.
    if proved.as_ref().is_err_and(|fault| fault.kind == &fault::INVALID_TOKEN) {
        shown.note(auth, None, false);
    }
    proved
}

/// Proves a token of this server.
async fn own(auth: &Auth, shown: Shown, token: &str, is_cookie: bool) -> Outcome<(Arc<Proof>, Option<News>)> {
    let said = said(auth, token)?;
    let engine = auth.engine.clone();
    let job = move |session: &mut Session<'_>| look_up(&engine, session, said);
    let (proof, is_old) = auth.db.read(Weight::Key, job).await?.ok_or_else(refused)?;
    let proof = Arc::new(proof);
    let fresh = match proof.ticket.filter(|_| is_old) {
        Some(ticket) => Some(refresh(auth, &proof, ticket).await?),
        None => None,
    };
    auth.cache.put(shown.print, proof.clone(), auth.engine.clock.now());
    let news = fresh.map(|fresh| News {
        token: Some(fresh),
        cookie: if is_cookie { Cookie::Set } else { Cookie::Keep },
        ..News::default()
    });
    Ok((proof, news))
}

fn said(auth: &Auth, token: &str) -> Outcome<Said> {
    if token.starts_with(API_PREFIX) {
        return Ok(Said::Random(digest(token)));
    }
    let (tokens, now) = (auth.engine.tokens()?, auth.engine.clock.now());
    let claims = tokens.read(token, now).ok_or_else(refused)?;
    Ok(Said::Signed {
        session: claims.sid,
        user: claims.sub.parse().map_err(|_| refused())?,
        until: end(&claims),
        is_old: tokens.is_old(&claims, now),
    })
}

/// The same as for another issuer's token.
fn refused() -> Fault {
    Fault::new(&fault::INVALID_TOKEN, "The credentials are not right.")
}

/// The proof, and whether the token is to be replaced. None: it is not good any more.
fn look_up(engine: &Engine, session: &mut Session<'_>, said: Said) -> Outcome<Option<(Proof, bool)>> {
    // The version first: what changes in between makes the proof old, never young.
    let version = identity::security_version(session)?;
    let (running, until, is_old) = match said {
        Said::Random(hash) => (engine.session_of_hash(session, hash)?, Ticks::MAX, false),
        Said::Signed {
            session: id,
            user,
            until,
            is_old,
        } => {
            let running = engine.session(session, id)?;
            let fits = |running: &Running| running.user == user && running.kind != SessionKind::Api;
            (running.filter(fits), until, is_old)
        }
    };
    let Some(running) = running else { return Ok(None) };
    let scope = Some(running.scope).filter(|scope| !scope.is_empty());
    let Some(caller) = engine.caller(session, running.user, None, scope.as_deref())? else {
        return Ok(None);
    };
    if let Some(by) = running.impersonated_by {
        let by = engine.caller(session, by, Some(caller.tenant), None)?;
        if !by.is_some_and(|by| may_impersonate(&by, &caller)) {
            return Ok(None);
        }
    }
    let ticket = Ticket {
        session: running.id,
        kind: running.kind,
    };
    let latest = engine.clock.now() + CREDENTIAL_CACHE_SECONDS as i64 * SECOND;
    let proof = Proof {
        caller,
        version,
        scope,
        until: until.min(running.until).min(latest),
        ticket: Some(ticket),
    };
    Ok(Some((proof, is_old && running.kind == SessionKind::Login)))
}

/// A fresh token for the same session.
async fn refresh(auth: &Auth, proof: &Arc<Proof>, ticket: Ticket) -> Outcome<Fresh> {
    let (engine, proof) = (auth.engine.clone(), proof.clone());
    let job = move |session: &mut Session<'_>| engine.renew(session, proof.caller.user, &proof.caller.name, ticket.session);
    auth.db.write(job).await.map_err(|fault| match fault.kind {
        kind if kind == &fault::NOT_FOUND => refused(),
        _ => fault,
    })
}

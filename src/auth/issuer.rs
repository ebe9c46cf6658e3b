//! Access tokens of other issuers (OAuth 2, OpenID Connect): `[issuer.NAME]` of the settings.
//!
//! A token with three parts is verified here, with the keys that the issuer publishes; the settings and the key say which
//! algorithm counts, never the token. Any other token is opaque: the one issuer that can be asked is asked (RFC 7662). What is
//! wrong with a token goes to the log, and the client learns only that it is not right (RFC 6750 3.1). An issuer that does not
//! answer holds up nothing but its own tokens.

mod arrival;
pub mod ask;
mod claims;
mod introspection;
mod keys;
mod token;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::cache::Print;
use super::{Auth, Proof};
use crate::engine::audit::SignIn;
use crate::model::caller::Guid;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{ISSUER_PAUSE_SECONDS, TOKEN_BYTES};
use arrival::Newest;
use ask::Asker;
use introspection::Introspection;
use keys::Keys;
use token::Token;

/// What a token says.
type Claims = Map<String, Value>;

/// A section `[issuer.NAME]` of the settings.
#[derive(Debug, Clone, Default)]
pub struct Issuer {
    /// Its name in the settings; `ExternalType` of the users that it knows.
    pub name: String,
    /// Where the settings have it: `FILE:LINE`.
    pub place: String,
    /// What `iss` says.
    pub issuer: String,
    /// What `aud` says, any of them.
    pub audience: Vec<String>,
    /// What its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are; empty is what its configuration says.
    pub jwks_url: String,
    /// The claim that is `ExternalId`.
    pub id_claim: String,
    /// The claims that name a new user; the first that is there.
    pub name_claims: Vec<String>,
    /// The claim with the address of a new user.
    pub mail_claim: String,
    /// The claim that tells the tenant; empty if none does.
    pub tenant_claim: String,
    /// Its values and their tenants; empty if they are Guids of tenants.
    pub tenants: Vec<(String, Guid)>,
    /// The tenant of who says none.
    pub default_tenant: Option<Guid>,
    /// The claim that lists groups or roles; empty if none does.
    pub roles_claim: String,
    /// Its values, and the roles of the tenant that they give.
    pub roles: Vec<(String, String)>,
    /// Unknown people become users.
    pub provision: bool,
    /// How far the issuer's clock may be from ours.
    pub leeway_seconds: i64,
    /// When its keys are asked for again.
    pub keys_seconds: i64,
    /// Where opaque tokens are asked about; empty if nowhere.
    pub introspection_url: String,
    /// Who we are there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
}

impl Issuer {
    /// Where its configuration is (OpenID Connect Discovery 4).
    pub fn configuration_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }
}

/// A text that nothing prints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

/// The issuers whose tokens are taken.
#[derive(Debug)]
pub struct Issuers {
    all: Vec<Known>,
    asker: Asker,
}

/// An issuer, and what it has told so far.
#[derive(Debug)]
struct Known {
    issuer: Issuer,
    keys: Keys,
    introspection: Introspection,
    newest: Newest,
}

impl Issuers {
    /// Those of the settings.
    pub fn new(issuers: &[Issuer]) -> Issuers {
        let known = |issuer: &Issuer| Known {
            issuer: issuer.clone(),
            keys: Keys::default(),
            introspection: Introspection::default(),
            newest: Newest::default(),
        };
        Issuers {
            all: issuers.iter().map(known).collect(),
            asker: Asker::new(
                issuers
                    .iter()
                    .flat_map(|issuer| [&issuer.issuer, &issuer.jwks_url, &issuer.introspection_url]),
            ),
        }
    }
}

/// A token that was shown: what stands for it, and who showed it.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Stands for it.
    pub print: Print,
    /// From where.
    pub from: Option<IpAddr>,
}

impl Shown {
    /// Has it written down that its bearer has signed in with it, or was refused.
    pub fn note(self, auth: &Auth, user: Option<(i64, Guid)>, succeeded: bool) {
        let sign_in = SignIn {
            what: "BearerSignIn",
            succeeded,
            user,
            from: self.from,
        };
        auth.engine.journal.note(sign_in, auth.engine.clock.now());
    }
}

/// Who brings a token, as far as that is known when it is accepted or refused.
#[derive(Debug, Default)]
struct Bearer {
    /// The user and the user's tenant.
    user: Option<(i64, Guid)>,
    /// It is newer than the ones before, and good.
    is_new: bool,
}

/// Proves the bearer of a token. The proof is remembered no longer than the token counts.
///
/// # Errors
/// 401, the same for every reason; 429 for who shows too many wrong opaque ones; 503 when the issuer would have to be asked and does not
/// answer.
pub async fn prove(auth: &Auth, shown: Shown, token: &str) -> Outcome<Arc<Proof>> {
    if token.len() > TOKEN_BYTES {
        return Err(Fault::new(&fault::TOO_LARGE, format!("A token has at most {TOKEN_BYTES} bytes.")));
    }
    let mut bearer = Bearer::default();
    let proved = bearer_of(auth, shown, token, &mut bearer).await;
    let is_refused = proved.as_ref().is_err_and(|fault| fault.kind == &fault::INVALID_TOKEN);
    // A token is looked at again and again while it counts: its bearer signs in with it once.
    if is_refused || bearer.is_new {
        shown.note(auth, bearer.user, !is_refused);
    }
    let proof = proved?;
    auth.cache.put(shown.print, proof.clone(), auth.engine.clock.now());
    Ok(proof)
}

async fn bearer_of(auth: &Auth, shown: Shown, token: &str, bearer: &mut Bearer) -> Outcome<Arc<Proof>> {
    // RFC 6750 2.1: everything else is not a token of anybody.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refused("", "it is not of the characters of tokens"));
    }
    match Token::read(token) {
        Some(token) => signed(auth, &token, bearer).await,
        None => opaque(auth, shown, token, bearer).await,
    }
}

async fn signed(auth: &Auth, token: &Token<'_>, bearer: &mut Bearer) -> Outcome<Arc<Proof>> {
    let issuers = &auth.issuers;
    let said = token.claims.get("iss").and_then(Value::as_str);
    let Some(known) = issuers.all.iter().find(|known| Some(known.issuer.issuer.as_str()) == said) else {
        return Err(refused("", "no section [issuer] has its iss"));
    };
    let (issuer, clock) = (&known.issuer, &auth.engine.clock);
    let wrong = |why: &str| refused(&issuer.name, why);
    let algorithm = token.algorithm(issuer).map_err(wrong)?;
    // What costs nothing is looked at first; none of it counts before the signature is right.
    let times = claims::check(issuer, &token.claims, clock.now()).map_err(wrong)?;
    if !known.keys.verify(issuer, &issuers.asker, clock, token, algorithm).await? {
        return Err(wrong("its signature is not right, or the key is unknown"));
    }
    arrival::prove(auth, known, &token.claims, times, bearer).await
}

/// Proves a token that has to be asked about. It is a secret that can be guessed at, and asking takes time, so wrong ones are counted.
async fn opaque(auth: &Auth, shown: Shown, token: &str, bearer: &mut Bearer) -> Outcome<Arc<Proof>> {
    let issuers = &auth.issuers;
    // The settings have one at most: a token is shown to nobody but its issuer.
    let Some(known) = issuers.all.iter().find(|known| !known.issuer.introspection_url.is_empty()) else {
        return Err(refused("", "it has not three parts, and no issuer can be asked about it"));
    };
    let now = auth.engine.clock.now();
    if known.introspection.is_active(&shown.print, now) {
        return asked(auth, known, shown.print, token, bearer).await;
    }
    let attempt = auth.guard.admit(None, shown.from, now)?;
    let proved = asked(auth, known, shown.print, token, bearer).await;
    match &proved {
        Err(fault) if fault.kind == &fault::INVALID_TOKEN => auth.guard.failed(&attempt, auth.engine.clock.now()),
        Err(_) => auth.guard.untried(&attempt),
        Ok(_) => auth.guard.succeeded(&attempt, true),
    }
    proved
}

async fn asked(auth: &Auth, known: &Known, print: Print, token: &str, bearer: &mut Bearer) -> Outcome<Arc<Proof>> {
    let (issuer, clock) = (&known.issuer, &auth.engine.clock);
    let told = known.introspection.ask(issuer, &auth.issuers.asker, clock, print, token).await?;
    let claims = told.ok_or_else(|| refused(&issuer.name, "the issuer says that it is not active"))?;
    let times = claims::check_told(issuer, &claims, clock.now()).map_err(|why| refused(&issuer.name, why))?;
    arrival::prove(auth, known, &claims, times, bearer).await
}

/// The same for every reason, which goes to the log.
fn refused(issuer: &str, why: &str) -> Fault {
    tracing::info!(issuer, "a token is refused: {why}");
    Fault::new(&fault::INVALID_TOKEN, "The credentials are not right.")
}

/// An issuer that does not answer.
fn unreachable(issuer: &str, why: impl fmt::Display) -> Fault {
    let mut fault = Fault::new(
        &fault::UNREACHABLE,
        format!("The issuer of the token cannot be reached. Try again in {ISSUER_PAUSE_SECONDS} seconds."),
    );
    fault.cause = Some(format!("[issuer.{issuer}]: {why}"));
    fault
}

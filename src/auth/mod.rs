//! Floor 2: who is calling. Credentials become a [`Proof`], a proof and the tenant header a [`Caller`].
//!
//! Each scheme is one file and one row of [`SCHEMES`]. A proof is taken only while the database's security version is the one
//! it was made under, and that is looked up by the very job that does the request's work: a changed password, role or state
//! of a user counts at once, and a cached proof costs no thread of its own.

pub mod accounts;
pub mod basic;
pub mod bearer;
pub mod cache;
mod external;
pub mod guard;
pub mod issuer;
pub mod ldap;
pub mod negotiate;
pub mod password;
pub mod sign_in;
pub mod tokens;

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::engine::{Engine, tenants};
use crate::model::caller::{Caller, Guid, SessionKind, Tenants, Ticket};
use crate::model::clock::Ticks;
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{ACCOUNT_WORK, CREDENTIAL_BYTES};
use crate::model::text;
use crate::store::{Db, Session};
pub use tokens::Fresh;

/// A way to prove who one is.
#[derive(Debug)]
pub struct Scheme {
    /// First word of `Authorization`, in any letter case.
    pub name: &'static str,
    /// Its `WWW-Authenticate`.
    pub challenge: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Basic,
    Bearer,
}

/// What is enabled, in the order of the challenges; Negotiate comes before them where [`Auth::takes_tickets`].
pub const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "Bearer",
        challenge: "Bearer realm=\"Odonata\"",
        kind: Kind::Bearer,
    },
    Scheme {
        name: "Basic",
        challenge: "Basic realm=\"Odonata\"",
        kind: Kind::Basic,
    },
];

/// How callers prove who they are: the settings.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The tokens that this server gives out.
    pub tokens: tokens::Config,
    /// Whose access tokens are taken beside them.
    pub issuers: Vec<issuer::Issuer>,
    /// The directory that knows passwords.
    pub ldap: ldap::Config,
    /// Kerberos tickets.
    pub kerberos: negotiate::Config,
    /// How often somebody may try.
    pub rate: guard::Config,
}

/// A user who has proved to be that user, acting in the own tenant.
#[derive(Debug)]
pub struct Proof {
    /// Who.
    pub caller: Caller,
    /// The database's security version when it was proved.
    pub version: i64,
    /// The only permissions that count, where the credentials are limited to some.
    pub scope: Option<Vec<String>>,
    /// When it has to be made again at the latest.
    pub until: Ticks,
    /// The session behind it, when it is a token of this server.
    pub ticket: Option<Ticket>,
}

/// What a request says about who is calling: a field for each place where credentials may stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `Authorization`. Where it stands, nothing else is looked at.
    pub authorization: Option<&'a [u8]>,
    /// The token header.
    pub token_header: Option<&'a [u8]>,
    /// The query option `token`, where the settings let it count.
    pub query: Option<&'a [u8]>,
    /// The cookie `token`.
    pub cookie: Option<&'a [u8]>,
    /// Name and password from a body; such a request has nothing else.
    pub password: Option<(&'a str, &'a str)>,
    /// The peer's address, to count attempts by.
    pub from: Option<IpAddr>,
}

impl<'a> Presented<'a> {
    /// Whether there are no credentials, be they right or wrong.
    pub fn is_nothing(&self) -> bool {
        self.password.is_none() && self.credentials().is_none()
    }

    /// Whether it is the cookie that counts: browsers add it to whatever a page makes them send.
    pub fn is_by_cookie(&self) -> bool {
        let others = [self.authorization, self.token_header, self.query];
        self.password.is_none() && self.cookie.is_some() && others.iter().all(Option::is_none)
    }

    /// Whether it is a log-in by a scheme for which browsers keep it, and add it to whatever a page makes them send.
    pub fn is_by_kept_log_in(&self) -> bool {
        let scheme = self.credentials().map(|(scheme, ..)| scheme);
        let is_kept = |scheme: &[u8]| {
            ["Basic", "Negotiate"]
                .iter()
                .any(|name| scheme.eq_ignore_ascii_case(name.as_bytes()))
        };
        self.password.is_none() && scheme.is_some_and(is_kept)
    }

    /// The credentials that count: the scheme, what follows it, and the whole text.
    fn credentials(&self) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        if let Some(header) = self.authorization {
            let end = header.iter().position(|byte| *byte == b' ').unwrap_or(header.len());
            let (scheme, rest) = header.split_at(end);
            return Some((scheme, rest, header));
        }
        let token = self.token_header.or(self.query).or(self.cookie)?;
        Some((b"Bearer", token, token))
    }
}

/// What signing in has to tell the client beside the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// The server's own proof for the client (Negotiate), in Base64.
    pub negotiate: Option<String>,
    /// A token that the client may use from now on.
    pub token: Option<Fresh>,
    /// What becomes of the cookie.
    pub cookie: Cookie,
}

/// What becomes of a browser's cookie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cookie {
    /// It stays as it is.
    #[default]
    Keep,
    /// It gets the new token.
    Set,
    /// It goes.
    Clear,
}

impl News {
    /// Somebody has signed in.
    pub fn of(token: Fresh) -> News {
        News {
            token: Some(token),
            cookie: Cookie::Set,
            ..News::default()
        }
    }

    /// Together with what came of the same request later, which counts more.
    pub fn then(self, later: News) -> News {
        News {
            negotiate: later.negotiate.or(self.negotiate),
            token: later.token.or(self.token.filter(|_| later.cookie != Cookie::Clear)),
            cookie: if later.cookie == Cookie::Keep { self.cookie } else { later.cookie },
        }
    }
}

/// Knows who is calling.
#[derive(Debug)]
pub struct Auth {
    /// The settings.
    pub config: Config,
    engine: Arc<Engine>,
    db: Db,
    cache: cache::Cache,
    hasher: password::Hasher,
    directory: Option<ldap::Directory>,
    #[cfg(feature = "kerberos")]
    acceptor: Option<Arc<negotiate::Acceptor>>,
    issuers: issuer::Issuers,
    /// Counts attempts.
    pub guard: guard::Guard,
    /// Turns for what is carried out after it was answered.
    later: Arc<Semaphore>,
}

impl Auth {
    /// Over the users of a database.
    pub fn new(config: Config, engine: Arc<Engine>, db: Db) -> Outcome<Auth> {
        let tokens = tokens::Tokens::new(config.tokens.clone(), &db)?;
        // There is one server to an engine; a second one in a test has the same key.
        let _ = engine.tokens.set(tokens);
        let issuers = issuer::Issuers::new(&config.issuers);
        Ok(Auth {
            directory: ldap::Directory::new(&config.ldap)?,
            #[cfg(feature = "kerberos")]
            acceptor: negotiate::Acceptor::new(&config.kerberos)?,
            guard: guard::Guard::new(config.rate)?,
            later: Arc::new(Semaphore::new(ACCOUNT_WORK)),
            config,
            engine,
            db,
            cache: cache::Cache::new()?,
            hasher: password::Hasher::default(),
            issuers,
        })
    }

    /// For passwords in bodies.
    pub fn hasher(&self) -> &password::Hasher {
        &self.hasher
    }

    /// Whether the scheme Negotiate is enabled.
    pub fn takes_tickets(&self) -> bool {
        #[cfg(feature = "kerberos")]
        return self.acceptor.is_some();
        #[cfg(not(feature = "kerberos"))]
        false
    }

    /// Who is calling. The proof may be older than the last change of users and roles: [`Auth::caller`] tells.
    ///
    /// # Errors
    /// 401 without credentials, and with such that are not right.
    pub async fn prove(&self, presented: Presented<'_>) -> Outcome<(Arc<Proof>, Option<News>)> {
        if let Some((name, password)) = presented.password {
            let proof = sign_in::by_password(self, None, name.to_owned(), password.to_owned(), presented.from).await?;
            return Ok((proof, None));
        }
        let Some((name, token, whole)) = presented.credentials() else {
            return Err(Fault::new(&fault::UNAUTHENTICATED, "This needs credentials."));
        };
        if whole.len() > CREDENTIAL_BYTES {
            return Err(Fault::new(
                &fault::TOO_LARGE,
                format!("Credentials have at most {CREDENTIAL_BYTES} bytes."),
            ));
        }
        let print = self.cache.print(whole);
        if let Some(proof) = self.cache.get(&print, self.engine.clock.now()) {
            return Ok((proof, None));
        }
        #[cfg(feature = "kerberos")]
        if let Some(acceptor) = &self.acceptor
            && name.eq_ignore_ascii_case(b"Negotiate")
        {
            return negotiate::prove(self, acceptor, token).await;
        }
        let scheme = SCHEMES.iter().find(|scheme| name.eq_ignore_ascii_case(scheme.name.as_bytes()));
        match scheme.map(|scheme| scheme.kind) {
            Some(Kind::Basic) => Ok((basic::prove(self, print, token, presented.from).await?, None)),
            Some(Kind::Bearer) => {
                let from = presented.from;
                bearer::prove(self, issuer::Shown { print, from }, token, presented.is_by_cookie()).await
            }
            None => Err(refused()),
        }
    }

    /// Makes a proof again, after [`caller`] said that it does not hold any more.
    ///
    /// # Errors
    /// 401 when the credentials are not right any more.
    pub async fn prove_again(&self, presented: Presented<'_>, proof: &Proof) -> Outcome<Arc<Proof>> {
        if let Some((scheme, _, whole)) = presented.credentials() {
            self.cache.remove(&self.cache.print(whole));
            // A ticket is good once: that it is the user stands, what he may do is looked up again.
            if self.takes_tickets() && scheme.eq_ignore_ascii_case(b"Negotiate") {
                return external::of_user(self, proof.caller.user, Ticks::MAX).await;
            }
        }
        Ok(self.prove(presented).await?.0)
    }
}

/// The caller that a proof stands for, acting in the tenant that `tenant` (the tenant header's text) names. None when users or
/// roles have changed since the proof: it has to be made again.
///
/// # Errors
/// 403 for a tenant that is not there, or where nothing is for the caller: the same.
pub fn caller(engine: &Engine, session: &mut Session<'_>, proof: &Proof, tenant: Option<&str>) -> Outcome<Option<Caller>> {
    if engine.security.version(session, engine.clock.now())? != proof.version {
        return Ok(None);
    }
    let mut caller = proof.caller.clone();
    caller.entry.ticket = proof.ticket;
    caller.entry.version = proof.version;
    let Some(tenant) = tenant else {
        return Ok(Some(caller));
    };
    let tenant = tenants::of_request(engine, session, tenant)?.ok_or_else(foreign)?;
    if tenant == proof.caller.tenant {
        return Ok(Some(caller));
    }
    // Who acts as somebody else does it in that user's tenant.
    if proof.ticket.is_some_and(|ticket| ticket.kind == SessionKind::Impersonation) {
        return Err(foreign());
    }
    if tenant == [0; 16] {
        // All tenants that the caller may see, at once: an operator's are all, anybody else's the own one.
        if caller.rights.operator {
            caller.tenants = Tenants::All;
        }
        return Ok(Some(caller));
    }
    let there = match &proof.scope {
        Some(scope) => engine.caller(session, proof.caller.user, Some(tenant), Some(scope))?,
        None => engine.caller_in(session, proof.caller.user, tenant, proof.version)?,
    };
    let there = there.ok_or_else(foreign)?;
    Ok(Some(Caller {
        entry: caller.entry,
        ..there
    }))
}

/// A Guid from its text.
pub fn guid(text: &str) -> Option<Guid> {
    match text::parse(Edm::Guid, text.trim())? {
        Value::Bytes(bytes) => bytes.try_into().ok(),
        _ => None,
    }
}

/// The same for every reason, so that nobody learns which users there are.
fn refused() -> Fault {
    Fault::new(&fault::UNAUTHENTICATED, "The credentials are not right.")
}

/// The same for tenants of others and such that are not there.
fn foreign() -> Fault {
    Fault::new(&fault::FORBIDDEN, "The tenant is not one of yours.")
}

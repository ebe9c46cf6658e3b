//! The service's side of Kerberos.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libgssapi::context::{SecurityContext, ServerCtx};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, OidSet};

use super::super::{Auth, News, Proof, external, refused};
use super::Config;
use crate::engine::external::External;
use crate::model::fault::{self, Fault, Outcome};

/// `ExternalType` of the users that Kerberos knows.
const SOURCE: &str = "Kerberos";
/// Where the library looks for the keys.
const KEYTAB: &str = "KRB5_KTNAME";

/// Takes tickets.
#[derive(Debug)]
pub struct Acceptor {
    config: Config,
    credential: Cred,
}

/// Who a ticket is for, and the proof that this is the service that it was meant for.
struct Accepted {
    principal: String,
    reply: Option<String>,
}

/// Has the library read the keytab of the settings. It learns of it from the environment alone, which a process with threads must not
/// change: this one starts itself once more, under the same number. Comes back when the environment is as it has to be.
pub fn read_keytab(config: &Config) -> Result<(), String> {
    let wanted = format!("FILE:{}", config.keytab);
    if config.keytab.is_empty() || std::env::var(KEYTAB).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let binary = std::env::current_exe().map_err(|error| error.to_string())?;
    let error = Command::new(binary).args(std::env::args_os().skip(1)).env(KEYTAB, wanted).exec();
    Err(format!("cannot start with {KEYTAB}: {error}"))
}

impl Acceptor {
    /// None when the settings name no keytab.
    ///
    /// # Errors
    /// When the keytab has no key of the service.
    pub fn new(config: &Config) -> Outcome<Option<Arc<Acceptor>>> {
        if config.keytab.is_empty() {
            return Ok(None);
        }
        let credential = acquire(&config.service).map_err(|error| {
            let (service, keytab) = (&config.service, &config.keytab);
            Fault::new(&fault::INTERNAL, format!("no key of {service} in {keytab}: {error}"))
        })?;
        Ok(Some(Arc::new(Acceptor {
            config: config.clone(),
            credential,
        })))
    }

    /// One step: Kerberos needs no more, and what would need more is not Kerberos. The library refuses tickets that it has seen.
    fn accept(&self, token: &[u8]) -> Result<Option<Accepted>, Error> {
        let mut context = ServerCtx::new(Some(self.credential.clone()));
        let reply = context.step(token, None)?;
        if !context.is_complete() {
            return Ok(None);
        }
        let principal = String::from_utf8_lossy(&context.source_name()?.display_name()?).into_owned();
        Ok(Some(Accepted {
            principal,
            reply: reply.map(|reply| STANDARD.encode(&*reply)),
        }))
    }

    /// Somebody of a realm that counts. Names with escapes are nobody's: what follows the last `@` is the realm of all others.
    fn external(&self, principal: &str) -> Option<External> {
        let (name, realm) = principal.rsplit_once('@').filter(|_| !principal.contains('\\'))?;
        let counts = !name.is_empty() && self.config.realms.iter().any(|known| known == realm);
        counts.then(|| External {
            source: SOURCE.to_owned(),
            id: principal.to_owned(),
            name: if self.config.strip_realm { name } else { principal }.to_owned(),
            mail: String::new(),
            tenant: self.config.tenant.unwrap_or_default(),
            roles: Vec::new(),
        })
    }
}

fn acquire(service: &str) -> Result<Cred, Error> {
    let name = Name::new(service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
    // Browsers and curl wrap their tickets in SPNEGO.
    let mut mechanisms = OidSet::singleton(GSS_MECH_SPNEGO)?;
    mechanisms.add(GSS_MECH_KRB5)?;
    Cred::acquire(Some(&name), None, CredUsage::Accept, Some(&mechanisms))
}

/// Proves a ticket. `token` is what follows the scheme's name.
///
/// # Errors
/// 401, the same for every reason.
pub async fn prove(auth: &Auth, acceptor: &Arc<Acceptor>, token: &[u8]) -> Outcome<(Arc<Proof>, Option<News>)> {
    let token = STANDARD.decode(token.trim_ascii()).map_err(|_| refused())?;
    let taking = acceptor.clone();
    let accepted = tokio::task::spawn_blocking(move || taking.accept(&token))
        .await
        .map_err(Fault::internal)?;
    let accepted = accepted.unwrap_or_else(|error| {
        tracing::info!(%error, "a ticket is refused");
        None
    });
    let accepted = accepted.ok_or_else(refused)?;
    let Some(external) = acceptor.external(&accepted.principal) else {
        tracing::info!(principal = accepted.principal, "a ticket of another realm is refused");
        return Err(refused());
    };
    let config = &acceptor.config;
    let proof = external::prove(auth, None, external, config.tenant, config.provision).await?;
    let news = News {
        negotiate: accepted.reply,
        ..News::default()
    };
    Ok((proof, Some(news)))
}

//! Connections to the directory. The searches share one; each password is tried on one of its own.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ldap3::result::Result;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions, SearchResult};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;

use super::names::text_of;
use super::{Config, DIRECTORY_GROUPS};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::DIRECTORY_QUESTIONS;

/// What a directory says of itself rather than of the question (RFC 4511 A.1): operationsError, protocolError, timeLimitExceeded,
/// strongerAuthRequired, adminLimitExceeded, confidentialityRequired, busy, unavailable, other.
const TROUBLE: &[u32] = &[1, 2, 3, 8, 11, 13, 51, 52, 80];
/// There are more results than were asked for.
const SIZE_LIMIT: u32 = 4;
/// There is no such entry, or it is said to be elsewhere.
const NOTHING: &[u32] = &[10, 32];

/// Longest rest of the connection that the searches share: others between here and the directory forget it, too.
const REST: Duration = Duration::from_secs(60);

/// Who may certify a server.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Those in a PEM file.
    pub fn read(path: &str) -> std::result::Result<Authorities, String> {
        let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
            .map_err(|error| format!("{path}: {error}"))?
            .collect();
        let found = found.map_err(|error| format!("{path}: {error}"))?;
        let (known, _) = store(found.clone());
        if known == 0 {
            return Err(format!("{path} has no certificate in PEM"));
        }
        Ok(Authorities(found))
    }

    /// Those whom the system believes.
    fn of_system() -> Authorities {
        Authorities(rustls_native_certs::load_native_certs().certs)
    }
}

fn store(certificates: Vec<CertificateDer<'static>>) -> (usize, RootCertStore) {
    let mut roots = RootCertStore::empty();
    let (known, _) = roots.add_parsable_certificates(certificates);
    (known, roots)
}

/// An entry, as far as was asked.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    fn of(found: SearchEntry) -> Entry {
        let texts = found.attrs.into_iter().map(|(name, values)| {
            let values = values.into_iter().map(String::into_bytes).collect();
            (name, values)
        });
        Entry {
            dn: found.dn,
            attributes: texts.chain(found.bin_attrs).collect(),
        }
    }

    /// The values of an attribute.
    pub fn texts(&self, attribute: &str) -> Vec<String> {
        let same = self.attributes.iter().filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
        same.flat_map(|(_, values)| values).map(|value| text_of(attribute, value)).collect()
    }

    /// The first value of an attribute, unless it is empty.
    pub fn text(&self, attribute: &str) -> Option<String> {
        self.texts(attribute).into_iter().next().filter(|text| !text.is_empty())
    }
}

/// The directory.
#[derive(Debug)]
pub struct Directory {
    /// The settings.
    pub config: Config,
    tls: Arc<ClientConfig>,
    /// Bound as the account that searches, and when it was last of use.
    shared: Mutex<Option<(Ldap, Instant)>>,
    turns: Semaphore,
}

impl Directory {
    /// None when the settings name none. Nothing is asked yet: the server starts without its directory.
    pub fn new(config: &Config) -> Outcome<Option<Directory>> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let Authorities(certificates) = config.authorities.clone().unwrap_or_else(Authorities::of_system);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Fault::internal)?
            .with_root_certificates(store(certificates).1)
            .with_no_client_auth();
        Ok(Some(Directory {
            config: config.clone(),
            tls: Arc::new(tls),
            shared: Mutex::default(),
            turns: Semaphore::new(DIRECTORY_QUESTIONS),
        }))
    }

    /// Waits for a turn and for the answer to a question, together as long as the settings allow.
    pub async fn within_patience<T>(&self, question: impl Future<Output = Result<T>>) -> Outcome<T> {
        let work = async {
            let _turn = self.turns.acquire().await;
            question.await
        };
        let fault = match tokio::time::timeout(self.patience(), work).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => unreachable(&error),
            Err(_) => unreachable(&"there is no answer in time"),
        };
        self.shared().take();
        Err(fault)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.timeout_seconds)
    }

    fn shared(&self) -> MutexGuard<'_, Option<(Ldap, Instant)>> {
        // Every change is whole, even after a panic elsewhere.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Ldap> {
        let settings = LdapConnSettings::new()
            .set_conn_timeout(self.patience())
            .set_config(self.tls.clone())
            .set_starttls(self.config.starttls);
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &self.config.url).await?;
        tokio::spawn(async move {
            // Whoever asks learns of it, too.
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "a connection to the directory ends");
            }
        });
        Ok(ldap)
    }

    /// A connection bound as somebody; none when the directory does not take the password. Nobody has an empty DN: for it a bind is made
    /// that has to fail, which takes as long.
    pub async fn bind(&self, dn: &str, password: &str) -> Result<Option<Ldap>> {
        let nobody = format!("cn=nobody,{}", self.config.base);
        let mut ldap = self.connect().await?;
        let result = ldap.simple_bind(if dn.is_empty() { &nobody } else { dn }, password).await?;
        match result.rc {
            0 if !dn.is_empty() => Ok(Some(ldap)),
            rc if TROUBLE.contains(&rc) => Err(LdapError::from(result)),
            _ => {
                let _ = ldap.unbind().await;
                Ok(None)
            }
        }
    }

    /// The one person whom a filter fits.
    pub async fn people(&self, filter: &str) -> Result<Option<Entry>> {
        let wanted = self.wanted();
        let mut found = self.find(&self.config.base, Scope::Subtree, filter, &wanted, 2).await?.0;
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => {
                tracing::warn!("{filter} fits several entries of the directory");
                Ok(None)
            }
        }
    }

    /// A person's entry, as the searching account sees it, or else the person.
    pub async fn entry(&self, own: &mut Ldap, dn: &str) -> Result<Option<Entry>> {
        let wanted = self.wanted();
        let (filter, scope) = ("(objectClass=*)", Scope::Base);
        let mut found = match self.config.bind_dn.is_empty() {
            true => self.search(own, dn, scope, filter, &wanted, 1).await?.0,
            false => self.find(dn, scope, filter, &wanted, 1).await?.0,
        };
        Ok(found.pop())
    }

    /// The groups that a filter fits.
    pub async fn groups(&self, own: &mut Ldap, filter: &str) -> Result<Vec<String>> {
        let (base, scope, none) = (self.config.group_base.as_str(), Scope::Subtree, ["1.1"]);
        let (found, all) = match self.config.bind_dn.is_empty() {
            true => self.search(own, base, scope, filter, &none, DIRECTORY_GROUPS).await?,
            false => self.find(base, scope, filter, &none, DIRECTORY_GROUPS).await?,
        };
        if !all {
            // Half of the groups are not half of the roles.
            return Err(std::io::Error::other(format!("{filter} fits more than {DIRECTORY_GROUPS} groups")).into());
        }
        Ok(found.into_iter().map(|group| group.dn).collect())
    }

    /// The attributes of people that are of use.
    fn wanted(&self) -> Vec<&str> {
        let config = &self.config;
        let named = [
            &config.id_attribute,
            &config.name_attribute,
            &config.mail_attribute,
            &config.tenant_attribute,
            &config.member_of,
        ];
        let mut wanted: Vec<&str> = named.into_iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        if wanted.is_empty() {
            wanted.push("1.1");
        }
        wanted
    }

    /// Searches as the searching account. The shared connection may have ended unnoticed: then once more, on a new one.
    async fn find(&self, base: &str, scope: Scope, filter: &str, wanted: &[&str], most: usize) -> Result<(Vec<Entry>, bool)> {
        let rested = self.shared().clone().filter(|(_, last)| last.elapsed() < REST);
        if let Some((mut shared, _)) = rested
            && let Ok(found) = self.search(&mut shared, base, scope, filter, wanted, most).await
        {
            *self.shared() = Some((shared, Instant::now()));
            return Ok(found);
        }
        let mut new = self.connect().await?;
        if !self.config.bind_dn.is_empty() {
            let bound = new.simple_bind(&self.config.bind_dn, &self.config.bind_password.0).await?;
            bound.success()?;
        }
        let found = self.search(&mut new, base, scope, filter, wanted, most).await?;
        *self.shared() = Some((new, Instant::now()));
        Ok(found)
    }

    /// The entries, and whether these are all. References to other directories are no entries.
    async fn search(
        &self,
        ldap: &mut Ldap,
        base: &str,
        scope: Scope,
        filter: &str,
        wanted: &[&str],
        most: usize,
    ) -> Result<(Vec<Entry>, bool)> {
        let options = SearchOptions::new()
            .sizelimit(most as i32)
            .timelimit(self.config.timeout_seconds as i32);
        let SearchResult(found, result) = ldap.with_search_options(options).search(base, scope, filter, wanted).await?;
        match result.rc {
            0 | SIZE_LIMIT => {}
            rc if NOTHING.contains(&rc) => return Ok((Vec::new(), true)),
            _ => return Err(LdapError::from(result)),
        }
        let entries = found.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        let entries = entries.map(SearchEntry::construct).map(Entry::of).collect();
        Ok((entries, result.rc == 0))
    }
}

/// 503 with the cause for the log.
fn unreachable(cause: &impl std::fmt::Display) -> Fault {
    let mut fault = Fault::new(&fault::UNREACHABLE, "The directory does not answer.");
    fault.cause = Some(cause.to_string());
    fault
}

//! Asking issuers: small documents over HTTP, with a time limit and a size limit, on the blocking pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::model::limits::{ISSUER_ANSWER_BYTES, ISSUER_SECONDS};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Asks. Redirects are not followed: an issuer says where its documents are.
#[derive(Debug, Clone)]
pub struct Asker {
    agent: Agent,
    /// For the issuers on this machine, which no proxy knows.
    near: Agent,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The one who was asked is not there, or not well, or does not know us.
    Silent(String),
    /// What it was asked for is nothing to it.
    Refused(String),
}

/// Statuses that are about what was asked, not about who asks (RFC 7662 2.3 has 401 for that) nor about who answers.
const ABOUT_THE_QUESTION: &[u16] = &[400, 413, 414, 422];

/// `error` of an answer that is about us all the same (RFC 6749 5.2).
const ABOUT_US: &[&str] = &["invalid_client", "unauthorized_client"];

/// The time that is left for everything that one request needs.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// From now on.
    pub fn begin() -> Deadline {
        Deadline(Instant::now() + Duration::from_secs(ISSUER_SECONDS as u64))
    }

    fn left(self) -> Result<Duration, String> {
        let left = self.0.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left).ok_or_else(|| "it took too long".to_owned())
    }
}

impl Asker {
    /// For the issuers with these URLs.
    pub fn new<'a>(urls: impl Iterator<Item = &'a String>) -> Asker {
        let far = urls.filter(|url| url.starts_with("https://")).count() > 0;
        let roots = if far { system_roots() } else { Vec::new() };
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots))).build();
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .timeout_connect(Some(CONNECT))
                .user_agent("odonata")
                .tls_config(tls.clone())
        };
        Asker {
            agent: config().build().new_agent(),
            near: config().proxy(None).build().new_agent(),
        }
    }

    fn agent(&self, url: &str) -> &Agent {
        if is_loopback(url) { &self.near } else { &self.agent }
    }

    /// A JSON document.
    pub fn get(&self, url: &str, deadline: Deadline) -> Result<Value, String> {
        let request = self.agent(url).get(url).header("Accept", "application/json");
        let request = request.config().timeout_global(Some(deadline.left()?)).build();
        let mut answer = request.call().map_err(|error| format!("{url}: {error}"))?;
        match answer.status().as_u16() {
            200 => document(url, &mut answer),
            status => Err(format!("{url}: it answers {status}")),
        }
    }

    /// The answer to a form. `authorization` is who we are.
    pub fn post(&self, url: &str, authorization: &str, form: &str, deadline: Deadline) -> Result<Value, Failure> {
        let request = self
            .agent(url)
            .post(url)
            .header("Accept", "application/json")
            .header("Authorization", authorization)
            .header("Content-Type", "application/x-www-form-urlencoded");
        let left = deadline.left().map_err(Failure::Silent)?;
        let request = request.config().timeout_global(Some(left)).build();
        let answer = request.send(form);
        let mut answer = answer.map_err(|error| Failure::Silent(format!("{url}: {error}")))?;
        let status = answer.status().as_u16();
        if status == 200 {
            return document(url, &mut answer).map_err(Failure::Silent);
        }
        let why = format!("{url}: it answers {status}");
        let is_about_us = |answer: Value| answer["error"].as_str().is_some_and(|error| ABOUT_US.contains(&error));
        Err(
            match ABOUT_THE_QUESTION.contains(&status) && !document(url, &mut answer).is_ok_and(is_about_us) {
                true => Failure::Refused(why),
                false => Failure::Silent(why),
            },
        )
    }
}

/// Runs what asks an issuer off the calling thread; none when it did not end.
pub async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(ask).await.map_err(|error| error.to_string())
}

fn document(url: &str, answer: &mut ureq::http::Response<Body>) -> Result<Value, String> {
    let body = answer.body_mut().with_config().limit(ISSUER_ANSWER_BYTES as u64).read_to_vec();
    let body = body.map_err(|error| format!("{url}: {error}"))?;
    serde_json::from_slice(&body).map_err(|error| format!("{url}: it is not JSON: {error}"))
}

/// Whom this system trusts to vouch for servers.
pub fn system_roots() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        tracing::warn!(errors = ?found.errors, "this system has no certificates: no issuer can be reached by https");
    }
    found.certs.iter().map(|root| Certificate::from_der(root).to_owned()).collect()
}

/// Whether a URL is one that may be asked: https, or http on this machine.
pub fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let named = uri
        .authority()
        .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    let safe = uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(url));
    named && safe
}

fn is_loopback(url: &str) -> bool {
    let host = url
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_ascii_lowercase))
        .unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_leaves_the_machine() {
        for (url, expected) in [
            ("https://login.example.org/tenant/v2.0", true),
            ("http://127.0.0.1:8080/a", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:80/", true),
            ("http://LOCALHOST/", true),
            ("http://login.example.org/", false),
            ("http://localhost.example.org/", false),
            ("http://127.0.0.1.example.org/", false),
            ("http://127.0.0.1@example.org/", false),
            ("https://user:secret@example.org/", false),
            ("ftp://127.0.0.1/", false),
            ("file:///etc/passwd", false),
            ("https://", false),
            ("https:///a", false),
            ("example.org", false),
            ("", false),
            ("https://exa mple.org", false),
        ] {
            assert_eq!(is_safe(url), expected, "{url}");
        }
    }

    #[test]
    fn who_is_not_there_is_an_error() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        // Listens and says nothing: no time is left before it could.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let late = Deadline(Instant::now() + Duration::from_millis(200));
        for url in [format!("http://127.0.0.1:{port}/"), format!("https://127.0.0.1:{port}/")] {
            let asker = Asker::new([&url].into_iter());
            assert!(asker.get(&url, late).is_err(), "{url}");
            assert!(asker.post(&url, "Basic x", "token=x", late).is_err(), "{url}");
        }
        assert!(
            Asker::new(std::iter::empty())
                .get("http://127.0.0.1:1/", Deadline::begin())
                .is_err()
        );
    }
}

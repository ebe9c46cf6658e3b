//! Who is calling, for the time of one request: the only way to the database.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};

use super::app::App;
use crate::auth::{self, News, Presented, Proof};
use crate::model::caller::Caller;
use crate::model::fault::{self, Fault, Outcome};
use crate::store::{Session, Weight};

/// Proofs tried when users and roles change while the request runs.
const TRIES: usize = 3;

/// What a request's job does with the database.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// Reads.
    Read(Weight),
    /// Writes, in a transaction.
    Write,
}

/// A caller whose credentials were right when last looked at.
pub struct Visitor<'a> {
    app: &'a App,
    presented: Presented<'a>,
    tenant: Option<String>,
    proof: Arc<Proof>,
}

enum Attempt<T, J> {
    Done(T),
    /// The proof does not hold any more; the job comes back.
    Stale(J),
}

impl<'a> Visitor<'a> {
    /// # Errors
    /// 401.
    pub async fn enter(app: &'a App, request: &'a HttpRequest) -> Outcome<Visitor<'a>> {
        let headers = request.headers();
        let presented = presented(app, request);
        let (proof, news) = app.auth.prove(presented).await?;
        if let Some(news) = news {
            request.extensions_mut().insert(news);
        }
        let tenant = app.config.tenant_headers.iter().find_map(|name| headers.get(name.as_str()));
        // What is not text is not a Guid either, and is refused as such.
        let tenant = tenant.map(|value| value.to_str().unwrap_or("?").to_owned());
        Ok(Visitor {
            app,
            presented,
            tenant,
            proof,
        })
    }

    /// The same visitor, for a job of its own before the last one.
    pub fn again(&self) -> Visitor<'a> {
        Visitor {
            app: self.app,
            presented: self.presented,
            tenant: self.tenant.clone(),
            proof: self.proof.clone(),
        }
    }

    /// Runs a job on the database as this caller, after having looked in the same job that the proof still holds.
    pub async fn run<T, J>(mut self, work: Work, job: J) -> Outcome<T>
    where
        T: Send + 'static,
        J: FnOnce(&mut Session<'_>, &Caller) -> Outcome<T> + Send + 'static,
    {
        self.run_part(work, job).await
    }

    /// The same for one job of several: what has to be proved again is proved for the later ones, too.
    pub async fn run_part<T, J>(&mut self, work: Work, job: J) -> Outcome<T>
    where
        T: Send + 'static,
        J: FnOnce(&mut Session<'_>, &Caller) -> Outcome<T> + Send + 'static,
    {
        let mut job = job;
        for _ in 0..TRIES {
            let (engine, proof, tenant) = (self.app.engine.clone(), self.proof.clone(), self.tenant.clone());
            let attempt = move |session: &mut Session<'_>| match auth::caller(&engine, session, &proof, tenant.as_deref())? {
                Some(caller) => Ok(Attempt::Done(job(session, &caller)?)),
                None => Ok(Attempt::Stale(job)),
            };
            let outcome = match work {
                Work::Read(weight) => self.app.db.read(weight, attempt).await?,
                Work::Write => {
                    let written = self.app.db.write(attempt).await;
                    self.app.engine.security.expire();
                    written?
                }
            };
            match outcome {
                Attempt::Done(value) => return Ok(value),
                Attempt::Stale(unused) => job = unused,
            }
            self.app.auth.forget(self.presented);
            self.proof = self.app.auth.prove(self.presented).await?.0;
        }
        Err(Fault::new(&fault::BUSY, "Users and roles are changing all the time."))
    }

    /// Only looks that the proof still holds.
    pub async fn check(self) -> Outcome<()> {
        self.run(Work::Read(Weight::Key), |_, _| Ok(())).await
    }

    /// Says `fault`, but only to a caller whose proof still holds.
    pub async fn refuse<T: Send + 'static>(self, fault: Fault) -> Outcome<T> {
        self.run(Work::Read(Weight::Key), |_, _| Err(fault)).await
    }
}

/// What a request says about who is calling.
pub fn presented<'a>(app: &App, request: &'a HttpRequest) -> Presented<'a> {
    let headers = request.headers();
    Presented {
        authorization: headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()),
        token_header: headers.get(app.config.token_header.as_str()).map(|value| value.as_bytes()),
        query: None,
        cookie: None,
        from: request.peer_addr().map(|peer| peer.ip()),
    }
}

/// Puts what signing in has to say into an answer, whatever the answer is.
pub fn announce(news: &News, headers: &mut HeaderMap) {
    let mut put = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    if let Some(reply) = &news.negotiate {
        put(header::WWW_AUTHENTICATE, &format!("Negotiate {reply}"));
    }
}

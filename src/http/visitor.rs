//! Who is calling, for the time of one request: the only way to the database.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};

use super::app::App;
use super::cors::is_change;
use super::origin::{self, origin};
use super::reply::TOKEN;
use crate::auth::accounts::Asker;
use crate::auth::{self, Cookie, News, Presented, Proof};
use crate::model::caller::{Caller, Client};
use crate::model::clock::SECOND;
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
    /// From where; of requests that may begin a session.
    client: Option<Arc<Client>>,
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
        for name in [header::AUTHORIZATION.as_str(), &app.config.token_header] {
            if headers.get_all(name).nth(1).is_some() {
                return Err(Fault::new(&fault::BAD_REQUEST, format!("There is one header `{name}` at most.")));
            }
        }
        let presented = presented(app, request);
        if is_change(request) && presented.is_by_cookie() {
            app.finish.cors.check_page(request, &origin(&app.config, request)?)?;
        }
        Visitor::with(app, request, presented).await
    }

    /// Who has presented these credentials, from wherever in the request they are.
    ///
    /// # Errors
    /// 401.
    pub async fn with(app: &'a App, request: &'a HttpRequest, presented: Presented<'a>) -> Outcome<Visitor<'a>> {
        let headers = request.headers();
        let (proof, news) = app.auth.prove(presented).await?;
        if let Some(news) = news {
            tell(request, news);
        }
        let tenant = tenant_named(&app.config.tenant_headers, headers)?;
        Ok(Visitor {
            app,
            presented,
            tenant,
            client: (request.method() == Method::POST || presented.password.is_some()).then(|| client(request, presented.from)),
            proof,
        })
    }

    /// Who is there, for what has to be done before a job.
    pub fn asker(&self) -> Asker<'_> {
        Asker {
            caller: Some(&self.proof.caller),
            from: self.presented.from,
        }
    }

    /// The same visitor, for a job of its own before the last one.
    pub fn again(&self) -> Visitor<'a> {
        Visitor {
            app: self.app,
            presented: self.presented,
            tenant: self.tenant.clone(),
            client: self.client.clone(),
            proof: self.proof.clone(),
        }
    }

    /// Whether the headers of a part of a batch name another tenant than those of the batch: nobody may believe to act in a tenant, and
    /// act in another. Clients that put their headers into every part name the same one.
    pub fn contradicts(&self, part: &[(&str, &str)]) -> bool {
        let names = &self.app.config.tenant_headers;
        let mut named = part
            .iter()
            .filter(|(name, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name)));
        named.any(|(_, value)| {
            self.tenant
                .as_deref()
                .is_none_or(|tenant| !tenant.eq_ignore_ascii_case(value.trim()))
        })
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
            let client = self.client.clone();
            let attempt = move |session: &mut Session<'_>| match auth::caller(&engine, session, &proof, tenant.as_deref())? {
                Some(mut caller) => {
                    caller.entry.client = client;
                    Ok(Attempt::Done(job(session, &caller)?))
                }
                None => Ok(Attempt::Stale(job)),
            };
            let outcome = match work {
                Work::Read(weight) => self.app.db.read(weight, attempt).await?,
                Work::Write => self.app.db.write(attempt).await?,
            };
            match outcome {
                Attempt::Done(value) => return Ok(value),
                Attempt::Stale(unused) => job = unused,
            }
            self.proof = self.app.auth.prove_again(self.presented, &self.proof).await?;
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

/// The tenant that a request names. A cookie of the same name says nothing: a browser sends it along by itself, also for another page or
/// tab than the one that set it, and what is written then lands in a tenant that nobody thought of.
///
/// # Errors
/// 400 when it is empty or no text, or when there are several that are not the same, or the same header twice: a proxy and this server
/// could each believe another one of them.
fn tenant_named(names: &[String], headers: &HeaderMap) -> Outcome<Option<String>> {
    let bad = |message: &'static str| Err(Fault::new(&fault::BAD_REQUEST, message));
    let mut named: Option<&str> = None;
    for name in names {
        let mut values = headers.get_all(name.as_str());
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return bad("A tenant header stands there twice.");
        }
        let value = std::str::from_utf8(value.as_bytes()).map(str::trim).unwrap_or_default();
        if value.is_empty() {
            return bad("A tenant header is empty.");
        }
        if named.is_some_and(|other| !other.eq_ignore_ascii_case(value)) {
            return bad("The tenant headers contradict each other.");
        }
        named = Some(value);
    }
    Ok(named.map(str::to_owned))
}

/// Whether a request with a log-in that browsers keep comes from a page that may change something; see
/// [`check_kept_log_in`](super::cors::Cors::check_kept_log_in).
///
/// # Errors
/// 403.
pub fn check_kept_log_in(app: &App, request: &HttpRequest) -> Outcome<()> {
    match is_change(request) && presented(app, request).is_by_kept_log_in() {
        true => app.finish.cors.check_kept_log_in(request, &origin(&app.config, request)?),
        false => Ok(()),
    }
}

/// What a request says about who is calling.
pub fn presented<'a>(app: &App, request: &'a HttpRequest) -> Presented<'a> {
    let headers = request.headers();
    Presented {
        authorization: headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()),
        token_header: headers.get(app.config.token_header.as_str()).map(|value| value.as_bytes()),
        query: app
            .config
            .auth
            .tokens
            .in_query
            .then(|| query_token(request.query_string()))
            .flatten(),
        cookie: cookie(headers),
        password: None,
        from: origin::client(&app.config, request),
    }
}

/// The query option `token`. Tokens have no letters that would be percent-encoded.
fn query_token(query: &str) -> Option<&[u8]> {
    let token = query.split('&').find_map(|piece| piece.strip_prefix("token="));
    token.filter(|token| !token.is_empty()).map(str::as_bytes)
}

/// A query without the token, for whatever repeats it.
pub fn without_token(query: &str) -> Cow<'_, str> {
    if !query.contains("token=") {
        return query.into();
    }
    let pieces: Vec<&str> = query.split('&').filter(|piece| !piece.starts_with("token=")).collect();
    pieces.join("&").into()
}

/// The first cookie `token` that holds something.
fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    let mut cookies = headers
        .get_all(header::COOKIE)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    cookies.find_map(|cookie| cookie.trim_ascii().strip_prefix(b"token=").filter(|token| !token.is_empty()))
}

fn client(request: &HttpRequest, from: Option<IpAddr>) -> Arc<Client> {
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    Arc::new(Client {
        address: from.map_or_else(String::new, |from| from.to_string()),
        agent: agent.unwrap_or_default().to_owned(),
    })
}

/// Has something told with the answer to a request.
pub fn tell(request: &HttpRequest, news: News) {
    let mut extensions = request.extensions_mut();
    let earlier: Option<News> = extensions.remove();
    extensions.insert(earlier.unwrap_or_default().then(news));
}

/// Offers Negotiate before every other scheme.
pub fn offer_tickets(headers: &mut HeaderMap) {
    let others: Vec<HeaderValue> = headers.remove(header::WWW_AUTHENTICATE).collect();
    for challenge in [HeaderValue::from_static("Negotiate")].into_iter().chain(others) {
        headers.append(header::WWW_AUTHENTICATE, challenge);
    }
}

/// Puts what signing in has to say into an answer, whatever the answer is.
pub fn announce(app: &App, request: &HttpRequest, headers: &mut HeaderMap) {
    let Some(news) = request.extensions_mut().remove::<News>() else {
        return;
    };
    let mut put = |name: &str, text: &str| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(text)) {
            headers.append(name, value);
        }
    };
    if let Some(reply) = &news.negotiate {
        put(header::WWW_AUTHENTICATE.as_str(), &format!("Negotiate {reply}"));
    }
    let is_secure = origin(&app.config, request).is_ok_and(|origin| origin.starts_with("https:"));
    let further = if is_secure { "; Secure" } else { "" };
    if let Some(token) = &news.token {
        put(TOKEN, &token.text);
        put(&app.config.token_header, &token.text);
        if news.cookie == Cookie::Set {
            let seconds = (token.until - app.engine.clock.now()).max(0) / SECOND;
            let text = &token.text;
            let cookie = format!("token={text}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{further}");
            put(header::SET_COOKIE.as_str(), &cookie);
        }
        // Nothing on the way keeps an answer that has a token in it.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if news.cookie == Cookie::Clear {
        let cookie = format!("token=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{further}");
        headers.append(
            header::SET_COOKIE,
            HeaderValue::try_from(cookie).unwrap_or(HeaderValue::from_static("token=")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn tokens_are_found_in_queries_and_taken_out() {
        for (query, token, rest) in [
            ("", None, ""),
            ("$top=1&token=a.b&x=1", Some("a.b"), "$top=1&x=1"),
            ("token=a", Some("a"), ""),
            ("token=", None, ""),
            ("mytoken=a&$skiptoken=b", None, "mytoken=a&$skiptoken=b"),
            ("token=a&token=b", Some("a"), ""),
        ] {
            assert_eq!(query_token(query), token.map(str::as_bytes), "{query}");
            assert_eq!(without_token(query), rest, "{query}");
        }
    }

    #[test]
    fn the_cookie_is_found() {
        for (cookies, expected) in [
            (&["a=1; token=x.y; b=2"][..], Some("x.y")),
            (&["token=x"], Some("x")),
            (&["a=1", "token=x"], Some("x")),
            (&["token=; token=x"], Some("x")),
            (&["mytoken=x"], None),
            (&["token"], None),
            (&[";;="], None),
            (&[], None),
        ] {
            let mut request = TestRequest::get();
            for line in cookies {
                request = request.append_header(("Cookie", *line));
            }
            let request = request.to_http_request();
            assert_eq!(cookie(request.headers()), expected.map(str::as_bytes), "{cookies:?}");
        }
    }
}

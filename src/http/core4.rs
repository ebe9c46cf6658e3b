//! Signing in and out as core4's clients do it (`reference/core4.md` 2.4 to 2.6, 3.8, 3.9): below its root, in its envelope.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use serde_json::{Map, Value as Json, json};

use super::app::App;
use super::body;
use super::login::{self, field};
use super::origin::origin;
use super::reply::Answer;
use super::visitor::{self, presented};
use crate::auth::{News, Presented};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::LOGIN_BYTES;
use crate::model::text;

/// Where core4's own services are.
pub const ROOT: &str = "core4/api/v1/";

/// Whether a path below the root leads to something here.
pub fn is_there(path: &str) -> bool {
    matches!(path, "login" | "reset" | "logout")
}

/// Answers in the envelope, faults too.
pub async fn answer(app: &App, request: &HttpRequest, payload: Payload, path: &str) -> Outcome<Answer> {
    let done = match (request.method(), path) {
        (&Method::GET, "login") if login::wants_page(request.headers()) => return Ok(login::page_elsewhere("../../../login")),
        (&Method::GET | &Method::HEAD | &Method::POST, "login") => sign_in(app, request, payload).await,
        (&Method::GET | &Method::HEAD | &Method::POST, "logout") => sign_out(app, request).await,
        (&Method::PUT, "login" | "reset") => reset(app, request, payload).await,
        (_, "logout") => Err(Fault::method("GET, HEAD, POST")),
        (_, "reset") => Err(Fault::method("PUT")),
        _ => Err(Fault::method("GET, HEAD, POST, PUT")),
    };
    Ok(match done {
        Ok(data) => envelope(app, 200, Some(("data", data))),
        // The cause of a fault of the server goes to the log, where all of them go.
        Err(fault) if fault.kind.status >= 500 && fault.kind != &fault::NOT_IMPLEMENTED => return Err(fault),
        Err(fault) => of_fault(app, &fault),
    })
}

/// A lost password: `email` has a token mailed, and is answered the same whether anybody has the address; `token` and `password` set it.
async fn reset(app: &App, request: &HttpRequest, payload: Payload) -> Outcome<Json> {
    let arguments = Arguments::of(app, request, payload).await?;
    let from = presented(app, request).from;
    match (arguments.email, arguments.token, arguments.password) {
        (Some(mail), None, None) => app.auth.request_reset(mail, from).await.map(|()| Json::Null),
        (None, Some(token), Some(password)) => app.auth.reset_password(token, password, from).await.map(|()| "OK".into()),
        _ => Err(Fault::new(&fault::BAD_REQUEST, "This takes `email`, or `token` and `password`.")),
    }
}

async fn sign_in(app: &App, request: &HttpRequest, payload: Payload) -> Outcome<Json> {
    let arguments = Arguments::of(app, request, payload).await?;
    let found = presented(app, request);
    let credentials = arguments.over(found);
    if found.authorization.is_none() && found.token_header.is_none() {
        check_page(app, request)?;
    }
    let fresh = login::sign_in(app, request, credentials).await?;
    let token = fresh.text.clone();
    visitor::tell(request, News::of(fresh));
    Ok(json!({ "token": token }))
}

async fn sign_out(app: &App, request: &HttpRequest) -> Outcome<Json> {
    let found = presented(app, request);
    if found.is_by_cookie() {
        check_page(app, request)?;
    }
    login::sign_out(app, request, found).await?;
    Ok("OK".into())
}

/// Where a browser says which page has sent the request, it is one of this server or of an origin that may call. Programs say nothing.
fn check_page(app: &App, request: &HttpRequest) -> Outcome<()> {
    let says = |name: &str| request.headers().contains_key(name);
    let is_change = request.method() == Method::POST && presented(app, request).is_by_cookie();
    match is_change || says("origin") || says("sec-fetch-site") {
        true => app.finish.cors.check_page(request, &origin(&app.config, request)?),
        false => Ok(()),
    }
}

/// Credentials among the arguments of a request: in its body, JSON whatever its type says, or a form; where secrets may stand in
/// queries, there too.
#[derive(Debug, Default)]
struct Arguments {
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    email: Option<String>,
}

impl Arguments {
    async fn of(app: &App, request: &HttpRequest, payload: Payload) -> Outcome<Arguments> {
        let mut arguments = Arguments::default();
        if app.config.auth.tokens.in_query {
            arguments.take(|name| field(request.query_string(), name));
        }
        arguments.email = field(request.query_string(), "email");
        if [Method::POST, Method::PUT].contains(request.method()) {
            let bytes = body::read(request.headers(), payload, LOGIN_BYTES).await?;
            let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            arguments.take_body(content_type.unwrap_or_default(), &bytes);
        }
        Ok(arguments)
    }

    fn take_body(&mut self, content_type: &str, bytes: &[u8]) {
        if let Ok(Json::Object(members)) = serde_json::from_slice::<Json>(bytes) {
            let member = |name: &str| members.get(name).and_then(Json::as_str).map(str::to_owned);
            self.take(member);
        } else if content_type
            .trim()
            .to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
            && let Ok(form) = std::str::from_utf8(bytes)
        {
            self.take(|name| field(form, name));
        }
    }

    /// What is found stands above what was there.
    fn take(&mut self, find: impl Fn(&str) -> Option<String>) {
        for (name, place) in [
            ("token", &mut self.token),
            ("username", &mut self.username),
            ("password", &mut self.password),
            ("email", &mut self.email),
        ] {
            *place = find(name).or(place.take());
        }
    }

    /// The order of trial: headers, a token, name and password, the cookie.
    fn over<'a>(&'a self, found: Presented<'a>) -> Presented<'a> {
        if found.authorization.is_some() || found.token_header.is_some() {
            return found;
        }
        match (&self.token, &self.username, &self.password) {
            (Some(token), ..) => Presented {
                query: Some(token.as_bytes()),
                ..found
            },
            (None, Some(name), Some(password)) => Presented {
                password: Some((name, password)),
                ..found
            },
            _ => found,
        }
    }
}

fn of_fault(app: &App, fault: &Fault) -> Answer {
    let mut answer = match fault.kind.status {
        // Nothing is said about why.
        401 => envelope(app, 401, None),
        status => envelope(app, status, Some(("error", Json::String(fault.message.to_string())))),
    };
    answer.allow = fault.allow;
    if fault.kind.status == 401 {
        answer.further = vec![("www-authenticate", "Bearer realm=\"Odonata\"".into())];
    }
    if let Some(seconds) = fault.retry_after {
        answer.further.push(("retry-after", seconds.to_string().into()));
    }
    answer
}

fn envelope(app: &App, status: u16, rest: Option<(&str, Json)>) -> Answer {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(24);
    let mut now = text::ticks_to_text(app.engine.clock.now());
    now.truncate("yyyy-MM-ddTHH:mm:ss.ffffff".len());
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut members = Map::new();
    members.insert("_id".to_owned(), id.into());
    members.insert("version".to_owned(), concat!("odonata/", env!("CARGO_PKG_VERSION")).into());
    members.insert("timestamp".to_owned(), now.into());
    members.insert("message".to_owned(), reason.unwrap_or_default().into());
    members.insert("code".to_owned(), status.into());
    if let Some((name, value)) = rest {
        members.insert(name.to_owned(), value);
    }
    Answer {
        content_type: "application/json;charset=utf-8",
        body: Json::Object(members).to_string().into(),
        ..Answer::of(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_an_order() {
        let all = Arguments {
            token: Some("t".into()),
            username: Some("u".into()),
            password: Some("p".into()),
            ..Arguments::default()
        };
        let pair = Arguments {
            token: None,
            username: Some("u".into()),
            password: Some("p".into()),
            ..Arguments::default()
        };
        let cookie = Presented {
            cookie: Some(b"c"),
            ..Presented::default()
        };
        let basic = Presented {
            authorization: Some(b"Basic x"),
            ..cookie
        };
        assert_eq!(all.over(basic).query, None);
        assert_eq!(all.over(cookie).query, Some(&b"t"[..]));
        assert_eq!(pair.over(cookie).password, Some(("u", "p")));
        assert!(Arguments::default().over(cookie).is_by_cookie());
    }

    #[test]
    fn arguments_are_json_whatever_the_type_says() {
        for (content_type, body, expected) in [
            (
                "text/plain",
                &b"{\"username\":\"u\",\"password\":\"p\"}"[..],
                (Some("u"), Some("p")),
            ),
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                b"username=u&password=p%20q",
                (Some("u"), Some("p q")),
            ),
            ("application/json", b"username=u", (None, None)),
            ("application/json", b"{\"username\":1}", (None, None)),
            ("", b"\xff", (None, None)),
            ("", b"", (None, None)),
        ] {
            let mut found = Arguments::default();
            found.take_body(content_type, body);
            assert_eq!((found.username.as_deref(), found.password.as_deref()), expected, "{content_type}");
        }
    }
}

//! Signing in and out for people with a browser: a page with a form, and the cookie that comes of it.

use std::sync::LazyLock;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::app::App;
use super::body;
use super::origin::{client, origin, split_url};
use super::reply::Answer;
use super::visitor::{self, Visitor, Work, without_token};
use crate::auth::{Cookie, Fresh, News, Presented};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{LOGIN_BYTES, NEXT_BYTES};
use crate::odata::url::{decode_query, encode};

/// The page, with places for a message, the way on and the user's name.
const PAGE: &str = include_str!("login.html");

/// What the page may do: show itself and send its form here.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = between(PAGE, "<style>", "</style>").unwrap_or_default();
    let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
});

/// `/login`
pub async fn answer(app: &App, request: &HttpRequest, payload: Payload) -> Outcome<Answer> {
    match *request.method() {
        Method::GET | Method::HEAD => {
            let next = field(request.query_string(), "next").filter(|next| is_local(next));
            Ok(page(200, "", next.as_deref(), ""))
        }
        Method::POST => {
            let body = body::read(request.headers(), payload, LOGIN_BYTES).await?;
            let text = std::str::from_utf8(&body).map_err(|_| Fault::new(&fault::BAD_BODY, "The form is not text."))?;
            let said = |name: &str| field(text, name).unwrap_or_default();
            let next = Some(said("next")).filter(|next| is_local(next));
            let name = said("username");
            match enter(app, request, &name, &said("password")).await {
                Ok(fresh) => {
                    visitor::tell(request, News::of(fresh));
                    redirect(app, request, next.as_deref().unwrap_or("/"))
                }
                Err(fault) if fault.kind == &fault::INTERNAL => Err(fault),
                Err(fault) => Ok(page(fault.kind.status, &fault.message, next.as_deref(), &name)),
            }
        }
        _ => Err(Fault::method("GET, HEAD, POST")),
    }
}

/// `/logout`: ends the session of the cookie, takes the cookie away and shows the page again.
pub async fn leave(app: &App, request: &HttpRequest) -> Outcome<Answer> {
    if request.method() != Method::POST {
        return Err(Fault::method("POST"));
    }
    app.finish.cors.check_page(request, &origin(&app.config, request)?)?;
    sign_out(app, request, visitor::presented(app, request)).await?;
    redirect(app, request, "/login")
}

/// What a browser that opens a page without having signed in is shown instead of a fault; programs get their 401.
pub fn instead(app: &App, request: &HttpRequest, fault: &Fault) -> Option<Answer> {
    let headers = request.headers();
    let is_page = request.method() == Method::GET && wants_page(headers) && !headers.contains_key(header::AUTHORIZATION);
    if fault.kind.status != 401 || !is_page {
        return None;
    }
    // Below the prefix of `public_url`, as the redirect after signing in puts that in front again.
    let prefix = app
        .config
        .public_url
        .as_deref()
        .and_then(split_url)
        .map_or("", |(_, prefix)| prefix);
    let path = request.uri().path();
    let path = path.strip_prefix(prefix).filter(|path| path.starts_with('/')).unwrap_or(path);
    let next = match without_token(request.query_string()) {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    let mut to = b"/login".to_vec();
    if is_local(&next) {
        to.extend_from_slice(b"?next=");
        encode(&next, &mut to);
    }
    redirect(app, request, &String::from_utf8(to).ok()?).ok()
}

/// Whether it is a person who looks at the answer.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = text("accept").to_ascii_lowercase();
    accept.trim_start().starts_with("text/html") || text("sec-fetch-mode") == "navigate" && accept.contains("text/html")
}

/// Begins a session by name and password. A form of another site signs nobody in: neither as himself nor as somebody else.
async fn enter(app: &App, request: &HttpRequest, name: &str, password: &str) -> Outcome<Fresh> {
    app.finish.cors.check_page(request, &origin(&app.config, request)?)?;
    let presented = Presented {
        password: Some((name, password)),
        from: client(&app.config, request),
        ..Presented::default()
    };
    sign_in(app, request, presented).await
}

/// A token for who presents these credentials.
pub async fn sign_in(app: &App, request: &HttpRequest, presented: Presented<'_>) -> Outcome<Fresh> {
    let visitor = Visitor::with(app, request, presented).await?;
    let engine = app.engine.clone();
    visitor
        .run(Work::Write, move |session, caller| engine.sign_in(session, caller))
        .await
}

/// Ends the session of a token, if it is good for anything, and takes the cookie away in any case.
pub async fn sign_out(app: &App, request: &HttpRequest, presented: Presented<'_>) -> Outcome<()> {
    let news = News {
        cookie: Cookie::Clear,
        ..News::default()
    };
    let ended = match Visitor::with(app, request, presented).await {
        Ok(visitor) => {
            let engine = app.engine.clone();
            visitor
                .run(Work::Write, move |session, caller| engine.sign_out(session, caller))
                .await
        }
        Err(fault) => Err(fault),
    };
    match ended {
        Err(fault) if fault.kind.status != 401 => Err(fault),
        _ => {
            visitor::tell(request, news);
            Ok(())
        }
    }
}

fn redirect(app: &App, request: &HttpRequest, to: &str) -> Outcome<Answer> {
    Ok(Answer {
        location: Some(format!("{}{to}", origin(&app.config, request)?)),
        further: vec![("cache-control", "no-store".into())],
        ..Answer::of(303)
    })
}

fn page(status: u16, message: &str, next: Option<&str>, name: &str) -> Answer {
    page_at("login", status, message, next, name)
}

/// The page, somewhere else than at `/login`; `action` leads there.
pub fn page_elsewhere(action: &str) -> Answer {
    page_at(action, 200, "", None, "")
}

fn page_at(action: &str, status: u16, message: &str, next: Option<&str>, name: &str) -> Answer {
    let alert = match message {
        "" => String::new(),
        message => format!("<p role=\"alert\">{}</p>", escaped(message)),
    };
    let body = PAGE
        .replace("{action}", action)
        .replace("{alert}", &alert)
        .replace("{next}", &escaped(next.unwrap_or_default()))
        .replace("{name}", &escaped(name));
    let mut further = vec![
        ("content-security-policy", POLICY.as_str().into()),
        ("referrer-policy", "same-origin".into()),
        ("x-frame-options", "DENY".into()),
    ];
    if status == 401 {
        // A challenge that browsers have no window of their own for.
        further.push(("www-authenticate", "Bearer realm=\"Odonata\"".into()));
    }
    Answer {
        content_type: "text/html;charset=utf-8",
        body: body.into(),
        further,
        ..Answer::of(status)
    }
}

/// A field of a form, or of a query.
pub fn field(form: &str, name: &str) -> Option<String> {
    form.split('&').find_map(|piece| {
        let (key, value) = piece.split_once('=')?;
        decode_query(key).filter(|key| key == name)?;
        decode_query(value)
    })
}

/// Whether a text is a path of this server, so that nobody is sent elsewhere after signing in.
fn is_local(next: &str) -> bool {
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_plain && next.starts_with('/') && !next.starts_with("//") && next.len() <= NEXT_BYTES
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn the_way_on_stays_here() {
        for (next, expected) in [
            ("/api/Core/", true),
            ("/api/Core/Users?$top=1&x=%20", true),
            ("/", true),
            ("", false),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("https://evil.example", false),
            ("javascript:alert(1)", false),
            ("/a\r\nSet-Cookie: x", false),
            ("/ü", false),
            (" /a", false),
        ] {
            assert_eq!(is_local(next), expected, "{next}");
        }
        assert!(!is_local(&format!("/{}", "a".repeat(NEXT_BYTES))));
    }

    #[test]
    fn only_people_are_shown_a_page() {
        for (accept, mode, expected) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", "", true),
            ("Text/HTML", "", true),
            ("application/xml,text/html", "navigate", true),
            ("application/xml,text/html", "", false),
            ("*/*", "", false),
            ("*/*", "navigate", false),
            ("application/atom+xml,application/xml", "", false),
            ("application/json;odata=minimalmetadata", "", false),
            ("", "", false),
        ] {
            let request = TestRequest::get()
                .insert_header(("accept", accept))
                .insert_header(("sec-fetch-mode", mode));
            assert_eq!(wants_page(request.to_http_request().headers()), expected, "{accept} {mode}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_the_page() {
        let page = page(401, "<b>", Some("/\"><script>"), "'><script>");
        let body = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(!body.contains("<script") && !body.contains("<b>"));
        assert!(body.contains("&lt;b&gt;") && body.contains("value=\"/&quot;&gt;&lt;script&gt;\""));
        assert!(POLICY.contains("'sha256-") && !POLICY.contains("unsafe"));
    }

    #[test]
    fn forms_are_read() {
        let form = "username=a%40b+c&password=p%26q&next=";
        let found = ["username", "password", "next", "none"].map(|name| field(form, name));
        assert_eq!(found, [Some("a@b c".into()), Some("p&q".into()), Some(String::new()), None]);
    }
}

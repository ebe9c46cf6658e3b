//! Pages of other origins: which may call, and what their browsers have to be told (HTP-2, HTP-3).

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::origin::{default_port, is_host};
use super::reply::Answer;
use crate::model::fault::{self, Fault, Outcome};

/// All methods. MERGE has to be named like the others.
pub const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, MERGE, DELETE, OPTIONS";
/// Headers that a page may send, besides those that settings name: OData's, and what datajs, OpenUI5 and their like add.
const REQUEST_HEADERS: &str = "authorization, content-type, accept, dataserviceversion, maxdataserviceversion, mindataserviceversion, \
    if-match, if-none-match, range, if-range, prefer, x-http-method, x-requested-with, x-csrf-token, sap-cancel-on-close, sap-contextid-accept, slug, \
    odonata-registration, odonata-attempt";
/// Headers that a page may read. Without the version some clients guess how to read the body.
const RESPONSE_HEADERS: &str = "DataServiceVersion, OData-Version, ETag, Location, DataServiceId, Preference-Applied, Allow, Retry-After, \
    Link, X-Request-Id, Content-Range, Accept-Ranges, Content-Disposition, token";
/// Headers that a page of another origin can only send after a preflight, as clients of this server do.
const ASKED_FOR: &[&str] = &[
    "x-requested-with",
    "dataserviceversion",
    "maxdataserviceversion",
    "x-http-method",
    "if-match",
];
/// Types of bodies that it can send without one.
const FORMS: &[&str] = &["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
/// Seconds that a browser may remember a preflight's answer: the longest that Chromium takes.
const MAX_AGE: &str = "7200";

/// Who may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    is_open: bool,
    listed: Vec<String>,
}

impl Origins {
    /// Reads the setting: origins with commas between, or `*`; empty is none.
    ///
    /// # Errors
    /// The item that is neither.
    pub fn read(text: &str) -> Result<Origins, String> {
        let mut origins = Origins::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match normal(item) {
                _ if item == "*" => origins.is_open = true,
                Some(origin) => origins.listed.push(origin),
                None => return Err(format!("is a list of origins like https://app.example.org, or *; not {item}")),
            }
        }
        Ok(origins)
    }
}

/// An origin as browsers send it: in lower case, without the scheme's own port.
fn normal(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, host) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let own = format!(":{}", default_port(scheme));
    let host = match scheme {
        "http" | "https" => host.strip_suffix(&own).unwrap_or(host),
        _ => host,
    };
    (is_scheme && is_host(host)).then(|| format!("{scheme}://{host}"))
}

/// The origin of a URL.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    normal(&format!("{scheme}://{host}"))
}

/// Whether a request may change something.
pub fn is_change(request: &HttpRequest) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method())
}

fn text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether the browser of a page of any origin could have sent a request without asking first (Fetch, 2.2.2).
fn is_unasked(request: &HttpRequest) -> bool {
    let content_type = text(request, "content-type").unwrap_or(FORMS[0]);
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    request.method() == Method::POST
        && FORMS.iter().any(|form| form.eq_ignore_ascii_case(content_type))
        && !ASKED_FOR.iter().any(|name| request.headers().contains_key(*name))
}

/// Whether the browser says that no other site has a hand in a request.
fn is_of_own_page(request: &HttpRequest) -> bool {
    matches!(text(request, "sec-fetch-site"), Some("same-origin" | "none"))
}

/// What browsers are told.
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
    request_headers: HeaderValue,
}

impl Cors {
    /// `further` are names of headers that a page may send.
    pub fn new(origins: Origins, further: &[String]) -> Cors {
        let names: Vec<String> = further.iter().map(|name| name.to_ascii_lowercase()).collect();
        let all = format!("{REQUEST_HEADERS}, {}", names.join(", "));
        let request_headers = HeaderValue::try_from(all).unwrap_or(HeaderValue::from_static(REQUEST_HEADERS));
        Cors { origins, request_headers }
    }

    /// Whether answers differ by `Origin`.
    pub fn is_on(&self) -> bool {
        self.origins != Origins::default()
    }

    /// `Access-Control-Allow-Origin` for the request's origin, and whether its browser may add credentials of its own. Those are
    /// only for origins that somebody wrote down.
    fn allowed(&self, request: &HttpRequest) -> Option<(HeaderValue, bool)> {
        let origin = request.headers().get(header::ORIGIN)?;
        let is_listed = |listed: &String| listed.as_bytes() == origin.as_bytes();
        if self.origins.listed.iter().any(is_listed) {
            return Some((origin.clone(), true));
        }
        self.origins.is_open.then(|| (HeaderValue::from_static("*"), false))
    }

    /// Browsers send the log-in that they keep along with forms of other sites, too: such a page may change nothing here unless its origin
    /// may call.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn check_site(&self, request: &HttpRequest) -> Outcome<()> {
        let says = |name: &str, value: &str| text(request, name) == Some(value);
        if !is_change(request) || !says("sec-fetch-site", "cross-site") {
            return Ok(());
        }
        match self.allowed(request) {
            Some((_, true)) => Ok(()),
            Some((_, false)) if says("sec-fetch-mode", "cors") => Ok(()),
            _ => Err(Fault::new(
                &fault::FORBIDDEN,
                "Pages of other sites may not change anything here; see `cors_origins`.",
            )),
        }
    }

    /// A change that only a cookie vouches for has to show that a page of this server, or of an origin that may call, has made it: by
    /// `Sec-Fetch-Site`, `Origin` or `Referer`, or by a header that pages of other sites cannot add. `own` is where clients reach the server.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn check_page(&self, request: &HttpRequest, own: &str) -> Outcome<()> {
        if is_of_own_page(request) || text(request, "x-requested-with").is_some() || self.is_known_page(request, own) == Some(true) {
            return Ok(());
        }
        Err(Fault::new(
            &fault::FORBIDDEN,
            "A change with a cookie comes from a page of this server, or has the header X-Requested-With.",
        ))
    }

    /// A change with a log-in that browsers keep and add to what a page of any site sends, which some of them (all, without HTTPS) say nothing
    /// of in `Sec-Fetch-Site`: the page that `Origin` or `Referer` names is one of this server, or its origin may call. Programs name none. `own`
    /// is where clients reach the server.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub fn check_kept_log_in(&self, request: &HttpRequest, own: &str) -> Outcome<()> {
        // Where any page may call, those may that have asked first, as for a log-in of their own they have to.
        let is_let_in = || self.origins.is_open && (text(request, "sec-fetch-mode") == Some("cors") || !is_unasked(request));
        let is_foreign = !is_of_own_page(request) && self.is_known_page(request, own) == Some(false);
        match is_foreign && !is_let_in() {
            false => Ok(()),
            true => Err(Fault::new(
                &fault::FORBIDDEN,
                "Pages of other origins may not change anything here; see `cors_origins`, and `public_url` for a server behind a proxy.",
            )),
        }
    }

    /// Whether the page that a request names as where it comes from is one of this server, or of an origin that is listed. None: it names none.
    fn is_known_page(&self, request: &HttpRequest, own: &str) -> Option<bool> {
        let page = origin_of(text(request, "origin").or_else(|| text(request, "referer"))?);
        let is_known = |page: String| origin_of(own).is_some_and(|own| own == page) || self.origins.listed.contains(&page);
        Some(page.is_some_and(is_known))
    }

    /// The answer to a preflight from an origin that may call: the same for every path, and so without credentials.
    pub fn preflight(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let asks = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || self.allowed(request).is_none() {
            return None;
        }
        let mut response = Answer::of(204).into_response();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.request_headers.clone());
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        Some(response)
    }

    /// What any answer to an origin that may call needs, so that the page sees it: errors too.
    pub fn mark(&self, request: &HttpRequest, headers: &mut HeaderMap) {
        const TRUE: HeaderValue = HeaderValue::from_static("true");
        const CREDENTIALS: HeaderName = header::ACCESS_CONTROL_ALLOW_CREDENTIALS;
        let Some((origin, with_credentials)) = self.allowed(request) else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
        if with_credentials {
            headers.insert(CREDENTIALS, TRUE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn origins_are_read() {
        for (text, open, listed) in [
            ("", false, &[][..]),
            ("*", true, &[]),
            ("https://a.example, HTTP://B:8080/", false, &["https://a.example", "http://b:8080"]),
            (
                "https://a:443,http://b:80,http://c:443",
                false,
                &["https://a", "http://b", "http://c:443"],
            ),
            ("*,app://localhost", true, &["app://localhost"]),
            ("http://[::1]:3000", false, &["http://[::1]:3000"]),
        ] {
            let listed = listed.iter().map(|origin| (*origin).to_owned()).collect();
            assert_eq!(Origins::read(text), Ok(Origins { is_open: open, listed }), "{text}");
        }
        for text in ["null", "a.example", "https://", "https://a/b", "https://*.a", "https://a@b", "://a"] {
            assert!(Origins::read(text).is_err(), "{text}");
        }
    }

    /// `Access-Control-Allow-Origin` and `-Credentials`.
    fn marked(origins: &str, origin: &str) -> (Option<String>, bool) {
        let cors = Cors::new(Origins::read(origins).unwrap(), &[]);
        let mut request = TestRequest::get();
        if !origin.is_empty() {
            request = request.insert_header(("Origin", origin));
        }
        let mut headers = HeaderMap::new();
        cors.mark(&request.to_http_request(), &mut headers);
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(
            text("access-control-allow-origin").is_some(),
            text("access-control-expose-headers").is_some()
        );
        (
            text("access-control-allow-origin"),
            text("access-control-allow-credentials").is_some(),
        )
    }

    #[test]
    fn only_listed_origins_may_add_credentials() {
        for (origins, origin, expected) in [
            ("", "https://a", (None, false)),
            ("https://a", "", (None, false)),
            ("https://a", "https://a", (Some("https://a"), true)),
            ("https://a", "https://a.evil", (None, false)),
            ("https://a", "http://a", (None, false)),
            ("https://a", "null", (None, false)),
            ("*", "https://a", (Some("*"), false)),
            ("*", "null", (Some("*"), false)),
            ("*,https://a", "https://a", (Some("https://a"), true)),
        ] {
            let expected = (expected.0.map(str::to_owned), expected.1);
            assert_eq!(marked(origins, origin), expected, "{origins} {origin}");
        }
    }

    #[test]
    fn a_cookie_alone_changes_nothing() {
        let cors = Cors::new(Origins::read("https://a,*").unwrap(), &[]);
        type Heads = &'static [(&'static str, &'static str)];
        let cases: &[(Heads, bool)] = &[
            (&[], false),
            (&[("Sec-Fetch-Site", "same-origin")], true),
            (&[("Sec-Fetch-Site", "none")], true),
            (&[("Sec-Fetch-Site", "same-site")], false),
            (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil")], false),
            (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://a")], true),
            (&[("Origin", "http://own:8080")], true),
            (&[("Origin", "http://own")], false),
            (&[("Origin", "null"), ("Referer", "http://own:8080/login")], false),
            (&[("Referer", "http://own:8080/api/Core/")], true),
            (&[("Referer", "http://own:8080.evil/")], false),
            (&[("Referer", "http://evil/http://own:8080/")], false),
            (&[("Referer", "nonsense")], false),
            (&[("X-Requested-With", "XMLHttpRequest")], true),
        ];
        for (heads, expected) in cases {
            let mut request = TestRequest::post();
            for head in *heads {
                request = request.insert_header(*head);
            }
            let outcome = cors.check_page(&request.to_http_request(), "http://own:8080/prefix");
            assert_eq!(outcome.is_ok(), *expected, "{heads:?}");
        }
    }

    #[test]
    fn a_log_in_that_browsers_keep_is_for_known_pages() {
        const FORM: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");
        const JSON: (&str, &str) = ("Content-Type", "application/json");
        type Heads = &'static [(&'static str, &'static str)];
        // With no origin that may call, with https://a, with all.
        let cases: &[(Heads, [bool; 3])] = &[
            (&[], [true; 3]),
            (&[FORM], [true; 3]),
            (&[("Origin", "http://own:8080"), FORM], [true; 3]),
            (&[("Origin", "HTTP://OWN:8080"), FORM], [true; 3]),
            (&[("Referer", "http://own:8080/api/Core/"), FORM], [true; 3]),
            (&[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://proxy")], [true; 3]),
            (&[("Origin", "http://own"), FORM], [false; 3]),
            (&[("Origin", "https://own:8080"), FORM], [false; 3]),
            (&[("Origin", "null"), FORM], [false; 3]),
            (&[("Origin", "https://evil")], [false; 3]),
            (&[("Origin", "https://evil"), ("Referer", "http://own:8080/")], [false; 3]),
            (&[("Referer", "https://evil/http://own:8080/"), FORM], [false; 3]),
            (&[("Origin", "https://a"), FORM], [false, true, false]),
            (&[("Origin", "https://evil"), JSON], [false, false, true]),
            (
                &[("Origin", "https://evil"), ("MaxDataServiceVersion", "3.0")],
                [false, false, true],
            ),
            (
                &[("Origin", "https://evil"), ("Sec-Fetch-Mode", "cors"), FORM],
                [false, false, true],
            ),
            (&[("Origin", "https://evil"), ("Sec-Fetch-Mode", "no-cors"), FORM], [false; 3]),
        ];
        for (heads, expected) in cases {
            let mut request = TestRequest::post();
            for head in *heads {
                request = request.insert_header(*head);
            }
            let request = request.to_http_request();
            let found = ["", "https://a", "*"].map(|origins| {
                let cors = Cors::new(Origins::read(origins).unwrap(), &[]);
                cors.check_kept_log_in(&request, "http://own:8080/prefix").is_ok()
            });
            assert_eq!(found, *expected, "{heads:?}");
        }
    }

    #[test]
    fn only_preflights_of_allowed_origins_are_answered() {
        let cors = Cors::new(Origins::read("https://a").unwrap(), &["Tenant-Id".to_owned()]);
        let asking = |origin: &'static str| {
            let request = TestRequest::default().method(Method::OPTIONS).insert_header(("Origin", origin));
            request.insert_header(("Access-Control-Request-Method", "MERGE"))
        };
        let response = cors.preflight(&asking("https://a").to_http_request()).unwrap();
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(response.status().as_u16(), 204);
        assert!(header("access-control-allow-methods").contains("MERGE"));
        assert!(header("access-control-allow-headers").ends_with(", tenant-id"));
        assert!(cors.preflight(&asking("https://b").to_http_request()).is_none());
        assert!(cors.preflight(&asking("https://a").method(Method::GET).to_http_request()).is_none());
        let plain = TestRequest::default()
            .method(Method::OPTIONS)
            .insert_header(("Origin", "https://a"));
        assert!(cors.preflight(&plain.to_http_request()).is_none());
    }
}

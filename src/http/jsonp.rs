//! JSONP (CON-25): an answer as a call in a script, for pages of other origins and browsers older than CORS.
//!
//! A script may be asked for by every page that its user visits, with the user's credentials, and be read by it: what CORS is there
//! to prevent. So a browser that says that the page is of another site gets none, unless the setting `jsonp` allows it.

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, body::MessageBody};

use super::request::option_value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::CALLBACK_BYTES;
use crate::odata::json::write_string;

/// Who may ask for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jsonp {
    /// Everybody but pages that the browser calls `cross-site`.
    #[default]
    SameSite,
    /// Everybody.
    AnySite,
}

/// The function that the answer calls.
#[derive(Debug, PartialEq, Eq)]
pub struct Callback(String);

impl Callback {
    /// From `$callback`. `site` is the header `Sec-Fetch-Site`.
    ///
    /// # Errors
    /// 400 for another method than GET, and for what is no name of a function; 403 for a page of another site.
    pub fn of(method: &str, query: &str, site: Option<&str>, allowed: Jsonp) -> Outcome<Option<Callback>> {
        let Some(name) = option_value(query, "$callback").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        if !matches!(method, "GET" | "HEAD") {
            return Err(Fault::new(&fault::BAD_OPTION, "`$callback` goes with GET only."));
        }
        if !is_name(&name) {
            let message = format!("`$callback` is a name, or names with dots between, of at most {CALLBACK_BYTES} characters.");
            return Err(Fault::new(&fault::BAD_OPTION, message));
        }
        if allowed == Jsonp::SameSite && site == Some("cross-site") {
            let message = "A page of another site may not use `$callback`, unless the server's setting `jsonp` says so.";
            return Err(Fault::new(&fault::FORBIDDEN, message));
        }
        Ok(Some(Callback(name)))
    }

    /// The response as a script: `name(<json>)`. Text becomes a JSON string; what is neither stays as it is.
    pub fn wrap(&self, response: HttpResponse) -> HttpResponse {
        let is = |media: &str| {
            let found = response.headers().get(header::CONTENT_TYPE);
            found.is_some_and(|found| found.as_bytes().starts_with(media.as_bytes()))
        };
        let (is_json, is_text) = (is("application/json"), is("text/plain"));
        if !is_json && !is_text {
            return response;
        }
        let (mut response, body) = response.into_parts();
        let body = match body.try_into_bytes() {
            Ok(bytes) if is_json => script(&self.0, &bytes),
            Ok(bytes) => {
                let mut text = Vec::new();
                write_string(&String::from_utf8_lossy(&bytes), &mut text);
                script(&self.0, &text)
            }
            Err(streamed) => return response.set_body(streamed),
        };
        let script = HeaderValue::from_static("text/javascript;charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, script);
        response.set_body(body).map_into_boxed_body()
    }
}

/// An identifier of ASCII, or several with dots between: nothing that could be a script by itself.
fn is_name(name: &str) -> bool {
    let is_identifier = |part: &str| {
        let is_first = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$');
        part.bytes().next().is_some_and(is_first) && part.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
    };
    name.len() <= CALLBACK_BYTES && name.split('.').all(is_identifier)
}

fn script(name: &str, json: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(name.len() + json.len() + 2);
    out.extend_from_slice(name.as_bytes());
    out.push(b'(');
    let mut rest = json;
    // Older scripts take these two for the end of a line, even in a string; outside of strings JSON has none.
    while let Some(at) = rest.windows(3).position(|bytes| matches!(bytes, [0xE2, 0x80, 0xA8 | 0xA9])) {
        out.extend_from_slice(&rest[..at]);
        let escape: &[u8] = if rest[at + 2] == 0xA8 { b"\\u2028" } else { b"\\u2029" };
        out.extend_from_slice(escape);
        rest = &rest[at + 3..];
    }
    out.extend_from_slice(rest);
    out.push(b')');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(CALLBACK_BYTES);
        for name in ["f", "_", "$", "jQuery17_123", "a.b.c", "$.x", &long] {
            let found = Callback::of("GET", &format!("a=1&$callback={name}"), None, Jsonp::SameSite);
            assert_eq!(found.unwrap(), Some(Callback(name.to_owned())), "{name}");
        }
        for name in [
            "1a",
            "a.",
            ".a",
            "a..b",
            "a[0]",
            "a-b",
            "a(b)",
            "a b",
            "%C3%A4",
            &format!("{long}a"),
        ] {
            let found = Callback::of("GET", &format!("%24callback={name}"), None, Jsonp::SameSite);
            assert_eq!(found.unwrap_err().kind.status, 400, "{name}");
        }
        for query in ["", "callback=f", "$callback=", "$callback"] {
            assert_eq!(Callback::of("POST", query, None, Jsonp::SameSite).unwrap(), None, "{query}");
        }
    }

    #[test]
    fn who_may_ask() {
        for (method, site, allowed, status) in [
            ("GET", None, Jsonp::SameSite, 200),
            ("GET", Some("same-origin"), Jsonp::SameSite, 200),
            ("GET", Some("none"), Jsonp::SameSite, 200),
            ("GET", Some("cross-site"), Jsonp::SameSite, 403),
            ("GET", Some("cross-site"), Jsonp::AnySite, 200),
            ("POST", None, Jsonp::AnySite, 400),
        ] {
            let found = Callback::of(method, "$callback=f", site, allowed);
            let found = found.map_or_else(|fault| fault.kind.status, |_| 200);
            assert_eq!(found, status, "{method} {site:?} {allowed:?}");
        }
    }

    #[test]
    fn scripts() {
        for (content_type, body, expected) in [
            (
                "application/json;odata=verbose;charset=utf-8",
                "{\"d\":\"\u{2028}ä\u{2029}\"}",
                "f({\"d\":\"\\u2028ä\\u2029\"})",
            ),
            ("text/plain;charset=utf-8", "a\"b", "f(\"a\\\"b\")"),
            ("application/xml;charset=utf-8", "<x/>", "<x/>"),
        ] {
            let response = HttpResponse::NotFound().content_type(content_type).body(body);
            let response = Callback("f".to_owned()).wrap(response);
            assert_eq!(response.status(), 404);
            let found = response.into_body().try_into_bytes().unwrap();
            assert_eq!(String::from_utf8_lossy(&found), expected);
        }
    }
}

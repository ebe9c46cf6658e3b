//! Answers and faults as HTTP responses: the headers that every response has are set here and nowhere else.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;

use super::media::{MediaBody, Parts};
use crate::auth::{News, SCHEMES};
use crate::model::fault::{self, Fault};
use crate::odata::accept::Choice;
use crate::odata::error;

/// The header that a token goes out in, as core4's clients read it.
pub const TOKEN: &str = "token";
/// Seconds in `Retry-After` of a 503.
const RETRY_SECONDS: &str = "1";

/// A response before it is one.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `DataServiceVersion`; 3.0 if empty.
    pub version: &'static str,
    /// `Content-Type`; none if empty.
    pub content_type: &'static str,
    /// `Content-Type` of an answer in many parts, which has a boundary of its own.
    pub multipart: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// `DataServiceId`.
    pub id: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// The ETag is that of the bytes, and not of the entity that they describe.
    pub is_of_bytes: bool,
    /// `Preference-Applied`; none if empty.
    pub preference: &'static str,
    /// `Allow`; none if empty.
    pub allow: &'static str,
    /// URL of the next page, where the format has no place for it.
    pub next: Option<String>,
    /// Headers that few answers have; names in lower case.
    pub further: Vec<(&'static str, Cow<'static, str>)>,
    /// What signing in or out has to tell beside the answer; on a connection [`announce`](super::visitor::announce) tells it.
    pub news: Option<Box<News>>,
    /// The body.
    pub body: Bytes,
    /// A stream instead of it.
    pub media: Option<MediaBody>,
}

impl Answer {
    /// Only a status.
    pub fn of(status: u16) -> Answer {
        Answer {
            status,
            ..Answer::default()
        }
    }

    /// With the headers that go with it.
    pub fn reply(self) -> Reply {
        let mut reply = Reply {
            status: self.status,
            head: Vec::new(),
            body: self.body,
            stream: None,
        };
        let version = if self.version.is_empty() { "3.0" } else { self.version };
        reply.add("dataserviceversion", version);
        reply.add("x-content-type-options", "nosniff");
        // Browsers ask again with the ETag whatever format they want now, and take what they have for a 304; but the ETag is the entity's.
        let may_be_kept = self.etag.is_none() || self.is_of_bytes;
        reply.add("cache-control", if may_be_kept { "no-cache" } else { "no-cache, no-store" });
        for (name, text) in [
            ("content-type", self.content_type),
            ("preference-applied", self.preference),
            ("allow", self.allow),
        ] {
            if !text.is_empty() {
                reply.add(name, text);
            }
        }
        for (name, text) in [
            ("content-type", self.multipart),
            ("location", self.location),
            ("dataserviceid", self.id),
            ("etag", self.etag),
            ("link", self.next.map(|next| format!("<{next}>; rel=\"next\""))),
        ] {
            if let Some(text) = text {
                reply.add(name, text);
            }
        }
        for (name, text) in self.further {
            reply.add(name, text);
        }
        // In a batch: a part has no cookies.
        if let Some(token) = self.news.and_then(|news| news.token) {
            reply.add(TOKEN, token.text);
        }
        if let Some(media) = self.media {
            reply.add_media(media);
        }
        reply
    }

    /// The response.
    pub fn into_response(self) -> HttpResponse {
        self.reply().into_response()
    }
}

/// A response, of a connection or in a batch.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers; names in lower case.
    pub head: Vec<(&'static str, Cow<'static, str>)>,
    /// The body.
    pub body: Bytes,
    /// A body that is still to be read, instead of it.
    pub stream: Option<Parts>,
}

impl Reply {
    /// URLs and ETags are percent-encoded, and what was taken in as the text of a header is one: only what could break out of its line
    /// is left out, whatever it is.
    fn add(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        let value = value.into();
        if !value.chars().any(|c| c.is_ascii_control() && c != '\t') {
            self.head.push((name, value));
        }
    }

    /// A stream as the body. What clients have uploaded is never run as a page of this origin, and goes out as it came in.
    fn add_media(&mut self, media: MediaBody) {
        self.add("accept-ranges", "bytes");
        self.add("content-security-policy", "sandbox; default-src 'none'");
        self.add("content-encoding", "identity");
        self.add("content-type", media.content_type);
        if let Some(range) = media.content_range {
            self.add("content-range", range);
        }
        self.stream = Some(media.parts);
    }

    /// The response.
    pub fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::new(status);
        for (name, value) in self.head {
            if let Ok(value) = HeaderValue::try_from(value.into_owned()) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        match self.stream {
            None => response.set_body(self.body).map_into_boxed_body(),
            Some(parts) => response.set_body(parts).map_into_boxed_body(),
        }
    }
}

/// The response of a fault.
pub fn of_fault(fault: &Fault, choice: Choice) -> HttpResponse {
    fault_reply(fault, choice).into_response()
}

/// What is answered to a fault. A cause goes to the log under an id that the client gets too, and nowhere else.
pub fn fault_reply(fault: &Fault, choice: Choice) -> Reply {
    let answer = Answer {
        version: choice.version.text(),
        content_type: choice.content_type,
        allow: fault.allow,
        body: error::write(fault, choice.syntax).into(),
        ..Answer::of(fault.kind.status)
    };
    let mut reply = answer.reply();
    // 501 is no fault of the server: nothing is wrong that somebody should look into.
    if fault.kind.status >= 500 && fault.kind.status != 501 {
        let id = uuid::Uuid::new_v4().to_string();
        let cause = fault.cause.as_deref().unwrap_or("");
        match fault.kind.status {
            500 => tracing::error!(request = %id, code = fault.kind.code, cause, "{}", fault.message),
            _ => tracing::warn!(request = %id, code = fault.kind.code, cause, "{}", fault.message),
        }
        reply.add("x-request-id", id);
    }
    if fault.kind.status == 401 {
        for scheme in SCHEMES {
            match fault.kind == &fault::INVALID_TOKEN && scheme.name == "Bearer" {
                // Nothing about the reason (RFC 6750 3.1): the log has it.
                true => reply.add("www-authenticate", format!("{}, error=\"invalid_token\"", scheme.challenge)),
                false => reply.add("www-authenticate", scheme.challenge),
            }
        }
    }
    match fault.retry_after {
        Some(seconds) => reply.add("retry-after", seconds.to_string()),
        None if fault.kind.status == 503 => reply.add("retry-after", RETRY_SECONDS),
        None => {}
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::accept;

    fn head(response: &HttpResponse) -> Vec<(String, String)> {
        let mut head: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        head.sort();
        head
    }

    #[test]
    fn every_response_has_the_common_headers() {
        let answer = Answer {
            etag: Some("W/\"1\"".into()),
            location: Some("http://h/%0A".into()),
            ..Answer::of(201)
        };
        let response = answer.into_response();
        assert_eq!(response.status().as_u16(), 201);
        let expected = [
            ("cache-control", "no-cache, no-store"),
            ("dataserviceversion", "3.0"),
            ("etag", "W/\"1\""),
            ("location", "http://h/%0A"),
            ("x-content-type-options", "nosniff"),
        ];
        assert_eq!(head(&response), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn faults_have_what_their_status_needs() {
        let choice = accept::for_error(&accept::Wishes {
            format: Some("xml"),
            ..accept::Wishes::none()
        });
        let cases = [
            (
                Fault::new(&fault::UNAUTHENTICATED, "x"),
                "www-authenticate",
                Some("Bearer realm=\"Odonata\", Basic realm=\"Odonata\""),
            ),
            (
                Fault::new(&fault::INVALID_TOKEN, "x"),
                "www-authenticate",
                Some("Bearer realm=\"Odonata\", error=\"invalid_token\", Basic realm=\"Odonata\""),
            ),
            (Fault::method("GET, POST"), "allow", Some("GET, POST")),
            (Fault::new(&fault::BUSY, "x"), "retry-after", Some("1")),
            (Fault::new(&fault::UNREACHABLE, "x"), "retry-after", Some("1")),
            (Fault::too_many(7), "retry-after", Some("7")),
            (Fault::not_found(), "x-request-id", None),
        ];
        for (fault, name, expected) in cases {
            let response = of_fault(&fault, choice);
            assert_eq!(response.status().as_u16(), fault.kind.status);
            let found: Vec<&str> = response.headers().get_all(name).map(|value| value.to_str().unwrap()).collect();
            assert_eq!(found.join(", "), expected.unwrap_or_default(), "{name}");
        }
        assert!(of_fault(&Fault::internal("secret"), choice).headers().contains_key("x-request-id"));
    }
}

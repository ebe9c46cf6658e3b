//! Answers and faults as HTTP responses: the headers that every response has are set here and nowhere else.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Bytes;

use super::media::MediaBody;
use crate::auth::SCHEMES;
use crate::model::fault::{self, Fault};
use crate::odata::accept::Choice;
use crate::odata::error;

const DATA_SERVICE_VERSION: HeaderName = HeaderName::from_static("dataserviceversion");
const DATA_SERVICE_ID: HeaderName = HeaderName::from_static("dataserviceid");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
    /// `Location`.
    pub location: Option<String>,
    /// `DataServiceId`.
    pub id: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Preference-Applied`; none if empty.
    pub preference: &'static str,
    /// `Allow`; none if empty.
    pub allow: &'static str,
    /// URL of the next page, where the format has no place for it.
    pub next: Option<String>,
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

    /// The response.
    pub fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::with_body(status, self.body);
        let headers = response.headers_mut();
        let version = if self.version.is_empty() { "3.0" } else { self.version };
        headers.insert(DATA_SERVICE_VERSION, HeaderValue::from_static(version));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let fixed = [
            (header::CONTENT_TYPE, self.content_type),
            (PREFERENCE_APPLIED, self.preference),
            (header::ALLOW, self.allow),
        ];
        for (name, text) in fixed {
            if !text.is_empty() {
                headers.insert(name, HeaderValue::from_static(text));
            }
        }
        for (name, text) in [
            (header::LOCATION, self.location),
            (DATA_SERVICE_ID, self.id),
            (header::ETAG, self.etag),
            (header::LINK, self.next.map(|next| format!("<{next}>; rel=\"next\""))),
        ] {
            // URLs and ETags are percent-encoded, so they are always values of headers.
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        match self.media {
            None => response.map_into_boxed_body(),
            Some(media) => with_media(response, media),
        }
    }
}

/// A stream as the body. What clients have uploaded is never run as a page of this origin, and goes out as it came in.
fn with_media(mut response: HttpResponse<Bytes>, media: MediaBody) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
    // What was taken in as the text of a header is one.
    for (name, text) in [
        (header::CONTENT_TYPE, Some(media.content_type)),
        (header::CONTENT_RANGE, media.content_range),
    ] {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    response.set_body(media.parts).map_into_boxed_body()
}

/// The response of a fault. A cause goes to the log under an id that the client gets too, and nowhere else.
pub fn of_fault(fault: &Fault, choice: Choice) -> HttpResponse {
    let answer = Answer {
        version: choice.version.text(),
        content_type: choice.content_type,
        allow: fault.allow,
        body: error::write(fault, choice.syntax).into(),
        ..Answer::of(fault.kind.status)
    };
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    // 501 is no fault of the server: nothing is wrong that somebody should look into.
    if fault.kind.status >= 500 && fault.kind.status != 501 {
        let id = uuid::Uuid::new_v4().to_string();
        let cause = fault.cause.as_deref().unwrap_or("");
        match fault.kind.status {
            500 => tracing::error!(request = %id, code = fault.kind.code, cause, "{}", fault.message),
            _ => tracing::warn!(request = %id, code = fault.kind.code, cause, "{}", fault.message),
        }
        if let Ok(value) = HeaderValue::try_from(id) {
            headers.insert(REQUEST_ID, value);
        }
    }
    if fault.kind == &fault::UNAUTHENTICATED {
        for scheme in SCHEMES {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme.challenge));
        }
    }
    if fault.kind == &fault::BUSY {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    }
    response
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
            ("cache-control", "no-cache"),
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
                Some("Basic realm=\"Odonata\""),
            ),
            (Fault::method("GET, POST"), "allow", Some("GET, POST")),
            (Fault::new(&fault::BUSY, "x"), "retry-after", Some("1")),
            (Fault::not_found(), "x-request-id", None),
        ];
        for (fault, name, expected) in cases {
            let response = of_fault(&fault, choice);
            assert_eq!(response.status().as_u16(), fault.kind.status);
            let found = response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(found, expected, "{name}");
        }
        assert!(of_fault(&Fault::internal("secret"), choice).headers().contains_key("x-request-id"));
    }
}

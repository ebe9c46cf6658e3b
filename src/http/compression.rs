//! gzip: of answers whose client takes it (HTP-4), and of bodies that come that way.

use std::io::{self, Read, Write};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::rt::task::spawn_blocking;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Below this a packet is a packet, compressed or not.
const SMALLEST: u64 = 1_024;
/// From this on compressing takes about a millisecond, which is too long for the thread that serves other requests.
const ASIDE: usize = 65_536;

/// Compresses a whole body of text for a client that takes gzip; everything else stays as it is. The length stays known, so that
/// HEAD is answered like GET. Entity tags are weak: they hold for both forms of the body.
pub async fn compressed(request: &HeaderMap, response: HttpResponse) -> HttpResponse {
    if !takes_gzip(request) || !is_worth_it(&response) {
        return response;
    }
    let (response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        // A stream is sent as it comes.
        Err(body) => return response.set_body(body),
    };
    let zipped = match body.len() {
        ..ASIDE => gzip(&body),
        _ => {
            let body = body.clone();
            spawn_blocking(move || gzip(&body))
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
        }
    };
    match zipped {
        Ok(zipped) => {
            let mut response = response.set_body(BoxBody::new(zipped));
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            response
        }
        Err(error) => {
            tracing::warn!("compression: {error}");
            response.set_body(BoxBody::new(body))
        }
    }
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// Unpacks a body, but not beyond `limit`: none if it is longer.
///
/// # Errors
/// It is no gzip, or not all of it.
pub fn unpacked(body: &[u8], limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut out = Vec::new();
    let room = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body).take(room).read_to_end(&mut out)?;
    Ok(Some(out).filter(|out| out.len() <= limit))
}

fn is_worth_it(response: &HttpResponse) -> bool {
    let headers = response.headers();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    matches!(response.body().size(), BodySize::Sized(length) if length >= SMALLEST)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && content_type.is_some_and(is_text)
}

/// Media types that are text; pictures and the like are compressed in their own ways.
fn is_text(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media.starts_with("text/") || media.starts_with("multipart/") || media.contains("json") || media.contains("xml")
}

/// Whether `Accept-Encoding` names gzip, and nothing that the client would rather have and that is there: the plain body.
fn takes_gzip(request: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut plain) = (None, None, None);
    let values = request.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    for item in values.flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // A weight that is no number is none at all.
        let weight = weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0));
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "*" => any = Some(weight),
            "identity" => plain = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= plain.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn clients_say_what_they_take() {
        for (values, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["deflate, GZip;q=0.5, br"], true),
            (&["br", "x-gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.000, *"], false),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["identity, gzip;q=0.5"], false),
            (&["identity;q=0.5, gzip;q=0.8"], true),
            (&["identity"], false),
            (&["gzip;q=x"], false),
            (&["gzip;q=NaN"], false),
            (&["gzipped"], false),
        ] {
            assert_eq!(takes_gzip(&accepting(values)), expected, "{values:?}");
        }
    }

    #[actix_web::test]
    async fn only_what_is_worth_it_is_compressed() {
        let long = "a".repeat(ASIDE);
        for (status, content_type, encoding, body, expected) in [
            (200, "application/json;odata=minimalmetadata", None, &long[..1_024], true),
            (404, "application/xml", None, &long, true),
            (200, "text/plain", None, &long, true),
            (202, "multipart/mixed; boundary=x", None, &long, true),
            (200, "application/json", None, &long[..1_023], false),
            (200, "image/png", None, &long, false),
            (200, "application/octet-stream", None, &long, false),
            (200, "text/plain", Some("br"), &long, false),
            (204, "", None, "", false),
        ] {
            let mut response = HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap());
            if !content_type.is_empty() {
                response.insert_header((header::CONTENT_TYPE, content_type));
            }
            if let Some(encoding) = encoding {
                response.insert_header((header::CONTENT_ENCODING, encoding));
            }
            let response = compressed(&accepting(&["gzip"]), response.body(body.to_owned())).await;
            let is_zipped = response
                .headers()
                .get(header::CONTENT_ENCODING)
                .is_some_and(|value| value == "gzip");
            assert_eq!(is_zipped, expected, "{status} {content_type} {}", body.len());
            let found = response.into_body().try_into_bytes().unwrap_or_default();
            let found = if is_zipped {
                unpacked(&found, ASIDE).unwrap().unwrap()
            } else {
                found.to_vec()
            };
            assert!(found == body.as_bytes(), "{content_type}");
        }
    }

    #[test]
    fn unpacking_is_bounded() {
        let zeros = gzip(&vec![0; 10_000_000]).unwrap();
        assert!(zeros.len() < 100_000);
        assert_eq!(unpacked(&zeros, 1_000_000).unwrap(), None);
        let twice = [gzip(b"ab").unwrap(), gzip(b"cd").unwrap()].concat();
        assert_eq!(unpacked(&twice, 4).unwrap().unwrap(), b"abcd");
        assert_eq!(unpacked(&twice, 3).unwrap(), None);
        assert!(unpacked(b"abcd", 4).is_err() && unpacked(&twice[..twice.len() - 3], 4).is_err());
        // Nothing at all is nothing packed.
        assert!(unpacked(b"", 4).is_err());
    }
}

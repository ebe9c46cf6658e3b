//! The body of a request, within its limits of size and time.

use std::future::Future;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::rt::task::spawn_blocking;
use actix_web::web::{Bytes, Payload};

use super::compression::unpacked;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::BODY_SECONDS;

/// Reads a body of at most `limit` bytes, counted after it was unpacked.
///
/// # Errors
/// 413 for a longer one, 415 for another coding than gzip, 408 for one that does not end in time, 400 for one that is broken.
pub async fn read(headers: &HeaderMap, payload: Payload, limit: usize) -> Outcome<Bytes> {
    let is_packed = match headers
        .get(header::CONTENT_ENCODING)
        .map(|coding| coding.to_str().unwrap_or("?").trim())
    {
        Some(coding) if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => true,
        Some(coding) if !coding.eq_ignore_ascii_case("identity") => {
            return Err(Fault::new(
                &fault::MEDIA_TYPE,
                "A body is sent as it is, or with Content-Encoding gzip.",
            ));
        }
        _ => false,
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let body = in_time(Duration::from_secs(BODY_SECONDS as u64), payload.to_bytes_limited(limit)).await?;
    let body = body
        .map_err(|_| too_large(limit))?
        .map_err(|_| Fault::new(&fault::BAD_BODY, "The body ends before it is complete."))?;
    if !is_packed || body.is_empty() {
        return Ok(body);
    }
    let unpacked = spawn_blocking(move || unpacked(&body, limit)).await.map_err(Fault::internal)?;
    let body = unpacked.map_err(|_| Fault::new(&fault::BAD_BODY, "The body is not complete gzip."))?;
    body.map(Bytes::from).ok_or_else(|| too_large(limit))
}

/// Waits for the whole body, but not forever: a connection costs memory and one of the places that there are.
async fn in_time<T>(patience: Duration, arrival: impl Future<Output = T>) -> Outcome<T> {
    let late = || format!("A body has to arrive within {} seconds.", patience.as_secs());
    let arrived = tokio::time::timeout(patience, arrival).await;
    arrived.map_err(|_| Fault::new(&fault::BODY_TIMEOUT, late()))
}

fn too_large(limit: usize) -> Fault {
    Fault::new(&fault::BODY_TOO_LARGE, format!("A body has at most {limit} bytes."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn nobody_waits_forever() {
        let patience = Duration::from_millis(10);
        assert_eq!(in_time(patience, async { 1 }).await.unwrap(), 1);
        let fault = in_time(patience, std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(fault.kind.status, 408);
    }
}

//! Documents that describe the service: `$metadata` and the service document, with an ETag, so that a client need not load again what
//! it has.

use std::hash::{DefaultHasher, Hasher};

use actix_web::web::Bytes;

use super::reply::Answer;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::target::Preconditions;
use crate::odata::accept::Choice;
use crate::odata::version::Version;

/// A document's tag: other for every other text. Weak, since it says nothing about compression.
pub fn tag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// The answer to GET and HEAD: the document, or that it is still the one that the client has.
///
/// # Errors
/// 412 if it is not the one that the client wants.
pub fn answer(preconditions: &Preconditions, choice: Choice, version: Version, etag: String, body: Bytes) -> Outcome<Answer> {
    if preconditions.if_match.as_ref().is_some_and(|tags| !tags.contain(&etag)) {
        return Err(Fault::new(&fault::PRECONDITION, "The document has another ETag now."));
    }
    let is_known = preconditions.if_none_match.as_ref().is_some_and(|tags| tags.contain(&etag));
    let answer = Answer {
        version: version.text(),
        etag: Some(etag),
        is_of_bytes: true,
        ..Answer::of(304)
    };
    Ok(match is_known {
        true => answer,
        false => Answer {
            status: 200,
            content_type: choice.content_type,
            body,
            ..answer
        },
    })
}

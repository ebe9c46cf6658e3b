//! `$batch` (BCH-1..BCH-43): the body of one request as many, and many answers as one body.
//!
//! ```text
//! batch      = *( delimiter ( request | change set ) ) close           Content-Type: multipart/mixed; boundary=…
//! change set = *( delimiter request ) close                            the same, as a part of the batch
//! request    = headers blank line, method url "HTTP/1.1", headers blank line, body      Content-Type: application/http
//! ```
//! Everything is read before anything is carried out: a broken multipart structure spoils the whole (BCH-42), what is wrong with
//! one request only that request, or its change set (BCH-40, BCH-41).
//!
//! ```ignore
//! let boundary = batch::boundary(content_type_header)?;                // 415, 400
//! for item in batch::parse(&boundary, &body)? { … }                    // 400
//! let mut writer = Writer::new();
//! writer.single(&response); writer.change_set(&responses);             // in the order of the items
//! let (content_type, body) = (writer.content_type(), writer.finish()); // 202
//! ```

mod answer;
mod multipart;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

pub use answer::{Response, Writer};

use self::multipart::Headers;
use super::accept;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BATCH_BOUNDARY_BYTES, BATCH_BYTES, BATCH_PARTS, BODY_BYTES};

/// One part of a batch.
#[derive(Debug)]
pub enum Item<'a> {
    /// A request outside of a change set: always a GET.
    Single(Part<'a>),
    /// Requests that are carried out together or not at all, in this order; none of them is a GET.
    ChangeSet(Vec<Part<'a>>),
    /// A request that is wrong in itself, or a change set with one that is: nothing of it is to be carried out.
    Refused {
        /// What to answer.
        fault: Fault,
        /// What could be read of the wrong request: its `Accept`, its Content-ID.
        part: Part<'a>,
        /// Whether the answer stands in a change set.
        in_change_set: bool,
    },
}

/// A request in a batch.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Part<'a> {
    /// As written: methods have their letter case.
    pub method: &'a str,
    /// As written; see [`relative`](super::references::relative).
    pub url: &'a str,
    /// Of the request itself, not of the part it stands in.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The Content-ID that the answer repeats.
    pub content_id: Option<&'a str>,
    /// A second Content-ID: references may use that of the part as well as that of the request in it (BCH-11).
    pub other_id: Option<&'a str>,
    /// Up to the next delimiter, whatever the headers say of its length (BCH-6). Empty for a GET.
    pub body: &'a [u8],
}

impl<'a> Part<'a> {
    /// The first header of that name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        multipart::find(&self.headers, name)
    }

    /// The names under which later requests know what this one creates.
    pub fn ids(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.content_id.into_iter().chain(self.other_id)
    }
}

/// The boundary that a batch's `Content-Type` names: the first, if there are several (BCH-1).
///
/// # Errors
/// 415 for another media type; 400 for what is none, and for a boundary that is missing or not one. Characters that RFC 2045 wants
/// in quotes are taken without, as .NET does.
pub fn boundary(content_type: Option<&str>) -> Outcome<String> {
    let unsupported = || Fault::new(&fault::MEDIA_TYPE, "A batch is of the type multipart/mixed.");
    let mut parts = accept::split(content_type.ok_or_else(unsupported)?, ';').into_iter();
    let media = parts.next().unwrap_or_default().trim();
    if !media.contains('/') {
        return Err(Fault::new(&fault::BAD_REQUEST, "The `Content-Type` is not a media type."));
    }
    if !is_multipart(media) {
        return Err(unsupported());
    }
    let named = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    });
    let text = named.map(|value| value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value));
    let is_boundary = |text: &&str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        (1..=BATCH_BOUNDARY_BYTES).contains(&text.len()) && text.bytes().all(fits) && !text.ends_with(' ')
    };
    text.filter(is_boundary).map(str::to_owned).ok_or_else(|| {
        let message = format!(
            "The `Content-Type` of a batch names a boundary of up to {BATCH_BOUNDARY_BYTES} letters, digits and '()+_,-./:=? signs."
        );
        Fault::new(&fault::BAD_REQUEST, message)
    })
}

fn is_multipart(media: &str) -> bool {
    media.eq_ignore_ascii_case("multipart/mixed")
}

/// The requests of a batch.
///
/// # Errors
/// 400 if the multipart structure is broken or there are too many requests in it, 413 if it is too long. What is wrong with a single request is an
/// [`Item::Refused`].
pub fn parse<'a>(boundary: &str, body: &'a [u8]) -> Outcome<Vec<Item<'a>>> {
    if body.len() > BATCH_BYTES {
        return Err(Fault::new(
            &fault::BODY_TOO_LARGE,
            format!("A batch has at most {BATCH_BYTES} bytes."),
        ));
    }
    let parts = multipart::split(body, boundary, BATCH_PARTS)?;
    if parts.is_empty() {
        return Err(Fault::new(&fault::BAD_BODY, "The batch has no parts."));
    }
    let mut room = BATCH_PARTS;
    parts.into_iter().map(|part| item(part, &mut room)).collect()
}

/// One part; `room` is how many requests there may still be.
fn item<'a>(content: &'a [u8], room: &mut usize) -> Outcome<Item<'a>> {
    let (headers, content) = match multipart::headers(content) {
        Ok(read) => read,
        Err(fault) => return Ok(refused(fault, Part::default(), false)),
    };
    let content_type = multipart::find(&headers, "content-type");
    if !media_type(content_type).is_some_and(is_multipart) {
        *room = room.checked_sub(1).ok_or_else(multipart::too_many)?;
        return Ok(match request(&headers, content, false) {
            (part, Ok(())) => Item::Single(part),
            (part, Err(fault)) => refused(fault, part, false),
        });
    }
    let contents = multipart::split(content, &boundary(content_type)?, *room)?;
    *room -= contents.len();
    let mut parts = Vec::with_capacity(contents.len());
    for content in contents {
        let read = match multipart::headers(content) {
            Ok((headers, content)) => request(&headers, content, true),
            Err(fault) => (Part::default(), Err(fault)),
        };
        match read {
            (part, Ok(())) => parts.push(part),
            (part, Err(fault)) => return Ok(refused(fault, part, true)),
        }
    }
    Ok(unique(parts))
}

fn refused(fault: Fault, part: Part<'_>, in_change_set: bool) -> Item<'_> {
    Item::Refused {
        fault,
        part,
        in_change_set,
    }
}

/// The change set, if no two of its requests have the same Content-ID.
fn unique(mut parts: Vec<Part<'_>>) -> Item<'_> {
    let mut ids = HashSet::new();
    let double = parts.iter().position(|part| !part.ids().all(|id| ids.insert(id)));
    match double {
        None => Item::ChangeSet(parts),
        Some(index) => {
            let fault = bad("Two requests of a change set have the same Content-ID.");
            refused(fault, parts.swap_remove(index), true)
        }
    }
}

fn media_type(content_type: Option<&str>) -> Option<&str> {
    content_type.map(|text| text.split_once(';').map_or(text, |(media, _)| media).trim())
}

fn bad(message: &'static str) -> Fault {
    Fault::new(&fault::BAD_REQUEST, message)
}

/// What could be read of the request in a part, and what is wrong with it.
fn request<'a>(outer: &Headers<'a>, content: &'a [u8], in_change_set: bool) -> (Part<'a>, Outcome<()>) {
    let mut part = Part {
        content_id: multipart::find(outer, "content-id").filter(|id| !id.is_empty()),
        ..Part::default()
    };
    let outcome = fill(&mut part, outer, content, in_change_set);
    (part, outcome)
}

/// Reads the request, as far as it can be read.
fn fill<'a>(part: &mut Part<'a>, outer: &Headers<'a>, content: &'a [u8], in_change_set: bool) -> Outcome<()> {
    match media_type(multipart::find(outer, "content-type")) {
        Some(media) if media.eq_ignore_ascii_case("application/http") => {}
        Some(media) if in_change_set && is_multipart(media) => return Err(bad("Change sets do not nest.")),
        _ => {
            return Err(bad(
                "A part of a batch is of the type application/http, or a change set of multipart/mixed.",
            ));
        }
    }
    // All that could be meant by its absence is the same (BCH-2).
    if multipart::find(outer, "content-transfer-encoding").is_some_and(|encoding| !encoding.eq_ignore_ascii_case("binary")) {
        return Err(bad("A part of a batch has the Content-Transfer-Encoding binary."));
    }
    let (line, rest) = multipart::first_line(content)?;
    (part.method, part.url) = request_line(line)?;
    (part.headers, part.body) = multipart::headers(rest)?;
    if let Some(id) = part.header("content-id").filter(|id| !id.is_empty()) {
        part.other_id = part.content_id.filter(|other| *other != id);
        part.content_id = Some(id);
    }
    check(part, in_change_set)?;
    if part.method == "GET" {
        part.body = &[];
    }
    Ok(())
}

/// The method and the URL; the latter may hold blanks.
fn request_line(line: &str) -> Outcome<(&str, &str)> {
    let parts = line.split_once(' ').and_then(|(method, rest)| {
        let (url, version) = rest.trim().rsplit_once(' ')?;
        (!method.is_empty() && version == "HTTP/1.1").then_some((method, url.trim()))
    });
    parts.ok_or_else(|| bad("A request in a batch begins with its method, its URL and HTTP/1.1, in one line."))
}

/// The rules for requests in batches (BCH-7, BCH-11).
fn check(part: &Part<'_>, in_change_set: bool) -> Outcome<()> {
    match (part.method, in_change_set) {
        ("GET", false) if !part.body.trim_ascii().is_empty() => {
            return Err(bad("A GET has no body: is there a delimiter missing behind it?"));
        }
        ("GET", false) | ("POST" | "PUT" | "PATCH" | "MERGE" | "DELETE", true) => {}
        (_, true) => return Err(bad("The requests of a change set are POST, PUT, PATCH, MERGE and DELETE.")),
        (_, false) => return Err(bad("Outside of a change set, a request in a batch is a GET.")),
    }
    let is_id = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if in_change_set && !part.ids().all(is_id) {
        return Err(bad("A Content-ID is made of letters, digits and -._~ signs."));
    }
    if part.body.len() > BODY_BYTES {
        return Err(Fault::new(
            &fault::BODY_TOO_LARGE,
            format!("A body has at most {BODY_BYTES} bytes."),
        ));
    }
    Ok(())
}

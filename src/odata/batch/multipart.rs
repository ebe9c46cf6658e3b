//! Multipart bodies: delimiters and headers, by RFC 2046 and a little beyond (BCH-5): lines end with CRLF or LF, also mixed.

use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{BATCH_HEADERS, BATCH_LINE_BYTES, BATCH_PARTS};

/// Names as written, values without the blanks around them.
pub type Headers<'a> = Vec<(&'a str, &'a str)>;

/// The first header of that name, in any letter case.
pub fn find<'a>(headers: &Headers<'a>, name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| *value)
}

/// Past [`BATCH_PARTS`].
pub fn too_many() -> Fault {
    Fault::new(&fault::TOO_LARGE, format!("A batch has at most {BATCH_PARTS} parts and requests."))
}

/// What stands between the delimiters, at most `most` of it. What comes before the first delimiter and after the closing one does
/// not count. The end of line before a delimiter belongs to the delimiter.
pub fn split<'a>(body: &'a [u8], boundary: &str, most: usize) -> Outcome<Vec<&'a [u8]>> {
    let mut parts = Vec::new();
    let mut begun: Option<usize> = None;
    let mut at = 0;
    while let Some((line, rest)) = next_line(&body[at..]) {
        let next = body.len() - rest.len();
        if let Some(is_close) = delimiter(line, boundary) {
            if let Some(start) = begun {
                if parts.len() == most {
                    return Err(too_many());
                }
                parts.push(without_line_end(&body[start..at]));
            }
            if is_close {
                return Ok(parts);
            }
            begun = Some(next);
        }
        at = next;
    }
    let message = match begun {
        Some(_) => "The multipart body ends without its closing delimiter.",
        None => "The boundary of the `Content-Type` does not occur in the multipart body.",
    };
    Err(Fault::new(&fault::BAD_BODY, message))
}

/// Whether a line is a delimiter, and if so, whether it is the closing one. Blanks may follow (BCH-5).
fn delimiter(line: &[u8], boundary: &str) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary.as_bytes())?;
    let blanks = rest.strip_prefix(b"--").unwrap_or(rest);
    let is_close = blanks.len() < rest.len();
    blanks.iter().all(|byte| matches!(byte, b' ' | b'\t')).then_some(is_close)
}

/// The first line without its end, and what follows it; none if there is nothing.
fn next_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1);
    let (line, rest) = text.split_at(end);
    Some((without_line_end(line), rest))
}

fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// The headers up to a blank line or the end, and what follows.
pub fn headers(mut text: &[u8]) -> Outcome<(Headers<'_>, &[u8])> {
    let mut headers = Headers::new();
    while let Some((line, rest)) = next_line(text) {
        text = rest;
        if line.is_empty() {
            break;
        }
        if headers.len() == BATCH_HEADERS {
            return Err(Fault::new(
                &fault::TOO_LARGE,
                format!("A part of a batch has at most {BATCH_HEADERS} headers."),
            ));
        }
        headers.push(header(readable(line)?)?);
    }
    Ok((headers, text))
}

/// The first line that is not blank, and what follows it.
pub fn first_line(mut text: &[u8]) -> Outcome<(&str, &[u8])> {
    while let Some((line, rest)) = next_line(text) {
        if !line.trim_ascii().is_empty() {
            return Ok((readable(line)?, rest));
        }
        text = rest;
    }
    Err(Fault::new(&fault::BAD_REQUEST, "A part of the batch holds no request."))
}

/// A line as text without control characters.
fn readable(line: &[u8]) -> Outcome<&str> {
    if line.len() > BATCH_LINE_BYTES {
        let message = format!("A request line or header in a batch has at most {BATCH_LINE_BYTES} bytes.");
        return Err(Fault::new(&fault::TOO_LARGE, message));
    }
    let text = std::str::from_utf8(line).ok();
    text.filter(|text| !text.chars().any(|c| c.is_control() && c != '\t'))
        .ok_or_else(|| Fault::new(&fault::BAD_REQUEST, "A request line or header in the batch is not text."))
}

/// `Name: value`. A line that begins with a blank, which once continued the one before, has no name.
fn header(line: &str) -> Outcome<(&str, &str)> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    line.split_once(':')
        .filter(|(name, _)| !name.is_empty() && name.bytes().all(is_token))
        .map(|(name, value)| (name, value.trim()))
        .ok_or_else(|| {
            let message = "A header in the batch is not of the form `Name: value`; a blank line ends the headers.";
            Fault::new(&fault::BAD_REQUEST, message)
        })
}

//! Headers with a meaning of their own: preconditions, `Prefer`, `X-HTTP-Method`.

use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::target::{Claim, Preconditions, Tags};
use crate::model::text;

/// Reads `If-Match` and `If-None-Match`. Both together are 400 (RD-4).
pub fn preconditions(if_match: Option<&str>, if_none_match: Option<&str>) -> Outcome<Preconditions> {
    if if_match.is_some() && if_none_match.is_some() {
        return Err(bad("`If-Match` and `If-None-Match` do not go together."));
    }
    Ok(Preconditions {
        if_match: if_match.map(tags).transpose()?,
        if_none_match: if_none_match.map(tags).transpose()?,
        claim: None,
    })
}

/// Reads `Odonata-Registration` and `Odonata-Attempt`, which go together.
pub fn claim(registration: Option<&str>, attempt: Option<&str>) -> Outcome<Option<Claim>> {
    let (registration, attempt) = match (registration, attempt) {
        (None, None) => return Ok(None),
        (registration, attempt) => (registration.unwrap_or_default(), attempt.unwrap_or_default()),
    };
    match (text::parse(Edm::Guid, registration.trim()), attempt.trim().parse()) {
        (Some(Value::Bytes(registration)), Ok(attempt)) => Ok(Some(Claim {
            registration: registration.try_into().map_err(|_| bad("`Odonata-Registration` is a Guid."))?,
            attempt,
        })),
        _ => Err(bad(
            "`Odonata-Registration` is a Guid and `Odonata-Attempt` a number; they go together.",
        )),
    }
}

/// How long a client is willing to wait (`wait` of RFC 7240), in seconds; what is no number is passed over, like any preference that is
/// not understood.
pub fn wait(prefer: &str) -> Option<u64> {
    prefer.split(',').find_map(|item| {
        let (name, value) = item.split(';').next()?.split_once('=')?;
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| value.trim().trim_matches('"').parse().ok()).flatten()
    })
}

/// `*`, or a list of entity tags as they were sent; what is inside the quotes is opaque, and may hold commas.
fn tags(text: &str) -> Outcome<Tags> {
    let mut rest = text.trim();
    if rest == "*" {
        return Ok(Tags::Any);
    }
    let mut tags = Vec::new();
    while !rest.is_empty() {
        let weak = if rest.starts_with("W/") || rest.starts_with("w/") { 2 } else { 0 };
        let quoted = rest[weak..].strip_prefix('"').and_then(|inner| inner.find('"'));
        let end = weak + 2 + quoted.ok_or_else(|| bad("An entity tag stands in double quotes."))?;
        tags.push(rest[..end].to_owned());
        let after = rest[end..].trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.is_empty() => "",
            None => return Err(bad("Entity tags have commas between them.")),
        };
    }
    if tags.is_empty() {
        Err(bad("A precondition names an entity tag or `*`."))
    } else {
        Ok(Tags::List(tags))
    }
}

fn bad(message: &'static str) -> Fault {
    Fault::new(&fault::BAD_REQUEST, message)
}

/// What of a stream is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it.
    Whole,
    /// From the first place up to the second one, which is not in it.
    Part(u64, u64),
    /// Nothing that is there: 416.
    None,
}

/// Reads `Range`: one range of bytes. Several, other units and what is malformed are passed over, as HTTP allows.
pub fn byte_range(text: &str, length: u64) -> ByteRange {
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return ByteRange::Whole;
    };
    let (from, until) = match (number(first), number(last), first.is_empty(), last.is_empty()) {
        (Some(from), _, false, true) => (from, length),
        (Some(from), Some(last), false, false) if from <= last => (from, last.saturating_add(1).min(length)),
        (_, Some(suffix), true, false) => (length - suffix.min(length), length),
        _ => return ByteRange::Whole,
    };
    match from < until {
        true => ByteRange::Part(from, until),
        false => ByteRange::None,
    }
}

/// What the client would like to get after a change (WR-12, WR-33).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// `return-content`
    Content,
    /// `return-no-content`
    NoContent,
}

impl Prefer {
    /// From the header; the first of the two that it names, other preferences are passed over.
    pub fn read(text: &str) -> Option<Prefer> {
        text.split(',').find_map(|item| match item.split(';').next()?.trim() {
            item if item.eq_ignore_ascii_case("return-content") => Some(Prefer::Content),
            item if item.eq_ignore_ascii_case("return-no-content") => Some(Prefer::NoContent),
            _ => None,
        })
    }

    /// `Preference-Applied`.
    pub fn applied(self) -> &'static str {
        match self {
            Prefer::Content => "return-content",
            Prefer::NoContent => "return-no-content",
        }
    }
}

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    /// PATCH, or MERGE, which means the same (WR-31).
    Patch,
    Delete,
    Options,
}

/// Every method and what it means.
const METHODS: &[(&str, Method)] = &[
    ("GET", Method::Get),
    ("HEAD", Method::Head),
    ("POST", Method::Post),
    ("PUT", Method::Put),
    ("PATCH", Method::Patch),
    ("MERGE", Method::Patch),
    ("DELETE", Method::Delete),
    ("OPTIONS", Method::Options),
];

impl Method {
    /// What a request line and `X-HTTP-Method` say together: the header is obeyed on POST only (WR-2).
    pub fn read(line: &str, tunnelled: Option<&str>) -> Outcome<Method> {
        let named = |name: &str| METHODS.iter().find(|row| row.0.eq_ignore_ascii_case(name)).map(|row| row.1);
        let method = METHODS.iter().find(|row| row.0 == line).map(|row| row.1);
        let method = method.ok_or_else(|| Fault::method("GET, HEAD, POST, PUT, PATCH, MERGE, DELETE, OPTIONS"))?;
        match tunnelled {
            None => Ok(method),
            Some(_) if method != Method::Post => Err(bad("`X-HTTP-Method` goes with POST.")),
            Some(name) => named(name.trim())
                .filter(|method| matches!(method, Method::Put | Method::Patch | Method::Delete))
                .ok_or_else(|| bad("`X-HTTP-Method` is PUT, PATCH, MERGE or DELETE.")),
        }
    }

    /// For counting.
    pub fn label(line: &str) -> &'static str {
        METHODS.iter().find(|row| row.0 == line).map_or("other", |row| row.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read() {
        let list = |tags: &[&str]| Some(Tags::List(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        for (text, expected) in [
            ("*", Some(Tags::Any)),
            (" W/\"1,2\" ", list(&["W/\"1,2\""])),
            ("W/\"1\", \"b\"", list(&["W/\"1\"", "\"b\""])),
            ("\"\"", list(&["\"\""])),
            ("", None),
            ("W/1", None),
            ("\"a", None),
            ("\"a\" \"b\"", None),
            ("W/", None),
            ("ü", None),
        ] {
            assert_eq!(tags(text).ok(), expected, "{text}");
        }
        assert!(preconditions(Some("*"), Some("*")).is_err(), "RD-4");
    }

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("bytes=0-3", ByteRange::Part(0, 4)),
            ("bytes=8-", ByteRange::Part(8, 10)),
            ("bytes=8-99", ByteRange::Part(8, 10)),
            ("bytes=-3", ByteRange::Part(7, 10)),
            ("bytes=-99", ByteRange::Part(0, 10)),
            ("bytes=10-", ByteRange::None),
            ("bytes=-0", ByteRange::None),
            ("bytes=18446744073709551615-18446744073709551615", ByteRange::None),
            ("bytes=5-4", ByteRange::Whole),
            ("bytes=0-1,3-4", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("bytes=+1-2", ByteRange::Whole),
            ("lines=0-1", ByteRange::Whole),
        ] {
            assert_eq!(byte_range(text, 10), expected, "{text}");
        }
        assert_eq!(byte_range("bytes=0-", 0), ByteRange::None);
    }

    #[test]
    fn prefer_is_read() {
        for (text, expected) in [
            ("return-content", Some(Prefer::Content)),
            ("wait=5, Return-No-Content; x=1", Some(Prefer::NoContent)),
            ("return=minimal", None),
            ("", None),
        ] {
            assert_eq!(Prefer::read(text), expected, "{text}");
        }
    }

    #[test]
    fn waits_are_read() {
        for (text, expected) in [
            ("wait=10", Some(10)),
            ("return-content, Wait = \"5\"; x=1", Some(5)),
            ("wait=0", Some(0)),
            ("wait=-1", None),
            ("wait=soon", None),
            ("wait", None),
            ("await=3", None),
            ("wait=x, wait=3", Some(3)),
            ("", None),
        ] {
            assert_eq!(wait(text), expected, "{text}");
        }
    }

    #[test]
    fn claims_are_read() {
        let guid = "00000000-0000-0000-0000-000000000001";
        let one = claim(Some(guid), Some(" 3 ")).unwrap().unwrap();
        assert_eq!((one.registration[15], one.attempt), (1, 3));
        assert_eq!(claim(None, None).unwrap(), None);
        for (registration, attempt) in [
            (Some(guid), None),
            (None, Some("1")),
            (Some("x"), Some("1")),
            (Some(guid), Some("one")),
        ] {
            assert_eq!(
                claim(registration, attempt).unwrap_err().kind.status,
                400,
                "{registration:?} {attempt:?}"
            );
        }
    }

    #[test]
    fn methods_are_read() {
        for (line, tunnelled, expected) in [
            ("GET", None, Ok(Method::Get)),
            ("MERGE", None, Ok(Method::Patch)),
            ("POST", Some("merge"), Ok(Method::Patch)),
            ("POST", Some("DELETE"), Ok(Method::Delete)),
            ("POST", Some("GET"), Err(400)),
            ("PUT", Some("PUT"), Err(400)),
            ("TRACE", None, Err(405)),
            ("get", None, Err(405)),
        ] {
            assert_eq!(
                Method::read(line, tunnelled).map_err(|fault| fault.kind.status),
                expected,
                "{line} {tunnelled:?}"
            );
        }
    }
}

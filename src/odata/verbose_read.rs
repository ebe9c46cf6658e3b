//! What verbose JSON says in its own way, for the reader of both kinds of JSON ([`super::json_read`]): `d`, `__metadata`, `results`,
//! `__deferred` (VJ-1, VJ-12, VJ-13) and `/Date(…)/` (VJ-42).
//!
//! The two vocabularies do not clash, and clients mix them: bodies with `__metadata` come as plain `application/json` with any version
//! (CON-22). So every body is read by both.

use super::json_tree::Json;
use super::verbose::{EPOCH, MILLISECOND};
use crate::model::edm::{Edm, Value};
use crate::model::text::{text_to_ticks, ticks_to_text};

/// Largest offset from UTC in minutes, as .NET has it.
const OFFSET_MINUTES: i64 = 14 * 60;
/// Ticks in a minute.
const MINUTE: i64 = 60_000 * MILLISECOND;

/// What stands in a `d` around the whole, which requests need not have.
pub fn unwrap<'j, 'a>(json: &'j Json<'a>) -> &'j Json<'a> {
    match json {
        Json::Object(members) => match members.as_slice() {
            [(name, inner @ Json::Object(_))] if name == "d" => inner,
            _ => json,
        },
        _ => json,
    }
}

/// A member of `__metadata`.
pub fn metadata<'j, 'a>(json: &'j Json<'a>, name: &str) -> Option<&'j Json<'a>> {
    json.member("__metadata")?.member(name)
}

/// Items of an array, bare or in `results`.
pub fn items<'j, 'a>(json: &'j Json<'a>) -> Option<&'j [Json<'a>]> {
    match (json, json.member("results")) {
        (Json::Array(items), _) | (_, Some(Json::Array(items))) => Some(items),
        _ => None,
    }
}

/// A link that was not followed, sent back as it came.
pub fn is_deferred(json: &Json<'_>) -> bool {
    json.member("__deferred").is_some()
}

/// `/Date(ms)/` or `/Date(ms±oooo)/`: milliseconds of the wall clock, and its offset from UTC in minutes. A DateTime with an offset
/// becomes the instant in UTC, as one with a zone does (PRM-4).
pub fn date(edm: Edm, text: &str) -> Option<Value> {
    if !matches!(edm, Edm::DateTime | Edm::DateTimeOffset) {
        return None;
    }
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    // A sign at the beginning is that of the milliseconds.
    let sign = inner.get(1..)?.find(['+', '-']).map_or(inner.len(), |at| at + 1);
    let (milliseconds, offset) = inner.split_at(sign);
    let ticks = EPOCH.checked_add(milliseconds.parse::<i64>().ok()?.checked_mul(MILLISECOND)?)?;
    let offset = match offset {
        "" => 0,
        offset => minutes(offset)?,
    };
    let ticks = ticks.checked_sub(offset * MINUTE)?;
    let date = ticks_to_text(ticks);
    // What no date can say has become the first or the last one.
    (text_to_ticks(&date) == Some(ticks)).then_some(Value::Text(date))
}

fn minutes(offset: &str) -> Option<i64> {
    let digits = offset.get(1..)?;
    let is_offset = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let minutes: i64 = offset.parse().ok()?;
    (is_offset && minutes.abs() <= OFFSET_MINUTES).then_some(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::json_tree;

    #[test]
    fn dates() {
        for (text, date_time, offset) in [
            ("/Date(0)/", "1970-01-01T00:00:00", "1970-01-01T00:00:00"),
            ("/Date(-1999)/", "1969-12-31T23:59:58.001", "1969-12-31T23:59:58.001"),
            ("/Date(1330558323001)/", "2012-02-29T23:32:03.001", "2012-02-29T23:32:03.001"),
            ("/Date(3600000+0060)/", "1970-01-01T00:00:00", "1970-01-01T00:00:00"),
            ("/Date(-3600000-0120)/", "1970-01-01T01:00:00", "1970-01-01T01:00:00"),
            ("/Date(253402300799999)/", "9999-12-31T23:59:59.999", "9999-12-31T23:59:59.999"),
            ("/Date(-62135596800000)/", "0001-01-01T00:00:00", "0001-01-01T00:00:00"),
        ] {
            for (edm, expected) in [(Edm::DateTime, date_time), (Edm::DateTimeOffset, offset)] {
                let expected = ticks_to_text(text_to_ticks(expected).unwrap());
                assert_eq!(date(edm, text), Some(Value::Text(expected)), "{edm} {text}");
            }
        }
        for text in [
            "",
            "/Date()/",
            "/Date(1",
            "Date(1)",
            "\\/Date(1)\\/",
            "/Date(+)/",
            "/Date(1.5)/",
            "/Date(1Z)/",
            "/Date(12345678901234567890)/",
            "/Date(253402300800000)/",
            "/Date(-62135596800001)/",
            "/Date(1+060)/",
            "/Date(1+ 060)/",
            "/Date(1-1440)/",
            "/Date(1+0060+0060)/",
            "/Date(ä)/",
        ] {
            assert_eq!(date(Edm::DateTime, text), None, "{text}");
        }
        assert_eq!(date(Edm::String, "/Date(0)/"), None);
    }

    #[test]
    fn wrappers() {
        let parse = |text: &'static str| json_tree::parse(text.as_bytes()).unwrap();
        for (text, expected) in [
            (r#"{"d":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#"{"d":1}"#, r#"{"d":1}"#),
            (r#"{"d":{"a":1},"b":2}"#, r#"{"d":{"a":1},"b":2}"#),
            ("[1]", "[1]"),
        ] {
            assert_eq!(*unwrap(&parse(text)), parse(expected), "{text}");
        }
        for (text, count) in [
            ("[1,2]", Some(2)),
            (r#"{"results":[1]}"#, Some(1)),
            (r#"{"results":1}"#, None),
            ("{}", None),
            ("1", None),
        ] {
            assert_eq!(items(&parse(text)).map(<[_]>::len), count, "{text}");
        }
        assert!(is_deferred(&parse(r#"{"__deferred":{"uri":"x"}}"#)) && !is_deferred(&parse("null")));
    }
}

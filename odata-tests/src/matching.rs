//! Expected against actual: JSON with wildcards, text with `...`.
//!
//! In expected JSON:
//!
//! | written | matches |
//! |---|---|
//! | `"{any}"` | every value that is there |
//! | `"{string}"`, `"{number}"`, `"{guid}"`, `"{time}"` | a string, a number, a Guid, a DateTime or DateTimeOffset in text |
//! | `"{absent}"` as a member's value | no such member |
//! | `"...abc"`, `"abc..."`, `"a...c"` | strings that end, begin, begin and end so |
//! | member `"..."` | further members |
//! | last item `"..."` | further items |
//!
//! Numbers and strings are never equal, nor are `1` and `1.0`. Without `"..."` (and outside [`Mode::Subset`]) objects have
//! exactly the members that are written; arrays always have exactly the items, in order.

use serde_json::Value;

/// How objects are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The same members.
    Exact,
    /// At least the expected members, at every level.
    Subset,
}

/// What differs, one line each, with the place; empty if nothing does.
pub fn differences(expected: &Value, actual: &Value, mode: Mode) -> Vec<String> {
    let mut found = Vec::new();
    compare(expected, actual, mode, "$", &mut found);
    found
}

fn compare(expected: &Value, actual: &Value, mode: Mode, place: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, value) in expected.iter().filter(|(name, _)| *name != "...") {
                let place = format!("{place}/{name}");
                match (actual.get(name), value.as_str() == Some("{absent}")) {
                    (Some(there), true) => found.push(format!("{place}: must be absent, is {there}")),
                    (None, false) => found.push(format!("{place}: missing, expected {value}")),
                    (Some(there), false) => compare(value, there, mode, &place, found),
                    (None, true) => {}
                }
            }
            if mode == Mode::Exact && !expected.contains_key("...") {
                for (name, value) in actual.iter().filter(|(name, _)| !expected.contains_key(*name)) {
                    found.push(format!("{place}/{name}: not expected, is {value}"));
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) => {
            let open = expected.last().is_some_and(|last| last == "...");
            let expected = &expected[..expected.len() - usize::from(open)];
            if expected.len() > actual.len() || (!open && expected.len() < actual.len()) {
                found.push(format!("{place}: {} items, expected {}", actual.len(), expected.len()));
            }
            for (i, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(expected, actual, mode, &format!("{place}/{i}"), found);
            }
        }
        (Value::String(pattern), _) => {
            if !wildcard(pattern, actual) {
                found.push(format!("{place}: is {actual}, expected {expected}"));
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{place}: is {actual}, expected {expected}")),
    }
}

fn wildcard(pattern: &str, actual: &Value) -> bool {
    match (pattern, actual) {
        ("{any}", _) => true,
        ("{number}", _) => actual.is_number(),
        ("{string}", _) => actual.is_string(),
        ("{guid}", Value::String(text)) => shape(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        ("{time}", Value::String(text)) => text.get(..19).is_some_and(|start| shape(start, "0000-00-00T00:00:00")),
        (_, Value::String(text)) => text_matches(pattern, text),
        _ => false,
    }
}

/// `x` is a lower-case hexadecimal digit, `0` a digit, everything else itself.
fn shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, kind)| match kind {
            b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            b'0' => byte.is_ascii_digit(),
            _ => byte == kind,
        })
}

/// Text with `...` for any text; at most one.
pub fn text_matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once("...") {
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
        None => pattern == text,
    }
}

/// A value as a word of an `ids` line: strings without quotes.
pub fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_is_exact_unless_it_says_otherwise() {
        let cases = [
            (r#"{"a":1}"#, r#"{"a":1}"#, true, true),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, false, false),
            (r#"{"a":1}"#, r#"{"a":1.0}"#, false, false),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false, true),
            (r#"{"a":1,"...":0}"#, r#"{"a":1,"b":2}"#, true, true),
            (r#"{"b":"{absent}"}"#, r#"{"a":1,"b":2}"#, false, false),
            (r#"{"b":"{absent}"}"#, r#"{"a":1}"#, false, true),
            (r#"[1,2]"#, r#"[2,1]"#, false, false),
            (r#"[1,"..."]"#, r#"[1,2]"#, true, true),
            (r#""ab...yz""#, r#""abxyz""#, true, true),
            (r#""ab...bz""#, r#""abz""#, false, false),
            (r#""{any}""#, "null", true, true),
            (r#""{guid}""#, r#""01234567-89ab-cdef-0123-456789abcdef""#, true, true),
            (r#""{guid}""#, r#""01234567-89AB-cdef-0123-456789abcdef""#, false, false),
            (r#""{time}""#, r#""2020-01-02T03:04:05Z""#, true, true),
        ];
        for (expected, actual, exact, subset) in cases {
            let (left, right) = (serde_json::from_str(expected).unwrap(), serde_json::from_str(actual).unwrap());
            assert_eq!(differences(&left, &right, Mode::Exact).is_empty(), exact, "{expected} {actual}");
            assert_eq!(differences(&left, &right, Mode::Subset).is_empty(), subset, "{expected} {actual}");
        }
    }
}

//! `$skiptoken` (PAG-11…PAG-13): where the last page ended, as the values of the order and the key of its last row.
//!
//! URL-safe base64 of: version, fingerprint of the options (4 bytes, little-endian), then each value as a tag and its content. Nothing
//! in it is secret or trusted: the reader must still check that the values fit (see `model::text::is_canonical`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::edm::Value;
use crate::model::fault::{BAD_TOKEN, Fault, Outcome};

/// Changes when the form below does.
const VERSION: u8 = 1;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
/// Eight bytes.
const INTEGER: u8 = 3;
/// Eight bytes.
const DOUBLE: u8 = 4;
/// Length as four bytes, then UTF-8.
const TEXT: u8 = 5;
/// Length as four bytes, then bytes.
const BYTES: u8 = 6;

/// Makes a token. `fingerprint` is that of the options it is for.
pub fn encode(values: &[Value], fingerprint: u32) -> String {
    let mut out = vec![VERSION];
    out.extend_from_slice(&fingerprint.to_le_bytes());
    for value in values {
        match value {
            Value::Null => out.push(NULL),
            Value::Boolean(false) => out.push(FALSE),
            Value::Boolean(true) => out.push(TRUE),
            Value::Integer(value) => {
                out.push(INTEGER);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Value::Double(value) => {
                out.push(DOUBLE);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Value::Text(text) => write_bytes(TEXT, text.as_bytes(), &mut out),
            Value::Bytes(bytes) => write_bytes(BYTES, bytes, &mut out),
        }
    }
    URL_SAFE_NO_PAD.encode(out)
}

fn write_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes()[..4]);
    out.extend_from_slice(bytes);
}

/// Reads a token; a fault if it was not made by [`encode`] with the same fingerprint.
pub fn decode(text: &str, fingerprint: u32) -> Outcome<Vec<Value>> {
    values(text, fingerprint).ok_or_else(|| Fault::new(&BAD_TOKEN, "This '$skiptoken' was not made for this query."))
}

fn values(text: &str, fingerprint: u32) -> Option<Vec<Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let mut rest = bytes.as_slice();
    if take(&mut rest)? != [VERSION] || u32::from_le_bytes(take(&mut rest)?) != fingerprint {
        return None;
    }
    let mut values = Vec::new();
    while !rest.is_empty() {
        let [tag] = take(&mut rest)?;
        values.push(match tag {
            NULL => Value::Null,
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            INTEGER => Value::Integer(i64::from_le_bytes(take(&mut rest)?)),
            DOUBLE => Value::Double(f64::from_le_bytes(take(&mut rest)?)),
            TEXT => Value::Text(String::from_utf8(take_bytes(&mut rest)?).ok()?),
            BYTES => Value::Bytes(take_bytes(&mut rest)?),
            _ => return None,
        });
    }
    Some(values)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

fn take_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(take(rest)?);
    let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Value> {
        vec![
            Value::Null,
            Value::Boolean(true),
            Value::Boolean(false),
            Value::Integer(i64::MIN),
            Value::Integer(42),
            Value::Double(-0.5),
            Value::Text("\u{e4}\u{20ac}'".into()),
            Value::Text("x".repeat(1000)),
            Value::Bytes(vec![0, 255]),
            Value::Bytes(vec![]),
        ]
    }

    #[test]
    fn what_goes_in_comes_out() {
        let token = encode(&all(), 7);
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        );
        assert_eq!(decode(&token, 7).expect("a good token"), all());
        assert_eq!(decode(&encode(&[], 0), 0).expect("an empty token"), []);
    }

    #[test]
    fn other_queries_tokens_are_refused() {
        let fault = decode(&encode(&all(), 7), 8).expect_err("another fingerprint");
        assert_eq!(fault.kind, &BAD_TOKEN);
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "",
            "A",
            "!",
            "20,20",
            "\u{e4}",
            "AQ",
            "AQcAAAAF_____w",
            "AQcAAAAF",
            "AQcAAAAH",
            "AQcAAAAFAQAAAP8",
        ] {
            assert!(decode(text, 7).is_err(), "{text}");
        }
        let token = encode(&all(), 7);
        let refused = (0..token.len()).filter(|&end| decode(&token[..end], 7).is_err()).count();
        assert!(
            refused > token.len() / 2,
            "only {refused} of {} beginnings are refused",
            token.len()
        );
    }
}

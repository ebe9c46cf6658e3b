//! Percent-encoding, and the key predicates of links.

use crate::model::edm::Cell;
use crate::model::schema::{Schema, TypeId};
use crate::model::text;

/// Decodes a path segment, which was split off before (PTH-1); `+` is itself. None for a `%` without two hexadecimal digits,
/// for bytes that are not UTF-8 (PTH-7), and for U+0000, which no text of ours can hold.
pub fn decode_path(text: &str) -> Option<String> {
    decode(text, false)
}

/// The same for a name or value of the query part, where `+` is a blank (PTH-3).
pub fn decode_query(text: &str) -> Option<String> {
    decode(text, true)
}

fn decode(text: &str, is_query: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'%' => {
                let [high, low, after @ ..] = after else { return None };
                out.push(text::hex_digit(*high)? << 4 | text::hex_digit(*low)?);
                rest = after;
            }
            b'+' if is_query => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    String::from_utf8(out).ok().filter(|text| !text.contains('\0'))
}

/// Whether a byte stands for itself in the links that the server writes: the unreserved ones and the delimiters of keys. Left out
/// of what RFC 3986 allows in a segment are `&` and `;` (they mean something in HTML and in queries), `+` (some decode it to
/// a blank) and `:` (not allowed in the first segment of a relative reference).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~'()*!,=$@".contains(&byte)
}

/// Percent-encodes a text as (part of) a path segment or as the value of a query option.
pub fn encode(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    encode_from(start, out);
}

/// Percent-encodes what stands in `out` from `start` on; almost always there is nothing to do.
fn encode_from(start: usize, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let Some(first) = out[start..].iter().position(|&byte| !is_plain(byte)) else {
        return;
    };
    for byte in out.split_off(start + first) {
        if is_plain(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// Writes the key predicate of an entity, percent-encoded: `(42L)`, or `(OrderID=10248,ProductID=11)` for a compound key
/// (LIT-32). `value_of` gives the value of a key property by its index in the type's properties.
pub fn write_key<'a>(schema: &Schema, ty: TypeId, value_of: &mut dyn FnMut(usize) -> Cell<'a>, out: &mut Vec<u8>) {
    let ty = &schema.types[ty];
    out.push(b'(');
    for (i, &index) in ty.key.iter().enumerate() {
        let property = &ty.properties[index];
        if i > 0 {
            out.push(b',');
        }
        if ty.key.len() > 1 {
            encode(&property.name, out);
            out.push(b'=');
        }
        if let Some(edm) = property.ty.primitive() {
            let start = out.len();
            text::write_literal(edm, value_of(index), out);
            encode_from(start, out);
        }
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        let table = [
            ("a+b%20c", Some("a+b c"), Some("a b c")),
            ("%28%27%2F%27%29", Some("('/')"), Some("('/')")),
            ("%c3%A4", Some("\u{e4}"), Some("\u{e4}")),
            ("\u{e4}", Some("\u{e4}"), Some("\u{e4}")),
            ("%2541", Some("%41"), Some("%41")),
            ("%", None, None),
            ("%4", None, None),
            ("%4G", None, None),
            ("%+1", None, None),
            ("%E4", None, None),
            ("%\u{e4}", None, None),
            ("%00", None, None),
        ];
        for (text, path, query) in table {
            assert_eq!(decode_path(text).as_deref(), path, "{text}");
            assert_eq!(decode_query(text).as_deref(), query, "{text}");
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        let table = [
            ("ALF/KI", "ALF%2FKI"),
            ("'O''Neil'", "'O''Neil'"),
            ("a b+c&d;e?f#g%h", "a%20b%2Bc%26d%3Be%3Ff%23g%25h"),
            ("datetime'2012-01-01T00:00:00'", "datetime'2012-01-01T00%3A00%3A00'"),
            ("\u{e4}\u{20ac}", "%C3%A4%E2%82%AC"),
            ("", ""),
        ];
        for (text, encoded) in table {
            let mut out = b"?".to_vec();
            encode(text, &mut out);
            assert_eq!(String::from_utf8_lossy(&out[1..]), encoded);
            assert_eq!(decode_path(encoded).as_deref(), Some(text));
            assert_eq!(decode_query(encoded).as_deref(), Some(text));
        }
    }
}

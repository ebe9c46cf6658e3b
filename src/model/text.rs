//! Text forms of primitive values: the XML text of Atom, CSV and `$value` (PRM-10), which JSON shares for everything but
//! strings, and the literals of URLs (LIT-32).
//!
//! [`parse`] makes canonical content (see [`super::edm`]), [`write`] writes it. A complex value or a collection is JSON of canonical
//! contents: Boolean, Integer and finite Double stand as themselves, the other Doubles as `"INF"`, `"-INF"` and `"NaN"`, Text as a
//! string, Bytes as a string of upper-case hexadecimal digits.

mod time;

use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};

use super::edm::{Cell, Edm, Value};
use super::geometry;

pub use time::{text_to_ticks, ticks_to_text};

/// Most digits of a Decimal (PRM-6).
const DECIMAL_DIGITS: usize = 29;
/// Most of them after the point, as in .NET; it also bounds what an exponent can make.
const DECIMAL_SCALE: usize = 28;

/// Reads base64 with or without padding.
const BASE64_READER: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the XML (Atom, CSV, `$value`) text of a type. White space around it has no meaning, except in a String.
///
/// A DateTime with a zone becomes the instant in UTC (PRM-4, LIT-31); a DateTimeOffset must have one. U+0000 is refused:
/// PostgreSQL cannot hold it, XML cannot carry it.
pub fn parse(edm: Edm, text: &str) -> Option<Value> {
    if edm == Edm::String {
        return (!text.contains('\0')).then(|| Value::Text(text.to_owned()));
    }
    let text = text.trim_ascii();
    Some(match edm {
        Edm::Boolean => Value::Boolean(match text {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        Edm::Byte | Edm::SByte | Edm::Int16 | Edm::Int32 | Edm::Int64 => {
            let (low, high) = edm.integer_range()?;
            Value::Integer(text.parse().ok().filter(|value| (low..=high).contains(value))?)
        }
        Edm::Single => Value::Double(parse_single(text)?.into()),
        Edm::Double => Value::Double(parse_double(text)?),
        Edm::Decimal => Value::Text(parse_decimal(text)?),
        Edm::Guid => Value::Bytes(parse_guid(text)?.to_vec()),
        Edm::Binary => Value::Bytes(parse_base64(text)?),
        Edm::DateTime => Value::Text(ticks_to_text(time::parse_date_time(text)?.utc()?)),
        Edm::DateTimeOffset => {
            let moment = time::parse_date_time(text)?;
            moment.offset?;
            Value::Text(ticks_to_text(moment.utc()?))
        }
        Edm::Time => Value::Integer(time::parse_duration(text)?),
        Edm::Stream => return None,
        _ => Value::Text(geometry::canonical(edm, text)?),
    })
}

/// Whether a value is canonical content of a type, as [`parse`] makes it; null is. For values that come back from a client.
pub fn is_canonical(edm: Edm, value: &Value) -> bool {
    match (edm, value) {
        (_, Value::Null) => edm != Edm::Stream,
        (Edm::Boolean, Value::Boolean(_)) | (Edm::Time, Value::Integer(_)) | (Edm::Double, Value::Double(_)) => true,
        (Edm::Single, Value::Double(value)) => value.is_nan() || f64::from(*value as f32) == *value,
        (_, Value::Integer(value)) => edm.integer_range().is_some_and(|(low, high)| (low..=high).contains(value)),
        (Edm::Decimal, Value::Text(text)) => parse_decimal(text).as_ref() == Some(text),
        (Edm::DateTime | Edm::DateTimeOffset, Value::Text(text)) => text_to_ticks(text).is_some_and(|ticks| ticks_to_text(ticks) == *text),
        (Edm::String, Value::Text(text)) => !text.contains('\0'),
        (_, Value::Text(text)) => geometry::canonical(edm, text).as_ref() == Some(text),
        (Edm::Guid, Value::Bytes(bytes)) => bytes.len() == 16,
        (Edm::Binary, Value::Bytes(_)) => true,
        _ => false,
    }
}

/// Writes the XML text of a cell (PRM-10), nothing for null. A String goes out as it is: escaping is the format's.
pub fn write(edm: Edm, cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Integer(ticks) if edm == Edm::Time => time::write_duration(ticks, out),
        Cell::Integer(value) => write_integer(value, out),
        Cell::Double(value) if edm == Edm::Single => write_float(value as f32, value, out),
        Cell::Double(value) => write_float(value, value, out),
        Cell::Text(text) => match edm {
            Edm::DateTime => out.extend_from_slice(without_zero_fraction(text)),
            Edm::DateTimeOffset => {
                out.extend_from_slice(without_zero_fraction(text));
                out.push(b'Z');
            }
            _ => out.extend_from_slice(text.as_bytes()),
        },
        Cell::Bytes(bytes) => match (edm, bytes.try_into()) {
            (Edm::Guid, Ok(guid)) => write_guid(guid, out),
            _ => write_base64(bytes, out),
        },
    }
}

/// Writes the URL literal of a cell (LIT-32), `null` for null; not percent-encoded, that is `odata::url`'s.
pub fn write_literal(edm: Edm, cell: Cell<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    match (edm, cell) {
        (_, Cell::Null) => out.extend_from_slice(b"null"),
        (Edm::String, Cell::Text(text)) => write_quoted("", text, out),
        (_, Cell::Text(text)) if edm >= Edm::Geometry => write_quoted("geometry", text, out),
        (_, Cell::Text(text)) if edm.is_spatial() => write_quoted("geography", text, out),
        (Edm::Binary, Cell::Bytes(bytes)) => {
            out.extend_from_slice(b"binary'");
            for &byte in bytes {
                out.extend_from_slice(&[UPPER_HEX[usize::from(byte >> 4)], UPPER_HEX[usize::from(byte & 15)]]);
            }
            out.push(b'\'');
        }
        _ => {
            let (before, after) = match edm {
                Edm::Int64 => ("", "L"),
                Edm::Decimal => ("", "M"),
                Edm::Single => ("", "f"),
                Edm::Guid => ("guid'", "'"),
                Edm::DateTime => ("datetime'", "'"),
                Edm::DateTimeOffset => ("datetimeoffset'", "'"),
                Edm::Time => ("time'", "'"),
                _ => ("", ""),
            };
            out.extend_from_slice(before.as_bytes());
            write(edm, cell, out);
            out.extend_from_slice(after.as_bytes());
            let is_whole = |digits: &[u8]| digits.iter().all(|byte| matches!(byte, b'-' | b'0'..=b'9'));
            if edm == Edm::Double && is_whole(&out[start..]) {
                out.extend_from_slice(b".0");
            }
        }
    }
}

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes `prefix'text'` with quotes doubled (LIT-1).
fn write_quoted(prefix: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(prefix.as_bytes());
    out.push(b'\'');
    for byte in text.bytes() {
        if byte == b'\'' {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(b'\'');
}

/// Reads the 36 characters of a Guid, in any case, without braces (PRM-8, LIT-7).
pub fn parse_guid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut guid = [0; 16];
    let mut digits = 0;
    for (i, byte) in text.bytes().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return None;
            }
            continue;
        }
        guid[digits / 2] = guid[digits / 2] << 4 | hex_digit(byte)?;
        digits += 1;
    }
    Some(guid)
}

/// Writes a Guid: lower case, with hyphens (PRM-8).
pub fn write_guid(guid: &[u8; 16], out: &mut Vec<u8>) {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in guid.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = LOWER_HEX[usize::from(byte >> 4)];
        text[at + 1] = LOWER_HEX[usize::from(byte & 15)];
        at += 2;
    }
    out.extend_from_slice(&text);
}

/// Reads an even number of hexadecimal digits, in any case (LIT-11).
pub fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|pair| Some(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?))
        .collect();
    bytes.filter(|_| rest.is_empty())
}

/// The value of a hexadecimal digit.
pub fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Reads base64; line breaks and blanks in it have no meaning.
fn parse_base64(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return BASE64_READER.decode(text).ok();
    }
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_READER.decode(text).ok()
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("base64 needs four characters for three bytes");
}

fn write_integer(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Shortest text that reads back the same; `value` is the one to write, `size` the same as a double.
fn write_float(value: impl std::fmt::Display + std::fmt::UpperExp, size: f64, out: &mut Vec<u8>) {
    use std::io::Write;
    let written = if size.is_nan() {
        out.write_all(b"NaN")
    } else if size.is_infinite() {
        out.write_all(if size > 0.0 { b"INF" } else { b"-INF" })
    } else if size == 0.0 || (1e-5..1e15).contains(&size.abs()) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:E}")
    };
    written.expect("a Vec takes every byte");
}

/// `-?digits[.digits][E±digits]`, the shape that all numeric types share: sign, digits before and after the point, exponent.
fn number(text: &str) -> Option<(bool, &str, &str, i32)> {
    let negative = text.starts_with('-');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && digits(whole) && digits(fraction)).then_some((negative, whole, fraction, exponent))
}

fn parse_exponent(text: &str) -> Option<i32> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_small = (1..=5).contains(&unsigned.len()) && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    is_small.then(|| text.parse().ok())?
}

/// Reads a Double: a number in range, `INF`, `-INF` or `NaN`; also `Infinity` as JSON spells it (PRM-31).
pub fn parse_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "INF" | "Infinity" => Some(f64::INFINITY),
        "-INF" | "-Infinity" => Some(f64::NEG_INFINITY),
        _ => number(text).and_then(|_| text.parse().ok()).filter(|value: &f64| value.is_finite()),
    }
}

/// Reads a Single, rounded once from its digits.
pub fn parse_single(text: &str) -> Option<f32> {
    let double = parse_double(text)?;
    if !double.is_finite() {
        return Some(double as f32);
    }
    text.parse().ok().filter(|value: &f32| value.is_finite())
}

/// Reads a Decimal, plain or with an exponent, as plain digits with the scale given (PRM-6): `-1.50E1` is `-15.0`.
pub fn parse_decimal(text: &str) -> Option<String> {
    let (negative, whole, fraction, exponent) = number(text)?;
    let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    let mut digits = [whole, fraction].concat();
    digits.drain(..digits.bytes().take_while(|&byte| byte == b'0').count());
    if scale < 0 && !digits.is_empty() {
        let zeros = usize::try_from(-scale).ok().filter(|&zeros| zeros <= DECIMAL_DIGITS)?;
        digits.extend(std::iter::repeat_n('0', zeros));
    }
    let scale = usize::try_from(scale.max(0)).ok()?;
    if digits.len() > DECIMAL_DIGITS || scale > DECIMAL_SCALE {
        return None;
    }
    let sign = if negative && digits.bytes().any(|byte| byte != b'0') {
        "-"
    } else {
        ""
    };
    let missing = (scale + 1).saturating_sub(digits.len());
    digits.insert_str(0, &"0".repeat(missing));
    if scale > 0 {
        digits.insert(digits.len() - scale, '.');
    }
    digits.insert_str(0, sign);
    Some(digits)
}

/// A canonical DateTime without the zeros at the end of its fraction.
fn without_zero_fraction(text: &str) -> &[u8] {
    let mut bytes = text.as_bytes();
    if bytes.len() > 19 {
        while let [rest @ .., b'0'] = bytes {
            bytes = rest;
        }
        bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
    }
    bytes
}

#[cfg(test)]
mod tests;

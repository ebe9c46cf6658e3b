//! Literals of URLs: one lexer for keys, parameters and filters (LIT-1…LIT-13, LIT-30…LIT-33).
//!
//! ```text
//! literal = "null" | "true" | "false"
//!         | string                                      'O''Neil'
//!         | prefix string                               guid'…' datetime'…' datetimeoffset'…' time'…' binary'…' X'…'
//!                                                       geography'…' geometry'…'
//!         | ["-"] digits ["L"]                          42 42L
//!         | ["-"] digits ["." digits] [exponent] [MDF]  1.5 1E3 1.5M 1.5D 1.5F
//!         | ["-"] "INF" [DF] | "NaN" [DF]
//! ```
//! Prefixes and suffixes are taken in any case. A prefix without a quote behind it is an identifier (LIT-13), and so is a
//! keyword with more letters behind it: there the lexer gives a recoverable error. What is certainly meant as a literal
//! but cannot be read is a failure.

use std::borrow::Cow;

use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{digit1, one_of};
use nom::combinator::{opt, recognize};
use nom::{Err, IResult, Parser};

use crate::model::edm::{Cell, Edm, Value};
use crate::model::geometry::{Spatial, is_geography};
use crate::model::text;

/// What a parser of this floor gives.
pub type Parsed<'a, T> = IResult<&'a str, T, Expected<'a>>;

/// Why a text cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The text from the place of the fault.
    pub rest: &'a str,
    /// What should stand there: "a closing quote".
    pub what: &'static str,
}

impl<'a> Expected<'a> {
    /// A recoverable error: something else may stand here.
    pub fn error(rest: &'a str, what: &'static str) -> Err<Self> {
        Err::Error(Expected { rest, what })
    }

    /// A failure: nothing else can be meant.
    pub fn failure(rest: &'a str, what: &'static str) -> Err<Self> {
        Err::Failure(Expected { rest, what })
    }

    /// The byte position in the text that was parsed.
    pub fn position(&self, text: &str) -> usize {
        text.len().saturating_sub(self.rest.len())
    }
}

impl<'a> nom::error::ParseError<&'a str> for Expected<'a> {
    fn from_error_kind(rest: &'a str, _: nom::error::ErrorKind) -> Self {
        Expected {
            rest,
            what: "something else",
        }
    }

    fn append(_: &'a str, _: nom::error::ErrorKind, first: Self) -> Self {
        first
    }
}

/// A literal, as far as its text tells; [`to_value`] and [`natural`] say what it is for a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// Digits without point, exponent or suffix; of any length.
    Integer(&'a str),
    /// With point or exponent but no suffix: a Double, unless a Decimal is wanted (FLT-42).
    Real(&'a str),
    /// With the suffix `L`.
    Int64(i64),
    /// With the suffix `M`; canonical content.
    Decimal(String),
    /// With the suffix `D`; also `INF`, `-INF` and `NaN` without one.
    Double(f64),
    /// With the suffix `F`.
    Single(f32),
    /// In quotes; borrowed unless it has a doubled quote.
    String(Cow<'a, str>),
    /// `guid'…'`
    Guid([u8; 16]),
    /// `datetime'…'`; canonical content, a zone is already applied (LIT-31).
    DateTime(String),
    /// `datetimeoffset'…'`; canonical content.
    DateTimeOffset(String),
    /// `time'…'`; ticks.
    Time(i64),
    /// `binary'…'` or `X'…'`
    Binary(Vec<u8>),
    /// `geography'…'` or `geometry'…'`: the type that its WKT names; canonical content.
    Spatial(Edm, String),
}

/// Reads the literal that the text begins with. A recoverable error means that no literal begins here.
pub fn literal(input: &str) -> Parsed<'_, Literal<'_>> {
    match input.bytes().next() {
        Some(b'\'') => quoted(input).map(|(rest, text)| (rest, Literal::String(text))),
        Some(b'0'..=b'9' | b'-') => number(input),
        _ => word(input),
    }
}

/// A name: a letter or `_`, then letters, digits and `_` (MET-33).
pub fn identifier(input: &str) -> Parsed<'_, &str> {
    if !input.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return Err(Expected::error(input, "a name"));
    }
    take_while1(is_word)(input)
}

/// The text without the blanks and tabs that it begins with.
pub fn skip_blanks(input: &str) -> &str {
    input.trim_start_matches([' ', '\t'])
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `'…'`, a quote in it doubled (LIT-1).
fn quoted(input: &str) -> Parsed<'_, Cow<'_, str>> {
    let body = input.strip_prefix('\'').ok_or(Expected::error(input, "a quote"))?;
    let mut from = 0;
    while let Some(length) = body[from..].find('\'') {
        let end = from + length;
        let after = &body[end + 1..];
        if !after.starts_with('\'') {
            let text = &body[..end];
            let is_plain = from == 0;
            let text = if is_plain {
                Cow::Borrowed(text)
            } else {
                Cow::Owned(text.replace("''", "'"))
            };
            return Ok((after, text));
        }
        from = end + 2;
    }
    Err(Expected::failure(input, "a closing quote"))
}

/// A number with its suffix, or a negative special value.
fn number(input: &str) -> Parsed<'_, Literal<'_>> {
    let unsigned = input.strip_prefix('-').unwrap_or(input);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return match special(unsigned) {
            Some((rest, Literal::Double(value))) if value.is_infinite() => Ok((rest, Literal::Double(-value))),
            Some((rest, Literal::Single(value))) if value.is_infinite() => Ok((rest, Literal::Single(-value))),
            _ => Err(Expected::error(input, "a literal")),
        };
    }
    let fraction = recognize((tag("."), digit1));
    let exponent = recognize((one_of("eE"), opt(one_of("+-")), digit1));
    let (suffixed, _) = recognize((digit1, opt(fraction), opt(exponent))).parse(unsigned)?;
    let digits = &input[..input.len() - suffixed.len()];
    let is_real = digits.contains(['.', 'e', 'E']);
    let suffix = suffixed.chars().next().filter(char::is_ascii_alphabetic);
    let rest = &suffixed[suffix.map_or(0, char::len_utf8)..];
    if rest.starts_with(|c| is_word(c) || c == '.') {
        return Err(Expected::failure(input, "a number"));
    }
    let value = match suffix {
        None if is_real => Some(Literal::Real(digits)),
        None => Some(Literal::Integer(digits)),
        Some('L' | 'l') => digits.parse().ok().map(Literal::Int64),
        Some('M' | 'm') => text::parse_decimal(digits).map(Literal::Decimal),
        Some('D' | 'd') => text::parse_double(digits).map(Literal::Double),
        Some('F' | 'f') => text::parse_single(digits).map(Literal::Single),
        Some(_) => return Err(Expected::failure(input, "a number")),
    };
    value
        .map(|value| (rest, value))
        .ok_or(Expected::failure(input, "a number in range"))
}

/// `INF` or `NaN`, with or without a suffix (LIT-4).
fn special(input: &str) -> Option<(&str, Literal<'_>)> {
    let (rest, name) = identifier(input).ok()?;
    let (value, suffix) = match name.split_at_checked(3)? {
        ("INF", suffix) => (f64::INFINITY, suffix),
        ("NaN", suffix) => (f64::NAN, suffix),
        _ => return None,
    };
    let value = match suffix {
        "" | "D" | "d" => Literal::Double(value),
        "F" | "f" => Literal::Single(value as f32),
        _ => return None,
    };
    Some((rest, value))
}

/// A keyword, or a prefix with a quote behind it.
fn word(input: &str) -> Parsed<'_, Literal<'_>> {
    let none = Expected::error(input, "a literal");
    let Ok((rest, name)) = identifier(input) else {
        return Err(none);
    };
    if rest.starts_with('\'') {
        let Some((_, what, read)) = PREFIXES.iter().find(|row| row.0.eq_ignore_ascii_case(name)) else {
            return Err(none);
        };
        let (after, body) = quoted(rest)?;
        let value = read(&body).ok_or(Expected::failure(input, what))?;
        return Ok((after, value));
    }
    match name {
        "null" => Ok((rest, Literal::Null)),
        "true" => Ok((rest, Literal::Boolean(true))),
        "false" => Ok((rest, Literal::Boolean(false))),
        _ => special(input).ok_or(none),
    }
}

/// How the text between the quotes is read.
type Read = fn(&str) -> Option<Literal<'static>>;

/// Prefixes: name, what a fault says is expected, how the text is read.
const PREFIXES: &[(&str, &str, Read)] = &[
    ("guid", "a Guid", |body| text::parse_guid(body).map(Literal::Guid)),
    ("datetime", "a DateTime", |body| {
        canonical(Edm::DateTime, body).map(Literal::DateTime)
    }),
    ("datetimeoffset", "a DateTimeOffset", |body| {
        // Without a zone it is UTC: there are clients that leave the `Z` out.
        let value = canonical(Edm::DateTimeOffset, body).or_else(|| canonical(Edm::DateTime, body));
        value.map(Literal::DateTimeOffset)
    }),
    ("time", "a duration", |body| match text::parse(Edm::Time, body)? {
        Value::Integer(ticks) => Some(Literal::Time(ticks)),
        _ => None,
    }),
    ("binary", "an even number of hexadecimal digits", binary),
    ("X", "an even number of hexadecimal digits", binary),
    ("geography", "SRID and well-known text", |body| spatial(Edm::Geography, body)),
    ("geometry", "SRID and well-known text", |body| spatial(Edm::Geometry, body)),
];

fn canonical(edm: Edm, body: &str) -> Option<String> {
    match text::parse(edm, body)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn binary(body: &str) -> Option<Literal<'static>> {
    text::parse_hex(body).map(Literal::Binary)
}

/// `SRID=n;WKT` (LIT-12), of the type that its shape has.
fn spatial(family: Edm, body: &str) -> Option<Literal<'static>> {
    let spatial = Spatial::parse(body).ok()?;
    let edm = spatial.shape.kind().edm(is_geography(family));
    Some(Literal::Spatial(edm, spatial.to_string()))
}

/// The literal as canonical content of a type, for keys, parameters and comparisons (LIT-30); none if it does not fit.
/// `null` is [`Value::Null`] for every type: the caller knows whether null may stand there.
pub fn to_value(literal: &Literal<'_>, target: Edm) -> Option<Value> {
    use Literal as L;
    Some(match (literal, target) {
        (L::Null, _) => Value::Null,
        (L::Boolean(value), Edm::Boolean) => Value::Boolean(*value),
        (L::Integer(digits @ ("0" | "1")), Edm::Boolean) => Value::Boolean(*digits == "1"),
        (L::Integer(digits), _) if target.is_numeric() => text::parse(target, digits)?,
        (L::Real(digits), Edm::Decimal | Edm::Double | Edm::Single) => text::parse(target, digits)?,
        (L::Int64(value), Edm::Int64) => Value::Integer(*value),
        (L::Int64(value), Edm::Decimal | Edm::Double | Edm::Single) => text::parse(target, &value.to_string())?,
        (L::Decimal(value), Edm::Decimal) => Value::Text(value.clone()),
        (L::Double(value), Edm::Double) => Value::Double(*value),
        // INF and NaN have no digits to lose.
        (L::Double(value), Edm::Single) if !value.is_finite() => Value::Double(*value),
        (L::Single(value), Edm::Single) => Value::Double((*value).into()),
        // By its digits: 0.1f is 0.1, not 0.10000000149.
        (L::Single(value), Edm::Double | Edm::Decimal) => reread(Edm::Single, (*value).into(), target)?,
        (L::Double(value), Edm::Decimal) => reread(Edm::Double, *value, target)?,
        (L::String(value), Edm::String) => text::parse(Edm::String, value)?,
        (L::Guid(value), Edm::Guid) => Value::Bytes(value.to_vec()),
        (L::DateTime(value), Edm::DateTime) | (L::DateTimeOffset(value), Edm::DateTimeOffset) => Value::Text(value.clone()),
        (L::Time(ticks), Edm::Time) => Value::Integer(*ticks),
        (L::Binary(value), Edm::Binary) => Value::Bytes(value.clone()),
        (L::Spatial(edm, value), _) if *edm == target || is_spatial_base(*edm, target) => Value::Text(value.clone()),
        _ => return None,
    })
}

/// The type that a literal has by itself, and its value, for filters: a bare integer is Int32 if it fits, else Int64; a real
/// without suffix is Double (LIT-2, LIT-3). None for `null` and for what is out of range.
pub fn natural(literal: &Literal<'_>) -> Option<(Edm, Value)> {
    let types: &[Edm] = match literal {
        Literal::Null => &[],
        Literal::Boolean(_) => &[Edm::Boolean],
        Literal::Integer(_) => &[Edm::Int32, Edm::Int64],
        Literal::Int64(_) => &[Edm::Int64],
        Literal::Decimal(_) => &[Edm::Decimal],
        Literal::Real(_) | Literal::Double(_) => &[Edm::Double],
        Literal::Single(_) => &[Edm::Single],
        Literal::String(_) => &[Edm::String],
        Literal::Guid(_) => &[Edm::Guid],
        Literal::DateTime(_) => &[Edm::DateTime],
        Literal::DateTimeOffset(_) => &[Edm::DateTimeOffset],
        Literal::Time(_) => &[Edm::Time],
        Literal::Binary(_) => &[Edm::Binary],
        Literal::Spatial(edm, _) => std::slice::from_ref(edm),
    };
    types.iter().find_map(|&edm| Some((edm, to_value(literal, edm)?)))
}

/// A Double or Single as the number of another type with the same digits.
fn reread(edm: Edm, value: f64, target: Edm) -> Option<Value> {
    let mut digits = Vec::new();
    text::write(edm, Cell::Double(value), &mut digits);
    text::parse(target, std::str::from_utf8(&digits).ok()?)
}

/// `Edm.Geography` takes every geography, `Edm.Geometry` every geometry.
fn is_spatial_base(edm: Edm, target: Edm) -> bool {
    match target {
        Edm::Geography => edm < Edm::Geometry,
        Edm::Geometry => edm >= Edm::Geometry,
        _ => false,
    }
}

#[cfg(test)]
mod tests;

//! Media ranges and their quality: `Accept`, `Accept-Charset` and `$format` (CON-2, CON-4, CON-5).

use crate::model::fault::{self, Fault, Outcome};

/// `$format`'s short names; any other value is a media type.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("json", "application/json"),
    ("jsonlight", "application/json;odata=minimalmetadata"),
    ("verbosejson", "application/json;odata=verbose"),
    ("jsonverbose", "application/json;odata=verbose"),
    ("xml", "application/xml"),
    ("atom", "application/atom+xml"),
    ("csv", "text/csv"),
];

/// One media range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    /// In lower case; `*` is any.
    pub kind: String,
    pub subtype: String,
    /// The `odata=` parameter in lower case.
    pub odata: Option<String>,
    /// The `type=` parameter in lower case.
    pub of_type: Option<String>,
    /// Thousandths.
    pub q: u32,
}

/// The value of `$format`, decoded.
pub(super) fn of_option(option: &str) -> Outcome<Range> {
    let (name, parameters) = option.split_once(';').map_or((option, ""), |(name, rest)| (name, rest));
    let known = SHORT_NAMES.iter().find(|(short, _)| short.eq_ignore_ascii_case(name.trim()));
    // A plus that was sent unencoded has been decoded to a blank.
    let media = known.map_or_else(
        || name.replace("atom xml", "atom+xml").replace("atomsvc xml", "atomsvc+xml"),
        |(_, media)| (*media).to_owned(),
    );
    of_text(&format!("{media};{parameters}"))
}

/// The ranges of an `Accept` header.
pub(super) fn of_header(accept: &str) -> Outcome<Vec<Range>> {
    split(accept, ',')
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .map(of_text)
        .collect()
}

fn of_text(text: &str) -> Outcome<Range> {
    let mut parts = split(text, ';').into_iter();
    let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    // `*` alone is what old Java clients send.
    let (kind, subtype) = if media == "*" {
        ("*", "*")
    } else {
        media.split_once('/').unwrap_or((&media, ""))
    };
    let mut range = Range {
        kind: kind.to_owned(),
        subtype: subtype.to_owned(),
        odata: None,
        of_type: None,
        q: 1000,
    };
    for (name, value) in parts.map(parameter) {
        match name.as_str() {
            "q" => range.q = quality(&value)?,
            "odata" => range.odata = Some(value),
            "type" => range.of_type = Some(value),
            _ => {}
        }
    }
    Ok(range)
}

/// The q of a character set in thousandths; 0 if it is not named and `*` is not there either.
pub(super) fn charset_quality(header: &str, charset: &str) -> Outcome<u32> {
    let mut others = 0;
    for item in split(header, ',') {
        let mut parts = split(item, ';').into_iter();
        let name = parts.next().unwrap_or_default().trim().trim_matches('"');
        let q = parts.map(parameter).find(|(name, _)| name == "q");
        let q = q.map_or(Ok(1000), |(_, value)| quality(&value))?;
        if name.eq_ignore_ascii_case(charset) {
            return Ok(q);
        }
        if name == "*" {
            others = q;
        }
    }
    Ok(others)
}

/// Name and value in lower case, without quotes.
pub(super) fn parameter(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (
        name.trim().to_ascii_lowercase(),
        value.trim().trim_matches('"').to_ascii_lowercase(),
    )
}

/// `0` to `1` in thousandths; `.2` is taken too.
fn quality(text: &str) -> Outcome<u32> {
    let bad = || {
        Fault::new(
            &fault::BAD_REQUEST,
            "A q-value in `Accept` is a number from 0 to 1 with at most three digits after the point.",
        )
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number =
        fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte.is_ascii_digit());
    let fraction: u32 = if is_number {
        format!("{fraction:0<3}").parse().map_err(|_| bad())?
    } else {
        return Err(bad());
    };
    match (whole, fraction) {
        ("" | "0", fraction) => Ok(fraction),
        ("1", 0) => Ok(1000),
        _ => Err(bad()),
    }
}

/// Splits at `separator` outside of quotes.
pub(in crate::odata) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(|c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
    .collect()
}

//! Which format an answer has (CON-1..CON-24), and which one a body is in (CON-18): one table, in the server's own order. A further
//! format is further rows.
//!
//! ```ignore
//! let choice = accept::negotiate(Kind::Feed, format_option, accept_header, versions.max)?;   // 406, or 400 for a bad q
//! // choice.format, choice.level → format::Render, format::feed; choice.content_type; choice.version → versions.answer(..)
//! let format = accept::for_error(format_option, accept_header);                              // never fails
//! accept::body_format(content_type_header)?;                                                 // 415
//! ```

use super::format::{Format, Metadata};
use super::version::Version;
use crate::model::fault::{self, Fault, Outcome};

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Entities.
    Feed,
    /// One entity.
    Entry,
    /// A property, a complex value, a collection, an operation's value, links.
    Value,
    /// The service document.
    Service,
    /// `$metadata`.
    Metadata,
    /// `/$count`.
    Count,
    /// `/$value` of a primitive other than Binary.
    Raw,
    /// `/$value` of a Binary.
    RawBinary,
    /// An error.
    Error,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// JSON or XML for the service document and errors; of data, [`Choice::format`] says more.
    pub syntax: Syntax,
    /// The format of data.
    pub format: Format,
    /// The level of JSON light.
    pub level: Metadata,
    /// `Content-Type` (CON-7, CON-8).
    pub content_type: &'static str,
    /// The version that the format itself needs (VER-20..VER-22); counts and next links may need more.
    pub version: Version,
}

/// What an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Syntax {
    Json,
    Xml,
    Text,
    Bytes,
}

/// One offer: for which kinds, which media types and `odata=` values ask for it, and what it is.
struct Offer {
    kinds: &'static [Kind],
    /// The first is the proper one.
    media: &'static [&'static str],
    /// The `odata=` parameter; `""` is its absence.
    odata: &'static [&'static str],
    choice: Choice,
}

const DATA: &[Kind] = &[Kind::Feed, Kind::Entry, Kind::Value, Kind::Service, Kind::Error];
const JSON: &[&str] = &["application/json"];

const fn json(level: Metadata, content_type: &'static str) -> Choice {
    Choice {
        syntax: Syntax::Json,
        format: Format::JsonLight,
        level,
        content_type,
        version: Version::V3,
    }
}

const fn atom(content_type: &'static str) -> Choice {
    Choice {
        format: Format::Atom,
        ..plain(Syntax::Xml, content_type, Version::V1)
    }
}

const fn plain(syntax: Syntax, content_type: &'static str, version: Version) -> Choice {
    Choice {
        syntax,
        format: Format::JsonLight,
        level: Metadata::None,
        content_type,
        version,
    }
}

/// In the server's order: what wins when the client does not mind.
const OFFERS: &[Offer] = &[
    Offer {
        kinds: DATA,
        media: JSON,
        odata: &["", "minimalmetadata"],
        choice: json(
            Metadata::Minimal,
            "application/json;odata=minimalmetadata;streaming=true;charset=utf-8",
        ),
    },
    Offer {
        kinds: DATA,
        media: JSON,
        odata: &["fullmetadata"],
        choice: json(Metadata::Full, "application/json;odata=fullmetadata;streaming=true;charset=utf-8"),
    },
    Offer {
        kinds: DATA,
        media: JSON,
        odata: &["nometadata"],
        choice: json(Metadata::None, "application/json;odata=nometadata;streaming=true;charset=utf-8"),
    },
    Offer {
        kinds: &[Kind::Service],
        media: &["application/atomsvc+xml"],
        odata: &[""],
        choice: plain(Syntax::Xml, "application/atomsvc+xml;charset=utf-8", Version::V1),
    },
    Offer {
        kinds: &[Kind::Feed],
        media: &["application/atom+xml", "application/xml"],
        odata: &[""],
        choice: atom("application/atom+xml;type=feed;charset=utf-8"),
    },
    Offer {
        kinds: &[Kind::Entry],
        media: &["application/atom+xml", "application/xml"],
        odata: &[""],
        choice: atom("application/atom+xml;type=entry;charset=utf-8"),
    },
    // Clients that want Atom feeds say so for everything (CON-12, CON-13).
    Offer {
        kinds: &[Kind::Service, Kind::Error, Kind::Value],
        media: &["application/xml", "text/xml", "application/atom+xml"],
        odata: &[""],
        choice: atom("application/xml;charset=utf-8"),
    },
];

/// Kinds that have one format, whatever is asked for (CON-14, CON-15, CON-16).
const FIXED: &[(Kind, Choice)] = &[
    (Kind::Metadata, plain(Syntax::Xml, "application/xml;charset=utf-8", Version::V1)),
    (Kind::Count, plain(Syntax::Text, "text/plain;charset=utf-8", Version::V2)),
    (Kind::Raw, plain(Syntax::Text, "text/plain;charset=utf-8", Version::V1)),
    (Kind::RawBinary, plain(Syntax::Bytes, "application/octet-stream", Version::V1)),
];

/// `$format`'s short names (CON-2); any other value is a media type.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("json", "application/json"),
    ("jsonlight", "application/json;odata=minimalmetadata"),
    ("verbosejson", "application/json;odata=verbose"),
    ("jsonverbose", "application/json;odata=verbose"),
    ("xml", "application/xml"),
    ("atom", "application/atom+xml"),
];

/// One media range of `Accept`.
#[derive(Debug, Clone, PartialEq)]
struct Range {
    /// In lower case; `*` is any.
    kind: String,
    subtype: String,
    /// The `odata=` parameter in lower case.
    odata: Option<String>,
    /// Thousandths.
    q: u32,
}

/// Picks the format of an answer. `format_option` is `$format`, decoded, and wins over `accept` (CON-1); without both the answer is JSON
/// light. `max` is the highest version that the client takes: JSON light is 3.0 (CON-23). 406 when nothing fits, 400 for a malformed
/// header (CON-4).
pub fn negotiate(kind: Kind, format_option: Option<&str>, accept: Option<&str>, max: Version) -> Outcome<Choice> {
    if let Some((_, choice)) = FIXED.iter().find(|(fixed, _)| *fixed == kind) {
        return Ok(*choice);
    }
    let ranges = match (format_option, accept) {
        (Some(option), _) => {
            let known = SHORT_NAMES.iter().find(|(name, _)| *name == option);
            // A plus that was sent unencoded has been decoded to a blank.
            let media = known.map_or_else(
                || option.replace("atom xml", "atom+xml").replace("atomsvc xml", "atomsvc+xml"),
                |(_, media)| (*media).to_owned(),
            );
            vec![range(&media)?]
        }
        (None, Some(accept)) if !accept.trim().is_empty() => ranges(accept)?,
        _ => ranges("*/*")?,
    };
    let mut best: Option<(u32, &Offer)> = None;
    for offer in OFFERS
        .iter()
        .filter(|offer| offer.kinds.contains(&kind) && offer.choice.version <= max)
    {
        let q = quality(offer, &ranges);
        if q > best.map_or(0, |(q, _)| q) {
            best = Some((q, offer));
        }
    }
    best.map(|(_, offer)| offer.choice)
        .ok_or_else(|| Fault::new(&fault::NOT_ACCEPTABLE, not_acceptable(kind, max)))
}

fn not_acceptable(kind: Kind, max: Version) -> String {
    let offers = OFFERS
        .iter()
        .filter(|offer| offer.kinds.contains(&kind) && offer.choice.version <= max);
    let names: Vec<String> = offers
        .map(|offer| match offer.odata.last() {
            Some(odata) if !odata.is_empty() => format!("{};odata={odata}", offer.media[0]),
            _ => offer.media[0].to_owned(),
        })
        .collect();
    if names.is_empty() {
        return format!("This resource has no format of version {} or lower.", max.text());
    }
    format!("This resource has the formats {}.", names.join(", "))
}

/// The format of an error's body: by `$format` and `Accept`, and the default where those cannot be met (ERR-2).
pub fn for_error(format_option: Option<&str>, accept: Option<&str>) -> Choice {
    negotiate(Kind::Error, format_option, accept, Version::V3).unwrap_or(OFFERS[0].choice)
}

/// What the most specific range that fits says of an offer: its q in thousandths, 0 if none fits (CON-4).
fn quality(offer: &Offer, ranges: &[Range]) -> u32 {
    let fitting = ranges.iter().filter_map(|range| Some((specificity(offer, range)?, range.q)));
    // Of equally specific ranges the better one counts.
    fitting.max().map_or(0, |(_, q)| q)
}

fn specificity(offer: &Offer, range: &Range) -> Option<u32> {
    if range.kind == "*" {
        return Some(1);
    }
    let mut media = offer.media.iter().filter_map(|media| media.split_once('/'));
    if range.subtype == "*" {
        return media.any(|(kind, _)| kind == range.kind).then_some(2);
    }
    let same = media.any(|(kind, subtype)| kind == range.kind && subtype == range.subtype);
    match &range.odata {
        // Of XML the parameter is unknown, and so ignored (CON-5).
        Some(odata) if offer.choice.syntax == Syntax::Json => (same && offer.odata.contains(&odata.as_str())).then_some(4),
        _ => (same && offer.odata.contains(&"")).then_some(3),
    }
}

fn ranges(accept: &str) -> Outcome<Vec<Range>> {
    split(accept, ',')
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .map(range)
        .collect()
}

fn range(text: &str) -> Outcome<Range> {
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
        q: 1000,
    };
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => range.q = q(value)?,
            "odata" => range.odata = Some(value.to_ascii_lowercase()),
            _ => {}
        }
    }
    Ok(range)
}

/// `0` to `1` in thousandths; `.2` is taken too.
fn q(text: &str) -> Outcome<u32> {
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
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(|c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
    .collect()
}

/// The format of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// JSON light.
    JsonLight,
    /// Atom, and the XML of values and links.
    Atom,
}

/// The format that `Content-Type` names (CON-18): JSON in any variant but the verbose one, Atom and XML; 415 for everything else, and for a character
/// set other than UTF-8 (CON-9).
pub fn body_format(content_type: Option<&str>) -> Outcome<BodyFormat> {
    let unsupported = || {
        Fault::new(
            &fault::MEDIA_TYPE,
            "This resource reads bodies of application/json (JSON light) and application/atom+xml in UTF-8.",
        )
    };
    let content_type = content_type.ok_or_else(unsupported)?;
    let mut parts = split(content_type, ';').into_iter();
    let format = match parts.next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => BodyFormat::JsonLight,
        "application/atom+xml" | "application/xml" | "text/xml" => BodyFormat::Atom,
        _ => return Err(unsupported()),
    };
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        let fits = match name.trim().to_ascii_lowercase().as_str() {
            "charset" => matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii"),
            "odata" => format != BodyFormat::JsonLight || value != "verbose",
            _ => true,
        };
        if !fits {
            return Err(unsupported());
        }
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8";
    const FULL: &str = "application/json;odata=fullmetadata;streaming=true;charset=utf-8";
    const NONE: &str = "application/json;odata=nometadata;streaming=true;charset=utf-8";
    const XML: &str = "application/xml;charset=utf-8";
    const FEED: &str = "application/atom+xml;type=feed;charset=utf-8";
    const ENTRY: &str = "application/atom+xml;type=entry;charset=utf-8";
    const ATOMSVC: &str = "application/atomsvc+xml;charset=utf-8";

    fn answer(kind: Kind, format: Option<&str>, accept: Option<&str>) -> &'static str {
        match negotiate(kind, format, accept, Version::V3) {
            Ok(choice) => choice.content_type,
            Err(fault) => fault.kind.code,
        }
    }

    #[test]
    fn accept_headers() {
        let cases: &[(Kind, &str, &str)] = &[
            (Kind::Feed, "", MINIMAL),
            (Kind::Feed, "*/*", MINIMAL),
            (Kind::Feed, "application/*", MINIMAL),
            (Kind::Feed, "application/json", MINIMAL),
            (Kind::Feed, "Application/JSON; OData=FullMetadata", FULL),
            (Kind::Feed, "application/json;odata=\"nometadata\"", NONE),
            (
                Kind::Feed,
                "application/json;charset=utf-8;streaming=false;randomparameter=1",
                MINIMAL,
            ),
            (Kind::Feed, "application/json;odata=light", "not_acceptable"),
            (Kind::Feed, "application/json;odata=light, application/json;q=0.1", MINIMAL),
            (Kind::Feed, "application/json;odata=verbose", "not_acceptable"),
            (
                Kind::Feed,
                "application/json;odata=minimalmetadata;q=0.5,application/json;odata=fullmetadata",
                FULL,
            ),
            (Kind::Feed, "application/json;odata=minimalmetadata;q=0.5,application/json", MINIMAL),
            (Kind::Feed, "*/*;q=0.8,application/json;odata=minimalmetadata;q=0", FULL),
            (Kind::Feed, "application/json;q=0", "not_acceptable"),
            (Kind::Feed, "application/atom+xml,application/xml", FEED),
            (Kind::Feed, "application/atom+xml;type=feed,*/*;q=0.1", FEED),
            (Kind::Entry, "application/atom+xml,application/xml", ENTRY),
            (Kind::Value, "application/atom+xml,application/xml", XML),
            (Kind::Feed, "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", MINIMAL),
            (Kind::Feed, "application/json;q=1.1", "bad_request"),
            (Kind::Feed, "application/json;q=x", "bad_request"),
            (Kind::Feed, "application/json;q=", "bad_request"),
            (Kind::Feed, "application/json;q=0.1234", "bad_request"),
            (Kind::Feed, "application/json;q=1.000", MINIMAL),
            (Kind::Feed, ",, ,application/json,", MINIMAL),
            (Kind::Feed, ",", "not_acceptable"),
            (Kind::Feed, "json", "not_acceptable"),
            (Kind::Feed, "text/plain;a=\"x,y;q=0\",application/json", MINIMAL),
            (Kind::Service, "*/*", MINIMAL),
            (Kind::Service, "application/atomsvc+xml", ATOMSVC),
            (Kind::Service, "application/xml", XML),
            (Kind::Service, "application/atom+xml", XML),
            (
                Kind::Service,
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                XML,
            ),
            (Kind::Service, "image/png", "not_acceptable"),
            (Kind::Metadata, "application/json", XML),
            (Kind::Count, "application/json", "text/plain;charset=utf-8"),
            (Kind::Raw, "application/json", "text/plain;charset=utf-8"),
            (Kind::RawBinary, "", "application/octet-stream"),
        ];
        for (kind, accept, expected) in cases {
            assert_eq!(answer(*kind, None, Some(accept)), *expected, "{kind:?} {accept}");
        }
        assert_eq!(answer(Kind::Entry, None, None), MINIMAL);
    }

    #[test]
    fn format_option() {
        let cases: &[(Kind, &str, &str)] = &[
            (Kind::Feed, "json", MINIMAL),
            (Kind::Feed, "jsonlight", MINIMAL),
            (Kind::Feed, "application/json;odata=fullmetadata", FULL),
            (Kind::Feed, "atom", FEED),
            (Kind::Feed, "verbosejson", "not_acceptable"),
            (Kind::Feed, "nonsense", "not_acceptable"),
            (Kind::Service, "xml", XML),
            (Kind::Service, "atom", XML),
            (Kind::Service, "application/atomsvc xml", ATOMSVC),
            (Kind::Metadata, "json", XML),
        ];
        for (kind, format, expected) in cases {
            assert_eq!(answer(*kind, Some(format), Some("text/html")), *expected, "{kind:?} {format}");
        }
    }

    #[test]
    fn json_light_is_version_3() {
        let fault = negotiate(Kind::Feed, None, Some("application/json"), Version::V2).unwrap_err();
        assert_eq!(fault.kind.code, "not_acceptable");
        let choice = negotiate(Kind::Service, None, Some("application/json, application/xml;q=0.1"), Version::V2).unwrap();
        assert_eq!((choice.content_type, choice.version), (XML, Version::V1));
    }

    #[test]
    fn errors_always_have_a_format() {
        for (format, accept, expected) in [
            (None, None, MINIMAL),
            (None, Some("application/atom+xml,application/xml"), XML),
            (None, Some("image/png"), MINIMAL),
            (None, Some("x;q=9"), MINIMAL),
            (Some("xml"), Some("application/json"), XML),
        ] {
            assert_eq!(for_error(format, accept).content_type, expected, "{format:?} {accept:?}");
        }
    }

    #[test]
    fn bodies() {
        for (content_type, fits) in [
            ("application/json", true),
            ("Application/Json; charset=UTF-8", true),
            ("application/json;odata=minimalmetadata;charset=\"utf-8\"", true),
            ("application/json;odata=verbose", false),
            ("application/json;charset=utf-16", false),
            ("application/atom+xml;type=entry", true),
            ("application/xml", true),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            assert_eq!(body_format(Some(content_type)).is_ok(), fits, "{content_type}");
        }
        assert_eq!(body_format(None).unwrap_err().kind.status, 415);
    }
}

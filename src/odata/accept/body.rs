//! The format of a request's body (CON-9, CON-18, CON-22).

use super::range::{parameter, split};
use super::{PlainJson, Preferences, Version};
use crate::model::fault::{self, Fault, Outcome};
use crate::odata::version::Versions;

/// The format of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// JSON light.
    JsonLight,
    /// Verbose JSON.
    Verbose,
    /// Atom, and the XML of links and properties.
    Atom,
    /// CSV: a header and one row.
    Csv,
}

impl BodyFormat {
    /// Either JSON.
    pub fn is_json(self) -> bool {
        matches!(self, BodyFormat::JsonLight | BodyFormat::Verbose)
    }
}

/// Media types, and what bodies of them are; of JSON there is more to say.
const MEDIA: &[(&str, BodyFormat)] = &[
    ("application/json", BodyFormat::JsonLight),
    ("application/atom+xml", BodyFormat::Atom),
    ("application/xml", BodyFormat::Atom),
    ("text/xml", BodyFormat::Atom),
    ("text/csv", BodyFormat::Csv),
];

/// The format that `Content-Type` names. Plain `application/json` is what the request's version says (CON-22); the readers of both
/// kinds of JSON understand each other's bodies all the same.
///
/// # Errors
/// 415 for any other media type, and for a character set other than UTF-8.
pub fn body_format(content_type: Option<&str>, versions: &Versions, preferences: Preferences) -> Outcome<BodyFormat> {
    let unsupported = || {
        let names: Vec<&str> = MEDIA.iter().map(|(name, _)| *name).collect();
        let message = format!("This resource reads bodies of {}, in UTF-8.", names.join(", "));
        Fault::new(&fault::MEDIA_TYPE, message)
    };
    let mut parts = split(content_type.ok_or_else(unsupported)?, ';').into_iter();
    let name = parts.next().unwrap_or_default().trim();
    let known = MEDIA.iter().find(|(media, _)| media.eq_ignore_ascii_case(name));
    let (_, format) = known.ok_or_else(unsupported)?;
    let mut odata = None;
    for (name, value) in parts.map(parameter) {
        match name.as_str() {
            "charset" if !matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii") => return Err(unsupported()),
            "odata" => odata = Some(value == "verbose"),
            _ => {}
        }
    }
    let is_verbose = || preferences.plain_json == PlainJson::Verbose || versions.request() < Version::V3;
    Ok(match format {
        BodyFormat::JsonLight if odata.unwrap_or_else(is_verbose) => BodyFormat::Verbose,
        format => *format,
    })
}

/// Whether a `Content-Type` means an entity and can hardly mean a file: what is posted to media entities is mostly that (WR-92).
pub fn is_entity(content_type: Option<&str>) -> bool {
    let name = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    ["application/json", "application/atom+xml"]
        .iter()
        .any(|media| media.eq_ignore_ascii_case(name))
}

//! Which format an answer has (CON-1..CON-27), and which one a body is in (CON-18..CON-22).
//!
//! ```ignore
//! let choice = accept::negotiate(Kind::Feed, &wishes)?;            // 406, or 400 for a bad q
//! // choice.format, choice.level → format::Render, format::feed; choice.content_type; choice.version → versions.answer(..)
//! let choice = accept::for_error(&wishes);                         // never fails
//! accept::body_format(content_type, versions, preferences)?;       // 415
//! ```

mod body;
mod offers;
mod range;

use std::cmp::Reverse;

use super::format::{Format, Metadata};
use super::version::Version;
use crate::model::fault::{self, Fault, Outcome};

pub use body::{BodyFormat, body_format, is_entity};
use offers::{FIXED, OFFERS, Offer};
use range::Range;
pub(super) use range::split;

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
    /// What the service document and errors are written in; of data, [`Choice::format`] says more.
    pub syntax: Syntax,
    /// The format of data.
    pub format: Format,
    /// The level of JSON light.
    pub level: Metadata,
    /// `Content-Type` (CON-7, CON-8).
    pub content_type: &'static str,
    /// The version that the format itself needs (VER-20..VER-22); what is in the answer may need more: [`super::needs`].
    pub version: Version,
}

/// What an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Syntax {
    Json,
    Verbose,
    Xml,
    Csv,
    Text,
    Bytes,
}

/// What the server's settings say about formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preferences {
    /// What a client gets that names no format, or any (CON-10).
    pub default_format: Family,
    /// What `application/json` without `odata=` is (CON-26).
    pub plain_json: PlainJson,
}

/// The formats that come first in the server's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Family {
    #[default]
    Json,
    Atom,
}

/// What `application/json` without `odata=` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainJson {
    /// JSON light at the effective maximum version 3.0, verbose below (CON-20, CON-21).
    #[default]
    ByVersion,
    /// Verbose at any version.
    Verbose,
}

/// What a client wants to get, and the server's side of it.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// `$format`, decoded; wins over `accept` (CON-1).
    pub format: Option<&'a str>,
    /// `Accept`.
    pub accept: Option<&'a str>,
    /// `Accept-Charset`.
    pub charset: Option<&'a str>,
    /// There is a `$callback`: only JSON and text can go into a script (CON-25).
    pub callback: bool,
    /// The highest version that the client takes: JSON light is 3.0 (CON-23).
    pub max: Version,
    /// The server's settings.
    pub preferences: Preferences,
}

impl Wishes<'_> {
    /// Of a client that takes everything.
    pub fn none() -> Wishes<'static> {
        Wishes {
            format: None,
            accept: None,
            charset: None,
            callback: false,
            max: Version::V3,
            preferences: Preferences::default(),
        }
    }

    /// The `odata=` parameter that `application/json` has without one.
    fn plain(&self) -> &'static str {
        match self.preferences.plain_json {
            PlainJson::ByVersion if self.max >= Version::V3 => "minimalmetadata",
            _ => "verbose",
        }
    }

    /// Where an offer stands in the server's order; small is first.
    fn rank(&self, offer: &Offer) -> (bool, bool) {
        let is_default = match self.preferences.default_format {
            Family::Json => offer.is_json(),
            Family::Atom => offer.choice.syntax == Syntax::Xml,
        };
        (!is_default, offer.odata != self.plain())
    }

    fn takes(&self, choice: &Choice) -> bool {
        let is_script = matches!(choice.syntax, Syntax::Json | Syntax::Verbose | Syntax::Text);
        choice.version <= self.max && (is_script || !self.callback)
    }
}

/// Picks the format of an answer. Without `$format` and `Accept` it is the server's default.
///
/// # Errors
/// 406 when nothing fits, 400 for a malformed header (CON-4) and for a `$callback` around what is neither JSON nor text (CON-25).
pub fn negotiate(kind: Kind, wishes: &Wishes<'_>) -> Outcome<Choice> {
    if let Some((_, choice)) = FIXED.iter().find(|(fixed, _)| *fixed == kind) {
        if wishes.callback && choice.syntax != Syntax::Text {
            return Err(no_script());
        }
        check_charset(choice, wishes.charset)?;
        return Ok(*choice);
    }
    let ranges = match (wishes.format, wishes.accept) {
        (Some(option), _) => vec![range::of_option(option)?],
        (None, Some(accept)) if !accept.trim().is_empty() => range::of_header(accept)?,
        _ => range::of_header("*/*")?,
    };
    let offers = || {
        OFFERS
            .iter()
            .filter(|offer| offer.kinds.contains(&kind) && wishes.takes(&offer.choice))
    };
    let fitting = offers().filter_map(|offer| {
        let (q, exact) = quality(offer, &ranges, wishes.plain());
        // Ties go to what was meant, then to the server's order.
        (q > 0).then_some(((Reverse(q), !exact, wishes.rank(offer)), offer))
    });
    if let Some((_, offer)) = fitting.min_by_key(|(order, _)| *order) {
        check_charset(&offer.choice, wishes.charset)?;
        return Ok(offer.choice);
    }
    if wishes.callback {
        return Err(no_script());
    }
    let names: Vec<String> = offers().map(Offer::name).collect();
    Err(Fault::new(
        &fault::NOT_ACCEPTABLE,
        format!(
            "With MaxDataServiceVersion {}, this resource has the formats {}.",
            wishes.max.text(),
            names.join(", ")
        ),
    ))
}

/// The format of an error's body: as asked for, and the default where that cannot be met (ERR-2).
pub fn for_error(wishes: &Wishes<'_>) -> Choice {
    let default = Wishes {
        format: None,
        accept: None,
        charset: None,
        ..*wishes
    };
    let asked = negotiate(Kind::Error, wishes).or_else(|_| negotiate(Kind::Error, &default));
    // There is an error in JSON for every version.
    asked.unwrap_or(OFFERS[0].choice)
}

/// What has to be said to a `$callback` around anything but JSON and text (CON-25).
pub fn no_script() -> Fault {
    Fault::new(&fault::BAD_OPTION, "`$callback` goes with JSON and text only.")
}

/// Text goes out in UTF-8 (CON-27). A client that lists character sets without it does not get what it cannot read.
fn check_charset(choice: &Choice, charset: Option<&str>) -> Outcome<()> {
    let Some(charset) = charset.filter(|charset| !charset.trim().is_empty() && choice.syntax != Syntax::Bytes) else {
        return Ok(());
    };
    match range::charset_quality(charset, "utf-8")? {
        0 => Err(Fault::new(
            &fault::NOT_ACCEPTABLE,
            "This server writes UTF-8, which `Accept-Charset` excludes.",
        )),
        _ => Ok(()),
    }
}

/// What the most specific range that fits says of an offer: its q in thousandths, 0 if none fits, and whether it means just this
/// (CON-4).
fn quality(offer: &Offer, ranges: &[Range], plain: &str) -> (u32, bool) {
    let fitting = ranges.iter().filter_map(|range| {
        let (specificity, exact) = fit(offer, range, plain)?;
        Some((specificity, exact, range.q))
    });
    // Of equally specific ranges the better one counts.
    fitting.max().map_or((0, false), |(_, exact, q)| (q, exact))
}

/// How specific a range is that an offer fits, and whether it means just this, not something that the offer stands in for (CON-12).
fn fit(offer: &Offer, range: &Range, plain: &str) -> Option<(u32, bool)> {
    if range.kind == "*" {
        return Some((1, true));
    }
    let asks_for = |media: &&'static str| {
        let (kind, subtype) = media.split_once('/').unwrap_or((media, ""));
        kind == range.kind && (subtype == range.subtype || range.subtype == "*")
    };
    let exact = offer.media.iter().any(asks_for);
    if range.subtype == "*" {
        return exact.then_some((2, true));
    }
    if !exact && !offer.stands_in_for.iter().any(asks_for) {
        return None;
    }
    match (&range.odata, &range.of_type) {
        // An unknown value is no match, not even of the plain kind (CON-6).
        (Some(odata), _) if offer.is_json() => (offer.odata == odata).then_some((4, true)),
        (None, _) if offer.is_json() => (offer.odata == plain).then_some((3, true)),
        (_, Some(of_type)) if !offer.of_type.is_empty() => Some((4, exact && offer.of_type == of_type)),
        // Every other parameter is unknown, and so ignored (CON-5).
        _ => Some((3, exact)),
    }
}

#[cfg(test)]
mod tests;

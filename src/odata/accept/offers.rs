//! What the server can write: one table. A further format is further rows.

use super::{Choice, Format, Kind, Metadata, Syntax, Version};

/// One offer: for which kinds, which media types and parameters ask for it, and what it is.
pub(super) struct Offer {
    pub kinds: &'static [Kind],
    /// The first is the proper one.
    pub media: &'static [&'static str],
    /// Media types that mean something else, and get this rather than nothing.
    pub stands_in_for: &'static [&'static str],
    /// The `odata=` parameter of JSON.
    pub odata: &'static str,
    /// The `type=` parameter of Atom.
    pub of_type: &'static str,
    pub choice: Choice,
}

const DATA: &[Kind] = &[Kind::Feed, Kind::Entry, Kind::Value, Kind::Service, Kind::Error];
const XML: &[&str] = &["application/xml", "text/xml"];

const fn choice(syntax: Syntax, format: Format, level: Metadata, content_type: &'static str, version: Version) -> Choice {
    Choice {
        syntax,
        format,
        level,
        content_type,
        version,
    }
}

const fn light(odata: &'static str, level: Metadata, content_type: &'static str) -> Offer {
    Offer {
        kinds: DATA,
        media: &["application/json"],
        stands_in_for: &[],
        odata,
        of_type: "",
        choice: choice(Syntax::Json, Format::JsonLight, level, content_type, Version::V3),
    }
}

const fn atom(kinds: &'static [Kind], of_type: &'static str, content_type: &'static str) -> Offer {
    Offer {
        kinds,
        media: &["application/atom+xml"],
        stands_in_for: XML,
        odata: "",
        of_type,
        choice: choice(Syntax::Xml, Format::Atom, Metadata::None, content_type, Version::V1),
    }
}

const fn xml(kinds: &'static [Kind], media: &'static [&'static str], content_type: &'static str) -> Offer {
    Offer {
        kinds,
        media,
        stands_in_for: &[],
        odata: "",
        of_type: "",
        choice: choice(Syntax::Xml, Format::Atom, Metadata::None, content_type, Version::V1),
    }
}

/// In the server's order within a family of formats.
pub(super) const OFFERS: &[Offer] = &[
    light(
        "minimalmetadata",
        Metadata::Minimal,
        "application/json;odata=minimalmetadata;streaming=true;charset=utf-8",
    ),
    light(
        "fullmetadata",
        Metadata::Full,
        "application/json;odata=fullmetadata;streaming=true;charset=utf-8",
    ),
    light(
        "nometadata",
        Metadata::None,
        "application/json;odata=nometadata;streaming=true;charset=utf-8",
    ),
    Offer {
        kinds: DATA,
        media: &["application/json"],
        stands_in_for: &[],
        odata: "verbose",
        of_type: "",
        choice: choice(
            Syntax::Verbose,
            Format::Verbose,
            Metadata::None,
            "application/json;odata=verbose;charset=utf-8",
            Version::V1,
        ),
    },
    atom(&[Kind::Feed], "feed", "application/atom+xml;type=feed;charset=utf-8"),
    atom(&[Kind::Entry], "entry", "application/atom+xml;type=entry;charset=utf-8"),
    xml(
        &[Kind::Service],
        &["application/atomsvc+xml"],
        "application/atomsvc+xml;charset=utf-8",
    ),
    // Clients that want Atom feeds say so for everything (CON-12, CON-13).
    xml(
        &[Kind::Value, Kind::Service, Kind::Error],
        &["application/xml", "application/atom+xml"],
        "application/xml;charset=utf-8",
    ),
    xml(&[Kind::Value, Kind::Service, Kind::Error], &["text/xml"], "text/xml;charset=utf-8"),
    Offer {
        kinds: &[Kind::Feed, Kind::Entry, Kind::Value],
        media: &["text/csv"],
        stands_in_for: &[],
        odata: "",
        of_type: "",
        choice: choice(Syntax::Csv, Format::Csv, Metadata::None, "text/csv;charset=utf-8", Version::V1),
    },
];

const fn plain(syntax: Syntax, content_type: &'static str, version: Version) -> Choice {
    choice(syntax, Format::JsonLight, Metadata::None, content_type, version)
}

/// Kinds that have one format, whatever is asked for (CON-14, CON-15, CON-16).
pub(super) const FIXED: &[(Kind, Choice)] = &[
    (Kind::Metadata, plain(Syntax::Xml, "application/xml;charset=utf-8", Version::V1)),
    (Kind::Count, plain(Syntax::Text, "text/plain;charset=utf-8", Version::V2)),
    (Kind::Raw, plain(Syntax::Text, "text/plain;charset=utf-8", Version::V1)),
    (Kind::RawBinary, plain(Syntax::Bytes, "application/octet-stream", Version::V1)),
];

impl Offer {
    /// JSON of any kind: the only ones with an `odata=` parameter.
    pub fn is_json(&self) -> bool {
        !self.odata.is_empty()
    }

    /// As a client asks for it.
    pub fn name(&self) -> String {
        match (self.odata, self.of_type) {
            ("", "") => self.media[0].to_owned(),
            ("", of_type) => format!("{};type={of_type}", self.media[0]),
            (odata, _) => format!("{};odata={odata}", self.media[0]),
        }
    }
}

use super::*;
use crate::odata::version::Versions;

const MINIMAL: &str = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8";
const FULL: &str = "application/json;odata=fullmetadata;streaming=true;charset=utf-8";
const NONE: &str = "application/json;odata=nometadata;streaming=true;charset=utf-8";
const VERBOSE: &str = "application/json;odata=verbose;charset=utf-8";
const FEED: &str = "application/atom+xml;type=feed;charset=utf-8";
const ENTRY: &str = "application/atom+xml;type=entry;charset=utf-8";
const XML: &str = "application/xml;charset=utf-8";
const TEXT_XML: &str = "text/xml;charset=utf-8";
const ATOMSVC: &str = "application/atomsvc+xml;charset=utf-8";
const CSV: &str = "text/csv;charset=utf-8";
const TEXT: &str = "text/plain;charset=utf-8";
const BYTES: &str = "application/octet-stream";

const ATOM_FIRST: Preferences = Preferences {
    default_format: Family::Atom,
    plain_json: PlainJson::ByVersion,
};
const VERBOSE_PLAIN: Preferences = Preferences {
    default_format: Family::Json,
    plain_json: PlainJson::Verbose,
};

fn answer(kind: Kind, wishes: &Wishes<'_>) -> &'static str {
    match negotiate(kind, wishes) {
        Ok(choice) => choice.content_type,
        Err(fault) => fault.kind.code,
    }
}

#[test]
fn accept_headers() {
    use Kind::*;
    let cases: &[(Kind, &str, &str)] = &[
        (Feed, "", MINIMAL),
        (Feed, "*/*", MINIMAL),
        (Feed, "application/*", MINIMAL),
        (Feed, "text/*", CSV),
        (Feed, "application/json", MINIMAL),
        (Feed, "Application/JSON; OData=FullMetadata", FULL),
        (Feed, "application/json;odata=\"nometadata\"", NONE),
        (Feed, "application/json;charset=utf-8;streaming=false;randomparameter=1", MINIMAL),
        (Feed, "application/json;odata.metadata=minimal;IEEE754Compatible=true", MINIMAL),
        (Feed, "application/json;odata=verbose", VERBOSE),
        // Syncfusion, DevExtreme, Kendo, datajs 1.0 and 1.1, Power Query, Simple.OData.Client, WCF Data Services (CLI)
        (
            Feed,
            "application/json;odata=light;q=1,application/json;odata=verbose;q=0.5",
            VERBOSE,
        ),
        (Feed, "application/json;odata=verbose,text/plain, */*; q=0.01", VERBOSE),
        (Feed, "application/json, text/javascript, */*; q=0.01", MINIMAL),
        (
            Feed,
            "application/atomsvc+xml;q=0.8, application/json;odata=verbose;q=0.5, */*;q=0.1",
            VERBOSE,
        ),
        (
            Service,
            "application/atomsvc+xml;q=0.8, application/json;odata=verbose;q=0.5, */*;q=0.1",
            ATOMSVC,
        ),
        (
            Feed,
            "application/atomsvc+xml;q=0.8, application/json;odata=fullmetadata;q=0.7, application/json;q=0.5, */*;q=0.1",
            FULL,
        ),
        (
            Feed,
            "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,application/atomsvc+xml;q=0.8",
            MINIMAL,
        ),
        (Feed, "application/atom+xml, application/xml, application/text", FEED),
        (Value, "application/atom+xml, application/xml, application/text", XML),
        (Feed, "application/json, application/xml, application/text", MINIMAL),
        (Entry, "application/atom+xml,application/xml", ENTRY),
        (Value, "application/atom+xml,application/xml", XML),
        (Value, "application/atom+xml", XML),
        (Error, "application/atom+xml", XML),
        (Value, "text/xml", TEXT_XML),
        (Value, "text/csv", CSV),
        (Service, "text/csv", "not_acceptable"),
        // CON-6, CON-4
        (Feed, "application/json;odata=light", "not_acceptable"),
        (Feed, "application/json;odata=light, application/json;q=0.1", MINIMAL),
        (
            Feed,
            "application/json;odata=minimalmetadata;q=0.5,application/json;odata=fullmetadata",
            FULL,
        ),
        (Feed, "application/json;odata=minimalmetadata;q=0.5,application/json", MINIMAL),
        (Feed, "*/*;q=0.8,application/json;odata=minimalmetadata;q=0", FULL),
        (Feed, "application/json;q=0", "not_acceptable"),
        (Feed, "application/json;odata=verbose;q=0.5,application/json;q=0.4", VERBOSE),
        (Feed, "application/atom+xml,*/*;q=0.1", FEED),
        (Feed, "application/atom+xml;q=0.5, application/json;q=0.5", MINIMAL),
        (Feed, "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", MINIMAL),
        (Feed, "application/json;q=1.1", "bad_request"),
        (Feed, "application/json;q=x", "bad_request"),
        (Feed, "application/json;q=", "bad_request"),
        (Feed, "application/json;q=0.1234", "bad_request"),
        (Feed, "application/json;q=1.000", MINIMAL),
        (Feed, ",, ,application/json,", MINIMAL),
        (Feed, ",", "not_acceptable"),
        (Feed, "json", "not_acceptable"),
        (Feed, "text/plain;a=\"x,y;q=0\",application/json", MINIMAL),
        // What is meant, before what stands in for it
        (Feed, "application/atom+xml;type=feed", FEED),
        (Feed, "application/atom+xml; Type=Feed; charset=utf-8", FEED),
        (Feed, "application/atom+xml;type=entry", FEED),
        (Feed, "application/atom+xml;type=entry, application/json", MINIMAL),
        (Entry, "application/atom+xml;type=entry", ENTRY),
        (Feed, "application/xml", FEED),
        (Feed, "application/xml, application/json;odata=verbose", VERBOSE),
        (Feed, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", FEED),
        (Service, "*/*", MINIMAL),
        (Service, "application/json;odata=verbose", VERBOSE),
        (Service, "application/atomsvc+xml", ATOMSVC),
        (Service, "application/xml", XML),
        (Service, "application/atom+xml", XML),
        (Service, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", XML),
        (Service, "image/png", "not_acceptable"),
        (Feed, "text/csv", CSV),
        (Entry, "text/csv;header=present", CSV),
        (Metadata, "application/json", XML),
        (Count, "application/json", TEXT),
        (Raw, "application/json", TEXT),
        (RawBinary, "", BYTES),
    ];
    for (kind, accept, expected) in cases {
        let wishes = Wishes {
            accept: Some(accept),
            ..Wishes::none()
        };
        assert_eq!(answer(*kind, &wishes), *expected, "{kind:?} {accept}");
    }
    assert_eq!(answer(Kind::Entry, &Wishes::none()), MINIMAL);
}

#[test]
fn versions_and_settings() {
    use Kind::*;
    use Version::*;
    const NORMAL: Preferences = Preferences {
        default_format: Family::Json,
        plain_json: PlainJson::ByVersion,
    };
    // what is asked for, the maximum, the settings, the answer's type and the version that it needs by itself
    let cases: &[(Kind, &str, Version, Preferences, &str, Version)] = &[
        (Feed, "application/json", V3, NORMAL, MINIMAL, V3),
        (Feed, "application/json", V2, NORMAL, VERBOSE, V1),
        (Feed, "application/json", V1, NORMAL, VERBOSE, V1),
        (Feed, "application/json", V3, VERBOSE_PLAIN, VERBOSE, V1),
        (Feed, "application/json;odata=minimalmetadata", V3, VERBOSE_PLAIN, MINIMAL, V3),
        (Feed, "application/json;odata=minimalmetadata", V2, NORMAL, "not_acceptable", V1),
        (
            Feed,
            "application/json;odata=fullmetadata, application/xml;q=0.1",
            V2,
            NORMAL,
            FEED,
            V1,
        ),
        (Feed, "application/json;odata=verbose", V1, NORMAL, VERBOSE, V1),
        (Feed, "*/*", V2, NORMAL, VERBOSE, V1),
        (Feed, "*/*", V3, VERBOSE_PLAIN, VERBOSE, V1),
        (Feed, "*/*", V3, ATOM_FIRST, FEED, V1),
        (Entry, "application/*", V3, ATOM_FIRST, ENTRY, V1),
        (Value, "", V3, ATOM_FIRST, XML, V1),
        (Service, "", V3, ATOM_FIRST, ATOMSVC, V1),
        (Feed, "application/json", V3, ATOM_FIRST, MINIMAL, V3),
        (Feed, "application/json", V2, ATOM_FIRST, VERBOSE, V1),
        (Feed, "application/json, application/xml", V3, ATOM_FIRST, MINIMAL, V3),
        (Error, "", V2, NORMAL, VERBOSE, V1),
        (Service, "application/json, application/xml;q=0.1", V2, NORMAL, VERBOSE, V1),
        (Count, "", V1, NORMAL, TEXT, V2),
    ];
    for (kind, accept, max, preferences, expected, version) in cases {
        let wishes = Wishes {
            accept: Some(accept),
            max: *max,
            preferences: *preferences,
            ..Wishes::none()
        };
        let choice = negotiate(*kind, &wishes);
        let got = choice.map_or_else(|fault| (fault.kind.code, V1), |choice| (choice.content_type, choice.version));
        assert_eq!(got, (*expected, *version), "{kind:?} {accept} {max:?} {preferences:?}");
    }
}

#[test]
fn format_option() {
    use Kind::*;
    let cases: &[(Kind, &str, &str)] = &[
        (Feed, "json", MINIMAL),
        (Feed, "JSON", MINIMAL),
        (Feed, "jsonlight", MINIMAL),
        (Feed, "json;odata=fullmetadata", FULL),
        (Feed, "application/json;odata=fullmetadata", FULL),
        (Feed, "application/json;odata=verbose", VERBOSE),
        (Feed, "verbosejson", VERBOSE),
        (Feed, "jsonverbose", VERBOSE),
        (Feed, "atom", FEED),
        (Feed, "application/atom xml;type=feed", FEED),
        (Feed, "xml", FEED),
        (Entry, "atom", ENTRY),
        (Value, "atom", XML),
        (Value, "xml", XML),
        (Feed, "csv", CSV),
        (Feed, "nonsense", "not_acceptable"),
        (Feed, "text/html", "not_acceptable"),
        (Service, "xml", XML),
        (Service, "atom", XML),
        (Service, "application/atomsvc xml", ATOMSVC),
        (Metadata, "json", XML),
    ];
    for (kind, format, expected) in cases {
        let wishes = Wishes {
            format: Some(format),
            accept: Some("text/html"),
            ..Wishes::none()
        };
        assert_eq!(answer(*kind, &wishes), *expected, "{kind:?} {format}");
    }
}

#[test]
fn character_sets() {
    for (charset, fits) in [
        ("", true),
        ("utf-8", true),
        ("UTF-8", true),
        ("*", true),
        ("ISO-8859-1,utf-8;q=0.7,*;q=0.7", true),
        ("iso-8859-1, *;q=0.1", true),
        ("iso-8859-1", false),
        ("utf-8;q=0, *", false),
        ("*;q=0", false),
    ] {
        let wishes = Wishes {
            charset: Some(charset),
            ..Wishes::none()
        };
        for kind in [Kind::Feed, Kind::Metadata, Kind::Raw] {
            assert_eq!(negotiate(kind, &wishes).is_ok(), fits, "{kind:?} {charset}");
        }
        assert!(negotiate(Kind::RawBinary, &wishes).is_ok());
        assert_eq!(for_error(&wishes).content_type, MINIMAL);
    }
}

#[test]
fn scripts_hold_json_and_text() {
    use Kind::*;
    for (kind, accept, expected) in [
        (Feed, "*/*", MINIMAL),
        (Feed, "application/json;odata=verbose", VERBOSE),
        (Feed, "application/atom+xml", "bad_option"),
        (Feed, "text/csv", "bad_option"),
        (Raw, "", TEXT),
        (Count, "", TEXT),
        (RawBinary, "", "bad_option"),
        (Metadata, "", "bad_option"),
    ] {
        let wishes = Wishes {
            accept: Some(accept),
            callback: true,
            preferences: ATOM_FIRST,
            ..Wishes::none()
        };
        assert_eq!(answer(kind, &wishes), expected, "{kind:?} {accept}");
    }
}

#[test]
fn errors_always_have_a_format() {
    use Version::*;
    for (format, accept, max, preferences, expected) in [
        (None, None, V3, Preferences::default(), MINIMAL),
        (None, None, V1, Preferences::default(), VERBOSE),
        (None, None, V3, ATOM_FIRST, XML),
        (None, Some("application/atom+xml,application/xml"), V3, Preferences::default(), XML),
        (None, Some("application/json"), V2, Preferences::default(), VERBOSE),
        (
            None,
            Some("application/json;odata=minimalmetadata"),
            V2,
            Preferences::default(),
            VERBOSE,
        ),
        (None, Some("application/json;odata=minimalmetadata"), V2, ATOM_FIRST, XML),
        (None, Some("image/png"), V3, Preferences::default(), MINIMAL),
        (None, Some("text/csv"), V3, ATOM_FIRST, XML),
        (None, Some("x;q=9"), V3, Preferences::default(), MINIMAL),
        (Some("xml"), Some("application/json"), V3, Preferences::default(), XML),
    ] {
        let wishes = Wishes {
            format,
            accept,
            max,
            preferences,
            ..Wishes::none()
        };
        assert_eq!(
            for_error(&wishes).content_type,
            expected,
            "{format:?} {accept:?} {max:?} {preferences:?}"
        );
    }
}

#[test]
fn bodies() {
    use BodyFormat::*;
    let cases: &[(&str, Option<&str>, Option<&str>, Option<BodyFormat>)] = &[
        ("application/json", None, None, Some(JsonLight)),
        ("Application/Json; charset=UTF-8", None, None, Some(JsonLight)),
        ("application/json", Some("3.0"), None, Some(JsonLight)),
        ("application/json", Some("1.0"), None, Some(Verbose)),
        ("application/json", Some("2.0"), Some("3.0"), Some(Verbose)),
        ("application/json", None, Some("2.0"), Some(Verbose)),
        ("application/json", Some("3.0"), Some("2.0"), Some(JsonLight)),
        ("application/json;odata=verbose", Some("3.0"), None, Some(Verbose)),
        (
            "application/json;odata=minimalmetadata;charset=\"utf-8\"",
            Some("1.0"),
            None,
            Some(JsonLight),
        ),
        ("application/json;charset=utf-16", None, None, None),
        ("application/atom+xml", None, None, Some(Atom)),
        ("application/atom+xml;type=entry", None, None, Some(Atom)),
        ("application/xml", None, None, Some(Atom)),
        ("text/xml;charset=utf-8", None, None, Some(Atom)),
        ("text/csv", None, None, Some(Csv)),
        ("application/x-www-form-urlencoded", None, None, None),
        ("", None, None, None),
    ];
    for (content_type, version, max, expected) in cases {
        let versions = Versions::read(*version, *max, None).unwrap();
        let found = body_format(Some(content_type), &versions, Preferences::default()).ok();
        assert_eq!(found, *expected, "{content_type} {version:?} {max:?}");
    }
    let none = Versions::default();
    assert_eq!(body_format(None, &none, Preferences::default()).unwrap_err().kind.status, 415);
    assert_eq!(body_format(Some("application/json"), &none, VERBOSE_PLAIN).ok(), Some(Verbose));
}

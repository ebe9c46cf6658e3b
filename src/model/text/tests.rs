use super::*;

/// Type, text, and what is written again; `None` is refused.
const TEXTS: &[(Edm, &str, Option<&str>)] = &[
    (Edm::Boolean, "true", Some("true")),
    (Edm::Boolean, " 0\n", Some("false")),
    (Edm::Boolean, "True", None),
    (Edm::Byte, "255", Some("255")),
    (Edm::Byte, "256", None),
    (Edm::SByte, "-128", Some("-128")),
    (Edm::Int16, "1.0", None),
    (Edm::Int64, "-9223372036854775808", Some("-9223372036854775808")),
    (Edm::Int64, "9223372036854775808", None),
    (Edm::Int32, "0x42", None),
    (Edm::Int32, "", None),
    (Edm::Decimal, "2.50", Some("2.50")),
    (Edm::Decimal, "-0.125", Some("-0.125")),
    (Edm::Decimal, "-0.00", Some("0.00")),
    (Edm::Decimal, "007", Some("7")),
    (Edm::Decimal, "126E2", Some("12600")),
    (Edm::Decimal, "-1.50E1", Some("-15.0")),
    (Edm::Decimal, "15e-3", Some("0.015")),
    (Edm::Decimal, "0E99999", Some("0")),
    (Edm::Decimal, "79228162514264337593543950335", Some("79228162514264337593543950335")),
    (Edm::Decimal, "123456789012345678901234567890", None),
    (Edm::Decimal, "1E29", None),
    (Edm::Decimal, "1E28", Some("10000000000000000000000000000")),
    (Edm::Decimal, "1E-28", Some("0.0000000000000000000000000001")),
    (Edm::Decimal, "1E-29", None),
    (Edm::Decimal, "1E99999999999", None),
    (Edm::Decimal, "1.", None),
    (Edm::Decimal, ".1", None),
    (Edm::Decimal, "1.0.1", None),
    (Edm::Decimal, "INF", None),
    (Edm::Double, "1.00", Some("1")),
    (Edm::Double, "4.2E-41", Some("4.2E-41")),
    (Edm::Double, "1E15", Some("1E15")),
    (Edm::Double, "-1234567890.12345", Some("-1234567890.12345")),
    (Edm::Double, "0.1", Some("0.1")),
    (Edm::Double, "INF", Some("INF")),
    (Edm::Double, "-Infinity", Some("-INF")),
    (Edm::Double, "NaN", Some("NaN")),
    (Edm::Double, "inf", None),
    (Edm::Double, "42E400", None),
    (Edm::Double, "42F", None),
    (Edm::Single, "0.1", Some("0.1")),
    (Edm::Single, "16777217", Some("16777216")),
    (Edm::Single, "4.2E-8", Some("4.2E-8")),
    (Edm::Single, "-INF", Some("-INF")),
    (Edm::Single, "42E42", None),
    (Edm::String, " a'\u{e4} ", Some(" a'\u{e4} ")),
    (Edm::String, "a\0", None),
    (
        Edm::Guid,
        "AABBCCDD-aabb-ccdd-eeff-0123456789AB",
        Some("aabbccdd-aabb-ccdd-eeff-0123456789ab"),
    ),
    (Edm::Guid, "AABBCCDDAABBCCDDEEFFAABBCCDDEEFF", None),
    (Edm::Guid, "{AABBCCDD-aabb-ccdd-eeff-0123456789A}", None),
    (
        Edm::Guid,
        "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}",
        None,
    ),
    (Edm::Binary, "qrvM 3e7/\r\n", Some("qrvM3e7/")),
    (Edm::Binary, "+hKqoQ", Some("+hKqoQ==")),
    (Edm::Binary, "", Some("")),
    (Edm::Binary, "@", None),
    (Edm::DateTime, "1996-07-04T00:00:00", Some("1996-07-04T00:00:00")),
    (Edm::DateTime, "1996-07-04T12:34", Some("1996-07-04T12:34:00")),
    (Edm::DateTime, "1996-07-04", Some("1996-07-04T00:00:00")),
    (Edm::DateTime, "1996-07-04 00:00:00.000", Some("1996-07-04T00:00:00")),
    (Edm::DateTime, "2012-02-29T23:32:51.1667673", Some("2012-02-29T23:32:51.1667673")),
    (Edm::DateTime, "2012-02-29T23:32:51.500", Some("2012-02-29T23:32:51.5")),
    (Edm::DateTime, "0001-01-01T00:00:00", Some("0001-01-01T00:00:00")),
    (Edm::DateTime, "9999-12-31T23:59:59.9999999", Some("9999-12-31T23:59:59.9999999")),
    (Edm::DateTime, "2012-12-31T24:00:00", Some("2013-01-01T00:00:00")),
    (Edm::DateTime, "9999-12-31T24:00:00", None),
    (Edm::DateTime, "2012-02-29T24:00:01", None),
    (Edm::DateTime, "2012-02-29T25:00:00", None),
    (Edm::DateTime, "2012-02-29T23:60:00", None),
    (Edm::DateTime, "2012-02-29T23:32:60", None),
    (Edm::DateTime, "1900-02-29T00:00:00", None),
    (Edm::DateTime, "2000-02-29T00:00:00", Some("2000-02-29T00:00:00")),
    (Edm::DateTime, "2011-04-31", None),
    (Edm::DateTime, "2011-13-01", None),
    (Edm::DateTime, "2011-00-01", None),
    (Edm::DateTime, "2011-01-00", None),
    (Edm::DateTime, "0000-01-01", None),
    (Edm::DateTime, "2012-02-29T23:32:02.", None),
    (Edm::DateTime, "2012-02-29T23:32:02.00000000", None),
    (Edm::DateTime, "20120229T233202", None),
    (Edm::DateTime, "2013-01-01T12:13:14.789Z", Some("2013-01-01T12:13:14.789")),
    (
        Edm::DateTime,
        "2018-05-20T20:30:40.6779345+02:00",
        Some("2018-05-20T18:30:40.6779345"),
    ),
    (Edm::DateTime, "0001-01-01T00:00:00+01:00", None),
    (Edm::DateTime, "9999-12-31T24:00:00+01:00", Some("9999-12-31T23:00:00")),
    (Edm::DateTimeOffset, "2012-02-29T23:32:02Z", Some("2012-02-29T23:32:02Z")),
    (
        Edm::DateTimeOffset,
        "1970-01-01T00:00:01.234-01:00",
        Some("1970-01-01T01:00:01.234Z"),
    ),
    (Edm::DateTimeOffset, "2012-02-29T23:32:02", None),
    (Edm::DateTimeOffset, "2012-02-29T23:32:02X", None),
    (Edm::DateTimeOffset, "2012-02-29T23:32:02\u{e4}", None),
    (Edm::DateTimeOffset, "2012-02-29T23:32:02+24:00", None),
    (Edm::DateTimeOffset, "2012-02-29T23:32:02+14:01", None),
    (Edm::DateTimeOffset, "2012-02-29T23:32:02+1", None),
    (Edm::Time, "PT0S", Some("PT0S")),
    (Edm::Time, "P1DT2H3M4.5S", Some("P1DT2H3M4.5S")),
    (Edm::Time, "-PT1H", Some("-PT1H")),
    (Edm::Time, "PT120S", Some("PT2M")),
    (Edm::Time, "PT999H", Some("P41DT15H")),
    (Edm::Time, "P0D", Some("PT0S")),
    (Edm::Time, "PT0.0000001S", Some("PT0.0000001S")),
    (Edm::Time, "PT59M0.123456789S", Some("PT59M0.1234567S")),
    (Edm::Time, "P10675199DT2H48M5.4775807S", Some("P10675199DT2H48M5.4775807S")),
    (Edm::Time, "-P10675199DT2H48M5.4775808S", Some("-P10675199DT2H48M5.4775808S")),
    (Edm::Time, "P10675199DT2H48M5.4775808S", None),
    (Edm::Time, "P999999999999999999D", None),
    (Edm::Time, "P1Y", None),
    (Edm::Time, "P1M", None),
    (Edm::Time, "PT", None),
    (Edm::Time, "P", None),
    (Edm::Time, "P1DT", None),
    (Edm::Time, "PT1M1H", None),
    (Edm::Time, "PT1.5H", None),
    (Edm::Time, "P1H", None),
    (Edm::Stream, "x", None),
    (Edm::GeographyPoint, " SRID=4326;POINT (1 2) ", Some("SRID=4326;POINT(1 2)")),
];

fn written(write: fn(Edm, Cell<'_>, &mut Vec<u8>), edm: Edm, cell: Cell<'_>) -> String {
    let mut out = Vec::new();
    write(edm, cell, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn texts_are_read_and_written_again() {
    for &(edm, text, expected) in TEXTS {
        let value = parse(edm, text);
        let again = value.as_ref().map(|value| written(write, edm, value.cell()));
        assert_eq!(again.as_deref(), expected, "{edm} {text:?}");
        if let Some(value) = value {
            assert!(is_canonical(edm, &value), "{edm} {text:?} is not canonical: {value:?}");
        }
    }
}

#[test]
fn what_is_written_can_be_read() {
    for &(edm, text, _) in TEXTS {
        if let Some(value) = parse(edm, text) {
            let again = parse(edm, &written(write, edm, value.cell())).expect("written by us");
            assert_eq!(format!("{again:?}"), format!("{value:?}"), "{edm} {text:?}");
        }
    }
}

#[test]
fn canonical_content() {
    let table: &[(Edm, &str, Value)] = &[
        (Edm::DateTime, "1996-07-04", Value::Text("1996-07-04T00:00:00.0000000".into())),
        (
            Edm::DateTimeOffset,
            "1996-07-04T01:00+01:00",
            Value::Text("1996-07-04T00:00:00.0000000".into()),
        ),
        (Edm::Time, "PT1S", Value::Integer(10_000_000)),
        (Edm::Single, "0.1", Value::Double(f64::from(0.1_f32))),
    ];
    for (edm, text, value) in table {
        assert_eq!(parse(*edm, text).as_ref(), Some(value), "{edm} {text}");
    }
}

#[test]
fn foreign_content_is_not_canonical() {
    let table: &[(Edm, Value)] = &[
        (Edm::Int32, Value::Integer(1 << 40)),
        (Edm::Int32, Value::Text("1".into())),
        (Edm::Decimal, Value::Text("1E1".into())),
        (Edm::DateTime, Value::Text("1996-07-04".into())),
        (Edm::Guid, Value::Bytes(vec![1])),
        (Edm::Single, Value::Double(0.1)),
        (Edm::String, Value::Text("\0".into())),
        (Edm::String, Value::Integer(1)),
    ];
    for (edm, value) in table {
        assert!(!is_canonical(*edm, value), "{edm} {value:?}");
    }
}

#[test]
fn literals() {
    let table: &[(Edm, &str, &str)] = &[
        (Edm::Int32, "42", "42"),
        (Edm::Int64, "-42", "-42L"),
        (Edm::Decimal, "1.50", "1.50M"),
        (Edm::Single, "1.5", "1.5f"),
        (Edm::Single, "INF", "INFf"),
        (Edm::Double, "1", "1.0"),
        (Edm::Double, "-0.5", "-0.5"),
        (Edm::Double, "1E300", "1E300"),
        (Edm::Double, "-INF", "-INF"),
        (Edm::Boolean, "1", "true"),
        (Edm::String, "O'Neil", "'O''Neil'"),
        (
            Edm::Guid,
            "AABBCCDD-aabb-ccdd-eeff-0123456789AB",
            "guid'aabbccdd-aabb-ccdd-eeff-0123456789ab'",
        ),
        (Edm::DateTime, "1996-07-04T00:00:00.5", "datetime'1996-07-04T00:00:00.5'"),
        (Edm::DateTimeOffset, "1996-07-04T00:00:00Z", "datetimeoffset'1996-07-04T00:00:00Z'"),
        (Edm::Time, "PT1H", "time'PT1H'"),
        (Edm::Binary, "+hKqoQ==", "binary'FA12AAA1'"),
        (Edm::GeographyPoint, "SRID=4326;POINT (1 2)", "geography'SRID=4326;POINT(1 2)'"),
        (Edm::GeometryPoint, "SRID=0;POINT (1 2)", "geometry'SRID=0;POINT(1 2)'"),
    ];
    for &(edm, text, literal) in table {
        assert_eq!(written(write_literal, edm, parse(edm, text).expect(text).cell()), literal);
    }
    assert_eq!(written(write_literal, Edm::String, Cell::Null), "null");
    assert_eq!(written(write, Edm::String, Cell::Null), "");
}

#[test]
fn every_day_of_a_whole_cycle_of_the_calendar() {
    let day = 86_400 * crate::model::clock::SECOND;
    let mut before = String::new();
    for ticks in (0..146_097 + 366).map(|days| days * day) {
        let text = ticks_to_text(ticks);
        assert!(text > before, "{text} after {before}");
        assert_eq!(text_to_ticks(&text), Some(ticks), "{text}");
        before = text;
    }
    assert_eq!(before, "0402-01-01T00:00:00.0000000");
    assert_eq!(ticks_to_text(crate::model::clock::UNIX_EPOCH), "1970-01-01T00:00:00.0000000");
    assert_eq!(ticks_to_text(i64::MIN), "0001-01-01T00:00:00.0000000");
    assert_eq!(ticks_to_text(i64::MAX), "9999-12-31T23:59:59.9999999");
    assert_eq!(text_to_ticks("1970-01-01T00:00:00Z"), None);
}

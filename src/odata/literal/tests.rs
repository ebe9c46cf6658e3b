use super::*;

#[test]
fn literals_and_what_follows() {
    use Literal::*;
    let table: &[(&str, Literal<'_>, &str)] = &[
        ("null)", Null, ")"),
        ("true eq", Boolean(true), " eq"),
        ("false", Boolean(false), ""),
        ("42", Integer("42"), ""),
        ("-42 ", Integer("-42"), " "),
        ("99999999999999999999", Integer("99999999999999999999"), ""),
        ("42l,", Int64(42), ","),
        ("-9223372036854775808L", Int64(i64::MIN), ""),
        ("1.5", Real("1.5"), ""),
        ("1E3", Real("1E3"), ""),
        ("1.5m", Decimal("1.5".into()), ""),
        ("126E2M", Decimal("12600".into()), ""),
        ("1M", Decimal("1".into()), ""),
        ("1d", Double(1.0), ""),
        ("-1.5E-3D", Double(-0.0015), ""),
        ("1.5F", Single(1.5), ""),
        ("INF", Double(f64::INFINITY), ""),
        ("-INF)", Double(f64::NEG_INFINITY), ")"),
        ("-INFF", Single(f32::NEG_INFINITY), ""),
        ("INFd", Double(f64::INFINITY), ""),
        ("'O''Neil'/x", String("O'Neil".into()), "/x"),
        ("''", String("".into()), ""),
        ("''''", String("'".into()), ""),
        ("'\u{e4}/?&'", String("\u{e4}/?&".into()), ""),
        (
            "GUID'00000000-0000-0000-0000-00000000000A'",
            Guid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10]),
            "",
        ),
        ("datetime'1990-12-23'", DateTime("1990-12-23T00:00:00.0000000".into()), ""),
        ("DateTime'2012-01-01T24:00:00'", DateTime("2012-01-02T00:00:00.0000000".into()), ""),
        (
            "datetime'2013-01-01T12:13:14.789Z'",
            DateTime("2013-01-01T12:13:14.7890000".into()),
            "",
        ),
        (
            "datetimeoffset'2002-10-10T12:00:00-05:00'",
            DateTimeOffset("2002-10-10T17:00:00.0000000".into()),
            "",
        ),
        (
            "datetimeoffset'2002-10-10T12:00:00'",
            DateTimeOffset("2002-10-10T12:00:00.0000000".into()),
            "",
        ),
        ("time'PT1H30M'", Time(54_000_000_000), ""),
        ("binary'0AFf'", Binary(vec![10, 255]), ""),
        ("x''", Binary(vec![]), ""),
        (
            "geography'SRID=4326;POINT(1 2)'",
            Spatial(Edm::GeographyPoint, "SRID=4326;POINT(1 2)".into()),
            "",
        ),
        (
            "geometry'SRID=0;Polygon((0 0, 1 0, 1 1, 0 0))'",
            Spatial(Edm::GeometryPolygon, "SRID=0;POLYGON((0 0,1 0,1 1,0 0))".into()),
            "",
        ),
    ];
    for (text, expected, rest) in table {
        assert_eq!(literal(text), Ok((*rest, expected.clone())), "{text}");
    }
    assert!(matches!(literal("NaN"), Ok(("", Double(value))) if value.is_nan()));
    assert!(matches!(literal("NaNf"), Ok(("", Single(value))) if value.is_nan()));
}

#[test]
fn what_is_no_literal_may_be_an_identifier() {
    let table = [
        "time",
        "guid eq",
        "X",
        "nullable",
        "true1",
        "INFO",
        "NaNa",
        "Y'AA'",
        "date'2012-01-01'",
        ".5",
        "-x",
        "-NaN",
        "",
        "(",
        "-",
        "+5",
        "\u{e4}\u{e4}",
        "I\u{e4}\u{e4}",
    ];
    for text in table {
        assert!(matches!(literal(text), Err(Err::Error(_))), "{text}: {:?}", literal(text));
    }
}

#[test]
fn faults_say_what_is_expected() {
    let table = [
        ("'", "a closing quote"),
        ("'a''", "a closing quote"),
        ("guid'a'", "a Guid"),
        ("guid'{00000000-0000-0000-0000-00000000000}'", "a Guid"),
        ("datetime'1'", "a DateTime"),
        ("datetime'", "a closing quote"),
        ("datetimeoffset''Z", "a DateTimeOffset"),
        ("time''PT", "a duration"),
        ("time'P1Y'", "a duration"),
        ("binary'abcde'", "an even number of hexadecimal digits"),
        ("X'ZZ'", "an even number of hexadecimal digits"),
        ("geography'POINT(1 2)'", "SRID and well-known text"),
        ("geography'SRID=1;\u{e4}'", "SRID and well-known text"),
        ("geometry'SRID=0;Polygon((1 2))'", "SRID and well-known text"),
        ("32i", "a number"),
        ("0x42", "a number"),
        ("42.42.42", "a number"),
        ("1.", "a number"),
        ("5L5", "a number"),
        ("5\u{e4}", "a number"),
        ("1.0L", "a number in range"),
        ("12345678901234567890L", "a number in range"),
        ("1E400D", "a number in range"),
    ];
    for (text, what) in table {
        let Err(Err::Failure(fault)) = literal(text) else {
            panic!("{text}: {:?}", literal(text));
        };
        assert_eq!(fault.what, what, "{text}");
    }
}

#[test]
fn values_for_a_type() {
    let text = |text: &str| Some(Value::Text(text.into()));
    let table = [
        ("42L", Edm::Int64, Some(Value::Integer(42))),
        ("42", Edm::Int64, Some(Value::Integer(42))),
        ("1L", Edm::Int32, None),
        ("255", Edm::Byte, Some(Value::Integer(255))),
        ("-1", Edm::Byte, None),
        ("32768", Edm::Int16, None),
        ("1.5", Edm::Int32, None),
        ("1M", Edm::Decimal, text("1")),
        ("1", Edm::Decimal, text("1")),
        ("10.50", Edm::Decimal, text("10.50")),
        ("5L", Edm::Decimal, text("5")),
        ("4.5d", Edm::Decimal, text("4.5")),
        ("4.2E9F", Edm::Decimal, text("4200000000")),
        ("INF", Edm::Decimal, None),
        ("1M", Edm::Double, None),
        ("1", Edm::Double, Some(Value::Double(1.0))),
        ("1.5", Edm::Double, Some(Value::Double(1.5))),
        ("1E400", Edm::Double, None),
        ("4.5f", Edm::Double, Some(Value::Double(4.5))),
        ("4.5e21f", Edm::Double, Some(Value::Double(4.5e21))),
        ("0.1", Edm::Single, Some(Value::Double(f64::from(0.1_f32)))),
        ("1D", Edm::Single, None),
        ("-INF", Edm::Single, Some(Value::Double(f64::NEG_INFINITY))),
        ("1", Edm::Boolean, Some(Value::Boolean(true))),
        ("2", Edm::Boolean, None),
        ("'1'", Edm::Boolean, None),
        ("1", Edm::String, None),
        ("'1'", Edm::Decimal, None),
        ("'a''b'", Edm::String, text("a'b")),
        ("'a\0'", Edm::String, None),
        ("null", Edm::String, Some(Value::Null)),
        ("datetime'2012-01-01'", Edm::DateTimeOffset, None),
        ("geography'SRID=0;POINT(1 2)'", Edm::Geography, text("SRID=0;POINT(1 2)")),
        ("geography'SRID=0;POINT(1 2)'", Edm::GeographyPoint, text("SRID=0;POINT(1 2)")),
        ("geography'SRID=0;POINT(1 2)'", Edm::GeometryPoint, None),
        ("geography'SRID=0;POINT(1 2)'", Edm::Geometry, None),
        ("1", Edm::Stream, None),
    ];
    for (source, edm, expected) in table {
        let (_, lexed) = literal(source).expect(source);
        assert_eq!(to_value(&lexed, edm), expected, "{source} as {edm}");
    }
}

#[test]
fn natural_types() {
    let table = [
        ("2147483647", Some(Edm::Int32)),
        ("-2147483648", Some(Edm::Int32)),
        ("2147483648", Some(Edm::Int64)),
        ("9223372036854775808", None),
        ("1.5", Some(Edm::Double)),
        ("1E400", None),
        ("1f", Some(Edm::Single)),
        ("1m", Some(Edm::Decimal)),
        ("'a'", Some(Edm::String)),
        ("X''", Some(Edm::Binary)),
        ("geometry'SRID=0;POINT(1 2)'", Some(Edm::GeometryPoint)),
        ("null", None),
    ];
    for (source, edm) in table {
        let (_, lexed) = literal(source).expect(source);
        assert_eq!(natural(&lexed).map(|found| found.0), edm, "{source}");
    }
}

use super::*;

#[test]
fn the_table_is_in_the_order_of_the_enum() {
    for (index, (kind, name, geography, geometry)) in KINDS.iter().enumerate() {
        assert_eq!(*kind as usize, index, "{name}");
        assert_eq!((kind.edm(true), kind.edm(false)), (*geography, *geometry));
        assert!(is_geography(*geography) && !is_geography(*geometry));
        assert_eq!(Kind::from_name(name), Some(*kind));
    }
}

#[test]
fn texts_become_canonical() {
    let cases = [
        ("SRID=4326;POINT(1 2)", "SRID=4326;POINT(1 2)"),
        ("srid=0004326; Point ( 1.0  -2.50 ) ", "SRID=4326;POINT(1 -2.5)"),
        ("SRID=0;POINT(1e20 1E-7)", "SRID=0;POINT(1E20 1E-7)"),
        ("SRID=0;POINT(.5 +5)", "SRID=0;POINT(0.5 5)"),
        ("SRID=0;POINT(1e-320 1E100)", "SRID=0;POINT(0 1E100)"),
        ("SRID=0;POINT(1 2 3)", "SRID=0;POINT(1 2 3)"),
        ("SRID=0;POINT Z (1 2 3)", "SRID=0;POINT(1 2 3)"),
        ("SRID=0;POINT(1 2 3 4)", "SRID=0;POINT(1 2 3 4)"),
        ("SRID=0;POINT ZM(1 2 3 4)", "SRID=0;POINT(1 2 3 4)"),
        ("SRID=0;POINT M (1 2 4)", "SRID=0;POINT(1 2 NULL 4)"),
        ("SRID=0;POINT(1 2 null 4)", "SRID=0;POINT(1 2 NULL 4)"),
        ("SRID=0;POINT EMPTY", "SRID=0;POINT EMPTY"),
        ("SRID=0;LINESTRING(1 2, 3 4)", "SRID=0;LINESTRING(1 2,3 4)"),
        ("SRID=0;LINESTRING empty", "SRID=0;LINESTRING EMPTY"),
        (
            "SRID=0;POLYGON((0 0, 1 0, 1 1, 0 0), (0 0 1, 1 0 1, 1 1 1, 0 0 1))",
            "SRID=0;POLYGON((0 0,1 0,1 1,0 0),(0 0 1,1 0 1,1 1 1,0 0 1))",
        ),
        ("SRID=0;POLYGON EMPTY", "SRID=0;POLYGON EMPTY"),
        ("SRID=0;MULTIPOINT(1 2, 3 4)", "SRID=0;MULTIPOINT((1 2),(3 4))"),
        ("SRID=0;MULTIPOINT((1 2), (3 4))", "SRID=0;MULTIPOINT((1 2),(3 4))"),
        (
            "SRID=0;MULTILINESTRING((1 2,3 4),(5 6,7 8))",
            "SRID=0;MULTILINESTRING((1 2,3 4),(5 6,7 8))",
        ),
        (
            "SRID=0;MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))",
            "SRID=0;MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))",
        ),
        (
            "SRID=0;GEOMETRYCOLLECTION(POINT(1 2), GEOMETRYCOLLECTION EMPTY, LINESTRING(1 2,3 4))",
            "SRID=0;GEOMETRYCOLLECTION(POINT(1 2),GEOMETRYCOLLECTION EMPTY,LINESTRING(1 2,3 4))",
        ),
    ];
    for (text, expected) in cases {
        let found = Spatial::parse(text).map(|spatial| spatial.to_string());
        assert_eq!(found.as_deref(), Ok(expected), "{text}");
        assert_eq!(canonical(Edm::Geometry, expected).as_deref(), Some(expected));
    }
}

#[test]
fn what_is_no_value() {
    let cases = [
        ("", "SRID"),
        ("POINT(1 2)", "SRID"),
        ("SRID=;POINT(1 2)", "SRID"),
        ("SRID=+1;POINT(1 2)", "SRID"),
        ("SRID=99999999999;POINT(1 2)", "SRID"),
        ("SR\u{e4}D=1;POINT(1 2)", "SRID"),
        ("SRID=0;CIRCLE(1 2)", "well-known"),
        ("SRID=0;POINT", "well-known"),
        ("SRID=0;POINT(1 2", "well-known"),
        ("SRID=0;POINT(1 2) x", "well-known"),
        ("SRID=0;POINT(1 2,3 4)", "more than one"),
        ("SRID=0;POINT(1)", "two to four"),
        ("SRID=0;POINT()", "two to four"),
        ("SRID=0;POINT(1 2 3 4 5)", "two to four"),
        ("SRID=0;POINT(1 2 3 4 5 6)", "well-known"),
        ("SRID=0;POINT(1 NULL)", "two to four"),
        ("SRID=0;POINT(1 x)", "coordinate"),
        ("SRID=0;POINT(1 \u{e4})", "coordinate"),
        ("SRID=0;POINT(1 NaN)", "coordinate"),
        ("SRID=0;POINT(1 inf)", "coordinate"),
        ("SRID=0;POINT(1 1.1E100)", "coordinate"),
        ("SRID=0;LINESTRING(1 2)", "fewer than two"),
        ("SRID=0;MULTILINESTRING((1 2))", "fewer than two"),
        ("SRID=0;MULTILINESTRING(EMPTY)", "well-known"),
        ("SRID=0;POLYGON((0 0,1 0,0 0))", "fewer than four"),
        ("SRID=0;POLYGON((0 0,1 0,1 1,0 1))", "not closed"),
        ("SRID=0;MULTIPOLYGON(((0 0,1 0,1 1,0 1)))", "not closed"),
        ("SRID=0;GEOMETRYCOLLECTION(LINESTRING(1 2))", "fewer than two"),
        ("SRID=0;GEOMETRYCOLLECTION()", "well-known"),
    ];
    for (text, expected) in cases {
        let why = Spatial::parse(text).expect_err(text);
        assert!(why.contains(expected), "{text}: {why}");
    }
}

#[test]
fn collections_nest_as_deep_as_the_limit() {
    let nested = |depth: usize| {
        let (open, close) = ("GEOMETRYCOLLECTION(".repeat(depth), ")".repeat(depth));
        Spatial::parse(&format!("SRID=0;{open}POINT(1 2){close}"))
    };
    assert!(nested(GEOMETRY_DEPTH).is_ok());
    assert!(nested(GEOMETRY_DEPTH + 1).unwrap_err().contains("too deep"));
    assert!(nested(100_000).is_err());
}

#[test]
fn types_of_values() {
    let cases = [
        ("SRID=0;POINT(1 2)", Edm::GeographyPoint, true),
        ("SRID=0;POINT(1 2)", Edm::GeometryPoint, true),
        ("SRID=0;POINT(1 2)", Edm::Geography, true),
        ("SRID=0;POINT(1 2)", Edm::Geometry, true),
        ("SRID=0;POINT(1 2)", Edm::GeometryLineString, false),
        ("SRID=0;POINT(1 2)", Edm::GeometryMultiPoint, false),
        ("SRID=0;GEOMETRYCOLLECTION EMPTY", Edm::GeographyCollection, true),
        ("SRID=0;POINT(1 2)", Edm::String, false),
    ];
    for (text, edm, expected) in cases {
        assert_eq!(canonical(edm, text).is_some(), expected, "{text} {edm}");
    }
}

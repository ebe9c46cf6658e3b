mod links;

use super::*;
use crate::model::limits::DYNAMIC_PROPERTIES;
use crate::model::target::Dynamic;
use crate::odata::fixture::{shop, type_id};
use crate::odata::references::ContentIds;

/// A schema with facets and properties of every kind of ownership.
fn schema() -> Schema {
    let mut schema = shop();
    let set = |schema: &mut Schema, ty: &str, name: &str, change: &dyn Fn(&mut Property)| {
        let ty = type_id(schema, ty);
        for ty in schema.types[ty].family.clone() {
            let property = schema.types[ty].property(name).unwrap();
            change(&mut schema.types[ty].properties[property]);
        }
    };
    set(&mut schema, "Product", "ProductName", &|property| {
        property.facets.max_length = Some(Some(3))
    });
    set(&mut schema, "Product", "Barcode", &|property| {
        property.facets.max_length = Some(Some(2))
    });
    set(&mut schema, "Product", "QuantityPerUnit", &|property| {
        property.facets.max_length = Some(None)
    });
    set(&mut schema, "Product", "UnitPrice", &|property| {
        property.facets.precision = Some(5);
        property.facets.scale = Some(2);
    });
    set(&mut schema, "Product", "ProductID", &|property| property.generated = true);
    set(&mut schema, "Product", "Grade", &|property| property.read_only = true);
    let address = schema.complex.iter().position(|ty| ty.name == "Address").unwrap();
    let city = schema.complex[address].property("City").unwrap();
    schema.complex[address].properties[city].facets.max_length = Some(Some(5));
    schema
}

fn read_body(schema: &Schema, ty: &str, body: &str, ignore_unknown: bool) -> Outcome<Body> {
    let ids = ContentIds::default();
    let reading = Reading {
        schema,
        endpoint: 0,
        root: "http://host/api/Shop/",
        ids: &ids,
        ignore_unknown,
    };
    JsonReader.entity(&reading, type_id(schema, ty), body.as_bytes())
}

fn read(schema: &Schema, ty: &str, body: &str) -> Outcome<Vec<(String, Value)>> {
    let body = read_body(schema, ty, body, false)?;
    let name = |index: usize| schema.types[body.ty].properties[index].name.clone();
    Ok(body.values.into_iter().map(|(index, value)| (name(index), value)).collect())
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn values() {
    let schema = schema();
    let cases = [
        ("DataTypes", "IntProp", "-5", Value::Integer(-5)),
        ("DataTypes", "IntProp", "\"5\"", Value::Integer(5)),
        ("DataTypes", "LongProp", "9223372036854775807", Value::Integer(i64::MAX)),
        ("DataTypes", "LongProp", "\"-9223372036854775808\"", Value::Integer(i64::MIN)),
        (
            "DataTypes",
            "DecimalProp",
            "79228162514264337593543950335",
            text("79228162514264337593543950335"),
        ),
        ("DataTypes", "DecimalProp", "\"2.50\"", text("2.50")),
        ("DataTypes", "DecimalProp", "1e-7", text("0.0000001")),
        ("DataTypes", "DoubleProp", "1", Value::Double(1.0)),
        ("DataTypes", "DoubleProp", "\"Infinity\"", Value::Double(f64::INFINITY)),
        ("DataTypes", "DoubleProp", "\"-INF\"", Value::Double(f64::NEG_INFINITY)),
        ("DataTypes", "FloatProp", "0.1", Value::Double(f64::from(0.1_f32))),
        (
            "DataTypes",
            "GuidProp",
            "\"ABABABAB-abab-abab-abab-abababababab\"",
            Value::Bytes(vec![0xAB; 16]),
        ),
        ("DataTypes", "BinaryProp", "\"AAH/\"", Value::Bytes(vec![0, 1, 255])),
        (
            "DataTypes",
            "DateTimeProp",
            "\"2024-01-02T03:04:05\"",
            text("2024-01-02T03:04:05.0000000"),
        ),
        (
            "DataTypes",
            "DateTimeOffsetProp",
            "\"2024-01-02T03:04:05+01:00\"",
            text("2024-01-02T02:04:05.0000000"),
        ),
        ("DataTypes", "TimeSpanProp", "\"PT1H\"", Value::Integer(36_000_000_000)),
        ("DataTypes", "NullableIntProp", "null", Value::Null),
        ("Product", "Sealed", "true", Value::Boolean(true)),
        ("Product", "Sealed", "\"false\"", Value::Boolean(false)),
        ("Product", "ProductName", "\"äöü\"", text("äöü")),
        ("Product", "UnitPrice", "\"-0123.450\"", text("-123.450")),
        ("Product", "AlternateIDs", "[1,\"2\"]", text("[1,2]")),
        ("Product", "AlternateIDs", "[]", text("[]")),
        ("Product", "Secret", "\"s\"", text("s")),
        (
            "Product",
            "SupplierAddress",
            r#"{"odata.type":"Shop.Address","Country":{"Code":"AT"},"Lines":["\"a"],"Zip":"1","City":null}"#,
            text(r#"{"City":null,"Zip":1,"Lines":["\"a"],"Country":{"Code":"AT"}}"#),
        ),
    ];
    for (ty, name, json, value) in cases {
        let values = read(&schema, ty, &format!("{{\"{name}\":{json}}}"));
        assert_eq!(
            values.unwrap_or_else(|fault| panic!("{name} {json}: {fault}")),
            [(name.to_owned(), value)]
        );
    }
    let place = r#"{"Place":{"type":"Point","coordinates":[1.5,2],"crs":{"type":"name","properties":{"name":"EPSG:4326"}}}}"#;
    assert!(matches!(&read(&schema, "Product", place).unwrap()[..], [(_, Value::Text(wkt))] if wkt.starts_with("SRID=4326;")));
}

#[test]
fn values_that_do_not_fit() {
    let schema = schema();
    let cases = [
        ("DataTypes", "IntProp", "1.5"),
        ("DataTypes", "IntProp", "2147483648"),
        ("DataTypes", "IntProp", "true"),
        ("DataTypes", "IntProp", "\"\""),
        ("DataTypes", "IntProp", "[]"),
        ("DataTypes", "IntProp", "{}"),
        ("DataTypes", "IntProp", "null"),
        ("DataTypes", "LongProp", "9223372036854775808"),
        ("DataTypes", "DoubleProp", "1e999"),
        ("DataTypes", "DoubleProp", "true"),
        ("DataTypes", "DecimalProp", "1e999999999"),
        ("DataTypes", "StringProp", "1"),
        ("DataTypes", "StringProp", "false"),
        ("DataTypes", "StringProp", "\"\\u0000\""),
        ("DataTypes", "GuidProp", "\"x\""),
        ("DataTypes", "DateTimeProp", "\"2024-13-01T00:00:00\""),
        ("DataTypes", "DateTimeProp", "0"),
        ("Product", "Sealed", "1"),
        ("Product", "ProductName", "\"äöüß\""),
        ("Product", "Barcode", "\"AAH/\""),
        ("Product", "UnitPrice", "1.234"),
        ("Product", "UnitPrice", "1000"),
        ("Product", "AlternateIDs", "[null]"),
        ("Product", "AlternateIDs", "1"),
        ("Product", "AlternateIDs", "[1.5]"),
        ("Product", "SupplierAddress", "\"x\""),
        ("Product", "Place", "{\"type\":\"Circle\"}"),
    ];
    for (ty, name, json) in cases {
        let fault = read(&schema, ty, &format!("{{\"{name}\":{json}}}")).expect_err(json);
        assert_eq!((fault.kind.code, fault.property.as_deref()), ("bad_value", Some(name)), "{json}");
    }
}

#[test]
fn members_that_are_left_out_or_refused() {
    let schema = schema();
    let cases = [
        (r#"{}"#, "ok"),
        ("\u{feff}{}", "ok"),
        (
            r#"{"odata.metadata":"x","odata.id":1,"Category@odata.navigationLinkUrl":"y","a.b":1,"Level@a.b":2}"#,
            "ok",
        ),
        (
            r##"{"ProductID":"no number","Grade":null,"Secret":null,"Picture":1,"Category":null,"#C.A":{}}"##,
            "ok",
        ),
        (r#"{"Category":1}"#, "bad_body Category"),
        (r#"{"Category@odata.bind":1}"#, "bad_body Category"),
        (r#"{"productname":"x"}"#, "unknown_property productname"),
        (r#"{"Nope@odata.bind":"Categories(1)"}"#, "unknown_property Nope"),
        (r#"{"__metadata":{},"__count":"1"}"#, "ok"),
        (r#"{"d":{}}"#, "ok"),
        (r#"{"d":1}"#, "unknown_property d"),
        (r#"{"d":{"x":1}}"#, "unknown_property x"),
        (r#"{"SupplierAddress":{"Town":"x"}}"#, "unknown_property Town"),
        (r#"{"SupplierAddress":{"City":"long name"}}"#, "bad_value SupplierAddress/City"),
        (
            r#"{"SupplierAddress":{"Country":{"Code":null}}}"#,
            "bad_value SupplierAddress/Country/Code",
        ),
        (r#"{"Weight":1,"Weight":2}"#, "bad_body Weight"),
        (r#"{"SupplierAddress":{"City":"a","City":"b"}}"#, "bad_body City"),
        (r#"[]"#, "bad_body"),
        (r#""#, "bad_body"),
        (r#"{"Weight":"#, "bad_body"),
        (r#"{"odata.type":"Shop.Supplier"}"#, "bad_body odata.type"),
        (r#"{"odata.type":1}"#, "bad_body odata.type"),
        (r#"{"Level":1}"#, "unknown_property Level"),
    ];
    for (body, expected) in cases {
        let got = match read(&schema, "Product", body) {
            Ok(values) if values.is_empty() => "ok".to_owned(),
            Ok(values) => format!("{values:?}"),
            Err(fault) => format!("{} {}", fault.kind.code, fault.property.unwrap_or_default())
                .trim_end()
                .to_owned(),
        };
        assert_eq!(got, expected, "{body}");
    }
    assert!(read_body(&schema, "Product", r#"{"productname":1,"Nope@odata.bind":1}"#, true).is_err());
    assert!(read_body(&schema, "Product", r#"{"productname":1,"Weight":1}"#, true).is_ok());
}

#[test]
fn the_body_names_a_derived_type() {
    let mut schema = schema();
    let (base, derived) = (type_id(&schema, "Product"), type_id(&schema, "DerivedProduct"));
    let ty = |schema: &Schema, declared: &str, body: &str| read_body(schema, declared, body, false).map(|body| body.ty);
    for (declared, body, expected) in [
        ("Product", r##"{"Level":1,"odata.type":"#Shop.DerivedProduct"}"##, Some(derived)),
        (
            "Product",
            r#"{"Level":1,"__metadata":{"type":"Shop.DerivedProduct"}}"#,
            Some(derived),
        ),
        (
            "Product",
            r#"{"d":{"Level":1,"__metadata":{"type":"Shop.DerivedProduct"}}}"#,
            Some(derived),
        ),
        // A base type says less than is known (WR-35).
        ("DerivedProduct", r#"{"odata.type":"Shop.Product","Level":1}"#, Some(derived)),
        ("Product", r#"{"odata.type":"Shop.Supplier"}"#, None),
        ("Product", r#"{"__metadata":{"type":"Shop.Nope"}}"#, None),
    ] {
        assert_eq!(ty(&schema, declared, body).ok(), expected, "{body}");
    }
    schema.types[base].is_abstract = true;
    assert!(ty(&schema, "Product", "{}").is_err());
    assert!(ty(&schema, "Product", r#"{"odata.type":"Shop.DerivedProduct"}"#).is_ok());
}

#[test]
fn entities_have_a_size() {
    let schema = schema();
    for (count, fits) in [(DYNAMIC_PROPERTIES, true), (DYNAMIC_PROPERTIES + 1, false)] {
        let members: Vec<String> = (0..count).map(|number| format!("\"P{number}\":1")).collect();
        assert_eq!(
            read_body(&schema, "Bag", &format!("{{{}}}", members.join(",")), false).is_ok(),
            fits
        );
    }
}

#[test]
fn properties_that_are_not_declared() {
    let schema = schema();
    let address = Type::Complex(schema.complex.iter().position(|ty| ty.name == "Address").unwrap());
    let edm = Type::Primitive;
    let cases = [
        (r#"{"P":"x"}"#, edm(Edm::String), text("x")),
        (r#"{"P":null}"#, edm(Edm::String), Value::Null),
        (r#"{"P":true}"#, edm(Edm::Boolean), Value::Boolean(true)),
        (r#"{"P":-5}"#, edm(Edm::Int32), Value::Integer(-5)),
        (r#"{"P":5000000000}"#, edm(Edm::Int64), Value::Integer(5_000_000_000)),
        (r#"{"P":1e3}"#, edm(Edm::Double), Value::Double(1000.0)),
        (r#"{"P":1.5}"#, edm(Edm::Double), Value::Double(1.5)),
        (r#"{"P":99999999999999999999}"#, edm(Edm::Double), Value::Double(1e20)),
        (r#"{"P":"5","P@odata.type":"Edm.Int64"}"#, edm(Edm::Int64), Value::Integer(5)),
        (
            r##"{"P@odata.type":"#Edm.Guid","P":"abababab-abab-abab-abab-abababababab"}"##,
            edm(Edm::Guid),
            Value::Bytes(vec![0xAB; 16]),
        ),
        (r#"{"P":null,"P@odata.type":"Edm.Guid"}"#, edm(Edm::Guid), Value::Null),
        (
            r#"{"P":"NaN","P@odata.type":"Edm.Double"}"#,
            edm(Edm::Double),
            Value::Double(f64::NAN),
        ),
        (r#"{"P":"/Date(0)/"}"#, edm(Edm::DateTime), text("1970-01-01T00:00:00.0000000")),
        (
            r#"{"P":"/Date(0+0060)/"}"#,
            edm(Edm::DateTimeOffset),
            text("1969-12-31T23:00:00.0000000"),
        ),
        (
            r#"{"P":{"odata.type":"Shop.Address","City":"X"}}"#,
            address.clone(),
            text(r#"{"City":"X"}"#),
        ),
        (
            r#"{"P":{"__metadata":{"type":"Shop.Address"},"City":"X"}}"#,
            address,
            text(r#"{"City":"X"}"#),
        ),
    ];
    for (body, ty, value) in cases {
        let found = read_body(&schema, "Bag", body, false).unwrap_or_else(|fault| panic!("{body}: {fault}"));
        let [
            Dynamic {
                name,
                ty: found_type,
                value: found,
            },
        ] = found.dynamic.as_slice()
        else {
            panic!("{body}: {:?}", found.dynamic)
        };
        assert_eq!((name.as_str(), found_type), ("P", &ty), "{body}");
        assert!(*found == value || format!("{found:?}") == format!("{value:?}"), "{body}: {found:?}");
    }
    for body in [
        r#"{"P":[1]}"#,
        r#"{"P":{"City":"X"}}"#,
        r#"{"P":{"odata.type":"Shop.Bag"}}"#,
        r#"{"P":1,"P@odata.type":"Edm.Stream"}"#,
        r#"{"P":[1],"P@odata.type":"Collection(Edm.Int32)"}"#,
        r#"{"P":1,"P@odata.type":"Edm.Nope"}"#,
        r#"{"P":"x","P@odata.type":"Edm.Int32"}"#,
    ] {
        assert!(read_body(&schema, "Bag", body, true).is_err(), "{body}");
    }
    let echo = r#"{"__metadata":{},"a.b":1,"odata.etag":"x","BagID":"1"}"#;
    assert!(read_body(&schema, "Bag", echo, false).unwrap().dynamic.is_empty());
}

#[test]
fn verbose_values() {
    let schema = schema();
    for (ty, name, json, value) in [
        (
            "DataTypes",
            "DateTimeProp",
            r#""\/Date(1330558323001)\/""#,
            text("2012-02-29T23:32:03.0010000"),
        ),
        (
            "DataTypes",
            "DateTimeOffsetProp",
            r#""/Date(3600000+0060)/""#,
            text("1970-01-01T00:00:00.0000000"),
        ),
        ("DataTypes", "StringProp", r#""/Date(0)/""#, text("/Date(0)/")),
        (
            "Product",
            "AlternateIDs",
            r#"{"__metadata":{"type":"Collection(Edm.Int32)"},"results":[1]}"#,
            text("[1]"),
        ),
        (
            "Product",
            "AlternateAddresses",
            r#"{"results":[{"__metadata":{"type":"Shop.Address"},"City":"X"}]}"#,
            text(r#"[{"City":"X"}]"#),
        ),
        (
            "Product",
            "SupplierAddress",
            r#"{"__metadata":{"type":"Shop.Address"},"City":"X","Lines":{"results":["a"]}}"#,
            text(r#"{"City":"X","Lines":["a"]}"#),
        ),
    ] {
        let values = read(&schema, ty, &format!("{{\"d\":{{\"{name}\":{json}}}}}"));
        assert_eq!(
            values.unwrap_or_else(|fault| panic!("{name} {json}: {fault}")),
            [(name.to_owned(), value)]
        );
    }
    assert!(
        read(&schema, "Product", r#"{"Picture":{"__mediaresource":{}}}"#)
            .unwrap()
            .is_empty()
    );
    assert!(read(&schema, "DataTypes", r#"{"DateTimeProp":"/Date(x)/"}"#).is_err());
    assert!(read(&schema, "Product", r#"{"AlternateIDs":{"results":1}}"#).is_err());
}

#[test]
fn bodies_of_properties_and_links() {
    let schema = schema();
    let product = &schema.types[type_id(&schema, "Product")];
    let property = |name: &str| &product.properties[product.property(name).unwrap()];
    let cases = [
        ("Weight", r#"{"odata.metadata":"x","value":1.5}"#, Some(Value::Double(1.5))),
        ("Weight", r#"{"odata.null":true}"#, Some(Value::Null)),
        ("Weight", r#"{"value":null}"#, Some(Value::Null)),
        ("Sealed", r#"{"odata.null":true}"#, None),
        ("Weight", r#"{"Weight":1}"#, Some(Value::Double(1.0))),
        ("Weight", r#"{"d":{"Weight":1}}"#, Some(Value::Double(1.0))),
        ("Weight", r#"{"Width":1}"#, None),
        ("Weight", "1", None),
        ("SupplierAddress", r#"{"City":"X"}"#, Some(text(r#"{"City":"X"}"#))),
        ("SupplierAddress", r#"{"value":{"City":"X"}}"#, Some(text(r#"{"City":"X"}"#))),
        ("SupplierAddress", r#"{"odata.null":true}"#, Some(Value::Null)),
        (
            "SupplierAddress",
            r#"{"d":{"SupplierAddress":{"City":"X"}}}"#,
            Some(text(r#"{"City":"X"}"#)),
        ),
        ("AlternateIDs", r#"{"value":[1]}"#, Some(text("[1]"))),
        ("AlternateIDs", r#"{"d":{"results":[1]}}"#, Some(text("[1]"))),
        ("AlternateIDs", r#"{"AlternateIDs":{"results":[1]}}"#, Some(text("[1]"))),
    ];
    for (name, body, expected) in cases {
        assert_eq!(
            read_property(&schema, property(name), body.as_bytes()).ok(),
            expected,
            "{name} {body}"
        );
    }
    for (body, expected) in [
        (r#"{"odata.metadata":"m","url":"Products(1)"}"#, Some("Products(1)")),
        (r#"{"uri":"Products(1)"}"#, Some("Products(1)")),
        (r#"{"d":{"uri":"Products(1)"}}"#, Some("Products(1)")),
        (r#"{"__metadata":{"uri":"Products(1)"}}"#, Some("Products(1)")),
        (r#"{"link":"x"}"#, None),
        (r#"{"url":1}"#, None),
    ] {
        assert_eq!(read_link(body.as_bytes()).ok().as_deref(), expected, "{body}");
    }
}

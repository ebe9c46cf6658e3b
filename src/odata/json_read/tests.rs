use super::*;
use crate::odata::references::ContentIds;

fn read_entity(schema: &Schema, ty: TypeId, body: &[u8]) -> Outcome<Body> {
    let reading = Reading {
        schema,
        endpoint: 0,
        root: "http://host/api/Shop/",
        ids: &ContentIds::default(),
    };
    JsonLightReader.entity(&reading, ty, body)
}

use crate::odata::fixture::{shop, type_id};

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

fn read(schema: &Schema, ty: &str, body: &str) -> Outcome<Vec<(String, Value)>> {
    let body = read_entity(schema, type_id(schema, ty), body.as_bytes())?;
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
        (r#"{"Category@odata.bind":"Nothing(1)"}"#, "bad_reference"),
        (r#"{"productname":"x"}"#, "unknown_property productname"),
        (r#"{"__metadata":{}}"#, "unknown_property __metadata"),
        (r#"{"d":{}}"#, "unknown_property d"),
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
    // OPN-1
    let bag = read_entity(&schema, type_id(&schema, "Bag"), br#"{"Other":1}"#).unwrap();
    assert_eq!((bag.dynamic[0].name.as_str(), &bag.dynamic[0].value), ("Other", &Value::Integer(1)));
}

#[test]
fn the_body_names_a_derived_type() {
    let mut schema = schema();
    let (base, derived) = (type_id(&schema, "Product"), type_id(&schema, "DerivedProduct"));
    let body = read_entity(&schema, base, br##"{"Level":1,"odata.type":"#Shop.DerivedProduct"}"##).unwrap();
    assert_eq!((body.ty, body.values.len()), (derived, 1));
    assert!(read_entity(&schema, derived, br#"{"odata.type":"Shop.Product"}"#).is_err());
    schema.types[base].is_abstract = true;
    assert!(read_entity(&schema, base, b"{}").is_err());
    assert!(read_entity(&schema, base, br#"{"odata.type":"Shop.DerivedProduct"}"#).is_ok());
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
        ("Weight", r#"{"Weight":1}"#, None),
        ("Weight", "1", None),
        ("SupplierAddress", r#"{"City":"X"}"#, Some(text(r#"{"City":"X"}"#))),
        ("SupplierAddress", r#"{"value":{"City":"X"}}"#, Some(text(r#"{"City":"X"}"#))),
        ("SupplierAddress", r#"{"odata.null":true}"#, Some(Value::Null)),
        ("AlternateIDs", r#"{"value":[1]}"#, Some(text("[1]"))),
    ];
    for (name, body, expected) in cases {
        assert_eq!(
            read_property(&schema, property(name), body.as_bytes()).ok(),
            expected,
            "{name} {body}"
        );
    }
    assert_eq!(read_link(br#"{"odata.metadata":"m","url":"Products(1)"}"#).unwrap(), "Products(1)");
    assert!(read_link(br#"{"uri":"x"}"#).is_err());
}

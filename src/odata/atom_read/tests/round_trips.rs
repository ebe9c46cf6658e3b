use super::*;
use crate::model::edm::Cell;
use crate::model::page::{Layout, Page, Rows};
use crate::model::query::Shape;
use crate::model::schema::Attribute;
use crate::odata::fixture::set_id;
use crate::odata::format::{self, Context, Format, Metadata, Render};

/// An entity written in Atom and read again.
fn round_trip(schema: &Schema, ty: &str, set: &str, cells: &[(String, Value)]) -> Body {
    let ty = type_id(schema, ty);
    let of = &schema.types[ty];
    let mut rows = Rows::new(of.properties.len());
    for property in &of.properties {
        let value = cells.iter().find(|(name, _)| *name == property.name);
        rows.push(value.map_or(Cell::Null, |(_, value)| value.cell()));
    }
    let page = Page {
        set: Some(set_id(schema, set)),
        ty,
        rows,
        layout: Layout {
            type_cell: None,
            types: vec![(ty, (0..of.properties.len()).map(Some).collect())],
            hidden: Vec::new(),
        },
        count: None,
        next: None,
        top_left: None,
        shape: Shape::default(),
        expanded: Vec::new(),
    };
    let context = Context {
        set: page.set,
        ty,
        single: true,
        select: None,
    };
    let render = Render::new(schema, 0, ROOT, Metadata::Minimal);
    let written = String::from_utf8(format::entity(&render, Format::Atom, &page, 0, &context)).unwrap();
    read(schema, &of.name, &written).unwrap_or_else(|fault| panic!("{}: {written}", fault.message))
}

#[test]
fn written_and_read_again() {
    let schema = shop();
    let address = r#"{"City":" <a> ","Zip":-1,"Lines":["x",""," y\n"],"Country":{"Code":"AT","Label":null}}"#;
    let product: Vec<(String, Value)> = [
        ("ProductID", Value::Integer(-5)),
        ("ProductName", text(" a\r\n\t<&>\"' ä€😀 ")),
        ("UnitPrice", text("79228162514264337593543950335")),
        ("Weight", Value::Double(0.1)),
        ("Width", Value::Double(f64::from(0.1_f32))),
        ("UnitsInStock", Value::Integer(-32768)),
        ("Grade", Value::Integer(255)),
        ("Discontinued", Value::Boolean(true)),
        ("Sealed", Value::Boolean(false)),
        ("DiscontinuedDate", text("9999-12-31T23:59:59.9999999")),
        ("NonNullableDiscontinuedDate", text("0001-01-01T00:00:00.0000000")),
        ("DiscontinuedOffset", text("2001-02-03T04:05:06.0000001")),
        ("DiscontinuedSince", Value::Integer(-36_000_000_001)),
        ("SupplierAddress", text(address)),
        ("AlternateIDs", text("[1,-2]")),
        ("AlternateAddresses", text(&format!("[{address}]"))),
        ("Place", text("SRID=4326;POINT(1.5 -2)")),
        ("Barcode", Value::Bytes(vec![0, 255])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let data: Vec<(String, Value)> = [
        ("GuidProp", Value::Bytes(vec![0xAB; 16])),
        ("ByteArrayProp", Value::Bytes(Vec::new())),
        ("LongProp", Value::Integer(i64::MIN)),
        ("DoubleProp", Value::Double(f64::INFINITY)),
        ("FloatProp", Value::Double(1e-30_f32.into())),
        ("StringProp", text("")),
        ("XElementProp", text("<a b=\"c\">&amp;</a>")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let check = |ty: &str, set: &str, cells: &[(String, Value)]| {
        // Only here: null stands where nothing was given.
        let mut nullable = shop();
        let id = type_id(&nullable, ty);
        nullable.types[id]
            .properties
            .iter_mut()
            .for_each(|property| property.nullable = true);
        let body = round_trip(&nullable, ty, set, cells);
        for (name, value) in values(&schema, &body) {
            let expected = cells
                .iter()
                .find(|(other, _)| *other == name)
                .map_or(Value::Null, |(_, value)| value.clone());
            assert_eq!(value, expected, "{name}");
        }
        let structural = nullable.types[id]
            .properties
            .iter()
            .filter(|property| property.is_structural() && !property.write_only);
        assert_eq!(body.values.len(), structural.count(), "{ty}");
    };
    check("Product", "Products", &product);
    check("DataTypes", "Data", &data);
}

fn attributes(list: &[(&str, &str)]) -> Vec<Attribute> {
    let attribute = |&(name, value): &(&str, &str)| Attribute {
        name: format!("m:FC_{name}"),
        value: value.to_owned(),
    };
    list.iter().map(attribute).collect()
}

#[test]
fn met_54_mapped_values() {
    let mut schema = shop();
    let product = type_id(&schema, "Product");
    let own = [("NsUri", "urn:x"), ("KeepInContent", "false")];
    let table: &[(&str, &[(&str, &str)])] = &[
        ("ProductName", &[("TargetPath", "SyndicationTitle"), ("KeepInContent", "false")]),
        (
            "QuantityPerUnit",
            &[
                ("TargetPath", "SyndicationSummary"),
                ("ContentKind", "xhtml"),
                ("KeepInContent", "false"),
            ],
        ),
        (
            "DiscontinuedDate",
            &[("TargetPath", "SyndicationUpdated"), ("KeepInContent", "false")],
        ),
        ("UnitPrice", &[("TargetPath", "price/@amount"), own[0], own[1]]),
        ("UnitsInStock", &[("TargetPath", "price"), own[0], own[1]]),
        (
            "SupplierAddress",
            &[
                ("SourcePath", "Country/Code"),
                ("TargetPath", "land"),
                own[0],
                own[1],
                ("SourcePath_1", "City"),
                ("TargetPath_1", "SyndicationAuthorName"),
            ],
        ),
    ];
    for (name, list) in table {
        let index = schema.types[product].property(name).unwrap();
        schema.types[product].properties[index].attributes = attributes(list);
        schema.types[product]
            .properties
            .iter_mut()
            .for_each(|property| property.nullable = true);
    }
    let given: Vec<(String, Value)> = [
        ("ProductName", text("A & B")),
        ("QuantityPerUnit", text("<p xmlns=\"urn:p\">x<b>y</b></p>")),
        ("UnitPrice", text("2.50")),
        ("UnitsInStock", Value::Integer(3)),
        ("DiscontinuedDate", text("2001-02-03T04:05:06.0000000")),
        (
            "SupplierAddress",
            text(r#"{"City":"Wien","Zip":1,"Lines":[],"Country":{"Code":"AT","Label":null}}"#),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let found = values(&schema, &round_trip(&schema, "Product", "Products", &given));
    for (name, value) in &given {
        assert_eq!(found.iter().find(|(other, _)| other == name).map(|(_, value)| value), Some(value));
    }
    // Nulls come back as nulls, and what Atom demands empty is no value.
    let found = values(&schema, &round_trip(&schema, "Product", "Products", &[]));
    assert!(found.iter().all(|(_, value)| value.is_null() || *value == text("[]")), "{found:?}");
    let only = |inside: &str| values(&schema, &read(&schema, "Product", &entry(inside)).unwrap());
    assert_eq!(only("<title/><summary/><author><name/></author><author/>"), []);
    // What stands in the content counts.
    let both = "<title>x</title><m:properties><d:ProductName>y</d:ProductName></m:properties>";
    assert_eq!(only(both), [("ProductName".to_owned(), text("y"))]);
    assert_eq!(only("<title>x</title>"), [("ProductName".to_owned(), text("x"))]);
    let fault = read(&schema, "Product", &entry("<price xmlns='urn:x'>x</price>")).unwrap_err();
    assert_eq!((fault.kind.code, fault.property.as_deref()), ("bad_value", Some("UnitsInStock")));
}

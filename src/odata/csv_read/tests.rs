use super::*;
use crate::odata::fixture::{shop, type_id};
use crate::odata::references::ContentIds;

fn read(schema: &Schema, body: &str) -> Outcome<Vec<(String, Value)>> {
    let ids = ContentIds::default();
    let reading = Reading {
        schema,
        endpoint: 0,
        root: "http://host/api/Shop/",
        ids: &ids,
        ignore_unknown: false,
    };
    let body = CsvReader.entity(&reading, type_id(schema, "Product"), body.as_bytes())?;
    let name = |index: usize| schema.types[body.ty].properties[index].name.clone();
    Ok(body.values.into_iter().map(|(index, value)| (name(index), value)).collect())
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn rows() {
    let schema = shop();
    let cases: &[(&str, &[(&str, Value)])] = &[
        (
            "ProductName,Weight,Sealed,UnitPrice\r\n\"a,b\",INF,true,2.50\r\n",
            &[
                ("ProductName", text("a,b")),
                ("Weight", Value::Double(f64::INFINITY)),
                ("Sealed", Value::Boolean(true)),
                ("UnitPrice", text("2.50")),
            ],
        ),
        (
            "\u{feff} Weight ,ProductName\n,\"\"",
            &[("Weight", Value::Null), ("ProductName", text(""))],
        ),
        // What cannot be null has its default.
        ("Grade,Sealed,Weight\n,,1", &[("Weight", Value::Double(1.0))]),
        ("odata_type,Level\nShop.DerivedProduct,5", &[("Level", Value::Integer(5))]),
        ("odata_type,Weight\n,5", &[("Weight", Value::Double(5.0))]),
        ("AlternateIDs\n\"[1,2]\"", &[("AlternateIDs", text("[1,2]"))]),
        (
            "SupplierAddress/City,SupplierAddress/Zip,SupplierAddress/Lines,SupplierAddress/Country/Code\nX,5,\"[\"\"a\"\"]\",AT",
            &[(
                "SupplierAddress",
                text(r#"{"City":"X","Zip":5,"Lines":["a"],"Country":{"Code":"AT"}}"#),
            )],
        ),
        (
            "SupplierAddress/City,SupplierAddress/Country/Code\n,",
            &[("SupplierAddress", Value::Null)],
        ),
    ];
    for (body, expected) in cases {
        let expected: Vec<(String, Value)> = expected.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        assert_eq!(
            read(&schema, body).unwrap_or_else(|fault| panic!("{body}: {fault}")),
            expected,
            "{body}"
        );
    }
}

#[test]
fn faults() {
    let schema = shop();
    let many = vec!["A"; CSV_COLUMNS + 1].join(",");
    let deep = format!("{}\n1", "A/".repeat(BODY_DEPTH + 1));
    for (body, expected) in [
        ("", "bad_body"),
        ("Weight", "bad_body"),
        ("Weight\n1\n2", "bad_body"),
        ("Weight,Width\n1", "bad_body"),
        ("Weight,Weight\n1,2", "bad_body"),
        ("Weight\n\"1", "bad_body"),
        ("AlternateIDs\n[1", "bad_body"),
        ("Nope\n1", "unknown_property"),
        ("SupplierAddress/Nope\n1", "unknown_property"),
        ("Weight/X\n1", "bad_value"),
        ("Weight\nx", "bad_value"),
        ("odata_type\nShop.Supplier", "bad_body"),
        ("odata_type\nx", "bad_body"),
        (&format!("{many}\n{many}"), "limit_exceeded"),
        (&deep, "limit_exceeded"),
    ] {
        let found = read(&schema, body).map_err(|fault| fault.kind.code);
        assert_eq!(found, Err(expected), "{body:.60}");
    }
    let fault = read(&schema, "Weight\n1\n2").unwrap_err();
    assert!(fault.message.contains("odonata load"), "{fault}");
    let ty = type_id(&schema, "Product");
    assert_eq!(CsvReader.link(b"x").unwrap_err().kind.status, 415);
    let ids = ContentIds::default();
    let reading = Reading {
        schema: &schema,
        endpoint: 0,
        root: "",
        ids: &ids,
        ignore_unknown: false,
    };
    let property = CsvReader.property(&reading, &schema.types[ty].properties[0], b"x");
    assert_eq!(property.unwrap_err().kind.status, 415);
}

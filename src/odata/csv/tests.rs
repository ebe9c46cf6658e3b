use super::*;
use crate::model::query::Shape;
use crate::odata::fixture::{page, set_id, shop, type_id};
use crate::odata::format::{self, Format, Metadata};

const ROOT: &str = "http://host/api/Shop/";

fn feed(schema: &Schema, page: &Page) -> String {
    let render = Render::new(schema, 0, ROOT, Metadata::None);
    let context = Context {
        set: page.set,
        ty: page.ty,
        single: false,
        select: None,
    };
    String::from_utf8(format::feed(&render, Format::Csv, page, &context, Some("next"))).unwrap()
}

fn only(names: &[&str]) -> Shape {
    Shape {
        properties: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Shape::default()
    }
}

#[test]
fn fields() {
    let schema = shop();
    for (text, expected) in [
        ("plain", "plain"),
        ("", "\"\""),
        ("a,b", "\"a,b\""),
        ("a \"b\"", "\"a \"\"b\"\"\""),
        ("a\r\nb", "\"a\r\nb\""),
        (" a", "\" a\""),
        ("a ", "\"a \""),
        ("=1+1", "=1+1"),
        ("ä€😀", "ä€😀"),
    ] {
        let rows: &[(&str, &[(&str, Cell<'_>)])] = &[("Supplier", &[("SupplierID", Cell::Integer(1)), ("Company", Cell::Text(text))])];
        let page = page(&schema, Some("Suppliers"), "Supplier", rows);
        assert_eq!(feed(&schema, &page), format!("SupplierID,Company\r\n1,{expected}\r\n"));
    }
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[("Supplier", &[("SupplierID", Cell::Integer(1))])];
    let mut page = page(&schema, Some("Suppliers"), "Supplier", rows);
    assert_eq!(feed(&schema, &page), "SupplierID,Company\r\n1,\r\n");
    page.rows.truncate(0);
    assert_eq!(feed(&schema, &page), "SupplierID,Company\r\n");
}

#[test]
fn complex_properties_collections_and_derived_types() {
    let schema = shop();
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[
        (
            "Product",
            &[
                ("ProductID", Cell::Integer(1)),
                (
                    "SupplierAddress",
                    Cell::Text(r#"{"City":"X","Lines":["a","b"],"Country":{"Code":"AT"}}"#),
                ),
                ("AlternateIDs", Cell::Text("[1,2]")),
                ("Weight", Cell::Double(f64::INFINITY)),
                ("DiscontinuedOffset", Cell::Text("2024-01-02T03:04:05.0000000")),
                ("Secret", Cell::Text("s")),
            ],
        ),
        ("DerivedProduct", &[("ProductID", Cell::Integer(2)), ("Level", Cell::Integer(3))]),
    ];
    let mut page = page(&schema, Some("Products"), "Product", rows);
    page.shape = only(&[
        "ProductID",
        "SupplierAddress",
        "AlternateIDs",
        "Weight",
        "DiscontinuedOffset",
        "Picture",
        "Secret",
        "Level",
    ]);
    let header = "odata_type,ProductID,Weight,DiscontinuedOffset,SupplierAddress/City,SupplierAddress/Zip,SupplierAddress/Lines,\
        SupplierAddress/Country/Code,SupplierAddress/Country/Label,AlternateIDs,Secret,Level";
    let first = r#"Shop.Product,1,INF,2024-01-02T03:04:05Z,X,,"[""a"",""b""]",AT,,"[1,2]",,"#;
    let second = "Shop.DerivedProduct,2,,,,,,,,,,3";
    assert_eq!(feed(&schema, &page), format!("{header}\r\n{first}\r\n{second}\r\n"));
}

#[test]
fn a_complex_type_may_hold_itself() {
    let mut schema = shop();
    let country = schema.complex.iter().position(|ty| ty.name == "Country").unwrap();
    let mut inner = schema.complex[country].properties[0].clone();
    (inner.name, inner.ty) = ("In".to_owned(), Type::Complex(country));
    schema.complex[country].properties.push(inner);
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[(
        "Supplier",
        &[("Company", Cell::Text(r#"{"Code":"A","In":{"Code":"B","In":null}}"#))],
    )];
    let ty = type_id(&schema, "Supplier");
    let company = schema.types[ty].property("Company").unwrap();
    schema.types[ty].properties[company].ty = Type::Complex(country);
    let mut page = page(&schema, None, "Supplier", rows);
    page.shape = only(&["Company"]);
    assert_eq!(
        feed(&schema, &page),
        "Company/Code,Company/Label,Company/In\r\nA,,\"{\"\"Code\"\":\"\"B\"\",\"\"Label\"\":null,\"\"In\"\":null}\"\r\n"
    );
}

#[test]
fn one_entity_values_and_links() {
    let schema = shop();
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[("Supplier", &[("SupplierID", Cell::Integer(1))])];
    let page = page(&schema, Some("Suppliers"), "Supplier", rows);
    let render = Render::new(&schema, 0, ROOT, Metadata::None);
    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
    let context = Context {
        set: page.set,
        ty: page.ty,
        single: true,
        select: None,
    };
    let one = format::entity(&render, Format::Csv, &page, 0, &context);
    assert_eq!(text(one), "SupplierID,Company\r\n1,\r\n");
    let links = LinksContext {
        set: set_id(&schema, "Products"),
        navigation: "Supplier",
        single: false,
        element: false,
    };
    let links = format::links(&render, Format::Csv, &page, &links, None);
    assert_eq!(text(links), "uri\r\nhttp://host/api/Shop/Suppliers(1)\r\n");
    let country = Type::Complex(schema.complex.iter().position(|ty| ty.name == "Country").unwrap());
    let many = |ty: &Type| Type::Collection(Box::new(ty.clone()));
    for (ty, cell, expected) in [
        (Type::Primitive(Edm::Int32), Cell::Integer(5), "P\r\n5\r\n"),
        (Type::Primitive(Edm::Int32), Cell::Null, "P\r\n\r\n"),
        (country.clone(), Cell::Text(r#"{"Code":"A"}"#), "P/Code,P/Label\r\nA,\r\n"),
        (many(&Type::Primitive(Edm::String)), Cell::Text(r#"["a",""]"#), "P\r\na\r\n\"\"\r\n"),
        (
            many(&country),
            Cell::Text(r#"[{"Code":"A"},{"Label":"b"}]"#),
            "P/Code,P/Label\r\nA,\r\n,b\r\n",
        ),
    ] {
        assert_eq!(text(format::property(&render, Format::Csv, "P", &ty, cell)), expected);
    }
}

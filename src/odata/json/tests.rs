use super::*;
use crate::model::edm::Value;
use crate::model::page::{Expanded, Page};
use crate::model::query::{Expand, Shape};
use crate::model::schema::Schema;
use crate::odata::fixture::{page, set_id, shop, type_id};
use crate::odata::format::{self, Format};
use serde_json::{Value as Tree, json};

const ROOT: &str = "http://host/api/Shop/";

fn render(schema: &Schema, level: Metadata) -> Render<'_> {
    Render::new(schema, 0, ROOT, level)
}

/// The body of a feed, as text, checked to be JSON.
fn feed(schema: &Schema, level: Metadata, page: &Page, next: Option<&str>) -> String {
    let context = Context {
        set: page.set,
        ty: page.ty,
        single: false,
        select: page.shape.select_text.as_deref(),
    };
    text_of(format::feed(&render(schema, level), Format::JsonLight, page, &context, next))
}

fn entity(schema: &Schema, level: Metadata, page: &Page, ty: TypeId) -> String {
    let context = Context {
        set: page.set,
        ty,
        single: true,
        select: page.shape.select_text.as_deref(),
    };
    text_of(format::entity(&render(schema, level), Format::JsonLight, page, 0, &context))
}

fn text_of(body: Vec<u8>) -> String {
    let text = String::from_utf8(body).unwrap();
    serde_json::from_str::<Tree>(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    text
}

fn only(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn suppliers(schema: &Schema) -> Page {
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[
        (
            "Supplier",
            &[("SupplierID", Cell::Integer(1)), ("Company", Cell::Text("A \"B\"\n\u{1}ä"))],
        ),
        ("Supplier", &[("SupplierID", Cell::Integer(2))]),
    ];
    page(schema, Some("Suppliers"), "Supplier", rows)
}

#[test]
fn feeds_at_three_levels() {
    let schema = shop();
    let mut page = suppliers(&schema);
    page.count = Some(12);
    let next = Some("http://host/api/Shop/Suppliers?$skiptoken=2");
    assert_eq!(
        feed(&schema, Metadata::Minimal, &page, next),
        concat!(
            r#"{"odata.metadata":"http://host/api/Shop/$metadata#Suppliers","odata.count":"12","value":["#,
            r#"{"SupplierID":1,"Company":"A \"B\"\n\u0001ä"},{"SupplierID":2,"Company":null}],"#,
            r#""odata.nextLink":"http://host/api/Shop/Suppliers?$skiptoken=2"}"#
        )
    );
    page.rows.truncate(1);
    assert_eq!(
        feed(&schema, Metadata::None, &page, None),
        r#"{"odata.count":"12","value":[{"SupplierID":1,"Company":"A \"B\"\n\u0001ä"}]}"#
    );
    assert_eq!(
        feed(&schema, Metadata::Full, &page, None),
        concat!(
            r#"{"odata.metadata":"http://host/api/Shop/$metadata#Suppliers","odata.count":"12","value":[{"#,
            r#""odata.type":"Shop.Supplier","odata.id":"http://host/api/Shop/Suppliers(1)","odata.editLink":"Suppliers(1)","#,
            r#""Products@odata.navigationLinkUrl":"Suppliers(1)/Products","Categories@odata.navigationLinkUrl":"Suppliers(1)/Categories","#,
            r#""SupplierID":1,"Company":"A \"B\"\n\u0001ä"}]}"#
        )
    );
    page.rows.truncate(0);
    page.count = None;
    assert_eq!(
        feed(&schema, Metadata::Minimal, &page, None),
        r#"{"odata.metadata":"http://host/api/Shop/$metadata#Suppliers","value":[]}"#
    );
}

#[test]
fn selection_and_etag() {
    let mut schema = shop();
    let ty = type_id(&schema, "Supplier");
    schema.types[ty].properties[1].concurrency = true;
    let mut page = suppliers(&schema);
    page.shape.properties = only(&["SupplierID"]);
    page.shape.links = only(&["Products"]);
    page.shape.select_text = Some("SupplierID,Products".to_owned());
    let tag = r#""odata.etag":"W/\"'A%20%22B%22%0A%01%C3%A4'\"","#;
    let context = r##""odata.metadata":"http://host/api/Shop/$metadata#Suppliers/@Element&$select=SupplierID,Products","##;
    let cases = [
        (Metadata::None, format!("{{{tag}\"SupplierID\":1}}")),
        (Metadata::Minimal, format!("{{{context}{tag}\"SupplierID\":1}}")),
        (
            Metadata::Full,
            format!(
                "{{{context}\"odata.type\":\"Shop.Supplier\",\"odata.id\":\"http://host/api/Shop/Suppliers(1)\",{tag}\
                 \"odata.editLink\":\"Suppliers(1)\",\"Products@odata.navigationLinkUrl\":\"Suppliers(1)/Products\",\"SupplierID\":1}}"
            ),
        ),
    ];
    for (level, expected) in cases {
        assert_eq!(entity(&schema, level, &page, ty), expected);
    }
}

#[test]
fn values_of_every_kind() {
    let schema = shop();
    let cells: &[(&str, Cell<'_>)] = &[
        ("IntProp", Cell::Integer(-1)),
        ("GuidProp", Cell::Bytes(&[0xAB; 16])),
        ("DateTimeProp", Cell::Text("2024-01-02T03:04:05.1200000")),
        ("DateTimeOffsetProp", Cell::Text("2024-01-02T03:04:05.0000000")),
        ("ByteArrayProp", Cell::Bytes(&[0, 1, 255])),
        ("TimeSpanProp", Cell::Integer(36_000_000_000)),
        ("DecimalProp", Cell::Text("2.50")),
        ("DoubleProp", Cell::Double(0.5)),
        ("FloatProp", Cell::Double(f64::from(0.1_f32))),
        ("LongProp", Cell::Integer(i64::MIN)),
        ("StringProp", Cell::Text("")),
        ("ULongProp", Cell::Integer(i64::MAX)),
    ];
    let page = page(&schema, Some("Data"), "DataTypes", &[("DataTypes", cells)]);
    let expected = [
        ("IntProp", None, json!(-1)),
        ("GuidProp", Some("Edm.Guid"), json!("abababab-abab-abab-abab-abababababab")),
        ("DateTimeProp", Some("Edm.DateTime"), json!("2024-01-02T03:04:05.12")),
        ("DateTimeOffsetProp", Some("Edm.DateTimeOffset"), json!("2024-01-02T03:04:05Z")),
        ("ByteArrayProp", Some("Edm.Binary"), json!("AAH/")),
        ("ByteArrayPropWithNullValue", None, Tree::Null),
        ("TimeSpanProp", Some("Edm.Time"), json!("PT1H")),
        ("DecimalProp", Some("Edm.Decimal"), json!("2.50")),
        ("DoubleProp", None, json!(0.5)),
        ("FloatProp", Some("Edm.Single"), json!(0.1)),
        ("LongProp", Some("Edm.Int64"), json!("-9223372036854775808")),
        ("StringProp", None, json!("")),
        ("ULongProp", Some("Edm.Int64"), json!("9223372036854775807")),
    ];
    let ty = page.ty;
    let full: Tree = serde_json::from_str(&entity(&schema, Metadata::Full, &page, ty)).unwrap();
    let minimal: Tree = serde_json::from_str(&entity(&schema, Metadata::Minimal, &page, ty)).unwrap();
    for (name, ty, value) in expected {
        assert_eq!(minimal[name], value, "{name}");
        assert_eq!(full[name], value, "{name}");
        assert_eq!(full.get(format!("{name}@odata.type")), ty.map(Tree::from).as_ref(), "{name}");
    }
    assert!(minimal.as_object().unwrap().keys().skip(1).all(|name| !name.contains("odata")));
}

#[test]
fn special_numbers() {
    let cases = [
        (Edm::Double, f64::NAN, r#""NaN""#),
        (Edm::Double, f64::INFINITY, r#""Infinity""#),
        (Edm::Single, f64::NEG_INFINITY, r#""-Infinity""#),
        (Edm::Single, f64::from(f32::MAX), "3.4028235e+38"),
        (Edm::Double, -0.0, "-0.0"),
    ];
    for (edm, value, expected) in cases {
        let mut out = Vec::new();
        write_primitive(edm, Cell::Double(value), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
    assert!(tells_type(&Type::Primitive(Edm::Double), Cell::Double(f64::NAN)));
}

#[test]
fn derived_types_complex_values_and_hidden_ones() {
    let schema = shop();
    let address = r#"{"Zip":1010,"Lines":["a","b"],"Country":{"Code":"AT"},"Gone":1}"#;
    let cells: &[(&str, Cell<'_>)] = &[
        ("ProductID", Cell::Integer(1)),
        ("SupplierAddress", Cell::Text(address)),
        ("AlternateIDs", Cell::Text("[1,2]")),
        ("AlternateAddresses", Cell::Text(r#"[{"City":"X"}]"#)),
        ("Place", Cell::Text("SRID=4326;POINT(1.5 2)")),
        ("Secret", Cell::Text("hidden")),
        ("Level", Cell::Integer(3)),
    ];
    let page = page(&schema, Some("Products"), "Product", &[("DerivedProduct", cells)]);
    let (base, derived) = (page.ty, type_id(&schema, "DerivedProduct"));

    let minimal: Tree = serde_json::from_str(&entity(&schema, Metadata::Minimal, &page, base)).unwrap();
    assert_eq!(minimal["odata.metadata"], json!("http://host/api/Shop/$metadata#Products/@Element"));
    assert_eq!(minimal["odata.type"], json!("Shop.DerivedProduct"));
    assert_eq!(
        minimal["SupplierAddress"],
        json!({"City": null, "Zip": 1010, "Lines": ["a", "b"], "Country": {"Code": "AT", "Label": null}})
    );
    assert_eq!(minimal["AlternateIDs"], json!([1, 2]));
    assert_eq!(minimal["Place"]["coordinates"], json!([1.5, 2.0]));
    assert_eq!((&minimal["Secret"], &minimal["Level"]), (&Tree::Null, &json!(3)));
    assert_eq!(minimal.get("Picture"), None);

    // The context names the type, so the entity does not (JL-21).
    let cast: Tree = serde_json::from_str(&entity(&schema, Metadata::Minimal, &page, derived)).unwrap();
    assert_eq!(
        cast["odata.metadata"],
        json!("http://host/api/Shop/$metadata#Products/Shop.DerivedProduct/@Element")
    );
    assert_eq!(cast.get("odata.type"), None);

    let full: Tree = serde_json::from_str(&entity(&schema, Metadata::Full, &page, derived)).unwrap();
    let facts = [
        ("odata.id", json!("http://host/api/Shop/Products(1)")),
        ("odata.editLink", json!("Products(1)/Shop.DerivedProduct")),
        ("Picture@odata.mediaEditLink", json!("Products(1)/Shop.DerivedProduct/Picture")),
        ("Parts@odata.navigationLinkUrl", json!("Products(1)/Shop.DerivedProduct/Parts")),
        ("AlternateIDs@odata.type", json!("Collection(Edm.Int32)")),
        ("Place@odata.type", json!("Edm.GeographyPoint")),
        ("AlternateAddresses@odata.type", json!("Collection(Shop.Address)")),
    ];
    for (name, value) in facts {
        assert_eq!(full[name], value, "{name}");
    }
    assert_eq!(full["SupplierAddress"]["odata.type"], json!("Shop.Address"));
    assert_eq!(full["SupplierAddress"]["Lines@odata.type"], json!("Collection(Edm.String)"));
    assert_eq!(full["AlternateAddresses"][0]["odata.type"], json!("Shop.Address"));
}

fn expand(schema: &Schema, ty: &str, navigation: &str, set: &str) -> Expand {
    let ty = type_id(schema, ty);
    Expand {
        ty,
        navigation: schema.types[ty].navigation(navigation).unwrap(),
        set: Some(set_id(schema, set)),
        shape: Shape::default(),
    }
}

#[test]
fn expanded_navigations() {
    let schema = shop();
    let categories: &[(&str, &[(&str, Cell<'_>)])] = &[
        ("Category", &[("CategoryID", Cell::Integer(1))]),
        ("Category", &[("CategoryID", Cell::Integer(2))]),
    ];
    let mut page = page(&schema, Some("Categories"), "Category", categories);
    page.shape.properties = only(&["CategoryID"]);
    page.shape.links = only(&[]);
    let products: &[(&str, &[(&str, Cell<'_>)])] = &[
        ("Product", &[("ProductID", Cell::Integer(10))]),
        ("DerivedProduct", &[("ProductID", Cell::Integer(11))]),
    ];
    let mut inner = super::tests::page(&schema, Some("Products"), "Product", products);
    inner.shape.properties = only(&["ProductID"]);
    inner.shape.links = only(&[]);
    let mut many = expand(&schema, "Category", "Products", "Products");
    many.shape = inner.shape.clone();
    many.shape.select_text = Some("ProductID".to_owned());
    let one = expand(&schema, "Category", "Parent", "Categories");
    let mut parent = super::tests::page(&schema, Some("Categories"), "Category", &categories[..1]);
    parent.shape.properties = only(&["CategoryID"]);
    let derived = expand(&schema, "DerivedCategory", "Product", "Products");
    page.shape.expand = vec![many, one, derived];
    let expanded = |page: Page, children: Vec<std::ops::Range<usize>>, next: Vec<Option<String>>| Expanded { page, children, next };
    page.expanded = vec![
        expanded(inner, vec![0..2, 2..2], vec![Some("11 x".to_owned()), None]),
        expanded(parent, vec![0..0, 0..1], vec![None, None]),
        expanded(
            super::tests::page(&schema, Some("Products"), "Product", &[]),
            vec![0..0, 0..0],
            vec![None, None],
        ),
    ];
    let body = feed(&schema, Metadata::Minimal, &page, None);
    let link = r#""Products@odata.nextLink":"http://host/api/Shop/Categories(1)/Products?$skiptoken=11%20x"#;
    let start = r#"{"odata.metadata":"http://host/api/Shop/$metadata#Categories","value":[{"CategoryID":1,"#;
    let rest = concat!(
        r#"","Products":[{"ProductID":10},{"odata.type":"Shop.DerivedProduct","ProductID":11}],"Parent":null},"#,
        r#"{"CategoryID":2,"Products":[],"Parent":{"CategoryID":1}}]}"#
    );
    assert!(body.starts_with(&format!("{start}{link}")), "{body}");
    assert!(body.ends_with(rest), "{body}");
    let full: Tree = serde_json::from_str(&feed(&schema, Metadata::Full, &page, None)).unwrap();
    assert_eq!(
        full["value"][1]["Products@odata.navigationLinkUrl"],
        json!("Categories(2)/Products")
    );
    assert_eq!(full["value"][1]["Parent"]["odata.id"], json!("http://host/api/Shop/Categories(1)"));
}

#[test]
fn values_as_whole_answers() {
    let schema = shop();
    let address = Type::Complex(schema.complex.iter().position(|ty| ty.name == "Country").unwrap());
    let text = Type::Primitive(Edm::String);
    let guid = Type::Primitive(Edm::Guid);
    let texts = Type::Collection(Box::new(text.clone()));
    let context = |name: &str| format!("{{\"odata.metadata\":\"http://host/api/Shop/$metadata#{name}\",");
    let zero = Value::Bytes(vec![0; 16]);
    let cases = [
        (&text, Cell::Text("x"), Metadata::Minimal, context("Edm.String") + r#""value":"x"}"#),
        (&text, Cell::Null, Metadata::Minimal, context("Edm.Null") + r#""odata.null":true}"#),
        (&text, Cell::Null, Metadata::None, r#"{"odata.null":true}"#.to_owned()),
        (
            &guid,
            zero.cell(),
            Metadata::Full,
            context("Edm.Guid") + r#""odata.type":"Edm.Guid","value":"00000000-0000-0000-0000-000000000000"}"#,
        ),
        (
            &address,
            Cell::Text(r#"{"Code":"AT"}"#),
            Metadata::Minimal,
            context("Shop.Country") + r#""Code":"AT","Label":null}"#,
        ),
        (
            &address,
            Cell::Text("{}"),
            Metadata::Full,
            context("Shop.Country") + r#""odata.type":"Shop.Country","Code":null,"Label":null}"#,
        ),
        (
            &texts,
            Cell::Text(r#"["a","b"]"#),
            Metadata::Minimal,
            context("Collection(Edm.String)") + r#""value":["a","b"]}"#,
        ),
        (&texts, Cell::Text("damaged"), Metadata::None, r#"{"value":null}"#.to_owned()),
    ];
    for (ty, cell, level, expected) in cases {
        assert_eq!(
            text_of(format::property(&render(&schema, level), Format::JsonLight, "P", ty, cell)),
            expected
        );
    }
}

#[test]
fn links() {
    let schema = shop();
    let mut page = suppliers(&schema);
    page.count = Some(9);
    let mut context = LinksContext {
        set: set_id(&schema, "Products"),
        navigation: "Supplier",
        single: false,
        element: false,
    };
    let render = render(&schema, Metadata::Minimal);
    let body = |context: &LinksContext<'_>, next| text_of(format::links(&render, Format::JsonLight, &page, context, next));
    let start = r##"{"odata.metadata":"http://host/api/Shop/$metadata#Products/$links/Supplier"##;
    let urls = r#"{"url":"http://host/api/Shop/Suppliers(1)"},{"url":"http://host/api/Shop/Suppliers(2)"}"#;
    assert_eq!(
        body(&context, Some("n")),
        format!(r#"{start}","odata.count":"9","value":[{urls}],"odata.nextLink":"n"}}"#)
    );
    context.element = true;
    assert_eq!(
        body(&context, None),
        format!(r#"{start}/@Element","url":"http://host/api/Shop/Suppliers(1)"}}"#)
    );
    (context.element, context.single) = (false, true);
    assert_eq!(
        body(&context, None),
        format!(r#"{start}","url":"http://host/api/Shop/Suppliers(1)"}}"#)
    );
}

#[test]
fn addresses_of_an_entity() {
    let schema = shop();
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[("DerivedProduct", &[("ProductID", Cell::Integer(1))])];
    let render = render(&schema, Metadata::Minimal);
    for set in [Some("Products"), None] {
        let page = page(&schema, set, "Product", rows);
        let entity = Entity::of(&render, &page, 0);
        assert_eq!(entity.id(), "http://host/api/Shop/Products(1)");
        assert_eq!(entity.edit_url(), "http://host/api/Shop/Products(1)/Shop.DerivedProduct");
        assert_eq!(entity.etag(), None);
    }
}

#[test]
fn sets_of_other_containers_and_entities_without_a_set() {
    let mut schema = shop();
    let container = crate::model::schema::Container {
        namespace: "Shop".to_owned(),
        name: "Other".to_owned(),
    };
    schema.endpoints[0].containers.push(container);
    let set = set_id(&schema, "Suppliers");
    schema.sets[set].container = 1;
    let page = suppliers(&schema);
    let body = entity(&schema, Metadata::Full, &page, page.ty);
    assert!(
        body.starts_with(r##"{"odata.metadata":"http://host/api/Shop/$metadata#Other.Suppliers/@Element","##),
        "{body}"
    );
    assert!(body.contains(r#""odata.editLink":"Other.Suppliers(1)""#), "{body}");

    schema.endpoints[0].sets.retain(|other| *other != set);
    let mut page = suppliers(&schema);
    page.set = None;
    let body = entity(&schema, Metadata::Full, &page, page.ty);
    let expected = concat!(
        r##"{"odata.metadata":"http://host/api/Shop/$metadata#Shop.Supplier","odata.type":"Shop.Supplier","##,
        r#""SupplierID":1,"Company":"A \"B\"\n\u0001ä"}"#
    );
    assert_eq!(body, expected);
}

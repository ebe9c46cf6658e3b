use super::*;
use crate::model::edm::Value;
use crate::model::page::{Expanded, Page};
use crate::model::query::{Expand, Shape};
use crate::model::schema::{Container, Schema};
use crate::odata::fixture::{page, set_id, shop, type_id};
use crate::odata::format::{self, Format, Metadata};
use serde_json::{Value as Tree, json};

const ROOT: &str = "http://host/api/Shop/";

fn render(schema: &Schema, version: Version) -> Render<'_> {
    Render {
        version,
        ..Render::new(schema, 0, ROOT, Metadata::None)
    }
}

fn text_of(body: Vec<u8>) -> String {
    let text = String::from_utf8(body).unwrap();
    serde_json::from_str::<Tree>(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    text
}

fn context<'a>(page: &'a Page, single: bool) -> Context<'a> {
    Context {
        set: page.set,
        ty: page.ty,
        single,
        select: None,
    }
}

fn feed(schema: &Schema, version: Version, page: &Page, next: Option<&str>) -> String {
    text_of(format::feed(
        &render(schema, version),
        Format::Verbose,
        page,
        &context(page, false),
        next,
    ))
}

fn entity(schema: &Schema, version: Version, page: &Page) -> String {
    text_of(format::entity(
        &render(schema, version),
        Format::Verbose,
        page,
        0,
        &context(page, true),
    ))
}

fn only(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn suppliers(schema: &Schema) -> Page {
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[
        ("Supplier", &[("SupplierID", Cell::Integer(1)), ("Company", Cell::Text("A \"ä\""))]),
        ("Supplier", &[("SupplierID", Cell::Integer(2))]),
    ];
    page(schema, Some("Suppliers"), "Supplier", rows)
}

#[test]
fn feeds_of_each_version() {
    let schema = shop();
    let mut page = suppliers(&schema);
    page.count = Some(12);
    page.shape.links = only(&["Products"]);
    let one = |key: u8, company: &str| {
        format!(
            r#"{{"__metadata":{{"id":"{ROOT}Suppliers({key})","uri":"{ROOT}Suppliers({key})","type":"Shop.Supplier"}},"Products":{{"__deferred":{{"uri":"{ROOT}Suppliers({key})/Products"}}}},"SupplierID":{key},"Company":{company}}}"#
        )
    };
    let both = format!("[{},{}]", one(1, r#""A \"ä\"""#), one(2, "null"));
    for version in [Version::V2, Version::V3] {
        assert_eq!(
            feed(&schema, version, &page, Some("http://host/next")),
            format!(r#"{{"d":{{"results":{both},"__count":"12","__next":"http://host/next"}}}}"#)
        );
    }
    page.count = None;
    assert_eq!(feed(&schema, Version::V2, &page, None), format!(r#"{{"d":{{"results":{both}}}}}"#));
    assert_eq!(feed(&schema, Version::V1, &page, None), format!(r#"{{"d":{both}}}"#));
    page.rows.truncate(0);
    assert_eq!(feed(&schema, Version::V1, &page, None), r#"{"d":[]}"#);
    assert_eq!(feed(&schema, Version::V2, &page, None), r#"{"d":{"results":[]}}"#);
}

#[test]
fn metadata_of_an_entity() {
    let mut schema = shop();
    let derived = type_id(&schema, "DerivedProduct");
    schema.types[derived].has_stream = true;
    let name = schema.types[derived].property("ProductName").unwrap();
    schema.types[derived].properties[name].concurrency = true;
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[(
        "DerivedProduct",
        &[("ProductID", Cell::Integer(7)), ("ProductName", Cell::Text("x"))],
    )];
    let mut page = page(&schema, Some("Products"), "Product", rows);
    page.shape = Shape {
        properties: only(&["ProductID", "Picture"]),
        links: only(&["Parts"]),
        ..Shape::default()
    };
    let uri = format!("{ROOT}Products(7)/Shop.DerivedProduct");
    let media = format!(r#""edit_media":"{uri}/$value","media_src":"{uri}/$value""#);
    let stream = format!(r#""edit_media":"{uri}/Picture","media_src":"{uri}/Picture""#);
    assert_eq!(
        entity(&schema, Version::V3, &page),
        format!(
            r#"{{"d":{{"__metadata":{{"id":"{ROOT}Products(7)","uri":"{uri}","type":"Shop.DerivedProduct","etag":"W/\"'x'\"",{media}}},"Parts":{{"__deferred":{{"uri":"{uri}/Parts"}}}},"Picture":{{"__mediaresource":{{{stream}}}}},"ProductID":7}}}}"#
        )
    );
    // Without a set there is no address.
    page.set = None;
    schema.endpoints[0].sets.clear();
    let alone: Tree = serde_json::from_str(&entity(&schema, Version::V3, &page)).unwrap();
    assert_eq!(
        alone["d"]["__metadata"],
        json!({"type": "Shop.DerivedProduct", "etag": "W/\"'x'\""})
    );
    assert!(alone["d"].get("Parts").is_none());
}

#[test]
fn operations_go_into_the_metadata() {
    let schema = shop();
    let page = suppliers(&schema);
    let render = render(&schema, Version::V3);
    let mut sink = Verbose::new(&render);
    let entity = Entity::of(&render, &page, 0);
    let of = |name: &str, side_effecting| Operation {
        name: name.to_owned(),
        side_effecting,
        ..schema.endpoints[0].operations[0].clone()
    };
    sink.begin_entity(&entity, page.ty, Some(&context(&page, true)));
    sink.link(&entity, &entity.entity_type().navigations[0]);
    for operation in [of("B", None), of("F", Some(false)), of("A", Some(true)), of("B", None)] {
        sink.operation(&entity, &operation);
    }
    sink.property(&entity.entity_type().properties[0], Cell::Integer(1));
    sink.end_entity(&entity);
    let body: Tree = serde_json::from_str(&text_of(Box::new(sink).finish())).unwrap();
    let what = |name: &str| json!({"title": name, "target": format!("{ROOT}Suppliers(1)/{name}")});
    let metadata = &body["d"]["__metadata"];
    let key = |name: &str| format!("{ROOT}$metadata#Container.{name}");
    assert_eq!(
        metadata["actions"],
        json!({key("A"): [what("A")], key("B"): [what("B"), what("B")]})
    );
    assert_eq!(metadata["functions"], json!({key("F"): [what("F")]}));
    assert_eq!(body["d"]["SupplierID"], 1);
}

#[test]
fn values_of_each_version() {
    let schema = shop();
    let edm = Type::Primitive;
    let address = Type::Complex(schema.complex.iter().position(|ty| ty.name == "Address").unwrap());
    let many = |ty: &Type| Type::Collection(Box::new(ty.clone()));
    let text = |text: &'static str| Cell::Text(text);
    let moment = text("2012-02-29T23:32:03.0019999");
    let dates = r#"["2012-02-29T23:32:03.0000000"]"#;
    let place = r#"{"City":"X","Lines":["a"],"Country":{"Code":"AT"}}"#;
    let told = |open: &str| {
        format!(
            r#"{open}"City":"X","Zip":null,"Lines":{{"__metadata":{{"type":"Collection(Edm.String)"}},"results":["a"]}},"Country":{{"__metadata":{{"type":"Shop.Country"}},"Code":"AT","Label":null}}}}"#
        )
    };
    let complex = told(r#"{"__metadata":{"type":"Shop.Address"},"#);
    let item = told("{");
    // type, cell, below 3.0, at 3.0; empty: the same
    let cases: &[(Type, Cell<'_>, &str, &str)] = &[
        (
            edm(Edm::DateTime),
            moment,
            r#""\/Date(1330558323001)\/""#,
            r#""2012-02-29T23:32:03.0019999""#,
        ),
        (
            edm(Edm::DateTimeOffset),
            moment,
            r#""\/Date(1330558323001+0000)\/""#,
            r#""2012-02-29T23:32:03.0019999Z""#,
        ),
        (
            edm(Edm::DateTime),
            text("1969-12-31T23:59:58.0010000"),
            r#""\/Date(-1999)\/""#,
            r#""1969-12-31T23:59:58.001""#,
        ),
        (
            edm(Edm::DateTime),
            text("0001-01-01T00:00:00.0000000"),
            r#""\/Date(-62135596800000)\/""#,
            r#""0001-01-01T00:00:00""#,
        ),
        (
            many(&edm(Edm::DateTime)),
            text(dates),
            r#"{"__metadata":{"type":"Collection(Edm.DateTime)"},"results":["\/Date(1330558323000)\/"]}"#,
            r#"{"__metadata":{"type":"Collection(Edm.DateTime)"},"results":["2012-02-29T23:32:03"]}"#,
        ),
        (edm(Edm::DateTime), Cell::Null, "null", ""),
        (edm(Edm::Time), Cell::Integer(36_000_000_000), r#""PT1H""#, ""),
        (edm(Edm::Int64), Cell::Integer(5), r#""5""#, ""),
        (edm(Edm::Int32), Cell::Integer(5), "5", ""),
        (edm(Edm::Decimal), text("2.50"), r#""2.50""#, ""),
        (edm(Edm::Double), Cell::Double(f64::NEG_INFINITY), r#""-Infinity""#, ""),
        (edm(Edm::Double), Cell::Double(0.5), "0.5", ""),
        (edm(Edm::Boolean), Cell::Boolean(true), "true", ""),
        (
            edm(Edm::Guid),
            Cell::Bytes(&[0xAB; 16]),
            r#""abababab-abab-abab-abab-abababababab""#,
            "",
        ),
        (edm(Edm::String), text("/Date(0)/"), r#""/Date(0)/""#, ""),
        (address.clone(), text(place), &complex, ""),
        (
            many(&address),
            text(&format!("[{place}]").leak()[..]),
            &format!(r#"{{"__metadata":{{"type":"Collection(Shop.Address)"}},"results":[{item}]}}"#),
            "",
        ),
        (address, Cell::Null, "null", ""),
    ];
    for (ty, cell, old, new) in cases {
        for (version, expected) in [
            (Version::V1, old),
            (Version::V2, old),
            (Version::V3, if new.is_empty() { old } else { new }),
        ] {
            let render = render(&schema, version);
            let body = text_of(format::property(&render, Format::Verbose, "P", ty, *cell));
            assert_eq!(body, format!(r#"{{"d":{{"P":{expected}}}}}"#), "{version:?}");
        }
    }
}

#[test]
fn places_are_geojson() {
    let schema = shop();
    let render = render(&schema, Version::V3);
    let cell = Value::Text("SRID=4326;POINT(1.5 2.5)".to_owned());
    let body = format::property(&render, Format::Verbose, "P", &Type::Primitive(Edm::GeographyPoint), cell.cell());
    let body: Tree = serde_json::from_str(&text_of(body)).unwrap();
    assert_eq!(
        (&body["d"]["P"]["type"], &body["d"]["P"]["coordinates"]),
        (&json!("Point"), &json!([1.5, 2.5]))
    );
}

#[test]
fn collections_of_operations() {
    let schema = shop();
    let ty = Type::Collection(Box::new(Type::Primitive(Edm::Int32)));
    for (version, cell, expected) in [
        (Version::V3, Cell::Text("[1,2]"), r#"{"d":{"results":[1,2]}}"#),
        (Version::V2, Cell::Text("[]"), r#"{"d":{"results":[]}}"#),
        (Version::V1, Cell::Text("[1,2]"), r#"{"d":[1,2]}"#),
    ] {
        let render = render(&schema, version);
        assert_eq!(text_of(format::collection(&render, Format::Verbose, "Sizes", &ty, cell)), expected);
    }
}

#[test]
fn links() {
    let schema = shop();
    let mut page = suppliers(&schema);
    page.count = Some(2);
    let body = |version, single, element, next| {
        let context = LinksContext {
            set: set_id(&schema, "Products"),
            navigation: "Supplier",
            single,
            element,
        };
        text_of(format::links(&render(&schema, version), Format::Verbose, &page, &context, next))
    };
    let (one, two) = (
        format!(r#"{{"uri":"{ROOT}Suppliers(1)"}}"#),
        format!(r#"{{"uri":"{ROOT}Suppliers(2)"}}"#),
    );
    assert_eq!(
        body(Version::V2, false, false, Some("n")),
        format!(r#"{{"d":{{"results":[{one},{two}],"__count":"2","__next":"n"}}}}"#)
    );
    assert_eq!(body(Version::V1, false, false, None), format!(r#"{{"d":[{one},{two}]}}"#));
    assert_eq!(body(Version::V1, true, false, None), format!(r#"{{"d":{one}}}"#));
    assert_eq!(body(Version::V3, true, true, None), format!(r#"{{"d":{one}}}"#));
}

#[test]
fn expansions() {
    let schema = shop();
    let ty = type_id(&schema, "Category");
    let rows: &[(&str, &[(&str, Cell<'_>)])] = &[("Category", &[("CategoryID", Cell::Integer(1))])];
    let mut outer = page(&schema, Some("Categories"), "Category", rows);
    outer.shape.properties = only(&["CategoryID"]);
    outer.shape.links = only(&[]);
    for (name, children, next) in [
        ("Products", 0..2, Some("T".to_owned())),
        ("EnumerableProducts", 0..0, None),
        ("Parent", 0..0, None),
        ("Product", 0..1, None),
    ] {
        let navigation = schema.types[ty].navigation(name).unwrap();
        let target = if name == "Parent" { "Category" } else { "Product" };
        let rows: &[(&str, &[(&str, Cell<'_>)])] = &[
            ("Product", &[("ProductID", Cell::Integer(1))]),
            ("Product", &[("ProductID", Cell::Integer(2))]),
        ];
        let mut inner = page(&schema, None, target, if name == "Parent" { &[] } else { rows });
        inner.shape.properties = only(&["ProductID"]);
        inner.shape.links = only(&[]);
        let expand = Expand {
            ty,
            navigation,
            set: None,
            shape: inner.shape.clone(),
        };
        outer.shape.expand.push(expand);
        outer.expanded.push(Expanded {
            page: inner,
            children: vec![children],
            next: vec![next],
        });
    }
    for (version, is_object) in [(Version::V1, false), (Version::V2, true)] {
        let body: Tree = serde_json::from_str(&entity(&schema, version, &outer)).unwrap();
        let body = &body["d"];
        let many = |name: &str| if is_object { &body[name]["results"] } else { &body[name] };
        assert_eq!(many("Products")[1]["ProductID"], 2);
        assert_eq!(many("Products")[1]["__metadata"]["uri"], format!("{ROOT}Products(2)"));
        assert_eq!(many("EnumerableProducts"), &json!([]));
        assert_eq!(body["Parent"], Tree::Null);
        assert_eq!(body["Product"]["ProductID"], 1);
        if is_object {
            let next = body["Products"]["__next"].as_str().unwrap();
            assert!(next.starts_with(&format!("{ROOT}Categories(1)/Products?$skiptoken=T")), "{next}");
        }
    }
}

#[test]
fn properties_that_are_not_declared_and_sets_of_other_containers() {
    let mut schema = shop();
    schema.endpoints[0].containers.push(Container {
        namespace: "Shop".to_owned(),
        name: "Other".to_owned(),
    });
    let bags = set_id(&schema, "Bags");
    schema.sets[bags].container = 1;
    let page = page(&schema, Some("Bags"), "Bag", &[("Bag", &[("BagID", Cell::Integer(1))])]);
    let render = render(&schema, Version::V2);
    let mut sink = Verbose::new(&render);
    let entity = Entity::of(&render, &page, 0);
    sink.begin_entity(&entity, page.ty, Some(&context(&page, true)));
    sink.dynamic("Made", &Type::Primitive(Edm::DateTime), Cell::Text("1970-01-01T00:00:00.0000000"));
    sink.end_entity(&entity);
    let expected = format!(
        r#"{{"d":{{"__metadata":{{"id":"{ROOT}Other.Bags(1L)","uri":"{ROOT}Other.Bags(1L)","type":"Shop.Bag"}},"Made":"\/Date(0)\/"}}}}"#
    );
    assert_eq!(text_of(Box::new(sink).finish()), expected);
}

use super::*;
use crate::model::edm::Edm;
use crate::model::schema::{Schema, Type};
use crate::odata::fixture::{shop, type_id};
use crate::odata::references::ContentIds;

const ROOT: &str = "http://host/api/Shop/";
const PREFIXES: &str = concat!(
    "xmlns='http://www.w3.org/2005/Atom' xmlns:d='http://schemas.microsoft.com/ado/2007/08/dataservices' ",
    "xmlns:m='http://schemas.microsoft.com/ado/2007/08/dataservices/metadata'"
);
const RELATED: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/related/";

fn read(schema: &Schema, ty: &str, body: &str) -> Outcome<Body> {
    let ids = ContentIds::default();
    let reading = Reading {
        schema,
        endpoint: 0,
        root: ROOT,
        ids: &ids,
        ignore_unknown: false,
    };
    AtomReader.entity(&reading, type_id(schema, ty), body.as_bytes())
}

fn entry(inside: &str) -> String {
    format!("<entry {PREFIXES}>{inside}</entry>")
}

fn content(properties: &str) -> String {
    entry(&format!(
        "<content type='application/xml'><m:properties>{properties}</m:properties></content>"
    ))
}

/// The values by name.
fn values(schema: &Schema, body: &Body) -> Vec<(String, Value)> {
    let name = |index: usize| schema.types[body.ty].properties[index].name.clone();
    body.values.iter().map(|(index, value)| (name(*index), value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn atm_40_entries_in_any_shape() {
    let schema = shop();
    let company = "<d:Company>A</d:Company>";
    let category = "<category term='Shop.Supplier' scheme='http://schemas.microsoft.com/ado/2007/08/dataservices/scheme'/>";
    for body in [
        content(company),
        entry(&format!(
            "<content><m:properties>{company}</m:properties></content><id/><title/><updated>x</updated>{category}<author/>"
        )),
        entry(&format!(
            "{category}<content type='image/png' src='x'/><m:properties>{company}</m:properties>"
        )),
        entry(&format!(
            "<category term='Other.Thing' scheme='urn:x'/><m:properties><x xmlns='urn:x'/>{company}<!-- --></m:properties><link rel='edit' href='x'/>"
        )),
        "<?xml version='1.0'?><a:entry xmlns:a='http://www.w3.org/2005/Atom'><a:content>\
             <p:properties xmlns:p='http://schemas.microsoft.com/ado/2007/08/dataservices/metadata' \
             xmlns='http://schemas.microsoft.com/ado/2007/08/dataservices'><Company p:type='Edm.String'>A</Company></p:properties>\
             </a:content></a:entry>"
            .to_owned(),
    ] {
        let read = read(&schema, "Supplier", &body).unwrap_or_else(|fault| panic!("{}: {body}", fault.message));
        assert_eq!(values(&schema, &read), [("Company".to_owned(), text("A"))], "{body}");
    }
    assert_eq!(read(&schema, "Supplier", &entry("")).unwrap().values, []);
    assert_eq!(
        read(&schema, "Supplier", &entry("<content type='application/xml'/>"))
            .unwrap()
            .values,
        []
    );
}

#[test]
fn categories() {
    let mut schema = shop();
    let category = |term: &str| {
        entry(&format!(
            "<category term='{term}' scheme='http://schemas.microsoft.com/ado/2007/08/dataservices/scheme'/>"
        ))
    };
    let derived = type_id(&schema, "DerivedProduct");
    for term in ["Shop.DerivedProduct", "#Shop.DerivedProduct"] {
        assert_eq!(read(&schema, "Product", &category(term)).unwrap().ty, derived);
    }
    for term in ["Shop.Category", "Nope", ""] {
        assert_eq!(
            read(&schema, "Product", &category(term)).unwrap_err().kind.code,
            "bad_body",
            "{term}"
        );
    }
    let product = type_id(&schema, "Product");
    schema.types[product].is_abstract = true;
    assert_eq!(read(&schema, "Product", &entry("")).unwrap_err().kind.code, "bad_body");
    assert!(read(&schema, "Product", &category("Shop.DerivedProduct")).is_ok());
}

#[test]
fn prm_10_values() {
    let schema = shop();
    let geography = Value::Text("SRID=4326;POINT(1 2)".to_owned());
    for (element, expected) in [
        ("<d:ProductName> a\n&lt;<![CDATA[<]]> </d:ProductName>", text(" a\n<< ")),
        ("<d:ProductName/>", text("")),
        ("<d:ProductName m:null='true'/>", Value::Null),
        ("<d:ProductName m:null='false'>x</d:ProductName>", text("x")),
        ("<d:UnitsInStock> 5 </d:UnitsInStock>", Value::Integer(5)),
        ("<d:UnitsInStock m:type='Edm.Int32'>5</d:UnitsInStock>", Value::Integer(5)),
        ("<d:UnitPrice m:type='Edm.Decimal'>2.50</d:UnitPrice>", text("2.50")),
        ("<d:Discontinued>1</d:Discontinued>", Value::Boolean(true)),
        ("<d:Weight>-INF</d:Weight>", Value::Double(f64::NEG_INFINITY)),
        (
            "<d:DiscontinuedDate>2001-02-03T04:05:06+01:00</d:DiscontinuedDate>",
            text("2001-02-03T03:05:06.0000000"),
        ),
        ("<d:DiscontinuedSince>PT1S</d:DiscontinuedSince>", Value::Integer(10_000_000)),
        ("<d:Barcode>AA\nH/</d:Barcode>", Value::Bytes(vec![0, 1, 255])),
        ("<d:Barcode/>", Value::Bytes(Vec::new())),
        (
            "<d:Place><g:Point xmlns:g='http://www.opengis.net/gml'><g:pos>2 1</g:pos></g:Point></d:Place>",
            geography,
        ),
        ("<d:AlternateIDs/>", text("[]")),
        (
            "<d:AlternateIDs> <d:element>1</d:element><m:element m:type='Edm.Int32'>2</m:element></d:AlternateIDs>",
            text("[1,2]"),
        ),
        ("<d:SupplierAddress/>", text("{}")),
        (
            "<d:SupplierAddress><d:Zip>1</d:Zip><d:City m:null='true'/><d:Country><d:Code>A</d:Code></d:Country></d:SupplierAddress>",
            text(r#"{"City":null,"Zip":1,"Country":{"Code":"A"}}"#),
        ),
        (
            "<d:AlternateAddresses><d:element><d:Zip>1</d:Zip></d:element><d:element/></d:AlternateAddresses>",
            text(r#"[{"Zip":1},{}]"#),
        ),
    ] {
        let body = read(&schema, "Product", &content(element)).unwrap_or_else(|fault| panic!("{}: {element}", fault.message));
        assert_eq!(
            body.values.iter().map(|(_, value)| value).collect::<Vec<_>>(),
            [&expected],
            "{element}"
        );
    }
}

#[test]
fn what_does_not_fit() {
    let mut schema = shop();
    let product = type_id(&schema, "Product");
    schema.types[product].properties[1].facets.max_length = Some(Some(3));
    for (element, code, property) in [
        ("<d:Nope>1</d:Nope>", "unknown_property", "Nope"),
        ("<d:Category>1</d:Category>", "unknown_property", "Category"),
        ("<d:ProductName>abcd</d:ProductName>", "bad_value", "ProductName"),
        ("<d:ProductName><d:x/></d:ProductName>", "bad_value", "ProductName"),
        (
            "<d:ProductName>a</d:ProductName><d:ProductName>b</d:ProductName>",
            "bad_body",
            "ProductName",
        ),
        ("<d:Grade m:null='true'/>", "bad_value", "Grade"),
        ("<d:Grade/>", "bad_value", "Grade"),
        ("<d:Grade>256</d:Grade>", "bad_value", "Grade"),
        ("<d:Place>SRID=4326;POINT(1 2)</d:Place>", "bad_value", "Place"),
        ("<d:Place><d:Point/></d:Place>", "bad_value", "Place"),
        ("<d:AlternateIDs>1</d:AlternateIDs>", "bad_value", "AlternateIDs"),
        ("<d:AlternateIDs><d:item>1</d:item></d:AlternateIDs>", "bad_value", "AlternateIDs"),
        (
            "<d:AlternateIDs><d:element m:null='true'/></d:AlternateIDs>",
            "bad_value",
            "AlternateIDs",
        ),
        ("<d:SupplierAddress>x</d:SupplierAddress>", "bad_value", "SupplierAddress"),
        ("<d:SupplierAddress><d:Nope/></d:SupplierAddress>", "unknown_property", "Nope"),
        (
            "<d:SupplierAddress><d:Zip>x</d:Zip></d:SupplierAddress>",
            "bad_value",
            "SupplierAddress/Zip",
        ),
        ("<d:SupplierAddress><d:Zip/><d:Zip/></d:SupplierAddress>", "bad_body", "Zip"),
    ] {
        let fault = read(&schema, "Product", &content(element)).unwrap_err();
        assert_eq!((fault.kind.code, fault.property.as_deref()), (code, Some(property)), "{element}");
    }
    for body in ["<feed xmlns='http://www.w3.org/2005/Atom'/>", "<entry/>", "<a", "", "{}"] {
        assert_eq!(read(&schema, "Product", body).unwrap_err().kind.code, "bad_body", "{body}");
    }
    assert_eq!(
        read(&schema, "Product", &content("<d:ProductName>&#0;</d:ProductName>"))
            .unwrap_err()
            .kind
            .code,
        "bad_body"
    );
}

#[test]
fn what_the_server_owns_is_passed_over() {
    let mut schema = shop();
    let product = type_id(&schema, "Product");
    schema.types[product].properties[0].generated = true;
    schema.types[product].properties[1].read_only = true;
    let echoed = "<d:ProductID>x</d:ProductID><d:ProductName>y</d:ProductName><d:Picture>z</d:Picture><d:Secret m:null='true'/>";
    assert_eq!(read(&schema, "Product", &content(echoed)).unwrap().values, []);
}

#[test]
fn opn_1_dynamic_properties() {
    let schema = shop();
    let body = content(
        "<d:A>x</d:A><d:B m:type='Edm.Int64'>5</d:B><d:C m:type='Edm.Guid' m:null='true'/><d:D m:type='Shop.Country'><d:Code>y</d:Code></d:D>",
    );
    let found = read(&schema, "Bag", &body).unwrap().dynamic;
    let expected = [
        ("A", Type::Primitive(Edm::String), text("x")),
        ("B", Type::Primitive(Edm::Int64), Value::Integer(5)),
        ("C", Type::Primitive(Edm::Guid), Value::Null),
        ("D", Type::Complex(0), text(r#"{"Code":"y"}"#)),
    ];
    for (found, (name, ty, value)) in found.iter().zip(expected) {
        assert_eq!((found.name.as_str(), &found.ty, &found.value), (name, &ty, &value));
    }
    for ty in ["Edm.Stream", "Edm.Nope", "Collection(Edm.Int32)", "Shop.Bag", "x"] {
        let body = content(&format!("<d:A m:type='{ty}'/>"));
        assert_eq!(read(&schema, "Bag", &body).unwrap_err().kind.code, "bad_value", "{ty}");
    }
}

/// Links as text: names of navigations, paths of sets for what is there, values for what is new.
fn links(schema: &Schema, ty: &str, body: &str) -> Result<Vec<String>, &'static str> {
    let body = read(schema, ty, body).map_err(|fault| fault.kind.code)?;
    let of = &schema.types[body.ty];
    let shown = |linked: &Linked| match linked {
        Linked::Existing(resource) => format!("{} {:?}", schema.sets[resource.set].name, resource.steps.len()),
        Linked::New(body) => format!("{:?} {}", values(schema, body), body.links.len()),
    };
    let link = |link: &Link| {
        let to: Vec<String> = link.to.iter().map(shown).collect();
        format!("{}: {}", of.navigations[link.navigation].name, to.join(", "))
    };
    Ok(body.links.iter().map(link).collect())
}

#[test]
fn atm_41_binds() {
    let schema = shop();
    let link =
        |name: &str, href: &str| format!("<link rel='{RELATED}{name}' type='application/atom+xml;type=feed' title='x' href='{href}'/>");
    for (base, inside, expected) in [
        ("", link("Category", "Categories(1)"), Ok(vec!["Category: Categories 1"])),
        (
            "",
            link("Category", "http://host/api/Shop/Categories(1)"),
            Ok(vec!["Category: Categories 1"]),
        ),
        ("", link("Category", "/api/Shop/Categories(1)"), Ok(vec!["Category: Categories 1"])),
        (
            "http://host/api/Shop/",
            link("Category", "Categories(1)"),
            Ok(vec!["Category: Categories 1"]),
        ),
        (
            "http://host/api/",
            link("Category", "Shop/Categories(1)"),
            Ok(vec!["Category: Categories 1"]),
        ),
        ("http://host/api/", link("Category", "Categories(1)"), Err("bad_reference")),
        (
            "",
            link("Category", "Categories(1)") + &link("Supplier", "Suppliers(1)"),
            Ok(vec!["Category: Categories 1", "Supplier: Suppliers 1"]),
        ),
        // JL-39: the deferred links of an answer
        (
            "",
            link("Category", "Products(1)/Category") + &link("Supplier", "http://host/api/Shop/Products(1)/Supplier()"),
            Ok(vec![]),
        ),
        ("", link("Category", "Categories"), Err("bad_reference")),
        ("", link("Category", ""), Err("bad_reference")),
        ("", link("Nope", "Categories(1)"), Err("unknown_property")),
        ("", format!("<link rel='{RELATED}Category'/>"), Err("bad_body")),
        ("", link("Category", "Categories(1)").repeat(2), Err("bad_body")),
        ("", "<link rel='edit' href='x'/><link href='y'/><link/>".to_owned(), Ok(vec![])),
    ] {
        let body = format!("<entry {PREFIXES} xml:base='{base}'>{inside}</entry>");
        let expected = expected.map(|list| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(links(&schema, "Product", &body), expected, "{base} {inside}");
    }
    let many = entry(&(link("Products", "Products(1)") + &link("Products", "Products(2)")));
    assert_eq!(
        links(&schema, "Category", &many),
        Ok(vec!["Products: Products 1, Products 1".to_owned()])
    );
}

#[test]
fn atm_42_inline() {
    let schema = shop();
    let link =
        |name: &str, inline: &str| format!("<link rel='{RELATED}{name}' href='Categories(1)/{name}'><m:inline>{inline}</m:inline></link>");
    let inner =
        |properties: &str, links: &str| format!("<entry>{links}<content><m:properties>{properties}</m:properties></content></entry>");
    let product = |id: i32, links: &str| inner(&format!("<d:ProductID>{id}</d:ProductID>"), links);
    let supplier = link("Supplier", &inner("<d:SupplierID>9</d:SupplierID>", ""));
    for (inside, expected) in [
        (
            link(
                "Products",
                &format!("<feed><title/>{}{}</feed>", product(1, ""), product(2, &supplier)),
            ),
            vec![r#"Products: [("ProductID", Integer(1))] 0, [("ProductID", Integer(2))] 1"#],
        ),
        (link("Product", &product(1, "")), vec![r#"Product: [("ProductID", Integer(1))] 0"#]),
        (
            link("Products", &format!("<feed>{}</feed>", product(1, ""))) + &link("Products", &product(2, "")),
            vec![r#"Products: [("ProductID", Integer(1))] 0, [("ProductID", Integer(2))] 0"#],
        ),
        // Nothing to say of a collection; a link to one is taken away.
        (link("Products", "<feed><title/></feed>"), vec![]),
        (link("Products", ""), vec![]),
        (link("Product", ""), vec!["Product: "]),
    ] {
        assert_eq!(
            links(&schema, "Category", &entry(&inside)).unwrap(),
            expected.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(),
            "{inside}"
        );
    }
    assert_eq!(
        links(&schema, "Category", &entry(&link("Product", &inner("<d:Nope/>", "")))),
        Err("unknown_property")
    );
}

#[test]
fn properties_and_links_alone() {
    let schema = shop();
    let ids = ContentIds::default();
    let reading = Reading {
        schema: &schema,
        endpoint: 0,
        root: ROOT,
        ids: &ids,
        ignore_unknown: false,
    };
    let property = |name: &str, body: &str| {
        let ty = &schema.types[type_id(&schema, "Product")];
        let property = &ty.properties[ty.property(name).unwrap()];
        let body = body.replace('#', PREFIXES);
        AtomReader
            .property(&reading, property, body.as_bytes())
            .map_err(|fault| fault.kind.code)
    };
    for (name, body, expected) in [
        ("ProductName", "<d:ProductName #>x</d:ProductName>", Ok(text("x"))),
        ("ProductName", "<d:Whatever # m:null='true'/>", Ok(Value::Null)),
        (
            "Grade",
            "<Grade xmlns='http://schemas.microsoft.com/ado/2007/08/dataservices'>5</Grade>",
            Ok(Value::Integer(5)),
        ),
        ("Grade", "<d:Grade # m:null='true'/>", Err("bad_value")),
        (
            "AlternateIDs",
            "<d:AlternateIDs #><d:element>5</d:element></d:AlternateIDs>",
            Ok(text("[5]")),
        ),
        ("SupplierAddress", "<d:A #><d:Zip>5</d:Zip></d:A>", Ok(text("{\"Zip\":5}"))),
        ("ProductName", "<ProductName>x</ProductName>", Err("bad_body")),
    ] {
        assert_eq!(property(name, body), expected, "{body}");
    }
    let data = "xmlns='http://schemas.microsoft.com/ado/2007/08/dataservices'";
    let link = |body: &str| AtomReader.link(body.as_bytes()).map_err(|fault| fault.kind.code);
    assert_eq!(
        link(&format!("<uri {data}> Products(1)&amp;x </uri>")),
        Ok("Products(1)&x".to_owned())
    );
    assert_eq!(link("<uri>x</uri>"), Err("bad_body"));
    assert_eq!(link(&format!("<links {data}><uri>x</uri></links>")), Err("bad_body"));
}

mod round_trips;

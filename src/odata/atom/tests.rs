use super::*;
use crate::model::page::{Expanded, Page};
use crate::model::query::{Expand, Shape};
use crate::model::schema::Schema;
use crate::odata::fixture::{page, set_id, shop, type_id};
use crate::odata::format::{self, Format, Metadata};
use crate::odata::xml_tree;

const ROOT: &str = "http://host/api/Shop/";
/// 2024-01-02T03:04:05.6
const NOW: i64 = 638_397_614_456_000_000;

type Row<'a> = (&'a str, &'a [(&'a str, Cell<'a>)]);

fn render<'a>(schema: &'a Schema, url: &'a str) -> Render<'a> {
    Render {
        url,
        now: NOW,
        ..Render::new(schema, 0, ROOT, Metadata::Minimal)
    }
}

fn text_of(body: Vec<u8>) -> String {
    xml_tree::parse(&body).unwrap_or_else(|fault| panic!("{}: {}", fault.message, String::from_utf8_lossy(&body)));
    String::from_utf8(body).unwrap()
}

fn context<'a>(page: &Page, single: bool) -> Context<'a> {
    Context {
        set: page.set,
        ty: page.ty,
        single,
        select: None,
    }
}

fn feed(schema: &Schema, url: &str, page: &Page, next: Option<&str>) -> String {
    text_of(format::feed(&render(schema, url), Format::Atom, page, &context(page, false), next))
}

fn entity(schema: &Schema, page: &Page) -> String {
    text_of(format::entity(&render(schema, ROOT), Format::Atom, page, 0, &context(page, true)))
}

/// Without the head, the namespaces and what repeats.
fn short(text: &str) -> String {
    let related = "rel=\"http://schemas.microsoft.com/ado/2007/08/dataservices/related/";
    let start = text.find("xmlns:gml=\"http://www.opengis.net/gml\"").map_or(0, |at| at + 38);
    text[start..]
        .replace(related, "rel=\"~")
        .replace(" scheme=\"http://schemas.microsoft.com/ado/2007/08/dataservices/scheme\"", "")
        .replace("<updated>2024-01-02T03:04:05Z</updated>", "<now/>")
        .replace("<author><name/></author>", "<nobody/>")
}

fn only(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

const SUPPLIER_LINKS: &str = concat!(
    r#"<link rel="~Products" type="application/atom+xml;type=feed" title="Products" href="Suppliers(1)/Products"/>"#,
    r#"<link rel="~Categories" type="application/atom+xml;type=feed" title="Categories" href="Suppliers(1)/Categories"/>"#,
);

fn suppliers(schema: &Schema) -> Page {
    let rows: &[Row<'_>] = &[
        (
            "Supplier",
            &[("SupplierID", Cell::Integer(1)), ("Company", Cell::Text(" <A&B> \r\n"))],
        ),
        ("Supplier", &[("SupplierID", Cell::Integer(2))]),
    ];
    page(schema, Some("Suppliers"), "Supplier", rows)
}

#[test]
fn atm_1_to_8_an_entry() {
    let mut schema = shop();
    let page = suppliers(&schema);
    let head = concat!(
        r#"<?xml version="1.0" encoding="utf-8"?><entry xml:base="http://host/api/Shop/" xmlns="http://www.w3.org/2005/Atom""#,
        r#" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices""#,
        r#" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata""#,
        r#" xmlns:georss="http://www.georss.org/georss" xmlns:gml="http://www.opengis.net/gml"><id>"#
    );
    let written = entity(&schema, &page);
    assert!(written.starts_with(head), "{written}");
    let start = concat!(
        "><id>http://host/api/Shop/Suppliers(1)</id><category term=\"Shop.Supplier\"/>",
        "<link rel=\"edit\" title=\"Supplier\" href=\"Suppliers(1)\"/>"
    );
    let rest = concat!(
        "<title/><now/><nobody/><content type=\"application/xml\"><m:properties><d:SupplierID m:type=\"Edm.Int32\">1</d:SupplierID>",
        "<d:Company xml:space=\"preserve\"> &lt;A&amp;B&gt; &#xD;\n</d:Company></m:properties></content></entry>"
    );
    assert_eq!(short(&written), format!("{start}{SUPPLIER_LINKS}{rest}"));
    // ATM-3
    let ty = type_id(&schema, "Supplier");
    schema.types[ty].properties[0].concurrency = true;
    assert!(short(&entity(&schema, &page)).starts_with(" m:etag=\"W/&quot;1&quot;\"><id>"));
}

#[test]
fn atm_6_atm_12_a_derived_entry_and_what_is_selected() {
    let schema = shop();
    let rows: &[Row<'_>] = &[(
        "DerivedProduct",
        &[("ProductID", Cell::Integer(1)), ("DerivedProductName", Cell::Text(""))],
    )];
    let mut page = page(&schema, Some("Products"), "Product", rows);
    page.shape.properties = only(&["DerivedProductName", "ProductID"]);
    page.shape.links = only(&["Parts"]);
    assert_eq!(
        short(&entity(&schema, &page)),
        concat!(
            "><id>http://host/api/Shop/Products(1)</id><category term=\"Shop.DerivedProduct\"/>",
            "<link rel=\"edit\" title=\"DerivedProduct\" href=\"Products(1)/Shop.DerivedProduct\"/>",
            "<link rel=\"~Parts\" type=\"application/atom+xml;type=feed\" title=\"Parts\" href=\"Products(1)/Shop.DerivedProduct/Parts\"/>",
            "<title/><now/><nobody/><content type=\"application/xml\"><m:properties><d:ProductID m:type=\"Edm.Int32\">1</d:ProductID>",
            "<d:DerivedProductName></d:DerivedProductName></m:properties></content></entry>"
        )
    );
    page.shape.properties = only(&[]);
    let written = entity(&schema, &page);
    assert!(
        written.ends_with("<content type=\"application/xml\"><m:properties/></content></entry>"),
        "{written}"
    );
}

#[test]
fn atm_20_feeds() {
    let schema = shop();
    let mut page = suppliers(&schema);
    page.count = Some(12);
    page.shape.links = only(&[]);
    page.shape.properties = only(&["SupplierID"]);
    let next = "http://host/api/Shop/Suppliers?$skiptoken=2&x";
    let entry = |id: i32| {
        format!(
            "<entry><id>http://host/api/Shop/Suppliers({id})</id><category term=\"Shop.Supplier\"/>\
             <link rel=\"edit\" title=\"Supplier\" href=\"Suppliers({id})\"/><title/><now/><nobody/><content type=\"application/xml\">\
             <m:properties><d:SupplierID m:type=\"Edm.Int32\">{id}</d:SupplierID></m:properties></content></entry>"
        )
    };
    assert_eq!(
        short(&feed(&schema, "http://host/api/Shop/Suppliers", &page, Some(next))),
        format!(
            "><id>http://host/api/Shop/Suppliers</id><title type=\"text\">Suppliers</title><now/>\
             <link rel=\"self\" title=\"Suppliers\" href=\"Suppliers\"/><m:count>12</m:count>{}{}\
             <link rel=\"next\" href=\"http://host/api/Shop/Suppliers?$skiptoken=2&amp;x\"/></feed>",
            entry(1),
            entry(2)
        )
    );
    page.rows.truncate(0);
    page.count = None;
    for (path, title) in [
        ("Categories(1)/Suppliers()/", "Suppliers"),
        ("Suppliers/Shop.Supplier", "Shop.Supplier"),
    ] {
        let trimmed = path.trim_end_matches('/');
        assert_eq!(
            short(&feed(&schema, &format!("{ROOT}{path}"), &page, None)),
            format!(
                "><id>http://host/api/Shop/{trimmed}</id><title type=\"text\">{title}</title><now/>\
                 <link rel=\"self\" title=\"{title}\" href=\"{trimmed}\"/><nobody/></feed>"
            )
        );
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
        ("DoubleProp", Cell::Double(f64::NEG_INFINITY)),
        ("FloatProp", Cell::Double(f64::from(0.1_f32))),
        ("LongProp", Cell::Integer(i64::MIN)),
        ("StringProp", Cell::Text("a\u{1}b\u{3000}")),
    ];
    let page = page(&schema, Some("Data"), "DataTypes", &[("DataTypes", cells)]);
    let written = entity(&schema, &page);
    for expected in [
        "<d:IntProp m:type=\"Edm.Int32\">-1</d:IntProp>",
        "<d:GuidProp m:type=\"Edm.Guid\">abababab-abab-abab-abab-abababababab</d:GuidProp>",
        "<d:DateTimeProp m:type=\"Edm.DateTime\">2024-01-02T03:04:05.12</d:DateTimeProp>",
        "<d:DateTimeOffsetProp m:type=\"Edm.DateTimeOffset\">2024-01-02T03:04:05Z</d:DateTimeOffsetProp>",
        "<d:ByteArrayProp m:type=\"Edm.Binary\">AAH/</d:ByteArrayProp>",
        "<d:ByteArrayPropWithNullValue m:null=\"true\"/>",
        "<d:TimeSpanProp m:type=\"Edm.Time\">PT1H</d:TimeSpanProp>",
        "<d:DecimalProp m:type=\"Edm.Decimal\">2.50</d:DecimalProp>",
        "<d:DoubleProp m:type=\"Edm.Double\">-INF</d:DoubleProp>",
        "<d:FloatProp m:type=\"Edm.Single\">0.1</d:FloatProp>",
        "<d:LongProp m:type=\"Edm.Int64\">-9223372036854775808</d:LongProp>",
        "<d:StringProp xml:space=\"preserve\">ab\u{3000}</d:StringProp>",
    ] {
        assert!(written.contains(expected), "{expected} in {written}");
    }
}

#[test]
fn atm_13_atm_14_complex_values_and_collections() {
    let schema = shop();
    let address = r#"{"City":"a<","Zip":1,"Lines":["x"," y"],"Country":{"Code":"AT"}}"#;
    let rows: &[Row<'_>] = &[(
        "Product",
        &[
            ("SupplierAddress", Cell::Text(address)),
            ("AlternateIDs", Cell::Text("[1,2]")),
            ("AlternateAddresses", Cell::Text(r#"[{"Zip":2}]"#)),
        ],
    )];
    let mut page = page(&schema, Some("Products"), "Product", rows);
    page.shape.properties = only(&["SupplierAddress", "AlternateIDs", "AlternateAddresses"]);
    let members = concat!(
        "<d:City>a&lt;</d:City><d:Zip m:type=\"Edm.Int32\">1</d:Zip><d:Lines m:type=\"Collection(Edm.String)\"><d:element>x</d:element>",
        "<d:element xml:space=\"preserve\"> y</d:element></d:Lines><d:Country m:type=\"Shop.Country\"><d:Code>AT</d:Code>",
        "<d:Label m:null=\"true\"/></d:Country>"
    );
    let nulls = "<d:City m:null=\"true\"/><d:Zip m:type=\"Edm.Int32\">2</d:Zip><d:Lines m:null=\"true\"/><d:Country m:null=\"true\"/>";
    let written = entity(&schema, &page);
    let expected = format!(
        "<m:properties><d:SupplierAddress m:type=\"Shop.Address\">{members}</d:SupplierAddress>\
         <d:AlternateIDs m:type=\"Collection(Edm.Int32)\"><d:element>1</d:element><d:element>2</d:element></d:AlternateIDs>\
         <d:AlternateAddresses m:type=\"Collection(Shop.Address)\"><d:element>{nulls}</d:element></d:AlternateAddresses></m:properties>"
    );
    assert!(written.contains(&expected), "{written}");
    let complex = Type::Complex(1);
    let ids = Type::Collection(Box::new(Type::Primitive(Edm::Int32)));
    let value = |name: &str, ty: &Type, cell| short(&text_of(format::property(&render(&schema, ROOT), Format::Atom, name, ty, cell)));
    let result = |name: &str, ty: &Type, cell| short(&text_of(format::collection(&render(&schema, ROOT), Format::Atom, name, ty, cell)));
    // ATM-30
    assert_eq!(
        value("SupplierAddress", &complex, Cell::Text(address)),
        format!(" m:type=\"Shop.Address\">{members}</d:SupplierAddress>")
    );
    assert_eq!(value("Name", &Type::Primitive(Edm::String), Cell::Text("x")), ">x</d:Name>");
    // ATM-18: of the types that are no shape, the value's own
    assert_eq!(
        value("Place", &Type::Primitive(Edm::Geography), Cell::Text("SRID=4326;POINT(1 2)")),
        concat!(
            " m:type=\"Edm.GeographyPoint\"><gml:Point gml:srsName=\"http://www.opengis.net/def/crs/EPSG/0/4326\">",
            "<gml:pos>2 1</gml:pos></gml:Point></d:Place>"
        )
    );
    assert_eq!(value("Name", &Type::Primitive(Edm::Int32), Cell::Null), " m:null=\"true\"/>");
    assert_eq!(
        value("Ids", &ids, Cell::Text("[1]")),
        " m:type=\"Collection(Edm.Int32)\"><d:element>1</d:element></d:Ids>"
    );
    // ATM-31
    assert_eq!(
        result("F", &ids, Cell::Text("[1]")),
        "><d:element m:type=\"Edm.Int32\">1</d:element></d:F>"
    );
    assert_eq!(
        result("F", &Type::Collection(Box::new(complex)), Cell::Text("[{\"Zip\":2}]")),
        format!("><d:element m:type=\"Shop.Address\">{nulls}</d:element></d:F>")
    );
    assert_eq!(
        result("F", &Type::Primitive(Edm::Int32), Cell::Integer(1)),
        " m:type=\"Edm.Int32\">1</d:F>"
    );
}

#[test]
fn atm_10_expanded_navigations() {
    let schema = shop();
    let ty = type_id(&schema, "Category");
    let expand = |name: &str| {
        let navigation = schema.types[ty].navigation(name).unwrap();
        Expand {
            ty,
            navigation,
            set: None,
            shape: Shape::default(),
        }
    };
    let rows: &[Row<'_>] = &[
        ("Category", &[("CategoryID", Cell::Integer(1))]),
        ("Category", &[("CategoryID", Cell::Integer(2))]),
    ];
    let mut whole = page(&schema, Some("Categories"), "Category", rows);
    (whole.shape.properties, whole.shape.links) = (only(&[]), only(&["Parent", "Products"]));
    whole.shape.expand = vec![expand("Products"), expand("Parent")];
    let slim = |mut page: Page, names: &[&str]| {
        (page.shape.properties, page.shape.links) = (only(names), only(&[]));
        page
    };
    let products = page(
        &schema,
        Some("Products"),
        "Product",
        &[("Product", &[("ProductID", Cell::Integer(7))])],
    );
    let parent = page(
        &schema,
        Some("Categories"),
        "Category",
        &[("Category", &[("CategoryID", Cell::Integer(3))])],
    );
    whole.expanded = vec![
        Expanded {
            page: slim(products, &["ProductID"]),
            children: vec![0..1, 0..0],
            next: vec![Some("abc".into()), None],
        },
        Expanded {
            page: slim(parent, &["CategoryID"]),
            children: vec![0..1, 0..0],
            next: Vec::new(),
        },
    ];
    let written = short(&feed(&schema, "http://host/api/Shop/Categories", &whole, None));
    let inline = |id: i32| {
        let id_and_title = format!(
            "<id>http://host/api/Shop/Categories({id})/Products</id><title type=\"text\">Products</title><now/>\
             <link rel=\"self\" title=\"Products\" href=\"Categories({id})/Products\"/>"
        );
        format!(
            "<link rel=\"~Products\" type=\"application/atom+xml;type=feed\" title=\"Products\" href=\"Categories({id})/Products\">\
             <m:inline><feed>{id_and_title}"
        )
    };
    let to_one = |id: i32| {
        format!(
            "<link rel=\"~Parent\" type=\"application/atom+xml;type=entry\" title=\"Parent\" href=\"Categories({id})/Parent\"><m:inline"
        )
    };
    for expected in [
        format!("{}<entry><id>http://host/api/Shop/Products(7)</id>", inline(1)),
        "</entry><link rel=\"next\" href=\"http://host/api/Shop/Categories(1)/Products?$skiptoken=abc\"/></feed></m:inline></link>"
            .to_owned(),
        format!("{}><entry><id>http://host/api/Shop/Categories(3)</id>", to_one(1)),
        "</content></entry></m:inline></link><title/>".to_owned(),
        format!("{}<nobody/></feed></m:inline></link>", inline(2)),
        format!("{}/></link><title/>", to_one(2)),
    ] {
        assert!(written.contains(&expected), "{expected} in {written}");
    }
}

#[test]
fn atm_11_atm_15_atm_16_media_streams_and_operations() {
    let mut schema = shop();
    let rows: &[Row<'_>] = &[("Product", &[("ProductID", Cell::Integer(1))])];
    let mut page = page(&schema, Some("Products"), "Product", rows);
    schema.types[page.ty].has_stream = true;
    (page.shape.properties, page.shape.links) = (only(&["ProductID", "Picture"]), only(&[]));
    let rel = "http://schemas.microsoft.com/ado/2007/08/dataservices/";
    let written = entity(&schema, &page);
    for expected in [
        format!("<link rel=\"{rel}mediaresource/Picture\" title=\"Picture\" href=\"Products(1)/Picture\"/>"),
        format!("<link rel=\"{rel}edit-media/Picture\" title=\"Picture\" href=\"Products(1)/Picture\"/>"),
        "</author><link rel=\"edit-media\" title=\"Product\" href=\"Products(1)/$value\"/><content src=\"Products(1)/$value\"/><m:properties>\
         <d:ProductID m:type=\"Edm.Int32\">1</d:ProductID></m:properties></entry>"
            .to_owned(),
    ] {
        assert!(written.contains(&expected), "{expected} in {written}");
    }
    let render = render(&schema, ROOT);
    let entity = Entity::of(&render, &page, 0);
    let mut operations = schema.endpoints[0].operations.clone();
    operations.push(Operation {
        side_effecting: Some(false),
        ..operations[0].clone()
    });
    let mut sink = Box::new(Atom::new(&render));
    sink.begin_entity(&entity, page.ty, None);
    let start = sink.out.len();
    for operation in &operations {
        sink.operation(&entity, operation);
    }
    let written = String::from_utf8(sink.finish()[start..].to_vec()).unwrap();
    let attributes = concat!(
        " metadata=\"http://host/api/Shop/$metadata#Container.Discount\" title=\"Discount\"",
        " target=\"http://host/api/Shop/Products(1)/Discount\"/>"
    );
    assert_eq!(written, format!("<m:action{attributes}<m:function{attributes}"));
}

#[test]
fn atm_32_links() {
    let schema = shop();
    let set = set_id(&schema, "Suppliers");
    let context = |single| LinksContext {
        set,
        navigation: "Products",
        single,
        element: false,
    };
    let mut page = suppliers(&schema);
    page.count = Some(2);
    let links = |page: &Page, single, next| text_of(format::links(&render(&schema, ROOT), Format::Atom, page, &context(single), next));
    let data = "xmlns=\"http://schemas.microsoft.com/ado/2007/08/dataservices\"";
    let head = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";
    assert_eq!(
        links(&page, false, Some("http://host/next?a&b")),
        format!(
            "{head}<links {data} xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\"><m:count>2</m:count>\
             <uri>http://host/api/Shop/Suppliers(1)</uri><uri>http://host/api/Shop/Suppliers(2)</uri>\
             <next>http://host/next?a&amp;b</next></links>"
        )
    );
    assert_eq!(
        links(&page, true, None),
        format!("{head}<uri {data}>http://host/api/Shop/Suppliers(1)</uri>")
    );
    page.rows.truncate(0);
    page.count = None;
    assert_eq!(links(&page, false, None), format!("{head}<links {data}></links>"));
}

#[test]
fn opn_1_dynamic_properties_and_atm_7_the_time_of_the_frame() {
    let mut schema = shop();
    let bag = type_id(&schema, "Bag");
    schema.types[bag].frame = true;
    schema.types[bag].properties[1].name = "Modified".to_owned();
    let time = ("Modified", Cell::Text("2001-02-03T04:05:06.7000000"));
    let mut page = page(&schema, Some("Bags"), "Bag", &[("Bag", &[("BagID", Cell::Integer(1)), time])]);
    page.shape.properties = only(&["BagID"]);
    let written = entity(&schema, &page);
    assert!(written.contains("<updated>2001-02-03T04:05:06.7Z</updated>"), "{written}");
    let render = render(&schema, ROOT);
    let mut sink = Box::new(Atom::new(&render));
    for (name, ty, cell) in [
        ("A", Type::Primitive(Edm::String), Cell::Text("x")),
        ("B", Type::Primitive(Edm::Guid), Cell::Bytes(&[0; 16])),
        ("C", Type::Complex(0), Cell::Text("{\"Code\":\"x\"}")),
    ] {
        sink.dynamic(name, &ty, cell);
    }
    assert_eq!(
        String::from_utf8(sink.finish()).unwrap(),
        "<d:A>x</d:A><d:B m:type=\"Edm.Guid\">00000000-0000-0000-0000-000000000000</d:B>\
         <d:C m:type=\"Shop.Country\"><d:Code>x</d:Code><d:Label m:null=\"true\"/></d:C>"
    );
}

mod mapped;

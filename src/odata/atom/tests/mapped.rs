use super::*;
use crate::model::schema::Attribute;

fn attributes(list: &[(&str, &str)]) -> Vec<Attribute> {
    let attribute = |&(name, value): &(&str, &str)| Attribute {
        name: format!("m:FC_{name}"),
        value: value.to_owned(),
    };
    list.iter().map(attribute).collect()
}

#[test]
fn met_51_met_52_mapped_values() {
    let mut schema = shop();
    let product = type_id(&schema, "Product");
    let at = |name: &str| schema.types[product].property(name).unwrap();
    let own = |path, suffix: &str| -> Vec<(String, String)> {
        let of = [
            ("TargetPath", path),
            ("NsUri", "urn:x"),
            ("NsPrefix", "x"),
            ("KeepInContent", "false"),
        ];
        of.map(|(name, value)| (format!("{name}{suffix}"), value.to_owned())).to_vec()
    };
    let table: Vec<(usize, Vec<(String, String)>)> = vec![
        (
            at("ProductName"),
            vec![
                ("TargetPath".into(), "SyndicationTitle".into()),
                ("KeepInContent".into(), "false".into()),
            ],
        ),
        (at("QuantityPerUnit"), vec![("TargetPath".into(), "SyndicationAuthorEmail".into())]),
        (
            at("Secret"),
            vec![
                ("TargetPath".into(), "SyndicationSummary".into()),
                ("ContentKind".into(), "xhtml".into()),
            ],
        ),
        (
            at("NonNullableDiscontinuedDate"),
            vec![("TargetPath".into(), "SyndicationUpdated".into())],
        ),
        (at("UnitPrice"), own("price/@amount", "")),
        (at("UnitsInStock"), own("price/stock", "")),
        (
            at("SupplierAddress"),
            [own("price/stock/@city", ""), own("price/country", "_1")]
                .concat()
                .into_iter()
                .chain([("SourcePath".into(), "City".into()), ("SourcePath_1".into(), "Country/Code".into())])
                .collect(),
        ),
    ];
    schema.types[product].properties[table[2].0].write_only = false;
    for (index, list) in &table {
        let list: Vec<(&str, &str)> = list.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        schema.types[product].properties[*index].attributes = attributes(&list);
    }
    let cells: &[(&str, Cell<'_>)] = &[
        ("ProductID", Cell::Integer(1)),
        ("ProductName", Cell::Text("A&B")),
        ("QuantityPerUnit", Cell::Text("a@b")),
        ("UnitPrice", Cell::Text("2.50")),
        ("UnitsInStock", Cell::Integer(3)),
        ("Secret", Cell::Text("<p xmlns='u'>x</p>")),
        ("NonNullableDiscontinuedDate", Cell::Text("2001-02-03T00:00:00.0000000")),
        (
            "SupplierAddress",
            Cell::Text(r#"{"City":"\"Wien","Zip":1,"Lines":[],"Country":{"Code":"AT"}}"#),
        ),
    ];
    let nulls: &[(&str, Cell<'_>)] = &[("ProductID", Cell::Integer(2)), ("Secret", Cell::Text("<p>x"))];
    let mut page = page(&schema, Some("Products"), "Product", &[("Product", cells), ("Product", nulls)]);
    page.shape.links = only(&[]);
    page.shape.properties = only(&["ProductID", "ProductName", "UnitPrice", "SupplierAddress"]);
    let written = short(&feed(&schema, "http://host/api/Shop/Products", &page, None));
    for expected in [
        concat!(
            r#"<title type="text">A&amp;B</title><summary type="xhtml"><p xmlns='u'>x</p></summary><updated>2001-02-03T00:00:00Z</updated>"#,
            r#"<author><name/><email>a@b</email></author><content type="application/xml"><m:properties>"#,
            r#"<d:ProductID m:type="Edm.Int32">1</d:ProductID><d:SupplierAddress m:type="Shop.Address"><d:Zip m:type="Edm.Int32">1</d:Zip>"#,
            r#"<d:Lines m:type="Collection(Edm.String)"></d:Lines><d:Country m:type="Shop.Country"><d:Label m:null="true"/></d:Country>"#,
            r#"</d:SupplierAddress></m:properties></content>"#,
            r#"<x:price xmlns:x="urn:x" x:amount="2.50"><x:country>AT</x:country><x:stock x:city="&quot;Wien">3</x:stock></x:price></entry>"#
        ),
        concat!(
            r#"<title/><summary type="text">&lt;p&gt;x</summary><now/><nobody/><content type="application/xml"><m:properties>"#,
            r#"<d:ProductID m:type="Edm.Int32">2</d:ProductID><d:ProductName m:null="true"/><d:UnitPrice m:null="true"/>"#,
            r#"<d:SupplierAddress m:null="true"/></m:properties></content></entry>"#
        ),
    ] {
        assert!(written.contains(expected), "{expected}\nin {written}");
    }
}

//! Links in bodies (JL-32, JL-33, VJ-12).

use super::*;

/// What a body says of navigations: `Nav: key of an existing one, {…} of a new one`.
fn links(schema: &Schema, body: &Body) -> String {
    let shown = body.links.iter().map(|link| {
        let ends = link.to.iter().map(|end| match end {
            Linked::Existing(resource) => format!("{:?}", resource.steps).replace("Key([Integer(", "").replace(")])", ""),
            Linked::New(body) => {
                let ty = &schema.types[body.ty];
                let values = body
                    .values
                    .iter()
                    .map(|(index, value)| format!("{}={value:?}", ty.properties[*index].name));
                let values: Vec<String> = values.chain([links(schema, body)]).filter(|text| !text.is_empty()).collect();
                format!("{{{}}}", values.join(" "))
            }
        });
        let ends: Vec<String> = ends.collect();
        format!("{}: {}", schema.types[body.ty].navigations[link.navigation].name, ends.join(", "))
    });
    shown.collect::<Vec<_>>().join("; ")
}

#[test]
fn links_to_others() {
    let schema = schema();
    let cases = [
        ("Product", r#"{"Category@odata.bind":"Categories(1)"}"#, "Category: [1]"),
        (
            "Product",
            r#"{"Category@odata.bind":"http://other/api/Shop/Categories(1)"}"#,
            "Category: [1]",
        ),
        ("Product", r#"{"Category@odata.bind":null}"#, "Category: "),
        ("Product", r#"{"Category":null}"#, "Category: "),
        ("Product", r#"{"Category":{"__metadata":{"uri":"Categories(1)"}}}"#, "Category: [1]"),
        (
            "Product",
            r#"{"Category":{"__metadata":{"uri":"Categories(1)"},"CategoryName":"echo"}}"#,
            "Category: [1]",
        ),
        ("Product", r#"{"Category":{"__deferred":{"uri":"Products(1)/Category"}}}"#, ""),
        (
            "Product",
            r#"{"Category":{"CategoryName":"n"}}"#,
            "Category: {CategoryName=Text(\"n\")}",
        ),
        (
            "Product",
            r#"{"d":{"Category":{"__metadata":{"type":"Shop.DerivedCategory"},"DerivedCategoryName":"n"}}}"#,
            "Category: {DerivedCategoryName=Text(\"n\")}",
        ),
        (
            "Category",
            r#"{"Products@odata.bind":["Products(1)","Products(2)"]}"#,
            "Products: [1], [2]",
        ),
        ("Category", r#"{"Products@odata.bind":"Products(1)"}"#, "Products: [1]"),
        (
            "Category",
            r#"{"Products@odata.bind":["Products(1)"],"Products":[{"Weight":1}]}"#,
            "Products: [1], {Weight=Double(1.0)}",
        ),
        ("Category", r#"{"Products@odata.bind":[],"Products":[]}"#, ""),
        ("Category", r#"{"Products":null}"#, ""),
        (
            "Category",
            r#"{"Products":{"results":[{"__metadata":{"uri":"Products(1)"}},{"Weight":1}]}}"#,
            "Products: [1], {Weight=Double(1.0)}",
        ),
        ("Category", r#"{"Products":{"results":[]}}"#, ""),
        ("Category", r#"{"Products":{"__deferred":{"uri":"x"}}}"#, ""),
        (
            "Category",
            r#"{"Products":[{"Supplier":{"Company":"s"},"Category@odata.bind":"Categories(2)"}]}"#,
            "Products: {Supplier: {Company=Text(\"s\")}; Category: [2]}",
        ),
        ("Category", r#"{"Products":{"Weight":1}}"#, "bad_body Products"),
        ("Category", r#"{"Products":[1]}"#, "bad_body Products"),
        ("Category", r#"{"Products":[{"Nope":1}]}"#, "unknown_property Nope"),
        ("Product", r#"{"Category":[{"CategoryName":"n"}]}"#, "bad_body Category"),
        ("Product", r#"{"Category@odata.bind":["Categories(1)"]}"#, "bad_body Category"),
        (
            "Product",
            r#"{"Category@odata.bind":"Categories(1)","Category":null}"#,
            "Category: [1]",
        ),
        (
            "Product",
            r#"{"Category@odata.bind":"Categories(1)","Category":{"CategoryName":"n"}}"#,
            "bad_body Category",
        ),
        ("Product", r#"{"Category@odata.bind":"Categories"}"#, "bad_reference Category"),
        (
            "Product",
            r#"{"Category":{"__metadata":{"uri":"Nope(1)"}}}"#,
            "bad_reference Category",
        ),
        (
            "Product",
            r#"{"Category":{"__metadata":{"uri":"http://host/other"}}}"#,
            "bad_reference Category",
        ),
    ];
    for (ty, body, expected) in cases {
        let found = match read_body(&schema, ty, body, false) {
            Ok(body) => links(&schema, &body),
            Err(fault) => format!("{} {}", fault.kind.code, fault.property.unwrap_or_default()),
        };
        assert_eq!(found, expected, "{body}");
    }
}

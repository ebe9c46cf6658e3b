use super::*;
use crate::model::edm::Value;
use crate::model::target::Step;
use crate::odata::fixture::{operation, shop};
use crate::odata::path;

fn schema() -> Schema {
    let mut schema = shop();
    let declared = [
        operation(&schema, "Top", "GET", "Collection(Product)", &[("n", "Int32")]),
        operation(&schema, "Best", "composable", "Product", &[]),
        operation(
            &schema,
            "Near",
            "composable",
            "Collection(Product)",
            &[("a", "Int32"), ("b", "String")],
        ),
        operation(&schema, "Near", "composable", "Collection(Product)", &[("a", "Int32")]),
        operation(&schema, "Alone", "function", "Collection(Product)", &[("a", "Int32")]),
        operation(&schema, "Where", "GET", "Address", &[]),
        operation(&schema, "Void", "GET", "", &[]),
        operation(&schema, "Reset", "action", "Collection(Product)", &[]),
        operation(&schema, "Rate", "action", "", &[("*it", "Product")]),
        operation(&schema, "Rate", "action", "", &[("*it", "DerivedProduct")]),
        operation(&schema, "Rate", "action", "", &[("*it", "Product"), ("stars", "Int32")]),
        operation(&schema, "Rate", "action", "", &[("*all", "Collection(Product)")]),
    ];
    schema.endpoints[0].operations = declared.into();
    let mut home = operation(&schema, "Home", "composable", "Category", &[("*it", "Product")]);
    home.set_path = Some("it/Category".to_owned());
    schema.endpoints[0].operations.push(home);
    schema
}

/// Overloads, arguments and what of the result is meant, in a line.
fn line(call: &Call) -> String {
    let arguments: Vec<String> = call.arguments.iter().map(|(name, text)| format!("{name}={text}")).collect();
    let then = match &call.then {
        Then::Whole => "whole".to_owned(),
        Then::Part { path, raw, .. } => format!("{}{}", path.join("."), if *raw { " raw" } else { "" }),
        Then::Entities(resource) => {
            let steps = resource.steps.iter().map(|step| match step {
                Step::Key(values) => format!("({})", values.iter().map(number).collect::<String>()),
                Step::Navigate { .. } => "/nav".to_owned(),
                Step::Cast(_) => "/cast".to_owned(),
                Step::Among(_) => "?".to_owned(),
            });
            let steps: String = steps.collect();
            let many = if resource.collection { "[]" } else { "" };
            format!("set {}{steps}{many} {:?}", resource.set, resource.leaf)
        }
    };
    format!("{:?} {} {then}", call.overloads, arguments.join(","))
}

fn number(value: &Value) -> String {
    if let Value::Integer(value) = value {
        value.to_string()
    } else {
        format!("{value:?}")
    }
}

#[test]
fn calls() {
    let schema = schema();
    for (path, expected) in [
        ("Top", "[0]  set 0[] Entities"),
        ("Top()", "[0]  set 0[] Entities"),
        ("Shop.Container.Top()/$count", "[0]  set 0[] Count"),
        ("Top(1)", "[0]  set 0(1) Entities"),
        ("Top(1)/Category", "[0]  set 0(1)/nav Entities"),
        ("Top/Shop.DerivedProduct", "[0]  set 0/cast[] Entities"),
        (
            "Best/ProductName/$value",
            "[1]  set 0 Property { property: 1, path: [], ty: Primitive(String), raw: true }",
        ),
        ("Best()/Category", "[1]  set 0/nav Entities"),
        ("Near(a=1)", "[3, 2] a=1 set 0[] Entities"),
        ("Near( a = -1 , b='x,(y)''' )(7)", "[2] a=-1,b='x,(y)''' set 0(7) Entities"),
        ("Near(b=@p,a=@q)/$count", "[2] b=@p,a=@q set 0[] Count"),
        ("Near()(7)", "[2, 3]  set 0(7) Entities"),
        ("Alone(a=1)", "[4] a=1 set 0[] Entities"),
        ("Where", "[5]  whole"),
        ("Where/City", "[5]  City"),
        ("Where/Country/Code/$value", "[5]  Country.Code raw"),
        ("Void", "[6]  whole"),
        ("Reset()", "[7]  set 0[] Entities"),
        ("Products(1)/Rate", "[8, 10]  whole"),
        ("Products(1)/Shop.DerivedProduct/Rate", "[9, 10]  whole"),
        ("Products/Rate", "[11]  whole"),
        ("Products/Shop.DerivedProduct/Container.Rate", "[11]  whole"),
        ("Products(1)/Home", "[12]  set 1 Entities"),
        ("Categories(1)/Products(2)/Home/Products", "[12]  set 1/nav[] Entities"),
    ] {
        match path::parse(&schema, 0, path) {
            Ok(Target::Operation(call)) => assert_eq!(line(&call), expected, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn bad_calls() {
    let schema = schema();
    for (path, code) in [
        ("Reset/$count", "bad_path"),
        ("Reset(1)", "bad_path"),
        ("Products(1)/Rate/Category", "bad_path"),
        ("Alone(a=1)/$count", "bad_path"),
        ("Alone(a=1)(1)", "bad_path"),
        ("Void/x", "not_found"),
        ("Void(1)", "bad_path"),
        ("Where/Nope", "not_found"),
        ("Where/Lines/$value", "bad_path"),
        ("Where/City/$value/x", "not_found"),
        ("Best/Nope", "not_found"),
        ("Best(1)", "bad_path"),
        ("Near(c=1)", "bad_argument"),
        ("Near(a=1,a=2)", "bad_argument"),
        ("Near(a=)", "bad_argument"),
        ("Near(a=1", "bad_path"),
        ("Near(a=1)x(1)", "bad_path"),
        ("Near(a=1)(1)(2)", "bad_path"),
        ("Near(a=1 b=2)", "bad_argument"),
        ("Near(a=1)/Rate", "bad_path"),
        ("Rate", "not_found"),
        ("Categories(1)/Rate", "not_found"),
    ] {
        match path::parse(&schema, 0, path) {
            Err(fault) => assert_eq!(fault.kind.code, code, "{path}: {fault}"),
            Ok(target) => panic!("{path}: {target:?}"),
        }
    }
}

use super::*;
use crate::odata::fixture::{operation, set_id, shop, type_id};

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn arguments_are_literals() {
    let schema = shop();
    let operation = operation(
        &schema,
        "F",
        "GET",
        "",
        &[("s", "String"), ("n", "Int64"), ("d", "Decimal"), ("home", "Address")],
    );
    let values = [text("a' or 'x"), Value::Integer(5), Value::Null, text("{}")];
    let fill = Fill {
        operation: &operation,
        values: &values,
    };
    for (template, filled) in [
        ("Name eq {s}", Some("Name eq 'a'' or ''x'")),
        ("{n} add {n} gt {d}", Some("5L add 5L gt null")),
        ("Name eq '{s}' or Name eq {s}", Some("Name eq '{s}' or Name eq 'a'' or ''x'")),
        ("Name eq 'it''s {n}'", Some("Name eq 'it''s {n}'")),
        ("", Some("")),
        ("{x}", None),
        ("{n", None),
        ("{home}", None),
    ] {
        assert_eq!(fill.text(template).ok().as_deref(), filled, "{template}");
    }
    assert_eq!(fill.path("Products({s})/x").unwrap(), "Products('a''%20or%20''x')/x");
}

#[test]
fn declared_urls() {
    let schema = shop();
    let operation = operation(&schema, "F", "GET", "Collection(Product)", &[("*it", "Category"), ("n", "Int32")]);
    let binding = Resource {
        set: set_id(&schema, "Categories"),
        steps: vec![Step::Key(vec![Value::Integer(1)])],
        ty: type_id(&schema, "Category"),
        end_set: Some(set_id(&schema, "Categories")),
        collection: false,
        cast: false,
        leaf: Leaf::Entities,
    };
    for (template, steps, cut) in [
        ("Products({n})", Ok(1), false),
        ("Products?$filter=ProductID gt {n}&$orderby=ProductName", Ok(0), false),
        ("Products?$top={n}", Ok(0), true),
        ("{it}/Products?$skip=1", Ok(2), true),
        ("{it}/Products({n})/Category", Ok(4), false),
        ("Products?$inlinecount=allpages", Err("bad_option"), false),
        ("Products/$count", Err("bad_path"), false),
        ("$metadata", Err("bad_path"), false),
        ("Nope", Err("not_found"), false),
        ("{nope}/Products", Err("bad_argument"), false),
    ] {
        let base = Base::of(&schema, 0, &operation, Some(&binding), (template, &[Value::Integer(7)]));
        let found = base.as_ref().map(|base| base.resource.steps.len()).map_err(|fault| fault.kind.code);
        assert_eq!(found, steps, "{template}");
        assert_eq!(base.is_ok_and(|base| base.is_cut()), cut, "{template}");
    }
}

#[test]
fn declared_changes() {
    let schema = shop();
    let operation = operation(
        &schema,
        "A",
        "action",
        "",
        &[("*it", "Product"), ("n", "Int32"), ("home", "Address")],
    );
    let of = (type_id(&schema, "Product"), Some(set_id(&schema, "Products")));
    let values = [Value::Integer(7), text("{\"City\":\"B\"}")];
    for (property, expression, expected) in [
        ("ProductName", "'x'", "value"),
        ("SupplierAddress", "{home}", "value"),
        ("UnitPrice", "null", "value"),
        ("UnitPrice", "UnitPrice mul {n}", "expression"),
        ("ProductName", "concat(ProductName, Category/CategoryName)", "expression"),
        ("Nope", "1", "unknown_property"),
        ("UnitPrice", "Nope", "bad_filter"),
        ("UnitPrice", "Category", "bad_filter"),
        ("UnitPrice", "AlternateIDs", "bad_filter"),
        ("UnitPrice", "{x}", "bad_argument"),
    ] {
        let texts = [(property.to_owned(), expression.to_owned())];
        let found = match Changes::of(&schema, 0, of, &operation, (&texts, &values)) {
            Ok(changes) if matches!(changes.list[0].1, To::Expr(..)) => "expression",
            Ok(_) => "value",
            Err(fault) => fault.kind.code,
        };
        assert_eq!(found, expected, "{property} = {expression}");
    }
}

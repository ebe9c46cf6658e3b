use super::*;
use crate::model::target::Then;
use crate::odata::fixture::{operation, shop};

/// An action or function with one parameter of each kind.
const PARAMETERS: &[(&str, &str)] = &[
    ("id", "Int32!"),
    ("long", "Int64"),
    ("price", "Decimal"),
    ("name", "String"),
    ("at", "DateTimeOffset"),
    ("guid", "Guid"),
    ("home", "Address"),
    ("tags", "Collection(String)"),
    ("homes", "Collection(Address)"),
];

fn schema(lenient: bool) -> Schema {
    let mut schema = shop();
    schema.endpoints[0].operations = vec![
        operation(&schema, "All", "action", "", PARAMETERS),
        operation(&schema, "One", "action", "", &[("a", "Int32")]),
        operation(&schema, "One", "action", "", &[("a", "Int32"), ("b", "Int32!")]),
        operation(&schema, "One", "action", "", &[]),
    ];
    schema.endpoints[0].ignores_unknown_arguments = lenient;
    schema
}

fn call(overloads: &[usize], arguments: &[(&str, &str)]) -> Call {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Call {
        overloads: overloads.to_vec(),
        binding: None,
        arguments: arguments.iter().map(owned).collect(),
        then: Then::Whole,
        is_end: true,
    }
}

/// The values that are not null, as pairs in a line; or the code of the fault and what it is about.
fn shown(outcome: Outcome<Chosen>) -> String {
    match outcome {
        Ok((0, values)) => {
            let given = PARAMETERS.iter().zip(values).filter(|(_, value)| !value.is_null());
            let pairs: Vec<String> = given.map(|((name, _), value)| format!("{name}={}", short(&value))).collect();
            pairs.join(" ")
        }
        Ok((index, values)) => format!("#{index} {}", values.iter().map(short).collect::<Vec<_>>().join(",")),
        Err(fault) => format!("{} {}", fault.kind.code, fault.property.unwrap_or_default()),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Integer(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        value => format!("{value:?}"),
    }
}

#[test]
fn bodies() {
    let schemas = [schema(false), schema(true)];
    for (body, expected) in [
        (r#"{"id":1}"#, "id=1"),
        (r#" {"d":{"id":1}} "#, "id=1"),
        (
            r#"{"id":"1","long":9007199254740993,"price":"1.50","name":"x"}"#,
            "id=1 long=9007199254740993 price=1.50 name=x",
        ),
        (
            r#"{"id":1,"name":null,"odata.metadata":"x","name@odata.type":"Edm.String"}"#,
            "id=1",
        ),
        (r#"{"id":1,"at":"2012-01-01T00:00:00Z"}"#, "id=1 at=2012-01-01T00:00:00.0000000"),
        (r#"{"id":1,"at":"\/Date(1325376000000)\/"}"#, "id=1 at=2012-01-01T00:00:00.0000000"),
        (
            r#"{"id":1,"at":"\/Date(1325379600000+0060)\/"}"#,
            "id=1 at=2012-01-01T00:00:00.0000000",
        ),
        (r#"{"id":1,"at":"\/Date(99999999999999999)\/"}"#, "bad_argument at"),
        (
            r#"{"id":1,"home":{"City":"B","Zip":1,"Country":{"Code":"ch"}}}"#,
            r#"id=1 home={"City":"B","Zip":1,"Country":{"Code":"ch"}}"#,
        ),
        (
            r#"{"id":1,"home":{"__metadata":{"type":"Shop.Address"},"City":"B"}}"#,
            r#"id=1 home={"City":"B"}"#,
        ),
        (r#"{"id":1,"tags":["a","b"]}"#, r#"id=1 tags=["a","b"]"#),
        (r#"{"id":1,"tags":{"__metadata":{},"results":["a"]}}"#, r#"id=1 tags=["a"]"#),
        (r#"{"id":1,"tags":{"result":["a"]}}"#, "bad_value tags"),
        (r#"{"id":1,"homes":[{"City":"B"}]}"#, r#"id=1 homes=[{"City":"B"}]"#),
        (r#"{"id":1,"homes":[{"Town":"B"}]}"#, "unknown_property Town"),
        (r#"{"id":1,"tags":[null]}"#, "bad_value tags"),
        ("", "bad_argument id"),
        ("{}", "bad_argument id"),
        (r#"{"id":null}"#, "bad_argument id"),
        (r#"{"id":1.5}"#, "bad_argument id"),
        (r#"{"id":1,"guid":"x"}"#, "bad_argument guid"),
        (r#"{"id":1,"id":2}"#, "bad_body id"),
        ("[1]", "bad_body "),
        ("{", "bad_body "),
    ] {
        for schema in &schemas {
            assert_eq!(shown(of_body(schema, 0, &call(&[0], &[]), body.as_bytes())), expected, "{body}");
        }
    }
    for (schema, expected) in schemas.iter().zip(["bad_argument more", "id=1"]) {
        let body = br#"{"id":1,"more":2}"#;
        assert_eq!(shown(of_body(schema, 0, &call(&[0], &[]), body)), expected);
    }
}

#[test]
fn urls() {
    let schema = schema(false);
    for (inline, query, expected) in [
        (&[][..], "id=1&x=2&_=3", "id=1"),
        (&[("id", "1")], "name='a%27%27b'", "id=1 name=a'b"),
        (&[("id", "@p"), ("name", "@q")], "@p=5", "id=5"),
        (
            &[],
            "id=1&price=1.5&long=5L&guid=guid'00000000-0000-0000-0000-000000000000'",
            "id=1 long=5 price=1.5 guid=Bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])",
        ),
        (
            &[],
            "id=1&tags=[%22a%22]&home={%22City%22:%22B%22}",
            r#"id=1 home={"City":"B"} tags=["a"]"#,
        ),
        (&[], "id=1&name=null", "id=1"),
        (&[], "", "bad_argument id"),
        (&[], "ID=1", "bad_argument id"),
        (&[], "id=", "bad_argument id"),
        (&[], "id=null", "bad_argument id"),
        (&[], "id='1'", "bad_argument id"),
        (&[], "id=1&name=a", "bad_argument name"),
        (&[], "id=1&id=1", "bad_argument id"),
        (&[("id", "1")], "id=1", "bad_argument id"),
        (&[], "id=1 2", "bad_argument id"),
        (&[], "id=1&tags=a", "bad_argument tags"),
        (&[("id", "@p")], "", "bad_argument id"),
    ] {
        let options = Options::parse(query).unwrap();
        assert_eq!(shown(of_url(&schema, 0, &call(&[0], inline), &options)), expected, "{query}");
    }
}

#[test]
fn overloads_are_chosen_by_names() {
    let schema = schema(false);
    for (body, expected) in [
        ("", "#3 "),
        (r#"{"a":1}"#, "#1 1"),
        (r#"{"a":1,"b":2}"#, "#2 1,2"),
        (r#"{"b":2}"#, "#2 Null,2"),
        (r#"{"c":2}"#, "bad_argument c"),
    ] {
        assert_eq!(
            shown(of_body(&schema, 0, &call(&[1, 2, 3], &[]), body.as_bytes())),
            expected,
            "{body}"
        );
    }
}

use super::*;
use crate::model::limits::PATTERN_BYTES;
use crate::model::schema::{EntityType, Facets, Property, Type};

/// Name and type of the properties; those with `?` take null. The keys are their names in lower case.
const PROPERTIES: &[(&str, &str)] = &[
    ("Name", "String"),
    ("Action", "String?"),
    ("Priority", "Int32?"),
    ("Disabled", "Boolean"),
    ("Created", "DateTimeOffset"),
    ("Ended", "DateTime?"),
    ("Id", "Guid"),
    ("Runtime", "Time"),
    ("Secret", "String"),
    ("Log", "Stream"),
    ("Share", "Decimal"),
    ("Digest", "Binary"),
];

fn schema() -> Schema {
    let property = |(name, ty): &(&str, &str)| Property {
        name: (*name).to_owned(),
        ty: Type::Primitive(Edm::from_name(ty.trim_end_matches('?')).unwrap()),
        nullable: ty.ends_with('?'),
        facets: Facets::default(),
        column: (*name).to_owned(),
        default: None,
        read_only: false,
        write_only: *name == "Secret",
        hashed: false,
        generated: false,
        by_default: false,
        concurrency: false,
        unique: false,
        indexed: false,
        attributes: Vec::new(),
    };
    let properties: Vec<Property> = PROPERTIES.iter().map(property).collect();
    let mut schema = Schema::default();
    schema.types.push(EntityType {
        name: "Run".to_owned(),
        namespace: "Jobs".to_owned(),
        base: None,
        root: 0,
        family: vec![0],
        is_abstract: false,
        is_open: false,
        has_stream: false,
        key: vec![0],
        row_key: vec![0],
        properties,
        own_properties: 0,
        navigations: Vec::new(),
        own_navigations: 0,
        table: None,
        tenant: None,
        frame: false,
        security: false,
        shared: false,
        rows: Vec::new(),
        jobs: Default::default(),
        attributes: Vec::new(),
    });
    schema
}

fn words(text: &str) -> Outcome<Option<String>> {
    let schema = schema();
    let pairs = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap());
    let property = |key: &str| PROPERTIES.iter().position(|row| row.0.to_lowercase() == key);
    Ok(filter(&schema, 0, pairs, property)?.map(|expr| sketch(&expr)))
}

fn sketch(expr: &Expr) -> String {
    match expr {
        Expr::Column { property, .. } => PROPERTIES[*property].0.to_owned(),
        Expr::Literal(_, Value::Text(text)) => format!("'{text}'"),
        Expr::Literal(_, Value::Integer(value)) => value.to_string(),
        Expr::Literal(_, Value::Boolean(value)) => value.to_string(),
        Expr::Literal(edm, _) => edm.to_string(),
        Expr::Binary { op, left, right, .. } => format!("({} {op:?} {})", sketch(left), sketch(right)),
        Expr::IsNull(inner) => format!("({} IsNull)", sketch(inner)),
        Expr::Call(function, arguments) => {
            let arguments: Vec<String> = arguments.iter().map(sketch).collect();
            format!("{}({})", function.name, arguments.join(", "))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn words_become_filters() {
    let cases = [
        ("", ""),
        ("action=fail", "(Action Eq 'fail')"),
        ("action=fail&action=crash", "((Action Eq 'fail') Or (Action Eq 'crash'))"),
        (
            "action=a&action=b&name=x&name=y",
            "(((Action Eq 'a') Or (Action Eq 'b')) And ((Name Eq 'x') Or (Name Eq 'y')))",
        ),
        (
            "action=a&name=x&action=b",
            "(((Action Eq 'a') Or (Action Eq 'b')) And (Name Eq 'x'))",
        ),
        ("priority$min=0&priority$max=5", "((Priority Ge 0) And (Priority Le 5))"),
        ("priority$min=3&priority$min=5", "((Priority Ge 3) Or (Priority Ge 5))"),
        ("name$not=x", "(Name Ne 'x')"),
        ("name$not=x&name$not=y", "((Name Ne 'x') And (Name Ne 'y'))"),
        ("priority$not=5", "((Priority Ne 5) Or (Priority IsNull))"),
        ("name=", "(Name Eq '')"),
        ("name$regex=re.*t|x", "matches(Name, '^(?:re.*t|x)')"),
        (
            "name$regex=a&name$regex=b&disabled=False",
            "((matches(Name, '^(?:a)') Or matches(Name, '^(?:b)')) And (Disabled Eq false))",
        ),
        ("disabled=true", "(Disabled Eq true)"),
        ("disabled=0", "(Disabled Eq false)"),
        ("created$min=2021-01-01", "(Created Ge '2021-01-01T00:00:00.0000000')"),
        ("created$max=2021-12-31", "(Created Le '2021-12-31T00:00:00.0000000')"),
        ("created$max=2021-12-31 10:00:00.5", "(Created Le '2021-12-31T10:00:00.5000000')"),
        ("created=2021-12-31T10:00:00+02:00", "(Created Eq '2021-12-31T08:00:00.0000000')"),
        ("ended$min=2021-01-01T10:00", "(Ended Ge '2021-01-01T10:00:00.0000000')"),
        ("id=00000000-0000-0000-0000-000000000001", "(Id Eq Edm.Guid)"),
        ("runtime$min=PT1M", "(Runtime Ge 600000000)"),
        ("share$max=1.50", "(Share Le '1.50')"),
    ];
    for (text, expected) in cases {
        assert_eq!(words(text).unwrap().unwrap_or_default(), expected, "{text}");
    }
}

#[test]
fn unknown_words_are_refused() {
    let cases = [
        ("nope=1", "no key `nope`"),
        ("=1", "no key ``"),
        ("secret=1", "no key `secret`"),
        ("Name=1", "no key `Name`"),
        ("name$like=x", "no `$like`"),
        ("name$=x", "no `$`"),
        ("name$min$max=x", "no `$min$max`"),
        ("$regex=x", "no key ``"),
        ("log=x", "no query by `log`"),
        ("digest$min=AA==", "no query by `digest$min`"),
        ("priority$regex=1", "no query by `priority$regex`"),
        ("priority=high", "no Edm.Int32"),
        ("priority=99999999999", "no Edm.Int32"),
        ("priority=", "no Edm.Int32"),
        ("disabled=yes", "no Edm.Boolean"),
        ("created=today", "no Edm.DateTimeOffset"),
        ("created=2021-02-30", "no Edm.DateTimeOffset"),
        ("name$regex=a(", "unclosed group at position 1"),
        ("name$regex=a)|(b", "unopened group at position 1"),
    ];
    for (text, part) in cases {
        let fault = words(text).unwrap_err();
        assert!(fault.message.contains(part), "{text}: {fault}");
        assert_eq!(fault.kind, &BAD_REQUEST, "{text}");
        assert_eq!(fault.property.as_deref(), text.split('=').next(), "{text}");
    }
}

#[test]
fn words_are_bounded() {
    let many = |count: usize| vec!["priority=1"; count].join("&");
    assert!(words(&many(QUERY_WORDS)).is_ok());
    assert_eq!(words(&many(QUERY_WORDS + 1)).unwrap_err().kind, &TOO_LARGE);
    // Room for what anchors it.
    let pattern = |length: usize| format!("name$regex={}", "x".repeat(length));
    assert!(words(&pattern(PATTERN_BYTES - 5)).is_ok());
    assert!(words(&pattern(PATTERN_BYTES - 4)).is_err());
}

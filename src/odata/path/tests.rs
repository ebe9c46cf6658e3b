use std::collections::HashMap;

use super::*;
use crate::model::edm::Cell;
use crate::model::schema::{ComplexType, Container, Endpoint, EntitySet, Facets, Join, Multiplicity, Navigation, Operation, Parameter};
use crate::odata::url;

const PRODUCT: TypeId = 0;
const SPECIAL: TypeId = 1;
const CATEGORY: TypeId = 2;
const DETAIL: TypeId = 3;
const GHOST: TypeId = 4;
const PERSON: TypeId = 5;

fn property(name: &str, ty: Type) -> Property {
    Property {
        name: name.into(),
        ty,
        nullable: false,
        facets: Facets::default(),
        column: name.to_lowercase(),
        default: None,
        read_only: false,
        write_only: name == "Secret",
        hashed: false,
        generated: false,
        by_default: false,
        concurrency: false,
        unique: false,
        indexed: false,
        attributes: Vec::new(),
    }
}

fn navigation(name: &str, target: TypeId, multiplicity: Multiplicity) -> Navigation {
    Navigation {
        name: name.into(),
        target,
        multiplicity,
        association: 0,
        from_end: 0,
        join: (target != GHOST).then(|| Join::Near { columns: vec!["x".into()] }),
        contains_target: false,
    }
}

fn entity(name: &str, keys: usize, properties: Vec<Property>, navigations: Vec<Navigation>) -> EntityType {
    EntityType {
        name: name.into(),
        namespace: "NS".into(),
        base: None,
        root: 0,
        family: Vec::new(),
        is_abstract: false,
        is_open: false,
        has_stream: name == "Category",
        key: (0..keys).collect(),
        row_key: (0..keys).collect(),
        properties,
        own_properties: 0,
        navigations,
        own_navigations: 0,
        table: None,
        tenant: None,
        frame: false,
        security: false,
        shared: false,
        rows: Vec::new(),
        jobs: Default::default(),
        attributes: Vec::new(),
    }
}

fn complex(name: &str, properties: Vec<Property>) -> ComplexType {
    ComplexType {
        name: name.into(),
        namespace: "NS".into(),
        base: None,
        is_abstract: false,
        properties,
        own_properties: 0,
        attributes: Vec::new(),
    }
}

fn operation(name: &str, binding: Option<Type>) -> Operation {
    let parameter = |ty| Parameter {
        name: "it".into(),
        ty,
        nullable: None,
        mode: None,
        facets: Facets::default(),
    };
    Operation {
        name: name.into(),
        container: 0,
        http_method: None,
        bindable: Some(binding.is_some()),
        side_effecting: None,
        composable: None,
        always_bindable: None,
        result: None,
        set: None,
        set_path: None,
        parameters: binding.map(parameter).into_iter().collect(),
        behaviour: Default::default(),
        job: None,
    }
}

fn types() -> Vec<EntityType> {
    use Multiplicity::{Many, One, ZeroOrOne};
    let edm = |name, edm| property(name, Type::Primitive(edm));
    let product = || {
        vec![
            edm("ID", Edm::Int32),
            edm("Name", Edm::String),
            property("Address", Type::Complex(0)),
            property("Tags", Type::Collection(Box::new(Type::Primitive(Edm::String)))),
            edm("Where", Edm::GeographyPoint),
            edm("Photo", Edm::Stream),
            edm("Secret", Edm::String),
        ]
    };
    let ways = || {
        vec![
            navigation("Category", CATEGORY, ZeroOrOne),
            navigation("Details", DETAIL, Many),
            navigation("Ghost", GHOST, One),
        ]
    };
    let mut special = ways();
    special.push(navigation("Lead", PERSON, One));
    let mut types = vec![
        entity("Product", 1, product(), ways()),
        entity("Special", 1, product(), special),
        entity(
            "Category",
            1,
            vec![edm("ID", Edm::Int64)],
            vec![navigation("Products", PRODUCT, Many)],
        ),
        entity(
            "Detail",
            2,
            vec![edm("OrderID", Edm::Int32), edm("time", Edm::String)],
            vec![navigation("Product", PRODUCT, One)],
        ),
        entity("Ghost", 1, vec![edm("ID", Edm::Int32)], Vec::new()),
        entity(
            "Person",
            1,
            vec![edm("Name", Edm::String)],
            vec![navigation("\u{dc}ber", PERSON, One)],
        ),
    ];
    for (i, ty) in types.iter_mut().enumerate() {
        ty.root = i;
        ty.family = vec![i];
    }
    types[PRODUCT].family = vec![PRODUCT, SPECIAL];
    types[SPECIAL].base = Some(PRODUCT);
    types[SPECIAL].root = PRODUCT;
    types
}

fn schema() -> Schema {
    let double = |name| property(name, Type::Primitive(Edm::Double));
    let address = vec![
        property("City", Type::Primitive(Edm::String)),
        property("Spot", Type::Complex(1)),
        property("Secret", Type::Complex(1)),
    ];
    let sets = [
        ("Products", PRODUCT, 0),
        ("Categories", CATEGORY, 0),
        ("Details", DETAIL, 0),
        ("People", PERSON, 0),
        ("Extras", PRODUCT, 1),
    ];
    let set = |(name, entity_type, container): (&str, TypeId, usize)| EntitySet {
        name: name.into(),
        endpoint: 0,
        container,
        entity_type,
        page_size: None,
        read_only: false,
        targets: HashMap::new(),
    };
    let container = |namespace: &str, name: &str| Container {
        namespace: namespace.into(),
        name: name.into(),
    };
    let entity = Type::Entity;
    let many = |ty| Some(Type::Collection(Box::new(Type::Entity(ty))));
    let set_names = [
        ("Products", 0),
        ("Categories", 1),
        ("Details", 2),
        ("People", 3),
        ("Other.Extras", 4),
    ];
    Schema {
        endpoints: vec![Endpoint {
            name: "Shop".into(),
            namespace: "NS".into(),
            title: String::new(),
            containers: vec![container("Default", "Shop"), container("SP", "Other")],
            sets: (0..5).collect(),
            types: (0..6).collect(),
            complex: vec![0, 1],
            operations: vec![
                operation("Top", None),
                operation("Rate", Some(entity(PRODUCT))),
                operation("Rate", Some(entity(SPECIAL))),
                operation("Discount", many(PRODUCT)),
                operation("Name", Some(entity(PRODUCT))),
            ],
            association_sets: Vec::new(),
            ignores_unknown_arguments: false,
            permission_prefix: "Apc".into(),
            set_names: set_names.into_iter().map(|(name, id)| (name.to_owned(), id)).collect(),
        }],
        types: types(),
        complex: vec![complex("Address", address), complex("Spot", vec![double("Lat")])],
        sets: sets.into_iter().map(set).collect(),
        associations: Vec::new(),
        tables: Vec::new(),
    }
}

/// A target in a line: the set, each step, the leaf; `[]` marks a collection, `!` the result of a cast.
fn line(schema: &Schema, target: &Target) -> String {
    let resource = match target {
        Target::Resource(resource) => resource,
        Target::Operation(call) => {
            let binding = call.binding.clone().map(Target::Resource);
            let bound = binding.map(|binding| format!(" of {}", line(schema, &binding))).unwrap_or_default();
            return format!("Operation{:?}{bound}", call.overloads);
        }
        other => return format!("{other:?}"),
    };
    let mut line = schema.sets[resource.set].name.clone();
    for step in &resource.steps {
        line += &match step {
            Step::Key(values) => format!("({})", values.iter().map(short).collect::<Vec<_>>().join(",")),
            Step::Navigate { ty, navigation, .. } => format!("/{}", schema.types[*ty].navigations[*navigation].name),
            Step::Cast(ty) => format!("/{}", schema.types[*ty].name),
            Step::Among(keys) => format!("/{keys:?}"),
        };
    }
    line += if resource.collection { "[]" } else { "" };
    line += if resource.cast { "!" } else { "" };
    line + &match &resource.leaf {
        Leaf::Entities => String::new(),
        Leaf::Property { property, path, raw, .. } => {
            let name = &schema.types[resource.ty].properties[*property].name;
            let raw = if *raw { " raw" } else { "" };
            format!(" {}{raw}", [std::slice::from_ref(name), path].concat().join("."))
        }
        leaf => format!(" {leaf:?}"),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Integer(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        value => format!("{value:?}"),
    }
}

#[test]
fn good_paths() {
    let table = [
        ("", "Service"),
        ("/", "Service"),
        ("$metadata", "Metadata"),
        ("$batch/", "Batch"),
        ("Products", "Products[]"),
        ("Products()", "Products[]"),
        ("Products( )//", "Products[]"),
        ("Shop.Products(1)", "Products(1)"),
        ("Default.Shop.Products(1)", "Products(1)"),
        ("Other.Extras", "Extras[]"),
        ("SP.Other.Extras(1)", "Extras(1)"),
        ("Products(1)", "Products(1)"),
        ("Products%281%29", "Products(1)"),
        ("Products( ID = 1 )", "Products(1)"),
        ("Categories(42L)", "Categories(42)"),
        ("Categories(42)", "Categories(42)"),
        ("Categories(ID=42L)", "Categories(42)"),
        ("Details(OrderID=1,time='a')", "Details(1,a)"),
        ("Details(time%3D'a'%2C%20OrderID%3D1)", "Details(1,a)"),
        ("People('ALF%2FKI')/%C3%9Cber", "People(ALF/KI)/\u{dc}ber"),
        ("People(%27a''b%27)", "People(a'b)"),
        ("People('a,b)=(c')", "People(a,b)=(c)"),
        ("People('a+b')", "People(a+b)"),
        ("People('')", "People()"),
        ("Products/$count", "Products[] Count"),
        ("Products(1)/Name", "Products(1) Name"),
        ("Products(1)/Name()/$value", "Products(1) Name raw"),
        ("Products(1)/Address", "Products(1) Address"),
        ("Products(1)/Address/Spot/Lat", "Products(1) Address.Spot.Lat"),
        ("Products(1)/Address/City/$value", "Products(1) Address.City raw"),
        ("Products(1)/Tags", "Products(1) Tags"),
        ("Products(1)/Where", "Products(1) Where"),
        ("Products(1)/Photo", "Products(1) Photo raw"),
        ("Categories(1)/$value", "Categories(1) Media"),
        ("Products(1)/Category", "Products(1)/Category"),
        ("Products(1)/Category()", "Products(1)/Category"),
        ("Products(1)/Category/$value", "Products(1)/Category Media"),
        (
            "Products(1)/Category/Products(2)/Category/ID",
            "Products(1)/Category/Products(2)/Category ID",
        ),
        ("Products(1)/Details()/$count", "Products(1)/Details[] Count"),
        ("Products(1)/$links/Category", "Products(1)/Category Links"),
        ("Products(1)/$links/Details", "Products(1)/Details[] Links"),
        ("Products(1)/$links/Details(OrderID=1,time='a')", "Products(1)/Details(1,a) Links"),
        ("Products(1)/$links/Details/$count", "Products(1)/Details[] LinksCount"),
        ("Products/NS.Special", "Products/Special[]!"),
        ("Products/NS.Product", "Products/Product[]!"),
        ("Products/NS.Special(1)", "Products/Special(1)!"),
        ("Products/NS.Special/$count", "Products/Special[]! Count"),
        ("Products(1)/NS.Special/Lead", "Products(1)/Special/Lead"),
        ("Categories(1)/Products/NS.Special", "Categories(1)/Products/Special[]!"),
        ("Products/NS.Special(1)/NS.Product", "Products/Special(1)/Product!"),
        ("Top", "Operation[0]"),
        ("Top()", "Operation[0]"),
        ("Default.Shop.Top", "Operation[0]"),
        ("Products(1)/Rate", "Operation[1] of Products(1)"),
        ("Products(1)/Shop.Rate", "Operation[1] of Products(1)"),
        ("Products(1)/Default.Shop.Rate", "Operation[1] of Products(1)"),
        ("Products(1)/NS.Special/Rate", "Operation[2] of Products(1)/Special!"),
        ("Products/Discount", "Operation[3] of Products[]"),
        ("Products/NS.Special/Discount", "Operation[3] of Products/Special[]!"),
        ("Products(1)/Shop.Name", "Operation[4] of Products(1)"),
    ];
    let schema = schema();
    for (path, expected) in table {
        match parse(&schema, 0, path) {
            Ok(target) => assert_eq!(line(&schema, &target), expected, "{path}"),
            Err(fault) => panic!("{path}: {fault:?}"),
        }
    }
}

#[test]
fn bad_paths() {
    let table = [
        ("Nothing", 404, None),
        ("products", 404, None),
        ("$foo", 404, None),
        ("$count", 404, None),
        ("Extras", 404, None),
        ("Rate", 404, None),
        ("NS.Product", 404, None),
        ("$metadata/x", 404, Some(10)),
        ("Products/%", 400, Some(9)),
        ("%FF", 400, Some(0)),
        ("Products(1", 400, Some(0)),
        ("Products(1)(2)", 400, Some(10)),
        ("Products(1)/Category(2)", 400, Some(12)),
        ("Products('1')", 400, Some(9)),
        ("Products(1L)", 400, Some(9)),
        ("Products(1.0)", 400, Some(9)),
        ("Products(null)", 400, Some(9)),
        ("Products(99999999999)", 400, Some(9)),
        ("Products(x)", 400, Some(9)),
        ("Products(1,)", 400, Some(11)),
        ("Products(,1)", 400, Some(9)),
        ("Products(1,2)", 400, Some(11)),
        ("Products(1;2)", 400, Some(10)),
        ("Products(ID=1,ID=2)", 400, Some(14)),
        ("Products(ID=1,2)", 400, Some(14)),
        ("Products(Id=1)", 400, Some(9)),
        ("Details(1)", 400, Some(8)),
        ("Details(OrderID=1)", 400, Some(17)),
        ("Details(OrderID=1,,time='a')", 400, Some(18)),
        ("Details(OrderID=1,time='a',x=1)", 400, Some(27)),
        ("People('a)", 400, Some(7)),
        ("People(a)", 400, Some(7)),
        ("People(%27%C3%BC%27%20x)", 400, Some(12)),
        ("Products/Name", 400, Some(9)),
        ("Products/Category", 400, Some(9)),
        ("Products/$value", 400, Some(9)),
        ("Products/$links/Category", 400, Some(9)),
        ("Products(1)/$links", 400, Some(12)),
        ("Products(1)/$links/Name", 404, Some(19)),
        ("Products(1)/$links/Category/ID", 404, Some(28)),
        ("Products(1)/$links/Category/$count", 404, Some(28)),
        ("Products(1)/$links/Details/$count/x", 404, Some(34)),
        ("Products(1)/$count", 404, Some(12)),
        ("Products(1)/$value", 400, Some(12)),
        ("Products(1)/$batch", 404, Some(12)),
        ("Products(1)/Nothing", 404, Some(12)),
        ("Products(1)/Ghost", 404, Some(12)),
        ("Products(1)/Address/Secret", 404, Some(20)),
        ("Products(1)/Address/Nothing", 404, Some(20)),
        ("Products(1)/Address/$value", 400, Some(20)),
        ("Products(1)/Tags/$value", 400, Some(17)),
        ("Products(1)/Tags/x", 404, Some(17)),
        ("Products(1)/Where/$value", 400, Some(18)),
        ("Products(1)/Photo/$value", 404, Some(18)),
        ("Products(1)/Name/x", 404, Some(17)),
        ("Products(1)/Name(1)", 400, Some(12)),
        ("Products(1)/Name/$value/x", 404, Some(24)),
        ("Products/$count/x", 404, Some(16)),
        ("Products/NS.Special/NS.Product", 400, Some(20)),
        ("Products/NS.Category", 400, Some(9)),
        ("Products/NS.Unknown", 400, Some(9)),
        ("Products(1)/NS.Special(2)", 400, Some(12)),
        ("Products(1)/Lead", 404, Some(12)),
        ("Products(1)/Discount", 404, Some(12)),
        ("Products/Rate", 404, Some(9)),
        ("Products(1)/Top", 404, Some(12)),
    ];
    let schema = schema();
    for (path, status, position) in table {
        match parse(&schema, 0, path) {
            Ok(target) => panic!("{path}: {target:?}"),
            Err(fault) => assert_eq!((fault.kind.status, fault.position), (status, position), "{path}: {fault}"),
        }
    }
}

#[test]
fn the_number_of_segments_is_limited() {
    let schema = schema();
    let path = |count: usize| format!("Products(1)/{}", "Category/Products(1)/".repeat(count / 2));
    let (good, bad) = (path(PATH_SEGMENTS - 2), path(PATH_SEGMENTS));
    assert!(parse(&schema, 0, &good).is_ok());
    let fault = parse(&schema, 0, &bad).expect_err("too long");
    assert_eq!(fault.kind, &TOO_LARGE);
}

#[test]
fn steps_know_their_sets_and_types() {
    let schema = schema();
    let Ok(Target::Resource(resource)) = parse(&schema, 0, "Products(1)/NS.Special/Lead/Name") else {
        panic!("no resource");
    };
    assert_eq!((resource.set, resource.ty, resource.end_set), (0, PERSON, Some(3)));
    let lead = Step::Navigate {
        ty: SPECIAL,
        navigation: 3,
        set: Some(3),
    };
    assert_eq!(resource.steps, [Step::Key(vec![Value::Integer(1)]), Step::Cast(SPECIAL), lead]);
}

#[test]
fn written_keys_are_read_again() {
    let schema = schema();
    let table: &[(&str, TypeId, Vec<Value>, &str)] = &[
        ("Categories", CATEGORY, vec![Value::Integer(-42)], "(-42L)"),
        (
            "People",
            PERSON,
            vec![Value::Text("O'Neil & / S\u{f6}hne+".into())],
            "('O''Neil%20%26%20%2F%20S%C3%B6hne%2B')",
        ),
        (
            "Details",
            DETAIL,
            vec![Value::Integer(1), Value::Text("a".into())],
            "(OrderID=1,time='a')",
        ),
    ];
    for (set, ty, values, expected) in table {
        let mut out = Vec::new();
        url::write_key(
            &schema,
            *ty,
            &mut |index| values.get(index).map_or(Cell::Null, Value::cell),
            &mut out,
        );
        let written = String::from_utf8(out).expect("ASCII");
        assert_eq!(written, *expected);
        let Ok(Target::Resource(resource)) = parse(&schema, 0, &format!("{set}{written}")) else {
            panic!("{written} is not read");
        };
        assert_eq!(resource.steps, [Step::Key(values.clone())]);
    }
}

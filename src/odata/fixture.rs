//! A small shop for unit tests: a schema made by hand, with a hierarchy, complex and collection properties, and
//! navigations of every kind. Names are those of the public test vectors, so that these bind to it.

use std::collections::HashMap;

use crate::model::edm::{Cell, Edm};
use crate::model::page::{Layout, Page, Rows};
use crate::model::query::Shape;
use crate::model::schema::*;

/// Complex types: name, properties. A type text is an Edm name, a complex type's name or `Collection(...)` of one; `?` is nullable.
const COMPLEX: &[(&str, Names)] = &[
    ("Country", &[("Code", "String"), ("Label", "String?")]),
    (
        "Address",
        &[
            ("City", "String?"),
            ("Zip", "Int32?"),
            ("Lines", "Collection(String)"),
            ("Country", "Country?"),
        ],
    ),
];

type Names = &'static [(&'static str, &'static str)];

/// Entity types: name, base, whether it takes undeclared properties, properties. The first one of a root is its key.
const TYPES: &[(&str, Option<&str>, bool, Names)] = &[
    (
        "Product",
        None,
        false,
        &[
            ("ProductID", "Int32"),
            ("ProductName", "String?"),
            ("SupplierID", "Int32?"),
            ("CategoryID", "Int32?"),
            ("QuantityPerUnit", "String?"),
            ("UnitPrice", "Decimal?"),
            ("Weight", "Double?"),
            ("Width", "Single?"),
            ("UnitsInStock", "Int16?"),
            ("UnitsOnOrder", "Int16?"),
            ("Grade", "Byte"),
            ("Discontinued", "Boolean?"),
            ("Sealed", "Boolean"),
            ("DiscontinuedDate", "DateTime?"),
            ("NonNullableDiscontinuedDate", "DateTime"),
            ("DiscontinuedOffset", "DateTimeOffset"),
            ("DiscontinuedSince", "Time"),
            ("SupplierAddress", "Address?"),
            ("AlternateIDs", "Collection(Int32)"),
            ("AlternateAddresses", "Collection(Address)"),
            ("Picture", "Stream"),
            ("Place", "GeographyPoint?"),
            ("Barcode", "Binary?"),
            ("Secret", "String?"),
            ("length", "Int32?"),
        ],
    ),
    (
        "DerivedProduct",
        Some("Product"),
        false,
        &[("DerivedProductName", "String?"), ("Level", "Int32?")],
    ),
    (
        "Category",
        None,
        false,
        &[
            ("CategoryID", "Int32"),
            ("CategoryName", "String?"),
            ("ProductID", "Int32?"),
            ("ParentID", "Int32?"),
        ],
    ),
    ("DerivedCategory", Some("Category"), false, &[("DerivedCategoryName", "String?")]),
    ("Supplier", None, false, &[("SupplierID", "Int32"), ("Company", "String?")]),
    ("Bag", None, true, &[("BagID", "Int64"), ("Label", "String?")]),
    (
        "DataTypes",
        None,
        false,
        &[
            ("IntProp", "Int32"),
            ("GuidProp", "Guid"),
            ("DateTimeProp", "DateTime"),
            ("DateTimeOffsetProp", "DateTimeOffset"),
            ("ByteArrayProp", "Binary"),
            ("BinaryProp", "Binary"),
            ("ByteArrayPropWithNullValue", "Binary?"),
            ("TimeSpanProp", "Time"),
            ("DecimalProp", "Decimal"),
            ("DoubleProp", "Double"),
            ("FloatProp", "Single"),
            ("LongProp", "Int64"),
            ("StringProp", "String"),
            ("NullableShortProp", "Int16?"),
            ("NullableIntProp", "Int32?"),
            ("NullableLongProp", "Int64?"),
            ("UShortProp", "Int32"),
            ("UIntProp", "Int64"),
            ("ULongProp", "Int64"),
            ("NullableUShortProp", "Int32?"),
            ("NullableUIntProp", "Int64?"),
            ("NullableULongProp", "Int64?"),
            ("CharProp", "String"),
            ("NullableCharProp", "String?"),
            ("CharArrayProp", "String"),
            ("XElementProp", "String"),
        ],
    ),
];

/// Navigations: type, name, target, how many, whose column, the column (empty: a link table).
const NAVIGATIONS: &[(&str, &str, &str, Multiplicity, bool, &str)] = {
    use Multiplicity::*;
    &[
        ("Product", "Category", "Category", ZeroOrOne, true, "CategoryID"),
        ("Product", "Supplier", "Supplier", ZeroOrOne, true, "SupplierID"),
        ("Category", "Products", "Product", Many, false, "CategoryID"),
        ("Category", "EnumerableProducts", "Product", Many, false, "CategoryID"),
        ("Category", "QueryableProducts", "Product", Many, false, "CategoryID"),
        ("Category", "Product", "Product", ZeroOrOne, true, "ProductID"),
        ("Category", "Parent", "Category", ZeroOrOne, true, "ParentID"),
        ("DerivedProduct", "Parts", "Product", Many, false, "SupplierID"),
        ("Supplier", "Products", "Product", Many, false, "SupplierID"),
        ("Supplier", "Categories", "Category", Many, false, ""),
    ]
};

/// Sets: name, type.
const SETS: &[(&str, &str)] = &[
    ("Products", "Product"),
    ("Categories", "Category"),
    ("Suppliers", "Supplier"),
    ("Bags", "Bag"),
    ("Data", "DataTypes"),
];

/// The endpoint `Shop`, namespace `Shop`.
pub fn shop() -> Schema {
    let mut schema = Schema::default();
    for (name, properties) in COMPLEX {
        let properties = properties.iter().map(|&(name, ty)| property(&schema, name, ty)).collect();
        schema.complex.push(ComplexType {
            name: (*name).to_owned(),
            namespace: "Shop".to_owned(),
            base: None,
            is_abstract: false,
            properties,
            own_properties: 0,
            attributes: Vec::new(),
        });
    }
    for row in TYPES {
        entity_type(&mut schema, row);
    }
    for row in NAVIGATIONS {
        navigation(&mut schema, row);
    }
    let sets = SETS.iter().map(|(name, ty)| EntitySet {
        name: (*name).to_owned(),
        endpoint: 0,
        container: 0,
        entity_type: type_id(&schema, ty),
        page_size: None,
        read_only: false,
        targets: HashMap::new(),
    });
    schema.sets = sets.collect();
    schema.endpoints.push(endpoint(&schema));
    schema
}

/// A type by its name without namespace.
pub fn type_id(schema: &Schema, name: &str) -> TypeId {
    schema.types.iter().position(|ty| ty.name == name).unwrap()
}

/// A set by its name.
pub fn set_id(schema: &Schema, name: &str) -> SetId {
    schema.sets.iter().position(|set| set.name == name).unwrap()
}

/// Rows of a type and of those that derive from it; each row is its type's name and the values of some properties.
pub fn page(schema: &Schema, set: Option<&str>, ty: &str, rows: &[(&str, &[(&str, Cell<'_>)])]) -> Page {
    let declared = type_id(schema, ty);
    let mut columns: Vec<&str> = Vec::new();
    for &ty in &schema.types[declared].family {
        for property in &schema.types[ty].properties {
            if !columns.contains(&property.name.as_str()) {
                columns.push(&property.name);
            }
        }
    }
    let layout = |ty: &TypeId| {
        let cells = schema.types[*ty].properties.iter();
        (
            *ty,
            cells
                .map(|property| columns.iter().position(|column| *column == property.name))
                .collect(),
        )
    };
    let mut page = Page {
        set: set.map(|set| set_id(schema, set)),
        ty: declared,
        rows: Rows::new(columns.len() + 1),
        layout: Layout {
            type_cell: Some(columns.len()),
            types: schema.types[declared].family.iter().map(layout).collect(),
            hidden: Vec::new(),
        },
        count: None,
        next: None,
        top_left: None,
        shape: Shape::default(),
        expanded: Vec::new(),
    };
    for (ty, values) in rows {
        for column in &columns {
            let value = values.iter().find(|(name, _)| name == column);
            page.rows.push(value.map_or(Cell::Null, |(_, cell)| *cell));
        }
        page.rows.push(Cell::Text(&format!("Shop.{ty}")));
    }
    page
}

fn endpoint(schema: &Schema) -> Endpoint {
    let operation = Operation {
        name: "Discount".to_owned(),
        container: 0,
        http_method: None,
        bindable: Some(true),
        side_effecting: Some(true),
        composable: None,
        always_bindable: None,
        result: None,
        set: None,
        set_path: None,
        parameters: Vec::new(),
        behaviour: Behaviour::Missing,
        job: None,
    };
    Endpoint {
        name: "Shop".to_owned(),
        namespace: "Shop".to_owned(),
        title: "A shop.".to_owned(),
        containers: vec![Container {
            namespace: "Shop".to_owned(),
            name: "Container".to_owned(),
        }],
        sets: (0..schema.sets.len()).collect(),
        types: (0..schema.types.len()).collect(),
        complex: (0..schema.complex.len()).collect(),
        operations: vec![operation],
        association_sets: Vec::new(),
        ignores_unknown_arguments: false,
        permission_prefix: "Apc".to_owned(),
        set_names: SETS.iter().enumerate().map(|(id, (name, _))| ((*name).to_owned(), id)).collect(),
    }
}

fn property(schema: &Schema, name: &str, text: &str) -> Property {
    let nullable = text.ends_with('?');
    let text = text.trim_end_matches('?');
    let scalar = |text: &str| match Edm::from_name(text) {
        Some(edm) => Type::Primitive(edm),
        None => Type::Complex(schema.complex.iter().position(|ty| ty.name == text).unwrap()),
    };
    let ty = match text.strip_prefix("Collection(") {
        Some(item) => Type::Collection(Box::new(scalar(item.trim_end_matches(')')))),
        None => scalar(text),
    };
    Property {
        name: name.to_owned(),
        ty,
        nullable,
        facets: Facets::default(),
        column: name.to_owned(),
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

fn entity_type(schema: &mut Schema, (name, base, is_open, own): &(&str, Option<&str>, bool, Names)) {
    let id = schema.types.len();
    let base = base.map(|base| type_id(schema, base));
    let mut properties: Vec<Property> = base.map(|base| schema.types[base].properties.clone()).unwrap_or_default();
    let own_properties = properties.len();
    properties.extend(own.iter().map(|(name, ty)| property(schema, name, ty)));
    let table = match base {
        Some(base) => schema.types[base].table,
        None => Some(schema.tables.len()),
    };
    let columns = properties[own_properties..].iter().map(|property| Column {
        name: property.column.clone(),
        kind: property.ty.primitive().map_or(ColumnKind::Json, ColumnKind::Primitive),
        nullable: property.nullable || base.is_some(),
        generated: false,
        default: None,
    });
    match base {
        Some(base) => {
            schema.tables[schema.types[base].table.unwrap()].columns.extend(columns);
            schema.types[base].family.push(id);
        }
        None => schema.tables.push(Table {
            name: name.to_lowercase(),
            columns: columns.collect(),
            key: vec![own[0].0.to_owned()],
            indexes: Vec::new(),
            references: Vec::new(),
            origin: "fixture".to_owned(),
        }),
    }
    schema.types.push(EntityType {
        name: (*name).to_owned(),
        namespace: "Shop".to_owned(),
        base,
        root: base.unwrap_or(id),
        family: vec![id],
        is_abstract: false,
        is_open: *is_open,
        has_stream: false,
        key: vec![0],
        row_key: vec![0],
        properties,
        own_properties,
        navigations: Vec::new(),
        own_navigations: 0,
        table,
        tenant: None,
        frame: false,
        security: false,
        shared: false,
        rows: Vec::new(),
        jobs: Default::default(),
        attributes: Vec::new(),
    });
}

fn navigation(schema: &mut Schema, &(from, name, to, multiplicity, near, column): &(&str, &str, &str, Multiplicity, bool, &str)) {
    let (from, target) = (type_id(schema, from), type_id(schema, to));
    let columns = vec![column.to_owned()];
    let join = if column.is_empty() {
        let (near, far) = (vec!["near".to_owned()], vec!["far".to_owned()]);
        Join::Link { table: 0, near, far }
    } else if near {
        Join::Near { columns }
    } else {
        Join::Far { columns }
    };
    let end = |role: &str, entity_type, multiplicity| AssociationEnd {
        role: role.to_owned(),
        entity_type,
        multiplicity,
        cascade: false,
    };
    let association = schema.associations.len();
    schema.associations.push(Association {
        name: format!("{}_{name}", schema.types[from].name),
        namespace: "Shop".to_owned(),
        ends: [end("From", from, Multiplicity::Many), end("To", target, multiplicity)],
        constraint: None,
    });
    // Inherited ones come first: NAVIGATIONS lists those of base types before those of derived ones.
    for id in schema.types[from].family.clone() {
        schema.types[id].navigations.push(Navigation {
            name: name.to_owned(),
            target,
            multiplicity,
            association,
            from_end: 0,
            join: Some(join.clone()),
            contains_target: false,
        });
        if id != from {
            schema.types[id].own_navigations = schema.types[id].navigations.len();
        }
    }
}

/// An operation: its name, `m:HttpMethod` or whether it has side effects and may be composed, what it answers, and its parameters as
/// names and types; with `*` before its name the first is the binding one, and with `!` behind its type null is no argument.
pub fn operation(schema: &Schema, name: &str, kind: &str, result: &str, parameters: &[(&str, &str)]) -> Operation {
    let parameter = |&(name, ty): &(&str, &str)| Parameter {
        name: name.trim_start_matches('*').to_owned(),
        ty: value_type(schema, ty.trim_end_matches('!')).unwrap(),
        nullable: ty.ends_with('!').then_some(false),
        mode: None,
        facets: Facets::default(),
    };
    Operation {
        name: name.to_owned(),
        container: 0,
        http_method: matches!(kind, "GET" | "POST").then(|| kind.to_owned()),
        bindable: parameters.first().filter(|(name, _)| name.starts_with('*')).map(|_| true),
        side_effecting: (kind != "action").then_some(false),
        composable: Some(kind == "composable"),
        always_bindable: None,
        result: value_type(schema, result),
        set: None,
        set_path: None,
        parameters: parameters.iter().map(parameter).collect(),
        behaviour: Behaviour::Missing,
        job: None,
    }
}

fn value_type(schema: &Schema, text: &str) -> Option<Type> {
    if let Some(item) = text.strip_prefix("Collection(") {
        return Some(Type::Collection(Box::new(value_type(schema, item.trim_end_matches(')'))?)));
    }
    let complex = || schema.complex.iter().position(|ty| ty.name == text).map(Type::Complex);
    let entity = || schema.types.iter().position(|ty| ty.name == text).map(Type::Entity);
    Edm::from_name(text).map(Type::Primitive).or_else(complex).or_else(entity)
}

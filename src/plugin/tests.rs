use std::time::{Duration, Instant};

use super::*;
use crate::model::edm::{Edm, Value};
use crate::model::schema::{ColumnKind, EntityType, Index, Join, Multiplicity, Navigation, TYPE_COLUMN, Table};

/// A folder with an endpoint `T` in the namespace `N`, and a file for each text: `1.toml`, `2.toml`, …
fn source(texts: &[&str]) -> Source {
    let mut files = vec![(
        "endpoint.toml".to_owned(),
        "endpoint = \"T\"\nnamespace = \"N\"\ncontainers = [\"N.Other\"]".to_owned(),
    )];
    files.extend(
        texts
            .iter()
            .enumerate()
            .map(|(index, text)| (format!("{}.toml", index + 1), (*text).to_owned())),
    );
    Source { files }
}

fn loaded(texts: &[&str]) -> Schema {
    load_sources(vec![source(texts)]).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn ty<'a>(schema: &'a Schema, name: &str) -> &'a EntityType {
    let found = schema.types.iter().find(|ty| ty.name == name);
    found.unwrap_or_else(|| panic!("no type {name}"))
}

fn nav<'a>(schema: &'a Schema, of: &str, name: &str) -> &'a Navigation {
    let ty = ty(schema, of);
    let index = ty.navigation(name).unwrap_or_else(|| panic!("no navigation {of}.{name}"));
    &ty.navigations[index]
}

fn table<'a>(schema: &'a Schema, name: &str) -> &'a Table {
    let names: Vec<_> = schema.tables.iter().map(|table| &table.name).collect();
    let found = schema.tables.iter().find(|table| table.name == name);
    found.unwrap_or_else(|| panic!("no table {name} in {names:?}"))
}

fn columns(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

const CUSTOMER: &str = r#"
entity = "Customer"
set = "Customers"
key = ["Id"]
[properties]
Id = { type = "String", max = 5, fixed = true }
[navigation.Orders]
to = "Order"
multiplicity = "*"
partner = "Customer"
"#;

const ORDER: &str = r#"
entity = "Order"
set = "Orders"
key = ["Id"]
indexes = [["When", "Id"]]
[properties]
Id = { type = "Int32", generated = true }
When = { type = "DateTime" }
CustomerId = { type = "String", nullable = true }
[navigation.Customer]
to = "Customer"
key = ["CustomerId"]
partner = "Orders"
relationship = "N.FK_Orders_Customers"
role = "Orders"
target_role = "Customers"
cascade = true
"#;

#[test]
fn built_in_schema_loads() {
    let schema = load(None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let names: Vec<_> = schema.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    assert_eq!(names, ["Core", "Diagnostics", "Model"]);
    let core = &schema.endpoints[0];
    assert_eq!(
        (
            core.namespace.as_str(),
            core.containers[0].namespace.as_str(),
            core.containers[0].name.as_str()
        ),
        ("Odonata.Core", "Default", "Core")
    );
    let user = ty(&schema, "User");
    let names: Vec<_> = user.properties.iter().map(|property| property.name.as_str()).collect();
    let frame = [
        "Id",
        "Tid",
        "Name",
        "Description",
        "CreatedById",
        "ModifiedById",
        "Created",
        "Modified",
        "RowVersion",
    ];
    assert_eq!(names[..9], frame);
    assert!(user.properties[8].concurrency && user.properties[0].generated && user.properties[1].read_only);
    let users = table(&schema, "core_users");
    assert!(users.indexes.contains(&Index {
        columns: vec!["Tid".into(), "Name".into()],
        unique: true
    }));
    assert!(users.indexes.contains(&Index {
        columns: vec!["Tid".into(), "Id".into()],
        unique: false
    }));
    assert!(users.references.is_empty(), "the frame's navigations are not enforced");
    let links = table(&schema, "core_role_users");
    assert_eq!(columns(links), ["Role_Id", "User_Id"]);
    assert_eq!(links.key, ["Role_Id", "User_Id"]);
    assert!(links.references.iter().all(|reference| reference.cascade) && links.references.len() == 2);
}

#[test]
fn derived_types_share_the_table_of_the_root() {
    let schema = load(None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let (node, job) = (ty(&schema, "Node"), ty(&schema, "ScheduledJob"));
    assert_eq!(node.family.len(), 4);
    assert_eq!((job.table, &job.key, job.frame, job.tenant), (node.table, &node.key, true, Some(1)));
    assert_eq!(job.properties[job.own_properties].column, "ScheduledJob_Crontab");
    assert!(job.own_navigations >= 3 && job.navigation("Children").is_some());
    let nodes = table(&schema, "core_nodes");
    let kind = nodes.columns.iter().find(|column| column.name == TYPE_COLUMN);
    assert_eq!(
        kind.map(|column| column.default.clone()),
        Some(Some(Value::Text("Odonata.Core.Node".into())))
    );
    let own = nodes.columns.iter().filter(|column| column.name.starts_with("ScheduledJob_"));
    assert!(
        own.clone().count() == 10 && own.clone().all(|column| column.nullable),
        "nine properties and a hidden key"
    );
}

#[test]
fn shared_sets_bring_their_types_with_them() {
    let schema = load(None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let diagnostics = &schema.endpoints[1];
    let shared = &schema.sets[diagnostics.set_names["Users"]];
    assert_eq!(
        (shared.endpoint, schema.types[shared.entity_type].qualified().as_str()),
        (1, "Odonata.Core.User")
    );
    let declared: Vec<_> = diagnostics.types.iter().map(|&ty| schema.types[ty].name.as_str()).collect();
    for name in ["Tenant", "User", "Customer", "ContractMapping", "EntityKind", "AuditTrail"] {
        assert!(declared.contains(&name), "{name} in {declared:?}");
    }
    assert!(!declared.contains(&"Job"), "{declared:?}");
    let users = schema.tables.iter().filter(|table| table.origin == "schema/core/User.toml");
    assert_eq!(users.count(), 1, "the table of a shared set exists once");
}

#[test]
fn an_association_has_what_the_files_say() {
    let schema = loaded(&[CUSTOMER, ORDER]);
    let [association] = &schema.associations[..] else {
        panic!("one association")
    };
    assert_eq!(
        (association.namespace.as_str(), association.name.as_str()),
        ("N", "FK_Orders_Customers")
    );
    let ends: Vec<_> = association
        .ends
        .iter()
        .map(|end| (end.role.as_str(), end.multiplicity, end.cascade))
        .collect();
    assert_eq!(
        ends,
        [("Orders", Multiplicity::Many, false), ("Customers", Multiplicity::ZeroOrOne, true)]
    );
    let constraint = association
        .constraint
        .as_ref()
        .map(|it| (it.principal, &it.principal_properties[..], &it.dependent_properties[..]));
    assert_eq!(constraint, Some((1, &["Id".to_owned()][..], &["CustomerId".to_owned()][..])));
    assert_eq!(
        nav(&schema, "Order", "Customer").join,
        Some(Join::Near {
            columns: vec!["CustomerId".into()]
        })
    );
    assert_eq!(
        nav(&schema, "Customer", "Orders").join,
        Some(Join::Far {
            columns: vec!["CustomerId".into()]
        })
    );
    assert_eq!(
        (
            nav(&schema, "Order", "Customer").from_end,
            nav(&schema, "Customer", "Orders").from_end
        ),
        (0, 1)
    );
    let orders = table(&schema, "t_orders");
    assert!(orders.references[0].cascade && orders.references[0].columns == ["CustomerId"]);
    let indexes: Vec<_> = orders.indexes.iter().map(|index| index.columns.join(",")).collect();
    assert_eq!(indexes, ["CustomerId,Id", "When,Id"]);
}

/// The file of a type `O` with a property and a navigation to `C`.
fn type_with(property: &str, navigation: &str) -> String {
    let head = "entity = \"O\"\nset = \"Os\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n";
    format!("{head}{property}\n[navigation.C]\nto = \"C\"\n{navigation}")
}

/// A navigation without partner and what comes of it: the multiplicity at its own end, the columns of the key and on which
/// side they are, whether there is a referential constraint, and whether the database enforces the key.
#[test]
#[rustfmt::skip]
fn keys_that_no_partner_mentions() {
    let customer = "entity = \"C\"\nset = \"Cs\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\nOId = { type = \"Int32\" }";
    let (nullable, required) = ("K = { type = \"Int32\", nullable = true }", "K = { type = \"Int32\" }");
    let rows = [
        (nullable, "key = [\"K\"]", "*", "near K", true, true),
        (required, "key = [\"K\"]", "*", "near K", false, false),
        (required, "key = [\"K\"]\nmultiplicity = \"1\"", "*", "near K", true, true),
        (nullable, "key = [\"K\"]\nmultiplicity = \"1\"", "*", "near K", false, true),
        (nullable, "key = [\"K\"]\nconstraint = false", "*", "near K", false, true),
        (nullable, "key = [\"K\"]\npartner_multiplicity = \"0..1\"", "0..1", "near K", false, true),
        (nullable, "key = [\"Id\"]\nmultiplicity = \"1\"\npartner_multiplicity = \"0..1\"", "0..1", "near Id", true, true),
        (nullable, "", "*", "near C_Id", false, true),
        (nullable, "multiplicity = \"*\"", "0..1", "far C_Id", false, true),
        (nullable, "multiplicity = \"*\"\ntarget_key = [\"OId\"]", "0..1", "far OId", false, false),
    ];
    for (key, navigation, multiplicity, join, constraint, reference) in rows {
        let schema = loaded(&[customer, &type_with(key, navigation)]);
        let found = nav(&schema, "O", "C");
        let association = &schema.associations[found.association];
        let shown = match &found.join {
            Some(Join::Near { columns }) => format!("near {}", columns.join(",")),
            Some(Join::Far { columns }) => format!("far {}", columns.join(",")),
            other => format!("{other:?}"),
        };
        let referenced = schema.tables.iter().any(|table| !table.references.is_empty());
        let row = (association.ends[found.from_end].multiplicity.text(), shown.as_str(), association.constraint.is_some(), referenced);
        assert_eq!(row, (multiplicity, join, constraint, reference), "{key} {navigation}");
        assert_eq!(association.name, "O_C_C_CPartner");
    }
}

#[test]
fn link_tables_between_any_two_types() {
    let person = "entity = \"Person\"\nset = \"People\"\nkey = [\"Id\"]\n[properties]\nId = { type = \"Guid\" }\n\
        [navigation.Friends]\nto = \"Person\"\nmultiplicity = \"*\"\nlink = \"Friendship\"\npartner = \"FriendsOf\"\n\
        [navigation.FriendsOf]\nto = \"Person\"\nmultiplicity = \"*\"\npartner = \"Friends\"\n\
        [navigation.Books]\nto = \"Book\"\nmultiplicity = \"*\"\npartner_multiplicity = \"*\"";
    let book = "entity = \"Book\"\nset = \"Books\"\nkey = [\"A\", \"B\"]\n[properties]\nA = { type = \"Int32\" }\nB = { type = \"Int32\" }";
    let schema = loaded(&[person, book]);
    assert_eq!(columns(table(&schema, "t_friendship")), ["Person_Id", "Friends_Id"]);
    assert_eq!(columns(table(&schema, "t_person_books_book_books_partner")), ["Id", "A", "B"]);
    let Some(Join::Link { near, far, .. }) = &nav(&schema, "Person", "FriendsOf").join else {
        panic!("a link")
    };
    assert_eq!((&near[0], &far[0]), (&"Friends_Id".to_owned(), &"Person_Id".to_owned()));
}

#[test]
fn association_sets_and_containers() {
    let a = "entity = \"A\"\nsets = [\"As\", \"Other.As\"]\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\nP = { type = \"Collection(V)\" }\n\
        [navigation.B]\nto = \"B\"\nrelationship = \"N.AB\"";
    let b = "entity = \"B\"\nsets = [\"Bs\", \"Cs\"]\nkey = [\"Id\"]\n[properties]\nId = { type = \"Int32\" }\n[complex.V]\nproperties.X = { type = \"Stream2\" }";
    let sets = "[[association_set]]\nname = \"ABs\"\nrelationship = \"N.AB\"\nsets = [\"As\", \"Cs\"]\n\
        [[operation]]\nname = \"Best\"\nreturns = \"A\"\nset = \"Other.As\"\ncontainer = \"N.Other\"";
    let schema = loaded(&[a, &b.replace("Stream2", "String"), sets]);
    let endpoint = &schema.endpoints[0];
    let set = |name: &str| endpoint.set_names[name];
    let navigation = nav(&schema, "A", "B");
    assert_eq!(schema.target_set(set("As"), navigation), Some(set("Cs")));
    assert_eq!(schema.target_set(set("Other.As"), navigation), Some(set("Bs")));
    assert_eq!(endpoint.association_sets[0].sets, [set("As"), set("Cs")]);
    assert_eq!(
        (endpoint.operations[0].container, endpoint.operations[0].set),
        (1, Some(set("Other.As")))
    );
    assert_eq!(schema.tables.len(), 2);
    let list = table(&schema, "t_as").columns.iter().find(|column| column.name == "P");
    assert_eq!(
        list.map(|column| (column.kind, column.default.clone())),
        Some((ColumnKind::Json, Some(Value::Text("[]".into()))))
    );
}

#[test]
fn columns_are_unique_where_case_does_not_count() {
    let text = "entity = \"A\"\nset = \"As\"\nkey = [\"id\"]\n[properties]\nid = { type = \"Int32\" }\nID = { type = \"Int32\" }\n\
        Photo = { type = \"Stream\" }\nB = { type = \"Boolean\", default = true }\nG = { type = \"Guid\", default = \"00000000-0000-0000-0000-000000000001\" }";
    let schema = loaded(&[text]);
    let a = ty(&schema, "A");
    assert_eq!(a.properties[0].column, "id");
    assert!(a.properties[1].column.starts_with("ID_"), "{}", a.properties[1].column);
    assert_eq!(a.properties[2].column, "Photo");
    assert_eq!(a.properties[3].default, Some(Value::Boolean(true)));
    let mut guid = vec![0; 16];
    guid[15] = 1;
    assert_eq!(a.properties[4].default, Some(Value::Bytes(guid)));
    assert_eq!(table(&schema, "t_as").columns[4].kind, ColumnKind::Primitive(Edm::Guid));
}

#[test]
fn a_thousand_types_load_quickly() {
    let type_of = |n: usize| {
        format!(
            "entity = \"E{n}\"\nset = \"S{n}\"\nkey = [\"Id\"]\n[properties]\nId = {{ type = \"Int32\" }}\nV = {{ type = \"Collection(String)\" }}\n\
             [navigation.Next]\nto = \"E{}\"\nset = \"S{}\"\n[navigation.All]\nto = \"E{}\"\nmultiplicity = \"*\"\n",
            (n + 1) % 1000,
            (n + 1) % 1000,
            (n + 7) % 1000
        )
    };
    let texts: Vec<String> = (0..1000).map(type_of).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let start = Instant::now();
    let schema = loaded(&texts);
    let took = start.elapsed();
    assert_eq!((schema.types.len(), schema.associations.len()), (1000, 2000));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Every row: files, and where which fault is to be found. There must be no others.
#[test]
fn every_fault_is_named_with_its_line() {
    let mut wrong = Vec::new();
    for (files, expected) in super::faults::TABLE {
        let problems = load_sources(vec![source(files)]).err().unwrap_or_default();
        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        let found = |(at, part): &(&str, &str)| shown.iter().any(|line| line.starts_with(&format!("{at}: ")) && line.contains(part));
        let sentences = problems.iter().all(|problem| problem.message.ends_with(['.', '?']));
        if !expected.iter().all(found) || shown.len() != expected.len() || !sentences {
            wrong.push((files, expected, shown));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn plugin_folders_are_read_from_disk() {
    let folder = std::env::temp_dir().join(format!("odonata-plugins-{}", uuid::Uuid::new_v4()));
    let shop = folder.join("shop");
    std::fs::create_dir_all(shop.join("schema")).expect("a temporary folder");
    std::fs::create_dir_all(folder.join("other/schema")).expect("a temporary folder");
    let write = |path: &str, text: &str| std::fs::write(folder.join(path), text).expect("a temporary file");
    write(
        "shop/plugin.toml",
        "name = \"shop\"\nendpoint = \"Shop\"\ntitle = \"A shop\"\nversion = \"1\"\nauthor = \"us\"\n",
    );
    write(
        "shop/schema/Thing.toml",
        "entity = \"Thing\"\nset = \"Things\"\nframe = true\ntenant = true\n[properties]\nPart = { type = \"Strong\" }\n",
    );
    write("shop/schema/notes.txt", "not a schema file");
    let problems = load(Some(&folder)).expect_err("two faults");
    let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(
        shown[0].ends_with("plugin.toml:1: The file is missing: a plugin folder needs it beside `schema`."),
        "{shown:#?}"
    );
    assert!(shown[1].ends_with("Thing.toml:6: There is no type `Strong`."), "{shown:#?}");
    std::fs::remove_dir_all(folder.join("other")).expect("a temporary folder");
    write(
        "shop/schema/Thing.toml",
        "entity = \"Thing\"\nset = \"Things\"\nframe = true\ntenant = true\n",
    );
    let schema = load(Some(&folder)).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let shop = schema.endpoint("Shop").expect("the plugin's endpoint");
    assert_eq!(
        (shop.namespace.as_str(), shop.title.as_str(), shop.sets.len()),
        ("Odonata.Shop", "A shop", 1)
    );
    assert!(load(Some(&folder.join("nowhere"))).is_ok(), "a missing folder is empty");
    std::fs::remove_dir_all(&folder).expect("a temporary folder");
}

//! What a generator of classes (the .NET client's, LINQPad's) needs of a `$metadata` document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use odata_tests::client::Client;
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::xml::{self, Element};

fn metadata(client: &Client, endpoint: &str) -> Element {
    let reply = client.get(&format!("/api/{endpoint}/$metadata")).expect("an answer");
    assert_eq!(reply.status, 200, "{endpoint}: {}", reply.text());
    xml::parse(&reply.text()).unwrap_or_else(|error| panic!("{endpoint}: {error}"))
}

/// The types, associations and sets of a document by qualified name.
#[derive(Default)]
struct Names<'a> {
    types: BTreeMap<String, &'a Element>,
    associations: BTreeMap<String, &'a Element>,
    wrong: Vec<String>,
}

fn names<'a>(document: &'a Element) -> Names<'a> {
    let mut names = Names::default();
    for schema in document.all("DataServices").flat_map(|services| services.all("Schema")) {
        let namespace = schema.attribute("Namespace").unwrap_or_default();
        if namespace.is_empty() || namespace.contains(char::is_whitespace) {
            names.wrong.push(format!("the namespace {namespace:?}"));
        }
        for element in &schema.children {
            let name = format!("{namespace}.{}", element.attribute("Name").unwrap_or_default());
            let taken = match element.local() {
                "EntityType" | "ComplexType" => {
                    names.types.insert(name.clone(), element).is_some() || names.associations.contains_key(&name)
                }
                "Association" => names.associations.insert(name.clone(), element).is_some() || names.types.contains_key(&name),
                _ => false,
            };
            if taken {
                names.wrong.push(format!("{name} twice"));
            }
        }
    }
    let namespaces: BTreeSet<&str> = document
        .all("DataServices")
        .flat_map(|services| services.all("Schema"))
        .filter_map(|schema| schema.attribute("Namespace"))
        .collect();
    let equal: Vec<String> = names
        .types
        .keys()
        .filter(|name| namespaces.contains(name.as_str()))
        .cloned()
        .collect();
    names
        .wrong
        .extend(equal.into_iter().map(|name| format!("the type {name} is a namespace too")));
    names
}

/// What a generator of classes would trip over.
fn faults(document: &Element) -> Vec<String> {
    let Names {
        types,
        associations,
        mut wrong,
    } = names(document);
    for (name, ty) in &types {
        let mut members = BTreeSet::new();
        let mut ancestors = vec![*ty];
        while let Some(base) = ancestors.last().and_then(|ty| ty.attribute("BaseType")) {
            match types.get(base) {
                Some(base) if ancestors.len() < 50 => ancestors.push(base),
                _ => {
                    wrong.push(format!("{name} has no base {base}"));
                    break;
                }
            }
        }
        for member in ancestors
            .iter()
            .flat_map(|ty| &ty.children)
            .filter(|child| ["Property", "NavigationProperty"].contains(&child.local()))
        {
            let member = member.attribute("Name").unwrap_or_default();
            if !members.insert(member) {
                wrong.push(format!("{name} has {member} twice"));
            }
        }
        for navigation in ty.all("NavigationProperty") {
            let association = navigation.attribute("Relationship").and_then(|name| associations.get(name));
            let role =
                |role: &str| association.and_then(|found| found.all("End").find(|end| end.attribute("Role") == navigation.attribute(role)));
            let from = role("FromRole").and_then(|end| end.attribute("Type"));
            if from != Some(name) || role("ToRole").is_none_or(|end| !types.contains_key(end.attribute("Type").unwrap_or_default())) {
                wrong.push(format!(
                    "{name}/{} fits no association",
                    navigation.attribute("Name").unwrap_or_default()
                ));
            }
        }
    }
    let containers: Vec<&Element> = document
        .descendants()
        .into_iter()
        .filter(|element| element.local() == "EntityContainer")
        .collect();
    let default = containers
        .iter()
        .filter(|container| container.attribute("m:IsDefaultEntityContainer") == Some("true"));
    if default.count() != 1 {
        wrong.push("not one default container".to_owned());
    }
    for container in containers {
        wrong.extend(container_faults(container, &types, &associations));
    }
    wrong
}

/// Sets of known types, names once, and for every association between sets an association set with both ends (MET-29, MET-32).
fn container_faults(container: &Element, types: &BTreeMap<String, &Element>, associations: &BTreeMap<String, &Element>) -> Vec<String> {
    let mut wrong = Vec::new();
    let sets: BTreeMap<&str, &str> = container
        .all("EntitySet")
        .map(|set| {
            (
                set.attribute("Name").unwrap_or_default(),
                set.attribute("EntityType").unwrap_or_default(),
            )
        })
        .collect();
    let mut taken = BTreeSet::new();
    for element in container.children.iter().filter(|element| element.local() != "FunctionImport") {
        let name = element.attribute("Name").unwrap_or_default();
        if !taken.insert(name) {
            wrong.push(format!("{name} twice"));
        }
    }
    wrong.extend(
        sets.iter()
            .filter(|(_, ty)| !types.contains_key(**ty))
            .map(|(set, ty)| format!("{set} of the unknown type {ty}")),
    );
    let mut covered = BTreeSet::new();
    for set in container.all("AssociationSet") {
        let name = set.attribute("Association").unwrap_or_default();
        covered.insert(name);
        let Some(association) = associations.get(name) else {
            wrong.push(format!("an association set of {name}"));
            continue;
        };
        for end in association.all("End") {
            let there = set.all("End").find(|other| other.attribute("Role") == end.attribute("Role"));
            if there
                .and_then(|end| end.attribute("EntitySet"))
                .is_none_or(|set| !sets.contains_key(set))
            {
                wrong.push(format!("the association set of {name} lacks an end"));
            }
        }
    }
    let is_served = |end: &Element| sets.values().any(|ty| end.attribute("Type") == Some(*ty));
    let lacking = associations
        .iter()
        .filter(|(name, association)| !covered.contains(name.as_str()) && association.all("End").all(&is_served));
    if container.attribute("m:IsDefaultEntityContainer") == Some("true") {
        wrong.extend(lacking.map(|(name, _)| format!("no association set of {name}")));
    }
    wrong
}

/// CLI-34, MET-21, MET-29, MET-31, MET-32: every document that is served can be made into classes.
#[test]
fn documents_can_be_compiled() {
    let names = ["shop", "desk", "trade", "album", "bags", "museum", "webapi", "astoria"].map(str::to_owned);
    let fixture = Fixture::prepare(&names, &[], System::Sqlite)
        .expect("the fixture is good")
        .expect("it is here");
    let mut endpoints = [
        "Core",
        "Diagnostics",
        "Model",
        "Shop",
        "Desk",
        "Trade",
        "Album",
        "Bags",
        "Museum",
        "WebApi",
        "Astoria",
    ]
    .map(str::to_owned)
    .to_vec();
    match odata_tests::shared() {
        Some(shared) => endpoints.extend(import_samples(&fixture, &shared.join("metadata-samples"))),
        None => println!("skipped in part: no ../shared with sample documents"),
    }
    let site = fixture.serve(&[]).expect("the server starts");
    let client = site.server.admin();
    for endpoint in endpoints {
        let document = metadata(&client, &endpoint);
        assert_eq!(faults(&document), Vec::<String>::new(), "{endpoint}");
    }
}

fn import_samples(fixture: &Fixture, folder: &Path) -> Vec<String> {
    let samples = [("northwind-v3.edmx", "Northwind"), ("odata-demo-v3.edmx", "Demo")];
    let names = samples.map(|(file, endpoint)| {
        let imported = fixture.run(&["import", &folder.join(file).to_string_lossy(), "--endpoint", endpoint]);
        imported.unwrap_or_else(|error| panic!("{file}: {error}"));
        endpoint.to_owned()
    });
    names.to_vec()
}

//! `$metadata`: each sample is imported and served, and the facts are asked of the served document.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{Vector, Verdict};
use crate::database::System;
use crate::fixture::Fixture;
use crate::xml::{self, Element};

/// Files and the endpoints that they become.
const SAMPLES: &[(&str, &str)] = &[
    ("northwind-v3.edmx", "Northwind"),
    ("odata-demo-v3.edmx", "Demo"),
    ("olingo-static-v30.xml", "Olingo"),
    ("appclusive-core.edmx", "Appclusive"),
    ("sharepoint-2013.xml", "SharePoint"),
    ("nuget-gallery-feed.edmx", "NuGet"),
];

/// Runs the rows of the file.
pub fn run(vectors: &[&Vector], shared: &Path, system: System, verdicts: &mut BTreeMap<String, Verdict>) {
    let fixture = Fixture::prepare(&[], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    let mut endpoints: BTreeMap<String, Result<String, String>> = BTreeMap::new();
    let mut import = |label: &str, file: &Path, endpoint: &str| {
        let imported = fixture.run(&["import", &file.to_string_lossy(), "--endpoint", endpoint]);
        endpoints.insert(label.to_owned(), imported.map(|()| endpoint.to_owned()));
    };
    for (file, endpoint) in SAMPLES {
        import(file, &shared.join("metadata-samples").join(file), endpoint);
    }
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    for (number, vector) in vectors.iter().filter(|vector| vector.input()["body"].is_string()).enumerate() {
        let file = folder.path().join(format!("{number}.edmx"));
        std::fs::write(&file, vector.input()["body"].as_str().unwrap_or_default()).expect("a file can be written");
        // The rows after it name the document by its label.
        let label = vectors
            .iter()
            .skip_while(|other| other.id != vector.id)
            .find_map(|other| other.input()["document"].as_str());
        import(label.unwrap_or_default(), &file, &format!("Inline{number}"));
    }
    let site = match fixture.serve(&[]) {
        Ok(site) => site,
        Err(log) => {
            let verdict = Verdict::Fail(format!("the imported endpoints are not served: {log}"));
            return verdicts.extend(vectors.iter().map(|vector| (vector.id.clone(), verdict.clone())));
        }
    };
    let client = site.server.admin();
    let mut documents: BTreeMap<String, Result<Element, String>> = BTreeMap::new();
    for (label, endpoint) in &endpoints {
        let document = endpoint.clone().and_then(|endpoint| {
            let reply = client
                .get(&format!("/api/{endpoint}/$metadata"))
                .map_err(|error| error.to_string())?;
            if reply.status == 200 {
                xml::parse(&reply.text())
            } else {
                Err(format!("{} {}", reply.status, reply.text()))
            }
        });
        documents.insert(label.clone(), document);
    }
    let mut inline = String::new();
    for vector in vectors {
        let input = vector.input();
        if input["body"].is_string() {
            let label = vectors
                .iter()
                .skip_while(|other| other.id != vector.id)
                .find_map(|other| other.input()["document"].as_str());
            inline = label.unwrap_or_default().to_owned();
        }
        let label = input["file"].as_str().or(input["document"].as_str()).unwrap_or(&inline);
        let verdict = match documents.get(label) {
            Some(Ok(document)) => judge(vector, document),
            Some(Err(what)) => Verdict::Fail(format!("{label}: {}", what.lines().next().unwrap_or_default())),
            None => Verdict::Fail(format!("no document {label}")),
        };
        verdicts.insert(vector.id.clone(), verdict);
    }
}

fn judge(vector: &Vector, document: &Element) -> Verdict {
    let (input, expect) = (vector.input(), vector.expect());
    let found = match input["check"].as_str().unwrap_or_default() {
        "document" => document_facts(document),
        "type" => type_facts(document, input["type"].as_str().unwrap_or_default()),
        "navigation" => navigation_facts(
            document,
            input["type"].as_str().unwrap_or_default(),
            input["property"].as_str().unwrap_or_default(),
        ),
        "function-import" => {
            // An overloaded name: one of them must be the expected one.
            let all = imports(document, input["name"].as_str().unwrap_or_default());
            return Verdict::when(all.iter().any(|facts| differences(expect, facts).is_empty()), || {
                all.first()
                    .map_or("missing".to_owned(), |facts| differences(expect, facts).join("; "))
            });
        }
        check => return Verdict::Fail(format!("no test for {check}")),
    };
    let wrong = differences(expect, &found);
    Verdict::when(wrong.is_empty(), || wrong.join("; "))
}

/// Expected members that are not so.
fn differences(expect: &Value, found: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, value) in expect.as_object().into_iter().flatten() {
        let names = |list: &Value| -> BTreeSet<String> {
            let names = list
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|schema| schema["Namespace"].as_str());
            names.map(str::to_owned).collect()
        };
        let same = match name.as_str() {
            // Not every source has it; ours always does (MET-2).
            "MaxDataServiceVersion" => value.is_null() || *value == found[name],
            // The writer always writes the newest namespace of CSDL (MET-5); the order has no meaning.
            "schemas" => names(value) == names(&found[name]),
            _ => *value == found[name],
        };
        if !same {
            wrong.push(format!("{name} is {}, expected {value}", found[name]));
        }
    }
    wrong
}

fn schemas(document: &Element) -> Vec<&Element> {
    document
        .descendants()
        .into_iter()
        .filter(|element| element.local() == "Schema")
        .collect()
}

fn document_facts(document: &Element) -> Value {
    let services = document.all("DataServices").next().cloned().unwrap_or_default();
    let all = document.descendants();
    let counts = [
        "EntityType",
        "ComplexType",
        "EnumType",
        "Association",
        "EntityContainer",
        "EntitySet",
        "AssociationSet",
        "FunctionImport",
        "Property",
        "NavigationProperty",
    ];
    let counts = counts
        .iter()
        .map(|name| (*name, all.iter().filter(|element| element.local() == *name).count()));
    let counts: serde_json::Map<String, Value> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    let schemas: Vec<Value> = schemas(document)
        .iter()
        .map(|schema| serde_json::json!({ "Namespace": schema.attribute("Namespace"), "xmlns": schema.attribute("xmlns") }))
        .collect();
    serde_json::json!({
        "edmx_version": document.attribute("Version"),
        "DataServiceVersion": services.attribute("m:DataServiceVersion"),
        "MaxDataServiceVersion": services.attribute("m:MaxDataServiceVersion"),
        "schemas": schemas,
        "counts": counts,
    })
}

fn find<'a>(document: &'a Element, name: &str, kinds: &[&str]) -> Option<&'a Element> {
    let (namespace, local) = name.rsplit_once('.')?;
    let schemas = schemas(document)
        .into_iter()
        .filter(|schema| schema.attribute("Namespace") == Some(namespace));
    let mut all = schemas.flat_map(|schema| &schema.children);
    all.find(|element| kinds.contains(&element.local()) && element.attribute("Name") == Some(local))
}

/// A type and what it derives from.
fn family<'a>(document: &'a Element, element: &'a Element) -> Vec<&'a Element> {
    let mut family = vec![element];
    while let Some(base) = family.last().and_then(|last| last.attribute("BaseType")) {
        match find(document, base, &["EntityType", "ComplexType"]) {
            Some(next) if family.len() < 50 => family.push(next),
            _ => break,
        }
    }
    family
}

fn type_facts(document: &Element, name: &str) -> Value {
    let Some(element) = find(document, name, &["EntityType", "ComplexType"]) else {
        return Value::Null;
    };
    let texts = |values: Vec<&str>| Value::from(values);
    let mut facts = serde_json::Map::new();
    let is_entity = element.local() == "EntityType";
    facts.insert("kind".to_owned(), if is_entity { "entity" } else { "complex" }.into());
    // A derived type has its root's key (MET-20), and is open when its base is (MET-30).
    let family = family(document, element);
    let keys = family
        .iter()
        .flat_map(|ancestor| ancestor.all("Key"))
        .flat_map(|key| key.all("PropertyRef"));
    facts.insert("key".to_owned(), texts(keys.filter_map(|key| key.attribute("Name")).collect()));
    let open = family.iter().find_map(|ancestor| ancestor.attribute("OpenType"));
    facts.insert("OpenType".to_owned(), open.into());
    let properties: Vec<&Element> = element.all("Property").collect();
    let own = properties.iter().map(|property| {
        let not_null = if property.attribute("Nullable") == Some("false") {
            " not null"
        } else {
            ""
        };
        let ty = format!("{}{not_null}", property.attribute("Type").unwrap_or_default());
        (property.attribute("Name").unwrap_or_default().to_owned(), Value::from(ty))
    });
    facts.insert("own_properties".to_owned(), Value::Object(own.collect()));
    facts.insert(
        "navigation".to_owned(),
        texts(element.all("NavigationProperty").filter_map(|nav| nav.attribute("Name")).collect()),
    );
    for attribute in ["BaseType", "Abstract"] {
        facts.insert(attribute.to_owned(), element.attribute(attribute).into());
    }
    facts.insert("HasStream".to_owned(), element.attribute("m:HasStream").into());
    let named = |wanted: &dyn Fn(&Element) -> bool| -> Value {
        let names = properties
            .iter()
            .filter(|property| wanted(property))
            .filter_map(|property| property.attribute("Name"));
        texts(names.collect())
    };
    facts.insert(
        "etag_properties".to_owned(),
        named(&|property| property.attribute("ConcurrencyMode") == Some("Fixed")),
    );
    facts.insert(
        "named_streams".to_owned(),
        named(&|property| property.attribute("Type") == Some("Edm.Stream")),
    );
    let mut customised = serde_json::Map::new();
    for (name, element) in properties
        .iter()
        .map(|property| (property.attribute("Name").unwrap_or_default(), *property))
        .chain([("", element)])
    {
        let attributes = element.attributes.iter().filter_map(|(attribute, value)| {
            let attribute = attribute.rsplit(':').next()?;
            attribute
                .starts_with("FC_")
                .then(|| (attribute.to_owned(), Value::from(value.as_str())))
        });
        let attributes: serde_json::Map<String, Value> = attributes.collect();
        if !attributes.is_empty() {
            customised.insert(name.to_owned(), Value::Object(attributes));
        }
    }
    facts.insert("feed_customisation".to_owned(), Value::Object(customised));
    Value::Object(facts)
}

fn navigation_facts(document: &Element, name: &str, property: &str) -> Value {
    let find_end = || {
        let element = find(document, name, &["EntityType"])?;
        let navigation = element
            .all("NavigationProperty")
            .find(|nav| nav.attribute("Name") == Some(property))?;
        let association = find(document, navigation.attribute("Relationship")?, &["Association"])?;
        let end = association
            .all("End")
            .find(|end| end.attribute("Role") == navigation.attribute("ToRole"))?;
        let multiplicity = end.attribute("Multiplicity")?;
        Some(serde_json::json!({ "target": end.attribute("Type"), "multiplicity": multiplicity, "collection": multiplicity == "*" }))
    };
    find_end().unwrap_or_default()
}

fn imports(document: &Element, name: &str) -> Vec<Value> {
    let all = document.descendants();
    let named = all
        .iter()
        .filter(|element| element.local() == "FunctionImport" && element.attribute("Name") == Some(name));
    named
        .map(|import| {
            let method = import.attribute("m:HttpMethod");
            // MET-41
            let kind = match (method, import.attribute("IsSideEffecting")) {
                (Some(_), _) => "service operation",
                (None, Some("false")) => "function",
                (None, _) => "action",
            };
            let parameters: Vec<Value> = import
                .all("Parameter")
                .map(|parameter| serde_json::json!([parameter.attribute("Name"), parameter.attribute("Type")]))
                .collect();
            let child = import.all("ReturnType").next().and_then(|result| result.attribute("Type"));
            serde_json::json!({
                "kind": kind,
                "HttpMethod": method,
                "ReturnType": import.attribute("ReturnType").or(child),
                "EntitySet": import.attribute("EntitySet"),
                "IsBindable": import.attribute("IsBindable"),
                "IsAlwaysBindable": import.attribute("m:IsAlwaysBindable"),
                "parameters": parameters,
            })
        })
        .collect()
}

//! A service that is to be replaced: its `$metadata` is imported, its clients' queries are asked. The queries are the rows of the table in
//! section 6.4 of `../shared/reference/appclusive.md`; each gets an entity that it must find, posted as its clients post.

use std::collections::BTreeMap;

use odata_tests::client::{Client, encode};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::queries::{Query, TENANT, queries, wanted};
use odata_tests::xml::{self, Element};
use serde_json::{Map, Value, json};

/// Keys that queries name without wanting anything else of the entity; what is there before the clients come.
const KEYS: [i64; 11] = [1, 2, 3, 5, 7, 15, 16, 31, 35, 42, 38371];

/// A set's type.
struct Set {
    /// Names, types, and whether they may be null.
    properties: Vec<(String, String, bool)>,
    /// Its entities are in another set too.
    derived: bool,
}

impl Set {
    fn has(&self, name: &str, ty: &str) -> bool {
        self.properties
            .iter()
            .any(|(property, of, _)| property == name && (ty.is_empty() || of == ty))
    }
}

type Sets = BTreeMap<String, Set>;

fn sets(document: &Element) -> Sets {
    let all = document.descendants();
    let named = |name: &str| {
        all.iter()
            .find(|element| element.local() == "EntityType" && element.attribute("Name") == name.rsplit('.').next())
            .copied()
    };
    let set = |set: &&Element| {
        let of = named(set.attribute("EntityType").unwrap_or_default());
        let (mut properties, mut at) = (Vec::new(), of);
        while let Some(ty) = at {
            properties.extend(ty.all("Property").map(|property| {
                let text = |attribute: &str| property.attribute(attribute).unwrap_or_default().to_owned();
                (text("Name"), text("Type"), text("Nullable") != "false")
            }));
            at = ty.attribute("BaseType").and_then(named);
        }
        let derived = of.is_some_and(|ty| ty.attribute("BaseType").is_some());
        (set.attribute("Name").unwrap_or_default().to_owned(), Set { properties, derived })
    };
    all.iter().filter(|element| element.local() == "EntitySet").map(set).collect()
}

/// A whole entity as a client sends it: `Id` 0 unless somebody wants another, keys of others 0 for "none", nothing left out.
fn entity(set: &Set, wanted: &BTreeMap<String, Value>) -> Value {
    let mut members = Map::new();
    for (name, ty, nullable) in &set.properties {
        let value = match wanted.get(name) {
            Some(value) => value.clone(),
            None => match ty.as_str() {
                _ if *nullable => Value::Null,
                "Edm.String" => "some".into(),
                "Edm.Guid" => TENANT.into(),
                "Edm.DateTimeOffset" => "2016-01-02T03:04:05Z".into(),
                "Edm.DateTime" => "2016-01-02T03:04:05".into(),
                "Edm.Boolean" => false.into(),
                ty if ty.starts_with("Collection(") => json!([]),
                _ => 0.into(),
            },
        };
        members.insert(name.clone(), value);
    }
    Value::Object(members)
}

/// What is there before the clients come: entities with the keys that they name, each of which everything else refers to.
fn prepare(fixture: &Fixture, endpoint: &str, sets: &Sets) {
    let mut left: Vec<(&String, &Set)> = sets.iter().filter(|(_, set)| set.has("Id", "")).collect();
    while !left.is_empty() {
        let before = left.len();
        let mut said = String::new();
        // Some are refused until what they refer to is there.
        left.retain(|(name, set)| {
            let file = fixture.plugins().join("rows.json");
            std::fs::write(&file, Value::Array(prepared(name, set)).to_string()).expect("a file can be written");
            let loaded = fixture.run(&["load", &format!("{endpoint}/{name}"), &file.to_string_lossy()]);
            loaded.map_err(|error| said = format!("{name}: {error}")).is_err()
        });
        assert!(left.len() < before, "{said}");
    }
}

fn prepared(name: &str, set: &Set) -> Vec<Value> {
    let has_guid_key = set.has("Id", "Edm.Guid");
    // Rows of a derived type are in the table of its base.
    let first = if set.derived { 100_000 * name.len() } else { 0 };
    let row = |key: &i64| {
        let references = set
            .properties
            .iter()
            .filter(|(name, ty, _)| name.ends_with("Id") && ty == "Edm.Int64");
        let mut wanted: BTreeMap<String, Value> = references.map(|(name, _, _)| (name.clone(), json!(5))).collect();
        let key = if has_guid_key { TENANT.into() } else { json!(key + first as i64) };
        wanted.insert("Id".to_owned(), key);
        entity(set, &wanted)
    };
    let keys = KEYS.iter().filter(|key| !has_guid_key || **key == 5);
    keys.map(row).collect()
}

/// Rows that only the server writes, as a filter wants them.
fn prepare_trails(fixture: &Fixture, queries: &[Query]) {
    let mut rows = Vec::new();
    for query in queries.iter().filter(|query| query.place == "Diagnostics/AuditTrails") {
        let mut row = json!({"Id": 1_000 + query.number, "Name": "a", "EntityId": "1", "EntityType": "a", "EntityState": "a", "Original": "", "Current": ""});
        for (name, value) in query.filter().map(wanted).unwrap_or_default() {
            row[name] = value;
        }
        rows.push(row);
    }
    let file = fixture.plugins().join("rows.json");
    std::fs::write(&file, Value::Array(rows).to_string()).expect("a file can be written");
    fixture
        .run(&["load", "Diagnostics/AuditTrails", &file.to_string_lossy()])
        .expect("they are loaded");
}

fn get(client: &Client, target: &str) -> (u16, Value) {
    let reply = client.get(target).unwrap_or_else(|error| panic!("{target}: {error}"));
    let body = if reply.body.is_empty() { Value::Null } else { reply.json() };
    (reply.status, body)
}

/// A service with the imported endpoint `ApcCore`, and what has no stored metadata.
struct Service {
    site: Site,
    sets: BTreeMap<&'static str, Sets>,
}

fn service(system: System, queries: &[Query], model: &str) -> Service {
    let fixture = Fixture::prepare(&["cmp".to_owned(), "core2".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    fixture
        .run(&["import", model, "--endpoint", "ApcCore"])
        .expect("the document is imported");
    let imported = sets(&xml::parse(&std::fs::read_to_string(model).expect("it can be read")).expect("it is XML"));
    prepare(&fixture, "ApcCore", &imported);
    prepare_trails(&fixture, queries);
    let site = fixture.serve(&[]).expect("the server starts");
    let client = site.server.admin();
    let mut all = BTreeMap::from([("ApcCore", imported)]);
    for endpoint in ["Core", "Cmp", "Core2", "Diagnostics"] {
        let text = client.get(&format!("/api/{endpoint}/$metadata")).expect("an answer").text();
        all.insert(endpoint, sets(&xml::parse(&text).expect("it is XML")));
    }
    Service { site, sets: all }
}

impl Service {
    /// Posts an entity for a query; the answer is its key. None where the set is only read.
    fn post(&self, client: &Client, endpoint: &str, set: &str, query: &Query) -> Option<Value> {
        let mut wanted = query.filter().map(wanted)?;
        let of = &self.sets[endpoint][set];
        if of.has("Id", "Edm.Guid") {
            wanted
                .entry("Id".to_owned())
                .or_insert_with(|| format!("{:08}-0000-0000-0000-000000000000", query.number).into());
        }
        let body = entity(of, &wanted).to_string();
        let reply = client.post(&format!("/api/{endpoint}/{set}"), &body).expect("an answer");
        // There already: a query that wants a certain key and nothing else.
        if reply.status == 409 {
            return wanted.get("Id").cloned();
        }
        assert_eq!(reply.status, 201, "{} {set} {body}: {}", query.number, reply.text());
        Some(reply.json()["Id"].clone())
    }

    /// Asks a query of one set, with blanks as `%20` and as `+`.
    fn ask(&self, client: &Client, endpoint: &str, rest: &str, query: &Query, wanted: Option<&Value>) {
        let target = format!("/api/{endpoint}/{rest}");
        let [escaped, plus] = ["%20", "+"].map(|blank| match query.options.is_empty() {
            true => encode(&target),
            false => encode(&format!("{target}?{}", query.options.join("&").replace(' ', blank))),
        });
        let (status, body) = get(client, &escaped);
        assert_eq!(status, query.status, "{} {escaped}: {body}", query.number);
        assert_eq!(get(client, &plus), (status, body.clone()), "{} {plus}", query.number);
        let is_part = query
            .options
            .iter()
            .any(|option| option.starts_with("$skip=4") || option.starts_with("$top=1"));
        match (&body["value"], wanted) {
            (Value::Array(found), Some(key)) if !is_part => {
                let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert!(
                    found.iter().any(|entity| text(&entity["Id"]) == text(key)),
                    "{} {escaped}: {key} is not in {body}",
                    query.number
                );
            }
            (Value::Array(found), Some(_)) if !escaped.contains("$skip=4") => assert!(!found.is_empty(), "{} {escaped}", query.number),
            _ => {}
        }
    }

    /// Whether what a query expands or goes to is there.
    fn leads_somewhere(&self, client: &Client, query: &Query) {
        let target = format!("/api/Apc{}?{}", query.place, query.options.join("&"));
        let (_, body) = get(client, &encode(target.trim_end_matches('?')));
        let is_there = |value: &Value| value.as_array().map_or(!value.is_null(), |items| !items.is_empty());
        let expanded = query.options.iter().find_map(|option| option.strip_prefix("$expand="));
        for navigation in expanded.into_iter().flat_map(|list| list.split(',')) {
            assert!(is_there(&body[navigation]), "{} {target}: no {navigation} in {body}", query.number);
        }
        let found = body.get("value").unwrap_or(&body);
        assert!(is_there(found), "{} {target}: {body}", query.number);
    }

    fn run(&self, query: &Query) {
        let client = self.site.server.admin();
        let (endpoint, rest) = query.place.split_once('/').expect("a place has an endpoint");
        let endpoint = match endpoint {
            "Core" if query.second_generation => "Core2",
            "Core" => "ApcCore",
            other => other,
        };
        let set = rest.split(['(', '/']).next().unwrap_or_default();
        let members: Vec<String> = query.filter().map(wanted).unwrap_or_default().into_keys().collect();
        let sets = &self.sets[endpoint];
        let has_all = |name: &&String| members.iter().all(|member| sets[*name].has(member, ""));
        let asked: Vec<&String> = match set {
            "*" => sets.keys().filter(has_all).collect(),
            set => sets.keys().filter(|name| *name == set).collect(),
        };
        assert!(!asked.is_empty(), "{}: no set {set}", query.number);
        for set in asked {
            let is_written = endpoint != "Diagnostics" && !rest.contains("(5L)") && query.status == 200;
            let key = if is_written {
                self.post(&client, endpoint, set, query)
            } else {
                None
            };
            if query.place.contains("(5L)") || query.place.contains("(guid") {
                self.leads_somewhere(&client, query);
            }
            let rest = rest.replace('*', set);
            self.ask(&client, endpoint, &rest, query, key.as_ref());
            // The built-in sets have the same shapes.
            if endpoint == "ApcCore" && self.sets["Core"].contains_key(set.as_str()) && !rest.contains('(') {
                self.ask(&client, "Core", &rest, query, None);
            }
        }
    }
}

/// Every query of the table is answered, on both databases, and finds what it is there to find.
#[test]
fn the_queries_of_its_clients_are_answered() {
    let Some(shared) = odata_tests::shared() else {
        println!("skipped: no ../shared with the queries");
        return;
    };
    let text = std::fs::read_to_string(shared.join("reference/appclusive.md")).expect("the table can be read");
    let queries = queries(&text);
    let mut numbers: Vec<usize> = queries.iter().map(|query| query.number).collect();
    numbers.dedup();
    assert_eq!(numbers, (1..=124).collect::<Vec<_>>());
    let model = shared.join("metadata-samples/appclusive-core.edmx");
    for system in System::all() {
        let service = service(system, &queries, &model.to_string_lossy());
        pairs_of_both_sides(&service);
        for query in &queries {
            service.run(query);
        }
        everything_in_pages(&service);
        names_stay(&service);
        println!("{}: {} queries of {} rows", system.name(), queries.len(), numbers.len());
    }
}

/// Row 102: `$top=10000`, then next links until there is none.
fn everything_in_pages(service: &Service) {
    let client = service.site.server.admin();
    for number in 0..60 {
        let body = entity(
            &service.sets["ApcCore"]["Products"],
            &BTreeMap::from([("Name".to_owned(), json!(format!("p{number}")))]),
        );
        assert_eq!(
            client.post("/api/ApcCore/Products", &body.to_string()).expect("an answer").status,
            201
        );
    }
    let (mut target, mut found, mut pages) = ("/api/ApcCore/Products?$top=10000".to_owned(), Vec::new(), 0);
    loop {
        let (status, body) = get(&client, &target);
        assert_eq!(status, 200, "{target}: {body}");
        pages += 1;
        found.extend(
            body["value"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|product| product["Id"].to_string()),
        );
        let Some(next) = body["odata.nextLink"].as_str() else { break };
        target = next
            .split_once("/api/")
            .map(|(_, rest)| format!("/api/{rest}"))
            .expect("a link below the root");
    }
    let count = client.get("/api/ApcCore/Products/$count").expect("an answer").text();
    assert_eq!((found.len().to_string(), pages > 1), (count, true));
    found.sort();
    found.dedup();
    assert_eq!(
        found.len().to_string(),
        client.get("/api/ApcCore/Products/$count").expect("an answer").text()
    );
}

/// A role has permissions and users, who have other roles: links made on one side are seen from the other.
fn pairs_of_both_sides(service: &Service) {
    let client = service.site.server.admin();
    for role in [5, 7] {
        for (navigation, set) in [("Permissions", "Permissions"), ("Users", "Users")] {
            let body = json!({ "url": format!("{set}(5L)") }).to_string();
            let reply = client
                .post(&format!("/api/ApcCore/Roles({role}L)/$links/{navigation}"), &body)
                .expect("an answer");
            assert_eq!(reply.status, 204, "{}", reply.text());
        }
    }
    let ids = |target: &str| -> Vec<Value> {
        let (status, body) = get(&client, target);
        assert_eq!(status, 200, "{target}: {body}");
        body["value"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entity| entity["Id"].clone())
            .collect()
    };
    assert_eq!(ids("/api/ApcCore/Permissions(5L)/Roles"), ["5", "7"]);
    assert_eq!(ids("/api/ApcCore/Roles(5L)/Permissions"), ["5"]);
    assert_eq!(ids("/api/ApcCore/Roles?$filter=Users/any(u:u/Id%20eq%205)&$orderby=Id"), ["5", "7"]);
    let (status, role) = get(&client, "/api/ApcCore/Roles(5L)?$expand=Permissions,Users,CreatedBy,ModifiedBy");
    assert_eq!(
        (
            status,
            &role["Permissions"][0]["Id"],
            &role["Users"][0]["Id"],
            &role["CreatedBy"]["Id"]
        ),
        (200, &json!("5"), &json!("5"), &json!("5"))
    );
    let reply = client
        .send("DELETE", "/api/ApcCore/Permissions(5L)/$links/Roles(7L)", &[], None)
        .expect("an answer");
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(ids("/api/ApcCore/Roles(7L)/Permissions"), Vec::<Value>::new());
}

/// A drop-in replacement has the old names: of types, of the container, of associations; and numbers what comes with 0.
fn names_stay(service: &Service) {
    let client = service.site.server.admin();
    let text = client.get("/api/ApcCore/$metadata").expect("an answer").text();
    for part in [
        "<Schema Namespace=\"biz.dfch.CS.Appclusive.Core.OdataServices.Core\"",
        "<Schema Namespace=\"Default\"",
        "<EntityContainer Name=\"Core\" m:IsDefaultEntityContainer=\"true\"",
        "<FunctionImport Name=\"InvokeAction\"",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let body = entity(
        &service.sets["ApcCore"]["KeyNameValues"],
        &BTreeMap::from([("Key".to_owned(), json!("numbered"))]),
    );
    let mut keys = Vec::new();
    for _ in 0..2 {
        let reply = client.post("/api/ApcCore/KeyNameValues", &body.to_string()).expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.text());
        keys.push(reply.json()["Id"].as_str().and_then(|id| id.parse::<i64>().ok()).expect("a number"));
    }
    assert!(keys[0] > 38371 && keys[1] == keys[0] + 1, "{keys:?}");
}

//! JSON light bodies and errors. An entity is posted as the capture has it, and what comes back in full metadata compared; a
//! property goes through the library; links, nulls and service documents are compared with those of the imported model.

use std::collections::BTreeMap;
use std::path::Path;

use odonata::model::edm::{Edm, Value};
use odonata::model::schema::{Facets, Schema, Type};
use odonata::odata::{json, json_read, json_tree};
use serde_json::Value as Json;

use super::filters::message;
use super::{Vector, Verdict};
use crate::client::Client;
use crate::database::System;
use crate::fixture::Fixture;
use crate::xml;

const FULL: (&str, &str) = ("Accept", "application/json;odata=fullmetadata");

/// Runs the JSON light rows of both files, and the errors.
pub fn run(webapi: &[&Vector], olingo: &[&Vector], shared: &Path, system: System, verdicts: &mut BTreeMap<String, Verdict>) {
    let fixture = Fixture::prepare(&["shop".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    for (file, endpoint) in [("olingo-static-v30.xml", "Olingo"), ("odata-demo-v3.edmx", "Demo")] {
        let file = shared.join("metadata-samples").join(file);
        if let Err(error) = fixture.run(&["import", &file.to_string_lossy(), "--endpoint", endpoint]) {
            println!("{endpoint}: {error}");
        }
    }
    let site = fixture.serve(&[]).expect("the server starts");
    let mut runner = Runner {
        client: site.server.admin(),
        tags: BTreeMap::new(),
    };
    for vector in webapi
        .iter()
        .filter(|vector| matches!(vector.kind.as_str(), "payload-jsonlight" | "metadata"))
        .filter(|vector| !vector.input()["action_parameters"].is_string())
    {
        verdicts.insert(vector.id.clone(), runner.webapi(vector));
    }
    let is_light = |vector: &&&Vector| matches!(vector.kind.as_str(), "payload-jsonlight" | "error");
    // Tags stand in rows of their own, of entities in other rows.
    let (tags, others): (Vec<&Vector>, Vec<&Vector>) = olingo
        .iter()
        .filter(is_light)
        .partition(|vector| vector.input()["etag"].is_string());
    for vector in others {
        verdicts.insert(vector.id.clone(), runner.olingo(vector));
    }
    for vector in tags {
        verdicts.insert(vector.id.clone(), runner.tag(vector));
    }
}

struct Runner {
    client: Client,
    /// Captured id of an entity, and the tag that this server gave it.
    tags: BTreeMap<String, String>,
}

impl Runner {
    fn webapi(&mut self, vector: &Vector) -> Verdict {
        if vector.kind == "metadata" {
            return Verdict::out("a document of the source's own model, without facts to ask");
        }
        let input = vector.input();
        if input["scenario"].is_string() {
            return self.tag_levels();
        }
        if input["request"].is_string() {
            let cast = input["request"].as_str().is_some_and(|request| request.contains("NS.BigPet where"));
            let target = if cast {
                "/api/Shop/Products(10)/Odonata.Shop.Frozen"
            } else {
                "/api/Shop/Products(10)"
            };
            let there = self.client.get(target).is_ok_and(|reply| reply.json()["odata.type"].is_string());
            return Verdict::when(vector.expect()["odata.type_present"] == there, || {
                format!("odata.type is there: {there}")
            });
        }
        let body = input["body"].as_str().unwrap_or_default();
        match vector.expect()["payload"].as_str().unwrap_or_default() {
            "property" | "collection" => property(body, vector.expect()["value"]["type"].as_str()),
            "null" => self.null(body),
            _ => Verdict::out("the entity's model is not among the material"),
        }
    }

    fn olingo(&mut self, vector: &Vector) -> Verdict {
        let input = vector.input();
        let body = input["body"].as_str().unwrap_or_default();
        let (format, payload) = (
            input["format"].as_str().unwrap_or_default(),
            input["payload"].as_str().unwrap_or_default(),
        );
        match payload {
            "error" => self.error(vector, format == "xml"),
            "property" => property(body, None),
            "null" => self.null(body),
            "service" => self.service(body),
            "link" => {
                let url = json_read::read_link(body.as_bytes());
                let expected = vector.expect()["uri"].as_str().unwrap_or_default();
                Verdict::when(url.as_deref().is_ok_and(|url| url == expected), || {
                    format!("the link is {:?}", url.ok())
                })
            }
            "links" => self.links(body),
            "entry" | "feed" => self.entities(body, payload == "feed"),
            _ => Verdict::out("an answer that breaks off: nothing is streamed here, faults come before the first byte"),
        }
    }

    /// Posts every entity of the body, compares what comes back, and takes it away again.
    fn entities(&mut self, body: &str, feed: bool) -> Verdict {
        let Ok(body) = serde_json::from_str::<Json>(body) else {
            return Verdict::Fail("the capture is not JSON".to_owned());
        };
        let metadata = body["odata.metadata"].as_str().unwrap_or_default();
        let Some((root, fragment)) = metadata.split_once("$metadata#") else {
            return Verdict::out("the capture has no context to find its set by");
        };
        let set = fragment.split(['/', '&']).next().unwrap_or_default();
        if root.contains("services.odata.org") {
            return Verdict::out("the capture is of another version of the demo model");
        }
        let endpoint = "Olingo";
        let items = if feed {
            body["value"].as_array().cloned().unwrap_or_default()
        } else {
            vec![body.clone()]
        };
        for item in &items {
            match self.entity(endpoint, set, root, item) {
                Verdict::Pass => {}
                other => return other,
            }
        }
        Verdict::Pass
    }

    fn entity(&mut self, endpoint: &str, set: &str, root: &str, item: &Json) -> Verdict {
        let target = format!("/api/{endpoint}/{set}");
        let headers = [FULL, ("Content-Type", "application/json")];
        let sent = strip(item);
        let reply = match self.client.send("POST", &target, &headers, Some(sent.to_string().as_bytes())) {
            Ok(reply) => reply,
            Err(error) => return Verdict::Fail(error.to_string()),
        };
        let answer = reply.json();
        match reply.status {
            201 => {}
            404 => return Verdict::out("the set is not in the imported document"),
            400 if reply.code() == "bad_reference" => return Verdict::out("the entity refers to others that the capture does not hold"),
            400 if reply.code() == "missing_property" => {
                return Verdict::out("the capture is a projection, without properties that the model demands");
            }
            415 | 501 => return Verdict::out("media entities come later"),
            _ => return Verdict::Fail(format!("POST to {set}: {} {} {}", reply.status, reply.code(), message(&answer))),
        }
        if let (Some(id), Some(tag)) = (item["odata.id"].as_str(), reply.header("ETag")) {
            self.tags.insert(id.to_owned(), tag.to_owned());
        }
        if let Some(location) = reply.header("Location").and_then(|location| location.split_once("/api/")) {
            // Only a type with an ETag takes a precondition (RD-4).
            let any = [("If-Match", "*")];
            let headers = if reply.header("ETag").is_some() { any.as_slice() } else { &[] };
            let _ = self.client.send("DELETE", &format!("/api/{}", location.1), headers, None);
        }
        let wrong = compare(item, &answer, root, endpoint);
        Verdict::when(wrong.is_empty(), || format!("{set}: {}", wrong.join("; ")))
    }

    fn tag(&self, vector: &Vector) -> Verdict {
        let expected = vector.input()["etag"].as_str().unwrap_or_default();
        match self.tags.get(vector.input()["entity_id"].as_str().unwrap_or_default()) {
            Some(tag) => Verdict::when(tag == expected, || format!("the tag is {tag}, expected {expected}")),
            None => Verdict::out("the tag of an entity that is not among the captures that could be posted"),
        }
    }

    fn tag_levels(&self) -> Verdict {
        for level in ["minimalmetadata", "fullmetadata", "nometadata"] {
            let accept = format!("application/json;odata={level}");
            let Ok(reply) = self.client.send("GET", "/api/Shop/Versions(1)", &[("Accept", &accept)], None) else {
                return Verdict::Fail("no answer".to_owned());
            };
            if reply.json()["odata.etag"].as_str() != reply.header("ETag") || reply.header("ETag").is_none() {
                return Verdict::Fail(format!("{level}: the tags differ"));
            }
        }
        Verdict::Pass
    }

    fn null(&self, body: &str) -> Verdict {
        let captured: Json = serde_json::from_str(body).unwrap_or_default();
        let level = if captured.get("odata.metadata").is_some() {
            "fullmetadata"
        } else {
            "nometadata"
        };
        let accept = format!("application/json;odata={level}");
        let reply = self.client.send("GET", "/api/Shop/Products(8)/Price", &[("Accept", &accept)], None);
        let Ok(answer) = reply.map(|reply| reply.json()) else {
            return Verdict::Fail("no answer".to_owned());
        };
        let fragment = |json: &Json| {
            json["odata.metadata"]
                .as_str()
                .and_then(|url| url.rsplit('#').next().map(str::to_owned))
        };
        let same = answer["odata.null"] == captured["odata.null"] && fragment(&answer) == fragment(&captured);
        Verdict::when(same, || format!("answered {answer}"))
    }

    fn links(&self, body: &str) -> Verdict {
        let captured: Json = serde_json::from_str(body).unwrap_or_default();
        let Ok(reply) = self.client.get("/api/Shop/Groups(1)/$links/Members") else {
            return Verdict::Fail("no answer".to_owned());
        };
        let answer = reply.json();
        let names = |json: &Json| -> Vec<String> { json.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect() };
        let same =
            names(&answer["value"][0]) == names(&captured["value"][0]) && names(&captured).iter().all(|name| answer.get(name).is_some());
        Verdict::when(same, || format!("answered {answer}"))
    }

    fn service(&self, body: &str) -> Verdict {
        let captured: Json = serde_json::from_str(body).unwrap_or_default();
        let root = captured["odata.metadata"].as_str().unwrap_or_default();
        let endpoint = if root.contains("services.odata.org") { "Demo" } else { "Olingo" };
        let Ok(reply) = self.client.get(&format!("/api/{endpoint}/")) else {
            return Verdict::Fail("no answer".to_owned());
        };
        let (answer, no_items) = (reply.json(), Vec::new());
        let ours = answer["value"].as_array().unwrap_or(&no_items);
        let missing: Vec<String> = captured["value"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|set| !ours.contains(set))
            .map(Json::to_string)
            .collect();
        if endpoint == "Demo" && !missing.is_empty() {
            return Verdict::out("the capture is of another version of the demo model");
        }
        Verdict::when(missing.is_empty() && root.ends_with("/$metadata"), || {
            format!("missing {}", missing.join(" "))
        })
    }

    fn error(&self, vector: &Vector, is_xml: bool) -> Verdict {
        let accept = if is_xml { "application/xml" } else { FULL.1 };
        let Ok(reply) = self.client.send("GET", "/api/Olingo/Nothing", &[("Accept", accept)], None) else {
            return Verdict::Fail("no answer".to_owned());
        };
        let lang = vector.expect()["lang"].as_str();
        let same = if is_xml {
            xml::parse(&reply.text()).is_ok_and(|error| {
                let message = error.all("message").next();
                error.name == "m:error"
                    && error.all("code").count() == 1
                    && message.is_some_and(|message| message.attribute("xml:lang") == lang && !message.text.is_empty())
            })
        } else {
            let error = &reply.json()["odata.error"];
            error["code"].is_string() && error["message"]["lang"].as_str() == lang && error["message"]["value"].is_string()
        };
        Verdict::when(same, || format!("answered {}", reply.text()))
    }
}

/// A property's or a collection's body: its value is read and written again.
fn property(body: &str, declared: Option<&str>) -> Verdict {
    let captured: Json = serde_json::from_str(body).unwrap_or_default();
    let fragment = captured["odata.metadata"].as_str().and_then(|url| url.rsplit('#').next());
    let Some(name) = fragment.or(declared) else {
        return Verdict::out("no type to read it by");
    };
    let (item, is_collection) = match name.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')')) {
        Some(item) => (item, true),
        None => (name, false),
    };
    let Some(edm) = item.strip_prefix("Edm.").and_then(Edm::from_name) else {
        return Verdict::out("the complex type's model is not among the material");
    };
    let tree = match json_tree::parse(body.as_bytes()) {
        Ok(tree) => tree,
        Err(fault) => return Verdict::Fail(fault.message.into_owned()),
    };
    let captured = if is_collection {
        captured["value"].as_array().cloned().unwrap_or_default()
    } else {
        vec![captured["value"].clone()]
    };
    let items: Vec<&json_tree::Json<'_>> = match (tree.member("value"), is_collection) {
        (Some(json_tree::Json::Array(items)), true) => items.iter().collect(),
        (value, _) => value.into_iter().collect(),
    };
    for (item, captured) in items.into_iter().zip(captured) {
        let value = json_read::read_value(&Schema::default(), &Type::Primitive(edm), &Facets::default(), "value", item);
        let value: Value = match value {
            Ok(value) => value,
            Err(fault) => return Verdict::Fail(format!("{edm}: {}", fault.message)),
        };
        let mut written = Vec::new();
        json::write_primitive(edm, value.cell(), &mut written);
        let again: Json = serde_json::from_slice(&written).unwrap_or_default();
        // An Int64 or Decimal that the capture has as a number goes out as a string, with the same digits (PRM-20).
        let same = match (&captured, again.as_str()) {
            (Json::Number(_), Some(digits)) => body.contains(digits),
            _ => same_value(&captured, &again),
        };
        if !same {
            return Verdict::Fail(format!("{edm}: {captured} comes back as {again}"));
        }
    }
    Verdict::Pass
}

/// The body without what only answers have: links, ids and streams stay, the server must pass over them; expanded entities go.
fn strip(item: &Json) -> Json {
    let mut sent = item.clone();
    if let Some(members) = sent.as_object_mut() {
        let links: Vec<String> = members
            .keys()
            .filter_map(|name| name.strip_suffix("@odata.navigationLinkUrl"))
            .map(str::to_owned)
            .collect();
        members.retain(|name, _| !links.contains(name) && !name.starts_with('#'));
    }
    sent
}

/// What of the captured entity did not come back.
fn compare(item: &Json, answer: &Json, root: &str, endpoint: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let links: Vec<&str> = item
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, _)| name.strip_suffix("@odata.navigationLinkUrl"))
        .collect();
    for (name, value) in item.as_object().into_iter().flatten() {
        let known = match name.as_str() {
            "odata.metadata" | "odata.editLink" | "odata.readLink" | "odata.etag" => continue,
            name if name.starts_with("odata.media") || name.contains("@odata.media") || name.starts_with('#') || links.contains(&name) => {
                continue;
            }
            // Relative or absolute, with or without the cast: only that there is one.
            name if name.ends_with("LinkUrl") => answer[name].is_string() || name.ends_with("associationLinkUrl"),
            "odata.id" => {
                let expected = value.as_str().and_then(|id| id.strip_prefix(root)).unwrap_or_default();
                answer[name]
                    .as_str()
                    .is_some_and(|id| id.ends_with(&format!("/api/{endpoint}/{expected}")))
            }
            name => same_value(value, &answer[name]),
        };
        if !known {
            wrong.push(format!("{name} is {}, expected {value}", answer[name]));
        }
    }
    wrong
}

/// Numbers by their value, objects by the members of the expected one.
fn same_value(expected: &Json, actual: &Json) -> bool {
    match (expected, actual) {
        (Json::Number(left), Json::Number(right)) => left.as_f64() == right.as_f64(),
        // Int64 and Decimal (PRM-20).
        (Json::Number(left), Json::String(right)) => left.as_f64() == right.parse().ok(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_value(left, right))
        }
        (Json::Object(left), Json::Object(right)) => left
            .iter()
            .all(|(name, left)| right.get(name).is_some_and(|right| same_value(left, right))),
        _ => expected == actual,
    }
}

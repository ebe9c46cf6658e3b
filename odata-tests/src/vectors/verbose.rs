//! Verbose JSON, through the library: every entity is read with the model of its source, what was read compared with the facts, and
//! an entity without others inside written again.

use std::collections::BTreeMap;

use odonata::model::edm::{Edm, Value};
use odonata::model::page::{Layout, Page, Rows};
use odonata::model::query::Shape;
use odonata::model::schema::{Facets, Schema, Type};
use odonata::model::target::{Body, Link, Linked};
use odonata::model::text;
use odonata::odata::accept::{BodyFormat, Syntax};
use odonata::odata::format::{self, Context, Format, Metadata, Render};
use odonata::odata::read::Reading;
use odonata::odata::references::ContentIds;
use odonata::odata::version::Version;
use odonata::odata::{json_read, json_tree, service, verbose};
use serde_json::Value as Json;

use super::{Vector, Verdict, models};

/// Runs the verbose rows of a file of payloads.
pub fn run(vectors: &[&Vector], verdicts: &mut BTreeMap<String, Verdict>) {
    let schema = models::schema(&[]).expect("the models are good");
    // Bodies of actions are another file's.
    let is_payload = |vector: &&&Vector| vector.kind == "payload-verbose" && !vector.input()["action_parameters"].is_string();
    for vector in vectors.iter().filter(is_payload) {
        verdicts.insert(vector.id.clone(), payload(&schema, vector));
    }
}

fn payload(schema: &Schema, vector: &Vector) -> Verdict {
    let (input, expect) = (vector.input(), vector.expect());
    let body = input["body"].as_str().unwrap_or_default();
    let parsed: Result<Json, _> = serde_json::from_str(body);
    let facts = &expect["facts"];
    match (expect["payload"].as_str(), &parsed) {
        (None, _) => match json_tree::parse(body.as_bytes()) {
            Err(fault) => Verdict::when(expect["status"] == fault.kind.status, || format!("status {}", fault.kind.status)),
            Ok(_) => Verdict::out("a service document, which a server does not read"),
        },
        (Some("service"), Ok(captured)) => service_document(schema, captured),
        (Some("entry"), Ok(captured)) => entry(schema, captured, facts),
        (Some("feed"), Ok(captured)) if captured["d"].get("__delta").is_none() => {
            let results = captured.get("d").unwrap_or(captured)["results"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let mut entries = results.iter().zip(facts["entries"].as_array().into_iter().flatten());
            let bad = entries.find_map(|(item, facts)| match entry(schema, item, facts) {
                Verdict::Pass => None,
                other => Some(other),
            });
            bad.unwrap_or(Verdict::Pass)
        }
        (Some("feed"), Ok(_)) => Verdict::out("delta links are an extension of SAP's (DLT-1)"),
        _ => Verdict::Fail("the capture is not JSON".to_owned()),
    }
}

/// The type that facts are about: the one that is named, else the one that has their properties.
fn type_of(schema: &Schema, facts: &Json) -> Option<usize> {
    if let Some(name) = facts["type"].as_str() {
        return schema.find_type(name);
    }
    let names: Vec<&String> = facts["properties"].as_object()?.keys().collect();
    let has_all = |ty: &odonata::model::schema::EntityType| {
        let has = |name: &str| ty.property(name).is_some() || ty.navigation(name).is_some();
        ty.namespace == "RefScenario" && names.iter().all(|name| has(name))
    };
    schema.types.iter().position(has_all)
}

/// What stands before the set in the URLs of a capture: that of the entity itself, else of one inside it.
fn root_of(captured: &Json) -> String {
    let own = captured.get("d").unwrap_or(captured)["__metadata"]["uri"].as_str();
    let own = own.and_then(|uri| Some(&uri[..=uri[..uri.find('(')?].rfind('/')?]));
    let text = captured.to_string();
    let end = text.find(".svc/").map(|end| end + 5);
    let start = end.and_then(|end| text[..end].rfind("http"));
    let inside = start.zip(end).map(|(start, end)| &text[start..end]);
    own.or(inside).unwrap_or("http://host/").to_owned()
}

fn entry(schema: &Schema, captured: &Json, facts: &Json) -> Verdict {
    let Some(ty) = type_of(schema, facts) else {
        return Verdict::out("the entity's model is not among the material");
    };
    let mut endpoints = schema.endpoints.iter();
    let endpoint = endpoints.position(|endpoint| endpoint.types.contains(&ty)).unwrap_or_default();
    let (ids, root) = (ContentIds::default(), root_of(captured));
    let reading = Reading {
        schema,
        endpoint,
        root: &root,
        ids: &ids,
        ignore_unknown: false,
    };
    let body = match BodyFormat::Verbose.reader().entity(&reading, ty, captured.to_string().as_bytes()) {
        Ok(body) => body,
        Err(fault) => return Verdict::Fail(fault.message.into_owned()),
    };
    let mut wrong = Vec::new();
    compare(schema, &body, &facts["properties"], &mut wrong);
    let mut navigations = schema.types[ty].navigations.iter();
    let is_bare = navigations.all(|navigation| captured["d"][&navigation.name]["__deferred"].is_object());
    if let (true, Some(sent)) = (is_bare && !schema.types[ty].has_stream, captured["d"]["__metadata"]["uri"].as_str()) {
        let written = written(schema, endpoint, &root, &body);
        if written != *captured {
            wrong.push(format!("{sent} is written as {written}"));
        }
    }
    Verdict::when(wrong.is_empty(), || wrong.join("; "))
}

/// What was read, against the facts.
fn compare(schema: &Schema, body: &Body, facts: &Json, wrong: &mut Vec<String>) {
    let of = &schema.types[body.ty];
    let members = facts.as_object().into_iter().flatten();
    for (name, expected) in members.filter(|(name, _)| *name != "__metadata") {
        if let Some(property) = of.property(name) {
            let value = body.values.iter().find(|(index, _)| *index == property).map(|(_, value)| value);
            let mut out = Vec::new();
            match (&of.properties[property].ty, value) {
                (Type::Primitive(edm), Some(value)) => verbose::write_dated(Version::V2, *edm, value.cell(), &mut out),
                (_, Some(Value::Text(json))) => out.extend_from_slice(json.as_bytes()),
                _ => {}
            }
            let read: Json = serde_json::from_slice(&out).unwrap_or_default();
            if read != plain(expected) {
                wrong.push(format!("{name} is {read}"));
            }
        } else if let Some(navigation) = of.navigation(name) {
            let link = body.links.iter().find(|link| link.navigation == navigation);
            ends(schema, name, link, expected, wrong);
        } else {
            wrong.push(format!("{name} is not in the model"));
        }
    }
}

/// Complex values without what is said about them. Facts inside an array are as the capture has them.
fn plain(expected: &Json) -> Json {
    match expected.get("complex").unwrap_or(expected) {
        Json::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "__metadata");
            members.map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        other => other.clone(),
    }
}

fn ends(schema: &Schema, name: &str, link: Option<&Link>, expected: &Json, wrong: &mut Vec<String>) {
    if expected.get("deferred").or_else(|| expected.get("__deferred")).is_some() {
        if link.is_some() {
            wrong.push(format!("{name} is taken for a link"));
        }
        return;
    }
    let expected: Vec<&Json> = match (expected.get("results"), expected) {
        (Some(results), _) => results.as_array().into_iter().flatten().collect(),
        (None, Json::Array(items)) => items.iter().collect(),
        (None, Json::Null) => Vec::new(),
        (None, one) => vec![one],
    };
    let found = link.map_or(&[][..], |link| &link.to);
    if found.len() != expected.len() {
        return wrong.push(format!("{name} has {} ends instead of {}", found.len(), expected.len()));
    }
    for (found, expected) in found.iter().zip(expected) {
        let entry = expected.get("entry").unwrap_or(expected);
        match (found, entry.get("uri").or_else(|| entry["__metadata"].get("uri"))) {
            (Linked::Existing(_), Some(_)) => {}
            (Linked::New(body), None) => {
                let facts = entry.get("properties").or_else(|| entry.get("complex")).unwrap_or(entry);
                compare(schema, body, facts, wrong);
            }
            _ => wrong.push(format!("{name} is another kind of link")),
        }
    }
}

/// The entity as this server writes it.
fn written(schema: &Schema, endpoint: usize, root: &str, body: &Body) -> Json {
    let ty = &schema.types[body.ty];
    let mut rows = Rows::new(ty.properties.len());
    for index in 0..ty.properties.len() {
        let value = body.values.iter().find(|(known, _)| *known == index);
        rows.push(value.map_or(Value::Null.cell(), |(_, value)| value.cell()));
    }
    let set = schema.set_of(endpoint, body.ty);
    let page = Page {
        set,
        ty: body.ty,
        rows,
        layout: Layout {
            type_cell: None,
            types: vec![(body.ty, (0..ty.properties.len()).map(Some).collect())],
            hidden: Vec::new(),
        },
        count: None,
        next: None,
        top_left: None,
        shape: Shape::default(),
        expanded: Vec::new(),
    };
    let render = Render {
        version: Version::V2,
        ..Render::new(schema, endpoint, root, Metadata::None)
    };
    let context = Context {
        set,
        ty: body.ty,
        single: true,
        select: None,
    };
    let body = format::entity(&render, Format::Verbose, &page, 0, &context);
    serde_json::from_slice(&body).unwrap_or_default()
}

/// The sets of the model stand in the capture, written the same way.
fn service_document(schema: &Schema, captured: &Json) -> Verdict {
    let mut endpoints = schema.endpoints.iter();
    let endpoint = endpoints.position(|endpoint| endpoint.name == "Reference").unwrap_or_default();
    let render = Render::new(schema, endpoint, "http://host/", Metadata::None);
    let ours: Json = serde_json::from_slice(&service::write(&render, Syntax::Verbose, &|_| true)).unwrap_or_default();
    let names = |json: &Json| json["d"]["EntitySets"].as_array().cloned().unwrap_or_default();
    // Employees stand there in another container, which the model has not.
    let there = names(captured);
    let found = names(&ours).iter().filter(|name| there.contains(name)).count();
    Verdict::when(found > 3, || format!("wrote {ours}"))
}

/// A value of the literal vectors, written or read.
pub fn literal(input: &Json, expect: &Json, edm: Edm, value: Option<Value>) -> Verdict {
    if input["to"] == "json-verbose" {
        let Some(value) = value else {
            return Verdict::out("the value has no text of its own in the vectors");
        };
        let mut out = Vec::new();
        verbose::write_dated(Version::V2, edm, value.cell(), &mut out);
        let written = match serde_json::from_slice::<Json>(&out) {
            Ok(Json::String(text)) => text,
            _ => String::from_utf8_lossy(&out).into_owned(),
        };
        let expected = expect["text"].as_str().unwrap_or_default();
        // `0` and `0.0` are one number.
        let same = written == expected || text::parse(edm, expected).is_some_and(|again| again == value);
        return Verdict::when(same, || format!("{edm}: wrote `{written}`, expected `{expected}`"));
    }
    let text = input["text"].as_str().unwrap_or_default();
    let json = json_tree::Json::String(text.into());
    let read = json_read::read_value(&Schema::default(), &Type::Primitive(edm), &Facets::default(), "value", &json);
    Verdict::when(expect["valid"] == read.is_ok(), || {
        format!(
            "`{text}` of {edm} in verbose JSON is {}",
            if read.is_ok() { "taken" } else { "refused" }
        )
    })
}

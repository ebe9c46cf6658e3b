//! Requests: the statuses of preconditions, and the recorded GETs of a client on Northwind (its formats are later work, so the
//! requests are sent with JSON).

use std::collections::BTreeMap;

use super::filters::message;
use super::{Vector, Verdict};
use crate::client::encode;
use crate::database::System;
use crate::fixture::{Fixture, Site};

/// Runs the requests of both files.
pub fn run(webapi: &[&Vector], wire: &[&Vector], system: System, verdicts: &mut BTreeMap<String, Verdict>) {
    let prepare = |name: &str| -> Site {
        let fixture = Fixture::prepare(&[name.to_owned()], &[], system)
            .expect("the fixture is good")
            .expect("it is here");
        fixture.serve(&[]).expect("the server starts")
    };
    let (shop, northwind) = (prepare("shop"), prepare("northwind"));
    for vector in webapi.iter().filter(|vector| vector.kind == "uri") {
        verdicts.insert(vector.id.clone(), precondition(&shop, vector));
    }
    for vector in wire {
        let verdict = match vector.kind.as_str() {
            "uri" | "error" => recorded(&northwind, vector),
            "payload-jsonlight" => Verdict::out("the actions of the recorded service have code behind them"),
            _ => continue,
        };
        verdicts.insert(vector.id.clone(), verdict);
    }
}

/// `ETagsCustomers(0)` is `Versions(1)` here.
fn precondition(site: &Site, vector: &Vector) -> Verdict {
    let headers = vector.input()["headers"].as_str().unwrap_or_default();
    let (name, value) = headers.split_once(": ").unwrap_or_default();
    let value = value.replace("<current etag>", "W/\"1\"").replace("<stale etag>", "W/\"0\"");
    let method = vector.input()["method"].as_str().unwrap_or_default();
    let body = matches!(method, "PUT" | "PATCH").then_some(br#"{"Text":"x"}"#.as_slice());
    let all = [(name, value.as_str()), ("Content-Type", "application/json")];
    let sent = if body.is_some() { &all[..] } else { &all[..1] };
    match site.server.admin().send(method, "/api/Shop/Versions(1)", sent, body) {
        Ok(reply) => Verdict::when(vector.expect()["status"] == reply.status, || {
            format!("{method} {headers}: {}", reply.status)
        }),
        Err(error) => Verdict::Fail(error.to_string()),
    }
}

fn recorded(site: &Site, vector: &Vector) -> Verdict {
    let input = vector.input();
    if input["method"] != "GET" {
        return Verdict::out("a change with an Atom body, or of links: comes later");
    }
    let Some((_, rest)) = input["uri"].as_str().and_then(|uri| uri.split_once("/svc/")) else {
        return Verdict::out("a recording of another service");
    };
    if rest.contains("Superior") {
        return Verdict::out("the recorded service is a variant of Northwind with other names");
    }
    match site.server.admin().get(&encode(&format!("/api/Northwind/{rest}"))) {
        Ok(reply) => Verdict::when(vector.expect()["status"] == reply.status, || {
            format!("{rest}: {} {}", reply.status, message(&reply.json()))
        }),
        Err(error) => Verdict::Fail(error.to_string()),
    }
}

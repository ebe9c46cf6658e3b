//! Requests: the statuses of preconditions, and the recorded requests of a client on Northwind: its reads with JSON, its changes as they
//! were sent.

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
    let Some((_, rest)) = input["uri"].as_str().and_then(|uri| uri.split_once("/svc/")) else {
        return Verdict::out("a recording of another service");
    };
    let body = input["body"].as_str().unwrap_or_default();
    if rest.contains("Superior") || rest.contains("Transport") || body.contains("EnglishName") {
        return Verdict::out("the recorded service is a variant of Northwind with other names");
    }
    if input["method"] != "GET" {
        return change(site, vector, rest);
    }
    match site.server.admin().get(&encode(&format!("/api/Northwind/{rest}"))) {
        Ok(reply) => Verdict::when(vector.expect()["status"] == reply.status, || {
            format!("{rest}: {} {}", reply.status, message(&reply.json()))
        }),
        Err(error) => Verdict::Fail(error.to_string()),
    }
}

/// A recorded change, of entities made for it: the recording's had keys from 1000 on.
fn change(site: &Site, vector: &Vector, rest: &str) -> Verdict {
    let (input, admin) = (vector.input(), site.server.admin());
    let root = format!("{}/api/Northwind/", site.server.base());
    let mut target = format!("/api/Northwind/{rest}");
    let mut body = input["body"].as_str().map(|body| body.replace("http://host/svc/", &root));
    for (set, key, new) in [
        (
            "Products",
            "ProductID",
            r#"{"ProductName":"x","Discontinued":false,"CategoryID":1}"#,
        ),
        ("Categories", "CategoryID", r#"{"CategoryName":"x"}"#),
    ] {
        for text in [Some(&mut target), body.as_mut()].into_iter().flatten() {
            let Some(at) = text.find(&format!("{set}(1")).map(|at| at + set.len() + 1) else {
                continue;
            };
            let length = text[at..].find(')').unwrap_or_default();
            if length < 4 {
                continue;
            }
            let made = admin.send(
                "POST",
                &format!("/api/Northwind/{set}"),
                &[("Content-Type", "application/json")],
                Some(new.as_bytes()),
            );
            let number = made.map(|made| made.json()[key].to_string()).unwrap_or_default();
            text.replace_range(at..at + length, &number);
        }
    }
    let headers: Vec<(&str, &str)> = input["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let method = input["method"].as_str().unwrap_or_default();
    match admin.send(method, &encode(&target), &headers, body.as_ref().map(String::as_bytes)) {
        Ok(reply) => Verdict::when(vector.expect()["status"] == reply.status, || {
            format!("{method} {target}: {} {}", reply.status, reply.text())
        }),
        Err(error) => Verdict::Fail(error.to_string()),
    }
}

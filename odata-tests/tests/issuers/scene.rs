//! A server that knows issuers, its users, and what it answers to tokens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use odata_tests::case::User;
use odata_tests::client::{Reply, encode};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::issuer::Issuer;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const HOME: &str = "22222222-2222-2222-2222-222222222222";
pub const OTHER: &str = "33333333-3333-3333-3333-333333333333";
pub const ROOT: &str = "11111111-1111-1111-1111-111111111111";
pub const EVERY: &str = "00000000-0000-0000-0000-000000000000";

/// Runs a test on each database.
pub fn everywhere(test: impl Fn(System) + Sync) {
    std::thread::scope(|scope| {
        for system in System::all() {
            let test = &test;
            scope.spawn(move || test(system));
        }
    });
}

/// A server with these sections in its settings, and the users alice, bob and eve in HOME, whose administrator is chief.
pub fn site(system: System, settings: &str) -> Site {
    let user = |name: &str| User {
        name: name.to_owned(),
        tenant: HOME.to_owned(),
        role: Some("CloudUser".to_owned()),
    };
    let other = User {
        name: "zoe".to_owned(),
        tenant: OTHER.to_owned(),
        role: None,
    };
    let chief = User {
        role: Some("CloudAdmin".to_owned()),
        ..user("chief")
    };
    let users = [user("alice"), user("bob"), user("eve"), chief, other];
    let fixture = Fixture::prepare(&[], &users, system)
        .expect("the fixture is good")
        .expect("it is here");
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("odonata.toml");
    std::fs::write(&file, settings).expect("a file can be written");
    let file = file.to_str().expect("temporary folders have plain names");
    fixture
        .serve(&[("ODONATA_CONFIG", file), ("ODONATA_ISSUER_CORP_CLIENT_SECRET", "s:cret")])
        .expect("the server starts")
}

/// The section `[issuer.corp]` for an issuer.
pub fn section(issuer: &Issuer, more: &str) -> String {
    let name = issuer.name();
    format!("[issuer.corp]\nissuer = \"{name}\"\naudience = \"odonata\"\nleeway_seconds = 0\n{more}\n")
}

pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

/// Good claims of alice, with those of `more` instead; null leaves one out. No two are the same.
pub fn claims(issuer: &Issuer, more: Value) -> Value {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut claims = json!({
        "iss": issuer.name(), "aud": "odonata", "exp": now() + 600, "iat": now(), "sub": "alice-1",
        "jti": NUMBER.fetch_add(1, Ordering::Relaxed),
    });
    let all = claims.as_object_mut().expect("it is one");
    for (name, value) in more.as_object().expect("claims are an object") {
        match value {
            Value::Null => all.remove(name),
            value => all.insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// Who the bearer of a token is.
pub fn ask(site: &Site, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Accept", "application/json")];
    let reply = site.server.anonymous().send("POST", "/api/Core/Users/Current", &headers, None);
    reply.expect("the server answers")
}

pub fn admin(site: &Site, method: &str, target: &str, body: Option<&str>) -> Reply {
    let headers = [
        ("TenantId", EVERY),
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
    ];
    let reply = site.server.admin().send(method, &encode(target), &headers, body.map(str::as_bytes));
    let reply = reply.expect("the server answers");
    assert!(reply.status < 300, "{method} {target}: {} {}", reply.status, reply.text());
    reply
}

pub fn user(site: &Site, name: &str) -> Option<Value> {
    let found = admin(site, "GET", &format!("/api/Core/Users?$filter=Name eq '{name}'"), None).json();
    found["value"][0].as_object().map(|user| Value::Object(user.clone()))
}

pub fn change(site: &Site, name: &str, change: Value) {
    let id = user(site, name).expect("the user is there")["Id"].clone();
    let id = id.as_str().expect("numbers of 64 bits are texts");
    admin(site, "PATCH", &format!("/api/Core/Users({id}L)"), Some(&change.to_string()));
}

/// Says who a user is at an issuer.
pub fn map(site: &Site, name: &str, id: &str) {
    change(site, name, json!({"ExternalType": "corp", "ExternalId": id}));
}

/// The roles of a user.
pub fn roles(site: &Site, name: &str) -> Vec<String> {
    let found = admin(site, "GET", "/api/Core/Roles?$expand=Users&$top=1000", None).json();
    let roles = found["value"].as_array().expect("a feed");
    let has = |role: &&Value| {
        role["Users"]
            .as_array()
            .is_some_and(|users| users.iter().any(|user| user["Name"] == name))
    };
    let mut names: Vec<String> = roles
        .iter()
        .filter(has)
        .map(|role| role["Name"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names
}

#[track_caller]
pub fn is_alice(reply: &Reply, what: &str) {
    assert_eq!(
        (reply.status, &reply.json()["Name"]),
        (200, &json!("alice")),
        "{what}: {}",
        reply.text()
    );
}

/// The one answer to every token that is not right.
#[track_caller]
pub fn is_refused(reply: &Reply, what: &str) {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "invalid_token"),
        "{what}: {}",
        reply.text()
    );
    let says = &reply.json()["odata.error"]["message"]["value"];
    assert_eq!(says, "The credentials are not right.", "{what}");
    let challenge = reply
        .headers_named("WWW-Authenticate")
        .find(|challenge| challenge.starts_with("Bearer"));
    assert_eq!(challenge, Some("Bearer realm=\"Odonata\", error=\"invalid_token\""), "{what}");
}

#[track_caller]
pub fn is_unreachable(reply: &Reply, what: &str) {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "unreachable"),
        "{what}: {}",
        reply.text()
    );
    assert!(reply.header("Retry-After").is_some(), "{what}");
    assert!(
        !reply.text().contains("127.0.0.1"),
        "{what}: the log has the reason, not the answer"
    );
}

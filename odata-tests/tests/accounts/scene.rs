//! A tenant with an administrator and a user, on a server that sends to a mailbox, and what it answers.

use std::time::{Duration, Instant};

use odata_tests::case::User;
use odata_tests::client::{Client, Reply};
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::mailbox::Mailbox;
use odata_tests::server::Server;
use serde_json::Value;

pub const TENANT: &str = "22222222-2222-2222-2222-222222222222";
pub const ALL_TENANTS: &str = "00000000-0000-0000-0000-000000000000";

/// A tenant with the administrator `boss` and the user `uma`.
pub fn fixture(system: System) -> Fixture {
    let user = |name: &str, role: &str| User {
        name: name.to_owned(),
        tenant: TENANT.to_owned(),
        role: Some(role.to_owned()),
    };
    let users = [user("boss", "CloudAdmin"), user("uma", "CloudUser")];
    let fixture = Fixture::prepare(&[], &users, system).expect("the fixture is good");
    fixture.expect("it is here")
}

/// Settings for a server that sends to a mailbox and where anybody may sign up.
pub fn settings(mailbox: &Mailbox) -> Vec<(String, String)> {
    let pairs = [
        ("ODONATA_MAIL_SERVER", mailbox.url()),
        ("ODONATA_PUBLIC_URL", "http://public.example".to_owned()),
        ("ODONATA_ACCOUNTS_SIGN_UP", "true".to_owned()),
        ("ODONATA_ACCOUNTS_SIGN_UP_TENANT", TENANT.to_owned()),
        ("ODONATA_RATE_MAILS_TO_ADDRESS", "1000".to_owned()),
        ("ODONATA_RATE_REQUESTS_OF_ADDRESS", "1000".to_owned()),
        ("ODONATA_ACCOUNTS_PASSWORD_LENGTH", "12".to_owned()),
        ("ODONATA_LOG", "warn,odonata=trace".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// As a server takes them.
pub fn borrowed(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// What a client is answered who carries out an action on users.
pub fn act(client: &Client, action: &str, arguments: &Value) -> Reply {
    let reply = client.post(&format!("/api/Core/Users/{action}"), &arguments.to_string());
    reply.unwrap_or_else(|error| panic!("{action}: {error}"))
}

/// Whether somebody can sign in.
pub fn status(server: &Server, name: &str, password: &str) -> u16 {
    let client = server.anonymous().basic(name, password);
    client.post("/api/Core/Users/Current", "").expect("the server answers").status
}

/// The one user of a name.
pub fn user(server: &Server, name: &str) -> Value {
    let target = format!("/api/Core/Users?$filter=Name%20eq%20'{name}'");
    let headers = [("Accept", "application/json"), ("Tenant-Id", TENANT)];
    let reply = server.admin().send("GET", &target, &headers, None).expect("the server answers");
    reply.json()["value"][0].clone()
}

/// The rows of a set of Diagnostics, of all tenants, to which `is_there` finally agrees.
pub fn rows(server: &Server, set: &str, is_there: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let headers = [("Accept", "application/json"), ("Tenant-Id", ALL_TENANTS)];
        let mut found: Vec<Value> = Vec::new();
        let mut target = format!("/api/Diagnostics/{set}");
        loop {
            let reply = server.admin().send("GET", &target, &headers, None).expect("the server answers");
            assert_eq!(reply.status, 200, "{}", reply.text());
            let body = reply.json();
            found.extend(body["value"].as_array().cloned().unwrap_or_default());
            match body["odata.nextLink"].as_str() {
                Some(next) => target = next[next.find("/api/").expect("a link into the API")..].to_owned(),
                None => break,
            }
        }
        if is_there(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{set}: {found:#?}\n{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs a test on each database.
pub fn each(test: impl Fn(System)) {
    System::all().into_iter().for_each(test);
}

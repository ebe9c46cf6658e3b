//! What strangers may try, and how often.

use std::time::Duration;

use odata_tests::case::User;
use odata_tests::database::System;
use odata_tests::mailbox::Mailbox;
use serde_json::json;

use crate::scene::{TENANT, act, borrowed, fixture, settings};

#[test]
fn domains_are_compared_whole() {
    let mailbox = Mailbox::open();
    let mut settings = settings(&mailbox);
    settings.push(("ODONATA_ACCOUNTS_DOMAINS".to_owned(), "test.com, example.org".to_owned()));
    let site = fixture(System::Sqlite).serve(&borrowed(&settings)).expect("the server starts");
    for (mail, expected) in [
        ("a@test.com", 204),
        ("b@TEST.com", 204),
        ("c@example.org", 204),
        ("d@testXcom", 400),
        ("e@testxcom", 400),
        ("f@sub.test.com", 400),
        ("g@test.com.evil.org", 400),
        ("h@eviltest.com", 400),
        ("i@other.org", 400),
        ("no address", 400),
    ] {
        let name = mail.chars().next().map(|c| format!("name-{c}")).unwrap_or_default();
        let sign_up = json!({"Name": name, "Mail": mail, "Password": "a long password"});
        let reply = act(&site.server.anonymous(), "SignUp", &sign_up);
        assert_eq!(reply.status, expected, "{mail} {}", reply.text());
    }
}

#[test]
fn attempts_are_counted() {
    let mailbox = Mailbox::open();
    let mut settings: Vec<(String, String)> = settings(&mailbox).into_iter().filter(|(name, _)| !name.contains("RATE")).collect();
    for (name, value) in [
        ("ODONATA_RATE_FAILURES_OF_NAME", "3"),
        ("ODONATA_RATE_FAILURES_OF_ADDRESS", "12"),
        ("ODONATA_RATE_MAILS_TO_ADDRESS", "2"),
        ("ODONATA_RATE_REQUESTS_OF_ADDRESS", "6"),
        ("ODONATA_TRUSTED_PROXIES", "127.0.0.1"),
    ] {
        settings.push((name.to_owned(), value.to_owned()));
    }
    let site = fixture(System::Sqlite).serve(&borrowed(&settings)).expect("the server starts");
    let server = &site.server;
    let sign_in = |name: &str, password: &str, from: &str| {
        let client = server.anonymous().basic(name, password);
        let headers = [("X-Forwarded-For", from)];
        client.send("POST", "/api/Core/Users/Current", &headers, None).expect("an answer")
    };
    let right = User::password("uma");
    assert_eq!(sign_in("uma", &right, "203.0.113.1").status, 200, "from home");
    // Guesses from everywhere: at first each is looked at, then they have to wait, longer and longer; a name that nobody has is treated
    // the same.
    for name in ["nobody", "uma"] {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|wait| *wait < 4) {
            let reply = sign_in(name, "guess", &format!("192.0.2.{}", seen.len()));
            let wait: u64 = reply.header("Retry-After").map_or(0, |wait| wait.parse().expect("seconds"));
            let expected = if wait > 0 { 429 } else { 401 };
            assert_eq!(reply.status, expected, "{name} {}", reply.text());
            assert_eq!(reply.code() == "too_many_requests", wait > 0);
            if (1..4).contains(&wait) {
                std::thread::sleep(Duration::from_secs(wait));
            }
            seen.push(wait);
            assert!(seen.len() < 40, "{seen:?}");
        }
        assert!(seen.starts_with(&[0, 0, 0, 0]), "{seen:?}");
    }
    // Nor does the right password help a stranger before the time; but whoever was here before is let in. (In other letters, as what was
    // proved a moment ago is not tested again.)
    assert_eq!(sign_in("Uma", &right, "198.51.100.1").status, 429);
    assert_eq!(sign_in("uma", &format!("{right} "), "203.0.113.1").status, 401);
    assert_eq!(sign_in("UMA", &right, "203.0.113.1").status, 200);
    std::thread::sleep(Duration::from_millis(4_100));
    assert_eq!(sign_in("uMA", &right, "198.51.100.1").status, 200);
    // One address that tries many names.
    let statuses: Vec<u16> = (0..14)
        .map(|number| sign_in(&format!("user{number}"), "guess", "192.0.2.77").status)
        .collect();
    assert_eq!(statuses, [[401; 12].as_slice(), &[429; 2]].concat());
    // Tokens of mails are secrets, too.
    let guess = |from: &str| {
        let headers = [("X-Forwarded-For", from), ("Content-Type", "application/json")];
        let body = json!({"Token": "guess"}).to_string();
        let reply = server
            .anonymous()
            .send("POST", "/api/Core/Users/Activate", &headers, Some(body.as_bytes()));
        reply.expect("an answer").status
    };
    let statuses: Vec<u16> = (0..14).map(|_| guess("192.0.2.88")).collect();
    assert_eq!(statuses, [[400; 12].as_slice(), &[429; 2]].concat());
    // Mails: as many to an address that has an account as to one that has none.
    let ask = |mail: &str, from: &str| {
        let headers = [("X-Forwarded-For", from), ("Content-Type", "application/json")];
        let body = json!({"Mail": mail}).to_string();
        let reply = server
            .anonymous()
            .send("POST", "/api/Core/Users/RequestPasswordReset", &headers, Some(body.as_bytes()));
        reply.expect("an answer").status
    };
    for mail in ["uma@test.com", "unknown@test.com"] {
        let statuses: Vec<u16> = (0..3).map(|number| ask(mail, &format!("192.0.2.{number}"))).collect();
        assert_eq!(statuses, [204, 204, 429], "{mail}");
    }
    let statuses: Vec<u16> = (0..7).map(|number| ask(&format!("x{number}@test.com"), "192.0.2.99")).collect();
    assert_eq!(statuses, [204, 204, 204, 204, 204, 204, 429]);
}

/// Whatever stands before a name, and however it is written, the attempts are those of the name.
#[test]
fn a_tenant_before_a_name_is_no_new_start() {
    let mailbox = Mailbox::open();
    let mut settings = settings(&mailbox);
    settings.push(("ODONATA_RATE_FAILURES_OF_NAME".to_owned(), "8".to_owned()));
    let site = fixture(System::Sqlite).serve(&borrowed(&settings)).expect("the server starts");
    let sign_in = |tenant: &str, password: &str| {
        let client = site.server.anonymous().basic(&format!("{tenant}uma"), password);
        client.post("/api/Core/Users/Current", "").expect("an answer").status
    };
    let right = User::password("uma");
    let upper = "22222222-2222-2222-2222-22222222222A\\";
    let tenants = [
        "",
        &format!("{TENANT}\\"),
        &format!(" {TENANT}\\"),
        &format!("{TENANT} \\"),
        &format!("\t{TENANT}\\"),
        upper,
        "nowhere\\",
        "SYSTEM\\",
        " SYSTEM\\",
    ];
    for tenant in tenants {
        assert_eq!(sign_in(tenant, "guess"), 401, "{tenant:?}");
    }
    for tenant in tenants {
        assert_eq!(sign_in(tenant, &right), 429, "{tenant:?}");
    }
}

/// A tenant is named by its Guid as it is, without blanks around it.
#[test]
fn a_tenant_has_one_guid() {
    let site = fixture(System::Sqlite).serve(&[]).expect("the server starts");
    for (tenant, expected) in [
        (TENANT, 200),
        (&TENANT.to_uppercase(), 200),
        (&format!(" {TENANT}"), 401),
        (&format!("{TENANT}\t"), 401),
    ] {
        let client = site.server.anonymous().basic(&format!("{tenant}\\uma"), &User::password("uma"));
        assert_eq!(
            client.post("/api/Core/Users/Current", "").expect("an answer").status,
            expected,
            "{tenant:?}"
        );
    }
}

/// What the database has to say about a setting names the place of the setting, too.
#[test]
fn a_tenant_of_sign_ups_that_is_not_there_is_named_with_its_place() {
    let nowhere = "33333333-3333-3333-3333-333333333333";
    let settings = [("ODONATA_ACCOUNTS_SIGN_UP", "true"), ("ODONATA_ACCOUNTS_SIGN_UP_TENANT", nowhere)];
    let said = fixture(System::Sqlite).serve(&settings).err().unwrap_or_default();
    assert!(said.contains("ODONATA_ACCOUNTS_SIGN_UP_TENANT: there is no such tenant"), "{said}");
}

//! Tokens that somebody has forged, and tokens of sessions that have ended: on both databases, and on two servers over one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use odata_tests::case::User;
use odata_tests::client::{Client, Reply};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::server::Server;
use odonata::model::limits::{CREDENTIAL_BYTES, SESSIONS_PER_USER, TOKEN_BYTES};
use serde_json::{Value, json};

const SECRET: &str = "a-secret-that-only-this-test-knows";
const SETTINGS: &[(&str, &str)] = &[("ODONATA_TOKENS_SECRET", SECRET)];
const TENANT: &str = "aaaaaaaa-0000-0000-0000-00000000000a";
/// What everybody may read who is somebody.
const TARGET: &str = "/api/Core/Settings";
const HOUR: i64 = 3_600;

struct House {
    fixture: Fixture,
    site: Site,
}

fn house(system: System) -> House {
    let user = |name: &str, role: &str| User {
        name: name.to_owned(),
        tenant: TENANT.to_owned(),
        role: Some(role.to_owned()),
    };
    let users = [user("ann", "CloudUser"), user("boss", "CloudAdmin")];
    let fixture = Fixture::prepare(&[], &users, system)
        .expect("the fixture is good")
        .expect("it is here");
    let site = fixture.serve(SETTINGS).expect("the server starts");
    House { fixture, site }
}

impl House {
    /// Another server on the same database.
    fn second(&self) -> Server {
        Server::start_with(&self.site.database, self.fixture.plugins(), SETTINGS)
    }

    fn client(&self, name: &str) -> Client {
        self.site.server.anonymous().basic(name, &User::password(name))
    }
}

fn ask(client: &Client, name: &str, value: &str) -> Reply {
    let headers = [("Accept", "application/json"), (name, value)];
    client.send("GET", TARGET, &headers, None).expect("an answer")
}

fn status(server: &Server, token: &str) -> u16 {
    ask(&server.anonymous(), "Authorization", &format!("Bearer {token}")).status
}

fn sign_in(client: &Client) -> String {
    let reply = client.post("/api/Core/Authentications/BasicLogin", "").expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("token").expect("there is a token").to_owned()
}

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).expect("it is base64url")).expect("it is JSON")
}

/// A token with any header and any claims, signed with HS256.
fn forged(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("it can be signed");
    format!("{message}.{signature}")
}

fn plain() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is later")
        .as_secs()
        .cast_signed()
}

fn with(claims: &Value, changes: &[(&str, Value)]) -> Value {
    let mut changed = claims.clone();
    for (name, value) in changes {
        changed[*name] = value.clone();
    }
    changed
}

#[test]
fn forged_tokens_are_refused_in_the_same_words() {
    for system in System::all() {
        let house = house(system);
        let server = &house.site.server;
        let good = sign_in(&house.client("ann"));
        let claims = claims(&good);
        assert_eq!(status(server, &forged(&plain(), &claims, SECRET)), 200, "the test can forge");
        let admin = json!("2");
        let tokens = [
            ("another key", forged(&plain(), &claims, "another-secret-that-nobody-knows-1")),
            ("an empty key", forged(&plain(), &claims, "")),
            ("alg none", forged(&json!({"alg": "none"}), &claims, SECRET)),
            ("alg None", forged(&json!({"alg": "None"}), &claims, SECRET)),
            ("alg HS512", forged(&json!({"alg": "HS512"}), &claims, SECRET)),
            ("alg RS256", forged(&json!({"alg": "RS256"}), &claims, SECRET)),
            ("alg ES256", forged(&json!({"alg": "ES256", "kid": "x"}), &claims, SECRET)),
            ("no alg", forged(&json!({"typ": "JWT"}), &claims, SECRET)),
            (
                "a key in the header",
                forged(&json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}}), &claims, "x"),
            ),
            (
                "no signature",
                good.rsplit_once('.').map(|cut| format!("{}.", cut.0)).unwrap_or_default(),
            ),
            ("expired", forged(&plain(), &with(&claims, &[("exp", json!(now() - 1))]), SECRET)),
            ("no end", forged(&plain(), &with(&claims, &[("exp", Value::Null)]), SECRET)),
            ("not yet", forged(&plain(), &with(&claims, &[("nbf", json!(now() + HOUR))]), SECRET)),
            (
                "of the future",
                forged(&plain(), &with(&claims, &[("iat", json!(now() + HOUR))]), SECRET),
            ),
            (
                "a foreign issuer",
                forged(&plain(), &with(&claims, &[("iss", json!("https://sts.example.org/"))]), SECRET),
            ),
            (
                "several issuers",
                forged(&plain(), &with(&claims, &[("iss", json!(["odonata", "x"]))]), SECRET),
            ),
            (
                "an audience",
                forged(&plain(), &with(&claims, &[("aud", json!("somebody-else"))]), SECRET),
            ),
            (
                "another user's session",
                forged(&plain(), &with(&claims, &[("sub", admin)]), SECRET),
            ),
            ("no session", forged(&plain(), &with(&claims, &[("sid", json!(999_999))]), SECRET)),
            (
                "a session that is a text",
                forged(&plain(), &with(&claims, &[("sid", json!("1"))]), SECRET),
            ),
        ];
        let refusal = ask(&server.anonymous(), "Authorization", "Bearer x").text();
        for (what, token) in &tokens {
            let reply = ask(&server.anonymous(), "Authorization", &format!("Bearer {token}"));
            assert_eq!(reply.status, 401, "{}: {what}", system.name());
            assert_eq!(reply.text(), refusal, "{what}");
            assert_eq!(reply.header("token"), None, "{what}");
        }
        assert_eq!(status(server, &good), 200);
        let log = server.log();
        assert!(!log.contains(&good) && !log.contains(SECRET), "no secret is in the log");
    }
}

/// What is guessed or forged stands in the audit trail, as what other issuers' bearers try does.
#[test]
fn refused_tokens_are_written_down() {
    for system in System::all() {
        let target = "/api/Diagnostics/AuditTrails?$filter=Name%20eq%20'BearerSignIn'%20and%20EntityState%20eq%20'Failed'";
        let guess = |token: &dyn Fn(&House) -> String| {
            let house = house(system);
            let server = &house.site.server;
            assert_eq!(status(server, &token(&house)), 401);
            let rows = || {
                let headers = [("Accept", "application/json")];
                let reply = server.admin().send("GET", target, &headers, None).expect("an answer");
                reply.json()["value"].as_array().map_or(0, Vec::len)
            };
            let start = Instant::now();
            while rows() != 1 {
                assert!(start.elapsed() < Duration::from_secs(30), "{} it is written down", system.name());
                std::thread::sleep(Duration::from_millis(200));
            }
        };
        guess(&|_| "odo_guess".to_owned());
        guess(&|house| {
            let claims = claims(&sign_in(&house.client("ann")));
            forged(&plain(), &claims, "another-secret-that-nobody-knows-1")
        });
    }
}

#[test]
fn an_old_token_is_replaced_and_stays_good() {
    for system in System::all() {
        let house = house(system);
        let server = &house.site.server;
        let claims = claims(&sign_in(&house.client("ann")));
        let young = forged(&plain(), &with(&claims, &[("iat", json!(now() - HOUR + 60))]), SECRET);
        let bearer = |token: &str| ask(&server.anonymous(), "Authorization", &format!("Bearer {token}"));
        assert_eq!(bearer(&young).header("token"), None);
        let old = forged(&plain(), &with(&claims, &[("iat", json!(now() - HOUR))]), SECRET);
        let reply = bearer(&old);
        let fresh = reply.header("token").expect("there is a fresh one").to_owned();
        assert_eq!((reply.status, reply.header("X-Odonata-Token")), (200, Some(fresh.as_str())));
        assert_eq!(reply.header("Set-Cookie"), None, "it did not come by cookie");
        assert_eq!(claims["sid"], self::claims(&fresh)["sid"], "it is the same session");
        assert_eq!((bearer(&old).status, bearer(&fresh).status), (200, 200));
        let reply = ask(&server.anonymous(), "Cookie", &format!("token={old}"));
        let cookie = reply.header("Set-Cookie").expect("there is a cookie");
        assert!(cookie.starts_with("token=ey") && cookie.contains("; HttpOnly"), "{cookie}");
        let sessions = house
            .client("ann")
            .get("/api/Core/Sessions?$filter=LastUsed%20ne%20null")
            .expect("an answer");
        assert_eq!(sessions.json()["value"].as_array().map(Vec::len), Some(1), "{}", sessions.text());
    }
}

#[test]
fn what_one_instance_ends_has_ended_on_the_other() {
    if !System::Postgres.is_there() {
        return;
    }
    let house = house(System::Postgres);
    let (one, other) = (&house.site.server, house.second());
    let boss = house.client("boss");
    let ann = house.client("ann").post("/api/Core/Users/Current", "").expect("an answer").json()["Id"].clone();
    let user = format!("/api/Core/Users({}L)", ann.as_str().unwrap_or_default());
    let change = |body: &str| {
        let headers = [("Content-Type", "application/json"), ("If-Match", "*")];
        let reply = boss.send("PATCH", &user, &headers, Some(body.as_bytes())).expect("an answer");
        assert_eq!(reply.status, 204, "{}", reply.text());
    };
    let begin = || {
        let token = sign_in(&house.client("ann"));
        assert_eq!((status(one, &token), status(&other, &token)), (200, 200), "both know it");
        token
    };

    // The other one is asked all the time, so that it has something to remember.
    let is_over = AtomicBool::new(false);
    let busy = sign_in(&house.client("boss"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                status(&other, &busy);
            }
        });
        for _ in 0..20 {
            let token = begin();
            let target = format!("/api/Core/Sessions({}L)", claims(&token)["sid"]);
            let ann = house.client("ann");
            let reply = ann.send("DELETE", &target, &[("If-Match", "*")], None).expect("an answer");
            let after = (status(&other, &token), status(one, &token));
            is_over.store(reply.status != 204 || after != (401, 401), Ordering::Relaxed);
            assert_eq!(reply.status, 204, "{}", reply.text());
            assert_eq!(after, (401, 401), "the session is deleted");
        }
        is_over.store(true, Ordering::Relaxed);
    });

    let token = begin();
    change(r#"{"Active": false}"#);
    assert_eq!((status(&other, &token), status(one, &token)), (401, 401), "the user is not active");
    change(r#"{"Active": true}"#);
    assert_eq!(status(&other, &token), 401, "a session does not come back");

    let token = begin();
    change(r#"{"Password": "another"}"#);
    assert_eq!((status(&other, &token), status(one, &token)), (401, 401), "the password is another");
}

/// A session that begins while the password changes does not outlive it, however the two fall together.
#[test]
fn a_session_does_not_slip_past_a_new_password() {
    const ROUNDS: usize = 8;
    for system in System::all() {
        let house = house(system);
        let boss = house.client("boss");
        let ann = house.client("ann").post("/api/Core/Users/Current", "").expect("an answer").json()["Id"].clone();
        let user = format!("/api/Core/Users({}L)", ann.as_str().unwrap_or_default());
        for round in 0..ROUNDS {
            let password = |round: usize| match round {
                0 => User::password("ann"),
                round => format!("password {round}"),
            };
            let begin = || {
                let client = house.site.server.anonymous().basic("ann", &password(round));
                let replies = (0..20).map(|_| client.post("/api/Core/Authentications/BasicLogin", "").expect("an answer"));
                let good = replies.filter(|reply| reply.status == 200);
                good.filter_map(|reply| reply.header("token").map(str::to_owned))
                    .collect::<Vec<_>>()
            };
            let tokens: Vec<String> = std::thread::scope(|scope| {
                let running: Vec<_> = (0..3).map(|_| scope.spawn(begin)).collect();
                std::thread::sleep(std::time::Duration::from_millis(60 + 10 * round as u64));
                let headers = [("Content-Type", "application/json"), ("If-Match", "*")];
                let body = json!({ "Password": password(round + 1) }).to_string();
                let reply = boss.send("PATCH", &user, &headers, Some(body.as_bytes())).expect("an answer");
                assert_eq!(reply.status, 204, "{}", reply.text());
                running
                    .into_iter()
                    .flat_map(|thread| thread.join().expect("it does not panic"))
                    .collect()
            });
            for token in &tokens {
                assert_eq!(status(&house.site.server, token), 401, "{}: round {round}", system.name());
            }
        }
    }
}

#[test]
fn expired_sessions_are_cleared_away() {
    for system in System::all() {
        let fixture = Fixture::prepare(&[], &[], system)
            .expect("the fixture is good")
            .expect("it is here");
        let row = |id: i64, end: &str| json!({"Id": id, "Name": "x", "UserId": 2, "Kind": "Login", "ExpiresAt": end, "Scope": []});
        let rows = json!([row(1, "2001-01-01T00:00:00Z"), row(2, "2999-01-01T00:00:00Z")]);
        let file = fixture.plugins().join("rows.json");
        std::fs::write(&file, rows.to_string()).expect("a file can be written");
        fixture
            .run(&["load", "Core/Sessions", &file.to_string_lossy()])
            .expect("rows are loaded");
        let site = fixture.serve(SETTINGS).expect("the server starts");
        let client = site.server.admin();
        let ids = || {
            let reply = client.get("/api/Core/Sessions?$orderby=Id").expect("an answer").json();
            let ids = reply["value"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|row| row["Id"].as_str().map(str::to_owned));
            ids.collect::<Vec<_>>()
        };
        let claims =
            json!({"iss": "odonata", "sub": "2", "name": "admin", "iat": now(), "nbf": now(), "exp": now() + HOUR, "timestamp": 0.0});
        let token = |session: i64| forged(&plain(), &with(&claims, &[("sid", json!(session))]), SECRET);
        assert_eq!((status(&site.server, &token(1)), status(&site.server, &token(2))), (401, 200));
        assert_eq!(ids(), ["1", "2"]);
        sign_in(&client);
        assert_eq!(ids(), ["2", "3"], "{}", system.name());
    }
}

#[test]
fn servers_on_one_database_share_a_key() {
    for system in System::all() {
        let fixture = Fixture::prepare(&[], &[], system)
            .expect("the fixture is good")
            .expect("it is here");
        let mut site = fixture.serve(&[]).expect("the server starts");
        let token = sign_in(&site.server.admin());
        site.server.kill();
        let again = Server::start_with(&site.database, fixture.plugins(), &[]);
        assert_eq!(status(&again, &token), 200, "{}", system.name());
        drop(again);
        let short = Server::try_start(&site.database.url(), fixture.plugins(), &[("ODONATA_TOKENS_SECRET", "short")]);
        let log = short.expect_err("it must not start");
        assert!(log.contains("ODONATA_TOKENS_SECRET: has at least 32 bytes"), "{log}");
    }
}

#[test]
fn sessions_of_a_user_have_a_limit() {
    let house = house(System::Sqlite);
    let client = house.client("ann");
    let first = sign_in(&client);
    for _ in 0..SESSIONS_PER_USER - 1 {
        sign_in(&client);
    }
    assert_eq!(status(&house.site.server, &first), 200);
    let last = sign_in(&client);
    let count = client.get("/api/Core/Sessions/$count").expect("an answer").text();
    assert_eq!(count, SESSIONS_PER_USER.to_string());
    assert_eq!((status(&house.site.server, &first), status(&house.site.server, &last)), (401, 200));
}

#[test]
fn large_tokens_are_refused() {
    let house = house(System::Sqlite);
    for (length, expected) in [
        (TOKEN_BYTES, &[401][..]),
        (CREDENTIAL_BYTES, &[400]),
        (CREDENTIAL_BYTES + 1, &[400, 431]),
        (300_000, &[400, 431]),
    ] {
        let head = "Authorization: Bearer ";
        let token = "x".repeat(length - "Bearer ".len());
        let request = format!("GET {TARGET} HTTP/1.1\r\nHost: x\r\n{head}{token}\r\n\r\n");
        let reply = house.site.server.anonymous().raw(request.as_bytes()).expect("an answer");
        if let Some(reply) = reply {
            assert!(expected.contains(&reply.status), "{length}: {}", reply.status);
        }
    }
    assert_eq!(status(&house.site.server, &sign_in(&house.client("ann"))), 200);
}

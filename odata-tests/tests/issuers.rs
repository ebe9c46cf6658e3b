//! Access tokens of other issuers (OAuth 2, OpenID Connect), on both databases, against issuers that the tests make themselves.
//! What is wrong with a token is never told, and an issuer that does not answer holds up nothing but its own tokens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use odata_tests::case::User;
use odata_tests::client::{Reply, base64, encode};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::issuer::{Issuer, Mood};
use odata_tests::tokens::{ALGORITHMS, Key, bare_token, part, secret_token};
use odonata::model::limits::{ISSUER_PAUSE_SECONDS, ISSUER_SECONDS, TOKEN_BYTES};
use serde_json::{Value, json};
use tempfile::TempDir;

const HOME: &str = "22222222-2222-2222-2222-222222222222";
const OTHER: &str = "33333333-3333-3333-3333-333333333333";
const EVERY: &str = "00000000-0000-0000-0000-000000000000";

/// Runs a test on each database.
fn everywhere(test: impl Fn(System) + Sync) {
    std::thread::scope(|scope| {
        for system in System::all() {
            let test = &test;
            scope.spawn(move || test(system));
        }
    });
}

/// A server with these sections in its settings, and the users alice, bob and eve in HOME.
fn site(system: System, settings: &str) -> Site {
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
    let users = [user("alice"), user("bob"), user("eve"), other];
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
fn section(issuer: &Issuer, more: &str) -> String {
    let name = issuer.name();
    format!("[issuer.corp]\nissuer = \"{name}\"\naudience = \"odonata\"\nleeway_seconds = 0\n{more}\n")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

/// Good claims of alice, with those of `more` instead; null leaves one out. No two are the same.
fn claims(issuer: &Issuer, more: Value) -> Value {
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
fn ask(site: &Site, token: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Accept", "application/json")];
    let reply = site.server.anonymous().send("POST", "/api/Core/Users/Current", &headers, None);
    reply.expect("the server answers")
}

fn admin(site: &Site, method: &str, target: &str, body: Option<&str>) -> Reply {
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

fn user(site: &Site, name: &str) -> Option<Value> {
    let found = admin(site, "GET", &format!("/api/Core/Users?$filter=Name eq '{name}'"), None).json();
    found["value"][0].as_object().map(|user| Value::Object(user.clone()))
}

fn change(site: &Site, name: &str, change: Value) {
    let id = user(site, name).expect("the user is there")["Id"].clone();
    let id = id.as_str().expect("numbers of 64 bits are texts");
    admin(site, "PATCH", &format!("/api/Core/Users({id}L)"), Some(&change.to_string()));
}

/// Says who a user is at an issuer.
fn map(site: &Site, name: &str, id: &str) {
    change(site, name, json!({"ExternalType": "corp", "ExternalId": id}));
}

/// The roles of a user.
fn roles(site: &Site, name: &str) -> Vec<String> {
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
fn is_alice(reply: &Reply, what: &str) {
    assert_eq!(
        (reply.status, &reply.json()["Name"]),
        (200, &json!("alice")),
        "{what}: {}",
        reply.text()
    );
}

/// The one answer to every token that is not right.
#[track_caller]
fn is_refused(reply: &Reply, what: &str) {
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
fn is_unreachable(reply: &Reply, what: &str) {
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

#[test]
fn every_algorithm_of_the_settings_and_no_other() {
    everywhere(|system| {
        let keys: Vec<&Key> = Key::all().iter().collect();
        let issuer = Issuer::start(&keys);
        for (allowed, settings) in [
            (&ALGORITHMS[..], format!("algorithms = {ALGORITHMS:?}")),
            (&["RS256"], String::new()),
            (&["ES384", "EdDSA"], "algorithms = \"ES384,EdDSA\"".to_owned()),
        ] {
            let site = site(system, &section(&issuer, &settings));
            map(&site, "alice", "alice-1");
            for key in Key::all() {
                let reply = ask(&site, &key.token(&claims(&issuer, json!({}))));
                match allowed.contains(&key.algorithm) {
                    true => is_alice(&reply, key.algorithm),
                    false => is_refused(&reply, key.algorithm),
                }
            }
        }
    });
}

/// Attacks and mistakes: each is refused in the same words, and the log has the reason.
#[test]
fn tokens_that_are_not_right() {
    everywhere(|system| {
        let (rsa, ec) = (Key::new("1", "RS256"), Key::new("2", "ES256"));
        let issuer = Issuer::start(&[&rsa, &ec]);
        let stranger = Issuer::start(&[&rsa]);
        let site = site(system, &section(&issuer, "algorithms = [\"RS256\", \"ES256\"]"));
        map(&site, "alice", "alice-1");
        let good = || claims(&issuer, json!({}));
        let mut wrong: Vec<(String, String)> = Vec::new();
        for (what, more) in [
            ("expired", json!({"exp": now() - 1})),
            ("no end", json!({"exp": null})),
            ("an end that is a text", json!({"exp": (now() + 600).to_string()})),
            ("not yet", json!({"nbf": now() + 30})),
            ("made in the future", json!({"iat": now() + 30})),
            ("for another", json!({"aud": "another"})),
            ("for others", json!({"aud": ["another", "Odonata", "odonata "]})),
            ("for nobody", json!({"aud": null})),
            ("of another", json!({"iss": stranger.name()})),
            ("of nobody", json!({"iss": null})),
            ("of one that is only alike", json!({"iss": format!("{}/", issuer.name())})),
            ("of two", json!({"iss": [issuer.name()]})),
            ("without a subject", json!({"sub": null})),
            ("with an empty subject", json!({"sub": ""})),
            ("with a pattern for a subject", json!({"sub": "alice%"})),
            ("with a subject in other letters", json!({"sub": "Alice-1"})),
            ("of somebody unknown", json!({"sub": "nobody"})),
            ("with a name for a subject", json!({"sub": "admin"})),
            ("bound to a key", json!({"cnf": {"jkt": "x"}})),
        ] {
            wrong.push((what.to_owned(), rsa.token(&claims(&issuer, more))));
        }
        for (number, secret) in rsa.public_bytes().iter().chain(&ec.public_bytes()).enumerate() {
            for (id, algorithm) in [("1", "HS256"), ("1", "RS256"), ("2", "ES256")] {
                let header = json!({"alg": algorithm, "kid": id});
                let token = secret_token(secret, &header, &good());
                wrong.push((format!("signed with the public key {number} as {algorithm}"), token));
            }
        }
        for algorithm in ["none", "None", "NONE", "nOnE", ""] {
            let header = json!({"alg": algorithm, "kid": "1"});
            wrong.push((format!("not signed, {algorithm}"), bare_token(&header, &good())));
            wrong.push((format!("signed, {algorithm}"), rsa.token_with(&header, &good())));
        }
        let mine = Key::new("1", "RS256");
        let named = |more: Value| {
            let mut header = json!({"alg": "RS256", "kid": "1"});
            for (name, value) in more.as_object().expect("it is one") {
                header[name] = value.clone();
            }
            header
        };
        let bring = [
            ("its own key", json!({"jwk": mine.public()})),
            ("its own address", json!({"jku": format!("{}/keys", stranger.name())})),
            ("nothing", json!({})),
        ];
        for (what, more) in bring {
            wrong.push((
                format!("signed by somebody else, and brings {what}"),
                mine.token_with(&named(more), &good()),
            ));
        }
        let token = rsa.token(&good());
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let header = signed.split('.').next().expect("three parts");
        let forged = part(claims(&issuer, json!({"sub": "bob-1"})).to_string().as_bytes());
        for (what, token) in [
            (
                "the other key's algorithm",
                rsa.token_with(&json!({"alg": "ES256", "kid": "2"}), &good()),
            ),
            (
                "the other key's name",
                rsa.token_with(&json!({"alg": "RS256", "kid": "2"}), &good()),
            ),
            (
                "an algorithm of the key that is not allowed",
                rsa.token_with(&json!({"alg": "PS256", "kid": "1"}), &good()),
            ),
            (
                "what must be understood",
                rsa.token_with(&named(json!({"crit": ["exp"], "exp": 1})), &good()),
            ),
            ("another purpose", rsa.token_with(&named(json!({"typ": "logout+jwt"})), &good())),
            ("no algorithm", rsa.token_with(&json!({"kid": "1"}), &good())),
            ("other claims", format!("{header}.{forged}.{signature}")),
            ("half a signature", format!("{signed}.{}", &signature[..signature.len() / 2])),
            ("no signature", format!("{signed}.")),
            ("two parts", signed.to_owned()),
            ("four parts", format!("{token}.x")),
            ("nonsense", "nonsense".to_owned()),
            ("a blank", "a b".to_owned()),
            ("nothing", String::new()),
            ("dots", "..".to_owned()),
        ] {
            wrong.push((what.to_owned(), token));
        }
        for (what, token) in &wrong {
            is_refused(&ask(&site, token), what);
        }
        is_alice(&ask(&site, &rsa.token(&good())), "a good one");
        is_alice(
            &ask(&site, &ec.token(&claims(&issuer, json!({"aud": ["x", "odonata"]})))),
            "for several",
        );
        let access = json!({"alg": "RS256", "kid": "1", "typ": "at+jwt"});
        is_alice(&ask(&site, &rsa.token_with(&access, &good())), "an access token (RFC 9068)");
        let log = site.server.log();
        for reason in [
            "it has expired",
            "another `aud`",
            "is nobody here",
            "its signature is not right",
            "`crit`",
        ] {
            assert!(log.contains(reason), "the log says: {reason}");
        }
        assert!(!log.contains(signature), "the log has no token");
    });
}

/// A token stands wherever one may, and has an end.
#[test]
fn where_and_how_long() {
    let key = Key::new("1", "ES256");
    let issuer = Issuer::start(&[&key]);
    let site = site(System::Sqlite, &section(&issuer, "algorithms = \"ES256\""));
    map(&site, "alice", "alice-1");
    let token = key.token(&claims(&issuer, json!({})));
    for (name, value) in [
        ("X-Odonata-Token", token.clone()),
        ("Authorization", format!("bearer {token}")),
        ("Authorization", format!("BEARER   {token} ")),
    ] {
        let reply = site
            .server
            .anonymous()
            .send("POST", "/api/Core/Users/Current", &[(name, value.as_str())], None);
        is_alice(&reply.expect("the server answers"), name);
    }
    let long = |bytes: usize| {
        let bare = key.token(&claims(&issuer, json!({"x": ""}))).len();
        let mut text = "x".repeat((bytes - bare) * 3 / 4);
        while key.token(&claims(&issuer, json!({"x": text}))).len() > bytes {
            text.pop();
        }
        key.token(&claims(&issuer, json!({"x": text})))
    };
    is_alice(&ask(&site, &long(TOKEN_BYTES)), "as long as may be");
    let reply = ask(&site, &format!("{}x", "x".repeat(TOKEN_BYTES)));
    assert_eq!((reply.status, reply.code().as_str()), (400, "limit_exceeded"));

    let short = key.token(&claims(&issuer, json!({"exp": now() + 3})));
    is_alice(&ask(&site, &short), "while it counts");
    let start = Instant::now();
    while ask(&site, &short).status == 200 {
        assert!(start.elapsed() < Duration::from_secs(10), "what is remembered ends with the token");
        std::thread::sleep(Duration::from_millis(100));
    }
    is_refused(&ask(&site, &short), "afterwards");
}

#[test]
fn keys_rotate_and_are_asked_for_seldom() {
    everywhere(|system| {
        let (old, new) = (Key::new("1", "ES256"), Key::new("2", "ES256"));
        let issuer = Issuer::start(&[&old]);
        let site = site(system, &section(&issuer, "algorithms = \"ES256\""));
        map(&site, "alice", "alice-1");
        let with = |key: &Key| ask(&site, &key.token(&claims(&issuer, json!({}))));
        for _ in 0..5 {
            is_alice(&with(&old), "the keys are remembered");
        }
        assert_eq!((issuer.count("/.well-known/openid-configuration"), issuer.count("/keys")), (1, 1));
        issuer.set_keys(&[&old, &new]);
        is_alice(&with(&new), "an unknown key is asked for at once");
        assert_eq!(issuer.count("/keys"), 2);
        issuer.set_keys(&[&new]);
        for number in 0..20 {
            is_refused(&with(&Key::new(&format!("guess {number}"), "ES256")), "a key that is nobody's");
        }
        assert_eq!(issuer.count("/keys"), 2, "an issuer is not asked for every guess");
        is_alice(&with(&old), "what is taken back counts until the keys are old");
    });
}

/// Keys without a name are tried; what is taken back stops to count when the keys are asked for again.
#[test]
fn keys_grow_old() {
    let (mut old, mut new) = (Key::new("", "ES256"), Key::new("", "ES256"));
    (old.id, new.id) = (None, None);
    let issuer = Issuer::start(&[&old]);
    let site = site(System::Sqlite, &section(&issuer, "algorithms = \"ES256\"\nkeys_seconds = 1"));
    map(&site, "alice", "alice-1");
    let with = |key: &Key| ask(&site, &key.token(&claims(&issuer, json!({}))));
    is_alice(&with(&old), "it is tried");
    issuer.set_keys(&[&new]);
    std::thread::sleep(Duration::from_millis(1100));
    is_refused(&with(&old), "it is taken back");
    is_alice(&with(&new), "it is there");
}

#[test]
fn old_keys_are_kept_while_the_issuer_is_ill() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let issuer = Issuer::start(&[&key]);
        let site = site(system, &section(&issuer, "algorithms = \"ES256\"\nkeys_seconds = 1"));
        map(&site, "alice", "alice-1");
        let with = |key: &Key| ask(&site, &key.token(&claims(&issuer, json!({}))));
        is_alice(&with(&key), "well");
        for mood in [
            Mood::Gone,
            Mood::Status(500),
            Mood::Status(302),
            Mood::Says("<html>".to_owned()),
            Mood::Says("[".repeat(100_000)),
            Mood::Says("{\"keys\":{}}".to_owned()),
            Mood::Huge,
        ] {
            let before = issuer.requests().len();
            issuer.set_mood(mood.clone());
            let start = Instant::now();
            while issuer.requests().len() == before {
                assert!(start.elapsed() < Duration::from_secs(30), "{mood:?}: it is asked again");
                is_alice(&with(&key), &format!("{mood:?}"));
                std::thread::sleep(Duration::from_millis(200));
            }
            is_alice(&with(&key), &format!("after {mood:?}"));
            is_unreachable(&with(&Key::new("2", "ES256")), "whether it is the issuer's, only the issuer knows");
        }
    });
}

#[test]
fn an_issuer_that_does_not_answer_holds_up_nobody_else() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let (well, silent) = (Issuer::start(&[&key]), Issuer::start(&[&key]));
        silent.set_mood(Mood::Slow(Duration::from_secs(60)));
        let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let gone = format!("http://{}", gone.expect("a port is free"));
        let more = "algorithms = \"ES256\"\naudience = \"odonata\"";
        let site = site(
            system,
            &format!(
                "{}\n[issuer.silent]\nissuer = \"{}\"\n{more}\n[issuer.gone]\nissuer = \"{gone}\"\n{more}\n",
                section(&well, "algorithms = \"ES256\""),
                silent.name()
            ),
        );
        map(&site, "alice", "alice-1");
        let lost = || key.token(&claims(&well, json!({"iss": gone})));
        is_unreachable(&ask(&site, &lost()), "nobody listens");
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..40)
                .map(|_| scope.spawn(|| (ask(&site, &key.token(&claims(&silent, json!({})))), Instant::now())))
                .collect();
            let start = Instant::now();
            std::thread::sleep(Duration::from_millis(300));
            for _ in 0..10 {
                is_alice(&ask(&site, &key.token(&claims(&well, json!({})))), "the other issuer");
                assert_eq!(site.server.admin().get("/api/Core/Users").expect("an answer").status, 200);
            }
            assert!(start.elapsed() < Duration::from_secs(ISSUER_SECONDS as u64), "nobody else waits");
            for thread in waiting {
                let (reply, end) = thread.join().expect("no request panics");
                is_unreachable(&reply, "it is silent");
                assert!(end - start < Duration::from_secs(ISSUER_SECONDS as u64 + 6), "{:?}", end - start);
            }
        });
        assert_eq!(silent.requests().len(), 1, "many wait for one question");
        let start = Instant::now();
        is_unreachable(
            &ask(&site, &key.token(&claims(&silent, json!({})))),
            "and is not asked again at once",
        );
        assert!(start.elapsed() < Duration::from_secs(1));
        silent.set_mood(Mood::Well);
        let start = Instant::now();
        // `silent` knows nobody here: 401 says that its keys were had.
        while ask(&site, &key.token(&claims(&silent, json!({})))).status == 503 {
            assert!(
                start.elapsed() < Duration::from_secs(ISSUER_PAUSE_SECONDS as u64 + 10),
                "it is well again"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}

/// A configuration that is another issuer's, and keys at an address that is none.
#[test]
fn configurations_are_looked_at() {
    let key = Key::new("1", "ES256");
    let issuer = Issuer::start(&[&key]);
    let site = site(System::Sqlite, &section(&issuer, "algorithms = \"ES256\""));
    map(&site, "alice", "alice-1");
    issuer.set_name("https://elsewhere.example.org");
    is_unreachable(&ask(&site, &key.token(&claims(&issuer, json!({})))), "another's configuration");
    assert_eq!(issuer.count("/keys"), 0);
    assert!(site.server.log().contains("its configuration is that of another issuer"));
}

#[test]
fn two_issuers_know_different_people() {
    everywhere(|system| {
        let (one, two) = (Key::new("1", "ES256"), Key::new("1", "ES256"));
        let (corp, other) = (Issuer::start(&[&one]), Issuer::start(&[&two]));
        let site = site(
            system,
            &format!(
                "{}\n[issuer.other]\nissuer = \"{}\"\naudience = \"odonata\"\nalgorithms = \"ES256\"\n",
                section(&corp, "algorithms = \"ES256\""),
                other.name()
            ),
        );
        map(&site, "alice", "alice-1");
        change(&site, "bob", json!({"ExternalType": "other", "ExternalId": "alice-1"}));
        is_alice(&ask(&site, &one.token(&claims(&corp, json!({})))), "corp's alice-1");
        let reply = ask(&site, &two.token(&claims(&other, json!({}))));
        assert_eq!((reply.status, &reply.json()["Name"]), (200, &json!("bob")), "the other's alice-1");
        is_refused(&ask(&site, &two.token(&claims(&corp, json!({})))), "corp's, signed by the other");
        is_refused(&ask(&site, &one.token(&claims(&other, json!({})))), "the other's, signed by corp");
        // Two users that claim to be the same person are nobody.
        map(&site, "eve", "alice-1");
        is_refused(&ask(&site, &one.token(&claims(&corp, json!({})))), "whose is it?");
    });
}

#[test]
fn a_token_is_of_one_tenant() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let issuer = Issuer::start(&[&key]);
        let table = format!("tenants = [\"contoso={HOME}\", \"fabrikam={OTHER}\"]");
        let more = format!("algorithms = \"ES256\"\ntenant_claim = \"org.tid\"\n{table}");
        let site = site(system, &section(&issuer, &more));
        map(&site, "alice", "alice-1");
        // Whoever manages users of another tenant may write what he likes about them.
        map(&site, "zoe", "alice-1");
        let of = |tenant: Value| ask(&site, &key.token(&claims(&issuer, json!({"org": {"tid": tenant}}))));
        is_alice(&of(json!("contoso")), "the tenant of the table");
        let reply = of(json!("fabrikam"));
        assert_eq!(
            (reply.status, &reply.json()["Name"]),
            (200, &json!("zoe")),
            "the same name in another tenant"
        );
        for tenant in [
            json!("Contoso"),
            json!("northwind"),
            json!(HOME),
            json!(EVERY),
            json!(""),
            json!(["contoso"]),
            json!(null),
        ] {
            is_refused(&of(tenant.clone()), &tenant.to_string());
        }
        is_refused(&ask(&site, &key.token(&claims(&issuer, json!({})))), "no tenant");
    });
}

#[test]
fn roles_are_given_and_taken() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let issuer = Issuer::start(&[&key]);
        let more =
            "algorithms = \"ES256\"\ndefault_tenant = \"{HOME}\"\nroles_claim = \"groups\"\n\
            roles = [\"admins=CloudAdmin\", \"guests=CloudGuest\", \"gods=UberAdmin\", \"ghosts=NoSuchRole\"]"
        );
        let site = site(system, &section(&issuer, &more));
        map(&site, "alice", "alice-1");
        let start = now();
        let with = |groups: Value, age: u64| {
            let token = key.token(&claims(&issuer, json!({"groups": groups, "iat": start - age})));
            is_alice(&ask(&site, &token), &groups.to_string());
            token
        };
        assert_eq!(roles(&site, "alice"), ["CloudUser"]);
        let first = with(json!(["admins", "x"]), 100);
        assert_eq!(
            roles(&site, "alice"),
            ["CloudAdmin", "CloudUser"],
            "what the claim gives, beside what it does not name"
        );
        with(json!(["guests", "gods", "ghosts"]), 90);
        assert_eq!(
            roles(&site, "alice"),
            ["CloudGuest", "CloudUser"],
            "nobody becomes an operator outside the root tenant"
        );
        is_alice(&ask(&site, &first), "the older token");
        with(json!(["admins"]), 100);
        assert_eq!(
            roles(&site, "alice"),
            ["CloudGuest", "CloudUser"],
            "an older token does not give back what a newer one took"
        );
        with(json!(null), 80);
        assert_eq!(roles(&site, "alice"), ["CloudUser"], "no claim gives nothing");
        assert_eq!(roles(&site, "bob"), ["CloudUser"]);
    });
}

#[test]
fn a_change_of_roles_is_told_once() {
    let key = Key::new("1", "ES256");
    let issuer = Issuer::start(&[&key]);
    let more = format!("algorithms = \"ES256\"\ndefault_tenant = \"{HOME}\"\nroles_claim = \"groups\"\nroles = [\"admins=CloudAdmin\"]");
    let site = site(System::Sqlite, &section(&issuer, &more));
    map(&site, "alice", "alice-1");
    for _ in 0..5 {
        is_alice(
            &ask(&site, &key.token(&claims(&issuer, json!({"groups": ["admins"]})))),
            "each time",
        );
    }
    assert_eq!(site.server.log().matches("the role CloudAdmin is given").count(), 1);
}

#[test]
fn unknown_people_become_users_where_the_settings_say_so() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let issuer = Issuer::start(&[&key]);
        let more =
            "algorithms = \"ES256\"\nunknown_users = \"provision\"\ntenant_claim = \"tid\"\nroles_claim = \"groups\"\n\
            roles = [\"admins=CloudAdmin\", \"users=CloudUser\"]";
        let site = site(system, &section(&issuer, more));
        let come = |more: Value| ask(&site, &key.token(&claims(&issuer, more)));
        let carol = || json!({"sub": "c-1", "preferred_username": "carol", "email": "c@a.org", "tid": HOME, "groups": ["admins"]});
        std::thread::scope(|scope| {
            let many: Vec<_> = (0..8).map(|_| scope.spawn(|| come(carol()))).collect();
            for thread in many {
                let reply = thread.join().expect("no request panics");
                assert_eq!((reply.status, &reply.json()["Name"]), (200, &json!("carol")), "{}", reply.text());
            }
        });
        let found = admin(&site, "GET", "/api/Core/Users?$filter=ExternalId eq 'c-1'", None).json();
        assert_eq!(found["value"].as_array().map(Vec::len), Some(1), "one person is one user");
        let made = &found["value"][0];
        for (name, expected) in [("Name", "carol"), ("Mail", "c@a.org"), ("Tid", HOME), ("ExternalType", "corp")] {
            assert_eq!(made[name], expected, "{name}");
        }
        assert_eq!(roles(&site, "carol"), ["CloudAdmin"]);
        let reply = come(json!({"sub": "d-1", "tid": HOME, "groups": []}));
        assert_eq!(
            (reply.status, &reply.json()["Name"]),
            (200, &json!("d-1")),
            "who says no name is called by the id"
        );
        assert_eq!(
            roles(&site, "d-1"),
            Vec::<String>::new(),
            "the claim decides about CloudUser, and does not give it"
        );
        for (what, more) in [
            (
                "a name that is taken",
                json!({"sub": "x-1", "preferred_username": "admin", "tid": HOME}),
            ),
            (
                "in other letters",
                json!({"sub": "x-2", "preferred_username": "ALICE", "tid": HOME}),
            ),
            (
                "no such tenant",
                json!({"sub": "x-3", "preferred_username": "x3", "tid": "99999999-9999-9999-9999-999999999999"}),
            ),
            ("no tenant", json!({"sub": "x-4", "preferred_username": "x4"})),
        ] {
            is_refused(&come(more), what);
        }
        assert_eq!(
            user(&site, "admin").expect("he is there")["ExternalId"],
            "admin",
            "nobody is taken over"
        );
        assert!(user(&site, "x3").is_none() && user(&site, "x4").is_none());
        change(&site, "carol", json!({"Active": false}));
        is_refused(&come(carol()), "deactivated");
    });
}

#[test]
fn deactivated_users_are_refused_at_once() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let issuer = Issuer::start(&[&key]);
        let site = site(system, &section(&issuer, "algorithms = \"ES256\""));
        map(&site, "alice", "alice-1");
        let token = key.token(&claims(&issuer, json!({})));
        is_alice(&ask(&site, &token), "active");
        change(&site, "alice", json!({"Active": false}));
        is_refused(&ask(&site, &token), "the very next request");
        change(&site, "alice", json!({"Active": true}));
        is_alice(&ask(&site, &token), "active again");
        map(&site, "alice", "somebody-else");
        is_refused(&ask(&site, &token), "not that person any more");
    });
}

#[test]
fn opaque_tokens_are_asked_about() {
    everywhere(|system| {
        let issuer = Issuer::start(&[]);
        let more = format!("introspection_url = \"{}/tell\"\nclient_id = \"us & co\"", issuer.name());
        let site = site(system, &section(&issuer, &more));
        map(&site, "alice", "alice-1");
        for (token, told, is_good) in [
            ("good", json!({"active": true, "sub": "alice-1"}), true),
            ("full", claims(&issuer, json!({"active": true, "token_type": "Bearer"})), true),
            ("inactive", json!({"active": false, "sub": "alice-1"}), false),
            ("expired", json!({"active": true, "sub": "alice-1", "exp": now() - 1}), false),
            ("foreign", json!({"active": true, "sub": "alice-1", "aud": "other"}), false),
            (
                "refresh",
                json!({"active": true, "sub": "alice-1", "token_use": "refresh_token"}),
                false,
            ),
            ("nobody", json!({"active": true}), false),
        ] {
            issuer.tell(token, told);
            for _ in 0..3 {
                match is_good {
                    true => is_alice(&ask(&site, token), token),
                    false => is_refused(&ask(&site, token), token),
                }
            }
        }
        is_refused(&ask(&site, "unknown"), "unknown");
        assert_eq!(issuer.count("/tell"), 8, "each is asked about once");
        let request = issuer.requests().pop().expect("it was asked");
        assert_eq!(request.authorization, format!("Basic {}", base64(b"us+%26+co:s%3Acret")));
        assert_eq!(request.body, "token=unknown&token_type_hint=access_token");

        let short = "short";
        issuer.tell(short, json!({"active": true, "sub": "alice-1", "exp": now() + 3}));
        is_alice(&ask(&site, short), short);
        for (number, mood) in [
            Mood::Gone,
            Mood::Status(401),
            Mood::Huge,
            Mood::Says("{\"active\":\"true\"}".to_owned()),
        ]
        .into_iter()
        .enumerate()
        {
            let before = issuer.count("/tell");
            issuer.set_mood(mood.clone());
            let start = Instant::now();
            while issuer.count("/tell") == before {
                assert!(start.elapsed() < Duration::from_secs(30), "{mood:?}: it is asked again");
                is_unreachable(&ask(&site, &format!("new{number}")), &format!("{mood:?}"));
                std::thread::sleep(Duration::from_millis(200));
            }
            is_alice(&ask(&site, "good"), "what it said before counts a while");
        }
        is_refused(&ask(&site, short), "its end has come");
        assert!(!site.server.log().contains("s:cret"));
    });
}

/// A setting that is not safe or not whole stops the start, and the message names the line.
#[test]
fn bad_settings_stop_the_start() {
    let fixture = Fixture::prepare(&[], &[], System::Sqlite)
        .expect("the fixture is good")
        .expect("it is here");
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("odonata.toml");
    for (settings, expected) in [
        ("issuer = \"https://a\"\n", ":2: [issuer.corp] needs `audience`"),
        (
            "issuer = \"https://a\"\naudience = \"x\"\nalgorithms = \"HS256\"\n",
            ":5: algorithms: is a list of",
        ),
        (
            "issuer = \"https://a\"\naudience = \"x\"\njwks_url = \"http://a/keys\"\n",
            ":5: jwks_url: is an https",
        ),
    ] {
        std::fs::write(&file, format!("\n[issuer.corp]\n{settings}")).expect("a file can be written");
        let log = fixture.serve(&[("ODONATA_CONFIG", file.to_str().expect("a plain name"))]);
        let log = log.err().unwrap_or_default();
        assert!(log.contains(expected), "{log} instead of {expected}");
    }
}

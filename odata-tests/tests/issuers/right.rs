//! Which tokens are right, and which are not.

use std::time::{Duration, Instant};

use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::issuer::Issuer;
use odata_tests::tokens::{ALGORITHMS, Key, bare_token, part, secret_token};
use odonata::model::limits::TOKEN_BYTES;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{ask, claims, everywhere, is_alice, is_refused, map, now, section, site};

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

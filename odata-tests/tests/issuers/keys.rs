//! The keys of issuers, and issuers that do not answer.

use std::time::{Duration, Instant};

use odata_tests::database::System;
use odata_tests::issuer::{Issuer, Mood};
use odata_tests::tokens::Key;
use odonata::model::limits::{ISSUER_PAUSE_SECONDS, ISSUER_SECONDS};
use serde_json::json;

use crate::scene::{ask, claims, everywhere, is_alice, is_refused, is_unreachable, map, section, site};

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

//! Tokens that only their issuer understands.

use std::time::{Duration, Instant};

use odata_tests::client::base64;
use odata_tests::issuer::{Issuer, Mood};
use serde_json::json;

use crate::scene::{ask, claims, everywhere, is_alice, is_refused, is_unreachable, map, now, section, site};

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

/// RFC 7662 2.2: an issuer may answer a token that it cannot read with an error.
#[test]
fn what_is_no_token_to_the_issuer_stops_no_other() {
    everywhere(|system| {
        let issuer = Issuer::start(&[]);
        let more = format!("introspection_url = \"{}/tell\"\nclient_id = \"us\"", issuer.name());
        let site = site(system, &section(&issuer, &more));
        map(&site, "alice", "alice-1");
        for status in [400, 413, 414, 422] {
            let (odd, good) = (format!("odd{status}"), format!("good{status}"));
            issuer.tell(&good, json!({"active": true, "sub": "alice-1"}));
            issuer.tell(&odd, json!({"error": "invalid_token"}));
            issuer.set_mood(Mood::Status(status));
            is_refused(&ask(&site, &odd), &odd);
            issuer.set_mood(Mood::Well);
            is_alice(&ask(&site, &good), &good);
        }
        // What it says about this server is another matter.
        issuer.tell("us", json!({"error": "invalid_client"}));
        issuer.set_mood(Mood::Status(400));
        is_unreachable(&ask(&site, "us"), "it does not know us");
        issuer.set_mood(Mood::Well);
        is_unreachable(&ask(&site, "other"), "so it is not asked for a while");
    });
}

#[test]
fn wrong_tokens_are_counted_by_address() {
    everywhere(|system| {
        let issuer = Issuer::start(&[]);
        let more = format!(
            "introspection_url = \"{}/tell\"\nclient_id = \"us\"\n[rate]\nfailures_of_address = 5",
            issuer.name()
        );
        let site = site(system, &section(&issuer, &more));
        map(&site, "alice", "alice-1");
        for number in 0..7 {
            let good = format!("good{number}");
            issuer.tell(&good, json!({"active": true, "sub": "alice-1"}));
            is_alice(&ask(&site, &good), "a right one does not count");
        }
        for number in 0..5 {
            is_refused(&ask(&site, &format!("wrong{number}")), "at first each is looked at");
        }
        let asked = issuer.count("/tell");
        for token in ["wrong5", "wrong0"] {
            let reply = ask(&site, token);
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (429, "too_many_requests"),
                "{}",
                reply.text()
            );
            assert!(reply.header("Retry-After").is_some());
        }
        assert_eq!(issuer.count("/tell"), asked, "and the issuer is not asked");
        is_alice(&ask(&site, "good0"), "who is known goes on");
    });
}

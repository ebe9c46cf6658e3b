//! Who the bearers of good tokens are here.

use std::time::{Duration, Instant};

use odata_tests::database::System;
use odata_tests::issuer::Issuer;
use odata_tests::tokens::Key;
use serde_json::{Value, json};

use crate::scene::{
    EVERY, HOME, OTHER, ROOT, admin, ask, change, claims, everywhere, is_alice, is_refused, map, now, roles, section, site, user,
};

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
        let more = format!(
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
        // Where nobody else is, the administrator of a tenant stays, as the last operator does.
        change(&site, "chief", json!({"Active": false}));
        with(json!(["admins"]), 70);
        with(json!([]), 60);
        assert_eq!(
            roles(&site, "alice"),
            ["CloudAdmin", "CloudUser"],
            "nobody else administers the tenant"
        );
        change(&site, "chief", json!({"Active": true}));
        with(json!([]), 50);
        assert_eq!(roles(&site, "alice"), ["CloudUser"]);
    });
}

/// Operators are made in the root tenant alone, and the last one stays.
#[test]
fn operators_are_of_the_root_tenant() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let issuer = Issuer::start(&[&key]);
        let more = format!(
            "algorithms = \"ES256\"\ndefault_tenant = \"{ROOT}\"\nroles_claim = \"groups\"\nroles = [\"gods=UberAdmin\"]\n\
            unknown_users = \"provision\""
        );
        let site = site(system, &section(&issuer, &more));
        map(&site, "admin", "admin-1");
        let come = |id: &str, groups: Value, age: u64| {
            let reply = ask(
                &site,
                &key.token(&claims(&issuer, json!({"sub": id, "groups": groups, "iat": now() - age}))),
            );
            assert_eq!(reply.status, 200, "{id}: {}", reply.text());
        };
        come("admin-1", json!([]), 100);
        assert_eq!(
            roles(&site, "admin"),
            ["CloudAdmin", "UberAdmin"],
            "somebody has to be left who may do everything"
        );
        assert!(site.server.log().contains("the role UberAdmin is not taken"));
        come("zeus", json!(["gods"]), 90);
        assert_eq!(roles(&site, "zeus"), ["UberAdmin"]);
        come("zeus", json!([]), 80);
        assert_eq!(roles(&site, "zeus"), Vec::<String>::new(), "there is another");
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
    let trail = admin(&site, "GET", "/api/Diagnostics/AuditTrails?$filter=Name eq 'GiveRole'", None).json();
    assert_eq!(trail["value"].as_array().map(Vec::len), Some(1), "{trail}");
}

#[test]
fn unknown_people_become_users_where_the_settings_say_so() {
    everywhere(|system| {
        let key = Key::new("1", "ES256");
        let issuer = Issuer::start(&[&key]);
        let more = "algorithms = \"ES256\"\nunknown_users = \"provision\"\ntenant_claim = \"tid\"\nroles_claim = \"groups\"\n\
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
                json!({"sub": "x-1", "preferred_username": "alice", "tid": HOME}),
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
        for state in ["Succeeded", "Failed"] {
            let target = format!("/api/Diagnostics/AuditTrails?$filter=Name eq 'BearerSignIn' and EntityState eq '{state}'");
            let start = Instant::now();
            while admin(&site, "GET", &target, None).json()["value"]
                .as_array()
                .is_none_or(Vec::is_empty)
            {
                assert!(start.elapsed() < Duration::from_secs(30), "it is written down: {state}");
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        change(&site, "alice", json!({"Active": true}));
        is_alice(&ask(&site, &token), "active again");
        map(&site, "alice", "somebody-else");
        is_refused(&ask(&site, &token), "not that person any more");
    });
}

//! What nobody learns, and what is good once.

use std::time::Instant;

use odata_tests::case::User;
use odata_tests::client::Reply;
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::mailbox::Mailbox;
use odonata::model::limits::NAMESAKES;
use serde_json::json;

use crate::scene::{TENANT, act, borrowed, each, fixture, settings, status};

/// What of an answer could tell two of them apart.
fn appearance(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let told = |(name, _): &&(String, String)| !name.eq_ignore_ascii_case("date");
    (reply.status, reply.headers.iter().filter(told).cloned().collect(), reply.text())
}

#[test]
fn nobody_learns_who_has_an_account() {
    each(strangers);
}

fn strangers(system: System) {
    let mailbox = Mailbox::open();
    let site = fixture(system).serve(&borrowed(&settings(&mailbox))).expect("the server starts");
    let nobody = site.server.anonymous();
    let password = "a long password";
    assert_eq!(
        act(
            &nobody,
            "SignUp",
            &json!({"Name": "anna", "Mail": "anna@test.com", "Password": password})
        )
        .status,
        204
    );
    let token = mailbox.wait("anna@test.com", 1).token();
    assert_eq!(act(&nobody, "Activate", &json!({"Token": token})).status, 204);
    let arguments = |action: &str, number: usize, known: bool| match (action, known) {
        ("SignUp", true) => json!({"Name": format!("new{number}"), "Mail": "anna@test.com", "Password": password}),
        ("SignUp", false) => json!({"Name": format!("newer{number}"), "Mail": format!("new{number}@test.com"), "Password": password}),
        (_, true) => json!({"Mail": "anna@test.com"}),
        (_, false) => json!({"Mail": format!("nobody{number}@test.com")}),
    };
    for action in ["SignUp", "ResendActivation", "RequestPasswordReset"] {
        let mut times = [Vec::new(), Vec::new()];
        let mut appearances = Vec::new();
        for number in 0..9 {
            for known in [true, false] {
                let begin = Instant::now();
                let reply = act(&nobody, action, &arguments(action, number, known));
                times[usize::from(known)].push(begin.elapsed());
                appearances.push(appearance(&reply));
            }
        }
        assert!(appearances.iter().all(|one| *one == appearances[0]), "{action}: {appearances:?}");
        assert_eq!(appearances[0].0, 204);
        times.iter_mut().for_each(|times| times.sort());
        let [unknown, known] = &times;
        println!(
            "{}: {action}: median {:?} for a known address, {:?} for an unknown one",
            system.name(),
            known[4],
            unknown[4]
        );
        assert!(known[4] <= unknown[8] * 3 && unknown[4] <= known[8] * 3, "{action}: {times:?}");
    }
    assert!(
        mailbox.all().iter().all(|letter| !letter.to.starts_with("nobody")),
        "nobody gets a mail who has not signed up"
    );
}

#[test]
fn one_token_is_used_once() {
    each(race);
}

fn race(system: System) {
    let mailbox = Mailbox::open();
    let site = fixture(system).serve(&borrowed(&settings(&mailbox))).expect("the server starts");
    let nobody = site.server.anonymous();
    let sign_up = json!({"Name": "anna", "Mail": "anna@test.com", "Password": "a long password"});
    assert_eq!(act(&nobody, "SignUp", &sign_up).status, 204);
    let token = mailbox.wait("anna@test.com", 1).token();
    assert_eq!(act(&nobody, "Activate", &json!({"Token": token})).status, 204);
    assert_eq!(act(&nobody, "RequestPasswordReset", &json!({"Mail": "anna@test.com"})).status, 204);
    let token = mailbox.wait("anna@test.com", 2).token();
    let passwords: Vec<String> = (0..8).map(|number| format!("password number {number}")).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let reset = |password: &str| {
            act(
                &site.server.anonymous(),
                "ResetPassword",
                &json!({"Token": token, "Password": password}),
            )
            .status
        };
        let threads: Vec<_> = passwords.iter().map(|password| scope.spawn(move || reset(password))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 7, "{statuses:?}");
    for (password, done) in passwords.iter().zip(statuses) {
        let expected = if done == 204 { 200 } else { 401 };
        assert_eq!(status(&site.server, "anna", password), expected, "{password}");
    }
}

#[test]
fn who_signs_up_for_somebody_else_gets_nothing() {
    each(|system| {
        let mailbox = Mailbox::open();
        let site = fixture(system).serve(&borrowed(&settings(&mailbox))).expect("the server starts");
        let nobody = site.server.anonymous();
        let sign_up = |password: &str| json!({"Name": "anna", "Mail": "anna@test.com", "Password": password});
        let passwords = ["a stranger's password", "anna's own password"];
        let replies = passwords.map(|password| act(&nobody, "SignUp", &sign_up(password)));
        assert_eq!(appearance(&replies[0]), appearance(&replies[1]));
        assert_eq!(replies[0].status, 204);
        mailbox.wait("anna@test.com", 2);
        let tokens: Vec<String> = mailbox.of("anna@test.com").iter().map(|letter| letter.token()).collect();
        assert_eq!(act(&nobody, "Activate", &json!({"Token": tokens[0]})).status, 204);
        for password in passwords {
            assert_eq!(status(&site.server, "anna", password), 401, "nobody knows whose it is: {password}");
        }
        let token = mailbox.wait("anna@test.com", 3).token();
        let password = "what anna chooses then";
        assert_eq!(
            act(&nobody, "ResetPassword", &json!({"Token": token, "Password": password})).status,
            204
        );
        assert_eq!(status(&site.server, "anna", password), 200);
    });
}

#[test]
fn a_namesake_changes_the_own_password() {
    each(|system| {
        let namesake = |number: usize| User {
            name: "uma".to_owned(),
            tenant: format!("{number}{}", &TENANT[1..]),
            role: Some("CloudUser".to_owned()),
        };
        let users: Vec<User> = (2..=2 + NAMESAKES).map(namesake).collect();
        let fixture = Fixture::prepare(&[], &users, system)
            .expect("the fixture is good")
            .expect("it is here");
        let site = fixture.serve(&[]).expect("the server starts");
        let last = users.last().expect("they are several");
        let name = format!("{}\\uma", last.tenant);
        let (first, second, third) = (User::password("uma"), "uma's second password", "uma's third password");
        let change = |old: &str, new: &str| {
            let client = site.server.anonymous().basic(&name, old);
            act(&client, "ChangePassword", &json!({"OldPassword": old, "NewPassword": new}))
        };
        for (old, new) in [(first.as_str(), second), (second, third)] {
            let reply = change(old, new);
            assert_eq!(reply.status, 204, "{}", reply.text());
            assert_eq!((status(&site.server, &name, old), status(&site.server, &name, new)), (401, 200));
        }
        let client = site.server.anonymous().basic(&name, third);
        let wrong = json!({"OldPassword": first, "NewPassword": second});
        assert_eq!(act(&client, "ChangePassword", &wrong).status, 403, "a namesake's");
        let mail = json!({"Password": third, "Mail": "uma@new.org"});
        assert_eq!(act(&client, "ChangeMail", &mail).status, 204);
        let other = format!("{}\\uma", users[0].tenant);
        assert_eq!(status(&site.server, &other, &first), 200, "the others keep theirs");
    });
}

//! What a person does about the own account, from signing up to a new address.

use odata_tests::case::User;
use odata_tests::database::System;
use odata_tests::mailbox::{Letter, Mailbox};
use odata_tests::server::{ADMIN_PASSWORD, Server};
use serde_json::{Value, json};

use crate::scene::{TENANT, act, borrowed, each, fixture, rows, settings, status, user};

#[test]
fn from_sign_up_to_a_new_address() {
    each(story);
}

fn story(system: System) {
    let mailbox = Mailbox::open();
    let site = fixture(system).serve(&borrowed(&settings(&mailbox))).expect("the server starts");
    let (server, nobody) = (&site.server, site.server.anonymous());
    let mut secrets = vec![ADMIN_PASSWORD.to_owned()];
    let mut password = |text: &str| {
        secrets.push(text.to_owned());
        text.to_owned()
    };
    let first = password("anna's first password");

    // Sign-up: not usable before the token comes back, which does so once.
    let weak = act(
        &nobody,
        "SignUp",
        &json!({"Name": "anna", "Mail": "anna@test.com", "Password": "short"}),
    );
    assert_eq!((weak.status, weak.code().as_str()), (400, "weak_password"));
    let sign_up = json!({"Name": "anna", "Mail": "Anna@Test.com", "Password": first});
    assert_eq!(act(&nobody, "SignUp", &sign_up).status, 204);
    let letter = mailbox.wait("Anna@Test.com", 1);
    let link = letter.body().lines().nth(2).unwrap_or_default().to_owned();
    assert!(link.starts_with("http://public.example/activate?token="), "{link}");
    assert_eq!(status(server, "anna", &first), 401, "not active yet");
    assert_eq!(user(server, "anna")["MailState"], "SignedUp");
    let activation = letter.token();
    assert_eq!(activation.len(), 43);
    for (action, arguments) in [
        ("ResetPassword", json!({"Token": activation, "Password": "another long password"})),
        (
            "AcceptInvitation",
            json!({"Token": activation, "Password": "another long password"}),
        ),
        ("Activate", json!({"Token": format!("{activation}A")})),
        ("Activate", json!({"Token": ""})),
    ] {
        let reply = act(&nobody, action, &arguments);
        assert_eq!(reply.status, 400, "{action} {}", reply.text());
    }
    assert_eq!(act(&nobody, "ResendActivation", &json!({"Mail": "anna@test.com"})).status, 204);
    let second = mailbox.wait("Anna@Test.com", 2).token();
    assert_eq!(act(&nobody, "Activate", &json!({"Token": activation})).status, 204);
    for token in [&activation, &second] {
        let again = act(&nobody, "Activate", &json!({"Token": token}));
        assert_eq!(
            (again.status, again.code().as_str()),
            (400, "bad_mail_token"),
            "used up, and its siblings too"
        );
    }
    assert_eq!(status(server, "anna", &first), 200);
    assert_eq!(user(server, "anna")["MailState"], "Confirmed");

    // Somebody who has an account, or wants a name that is taken, is told so by mail alone.
    let again = json!({"Name": "anna2", "Mail": "anna@test.com", "Password": first});
    assert_eq!(act(&nobody, "SignUp", &again).status, 204);
    assert!(mailbox.wait("Anna@Test.com", 3).body().contains("account already: anna"));
    let taken = json!({"Name": "ANNA", "Mail": "other@test.com", "Password": first});
    assert_eq!(act(&nobody, "SignUp", &taken).status, 204);
    assert!(mailbox.wait("other@test.com", 1).body().contains("not free"));
    assert_eq!(user(server, "anna2"), Value::Null);

    // A forgotten password: ends sessions, needs its own token, and says so to the owner.
    let basic = server.anonymous().basic("anna", &first);
    assert_eq!(basic.post("/api/Core/Users/Current", "").expect("an answer").status, 200);
    assert_eq!(act(&nobody, "RequestPasswordReset", &json!({"Mail": "anna@test.com"})).status, 204);
    let reset = mailbox.wait("Anna@Test.com", 4).token();
    assert_eq!(act(&nobody, "Activate", &json!({"Token": reset})).status, 400, "of another purpose");
    let new = password("anna's second password");
    let weak = act(&nobody, "ResetPassword", &json!({"Token": reset, "Password": "short"}));
    assert_eq!(weak.code(), "weak_password", "which does not use the token up");
    let arguments = json!({"Token": reset, "Password": new});
    assert_eq!(act(&nobody, "ResetPassword", &arguments).status, 204);
    assert_eq!(
        act(&nobody, "ResetPassword", &arguments).status,
        400,
        "reusable within the hour it was once (B9)"
    );
    assert_eq!(basic.post("/api/Core/Users/Current", "").expect("an answer").status, 401);
    assert_eq!(status(server, "anna", &new), 200);
    assert!(mailbox.wait("Anna@Test.com", 5).body().contains("was changed"));

    // A changed password.
    let anna = server.anonymous().basic("anna", &new);
    let newer = password("anna's third password");
    let wrong = password("not anna's password");
    let refused = act(&anna, "ChangePassword", &json!({"OldPassword": wrong, "NewPassword": newer}));
    assert_eq!(refused.status, 403, "{}", refused.text());
    let changed = act(&anna, "ChangePassword", &json!({"OldPassword": new, "NewPassword": newer}));
    assert_eq!(changed.status, 204, "{}", changed.text());
    assert_eq!((status(server, "anna", &new), status(server, "anna", &newer)), (401, 200));

    // A changed address counts when the token that went there comes back.
    let anna = server.anonymous().basic("anna", &newer);
    let to_new = json!({"Password": newer, "Mail": "anna@new.org"});
    assert_eq!(
        act(&anna, "ChangeMail", &json!({"Password": wrong, "Mail": "anna@new.org"})).status,
        403
    );
    assert_eq!(act(&anna, "ChangeMail", &to_new).status, 204);
    let confirm = mailbox.wait("anna@new.org", 1).token();
    assert_eq!(user(server, "anna")["Mail"], "Anna@Test.com");
    assert_eq!(act(&nobody, "Activate", &json!({"Token": confirm})).status, 204);
    assert_eq!(user(server, "anna")["Mail"], "anna@new.org");
    assert!(mailbox.wait("Anna@Test.com", 7).body().contains("this was the old one"));

    // Two want the same address: who is later is told only when it is proved to be that one's, too.
    let uma = server.anonymous().basic("uma", &User::password("uma"));
    let free = json!({"Password": User::password("uma"), "Mail": "shared@new.org"});
    assert_eq!(act(&uma, "ChangeMail", &free).status, 204);
    assert_eq!(
        act(&anna, "ChangeMail", &json!({"Password": newer, "Mail": "shared@new.org"})).status,
        204
    );
    mailbox.wait("shared@new.org", 2);
    let tokens: Vec<String> = mailbox.of("shared@new.org").iter().map(|letter| letter.token()).collect();
    let statuses: Vec<u16> = tokens
        .iter()
        .map(|token| act(&nobody, "Activate", &json!({"Token": token})).status)
        .collect();
    assert_eq!(statuses, [204, 409]);
    secrets.extend(mailbox.all().iter().map(Letter::token).filter(|token| !token.is_empty()));
    secrets.push(User::password("uma"));
    check_trails(server, &secrets);
}

/// What was done is written down, in the tenant that it is about, and no secret is anywhere.
fn check_trails(server: &Server, secrets: &[String]) {
    let expected = [
        "SignUp",
        "Activate",
        "RequestPasswordReset",
        "ResetPassword",
        "ChangePassword",
        "RequestMailChange",
        "ChangeMail",
    ];
    let named = |rows: &[Value], name: &str, state: &str| rows.iter().any(|row| row["Name"] == name && row["EntityState"] == state);
    let trails = rows(server, "AuditTrails", |rows| {
        expected.iter().all(|name| named(rows, name, "Succeeded"))
            && named(rows, "SignIn", "Succeeded")
            && named(rows, "SignIn", "Failed")
            && named(rows, "Activate", "Failed")
            && named(rows, "ResetPassword", "Failed")
    });
    for row in trails
        .iter()
        .filter(|row| expected.iter().any(|name| row["Name"] == *name) && row["EntityState"] == "Succeeded")
    {
        assert_eq!(row["Tid"], TENANT, "{row}");
    }
    let mails = rows(server, "Mails", |rows| rows.iter().all(|row| row["State"] == "Sent"));
    assert!(mails.iter().all(|row| row["Body"].is_null() && row["Tid"] != TENANT), "{mails:#?}");
    let (trails, mails, log) = (Value::from(trails).to_string(), Value::from(mails).to_string(), server.log());
    assert!(log.contains("audit"), "the log has a line for each: {log}");
    let places = [("the trails", trails), ("the mails", mails), ("the log", log)];
    for secret in secrets {
        for (place, text) in &places {
            assert!(!text.contains(secret.as_str()), "{place} tell {secret}");
        }
    }
    for (place, text) in &places {
        assert!(!text.contains("$argon2"), "{place} have a hash");
    }
}

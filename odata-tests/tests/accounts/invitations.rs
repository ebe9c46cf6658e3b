//! Accounts that an administrator has made.

use odata_tests::case::User;
use odata_tests::database::System;
use odata_tests::mailbox::Mailbox;
use serde_json::json;

use crate::scene::{act, borrowed, each, fixture, settings, status, user};

#[test]
fn invitations() {
    each(invite);
}

fn invite(system: System) {
    let mailbox = Mailbox::open();
    let site = fixture(system).serve(&borrowed(&settings(&mailbox))).expect("the server starts");
    let (server, nobody) = (&site.server, site.server.anonymous());
    let boss = server.anonymous().basic("boss", &User::password("boss"));
    let uma = server.anonymous().basic("uma", &User::password("uma"));
    let guest = json!({"Mail": "guest@test.com", "Name": "guest", "Roles": ["CloudUser"]});
    assert_eq!(act(&nobody, "Invite", &guest).status, 401);
    assert_eq!(act(&uma, "Invite", &guest).status, 403, "only administrators");
    for (arguments, expected) in [
        (json!({"Mail": "x@test.com", "Roles": ["UberAdmin"]}), 400),
        (json!({"Mail": "x@test.com", "Roles": ["Nonsense"]}), 400),
        (json!({"Mail": "x@test.com\r\nBcc: y@test.com"}), 400),
        (json!({"Mail": "x@test.com", "Name": "see http://evil.example"}), 400),
        (json!({"Mail": "x@test.com", "Name": "uma"}), 409),
    ] {
        let reply = act(&boss, "Invite", &arguments);
        assert_eq!(reply.status, expected, "{arguments} {}", reply.text());
    }
    let invited = act(&boss, "Invite", &guest);
    assert_eq!(invited.status, 204, "{}", invited.text());
    let token = mailbox.wait("guest@test.com", 1).token();
    assert_eq!(user(server, "guest")["MailState"], "Invited");
    assert_eq!(act(&nobody, "Activate", &json!({"Token": token})).status, 400);
    let accept = json!({"Token": token, "Name": "Gwen", "Password": "gwen's long password"});
    let taken = json!({"Token": token, "Name": "boss", "Password": "gwen's long password"});
    assert_eq!(
        act(&nobody, "AcceptInvitation", &taken).status,
        409,
        "which does not use the token up"
    );
    assert_eq!(act(&nobody, "AcceptInvitation", &accept).status, 204);
    assert_eq!(act(&nobody, "AcceptInvitation", &accept).status, 400);
    assert_eq!(status(server, "Gwen", "gwen's long password"), 200);
    assert_eq!(user(server, "Gwen")["MailState"], "Confirmed");
    assert_eq!(act(&boss, "Invite", &guest).status, 409, "the address is in use in this tenant");

    // An administrator's word ends the waiting: a deactivated account is not activated by a mail.
    let other = json!({"Mail": "late@test.com", "Name": "late"});
    assert_eq!(act(&boss, "Invite", &other).status, 204);
    let token = mailbox.wait("late@test.com", 1).token();
    let target = format!("/api/Core/Users({}L)", user(server, "late")["Id"].as_str().unwrap_or_default());
    for active in [true, false] {
        let body = json!({"Active": active}).to_string();
        let headers = [("Content-Type", "application/json")];
        let reply = boss.send("PATCH", &target, &headers, Some(body.as_bytes())).expect("an answer");
        assert_eq!(reply.status, 204, "{}", reply.text());
    }
    let accept = json!({"Token": token, "Password": "late's long password"});
    assert_eq!(act(&nobody, "AcceptInvitation", &accept).status, 400);
    // Mails are not for tenants to see.
    let mails = boss.get("/api/Diagnostics/Mails").expect("an answer");
    assert!(mails.status == 403 || mails.json()["value"] == json!([]), "{}", mails.text());
}

//! No mail is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use odata_tests::case::User;
use odata_tests::database::System;
use odata_tests::fixture::Site;
use odata_tests::mailbox::{Mailbox, Mood};
use odata_tests::server::Server;
use serde_json::{Value, json};

use crate::scene::{act, borrowed, each, fixture, rows, settings};

#[test]
fn no_mail_is_lost() {
    each(losses);
}

fn losses(system: System) {
    let mailbox = Mailbox::open();
    let settings = settings(&mailbox);
    let fixture = fixture(system);
    let mut site = fixture.serve(&borrowed(&settings)).expect("the server starts");
    let invite = |site: &Site, name: &str| {
        let boss = site.server.anonymous().basic("boss", &User::password("boss"));
        let reply = act(&boss, "Invite", &json!({"Mail": format!("{name}@test.com"), "Name": name}));
        assert_eq!(reply.status, 204, "{}", reply.text());
    };
    // The server of mails is ill, and gets well again.
    for (name, mood) in [("drop", Mood::Drop), ("silent", Mood::Silent), ("later", Mood::Refuse(451))] {
        mailbox.set(mood);
        let before = mailbox.calls();
        invite(&site, name);
        while mailbox.calls() == before {
            std::thread::sleep(Duration::from_millis(20));
        }
        mailbox.set(Mood::Good);
        mailbox.wait(&format!("{name}@test.com"), 1);
    }
    // It does not want the recipient: said on the row, and that is that.
    mailbox.set(Mood::Refuse(550));
    invite(&site, "never");
    let state = |rows: &[Value]| {
        rows.iter()
            .find(|row| row["Recipient"] == "never@test.com")
            .map(|row| row["State"].clone())
    };
    let mails = rows(&site.server, "Mails", |rows| state(rows) == Some(json!("GivenUp")));
    let row = mails.iter().find(|row| row["Recipient"] == "never@test.com").expect("it is there");
    assert!(row["Problem"].as_str().is_some_and(|problem| problem.contains("550")), "{row}");
    // The server dies between the commit and the sending.
    mailbox.set(Mood::Drop);
    invite(&site, "killed");
    site.server.kill();
    mailbox.set(Mood::Good);
    site.server = Server::start_with(&site.database, fixture.plugins(), &borrowed(&settings));
    mailbox.wait("killed@test.com", 1);
    rows(&site.server, "Mails", |rows| {
        rows.iter().all(|row| row["State"] == "Sent" || row["State"] == "GivenUp")
    });
    let each: BTreeSet<String> = mailbox.all().into_iter().map(|letter| letter.to).collect();
    assert_eq!(each.len(), mailbox.all().len(), "and none was sent twice: {:#?}", mailbox.all());
}

#[test]
fn without_a_mail_server_mails_are_files() {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("mail").to_string_lossy().into_owned();
    let site = fixture(System::Sqlite)
        .serve(&[("ODONATA_MAIL_FOLDER", &path)])
        .expect("the server starts");
    let boss = site.server.anonymous().basic("boss", &User::password("boss"));
    assert_eq!(act(&boss, "Invite", &json!({"Mail": "a@test.com"})).status, 204);
    rows(&site.server, "Mails", |rows| rows.iter().any(|row| row["State"] == "Sent"));
    let text = std::fs::read_to_string(format!("{path}/1.eml")).expect("the file is there");
    assert!(text.contains("To: a@test.com") && text.contains("/invitation?token"), "{text}");
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(format!("{path}/1.eml")).expect("it is there").permissions());
        assert_eq!(mode & 0o077, 0, "nobody else reads it");
    }
}

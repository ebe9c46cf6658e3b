//! Tickets of a Kerberos realm: Debian's krb5kdc, kinit and curl as the peers, `auth/negotiate.rs` as what is tested. The server is one that was
//! built with the feature `kerberos`; `ODONATA_KERBEROS_BIN` says where it is. Without it or the programs the tests say "skipped".

use std::path::Path;
use std::process::Command;

use odata_tests::client::base64;
use odata_tests::database::{Database, System};
use odata_tests::kdc::{Kdc, REALM};
use odata_tests::peers::is_left_out;
use odata_tests::server::Server;
use tempfile::TempDir;

const TENANT: &str = "22222222-2222-2222-2222-222222222222";

/// A server that takes tickets.
struct Site<'a> {
    kdc: &'a Kdc,
    server: Server,
    _plugins: TempDir,
    _database: Database,
}

/// What curl got: the status, the headers and the body in one text, and the status alone.
struct Got {
    status: u16,
    text: String,
}

fn binary() -> Option<String> {
    let found = std::env::var("ODONATA_KERBEROS_BIN").ok();
    if found.is_none() {
        is_left_out("server with Kerberos (ODONATA_KERBEROS_BIN)");
    }
    found
}

/// Settings of `[kerberos]`, by their keys.
fn start(kdc: &Kdc, system: System, settings: &[(&str, &str)]) -> Result<(Server, TempDir, Database), String> {
    let plugins = TempDir::new().expect("a temporary folder can be made");
    let database = Database::fresh(system);
    let mut variables: Vec<(String, String)> = settings
        .iter()
        .map(|(key, value)| (format!("ODONATA_KERBEROS_{}", key.to_uppercase()), (*value).to_owned()))
        .collect();
    variables.extend(kdc.environment().map(|(name, value)| (name.to_owned(), value)));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let binary = binary().expect("it was looked for");
    let server = Server::try_start_binary(Path::new(&binary), &database.url(), plugins.path(), &variables)?;
    Ok((server, plugins, database))
}

impl<'a> Site<'a> {
    fn start(kdc: &'a Kdc, system: System, settings: &[(&str, &str)]) -> Site<'a> {
        let (server, plugins, database) = start(kdc, system, settings).unwrap_or_else(|log| panic!("the server does not start: {log}"));
        let tenant = format!("{{\"Id\": \"{TENANT}\", \"Name\": \"Home\"}}");
        let reply = server.admin().post("/api/Core/Tenants", &tenant).expect("the server answers");
        assert_eq!(reply.status, 201, "{}", reply.text());
        Site {
            kdc,
            server,
            _plugins: plugins,
            _database: database,
        }
    }

    fn curl(&self, tickets: &Path) -> Command {
        let mut curl = self.kdc.command("curl");
        curl.env("KRB5CCNAME", tickets).env("NO_PROXY", "localhost");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--include"]);
        curl
    }

    /// `Users/Current` with tickets.
    fn sign_in(&self, tickets: &Path) -> Got {
        self.got(self.curl(tickets).args(["--negotiate", "--user", ":"]))
    }

    /// The same with an `Authorization` header as it is.
    fn with_header(&self, authorization: &str) -> Got {
        let header = self.kdc.file("header");
        std::fs::write(&header, format!("Authorization: {authorization}\n")).expect("a file can be written");
        self.got(self.curl(Path::new("none")).arg("--header").arg(format!("@{}", header.display())))
    }

    fn got(&self, curl: &mut Command) -> Got {
        self.posted(curl, "Users/Current")
    }

    /// Where a call of an action goes. The ticket is for this name of the host.
    fn url(&self, action: &str) -> String {
        let port = self.server.address().rsplit(':').next().unwrap_or_default();
        format!("http://localhost:{port}/api/Core/{action}")
    }

    fn posted(&self, curl: &mut Command, action: &str) -> Got {
        let output = curl.args(["--data", "", &self.url(action)]).output().expect("curl runs");
        let all = String::from_utf8_lossy(&output.stdout).into_owned();
        // Of several answers the last is what counts.
        let text = all.rfind("HTTP/1.1 ").map_or(all.as_str(), |at| &all[at..]).to_owned();
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        Got { status, text }
    }
}

/// The challenges of an answer.
fn challenges(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let lines = lines.filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
    lines.map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn tickets_sign_in() {
    let (Some(kdc), Some(_)) = (Kdc::start(), binary()) else { return };
    let (alice, keytab) = (kdc.tickets("alice"), kdc.file("keytab").display().to_string());
    let settings = [("keytab", keytab.as_str()), ("realms", REALM), ("tenant", TENANT)];
    for system in System::all() {
        let site = Site::start(&kdc, system, &settings);
        let got = site.sign_in(Path::new("none"));
        assert_eq!(got.status, 401, "{}", got.text);
        let offered = challenges(&got.text);
        assert_eq!(offered.first().map(String::as_str), Some("Negotiate"), "{offered:?}");
        assert!(offered.iter().any(|scheme| scheme.starts_with("Basic ")), "{offered:?}");
        let got = site.sign_in(&alice);
        assert_eq!(got.status, 401, "unknown here\n{}", got.text);

        let admin = site.server.admin();
        let user = format!("{{\"Name\": \"Alice A.\", \"ExternalType\": \"Kerberos\", \"ExternalId\": \"alice@{REALM}\"}}");
        let made = admin.post("/api/Core/Users", &user).expect("the server answers");
        assert_eq!(made.status, 201, "{}", made.text());
        let got = site.sign_in(&alice);
        assert_eq!(got.status, 200, "{}\n{}", got.text, site.server.log());
        assert!(got.text.contains("Alice A."), "{}", got.text);
        let proof = challenges(&got.text);
        assert!(
            proof.len() == 1 && proof[0].starts_with("Negotiate o"),
            "the server proves itself: {proof:?}"
        );

        // One ticket for many requests: a token.
        let negotiate = ["--negotiate", "--user", ":"];
        let got = site.posted(site.curl(&alice).args(negotiate), "Authentications/NegotiateLogin");
        assert_eq!(got.status, 200, "{}\n{}", got.text, site.server.log());
        assert!(challenges(&got.text)[0].starts_with("Negotiate o"), "{}", got.text);
        let token = got
            .text
            .lines()
            .find_map(|line| line.strip_prefix("token: "))
            .expect("signing in gives a token");
        let bearer = format!("Bearer {}", token.trim());
        assert_eq!([site.with_header(&bearer).status, site.with_header(&bearer).status], [200, 200]);

        let target = format!("/api/Core/Users({})", made.json()["Id"].as_str().unwrap_or_default());
        let headers = [("Content-Type", "application/json")];
        let change = admin.send("PATCH", &target, &headers, Some(b"{\"Active\": false}"));
        assert_eq!(change.map(|reply| reply.status).ok(), Some(204));
        assert_eq!(site.sign_in(&alice).status, 401, "deactivated here");
        assert_eq!(site.with_header(&bearer).status, 401, "and so is the token");
    }
}

#[test]
fn people_become_users() {
    let (Some(kdc), Some(_)) = (Kdc::start(), binary()) else { return };
    let (alice, keytab) = (kdc.tickets("alice"), kdc.file("keytab").display().to_string());
    let settings = [
        ("keytab", keytab.as_str()),
        ("realms", REALM),
        ("tenant", TENANT),
        ("unknown_users", "provision"),
    ];
    for system in System::all() {
        for (strip, name) in [("true", "alice".to_owned()), ("false", format!("alice@{REALM}"))] {
            let site = Site::start(&kdc, system, &[&settings[..], &[("strip_realm", strip)]].concat());
            for _ in 0..2 {
                let got = site.sign_in(&alice);
                assert_eq!(got.status, 200, "{}\n{}", got.text, site.server.log());
                assert!(got.text.contains(&format!("\"Name\":\"{name}\"")), "{}", got.text);
                assert!(got.text.contains(TENANT), "{}", got.text);
            }
        }
    }
    // Another realm's people are nobody, and passwords still count.
    let mut other = settings.to_vec();
    other[1].1 = "OTHER.ORG";
    let site = Site::start(&kdc, System::Sqlite, &other);
    assert_eq!(site.sign_in(&alice).status, 401);
    assert_eq!(site.server.admin().get("/api/Core/Users").map(|reply| reply.status).ok(), Some(200));
}

#[test]
fn what_is_no_ticket_is_refused() {
    let (Some(kdc), Some(_)) = (Kdc::start(), binary()) else { return };
    let (alice, keytab) = (kdc.tickets("alice"), kdc.file("keytab").display().to_string());
    let settings = [
        ("keytab", keytab.as_str()),
        ("realms", REALM),
        ("tenant", TENANT),
        ("unknown_users", "provision"),
    ];
    let site = Site::start(&kdc, System::Sqlite, &settings);
    // A ticket is good once.
    let url = site.url("Users/Current");
    let mut curl = site.curl(&alice);
    curl.args(["--verbose", "--negotiate", "--user", ":", "--data", "", &url]);
    let spoken = String::from_utf8_lossy(&curl.output().expect("curl runs").stderr).into_owned();
    let sent = spoken
        .lines()
        .find_map(|line| line.strip_prefix("> Authorization: "))
        .expect("curl sends a ticket");
    let replayed = site.with_header(sent.trim());
    assert_eq!(
        replayed.status,
        401,
        "a ticket that was sent before\n{}\n{}",
        replayed.text,
        site.server.log()
    );

    let ntlm = base64(b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xa2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\x01\xb1\x1d\0\0\0\x0f");
    let raw_ntlm_in_spnego = base64(
        b"\x60\x30\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x26\x30\x24\xa0\x0e\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a\
        \xa2\x12\x04\x10NTLMSSP\0\x01\0\0\0\0\0\0\0",
    );
    let (long, longest) = ("A".repeat(60_000), "A".repeat(65_536 - "Negotiate ".len()));
    for token in ["", "!", "AAAA", &ntlm, &raw_ntlm_in_spnego, &long, &longest] {
        let got = site.with_header(&format!("Negotiate {token}"));
        let start: String = token.chars().take(20).collect();
        assert_eq!(got.status, 401, "{start}\n{}\n{}", got.text, site.server.log());
        assert_eq!(challenges(&got.text).first().map(String::as_str), Some("Negotiate"), "{start}");
    }
    let got = site.with_header(&format!("Negotiate {longest}A"));
    assert_eq!(got.status, 400, "{}", got.text);
    assert!(got.text.contains("65536"), "{}", got.text);
    assert_eq!(site.sign_in(&alice).status, 200, "{}", site.server.log());
}

/// A keytab without keys of the service stops the start.
#[test]
fn a_keytab_of_others_is_no_keytab() {
    let (Some(kdc), Some(_)) = (Kdc::start(), binary()) else { return };
    std::fs::write(kdc.file("empty"), "").expect("a file can be written");
    for (keytab, service) in [("empty", "HTTP"), ("keytab", "HTTP@other.example.org"), ("keytab", "ldap")] {
        let keytab = kdc.file(keytab).display().to_string();
        let settings = [("keytab", keytab.as_str()), ("realms", REALM), ("service", service)];
        let log = start(&kdc, System::Sqlite, &settings).expect_err("the server does not start");
        assert!(log.contains(&format!("no key of {service} in {keytab}")), "{log}");
    }
    // A ticket for another host is none for this one.
    let alice = kdc.tickets("alice");
    let keytab = kdc.file("other.keytab").display().to_string();
    let settings = [
        ("keytab", keytab.as_str()),
        ("realms", REALM),
        ("tenant", TENANT),
        ("unknown_users", "provision"),
    ];
    let site = Site::start(&kdc, System::Sqlite, &settings);
    assert_eq!(site.sign_in(&alice).status, 401);
}

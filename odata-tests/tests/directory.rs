//! People of a directory: Debian's slapd as the peer, `auth/ldap.rs` as what is tested. Without slapd, ldap-utils and openssl the tests say
//! "skipped".

use std::net::TcpListener;
use std::time::{Duration, Instant};

use odata_tests::client::{Client, Reply};
use odata_tests::database::{Database, System};
use odata_tests::server::{ADMIN_PASSWORD, Server};
use odata_tests::slapd::{Slapd, password};
use tempfile::TempDir;

const TENANT: &str = "22222222-2222-2222-2222-222222222222";
const ADMINS: &str = "cn=admins,ou=groups,dc=example,dc=org=CloudAdmin";

/// A server that asks a directory.
struct Site {
    server: Server,
    _plugins: TempDir,
    _database: Database,
}

type Setting<'a> = (&'a str, &'a str);

impl Site {
    /// With settings of `[ldap]` by their keys, and of others with the section's name before them.
    fn start(system: System, settings: &[Setting<'_>]) -> Site {
        let plugins = TempDir::new().expect("a temporary folder can be made");
        let database = Database::fresh(system);
        let named: Vec<(String, &str)> = settings
            .iter()
            .map(|(key, value)| match key.split_once('.') {
                Some((section, key)) => (format!("ODONATA_{section}_{key}").to_uppercase(), *value),
                None => (format!("ODONATA_LDAP_{key}").to_uppercase(), *value),
            })
            .collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let server = Server::start_with(&database, plugins.path(), &named);
        let site = Site {
            server,
            _plugins: plugins,
            _database: database,
        };
        let tenant = format!("{{\"Id\": \"{TENANT}\", \"Name\": \"Home\"}}");
        let reply = site.server.admin().post("/api/Core/Tenants", &tenant).expect("the server answers");
        assert_eq!(reply.status, 201, "{}", reply.text());
        site
    }

    /// `Users/Current` for a name and a password.
    fn sign_in(&self, name: &str, password: &str) -> Reply {
        current(&self.server.anonymous().basic(name, password))
    }

    /// What the administrator sees of users with a name.
    fn users(&self, name: &str) -> Vec<serde_json::Value> {
        self.values(&format!("/api/Core/Users?$filter=Name%20eq%20'{name}'"))
    }

    /// Names of the roles of a user.
    fn roles(&self, name: &str) -> Vec<String> {
        let target = format!("/api/Core/Roles?$filter=Users/any(u:u/Name%20eq%20'{name}')&$orderby=Name");
        let roles = self.values(&target);
        roles
            .iter()
            .map(|role| role["Name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Makes an administrator of the tenant whose password is here.
    fn add_administrator(&self) {
        let role = self.values(&format!(
            "/api/Core/Roles?$filter=Name%20eq%20'CloudAdmin'%20and%20Tid%20eq%20guid'{TENANT}'"
        ));
        let target = format!("/api/Core/Roles({})/Users", role[0]["Id"].as_str().unwrap_or_default());
        let headers = [("TenantId", TENANT), ("Content-Type", "application/json")];
        let body = "{\"Name\": \"chief\", \"Password\": \"the chief's password\"}";
        let made = self.server.admin().send("POST", &target, &headers, Some(body.as_bytes()));
        assert_eq!(made.map(|reply| reply.status).ok(), Some(201));
    }

    fn values(&self, target: &str) -> Vec<serde_json::Value> {
        let admin = self.server.admin();
        let everywhere = [("TenantId", "00000000-0000-0000-0000-000000000000"), ("Accept", "application/json")];
        let reply = admin.send("GET", target, &everywhere, None).expect("the server answers");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["value"].as_array().cloned().unwrap_or_default()
    }
}

fn current(client: &Client) -> Reply {
    client.post("/api/Core/Users/Current", "").expect("the server answers")
}

/// A search by the reader, people become users.
fn by_search(url: &str) -> Vec<Setting<'_>> {
    vec![
        ("url", url),
        ("base", "ou=people,dc=example,dc=org"),
        ("user_filter", "(&(objectClass=person)(uid={name}))"),
        ("bind_dn", "cn=reader,dc=example,dc=org"),
        ("bind_password", "the-reader's-password"),
        ("domains", "EXAMPLE,example.org"),
        ("unknown_users", "provision"),
        ("tenant", TENANT),
    ]
}

/// A template for the DN, everything else as the person.
fn by_template(url: &str) -> Vec<Setting<'_>> {
    vec![
        ("url", url),
        ("user_dn", "uid={name},ou=people,dc=example,dc=org"),
        ("domains", "EXAMPLE,example.org"),
        ("unknown_users", "provision"),
        ("tenant", TENANT),
    ]
}

fn plain(slapd: &Slapd) -> String {
    format!("ldap://127.0.0.1:{}", slapd.port)
}

/// Right and wrong passwords, empty ones, names that try to break out, domains, other people, users of this server.
#[test]
fn the_directory_decides_about_its_people() {
    let Some(slapd) = Slapd::start() else { return };
    let url = plain(&slapd);
    let alice = password("alice");
    let cases = [
        ("alice", alice.as_str(), 200),
        ("ALICE", &alice, 200),
        ("EXAMPLE\\alice", &alice, 200),
        ("example\\bob", &password("bob"), 200),
        ("alice@EXAMPLE.org", &alice, 200),
        ("alice", "wrong", 401),
        ("alice", "", 401),
        ("alice", "\0", 401),
        ("EXAMPLE\\alice", "", 401),
        ("alice", &format!("{alice}\0"), 401),
        ("nobody", &alice, 401),
        ("nobody", "", 401),
        ("*", &alice, 401),
        ("ali*", &alice, 401),
        ("alice)(uid=*", &alice, 401),
        (")(uid=*", &alice, 401),
        ("*)(|(uid=*", &alice, 401),
        ("alice\0", &alice, 401),
        ("al\\69ce", &alice, 401),
        ("EXAMPLE\\al\\69ce", &alice, 401),
        ("alice,ou=people", &alice, 401),
        ("uid=alice,ou=people,dc=example,dc=org", &alice, 401),
        ("EXAMPLE\\", &alice, 401),
        (" alice", &alice, 401),
        ("alice ", &alice, 401),
        ("EXAMPLE\\ alice", &alice, 401),
        ("@example.org", &alice, 401),
        ("OTHER\\alice", &alice, 401),
        ("alice@elsewhere.org", &alice, 401),
        ("elsewhere", &alice, 401),
        (&"a".repeat(10_000), &alice, 401),
        // Users of this server are its own, and nobody becomes one of them by a name.
        ("admin", ADMIN_PASSWORD, 200),
        ("admin", &password("admin"), 401),
        ("EXAMPLE\\admin", ADMIN_PASSWORD, 401),
        // Another admin: in the directory's tenant the name is free.
        ("EXAMPLE\\admin", &password("admin"), 200),
    ];
    for system in System::all() {
        let kinds = [by_search(&url), by_template(&url)];
        for settings in &kinds[..if system == System::Sqlite { 2 } else { 1 }] {
            let site = Site::start(system, settings);
            let mut refusals = Vec::new();
            for (name, password, status) in &cases {
                let reply = site.sign_in(name, password);
                let asked = format!("{} {name:?} {password:?}: {}\n{}", system.name(), reply.text(), site.server.log());
                assert_eq!(reply.status, *status, "{asked}");
                if *status == 401 {
                    refusals.push(reply.text());
                }
            }
            refusals.dedup();
            assert_eq!(refusals.len(), 1, "every refusal reads the same: {refusals:?}");
            let users = site.users("alice");
            assert_eq!(users.len(), 1, "however the name is written");
            let facts = ["ExternalType", "ExternalId", "Mail", "Tid"].map(|name| users[0][name].as_str().unwrap_or_default());
            assert_eq!(
                facts,
                ["LDAP", "uid=alice,ou=people,dc=example,dc=org", "alice@example.org", TENANT]
            );
            assert_eq!(site.roles("alice"), ["CloudUser"]);
        }
        // Two entries are nobody; a template means one of them.
        let twin = password("twin");
        assert_eq!(Site::start(system, &by_search(&url)).sign_in("twin", &twin).status, 401);
        assert_eq!(Site::start(system, &by_template(&url)).sign_in("twin", &twin).status, 200);
    }
}

/// People unknown here are refused by default, until somebody makes them users; a deactivated user is refused whatever the directory says.
#[test]
fn who_is_a_user_is_decided_here() {
    let Some(slapd) = Slapd::start() else { return };
    let url = plain(&slapd);
    for system in System::all() {
        let mut settings = by_search(&url);
        settings.retain(|(key, _)| *key != "unknown_users");
        settings.push(("id_attribute", "mail"));
        let site = Site::start(system, &settings);
        let alice = password("alice");
        assert_eq!(site.sign_in("alice", &alice).status, 401, "unknown here");
        let admin = site.server.admin();
        let user = "{\"Name\": \"Alice A.\", \"ExternalType\": \"LDAP\", \"ExternalId\": \"alice@example.org\"}";
        let made = admin.post("/api/Core/Users", user).expect("the server answers");
        assert_eq!(made.status, 201, "{}", made.text());
        let reply = site.sign_in("alice", &alice);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["Name"], "Alice A.");

        let target = format!("/api/Core/Users({})", made.json()["Id"].as_str().unwrap_or_default());
        let change = |body: &str| {
            let headers = [("Content-Type", "application/json")];
            let reply = admin
                .send("PATCH", &target, &headers, Some(body.as_bytes()))
                .expect("the server answers");
            assert_eq!(reply.status, 204, "{}", reply.text());
        };
        change("{\"Active\": false}");
        assert_eq!(
            site.sign_in("alice", &alice).status,
            401,
            "deactivated, though it was proved a moment ago"
        );
        change("{\"Active\": true}");
        assert_eq!(site.sign_in("alice", &alice).status, 200);
        // What other tenants write about their users counts for nothing, neither for somebody known nor for somebody unknown.
        let other = "33333333-3333-3333-3333-333333333333";
        let tenant = format!("{{\"Id\": \"{other}\", \"Name\": \"Other\"}}");
        assert_eq!(admin.post("/api/Core/Tenants", &tenant).map(|reply| reply.status).ok(), Some(201));
        for name in ["alice", "bob"] {
            let user = format!("{{\"Name\": \"Not {name}\", \"ExternalType\": \"LDAP\", \"ExternalId\": \"{name}@example.org\"}}");
            let headers = [("Content-Type", "application/json"), ("TenantId", other)];
            let made = admin
                .send("POST", "/api/Core/Users", &headers, Some(user.as_bytes()))
                .expect("the server answers");
            assert_eq!(made.status, 201, "{}", made.text());
        }
        assert_eq!(site.sign_in("ALICE", &alice).json()["Name"], "Alice A.");
        assert_eq!(site.sign_in("bob", &password("bob")).status, 401);
        // A password that somebody sets here does not count: the directory knows this user.
        change("{\"Password\": \"a-password-of-this-server\"}");
        assert_eq!(site.sign_in("Alice A.", "a-password-of-this-server").status, 401);
        assert_eq!(site.sign_in("alice", &alice).status, 200);
    }
}

/// However the domain is written, the attempts are those of one person.
#[test]
fn attempts_are_counted_by_person() {
    let Some(slapd) = Slapd::start() else { return };
    let url = plain(&slapd);
    let settings = [&by_search(&url)[..], &[("rate.failures_of_name", "1")]].concat();
    let site = Site::start(System::Sqlite, &settings);
    let start = Instant::now();
    // Until the wait is long enough for what follows.
    loop {
        let reply = site.sign_in("EXAMPLE\\alice", "wrong");
        let wait = reply.header("Retry-After").and_then(|seconds| seconds.parse::<u64>().ok());
        match (reply.status, wait) {
            (401, _) => {}
            (429, Some(3..)) => break,
            (429, Some(_)) => std::thread::sleep(Duration::from_millis(200)),
            _ => panic!("{}", reply.text()),
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nobody has to wait");
    }
    assert_eq!(site.sign_in("alice", &password("alice")).status, 429);
    assert_eq!(site.sign_in("bob", &password("bob")).status, 200);
}

/// The tenant is what the entry says.
#[test]
fn the_entry_names_the_tenant() {
    let Some(slapd) = Slapd::start() else { return };
    let url = plain(&slapd);
    let alice = password("alice");
    let mut settings = by_search(&url);
    settings.retain(|(key, _)| *key != "tenant");
    settings.extend([
        ("tenant_attribute", "employeeNumber"),
        ("name_attribute", "mail"),
        ("id_attribute", "entryUUID"),
    ]);
    let site = Site::start(System::Sqlite, &settings);
    assert_eq!(site.sign_in("alice", &alice).status, 200, "{}", site.server.log());
    let users = site.users("alice@example.org");
    assert_eq!((users.len(), &users[0]["Tid"]), (1, &TENANT.into()));
    assert_eq!(users[0]["ExternalId"].as_str().map(str::len), Some(36), "entryUUID");
    for (number, status) in [("33333333-3333-3333-3333-333333333333", 401), ("no Guid", 401), (TENANT, 200)] {
        slapd.change(&format!(
            "dn: uid=bob,ou=people,dc=example,dc=org\nchangetype: modify\nreplace: employeeNumber\nemployeeNumber: {number}\n"
        ));
        assert_eq!(site.sign_in("bob", &password("bob")).status, status, "{number}");
    }
}

/// Groups give roles and take them, found by a search or by an attribute.
#[test]
fn groups_are_roles() {
    let Some(slapd) = Slapd::start() else { return };
    let url = plain(&slapd);
    let bob = password("bob");
    let member = |what: &str| {
        format!(
            "dn: cn=admins,ou=groups,dc=example,dc=org\nchangetype: modify\n{what}: member\nmember: uid=bob,ou=people,dc=example,dc=org\n"
        )
    };
    let search = [
        ("group_base", "ou=groups,dc=example,dc=org"),
        ("group_filter", "(&(objectClass=groupOfNames)(member={dn}))"),
        ("roles", ADMINS),
    ];
    let attribute = [("member_of", "memberOf"), ("roles", ADMINS)];
    for system in System::all() {
        for (kind, groups) in [
            (by_search(&url), &search[..]),
            (by_template(&url), &search[..]),
            (by_search(&url), &attribute[..]),
            (by_template(&url), &attribute[..]),
        ] {
            slapd.change(&member("add"));
            let settings = [&kind[..], groups].concat();
            let site = Site::start(system, &settings);
            assert_eq!(site.sign_in("bob", &bob).status, 200, "{}", site.server.log());
            assert_eq!(site.roles("bob"), ["CloudAdmin"], "{groups:?}");
            slapd.change(&member("delete"));
            // The domain makes these other credentials, which nobody remembers.
            assert_eq!(site.sign_in("EXAMPLE\\bob", &bob).status, 200);
            assert_eq!(site.roles("bob"), ["CloudAdmin"], "the tenant has no other administrator");
            site.add_administrator();
            assert_eq!(site.sign_in("bob@example.org", &bob).status, 200);
            assert_eq!(site.roles("bob"), [""; 0], "{groups:?}");
        }
    }
}

/// StartTLS and LDAPS with a certificate that counts, and with one that does not.
#[test]
fn tls_is_checked() {
    let Some(slapd) = Slapd::start() else { return };
    let (plain, secure) = (plain(&slapd), format!("ldaps://localhost:{}", slapd.secure));
    let file = |name: &str| slapd.file(name).display().to_string();
    let (trusted, stranger) = (file("trusted.pem"), file("stranger.pem"));
    let alice = password("alice");
    for (url, starttls, ca, status) in [
        (&plain, "true", Some(&trusted), 200),
        (&secure, "false", Some(&trusted), 200),
        (&plain, "true", Some(&stranger), 503),
        (&secure, "false", Some(&stranger), 503),
        (&secure, "false", None, 503),
    ] {
        let mut settings = by_search(url);
        settings.push(("starttls", starttls));
        settings.extend(ca.map(|ca| ("ca", ca.as_str())));
        let site = Site::start(System::Sqlite, &settings);
        let reply = site.sign_in("alice", &alice);
        assert_eq!(
            reply.status,
            status,
            "{url} {starttls} {ca:?} {}\n{}",
            reply.text(),
            site.server.log()
        );
        assert!(!site.server.log().contains(&alice), "no password in the log");
    }
}

/// Without its directory the server serves its own users, says 503 to those of the directory, and finds it again.
#[test]
fn users_of_this_server_do_not_need_the_directory() {
    let Some(mut slapd) = Slapd::start() else { return };
    let url = plain(&slapd);
    let (alice, bob) = (password("alice"), password("bob"));
    let site = Site::start(System::Sqlite, &by_search(&url));
    assert_eq!(site.sign_in("alice", &alice).status, 200);
    slapd.stop();
    assert_eq!(site.sign_in("alice", &alice).status, 200, "remembered for a minute");
    let reply = site.sign_in("bob", &bob);
    assert_eq!((reply.status, reply.code().as_str()), (503, "unreachable"), "{}", reply.text());
    assert!(reply.text().contains("The directory does not answer."), "{}", reply.text());
    assert_eq!(reply.header("Retry-After"), Some("1"));
    assert_eq!(site.sign_in("admin", ADMIN_PASSWORD).status, 200);
    // What is wrong looks the same, whoever has the name.
    for name in ["admin", "Admin", "nobody", "OTHER\\admin", "OTHER\\nobody"] {
        let reply = site.sign_in(name, "wrong");
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (503, "unreachable"),
            "{name} {}",
            reply.text()
        );
        assert_eq!(site.sign_in(name, "").status, 401, "{name}");
    }
    slapd.go_on();
    assert_eq!(site.sign_in("admin", "wrong").status, 401);
    assert_eq!(site.sign_in("bob", &bob).status, 200, "{}", site.server.log());
    // The connection that searches share has ended unnoticed.
    slapd.stop();
    slapd.go_on();
    assert_eq!(site.sign_in("EXAMPLE\\bob", &bob).status, 200, "{}", site.server.log());
}

/// A directory that takes connections and says nothing costs the time of the settings, and nobody else any.
#[test]
fn a_silent_directory_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = silent.local_addr().expect("it is bound").port();
    for (url, starttls, kinds) in [("ldap", "false", 0..2), ("ldap", "true", 0..1), ("ldaps", "false", 1..2)] {
        let url = format!("{url}://127.0.0.1:{port}");
        for kind in &[by_search(&url), by_template(&url)][kinds] {
            let settings = [&kind[..], &[("timeout_seconds", "1"), ("starttls", starttls)]].concat();
            let site = Site::start(System::Sqlite, &settings);
            let start = Instant::now();
            std::thread::scope(|scope| {
                let asked: Vec<_> = (0..20)
                    .map(|i| {
                        scope.spawn({
                            let site = &site;
                            move || site.sign_in(&format!("user{i}"), "x").status
                        })
                    })
                    .collect();
                // Others are served meanwhile.
                assert_eq!(site.sign_in("admin", ADMIN_PASSWORD).status, 200);
                for one in asked {
                    assert_eq!(one.join().expect("it ends"), 503);
                }
            });
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
            // A wrong password of a user of this server has the answer of somebody unknown, after as long.
            let start = Instant::now();
            assert_eq!(site.sign_in("admin", "wrong").status, 503);
            assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
        }
    }
}

/// A service account that the directory refuses is a fault of the settings, not of the person.
#[test]
fn a_wrong_service_account_is_nobodys_wrong_password() {
    let Some(slapd) = Slapd::start() else { return };
    let url = plain(&slapd);
    let mut settings = by_search(&url);
    settings.retain(|(key, _)| *key != "bind_password");
    settings.push(("bind_password", "wrong"));
    let site = Site::start(System::Sqlite, &settings);
    assert_eq!(site.sign_in("alice", &password("alice")).status, 503);
    assert!(site.server.log().contains("rc=49"), "{}", site.server.log());
}

//! A Kerberos realm of our own: Debian's krb5kdc as an ordinary process in a folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::peers::{self, Peer, command, free_port, run};

/// The realm of the server.
pub const REALM: &str = "EXAMPLE.ORG";

/// A running realm with `alice` and `bob`, `HTTP/localhost` and `HTTP/other.example.org`.
#[derive(Debug)]
pub struct Kdc {
    folder: TempDir,
    port: u16,
    process: Option<Peer>,
}

impl Kdc {
    /// Starts one; none, after one line that says so, where the programs are missing or curl cannot use tickets.
    pub fn start() -> Option<Kdc> {
        if !peers::are_there(&["krb5kdc", "kdb5_util", "kadmin.local", "kinit", "curl"]) {
            return None;
        }
        if !run(command("curl").arg("-V")).contains("SPNEGO") {
            peers::is_left_out("SPNEGO in curl");
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder can be made");
        let (path, port) = (folder.path().display(), free_port());
        let krb5 = format!(
            "[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\n\
            dns_canonicalize_hostname = false\nudp_preference_limit = 1\n\
            [realms]\n{REALM} = {{\nkdc = 127.0.0.1:{port}\n}}\n[domain_realm]\nlocalhost = {REALM}\n"
        );
        let kdc = format!(
            "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n\
            [realms]\n{REALM} = {{\ndatabase_name = {path}/principal\nkey_stash_file = {path}/stash\nacl_file = {path}/acl\n}}\n"
        );
        fs::write(folder.path().join("krb5.conf"), krb5).expect("a file can be written");
        fs::write(folder.path().join("kdc.conf"), kdc).expect("a file can be written");
        let mut started = Kdc {
            folder,
            port,
            process: None,
        };
        run(started
            .command("kdb5_util")
            .args(["create", "-s", "-r", REALM, "-P", "the-master-password"]));
        started.admin("addprinc -pw the-password-of-alice alice");
        started.admin("addprinc -pw the-password-of-bob bob");
        for (service, keytab) in [("HTTP/localhost", "keytab"), ("HTTP/other.example.org", "other.keytab")] {
            started.admin(&format!("addprinc -randkey {service}"));
            started.admin(&format!("ktadd -k {} {service}", started.file(keytab).display()));
        }
        started.process = Some(Peer::start(started.command("krb5kdc").arg("-n"), started.port));
        Some(started)
    }

    fn admin(&self, query: &str) {
        run(self.command("kadmin.local").args(["-q", query]));
    }

    /// A program that knows this realm.
    pub fn command(&self, name: &str) -> Command {
        let mut command = command(name);
        command.current_dir(self.folder.path()).env("KRB5CCNAME", self.file("no-tickets"));
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command
    }

    /// What a program has to have in its environment to know this realm.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let file = |name: &str| self.file(name).display().to_string();
        [
            ("KRB5_CONFIG", file("krb5.conf")),
            ("KRB5_KDC_PROFILE", file("kdc.conf")),
            // The tickets that a service has seen are kept here.
            ("KRB5RCACHEDIR", file("")),
        ]
    }

    /// A file of its folder: `keytab` has the keys of `HTTP/localhost`, `other.keytab` those of another host.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs somebody in; the file with his tickets.
    pub fn tickets(&self, name: &str) -> PathBuf {
        let cache = self.file(&format!("tickets-of-{name}"));
        let password = self.file("password");
        fs::write(&password, format!("the-password-of-{name}\n")).expect("a file can be written");
        let mut shell = self.command("sh");
        run(shell.args(["-c", "kinit \"$0\" < password", name]).env("KRB5CCNAME", &cache));
        cache
    }
}

//! A directory of our own: Debian's slapd as an ordinary process in a folder, plain, with StartTLS and with LDAPS.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::peers::{self, Peer, certify, command, free_port, run};

/// What everybody's DN ends with.
pub const SUFFIX: &str = "dc=example,dc=org";
const ROOT: &str = "cn=root,dc=example,dc=org";
const ROOT_PASSWORD: &str = "the-root-password";

const PEOPLE: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: ou=more,ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: more

dn: cn=reader,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: the-reader's-password

dn: uid=elsewhere,ou=people,dc=example,dc=org
objectClass: referral
objectClass: extensibleObject
uid: elsewhere
ref: ldap://127.0.0.1:9/uid=elsewhere,ou=people,dc=example,dc=org

dn: cn=admins,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: admins
member: uid=alice,ou=people,dc=example,dc=org

dn: cn=others,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: others
member: uid=bob,ou=people,dc=example,dc=org

";

/// A running directory with `alice` and `bob`, `twin` in two places, `admin`, and the group `admins` with alice. A person's password is
/// [`password`].
#[derive(Debug)]
pub struct Slapd {
    folder: TempDir,
    /// The port for plain connections and StartTLS.
    pub port: u16,
    /// The port for LDAPS.
    pub secure: u16,
    process: Option<Peer>,
}

/// The password of a person in the directory.
pub fn password(name: &str) -> String {
    format!("the directory's password of {name}")
}

fn person(dn: &str, name: &str) -> String {
    format!(
        "dn: {dn},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\nmail: {name}@example.org\n\
        employeeNumber: 22222222-2222-2222-2222-222222222222\nuserPassword: {}\n\n",
        password(name)
    )
}

impl Slapd {
    /// Starts one; none, after one line that says so, where the programs are missing.
    pub fn start() -> Option<Slapd> {
        if !peers::are_there(&["slapd", "slapadd", "ldapmodify", "openssl"]) {
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder can be made");
        let path = folder.path().display();
        certify(folder.path(), "trusted");
        certify(folder.path(), "stranger");
        fs::create_dir(folder.path().join("data")).expect("a folder can be made");
        let conf = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\n\
            modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\npidfile {path}/pid\nargsfile {path}/args\n\
            TLSCACertificateFile {path}/trusted.pem\nTLSCertificateFile {path}/trusted-server.pem\n\
            TLSCertificateKeyFile {path}/trusted-server.key\n\
            database mdb\nsuffix {SUFFIX}\nrootdn {ROOT}\nrootpw {ROOT_PASSWORD}\ndirectory {path}/data\noverlay memberof\n\
            access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n"
        );
        fs::write(folder.path().join("conf"), conf).expect("a file can be written");
        let people = [
            person("uid=alice,ou=people", "alice"),
            person("uid=bob,ou=people", "bob"),
            person("uid=admin,ou=people", "admin"),
            person("uid=twin,ou=people", "twin"),
            person("uid=twin,ou=more,ou=people", "twin"),
        ];
        fs::write(folder.path().join("ldif"), format!("{PEOPLE}{}", people.concat())).expect("a file can be written");
        run(command("slapadd").current_dir(folder.path()).args(["-f", "conf", "-l", "ldif"]));
        let mut slapd = Slapd {
            folder,
            port: free_port(),
            secure: free_port(),
            process: None,
        };
        slapd.go_on();
        Some(slapd)
    }

    /// Starts it again where it was.
    pub fn go_on(&mut self) {
        let urls = format!("ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/", self.port, self.secure);
        let mut slapd = command("slapd");
        slapd.current_dir(self.folder.path()).args(["-f", "conf", "-h", &urls, "-d", "0"]);
        self.process = Some(Peer::start(&mut slapd, self.port));
    }

    /// Kills it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// A file of its folder: `trusted.pem` has certified it, `stranger.pem` has not.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes entries, in LDIF.
    pub fn change(&self, ldif: &str) {
        let file = self.file("change");
        fs::write(&file, ldif).expect("a file can be written");
        let url = format!("ldap://127.0.0.1:{}", self.port);
        run(command("ldapmodify")
            .args(["-x", "-H", &url, "-D", ROOT, "-w", ROOT_PASSWORD, "-f"])
            .arg(file));
    }
}

//! The server's settings: one row each in a table of [`TABLES`], from which the command line, the environment, `odonata.toml`
//! and every help text are derived.
//!
//! `odonata.toml` < environment < command line. A value that cannot be used is named with the place it comes from.

mod accounts;
pub mod issuer;
mod kerberos;
mod ldap;
mod mail;
mod server;
mod tokens;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::http::{Jsonp, Network, Origins};
use crate::odata::accept::Preferences;

/// Where a setting may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// `odonata.toml`, the environment, the command line.
    Anywhere,
    /// Not on the command line: one of many of its section, or a secret, which others on the machine would see there.
    FileOrEnvironment,
    /// Only in the environment.
    Environment,
}

/// One row of a table of settings; `T` is what it sets something of.
pub struct Setting<T: 'static = Settings> {
    /// The key in `odonata.toml`, `section.key` for one of a section; with dashes the option on the command line, in capitals after
    /// `ODONATA_` the variable.
    pub key: &'static str,
    /// Where it may stand.
    pub from: From,
    /// What stands for the value in help.
    pub value: &'static str,
    /// Empty is none.
    pub default: &'static str,
    /// For people.
    pub help: &'static str,
    set: fn(&mut T, &str) -> Result<(), String>,
}

/// What the server runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: String,
    /// Where the data is.
    pub database: String,
    /// Folder of plugin folders.
    pub plugins: PathBuf,
    /// Where clients reach the server, without a slash at the end; none is what each request says.
    pub public_url: Option<String>,
    /// Proxies whose headers say where clients reach the server.
    pub trusted_proxies: Vec<Network>,
    /// Pages of other origins that may call.
    pub cors_origins: Origins,
    /// Answers are compressed for clients that take that.
    pub compression: bool,
    /// The first administrator's password.
    pub admin_password: Option<String>,
    /// Entities on a page.
    pub page_size: usize,
    /// Names of the tenant header.
    pub tenant_headers: Vec<String>,
    /// Name of the token header.
    pub token_header: String,
    /// Threads that serve requests.
    pub workers: usize,
    /// Threads that do jobs of built-in kinds.
    pub job_threads: usize,
    /// Changes of entities with an ETag need `If-Match`.
    pub require_if_match: bool,
    /// Formats.
    pub preferences: Preferences,
    /// Members of bodies that a type does not have are passed over.
    pub ignore_unknown: bool,
    /// Who may use `$callback`.
    pub jsonp: Jsonp,
    /// How callers prove who they are.
    pub auth: crate::auth::Config,
    /// What people may do about their own accounts.
    pub accounts: crate::engine::accounts::Config,
    /// How mails are sent.
    pub mail: crate::jobs::mail::Config,
    /// What is logged.
    pub log: String,
    /// Where the values come from.
    pub places: Places,
}

/// The meaning of one of a few words.
fn one_of<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, String> {
    let names: Vec<&str> = known.iter().map(|row| row.0).collect();
    let found = known.iter().find(|row| row.0 == text);
    found.map(|row| row.1).ok_or(format!("is {}", names.join(" or ")))
}

fn header_name(name: &str) -> Result<(), String> {
    let fit = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    fit.then_some(()).ok_or("is the name of a header: letters, digits and -".to_owned())
}

/// Every table. A section of `odonata.toml` is a table whose keys begin with its name.
const TABLES: &[&[Setting]] = &[
    server::SERVER,
    tokens::TOKENS,
    ldap::LDAP,
    kerberos::KERBEROS,
    accounts::ACCOUNTS,
    mail::MAIL,
];

/// What goes together, looked at when every value is there.
const CHECKS: &[fn(&Settings, &Places) -> Result<(), String>] = &[ldap::check, kerberos::check, accounts::check];

/// Where values come from, for messages.
#[derive(Debug, Clone, Default)]
pub struct Places(HashMap<String, String>);

impl Places {
    /// `FILE:LINE: KEY`, a variable or an option; none for what nobody said.
    pub fn of(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn add(&mut self, key: &str, place: String) {
        self.0.insert(key.to_owned(), place);
    }
}

/// Every setting.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    TABLES.iter().copied().flatten()
}

impl<T> Setting<T> {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("ODONATA_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The option on the command line, without the dashes before it; none if it may not stand there.
    pub fn option(&self) -> Option<String> {
        (self.from == From::Anywhere).then(|| self.key.replace(['_', '.'], "-"))
    }

    /// The help text with default and variable.
    pub fn text(&self) -> String {
        let default = match self.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        format!("{}{default} [env: {}]", self.help, self.variable())
    }
}

impl Settings {
    /// The defaults.
    pub fn defaults() -> Settings {
        let mut settings = Settings {
            listen: String::new(),
            database: String::new(),
            plugins: PathBuf::new(),
            public_url: None,
            trusted_proxies: Vec::new(),
            cors_origins: Origins::default(),
            compression: false,
            admin_password: None,
            page_size: 0,
            tenant_headers: Vec::new(),
            token_header: String::new(),
            job_threads: 4,
            workers: std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            require_if_match: false,
            preferences: Preferences::default(),
            ignore_unknown: false,
            jsonp: Jsonp::default(),
            auth: crate::auth::Config::default(),
            accounts: crate::engine::accounts::Config::default(),
            mail: crate::jobs::mail::Config::default(),
            log: String::new(),
            places: Places::default(),
        };
        for row in all().filter(|row| !row.default.is_empty()) {
            (row.set)(&mut settings, row.default).expect("every default in the table is a value of its setting");
        }
        settings
    }

    /// Puts the three sources together. `file` is the name of the settings file and its text; `environment` and `line`
    /// answer with the value of a key.
    pub fn gather(
        file: Option<(&str, &str)>,
        environment: impl Fn(&str) -> Option<String>,
        line: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, String> {
        let mut settings = Settings::defaults();
        let mut places = Places::default();
        if let Some((name, text)) = file {
            settings.take_file(name, text, &mut places)?;
        }
        for row in all() {
            let variable = row.variable();
            if let Some(text) = environment(&variable) {
                (row.set)(&mut settings, &text).map_err(|why| format!("{variable}: {why}"))?;
                places.add(row.key, variable);
            }
            if let Some(option) = row.option()
                && let Some(text) = line(row.key)
            {
                (row.set)(&mut settings, &text).map_err(|why| format!("--{option}: {why}"))?;
                places.add(row.key, format!("--{option}"));
            }
        }
        issuer::complete(&mut settings.auth.issuers, &environment)?;
        CHECKS.iter().try_for_each(|check| check(&settings, &places))?;
        settings.places = places;
        Ok(settings)
    }

    fn take_file(&mut self, name: &str, text: &str, places: &mut Places) -> Result<(), String> {
        let at = |position: usize| 1 + text.bytes().take(position).filter(|byte| *byte == b'\n').count();
        let table = DeTable::parse(text)
            .map_err(|error| format!("{name}:{}: {}", error.span().map_or(1, |span| at(span.start)), error.message()))?;
        for (key, value) in table.get_ref() {
            let place = |key: &Spanned<DeString<'_>>| format!("{name}:{}", at(key.span().start));
            match value.get_ref() {
                DeValue::Table(named) if key.get_ref() == issuer::SECTION => {
                    for (issuer, settings) in named {
                        let issuer = issuer::read(&place(issuer), issuer.get_ref(), settings.get_ref(), place)?;
                        self.auth.issuers.push(issuer);
                    }
                }
                DeValue::Table(section) if all().all(|row| row.key != key.get_ref()) => {
                    for (inner, value) in section {
                        let full = format!("{}.{}", key.get_ref(), inner.get_ref());
                        take(all(), self, &place(inner), &full, value.get_ref())?;
                        places.add(&full, format!("{}: {full}", place(inner)));
                    }
                }
                value => {
                    take(all(), self, &place(key), key.get_ref(), value)?;
                    places.add(key.get_ref(), format!("{}: {}", place(key), key.get_ref()));
                }
            }
        }
        Ok(())
    }
}

/// Takes one value of a settings file into what it sets something of. `place` is `FILE:LINE`.
fn take<T: 'static>(
    mut rows: impl Iterator<Item = &'static Setting<T>>,
    into: &mut T,
    place: &str,
    key: &str,
    value: &DeValue<'_>,
) -> Result<(), String> {
    let place = format!("{place}: {key}");
    let row = rows.find(|row| row.key == key);
    let row = row.ok_or_else(|| format!("{place}: there is no such setting; `odonata --help` lists them"))?;
    if row.from == From::Environment {
        return Err(format!("{place}: only {} may say this", row.variable()));
    }
    let text = plain(value).ok_or_else(|| format!("{place}: is a text, a number, true, false or a list of texts"))?;
    (row.set)(into, &text).map_err(|why| format!("{place}: {why}"))
}

/// The text of a value, as it would stand on the command line.
fn plain(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            let items = items?;
            // Names in a directory hold commas.
            let mark = if items.iter().any(|item| item.contains([',', '='])) {
                ";"
            } else {
                ","
            };
            items.join(mark)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(file: &str, environment: &[(&str, &str)], line: &[(&str, &str)]) -> Result<Settings, String> {
        let find = |rows: &[(&str, &str)], key: &str| rows.iter().find(|row| row.0 == key).map(|row| row.1.to_owned());
        Settings::gather(Some(("odonata.toml", file)), |key| find(environment, key), |key| find(line, key))
    }

    #[test]
    fn later_sources_win() {
        let file = "listen = \"a:1\"\npage_size = 7\ntenant_headers = [\"A\", \"B\"]\nrequire_if_match = true";
        let settings = gather(file, &[("ODONATA_LISTEN", "b:2"), ("ODONATA_PAGE_SIZE", "8")], &[("listen", "c:3")]).unwrap();
        assert_eq!((settings.listen.as_str(), settings.page_size), ("c:3", 8));
        assert_eq!(settings.tenant_headers, ["A", "B"]);
        assert!(settings.require_if_match);
        assert_eq!(settings.database, "sqlite:data/odonata.db");
    }

    #[test]
    fn faults_name_their_place() {
        type Given = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Given, Given, &str)] = &[
            (
                "\n\npage_size = 0",
                &[],
                &[],
                "odonata.toml:3: page_size: is a number from 1 to 10000",
            ),
            ("a =", &[], &[], "odonata.toml:1: "),
            ("\nnone = 1", &[], &[], "odonata.toml:2: none: there is no such setting"),
            ("listen = {}", &[], &[], "odonata.toml:1: listen: is a text"),
            (
                "admin_password = \"x\"",
                &[],
                &[],
                "odonata.toml:1: admin_password: only ODONATA_ADMIN_PASSWORD",
            ),
            ("", &[("ODONATA_WORKERS", "x")], &[], "ODONATA_WORKERS: is a number"),
            ("", &[], &[("public_url", "ftp://x")], "--public-url: is an http"),
            ("", &[], &[("public_url", "http://a/b c")], "--public-url: is an http"),
            (
                "",
                &[],
                &[("trusted_proxies", "proxy")],
                "--trusted-proxies: is a list of addresses",
            ),
            ("", &[], &[("compression", "gzip")], "--compression: is true or false"),
            (
                "cors_origins = [\"https://a\", \"null\"]",
                &[],
                &[],
                "odonata.toml:1: cors_origins: is a list of origins like https://app.example.org, or *; not null",
            ),
            ("", &[], &[("listen", "8080")], "--listen: is an address"),
            (
                "default_format = \"xml\"",
                &[],
                &[],
                "odonata.toml:1: default_format: is json or atom",
            ),
            (
                "",
                &[("ODONATA_PLAIN_JSON", "light")],
                &[],
                "ODONATA_PLAIN_JSON: is by-version or verbose",
            ),
            (
                "\n[accounts]\nsign_up = true",
                &[],
                &[],
                "odonata.toml:3: accounts.sign_up: needs accounts.sign_up_tenant",
            ),
            (
                "[accounts]\nsign_up_tenant = \"x\"",
                &[],
                &[],
                "odonata.toml:2: accounts.sign_up_tenant: is a Guid",
            ),
            (
                "",
                &[("ODONATA_ACCOUNTS_SIGN_UP", "true")],
                &[],
                "ODONATA_ACCOUNTS_SIGN_UP: needs accounts",
            ),
            (
                "",
                &[("ODONATA_MAIL_SERVER", "smtp://h")],
                &[],
                "ODONATA_MAIL_SERVER: needs public_url",
            ),
            ("[mail]\nuser = \"x\"", &[], &[], "odonata.toml:2: mail.user: needs the other"),
            ("[mail]\nserver = \"h\"", &[], &[], "odonata.toml:2: mail.server: is smtp://"),
            ("[mail]\nfrom = \"nobody\"", &[], &[], "odonata.toml:2: mail.from: is an address"),
            (
                "[accounts]\nlink = \"http://h\"",
                &[],
                &[],
                "odonata.toml:2: accounts.link: is a URL",
            ),
            (
                "[accounts]\ndomains = [\"a b\"]",
                &[],
                &[],
                "odonata.toml:2: accounts.domains: is a list",
            ),
            (
                "tenant_headers = \"A,,B\"",
                &[],
                &[],
                "odonata.toml:1: tenant_headers: is the name of a header",
            ),
        ];
        for (file, environment, line, expected) in cases {
            let error = gather(file, environment, line).unwrap_err();
            assert!(error.starts_with(expected), "{error} instead of {expected}");
        }
    }

    #[test]
    fn every_row_is_complete() {
        for row in all() {
            assert!(
                !row.help.is_empty() && !row.help.ends_with('.') && !row.value.is_empty(),
                "{}",
                row.key
            );
            assert!(row.text().contains(&row.variable()), "{}", row.key);
            assert_eq!(all().filter(|other| other.variable() == row.variable()).count(), 1, "{}", row.key);
        }
        assert_eq!(Settings::defaults().page_size, crate::model::limits::PAGE_SIZE);
    }
}

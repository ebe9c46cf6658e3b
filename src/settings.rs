//! The server's settings: one row each in [`SETTINGS`], from which the command line, the environment, `odonata.toml` and
//! every help text are derived.
//!
//! `odonata.toml` < environment < command line. A value that cannot be used is named with the place it comes from.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use crate::http::{Jsonp, Network, Origins, split_url};
use crate::model::limits::PAGE_SIZE_MAX;
use crate::odata::accept::{Family, PlainJson, Preferences};

/// One row of [`SETTINGS`].
pub struct Setting {
    /// The key in `odonata.toml`; with dashes the option on the command line, in capitals after `ODONATA_` the variable.
    pub key: &'static str,
    /// The option on the command line; empty for what only the environment may say.
    pub option: &'static str,
    /// What stands for the value in help.
    pub value: &'static str,
    /// Empty is none.
    pub default: &'static str,
    /// For people.
    pub help: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), String>,
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
    /// Changes of entities with an ETag need `If-Match`.
    pub require_if_match: bool,
    /// Formats.
    pub preferences: Preferences,
    /// Members of bodies that a type does not have are passed over.
    pub ignore_unknown: bool,
    /// Who may use `$callback`.
    pub jsonp: Jsonp,
    /// What is logged.
    pub log: String,
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        option: "listen",
        value: "ADDRESS:PORT",
        default: "127.0.0.1:8080",
        help: "Where to listen; port 0 takes a free one",
        set: |settings, text| {
            let port = text
                .rsplit_once(':')
                .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
            port.map(|_| settings.listen = text.to_owned())
                .ok_or("is an address and a port, like 127.0.0.1:8080".to_owned())
        },
    },
    Setting {
        key: "database",
        option: "database",
        value: "URL",
        default: "sqlite:data/odonata.db",
        help: "sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME",
        set: |settings, text| {
            settings.database = text.to_owned();
            let known = ["sqlite:", "postgres://", "postgresql://"]
                .iter()
                .any(|scheme| text.starts_with(scheme));
            known.then_some(()).ok_or("begins with sqlite: or postgres://".to_owned())
        },
    },
    Setting {
        key: "plugins",
        option: "plugins",
        value: "FOLDER",
        default: "plugins",
        help: "Folder of the plugin folders",
        set: |settings, text| {
            settings.plugins = PathBuf::from(text);
            Ok(())
        },
    },
    Setting {
        key: "public_url",
        option: "public-url",
        value: "URL",
        default: "",
        help: "Where clients reach the server; without it, links follow each request's Host header",
        set: |settings, text| {
            let text = text.trim_end_matches('/');
            settings.public_url = Some(text.to_owned());
            split_url(text).map(drop).ok_or("is an http:// or https:// address".to_owned())
        },
    },
    Setting {
        key: "trusted_proxies",
        option: "trusted-proxies",
        value: "NETWORKS",
        default: "",
        help: "Addresses of proxies, like 10.0.0.0/8,::1, that are believed when they say by X-Forwarded-Proto, -Host, -Port and \
            -Prefix, or Forwarded, where clients reach the server",
        set: |settings, text| {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let networks: Option<Vec<Network>> = items.map(Network::read).collect();
            settings.trusted_proxies = networks.ok_or("is a list of addresses and networks, like 10.0.0.0/8".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "cors_origins",
        option: "cors-origins",
        value: "ORIGINS",
        default: "",
        help: "Web pages of other origins that may call, like https://app.example.org,http://localhost:3000; * is all, but for \
            them browsers do not add cookies and log-ins by themselves",
        set: |settings, text| {
            settings.cors_origins = Origins::read(text)?;
            Ok(())
        },
    },
    Setting {
        key: "compression",
        option: "compression",
        value: "true|false",
        default: "true",
        help: "Compress answers with gzip for clients that take it",
        set: |settings, text| {
            settings.compression = text.parse().map_err(|_| "is true or false".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "admin_password",
        option: "",
        value: "PASSWORD",
        default: "",
        help: "Password of the user `admin` at first start; without it a random one is printed once",
        set: |settings, text| {
            settings.admin_password = Some(text.to_owned()).filter(|text| !text.is_empty());
            Ok(())
        },
    },
    Setting {
        key: "page_size",
        option: "page-size",
        value: "NUMBER",
        default: "45",
        help: "Entities on a page, for sets whose schema names no other number",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| (1..=PAGE_SIZE_MAX).contains(number));
            settings.page_size = number.ok_or(format!("is a number from 1 to {PAGE_SIZE_MAX}"))?;
            Ok(())
        },
    },
    Setting {
        key: "default_format",
        option: "default-format",
        value: "json|atom",
        default: "json",
        help: "What a client gets that names no format",
        set: |settings, text| {
            settings.preferences.default_format = one_of(text, &[("json", Family::Json), ("atom", Family::Atom)])?;
            Ok(())
        },
    },
    Setting {
        key: "plain_json",
        option: "plain-json",
        value: "by-version|verbose",
        default: "by-version",
        help: "What application/json without odata= is: JSON light for clients of version 3.0 and verbose JSON for older ones, or \
            always verbose, as jQuery and Kendo UI expect it",
        set: |settings, text| {
            let known = [("by-version", PlainJson::ByVersion), ("verbose", PlainJson::Verbose)];
            settings.preferences.plain_json = one_of(text, &known)?;
            Ok(())
        },
    },
    Setting {
        key: "unknown_properties",
        option: "unknown-properties",
        value: "refuse|ignore",
        default: "refuse",
        help: "What becomes of members of a body that the type does not have; grids that send fields of their own need ignore",
        set: |settings, text| {
            settings.ignore_unknown = one_of(text, &[("refuse", false), ("ignore", true)])?;
            Ok(())
        },
    },
    Setting {
        key: "jsonp",
        option: "jsonp",
        value: "same-site|any-site",
        default: "same-site",
        help: "Web pages that may use $callback; with any-site every page reads what its visitors may read here",
        set: |settings, text| {
            settings.jsonp = one_of(text, &[("same-site", Jsonp::SameSite), ("any-site", Jsonp::AnySite)])?;
            Ok(())
        },
    },
    Setting {
        key: "tenant_headers",
        option: "tenant-headers",
        value: "NAMES",
        default: "Biz-Dfch-Tenant-Id,TenantId,Tenant-Id",
        help: "Headers that may name the tenant to act in, with commas between",
        set: |settings, text| {
            settings.tenant_headers = text.split(',').map(|name| name.trim().to_owned()).collect();
            settings.tenant_headers.iter().try_for_each(|name| header_name(name))
        },
    },
    Setting {
        key: "token_header",
        option: "token-header",
        value: "NAME",
        default: "X-Odonata-Token",
        help: "Header that may carry a token",
        set: |settings, text| {
            settings.token_header = text.to_owned();
            header_name(text)
        },
    },
    Setting {
        key: "workers",
        option: "workers",
        value: "NUMBER",
        default: "",
        help: "Threads that serve requests; without it one for each processor",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| (1..=1024).contains(number));
            settings.workers = number.ok_or("is a number from 1 to 1024".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "require_if_match",
        option: "require-if-match",
        value: "true|false",
        default: "false",
        help: "Answer 428 to a change without If-Match of an entity that has an ETag",
        set: |settings, text| {
            settings.require_if_match = text.parse().map_err(|_| "is true or false".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "log",
        option: "log",
        value: "FILTER",
        default: "warn,odonata=info",
        help: "What is logged, like warn or odonata=debug",
        set: |settings, text| {
            settings.log = text.to_owned();
            Ok(())
        },
    },
];

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

impl Setting {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("ODONATA_{}", self.key.to_uppercase())
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
            workers: std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            require_if_match: false,
            preferences: Preferences::default(),
            ignore_unknown: false,
            jsonp: Jsonp::default(),
            log: String::new(),
        };
        for row in SETTINGS.iter().filter(|row| !row.default.is_empty()) {
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
        if let Some((name, text)) = file {
            settings.take_file(name, text)?;
        }
        for row in SETTINGS {
            let variable = row.variable();
            if let Some(text) = environment(&variable) {
                (row.set)(&mut settings, &text).map_err(|why| format!("{variable}: {why}"))?;
            }
            if let Some(text) = line(row.key) {
                (row.set)(&mut settings, &text).map_err(|why| format!("--{}: {why}", row.option))?;
            }
        }
        Ok(settings)
    }

    fn take_file(&mut self, name: &str, text: &str) -> Result<(), String> {
        let at = |position: usize| 1 + text.bytes().take(position).filter(|byte| *byte == b'\n').count();
        let table = DeTable::parse(text)
            .map_err(|error| format!("{name}:{}: {}", error.span().map_or(1, |span| at(span.start)), error.message()))?;
        for (key, value) in table.get_ref() {
            let place = format!("{name}:{}: {}", at(key.span().start), key.get_ref());
            let row = SETTINGS.iter().find(|row| row.key == key.get_ref().as_ref());
            let row = row.ok_or_else(|| format!("{place}: there is no such setting; `odonata --help` lists them"))?;
            if row.option.is_empty() {
                return Err(format!("{place}: only {} may say this", row.variable()));
            }
            let text = plain(value.get_ref()).ok_or_else(|| format!("{place}: is a text, a number, true, false or a list of texts"))?;
            (row.set)(self, &text).map_err(|why| format!("{place}: {why}"))?;
        }
        Ok(())
    }
}

/// The text of a value, as it would stand on the command line.
fn plain(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            items?.join(",")
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
        for row in SETTINGS {
            assert!(row.option.is_empty() || row.option.replace('-', "_") == row.key, "{}", row.key);
            assert!(
                !row.help.is_empty() && !row.help.ends_with('.') && !row.value.is_empty(),
                "{}",
                row.key
            );
            assert!(row.text().contains(&row.variable()), "{}", row.key);
        }
        assert_eq!(Settings::defaults().page_size, crate::model::limits::PAGE_SIZE);
    }
}

//! `[ldap]`: a directory that knows people's passwords.

use super::{From, Places, Setting, Settings, one_of};
use crate::auth::guid;
use crate::auth::ldap::{Authorities, Config, check_template, host, is_loopback, normal_dn};

/// A row whose text is taken as it is.
macro_rules! text {
    ($key:literal, $value:literal, $default:literal, $help:literal, $field:ident) => {
        Setting {
            key: concat!("ldap.", $key),
            from: From::FileOrEnvironment,
            value: $value,
            default: $default,
            help: $help,
            set: |settings, text| {
                settings.auth.ldap.$field = text.to_owned();
                Ok(())
            },
        }
    };
}

pub const LDAP: &[Setting] = &[
    Setting {
        key: "ldap.url",
        from: From::FileOrEnvironment,
        value: "URL",
        default: "",
        help: "ldap:// or ldaps://, host and port of the directory",
        set: |settings, text| {
            settings.auth.ldap.url = text.to_owned();
            host(text)
                .map(drop)
                .ok_or("is ldap:// or ldaps://, a host and perhaps a port".to_owned())
        },
    },
    Setting {
        key: "ldap.starttls",
        from: From::FileOrEnvironment,
        value: "true|false",
        default: "false",
        help: "Begin TLS on an ldap:// connection before anything else",
        set: |settings, text| {
            settings.auth.ldap.starttls = one_of(text, &[("true", true), ("false", false)])?;
            Ok(())
        },
    },
    Setting {
        key: "ldap.plain",
        from: From::FileOrEnvironment,
        value: "true|false",
        default: "false",
        help: "Send passwords over a network without TLS",
        set: |settings, text| {
            settings.auth.ldap.plain = one_of(text, &[("true", true), ("false", false)])?;
            Ok(())
        },
    },
    Setting {
        key: "ldap.ca",
        from: From::FileOrEnvironment,
        value: "FILE",
        default: "",
        help: "Certificates, in PEM, of those who may certify the directory; without it whom the system trusts",
        set: |settings, text| {
            settings.auth.ldap.authorities = Some(Authorities::read(text)?);
            Ok(())
        },
    },
    text!(
        "bind_dn",
        "DN",
        "",
        "Account that searches; without it searches are anonymous, or by the person who signs in",
        bind_dn
    ),
    Setting {
        key: "ldap.bind_password",
        from: From::FileOrEnvironment,
        value: "PASSWORD",
        default: "",
        help: "Its password",
        set: |settings, text| {
            settings.auth.ldap.bind_password.0 = text.to_owned();
            Ok(())
        },
    },
    text!("base", "DN", "", "Where people are searched for", base),
    Setting {
        key: "ldap.user_filter",
        from: From::FileOrEnvironment,
        value: "FILTER",
        default: "",
        help: "Finds a person by {name}, like (uid={name}) or (sAMAccountName={name})",
        set: |settings, text| {
            settings.auth.ldap.user_filter = text.to_owned();
            needs(text, &["{name}"])?;
            check_template(text)
        },
    },
    Setting {
        key: "ldap.user_dn",
        from: From::FileOrEnvironment,
        value: "DN",
        default: "",
        help: "A person's DN, instead of a search, like uid={name},ou=people,dc=example,dc=org",
        set: |settings, text| {
            settings.auth.ldap.user_dn = text.to_owned();
            needs(text, &["{name}"])
        },
    },
    text!("group_base", "DN", "", "Where groups are searched for", group_base),
    Setting {
        key: "ldap.group_filter",
        from: From::FileOrEnvironment,
        value: "FILTER",
        default: "",
        help: "Finds a person's groups by {dn} or {name}, like (member={dn})",
        set: |settings, text| {
            settings.auth.ldap.group_filter = text.to_owned();
            needs(text, &["{dn}", "{name}"])?;
            check_template(text)
        },
    },
    text!(
        "member_of",
        "ATTRIBUTE",
        "",
        "Attribute of people that lists their groups, instead of a search, like memberOf",
        member_of
    ),
    Setting {
        key: "ldap.roles",
        from: From::FileOrEnvironment,
        value: "GROUP=ROLE;…",
        default: "",
        help: "Roles that groups give, like cn=admins,ou=groups,dc=example,dc=org=CloudAdmin; each of these roles is given and taken at \
            every signing in",
        set: |settings, text| {
            settings.auth.ldap.roles = text.split(';').map(role).collect::<Option<_>>().ok_or("is a list of GROUP=ROLE")?;
            Ok(())
        },
    },
    Setting {
        key: "ldap.domains",
        from: From::FileOrEnvironment,
        value: "NAMES",
        default: "",
        help: "Domains of the directory, with commas between: DOMAIN\\user and user@domain are its user, whoever is user here",
        set: |settings, text| {
            settings.auth.ldap.domains = text.split(',').map(|name| name.trim().to_lowercase()).collect();
            let fit = settings
                .auth
                .ldap
                .domains
                .iter()
                .all(|name| !name.is_empty() && !name.contains(['\\', '@']));
            fit.then_some(())
                .ok_or("is a list of domains like CORP,corp.example.org".to_owned())
        },
    },
    text!(
        "id_attribute",
        "ATTRIBUTE",
        "",
        "Attribute that stays when people are renamed, like entryUUID or objectGUID; without it the DN is who somebody is",
        id_attribute
    ),
    text!(
        "name_attribute",
        "ATTRIBUTE",
        "uid",
        "Attribute with the name of a user that is made",
        name_attribute
    ),
    text!(
        "mail_attribute",
        "ATTRIBUTE",
        "mail",
        "Attribute with the address of a user that is made",
        mail_attribute
    ),
    text!(
        "tenant_attribute",
        "ATTRIBUTE",
        "",
        "Attribute with the Guid of the tenant of a user that is made",
        tenant_attribute
    ),
    Setting {
        key: "ldap.tenant",
        from: From::FileOrEnvironment,
        value: "GUID",
        default: "",
        help: "Tenant whose users, beside the root tenant's, the directory's people are, where the attribute says none; without both of any",
        set: |settings, text| {
            settings.auth.ldap.tenant = Some(guid(text).ok_or("is a Guid")?);
            Ok(())
        },
    },
    Setting {
        key: "ldap.unknown_users",
        from: From::FileOrEnvironment,
        value: "refuse|provision",
        default: "refuse",
        help: "What becomes of people of the directory who are no users yet: provision makes them users when they sign in",
        set: |settings, text| {
            settings.auth.ldap.provision = one_of(text, &[("refuse", false), ("provision", true)])?;
            Ok(())
        },
    },
    Setting {
        key: "ldap.timeout_seconds",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "5",
        help: "Longest wait for the directory when somebody signs in; past it the answer is 503",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| (1..=60).contains(number));
            settings.auth.ldap.timeout_seconds = number.ok_or("is a number from 1 to 60")?;
            Ok(())
        },
    },
];

fn needs(text: &str, places: &[&str]) -> Result<(), String> {
    let fit = places.iter().any(|place| text.contains(place));
    fit.then_some(()).ok_or(format!("has no {}", places.join(" or ")))
}

/// A group's DN may hold `=`, a role's name does not.
fn role(text: &str) -> Option<(String, String)> {
    let (group, role) = text.trim().rsplit_once('=')?;
    let (group, role) = (group.trim(), role.trim());
    (group.contains('=') && !role.is_empty() && !role.contains(',')).then(|| (normal_dn(group), role.to_owned()))
}

/// What goes together, and what does not.
pub fn check(settings: &Settings, places: &Places) -> Result<(), String> {
    let ldap = &settings.auth.ldap;
    if ldap.url.is_empty() {
        return match LDAP.iter().find_map(|row| places.of(row.key)) {
            Some(place) => Err(format!("{place} means nothing without ldap.url")),
            None => Ok(()),
        };
    }
    let wrong = transport(ldap).or_else(|| people(ldap)).or_else(|| groups(ldap));
    wrong.map_or(Ok(()), |(key, why)| {
        let place = places.of(key).or_else(|| places.of("ldap.url")).unwrap_or("ldap.url");
        Err(format!("{place}: {why}"))
    })
}

type Wrong = Option<(&'static str, &'static str)>;

/// The first row that holds.
fn first(rows: &[(bool, &'static str, &'static str)]) -> Wrong {
    rows.iter().find(|row| row.0).map(|row| (row.1, row.2))
}

fn transport(ldap: &Config) -> Wrong {
    let secure = ldap.url.starts_with("ldaps://");
    let tls = secure || ldap.starttls;
    let near = host(&ldap.url).is_some_and(is_loopback);
    first(&[
        (
            secure && ldap.starttls,
            "ldap.starttls",
            "an ldaps:// connection has TLS from its beginning",
        ),
        (tls && ldap.plain, "ldap.plain", "the connection has TLS; it is not plain"),
        (
            !tls && ldap.authorities.is_some(),
            "ldap.ca",
            "needs TLS: ldaps:// or ldap.starttls",
        ),
        (
            !tls && !near && !ldap.plain,
            "ldap.url",
            "passwords would cross the network without TLS: ldaps://, or ldap.starttls = true, or else ldap.plain = true",
        ),
    ])
}

fn people(ldap: &Config) -> Wrong {
    let searches = !ldap.base.is_empty() && !ldap.user_filter.is_empty();
    let templated = !ldap.user_dn.is_empty();
    first(&[
        (
            templated && !ldap.user_filter.is_empty(),
            "ldap.user_filter",
            "does not go with ldap.user_dn",
        ),
        (templated && !ldap.base.is_empty(), "ldap.base", "does not go with ldap.user_dn"),
        (
            !templated && !searches,
            "ldap.url",
            "needs ldap.base and ldap.user_filter, or ldap.user_dn",
        ),
        (
            ldap.bind_dn.is_empty() != ldap.bind_password.0.is_empty(),
            if ldap.bind_dn.is_empty() {
                "ldap.bind_password"
            } else {
                "ldap.bind_dn"
            },
            "ldap.bind_dn and ldap.bind_password go together",
        ),
        (
            ldap.provision && ldap.tenant.is_none() && ldap.tenant_attribute.is_empty(),
            "ldap.unknown_users",
            "provision needs ldap.tenant or ldap.tenant_attribute",
        ),
    ])
}

fn groups(ldap: &Config) -> Wrong {
    let searches = !ldap.group_filter.is_empty();
    let known = searches || !ldap.member_of.is_empty();
    let key = if searches { "ldap.group_filter" } else { "ldap.member_of" };
    first(&[
        (searches && ldap.group_base.is_empty(), "ldap.group_filter", "needs ldap.group_base"),
        (
            !searches && !ldap.group_base.is_empty(),
            "ldap.group_base",
            "needs ldap.group_filter",
        ),
        (
            searches && !ldap.member_of.is_empty(),
            "ldap.member_of",
            "does not go with ldap.group_filter",
        ),
        (
            !known && !ldap.roles.is_empty(),
            "ldap.roles",
            "needs ldap.group_base and ldap.group_filter, or ldap.member_of",
        ),
        (known && ldap.roles.is_empty(), key, "means nothing without ldap.roles"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: &str = "base = \"dc=x\"\nuser_filter = \"(uid={name})\"\n";

    fn gather(lines: &str) -> Result<Settings, String> {
        let text = format!("[ldap]\n{lines}");
        Settings::gather(Some(("odonata.toml", &text)), |_| None, |_| None)
    }

    #[test]
    fn what_does_not_go_together_is_named_with_its_line() {
        let far = "url = \"ldap://dc.example\"\n";
        let near = "url = \"ldap://localhost\"\n";
        let safe = "url = \"ldaps://dc.example\"\n";
        let template = "user_dn = \"uid={name},dc=x\"\n";
        for (lines, expected) in [
            (format!("{near}{SEARCH}"), None),
            (format!("{safe}{template}"), None),
            (format!("{far}{SEARCH}starttls = true"), None),
            (format!("{far}{SEARCH}plain = true"), None),
            (format!("{far}{SEARCH}"), Some("2: ldap.url: passwords would cross the network")),
            (SEARCH.to_owned(), Some("2: ldap.base means nothing without ldap.url")),
            (format!("{safe}{SEARCH}starttls = true"), Some("5: ldap.starttls: an ldaps://")),
            (format!("{safe}{SEARCH}plain = true"), Some("5: ldap.plain: the connection has TLS")),
            (near.to_owned(), Some("2: ldap.url: needs ldap.base")),
            (format!("{near}base = \"dc=x\""), Some("2: ldap.url: needs ldap.base")),
            (format!("{near}{SEARCH}{template}"), Some("4: ldap.user_filter: does not go")),
            (
                format!("{near}{SEARCH}bind_dn = \"cn=x\""),
                Some("5: ldap.bind_dn: ldap.bind_dn and"),
            ),
            (
                format!("{near}{SEARCH}bind_password = \"x\""),
                Some("5: ldap.bind_password: ldap.bind_dn and"),
            ),
            (
                format!("{near}{SEARCH}unknown_users = \"provision\""),
                Some("5: ldap.unknown_users: provision needs ldap.tenant"),
            ),
            (format!("{near}{SEARCH}tenant = \"x\""), Some("5: ldap.tenant: is a Guid")),
            (format!("{near}{SEARCH}member_of = \"m\""), Some("5: ldap.member_of: means nothing")),
            (format!("{near}{SEARCH}roles = [\"cn=a,dc=x=R\"]"), Some("5: ldap.roles: needs")),
            (format!("{near}{SEARCH}roles = [\"a=R\"]"), Some("5: ldap.roles: is a list")),
            (format!("{near}{SEARCH}group_base = \"dc=x\""), Some("5: ldap.group_base: needs")),
            (
                format!("{near}{SEARCH}group_filter = \"(m={{dn}})\""),
                Some("5: ldap.group_filter: needs ldap.group_base"),
            ),
            (
                format!("{near}{SEARCH}group_filter = \"(m=x)\""),
                Some("5: ldap.group_filter: has no"),
            ),
            (
                "user_filter = \"(uid={name}\"".to_owned(),
                Some("2: ldap.user_filter: is not an LDAP"),
            ),
            ("user_filter = \"(uid=x)\"".to_owned(), Some("2: ldap.user_filter: has no {name}")),
            ("url = \"http://x\"".to_owned(), Some("2: ldap.url: is ldap://")),
            ("ca = \"none.pem\"".to_owned(), Some("2: ldap.ca: none.pem: ")),
            ("domains = [\"a@b\"]".to_owned(), Some("2: ldap.domains: is a list of domains")),
            ("timeout_seconds = 0".to_owned(), Some("2: ldap.timeout_seconds: is a number")),
        ] {
            let error = gather(&lines).err();
            match expected {
                Some(expected) => {
                    let error = error.unwrap_or_default();
                    assert!(error.starts_with(&format!("odonata.toml:{expected}")), "{lines}\n{error}");
                }
                None => assert_eq!(error, None, "{lines}"),
            }
        }
    }

    #[test]
    fn the_environment_is_named_too() {
        let variable = |name: &str| (name == "ODONATA_LDAP_URL").then(|| "ldap://dc.example".to_owned());
        let error = Settings::gather(Some(("odonata.toml", &format!("[ldap]\n{SEARCH}"))), variable, |_| None).unwrap_err();
        assert!(error.starts_with("ODONATA_LDAP_URL: passwords"), "{error}");
    }

    #[test]
    fn groups_hold_commas() {
        let lines = format!(
            "url = \"ldap://localhost\"\n{SEARCH}member_of = \"memberOf\"\n\
            roles = [\"CN=Admins, DC=x=CloudAdmin\", \"cn=a\\\\=b,dc=x=Other Role\"]"
        );
        let roles = gather(&lines).unwrap().auth.ldap.roles;
        let expected = [("cn=admins,dc=x", "CloudAdmin"), ("cn=a\\3db,dc=x", "Other Role")];
        assert_eq!(roles, expected.map(|(group, role)| (group.to_owned(), role.to_owned())));
    }
}

//! `[issuer.NAME]`: issuers of access tokens that are taken here (OAuth 2, OpenID Connect).

use jsonwebtoken::Algorithm;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::{From, Setting, one_of, take};
use crate::auth::issuer::Issuer;
use crate::auth::issuer::ask::is_safe;
use crate::auth::{guid, tokens};
use crate::model::caller::{Guid, role};

/// The section's name.
pub const SECTION: &str = "issuer";

/// `ExternalType` of users whom no issuer knows.
const TAKEN: &[&str] = &["internal", "ldap", "kerberos", "negotiate", "integrated"];

/// What tokens may be signed with. Not with a secret, and not at all: what an issuer publishes, everybody knows.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// A row whose text is checked by nobody.
macro_rules! text {
    ($key:ident, $value:literal, $default:literal, $help:literal) => {
        Setting {
            key: stringify!($key),
            from: From::FileOrEnvironment,
            value: $value,
            default: $default,
            help: $help,
            set: |issuer, text| {
                issuer.$key = text.to_owned();
                Ok(())
            },
        }
    };
}

/// A row that is a URL to ask at.
macro_rules! url {
    ($key:ident, $help:literal) => {
        Setting {
            key: stringify!($key),
            from: From::FileOrEnvironment,
            value: "URL",
            default: "",
            help: $help,
            set: |issuer, text| {
                issuer.$key = text.to_owned();
                safe(text)
            },
        }
    };
}

/// The settings of one issuer.
pub const ISSUER: &[Setting<Issuer>] = &[
    text!(
        issuer,
        "URL",
        "",
        "What `iss` of its tokens says; its configuration and keys are looked for below it"
    ),
    Setting {
        key: "audience",
        from: From::FileOrEnvironment,
        value: "NAMES",
        default: "",
        help: "What `aud` of tokens for this server says, with commas between; any of them will do",
        set: |issuer, text| {
            issuer.audience = list(text);
            Ok(())
        },
    },
    Setting {
        key: "algorithms",
        from: From::FileOrEnvironment,
        value: "NAMES",
        default: "RS256",
        help: "What its tokens may be signed with: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
        set: |issuer, text| {
            let algorithm = |name: &String| ALGORITHMS.iter().find(|known| format!("{known:?}") == *name).copied();
            let known: Option<Vec<Algorithm>> = list(text).iter().map(algorithm).collect();
            issuer.algorithms = known.filter(|known| !known.is_empty()).ok_or_else(|| {
                let names: Vec<String> = ALGORITHMS.iter().map(|known| format!("{known:?}")).collect();
                format!(
                    "is a list of {}; HS256 and its like would let everybody sign who knows the published key, none everybody",
                    names.join(", ")
                )
            })?;
            Ok(())
        },
    },
    url!(
        jwks_url,
        "Where its keys are; without it, where ISSUER/.well-known/openid-configuration says"
    ),
    text!(
        id_claim,
        "CLAIM",
        "sub",
        "Claim that never changes for a person; ExternalId of the user, whose ExternalType is NAME"
    ),
    Setting {
        key: "name_claim",
        from: From::FileOrEnvironment,
        value: "CLAIMS",
        default: "preferred_username,upn",
        help: "Claims that name a new user: the first that is there, or else the id",
        set: |issuer, text| {
            issuer.name_claims = list(text);
            Ok(())
        },
    },
    text!(mail_claim, "CLAIM", "email", "Claim with the address of a new user"),
    text!(tenant_claim, "CLAIM", "", "Claim that tells the tenant; `a.b` is b in a"),
    Setting {
        key: "tenants",
        from: From::FileOrEnvironment,
        value: "VALUE=GUID;…",
        default: "",
        help: "Values of the claim and their tenants; without it the claim is the Guid of a tenant. Tokens with another value are refused",
        set: |issuer, text| {
            let pair = |(value, tenant): (String, String)| Some((value, guid(&tenant)?));
            let pairs: Option<Vec<(String, Guid)>> = pairs(text)?.into_iter().map(pair).collect();
            issuer.tenants = pairs.ok_or("is a list of VALUE=GUID")?;
            Ok(())
        },
    },
    Setting {
        key: "default_tenant",
        from: From::FileOrEnvironment,
        value: "GUID",
        default: "",
        help: "The tenant of tokens without the claim; only its users count then",
        set: |issuer, text| {
            issuer.default_tenant = Some(guid(text).ok_or("is the Guid of a tenant")?);
            Ok(())
        },
    },
    text!(
        roles_claim,
        "CLAIM",
        "",
        "Claim that lists groups, roles or scopes; `a.b` is b in a"
    ),
    Setting {
        key: "roles",
        from: From::FileOrEnvironment,
        value: "VALUE=ROLE;…",
        default: "",
        help: "Values of the claim and the roles of the user's tenant that they give; these roles are given and taken at every signing in",
        set: |issuer, text| {
            issuer.roles = pairs(text)?;
            Ok(())
        },
    },
    Setting {
        key: "unknown_users",
        from: From::FileOrEnvironment,
        value: "refuse|provision",
        default: "refuse",
        help: "What becomes of people who are no users yet; provision makes them users of the tenant, with the roles that the claim gives, or else CloudUser",
        set: |issuer, text| {
            issuer.provision = one_of(text, &[("refuse", false), ("provision", true)])?;
            Ok(())
        },
    },
    Setting {
        key: "leeway_seconds",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "60",
        help: "How far its clock may be from this machine's",
        set: |issuer, text| {
            issuer.leeway_seconds = number(text, 0, 600)?;
            Ok(())
        },
    },
    Setting {
        key: "keys_seconds",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "3600",
        help: "When its keys are asked for again; an unknown key is asked for at once, but once a minute at most",
        set: |issuer, text| {
            issuer.keys_seconds = number(text, 1, 86_400)?;
            Ok(())
        },
    },
    url!(
        introspection_url,
        "Where it tells about opaque tokens (RFC 7662); of one issuer only, as such tokens do not say whose they are"
    ),
    text!(client_id, "NAME", "", "Who this server is there"),
    Setting {
        key: "client_secret",
        from: From::FileOrEnvironment,
        value: "SECRET",
        default: "",
        help: "This server's secret there; better in the environment than in the file",
        set: |issuer, text| {
            issuer.client_secret.0 = text.to_owned();
            Ok(())
        },
    },
];

fn safe(url: &str) -> Result<(), String> {
    is_safe(url)
        .then_some(())
        .ok_or("is an https:// address, or http:// of this machine itself".to_owned())
}

fn list(text: &str) -> Vec<String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

/// The last `=` of each counts: names of groups have some.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
    let pair = |item: &str| {
        let (value, name) = item.rsplit_once('=')?;
        let (value, name) = (value.trim(), name.trim());
        (!value.is_empty() && !name.is_empty()).then(|| (value.to_owned(), name.to_owned()))
    };
    items.map(|item| pair(item).ok_or(format!("{item} is not VALUE=NAME"))).collect()
}

fn number(text: &str, least: i64, most: i64) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or(format!("is a number from {least} to {most}"))
}

/// The environment variable of a setting of the issuer NAME.
pub fn variable(name: &str, key: &str) -> String {
    let upper = |text: &str| text.replace(['-', '.'], "_").to_uppercase();
    format!("ODONATA_ISSUER_{}_{}", upper(name), upper(key))
}

/// The line of a setting in the help text.
pub fn help(row: &Setting<Issuer>) -> String {
    let default = match row.default {
        "" => String::new(),
        default => format!(" [default: {default}]"),
    };
    format!("  {:28} {}{default} [env: {}]\n", row.key, row.help, variable("NAME", row.key))
}

/// Reads one issuer. `here` is the `FILE:LINE` of its section, `place` tells that of a key.
pub fn read(here: &str, name: &str, value: &DeValue<'_>, place: impl Fn(&Spanned<DeString<'_>>) -> String) -> Result<Issuer, String> {
    let DeValue::Table(settings) = value else {
        return Err(format!("{here}: {SECTION}.{name} is a section, [{SECTION}.{name}]"));
    };
    let fit = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !fit || TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        return Err(format!(
            "{here}: [{SECTION}.{name}]: the name is of letters, digits, - and _, and not {}, which users have as ExternalType already",
            TAKEN.join(", ")
        ));
    }
    let mut issuer = Issuer {
        name: name.to_owned(),
        place: here.to_owned(),
        ..Issuer::default()
    };
    for row in ISSUER.iter().filter(|row| !row.default.is_empty()) {
        (row.set)(&mut issuer, row.default).expect("every default in the table is a value of its setting");
    }
    for (key, value) in settings {
        take(ISSUER.iter(), &mut issuer, &place(key), key.get_ref(), value.get_ref())?;
    }
    Ok(issuer)
}

/// Takes what the environment says about the issuers of the file, and looks whether everything goes together.
pub fn complete(issuers: &mut [Issuer], environment: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    for issuer in issuers.iter_mut() {
        for row in ISSUER {
            let variable = variable(&issuer.name, row.key);
            if let Some(text) = environment(&variable) {
                (row.set)(issuer, &text).map_err(|why| format!("{variable}: {why}"))?;
            }
        }
    }
    for (index, issuer) in issuers.iter().enumerate() {
        check(issuer, &issuers[..index]).map_err(|why| format!("{}: [{SECTION}.{}] {why}", issuer.place, issuer.name))?;
    }
    Ok(())
}

fn check(issuer: &Issuer, before: &[Issuer]) -> Result<(), String> {
    let missing = |what: &str| Err(format!("needs `{what}`"));
    if issuer.issuer.is_empty() {
        return missing("issuer");
    }
    if issuer.audience.is_empty() {
        return missing("audience");
    }
    if issuer.issuer == tokens::ISSUER {
        return Err(format!(
            "cannot have {} as `issuer`: the tokens of this server say so",
            tokens::ISSUER
        ));
    }
    if issuer.id_claim.is_empty() {
        return missing("id_claim");
    }
    if issuer.jwks_url.is_empty() && !is_safe(&issuer.configuration_url()) {
        return Err("needs `jwks_url`, as `issuer` is neither https:// nor http:// of this machine itself".to_owned());
    }
    if issuer.roles.is_empty() != issuer.roles_claim.is_empty() {
        return Err("needs both `roles_claim` and `roles`, or none".to_owned());
    }
    if !issuer.tenants.is_empty() && issuer.tenant_claim.is_empty() {
        return Err("needs `tenant_claim` for its `tenants`".to_owned());
    }
    if issuer.provision && issuer.tenant_claim.is_empty() && issuer.default_tenant.is_none() {
        return Err("needs `tenant_claim` or `default_tenant`, as people are made users".to_owned());
    }
    if issuer.introspection_url.is_empty() != issuer.client_id.is_empty() {
        return Err("needs both `introspection_url` and `client_id`, or none".to_owned());
    }
    if !issuer.client_id.is_empty() && issuer.client_secret.0.is_empty() {
        return Err(format!("needs `client_secret`, or {}", variable(&issuer.name, "client_secret")));
    }
    if issuer.roles.iter().any(|(_, name)| name == role::UBER_ADMIN) && issuer.tenant_claim.is_empty() && issuer.default_tenant.is_none() {
        return Err(format!(
            "needs `tenant_claim` or `default_tenant`, as its `roles` make a {}",
            role::UBER_ADMIN
        ));
    }
    for other in before {
        let same = |what: &str| Err(format!("has the same {what} as [{SECTION}.{}]", other.name));
        if other.issuer == issuer.issuer {
            return same("`issuer`");
        }
        if variable(&other.name, "") == variable(&issuer.name, "") {
            return same("name, as variables have it,");
        }
        if !issuer.introspection_url.is_empty() && !other.introspection_url.is_empty() {
            return Err(format!(
                "has an `introspection_url`, and [{SECTION}.{}] has one: an opaque token does not say whose it is",
                other.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::auth::issuer::Issuer;
    use crate::settings::Settings;

    fn gather(file: &str, environment: &[(&str, &str)]) -> Result<Vec<Issuer>, String> {
        let find = |key: &str| environment.iter().find(|row| row.0 == key).map(|row| row.1.to_owned());
        Settings::gather(Some(("odonata.toml", file)), find, |_| None).map(|settings| settings.auth.issuers)
    }

    const GOOD: &str = "[issuer.corp]\nissuer = \"https://a\"\naudience = \"odonata\"\n";

    #[test]
    fn a_section_is_an_issuer() {
        let file = format!(
            "{GOOD}algorithms = [\"ES256\", \"EdDSA\"]\ntenant_claim = \"tid\"\n\
            tenants = [\"contoso=22222222-2222-2222-2222-222222222222\", \"b=c=33333333-3333-3333-3333-333333333333\"]\n\
            roles_claim = \"groups\"\nroles = [\"cn=admins,ou=x=CloudAdmin\"]\nintrospection_url = \"https://a/tell\"\nclient_id = \"us\"\n"
        );
        let issuers = gather(
            &file,
            &[
                ("ODONATA_ISSUER_CORP_CLIENT_SECRET", "s"),
                ("ODONATA_ISSUER_CORP_LEEWAY_SECONDS", "0"),
            ],
        )
        .unwrap();
        let issuer = &issuers[0];
        assert_eq!((issuer.name.as_str(), issuer.place.as_str()), ("corp", "odonata.toml:1"));
        assert_eq!(format!("{:?}", issuer.algorithms), "[ES256, EdDSA]");
        assert_eq!(issuer.tenants[1], ("b=c".to_owned(), [0x33; 16]));
        assert_eq!(issuer.roles, [("cn=admins,ou=x".to_owned(), "CloudAdmin".to_owned())]);
        assert_eq!((issuer.client_secret.0.as_str(), issuer.leeway_seconds), ("s", 0));
        assert_eq!(
            (issuer.keys_seconds, issuer.provision, issuer.id_claim.as_str()),
            (3600, false, "sub")
        );
        assert_eq!(issuer.name_claims, ["preferred_username", "upn"]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let two = "[issuer.other]\nissuer = \"https://a\"\naudience = \"x\"";
        for (more, expected) in [
            ("jwks_url = \"http://example.org/keys\"", "odonata.toml:4: jwks_url: is an https"),
            ("introspection_url = \"tell\"", "odonata.toml:4: introspection_url: is an https"),
            (
                "algorithms = [\"RS256\", \"HS256\"]",
                "odonata.toml:4: algorithms: is a list of RS256",
            ),
            ("algorithms = [\"none\"]", "odonata.toml:4: algorithms: is a list of RS256"),
            ("algorithms = []", "odonata.toml:4: algorithms: is a list of RS256"),
            ("audience = \"x\"", "odonata.toml:4: "),
            ("tenants = [\"a=b\"]", "odonata.toml:4: tenants: is a list of VALUE=GUID"),
            ("roles = [\"a\"]", "odonata.toml:4: roles: a is not VALUE=NAME"),
            ("default_tenant = \"x\"", "odonata.toml:4: default_tenant: is the Guid"),
            ("unknown_users = \"yes\"", "odonata.toml:4: unknown_users: is refuse or provision"),
            ("leeway_seconds = 601", "odonata.toml:4: leeway_seconds: is a number from 0 to 600"),
            ("keys_seconds = 0", "odonata.toml:4: keys_seconds: is a number from 1"),
            ("colour = 1", "odonata.toml:4: colour: there is no such setting"),
            ("roles_claim = \"x\"", "odonata.toml:1: [issuer.corp] needs both `roles_claim`"),
            (
                "tenants = [\"a=22222222-2222-2222-2222-222222222222\"]",
                "odonata.toml:1: [issuer.corp] needs `tenant_claim`",
            ),
            (
                "unknown_users = \"provision\"",
                "odonata.toml:1: [issuer.corp] needs `tenant_claim` or `default_tenant`",
            ),
            (
                "roles_claim = \"x\"\nroles = [\"a=UberAdmin\"]",
                "odonata.toml:1: [issuer.corp] needs `tenant_claim` or `default_tenant`, as its `roles`",
            ),
            ("client_id = \"x\"", "odonata.toml:1: [issuer.corp] needs both `introspection_url`"),
            (
                "client_id = \"x\"\nintrospection_url = \"https://a/\"",
                "odonata.toml:1: [issuer.corp] needs `client_secret`, or ODONATA_ISSUER_CORP_CLIENT_SECRET",
            ),
            (two, "odonata.toml:4: [issuer.other] has the same `issuer` as [issuer.corp]"),
            (
                "[issuer.x]\nissuer = \"odonata\"\naudience = \"x\"\njwks_url = \"https://x\"",
                "odonata.toml:4: [issuer.x] cannot have odonata",
            ),
            ("[issuer.x]\naudience = \"x\"", "odonata.toml:4: [issuer.x] needs `issuer`"),
            ("[issuer.x]\nissuer = \"https://x\"", "odonata.toml:4: [issuer.x] needs `audience`"),
            (
                "[issuer.x]\nissuer = \"http://x\"\naudience = \"x\"",
                "odonata.toml:4: [issuer.x] needs `jwks_url`",
            ),
            (
                "[issuer.Corp]\nissuer = \"https://x\"\naudience = \"x\"",
                "odonata.toml:1: [issuer.corp] has the same name",
            ),
            (
                "[issuer.internal]\nissuer = \"https://x\"\naudience = \"x\"",
                "odonata.toml:4: [issuer.internal]: the name",
            ),
            ("[issuer]\nx = 1", "odonata.toml:"),
        ] {
            let error = gather(&format!("{GOOD}{more}"), &[]).unwrap_err();
            assert!(error.starts_with(expected), "{error} instead of {expected}");
        }
        let error = gather(GOOD, &[("ODONATA_ISSUER_CORP_ALGORITHMS", "HS512")]).unwrap_err();
        assert!(error.starts_with("ODONATA_ISSUER_CORP_ALGORITHMS: is a list"), "{error}");
        let asks = "client_id = \"x\"\nclient_secret = \"s\"\nintrospection_url = \"https://a/\"\n";
        let error = gather(&format!("{GOOD}{asks}{}{asks}", two.replace("https://a", "https://b") + "\n"), &[]).unwrap_err();
        assert!(error.contains("an opaque token does not say whose it is"), "{error}");
    }
}

//! `[kerberos]`: tickets instead of passwords.

use super::{From, Places, Setting, Settings, one_of};
use crate::auth::guid;

pub const KERBEROS: &[Setting] = &[
    Setting {
        key: "kerberos.keytab",
        from: From::FileOrEnvironment,
        value: "FILE",
        default: "",
        help: "File with the service's keys; with it the scheme Negotiate is offered",
        set: |settings, text| {
            settings.auth.kerberos.keytab = text.to_owned();
            std::fs::File::open(text).map(drop).map_err(|error| format!("{text}: {error}"))
        },
    },
    Setting {
        key: "kerberos.service",
        from: From::FileOrEnvironment,
        value: "NAME",
        default: "HTTP",
        help: "The service that tickets have to be for, HTTP or HTTP@host.example.org",
        set: |settings, text| {
            settings.auth.kerberos.service = text.to_owned();
            (!text.is_empty()).then_some(()).ok_or("is the name of a service".to_owned())
        },
    },
    Setting {
        key: "kerberos.realms",
        from: From::FileOrEnvironment,
        value: "REALMS",
        default: "",
        help: "Realms whose people may come, with commas between, like EXAMPLE.ORG",
        set: |settings, text| {
            settings.auth.kerberos.realms = text.split(',').map(|realm| realm.trim().to_owned()).collect();
            let fit = settings
                .auth
                .kerberos
                .realms
                .iter()
                .all(|realm| !realm.is_empty() && !realm.contains(['@', '\\']));
            fit.then_some(()).ok_or("is a list of realms".to_owned())
        },
    },
    Setting {
        key: "kerberos.strip_realm",
        from: From::FileOrEnvironment,
        value: "true|false",
        default: "true",
        help: "Call a user that is made for alice@EXAMPLE.ORG alice",
        set: |settings, text| {
            settings.auth.kerberos.strip_realm = one_of(text, &[("true", true), ("false", false)])?;
            Ok(())
        },
    },
    Setting {
        key: "kerberos.tenant",
        from: From::FileOrEnvironment,
        value: "GUID",
        default: "",
        help: "Tenant whose users, beside the root tenant's, the people of the realms are; without it of any",
        set: |settings, text| {
            settings.auth.kerberos.tenant = Some(guid(text).ok_or("is a Guid")?);
            Ok(())
        },
    },
    Setting {
        key: "kerberos.unknown_users",
        from: From::FileOrEnvironment,
        value: "refuse|provision",
        default: "refuse",
        help: "What becomes of people of the realms who are no users yet: provision makes them users when they sign in",
        set: |settings, text| {
            settings.auth.kerberos.provision = one_of(text, &[("refuse", false), ("provision", true)])?;
            Ok(())
        },
    },
];

/// What goes together, and what does not.
pub fn check(settings: &Settings, places: &Places) -> Result<(), String> {
    let Some((key, place)) = KERBEROS.iter().find_map(|row| Some((row.key, places.of(row.key)?))) else {
        return Ok(());
    };
    let kerberos = &settings.auth.kerberos;
    let place_of = |key: &str| places.of(key).unwrap_or(place);
    let (place, why) = if !cfg!(feature = "kerberos") {
        (place, "this server is built without Kerberos; build it with `--features kerberos`")
    } else if kerberos.keytab.is_empty() {
        (place_of(key), "means nothing without kerberos.keytab")
    } else if kerberos.realms.is_empty() {
        (place_of("kerberos.keytab"), "needs kerberos.realms")
    } else if kerberos.provision && kerberos.tenant.is_none() {
        (place_of("kerberos.unknown_users"), "provision needs kerberos.tenant")
    } else {
        return Ok(());
    };
    Err(format!("{place}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_named_with_its_line() {
        let keytab = "keytab = \"Cargo.toml\"\n".to_owned();
        for (lines, with, without) in [
            (String::new(), None, None),
            (
                keytab.clone(),
                Some("2: kerberos.keytab: needs kerberos.realms"),
                Some("2: kerberos.keytab: this server"),
            ),
            (
                "realms = [\"R\"]".to_owned(),
                Some("2: kerberos.realms: means nothing"),
                Some("2: kerberos.realms: this server"),
            ),
            (
                format!("{keytab}realms = [\"R\"]\nunknown_users = \"provision\""),
                Some("4: kerberos.unknown_users: provision needs"),
                Some("2: kerberos.keytab: this server"),
            ),
            (format!("{keytab}realms = [\"R\"]"), None, Some("2: kerberos.keytab: this server")),
            (
                "keytab = \"none\"".to_owned(),
                Some("2: kerberos.keytab: none: "),
                Some("2: kerberos.keytab: none: "),
            ),
            (
                "realms = [\"A@B\"]".to_owned(),
                Some("2: kerberos.realms: is a list"),
                Some("2: kerberos.realms: is a list"),
            ),
        ] {
            let text = format!("[kerberos]\n{lines}");
            let error = Settings::gather(Some(("odonata.toml", &text)), |_| None, |_| None).err();
            let expected = if cfg!(feature = "kerberos") { with } else { without };
            match expected {
                Some(expected) => {
                    let error = error.unwrap_or_default();
                    assert!(error.starts_with(&format!("odonata.toml:{expected}")), "{lines}\n{error}");
                }
                None => assert_eq!(error, None, "{lines}"),
            }
        }
    }
}

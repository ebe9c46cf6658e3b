//! `[accounts]`, `[rate]`, `[audit]`: what people may do about their own accounts, how often somebody may try, and what is kept of it.

use super::{From, Places, Setting, Settings, one_of};
use crate::auth::guid;

fn number(text: &str, low: i64, high: i64) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| (low..=high).contains(number));
    number.ok_or(format!("is a number from {low} to {high}"))
}

fn count(text: &str) -> Result<u32, String> {
    number(text, 1, 1_000_000).map(|number| number as u32)
}

pub const ACCOUNTS: &[Setting] = &[
    Setting {
        key: "accounts.sign_up",
        from: From::FileOrEnvironment,
        value: "true|false",
        default: "false",
        help: "Anybody may make an account",
        set: |settings, text| {
            settings.accounts.sign_up = one_of(text, &[("true", true), ("false", false)])?;
            Ok(())
        },
    },
    Setting {
        key: "accounts.sign_up_tenant",
        from: From::FileOrEnvironment,
        value: "GUID",
        default: "",
        help: "The tenant of who signs up",
        set: |settings, text| {
            settings.accounts.sign_up_tenant = Some(guid(text).ok_or("is a Guid")?);
            Ok(())
        },
    },
    Setting {
        key: "accounts.domains",
        from: From::FileOrEnvironment,
        value: "NAMES",
        default: "",
        help: "Domains that mail addresses may have which people choose, with commas between; without any all may be",
        set: |settings, text| {
            let names = text
                .split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .filter(|name| !name.is_empty());
            settings.accounts.domains = names.collect();
            let fits = |name: &String| crate::engine::accounts::check_mail(&format!("a@{name}")).is_ok();
            let all = settings.accounts.domains.iter().all(fits);
            all.then_some(())
                .ok_or("is a list of domains, like example.org,example.com".to_owned())
        },
    },
    Setting {
        key: "accounts.password_length",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "12",
        help: "Fewest characters of a password that is set over the network",
        set: |settings, text| {
            settings.accounts.password.length = number(text, 1, 200)? as usize;
            Ok(())
        },
    },
    Setting {
        key: "accounts.password_classes",
        from: From::FileOrEnvironment,
        value: "true|false",
        default: "false",
        help: "Such a password needs a lower and an upper case letter, a digit and another character",
        set: |settings, text| {
            settings.accounts.password.classes = one_of(text, &[("true", true), ("false", false)])?;
            Ok(())
        },
    },
    Setting {
        key: "accounts.activation_hours",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "24",
        help: "How long the token in a mail is good that activates an account or confirms an address",
        set: |settings, text| {
            settings.accounts.activation_hours = number(text, 1, 8_760)?;
            Ok(())
        },
    },
    Setting {
        key: "accounts.reset_minutes",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "60",
        help: "How long the token in a mail is good that sets a new password",
        set: |settings, text| {
            settings.accounts.reset_minutes = number(text, 1, 10_080)?;
            Ok(())
        },
    },
    Setting {
        key: "accounts.invitation_days",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "7",
        help: "How long the token of an invitation is good",
        set: |settings, text| {
            settings.accounts.invitation_days = number(text, 1, 365)?;
            Ok(())
        },
    },
    Setting {
        key: "accounts.link",
        from: From::FileOrEnvironment,
        value: "URL",
        default: "{public_url}/{page}?token={token}",
        help: "The link in mails: {page} is activate, resetPassword or invitation",
        set: |settings, text| {
            settings.accounts.link = text.to_owned();
            let is_line = text.contains("{token}") && !text.chars().any(|c| c.is_control() || c == ' ');
            is_line.then_some(()).ok_or("is a URL with {token} in it".to_owned())
        },
    },
    Setting {
        key: "rate.failures_of_address",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "100",
        help: "Failed attempts to sign in from one address in ten minutes; past it the answer is 429",
        set: |settings, text| {
            settings.auth.rate.failures_of_address = count(text)?;
            Ok(())
        },
    },
    Setting {
        key: "rate.failures_of_name",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "10",
        help: "Failed attempts to sign in under one name, after which each further one has to wait longer",
        set: |settings, text| {
            settings.auth.rate.failures_of_name = count(text)?;
            Ok(())
        },
    },
    Setting {
        key: "rate.longest_wait_seconds",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "900",
        help: "The longest of these waits",
        set: |settings, text| {
            settings.auth.rate.longest_wait_seconds = number(text, 1, 86_400)?;
            Ok(())
        },
    },
    Setting {
        key: "rate.requests_of_address",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "60",
        help: "Sign-ups, and requests for mails, from one address in an hour",
        set: |settings, text| {
            settings.auth.rate.requests_of_address = count(text)?;
            Ok(())
        },
    },
    Setting {
        key: "rate.mails_to_address",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "5",
        help: "Mails to one address in an hour that others cause",
        set: |settings, text| {
            settings.auth.rate.mails_to_address = count(text)?;
            Ok(())
        },
    },
    Setting {
        key: "audit.days",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "365",
        help: "How long AuditTrails are kept; 0 is for ever",
        set: |settings, text| {
            settings.accounts.audit_days = number(text, 0, 36_500)?;
            Ok(())
        },
    },
];

/// What these settings need of one another.
pub fn check(settings: &Settings, places: &Places) -> Result<(), String> {
    let wrong = |key: &str, why: &str| Err(format!("{}: {why}", places.of(key).unwrap_or(key)));
    let accounts = &settings.accounts;
    if accounts.sign_up && accounts.sign_up_tenant.is_none() {
        return wrong(
            "accounts.sign_up",
            "needs accounts.sign_up_tenant: whose users are those who sign up?",
        );
    }
    if settings.mail.server.is_some() && settings.public_url.is_none() && accounts.link.contains("{public_url}") {
        return wrong(
            "mail.server",
            "needs public_url, or an accounts.link without it: where do links in mails lead?",
        );
    }
    if settings.mail.user.is_empty() != settings.mail.password.is_empty() {
        let key = if settings.mail.user.is_empty() {
            "mail.password"
        } else {
            "mail.user"
        };
        return wrong(key, "needs the other of mail.user and mail.password");
    }
    Ok(())
}

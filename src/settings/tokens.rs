//! `[tokens]`: the tokens that this server gives out.

use super::{From, Setting, one_of};
use crate::auth::tokens::Secret;

pub const TOKENS: &[Setting] = &[
    Setting {
        key: "tokens.life_minutes",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "480",
        help: "How long a token from signing in is good",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| (1..=525_600).contains(number));
            settings.auth.tokens.life_minutes = number.ok_or("is a number from 1 to 525600")?;
            Ok(())
        },
    },
    Setting {
        key: "tokens.refresh_minutes",
        from: From::FileOrEnvironment,
        value: "NUMBER",
        default: "60",
        help: "Answers to a token older than this carry a fresh one",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| (1..=525_600).contains(number));
            settings.auth.tokens.refresh_minutes = number.ok_or("is a number from 1 to 525600")?;
            Ok(())
        },
    },
    Setting {
        key: "tokens.in_query",
        from: From::FileOrEnvironment,
        value: "true|false",
        default: "false",
        help: "Take a token from the query option `token`, where logs of proxies keep it",
        set: |settings, text| {
            settings.auth.tokens.in_query = one_of(text, &[("true", true), ("false", false)])?;
            Ok(())
        },
    },
    Setting {
        key: "tokens.secret",
        from: From::Environment,
        value: "TEXT",
        default: "",
        help: "What tokens are signed with, at least 32 bytes; without it the database keeps a key of its own for all instances",
        set: |settings, text| {
            settings.auth.tokens.secret = Some(Secret::read(text)?);
            Ok(())
        },
    },
];

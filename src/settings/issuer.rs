//! `[issuer.NAME]`: issuers of access tokens that are taken here (OAuth 2, OpenID Connect).

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::{From, Setting, take};
use crate::auth::issuer::Issuer;

pub const SECTION: &str = "issuer";

/// The settings of one issuer.
pub const ISSUER: &[Setting<Issuer>] = &[Setting {
    key: "issuer",
    from: From::FileOrEnvironment,
    value: "URL",
    default: "",
    help: "What `iss` of its tokens says, and where it publishes its keys",
    set: |issuer, text| {
        issuer.issuer = text.to_owned();
        Ok(())
    },
}];

/// Reads one issuer. `here` is the `FILE:LINE` of its section, `place` tells that of a key.
pub fn read(here: &str, name: &str, value: &DeValue<'_>, place: impl Fn(&Spanned<DeString<'_>>) -> String) -> Result<Issuer, String> {
    let DeValue::Table(settings) = value else {
        return Err(format!("{here}: {SECTION}.{name} is a section, [{SECTION}.{name}]"));
    };
    let mut issuer = Issuer {
        name: name.to_owned(),
        ..Issuer::default()
    };
    for (key, value) in settings {
        take(ISSUER.iter(), &mut issuer, &place(key), key.get_ref(), value.get_ref())?;
    }
    if issuer.issuer.is_empty() {
        return Err(format!("{here}: [{SECTION}.{name}] needs `issuer`"));
    }
    Ok(issuer)
}

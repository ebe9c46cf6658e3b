//! `odonata serve`.

use super::{House, say};
use crate::http;
use crate::settings::Settings;

/// Serves until told to stop.
pub fn run(settings: &Settings) -> Result<(), String> {
    #[cfg(feature = "kerberos")]
    crate::auth::negotiate::read_keytab(&settings.auth.kerberos)?;
    let house = House::open(settings)?;
    let config = http::Config {
        listen: settings.listen.clone(),
        public_url: settings.public_url.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        cors_origins: settings.cors_origins.clone(),
        compression: settings.compression,
        tenant_headers: settings.tenant_headers.clone(),
        token_header: settings.token_header.clone(),
        workers: settings.workers,
        require_if_match: settings.require_if_match,
        preferences: settings.preferences,
        ignore_unknown: settings.ignore_unknown,
        jsonp: settings.jsonp,
        auth: settings.auth.clone(),
    };
    http::serve(config, house.engine.clone(), house.db.clone(), |address| {
        say(&format!("listening on http://{address}"))
    })
}

//! `odonata serve`.

use super::{House, say, told};
use crate::engine::identity;
use crate::http;
use crate::jobs::handlers::Handlers;
use crate::jobs::{self, Jobs};
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
    sign_up_tenant(settings, &house)?;
    let work = jobs::Config {
        mail: settings.mail.clone(),
        handlers: Handlers::default(),
        threads: settings.job_threads,
    };
    let jobs = Jobs::start(&house.engine, &house.db, work)?;
    let served = http::serve(config, house.engine.clone(), house.db.clone(), |address| {
        say(&format!("listening on http://{address}"))
    });
    jobs.stop();
    served
}

/// Whoever signs up needs a tenant that is there.
fn sign_up_tenant(settings: &Settings, house: &House) -> Result<(), String> {
    let Some(tenant) = house.engine.accounts.sign_up_tenant else {
        return Ok(());
    };
    let there = house.db.read_now(|session| identity::tenant_exists(&house.engine, session, tenant));
    match there.map_err(|fault| told(&fault))? {
        true => Ok(()),
        false => {
            let key = "accounts.sign_up_tenant";
            Err(format!("{}: there is no such tenant", settings.places.of(key).unwrap_or(key)))
        }
    }
}

//! What a token says (RFC 7519 4, RFC 7662 2.2): whether it is for us and for now, and who its bearer is.

use serde_json::Value;

use super::{Claims, Issuer};
use crate::auth::guid;
use crate::engine::external::External;
use crate::model::caller::Guid;
use crate::model::clock::{SECOND, Ticks, UNIX_EPOCH};
use crate::model::limits::{CLAIM_BYTES, INTROSPECTION_SECONDS};

/// When a token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it ends.
    pub until: Ticks,
    /// When it was made, or else when it came.
    pub made: Ticks,
}

/// The bearer of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub external: External,
    /// The one tenant that the person is of; none where neither token nor settings say.
    pub tenant: Option<Guid>,
}

/// Whether a signed token is for us and for now.
pub fn check(issuer: &Issuer, claims: &Claims, now: Ticks) -> Result<Times, &'static str> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer.issuer.as_str()) {
        return Err("it has another `iss`");
    }
    if !is_for_us(issuer, claims.get("aud")) {
        return Err("it is for another `aud`");
    }
    times(issuer, claims, now)?.ok_or("it has no `exp`")
}

/// The same for what an issuer has told about an opaque token: what it leaves out, it has looked at itself (RFC 7662 4).
pub fn check_told(issuer: &Issuer, claims: &Claims, now: Ticks) -> Result<Times, &'static str> {
    let said = |name: &str| claims.get(name).filter(|value| !value.is_null());
    if said("iss").is_some_and(|said| said.as_str() != Some(issuer.issuer.as_str())) {
        return Err("it has another `iss`");
    }
    let is_nothing = |audience: &Value| audience.as_array().is_some_and(Vec::is_empty);
    if said("aud").is_some_and(|audience| !is_nothing(audience) && !is_for_us(issuer, Some(audience))) {
        return Err("it is for another `aud`");
    }
    for (name, known) in [
        ("token_type", &["bearer", "access_token"][..]),
        ("token_use", &["access_token", "access"]),
    ] {
        let fits = |said: &Value| {
            said.as_str()
                .is_some_and(|said| known.iter().any(|known| known.eq_ignore_ascii_case(said)))
        };
        if said(name).is_some_and(|said| !fits(said)) {
            return Err("it is no access token");
        }
    }
    Ok(times(issuer, claims, now)?.unwrap_or(Times {
        until: now + INTROSPECTION_SECONDS as i64 * SECOND,
        made: now,
    }))
}

fn is_for_us(issuer: &Issuer, audience: Option<&Value>) -> bool {
    let ours = |audience: &Value| {
        audience
            .as_str()
            .is_some_and(|audience| issuer.audience.iter().any(|ours| ours == audience))
    };
    match audience {
        Some(Value::Array(all)) => all.iter().any(ours),
        Some(one) => ours(one),
        None => false,
    }
}

/// When it counts; none for a token that says no end.
fn times(issuer: &Issuer, claims: &Claims, now: Ticks) -> Result<Option<Times>, &'static str> {
    // Bound to a key that the bearer has to prove (RFC 7800): whoever only has the token has stolen it.
    if claims.contains_key("cnf") {
        return Err("it is bound to a key (`cnf`)");
    }
    let leeway = issuer.leeway_seconds * SECOND;
    let moment = |name: &str, wrong| {
        claims
            .get(name)
            .filter(|value| !value.is_null())
            .map(|value| ticks(value).ok_or(wrong))
            .transpose()
    };
    if moment("nbf", "its `nbf` is no time")?.is_some_and(|start| start > now + leeway) {
        return Err("its `nbf` is yet to come");
    }
    let made = moment("iat", "its `iat` is no time")?;
    if made.is_some_and(|made| made > now + leeway) {
        return Err("its `iat` is yet to come");
    }
    let Some(end) = moment("exp", "its `exp` is no time")? else {
        return Ok(None);
    };
    if end + leeway <= now {
        return Err("it has expired");
    }
    Ok(Some(Times {
        until: end + leeway,
        made: made.unwrap_or(now),
    }))
}

/// A NumericDate up to the year 9999.
fn ticks(value: &Value) -> Option<Ticks> {
    let seconds = value.as_f64().filter(|seconds| (0.0..253_402_300_800.0).contains(seconds))?;
    Some(UNIX_EPOCH + (seconds * 1e3) as i64 * (SECOND / 1000))
}

/// Who the bearer is, as the settings map it.
pub fn person(issuer: &Issuer, claims: &Claims) -> Result<Person, &'static str> {
    let claim = |name: &str| text(find(claims, name)?);
    let id = claim(&issuer.id_claim).ok_or("it has no claim that says who it is")?;
    let name = issuer.name_claims.iter().find_map(|name| claim(name));
    let mail = claim(&issuer.mail_claim).filter(|mail| mail.contains('@') && !mail.contains(char::is_whitespace));
    // An address that the issuer has not looked at is not one to send anything to.
    let unverified = claims.get("email_verified") == Some(&Value::Bool(false));
    let tenant = tenant(issuer, claims)?;
    Ok(Person {
        external: External {
            source: issuer.name.clone(),
            name: name.unwrap_or_else(|| id.clone()),
            id,
            mail: mail.filter(|_| !unverified).unwrap_or_default(),
            tenant: tenant.unwrap_or_default(),
            roles: roles(issuer, claims)?,
        },
        tenant,
    })
}

fn tenant(issuer: &Issuer, claims: &Claims) -> Result<Option<Guid>, &'static str> {
    let said = match issuer.tenant_claim.as_str() {
        "" => None,
        name => find(claims, name).filter(|value| !value.is_null()),
    };
    let Some(said) = said else {
        return match (issuer.default_tenant, issuer.tenant_claim.is_empty()) {
            (None, false) => Err("it says no tenant"),
            (default, _) => Ok(default),
        };
    };
    let said = text(said).ok_or("its tenant is not a text")?;
    let known = match issuer.tenants.is_empty() {
        true => guid(&said),
        false => issuer.tenants.iter().find(|(value, _)| *value == said).map(|(_, tenant)| *tenant),
    };
    known.map(Some).ok_or("its tenant is none of the settings'")
}

/// The roles that the issuer decides about, and whether it gives them.
fn roles(issuer: &Issuer, claims: &Claims) -> Result<Vec<(String, bool)>, &'static str> {
    if issuer.roles.is_empty() {
        return Ok(Vec::new());
    }
    let held = match find(claims, &issuer.roles_claim) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        // A scope is a list with blanks between (RFC 6749 3.3).
        Some(Value::String(list)) if matches!(issuer.roles_claim.as_str(), "scope" | "scp") => list.split(' ').collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        // Left out because there are too many (OpenID Connect Core 5.6.2): that is not the same as none.
        _ if claims
            .get("_claim_names")
            .and_then(|names| names.get(&issuer.roles_claim))
            .is_some() =>
        {
            return Err("its roles are elsewhere (`_claim_names`)");
        }
        _ => Vec::new(),
    };
    let mut roles: Vec<(String, bool)> = Vec::new();
    for (value, role) in &issuer.roles {
        let is_held = held.contains(&value.as_str());
        match roles.iter_mut().find(|(known, _)| known == role) {
            Some(known) => known.1 |= is_held,
            None => roles.push((role.clone(), is_held)),
        }
    }
    Ok(roles)
}

/// A claim by its name, or else by the way to it: `realm_access.roles`.
fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, part| value.get(part))
}

/// The text of a claim that is fit for a column and for a log.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    let fit = !text.trim().is_empty() && text.len() <= CLAIM_BYTES && !text.contains(char::is_control);
    fit.then_some(text)
}

#[cfg(test)]
mod tests;

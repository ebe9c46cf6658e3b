//! Built-in operations that begin and end sessions. Tokens go out with what the operation answers, as [`News`].

use super::{Bound, Given};
use crate::auth::tokens::{Fresh, Tokens, digest, random};
use crate::auth::{Cookie, News};
use crate::engine::Engine;
use crate::engine::sessions::{Begin, may_impersonate};
use crate::model::caller::{Caller, Guid, SessionKind};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{API_TOKEN_DAYS, API_TOKEN_SCOPE, IMPERSONATION_MINUTES, NAME_BYTES, SESSION_DAYS};
use crate::model::text;
use crate::odata::canonical;
use crate::store::{Restriction, Session};

/// Life of a token for a program when nobody says.
const DAYS: i64 = 90;
const DAY: Ticks = 24 * 3_600 * SECOND;

/// Who has come with credentials gets a token, and is shown as a user.
pub fn sign_in(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, _: &[Value]) -> Outcome<Given> {
    let fresh = engine.sign_in(session, caller)?;
    let users = engine.schema.endpoint("Core").and_then(|core| core.set_names.get("Users")).copied();
    let user = engine.user_page(session, caller.user, users)?;
    Ok(Given::Told(Box::new(Given::Entities(Box::new(user))), Box::new(News::of(fresh))))
}

/// Ends the session of the request's own token; false where that is none.
pub fn sign_out(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, _: &[Value]) -> Outcome<Given> {
    let ended = engine.sign_out(session, caller)?;
    let news = News {
        cookie: Cookie::Clear,
        ..News::default()
    };
    Ok(Given::Told(Box::new(Given::Value(Value::Boolean(ended))), Box::new(news)))
}

/// Ends all sessions of the addressed user: one's own, or for an administrator those of a user of the tenant.
pub fn sign_out_everywhere(engine: &Engine, session: &mut Session<'_>, caller: &Caller, bound: &Bound, _: &[Value]) -> Outcome<Given> {
    let Bound::Entity(user) = bound else {
        return Err(Fault::internal("bound to no user"));
    };
    let key = user.key(&engine.schema.types[user.ty]);
    let Some(Value::Integer(user)) = key.first() else {
        return Err(Fault::internal("a user without a number"));
    };
    if *user != caller.user && !caller.rights.administrator {
        return Err(Fault::not_found());
    }
    may_manage(caller)?;
    tracing::info!(by = caller.user, user, "all sessions are ended");
    engine.end_sessions(session, *user)?;
    let about = (*user, engine.home_of(session, *user)?);
    engine.audit_account(session, "SignOutEverywhere", about, caller.user, &[])?;
    Ok(Given::Nothing)
}

/// A token that is another user: for operators any, for administrators one of the tenant that is no operator.
pub fn impersonate(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    may_manage(caller)?;
    if !caller.rights.administrator {
        return Err(Fault::new(&fault::FORBIDDEN, "Only an administrator may act as another user."));
    }
    let Some(Value::Integer(user)) = arguments.first() else {
        return Err(Fault::new(&fault::BAD_ARGUMENT, "UserId is the number of a user.").of("UserId"));
    };
    let user = engine.caller(session, *user, None, None)?;
    let user = user.filter(|user| may_impersonate(caller, user)).ok_or_else(Fault::not_found)?;
    let (tokens, now) = (engine.tokens()?, engine.clock.now());
    let until = now + (IMPERSONATION_MINUTES as i64 * 60 * SECOND).min(tokens.life());
    let begin = Begin {
        user: user.user,
        tenant: user.tenant,
        kind: SessionKind::Impersonation,
        name: &format!("{} as {}", caller.name, user.name),
        until,
        hash: None,
        scope: Vec::new(),
        impersonated_by: Some(caller.user),
        entry: &caller.entry,
    };
    let id = engine.begin_session(session, begin)?;
    tracing::info!(by = caller.user, user = user.user, session = id, "somebody acts as another user");
    let about = (user.user, user.tenant);
    engine.audit_account(session, "Impersonate", about, caller.user, &[("Session", &id.to_string())])?;
    let token = tokens.sign(user.user, &user.name, id, now, until)?.text;
    object(engine, "TokenResponse", &[("Token", Value::Text(token))])
}

/// A token for a program, which is shown this one time.
pub fn create_token(engine: &Engine, session: &mut Session<'_>, caller: &Caller, _: &Bound, arguments: &[Value]) -> Outcome<Given> {
    may_manage(caller)?;
    let [Value::Text(name), days, expires, scope, ..] = arguments else {
        return Err(Fault::new(&fault::BAD_ARGUMENT, "A token needs a Name.").of("Name"));
    };
    let until = end_of_token(engine.clock.now(), days, expires)?;
    let tenant = engine.home_of(session, caller.user)?;
    let (token, scope) = (random()?, permissions(scope)?);
    let (shown, ends) = (scope.clone(), text::ticks_to_text(until));
    let begin = Begin {
        user: caller.user,
        tenant,
        kind: SessionKind::Api,
        name,
        until,
        hash: Some(digest(&token)),
        scope,
        impersonated_by: None,
        entry: &caller.entry,
    };
    let id = engine.begin_session(session, begin)?;
    tracing::info!(user = caller.user, session = id, "a token for a program is made");
    let told = [
        ("Session", &*id.to_string()),
        ("Name", name.as_str()),
        ("ExpiresAt", &ends),
        ("Scope", &shown.join(", ")),
    ];
    engine.audit_account(session, "CreateToken", (caller.user, tenant), caller.user, &told)?;
    let members = [
        ("Id", Value::Integer(id)),
        ("Token", Value::Text(token)),
        ("ExpiresAt", Value::Text(ends)),
    ];
    object(engine, "CreatedToken", &members)
}

/// A token for a program, and one that is somebody else, make no further ones: those would outlive them and know no scope.
pub(super) fn may_manage(caller: &Caller) -> Outcome<()> {
    match caller.entry.ticket.map(|ticket| ticket.kind) {
        None | Some(SessionKind::Login) => Ok(()),
        Some(_) => Err(Fault::new(&fault::FORBIDDEN, "This needs a user who has signed in as such.")),
    }
}

fn end_of_token(now: Ticks, days: &Value, expires: &Value) -> Outcome<Ticks> {
    let bad = |name: &str| {
        let message = format!("A token is good for 1 to {API_TOKEN_DAYS} days: give Days, or ExpiresAt.");
        Err(Fault::new(&fault::BAD_ARGUMENT, message).of(name))
    };
    let latest = now + API_TOKEN_DAYS as i64 * DAY;
    let until = match (days, expires) {
        (Value::Null, Value::Null) => now + DAYS * DAY,
        (Value::Integer(days), Value::Null) if *days > 0 => now.saturating_add(days.saturating_mul(DAY)),
        (Value::Null, Value::Text(moment)) => text::text_to_ticks(moment).unwrap_or_default(),
        _ => return bad("Days"),
    };
    // In whole seconds, as the row has it.
    let until = until - until % SECOND;
    if until <= now || until > latest {
        bad("ExpiresAt")
    } else {
        Ok(until)
    }
}

fn permissions(scope: &Value) -> Outcome<Vec<String>> {
    let Value::Text(scope) = scope else { return Ok(Vec::new()) };
    let names: Vec<String> = serde_json::from_str(scope).unwrap_or_default();
    if names.len() > API_TOKEN_SCOPE || names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES) {
        let message = format!("A scope is at most {API_TOKEN_SCOPE} names of permissions, each of at most {NAME_BYTES} bytes.");
        return Err(Fault::new(&fault::BAD_ARGUMENT, message).of("Scope"));
    }
    Ok(names)
}

/// A value of a complex type of Core.
pub(super) fn object(engine: &Engine, name: &str, members: &[(&str, Value)]) -> Outcome<Given> {
    let core = engine
        .schema
        .endpoint("Core")
        .map(|core| core.complex.as_slice())
        .unwrap_or_default();
    let found = core.iter().map(|&id| &engine.schema.complex[id]).find(|ty| ty.name == name);
    let ty = found.ok_or_else(|| Fault::internal(format!("Core has no complex type {name}")))?;
    let value = |property: &str| {
        members
            .iter()
            .find(|member| member.0 == property)
            .map_or(Value::Null, |member| member.1.clone())
    };
    let properties = ty
        .properties
        .iter()
        .map(|property| (property.name.as_str(), &property.ty, value(&property.name)));
    Ok(Given::Value(canonical::object(properties)))
}

impl Engine {
    /// What makes tokens.
    ///
    /// # Errors
    /// `INTERNAL` where nobody serves.
    pub fn tokens(&self) -> Outcome<&Tokens> {
        self.tokens
            .get()
            .ok_or_else(|| Fault::internal("nobody serves, so there are no tokens"))
    }

    /// A token for a caller: for a session that begins, or, where he has come with a token, for the session of that one.
    ///
    /// # Errors
    /// `FORBIDDEN` for a token that is not from signing in.
    pub fn sign_in(&self, session: &mut Session<'_>, caller: &Caller) -> Outcome<Fresh> {
        may_manage(caller)?;
        if let Some(ticket) = caller.entry.ticket {
            return self.renew(session, caller.user, &caller.name, ticket.session);
        }
        let (tokens, now) = (self.tokens()?, self.clock.now());
        let until = now + tokens.life();
        let begin = Begin {
            user: caller.user,
            tenant: self.home_of(session, caller.user)?,
            kind: SessionKind::Login,
            name: "Login",
            until,
            hash: None,
            scope: Vec::new(),
            impersonated_by: None,
            entry: &caller.entry,
        };
        let id = self.begin_session(session, begin)?;
        tokens.sign(caller.user, &caller.name, id, now, until)
    }

    /// The tenant that a user belongs to, wherever he acts.
    pub(in crate::engine) fn home_of(&self, session: &mut Session<'_>, user: i64) -> Outcome<Guid> {
        let key = Restriction::Key(vec![Value::Integer(user)]);
        let rows = self.columns(session, self.core_type("Users")?, &["Tid"], None, vec![key])?;
        match rows.first().map(Vec::as_slice) {
            Some([Value::Bytes(tenant)]) => Guid::try_from(tenant.as_slice()).map_err(|_| Fault::internal("a tenant that is no Guid")),
            _ => Err(Fault::not_found()),
        }
    }

    /// A fresh token for a session that goes on. Older ones stay good to their end.
    ///
    /// # Errors
    /// `NOT_FOUND` when it has been ended.
    pub fn renew(&self, session: &mut Session<'_>, user: i64, name: &str, id: i64) -> Outcome<Fresh> {
        let (tokens, now) = (self.tokens()?, self.clock.now());
        let until = (now + tokens.life()).min(self.longest_session(session, user, id)?);
        self.extend_session(session, id, until)?;
        tokens.sign(user, name, id, now, until)
    }

    /// When a session ends at the latest, however often it is renewed. Whom somebody else knows has to be shown to be there still.
    fn longest_session(&self, session: &mut Session<'_>, user: i64, id: i64) -> Outcome<Ticks> {
        let key = |id: i64| vec![Restriction::Key(vec![Value::Integer(id)])];
        let source = self.columns(session, self.core_type("Users")?, &["ExternalType"], None, key(user))?;
        let created = self.columns(session, self.core_type("Sessions")?, &["Created"], None, key(id))?;
        let is_internal =
            matches!(source.first().map(Vec::as_slice), Some([Value::Text(source)]) if source.is_empty() || source == "Internal");
        let begin = match created.first().map(Vec::as_slice) {
            Some([Value::Text(created)]) => text::text_to_ticks(created),
            _ => None,
        };
        let life = match is_internal {
            true => SESSION_DAYS as i64 * DAY,
            false => self.tokens()?.life(),
        };
        Ok(begin.ok_or_else(Fault::not_found)? + life)
    }

    /// Ends the session that a caller has come with; whether there was one.
    pub fn sign_out(&self, session: &mut Session<'_>, caller: &Caller) -> Outcome<bool> {
        match caller.entry.ticket {
            Some(ticket) => self.end_session(session, ticket.session),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_programs_end() {
        let now = 1_000 * DAY + 5;
        let date = |ticks: Ticks| Value::Text(text::ticks_to_text(ticks));
        for (days, expires, expected) in [
            (Value::Null, Value::Null, Some(1_090 * DAY)),
            (Value::Integer(1), Value::Null, Some(1_001 * DAY)),
            (
                Value::Integer(API_TOKEN_DAYS as i64),
                Value::Null,
                Some((1_000 + API_TOKEN_DAYS as i64) * DAY),
            ),
            (Value::Integer(API_TOKEN_DAYS as i64 + 1), Value::Null, None),
            (Value::Integer(i64::MAX), Value::Null, None),
            (Value::Integer(0), Value::Null, None),
            (Value::Integer(-1), Value::Null, None),
            (Value::Null, date(1_002 * DAY), Some(1_002 * DAY)),
            (Value::Null, date(now), None),
            (Value::Null, date(9_000 * DAY), None),
            (Value::Integer(1), date(1_002 * DAY), None),
        ] {
            let found = end_of_token(now, &days, &expires).ok();
            assert_eq!(found, expected, "{days:?} {expires:?}");
        }
    }

    #[test]
    fn scopes_are_bounded() {
        let names = |count: usize| Value::Text(serde_json::Value::from(vec!["a"; count]).to_string());
        assert_eq!(permissions(&names(API_TOKEN_SCOPE)).unwrap().len(), API_TOKEN_SCOPE);
        assert!(permissions(&names(API_TOKEN_SCOPE + 1)).is_err());
        assert!(permissions(&Value::Text("[\"\"]".into())).is_err());
        assert_eq!(permissions(&Value::Null).unwrap(), Vec::<String>::new());
    }
}

//! Sessions: a row for each token that is out. A token is good as long as its row is there, so that whoever deletes the row has
//! revoked it; the rows of a user go with the password that they were got by.

use serde_json::Value as Json;

use super::Engine;
use super::accounts::token::{self, Purpose};
use super::identity::{raise_security_version, security_version};
use super::resolve::Place;
use super::row::Entity;
use crate::model::caller::{Caller, Entry, Guid, Scope, SessionKind};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::{Cell, Edm, Value};
use crate::model::expr::{Expr, Op, Source};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{API_TOKENS_PER_USER, CLIENT_BYTES, EXPIRED_AT_ONCE, SESSIONS_PER_USER};
use crate::model::schema::TypeId;
use crate::model::text;
use crate::store::{Delete, Output, Restriction, Select, Session, Update};

/// A session that is to begin.
#[derive(Debug)]
pub struct Begin<'a> {
    /// Whose it is.
    pub user: i64,
    /// The tenant that the user belongs to.
    pub tenant: Guid,
    /// What for.
    pub kind: SessionKind,
    /// For people.
    pub name: &'a str,
    /// When it ends.
    pub until: Ticks,
    /// What is kept of a token that says nothing by itself.
    pub hash: Option<String>,
    /// The only permissions that count; empty: all.
    pub scope: Vec<String>,
    /// Who acts, if not the user.
    pub impersonated_by: Option<i64>,
    /// Who has asked for it, and under which security version: the user, or who acts as that user.
    pub entry: &'a Entry,
}

/// A session, as testing its token needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// `Sessions.Id`.
    pub id: i64,
    /// Whose it is.
    pub user: i64,
    /// What for.
    pub kind: SessionKind,
    /// When it ends.
    pub until: Ticks,
    /// The only permissions that count; empty: all.
    pub scope: Vec<String>,
    /// Who acts, if not the user.
    pub impersonated_by: Option<i64>,
}

const COLUMNS: &[&str] = &["Id", "UserId", "Kind", "ExpiresAt", "Scope", "ImpersonatedById"];

impl Engine {
    /// Begins a session; its number. Clears away some that have expired.
    ///
    /// # Errors
    /// `TOO_LARGE` for one more token of a program than a user may have; `BUSY` when users or roles change at the same time.
    pub fn begin_session(&self, session: &mut Session<'_>, begin: Begin<'_>) -> Outcome<i64> {
        self.hold_user(session, &begin)?;
        self.clear_expired(session)?;
        self.make_room(session, begin.user, begin.kind)?;
        let optional = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
        let scope = Json::from(begin.scope).to_string();
        let client = begin.entry.client.as_deref();
        let address = client.map(|client| client.address.as_str());
        let agent = client.map(|client| shortened(&client.agent));
        let columns = vec![
            ("Name", Value::Text(begin.name.to_owned())),
            ("UserId", Value::Integer(begin.user)),
            ("Kind", Value::Text(begin.kind.name().to_owned())),
            ("ExpiresAt", moment(begin.until)),
            ("Scope", Value::Text(scope)),
            ("Address", optional(address)),
            ("Client", optional(agent)),
            ("ImpersonatedById", begin.impersonated_by.map_or(Value::Null, Value::Integer)),
            ("Hash", optional(begin.hash.as_deref())),
        ];
        self.add_built_in(session, "Sessions", begin.tenant, columns)
    }

    /// The session with a number.
    pub fn session(&self, session: &mut Session<'_>, id: i64) -> Outcome<Option<Running>> {
        self.running(session, Restriction::Key(vec![Value::Integer(id)]))
    }

    /// The session whose token this is kept of.
    pub fn session_of_hash(&self, session: &mut Session<'_>, hash: String) -> Outcome<Option<Running>> {
        self.running(session, Restriction::Columns(vec!["Hash".to_owned()], vec![Value::Text(hash)]))
    }

    fn running(&self, session: &mut Session<'_>, which: Restriction) -> Outcome<Option<Running>> {
        let rows = self.columns(session, self.core_type("Sessions")?, COLUMNS, None, vec![which])?;
        let found = rows.first().and_then(|row| running(row));
        Ok(found.filter(|running| self.clock.now() < running.until))
    }

    /// A token of the session has been refreshed.
    ///
    /// # Errors
    /// `NOT_FOUND` when it has been ended meanwhile.
    pub fn extend_session(&self, session: &mut Session<'_>, id: i64, until: Ticks) -> Outcome<()> {
        let (everything, key) = (Scope::everything(), [Value::Integer(id)]);
        let mut update = Update::new(&self.schema, &everything, self.core_type("Sessions")?, &key)?;
        update.values = vec![
            ("ExpiresAt", moment(until)),
            ("LastUsed", moment(self.clock.now())),
            ("RowVersion", Value::Bytes(self.next_version())),
        ];
        update.run(session)
    }

    /// Ends a session; whether there was one.
    pub fn end_session(&self, session: &mut Session<'_>, id: i64) -> Outcome<bool> {
        let ended = self.delete_session(session, id)?;
        if ended {
            raise_security_version(self, session)?;
        }
        Ok(ended)
    }

    /// Ends every session of a user, and those in which he acts as somebody else.
    pub fn end_sessions(&self, session: &mut Session<'_>, user: i64) -> Outcome<()> {
        let ty = self.core_type("Sessions")?;
        for column in ["UserId", "ImpersonatedById"] {
            let his = Restriction::Columns(vec![column.to_owned()], vec![Value::Integer(user)]);
            for row in self.columns(session, ty, &["Id"], None, vec![his])? {
                if let [Value::Integer(id)] = row.as_slice() {
                    self.delete_session(session, *id)?;
                }
            }
        }
        // Who knew the password before must not have its successor sent to himself.
        token::end(session, user, Purpose::Mail)?;
        token::end(session, user, Purpose::Reset)?;
        raise_security_version(self, session)
    }

    /// A user has been changed: sessions go with the password that they were got by, and with the right to sign in at all.
    pub(super) fn user_changed(&self, session: &mut Session<'_>, current: &Entity, changed: &Entity) -> Outcome<()> {
        if current.ty != self.core_type("Users")? {
            return Ok(());
        }
        let entity = &self.schema.types[current.ty];
        let differs = |name: &str| {
            let index = entity.property(name);
            index.is_some_and(|index| current.values[index] != changed.values[index])
        };
        match (differs("Password") || differs("Active"), current.key(entity).first()) {
            (true, Some(Value::Integer(user))) => self.end_sessions(session, *user),
            _ => Ok(()),
        }
    }

    fn delete_session(&self, session: &mut Session<'_>, id: i64) -> Outcome<bool> {
        let (everything, key) = (Scope::everything(), [Value::Integer(id)]);
        let delete = Delete::new(&self.schema, &everything, self.core_type("Sessions")?, &key)?;
        match delete.run(session) {
            Ok(()) => Ok(true),
            Err(fault) if fault.kind == &fault::NOT_FOUND => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Keeps the user's row from other writers, and looks again that nothing has changed since the caller was proved: a password that is
    /// changed at the same time ends this session, or there is none.
    fn hold_user(&self, session: &mut Session<'_>, begin: &Begin<'_>) -> Outcome<()> {
        let place = Place::of(self.core_type("Users")?, None, vec![Value::Integer(begin.user)]);
        self.locked(session, &Scope::everything(), &place)?;
        match security_version(session)? == begin.entry.version {
            true => Ok(()),
            false => Err(Fault::new(&fault::BUSY, "Users or roles are changing at this moment.")),
        }
    }

    /// Sees to it that a user has room for one more session: of those from signing in, the ones that end first make room.
    fn make_room(&self, session: &mut Session<'_>, user: i64, kind: SessionKind) -> Outcome<()> {
        let his = Restriction::Columns(vec!["UserId".to_owned()], vec![Value::Integer(user)]);
        let rows = self.columns(session, self.core_type("Sessions")?, COLUMNS, None, vec![his])?;
        let mut there: Vec<Running> = rows.iter().filter_map(|row| running(row)).collect();
        there.retain(|running| (running.kind == SessionKind::Api) == (kind == SessionKind::Api));
        if kind == SessionKind::Api {
            let message = || format!("A user has at most {API_TOKENS_PER_USER} tokens for programs. Delete some of `Sessions` first.");
            return match there.len() < API_TOKENS_PER_USER {
                true => Ok(()),
                false => Err(Fault::new(&fault::TOO_LARGE, message())),
            };
        }
        there.sort_by_key(|running| running.until);
        let too_many = (there.len() + 1).saturating_sub(SESSIONS_PER_USER);
        for running in &there[..too_many] {
            self.end_session(session, running.id)?;
        }
        Ok(())
    }

    /// They are good for nothing any more, so that no cached proof depends on them.
    fn clear_expired(&self, session: &mut Session<'_>) -> Outcome<()> {
        let ty = self.core_type("Sessions")?;
        let entity = &self.schema.types[ty];
        let column = |name: &str| {
            let property = entity
                .property(name)
                .ok_or_else(|| Fault::internal(format!("Sessions has no {name}")))?;
            Ok::<_, Fault>(property)
        };
        let property = column("ExpiresAt")?;
        let expired = Expr::Binary {
            op: Op::Lt,
            edm: Edm::DateTimeOffset,
            left: Box::new(Expr::Column { source: 0, ty, property }),
            right: Box::new(Expr::Literal(Edm::DateTimeOffset, moment(self.clock.now()))),
        };
        let everything = Scope::everything();
        let sources = [Source {
            ty,
            set: None,
            join: None,
            nested: false,
        }];
        let mut select = Select::new(&self.schema, &everything, &sources);
        select.outputs = vec![Output::Property(ty, column("Id")?)];
        select.filter = Some(&expired);
        select.limit = Some(EXPIRED_AT_ONCE);
        let rows = select.fetch(session)?;
        for row in 0..rows.len() {
            if let Cell::Integer(id) = rows.cell(row, 0) {
                self.delete_session(session, id)?;
            }
        }
        Ok(())
    }

    /// Whether it is the type whose rows are the sessions.
    pub(super) fn is_session(&self, ty: TypeId) -> bool {
        self.core_type("Sessions").is_ok_and(|sessions| sessions == ty)
    }
}

/// Whether `by` may act as `user` in that user's own tenant, where both are callers: never up.
pub fn may_impersonate(by: &Caller, user: &Caller) -> bool {
    by.rights.operator || by.rights.administrator && by.tenant == user.tenant && !user.rights.operator
}

fn running(row: &[Value]) -> Option<Running> {
    let [
        Value::Integer(id),
        Value::Integer(user),
        Value::Text(kind),
        Value::Text(until),
        scope,
        by,
    ] = row
    else {
        return None;
    };
    let scope = match scope {
        Value::Text(scope) => serde_json::from_str(scope).ok()?,
        _ => Vec::new(),
    };
    Some(Running {
        id: *id,
        user: *user,
        kind: SessionKind::ALL.into_iter().find(|known| known.name() == kind)?,
        until: text::text_to_ticks(until)?,
        scope,
        impersonated_by: if let Value::Integer(by) = by { Some(*by) } else { None },
    })
}

/// In whole seconds, as tokens have it.
fn moment(ticks: Ticks) -> Value {
    Value::Text(text::ticks_to_text(ticks - ticks % SECOND))
}

fn shortened(agent: &str) -> &str {
    &agent[..agent.floor_char_boundary(CLIENT_BYTES)]
}

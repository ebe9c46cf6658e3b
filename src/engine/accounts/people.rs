//! The users behind accounts: found by address, made, changed.

use crate::engine::row::Entity;
use crate::engine::{Engine, identity};
use crate::model::caller::{Guid, SYSTEM_TENANT, Scope};
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::Outcome;
use crate::model::function;
use crate::store::{Restriction, Session, Update};

/// `Users.MailState`: what is known about a user's address.
pub mod state {
    /// Nobody has proved that it is the user's.
    pub const UNKNOWN: &str = "Unknown";
    /// The user has shown a token that went there.
    pub const CONFIRMED: &str = "Confirmed";
    /// The account waits for the token of its activation.
    pub const SIGNED_UP: &str = "SignedUp";
    /// The account waits for the token of its invitation.
    pub const INVITED: &str = "Invited";
}

/// `Users.ExternalType` of users that nobody else knows.
pub(in crate::engine) const INTERNAL: &[&str] = &["", "Internal"];

/// A user as a holder of an account.
#[derive(Debug, Clone)]
pub struct Account {
    /// `Users.Id`.
    pub id: i64,
    /// `Users.Name`.
    pub name: String,
    /// Whose user.
    pub tenant: Guid,
    /// The address.
    pub mail: String,
    /// Can sign in.
    pub active: bool,
    /// See [`state`].
    pub state: String,
    /// Nobody else keeps this user's password.
    pub internal: bool,
    /// PHC form.
    pub password_hash: Option<String>,
}

impl Account {
    /// Waits for its first token.
    pub fn is_pending(&self) -> bool {
        !self.active && (self.state == state::SIGNED_UP || self.state == state::INVITED)
    }
}

const COLUMNS: [&str; 8] = ["Id", "Name", "Tid", "Mail", "Active", "MailState", "ExternalType", "Password"];

fn read(row: Vec<Value>) -> Option<Account> {
    let [
        Value::Integer(id),
        Value::Text(name),
        Value::Bytes(tenant),
        Value::Text(mail),
        active,
        Value::Text(state),
        Value::Text(kind),
        password,
    ] = <[Value; 8]>::try_from(row).ok()?
    else {
        return None;
    };
    Some(Account {
        id,
        name,
        tenant: Guid::try_from(tenant.as_slice()).unwrap_or(SYSTEM_TENANT),
        mail,
        active: active == Value::Boolean(true),
        state,
        internal: INTERNAL.contains(&kind.as_str()),
        password_hash: if let Value::Text(hash) = password { Some(hash) } else { None },
    })
}

/// The account of a user.
pub fn by_id(engine: &Engine, session: &mut Session<'_>, id: i64) -> Outcome<Option<Account>> {
    let ty = engine.core_type("Users")?;
    let key = Restriction::Key(vec![Value::Integer(id)]);
    let rows = engine.columns(session, ty, &COLUMNS, None, vec![key])?;
    Ok(rows.into_iter().next().and_then(read))
}

/// The accounts with an address, whatever the case of its letters.
pub fn by_mail(engine: &Engine, session: &mut Session<'_>, mail: &str) -> Outcome<Vec<Account>> {
    if mail.is_empty() {
        return Ok(Vec::new());
    }
    let ty = engine.core_type("Users")?;
    let Some(lower) = function::overloads("tolower").next() else {
        return Ok(Vec::new());
    };
    let column = Expr::Column {
        source: 0,
        ty,
        property: engine.property_of(ty, "Mail")?,
    };
    let same = Expr::Binary {
        op: Op::Eq,
        edm: Edm::String,
        left: Box::new(Expr::Call(lower, vec![column])),
        right: Box::new(Expr::Literal(Edm::String, Value::Text(mail.to_lowercase()))),
    };
    let rows = engine.columns(session, ty, &COLUMNS, Some(&same), Vec::new())?;
    Ok(rows.into_iter().filter_map(read).collect())
}

/// The account in a tenant whose address this is: one that has been in use. Addresses are unique within a tenant, as far as people
/// choose them themselves, and no tenant learns of another's.
pub fn holder(engine: &Engine, session: &mut Session<'_>, tenant: Guid, mail: &str) -> Outcome<Option<Account>> {
    let all = by_mail(engine, session, mail)?;
    Ok(all.into_iter().find(|account| account.tenant == tenant && !account.is_pending()))
}

/// Gives a user new values in some columns.
pub fn change(engine: &Engine, session: &mut Session<'_>, user: i64, mut values: Vec<(&str, Value)>) -> Outcome<()> {
    let ty = engine.core_type("Users")?;
    let (everything, key) = (Scope::everything(), [Value::Integer(user)]);
    let mut update = Update::new(&engine.schema, &everything, ty, &key)?;
    values.push(("RowVersion", Value::Bytes(engine.next_version())));
    update.values = values;
    update.run(session)?;
    identity::raise_security_version(engine, session)
}

/// Before a client's change of a user: another address is not confirmed, and an administrator who decides whether an account can
/// sign in ends its waiting for a token.
pub(in crate::engine) fn settle_change(engine: &Engine, current: &Entity, changed: &mut Entity) -> Outcome<()> {
    if current.ty != engine.core_type("Users")? {
        return Ok(());
    }
    let index = |name: &str| engine.property_of(current.ty, name);
    let (mail, active, state) = (index("Mail")?, index("Active")?, index("MailState")?);
    if current.values[mail] != changed.values[mail] || current.values[active] != changed.values[active] {
        let is_waiting = |value: &Value| matches!(value, Value::Text(text) if text == state::SIGNED_UP || text == state::INVITED);
        if current.values[mail] != changed.values[mail] || is_waiting(&current.values[state]) {
            changed.values[state] = Value::Text(state::UNKNOWN.to_owned());
        }
    }
    Ok(())
}

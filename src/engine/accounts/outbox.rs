//! Mails that wait to be sent: rows of `Diagnostics/Mails`, written in the transaction of what they are about.
//!
//! A sender claims rows before it sends: other instances leave them alone until the claim runs out, and a sender that dies in between
//! loses nothing. What may happen is that a mail is sent again whose sender died before it could say that it was sent.

use super::Letter;
use crate::engine::Engine;

use crate::model::caller::{Caller, SYSTEM_TENANT, Scope};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op, Source};
use crate::model::fault::Outcome;
use crate::model::limits::{MAIL_ATTEMPTS, MAILS_AT_ONCE};
use crate::model::schema::TypeId;
use crate::model::target::Body;
use crate::model::text;
use crate::store::{Output, Restriction, Select, Session, Update};

/// States of a row.
mod state {
    pub const QUEUED: &str = "Queued";
    pub const SENDING: &str = "Sending";
    pub const SENT: &str = "Sent";
    pub const GIVEN_UP: &str = "GivenUp";
}

/// How long a claim holds; longer than a sender's patience with its server.
const CLAIM: Ticks = 300 * SECOND;
/// The first delay after a failure; each further one is three times as long.
const FIRST_DELAY: Ticks = 2 * SECOND;
/// The longest.
const LONGEST_DELAY: Ticks = 4 * 3_600 * SECOND;

/// A mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `Mails.Id`.
    pub id: i64,
    /// To whom.
    pub recipient: String,
    /// Subject.
    pub subject: String,
    /// Text.
    pub body: String,
    /// With this one.
    pub attempts: i64,
}

fn time(ticks: Ticks) -> Value {
    Value::Text(text::ticks_to_text(ticks - ticks % 10))
}

fn word(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Puts a mail into the outbox.
pub fn post(engine: &Engine, session: &mut Session<'_>, to: &str, letter: Letter<'_>) -> Outcome<()> {
    let (subject, body) = letter.write();
    let ty = engine.type_of("Diagnostics", "Mails")?;
    let mut caller = Caller::server();
    caller.tenant = SYSTEM_TENANT;
    let mut values = Vec::new();
    for (name, value) in [
        ("Name", word(subject)),
        ("Recipient", word(to)),
        ("Body", Value::Text(body)),
        ("State", word(state::QUEUED)),
        ("Due", time(engine.clock.now())),
    ] {
        values.push((engine.property_of(ty, name)?, value));
    }
    let mut new = engine.new_entity(&caller, Body::new(ty, values))?;
    engine.insert(session, &mut new, &[])
}

/// Claims mails that are due, the oldest first.
pub fn claim(engine: &Engine, session: &mut Session<'_>, most: usize) -> Outcome<Vec<Mail>> {
    let ty = engine.type_of("Diagnostics", "Mails")?;
    let now = engine.clock.now();
    let mut claimed = Vec::new();
    for name in [state::QUEUED, state::SENDING] {
        for row in due(engine, session, ty, name, now, most)? {
            let [
                Value::Integer(id),
                Value::Text(recipient),
                Value::Text(subject),
                body,
                Value::Integer(attempts),
            ] = row.as_slice()
            else {
                continue;
            };
            let attempts = attempts + 1;
            let body = if let Value::Text(body) = body {
                body.clone()
            } else {
                String::new()
            };
            let values = vec![
                ("State", word(state::SENDING)),
                ("Attempts", Value::Integer(attempts)),
                ("Due", time(now + CLAIM)),
            ];
            change(engine, session, ty, *id, values)?;
            claimed.push(Mail {
                id: *id,
                recipient: recipient.clone(),
                subject: subject.clone(),
                body,
                attempts,
            });
        }
    }
    Ok(claimed)
}

/// Whether there is something to claim.
pub fn is_any_due(engine: &Engine, session: &mut Session<'_>) -> Outcome<bool> {
    let ty = engine.type_of("Diagnostics", "Mails")?;
    let now = engine.clock.now();
    Ok(!due(engine, session, ty, state::QUEUED, now, 1)?.is_empty() || !due(engine, session, ty, state::SENDING, now, 1)?.is_empty())
}

/// A mail was sent: its text, which may hold a token, is not kept.
pub fn sent(engine: &Engine, session: &mut Session<'_>, id: i64) -> Outcome<()> {
    let ty = engine.type_of("Diagnostics", "Mails")?;
    let values = vec![
        ("State", word(state::SENT)),
        ("Body", Value::Null),
        ("Problem", Value::Null),
        ("Sent", time(engine.clock.now())),
    ];
    change(engine, session, ty, id, values)
}

/// A mail could not be sent. It is tried again later, unless that makes no sense or was done often enough.
pub fn failed(engine: &Engine, session: &mut Session<'_>, mail: &Mail, why: &str, is_final: bool) -> Outcome<()> {
    let ty = engine.type_of("Diagnostics", "Mails")?;
    let why: String = why.chars().filter(|c| !c.is_control()).take(500).collect();
    let mut values = vec![("Problem", Value::Text(why))];
    if is_final || mail.attempts >= MAIL_ATTEMPTS as i64 {
        values.extend([("State", word(state::GIVEN_UP)), ("Body", Value::Null)]);
    } else {
        values.extend([
            ("State", word(state::QUEUED)),
            ("Due", time(engine.clock.now() + delay(mail.attempts))),
        ]);
    }
    change(engine, session, ty, mail.id, values)
}

/// When the process starts that alone serves the database: what its predecessor was sending is due.
pub fn release(engine: &Engine, session: &mut Session<'_>) -> Outcome<()> {
    if !session.has_one_process() {
        return Ok(());
    }
    let ty = engine.type_of("Diagnostics", "Mails")?;
    let any_time = engine.clock.now() + 2 * CLAIM;
    for row in due(engine, session, ty, state::SENDING, any_time, MAILS_AT_ONCE)? {
        if let Value::Integer(id) = row[0] {
            let values = vec![("State", word(state::QUEUED)), ("Due", time(engine.clock.now()))];
            change(engine, session, ty, id, values)?;
        }
    }
    Ok(())
}

/// How long to wait after a number of attempts.
fn delay(attempts: i64) -> Ticks {
    let power = (attempts - 1).clamp(0, 20) as u32;
    FIRST_DELAY.saturating_mul(3_i64.saturating_pow(power)).min(LONGEST_DELAY)
}

/// Rows in a state that are due, kept from other senders until the transaction ends.
fn due(engine: &Engine, session: &mut Session<'_>, ty: TypeId, state: &str, now: Ticks, most: usize) -> Outcome<Vec<Vec<Value>>> {
    let column = engine.property_of(ty, "Due")?;
    let filter = Expr::Binary {
        op: Op::Le,
        edm: Edm::DateTimeOffset,
        left: Box::new(Expr::Column {
            source: 0,
            ty,
            property: column,
        }),
        right: Box::new(Expr::Literal(Edm::DateTimeOffset, time(now))),
    };
    let everything = Scope::everything();
    let sources = [Source {
        ty,
        set: None,
        join: None,
        nested: false,
    }];
    let names = ["Id", "Recipient", "Name", "Body", "Attempts"];
    let mut select = Select::new(&engine.schema, &everything, &sources);
    for name in names {
        select.outputs.push(Output::Property(ty, engine.property_of(ty, name)?));
    }
    select.filter = Some(&filter);
    select.restrictions = vec![Restriction::Columns(vec!["State".to_owned()], vec![word(state)])];
    select.order = engine.total_order(ty, &[]);
    select.limit = Some(most);
    select.lock = true;
    let rows = select.fetch(session)?;
    let row = |row: usize| (0..names.len()).map(|cell| rows.cell(row, cell).to_value()).collect();
    Ok((0..rows.len()).map(row).collect())
}

fn change(engine: &Engine, session: &mut Session<'_>, ty: TypeId, id: i64, mut values: Vec<(&str, Value)>) -> Outcome<()> {
    let (everything, key) = (Scope::everything(), [Value::Integer(id)]);
    let mut update = Update::new(&engine.schema, &everything, ty, &key)?;
    values.extend([
        ("Modified", time(engine.clock.now())),
        ("RowVersion", Value::Bytes(engine.next_version())),
    ]);
    update.values = values;
    update.run(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow() {
        let seconds: Vec<i64> = (1..=12).map(|attempts| delay(attempts) / SECOND).collect();
        assert_eq!(seconds, [2, 6, 18, 54, 162, 486, 1_458, 4_374, 13_122, 14_400, 14_400, 14_400]);
        assert_eq!(delay(i64::MAX), LONGEST_DELAY);
    }
}

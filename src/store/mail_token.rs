//! What the tokens in mails prove: a table of the server's own, which no entity set shows.

use super::session::Session;
use super::sql::Sql;
use crate::model::clock::Ticks;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::Outcome;
use crate::model::page::Rows;
use crate::model::schema::ColumnKind;

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailToken {
    /// Which action takes it.
    pub purpose: String,
    /// `Users.Id`.
    pub user: i64,
    /// The address that it was sent to.
    pub mail: String,
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Writes down what a token is good for, and until when.
pub fn insert(session: &mut Session<'_>, hash: &[u8; 32], token: &MailToken, expires: Ticks) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("INSERT INTO odonata_mail_token (hash, purpose, user_id, mail, expires) VALUES (")
        .value(Edm::Binary, Value::Bytes(hash.to_vec()))
        .push(", ");
    sql.value(Edm::String, text(&token.purpose))
        .push(", ")
        .value(Edm::Int64, Value::Integer(token.user))
        .push(", ");
    sql.value(Edm::String, text(&token.mail))
        .push(", ")
        .value(Edm::Int64, Value::Integer(expires))
        .push(")");
    session.execute(&sql).map(drop)
}

/// Uses a token up. Of two requests with the same token, one gets it. One for another purpose stays as it is, and is none here.
pub fn take(session: &mut Session<'_>, hash: &[u8; 32], purposes: &[&str], now: Ticks) -> Outcome<Option<MailToken>> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM odonata_mail_token WHERE hash = ")
        .value(Edm::Binary, Value::Bytes(hash.to_vec()))
        .push(" AND expires > ");
    sql.value(Edm::Int64, Value::Integer(now)).push(" AND purpose IN (");
    sql.list(purposes, ", ", |sql, purpose| sql.value(Edm::String, text(purpose)).done());
    sql.push(") RETURNING purpose, user_id, mail");
    let kinds = [Edm::String, Edm::Int64, Edm::String].map(ColumnKind::Primitive);
    let mut rows = Rows::new(kinds.len());
    session.fetch(&sql, &kinds, &mut rows)?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(match (rows.cell(0, 0), rows.cell(0, 1), rows.cell(0, 2)) {
        (Cell::Text(purpose), Cell::Integer(user), Cell::Text(mail)) => Some(MailToken {
            purpose: purpose.to_owned(),
            user,
            mail: mail.to_owned(),
        }),
        _ => None,
    })
}

/// Ends all tokens of a user for a purpose.
pub fn end(session: &mut Session<'_>, user: i64, purpose: &str) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM odonata_mail_token WHERE user_id = ")
        .value(Edm::Int64, Value::Integer(user))
        .push(" AND purpose = ");
    sql.value(Edm::String, text(purpose));
    session.execute(&sql).map(drop)
}

/// Whether a user has a token for a purpose.
pub fn is_any(session: &mut Session<'_>, user: i64, purpose: &str) -> Outcome<bool> {
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT user_id FROM odonata_mail_token WHERE user_id = ")
        .value(Edm::Int64, Value::Integer(user))
        .push(" AND purpose = ");
    sql.value(Edm::String, text(purpose)).push(" LIMIT 1");
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::Int64)], &mut rows)?;
    Ok(!rows.is_empty())
}

/// Deletes those that have expired.
pub fn discard_expired(session: &mut Session<'_>, now: Ticks) -> Outcome<usize> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM odonata_mail_token WHERE expires <= ")
        .value(Edm::Int64, Value::Integer(now));
    session.execute(&sql)
}

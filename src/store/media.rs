//! The bytes of media resources and named streams, in parts of [`MEDIA_PART_BYTES`](crate::model::limits::MEDIA_PART_BYTES): none is
//! ever in memory as a whole. Bytes are written once; a change is another upload, and the row of the entity says which one counts.

use super::session::Session;
use super::sql::Sql;
use crate::model::clock::Ticks;
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{Fault, Outcome};
use crate::model::page::Rows;
use crate::model::schema::ColumnKind;

/// Names an upload.
pub type MediaId = [u8; 16];

fn guid(id: &MediaId) -> Value {
    Value::Bytes(id.to_vec())
}

/// Begins an upload.
pub fn begin(session: &mut Session<'_>, id: &MediaId, now: Ticks) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("INSERT INTO odonata_media (id, begun, kept) VALUES (")
        .value(Edm::Guid, guid(id))
        .push(", ")
        .value(Edm::Int64, Value::Integer(now))
        .push(", 0)");
    session.execute(&sql).map(drop)
}

/// Adds the part with this number, from 0 on.
pub fn append(session: &mut Session<'_>, id: &MediaId, number: i64, bytes: Vec<u8>) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("INSERT INTO odonata_media_part (media, number, bytes) VALUES (")
        .value(Edm::Guid, guid(id))
        .push(", ")
        .value(Edm::Int64, Value::Integer(number))
        .push(", ")
        .value(Edm::Binary, Value::Bytes(bytes))
        .push(")");
    session.execute(&sql).map(drop)
}

/// An entity has it now.
///
/// # Errors
/// The upload is not there any more: it took longer than a day.
pub fn keep(session: &mut Session<'_>, id: &MediaId) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("UPDATE odonata_media SET kept = 1 WHERE id = ")
        .value(Edm::Guid, guid(id))
        .push(" AND kept = 0");
    match session.execute(&sql)? {
        1 => Ok(()),
        _ => Err(Fault::internal("an upload that is not there")),
    }
}

/// Deletes it with its parts.
pub fn discard(session: &mut Session<'_>, id: &MediaId) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM odonata_media WHERE id = ").value(Edm::Guid, guid(id));
    session.execute(&sql).map(drop)
}

/// Deletes it with its parts, unless an entity has it: for an upload whose end is not certain.
pub fn give_up(session: &mut Session<'_>, id: &MediaId) -> Outcome<()> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM odonata_media WHERE kept = 0 AND id = ")
        .value(Edm::Guid, guid(id));
    session.execute(&sql).map(drop)
}

/// Deletes uploads that broke off, begun before a time.
pub fn discard_broken(session: &mut Session<'_>, before: Ticks) -> Outcome<usize> {
    let mut sql = Sql::new(session.dialect());
    sql.push("DELETE FROM odonata_media WHERE kept = 0 AND begun < ")
        .value(Edm::Int64, Value::Integer(before));
    session.execute(&sql)
}

/// A part; none if there is none.
pub fn part(session: &mut Session<'_>, id: &MediaId, number: i64) -> Outcome<Option<Vec<u8>>> {
    let mut sql = Sql::new(session.dialect());
    sql.push("SELECT bytes FROM odonata_media_part WHERE media = ")
        .value(Edm::Guid, guid(id))
        .push(" AND number = ")
        .value(Edm::Int64, Value::Integer(number));
    let mut rows = Rows::new(1);
    session.fetch(&sql, &[ColumnKind::Primitive(Edm::Binary)], &mut rows)?;
    Ok(match (!rows.is_empty()).then(|| rows.cell(0, 0)) {
        Some(Cell::Bytes(bytes)) => Some(bytes.to_vec()),
        _ => None,
    })
}

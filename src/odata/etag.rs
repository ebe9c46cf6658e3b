//! Entity tags (WR-65): `W/"'a',3,null"`, the URL literals of the concurrency properties. Opaque to clients, who send them back as
//! they are.

use crate::model::edm::Cell;
use crate::model::schema::{Schema, TypeId};
use crate::model::text;

/// The ETag of an entity: the URL literals of its concurrency properties in declaration order, joined by commas. Within a
/// literal everything is percent-encoded that could end the tag, split a list of tags or not be sent in a header.
pub fn etag<'a>(schema: &Schema, ty: TypeId, cell_of: impl Fn(usize) -> Cell<'a>) -> String {
    let mut tag = b"W/\"".to_vec();
    let mut literal = Vec::new();
    for (index, property) in schema.types[ty].properties.iter().enumerate().filter(|(_, property)| property.concurrency) {
        if tag.len() > 3 {
            tag.push(b',');
        }
        literal.clear();
        match (cell_of(index), property.ty.primitive()) {
            (Cell::Null, _) => literal.extend_from_slice(b"null"),
            (cell, Some(edm)) => text::write_literal(edm, cell, &mut literal),
            // A complex property's canonical JSON.
            (Cell::Text(json), None) => literal.extend_from_slice(json.as_bytes()),
            (_, None) => {}
        }
        percent_encode(&literal, b"-._~'()*!$&+/:;=@{}[]", &mut tag);
    }
    tag.push(b'"');
    // Percent-encoded, so ASCII.
    String::from_utf8(tag).unwrap_or_default()
}

/// Appends `bytes`, all but letters, digits and those in `keep` as `%XX`.
pub fn percent_encode(bytes: &[u8], keep: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

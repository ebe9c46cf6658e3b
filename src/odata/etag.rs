//! Entity tags (WR-65): `W/"'a',3,null"`, the URL literals of the concurrency properties. Opaque to clients, who send them back as
//! they are.

use super::url;
use crate::model::edm::Cell;
use crate::model::schema::{Schema, TypeId};
use crate::model::text;

/// The ETag of an entity of the (concrete) type `ty`: the URL literals of its concurrency properties in declaration order, joined by
/// commas and percent-encoded, so that nothing in them ends the tag or cannot be sent in a header. `cell_of` gives the value of a
/// property by its index.
pub fn etag<'a>(schema: &Schema, ty: TypeId, cell_of: impl Fn(usize) -> Cell<'a>) -> String {
    let mut literals = Vec::new();
    let properties = schema.types[ty].properties.iter().enumerate();
    for (index, property) in properties.filter(|(_, property)| property.concurrency) {
        if !literals.is_empty() {
            literals.push(b',');
        }
        match (cell_of(index), property.ty.primitive()) {
            (Cell::Null, _) => literals.extend_from_slice(b"null"),
            (cell, Some(edm)) => text::write_literal(edm, cell, &mut literals),
            // A complex property's canonical JSON.
            (Cell::Text(json), None) => literals.extend_from_slice(json.as_bytes()),
            (_, None) => {}
        }
    }
    let mut tag = b"W/\"".to_vec();
    url::encode(&String::from_utf8_lossy(&literals), &mut tag);
    tag.push(b'"');
    // Percent-encoded, so ASCII.
    String::from_utf8(tag).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::fixture;

    #[test]
    fn literals_of_the_concurrency_properties() {
        let mut schema = fixture::shop();
        let ty = fixture::type_id(&schema, "Product");
        for name in ["ProductID", "ProductName", "UnitPrice", "Weight", "Barcode"] {
            let property = schema.types[ty].property(name).unwrap();
            schema.types[ty].properties[property].concurrency = true;
        }
        let cells = [
            ("ProductID", Cell::Integer(7)),
            ("ProductName", Cell::Text("O'Neil \"ä\",\r\n\\")),
            ("UnitPrice", Cell::Text("2.50")),
            ("Barcode", Cell::Bytes(&[0, 0xAB])),
        ];
        let cell_of = |index: usize| {
            let name = schema.types[ty].properties[index].name.as_str();
            cells.iter().find(|(other, _)| *other == name).map_or(Cell::Null, |(_, cell)| *cell)
        };
        let expected = "W/\"7,'O''Neil%20%22%C3%A4%22,%0D%0A%5C',2.50M,null,binary'00AB'\"";
        assert_eq!(etag(&schema, ty, cell_of), expected);
    }
}

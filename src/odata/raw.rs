//! Raw values in bodies (`/$value`, WR-55): the text of a primitive, or the bytes of a Binary.

use super::json_read::check_facets;
use crate::model::edm::{Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::Property;
use crate::model::text;

/// Media types of the bytes of a Binary, before the slash.
const BYTES: &[&str] = &["image", "audio", "video"];

/// Reads the raw value of a primitive property. A missing `Content-Type` is that of the property.
///
/// # Errors
/// `MEDIA_TYPE` for text where there are bytes, bytes where there is text, and another character set than UTF-8 (CON-9); `BAD_BODY` for
/// what is not UTF-8, `BAD_VALUE` for what does not fit the property.
pub fn read(property: &Property, content_type: Option<&str>, body: &[u8]) -> Outcome<Value> {
    let edm = property.ty.primitive().unwrap_or(Edm::Stream);
    if !fits(edm, content_type) {
        let wanted = if edm == Edm::Binary {
            "application/octet-stream"
        } else {
            "text/plain in UTF-8"
        };
        return Err(Fault::new(
            &fault::MEDIA_TYPE,
            format!("The raw value of {} is {wanted}.", property.name),
        ));
    }
    let value = match edm {
        Edm::Binary => Value::Bytes(body.to_vec()),
        _ => {
            let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
            let text = std::str::from_utf8(body).map_err(|_| Fault::new(&fault::BAD_BODY, "The body is not UTF-8."))?;
            text::parse(edm, text).ok_or_else(|| {
                let message = format!("The property `{}` takes a value of {edm}.", property.name);
                Fault::new(&fault::BAD_VALUE, message).of(&property.name)
            })?
        }
    };
    check_facets(property, &value)?;
    Ok(value)
}

fn fits(edm: Edm, content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let mut parts = content_type.split(';');
    let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = media.split('/').next().unwrap_or_default();
    if edm == Edm::Binary {
        return media == "application/octet-stream" || BYTES.contains(&kind);
    }
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii")
        }
        _ => true,
    };
    kind == "text" && parts.all(is_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::fixture;

    #[test]
    fn values_and_their_media_types() {
        let schema = fixture::shop();
        let text = |value: &str| Ok(Value::Text(value.into()));
        let cases: &[(&str, Option<&str>, &[u8], Result<Value, &str>)] = &[
            ("ProductName", Some("text/plain"), b"a b ", text("a b ")),
            ("ProductName", None, b"", text("")),
            (
                "ProductName",
                Some("Text/HTML; charset=\"UTF-8\""),
                "\u{feff}ä".as_bytes(),
                text("ä"),
            ),
            (
                "ProductName",
                Some("text/plain;charset=iso-8859-1"),
                b"a",
                Err("unsupported_media_type"),
            ),
            ("ProductName", Some("application/json"), b"\"a\"", Err("unsupported_media_type")),
            ("ProductName", Some(""), b"a", Err("unsupported_media_type")),
            ("ProductName", None, b"\xff", Err("bad_body")),
            ("ProductName", None, b"a\0", Err("bad_value")),
            ("UnitPrice", Some("text/plain"), b" 2.50\n", text("2.50")),
            ("UnitsInStock", Some("text/plain"), b"12", Ok(Value::Integer(12))),
            ("UnitsInStock", Some("text/plain"), b"99999", Err("bad_value")),
            ("UnitsInStock", Some("text/plain"), b"", Err("bad_value")),
            (
                "Barcode",
                Some("application/octet-stream"),
                b"\0\xff",
                Ok(Value::Bytes(vec![0, 255])),
            ),
            ("Barcode", Some("image/png"), b"", Ok(Value::Bytes(Vec::new()))),
            ("Barcode", None, b"x", Ok(Value::Bytes(vec![b'x']))),
            ("Barcode", Some("text/plain"), b"AAA=", Err("unsupported_media_type")),
        ];
        let ty = &schema.types[fixture::type_id(&schema, "Product")];
        for (name, content_type, body, expected) in cases {
            let property = &ty.properties[ty.property(name).unwrap()];
            let value = read(property, *content_type, body).map_err(|fault| fault.kind.code);
            assert_eq!(value, *expected, "{name} {content_type:?}");
        }
    }
}

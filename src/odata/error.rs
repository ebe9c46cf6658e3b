//! Bodies of errors: JSON light (JL-14), verbose JSON, which has no `d` around them (VJ-11), and XML (ATM-33). Position and property of a fault stand in `innererror`, where clients that do
//! not know them pass over them; in JSON the message stands there too (ERR-3).

use super::accept::Syntax;
use super::json::write_string;
use super::xml_text::{XML_HEAD, write_text};
use crate::model::fault::Fault;

/// Writes the body of an error: XML for [`Syntax::Xml`], else JSON of one kind or the other. The media type is that of the negotiated choice
/// ([`accept::for_error`](super::accept::for_error)).
pub fn write(fault: &Fault, syntax: Syntax) -> Vec<u8> {
    match syntax {
        Syntax::Xml => xml(fault),
        Syntax::Verbose => json(fault, "error"),
        _ => json(fault, "odata.error"),
    }
}

fn json(fault: &Fault, name: &str) -> Vec<u8> {
    let mut out = format!("{{\"{name}\":{{\"code\":").into_bytes();
    write_string(fault.kind.code, &mut out);
    out.extend_from_slice(b",\"message\":{\"lang\":\"en-US\",\"value\":");
    write_string(&fault.message, &mut out);
    out.push(b'}');
    let position = fault.position.map(|position| format!("\"position\":{position}"));
    let property = fault.property.as_deref().map(|property| {
        let mut member = b"\"property\":".to_vec();
        write_string(property, &mut member);
        String::from_utf8(member).unwrap_or_default()
    });
    let inner: Vec<String> = position.into_iter().chain(property).collect();
    if !inner.is_empty() {
        // Breeze shows the innermost message and no other.
        out.extend_from_slice(b",\"innererror\":{\"message\":");
        write_string(&fault.message, &mut out);
        out.extend_from_slice(format!(",{}}}", inner.join(",")).as_bytes());
    }
    out.extend_from_slice(b"}}");
    out
}

fn xml(fault: &Fault) -> Vec<u8> {
    let mut out = XML_HEAD.to_vec();
    out.extend_from_slice(b"<m:error xmlns:m=\"http://schemas.microsoft.com/ado/2007/08/dataservices/metadata\"><m:code>");
    write_text(fault.kind.code, &mut out);
    out.extend_from_slice(b"</m:code><m:message xml:lang=\"en-US\">");
    write_text(&fault.message, &mut out);
    out.extend_from_slice(b"</m:message>");
    if fault.position.is_some() || fault.property.is_some() {
        out.extend_from_slice(b"<m:innererror>");
        if let Some(position) = fault.position {
            out.extend_from_slice(format!("<m:position>{position}</m:position>").as_bytes());
        }
        if let Some(property) = &fault.property {
            out.extend_from_slice(b"<m:property>");
            write_text(property, &mut out);
            out.extend_from_slice(b"</m:property>");
        }
        out.extend_from_slice(b"</m:innererror>");
    }
    out.extend_from_slice(b"</m:error>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault;

    #[test]
    fn bodies() {
        let plain = || Fault::new(&fault::NOT_FOUND, "There is no \"x\" & <y>\u{1}.");
        let cases = [
            (
                plain(),
                r#"{"odata.error":{"code":"not_found","message":{"lang":"en-US","value":"There is no \"x\" & <y>\u0001."}}}"#,
                "<m:code>not_found</m:code><m:message xml:lang=\"en-US\">There is no \"x\" &amp; &lt;y&gt;.</m:message></m:error>",
            ),
            (
                Fault::new(&fault::BAD_VALUE, "No.").at(8).of("Name"),
                r#"{"odata.error":{"code":"bad_value","message":{"lang":"en-US","value":"No."},"innererror":{"message":"No.","position":8,"property":"Name"}}}"#,
                "<m:message xml:lang=\"en-US\">No.</m:message><m:innererror><m:position>8</m:position><m:property>Name</m:property></m:innererror></m:error>",
            ),
            (
                Fault::new(&fault::BAD_VALUE, "No.").of("a\"b"),
                r#"{"odata.error":{"code":"bad_value","message":{"lang":"en-US","value":"No."},"innererror":{"message":"No.","property":"a\"b"}}}"#,
                "<m:innererror><m:property>a\"b</m:property></m:innererror></m:error>",
            ),
        ];
        for (fault, json, xml) in cases {
            assert_eq!(String::from_utf8(write(&fault, Syntax::Json)).unwrap(), json);
            let verbose = json.replacen("odata.error", "error", 1);
            assert_eq!(String::from_utf8(write(&fault, Syntax::Verbose)).unwrap(), verbose);
            let written = String::from_utf8(write(&fault, Syntax::Xml)).unwrap();
            assert!(written.starts_with("<?xml") && written.ends_with(xml), "{written}");
        }
    }

    #[test]
    fn an_internal_cause_stays_inside() {
        for syntax in [Syntax::Json, Syntax::Xml] {
            let body = String::from_utf8(write(&Fault::internal("secret path"), syntax)).unwrap();
            assert!(body.contains("could not complete") && !body.contains("secret"), "{body}");
        }
    }
}

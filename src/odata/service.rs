//! The service document (SVC-2..SVC-6, SVC-10).

use super::accept::Syntax;
use super::format::{Metadata, Render};
use super::json::write_string;
use super::xml_text::{XML_HEAD, write_attribute, write_text};
use crate::model::schema::SetId;

/// Writes the service document: JSON light, verbose JSON for [`Syntax::Verbose`] (SVC-5), or Atom for [`Syntax::Xml`]. `is_visible` says which sets this caller may read (SVC-6).
pub fn write(render: &Render<'_>, syntax: Syntax, is_visible: &dyn Fn(SetId) -> bool) -> Vec<u8> {
    let names: Vec<String> = render.schema.endpoints[render.endpoint]
        .sets
        .iter()
        .filter(|set| is_visible(**set))
        .map(|&set| {
            let mut name = Vec::new();
            render.write_set_name(set, &mut name);
            String::from_utf8(name).unwrap_or_default()
        })
        .collect();
    match syntax {
        Syntax::Xml => atom(render.root, &names),
        Syntax::Verbose => verbose(&names),
        _ => json(render, &names),
    }
}

fn json(render: &Render<'_>, names: &[String]) -> Vec<u8> {
    let mut out = b"{".to_vec();
    if render.level != Metadata::None {
        out.extend_from_slice(b"\"odata.metadata\":");
        write_string(&format!("{}$metadata", render.root), &mut out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"value\":[");
    for (index, name) in names.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"name\":" } else { b"{\"name\":" });
        write_string(name, &mut out);
        out.extend_from_slice(b",\"url\":");
        write_string(name, &mut out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

fn verbose(names: &[String]) -> Vec<u8> {
    let mut out = b"{\"d\":{\"EntitySets\":[".to_vec();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, &mut out);
    }
    out.extend_from_slice(b"]}}");
    out
}

fn atom(root: &str, names: &[String]) -> Vec<u8> {
    let mut out = XML_HEAD.to_vec();
    out.extend_from_slice(b"<service xmlns=\"http://www.w3.org/2007/app\" xmlns:atom=\"http://www.w3.org/2005/Atom\" xml:base=\"");
    write_attribute(root, &mut out);
    out.extend_from_slice(b"\"><workspace><atom:title>Default</atom:title>");
    for name in names {
        out.extend_from_slice(b"<collection href=\"");
        write_attribute(name, &mut out);
        out.extend_from_slice(b"\"><atom:title>");
        write_text(name, &mut out);
        out.extend_from_slice(b"</atom:title></collection>");
    }
    out.extend_from_slice(b"</workspace></service>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::fixture::{set_id, shop};

    #[test]
    fn all_formats() {
        let mut schema = shop();
        let container = crate::model::schema::Container {
            namespace: "Shop".to_owned(),
            name: "Other".to_owned(),
        };
        schema.endpoints[0].containers.push(container);
        let (bags, suppliers) = (set_id(&schema, "Bags"), set_id(&schema, "Suppliers"));
        schema.sets[bags].container = 1;
        let render = Render::new(&schema, 0, "http://host/a&b/", Metadata::Minimal);
        let is_visible = |set: SetId| set == bags || set == suppliers;
        let body = |render: &Render<'_>, syntax| String::from_utf8(write(render, syntax, &is_visible)).unwrap();
        let sets = r#""value":[{"name":"Suppliers","url":"Suppliers"},{"name":"Other.Bags","url":"Other.Bags"}]}"#;
        assert_eq!(
            body(&render, Syntax::Json),
            format!(r#"{{"odata.metadata":"http://host/a&b/$metadata",{sets}"#)
        );
        let atom = concat!(
            r#"<?xml version="1.0" encoding="utf-8"?>"#,
            r#"<service xmlns="http://www.w3.org/2007/app" xmlns:atom="http://www.w3.org/2005/Atom" xml:base="http://host/a&amp;b/">"#,
            r#"<workspace><atom:title>Default</atom:title>"#,
            r#"<collection href="Suppliers"><atom:title>Suppliers</atom:title></collection>"#,
            r#"<collection href="Other.Bags"><atom:title>Other.Bags</atom:title></collection></workspace></service>"#
        );
        assert_eq!(body(&render, Syntax::Xml), atom);
        assert_eq!(body(&render, Syntax::Verbose), r#"{"d":{"EntitySets":["Suppliers","Other.Bags"]}}"#);
        let none = Render {
            level: Metadata::None,
            ..render
        };
        assert_eq!(body(&none, Syntax::Json), format!("{{{sets}"));
    }
}

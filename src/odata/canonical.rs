//! Canonical JSON: what the cell of a complex property or a collection holds, on both databases.
//!
//! | Edm | JSON |
//! |---|---|
//! | complex | object; members by their names, in declaration order. A member that is left out reads as null. `@type` comes first where the type derives from the declared one |
//! | collection | array |
//! | Boolean | `true`, `false` |
//! | Byte, SByte, Int16, Int32, Int64 | number, all digits |
//! | Time | number: ticks of 100 ns |
//! | Single, Double | number, or `"INF"`, `"-INF"`, `"NaN"` |
//! | Guid, Binary | string of upper-case hexadecimal digits |
//! | String, Decimal, DateTime, DateTimeOffset, spatial | string: the cell's text |
//! | null | `null` |
//!
//! SQL takes members out of it for filters, so every scalar is what the database's JSON functions give for it: comparable as it is,
//! for DateTime and Decimal after the cast that their columns need too.

use super::json::write_string;
use super::json_tree::{self, Json};
use crate::model::edm::{Cell, Edm, Value};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::{ComplexId, Schema, Type};

/// Appends a primitive value.
pub fn write(cell: Cell<'_>, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Boolean(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Cell::Double(value) if value.is_nan() => out.extend_from_slice(b"\"NaN\""),
        Cell::Double(f64::INFINITY) => out.extend_from_slice(b"\"INF\""),
        Cell::Double(f64::NEG_INFINITY) => out.extend_from_slice(b"\"-INF\""),
        Cell::Double(value) => out.extend_from_slice(format!("{value:?}").as_bytes()),
        Cell::Text(value) => write_string(value, out),
        Cell::Bytes(bytes) => {
            out.push(b'"');
            for byte in bytes {
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            out.push(b'"');
        }
    }
}

/// The member that names the type of a complex value which derives from the declared one; no property has such a name.
pub const TYPE_MEMBER: &str = "@type";

/// The type of a complex value: the declared one, or what the value says.
pub fn complex_type(schema: &Schema, declared: ComplexId, json: &Json<'_>) -> ComplexId {
    match json.member(TYPE_MEMBER) {
        Some(Json::String(name)) => schema.complex_of(declared, name).unwrap_or(declared),
        _ => declared,
    }
}

/// Begins a complex value of the type `id` where `declared` is expected.
pub fn begin_complex(schema: &Schema, declared: ComplexId, id: ComplexId, out: &mut Vec<u8>) {
    out.push(b'{');
    if id != declared {
        write_string(TYPE_MEMBER, out);
        out.push(b':');
        write_string(&schema.complex[id].qualified(), out);
    }
}

/// The type that a body names for a complex value (ATM-14, JL-22, VJ-8).
///
/// # Errors
/// `BAD_VALUE`: the type does not derive from the declared one, or is abstract.
pub fn named_complex(schema: &Schema, declared: ComplexId, type_name: Option<&str>, name: &str) -> Outcome<ComplexId> {
    let id = type_name.map_or(Some(declared), |text| schema.complex_of(declared, text.trim_start_matches('#')));
    match id.filter(|&id| !schema.complex[id].is_abstract) {
        Some(id) => Ok(id),
        None => {
            let declared = schema.complex[declared].qualified();
            let message =
                format!("The property `{name}` takes values of {declared}, or of a type that derives from it and is not abstract.");
            Err(Fault::new(&fault::BAD_VALUE, message).of(name))
        }
    }
}

/// A complex value: names, types and values of its members, what is complex or a collection itself as canonical JSON.
pub fn object<'a>(members: impl Iterator<Item = (&'a str, &'a Type, Value)>) -> Value {
    let mut out = b"{".to_vec();
    for (name, ty, value) in members {
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(name, &mut out);
        out.push(b':');
        match (ty.primitive(), &value) {
            (None, Value::Text(json)) => out.extend_from_slice(json.as_bytes()),
            _ => write(value.cell(), &mut out),
        }
    }
    out.push(b'}');
    String::from_utf8(out).map_or(Value::Null, Value::Text)
}

/// Reads a primitive value; what does not fit the type, which this server never writes, is null.
pub fn member(edm: Edm, json: &Json<'_>) -> Value {
    match (edm, json) {
        (Edm::Boolean, Json::Boolean(value)) => Value::Boolean(*value),
        (Edm::Single | Edm::Double, Json::Number(text)) => text.parse().map_or(Value::Null, Value::Double),
        (Edm::Single | Edm::Double, Json::String(text)) => match text.as_ref() {
            "INF" => Value::Double(f64::INFINITY),
            "-INF" => Value::Double(f64::NEG_INFINITY),
            "NaN" => Value::Double(f64::NAN),
            _ => Value::Null,
        },
        (Edm::Guid | Edm::Binary, Json::String(text)) => unhex(text).map_or(Value::Null, Value::Bytes),
        (edm, Json::Number(text)) if edm.integer_range().is_some() || edm == Edm::Time => text.parse().map_or(Value::Null, Value::Integer),
        (_, Json::String(text)) if edm.integer_range().is_none() && edm != Edm::Boolean => Value::Text(text.as_ref().to_owned()),
        _ => Value::Null,
    }
}

/// The member at the end of `path` inside a complex property's cell, of the type `ty`: a primitive's value, or the canonical JSON of
/// what is complex or a collection itself. Null where the way ends.
pub fn follow(json: &str, path: &[String], ty: &Type) -> Value {
    let Ok(whole) = json_tree::parse(json.as_bytes()) else {
        return Value::Null;
    };
    let mut at = &whole;
    for name in path {
        match at.member(name) {
            Some(member) => at = member,
            None => return Value::Null,
        }
    }
    match (ty, at) {
        (_, Json::Null) => Value::Null,
        (Type::Primitive(edm), json) => member(*edm, json),
        (_, json) => text(json),
    }
}

/// What is complex or a collection, as a cell holds it.
pub fn text(json: &Json<'_>) -> Value {
    let mut out = Vec::new();
    write_tree(json, &mut out);
    String::from_utf8(out).map_or(Value::Null, Value::Text)
}

/// A complex value changed by another that has only some members: the others stay, at every level (WR-31).
pub fn merge(current: &str, change: &str) -> String {
    match (json_tree::parse(current.as_bytes()), json_tree::parse(change.as_bytes())) {
        (Ok(mut merged), Ok(change)) => {
            merge_tree(&mut merged, change);
            let mut out = Vec::new();
            write_tree(&merged, &mut out);
            String::from_utf8(out).unwrap_or_else(|_| current.to_owned())
        }
        _ => change.to_owned(),
    }
}

/// A complex value with another value, of the type `ty`, at the end of `path` inside it; with `merge`, a complex one keeps the members
/// that the other lacks (WR-56). None where the way ends before that, because there is null.
pub fn put(current: &str, path: &[String], ty: &Type, value: Cell<'_>, merge: bool) -> Option<String> {
    let mut change = Vec::new();
    match (ty.primitive(), value) {
        (None, Cell::Text(json)) => change.extend_from_slice(json.as_bytes()),
        _ => write(value, &mut change),
    }
    let mut whole = json_tree::parse(current.as_bytes()).ok()?;
    let change = json_tree::parse(&change).ok()?;
    let (last, way) = path.split_last()?;
    let mut at = &mut whole;
    for name in way {
        let Json::Object(members) = at else { return None };
        at = members.iter_mut().find(|(member, _)| member == name).map(|(_, member)| member)?;
    }
    let Json::Object(members) = at else { return None };
    match members.iter_mut().find(|(member, _)| member == last) {
        Some((_, member)) if merge => merge_tree(member, change),
        Some((_, member)) => *member = change,
        None => members.push((last.as_str().into(), change)),
    }
    let mut out = Vec::new();
    write_tree(&whole, &mut out);
    String::from_utf8(out).ok()
}

/// A complex value, or a collection of such, with its members in declaration order and every one that is left out with its default
/// (WR-19). Of what takes null, nothing is said.
///
/// # Errors
/// `MISSING_PROPERTY` for a required member, named by its path from `name`.
pub fn complete(schema: &Schema, ty: &Type, name: &str, json: &str) -> Outcome<String> {
    let mut out = Vec::with_capacity(json.len());
    write_complete(schema, ty, name, &json_tree::parse(json.as_bytes())?, &mut out)?;
    String::from_utf8(out).map_err(Fault::internal)
}

fn write_complete(schema: &Schema, ty: &Type, name: &str, json: &Json<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    match (ty, json) {
        (Type::Collection(item), Json::Array(items)) => {
            out.push(b'[');
            for (index, json) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_complete(schema, item, name, json, out)?;
            }
            out.push(b']');
        }
        (Type::Complex(declared), Json::Object(_)) => {
            let id = complex_type(schema, *declared, json);
            begin_complex(schema, *declared, id, out);
            for property in &schema.complex[id].properties {
                let (path, start) = (format!("{name}/{}", property.name), out.len());
                if !out.ends_with(b"{") {
                    out.push(b',');
                }
                write_string(&property.name, out);
                out.push(b':');
                match (json.member(&property.name), &property.default) {
                    (Some(json), _) => write_complete(schema, &property.ty, &path, json, out)?,
                    (None, Some(Value::Text(json))) if property.ty.primitive().is_none() => out.extend_from_slice(json.as_bytes()),
                    (None, Some(default)) => write(default.cell(), out),
                    (None, None) if property.nullable => out.truncate(start),
                    (None, None) => return Err(Fault::new(&fault::MISSING_PROPERTY, format!("{path} is required.")).of(path)),
                }
            }
            out.push(b'}');
        }
        (_, json) => write_tree(json, out),
    }
    Ok(())
}

fn merge_tree<'a>(current: &mut Json<'a>, change: Json<'a>) {
    match (current, change) {
        (Json::Object(members), Json::Object(changes)) => {
            for (name, value) in changes {
                match members.iter_mut().find(|(member, _)| *member == name) {
                    Some((_, member)) => merge_tree(member, value),
                    None => members.push((name, value)),
                }
            }
        }
        (current, change) => *current = change,
    }
}

/// Writes what was read. The depth is bounded by the parser.
fn write_tree(json: &Json<'_>, out: &mut Vec<u8>) {
    match json {
        Json::Null => write(Cell::Null, out),
        Json::Boolean(value) => write(Cell::Boolean(*value), out),
        Json::Number(text) => out.extend_from_slice(text.as_bytes()),
        Json::String(text) => write_string(text, out),
        Json::Array(items) => {
            out.push(b'[');
            for (index, json) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_tree(json, out);
            }
            out.push(b']');
        }
        Json::Object(members) => {
            out.push(b'{');
            for (index, (name, json)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write_tree(json, out);
            }
            out.push(b'}');
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok());
    rest.is_empty().then(|| bytes.collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::json_tree;

    #[test]
    fn a_change_keeps_the_members_it_does_not_name() {
        for (current, change, expected) in [
            (
                r#"{"a":1,"b":{"c":2,"d":3}}"#,
                r#"{"b":{"d":null}}"#,
                r#"{"a":1,"b":{"c":2,"d":null}}"#,
            ),
            (r#"{"a":1}"#, r#"{"b":[1]}"#, r#"{"a":1,"b":[1]}"#),
            (r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, r#"{"a":[3]}"#),
            (r#"{"a":null}"#, r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#),
        ] {
            assert_eq!(merge(current, change), expected);
        }
    }

    #[test]
    fn a_member_is_put_into_a_value() {
        let (text, number, complex) = (Type::Primitive(Edm::String), Type::Primitive(Edm::Int32), Type::Complex(0));
        let cases: &[(&str, &str, &Type, Cell<'_>, bool, Option<&str>)] = &[
            (r#"{"a":1}"#, "a", &number, Cell::Integer(2), false, Some(r#"{"a":2}"#)),
            (r#"{"a":1}"#, "b", &text, Cell::Text("x\"y"), false, Some(r#"{"a":1,"b":"x\"y"}"#)),
            (
                r#"{"a":{"b":1,"c":2}}"#,
                "a/b",
                &number,
                Cell::Null,
                false,
                Some(r#"{"a":{"b":null,"c":2}}"#),
            ),
            (
                r#"{"a":{"b":1,"c":2}}"#,
                "a",
                &complex,
                Cell::Text(r#"{"b":3}"#),
                false,
                Some(r#"{"a":{"b":3}}"#),
            ),
            (
                r#"{"a":{"b":1,"c":2}}"#,
                "a",
                &complex,
                Cell::Text(r#"{"b":3}"#),
                true,
                Some(r#"{"a":{"b":3,"c":2}}"#),
            ),
            (
                r#"{"a":null}"#,
                "a",
                &complex,
                Cell::Text(r#"{"b":3}"#),
                true,
                Some(r#"{"a":{"b":3}}"#),
            ),
            (r#"{"a":null}"#, "a/b", &number, Cell::Integer(1), false, None),
            (r#"{}"#, "a/b", &number, Cell::Integer(1), false, None),
            ("damaged", "a", &number, Cell::Integer(1), false, None),
        ];
        for (current, path, ty, value, merge, expected) in cases {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(put(current, &path, ty, *value, *merge).as_deref(), *expected, "{current} {path:?}");
        }
    }

    #[test]
    fn written_and_read_back() {
        let cases = [
            (Edm::Boolean, Value::Boolean(true), "true"),
            (Edm::Int64, Value::Integer(i64::MIN), "-9223372036854775808"),
            (Edm::Time, Value::Integer(-10_000_000), "-10000000"),
            (Edm::Double, Value::Double(0.1), "0.1"),
            (Edm::Double, Value::Double(1e300), "1e300"),
            (Edm::Double, Value::Double(f64::NEG_INFINITY), "\"-INF\""),
            (Edm::Decimal, Value::Text("2.50".into()), "\"2.50\""),
            (
                Edm::DateTime,
                Value::Text("2024-01-02T03:04:05.0000000".into()),
                "\"2024-01-02T03:04:05.0000000\"",
            ),
            (Edm::String, Value::Text("a\"\u{1}ä".into()), "\"a\\\"\\u0001ä\""),
            (Edm::Binary, Value::Bytes(vec![0, 0xAB]), "\"00AB\""),
            (Edm::String, Value::Null, "null"),
        ];
        for (edm, value, json) in cases {
            let mut out = Vec::new();
            write(value.cell(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), json);
            assert_eq!(member(edm, &json_tree::parse(json.as_bytes()).unwrap()), value, "{json}");
        }
    }

    #[test]
    fn what_does_not_fit_is_null() {
        for (edm, json) in [
            (Edm::Int32, "\"1\""),
            (Edm::Int32, "1.5"),
            (Edm::Guid, "\"0\""),
            (Edm::Guid, "\"ä0\""),
            (Edm::String, "1"),
            (Edm::Boolean, "\"true\""),
            (Edm::Double, "\"x\""),
        ] {
            assert_eq!(member(edm, &json_tree::parse(json.as_bytes()).unwrap()), Value::Null, "{json}");
        }
    }

    #[test]
    fn members_of_complex_values() {
        let json = r#"{"City":"a\"b","Zip":1,"Lines":["x",{"y":[null,true,1.50]}],"Country":{"Code":"AT"},"None":null}"#;
        let text = Type::Primitive(Edm::String);
        let other = Type::Complex(0);
        let cases: &[(&str, &Type, Value)] = &[
            ("City", &text, Value::Text("a\"b".into())),
            ("Zip", &Type::Primitive(Edm::Int32), Value::Integer(1)),
            ("Country/Code", &text, Value::Text("AT".into())),
            ("Country", &other, Value::Text(r#"{"Code":"AT"}"#.into())),
            ("Lines", &other, Value::Text(r#"["x",{"y":[null,true,1.50]}]"#.into())),
            ("None", &other, Value::Null),
            ("Gone/Code", &text, Value::Null),
            ("City/Code", &text, Value::Null),
        ];
        for (path, ty, expected) in cases {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(follow(json, &path, ty), *expected, "{path:?}");
        }
        assert_eq!(follow("damaged", &[], &text), Value::Null);
    }
}

//! Texts and literals of values, through the library: `odonata::model::text` and `odonata::odata::literal`.

use std::collections::BTreeMap;

use odonata::model::edm::{Edm, Value};
use odonata::model::text;
use odonata::odata::literal::{literal, natural, to_value};
use serde_json::Value as Json;

use super::{Vector, Verdict, verbose};

/// Runs the rows of the file.
pub fn run(vectors: &[&Vector], verdicts: &mut BTreeMap<String, Verdict>) {
    for vector in vectors {
        verdicts.insert(vector.id.clone(), judge(vector));
    }
}

fn judge(vector: &Vector) -> Verdict {
    let (input, expect) = (vector.input(), vector.expect());
    if let Some(lone) = input.as_str() {
        let valid = literal(lone).is_ok_and(|(rest, literal)| rest.is_empty() && natural(&literal).is_some());
        return valid_as_expected(expect, valid, lone);
    }
    if vector.note().contains("facet:") && input.get("to").is_none() {
        return Verdict::out("facets are checked where a property is known (bodies), not where a text is read");
    }
    if let Some(target) = input["target"].as_str() {
        let Some(edm) = edm(target) else {
            return Verdict::out("a type of the source's own");
        };
        let text = input["uri_literal"].as_str().unwrap_or_default();
        let value = read_literal(text, edm);
        if let (Some(value), Some(expected)) = (&value, expect["text"].as_str()) {
            let written = write(edm, value);
            // `1.0` and `1` are one number.
            let same = written == expected || text::parse(edm, expected).as_ref() == Some(value);
            return Verdict::when(same, || format!("`{text}` for {target} is {written}"));
        }
        return valid_as_expected(expect, value.is_some(), &format!("{text} for {target}"));
    }
    let Some(edm) = input["type"].as_str().and_then(edm) else {
        return Verdict::out("a type of the source's own");
    };
    if [&input["to"], &input["from"]].into_iter().any(|form| form == "json-verbose") {
        return verbose::literal(input, expect, edm, from_json(edm, &input["value"]));
    }
    if let Some(form) = input["from"].as_str() {
        let text = input["text"].as_str().unwrap_or_default();
        let value = if form == "uri" {
            read_literal(text, edm)
        } else {
            text::parse(edm, text)
        };
        return valid_as_expected(expect, value.is_some_and(|value| !value.is_null()), &format!("{text} of {edm}"));
    }
    let Some(value) = from_json(edm, &input["value"]) else {
        return Verdict::out("the value has no text of its own in the vectors");
    };
    let uri = expect["uri_literal"].as_str();
    let expected = uri.or_else(|| expect["text"].as_str()).unwrap_or_default();
    let is_literal = uri.is_some() || input["to"] == "uri";
    let mut written = Vec::new();
    if is_literal {
        text::write_literal(edm, value.cell(), &mut written);
    } else {
        text::write(edm, value.cell(), &mut written);
    }
    let written = String::from_utf8_lossy(&written).into_owned();
    let again = if is_literal {
        read_literal(expected, edm)
    } else {
        text::parse(edm, expected)
    };
    // Another spelling of the same value is as good; the vectors' own numbers have been through JSON.
    let same = match (&again, &value) {
        (Some(Value::Double(left)), Value::Double(right)) => left == right || (left - right).abs() <= right.abs() * 1e-15,
        (again, value) => again.as_ref() == Some(value),
    };
    Verdict::when(written == expected || same, || {
        format!("{edm}: wrote `{written}`, expected `{expected}`")
    })
}

fn valid_as_expected(expect: &Json, valid: bool, text: &str) -> Verdict {
    let right = match &expect["valid"] {
        Json::Array(any) => any.contains(&Json::Bool(valid)),
        expected => *expected == Json::Bool(valid),
    };
    Verdict::when(right, || format!("`{text}` is {}", if valid { "taken" } else { "refused" }))
}

fn read_literal(text: &str, edm: Edm) -> Option<Value> {
    let (rest, literal) = literal(text).ok()?;
    to_value(&literal, edm).filter(|_| rest.is_empty())
}

fn write(edm: Edm, value: &Value) -> String {
    let mut out = Vec::new();
    text::write(edm, value.cell(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn edm(name: &str) -> Option<Edm> {
    Edm::from_name(name.strip_prefix("Edm.")?)
}

/// A value of the vectors: JSON, or text.
fn from_json(edm: Edm, value: &Json) -> Option<Value> {
    match value {
        Json::String(text) => text::parse(edm, text),
        Json::Bool(value) => text::parse(edm, &value.to_string()),
        Json::Number(value) => text::parse(edm, &value.to_string()),
        Json::Object(_) => value["hex"].as_str().and_then(text::parse_hex).map(Value::Bytes),
        _ => None,
    }
}

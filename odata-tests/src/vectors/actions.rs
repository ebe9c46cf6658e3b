//! Bodies of actions, read by the library: the parameters that each must give.

use std::collections::BTreeMap;

use odonata::model::edm::Value;
use odonata::model::schema::Schema;
use odonata::model::target::{Call, Then};
use odonata::odata::argument::of_body;
use odonata::plugin::{Source, load_sources};
use serde_json::Value as Json;

use super::{Vector, Verdict};

/// The actions of the source's model, told apart by their parameters.
const MODEL: &str = r#"
[complex.Address]
properties.StreetAddress = { type = "String" }
properties.City = { type = "String" }
properties.State = { type = "String" }
properties.ZipCode = { type = "Int32" }
[[operation]]
name = "Act"
parameters = [{ name = "Quantity", type = "Int32" }, { name = "ProductCode", type = "String" }]
[[operation]]
name = "Act"
parameters = [{ name = "Quantity", type = "Int32" }, { name = "Address", type = "Address" }]
[[operation]]
name = "Act"
parameters = [{ name = "Name", type = "String" }, { name = "Ratings", type = "Collection(Int32)" }]
[[operation]]
name = "Act"
parameters = [{ name = "Name", type = "String" }, { name = "Addresses", type = "Collection(Address)" }]
"#;

/// Runs the rows that have a body of parameters.
pub fn run(vectors: &[&Vector], verdicts: &mut BTreeMap<String, Verdict>) {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let files = vec![
        file("endpoint.toml", "endpoint = \"Actions\"\ntitle = \"Actions\""),
        file("model.toml", MODEL),
    ];
    let schema = load_sources(vec![Source { files }]).expect("the model is good");
    for vector in vectors {
        if let Some(body) = vector.input()["action_parameters"].as_str() {
            verdicts.insert(vector.id.clone(), body_of(&schema, vector, body));
        }
    }
}

fn body_of(schema: &Schema, vector: &Vector, body: &str) -> Verdict {
    let operations = &schema.endpoints[0].operations;
    let call = Call {
        overloads: (0..operations.len()).collect(),
        binding: None,
        arguments: Vec::new(),
        then: Then::Whole,
        is_end: true,
    };
    let (chosen, values) = match of_body(schema, 0, &call, body.as_bytes()) {
        Ok(chosen) => chosen,
        Err(fault) => return Verdict::when(vector.expect()["status"] == fault.kind.status, || fault.message.into_owned()),
    };
    let names = operations[chosen].arguments().iter().map(|parameter| parameter.name.clone());
    let found: serde_json::Map<String, Json> = names.zip(values.iter().map(json)).collect();
    Verdict::when(vector.expect()["parameters"] == Json::Object(found.clone()), || {
        format!("{found:?}")
    })
}

fn json(value: &Value) -> Json {
    match value {
        Value::Integer(value) => (*value).into(),
        Value::Text(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        other => format!("{other:?}").into(),
    }
}

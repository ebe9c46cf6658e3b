//! `$filter` over HTTP: the record is posted, the filter run, and what it selects compared.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Vector, Verdict};
use crate::client::{Client, encode_all};
use crate::database::System;
use crate::fixture::{Fixture, Site};

const NAMESPACE: &str = "System.Web.Http.OData.Query.Expressions";

/// The three collections of a category, and the key that puts a product into each.
const COLLECTIONS: &[(&str, &str)] = &[
    ("Products", "CategoryID"),
    ("EnumerableProducts", "EnumerableCategoryID"),
    ("QueryableProducts", "QueryableCategoryID"),
];

/// Runs the filters of both files.
pub fn run(webapi: &[&Vector], olingo: &[&Vector], system: System, verdicts: &mut BTreeMap<String, Verdict>) {
    let names = ["webapi".to_owned(), "astoria".to_owned()];
    let fixture = Fixture::prepare(&names, &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    let site = fixture.serve(&[]).expect("the server starts");
    let mut runner = Runner {
        client: site.server.admin(),
        _site: &site,
        category: 1_000,
    };
    for vector in webapi {
        verdicts.insert(vector.id.clone(), runner.webapi(vector));
    }
    for vector in olingo.iter().filter(|vector| vector.kind == "filter-valid") {
        verdicts.insert(vector.id.clone(), runner.olingo(vector));
    }
}

struct Runner<'a> {
    client: Client,
    _site: &'a Site,
    /// The next category's key.
    category: i64,
}

impl Runner<'_> {
    fn webapi(&mut self, vector: &Vector) -> Verdict {
        let input = vector.input().as_str().unwrap_or_default();
        let model = vector.row["model"].as_str().unwrap_or_default();
        if vector.kind == "literal" {
            return self.answers(200, "WebApi/Products", &format!("DiscontinuedOffset gt {input}"));
        }
        let set = match model {
            "Product" | "DerivedProduct" => "WebApi/Products",
            "DataTypes" => "WebApi/DataTypes",
            _ if vector.expect()["records"][0]["CustomerId"].is_number() => "WebApi/Customers",
            _ => return Verdict::out("an enumeration: v3 has none, kinds and states are strings (design 5)"),
        };
        if vector.kind == "filter-invalid" {
            return self.answers(400, set, input);
        }
        if let Some(records) = vector.expect()["records"].as_array() {
            return self.records(vector, set, "CustomerId", records);
        }
        let Some(record) = vector.expect()["record"].as_object() else {
            return self.answers(200, set, input);
        };
        let (key, name) = match (set, self.create(set, record)) {
            ("WebApi/DataTypes", Ok(key)) => (key, "Id"),
            (_, Ok(key)) => (key, "ProductID"),
            (_, Err(what)) => return Verdict::Fail(what),
        };
        let expected = vector.expect()["selected"].as_bool().unwrap_or_default();
        match self.selected(set, name, &format!("{name} eq {key} and ({input})")) {
            Ok(ids) => Verdict::when(ids.is_empty() != expected, || format!("`{input}` selected: {}", !ids.is_empty())),
            Err(what) => Verdict::Fail(what),
        }
    }

    fn olingo(&mut self, vector: &Vector) -> Verdict {
        let model = vector.row["model"].as_str().unwrap_or_default();
        let name = model
            .trim_start_matches("AstoriaDefaultService ")
            .split('(')
            .next()
            .unwrap_or_default();
        let records = vector.expect()["records"].as_array().cloned().unwrap_or_default();
        let key = vector.expect()["key"].as_str().unwrap_or_default().to_owned();
        self.records(vector, &format!("Astoria/{name}"), &key, &records)
    }

    /// The records (those that are not there yet) and the ids that the filter selects among them.
    fn records(&mut self, vector: &Vector, set: &str, key: &str, records: &[Value]) -> Verdict {
        for record in records {
            let mut body = record.clone();
            let orders = body["Orders"].as_array().cloned().unwrap_or_default();
            if let Some(members) = body.as_object_mut() {
                members.shift_remove("Orders");
                members.retain(|name, value| !(name == "Aliases" && value.is_null()));
            }
            if let Err(what) = self.post(set, &body) {
                return Verdict::Fail(what);
            }
            for mut order in orders {
                order["CustomerId"] = record[key].clone();
                if let Err(what) = self.post("WebApi/Orders", &order) {
                    return Verdict::Fail(what);
                }
            }
        }
        let among: Vec<String> = records.iter().map(|record| format!("{key} eq {}", record[key])).collect();
        let filter = format!("({}) and ({})", among.join(" or "), vector.input().as_str().unwrap_or_default());
        let mut expected: Vec<i64> = vector.expect()["selected_ids"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_i64)
            .collect();
        expected.sort_unstable();
        match self.selected(set, key, &filter) {
            Ok(ids) => Verdict::when(ids == expected, || format!("selected {ids:?}, expected {expected:?}")),
            Err(what) => Verdict::Fail(what),
        }
    }

    /// Posts a record with what hangs on it, and says its key.
    fn create(&mut self, set: &str, record: &Map<String, Value>) -> Result<i64, String> {
        let mut body = typed(record);
        let Some(category) = body.shift_remove("Category") else {
            return self.post(set, &Value::Object(body));
        };
        let mut row = typed(category.as_object().ok_or("a category is an object")?);
        let key = row.get("CategoryID").and_then(Value::as_i64).unwrap_or_else(|| {
            self.category += 1;
            self.category
        });
        row.insert("CategoryID".to_owned(), json!(key));
        let mut products = Vec::new();
        for (name, foreign) in COLLECTIONS {
            for product in row
                .shift_remove(*name)
                .and_then(|items| items.as_array().cloned())
                .unwrap_or_default()
            {
                let mut product = typed(product.as_object().ok_or("a product is an object")?);
                product.insert((*foreign).to_owned(), json!(key));
                products.push(Value::Object(product));
            }
        }
        self.post("WebApi/Categories", &Value::Object(row))?;
        for product in products {
            self.post("WebApi/Products", &product)?;
        }
        body.insert("CategoryID".to_owned(), json!(key));
        self.post(set, &Value::Object(body))
    }

    /// Posts an entity and says its key; one that is there already is good.
    fn post(&self, set: &str, body: &Value) -> Result<i64, String> {
        let reply = self.client.post(&format!("/api/{set}"), &body.to_string());
        let reply = reply.map_err(|error| error.to_string())?;
        match reply.status {
            201 => {
                let entity = reply.json();
                let keys = ["ProductID", "Id", "CategoryID", "CustomerId"];
                Ok(keys.iter().find_map(|key| entity[*key].as_i64()).unwrap_or_default())
            }
            409 => Ok(0),
            _ => Err(format!("the record is refused: {} {}", reply.status, message(&reply.json()))),
        }
    }

    fn answers(&self, status: u16, set: &str, filter: &str) -> Verdict {
        match self.client.get(&format!("/api/{set}?$top=1&$filter={}", encode_all(filter))) {
            Ok(reply) => Verdict::when(reply.status == status, || {
                format!("`{filter}`: {} {}", reply.status, message(&reply.json()))
            }),
            Err(error) => Verdict::Fail(error.to_string()),
        }
    }

    fn selected(&self, set: &str, key: &str, filter: &str) -> Result<Vec<i64>, String> {
        let target = format!("/api/{set}?$select={key}&$orderby={key}&$filter={}", encode_all(filter));
        let reply = self.client.get(&target).map_err(|error| error.to_string())?;
        if reply.status != 200 {
            return Err(format!("{} {}", reply.status, message(&reply.json())));
        }
        let body = reply.json();
        Ok(body["value"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item[key].as_i64())
            .collect())
    }
}

/// The record with `@type` as JSON light has it.
fn typed(record: &Map<String, Value>) -> Map<String, Value> {
    let mut body = record.clone();
    if let Some(name) = body.shift_remove("@type") {
        let name = format!("{NAMESPACE}.{}", name.as_str().unwrap_or_default());
        body.insert("odata.type".to_owned(), json!(name));
    }
    body
}

/// The message of an error.
pub fn message(body: &Value) -> String {
    body["odata.error"]["message"]["value"].as_str().unwrap_or_default().to_owned()
}

//! The same answer in JSON light, verbose JSON and Atom, reduced to what it says and compared. The three readers here are written from the
//! documents of the formats and share nothing with the server's.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::{Client, Reply, encode};
use crate::xml::{self, Element};

/// What an answer says, whatever says it. Members that begin with `#` are no properties: `#id`, `#etag`, `#type`, `#count`, `#next`, `#items`.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// No value.
    Null,
    /// A primitive value, as text.
    Text(String),
    /// An entity or a complex value.
    Object(BTreeMap<String, Node>),
    /// Entities, items or links.
    List(Vec<Node>),
}

/// Asks for the resource again in all formats and compares; the error says which member differs. None when the resource has only one format.
pub fn compare(client: &Client, target: &str, headers: &[(&str, &str)], reply: &Reply) -> Option<Result<(), String>> {
    let is_json = |reply: &Reply| {
        reply
            .header("Content-Type")
            .is_some_and(|kind| kind.starts_with("application/json;odata="))
    };
    let has_format = ["$format", "%24format", "$callback"].iter().any(|option| target.contains(option));
    if reply.status != 200 || !is_json(reply) || has_format {
        return None;
    }
    let kept = headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Accept"));
    let is_versioned = kept.clone().any(|(name, _)| name.to_ascii_lowercase().contains("version"));
    (!is_versioned).then(|| all_formats(client, target, &kept.copied().collect::<Vec<_>>()))
}

fn all_formats(client: &Client, target: &str, more: &[(&str, &str)]) -> Result<(), String> {
    let ask = |accept: &str| {
        // Verbose JSON of version 3.0 has dates to the last digit.
        let mut headers = vec![
            ("Accept", accept),
            ("MinDataServiceVersion", "3.0"),
            ("MaxDataServiceVersion", "3.0"),
        ];
        headers.extend(more);
        let reply = client
            .send("GET", &encode(target), &headers, None)
            .map_err(|error| error.to_string())?;
        match reply.status {
            200 => Ok(reply.text()),
            status => Err(format!("{accept}: {status} {}", reply.text().chars().take(300).collect::<String>())),
        }
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let document = xml::parse(&ask("application/atom+xml,application/xml")?)?;
    if document.local() == "service" {
        return Ok(());
    }
    let atom = of_document(&document);
    let light = of_light(&json(&ask("application/json;odata=fullmetadata")?)?, &document);
    let verbose = of_verbose(&json(&ask("application/json;odata=verbose")?)?["d"], &document);
    for (name, other) in [("verbose JSON", &verbose), ("Atom", &atom)] {
        difference("", &light, other).map_or(Ok(()), |what| Err(format!("JSON light and {name}: {what}")))?;
    }
    Ok(())
}

/// The first difference of two answers.
fn difference(path: &str, left: &Node, right: &Node) -> Option<String> {
    match (left, right) {
        (Node::Object(left), Node::Object(right)) => {
            let names: Vec<&String> = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name))).collect();
            names.into_iter().find_map(|name| {
                let inner = format!("{path}/{name}");
                match (left.get(name), right.get(name)) {
                    // The clock of the answer.
                    (Some(Node::Text(_)), Some(Node::Text(_))) if inner == "/At" => None,
                    (Some(left), Some(right)) => difference(&inner, left, right),
                    (Some(only), None) => Some(format!("{inner} is only in the first: {only:?}")),
                    (_, only) => Some(format!("{inner} is only in the second: {only:?}")),
                }
            })
        }
        (Node::List(left), Node::List(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(at, (left, right))| difference(&format!("{path}/{at}"), left, right))
        }
        (Node::Text(left), Node::Text(right)) if same_text(left, right) => None,
        // XML has no sign that a collection of no items is one.
        (Node::List(items), Node::Text(text)) if items.is_empty() && text.is_empty() => None,
        (left, right) => (left != right).then(|| format!("{path}: {left:?} and {right:?}")),
    }
}

/// Formats write floating numbers and infinity in ways of their own (PRM-31).
fn same_text(left: &str, right: &str) -> bool {
    // XML has no place for control characters.
    let name = |text: &str| {
        text.replace("Infinity", "INF")
            .replace(|c: char| c < ' ' && !"\t\r\n".contains(c), "")
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|_| text.contains(['.', 'e', 'E']));
    let close = || match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(a), Ok(b)) if number(left).is_some() || number(right).is_some() => a == b && left.len() < 26,
        _ => false,
    };
    name(left) == name(right) || close()
}

// JSON light

fn of_light(json: &Value, document: &Element) -> Node {
    match document.local() {
        "feed" => {
            let mut feed = BTreeMap::from([("#items".to_owned(), light_value(&json["value"]))]);
            feed_members(&mut feed, &json["odata.count"], &json["odata.nextLink"]);
            Node::Object(feed)
        }
        "entry" => light_value(json),
        "links" => {
            let urls = json["value"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|link| scalar(&link["url"]))
                .collect();
            let mut links = BTreeMap::from([("#items".to_owned(), Node::List(urls))]);
            feed_members(&mut links, &json["odata.count"], &json["odata.nextLink"]);
            Node::Object(links)
        }
        "uri" => scalar(&json["url"]),
        _ if json["odata.null"] == true => Node::Null,
        _ => match json.get("value") {
            Some(value) => light_value(value),
            None => light_value(json),
        },
    }
}

fn feed_members(node: &mut BTreeMap<String, Node>, count: &Value, next: &Value) {
    if !count.is_null() {
        node.insert("#count".to_owned(), scalar(count));
    }
    // The token is made anew for each answer, but always for the same row.
    if let Some(next) = next.as_str() {
        node.insert("#next".to_owned(), Node::Text(next.to_owned()));
    }
}

fn scalar(value: &Value) -> Node {
    match value {
        Value::Null => Node::Null,
        Value::String(text) => Node::Text(text.clone()),
        other => Node::Text(other.to_string()),
    }
}

fn is_shape(members: &serde_json::Map<String, Value>) -> bool {
    members.contains_key("type") && (members.contains_key("coordinates") || members.contains_key("geometries"))
}

fn shape() -> Node {
    Node::Text("a shape".to_owned())
}

fn light_value(value: &Value) -> Node {
    match value {
        Value::Array(items) => Node::List(items.iter().map(light_value).collect()),
        Value::Object(members) if is_shape(members) => shape(),
        Value::Object(members) => {
            let is_entity = members.contains_key("odata.id");
            let mut node = BTreeMap::new();
            for (name, value) in members {
                match name.as_str() {
                    "odata.id" => drop(node.insert("#id".to_owned(), scalar(value))),
                    "odata.etag" => drop(node.insert("#etag".to_owned(), scalar(value))),
                    "odata.type" if is_entity => drop(node.insert("#type".to_owned(), scalar(value))),
                    name if name.contains(['.', '@', '#']) => {}
                    name => drop(node.insert(name.to_owned(), light_value(value))),
                }
            }
            Node::Object(node)
        }
        other => scalar(other),
    }
}

// Verbose JSON

fn of_verbose(json: &Value, document: &Element) -> Node {
    match document.local() {
        "feed" => {
            let mut feed = BTreeMap::from([("#items".to_owned(), verbose_value(&json["results"]))]);
            feed_members(&mut feed, &json["__count"], &json["__next"]);
            Node::Object(feed)
        }
        "entry" => verbose_value(json),
        "links" => {
            let urls = json["results"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|link| scalar(&link["uri"]))
                .collect();
            let mut links = BTreeMap::from([("#items".to_owned(), Node::List(urls))]);
            feed_members(&mut links, &json["__count"], &json["__next"]);
            Node::Object(links)
        }
        "uri" => scalar(&json["uri"]),
        // A collection of values stands alone, anything else under its name (VJ-9).
        _ if json.get("results").is_some() => verbose_value(json),
        name => verbose_value(&json[name]),
    }
}

fn verbose_value(value: &Value) -> Node {
    match value {
        Value::Array(items) => Node::List(items.iter().map(verbose_value).collect()),
        Value::Object(members) if is_shape(members) => shape(),
        Value::Object(members) if members.contains_key("results") => verbose_value(&members["results"]),
        Value::Object(members) => {
            let mut node = BTreeMap::new();
            for (name, value) in members {
                let is_link = value.get("__deferred").is_some() || value.get("__mediaresource").is_some();
                match name.as_str() {
                    "__metadata" => {
                        let id = value.get("id").or(value.get("uri"));
                        for (member, value) in [("#id", id), ("#etag", value.get("etag")), ("#type", value.get("type"))] {
                            if let (Some(value), true) = (value, id.is_some()) {
                                node.insert(member.to_owned(), scalar(value));
                            }
                        }
                    }
                    _ if is_link => {}
                    name => drop(node.insert(name.to_owned(), verbose_value(value))),
                }
            }
            Node::Object(node)
        }
        other => scalar(other),
    }
}

// Atom

fn of_document(document: &Element) -> Node {
    match document.local() {
        "feed" => atom_feed(document, true),
        "entry" => atom_entry(document),
        "links" => {
            let urls = document.all("uri").map(|uri| Node::Text(uri.text.clone())).collect();
            let mut links = BTreeMap::from([("#items".to_owned(), Node::List(urls))]);
            for (element, member) in [("count", "#count"), ("next", "#next")] {
                if let Some(found) = document.all(element).next() {
                    links.insert(member.to_owned(), Node::Text(found.text.clone()));
                }
            }
            Node::Object(links)
        }
        "uri" => Node::Text(document.text.clone()),
        _ => atom_value(document),
    }
}

fn atom_feed(feed: &Element, is_whole: bool) -> Node {
    let items = Node::List(feed.all("entry").map(atom_entry).collect());
    if !is_whole {
        return items;
    }
    let mut node = BTreeMap::from([("#items".to_owned(), items)]);
    if let Some(count) = feed.all("count").next() {
        node.insert("#count".to_owned(), Node::Text(count.text.clone()));
    }
    let next = feed.all("link").find(|link| link.attribute("rel") == Some("next"));
    if let Some(href) = next.and_then(|next| next.attribute("href")) {
        node.insert("#next".to_owned(), Node::Text(href.to_owned()));
    }
    Node::Object(node)
}

fn atom_entry(entry: &Element) -> Node {
    let mut node = BTreeMap::new();
    if let Some(id) = entry.all("id").next().filter(|id| !id.text.is_empty()) {
        node.insert("#id".to_owned(), Node::Text(id.text.clone()));
        if let Some(ty) = entry.all("category").next().and_then(|category| category.attribute("term")) {
            node.insert("#type".to_owned(), Node::Text(ty.to_owned()));
        }
    }
    if let Some(etag) = entry.attribute("m:etag") {
        node.insert("#etag".to_owned(), Node::Text(etag.to_owned()));
    }
    for link in entry.all("link") {
        let name = link.attribute("rel").and_then(|rel| rel.rsplit_once("/related/"));
        if let (Some((_, name)), Some(inline)) = (name, link.all("inline").next()) {
            let inside = match inline.children.first() {
                None => Node::Null,
                Some(feed) if feed.local() == "feed" => atom_feed(feed, false),
                Some(entry) => atom_entry(entry),
            };
            node.insert(name.to_owned(), inside);
        }
    }
    let in_content = entry.all("content").flat_map(|content| content.all("properties"));
    for properties in in_content.chain(entry.all("properties")) {
        for property in &properties.children {
            node.insert(property.local().to_owned(), atom_value(property));
        }
    }
    Node::Object(node)
}

fn atom_value(element: &Element) -> Node {
    let is_collection = || element.attribute("m:type").is_some_and(|ty| ty.starts_with("Collection("));
    if element.attribute("m:null") == Some("true") {
        Node::Null
    } else if element.children.first().is_some_and(|child| child.name.starts_with("gml:")) {
        shape()
    } else if is_collection() || (!element.children.is_empty() && element.children.iter().all(|child| child.local() == "element")) {
        Node::List(element.children.iter().map(atom_value).collect())
    } else if !element.children.is_empty() || element.attribute("m:type").is_some_and(|ty| !ty.starts_with("Edm.")) {
        let members = element.children.iter();
        Node::Object(members.map(|child| (child.local().to_owned(), atom_value(child))).collect())
    } else {
        Node::Text(element.text.clone())
    }
}

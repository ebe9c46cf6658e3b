//! Sends requests, from several connections at once and in batches, and tells what somebody sees.

use std::collections::BTreeMap;

use serde_json::Value;

use super::crossings::is_linked;
use super::places::Probe;
use super::site::Site;
use super::{is_owned, key_holders, set_name};
use crate::client::{Client, Reply, encode};
use crate::multipart;

/// Connections at a time.
const CONNECTIONS: usize = 4;
/// Requests in one batch.
const TOGETHER: usize = 150;

/// What was not as it should be.
#[derive(Debug, Clone)]
pub struct Deviation {
    /// Method and path.
    pub place: String,
    /// Who asked.
    pub caller: &'static str,
    /// What should have come back.
    pub expected: String,
    /// What came back.
    pub found: String,
}

impl std::fmt::Display for Deviation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = |text: &str| text.replace('\n', " ").chars().take(220).collect::<String>();
        write!(
            f,
            "{} | {} | expected {} | found {}",
            line(&self.place),
            self.caller,
            line(&self.expected),
            line(&self.found)
        )
    }
}

/// Sends a request.
pub fn send(client: &Client, probe: &Probe) -> Reply {
    let body = probe.body.as_ref().map(String::as_bytes);
    let sent = client.send(probe.method, &encode(&probe.target), &probe.headers, body);
    sent.unwrap_or_else(|error| Reply {
        status: 0,
        headers: Vec::new(),
        body: error.to_string().into_bytes(),
    })
}

/// Does something with each of many things, with a client of its own on each of several threads.
pub fn each<T: Sync>(
    client: &(dyn Fn() -> Client + Sync),
    things: &[T],
    work: &(dyn Fn(&Client, &T) -> Vec<Deviation> + Sync),
) -> Vec<Deviation> {
    let size = things.len().div_ceil(CONNECTIONS).max(1);
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        let parts: Vec<_> = things
            .chunks(size)
            .map(|chunk| {
                scope.spawn(move || {
                    let client = client();
                    chunk.iter().flat_map(|thing| work(&client, thing)).collect::<Vec<_>>()
                })
            })
            .collect();
        for part in parts {
            found.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    found
}

/// Sends requests as parts of batches, a change in a change set of its own, and gives the answers in order.
pub fn in_batches(client: &Client, endpoint: &str, probes: &[&Probe]) -> Result<Vec<(u16, String)>, String> {
    let root = format!("/api/{endpoint}/");
    let mut answers = Vec::new();
    for together in probes.chunks(TOGETHER) {
        let mut body = String::new();
        for (at, probe) in together.iter().enumerate() {
            let target = encode(&probe.target);
            let target = target.strip_prefix(&root).unwrap_or(&target);
            let content = probe.body.clone().unwrap_or_default();
            let headers: String = probe.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = match probe.body.is_some() {
                true => format!("Content-Length: {}\r\n", content.len()),
                false => String::new(),
            };
            let line = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n";
            let request = format!("\r\n{} {target} HTTP/1.1\r\n{headers}{length}\r\n{content}\r\n", probe.method);
            body.push_str(&match probe.method {
                "GET" => format!("--b\r\n{line}{request}"),
                _ => format!(
                    "--b\r\nContent-Type: multipart/mixed; boundary=c{at}\r\n\r\n--c{at}\r\n{line}Content-ID: {at}\r\n{request}--c{at}--\r\n"
                ),
            });
        }
        body.push_str("--b--\r\n");
        let headers = [("Content-Type", "multipart/mixed; boundary=b")];
        let reply = client.send("POST", &format!("{root}$batch"), &headers, Some(body.as_bytes()));
        let reply = reply.map_err(|error| error.to_string())?;
        if reply.status != 202 {
            return Err(format!("{} {}", reply.status, reply.text()));
        }
        let pieces = multipart::read(reply.header("Content-Type").unwrap_or_default(), &reply.text())?;
        let all = pieces.iter().flat_map(multipart::Piece::answers);
        answers.extend(all.map(|answer| (answer.status, answer.body.clone())));
    }
    Ok(answers)
}

/// All that somebody sees of the rows that belong to tenants, or of the others: set by set, page by page, with links and streams.
pub fn dump(site: &Site, name: &str, owned: bool) -> BTreeMap<String, String> {
    let schema = &site.schema;
    let client = site.client(name);
    let mut dump = BTreeMap::new();
    for (set, entry) in schema.sets.iter().enumerate() {
        // What only the server writes, it writes when somebody is refused, too.
        if is_owned(schema, entry.entity_type) != owned || entry.read_only {
            continue;
        }
        let endpoint = &schema.endpoints[entry.endpoint].name;
        let root = format!("/api/{endpoint}/{}", set_name(schema, entry.endpoint, set));
        let entity = &schema.types[entry.entity_type];
        let hidden = entity.navigations.iter().filter(|navigation| {
            is_linked(navigation) || (!navigation.is_many() && key_holders(schema, entry.entity_type, navigation).is_none())
        });
        let hidden: Vec<&str> = hidden.map(|navigation| navigation.name.as_str()).collect();
        let mut next = match hidden.is_empty() {
            true => root.clone(),
            false => format!("{root}?$expand={}", hidden.join(",")),
        };
        for page in 0.. {
            let headers = [("Accept", "application/json;odata=fullmetadata")];
            let reply = client.send("GET", &encode(&next), &headers, None).expect("an answer");
            assert_eq!(reply.status, 200, "{next}: {}", reply.text());
            let json = reply.json();
            let rows = json["value"].as_array().cloned().unwrap_or_default();
            for row in &rows {
                dump.extend(streams(&client, row));
            }
            dump.insert(format!("{root} {page}"), reply.text());
            let Some(link) = json["odata.nextLink"].as_str() else { break };
            next = link.strip_prefix(&site.site.server.base()).unwrap_or(link).to_owned();
        }
    }
    dump
}

/// The bytes behind an entity.
fn streams(client: &Client, row: &Value) -> Vec<(String, String)> {
    let members = row.as_object().into_iter().flatten();
    let links = members.filter(|(name, _)| name.ends_with("mediaReadLink"));
    let links = links.filter_map(|(_, link)| link.as_str());
    links
        .filter_map(|link| {
            let path = link
                .splitn(4, '/')
                .nth(3)
                .map_or_else(|| link.to_owned(), |path| format!("/{path}"));
            let reply = client.send("GET", &path, &[("Accept", "*/*")], None).ok()?;
            Some((link.to_owned(), format!("{} {}", reply.status, reply.text())))
        })
        .collect()
}

/// What differs between two dumps.
pub fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let differ = names.filter(|name| before.get(*name) != after.get(*name));
    differ
        .map(|name| {
            let [old, new] = [before, after].map(|dump| dump.get(name).map_or("", String::as_str));
            let same = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
            let part = |text: &str| {
                let begin = same.saturating_sub(60).min(text.len());
                String::from_utf8_lossy(&text.as_bytes()[begin..(begin + 160).min(text.len())]).into_owned()
            };
            format!("{name}: …{}… became …{}…", part(old), part(new))
        })
        .collect()
}

//! The requests that are compared: one row for each. All servers of a case get the same requests; only the token of a next
//! link differs, because each server makes its own.

use std::path::Path;
use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::Outcome;
use crate::client::{Client, Draw, Request};
use crate::fixture;
use crate::servers::{Kind, Server};

/// Root of the endpoint.
pub const ROOT: &str = "/api/Bench/";
/// Entities on a page of `Items`: the server's default.
pub const PAGE: u64 = 45;
/// Entities in the range that the filter case asks for.
const RANGE: u64 = 200;
/// Different depths that the deep page is read at.
const DEPTHS: u64 = 16;

/// What is requested over and over.
pub struct Case {
    /// In the table.
    pub name: &'static str,
    /// The next request.
    pub draw: fn(&mut Draw, &Server, u64) -> Request,
    /// Whether the hand-written program answers it too.
    pub by_hand: bool,
    /// Whether it changes rows.
    pub writes: bool,
}

/// All cases, reads first.
pub fn all() -> &'static [Case] {
    const fn read(name: &'static str, draw: fn(&mut Draw, &Server, u64) -> Request) -> Case {
        Case {
            name,
            draw,
            by_hand: true,
            writes: false,
        }
    }
    const fn write(name: &'static str, draw: fn(&mut Draw, &Server, u64) -> Request) -> Case {
        Case {
            name,
            draw,
            by_hand: true,
            writes: true,
        }
    }
    const CASES: &[Case] = &[
        read("single key", single),
        read("page of 45", page),
        Case {
            by_hand: false,
            ..read("page of 45, verbose JSON", verbose_page)
        },
        Case {
            by_hand: false,
            ..read("page of 45, Atom", atom_page)
        },
        read("filter, orderby, top 20, inlinecount", filter),
        read("deep page by next link", deep),
        read("expand of 50 rows", expand),
        Case {
            by_hand: false,
            ..read("$metadata", metadata)
        },
        write("patch", patch),
        write("insert", insert),
    ];
    CASES
}

fn single(draw: &mut Draw, _: &Server, rows: u64) -> Request {
    Request::get(format!("{ROOT}Items({})", draw.below(rows) + 1))
}

fn page(_: &mut Draw, _: &Server, _: u64) -> Request {
    Request::get(format!("{ROOT}Items"))
}

fn verbose_page(_: &mut Draw, _: &Server, _: u64) -> Request {
    Request::get(format!("{ROOT}Items")).with("Accept: application/json;odata=verbose\r\n")
}

fn atom_page(_: &mut Draw, _: &Server, _: u64) -> Request {
    Request::get(format!("{ROOT}Items")).with("Accept: application/atom+xml\r\n")
}

fn filter(draw: &mut Draw, _: &Server, rows: u64) -> Request {
    let from = draw.below(rows - RANGE);
    let to = from + RANGE;
    Request::get(format!(
        "{ROOT}Items?$filter=Rank%20ge%20{from}%20and%20Rank%20lt%20{to}%20and%20Active%20eq%20true&$orderby=Rank&$top=20&$inlinecount=allpages"
    ))
}

fn deep(draw: &mut Draw, server: &Server, _: u64) -> Request {
    let index = draw.below(DEPTHS) as usize;
    Request::get(server.deep_pages.get(index).cloned().unwrap_or_default())
}

fn expand(draw: &mut Draw, _: &Server, rows: u64) -> Request {
    let after = draw.below(fixture::parts(rows) - 2 * fixture::PART_PAGE as u64);
    Request::get(format!("{ROOT}Parts?$filter=Id%20gt%20{after}&$expand=Item"))
}

fn metadata(_: &mut Draw, _: &Server, _: u64) -> Request {
    Request::get(format!("{ROOT}$metadata"))
}

fn patch(draw: &mut Draw, _: &Server, rows: u64) -> Request {
    Request {
        method: "PATCH",
        target: format!("{ROOT}Items({})", draw.below(rows) + 1),
        headers: "",
        body: format!(r#"{{"Quantity":{}}}"#, draw.below(1_000)),
    }
}

fn insert(_: &mut Draw, server: &Server, rows: u64) -> Request {
    let id = server.next_id.fetch_add(1, Ordering::Relaxed);
    Request {
        method: "POST",
        target: format!("{ROOT}Items"),
        headers: "",
        body: fixture::item(id, rows).json(),
    }
}

/// Next links into the depth of `Items`, as targets. `$skip` is only used to get there once.
pub fn deep_pages(server: &Server, rows: u64) -> Outcome<Vec<String>> {
    let mut client = Client::connect(&server.address, &server.headers)?;
    let starts = (0..DEPTHS).map(|step| (rows - 2 * PAGE) * (step + 1) / DEPTHS);
    starts
        .map(|start| match server.kind {
            Kind::Odonata => {
                let (status, body) = client.send(&Request::get(format!("{ROOT}Items?$skip={start}")))?;
                let link = next_link(body).ok_or_else(|| format!("$skip={start}: {status} without a next link"))?;
                Ok(link)
            }
            _ => Ok(format!("{ROOT}Items?after={}", start + PAGE)),
        })
        .collect()
}

/// The path and query of `odata.nextLink`, which may be absolute or relative to the endpoint.
pub fn next_link(body: &[u8]) -> Option<String> {
    const MEMBER: &[u8] = b"\"odata.nextLink\":\"";
    let at = body.windows(MEMBER.len()).rposition(|bytes| bytes == MEMBER)? + MEMBER.len();
    let end = at + body[at..].iter().position(|byte| *byte == b'"')?;
    let link = std::str::from_utf8(&body[at..end]).ok()?.replace("\\/", "/");
    Some(match link.split_once("://") {
        Some((_, rest)) => rest[rest.find('/')?..].to_string(),
        None if link.starts_with('/') => link,
        None => format!("{ROOT}{link}"),
    })
}

/// Keeps one answer of Odonata to each case in `answers/`, for the bare handler: the status on the first line, then the body.
pub fn keep_answers(server: &Server, folder: &Path, rows: u64) -> Outcome<()> {
    let folder = folder.join("answers");
    std::fs::create_dir_all(&folder)?;
    let mut client = Client::connect(&server.address, &server.headers)?;
    for (index, case) in all().iter().enumerate() {
        let request = (case.draw)(&mut Draw::new(1), server, rows);
        let (status, body) = client.send(&request)?;
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(body);
            return Err(format!("{} {}: {status} {text}", request.method, request.target).into());
        }
        let mut file = format!("{status}\n").into_bytes();
        file.extend_from_slice(body);
        std::fs::write(folder.join(index.to_string()), file)?;
    }
    Ok(())
}

/// Whether all servers but the bare one give the same entities, asked the same: a sentence for the report.
pub fn same_answers(servers: &[Server], rows: u64) -> Outcome<String> {
    let mut different = Vec::new();
    for case in all().iter().filter(|case| case.by_hand && !case.writes) {
        let mut first: Option<Value> = None;
        for server in servers.iter().filter(|server| server.kind != Kind::Bare) {
            let mut client = Client::connect(&server.address, &server.headers)?;
            let (_, body) = client.send(&(case.draw)(&mut Draw::new(7), server, rows))?;
            let mut answer: Value = serde_json::from_slice(body).map_err(|error| format!("{}: {}: {error}", case.name, server.name))?;
            drop_annotations(&mut answer);
            match &first {
                None => first = Some(answer),
                Some(expected) if *expected == answer => {}
                Some(expected) => {
                    eprintln!("bench: {}: {} answers\n{answer}\ninstead of\n{expected}", case.name, server.name);
                    different.push(format!("{} ({})", case.name, server.name));
                }
            }
        }
    }
    Ok(match different.is_empty() {
        true => "Asked the same, all servers (but the bare one) gave the same entities.".to_string(),
        false => format!("The answers differ: {}.", different.join(", ")),
    })
}

/// Takes out the members that describe the payload, but for the count.
fn drop_annotations(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.contains("odata.") || name == "odata.count");
            members.values_mut().for_each(drop_annotations);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_annotations),
        _ => {}
    }
}

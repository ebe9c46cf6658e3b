//! Batches as text: what is read of a request, where its URLs lead and its references, and a recorded answer written again. What
//! the requests do needs the models of the sources.

use std::collections::BTreeMap;

use odonata::model::fault::{Fault, Outcome};
use odonata::odata::batch::{self, Item, Part, Response, Writer};
use odonata::odata::references::{ContentIds, relative};

use super::{Vector, Verdict};
use crate::multipart::{self, Answer, Piece};

/// The service root of Olingo's requests.
const OLINGO: &str = "http://localhost/odata/";

/// Runs the batches of both files.
pub fn run(olingo: &[&Vector], wire: &[&Vector], verdicts: &mut BTreeMap<String, Verdict>) {
    let is_batch = |vector: &&&Vector| vector.kind == "batch";
    for vector in olingo.iter().filter(is_batch) {
        verdicts.insert(vector.id.clone(), request(vector));
    }
    for vector in wire.iter().filter(is_batch) {
        verdicts.insert(vector.id.clone(), recorded(vector));
    }
}

/// One request of a batch, or why it is refused.
type Read = (String, String, Option<Fault>);

/// The requests in order; a URL that leads elsewhere is refused.
fn read(content_type: &str, body: &str, root: &str) -> Outcome<Vec<Vec<Read>>> {
    let boundary = batch::boundary(Some(content_type))?;
    let one = |part: &Part<'_>, fault: Option<Fault>| {
        let fault = fault.or_else(|| relative(root, part.url).err());
        (part.method.to_owned(), part.url.to_owned(), fault)
    };
    let items = batch::parse(&boundary, body.as_bytes())?;
    let read = items.into_iter().map(|item| match item {
        Item::Single(part) => vec![one(&part, None)],
        Item::ChangeSet(parts) => parts.iter().map(|part| one(part, None)).collect(),
        Item::Refused { fault, part, .. } => vec![one(&part, Some(fault))],
    });
    Ok(read.collect())
}

fn request(vector: &Vector) -> Verdict {
    let text = |name: &str| vector.input()[name].as_str().unwrap_or_default();
    let (content_type, body, expect) = (text("content_type"), text("body"), vector.expect());
    let found = read(content_type, body, OLINGO);
    if expect["valid"] == false {
        let status = match &found {
            Err(fault) => Some(fault.kind.status),
            Ok(items) => items.iter().flatten().find_map(|(_, _, fault)| Some(fault.as_ref()?.kind.status)),
        };
        return Verdict::when(expect["status"] == serde_json::json!(status), || format!("status {status:?}"));
    }
    let items = match found {
        Ok(items) => items,
        Err(fault) => return Verdict::Fail(fault.message.into_owned()),
    };
    let mut expected = expect["requests"].as_array().into_iter().flatten();
    for (method, url, fault) in items.iter().flatten() {
        if let Some(fault) = fault {
            return Verdict::Fail(fault.message.to_string());
        }
        if !expected.next().is_some_and(|next| next["method"] == *method && next["uri"] == *url) {
            return Verdict::Fail(format!("{method} {url} is not expected here"));
        }
    }
    if expected.next().is_some() {
        return Verdict::Fail("a request is missing".to_owned());
    }
    if !expect["part_statuses"].is_array() {
        return Verdict::Pass;
    }
    match unknown_reference(content_type, body) {
        Some(status) => Verdict::when(expect["part_statuses"] == serde_json::json!([status]), || {
            format!("an unknown reference: {status}")
        }),
        None => Verdict::out("its statuses are those of a model that is not among the material; its requests are as expected"),
    }
}

/// The status of the first reference in a change set that nothing before it explains, if every POST creates something.
fn unknown_reference(content_type: &str, body: &str) -> Option<u16> {
    let boundary = batch::boundary(Some(content_type)).ok()?;
    for item in batch::parse(&boundary, body.as_bytes()).ok()? {
        let Item::ChangeSet(parts) = item else { continue };
        let mut ids = ContentIds::default();
        for part in &parts {
            if let Err(fault) = ids.expand(part.url) {
                return Some(fault.kind.status);
            }
            for id in part.ids().filter(|_| part.method == "POST") {
                ids.add(id.to_owned(), "Set(1)".to_owned());
            }
        }
    }
    None
}

/// The request of a recording and its answer have the same shape, and the answer is the same when it is written here.
fn recorded(vector: &Vector) -> Verdict {
    let (input, expect) = (vector.input(), vector.expect());
    let root = input["uri"].as_str().and_then(|uri| uri.strip_suffix("$batch")).unwrap_or_default();
    let content_type = input["headers"]["Content-Type"].as_str().unwrap_or_default();
    let items = match read(content_type, input["body"].as_str().unwrap_or_default(), root) {
        Ok(items) => items,
        Err(fault) => return Verdict::Fail(fault.message.into_owned()),
    };
    if let Some(fault) = items.iter().flatten().find_map(|(_, _, fault)| fault.as_ref()) {
        return Verdict::Fail(fault.message.to_string());
    }
    let mut statuses = expect["part_statuses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|status| status.as_u64());
    for item in &items {
        // A change set that failed has one answer.
        let first = statuses.next();
        let others = if first.is_some_and(|status| status >= 400) {
            0
        } else {
            item.len() - 1
        };
        if first.is_none() || statuses.by_ref().take(others).count() < others {
            return Verdict::Fail("there are more requests than answers".to_owned());
        }
    }
    if statuses.next().is_some() {
        return Verdict::Fail("there are fewer requests than answers".to_owned());
    }
    let Some(answer) = expect["body"].as_str() else {
        return Verdict::Pass;
    };
    let content_type = expect["headers"]["Content-Type"].as_str().unwrap_or_default();
    match multipart::read(content_type, answer).and_then(|pieces| Ok((again(&pieces)?, pieces))) {
        Ok((found, pieces)) => Verdict::when(sorted(found) == sorted(pieces), || {
            "the answer is another one when it is written again".to_owned()
        }),
        Err(error) => Verdict::Fail(error),
    }
}

/// Writes answers, and reads them.
fn again(pieces: &[Piece]) -> Result<Vec<Piece>, String> {
    let mut writer = Writer::new();
    for piece in pieces {
        let heads: Vec<_> = piece.answers().iter().map(others).collect();
        let both = piece.answers().iter().zip(&heads);
        let responses: Vec<Response<'_>> = both
            .map(|(answer, headers)| Response {
                status: answer.status,
                content_id: answer.header("Content-ID"),
                headers,
                body: answer.body.as_bytes(),
            })
            .collect();
        match piece {
            Piece::Single(_) => responses.iter().for_each(|response| writer.single(response)),
            Piece::ChangeSet(_) => writer.change_set(&responses),
        }
    }
    let content_type = writer.content_type();
    let text = String::from_utf8(writer.finish()).map_err(|error| error.to_string())?;
    multipart::read(&content_type, &text)
}

/// The headers without the Content-ID.
fn others(answer: &Answer) -> Vec<(&str, &str)> {
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    headers.filter(|(name, _)| *name != "Content-ID").collect()
}

/// The order of headers has no meaning.
fn sorted(mut pieces: Vec<Piece>) -> Vec<Piece> {
    for piece in &mut pieces {
        let answers = match piece {
            Piece::Single(answer) => std::slice::from_mut(answer),
            Piece::ChangeSet(answers) => answers,
        };
        for answer in answers {
            answer.headers.sort();
        }
    }
    pieces
}

//! Whether two answers tell anything apart.

use crate::client::{Reply, encode};

/// Headers that differ from answer to answer; a connection ends where a body was not read, and a name may be longer than the other.
const VARYING: [&str; 5] = ["date", "etag", "x-request-id", "connection", "content-length"];

/// An answer without what two rows may differ in: their names, and their versions.
pub fn plain(reply: &Reply, names: &[String]) -> String {
    let mut headers: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| !VARYING.iter().any(|varying| name.eq_ignore_ascii_case(varying)))
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    headers.sort();
    let text = format!("{}\n{}\n\n{}", reply.status, headers.join("\n"), without_versions(&reply.text()));
    let mut names: Vec<&String> = names.iter().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.into_iter().fold(text, |text, name| {
        let text = text.replace(&encode(name), "(KEY)");
        text.replace(name.as_str(), "(KEY)")
    })
}

/// Entities of one set have ETags; which, is their own affair.
fn without_versions(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("W/\\\"") {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 4..];
        rest = tail.find("\\\"").map_or("", |end| &tail[end + 2..]);
    }
    out.push_str(rest);
    out
}

/// A mark of four letters and digits that stands in an answer.
pub fn mark<'a>(reply: &'a Reply, letters: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(&reply.body).ok()?;
    let found = text.match_indices(letters).map(|(at, _)| at);
    let mut marks = found.filter_map(|at| text.get(at..at + letters.len() + 4));
    marks.find(|mark| mark[letters.len()..].bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            headers: vec![("Date".to_owned(), body.to_owned()), ("Allow".to_owned(), "GET".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn names_and_versions_are_no_difference() {
        let one = reply(404, r#"{"a":"W/\"1\"","id":"Notes(7L)"}"#);
        let two = reply(404, r#"{"a":"W/\"X'22'\"","id":"Notes(900L)"}"#);
        assert_eq!(plain(&one, &["(7L)".to_owned()]), plain(&two, &["(900L)".to_owned()]));
        assert_ne!(plain(&one, &[]), plain(&two, &[]));
        assert_ne!(plain(&reply(404, ""), &[]), plain(&reply(403, ""), &[]));
    }

    #[test]
    fn marks_are_found() {
        assert_eq!(mark(&reply(200, "xx aqaq aqaq0012 yy"), "aqaq"), Some("aqaq0012"));
        assert_eq!(mark(&reply(200, "bqbq0012"), "aqaq"), None);
    }
}

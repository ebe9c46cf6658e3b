//! What a request in a batch means by its URL: where it stands under the service root (BCH-4), and which entity of an earlier request
//! of its change set (BCH-11..BCH-13).
//!
//! ```ignore
//! let url = ids.expand(references::relative(root, part.url)?)?;        // the same for a link in a body
//! // … carry it out, then
//! for id in part.ids() { ids.add(id.to_owned(), "Products(5)".to_owned()) }
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::url::decode_path;
use crate::model::fault::{self, Fault, Outcome};

/// Words that stand behind a `$` in paths and are no Content-ID.
const RESERVED: &[&str] = &["batch", "count", "links", "metadata", "value"];

/// The entities that requests of a batch made or changed, by their Content-IDs. Only what was carried out is in here, so a
/// reference to a later request, or to itself, is an unknown one. Cheap to clone, as every request of a change set has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentIds(Arc<HashMap<String, String>>);

impl ContentIds {
    /// `path` is that of the entity, relative to the service root, as it would stand in a URL: `Products(5)`.
    pub fn add(&mut self, id: String, path: String) {
        Arc::make_mut(&mut self.0).insert(id, path);
    }

    /// Takes in the ids of a change set that succeeded; the later one of two that are equal counts.
    pub fn absorb(&mut self, later: ContentIds) {
        Arc::make_mut(&mut self.0).extend(Arc::unwrap_or_clone(later.0));
    }

    /// Whether a body may refer to one of these. What is escaped in it, in any format, may be anything.
    pub fn may_occur_in(&self, body: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let is_escape = |two: &[u8]| two[0] == b'%' || matches!(two, b"\\u" | b"&#");
        let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        body.windows(2).any(is_escape)
            || body.split(|byte| *byte == b'$').skip(1).any(|text| {
                let end = text.iter().position(|byte| !is_id(byte)).unwrap_or(text.len());
                std::str::from_utf8(&text[..end]).is_ok_and(|id| self.0.contains_key(id))
            })
    }

    /// A URL relative to the service root with `$<id>` in its first segment replaced: `$1/Orders` becomes `Products(5)/Orders`.
    ///
    /// # Errors
    /// 400 for an id that is not known (BCH-13).
    pub fn expand<'a>(&self, url: &'a str) -> Outcome<Cow<'a, str>> {
        let end = url.find(['/', '?', '#']).unwrap_or(url.len());
        let (first, rest) = url.split_at(end);
        if !first.starts_with(['$', '%']) {
            return Ok(Cow::Borrowed(url));
        }
        let decoded = decode_path(first).unwrap_or_default();
        match decoded.strip_prefix('$') {
            None => Ok(Cow::Borrowed(url)),
            Some(word) if RESERVED.contains(&word) => Ok(Cow::Borrowed(url)),
            Some(id) => match self.0.get(id) {
                Some(path) => Ok(Cow::Owned(format!("{path}{rest}"))),
                None => Err(Fault::new(
                    &fault::BAD_PATH,
                    "No request before this one that was carried out has the Content-ID that the URL refers to.",
                )
                .at(0)),
            },
        }
    }
}

/// The part of a URL below the service root `root` (`http://host/api/Core/`), with its query. The URL is absolute, begins with the
/// path on this host, or is relative to the root. The host is not compared: a server has several names, and its clients cannot
/// know which one it takes for its own.
///
/// # Errors
/// 400 for a URL that is not under the root.
pub fn relative<'a>(root: &str, url: &'a str) -> Outcome<&'a str> {
    let Some(path) = absolute_path(url) else {
        return Ok(url);
    };
    let found = below(absolute_path(root).unwrap_or_default(), path);
    found.ok_or_else(|| Fault::new(&fault::BAD_PATH, "The URL does not lie under the service root.").at(0))
}

/// What follows the host; none if the URL is relative to the service root.
fn absolute_path(url: &str) -> Option<&str> {
    let behind = |start: &str| {
        url.get(..start.len())
            .filter(|found| found.eq_ignore_ascii_case(start))
            .map(|_| &url[start.len()..])
    };
    match ["http://", "https://"].into_iter().find_map(behind) {
        Some(host) => Some(&host[host.find(['/', '?']).unwrap_or(host.len())..]),
        None => url.starts_with('/').then_some(url),
    }
}

/// What follows the segments of `root` in a path, if they are the same once decoded.
fn below<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    let mut rest = path;
    for segment in root.split('/').filter(|segment| !segment.is_empty()) {
        rest = rest.trim_start_matches('/');
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        if decode_path(&rest[..end])? != decode_path(segment)? {
            return None;
        }
        rest = &rest[end..];
    }
    Some(rest.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bch_4_urls_under_the_root() {
        const ROOT: &str = "http://host:8080/x/api/Core/";
        let cases = [
            ("Products(1)?$select=A", Some("Products(1)?$select=A")),
            ("", Some("")),
            ("?$format=json", Some("?$format=json")),
            ("$1/Orders", Some("$1/Orders")),
            ("Products('http://host/y')", Some("Products('http://host/y')")),
            ("http://host:8080/x/api/Core/Products(1)/Name?a=b/c", Some("Products(1)/Name?a=b/c")),
            ("HTTPS://other/x/api/Core/Products", Some("Products")),
            ("//x/api//Core/Products", Some("Products")),
            ("http://host/x/api/Core", Some("")),
            ("http://host/x/api/Core?a=/b", Some("?a=/b")),
            ("http://host/x/api/Core/?a", Some("?a")),
            ("http://host//x/api//Core//$1", Some("$1")),
            ("/x/api/Core/Products(1)", Some("Products(1)")),
            ("/x/%61pi/Core/%24metadata", Some("%24metadata")),
            ("/x/api/Core/../Other/Set", Some("../Other/Set")),
            ("/x/api/Cor/Products", None),
            ("/x/api/Core2/Products", None),
            ("/x/api/core/Products", None),
            ("/api/Core/Products", None),
            ("//other/x/api/Core/Products", None),
            ("/Products", None),
            ("/", None),
            ("http://host", None),
            ("http://", None),
            ("http://host?/x/api/Core/Products", None),
            ("http://host/x/api/../api/Core/Products", None),
            ("/x/api%2FCore/Products", None),
            ("/x/%ZZ/Core/Products", None),
        ];
        for (url, expected) in cases {
            let found = relative(ROOT, url);
            assert_eq!(found.as_ref().ok().copied(), expected, "{url}");
            assert!(found.is_ok() || found.is_err_and(|fault| fault.kind.status == 400), "{url}");
        }
    }

    #[test]
    fn bch_12_references() {
        let mut ids = ContentIds::default();
        ids.add("1".into(), "Products(5)".into());
        ids.add("new.One-2_~".into(), "Names('$1')".into());
        ids.add("metadata".into(), "Products(6)".into());
        let cases = [
            ("$1", Some("Products(5)")),
            ("$1/Orders", Some("Products(5)/Orders")),
            ("$1/$links/Orders", Some("Products(5)/$links/Orders")),
            ("$1?$select=Id", Some("Products(5)?$select=Id")),
            ("%241/Name", Some("Products(5)/Name")),
            ("%24%31", Some("Products(5)")),
            ("$new.One-2_~/x", Some("Names('$1')/x")),
            ("$metadata", Some("$metadata")),
            ("$metadata?x", Some("$metadata?x")),
            ("$batch", Some("$batch")),
            ("$count", Some("$count")),
            ("Products/$1", Some("Products/$1")),
            ("Products('$1')", Some("Products('$1')")),
            ("Products?$filter=$1", Some("Products?$filter=$1")),
            ("%41", Some("%41")),
            ("%ZZ", Some("%ZZ")),
            ("", Some("")),
            ("$10", None),
            ("$", None),
            ("$1(2)", None),
            ("$2/Orders", None),
            ("$$1", None),
        ];
        for (url, expected) in cases {
            let found = ids.expand(url);
            assert_eq!(found.as_deref().ok(), expected, "{url}");
            assert!(found.is_ok() || found.is_err_and(|fault| fault.kind.status == 400), "{url}");
        }
    }

    #[test]
    fn bch_12_bodies_that_may_refer() {
        let mut ids = ContentIds::default();
        assert!(!ids.may_occur_in(b"$1 %"), "there is nothing to refer to");
        ids.add("1".into(), String::new());
        ids.add("a-b".into(), String::new());
        for (body, expected) in [
            (r#"{"Category@odata.bind":"$1"}"#, true),
            (r#"{"Category@odata.bind":"http://h/api/Shop/$a-b"}"#, true),
            ("$x$1", true),
            ("$1", true),
            (r#"{"a":"\u00241"}"#, true),
            ("<d:a>&#36;1</d:a>", true),
            ("%241", true),
            ("$10", false),
            ("$2, $, 1", false),
            ("$a", false),
            ("1", false),
            ("$", false),
            ("", false),
        ] {
            assert_eq!(ids.may_occur_in(body.as_bytes()), expected, "{body}");
        }
    }

    /// By the text, references hold within a change set; a batch that lets later requests use them keeps the sets that succeeded.
    #[test]
    fn bch_12_across_change_sets() {
        let (mut batch, mut set) = (ContentIds::default(), ContentIds::default());
        batch.add("1".into(), "Products(1)".into());
        batch.add("2".into(), "Products(2)".into());
        set.add("1".into(), "Products(3)".into());
        assert!(set.expand("$2").is_err());
        batch.absorb(set);
        assert_eq!(batch.expand("$1").unwrap(), "Products(3)");
        assert_eq!(batch.expand("$2").unwrap(), "Products(2)");
    }
}

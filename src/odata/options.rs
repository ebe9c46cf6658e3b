//! System query options: the frame (QRY), paging options (PAG), and all of them together as a [`Query`].

use super::bind::Binder;
use super::{filter, select, token, url};
use crate::model::edm::Edm;
use crate::model::expr::{Expr, Op};
use crate::model::fault::{BAD_OPTION, Fault, Outcome, TOO_LARGE};
use crate::model::limits::SKIP_ROWS;
use crate::model::query::Query;
use crate::model::schema::{Schema, SetId, TypeId};

/// What a request is about, as far as the options that it takes go: columns of [`OPTIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// A set, a navigation to many, an operation that answers entities.
    Entities,
    /// One entity.
    Entity,
    /// `$links`.
    Links,
    /// `$count`.
    Count,
    /// A primitive, complex or collection property.
    Property,
    /// A media resource, a raw value.
    Media,
    /// `$metadata`, the service document.
    Document,
    /// `$batch`.
    Batch,
    /// POST, PUT, PATCH, MERGE, DELETE (QRY-9).
    Write,
    /// An operation that answers for itself.
    Operation,
}

/// The letters of the kinds in [`OPTIONS`], in the order of the enum.
const LETTERS: &[u8] = b"SELCPMDBWO";

/// The system query options (QRY-1) and the kinds of resource that take each (QRY-8).
const OPTIONS: &[(&str, &str)] = &[
    ("$filter", "SELC"),
    ("$orderby", "SLC"),
    ("$top", "SLC"),
    ("$skip", "SLC"),
    ("$skiptoken", "SLO"),
    ("$inlinecount", "SL"),
    ("$expand", "SEC"),
    ("$select", "SE"),
    ("$format", "SELPDWO"),
    ("$callback", "SELCPMDO"),
];

/// FNV-1a: where it starts, and its prime.
const FNV: (u32, u32) = (0x811c_9dc5, 0x0100_0193);

/// Between the texts of a fingerprint: no UTF-8 text has it.
const SEPARATOR: u8 = 0xff;

/// [`Query::fingerprint`] where there is neither `$filter` nor `$orderby`.
pub const NO_FINGERPRINT: u32 = fnv(FNV.0, SEPARATOR);

const fn fnv(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(FNV.1)
}

/// The query part of a URL, taken apart.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pieces: Vec<Piece>,
}

/// `name=value` between two `&`.
#[derive(Debug, Clone)]
struct Piece {
    /// As sent, still encoded.
    raw: String,
    /// Decoded and trimmed (QRY-2).
    name: String,
    /// Decoded.
    value: String,
}

impl Options {
    /// Takes the query part of a URL apart, without its `?`; each piece is decoded once. [`BAD_OPTION`] for an unknown name
    /// with `$` (QRY-3), a system option twice (QRY-5) or without `=` (QRY-7), and what is not percent-encoded UTF-8.
    pub fn parse(query: &str) -> Outcome<Options> {
        let mut pieces: Vec<Piece> = Vec::new();
        for raw in query.split('&').filter(|raw| !raw.is_empty()) {
            let (name, value) = raw.split_once('=').map_or((raw, None), |(name, value)| (name, Some(value)));
            let decode = |text: &str| {
                let bad = || Fault::new(&BAD_OPTION, "The query is not percent-encoded UTF-8.");
                url::decode_query(text).ok_or_else(bad)
            };
            let name = decode(name)?.trim().to_owned();
            if name.starts_with('$') {
                if !OPTIONS.iter().any(|row| row.0 == name) {
                    return Err(Fault::new(&BAD_OPTION, format!("There is no query option `{name}`.")));
                }
                if value.is_none() {
                    return Err(Fault::new(&BAD_OPTION, format!("The query option `{name}` has no `=`.")));
                }
                if pieces.iter().any(|piece| piece.name == name) {
                    return Err(Fault::new(&BAD_OPTION, format!("The query option `{name}` is there twice.")));
                }
            }
            pieces.push(Piece {
                raw: raw.to_owned(),
                name,
                value: decode(value.unwrap_or(""))?,
            });
        }
        Ok(Options { pieces })
    }

    /// From names and values that are decoded already.
    pub fn of(pairs: Vec<(String, String)>) -> Options {
        let piece = |(name, value): (String, String)| Piece {
            raw: String::new(),
            name,
            value,
        };
        Options {
            pieces: pairs.into_iter().map(piece).collect(),
        }
    }

    /// The value of a system option; an empty one is as good as none (QRY-6).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.custom(name).filter(|value| !value.trim().is_empty())
    }

    /// The value of any option by its exact name, also an empty one; the first if there are several (QRY-4).
    pub fn custom(&self, name: &str) -> Option<&str> {
        let piece = self.pieces.iter().find(|piece| piece.name == name)?;
        Some(&piece.value)
    }

    /// Names and values of the options without `$`, in order: parameters of service operations (PTH-35).
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let custom = self.pieces.iter().filter(|piece| !piece.name.starts_with('$'));
        custom.map(|piece| (piece.name.as_str(), piece.value.as_str()))
    }

    /// [`BAD_OPTION`] for an option that does not fit the resource (QRY-8, QRY-9).
    pub fn check(&self, kind: ResourceKind) -> Outcome<()> {
        let letter = char::from(LETTERS[kind as usize]);
        for (name, kinds) in OPTIONS {
            if self.get(name).is_some() && !kinds.contains(letter) {
                return Err(Fault::new(
                    &BAD_OPTION,
                    format!("This resource does not take the query option `{name}`."),
                ));
            }
        }
        Ok(())
    }

    /// The query part of the next page's URL (PAG-11): everything as sent, but without `$skip`, with `$top` lowered to what
    /// is left and with the new `$skiptoken`.
    pub fn next_link(&self, token: &str, top_left: Option<usize>) -> String {
        let mut pieces = Vec::with_capacity(self.pieces.len() + 1);
        for piece in &self.pieces {
            match (piece.name.as_str(), top_left) {
                ("$skip" | "$skiptoken", _) => {}
                ("$top", Some(left)) => pieces.push(format!("$top={left}")),
                _ => pieces.push(piece.raw.clone()),
            }
        }
        let mut last = b"$skiptoken=".to_vec();
        url::encode(token, &mut last);
        pieces.push(String::from_utf8_lossy(&last).into_owned());
        pieces.join("&")
    }

    /// A number of rows: Int32, not negative (PAG-1).
    fn rows(&self, name: &str) -> Outcome<Option<usize>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        // Rust takes a sign that the grammar has not.
        let digits = text.trim().strip_prefix('+').map_or(text.trim(), |_| "");
        let number = digits.parse::<i32>().ok().and_then(|number| usize::try_from(number).ok());
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(Fault::new(&BAD_OPTION, format!("`{name}` takes a number from 0 to {}.", i32::MAX))),
        }
    }

    fn count(&self) -> Outcome<bool> {
        match self.get("$inlinecount").map(str::trim) {
            None | Some("none") => Ok(false),
            Some("allpages") => Ok(true),
            Some(_) => Err(Fault::new(&BAD_OPTION, "`$inlinecount` takes `allpages` or `none`.")),
        }
    }

    /// FNV-1a of `$filter` and `$orderby`, those of `base` before them: what the values of a `$skiptoken` depend on.
    fn fingerprint(&self, base: &Options) -> u32 {
        let texts = |options: &Options| ["$filter", "$orderby"].map(|name| options.get(name).unwrap_or("").to_owned());
        let of = |start: u32, [filter, order]: [String; 2]| filter.bytes().chain([SEPARATOR]).chain(order.bytes()).fold(start, fnv);
        match base.pieces.is_empty() {
            true => of(FNV.0, texts(self)),
            false => of(of(FNV.0, texts(base)), texts(self)),
        }
    }
}

/// What the options mean together for entities of `ty`, of `set` where the endpoint has one. `endpoint` is the index of the
/// one that the request is for. The options must have passed [`Options::check`]. Faults are those of the single options;
/// `$skip` has the limit [`SKIP_ROWS`]. How many values `after` must have is for the engine to say, who completes the order.
pub fn query(schema: &Schema, endpoint: usize, ty: TypeId, set: Option<SetId>, options: &Options) -> Outcome<Query> {
    query_over(schema, endpoint, (ty, set), &Options::default(), options)
}

/// The same over what other options have left: a function's own. Both filters hold; order and shape are the function's where the
/// request says nothing. `$top`, `$skip`, `$inlinecount` and `$skiptoken` are the request's alone.
pub fn query_over(
    schema: &Schema,
    endpoint: usize,
    (ty, set): (TypeId, Option<SetId>),
    base: &Options,
    options: &Options,
) -> Outcome<Query> {
    let mut query = Query::of(ty, set);
    let mut binder = Binder::new(schema, endpoint, ty, set);
    for text in [base, options].into_iter().filter_map(|options| options.get("$filter")) {
        let filter = binder.filter(&filter::filter(text)?)?;
        query.filter = Some(match query.filter.take() {
            Some(first) => Expr::Binary {
                op: Op::And,
                edm: Edm::Boolean,
                left: Box::new(first),
                right: Box::new(filter),
            },
            None => filter,
        });
    }
    let get = |name: &str| options.get(name).or_else(|| base.get(name));
    if let Some(text) = get("$orderby") {
        query.order = binder.order(&filter::orderby(text)?)?;
    }
    query.sources = binder.into_sources();
    query.top = options.rows("$top")?;
    query.skip = options.rows("$skip")?.unwrap_or(0);
    if query.skip > SKIP_ROWS {
        let message = format!("`$skip` is at most {SKIP_ROWS}. Follow the next links, or filter by what comes after.");
        return Err(Fault::new(&TOO_LARGE, message));
    }
    query.count = options.count()?;
    query.fingerprint = options.fingerprint(base);
    if let Some(text) = options.get("$skiptoken") {
        query.after = Some(token::decode(text, query.fingerprint)?);
    }
    query.shape = select::shape(schema, endpoint, ty, set, get("$select"), get("$expand"))?;
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::fixture::{set_id, shop, type_id};

    #[test]
    fn pieces() {
        let options = Options::parse("%24filter=A+eq+%27a%26b%3D1%27&&_=12&%20$top%20=5&x&x=&$orderby=&$select=%20&q=a=b").unwrap();
        for (name, value) in [
            ("$filter", Some("A eq 'a&b=1'")),
            ("$top", Some("5")),
            ("$orderby", None),
            ("$select", None),
            ("$skip", None),
            ("_", Some("12")),
            ("q", Some("a=b")),
        ] {
            assert_eq!(options.get(name), value, "{name}");
        }
        assert_eq!(options.custom("x"), Some(""));
        let parameters: Vec<_> = options.parameters().collect();
        assert_eq!(parameters, [("_", "12"), ("x", ""), ("x", ""), ("q", "a=b")]);
        assert!(Options::parse("").unwrap().pieces.is_empty());
    }

    #[test]
    fn bad_queries() {
        for (query, message) in [
            ("$Filter=A", "There is no query option `$Filter`."),
            ("$nope", "There is no query option `$nope`."),
            ("%24nope=1", "There is no query option `$nope`."),
            ("$top=1&$top=1", "The query option `$top` is there twice."),
            ("$top=1&%24top=", "The query option `$top` is there twice."),
            ("$filter", "The query option `$filter` has no `=`."),
            ("a=%ff", "The query is not percent-encoded UTF-8."),
            ("%zz=1", "The query is not percent-encoded UTF-8."),
        ] {
            let fault = Options::parse(query).unwrap_err();
            assert_eq!((fault.kind.code, &*fault.message), ("bad_option", message), "{query}");
        }
    }

    #[test]
    fn resources() {
        use ResourceKind::*;
        let kinds = [Entities, Entity, Links, Count, Property, Media, Document, Batch, Write, Operation];
        assert_eq!(kinds.len(), LETTERS.len());
        for (query, taken) in [
            ("$filter=true", "SELC"),
            ("$top=1", "SLC"),
            ("$inlinecount=none", "SL"),
            ("$select=A", "SE"),
            ("$format=json", "SELPDWO"),
            ("$filter=&a=1", "SELCPMDBWO"),
        ] {
            for kind in kinds {
                let options = Options::parse(query).unwrap();
                let letter = char::from(LETTERS[kind as usize]);
                assert_eq!(options.check(kind).is_ok(), taken.contains(letter), "{query} {kind:?}");
            }
        }
    }

    #[test]
    fn next_links() {
        for (query, left, next) in [
            ("", None, "$skiptoken=T"),
            (
                "$filter=A%20eq%20'%26'&$skip=5&c=1",
                None,
                "$filter=A%20eq%20'%26'&c=1&$skiptoken=T",
            ),
            (
                "%24top=50&$skiptoken=old&$format=json",
                Some(30),
                "$top=30&$format=json&$skiptoken=T",
            ),
        ] {
            assert_eq!(Options::parse(query).unwrap().next_link("T", left), next);
        }
        assert_eq!(Options::default().next_link("a+b", None), "$skiptoken=a%2Bb");
    }

    fn read(query: &str) -> Outcome<Query> {
        let schema = shop();
        let (ty, set) = (type_id(&schema, "Product"), set_id(&schema, "Products"));
        super::query(&schema, 0, ty, Some(set), &Options::parse(query)?)
    }

    #[test]
    fn queries() {
        let query =
            read("$filter=Category/CategoryName+eq+'a'&$orderby=Category/Parent/CategoryName+desc,ProductID&$top=0&$skip=7").unwrap();
        assert_eq!((query.sources.len(), query.order.len(), query.top, query.skip), (3, 2, Some(0), 7));
        assert!(query.order[0].descending && !query.order[1].descending && !query.count && query.after.is_none());
        assert!(read("$inlinecount=allpages").unwrap().count);
        assert!(!read("$inlinecount=none").unwrap().count);
        assert_eq!(read(&format!("$skip={SKIP_ROWS}")).unwrap().skip, SKIP_ROWS);
        assert_eq!(read("$expand=Category").unwrap().shape.expand.len(), 1);
    }

    #[test]
    fn bad_values() {
        for (query, code) in [
            ("$top=-1", "bad_option"),
            ("$top=x", "bad_option"),
            ("$top=1.0", "bad_option"),
            ("$skip=2147483648", "bad_option"),
            ("$inlinecount=AllPages", "bad_option"),
            ("$filter=Nope", "bad_filter"),
            ("$orderby=Nope", "bad_orderby"),
            ("$select=Nope", "bad_select"),
            ("$expand=Nope", "bad_select"),
            ("$skiptoken=nope", "bad_skiptoken"),
            (&format!("$skip={}", SKIP_ROWS + 1), "limit_exceeded"),
        ] {
            assert_eq!(read(query).err().map(|fault| fault.kind.code), Some(code), "{query}");
        }
    }

    #[test]
    fn fingerprints_tell_filter_and_order_apart() {
        let of = |query: &str| Options::parse(query).unwrap().fingerprint(&Options::default());
        assert_eq!(of("$filter=A&$orderby=B"), of("$orderby=B&x=1&$filter=A&$top=5"));
        let different = [
            of(""),
            of("$filter=A"),
            of("$orderby=A"),
            of("$filter=A&$orderby=B"),
            of("$filter=AB"),
        ];
        for (i, one) in different.iter().enumerate() {
            assert!(!different[..i].contains(one), "{i}");
        }
    }
}

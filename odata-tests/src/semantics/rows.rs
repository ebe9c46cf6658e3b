//! The rows that expressions are asked about.

use serde_json::{Map, Value as Json, json};

use super::number::Decimal;
use crate::random::Random;

/// One row; `None` is null.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Row {
    pub id: i64,
    pub a: Option<i64>,
    pub b: Option<i64>,
    pub c: Option<i64>,
    pub d: Option<Decimal>,
    pub e: Option<f64>,
    pub f: Option<bool>,
    pub g: Option<bool>,
    pub s: Option<String>,
    pub t: Option<String>,
    pub m: Option<String>,
    pub n: Option<String>,
    pub tags: Vec<String>,
    pub parent: Option<usize>,
}

/// All rows; a row's `parent` is an index into them.
#[derive(Debug, Clone)]
pub struct Rows(pub Vec<Row>);

/// Texts with everything that could have a meaning to somebody on the way.
pub const TEXTS: &[&str] = &[
    "", "a", "A", "ab", "aB ", " b", "b%", "_a", "it's", "Äb", "äb", "zz", "a/b?&=+", "\\", "abab",
];
/// Moments with the last day, the first moment, and a fraction among them.
pub const DATES: &[&str] = &[
    "2000-02-29T00:00:00",
    "1999-12-31T23:59:59.9999999",
    "2000-01-01T00:00:00",
    "0001-01-01T00:00:00",
    "2013-07-05T06:07:08.5",
    "9999-12-31T23:59:59",
];

impl Rows {
    /// `count` rows with a quarter of nulls.
    pub fn random(random: &mut Random, count: usize) -> Rows {
        let mut rows = Vec::new();
        for index in 0..count {
            let parent = (index > 0 && !random.one_in(4)).then(|| random.below(index));
            rows.push(Row {
                id: index as i64 + 1,
                a: maybe(random, |random| random.below(13) as i64 - 6),
                b: maybe(random, |random| random.below(5) as i64 - 1),
                c: maybe(random, |random| random.below(7) as i64 - 3),
                d: maybe(random, |random| Decimal::new(random.below(41) as i128 * 25 - 500, 2)),
                e: maybe(random, |random| random.below(33) as f64 * 0.25 - 4.0),
                f: maybe(random, |random| random.one_in(2)),
                g: maybe(random, |random| random.one_in(2)),
                s: maybe(random, |random| (*random.pick(TEXTS)).to_owned()),
                t: maybe(random, |random| (*random.pick(TEXTS)).to_owned()),
                m: maybe(random, |random| (*random.pick(DATES)).to_owned()),
                n: maybe(random, |random| (*random.pick(DATES)).to_owned()),
                tags: (0..random.below(4)).map(|_| (*random.pick(TEXTS)).to_owned()).collect(),
                parent,
            });
        }
        Rows(rows)
    }

    /// As a file for `odonata load`: parents stand before their children.
    pub fn json(&self) -> String {
        let rows = self.0.iter().map(|row| {
            let mut members = Map::new();
            members.insert("Id".to_owned(), json!(row.id));
            members.insert("A".to_owned(), json!(row.a));
            members.insert("B".to_owned(), json!(row.b));
            members.insert("C".to_owned(), json!(row.c.map(|c| c.to_string())));
            members.insert("D".to_owned(), json!(row.d.map(|d| d.to_string())));
            members.insert("E".to_owned(), json!(row.e));
            members.insert("F".to_owned(), json!(row.f));
            members.insert("G".to_owned(), json!(row.g));
            members.insert("S".to_owned(), json!(row.s));
            members.insert("T".to_owned(), json!(row.t));
            members.insert("M".to_owned(), json!(row.m));
            members.insert("N".to_owned(), json!(row.n));
            members.insert("Tags".to_owned(), json!(row.tags));
            members.insert("ParentId".to_owned(), json!(row.parent.map(|parent| self.0[parent].id)));
            Json::Object(members)
        });
        Json::Array(rows.collect()).to_string()
    }

    /// The children of a row.
    pub fn children(&self, parent: usize) -> Vec<usize> {
        (0..self.0.len()).filter(|&index| self.0[index].parent == Some(parent)).collect()
    }
}

fn maybe<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    if random.one_in(4) { None } else { Some(make(random)) }
}

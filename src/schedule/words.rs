//! The query words of Red Engine's interface, as a filter: `action=fail&action=crash&start$min=2024-01-01`.
//!
//! | word | of a row |
//! | --- | --- |
//! | `key=v` | is v |
//! | `key$min=v`, `key$max=v` | is v or more, v or less |
//! | `key$not=v` | is not v; what has no value is not, either |
//! | `key$regex=p` | begins with what the pattern fits, as Python's `match`; see [`pattern`] |
//!
//! One of the values of a word that is there several times is enough, but `$not` excludes each of its values. Different words
//! must all hold. In the original, all words that are there several times are alternatives of each other, and URLs' values stay
//! text; neither is meant. A date without a time is its first instant, also for `$max`; a time without a zone is UTC.

use crate::model::edm::{Class, Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::{BAD_REQUEST, Fault, Outcome, TOO_LARGE};
use crate::model::function::overloads;
use crate::model::limits::QUERY_WORDS;
use crate::model::pattern;
use crate::model::schema::{Schema, TypeId};
use crate::model::text;

/// What stands after the `$` of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Is,
    Min,
    Max,
    Not,
    Regex,
}

const TESTS: &[(&str, Test)] = &[("min", Test::Min), ("max", Test::Max), ("not", Test::Not), ("regex", Test::Regex)];

/// The filter that words make for the rows of source 0; none without words. `property` gives the index of the property that a
/// key names, of those of the type.
pub fn filter<'a>(
    schema: &Schema,
    ty: TypeId,
    words: impl IntoIterator<Item = (&'a str, &'a str)>,
    property: impl Fn(&str) -> Option<usize>,
) -> Outcome<Option<Expr>> {
    // In the order of their first appearance.
    let mut groups: Vec<((usize, Test), Expr)> = Vec::new();
    for (count, (word, value)) in words.into_iter().enumerate() {
        if count == QUERY_WORDS {
            return Err(Fault::new(&TOO_LARGE, format!("The query has more than {QUERY_WORDS} words.")));
        }
        let (key, test) = key_and_test(word)?;
        let index = property(key).filter(|index| schema.types[ty].properties.get(*index).is_some_and(|found| !found.write_only));
        let index = index.ok_or_else(|| fault(word, format!("There is no key `{key}`.")))?;
        let expr = Word { schema, ty, index, word }.expr(test, value)?;
        match groups.iter_mut().find(|group| group.0 == (index, test)) {
            None => groups.push(((index, test), expr)),
            Some((_, all)) => {
                let before = std::mem::replace(all, Expr::Null);
                *all = if test == Test::Not { before.and(expr) } else { before.or(expr) };
            }
        }
    }
    Ok(groups.into_iter().map(|group| group.1).reduce(Expr::and))
}

fn key_and_test(word: &str) -> Outcome<(&str, Test)> {
    let Some((key, name)) = word.split_once('$') else {
        return Ok((word, Test::Is));
    };
    let test = TESTS.iter().find(|row| row.0 == name).map(|row| row.1);
    let known = || {
        fault(
            word,
            format!("There is no `${name}`; there are `$min`, `$max`, `$not` and `$regex`."),
        )
    };
    Ok((key, test.ok_or_else(known)?))
}

fn fault(word: &str, message: String) -> Fault {
    Fault::new(&BAD_REQUEST, message).of(word)
}

/// One word.
struct Word<'a> {
    schema: &'a Schema,
    ty: TypeId,
    index: usize,
    word: &'a str,
}

impl Word<'_> {
    fn expr(&self, test: Test, value: &str) -> Outcome<Expr> {
        let column = Expr::Column {
            source: 0,
            ty: self.ty,
            property: self.index,
        };
        let refused = || fault(self.word, format!("There is no query by `{}`.", self.word));
        let edm = column
            .edm(self.schema)
            .filter(|edm| edm.class() != Class::Opaque)
            .ok_or_else(refused)?;
        let has_order = edm.class() != Class::Equatable;
        let op = match test {
            Test::Regex if edm == Edm::String => return self.fitting(column, value),
            Test::Min if has_order => Op::Ge,
            Test::Max if has_order => Op::Le,
            Test::Is => Op::Eq,
            Test::Not => Op::Ne,
            _ => return Err(refused()),
        };
        let unfit = || fault(self.word, format!("The value of `{}` is no {edm}.", self.word));
        let value = coerce(edm, value).ok_or_else(unfit)?;
        let absent = (test == Test::Not && column.nullable(self.schema)).then(|| Expr::IsNull(Box::new(column.clone())));
        let compared = Expr::Binary {
            op,
            edm,
            left: Box::new(column),
            right: Box::new(Expr::Literal(edm, value)),
        };
        Ok(match absent {
            Some(absent) => compared.or(absent),
            None => compared,
        })
    }

    fn fitting(&self, column: Expr, value: &str) -> Outcome<Expr> {
        pattern::check(value).map_err(|(place, what)| fault(self.word, format!("{what} at position {place}.")).at(place))?;
        let anchored = format!("^(?:{value})");
        // What is allowed by itself may be too much with that.
        pattern::check(&anchored).map_err(|(_, what)| fault(self.word, format!("{what}.")))?;
        let matches = overloads("matches")
            .next()
            .ok_or_else(|| Fault::internal("no function `matches`"))?;
        Ok(Expr::Call(matches, vec![column, Expr::Literal(Edm::String, Value::Text(anchored))]))
    }
}

/// A value as canonical content of a property's type.
fn coerce(edm: Edm, value: &str) -> Option<Value> {
    match edm {
        Edm::Boolean => text::parse(edm, &value.to_ascii_lowercase()),
        Edm::DateTimeOffset => text::parse(edm, value).or_else(|| text::parse(Edm::DateTime, value)),
        _ => text::parse(edm, value),
    }
}

#[cfg(test)]
mod tests;

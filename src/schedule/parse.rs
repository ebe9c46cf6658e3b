//! From the text of a condition to its tree.
//!
//! ```text
//! cond   = and *( "|" and )
//! and    = not *( "&" not )
//! not    = "~" not / "(" cond ")" / item
//! item   = [ "always" ] ( "true" / "false" )
//!        / [ "run" ] cycle [ qual ]                         ; secondly, which has no qual, minutely … monthly
//!        / "every" delta *( "based on" basis / "anchored" ) ; run, success, fail, finish
//!        / ( "cron" / "crontime" ) fields                   ; see `super::cron`
//!        / "time of" unit qual
//!        / "once at" date [ time ] [ zone ]
//!        / "after" [ "any" ] ( "task" / "tasks" ) name *( "," name ) [ outcome ]
//!        / [ "task" name ] "has" act [ span [ qual ] / [ "in" ] "past" delta ]
//!        / [ "while" ] "task" name "is running"
//!        / "env" name / "param" name ( "exists" / "is" name )
//!        / "scheduler has" [ "more than" / "less than" ] number ( "cycles" / "cycle" )
//!        / "scheduler started" delta "ago" / "scheduler has run over" delta
//!        / "retry" ( number / "-1" ) / "missed"
//! qual   = ( "before" / "after" / "starting" / "on" / "at" ) point / "between" point "and" point
//! span   = "this minute" / "this hour" / "today" / "this week" / "this month"
//! name   = "'" text "'"                                     ; a quote in it doubled; operators in it mean nothing
//! ```
//!
//! Words are taken in any case, with any white space between them. `at` is another word for `on`.

use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::{char, digit1, multispace0};
use nom::combinator::{not, peek};
use nom::{IResult, Parser as _};

use super::condition::Condition;
use super::delta::{self, Delta, Unfit};
use crate::model::fault::{BAD_CONDITION, Fault, Outcome, TOO_LARGE};
use crate::model::limits::{CONDITION_BYTES, CONDITION_DEPTH, CONDITION_PARTS, INTERVAL_DAYS};

mod item;
mod point;
#[cfg(test)]
mod tests;

/// Reads a condition. A fault has the byte position of what cannot be understood.
pub fn parse(text: &str) -> Outcome<Condition> {
    let mut parser = Parser {
        text,
        rest: text,
        parts: 0,
    };
    if text.len() > CONDITION_BYTES {
        return Err(parser.too_large(format!("The condition is longer than {CONDITION_BYTES} bytes")));
    }
    let condition = parser.any(0)?;
    if parser.blanks().is_empty() {
        return Ok(condition);
    }
    Err(parser.expected("`&`, `|` or the end"))
}

/// The place in the text, and what has been counted on the way.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    parts: usize,
}

impl<'a> Parser<'a> {
    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn fault(&self, at: usize, message: String) -> Fault {
        Fault::new(&BAD_CONDITION, message).at(at)
    }

    fn expected(&self, what: &str) -> Fault {
        self.expected_at(self.at(), what)
    }

    fn expected_at(&self, at: usize, what: &str) -> Fault {
        self.fault(at, format!("Expected {what} at position {at} of the condition."))
    }

    fn too_large(&self, what: String) -> Fault {
        let at = self.at();
        Fault::new(&TOO_LARGE, format!("{what} at position {at} of the condition.")).at(at)
    }

    /// Skips white space; what comes then.
    fn blanks(&mut self) -> &'a str {
        let blanks: IResult<&str, &str, ()> = multispace0(self.rest);
        self.rest = blanks.map_or(self.rest, |(rest, _)| rest);
        self.rest
    }

    /// Takes a token if it is there, after white space.
    fn token<O>(&mut self, mut parser: impl nom::Parser<&'a str, Output = O, Error = ()>) -> Option<O> {
        let (rest, token) = parser.parse(self.blanks()).ok()?;
        self.rest = rest;
        Some(token)
    }

    fn take(&mut self, c: char) -> bool {
        self.token(char(c)).is_some()
    }

    /// Takes words that follow each other, all or none.
    fn words(&mut self, words: &str) -> bool {
        let start = self.rest;
        let found = words.split(' ').all(|expected| self.token(word(expected)).is_some());
        if !found {
            self.rest = start;
        }
        found
    }

    /// Counts what [`CONDITION_PARTS`] bounds.
    fn part(&mut self) -> Outcome<()> {
        self.parts += 1;
        if self.parts > CONDITION_PARTS {
            return Err(self.too_large(format!("The condition has more than {CONDITION_PARTS} parts")));
        }
        Ok(())
    }

    fn any(&mut self, depth: usize) -> Outcome<Condition> {
        let mut parts = vec![self.all(depth)?];
        while self.take('|') {
            parts.push(self.all(depth)?);
        }
        Ok(single(parts).unwrap_or_else(Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Outcome<Condition> {
        let mut parts = vec![self.not(depth)?];
        while self.take('&') {
            parts.push(self.not(depth)?);
        }
        Ok(single(parts).unwrap_or_else(Condition::All))
    }

    /// All recursion comes through here, so this is where the depth is bounded.
    fn not(&mut self, depth: usize) -> Outcome<Condition> {
        self.blanks();
        if depth > CONDITION_DEPTH {
            return Err(self.too_large(format!("The condition is nested deeper than {CONDITION_DEPTH}")));
        }
        if self.take('~') {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        if !self.take('(') {
            self.part()?;
            return self.item();
        }
        let inner = self.any(depth + 1)?;
        if self.take(')') {
            return Ok(inner);
        }
        self.blanks();
        Err(self.expected("`&`, `|` or `)`"))
    }

    /// A name in quotes.
    fn name(&mut self, what: &str) -> Outcome<String> {
        let Some(body) = self.blanks().strip_prefix('\'') else {
            return Err(self.expected(&format!("the {what} in single quotes")));
        };
        let mut from = 0;
        while let Some(length) = body[from..].find('\'') {
            let end = from + length;
            self.rest = &body[end + 1..];
            if self.rest.starts_with('\'') {
                from = end + 2;
                continue;
            }
            let name = body[..end].replace("''", "'");
            if name.is_empty() || name.contains('\0') {
                return Err(self.expected_at(self.at() - end - 2, &format!("a {what}, not an empty one")));
            }
            return Ok(name);
        }
        self.rest = &self.text[self.text.len()..];
        Err(self.expected("a closing quote"))
    }

    fn number(&mut self) -> Outcome<u32> {
        self.blanks();
        let at = self.at();
        let digits = self.token(digit1).ok_or_else(|| self.expected("a number"))?;
        digits.parse().map_err(|_| self.expected_at(at, "a smaller number"))
    }

    fn delta(&mut self) -> Outcome<Delta> {
        self.blanks();
        let at = self.at();
        let fitting = self
            .token(delta::read)
            .ok_or_else(|| self.expected_at(at, "an interval such as `1 hour 30 minutes`"))?;
        fitting.map_err(|unfit| match unfit {
            Unfit::Bounds => self.expected_at(at, &format!("an interval that is more than nothing and up to {INTERVAL_DAYS} days")),
            Unfit::Fraction => self.expected_at(at, "an interval of whole units of 100 ns"),
        })
    }
}

/// The only one of them, or all.
fn single(mut parts: Vec<Condition>) -> Result<Condition, Vec<Condition>> {
    match parts.len() {
        1 => parts.pop().ok_or(parts),
        _ => Err(parts),
    }
}

/// One word, whole.
fn word<'a>(expected: &str) -> impl FnMut(&'a str) -> IResult<&'a str, &'a str, ()> {
    move |input| {
        let (rest, word) = tag_no_case(expected).parse(input)?;
        let is_inside = expected.ends_with(|c: char| c.is_alphanumeric());
        if is_inside && rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return Err(nom::Err::Error(()));
        }
        Ok((rest, word))
    }
}

/// Nothing that a number could go on with.
fn ends(input: &str) -> IResult<&str, (), ()> {
    let (rest, ()) = not(digit1::<&str, ()>).parse(input)?;
    let (rest, ()) = not(peek(tag(":"))).parse(rest)?;
    Ok((rest, ()))
}

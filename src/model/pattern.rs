//! Regular expressions of clients, one language for both databases: linear in time, without back-references, look-around and
//! word boundaries. It fits anywhere in a text; `^` and `$` are the ends of the text. Classes such as `\w` are Unicode's.
//!
//! SQLite gets them as they are written, through [`fits`]; PostgreSQL gets what [`postgres`] writes: the parsed expression with
//! every class as ranges and every other character as its number, so that nothing is left for its own syntax to decide.

use std::cell::RefCell;
use std::fmt::Write;

use regex::Regex;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::limits::{PATTERN_BYTES, PATTERN_DEPTH, PATTERN_REPEATS, PATTERN_SIZE, PATTERNS_KEPT};

/// Largest compiled expression in bytes; [`PATTERN_SIZE`] keeps below it.
const COMPILED: usize = 1 << 24;

/// Why a text is no expression: the byte position in it, and what is wrong.
pub type Refused = (usize, String);

/// Looks at an expression.
pub fn check(text: &str) -> Result<(), Refused> {
    if text.len() > PATTERN_BYTES {
        return Err((PATTERN_BYTES, format!("The pattern is longer than {PATTERN_BYTES} bytes")));
    }
    let tree = parse(text)?;
    let size = measure(&tree).map_err(|what| (0, what.to_owned()))?;
    if size > PATTERN_SIZE {
        return Err((0, format!("The pattern comes to more than {PATTERN_SIZE} characters and ranges")));
    }
    compile(text).map(|_| ()).ok_or_else(|| (0, "The pattern is too large".to_owned()))
}

/// Whether an expression fits a text; none if it is no expression. Each thread keeps those that it used last.
pub fn fits(text: &str, pattern: &str) -> Option<bool> {
    thread_local! {
        static KEPT: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
    }
    KEPT.with_borrow_mut(|kept| {
        let index = match kept.iter().position(|(known, _)| known == pattern) {
            Some(index) => index,
            None => {
                let regex = compile(pattern)?;
                kept.truncate(PATTERNS_KEPT - 1);
                kept.insert(0, (pattern.to_owned(), regex));
                0
            }
        };
        kept[..=index].rotate_right(1);
        Some(kept[0].1.is_match(text))
    })
}

/// The same for PostgreSQL; none if it is no expression.
pub fn postgres(pattern: &str) -> Option<String> {
    let tree = parse(pattern).ok()?;
    measure(&tree).ok()?;
    let mut out = String::new();
    translate(&tree, &mut out).ok()?;
    Some(out)
}

fn compile(pattern: &str) -> Option<Regex> {
    let mut builder = regex::RegexBuilder::new(pattern);
    builder.nest_limit(PATTERN_DEPTH as u32).size_limit(COMPILED).build().ok()
}

fn parse(text: &str) -> Result<Hir, Refused> {
    let mut parser = ParserBuilder::new().nest_limit(PATTERN_DEPTH as u32).build();
    parser.parse(text).map_err(|error| match &error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, format!("The pattern is not right: {}", error.kind())),
        regex_syntax::Error::Translate(error) => (error.span().start.offset, format!("The pattern is not right: {}", error.kind())),
        _ => (0, "The pattern is not right".to_owned()),
    })
}

/// How many characters and ranges an expression has when its repetitions are written out; a sentence where it has something
/// that the databases do not have in common.
fn measure(tree: &Hir) -> Result<usize, &'static str> {
    let sum = |parts: &[Hir]| parts.iter().try_fold(1, |sum: usize, part| Ok(sum.saturating_add(measure(part)?)));
    match tree.kind() {
        HirKind::Empty | HirKind::Look(Look::Start | Look::End) => Ok(1),
        HirKind::Look(_) => Err("The pattern has a word boundary or an end of a line, which is not for patterns here"),
        HirKind::Literal(literal) if literal.0.contains(&0) => Err("The pattern has U+0000, which no text has"),
        HirKind::Literal(literal) => Ok(literal.0.len()),
        HirKind::Class(class) => match class {
            Class::Unicode(class) if class.ranges().is_empty() => Err("The pattern has a class without characters"),
            Class::Unicode(class) => Ok(class.ranges().len()),
            Class::Bytes(class) if class.ranges().is_empty() => Err("The pattern has a class without characters"),
            Class::Bytes(class) => Ok(class.ranges().len()),
        },
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            if most > PATTERN_REPEATS {
                return Err("The pattern repeats something more often than is allowed");
            }
            Ok(measure(&repetition.sub)?.saturating_mul(most))
        }
        HirKind::Capture(capture) => measure(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}

fn translate(tree: &Hir, out: &mut String) -> std::fmt::Result {
    match tree.kind() {
        HirKind::Empty => out.write_str("(?:)"),
        HirKind::Look(Look::Start) => out.write_str("\\A"),
        HirKind::Look(_) => out.write_str("\\Z"),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| std::fmt::Error)?;
            text.chars().try_for_each(|c| character(c, out))
        }
        HirKind::Class(Class::Unicode(class)) => ranges(class.ranges().iter().map(|range| (range.start(), range.end())), out),
        HirKind::Class(Class::Bytes(class)) => {
            let ends = |range: &regex_syntax::hir::ClassBytesRange| (char::from(range.start()), char::from(range.end()));
            ranges(class.ranges().iter().map(ends), out)
        }
        HirKind::Repetition(repetition) => {
            out.write_str("(?:")?;
            translate(&repetition.sub, out)?;
            match (repetition.min, repetition.max) {
                (min, Some(max)) => write!(out, "){{{min},{max}}}"),
                (min, None) => write!(out, "){{{min},}}"),
            }
        }
        HirKind::Capture(capture) => {
            out.write_str("(?:")?;
            translate(&capture.sub, out)?;
            out.write_str(")")
        }
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| translate(part, out)),
        HirKind::Alternation(parts) => {
            for (index, part) in parts.iter().enumerate() {
                out.write_str(if index == 0 { "(?:" } else { "|" })?;
                translate(part, out)?;
            }
            out.write_str(")")
        }
    }
}

/// A bracket; of what is missing, where that reaches to both ends. No text has U+0000, and PostgreSQL has no name for it.
fn ranges(class: impl Iterator<Item = (char, char)>, out: &mut String) -> std::fmt::Result {
    let class: Vec<_> = class.filter(|range| range.1 > '\0').collect();
    let is_outer = class.first().is_some_and(|range| range.0 == '\0') && class.last().is_some_and(|range| range.1 == char::MAX);
    if is_outer && class.len() == 1 {
        return out.write_str(".");
    }
    if is_outer {
        out.write_str("[^")?;
        for pair in class.windows(2) {
            let (low, high) = (u32::from(pair[0].1) + 1, u32::from(pair[1].0) - 1);
            between(low, high, out)?;
        }
    } else {
        out.write_str("[")?;
        for (low, high) in class {
            between(u32::from(low).max(1), u32::from(high), out)?;
        }
    }
    out.write_str("]")
}

fn between(low: u32, high: u32, out: &mut String) -> std::fmt::Result {
    number(low, out)?;
    if high > low {
        out.write_str("-")?;
        number(high, out)?;
    }
    Ok(())
}

fn character(c: char, out: &mut String) -> std::fmt::Result {
    if c.is_ascii_alphanumeric() {
        out.write_char(c)
    } else {
        number(u32::from(c), out)
    }
}

fn number(code: u32, out: &mut String) -> std::fmt::Result {
    if code <= 0xFFFF {
        write!(out, "\\u{code:04X}")
    } else {
        write!(out, "\\U{code:08X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_for_postgres_say_everything() {
        let cases = [
            ("abc", "abc"),
            ("", "(?:)"),
            ("^a.c$", "\\Aa[^\\u000A]c\\Z"),
            ("(?s).", "."),
            ("a+b*c?d{2}e{3,}f{1,4}", "(?:a){1,}(?:b){0,}(?:c){0,1}(?:d){2,2}(?:e){3,}(?:f){1,4}"),
            ("a+?", "(?:a){1,}"),
            ("(ab|cd)x", "(?:(?:ab|cd))x"),
            ("[a-c_]", "[\\u005F\\u0061-\\u0063]"),
            ("[^a]", "[^\\u0061]"),
            (r"[\x00-b]", "[\\u0001-\\u0062]"),
            ("(?i)k", "[\\u004B\\u006B\\u212A]"),
            (r"\.\*\\", "\\u002E\\u002A\\u005C"),
            ("***=", ""),
            ("ü€𝄞", "\\u00FC\\u20AC\\U0001D11E"),
            ("(?-u:[0-9])", "[\\u0030-\\u0039]"),
            ("(?:)", "(?:)"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(postgres(pattern).unwrap_or_default(), expected, "{pattern}");
        }
        assert!(postgres(r"\w").is_some_and(|text| text.len() > 5_000));
    }

    #[test]
    fn what_is_no_expression_has_a_place() {
        let cases = [
            ("(", 0, "unclosed group"),
            ("ab)", 2, "unopened group"),
            ("a**{", 3, "repetition"),
            ("[b-a]", 1, "range"),
            (r"ab\q", 2, "escape"),
            (r"(a)\1", 3, "backreference"),
            ("a(?=b)", 1, "look-around"),
            (r"\bword", 0, "word boundary"),
            ("(?m)^a", 0, "end of a line"),
            ("[a&&b]", 0, "without characters"),
            (r"a\x00", 0, "U+0000"),
            (r"[\x00]", 0, "U+0000"),
        ];
        for (pattern, place, words) in cases {
            let (at, what) = check(pattern).unwrap_err();
            assert!(at == place && what.contains(words), "{pattern}: {at} {what}");
        }
        assert_eq!(fits("a", "("), None);
    }

    #[test]
    fn expressions_are_bounded() {
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        let cases = [
            ("x".repeat(PATTERN_BYTES), "x".repeat(PATTERN_BYTES + 1)),
            (format!("a{{{PATTERN_REPEATS}}}"), format!("a{{{}}}", PATTERN_REPEATS + 1)),
            (nested(PATTERN_DEPTH), nested(PATTERN_DEPTH + 1)),
            (
                format!("a{{100}}(?:b{{100}}){{{}}}", PATTERN_SIZE / 100 - 2),
                format!("a{{100}}(?:b{{100}}){{{}}}", PATTERN_SIZE / 100),
            ),
        ];
        for (most, more) in cases {
            assert_eq!(check(&most), Ok(()), "{most}");
            assert!(check(&more).is_err(), "{more}");
        }
        assert!(check(r"(?:\w{100}){100}").is_err());
    }

    #[test]
    fn used_expressions_are_kept() {
        for round in 0..3 {
            for number in 0..2 * PATTERNS_KEPT {
                assert_eq!(fits(&format!("x{number}y"), &format!("^x{number}y$")), Some(true), "{round}");
                assert_eq!(fits("xy", &format!("^x{number}y$")), Some(false));
            }
        }
        assert_eq!(fits("Zürich", "^Z.r"), Some(true));
    }
}

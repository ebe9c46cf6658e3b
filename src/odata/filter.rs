//! The syntax of `$filter` and `$orderby`: text to tree. Names are slices of the text, every node knows its byte
//! position; what names mean is [`super::bind`]'s business.
//!
//! ```text
//! orderby  = item *( "," item )
//! item     = expr [ SP ( "asc" / "desc" ) ]
//! expr     = unary *( SP operator SP expr )           ; climbing by OPERATORS, all left-associative (FLT-10, FLT-11)
//! unary    = "not" ( SP / before "(" ) unary          ; tighter than any comparison (FLT-12)
//!          / "-" unary                                ; "-" before a number is part of the number (FLT-13)
//!          / primary
//! primary  = "(" expr ")" / literal / lambda / path / call [ "/" path ]
//! path     = segment *( "/" segment )
//! segment  = name *( "." name ) / "$it"               ; with dots it is a type
//! call     = segment "(" [ expr *( "," expr ) ] ")"
//! lambda   = path "/" ( "any" / "all" ) "(" [ name ":" expr ] ")"      ; `all` always has a predicate (FLT-72)
//! literal  = see `super::literal`
//! SP       = 1*( blank / tab ), may be left out beside a parenthesis (FLT-2)
//! ```
//!
//! Between all other tokens blanks are free. A name is a function only when "(" follows (FLT-65).

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::recognize;
use nom::multi::separated_list1;
use nom::sequence::pair;
use nom::{IResult, Parser as _};

use super::literal::{Literal, literal};
use crate::model::expr::Op;
use crate::model::fault::{BAD_FILTER, BAD_ORDERBY, Fault, Kind, Outcome, TOO_LARGE};
use crate::model::limits::{EXPRESSION_DEPTH, EXPRESSION_NODES, ORDER_ITEMS};

/// Binary operators and their power; a higher one binds tighter. The whole of OData's precedence is this table.
const OPERATORS: &[(&str, Op, u8)] = &[
    ("or", Op::Or, 1),
    ("and", Op::And, 2),
    ("eq", Op::Eq, 3),
    ("ne", Op::Ne, 3),
    ("gt", Op::Gt, 3),
    ("ge", Op::Ge, 3),
    ("lt", Op::Lt, 3),
    ("le", Op::Le, 3),
    ("add", Op::Add, 4),
    ("sub", Op::Sub, 4),
    ("mul", Op::Mul, 5),
    ("div", Op::Div, 5),
    ("mod", Op::Mod, 5),
];

/// The name of an operator, for messages.
pub fn operator_name(op: Op) -> &'static str {
    OPERATORS.iter().find(|row| row.1 == op).map_or("", |row| row.0)
}

/// Words that are literals, unless they begin a path or a call (LIT-4, LIT-5, LIT-6).
const LITERAL_WORDS: &[&str] = &["true", "false", "null", "INF", "INFD", "INFF", "NaN", "NaND", "NaNF"];

/// A node of the tree, and the byte where it begins (a binary one: its operator).
#[derive(Debug)]
pub struct Node<'a> {
    /// Byte position in the text.
    pub at: usize,
    /// What stands there.
    pub syntax: Syntax<'a>,
}

/// What a client wrote.
#[derive(Debug)]
pub enum Syntax<'a> {
    /// A literal, not yet of a type.
    Literal(Literal<'a>),
    /// A path.
    Path(Path<'a>),
    /// A function call; `name` may have dots.
    Call(&'a str, Vec<Node<'a>>),
    /// `not`.
    Not(Box<Node<'a>>),
    /// Unary minus before anything but a number.
    Negate(Box<Node<'a>>),
    /// A binary operator.
    Binary(Op, Box<Node<'a>>, Box<Node<'a>>),
    /// `any` or `all`.
    Lambda {
        /// `all` instead of `any`.
        all: bool,
        /// The way to the collection.
        path: Path<'a>,
        /// Variable and predicate; none for `any()`.
        predicate: Option<(Segment<'a>, Box<Node<'a>>)>,
    },
}

/// `A/NS.T/B`, `$it/A`, `x/A`, `cast('NS.T')/A`.
#[derive(Debug)]
pub struct Path<'a> {
    /// A call that the path begins with.
    pub root: Option<Box<Node<'a>>>,
    /// At least one, unless there is a root.
    pub segments: Vec<Segment<'a>>,
}

/// A name in a path.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// With dots it is a type.
    pub name: &'a str,
    /// Byte position in the text.
    pub at: usize,
}

/// An item of `$orderby`.
#[derive(Debug)]
pub struct Item<'a> {
    /// By what.
    pub node: Node<'a>,
    /// `desc`.
    pub descending: bool,
}

/// Parses `$filter`. [`BAD_FILTER`] with a position for a syntax error, [`TOO_LARGE`] past the limits (FLT-75).
pub fn filter(text: &str) -> Outcome<Node<'_>> {
    let mut parser = Parser::new(text, &BAD_FILTER);
    let node = parser.expression(0, 0)?;
    parser.end("an operator or the end")?;
    Ok(node)
}

/// Parses `$orderby` (ORD-1). Faults as for [`filter`], with [`BAD_ORDERBY`].
pub fn orderby(text: &str) -> Outcome<Vec<Item<'_>>> {
    let mut parser = Parser::new(text, &BAD_ORDERBY);
    let mut items = Vec::new();
    loop {
        let node = parser.expression(0, 0)?;
        parser.blanks();
        let direction = if parser.word("asc") || parser.word("desc") {
            parser.token(name).unwrap_or_default()
        } else {
            ""
        };
        items.push(Item {
            node,
            descending: direction == "desc",
        });
        if items.len() > ORDER_ITEMS {
            return Err(parser.too_large(format!("`$orderby` has more than {ORDER_ITEMS} items")));
        }
        parser.blanks();
        if !parser.take(',') {
            break;
        }
    }
    parser.end("an operator, `asc`, `desc`, `,` or the end")?;
    Ok(items)
}

/// A name without dots.
fn name(input: &str) -> IResult<&str, &str, ()> {
    let first = satisfy(|c| c.is_alphabetic() || c == '_');
    recognize(pair(first, take_while(is_name))).parse(input)
}

/// A name, a type or `$it`.
fn segment(input: &str) -> IResult<&str, &str, ()> {
    alt((tag("$it"), recognize(separated_list1(char('.'), name)))).parse(input)
}

fn blanks(input: &str) -> IResult<&str, &str, ()> {
    take_while1(is_blank).parse(input)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// The place in the text, and what has been counted on the way.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    nodes: usize,
    kind: &'static Kind,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, kind: &'static Kind) -> Parser<'a> {
        let rest = text;
        Parser {
            text,
            rest,
            nodes: 0,
            kind,
        }
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn expected(&self, what: &str) -> Fault {
        let at = self.at();
        Fault::new(self.kind, format!("Expected {what} at position {at}.")).at(at)
    }

    fn too_large(&self, what: String) -> Fault {
        let at = self.at();
        Fault::new(&TOO_LARGE, format!("{what} at position {at}.")).at(at)
    }

    /// Takes a token if it is there.
    fn token<O>(&mut self, mut parser: impl nom::Parser<&'a str, Output = O, Error = ()>) -> Option<O> {
        let (rest, token) = parser.parse(self.rest).ok()?;
        self.rest = rest;
        Some(token)
    }

    fn take(&mut self, c: char) -> bool {
        self.token(char(c)).is_some()
    }

    /// Skips blanks; whether there were any.
    fn blanks(&mut self) -> bool {
        self.token(blanks).is_some()
    }

    /// Whether the next name is `word`; takes nothing.
    fn word(&self, word: &str) -> bool {
        name(self.rest).is_ok_and(|(_, name)| name == word)
    }

    /// What comes next, after blanks.
    fn follows(&self, c: char) -> bool {
        self.rest.trim_start_matches(is_blank).starts_with(c)
    }

    fn end(&mut self, what: &str) -> Outcome<()> {
        self.blanks();
        if self.rest.is_empty() { Ok(()) } else { Err(self.expected(what)) }
    }

    fn node(&mut self, at: usize, syntax: Syntax<'a>) -> Outcome<Node<'a>> {
        self.nodes += 1;
        if self.nodes > EXPRESSION_NODES {
            return Err(self.too_large(format!("The expression has more than {EXPRESSION_NODES} parts")));
        }
        Ok(Node { at, syntax })
    }

    /// `expr`: operators that bind tighter than `floor`.
    fn expression(&mut self, floor: u8, depth: usize) -> Outcome<Node<'a>> {
        self.blanks();
        let mut left = self.unary(depth)?;
        while let Some((op, power, at)) = self.operator(floor)? {
            let right = self.expression(power, depth)?;
            left = self.node(at, Syntax::Binary(op, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    /// Takes an operator above `floor`, with its blanks.
    fn operator(&mut self, floor: u8) -> Outcome<Option<(Op, u8, usize)>> {
        let start = self.rest;
        let apart = self.blanks() || self.text[..self.at()].ends_with(')');
        let at = self.at();
        let found = self.token(name).and_then(|word| OPERATORS.iter().find(|row| row.0 == word));
        let Some(&(_, op, power)) = found.filter(|row| row.2 > floor && apart) else {
            self.rest = start;
            return Ok(None);
        };
        if self.blanks() || self.rest.starts_with('(') {
            return Ok(Some((op, power, at)));
        }
        Err(self.expected("a blank"))
    }

    /// `unary`. All recursion comes through here, so this is where the depth is bounded.
    fn unary(&mut self, depth: usize) -> Outcome<Node<'a>> {
        if depth > EXPRESSION_DEPTH {
            return Err(self.too_large(format!("The expression is nested deeper than {EXPRESSION_DEPTH}")));
        }
        self.blanks();
        let at = self.at();
        let after_minus = self.rest.strip_prefix('-');
        let is_number = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit()) || rest.starts_with("INF");
        if let Some(rest) = after_minus.filter(|rest| !is_number(rest)) {
            self.rest = rest;
            let operand = self.unary(depth + 1)?;
            return self.node(at, Syntax::Negate(Box::new(operand)));
        }
        if let Some(rest) = self.rest.strip_prefix("not")
            && rest.starts_with(|c| is_blank(c) || c == '(')
        {
            self.rest = rest;
            let operand = self.unary(depth + 1)?;
            return self.node(at, Syntax::Not(Box::new(operand)));
        }
        self.primary(depth)
    }

    fn primary(&mut self, depth: usize) -> Outcome<Node<'a>> {
        let at = self.at();
        if self.take('(') {
            let node = self.expression(0, depth + 1)?;
            self.blanks();
            return if self.take(')') {
                Ok(node)
            } else {
                Err(self.expected("an operator or `)`"))
            };
        }
        let Ok((rest, first)) = segment(self.rest) else {
            return self.literal();
        };
        let next = rest.chars().next();
        if next == Some('\'') || (LITERAL_WORDS.contains(&first) && !matches!(next, Some('/' | '('))) {
            return self.literal();
        }
        self.rest = rest;
        let mut path = Path {
            root: None,
            segments: Vec::new(),
        };
        if self.follows('(') {
            let arguments = self.arguments(depth)?;
            let call = self.node(at, Syntax::Call(first, arguments))?;
            if !self.rest.starts_with('/') {
                return Ok(call);
            }
            path.root = Some(Box::new(call));
        } else {
            path.segments.push(Segment { name: first, at });
        }
        self.path(at, path, depth)
    }

    fn literal(&mut self) -> Outcome<Node<'a>> {
        let at = self.at();
        match literal(self.rest) {
            Ok((rest, literal)) => {
                self.rest = rest;
                self.node(at, Syntax::Literal(literal))
            }
            Err(nom::Err::Failure(expected)) => {
                self.rest = expected.rest;
                Err(self.expected(expected.what))
            }
            Err(_) => Err(self.expected("a value")),
        }
    }

    /// The rest of a path, which may turn out to lead to a lambda.
    fn path(&mut self, start: usize, mut path: Path<'a>, depth: usize) -> Outcome<Node<'a>> {
        while self.take('/') {
            let at = self.at();
            let name = self.token(segment).ok_or_else(|| self.expected("a name"))?;
            if matches!(name, "any" | "all") && self.follows('(') {
                let all = name == "all";
                let predicate = self.lambda(all, depth)?;
                return self.node(start, Syntax::Lambda { all, path, predicate });
            }
            path.segments.push(Segment { name, at });
        }
        self.node(start, Syntax::Path(path))
    }

    /// `"(" [ expr *( "," expr ) ] ")"`
    fn arguments(&mut self, depth: usize) -> Outcome<Vec<Node<'a>>> {
        let mut arguments = Vec::new();
        self.blanks();
        self.take('(');
        self.blanks();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0, depth + 1)?);
            self.blanks();
            if self.take(')') {
                return Ok(arguments);
            }
            if !self.take(',') {
                return Err(self.expected("`,` or `)`"));
            }
        }
    }

    /// `"(" [ name ":" expr ] ")"` (FLT-70)
    fn lambda(&mut self, all: bool, depth: usize) -> Outcome<Option<(Segment<'a>, Box<Node<'a>>)>> {
        self.blanks();
        self.take('(');
        self.blanks();
        if !all && self.take(')') {
            return Ok(None);
        }
        let at = self.at();
        let name = self.token(name).ok_or_else(|| self.expected("the name of a variable"))?;
        self.blanks();
        if !self.take(':') {
            return Err(self.expected("`:`"));
        }
        let predicate = self.expression(0, depth + 1)?;
        self.blanks();
        if !self.take(')') {
            return Err(self.expected("an operator or `)`"));
        }
        Ok(Some((Segment { name, at }, Box::new(predicate))))
    }
}

#[cfg(test)]
mod tests;

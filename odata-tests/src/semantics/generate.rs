//! Random expressions that are right by their types.

use super::number::Decimal;
use super::rows::{DATES, TEXTS};
use super::{Expr, Op};
use crate::random::Random;

const COMPARISONS: &[Op] = &[Op::Eq, Op::Ne, Op::Gt, Op::Ge, Op::Lt, Op::Le];

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Decimal,
    Double,
    Text,
    Date,
    Bool,
}

const KINDS: &[Kind] = &[
    Kind::Int,
    Kind::Int,
    Kind::Decimal,
    Kind::Double,
    Kind::Text,
    Kind::Text,
    Kind::Date,
    Kind::Bool,
];

/// Makes expressions.
#[derive(Debug)]
pub struct Generator<'a> {
    random: &'a mut Random,
    /// Variables over rows that are visible here; 0 is the row itself.
    rows: Vec<usize>,
    /// Variables over texts.
    items: Vec<usize>,
    next: usize,
}

impl<'a> Generator<'a> {
    /// With a source of chance.
    pub fn new(random: &'a mut Random) -> Generator<'a> {
        Generator {
            random,
            rows: vec![0],
            items: Vec::new(),
            next: 1,
        }
    }

    /// A predicate of at most that depth.
    pub fn predicate(&mut self, depth: usize) -> Expr {
        if depth == 0 {
            return match self.random.below(6) {
                0 => Expr::Bool(self.random.one_in(2)),
                1 | 2 => self.property(Kind::Bool),
                _ => self.comparison(0),
            };
        }
        match self.random.below(14) {
            0..=2 => Expr::Binary(Op::And, Box::new(self.predicate(depth - 1)), Box::new(self.predicate(depth - 1))),
            3..=5 => Expr::Binary(Op::Or, Box::new(self.predicate(depth - 1)), Box::new(self.predicate(depth - 1))),
            6 | 7 => Expr::Not(Box::new(self.predicate(depth - 1))),
            8 => self.null_test(depth - 1),
            9 => self.text_test(depth - 1),
            10 => self.lambda(depth - 1),
            11 => {
                let op = *self.random.pick(&[Op::Eq, Op::Ne]);
                Expr::Binary(op, Box::new(self.predicate(depth - 1)), Box::new(Expr::Bool(self.random.one_in(2))))
            }
            _ => self.comparison(depth - 1),
        }
    }

    fn comparison(&mut self, depth: usize) -> Expr {
        let kind = *self.random.pick(KINDS);
        // An integer may stand against a decimal or a double.
        let other = match kind {
            Kind::Decimal | Kind::Double if self.random.one_in(3) => Kind::Int,
            kind => kind,
        };
        let ops = if kind == Kind::Bool { &COMPARISONS[..2] } else { COMPARISONS };
        let op = *self.random.pick(ops);
        let (left, right) = (self.value(kind, depth), self.value(other, depth));
        let (left, right) = if self.random.one_in(2) { (left, right) } else { (right, left) };
        Expr::Binary(op, Box::new(left), Box::new(right))
    }

    fn null_test(&mut self, depth: usize) -> Expr {
        let kind = *self.random.pick(KINDS);
        let op = *self.random.pick(&[Op::Eq, Op::Ne]);
        Expr::Binary(op, Box::new(self.value(kind, depth)), Box::new(Expr::Null))
    }

    fn text_test(&mut self, depth: usize) -> Expr {
        let name = *self.random.pick(&["substringof", "startswith", "endswith"]);
        Expr::Call(name, vec![self.value(Kind::Text, depth), self.value(Kind::Text, depth)])
    }

    fn lambda(&mut self, depth: usize) -> Expr {
        let from = *self.random.pick(&self.rows);
        let all = self.random.one_in(2);
        let (variable, over_rows) = (self.next, self.random.one_in(2));
        self.next += 1;
        let inner = if !all && self.random.one_in(5) {
            None
        } else {
            let visible = if over_rows { &mut self.rows } else { &mut self.items };
            visible.push(variable);
            // Mostly something about the variable itself.
            let about = if over_rows || self.random.one_in(3) {
                self.predicate(depth.min(2))
            } else {
                let op = *self.random.pick(COMPARISONS);
                Expr::Binary(op, Box::new(Expr::Item(variable)), Box::new(self.value(Kind::Text, depth.min(1))))
            };
            let visible = if over_rows { &mut self.rows } else { &mut self.items };
            visible.pop();
            Some(Box::new(about))
        };
        if over_rows {
            Expr::Children(all, from, variable, inner)
        } else {
            Expr::Tags(all, from, variable, inner)
        }
    }

    fn value(&mut self, kind: Kind, depth: usize) -> Expr {
        if depth == 0 || self.random.one_in(3) {
            return if self.random.one_in(3) {
                self.literal(kind)
            } else {
                self.property(kind)
            };
        }
        match kind {
            Kind::Int => self.integer(depth - 1),
            Kind::Decimal | Kind::Double => self.real(kind, depth - 1),
            Kind::Text => self.text(depth - 1),
            Kind::Date => self.property(kind),
            Kind::Bool => self.predicate(depth - 1),
        }
    }

    fn integer(&mut self, depth: usize) -> Expr {
        match self.random.below(9) {
            0 => Expr::Negate(Box::new(self.value(Kind::Int, depth))),
            1 => Expr::Call("length", vec![self.value(Kind::Text, depth)]),
            2 => Expr::Call("indexof", vec![self.value(Kind::Text, depth), self.value(Kind::Text, depth)]),
            3 => {
                let name = *self.random.pick(&["year", "month", "day", "hour", "minute", "second"]);
                Expr::Call(name, vec![self.value(Kind::Date, depth)])
            }
            _ => {
                let op = *self.random.pick(&[Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Mod]);
                Expr::Binary(op, Box::new(self.value(Kind::Int, depth)), Box::new(self.value(Kind::Int, depth)))
            }
        }
    }

    fn real(&mut self, kind: Kind, depth: usize) -> Expr {
        match self.random.below(6) {
            0 => Expr::Negate(Box::new(self.value(kind, depth))),
            1 | 2 => {
                let name = *self.random.pick(&["round", "floor", "ceiling"]);
                Expr::Call(name, vec![self.value(kind, depth)])
            }
            _ => {
                let op = *self.random.pick(&[Op::Add, Op::Sub, Op::Mul]);
                let other = if self.random.one_in(3) { Kind::Int } else { kind };
                Expr::Binary(op, Box::new(self.value(kind, depth)), Box::new(self.value(other, depth)))
            }
        }
    }

    fn text(&mut self, depth: usize) -> Expr {
        let name = *self.random.pick(&["concat", "tolower", "toupper", "trim", "replace", "substring"]);
        let mut arguments = vec![self.value(Kind::Text, depth)];
        match name {
            "concat" => arguments.push(self.value(Kind::Text, depth)),
            "replace" => arguments.extend([self.value(Kind::Text, depth), self.value(Kind::Text, depth)]),
            "substring" => {
                arguments.push(self.value(Kind::Int, depth));
                if self.random.one_in(2) {
                    arguments.push(self.value(Kind::Int, depth));
                }
            }
            _ => {}
        }
        Expr::Call(name, arguments)
    }

    fn property(&mut self, kind: Kind) -> Expr {
        if kind == Kind::Text && !self.items.is_empty() && self.random.one_in(2) {
            return Expr::Item(*self.random.pick(&self.items));
        }
        let names: &[&'static str] = match kind {
            Kind::Int => &["A", "A", "B", "C", "Id"],
            Kind::Decimal => &["D"],
            Kind::Double => &["E"],
            Kind::Text => &["S", "T"],
            Kind::Date => &["M", "N"],
            Kind::Bool => &["F", "G"],
        };
        let variable = if self.random.one_in(3) {
            self.rows[0]
        } else {
            *self.rows.last().unwrap_or(&0)
        };
        let ups = [0, 0, 0, 1, 2][self.random.below(5)];
        Expr::Property(variable, ups, names[self.random.below(names.len())])
    }

    fn literal(&mut self, kind: Kind) -> Expr {
        match kind {
            Kind::Int => Expr::Int(self.random.below(13) as i64 - 4),
            Kind::Decimal => Expr::Decimal(Decimal::new(self.random.below(41) as i128 * 25 - 500, 2)),
            Kind::Double => Expr::Double(self.random.below(33) as f64 * 0.25 - 4.0),
            Kind::Text => Expr::Text((*self.random.pick(TEXTS)).to_owned()),
            Kind::Date => Expr::Date((*self.random.pick(DATES)).to_owned()),
            Kind::Bool => Expr::Bool(self.random.one_in(2)),
        }
    }
}

//! Random `$filter` expressions and what they mean, worked out without the server: an independent reading of the
//! requirements FLT-10…FLT-73. Null semantics: a comparison, arithmetic or function with a null is null, `and`, `or` and
//! `not` are three-valued, only true selects; except that `eq null` and `ne null` ask, that `ne` between texts is
//! never null (text which is not there differs from any text), and that `not` of a null Boolean property is true (FLT-33).

mod evaluate;
mod generate;
mod number;
mod rows;
mod text;

pub use evaluate::select;
pub use generate::Generator;
pub use number::Decimal;
pub use rows::{Row, Rows};

/// An expression.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Expr {
    Null,
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Double(f64),
    Text(String),
    Date(String),
    /// Variable (0 is the row itself), how many times along `Parent`, property.
    Property(usize, usize, &'static str),
    /// The variable of a collection of text.
    Item(usize),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Call(&'static str, Vec<Expr>),
    /// `any` (or `all`) over `Children` of a variable: that variable, the new one, what must hold.
    Children(bool, usize, usize, Option<Box<Expr>>),
    /// The same over `Tags`.
    Tags(bool, usize, usize, Option<Box<Expr>>),
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Or,
    And,
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

impl Op {
    /// As in the URL.
    pub fn word(self) -> &'static str {
        ["or", "and", "eq", "ne", "gt", "ge", "lt", "le", "add", "sub", "mul", "div", "mod"][self as usize]
    }

    /// How tight it binds (FLT-10).
    pub fn tightness(self) -> u8 {
        match self {
            Op::Or => 1,
            Op::And => 2,
            Op::Eq | Op::Ne | Op::Gt | Op::Ge | Op::Lt | Op::Le => 3,
            Op::Add | Op::Sub => 4,
            Op::Mul | Op::Div | Op::Mod => 5,
        }
    }
}

impl Expr {
    /// The expressions directly inside.
    pub fn parts(&self) -> Vec<&Expr> {
        match self {
            Expr::Not(inner) | Expr::Negate(inner) => vec![inner],
            Expr::Binary(_, left, right) => vec![left, right],
            Expr::Call(_, arguments) => arguments.iter().collect(),
            Expr::Children(_, _, _, Some(inner)) | Expr::Tags(_, _, _, Some(inner)) => vec![inner],
            _ => Vec::new(),
        }
    }

    /// Whether its values are texts.
    pub fn is_text(&self) -> bool {
        match self {
            Expr::Text(_) | Expr::Item(_) => true,
            Expr::Property(_, _, name) => matches!(*name, "S" | "T"),
            Expr::Call(name, _) => matches!(*name, "concat" | "tolower" | "toupper" | "trim" | "replace" | "substring"),
            _ => false,
        }
    }

    /// Whether it is a predicate that stands for itself: Boolean, with no variable from outside.
    pub fn stands_alone(&self) -> bool {
        fn free(expr: &Expr, bound: &mut Vec<usize>) -> bool {
            match expr {
                Expr::Property(variable, _, _) => *variable > 0 && !bound.contains(variable),
                Expr::Item(variable) => !bound.contains(variable),
                Expr::Children(_, from, variable, inner) | Expr::Tags(_, from, variable, inner) => {
                    if *from > 0 && !bound.contains(from) {
                        return true;
                    }
                    bound.push(*variable);
                    let is_free = inner.as_deref().is_some_and(|inner| free(inner, bound));
                    bound.pop();
                    is_free
                }
                other => other.parts().into_iter().any(|part| free(part, bound)),
            }
        }
        let boolean = match self {
            Expr::Bool(_) | Expr::Not(_) | Expr::Children(..) | Expr::Tags(..) => true,
            Expr::Property(_, _, name) => matches!(*name, "F" | "G"),
            Expr::Binary(op, _, _) => op.tightness() <= 3,
            Expr::Call(name, _) => matches!(*name, "substringof" | "startswith" | "endswith"),
            _ => false,
        };
        boolean && !free(self, &mut Vec::new())
    }
}

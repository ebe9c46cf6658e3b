//! An expression as text: with as few parentheses as the precedence of FLT-10 allows.

use std::fmt::{Display, Formatter, Result};

use super::{Expr, Op};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Expr::Null => f.write_str("null"),
            Expr::Bool(value) => write!(f, "{value}"),
            Expr::Int(value) => write!(f, "{value}"),
            Expr::Decimal(value) => write!(f, "{value}M"),
            Expr::Double(value) => write!(f, "{value:?}"),
            Expr::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Expr::Date(value) => write!(f, "datetime'{value}'"),
            Expr::Property(variable, ups, name) => {
                write_variable(*variable, f)?;
                for _ in 0..*ups {
                    f.write_str("Parent/")?;
                }
                f.write_str(name)
            }
            Expr::Item(variable) => write!(f, "x{variable}"),
            Expr::Not(inner) => write_operand("not ", inner, f),
            Expr::Negate(inner) => write_operand("-", inner, f),
            Expr::Binary(op, left, right) => {
                write_side(left, tightness(left) < op.tightness(), f)?;
                write!(f, " {} ", op.word())?;
                // Everything is left-associative.
                write_side(right, tightness(right) <= op.tightness(), f)
            }
            Expr::Call(name, arguments) => {
                write!(f, "{name}(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    write!(f, "{argument}")?;
                }
                f.write_str(")")
            }
            Expr::Children(all, from, variable, inner) => write_lambda("Children", *all, *from, *variable, inner.as_deref(), f),
            Expr::Tags(all, from, variable, inner) => write_lambda("Tags", *all, *from, *variable, inner.as_deref(), f),
        }
    }
}

fn write_variable(variable: usize, f: &mut Formatter<'_>) -> Result {
    if variable > 0 { write!(f, "x{variable}/") } else { Ok(()) }
}

fn write_lambda(path: &str, all: bool, from: usize, variable: usize, inner: Option<&Expr>, f: &mut Formatter<'_>) -> Result {
    write_variable(from, f)?;
    write!(f, "{path}/{}(", if all { "all" } else { "any" })?;
    if let Some(inner) = inner {
        write!(f, "x{variable}: {inner}")?;
    }
    f.write_str(")")
}

fn write_side(side: &Expr, in_parentheses: bool, f: &mut Formatter<'_>) -> Result {
    if in_parentheses {
        write!(f, "({side})")
    } else {
        write!(f, "{side}")
    }
}

/// After a unary operator: a number with a sign would be read as another literal.
fn write_operand(operator: &str, operand: &Expr, f: &mut Formatter<'_>) -> Result {
    f.write_str(operator)?;
    let is_number = matches!(operand, Expr::Int(_) | Expr::Decimal(_) | Expr::Double(_));
    write_side(operand, is_number || tightness(operand) < 6, f)
}

/// From 1, `or`, over 6, unary, to 7, what stands for itself.
fn tightness(expr: &Expr) -> u8 {
    match expr {
        Expr::Binary(op, _, _) => Op::tightness(*op),
        Expr::Not(_) | Expr::Negate(_) => 6,
        _ => 7,
    }
}

//! What an expression means, by the requirements.

use std::cmp::Ordering;

use super::number::Decimal;
use super::rows::{Row, Rows};
use super::{Expr, Op};

/// A value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Double(f64),
    Text(String),
    Date(String),
}

/// What a variable stands for.
#[derive(Clone)]
enum Bound {
    Row(usize),
    Item(String),
}

/// The ids of the rows that an expression selects.
pub fn select(rows: &Rows, expr: &Expr) -> Vec<i64> {
    let selected = (0..rows.0.len()).filter(|&index| evaluate(rows, &[(0, Bound::Row(index))], expr) == Value::Bool(true));
    selected.map(|index| rows.0[index].id).collect()
}

fn evaluate(rows: &Rows, bound: &[(usize, Bound)], expr: &Expr) -> Value {
    match expr {
        Expr::Null => Value::Null,
        Expr::Bool(value) => Value::Bool(*value),
        Expr::Int(value) => Value::Int(*value),
        Expr::Decimal(value) => Value::Decimal(*value),
        Expr::Double(value) => Value::Double(*value),
        Expr::Text(value) => Value::Text(value.clone()),
        Expr::Date(value) => Value::Date(canonical(value)),
        Expr::Property(variable, ups, name) => {
            let mut at = row_of(bound, *variable);
            for _ in 0..*ups {
                at = at.and_then(|index| rows.0[index].parent);
            }
            at.map_or(Value::Null, |index| property(&rows.0[index], name))
        }
        Expr::Item(variable) => match lookup(bound, *variable) {
            Some(Bound::Item(text)) => Value::Text(text.clone()),
            _ => Value::Null,
        },
        Expr::Not(inner) => match evaluate(rows, bound, inner) {
            Value::Bool(value) => Value::Bool(!value),
            // The property test counts as "is true" (FLT-33).
            _ if matches!(**inner, Expr::Property(..)) => Value::Bool(true),
            _ => Value::Null,
        },
        Expr::Negate(inner) => match evaluate(rows, bound, inner) {
            Value::Int(value) => Value::Int(-value),
            Value::Decimal(value) => Value::Decimal(value.negated()),
            Value::Double(value) => Value::Double(-value),
            _ => Value::Null,
        },
        Expr::Binary(op, left, right) => {
            let asks_null = matches!(op, Op::Eq | Op::Ne) && [left, right].into_iter().any(|side| **side == Expr::Null);
            let texts = left.is_text() || right.is_text();
            let (left, right) = (evaluate(rows, bound, left), evaluate(rows, bound, right));
            if *op == Op::Ne && texts {
                return Value::Bool(left != right);
            }
            if asks_null {
                return Value::Bool((left == Value::Null && right == Value::Null) == (*op == Op::Eq));
            }
            binary(*op, left, right)
        }
        Expr::Call(name, arguments) => {
            let arguments: Vec<Value> = arguments.iter().map(|argument| evaluate(rows, bound, argument)).collect();
            call(name, &arguments)
        }
        Expr::Children(all, from, variable, inner) => {
            let children = row_of(bound, *from).map(|index| rows.children(index)).unwrap_or_default();
            let items = children.into_iter().map(Bound::Row);
            lambda(rows, bound, *all, *variable, items, inner.as_deref())
        }
        Expr::Tags(all, from, variable, inner) => {
            let tags = row_of(bound, *from).map(|index| rows.0[index].tags.clone()).unwrap_or_default();
            lambda(rows, bound, *all, *variable, tags.into_iter().map(Bound::Item), inner.as_deref())
        }
    }
}

/// Never null: a predicate that is null does not hold (FLT-72).
fn lambda(
    rows: &Rows,
    bound: &[(usize, Bound)],
    all: bool,
    variable: usize,
    mut items: impl Iterator<Item = Bound>,
    inner: Option<&Expr>,
) -> Value {
    let mut holds = |item: Bound| {
        let mut inside = bound.to_vec();
        inside.push((variable, item));
        inner.is_none_or(|inner| evaluate(rows, &inside, inner) == Value::Bool(true))
    };
    Value::Bool(if all { items.all(&mut holds) } else { items.any(&mut holds) })
}

fn lookup(bound: &[(usize, Bound)], variable: usize) -> Option<&Bound> {
    bound.iter().rev().find(|(known, _)| *known == variable).map(|(_, bound)| bound)
}

fn row_of(bound: &[(usize, Bound)], variable: usize) -> Option<usize> {
    match lookup(bound, variable) {
        Some(Bound::Row(index)) => Some(*index),
        _ => None,
    }
}

fn property(row: &Row, name: &str) -> Value {
    fn of<T: Clone>(value: &Option<T>, make: impl FnOnce(T) -> Value) -> Value {
        value.clone().map_or(Value::Null, make)
    }
    match name {
        "Id" => Value::Int(row.id),
        "A" => of(&row.a, Value::Int),
        "B" => of(&row.b, Value::Int),
        "C" => of(&row.c, Value::Int),
        "D" => of(&row.d, Value::Decimal),
        "E" => of(&row.e, Value::Double),
        "F" => of(&row.f, Value::Bool),
        "G" => of(&row.g, Value::Bool),
        "S" => of(&row.s, Value::Text),
        "T" => of(&row.t, Value::Text),
        "M" => of(&row.m, |text| Value::Date(canonical(&text))),
        "N" => of(&row.n, |text| Value::Date(canonical(&text))),
        _ => unreachable!("the generator knows the names"),
    }
}

/// With all seven digits of the fraction, so that texts compare as moments do.
fn canonical(date: &str) -> String {
    let (whole, fraction) = date.split_once('.').unwrap_or((date, ""));
    format!("{whole}.{fraction:0<7}")
}

fn binary(op: Op, left: Value, right: Value) -> Value {
    match op {
        Op::Or => match (left, right) {
            (Value::Bool(true), _) | (_, Value::Bool(true)) => Value::Bool(true),
            (Value::Bool(false), Value::Bool(false)) => Value::Bool(false),
            _ => Value::Null,
        },
        Op::And => match (left, right) {
            (Value::Bool(false), _) | (_, Value::Bool(false)) => Value::Bool(false),
            (Value::Bool(true), Value::Bool(true)) => Value::Bool(true),
            _ => Value::Null,
        },
        Op::Eq | Op::Ne | Op::Gt | Op::Ge | Op::Lt | Op::Le => match compare(left, right) {
            None => Value::Null,
            Some(ordering) => Value::Bool(match op {
                Op::Eq => ordering.is_eq(),
                Op::Ne => ordering.is_ne(),
                Op::Gt => ordering.is_gt(),
                Op::Ge => ordering.is_ge(),
                Op::Lt => ordering.is_lt(),
                _ => ordering.is_le(),
            }),
        },
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Mod => arithmetic(op, left, right),
    }
}

/// None when a side is null.
fn compare(left: Value, right: Value) -> Option<Ordering> {
    match promote(left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(&right)),
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(&right)),
        (Value::Decimal(left), Value::Decimal(right)) => Some(left.cmp(&right)),
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(&right),
        (Value::Text(left), Value::Text(right)) | (Value::Date(left), Value::Date(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

/// To the larger type of the two (FLT-40).
fn promote(left: Value, right: Value) -> (Value, Value) {
    let as_decimal = |value: i64| Value::Decimal(Decimal::new(value.into(), 0));
    match (left, right) {
        (Value::Int(left), right @ Value::Decimal(_)) => (as_decimal(left), right),
        (left @ Value::Decimal(_), Value::Int(right)) => (left, as_decimal(right)),
        (Value::Int(left), right @ Value::Double(_)) => (Value::Double(left as f64), right),
        (left @ Value::Double(_), Value::Int(right)) => (left, Value::Double(right as f64)),
        pair => pair,
    }
}

fn arithmetic(op: Op, left: Value, right: Value) -> Value {
    match (op, promote(left, right)) {
        (Op::Add, (Value::Int(left), Value::Int(right))) => Value::Int(left + right),
        (Op::Sub, (Value::Int(left), Value::Int(right))) => Value::Int(left - right),
        (Op::Mul, (Value::Int(left), Value::Int(right))) => Value::Int(left * right),
        // By zero: not selected (FLT-43).
        (Op::Div | Op::Mod, (Value::Int(_), Value::Int(0))) => Value::Null,
        (Op::Div, (Value::Int(left), Value::Int(right))) => Value::Int(left / right),
        (Op::Mod, (Value::Int(left), Value::Int(right))) => Value::Int(left % right),
        (Op::Add, (Value::Decimal(left), Value::Decimal(right))) => Value::Decimal(left.plus(right)),
        (Op::Sub, (Value::Decimal(left), Value::Decimal(right))) => Value::Decimal(left.plus(right.negated())),
        (Op::Mul, (Value::Decimal(left), Value::Decimal(right))) => Value::Decimal(left.times(right)),
        (Op::Add, (Value::Double(left), Value::Double(right))) => Value::Double(left + right),
        (Op::Sub, (Value::Double(left), Value::Double(right))) => Value::Double(left - right),
        (Op::Mul, (Value::Double(left), Value::Double(right))) => Value::Double(left * right),
        _ => Value::Null,
    }
}

fn call(name: &str, arguments: &[Value]) -> Value {
    let part = |range: std::ops::Range<usize>| match &arguments[0] {
        Value::Date(date) => date[range].parse().map_or(Value::Null, Value::Int),
        _ => Value::Null,
    };
    match (name, arguments) {
        ("substringof", [Value::Text(needle), Value::Text(text)]) => Value::Bool(text.contains(needle.as_str())),
        ("startswith", [Value::Text(text), Value::Text(start)]) => Value::Bool(text.starts_with(start.as_str())),
        ("endswith", [Value::Text(text), Value::Text(end)]) => Value::Bool(text.ends_with(end.as_str())),
        ("length", [Value::Text(text)]) => Value::Int(text.chars().count() as i64),
        ("indexof", [Value::Text(text), Value::Text(part)]) => {
            Value::Int(text.find(part.as_str()).map_or(-1, |at| text[..at].chars().count() as i64))
        }
        ("concat", [Value::Text(left), Value::Text(right)]) => Value::Text(format!("{left}{right}")),
        ("tolower", [Value::Text(text)]) => Value::Text(text.to_lowercase()),
        ("toupper", [Value::Text(text)]) => Value::Text(text.to_uppercase()),
        ("trim", [Value::Text(text)]) => Value::Text(text.trim().to_owned()),
        ("replace", [Value::Text(text), Value::Text(find), Value::Text(new)]) => Value::Text(if find.is_empty() {
            text.clone()
        } else {
            text.replace(find.as_str(), new)
        }),
        ("substring", [Value::Text(text), Value::Int(start)]) => Value::Text(text.chars().skip((*start).max(0) as usize).collect()),
        ("substring", [Value::Text(text), Value::Int(start), Value::Int(length)]) => {
            let rest = text.chars().skip((*start).max(0) as usize);
            Value::Text(rest.take((*length).max(0) as usize).collect())
        }
        ("year", _) => part(0..4),
        ("month", _) => part(5..7),
        ("day", _) => part(8..10),
        ("hour", _) => part(11..13),
        ("minute", _) => part(14..16),
        ("second", _) => part(17..19),
        ("floor", [Value::Decimal(value)]) => Value::Decimal(value.floor()),
        ("ceiling", [Value::Decimal(value)]) => Value::Decimal(value.negated().floor().negated()),
        ("round", [Value::Decimal(value)]) => Value::Decimal(value.round()),
        ("floor", [Value::Double(value)]) => Value::Double(value.floor()),
        ("ceiling", [Value::Double(value)]) => Value::Double(value.ceil()),
        ("round", [Value::Double(value)]) => Value::Double(value.round_ties_even()),
        _ => Value::Null,
    }
}

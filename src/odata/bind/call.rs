//! Functions (FLT-50…FLT-65), `isof` and `cast` (FLT-61, FLT-62).

use super::compare::{as_decimal, convert};
use super::{Binder, Bound, Operand, logic, not, truth};
use crate::model::edm::{Class, Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::Outcome;
use crate::model::fault::{Fault, TOO_LARGE};
use crate::model::function::{Function, overloads};
use crate::model::geometry::srid;
use crate::model::limits::TEXT_GROWTH;
use crate::model::pattern;
use crate::model::schema::{ComplexId, TypeId};
use crate::odata::filter::{Node, Syntax};
use crate::odata::literal::natural;

/// A type that `isof` or `cast` names.
enum Named {
    Primitive(Edm),
    Entity(TypeId),
    Complex(ComplexId),
}

impl Binder<'_> {
    /// Calls nest: what is on the stack while the arguments are bound is kept small, the choice and the call stand beside it.
    pub(super) fn call<'n>(&mut self, at: usize, name: &str, arguments: &'n [Node<'n>]) -> Outcome<Operand<'n>> {
        if matches!(name, "isof" | "cast") {
            return self.type_call(at, name, arguments);
        }
        if overloads(name).next().is_none() {
            return Err(self.fault(at, format!("There is no function `{name}`")));
        }
        let mut operands = Vec::with_capacity(arguments.len());
        for node in arguments {
            operands.push(self.bind(node)?);
        }
        self.apply(at, name, operands, arguments)
    }

    /// The call of the overload that is nearest to the operands, which are bound from the arguments.
    fn apply<'n>(&self, at: usize, name: &str, operands: Vec<Operand<'n>>, arguments: &[Node<'_>]) -> Outcome<Operand<'n>> {
        let costs = overloads(name).filter_map(|function| Some((cost(function, &operands)?, function)));
        // The first of the cheapest ones.
        let Some((_, function)) = costs.min_by_key(|(cost, _)| *cost) else {
            return Err(self.no_overload(at, name, &operands));
        };
        let mut guards = Vec::new();
        let mut converted = Vec::with_capacity(operands.len());
        for (operand, &edm) in operands.into_iter().zip(function.arguments) {
            let Operand::Value(mut bound) = operand.typed(edm) else {
                // FLT-36, FLT-64
                return Ok(Operand::null(function.result));
            };
            guards.append(&mut bound.guards);
            converted.push(convert(bound, edm));
        }
        if let [Expr::Literal(_, Value::Text(left)), Expr::Literal(_, Value::Text(right))] = &converted[..]
            && function.arguments[0].is_spatial()
            && srid(left) != srid(right)
        {
            return Err(self.fault(at, format!("`{name}` takes values with the same SRID")));
        }
        if let ("matches", [_, pattern], [_, node]) = (function.name, &converted[..], arguments) {
            self.check_pattern(pattern, node)?;
        }
        let call = Expr::Call(function, converted);
        if growth(&call) > TEXT_GROWTH {
            let message = format!("What `{name}` makes at position {at} could be too long.");
            return Err(Fault::new(&TOO_LARGE, message).at(at));
        }
        Ok(Operand::value(call, function.result, guards))
    }

    /// The pattern of `matches` is a literal, so that it can be looked at before any row is.
    fn check_pattern(&self, argument: &Expr, node: &Node<'_>) -> Outcome<()> {
        let Expr::Literal(_, Value::Text(text)) = argument else {
            return Err(self.fault(node.at, "The pattern of `matches` must be a text literal"));
        };
        pattern::check(text).map_err(|(place, what)| {
            // From the text to the literal: its quote, and those in it that are doubled.
            let quotes = text.bytes().take(place).filter(|byte| *byte == b'\'').count();
            self.fault(node.at + 1 + place + quotes, what)
        })
    }

    fn no_overload(&self, at: usize, name: &str, operands: &[Operand<'_>]) -> crate::model::fault::Fault {
        let given: Vec<String> = operands.iter().map(|operand| self.describe(operand)).collect();
        let taken: Vec<String> = overloads(name)
            .map(|function| {
                let arguments: Vec<String> = function.arguments.iter().map(Edm::to_string).collect();
                format!("({})", arguments.join(", "))
            })
            .collect();
        self.fault(at, format!("`{name}` takes {}, not ({})", taken.join(" or "), given.join(", ")))
    }

    fn type_call<'n>(&mut self, at: usize, name: &str, arguments: &'n [Node<'n>]) -> Outcome<Operand<'n>> {
        let (subject, ty) = match arguments {
            [ty] => (Operand::Entity(self.root()), ty),
            [subject, ty] => (self.bind(subject)?, ty),
            _ => return Err(self.fault(at, format!("`{name}` takes a type, or an expression and a type"))),
        };
        let Some(type_text) = type_text(ty) else {
            return Err(self.fault(ty.at, "Expected the name of a type"));
        };
        let Some(named) = self.named(&type_text) else {
            return Err(self.fault(ty.at, format!("There is no type `{type_text}`")));
        };
        match name {
            "isof" => self.isof(at, subject, &named).map(Operand::boolean),
            _ => self.cast_call(at, subject, &named, &type_text),
        }
    }

    fn named(&self, name: &str) -> Option<Named> {
        if let Some(edm) = name.strip_prefix("Edm.").and_then(Edm::from_name) {
            return Some(Named::Primitive(edm));
        }
        let complex = || self.schema.complex.iter().position(|ty| ty.qualified() == name);
        let entity = self.schema.find_type(name).map(Named::Entity);
        entity.or_else(|| complex().map(Named::Complex))
    }

    /// False for null, and for what can never be of the type.
    fn isof(&self, at: usize, subject: Operand<'_>, named: &Named) -> Outcome<Expr> {
        let there = |expr| not(Expr::IsNull(Box::new(expr)));
        Ok(match (subject, named) {
            (Operand::Entity(mut entity), &Named::Entity(ty)) => {
                if self.schema.is_a(ty, entity.ty) {
                    entity.ty = ty;
                } else if !self.schema.is_a(entity.ty, ty) {
                    return Ok(truth(false));
                }
                self.present(&entity).unwrap_or(truth(true))
            }
            (Operand::Undeclared(property), &Named::Primitive(edm)) => there(property.expr(Some(edm))),
            (Operand::Value(bound), &Named::Primitive(edm)) if edm == bound.edm => {
                let guards = bound.guards.iter();
                guards.rfold(there(bound.expr), |expr, guard| logic(Op::And, guard.expr(), expr))
            }
            (Operand::Complex(mut place, own), &Named::Complex(id)) if own == id => {
                let guards = std::mem::take(&mut place.guards);
                let expr = there(place.member(None));
                guards.iter().rfold(expr, |expr, guard| logic(Op::And, guard.expr(), expr))
            }
            (Operand::Entities { .. } | Operand::Collection(..), _) => {
                return Err(self.fault(at, "`isof` does not take a collection"));
            }
            _ => truth(false),
        })
    }

    fn cast_call<'n>(&self, at: usize, subject: Operand<'n>, named: &Named, name: &str) -> Outcome<Operand<'n>> {
        match (subject, named) {
            (Operand::Entity(entity), Named::Entity(_)) => self.cast(entity, name, at).map(Operand::Entity),
            (Operand::Null | Operand::Absent, &Named::Primitive(edm)) => Ok(Operand::null(edm)),
            (Operand::Undeclared(property), &Named::Primitive(edm)) if edm.class() != Class::Opaque => Ok(Operand::Value(property.of(edm))),
            (Operand::Value(bound), &Named::Primitive(edm)) if edm == bound.edm => Ok(Operand::Value(bound)),
            (Operand::Value(bound), &Named::Primitive(edm)) if edm.class() != Class::Opaque => {
                if !is_convertible(bound.edm, edm) {
                    return Ok(Operand::null(edm));
                }
                let expr = Expr::Cast(Box::new(bound.expr), edm);
                Ok(Operand::value(expr, edm, bound.guards))
            }
            (subject, _) => {
                let what = self.describe(&subject);
                Err(self.fault(at, format!("`cast` does not make {name} of {what}")))
            }
        }
    }
}

/// `'NS.T'` or `NS.T` (FLT-61).
fn type_text(node: &Node<'_>) -> Option<String> {
    match &node.syntax {
        Syntax::Literal(literal) => match natural(literal)? {
            (Edm::String, Value::Text(text)) => Some(text),
            _ => None,
        },
        Syntax::Path(path) => match (&path.root, path.segments.as_slice()) {
            (None, [segment]) if segment.name.contains('.') => Some(segment.name.to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// How far the arguments are from an overload; none if it does not take them.
fn cost(function: &Function, operands: &[Operand<'_>]) -> Option<usize> {
    if function.arguments.len() != operands.len() {
        return None;
    }
    let costs = operands.iter().zip(function.arguments).map(|(operand, &edm)| match operand {
        Operand::Null | Operand::Absent | Operand::Undeclared(_) => Some(0),
        Operand::Value(bound) => distance(bound, edm),
        _ => None,
    });
    costs.sum()
}

fn distance(bound: &Bound<'_>, to: Edm) -> Option<usize> {
    if bound.edm == to {
        return Some(0);
    }
    match (bound.edm.class(), to.class()) {
        (Class::Integer, Class::Integer) if bound.edm < to => Some(1),
        (Class::Integer, Class::Float) => Some(2),
        (Class::Integer, Class::Decimal) => Some(3),
        (Class::Float, Class::Float) if bound.edm < to => Some(1),
        // FLT-42
        (Class::Float, Class::Decimal) => as_decimal(bound.literal).then_some(4),
        _ => None,
    }
}

/// Whether values of a type can be made of another's at all; what cannot is null (FLT-62).
fn is_convertible(from: Edm, to: Edm) -> bool {
    let plain = |edm: Edm| !matches!(edm.class(), Class::Opaque | Class::Equatable);
    let moment = |edm| matches!(edm, Edm::DateTime | Edm::DateTimeOffset);
    from == to
        || (from.is_numeric() && to.is_numeric())
        || (plain(from) && to == Edm::String)
        || (from == Edm::String && plain(to))
        || (moment(from) && moment(to))
}

/// How many times as long as what it is made of a text may become: each `replace` multiplies, so that a kilobyte of filter could
/// make terabytes.
fn growth(expr: &Expr) -> usize {
    match expr {
        Expr::Call(function, arguments) if function.name == "replace" => {
            let by = match &arguments[2] {
                Expr::Literal(_, Value::Text(by)) => by.len(),
                // A column's text, or a computed one: of a length that is not known here.
                other => growth(other).saturating_mul(UNKNOWN_LENGTH),
            };
            growth(&arguments[0]).saturating_mul(by.max(1))
        }
        Expr::Call(_, arguments) => arguments.iter().map(growth).fold(1, usize::max),
        Expr::Cast(inner, _) => growth(inner),
        _ => 1,
    }
}

/// What [`growth`] takes for the length of a replacement that is no literal.
const UNKNOWN_LENGTH: usize = 16;

//! Operators: promotion (FLT-40…FLT-48), null (FLT-30…FLT-36), Booleans.

use super::dynamic::{compared, settled};
use super::{Binder, Bound, Entity, Guard, Operand, logic, not, truth};
use crate::model::edm::{Class, Edm};
use crate::model::expr::{Expr, Op};
use crate::model::fault::Outcome;
use crate::odata::filter::operator_name;
use crate::odata::literal::{Literal, to_value};

impl Binder<'_> {
    pub(super) fn binary<'n>(&mut self, at: usize, op: Op, left: Operand<'n>, right: Operand<'n>) -> Outcome<Operand<'n>> {
        let (left, right) = settled(op, left, right);
        if op.is_comparison() {
            self.compare(at, op, left, right).map(Operand::boolean)
        } else if op.is_arithmetic() {
            self.arithmetic(at, op, left, right)
        } else {
            let left = self.predicate(at, left)?;
            let right = self.predicate(at, right)?;
            Ok(Operand::boolean(logic(op, left, right)))
        }
    }

    /// A Boolean expression, or a null in place of one (FLT-14, FLT-34).
    pub(super) fn predicate(&self, at: usize, operand: Operand<'_>) -> Outcome<Expr> {
        match operand.typed(Edm::Boolean) {
            Operand::Null | Operand::Absent => Ok(Expr::Null),
            Operand::Value(bound) if bound.edm == Edm::Boolean => Ok(guarded(bound.expr, &bound.guards)),
            other => {
                let what = self.describe(&other);
                Err(self.fault(at, format!("Expected a Boolean expression, not {what}")))
            }
        }
    }

    /// `not`: null for null, except that a property that is null counts as false (FLT-33).
    pub(super) fn not<'n>(&self, at: usize, operand: Operand<'n>) -> Outcome<Operand<'n>> {
        match operand.typed(Edm::Boolean) {
            Operand::Value(bound) if bound.edm == Edm::Boolean && is_property(&bound.expr) => {
                let negated = not(bound.expr.clone());
                let negated = if self.is_required(&bound.expr) {
                    negated
                } else {
                    logic(Op::Or, Expr::IsNull(Box::new(bound.expr)), negated)
                };
                Ok(Operand::boolean(or_outside(negated, &bound.guards)))
            }
            other => Ok(Operand::boolean(not(self.predicate(at, other)?))),
        }
    }

    /// A column that cannot be null: a required one of the set itself.
    fn is_required(&self, expr: &Expr) -> bool {
        let Expr::Column { source: 0, ty, property } = *expr else {
            return false;
        };
        let known = self.sources[0].ty;
        property < self.schema.types[known].properties.len() && !self.schema.types[ty].properties[property].nullable
    }

    fn compare<'n>(&self, at: usize, op: Op, left: Operand<'n>, right: Operand<'n>) -> Outcome<Expr> {
        let is_equality = matches!(op, Op::Eq | Op::Ne);
        match (left, right) {
            (Operand::Null, Operand::Null) => Ok(truth(op == Op::Eq)),
            (Operand::Absent, Operand::Null) | (Operand::Null, Operand::Absent) => Ok(truth(op == Op::Eq)),
            (Operand::Absent, _) | (_, Operand::Absent) => Ok(Expr::Null),
            (Operand::Undeclared(left), Operand::Undeclared(right)) => Ok(compared(op, &left, &right)),
            (Operand::Null, operand) | (operand, Operand::Null) => {
                if !is_equality && !matches!(operand, Operand::Value(_) | Operand::Undeclared(_)) {
                    return Err(self.incomparable(at, op, &operand, &Operand::Null));
                }
                let is_null = self.is_null(at, operand)?;
                Ok(match op {
                    Op::Eq => is_null,
                    Op::Ne => not(is_null),
                    // FLT-31
                    _ => truth(false),
                })
            }
            (Operand::Value(left), Operand::Value(right)) => {
                let edm = common(&left, &right).filter(|edm| match edm.class() {
                    Class::Opaque => false,
                    Class::Equatable => is_equality,
                    _ => true,
                });
                let Some(edm) = edm else {
                    return Err(self.incomparable(at, op, &Operand::Value(left), &Operand::Value(right)));
                };
                let guards: Vec<Guard> = left.guards.iter().chain(&right.guards).cloned().collect();
                let expr = Expr::Binary {
                    op,
                    edm,
                    left: Box::new(convert(left, edm)),
                    right: Box::new(convert(right, edm)),
                };
                Ok(guarded(expr, &guards))
            }
            (left, right) => Err(self.incomparable(at, op, &left, &right)),
        }
    }

    fn incomparable(&self, at: usize, op: Op, left: &Operand<'_>, right: &Operand<'_>) -> crate::model::fault::Fault {
        let (left, right) = (self.describe(left), self.describe(right));
        self.fault(at, format!("`{}` does not take {left} and {right}", operator_name(op)))
    }

    /// `eq null` (FLT-22, FLT-30); a guard that does not hold makes it true (FLT-21).
    pub(super) fn is_null(&self, at: usize, operand: Operand<'_>) -> Outcome<Expr> {
        Ok(match operand {
            Operand::Undeclared(property) => or_outside(Expr::IsNull(Box::new(property.expr(None))), &property.guards),
            Operand::Null | Operand::Absent => truth(true),
            Operand::Value(bound) => or_outside(Expr::IsNull(Box::new(bound.expr)), &bound.guards),
            Operand::Complex(mut place, _) => {
                let guards = std::mem::take(&mut place.guards);
                or_outside(Expr::IsNull(Box::new(place.member(None))), &guards)
            }
            Operand::Entity(entity) => match self.present(&entity) {
                Some(present) => not(present),
                None => truth(false),
            },
            Operand::Entities { .. } | Operand::Collection(..) => {
                return Err(self.fault(at, "A collection is not comparable"));
            }
        })
    }

    /// Whether the row of an entity is there and of the type it was cast to; none if it always is.
    pub(super) fn present(&self, entity: &Entity) -> Option<Expr> {
        let exists = self.is_joined(entity.source).then_some(Expr::Exists { source: entity.source });
        let guards = self.guards(entity);
        let guards = guards.iter().map(Guard::expr);
        // `Exists` first and never null: it decides where the row's type is null because there is no row.
        exists.into_iter().chain(guards).reduce(|left, right| logic(Op::And, left, right))
    }

    fn arithmetic<'n>(&self, at: usize, op: Op, left: Operand<'n>, right: Operand<'n>) -> Outcome<Operand<'n>> {
        let nulls = |operand: &Operand<'_>| matches!(operand, Operand::Null | Operand::Absent);
        match (left, right) {
            (left, right) if nulls(&left) && nulls(&right) => Ok(Operand::Null),
            // FLT-35
            (Operand::Null | Operand::Absent, Operand::Value(bound)) | (Operand::Value(bound), Operand::Null | Operand::Absent)
                if bound.edm.is_numeric() =>
            {
                Ok(Operand::null(widened(bound.edm)))
            }
            (Operand::Value(mut left), Operand::Value(mut right)) if left.edm.is_numeric() && right.edm.is_numeric() => {
                let Some(edm) = common(&left, &right) else {
                    return Err(self.incomparable(at, op, &Operand::Value(left), &Operand::Value(right)));
                };
                let mut guards = std::mem::take(&mut left.guards);
                guards.append(&mut right.guards);
                let expr = Expr::Binary {
                    op,
                    edm,
                    left: Box::new(convert(left, edm)),
                    right: Box::new(convert(right, edm)),
                };
                Ok(Operand::value(expr, edm, guards))
            }
            (left, right) => Err(self.incomparable(at, op, &left, &right)),
        }
    }

    pub(super) fn negate<'n>(&self, at: usize, operand: Operand<'n>) -> Outcome<Operand<'n>> {
        match operand.typed(Edm::Double) {
            Operand::Null | Operand::Absent => Ok(Operand::Null),
            Operand::Value(bound) if bound.edm.is_numeric() => {
                let edm = widened(bound.edm);
                Ok(Operand::value(Expr::Negate(Box::new(bound.expr)), edm, bound.guards))
            }
            other => {
                let what = self.describe(&other);
                Err(self.fault(at, format!("`-` takes a number, not {what}")))
            }
        }
    }
}

/// Null unless the guards hold. In three-valued logic: with the guard `g`, `g and e or (not g and null)`.
fn guarded(expr: Expr, guards: &[Guard]) -> Expr {
    guards.iter().rfold(expr, |expr, guard| {
        let inside = logic(Op::And, guard.expr(), expr);
        let outside = logic(Op::And, not(guard.expr()), Expr::Null);
        logic(Op::Or, inside, outside)
    })
}

/// True unless the guards hold.
fn or_outside(expr: Expr, guards: &[Guard]) -> Expr {
    guards.iter().rfold(expr, |expr, guard| logic(Op::Or, not(guard.expr()), expr))
}

fn is_property(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Column { .. } | Expr::Member { .. } | Expr::Dynamic { .. } | Expr::Item { .. }
    )
}

/// The type of arithmetic on one operand: nothing is smaller than Int32 (FLT-48).
fn widened(edm: Edm) -> Edm {
    if edm.class() == Class::Integer { edm.max(Edm::Int32) } else { edm }
}

/// The type in which two values meet (FLT-40…FLT-42).
fn common(left: &Bound<'_>, right: &Bound<'_>) -> Option<Edm> {
    if !left.edm.is_numeric() || !right.edm.is_numeric() {
        return (left.edm == right.edm).then_some(left.edm);
    }
    let edm = widened(left.edm.max(right.edm));
    let fits = |bound: &Bound<'_>| edm != Edm::Decimal || bound.edm.class() != Class::Float || as_decimal(bound.literal);
    (fits(left) && fits(right)).then_some(edm)
}

/// A real literal without suffix is read again as a Decimal where one is wanted (FLT-42).
pub(super) fn as_decimal(literal: Option<&Literal<'_>>) -> bool {
    literal.is_some_and(|literal| matches!(literal, Literal::Real(_)) && to_value(literal, Edm::Decimal).is_some())
}

/// A literal is read again as the common type; everything else is the database's to promote.
pub(super) fn convert(bound: Bound<'_>, edm: Edm) -> Expr {
    let again = bound
        .literal
        .filter(|_| bound.edm != edm)
        .and_then(|literal| to_value(literal, edm));
    match again {
        Some(value) => Expr::Literal(edm, value),
        None => bound.expr,
    }
}

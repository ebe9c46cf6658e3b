//! Properties that an open type does not declare: each becomes what its surroundings want it to be. A row whose value is something else
//! has null there, and is not selected (OPN-4).

use super::{Binder, Bound, Guard, Operand, logic};
use crate::model::edm::Edm;
use crate::model::expr::{Expr, Op};
use crate::model::query::Order;

/// Such a property, before it is known what it is compared with.
pub(super) struct Undeclared {
    pub source: usize,
    pub name: String,
    pub guards: Vec<Guard>,
}

/// What an order by such a property goes by, in turn: numbers, texts, times.
const ORDERS: &[Edm] = &[Edm::Double, Edm::String, Edm::DateTime];

impl Undeclared {
    /// Its value where it is of a type, or a number where it is to be one.
    pub(super) fn of<'n>(self, edm: Edm) -> Bound<'n> {
        Bound {
            expr: self.expr(Some(edm)),
            edm,
            literal: None,
            guards: self.guards,
        }
    }

    pub(super) fn expr(&self, edm: Option<Edm>) -> Expr {
        Expr::Dynamic {
            source: self.source,
            name: self.name.clone(),
            edm,
        }
    }
}

impl<'n> Operand<'n> {
    /// The operand; an undeclared property as one of a type.
    pub(super) fn typed(self, edm: Edm) -> Operand<'n> {
        match self {
            Operand::Undeclared(property) => Operand::Value(property.of(edm)),
            other => other,
        }
    }
}

/// The type that an undeclared property has beside a value: numbers meet as Double, unless the other one is exact.
fn beside(edm: Edm) -> Edm {
    match edm {
        Edm::Decimal => Edm::Decimal,
        edm if edm.is_numeric() => Edm::Double,
        edm => edm,
    }
}

impl Binder<'_> {
    /// The items of an order by an undeclared property.
    pub(super) fn undeclared_order(property: &Undeclared, descending: bool, order: &mut Vec<Order>) {
        let orders = ORDERS.iter().map(|edm| Order {
            expr: property.expr(Some(*edm)),
            descending,
        });
        order.extend(orders);
    }
}

/// Both sides of an operator, with a type for what is undeclared.
pub(super) fn settled<'n>(op: Op, left: Operand<'n>, right: Operand<'n>) -> (Operand<'n>, Operand<'n>) {
    match (left, right) {
        (left @ Operand::Undeclared(_), Operand::Value(right)) => (left.typed(beside(right.edm)), Operand::Value(right)),
        (Operand::Value(left), right @ Operand::Undeclared(_)) => {
            let edm = beside(left.edm);
            (Operand::Value(left), right.typed(edm))
        }
        (left, right) if op.is_arithmetic() => (left.typed(Edm::Double), right.typed(Edm::Double)),
        sides => sides,
    }
}

/// Two undeclared properties are compared as numbers, or as texts.
pub(super) fn compared(op: Op, left: &Undeclared, right: &Undeclared) -> Expr {
    let compare = |edm| Expr::Binary {
        op,
        edm,
        left: Box::new(left.expr(Some(edm))),
        right: Box::new(right.expr(Some(edm))),
    };
    logic(Op::Or, compare(Edm::Double), compare(Edm::String))
}

//! Binding: the syntax of `$filter` and `$orderby` to [`Expr`] by the schema. Names become indexes, literals typed
//! values, operands get common types; everything a client can get wrong about them is a 400 here, with its position
//! (FLT-15).
//!
//! - [`path`]: members, navigations, casts, the variables of `any` and `all`;
//! - [`compare`]: operators, promotion, null;
//! - [`call`]: functions, `isof`, `cast`.
//!
//! A cast in a path makes what follows null for entities of other types. A column of the derived type itself is null in
//! their rows anyway; for an inherited property or a navigation an operand carries a [`Guard`], which the next Boolean
//! expression around it takes up.

mod call;
mod compare;
mod dynamic;
mod path;
#[cfg(test)]
mod tests;

use self::dynamic::Undeclared;
use super::filter::{Item, Node, Syntax};
use super::literal::{Literal, natural, to_value};
use crate::model::edm::{Class, Edm, Value};
use crate::model::expr::{Expr, Json, Op, Source};
use crate::model::fault::{BAD_FILTER, BAD_ORDERBY, Fault, Kind, Outcome};
use crate::model::query::Order;
use crate::model::schema::{ComplexId, Schema, SetId, Type, TypeId};

/// Binds the expressions of one query; owns the sources that they navigate to.
pub struct Binder<'s> {
    schema: &'s Schema,
    endpoint: usize,
    /// Of the faults.
    kind: &'static Kind,
    sources: Vec<Source>,
    /// Variables of the lambdas around, innermost last.
    scopes: Vec<Scope>,
    /// Variables over collection properties so far.
    items: usize,
}

/// A lambda's variable.
struct Scope {
    name: String,
    variable: Variable,
    /// Sources that the predicate joins inside.
    joins: Vec<usize>,
}

enum Variable {
    Entity { source: usize, ty: TypeId },
    Complex { item: usize, id: ComplexId },
    Primitive { item: usize, edm: Edm },
}

/// What a part of an expression has turned out to be.
enum Operand<'n> {
    /// The literal.
    Null,
    /// An undeclared property of an open type.
    Undeclared(Undeclared),
    /// What cannot be known, such as a member of an undeclared property: null (FLT-25).
    Absent,
    /// Of a primitive type.
    Value(Bound<'n>),
    /// A complex value.
    Complex(Place, ComplexId),
    /// One entity.
    Entity(Entity),
    /// A navigation to many; `cast` only those of that type.
    Entities {
        from: Entity,
        navigation: usize,
        cast: Option<TypeId>,
    },
    /// A collection property.
    Collection(Place, Type),
}

/// A primitive expression.
struct Bound<'n> {
    expr: Expr,
    edm: Edm,
    /// What it was read from, if it is a literal: can be read again as another type.
    literal: Option<&'n Literal<'n>>,
    guards: Vec<Guard>,
}

/// A value inside a JSON column.
struct Place {
    json: Json,
    path: Vec<String>,
    guards: Vec<Guard>,
}

/// The row of a source, perhaps cast.
struct Entity {
    source: usize,
    /// What its members are looked up in: a cast changes it.
    ty: TypeId,
    /// What every row there is.
    known: TypeId,
    guards: Vec<Guard>,
}

/// What carries it is null unless the row of a source is of one of these types.
#[derive(Clone)]
struct Guard {
    source: usize,
    types: Vec<TypeId>,
}

impl<'s> Binder<'s> {
    /// For entities of `ty`, of `set` where the endpoint has one.
    pub fn new(schema: &'s Schema, endpoint: usize, ty: TypeId, set: Option<SetId>) -> Binder<'s> {
        let root = Source {
            ty,
            set,
            join: None,
            nested: false,
        };
        Binder {
            schema,
            endpoint,
            kind: &BAD_FILTER,
            sources: vec![root],
            scopes: Vec::new(),
            items: 0,
        }
    }

    /// Binds `$filter`, which must be Boolean (FLT-14). [`BAD_FILTER`] with a position.
    pub fn filter(&mut self, node: &Node<'_>) -> Outcome<Expr> {
        self.kind = &BAD_FILTER;
        let operand = self.bind(node)?;
        self.predicate(node.at, operand)
    }

    /// Binds `$orderby`. [`BAD_ORDERBY`] with a position, also for what has no order (ORD-3).
    pub fn order(&mut self, items: &[Item<'_>]) -> Outcome<Vec<Order>> {
        self.kind = &BAD_ORDERBY;
        let mut order = Vec::with_capacity(items.len());
        for item in items {
            let operand = self.bind(&item.node)?;
            match operand {
                // Every row has the same place in an order by a constant; PostgreSQL refuses most of them.
                Operand::Absent => {}
                Operand::Undeclared(property) => Self::undeclared_order(&property, item.descending, &mut order),
                Operand::Value(Bound {
                    expr: Expr::Literal(..) | Expr::Null,
                    edm,
                    ..
                }) if has_order(edm) => {}
                Operand::Value(bound) if has_order(bound.edm) => order.push(Order {
                    expr: bound.expr,
                    descending: item.descending,
                }),
                other => {
                    let what = self.describe(&other);
                    return Err(self.fault(item.node.at, format!("There is no order by {what}")));
                }
            }
        }
        Ok(order)
    }

    /// Binds an expression with a value of a primitive type, or null. [`BAD_FILTER`] with a position.
    pub fn value(&mut self, node: &Node<'_>) -> Outcome<Expr> {
        self.kind = &BAD_FILTER;
        let operand = self.bind(node)?;
        match operand {
            Operand::Null | Operand::Absent => Ok(Expr::Null),
            Operand::Value(bound) if bound.guards.is_empty() => Ok(bound.expr),
            Operand::Value(_) => Err(self.fault(node.at, "Expected a value without a cast on its way")),
            other => {
                let what = self.describe(&other);
                Err(self.fault(node.at, format!("Expected a value, not {what}")))
            }
        }
    }

    /// The set itself and what the expressions navigate to, for [`Query::sources`](crate::model::query::Query).
    pub fn into_sources(self) -> Vec<Source> {
        self.sources
    }

    fn fault(&self, at: usize, message: impl std::fmt::Display) -> Fault {
        Fault::new(self.kind, format!("{message} at position {at}.")).at(at)
    }

    /// Binds a node. A chain of operators is a deep tree on its left side: that one is walked, not recursed into.
    fn bind<'n>(&mut self, node: &'n Node<'n>) -> Outcome<Operand<'n>> {
        let mut chain = Vec::new();
        let mut first = node;
        while let Syntax::Binary(op, left, right) = &first.syntax {
            chain.push((first.at, *op, right));
            first = left;
        }
        let mut left = self.bind_unary(first)?;
        for (at, op, right) in chain.into_iter().rev() {
            let right = self.bind(right)?;
            left = self.binary(at, op, left, right)?;
        }
        Ok(left)
    }

    fn bind_unary<'n>(&mut self, node: &'n Node<'n>) -> Outcome<Operand<'n>> {
        match &node.syntax {
            Syntax::Literal(literal) => self.literal(node.at, literal),
            Syntax::Path(path) => self.path(path),
            Syntax::Call(name, arguments) => self.call(node.at, name, arguments),
            Syntax::Not(inner) => {
                let operand = self.bind(inner)?;
                self.not(node.at, operand)
            }
            Syntax::Negate(inner) => {
                let operand = self.bind(inner)?;
                self.negate(node.at, operand)
            }
            Syntax::Lambda { all, path, predicate } => self.lambda(node.at, *all, path, predicate.as_ref()),
            // `bind` has taken the operators apart.
            Syntax::Binary(..) => self.bind(node),
        }
    }

    fn literal<'n>(&mut self, at: usize, literal: &'n Literal<'n>) -> Outcome<Operand<'n>> {
        if *literal == Literal::Null {
            return Ok(Operand::Null);
        }
        // What is too long for Int64 may still be meant as a Decimal (LIT-2).
        let as_decimal = || Some((Edm::Decimal, to_value(literal, Edm::Decimal)?));
        let Some((edm, value)) = natural(literal).or_else(as_decimal) else {
            return Err(self.fault(at, "Expected a number in range"));
        };
        Ok(Operand::Value(Bound {
            expr: Expr::Literal(edm, value),
            edm,
            literal: Some(literal),
            guards: Vec::new(),
        }))
    }

    /// What an operand is, for messages.
    fn describe(&self, operand: &Operand<'_>) -> String {
        match operand {
            Operand::Null | Operand::Absent => "null".to_owned(),
            Operand::Undeclared(property) => format!("the undeclared property {}", property.name),
            Operand::Value(bound) => bound.edm.to_string(),
            Operand::Complex(_, id) => format!("the complex type {}", self.schema.complex[*id].qualified()),
            Operand::Entity(entity) => format!("the entity type {}", self.schema.types[entity.ty].qualified()),
            Operand::Entities { .. } | Operand::Collection(..) => "a collection".to_owned(),
        }
    }
}

impl<'n> Operand<'n> {
    /// A computed value.
    fn value(expr: Expr, edm: Edm, guards: Vec<Guard>) -> Operand<'n> {
        let literal = None;
        Operand::Value(Bound {
            expr,
            edm,
            literal,
            guards,
        })
    }

    /// A computed Boolean.
    fn boolean(expr: Expr) -> Operand<'n> {
        Operand::value(expr, Edm::Boolean, Vec::new())
    }

    /// A null of a type.
    fn null(edm: Edm) -> Operand<'n> {
        Operand::value(Expr::Null, edm, Vec::new())
    }
}

impl Guard {
    fn expr(&self) -> Expr {
        Expr::IsOf {
            source: self.source,
            types: self.types.clone(),
        }
    }
}

fn has_order(edm: Edm) -> bool {
    !matches!(edm.class(), Class::Opaque | Class::Equatable)
}

fn truth(value: bool) -> Expr {
    Expr::Literal(Edm::Boolean, Value::Boolean(value))
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn logic(op: Op, left: Expr, right: Expr) -> Expr {
    Expr::Binary {
        op,
        edm: Edm::Boolean,
        left: Box::new(left),
        right: Box::new(right),
    }
}

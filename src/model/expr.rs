//! Expressions bound to the schema: names have become indexes, literals typed values, calls rows of the function
//! table. What is here cannot fail for the client's reasons any more.
//!
//! Null semantics are those of SQL (FLT-30…FLT-36): a comparison with a null *value* is null, `and`, `or` and `not` are
//! three-valued, only true selects. `eq null` and `ne null` are [`Expr::IsNull`].

use std::sync::Arc;

use super::edm::{Edm, Value};
use super::function::Function;
use super::schema::{Schema, SetId, TypeId};

/// A bound expression.
#[derive(Debug, Clone)]
pub enum Expr {
    /// A value of a type.
    Literal(Edm, Value),
    /// The `null` literal.
    Null,
    /// A primitive property's column.
    Column {
        /// Index into [`Sources`](super::query::Sources).
        source: usize,
        /// The type whose `properties` the index is for.
        ty: TypeId,
        /// Index of the property.
        property: usize,
    },
    /// A member inside a complex property: `Address/City`, or of a lambda variable over complex values.
    Member {
        /// Where the JSON is.
        json: Json,
        /// Names from there.
        path: Vec<String>,
        /// The member's type; none when it is itself complex (only null tests are possible).
        edm: Option<Edm>,
    },
    /// A property that an open type does not declare, where it is of the type `edm`, or a number where `edm` is one.
    Dynamic {
        /// Index into the sources.
        source: usize,
        /// The property.
        name: String,
        /// What it is to be; none when only whether it is there counts.
        edm: Option<Edm>,
    },
    /// Whether an entity at the end of a navigation is there at all: `Category ne null`. True when it is.
    Exists {
        /// Index into the sources.
        source: usize,
    },
    /// A canonical function.
    Call(&'static Function, Vec<Expr>),
    /// `not e`.
    Not(Box<Expr>),
    /// `-e`.
    Negate(Box<Expr>),
    /// A comparison, arithmetic or logic; both sides have the type `edm` after promotion.
    Binary {
        /// Which.
        op: Op,
        /// The common type of both sides.
        edm: Edm,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `e eq null`.
    IsNull(Box<Expr>),
    /// The row of a source is of one of these types.
    IsOf {
        /// Index into the sources.
        source: usize,
        /// The types; empty is never.
        types: Vec<TypeId>,
    },
    /// The row of a source is one of `tops` in a tree, or hangs below one of them with none of `stops` in between.
    Below {
        /// Index into the sources.
        source: usize,
        /// The type of the tree's rows, which have one number as their key.
        ty: TypeId,
        /// Index of the property with the key of the row above.
        parent: usize,
        /// Keys of rows.
        tops: Arc<[i64]>,
        /// Keys of rows, `tops` among them.
        stops: Arc<[i64]>,
    },
    /// The entity that a foreign key of one column names is there for the caller.
    Seen {
        /// Index into the sources.
        source: usize,
        /// The type whose `properties` the index is for.
        ty: TypeId,
        /// Index of the property with the key.
        property: usize,
        /// The type of the entity.
        target: TypeId,
    },
    /// Converts to a primitive type; what cannot be converted is null.
    Cast(Box<Expr>, Edm),
    /// `any` and `all` over a navigation.
    Lambda {
        /// `all` instead of `any`.
        all: bool,
        /// The source of the variable; its join says how it hangs on its parent.
        source: usize,
        /// To-one navigations that the predicate follows from the variable: sources to join inside.
        joins: Vec<usize>,
        /// What must hold; none for plain `any()`.
        predicate: Option<Box<Expr>>,
    },
    /// `any` and `all` over a collection property.
    Items {
        /// `all` instead of `any`.
        all: bool,
        /// Where the JSON array is.
        json: Json,
        /// Names from there to the array.
        path: Vec<String>,
        /// Number of the variable, unique in the query; [`Json::Item`] refers to it.
        item: usize,
        /// What must hold.
        predicate: Option<Box<Expr>>,
    },
    /// The variable over a collection of primitives itself.
    Item {
        /// Number of the variable.
        item: usize,
        /// What the collection holds.
        edm: Edm,
    },
}

/// Where a JSON value is.
#[derive(Debug, Clone)]
pub enum Json {
    /// A complex or collection property.
    Column {
        /// Index into the sources.
        source: usize,
        /// The type whose `properties` the index is for.
        ty: TypeId,
        /// Index of the property.
        property: usize,
    },
    /// The variable of an [`Expr::Items`].
    Item(usize),
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
    /// `eq` to `le`.
    pub fn is_comparison(self) -> bool {
        matches!(self, Op::Eq | Op::Ne | Op::Gt | Op::Ge | Op::Lt | Op::Le)
    }

    /// `add` to `mod`.
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Mod)
    }
}

/// A table of a query, and how it hangs on another.
#[derive(Debug, Clone)]
pub struct Source {
    /// Rows of this type or derived ones.
    pub ty: TypeId,
    /// The set, where the endpoint has one.
    pub set: Option<SetId>,
    /// Parent source, the type whose `navigations` the index is for, and the index; none for the query's own set.
    pub join: Option<(usize, TypeId, usize)>,
    /// Hangs in a lambda's subquery, not in the query's own FROM.
    pub nested: bool,
}

impl Expr {
    /// The primitive type of its value; none for `null` and for what can only be tested for null.
    pub fn edm(&self, schema: &Schema) -> Option<Edm> {
        match self {
            Expr::Literal(edm, _) | Expr::Item { edm, .. } | Expr::Cast(_, edm) => Some(*edm),
            Expr::Null => None,
            Expr::Column { ty, property, .. } => schema.types[*ty].properties[*property].ty.primitive(),
            Expr::Member { edm, .. } | Expr::Dynamic { edm, .. } => *edm,
            Expr::Call(function, _) => Some(function.result),
            Expr::Negate(inner) => inner.edm(schema),
            Expr::Binary { op, edm, .. } if op.is_arithmetic() => Some(*edm),
            Expr::Exists { .. } | Expr::Not(_) | Expr::Binary { .. } | Expr::IsNull(_) => Some(Edm::Boolean),
            Expr::IsOf { .. } | Expr::Lambda { .. } | Expr::Items { .. } | Expr::Below { .. } | Expr::Seen { .. } => Some(Edm::Boolean),
        }
    }

    /// Whether `any` or `all` is in it.
    pub fn has_lambda(&self) -> bool {
        match self {
            Expr::Lambda { .. } | Expr::Items { .. } => true,
            Expr::Call(_, arguments) => arguments.iter().any(Expr::has_lambda),
            Expr::Not(inner) | Expr::Negate(inner) | Expr::IsNull(inner) | Expr::Cast(inner, _) => inner.has_lambda(),
            Expr::Binary { left, right, .. } => left.has_lambda() || right.has_lambda(),
            _ => false,
        }
    }

    /// The same about the row of another source, for an expression that is about that of source 0 alone.
    pub fn about(&self, to: usize) -> Expr {
        let all = |list: &[Expr]| list.iter().map(|expr| expr.about(to)).collect();
        let boxed = |expr: &Expr| Box::new(expr.about(to));
        let json = |json: &Json| match json {
            Json::Column { ty, property, .. } => Json::Column {
                source: to,
                ty: *ty,
                property: *property,
            },
            Json::Item(item) => Json::Item(*item),
        };
        match self {
            Expr::Column { ty, property, .. } => Expr::Column {
                source: to,
                ty: *ty,
                property: *property,
            },
            Expr::Member { json: of, path, edm } => Expr::Member {
                json: json(of),
                path: path.clone(),
                edm: *edm,
            },
            Expr::Dynamic { name, edm, .. } => Expr::Dynamic {
                source: to,
                name: name.clone(),
                edm: *edm,
            },
            Expr::Exists { .. } => Expr::Exists { source: to },
            Expr::Call(function, arguments) => Expr::Call(function, all(arguments)),
            Expr::Not(inner) => Expr::Not(boxed(inner)),
            Expr::Negate(inner) => Expr::Negate(boxed(inner)),
            Expr::Binary { op, edm, left, right } => Expr::Binary {
                op: *op,
                edm: *edm,
                left: boxed(left),
                right: boxed(right),
            },
            Expr::IsNull(inner) => Expr::IsNull(boxed(inner)),
            Expr::IsOf { types, .. } => Expr::IsOf {
                source: to,
                types: types.clone(),
            },
            Expr::Below {
                ty, parent, tops, stops, ..
            } => Expr::Below {
                source: to,
                ty: *ty,
                parent: *parent,
                tops: tops.clone(),
                stops: stops.clone(),
            },
            Expr::Seen { ty, property, target, .. } => Expr::Seen {
                source: to,
                ty: *ty,
                property: *property,
                target: *target,
            },
            Expr::Cast(inner, edm) => Expr::Cast(boxed(inner), *edm),
            Expr::Items {
                all,
                json: of,
                path,
                item,
                predicate,
            } => Expr::Items {
                all: *all,
                json: json(of),
                path: path.clone(),
                item: *item,
                predicate: predicate.as_deref().map(boxed),
            },
            Expr::Literal(..) | Expr::Null | Expr::Item { .. } | Expr::Lambda { .. } => self.clone(),
        }
    }

    /// `self and other`.
    pub fn and(self, other: Expr) -> Expr {
        Expr::Binary {
            op: Op::And,
            edm: Edm::Boolean,
            left: Box::new(self),
            right: Box::new(other),
        }
    }

    /// `self or other`.
    pub fn or(self, other: Expr) -> Expr {
        Expr::Binary {
            op: Op::Or,
            edm: Edm::Boolean,
            left: Box::new(self),
            right: Box::new(other),
        }
    }

    /// `not self`.
    pub fn negated(self) -> Expr {
        Expr::Not(Box::new(self))
    }

    /// `true` or `false`.
    pub fn boolean(value: bool) -> Expr {
        Expr::Literal(Edm::Boolean, Value::Boolean(value))
    }

    /// Whether its value can be null.
    pub fn nullable(&self, schema: &Schema) -> bool {
        match self {
            Expr::Literal(_, value) => value.is_null(),
            // A joined row may be absent, and a row of another type of the hierarchy has no value in a derived type's column.
            Expr::Column { source, ty, property } => {
                let entity = &schema.types[*ty];
                *source > 0 || entity.properties[*property].nullable || *property >= schema.types[entity.root].properties.len()
            }
            Expr::Exists { .. } | Expr::IsNull(_) | Expr::IsOf { .. } | Expr::Lambda { .. } | Expr::Items { .. } => false,
            Expr::Below { .. } | Expr::Seen { .. } => false,
            _ => true,
        }
    }
}

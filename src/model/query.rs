//! A query bound to the schema: what `$filter`, `$orderby`, `$top`, `$skip`, `$inlinecount`, `$select`, `$expand` and
//! `$skiptoken` mean together.

use super::edm::Value;
use super::expr::{Expr, Source};
use super::schema::{SetId, TypeId};

/// What to read.
#[derive(Debug, Clone)]
pub struct Query {
    /// `[0]` is the set itself, the others are what expressions navigate to.
    pub sources: Vec<Source>,
    /// Rows to keep.
    pub filter: Option<Expr>,
    /// As the client asked; the key is appended by the engine (ORD-6).
    pub order: Vec<Order>,
    /// `$top`.
    pub top: Option<usize>,
    /// `$skip`.
    pub skip: usize,
    /// `$inlinecount=allpages`.
    pub count: bool,
    /// Where to go on: the values of the order and the key of the last row delivered.
    pub after: Option<Vec<Value>>,
    /// Hash of `$filter` and `$orderby`, so that a `$skiptoken` is only taken with the options it was made for.
    pub fingerprint: u32,
    /// What of each entity goes out.
    pub shape: Shape,
}

impl Query {
    /// Everything of a type, in no order.
    pub fn of(ty: TypeId, set: Option<SetId>) -> Query {
        Query {
            sources: vec![Source {
                ty,
                set,
                join: None,
                nested: false,
            }],
            filter: None,
            order: Vec::new(),
            top: None,
            skip: 0,
            count: false,
            after: None,
            fingerprint: 0,
            shape: Shape::default(),
        }
    }
}

/// One item of `$orderby`.
#[derive(Debug, Clone)]
pub struct Order {
    /// By what.
    pub expr: Expr,
    /// `desc`.
    pub descending: bool,
}

/// What of an entity goes out: `$select` and `$expand` at one level (SEL, EXP).
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Names of the properties; none is all.
    pub properties: Option<Vec<String>>,
    /// Names of the navigations whose links go out; none is all.
    pub links: Option<Vec<String>>,
    /// Indexes of the endpoint's operations that are told of where they are bound to the entity; none is all (SEL-8).
    pub operations: Option<Vec<usize>>,
    /// What is written inline.
    pub expand: Vec<Expand>,
    /// `$select` as the context URL repeats it (SEL-9).
    pub select_text: Option<String>,
}

impl Shape {
    /// Whether a property goes out.
    pub fn shows(&self, property: &str) -> bool {
        self.properties
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == property))
    }

    /// Whether an operation is told of.
    pub fn tells(&self, operation: usize) -> bool {
        self.operations.as_ref().is_none_or(|indexes| indexes.contains(&operation))
    }

    /// Whether a navigation's link goes out.
    pub fn links(&self, navigation: &str) -> bool {
        self.links.as_ref().is_none_or(|names| names.iter().any(|name| name == navigation))
    }
}

/// A navigation written inline.
#[derive(Debug, Clone)]
pub struct Expand {
    /// The type whose `navigations` the index is for.
    pub ty: TypeId,
    /// Index of the navigation.
    pub navigation: usize,
    /// The set at its end.
    pub set: Option<SetId>,
    /// Of the entities there.
    pub shape: Shape,
}

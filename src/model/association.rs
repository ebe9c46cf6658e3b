//! How entity types belong together: navigations, and the associations behind them.

use super::schema::{SetId, TableId, TypeId};

/// How many entities are at the end of a navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multiplicity {
    /// `1`
    One,
    /// `0..1`
    ZeroOrOne,
    /// `*`
    Many,
}

impl Multiplicity {
    /// As CSDL writes it.
    pub fn text(self) -> &'static str {
        match self {
            Multiplicity::One => "1",
            Multiplicity::ZeroOrOne => "0..1",
            Multiplicity::Many => "*",
        }
    }

    /// From CSDL's text.
    pub fn parse(text: &str) -> Option<Multiplicity> {
        Some(match text {
            "1" => Multiplicity::One,
            "0..1" => Multiplicity::ZeroOrOne,
            "*" => Multiplicity::Many,
            _ => return None,
        })
    }
}

/// A navigation property.
#[derive(Debug, Clone)]
pub struct Navigation {
    /// As in payloads and URLs.
    pub name: String,
    /// The type at the other end.
    pub target: TypeId,
    /// How many are there.
    pub multiplicity: Multiplicity,
    /// Index into [`Schema::associations`].
    pub association: usize,
    /// Which end of the association is this type: 0 or 1.
    pub from_end: usize,
    /// How rows of the two tables belong together; none if the target has no table.
    pub join: Option<Join>,
    /// ContainsTarget of CSDL v3.
    pub contains_target: bool,
}

impl Navigation {
    /// Leads to a collection.
    pub fn is_many(&self) -> bool {
        self.multiplicity == Multiplicity::Many
    }
}

/// How rows of two tables belong together. Columns stand in the order of the other side's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Join {
    /// This row holds the target's key.
    Near {
        /// Columns of this row.
        columns: Vec<String>,
    },
    /// The target row holds this row's key.
    Far {
        /// Columns of the target row.
        columns: Vec<String>,
    },
    /// A table of pairs.
    Link {
        /// The table.
        table: TableId,
        /// Its columns with this row's key.
        near: Vec<String>,
        /// Its columns with the target's key.
        far: Vec<String>,
    },
}

/// An association between two entity types.
#[derive(Debug, Clone)]
pub struct Association {
    /// Without the namespace.
    pub name: String,
    /// Its schema namespace.
    pub namespace: String,
    /// Both ends.
    pub ends: [AssociationEnd; 2],
    /// The referential constraint.
    pub constraint: Option<Constraint>,
}

/// One end of an association.
#[derive(Debug, Clone)]
pub struct AssociationEnd {
    /// Role name, unique in the association.
    pub role: String,
    /// The type at this end.
    pub entity_type: TypeId,
    /// How many are at this end.
    pub multiplicity: Multiplicity,
    /// What happens at the other end when an entity at this end goes; only `Cascade` has a meaning.
    pub cascade: bool,
}

/// Dependent properties that repeat the principal's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Which end is the principal.
    pub principal: usize,
    /// Its key properties.
    pub principal_properties: Vec<String>,
    /// The dependent's properties, in the same order.
    pub dependent_properties: Vec<String>,
}

/// A named association set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationSet {
    /// Its name.
    pub name: String,
    /// Index into [`Endpoint::containers`].
    pub container: usize,
    /// Index into [`Schema::associations`].
    pub association: usize,
    /// The sets at end 0 and end 1.
    pub sets: [SetId; 2],
}

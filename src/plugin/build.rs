//! Phase two: from what the files say to a [`Schema`].

use std::collections::HashMap;

use crate::model::schema::{Schema, TableId, TypeId};

use super::names::{Namer, Names};
use super::navigations::Draft;
use super::raw::{RawEndpoint, RawOperation, RawProperty, RawType};
use super::read::Problems;

/// The schema in the making.
pub(super) struct Build<'a> {
    pub raw: &'a [RawEndpoint],
    pub problems: &'a Problems,
    pub schema: Schema,
    /// By [`TypeId`].
    pub declared: Vec<Declared<'a>>,
    pub types: Names,
    pub complex: Names,
    /// Every type after its base.
    pub bases_first: Vec<TypeId>,
    /// Column names given out, by the root of the hierarchy.
    pub columns: HashMap<TypeId, Namer>,
    /// Link tables that the files name, by endpoint and name.
    pub links: HashMap<(usize, String), LinkTable>,
    /// Table names given out.
    pub table_names: Namer,
    /// Own navigations, by [`TypeId`].
    pub drafts: Vec<Vec<Draft<'a>>>,
    /// Associations by endpoint and qualified name.
    pub associations: HashMap<(usize, String), usize>,
    /// Operations by endpoint and index, with what the files say of them.
    pub placed: Vec<(usize, usize, &'a RawOperation)>,
    /// What `frame = true` brings.
    pub frame: &'a RawType,
}

/// A link table, as the navigation that was first to name it sees it.
#[derive(Debug, Clone)]
pub(super) struct LinkTable {
    pub table: TableId,
    /// The type whose navigation it is, and the one it leads to.
    pub types: [TypeId; 2],
    /// Columns with the keys of these.
    pub columns: [Vec<String>; 2],
}

/// Where a type was declared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared<'a> {
    /// Index into the endpoints.
    pub endpoint: usize,
    /// What the file says.
    pub raw: &'a RawType,
}

/// Builds what can be built; what cannot has been noted.
pub(super) fn build(raw: &[RawEndpoint], problems: &Problems) -> Schema {
    let frame = super::raw::frame(problems);
    let mut build = Build {
        raw,
        problems,
        schema: Schema::default(),
        declared: Vec::new(),
        types: Names::default(),
        complex: Names::default(),
        bases_first: Vec::new(),
        columns: HashMap::new(),
        links: HashMap::new(),
        table_names: Namer::default(),
        drafts: Vec::new(),
        associations: HashMap::new(),
        placed: Vec::new(),
        frame: &frame,
    };
    build.endpoints();
    build.complex_types();
    build.entity_types();
    build.sets();
    build.tables();
    build.navigations();
    build.indexes();
    build.association_sets();
    build.operations();
    build.closures();
    build.jobs();
    build.behaviours();
    build.row_rules();
    build.schema
}

/// Properties of the frame that a type may declare again, to say more about them.
const FRAME_REFINED: &[&str] = &["Name", "Description"];

impl<'a> Build<'a> {
    /// The type's own properties, those of the frame first. `Name` and `Description` of the frame give way to the type's.
    pub fn own_properties(&self, ty: TypeId) -> Vec<&'a RawProperty> {
        let raw = self.declared[ty].raw;
        let refined = |name: &str| {
            FRAME_REFINED
                .contains(&name)
                .then(|| raw.properties.iter().find(|own| own.name == name))
                .flatten()
        };
        let frame: &'a [RawProperty] = if raw.frame { &self.frame.properties } else { &[] };
        let mut found: Vec<_> = frame.iter().map(|property| refined(&property.name).unwrap_or(property)).collect();
        let placed = found.clone();
        found.extend(
            raw.properties
                .iter()
                .filter(|own| !placed.iter().any(|property| std::ptr::eq(*property, *own))),
        );
        found
    }
}

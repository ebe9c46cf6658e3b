//! Reads CSDL inside EDMX: a `$metadata` document of any OData version up to 3 into plain structs (MET-1 to MET-50).
//!
//! Names of types, associations and the like come out qualified with their namespace, never with an alias; those of
//! primitive types begin with `Edm.`. What these structs have no place for is not skipped in silence: it is listed
//! in [`Document::dropped`].

use crate::model::fault::Outcome;
use crate::model::schema::{Attribute, Facets, Multiplicity};

mod build;
mod fields;
#[cfg(test)]
mod tests;
mod tree;

/// The namespaces of CSDL, newest first (MET-5); a writer uses the first.
pub const EDM_NAMESPACES: &[&str] = &[
    "http://schemas.microsoft.com/ado/2009/11/edm",
    "http://schemas.microsoft.com/ado/2009/08/edm",
    "http://schemas.microsoft.com/ado/2008/09/edm",
    "http://schemas.microsoft.com/ado/2007/05/edm",
    "http://schemas.microsoft.com/ado/2006/04/edm",
];
/// Of the envelope.
pub const EDMX_NAMESPACE: &str = "http://schemas.microsoft.com/ado/2007/06/edmx";
/// Prefix `m`.
pub const METADATA_NAMESPACE: &str = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata";
/// Prefix `annotation`; the namespace of `StoreGeneratedPattern`.
pub const ANNOTATION_NAMESPACE: &str = "http://schemas.microsoft.com/ado/2009/02/edm/annotation";

/// A whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// `Version` of the envelope.
    pub version: Option<String>,
    /// `m:DataServiceVersion`.
    pub data_service_version: Option<String>,
    /// `m:MaxDataServiceVersion`; SharePoint leaves it out (MET-2).
    pub max_data_service_version: Option<String>,
    /// In document order.
    pub schemas: Vec<Schema>,
    /// What is in the document and not in these structs.
    pub dropped: Vec<Dropped>,
}

/// Something in the document that the structs have no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The element it is or stands in: `NorthwindModel.Category/Picture`.
    pub path: String,
    /// `element Documentation`, `attribute annotation:LazyLoadingEnabled="true"`.
    pub what: String,
}

/// A Schema element (MET-6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// Of its types and containers.
    pub namespace: String,
    /// XML namespace: one of [`EDM_NAMESPACES`].
    pub xmlns: String,
    /// Short name; resolved everywhere.
    pub alias: Option<String>,
    /// Entity types.
    pub entity_types: Vec<EntityType>,
    /// Complex types.
    pub complex_types: Vec<ComplexType>,
    /// Names of the enumeration types, without namespace; their members are in `dropped`.
    pub enum_types: Vec<String>,
    /// Associations.
    pub associations: Vec<Association>,
    /// Entity containers.
    pub containers: Vec<Container>,
}

/// MET-20.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityType {
    /// Without namespace.
    pub name: String,
    /// Qualified.
    pub base: Option<String>,
    /// Abstract.
    pub is_abstract: bool,
    /// OpenType.
    pub is_open: bool,
    /// `m:HasStream`.
    pub has_stream: bool,
    /// Names of the key's properties; empty on derived types.
    pub key: Vec<String>,
    /// Own ones.
    pub properties: Vec<Property>,
    /// Own ones.
    pub navigations: Vec<Navigation>,
    /// `m:` and `annotation:`.
    pub attributes: Vec<Attribute>,
}

/// MET-26.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComplexType {
    /// Without namespace.
    pub name: String,
    /// Qualified.
    pub base: Option<String>,
    /// Abstract.
    pub is_abstract: bool,
    /// Own ones.
    pub properties: Vec<Property>,
    /// `m:` and `annotation:`.
    pub attributes: Vec<Attribute>,
}

/// MET-22.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// `Edm.Int32`, `NS.Address`, `Collection(Edm.String)`.
    pub ty: String,
    /// As declared; CSDL's default is true.
    pub nullable: bool,
    /// As declared.
    pub facets: Facets,
    /// ConcurrencyMode is Fixed (MET-23).
    pub concurrency: bool,
    /// `m:` and `annotation:`.
    pub attributes: Vec<Attribute>,
}

/// MET-28.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Navigation {
    /// Its name.
    pub name: String,
    /// The association, qualified.
    pub relationship: String,
    /// The role of the type that has it.
    pub from_role: String,
    /// The role at the other end.
    pub to_role: String,
    /// ContainsTarget.
    pub contains_target: bool,
}

/// MET-29.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    /// Without namespace.
    pub name: String,
    /// In document order; the roles differ.
    pub ends: [AssociationEnd; 2],
    /// ReferentialConstraint.
    pub constraint: Option<Constraint>,
}

/// An End of an Association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationEnd {
    /// Its role.
    pub role: String,
    /// The entity type, qualified.
    pub ty: String,
    /// How many are at this end.
    pub multiplicity: Multiplicity,
    /// OnDelete is Cascade: what is at the other end goes with an entity of this end.
    pub cascade: bool,
}

/// A ReferentialConstraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Role and properties of the principal.
    pub principal: (String, Vec<String>),
    /// Role and properties of the dependent, in the same order.
    pub dependent: (String, Vec<String>),
}

/// MET-31.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Without namespace.
    pub name: String,
    /// `m:IsDefaultEntityContainer`.
    pub is_default: bool,
    /// Entity sets.
    pub sets: Vec<EntitySet>,
    /// Association sets.
    pub association_sets: Vec<AssociationSet>,
    /// Actions, functions, service operations.
    pub function_imports: Vec<FunctionImport>,
}

/// MET-32.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntitySet {
    /// Its name.
    pub name: String,
    /// The entity type, qualified.
    pub ty: String,
}

/// MET-32.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssociationSet {
    /// Its name.
    pub name: String,
    /// The association, qualified.
    pub association: String,
    /// Role and entity set.
    pub ends: Vec<(String, String)>,
}

/// MET-40; what is not declared is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionImport {
    /// Its name.
    pub name: String,
    /// ReturnType.
    pub result: Option<String>,
    /// EntitySet.
    pub set: Option<String>,
    /// EntitySetPath.
    pub set_path: Option<String>,
    /// `m:HttpMethod` (MET-41).
    pub http_method: Option<String>,
    /// IsBindable.
    pub bindable: Option<bool>,
    /// IsSideEffecting.
    pub side_effecting: Option<bool>,
    /// IsComposable.
    pub composable: Option<bool>,
    /// `m:IsAlwaysBindable`.
    pub always_bindable: Option<bool>,
    /// The binding parameter first.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a function import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Like a property's.
    pub ty: String,
    /// As declared.
    pub nullable: Option<bool>,
    /// As declared.
    pub mode: Option<String>,
    /// As declared.
    pub facets: Facets,
}

/// Reads a document: UTF-8, with or without a byte order mark, in an EDMX envelope or a lone Schema element.
///
/// Errors are `bad_body` with the byte position: not well-formed, a document type declaration, past
/// [`SCHEMA_BYTES`](crate::model::limits::SCHEMA_BYTES) or [`SCHEMA_DEPTH`](crate::model::limits::SCHEMA_DEPTH),
/// or an element without an attribute that CSDL requires. References to types that are not there are not checked.
pub fn read(document: &[u8]) -> Outcome<Document> {
    build::document(&tree::parse(document)?)
}

/// The type inside `Collection(...)`, and whether there was one.
pub fn item_type(ty: &str) -> (&str, bool) {
    match ty.strip_prefix("Collection(").and_then(|rest| rest.strip_suffix(')')) {
        Some(item) => (item, true),
        None => (ty, false),
    }
}

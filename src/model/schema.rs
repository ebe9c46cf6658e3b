//! What is served: endpoints, entity sets, types, properties, navigations, operations. Built once by the loader
//! (`plugin`), checked there, and never changed while the server runs.

use std::collections::HashMap;

pub use super::association::{Association, AssociationEnd, AssociationSet, Constraint, Join, Multiplicity, Navigation};
use super::edm::{Edm, Value};
pub use super::operation::{Behaviour, Operation, OperationKind, Parameter};
use super::rights::Verb;
pub use super::table::{Column, ColumnKind, DYNAMIC_COLUMN, Index, MEDIA_COLUMN, Reference, TYPE_COLUMN, Table};

/// Index into [`Schema::types`].
pub type TypeId = usize;
/// Index into [`Schema::complex`].
pub type ComplexId = usize;
/// Index into [`Schema::sets`].
pub type SetId = usize;
/// Index into [`Schema::tables`].
pub type TableId = usize;

/// Everything served.
#[derive(Debug, Default)]
pub struct Schema {
    /// In the order of their names.
    pub endpoints: Vec<Endpoint>,
    /// Entity types of all endpoints; a shared set's type stands here once.
    pub types: Vec<EntityType>,
    /// Complex types of all endpoints.
    pub complex: Vec<ComplexType>,
    /// Entity sets of all endpoints.
    pub sets: Vec<EntitySet>,
    /// Associations of all endpoints.
    pub associations: Vec<Association>,
    /// What the database holds: one table for each type hierarchy that a set serves, one for each many-to-many association.
    pub tables: Vec<Table>,
}

/// One service: `/api/<name>/`.
#[derive(Debug)]
pub struct Endpoint {
    /// In the URL.
    pub name: String,
    /// Namespace of its own types.
    pub namespace: String,
    /// One sentence for people.
    pub title: String,
    /// The first is the default one.
    pub containers: Vec<Container>,
    /// Own sets and those shared from another endpoint.
    pub sets: Vec<SetId>,
    /// Every entity type that `$metadata` declares, base types before derived ones.
    pub types: Vec<TypeId>,
    /// Every complex type that `$metadata` declares.
    pub complex: Vec<ComplexId>,
    /// Function imports.
    pub operations: Vec<Operation>,
    /// Names for association sets, where the schema gives them; the others are derived.
    pub association_sets: Vec<AssociationSet>,
    /// Name of permissions: `<prefix>:<Set>Can<Verb>`.
    pub permission_prefix: String,
    /// Bodies of its actions may have members that the action does not declare.
    pub ignores_unknown_arguments: bool,
    /// Set names to ids; qualified with the container for those of another container.
    pub set_names: HashMap<String, SetId>,
}

/// An entity container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its schema namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// An entity set.
#[derive(Debug)]
pub struct EntitySet {
    /// As in the URL.
    pub name: String,
    /// Index into [`Schema::endpoints`].
    pub endpoint: usize,
    /// Index into [`Endpoint::containers`].
    pub container: usize,
    /// What it holds; also what derives from that.
    pub entity_type: TypeId,
    /// Entities on a page; the server's setting if none.
    pub page_size: Option<usize>,
    /// Only the server writes it.
    pub read_only: bool,
    /// Where a navigation leads, by association index; else the endpoint's set of the target type.
    pub targets: HashMap<usize, SetId>,
}

/// An entity type, with what it inherits.
#[derive(Debug)]
pub struct EntityType {
    /// Without the namespace.
    pub name: String,
    /// Its schema namespace.
    pub namespace: String,
    /// What it derives from.
    pub base: Option<TypeId>,
    /// The top of its hierarchy; itself if it has no base.
    pub root: TypeId,
    /// Itself and everything that derives from it.
    pub family: Vec<TypeId>,
    /// Has no instances of its own.
    pub is_abstract: bool,
    /// Takes undeclared properties.
    pub is_open: bool,
    /// Is a media link entry.
    pub has_stream: bool,
    /// Indexes into `properties`; the same in every type of the hierarchy.
    pub key: Vec<usize>,
    /// What tells rows of the table apart: the key, and before it the tenant, where rows belong to tenants and clients choose
    /// their keys. So a tenant's keys are its own, and nobody learns by a conflict which ones others have.
    pub row_key: Vec<usize>,
    /// Inherited ones first, in declaration order.
    pub properties: Vec<Property>,
    /// Where its own properties begin.
    pub own_properties: usize,
    /// Inherited ones first.
    pub navigations: Vec<Navigation>,
    /// Where its own navigations begin.
    pub own_navigations: usize,
    /// Where its rows are; none if no set serves the hierarchy.
    pub table: Option<TableId>,
    /// The property that holds the row's tenant.
    pub tenant: Option<usize>,
    /// Has the nine columns of the frame.
    pub frame: bool,
    /// A change to it changes what callers may do: who writes it needs a permission that names the set itself, and cached credentials
    /// are dropped.
    pub security: bool,
    /// Rows of the root tenant are there to be read for all tenants.
    pub shared: bool,
    /// Rules about which rows are there for whom; of the top of a hierarchy only.
    pub rows: Vec<RowRule>,
    /// What jobs do about its entities.
    pub jobs: Driven,
    /// Foreign attributes of the type and its properties that `$metadata` says again: owner (empty for the type itself), name, value.
    pub attributes: Vec<Attribute>,
}

/// Lets some callers do something with some rows. A verb that has rules is limited to what they let through; administrators see all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRule {
    /// Names of the roles that it is for, of the tenant or of the root tenant; none is everybody.
    pub roles: Vec<String>,
    /// What it is about.
    pub verbs: Vec<Verb>,
    /// Which rows: a `$filter` over the type's own properties, in which `@user` is the caller's number and `@tenant` the tenant that he
    /// acts in.
    pub filter: String,
}

/// Kinds of the jobs that changes of a type's entities begin; a derived type has those of its base where it does not say its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Driven {
    /// The entity is there at once, and a job makes of it what it is to be.
    pub create: Option<String>,
    /// The entity goes when the job has succeeded.
    pub delete: Option<String>,
}

/// An attribute of a foreign namespace, such as `m:FC_TargetPath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Prefixed name; `m` is the metadata namespace, `annotation` that of `StoreGeneratedPattern`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A complex type.
#[derive(Debug)]
pub struct ComplexType {
    /// Without the namespace.
    pub name: String,
    /// Its schema namespace.
    pub namespace: String,
    /// What it derives from.
    pub base: Option<ComplexId>,
    /// Has no values of its own.
    pub is_abstract: bool,
    /// Inherited ones first.
    pub properties: Vec<Property>,
    /// Where its own properties begin.
    pub own_properties: usize,
    /// Foreign attributes of the type.
    pub attributes: Vec<Attribute>,
}

/// What a property, parameter or result is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// A primitive.
    Primitive(Edm),
    /// A complex value.
    Complex(ComplexId),
    /// A collection of primitives or complex values (or entities, in operations).
    Collection(Box<Type>),
    /// An entity; in operations only.
    Entity(TypeId),
}

impl Type {
    /// The primitive type, if it is one.
    pub fn primitive(&self) -> Option<Edm> {
        match self {
            Type::Primitive(edm) => Some(*edm),
            _ => None,
        }
    }

    /// Whether its values are complex, or collections of such.
    pub fn holds_complex(&self) -> bool {
        match self {
            Type::Complex(_) => true,
            Type::Collection(item) => item.holds_complex(),
            Type::Primitive(_) | Type::Entity(_) => false,
        }
    }
}

/// A structural property.
#[derive(Debug, Clone)]
pub struct Property {
    /// As in payloads and URLs.
    pub name: String,
    /// What it holds.
    pub ty: Type,
    /// Takes null.
    pub nullable: bool,
    /// MaxLength and the like.
    pub facets: Facets,
    /// Its column; of an Edm.Stream, the one that says what it holds ([`Media`](super::media::Media)).
    pub column: String,
    /// The value of a new entity whose body leaves it out.
    pub default: Option<Value>,
    /// Owned by the server: ignored in bodies.
    pub read_only: bool,
    /// Never shown: null in answers, unusable in queries.
    pub write_only: bool,
    /// Write-only and kept as an argon2id hash.
    pub hashed: bool,
    /// The database makes it (an identity key).
    pub generated: bool,
    /// Of a generated one: only where a client sends no number, or 0.
    pub by_default: bool,
    /// Part of the ETag.
    pub concurrency: bool,
    /// No two entities (of a tenant) have the same value.
    pub unique: bool,
    /// An index of its own.
    pub indexed: bool,
    /// Foreign attributes.
    pub attributes: Vec<Attribute>,
}

/// CSDL facets, as declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// Characters or bytes; `Some(None)` is `Max`.
    pub max_length: Option<Option<u32>>,
    /// FixedLength.
    pub fixed_length: Option<bool>,
    /// Decimal digits; fraction digits of a time.
    pub precision: Option<u32>,
    /// Digits after the point.
    pub scale: Option<u32>,
    /// Unicode.
    pub unicode: Option<bool>,
    /// Collation.
    pub collation: Option<String>,
    /// `Variable` or a number.
    pub srid: Option<String>,
    /// CollectionKind of older documents.
    pub collection_kind: Option<String>,
    /// DefaultValue as written.
    pub default_value: Option<String>,
}

impl Schema {
    /// The endpoint with that name.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// Every kind of job that something of it begins.
    pub fn job_kinds(&self) -> impl Iterator<Item = &str> {
        let of_types = self.types.iter().flat_map(|ty| [&ty.jobs.create, &ty.jobs.delete]);
        let operations = self.endpoints.iter().flat_map(|endpoint| &endpoint.operations);
        of_types
            .chain(operations.map(|operation| &operation.job))
            .filter_map(Option::as_deref)
    }

    /// A type by its qualified name.
    pub fn find_type(&self, qualified: &str) -> Option<TypeId> {
        let (namespace, name) = qualified.rsplit_once('.')?;
        self.types.iter().position(|ty| ty.name == name && ty.namespace == namespace)
    }

    /// Whether `ty` is `base` or derives from it.
    pub fn is_a(&self, ty: TypeId, base: TypeId) -> bool {
        self.types[base].family.contains(&ty)
    }

    /// Where a navigation from `set` leads: the association set's end, else the endpoint's only set of the target type or
    /// of what that derives from.
    pub fn target_set(&self, set: SetId, navigation: &Navigation) -> Option<SetId> {
        let from = &self.sets[set];
        from.targets
            .get(&navigation.association)
            .copied()
            .or_else(|| self.set_of(from.endpoint, navigation.target))
    }

    /// The endpoint's set for a type: of that type, or of its nearest base type.
    pub fn set_of(&self, endpoint: usize, ty: TypeId) -> Option<SetId> {
        let mut at = Some(ty);
        while let Some(ty) = at {
            let found = self.endpoints[endpoint]
                .sets
                .iter()
                .copied()
                .find(|&set| self.sets[set].entity_type == ty);
            if found.is_some() {
                return found;
            }
            at = self.types[ty].base;
        }
        None
    }

    /// The type of a set's entities.
    pub fn set_type(&self, set: SetId) -> &EntityType {
        &self.types[self.sets[set].entity_type]
    }

    /// The complex type with that qualified name, if it is `base` or derives from it.
    pub fn complex_of(&self, base: ComplexId, qualified: &str) -> Option<ComplexId> {
        let found = self.complex.iter().position(|ty| ty.qualified() == qualified)?;
        let mut at = Some(found);
        while at.is_some_and(|id| id != base) {
            at = at.and_then(|id| self.complex[id].base);
        }
        at.map(|_| found)
    }

    /// `Edm.Int32`, `NS.Address`, `Collection(Edm.String)`.
    pub fn type_name(&self, ty: &Type) -> String {
        match ty {
            Type::Primitive(edm) => edm.to_string(),
            Type::Complex(id) => self.complex[*id].qualified(),
            Type::Entity(id) => self.types[*id].qualified(),
            Type::Collection(item) => format!("Collection({})", self.type_name(item)),
        }
    }
}

impl EntityType {
    /// Namespace and name.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    /// A property by name.
    pub fn property(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|property| property.name == name)
    }

    /// A navigation by name.
    pub fn navigation(&self, name: &str) -> Option<usize> {
        self.navigations.iter().position(|navigation| navigation.name == name)
    }

    /// The key properties.
    pub fn key_properties(&self) -> impl Iterator<Item = &Property> {
        self.key.iter().map(|&index| &self.properties[index])
    }

    /// The properties of `row_key`.
    pub fn row_key_properties(&self) -> impl Iterator<Item = &Property> {
        self.row_key.iter().map(|&index| &self.properties[index])
    }

    /// Whether two tenants may have entities with the same key.
    pub fn has_tenant_key(&self) -> bool {
        self.row_key.len() > self.key.len()
    }

    /// Has concurrency properties, so its entities have ETags.
    pub fn has_etag(&self) -> bool {
        self.properties.iter().any(|property| property.concurrency)
    }

    /// Rows of the table can be of several types.
    pub fn in_hierarchy(&self, schema: &Schema) -> bool {
        schema.types[self.root].family.len() > 1
    }
}

impl ComplexType {
    /// Namespace and name.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    /// A property by name.
    pub fn property(&self, name: &str) -> Option<usize> {
        self.properties.iter().position(|property| property.name == name)
    }
}

impl Property {
    /// Has a value of its own in payloads; Edm.Stream has not.
    pub fn is_structural(&self) -> bool {
        self.ty != Type::Primitive(Edm::Stream)
    }

    /// Whether bodies of clients give it a value; what they say of the others is not read.
    pub fn is_given(&self) -> bool {
        self.is_structural() && !self.read_only && (!self.generated || self.by_default)
    }
}

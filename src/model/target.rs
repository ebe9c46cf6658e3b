//! What a request is about: the meaning of a path, of a body and of its preconditions.

use super::caller::Guid;
use super::edm::Value;
use super::media::Media;
use super::schema::{SetId, Type, TypeId};

/// What a path means.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The root of the endpoint.
    Service,
    /// `$metadata`.
    Metadata,
    /// `$batch`.
    Batch,
    /// Entities, or something of them.
    Resource(Resource),
    /// A function import.
    Operation(Box<Call>),
}

/// A function import as a path names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Indexes into the endpoint's operations: those that name, binding and [`Call::arguments`] leave, never none. They differ in
    /// the names of their parameters; without anything else to go by it is the first.
    pub overloads: Vec<usize>,
    /// What it is bound to.
    pub binding: Option<Resource>,
    /// Names and literals (or aliases, `@name`) in parentheses (PTH-38).
    pub arguments: Vec<(String, String)>,
    /// What of the result is meant, of the first of the overloads.
    pub then: Then,
    /// Whether nothing follows: it is the whole result, whichever overload the arguments mean.
    pub is_end: bool,
}

/// What of an operation's result is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// All of it: there is none, a value, or entities without a set.
    Whole,
    /// Something of a value.
    Part {
        /// Names of members inside a complex value.
        path: Vec<String>,
        /// What is there.
        ty: Type,
        /// The raw value (`/$value`).
        raw: bool,
    },
    /// Entities, or something of them: the path from there, as if it began at their set.
    Entities(Resource),
}

/// Entities, or something of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Where the path begins.
    pub set: SetId,
    /// The way from there.
    pub steps: Vec<Step>,
    /// The type at the end of the steps, after casts.
    pub ty: TypeId,
    /// The set of the entities at the end of the steps, where the endpoint has one.
    pub end_set: Option<SetId>,
    /// The steps lead to a collection.
    pub collection: bool,
    /// The last step is a cast, so the context URL has it.
    pub cast: bool,
    /// What of the entities is meant.
    pub leaf: Leaf,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// One of a collection; values in the order of the type's key.
    Key(Vec<Value>),
    /// Along a navigation.
    Navigate {
        /// The type whose `navigations` the index is for.
        ty: TypeId,
        /// Index of the navigation.
        navigation: usize,
        /// The set at its end, where the endpoint has one.
        set: Option<SetId>,
    },
    /// Only entities of this type.
    Cast(TypeId),
    /// Only entities with these keys: what an operation has answered.
    Among(Vec<Vec<Value>>),
}

/// What of the entities at the end of the steps is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// They themselves.
    Entities,
    /// `/$count`.
    Count,
    /// `$links/Nav`, `$links/Nav(key)`: the links of the last [`Step::Navigate`].
    Links,
    /// `$links/Nav/$count`.
    LinksCount,
    /// A property, or a member of a complex one.
    Property {
        /// Index in the type's properties.
        property: usize,
        /// Names of members inside a complex property.
        path: Vec<String>,
        /// What it holds.
        ty: Type,
        /// The raw value (`/$value`).
        raw: bool,
    },
    /// A property that the open type does not declare.
    Dynamic {
        /// Its name.
        name: String,
        /// The raw value (`/$value`).
        raw: bool,
    },
    /// `/$value` of an entity: its media resource.
    Media,
}

/// An entity as a body gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// The type that the body names, else the declared one.
    pub ty: TypeId,
    /// Property index in `ty` and value; server-owned members are already left out.
    pub values: Vec<(usize, Value)>,
    /// What an open type does not declare (OPN-1).
    pub dynamic: Vec<Dynamic>,
    /// Links to other entities (WR-16, WR-17, WR-36).
    pub links: Vec<Link>,
    /// The media resource of a new media entity, already uploaded (WR-90).
    pub media: Option<Media>,
}

impl Body {
    /// Declared properties only.
    pub fn new(ty: TypeId, values: Vec<(usize, Value)>) -> Body {
        Body {
            ty,
            values,
            dynamic: Vec::new(),
            links: Vec::new(),
            media: None,
        }
    }
}

/// A property that an open type does not declare.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamic {
    /// Its name.
    pub name: String,
    /// What the body says it is; never a collection or an entity (OPN-3).
    pub ty: Type,
    /// Its value; null means that it is not there (OPN-2).
    pub value: Value,
}

/// What a body says of a navigation.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Index in the navigations of the body's type.
    pub navigation: usize,
    /// In the order of the body. Of a navigation to one at most one, and none takes the link away.
    pub to: Vec<Linked>,
}

/// The other end of a link in a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Linked {
    /// An entity that is there: a path to one.
    Existing(Resource),
    /// An entity to be created (deep insert).
    New(Body),
}

/// What has to hold for a request to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `If-Match`.
    pub if_match: Option<Tags>,
    /// `If-None-Match`.
    pub if_none_match: Option<Tags>,
    /// `Odonata-Registration` and `Odonata-Attempt`.
    pub claim: Option<Claim>,
}

/// The claim of a job that a request about one of its streams belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// That of the runner.
    pub registration: Guid,
    /// That of the job.
    pub attempt: i64,
}

/// Entity tags of a precondition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`
    Any,
    /// As sent, `W/"..."`.
    List(Vec<String>),
}

impl Tags {
    /// Whether the entity's tag is among them; the whole text is compared (WR-66).
    pub fn contain(&self, tag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::List(tags) => tags.iter().any(|sent| sent == tag),
        }
    }
}

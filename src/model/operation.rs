//! Function imports: actions, functions and service operations, and what they do.

use super::edm::Edm;
use super::schema::{Facets, SetId, Type, TypeId};

/// A function import: action, function or service operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// Index into [`Endpoint::containers`](super::schema::Endpoint::containers).
    pub container: usize,
    /// `m:HttpMethod`: makes it a service operation (MET-41).
    pub http_method: Option<String>,
    /// IsBindable.
    pub bindable: Option<bool>,
    /// IsSideEffecting.
    pub side_effecting: Option<bool>,
    /// IsComposable.
    pub composable: Option<bool>,
    /// `m:IsAlwaysBindable`.
    pub always_bindable: Option<bool>,
    /// What it answers; none is void.
    pub result: Option<Type>,
    /// EntitySet of the result.
    pub set: Option<SetId>,
    /// EntitySetPath of the result.
    pub set_path: Option<String>,
    /// The binding parameter first.
    pub parameters: Vec<Parameter>,
    /// What happens when it is invoked.
    pub behaviour: Behaviour,
    /// The kind of the job that carries it out; none if that happens at once.
    pub job: Option<String>,
}

/// A parameter of an operation.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it takes.
    pub ty: Type,
    /// Nullable as declared; nullable if it is not.
    pub nullable: Option<bool>,
    /// Mode as declared.
    pub mode: Option<String>,
    /// MaxLength and the like.
    pub facets: Facets,
}

/// What an operation does when it is invoked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Nothing on this server.
    #[default]
    Missing,
    /// A function of the engine, by its name.
    Handler(String),
    /// Answers what this URL, relative to the service root, leads to. `{name}` stands for an argument; `{name}` of the binding
    /// parameter, at the beginning, for what the operation is bound to.
    Query(String),
    /// Changes what the operation is bound to: names of properties, and expressions over the entity with `{name}` for arguments.
    Set(Vec<(String, String)>),
}

/// What kind of operation it is (MET-41).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Has side effects; POST with its arguments in the body.
    Action,
    /// Has none; GET with its arguments in the URL.
    Function,
    /// Of version 2: a method of its own, and its arguments in the query.
    Service,
}

/// The methods that each `m:HttpMethod` means, for `Allow`.
const SERVICE_METHODS: &[(&str, &str)] = &[
    ("GET", "GET, HEAD"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH, MERGE"),
    ("MERGE", "PATCH, MERGE"),
    ("DELETE", "DELETE"),
];

impl Operation {
    /// Bound to an entity or a collection of entities.
    pub fn is_bound(&self) -> bool {
        self.bindable == Some(true)
    }

    /// What it is bound to: the type, and whether it is a collection of it.
    pub fn binding(&self) -> Option<(TypeId, bool)> {
        match &self.parameters.first().filter(|_| self.is_bound())?.ty {
            Type::Entity(ty) => Some((*ty, false)),
            Type::Collection(item) => match **item {
                Type::Entity(ty) => Some((ty, true)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The parameters that a caller gives arguments for.
    pub fn arguments(&self) -> &[Parameter] {
        let bound = usize::from(self.is_bound()).min(self.parameters.len());
        &self.parameters[bound..]
    }

    /// Action, function or service operation.
    pub fn kind(&self) -> OperationKind {
        match (&self.http_method, self.side_effecting) {
            (Some(_), _) => OperationKind::Service,
            (None, Some(false)) => OperationKind::Function,
            (None, _) => OperationKind::Action,
        }
    }

    /// The methods that invoke it, for `Allow` (ACT-4, ACT-8, WR-3).
    pub fn methods(&self) -> &'static str {
        match (self.kind(), self.http_method.as_deref()) {
            (OperationKind::Function, _) => "GET, HEAD",
            (OperationKind::Service, Some(method)) => SERVICE_METHODS.iter().find(|row| row.0 == method).map_or("POST", |row| row.1),
            _ => "POST",
        }
    }

    /// Whether more may follow it in a path, and query options apply to what it answers (ACT-5, PTH-36).
    pub fn is_composable(&self) -> bool {
        match self.kind() {
            OperationKind::Action => false,
            OperationKind::Function => self.composable == Some(true),
            OperationKind::Service => true,
        }
    }

    /// Answers entities: their type, and whether it is a collection of them.
    pub fn entities(&self) -> Option<(TypeId, bool)> {
        match self.result.as_ref()? {
            Type::Entity(ty) => Some((*ty, false)),
            Type::Collection(item) => match **item {
                Type::Entity(ty) => Some((ty, true)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Parameter {
    /// Whether null is an argument for it.
    pub fn is_nullable(&self) -> bool {
        self.nullable != Some(false)
    }

    /// The primitive type, if it takes one.
    pub fn primitive(&self) -> Option<Edm> {
        self.ty.primitive()
    }
}

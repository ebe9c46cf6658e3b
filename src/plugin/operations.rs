//! Function imports: what they take and answer, and what happens when they are invoked.

use crate::engine::operation::{Binds, handler};
use crate::model::edm::Value;
use crate::model::fault::Outcome;
use crate::model::schema::{Behaviour, Operation, OperationKind, Parameter, SetId, Type, TypeId};
use crate::model::target::{Leaf, Resource};
use crate::odata::template::{self, Base, Changes, To};

use super::build::Build;
use super::names;
use super::properties::Takes;
use super::raw::{RawBehaviour, RawOperation, RawParameter};

/// Values of `http_method` (MET-40).
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "MERGE", "DELETE"];
/// Values of a parameter's `mode`.
const MODES: &[&str] = &["In", "Out", "InOut"];

/// What an operation of this name does that declares no behaviour, where it fits: imported documents have one for each set.
const TEMPLATE: &str = "Template";

impl<'a> Build<'a> {
    /// Function imports (MET-40 to MET-44).
    pub fn operations(&mut self) {
        for (endpoint, raw) in self.raw.iter().enumerate() {
            for said in &raw.operations {
                if let Some(operation) = self.operation(endpoint, said) {
                    self.placed.push((endpoint, self.schema.endpoints[endpoint].operations.len(), said));
                    self.schema.endpoints[endpoint].operations.push(operation);
                }
            }
        }
    }

    fn operation(&self, endpoint: usize, raw: &RawOperation) -> Option<Operation> {
        names::check(self.problems, raw.name.place, "operation", &raw.name.it);
        let container = raw.container.as_ref();
        let container = self.container_index(endpoint, container.map(|said| said.it.as_str()), container.unwrap_or(&raw.name));
        let set = raw.set.as_ref().and_then(|said| self.named_set(endpoint, said));
        let namespace = self.schema.endpoints[endpoint].namespace.clone();
        let result = raw
            .returns
            .as_ref()
            .and_then(|said| self.value_type(endpoint, &[&namespace], said, Takes::Entities));
        let mut parameters: Vec<Parameter> = Vec::new();
        for said in &raw.parameters {
            if parameters.iter().any(|other| other.name == said.name.it) {
                self.problems
                    .add(said.name.place, format!("The parameter `{}` is declared twice.", said.name.it));
            } else if let Some(parameter) = self.parameter(endpoint, &namespace, said) {
                parameters.push(parameter);
            }
        }
        self.operation_faults(raw, &parameters);
        let mut operation = Operation {
            name: raw.name.it.clone(),
            container: container?,
            http_method: raw.http_method.as_ref().map(|said| said.it.clone()),
            bindable: raw.bindable,
            side_effecting: raw.side_effecting,
            composable: raw.composable,
            always_bindable: raw.always_bindable,
            result,
            set,
            set_path: raw.set_path.clone(),
            parameters,
            behaviour: Behaviour::Missing,
            job: raw.job.as_ref().map(|kind| kind.it.clone()),
        };
        operation.behaviour = behaviour(raw, &operation);
        Some(operation)
    }

    fn operation_faults(&self, raw: &RawOperation, parameters: &[Parameter]) {
        if let Some(method) = raw.http_method.as_ref().filter(|method| !METHODS.contains(&method.it.as_str())) {
            self.problems
                .add(method.place, format!("`http_method` must be one of {}.", METHODS.join(", ")));
        }
        if raw.http_method.is_some() && raw.bindable == Some(true) {
            self.problems.add(
                raw.place,
                format!(
                    "`{}` has an `http_method`, so it is a service operation and cannot be `bindable` (MET-41).",
                    raw.name.it
                ),
            );
        }
        let entity = |ty: &Type| match ty {
            Type::Collection(item) => matches!(**item, Type::Entity(_)),
            other => matches!(other, Type::Entity(_)),
        };
        let bound_to_entities = parameters.first().is_some_and(|parameter| entity(&parameter.ty));
        if raw.bindable == Some(true) && !bound_to_entities && parameters.len() == raw.parameters.len() {
            let message = format!(
                "`{}` is bindable, so its first parameter must be an entity or a collection of entities (MET-42).",
                raw.name.it
            );
            self.problems.add(raw.place, message);
        }
        if let (Some(set), Some(_)) = (&raw.set, &raw.set_path) {
            self.problems.add(set.place, "`set` and `set_path` exclude each other.");
        }
    }

    fn parameter(&self, endpoint: usize, namespace: &str, raw: &RawParameter) -> Option<Parameter> {
        names::check(self.problems, raw.name.place, "parameter", &raw.name.it);
        if let Some(mode) = raw.mode.as_ref().filter(|mode| !MODES.contains(&mode.it.as_str())) {
            self.problems
                .add(mode.place, format!("`mode` must be one of {}.", MODES.join(", ")));
        }
        let ty = self.value_type(endpoint, &[namespace], &raw.ty, Takes::Entities)?;
        self.facets(raw.name.place, &raw.name.it, &ty, &raw.facets);
        let mode = raw.mode.as_ref().map(|mode| mode.it.clone());
        Some(Parameter {
            name: raw.name.it.clone(),
            ty,
            nullable: raw.nullable,
            mode,
            facets: raw.facets.clone(),
        })
    }

    /// Whether behaviours do what their operations promise: once all types and navigations are there.
    pub fn behaviours(&self) {
        for &(endpoint, index, raw) in &self.placed {
            let operation = &self.schema.endpoints[endpoint].operations[index];
            let place = raw.behaviour.as_ref().map_or(raw.place, |said| said.place);
            let found = match &operation.behaviour {
                Behaviour::Missing => None,
                Behaviour::Handler(name) => self.handler_fault(operation, name),
                Behaviour::Query(text) => self.query_fault(endpoint, operation, text),
                Behaviour::Set(texts) => self.change_fault(endpoint, operation, texts),
            };
            if let Some(fault) = found {
                self.problems.add(place, format!("`{}`: {fault}", operation.name));
            }
        }
    }

    fn handler_fault(&self, operation: &Operation, name: &str) -> Option<String> {
        let Some(handler) = handler(name) else {
            return Some(format!("there is no handler `{name}`."));
        };
        let core = |set: &str| self.find_set_type("Core", set);
        let fits = match handler.binds {
            Binds::Free => true,
            Binds::OwnCollection => is_own_collection(operation),
            Binds::One(set) => matches!(operation.binding(), Some((ty, false)) if Some(ty) == core(set)),
            Binds::Many(set) => matches!(operation.binding(), Some((ty, true)) if Some(ty) == core(set)),
            Binds::AnyOne => matches!(operation.binding(), Some((_, false))),
        };
        if !fits || operation.arguments().len() < handler.arguments {
            return Some(format!("the handler `{name}` does not fit what it is bound to, or its parameters."));
        }
        None
    }

    fn query_fault(&self, endpoint: usize, operation: &Operation, text: &str) -> Option<String> {
        if operation.kind() == OperationKind::Action {
            return Some("an action does not read a `query`; it needs `side_effecting = false` or an `http_method`.".to_owned());
        }
        let Some((result, _)) = operation.entities() else {
            return Some("a `query` answers entities; `returns` must be an entity type or a collection of one.".to_owned());
        };
        let values = samples(operation);
        let read = || -> Outcome<TypeId> {
            let binding = self.some_binding(endpoint, operation);
            let base = Base::of(&self.schema, endpoint, operation, binding.as_ref(), (text, &values))?;
            base.query(&self.schema, endpoint)?;
            Ok(base.resource.ty)
        };
        match read() {
            Ok(ty) if self.schema.is_a(ty, result) => None,
            Ok(ty) => Some(format!(
                "the `query` leads to {}, not to what it `returns`.",
                self.schema.types[ty].qualified()
            )),
            Err(fault) => Some(format!("the `query` cannot be read: {}", fault.message)),
        }
    }

    fn change_fault(&self, endpoint: usize, operation: &Operation, texts: &[(String, String)]) -> Option<String> {
        let Some((ty, _)) = operation.binding().filter(|_| operation.kind() == OperationKind::Action) else {
            return Some("`change` is for actions that are bound to entities.".to_owned());
        };
        if operation.result.is_some() && operation.entities().map(|(answered, _)| answered) != Some(ty) {
            return Some("an action with `change` answers the entities that it is bound to, or nothing.".to_owned());
        }
        let entity = &self.schema.types[ty];
        let values = samples(operation);
        let set = self.schema.set_of(endpoint, ty);
        let changes = match Changes::of(&self.schema, endpoint, (ty, set), operation, (texts, &values)) {
            Ok(changes) => changes,
            Err(fault) => return Some(format!("`change` cannot be read: {}", fault.message)),
        };
        changes.list.iter().find_map(|(index, to)| {
            let property = &entity.properties[*index];
            if property.read_only || property.generated || entity.key.contains(index) || entity.tenant == Some(*index) || property.hashed {
                return Some(format!("`{}` cannot be changed.", property.name));
            }
            let from = match to {
                To::Value(ty, _) => ty.clone(),
                To::Expr(edm, _) => Type::Primitive(*edm),
            };
            (!template::converts(&from, &property.ty)).then(|| format!("the new value of `{}` does not fit it.", property.name))
        })
    }

    /// An entity, or the entities, that an operation could be bound to.
    fn some_binding(&self, endpoint: usize, operation: &Operation) -> Option<Resource> {
        let (ty, collection) = operation.binding()?;
        let set: SetId = self.schema.set_of(endpoint, ty)?;
        Some(Resource {
            set,
            steps: Vec::new(),
            ty,
            end_set: Some(set),
            collection,
            cast: false,
            leaf: Leaf::Entities,
        })
    }
}

/// What the file says; a `Template` that says nothing has the handler of that name.
fn behaviour(raw: &RawOperation, operation: &Operation) -> Behaviour {
    match raw.behaviour.as_ref().map(|said| &said.it) {
        Some(RawBehaviour::Handler(name)) => Behaviour::Handler(name.clone()),
        Some(RawBehaviour::Query(text)) => Behaviour::Query(text.clone()),
        Some(RawBehaviour::Change(texts)) => Behaviour::Set(texts.clone()),
        None if operation.name == TEMPLATE && is_own_collection(operation) && operation.arguments().is_empty() => {
            Behaviour::Handler(TEMPLATE.to_owned())
        }
        None => Behaviour::Missing,
    }
}

/// Bound to a collection of what it answers one of.
fn is_own_collection(operation: &Operation) -> bool {
    let bound = operation.binding().filter(|(_, collection)| *collection);
    bound.is_some_and(|(ty, _)| operation.entities() == Some((ty, false)))
}

fn samples(operation: &Operation) -> Vec<Value> {
    operation
        .arguments()
        .iter()
        .map(|parameter| template::sample(&parameter.ty))
        .collect()
}

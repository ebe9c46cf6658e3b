//! Invoking operations: actions, functions, service operations (ACT).
//!
//! What an operation does is declared (see [`Behaviour`]), or a function of this table: [`HANDLERS`]. Both run in the job of the
//! request, on its session.

mod accounts;
mod acl;
mod built_in;
mod declared;
mod handlers;
mod jobs;
mod machine;
mod runners;
mod sessions;
mod special;
mod tasks;
mod tenants;

pub use handlers::{Binds, HANDLERS, Handler, Mark, Who, handler, handler_of, is_public, writes};

use super::Engine;
use super::permission::Verb;
use super::queue::Claiming;
use super::resolve::Place;
use super::row::Entity;
use crate::auth::News;
use crate::model::caller::{Caller, Scope};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::page::Page;
use crate::model::schema::{Behaviour, Operation, OperationKind, SetId, TypeId};
use crate::model::target::{Preconditions, Resource};
use crate::store::{Restriction, Session};

/// What a request invokes.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// Index of the endpoint.
    pub endpoint: usize,
    /// Index of the operation there.
    pub index: usize,
    /// Which operation.
    pub operation: &'a Operation,
    /// What it is bound to.
    pub binding: Option<&'a Resource>,
    /// A value for each of [`Operation::arguments`].
    pub arguments: &'a [Value],
    /// About the entity that it is bound to (WR-70).
    pub preconditions: &'a Preconditions,
}

/// What an operation has answered.
#[derive(Debug)]
pub enum Given {
    /// Nothing, or null.
    Nothing,
    /// A primitive, complex value or collection, in canonical content.
    Value(Value),
    /// Entities, rows or not; of an operation that answers one the only one.
    Entities(Box<Page>),
    /// A job will do it: its number.
    Driven(i64),
    /// One of these, and what the client has to be told beside it.
    Told(Box<Given>, Box<News>),
}

/// What a handler is bound to.
#[derive(Debug)]
pub(super) enum Bound {
    /// Nothing.
    Nothing,
    /// A collection of entities.
    Entities { ty: TypeId, set: Option<SetId> },
    /// One.
    Entity(Entity),
}

impl Engine {
    /// Does what an operation does. One that reads a declared URL is read instead: see [`Behaviour::Query`].
    ///
    /// # Errors
    /// `NOT_IMPLEMENTED`, `FORBIDDEN`, `NOT_FOUND` for what it is bound to, `PRECONDITION`, and those of what it does.
    pub fn invoke(&self, session: &mut Session<'_>, caller: &Caller, invocation: &Invocation<'_>) -> Outcome<Given> {
        match &invocation.operation.job {
            Some(kind) => {
                let binding = invocation.binding.map(|binding| (binding.ty, binding.end_set));
                self.may_invoke(caller, (invocation.endpoint, invocation.index), binding)?;
                self.drive_action(session, caller, invocation, kind).map(Given::Driven)
            }
            None => self.invoke_now(session, caller, invocation),
        }
    }

    /// The same at once, whatever the schema says about jobs.
    pub(super) fn invoke_now(&self, session: &mut Session<'_>, caller: &Caller, invocation: &Invocation<'_>) -> Outcome<Given> {
        let operation = invocation.operation;
        let binding = invocation.binding.map(|binding| (binding.ty, binding.end_set));
        self.may_invoke(caller, (invocation.endpoint, invocation.index), binding)?;
        match &operation.behaviour {
            Behaviour::Set(texts) => self.change(session, caller, invocation, texts),
            Behaviour::Handler(name) => {
                let handler = handler(name).ok_or_else(|| Fault::internal(format!("no handler {name}")))?;
                let bound = self.bound(session, caller, invocation, handler, handler.writes)?;
                (handler.run)(self, session, caller, &bound, invocation.arguments)
            }
            Behaviour::Missing | Behaviour::Query(_) => Err(missing(operation)),
        }
    }

    /// Looks whether it is worth invoking an operation that a client waits for.
    ///
    /// # Errors
    /// Those of invoking it.
    pub fn look(&self, session: &mut Session<'_>, caller: &Caller, invocation: &Invocation<'_>) -> Outcome<Claiming> {
        let binding = invocation.binding.map(|binding| (binding.ty, binding.end_set));
        self.may_invoke(caller, (invocation.endpoint, invocation.index), binding)?;
        let handler = handler_of(invocation.operation).ok_or_else(|| missing(invocation.operation))?;
        let look = handler.look.ok_or_else(|| missing(invocation.operation))?;
        let bound = self.bound(session, caller, invocation, handler, false)?;
        look(self, session, caller, &bound, invocation.arguments)
    }

    /// What a handler is bound to: it is there for the caller, and meets the preconditions.
    fn bound(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        invocation: &Invocation<'_>,
        handler: &Handler,
        lock: bool,
    ) -> Outcome<Bound> {
        let Some(resource) = invocation.binding else {
            return Ok(Bound::Nothing);
        };
        let place = self.resolve(session, caller, resource)?;
        if resource.collection {
            let (ty, set) = (place.ty, place.set);
            return Ok(Bound::Entities { ty, set });
        }
        if handler.who == Who::Themselves && !is_user(&place, caller.user) {
            self.scope(caller, place.ty, place.set, Verb::Read)?;
        }
        let scope = match handler.any_tenant && caller.rights.operator {
            true => Scope::everything(),
            false => Scope::of(caller),
        };
        let entity = self.entity_at(session, &scope, &place, lock)?;
        self.check_preconditions(&entity, invocation.preconditions)?;
        Ok(Bound::Entity(entity))
    }
}

/// Whether a place is that of a user, by his number.
fn is_user(place: &Place, user: i64) -> bool {
    match place.restrictions.as_slice() {
        [Restriction::Key(key) | Restriction::Row(key)] => *key == [Value::Integer(user)],
        _ => false,
    }
}

/// Declared, but without behaviour.
pub fn missing(operation: &Operation) -> Fault {
    let what = match operation.kind() {
        OperationKind::Action => "action",
        OperationKind::Function => "function",
        OperationKind::Service => "service operation",
    };
    Fault::new(
        &fault::NOT_IMPLEMENTED,
        format!("The {what} {} has no behaviour on this server.", operation.name),
    )
}

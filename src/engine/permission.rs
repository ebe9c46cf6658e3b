//! What a caller may do with a set: a [`Scope`], or 403. Every operation asks here first.

use super::Engine;
use super::operation::Who;
use crate::model::caller::{Caller, SYSTEM_TENANT, Scope};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::{Operation, OperationKind, SetId, TypeId};

/// What a caller wants to do with entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Read,
    Create,
    Update,
    Delete,
}

impl Engine {
    /// Whether `caller` may invoke an operation that is bound to entities of a type, or to nothing: the one place that decides it.
    /// What the operation then reads and writes in the caller's name is asked for again, where that happens.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub fn may_invoke(&self, caller: &Caller, operation: &Operation, binding: Option<(TypeId, Option<SetId>)>) -> Outcome<()> {
        let handler = super::operation::handler_of(operation);
        if handler.is_some_and(|handler| handler.who != Who::Member) {
            return Ok(());
        }
        let writes = handler.map_or(operation.kind() == OperationKind::Action, |handler| handler.writes);
        let verb = if writes { Verb::Update } else { Verb::Read };
        match binding {
            Some((ty, set)) => self.scope(caller, ty, set, verb).map(drop),
            None if caller.member || caller.administrator => Ok(()),
            None => Err(Fault::new(&fault::FORBIDDEN, "None of your roles allows this.")),
        }
    }

    /// What `caller` sees of the entities of a type when it wants to `verb` them.
    ///
    /// # Errors
    /// `FORBIDDEN`: no role of the caller allows it, or only the server writes the set.
    pub(super) fn scope(&self, caller: &Caller, ty: TypeId, set: Option<SetId>, verb: Verb) -> Outcome<Scope> {
        let forbidden = |message: &'static str| Err(Fault::new(&fault::FORBIDDEN, message));
        if !caller.member && !caller.administrator {
            return forbidden("None of your roles allows this.");
        }
        if verb == Verb::Read {
            return Ok(Scope::of(caller));
        }
        let entity = &self.schema.types[ty];
        let sets = &self.schema.sets;
        // Where a path ends in no set of its endpoint, the sets of other endpoints say who writes the type.
        let is_read_only = match set {
            Some(set) => sets[set].read_only,
            None => sets
                .iter()
                .any(|set| set.read_only && self.schema.types[set.entity_type].root == entity.root),
        };
        if is_read_only {
            return forbidden("Only the server writes this set.");
        }
        if entity.security && !caller.administrator {
            return forbidden("Only an administrator may change this set.");
        }
        // Who may change the root tenant's users and roles may make anybody an operator.
        if entity.security && caller.tenant == SYSTEM_TENANT && !caller.operator {
            return forbidden("Only an operator may change this set in the root tenant.");
        }
        // A type whose key is its tenant is the set of tenants itself: making and ending tenants is the operators' business.
        let is_tenants = entity.tenant.is_some_and(|tenant| entity.key.contains(&tenant));
        if is_tenants && verb != Verb::Update && !caller.operator {
            return forbidden("Only an operator may do this.");
        }
        Ok(Scope::of(caller))
    }
}

//! What a caller may do with a set or an operation: a [`Scope`], or 403. Every operation asks here first; the answer is looked up in the
//! caller's [`Rights`](crate::model::rights::Rights).

use super::Engine;
use super::operation::Who;
use super::resolve::Place;
use super::row::Entity;
use crate::model::caller::{Caller, SYSTEM_TENANT, Scope};
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::rights::Reach;
pub use crate::model::rights::Verb;
use crate::model::schema::{SetId, TypeId};
use crate::store::{Restriction, Session};

/// The permission to read `/metrics`.
const MEASURE: &str = "Apc:MetricsCanRead";

impl Engine {
    /// Whether `caller` may invoke an operation of an endpoint, bound to entities of a type or to nothing: the one place that decides it.
    /// What the operation then reads and writes in the caller's name is asked for again, where that happens.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub fn may_invoke(&self, caller: &Caller, (endpoint, index): (usize, usize), binding: Option<(TypeId, Option<SetId>)>) -> Outcome<()> {
        let operation = &self.schema.endpoints[endpoint].operations[index];
        match (super::operation::handler_of(operation).map(|handler| handler.who), binding) {
            (Some(Who::Anybody | Who::User | Who::Themselves), _) => Ok(()),
            (Some(Who::Reader), Some((ty, set))) => self.scope(caller, ty, set, Verb::Read).map(drop),
            _ if caller.rights.may_invoke(endpoint, index) => Ok(()),
            _ => Err(forbidden("None of your roles allows this.")),
        }
    }

    /// Whether `caller` may see how the server does: its figures are about all tenants, so that a permission counts in the root tenant alone.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub fn may_measure(&self, caller: &Caller) -> Outcome<()> {
        match caller.tenant == SYSTEM_TENANT && caller.rights.covers(MEASURE) {
            true => Ok(()),
            false => Err(forbidden("None of your roles allows this.")),
        }
    }

    /// What `caller` sees of the entities of a type when it wants to `verb` them.
    ///
    /// # Errors
    /// `FORBIDDEN`: no role of the caller allows it, or only the server writes the set.
    pub(super) fn scope(&self, caller: &Caller, ty: TypeId, set: Option<SetId>, verb: Verb) -> Outcome<Scope> {
        let entity = &self.schema.types[ty];
        // Where a path ends in no set of its endpoint, that of another endpoint says who may do what.
        let set = set.or_else(|| self.home_sets.get(&entity.root).copied());
        let reach = match set {
            Some(set) => caller.rights.reach(set, verb),
            None if caller.rights.administrator => Reach::All,
            None => Reach::Nothing,
        };
        if reach == Reach::Nothing || reach == Reach::Own && self.own_rows(caller.user, ty).is_none() {
            return Err(forbidden("None of your roles allows this."));
        }
        if verb != Verb::Read {
            self.check_write(caller, ty, set, verb)?;
        }
        let own = (reach == Reach::Own).then(|| self.own_rows(caller.user, ty)).flatten();
        let rule = caller.rights.rows[verb as usize].get(&entity.root).cloned();
        let rule = match (own, rule) {
            (Some(own), Some(rule)) => Some(own.and(rule)),
            (own, rule) => own.or(rule),
        };
        Ok(Scope::verb(caller, entity.root, verb, rule))
    }

    /// The one entity at a place, for the caller to change or delete it: what he may do with such, and the entity, kept from other writers.
    ///
    /// # Errors
    /// `NOT_FOUND` for one that he may not even see, `FORBIDDEN` for one that he only may see.
    pub(super) fn claim(&self, session: &mut Session<'_>, caller: &Caller, place: &Place, verb: Verb) -> Outcome<(Scope, Entity)> {
        let seen = self.scope(caller, place.ty, place.set, Verb::Read)?;
        self.scope(caller, place.ty, place.set, verb)?;
        let current = self.locked(session, &seen, place)?;
        let scope = self.scope(caller, current.ty, place.set, verb)?;
        self.check_within(session, &scope, &current)?;
        Ok((scope, current))
    }

    /// Whether an entity that is there is one that a scope shows.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub(super) fn check_within(&self, session: &mut Session<'_>, scope: &Scope, entity: &Entity) -> Outcome<()> {
        let ty = &self.schema.types[entity.ty];
        if scope.rule(ty.root).is_none() && (!ty.shared || scope.shares(ty.root)) {
            return Ok(());
        }
        let key = vec![Restriction::Row(entity.key(ty))];
        match self.ask(session, scope, entity.ty, key, |select, session| select.exists(session))? {
            true => Ok(()),
            false => Err(forbidden("None of your roles allows this with this entity.")),
        }
    }

    /// What no permission is enough for.
    fn check_write(&self, caller: &Caller, ty: TypeId, set: Option<SetId>, verb: Verb) -> Outcome<()> {
        let entity = &self.schema.types[ty];
        if set.is_none_or(|set| self.schema.sets[set].read_only) {
            return Err(forbidden("Only the server writes this set."));
        }
        if verb != Verb::Delete && self.is_session(ty) {
            return Err(forbidden("Sessions come from signing in; they can only be deleted."));
        }
        let operator = caller.rights.operator;
        // Who may change the root tenant's users and roles may make anybody an operator.
        if entity.security && caller.tenant == SYSTEM_TENANT && !operator {
            return Err(forbidden("Only an operator may change this set in the root tenant."));
        }
        // A type whose key is its tenant is the set of tenants itself: making and ending tenants is the operators' business.
        let is_tenants = entity.tenant.is_some_and(|tenant| entity.key.contains(&tenant));
        if is_tenants && verb != Verb::Update && !operator {
            return Err(forbidden("Only an operator may do this."));
        }
        Ok(())
    }

    /// The rows that a user has made; none for a type that does not say who made them.
    pub(super) fn own_rows(&self, user: i64, ty: TypeId) -> Option<Expr> {
        let root = self.schema.types[ty].root;
        let property = self.schema.types[root]
            .property("CreatedById")
            .filter(|_| self.schema.types[root].frame)?;
        Some(Expr::Binary {
            op: Op::Eq,
            edm: Edm::Int64,
            left: Box::new(Expr::Column {
                source: 0,
                ty: root,
                property,
            }),
            right: Box::new(Expr::Literal(Edm::Int64, Value::Integer(user))),
        })
    }
}

/// 403.
pub(super) fn forbidden(why: &'static str) -> Fault {
    Fault::new(&fault::FORBIDDEN, why)
}

//! Kinds of jobs that are guarded: their jobs are made and changed by who holds `job://KIND/x`, and seen by who holds that or `job://KIND/r`.
//! Beside that, jobs that drive an entity are changed by who may change that.
//!
//! What follows is a rule about rows like any other ([`Rights::rows`]), so that it holds wherever statements are made.

use super::job::Job;
use crate::engine::Engine;
use crate::engine::acl::restrict;
use crate::engine::permission::forbidden;
use crate::engine::resolve::Place;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, Scope, Tenants};
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::rights::{Rights, Verb};
use crate::model::schema::SetId;
use crate::model::text;
use crate::store::{Restriction, Session};

/// What tells of a job: seen with it.
const ABOUT_JOBS: &[&str] = &["JobEvents", "Logs", "Runs"];

impl Engine {
    /// Takes the jobs of guarded kinds out of the rows that are there for somebody who may not have them.
    pub(in crate::engine) fn add_kind_rules(&self, session: &mut Session<'_>, rights: &mut Rights, tenant: Guid) -> Outcome<()> {
        if rights.administrator {
            return Ok(());
        }
        let kinds = self.guarded_kinds(session, tenant)?;
        let jobs = self.core_type("Jobs")?;
        let without = |rights: &Rights, changes: bool| -> Vec<String> {
            let closed = kinds.iter().filter(|kind| !rights.may_job(kind, changes));
            closed.cloned().collect()
        };
        let (unseen, closed) = (without(rights, false), without(rights, true));
        for verb in Verb::ALL {
            for kind in if verb == Verb::Read { &unseen } else { &closed } {
                restrict(rights, verb, jobs, self.is_not_kind(kind)?);
            }
        }
        if !unseen.is_empty() {
            for set in ABOUT_JOBS {
                let ty = self.core_type(set)?;
                let none = Expr::IsNull(Box::new(self.column_expr(ty, "JobId")?));
                restrict(rights, Verb::Read, ty, none.or(self.seen_expr(ty, "JobId", jobs)?));
            }
        }
        rights.closed_kinds.extend(closed);
        Ok(())
    }

    fn is_not_kind(&self, kind: &str) -> Outcome<Expr> {
        Ok(Expr::Binary {
            op: Op::Ne,
            edm: Edm::String,
            left: Box::new(self.column_expr(self.core_type("Jobs")?, "Kind")?),
            right: Box::new(Expr::Literal(Edm::String, Value::Text(kind.to_owned()))),
        })
    }

    fn guarded_kinds(&self, session: &mut Session<'_>, tenant: Guid) -> Outcome<Vec<String>> {
        let ty = self.core_type("JobKinds")?;
        let mut kinds = Vec::new();
        for tenant in [tenant, SYSTEM_TENANT] {
            let guarded = Restriction::Columns(
                vec!["Tid".to_owned(), "Guarded".to_owned()],
                vec![Value::Bytes(tenant.to_vec()), Value::Boolean(true)],
            );
            let rows = self.columns(session, ty, &["Name"], None, vec![guarded])?;
            kinds.extend(rows.into_iter().flatten().filter_map(|value| match value {
                Value::Text(name) => Some(name),
                _ => None,
            }));
        }
        Ok(kinds)
    }

    /// Whether somebody who does not work on a job may change it: the kind is not closed to him, and the entity that it drives, as long as
    /// there is one, is there for him to be changed.
    ///
    /// # Errors
    /// `FORBIDDEN`, `NOT_FOUND`
    pub(in crate::engine) fn may_drive(&self, session: &mut Session<'_>, caller: &Caller, job: &Job) -> Outcome<()> {
        self.may_job(caller, &job.kind)?;
        let Some(place) = self.driven(job)? else { return Ok(()) };
        let seen = self.scope(caller, place.ty, place.set, Verb::Read)?;
        self.scope(caller, place.ty, place.set, Verb::Update)?;
        // Not kept from others: who changes the entity keeps that first, and its job after it.
        let entity = match self.entity_at(session, &seen, &place, false) {
            Err(fault) if fault.kind == &fault::NOT_FOUND && !self.is_driven_there(session, job)? => return Ok(()),
            found => found?,
        };
        let scope = self.scope(caller, entity.ty, place.set, Verb::Update)?;
        self.check_within(session, &scope, &entity)
    }

    /// Whether somebody may take a job away.
    ///
    /// # Errors
    /// Those of [`may_drive`](Engine::may_drive); `CONFLICT` for the job of a machine that is there.
    pub(in crate::engine) fn may_remove(&self, session: &mut Session<'_>, caller: &Caller, job: &Job) -> Outcome<()> {
        self.may_drive(session, caller, job)?;
        if self.is_machine(job) && self.is_driven_there(session, job)? {
            let message = "The job says in which state its entity is, and is there as long as that.";
            return Err(Fault::new(&fault::CONFLICT, message));
        }
        Ok(())
    }

    /// Where the entity is that a job is about.
    fn driven(&self, job: &Job) -> Outcome<Option<Place>> {
        if job.value(self, "RefSet").is_null() {
            return Ok(None);
        }
        let Some((set, key)) = self.driven_key(job) else { return Ok(None) };
        let mut place = Place::of(self.schema.sets[set].entity_type, Some(set), Vec::new());
        place.restrictions = vec![Restriction::Key(key)];
        Ok(Some(place))
    }

    /// Its set and its key, which stand in `RefSet` and `RefId`, where it has several parts in the arguments.
    fn driven_key(&self, job: &Job) -> Option<(SetId, Vec<Value>)> {
        let (endpoint, set) = job.text(self, "RefSet").split_once('/')?;
        let set = *self.schema.endpoint(endpoint)?.set_names.get(set)?;
        let ty = self.schema.set_type(set);
        if let [property] = ty.key_properties().collect::<Vec<_>>().as_slice() {
            let key = text::parse(property.ty.primitive()?, job.text(self, "RefId"))?;
            return Some((set, vec![key]));
        }
        let parameters = serde_json::from_str(job.text(self, "Parameters")).ok()?;
        let (set, key) = self.bound_of(&parameters).ok()?;
        Some((set, key?))
    }

    /// Whether there is such an entity, for whomever.
    fn is_driven_there(&self, session: &mut Session<'_>, job: &Job) -> Outcome<bool> {
        let Some(place) = self.driven(job)? else { return Ok(false) };
        let mut server = Caller::server();
        server.tenants = Tenants::One(job.tenant);
        match self.entity_at(session, &Scope::of(&server), &place, false) {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind == &fault::NOT_FOUND => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Whether somebody may make and change jobs of a kind, as far as the kind is guarded.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub(in crate::engine) fn may_job(&self, caller: &Caller, kind: &str) -> Outcome<()> {
        match caller.rights.closed_kinds.contains(kind) {
            true => Err(forbidden("None of your roles allows jobs of this kind.")),
            false => Ok(()),
        }
    }
}

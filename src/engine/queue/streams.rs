//! Who reads and writes the streams of a job: whoever may do that with jobs, and, while it has claimed the job, its runner. The input is
//! its maker's until the job is submitted; the output belongs to the attempt that is under way.

use super::job::{Job, integer, text_of};
use super::state::State;
use super::work::Hold;
use crate::engine::Engine;
use crate::engine::permission::Verb;
use crate::engine::resolve::Place;
use crate::engine::row::Entity;
use crate::model::caller::{Caller, Scope};
use crate::model::fault::{self, Fault, Outcome};
use crate::model::schema::TypeId;
use crate::model::target::{Claim, Resource};
use crate::store::{Restriction, Session};

impl Engine {
    /// What the token of a runner shows of a job that it works on, and of no other one: the rest of the tenant's jobs is not its business.
    pub(in crate::engine) fn scope_of_worker(&self, session: &mut Session<'_>, caller: &Caller, place: &Place) -> Outcome<Option<Scope>> {
        let (Some(ticket), true) = (caller.entry.ticket, place.ty == self.core_type("Jobs")?) else {
            return Ok(None);
        };
        let scope = Scope::of(caller);
        let columns = ["State", "RunnerId"].map(str::to_owned);
        let Some(row) = self.one_row(session, &scope, place, &columns)? else {
            return Ok(None);
        };
        let is_held = State::of(text_of(&row[0])).is_some_and(State::is_held);
        let key = Restriction::Key(vec![row[1].clone()]);
        if !is_held || row[1].is_null() {
            return Ok(None);
        }
        let runners = self.columns(session, self.core_type("Runners")?, &["SessionId"], None, vec![key])?;
        let is_own = runners
            .first()
            .is_some_and(|runner| !runner[0].is_null() && integer(&runner[0]) == ticket.session);
        Ok(is_own.then_some(scope))
    }

    /// Whether a stream of an entity may get other bytes now.
    ///
    /// # Errors
    /// `CONFLICT` for the input of a job that was submitted; `LOST_LEASE` for the output of one that somebody else works on.
    pub(in crate::engine) fn check_job_stream(&self, entity: &Entity, property: Option<usize>, claim: Option<&Claim>) -> Outcome<()> {
        if entity.ty != self.core_type("Jobs")? {
            return Ok(());
        }
        let property = property.map(|index| self.schema.types[entity.ty].properties[index].name.as_str());
        let job = Job::of(self, entity.clone())?;
        match (property, claim) {
            (Some("Input"), _) if job.state != State::Draft => {
                let message = format!("The job is {}: what was submitted stays what it is.", job.state.name());
                Err(Fault::new(&fault::CONFLICT, message))
            }
            (Some("Output"), Some(claim)) => {
                let hold = Hold {
                    registration: Some(claim.registration),
                    attempt: claim.attempt,
                };
                self.held(&job, hold)
            }
            (Some("Output"), None) if job.state.is_held() => Err(Fault::new(
                &fault::LOST_LEASE,
                "Somebody works on the job: its output comes with the headers Odonata-Registration and Odonata-Attempt of the claim.",
            )),
            _ => Ok(()),
        }
    }

    /// Whether a job is there for the caller and has not ended, so that it makes sense to wait for its end.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub fn is_job_alive(&self, session: &mut Session<'_>, caller: &Caller, resource: &Resource) -> Outcome<bool> {
        let place = self.resolve(session, caller, resource)?;
        let scope = self.scope(caller, place.ty, place.set, Verb::Read)?;
        if place.null || place.ty != self.core_type("Jobs")? {
            return Ok(false);
        }
        let row = self.one_row(session, &scope, &place, &["State".to_owned()])?;
        let state = row.as_ref().and_then(|row| State::of(text_of(&row[0])));
        Ok(state.is_some_and(|state| !state.is_end()))
    }

    /// Whether entities of a type are jobs.
    pub fn is_job(&self, ty: TypeId) -> bool {
        self.core_type("Jobs").is_ok_and(|jobs| jobs == ty)
    }
}

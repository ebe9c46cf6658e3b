//! Kinds of jobs that are guarded: their jobs are made and changed by who holds `job://KIND/x`, and seen by who holds that or `job://KIND/r`.
//!
//! What follows is a rule about rows like any other ([`Rights::rows`]), so that it holds wherever statements are made.

use crate::engine::Engine;
use crate::engine::acl::restrict;
use crate::engine::permission::forbidden;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT};
use crate::model::edm::{Edm, Value};
use crate::model::expr::{Expr, Op};
use crate::model::fault::Outcome;
use crate::model::rights::{Rights, Verb};
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

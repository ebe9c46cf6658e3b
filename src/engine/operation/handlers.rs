//! The functions behind operations, each with who may invoke it and what is to be done about its arguments before: one table.

use super::{Bound, Given, accounts, acl, built_in, jobs, machine, runners, sessions, special, tasks, tenants};
use crate::engine::Engine;
use crate::engine::queue::Claiming;
use crate::model::caller::Caller;
use crate::model::edm::Value;
use crate::model::fault::Outcome;
use crate::model::schema::{Behaviour, Operation};
use crate::store::Session;

/// Who may invoke a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody, without credentials.
    Anybody,
    /// Who can sign in.
    User,
    /// The user that it is bound to, and who may read users; what it tells them it decides itself.
    Themselves,
    /// Who may read what it is bound to.
    Reader,
    /// Who holds its permission, `<Set>Can<Operation>`.
    Permitted,
}

/// What a handler must be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binds {
    /// Anything or nothing.
    Free,
    /// A collection of the entities that it answers.
    OwnCollection,
    /// One entity of this set of Core.
    One(&'static str),
    /// One entity.
    AnyOne,
    /// A collection of entities of this set of Core.
    Many(&'static str),
}

/// What is to be done about an argument before the job that invokes the handler: what takes long is never done in the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    Plain,
    /// A password that somebody chooses: it has to be good enough, and comes to the handler as its hash.
    New,
    /// The caller's own password: it is tested, and comes to the handler as the hash that it was tested against, null where there is none.
    Own,
    /// A token of a mail: attempts to guess one are counted.
    Token,
    /// An address that gets a mail: mails that strangers cause are counted.
    Mail,
}

/// What can be said about arguments without the database.
type First = fn(&Engine, &[Value]) -> Outcome<()>;

/// Looks, without changing anything, what invoking would bring: of operations that a client may wait for.
type Look = fn(&Engine, &mut Session<'_>, &Caller, &Bound, &[Value]) -> Outcome<Claiming>;

type Run = fn(&Engine, &mut Session<'_>, &Caller, &Bound, &[Value]) -> Outcome<Given>;

/// A function behind operations.
#[derive(Debug)]
pub struct Handler {
    /// In schema files: `handler = "Echo"`.
    pub name: &'static str,
    /// Who may invoke it.
    pub who: Who,
    /// Changes rows: needs the right to, and the writer's job.
    pub writes: bool,
    /// An operator is shown the entity that it is bound to in any tenant.
    pub any_tenant: bool,
    /// What it must be bound to.
    pub binds: Binds,
    /// How many arguments it looks at.
    pub arguments: usize,
    /// What is to be done about them before; the others are plain.
    pub marks: &'static [Mark],
    /// Says what is wrong with the arguments. Then it is answered, and carried out afterwards: how it ends, and how long it takes, is
    /// not for the caller to know.
    pub first: Option<First>,
    /// For a client that waits until there is a result.
    pub(super) look: Option<Look>,
    pub(super) run: Run,
}

/// One that reads, for whoever can sign in.
const fn open(name: &'static str, arguments: usize, run: Run) -> Handler {
    Handler {
        name,
        who: Who::User,
        writes: false,
        any_tenant: false,
        binds: Binds::Free,
        arguments,
        marks: &[],
        first: None,
        look: None,
        run,
    }
}

/// One about an account.
const fn of_account(name: &'static str, who: Who, marks: &'static [Mark], first: Option<First>, run: Run) -> Handler {
    Handler {
        who,
        writes: true,
        marks,
        first,
        ..open(name, marks.len(), run)
    }
}

/// One about a tenant.
const fn of_tenant(name: &'static str, run: Run) -> Handler {
    Handler {
        who: Who::Reader,
        any_tenant: true,
        binds: Binds::One("Tenants"),
        ..open(name, 0, run)
    }
}

/// One that begins or ends sessions, for whoever can sign in: it asks itself who may.
const fn of_sessions(name: &'static str, arguments: usize, run: Run) -> Handler {
    Handler {
        writes: true,
        ..open(name, arguments, run)
    }
}

/// One about a node, for whoever may read it.
const fn of_node(name: &'static str, arguments: usize, run: Run) -> Handler {
    Handler {
        who: Who::Reader,
        binds: Binds::One("Nodes"),
        ..open(name, arguments, run)
    }
}

/// One that changes rows, for whoever holds its permission: what it does further is asked for there.
const fn permitted(name: &'static str, binds: Binds, arguments: usize, run: Run) -> Handler {
    Handler {
        who: Who::Permitted,
        writes: true,
        binds,
        ..open(name, arguments, run)
    }
}

/// One that moves a job: for whoever holds its permission.
const fn of_job(name: &'static str, arguments: usize, run: Run) -> Handler {
    permitted(name, Binds::One("Jobs"), arguments, run)
}

/// One of runners: for whoever holds its permission.
const fn of_runner(name: &'static str, binds: Binds, arguments: usize, run: Run) -> Handler {
    permitted(name, binds, arguments, run)
}

/// One that tells something about a task: for whoever may read it.
const fn of_task(name: &'static str, binds: Binds, arguments: usize, run: Run) -> Handler {
    Handler {
        who: Who::Reader,
        binds,
        ..open(name, arguments, run)
    }
}

/// One about what a user holds.
const fn of_user(name: &'static str, arguments: usize, run: Run) -> Handler {
    Handler {
        who: Who::Themselves,
        binds: Binds::One("Users"),
        ..open(name, arguments, run)
    }
}

/// Every handler.
pub const HANDLERS: &[Handler] = &[
    Handler {
        who: Who::Reader,
        binds: Binds::OwnCollection,
        ..open("Template", 0, built_in::template)
    },
    Handler {
        who: Who::Anybody,
        ..open("Ping", 0, built_in::ping)
    },
    open("AuthenticatedPing", 0, built_in::ping),
    open("Time", 0, built_in::time),
    open("Echo", 1, built_in::echo),
    open("CurrentUser", 0, built_in::current_user),
    of_sessions("SignIn", 0, sessions::sign_in),
    of_sessions("SignOut", 0, sessions::sign_out),
    Handler {
        binds: Binds::One("Users"),
        ..of_sessions("SignOutEverywhere", 0, sessions::sign_out_everywhere)
    },
    of_sessions("Impersonate", 1, sessions::impersonate),
    of_sessions("CreateToken", 4, sessions::create_token),
    open("CurrentTenant", 0, tenants::current),
    of_tenant("TenantInformation", tenants::information),
    of_tenant("IsAncestor", tenants::is_ancestor),
    of_tenant("IsParent", tenants::is_parent),
    of_tenant("IsChild", tenants::is_child),
    of_tenant("IsDescendant", tenants::is_descendant),
    of_tenant("IsSelf", tenants::is_self),
    of_tenant("IsSibling", tenants::is_sibling),
    of_tenant("IsRelated", tenants::is_related),
    of_account(
        "SignUp",
        Who::Anybody,
        &[Mark::Plain, Mark::Mail, Mark::New],
        Some(accounts::check_sign_up),
        accounts::sign_up,
    ),
    of_account("Activate", Who::Anybody, &[Mark::Token], None, accounts::activate),
    of_account(
        "ResendActivation",
        Who::Anybody,
        &[Mark::Mail],
        Some(accounts::check_address),
        accounts::resend_activation,
    ),
    of_account(
        "RequestPasswordReset",
        Who::Anybody,
        &[Mark::Mail],
        Some(accounts::check_address),
        accounts::request_reset,
    ),
    of_account(
        "ResetPassword",
        Who::Anybody,
        &[Mark::Token, Mark::New],
        None,
        accounts::reset_password,
    ),
    of_account(
        "ChangePassword",
        Who::User,
        &[Mark::Own, Mark::New],
        None,
        accounts::change_password,
    ),
    of_account("ChangeMail", Who::User, &[Mark::Own, Mark::Mail], None, accounts::change_mail),
    of_account(
        "Invite",
        Who::Permitted,
        &[Mark::Mail, Mark::Plain, Mark::Plain],
        None,
        accounts::invite,
    ),
    of_account(
        "AcceptInvitation",
        Who::Anybody,
        &[Mark::Token, Mark::Plain, Mark::New],
        None,
        accounts::accept_invitation,
    ),
    permitted("CreateAcl", Binds::One("Nodes"), 0, acl::create_acl),
    permitted("CreateNodeAcl", Binds::Free, 2, acl::create_node_acl),
    permitted("CreateFreeAcl", Binds::Free, 2, acl::create_free_acl),
    permitted("CreateAce", Binds::Free, 5, acl::create_ace),
    permitted("BreakInheritance", Binds::One("Acls"), 1, acl::break_inheritance),
    Handler {
        who: Who::Permitted,
        ..of_node("AllAces", 0, acl::all_aces)
    },
    Handler {
        who: Who::Permitted,
        ..of_node("AllAcePermissions", 0, acl::all_permissions)
    },
    of_node("EffectiveAces", 0, acl::effective_aces),
    of_node("HasPermission", 1, acl::has_permission),
    Handler {
        who: Who::Permitted,
        ..of_node("CheckPermission", 3, acl::check_permission)
    },
    of_node("AssignablePermissions", 0, acl::assignable_permissions),
    permitted("SetTenant", Binds::Free, 3, special::set_tenant),
    permitted("SetCreatedBy", Binds::Free, 3, special::set_created_by),
    of_user("UserHasPermission", 1, acl::user_has_permission),
    of_user("UserPermissions", 0, acl::user_permissions),
    of_user("UserRoles", 0, acl::user_roles),
    Handler {
        who: Who::Reader,
        binds: Binds::One("Roles"),
        ..open("RolePermissions", 0, acl::role_permissions)
    },
    of_runner("CreateRunner", Binds::Free, 1, runners::create),
    of_runner("RotateRunnerToken", Binds::One("Runners"), 0, runners::rotate),
    of_runner("RegisterRunner", Binds::Free, 6, runners::register),
    Handler {
        look: Some(runners::look),
        ..of_runner("ClaimJob", Binds::One("Runners"), 1, runners::claim)
    },
    of_runner("UnregisterRunner", Binds::One("Runners"), 1, runners::unregister),
    Handler {
        who: Who::Reader,
        ..open("LiveJobCounts", 0, jobs::live_counts)
    },
    Handler {
        who: Who::Reader,
        ..open("JobHistory", 3, jobs::history)
    },
    of_job("SubmitJob", 0, jobs::submit),
    of_job("KillJob", 0, jobs::kill),
    of_job("RemoveJob", 0, jobs::remove),
    of_job("RestartJob", 0, jobs::restart),
    of_job("RetryJob", 0, jobs::retry),
    of_job("JobHeartbeat", 5, jobs::heartbeat),
    of_job("JobProgress", 3, jobs::progress),
    of_job("JobLog", 3, jobs::append_log),
    of_job("FinishJob", 3, jobs::finish),
    of_job("FailJob", 4, jobs::fail),
    of_job("DeferJob", 4, jobs::defer),
    of_job("JobResult", 1, jobs::job_result),
    of_job("JobError", 1, jobs::job_error),
    permitted("InvokeAction", Binds::AnyOne, 2, machine::invoke_action),
    Handler {
        who: Who::Reader,
        binds: Binds::AnyOne,
        ..open("AvailableActions", 0, machine::available_actions)
    },
    Handler {
        who: Who::Reader,
        binds: Binds::AnyOne,
        ..open("MachineJob", 0, machine::job)
    },
    permitted("CreateNode", Binds::Many("Nodes"), 4, machine::create_node),
    permitted("CreateNodeWithCondition", Binds::Many("Nodes"), 6, machine::create_with_condition),
    permitted("SetJobStatus", Binds::Free, 2, special::set_job_status),
    permitted("RunTask", Binds::One("Tasks"), 2, tasks::run),
    permitted("TerminateTask", Binds::One("Tasks"), 0, tasks::terminate),
    permitted("TerminateRun", Binds::One("Runs"), 0, tasks::terminate_run),
    permitted("EnableTask", Binds::One("Tasks"), 0, tasks::enable),
    permitted("DisableTask", Binds::One("Tasks"), 0, tasks::disable),
    of_task("NextRuns", Binds::One("Tasks"), 1, tasks::next_runs),
    of_task("ExplainCondition", Binds::One("Tasks"), 0, tasks::explain_condition),
    of_task("ParseCondition", Binds::Free, 1, tasks::parse_condition),
    permitted("HoldScheduler", Binds::One("Session"), 0, tasks::hold),
    permitted("ResumeScheduler", Binds::One("Session"), 0, tasks::resume),
];

/// A handler by its name.
pub fn handler(name: &str) -> Option<&'static Handler> {
    HANDLERS.iter().find(|handler| handler.name == name)
}

/// The handler behind an operation, if it has one.
pub fn handler_of(operation: &Operation) -> Option<&'static Handler> {
    match &operation.behaviour {
        Behaviour::Handler(name) => handler(name),
        _ => None,
    }
}

/// Whether it needs a job that writes.
pub fn writes(operation: &Operation) -> bool {
    operation.job.is_some()
        || match &operation.behaviour {
            Behaviour::Missing | Behaviour::Query(_) => false,
            Behaviour::Handler(_) => handler_of(operation).is_some_and(|handler| handler.writes),
            Behaviour::Set(_) => true,
        }
}

/// Whether nobody has to say who he is.
pub fn is_public(operation: &Operation) -> bool {
    handler_of(operation).is_some_and(|handler| handler.who == Who::Anybody)
}

impl Handler {
    /// Whether a client may wait until there is a result.
    pub fn can_wait(&self) -> bool {
        self.look.is_some()
    }

    /// What is to be done about an argument before.
    pub fn mark(&self, argument: usize) -> Mark {
        self.marks.get(argument).copied().unwrap_or(Mark::Plain)
    }

    /// Carries it out for somebody who is not bound to an entity and has not said who he is.
    ///
    /// # Errors
    /// Those of what it does.
    pub fn run_for_anybody(&self, engine: &Engine, session: &mut Session<'_>, arguments: &[Value]) -> Outcome<()> {
        (self.run)(engine, session, &Caller::nobody(), &Bound::Nothing, arguments).map(drop)
    }
}

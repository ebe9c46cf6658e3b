//! Runners: processes elsewhere that take jobs. A runner has a token, by which it is known, and while it runs a registration, by which
//! two processes with one token are told apart.
//!
//! Who writes the row of a runner and those of its jobs locks the runner first; words about a job lock that job alone. So when a runner
//! was heard of last is written by its claims, and what its jobs say counts beside that.

use uuid::Uuid;

use super::enqueue::check_tags;
use super::job::{Job, guid, integer, moment, text_of, value, word};
use super::kinds::{EVERY, EXTERNAL};
use super::work::{LEASE, Worker};
use crate::auth::tokens::{digest, random};
use crate::engine::Engine;
use crate::engine::permission::forbidden;
use crate::engine::resolve::Place;
use crate::engine::row::Entity;
use crate::engine::sessions::Begin;
use crate::model::caller::{Caller, Guid, SYSTEM_TENANT, Scope, SessionKind};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{API_TOKEN_DAYS, JOB_KINDS, RUNNER_SLOTS};
use crate::model::text;
use crate::store::{Restriction, Session, Update};

/// How often a runner says that a job is alive, at least.
const HEARTBEAT: Ticks = LEASE / 4;
const DAY: Ticks = 24 * 3_600 * SECOND;

const ONLINE: &str = "Online";
const BUSY: &str = "Busy";
const OFFLINE: &str = "Offline";

/// All that a runner's token is good for. The streams of a job are its as long as it holds the job.
const SCOPE: &[(&str, &[&str])] = &[
    ("Runners", &["Register", "Claim", "Unregister"]),
    ("Jobs", &["Heartbeat", "AppendLog", "Finish", "Fail", "Defer"]),
];

/// A runner, kept from other writers.
#[derive(Debug, Clone)]
pub struct Runner {
    row: Entity,
    /// `Id`.
    pub id: i64,
    /// `Tid`.
    pub tenant: Guid,
}

/// What a process says of itself when it begins.
#[derive(Debug, Clone, Default)]
pub struct Registering {
    /// What it can do.
    pub kinds: Vec<String>,
    /// What it has.
    pub tags: Vec<String>,
    /// Among those that wait for the same work.
    pub priority: i64,
    /// How many jobs it works on at once.
    pub slots: i64,
    /// Its version, for people.
    pub version: String,
    /// Also where another process is registered by the same token.
    pub force: bool,
}

/// What it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// `Runners.Id`.
    pub runner: i64,
    /// By which it is known from now on.
    pub registration: Guid,
    /// Seconds between two words about a job.
    pub heartbeat: i64,
    /// Seconds of silence after which it, or a job that does not say another time, is lost.
    pub lease: i64,
}

/// What a runner that asks for a job can expect now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claiming {
    /// There may be one, or its row is to be written: it is worth a transaction.
    pub is_worth_it: bool,
    /// Among those that wait.
    pub priority: i64,
}

impl Runner {
    pub(in crate::engine) fn of(engine: &Engine, row: Entity) -> Runner {
        let ty = &engine.schema.types[row.ty];
        Runner {
            id: integer(value(ty, &row, "Id")),
            tenant: guid(value(ty, &row, "Tid")).unwrap_or(SYSTEM_TENANT),
            row,
        }
    }

    fn value<'a>(&'a self, engine: &Engine, name: &str) -> &'a Value {
        value(&engine.schema.types[self.row.ty], &self.row, name)
    }

    fn text<'a>(&'a self, engine: &Engine, name: &str) -> &'a str {
        text_of(self.value(engine, name))
    }

    fn words(&self, engine: &Engine, name: &str) -> Vec<String> {
        serde_json::from_str(self.text(engine, name)).unwrap_or_default()
    }

    fn write(&mut self, engine: &Engine, session: &mut Session<'_>, mut values: Vec<(&str, Value)>) -> Outcome<()> {
        values.push(("RowVersion", Value::Bytes(engine.next_version())));
        let ty = &engine.schema.types[self.row.ty];
        for (name, value) in &values {
            let index = ty
                .property(name)
                .ok_or_else(|| Fault::internal(format!("runners have no {name}")))?;
            self.row.values[index] = value.clone();
        }
        let (everything, key) = (Scope::everything(), [Value::Integer(self.id)]);
        let mut update = Update::new(&engine.schema, &everything, self.row.ty, &key)?;
        update.values = values;
        update.run(session)
    }

    /// # Errors
    /// `FORBIDDEN` for whoever has not come with its token.
    fn speaks(&self, engine: &Engine, caller: &Caller) -> Outcome<()> {
        let own = caller.entry.ticket.map(|ticket| Value::Integer(ticket.session));
        match own.as_ref() == Some(self.value(engine, "SessionId")) {
            true => Ok(()),
            false => Err(forbidden("Only the runner itself does this, with its own token.")),
        }
    }

    /// # Errors
    /// `LOST_LEASE` for a registration that is over.
    fn is_registered(&self, engine: &Engine, registration: Guid) -> Outcome<()> {
        match guid(self.value(engine, "Registration")) == Some(registration) {
            true => Ok(()),
            false => Err(Fault::new(&fault::LOST_LEASE, "This registration of the runner is over.")),
        }
    }

    fn worker(&self, engine: &Engine, registration: Guid) -> Worker {
        Worker {
            name: self.text(engine, "Name").to_owned(),
            runner: Some(self.id),
            registration,
            tenant: (self.tenant != SYSTEM_TENANT).then_some(self.tenant),
            kinds: self.words(engine, "Kinds"),
            tags: self.words(engine, "Tags"),
        }
    }

    fn is_disabled(&self, engine: &Engine) -> bool {
        *self.value(engine, "Disabled") == Value::Boolean(true)
    }
}

impl Registering {
    fn check(&self) -> Outcome<()> {
        let bad = |name: &str, message: String| Err(Fault::new(&fault::BAD_ARGUMENT, message).of(name));
        let is_kind = |kind: &String| {
            let is_reserved = kind == EVERY || kind == EXTERNAL;
            (1..=200).contains(&kind.len()) && !is_reserved && !kind.chars().any(char::is_control)
        };
        if self.kinds.is_empty() || self.kinds.len() > JOB_KINDS || !self.kinds.iter().all(is_kind) {
            return bad(
                "Kinds",
                format!("A runner does 1 to {JOB_KINDS} kinds of jobs, each a name of at most 200 bytes that is not `*` or `{EXTERNAL}`."),
            );
        }
        check_tags(&self.tags).map_err(|fault| Fault {
            kind: &fault::BAD_ARGUMENT,
            ..fault
        })?;
        if !(-100..=100).contains(&self.priority) {
            return bad("Priority", "Priority is between -100 and 100.".to_owned());
        }
        if !(1..=RUNNER_SLOTS as i64).contains(&self.slots) {
            return bad("Slots", format!("Slots is between 1 and {RUNNER_SLOTS}."));
        }
        Ok(())
    }
}

impl Engine {
    /// Makes a runner, and a token for it.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub fn create_runner(&self, session: &mut Session<'_>, caller: &Caller, name: &str) -> Outcome<(i64, String)> {
        let (number, token) = self.runner_token(session, caller, caller.tenant, name)?;
        let columns = vec![
            ("Name", word(name)),
            ("CreatedById", Value::Integer(caller.user)),
            ("ModifiedById", Value::Integer(caller.user)),
            ("SessionId", Value::Integer(number)),
        ];
        let id = self.add_built_in(session, "Runners", caller.tenant, columns)?;
        tracing::info!(by = caller.user, runner = id, session = number, "a runner is made");
        Ok((id, token))
    }

    /// Ends the token of a runner, and gives it another one. What it works on it keeps.
    ///
    /// # Errors
    /// `FORBIDDEN`
    pub fn rotate_runner(&self, session: &mut Session<'_>, caller: &Caller, runner: &mut Runner) -> Outcome<String> {
        let name = runner.text(self, "Name").to_owned();
        let (number, token) = self.runner_token(session, caller, runner.tenant, &name)?;
        if let Value::Integer(old) = *runner.value(self, "SessionId") {
            self.end_session(session, old)?;
        }
        runner.write(self, session, vec![("SessionId", Value::Integer(number))])?;
        tracing::info!(by = caller.user, runner = runner.id, session = number, "a runner has another token");
        Ok(token)
    }

    /// A token that is good for what runners do, in the name of its maker, who has to hold all of that. The number of its session.
    fn runner_token(&self, session: &mut Session<'_>, caller: &Caller, tenant: Guid, name: &str) -> Outcome<(i64, String)> {
        // Its runners do the jobs of all tenants.
        if tenant == SYSTEM_TENANT && !caller.rights.operator {
            return Err(forbidden("Only an operator makes runners of the root tenant."));
        }
        let prefix = self.schema.endpoint("Core").map_or("", |core| core.permission_prefix.as_str());
        let names = SCOPE
            .iter()
            .flat_map(|(set, operations)| operations.iter().map(move |operation| format!("{prefix}:{set}Can{operation}")));
        let scope: Vec<String> = names.chain(caller.rights.job_names()).collect();
        if let Some(missing) = scope.iter().find(|name| !caller.rights.covers(name)) {
            let message = format!("A runner may do no more than its maker: none of your roles has {missing}.");
            return Err(Fault::new(&fault::FORBIDDEN, message));
        }
        let token = random()?;
        let begin = Begin {
            user: caller.user,
            tenant: self.home_of(session, caller.user)?,
            kind: SessionKind::Api,
            name: &format!("runner {name}"),
            until: self.clock.now() + API_TOKEN_DAYS as i64 * DAY,
            hash: Some(digest(&token)),
            scope,
            impersonated_by: None,
            entry: &caller.entry,
        };
        Ok((self.begin_session(session, begin)?, token))
    }

    /// The runner whose token a caller has come with.
    ///
    /// # Errors
    /// `FORBIDDEN` for everybody else.
    fn runner_of(&self, session: &mut Session<'_>, caller: &Caller) -> Outcome<Runner> {
        let none = || forbidden("This is for runners, with the token of `CreateRunner`.");
        let number = caller.entry.ticket.ok_or_else(none)?.session;
        let ty = self.core_type("Runners")?;
        let own = Restriction::Columns(vec!["SessionId".to_owned()], vec![Value::Integer(number)]);
        let found = self.columns(session, ty, &["Id"], None, vec![own])?;
        let id = found.into_iter().flatten().next().ok_or_else(none)?;
        let row = self.entity_at(session, &Scope::everything(), &Place::of(ty, None, vec![id]), true)?;
        let runner = Runner::of(self, row);
        // Between the two statements it may have got another one.
        runner.speaks(self, caller)?;
        Ok(runner)
    }

    /// A process says that it is the runner whose token it has.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_ARGUMENT`; `CONFLICT` while another process is registered, unless it is told to go.
    pub fn register_runner(&self, session: &mut Session<'_>, caller: &Caller, new: &Registering) -> Outcome<Registration> {
        let mut runner = self.runner_of(session, caller)?;
        new.check()?;
        for kind in &new.kinds {
            self.may_job(caller, kind)?;
        }
        if !new.force && self.is_alive(session, &runner)? {
            let message = "Another process has registered with this token, and is alive: end it, wait, or say Force.";
            return Err(Fault::new(&fault::CONFLICT, message));
        }
        self.release_jobs(session, &runner, "its runner has registered anew", true)?;
        let registration = *Uuid::new_v4().as_bytes();
        let list = |words: &[String]| Value::Text(serde_json::Value::from(words.to_vec()).to_string());
        let values = vec![
            ("Kinds", list(&new.kinds)),
            ("Tags", list(&new.tags)),
            ("Priority", Value::Integer(new.priority)),
            ("Slots", Value::Integer(new.slots)),
            ("Version", word(&new.version)),
            ("Registration", Value::Bytes(registration.to_vec())),
            ("Status", word(ONLINE)),
            ("LastSeen", moment(self.clock.now())),
        ];
        runner.write(self, session, values)?;
        Ok(Registration {
            runner: runner.id,
            registration,
            heartbeat: HEARTBEAT / SECOND,
            lease: LEASE / SECOND,
        })
    }

    /// A runner takes its leave: what it works on is queued again.
    ///
    /// # Errors
    /// `FORBIDDEN`, `LOST_LEASE`
    pub fn unregister_runner(&self, session: &mut Session<'_>, caller: &Caller, runner: &mut Runner, registration: Guid) -> Outcome<()> {
        runner.speaks(self, caller)?;
        runner.is_registered(self, registration)?;
        self.release_jobs(session, runner, "its runner has ended", false)?;
        let values = vec![
            ("Registration", Value::Null),
            ("Status", word(OFFLINE)),
            ("LastSeen", moment(self.clock.now())),
        ];
        runner.write(self, session, values)
    }

    /// An entity is about to be deleted. A runner's token ends, what it works on is queued again, and jobs forget it.
    pub(in crate::engine) fn runner_goes(&self, session: &mut Session<'_>, entity: &Entity) -> Outcome<()> {
        if entity.ty != self.core_type("Runners")? {
            return Ok(());
        }
        let runner = Runner::of(self, entity.clone());
        self.release_jobs(session, &runner, "its runner is deleted", false)?;
        self.queue()?.forget_runner(session, runner.id)?;
        match *runner.value(self, "SessionId") {
            Value::Integer(number) => self.end_session(session, number).map(drop),
            _ => Ok(()),
        }
    }

    /// The next job for a runner, if there is one.
    ///
    /// # Errors
    /// `FORBIDDEN`, `LOST_LEASE`; `CONFLICT` when it has as many as it has slots.
    pub fn claim_for_runner(
        &self,
        session: &mut Session<'_>,
        caller: &Caller,
        runner: &mut Runner,
        registration: Guid,
    ) -> Outcome<Option<Job>> {
        let held = self.room(session, caller, runner, registration)?;
        let worker = runner.worker(self, registration);
        let job = match runner.is_disabled(self) || worker.kinds.is_empty() {
            true => None,
            false => self.claim_job(session, &worker)?,
        };
        let status = if held > 0 || job.is_some() { BUSY } else { ONLINE };
        let values = vec![("Status", word(status)), ("LastSeen", moment(self.clock.now()))];
        runner.write(self, session, values)?;
        Ok(job)
    }

    /// The same, only looking.
    ///
    /// # Errors
    /// Those of [`Engine::claim_for_runner`].
    pub fn look_for_runner(&self, session: &mut Session<'_>, caller: &Caller, runner: &Runner, registration: Guid) -> Outcome<Claiming> {
        let held = self.room(session, caller, runner, registration)?;
        let seen = text::text_to_ticks(runner.text(self, "LastSeen")).unwrap_or(0);
        let is_late = seen + HEARTBEAT <= self.clock.now();
        let status = if held > 0 { BUSY } else { ONLINE };
        let worker = runner.worker(self, registration);
        let may_claim = !runner.is_disabled(self) && !worker.kinds.is_empty();
        Ok(Claiming {
            is_worth_it: is_late || runner.text(self, "Status") != status || may_claim && self.is_job_waiting(session, &worker)?,
            priority: integer(runner.value(self, "Priority")),
        })
    }

    /// How many jobs a runner has, which are less than it has slots.
    fn room(&self, session: &mut Session<'_>, caller: &Caller, runner: &Runner, registration: Guid) -> Outcome<usize> {
        runner.speaks(self, caller)?;
        runner.is_registered(self, registration)?;
        let held = self.jobs_of(session, runner)?.len();
        let slots = integer(runner.value(self, "Slots")).max(1);
        match (held as i64) < slots {
            true => Ok(held),
            false => {
                let message = format!("The runner has {held} jobs, and registered for {slots} at once.");
                Err(Fault::new(&fault::CONFLICT, message))
            }
        }
    }

    /// The jobs that a runner works on: number and when it spoke of each last.
    fn jobs_of(&self, session: &mut Session<'_>, runner: &Runner) -> Outcome<Vec<(i64, Ticks)>> {
        let his = Restriction::Columns(vec!["RunnerId".to_owned()], vec![Value::Integer(runner.id)]);
        let states = ["claimed", "running", "stopping"].map(|state| vec![word(state)]).to_vec();
        let held = Restriction::ColumnsIn(vec!["State".to_owned()], states);
        let rows = self.columns(session, self.core_type("Jobs")?, &["Id", "HeartbeatAt"], None, vec![his, held])?;
        let seen = |row: &Vec<Value>| (integer(&row[0]), text::text_to_ticks(text_of(&row[1])).unwrap_or(0));
        Ok(rows.iter().map(seen).collect())
    }

    /// Runners that have not been heard of are offline. What they worked on is lost by the leases of the jobs.
    pub(super) fn sweep_runners(&self, session: &mut Session<'_>) -> Outcome<()> {
        let ty = self.core_type("Runners")?;
        let now = self.clock.now();
        for (id, seen) in self.online(session)? {
            if now < seen + LEASE {
                continue;
            }
            let place = Place::of(ty, None, vec![Value::Integer(id)]);
            let mut runner = match self.entity_at(session, &Scope::everything(), &place, true) {
                Ok(row) => Runner::of(self, row),
                Err(fault) if fault.kind == &fault::NOT_FOUND => continue,
                Err(fault) => return Err(fault),
            };
            let seen = self.last_seen(session, &runner)?;
            let is_silent = seen + LEASE <= now;
            let status = is_silent.then(|| ("Status", word(OFFLINE)));
            let values = [("LastSeen", moment(seen))].into_iter().chain(status).collect();
            runner.write(self, session, values)?;
        }
        Ok(())
    }

    /// When the first runner will have been silent for too long.
    pub(super) fn next_runner(&self, session: &mut Session<'_>) -> Outcome<Option<Ticks>> {
        let online = self.online(session)?.into_iter();
        Ok(online.map(|(_, seen)| seen + LEASE).min())
    }

    /// Runners that count as being there: number, and when they claimed last.
    fn online(&self, session: &mut Session<'_>) -> Outcome<Vec<(i64, Ticks)>> {
        let states = [ONLINE, BUSY].map(|status| vec![word(status)]).to_vec();
        let there = Restriction::ColumnsIn(vec!["Status".to_owned()], states);
        let mut rows = self.columns(session, self.core_type("Runners")?, &["Id", "LastSeen"], None, vec![there])?;
        rows.sort_by_key(|row| integer(&row[0]));
        let seen = |row: &Vec<Value>| (integer(&row[0]), text::text_to_ticks(text_of(&row[1])).unwrap_or(0));
        Ok(rows.iter().map(seen).collect())
    }

    /// Whether a process that registered has been heard of lately.
    fn is_alive(&self, session: &mut Session<'_>, runner: &Runner) -> Outcome<bool> {
        if runner.value(self, "Registration").is_null() {
            return Ok(false);
        }
        Ok(self.last_seen(session, runner)? + LEASE > self.clock.now())
    }

    fn last_seen(&self, session: &mut Session<'_>, runner: &Runner) -> Outcome<Ticks> {
        let own = text::text_to_ticks(runner.text(self, "LastSeen")).unwrap_or(0);
        let words = self.jobs_of(session, runner)?.into_iter().map(|(_, seen)| seen);
        Ok(words.max().unwrap_or(0).max(own))
    }

    /// Takes from a runner what it works on.
    fn release_jobs(&self, session: &mut Session<'_>, runner: &Runner, why: &str, counts: bool) -> Outcome<()> {
        for (id, _) in self.jobs_of(session, runner)? {
            let mut job = self.job(session, id)?;
            // It may have ended before it was locked.
            if job.state.is_held() && *job.value(self, "RunnerId") == Value::Integer(runner.id) {
                self.lose_job(session, &mut job, why, counts)?;
            }
        }
        Ok(())
    }
}

//! A run of a task: its start, which enqueues a job, and its end, which is that of the job.

use super::load::ACTIONS;
use super::plan::{Ending, Why};
use super::{Row, moment, whole, word};
use crate::engine::Engine;
use crate::engine::queue::{Job, New, State};
use crate::engine::row::Entity;
use crate::model::caller::Scope;
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::Value;
use crate::model::fault::{self, Fault, Outcome};
use crate::model::limits::{JOB_LOSSES, JOB_MESSAGE_BYTES, TASK_RUNS};
use crate::schedule::Action;
use crate::store::{Restriction, Session, Update};

/// Who starts a task.
#[derive(Debug, Clone, Copy)]
pub enum Trigger<'a> {
    /// The scheduler.
    Scheduler(Why),
    /// A user, with parameters of his own.
    User(&'a str, Option<&'a str>),
}

/// A start.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// `Tasks.Id`.
    pub task: i64,
    /// For which time.
    pub due: Ticks,
    /// Who starts it.
    pub by: Trigger<'a>,
    /// When it starts next, as far as that is known.
    pub next: Option<Ticks>,
}

/// A task that was to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// `Runs.Id`, and the time that was written down.
    Run(i64, Ticks),
    /// It is gone, or it runs, or it is not to start any more.
    Not,
}

/// How a run has ended.
struct End<'a> {
    action: &'static str,
    message: &'a str,
    value: Value,
}

impl Trigger<'_> {
    fn name(&self) -> String {
        match self {
            Trigger::Scheduler(Why::Condition) => "condition".to_owned(),
            Trigger::Scheduler(Why::Force) => "force".to_owned(),
            Trigger::Scheduler(Why::CatchUp) => "catch-up".to_owned(),
            Trigger::Scheduler(Why::Startup) => "startup".to_owned(),
            Trigger::Scheduler(Why::Shutdown) => "shutdown".to_owned(),
            Trigger::User(name, _) => (*name).to_owned(),
        }
    }
}

impl Engine {
    /// Starts a task: a run, and its job in the name of the task's maker.
    ///
    /// # Errors
    /// `BAD_VALUE` for its kind or its parameters, `TOO_LARGE`.
    pub fn start_task(&self, session: &mut Session<'_>, start: Start<'_>) -> Outcome<Started> {
        let Some(entity) = self.task_locked(session, start.task)? else {
            return Ok(Started::Not);
        };
        let task = Row::of(self, &entity);
        let live = self.live_runs(session, start.task)?.len();
        let is_free = live == 0 || task.is("MultiLaunch") && live < TASK_RUNS;
        if !is_free || !still_wanted(task, start.by) {
            return Ok(Started::Not);
        }
        let batch = match start.by {
            Trigger::User(_, batch) => batch,
            Trigger::Scheduler(_) => None,
        };
        let given = self.given(session, task, batch)?;
        let (secrets, shown) = (given.secrets(), serde_json::Value::from(given.shown).to_string());
        let (owner, now) = (task.integer("CreatedById"), whole(self.clock.now()));
        let run_id = Value::Bytes(uuid::Uuid::new_v4().into_bytes().to_vec());
        let by = start.by.name();
        let columns = vec![
            ("Name", task.value("Name").clone()),
            ("CreatedById", Value::Integer(owner)),
            ("ModifiedById", Value::Integer(owner)),
            ("RunId", run_id.clone()),
            ("TaskId", Value::Integer(start.task)),
            ("TaskName", task.value("Name").clone()),
            ("Status", word("run")),
            ("Start", moment(now)),
            ("TriggeredBy", word(&by)),
            ("Parameters", word(&shown)),
        ];
        let run = self.add_built_in(session, "Runs", task.tenant(), columns)?;
        let new = New {
            tenant: task.tenant(),
            user: owner,
            name: task.text("Name"),
            kind: task.text("Kind"),
            parameters: Some(shown),
            values: vec![
                ("Priority", Value::Integer(task.integer("Priority"))),
                ("Attempts", Value::Integer(task.integer("Retries") + 1)),
                ("RetrySeconds", Value::Integer(task.integer("RetrySeconds"))),
                ("TaskRun", Value::Integer(run)),
                ("Secrets", secrets.map_or(Value::Null, Value::Text)),
            ],
        };
        let job = self.enqueue(session, new)?;
        self.rewrite(session, "Runs", run, vec![("JobId", Value::Integer(job))], false)?;
        let mut values = vec![
            ("Status", word("run")),
            ("LastRun", moment(now)),
            ("Scheduled", moment(start.due)),
            ("NextRun", start.next.map_or(Value::Null, moment)),
            ("ConditionError", Value::Null),
        ];
        if matches!(start.by, Trigger::Scheduler(Why::CatchUp)) {
            values.push(("Missed", Value::Integer((task.integer("Missed") - 1).max(0))));
        }
        // What a client may change is another version of the row; what only the server does is not, or nobody could edit a busy task.
        let is_forced = task.is("ForceRun");
        values.extend(is_forced.then_some(("ForceRun", Value::Boolean(false))));
        self.rewrite(session, "Tasks", start.task, values, is_forced)?;
        let message = format!("started by {by}, job {job}");
        self.task_log(session, task, &run_id, ("run", "INFO", &message), (now, None))?;
        if matches!(start.by, Trigger::User(..)) {
            self.task_changed(session, task.tenant(), start.task)?;
        }
        Ok(Started::Run(run, now))
    }

    /// A task could not start: why stands in its row and in the log, and nothing else stops for it.
    pub fn task_refused(&self, session: &mut Session<'_>, task: i64, fault: &Fault, again: Option<Ticks>) -> Outcome<()> {
        let Some(entity) = self.task_locked(session, task)? else {
            return Ok(());
        };
        let row = Row::of(self, &entity);
        let message = fault.to_string();
        let next = again.map_or(Value::Null, moment);
        let is_told = row.text("ConditionError") == message;
        let values = vec![("ConditionError", word(&message)), ("NextRun", next)];
        self.rewrite(session, "Tasks", task, values, false)?;
        if is_told {
            return Ok(());
        }
        let now = whole(self.clock.now());
        let message = format!("could not start: {message}");
        self.task_log(session, row, &Value::Null, ("", "ERROR", &message), (now, None))
    }

    /// Ends the job of a run; the run ends with it, which may take its worker a while. The job is kept from others before the run, as
    /// where a job ends by itself.
    pub fn stop_run(&self, session: &mut Session<'_>, run: i64, by: &str) -> Outcome<()> {
        let of = Restriction::Row(vec![Value::Integer(run)]);
        let rows = self.columns(session, self.core_type("Runs")?, &["JobId", "Status"], None, vec![of])?;
        let job = match rows.first().map(Vec::as_slice) {
            Some([Value::Integer(job), status]) if *status == word("run") => self.job(session, *job),
            _ => return Ok(()),
        };
        let end = match job {
            Ok(mut job) if !job.state.is_end() => return self.kill_job(session, &mut job, by),
            Ok(_) => End::of("crash", "its job has ended without it"),
            Err(fault) if fault.kind == &fault::NOT_FOUND => End::of("terminate", "its job is gone"),
            Err(fault) => return Err(fault),
        };
        match self.row_locked(session, "Runs", run)? {
            Some(run) => self.end_run(session, &run, end),
            None => Ok(()),
        }
    }

    /// The same for the scheduler.
    pub fn stop_due_run(&self, session: &mut Session<'_>, run: i64, why: Ending) -> Outcome<()> {
        let by = match why {
            Ending::Condition => "the end condition of its task",
            Ending::Timeout => "the timeout of its task",
        };
        self.stop_run(session, run, by)
    }

    /// Ends all runs of a task; how many that were.
    pub(in crate::engine) fn stop_task(&self, session: &mut Session<'_>, task: i64, by: &str) -> Outcome<usize> {
        let live = self.live_runs(session, task)?;
        for run in &live {
            self.stop_run(session, run.run, by)?;
        }
        Ok(live.len())
    }

    /// A job has ended; if it is that of a run, so has this.
    pub(in crate::engine) fn job_of_run_ended(&self, session: &mut Session<'_>, job: &Job) -> Outcome<()> {
        let Value::Integer(run) = *job.value(self, "TaskRun") else {
            return Ok(());
        };
        let Some(run) = self.row_locked(session, "Runs", run)? else {
            return Ok(());
        };
        let result = job.value(self, "Result");
        let is_lost = job.integer(self, "Losses") >= job.integer(self, "Attempts").max(JOB_LOSSES as i64);
        let action = match job.state {
            State::Succeeded if is_inaction(result) => "inaction",
            State::Succeeded => "success",
            State::Killed => "terminate",
            State::Failed if is_lost => "crash",
            _ => "fail",
        };
        let error = job.text(self, "Error");
        let end = End {
            action,
            message: if job.state == State::Succeeded { "" } else { error },
            value: if job.state == State::Succeeded {
                result.clone()
            } else {
                Value::Null
            },
        };
        self.end_run(session, &run, end)
    }

    /// Whether this process has or will soon have the job of a run.
    pub fn is_run_at_work(&self, session: &mut Session<'_>, run: i64) -> Outcome<bool> {
        let found = self.job_of_run(session, run)?.and_then(|(_, job)| job);
        Ok(found.is_some_and(|(state, kind)| (state == State::Queued || state.is_held()) && self.desk.kinds.is_handled(&kind)))
    }

    /// The status of a run, with state and kind of its job, as far as they are there.
    fn job_of_run(&self, session: &mut Session<'_>, run: i64) -> Outcome<Option<(Value, Option<(State, String)>)>> {
        let of = Restriction::Row(vec![Value::Integer(run)]);
        let rows = self.columns(session, self.core_type("Runs")?, &["JobId", "Status"], None, vec![of])?;
        let Some([job, status]) = rows.first().map(Vec::as_slice) else {
            return Ok(None);
        };
        let same = Restriction::Columns(vec!["Id".to_owned()], vec![job.clone()]);
        let jobs = match job {
            Value::Integer(_) => self.columns(session, self.core_type("Jobs")?, &["State", "Kind"], None, vec![same])?,
            _ => Vec::new(),
        };
        let job = match jobs.first().map(Vec::as_slice) {
            Some([Value::Text(state), Value::Text(kind)]) => State::of(state).map(|state| (state, kind.clone())),
            _ => None,
        };
        Ok(Some((status.clone(), job)))
    }

    /// Runs whose job is gone or has ended without them.
    pub fn end_orphans(&self, session: &mut Session<'_>, runs: &[i64]) -> Outcome<usize> {
        let mut found = 0;
        for run in runs {
            let Some((status, job)) = self.job_of_run(session, *run)? else {
                continue;
            };
            if job.is_some_and(|(state, _)| !state.is_end()) || status != word("run") {
                continue;
            }
            if let Some(run) = self.row_locked(session, "Runs", *run)? {
                self.end_run(session, &run, End::of("crash", "its job has ended without it, or is gone"))?;
                found += 1;
            }
        }
        Ok(found)
    }

    /// A run has ended: the run, its task, what it gave, and the log. One that ended before stays as it is.
    fn end_run(&self, session: &mut Session<'_>, entity: &Entity, end: End<'_>) -> Outcome<()> {
        let run = Row::of(self, entity);
        if run.text("Status") != "run" {
            return Ok(());
        }
        // Instances' clocks may differ: nothing ends before it has begun.
        let start = run.moment("Start").unwrap_or_default();
        let now = whole(self.clock.now()).max(start);
        let message = cut(end.message);
        let text = if message.is_empty() { Value::Null } else { word(message) };
        let values = vec![
            ("Status", word(end.action)),
            ("End", moment(now)),
            ("RuntimeSeconds", seconds(start, now)),
            ("ReturnValue", end.value.clone()),
            ("Message", text),
        ];
        self.rewrite(session, "Runs", run.integer("Id"), values, true)?;
        let level = if matches!(end.action, "fail" | "crash") { "ERROR" } else { "INFO" };
        self.task_log(session, run, run.value("RunId"), (end.action, level, message), (start, Some(now)))?;
        let Some(mut entity) = self.task_locked(session, run.integer("TaskId"))? else {
            return Ok(());
        };
        let task = Row::of(self, &entity);
        let failures = match ACTIONS.iter().find(|row| row.0 == end.action) {
            Some((_, Action::Fail, _)) => task.integer("Failures") + 1,
            _ => 0,
        };
        let column = ACTIONS.iter().find(|row| row.0 == end.action).map_or("LastFail", |row| row.2);
        let values = vec![
            ("Status", word(end.action)),
            (column, moment(now)),
            ("Failures", Value::Integer(failures)),
        ];
        let (id, tenant) = (task.integer("Id"), task.tenant());
        for (name, value) in &values {
            super::set(self, &mut entity, name, value.clone())?;
        }
        let next = self
            .next_starts(session, &entity, 1)?
            .first()
            .map_or(Value::Null, |next| moment(*next));
        let values = values.into_iter().chain([("NextRun", next)]).collect();
        self.rewrite(session, "Tasks", id, values, false)?;
        if end.action == "success" {
            self.write_return(session, run, &end.value)?;
        }
        self.task_changed(session, tenant, id)
    }

    /// Writes values into a row of a set.
    pub(super) fn rewrite(
        &self,
        session: &mut Session<'_>,
        set: &str,
        id: i64,
        mut values: Vec<(&str, Value)>,
        is_new_version: bool,
    ) -> Outcome<()> {
        if is_new_version {
            values.push(("RowVersion", Value::Bytes(self.next_version())));
        }
        let (everything, key) = (Scope::everything(), [Value::Integer(id)]);
        let mut update = Update::new(&self.schema, &everything, self.core_type(set)?, &key)?;
        update.values = values;
        update.run(session)
    }

    /// A row of `Logs` about a task; `of` is the task or one of its runs.
    fn task_log(
        &self,
        session: &mut Session<'_>,
        of: Row<'_>,
        run: &Value,
        (action, level, message): (&str, &str, &str),
        (start, end): (Ticks, Option<Ticks>),
    ) -> Outcome<()> {
        let owner = of.value("CreatedById");
        let columns = vec![
            ("Name", of.value("Name").clone()),
            ("CreatedById", owner.clone()),
            ("ModifiedById", owner.clone()),
            ("Level", word(level)),
            ("Source", word("scheduler")),
            ("Message", word(cut(message))),
            ("Timestamp", moment(end.unwrap_or(start))),
            ("TaskName", of.value("Name").clone()),
            ("RunId", run.clone()),
            ("Action", if action.is_empty() { Value::Null } else { word(action) }),
            ("Start", moment(start)),
            ("End", end.map_or(Value::Null, moment)),
            ("RuntimeSeconds", end.map_or(Value::Null, |end| seconds(start, end))),
            ("ExceptionText", if level == "ERROR" { word(cut(message)) } else { Value::Null }),
        ];
        self.add_built_in(session, "Logs", of.tenant(), columns).map(drop)
    }
}

impl End<'_> {
    fn of(action: &'static str, message: &'static str) -> End<'static> {
        End {
            action,
            message,
            value: Value::Null,
        }
    }
}

/// Whether the row says yet what the scheduler's memory did: somebody may have changed it a moment ago.
fn still_wanted(task: Row<'_>, by: Trigger<'_>) -> bool {
    match by {
        Trigger::Scheduler(Why::Force) => task.is("ForceRun"),
        Trigger::Scheduler(Why::CatchUp) => task.integer("Missed") > 0 && !task.is("Disabled"),
        Trigger::Scheduler(_) => !task.is("Disabled"),
        Trigger::User(..) => true,
    }
}

/// A job that had nothing to do says so in its result: `{"inaction": true}`.
fn is_inaction(result: &Value) -> bool {
    match result {
        Value::Text(text) => serde_json::from_str::<serde_json::Value>(text).is_ok_and(|json| json["inaction"] == true),
        _ => false,
    }
}

fn seconds(start: Ticks, end: Ticks) -> Value {
    Value::Double((end - start) as f64 / SECOND as f64)
}

/// As much of a message as is kept.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(JOB_MESSAGE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

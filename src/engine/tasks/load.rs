//! Tasks as their rows have them, and what has happened to them, for conditions to be evaluated with.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::configs::Settings;
use super::plan::{CatchUp, Known, Live, Task};
use super::{Row, moment, word};
use crate::engine::Engine;
use crate::engine::row::Entity;
use crate::model::caller::{Guid, SYSTEM_TENANT, Scope};
use crate::model::clock::{SECOND, Ticks};
use crate::model::edm::{Cell, Edm, Value};
use crate::model::expr::{Expr, Op, Source};
use crate::model::fault::{Fault, Outcome};
use crate::model::limits::TASK_RECORDS;
use crate::model::query::Order;
use crate::schedule::{Action, Condition, Explanation, Facts, Last, TaskFacts, explain, names, next_runs, parse, span_of, zone};
use crate::store::{Output, Restriction, Select, Session};

/// More changes of single tasks than that are read as changes of all tasks of their tenants.
const SINGLE: usize = 500;
/// How far back records go: conditions look at the current month at most.
const RECORDS: Ticks = 40 * 86_400 * SECOND;

/// Tasks that were read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What there is of them.
    pub tasks: Vec<Known>,
    /// The parameters of tenants' sessions.
    pub parameters: Vec<(Guid, BTreeMap<String, String>)>,
    /// Nothing starts.
    pub is_held: bool,
}

/// What was asked for anew.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// What is there of it.
    pub loaded: Loaded,
    /// Tenants of which all tasks were asked for.
    pub tenants: Vec<Guid>,
    /// Single tasks that were asked for.
    pub asked: Vec<i64>,
}

/// What the tasks of a tenant have in common.
struct House {
    settings: Settings,
    /// Condition, and whether it is disabled.
    groups: HashMap<String, (Option<Condition>, bool)>,
}

impl Engine {
    /// All tasks of all tenants.
    pub fn load_tasks(&self, session: &mut Session<'_>) -> Outcome<Loaded> {
        self.known_tasks(session, Vec::new(), true)
    }

    /// Tasks that have changed; 0 stands for all of a tenant.
    pub fn reload_tasks(&self, session: &mut Session<'_>, changes: &BTreeSet<(Guid, i64)>) -> Outcome<Reloaded> {
        let is_much = changes.len() > SINGLE;
        let whole: BTreeSet<Guid> = changes
            .iter()
            .filter(|change| is_much || change.1 == 0)
            .map(|change| change.0)
            .collect();
        let single = changes.iter().filter(|change| !whole.contains(&change.0));
        let asked: Vec<i64> = single.clone().map(|change| change.1).collect();
        let tenants: BTreeSet<Guid> = single.map(|change| change.0).collect();
        let mut loaded = Loaded::default();
        for tenant in &whole {
            let of = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
            let part = self.known_tasks(session, vec![of], true)?;
            loaded.tasks.extend(part.tasks);
            loaded.parameters.extend(part.parameters);
            if !loaded.parameters.iter().any(|(known, _)| known == tenant) {
                loaded.parameters.push((*tenant, self.text_parameters(session, *tenant)?));
            }
        }
        for tenant in tenants {
            loaded.parameters.push((tenant, self.text_parameters(session, tenant)?));
        }
        if !asked.is_empty() {
            let keys = asked.iter().map(|id| vec![Value::Integer(*id)]).collect();
            let of = Restriction::ColumnsIn(vec!["Id".to_owned()], keys);
            loaded.tasks.extend(self.known_tasks(session, vec![of], false)?.tasks);
        }
        loaded.is_held = self.is_scheduler_held(session)?;
        Ok(Reloaded {
            loaded,
            tenants: whole.into_iter().collect(),
            asked,
        })
    }

    fn known_tasks(&self, session: &mut Session<'_>, of: Vec<Restriction>, is_whole: bool) -> Outcome<Loaded> {
        let rows = self.entities(session, "Tasks", of.clone(), None)?;
        let mut live = match is_whole {
            true => self.all_live(session)?,
            false => HashMap::new(),
        };
        let recorded = self.recorded(session, is_whole, &rows)?;
        let mut houses: HashMap<Guid, House> = HashMap::new();
        let mut loaded = Loaded {
            is_held: self.is_scheduler_held(session)?,
            ..Loaded::default()
        };
        for entity in &rows {
            let row = Row::of(self, entity);
            let tenant = row.tenant();
            if let Entry::Vacant(place) = houses.entry(tenant) {
                place.insert(self.house(session, tenant)?);
                if is_whole {
                    loaded.parameters.push((tenant, self.text_parameters(session, tenant)?));
                }
            }
            let task = planned(row, &houses[&tenant]);
            let live = match is_whole {
                true => live.remove(&task.id).unwrap_or_default(),
                false => self.live_runs(session, task.id)?,
            };
            let mut facts = facts(row, &task, !live.is_empty());
            if recorded.contains(&(tenant, task.name.clone())) {
                facts.records = self.records(session, task.id)?;
            }
            loaded.tasks.push(Known { task, facts, live });
        }
        Ok(loaded)
    }

    /// Tasks that some condition names: what they did stands in their records.
    fn recorded(&self, session: &mut Session<'_>, is_whole: bool, rows: &[Entity]) -> Outcome<HashSet<(Guid, String)>> {
        let mut found = HashSet::new();
        for entity in rows {
            let row = Row::of(self, entity);
            let own = row.filled("StartCondition").and_then(|text| parse(text).ok());
            if own.is_some_and(|condition| has_span(&condition)) {
                found.insert((row.tenant(), row.text("Name").to_owned()));
            }
        }
        let ty = self.core_type("Dependencies")?;
        let mut parents = |session: &mut Session<'_>, of: Vec<Restriction>| -> Outcome<()> {
            for row in self.columns(session, ty, &["Tid", "Parent"], None, of)? {
                if let [Value::Bytes(tenant), Value::Text(name)] = row.as_slice()
                    && let Ok(tenant) = Guid::try_from(tenant.as_slice())
                {
                    found.insert((tenant, name.clone()));
                }
            }
            Ok(())
        };
        if is_whole {
            parents(session, Vec::new())?;
            return Ok(found);
        }
        for entity in rows {
            let row = Row::of(self, entity);
            let names = vec!["Tid".to_owned(), "Parent".to_owned()];
            parents(
                session,
                vec![Restriction::Columns(
                    names,
                    vec![row.value("Tid").clone(), row.value("Name").clone()],
                )],
            )?;
        }
        Ok(found)
    }

    fn house(&self, session: &mut Session<'_>, tenant: Guid) -> Outcome<House> {
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(tenant.to_vec())]);
        let ty = self.core_type("TaskGroups")?;
        let rows = self.columns(session, ty, &["Name", "StartCondition", "Disabled"], None, vec![own])?;
        let group = |row: &Vec<Value>| match row.as_slice() {
            [Value::Text(name), condition, disabled] => {
                let condition = match condition {
                    Value::Text(text) if !text.trim().is_empty() => parse(text).ok(),
                    _ => None,
                };
                Some((name.clone(), (condition, *disabled == Value::Boolean(true))))
            }
            _ => None,
        };
        Ok(House {
            settings: self.task_settings(session, tenant)?,
            groups: rows.iter().filter_map(group).collect(),
        })
    }

    fn text_parameters(&self, session: &mut Session<'_>, tenant: Guid) -> Outcome<BTreeMap<String, String>> {
        Ok(self.session_parameters(session, tenant)?.into_iter().collect())
    }

    /// Whole rows of a set.
    pub(super) fn entities(
        &self,
        session: &mut Session<'_>,
        set: &str,
        of: Vec<Restriction>,
        limit: Option<usize>,
    ) -> Outcome<Vec<Entity>> {
        let ty = self.core_type(set)?;
        let names: Vec<&str> = self.schema.types[ty]
            .properties
            .iter()
            .map(|property| property.name.as_str())
            .collect();
        let rows = self.columns_up_to(session, ty, &names, None, of, limit)?;
        let entity = |values| Entity {
            ty,
            values,
            media: Value::Null,
            dynamic: Value::Null,
        };
        Ok(rows.into_iter().map(entity).collect())
    }

    /// The runs of all tasks that have not ended.
    fn all_live(&self, session: &mut Session<'_>) -> Outcome<HashMap<i64, Vec<Live>>> {
        let open = Restriction::Columns(vec!["Status".to_owned()], vec![word("run")]);
        let mut found: HashMap<i64, Vec<Live>> = HashMap::new();
        for row in self.columns(session, self.core_type("Runs")?, &["TaskId", "Id", "Start"], None, vec![open])? {
            if let Value::Integer(task) = row[0] {
                found.entry(task).or_default().extend(live(&row[1], &row[2]));
            }
        }
        Ok(found)
    }

    /// The runs of a task that have not ended.
    pub(super) fn live_runs(&self, session: &mut Session<'_>, task: i64) -> Outcome<Vec<Live>> {
        let open = Restriction::Columns(
            vec!["TaskId".to_owned(), "Status".to_owned()],
            vec![Value::Integer(task), word("run")],
        );
        let rows = self.columns(session, self.core_type("Runs")?, &["Id", "Start"], None, vec![open])?;
        Ok(rows.iter().filter_map(|row| live(&row[0], &row[1])).collect())
    }

    /// What the newest runs of a task did, oldest first.
    fn records(&self, session: &mut Session<'_>, task: i64) -> Outcome<Vec<(Ticks, Action)>> {
        let ty = self.core_type("Runs")?;
        let start = self.column_expr(ty, "Start")?;
        let since = Expr::Binary {
            op: Op::Ge,
            edm: Edm::DateTimeOffset,
            left: Box::new(start.clone()),
            right: Box::new(Expr::Literal(Edm::DateTimeOffset, moment(self.clock.now() - RECORDS))),
        };
        let everything = Scope::everything();
        let sources = [Source {
            ty,
            set: None,
            join: None,
            nested: false,
        }];
        let mut select = Select::new(&self.schema, &everything, &sources);
        for name in ["Start", "End", "Status"] {
            select.outputs.push(Output::Property(ty, self.property_of(ty, name)?));
        }
        select.filter = Some(&since);
        select.restrictions = vec![Restriction::Columns(vec!["TaskId".to_owned()], vec![Value::Integer(task)])];
        select.order = vec![Order {
            expr: start,
            descending: true,
        }];
        select.limit = Some(TASK_RECORDS);
        let rows = select.fetch(session)?;
        let mut records = Vec::new();
        for row in 0..rows.len() {
            let time = |cell| match rows.cell(row, cell) {
                Cell::Text(text) => crate::model::text::text_to_ticks(text),
                _ => None,
            };
            records.extend(time(0).map(|at| (at, Action::Start)));
            if let (Some(at), Cell::Text(status)) = (time(1), rows.cell(row, 2)) {
                records.extend(action(status).map(|action| (at, action)));
            }
        }
        records.sort_by_key(|record| record.0);
        Ok(records)
    }

    pub(in crate::engine) fn is_scheduler_held(&self, session: &mut Session<'_>) -> Outcome<bool> {
        let ty = self.core_type("Session")?;
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(SYSTEM_TENANT.to_vec())]);
        let rows = self.columns(session, ty, &["OnHold"], None, vec![own])?;
        Ok(rows.first().is_some_and(|row| row[0] == Value::Boolean(true)))
    }

    /// A task as it would be with this row, and all that its condition is evaluated with.
    fn told(&self, session: &mut Session<'_>, entity: &Entity) -> Outcome<(Task, Facts)> {
        let row = Row::of(self, entity);
        let tenant = row.tenant();
        let task = planned(row, &self.house(session, tenant)?);
        let live = self.live_runs(session, task.id)?;
        let mut own = facts(row, &task, !live.is_empty());
        if task.start.as_ref().is_some_and(has_span) {
            own.records = self.records(session, task.id)?;
        }
        let mut found = Facts {
            parameters: self.text_parameters(session, tenant)?,
            ..Facts::default()
        };
        for name in task.start.iter().flat_map(names).map(|dependency| dependency.task) {
            let Some(id) = self.task_named(session, tenant, &name)? else {
                continue;
            };
            let changes = BTreeSet::from([(tenant, id)]);
            if let Some(known) = self.reload_tasks(session, &changes)?.loaded.tasks.pop() {
                found.tasks.insert(name, known.facts);
            }
        }
        found.tasks.insert(task.name.clone(), own);
        let own = Restriction::Columns(vec!["Tid".to_owned()], vec![Value::Bytes(SYSTEM_TENANT.to_vec())]);
        if let Some(row) = self.entities(session, "Session", vec![own], Some(1))?.first() {
            let row = Row::of(self, row);
            found.scheduler_start = row.moment("StartedAt");
            found.scheduler_cycles = row.integer("Cycles").unsigned_abs();
        }
        Ok((task, found))
    }

    /// When a task starts next, if it succeeds at once each time.
    pub(in crate::engine) fn next_starts(&self, session: &mut Session<'_>, entity: &Entity, count: usize) -> Outcome<Vec<Ticks>> {
        let (task, facts) = self.told(session, entity)?;
        let Some(condition) = task.start.as_ref() else {
            return Ok(Vec::new());
        };
        if task.is_disabled || task.on_startup || task.on_shutdown {
            return Ok(Vec::new());
        }
        Ok(next_runs(condition, self.clock.now(), task.zone, &task.name, &facts, count))
    }

    /// How the condition of a task stands: its time, its zone, its tree, and why the task does not start although it holds.
    pub(in crate::engine) fn explained(&self, session: &mut Session<'_>, entity: &Entity) -> Outcome<Explained> {
        let (task, facts) = self.told(session, entity)?;
        let now = self.clock.now();
        let condition = task.start.clone().unwrap_or(Condition::Constant(false));
        let is_running = facts.tasks.get(&task.name).is_some_and(|own| own.running);
        let error = Row::of(self, entity).filled("ConditionError");
        let obstacle = if self.is_scheduler_held(session)? {
            Some("The scheduler is on hold.".to_owned())
        } else if task.is_disabled {
            Some("The task, or its group, is disabled.".to_owned())
        } else if task.on_startup || task.on_shutdown {
            Some("It starts when the scheduler starts or stops.".to_owned())
        } else if is_running && !task.is_multiple {
            Some("It runs.".to_owned())
        } else {
            error.map(|error| format!("The last start was not possible: {error}"))
        };
        Ok(Explained {
            at: now,
            zone: task.zone.to_string(),
            cycle: self.circle_through(session, task.tenant, &task.name)?,
            obstacle,
            tree: explain(&condition, now, task.zone, &task.name, &facts),
        })
    }
}

/// How the condition of a task stands.
#[derive(Debug)]
#[allow(missing_docs)]
pub(in crate::engine) struct Explained {
    pub at: Ticks,
    pub zone: String,
    pub cycle: Option<String>,
    pub obstacle: Option<String>,
    pub tree: Explanation,
}

fn live(run: &Value, start: &Value) -> Option<Live> {
    match (run, start) {
        (Value::Integer(run), Value::Text(start)) => Some(Live {
            run: *run,
            start: crate::model::text::text_to_ticks(start)?,
            is_told: false,
        }),
        _ => None,
    }
}

/// A task as its row and its tenant's settings have it. A condition that cannot be read never holds: who wrote it past the checks
/// sees that in `ExplainCondition`.
fn planned(row: Row<'_>, house: &House) -> Task {
    let own = |name: &str| row.filled(name).map(|text| parse(text).unwrap_or(Condition::Constant(false)));
    let (common, is_off) = match row.filled("GroupName").and_then(|group| house.groups.get(group)) {
        Some((condition, is_off)) => (condition.clone(), *is_off),
        None => (None, false),
    };
    let start = match (own("StartCondition"), common) {
        (Some(own), Some(common)) => Some(Condition::All(vec![own, common])),
        (own, _) => own,
    };
    let timeout = row.number("TimeoutSeconds").unwrap_or(house.settings.timeout);
    Task {
        id: row.integer("Id"),
        tenant: row.tenant(),
        name: row.text("Name").to_owned(),
        version: match row.value("RowVersion") {
            Value::Bytes(version) => version.clone(),
            _ => Vec::new(),
        },
        priority: row.integer("Priority"),
        zone: row
            .filled("TimeZone")
            .and_then(|name| zone(name).ok())
            .unwrap_or(house.settings.zone),
        start,
        end: own("EndCondition"),
        is_disabled: row.is("Disabled") || is_off,
        is_forced: row.is("ForceRun"),
        on_startup: row.is("OnStartup"),
        on_shutdown: row.is("OnShutdown"),
        is_multiple: row.is("MultiLaunch"),
        timeout: (timeout > 0 && !row.is("Permanent")).then(|| timeout * SECOND),
        catch_up: match row.text("CatchUp") {
            "once" => CatchUp::Once,
            "all" => CatchUp::All(usize::try_from(row.integer("CatchUpLimit")).unwrap_or(1)),
            _ => CatchUp::None,
        },
        jitter: row.integer("JitterSeconds") * SECOND,
        missed: row.integer("Missed"),
    }
}

/// What has happened to a task, without records. Further attempts are the job's business, so a run that failed is not tried again.
fn facts(row: Row<'_>, task: &Task, is_running: bool) -> TaskFacts {
    TaskFacts {
        last: Last {
            start: row.moment("LastRun"),
            success: row.moment("LastSuccess"),
            fail: row.moment("LastFail"),
            terminate: row.moment("LastTerminate"),
            inaction: row.moment("LastInaction"),
            crash: row.moment("LastCrash"),
        },
        records: Vec::new(),
        failures: u32::try_from(row.integer("Failures")).unwrap_or_default(),
        running: is_running,
        retries: 0,
        scheduled: row.moment("Scheduled"),
        span: task.start.as_ref().and_then(span_of),
    }
}

/// Whether a condition asks what happened within a span of time.
fn has_span(condition: &Condition) -> bool {
    matches!(condition, Condition::Has { .. }) || condition.parts().iter().any(has_span)
}

/// What is called so in `Status` and `Action`.
pub(super) const ACTIONS: &[(&str, Action, &str)] = &[
    ("run", Action::Start, "LastRun"),
    ("success", Action::Success, "LastSuccess"),
    ("fail", Action::Fail, "LastFail"),
    ("terminate", Action::Terminate, "LastTerminate"),
    ("inaction", Action::Inaction, "LastInaction"),
    ("crash", Action::Crash, "LastCrash"),
];

fn action(status: &str) -> Option<Action> {
    ACTIONS.iter().find(|row| row.0 == status).map(|row| row.1)
}

impl Engine {
    /// Rows of `Tasks`: one, kept from other writers.
    pub(super) fn task_locked(&self, session: &mut Session<'_>, task: i64) -> Outcome<Option<Entity>> {
        self.row_locked(session, "Tasks", task)
    }

    /// A row of a set, kept from other writers; none if there is none.
    pub(super) fn row_locked(&self, session: &mut Session<'_>, set: &str, id: i64) -> Outcome<Option<Entity>> {
        let place = crate::engine::resolve::Place::of(self.core_type(set)?, None, vec![Value::Integer(id)]);
        match self.entity_at(session, &Scope::everything(), &place, true) {
            Ok(entity) => Ok(Some(entity)),
            Err(Fault { kind, .. }) if kind == &crate::model::fault::NOT_FOUND => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

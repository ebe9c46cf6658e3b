//! The server's library as a house for jobs: acts are carried out, and what is there then is read past it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use odonata::engine::Engine;
use odonata::engine::bootstrap;
use odonata::engine::queue::{Failure, Hold, Restarted, Worker};
use odonata::model::caller::{Caller, Guid, SYSTEM_TENANT};
use odonata::model::clock::{Clock, SECOND};
use odonata::model::edm::Value;
use odonata::model::fault::Outcome;
use odonata::model::target::{Body, Leaf, Link, Linked, Resource, Step};
use odonata::model::text;
use odonata::store::{Db, Session};

use super::acts::{self, AT_ONCE, Act, Claim, KINDS, Maker, ROOT, WORKERS};
use super::moves::Refused;
use crate::database::{Database, System};

const BEGIN: i64 = 738_000 * 86_400 * SECOND;
const TENANTS: [Guid; acts::TENANTS] = [SYSTEM_TENANT, [0x22; 16]];
/// Reads what is there.
#[allow(missing_debug_implementations)]
pub enum Look {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A row of `Jobs`.
#[derive(Debug, QueryableByName)]
#[allow(missing_docs)]
pub struct JobRow {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = BigInt)]
    pub attempt: i64,
    #[diesel(sql_type = BigInt)]
    pub failures: i64,
    #[diesel(sql_type = BigInt)]
    pub losses: i64,
}

#[derive(Debug, QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A row of `JobEvents`.
#[derive(Debug, QueryableByName)]
#[allow(missing_docs)]
pub struct EventRow {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = BigInt)]
    pub job: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub from_state: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub to_state: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub attempt: i64,
}

const JOBS: &str = r#"SELECT "Id" AS id, CAST("State" AS TEXT) AS state, CAST("Attempt" AS BIGINT) AS attempt,
  CAST("Failures" AS BIGINT) AS failures, CAST("Losses" AS BIGINT) AS losses FROM "JOBS" ORDER BY "Place", "Id""#;
const EVENTS: &str = r#"SELECT "Id" AS id, "JobId" AS job, CAST("From" AS TEXT) AS from_state, CAST("To" AS TEXT) AS to_state,
  CAST("Attempt" AS BIGINT) AS attempt FROM "EVENTS" WHERE "Id" > SINCE ORDER BY "Id""#;

impl Look {
    fn open(database: &Database) -> Look {
        let url = database.url();
        match database {
            Database::Sqlite(_) => Look::Sqlite(SqliteConnection::establish(url.trim_start_matches("sqlite:")).expect("it opens")),
            Database::Postgres(_) => Look::Postgres(PgConnection::establish(&url).expect("it opens")),
        }
    }

    /// All of them; those that have a place first, in order.
    pub fn jobs(&mut self, engine: &Engine) -> Vec<JobRow> {
        let query = diesel::sql_query(JOBS.replace("JOBS", table(engine, "Jobs")));
        let rows = match self {
            Look::Sqlite(connection) => query.load(connection),
            Look::Postgres(connection) => query.load(connection),
        };
        rows.expect("jobs can be read")
    }

    /// The history after a row of it.
    pub fn events(&mut self, engine: &Engine, since: i64) -> Vec<EventRow> {
        let query = EVENTS.replace("EVENTS", table(engine, "JobEvents"));
        let query = diesel::sql_query(query.replace("SINCE", &since.to_string()));
        let rows = match self {
            Look::Sqlite(connection) => query.load(connection),
            Look::Postgres(connection) => query.load(connection),
        };
        rows.expect("the history can be read")
    }

    /// Whole numbers.
    pub fn numbers(&mut self, sql: &str) -> Vec<i64> {
        let query = diesel::sql_query(sql);
        let rows: QueryResult<Vec<NumberRow>> = match self {
            Look::Sqlite(connection) => query.load(connection),
            Look::Postgres(connection) => query.load(connection),
        };
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
            .iter()
            .map(|row| row.number)
            .collect()
    }

    fn run(&mut self, sql: &str) {
        let done = match self {
            Look::Sqlite(connection) => connection.batch_execute(sql),
            Look::Postgres(connection) => connection.batch_execute(sql),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// A server without the network.
#[allow(missing_debug_implementations)]
pub struct House {
    /// What is tested.
    pub engine: Arc<Engine>,
    db: Db,
    clock: Arc<AtomicI64>,
    /// What is there.
    pub look: Look,
    /// Numbers of the workers' rows: they are runners, whose lease jobs may say.
    runners: Vec<i64>,
    _database: Database,
}

impl House {
    /// With an empty database, and the kinds.
    pub fn new(system: System) -> House {
        let database = match system {
            // What is not to outlive the test need not reach a disk.
            System::Sqlite => tempfile::TempDir::new_in("/dev/shm").map_or_else(|_| Database::fresh(system), Database::Sqlite),
            System::Postgres => Database::fresh(system),
        };
        let schema = Arc::new(odonata::plugin::load(None).expect("the built-in schema is good"));
        let db = Db::open(&database.url()).expect("the database opens");
        db.prepare(&schema).expect("the tables can be made");
        let clock = Arc::new(AtomicI64::new(BEGIN));
        let engine = Arc::new(Engine::new(schema, Clock::Manual(clock.clone()), 45));
        let inner = engine.clone();
        let made = db.write_alone(move |session| bootstrap::first_start(&inner, session, || Ok("hash".to_owned())));
        assert!(made.expect("the first start works"));
        let mut look = Look::open(&database);
        if matches!(look, Look::Sqlite(_)) {
            look.run("PRAGMA busy_timeout = 10000");
        }
        let mut house = House {
            engine,
            db,
            clock,
            look,
            runners: Vec::new(),
            _database: database,
        };
        for kind in KINDS.iter().filter(|kind| kind.name != "external") {
            let caller = caller(kind.tenant.unwrap_or(ROOT), 1);
            let number = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
            let values = [
                ("Name", text(kind.name)),
                ("Attempts", number(kind.attempts)),
                ("LeaseSeconds", number(kind.lease)),
                ("TimeoutSeconds", number(kind.timeout)),
                ("MaxParallel", number(kind.most)),
            ];
            house.create(caller, "JobKinds", &values);
        }
        house.create(caller(1, 1), "JobKinds", &[("Name", text("*"))]);
        house.runners = (0..WORKERS.len())
            .map(|number| {
                let name = worker(number).name;
                house.create(caller(ROOT, 1), "Runners", &[("Name", text(&name))])
            })
            .collect();
        house
    }

    /// Does something that changes what is there.
    pub fn write<T: Send + 'static>(&self, job: impl FnOnce(&Engine, &mut Session<'_>) -> Outcome<T> + Send + 'static) -> T {
        let engine = self.engine.clone();
        self.db.write_now(move |session| job(&engine, session)).expect("it can be written")
    }

    /// Looks at something.
    pub fn read<T>(&self, job: impl FnOnce(&Engine, &mut Session<'_>) -> Outcome<T>) -> T {
        self.db.read_now(|session| job(&self.engine, session)).expect("it can be read")
    }

    fn create(&self, caller: Caller, set: &'static str, values: &[(&'static str, Value)]) -> i64 {
        let (engine, values) = (self.engine.clone(), values.to_vec());
        let made = self
            .db
            .write_now(move |session| create(&engine, session, &caller, set, values, &[]));
        made.expect("it can be made")
    }

    /// How many rows a set has.
    pub fn count(&mut self, set: &str) -> i64 {
        let table = table(&self.engine, set);
        self.look.numbers(&format!("SELECT count(*) AS number FROM \"{table}\""))[0]
    }

    /// Totals of the root tenant in buckets of a period that ends now.
    pub fn history(&self, seconds: i64, bucket: Option<&str>) -> Vec<i64> {
        let from = Some(self.clock.load(Ordering::SeqCst) - seconds * SECOND);
        let rows = self.read(|engine, session| engine.job_history(session, SYSTEM_TENANT, (from, None), bucket));
        let total = |row: &Vec<(String, Value)>| row.iter().find(|member| member.0 == "Total").map(|member| member.1.clone());
        let number = |value| if let Some(Value::Integer(number)) = value { number } else { -1 };
        rows.iter().map(|row| number(total(row))).collect()
    }

    /// As it was before a sequence.
    pub fn clear(&mut self) {
        self.clock.store(BEGIN, Ordering::SeqCst);
        for set in ["JobEvents", "Logs", "Jobs"] {
            self.look.run(&format!("DELETE FROM \"{}\"", table(&self.engine, set)));
        }
        self.pause(false);
    }

    fn pause(&mut self, paused: bool) {
        let kinds = table(&self.engine, "JobKinds");
        self.look
            .run(&format!(r#"UPDATE "{kinds}" SET "Paused" = {paused} WHERE "Name" = '*'"#));
    }

    /// What the server gives; jobs by their numbers there.
    pub fn act(&mut self, act: &Act, numbers: &[i64]) -> Result<Real, Refused> {
        match act {
            Act::Advance(seconds) => drop(self.clock.fetch_add(seconds * SECOND, Ordering::SeqCst)),
            Act::Pause(paused) => self.pause(*paused),
            _ => {
                let (engine, act, numbers) = (self.engine.clone(), act.clone(), numbers.to_vec());
                let runners = self.runners.clone();
                let done = self.db.write_now(move |session| run(&engine, session, &act, &numbers, &runners));
                return done.map_err(|fault| {
                    assert!(fault.kind.status < 500, "{fault}: {:?}", fault.cause);
                    fault.kind.status
                });
            }
        }
        Ok(Real::Nothing)
    }
}

/// What the server has given.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Real {
    Nothing,
    Job(i64),
    Claim(Option<(i64, i64)>),
    Word(bool, i64),
}

fn table<'a>(engine: &'a Engine, set: &str) -> &'a str {
    let set = engine.schema.endpoint("Core").expect("there is one").set_names[set];
    let ty = engine.schema.sets[set].entity_type;
    &engine.schema.tables[engine.schema.types[ty].table.expect("it has one")].name
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn caller(tenant: usize, user: i64) -> Caller {
    let mut caller = Caller::server();
    (caller.tenant, caller.user) = (TENANTS[tenant], user);
    caller
}

fn create(
    engine: &Engine,
    session: &mut Session<'_>,
    caller: &Caller,
    set: &str,
    values: Vec<(&str, Value)>,
    before: &[i64],
) -> Outcome<i64> {
    let set = engine.schema.endpoint("Core").expect("there is one").set_names[set];
    let ty = engine.schema.sets[set].entity_type;
    let entity = &engine.schema.types[ty];
    let resource = |steps| Resource {
        set,
        steps,
        ty,
        end_set: Some(set),
        collection: true,
        cast: false,
        leaf: Leaf::Entities,
    };
    let index = |name: &str| entity.property(name).unwrap_or_else(|| panic!("no {name}"));
    let mut body = Body::new(ty, values.into_iter().map(|(name, value)| (index(name), value)).collect());
    if !before.is_empty() {
        let navigation = entity.navigations.iter().position(|navigation| navigation.name == "DependsOn");
        let to = |id: &i64| Linked::Existing(resource(vec![Step::Key(vec![Value::Integer(*id)])]));
        body.links.push(Link {
            navigation: navigation.expect("jobs have it"),
            to: before.iter().map(to).collect(),
        });
    }
    let made = engine.create(session, caller, &resource(Vec::new()), body)?;
    let (_, cells) = made.page.row_type(&engine.schema, 0);
    let id = cells[index("Id")].map(|cell| made.page.rows.cell(0, cell).to_value());
    Ok(if let Some(Value::Integer(id)) = id { id } else { panic!("no Id") })
}

fn make(engine: &Engine, session: &mut Session<'_>, maker: &Maker, numbers: &[i64]) -> Outcome<i64> {
    let moment = |seconds: i64| Value::Text(text::ticks_to_text(BEGIN + seconds * SECOND));
    let mut values = vec![
        ("Name", text("job")),
        ("Kind", text(maker.kind)),
        ("Parameters", text(maker.arguments)),
        ("Priority", Value::Integer(maker.priority)),
        ("RetrySeconds", Value::Integer(maker.retry)),
        ("DeferSeconds", Value::Integer(maker.window)),
        ("Unique", Value::Boolean(maker.unique)),
        ("Submitted", Value::Boolean(maker.submitted)),
        ("Tags", text(&format!("{:?}", maker.tags))),
    ];
    for (name, value) in [
        ("Attempts", maker.attempts),
        ("TimeoutSeconds", maker.timeout),
        ("LeaseSeconds", maker.lease),
    ] {
        values.extend(value.map(|value| (name, Value::Integer(value))));
    }
    if maker.due != AT_ONCE {
        values.push(("Due", moment(maker.due)));
    }
    values.extend(maker.key.map(|key| ("IdempotencyKey", Value::Bytes(vec![key; 16]))));
    if maker.chain {
        values.push(("Chain", text(r#"[{"Kind":"a","Parameters":"{}"}]"#)));
    }
    let before: Vec<i64> = maker.before.iter().map(|id| number(*id, numbers)).collect();
    create(engine, session, &caller(maker.tenant, maker.user), "Jobs", values, &before)
}

/// The server's number; one that nobody has for what is not there.
fn number(id: usize, numbers: &[i64]) -> i64 {
    numbers.get(id).copied().unwrap_or(i64::MAX)
}

fn worker(number: usize) -> Worker {
    let of = &WORKERS[number];
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Worker {
        name: format!("worker {number}"),
        runner: None,
        registration: [number as u8 + 1; 16],
        tenant: of.tenant.map(|tenant| TENANTS[tenant]),
        kinds: words(of.kinds),
        tags: words(of.tags),
    }
}

fn hold(claim: &Claim) -> Hold {
    Hold {
        registration: claim.worker.map(|number| worker(number).registration),
        attempt: claim.attempt,
    }
}

fn run(engine: &Engine, session: &mut Session<'_>, act: &Act, numbers: &[i64], runners: &[i64]) -> Outcome<Real> {
    let number = |id: &usize| number(*id, numbers);
    match act {
        Act::Create(maker) => return make(engine, session, maker, numbers).map(Real::Job),
        Act::Claim(number) => {
            let worker = Worker {
                runner: Some(runners[*number]),
                ..worker(*number)
            };
            let job = engine.claim_job(session, &worker)?;
            return Ok(Real::Claim(job.map(|job| (job.id, job.attempt))));
        }
        Act::Sweep => while engine.sweep_jobs(session)? {},
        Act::Submit(id) => {
            let mut job = engine.job(session, number(id))?;
            engine.submit_job(session, &mut job)?;
        }
        Act::Kill(id) => {
            let mut job = engine.job(session, number(id))?;
            engine.kill_job(session, &mut job, "somebody")?;
        }
        Act::Remove(id) => {
            let mut job = engine.job(session, number(id))?;
            engine.remove_job(session, &mut job, "somebody")?;
        }
        Act::Restart(id, user) => {
            let mut job = engine.job(session, number(id))?;
            let tenant = TENANTS.iter().position(|tenant| *tenant == job.tenant).unwrap_or(ROOT);
            return Ok(Real::Job(match engine.restart_job(session, &caller(tenant, *user), &mut job)? {
                Restarted::Same => job.id,
                Restarted::New(id) => id,
            }));
        }
        Act::Retry(id) => {
            let mut job = engine.job(session, number(id))?;
            engine.retry_job(session, &mut job)?;
        }
        Act::Result(id, succeeded) => {
            let mut job = engine.job(session, number(id))?;
            let result = format!(r#"{{"Version":"1","Succeeded":{succeeded}}}"#);
            engine.job_result(session, &mut job, &result, true)?;
        }
        Act::Heartbeat(claim) => {
            let mut job = engine.job(session, number(&claim.job))?;
            let word = engine.job_heartbeat(session, &mut job, hold(claim), Some(0.5), None)?;
            return Ok(Real::Word(word.stop, (word.lease_until - BEGIN) / SECOND));
        }
        Act::Finish(claim) => {
            let mut job = engine.job(session, number(&claim.job))?;
            engine.finish_job(session, &mut job, hold(claim), None)?;
        }
        Act::Fail(claim, retry) => {
            let mut job = engine.job(session, number(&claim.job))?;
            let failure = Failure {
                error: "no",
                retry: *retry,
            };
            engine.fail_job(session, &mut job, hold(claim), failure)?;
        }
        Act::Defer(claim, seconds) => {
            let mut job = engine.job(session, number(&claim.job))?;
            engine.defer_job(session, &mut job, hold(claim), *seconds, "later")?;
        }
        Act::GiveBack(claim) => {
            let mut job = engine.job(session, number(&claim.job))?;
            engine.give_back_job(session, &mut job, hold(claim), "no more")?;
        }
        Act::Advance(_) | Act::Pause(_) => {}
    }
    Ok(Real::Nothing)
}

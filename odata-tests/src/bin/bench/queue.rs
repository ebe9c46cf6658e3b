//! The queue of jobs: how fast they are enqueued, claimed and finished over HTTP, beside the bare statement that a claim cannot do without,
//! on the same database system in the same run; and how long a runner that waits waits for a job.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde_json::{Value, json};

use crate::Outcome;
use crate::client::{Client, Request};
use crate::servers::Server;

/// Runners, and connections that enqueue, at the same time.
pub const MANY: usize = 8;
/// Jobs whose way to a runner that waits is timed.
const WAITED_FOR: u64 = 300;
/// How often the bare statement is measured; the median counts.
const BARE_ROUNDS: usize = 3;

/// A line of the table.
pub struct Line {
    /// What was done.
    pub what: &'static str,
    /// By whom.
    pub server: &'static str,
    pub per_second: f64,
    /// How often the bare statement runs in a second, with as many connections.
    pub bare: Option<f64>,
    /// Microseconds.
    pub p50: f64,
    /// Microseconds.
    pub p99: f64,
}

/// Times of many of the same, in nanoseconds, and how long all of them took.
pub struct Times {
    pub each: Vec<u64>,
    pub seconds: f64,
}

impl Times {
    fn line(mut self, what: &'static str, server: &Server, bare: Option<f64>) -> Line {
        self.each.sort_unstable();
        let at = |share: f64| self.each.get((self.each.len() as f64 * share) as usize).copied().unwrap_or(0) as f64 / 1e3;
        Line {
            what,
            server: server.name,
            per_second: self.each.len() as f64 / self.seconds,
            bare,
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

/// A runner, registered.
struct Runner {
    client: Client,
    id: i64,
    registration: String,
}

/// The answer to a request, which has this status.
pub fn json_of(client: &mut Client, request: &Request, expected: u16) -> Outcome<Value> {
    let (status, body) = client.send(request)?;
    match status == expected {
        true => Ok(serde_json::from_slice(body).unwrap_or_default()),
        false => Err(format!("{} {}: {status} {}", request.method, request.target, String::from_utf8_lossy(body)).into()),
    }
}

/// A POST of JSON.
pub fn post(target: impl Into<String>, body: Value) -> Request {
    Request {
        method: "POST",
        target: target.into(),
        headers: "",
        body: body.to_string(),
    }
}

fn number(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).or(value.as_i64()).unwrap_or(0)
}

fn job() -> Request {
    post(
        "/api/Core/Jobs",
        json!({"Name": "bench", "Kind": "bench", "Parameters": "{\"x\":1}"}),
    )
}

impl Runner {
    fn new(server: &Server, name: usize) -> Outcome<Runner> {
        let mut admin = Client::connect(&server.address, &server.headers)?;
        let made = json_of(
            &mut admin,
            &post("/api/Core/Runners/CreateRunner", json!({"Name": format!("bench {name}")})),
            200,
        )?;
        let token = made["Token"].as_str().unwrap_or_default();
        let mut client = Client::connect(&server.address, &format!("Authorization: Bearer {token}\r\n"))?;
        let registered = json_of(&mut client, &post("/api/Core/Runners/Register", json!({"Kinds": ["bench"]})), 200)?;
        Ok(Runner {
            client,
            id: number(&made["Id"]),
            registration: registered["Registration"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// The next job: number and attempt.
    fn claim(&mut self, wait: &'static str) -> Outcome<Option<(i64, i64)>> {
        let target = format!("/api/Core/Runners({}L)/Claim", self.id);
        let request = Request {
            headers: wait,
            ..post(target, json!({"Registration": self.registration}))
        };
        let (status, body) = self.client.send(&request)?;
        match status {
            200 => {
                let job: Value = serde_json::from_slice(body)?;
                Ok(Some((number(&job["Id"]), number(&job["Attempt"]))))
            }
            204 => Ok(None),
            _ => Err(format!("a claim answers {status}: {}", String::from_utf8_lossy(body)).into()),
        }
    }

    fn finish(&mut self, (job, attempt): (i64, i64)) -> Outcome<()> {
        let body = json!({"Registration": self.registration, "Attempt": attempt, "Result": "done"});
        json_of(&mut self.client, &post(format!("/api/Core/Jobs({job}L)/Finish"), body), 204).map(drop)
    }
}

/// Runs the same in threads, each with one of `states`, and says how long it took.
pub fn together<S: Send>(states: Vec<S>, work: impl Fn(S) -> Outcome<Vec<u64>> + Sync) -> Outcome<Times> {
    let begin = Instant::now();
    let work = &work;
    let results: Vec<Result<Vec<u64>, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = states
            .into_iter()
            .map(|state| scope.spawn(move || work(state).map_err(|error| error.to_string())))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|result| result.unwrap_or_else(|_| Err("a thread panicked".to_owned())))
            .collect()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let mut each = Vec::new();
    for result in results {
        each.extend(result?);
    }
    Ok(Times { each, seconds })
}

/// Does it until `left` is used up, and says how long each took.
fn until_none(left: &AtomicI64, mut act: impl FnMut() -> Outcome<()>) -> Outcome<Vec<u64>> {
    let mut times = Vec::new();
    while left.fetch_sub(1, Ordering::Relaxed) > 0 {
        let begin = Instant::now();
        act()?;
        times.push(begin.elapsed().as_nanos() as u64);
    }
    Ok(times)
}

/// All lines of one server.
pub fn lines(server: &Server, folder: &Path, jobs: i64) -> Outcome<Vec<Line>> {
    eprintln!("bench: queue of {jobs} jobs, {}", server.name);
    let mut admin = Client::connect(&server.address, &server.headers)?;
    json_of(&mut admin, &post("/api/Core/JobKinds", json!({"Name": "bench"})), 201)?;
    let mut lines = Vec::new();
    for (what, connections, share) in [
        ("enqueue, 1 connection", 1, jobs / 5),
        ("enqueue, 8 connections", MANY, jobs - jobs / 5),
    ] {
        let left = AtomicI64::new(share);
        let clients: Outcome<Vec<Client>> = (0..connections)
            .map(|_| Client::connect(&server.address, &server.headers))
            .collect();
        let times = together(clients?, |mut client| {
            until_none(&left, || json_of(&mut client, &job(), 201).map(drop))
        })?;
        lines.push(times.line(what, server, None));
    }
    let mut runners: Vec<Runner> = (0..MANY).map(|name| Runner::new(server, name)).collect::<Outcome<_>>()?;
    for (both, claims, connections, share) in [
        ("claim + finish, 1 runner", "of that the claims", 1, jobs / 5),
        ("claim + finish, 8 runners", "of that the claims", MANY, jobs - jobs / 5),
    ] {
        let bare = bare(server, folder, connections, share)?;
        let (left, claimed) = (AtomicI64::new(share), Mutex::new(Vec::new()));
        let spent = AtomicU64::new(0);
        let times = together(runners.iter_mut().take(connections).collect(), |runner: &mut Runner| {
            let mut own = Vec::new();
            let times = until_none(&left, || {
                let begin = Instant::now();
                let claim = runner.claim("")?.ok_or("no job is left")?;
                own.push(begin.elapsed().as_nanos() as u64);
                runner.finish(claim)
            })?;
            spent.fetch_add(own.iter().sum(), Ordering::Relaxed);
            claimed.lock().map_err(|_| "a thread panicked")?.extend(own);
            Ok(times)
        })?;
        lines.push(times.line(both, server, Some(bare)));
        let alone = Times {
            each: claimed.into_inner().map_err(|_| "a thread panicked")?,
            // As if the runners did nothing else.
            seconds: spent.into_inner() as f64 / 1e9 / connections as f64,
        };
        lines.push(alone.line(claims, server, Some(bare)));
    }
    lines.push(latency(server, runners.remove(0))?);
    Ok(lines)
}

/// From the request that enqueues a job to the answer to a runner that waits for one.
fn latency(server: &Server, mut runner: Runner) -> Outcome<Line> {
    let mut client = Client::connect(&server.address, &server.headers)?;
    let sent = Mutex::new(None);
    let begin = Instant::now();
    let times: Result<Vec<u64>, String> = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| -> Result<Vec<u64>, String> {
            let mut times = Vec::new();
            while (times.len() as u64) < WAITED_FOR {
                let Some(claim) = runner.claim("Prefer: wait=30\r\n").map_err(|error| error.to_string())? else {
                    return Err("no job came".to_owned());
                };
                let sent: Option<Instant> = sent.lock().map_err(|_| "a thread panicked")?.take();
                times.extend(sent.map(|sent| sent.elapsed().as_nanos() as u64));
                runner.finish(claim).map_err(|error| error.to_string())?;
            }
            Ok(times)
        });
        for _ in 0..WAITED_FOR {
            // The runner has finished the one before and waits again.
            while sent.lock().is_ok_and(|sent| sent.is_some()) && !waiting.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(15));
            *sent.lock().map_err(|_| "a thread panicked")? = Some(Instant::now());
            json_of(&mut client, &job(), 201).map_err(|error| error.to_string())?;
        }
        waiting.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))
    });
    let times = Times {
        each: times?,
        seconds: begin.elapsed().as_secs_f64(),
    };
    Ok(Line {
        per_second: 0.0,
        ..times.line("from enqueue to a claim that waits", server, None)
    })
}

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

const TABLE: &str = "DROP TABLE IF EXISTS bare_jobs; CREATE TABLE bare_jobs (id BIGINT PRIMARY KEY, state TEXT NOT NULL, priority BIGINT NOT NULL, \
     due BIGINT NOT NULL, runner BIGINT, lease_until BIGINT); CREATE INDEX bare_queued ON bare_jobs (priority DESC, id) WHERE state = 'queued'";

/// What a claim cannot do without, in the dialect of a database.
fn claim(skip: &str) -> String {
    format!(
        "UPDATE bare_jobs SET state = 'running', runner = 1, lease_until = 99 WHERE id = (SELECT id FROM bare_jobs WHERE state = 'queued' \
         AND due <= 50 ORDER BY priority DESC, id LIMIT 1{skip}) RETURNING id"
    )
}

/// How often the bare statement runs in a second, each time in a transaction of its own.
fn bare(server: &Server, folder: &Path, connections: usize, jobs: i64) -> Outcome<f64> {
    let mut rates = Vec::new();
    for _ in 0..BARE_ROUNDS {
        let left = AtomicI64::new(jobs);
        let times = match &server.cluster {
            Some(cluster) => {
                let open = || PgConnection::establish(&cluster.url);
                let fill = "INSERT INTO bare_jobs SELECT n, 'queued', 0, 0 FROM generate_series(1, JOBS) AS n";
                open()?.batch_execute(&format!("{TABLE}; {}", fill.replace("JOBS", &jobs.to_string())))?;
                let all: Vec<PgConnection> = (0..connections).map(|_| open()).collect::<Result<_, _>>()?;
                let statement = claim(" FOR UPDATE SKIP LOCKED");
                together(all, |mut connection| {
                    until_none(&left, || {
                        let rows: Vec<Claimed> = diesel::sql_query(&statement).load(&mut connection)?;
                        check(&rows)
                    })
                })?
            }
            None => {
                let path = folder.join("bare-queue.db").display().to_string();
                let open = || -> Outcome<SqliteConnection> {
                    let mut connection = SqliteConnection::establish(&path)?;
                    connection.batch_execute("PRAGMA busy_timeout = 60000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
                    Ok(connection)
                };
                let fill = "INSERT INTO bare_jobs WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < JOBS) \
                            SELECT value, 'queued', 0, 0, NULL, NULL FROM n";
                open()?.batch_execute(&format!("{TABLE}; {}", fill.replace("JOBS", &jobs.to_string())))?;
                let all: Vec<SqliteConnection> = (0..connections).map(|_| open()).collect::<Outcome<_>>()?;
                let statement = claim("");
                together(all, |mut connection| {
                    until_none(&left, || {
                        let rows: Vec<Claimed> = diesel::sql_query(&statement).load(&mut connection)?;
                        check(&rows)
                    })
                })?
            }
        };
        rates.push(times.each.len() as f64 / times.seconds);
    }
    rates.sort_by(f64::total_cmp);
    Ok(rates[BARE_ROUNDS / 2])
}

fn check(rows: &[Claimed]) -> Outcome<()> {
    match rows {
        [claimed] if claimed.id > 0 => Ok(()),
        _ => Err("the bare statement claims nothing".into()),
    }
}

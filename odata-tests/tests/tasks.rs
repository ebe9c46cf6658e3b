//! Tasks with real servers: they start when it is time, once, whatever becomes of the server (golden scenarios 8 to 10).

use std::thread::sleep;
use std::time::{Duration, Instant};

use diesel::connection::Connection;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl};
use odata_tests::case::User;
use odata_tests::client::{Client, encode};
use odata_tests::database::{Database, System};
use odata_tests::fixture::Fixture;
use odata_tests::server::Server;
use odonata::model::clock::SECOND;
use odonata::model::text::text_to_ticks;
use serde_json::{Value, json};

/// How long something may take that takes a moment: the machine is shared; it is more than the lease of a thread whose instance is gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// Six seconds are promised, with some more for a busy machine.
const TAKE_OVER: Duration = Duration::from_secs(10);
const OTHER: &str = "bbbbbbbb-0000-0000-0000-00000000000b";

fn user(name: &str, tenant: &str) -> User {
    User {
        name: name.to_owned(),
        tenant: tenant.to_owned(),
        role: Some("CloudUser".to_owned()),
    }
}

fn fixture(system: System) -> Fixture {
    let fixture = Fixture::prepare(&[], &[user("bob", OTHER)], system);
    fixture.expect("the fixture is good").expect("it is here")
}

/// Somebody who talks about tasks.
struct Talk(Client);

impl Talk {
    fn post(&self, path: &str, body: &Value) -> Value {
        let reply = self
            .0
            .post(&encode(&format!("/api/Core/{path}")), &body.to_string())
            .expect("an answer");
        assert!(reply.status < 300, "POST {path} {body}: {} {}", reply.status, reply.text());
        if reply.text().is_empty() { Value::Null } else { reply.json() }
    }

    fn status(&self, method: &str, path: &str, body: &Value) -> u16 {
        let target = encode(&format!("/api/Core/{path}"));
        let headers = [("Content-Type", "application/json")];
        self.0
            .send(method, &target, &headers, Some(body.to_string().as_bytes()))
            .expect("an answer")
            .status
    }

    fn get(&self, path: &str) -> Value {
        let reply = self.0.get(&encode(&format!("/api/Core/{path}"))).expect("an answer");
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }

    fn task(&self, body: Value) -> i64 {
        number(&self.post("Tasks", &body)["Id"])
    }

    /// The runs of a task, the oldest first.
    fn runs(&self, task: &str) -> Vec<Value> {
        let path = format!("Runs?$filter=TaskName eq '{task}'&$orderby=Id&$top=1000");
        self.get(&path)["value"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until a task has so many runs that have ended in some way; all of its runs.
    fn wait(&self, task: &str, status: &str, count: usize) -> Vec<Value> {
        let begin = Instant::now();
        loop {
            let runs = self.runs(task);
            if runs.iter().filter(|run| run["Status"] == status).count() >= count {
                return runs;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{task} has not {count} runs that are {status}: {runs:#?}"
            );
            sleep(Duration::from_millis(50));
        }
    }

    fn scheduler(&self) -> Value {
        self.get("Session")["value"][0].clone()
    }

    fn turn(&self, action: &str) {
        let id = number(&self.scheduler()["Id"]);
        self.post(&format!("Session({id}L)/{action}"), &json!({}));
    }
}

fn number(value: &Value) -> i64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .or_else(|| value.as_i64())
        .expect("a number")
}

/// Seconds between the starts of runs, one after the other.
fn spaces(runs: &[Value]) -> Vec<f64> {
    let time = |run: &Value| {
        let text = run["Start"].as_str().expect("a run has a start");
        text_to_ticks(text.trim_end_matches('Z')).expect("a time")
    };
    let times: Vec<i64> = runs.iter().map(time).collect();
    times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / SECOND as f64).collect()
}

fn admin(server: &Server) -> Talk {
    Talk(server.admin())
}

/// Every task, what it passes on, what stops it, and whose it is.
fn day(system: System) {
    if !system.is_there() {
        return;
    }
    let site = fixture(system).serve(&[]).expect("the server starts");
    let talk = admin(&site.server);
    let bob = Talk(site.server.anonymous().basic("bob", &User::password("bob")));
    talk.post("Parameters", &json!({"Name": "where", "Value": "\"here\""}));
    talk.task(json!({"Name": "tick", "Kind": "Echo", "StartCondition": "every 1 second", "Parameters": "{\"n\": 1}"}));
    let follow = json!({"Name": "follow", "Kind": "Echo", "StartCondition": "after task 'tick'",
        "Parameters": "{\"got\": {\"$return\": \"tick\"}}"});
    talk.task(follow.clone());
    bob.task(json!({"Name": "follow", "Kind": "Echo", "StartCondition": "after task 'tick'"}));
    bob.task(json!({"Name": "own", "Kind": "Echo", "StartCondition": "every 1 second"}));
    let fails = talk.task(json!({"Name": "fails", "Kind": "Echo", "StartCondition": "daily", "Parameters": "{\"Fail\": \"no\"}"}));
    talk.task(
        json!({"Name": "several", "Kind": "Sleep", "StartCondition": "every 1 second", "MultiLaunch": true,
        "Parameters": "{\"Seconds\": 3}"}),
    );
    talk.task(
        json!({"Name": "slow", "Kind": "Sleep", "StartCondition": "once at 2000-01-01", "TimeoutSeconds": 1,
        "Parameters": "{\"Seconds\": 600}"}),
    );

    let runs = talk.wait("tick", "success", 4);
    assert!(
        spaces(&runs).iter().all(|space| *space >= 1.0),
        "never too early: {:?}",
        spaces(&runs)
    );
    assert_eq!(runs[0]["TriggeredBy"], "condition");
    assert_eq!(runs[0]["ReturnValue"], "{\"where\":\"here\",\"n\":1}");
    let runs = talk.wait("follow", "success", 2);
    assert_eq!(runs[0]["ReturnValue"], "{\"where\":\"here\",\"got\":{\"where\":\"here\",\"n\":1}}");
    talk.wait("slow", "terminate", 1);
    let runs = talk.wait("fails", "fail", 1);
    assert_eq!(
        (runs.len(), &runs[0]["Message"]),
        (1, &json!("no")),
        "what has failed waits for the next day"
    );
    assert_eq!(talk.get(&format!("Tasks({fails}L)"))["Failures"], 1);
    let own = bob.wait("own", "success", 1);
    assert_eq!(own[0]["Parameters"], "{}", "parameters are a tenant's own");
    assert!(bob.runs("follow").is_empty() && bob.runs("tick").is_empty());
    let begin = Instant::now();
    while talk.runs("several").iter().filter(|run| run["Status"] == "run").count() < 2 {
        assert!(begin.elapsed() < PATIENCE, "it starts while it runs");
        sleep(Duration::from_millis(50));
    }

    // What is wrong with one task, or with what clients send, stops nothing (R1 to R4).
    let bad = [
        ("PATCH", format!("Tasks({fails}L)"), json!({"TimeoutSeconds": "abc"})),
        ("PATCH", format!("Tasks({fails}L)"), json!({"Priority": "high"})),
        ("PATCH", format!("Tasks({fails}L)"), json!({"StartCondition": "every x"})),
        ("PUT", format!("Tasks({fails}L)/Status"), json!({"Status": "success"})),
        ("POST", "Logs".to_owned(), json!({"Name": "x", "Message": "forged"})),
        ("GET", "Logs?$filter=Nope eq 1".to_owned(), json!({})),
    ];
    for (method, path, body) in &bad {
        let status = talk.status(method, path, body);
        assert!((400..500).contains(&status), "{method} {path} {body}: {status}");
    }
    let broken = talk.task(json!({"Name": "broken", "Kind": "Echo", "StartCondition": "daily",
        "Parameters": "{\"x\": {\"$return\": \"nobody\"}}"}));
    let begin = Instant::now();
    while talk.get(&format!("Tasks({broken}L)"))["ConditionError"].is_null() {
        assert!(begin.elapsed() < PATIENCE, "why it cannot start is told");
        sleep(Duration::from_millis(50));
    }
    let count = talk.runs("tick").len();
    talk.wait("tick", "success", count + 2);
    // Whatever else changes, it is tried again when its pause is over, and tells when that is.
    for number in 0..3 {
        talk.post("Parameters", &json!({"Name": format!("p{number}"), "Value": "1"}));
        sleep(Duration::from_millis(300));
    }
    let log = site.server.log();
    assert_eq!(log.matches("a task could not start").count(), 1, "{log}");
    let task = talk.get(&format!("Tasks({broken}L)"));
    let runs = talk.runs("tick");
    let last = runs.last().expect("it has run");
    assert!(task["NextRun"].as_str() > last["Start"].as_str(), "{task} after {last}");

    talk.turn("Hold");
    sleep(Duration::from_millis(500));
    let count = talk.runs("tick").len();
    sleep(Duration::from_millis(2_500));
    assert_eq!(talk.runs("tick").len(), count, "on hold nothing starts");
    talk.turn("Resume");
    talk.wait("tick", "success", count + 1);
    let log = site.server.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_day_of_tasks_on_sqlite() {
    day(System::Sqlite);
}

#[test]
fn a_day_of_tasks_on_postgres() {
    day(System::Postgres);
}

/// How the runs of a task stand in the database while no server runs.
fn status_of_runs(database: &Database, task: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Run {
        #[diesel(sql_type = Text)]
        status: String,
    }
    let Database::Sqlite(_) = database else { panic!("for SQLite") };
    let mut connection = diesel::SqliteConnection::establish(database.url().trim_start_matches("sqlite:")).expect("it opens");
    let query = format!("SELECT \"Status\" AS status FROM core_runs WHERE \"TaskName\" = '{task}' ORDER BY \"Id\"");
    let runs: Vec<Run> = diesel::sql_query(query).load(&mut connection).expect("runs can be read");
    runs.into_iter().map(|run| run.status).collect()
}

/// Golden 8: what was done is not done again, and what was asked for is.
fn restart(system: System) {
    if !system.is_there() {
        return;
    }
    let fixture = fixture(system);
    let mut site = fixture.serve(&[]).expect("the server starts");
    let talk = admin(&site.server);
    talk.task(json!({"Name": "daily", "Kind": "Echo", "StartCondition": "daily"}));
    talk.task(json!({"Name": "first", "Kind": "Echo", "OnStartup": true}));
    talk.wait("daily", "success", 1);
    assert!(talk.runs("first").is_empty(), "it starts with the scheduler");
    let old = talk.scheduler();
    talk.task(json!({"Name": "cut off", "Kind": "Sleep", "StartCondition": "daily", "Parameters": "{\"Seconds\": 600}"}));
    talk.wait("cut off", "run", 1);
    talk.turn("Hold");
    // On hold before it is there, so that it stays pending.
    sleep(Duration::from_millis(500));
    let forced = talk.task(json!({"Name": "forced", "Kind": "Echo", "ForceRun": true, "Disabled": true}));
    talk.post("Parameters", &json!({"Name": "p", "Value": "1"}));
    site.server.kill();
    site.database.run("DELETE FROM core_jobs WHERE \"Name\" = 'cut off'");
    let server = Server::start(&site.database, fixture.plugins());
    let talk = admin(&server);
    assert_eq!(talk.get(&format!("Tasks({forced}L)"))["ForceRun"], true);
    assert!(talk.runs("forced").is_empty(), "it is still on hold");
    talk.turn("Resume");
    let runs = talk.wait("forced", "success", 1);
    assert_eq!(
        (&runs[0]["TriggeredBy"], &runs[0]["Parameters"]),
        (&json!("force"), &json!("{\"p\":1}"))
    );
    assert_eq!(talk.get(&format!("Tasks({forced}L)"))["ForceRun"], false);
    assert_eq!(talk.runs("daily").len(), 1, "it was done today");
    assert_eq!(talk.runs("forced").len(), 1);
    let new = talk.scheduler();
    assert!(number(&new["Fence"]) > number(&old["Fence"]), "{old} {new}");
    assert_ne!(new["Leader"], old["Leader"]);
    let runs = talk.wait("cut off", "crash", 1);
    assert!(runs[0]["Message"].as_str().is_some_and(|text| text.contains("its job")), "{runs:?}");
    let crashed = talk.get("Logs?$filter=TaskName eq 'cut off' and Action eq 'crash'");
    assert_eq!(crashed["value"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_restart_keeps_everything_on_sqlite() {
    restart(System::Sqlite);
}

#[test]
fn a_restart_keeps_everything_on_postgres() {
    restart(System::Postgres);
}

/// Tasks that start with the scheduler.
#[test]
fn tasks_start_with_the_scheduler() {
    let fixture = fixture(System::Sqlite);
    let mut site = fixture.serve(&[]).expect("the server starts");
    let talk = admin(&site.server);
    talk.task(json!({"Name": "first", "Kind": "Echo", "OnStartup": true}));
    talk.task(json!({"Name": "last", "Kind": "Sleep", "OnShutdown": true, "Parameters": "{\"Seconds\": 1}"}));
    talk.post("JobKinds", &json!({"Name": "elsewhere"}));
    talk.task(json!({"Name": "for a runner", "Kind": "elsewhere", "OnShutdown": true}));
    sleep(Duration::from_millis(500));
    site.server.terminate();
    let begin = Instant::now();
    while site.server.is_alive() {
        assert!(begin.elapsed() < PATIENCE, "it stops: {}", site.server.log());
        sleep(Duration::from_millis(50));
    }
    // Before the process is gone: nobody does anything to the database now.
    assert_eq!(status_of_runs(&site.database, "last"), ["success"], "{}", site.server.log());
    assert_eq!(
        status_of_runs(&site.database, "for a runner"),
        ["run"],
        "what others do stays queued"
    );
    let mut server = Server::start(&site.database, fixture.plugins());
    for (task, by) in [("first", "startup"), ("last", "shutdown")] {
        let runs = admin(&server).wait(task, "success", 1);
        assert_eq!((runs.len(), &runs[0]["TriggeredBy"]), (1, &json!(by)));
    }
    // On hold they wait, those of the end in vain.
    admin(&server).turn("Hold");
    sleep(Duration::from_millis(500));
    server.stop();
    let server = Server::start(&site.database, fixture.plugins());
    sleep(Duration::from_millis(1_500));
    assert_eq!(admin(&server).runs("first").len(), 1);
    admin(&server).turn("Resume");
    let runs = admin(&server).wait("first", "success", 2);
    assert_eq!((runs.len(), &runs[1]["TriggeredBy"]), (2, &json!("startup")));
    assert_eq!(admin(&server).runs("last").len(), 1);
}

/// Golden 10: of two instances one schedules, and the other one when that is gone.
#[test]
fn two_instances_start_each_task_once() {
    if !System::Postgres.is_there() {
        return;
    }
    const TASKS: usize = 5;
    let fixture = fixture(System::Postgres);
    let site = fixture.serve(&[]).expect("the server starts");
    let mut servers = vec![site.server];
    servers.push(Server::start(&site.database, fixture.plugins()));
    let talk = admin(&servers[1]);
    let name = |index: usize| format!("task {index}");
    let ids: Vec<i64> = (0..TASKS)
        .map(|index| talk.task(json!({"Name": name(index), "Kind": "Echo", "StartCondition": "every 1 second"})))
        .collect();
    for index in 0..TASKS {
        talk.wait(&name(index), "success", 3);
    }
    let session = talk.get("Session");
    let leader = session["value"][0]["Leader"].as_str().expect("one of them schedules");
    let leads = |server: &Server| leader.starts_with(&format!("instance {} ", server.id()));
    let leader = servers.iter().position(leads).expect("one of these two");
    // What one instance is told, the other one does.
    let follower = admin(&servers[1 - leader]);
    assert_eq!(
        follower.status("PATCH", &format!("Tasks({}L)", ids[0]), &json!({"Disabled": true})),
        204
    );
    sleep(Duration::from_millis(1_500));
    let count = follower.runs(&name(0)).len();
    sleep(Duration::from_millis(2_500));
    assert_eq!(follower.runs(&name(0)).len(), count);
    servers[leader].kill();
    let before = follower.runs(&name(1)).len();
    let (gone, fence) = (Instant::now(), number(&session["value"][0]["Fence"]));
    while number(&follower.scheduler()["Fence"]) == fence {
        assert!(
            gone.elapsed() < TAKE_OVER,
            "the other instance takes over: {}",
            follower.scheduler()
        );
        sleep(Duration::from_millis(50));
    }
    let mine = format!("instance {} ", servers[1 - leader].id());
    let now = follower.scheduler();
    assert!(now["Leader"].as_str().is_some_and(|leader| leader.starts_with(&mine)), "{now}");
    while follower.runs(&name(1)).len() <= before {
        assert!(gone.elapsed() < PATIENCE, "the other instance goes on");
        sleep(Duration::from_millis(50));
    }
    for index in 1..TASKS {
        follower.wait(&name(index), "success", before + 2);
        let spaces = spaces(&follower.runs(&name(index)));
        assert!(spaces.iter().all(|space| *space >= 1.0), "none starts twice: {spaces:?}");
    }
}

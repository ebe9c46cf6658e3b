//! Runners against a running server: what needs time, and several clients at once. The engine rules and the golden scenarios are those of
//! `reference/projectw-redengine.md` 3.2 and 3.3b; requests and refusals one by one are in `cases/jobs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use odata_tests::case::User;
use odata_tests::client::{Client, Reply};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::server::Server;
use odonata::model::limits::{JOB_LOG_CALL_LINES, JOB_LOG_LINES};
use serde_json::{Value as Json, json};

const TENANT: &str = "aaaaaaaa-0000-0000-0000-00000000000a";

struct House {
    system: System,
    fixture: Fixture,
    site: Site,
}

/// A runner that has registered.
struct Runner {
    id: String,
    token: String,
    registration: String,
    client: Client,
}

fn user(name: &str, tenant: &str, role: &str) -> User {
    User {
        name: name.to_owned(),
        tenant: tenant.to_owned(),
        role: Some(role.to_owned()),
    }
}

fn each(test: impl Fn(&mut House)) {
    for system in System::all() {
        let users = [
            user("ann", TENANT, "CloudUser"),
            user("bob", TENANT, "CloudUser"),
            user("boss", TENANT, "CloudAdmin"),
        ];
        let fixture = Fixture::without_rows(&[], &users, system).expect("the fixture is good");
        let site = fixture.serve(&[]).expect("the server starts");
        test(&mut House { system, fixture, site });
    }
}

fn ok(reply: Reply) -> Json {
    assert!(reply.status < 300, "{} {}", reply.status, reply.text());
    reply.json()
}

fn text(json: &Json, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}

impl House {
    fn admin(&self) -> Client {
        self.site.server.admin()
    }

    fn user(&self, name: &str) -> Client {
        self.site.server.anonymous().basic(name, &User::password(name))
    }

    fn post(&self, path: &str, body: Json) -> Json {
        ok(self
            .admin()
            .post(&format!("/api/Core/{path}"), &body.to_string())
            .expect("an answer"))
    }

    fn get(&self, path: &str) -> Json {
        let path = odata_tests::client::encode(&format!("/api/Core/{path}"));
        ok(self.admin().get(&path).expect("an answer"))
    }

    /// All of them, page by page.
    fn rows(&self, path: &str) -> Vec<Json> {
        let (mut rows, mut path) = (Vec::new(), path.to_owned());
        loop {
            let page = self.get(&path);
            rows.extend(page["value"].as_array().cloned().unwrap_or_default());
            let next = text(&page, "odata.nextLink");
            match next.rsplit_once("/Core/").map_or(next.as_str(), |(_, path)| path) {
                "" => return rows,
                next => path = next.to_owned(),
            }
        }
    }

    fn job(&self, id: &str) -> Json {
        self.get(&format!("Jobs({id}L)"))
    }

    /// A new one of kind `work`; its number.
    fn enqueue(&self, more: Json) -> String {
        self.enqueue_as(&self.admin(), more)
    }

    fn enqueue_as(&self, client: &Client, more: Json) -> String {
        let mut body = json!({"Name": "a job", "Kind": "work"});
        if let (Some(body), Json::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        text(&ok(client.post("/api/Core/Jobs", &body.to_string()).expect("an answer")), "Id")
    }

    fn runner(&self, more: Json) -> Runner {
        self.runner_of(&self.admin(), more)
    }

    fn runner_of(&self, maker: &Client, more: Json) -> Runner {
        let made = ok(maker
            .post("/api/Core/Runners/CreateRunner", r#"{"Name": "a runner"}"#)
            .expect("an answer"));
        let mut runner = Runner {
            id: text(&made, "Id"),
            token: text(&made, "Token"),
            registration: String::new(),
            client: self.site.server.anonymous(),
        };
        let registered = ok(runner.register(more));
        runner.registration = text(&registered, "Registration");
        runner
    }

    /// Until something holds; panics when it does not within ten seconds.
    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < Duration::from_secs(10), "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything that became claimed, in the order of that: the numbers of the jobs.
    fn handed_out(&self, filter: &str) -> Vec<String> {
        let rows = self.rows(&format!("JobEvents?$filter=To eq 'claimed'{filter}&$orderby=Id&$select=JobId"));
        rows.iter().map(|row| text(row, "JobId")).collect()
    }

    fn restart(&mut self) {
        self.site.server.kill();
        self.site.server = Server::start(&self.site.database, self.fixture.plugins());
    }
}

impl Runner {
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str()), ("Accept", "application/json")];
        all.extend(headers);
        if !headers.iter().any(|header| header.0 == "Content-Type") {
            all.push(("Content-Type", "application/json"));
        }
        let path = format!("/api/Core/{path}");
        self.client.send(method, &path, &all, Some(body.as_bytes())).expect("an answer")
    }

    fn register(&self, more: Json) -> Reply {
        let mut body = json!({"Kinds": ["work"]});
        if let (Some(body), Json::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        self.send("POST", "Runners/Register", &[], &body.to_string())
    }

    fn ask(&self, wait: u64) -> Reply {
        let path = format!("Runners({}L)/Claim", self.id);
        let body = json!({"Registration": self.registration}).to_string();
        match wait {
            0 => self.send("POST", &path, &[], &body),
            _ => self.send("POST", &path, &[("Prefer", &format!("wait={wait}"))], &body),
        }
    }

    /// The next job, within so many seconds.
    fn claim(&self, wait: u64) -> Option<Json> {
        let reply = self.ask(wait);
        match reply.status {
            204 => None,
            _ => Some(ok(reply)),
        }
    }

    /// A word about a job that it has claimed.
    fn say(&self, action: &str, job: &Json, more: Json) -> Reply {
        let mut body = json!({"Registration": self.registration, "Attempt": job["Attempt"]});
        if let (Some(body), Json::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let path = format!("Jobs({}L)/{action}", text(job, "Id"));
        self.send("POST", &path, &[], &body.to_string())
    }

    fn finish(&self, job: &Json) {
        ok(self.say("Finish", job, json!({"Result": "done"})));
    }

    fn upload(&self, job: &Json, body: &str) -> Reply {
        let attempt = job["Attempt"].to_string();
        let headers = [
            ("Content-Type", "text/plain"),
            ("Odonata-Registration", self.registration.as_str()),
            ("Odonata-Attempt", attempt.as_str()),
        ];
        self.send("PUT", &format!("Jobs({}L)/Output", text(job, "Id")), &headers, body)
    }

    /// The bytes of a claim, for a connection of one's own.
    fn raw_claim(&self, wait: u64) -> Vec<u8> {
        let body = json!({"Registration": self.registration}).to_string();
        format!(
            "POST /api/Core/Runners({}L)/Claim HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Prefer: wait={wait}\r\nContent-Length: {}\r\n\r\n{body}",
            self.id,
            self.token,
            body.len()
        )
        .into_bytes()
    }
}

#[test]
fn a_waiting_runner_wakes_within_200_ms() {
    each(|house| {
        let runner = house.runner(json!({}));
        let mut waits = Vec::new();
        for _ in 0..5 {
            std::thread::scope(|scope| {
                let claim = scope.spawn(|| (runner.claim(30), Instant::now()));
                std::thread::sleep(Duration::from_millis(300));
                let id = house.enqueue(json!({}));
                let enqueued = Instant::now();
                let (job, claimed) = claim.join().expect("the runner runs");
                let job = job.expect("there is one");
                assert_eq!(text(&job, "Id"), id);
                waits.push(claimed.saturating_duration_since(enqueued));
                runner.finish(&job);
            });
        }
        waits.sort();
        assert!(waits[2] < Duration::from_millis(200), "{waits:?}");
    });
}

#[test]
fn who_waits_in_vain_hears_so_when_the_time_is_over() {
    each(|house| {
        let runner = house.runner(json!({}));
        let begin = Instant::now();
        let reply = runner.ask(2);
        assert_eq!((reply.status, reply.header("Preference-Applied")), (204, Some("wait=2")));
        let waited = begin.elapsed();
        assert!(
            (Duration::from_millis(1_900)..Duration::from_secs(4)).contains(&waited),
            "{waited:?}"
        );
    });
}

#[test]
fn two_runners_never_get_one_job() {
    each(|house| {
        const JOBS: usize = 60;
        let runners: Vec<Runner> = (0..6).map(|_| house.runner(json!({"Slots": 100}))).collect();
        let got = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for runner in &runners {
                let got = &got;
                scope.spawn(move || {
                    let begin = Instant::now();
                    let is_done = || got.lock().expect("nobody panics").len() >= JOBS || begin.elapsed() > Duration::from_secs(60);
                    while !is_done() {
                        if let Some(job) = runner.claim(1) {
                            got.lock().expect("nobody panics").push(text(&job, "Id"));
                        }
                    }
                    // One more would be one too many.
                    if let Some(job) = runner.claim(0) {
                        got.lock().expect("nobody panics").push(text(&job, "Id"));
                    }
                });
            }
            for _ in 0..JOBS {
                house.enqueue(json!({}));
            }
        });
        let got = got.into_inner().expect("nobody panics");
        let different: BTreeSet<&String> = got.iter().collect();
        assert_eq!((got.len(), different.len()), (JOBS, JOBS));
    });
}

#[test]
fn rule_1_users_take_turns() {
    each(|house| {
        let runner = house.runner(json!({}));
        let (ann, bob) = (house.user("ann"), house.user("bob"));
        let urgent = |client: &Client| house.enqueue_as(client, json!({"Priority": 5}));
        let of_ann: Vec<String> = (0..4).map(|_| house.enqueue_as(&ann, json!({}))).collect();
        let of_bob: Vec<String> = (0..3).map(|_| house.enqueue_as(&bob, json!({}))).collect();
        let first = urgent(&bob);
        let mut order = Vec::new();
        while let Some(job) = runner.claim(0) {
            order.push(text(&job, "Id"));
            let reply = runner.send(
                "POST",
                &format!("Jobs({}L)/Finish", text(&job, "Id")),
                &[("Tenant-Id", TENANT)],
                &json!({"Registration": runner.registration, "Attempt": 1}).to_string(),
            );
            ok(reply);
        }
        let expected = [
            &first, &of_ann[0], &of_bob[0], &of_ann[1], &of_bob[1], &of_ann[2], &of_bob[2], &of_ann[3],
        ];
        assert_eq!(order.iter().collect::<Vec<_>>(), expected);
    });
}

#[test]
fn kinds_are_limited_and_paused() {
    each(|house| {
        let (one, two) = (house.runner(json!({})), house.runner(json!({"Kinds": ["work", "free"]})));
        house.post("JobKinds", json!({"Name": "work", "MaxParallel": 1}));
        house.enqueue(json!({}));
        house.enqueue(json!({}));
        let first = one.claim(0).expect("the first");
        assert_eq!(two.claim(0), None, "only one at once");
        house.enqueue(json!({"Kind": "free"}));
        let free = two.claim(0).expect("another kind");
        two.finish(&free);
        // Whoever waits is woken by the end of the other one.
        std::thread::scope(|scope| {
            let claim = scope.spawn(|| two.claim(20));
            std::thread::sleep(Duration::from_millis(300));
            let begin = Instant::now();
            one.finish(&first);
            let second = claim.join().expect("the runner runs").expect("its turn");
            assert!(begin.elapsed() < Duration::from_secs(3));
            two.finish(&second);
        });
        for (name, key) in [("work", "Name eq 'work'"), ("*", "Name eq '*'")] {
            if name == "*" {
                house.post("JobKinds", json!({"Name": "*", "Paused": true}));
            }
            let kind = text(&house.rows(&format!("JobKinds?$filter={key}"))[0], "Id");
            let pause = |paused: bool| {
                let body = json!({"Paused": paused}).to_string();
                let headers = [("Content-Type", "application/json")];
                let path = format!("/api/Core/JobKinds({kind}L)");
                ok(house
                    .admin()
                    .send("PATCH", &path, &headers, Some(body.as_bytes()))
                    .expect("an answer"));
            };
            pause(true);
            house.enqueue(json!({}));
            assert_eq!(one.claim(0), None, "{name} is paused");
            assert_eq!(two.claim(1), None, "{name} is paused");
            pause(false);
            let job = one.claim(3).expect("not any more");
            one.finish(&job);
        }
    });
}

#[test]
fn the_one_with_the_higher_priority_gets_it() {
    each(|house| {
        let (weak, strong) = (house.runner(json!({"Priority": 1})), house.runner(json!({"Priority": 9})));
        let won: usize = (0..5)
            .map(|_| {
                std::thread::scope(|scope| {
                    let waits = [&strong, &weak].map(|runner| scope.spawn(move || (runner, runner.claim(2))));
                    std::thread::sleep(Duration::from_millis(300));
                    house.enqueue(json!({}));
                    let got = waits.map(|wait| wait.join().expect("it runs"));
                    let [strong, weak] = got.map(|(runner, job)| job.map(|job| runner.finish(&job)).is_some());
                    assert!(strong != weak, "one of them");
                    usize::from(strong)
                })
            })
            .sum();
        // It is a courtesy of some milliseconds and no promise: a busy machine takes longer to wake one of them.
        assert!(won >= 1, "{won} of 5");
    });
}

#[test]
fn a_client_that_is_gone_gets_nothing() {
    each(|house| {
        let (gone, there) = (house.runner(json!({})), house.runner(json!({})));
        let mut stream = TcpStream::connect(house.site.server.address()).expect("a connection");
        stream.write_all(&gone.raw_claim(30)).expect("it goes out");
        std::thread::sleep(Duration::from_millis(300));
        drop(stream);
        std::thread::sleep(Duration::from_millis(100));
        let id = house.enqueue(json!({}));
        let job = there.claim(5).expect("nobody else has it");
        assert_eq!((text(&job, "Id"), job["Attempt"].as_i64()), (id, Some(1)));
    });
}

#[test]
fn a_runner_that_waits_learns_that_it_is_revoked() {
    each(|house| {
        let (deleted, rotated) = (house.runner(json!({})), house.runner(json!({})));
        std::thread::scope(|scope| {
            let waits = [scope.spawn(|| deleted.ask(30)), scope.spawn(|| rotated.ask(30))];
            std::thread::sleep(Duration::from_millis(300));
            let begin = Instant::now();
            let path = format!("/api/Core/Runners({}L)", deleted.id);
            assert_eq!(house.admin().send("DELETE", &path, &[], None).expect("an answer").status, 204);
            house.post(&format!("Runners({}L)/RotateToken", rotated.id), json!({}));
            for wait in waits {
                assert_eq!(wait.join().expect("it runs").status, 401);
            }
            assert!(begin.elapsed() < Duration::from_secs(4));
        });
        house.enqueue(json!({}));
        assert_eq!(deleted.ask(0).status, 401);
    });
}

#[test]
fn a_client_waits_for_the_end_of_a_job() {
    each(|house| {
        let runner = house.runner(json!({}));
        let id = house.enqueue(json!({}));
        let job = runner.claim(0).expect("the job");
        let path = format!("/api/Core/Jobs({id}L)");
        let wait = |seconds: u64| {
            let headers = [("Accept", "application/json"), ("Prefer", &format!("wait={seconds}"))];
            house.admin().send("GET", &path, &headers, None).expect("an answer")
        };
        let begin = Instant::now();
        let early = wait(1);
        assert_eq!(text(&early.json(), "State"), "claimed");
        assert!(begin.elapsed() >= Duration::from_millis(900));
        std::thread::scope(|scope| {
            let end = scope.spawn(|| (wait(30), Instant::now()));
            std::thread::sleep(Duration::from_millis(300));
            // What moves without ending wakes nobody for good.
            ok(runner.say("Heartbeat", &job, json!({"Progress": 0.5})));
            std::thread::sleep(Duration::from_millis(100));
            runner.finish(&job);
            let finished = Instant::now();
            let (reply, at) = end.join().expect("it runs");
            assert_eq!(reply.header("Preference-Applied"), Some("wait=30"));
            assert_eq!(text(&reply.json(), "State"), "succeeded");
            assert!(at.saturating_duration_since(finished) < Duration::from_millis(500));
        });
    });
}

#[test]
fn nobody_waits_for_a_server_that_stops() {
    each(|house| {
        let runner = house.runner(json!({}));
        let id = house.enqueue(json!({"Due": "2099-01-01T00:00:00Z"}));
        std::thread::scope(|scope| {
            let claim = scope.spawn(|| runner.ask(50).status);
            let path = format!("/api/Core/Jobs({id}L)");
            let admin = house.admin();
            let end = scope.spawn(move || admin.send("GET", &path, &[("Prefer", "wait=50")], None).expect("an answer").status);
            std::thread::sleep(Duration::from_millis(500));
            let begin = Instant::now();
            house.site.server.terminate();
            assert_eq!(claim.join().expect("it runs"), 204);
            assert_eq!(end.join().expect("it runs"), 200);
            assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        });
    });
}

/// What a server does itself goes on with the next one: its end is neither a failure nor a loss. What was to be stopped is.
#[test]
fn a_server_that_stops_gives_its_jobs_back() {
    each(|house| {
        let sleep = |seconds: u32| {
            let parameters = json!({"Seconds": seconds}).to_string();
            house.enqueue(json!({"Kind": "Sleep", "Parameters": parameters, "Attempts": 1}))
        };
        let (short, long) = (sleep(3), sleep(600));
        for id in [&short, &long] {
            house.until("it is being done", || {
                ["claimed", "running"].contains(&text(&house.job(id), "State").as_str())
            });
        }
        house.post(&format!("Jobs({long}L)/Kill"), json!({}));
        house.site.server.stop();
        house.site.server = Server::start(&house.site.database, house.fixture.plugins());
        house.until("it is done", || text(&house.job(&short), "State") == "succeeded");
        let job = house.job(&short);
        assert_eq!(
            (&job["Attempt"], &job["Failures"], &job["Losses"]),
            (&json!(2), &json!(0), &json!(0)),
            "{job}"
        );
        assert_eq!(text(&house.job(&long), "State"), "killed");
        let lost = house.rows(&format!("JobEvents?$filter=JobId eq {short}L and From ne null and To eq 'queued'"));
        assert_eq!(
            (lost.len(), text(&lost[0], "Message").as_str()),
            (1, "the server stops"),
            "{lost:?}"
        );
    });
}

/// A job goes on when its log is full; that is told once.
#[test]
fn a_full_log_loses_no_job() {
    each(|house| {
        let runner = house.runner(json!({}));
        let id = house.enqueue(json!({}));
        let job = runner.claim(0).expect("the job");
        let room = JOB_LOG_LINES - 2;
        house
            .site
            .database
            .run(&format!("UPDATE core_jobs SET \"LogLines\" = {room} WHERE \"Id\" = {id}"));
        for lines in [json!(["a"]), json!(["b", "c", "d"]), json!(["e"])] {
            let word = ok(runner.say("Heartbeat", &job, json!({"Lines": lines})));
            assert_eq!(word["Stop"], false);
        }
        assert_eq!(runner.say("AppendLog", &job, json!({"Lines": ["f"]})).status, 204);
        let logs = house.rows(&format!("Jobs({id}L)/Logs?$orderby=Id&$select=Message"));
        let logs: Vec<String> = logs.iter().map(|row| text(row, "Message")).collect();
        assert_eq!(logs, ["a", "b", "The log is full: what follows is left out."]);
        let many = vec!["x"; JOB_LOG_CALL_LINES + 1];
        assert_eq!(runner.say("Heartbeat", &job, json!({"Lines": many})).status, 400);
        runner.finish(&job);
    });
}

#[test]
fn rule_2_and_scenario_3_a_lost_runner() {
    each(|house| {
        let (silent, other) = (house.runner(json!({})), house.runner(json!({})));
        let first = house.enqueue(json!({"LeaseSeconds": 1}));
        let second = house.enqueue(json!({}));
        let lost = silent.claim(0).expect("the first");
        assert_eq!(text(&lost, "Id"), first);
        ok(silent.say("Heartbeat", &lost, json!({"Progress": 0.5, "Lines": ["half"]})));
        house.until("the job is queued again", || text(&house.job(&first), "State") == "queued");
        let queued = house.job(&first);
        assert_eq!((&queued["Progress"], &queued["RunnerId"]), (&Json::Null, &Json::Null), "rule 7");
        let job = other.claim(0).expect("a job");
        assert_eq!(
            (text(&job, "Id"), job["Attempt"].as_i64()),
            (first.clone(), Some(2)),
            "its old place, before the second one"
        );
        // Rule 3: whatever the first one says now is refused and changes nothing.
        for (action, more) in [
            ("Finish", json!({"Result": "late"})),
            ("Fail", json!({"Error": "late"})),
            ("Heartbeat", json!({"Progress": 0.9})),
            ("AppendLog", json!({"Lines": ["late"]})),
            ("Defer", json!({"Seconds": 1})),
        ] {
            let reply = silent.say(action, &lost, more);
            assert_eq!((reply.status, reply.code().as_str()), (409, "lost_lease"), "{action}");
        }
        assert!([403, 409].contains(&silent.upload(&lost, "late").status));
        ok(other.say("Heartbeat", &job, json!({})));
        other.finish(&job);
        let done = house.job(&first);
        assert_eq!(
            (text(&done, "State"), text(&done, "Result"), done["LogLines"].as_i64()),
            ("succeeded".into(), "done".into(), Some(1))
        );
        let next = other.claim(0).expect("the second");
        assert_eq!(text(&next, "Id"), second);
    });
}

#[test]
fn rule_2_after_some_losses_a_job_has_failed() {
    each(|house| {
        let runner = house.runner(json!({"Slots": 10}));
        let id = house.enqueue(json!({"LeaseSeconds": 1}));
        for attempt in 1..=3 {
            let job = runner.claim(20).expect("the job");
            assert_eq!(job["Attempt"].as_i64(), Some(attempt));
        }
        house.until("the job has failed", || text(&house.job(&id), "State") == "failed");
        assert_eq!(runner.claim(0), None);
    });
}

#[test]
fn rule_4_scenario_2_killed_at_every_point() {
    each(|house| {
        let runner = house.runner(json!({}));
        for point in ["queued", "claimed", "running", "running with progress"] {
            let id = house.enqueue(json!({}));
            let mut job = Json::Null;
            if point != "queued" {
                job = runner.claim(0).expect("the job");
            }
            match point {
                "running" => drop(ok(runner.say("Heartbeat", &job, json!({})))),
                "running with progress" => drop(ok(runner.say("Heartbeat", &job, json!({"Progress": 0.5})))),
                _ => {}
            }
            house.post(&format!("Jobs({id}L)/Kill"), json!({}));
            if point != "queued" {
                for more in [json!({}), json!({"Progress": 0.7}), json!({"Lines": ["still here"]})] {
                    assert_eq!(ok(runner.say("Heartbeat", &job, more))["Stop"], true, "{point}");
                }
                ok(runner.say("Fail", &job, json!({"Error": "stopped"})));
                assert_eq!(runner.say("Fail", &job, json!({})).status, 409, "{point}: once");
            }
            assert_eq!(text(&house.job(&id), "State"), "killed", "{point}");
            assert_eq!(runner.claim(0), None, "{point}");
        }
        // Rule 4: the sweeper ends what a lost runner was to stop.
        let id = house.enqueue(json!({"LeaseSeconds": 1}));
        runner.claim(0).expect("the job");
        house.post(&format!("Jobs({id}L)/Kill"), json!({}));
        house.until("the job is killed", || text(&house.job(&id), "State") == "killed");
    });
}

#[test]
fn scenario_1_from_making_a_job_to_its_result() {
    each(|house| {
        let boss = house.user("boss");
        let runner = house.runner_of(&boss, json!({}));
        let ann = house.user("ann");
        let id = house.enqueue_as(&ann, json!({"Submitted": false}));
        assert_eq!(runner.claim(0), None, "a draft is nobody's");
        let put = |path: &str, body: &str| {
            let headers = [("Content-Type", "text/plain")];
            ann.send("PUT", &format!("/api/Core/{path}"), &headers, Some(body.as_bytes()))
                .expect("an answer")
        };
        assert_eq!(put(&format!("Jobs({id}L)/Input"), "hello").status, 204);
        std::thread::scope(|scope| {
            let claim = scope.spawn(|| runner.claim(20).expect("the job"));
            std::thread::sleep(Duration::from_millis(200));
            ok(ann.post(&format!("/api/Core/Jobs({id}L)/Submit"), "{}").expect("an answer"));
            let job = claim.join().expect("it runs");
            assert_eq!(runner.send("GET", &format!("Jobs({id}L)/Input"), &[], "").text(), "hello");
            ok(runner.say("Heartbeat", &job, json!({"Progress": 0.5})));
            let seen = ok(ann.get(&format!("/api/Core/Jobs({id}L)")).expect("an answer"));
            assert_eq!((text(&seen, "State"), seen["Progress"].as_f64()), ("running".into(), Some(0.5)));
            assert_eq!(runner.upload(&job, "HELLO").status, 204);
            runner.finish(&job);
        });
        let output = ann.get(&format!("/api/Core/Jobs({id}L)/Output")).expect("an answer");
        assert_eq!(output.text(), "HELLO");
        let seen = ok(ann.get(&format!("/api/Core/Jobs({id}L)")).expect("an answer"));
        assert_eq!(text(&seen, "State"), "succeeded");
    });
}

#[test]
fn rule_1_scenario_4_fifty_jobs_three_runners_and_a_restart() {
    each(|house| {
        let runners: Vec<Runner> = (0..3).map(|_| house.runner(json!({}))).collect();
        let mut expected: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for number in 0..50_i64 {
            let priority = number % 3;
            let id = house.enqueue(json!({"Priority": priority, "Attempts": 3, "RetrySeconds": 0}));
            expected.entry(-priority).or_default().push(id);
        }
        let order: Vec<String> = expected.into_values().flatten().collect();
        let work = |house: &House, most: usize| {
            let left = Mutex::new(most);
            std::thread::scope(|scope| {
                for runner in &runners {
                    let left = &left;
                    scope.spawn(move || {
                        let may = || {
                            let mut left = left.lock().expect("nobody panics");
                            *left = left.saturating_sub(1);
                            *left > 0
                        };
                        let client = Client::new(house.site.server.address());
                        let runner = Runner {
                            client,
                            id: runner.id.clone(),
                            token: runner.token.clone(),
                            registration: runner.registration.clone(),
                        };
                        while let Some(job) = may().then(|| runner.claim(10)).flatten() {
                            let number: usize = text(&job, "Id").parse().unwrap_or(0);
                            match number.is_multiple_of(5) && job["Attempt"] == 1 {
                                true => drop(ok(runner.say("Fail", &job, json!({"Error": "no luck"})))),
                                false => runner.finish(&job),
                            }
                        }
                    });
                }
            });
        };
        work(house, 25);
        house.restart();
        work(house, 1_000);
        let jobs = house.rows("Jobs?$select=Id,State,Attempt,Failures");
        assert_eq!(jobs.len(), 50);
        for job in &jobs {
            assert_eq!(text(job, "State"), "succeeded", "{job}");
            let fails = text(job, "Id").parse::<usize>().unwrap_or(0).is_multiple_of(5);
            assert_eq!(job["Attempt"].as_i64(), Some(1 + i64::from(fails)), "{job}");
        }
        // Claims that overlap have no order; on SQLite none do.
        let apart = match house.system {
            System::Sqlite => 0,
            System::Postgres => runners.len() - 1,
        };
        let handed_out = house.handed_out(" and Attempt eq 1");
        assert_eq!(handed_out.len(), order.len());
        for (at, id) in handed_out.iter().enumerate() {
            let place = order.iter().position(|known| known == id).expect("a job of this test");
            assert!(place.abs_diff(at) <= apart, "{handed_out:?} instead of {order:?}");
        }
        let ends = house.rows("JobEvents?$filter=To eq 'succeeded'&$select=JobId");
        assert_eq!(ends.len(), 50, "each once");
    });
}

#[test]
fn scenario_5_a_user_is_deleted() {
    each(|house| {
        let boss = house.user("boss");
        let (runner, maker) = (house.runner_of(&boss, json!({})), house.user("ann"));
        let ids: Vec<String> = (0..3).map(|_| house.enqueue_as(&maker, json!({}))).collect();
        let first = runner.claim(0).expect("the first");
        runner.finish(&first);
        let running = runner.claim(0).expect("the second");
        ok(runner.say("Heartbeat", &running, json!({})));
        let delete = |name: &str| {
            let users = ok(boss
                .get(&format!("/api/Core/Users?$filter=Name%20eq%20'{name}'"))
                .expect("an answer"));
            let id = text(&users["value"][0], "Id");
            let reply = boss
                .send("DELETE", &format!("/api/Core/Users({id}L)"), &[], None)
                .expect("an answer");
            assert_eq!(reply.status, 204, "{name}: {}", reply.text());
        };
        delete("ann");
        // Acknowledged work is done all the same; the row still says whose it was.
        let again = house.runner_of(&boss, json!({}));
        runner.finish(&running);
        let last = again.claim(0).expect("the third");
        assert_eq!(text(&last, "Id"), ids[2]);
        again.finish(&last);
        assert_eq!(again.claim(0), None);
        let jobs = ok(boss.get("/api/Core/Jobs?$select=State").expect("an answer"));
        assert!(
            jobs["value"]
                .as_array()
                .is_some_and(|jobs| jobs.iter().all(|job| job["State"] == "succeeded"))
        );
    });
}

#[test]
fn with_who_made_them_go_the_tokens_of_runners() {
    each(|house| {
        let boss = house.user("boss");
        let runner = house.runner_of(&boss, json!({}));
        let users = house.rows("Users?$filter=Name eq 'boss'");
        assert!(users.is_empty(), "of another tenant");
        let tenant = [("Tenant-Id", TENANT), ("Accept", "application/json")];
        let admin = house.admin();
        let send = |method: &str, path: &str, body: Option<&[u8]>| {
            let mut headers = tenant.to_vec();
            headers.extend(body.map(|_| ("Content-Type", "application/json")));
            admin.send(method, &format!("/api/Core/{path}"), &headers, body).expect("an answer")
        };
        let users = ok(send("GET", "Users?$filter=Name%20eq%20'boss'", None));
        let id = text(&users["value"][0], "Id");
        assert_eq!(send("DELETE", &format!("Users({id}L)"), None).status, 204);
        assert_eq!(runner.ask(0).status, 401);
        let rotated = ok(send("POST", &format!("Runners({}L)/RotateToken", runner.id), Some(b"{}")));
        let again = Runner {
            token: text(&rotated, "Token"),
            client: house.site.server.anonymous(),
            ..runner
        };
        // An operator's token acts in the root tenant unless it names another one; Register finds its runner wherever that is.
        assert_eq!(again.register(json!({"Force": true})).status, 200);
    });
}

#[test]
fn rule_3_an_upload_that_outlives_its_lease_is_refused() {
    each(|house| {
        let runner = house.runner(json!({}));
        let id = house.enqueue(json!({}));
        let job = runner.claim(0).expect("the job");
        assert_eq!(runner.upload(&job, "in time").status, 204);
        let mut stream = TcpStream::connect(house.site.server.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let head = format!(
            "PUT /api/Core/Jobs({id}L)/Output HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: text/plain\r\n\
             Odonata-Registration: {}\r\nOdonata-Attempt: 1\r\nContent-Length: 8\r\nConnection: close\r\n\r\nlate",
            runner.token, runner.registration
        );
        stream.write_all(head.as_bytes()).expect("it goes out");
        std::thread::sleep(Duration::from_millis(500));
        // In the middle of the upload another process takes its place, and gets the job.
        let second = Runner {
            registration: text(&ok(runner.register(json!({"Force": true}))), "Registration"),
            client: house.site.server.anonymous(),
            id: runner.id.clone(),
            token: runner.token.clone(),
        };
        let again = second.claim(0).expect("the same job");
        stream.write_all(b"late").expect("it goes out");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
        assert!(answer.contains("lost_lease"), "{answer}");
        let output = house.admin().get(&format!("/api/Core/Jobs({id}L)/Output")).expect("an answer");
        assert_eq!(output.text(), "in time");
        second.finish(&again);
    });
}

#[test]
fn a_silent_runner_makes_room_only_when_its_time_is_over() {
    each(|house| {
        let runner = house.runner(json!({}));
        assert_eq!(runner.register(json!({})).status, 409);
        house.enqueue(json!({}));
        let job = runner.claim(0).expect("the job");
        let forced = ok(runner.register(json!({"Force": true})));
        assert_ne!(text(&forced, "Registration"), runner.registration);
        assert_eq!(runner.say("Finish", &job, json!({})).status, 409, "it is queued again");
        let events = house.rows("JobEvents?$orderby=Id desc&$top=1");
        assert_eq!(
            (text(&events[0], "From"), text(&events[0], "To")),
            ("claimed".into(), "queued".into())
        );
    });
}

//! How attempts end: by the runner, without it, and with the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use odata_tests::server::Server;
use odonata::model::limits::{JOB_LOG_CALL_LINES, JOB_LOG_LINES};
use serde_json::{Value as Json, json};

use crate::house::{Runner, each, ok, text};

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

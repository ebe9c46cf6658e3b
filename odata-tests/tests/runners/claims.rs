//! Who gets which job, and who waits.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use odata_tests::client::Client;
use serde_json::json;

use crate::house::{Runner, TENANT, each, ok, text};

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

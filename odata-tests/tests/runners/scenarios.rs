//! Golden scenarios of jobs, from the making to the end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use odata_tests::client::Client;
use odata_tests::database::System;
use serde_json::json;

use crate::house::{House, Runner, TENANT, each, ok, text};

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

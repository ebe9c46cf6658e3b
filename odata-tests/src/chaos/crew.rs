//! Runners as threads with connections of their own: they claim, work, die without a word, and speak when it is too late.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::site::{LEASE, Request, Site, Word, number_of};
use crate::client::{Client, Reply};
use crate::random::Random;

/// One of them.
#[derive(Debug)]
pub struct Hand<'a> {
    site: &'a Site,
    random: Random,
    id: i64,
    bearer: String,
    registration: Option<String>,
}

/// A job that it has.
#[derive(Clone)]
struct Task {
    job: i64,
    attempt: i64,
    failures: i64,
    kind: String,
    tenant: String,
    registration: String,
}

/// How an attempt ends.
enum End {
    Finish,
    Fail,
    Defer,
}

impl<'a> Hand<'a> {
    /// With the token of a runner.
    pub fn new(site: &'a Site, (id, token): (i64, String), seed: u64) -> Hand<'a> {
        Hand {
            site,
            random: Random::new(seed),
            id,
            bearer: format!("Bearer {token}"),
            registration: None,
        }
    }

    /// Works until it is over.
    pub fn work(&mut self) {
        while !self.site.is_over() {
            if self.registration.is_none() && !self.register() {
                continue;
            }
            let Some(task) = self.claim() else { continue };
            match self.random.below(60) {
                0 | 1 => self.die(),
                2 => self.oversleep(task),
                _ => self.carry_out(&task),
            }
        }
    }

    fn say(&mut self, target: String, headers: &[(&str, &str)], body: Value) -> Option<(Reply, bool)> {
        let bearer = self.bearer.clone();
        let headers = [&[("Authorization", bearer.as_str())], headers].concat();
        let request = Request::post(target, &headers, body);
        self.site.say(&mut self.random, &|client: Client| client, &request)
    }

    fn register(&mut self) -> bool {
        let body = json!({"Kinds": ["work", "flaky", "hopeless", "later"], "Slots": 2, "Force": true});
        let Some((reply, _)) = self.say("/api/Core/Runners/Register".to_owned(), &[], body) else {
            return false;
        };
        assert_eq!(reply.status, 200, "{}", reply.text());
        self.registration = reply.json()["Registration"].as_str().map(str::to_owned);
        self.site.tally.registrations.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn claim(&mut self) -> Option<Task> {
        let registration = self.registration.clone()?;
        let target = format!("/api/Core/Runners({}L)/Claim", self.id);
        let (reply, is_unsure) = self.say(target, &[("Prefer", "wait=1")], json!({"Registration": registration}))?;
        if is_unsure || reply.status == 409 {
            // It may have been given a job that it does not know of.
            self.registration = None;
        }
        if reply.status != 200 {
            assert!([204, 409].contains(&reply.status), "{} {}", reply.status, reply.text());
            return None;
        }
        let body = reply.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Some(Task {
            job: number_of(&body["Id"]),
            attempt: number_of(&body["Attempt"]),
            failures: number_of(&body["Failures"]),
            kind: text("Kind"),
            tenant: text("Tid"),
            registration,
        })
    }

    /// As if it were killed: whoever comes in its place knows of nothing.
    fn die(&mut self) {
        self.site.tally.threads.fetch_add(1, Ordering::Relaxed);
        if self.random.one_in(2) {
            std::thread::sleep(Duration::from_secs(LEASE + 1));
        }
        self.registration = None;
    }

    /// Is silent for so long that its lease is over, claims the next job, which may be the same, and speaks of the first attempt then.
    fn oversleep(&mut self, late: Task) {
        std::thread::sleep(Duration::from_secs(LEASE + 2));
        let next = self.claim();
        self.speak_late(&late);
        if let Some(next) = next {
            self.carry_out(&next);
        }
    }

    /// The word of an attempt that is over must not count for the one that goes on.
    fn speak_late(&mut self, task: &Task) {
        self.site.tally.late.fetch_add(1, Ordering::Relaxed);
        if !self.end(task, &End::Finish) {
            self.site.tally.late_refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn carry_out(&mut self, task: &Task) {
        if task.attempt > 1 && self.random.one_in(6) {
            let before = Task {
                attempt: task.attempt - 1,
                ..task.clone()
            };
            self.speak_late(&before);
        }
        if self.random.one_in(3) {
            let body = json!({"Registration": task.registration, "Attempt": task.attempt, "Progress": 0.5, "Lines": ["at work"]});
            let target = format!("/api/Core/Jobs({}L)/Heartbeat", task.job);
            let tenant = task.tenant.clone();
            if self
                .say(target, &[("Tenant-Id", &tenant)], body)
                .is_some_and(|(reply, _)| reply.status >= 400)
            {
                return;
            }
        }
        let end = match task.kind.as_str() {
            "hopeless" => End::Fail,
            "flaky" if task.failures == 0 => End::Fail,
            "later" if task.attempt == 1 => End::Defer,
            _ => End::Finish,
        };
        self.end(task, &end);
    }

    /// Whether the server has taken it.
    fn end(&mut self, task: &Task, end: &End) -> bool {
        let (registration, attempt) = (&task.registration, task.attempt);
        let (name, body) = match end {
            End::Finish => (
                "Finish",
                json!({"Registration": registration, "Attempt": attempt, "Result": "done"}),
            ),
            End::Fail => ("Fail", json!({"Registration": registration, "Attempt": attempt, "Error": "no"})),
            End::Defer => ("Defer", json!({"Registration": registration, "Attempt": attempt, "Seconds": 1})),
        };
        let target = format!("/api/Core/Jobs({}L)/{name}", task.job);
        let tenant = task.tenant.clone();
        let Some((reply, is_unsure)) = self.say(target, &[("Tenant-Id", &tenant)], body) else {
            return false;
        };
        assert!(
            [204, 409].contains(&reply.status),
            "{name} of {}: {} {}",
            task.job,
            reply.status,
            reply.text()
        );
        if reply.status == 204 && !matches!(end, End::Defer) {
            let word = Word {
                job: task.job,
                attempt,
                succeeded: matches!(end, End::Finish),
            };
            self.site.words.lock().expect("nobody panics with it").push(word);
        }
        reply.status == 204 || is_unsure
    }
}

//! A server with tenants, people and runners.

use std::time::{Duration, Instant};

use odata_tests::case::User;
use odata_tests::client::{Client, Reply};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::server::Server;
use serde_json::{Value as Json, json};

pub const TENANT: &str = "aaaaaaaa-0000-0000-0000-00000000000a";

pub struct House {
    pub system: System,
    pub fixture: Fixture,
    pub site: Site,
}

/// A runner that has registered.
pub struct Runner {
    pub id: String,
    pub token: String,
    pub registration: String,
    pub client: Client,
}

pub fn user(name: &str, tenant: &str, role: &str) -> User {
    User {
        name: name.to_owned(),
        tenant: tenant.to_owned(),
        role: Some(role.to_owned()),
    }
}

pub fn each(test: impl Fn(&mut House)) {
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

pub fn ok(reply: Reply) -> Json {
    assert!(reply.status < 300, "{} {}", reply.status, reply.text());
    reply.json()
}

pub fn text(json: &Json, name: &str) -> String {
    json[name].as_str().unwrap_or_default().to_owned()
}

impl House {
    pub fn admin(&self) -> Client {
        self.site.server.admin()
    }

    pub fn user(&self, name: &str) -> Client {
        self.site.server.anonymous().basic(name, &User::password(name))
    }

    pub fn post(&self, path: &str, body: Json) -> Json {
        ok(self
            .admin()
            .post(&format!("/api/Core/{path}"), &body.to_string())
            .expect("an answer"))
    }

    pub fn get(&self, path: &str) -> Json {
        let path = odata_tests::client::encode(&format!("/api/Core/{path}"));
        ok(self.admin().get(&path).expect("an answer"))
    }

    /// All of them, page by page.
    pub fn rows(&self, path: &str) -> Vec<Json> {
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

    pub fn job(&self, id: &str) -> Json {
        self.get(&format!("Jobs({id}L)"))
    }

    /// A new one of kind `work`; its number.
    pub fn enqueue(&self, more: Json) -> String {
        self.enqueue_as(&self.admin(), more)
    }

    pub fn enqueue_as(&self, client: &Client, more: Json) -> String {
        let mut body = json!({"Name": "a job", "Kind": "work"});
        if let (Some(body), Json::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        text(&ok(client.post("/api/Core/Jobs", &body.to_string()).expect("an answer")), "Id")
    }

    pub fn runner(&self, more: Json) -> Runner {
        self.runner_of(&self.admin(), more)
    }

    pub fn runner_of(&self, maker: &Client, more: Json) -> Runner {
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
    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < Duration::from_secs(10), "never: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything that became claimed, in the order of that: the numbers of the jobs.
    pub fn handed_out(&self, filter: &str) -> Vec<String> {
        let rows = self.rows(&format!("JobEvents?$filter=To eq 'claimed'{filter}&$orderby=Id&$select=JobId"));
        rows.iter().map(|row| text(row, "JobId")).collect()
    }

    pub fn restart(&mut self) {
        self.site.server.kill();
        self.site.server = Server::start(&self.site.database, self.fixture.plugins());
    }
}

impl Runner {
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str()), ("Accept", "application/json")];
        all.extend(headers);
        if !headers.iter().any(|header| header.0 == "Content-Type") {
            all.push(("Content-Type", "application/json"));
        }
        let path = format!("/api/Core/{path}");
        self.client.send(method, &path, &all, Some(body.as_bytes())).expect("an answer")
    }

    pub fn register(&self, more: Json) -> Reply {
        let mut body = json!({"Kinds": ["work"]});
        if let (Some(body), Json::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        self.send("POST", "Runners/Register", &[], &body.to_string())
    }

    pub fn ask(&self, wait: u64) -> Reply {
        let path = format!("Runners({}L)/Claim", self.id);
        let body = json!({"Registration": self.registration}).to_string();
        match wait {
            0 => self.send("POST", &path, &[], &body),
            _ => self.send("POST", &path, &[("Prefer", &format!("wait={wait}"))], &body),
        }
    }

    /// The next job, within so many seconds.
    pub fn claim(&self, wait: u64) -> Option<Json> {
        let reply = self.ask(wait);
        match reply.status {
            204 => None,
            _ => Some(ok(reply)),
        }
    }

    /// A word about a job that it has claimed.
    pub fn say(&self, action: &str, job: &Json, more: Json) -> Reply {
        let mut body = json!({"Registration": self.registration, "Attempt": job["Attempt"]});
        if let (Some(body), Json::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        let path = format!("Jobs({}L)/{action}", text(job, "Id"));
        self.send("POST", &path, &[], &body.to_string())
    }

    pub fn finish(&self, job: &Json) {
        ok(self.say("Finish", job, json!({"Result": "done"})));
    }

    pub fn upload(&self, job: &Json, body: &str) -> Reply {
        let attempt = job["Attempt"].to_string();
        let headers = [
            ("Content-Type", "text/plain"),
            ("Odonata-Registration", self.registration.as_str()),
            ("Odonata-Attempt", attempt.as_str()),
        ];
        self.send("PUT", &format!("Jobs({}L)/Output", text(job, "Id")), &headers, body)
    }

    /// The bytes of a claim, for a connection of one's own.
    pub fn raw_claim(&self, wait: u64) -> Vec<u8> {
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

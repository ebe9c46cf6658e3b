//! What is shared by everybody who takes part: where the servers are, what was acknowledged, and how often something was killed.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::case::User;
use crate::client::{Client, Reply};
use crate::random::Random;
use crate::server::{ADMIN_PASSWORD, binary};

/// Who wants jobs to be done.
pub const USERS: [&str; 3] = ["ann", "bob", "cid"];
/// What may be asked for: `Echo` is done by the servers themselves.
pub const KINDS: &[&str] = &["work", "work", "work", "work", "flaky", "hopeless", "later", "Echo"];
/// How urgent.
pub const PRIORITIES: &[i64] = &[0, 0, 0, 7, -7];
/// How long a worker may be silent, in seconds.
pub const LEASE: u64 = 2;

/// How often what has happened.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Tally {
    pub servers: AtomicUsize,
    pub databases: AtomicUsize,
    pub programs: AtomicUsize,
    pub threads: AtomicUsize,
    pub late: AtomicUsize,
    pub late_refused: AtomicUsize,
    pub registrations: AtomicUsize,
}

/// How an attempt ended, acknowledged by a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Word {
    pub job: i64,
    pub attempt: i64,
    pub succeeded: bool,
}

/// Everything that several threads use.
#[derive(Debug, Default)]
pub struct Site {
    /// `host:port` of every instance, up or not.
    pub addresses: Vec<String>,
    /// Numbers of jobs that were acknowledged, and whose they are.
    pub made: Mutex<BTreeMap<i64, usize>>,
    /// Ends that were acknowledged.
    pub words: Mutex<Vec<Word>>,
    /// How often what has happened.
    pub tally: Tally,
    /// Everybody goes home.
    pub is_over: AtomicBool,
}

impl Site {
    /// Whether everybody goes home.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Says something to one instance after the other until one answers with less than 500; what it is, and whether something may have been
    /// carried out before without an answer. None when it is over.
    pub fn say(&self, random: &mut Random, who: &dyn Fn(Client) -> Client, request: &Request<'_>) -> Option<(Reply, bool)> {
        let mut is_unsure = false;
        while !self.is_over() {
            let client = who(Client::new(random.pick(&self.addresses)));
            match client.send(request.method, &request.target, &request.headers, request.body.as_deref()) {
                Ok(reply) if reply.status < 500 => return Some((reply, is_unsure)),
                Ok(_) => {}
                // A refused connection is no request.
                Err(error) => is_unsure |= error.kind() != std::io::ErrorKind::ConnectionRefused,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// A user enqueues jobs, one after the other; each is asked for until it is acknowledged.
    pub fn enqueue(&self, user: usize, jobs: usize, seed: u64) {
        let mut random = Random::new(seed);
        let sign_in = |client: Client| client.basic(USERS[user], &User::password(USERS[user]));
        for number in 0..jobs {
            let body = json!({
                "Name": format!("{} {number}", USERS[user]),
                "Kind": random.pick(KINDS),
                "Parameters": json!({"Number": number}).to_string(),
                "Priority": random.pick(PRIORITIES),
                "RetrySeconds": 0,
                "Attempts": 3,
                "IdempotencyKey": format!("{:08x}-0000-4000-8000-{number:012x}", user + 1),
            });
            let request = Request::post("/api/Core/Jobs", &[], body);
            let Some((reply, _)) = self.say(&mut random, &sign_in, &request) else {
                return;
            };
            assert_eq!(reply.status, 201, "{}", reply.text());
            let id = number_of(&reply.json()["Id"]);
            let known = self.made.lock().expect("nobody panics with it").insert(id, user);
            assert_eq!(known, None, "job {id} was made twice");
        }
    }
}

/// What is sent.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Request<'a> {
    pub method: &'a str,
    pub target: String,
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    /// POST of a JSON body.
    pub fn post(target: impl Into<String>, headers: &[(&'a str, &'a str)], body: Value) -> Request<'a> {
        Request {
            method: "POST",
            target: target.into(),
            headers: [&[("Content-Type", "application/json")], headers].concat(),
            body: Some(body.to_string().into_bytes()),
        }
    }
}

/// An Int64 in JSON is a text.
pub fn number_of(value: &Value) -> i64 {
    let number = value.as_str().and_then(|text| text.parse().ok());
    number.or(value.as_i64()).unwrap_or_else(|| panic!("{value} is no number"))
}

/// The number and the token of a new runner.
pub fn runner(site: &Site, random: &mut Random, name: &str) -> (i64, String) {
    let admin = |client: Client| client.basic("admin", ADMIN_PASSWORD);
    let request = Request::post("/api/Core/Runners/CreateRunner", &[], json!({ "Name": name }));
    let (reply, _) = site.say(random, &admin, &request).expect("it is not over");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    (number_of(&body["Id"]), body["Token"].as_str().unwrap_or_default().to_owned())
}

const COMMANDS: &str = r#"
[kinds.work]
command = ["/bin/true"]
[kinds.flaky]
command = ["/bin/sh", "-c", "test \"$0\" -gt 1", "{attempt}"]
[kinds.hopeless]
command = ["/bin/false"]
"#;

/// `odonata runner` as a process, started again whenever it is killed.
#[derive(Debug)]
pub struct Program {
    token: String,
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Starts one that speaks to one of the instances.
    pub fn start(address: &str, token: String) -> Program {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let config = format!("server = \"http://{address}\"\nwork_dir = \"work\"\nslots = 2\n{COMMANDS}");
        std::fs::write(folder.path().join("runner.toml"), config).expect("a file can be written");
        let child = Program::spawn(&token, &folder);
        Program { token, child, folder }
    }

    fn spawn(token: &str, folder: &TempDir) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(folder.path().join("log"));
        let mut command = Command::new(binary());
        command
            .args(["runner", "--force"])
            .env("ODONATA_RUNNER_TOKEN", token)
            .current_dir(folder.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a file can be made"));
        command.spawn().expect("the binary can be started")
    }

    /// SIGKILL, and a new one; also when it has ended by itself.
    pub fn kill(&mut self) {
        self.end();
        self.child = Program::spawn(&self.token, &self.folder);
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says what goes on, for whoever waits.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

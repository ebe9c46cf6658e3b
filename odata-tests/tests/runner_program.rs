//! `odonata runner` as a process of its own, against the protocol of runners: what it sends, and what it makes of the answers.

mod runner_peer;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::here;
use odata_tests::server::binary;
use runner_peer::{GUID, PATIENCE, Peer};
use serde_json::{Value, json};
use tempfile::TempDir;

fn job(id: i64, kind: &str, parameters: Value) -> Value {
    json!({
        "odata.metadata": "x", "Id": id.to_string(), "Tid": "22222222-2222-2222-2222-222222222222", "Kind": kind,
        "Parameters": parameters.to_string(), "Attempt": 2, "State": "claimed",
    })
}

const KINDS: &str = r#"
[kinds.count]
command = ["/usr/bin/wc", "-c", "{input}"]
[kinds.copy]
command = ["/bin/sh", "-c", "echo log >&2; echo progress 0.5 half; cat \"$0\" >\"$1\"; sleep 2", "{input}", "{output}"]
progress = true
content_type = "text/plain"
[kinds.say]
command = ["/usr/bin/printf", "<%s>", "{arguments.text}", "{job}-{attempt}"]
[kinds.fail]
command = ["/bin/sh", "-c", "echo first >&2; echo last >&2; exit 7"]
[kinds.wait]
command = ["/bin/sh", "-c", "echo $$ >\"$0\"; sleep 60", "{arguments.file}"]
"#;

/// A runner, and where it works.
struct Runner {
    child: Child,
    folder: TempDir,
}

impl Runner {
    fn start(peer: &Peer, more: &str, arguments: &[&str]) -> Runner {
        Runner::of(&format!("http://127.0.0.1:{}", peer.port), "odo_secret", more, arguments)
    }

    fn of(server: &str, token: &str, more: &str, arguments: &[&str]) -> Runner {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let config = format!("server = \"{server}\"\nwork_dir = \"work\"\n{more}\n{KINDS}");
        std::fs::write(folder.path().join("runner.toml"), config).expect("a file can be written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file can be made");
        let child = Command::new(binary())
            .arg("runner")
            .args(arguments)
            .env("ODONATA_RUNNER_TOKEN", token)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary can be started");
        Runner { child, folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Its exit code; minus the number of the signal that ended it.
    fn end(&mut self) -> i32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code().unwrap_or_else(|| -status.signal().unwrap_or_default());
            }
            assert!(Instant::now() < until, "the runner does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    /// Waits until the command of a job of the kind `wait` runs; its process.
    fn command(&self) -> PathBuf {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(pid) = std::fs::read_to_string(self.pid_file())
                && pid.ends_with('\n')
            {
                return format!("/proc/{}", pid.trim()).into();
            }
            assert!(Instant::now() < until, "the command does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Folders of attempts that are still there.
    fn scratch(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path().join("work")).expect("there is a folder");
        entries.flatten().filter(|entry| entry.file_name() != "lock").count()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_job_goes_from_its_claim_to_its_end() {
    let peer = Peer::open();
    peer.set(|mood| {
        mood.input = Some(b"some input".to_vec());
        mood.jobs.push_back(job(17, "copy", json!(null)));
    });
    let mut runner = Runner::start(&peer, "tags = [\"gpu\"]\npriority = 3\nslots = 2", &["--once"]);
    assert_eq!(runner.end(), 0, "{}", runner.log());
    let register = peer.wait("POST Runners/Register", 1);
    assert_eq!(register.header("Authorization"), "Bearer odo_secret");
    let body = register.json();
    assert_eq!(body["Kinds"], json!(["copy", "count", "fail", "say", "wait"]));
    assert_eq!(
        (&body["Tags"], &body["Priority"], &body["Slots"], &body["Force"]),
        (&json!(["gpu"]), &json!(3), &json!(2), &json!(false))
    );
    let claim = peer.wait("POST Runners(5L)/Claim", 1);
    assert_eq!((claim.header("Prefer"), claim.json()), ("wait=3", json!({"Registration": GUID})));
    let tenant = "22222222-2222-2222-2222-222222222222";
    assert_eq!(peer.wait("GET Jobs(17L)/Input", 1).header("Tenant-Id"), tenant);
    let beat = peer.wait("POST Jobs(17L)/Heartbeat", 1).json();
    let expected = json!({"Registration": GUID, "Attempt": 2, "Progress": 0.5, "Message": "half", "Lines": ["log"]});
    assert_eq!(beat, expected);
    let output = peer.wait("PUT Jobs(17L)/Output", 1);
    assert_eq!(output.body, b"some input");
    for (name, value) in [
        ("Odonata-Registration", GUID),
        ("Odonata-Attempt", "2"),
        ("Content-Type", "text/plain"),
        ("Tenant-Id", tenant),
    ] {
        assert_eq!(output.header(name), value);
    }
    let finish = peer.wait("POST Jobs(17L)/Finish", 1).json();
    let result: Value = serde_json::from_str(finish["Result"].as_str().unwrap()).unwrap();
    assert_eq!((&finish["Registration"], &finish["Attempt"]), (&json!(GUID), &json!(2)));
    assert_eq!((&result["ExitCode"], &result["OutputBytes"]), (&json!(0), &json!(10)));
    assert_eq!(peer.wait("POST Runners(5L)/Unregister", 1).json(), json!({"Registration": GUID}));
    assert_eq!(runner.scratch(), 0);
    assert!(!runner.log().contains("odo_secret"));
}

/// Rule 3 with a real server: a job that is lost sooner than runners usually report is reported sooner.
#[test]
fn a_short_lease_is_kept() {
    let fixture = Fixture::without_rows(&[], &[], System::Sqlite).expect("the fixture is good");
    let site = fixture.serve(&[]).expect("the server starts");
    let admin = site.server.admin();
    let post = |path: &str, body: Value| {
        let reply = admin.post(&format!("/api/Core/{path}"), &body.to_string()).expect("an answer");
        assert!(reply.status < 300, "{path}: {} {}", reply.status, reply.text());
        reply.json()
    };
    let made = post("Runners/CreateRunner", json!({"Name": "r"}));
    let token = made["Token"].as_str().expect("a token");
    let slow = "[kinds.slow]\ncommand = [\"/bin/sleep\", \"10\"]";
    post("JobKinds", json!({"Name": "slow", "LeaseSeconds": 4}));
    let mut runner = Runner::of(&site.server.base(), token, slow, &["--once"]);
    let job = post("Jobs", json!({"Name": "j", "Kind": "slow"}));
    let path = format!("/api/Core/Jobs({}L)", job["Id"].as_str().expect("a number"));
    assert_eq!(runner.end(), 0, "{}", runner.log());
    let job = admin.get(&path).expect("an answer").json();
    let found = (&job["State"], &job["Attempt"], &job["Losses"]);
    assert_eq!(found, (&json!("succeeded"), &json!(1), &json!(0)), "{job} {}", runner.log());
}

#[test]
fn attempts_end_as_they_deserve() {
    let peer = Peer::open();
    let rows = [
        ("say", json!({"text": "$(id); a b"}), None, "<$(id); a b><1-2>"),
        ("say", json!({"text": "-v"}), Some(false), "the argument text begins with -"),
        ("say", json!({}), Some(false), "the argument text is missing"),
        ("say", json!("text"), Some(false), "the job's Parameters are no JSON object"),
        ("fail", json!({}), Some(true), "exit code 7\nfirst\nlast"),
        ("count", json!({}), Some(false), "the job has no input"),
        ("other", json!({}), Some(false), "this runner knows no kind other"),
    ];
    let mut runner = Runner::start(&peer, "", &[]);
    for (index, (kind, parameters, retry, expected)) in rows.into_iter().enumerate() {
        let id = index as i64 + 1;
        peer.set(|mood| mood.jobs.push_back(job(id, kind, parameters)));
        match retry {
            None => {
                peer.wait(&format!("Jobs({id}L)/Finish"), 1);
                let output = peer.wait(&format!("PUT Jobs({id}L)/Output"), 1);
                assert_eq!(String::from_utf8(output.body).unwrap(), expected);
            }
            Some(retry) => {
                let fail = peer.wait(&format!("Jobs({id}L)/Fail"), 1).json();
                assert_eq!(fail["Retry"], json!(retry), "{fail}");
                assert!(fail["Error"].as_str().unwrap().starts_with(expected), "{fail}");
            }
        }
    }
    let lines = peer.wait("Jobs(5L)/AppendLog", 1).json();
    assert_eq!(lines, json!({"Registration": GUID, "Attempt": 2, "Lines": ["first", "last"]}));
    runner.signal("TERM");
    assert_eq!(runner.end(), 0, "{}", runner.log());
    peer.wait("Unregister", 1);
}

/// What a running job is told, and what becomes of it.
#[test]
fn running_jobs_end_when_they_have_to() {
    type Act = fn(&Peer, &Runner);
    type Case = (&'static str, Act, Option<(&'static str, bool)>);
    const LOST: &str = r#"{"odata.error":{"code":"lost_lease","message":{"lang":"en-US","value":"It is another's."}}}"#;
    let cases: &[Case] = &[
        ("stop", |peer, _| peer.set(|mood| mood.stop = true), Some(("stopped", false))),
        (
            "lost",
            |peer, _| peer.set(|mood| mood.instead = vec![("/Heartbeat", 409, LOST)]),
            None,
        ),
        (
            "removed",
            |peer, _| peer.set(|mood| mood.instead = vec![("/Heartbeat", 404, "")]),
            None,
        ),
        (
            "silence",
            |peer, _| peer.set(|mood| mood.instead = vec![("/Heartbeat", 0, ""); 99]),
            None,
        ),
        (
            "leave",
            |_, runner| runner.signal("TERM"),
            Some(("the runner ended before the job did", true)),
        ),
        (
            "leave at once",
            |_, runner| {
                runner.signal("INT");
                std::thread::sleep(Duration::from_millis(200));
                runner.signal("INT");
            },
            None,
        ),
    ];
    std::thread::scope(|scope| {
        for (name, act, told) in cases {
            scope.spawn(move || {
                let peer = Peer::open();
                let grace = if *name == "leave" { "1" } else { "600" };
                let mut runner = Runner::start(&peer, "", &["--grace", grace]);
                let parameters = json!({"file": runner.pid_file()});
                peer.set(|mood| mood.jobs.push_back(job(1, "wait", parameters)));
                let command = runner.command();
                act(&peer, &runner);
                let until = Instant::now() + PATIENCE;
                while command.exists() {
                    assert!(Instant::now() < until, "{name}: the command goes on: {}", runner.log());
                    std::thread::sleep(Duration::from_millis(10));
                }
                if let Some((why, retry)) = told {
                    let fail = peer.wait("Jobs(1L)/Fail", 1).json();
                    assert_eq!(fail["Retry"], json!(retry), "{name}: {fail}");
                    assert!(fail["Error"].as_str().unwrap().starts_with(why), "{name}: {fail}");
                }
                if !name.starts_with("leave") {
                    // It goes on with the next job.
                    peer.set(|mood| {
                        (mood.stop, mood.instead) = (false, Vec::new());
                        mood.jobs.push_back(job(2, "say", json!({"text": "x"})));
                    });
                    peer.wait("Jobs(2L)/Finish", 1);
                    runner.signal("TERM");
                }
                assert_eq!(runner.end(), i32::from(*name == "leave at once"), "{name}: {}", runner.log());
                assert_eq!(peer.calls("Jobs(1L)/Fail").len(), usize::from(told.is_some()), "{name}");
                assert_eq!(peer.calls("Jobs(1L)/Finish").len(), 0, "{name}");
                assert_eq!(runner.scratch(), 0, "{name}");
            });
        }
    });
}

#[test]
fn faults_of_the_network_are_waited_out() {
    let peer = Peer::open();
    peer.set(|mood| {
        mood.input = Some(b"12345".to_vec());
        let lines = ["/Register", "/Claim", "/Input", "/Output", "/Finish"];
        mood.instead = lines.iter().flat_map(|line| [(*line, 0, ""), (*line, 503, "")]).collect();
        mood.jobs.push_back(job(1, "count", json!({})));
    });
    let mut runner = Runner::start(&peer, "", &[]);
    peer.wait("Jobs(1L)/Finish", 3);
    runner.signal("INT");
    assert_eq!(runner.end(), 0, "{}", runner.log());
    let output = peer.wait("PUT Jobs(1L)/Output", 3);
    assert!(output.body.starts_with(b"5 "), "{:?}", output.body);
}

#[test]
fn a_lost_registration_is_made_anew() {
    const LOST: &str = r#"{"odata.error":{"code":"lost_lease","message":{"lang":"en-US","value":"Another one registered."}}}"#;
    let peer = Peer::open();
    peer.set(|mood| {
        mood.instead = vec![("/Claim", 409, LOST), ("/Register", 409, "")];
        mood.jobs.push_back(job(1, "say", json!({"text": "x"})));
    });
    let mut runner = Runner::start(&peer, "", &["--force"]);
    peer.wait("Jobs(1L)/Finish", 1);
    let force: Vec<bool> = peer.calls("Register").iter().map(|call| call.json()["Force"] == true).collect();
    assert_eq!(force.len(), 3, "once, then 409 after the first claim is waited out");
    assert!(!force[2], "by force only at its start");
    runner.signal("TERM");
    assert_eq!(runner.end(), 0, "{}", runner.log());
}

#[test]
fn a_runner_that_is_refused_ends() {
    for (line, status, expected) in [
        ("/Register", 401, "the token does not count"),
        ("/Register", 400, "the server refuses the runner"),
        ("/Claim", 401, "the token does not count"),
        ("/Claim", 404, "the server does not know this runner any more"),
        ("/Heartbeat", 401, "the token does not count"),
    ] {
        let peer = Peer::open();
        peer.set(|mood| mood.instead = vec![(line, status, "")]);
        let mut runner = Runner::start(&peer, "", &[]);
        let parameters = json!({"file": runner.pid_file()});
        peer.set(|mood| mood.jobs.push_back(job(1, "wait", parameters)));
        assert_eq!(runner.end(), 3, "{line} {status}: {}", runner.log());
        assert!(runner.log().contains(expected), "{line} {status}: {}", runner.log());
        assert_eq!(peer.calls("Finish").len(), 0);
        assert_eq!(runner.scratch(), 0);
    }
}

#[test]
fn once_tells_what_became_of_it() {
    for (kind, expected, said) in [
        (Some("say"), 0, "finished"),
        (Some("fail"), 1, "job 1 failed: exit code 7"),
        (None, 0, "there is no job"),
    ] {
        let peer = Peer::open();
        if let Some(kind) = kind {
            peer.set(|mood| mood.jobs.extend([1, 2].map(|id| job(id, kind, json!({"text": "x"})))));
        }
        let mut runner = Runner::start(&peer, "", &["--once"]);
        assert_eq!(runner.end(), expected, "{}", runner.log());
        assert!(runner.log().contains(said), "{}", runner.log());
        assert_eq!(peer.calls("Claim").len(), 1);
        peer.wait("Unregister", 1);
    }
}

#[test]
fn check_says_what_would_be_run() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let run = |config: &str, arguments: &[&str]| {
        std::fs::write(folder.path().join("build.toml"), config).expect("a file can be written");
        let mut command = Command::new(binary());
        command.args(["runner", "--config", "build.toml"]).args(arguments);
        command.env("ODONATA_RUNNER_TOKEN", "odo_secret").current_dir(folder.path());
        let output = command.output().expect("the binary can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    };
    let (code, text) = run(&format!("server = \"http://127.0.0.1:1\"\n{KINDS}"), &["--check"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("count: /usr/bin/wc -c {input}\n"), "{text}");
    assert!(text.contains("3600 s, any memory, 256 MiB of output; variables: PATH\n"), "{text}");
    assert!(!text.contains("odo_secret"), "{text}");
    let (code, text) = run("slots = 0\n[kinds.a]\ncommand = [\"wc\"]", &["--check"]);
    assert_eq!(code, Some(1), "{text}");
    for line in [
        "build.toml:1: server: is missing",
        "build.toml:1: slots: ",
        "build.toml:3: kinds.a.command: wc: ",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let (code, text) = run("", &["--check", "--page-size", "7"]);
    assert_eq!(
        (code, text.as_str()),
        (Some(1), "odonata: --page-size is a setting of the server\n")
    );
}

#[test]
fn the_readmes_example_is_one() {
    let readme = std::fs::read_to_string(here().join("../README.md")).expect("there is a README");
    let section = readme.split_once("\n## Runners\n").expect("there is a section").1;
    let example = section
        .split_once("```toml\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .expect("there is an example")
        .0;
    let folder = TempDir::new().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("runner.toml"), example).expect("a file can be written");
    std::fs::write(folder.path().join("runner.token"), "odo_secret").expect("a file can be written");
    let checked = Command::new(binary())
        .args(["runner", "--check"])
        .current_dir(folder.path())
        .output();
    let checked = checked.expect("the binary can be started");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let keys = section.split_once("| key |").expect("there is a table").1;
    let help = Command::new(binary())
        .args(["runner", "--help"])
        .output()
        .expect("the binary can be started");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let known: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once(" = "))
        .map(|row| row.0)
        .collect();
    assert!(known.len() > 12, "{help}");
    for key in known {
        assert!(keys.contains(&format!("| `{key}` |")), "the README's table has no row for {key}");
    }
}

//! The README keeps its word: its tour runs as it stands, against a new server, and its settings are the server's.
//!
//! Blocks that open with ```` ```sh tour ```` run in order with bash, each as a script of its own; `restart` after it means
//! that the text before the block has the reader start the server again, `background` that its one command goes on in a terminal
//! of its own until then, and that what follows waits for its first line. A command's output is compared with the `# =>` lines
//! below it, where `…` stands for anything; one that ends with an empty line instead only has to succeed. So does `schema/JOBS.md`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use odata_tests::database::{Database, System};
use odata_tests::here;
use odata_tests::server::{Server, binary};
use tempfile::TempDir;

/// What the README's commands use, and the test replaces.
const ADDRESS: &str = "http://127.0.0.1:8080";
const RUN: &str = "cargo run -q --";
const SETTINGS: &[(&str, &str)] = &[("ODONATA_ADMIN_PASSWORD", "secret")];
/// What a command in the background says.
const BESIDE: &str = "background.log";
/// Printed between the outputs of two commands.
const MARK: &str = "@@ next";

struct Block {
    restart: bool,
    background: bool,
    steps: Vec<Step>,
}

/// A command, and the lines that it prints.
#[derive(Default)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn readme() -> String {
    std::fs::read_to_string(here().join("../README.md")).expect("there is a README")
}

fn blocks(text: &str) -> Vec<Block> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(flags) = line.strip_prefix("```sh tour") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        all.push(Block {
            restart: flags.trim() == "restart",
            background: flags.trim() == "background",
            steps: steps(&body),
        });
    }
    all
}

fn steps(body: &[&str]) -> Vec<Step> {
    let mut all = vec![Step::default()];
    for line in body {
        let last = all.last_mut().expect("there is always one");
        match line.strip_prefix("# => ") {
            Some(expected) => last.expected.push(expected.to_owned()),
            None if last.expected.is_empty() && !line.is_empty() => last.command += &format!("{line}\n"),
            None => all.push(Step {
                command: format!("{line}\n"),
                ..Step::default()
            }),
        }
    }
    all
}

/// Whether a line is what a pattern with `…` says.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A command in a terminal of its own.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn here_and_now(text: &str, server: &Server) -> String {
    let binary = binary().to_str().expect("cargo's folder has a plain name");
    text.replace(ADDRESS, &server.base()).replace(RUN, binary)
}

/// Starts the command of a block, and waits for what it says first.
fn leave_running(block: &Block, server: &Server, folder: &Path) -> Background {
    let command = here_and_now(&block.steps[0].command, server);
    let log = folder.join(BESIDE);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let file = std::fs::File::create(&log).expect("a file can be made");
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("exec {command}")]).current_dir(folder);
    bash.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let mut running = Background(bash.spawn().expect("bash is there"));
    let begin = Instant::now();
    while !said().contains('\n') {
        let is_alive = matches!(running.0.try_wait(), Ok(None));
        assert!(is_alive && begin.elapsed() < Duration::from_secs(60), "{command}: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

fn run(block: &Block, server: &Server, database: &Database, folder: &Path) {
    let here_and_now = |text: &str| here_and_now(text, server);
    let mut script = String::from("set -e\n");
    for step in &block.steps {
        script += &here_and_now(&step.command);
        script += &format!("printf '\\n{MARK}\\n'\n");
    }
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(&script).current_dir(folder);
    bash.env("ODONATA_DATABASE", database.url())
        .env("ODONATA_PLUGINS", folder.join("plugins"));
    let output = bash.output().expect("bash is there");
    let text = String::from_utf8_lossy(&output.stdout);
    let beside = std::fs::read_to_string(folder.join(BESIDE)).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr) + &*beside;
    assert!(output.status.success(), "{script}\nprints\n{text}\n{errors}\n{}", server.log());
    for (step, printed) in block.steps.iter().zip(text.split(MARK)) {
        if step.expected.is_empty() {
            continue;
        }
        let printed: Vec<&str> = printed.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let fit = printed.len() == step.expected.len()
            && step
                .expected
                .iter()
                .zip(&printed)
                .all(|(pattern, line)| fits(&here_and_now(pattern), line));
        assert!(
            fit,
            "{}prints\n{}\ninstead of\n{}\n{errors}",
            step.command,
            printed.join("\n"),
            step.expected.join("\n")
        );
    }
}

#[test]
fn the_tour_runs_as_it_stands() {
    walk(&readme());
}

#[test]
fn so_does_that_of_runners() {
    walk(&std::fs::read_to_string(here().join("../schema/JOBS.md")).expect("the page is there"));
}

fn walk(page: &str) {
    let found = blocks(page);
    let commands: usize = found.iter().map(|block| block.steps.len()).sum();
    assert!(commands >= 10, "the page has a tour");
    for system in System::all() {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).expect("a folder can be made");
        let database = Database::fresh(system);
        let mut server = Server::start_with(&database, &plugins, SETTINGS);
        let mut running = Vec::new();
        for block in &found {
            if block.restart {
                running.clear();
                server.stop();
                server = Server::start_with(&database, &plugins, SETTINGS);
            }
            match block.background {
                true => running.push(leave_running(block, &server, folder.path())),
                false => run(block, &server, &database, folder.path()),
            }
        }
    }
}

#[test]
fn the_settings_are_the_servers() {
    let readme = readme();
    for setting in odonata::settings::all() {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{}` ", setting.key)));
        let row = row.unwrap_or_else(|| panic!("the README's table has no row for {}", setting.key));
        for part in [setting.variable(), setting.option().unwrap_or_default(), setting.default.to_owned()] {
            assert!(row.contains(&part), "{}: the row does not say {part}", setting.key);
        }
    }
}

/// A block of the README that says what a section of `odonata.toml` may be is one that the server starts with, as it stands.
#[test]
fn examples_of_settings_are_taken() {
    let readme = readme();
    let is_ours = |block: &&str| {
        let first = block.trim_start_matches('[').split(['.', ']', ' ']).next().unwrap_or_default();
        let mut keys = odonata::settings::all().map(|setting| setting.key.split('.').next().unwrap_or_default());
        first == "issuer" || keys.any(|key| key == first)
    };
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let ours: Vec<&str> = blocks.filter(is_ours).collect();
    assert!(ours.len() >= 2, "{ours:?}");
    for block in ours {
        // The secrets that the text beside the block has in the environment.
        let environment = |variable: &str| (block.contains(variable)).then(|| "secret".to_owned());
        let gathered = odonata::settings::Settings::gather(Some(("README.md", block)), environment, |_| None);
        assert!(gathered.is_ok(), "{gathered:?}\n{block}");
    }
}

#[test]
fn the_settings_of_issuers_are_the_servers() {
    use odonata::settings::issuer::{ISSUER, variable};
    let readme = readme();
    let table = readme
        .split_once("| key in `[issuer.NAME]` ")
        .expect("the README has a table for issuers")
        .1;
    let table: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(table.len(), ISSUER.len());
    for (setting, row) in ISSUER.iter().zip(table) {
        assert!(row.starts_with(&format!("| `{}` ", setting.key)), "{}: {row}", setting.key);
        for part in [variable("NAME", setting.key), setting.default.to_owned()] {
            assert!(row.contains(&part), "{}: the row does not say {part}", setting.key);
        }
    }
}

#[test]
fn every_promise_has_a_test() {
    let root = here().join("..");
    let page = std::fs::read_to_string(root.join("SECURITY.md")).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    let mut promises = 0;
    for row in rows {
        let held = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        assert!(!held.is_empty(), "{row}");
        for path in held.split(' ') {
            assert!(
                path.starts_with("odata-tests/") && root.join(path).exists(),
                "{path} is not there: {row}"
            );
        }
        promises += 1;
    }
    assert!(promises > 20, "{promises} promises");
}

#[test]
fn patterns_fit() {
    for (pattern, line, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a…", "abc", true),
        ("a…c", "abc", true),
        ("a…c", "abd", false),
        ("…b…d…", "abcd", true),
        ("…d…b", "abcd", false),
        ("{…}", "{}", true),
    ] {
        assert_eq!(fits(pattern, line), expected, "{pattern} {line}");
    }
}

#[test]
fn links_lead_somewhere() {
    let readme = readme();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let files: Vec<&str> = links
        .map(|(link, _)| link)
        .filter(|link| !link.contains("://") && !link.starts_with('#'))
        .collect();
    assert!(files.len() > 3, "the README links files");
    for file in files {
        assert!(here().join("..").join(file).exists(), "{file}");
    }
}

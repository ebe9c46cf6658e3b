//! Client programs of `clients/`: what they need is found where `.ci/run` installs it, they run against a server, and what they print is compared.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::browser::Origin;
use crate::client::encode_all;
use crate::server::{ADMIN_PASSWORD, Server};

/// Longest run of a program.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program, and the lines that it has to print: `ok NAME STEP` for each step.
#[derive(Debug)]
pub struct Program {
    /// In `clients/`; its name without the ending begins each line.
    pub file: &'static str,
    /// Steps that are taken once.
    pub once: &'static [&'static str],
    /// Steps that are taken in each format.
    pub each: &'static [&'static str],
    /// The formats; a line says `FORMAT: STEP`.
    pub formats: &'static [&'static str],
}

impl Program {
    /// The name in its lines.
    pub fn name(&self) -> &str {
        let name = self.file.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// What it prints when all is well.
    pub fn expected(&self) -> Vec<String> {
        let once = self.once.iter().map(|step| (*step).to_owned());
        let each = self
            .formats
            .iter()
            .flat_map(|format| self.each.iter().map(move |step| format!("{format}: {step}")));
        once.chain(each).map(|step| format!("ok {} {step}", self.name())).collect()
    }

    /// Runs it against a server; the error is what it printed.
    pub fn run(&self, server: &Server, installed: &Path) -> Result<(), String> {
        let file = crate::here().join("clients").join(self.file);
        let mut command = if self.file.ends_with(".py") {
            let mut python = Command::new(installed.join("python/bin/python3"));
            python.arg("-B").arg(file);
            python
        } else {
            let mut node = Command::new("node");
            node.arg(file).env("NODE_PATH", installed.join("node/node_modules"));
            node
        };
        command.env("ODATA_ROOT", format!("{}/api/Trade/", server.base()));
        command.env("ODATA_USER", "admin").env("ODATA_PASSWORD", ADMIN_PASSWORD);
        // Nothing here is to ask a proxy for the loopback address.
        command.env("NO_PROXY", "127.0.0.1,localhost");
        let (is_fine, printed) = printed(&mut command);
        self.compare(is_fine, &printed)
    }

    /// Opens it as a page of another origin; the error is the page's text.
    pub fn open(&self, server: &Server, origin: &Origin) -> Result<(), String> {
        let root = encode_all(&format!("{}/api/Trade/", server.base()));
        let page = format!("/clients/{}?root={root}&user=admin&password={ADMIN_PASSWORD}", self.file);
        self.compare(true, &origin.open(&page)?)
    }

    /// Compares what was printed; the error is the text.
    pub fn compare(&self, is_fine: bool, printed: &str) -> Result<(), String> {
        // Node and Python have warnings of their own.
        let is_step = |line: &&str| line.starts_with("ok ") || line.starts_with("FAILED ");
        let lines: Vec<&str> = printed.lines().filter(is_step).collect();
        let expected = self.expected();
        if is_fine && lines == expected {
            return Ok(());
        }
        Err(format!("{} prints\n{printed}\ninstead of\n{}\n", self.file, expected.join("\n")))
    }
}

/// The folder with what the programs need: `CLIENTS_DIR`, else `clients` in the target folder.
pub fn installed() -> PathBuf {
    if let Some(given) = std::env::var_os("CLIENTS_DIR") {
        return given.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test.ancestors().nth(3).expect("tests are in target/<profile>/deps");
    target.join("clients")
}

/// Whether a command is there and works. `REQUIRE_CLIENTS=1` makes its absence a failure.
pub fn is_there(what: &str, command: &mut Command) -> bool {
    let (is_fine, printed) = printed(command);
    if !is_fine {
        assert!(
            std::env::var("REQUIRE_CLIENTS").is_err(),
            "REQUIRE_CLIENTS is set and there is no {what}: {printed}"
        );
        println!("skipped: no {what}");
    }
    is_fine
}

/// Whether it ended with status 0, and what it printed. One that takes too long is killed.
fn printed(command: &mut Command) -> (bool, String) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("printed");
    let file = File::create(&path).expect("a file can be made");
    let copy = file.try_clone().expect("a file can be had twice");
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return (false, error.to_string()),
    };
    let is_fine = wait(&mut child, PATIENCE);
    (is_fine, std::fs::read_to_string(path).unwrap_or_default())
}

/// Whether it ends with status 0 within that time; it is killed after it.
fn wait(child: &mut Child, patience: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < patience {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

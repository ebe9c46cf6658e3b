//! The binary: found or built, started on a free port, killed when dropped; and its command line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::client::Client;
use crate::database::Database;

/// The password of the user `admin`.
pub const ADMIN_PASSWORD: &str = "the-tests-own-password";
/// Longest wait for the line `listening on`.
const START: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `host:port`.
    address: String,
    /// Working directory and log.
    folder: TempDir,
}

impl Server {
    /// Starts one; panics with its log when it does not come up.
    pub fn start(database: &Database, plugins: &Path) -> Server {
        Server::start_with(database, plugins, &[])
    }

    /// The same, with further environment variables.
    pub fn start_with(database: &Database, plugins: &Path, settings: &[(&str, &str)]) -> Server {
        Server::try_start(&database.url(), plugins, settings).unwrap_or_else(|log| panic!("the server does not start: {log}"))
    }

    /// The same; the error is the server's log.
    pub fn try_start(database: &str, plugins: &Path, settings: &[(&str, &str)]) -> Result<Server, String> {
        Server::try_start_binary(binary(), database, plugins, settings)
    }

    /// The same of another binary.
    pub fn try_start_binary(binary: &Path, database: &str, plugins: &Path, settings: &[(&str, &str)]) -> Result<Server, String> {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let log = File::create(folder.path().join("log")).expect("a file can be made");
        let mut command = command(binary, database, plugins);
        command.env("ODONATA_LISTEN", "127.0.0.1:0").envs(settings.iter().copied());
        command.arg("serve").current_dir(folder.path());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = line.trim().strip_prefix("listening on http://") {
                    let _ = sender.send(address.trim_end_matches('/').to_owned());
                }
            }
        });
        let mut server = Server {
            child,
            address: String::new(),
            folder,
        };
        match receiver.recv_timeout(START) {
            Ok(address) => {
                server.address = address;
                Ok(server)
            }
            Err(_) => Err(server.log()),
        }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `http://host:port`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Without credentials.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.address)
    }

    /// As the administrator.
    pub fn admin(&self) -> Client {
        self.anonymous().basic("admin", ADMIN_PASSWORD)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM: it ends what it does, and stops.
    pub fn terminate(&self) {
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&mut self) {
        self.terminate();
        let _ = self.child.wait();
    }

    /// SIGKILL, at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the binary with arguments to its end.
pub fn run(database: &str, plugins: &Path, arguments: &[&str]) -> Output {
    let output = command(binary(), database, plugins).args(arguments).stdin(Stdio::null()).output();
    output.expect("the binary can be started")
}

fn command(binary: &Path, database: &str, plugins: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ODONATA_")) {
        command.env_remove(name);
    }
    command.env("ODONATA_DATABASE", database);
    command.env("ODONATA_PLUGINS", plugins);
    command.env("ODONATA_ADMIN_PASSWORD", ADMIN_PASSWORD);
    // Most cases are not about passwords; those that are say how long one has to be.
    command.env("ODONATA_ACCOUNTS_PASSWORD_LENGTH", "1");
    command
}

/// The binary: `ODONATA_BIN`, else the one beside the test's folder, built when it is missing or older than its sources.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("ODONATA_BIN") {
            return given.into();
        }
        let test = std::env::current_exe().expect("a test knows its own path");
        let folder = test.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
        let binary = folder.join("odonata");
        let built = std::fs::metadata(&binary).and_then(|meta| meta.modified()).ok();
        let root = crate::here().join("..");
        let newest = ["src", "schema", "migrations"].iter().map(|part| newest(&root.join(part))).max();
        if built.is_none() || built < newest {
            let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            build.args(["build", "-q", "-p", "odonata", "--bin", "odonata"]).current_dir(&root);
            if folder.ends_with("release") {
                build.arg("--release");
            }
            assert!(build.status().is_ok_and(|status| status.success()), "the server can be built");
        }
        binary
    })
}

/// When the newest file of a folder was changed.
fn newest(folder: &Path) -> SystemTime {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return SystemTime::UNIX_EPOCH;
    };
    let times = entries.flatten().map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            newest(&path)
        } else {
            let changed = entry.metadata().and_then(|meta| meta.modified());
            changed.unwrap_or(SystemTime::UNIX_EPOCH)
        }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

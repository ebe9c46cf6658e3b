//! A PostgreSQL for the tests: one that `TEST_DATABASE_URL` names, or one of our own, started once per process from the
//! programs of an installation, in a temporary folder, on a free port, as an unprivileged user.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tempfile::TempDir;

/// Databases of the tests are called this, the process and a number.
const PREFIX: &str = "odonata_test_";

/// Runs as the unprivileged user. A line on its standard input is a crash of the server, which comes up again; when its standard input
/// closes, because the tests have ended in whatever way, it stops the server and removes the folder: nothing is left behind.
const SCRIPT: &str = r#"
bin=$1 folder=$2 port=$3 commit=$4
cd "$folder" || exit 1
"$bin/initdb" -D data -U postgres -A trust -E UTF8 --no-locale -N >log 2>&1 || exit 1
start() {
  "$bin/postgres" -D data -p "$port" -k "$folder" -c listen_addresses=127.0.0.1 -c max_connections=200 -c shared_buffers=64MB \
    -c fsync=off -c full_page_writes=off -c synchronous_commit="$commit" >>log 2>&1 &
}
start
while read -r crash; do
  kill -QUIT $!
  wait $!
  start
done
kill -QUIT $!
wait
cd / && rm -rf "$folder"
"#;

/// A cluster.
#[derive(Debug)]
pub struct Postgres {
    /// Everything before the database's name.
    base: String,
    /// A database that is there.
    main: String,
    /// Ours, if we started it: lives as long as the process.
    own: Option<(Child, TempDir)>,
}

impl Postgres {
    /// The one of this process; none when there is no installation.
    pub fn shared() -> Option<&'static Postgres> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED
            .get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
                Ok(url) => Some(Postgres::given(&url)),
                Err(_) => Postgres::start("off"),
            })
            .as_ref()
    }

    fn given(url: &str) -> Postgres {
        let (base, main) = url
            .rsplit_once('/')
            .expect("TEST_DATABASE_URL is postgres://user@host:port/database");
        let postgres = Postgres {
            base: base.to_owned(),
            main: main.to_owned(),
            own: None,
        };
        postgres.sweep();
        postgres
    }

    /// One of our own that may crash: what is committed is there afterwards. None when there is no installation.
    pub fn that_crashes() -> Option<Postgres> {
        Postgres::start("on")
    }

    /// Ends all connections at once, as a crash would, and starts anew.
    pub fn crash(&mut self) {
        if let Some(input) = self.own.as_mut().and_then(|(child, _)| child.stdin.as_mut()) {
            let _ = input.write_all(b"crash\n");
        }
    }

    fn start(commit: &str) -> Option<Postgres> {
        let bin = programs()?;
        let folder = TempDir::with_prefix("odonata-pg-").expect("a temporary folder can be made");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a port is free").port();
        let mut command = unprivileged(folder.path());
        command
            .args(["sh", "-c", SCRIPT, "sh"])
            .arg(bin)
            .arg(folder.path())
            .arg(port.to_string())
            .arg(commit);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("a shell can be started");
        let postgres = format!("postgres://postgres@127.0.0.1:{port}");
        let begin = Instant::now();
        while PgConnection::establish(&format!("{postgres}/postgres")).is_err() {
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || begin.elapsed() > Duration::from_secs(60) {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                panic!("PostgreSQL does not start: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Postgres {
            base: postgres,
            main: "postgres".to_owned(),
            own: Some((child, folder)),
        })
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base)
    }

    /// Makes a database, a copy of `template` if there is one, and says its name.
    pub fn create(&self, template: Option<&str>) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{PREFIX}{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let template = template.unwrap_or("template0");
        // A process that has just ended may still be connected to the template for a moment.
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
        let begin = Instant::now();
        loop {
            match self.connect().batch_execute(&statement) {
                Ok(()) => return name,
                Err(error) if begin.elapsed() > Duration::from_secs(10) => panic!("{statement}: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Drops a database, whoever is connected.
    pub fn remove(&self, name: &str) {
        if let Ok(mut connection) = PgConnection::establish(&self.url(&self.main)) {
            let dropped = connection.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            if let Err(error) = dropped {
                let _ = writeln!(std::io::stderr(), "cannot drop {name}: {error}");
            }
        }
    }

    fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url(&self.main)).expect("PostgreSQL takes connections")
    }

    /// Removes what processes that are no more have left behind.
    fn sweep(&self) {
        #[derive(QueryableByName)]
        struct Name {
            #[diesel(sql_type = diesel::sql_types::Text)]
            name: String,
        }
        let all = diesel::sql_query("SELECT datname::text AS name FROM pg_database").load::<Name>(&mut self.connect());
        for Name { name } in all.unwrap_or_default() {
            let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                self.remove(&name);
            }
        }
    }
}

/// The folder with `initdb` and `postgres`: on the PATH, or the newest of Debian's.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    folders.extend(debian.into_iter().rev());
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// A command that runs what is appended to it as a user who is not root: PostgreSQL's programs refuse to run as root.
fn unprivileged(folder: &Path) -> Command {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/proc/self").map(|me| me.uid() == 0).unwrap_or(false);
    if !root {
        return Command::new("env");
    }
    let given = Command::new("chown").arg("postgres").arg(folder).status();
    assert!(given.is_ok_and(|status| status.success()), "there is a user `postgres`");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    command
}

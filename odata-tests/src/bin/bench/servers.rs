//! The programs under measurement, as child processes, and what the kernel says about them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::cases;
use crate::client::basic;
use crate::cluster::Cluster;

const PASSWORD: &str = "bench-password";
/// Longest wait for a program to accept connections, or to stop.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes away.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    /// Made in `parent`, or where the system keeps temporary files.
    pub fn new(parent: Option<&Path>) -> Outcome<Folder> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let path = parent.join(format!("odonata-bench-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Folder {
            path: path.canonicalize()?,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Which of the programs it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bare,
    Hand,
    Odonata,
}

/// A server that accepts requests. It is stopped when this is dropped.
pub struct Server {
    pub name: &'static str,
    pub kind: Kind,
    /// `127.0.0.1:port`.
    pub address: String,
    /// Header lines of every request.
    pub headers: String,
    /// See [`cases::deep_pages`].
    pub deep_pages: Vec<String>,
    /// The key of the next row that the insert case makes.
    pub next_id: AtomicU64,
    /// The database's processes, if they are ours; they stop after the server.
    pub cluster: Option<Cluster>,
    child: Child,
}

impl Server {
    fn start(name: &'static str, kind: Kind, command: &mut Command, rows: u64) -> Outcome<Server> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let address = lines.find_map(|line| {
            line.ok()?
                .split_once("listening on http://")
                .map(|(_, address)| address.trim().to_string())
        });
        // What else it writes is read and dropped, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            let status = child.wait()?;
            return Err(format!("{name} stopped at its start: {status}").into());
        };
        let headers = match kind {
            Kind::Odonata => basic("admin", PASSWORD),
            _ => String::new(),
        };
        let mut server = Server {
            name,
            kind,
            address,
            headers,
            deep_pages: Vec::new(),
            next_id: AtomicU64::new(rows + 1),
            cluster: None,
            child,
        };
        server.deep_pages = cases::deep_pages(&server, rows)?;
        Ok(server)
    }

    /// User and system time so far, in kernel ticks.
    pub fn ticks(&self) -> Outcome<u64> {
        ticks(self.child.id())
    }

    /// The same of the database's processes, if they are ours.
    pub fn database_ticks(&self) -> Outcome<Option<u64>> {
        self.cluster.as_ref().map(Cluster::ticks).transpose()
    }

    /// Begins a new measurement of peak memory, where the kernel lets us.
    pub fn reset_peak(&self) {
        let _ = fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    /// `VmHWM` in MiB.
    pub fn peak(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child, "TERM");
    }
}

/// Fields 14 and 15 of `/proc/<pid>/stat`. The name in field 2 may hold spaces, so counting begins after it.
pub fn ticks(process: u32) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let rest = stat.rsplit_once(')').ok_or("an odd /proc/stat")?.1;
    Ok(rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum())
}

/// Asks a child to stop, and insists after a while.
pub fn stop(child: &mut Child, signal: &str) {
    let _ = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Where cargo puts what it builds: this program is in `<target>/<profile>/`.
pub fn target_folder() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own
        .ancestors()
        .nth(2)
        .ok_or("this program is not in a target folder")?
        .to_path_buf())
}

/// The release binary, built now so that it is never an old one.
pub fn build_odonata() -> Outcome<PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let target = target_folder()?;
    let status = Command::new(cargo)
        .args(["build", "--release", "-p", "odonata", "--bin", "odonata", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    match status.success() {
        true => Ok(target.join("release/odonata")),
        false => Err("the release build failed".into()),
    }
}

fn odonata(binary: &Path, folder: &Folder, database: &str) -> Outcome<Command> {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.path.join("odonata.log"))?;
    let mut command = Command::new(binary);
    command
        .current_dir(&folder.path)
        .env("ODONATA_LISTEN", "127.0.0.1:0")
        .env("ODONATA_DATABASE", database)
        .env("ODONATA_PLUGINS", folder.path.join("plugins"))
        .env("ODONATA_ADMIN_PASSWORD", PASSWORD)
        .stderr(log);
    Ok(command)
}

/// Loads both CSV files with `odonata load`, on a new database; says how long the items took.
pub fn fill_odonata(binary: &Path, folder: &Folder, database: &str, rows: u64) -> Outcome<String> {
    let mut seconds = 0.0;
    for (set, file) in [("Items", "items.csv"), ("Parts", "parts.csv")] {
        eprintln!(
            "bench: odonata load Bench/{set} into {}",
            database.split(':').next().unwrap_or_default()
        );
        let begin = Instant::now();
        let output = odonata(binary, folder, database)?
            .args(["load", &format!("Bench/{set}"), file])
            .stderr(Stdio::piped())
            .output()?;
        if !output.status.success() {
            return Err(format!("odonata load: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        if set == "Items" {
            seconds = begin.elapsed().as_secs_f64();
        }
    }
    Ok(format!("{rows} rows in {seconds:.1} s, {:.0} rows/s", rows as f64 / seconds))
}

/// Odonata with the benchmark's plugin.
pub fn start_odonata(name: &'static str, binary: &Path, folder: &Folder, database: &str, rows: u64) -> Outcome<Server> {
    Server::start(name, Kind::Odonata, odonata(binary, folder, database)?.arg("serve"), rows)
}

/// This program as one of the two that Odonata is compared with.
pub fn start_rival(name: &'static str, subcommand: &str, folder: &Path, rows: u64) -> Outcome<Server> {
    let kind = if subcommand == crate::rivals::BARE {
        Kind::Bare
    } else {
        Kind::Hand
    };
    let mut command = Command::new(std::env::current_exe()?);
    Server::start(name, kind, command.arg(subcommand).arg(folder).arg(rows.to_string()), rows)
}

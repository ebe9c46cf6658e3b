//! A PostgreSQL of our own, as long as the benchmark runs.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use crate::Outcome;
use crate::options::Options;
use crate::servers::{Folder, PATIENCE, stop, ticks};

/// A PostgreSQL database; a server process of its own, unless the person named one.
pub struct Cluster {
    pub url: String,
    child: Option<Child>,
}

impl Cluster {
    /// User and system time of all its processes, in ticks; ended ones are counted at their parent, where fields 16 and 17 are.
    pub fn ticks(&self) -> Outcome<u64> {
        let Some(child) = &self.child else { return Ok(0) };
        let mut all = ticks(child.id())?;
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // A process may end while we look; it is then not ours to count.
            let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else {
                continue;
            };
            let parent = stat
                .rsplit_once(')')
                .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
            if parent == Some(child.id()) {
                all += ticks(process).unwrap_or(0);
            }
        }
        Ok(all)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A fast shutdown: it does not wait for clients.
            stop(child, "INT");
        }
    }
}

/// The PostgreSQL of this run: the named one, or a cluster in the folder. None, with a word about it, if there is no program for it.
pub fn postgres(options: &Options, folder: &Folder) -> Outcome<Option<Cluster>> {
    if options.no_postgres {
        return Ok(None);
    }
    if let Some(url) = &options.postgres {
        return Ok(Some(Cluster {
            url: url.clone(),
            child: None,
        }));
    }
    match (program("initdb"), program("postgres")) {
        (Some(initdb), Some(postgres)) => start_cluster(&initdb, &postgres, &folder.path).map(Some),
        _ => {
            eprintln!("bench: no PostgreSQL programs found, so it is left out");
            Ok(None)
        }
    }
}

/// On the PATH, or where Debian keeps the programs of the server.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// User and group that a server started by root runs as: PostgreSQL refuses to run as root.
fn unprivileged() -> Outcome<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let mut fields = users
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?
            .split(':')
            .skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .map(Some)
        .ok_or_else(|| "no user to run PostgreSQL as".into())
}

fn start_cluster(initdb: &Path, postgres: &Path, folder: &Path) -> Outcome<Cluster> {
    let data = folder.join("postgres");
    fs::create_dir_all(&data)?;
    let user = unprivileged()?;
    let as_user = |program: &Path| {
        let mut command = Command::new(program);
        command
            .current_dir(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        command
    };
    if let Some((user, group)) = user {
        std::os::unix::fs::chown(&data, Some(user), Some(group))?;
    }
    eprintln!("bench: starting PostgreSQL");
    let made = as_user(initdb)
        .args(["-U", "bench", "--auth=trust", "-E", "UTF8", "--locale=C", "-D"])
        .arg(&data)
        .status()?;
    if !made.success() {
        return Err(format!("initdb: {made}").into());
    }
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let child = as_user(postgres)
        .arg("-D")
        .arg(&data)
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c"])
        .arg(format!("port={port}"))
        .spawn()?;
    let cluster = Cluster {
        url: format!("postgres://bench@127.0.0.1:{port}/bench"),
        child: Some(child),
    };
    let begin = Instant::now();
    loop {
        match PgConnection::establish(&format!("postgres://bench@127.0.0.1:{port}/postgres")) {
            Ok(mut connection) => {
                connection.batch_execute("CREATE DATABASE bench")?;
                return Ok(cluster);
            }
            Err(error) if begin.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

//! Servers of others that tests start: programs found, ports chosen, certificates made. `.ci/run` installs the programs.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether programs are there, where services have theirs too. One line says what is not. `REQUIRE_PEERS=1` makes it a failure.
pub fn are_there(names: &[&str]) -> bool {
    let missing: Vec<&str> = names.iter().copied().filter(|name| program(name).is_none()).collect();
    missing.is_empty() || is_left_out(&missing.join(", "))
}

/// Says in one line that something is left out because `what` is not there; false. `REQUIRE_PEERS=1` makes it a failure.
pub fn is_left_out(what: &str) -> bool {
    assert!(
        std::env::var_os("REQUIRE_PEERS").is_none(),
        "REQUIRE_PEERS is set and there is no {what}"
    );
    println!("skipped: no {what}");
    false
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A command of a program that is there.
pub fn command(name: &str) -> Command {
    Command::new(program(name).unwrap_or_else(|| PathBuf::from(name)))
}

/// Runs a command to its end; panics with what it printed unless it succeeds.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{command:?} prints\n{text}");
    text
}

/// A port of the loopback address that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// A server of others; killed when dropped.
#[derive(Debug)]
pub struct Peer(Child);

impl Peer {
    /// Starts one and waits until it listens on a port.
    pub fn start(command: &mut Command, port: u16) -> Peer {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut peer = Peer(child.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = peer.0.try_wait().ok().flatten();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "{command:?} does not listen: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes an authority, `NAME.pem` in a folder, and a certificate by it for the loopback address, `NAME-server.pem` and `NAME-server.key`.
pub fn certify(folder: &Path, name: &str) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let openssl = || {
        let mut openssl = command("openssl");
        openssl.current_dir(folder);
        openssl
    };
    let subject = format!("/CN={name}");
    let (ca, ca_key) = (format!("{name}.pem"), format!("{name}.key"));
    run(openssl()
        .args(["req", "-x509", "-days", "2", "-subj", &subject, "-keyout", &ca_key, "-out", &ca])
        .args(key)
        .args(["-addext", "keyUsage=critical,keyCertSign"]));
    let (request, server_key) = (format!("{name}-server.csr"), format!("{name}-server.key"));
    run(openssl()
        .args(["req", "-subj", "/CN=localhost", "-keyout", &server_key, "-out", &request])
        .args(key));
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("a file can be written");
    let server = format!("{name}-server.pem");
    run(openssl()
        .args(["x509", "-req", "-days", "2", "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"])
        .args(["-in", &request, "-out", &server, "-extfile", "names"]));
}

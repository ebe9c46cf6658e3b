//! A headless browser with a page of another origin: a small server for the page's files, and Chromium until the page reports.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tempfile::TempDir;

/// Longest time until a page reports.
const PATIENCE: Duration = Duration::from_secs(180);
/// Names that distributions give to Chromium.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// No window, nothing but the loopback address, nothing kept. Root has no sandbox.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// The browser's command: `CHROMIUM`, else the first known name in the path.
pub fn command() -> Command {
    if let Some(given) = std::env::var_os("CHROMIUM") {
        return Command::new(given);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_found = |name: &&&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    Command::new(NAMES.iter().find(is_found).unwrap_or(&NAMES[0]))
}

/// The origin that the pages come from: `/clients/` and `/modules/` are folders, a POST is the page's report.
#[derive(Debug)]
pub struct Origin {
    address: String,
    reports: Receiver<String>,
}

impl Origin {
    /// Listens on a free port for as long as the process lives.
    pub fn start(clients: PathBuf, modules: PathBuf) -> std::io::Result<Origin> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (sender, reports) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sender, clients, modules) = (sender.clone(), clients.clone(), modules.clone());
                // A browser opens connections that it does not use.
                std::thread::spawn(move || answer(stream, &clients, &modules, &sender));
            }
        });
        Ok(Origin { address, reports })
    }

    /// As browsers write it.
    pub fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens a page and waits for its text; the error says what went wrong.
    pub fn open(&self, page: &str) -> Result<String, String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let mut browser = command();
        browser.args(FLAGS).arg(format!("--user-data-dir={}", folder.path().display()));
        browser.arg(format!("{}{page}", self.name()));
        browser.env("HOME", folder.path());
        browser.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = browser.spawn().map_err(|error| error.to_string())?;
        let report = self.reports.recv_timeout(PATIENCE);
        let _ = child.kill();
        let _ = child.wait();
        report.map_err(|_| "the page does not report".to_owned())
    }
}

/// One request of a connection, which is closed after it.
fn answer(mut stream: TcpStream, clients: &Path, modules: &Path, reports: &Sender<String>) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let Some((method, path, body)) = read(&stream) else { return };
    if method == "POST" {
        let _ = reports.send(body);
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        return;
    }
    let found = file(&path, clients, modules).and_then(|file| Some((kind(&file), std::fs::read(&file).ok()?)));
    let (status, kind, content) = match found {
        Some((kind, content)) => ("200 OK", kind, content),
        None => ("404 Not Found", "text/plain", Vec::new()),
    };
    let length = content.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content));
}

/// Method, target and body.
fn read(stream: &TcpStream) -> Option<(String, String, String)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 {
            return None;
        }
        match header.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, String::from_utf8_lossy(&body).into_owned()))
}

fn file(target: &str, clients: &Path, modules: &Path) -> Option<PathBuf> {
    let path = target.split('?').next()?;
    if path.contains("..") {
        return None;
    }
    let under = |prefix: &str, folder: &Path| path.strip_prefix(prefix).map(|rest| folder.join(rest));
    under("/clients/", clients).or_else(|| under("/modules/", modules))
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("css") => "text/css",
        _ => "text/plain; charset=utf-8",
    }
}

//! An issuer of tokens: a small HTTP server on loopback with a configuration, keys, and word on opaque tokens. A test sets what it
//! answers, and counts what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::tokens::Key;

/// Longest wait for a request on a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest line of a request, and most of them.
const LINE: u64 = 64 * 1024;
const LINES: usize = 64;
/// Bytes of the answer that is too long.
const HUGE: usize = 4 * 1024 * 1024;

/// How it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Mood {
    /// It answers.
    Well,
    /// It answers after a while.
    Slow(Duration),
    /// It closes the connection.
    Gone,
    /// It answers with this status.
    Status(u16),
    /// It answers with this.
    Says(String),
    /// It answers with more than anybody wants to read.
    Huge,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    /// What `issuer` of the configuration says.
    name: String,
    keys: Vec<Value>,
    tokens: HashMap<String, Value>,
    requests: Vec<Request>,
}

/// A request that it got.
#[derive(Debug, Clone)]
pub struct Request {
    /// The path.
    pub path: String,
    /// `Authorization`.
    pub authorization: String,
    /// The body.
    pub body: String,
}

/// A running issuer; it stops when dropped.
#[derive(Debug)]
pub struct Issuer {
    address: String,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
}

impl Issuer {
    /// One with these keys.
    pub fn start(keys: &[&Key]) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Well,
            name: format!("http://{address}"),
            keys: keys.iter().map(|key| key.public()).collect(),
            tokens: HashMap::new(),
            requests: Vec::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (serving, stopping) = (state.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let state = serving.clone();
                // Who goes away in the middle is no concern of ours.
                std::thread::spawn(move || answer(stream, &state).ok());
            }
        });
        Issuer { address, state, stop }
    }

    /// What `iss` of its tokens says.
    pub fn name(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How it is from now on.
    pub fn set_mood(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// Whom its configuration names.
    pub fn set_name(&self, name: &str) {
        self.lock().name = name.to_owned();
    }

    /// What it publishes from now on.
    pub fn set_keys(&self, keys: &[&Key]) {
        self.lock().keys = keys.iter().map(|key| key.public()).collect();
    }

    /// What it says about an opaque token.
    pub fn tell(&self, token: &str, says: Value) {
        self.lock().tokens.insert(token.to_owned(), says);
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How often a path was asked for.
    pub fn count(&self, path: &str) -> usize {
        self.lock().requests.iter().filter(|request| request.path == path).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits.
        let _ = TcpStream::connect(&self.address);
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let request = read(&mut reader)?;
    let (mood, body) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests.push(request.clone());
        (state.mood.clone(), document(&state, &request))
    };
    let (status, body) = match mood {
        Mood::Gone => return Ok(()),
        Mood::Slow(pause) => {
            std::thread::sleep(pause);
            (200, body)
        }
        Mood::Well => (if body.is_some() { 200 } else { 404 }, body),
        Mood::Status(status) => (status, body),
        Mood::Says(text) => (200, Some(text)),
        Mood::Huge => (200, Some(format!("{{\"active\":true,\"keys\":[],\"x\":\"{}\"}}", "x".repeat(HUGE)))),
    };
    let body = body.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nLocation: /elsewhere\r\nConnection: close\r\n\r\n",
        body.len()
    );
    reader.get_mut().write_all(head.as_bytes())?;
    reader.get_mut().write_all(body.as_bytes())
}

fn document(state: &State, request: &Request) -> Option<String> {
    Some(match request.path.as_str() {
        "/.well-known/openid-configuration" => {
            let here = &state.name;
            json!({"issuer": here, "jwks_uri": format!("{here}/keys")}).to_string()
        }
        "/keys" | "/elsewhere" => json!({"keys": state.keys}).to_string(),
        "/tell" => {
            let token = request
                .body
                .split('&')
                .find_map(|pair| pair.strip_prefix("token="))
                .unwrap_or_default();
            state.tokens.get(token).cloned().unwrap_or(json!({"active": false})).to_string()
        }
        _ => return None,
    })
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Request> {
    let mut lines = Vec::new();
    for _ in 0..LINES {
        let mut line = String::new();
        reader.take(LINE).read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let named = |line: &&String| line.split(':').next().is_some_and(|known| known.eq_ignore_ascii_case(name));
        let line = lines.iter().find(named);
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    };
    let length: u64 = header("Content-Length").parse().unwrap_or(0);
    let (path, authorization) = (
        lines.first().and_then(|line| line.split(' ').nth(1)),
        header("Authorization").to_owned(),
    );
    let mut body = String::new();
    reader.take(length.min(LINE)).read_to_string(&mut body)?;
    Ok(Request {
        path: path.unwrap_or_default().to_owned(),
        authorization,
        body,
    })
}

//! The server's side of the protocol of runners, canned.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a registration is known by.
pub const GUID: &str = "7b0d2c0e-53a1-4b27-9d39-5d6ad1c1a001";
/// Longest wait for something to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A request that came.
#[derive(Debug, Clone)]
pub struct Call {
    /// `POST Jobs(17L)/Finish`.
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Call {
    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// How the other side behaves.
#[derive(Debug, Default)]
pub struct Mood {
    /// Jobs that are waiting.
    pub jobs: VecDeque<Value>,
    /// Of every job.
    pub input: Option<Vec<u8>>,
    /// The next answers to requests whose line ends so, instead of the usual; 0 hangs up.
    pub instead: Vec<(&'static str, u16, &'static str)>,
    /// Heartbeats say it from now on.
    pub stop: bool,
}

/// What it is in, and what came; rings when the first changes.
type State = (Mutex<(Mood, Vec<Call>)>, Condvar);

/// The server's side of the protocol, as far as a runner sees it.
pub struct Peer {
    pub port: u16,
    state: Arc<State>,
}

impl Peer {
    /// On a free port.
    pub fn open() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("it has an address").port();
        let state = Arc::new((Mutex::default(), Condvar::new()));
        let inner = state.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = inner.clone();
                std::thread::spawn(move || converse(stream, &state));
            }
        });
        Peer { port, state }
    }

    /// Changes its mood.
    pub fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.state.0.lock().unwrap().0);
        self.state.1.notify_all();
    }

    /// Requests whose line ends so.
    pub fn calls(&self, end: &str) -> Vec<Call> {
        let state = self.state.0.lock().unwrap();
        state.1.iter().filter(|call| call.line.ends_with(end)).cloned().collect()
    }

    /// Waits for so many of them; the last one.
    pub fn wait(&self, end: &str, number: usize) -> Call {
        let until = Instant::now() + PATIENCE;
        loop {
            let calls = self.calls(end);
            if calls.len() >= number {
                return calls[number - 1].clone();
            }
            let all: Vec<Call> = self.calls("");
            assert!(Instant::now() < until, "{} of {number} {end}: {all:#?}", calls.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn converse(stream: TcpStream, state: &State) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut from = BufReader::new(stream);
    loop {
        let call = receive(&mut from)?;
        let (status, body) = {
            let mut held = state.0.lock().ok()?;
            held.1.push(call.clone());
            let instead = held.0.instead.iter().position(|row| call.line.ends_with(row.0));
            match instead.map(|index| held.0.instead.remove(index)) {
                Some((_, 0, _)) => return None,
                Some((_, status, body)) => (status, body.as_bytes().to_vec()),
                None => {
                    if call.line.ends_with("/Claim") {
                        let idle = |(mood, _): &mut (Mood, _)| mood.jobs.is_empty();
                        held = state.1.wait_timeout_while(held, Duration::from_secs(1), idle).ok()?.0;
                    }
                    answer(&call.line, &mut held.0)
                }
            }
        };
        let head = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        out.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
}

fn receive(from: &mut impl BufRead) -> Option<Call> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|many| *many > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap_or(0))];
    from.read_exact(&mut body).ok()?;
    let line = lines[0].trim_end_matches(" HTTP/1.1").replace("/api/Core/", "");
    Some(Call { line, headers, body })
}

fn answer(line: &str, mood: &mut Mood) -> (u16, Vec<u8>) {
    let (status, body) = match line.rsplit('/').next().unwrap_or_default() {
        "Register" => (
            200,
            json!({"odata.metadata": "x", "RunnerId": "5", "Registration": GUID, "HeartbeatSeconds": 1, "LeaseSeconds": 6}),
        ),
        "Claim" => match mood.jobs.pop_front() {
            Some(job) => (200, job),
            None => return (204, Vec::new()),
        },
        "Input" => {
            return mood.input.clone().map_or((204, Vec::new()), |input| (200, input));
        }
        "Heartbeat" => (
            200,
            json!({"odata.metadata": "x", "Stop": mood.stop, "LeaseUntil": "2030-01-01T00:00:00Z"}),
        ),
        _ => return (204, Vec::new()),
    };
    (status, body.to_string().into_bytes())
}

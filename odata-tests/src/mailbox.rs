//! A mail server for tests: speaks as much SMTP as a client needs, keeps what it gets, and misbehaves when it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes everything.
    Good,
    /// Says this code to every recipient.
    Refuse(u16),
    /// Hangs up after the greeting.
    Drop,
    /// Takes the message and hangs up without a word.
    Silent,
}

/// A mail that came in.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Of the envelope.
    pub to: String,
    /// Head and body, as sent, without the dots of SMTP.
    pub text: String,
}

impl Letter {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\n\n").next()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body, its transfer coding taken off.
    pub fn body(&self) -> String {
        let body = self.text.split_once("\n\n").map_or("", |(_, body)| body);
        match self.header("Content-Transfer-Encoding") {
            Some("quoted-printable") => body.replace("=\n", "").replace("=3D", "="),
            _ => body.to_owned(),
        }
    }

    /// What follows `token=` in the body.
    pub fn token(&self) -> String {
        let body = self.body();
        let rest = body.split("token=").nth(1).unwrap_or_default();
        rest.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

/// The server.
#[derive(Debug)]
pub struct Mailbox {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    letters: Vec<Letter>,
    /// Conversations that were begun.
    calls: usize,
}

impl Mailbox {
    /// On a free port.
    pub fn open() -> Mailbox {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
        let port = listener.local_addr().expect("it has an address").port();
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Good,
            letters: Vec::new(),
            calls: 0,
        }));
        let inner = state.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = inner.clone();
                std::thread::spawn(move || {
                    // A client that goes away in the middle is no concern of the server's.
                    let _ = converse(stream, &state);
                });
            }
        });
        Mailbox { port, state }
    }

    /// For `ODONATA_MAIL_SERVER`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// How it behaves from now on.
    pub fn set(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// How often somebody has called.
    pub fn calls(&self) -> usize {
        lock(&self.state).calls
    }

    /// All that came for an address.
    pub fn of(&self, to: &str) -> Vec<Letter> {
        let state = lock(&self.state);
        state.letters.iter().filter(|letter| letter.to == to).cloned().collect()
    }

    /// All that came.
    pub fn all(&self) -> Vec<Letter> {
        lock(&self.state).letters.clone()
    }

    /// Waits until there are so many for an address; the last of them.
    pub fn wait(&self, to: &str, number: usize) -> Letter {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let letters = self.of(to);
            if letters.len() >= number {
                return letters.last().expect("there is one").clone();
            }
            assert!(Instant::now() < end, "{} of {number} mails to {to} in 30 seconds", letters.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn converse(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mood = {
        let mut state = lock(state);
        state.calls += 1;
        state.mood
    };
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    out.write_all(b"220 test ESMTP\r\n")?;
    if mood == Mood::Drop {
        return Ok(());
    }
    let mut to = Vec::new();
    while let Some(line) = lines.next() {
        let line = line?;
        let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match command.as_str() {
            "EHLO" => out.write_all(b"250-test\r\n250 8BITMIME\r\n")?,
            "MAIL" | "RSET" | "NOOP" => out.write_all(b"250 ok\r\n")?,
            "RCPT" => match mood {
                Mood::Refuse(code) => out.write_all(format!("{code} no\r\n").as_bytes())?,
                _ => {
                    to.extend(line.split(['<', '>']).nth(1).map(str::to_owned));
                    out.write_all(b"250 ok\r\n")?;
                }
            },
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let mut text = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push('\n');
                }
                if mood == Mood::Silent {
                    return Ok(());
                }
                let letters = to.drain(..).map(|to| Letter { to, text: text.clone() });
                lock(state).letters.extend(letters);
                out.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => return out.write_all(b"221 bye\r\n"),
            _ => out.write_all(b"502 what?\r\n")?,
        }
    }
    Ok(())
}

//! A small blocking HTTP/1.1 client that keeps its connection, and numbers drawn at random.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Outcome;

/// One request. `target` begins with `/`.
pub struct Request {
    pub method: &'static str,
    pub target: String,
    /// More header lines, each ending in CR LF; `Content-Type` is JSON's where there is a body and they do not name one.
    pub headers: &'static str,
    pub body: String,
}

impl Request {
    /// A GET.
    pub fn get(target: impl Into<String>) -> Request {
        Request {
            method: "GET",
            target: target.into(),
            headers: "",
            body: String::new(),
        }
    }

    /// The same, with more headers.
    pub fn with(mut self, headers: &'static str) -> Request {
        self.headers = headers;
        self
    }
}

/// Servers close what is idle for five seconds: after this time the next request has a new connection.
const IDLE: Duration = Duration::from_secs(3);

/// A connection that stays open.
pub struct Client {
    stream: TcpStream,
    address: String,
    used: Instant,
    head: String,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to `127.0.0.1:port`; `headers` go with every request, each line ending in CR LF.
    pub fn connect(address: &str, headers: &str) -> Outcome<Client> {
        Ok(Client {
            stream: open(address)?,
            address: address.to_owned(),
            used: Instant::now(),
            head: format!("Host: {address}\r\n{headers}"),
            out: Vec::new(),
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends a request and reads the whole answer: status and body. The body stays valid until the next call.
    pub fn send(&mut self, request: &Request) -> Outcome<(u16, &[u8])> {
        if self.used.elapsed() > IDLE {
            self.stream = open(&self.address)?;
        }
        self.used = Instant::now();
        self.out.clear();
        let (head, more) = (&self.head, request.headers);
        write!(self.out, "{} {} HTTP/1.1\r\n{head}{more}", request.method, request.target)?;
        if !request.body.is_empty() {
            if !request.headers.contains("Content-Type") {
                write!(self.out, "Content-Type: application/json\r\n")?;
            }
            write!(self.out, "Content-Length: {}\r\n", request.body.len())?;
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(request.body.as_bytes());
        self.stream.write_all(&self.out)?;
        self.buffer.clear();
        let body = loop {
            self.fill()?;
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..body])?.to_ascii_lowercase();
        let status: u16 = head.get(9..12).unwrap_or_default().parse()?;
        if status == 204 || status == 304 {
            return Ok((status, &[]));
        }
        if head.contains("transfer-encoding: chunked") {
            self.read_chunks(body)?;
        } else {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let end = body + length.ok_or("an answer without a length")?.trim().parse::<usize>()?;
            while self.buffer.len() < end {
                self.fill()?;
            }
        }
        Ok((status, &self.buffer[body..]))
    }

    fn fill(&mut self) -> Outcome<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + 32 * 1024, 0);
        loop {
            match self.stream.read(&mut self.buffer[start..]) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(count) => {
                    self.buffer.truncate(start + count);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes the chunk sizes out of the body that begins at `start`.
    fn read_chunks(&mut self, start: usize) -> Outcome<()> {
        let mut at = start;
        loop {
            let line = loop {
                match self.buffer[at..].windows(2).position(|bytes| bytes == b"\r\n") {
                    Some(length) => break at + length,
                    None => self.fill()?,
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[at..line])?.trim(), 16)?;
            while self.buffer.len() < line + 2 + size + 2 {
                self.fill()?;
            }
            self.buffer.drain(at..line + 2);
            at += size;
            self.buffer.drain(at..at + 2);
            if size == 0 {
                return Ok(());
            }
        }
    }
}

fn open(address: &str) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// `Authorization: Basic`, as a header line.
pub fn basic(name: &str, password: &str) -> String {
    let both = odata_tests::client::base64(format!("{name}:{password}").as_bytes());
    format!("Authorization: Basic {both}\r\n")
}

/// Numbers that are the same in every run (xorshift).
pub struct Draw(u64);

impl Draw {
    /// One sequence for each seed.
    pub fn new(seed: u64) -> Draw {
        Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }
}

//! A small blocking HTTP/1.1 client: any method, any target, bodies by length or in chunks, connections kept, answers unpacked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Names as sent, and values.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer coding, and unpacked.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of that name, in any case.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers_named(name).next()
    }

    /// Every value of a header.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `odata.error.code`, where the body is an error.
    pub fn code(&self) -> String {
        self.json()["odata.error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Talks to one server; keeps one connection, so use one for each thread.
#[derive(Debug)]
pub struct Client {
    address: String,
    authorization: Option<String>,
    connection: Mutex<Option<BufReader<TcpStream>>>,
}

impl Client {
    /// For `host:port`, without credentials.
    pub fn new(address: impl Into<String>) -> Client {
        Client {
            address: address.into(),
            authorization: None,
            connection: Mutex::new(None),
        }
    }

    /// The same, with a name and a password.
    pub fn basic(mut self, name: &str, password: &str) -> Client {
        self.authorization = Some(format!("Basic {}", base64(format!("{name}:{password}").as_bytes())));
        self
    }

    /// GET.
    pub fn get(&self, target: &str) -> io::Result<Reply> {
        self.send("GET", target, &[("Accept", "application/json")], None)
    }

    /// POST of a JSON body.
    pub fn post(&self, target: &str, body: &str) -> io::Result<Reply> {
        self.send("POST", target, &[("Content-Type", "application/json")], Some(body.as_bytes()))
    }

    /// Any request. The target is sent as it is: see [`encode`]. A connection that the server closed while it was idle is
    /// opened again, and only then is a request sent twice; never a POST.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> io::Result<Reply> {
        let mut message = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        let given = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !given("Host") {
            message.extend_from_slice(format!("Host: {}\r\n", self.address).as_bytes());
        }
        if let Some(authorization) = self.authorization.as_ref().filter(|_| !given("Authorization")) {
            message.extend_from_slice(format!("Authorization: {authorization}\r\n").as_bytes());
        }
        for (name, value) in headers {
            message.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !given("Content-Length")
            && !given("Transfer-Encoding")
            && (body.is_some() || matches!(method, "POST" | "PUT" | "PATCH" | "MERGE"))
        {
            message.extend_from_slice(format!("Content-Length: {}\r\n", body.map_or(0, <[u8]>::len)).as_bytes());
        }
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(body.unwrap_or_default());

        let mut kept = self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(mut stream) = kept.take() {
            match exchange(&mut stream, &message, method) {
                Ok((reply, keep)) => {
                    *kept = keep.then_some(stream);
                    return Ok(reply);
                }
                Err(_) if method != "POST" => {}
                Err(error) => return Err(error),
            }
        }
        let mut stream = BufReader::new(connect(&self.address)?);
        let (reply, keep) = exchange(&mut stream, &message, method)?;
        *kept = keep.then_some(stream);
        Ok(reply)
    }

    /// Sends bytes on a connection of their own, closes the sending side and reads one answer; none if the server just closes.
    pub fn raw(&self, message: &[u8]) -> io::Result<Option<Reply>> {
        let stream = connect(&self.address)?;
        let mut stream = BufReader::new(stream);
        // The server may answer and close before it has read everything.
        let _ = stream.get_mut().write_all(message);
        let _ = stream.get_mut().shutdown(std::net::Shutdown::Write);
        match read_reply(&mut stream, "GET") {
            Ok((reply, _)) => Ok(Some(reply)),
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One request and its answer, and whether the connection may be used again. When the server answers before it has read
/// the whole request, the answer still counts.
fn exchange(stream: &mut BufReader<TcpStream>, message: &[u8], method: &str) -> io::Result<(Reply, bool)> {
    let sent = stream.get_mut().write_all(message);
    let (reply, keep) = match read_reply(stream, method) {
        Ok(answer) => answer,
        Err(error) => return Err(sent.err().unwrap_or(error)),
    };
    Ok((reply, keep && sent.is_ok()))
}

fn read_reply(stream: &mut BufReader<TcpStream>, method: &str) -> io::Result<(Reply, bool)> {
    loop {
        let line = read_line(stream)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.ok_or_else(|| bad(format!("not a status line: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(format!("not a header: {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if (100..200).contains(&status) {
            continue;
        }
        let mut reply = Reply {
            status,
            headers,
            body: Vec::new(),
        };
        let closes = reply.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let mut keep = !closes;
        if method != "HEAD" && status != 204 && status != 304 {
            if reply
                .header("Transfer-Encoding")
                .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
            {
                reply.body = read_chunks(stream)?;
            } else if let Some(length) = reply.header("Content-Length") {
                let length: usize = length.parse().map_err(|_| bad("bad Content-Length".to_owned()))?;
                reply.body = vec![0; length];
                stream.read_exact(&mut reply.body)?;
            } else {
                stream.read_to_end(&mut reply.body)?;
                keep = false;
            }
        }
        if reply.header("Content-Encoding") == Some("gzip") && !reply.body.is_empty() {
            let packed = std::mem::take(&mut reply.body);
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut reply.body)?;
        }
        return Ok((reply, keep));
    }
}

fn read_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| bad(format!("bad chunk length {line:?}")))?;
        let start = body.len();
        body.resize(start + length, 0);
        stream.read_exact(&mut body[start..])?;
        let end = read_line(stream)?;
        if length == 0 {
            return Ok(body);
        }
        if !end.is_empty() {
            return Err(bad("chunk longer than it says".to_owned()));
        }
    }
}

fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn bad(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Percent-encodes what may not stand in a request target: blanks, quotes of C, brackets of C, what is not ASCII. Everything
/// else, `%` too, stays as it is.
pub fn encode(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    for byte in target.bytes() {
        if byte <= b' ' || byte >= 0x7F || b"\"<>\\^`{|}#".contains(&byte) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

/// Percent-encodes everything that is not a letter, digit, `-`, `.`, `_` or `~`.
pub fn encode_all(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let digit = (bits >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= group.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (text, expected) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn targets_are_encoded_once() {
        assert_eq!(encode("/a?$filter=x eq 'ä%2F'"), "/a?$filter=x%20eq%20'%C3%A4%2F'");
        assert_eq!(encode_all("a b/ä"), "a%20b%2F%C3%A4");
    }
}

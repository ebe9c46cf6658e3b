//! Much at once: many creates in one change set beside as many single ones, and a large media resource in both directions.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::cases::ROOT;
use crate::client::{Client, Request};
use crate::fixture;
use crate::servers::Server;

/// Creates in one change set.
const CREATES: u64 = 1_000;
/// Change sets that are timed; the median counts.
const CHANGE_SETS: usize = 5;
/// Bytes of the media resource.
const STREAM_BYTES: usize = 200 * 1024 * 1024;
const MIB: f64 = 1024.0 * 1024.0;

/// Creates a second in change sets of 1,000 and one by one, on one connection each: a sentence for the report.
pub fn batch(server: &Server, rows: u64) -> Outcome<String> {
    eprintln!("bench: {CREATES} creates in one change set, {}", server.name);
    let mut client = Client::connect(&server.address, &server.headers)?;
    let mut sets: Vec<f64> = Vec::new();
    for _ in 0..CHANGE_SETS {
        let request = change_set(server, rows);
        let begin = Instant::now();
        let (status, body) = client.send(&request)?;
        let seconds = begin.elapsed().as_secs_f64();
        let made = body.windows(16).filter(|bytes| bytes == b"HTTP/1.1 201 Cre").count() as u64;
        if (status, made) != (202, CREATES) {
            let text = String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
            return Err(format!("the batch answers {status} with {made} created: {text}").into());
        }
        sets.push(CREATES as f64 / seconds);
    }
    sets.sort_by(f64::total_cmp);
    let together = sets[CHANGE_SETS / 2];
    let begin = Instant::now();
    for _ in 0..CREATES {
        let id = server.next_id.fetch_add(1, Ordering::Relaxed);
        let (status, _) = client.send(&Request {
            method: "POST",
            target: format!("{ROOT}Items"),
            headers: "",
            body: fixture::item(id, rows).json(),
        })?;
        if status != 201 {
            return Err(format!("a single create answers {status}").into());
        }
    }
    let single = CREATES as f64 / begin.elapsed().as_secs_f64();
    Ok(format!(
        "`$batch`, {}: {together:.0} creates/s in change sets of {CREATES}, {single:.0} one by one on the same connection ({:.1} times).",
        server.name,
        together / single
    ))
}

fn change_set(server: &Server, rows: u64) -> Request {
    let mut body = String::from("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n");
    for _ in 0..CREATES {
        let id = server.next_id.fetch_add(1, Ordering::Relaxed);
        // Writing to a String cannot fail.
        let _ = write!(
            body,
            "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nPOST Items HTTP/1.1\r\nContent-ID: {id}\r\n\
             Content-Type: application/json\r\n\r\n{}\r\n",
            fixture::item(id, rows).json()
        );
    }
    body.push_str("--c--\r\n--b--\r\n");
    Request {
        method: "POST",
        target: format!("{ROOT}$batch"),
        headers: "Content-Type: multipart/mixed; boundary=b\r\n",
        body,
    }
}

/// A media resource of 200 MiB up and down, and what it does to peak memory: a sentence for the report.
pub fn stream(server: &Server) -> Outcome<String> {
    eprintln!("bench: a stream of {} MiB, {}", STREAM_BYTES / 1024 / 1024, server.name);
    server.reset_peak();
    let before = server.peak()?;
    let begin = Instant::now();
    let mut connection = connect(server)?;
    write!(
        connection,
        "POST {ROOT}Files HTTP/1.1\r\nHost: {}\r\n{}Connection: close\r\nSlug: x\r\nContent-Type: application/octet-stream\r\nContent-Length: {STREAM_BYTES}\r\n\r\n",
        server.address, server.headers
    )?;
    let piece: Vec<u8> = (0..64 * 1024).map(|at| (at % 251) as u8).collect();
    for _ in 0..STREAM_BYTES / piece.len() {
        connection.write_all(&piece)?;
    }
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let up = begin.elapsed().as_secs_f64();
    let location = answer.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .starts_with("location:")
            .then(|| line[9..].trim().to_owned())
    });
    let location = location.ok_or_else(|| format!("the upload answers {answer}"))?;
    let path = location
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]))
        .ok_or("an odd location")?;
    let after_upload = server.peak()?;
    let begin = Instant::now();
    let mut connection = connect(server)?;
    write!(
        connection,
        "GET {path}/$value HTTP/1.1\r\nHost: {}\r\n{}Connection: close\r\n\r\n",
        server.address, server.headers
    )?;
    let mut buffer = vec![0; 256 * 1024];
    let mut read = 0;
    loop {
        match connection.read(&mut buffer)? {
            0 => break,
            count => read += count,
        }
    }
    let down = begin.elapsed().as_secs_f64();
    if read < STREAM_BYTES {
        return Err(format!("the download ends after {read} bytes").into());
    }
    let size = STREAM_BYTES as f64 / MIB;
    Ok(format!(
        "Media resource of {size:.0} MiB, {}: {:.0} MiB/s up, {:.0} MiB/s down; peak memory {before:.1} MiB before, {after_upload:.1} MiB after the upload, \
         {:.1} MiB after the download.",
        server.name,
        size / up,
        size / down,
        server.peak()?
    ))
}

fn connect(server: &Server) -> Outcome<TcpStream> {
    let connection = TcpStream::connect(&server.address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(Duration::from_secs(120)))?;
    Ok(connection)
}

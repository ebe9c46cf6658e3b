//! HTTP as it goes over the wire: what case files cannot say, because it is about pieces, times and the same header on two answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use odata_tests::client::{base64, encode};
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::server::ADMIN_PASSWORD;
use odonata::model::limits::{BODY_BYTES, CREDENTIAL_BYTES};

/// Longest wait for a server that has to answer or to close by itself.
const PATIENCE: Duration = Duration::from_secs(60);

fn shop() -> Site {
    let fixture = Fixture::prepare(&["shop".to_owned()], &[], System::Sqlite)
        .expect("the fixture is good")
        .expect("it is here");
    fixture.serve(&[]).expect("the server starts")
}

fn connect(site: &Site) -> TcpStream {
    let stream = TcpStream::connect(site.server.address()).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// A request's head as the administrator.
fn head(line: &str, more: &str) -> Vec<u8> {
    let credentials = base64(format!("admin:{ADMIN_PASSWORD}").as_bytes());
    format!("{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n{more}\r\n").into_bytes()
}

/// Everything until the server closes.
fn rest(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset ends it too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// RD-5: the same status, the same headers, no body; also where there is nothing, and compressed.
#[test]
fn head_says_what_get_says() {
    let site = shop();
    let client = site.server.admin();
    for (target, status) in [
        ("/health", 200),
        ("/api/Shop/", 200),
        ("/api/Shop/$metadata", 200),
        ("/api/Shop/Products", 200),
        ("/api/Shop/Products?$top=2&$inlinecount=allpages", 200),
        ("/api/Shop/Products(1)", 200),
        ("/api/Shop/Versions(1)", 200),
        ("/api/Shop/Products(1)/Category", 200),
        ("/api/Shop/Products(1)/Name", 200),
        ("/api/Shop/Products(1)/Box", 200),
        ("/api/Shop/Products(1)/Name/$value", 200),
        ("/api/Shop/Products/$count", 200),
        ("/api/Shop/Products(1)/$links/Labels", 200),
        ("/api/Shop/Products(99)", 404),
        ("/api/Shop/Nope", 404),
        ("/api/Nope/", 404),
        ("/api/Shop/Products?$filter=Nope eq 1", 400),
        ("/api/Shop/$batch", 405),
    ] {
        for coding in ["identity", "gzip"] {
            let ask = |method: &str| {
                let headers = [("Accept", "application/json"), ("Accept-Encoding", coding)];
                let reply = client.send(method, &encode(target), &headers, None).expect("an answer");
                let mut headers = reply.headers.clone();
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
                headers.sort();
                (reply.status, headers, reply.body)
            };
            let (get, head) = (ask("GET"), ask("HEAD"));
            assert_eq!((get.0, &get.1), (head.0, &head.1), "{target} {coding}");
            assert_eq!(get.0, status, "{target}");
            assert!(head.2.is_empty() && get.1.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")));
        }
    }
}

/// HTP-5: the .NET client waits for the go-ahead before it sends a body.
#[test]
fn who_expects_a_go_ahead_gets_it() {
    let site = shop();
    let mut stream = connect(&site);
    let body = br#"{"Name": "waited for"}"#;
    let more = format!(
        "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n",
        body.len()
    );
    stream.write_all(&head("POST /api/Shop/Products", &more)).expect("it is sent");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line comes before the body was sent");
    assert!(line.starts_with("HTTP/1.1 100"), "{line}");
    stream.write_all(body).expect("it is sent");
    reader.read_line(&mut line).expect("the empty line");
    line.clear();
    reader.read_line(&mut line).expect("the answer");
    assert!(line.starts_with("HTTP/1.1 201"), "{line}");
}

/// Bodies in pieces, packed, and both; what they unpack to has the same limit as what comes plain.
#[test]
fn bodies_come_in_many_ways() {
    let site = shop();
    let json = ("Content-Type", "application/json");
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        let headers = [&[json], headers].concat();
        // Packing takes longer than a connection is kept.
        let reply = site.server.admin().send("POST", "/api/Shop/Products", &headers, Some(body));
        let reply = reply.expect("an answer");
        (reply.status, reply.code())
    };
    let in_pieces = |body: &[u8]| {
        let mut message = Vec::new();
        for piece in body.chunks(7) {
            message.extend_from_slice(format!("{:x};x=y\r\n", piece.len()).as_bytes());
            message.extend_from_slice(piece);
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
        message
    };
    let product = br#"{"Name": "in many ways"}"#;
    let large = |length: usize| {
        let frame = r#"{"Name":"x","Note":""}"#.len();
        format!(r#"{{"Name":"x","Note":"{}"}}"#, "n".repeat(length - frame)).into_bytes()
    };
    let gzip = ("Content-Encoding", "gzip");
    let chunked = ("Transfer-Encoding", "chunked");
    let created = (201, String::new());
    assert_eq!(post(&[chunked], &in_pieces(product)), created);
    assert_eq!(post(&[gzip], &packed(product)), created);
    assert_eq!(post(&[("Content-Encoding", "X-GZIP")], &packed(product)), created);
    assert_eq!(post(&[gzip, chunked], &in_pieces(&packed(product))), created);
    assert_eq!(post(&[("Content-Encoding", "identity")], product), created);
    assert_eq!(post(&[gzip], &packed(&large(BODY_BYTES))), created);
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(post(&[gzip], &packed(&large(BODY_BYTES + 1))), refused(413, "body_too_large"));
    assert_eq!(post(&[gzip], &packed(&vec![b' '; 50_000_000])), refused(413, "body_too_large"));
    assert_eq!(post(&[gzip], product), refused(400, "bad_body"));
    let whole = packed(product);
    assert_eq!(post(&[gzip], &whole[..whole.len() - 4]), refused(400, "bad_body"));
    assert_eq!(post(&[("Content-Encoding", "br")], product), refused(415, "unsupported_media_type"));
    assert_eq!(
        post(&[("Content-Encoding", "gzip, gzip")], product),
        refused(415, "unsupported_media_type")
    );
}

/// Kerberos tickets make headers of 64 KiB: these are read to their end, longer ones are refused by a sentence.
#[test]
fn credentials_have_64_kib() {
    let site = shop();
    let client = site.server.anonymous();
    for (length, status, code) in [
        (60_000, 401, "unauthenticated"),
        (CREDENTIAL_BYTES, 401, "unauthenticated"),
        (CREDENTIAL_BYTES + 1, 400, "limit_exceeded"),
        (120_000, 400, "limit_exceeded"),
    ] {
        let credentials = format!("Negotiate {}", "A".repeat(length - "Negotiate ".len()));
        let reply = client.send("GET", "/api/Shop/Products(1)", &[("Authorization", &credentials)], None);
        let reply = reply.expect("the server answers");
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{length}");
    }
    // The password counts, however much blank space stands before it.
    let long = format!(
        "Basic {}{}",
        " ".repeat(60_000),
        base64(format!("admin:{ADMIN_PASSWORD}").as_bytes())
    );
    let reply = client.send("GET", "/api/Shop/Products(1)", &[("Authorization", &long)], None);
    assert_eq!(reply.map(|reply| reply.status).ok(), Some(200));
}

/// A head that is too large is answered, not waited for.
#[test]
fn large_heads_are_refused() {
    let site = shop();
    for (name, more) in [
        ("one long header", format!("X: {}\r\n", "x".repeat(200_000))),
        ("many headers", "X: y\r\n".repeat(5_000)),
    ] {
        let began = Instant::now();
        let reply = site
            .server
            .anonymous()
            .raw(&head("GET /api/Shop/Products(1)", &more))
            .expect("no fault");
        assert_eq!(reply.map(|reply| reply.status), Some(431), "{name}");
        assert!(began.elapsed() < PATIENCE, "{name}");
    }
}

/// Who sends nothing, or never the end of a head, is not kept forever: neither as a first request nor as a second.
#[test]
fn slow_heads_are_cut() {
    let site = shop();
    let whole = head("GET /api/Shop/Products(1)/Name/$value", "");
    let part = &whole[..whole.len() - 10];
    std::thread::scope(|scope| {
        for (name, message) in [
            ("nothing", Vec::new()),
            ("a part", part.to_vec()),
            ("one and a part", [&whole, part].concat()),
        ] {
            let site = &site;
            scope.spawn(move || {
                let mut stream = connect(site);
                let began = Instant::now();
                stream.write_all(&message).expect("it is sent");
                let answer = rest(&stream);
                assert!(began.elapsed() < PATIENCE / 2, "{name}: {answer}");
                assert!(!answer.contains(" 500 "), "{name}: {answer}");
            });
        }
    });
}

//! Streams that are larger than one part, that break off and that race: the whole of one is there, or nothing of it (WR-91, WR-93).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use odata_tests::client::base64;
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odonata::model::limits::{MEDIA_BYTES, MEDIA_PART_BYTES};

fn album(system: System) -> Site {
    let fixture = Fixture::prepare(&["album".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    fixture.serve(&[]).expect("the server starts")
}

/// Bytes that are not the same at any two places of two parts.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / MEDIA_PART_BYTES) as u8).collect()
}

/// Sends the head of a request and `body`, then does what `then` does with the connection; what comes back, as text.
fn connection(site: &Site, head: &str, body: &[u8], close: bool) -> String {
    let mut stream = TcpStream::connect(site.server.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
    let credentials = base64(format!("admin:{}", odata_tests::server::ADMIN_PASSWORD).as_bytes());
    let head = format!("{head}\r\nHost: x\r\nAuthorization: Basic {credentials}\r\nContent-Type: image/png\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the head goes out");
    // The server may have answered already.
    let _ = stream.write_all(body);
    if close {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..read]);
        if read == 0 || answer.windows(4).any(|four| four == b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn large_streams_come_back_whole_and_in_ranges() {
    for system in System::all() {
        let site = album(system);
        let admin = site.server.admin();
        let types = [("Content-Type", "image/png"), ("Slug", "x")];
        for length in [
            0,
            1,
            MEDIA_PART_BYTES - 1,
            MEDIA_PART_BYTES,
            MEDIA_PART_BYTES + 1,
            3 * MEDIA_PART_BYTES + 7,
        ] {
            let sent = bytes(length);
            let made = admin.send("POST", "/api/Album/Photos", &types, Some(&sent)).expect("an answer");
            assert_eq!(made.status, 201, "{length}: {}", made.text());
            let id = made.json()["Id"].as_i64().expect("a number");
            let target = format!("/api/Album/Photos({id})/$value");
            assert_eq!(admin.get(&target).expect("an answer").body, sent, "{length}");
            for (from, until) in [
                (0, length),
                (MEDIA_PART_BYTES - 2, MEDIA_PART_BYTES + 2),
                (length.saturating_sub(3), length),
            ] {
                let until = until.min(length);
                if from >= until {
                    continue;
                }
                let range = format!("bytes={from}-{}", until - 1);
                let part = admin.send("GET", &target, &[("Range", &range)], None).expect("an answer");
                assert_eq!((part.status, &part.body[..]), (206, &sent[from..until]), "{length} {range}");
            }
        }
    }
}

#[test]
fn what_breaks_off_leaves_nothing() {
    for system in System::all() {
        let site = album(system);
        let admin = site.server.admin();
        let put = |text: &str| {
            let types = [("Content-Type", "text/plain")];
            admin.send("PUT", "/api/Album/Photos(1)/$value", &types, Some(text.as_bytes()))
        };
        let types = [("Content-Type", "text/plain"), ("Slug", "x")];
        admin.send("POST", "/api/Album/Photos", &types, Some(b"first")).expect("an answer");
        let length = 4 * MEDIA_PART_BYTES;
        let half = bytes(length / 2);
        for head in ["PUT /api/Album/Photos(1)/$value HTTP/1.1", "POST /api/Album/Photos HTTP/1.1"] {
            let head = format!("{head}\r\nContent-Length: {length}");
            let answer = connection(&site, &head, &half, true);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        assert_eq!(admin.get("/api/Album/Photos(1)/$value").expect("an answer").text(), "first");
        assert_eq!(admin.get("/api/Album/Photos/$count").expect("an answer").text(), "1");
        assert_eq!(put("second").expect("an answer").status, 204);
        assert_eq!(admin.get("/api/Album/Photos(1)/$value").expect("an answer").text(), "second");
    }
}

#[test]
fn a_stream_past_the_limit_is_refused_before_it_is_taken_in() {
    let site = album(System::Sqlite);
    let head = |length: usize| format!("POST /api/Album/Photos HTTP/1.1\r\nSlug: x\r\nContent-Length: {length}");
    let answer = connection(&site, &head(MEDIA_BYTES + 1), b"", false);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // At the limit it is taken in, and breaks off.
    let answer = connection(&site, &head(MEDIA_BYTES), b"", true);
    assert!(!answer.starts_with("HTTP/1.1 413"), "{answer}");
}

/// ERR-6: what goes wrong once the body has begun ends the connection, so that nobody takes a part for the whole.
#[test]
fn a_stream_that_is_replaced_while_it_is_sent_ends_the_connection() {
    let site = album(System::Sqlite);
    let admin = site.server.admin();
    let length = 128 * MEDIA_PART_BYTES;
    let types = [("Content-Type", "image/png"), ("Slug", "x")];
    let made = admin
        .send("POST", "/api/Album/Photos", &types, Some(&bytes(length)))
        .expect("an answer");
    assert_eq!(made.status, 201, "{}", made.text());
    let mut stream = TcpStream::connect(site.server.address()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let credentials = base64(format!("admin:{}", odata_tests::server::ADMIN_PASSWORD).as_bytes());
    let head = format!("GET /api/Album/Photos(1)/$value HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the request goes out");
    let mut begin = [0; 4096];
    assert!(stream.read(&mut begin).expect("the answer begins") > 0);
    assert!(String::from_utf8_lossy(&begin).contains(&format!("content-length: {length}")));
    // Nobody reads now, so most of it has not been sent yet.
    let new = [("Content-Type", "text/plain")];
    let put = admin
        .send("PUT", "/api/Album/Photos(1)/$value", &new, Some(b"new"))
        .expect("an answer");
    assert_eq!(put.status, 204, "{}", put.text());
    let mut rest = Vec::new();
    // The connection may be reset instead of closed.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < length - 4096, "{} of {length} bytes", rest.len());
    assert_eq!(admin.get("/api/Album/Photos(1)/$value").expect("an answer").text(), "new");
}

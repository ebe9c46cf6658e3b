//! Batches as large as they may be, and one past it; and that a change set is one transaction.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use odata_tests::client::Reply;
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::multipart::{self, Piece};
use odonata::model::limits;

fn shop(system: System) -> Site {
    let fixture = Fixture::prepare(&["shop".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    fixture.serve(&[]).expect("the server starts")
}

/// The parts of a multipart body.
fn multipart_of(boundary: &str, parts: &[String]) -> String {
    let mut body = String::new();
    for part in parts {
        body.push_str(&format!("--{boundary}\r\n{part}\r\n"));
    }
    body + &format!("--{boundary}--\r\n")
}

/// A request as a part; `request` is its line without the version, then headers.
fn part(request: &str, body: &str) -> String {
    let (line, headers) = request.split_once("\r\n").unwrap_or((request, ""));
    let end = if headers.is_empty() { "" } else { "\r\n" };
    format!("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n{line} HTTP/1.1\r\n{headers}{end}\r\n{body}")
}

fn json(line: &str, body: &str) -> String {
    part(&format!("{line}\r\nContent-Type: application/json"), body)
}

fn category(id: usize) -> String {
    json("POST Categories", &format!(r#"{{"Id":{id},"Name":"c{id}"}}"#))
}

fn change_set(requests: &[String]) -> String {
    format!("Content-Type: multipart/mixed; boundary=c\r\n\r\n{}", multipart_of("c", requests))
}

fn send(site: &Site, boundary: &str, body: &str) -> Reply {
    let content_type = format!("multipart/mixed; boundary={boundary}");
    let headers = [("Content-Type", content_type.as_str())];
    let admin = site.server.admin();
    admin
        .send("POST", "/api/Shop/$batch", &headers, Some(body.as_bytes()))
        .expect("an answer")
}

/// The statuses of the answers to a batch.
fn statuses(reply: &Reply) -> Vec<Vec<u16>> {
    assert_eq!(reply.status, 202, "{}", reply.text().chars().take(300).collect::<String>());
    let pieces = multipart::read(reply.header("Content-Type").unwrap_or_default(), &reply.text()).expect("a batch's answer");
    let statuses = |piece: &Piece| piece.answers().iter().map(|answer| answer.status).collect();
    pieces.iter().map(statuses).collect()
}

fn count(site: &Site, filter: &str) -> usize {
    let reply = site.server.admin().get(&format!("/api/Shop/Categories/$count?$filter={filter}"));
    reply.expect("an answer").text().parse().expect("a number")
}

/// Of each limit on the text of a batch (BCH-21): what holds at it, and one past it.
#[test]
fn bch_21_limits_hold_at_the_limit_and_one_past_it() {
    let site = shop(System::Sqlite);
    let get = || part("GET Labels/$count", "\r\n");
    type Make<'a> = Box<dyn Fn(usize) -> Reply + 'a>;
    let whole: Vec<(&str, usize, u16, Make<'_>)> = vec![
        (
            "BATCH_BYTES",
            limits::BATCH_BYTES,
            413,
            Box::new(|n| {
                let body = multipart_of("b", &[get()]);
                send(&site, "b", &format!("{}\r\n{body}", "x".repeat(n - body.len() - 2)))
            }),
        ),
        (
            "BATCH_PARTS",
            limits::BATCH_PARTS,
            400,
            Box::new(|n| send(&site, "b", &multipart_of("b", &vec![get(); n]))),
        ),
        (
            "BATCH_PARTS of change sets",
            limits::BATCH_PARTS,
            400,
            Box::new(|n| {
                let sets = (1..n).map(|_| change_set(&[part("DELETE Labels(guid'00000000-0000-0000-0000-0000000000ff')", "")]));
                send(&site, "b", &multipart_of("b", &sets.chain([get()]).collect::<Vec<_>>()))
            }),
        ),
        (
            "BATCH_BOUNDARY_BYTES",
            limits::BATCH_BOUNDARY_BYTES,
            400,
            Box::new(|n| {
                let boundary = "b".repeat(n);
                send(&site, &boundary, &multipart_of(&boundary, &[get()]))
            }),
        ),
    ];
    for (name, limit, status, make) in whole {
        for (value, expected) in [(limit, 202), (limit + 1, status)] {
            assert_eq!(make(value).status, expected, "{name} {value}");
        }
    }
    assert_eq!(send(&site, "b", &multipart_of("b", &vec![get(); 10_000])).status, 400);

    type Part<'a> = Box<dyn Fn(usize) -> String + 'a>;
    let parts: Vec<(&str, usize, [u16; 2], Part<'_>)> = vec![
        (
            "BATCH_HEADERS",
            limits::BATCH_HEADERS,
            [200, 400],
            Box::new(|n| part(&format!("GET Labels/$count{}", "\r\nX: y".repeat(n)), "\r\n")),
        ),
        (
            "BATCH_LINE_BYTES",
            limits::BATCH_LINE_BYTES,
            [200, 400],
            Box::new(|n| {
                part(
                    &format!("GET Labels/$count?x={}", "y".repeat(n - "GET Labels/$count?x= HTTP/1.1".len())),
                    "\r\n",
                )
            }),
        ),
        (
            "BODY_BYTES",
            limits::BODY_BYTES,
            [201, 413],
            Box::new(|n| {
                let frame = r#"{"Name":"x","Note":""}"#.len();
                change_set(&[json(
                    "POST Products",
                    &format!(r#"{{"Name":"x","Note":"{}"}}"#, "n".repeat(n - frame)),
                )])
            }),
        ),
    ];
    for (name, limit, expected, make) in parts {
        for (value, expected) in [(limit, expected[0]), (limit + 1, expected[1])] {
            let reply = send(&site, "b", &multipart_of("b", &[make(value), get()]));
            assert_eq!(statuses(&reply), [[expected], [200]], "{name} {value}");
        }
    }
}

/// Past the limit of the answer, parts are answered by an error, and no change set is carried out whose answer there is no room for.
#[test]
fn answers_are_bounded() {
    for system in System::all() {
        let site = shop(system);
        let note = "n".repeat(4_000_000);
        let made = json("POST Products", &format!(r#"{{"Name":"large","Note":"{note}"}}"#));
        let reply = send(&site, "b", &multipart_of("b", &[change_set(&[made])]));
        let id = reply
            .text()
            .split_once("/api/Shop/Products(")
            .and_then(|(_, rest)| Some(rest.split_once(')')?.0.to_owned()));
        let id = id.expect("a Location");
        let get = part(&format!("GET Products({id})"), "\r\n");
        let fitting = limits::BATCH_ANSWER_BYTES / note.len();
        let change = |prefer: &str| {
            let line = format!("PATCH Products({id})\r\nPrefer: {prefer}\r\nContent-Type: application/json");
            part(&line, r#"{"Stock":7}"#)
        };
        let mut parts = vec![get.clone(); fitting + 1];
        parts.push(change_set(&[category(1000), change("return-content")]));
        parts.push(change_set(&[category(1001), change("return-no-content")]));
        parts.push(part("GET Labels/$count", "\r\n"));
        let reply = send(&site, "b", &multipart_of("b", &parts));
        let mut expected = vec![vec![200]; fitting];
        expected.extend([vec![400], vec![400], vec![201, 204], vec![200]]);
        assert_eq!(statuses(&reply), expected, "{}", system.name());
        assert!(reply.body.len() < limits::BATCH_ANSWER_BYTES + 100_000);
        assert_eq!((count(&site, "Id%20eq%201000"), count(&site, "Id%20eq%201001")), (0, 1));
        // What has no body takes no room, however large the entity is.
        let many = vec![change("return-no-content"); 2 * fitting];
        let reply = send(&site, "b", &multipart_of("b", &[change_set(&many)]));
        assert_eq!(statuses(&reply), [vec![204; 2 * fitting]], "{}", system.name());
    }
}

/// Nobody sees a part of a change set, and a thousand creates in one are much faster than one by one.
#[test]
fn bch_10_a_change_set_is_one_transaction() {
    const SIZE: usize = 1_000;
    const SETS: usize = 3;
    for system in System::all() {
        let site = shop(system);
        let started = Instant::now();
        let singles = 100;
        let admin = site.server.admin();
        for id in 0..singles {
            let reply = admin.post("/api/Shop/Categories", &format!(r#"{{"Id":{},"Name":"s{id}"}}"#, 100_000 + id));
            assert_eq!(reply.expect("an answer").status, 201);
        }
        let single = started.elapsed().as_secs_f64() / f64::from(singles);
        let over = AtomicBool::new(false);
        let mut seen = Vec::new();
        let mut elapsed = 0.0;
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                    seen.push(count(&site, "Id%20ge%201000%20and%20Id%20lt%20100000"));
                }
                seen
            });
            for set in 0..SETS {
                let from = 1_000 + set * SIZE;
                let requests: Vec<String> = (from..from + SIZE).map(category).collect();
                let started = Instant::now();
                let reply = send(&site, "b", &multipart_of("b", &[change_set(&requests)]));
                elapsed += started.elapsed().as_secs_f64();
                assert_eq!(statuses(&reply), [vec![201; SIZE]], "{}", system.name());
            }
            over.store(true, Ordering::Relaxed);
            seen = reader.join().expect("the reader does not panic");
        });
        assert!(seen.iter().all(|count| count % SIZE == 0), "{}: {seen:?}", system.name());
        assert_eq!(count(&site, "Id%20ge%201000%20and%20Id%20lt%20100000"), SETS * SIZE);
        let batched = elapsed / (SETS * SIZE) as f64;
        println!(
            "{}: a create takes {:.0} µs alone, {:.0} µs in a change set of {SIZE}; {} reads beside them",
            system.name(),
            single * 1e6,
            batched * 1e6,
            seen.len()
        );
        assert!(batched * 2.0 < single, "{}: a change set has no advantage", system.name());
        // Each refers to the one before it.
        let referring = |number: usize| {
            let line = match number {
                0 => "POST Categories".to_owned(),
                _ => format!("POST ${}/Children", number - 1),
            };
            let id = 20_000 + number;
            json(
                &format!("{line}\r\nContent-ID: {number}"),
                &format!(r#"{{"Id":{id},"Name":"c{id}"}}"#),
            )
        };
        let requests: Vec<String> = (0..SIZE).map(referring).collect();
        let started = Instant::now();
        let reply = send(&site, "b", &multipart_of("b", &[change_set(&requests)]));
        println!(
            "{}: {:.0} µs with a reference",
            system.name(),
            started.elapsed().as_secs_f64() * 1e6 / SIZE as f64
        );
        assert_eq!(statuses(&reply), [vec![201; SIZE]], "{}", system.name());
        assert_eq!(count(&site, "Id%20ge%2020001%20and%20ParentId%20eq%20Id%20sub%201"), SIZE - 1);
        // One that fails at its end leaves nothing.
        let mut requests: Vec<String> = (10_000..10_000 + SIZE - 1).map(category).collect();
        requests.push(category(1_000));
        assert_eq!(statuses(&send(&site, "b", &multipart_of("b", &[change_set(&requests)]))), [[409]]);
        assert_eq!(count(&site, "Id%20ge%2010000%20and%20Id%20lt%2020000"), 0, "{}", system.name());
    }
}

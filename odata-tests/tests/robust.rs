//! What a hostile or broken client can send: limits at the limit and one past it, broken messages, random damage. No answer
//! is a fault of the server (5xx), and the server stays.

use odata_tests::case;
use odata_tests::client::{Reply, encode};
use odata_tests::damage::damage;
use odata_tests::database::System;
use odata_tests::fixture::{Fixture, Site};
use odata_tests::random::Random;
use odata_tests::runner;
use odonata::model::limits;

/// Requests of the fuzz on each database.
const FUZZ: usize = 3_000;

fn shop(system: System) -> Site {
    let fixture = Fixture::prepare(&["shop".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    fixture.serve(&[]).expect("the server starts")
}

/// A GET of something in the shop.
fn get(site: &Site, rest: &str) -> Reply {
    let target = encode(&format!("/api/Shop/{rest}"));
    site.server
        .admin()
        .get(&target)
        .unwrap_or_else(|error| panic!("{}: {error}", &target[..target.len().min(200)]))
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times))
}

/// Each limit of the table: a request at the limit is taken, one past it is refused with that status.
#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let site = shop(System::Sqlite);
    let chain = |step: &str, times: usize| step.repeat(times);
    type Make<'a> = Box<dyn Fn(usize) -> String + 'a>;
    let cases: Vec<(&str, usize, u16, Make<'_>)> = vec![
        (
            "URL_BYTES",
            limits::URL_BYTES,
            414,
            Box::new(|n| format!("Labels?x={}", "y".repeat(n - "/api/Shop/Labels?x=".len()))),
        ),
        (
            "PATH_SEGMENTS",
            limits::PATH_SEGMENTS,
            400,
            Box::new(|n| {
                let path = format!("Categories(1){}", chain("/Products(1)/Category", n / 2));
                path.split('/').take(n).collect::<Vec<_>>().join("/")
            }),
        ),
        (
            "ORDER_ITEMS",
            limits::ORDER_ITEMS,
            400,
            Box::new(|n| format!("Labels?$orderby={}", vec!["Text"; n].join(","))),
        ),
        (
            "JOINS",
            limits::JOINS,
            400,
            Box::new(|n| format!("Categories?$filter={}Id eq 1", chain("Parent/", n))),
        ),
        (
            "EXPAND_DEPTH",
            limits::EXPAND_DEPTH,
            400,
            Box::new(|n| format!("Categories(1)?$expand={}", vec!["Parent"; n].join("/"))),
        ),
        (
            "SELECT_ITEMS",
            limits::SELECT_ITEMS,
            400,
            Box::new(|n| format!("Labels?$select={}", vec!["Text"; n].join(","))),
        ),
        ("SKIP_ROWS", limits::SKIP_ROWS, 400, Box::new(|n| format!("Labels?$skip={n}"))),
    ];
    for (name, limit, status, make) in cases {
        for (value, expected) in [(limit, 200), (limit + 1, status)] {
            let reply = get(&site, &make(value));
            assert_eq!(
                reply.status,
                expected,
                "{name} {value}: {}",
                reply.text().chars().take(300).collect::<String>()
            );
        }
    }
}

/// How the parser counts is its own business; far below is taken, far above is refused, and nothing in between breaks.
#[test]
fn expressions_are_bounded() {
    let site = shop(System::Sqlite);
    let deep = |n: usize| nested("(", "Id eq 1", ")", n);
    let nots = |n: usize| format!("{}true", "not ".repeat(n));
    let sums = |n: usize| format!("{}1 eq {n}", "1 add ".repeat(n - 1));
    let ors = |n: usize| vec!["Id eq 1"; n].join(" or ");
    let calls = |n: usize| format!("{} eq 'x'", nested("trim(", "Name", ")", n));
    let ands = |n: usize| format!("{}true", "Id gt 0 and ".repeat(n));
    type Maker<'a> = (&'a str, &'a dyn Fn(usize) -> String, usize);
    let makers: [Maker<'_>; 6] = [
        ("parentheses", &deep, limits::EXPRESSION_DEPTH),
        ("not", &nots, limits::EXPRESSION_DEPTH),
        ("add", &sums, limits::EXPRESSION_NODES),
        ("or", &ors, limits::EXPRESSION_NODES),
        ("calls", &calls, limits::EXPRESSION_DEPTH),
        ("and", &ands, limits::EXPRESSION_DEPTH),
    ];
    for (name, make, limit) in makers {
        for size in [1, limit / 10] {
            let reply = get(&site, &format!("Products?$select=Id&$filter={}", make(size)));
            assert_eq!(reply.status, 200, "{name} {size}: {}", reply.text());
        }
        for size in [limit / 2, limit - 1, limit, limit + 1, limit * 2] {
            let reply = get(&site, &format!("Products?$select=Id&$filter={}", make(size)));
            assert!(
                matches!(reply.status, 200 | 400 | 414),
                "{name} {size}: {} {}",
                reply.status,
                reply.text()
            );
        }
    }
    for make in [deep, |n| nested("(", "", "", n), |n| format!("{}true", "not ".repeat(n))] {
        assert_eq!(get(&site, &format!("Products?$filter={}", make(2_600))).status, 400);
    }
    // More than fits into a URL.
    for text in [nested("(", "Id eq 1", ")", 100_000), "not ".repeat(100_000), "-".repeat(100_000)] {
        // The server may close the connection before it has read everything.
        let target = encode(&format!("/api/Shop/Products?$filter={text}"));
        let status = site.server.admin().get(&target).map_or(400, |reply| reply.status);
        assert!((400..500).contains(&status), "{status}");
    }
    assert_eq!(get(&site, "Labels").status, 200);
}

#[test]
fn bodies_are_bounded() {
    for system in System::all() {
        let site = shop(system);
        let client = site.server.admin();
        let product = |length: usize| {
            let frame = r#"{"Name":"x","Note":""}"#.len();
            format!(r#"{{"Name":"x","Note":"{}"}}"#, "n".repeat(length - frame))
        };
        for (length, expected) in [(limits::BODY_BYTES, 201), (limits::BODY_BYTES + 1, 413)] {
            let reply = client.post("/api/Shop/Products", &product(length)).expect("an answer");
            assert_eq!(
                reply.status,
                expected,
                "{length}: {}",
                reply.text().chars().take(200).collect::<String>()
            );
        }
        for depth in [
            2,
            limits::BODY_DEPTH - 1,
            limits::BODY_DEPTH,
            limits::BODY_DEPTH + 1,
            1_000,
            1_000_000,
        ] {
            for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
                let body = format!(r#"{{"Name":"x","Box":{}}}"#, nested(open, "1", close, depth));
                let reply = client.post("/api/Shop/Products", &body).expect("an answer");
                assert!(matches!(reply.status, 400 | 413), "{depth}: {} {}", reply.status, reply.text());
            }
        }
        let many = format!(r#"{{"Name":"x","Tags":[{}"a"]}}"#, r#""a","#.repeat(100_000));
        let reply = client.post("/api/Shop/Products", &many).expect("an answer");
        assert!(matches!(reply.status, 201 | 400), "{}", reply.status);
        assert_eq!(client.get("/health").expect("an answer").status, 200);
    }
}

/// Bytes on a connection, and the statuses that may come back; 0 is a closed connection.
#[test]
fn broken_messages() {
    let site = shop(System::Sqlite);
    let auth = format!(
        "Authorization: Basic {}\r\n",
        odata_tests::client::base64(format!("admin:{}", odata_tests::server::ADMIN_PASSWORD).as_bytes())
    );
    let head = |line: &str, more: &str| format!("{line} HTTP/1.1\r\nHost: x\r\n{auth}{more}\r\n").into_bytes();
    let post = |more: &str, body: &[u8]| {
        let mut message = head("POST /api/Shop/Products", &format!("Content-Type: application/json\r\n{more}"));
        message.extend_from_slice(body);
        message
    };
    let long = "x".repeat(2 * limits::CREDENTIAL_BYTES);
    let credential = "x".repeat(limits::CREDENTIAL_BYTES + 1);
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("nonsense", b"nonsense\r\n\r\n".to_vec(), &[0, 400]),
        ("nothing", Vec::new(), &[0, 400, 408]),
        ("zeros", vec![0; 10_000], &[0, 400]),
        ("TLS hello", vec![0x16, 3, 1, 0, 200, 1, 0, 0], &[0, 400]),
        (
            "raw bytes in the path",
            [
                b"GET /api/Shop/\xFF\xFE HTTP/1.1\r\nHost: x\r\n".as_slice(),
                auth.as_bytes(),
                b"\r\n",
            ]
            .concat(),
            &[0, 400],
        ),
        (
            "raw bytes in the query",
            [
                b"GET /api/Shop/Labels?$filter=Text%20eq%20'\xE4' HTTP/1.1\r\nHost: x\r\n".as_slice(),
                auth.as_bytes(),
                b"\r\n",
            ]
            .concat(),
            &[0, 400],
        ),
        ("percent, invalid UTF-8", head("GET /api/Shop/Suppliers('%C3%28')", ""), &[400]),
        ("percent, broken", head("GET /api/Shop/Suppliers('%4')", ""), &[400]),
        ("percent, zero", head("GET /api/Shop/Suppliers('%00')", ""), &[400, 404]),
        (
            "percent, zero, filter",
            head("GET /api/Shop/Labels?$filter=Text%20eq%20'%00'", ""),
            &[200, 400],
        ),
        ("percent, surrogate", head("GET /api/Shop/Suppliers('%ED%A0%80')", ""), &[400]),
        ("percent, overlong", head("GET /api/Shop/Suppliers('%C0%AF')", ""), &[400]),
        (
            "huge $top",
            head("GET /api/Shop/Labels?$top=99999999999999999999999999", ""),
            &[400],
        ),
        (
            "header of bytes",
            [
                b"GET /api/Shop/Labels HTTP/1.1\r\nHost: x\r\nIf-None-Match: \xFF\xFE\r\n".as_slice(),
                auth.as_bytes(),
                b"\r\n",
            ]
            .concat(),
            &[0, 200, 400],
        ),
        (
            "Accept of bytes",
            [
                b"GET /api/Shop/Labels HTTP/1.1\r\nHost: x\r\nAccept: \xFF\xFE\r\n".as_slice(),
                auth.as_bytes(),
                b"\r\n",
            ]
            .concat(),
            &[0, 200, 400, 406],
        ),
        (
            "long header",
            head("GET /api/Shop/Labels", &format!("X: {long}\r\n")),
            &[0, 400, 413, 431],
        ),
        (
            "many headers",
            head("GET /api/Shop/Labels", &"X: y\r\n".repeat(5_000)),
            &[0, 400, 413, 431],
        ),
        (
            "long credentials",
            format!("GET /api/Shop/Labels HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credential}\r\n\r\n").into_bytes(),
            &[0, 400, 401, 431],
        ),
        ("truncated body", post("Content-Length: 100\r\n", b"{\"Name\":"), &[0, 400]),
        ("no body", post("Content-Length: 0\r\n", b""), &[400]),
        ("negative length", post("Content-Length: -1\r\n", b"{}"), &[0, 400]),
        ("two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"), &[0, 400]),
        (
            "length and chunks",
            post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            &[0, 400],
        ),
        (
            "chunks",
            post("Transfer-Encoding: chunked\r\n", b"8\r\n{\"Name\":\r\n4\r\n\"c\"}\r\n0\r\n\r\n"),
            &[201],
        ),
        ("broken chunks", post("Transfer-Encoding: chunked\r\n", b"zz\r\n{}"), &[0, 400]),
        ("truncated chunks", post("Transfer-Encoding: chunked\r\n", b"8\r\n{\"Na"), &[0, 400]),
        ("not UTF-8", post("Content-Length: 13\r\n", b"{\"Name\":\"\xFF\xFE\"}"), &[400]),
        (
            "a lone surrogate",
            post("Content-Length: 17\r\n", b"{\"Name\":\"\\ud800\"}"),
            &[400],
        ),
        (
            "a zero in a text",
            post("Content-Length: 17\r\n", b"{\"Name\":\"\\u0000\"}"),
            &[201, 400],
        ),
        (
            "a byte order mark",
            post("Content-Length: 19\r\n", b"\xEF\xBB\xBF{\"Name\":\"mark\"} "),
            &[201],
        ),
        (
            "a huge number",
            post("Content-Length: 32\r\n", b"{\"Name\":\"x\",\"Price\":1e999999999}"),
            &[400],
        ),
        (
            "a long number",
            {
                let body = format!("{{\"Name\":\"x\",\"Price\":{}}}", "9".repeat(100_000));
                post(&format!("Content-Length: {}\r\n", body.len()), body.as_bytes())
            },
            &[400],
        ),
        ("an array", post("Content-Length: 2\r\n", b"[]"), &[400]),
        ("null", post("Content-Length: 4\r\n", b"null"), &[400]),
        ("a number", post("Content-Length: 1\r\n", b"1"), &[400]),
        ("a string", post("Content-Length: 3\r\n", b"\"x\""), &[400]),
        (
            "an unknown coding",
            post("Content-Encoding: whatever\r\nContent-Length: 2\r\n", b"{}"),
            &[400, 415],
        ),
    ];
    for (name, message, statuses) in cases {
        let reply = site
            .server
            .anonymous()
            .raw(&message)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        assert!(
            statuses.contains(&status),
            "{name}: {status} {}",
            reply.map(|reply| reply.text()).unwrap_or_default()
        );
        let well = site
            .server
            .anonymous()
            .get("/health")
            .unwrap_or_else(|error| panic!("after {name}: {error}"));
        assert_eq!(well.status, 200, "after {name}");
    }
}

/// Damaged copies of the cases' own requests.
#[test]
fn random_damage_is_never_a_fault_of_the_server() {
    let files: Vec<_> = runner::files()
        .iter()
        .map(|path| case::read(path))
        .filter(|file| file.fixtures == ["shop"])
        .collect();
    let exchanges: Vec<_> = files.iter().flat_map(|file| &file.cases).flat_map(|case| &case.exchanges).collect();
    let targets: Vec<String> = exchanges
        .iter()
        .flat_map(|exchange| {
            let rows: Vec<String> = exchange
                .rows
                .iter()
                .map(|row| exchange.target.replace("{row}", &row.text))
                .collect();
            if rows.is_empty() { vec![exchange.target.clone()] } else { rows }
        })
        .filter(|target| target.starts_with("/api/Shop/"))
        .collect();
    let bodies: Vec<Message> = exchanges
        .iter()
        .filter(|exchange| exchange.target.starts_with("/api/Shop/"))
        .filter_map(|exchange| Message::of(exchange))
        .collect();
    std::thread::scope(|scope| {
        for system in System::all() {
            let (targets, bodies) = (&targets, &bodies);
            scope.spawn(move || fuzz(system, targets, bodies));
        }
    });
}

/// A request with a body.
struct Message {
    method: String,
    target: String,
    content_type: String,
    body: String,
}

impl Message {
    fn of(exchange: &case::Exchange) -> Option<Message> {
        let body = exchange.body.clone()?;
        let is_given = |(name, value): &&(String, String)| name.eq_ignore_ascii_case("Content-Type") && !value.contains('{');
        let given = exchange.headers.iter().find(is_given).map(|(_, value)| value.as_str());
        let usual = if body.starts_with('<') {
            "application/atom+xml"
        } else {
            "application/json"
        };
        Some(Message {
            method: exchange.method.replace("{row}", "PUT"),
            target: exchange.target.clone(),
            content_type: given.unwrap_or(usual).to_owned(),
            body: match exchange.is_batch() && !exchange.bare_lines {
                true => body.replace('\n', "\r\n"),
                false => body,
            },
        })
    }
}

/// Whether an answer, or a part of it, is a fault of the server.
fn is_fault(reply: &Reply) -> bool {
    let is_fault = |status: u16| status >= 500 && status != 501;
    let text = reply.text();
    let mut parts = text
        .lines()
        .filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    is_fault(reply.status) || (reply.status == 202 && parts.any(is_fault))
}

fn fuzz(system: System, targets: &[String], bodies: &[Message]) {
    let site = shop(system);
    let client = site.server.admin();
    let mut random = Random::from_env(11);
    let mut faults = Vec::new();
    let mut refused = 0;
    for _ in 0..FUZZ {
        let mut content_type = "";
        let (method, target, body) = if random.one_in(3) {
            let message = random.pick(bodies);
            let other = &random.pick(bodies).body;
            content_type = &message.content_type;
            let body = damage(&message.body, other, &mut random);
            (message.method.as_str(), encode(&message.target), Some(body))
        } else {
            let target = random.pick(targets);
            let other = random.pick(targets);
            let damaged = damage(&target["/api/Shop/".len()..], other, &mut random);
            ("GET", encode(&format!("/api/Shop/{damaged}")), None)
        };
        let headers = [("Content-Type", content_type)];
        let headers = if body.is_some() { headers.as_slice() } else { &[] };
        match client.send(method, &target, headers, body.as_ref().map(String::as_bytes)) {
            Ok(reply) if !is_fault(&reply) => refused += usize::from(reply.status >= 400),
            Ok(reply) => faults.push(format!("{} {method} {target} {body:?}\n  {}", reply.status, reply.text())),
            Err(error) => faults.push(format!("{error}: {method} {target} {body:?}")),
        }
    }
    println!(
        "{}: {FUZZ} damaged requests, {refused} refused, {} faults",
        system.name(),
        faults.len()
    );
    assert!(
        faults.is_empty(),
        "{}: {}\n{}",
        system.name(),
        faults.iter().take(12).cloned().collect::<Vec<_>>().join("\n"),
        site.server.log()
    );
    assert_eq!(client.get("/health").expect("the server is there").status, 200);
}

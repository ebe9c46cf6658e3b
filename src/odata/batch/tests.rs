//! Batches, good and bad.

use super::*;
use crate::model::limits::{BATCH_HEADERS, BATCH_LINE_BYTES};

/// A batch with all that there is: a GET, a change set with Content-IDs in both places, a GET.
const BATCH: &str = "preamble\r\n\
    --b\r\n\
    Content-Type: application/http\r\n\
    Content-Transfer-Encoding: binary\r\n\
    \r\n\
    GET Products?$filter=A eq 'b' HTTP/1.1\r\n\
    Accept: application/json\r\n\
    \r\n\
    \r\n\
    --b \t\r\n\
    content-type: Multipart/Mixed; charset=utf-8; Boundary=\"cs=1\"\r\n\
    \r\n\
    --cs=1\r\n\
    Content-Type: application/http; msgtype=request\r\n\
    Content-Transfer-Encoding: binary\r\n\
    Content-ID: outer\r\n\
    \r\n\
    POST Products HTTP/1.1\r\n\
    CONTENT-TYPE:application/json\r\n\
    Content-Length: 3\r\n\
    Content-Id: 1\r\n\
    \r\n\
    {\"Id\": 1}\r\n\
    \r\n\
    --cs=1\r\n\
    Content-Type: application/http\r\n\
    Content-ID: 2\r\n\
    \r\n\
    \r\n\
    DELETE http://h/api/Core/Products(2) HTTP/1.1\r\n\
    \r\n\
    --cs=1--\r\n\
    epilogue\r\n\
    --cs=1\r\n\
    --b\r\n\
    Content-Type: application/http\r\n\
    \r\n\
    GET $metadata HTTP/1.1\r\n\
    --b--\r\n\
    epilogue\r\n--b\r\n";

/// Methods, URLs, Content-IDs and bodies; `!` is a refused request, `[…]` a change set.
fn summary(items: &[Item<'_>]) -> String {
    let part = |part: &Part<'_>| {
        let ids: Vec<&str> = part.ids().collect();
        format!("{} {} {ids:?} {:?}", part.method, part.url, String::from_utf8_lossy(part.body))
    };
    let shown = items.iter().map(|item| match item {
        Item::Single(single) => part(single),
        Item::ChangeSet(parts) => format!("[{}]", parts.iter().map(part).collect::<Vec<_>>().join("; ")),
        Item::Refused { in_change_set: true, .. } => "[!]".to_owned(),
        Item::Refused { .. } => "!".to_owned(),
    });
    shown.collect::<Vec<_>>().join("\n")
}

fn code(outcome: Outcome<Vec<Item<'_>>>) -> String {
    outcome.map_or_else(
        |fault| format!("{} {}", fault.kind.status, fault.kind.code),
        |items| summary(&items),
    )
}

/// A batch of the boundary `b` around one part.
fn one(part: &str) -> String {
    format!("--b\r\n{part}\r\n--b--\r\n")
}

/// A change set of the boundary `c` around requests in parts.
fn set(requests: &[&str]) -> String {
    let parts: Vec<String> = requests
        .iter()
        .map(|request| format!("--c\r\nContent-Type: application/http\r\n{request}\r\n"))
        .collect();
    one(&format!("Content-Type: multipart/mixed;boundary=c\r\n\r\n{}--c--", parts.concat()))
}

#[test]
fn bch_1_boundaries() {
    let long = "x".repeat(BATCH_BOUNDARY_BYTES);
    let cases: Vec<(String, Result<&str, u16>)> = [
        ("multipart/mixed; boundary=batch_1", Ok("batch_1")),
        ("multipart/mixed;boundary=\"batch 1;'()+_,-./:=?x\"", Err(400)),
        ("multipart/mixed;boundary=\"batch 1'()+_,-./:=?x\"", Ok("batch 1'()+_,-./:=?x")),
        ("Multipart/Mixed ; charset=UTF-8 ; BOUNDARY = b", Ok("b")),
        ("multipart/mixed;boundary=b;charset=UTF-8;x", Ok("b")),
        ("multipart/mixed;x=\"a;boundary=c\";boundary=b", Ok("b")),
        ("multipart/mixed;boundary=a;boundary=b", Ok("a")),
        ("multipart/mixed;boundary=a:b", Ok("a:b")),
        ("multipart/mixed", Err(400)),
        ("multipart/mixed;boundary", Err(400)),
        ("multipart/mixed;boundary=", Err(400)),
        ("multipart/mixed;boundary=\"\"", Err(400)),
        ("multipart/mixed;boundary=\"b", Err(400)),
        ("multipart/mixed;boundary=\"b \"", Err(400)),
        ("multipart/mixed;boundary=b%20c", Err(400)),
        ("multipart/mixed;boundary=\u{e4}", Err(400)),
        ("multipart;boundary=b", Err(400)),
        ("", Err(400)),
        ("multipart/form-data;boundary=b", Err(415)),
        ("application/json", Err(415)),
    ]
    .map(|(text, expected)| (text.to_owned(), expected))
    .into_iter()
    .chain([
        (format!("multipart/mixed;boundary={long}"), Ok(long.as_str())),
        (format!("multipart/mixed;boundary={long}x"), Err(400)),
    ])
    .collect();
    for (text, expected) in cases {
        let found = boundary(Some(&text)).map_err(|fault| fault.kind.status);
        assert_eq!(found.as_deref().map_err(|status| *status), expected, "{text}");
    }
    assert_eq!(boundary(None).unwrap_err().kind.status, 415);
}

#[test]
fn bch_5_a_whole_batch() {
    let expected = "GET Products?$filter=A eq 'b' [] \"\"\n\
        [POST Products [\"1\", \"outer\"] \"{\\\"Id\\\": 1}\\r\\n\"; DELETE http://h/api/Core/Products(2) [\"2\"] \"\"]\n\
        GET $metadata [] \"\"";
    let items = parse("b", BATCH.as_bytes()).unwrap();
    assert_eq!(summary(&items), expected);
    let Item::ChangeSet(parts) = &items[1] else {
        panic!("a change set")
    };
    let expected = [("CONTENT-TYPE", "application/json"), ("Content-Length", "3"), ("Content-Id", "1")];
    assert_eq!(parts[0].headers, expected);
    assert_eq!(parts[0].header("content-type"), Some("application/json"));
    // LF, and both in one text.
    let lines = BATCH.replace("\r\n", "\n");
    let mixed: String = BATCH
        .split_inclusive("\r\n")
        .enumerate()
        .map(|(i, line)| if i % 2 == 0 { line.replace("\r\n", "\n") } else { line.to_owned() })
        .collect();
    for text in [lines, mixed] {
        let found = summary(&parse("b", text.as_bytes()).unwrap());
        assert_eq!(found.replace("\\r", ""), summary(&items).replace("\\r", ""));
    }
}

#[test]
fn bch_42_broken_structures() {
    let get = "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\n\r\n";
    let cases = [
        ("", "400 bad_body"),
        ("nothing at all", "400 bad_body"),
        ("--b--", "400 bad_body"),
        ("--b\r\n", "400 bad_body"),
        ("--b\r\n--b", "400 bad_body"),
        (&format!("--b\r\n{get}"), "400 bad_body"),
        (&format!("--b\r\n{get}\r\n--b-"), "400 bad_body"),
        (&format!("--b\r\n{get}\r\n--bb--"), "400 bad_body"),
        (&format!("--b\r\n{get}\r\n--b--x"), "400 bad_body"),
        (&format!("-- b\r\n{get}\r\n--b--"), "400 bad_body"),
        (&format!("--b\r\n{get}\r\n--b--"), "GET A [] \"\""),
        (&format!("--b\r\n{get}\r\n--b--  \t"), "GET A [] \"\""),
        (&format!("--bb\r\n--b\r\n{get}\r\n--b--"), "GET A [] \"\""),
        (&one("Content-Type: multipart/mixed"), "400 bad_request"),
        (&one("Content-Type: multipart/mixed;boundary=c"), "400 bad_body"),
        (&one("Content-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n"), "400 bad_body"),
        (&one("Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n"), "400 bad_body"),
        (&one("Content-Type: multipart/mixed;boundary=c\r\n\r\n--c--"), "[]"),
    ];
    for (text, expected) in cases {
        assert_eq!(code(parse("b", text.as_bytes())), expected, "{text:?}");
    }
}

#[test]
fn bch_40_a_wrong_part_is_refused_alone() {
    let get = "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\n\r\n";
    let wrong = [
        "",
        "\r\n",
        "Content-Transfer-Encoding: binary\r\n\r\nGET A HTTP/1.1\r\n",
        "Content-Type: text/plain\r\n\r\nGET A HTTP/1.1\r\n",
        "Content-Type: application/http\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGET A HTTP/1.1\r\n",
        "Content-Type: application/http",
        "Content-Type: application/http\r\n\r\n\r\n",
        "Content-Type: application/http\r\nGET A HTTP/1.1\r\n\r\n",
        "Content-Type: application/http\r\n\r\nGET A\r\n",
        "Content-Type: application/http\r\n\r\nGET A \r\n",
        "Content-Type: application/http\r\n\r\nGET A HTTP/1.0\r\n",
        "Content-Type: application/http\r\n\r\nGET A SMTP/1.1\r\n",
        "Content-Type: application/http\r\n\r\nGET\r\n",
        "Content-Type: application/http\r\n\r\nGET HTTP/1.1\r\n",
        "Content-Type: application/http\r\n\r\n GET A HTTP/1.1\r\n",
        "Content-Type: application/http\r\n\r\nget A HTTP/1.1\r\n",
        "Content-Type: application/http\r\n\r\nHEAD A HTTP/1.1\r\n",
        "Content-Type: application/http\r\n\r\nPOST A HTTP/1.1\r\n\r\n{}",
        "Content-Type: application/http\r\n\r\nDELETE A HTTP/1.1\r\n",
        "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\n\r\nb\r\nContent-Type: application/http",
        "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\nAccept: a\r\n b\r\n",
        "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\nAccept : a\r\n",
        "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\n: a\r\n",
        "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\nAccept: a\rX: b\r\n",
        "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\nAccept: a\u{0}\r\n",
        "Content-Type: application/http\r\n\tfolded\r\n\r\nGET A HTTP/1.1\r\n",
    ];
    for part in wrong {
        let text = format!("--b\r\n{get}\r\n--b\r\n{part}\r\n--b\r\n{get}\r\n--b--");
        assert_eq!(code(parse("b", text.as_bytes())), "GET A [] \"\"\n!\nGET A [] \"\"", "{part:?}");
    }
    let bytes = [b"--b\r\nContent-Type: application/http\r\n\r\nGET \xff HTTP/1.1\r\n--b--".as_slice()].concat();
    assert_eq!(code(parse("b", &bytes)), "!");
}

#[test]
fn bch_7_change_sets() {
    let set_of = |requests: &[&str]| code(parse("b", set(requests).as_bytes()));
    let (first, second) = (
        "Content-ID: 1\r\n\r\nPUT A HTTP/1.1\r\n\r\nx",
        "Content-ID: 2\r\n\r\nMERGE $1 HTTP/1.1\r\n\r\n",
    );
    assert_eq!(set_of(&[first, second]), "[PUT A [\"1\"] \"x\"; MERGE $1 [\"2\"] \"\"]");
    let wrong: &[&[&str]] = &[
        &[first, "\r\nGET A HTTP/1.1\r\n"],
        &[first, first],
        &[first, "Content-ID: 1\r\n\r\nPATCH A HTTP/1.1\r\nContent-ID: 2\r\n"],
        &[first, "\r\nOPTIONS A HTTP/1.1\r\n"],
        &[first, "Content-ID: a b\r\n\r\nPATCH A HTTP/1.1\r\n"],
        &[first, "\r\nPATCH A HTTP/1.1\r\nContent-ID: $1\r\n"],
        &[first, "Content-Transfer-Encoding: base64\r\n\r\nPATCH A HTTP/1.1\r\n"],
        &[first, "no header\r\n\r\nPATCH A HTTP/1.1\r\n", "\r\nGET A HTTP/1.1\r\n"],
    ];
    for requests in wrong {
        assert_eq!(set_of(requests), "[!]", "{requests:?}");
    }
    let nested = one("Content-Type: multipart/mixed;boundary=c\r\n\r\n\
        --c\r\nContent-Type: multipart/mixed;boundary=d\r\n\r\n--d\r\n--d--\r\n--c--");
    assert_eq!(code(parse("b", nested.as_bytes())), "[!]");
}

/// The answer to a refused request has its Content-ID and a format that it asks for.
#[test]
fn bch_41_a_refused_request_is_known() {
    let text = set(&["Content-ID: 7\r\n\r\nGET A HTTP/1.1\r\nAccept: application/xml\r\n\r\n"]);
    let items = parse("b", text.as_bytes()).unwrap();
    let Item::Refused {
        fault,
        part,
        in_change_set,
    } = &items[0]
    else {
        panic!("it is refused")
    };
    assert_eq!(
        (fault.kind.status, part.content_id, part.header("accept"), *in_change_set),
        (400, Some("7"), Some("application/xml"), true)
    );
    let double = set(&[
        "Content-ID: 7\r\n\r\nPOST A HTTP/1.1\r\n",
        "Content-ID: 8\r\n\r\nPOST B HTTP/1.1\r\nContent-ID: 7\r\n",
    ]);
    let items = parse("b", double.as_bytes()).unwrap();
    let Item::Refused { part, .. } = &items[0] else {
        panic!("it is refused")
    };
    assert_eq!((part.url, part.content_id, part.other_id), ("B", Some("7"), Some("8")));
}

#[test]
fn bch_21_limits() {
    let posts = |count: usize| set(&vec!["\r\nPOST A HTTP/1.1\r\n"; count]);
    let get = "--b\r\nContent-Type: application/http\r\n\r\nGET A HTTP/1.1\r\n";
    let gets = |count: usize| get.repeat(count) + "--b--";
    let both = |count: usize| format!("{}{}", get.repeat(BATCH_PARTS / 2), posts(count));
    // Two change sets in one batch: the close of the first goes.
    let two = |count: usize| posts(count / 2).replace("\r\n--b--\r\n", "\r\n") + &posts(count - count / 2);
    let sets = |count: usize| "--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c--\r\n".repeat(count) + "--b--";
    let line = |length: usize| {
        one(&format!(
            "Content-Type: application/http\r\n\r\nGET {} HTTP/1.1",
            "A".repeat(length - "GET  HTTP/1.1".len())
        ))
    };
    let headers = |count: usize| {
        one(&format!(
            "Content-Type: application/http\r\n\r\nGET A HTTP/1.1\r\n{}",
            "A: b\r\n".repeat(count)
        ))
    };
    let body = |length: usize| set(&[&format!("\r\nPOST A HTTP/1.1\r\n\r\n{}", "x".repeat(length))]);
    let whole = |length: usize| format!("{}{}", gets(1), " ".repeat(length - gets(1).len()));
    let count = |text: &str| -> Result<usize, u16> {
        let mut count = 0;
        for item in parse("b", text.as_bytes()).map_err(|fault| fault.kind.status)? {
            count += match item {
                Item::Single(_) => 1,
                Item::ChangeSet(parts) => parts.len(),
                Item::Refused { fault, .. } => return Err(fault.kind.status),
            };
        }
        Ok(count)
    };
    let cases: &[(&str, usize, Result<usize, u16>, u16, &dyn Fn(usize) -> String)] = &[
        ("a change set", BATCH_PARTS, Ok(BATCH_PARTS), 400, &posts),
        ("single requests", BATCH_PARTS, Ok(BATCH_PARTS), 400, &gets),
        ("both", BATCH_PARTS - BATCH_PARTS / 2, Ok(BATCH_PARTS), 400, &both),
        ("two change sets", BATCH_PARTS, Ok(BATCH_PARTS), 400, &two),
        ("empty change sets", BATCH_PARTS, Ok(0), 400, &sets),
        ("a line", BATCH_LINE_BYTES, Ok(1), 400, &line),
        ("headers", BATCH_HEADERS, Ok(1), 400, &headers),
        ("a body", BODY_BYTES, Ok(1), 413, &body),
        ("all", BATCH_BYTES, Ok(1), 413, &whole),
    ];
    for (name, limit, at, past, make) in cases {
        assert_eq!(count(&make(*limit)), *at, "{name}");
        assert_eq!(count(&make(limit + 1)), Err(*past), "{name}, one more");
    }
}

/// Whatever comes in, something comes out, and what is carried out stands in the text.
#[test]
fn random_damage() {
    const PIECES: &[&[u8]] = &[
        b"--b",
        b"--b--",
        b"--cs=1",
        b"--cs=1--",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"--",
        b":",
        b" ",
        b"\t",
        b"\0",
        b"\xff",
        b"GET",
        b"POST",
        b" HTTP/1.1",
        b"Content-Type: ",
        b"multipart/mixed;boundary=\"",
        b"Content-ID: 1",
        b"$1",
    ];
    // SplitMix64, so that a failure comes again.
    let mut state = 7u64;
    let mut below = |limit: usize| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit as u64) as usize
    };
    let mut good = 0;
    for _ in 0..20_000 {
        let mut text = BATCH.as_bytes().to_vec();
        for _ in 0..1 + below(3) {
            let at = below(text.len());
            let to = (at + below(12)).min(text.len());
            match below(4) {
                0 => drop(text.splice(at..to, PIECES[below(PIECES.len())].iter().copied())),
                1 => drop(text.drain(at..to)),
                2 => text.insert(at, below(256) as u8),
                _ => text.truncate(text.len() - below(text.len()) / 8),
            }
        }
        match parse("b", &text) {
            Ok(items) => {
                good += 1;
                let parts = items.iter().flat_map(|item| match item {
                    Item::Single(part) => std::slice::from_ref(part),
                    Item::ChangeSet(parts) => parts.as_slice(),
                    Item::Refused { fault, .. } => {
                        assert!((400..500).contains(&fault.kind.status));
                        &[]
                    }
                });
                for part in parts {
                    assert!(!part.url.is_empty() && part.url.trim() == part.url && !part.url.contains(['\r', '\n', '\0']));
                    let mut lines = part.body.split(|byte| *byte == b'\n');
                    assert!(!lines.any(|line| matches!(line, b"--b" | b"--b\r")));
                }
            }
            Err(fault) => assert!((400..500).contains(&fault.kind.status)),
        }
    }
    assert!(good > 5_000, "{good}");
}

#[test]
fn bch_30_answers() {
    let mut writer = Writer::new();
    let content_type = writer.content_type();
    let boundary = content_type.strip_prefix("multipart/mixed; boundary=").unwrap().to_owned();
    assert!(boundary.starts_with("batchresponse_") && super::boundary(Some(&content_type)).is_ok_and(|found| found == boundary));
    let created = Response {
        status: 201,
        content_id: Some("1"),
        headers: &[("content-type", "application/json"), ("dataserviceversion", "3.0"), ("X-y", "z")],
        body: b"{}",
    };
    let gone = Response {
        status: 204,
        content_id: None,
        headers: &[],
        body: b"",
    };
    let refused = Response { status: 412, ..created };
    writer.single(&gone);
    writer.change_set(&[created, gone]);
    writer.change_set(&[refused]);
    let text = String::from_utf8(writer.finish()).unwrap();
    let sets: Vec<&str> = text
        .split("\r\n")
        .filter_map(|line| line.strip_prefix("Content-Type: multipart/mixed; boundary="))
        .collect();
    assert!(sets.len() == 2 && sets[0] != sets[1] && sets.iter().all(|set| set.starts_with("changesetresponse_")));
    let named = text.replace(&boundary, "b").replace(sets[0], "c").replace(sets[1], "d");
    let expected = "--b\n\
        Content-Type: application/http\nContent-Transfer-Encoding: binary\n\n\
        HTTP/1.1 204 No Content\n\n\n\
        --b\n\
        Content-Type: multipart/mixed; boundary=c\n\n\
        --c\n\
        Content-Type: application/http\nContent-Transfer-Encoding: binary\n\n\
        HTTP/1.1 201 Created\nContent-ID: 1\nContent-Type: application/json\nDataServiceVersion: 3.0\nX-y: z\n\n{}\n\
        --c\n\
        Content-Type: application/http\nContent-Transfer-Encoding: binary\n\n\
        HTTP/1.1 204 No Content\n\n\n\
        --c--\n\
        --b\n\
        Content-Type: multipart/mixed; boundary=d\n\n\
        --d\n\
        Content-Type: application/http\nContent-Transfer-Encoding: binary\n\n\
        HTTP/1.1 412 Precondition Failed\nContent-ID: 1\nContent-Type: application/json\nDataServiceVersion: 3.0\nX-y: z\n\n{}\n\
        --d--\n\
        --b--\n";
    assert_eq!(named, expected.replace('\n', "\r\n"));
}

/// A status without its phrase would go out as `Unknown`.
#[test]
fn every_fault_has_a_phrase() {
    for (kind, _) in fault::KINDS {
        let mut writer = Writer::new();
        let response = Response {
            status: kind.status,
            content_id: None,
            headers: &[],
            body: b"",
        };
        writer.single(&response);
        assert!(!String::from_utf8(writer.finish()).unwrap().contains("Unknown"), "{}", kind.status);
    }
}

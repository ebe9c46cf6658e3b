//! SIGKILL under write load, on both databases: what was acknowledged is there, exactly once, and nothing is half there.
//! `ROUNDS=n` makes it longer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::random::Random;
use odata_tests::server::Server;
use serde_json::Value;

const ROUNDS: usize = 6;
const WRITERS: usize = 4;

/// What the writers know.
#[derive(Default)]
struct Ledger {
    /// Sent, whatever came of it.
    tried: BTreeSet<i64>,
    /// Answered with 201.
    made: BTreeSet<i64>,
    /// Answered with 204: row and the number written last.
    changed: BTreeMap<i64, i64>,
}

/// A row as it must be: three properties that only go together.
fn body(id: i64, number: i64) -> String {
    format!(
        r#"{{"Id":{id},"A":{number},"C":"{}","S":"row {id}, {number}","Tags":["{number}"]}}"#,
        number * 7
    )
}

/// Writes until the server is gone.
fn write(server: &str, next: &AtomicI64, ledger: &Mutex<Ledger>) {
    let client = odata_tests::client::Client::new(server).basic("admin", odata_tests::server::ADMIN_PASSWORD);
    loop {
        let id = next.fetch_add(1, Ordering::Relaxed);
        ledger.lock().expect("no writer panics").tried.insert(id);
        match client.post("/api/Truth/Rows", &body(id, 0)) {
            Ok(reply) if reply.status == 201 => ledger.lock().expect("no writer panics").made.insert(id),
            Ok(reply) => panic!("{} {}", reply.status, reply.text()),
            Err(_) => return,
        };
        if id % 3 != 0 {
            continue;
        }
        for number in 1..4 {
            let headers = [("Content-Type", "application/json")];
            let target = format!("/api/Truth/Rows({id})");
            match client.send("PATCH", &target, &headers, Some(body(id, number).as_bytes())) {
                Ok(reply) if reply.status == 204 => ledger.lock().expect("no writer panics").changed.insert(id, number),
                Ok(reply) => panic!("{} {}", reply.status, reply.text()),
                Err(_) => return,
            };
        }
    }
}

/// All rows, over all pages.
fn rows(server: &Server) -> Vec<Value> {
    let client = server.admin();
    let mut target = "/api/Truth/Rows?$select=Id,A,C,S,Tags".to_owned();
    let mut rows = Vec::new();
    loop {
        let reply = client.get(&target).expect("the server answers");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.json();
        rows.extend(body["value"].as_array().into_iter().flatten().cloned());
        match body["odata.nextLink"].as_str().and_then(|next| next.strip_prefix(&server.base())) {
            Some(next) => target = next.to_owned(),
            None => return rows,
        }
    }
}

fn check(rows: &[Value], ledger: &Ledger) {
    let mut there = BTreeMap::new();
    for row in rows {
        let id = row["Id"].as_i64().expect("a row has an id");
        let number = row["A"].as_i64().expect("a row has its number");
        assert!(there.insert(id, number).is_none(), "row {id} is there twice");
        assert!(ledger.tried.contains(&id), "nobody wrote row {id}");
        let whole = serde_json::from_str::<Value>(&body(id, number)).expect("a body is JSON");
        assert_eq!(*row, whole, "row {id} is half written");
    }
    for id in &ledger.made {
        assert!(there.contains_key(id), "row {id} was acknowledged and is not there");
    }
    for (id, number) in &ledger.changed {
        assert!(
            there[id] >= *number,
            "change {number} of row {id} was acknowledged and is not there"
        );
    }
}

fn run(system: System) {
    if !system.is_there() {
        return;
    }
    let fixture = Fixture::prepare(&["truth".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    let mut site = fixture.serve(&[]).expect("the server starts");
    let mut random = Random::from_env(7);
    let (next, ledger) = (AtomicI64::new(1), Mutex::new(Ledger::default()));
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    for _ in 0..rounds {
        let address = site.server.address().to_owned();
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| write(&address, &next, &ledger));
            }
            std::thread::sleep(Duration::from_millis(150 + random.below(500) as u64));
            site.server.kill();
        });
        site.server = Server::start(&site.database, fixture.plugins());
        check(&rows(&site.server), &ledger.lock().expect("no writer panics"));
    }
    let ledger = ledger.into_inner().expect("no writer panics");
    println!(
        "{}: {rounds} kills, {} rows and {} changes acknowledged, all there",
        system.name(),
        ledger.made.len(),
        ledger.changed.len()
    );
    assert!(ledger.made.len() > rounds, "the load was no load");
}

#[test]
fn acknowledged_writes_survive_a_kill_on_sqlite() {
    run(System::Sqlite);
}

#[test]
fn acknowledged_writes_survive_a_kill_on_postgres() {
    run(System::Postgres);
}

//! Random expressions against an independent evaluator, on both databases. `SEED=n` repeats a run, `EXPRESSIONS=n` makes it longer.

use std::sync::atomic::{AtomicUsize, Ordering};

use odata_tests::client::{Client, encode_all};
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::random::Random;
use odata_tests::semantics::{Expr, Generator, Rows, select};

/// Expressions for each database.
const EXPRESSIONS: usize = 2_000;

/// The ids that the server selects, or what it answers instead.
fn ask(client: &Client, expr: &Expr) -> Result<Vec<i64>, String> {
    let target = format!("/api/Truth/Rows?$select=Id&$filter={}", encode_all(&expr.to_string()));
    let reply = client.get(&target).map_err(|error| error.to_string())?;
    if reply.status != 200 {
        return Err(format!("{} {}", reply.status, reply.text()));
    }
    let body = reply.json();
    let ids = body["value"].as_array().into_iter().flatten().filter_map(|row| row["Id"].as_i64());
    Ok(ids.collect())
}

/// The smallest part that the server sees differently, too.
fn smallest<'a>(client: &Client, rows: &Rows, expr: &'a Expr) -> &'a Expr {
    let mut parts = expr.parts();
    while let Some(part) = parts.pop() {
        if part.stands_alone() && ask(client, part) != Ok(select(rows, part)) {
            return smallest(client, rows, part);
        }
        parts.extend(part.parts());
    }
    expr
}

fn run(system: System, seed: u64) -> Vec<String> {
    let mut random = Random::from_env(seed);
    let rows = Rows::random(&mut random, 60);
    let fixture = Fixture::prepare(&["truth".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    let file = fixture.plugins().join("rows.json");
    std::fs::write(&file, rows.json()).expect("a file can be written");
    fixture
        .run(&["load", "Truth/Rows", &file.to_string_lossy()])
        .expect("rows can be loaded");
    let site = fixture.serve(&[]).expect("the server starts");
    let count = std::env::var("EXPRESSIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(EXPRESSIONS);
    let client = site.server.admin();
    let mut wrong = Vec::new();
    let (mut some, mut selected) = (0, 0);
    for number in 0..count {
        let expr = Generator::new(&mut random).predicate(1 + number % 4);
        let expected = select(&rows, &expr);
        some += usize::from(!expected.is_empty() && expected.len() < rows.0.len());
        selected += expected.len();
        if ask(&client, &expr) == Ok(expected) {
            continue;
        }
        let part = smallest(&client, &rows, &expr);
        wrong.push(format!(
            "{part}\n  expected {:?}\n  answered {:?}",
            select(&rows, part),
            ask(&client, part)
        ));
    }
    println!(
        "{}: {count} expressions, {some} of them select some rows, {selected} rows in all",
        system.name()
    );
    assert!(some * 3 > count, "too many expressions select all or nothing");
    wrong
}

#[test]
fn expressions_mean_the_same_everywhere() {
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for system in System::all() {
            let failed = &failed;
            scope.spawn(move || {
                let mut wrong = run(system, 3);
                failed.fetch_add(wrong.len(), Ordering::Relaxed);
                wrong.sort_by_key(String::len);
                wrong.dedup();
                for what in wrong.iter().take(15) {
                    println!("{}: {what}", system.name());
                }
            });
        }
    });
    assert_eq!(
        failed.load(Ordering::Relaxed),
        0,
        "expressions that mean something else to the server"
    );
}

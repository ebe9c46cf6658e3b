//! FLT-63: `geo.distance`, `geo.length` and `geo.intersects` of random shapes against an independent evaluator, on both databases:
//! nine digits are the same. `SEED=n` repeats a run.

use odata_tests::client::{Client, encode_all};
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::random::Random;
use odata_tests::spatial::{Family, Row, intersects, json, place, point_text, polygon_text, rings, rows};

/// Questions of each kind for each family.
const QUESTIONS: usize = 60;
/// Fewer than a page.
const ROWS: usize = 40;
/// By how much two ways to compute the same may differ.
const TOLERANCE: f64 = 1e-9;

struct Asker<'a> {
    client: &'a Client,
    family: Family,
    rows: &'a [Row],
    wrong: Vec<String>,
}

impl Asker<'_> {
    /// The ids that a query gives, of the family's rows.
    fn ask(&mut self, filter: &str, order: &str) -> Vec<i64> {
        let (first, last) = (self.rows[0].id, self.rows[self.rows.len() - 1].id);
        let filter = encode_all(&format!("Id ge {first} and Id le {last} and ({filter})"));
        let target = format!("/api/Maps/Places?$select=Id&$filter={filter}&$orderby={}", encode_all(order));
        let reply = self.client.get(&target).expect("the server answers");
        assert_eq!(reply.status, 200, "{target}: {}", reply.text());
        let body = reply.json();
        let ids = body["value"].as_array().into_iter().flatten().filter_map(|row| row["Id"].as_i64());
        ids.collect()
    }

    fn check(&mut self, filter: &str, holds: impl Fn(&Row) -> Option<bool>) {
        for (filter, wanted) in [(filter.to_owned(), true), (format!("not ({filter})"), false)] {
            let expected: Vec<i64> = self
                .rows
                .iter()
                .filter(|row| holds(row) == Some(wanted))
                .map(|row| row.id)
                .collect();
            let found = self.ask(&filter, "Id");
            if found != expected {
                self.wrong.push(format!("{filter}: {found:?}, expected {expected:?}"));
            }
        }
    }

    /// Rows where a number is that of one row, but for the last digits.
    fn check_number(&mut self, call: &str, number: impl Fn(&Row) -> Option<f64>, random: &mut Random) {
        let Some(target) = number(random.pick(self.rows)) else { return };
        let (low, high) = (target * (1.0 - TOLERANCE), target * (1.0 + TOLERANCE));
        let filter = format!("{call} ge {low:?} and {call} le {high:?}");
        self.check(&filter, |row| number(row).map(|number| low <= number && number <= high));
        let ids = self.ask(&format!("{call} ne null"), call);
        let numbers: Vec<Option<f64>> = ids
            .iter()
            .map(|id| self.rows.iter().find(|row| row.id == *id).and_then(&number))
            .collect();
        let is_order = |pair: &[Option<f64>]| matches!(pair, [Some(left), Some(right)] if *left <= right * (1.0 + TOLERANCE));
        let count = self.rows.iter().filter(|row| number(row).is_some()).count();
        if ids.len() != count || !numbers.windows(2).all(is_order) {
            self.wrong.push(format!("by {call}: {numbers:?}"));
        }
    }

    fn questions(&mut self, random: &mut Random) {
        let (family, [point, line, polygon]) = (self.family, self.family.properties());
        let is_usual = |row: &Row| row.srid == family.srid();
        for number in 0..QUESTIONS {
            let here = place(random);
            let literal = family.literal(family.srid(), &point_text(Some(here)));
            let distance = |row: &Row| Some(family.distance(here, row.point.filter(|_| is_usual(row))??));
            self.check_number(&format!("geo.distance({point},{literal})"), distance, random);
            let inside = |row: &Row| Some(intersects(here, row.polygon.as_deref().filter(|_| is_usual(row))?));
            self.check(&format!("geo.intersects({literal},{polygon})"), inside);
            let area = rings(random);
            let literal = family.literal(family.srid(), &polygon_text(&area));
            let inside = |row: &Row| {
                let point = row.point.filter(|_| is_usual(row))?;
                Some(point.is_some_and(|point| intersects(point, &area)))
            };
            self.check(&format!("geo.intersects({point},{literal})"), inside);
            if number < 10 {
                let length = |row: &Row| Some(family.length(row.line.as_deref()?));
                self.check_number(&format!("geo.length({line})"), length, random);
                let own = |row: &Row| {
                    let (point, rings) = (row.point?, row.polygon.as_deref()?);
                    Some(point.is_some_and(|point| intersects(point, rings)))
                };
                self.check(&format!("geo.intersects({polygon},{point})"), own);
            }
        }
    }
}

fn run(system: System) -> Vec<String> {
    let mut random = Random::from_env(5);
    let fixture = Fixture::prepare(&["maps".to_owned()], &[], system)
        .expect("the fixture is good")
        .expect("it is here");
    let families = [(Family::Geography, 1000), (Family::Geometry, 2000)];
    let tables = families.map(|(family, first)| (family, rows(&mut random, family, first, ROWS)));
    for (family, rows) in &tables {
        let file = fixture.plugins().join("rows.json");
        std::fs::write(&file, json(rows, *family)).expect("a file can be written");
        fixture
            .run(&["load", "Maps/Places", &file.to_string_lossy()])
            .expect("rows can be loaded");
    }
    let site = fixture.serve(&[]).expect("the server starts");
    let client = site.server.admin();
    let mut wrong = Vec::new();
    for (family, rows) in &tables {
        let mut asker = Asker {
            client: &client,
            family: *family,
            rows,
            wrong: Vec::new(),
        };
        asker.questions(&mut random);
        wrong.append(&mut asker.wrong);
    }
    wrong
}

#[test]
fn shapes_are_measured_the_same_everywhere() {
    for system in System::all() {
        let wrong = run(system);
        let some: Vec<&String> = wrong.iter().take(5).collect();
        assert!(wrong.is_empty(), "{}: {} wrong answers: {some:#?}", system.name(), wrong.len());
    }
}

#[test]
fn both_outcomes_are_common() {
    let mut random = Random::new(7);
    let inside = (0..1000).filter(|_| intersects(place(&mut random), &rings(&mut random))).count();
    assert!((50..950).contains(&inside), "{inside}");
}

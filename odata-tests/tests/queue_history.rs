//! The history of the queue over time, with a clock that the test sets: a row for each second in which a count has changed, written once
//! whoever sees it, fullest moments, and retention. `reference/core4.md` 3.3.

use odata_tests::database::System;
use odata_tests::jobs::acts::{Act, Maker, ROOT};
use odata_tests::jobs::house::House;
use odonata::engine::queue::Known;
use odonata::model::limits::QUEUE_HISTORY_DAYS;

const HOUR: i64 = 3_600;

/// A house, and what one of its instances knows.
struct Site {
    house: House,
    known: Known,
    jobs: Vec<i64>,
}

impl Site {
    fn new(system: System) -> Site {
        Site {
            house: House::new(system),
            known: Known::new(),
            jobs: Vec::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        self.house.act(act, &self.jobs).expect("it is possible");
        self.jobs = self.house.look.jobs(&self.house.engine).iter().map(|job| job.id).collect();
        self.jobs.sort_unstable();
    }

    fn add(&mut self) {
        self.act(&Act::Create(Maker::plain(ROOT, 2, "a", 0)));
    }

    /// What an instance does about once in a second; how many tenants' counts had changed.
    fn look(&mut self) -> bool {
        let snapshot = self.house.read(|engine, session| engine.count_queue(session, &self.known));
        let written = snapshot.clone();
        self.house.write(move |engine, session| engine.write_history(session, &written));
        let is_changed = !snapshot.is_empty();
        snapshot.remember(&mut self.known);
        is_changed
    }

    fn rows(&mut self) -> i64 {
        self.house.count("QueueHistory")
    }

    /// Totals of a period that ends now, in buckets.
    fn totals(&self, seconds: i64, bucket: Option<&'static str>) -> Vec<i64> {
        self.house.history(seconds, bucket)
    }
}

fn each(test: impl Fn(Site)) {
    System::all().into_iter().for_each(|system| test(Site::new(system)));
}

#[test]
fn a_row_for_each_second_with_a_change() {
    each(|mut site| {
        assert!(!site.look(), "there are no jobs");
        site.add();
        assert!(site.look());
        assert!(!site.look(), "nothing has changed since");
        site.add();
        let other = std::mem::take(&mut site.known);
        assert!(site.look(), "another instance, in the same second");
        assert_eq!(site.rows(), 1);
        site.known = other;
        site.act(&Act::Advance(1));
        assert!(site.look());
        assert_eq!(site.rows(), 2);
        site.act(&Act::Claim(0));
        site.act(&Act::Advance(1));
        assert!(site.look(), "as many, in other states");
        assert_eq!(site.rows(), 3);
        site.act(&Act::Result(0, true));
        site.act(&Act::Result(1, true));
        site.act(&Act::Advance(1));
        assert!(site.look(), "the last one is done");
        assert!(!site.look());
        assert_eq!(site.totals(HOUR, None), [0, 2, 2, 1]);
    });
}

#[test]
fn the_fullest_moment_of_each_bucket() {
    each(|mut site| {
        for jobs in [3, 1, 2] {
            (0..jobs).for_each(|_| site.add());
            site.act(&Act::Advance(10));
            site.look();
            (0..site.jobs.len()).rev().for_each(|job| site.act(&Act::Remove(job)));
            site.act(&Act::Advance(10));
            site.look();
            site.act(&Act::Advance(HOUR - 20));
        }
        assert_eq!(site.totals(24 * HOUR - 1, None), [0, 2, 0, 1, 0, 3], "seconds");
        assert_eq!(site.totals(24 * HOUR, None), [2, 1, 3], "minutes");
        assert_eq!(site.totals(40 * 24 * HOUR, None), [2, 1, 3], "hours");
        assert_eq!(site.totals(400 * 24 * HOUR, None), [3], "days");
        assert_eq!(site.totals(HOUR * 4, Some("day")), [3], "as asked for");
        assert_eq!(site.totals(HOUR * 2, None), [0, 2, 0, 1], "from then on");
    });
}

#[test]
fn it_is_kept_for_a_while() {
    each(|mut site| {
        site.add();
        site.look();
        site.act(&Act::Advance(QUEUE_HISTORY_DAYS as i64 * 24 * HOUR));
        site.add();
        site.look();
        site.house.write(|engine, session| engine.forget_history(session));
        assert_eq!(site.rows(), 2, "just not too old");
        site.act(&Act::Advance(1));
        site.house.write(|engine, session| engine.forget_history(session));
        assert_eq!(site.rows(), 1);
    });
}

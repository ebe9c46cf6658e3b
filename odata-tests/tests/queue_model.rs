//! Random lives of jobs on the server's library, with a clock that the test sets: after every step the queue, the history and what was
//! refused are what a reference says that is written from the documentation. `SEED=…` repeats a run; a failure is shown with the fewest
//! steps that have it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use odata_tests::database::System;
use odata_tests::jobs::acts::{self, Act, Claim};
use odata_tests::jobs::house::{House, Real};
use odata_tests::jobs::moves::Refused;
use odata_tests::jobs::reference::{Given, Moved, Reference};
use odata_tests::random::Random;

/// Steps of a sequence.
const STEPS: usize = 200;
/// How long fewer steps are looked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sequences on a database.
fn sequences(system: System) -> u64 {
    match system {
        System::Sqlite => 200,
        System::Postgres => 50,
    }
}

/// Runs a sequence; the error says what differs, after which acts.
fn sequence(house: &mut House, steps: &[u64]) -> Result<(), String> {
    house.clear();
    let mut reference = Reference::default();
    let (mut numbers, mut claims, mut last) = (Vec::new(), Vec::new(), 0);
    let mut told = Vec::new();
    for &step in steps {
        let act = acts::choose(step, &reference, &claims);
        let (expected, found) = (reference.act(&act), house.act(&act, &numbers));
        told.push(format!("{act:?} -> {expected:?}"));
        let differs = compare(house, &reference, &mut numbers, &mut last, (&expected, &found));
        if let Err(what) = differs {
            return Err(format!("{}\n{what}", told.join("\n")));
        }
        if let (Act::Claim(worker), Ok(Given::Claim(Some((job, attempt))))) = (&act, &expected) {
            claims.push(Claim {
                job: *job,
                attempt: *attempt,
                worker: Some(*worker),
            });
        }
    }
    Ok(())
}

fn compare(
    house: &mut House,
    reference: &Reference,
    numbers: &mut Vec<i64>,
    last: &mut i64,
    (expected, found): (&Result<Given, Refused>, &Result<Real, Refused>),
) -> Result<(), String> {
    let rows = house.look.jobs(&house.engine);
    // Jobs are made one after the other, so their numbers grow as the reference's do.
    let mut new: Vec<i64> = rows.iter().map(|row| row.id).filter(|id| !numbers.contains(id)).collect();
    new.sort_unstable();
    numbers.extend(new);
    let own: BTreeMap<i64, usize> = numbers.iter().enumerate().map(|(own, id)| (*id, own)).collect();
    let same = match (expected, found) {
        (Err(expected), Err(found)) => expected == found,
        (Ok(Given::Nothing), Ok(_)) => true,
        (Ok(Given::Job(job)), Ok(Real::Job(id))) => own.get(id) == Some(job),
        (Ok(Given::Claim(None)), Ok(Real::Claim(None))) => true,
        (Ok(Given::Claim(Some((job, attempt)))), Ok(Real::Claim(Some((id, found))))) => own.get(id) == Some(job) && attempt == found,
        (Ok(Given::Word(stop, until)), Ok(Real::Word(found, lease))) => (stop, until) == (found, lease),
        _ => false,
    };
    if !same {
        return Err(format!("expected {expected:?}\nfound    {found:?} (numbers {numbers:?})"));
    }
    let mut states: Vec<_> = rows
        .iter()
        .map(|row| (own[&row.id], row.state.as_str(), row.attempt, row.failures, row.losses))
        .collect();
    let queue: Vec<usize> = states.iter().filter(|row| row.1 == "queued").map(|row| row.0).collect();
    states.sort_unstable();
    let should = reference.jobs.iter();
    let should: Vec<_> = should
        .map(|(id, job)| (*id, job.state, job.attempt, job.failures, job.losses))
        .collect();
    if states != should {
        return Err(format!("expected jobs {should:?}\nfound         {states:?}"));
    }
    if queue != reference.queue() {
        return Err(format!("expected queue {:?}\nfound          {queue:?}", reference.queue()));
    }
    let events = house.look.events(&house.engine, *last);
    *last = events.last().map_or(*last, |row| row.id);
    let word = |state: &Option<String>| state.clone().unwrap_or_default();
    let events: Vec<_> = events
        .iter()
        .map(|row| (own[&row.job], word(&row.from_state), word(&row.to_state), row.attempt))
        .collect();
    let moved = |row: &Moved| (row.0, row.1.to_owned(), row.2.to_owned(), row.3);
    let should: Vec<_> = reference.moved.iter().map(moved).collect();
    // What follows from one act follows at once: the order is that of each job.
    let by_job = |rows: &[(usize, String, String, i64)]| {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.0);
        rows
    };
    match by_job(&events) == by_job(&should) {
        true => Ok(()),
        false => Err(format!("expected history {should:?}\nfound            {events:?}")),
    }
}

/// As few steps as still differ.
fn fewest(house: &mut House, mut steps: Vec<u64>) -> (Vec<u64>, String) {
    let begin = Instant::now();
    let mut why = sequence(house, &steps).expect_err("it differed before");
    let mut size = steps.len() / 2;
    while size > 0 {
        let (mut at, mut is_smaller) = (0, false);
        while at < steps.len() && begin.elapsed() < PATIENCE {
            let end = (at + size).min(steps.len());
            let rest = [&steps[..at], &steps[end..]].concat();
            match sequence(house, &rest) {
                Err(still) => (steps, why, is_smaller) = (rest, still, true),
                Ok(()) => at = end,
            }
        }
        size = if is_smaller && size == 1 && begin.elapsed() < PATIENCE {
            1
        } else {
            size / 2
        };
    }
    (steps, why)
}

fn model(system: System) {
    if !system.is_there() {
        return;
    }
    let begin = Instant::now();
    let mut house = House::new(system);
    let seed = Random::from_env(20_061).bits();
    for number in 0..sequences(system) {
        let mut random = Random::new(seed.wrapping_add(number));
        let steps: Vec<u64> = (0..STEPS).map(|_| random.bits()).collect();
        if sequence(&mut house, &steps).is_err() {
            let (steps, why) = fewest(&mut house, steps);
            let seed = std::env::var("SEED").unwrap_or_else(|_| "20061".to_owned());
            panic!("{}, SEED={seed}, sequence {number}, {} steps:\n{why}", system.name(), steps.len());
        }
    }
    println!(
        "{}: {} sequences of {STEPS} steps, {:.0?}",
        system.name(),
        sequences(system),
        begin.elapsed()
    );
}

#[test]
fn jobs_do_what_the_reference_does_on_sqlite() {
    model(System::Sqlite);
}

#[test]
fn jobs_do_what_the_reference_does_on_postgres() {
    model(System::Postgres);
}

//! Everywhere as somebody who has no business there: every entity set, navigation, action, function, service operation, link, property,
//! value, count, stream and query option of every endpoint, as the schema has them, on both databases. Nothing tells a tenant that
//! a foreign row exists, and who may do nothing gets nothing (design, section 5). `DEVIATIONS=FILE` writes all that is wrong.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Instant;

use odata_tests::database::System;
use odata_tests::walk::callers::Walk;
use odata_tests::walk::places::Probe;
use odata_tests::walk::run::dump;
use odata_tests::walk::site::Site;

/// Deviations that are shown.
const SHOWN: usize = 50;

#[test]
fn nobody_sees_what_is_not_his() {
    std::thread::scope(|scope| {
        for system in System::all() {
            scope.spawn(move || walk(system));
        }
    });
}

fn walk(system: System) {
    let begin = Instant::now();
    let mut site = Site::build(system);
    let crossed = site.cross();
    let seeded = begin.elapsed();
    let mut walk = Walk::new(site);
    // What anybody may invoke comes last: it may end sessions, and wrong passwords have consequences.
    let (open, places): (Vec<Probe>, Vec<Probe>) = walk.places().into_iter().partition(|probe| walk.is_open(probe));
    walk.hire();
    let before = [true, false].map(|owned| dump(&walk.site, "homeboss", owned));
    walk.nobody(&places);
    walk.without_permission("guest", &places);
    walk.others(&places);
    for (owned, before) in [true, false].into_iter().zip(&before) {
        walk.unchanged("nobody, guest, plain, reader", owned, before);
    }
    walk.strangers();
    walk.unchanged("stranger, operator", true, &before[0]);
    walk.pages();
    walk.newcomers();
    walk.unchanged("stranger", true, &before[0]);
    walk.open(&open);
    summary(
        walk,
        system,
        &places,
        &format!("{crossed}; {seeded:.0?} to make them, {:.0?} in all", begin.elapsed()),
    );
}

fn summary(walk: Walk, system: System, places: &[Probe], more: &str) {
    for note in &walk.site.notes {
        println!("{}: {note}", system.name());
    }
    let tally = walk.tally.into_inner().expect("no counter panics");
    let callers: BTreeSet<&str> = tally.keys().map(|(caller, _)| *caller).collect();
    let total: usize = tally.values().sum();
    // Not through the macro, whose words are only shown when the test fails.
    let _ = writeln!(
        std::io::stdout(),
        "{}: {} sets × {} places × {} callers = {total} requests; {more}",
        system.name(),
        walk.site.schema.sets.len(),
        places.len(),
        callers.len()
    );
    for caller in callers {
        let own = tally.iter().filter(|((other, _), _)| *other == caller);
        let line: Vec<String> = own.map(|((_, status), count)| format!("{status}: {count}")).collect();
        println!("  {caller}: {}", line.join(", "));
    }
    let lines = walk.deviations.iter().map(ToString::to_string);
    if let Ok(file) = std::env::var("DEVIATIONS") {
        let all: Vec<String> = lines.clone().collect();
        std::fs::write(format!("{file}.{}", system.name()), all.join("\n")).expect("the file can be written");
    }
    let lines: Vec<String> = lines.take(SHOWN).collect();
    assert!(
        walk.deviations.is_empty(),
        "{}: {} deviations\n{}",
        system.name(),
        walk.deviations.len(),
        lines.join("\n")
    );
}

//! The vectors of `../shared/vectors`, and the table of what came of them: `VECTORS.md` must be what is measured. `UPDATE=1` writes it.

use odata_tests::database::System;
use odata_tests::vectors;

#[test]
fn vectors_are_as_the_table_says() {
    let Some(shared) = odata_tests::shared() else {
        println!("skipped: no ../shared with the vectors");
        return;
    };
    let all = vectors::read(&shared.join("vectors"));
    let tables: Vec<(System, String)> = std::thread::scope(|scope| {
        let (all, shared) = (&all, &shared);
        let started: Vec<_> = System::all()
            .into_iter()
            .map(|system| (system, scope.spawn(move || vectors::table(&vectors::run(all, shared, system)))))
            .collect();
        let ended = started
            .into_iter()
            .map(|(system, thread)| (system, thread.join().expect("a run does not panic")));
        ended.collect()
    });
    let file = odata_tests::here().join("VECTORS.md");
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        std::fs::write(&file, &tables[0].1).expect("the table can be written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    for (system, table) in &tables {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (kept, found) = (lines(&kept), lines(table));
        let new: Vec<&String> = found.iter().filter(|line| !kept.contains(line)).collect();
        let old: Vec<&String> = kept.iter().filter(|line| !found.contains(line)).collect();
        assert!(
            kept == found,
            "{}: VECTORS.md is not what was measured (UPDATE=1 writes it)\nmeasured: {new:#?}\nin the file: {old:#?}",
            system.name()
        );
    }
}

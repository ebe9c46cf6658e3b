//! Every case file on both databases. `CASES=paths` runs only files whose path contains that.

use odata_tests::database::System;
use odata_tests::runner::run_all;

fn run(system: System) {
    if !system.is_there() {
        return;
    }
    let report = run_all(system);
    let skipped = if report.skipped > 0 {
        format!(", {} files skipped", report.skipped)
    } else {
        String::new()
    };
    println!(
        "{}: {} passed, {} failed{skipped}",
        system.name(),
        report.passed,
        report.failures.len()
    );
    assert!(report.failures.is_empty(), "\n{}\n", report.failures.join("\n\n"));
    assert!(report.passed > 0, "no case was run");
}

#[test]
fn cases_on_sqlite() {
    run(System::Sqlite);
}

#[test]
fn cases_on_postgres() {
    run(System::Postgres);
}

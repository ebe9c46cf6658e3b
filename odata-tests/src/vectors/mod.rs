//! Test vectors of other implementations, in `../shared/vectors`: facts, each with an input and what must come of it.
//!
//! Each row gets a [`Verdict`]; the whole is a table that the repository keeps (`VECTORS.md`), so that a change of it is
//! seen. Rows that the vectors themselves call DISPUTED never fail.

mod actions;
mod atom;
mod batch;
mod filters;
mod known;
mod literals;
mod metadata;
mod models;
mod payloads;
mod uris;
mod verbose;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::database::System;

/// One row of a file.
#[derive(Debug, Clone)]
pub struct Vector {
    /// Of the file, without the extension.
    pub file: &'static str,
    /// Unique.
    pub id: String,
    /// `filter-valid` and so on.
    pub kind: String,
    /// The whole row.
    pub row: Value,
}

impl Vector {
    fn input(&self) -> &Value {
        &self.row["input"]
    }

    fn expect(&self) -> &Value {
        &self.row["expect"]
    }

    fn note(&self) -> &str {
        self.row["note"].as_str().unwrap_or_default()
    }
}

/// What came of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As expected.
    Pass,
    /// Not as expected; what came instead.
    Fail(String),
    /// Not as expected, and meant so: which requirement or decision says otherwise.
    Other(String),
    /// Not run; why.
    Out(String),
}

impl Verdict {
    /// Pass, or the failure that `what` says.
    pub fn when(right: bool, what: impl FnOnce() -> String) -> Verdict {
        if right { Verdict::Pass } else { Verdict::Fail(what()) }
    }

    /// Out of scope.
    pub fn out(why: &str) -> Verdict {
        Verdict::Out(why.to_owned())
    }
}

/// Files, in the order of the table.
const FILES: &[&str] = &[
    "webapi-v3-filters",
    "webapi-v3-payloads",
    "olingo2-literals",
    "olingo2-batch-payloads",
    "olingo4-v3-static",
    "simple-odata-client-wire",
    "metadata-facts",
];

/// All rows of all files.
pub fn read(folder: &Path) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for file in FILES {
        let text = std::fs::read_to_string(folder.join(format!("{file}.jsonl"))).unwrap_or_else(|error| panic!("{file}: {error}"));
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}"));
            vectors.push(Vector {
                file,
                id: row["id"].as_str().unwrap_or_default().to_owned(),
                kind: row["kind"].as_str().unwrap_or_default().to_owned(),
                row,
            });
        }
    }
    vectors
}

/// Runs all of them on one database system.
pub fn run(vectors: &[Vector], shared: &Path, system: System) -> Vec<(Vector, Verdict)> {
    let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
    let of = |file: &str| -> Vec<&Vector> { vectors.iter().filter(|vector| vector.file == file).collect() };
    filters::run(&of("webapi-v3-filters"), &of("olingo4-v3-static"), system, &mut verdicts);
    batch::run(&of("olingo2-batch-payloads"), &of("simple-odata-client-wire"), &mut verdicts);
    literals::run(&of("olingo2-literals"), &mut verdicts);
    metadata::run(&of("metadata-facts"), shared, system, &mut verdicts);
    payloads::run(&of("webapi-v3-payloads"), &of("olingo4-v3-static"), shared, system, &mut verdicts);
    actions::run(&of("webapi-v3-payloads"), &mut verdicts);
    verbose::run(&of("webapi-v3-payloads"), &mut verdicts);
    verbose::run(&of("olingo2-batch-payloads"), &mut verdicts);
    uris::run(&of("webapi-v3-payloads"), &of("simple-odata-client-wire"), system, &mut verdicts);
    atom::run(vectors, shared, &mut verdicts);
    let untested = |vector: &Vector| Verdict::Fail(format!("no test for {}", vector.kind));
    vectors
        .iter()
        .map(|vector| {
            let verdict = verdicts.remove(&vector.id).unwrap_or_else(|| untested(vector));
            (vector.clone(), known::explain(vector, verdict))
        })
        .collect()
}

/// The table, and after it a line for each group that does not pass.
pub fn table(results: &[(Vector, Verdict)]) -> String {
    #[derive(Default)]
    struct Counts {
        pass: usize,
        fail: usize,
        disputed: usize,
        out: usize,
    }
    let mut rows: BTreeMap<(usize, &str), Counts> = BTreeMap::new();
    let mut groups: BTreeMap<(u8, &str, String), Vec<&str>> = BTreeMap::new();
    for (vector, verdict) in results {
        let file = FILES.iter().position(|file| *file == vector.file).unwrap_or_default();
        let counts = rows.entry((file, &vector.kind)).or_default();
        let is_disputed = vector.note().contains("DISPUTED");
        match verdict {
            Verdict::Pass => counts.pass += 1,
            Verdict::Fail(why) if is_disputed => {
                counts.disputed += 1;
                groups.entry((1, vector.file, why.clone())).or_default().push(&vector.id);
            }
            Verdict::Fail(why) => {
                counts.fail += 1;
                groups.entry((0, vector.file, why.clone())).or_default().push(&vector.id);
            }
            Verdict::Other(why) => {
                counts.disputed += 1;
                groups.entry((1, vector.file, why.clone())).or_default().push(&vector.id);
            }
            Verdict::Out(why) => {
                counts.out += 1;
                groups.entry((2, vector.file, why.clone())).or_default().push(&vector.id);
            }
        }
    }
    let mut out = "# Test vectors\n\nMeasured by `tests/vectors.rs` on every database; `UPDATE=1 cargo test -p odata-tests --test vectors` writes this file.\n\
        \"Other side\": rows that the sources dispute, or that our requirements decide otherwise. \"Out of scope\": not run.\n\n\
        | file | kind | pass | fail | other side | out of scope |\n|---|---|---|---|---|---|\n"
        .to_owned();
    let mut sum = Counts::default();
    for ((file, kind), counts) in &rows {
        let _ = writeln!(
            out,
            "| {} | {kind} | {} | {} | {} | {} |",
            FILES[*file], counts.pass, counts.fail, counts.disputed, counts.out
        );
        sum.pass += counts.pass;
        sum.fail += counts.fail;
        sum.disputed += counts.disputed;
        sum.out += counts.out;
    }
    let _ = writeln!(out, "| all | | {} | {} | {} | {} |", sum.pass, sum.fail, sum.disputed, sum.out);
    for (kind, title) in [(0, "Failing"), (1, "The other side"), (2, "Out of scope")] {
        let _ = writeln!(out, "\n## {title}\n");
        let mut any = false;
        for ((_, file, why), ids) in groups.iter().filter(|((group, _, _), _)| *group == kind) {
            any = true;
            let shown: Vec<&str> = ids.iter().take(6).copied().collect();
            let more = if ids.len() > shown.len() { ", …" } else { "" };
            let _ = writeln!(out, "- {file}, {}: {why} ({}{more})", ids.len(), shown.join(", "));
        }
        if !any {
            out.push_str("None.\n");
        }
    }
    out
}

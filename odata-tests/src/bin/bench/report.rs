//! The table: Markdown, to be pasted.

use std::fmt::Write as _;

use crate::cases::Case;
use crate::measure::{CONNECTIONS, Figures, Walk};
use crate::options::Options;
use crate::queue::Line;

/// Servers of a case, in the order of `main::start_all`.
const NAMES: [&str; 4] = [
    "bare handler, constant body",
    "hand-written, SQLite",
    "Odonata, SQLite",
    "Odonata, PostgreSQL",
];

/// What was found out so far.
pub struct Report {
    rows: u64,
    rounds: usize,
    notes: Vec<String>,
    cases: Vec<(&'static str, Vec<Option<Figures>>)>,
    /// The queue of jobs.
    pub queue: Vec<Line>,
    /// The walk over the whole set.
    pub walk: Option<Walk>,
    /// Requests a second and median microseconds of the debug build.
    pub debug: Option<(f64, f64)>,
}

impl Report {
    /// Nothing found out yet.
    pub fn new(options: &Options) -> Report {
        Report {
            rows: options.rows,
            rounds: options.rounds,
            notes: Vec::new(),
            cases: Vec::new(),
            queue: Vec::new(),
            walk: None,
            debug: None,
        }
    }

    /// A sentence below the table.
    pub fn note(&mut self, sentence: String) {
        eprintln!("bench: {sentence}");
        self.notes.push(sentence);
    }

    /// The figures of a case.
    pub fn add(&mut self, case: &Case, figures: Vec<Option<Figures>>) {
        for (name, figures) in NAMES.iter().zip(&figures) {
            if let Some(figures) = figures {
                eprintln!("bench:   {name}: {:.0}/s, {:.0} us CPU", figures.per_second, figures.cpu);
            }
        }
        self.cases.push((case.name, figures));
    }

    /// Everything, as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).unwrap_or_default();
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(
            out,
            "{} rows, {cores} cores shared with the load generator, {CONNECTIONS} connections, medians of {} interleaved rounds.\n",
            self.rows, self.rounds
        )?;
        writeln!(
            out,
            "| request | server | requests/s | of bare | of hand-written | p50 µs | p99 µs | CPU µs/request | times bare | times hand-written | peak MiB |"
        )?;
        writeln!(out, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for (case, all) in &self.cases {
            write_case(out, case, all)?;
        }
        if !self.queue.is_empty() {
            self.write_queue(out)?;
        }
        self.write_notes(out)
    }

    fn write_queue(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n| queue | server | per second | bare claims/s | of bare | p50 µs | p99 µs |")?;
        writeln!(out, "|---|---|--:|--:|--:|--:|--:|")?;
        for line in &self.queue {
            let bare = line.bare.map_or(String::new(), |bare| format!("{bare:.0}"));
            let rate = if line.per_second > 0.0 {
                format!("{:.0}", line.per_second)
            } else {
                String::new()
            };
            writeln!(
                out,
                "| {} | {} | {rate} | {bare} | {} | {:.0} | {:.0} |",
                line.what,
                line.server,
                ratio(line.per_second, line.bare, true),
                line.p50,
                line.p99
            )?;
        }
        writeln!(
            out,
            "\nA bare claim is the one statement that takes a job from a table of six columns, in a transaction of its own, with as many \
             connections as there are runners; the claims beside it are whole requests: a token is checked, a row of history written."
        )
    }

    fn write_notes(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out)?;
        writeln!(
            out,
            "- CPU is user and system time of the server's process; after the +, that of the database's processes."
        )?;
        writeln!(
            out,
            "- The bare handler answers with Odonata's own bytes, without credentials. The hand-written program has one cached statement \
             for each request, a connection for each worker, and writes into one group commit with `synchronous=FULL`; it checks no credentials."
        )?;
        if let Some(walk) = &self.walk {
            writeln!(
                out,
                "- Whole set by next links, one connection: {} rows on {} pages in {:.1} s ({:.0} rows/s); peak memory {:.1} MiB before, \
                 {:.1} MiB after a tenth, {:.1} MiB at the end.",
                walk.rows,
                walk.pages,
                walk.seconds,
                walk.rows as f64 / walk.seconds,
                walk.memory[0],
                walk.memory[1],
                walk.memory[2]
            )?;
        }
        if let Some((per_second, p50)) = self.debug {
            writeln!(
                out,
                "- Debug build, single key, SQLite: {per_second:.0} requests/s, {p50:.0} µs at the median."
            )?;
        }
        for note in &self.notes {
            writeln!(out, "- {note}")?;
        }
        Ok(())
    }
}

/// One row for each server; ratios only to those above it.
fn write_case(out: &mut String, case: &str, all: &[Option<Figures>]) -> std::fmt::Result {
    let reference = |index: usize, of: usize| all.get(of).and_then(Option::as_ref).filter(|_| index > of);
    let mut name = case;
    for (index, figures) in all.iter().enumerate() {
        let Some(figures) = figures else { continue };
        let speed = |of: usize| ratio(figures.per_second, reference(index, of).map(|other| other.per_second), true);
        let cost = |of: usize| ratio(figures.cpu, reference(index, of).map(|other| other.cpu), false);
        let failed = match figures.failures {
            0 => String::new(),
            count => format!(" ({count} FAILED)"),
        };
        let database = figures.database_cpu.map_or(String::new(), |cpu| format!(" + {cpu:.0}"));
        writeln!(
            out,
            "| {name} | {}{failed} | {:.0} | {} | {} | {:.0} | {:.0} | {:.0}{database} | {} | {} | {:.0} |",
            NAMES[index],
            figures.per_second,
            speed(0),
            speed(1),
            figures.p50,
            figures.p99,
            figures.cpu,
            cost(0),
            cost(1),
            figures.memory
        )?;
        name = "";
    }
    Ok(())
}

fn ratio(figure: f64, of: Option<f64>, percent: bool) -> String {
    match of {
        Some(of) if of > 0.0 && percent => format!("{:.0} %", figure / of * 100.0),
        Some(of) if of > 0.0 => format!("{:.1}", figure / of),
        _ => String::new(),
    }
}

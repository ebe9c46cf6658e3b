//! The benchmark: Odonata beside a bare handler and a hand-written one, in one interleaved run.
//!
//! `cargo run --release -p odata-tests --bin bench` writes a Markdown table to standard output and what it is doing to
//! standard error. Everything happens in one temporary folder and on the loopback interface. The two programs that Odonata
//! is compared with are this same binary, started as a child with a hidden subcommand; see `rivals.rs`.

mod bulk;
mod cases;
mod client;
mod cluster;
mod fixture;
mod identity;
mod measure;
mod options;
mod queue;
mod report;
mod rivals;
mod schedule;
mod servers;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use options::Options;
use report::Report;
use servers::{Folder, Server};

/// What went wrong, as one sentence for the person at the terminal.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some(rivals::BARE) => rivals::bare(&arguments[1..]),
        Some(rivals::HAND) => rivals::hand(&arguments[1..]),
        _ => Options::parse(&arguments).and_then(|options| match options {
            Some(options) => run(&options),
            None => Ok(()),
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    let begin = Instant::now();
    let binary = servers::build_odonata()?;
    let folder = Folder::new(options.folder.as_deref())?;
    let mut report = Report::new(options);
    fixture::write(&folder.path, options.rows)?;
    let contenders = start_all(options, &folder, &binary, &mut report)?;
    if options.takes("walk") {
        report.walk = Some(measure::walk(&contenders[2], options.rows)?);
    }
    for server in &contenders[2..] {
        if options.takes("batch") {
            report.note(bulk::batch(server, options.rows)?);
        }
        if options.takes("identity") {
            let url = server
                .cluster
                .as_ref()
                .map_or_else(|| sqlite_url(&folder.path), |cluster| cluster.url.clone());
            report.note(identity::cost(server, &url, &folder.path.join("plugins"), options.rows)?);
        }
        if options.takes("stream") {
            report.note(bulk::stream(server)?);
        }
        if options.takes("queue") {
            report.queue.extend(queue::lines(server, &folder.path, options.jobs)?);
        }
        if options.takes("tasks") {
            report.note(schedule::note(server)?);
        }
    }
    for case in cases::all().iter().filter(|case| options.takes(case.name)) {
        report.add(case, measure::compare(case, &contenders, options)?);
    }
    let database = sqlite_url(&folder.path);
    drop(contenders);
    if options.takes("debug") {
        // It may be older than the release build and not know the database; that is no reason to lose the rest.
        report.debug = measure::debug_build(&folder, &database, options).unwrap_or_else(|error| {
            eprintln!("bench: the debug build is left out: {error}");
            None
        });
    }
    print!("{}", report.markdown());
    eprintln!("bench: done in {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn sqlite_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("odonata.db").display())
}

/// All servers of the comparison, running and filled, in the order of the table: bare, hand-written, Odonata on SQLite and,
/// where there is one, Odonata on PostgreSQL.
fn start_all(options: &Options, folder: &Folder, binary: &Path, report: &mut Report) -> Outcome<Vec<Server>> {
    let database = sqlite_url(&folder.path);
    let loaded = servers::fill_odonata(binary, folder, &database, options.rows)?;
    report.note(format!("`odonata load`, SQLite: {loaded}."));
    let sqlite = servers::start_odonata("Odonata, SQLite", binary, folder, &database, options.rows)?;
    cases::keep_answers(&sqlite, &folder.path, options.rows)?;
    let bare = servers::start_rival("bare handler, constant body", rivals::BARE, &folder.path, options.rows)?;
    let hand = servers::start_rival("hand-written, SQLite", rivals::HAND, &folder.path, options.rows)?;
    let mut all = vec![bare, hand, sqlite];
    if let Some(cluster) = cluster::postgres(options, folder)? {
        let loaded = servers::fill_odonata(binary, folder, &cluster.url, options.rows)?;
        report.note(format!("`odonata load`, PostgreSQL: {loaded}."));
        let url = cluster.url.clone();
        let mut server = servers::start_odonata("Odonata, PostgreSQL", binary, folder, &url, options.rows)?;
        server.cluster = Some(cluster);
        all.push(server);
    }
    report.note(cases::same_answers(&all, options.rows)?);
    Ok(all)
}

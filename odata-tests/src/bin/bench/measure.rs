//! The load and the figures.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::cases::{self, Case, ROOT, next_link};
use crate::client::{Client, Draw, Request};
use crate::options::Options;
use crate::servers::{self, Folder, Kind, Server};

/// Connections that send requests at the same time, each as soon as it has the answer.
pub const CONNECTIONS: u64 = 8;
/// Kernel clock ticks a second; 100 on every Linux.
const TICKS: f64 = 100.0;

/// One server in one case.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Median over the rounds.
    pub per_second: f64,
    /// Microseconds; median over the rounds.
    pub p50: f64,
    /// Microseconds; median over the rounds.
    pub p99: f64,
    /// Microseconds of processor time (user and system) of the server for a request, over all rounds.
    pub cpu: f64,
    /// The same of the database's processes, where they are others and ours.
    pub database_cpu: Option<f64>,
    /// Largest resident set of the server in any of the slices, in MiB.
    pub memory: f64,
    /// Answers that were not 2xx.
    pub failures: u64,
}

/// What a slice counted.
struct Slice {
    requests: u64,
    per_second: f64,
    p50: f64,
    p99: f64,
    ticks: u64,
    database_ticks: Option<u64>,
    memory: f64,
    failures: u64,
}

/// Runs a case on all servers, in rounds. None for a server that does not take part in it.
pub fn compare(case: &Case, servers: &[Server], options: &Options) -> Outcome<Vec<Option<Figures>>> {
    let cases = cases::all().iter().filter(|case| options.takes(case.name)).count().max(1);
    let slices = cases * servers.len() * options.rounds;
    let duration = Duration::from_secs_f64(options.seconds / slices as f64);
    eprintln!(
        "bench: {} ({} rounds of {:.2} s on each server)",
        case.name,
        options.rounds,
        duration.as_secs_f64()
    );
    let mut all: Vec<Vec<Slice>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        for (server, slices) in servers.iter().zip(&mut all) {
            if case.by_hand || server.kind != Kind::Hand {
                slices.push(slice(case, server, options.rows, duration, round as u64)?);
            }
        }
    }
    Ok(all.iter().map(|slices| (!slices.is_empty()).then(|| summary(slices))).collect())
}

fn summary(slices: &[Slice]) -> Figures {
    let requests: u64 = slices.iter().map(|slice| slice.requests).sum();
    let micros = |ticks: u64| ticks as f64 / TICKS * 1e6 / requests.max(1) as f64;
    let database: Option<u64> = slices.iter().map(|slice| slice.database_ticks).sum();
    Figures {
        per_second: median(slices.iter().map(|slice| slice.per_second)),
        p50: median(slices.iter().map(|slice| slice.p50)),
        p99: median(slices.iter().map(|slice| slice.p99)),
        cpu: micros(slices.iter().map(|slice| slice.ticks).sum()),
        database_cpu: database.map(micros),
        memory: slices.iter().map(|slice| slice.memory).fold(0.0, f64::max),
        failures: slices.iter().map(|slice| slice.failures).sum(),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// One server under load for a while.
fn slice(case: &Case, server: &Server, rows: u64, duration: Duration, round: u64) -> Outcome<Slice> {
    let index = cases::all().iter().position(|other| other.name == case.name).unwrap_or(0);
    let headers = format!("{}X-Case: {index}\r\n", server.headers);
    server.reset_peak();
    let before = (server.ticks()?, server.database_ticks()?);
    let begin = Instant::now();
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let (headers, seed) = (&headers, round * CONNECTIONS + connection + 1);
                scope.spawn(move || load(case, server, rows, duration, headers, seed).map_err(|error| error.to_string()))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a client thread panicked".into())))
            .collect::<Vec<_>>()
    });
    let elapsed = begin.elapsed().as_secs_f64();
    let after = (server.ticks()?, server.database_ticks()?);
    let (mut latencies, mut failures) = (Vec::new(), 0);
    for result in results {
        let (more, failed) = result.map_err(|error| format!("{}: {}: {error}", case.name, server.name))?;
        latencies.extend(more);
        failures += failed;
    }
    latencies.sort_unstable();
    let at = |share: f64| f64::from(latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0)) / 1e3;
    Ok(Slice {
        requests: latencies.len() as u64,
        per_second: latencies.len() as f64 / elapsed,
        p50: at(0.5),
        p99: at(0.99),
        ticks: after.0 - before.0,
        database_ticks: after.1.zip(before.1).map(|(after, before)| after.saturating_sub(before)),
        memory: server.peak()?,
        failures,
    })
}

/// One connection's work: latencies in nanoseconds, and how many answers were not 2xx.
fn load(case: &Case, server: &Server, rows: u64, duration: Duration, headers: &str, seed: u64) -> Outcome<(Vec<u32>, u64)> {
    let mut client = Client::connect(&server.address, headers)?;
    let mut draw = Draw::new(seed);
    let (mut latencies, mut failures) = (Vec::with_capacity(64 * 1024), 0);
    let begin = Instant::now();
    while begin.elapsed() < duration {
        let request = (case.draw)(&mut draw, server, rows);
        let sent = Instant::now();
        let (status, body) = client.send(&request)?;
        latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        if !(200..300).contains(&status) {
            if failures == 0 {
                eprintln!(
                    "bench: {} {}: {status} {}",
                    request.method,
                    request.target,
                    String::from_utf8_lossy(body)
                );
            }
            failures += 1;
        }
    }
    Ok((latencies, failures))
}

/// A walk over the whole set.
pub struct Walk {
    pub pages: u64,
    pub rows: u64,
    pub seconds: f64,
    /// Peak memory in MiB before the first page, after a tenth of the rows, after the last.
    pub memory: [f64; 3],
}

/// Reads all of `Items` by next links on one connection. Memory must not grow with the rows read.
pub fn walk(server: &Server, rows: u64) -> Outcome<Walk> {
    eprintln!("bench: walking over all rows of {}", server.name);
    let mut client = Client::connect(&server.address, &server.headers)?;
    server.reset_peak();
    let begin = Instant::now();
    let mut walk = Walk {
        pages: 0,
        rows: 0,
        seconds: 0.0,
        memory: [server.peak()?; 3],
    };
    let mut next = Some(format!("{ROOT}Items"));
    while let Some(target) = next {
        let (status, body) = client.send(&Request::get(target))?;
        if status != 200 {
            return Err(format!("the walk ends with {status}: {}", String::from_utf8_lossy(body)).into());
        }
        walk.pages += 1;
        walk.rows += body.windows(5).filter(|bytes| bytes == b"\"Id\":").count() as u64;
        next = next_link(body);
        if walk.rows * 10 <= rows {
            walk.memory[1] = server.peak()?;
        }
    }
    walk.seconds = begin.elapsed().as_secs_f64();
    walk.memory[2] = server.peak()?;
    Ok(walk)
}

/// A key read on the debug build, if there is one: requests a second and microseconds at the median.
pub fn debug_build(folder: &Folder, database: &str, options: &Options) -> Outcome<Option<(f64, f64)>> {
    let Some(binary) = debug_binary(&servers::target_folder()?) else {
        return Ok(None);
    };
    let server = servers::start_odonata("Odonata, debug build", &binary, folder, database, options.rows)?;
    let slice = slice(&cases::all()[0], &server, options.rows, Duration::from_secs(2), 0)?;
    Ok(Some((slice.per_second, slice.p50)))
}

fn debug_binary(target: &Path) -> Option<std::path::PathBuf> {
    Some(target.join("debug/odonata")).filter(|path| path.exists())
}

//! The scheduler with many tasks: what it costs while nothing is due, and how late starts are when many are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use odonata::model::clock::SECOND;
use odonata::model::text::text_to_ticks;
use serde_json::json;

use crate::Outcome;
use crate::client::{Client, Request};
use crate::queue::{MANY, json_of, post, together};
use crate::servers::Server;

/// Tasks that are not due while this measures.
const QUIET: usize = 9_000;
/// Tasks that start every [`INTERVAL`], as many in each part of it as in any other.
const LIVELY: u32 = 1_000;
const INTERVAL: Duration = Duration::from_secs(10);
/// How long nothing is due.
const IDLE: Duration = Duration::from_secs(30);
/// How long starts are watched.
const WATCHED: Duration = Duration::from_secs(35);
/// Kernel clock ticks a second; 100 on every Linux.
const TICKS: f64 = 100.0;

/// What was found out about a server, as a sentence.
pub fn note(server: &Server) -> Outcome<String> {
    eprintln!("bench: scheduler, {}", server.name);
    let begin = Instant::now();
    make_quiet(server)?;
    let made = QUIET as f64 / begin.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(2));
    let before = (server.ticks()?, server.database_ticks()?);
    std::thread::sleep(IDLE);
    let percent = |ticks: u64| ticks as f64 / TICKS / IDLE.as_secs_f64() * 100.0;
    let idle = percent(server.ticks()? - before.0);
    let database = match (before.1, server.database_ticks()?) {
        (Some(before), Some(after)) => format!(" (and {:.2} % in the database)", percent(after.saturating_sub(before))),
        _ => String::new(),
    };
    make_lively(server)?;
    std::thread::sleep(WATCHED);
    let mut late = lateness(server)?;
    if late.is_empty() {
        return Err("no task has started twice".into());
    }
    late.sort_by(f64::total_cmp);
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    Ok(format!(
        "Scheduler, {}: {QUIET} tasks that are not due cost {idle:.2} % of a core{database}. With {LIVELY} more that start every {} s, starts \
         are {:.1} ms late at the median, {:.1} ms at the 99th percentile, {:.1} ms at most ({} starts). Tasks are made at {made:.0}/s.",
        server.name,
        INTERVAL.as_secs(),
        at(0.5),
        at(0.99),
        at(1.0),
        late.len()
    ))
}

/// Tasks of several shapes, of which none is due within hours.
fn make_quiet(server: &Server) -> Outcome<()> {
    let hour = (std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() / 3_600 + 3) % 24;
    let conditions = [
        format!("daily between {hour:02}:00 and {hour:02}:30"),
        format!("cron 15 {hour} * * *"),
        "after task 'quiet 0'".to_owned(),
    ];
    let next = AtomicUsize::new(0);
    let task = |client: &mut Client| match next.fetch_add(1, Ordering::Relaxed) {
        number if number < QUIET => make(client, &format!("quiet {number}"), &conditions[number % conditions.len()]).map(|()| true),
        _ => Ok(false),
    };
    let mut first = Client::connect(&server.address, &server.headers)?;
    task(&mut first)?;
    let clients: Outcome<Vec<Client>> = (0..MANY).map(|_| Client::connect(&server.address, &server.headers)).collect();
    let times = together(clients?, |mut client| {
        while task(&mut client)? {}
        Ok(Vec::new())
    });
    times.map(drop)
}

/// Tasks that start at once, and then every [`INTERVAL`]; they are made one after the other, evenly over one.
fn make_lively(server: &Server) -> Outcome<()> {
    let mut client = Client::connect(&server.address, &server.headers)?;
    let (begin, condition) = (Instant::now(), format!("every {} seconds", INTERVAL.as_secs()));
    for number in 0..LIVELY {
        std::thread::sleep((INTERVAL * number / LIVELY).saturating_sub(begin.elapsed()));
        make(&mut client, &format!("lively {number}"), &condition)?;
    }
    Ok(())
}

fn make(client: &mut Client, name: &str, condition: &str) -> Outcome<()> {
    let task = json!({"Name": name, "Kind": "Echo", "StartCondition": condition});
    json_of(client, &post("/api/Core/Tasks", task), 201).map(drop)
}

/// By how many milliseconds each start but a task's first was later than [`INTERVAL`] after the one before.
fn lateness(server: &Server) -> Outcome<Vec<f64>> {
    let mut client = Client::connect(&server.address, &server.headers)?;
    let mut starts: HashMap<String, Vec<i64>> = HashMap::new();
    let mut target = "/api/Core/Runs?$select=TaskName,Start&$orderby=Id".to_owned();
    loop {
        let page = json_of(&mut client, &Request::get(&target), 200)?;
        for run in page["value"].as_array().into_iter().flatten() {
            let text = |name: &str| run[name].as_str().unwrap_or_default();
            let start = text_to_ticks(text("Start").trim_end_matches('Z')).ok_or("a run has no start")?;
            starts.entry(text("TaskName").to_owned()).or_default().push(start);
        }
        match page["odata.nextLink"]
            .as_str()
            .and_then(|link| link.find("/api/").map(|at| link[at..].to_owned()))
        {
            Some(next) => target = next,
            None => break,
        }
    }
    let interval = INTERVAL.as_secs() as i64 * SECOND;
    let late = |pair: &[i64]| (pair[1] - pair[0] - interval) as f64 / SECOND as f64 * 1e3;
    Ok(starts.values().flat_map(|starts| starts.windows(2).map(late)).collect())
}

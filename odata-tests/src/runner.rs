//! Runs case files: each on a fresh database, its cases in order, every failure with its place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::case::{self, CaseFile, Exchange, Expected, User};
use crate::client::{Client, Reply, encode};
use crate::database::System;
use crate::fixture::Fixture;
use crate::matching::{Mode, differences, text_matches, word};
use crate::multipart::{self, Piece};

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases (and rows of tables) that did.
    pub passed: usize,
    /// Those that did not: place, title, what differed.
    pub failures: Vec<String>,
    /// Files whose material is missing.
    pub skipped: usize,
}

/// All case files, in the order of their names. `CASES=text` keeps those whose path contains it.
pub fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "http") {
                found.push(path);
            }
        }
    }
    let wanted = std::env::var("CASES").unwrap_or_default();
    let mut found = Vec::new();
    walk(&crate::here().join("cases"), &mut found);
    found.retain(|path| path.to_string_lossy().contains(&wanted));
    found.sort();
    found
}

/// Sees each GET: who asked, the place of the case, the target, the headers, the answer.
pub type Observer<'a> = &'a dyn Fn(&Client, &str, &str, &[(&str, &str)], &Reply);

/// Runs all files on one system.
pub fn run_all(system: System) -> Report {
    run_all_with(system, &|_, _, _, _, _| {})
}

/// The same, with somebody who looks at the answers.
pub fn run_all_with(system: System, observer: Observer<'_>) -> Report {
    let mut report = Report::default();
    let mut fixtures: HashMap<String, Result<Option<Fixture>, String>> = HashMap::new();
    for path in files() {
        let file = case::read(&path);
        let key = format!("{:?} {:?}", file.fixtures, file.users);
        let fixture = fixtures
            .entry(key)
            .or_insert_with(|| Fixture::prepare(&file.fixtures, &file.users, system));
        match fixture {
            Ok(Some(fixture)) => run_file(&file, fixture, &mut report, observer),
            Ok(None) => report.skipped += 1,
            Err(error) => report.failures.push(format!("{}: fixture: {error}", path.display())),
        }
    }
    report
}

fn run_file(file: &CaseFile, fixture: &Fixture, report: &mut Report, observer: Observer<'_>) {
    let settings: Vec<(&str, &str)> = file.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let site = match fixture.serve(&settings) {
        Ok(site) => site,
        Err(log) => {
            return report
                .failures
                .push(format!("{}: the server does not start: {log}", file.path.display()));
        }
    };
    let mut clients = HashMap::from([
        ("none".to_owned(), site.server.anonymous()),
        ("admin".to_owned(), site.server.admin()),
    ]);
    for user in &file.users {
        let client = site.server.anonymous().basic(&user.name, &User::password(&user.name));
        clients.insert(user.name.clone(), client);
    }
    let mut run = Run {
        file,
        observer,
        clients,
        variables: HashMap::from([("base".to_owned(), site.server.base())]),
    };
    for user in &file.users {
        run.variables.insert(format!("{}.tenant", user.name), user.tenant.clone());
    }
    for case in &file.cases {
        for exchange in &case.exchanges {
            for (line, result) in run.exchange(exchange) {
                match result {
                    Ok(()) => report.passed += 1,
                    Err(what) => report
                        .failures
                        .push(format!("{}:{line}: {}\n{what}", file.path.display(), case.title)),
                }
            }
        }
    }
    if !site.server.anonymous().get("/health").is_ok_and(|reply| reply.status == 200) {
        report.failures.push(format!(
            "{}: the server is not well afterwards: {}",
            file.path.display(),
            site.server.log()
        ));
    }
}

struct Run<'a> {
    file: &'a CaseFile,
    observer: Observer<'a>,
    clients: HashMap<String, Client>,
    variables: HashMap<String, String>,
}

impl Run<'_> {
    fn exchange(&mut self, exchange: &Exchange) -> Vec<(usize, Result<(), String>)> {
        if exchange.rows.is_empty() {
            let result = self.send(exchange, &exchange.expected);
            return vec![(exchange.line, result)];
        }
        let mut results = Vec::new();
        for row in &exchange.rows {
            self.variables.insert("row".to_owned(), row.text.clone());
            for (index, column) in row.text.split(" | ").enumerate() {
                let text = if column.trim() == "-" { "" } else { column.trim() };
                self.variables.insert((index + 1).to_string(), text.to_owned());
            }
            let mut expected = exchange.expected.clone();
            expected.extend(
                cell(&row.expected, exchange.member.as_deref())
                    .into_iter()
                    .map(|part| (row.line, part)),
            );
            let result = self.send(exchange, &expected);
            results.push((row.line, result.map_err(|what| format!("  row: {}\n{what}", row.text))));
        }
        results
    }

    /// Sends one request; the error is what differed.
    fn send(&mut self, exchange: &Exchange, expected: &[(usize, Expected)]) -> Result<(), String> {
        let user = self.fill(exchange.user.as_deref().unwrap_or("admin"));
        if !self.clients.contains_key(&user) {
            return Err(format!("  no such user: {user}"));
        }
        let method = self.fill(&exchange.method);
        let mut target = self.fill(&exchange.target);
        if let Some(path) = target.strip_prefix(&self.variables["base"]) {
            target = path.to_owned();
        }
        let endpoint: Vec<&str> = target.split(['/', '?']).take(3).collect();
        let root = format!("{}{}/", self.variables["base"], endpoint.join("/"));
        self.variables.insert("root".to_owned(), root);
        let mut headers: Vec<(String, String)> = exchange
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), self.fill(value)))
            .collect();
        let given = |name: &str| exchange.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !given("Accept") {
            headers.push(("Accept".to_owned(), "application/json".to_owned()));
        }
        if exchange.body.is_some() && !given("Content-Type") {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        // An empty value means: do not send the header at all.
        headers.retain(|(_, value)| !value.is_empty());
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = exchange.body.as_ref().map(|body| self.fill(body));
        let body = match exchange.is_batch() && !exchange.bare_lines {
            true => body.map(|body| body.replace('\n', "\r\n")),
            false => body,
        };
        let body = body.as_ref().map(String::as_bytes);
        let reply = self.clients[&user].send(&method, &encode(&target), &headers, body);
        let reply = reply.map_err(|error| format!("  {method} {target}: {error}"))?;

        if exchange.method == "GET" {
            let place = format!("{}:{}", self.file.path.display(), exchange.line);
            (self.observer)(&self.clients[&user], &place, &target, &headers, &reply);
        }
        let mut wrong = Vec::new();
        for (line, expected) in expected {
            for what in self.check(expected, &reply, &user) {
                wrong.push(format!("  line {line}: {what}"));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let mut text = reply.text();
        if text.len() > 1_500 {
            text.truncate(text.char_indices().take(1_500).last().map_or(0, |(at, _)| at));
            text.push('…');
        }
        Err(format!(
            "{}\n  {method} {target} as {user}\n  answer: {} {}",
            wrong.join("\n"),
            reply.status,
            text
        ))
    }

    /// What differs, one line each.
    fn check(&mut self, expected: &Expected, reply: &Reply, user: &str) -> Vec<String> {
        let text = reply.text();
        let mut wrong = Vec::new();
        let mut demand = |right: bool, what: String| {
            if !right {
                wrong.push(what);
            }
        };
        match expected {
            Expected::Status(statuses) => demand(
                statuses.contains(&reply.status),
                format!("status {}, expected {statuses:?}", reply.status),
            ),
            Expected::Header(name, pattern) => {
                let pattern = self.fill(pattern);
                // A header may stand there several times, such as a challenge for each scheme: one of them is enough.
                let values: Vec<&str> = reply.headers_named(name).collect();
                let right = match pattern.as_str() {
                    "-" => values.is_empty(),
                    "*" => !values.is_empty(),
                    pattern => values.iter().any(|value| match pattern.strip_prefix('~') {
                        Some(part) => value.contains(part),
                        None => text_matches(pattern, value),
                    }),
                };
                demand(right, format!("header {name} is {values:?}, expected {pattern:?}"));
            }
            Expected::Json(json) => {
                let json = self.fill(json);
                let (mode, json) = match json.strip_prefix('~') {
                    Some(rest) => (Mode::Subset, rest),
                    None => (Mode::Exact, json.as_str()),
                };
                match (serde_json::from_str::<Value>(json), serde_json::from_str::<Value>(&text)) {
                    (Ok(expected), Ok(actual)) => wrong.extend(differences(&expected, &actual, mode)),
                    (Err(error), _) => wrong.push(format!("{}: the expected JSON: {error}", self.file.path.display())),
                    (_, Err(error)) => wrong.push(format!("the body is not JSON: {error}")),
                }
            }
            Expected::Text(expected) => demand(text == self.fill(expected), format!("body {text:?}, expected {expected:?}")),
            Expected::Contains(part) => {
                let part = self.fill(part);
                demand(text.contains(&part), format!("the body does not contain {part:?}"));
            }
            Expected::Lacks(part) => {
                let part = self.fill(part);
                demand(!text.contains(&part), format!("the body contains {part:?}"));
            }
            Expected::Order(parts) => {
                let mut rest = text.as_str();
                for part in parts {
                    match rest.split_once(part) {
                        Some((_, after)) => rest = after,
                        None => {
                            wrong.push(format!("{part:?} does not follow"));
                            break;
                        }
                    }
                }
            }
            Expected::Ids(member, ids) => {
                let found = ids_of(&reply.json(), member);
                demand(
                    reply.status == 200 && found == *ids,
                    format!("{member}: {}, expected {}", found.join(" "), ids.join(" ")),
                );
            }
            Expected::Pages(member, pages) => wrong.extend(self.pages(reply, member, pages, user)),
            Expected::Empty => demand(reply.body.is_empty(), format!("{} bytes of body", reply.body.len())),
            Expected::Parts(statuses) => match pieces(reply) {
                Ok(pieces) => {
                    let found: Vec<String> = pieces.iter().map(summary).collect();
                    demand(
                        found.join(" ") == *statuses,
                        format!("parts {}, expected {statuses}", found.join(" ")),
                    );
                }
                Err(what) => wrong.push(what),
            },
            Expected::Part(place, expected) => match pieces(reply).and_then(|pieces| part(&pieces, place)) {
                Ok(part) => wrong.extend(self.check(expected, &part, user).iter().map(|what| format!("part {place}: {what}"))),
                Err(what) => wrong.push(what),
            },
            Expected::Capture(name, from) => match captured(reply, from) {
                Some(value) => drop(self.variables.insert(name.clone(), value)),
                None => wrong.push(format!("nothing to capture: {from}")),
            },
        }
        wrong
    }

    /// Follows next links and compares page by page.
    fn pages(&self, first: &Reply, member: &str, expected: &[Vec<String>], user: &str) -> Option<String> {
        let mut found = Vec::new();
        let mut reply = first.clone();
        loop {
            let body = reply.json();
            found.push(ids_of(&body, member));
            let Some(next) = body["odata.nextLink"].as_str() else { break };
            let Some(target) = next.strip_prefix(&self.variables["base"]) else {
                return Some(format!("the next link leads elsewhere: {next}"));
            };
            if found.len() > expected.len() + 2 {
                break;
            }
            match self.clients[user].get(target) {
                Ok(page) if page.status == 200 => reply = page,
                Ok(page) => return Some(format!("{next}: {} {}", page.status, page.text())),
                Err(error) => return Some(format!("{next}: {error}")),
            }
        }
        let lines = |pages: &[Vec<String>]| pages.iter().map(|page| page.join(" ")).collect::<Vec<_>>().join(" | ");
        (found != expected).then(|| format!("pages of {member}: {}, expected {}", lines(&found), lines(expected)))
    }

    fn fill(&self, text: &str) -> String {
        let mut out = text.to_owned();
        // The row and its columns first: they may hold other variables.
        if let Some(row) = self.variables.get("row") {
            out = out.replace("{row}", row);
        }
        let is_column = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
        let columns = self.variables.iter().filter(|(name, _)| is_column(name));
        for (name, value) in columns.chain(self.variables.iter().filter(|(name, _)| !is_column(name))) {
            let name = format!("{{{name}}}");
            if out.contains(&name) {
                out = out.replace(&name, value);
            }
        }
        out
    }
}

/// The right cell of a row: `!400 text`, `= text`, JSON, or ids (`-` for none).
fn cell(text: &str, member: Option<&str>) -> Vec<Expected> {
    if let Some(rest) = text.strip_prefix('!') {
        let (status, part) = rest.split_once(' ').unwrap_or((rest, ""));
        let statuses = status.split('/').filter_map(|code| code.parse().ok()).collect();
        let mut expected = vec![Expected::Status(statuses)];
        if !part.is_empty() {
            expected.push(Expected::Contains(part.trim().to_owned()));
        }
        return expected;
    }
    let words: Vec<&str> = text.splitn(3, ' ').collect();
    if let [status, version @ ("1.0" | "2.0" | "3.0" | "*"), content_type] = words.as_slice() {
        let header = |name: &str, text: String| Expected::Header(name.to_owned(), text);
        return vec![
            Expected::Status(status.split('/').filter_map(|code| code.parse().ok()).collect()),
            header("DataServiceVersion", (*version).to_owned()),
            header("Content-Type", (*content_type).to_owned()),
        ];
    }
    let ok = Expected::Status(vec![200]);
    if let Some(rest) = text.strip_prefix('=') {
        return vec![ok, Expected::Text(rest.trim_start().to_owned())];
    }
    if text.starts_with(['{', '[', '~']) {
        return vec![ok, Expected::Json(text.to_owned())];
    }
    let ids = text.split_whitespace().filter(|word| *word != "-").map(str::to_owned).collect();
    vec![ok, Expected::Ids(member.unwrap_or("Id").to_owned(), ids)]
}

/// The answers to a batch.
fn pieces(reply: &Reply) -> Result<Vec<Piece>, String> {
    multipart::read(reply.header("Content-Type").unwrap_or_default(), &reply.text())
}

fn summary(piece: &Piece) -> String {
    let statuses: Vec<String> = piece.answers().iter().map(|answer| answer.status.to_string()).collect();
    match piece {
        Piece::Single(_) => statuses.join(" "),
        Piece::ChangeSet(_) => format!("[{}]", statuses.join(" ")),
    }
}

/// Of the second part `2`; of a change set there, the first answer `2.1`.
fn part(pieces: &[Piece], place: &str) -> Result<Reply, String> {
    let number = |text: &str| text.parse::<usize>().ok()?.checked_sub(1);
    let (outer, inner) = place.split_once('.').map_or((place, None), |(outer, inner)| (outer, Some(inner)));
    let found = match (number(outer).and_then(|at| pieces.get(at)), inner) {
        (Some(Piece::Single(answer)), None) => Some(answer),
        (Some(Piece::ChangeSet(answers)), Some(inner)) => number(inner).and_then(|at| answers.get(at)),
        _ => None,
    };
    let answer = found.ok_or_else(|| format!("there is no part {place}"))?;
    Ok(Reply {
        status: answer.status,
        headers: answer.headers.clone(),
        body: answer.body.clone().into_bytes(),
    })
}

fn ids_of(body: &Value, member: &str) -> Vec<String> {
    let items = body["value"].as_array().or_else(|| body.as_array());
    items.into_iter().flatten().map(|item| word(&item[member])).collect()
}

fn captured(reply: &Reply, from: &str) -> Option<String> {
    let (kind, path) = from.split_once(' ')?;
    match kind {
        "header" => reply.header(path).map(str::to_owned),
        "body" => {
            let body = reply.json();
            let mut at = &body;
            for step in path.split('/') {
                at = match step.parse::<usize>() {
                    Ok(index) => at.get(index)?,
                    Err(_) => at.get(step)?,
                };
            }
            Some(word(at))
        }
        _ => None,
    }
}

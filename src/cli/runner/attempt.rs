//! One attempt of one job, from its claim to its end.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::config::{Config, Kind};
use super::process::{self, End, Task};
use super::scratch::{Place, Scratch};
use super::server::{Fault, Job, Outcome, Registration, Server};
use super::template::Values;
use super::watch::{Order, Watch};

/// First and longest pause after the server was not reached.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// Shortest time between two reports, unless a lease is too short for it.
const BETWEEN: Duration = Duration::from_secs(1);
/// The same for every lease.
const LEAST: Duration = Duration::from_millis(200);

/// An attempt, and what it is made with.
pub struct Attempt<'a> {
    /// What may be run.
    pub config: &'a Config,
    /// Who gave the job.
    pub server: &'a Server,
    /// To whom.
    pub by: &'a Registration,
    /// The job.
    pub job: &'a Job,
    /// What its threads know.
    pub watch: &'a Arc<Watch>,
}

/// What became of it, for the log and for `--once`.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The server has this.
    Told(Outcome),
    /// The job is somebody else's, or nobody's.
    Lost,
    /// The token counts no more.
    Revoked(String),
}

impl Attempt<'_> {
    /// Does it, and reports meanwhile.
    pub fn run(&self, scratch: &Scratch) -> Ended {
        std::thread::scope(|scope| {
            let beats = scope.spawn(|| self.report());
            let outcome = self.outcome(scratch);
            let told = self.tell(outcome);
            self.watch.finish();
            match beats.join() {
                Ok(Some(revoked)) if told == Ended::Lost => Ended::Revoked(revoked),
                _ => told,
            }
        })
    }

    /// Heartbeats until the attempt is over. The token may end meanwhile; that is the result.
    fn report(&self) -> Option<String> {
        // As often as the server wants, and oftener where that keeps the lease of this job: two reports may get lost.
        let between = |lease: Duration| self.by.heartbeat.min(lease / 3).max(LEAST);
        let mut usual = between(self.job.lease);
        // A job that takes a moment is soon known to run.
        let mut pause = BETWEEN.min(usual);
        let mut trouble = BACKOFF.0;
        loop {
            let begin = Instant::now();
            if self.watch.wait_for_news(pause) || self.watch.wait_for_end(BETWEEN.min(pause).saturating_sub(begin.elapsed())) {
                return None;
            }
            let report = self.watch.news();
            pause = usual;
            let asked = Instant::now();
            match self.server.heartbeat(self.by, self.job, &report) {
                Ok(word) => {
                    trouble = BACKOFF.0;
                    usual = between(word.lease);
                    pause = usual;
                    // The server's time began after this moment, so nobody else has the job before it is over here.
                    self.watch.renew(asked, word.lease);
                    if word.stop && self.watch.ordered().is_none() {
                        tracing::info!(job = self.job.id, "the server wants the job to stop");
                    }
                    if word.stop {
                        self.watch.order(Order::Stop);
                    }
                }
                Err(Fault::Trouble(why)) => {
                    tracing::warn!(job = self.job.id, "the server does not hear of the job: {why}");
                    self.watch.put_back(report);
                    if self.watch.is_lost() {
                        self.watch.ring();
                        return None;
                    }
                    pause = trouble.min(pause);
                    trouble = (trouble * 2).min(BACKOFF.1);
                }
                Err(Fault::Refused(why)) => tracing::warn!(job = self.job.id, "the server does not take the report: {why}"),
                Err(fault) => {
                    tracing::warn!(job = self.job.id, "the job is lost: {fault}");
                    self.watch.order(Order::Lost);
                    return matches!(fault, Fault::Token(_)).then(|| fault.to_string());
                }
            }
        }
    }

    /// Does what the job asks for. None when nobody waits for it any more.
    fn outcome(&self, scratch: &Scratch) -> Option<Outcome> {
        let Some(kind) = self.config.kinds.get(&self.job.kind) else {
            return Some(for_good(format!("this runner knows no kind {}", self.job.kind)));
        };
        let place = match scratch.attempt(self.job.id, self.job.attempt) {
            Ok(place) => place,
            Err(error) => return Some(perhaps(format!("the runner cannot make a scratch folder: {error}"))),
        };
        let begin = Instant::now();
        let outcome = self.run_in(kind, &place).unwrap_or_else(|outcome| outcome);
        (!self.watch.is_lost()).then(|| match outcome {
            Outcome::Done(_) => Outcome::Done(result(&place, begin)),
            failed => failed,
        })
    }

    /// The error is an outcome, too.
    fn run_in(&self, kind: &Kind, place: &Place) -> Result<Outcome, Outcome> {
        let (input, output) = (place.input(), place.output());
        let arguments = members(self.job.parameters.as_deref());
        let values = Values {
            input: &input,
            output: &output,
            job: self.job.id,
            attempt: self.job.attempt,
            arguments: &arguments,
            dashes: kind.dashes,
        };
        let items: Result<_, _> = kind.command.iter().map(|item| item.expand(&values)).collect();
        let items = items.map_err(for_good)?;
        if kind.command.iter().any(|item| item.takes_input()) {
            let there = self.patiently(|| self.server.download(self.job, &input, self.watch));
            if !there.map_err(|fault| perhaps(format!("the input was not to be had: {fault}")))? {
                return Err(for_good("the job has no input".to_owned()));
            }
        }
        let made = kind.command.iter().any(|item| item.makes_output());
        let folder = place.cwd();
        let task = Task {
            items,
            env: &kind.env,
            folder: &folder,
            stdout: (!made).then_some(output.as_path()),
            made: made.then_some(output.as_path()),
            progress: kind.progress,
            time: Duration::from_secs(kind.seconds),
            memory_mb: kind.memory_mb,
            output_mb: kind.output_mb,
        };
        // What was ordered meanwhile needs no process to end.
        let end = match self.watch.ordered() {
            Some(order) => End::Ordered(order),
            None => process::run(&task, self.watch).map_err(|error| perhaps(format!("the command does not start: {error}")))?,
        };
        self.judge(kind, end)?;
        if std::fs::symlink_metadata(&output).is_ok_and(|found| found.is_file()) {
            let sent = self.patiently(|| self.server.upload(self.by, self.job, &output, &kind.content_type, self.watch));
            sent.map_err(|fault| perhaps(format!("the output was not taken: {fault}")))?;
        }
        Ok(Outcome::Done(String::new()))
    }

    /// What an end means.
    fn judge(&self, kind: &Kind, end: End) -> Result<(), Outcome> {
        Err(match end {
            End::Exited(status) if status.success() => return Ok(()),
            End::Exited(status) => perhaps(with_tail(&exit(status), &self.watch.tail())),
            End::Ordered(Order::Stop) => for_good("stopped, as was wanted".to_owned()),
            End::Ordered(_) => perhaps("the runner ended before the job did".to_owned()),
            End::Time => perhaps(with_tail(&format!("timed out after {} s", kind.seconds), &self.watch.tail())),
            End::Memory => perhaps(with_tail(
                &format!("took more than {} MiB of memory", kind.memory_mb.unwrap_or_default()),
                &self.watch.tail(),
            )),
            End::Output => for_good(with_tail(&format!("wrote more than {} MiB", kind.output_mb), &self.watch.tail())),
        })
    }

    /// Says what came of it, as long as the lease counts.
    fn tell(&self, outcome: Option<Outcome>) -> Ended {
        let Some(outcome) = outcome else { return Ended::Lost };
        while let Some(lines) = self.watch.last_news() {
            if self.patiently(|| self.server.append_log(self.by, self.job, &lines)).is_err() {
                break;
            }
        }
        match self.patiently(|| self.server.end(self.by, self.job, &outcome)) {
            Ok(()) => Ended::Told(outcome),
            Err(fault @ Fault::Refused(_)) => {
                // It would be refused again: the lease runs out, and another attempt follows.
                tracing::error!(job = self.job.id, "the server does not take the result: {fault}");
                Ended::Lost
            }
            Err(Fault::Token(why)) => Ended::Revoked(why),
            Err(_) => Ended::Lost,
        }
    }

    /// Calls again after faults of the network, until the lease is lost.
    fn patiently<T>(&self, call: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        let mut pause = BACKOFF.0;
        loop {
            match call() {
                Err(Fault::Trouble(why)) if !self.watch.is_lost() => {
                    tracing::warn!(job = self.job.id, "again in {pause:.0?}: {why}");
                    let until = Instant::now() + pause;
                    while Instant::now() < until && !self.watch.is_lost() {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    pause = (pause * 2).min(BACKOFF.1);
                }
                answer => return answer,
            }
        }
    }
}

/// A failure that another attempt would only repeat.
fn for_good(why: String) -> Outcome {
    Outcome::Failed { why, again: false }
}

/// A failure that another attempt may avoid.
fn perhaps(why: String) -> Outcome {
    Outcome::Failed { why, again: true }
}

/// The job's arguments.
fn members(parameters: Option<&str>) -> Result<Map<String, Value>, String> {
    match parameters.map(serde_json::from_str) {
        None => Ok(Map::new()),
        Some(Ok(Value::Object(members))) => Ok(members),
        Some(_) => Err("the job's Parameters are no JSON object".to_owned()),
    }
}

fn exit(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn with_tail(why: &str, tail: &str) -> String {
    if tail.is_empty() {
        why.to_owned()
    } else {
        format!("{why}\n{tail}")
    }
}

fn result(place: &Place, begin: Instant) -> String {
    let length = |path: &Path| std::fs::metadata(path).map(|found| found.len()).ok();
    let seconds = begin.elapsed().as_millis() as f64 / 1000.0;
    json!({"ExitCode": 0, "OutputBytes": length(&place.output()), "Seconds": seconds}).to_string()
}

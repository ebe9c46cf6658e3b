//! The server, as a runner speaks with it: HTTP and JSON, nothing else.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::config::Config;
use super::watch::{Report, Watch};
use crate::auth::issuer::ask::{is_safe, system_roots};
use crate::model::limits::{JOB_SECONDS, RUNNER_ANSWER_BYTES};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence in the middle of a request or an answer.
const SILENCE: Duration = Duration::from_secs(60);
/// The code of a 409 that says that job or registration are somebody else's by now.
const LOST_LEASE: &str = "lost_lease";
/// Longest wait for a job in one request.
const LONGEST_POLL: u64 = 30;

/// What the server did not do, or did not say.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// 409 `lost_lease`: the job or the registration is somebody else's.
    Lost(String),
    /// 409 for another reason: not now.
    Busy(String),
    /// 404: it is not there any more.
    Gone(String),
    /// 401: the token counts no more.
    Token(String),
    /// Another 4xx: it would say the same again.
    Refused(String),
    /// Not reached, or not able: later, perhaps.
    Trouble(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Lost(why) | Fault::Busy(why) | Fault::Gone(why) | Fault::Token(why) | Fault::Refused(why) | Fault::Trouble(why) => {
                f.write_str(why)
            }
        }
    }
}

/// What the server knows a runner by, until it is registered anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Number of the runner.
    pub runner: i64,
    /// A Guid.
    pub registration: String,
    /// How often it wants to hear of a job.
    pub heartbeat: Duration,
    /// How long a job is a runner's that says nothing.
    pub lease: Duration,
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// Which attempt this is.
    pub attempt: i32,
    /// What kind of job.
    pub kind: String,
    /// Its arguments, as JSON text.
    pub parameters: Option<String>,
    /// Whose it is, a Guid.
    pub tenant: Option<String>,
    /// How long it is a runner's that says nothing about it.
    pub lease: Duration,
}

/// What the server says to a report about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The job has to stop.
    pub stop: bool,
    /// The next report has to come within this time.
    pub lease: Duration,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With a result, as JSON text.
    Done(String),
    /// With an error; another attempt may do better.
    Failed { why: String, again: bool },
}

/// Speaks with one server.
#[derive(Debug, Clone)]
pub struct Server {
    agent: Agent,
    /// `…/api/Core`.
    base: String,
    authorization: String,
}

impl Server {
    /// For the server of a configuration. Nothing is sent yet. Redirects are not followed: the token is for this server.
    pub fn new(config: &Config) -> Server {
        let roots = if config.server.starts_with("https://") {
            system_roots()
        } else {
            Vec::new()
        };
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots))).build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .user_agent(format!("odonata-runner/{} ({})", env!("CARGO_PKG_VERSION"), config.name))
            .tls_config(tls);
        // No proxy knows a server on this machine.
        let near = is_safe(&config.server) && config.server.starts_with("http://");
        let agent = if near { agent.proxy(None) } else { agent };
        Server {
            agent: agent.build().new_agent(),
            base: format!("{}/api/Core", config.server),
            authorization: format!("Bearer {}", config.token),
        }
    }

    /// Makes the runner known, with what it can do.
    pub fn register(&self, config: &Config, force: bool) -> Result<Registration, Fault> {
        let body = json!({
            "Kinds": config.kinds.keys().collect::<Vec<_>>(),
            "Tags": config.tags,
            "Priority": config.priority,
            "Slots": config.slots,
            "Version": env!("CARGO_PKG_VERSION"),
            "Force": force,
        });
        let answer = self.post("Runners/Register", None, &body, 0)?;
        let within_a_day = |name: &str| seconds(&answer[name]).filter(|time| (1..=86_400).contains(&time.as_secs()));
        let read = || {
            Some(Registration {
                runner: number(&answer["RunnerId"])?,
                registration: answer["Registration"].as_str()?.to_owned(),
                heartbeat: within_a_day("HeartbeatSeconds")?,
                lease: within_a_day("LeaseSeconds")?,
            })
        };
        read().ok_or_else(|| not_understood("a registration", &answer))
    }

    /// Waits for a job; none came in time.
    pub fn claim(&self, by: &Registration) -> Result<Option<Job>, Fault> {
        let wait = (by.lease.as_secs() / 2).clamp(1, LONGEST_POLL);
        let body = json!({"Registration": by.registration});
        let answer = self.post(&format!("Runners({}L)/Claim", by.runner), None, &body, wait)?;
        if answer.is_null() {
            return Ok(None);
        }
        let text = |name: &str| answer[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let lease = seconds(&answer["LeaseSeconds"]);
        let read = || {
            Some(Job {
                id: number(&answer["Id"])?,
                attempt: number(&answer["Attempt"])?.try_into().ok()?,
                kind: text("Kind")?,
                parameters: text("Parameters"),
                tenant: text("Tid"),
                lease: lease.unwrap_or(by.lease),
            })
        };
        read().map(Some).ok_or_else(|| not_understood("a job", &answer))
    }

    /// Ends the registration; its jobs are others' at once.
    pub fn unregister(&self, by: &Registration) -> Result<(), Fault> {
        let body = json!({"Registration": by.registration});
        self.post(&format!("Runners({}L)/Unregister", by.runner), None, &body, 0).map(drop)
    }

    /// Tells how far a job is.
    pub fn heartbeat(&self, by: &Registration, job: &Job, report: &Report) -> Result<Word, Fault> {
        let mut body = json!({"Registration": by.registration, "Attempt": job.attempt});
        if let Some(progress) = report.progress {
            body["Progress"] = json!(progress);
        }
        if let Some(message) = &report.message {
            body["Message"] = json!(message);
        }
        if !report.lines.is_empty() {
            body["Lines"] = json!(report.lines);
        }
        let answer = self.on(job, "Heartbeat", &body)?;
        Ok(Word {
            stop: answer["Stop"].as_bool().unwrap_or(false),
            lease: seconds(&answer["LeaseSeconds"]).unwrap_or(job.lease),
        })
    }

    /// Lines for a job's log.
    pub fn append_log(&self, by: &Registration, job: &Job, lines: impl serde::Serialize) -> Result<(), Fault> {
        let body = json!({"Registration": by.registration, "Attempt": job.attempt, "Lines": lines});
        self.on(job, "AppendLog", &body).map(drop)
    }

    /// Tells how an attempt ended.
    pub fn end(&self, by: &Registration, job: &Job, outcome: &Outcome) -> Result<(), Fault> {
        let mut body = json!({"Registration": by.registration, "Attempt": job.attempt});
        let action = match outcome {
            Outcome::Done(result) => {
                body["Result"] = json!(result);
                "Finish"
            }
            Outcome::Failed { why, again } => {
                body["Error"] = json!(why);
                body["Retry"] = json!(again);
                "Fail"
            }
        };
        self.on(job, action, &body).map(drop)
    }

    /// Loads the input of a job into a file; false if it has none. Ends early when the attempt has to.
    pub fn download(&self, job: &Job, into: &Path, watch: &Watch) -> Result<bool, Fault> {
        let mut request = self.agent.get(format!("{}/Jobs({}L)/Input", self.base, job.id));
        request = request.header("Authorization", &self.authorization).header("Accept", "*/*");
        if let Some(tenant) = &job.tenant {
            request = request.header("Tenant-Id", tenant);
        }
        let request = request.config().timeout_recv_response(Some(SILENCE)).build();
        let mut answer = request.call().map_err(trouble)?;
        if !answer.status().is_success() {
            return Err(fault(&mut answer));
        }
        if answer.status() == 204 {
            return Ok(false);
        }
        let said = answer
            .headers()
            .get("Content-Length")
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let mut file = File::create(into).map_err(|error| Fault::Refused(format!("the input cannot be kept: {error}")))?;
        let mut from = answer.body_mut().as_reader();
        let mut buffer = vec![0; 65_536];
        let mut came = 0;
        while watch.ordered().is_none() {
            let many = from
                .read(&mut buffer)
                .map_err(|error| Fault::Trouble(format!("the input broke off: {error}")))?;
            if many == 0 {
                let whole = said.is_none_or(|said| said == came);
                return if whole {
                    Ok(true)
                } else {
                    Err(Fault::Trouble("the input broke off".to_owned()))
                };
            }
            let kept = file.write_all(&buffer[..many]);
            kept.map_err(|error| Fault::Refused(format!("the input cannot be kept: {error}")))?;
            came += many as u64;
        }
        Ok(true)
    }

    /// Sends a file as the output of a job. Ends early when the lease is lost.
    pub fn upload(&self, by: &Registration, job: &Job, from: &Path, content_type: &str, watch: &Watch) -> Result<(), Fault> {
        let unreadable = |error: std::io::Error| Fault::Refused(format!("the output cannot be read: {error}"));
        let file = File::open(from).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut request = self.agent.put(format!("{}/Jobs({}L)/Output", self.base, job.id));
        request = request
            .header("Authorization", &self.authorization)
            .header("Content-Type", content_type)
            .header("Content-Length", length)
            .header("Odonata-Registration", &by.registration)
            .header("Odonata-Attempt", job.attempt);
        if let Some(tenant) = &job.tenant {
            request = request.header("Tenant-Id", tenant);
        }
        let request = request.config().timeout_recv_response(Some(2 * SILENCE)).build();
        let mut reader = Upload { file, watch };
        let mut answer = request.send(SendBody::from_reader(&mut reader)).map_err(trouble)?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(fault(&mut answer))
        }
    }

    fn on(&self, job: &Job, action: &str, body: &Value) -> Result<Value, Fault> {
        self.post(&format!("Jobs({}L)/{action}", job.id), job.tenant.as_deref(), body, 0)
    }

    /// POST of JSON; the answer is null for 204. With `wait` the server may take that many seconds to answer.
    fn post(&self, path: &str, tenant: Option<&str>, body: &Value, wait: u64) -> Result<Value, Fault> {
        let mut request = self.agent.post(format!("{}/{path}", self.base));
        request = request
            .header("Authorization", &self.authorization)
            .header("Accept", "application/json;odata=minimalmetadata")
            .header("DataServiceVersion", "3.0")
            .header("MaxDataServiceVersion", "3.0");
        if let Some(tenant) = tenant {
            request = request.header("Tenant-Id", tenant);
        }
        if wait > 0 {
            request = request.header("Prefer", format!("wait={wait}"));
        }
        let time = Duration::from_secs(wait) + SILENCE / 2;
        let config = request
            .config()
            .timeout_recv_response(Some(time))
            .timeout_per_read(Some(time.max(SILENCE)));
        let mut answer = config.build().send_json(body).map_err(trouble)?;
        if !answer.status().is_success() {
            return Err(fault(&mut answer));
        }
        let text = read(&mut answer)?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&text).map_err(|error| Fault::Trouble(format!("{path}: the answer is not JSON: {error}")))
    }
}

/// A file on its way, which stays where it is when nobody wants it any more.
struct Upload<'a> {
    file: File,
    watch: &'a Watch,
}

impl Read for Upload<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.watch.is_lost() {
            return Err(std::io::Error::other("the lease is lost"));
        }
        self.file.read(buffer)
    }
}

/// Edm.Int64 is a text in JSON, Edm.Int32 a number.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A time in whole seconds; as much as anybody can wait for.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = number(value)?.clamp(0, JOB_SECONDS as i64);
    Some(Duration::from_secs(seconds.unsigned_abs()))
}

fn not_understood(what: &str, answer: &Value) -> Fault {
    let shown: String = answer.to_string().chars().take(300).collect();
    Fault::Refused(format!("the server's answer is not {what}: {shown}"))
}

fn trouble(error: ureq::Error) -> Fault {
    Fault::Trouble(error.to_string())
}

fn read(answer: &mut Response<Body>) -> Result<Vec<u8>, Fault> {
    let body = answer.body_mut().with_config().limit(RUNNER_ANSWER_BYTES as u64).read_to_vec();
    body.map_err(trouble)
}

/// What an answer that is no success means.
fn fault(answer: &mut Response<Body>) -> Fault {
    let status = answer.status().as_u16();
    let body = read(answer).unwrap_or_default();
    classify(status, &body)
}

fn classify(status: u16, body: &[u8]) -> Fault {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &answer["odata.error"];
    let message = error["message"]["value"].as_str().unwrap_or_default();
    let message: String = message.chars().take(500).collect();
    let why = if message.is_empty() {
        format!("the server answers {status}")
    } else {
        format!("{status}: {message}")
    };
    match status {
        401 => Fault::Token(why),
        404 | 410 => Fault::Gone(why),
        409 if error["code"] == LOST_LEASE => Fault::Lost(why),
        409 => Fault::Busy(why),
        408 | 425 | 429 | 500.. => Fault::Trouble(why),
        _ => Fault::Refused(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_meanings() {
        let lost = br#"{"odata.error":{"code":"lost_lease","message":{"lang":"en-US","value":"It is another's."}}}"#;
        let other = br#"{"odata.error":{"code":"conflict","message":{"lang":"en-US","value":"Wait."}}}"#;
        for (status, body, expected) in [
            (401, &b""[..], Fault::Token("the server answers 401".to_owned())),
            (404, b"<html>", Fault::Gone("the server answers 404".to_owned())),
            (409, lost, Fault::Lost("409: It is another's.".to_owned())),
            (409, other, Fault::Busy("409: Wait.".to_owned())),
            (409, b"[]", Fault::Busy("the server answers 409".to_owned())),
            (400, other, Fault::Refused("400: Wait.".to_owned())),
            (302, b"", Fault::Refused("the server answers 302".to_owned())),
            (429, b"", Fault::Trouble("the server answers 429".to_owned())),
            (503, b"", Fault::Trouble("the server answers 503".to_owned())),
        ] {
            assert_eq!(classify(status, body), expected);
        }
    }

    #[test]
    fn numbers_are_texts_too() {
        for (value, expected) in [
            (json!("17"), Some(17)),
            (json!(17), Some(17)),
            (json!("x"), None),
            (json!(null), None),
            (json!(1.5), None),
        ] {
            assert_eq!(number(&value), expected);
        }
    }
}

//! `/health` and `/metrics`.

use std::time::Instant;

use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use super::reply::Answer;
use crate::model::fault::{Fault, Outcome};
use crate::store::Db;

/// Upper bounds of the latency histogram, in seconds.
const BUCKETS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// `/health`: the database answers. The only thing that needs no credentials.
pub async fn health(db: &Db) -> Outcome<Answer> {
    db.ping().await?;
    Ok(Answer {
        content_type: "application/json",
        body: r#"{"status":"ok"}"#.into(),
        ..Answer::of(200)
    })
}

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    running: IntGauge,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Outcome<Metrics> {
        let labels = &["method", "endpoint"];
        let buckets = HistogramOpts::new("odonata_request_seconds", "Time from a request's head to its answer.").buckets(BUCKETS.to_vec());
        let metrics = || -> prometheus::Result<Metrics> {
            let metrics = Metrics {
                registry: Registry::new(),
                requests: IntCounterVec::new(
                    Opts::new("odonata_requests_total", "Answered requests."),
                    &["method", "status", "endpoint"],
                )?,
                seconds: HistogramVec::new(buckets, labels)?,
                running: IntGauge::new("odonata_requests_running", "Requests being worked on.")?,
            };
            metrics.registry.register(Box::new(metrics.requests.clone()))?;
            metrics.registry.register(Box::new(metrics.seconds.clone()))?;
            metrics.registry.register(Box::new(metrics.running.clone()))?;
            Ok(metrics)
        };
        metrics().map_err(Fault::internal)
    }

    /// A request begins; it ends when the guard is dropped, answered or not.
    pub fn begin(&self) -> Running<'_> {
        self.running.inc();
        Running {
            metrics: self,
            began: Instant::now(),
        }
    }

    /// `/metrics`: the Prometheus text format.
    pub fn answer(&self) -> Outcome<Answer> {
        let mut body = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut body)
            .map_err(Fault::internal)?;
        Ok(Answer {
            content_type: "text/plain; version=0.0.4",
            body: body.into(),
            ..Answer::of(200)
        })
    }
}

/// A request being worked on.
#[derive(Debug)]
pub struct Running<'a> {
    metrics: &'a Metrics,
    began: Instant,
}

impl Running<'_> {
    /// Counts the answer. The labels come from fixed lists, so that clients cannot make up series.
    pub fn answered(&self, method: &str, status: u16, endpoint: &str) {
        let mut digits = [0; 3];
        let status = three_digits(status, &mut digits);
        self.metrics.requests.with_label_values(&[method, status, endpoint]).inc();
        self.metrics
            .seconds
            .with_label_values(&[method, endpoint])
            .observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics.running.dec();
    }
}

fn three_digits(status: u16, digits: &mut [u8; 3]) -> &str {
    *digits = [status / 100, status / 10, status].map(|digit| b'0' + (digit % 10) as u8);
    std::str::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let metrics = Metrics::new().unwrap();
        metrics.begin().answered("GET", 404, "Core");
        let running = metrics.begin();
        let text = String::from_utf8(metrics.answer().unwrap().body.to_vec()).unwrap();
        drop(running);
        for line in [
            "odonata_requests_total{endpoint=\"Core\",method=\"GET\",status=\"404\"} 1",
            "odonata_requests_running 1",
            "odonata_request_seconds_count{endpoint=\"Core\",method=\"GET\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}

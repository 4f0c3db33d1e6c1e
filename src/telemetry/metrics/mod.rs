//! What is counted for Prometheus: by this process, since it began ([`Metrics`]), and what is read when it is asked for ([`Reading`]).
//!
//! Names and units are as Prometheus advises: base units, `_total` on what only grows, times as moments rather than ages.

mod process;
mod reading;

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use process::Process;
pub use reading::{CallCount, JobReading, Reading};

/// Bounds of the time that a request takes until its response begins, in seconds.
const OF_REQUESTS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of the time that an answer takes, in seconds.
const OF_ANSWERS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// What stands where there is nothing of a kind: no route for a path, none that a failed question was given.
pub const NONE: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAnswer {
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

/// What this process counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<OfRequest, Counter>,
    request_seconds: Family<OfRoute, Histogram, fn() -> Histogram>,
    answers: Family<OfAnswer, Counter>,
    answer_seconds: Family<ByRoute, Histogram, fn() -> Histogram>,
    sentences: Family<ByOutcome, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Nothing counted yet. `routes` and `statuses` of answers are there from the start, at 0: a rate needs a value before the first.
    #[must_use]
    pub fn new(routes: &[&'static str], statuses: &[&'static str]) -> Self {
        let mut registry = Registry::with_prefix("lectern");
        let requests = Family::<OfRequest, Counter>::default();
        registry.register("http_requests", "Requests by what became of them", requests.clone());
        let of_requests: fn() -> Histogram = || Histogram::new(OF_REQUESTS);
        let request_seconds = Family::<OfRoute, Histogram, _>::new_with_constructor(of_requests);
        let help = "Time until the response to a request began";
        registry.register("http_request_duration_seconds", help, request_seconds.clone());
        let answers = Family::<OfAnswer, Counter>::default();
        registry.register("answers", "Questions by how they were answered", answers.clone());
        let of_answers: fn() -> Histogram = || Histogram::new(OF_ANSWERS);
        let answer_seconds = Family::<ByRoute, Histogram, _>::new_with_constructor(of_answers);
        let help = "Time that answers and abstentions took";
        registry.register("answer_duration_seconds", help, answer_seconds.clone());
        let sentences = Family::<ByOutcome, Counter>::default();
        let help = "Sentences of answers, those that were removed because they did not pass verification apart";
        registry.register("answer_sentences", help, sentences.clone());
        for route in routes.iter().copied() {
            for status in statuses.iter().copied() {
                drop(answers.get_or_create(&OfAnswer { route, status }));
            }
        }
        for outcome in ["kept", "removed"] {
            drop(sentences.get_or_create(&ByOutcome { outcome }));
        }
        Self { registry, requests, request_seconds, answers, answer_seconds, sentences }
    }

    /// A request was responded to. `method` is given by a client, and so it is no label unless it is one of HTTP's own.
    pub fn request(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let route = route.unwrap_or(NONE);
        self.requests.get_or_create(&OfRequest { method, route: route.to_owned(), status }).inc();
        let seconds = self.request_seconds.get_or_create(&OfRoute { method, route: route.to_owned() });
        seconds.observe(took.as_secs_f64());
    }

    /// A question was answered, or abstained from, by this many sentences.
    pub fn answered(&self, route: &'static str, status: &'static str, (kept, removed): (usize, usize), took: Duration) {
        self.answers.get_or_create(&OfAnswer { route, status }).inc();
        self.answer_seconds.get_or_create(&ByRoute { route }).observe(took.as_secs_f64());
        for (outcome, count) in [("kept", kept), ("removed", removed)] {
            self.sentences.get_or_create(&ByOutcome { outcome }).inc_by(count as u64);
        }
    }

    /// A question got neither an answer nor an abstention.
    pub fn failed(&self, status: &'static str) {
        self.answers.get_or_create(&OfAnswer { route: NONE, status }).inc();
    }

    /// All that there is to tell, in Prometheus' text format (version 0.0.4).
    ///
    /// # Errors
    /// When it cannot be written, which does not happen.
    pub fn told(&self, reading: &Reading) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        encode(&mut text, &reading.registry())?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_counted_by_what_became_of_them() {
        let metrics = Metrics::new(&["quote", NONE], &["answered", "failed"]);
        metrics.request("GET", Some("/v1/papers/{id}"), 200, Duration::from_millis(3));
        metrics.request("GET", Some("/v1/papers/{id}"), 404, Duration::from_millis(7));
        metrics.request("BREW\"", None, 404, Duration::from_secs(20));
        metrics.answered("quote", "answered", (3, 1), Duration::from_millis(30));
        metrics.failed("failed");
        let text = metrics.told(&Reading::default()).unwrap();
        for line in [
            "# TYPE lectern_http_requests_total counter",
            r#"lectern_http_requests_total{method="GET",route="/v1/papers/{id}",status="200"} 1"#,
            r#"lectern_http_requests_total{method="GET",route="/v1/papers/{id}",status="404"} 1"#,
            r#"lectern_http_requests_total{method="other",route="none",status="404"} 1"#,
            r#"lectern_http_request_duration_seconds_bucket{method="GET",route="/v1/papers/{id}",le="0.005"} 1"#,
            r#"lectern_http_request_duration_seconds_bucket{method="GET",route="/v1/papers/{id}",le="0.01"} 2"#,
            r#"lectern_http_request_duration_seconds_count{method="other",route="none"} 1"#,
            r#"lectern_answers_total{route="quote",status="answered"} 1"#,
            r#"lectern_answers_total{route="quote",status="failed"} 0"#,
            r#"lectern_answers_total{route="none",status="failed"} 1"#,
            r#"lectern_answer_sentences_total{outcome="kept"} 3"#,
            r#"lectern_answer_sentences_total{outcome="removed"} 1"#,
            r#"lectern_answer_duration_seconds_sum{route="quote"} 0.03"#,
        ] {
            assert!(text.lines().any(|told| told == line), "no `{line}` in\n{text}");
        }
    }
}

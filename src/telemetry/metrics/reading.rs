//! What is read at the moment of asking: from the store, the index, the breakers, the jobs, and the system.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::process::Process;

type Number = Gauge<f64, AtomicU64>;
type Sum = Counter<f64, AtomicU64>;

/// What there is now. What is none is left out: it is not known, or does not apply.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Requests and runs that have a place, and how many places there are.
    pub in_flight: (usize, usize),
    /// Answers that are being made.
    pub answers_under_way: usize,
    /// Answers that wait for their time.
    pub answers_waiting: Option<u64>,
    /// Calls of models, all that were settled.
    pub calls: Vec<CallCount>,
    /// What the month's calls have cost, with what is reserved, in US dollars.
    pub month_usd: Option<f64>,
    /// What they may cost.
    pub budget_usd: Option<f64>,
    /// Who is asked for models or papers, and whether it is left alone for now.
    pub breakers: Vec<(String, bool)>,
    /// Papers in the store.
    pub papers: Option<u64>,
    /// Papers in the index.
    pub index_papers: Option<u64>,
    /// Changes in the store that the index has not followed.
    pub index_queue: Option<u64>,
    /// The jobs.
    pub jobs: Vec<JobReading>,
    /// Jobs that were given up.
    pub dead_letters: Option<u64>,
    /// The size of the database.
    pub database_bytes: Option<u64>,
    /// What is left on its disk.
    pub disk_free_bytes: Option<u64>,
    /// Spans that were sent to a collector, and spans that could not be; none without one.
    pub spans: Option<(u64, u64)>,
    /// The process.
    pub process: Process,
    /// When it began, in seconds since 1970.
    pub started: f64,
}

/// The calls of one model for one step with one outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallCount {
    /// Who was asked.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// For which step of a run.
    pub step: String,
    /// `answered`, or the kind of failure.
    pub outcome: String,
    /// How many.
    pub calls: u64,
    /// Tokens of the input that were not cached.
    pub input: u64,
    /// Those that were.
    pub cached_input: u64,
    /// Tokens of the output.
    pub output: u64,
    /// What they cost, where that is known, in US dollars.
    pub cost_usd: f64,
}

/// How a job does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobReading {
    /// Its name.
    pub name: String,
    /// When its last run succeeded, in seconds since 1970.
    pub last_success: Option<f64>,
    /// When it runs next.
    pub next_run: Option<f64>,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// How often it has failed in a row.
    pub failures: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCall {
    provider: String,
    model: String,
    step: String,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTokens {
    provider: String,
    model: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModel {
    provider: String,
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfService {
    service: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfJob {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfVersion {
    version: &'static str,
}

impl Reading {
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let own = registry.sub_registry_with_prefix("lectern");
        let build = Family::<OfVersion, Gauge>::default();
        build.get_or_create(&OfVersion { version: env!("CARGO_PKG_VERSION") }).set(1);
        own.register("build_info", "The version that runs", build);
        let (in_flight, limit) = self.in_flight;
        gauge(own, "http_requests_in_flight", "Requests and answers that have a place", Some(in_flight as f64));
        gauge(own, "http_requests_in_flight_limit", "How many may have one (server.max_in_flight)", Some(limit as f64));
        let under_way = Some(self.answers_under_way as f64);
        gauge(own, "answers_under_way", "Answers that are being made", under_way);
        gauge(
            own,
            "answers_waiting",
            "Answers that wait for their time, such as off-peak hours",
            count(self.answers_waiting),
        );
        self.register_calls(own);
        let help = "What calls of models have cost this month in UTC, with what is reserved";
        gauge(own, "month_cost_dollars", help, self.month_usd);
        gauge(own, "month_budget_dollars", "What they may cost (llm.monthly_usd)", self.budget_usd);
        let open = Family::<OfService, Gauge>::default();
        for (service, is_open) in &self.breakers {
            open.get_or_create(&OfService { service: service.clone() }).set(i64::from(*is_open));
        }
        own.register("breaker_open", "Whether a provider or source is left alone after failures", open);
        gauge(own, "papers", "Papers in the library", count(self.papers));
        gauge(own, "index_papers", "Papers that can be found", count(self.index_papers));
        let help = "Changes in the library that the index has not followed yet";
        gauge(own, "index_queue_changes", help, count(self.index_queue));
        self.register_jobs(own);
        gauge(own, "dead_letters", "Jobs that were given up until somebody acts", count(self.dead_letters));
        gauge(own, "database_bytes", "The size of the database, its log included", count(self.database_bytes));
        gauge(own, "disk_free_bytes", "What is left on the disk of the home folder", count(self.disk_free_bytes));
        if let Some((sent, failed)) = self.spans {
            let spans = Family::<OfOutcome, Counter>::default();
            spans.get_or_create(&OfOutcome { outcome: "sent" }).inc_by(sent);
            spans.get_or_create(&OfOutcome { outcome: "failed" }).inc_by(failed);
            own.register("trace_spans", "Spans for the collector of traces", spans);
        }
        self.register_process(&mut registry);
        registry
    }

    fn register_calls(&self, own: &mut Registry) {
        let calls = Family::<OfCall, Counter>::default();
        let (tokens, costs) = (Family::<OfTokens, Counter>::default(), Family::<OfModel, Sum>::default());
        for call in &self.calls {
            let (provider, model) = (call.provider.clone(), call.model.clone());
            let (step, outcome) = (call.step.clone(), call.outcome.clone());
            calls
                .get_or_create(&OfCall { provider: provider.clone(), model: model.clone(), step, outcome })
                .inc_by(call.calls);
            for (kind, count) in [("input", call.input), ("cached_input", call.cached_input), ("output", call.output)] {
                let label = OfTokens { provider: provider.clone(), model: model.clone(), kind };
                tokens.get_or_create(&label).inc_by(count);
            }
            costs.get_or_create(&OfModel { provider, model }).inc_by(call.cost_usd);
        }
        own.register("model_calls", "Calls of models by what became of them", calls);
        own.register("model_tokens", "Tokens of models; input is what was not cached", tokens);
        own.register("model_cost_dollars", "What models have cost, as far as it is known", costs);
    }

    fn register_jobs(&self, own: &mut Registry) {
        type Numbers = Family<OfJob, Number>;
        let (success, next) = (Numbers::default(), Numbers::default());
        let (running, paused, failures) = (Numbers::default(), Numbers::default(), Numbers::default());
        for job in &self.jobs {
            let label = OfJob { name: job.name.clone() };
            if let Some(at) = job.last_success {
                success.get_or_create(&label).set(at);
            }
            if let Some(at) = job.next_run {
                next.get_or_create(&label).set(at);
            }
            running.get_or_create(&label).set(f64::from(u8::from(job.running)));
            paused.get_or_create(&label).set(f64::from(u8::from(job.paused)));
            failures.get_or_create(&label).set(job.failures as f64);
        }
        own.register("job_last_success_timestamp_seconds", "When the last run of a job succeeded", success);
        own.register("job_next_run_timestamp_seconds", "When a job runs next", next);
        own.register("job_running", "Whether a job runs", running);
        own.register("job_paused", "Whether a job is paused", paused);
        own.register("job_failures", "How often a job has failed in a row", failures);
    }

    fn register_process(&self, registry: &mut Registry) {
        let Process { cpu_seconds, resident_bytes, open_fds } = self.process;
        let process = registry.sub_registry_with_prefix("process");
        if let Some(seconds) = cpu_seconds {
            let cpu = Sum::default();
            cpu.inc_by(seconds);
            process.register("cpu_seconds", "Processor time", cpu);
        }
        gauge(process, "resident_memory_bytes", "Memory that is held", count(resident_bytes));
        gauge(process, "open_fds", "Files and connections that are open", count(open_fds));
        gauge(process, "start_time_seconds", "When the process began", Some(self.started));
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        let number = Number::default();
        number.set(value);
        registry.register(name, help, number);
    }
}

fn count(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn what_is_not_known_is_left_out_and_all_else_is_told() {
        let call = CallCount {
            provider: "deepseek".to_owned(),
            model: "deepseek-flash".to_owned(),
            step: "draft".to_owned(),
            outcome: "answered".to_owned(),
            calls: 2,
            input: 100,
            cached_input: 20,
            output: 7,
            cost_usd: 0.25,
        };
        let repaired = CallCount { step: "repair".to_owned(), calls: 1, output: 3, ..call.clone() };
        let job =
            JobReading { name: "daily".to_owned(), last_success: Some(1.5e9), failures: 2, ..JobReading::default() };
        let reading = Reading {
            in_flight: (3, 64),
            calls: vec![call, repaired],
            breakers: vec![("deepseek".to_owned(), true), ("arxiv".to_owned(), false)],
            jobs: vec![job],
            spans: Some((5, 0)),
            papers: Some(60),
            ..Reading::default()
        };
        let text = Metrics::new(&[], &[]).told(&reading).unwrap();
        for line in [
            "lectern_http_requests_in_flight 3.0",
            "lectern_http_requests_in_flight_limit 64.0",
            r#"lectern_model_calls_total{provider="deepseek",model="deepseek-flash",step="repair",outcome="answered"} 1"#,
            r#"lectern_model_tokens_total{provider="deepseek",model="deepseek-flash",kind="cached_input"} 40"#,
            r#"lectern_model_tokens_total{provider="deepseek",model="deepseek-flash",kind="output"} 10"#,
            r#"lectern_model_cost_dollars_total{provider="deepseek",model="deepseek-flash"} 0.5"#,
            r#"lectern_breaker_open{service="deepseek"} 1"#,
            r#"lectern_breaker_open{service="arxiv"} 0"#,
            "lectern_papers 60.0",
            r#"lectern_job_last_success_timestamp_seconds{name="daily"} 1500000000.0"#,
            r#"lectern_job_failures{name="daily"} 2.0"#,
            r#"lectern_trace_spans_total{outcome="sent"} 5"#,
        ] {
            assert!(text.lines().any(|told| told == line), "no `{line}` in\n{text}");
        }
        for absent in ["month_budget_dollars", "job_next_run_timestamp_seconds{", "dead_letters", "process_cpu"] {
            assert!(!text.contains(absent), "{absent}");
        }
    }
}

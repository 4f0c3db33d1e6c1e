//! What Prometheus asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use paper::SourceName;
use tokio::sync::Mutex;

use super::ApiState;
use super::error::ApiError;
use crate::app::{App, database_file};
use crate::jobs::{JobView, Jobs, JobsError};
use crate::llm::Usage;
use crate::store::{CallTotals, month_of};
use crate::telemetry::metrics::{CallCount, JobReading, Process, Reading};

/// How long what was counted in the store and the index is told again: whoever asks often is not to slow down those who search.
const FRESH: Duration = Duration::from_secs(5);

/// What was counted last, and when.
pub(super) type Counted = Arc<Mutex<Option<(Instant, Reading)>>>;

/// `GET /metrics`: all that is counted, in Prometheus' text format.
pub(super) async fn get(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let mut reading = {
        // One counts while others wait for what it finds.
        let mut counted = state.counted.lock().await;
        match &*counted {
            Some((at, reading)) if at.elapsed() < FRESH => reading.clone(),
            _ => {
                let reading = count(&state.app, &state.jobs).await;
                *counted = Some((Instant::now(), reading.clone()));
                reading
            }
        }
    };
    let (app, limit) = (&state.app, state.app.config.settings.server.max_in_flight);
    reading.in_flight = (limit.saturating_sub(state.room.available_permits()), limit);
    reading.answers_under_way = state.runs.count();
    reading.spans = app.spans_sent();
    reading.breakers = breakers(app).await;
    reading.process = Process::read();
    reading.started = seconds(app.began);
    let text = app.metrics.told(&reading).map_err(|fault| ApiError::internal(fault.to_string()))?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// What has to be counted. What cannot be is left out, and the log has why.
async fn count(app: &App, jobs: &Jobs) -> Reading {
    let (store, index) = (&app.library.store, app.library.index());
    let month = month_of(app.clock.now());
    let database = database_file(&app.config);
    // What was written last lies in the log beside the database.
    let size = |suffix: &str| {
        let mut file = database.clone().into_os_string();
        file.push(suffix);
        std::fs::metadata(file).map_or(0, |file| file.len())
    };
    Reading {
        answers_waiting: known("answers that wait", store.count_waiting().await),
        calls: known("calls of models", store.call_totals().await)
            .into_iter()
            .flatten()
            .map(|total| call_count(app, total))
            .collect(),
        month_usd: known("the month's cost", store.spent_in(&month).await),
        budget_usd: app.agent.desk.monthly_usd,
        papers: known("papers", store.count_papers().await),
        index_papers: known("papers of the index", index.stats().await).map(|stats| stats.papers as u64),
        index_queue: known("changes for the index", store.count_changes(index.watermark()).await),
        jobs: known("jobs", job_readings(app, jobs).await).unwrap_or_default(),
        dead_letters: known("dead letters", jobs.dead_letters().await).map(|letters| letters.len() as u64),
        database_bytes: Some(size("") + size("-wal")),
        disk_free_bytes: known("free space", fs4::available_space(&app.config.home)),
        ..Reading::default()
    }
}

fn known<T, E: std::fmt::Display>(what: &str, counted: Result<T, E>) -> Option<T> {
    counted.inspect_err(|fault| tracing::warn!(%fault, "cannot count {what}: it is missing from /metrics")).ok()
}

fn call_count(app: &App, total: CallTotals) -> CallCount {
    let desk = &app.agent.desk;
    // Whoever has an answer made again names a model; what nobody knows is no label.
    let seats = || desk.models.strong.iter().chain(&desk.models.cheap);
    let is_known = seats().any(|seat| seat.model.model() == total.model)
        || desk.prices.cost_usd(&total.model, &Usage::default(), app.clock.now()).is_some();
    CallCount {
        input: total.prompt_tokens.saturating_sub(total.cache_hit_tokens),
        cached_input: total.cache_hit_tokens,
        output: total.completion_tokens,
        provider: total.provider,
        model: if is_known { total.model } else { "other".to_owned() },
        step: total.step,
        outcome: total.outcome,
        calls: total.calls,
        cost_usd: total.cost_usd,
    }
}

async fn job_readings(app: &App, jobs: &Jobs) -> Result<Vec<JobReading>, JobsError> {
    let successes = app.library.store.last_successes().await?;
    let last = |name: &str| successes.iter().find(|(job, _)| job == name).map(|(_, at)| seconds(*at));
    let read = |job: JobView| JobReading {
        last_success: last(&job.name),
        next_run: job.next_run.map(seconds),
        running: job.running,
        paused: job.paused,
        failures: u64::from(job.failures),
        name: job.name,
    };
    Ok(jobs.list().await?.into_iter().map(read).collect())
}

/// The providers of models, and the sources that are asked over a network.
async fn breakers(app: &App) -> Vec<(String, bool)> {
    let (now, models) = (app.clock.now(), &app.agent.desk.models);
    let mut breakers: Vec<(String, bool)> = Vec::new();
    for seat in models.strong.iter().chain(&models.cheap) {
        let provider = seat.model.provider();
        if !breakers.iter().any(|(known, _)| known == provider) {
            breakers.push((provider.to_owned(), seat.breaker.resting(now).is_some()));
        }
    }
    for source in SourceName::ALL.into_iter().filter(|source| *source != SourceName::Import) {
        if let Some(resting) = known(source.as_str(), app.sources.resting(source).await) {
            breakers.push((source.to_string(), resting.is_some()));
        }
    }
    breakers
}

fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

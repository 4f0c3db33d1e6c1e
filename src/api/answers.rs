use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use super::ApiState;
use super::error::ApiError;
use super::extract::Body;
use super::wire::Filters;
use crate::agent::answer::{AskMode, Question};
use crate::agent::event::{Event, EventLog};
use crate::app::AskError;

/// The answers that are being made, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Arc<Mutex<HashMap<String, Arc<EventLog>>>>);

impl Runs {
    fn get(&self, id: &str) -> Option<Arc<EventLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn begin(&self, id: &str) -> Arc<EventLog> {
        let log = Arc::new(EventLog::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), log.clone());
        log
    }

    fn end(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// A run that is under way; however it ends, its readers see a last event and its place is freed.
struct Run {
    runs: Runs,
    id: String,
    log: Arc<EventLog>,
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.log.after(0).last().is_some_and(Event::is_last) {
            self.log.add("error", &ApiError::internal("the run ended without an outcome").problem());
        }
        self.runs.end(&self.id);
    }
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerRequest {
    question: String,
    #[serde(default)]
    mode: AskMode,
    #[serde(default)]
    filters: Filters,
    #[serde(default)]
    stream: bool,
    /// Checked against what the answer may cost at most before anything is asked of a model.
    #[serde(default)]
    budget_usd: Option<f64>,
}

/// `POST /v1/answers`: the answer, or its events as they happen.
pub(super) async fn post(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Body(request): Body<AnswerRequest>,
) -> Result<Response, ApiError> {
    let filter = request.filters.into_filter().map_err(ApiError::bad_request)?;
    let question = Question::new(&request.question, request.mode, filter)?;
    let question = match request.budget_usd {
        None => question,
        Some(budget) if budget.is_finite() && budget >= 0.0 => question.with_budget(budget),
        Some(_) => return Err(ApiError::bad_request("`budget_usd` must be 0 or more")),
    };
    let streamed = request.stream || accepts_events(&headers);
    let id = state.app.clock.new_id().to_string();
    let log = state.runs.begin(&id);
    let run = spawn(&state, id, question, log.clone());
    if streamed {
        return Ok(stream(log, 0));
    }
    let answered = run.await.map_err(|stopped| ApiError::internal(stopped.to_string()))??;
    Ok(Json(answered).into_response())
}

/// The run goes on when its client leaves: what it costs has been spent, and the answer can be read later.
fn spawn(
    state: &ApiState,
    id: String,
    question: Question,
    log: Arc<EventLog>,
) -> JoinHandle<Result<crate::agent::verify::Answer, ApiError>> {
    let app = state.app.clone();
    let run = Run { runs: state.runs.clone(), id, log };
    tokio::spawn(async move {
        app.ask(&run.id, &question, &run.log).await.map_err(|error| {
            let error = match error {
                AskError::Agent(error) => ApiError::from(error),
                AskError::Store(error) => ApiError::from(error),
            };
            if let Some(fault) = error.fault() {
                tracing::error!(answer = run.id, fault, "no answer");
            }
            run.log.add("error", &error.problem());
            error
        })
    })
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// `GET /v1/answers/{id}`
pub(super) async fn get(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Box<RawValue>>, ApiError> {
    stored(&state, &id).await.map(Json)
}

/// An answer that was given.
pub(super) async fn stored(state: &ApiState, id: &str) -> Result<Box<RawValue>, ApiError> {
    let answer = state.app.library.store.answer(id).await?;
    answer.ok_or_else(|| match state.runs.get(id) {
        Some(_) => ApiError::not_found(format!("answer `{id}` is still being made; follow /v1/answers/{id}/events")),
        None => ApiError::not_found(format!("no answer `{id}`")),
    })
}

/// `GET /v1/answers/{id}/events`, from after `Last-Event-ID`.
pub(super) async fn events(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| ApiError::bad_request("`Last-Event-ID` must be the number of an event"))?,
    };
    if let Some(log) = state.runs.get(&id) {
        return Ok(stream(log, after));
    }
    stored(&state, &id).await?;
    let events = state.app.library.store.answer_events(&id, after).await?;
    let events = events.into_iter().map(|(number, kind, data)| {
        Ok::<_, Infallible>(SseEvent::default().id(number.to_string()).event(kind).data(data))
    });
    Ok(Sse::new(futures::stream::iter(events)).into_response())
}

fn stream(log: Arc<EventLog>, after: u64) -> Response {
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("keep-alive");
    Sse::new(follow(log, after)).keep_alive(keep_alive).into_response()
}

fn follow(log: Arc<EventLog>, after: u64) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    async_stream::stream! {
        let mut after = after;
        loop {
            log.wait_after(after).await;
            for event in log.after(after) {
                after = event.id;
                let last = event.is_last();
                yield Ok(wire(&event));
                if last {
                    return;
                }
            }
        }
    }
}

fn wire(event: &Event) -> SseEvent {
    SseEvent::default().id(event.id.to_string()).event(event.kind).data(&event.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ends_without_an_outcome_still_has_a_last_event_and_frees_its_place() {
        let runs = Runs::default();
        let log = runs.begin("a");
        log.add("run", &1);
        drop(Run { runs: runs.clone(), id: "a".into(), log: log.clone() });
        let kinds: Vec<&str> = log.after(0).iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["run", "error"]);
        assert!(runs.get("a").is_none());
    }
}

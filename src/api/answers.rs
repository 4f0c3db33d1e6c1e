use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::Stream;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ApiState;
use super::error::ApiError;
use super::extract::Body;
use super::guard::Place;
use super::wire::Filters;
use crate::agent::answer::{AskMode, Question};
use crate::agent::event::{Event, EventLog};

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
    Extension(place): Extension<Place>,
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
    let run = state.runs.begin(state.app.clock.new_id().to_string(), place)?;
    let log = run.log.clone();
    let answering = tokio::spawn(run.answer(state.app.clone(), question));
    if streamed {
        return Ok(stream(log, 0));
    }
    let answered = answering.await.map_err(|stopped| ApiError::internal(stopped.to_string()))??;
    Ok(Json(answered).into_response())
}

pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
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

/// An answer that was given, or the document of a run that failed.
pub(super) async fn stored(state: &ApiState, id: &str) -> Result<Box<RawValue>, ApiError> {
    // Looked up first: a run that ends meanwhile is then in the store.
    let under_way = state.runs.get(id);
    let answer = state.app.library.store.answer(id).await?;
    answer.ok_or_else(|| match under_way {
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
            let events = log.wait_after(after).await;
            let Some(newest) = events.last() else { return };
            after = newest.id;
            for event in &events {
                yield Ok(wire(event));
            }
        }
    }
}

fn wire(event: &Event) -> SseEvent {
    SseEvent::default().id(event.id.to_string()).event(event.kind).data(&event.data)
}

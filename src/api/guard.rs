//! What holds for every request: who may ask, an id, room, a time limit, and faults that go to the log and not out.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::ApiState;
use super::error::{ApiError, Fault, Problem, respond};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One of the places of `server.max_in_flight` or `server.max_imports`, free again when its last clone is gone: a run
/// keeps the place of the request that began it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Place {
    /// A place, when there is one.
    pub(super) fn take(room: &Arc<Semaphore>) -> Option<Self> {
        room.clone().try_acquire_owned().ok().map(|permit| Self { _permit: Arc::new(permit) })
    }

    /// A place, as soon as there is one.
    pub(super) async fn wait_for(room: &Arc<Semaphore>) -> Option<Self> {
        room.clone().acquire_owned().await.ok().map(|permit| Self { _permit: Arc::new(permit) })
    }
}

/// Gives the request an id, a place and a time limit, and its response the id.
pub(super) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let id = request_id(&request).unwrap_or_else(|| state.app.clock.new_id().to_string());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (route, began) = (request.extensions().get::<MatchedPath>().cloned(), Instant::now());
    // All that is logged while it is worked on says for which request.
    let within = tracing::error_span!("request", request_id = %id);
    let response = admitted(&state, request, next).instrument(within).await;
    let mut response = finished(response, &id);
    let (status, took) = (response.status().as_u16(), began.elapsed());
    state.app.metrics.request(method.as_str(), route.as_ref().map(MatchedPath::as_str), status, took);
    tracing::debug!(request_id = %id, %method, path, status, took_ms = took.as_millis() as u64, "request");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// An id that a proxy in front has given, when it is one that can be logged.
fn request_id(request: &Request) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (plain && !text.is_empty()).then(|| text.to_owned())
}

async fn admitted(state: &ApiState, mut request: Request, next: Next) -> Response {
    if let Err(refused) = state.hosts.admit(request.method(), request.uri(), request.headers()) {
        return refused.into_response();
    }
    // Who asks whether the server lives gets an answer from a full one too.
    let health = matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics");
    let place = if health { None } else { Place::take(&state.room) };
    if place.is_none() && !health {
        return ApiError::busy("the server is at its limit (server.max_in_flight); try again shortly").into_response();
    }
    if let Some(place) = &place {
        request.extensions_mut().insert(place.clone());
    }
    // An answer takes as long as its model does, which has time limits of its own, a sync as long as its source; so has
    // the reading of their bodies.
    let path = request.uri().path();
    let answers_again = path.starts_with("/v1/answers/") && (path.ends_with("/resume") || path.ends_with("/replay"));
    if answers_again || matches!(path, "/v1/answers" | "/v1/sync" | "/v1/imports" | "/v1/reindex") {
        return next.run(request).await;
    }
    let limit = Duration::from_secs(state.app.config.settings.server.request_timeout_s);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::busy("the request took too long (server.request_timeout_s)").into_response(),
    }
}

/// Logs the fault behind a 5xx answer under the request's id, and writes the id into the problem.
fn finished(mut response: Response, id: &str) -> Response {
    if let Some(Fault(fault)) = response.extensions_mut().remove::<Fault>() {
        tracing::error!(request_id = %id, fault, "request failed");
    }
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => respond(&Problem { request_id: Some(id.to_owned()), ..problem }),
        None => response,
    }
}

/// A handler that panicked is a fault like any other: the server goes on.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    fault_of(panic.as_ref()).into_response()
}

/// The failure that a panic is.
pub(super) fn fault_of(panic: &(dyn Any + Send)) -> ApiError {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::internal(format!("a handler panicked: {}", text.unwrap_or_default()))
}

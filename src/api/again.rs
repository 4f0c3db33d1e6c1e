//! Runs that were cut off go on, and runs that have ended are made again by another model.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::ApiState;
use super::answers::{accepts_events, respond, stored};
use super::error::ApiError;
use super::extract::Body;
use super::guard::Place;
use crate::app::Resumed;

/// By whom a run is made again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    /// `deepseek:NAME` or `openai:NAME`.
    model: String,
    #[serde(default)]
    stream: bool,
}

/// `POST /v1/answers/{id}/resume`: goes on with a run that was cut off or failed, at the last step that it had finished. An
/// answer that is there already is given as it is.
pub(super) async fn resume(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    state.runs.check_open()?;
    if state.runs.is_under_way(&id) {
        return Err(ApiError::conflict(
            "under-way",
            format!("answer `{id}` is being made; follow /v1/answers/{id}/events"),
        ));
    }
    let streamed = accepts_events(&headers);
    match state.app.resume(&id).await? {
        Resumed::Unknown => Err(ApiError::not_found(format!("no answer `{id}`"))),
        Resumed::Answered => Ok(axum::Json(stored(&state, &id).await?).into_response()),
        Resumed::GoesOn(run) => respond(&state, *run, state.app.agent.clone(), place, streamed).await,
    }
}

/// `POST /v1/answers/{id}/replay`: the same question over the same evidence, answered by another model as a run of its own.
pub(super) async fn replay(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Body(request): Body<ReplayRequest>,
) -> Result<Response, ApiError> {
    state.runs.check_open()?;
    let streamed = request.stream || accepts_events(&headers);
    let agent = state.app.agent_with(&request.model).map_err(|why| ApiError::bad_request(format!("`model`: {why}")))?;
    let replayed = state.app.replay(&id).await?;
    let (run, question) = replayed.ok_or_else(|| ApiError::not_found(format!("no run `{id}`")))?;
    respond(&state, (run, question, false), agent, place, streamed).await
}

/// Goes on with the runs that a stop or a crash has cut off and that were to go on although nobody waits for them.
pub(super) async fn go_on(state: &ApiState) {
    let open = match state.app.library.store.open_answers().await {
        Ok(open) => open,
        Err(fault) => return tracing::error!(%fault, "runs that were cut off cannot be read"),
    };
    for id in open.into_iter().filter(|(_, background)| *background).map(|(id, _)| id) {
        let Some(place) = Place::take(&state.room) else {
            return tracing::warn!("there are more runs to go on with than server.max_in_flight allows");
        };
        match state.app.resume(&id).await {
            Ok(Resumed::GoesOn(taken_up)) => {
                let (run, question, background) = *taken_up;
                if let Some((run, _)) = state.runs.begin(run, background, place) {
                    tracing::info!(answer = id, "going on with an answer that was cut off");
                    tokio::spawn(run.answer(state.app.clone(), state.app.agent.clone(), question));
                }
            }
            Ok(_) => {}
            Err(fault) => tracing::error!(answer = id, %fault, "an answer that was cut off cannot be gone on with"),
        }
    }
}

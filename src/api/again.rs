//! Runs that were cut off go on, and runs that have ended are made again by another model.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::ApiState;
use super::answers::{accepts_events, respond, stored, under_way};
use super::error::ApiError;
use super::extract::Body;
use super::guard::Place;
use crate::app::Resumed;
use crate::store::StoreError;

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
    // Before anything is read: of two who ask at once only one goes on with it.
    let claim = state.runs.claim(&id).ok_or_else(|| ApiError::conflict("under-way", under_way(&id)))?;
    let streamed = accepts_events(&headers);
    match state.app.resume(&id).await? {
        Resumed::Unknown => Err(ApiError::not_found(format!("no answer `{id}`"))),
        Resumed::Answered => Ok(axum::Json(stored(&state, &id).await?).into_response()),
        Resumed::GoesOn(run) => {
            let agent = state.app.agent_for(&run.1).clone();
            respond(&state, (claim, *run), agent, place, streamed).await
        }
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
    let claim = state.runs.claim(run.id()).ok_or_else(|| ApiError::conflict("under-way", under_way(run.id())))?;
    respond(&state, (claim, (run, question, false)), agent, place, streamed).await
}

/// How many runs that nobody waits for go at once, so that there is room for those that somebody does.
const ALONE_AT_ONCE: usize = 4;
/// After so long it is looked again which runs are due, whatever else happens.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Goes on with the runs that nobody waits for: those that a stop or a crash has cut off, and those that wait for their time.
pub(super) async fn follow_waiting(state: ApiState) {
    let room_alone = Arc::new(Semaphore::new(ALONE_AT_ONCE));
    let mut given_up = HashSet::new();
    while state.runs.check_open().is_ok() {
        let open = state.app.library.store.open_answers().await.unwrap_or_else(|fault| {
            tracing::error!(%fault, "runs that are to go on cannot be read");
            Vec::new()
        });
        let now = state.app.clock.now();
        let open = open.into_iter().filter(|(id, _)| !given_up.contains(id));
        let (due, later): (Vec<_>, Vec<_>) = open.partition(|(_, moment)| moment.is_none_or(|m| m <= now));
        for (id, _) in due {
            let Some(place) = Place::wait_for(&room_alone).await else { return };
            if let Err(fault) = go_on(&state, &id, place).await {
                tracing::error!(answer = id, %fault, "an answer cannot be gone on with");
                // Anything else may be over when it is looked again.
                if matches!(fault, StoreError::Unreadable { .. }) {
                    given_up.insert(id);
                }
            }
        }
        let soonest = later.into_iter().filter_map(|(_, moment)| moment).min();
        let until = soonest.and_then(|moment| Duration::try_from(moment.duration_since(now)).ok());
        let pause = until.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
        // Whoever is told of a run that waits has it in the store before.
        let _ = tokio::time::timeout(pause, state.runs.when_one_waits()).await;
    }
}

/// Lets a run go, once there is a place for it, unless somebody else does.
async fn go_on(state: &ApiState, id: &str, place_alone: Place) -> Result<(), StoreError> {
    let Some(claim) = state.runs.claim(id) else { return Ok(()) };
    let Some(place) = Place::wait_for(&state.room).await else { return Ok(()) };
    // Others may have made it meanwhile, and it is over then, also when it has failed.
    let is_open = state.app.library.store.run(id).await?.is_some_and(|run| run.ended_at.is_none());
    if !is_open || state.runs.check_open().is_err() {
        return Ok(());
    }
    if let Resumed::GoesOn(taken_up) = state.app.resume(id).await? {
        let (run, question, background) = *taken_up;
        let (run, _) = state.runs.begin(claim, run, background, place);
        tracing::info!(answer = id, "going on with an answer that nobody waits for");
        let (app, agent) = (state.app.clone(), state.app.agent_for(&question).clone());
        tokio::spawn(async move {
            drop(run.answer(app, agent, question).await);
            drop(place_alone);
        });
    }
    Ok(())
}

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ApiState;
use super::error::ApiError;
use super::extract::{Body, Pairs};
use super::origin::is_operator;
use crate::jobs::{DeadLetterView, JobView, RunView};
use crate::store::Trigger;

/// Runs on a page of the history.
const RUNS: usize = 20;
const MOST_RUNS: usize = 100;

/// A list that is given whole.
#[derive(Serialize)]
pub(super) struct Listed<T> {
    #[serde(flatten)]
    list: std::collections::BTreeMap<&'static str, Vec<T>>,
}

/// A page of the history.
#[derive(Serialize)]
pub(super) struct Runs {
    runs: Vec<RunView>,
    next: Option<String>,
}

fn listed<T>(name: &'static str, items: Vec<T>) -> Json<Listed<T>> {
    Json(Listed { list: [(name, items)].into() })
}

/// `GET /v1/jobs`
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Listed<JobView>>, ApiError> {
    Ok(listed("jobs", state.jobs.list().await?))
}

/// `GET /v1/jobs/{name}`
pub(super) async fn get(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Json<JobView>, ApiError> {
    Ok(Json(state.jobs.get(&name).await?))
}

/// `PUT /v1/jobs/{name}`: 201 for a new job. `{"paused": …}` alone pauses or resumes one.
pub(super) async fn put(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(mut fields): Body<Map<String, Value>>,
) -> Result<Response, ApiError> {
    if let Some(Value::String(place)) =
        fields.get_mut("diff").filter(|_| !is_operator(&headers, state.app.secret.told()))
    {
        *place = state.app.diff_of_guest(place).await?;
    }
    let is_new = state.jobs.put(&name, fields).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(state.jobs.get(&name).await?)).into_response())
}

/// `DELETE /v1/jobs/{name}`
pub(super) async fn delete(State(state): State<ApiState>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    state.jobs.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/jobs/{name}/run`: 202 with the run's id; it goes on by itself.
pub(super) async fn run(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let begun = state.jobs.begin(&name, Trigger::Manual).await?;
    let told = json!({"id": begun.id(), "job": name, "runs": format!("/v1/jobs/{name}/runs")});
    // Its failure is in the history.
    tokio::spawn(async move { state.jobs.carry_out(begun).await });
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

/// `GET /v1/jobs/{name}/runs?limit=&cursor=`
pub(super) async fn runs(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Pairs(pairs): Pairs,
) -> Result<Json<Runs>, ApiError> {
    page_of(&state, Some(&name), pairs).await
}

/// `GET /v1/job-runs?limit=&cursor=`: of all jobs, also of those that are no more.
pub(super) async fn all_runs(State(state): State<ApiState>, Pairs(pairs): Pairs) -> Result<Json<Runs>, ApiError> {
    page_of(&state, None, pairs).await
}

async fn page_of(state: &ApiState, job: Option<&str>, pairs: Vec<(String, String)>) -> Result<Json<Runs>, ApiError> {
    let (mut limit, mut cursor) = (RUNS, None);
    for (name, value) in pairs {
        let number = value.parse().ok().filter(|n| (1..=MOST_RUNS).contains(n));
        match (name.as_str(), number) {
            ("limit", Some(number)) => limit = number,
            ("limit", None) => return Err(ApiError::bad_request(format!("`limit` must be from 1 to {MOST_RUNS}"))),
            ("cursor", _) if uuid::Uuid::parse_str(&value).is_ok() => cursor = Some(value),
            ("cursor", _) => return Err(ApiError::bad_request("`cursor` is not one that this list has given")),
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there are limit and cursor"))),
        }
    }
    let mut runs = state.jobs.history(job, cursor.as_deref(), limit + 1).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| more).map(|run| run.id.clone());
    Ok(Json(Runs { runs, next }))
}

/// `GET /v1/jobs/dead-letters`
pub(super) async fn dead_letters(State(state): State<ApiState>) -> Result<Json<Listed<DeadLetterView>>, ApiError> {
    Ok(listed("dead_letters", state.jobs.dead_letters().await?))
}

/// `POST /v1/jobs/dead-letters/{id}/retry`: 202; the job runs at once.
pub(super) async fn retry(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let job = state.jobs.revive(&id, false).await?;
    let told = json!({"job": job, "runs": format!("/v1/jobs/{job}/runs")});
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

/// `DELETE /v1/jobs/dead-letters/{id}`: its job goes on by its schedule.
pub(super) async fn forget(State(state): State<ApiState>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    state.jobs.revive(&id, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

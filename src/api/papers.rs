use axum::Json;
use axum::extract::{Path, State};
use paper::{Paper, PaperRef};

use super::ApiState;
use super::error::ApiError;
use super::extract::Pairs;
use super::wire::SearchResponse;
use crate::store::Provenance;

/// `GET /v1/papers/{id}`, by an id of any kind; one with a slash is percent-encoded.
pub(super) async fn get(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Paper>, ApiError> {
    find(&state, &id).await.map(Json)
}

/// `GET /v1/papers/{id}/records`: what the paper was made of, and who tells which field.
pub(super) async fn records(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Provenance>, ApiError> {
    let paper = find(&state, &id).await?;
    let Some(of) = paper.id else { return Err(ApiError::internal("a stored paper has no id")) };
    let told = state.app.library.store.provenance(of).await?;
    told.map(Json).ok_or_else(|| ApiError::not_found(format!("no paper `{id}` in the library")))
}

/// `GET /v1/papers/{id}/similar?limit=`
pub(super) async fn similar(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Pairs(pairs): Pairs,
) -> Result<Json<SearchResponse>, ApiError> {
    let mut limit = 10;
    for (name, value) in pairs {
        let number = value.parse().ok().filter(|n| (1..=100).contains(n));
        limit = match (name.as_str(), number) {
            ("limit", Some(number)) => number,
            ("limit", None) => return Err(ApiError::bad_request("`limit` must be from 1 to 100")),
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there is limit"))),
        };
    }
    let paper = find(&state, &id).await?;
    let Some(id) = paper.id else { return Err(ApiError::internal("a stored paper has no id")) };
    let found = state.app.library.similar(id, limit).await?;
    Ok(Json(SearchResponse::new(found, None)))
}

/// The paper that a person named.
pub(super) async fn find(state: &ApiState, id: &str) -> Result<Paper, ApiError> {
    let reference: PaperRef =
        id.parse().map_err(|error: paper::ParseError| ApiError::bad_request(error.to_string()))?;
    let paper = state.app.library.store.paper(&reference).await?;
    paper.ok_or_else(|| ApiError::not_found(format!("no paper `{id}` in the library")))
}

use axum::Json;
use axum::extract::State;

use super::ApiState;
use super::error::ApiError;
use super::extract::{Body, Pairs};
use super::wire::{SearchRequest, SearchResponse};

/// `GET /v1/search?q=…`
pub(super) async fn get(State(state): State<ApiState>, Pairs(pairs): Pairs) -> Result<Json<SearchResponse>, ApiError> {
    search(&state, SearchRequest::from_pairs(pairs).map_err(ApiError::bad_request)?).await
}

/// `POST /v1/search`
pub(super) async fn post(
    State(state): State<ApiState>,
    Body(request): Body<SearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    search(&state, request).await
}

async fn search(state: &ApiState, request: SearchRequest) -> Result<Json<SearchResponse>, ApiError> {
    let query = request.into_query().map_err(ApiError::bad_request)?;
    let found = state.app.library.search(query.clone()).await?;
    Ok(Json(SearchResponse::new(found, Some(&query))))
}

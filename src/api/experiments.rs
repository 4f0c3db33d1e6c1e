//! What came of experiments.

use axum::Json;
use axum::extract::State;

use super::ApiState;
use super::error::ApiError;
use crate::experiment::{Experiments, report};

/// `GET /v1/experiments`
pub(super) async fn get(State(state): State<ApiState>) -> Result<Json<Experiments>, ApiError> {
    Ok(Json(report(&state.app.config.experiments, &state.app.library.store).await?))
}

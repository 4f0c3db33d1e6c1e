use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::ApiState;
use super::error::ApiError;
use crate::library::LibraryError;

/// That the process is there.
#[derive(Serialize)]
pub(super) struct Live {
    status: &'static str,
    version: &'static str,
}

/// `GET /healthz`: the process answers.
pub(super) async fn live() -> Json<Live> {
    Json(Live { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// How far the index has followed the store.
#[derive(Serialize)]
pub(super) struct Ready {
    status: &'static str,
    papers: u64,
    revision: u64,
    indexed: u64,
}

/// `GET /readyz`: the store answers, and so do both arms of the index.
pub(super) async fn ready(State(state): State<ApiState>) -> Response {
    match look(&state).await {
        Ok(ready) => Json(ready).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "not ready");
            ApiError::busy("the store or the index does not answer").into_response()
        }
    }
}

async fn look(state: &ApiState) -> Result<Ready, LibraryError> {
    let counts = state.app.library.store.counts().await?;
    let index = state.app.library.index.stats().await?;
    Ok(Ready { status: "ok", papers: counts.papers, revision: counts.revision, indexed: index.watermark })
}

/// `GET /`: what this is and where things are, for a person with a browser.
pub(super) async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use super::ApiState;
use super::error::ApiError;

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

/// `GET /readyz`: the store answers, and so does the index.
pub(super) async fn ready(State(state): State<ApiState>) -> Response {
    match state.app.library.store.counts().await {
        Ok(counts) => {
            let indexed = state.app.library.index.watermark();
            Json(Ready { status: "ok", papers: counts.papers, revision: counts.revision, indexed }).into_response()
        }
        Err(fault) => {
            tracing::error!(%fault, "not ready");
            ApiError::busy("the library's store does not answer").into_response()
        }
    }
}

/// `GET /`: what this is and where things are, for a person with a browser.
pub(super) async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

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
    revision: u64,
    indexed: u64,
}

/// `GET /readyz`: the store can be read. It is asked every few seconds, so that nothing is counted here; when the
/// vectors cannot be asked, searches go by words and say so.
pub(super) async fn ready(State(state): State<ApiState>) -> Response {
    let library = &state.app.library;
    match library.store.revision().await {
        Ok(revision) => Json(Ready { status: "ok", revision, indexed: library.index.watermark() }).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "not ready");
            ApiError::busy("the store does not answer").into_response()
        }
    }
}

/// `GET /`: what this is and where things are, for a person with a browser.
pub(super) async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

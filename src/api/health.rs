//! Whether the server is there, and how far it is.

use axum::Json;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::error::ApiError;
use crate::app::UnderWay;

/// That the process is there, and which one it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Live {
    status: String,
    version: String,
    /// New with every start: by it a command knows the server that has its library.
    pub instance: String,
}

/// `GET /healthz`: the process answers.
pub(super) async fn live(State(state): State<ApiState>) -> Json<Live> {
    let instance = state.app.instance.to_string();
    Json(Live { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), instance })
}

/// How far the index has followed the store.
#[derive(Serialize)]
pub(super) struct Ready {
    status: &'static str,
    revision: u64,
    indexed: u64,
    /// How far a new index is, while one is being built.
    #[serde(skip_serializing_if = "Option::is_none")]
    reindex: Option<UnderWay>,
}

/// `GET /readyz`: the store can be read. It is asked every few seconds, so that nothing is counted here; when the
/// vectors cannot be asked, searches go by words and say so.
pub(super) async fn ready(State(state): State<ApiState>) -> Response {
    let library = &state.app.library;
    match library.store.revision().await {
        Ok(revision) => {
            let (indexed, reindex) = (library.index().watermark(), state.app.reindexing.at_work());
            Json(Ready { status: "ok", revision, indexed, reindex }).into_response()
        }
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

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::ApiState;
use super::error::ApiError;
use super::extract::Body;
use super::guard::Place;
use super::intake::Events;
use super::origin::is_operator;
use crate::library::progress::Course;

/// The body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The embedding model; none for the one that is set, being built, or searched by.
    #[serde(default)]
    model: Option<String>,
}

/// `POST /v1/reindex`: builds a new index beside the one that is searched, and puts it in its place when it is whole. It
/// goes on when its client leaves, and at the next start when the server stops. For commands of the operator's.
pub(super) async fn post(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Body(asked): Body<Asked>,
) -> Result<Response, ApiError> {
    if !is_operator(&headers, state.app.secret.told()) {
        return Err(ApiError::operator_only("a new index is for commands on this machine: `lectern reindex`"));
    }
    let building = state.app.reindexing.ask(asked.model.as_deref()).await?;
    let work = |events: Events, stop: tokio_util::sync::CancellationToken| async move {
        let tell = |step| events.progress(step);
        let course = Course::new(&tell);
        tokio::select! {
            built = building.watch(&course) => built.map_err(ApiError::busy),
            () = stop.cancelled() => Err(ApiError::busy("the server stops; its next start goes on with it")),
        }
    };
    state.intakes.respond(&headers, place, work).await
}

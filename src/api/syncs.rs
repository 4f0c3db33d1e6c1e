use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::ApiState;
use super::error::ApiError;
use super::extract::Body;
use super::guard::Place;
use super::origin::is_operator;
use crate::app::SourceError;
use crate::config::SyncSpec;
use crate::library::progress::Course;

/// `POST /v1/sync`: papers from a source. A client that leaves stops it at the end of the page under way.
pub(super) async fn post(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Body(spec): Body<SyncSpec>,
) -> Result<Response, ApiError> {
    spec.check().map_err(SourceError::Spec)?;
    let app = state.app.clone();
    let spec = if is_operator(&headers, app.secret.told()) { spec } else { app.as_guest(spec).await? };
    let work = |events: super::intake::Events, stop| async move {
        let tell = |step| events.progress(step);
        Ok(app.sync(&spec, stop, &Course::new(&tell)).await?)
    };
    state.intakes.respond(&headers, place, work).await
}

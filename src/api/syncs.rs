use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::ApiState;
use super::error::ApiError;
use super::extract::Body;
use super::guard::Place;
use crate::config::SyncSpec;
use crate::library::SyncRequest;
use crate::library::progress::Course;

/// `POST /v1/sync`: papers from a source. A client that leaves stops it at the end of the page under way.
pub(super) async fn post(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Body(spec): Body<SyncSpec>,
) -> Result<Response, ApiError> {
    let source = state.app.sources.source(&spec)?;
    let library = state.app.library.clone();
    let work = |events: super::intake::Events, stop| async move {
        let tell = |step| events.progress(step);
        let course = Course::new(&tell);
        let request = SyncRequest { stop, ..SyncRequest::new(source.as_ref(), spec.max.unwrap_or(usize::MAX)) };
        Ok(library.take_in(library.sync(request, &course), &course).await?)
    };
    state.intakes.respond(&headers, place, work).await
}

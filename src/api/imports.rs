use std::io;
use std::path::Path;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures::StreamExt;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::ApiState;
use super::error::ApiError;
use super::extract::Pairs;
use super::guard::Place;
use crate::config::Config;
use crate::library::progress::Course;

/// What a body of JSON lines may be called. None of them is one that a page of another origin can send unasked.
const KINDS: [&str; 5] =
    ["application/jsonl", "application/x-ndjson", "application/json", "application/gzip", "application/x-gzip"];

/// `POST /v1/imports?max=`: papers from JSON lines, plain or gzip. The body is kept in the home folder until it has come
/// as a whole; from then on the import goes to its end, also when its client leaves.
pub(super) async fn post(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Pairs(pairs): Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let max = most(pairs)?;
    check_kind(&headers)?;
    let file = received(body, &headers, &state.app.config).await?;
    let library = state.app.library.clone();
    let work = |events: super::intake::Events, _stop| async move {
        let tell = |step| events.progress(step);
        // The file is gone when it is taken in.
        Ok(library.import_file(file.path(), max, &Course::new(&tell)).await?)
    };
    state.intakes.respond(&headers, place, work).await
}

fn most(pairs: Vec<(String, String)>) -> Result<usize, ApiError> {
    let mut max = usize::MAX;
    for (name, value) in pairs {
        max = match (name.as_str(), value.parse().ok().filter(|most| *most > 0)) {
            ("max", Some(most)) => most,
            ("max", None) => return Err(ApiError::bad_request("`max` must be a whole number from 1")),
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there is max"))),
        };
    }
    Ok(max)
}

fn check_kind(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_ascii_lowercase();
    let (kind, encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    // What is packed is seen by its first bytes, whatever the headers say.
    let known = KINDS.contains(&kind.split(';').next().unwrap_or("").trim())
        && matches!(encoding.trim(), "" | "identity" | "gzip" | "x-gzip");
    if known { Ok(()) } else { Err(ApiError::unsupported_lines()) }
}

/// The body as a file, which is deleted with the value.
async fn received(body: Body, headers: &HeaderMap, config: &Config) -> Result<NamedTempFile, ApiError> {
    let (limit, limit_s) = (config.settings.server.max_import_bytes, config.settings.server.request_timeout_s);
    let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > limit) {
        return Err(ApiError::too_large_to_import(limit));
    }
    let (file, mut writer) = room(&config.home).map_err(unwritable)?;
    let (mut body, mut came) = (body.into_data_stream(), 0);
    let patience = Duration::from_secs(limit_s);
    while let Some(piece) =
        tokio::time::timeout(patience, body.next()).await.map_err(|_| ApiError::slow_body(limit_s))?
    {
        let piece = piece.map_err(|broken| ApiError::bad_request(format!("the body broke off: {broken}")))?;
        came += piece.len() as u64;
        if came > limit {
            return Err(ApiError::too_large_to_import(limit));
        }
        writer.write_all(&piece).await.map_err(unwritable)?;
    }
    writer.flush().await.map_err(unwritable)?;
    Ok(file)
}

/// Where bodies are kept until they are taken in.
const INCOMING: &str = "incoming";

fn room(home: &Path) -> io::Result<(NamedTempFile, tokio::fs::File)> {
    let folder = home.join(INCOMING);
    std::fs::create_dir_all(&folder)?;
    let file = NamedTempFile::new_in(folder)?;
    let writer = tokio::fs::File::from_std(file.reopen()?);
    Ok((file, writer))
}

fn unwritable(fault: io::Error) -> ApiError {
    match fault.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ApiError::busy("the server's disk has no room for the body; make room and send it again")
        }
        _ => ApiError::internal(format!("cannot keep the body of an import: {fault}")),
    }
}

/// Deletes what a server that was killed has left of bodies; to be called when no import is under way.
pub(super) fn clear(home: &Path) {
    let folder = home.join(INCOMING);
    match std::fs::remove_dir_all(&folder) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%fault, "cannot delete {}, which takes room for nothing", folder.display());
        }
        _ => {}
    }
}

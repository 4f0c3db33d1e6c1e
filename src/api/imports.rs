use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures::StreamExt;
use paper::{ParseError, SourceName};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;

use super::ApiState;
use super::error::ApiError;
use super::extract::Pairs;
use super::guard::Place;
use super::intake::Events;
use super::origin::is_operator;
use crate::app::{App, INCOMING};
use crate::config::Config;
use crate::library::progress::Course;
use crate::library::{IntakeReport, Lines};

/// What a body of JSON lines may be called. None of them is one that a page of another origin can send unasked.
const KINDS: [&str; 5] =
    ["application/jsonl", "application/x-ndjson", "application/json", "application/gzip", "application/x-gzip"];

/// And a saved answer of a source.
const SAVED: &str = "application/octet-stream";

/// A body that comes more slowly, in bytes a second, is given up: it takes the place of another import.
const SLOWEST: u64 = 20_000;

/// What the query string says.
struct Asked {
    max: usize,
    /// Whose saved answer the body is, when it is no JSON lines.
    source: Option<SourceName>,
}

/// `POST /v1/imports?max=`: papers from JSON lines, plain or gzip. The body is kept in the home folder until it has come
/// as a whole; from then on the import goes to its end, also when its client leaves. With `source=`, which is for
/// commands of the operator's, it is a saved answer of a source, which may take papers back.
pub(super) async fn post(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    Pairs(pairs): Pairs,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let asked = Asked::read(pairs)?;
    if asked.source.is_some() && !is_operator(&headers, state.app.secret.told()) {
        return Err(ApiError::operator_only("`source` is for commands on this machine: `lectern sync … --from-file`"));
    }
    check_kind(&headers, asked.source)?;
    let full = || ApiError::busy("as many imports are under way as may be (server.max_imports); try again shortly");
    let room = Place::take(&state.imports).ok_or_else(full)?;
    let file = received(body, &headers, &state.app.config).await?;
    let app = state.app.clone();
    let work = |events: Events, _stop| async move {
        let _room = room;
        // The file is gone when it is taken in.
        take(&app, file.path(), asked, &events).await
    };
    state.intakes.respond(&headers, place, work).await
}

async fn take(app: &App, file: &Path, asked: Asked, events: &Events) -> Result<IntakeReport, ApiError> {
    let tell = |step| events.progress(step);
    let course = Course::new(&tell);
    if let Some(source) = asked.source {
        let bytes = tokio::fs::read(file).await.map_err(unwritable)?;
        let page = crate::app::saved_page(source, &bytes, app.clock.now())?;
        return Ok(app.library.take_in(app.library.take_file(source, page, asked.max), &course).await?);
    }
    let lines = Lines::open(file, app.config.settings.server.max_import_unpacked_bytes)?;
    Ok(app.library.import_file(lines, asked.max, &course).await?)
}

impl Asked {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut asked = Self { max: usize::MAX, source: None };
        for (name, value) in pairs {
            match (name.as_str(), value.parse().ok().filter(|most| *most > 0)) {
                ("max", Some(most)) => asked.max = most,
                ("max", None) => return Err(ApiError::bad_request("`max` must be a whole number from 1")),
                ("source", _) => {
                    asked.source =
                        Some(value.parse().map_err(|fault: ParseError| ApiError::bad_request(fault.to_string()))?)
                }
                _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there is max"))),
            }
        }
        Ok(asked)
    }
}

fn check_kind(headers: &HeaderMap, source: Option<SourceName>) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_ascii_lowercase();
    let (kind, encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    let kind = kind.split(';').next().unwrap_or("").trim();
    // What is packed is seen by its first bytes, whatever the headers say.
    let known = match source {
        Some(_) => kind == SAVED && encoding.is_empty(),
        None => KINDS.contains(&kind) && matches!(encoding.trim(), "" | "identity" | "gzip" | "x-gzip"),
    };
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
    let (mut body, mut came, began) = (body.into_data_stream(), 0, Instant::now());
    loop {
        // The first piece has the time of any body; what came since has bought more.
        let patience = Duration::from_secs(limit_s + came / SLOWEST).saturating_sub(began.elapsed());
        let piece = tokio::time::timeout(patience, body.next()).await.map_err(|_| ApiError::slow_import(limit_s))?;
        let Some(piece) = piece else { break };
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

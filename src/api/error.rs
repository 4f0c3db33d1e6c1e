//! The only place that knows status codes: every failure as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use index::IndexError;
use serde::Serialize;

use crate::agent::AgentError;
use crate::agent::answer::BadQuestion;
use crate::app::{ReindexError, SourceError, SyncError};
use crate::jobs::JobsError;
use crate::library::LibraryError;
use crate::store::StoreError;

/// A problem document.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// What kind of problem, as a name that programs can tell apart.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status code's own words.
    pub title: &'static str,
    /// The status code.
    pub status: u16,
    /// What happened, to which thing, and what to do.
    pub detail: String,
    /// Set for a run that failed: where its document and its events can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Set for the server's own faults: the id to look for in its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// How the log can be searched for what a client is not told.
const REQUEST_ID: &str = "this request id";
const ANSWER_ID: &str = "this answer's id";

/// A failed request.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    retry_after_s: Option<u64>,
    instance: Option<String>,
    /// What the log gets and the client does not.
    fault: Option<String>,
}

/// The fault behind a 5xx answer, handed to the log with the request's id.
#[derive(Debug, Clone)]
pub(super) struct Fault(pub String);

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), retry_after_s: None, instance: None, fault: None }
    }

    /// 400: the request is wrong, and `detail` says how.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 403: a page of another origin wants to change something.
    pub fn foreign_origin(origin: &str) -> Self {
        let detail =
            format!("only pages of this server's own origin may change anything here; this is one of {origin}");
        Self::new(StatusCode::FORBIDDEN, "foreign-origin", detail)
    }

    /// 403: it is for commands of the operator's.
    pub fn operator_only(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "operator-only", detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this address does not take that method")
    }

    /// 408.
    pub fn slow_body(limit_s: u64) -> Self {
        let detail = format!("the body did not arrive within {limit_s} s (server.request_timeout_s); send it again");
        Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
    }

    /// 408, for an import.
    pub fn slow_import(limit_s: u64) -> Self {
        let detail = format!(
            "the body came too slowly: it has {limit_s} s (server.request_timeout_s) and one more for every 20000 bytes; \
             send it again in parts, or over a faster line"
        );
        Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
    }

    /// 409.
    pub fn conflict(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, kind, detail)
    }

    /// 413.
    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes (server.max_body_bytes)");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
    }

    /// 413, for an import.
    pub fn too_large_to_import(limit: u64) -> Self {
        let detail = format!("the body is larger than {limit} bytes (server.max_import_bytes); send it in parts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
    }

    /// 413, for an import that is packed.
    pub fn too_large_to_unpack(limit: u64) -> Self {
        let detail =
            format!("the body unpacks to more than {limit} bytes (server.max_import_unpacked_bytes); send it in parts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
    }

    /// 415, for an import.
    pub fn unsupported_lines() -> Self {
        let detail = "send JSON lines, plain or gzip, with `Content-Type: application/jsonl`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    }

    /// 415.
    pub fn unsupported_media_type() -> Self {
        let detail = "send JSON, with `Content-Type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    }

    /// 421: the request names a host that is not this server.
    pub fn misdirected(host: &str) -> Self {
        let detail = format!("this server is not `{host}`; if it is, say so in server.allowed_hosts");
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown-host", detail)
    }

    /// 422: the request is right, and what it brings cannot be read.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unreadable-body", detail)
    }

    /// 503, to be tried again.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after_s: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail) }
    }

    /// 499: nobody waits for the answer any more.
    pub fn client_left(id: &str) -> Self {
        let detail = format!(
            "nobody followed this run any more, so it was ended; POST /v1/answers/{id}/resume goes on with it, and a question with \
             \"background\": true goes on by itself"
        );
        Self::new(StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT), "client-left", detail)
    }

    /// 500, of which the client learns nothing but the request's id.
    pub fn internal(fault: impl Into<String>) -> Self {
        let detail = format!("the server failed; its log has the cause under {REQUEST_ID}");
        Self { fault: Some(fault.into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail) }
    }

    /// The same, as the failure of a run.
    #[must_use]
    pub fn of_answer(self, id: &str) -> Self {
        // A run outlives its request, so the log has its id.
        let detail = self.detail.replace(REQUEST_ID, ANSWER_ID);
        Self { instance: Some(format!("/v1/answers/{id}")), detail, ..self }
    }

    /// The document of this failure.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem {
            kind: self.kind,
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            instance: self.instance.clone(),
            request_id: None,
        }
    }

    /// What the log gets, where that is more than the client does.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }
}

/// A response that is this problem.
pub(super) fn respond(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(problem)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = respond(&self.problem());
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status.is_server_error() && self.retry_after_s.is_none() {
            response.extensions_mut().insert(self.problem());
        }
        if let Some(fault) = self.fault {
            response.extensions_mut().insert(Fault(fault));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Ambiguous { .. } => Self::new(StatusCode::CONFLICT, "ambiguous-id", error.to_string()),
            StoreError::Undecidable { why } => Self::new(StatusCode::CONFLICT, "undecidable", why),
            StoreError::NoDecision { .. } => Self::not_found(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<LibraryError> for ApiError {
    fn from(error: LibraryError) -> Self {
        let detail = error.to_string();
        match error {
            LibraryError::Store(error) => error.into(),
            LibraryError::Index(error) => error.into(),
            LibraryError::UnderWay { .. } => Self::new(StatusCode::CONFLICT, "under-way", detail),
            // The source's words are for whoever asked for the sync; no key is in them.
            LibraryError::Ingest(_) => Self::new(StatusCode::BAD_GATEWAY, "source-failed", detail),
            LibraryError::Foreign { what, .. } => Self::unreadable(format!("the body is {what}")),
            LibraryError::TooLarge { most, .. } => Self::too_large_to_unpack(most),
            LibraryError::Request { why } => Self::bad_request(why),
            LibraryError::Unreadable { source, .. } => Self::unreadable(format!("cannot read the body: {source}")),
        }
    }
}

impl From<SourceError> for ApiError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Spec(what) => Self::bad_request(what),
            SourceError::Saved(_) => Self::unreadable(error.to_string()),
            SourceError::Client(_) | SourceError::Home(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<SyncError> for ApiError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Source(fault) => fault.into(),
            SyncError::Library(fault) => fault.into(),
        }
    }
}

impl From<ReindexError> for ApiError {
    /// Only the operator asks for it.
    fn from(error: ReindexError) -> Self {
        match error {
            ReindexError::Model(_) | ReindexError::Set { .. } => Self::bad_request(error.to_string()),
            ReindexError::Library(_) => Self::busy(error.to_string()),
            ReindexError::Config(_) | ReindexError::App(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<JobsError> for ApiError {
    fn from(error: JobsError) -> Self {
        let conflict = |kind, error: &JobsError| Self::new(StatusCode::CONFLICT, kind, error.to_string());
        match error {
            JobsError::NotFound(_) | JobsError::NoLetter(_) => Self::not_found(error.to_string()),
            JobsError::Bad(detail) => Self::bad_request(detail),
            JobsError::OfFile(_) => conflict("job-of-file", &error),
            JobsError::Running { .. } => conflict("job-running", &error),
            JobsError::Unreadable { .. } => conflict("job-unreadable", &error),
            JobsError::Stopping => Self::busy(error.to_string()),
            JobsError::Store(error) => error.into(),
        }
    }
}

impl From<BadQuestion> for ApiError {
    fn from(error: BadQuestion) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<AgentError> for ApiError {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::NoModel(_) => Self::bad_request(error.to_string()),
            AgentError::Library(error) => error.into(),
            AgentError::Store(error) => error.into(),
        }
    }
}

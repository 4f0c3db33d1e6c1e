//! Requests into types; what is wrong with them as a problem that says so.

use std::time::Duration;

use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::ApiState;
use super::error::ApiError;

/// A JSON body.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<ApiState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if kind != "application/json" && !kind.ends_with("+json") {
            return Err(ApiError::unsupported_media_type());
        }
        let server = &state.app.config.settings.server;
        let (limit, limit_s) = (server.max_body_bytes, server.request_timeout_s);
        let reading = axum::body::Bytes::from_request(request, state);
        let read = tokio::time::timeout(Duration::from_secs(limit_s), reading).await;
        let bytes = read.map_err(|_| ApiError::slow_body(limit_s))?.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => ApiError::too_large(limit),
            other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(limit),
            other => ApiError::bad_request(other.body_text()),
        })?;
        // A list would be read as the object's values in their order.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(ApiError::bad_request("the body must be a JSON object"));
        }
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::bad_request(format!("the body is not usable: {error}")))
    }
}

/// The query string as decoded pairs, in order; a name may come more than once.
pub(super) struct Pairs(pub Vec<(String, String)>);

impl FromRequestParts<ApiState> for Pairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &ApiState) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        // The address's own host plays no part; the parser wants one.
        let url = reqwest::Url::parse(&format!("http://localhost/?{query}"));
        let url = url.map_err(|error| ApiError::bad_request(format!("the query string is not usable: {error}")))?;
        Ok(Self(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }
}

//! What readers think of answers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::answers::{checked_user, stored};
use super::error::ApiError;
use super::extract::Body;
use crate::agent::answer::Status;
use crate::eval::suite_of_opinions;
use crate::store::Feedback;

/// The longest comment, in characters.
const LONGEST_COMMENT: usize = 2_000;

/// An opinion as it is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opinion {
    /// `up` or `down`.
    rating: Rating,
    /// The sentence that it is about, by its place among the answer's claims, from 0; the whole answer without it.
    #[serde(default)]
    claim: Option<u32>,
    #[serde(default)]
    comment: Option<String>,
    /// Who says so, as whoever runs the client names them: what they say again replaces what they said.
    #[serde(default)]
    user: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rating {
    Up,
    Down,
}

/// What was said of an answer.
#[derive(Debug, Serialize)]
pub(super) struct Opinions {
    feedback: Vec<Feedback>,
}

/// What is looked at of an answer that is rated.
#[derive(Deserialize)]
struct Answered {
    status: Status,
    claims: Vec<serde::de::IgnoredAny>,
}

/// `POST /v1/answers/{id}/feedback`
pub(super) async fn post(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Body(opinion): Body<Opinion>,
) -> Result<(StatusCode, Json<Feedback>), ApiError> {
    let answer = stored(&state, &id).await?;
    let answer: Answered = serde_json::from_str(answer.get()).map_err(|fault| ApiError::internal(fault.to_string()))?;
    if answer.status == Status::Failed {
        return Err(ApiError::bad_request(format!("answer `{id}` failed: there is nothing to rate")));
    }
    if let Some(claim) = opinion.claim.filter(|claim| usize::try_from(*claim).is_ok_and(|at| at >= answer.claims.len()))
    {
        let count = answer.claims.len();
        return Err(ApiError::bad_request(format!("`claim` is {claim}, but answer `{id}` has {count} claims, from 0")));
    }
    let comment = opinion.comment.map(|comment| comment.trim().to_owned()).filter(|comment| !comment.is_empty());
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT) {
        return Err(ApiError::bad_request(format!("`comment` has {LONGEST_COMMENT} characters at most")));
    }
    let user = checked_user(opinion.user.as_deref())?.unwrap_or_default().trim().to_owned();
    let at = state.app.clock.now();
    let feedback = Feedback { claim: opinion.claim, user, helpful: opinion.rating == Rating::Up, comment, at };
    state.app.library.store.rate(&id, &feedback).await?;
    Ok((StatusCode::CREATED, Json(feedback)))
}

/// `GET /v1/answers/{id}/feedback`
pub(super) async fn get(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Opinions>, ApiError> {
    stored(&state, &id).await?;
    Ok(Json(Opinions { feedback: state.app.library.store.feedback(&id).await? }))
}

/// `GET /v1/feedback/suite`: what readers found helpful, as a suite for `lectern eval answers`.
pub(super) async fn suite(State(state): State<ApiState>) -> Result<Json<serde_json::Value>, ApiError> {
    Ok(Json(suite_of_opinions(&state.app.library.store.rated().await?)))
}

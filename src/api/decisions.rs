//! What operators decide about which records are one paper.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use paper::{PaperId, RecordName};
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::error::ApiError;
use super::extract::{Body, Pairs};
use super::papers::find;
use crate::store::{Decided, Store, StoreError};

/// Decisions on a page.
const DECISIONS: usize = 20;
const MOST_DECISIONS: usize = 100;

/// Papers that one decision joins, and records that one separates.
const MOST_NAMED: usize = 100;

/// A page of the decisions, the newest first.
#[derive(Serialize, Deserialize)]
pub(crate) struct Decisions {
    pub(crate) decisions: Vec<Decided>,
    pub(crate) next: Option<String>,
}

/// What is to be decided: papers to join, by ids of any kind, or records to make a paper of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    join: Option<Vec<String>>,
    separate: Option<Separate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Separate {
    paper: String,
    records: Vec<RecordName>,
}

/// `GET /v1/decisions?limit=&cursor=`
pub(super) async fn list(State(state): State<ApiState>, Pairs(pairs): Pairs) -> Result<Json<Decisions>, ApiError> {
    let (mut limit, mut before) = (DECISIONS, None);
    for (name, value) in pairs {
        match (name.as_str(), value.parse::<i64>().ok()) {
            ("limit", number) => {
                let number = number.and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=MOST_DECISIONS).contains(n));
                limit = number
                    .ok_or_else(|| ApiError::bad_request(format!("`limit` must be from 1 to {MOST_DECISIONS}")))?;
            }
            ("cursor", Some(number)) if number > 0 => before = Some(number),
            ("cursor", _) => return Err(ApiError::bad_request("`cursor` is not one that this list has given")),
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there are limit and cursor"))),
        }
    }
    Ok(Json(page(&state.app.library.store, before, limit).await?))
}

/// The decisions that were made before this one.
pub(crate) async fn page(store: &Store, before: Option<i64>, limit: usize) -> Result<Decisions, StoreError> {
    let mut decisions = store.decisions(before, limit + 1).await?;
    let more = decisions.len() > limit;
    decisions.truncate(limit);
    let next = decisions.last().filter(|_| more).map(|decision| decision.id.to_string());
    Ok(Decisions { decisions, next })
}

/// `POST /v1/decisions`: 201 with what was decided.
pub(super) async fn post(State(state): State<ApiState>, Body(wanted): Body<Wanted>) -> Result<Response, ApiError> {
    let (library, now) = (&state.app.library, state.app.clock.now());
    let decided = match wanted {
        Wanted { join: Some(papers), separate: None } if (2..=MOST_NAMED).contains(&papers.len()) => {
            let mut ids = Vec::with_capacity(papers.len());
            for paper in &papers {
                ids.push(id_of(&state, paper).await?);
            }
            library.store.join(&ids, now).await?
        }
        Wanted { join: None, separate: Some(Separate { paper, records }) } if records.len() <= MOST_NAMED => {
            library.store.separate(id_of(&state, &paper).await?, &records, now).await?
        }
        _ => {
            return Err(ApiError::bad_request(format!(
                "give either `join`, from 2 to {MOST_NAMED} papers, or `separate`, a `paper` and up to {MOST_NAMED} of \
                 its `records`"
            )));
        }
    };
    library.wake_indexer();
    Ok((StatusCode::CREATED, Json(decided)).into_response())
}

/// `DELETE /v1/decisions/{id}`: takes it back, and gives what became of its papers.
pub(super) async fn undo(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Decided>, ApiError> {
    let number = id.parse().map_err(|_| ApiError::not_found(format!("no decision `{id}`")))?;
    let undone = state.app.library.store.undo(number, state.app.clock.now()).await?;
    state.app.library.wake_indexer();
    Ok(Json(undone))
}

async fn id_of(state: &ApiState, paper: &str) -> Result<PaperId, ApiError> {
    find(state, paper).await?.id.ok_or_else(|| ApiError::internal("a stored paper has no id"))
}

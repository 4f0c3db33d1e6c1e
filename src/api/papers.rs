use axum::Json;
use axum::extract::{Path, State};
use paper::{Paper, PaperRef};
use serde::Serialize;

use super::ApiState;
use super::error::ApiError;
use super::extract::Pairs;
use super::wire::SearchResponse;
use crate::store::{Linked, LinkedPapers, Provenance};

/// `GET /v1/papers/{id}`, by an id of any kind; one with a slash is percent-encoded.
pub(super) async fn get(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Paper>, ApiError> {
    find(&state, &id).await.map(Json)
}

/// `GET /v1/papers/{id}/records`: what the paper was made of, and who tells which field.
pub(super) async fn records(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Provenance>, ApiError> {
    let paper = find(&state, &id).await?;
    let Some(of) = paper.id else { return Err(ApiError::internal("a stored paper has no id")) };
    let told = state.app.library.store.provenance(of).await?;
    told.map(Json).ok_or_else(|| ApiError::not_found(format!("no paper `{id}` in the library")))
}

/// `GET /v1/papers/{id}/similar?limit=`
pub(super) async fn similar(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Pairs(pairs): Pairs,
) -> Result<Json<SearchResponse>, ApiError> {
    let mut limit = 10;
    for (name, value) in pairs {
        limit = match name.as_str() {
            "limit" => at_most_a_page(&value, 100)?,
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there is limit"))),
        };
    }
    let paper = find(&state, &id).await?;
    let Some(id) = paper.id else { return Err(ApiError::internal("a stored paper has no id")) };
    let found = state.app.library.similar(id, limit).await?;
    Ok(Json(SearchResponse::new(found, None)))
}

/// `GET /v1/papers/{id}/references?limit=&cursor=`: the papers of the library that it cites.
pub(super) async fn references(
    state: State<ApiState>,
    id: Path<String>,
    pairs: Pairs,
) -> Result<Json<Papers>, ApiError> {
    linked(state, id, pairs, Linked::References).await
}

/// `GET /v1/papers/{id}/citations?limit=&cursor=`: the papers of the library that cite it.
pub(super) async fn citations(
    state: State<ApiState>,
    id: Path<String>,
    pairs: Pairs,
) -> Result<Json<Papers>, ApiError> {
    linked(state, id, pairs, Linked::Citations).await
}

/// A list of papers.
#[derive(Debug, Serialize)]
pub(super) struct Papers {
    papers: Vec<Paper>,
    /// How many there are on all pages.
    total: u64,
    /// The `cursor` of the next page.
    next: Option<String>,
}

async fn linked(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Pairs(pairs): Pairs,
    linked: Linked,
) -> Result<Json<Papers>, ApiError> {
    let (mut limit, mut after) = (100, 0);
    for (name, value) in pairs {
        match name.as_str() {
            "limit" => limit = at_most_a_page(&value, MOST_LINKED)?,
            "cursor" => after = read_place(&value)?,
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there are limit and cursor"))),
        }
    }
    let paper = find(&state, &id).await?;
    let Some(id) = paper.id else { return Err(ApiError::internal("a stored paper has no id")) };
    let LinkedPapers { papers, total, next } = state.app.library.store.linked(id, linked, after, limit).await?;
    Ok(Json(Papers { papers, total, next: next.map(|no| format!("after{no}")) }))
}

/// The most papers on a page of references or citations, as at Semantic Scholar.
const MOST_LINKED: usize = 1_000;

fn at_most_a_page(value: &str, most: usize) -> Result<usize, ApiError> {
    let number = value.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or_else(|| ApiError::bad_request(format!("`limit` must be from 1 to {most}")))
}

fn read_place(cursor: &str) -> Result<u64, ApiError> {
    let place = cursor.strip_prefix("after").and_then(|no| no.parse().ok());
    place.ok_or_else(|| ApiError::bad_request("the cursor is not one that such a list has given; begin without it"))
}

/// The paper that a person named.
pub(super) async fn find(state: &ApiState, id: &str) -> Result<Paper, ApiError> {
    let reference: PaperRef =
        id.parse().map_err(|error: paper::ParseError| ApiError::bad_request(error.to_string()))?;
    let paper = state.app.library.store.paper(&reference).await?;
    paper.ok_or_else(|| ApiError::not_found(format!("no paper `{id}` in the library")))
}

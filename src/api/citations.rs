use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use paper::Paper;
use serde::Deserialize;

use super::ApiState;
use super::error::ApiError;
use super::extract::{Body, Pairs};
use super::papers::find;
use crate::citation::{Format, export};

/// The most papers of one bibliography.
const MOST_IDS: usize = 1_000;

/// Which papers, in which format.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CitationRequest {
    ids: Vec<String>,
    #[serde(default)]
    format: Option<String>,
}

/// `GET /v1/citations?ids=a,b&format=`
pub(super) async fn get(State(state): State<ApiState>, Pairs(pairs): Pairs) -> Result<Response, ApiError> {
    let mut request = CitationRequest { ids: Vec::new(), format: None };
    for (name, value) in pairs {
        match name.as_str() {
            // A DOI may hold a comma, so several ids are better given as `ids=` several times.
            "ids" | "id" => {
                request.ids.extend(value.split(',').map(str::trim).filter(|id| !id.is_empty()).map(String::from))
            }
            "format" => request.format = Some(value),
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there are ids and format"))),
        }
    }
    bibliography(&state, request).await
}

/// `POST /v1/citations` `{"ids": [...], "format": "..."}`
pub(super) async fn post(
    State(state): State<ApiState>,
    Body(request): Body<CitationRequest>,
) -> Result<Response, ApiError> {
    bibliography(&state, request).await
}

/// `GET /v1/answers/{id}/citations?format=`
pub(super) async fn of_answer(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Pairs(pairs): Pairs,
) -> Result<Response, ApiError> {
    #[derive(Deserialize)]
    struct Cited {
        citations: Vec<CitedPaper>,
    }
    #[derive(Deserialize)]
    struct CitedPaper {
        paper_id: String,
    }
    let mut format = None;
    for (name, value) in pairs {
        match name.as_str() {
            "format" => format = Some(value),
            _ => return Err(ApiError::bad_request(format!("unknown parameter `{name}`; there is format"))),
        }
    }
    let format = read_format(format.as_deref())?;
    let answer = super::answers::stored(&state, &id).await?;
    let cited: Cited = serde_json::from_str(answer.get()).map_err(|fault| ApiError::internal(fault.to_string()))?;
    let ids: Vec<String> = cited.citations.into_iter().map(|citation| citation.paper_id).collect();
    Ok(respond(&find_all(&state, &ids).await?, format))
}

async fn bibliography(state: &ApiState, request: CitationRequest) -> Result<Response, ApiError> {
    let format = read_format(request.format.as_deref())?;
    if request.ids.is_empty() || request.ids.len() > MOST_IDS {
        return Err(ApiError::bad_request(format!("give from 1 to {MOST_IDS} `ids`; there are {}", request.ids.len())));
    }
    Ok(respond(&find_all(state, &request.ids).await?, format))
}

async fn find_all(state: &ApiState, ids: &[String]) -> Result<Vec<Paper>, ApiError> {
    let mut papers = Vec::with_capacity(ids.len());
    for id in ids {
        papers.push(find(state, id).await?);
    }
    Ok(papers)
}

fn read_format(format: Option<&str>) -> Result<Format, ApiError> {
    let parsed = format.unwrap_or("bibtex").parse::<Format>();
    parsed.map_err(|error| ApiError::bad_request(error.to_string()))
}

fn respond(papers: &[Paper], format: Format) -> Response {
    let papers: Vec<&Paper> = papers.iter().collect();
    let kind = format!("{}; charset=utf-8", format.media_type());
    ([(header::CONTENT_TYPE, kind)], export(&papers, format)).into_response()
}

//! Every step of a run: what it came to, which models it asked, what was told.

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::ApiState;
use super::error::ApiError;
use crate::store::{ModelCall, StoreError};

/// A run as it is kept.
#[derive(Debug, Serialize)]
pub(super) struct Trace {
    id: String,
    /// `waiting`, `running`, `interrupted` or `ended`.
    state: &'static str,
    background: bool,
    /// When it was asked for.
    began_at: String,
    /// When it begins at the soonest, where that was asked for.
    not_before: Option<Timestamp>,
    ended_at: Option<String>,
    /// What was asked.
    request: Box<RawValue>,
    /// The finished steps, in their order.
    steps: Vec<Step>,
    /// The lines of the ledger.
    calls: Vec<ModelCall>,
    /// What was done, span by span, in the order of beginning.
    spans: Vec<Box<RawValue>>,
    events: Vec<Told>,
}

#[derive(Debug, Serialize)]
struct Step {
    step: String,
    outcome: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct Told {
    id: u64,
    kind: String,
    data: Box<RawValue>,
}

/// `GET /v1/runs/{id}/trace`
pub(super) async fn get(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Trace>, ApiError> {
    let store = &state.app.library.store;
    let under_way = state.runs.is_under_way(&id);
    let run = store.run(&id).await?.ok_or_else(|| ApiError::not_found(format!("no run `{id}`")))?;
    let mut steps = Vec::with_capacity(run.steps.len());
    for (step, outcome) in run.steps {
        steps.push(Step { step, outcome: raw(outcome)? });
    }
    let mut events = Vec::new();
    for (number, kind, data) in store.answer_events(&id, 0).await? {
        events.push(Told { id: number, kind, data: raw(data)? });
    }
    let standing = match (&run.ended_at, under_way) {
        (Some(_), _) => "ended",
        (None, true) => "running",
        (None, false) if run.not_before.is_some() && steps.is_empty() && events.is_empty() => "waiting",
        (None, false) => "interrupted",
    };
    Ok(Json(Trace {
        state: standing,
        background: run.background,
        began_at: run.began_at,
        not_before: run.not_before,
        ended_at: run.ended_at,
        request: raw(run.request)?,
        steps,
        calls: store.calls_of(&id).await?,
        spans: store.spans(&id).await?.into_iter().map(raw).collect::<Result<_, _>>()?,
        events,
        id,
    }))
}

fn raw(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(|source| StoreError::Unreadable { what: "run", source })
}

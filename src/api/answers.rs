use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::Stream;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tracing::Instrument;

use super::ApiState;
use super::error::ApiError;
use super::extract::Body;
use super::guard::Place;
use super::runs::{Claim, Follower};
use super::wire::Filters;
use crate::agent::Agent;
use crate::agent::answer::{AskMode, Exchange, Question, aspects_of};
use crate::agent::event::Event;
use crate::agent::run::Run;
use crate::store::When;

/// After how long a client whose connection was lost asks again.
const RECONNECT: Duration = Duration::from_millis(500);

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerRequest {
    question: String,
    #[serde(default)]
    mode: AskMode,
    #[serde(default)]
    filters: Filters,
    #[serde(default)]
    stream: bool,
    /// What the answer may cost at most.
    #[serde(default)]
    budget_usd: Option<f64>,
    /// Whether the run goes on although nobody waits for it.
    #[serde(default)]
    background: bool,
    /// Whether it waits for the hours at which tokens are cheap, in the background.
    #[serde(default)]
    off_peak: bool,
    /// The moment before which it does not begin, in the background.
    #[serde(default)]
    not_before: Option<Timestamp>,
    /// Whether an answer that was given before will do.
    #[serde(default)]
    cache: Option<bool>,
    /// The answer that this question follows on.
    #[serde(default)]
    previous_answer_id: Option<String>,
    /// The papers that are asked about, by any of their ids.
    #[serde(default)]
    papers: Vec<String>,
    /// What papers are compared by.
    #[serde(default)]
    aspects: Vec<String>,
    /// Who asks, as whoever runs the client names them: they keep the arm of an experiment.
    #[serde(default)]
    user: Option<String>,
}

/// `POST /v1/answers`: the answer, or its events as they happen.
pub(super) async fn post(
    State(state): State<ApiState>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Body(request): Body<AnswerRequest>,
) -> Result<Response, ApiError> {
    state.runs.check_open()?;
    let filter = request.filters.into_filter().map_err(ApiError::bad_request)?;
    let mut question = Question::new(&request.question, request.mode, filter)?;
    question.cache = request.cache.unwrap_or(true);
    let papers = state.app.named_papers(&request.papers).await?;
    question.papers = papers.map_err(|why| ApiError::bad_request(format!("`papers`: {why}")))?;
    question.aspects =
        aspects_of(&request.aspects).map_err(|why| ApiError::bad_request(format!("`aspects`: {why}")))?;
    if let Some(previous) = &request.previous_answer_id {
        question.earlier = conversation(&state, previous).await?;
    }
    let question = match request.budget_usd {
        None => question,
        Some(budget) if budget.is_finite() && budget >= 0.0 => question.with_budget(budget),
        Some(_) => return Err(ApiError::bad_request("`budget_usd` must be 0 or more")),
    };
    let question = state.app.assigned(question, checked_user(request.user.as_deref())?);
    let streamed = request.stream || accepts_events(&headers);
    let id = state.app.clock.new_id().to_string();
    let moment = begins_at(request.not_before, request.off_peak, state.app.clock.now(), state.app.next_off_peak());
    if let Some(moment) = moment {
        state.app.begin(id.clone(), &question, When::NotBefore(moment)).await?;
        state.runs.waits();
        let place = format!("/v1/answers/{id}");
        let waiting = json!({"id": id, "status": "waiting", "not_before": moment});
        return Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(waiting)).into_response());
    }
    let background = request.background || request.off_peak || request.not_before.is_some();
    // Before it is in the store, where those that nobody waits for are looked for.
    let claim = state.runs.claim(&id).ok_or_else(|| ApiError::conflict("under-way", under_way(&id)))?;
    let when = if background { When::Alone } else { When::Followed };
    let run = state.app.begin(id, &question, when).await?;
    let agent = state.app.agent_for(&question).clone();
    respond(&state, (claim, (run, question, background)), agent, place, streamed).await
}

/// The name of whoever asks, which is not to be a document.
///
/// # Errors
/// When it is too long.
pub(super) fn checked_user(user: Option<&str>) -> Result<Option<&str>, ApiError> {
    const LONGEST: usize = 200;
    match user {
        Some(user) if user.chars().count() > LONGEST => {
            Err(ApiError::bad_request(format!("`user` has {LONGEST} characters at most")))
        }
        user => Ok(user),
    }
}

/// The moment that a run waits for; none when it begins now.
fn begins_at(
    not_before: Option<Timestamp>,
    off_peak: bool,
    now: Timestamp,
    next_off_peak: Option<Timestamp>,
) -> Option<Timestamp> {
    let cheap = next_off_peak.filter(|_| off_peak);
    not_before.max(cheap).filter(|moment| *moment > now)
}

/// What was said up to an answer, the newest last.
async fn conversation(state: &ApiState, previous: &str) -> Result<Vec<Exchange>, ApiError> {
    let known = state.app.exchange(previous).await?;
    known.ok_or_else(|| {
        ApiError::bad_request(format!("`previous_answer_id`: there is no answer `{previous}` to follow on"))
    })
}

/// Lets a run go, and gives its answer, or its events as they happen.
pub(super) async fn respond(
    state: &ApiState,
    (claim, (run, question, background)): (Claim, (Run, Question, bool)),
    agent: Agent,
    place: Place,
    streamed: bool,
) -> Result<Response, ApiError> {
    let (run, follower) = state.runs.begin(claim, run, background, place);
    let answering = tokio::spawn(run.answer(state.app.clone(), agent, question).in_current_span());
    if streamed {
        return Ok(stream(follower, 0));
    }
    // Held as long as the client waits: whoever leaves drops this.
    let answered = answering.await.map_err(|stopped| ApiError::internal(stopped.to_string()))??;
    drop(follower);
    Ok(Json(answered).into_response())
}

pub(super) fn under_way(id: &str) -> String {
    format!("answer `{id}` is still being made; follow /v1/answers/{id}/events")
}

pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// `GET /v1/answers/{id}`
pub(super) async fn get(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<Box<RawValue>>, ApiError> {
    stored(&state, &id).await.map(Json)
}

/// An answer that was given, or the document of a run that failed.
pub(super) async fn stored(state: &ApiState, id: &str) -> Result<Box<RawValue>, ApiError> {
    // Looked up first: a run that ends meanwhile is then in the store.
    let is_under_way = state.runs.is_under_way(id);
    let answer = state.app.library.store.answer(id).await?;
    if let Some(answer) = answer {
        return Ok(answer);
    }
    if is_under_way {
        return Err(ApiError::not_found(under_way(id)));
    }
    let run = state.app.library.store.run(id).await?;
    let now = state.app.clock.now();
    let waits_for = run.as_ref().and_then(|run| run.not_before).filter(|moment| *moment > now);
    Err(ApiError::not_found(match (run, waits_for) {
        (_, Some(moment)) => {
            format!("answer `{id}` begins at {moment}; POST /v1/answers/{id}/resume begins it now")
        }
        (Some(run), None) if run.not_before.is_some() && run.steps.is_empty() => {
            format!("answer `{id}` is to begin as soon as there is a place for it")
        }
        (Some(_), None) => {
            format!("answer `{id}` was cut off while it was being made; POST /v1/answers/{id}/resume goes on with it")
        }
        (None, None) => format!("no answer `{id}`"),
    }))
}

/// `GET /v1/answers/{id}/events`, from after `Last-Event-ID`.
pub(super) async fn events(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match headers.get("last-event-id") {
        None => 0,
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| ApiError::bad_request("`Last-Event-ID` must be the number of an event"))?,
    };
    if let Some(follower) = state.runs.follow(&id) {
        return Ok(stream(follower, after));
    }
    stored(&state, &id).await?;
    let events = state.app.library.store.answer_events(&id, after).await?;
    let events = events.into_iter().map(|(number, kind, data)| {
        Ok::<_, Infallible>(SseEvent::default().id(number.to_string()).event(kind).data(data))
    });
    Ok(Sse::new(futures::stream::iter(events)).into_response())
}

fn stream(follower: Follower, after: u64) -> Response {
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("keep-alive");
    Sse::new(follow(follower, after)).keep_alive(keep_alive).into_response()
}

fn follow(follower: Follower, after: u64) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    async_stream::stream! {
        let mut after = after;
        loop {
            let events = follower.log.wait_after(after).await;
            let Some(newest) = events.last() else { return };
            after = newest.id;
            for event in &events {
                yield Ok(wire(event));
            }
        }
    }
}

fn wire(event: &Event) -> SseEvent {
    // A client that loses the connection is back before its run is given up.
    let told = SseEvent::default().id(event.id.to_string()).event(&event.kind).data(&event.data);
    if event.kind == "run" { told.retry(RECONNECT) } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_waits_for_the_later_of_its_moment_and_the_cheap_hours_unless_they_are_past() {
        let at = |second: i64| Some(Timestamp::from_second(second).unwrap());
        for (not_before, off_peak, cheap, expected) in [
            (None, false, at(50), None),
            (None, true, at(50), at(50)),
            (None, true, None, None),
            (at(5), false, None, None),
            (at(20), false, at(50), at(20)),
            (at(20), true, at(50), at(50)),
            (at(70), true, at(50), at(70)),
        ] {
            assert_eq!(begins_at(not_before, off_peak, at(10).unwrap(), cheap), expected);
        }
    }
}

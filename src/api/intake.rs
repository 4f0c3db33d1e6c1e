//! What syncs, imports and reindexing have in common as requests: they go on in tasks of their own, are told of as they go, and
//! are waited for when the server stops.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use super::answers::accepts_events;
use super::error::ApiError;
use super::guard::{Place, fault_of};
use crate::library::progress::Progress;

/// What is told of one that a stop of the server has cut off.
const CUT_OFF: &str = "the server was stopped before the end; what was stored stays: send the same request again";

/// The syncs and imports that were asked for and are under way. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Intakes {
    under_way: Arc<watch::Sender<usize>>,
    /// They stop at their next page.
    stop: CancellationToken,
    /// They end where they are.
    cut: CancellationToken,
}

/// One that is under way, as long as it lives.
struct UnderWay(Arc<watch::Sender<usize>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// What a sync or an import has told and its listener has not heard: how far each stage is, and how it ended. A listener
/// that is slow, or a page that is not read, misses steps and takes no room.
#[derive(Debug, Clone, Default, PartialEq)]
struct Told {
    /// By the number of the step, which grows.
    steps: BTreeMap<u64, Progress>,
    last: Option<(&'static str, String)>,
}

/// Where a sync or an import tells how far it is; nobody need listen.
#[derive(Debug, Clone)]
pub(super) struct Events(Arc<watch::Sender<Told>>);

impl Events {
    /// Tells a step.
    pub(super) fn progress(&self, step: Progress) {
        self.0.send_modify(|told| {
            let number = told.steps.last_key_value().map_or(1, |(number, _)| number + 1);
            told.steps.retain(|_, earlier| earlier.stage != step.stage);
            told.steps.insert(number, step);
        });
    }

    fn end(&self, kind: &'static str, data: &impl Serialize) {
        self.0.send_modify(|told| told.last = Some((kind, as_json(data))));
    }
}

/// Only types of our own come here, and each of them can be written as JSON.
fn as_json(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_else(|fault| format!("{{\"unreadable\":\"{fault}\"}}"))
}

impl Intakes {
    /// Takes no more, and asks those under way to stop at their next page.
    pub(super) fn close(&self) {
        self.stop.cancel();
    }

    /// Ends those that are under way, each with an error as its last event; how many there were.
    pub(super) fn cut_off(&self) -> usize {
        self.cut.cancel();
        *self.under_way.borrow()
    }

    /// Waits until none is under way; [`Intakes::close`] comes before.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Does `work`, and answers with its events when the client takes a stream of them, else with its report at the
    /// end. When the client leaves before, the work is asked to stop where that loses nothing.
    ///
    /// # Errors
    /// When the server is stopping; and, for a client that takes no events, when the work fails.
    pub(super) async fn respond<F, R>(
        &self,
        headers: &HeaderMap,
        place: Place,
        work: impl FnOnce(Events, CancellationToken) -> F,
    ) -> Result<Response, ApiError>
    where
        F: Future<Output = Result<R, ApiError>> + Send + 'static,
        R: Serialize + Send + 'static,
    {
        if self.stop.is_cancelled() {
            return Err(ApiError::busy("the server is stopping and takes nothing in; try again shortly"));
        }
        let (sender, told) = watch::channel(Told::default());
        let (events, stop, cut) = (Events(Arc::new(sender)), self.stop.child_token(), self.cut.clone());
        let working = work(events.clone(), stop.clone());
        self.under_way.send_modify(|count| *count += 1);
        let held = (place, UnderWay(self.under_way.clone()));
        let task = async move {
            let _held = held;
            let done = tokio::select! {
                done = AssertUnwindSafe(working).catch_unwind() => {
                    done.unwrap_or_else(|panic| Err(fault_of(panic.as_ref())))
                }
                () = cut.cancelled() => Err(ApiError::busy(CUT_OFF)),
            };
            match &done {
                Ok(report) => events.end("report", report),
                Err(error) => {
                    tracing::warn!(
                        fault = error.fault(),
                        problem = error.problem().detail,
                        "a request that takes long has ended early"
                    );
                    events.end("error", &error.problem());
                }
            }
            done
        };
        let working = tokio::spawn(task.in_current_span());
        let leaving = stop.drop_guard();
        if accepts_events(headers) {
            return Ok(stream(told, leaving));
        }
        let done = working.await.map_err(|stopped| ApiError::internal(stopped.to_string()))?;
        drop(leaving);
        Ok(Json(done?).into_response())
    }
}

fn stream(mut told: watch::Receiver<Told>, leaving: DropGuard) -> Response {
    let events = async_stream::stream! {
        let _leaving = leaving;
        let (mut number, mut heard): (u64, u64) = (0, 0);
        loop {
            // When nobody can tell anything any more, what was told last is looked at all the same.
            let is_over = told.changed().await.is_err();
            let now = told.borrow_and_update().clone();
            let steps = now.steps.range(heard + 1..).map(|(_, step)| ("progress", as_json(step)));
            let events: Vec<_> = steps.chain(now.last.clone()).collect();
            heard = now.steps.last_key_value().map_or(heard, |(number, _)| *number);
            for (kind, data) in events {
                number += 1;
                yield Ok::<_, Infallible>(SseEvent::default().id(number.to_string()).event(kind).data(data));
            }
            if is_over || now.last.is_some() {
                break;
            }
        }
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("keep-alive");
    Sse::new(events).keep_alive(keep_alive).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::progress::Stage;

    fn step(stage: Stage, done: u64) -> Progress {
        Progress::after(stage, (0, done), None, Duration::ZERO)
    }

    #[tokio::test]
    async fn a_listener_that_is_slow_hears_how_far_each_stage_is_and_how_it_ended() {
        let (sender, told) = watch::channel(Told::default());
        let events = Events(Arc::new(sender));
        for done in 0..100_000 {
            events.progress(step(Stage::Reading, done));
            events.progress(step(Stage::Storing, done));
        }
        events.progress(step(Stage::Reading, 100_000));
        assert_eq!(told.borrow().steps.len(), 2, "however much is told, little is kept");
        events.end("report", &7);
        drop(events);
        let body = stream(told, CancellationToken::new().drop_guard()).into_body();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let expected = [step(Stage::Storing, 99_999), step(Stage::Reading, 100_000)];
        let expected: Vec<String> = expected.iter().map(as_json).chain(["7".to_owned()]).collect();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(text.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<Vec<_>>(), expected);
        assert!(text.contains("id: 3\nevent: report\ndata: 7\n"), "{text}");
    }
}

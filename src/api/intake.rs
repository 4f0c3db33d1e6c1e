//! What syncs and imports have in common as requests: they go on in tasks of their own, are told of as they go, and
//! are waited for when the server stops.

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
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::answers::accepts_events;
use super::error::ApiError;
use super::guard::{Place, fault_of};
use crate::library::IntakeReport;
use crate::library::progress::Progress;

/// The syncs and imports that were asked for and are under way. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Intakes {
    under_way: Arc<watch::Sender<usize>>,
    stop: CancellationToken,
}

/// One that is under way, as long as it lives.
struct UnderWay(Arc<watch::Sender<usize>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Where a sync or an import tells how far it is; nobody need listen.
#[derive(Debug, Clone)]
pub(super) struct Events(UnboundedSender<(&'static str, String)>);

impl Events {
    fn send(&self, kind: &'static str, data: &impl Serialize) {
        // Only types of our own come here, and each of them can be written as JSON.
        let data = serde_json::to_string(data).unwrap_or_else(|fault| format!("{{\"unreadable\":\"{fault}\"}}"));
        let _ = self.0.send((kind, data));
    }

    /// Tells a step.
    pub(super) fn progress(&self, step: Progress) {
        self.send("progress", &step);
    }
}

impl Intakes {
    /// Takes no more, and asks those under way to stop at their next page.
    pub(super) fn close(&self) {
        self.stop.cancel();
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
    pub(super) async fn respond<F>(
        &self,
        headers: &HeaderMap,
        place: Place,
        work: impl FnOnce(Events, CancellationToken) -> F,
    ) -> Result<Response, ApiError>
    where
        F: Future<Output = Result<IntakeReport, ApiError>> + Send + 'static,
    {
        if self.stop.is_cancelled() {
            return Err(ApiError::busy("the server is stopping and takes nothing in; try again shortly"));
        }
        let (sender, told) = mpsc::unbounded_channel();
        let (events, stop) = (Events(sender), self.stop.child_token());
        let working = work(events.clone(), stop.clone());
        self.under_way.send_modify(|count| *count += 1);
        let held = (place, UnderWay(self.under_way.clone()));
        let working = tokio::spawn(async move {
            let _held = held;
            let done = AssertUnwindSafe(working).catch_unwind().await;
            let done = done.unwrap_or_else(|panic| Err(fault_of(panic.as_ref())));
            match &done {
                Ok(report) => events.send("report", report),
                Err(error) => {
                    tracing::warn!(fault = error.fault(), problem = error.problem().detail, "nothing more is taken in");
                    events.send("error", &error.problem());
                }
            }
            done
        });
        let leaving = stop.drop_guard();
        if accepts_events(headers) {
            return Ok(stream(told, leaving));
        }
        let done = working.await.map_err(|stopped| ApiError::internal(stopped.to_string()))?;
        drop(leaving);
        Ok(Json(done?).into_response())
    }
}

fn stream(mut told: UnboundedReceiver<(&'static str, String)>, leaving: DropGuard) -> Response {
    let events = async_stream::stream! {
        let _leaving = leaving;
        let mut number: u64 = 0;
        while let Some((kind, data)) = told.recv().await {
            number += 1;
            yield Ok::<_, Infallible>(SseEvent::default().id(number.to_string()).event(kind).data(data));
        }
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("keep-alive");
    Sse::new(events).keep_alive(keep_alive).into_response()
}

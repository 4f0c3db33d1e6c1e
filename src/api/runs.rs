//! The runs that are under way: who may follow them, what they hold, and that each of them ends with a last event.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::watch;

use super::error::ApiError;
use super::guard::{Place, fault_of};
use crate::agent::answer::Question;
use crate::agent::event::EventLog;
use crate::agent::verify::Answer;
use crate::app::App;

/// The answers that are being made, by id. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    under_way: Arc<watch::Sender<HashMap<String, Arc<EventLog>>>>,
    stage: Arc<watch::Sender<Stage>>,
}

/// How far a stop of the server has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// No new run is taken.
    Closed,
    /// Runs under way end now.
    CutOff,
}

impl Runs {
    /// The events of a run that is under way.
    pub(super) fn get(&self, id: &str) -> Option<Arc<EventLog>> {
        self.under_way.borrow().get(id).cloned()
    }

    /// A new run, which keeps its request's place until it ends.
    ///
    /// # Errors
    /// When the server is stopping.
    pub(super) fn begin(&self, id: String, place: Place) -> Result<Run, ApiError> {
        if *self.stage.borrow() != Stage::Open {
            return Err(ApiError::busy("the server is stopping and takes no new questions; try again shortly"));
        }
        let log = Arc::new(EventLog::default());
        self.under_way.send_modify(|runs| drop(runs.insert(id.clone(), log.clone())));
        Ok(Run { runs: self.clone(), id, log, _place: place })
    }

    /// Takes no new runs.
    pub(super) fn close(&self) {
        self.stage.send_replace(Stage::Closed);
    }

    /// Ends the runs that are under way, each with an error as its last event; how many there were.
    pub(super) fn cut_off(&self) -> usize {
        self.stage.send_replace(Stage::CutOff);
        self.under_way.borrow().len()
    }

    /// Waits until no run is under way.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.under_way.subscribe().wait_for(HashMap::is_empty).await;
    }

    async fn when_cut_off(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::CutOff).await;
    }
}

/// A run that is under way; however it ends, its readers see a last event and its place is freed.
pub(super) struct Run {
    runs: Runs,
    id: String,
    pub(super) log: Arc<EventLog>,
    _place: Place,
}

impl Run {
    /// Makes the answer, and keeps it or the failure before it is told. Goes on when its client leaves: what it
    /// costs has been spent, and the answer can be read later.
    pub(super) async fn answer(self, app: App, question: Question) -> Result<Answer, ApiError> {
        // Only the making is cut off or may panic: what is being stored is stored.
        let made = tokio::select! {
            made = AssertUnwindSafe(app.agent.answer(&self.id, &question, &self.log)).catch_unwind() => {
                made.map_err(|panic| fault_of(panic.as_ref())).and_then(|made| made.map_err(ApiError::from))
            }
            () = self.runs.when_cut_off() => {
                Err(ApiError::busy("the server was stopped before the answer was there; ask again"))
            }
        };
        let kept = match made {
            Ok(answer) => app.keep(&self.id, &answer, &self.log).await.map(|()| answer).map_err(ApiError::from),
            Err(error) => Err(error),
        };
        match kept {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.failed(&app, &question, error).await),
        }
    }

    async fn failed(&self, app: &App, question: &Question, error: ApiError) -> ApiError {
        let error = error.of_answer(&self.id);
        let problem = error.problem();
        match error.fault() {
            Some(fault) => tracing::error!(answer = self.id, fault, "no answer"),
            None => tracing::warn!(answer = self.id, problem.detail, "no answer"),
        }
        app.keep_failure(&self.id, question, &problem, &self.log).await;
        error
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Nothing is added when the run has ended as it should.
        self.log.add("error", &ApiError::internal("the run ended without an outcome").of_answer(&self.id).problem());
        self.runs.under_way.send_modify(|runs| drop(runs.remove(&self.id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_that_ends_without_an_outcome_still_has_a_last_event_and_frees_its_place() {
        let (runs, room) = (Runs::default(), Arc::new(tokio::sync::Semaphore::new(1)));
        let place = Place::take(&room).unwrap();
        let run = runs.begin("a".to_owned(), place).unwrap();
        let log = run.log.clone();
        log.add("run", &1);
        assert!(Place::take(&room).is_none() && runs.get("a").is_some());
        drop(run);
        let last: serde_json::Value = serde_json::from_str(&log.after(1)[0].data).unwrap();
        assert_eq!((&last["status"], &last["instance"]), (&500.into(), &"/v1/answers/a".into()));
        runs.ended().await;
        assert!(Place::take(&room).is_some() && runs.get("a").is_none());
    }

    #[test]
    fn a_server_that_stops_takes_no_new_run() {
        let (runs, room) = (Runs::default(), Arc::new(tokio::sync::Semaphore::new(1)));
        runs.close();
        let refused = runs.begin("a".to_owned(), Place::take(&room).unwrap()).err().unwrap();
        assert_eq!(refused.problem().status, 503);
    }
}

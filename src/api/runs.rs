//! The runs that are under way: who may follow them, what they hold, and that each of them ends with a last event.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{Notify, watch};
use tracing::Instrument;

use super::error::ApiError;
use super::guard::{Place, fault_of};
use crate::agent::Agent;
use crate::agent::answer::Question;
use crate::agent::event::EventLog;
use crate::agent::run::Run;
use crate::agent::verify::Answer;
use crate::app::App;

/// How long a run goes on after the last one who followed it has left, who may only have lost the connection.
const GRACE: Duration = Duration::from_secs(2);

/// The answers that are being made, by id. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    under_way: Arc<watch::Sender<HashMap<String, UnderWay>>>,
    stage: Arc<watch::Sender<Stage>>,
    /// Whose runs are being made ready, or are under way.
    claimed: Arc<Mutex<HashSet<String>>>,
    /// Told when a run waits for its time.
    waiting: Arc<Notify>,
}

/// The right to be the only one who makes an answer, until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claimed: Arc<Mutex<HashSet<String>>>,
    id: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// What is told of a run, and how many follow it.
#[derive(Debug, Clone)]
struct UnderWay {
    log: Arc<EventLog>,
    followers: Arc<watch::Sender<usize>>,
}

/// Somebody who follows a run, until this is dropped.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) log: Arc<EventLog>,
    followers: Arc<watch::Sender<usize>>,
}

impl Follower {
    fn of(run: &UnderWay) -> Self {
        run.followers.send_modify(|followers| *followers += 1);
        Self { log: Arc::clone(&run.log), followers: Arc::clone(&run.followers) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followers.send_modify(|followers| *followers = followers.saturating_sub(1));
    }
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
    /// Follows a run that is under way.
    pub(super) fn follow(&self, id: &str) -> Option<Follower> {
        self.under_way.borrow().get(id).map(Follower::of)
    }

    /// How many runs are under way.
    pub(super) fn count(&self) -> usize {
        self.under_way.borrow().len()
    }

    /// Whether a run is under way.
    pub(super) fn is_under_way(&self, id: &str) -> bool {
        self.under_way.borrow().contains_key(id)
    }

    /// Whether a new run may begin.
    ///
    /// # Errors
    /// When the server is stopping.
    pub(super) fn check_open(&self) -> Result<(), ApiError> {
        match *self.stage.borrow() {
            Stage::Open => Ok(()),
            _ => Err(ApiError::busy("the server is stopping and takes no new questions; try again shortly")),
        }
    }

    /// The right to make this answer; none while somebody else does.
    pub(super) fn claim(&self, id: &str) -> Option<Claim> {
        let is_new = self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        is_new.then(|| Claim { claimed: Arc::clone(&self.claimed), id: id.to_owned() })
    }

    /// A run that is under way from now on, keeping its request's place until it ends, and the first who follows it.
    pub(super) fn begin(&self, claim: Claim, run: Run, background: bool, place: Place) -> (RunUnderWay, Follower) {
        let under_way = UnderWay { log: Arc::clone(run.log()), followers: Arc::default() };
        let follower = Follower::of(&under_way);
        let followers = Arc::clone(&under_way.followers);
        self.under_way.send_modify(|runs| drop(runs.insert(run.id().to_owned(), under_way)));
        (RunUnderWay { runs: self.clone(), run, followers, background, _place: place, _claim: claim }, follower)
    }

    /// A run waits for its time from now on.
    pub(super) fn waits(&self) {
        self.waiting.notify_one();
    }

    /// Resolves when a run has begun to wait for its time.
    pub(super) async fn when_one_waits(&self) {
        self.waiting.notified().await;
    }

    fn is_cut_off(&self) -> bool {
        *self.stage.borrow() == Stage::CutOff
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
pub(super) struct RunUnderWay {
    runs: Runs,
    run: Run,
    followers: Arc<watch::Sender<usize>>,
    background: bool,
    _place: Place,
    _claim: Claim,
}

impl RunUnderWay {
    /// Makes the answer, and keeps it or the failure before it is told. Ends when everybody who followed has left, unless it was
    /// asked to go on: what nobody reads is not paid for.
    pub(super) async fn answer(self, app: App, agent: Agent, question: Question) -> Result<Answer, ApiError> {
        let id = self.run.id().to_owned();
        self.made(app, agent, question).instrument(tracing::error_span!("answer", id)).await
    }

    async fn made(self, app: App, agent: Agent, question: Question) -> Result<Answer, ApiError> {
        // Only the making is cut off or may panic: what is being stored is stored.
        let made = tokio::select! {
            made = AssertUnwindSafe(agent.answer(&self.run, &question)).catch_unwind() => {
                made.map_err(|panic| fault_of(panic.as_ref())).and_then(|made| made.map_err(ApiError::from))
            }
            () = self.runs.when_cut_off() => {
                Err(ApiError::busy("the server was stopped before the answer was there; ask again"))
            }
            () = self.when_abandoned() => Err(ApiError::client_left(self.run.id())),
        };
        let kept = match made {
            Ok(answer) => app.keep(&self.run, &answer).await.map(|()| answer).map_err(ApiError::from),
            Err(error) => Err(error),
        };
        match kept {
            Ok(answer) => Ok(answer),
            Err(_) if self.background && self.runs.is_cut_off() => Err(self.left_open().await),
            Err(error) => Err(self.failed(&app, &question, error).await),
        }
    }

    /// Resolves when nobody has followed for a while, of a run that does not go on by itself.
    async fn when_abandoned(&self) {
        if self.background {
            return std::future::pending().await;
        }
        let mut followers = self.followers.subscribe();
        loop {
            // The sender lives as long as `self`.
            let _ = followers.wait_for(|followers| *followers == 0).await;
            let back = followers.wait_for(|followers| *followers > 0);
            if tokio::time::timeout(GRACE, back).await.is_err() {
                return;
            }
        }
    }

    /// A run that goes on by itself is not over when the server stops: it is taken up at the next start.
    async fn left_open(&self) -> ApiError {
        if let Err(fault) = self.run.note().await {
            tracing::error!(answer = self.run.id(), %fault, "what a run had come to could not be kept");
        }
        let error = ApiError::busy("the server was stopped; it goes on with this answer when it is started again");
        let error = error.of_answer(self.run.id());
        self.run.log().add("error", &error.problem());
        error
    }

    async fn failed(&self, app: &App, question: &Question, error: ApiError) -> ApiError {
        let error = error.of_answer(self.run.id());
        let problem = error.problem();
        match error.fault() {
            Some(fault) => tracing::error!(answer = self.run.id(), fault, "no answer"),
            None => tracing::warn!(answer = self.run.id(), problem.detail, "no answer"),
        }
        app.keep_failure(&self.run, question, &problem).await;
        error
    }
}

impl Drop for RunUnderWay {
    fn drop(&mut self) {
        let id = self.run.id();
        // Nothing is added when the run has ended as it should.
        self.run.log().add("error", &ApiError::internal("the run ended without an outcome").of_answer(id).problem());
        self.runs.under_way.send_modify(|runs| drop(runs.remove(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::answer::AskMode;
    use crate::clock::Clock;
    use crate::store::{Store, When};

    async fn begun(runs: &Runs, room: &Arc<tokio::sync::Semaphore>) -> (tempfile::TempDir, RunUnderWay, Follower) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("library.db")).await.unwrap();
        let question = Question::new("Why?", AskMode::Auto, index::Filter::default()).unwrap();
        let log = Arc::new(EventLog::default());
        let run = Run::begin("a".to_owned(), store, Clock::system(), &question, When::Followed, log).await.unwrap();
        let claim = runs.claim("a").unwrap();
        assert!(runs.claim("a").is_none(), "one at a time");
        let (run, follower) = runs.begin(claim, run, false, Place::take(room).unwrap());
        (folder, run, follower)
    }

    #[tokio::test]
    async fn a_run_that_ends_without_an_outcome_still_has_a_last_event_and_frees_its_place() {
        let (runs, room) = (Runs::default(), Arc::new(tokio::sync::Semaphore::new(1)));
        let (_folder, run, follower) = begun(&runs, &room).await;
        follower.log.add("run", &1);
        assert!(Place::take(&room).is_none() && runs.is_under_way("a"));
        drop(run);
        let last: serde_json::Value = serde_json::from_str(&follower.log.after(1)[0].data).unwrap();
        assert_eq!((&last["status"], &last["instance"]), (&500.into(), &"/v1/answers/a".into()));
        runs.ended().await;
        assert!(Place::take(&room).is_some() && !runs.is_under_way("a") && runs.claim("a").is_some());
    }

    #[test]
    fn a_server_that_stops_takes_no_new_run() {
        let runs = Runs::default();
        assert!(runs.check_open().is_ok());
        runs.close();
        assert_eq!(runs.check_open().unwrap_err().problem().status, 503);
    }
}

//! Runs from their beginning to their end, each kept before it is told.

use std::sync::Arc;
use std::time::Duration;

use paper::{PaperId, PaperRef};
use serde::{Deserialize, Serialize};

use super::{App, AskError, models};
use crate::agent::Agent;
use crate::agent::answer::{AskMode, Circumstances, Exchange, FailedAnswer, Question, Route, Status};
use crate::agent::desk::Step;
use crate::agent::event::EventLog;
use crate::agent::run::Run;
use crate::agent::verify::Answer;
use crate::store::{RunNotes, StoreError, When};
use crate::telemetry::metrics::{Metrics, NONE};
use jiff::Timestamp;

/// What there is of a run that is to go on.
pub enum Resumed {
    /// There is no such run.
    Unknown,
    /// It has its answer.
    Answered,
    /// It goes on, with what was asked and whether it goes on although nobody waits for it.
    GoesOn(Box<(Run, Question, bool)>),
}

/// What is read of an answer that another question follows on.
#[derive(Deserialize)]
struct Answered {
    question: String,
    status: Status,
    text: String,
}

/// The most that is remembered of a conversation.
const MOST_EXCHANGES: usize = 4;

/// The most papers that can be asked about at once.
const MOST_PAPERS: usize = 8;

/// The steps that a run takes over when it is made again by another model.
const TAKEN_OVER: [&str; 2] = ["plan", "evidence"];

/// What is counted of runs and requests, from nothing.
pub(super) fn metrics() -> Metrics {
    let routes: Vec<&str> = Route::ALL.into_iter().map(Route::as_str).chain([NONE]).collect();
    Metrics::new(&routes, &Status::ALL.map(Status::as_str))
}

impl App {
    /// Takes up a run that was cut off, or that failed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn resume(&self, id: &str) -> Result<Resumed, StoreError> {
        let store = &self.library.store;
        let Some(stored) = store.run(id).await? else {
            return Ok(if store.answer(id).await?.is_some() { Resumed::Answered } else { Resumed::Unknown });
        };
        if let Some(answer) = store.answer(id).await? {
            let failed = serde_json::from_str::<Answered>(answer.get()).is_ok_and(|kept| kept.status == Status::Failed);
            if !failed {
                return Ok(Resumed::Answered);
            }
            store.reopen_answer(id).await?;
        }
        let background = stored.background;
        let (run, question) = Run::take_up(stored, store.clone(), self.clock).await?;
        let run = run.noting_texts(self.config.settings.tracing.texts);
        Ok(Resumed::GoesOn(Box::new((run, question, background))))
    }

    /// Begins a run of the same question over the same evidence as another; none when there is no such run.
    ///
    /// # Errors
    /// When it cannot be read or kept.
    pub async fn replay(&self, id: &str) -> Result<Option<(Run, Question)>, StoreError> {
        let store = &self.library.store;
        let Some(mut stored) = store.run(id).await? else { return Ok(None) };
        stored.steps.retain(|(step, _)| TAKEN_OVER.contains(&step.as_str()));
        stored.id = self.clock.new_id().to_string();
        // Made by a model that somebody named, it says nothing of any arm.
        let unreadable = |source| StoreError::Unreadable { what: "run", source };
        let mut asked: Question = serde_json::from_str(&stored.request).map_err(unreadable)?;
        asked.experiment = None;
        stored.request = serde_json::to_string(&asked).map_err(unreadable)?;
        store.begin_answer(&stored.id, &stored.request, None, When::Followed, self.clock.now()).await?;
        let steps = RunNotes { steps: stored.steps.clone(), ..RunNotes::default() };
        store.note_answer(&stored.id, &steps).await?;
        let (run, mut question) = Run::take_up(stored, store.clone(), self.clock).await?;
        let run = run.noting_texts(self.config.settings.tracing.texts);
        if matches!(question.mode, AskMode::Auto | AskMode::Quote) {
            // A model was named, so it is to be asked.
            question.mode = AskMode::Chat;
        }
        Ok(Some((run, question)))
    }

    /// The agent with one model, named `deepseek:NAME` or `openai:NAME`, for every step.
    ///
    /// # Errors
    /// When there is no such provider, or it cannot be asked as it is set up.
    pub fn agent_with(&self, model: &str) -> Result<Agent, String> {
        Ok(self.agent.with_models(models::named(&self.config, model)?))
    }

    /// The papers of these ids, which are of any kind; what is wrong with them where there is none or there are too many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn named_papers(&self, named: &[String]) -> Result<Result<Vec<PaperId>, String>, StoreError> {
        if named.len() > MOST_PAPERS {
            return Ok(Err(format!("{MOST_PAPERS} papers at most can be asked about")));
        }
        let mut ids = Vec::with_capacity(named.len());
        for name in named {
            let reference: PaperRef = match name.parse() {
                Ok(reference) => reference,
                Err(error) => return Ok(Err(format!("{error}"))),
            };
            match self.library.store.paper(&reference).await?.and_then(|paper| paper.id) {
                Some(id) => ids.push(id),
                None => return Ok(Err(format!("there is no paper `{name}` in the library"))),
            }
        }
        Ok(Ok(ids))
    }

    /// What was said up to an answer, the newest last; none when there is no such answer.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn exchange(&self, id: &str) -> Result<Option<Vec<Exchange>>, StoreError> {
        let store = &self.library.store;
        let Some(answer) = store.answer(id).await? else { return Ok(None) };
        let unreadable = |source| StoreError::Unreadable { what: "answer", source };
        let Answered { question, text, .. } = serde_json::from_str(answer.get()).map_err(unreadable)?;
        let before = store.run(id).await?.and_then(|run| serde_json::from_str::<Question>(&run.request).ok());
        let mut earlier = before.map(|question| question.earlier).unwrap_or_default();
        earlier.push(Exchange { question, answer: text });
        Ok(Some(earlier.split_off(earlier.len().saturating_sub(MOST_EXCHANGES))))
    }

    /// The same question in the arm that whoever asks is assigned to, where an experiment is running.
    #[must_use]
    pub fn assigned(&self, mut question: Question, user: Option<&str>) -> Question {
        question.experiment = self.arms.assign(&question, user);
        question
    }

    /// Who answers a question: the agent of its arm, or the usual one.
    #[must_use]
    pub fn agent_for(&self, question: &Question) -> &Agent {
        question.experiment.as_ref().and_then(|assigned| self.arms.agent(assigned)).unwrap_or(&self.agent)
    }

    /// Begins a run. One that is to begin later is kept, and goes when it is resumed.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn begin(&self, id: String, question: &Question, when: When) -> Result<Run, StoreError> {
        let store = self.library.store.clone();
        let run = Run::begin(id, store, self.clock, question, when, Arc::new(EventLog::default())).await?;
        Ok(run.noting_texts(self.config.settings.tracing.texts))
    }

    /// When tokens are cheap again at whoever is asked first for a draft; none when they are now.
    #[must_use]
    pub fn next_off_peak(&self) -> Option<Timestamp> {
        let desk = &self.agent.desk;
        let now = self.clock.now();
        let first = desk.models.of(Step::Draft).first()?;
        desk.prices.next_off_peak(first.model.model(), now).filter(|moment| *moment > now)
    }

    /// Answers a question and keeps the answer with its events.
    ///
    /// # Errors
    /// When there is no answer, or it could not be kept.
    pub async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let run = self.begin(self.clock.new_id().to_string(), question, When::Followed).await?;
        match self.agent_for(question).answer(&run, question).await {
            Ok(answer) => {
                self.keep(&run, &answer).await?;
                Ok(answer)
            }
            Err(error) => {
                let problem = serde_json::json!({"title": "no answer", "detail": error.to_string()});
                self.keep_failure(&run, question, &problem).await;
                Err(error.into())
            }
        }
    }

    /// Keeps an answer with its events, then tells it as the last one.
    ///
    /// # Errors
    /// When it could not be kept; then it is not told.
    pub async fn keep(&self, run: &Run, answer: &Answer) -> Result<(), StoreError> {
        run.end(answer, ("answer", answer)).await?;
        let Circumstances { route, timings_ms, .. } = answer.circumstances();
        let took = timings_ms.get("total").copied().unwrap_or_default() / 1e3;
        let sentences = (answer.claims().len(), answer.removed().len());
        let (route, status) = (route.as_str(), answer.status().as_str());
        self.metrics.answered(route, status, sentences, Duration::try_from_secs_f64(took).unwrap_or_default());
        self.export(run).await;
        Ok(())
    }

    /// Keeps a run that ended without an answer, then tells `problem` as its last event. The problem is told also
    /// when it cannot be kept.
    pub async fn keep_failure(&self, run: &Run, question: &Question, problem: &impl Serialize) {
        let failed = FailedAnswer::new(run.id(), question, problem);
        if let Err(fault) = run.end(&failed, ("error", problem)).await {
            tracing::error!(answer = run.id(), %fault, "a failed run could not be kept");
            run.log().add("error", problem);
        }
        self.metrics.failed(Status::Failed.as_str());
        self.export(run).await;
    }

    /// How many spans were sent to the collector of traces, and how many could not be; none without one.
    #[must_use]
    pub fn spans_sent(&self) -> Option<(u64, u64)> {
        self.exporter.as_ref().map(|exporter| exporter.counts())
    }

    /// Has the run's trace sent where traces are to be sent, with what was done before it was cut off.
    async fn export(&self, run: &Run) {
        let Some(exporter) = &self.exporter else { return };
        let spans = run.unsent_spans().await.unwrap_or_else(|fault| {
            tracing::warn!(%fault, "only what was done since the last start is in the trace that is sent");
            run.trace().ended_from(0)
        });
        exporter.export(run.id(), &spans);
    }
}

//! A question on its way to a verified answer: route -> plan -> retrieve -> draft -> verify, each step an event.
//!
//! States are types. A [`Routed`] question knows how it is answered; a `Plan` what is searched for; a `Retrieved` one has its
//! evidence; what is `Written` has passed sentence by sentence; only [`verify`] makes an [`Answer`] of it. A [`Run`] writes
//! each of them down, so that one that was cut off goes on at the last.

pub mod answer;
pub mod appraisal;
mod cache;
mod calling;
mod checking;
mod contradiction;
pub mod desk;
mod direction;
pub mod draft;
mod entailment;
pub mod event;
pub mod evidence;
pub mod injection;
pub mod memory;
mod mode;
mod notice;
pub mod plan;
pub mod purse;
pub mod quote;
mod repair;
mod retrieve;
mod routing;
pub mod run;
pub mod sentence;
pub mod support;
mod table;
pub mod verify;
mod whole;
pub mod words;
mod write;

use std::collections::BTreeMap;
use std::time::Instant;

use answer::{AskMode, Assigned, Circumstances, Form, Question, Route};
use desk::{Desk, Models};
use evidence::Vectors;
use memory::Memory;
use plan::Plan;
use purse::Purse;
use retrieve::{Retrieved, Seeker};
pub use routing::Routing;
use run::Run;
use serde::{Deserialize, Serialize};
use serde_json::json;
use verify::Answer;
use write::{Writer, Written};

use crate::library::{Library, LibraryError};
use crate::store::StoreError;
use crate::telemetry::{conventions, trace};

/// Why there is neither an answer nor an abstention.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The library could not be searched.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The run or its calls could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mode that needs a model, and none is configured.
    #[error(
        "mode `{0}` needs a language model, and none is configured: set DEEPSEEK_API_KEY or OPENAI_API_KEY (and llm.policy), \
         or use mode `quote`, which needs none"
    )]
    NoModel(&'static str),
}

impl AgentError {
    /// What kind of fault it is, in a word.
    fn kind(&self) -> &'static str {
        match self {
            Self::Library(_) => "library",
            Self::Store(_) => "store",
            Self::NoModel(_) => "no_model",
        }
    }
}

impl From<index::IndexError> for AgentError {
    fn from(error: index::IndexError) -> Self {
        Self::Library(error.into())
    }
}

/// What an operator decides about answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The longest draft, in tokens.
    pub max_output_tokens: u32,
    /// The passages that a model gets, in tokens.
    pub evidence_tokens: u64,
    /// How often the library is searched for one answer at most.
    pub rounds: usize,
    /// Whether a model rates what was found, beside what is reckoned here.
    pub model_judges: bool,
    /// Whether a model is asked if each sentence that has passed follows from what it cites.
    pub model_checks: bool,
    /// Whether sentences that do not hold are given back to the model once.
    pub repair: bool,
    /// Whether an answer is given once more while the library is as it was.
    pub cache: bool,
    /// What vectors count beside words in a search, 0 to 1.
    pub dense_weight: f32,
    /// What whoever drafts is told besides.
    pub instructions: std::sync::Arc<str>,
}

/// Answers questions from the library.
#[derive(Clone)]
pub struct Agent {
    /// Where it looks.
    pub library: Library,
    /// Who writes, and who pays.
    pub desk: Desk,
    /// What was decided about answers.
    pub settings: Settings,
    /// Who tells how much a question asks for.
    pub routing: Routing,
    /// The vectors of sentences that were embedded lately.
    pub memory: Memory,
}

/// A question of which it is decided how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Routed {
    /// How.
    pub route: Route,
    /// Whether it was decided here, by the question, and not by whoever asked.
    pub by_question: bool,
    /// How likely each of [`Route::ALL`] was found.
    pub probabilities: Option<[f64; 3]>,
}

impl Routed {
    /// Whether it is to be quoted because that was asked for.
    fn route_was_set_to_quote(self) -> bool {
        self.route == Route::Quote && !self.by_question
    }
}

impl Agent {
    /// The same with other models.
    #[must_use]
    pub fn with_models(&self, models: Models) -> Self {
        let desk = Desk { models, ..self.desk.clone() };
        Self { desk, ..self.clone() }
    }

    /// Answers a question, telling each step; the last event, the answer or the error, is left to the caller, who stores it
    /// first.
    ///
    /// # Errors
    /// See [`AgentError`]. A provider that is down, overloaded or breaks off is no error: then the next one is asked, the
    /// answer is quoted, or is what had passed until then, and says so.
    pub async fn answer(&self, run: &Run, question: &Question) -> Result<Answer, AgentError> {
        run.trace().root("invoke_agent lectern", self.answered(run, question)).await
    }

    /// The answer, with what there is to say of it in the trace.
    async fn answered(&self, run: &Run, question: &Question) -> Result<Answer, AgentError> {
        trace::note(conventions::OPERATION, "invoke_agent");
        trace::note(conventions::AGENT, "lectern");
        trace::note_text(conventions::INPUT, || conventions::messages([("user", question.text())]));
        if let Some(assigned) = &question.experiment {
            trace::note("lectern.experiment", assigned.told());
        }
        let answered = self.made(run, question).await;
        match &answered {
            Ok(answer) => {
                let Circumstances { route, model, usage, .. } = answer.circumstances();
                trace::note("lectern.status", answer.status().as_str());
                trace::note("lectern.route", route.as_str());
                trace::note(conventions::RESPONSE_MODEL, model.as_str());
                trace::note("lectern.claims", answer.claims().len());
                trace::note("lectern.removed", answer.removed().len());
                trace::note(conventions::INPUT_TOKENS, usage.prompt_tokens);
                trace::note(conventions::OUTPUT_TOKENS, usage.completion_tokens);
                if let Some(cost) = usage.cost_usd {
                    trace::note("lectern.cost_usd", cost);
                }
                trace::note_text(conventions::OUTPUT, || conventions::messages([("assistant", answer.text())]));
            }
            Err(fault) => trace::fail(fault.kind()),
        }
        answered
    }

    async fn made(&self, run: &Run, question: &Question) -> Result<Answer, AgentError> {
        let began = Instant::now();
        let mut timings = BTreeMap::new();
        let log = run.log();
        log.add(
            "run",
            &json!({"id": run.id(), "question": question.text(), "mode": question.mode, "goes_on": run.goes_on()}),
        );
        if run.was_stored() {
            // Kept before anything else is told, so that another going on finds its numbers taken.
            run.note().await?;
        }
        let mut routed = state("route", self.route(run, question)).await?;
        // What a run that goes on rests on was found in the library as it was then.
        let cache_key = if run.goes_on() { None } else { self.cache_key(question, routed).await? };
        if let Some(key) = cache_key.as_deref()
            && let Some(answer) = self.cached(run, question, key, began).await?
        {
            return Ok(answer);
        }
        let purse = Purse::of(&self.desk, run, question.budget_usd()).await?;
        let plan = state("plan", self.plan(run, question, routed, &purse)).await?;
        timings.insert("plan".to_owned(), milliseconds(began));
        let searching = Instant::now();
        let seeker = Seeker {
            library: &self.library,
            prices: &self.desk.prices,
            settings: &self.settings,
            memory: &self.memory,
            judge: Some(&purse).filter(|_| self.settings.model_judges && routed.route != Route::Quote),
            log,
        };
        let retrieved = state("retrieve", seeker.retrieve(run, question, &plan)).await?;
        timings.insert("retrieve".to_owned(), milliseconds(searching));
        let writing = Instant::now();
        let writer = Writer {
            run,
            purse: &purse,
            settings: &self.settings,
            plan: &plan,
            form: question.mode.form(),
            retrieved: &retrieved,
        };
        let written = state("write", self.write(&writer, &mut routed, &retrieved)).await?;
        timings.insert("write".to_owned(), milliseconds(writing));
        timings.insert("total".to_owned(), milliseconds(began));
        if let Some(key) = cache_key.filter(|_| written.route != Route::Quote && written.notice.is_none()) {
            run.cache_as(key);
        }
        Ok(finished(run, question, written, &retrieved.searched, &purse, timings))
    }

    async fn route(&self, run: &Run, question: &Question) -> Result<Routed, AgentError> {
        let routed = match run.outcome("route")? {
            Some(routed) => routed,
            None => self.routed(question).await?,
        };
        run.finish("route", &routed)?;
        let model = self.desk.models.strong.first().filter(|_| routed.route != Route::Quote);
        let told = json!({"route": routed.route, "model": model.map(|seat| seat.model.model()),
            "probabilities": routed.probabilities});
        run.log().add("route", &told);
        Ok(routed)
    }

    async fn routed(&self, question: &Question) -> Result<Routed, AgentError> {
        let set = |route| Ok(Routed { route, by_question: false, probabilities: None });
        match (question.mode, self.desk.models.is_empty()) {
            (AskMode::Quote, _) | (AskMode::Auto | AskMode::Compare | AskMode::Review, true) => set(Route::Quote),
            (AskMode::Chat, false) => set(Route::Chat),
            (AskMode::Reason | AskMode::Compare | AskMode::Review, false) => set(Route::Reason),
            (AskMode::Chat, true) => Err(AgentError::NoModel("chat")),
            (AskMode::Reason, true) => Err(AgentError::NoModel("reason")),
            (AskMode::Auto, false) => {
                let standing = plan::local::standing_alone(question.text(), &question.earlier);
                let decision =
                    self.routing.decide(&standing, &Vectors::of_index(self.library.index(), &self.memory)).await?;
                let route = decision.map_or(Route::Chat, |decision| decision.route);
                let probabilities = decision.map(|decision| decision.probabilities);
                Ok(Routed { route, by_question: true, probabilities })
            }
        }
    }

    async fn plan(
        &self,
        run: &Run,
        question: &Question,
        routed: Routed,
        purse: &Purse<'_>,
    ) -> Result<Plan, AgentError> {
        let this_year = self.desk.clock.now().to_zoned(jiff::tz::TimeZone::UTC).year();
        let plan = match run.outcome(plan::STEP)? {
            Some(plan) => plan,
            // What follows on an earlier question has to be put into words of its own, however it is answered.
            None if routed.route == Route::Reason || (routed.route == Route::Chat && !question.earlier.is_empty()) => {
                plan::asked(run, purse, question, &question.earlier, this_year).await?
            }
            None => plan::own(question, &question.earlier, this_year),
        };
        run.finish(plan::STEP, &plan)?;
        run.log().add(
            "plan",
            &json!({"question": plan.question, "queries": plan.queries, "filters": plan.filter, "model": plan.model}),
        );
        Ok(plan)
    }

    async fn write<'e>(
        &self,
        writer: &Writer<'_, 'e>,
        routed: &mut Routed,
        retrieved: &Retrieved,
    ) -> Result<Written<'e>, AgentError> {
        if writer.form == Form::Table {
            return writer.tabulated(routed.route != Route::Quote && !retrieved.evidence.is_empty()).await;
        }
        if routed.route == Route::Quote {
            let quoted = writer.quoted(None).await?;
            // No sentence answers by itself: perhaps several together do.
            let up = routed.by_question && !quoted.verifier.has_claims() && !retrieved.evidence.is_empty();
            if !up {
                return Ok(quoted);
            }
            routed.route = Route::Chat;
            writer.run.log().add("route", &json!({"route": routed.route}));
        }
        if retrieved.evidence.is_empty() {
            return writer.quoted(None).await;
        }
        writer.drafted(routed.route).await
    }
}

/// One state of the walk, as a span of the trace.
async fn state<T>(name: &str, work: impl Future<Output = Result<T, AgentError>>) -> Result<T, AgentError> {
    trace::within(name, async { work.await.inspect_err(|fault| trace::fail(fault.kind())) }).await
}

/// The answer, with the last that is told of it before it: contradictions, or the text of an abstention, and what it cost.
fn finished(
    run: &Run,
    question: &Question,
    written: Written<'_>,
    searched: &[String],
    purse: &Purse<'_>,
    timings_ms: BTreeMap<String, f64>,
) -> Answer {
    let Written { mut verifier, model, route, notice } = written;
    let usage = purse.report();
    let experiment = question.experiment.as_ref().map(Assigned::told);
    let (id, question) = (run.id().to_owned(), question.text().to_owned());
    let circumstances =
        Circumstances { id, question, route, usage, model, timings_ms, notice, cached_from: None, experiment };
    verifier.confront();
    let behind = verifier.newest_text();
    if verifier.has_claims() && !behind.is_empty() {
        run.log().add("token", &json!({"text": behind}));
    }
    let answer = verifier.finish(circumstances, searched);
    if answer.claims().is_empty() {
        run.log().add("token", &json!({"text": answer.text()}));
    }
    run.log().add("usage", &usage);
    answer
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e5).round() / 100.0
}

//! A question on its way to a verified answer: route -> retrieve -> draft -> verify, each step an event.
//!
//! States are types. A [`Routed`] question knows who will answer; a `Retrieved` one has its evidence; only
//! [`verify`] makes an [`Answer`] of it.

pub mod answer;
pub mod draft;
pub mod event;
pub mod evidence;
pub mod quote;
pub mod sentence;
pub mod support;
pub mod verify;
pub mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use answer::{AskMode, Circumstances, Question, Route, UsageReport};
use event::EventLog;
use evidence::{Evidence, Vectors, gather};
use futures::StreamExt;
use index::{Mode, SearchQuery};
use serde_json::json;
use verify::{Answer, Verdict, Verifier};

use crate::clock::Clock;
use crate::library::{Library, LibraryError};
use crate::llm::{ChatEvent, ChatModel, LlmError, Prices, Usage};

/// How many passages an answer may draw from.
const EVIDENCE: usize = 10;
/// What a quoting answer begins with.
const QUOTING: &str = "No language model wrote this: these are the papers' own sentences.";

/// Why there is neither an answer nor an abstention.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The library could not be searched.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The model did not answer.
    #[error(transparent)]
    Model(#[from] LlmError),
    /// A mode that needs a model, and none is configured.
    #[error(
        "mode `{0}` needs a language model, and none is configured: set DEEPSEEK_API_KEY or OPENAI_API_KEY (and llm.policy), \
         or use mode `quote`, which needs none"
    )]
    NoModel(&'static str),
}

impl From<index::IndexError> for AgentError {
    fn from(error: index::IndexError) -> Self {
        Self::Library(error.into())
    }
}

/// Answers questions from the library.
#[derive(Clone)]
pub struct Agent {
    library: Library,
    vectors: Vectors,
    model: Option<Arc<dyn ChatModel>>,
    prices: Arc<Prices>,
    max_output_tokens: u32,
    clock: Clock,
}

/// What an [`Agent`] is made of.
pub struct AgentParts {
    /// Where it looks.
    pub library: Library,
    /// The embedding model, where there is one.
    pub vectors: Vectors,
    /// Who writes; nobody for quoting only.
    pub model: Option<Arc<dyn ChatModel>>,
    /// What tokens cost.
    pub prices: Arc<Prices>,
    /// The longest draft.
    pub max_output_tokens: u32,
    /// The time, for prices.
    pub clock: Clock,
}

/// A question of which it is decided how it is answered.
struct Routed<'q> {
    question: &'q Question,
    route: Route,
    writer: Option<Arc<dyn ChatModel>>,
}

/// A routed question with the passages that may answer it.
struct Retrieved<'q> {
    routed: Routed<'q>,
    evidence: Vec<Evidence>,
    notice: Option<String>,
}

/// What was written, ready to become an answer.
struct Written<'e> {
    verifier: Verifier<'e>,
    usage: UsageReport,
    model: String,
    route: Route,
    notice: Option<String>,
}

impl Agent {
    /// An agent of these parts.
    #[must_use]
    pub fn new(parts: AgentParts) -> Self {
        let AgentParts { library, vectors, model, prices, max_output_tokens, clock } = parts;
        Self { library, vectors, model, prices, max_output_tokens, clock }
    }

    /// Answers a question, telling `log` each step; the last event, the answer or the error, is left to the caller, who
    /// stores it first.
    ///
    /// # Errors
    /// See [`AgentError`]. A provider that is down or overloaded is no error: then the answer is quoted, and says so.
    pub async fn answer(&self, id: &str, question: &Question, log: &EventLog) -> Result<Answer, AgentError> {
        let began = Instant::now();
        let mut timings = BTreeMap::new();
        log.add("run", &json!({"id": id, "question": question.text(), "mode": question.mode}));
        let routed = self.route(question)?;
        log.add("route", &json!({"route": routed.route, "model": routed.writer.as_ref().map(|m| m.model())}));
        log.add("plan", &json!({"queries": [question.text()], "filters": question.filter}));
        let retrieved = self.retrieve(routed, log).await?;
        timings.insert("retrieve".to_owned(), milliseconds(began));
        let writing = Instant::now();
        let written = self.write(&retrieved, log).await?;
        timings.insert("write".to_owned(), milliseconds(writing));
        timings.insert("total".to_owned(), milliseconds(began));
        log.add("usage", &written.usage);
        let circumstances = Circumstances {
            id: id.to_owned(),
            question: question.text().to_owned(),
            route: written.route,
            usage: written.usage,
            model: written.model,
            timings_ms: timings,
            notice: written.notice,
        };
        Ok(written.verifier.finish(circumstances, &[question.text().to_owned()]))
    }

    fn route<'q>(&self, question: &'q Question) -> Result<Routed<'q>, AgentError> {
        let model = self.model.clone();
        let (route, writer) = match (question.mode, model) {
            (AskMode::Quote, _) | (AskMode::Auto, None) => (Route::Quote, None),
            (AskMode::Auto | AskMode::Chat, Some(model)) => (Route::Chat, Some(model)),
            (AskMode::Reason, Some(model)) => (Route::Reason, Some(model)),
            (AskMode::Chat, None) => return Err(AgentError::NoModel("chat")),
            (AskMode::Reason, None) => return Err(AgentError::NoModel("reason")),
        };
        Ok(Routed { question, route, writer })
    }

    async fn retrieve<'q>(&self, routed: Routed<'q>, log: &EventLog) -> Result<Retrieved<'q>, AgentError> {
        let query = SearchQuery {
            mode: Mode::Hybrid,
            filter: routed.question.filter.clone(),
            limit: EVIDENCE,
            ..SearchQuery::new(routed.question.text())
        };
        let found = self.library.search(query).await?;
        log.add(
            "search",
            &json!({"query": routed.question.text(), "hits": found.hits.len(), "total": found.total, "mode": found.mode,
                "took_ms": found.took_ms, "notice": found.notice}),
        );
        let pairs = found.hits.into_iter().map(|found| (found.hit, found.paper)).collect();
        let evidence = gather(pairs, &self.vectors).await?;
        let told: Vec<_> = evidence
            .iter()
            .map(|e| {
                json!({"n": e.n, "paper_id": e.hit.paper, "passage_id": e.hit.passage.id, "title": e.paper.title,
                    "year": e.paper.year, "text": e.hit.passage.text, "score": e.hit.score})
            })
            .collect();
        log.add("evidence", &told);
        Ok(Retrieved { routed, evidence, notice: found.notice })
    }

    async fn write<'r>(&self, retrieved: &'r Retrieved<'_>, log: &EventLog) -> Result<Written<'r>, AgentError> {
        let Some(model) = retrieved.routed.writer.as_ref().filter(|_| !retrieved.evidence.is_empty()) else {
            return self.quote(retrieved, QUOTING, retrieved.notice.clone(), log).await;
        };
        if let Some(notice) = self.over_budget(model.as_ref(), retrieved) {
            return self.quote(retrieved, QUOTING, Some(notice), log).await;
        }
        match self.draft(model.as_ref(), retrieved, log).await {
            Err(AgentError::Model(fault)) if fault.worth_another_provider() && !needs_the_operator(&fault) => {
                tracing::warn!(fault = fault.kind(), "the model did not answer; quoting instead");
                let notice = format!("The model did not answer ({fault}), so the answer is quoted.");
                let opening = format!("The language model could not be asked just now. {QUOTING}");
                self.quote(retrieved, &opening, Some(notice), log).await
            }
            other => other,
        }
    }

    /// Why the question's budget does not allow to ask the model, reckoned with the longest draft that it may
    /// write; none when it does.
    fn over_budget(&self, model: &dyn ChatModel, retrieved: &Retrieved<'_>) -> Option<String> {
        let routed = &retrieved.routed;
        let budget = routed.question.budget_usd()?;
        let request = self.request(retrieved);
        let prompt_tokens = request.messages.iter().map(|m| self.prices.estimated_tokens(&m.content)).sum();
        let completion_tokens = u64::from(self.max_output_tokens);
        let most = Usage { prompt_tokens, completion_tokens, ..Usage::default() };
        match self.prices.cost_usd(model.model(), &most, self.clock.now()) {
            Some(cost) if cost <= budget => None,
            Some(cost) => Some(format!(
                "An answer by {} may cost ${cost:.4}, over the budget of ${budget}; this one is quoted.",
                model.model()
            )),
            None => Some(format!(
                "The price of {} is not known, so a budget cannot be kept; this answer is quoted.",
                model.model()
            )),
        }
    }

    fn request(&self, retrieved: &Retrieved<'_>) -> crate::llm::ChatRequest {
        let thinking = retrieved.routed.route == Route::Reason;
        draft::request(retrieved.routed.question.text(), &retrieved.evidence, thinking, self.max_output_tokens)
    }

    async fn quote<'r>(
        &self,
        retrieved: &'r Retrieved<'_>,
        opening: &str,
        notice: Option<String>,
        log: &EventLog,
    ) -> Result<Written<'r>, AgentError> {
        let question = retrieved.routed.question.text();
        let vector = self.vectors.of_one(question).await?;
        let mut verifier = Verifier::new(&retrieved.evidence, opening);
        for chosen in quote::choose(question, vector.as_deref(), &retrieved.evidence) {
            if let Some(claim) = verifier.quote(chosen.n, chosen.start, chosen.end) {
                log.add("token", &json!({"text": claim.text}));
                log.add("claim", &claim);
            }
        }
        let usage = UsageReport { cost_usd: Some(0.0), baseline_cost_usd: Some(0.0), ..UsageReport::default() };
        Ok(Written { verifier, usage, model: "quote".to_owned(), route: Route::Quote, notice })
    }

    /// A model's draft, each sentence checked as soon as it is complete: nothing unchecked leaves.
    async fn draft<'r>(
        &self,
        model: &dyn ChatModel,
        retrieved: &'r Retrieved<'_>,
        log: &EventLog,
    ) -> Result<Written<'r>, AgentError> {
        let routed = &retrieved.routed;
        let mut stream = model.stream(&self.request(retrieved)).await?;
        let mut verifier = Verifier::new(&retrieved.evidence, "");
        let mut sentences = draft::Sentences::default();
        let mut usage = None;
        while let Some(event) = stream.next().await {
            match event? {
                ChatEvent::Text(piece) => {
                    for sentence in sentences.push(&piece) {
                        self.check(&mut verifier, &sentence, log).await?;
                    }
                }
                ChatEvent::Reasoning(_) => {}
                ChatEvent::Finish { usage: told, .. } => usage = told,
            }
        }
        for sentence in sentences.finish() {
            self.check(&mut verifier, &sentence, log).await?;
        }
        let usage = self.cost(model.model(), usage.as_ref());
        let model = model.model().to_owned();
        Ok(Written { verifier, usage, model, route: routed.route, notice: retrieved.notice.clone() })
    }

    async fn check(&self, verifier: &mut Verifier<'_>, sentence: &str, log: &EventLog) -> Result<(), AgentError> {
        if sentence.trim().is_empty() || draft::says_no_answer(sentence) {
            return Ok(());
        }
        match verifier.check(sentence, &self.vectors).await? {
            Verdict::Passed(claim) => {
                log.add("token", &json!({"text": claim.text}));
                log.add("claim", &claim);
            }
            Verdict::Removed(removed) => log.add("removed", &removed),
        }
        Ok(())
    }

    fn cost(&self, model: &str, usage: Option<&Usage>) -> UsageReport {
        let Some(usage) = usage else { return UsageReport::default() };
        UsageReport {
            prompt_tokens: usage.prompt_tokens,
            cache_hit_tokens: usage.cache_hit_tokens,
            completion_tokens: usage.completion_tokens,
            cost_usd: self.prices.cost_usd(model, usage, self.clock.now()),
            baseline_cost_usd: Some(self.prices.baseline_cost_usd(usage)),
        }
    }
}

/// A fault that stays until somebody changes a key or pays: to be told, not to be papered over.
fn needs_the_operator(fault: &LlmError) -> bool {
    matches!(fault, LlmError::Unauthorized { .. } | LlmError::OutOfCredit { .. })
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e5).round() / 100.0
}

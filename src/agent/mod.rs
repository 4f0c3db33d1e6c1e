//! A question on its way to a verified answer: route -> retrieve -> draft -> verify, each step an event.
//!
//! States are types. A [`Routed`] question knows who will answer; a `Retrieved` one has its evidence; only
//! [`verify`] makes an [`Answer`] of it.

pub mod answer;
pub mod draft;
pub mod event;
pub mod evidence;
mod notice;
pub mod quote;
pub mod sentence;
pub mod support;
pub mod verify;
pub mod words;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use answer::{AskMode, Circumstances, Question, Route, UsageReport};
use event::EventLog;
use evidence::{Evidence, Vectors, gather};
use index::{Mode, SearchQuery};
use serde_json::json;
use verify::{Answer, Verifier};

use crate::clock::Clock;
use crate::library::{Library, LibraryError};
use crate::llm::{ChatModel, LlmError, Prices};

/// How many passages an answer may draw from.
const EVIDENCE: usize = 10;

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
    model: Option<Arc<dyn ChatModel>>,
    prices: Arc<Prices>,
    max_output_tokens: u32,
    clock: Clock,
}

/// What an [`Agent`] is made of.
pub struct AgentParts {
    /// Where it looks.
    pub library: Library,
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
    /// Of the model that belongs to the index that was searched, to the end of the answer.
    vectors: Vectors,
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
        let AgentParts { library, model, prices, max_output_tokens, clock } = parts;
        Self { library, model, prices, max_output_tokens, clock }
    }

    /// Answers a question, telling `log` each step; the last event, the answer or the error, is left to the caller, who
    /// stores it first.
    ///
    /// # Errors
    /// See [`AgentError`]. A provider that is down, overloaded or breaks off is no error: then the answer is quoted, or
    /// is what had passed until then, and says so.
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
        let usage = written.usage;
        let circumstances = Circumstances {
            id: id.to_owned(),
            question: question.text().to_owned(),
            route: written.route,
            usage,
            model: written.model,
            timings_ms: timings,
            notice: written.notice,
        };
        let answer = written.verifier.finish(circumstances, &[question.text().to_owned()]);
        if answer.claims().is_empty() {
            log.add("token", &json!({"text": answer.text()}));
        }
        log.add("usage", &usage);
        Ok(answer)
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
            ..SearchQuery::question(routed.question.text())
        };
        let index = self.library.index();
        let found = self.library.search_in(&index, query).await?;
        log.add(
            "search",
            &json!({"query": routed.question.text(), "hits": found.hits.len(), "total": found.total, "mode": found.mode,
                "took_ms": found.took_ms, "notice": found.notice}),
        );
        let pairs = found.hits.into_iter().map(|found| (found.hit, found.paper)).collect();
        let vectors = Vectors::of_index(index);
        let evidence = gather(pairs, &vectors).await?;
        let told: Vec<_> = evidence
            .iter()
            .map(|e| {
                json!({"n": e.n, "paper_id": e.hit.paper, "passage_id": e.hit.passage.id, "title": e.paper.title,
                    "year": e.paper.year, "text": e.hit.passage.text, "score": e.hit.score})
            })
            .collect();
        log.add("evidence", &told);
        Ok(Retrieved { routed, evidence, vectors, notice: found.notice })
    }
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e5).round() / 100.0
}

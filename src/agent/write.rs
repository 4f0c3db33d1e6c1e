//! The fourth step of the walk: a model's draft, or the papers' own sentences, checked as they come.

use futures::StreamExt;
use serde_json::json;

use super::answer::{Claim, Route, UsageReport};
use super::event::EventLog;
use super::evidence::Vectors;
use super::notice::{Shortfall, joined};
use super::verify::{Verdict, Verifier};
use super::{Agent, AgentError, Retrieved, Written, draft, quote};
use crate::llm::{ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, LlmError, Usage};

/// What a quoting answer begins with.
const QUOTING: &str = "No language model wrote this: these are the papers' own sentences.";
/// What an answer used that no model was asked for.
const FREE: UsageReport = UsageReport {
    prompt_tokens: 0,
    cache_hit_tokens: 0,
    completion_tokens: 0,
    cost_usd: Some(0.0),
    baseline_cost_usd: Some(0.0),
};

/// What came of asking a model.
struct Draft<'e> {
    verifier: Verifier<'e>,
    /// None when nobody said.
    usage: Option<Usage>,
    shortfall: Option<Shortfall>,
}

/// How an answer is quoted, and what had happened before.
struct Quoting<'e> {
    opening: String,
    notice: Option<String>,
    usage: UsageReport,
    /// The draft that the quotations stand in for; no sentence of it has passed.
    instead_of: Option<Verifier<'e>>,
}

impl Quoting<'_> {
    fn at_once(notice: Option<String>) -> Self {
        Self { opening: QUOTING.to_owned(), notice, usage: FREE, instead_of: None }
    }
}

impl Agent {
    pub(super) async fn write<'r>(
        &self,
        retrieved: &'r Retrieved<'_>,
        log: &EventLog,
    ) -> Result<Written<'r>, AgentError> {
        let Some(model) = retrieved.routed.writer.as_ref().filter(|_| !retrieved.evidence.is_empty()) else {
            return self.quote(retrieved, Quoting::at_once(None), log).await;
        };
        if let Some(notice) = self.over_budget(model.as_ref(), retrieved) {
            return self.quote(retrieved, Quoting::at_once(Some(notice)), log).await;
        }
        let Draft { verifier, usage, shortfall } = self.draft(model.as_ref(), retrieved, log).await?;
        let notice = match shortfall {
            None => None,
            Some(shortfall) if verifier.has_claims() => Some(shortfall.incomplete(usage.is_some())),
            Some(Shortfall::Failed(fault)) if !fault.worth_another_provider() || needs_the_operator(&fault) => {
                return Err(fault.into());
            }
            Some(shortfall) => {
                let quoting = Quoting {
                    opening: format!("{} {QUOTING}", shortfall.opening()),
                    notice: Some(shortfall.quoted(usage.is_some())),
                    usage: self.cost(model.model(), usage.as_ref()),
                    instead_of: Some(verifier),
                };
                return self.quote(retrieved, quoting, log).await;
            }
        };
        Ok(Written {
            verifier,
            usage: self.cost(model.model(), usage.as_ref()),
            model: model.model().to_owned(),
            route: retrieved.routed.route,
            notice: joined([retrieved.notice.clone(), notice]),
        })
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

    fn request(&self, retrieved: &Retrieved<'_>) -> ChatRequest {
        let thinking = retrieved.routed.route == Route::Reason;
        draft::request(retrieved.routed.question.text(), &retrieved.evidence, thinking, self.max_output_tokens)
    }

    async fn quote<'r>(
        &self,
        retrieved: &'r Retrieved<'_>,
        quoting: Quoting<'r>,
        log: &EventLog,
    ) -> Result<Written<'r>, AgentError> {
        let Quoting { opening, notice, usage, instead_of } = quoting;
        let mut verifier = Verifier::new(&retrieved.evidence, &opening);
        if let Some(draft) = instead_of {
            verifier.take_over_removed(draft);
        }
        // Nothing to choose from needs no vector.
        if !retrieved.evidence.is_empty() {
            let question = retrieved.routed.question.text();
            let vector = retrieved.vectors.of_query(question).await?;
            for chosen in quote::choose(question, vector.as_deref(), &retrieved.evidence) {
                if let Some(claim) = verifier.quote(chosen.n, chosen.start, chosen.end) {
                    tell(&claim, &verifier, log);
                }
            }
        }
        let notice = joined([retrieved.notice.clone(), notice]);
        Ok(Written { verifier, usage, model: "quote".to_owned(), route: Route::Quote, notice })
    }

    /// Asks the model for a draft.
    async fn draft<'r>(
        &self,
        model: &dyn ChatModel,
        retrieved: &'r Retrieved<'_>,
        log: &EventLog,
    ) -> Result<Draft<'r>, AgentError> {
        let mut verifier = Verifier::new(&retrieved.evidence, "");
        let (usage, shortfall) = match model.stream(&self.request(retrieved)).await {
            Ok(stream) => self.read((stream, model.provider()), &mut verifier, &retrieved.vectors, log).await?,
            Err(fault) if fault.was_turned_away() => (Some(Usage::default()), Some(Shortfall::Failed(fault))),
            Err(fault) => (fault.usage(), Some(Shortfall::Failed(fault))),
        };
        if let Some(shortfall) = &shortfall {
            shortfall.log();
        }
        Ok(Draft { verifier, usage, shortfall })
    }

    /// Reads a draft to its end, each sentence checked as soon as it is complete: nothing unchecked leaves. What
    /// had passed when the model broke off stands.
    async fn read(
        &self,
        (mut stream, provider): (ChatStream, &str),
        verifier: &mut Verifier<'_>,
        vectors: &Vectors,
        log: &EventLog,
    ) -> Result<(Option<Usage>, Option<Shortfall>), AgentError> {
        let mut sentences = draft::Sentences::default();
        let mut silent = true;
        let (usage, shortfall) = loop {
            match stream.next().await.unwrap_or_else(|| Err(ended_early(provider))) {
                Ok(ChatEvent::Text(piece)) => {
                    silent &= piece.trim().is_empty();
                    for sentence in sentences.push(&piece) {
                        check(verifier, &sentence, vectors, log).await?;
                    }
                }
                Ok(ChatEvent::Reasoning(_)) => {}
                Ok(ChatEvent::Finish { reason: FinishReason::Stop, usage }) => {
                    break (usage, silent.then_some(Shortfall::Silent));
                }
                Ok(ChatEvent::Finish { reason, usage }) => break (usage, Some(Shortfall::Stopped(reason))),
                Err(fault) => break (fault.usage(), Some(Shortfall::Failed(fault))),
            }
        };
        let mut rest = sentences.finish();
        if shortfall.is_some() {
            // Half a sentence may say the opposite of the whole one.
            rest.pop_if(|last| !has_come_to_its_marks(last));
        }
        for sentence in rest {
            check(verifier, &sentence, vectors, log).await?;
        }
        Ok((usage, shortfall))
    }

    fn cost(&self, model: &str, usage: Option<&Usage>) -> UsageReport {
        let Some(usage) = usage else { return UsageReport::default() };
        if *usage == Usage::default() {
            return FREE;
        }
        UsageReport {
            prompt_tokens: usage.prompt_tokens,
            cache_hit_tokens: usage.cache_hit_tokens,
            completion_tokens: usage.completion_tokens,
            cost_usd: self.prices.cost_usd(model, usage, self.clock.now()),
            baseline_cost_usd: Some(self.prices.baseline_cost_usd(usage)),
        }
    }
}

async fn check(
    verifier: &mut Verifier<'_>,
    sentence: &str,
    vectors: &Vectors,
    log: &EventLog,
) -> Result<(), AgentError> {
    if sentence.trim().is_empty() || draft::says_no_answer(sentence) {
        return Ok(());
    }
    match verifier.check(sentence, vectors).await? {
        Verdict::Passed(claim) => tell(&claim, verifier, log),
        Verdict::Removed(removed) => log.add("removed", &removed),
    }
    Ok(())
}

/// Tells a claim that has passed just now. The tokens of a run add up to the text of its answer.
fn tell(claim: &Claim, verifier: &Verifier<'_>, log: &EventLog) {
    log.add("token", &json!({"text": verifier.newest_text()}));
    log.add("claim", claim);
}

fn ended_early(provider: &str) -> LlmError {
    LlmError::Incomplete { provider: provider.to_owned(), message: "the stream ended without saying why".to_owned() }
}

/// Whether a draft's last sentence is all there: each sentence ends with its marks.
fn has_come_to_its_marks(sentence: &str) -> bool {
    sentence.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '!' | '?')).ends_with(']')
}

/// A fault that stays until somebody changes a key or pays: to be told, not to be papered over.
fn needs_the_operator(fault: &LlmError) -> bool {
    matches!(fault, LlmError::Unauthorized { .. } | LlmError::OutOfCredit { .. })
}

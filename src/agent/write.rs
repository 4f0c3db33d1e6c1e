//! The fourth step of the walk: a model's draft, or the papers' own sentences, checked as they come.

use futures::StreamExt;
use serde::{Deserialize, Serialize};

use super::answer::{Form, Route};
use super::checking::{Checking, tell};
use super::desk::Step;
use super::event::EventLog;
use super::evidence::{Evidence, Vectors};
use super::notice::{Shortfall, Unasked, joined, stood_in};
use super::plan::Plan;
use super::purse::{Call, Purse};
use super::quote::{self, Chosen, Reading};
use super::retrieve::Retrieved;
use super::run::Run;
use super::verify::Verifier;
use super::{AgentError, Settings, draft};
use crate::llm::{ChatEvent, ChatRequest, FinishReason, LlmError, Usage};

/// What a quoting answer begins with.
const QUOTING: &str = "No language model wrote this: these are the papers' own sentences.";
/// How often a draft that broke off at its limit is gone on with.
const MOST_CONTINUATIONS: usize = 2;
/// The name of this step in a run.
const STEP: &str = "draft";

/// What came of asking models for a draft.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Drafted {
    /// All that was drafted, as it came.
    pub text: String,
    /// Who drafted it; none when nobody did.
    pub model: Option<String>,
    /// Those who were asked before, and what became of that.
    passed_over: Vec<(String, Unasked)>,
    /// Why it is not a whole answer; none when it is.
    shortfall: Option<Shortfall>,
}

/// What was written, ready to become an answer.
pub(super) struct Written<'e> {
    pub verifier: Verifier<'e>,
    pub model: String,
    pub route: Route,
    pub notice: Option<String>,
}

/// Who writes an answer of one run.
pub(super) struct Writer<'a, 'e> {
    pub run: &'a Run,
    pub purse: &'a Purse<'a>,
    pub settings: &'a Settings,
    pub plan: &'a Plan,
    pub form: Form,
    pub retrieved: &'e Retrieved,
}

/// How the reading of one call ended.
enum Ended {
    Whole,
    Stopped(FinishReason),
    Broke(LlmError),
}

impl<'e> Writer<'_, 'e> {
    pub(super) fn log(&self) -> &EventLog {
        self.run.log()
    }

    pub(super) fn vectors(&self) -> &'e Vectors {
        &self.retrieved.vectors
    }

    /// An answer in the papers' own sentences.
    pub async fn quoted(&self, notice: Option<String>) -> Result<Written<'e>, AgentError> {
        self.quote(QUOTING, notice, Verifier::new(&self.retrieved.evidence, "")).await
    }

    /// A model's answer, as far as it stands; the papers' own sentences where nothing of it does and the model is to blame.
    pub async fn drafted(&self, route: Route) -> Result<Written<'e>, AgentError> {
        let verifier = Verifier::new(&self.retrieved.evidence, "");
        let mut checking = Checking::new(verifier, self.form, self.settings.model_checks);
        let drafted = match self.run.outcome::<Drafted>(STEP)? {
            Some(drafted) => {
                self.check_again(&drafted, &mut checking).await?;
                drafted
            }
            None => {
                let drafted = self.draft(route == Route::Reason, &mut checking).await?;
                self.run.finish(STEP, &drafted)?;
                self.run.note().await?;
                drafted
            }
        };
        let mut unchecked = self.entail("entailment", 0, &mut checking).await?;
        if drafted.shortfall.is_none() {
            let known = checking.held.as_ref().map_or(0, Vec::len);
            self.repair(&drafted, &mut checking).await?;
            unchecked = unchecked.or(self.entail("entailment-of-repair", known, &mut checking).await?);
        }
        self.release(&mut checking).await?;
        checking.give_up(self.log());
        let uncounted = self.purse.is_uncounted();
        let model = drafted.model.clone().unwrap_or_default();
        let notice = match &drafted.shortfall {
            None => stood_in(&model, &drafted.passed_over),
            Some(shortfall) if checking.verifier.has_claims() => Some(shortfall.incomplete(uncounted)),
            Some(shortfall) => {
                let opening = shortfall.opening().map_or(QUOTING.to_owned(), |opening| format!("{opening} {QUOTING}"));
                return self.quote(&opening, Some(shortfall.quoted(uncounted)), checking.verifier).await;
            }
        };
        let notice = joined([self.retrieved.notice.clone(), notice, unchecked]);
        Ok(Written { verifier: checking.verifier, model, route, notice })
    }

    /// Quotes; what was taken out of a draft before stays listed.
    async fn quote(
        &self,
        opening: &str,
        notice: Option<String>,
        before: Verifier<'e>,
    ) -> Result<Written<'e>, AgentError> {
        let evidence = &self.retrieved.evidence;
        let mut verifier = Verifier::new(evidence, opening);
        verifier.take_over_removed(before);
        // Nothing to choose from needs no vector.
        if !evidence.is_empty() {
            let parts = self.plan.queries.get(1..).unwrap_or_default();
            let mut quoted = std::collections::HashSet::new();
            for (heading, chosen) in self.chosen(parts).await? {
                if let Some(heading) = heading {
                    verifier.head(heading);
                }
                for Chosen { n, start, end, also } in chosen {
                    if quoted.insert((n, start))
                        && let Some(claim) = verifier.quote(n, start, end, &also)
                    {
                        tell(&claim, &mut verifier, self.log());
                    }
                }
            }
        }
        let notice = joined([self.retrieved.notice.clone(), notice]);
        Ok(Written { verifier, model: "quote".to_owned(), route: Route::Quote, notice })
    }

    /// The sentences that are quoted: in a review under each part of the question, else of all of it.
    async fn chosen<'p>(&self, parts: &'p [String]) -> Result<Vec<(Option<&'p String>, Vec<Chosen>)>, AgentError> {
        let evidence = &self.retrieved.evidence;
        let mut readings = Vec::with_capacity(parts.len());
        for part in parts {
            readings.push(Reading::of(part, false, evidence, self.vectors()).await?);
        }
        if self.form == Form::Sections && !parts.is_empty() {
            let read = parts.iter().zip(&readings);
            return Ok(read.map(|(part, reading)| (Some(part), quote::choose(reading, &[], evidence))).collect());
        }
        let subject = self.plan.subject();
        let whole = Reading::of(&subject, subject == self.plan.question, evidence, self.vectors()).await?;
        Ok(vec![(None, quote::choose(&whole, &readings, evidence))])
    }

    /// The request for the draft over the best passages, so many of them; all for a share of 1.
    pub(super) fn request(&self, thinking: bool, share: usize) -> ChatRequest {
        let mut evidence: Vec<&Evidence> = self.retrieved.evidence.iter().collect();
        if share > 1 {
            evidence.sort_by(|a, b| b.relevance.total_cmp(&a.relevance).then(a.n.cmp(&b.n)));
            evidence.truncate((evidence.len() / share).max(1));
            evidence.sort_by_key(|evidence| evidence.n);
        }
        let request = draft::request(&self.plan.question, &evidence, thinking, self.settings.max_output_tokens);
        let request = if self.form == Form::Sections { draft::of_review(request) } else { request };
        draft::instructed(request, &self.settings.instructions)
    }

    /// Asks for a draft, one provider after the other, until one has written something that stands or has come to its end.
    async fn draft(&self, thinking: bool, checking: &mut Checking<'e>) -> Result<Drafted, AgentError> {
        let mut passed_over = Vec::new();
        let (mut place, mut share) = (0, 1);
        loop {
            let request = self.request(thinking, share);
            let mut call = match self.purse.ask(Step::Draft, &request, place).await? {
                Ok(call) => call,
                Err(nobody) => {
                    let last = nobody.passed_over.last().map(|(_, why)| why.clone());
                    passed_over.extend(nobody.passed_over);
                    let too_long = last.is_some_and(|why| why.is("context_too_long"));
                    if too_long && self.retrieved.evidence.len() > share {
                        share *= 2;
                        passed_over.pop();
                        continue;
                    }
                    let shortfall = Some(Shortfall::Nobody(passed_over));
                    return Ok(Drafted { shortfall, ..Drafted::default() });
                }
            };
            passed_over.append(&mut call.passed_over);
            let model = call.receipt.seat.model.model().to_owned();
            let (text, ended) = self.read_to_the_end(call, &request, checking, &mut place).await?;
            let shortfall = match ended {
                Ended::Whole => text.trim().is_empty().then_some(Shortfall::Silent),
                Ended::Stopped(reason) => Some(Shortfall::Stopped(reason)),
                Ended::Broke(fault) => {
                    let more = place + 1 < self.purse.seats(Step::Draft);
                    if more && fault.worth_another_provider() && !checking.verifier.has_claims() {
                        checking.give_up(self.log());
                        passed_over.push((self.purse.provider(Step::Draft, place), Unasked::failed(&fault)));
                        place += 1;
                        continue;
                    }
                    Some(Shortfall::Failed(fault.kind().to_owned()))
                }
            };
            return Ok(Drafted { text, model: Some(model), passed_over, shortfall });
        }
    }

    /// Reads a call and those that go on with it, each settled as soon as it is over.
    async fn read_to_the_end(
        &self,
        mut call: Call,
        request: &ChatRequest,
        checking: &mut Checking<'e>,
        place: &mut usize,
    ) -> Result<(String, Ended), AgentError> {
        *place = call.place;
        let mut sentences = draft::Sentences::default();
        let mut text = String::new();
        let mut continuations = 0;
        let ended = loop {
            let before = text.len();
            let (ended, usage) = self.read(&mut call, &mut sentences, &mut text, checking).await?;
            call.receipt.note_said(text.get(before..).unwrap_or_default());
            let fault = if let Ended::Broke(fault) = &ended { Some(fault) } else { None };
            self.purse.settle(&call.receipt, usage, fault).await?;
            let goes_on = matches!(&ended, Ended::Stopped(FinishReason::Length))
                && continuations < MOST_CONTINUATIONS
                && call.receipt.seat.model.can_continue()
                && !text.trim().is_empty();
            if !goes_on {
                break ended;
            }
            continuations += 1;
            let further = draft::continuation(request, &text);
            match self.purse.ask_again(Step::Draft, &further, *place).await? {
                Some(further) => call = further,
                None => break ended,
            }
        };
        self.check_rest(sentences, matches!(ended, Ended::Whole), checking).await?;
        Ok((text, ended))
    }

    async fn read(
        &self,
        call: &mut Call,
        sentences: &mut draft::Sentences,
        text: &mut String,
        checking: &mut Checking<'e>,
    ) -> Result<(Ended, Option<Usage>), AgentError> {
        loop {
            let provider = call.receipt.seat.model.provider();
            match call.stream.next().await.unwrap_or_else(|| Err(ended_early(provider))) {
                Ok(ChatEvent::Text(piece)) => {
                    text.push_str(&piece);
                    for sentence in sentences.push(&piece) {
                        checking.check(&sentence, self.vectors(), self.log()).await?;
                    }
                }
                Ok(ChatEvent::Finish { reason: FinishReason::Stop, usage }) => return Ok((Ended::Whole, usage)),
                Ok(ChatEvent::Finish { reason, usage }) => return Ok((Ended::Stopped(reason), usage)),
                Ok(_) => {}
                Err(fault) => {
                    let usage = fault.usage();
                    return Ok((Ended::Broke(fault), usage));
                }
            }
        }
    }

    async fn check_rest(
        &self,
        sentences: draft::Sentences,
        whole: bool,
        checking: &mut Checking<'e>,
    ) -> Result<(), AgentError> {
        let mut rest = sentences.finish();
        if !whole {
            // Half a sentence may say the opposite of the whole one.
            rest.pop_if(|last| !has_come_to_its_marks(last));
        }
        for sentence in rest {
            checking.check(&sentence, self.vectors(), self.log()).await?;
        }
        Ok(())
    }

    /// Checks a draft that was paid for before the run was cut off.
    async fn check_again(&self, drafted: &Drafted, checking: &mut Checking<'e>) -> Result<(), AgentError> {
        let mut sentences = draft::Sentences::default();
        for sentence in sentences.push(&drafted.text) {
            checking.check(&sentence, self.vectors(), self.log()).await?;
        }
        self.check_rest(sentences, drafted.shortfall.is_none(), checking).await
    }
}

pub(super) fn ended_early(provider: &str) -> LlmError {
    LlmError::Incomplete { provider: provider.to_owned(), message: "the stream ended without saying why".to_owned() }
}

/// Whether a draft's last sentence is all there: each sentence ends with its marks.
fn has_come_to_its_marks(sentence: &str) -> bool {
    sentence.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '!' | '?')).ends_with(']')
}

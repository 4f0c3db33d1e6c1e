//! The purse of one run: no call is made that is not in the ledger first, with what it may cost at most; what it took is written
//! down as soon as that is known.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::AgentError;
use super::answer::UsageReport;
use super::calling::{chat_span, end_chat, note_said};
use super::desk::{Desk, Seat, Step};
use super::notice::Unasked;
use super::run::Run;
use crate::llm::{Admission, ChatRequest, ChatStream, LlmError, Usage};
use crate::store::{CallTokens, NewCall, Settled, StoreError};
use crate::telemetry::trace::Open;

/// The shortest answer that is worth asking for, in tokens, where a budget does not allow the longest.
const LEAST_OUTPUT: u32 = 200;

/// What one run has spent and may spend.
pub struct Purse<'r> {
    desk: &'r Desk,
    run: &'r Run,
    budget_usd: Option<f64>,
    spent: Mutex<Spent>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    usage: Usage,
    known_usd: f64,
    baseline_usd: f64,
    /// What calls of unknown cost may have cost at most.
    at_most_usd: f64,
    /// Of some call it is not known what it cost.
    unknown: bool,
    /// Of some call it is not known what it took.
    uncounted: bool,
}

/// A call under way; it has to be settled.
pub struct Call {
    /// What comes.
    pub stream: ChatStream,
    /// Who says it, and what it is settled by.
    pub receipt: Receipt,
    /// Its place in the order of those who are asked.
    pub place: usize,
    /// Those who were to be asked before, and why they were not or gave nothing.
    pub passed_over: Vec<(String, Unasked)>,
}

/// Who was asked, and the line of the ledger that says so.
pub struct Receipt {
    /// Who was asked.
    pub seat: Seat,
    entry: Entry,
}

impl Receipt {
    /// Has the trace tell what was said, where it may.
    pub(super) fn note_said(&self, text: &str) {
        if let Some(span) = &self.entry.span {
            note_said(span, text);
        }
    }
}

/// What a message takes beside its text, in tokens.
const OF_A_MESSAGE: u64 = 8;

/// A call's line in the ledger, and how its provider was admitted.
#[derive(Debug)]
struct Entry {
    no: i64,
    most_usd: Option<f64>,
    admission: Admission,
    /// When it began, which decides over its price.
    at: Timestamp,
    /// The call in the run's trace.
    span: Option<Open>,
}

/// Nobody answers: who was to be asked, and why they were not or gave nothing.
#[derive(Debug)]
pub struct Nobody {
    /// In the order of asking; empty when nobody was left to be asked.
    pub passed_over: Vec<(String, Unasked)>,
}

impl<'r> Purse<'r> {
    /// The purse of a run, with what it has spent before it was cut off.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn of(desk: &'r Desk, run: &'r Run, budget_usd: Option<f64>) -> Result<Self, StoreError> {
        let mut spent = Spent::default();
        if run.goes_on() {
            for call in run.store().calls_of(run.id()).await? {
                let tokens = call.tokens.map(usage_of);
                spent.add(tokens, call.cost_usd, call.baseline_usd, call.reserved_usd);
            }
        }
        Ok(Self { desk, run, budget_usd, spent: Mutex::new(spent) })
    }

    /// Begins a call with the first who can be asked, from `place` on in the order.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn ask(
        &self,
        step: Step,
        request: &ChatRequest,
        place: usize,
    ) -> Result<Result<Call, Nobody>, AgentError> {
        self.ask_those(step, request, place..usize::MAX).await
    }

    async fn ask_those(
        &self,
        step: Step,
        request: &ChatRequest,
        places: Range<usize>,
    ) -> Result<Result<Call, Nobody>, AgentError> {
        let mut passed_over = Vec::new();
        let seats = self.desk.models.of(step).iter().enumerate();
        for (place, seat) in seats.filter(|(place, _)| places.contains(place)) {
            let mut pass_over = |why| passed_over.push((seat.model.provider().to_owned(), why));
            let admission = match seat.breaker.admit(self.desk.clock.now()) {
                Ok(admission) => admission,
                Err(resting) => {
                    pass_over(Unasked::Resting { since: resting.why.to_owned() });
                    continue;
                }
            };
            let at = self.desk.clock.now();
            let (request, most) = match self.affordable(seat, request, at) {
                Ok(affordable) => affordable,
                Err(why) => {
                    pass_over(why);
                    continue;
                }
            };
            let Some(no) = self.reserve(step, seat, most, at).await? else {
                pass_over(Unasked::MonthIsSpent);
                continue;
            };
            let entry = Entry { no, most_usd: most, admission, at, span: chat_span(step, seat, &request) };
            match seat.model.stream(&request).await {
                Ok(stream) => {
                    let receipt = Receipt { seat: seat.clone(), entry };
                    return Ok(Ok(Call { stream, receipt, place, passed_over }));
                }
                Err(fault) => {
                    let elsewhere = fault.worth_another_provider();
                    let usage = if is_free(&fault) { Some(Usage::default()) } else { fault.usage() };
                    self.settle_entry(seat, &entry, usage, Some(&fault)).await?;
                    pass_over(Unasked::failed(&fault));
                    if !elsewhere {
                        break;
                    }
                }
            }
        }
        Ok(Err(Nobody { passed_over }))
    }

    /// Whether what is left pays for this call at its longest and for as much again, so that a call that only advises does not use
    /// up what the answer is to be written for. Always without a budget.
    #[must_use]
    pub fn can_spare(&self, step: Step, request: &ChatRequest) -> bool {
        let Some(left) = self.left() else { return true };
        let first = self.desk.models.of(step).first();
        let most = first.and_then(|seat| self.most(seat, request, request.max_tokens, self.desk.clock.now()));
        most.is_some_and(|most| 2.0 * most <= left)
    }

    /// What a call costs at most with so long an answer; none where the price is not known.
    fn most(&self, seat: &Seat, request: &ChatRequest, longest: Option<u32>, at: Timestamp) -> Option<f64> {
        let estimated: u64 =
            request.messages.iter().map(|m| self.desk.prices.estimated_tokens(&m.content) + OF_A_MESSAGE).sum();
        // Formulas and tables have more tokens a character than the prose that the estimate is made for.
        let prompt_tokens = estimated + estimated / 4;
        let completion_tokens = u64::from(longest.unwrap_or(LEAST_OUTPUT));
        let usage = Usage { prompt_tokens, completion_tokens, ..Usage::default() };
        self.desk.prices.cost_usd(seat.model.model(), &usage, at)
    }

    /// Asks the one at `place` once more, as after a draft that broke off at its limit; none when that cannot be.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn ask_again(&self, step: Step, request: &ChatRequest, place: usize) -> Result<Option<Call>, AgentError> {
        Ok(self.ask_those(step, request, place..place + 1).await?.ok())
    }

    /// How many may be asked for a step.
    #[must_use]
    pub fn seats(&self, step: Step) -> usize {
        self.desk.models.of(step).len()
    }

    /// Who sits at a place.
    #[must_use]
    pub fn provider(&self, step: Step, place: usize) -> String {
        self.desk.models.of(step).get(place).map(|seat| seat.model.provider().to_owned()).unwrap_or_default()
    }

    /// Writes down what became of a call.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn settle(
        &self,
        receipt: &Receipt,
        usage: Option<Usage>,
        fault: Option<&LlmError>,
    ) -> Result<(), AgentError> {
        self.settle_entry(&receipt.seat, &receipt.entry, usage, fault).await
    }

    async fn settle_entry(
        &self,
        seat: &Seat,
        entry: &Entry,
        usage: Option<Usage>,
        fault: Option<&LlmError>,
    ) -> Result<(), AgentError> {
        let (now, at) = (self.desk.clock.now(), entry.at);
        match fault {
            None => seat.breaker.succeeded(entry.admission),
            Some(fault) => {
                tracing::warn!(kind = fault.kind(), %fault, "the model did not answer");
                seat.breaker.failed(entry.admission, fault, now);
            }
        }
        let model = seat.model.model();
        let cost_usd = usage.and_then(|usage| self.cost(model, &usage, at));
        let baseline_usd = usage.map(|usage| self.desk.prices.baseline_cost_usd(&usage));
        let settled = Settled {
            outcome: fault.map_or("answered", LlmError::kind).to_owned(),
            tokens: usage.map(tokens_of),
            cost_usd,
            baseline_usd,
        };
        if let Some(span) = &entry.span {
            end_chat(span, usage, cost_usd, fault);
        }
        let notes = self.run.notes();
        self.run.store().settle_call(self.run.id(), entry.no, &settled, &notes).await?;
        self.run.noted(&notes);
        self.spent().add(usage, cost_usd, baseline_usd, entry.most_usd);
        Ok(())
    }

    /// What tokens cost at that time; nothing costs nothing, also where the price is not known.
    fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Option<f64> {
        if *usage == Usage::default() {
            return Some(0.0);
        }
        self.desk.prices.cost_usd(model, usage, at)
    }

    /// The request with as long an answer as the budget allows, and what it may cost at most.
    fn affordable(
        &self,
        seat: &Seat,
        request: &ChatRequest,
        at: Timestamp,
    ) -> Result<(ChatRequest, Option<f64>), Unasked> {
        let model = seat.model.model();
        let most = |longest: u32| self.most(seat, request, Some(longest), at);
        let longest = request.max_tokens.unwrap_or(LEAST_OUTPUT);
        let whole = most(longest);
        let Some(left) = self.left() else { return Ok((request.clone(), whole)) };
        let (Some(whole), Some(input)) = (whole, most(0)) else {
            return Err(Unasked::PriceUnknown { model: model.to_owned() });
        };
        if whole <= left {
            return Ok((request.clone(), Some(whole)));
        }
        let by_token = (whole - input) / f64::from(longest.max(1));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let affordable = ((left - input) / by_token).floor().clamp(0.0, f64::from(longest)) as u32;
        if affordable < LEAST_OUTPUT {
            let budget_usd = self.budget_usd.unwrap_or_default();
            return Err(Unasked::OverBudget { model: model.to_owned(), most_usd: whole, budget_usd });
        }
        let request = ChatRequest { max_tokens: Some(affordable), ..request.clone() };
        let most = most(affordable);
        Ok((request, most))
    }

    async fn reserve(
        &self,
        step: Step,
        seat: &Seat,
        most: Option<f64>,
        at: Timestamp,
    ) -> Result<Option<i64>, AgentError> {
        let call = NewCall {
            run: self.run.id(),
            step: step.as_str(),
            provider: seat.model.provider(),
            model: seat.model.model(),
            at,
            reserved_usd: most,
        };
        let notes = self.run.notes();
        let no = self.run.store().reserve_call(&call, self.desk.monthly_usd, &notes).await?;
        self.run.noted(&notes);
        Ok(no)
    }

    /// What may still be spent; none without a budget.
    fn left(&self) -> Option<f64> {
        let spent = *self.spent();
        self.budget_usd.map(|budget| budget - spent.known_usd - spent.at_most_usd)
    }

    /// What the run has used and cost.
    #[must_use]
    pub fn report(&self) -> UsageReport {
        let spent = *self.spent();
        UsageReport {
            prompt_tokens: spent.usage.prompt_tokens,
            cache_hit_tokens: spent.usage.cache_hit_tokens,
            completion_tokens: spent.usage.completion_tokens,
            cost_usd: (!spent.unknown).then_some(spent.known_usd),
            baseline_cost_usd: (!spent.uncounted).then_some(spent.baseline_usd),
        }
    }

    /// Whether a provider did not say what a call took.
    #[must_use]
    pub fn is_uncounted(&self) -> bool {
        self.spent().uncounted
    }

    fn spent(&self) -> std::sync::MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn add(&mut self, usage: Option<Usage>, cost: Option<f64>, baseline: Option<f64>, at_most: Option<f64>) {
        self.uncounted |= usage.is_none();
        self.usage += usage.unwrap_or_default();
        self.baseline_usd += baseline.unwrap_or_default();
        match cost {
            Some(cost) => self.known_usd += cost,
            None => {
                self.unknown = true;
                self.at_most_usd += at_most.unwrap_or_default();
            }
        }
    }
}

/// Whether a call that gave nothing was not begun either, and so takes no tokens.
fn is_free(fault: &LlmError) -> bool {
    let refused = matches!(
        fault,
        LlmError::Unauthorized { .. }
            | LlmError::OutOfCredit { .. }
            | LlmError::BadRequest { .. }
            | LlmError::ContextTooLong { .. }
    );
    refused || fault.was_turned_away()
}

fn tokens_of(usage: Usage) -> CallTokens {
    CallTokens {
        prompt: usage.prompt_tokens,
        cache_hit: usage.cache_hit_tokens,
        completion: usage.completion_tokens,
        reasoning: usage.reasoning_tokens,
    }
}

fn usage_of(tokens: CallTokens) -> Usage {
    Usage {
        prompt_tokens: tokens.prompt,
        cache_hit_tokens: tokens.cache_hit,
        completion_tokens: tokens.completion,
        reasoning_tokens: tokens.reasoning,
    }
}

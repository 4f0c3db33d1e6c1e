//! What a reader is told when a model did not do what it was asked: fixed sentences. What a provider said, its address
//! and its key have no place in an answer; they go to the log.

use serde::{Deserialize, Serialize};

use crate::llm::{FinishReason, LlmError};

/// Why somebody who was to be asked was not, or gave nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unasked {
    /// It has failed too often of late and is left alone for now.
    Resting {
        /// The kind of its last failure.
        since: String,
    },
    /// Its answer may cost more than the question's budget has left.
    OverBudget {
        /// The model.
        model: String,
        /// What the answer may cost at most.
        most_usd: f64,
        /// The budget.
        budget_usd: f64,
    },
    /// There is a budget, and nobody knows what the model costs.
    PriceUnknown {
        /// The model.
        model: String,
    },
    /// The month's cap does not allow it, or the model's price is not known and there is a cap.
    MonthIsSpent,
    /// The call failed.
    Failed {
        /// The kind of failure.
        kind: String,
    },
}

/// Why a draft is not a whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortfall {
    /// Nobody could be asked, or everybody failed before the first word.
    Nobody(Vec<(String, Unasked)>),
    /// The call failed in mid-answer; the kind of failure.
    Failed(String),
    /// The model ended for another reason than that it had said everything.
    Stopped(FinishReason),
    /// It said that it had said everything, and had written nothing.
    Silent,
}

impl Unasked {
    /// The call failed in this way.
    #[must_use]
    pub fn failed(fault: &LlmError) -> Self {
        Self::Failed { kind: fault.kind().to_owned() }
    }

    /// Whether the call failed in this way.
    #[must_use]
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Failed { kind } if kind == wanted)
    }

    fn happened(&self) -> String {
        match self {
            Self::Resting { since } => format!("{} too often and is left alone for now", failed(since)),
            Self::OverBudget { model, most_usd, budget_usd } => {
                format!("An answer by {model} may cost ${most_usd:.4}, over the budget of ${budget_usd}")
            }
            Self::PriceUnknown { model } => {
                format!("The price of {model} is not known, so a budget cannot be kept")
            }
            Self::MonthIsSpent => "The month's budget for models (llm.monthly_usd) does not allow it".to_owned(),
            Self::Failed { kind } => failed(kind).to_owned(),
        }
    }

    /// Whether it was decided here, and the model had no part in it.
    fn is_ours(&self) -> bool {
        matches!(self, Self::OverBudget { .. } | Self::PriceUnknown { .. } | Self::MonthIsSpent)
    }
}

impl Shortfall {
    /// Begins a quoted answer that stands in for the draft; nothing where it was decided here.
    #[must_use]
    pub fn opening(&self) -> Option<&'static str> {
        let not_asked =
            |kind: &str| matches!(kind, "rate_limited" | "overloaded" | "transient" | "unreachable" | "misconfigured");
        match self {
            Self::Nobody(passed_over) => match passed_over.last() {
                Some((_, why)) if why.is_ours() => None,
                Some((_, Unasked::Failed { kind })) if !not_asked(kind) => {
                    Some("The language model gave no usable answer.")
                }
                _ => Some("The language model could not be asked just now."),
            },
            Self::Failed(kind) if not_asked(kind) => Some("The language model could not be asked just now."),
            _ => Some("The language model gave no usable answer."),
        }
    }

    /// The notice of an answer that is quoted instead.
    #[must_use]
    pub fn quoted(&self, uncounted: bool) -> String {
        let ours = matches!(self, Self::Nobody(who) if who.last().is_some_and(|(_, why)| why.is_ours()));
        let so = if ours { "; this answer is quoted" } else { ", so the answer is quoted" };
        format!("{}{so}.{}", self.happened(), cost(uncounted))
    }

    /// The notice of an answer that holds what had passed until then.
    #[must_use]
    pub fn incomplete(&self, uncounted: bool) -> String {
        format!("{} in mid-answer; the answer may be incomplete.{}", self.happened(), cost(uncounted))
    }

    fn happened(&self) -> String {
        match self {
            Self::Nobody(passed_over) => everybody(passed_over),
            Self::Failed(kind) => failed(kind).to_owned(),
            Self::Stopped(FinishReason::Length) => "The model reached its limit (llm.max_output_tokens)".to_owned(),
            Self::Stopped(FinishReason::ContentFilter) => "The provider's content filter stopped the model".to_owned(),
            Self::Stopped(_) => "The model stopped for no usual reason".to_owned(),
            Self::Silent => "The model wrote nothing".to_owned(),
        }
    }
}

/// Who wrote in the place of those who should have; nothing when nobody was passed over.
#[must_use]
pub fn stood_in(model: &str, passed_over: &[(String, Unasked)]) -> Option<String> {
    (!passed_over.is_empty()).then(|| format!("{}; {model} wrote this answer.", everybody(passed_over)))
}

fn everybody(passed_over: &[(String, Unasked)]) -> String {
    match passed_over {
        [] => "No model could be asked".to_owned(),
        [(_, why)] => why.happened(),
        several => {
            let told: Vec<String> = several.iter().map(|(who, why)| format!("{who}: {}", why.happened())).collect();
            told.join("; ")
        }
    }
}

fn failed(kind: &str) -> &'static str {
    match kind {
        "rate_limited" => "The model's provider took no more requests",
        "overloaded" => "The model's provider was overloaded",
        "transient" => "The model's provider failed",
        "stalled" => "The model fell silent",
        "deadline_exceeded" => "The model took too long",
        "incomplete" => "The model broke off",
        "unusable" => "The model gave up",
        "malformed" => "The model's server sent something else than an answer",
        "unauthorized" => "The model's provider refused this server's key",
        "out_of_credit" => "The balance at the model's provider was used up",
        "context_too_long" => "The passages were too long for the model",
        "bad_request" => "The model's provider rejected the request",
        "unreachable" => "The model's provider could not be reached",
        "misconfigured" => "The settings of the model could not be used",
        _ => "The model failed",
    }
}

fn cost(uncounted: bool) -> &'static str {
    if uncounted { " What the model's part of it cost is not known." } else { "" }
}

/// Several notices as one.
#[must_use]
pub fn joined(notices: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    notices.into_iter().flatten().reduce(|all, next| format!("{all} {next}"))
}

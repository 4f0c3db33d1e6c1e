//! What a reader is told when a model did not do what it was asked: fixed sentences. What a provider said, its address
//! and its key have no place in an answer; they go to the log.

use crate::llm::{FinishReason, LlmError};

/// Why a draft is not a whole answer.
#[derive(Debug)]
pub(super) enum Shortfall {
    /// The call failed, at once or in mid-answer.
    Failed(LlmError),
    /// The model ended for another reason than that it had said everything.
    Stopped(FinishReason),
    /// It said that it had said everything, and had written nothing.
    Silent,
}

impl Shortfall {
    /// Begins a quoted answer that stands in for the draft.
    pub(super) fn opening(&self) -> &'static str {
        match self {
            Self::Failed(
                LlmError::RateLimited { .. }
                | LlmError::Overloaded { .. }
                | LlmError::Transient { .. }
                | LlmError::Unreachable { .. }
                | LlmError::Misconfigured { .. },
            ) => "The language model could not be asked just now.",
            _ => "The language model gave no usable answer.",
        }
    }

    /// The notice of an answer that is quoted instead.
    pub(super) fn quoted(&self, cost_known: bool) -> String {
        format!("{}, so the answer is quoted.{}", self.happened(), cost(cost_known))
    }

    /// The notice of an answer that holds what had passed until then.
    pub(super) fn incomplete(&self, cost_known: bool) -> String {
        format!("{} in mid-answer; the answer may be incomplete.{}", self.happened(), cost(cost_known))
    }

    /// The log gets what the provider said, of which the answer tells nothing.
    pub(super) fn log(&self) {
        match self {
            Self::Failed(fault) => tracing::warn!(kind = fault.kind(), %fault, "the model did not answer"),
            Self::Stopped(reason) => tracing::warn!(?reason, "the model did not finish its answer"),
            Self::Silent => tracing::warn!("the model wrote nothing"),
        }
    }

    fn happened(&self) -> &'static str {
        match self {
            Self::Failed(fault) => failed(fault),
            Self::Stopped(FinishReason::Length) => "The model reached its limit (llm.max_output_tokens)",
            Self::Stopped(FinishReason::ContentFilter) => "The provider's content filter stopped the model",
            Self::Stopped(_) => "The model stopped for no usual reason",
            Self::Silent => "The model wrote nothing",
        }
    }
}

fn failed(fault: &LlmError) -> &'static str {
    match fault {
        LlmError::RateLimited { .. } => "The model's provider took no more requests",
        LlmError::Overloaded { .. } => "The model's provider was overloaded",
        LlmError::Transient { .. } => "The model's provider failed",
        LlmError::Stalled { .. } => "The model fell silent",
        LlmError::DeadlineExceeded { .. } => "The model took too long",
        LlmError::Incomplete { .. } => "The model broke off",
        LlmError::Unusable { .. } => "The model gave up",
        LlmError::Malformed { .. } => "The model's server sent something else than an answer",
        LlmError::Unauthorized { .. } => "The model's provider refused this server's key",
        LlmError::OutOfCredit { .. } => "The balance at the model's provider was used up",
        LlmError::ContextTooLong { .. } => "The passages were too long for the model",
        LlmError::BadRequest { .. } => "The model's provider rejected the request",
        LlmError::Unreachable { .. } => "The model's provider could not be reached",
        LlmError::Misconfigured { .. } => "The settings of the model could not be used",
    }
}

fn cost(known: bool) -> &'static str {
    if known { "" } else { " What the model's part of it cost is not known." }
}

/// Several notices as one.
pub(super) fn joined(notices: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    notices.into_iter().flatten().reduce(|all, next| format!("{all} {next}"))
}

//! A model call as its run's trace tells of it.

use super::desk::{Seat, Step};
use crate::llm::{ChatRequest, LlmError, Usage};
use crate::telemetry::conventions;
use crate::telemetry::trace::{Kind, Open, begin};

/// Begins the span of a call.
pub(super) fn chat_span(step: Step, seat: &Seat, request: &ChatRequest) -> Option<Open> {
    let model = seat.model.model();
    let span = begin(&format!("chat {model}"), Kind::Client)?;
    span.note(conventions::OPERATION, "chat");
    span.note(conventions::PROVIDER, seat.model.provider());
    span.note(conventions::REQUEST_MODEL, model);
    span.note("lectern.step", step.as_str());
    if let Some(longest) = request.max_tokens {
        span.note(conventions::MAX_TOKENS, u64::from(longest));
    }
    if let Some(temperature) = request.temperature {
        span.note(conventions::TEMPERATURE, f64::from(temperature));
    }
    span.note_text(conventions::INPUT, || {
        conventions::messages(request.messages.iter().map(|message| (message.role.as_str(), message.content.as_str())))
    });
    Some(span)
}

/// Tells what the model said, where that may be noted.
pub(super) fn note_said(span: &Open, text: &str) {
    span.note_text(conventions::OUTPUT, || conventions::messages([("assistant", text)]));
}

/// Ends it with what it took.
pub(super) fn end_chat(span: &Open, usage: Option<Usage>, cost_usd: Option<f64>, fault: Option<&LlmError>) {
    if let Some(usage) = usage {
        span.note(conventions::INPUT_TOKENS, usage.prompt_tokens);
        span.note(conventions::CACHED_TOKENS, usage.cache_hit_tokens);
        span.note(conventions::OUTPUT_TOKENS, usage.completion_tokens);
        span.note(conventions::REASONING_TOKENS, usage.reasoning_tokens);
    }
    if let Some(cost) = cost_usd {
        span.note("lectern.cost_usd", cost);
    }
    if let Some(fault) = fault {
        span.fail(fault.kind());
    }
    span.end();
}

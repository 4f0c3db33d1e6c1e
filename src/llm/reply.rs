//! What a model gives back.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{Message, ToolCall};

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// The next words of the answer; never empty.
    Text(String),
    /// The next words of the model's thoughts; never empty, and no part of the answer.
    Reasoning(String),
    /// What the model wants tools to do; never empty, at most once, and right before the end. Calls that were cut off
    /// ([`FinishReason::Length`]) are left out. Whether there is this event counts, and not the reason to stop: some
    /// servers say [`FinishReason::Stop`] with it.
    ToolCalls(Vec<ToolCall>),
    /// The answer is over; the last event.
    Finish {
        /// Why it is over.
        reason: FinishReason,
        /// The tokens it took, as reported by the provider, together with those of attempts that had to be thrown
        /// away. `None` when the server does not say.
        usage: Option<Usage>,
    },
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It had said everything.
    Stop,
    /// It reached `max_tokens` or the end of its context: the text breaks off.
    Length,
    /// It wants tools to be called; see [`ChatEvent::ToolCalls`].
    ToolCalls,
    /// The provider's filter cut in.
    ContentFilter,
    /// A reason outside the documented ones, as sent.
    Other(String),
}

impl FinishReason {
    /// Reads `finish_reason` as it is sent. `insufficient_system_resource` is no reason to stop but a failure, and is
    /// dealt with before this.
    pub(crate) fn from_wire(reason: &str) -> Self {
        match reason {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The tokens that a call took, as the provider counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All tokens of the input, cached ones included.
    pub prompt_tokens: u64,
    /// Those of the input that were read from the provider's cache, at a lower price.
    pub cache_hit_tokens: u64,
    /// All tokens of the output, thoughts included.
    pub completion_tokens: u64,
    /// Those of the output that were thoughts.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// The tokens of the input that were not in the cache.
    #[must_use]
    pub fn cache_miss_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_sub(self.cache_hit_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.cache_hit_tokens = self.cache_hit_tokens.saturating_add(other.cache_hit_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatReply {
    /// The answer; empty when the model only thought or was stopped at once.
    pub text: String,
    /// The model's thoughts; empty when it did not think or keeps them to itself.
    pub reasoning: String,
    /// What it wants tools to do, in its order; see [`ChatEvent::ToolCalls`].
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped.
    pub finish: FinishReason,
    /// The tokens it took, attempts that were thrown away included; `None` when the server does not say.
    pub usage: Option<Usage>,
    /// The model as the server names it, which may be more exact than the name that was asked for.
    pub model: String,
}

impl ChatReply {
    /// The answer as a turn of the conversation that goes on: behind it comes a [`Message::tool_result`] for each of
    /// its calls, or what the user says.
    #[must_use]
    pub fn into_message(self) -> Message {
        let Self { text, reasoning, tool_calls, .. } = self;
        Message { reasoning, tool_calls, ..Message::assistant(text) }
    }
}

/// Puts events together into a reply.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    text: String,
    reasoning: String,
    tool_calls: Vec<ToolCall>,
    end: Option<(FinishReason, Option<Usage>)>,
}

impl Collector {
    pub(crate) fn add(&mut self, event: ChatEvent) {
        match event {
            ChatEvent::Text(text) => self.text.push_str(&text),
            ChatEvent::Reasoning(text) => self.reasoning.push_str(&text),
            ChatEvent::ToolCalls(calls) => self.tool_calls.extend(calls),
            ChatEvent::Finish { reason, usage } => self.end = Some((reason, usage)),
        }
    }

    /// `None` when no [`ChatEvent::Finish`] came: what was collected is then no answer.
    pub(crate) fn into_reply(self, model: String) -> Option<ChatReply> {
        let (finish, usage) = self.end?;
        let Self { text, reasoning, tool_calls, .. } = self;
        Some(ChatReply { text, reasoning, tool_calls, finish, usage, model })
    }
}

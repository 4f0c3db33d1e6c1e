//! The door to language models: one trait, and two clients that keep it.
//!
//! [`deepseek`] speaks to DeepSeek's API and knows its habits; [`openai_compatible`] speaks to OpenAI's own API
//! and to any server in its format. What both share lies in one place: `wire` is the format as it is sent,
//! `sse` cuts a stream into events, `reader` turns the bytes of an answer into [`ChatEvent`]s, `transport` sends and
//! waits, `retry` tries again, `tools` and `calls` say what a model may ask to have done and put together what it asks.
//! What a call costs is told by [`Prices`], from the tokens that the answer reports. Whether a provider is better left
//! alone for a while is told by a [`Breaker`], which the caller keeps for each.
//!
//! This module goes out to the network through its own client, and reads neither the environment nor the clock (apart
//! from the timers that bound a call). A key never enters an error, a log line or a debug print; a prompt or an answer
//! enters log lines at debug at most.

mod balance;
mod breaker;
mod calls;
mod client;
mod deepseek;
mod error;
mod models;
mod openai;
mod prices;
mod reader;
mod rejection;
mod reply;
mod retry;
mod settings;
mod sse;
mod tools;
mod transport;
mod who;
mod wire;

#[cfg(test)]
mod tests;

use std::{pin::Pin, sync::Arc};

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

pub use balance::{Account, Balance, balance};
pub use breaker::{Admission, Breaker, BreakerSettings, Resting};
pub use error::LlmError;
pub use models::{ProviderKind, available_models};
pub use prices::{Limits, Prices, PricesError, Successor};
pub use reply::{ChatEvent, ChatReply, FinishReason, Usage};
pub use settings::{DEEPSEEK_URL, OPENAI_URL, ProviderSettings};
pub use tools::{Tool, ToolCall, ToolChoice};
pub(crate) use transport::is_loopback;

use reply::Collector;

/// The pieces of an answer in the order in which the model says them; ends after [`ChatEvent::Finish`] or after the
/// first error. Dropping it ends the call.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatEvent, LlmError>> + Send>>;

/// A model that continues a conversation.
///
/// One value stands for one model at one provider, and is shared between tasks. A call that fails in a way that passes
/// ([`LlmError::is_retryable`]) has already been tried again, with growing pauses, before its error is seen;
/// [`LlmError::worth_another_provider`] says whether somebody else may do better.
///
/// To sum it up: [`complete`](Self::complete) for planning and judging, where only the whole answer is of use, and
/// [`stream`](Self::stream) for drafting, where somebody is watching.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// Who serves the model: `deepseek` or `openai`.
    fn provider(&self) -> &str;

    /// The model's name as it is sent, and the name to ask [`Prices`] about. A retired name that was configured has
    /// been translated here.
    fn model(&self) -> &str;

    /// Whether it goes on from its own words when a request ends with them, so that an answer that stopped at
    /// [`FinishReason::Length`] can be finished. One that does not refuses such a request.
    fn can_continue(&self) -> bool {
        false
    }

    /// Asks for an answer piece by piece.
    ///
    /// Tried again only until the first piece is there: from then on what was handed out stands, and an error ends
    /// the stream. A stream without [`ChatEvent::Finish`] always ends in an error.
    ///
    /// # Errors
    /// See [`LlmError`].
    async fn stream(&self, request: &ChatRequest) -> Result<ChatStream, LlmError>;

    /// Asks for the whole answer.
    ///
    /// # Errors
    /// See [`LlmError`]; half an answer is [`LlmError::Incomplete`].
    async fn complete(&self, request: &ChatRequest) -> Result<ChatReply, LlmError> {
        let mut stream = self.stream(request).await?;
        let mut collector = Collector::default();
        while let Some(event) = stream.next().await {
            collector.add(event?);
        }
        collector.into_reply(self.model().to_owned()).ok_or_else(|| LlmError::Incomplete {
            provider: self.provider().to_owned(),
            message: "the stream ended without saying why".to_owned(),
        })
    }
}

/// What is asked of a model.
///
/// Requests that begin with the same messages are cheaper at providers that cache: put the fixed instruction first,
/// then the evidence in a stable order, then the question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// The conversation so far. When the last message is the assistant's, the model goes on from it, which is how an
    /// answer that stopped at [`FinishReason::Length`] is finished, without thinking and without saying again what it
    /// has said. Only where [`ChatModel::can_continue`], and not from blanks: anything else is a
    /// [`LlmError::BadRequest`].
    pub messages: Vec<Message>,
    /// 0.0 for planning and judging, at most 1.0 for cited answers. Left out for models that do not take it, and
    /// while thinking, where it would be ignored. `None`: the provider's default (DeepSeek: 1.0).
    pub temperature: Option<f32>,
    /// The longest answer in tokens, thoughts included. `None`: the provider's default. Where [`Prices::limits`] knows
    /// that the model gives less, that is asked for.
    pub max_tokens: Option<u32>,
    /// Asks for one JSON object. A message must then contain the word `json`, or the call is a
    /// [`LlmError::BadRequest`]; blank output is [`LlmError::Unusable`], and has been retried. That the output is
    /// JSON of the wanted shape is for the caller to check.
    pub json: bool,
    /// Whether and how hard to think first. `None`: as the model's name implies, else the provider's default
    /// (DeepSeek: on).
    pub thinking: Option<Thinking>,
    /// What the model may ask to have done.
    pub tools: Vec<Tool>,
    /// Whether it may, must or must not.
    pub tool_choice: ToolChoice,
}

/// One turn of a conversation. Plain text only, which is all that DeepSeek takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; may be empty beside tool calls.
    pub content: String,
    /// The thoughts before an assistant's turn, as [`ChatReply::reasoning`] had them. DeepSeek wants them back in
    /// every later request when tools were called in that exchange; otherwise they are not sent.
    pub reasoning: String,
    /// What an assistant's turn wanted tools to do. The next messages have to be their results.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's result belongs to.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// The instruction that the model answers under.
    pub fn system(content: impl Into<String>) -> Self {
        Self::plain(Role::System, content.into())
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::plain(Role::User, content.into())
    }

    /// What the model said earlier. An answer with tool calls is made a turn by [`ChatReply::into_message`].
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::plain(Role::Assistant, content.into())
    }

    /// What came of the [`ToolCall`] with this id.
    pub fn tool_result(call_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call_id.into()), ..Self::plain(Role::Tool, content.into()) }
    }

    fn plain(role: Role, content: String) -> Self {
        Self { role, content, reasoning: String::new(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instruction.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// A tool, with the result of a call.
    Tool,
}

impl Role {
    /// Its name, as it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// Whether a model thinks before it answers, and how hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Answer at once; models that cannot do without thinking think as little as they can.
    Off,
    /// Think, as hard as the provider finds right.
    On,
    /// Think a little.
    Low,
    /// Think hard.
    High,
    /// Think as hard as possible.
    Max,
}

impl From<bool> for Thinking {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

/// A client of DeepSeek's API, or of a proxy in front of it.
///
/// On DeepSeek's own address retired model names are translated by the table of [`Prices::successor`]
/// (`deepseek-chat` and `deepseek-reasoner` become `deepseek-flash` without and with thinking); on any other address
/// names pass through unchanged.
///
/// # Errors
/// [`LlmError::Misconfigured`] for an address or key that cannot be used, [`LlmError::Unauthorized`] when DeepSeek's
/// own address is used without a key.
pub fn deepseek(settings: ProviderSettings) -> Result<Arc<dyn ChatModel>, LlmError> {
    deepseek::build(settings)
}

/// A client of OpenAI's API, or of any server that speaks its format. Without a key none is sent, which is what local
/// servers expect.
///
/// # Errors
/// [`LlmError::Misconfigured`] for an address or key that cannot be used, [`LlmError::Unauthorized`] when OpenAI's
/// own address is used without a key.
pub fn openai_compatible(settings: ProviderSettings) -> Result<Arc<dyn ChatModel>, LlmError> {
    openai::build(settings)
}

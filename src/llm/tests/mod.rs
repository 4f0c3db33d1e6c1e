//! Tests of the model clients: one suite for both, what is each one's own, the pure parts, and real recordings.

mod balance;
mod breaker;
mod calls;
mod deepseek;
mod errors;
mod openai;
mod prices;
mod reader;
mod recordings;
mod server;
mod settings;
mod sse;
mod suite;
mod tools;
mod trouble;
mod waiting;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use secrecy::SecretString;

use super::{
    ChatEvent, ChatModel, ChatRequest, FinishReason, LlmError, Message, ProviderSettings, ToolCall, Usage,
    deepseek as connect, openai_compatible, who::Who,
};

pub(super) const KEY: &str = "sk-0123456789abcdefghij";
pub(super) const ANSWER: &str = "Entropy is 7 µJ/K [1].";
pub(super) const ANSWER_USAGE: Usage =
    Usage { prompt_tokens: 900, cache_hit_tokens: 896, completion_tokens: 12, reasoning_tokens: 0 };

pub(super) const DEEPSEEK_ANSWER: &str = include_str!("../../../tests/fixtures/llm/deepseek_answer.json");
pub(super) const DEEPSEEK_STREAM: &str = include_str!("../../../tests/fixtures/llm/deepseek_stream.sse");
pub(super) const DEEPSEEK_THINKING: &str = include_str!("../../../tests/fixtures/llm/deepseek_thinking.sse");
pub(super) const DEEPSEEK_TOOLS: &str = include_str!("../../../tests/fixtures/llm/deepseek_tools.sse");
pub(super) const OPENAI_ANSWER: &str = include_str!("../../../tests/fixtures/llm/openai_answer.json");
pub(super) const OPENAI_STREAM: &str = include_str!("../../../tests/fixtures/llm/openai_stream.sse");

/// The two clients that a shared behaviour is tested on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    DeepSeek,
    OpenAi,
}

impl Kind {
    pub(super) fn client(self, settings: ProviderSettings) -> Result<Arc<dyn ChatModel>, LlmError> {
        match self {
            Self::DeepSeek => connect(settings),
            Self::OpenAi => openai_compatible(settings),
        }
    }

    pub(super) fn at(self, address: &str) -> Arc<dyn ChatModel> {
        self.client(quick(address)).unwrap()
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::DeepSeek => "deepseek".to_owned(),
            Self::OpenAi => "openai".to_owned(),
        }
    }

    pub(super) fn answer(self) -> &'static str {
        match self {
            Self::DeepSeek => DEEPSEEK_ANSWER,
            Self::OpenAi => OPENAI_ANSWER,
        }
    }

    pub(super) fn streamed(self) -> &'static str {
        match self {
            Self::DeepSeek => DEEPSEEK_STREAM,
            Self::OpenAi => OPENAI_STREAM,
        }
    }
}

/// Settings whose pauses do not hold a test up.
pub(super) fn quick(address: &str) -> ProviderSettings {
    ProviderSettings {
        retry_pause: Duration::from_millis(5),
        deadline: Duration::from_secs(20),
        ..ProviderSettings::new(address, Some(SecretString::from(KEY)), "some-model")
    }
}

pub(super) fn question() -> ChatRequest {
    ChatRequest {
        messages: vec![Message::system("Cite [n]. Answer in JSON if asked."), Message::user("What is entropy?")],
        ..ChatRequest::default()
    }
}

pub(super) fn json_question() -> ChatRequest {
    ChatRequest { json: true, ..question() }
}

pub(super) fn who(key: &str) -> Arc<Who> {
    Arc::new(Who {
        name: "deepseek",
        key_setting: "llm.deepseek.api_key",
        url_setting: "llm.deepseek.base_url",
        address: "http://127.0.0.1".to_owned(),
        key: Some(SecretString::from(key)),
    })
}

/// Everything a stream gives, up to its end.
pub(super) async fn all(model: &dyn ChatModel, request: &ChatRequest) -> Vec<Result<ChatEvent, LlmError>> {
    match model.stream(request).await {
        Ok(stream) => stream.collect().await,
        Err(error) => vec![Err(error)],
    }
}

pub(super) fn text(text: &str) -> ChatEvent {
    ChatEvent::Text(text.to_owned())
}

pub(super) fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
}

pub(super) fn stop(usage: Option<Usage>) -> ChatEvent {
    ChatEvent::Finish { reason: FinishReason::Stop, usage }
}

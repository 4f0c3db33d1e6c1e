//! OpenAI's chat format as it is sent and received, with DeepSeek's additions.
//!
//! What is received is read leniently: servers leave out what they do not know, and add what we do not.

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{ChatRequest, Message, Role, Usage};

/// The body of `POST /chat/completions`.
#[derive(Debug, Serialize)]
pub(crate) struct Request<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: Vec<Turn<'a>>,
    pub(crate) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_format: Option<Typed>,
    /// DeepSeek's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thinking: Option<Typed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_effort: Option<&'static str>,
}

impl<'a> Request<'a> {
    /// What is the same everywhere: the conversation, the temperature, `max_tokens` and the JSON mode.
    pub(crate) fn new(model: &'a str, request: &'a ChatRequest, stream: bool) -> Self {
        Self {
            model,
            messages: request.messages.iter().map(Turn::from).collect(),
            stream,
            stream_options: stream.then_some(StreamOptions { include_usage: true }),
            temperature: request.temperature,
            max_tokens: request.max_tokens,
            max_completion_tokens: None,
            response_format: request.json.then_some(Typed { kind: "json_object" }),
            thinking: None,
            reasoning_effort: None,
        }
    }
}

/// A message. `content` is always a plain string: DeepSeek takes nothing else.
#[derive(Debug, Serialize)]
pub(crate) struct Turn<'a> {
    role: Role,
    content: &'a str,
    /// DeepSeek's: the model goes on from this turn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) prefix: bool,
}

impl<'a> From<&'a Message> for Turn<'a> {
    fn from(message: &'a Message) -> Self {
        Self { role: message.role, content: &message.content, prefix: false }
    }
}

/// `{"include_usage": true}`: without it most servers do not say in a stream what it took.
#[derive(Debug, Serialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: bool,
}

/// `{"type": "…"}`
#[derive(Debug, Serialize)]
pub(crate) struct Typed {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

/// A whole answer, or one event of a stream: they differ only in where a choice holds its message.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) model: Option<String>,
    #[serde(default)]
    pub(crate) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(crate) usage: Option<WireUsage>,
    /// An error can come with status 200, and in the middle of a stream.
    #[serde(default)]
    pub(crate) error: Option<ErrorField>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    index: u64,
    #[serde(default)]
    delta: Option<Said>,
    #[serde(default)]
    message: Option<Said>,
    #[serde(default)]
    pub(crate) finish_reason: Option<String>,
}

impl Choice {
    /// Only one answer is asked for; of others nothing is taken.
    pub(crate) fn is_first(&self) -> bool {
        self.index == 0
    }

    /// What the model thought and said, each possibly empty.
    pub(crate) fn into_parts(self) -> (String, String) {
        let said = self.delta.or(self.message).unwrap_or_default();
        let reasoning = said.reasoning_content.or(said.reasoning).map_or_else(String::new, Content::into_text);
        (reasoning, said.content.map_or_else(String::new, Content::into_text))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Said {
    #[serde(default)]
    content: Option<Content>,
    /// DeepSeek's name, and that of most servers.
    #[serde(default)]
    reasoning_content: Option<Content>,
    /// The same at OpenRouter and newer vLLM; some send both.
    #[serde(default)]
    reasoning: Option<Content>,
}

/// Text, or the list of parts in which a few servers wrap it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

impl Content {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

/// Token counts as sent.
#[derive(Debug, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    /// DeepSeek's.
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(default)]
    prompt_cache_miss_tokens: Option<u64>,
    /// OpenAI's.
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl WireUsage {
    /// `None` when a count that costs money is missing: half a usage would be half a price.
    pub(crate) fn into_usage(self) -> Option<Usage> {
        let cached = self.prompt_tokens_details.and_then(|details| details.cached_tokens);
        let hit = self.prompt_cache_hit_tokens.or(cached).unwrap_or(0);
        let sum = self.prompt_cache_miss_tokens.map(|miss| miss.saturating_add(hit));
        let thoughts = self.completion_tokens_details.and_then(|details| details.reasoning_tokens);
        Some(Usage {
            prompt_tokens: self.prompt_tokens.or(sum)?,
            cache_hit_tokens: hit,
            completion_tokens: self.completion_tokens?,
            reasoning_tokens: thoughts.unwrap_or(0),
        })
    }
}

/// The answer of `GET /models`.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelList {
    pub(crate) data: Vec<ListedModel>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListedModel {
    pub(crate) id: String,
}

/// The body of an error, in the shapes that servers have for it: `{"error": {…}}` at OpenAI and DeepSeek,
/// `{"error": "…"}` at Ollama, `{"message": "…"}` and `{"detail": "…"}` at Python servers.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    #[serde(default)]
    pub(crate) error: Option<ErrorField>,
    #[serde(flatten)]
    bare: ErrorObject,
}

impl ErrorBody {
    pub(crate) fn into_object(self) -> ErrorObject {
        self.error.map_or(self.bare, ErrorField::into_object)
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ErrorField {
    Text(String),
    Object(ErrorObject),
    Unknown(IgnoredAny),
}

impl ErrorField {
    pub(crate) fn into_object(self) -> ErrorObject {
        match self {
            Self::Text(message) => ErrorObject { message: Some(message), ..ErrorObject::default() },
            Self::Object(object) => object,
            Self::Unknown(_) => ErrorObject::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorObject {
    #[serde(default, alias = "detail")]
    pub(crate) message: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) code: Option<Code>,
}

/// A word at OpenAI and DeepSeek, a status at OpenRouter and llama.cpp.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Code {
    Status(u16),
    Word(String),
    Unknown(IgnoredAny),
}

//! What is received.

use serde::{Deserialize, de::IgnoredAny};

use crate::llm::Usage;

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

    /// What the model thought, said and called for, each possibly empty.
    pub(crate) fn into_parts(self) -> Parts {
        let whole_calls = self.delta.is_none();
        let said = self.delta.or(self.message).unwrap_or_default();
        Parts {
            reasoning: said.reasoning_content.or(said.reasoning).map_or_else(String::new, Content::into_text),
            text: said.content.map_or_else(String::new, Content::into_text),
            calls: said.tool_calls.unwrap_or_default(),
            whole_calls,
        }
    }
}

/// What one choice adds to the answer.
pub(crate) struct Parts {
    pub(crate) reasoning: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<CallPart>,
    /// Whether each of `calls` is a whole one, and not a piece of one.
    pub(crate) whole_calls: bool,
}

/// A tool call, or the next piece of one.
#[derive(Debug, Deserialize)]
pub(crate) struct CallPart {
    #[serde(default)]
    pub(crate) index: Option<u64>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) function: Option<FunctionPart>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct FunctionPart {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) arguments: Option<Arguments>,
}

/// JSON as text, or as it is at a few servers (Ollama's own format).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Arguments {
    Text(String),
    Json(serde_json::Map<String, serde_json::Value>),
}

impl Arguments {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Json(fields) => serde_json::Value::Object(fields).to_string(),
        }
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
    #[serde(default)]
    tool_calls: Option<Vec<CallPart>>,
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

//! What is sent.

use serde::Serialize;

use crate::llm::{ChatRequest, Message, Role, Tool, ToolCall, ToolChoice};

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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choosing<'a>>,
}

impl<'a> Request<'a> {
    /// What is the same everywhere: the conversation, the temperature, `max_tokens`, the JSON mode and the tools.
    /// `most`: the longest answer that the model gives, in tokens, where it is known; more is not asked for, since
    /// providers refuse that.
    pub(crate) fn new(model: &'a str, most: Option<u32>, request: &'a ChatRequest, stream: bool) -> Self {
        Self {
            model,
            messages: request.messages.iter().map(Turn::from).collect(),
            stream,
            stream_options: stream.then_some(StreamOptions { include_usage: true }),
            temperature: request.temperature,
            max_tokens: request.max_tokens.map(|tokens| most.map_or(tokens, |most| tokens.min(most))),
            max_completion_tokens: None,
            response_format: request.json.then_some(Typed { kind: "json_object" }),
            thinking: None,
            reasoning_effort: None,
            tools: request.tools.iter().map(Offered::from).collect(),
            tool_choice: Choosing::of(request),
        }
    }
}

/// A message. `content` is always a plain string, also where there is nothing but tool calls: DeepSeek takes nothing
/// else.
#[derive(Debug, Serialize)]
pub(crate) struct Turn<'a> {
    role: Role,
    content: &'a str,
    /// DeepSeek's: the thoughts before this turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    /// DeepSeek's: the model goes on from this turn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) prefix: bool,
}

impl<'a> From<&'a Message> for Turn<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            role: message.role,
            content: &message.content,
            reasoning_content: None,
            tool_calls: message.tool_calls.iter().map(Called::from).collect(),
            tool_call_id: message.tool_call_id.as_deref(),
            prefix: false,
        }
    }
}

/// A tool as it is offered.
#[derive(Debug, Serialize)]
struct Offered<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Debug, Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a serde_json::Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> From<&'a Tool> for Offered<'a> {
    fn from(tool: &'a Tool) -> Self {
        let Tool { name, description, parameters, strict } = tool;
        Self { kind: FUNCTION, function: OfferedFunction { name, description, parameters, strict: *strict } }
    }
}

/// The only type of tools.
const FUNCTION: &str = "function";

/// `"none"`, or `{"type": "function", "function": {"name": "…"}}`
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Choosing<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Named<'a>,
    },
}

#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
}

impl<'a> Choosing<'a> {
    /// Servers refuse a choice where there is nothing to choose from.
    fn of(request: &'a ChatRequest) -> Option<Self> {
        match &request.tool_choice {
            _ if request.tools.is_empty() => None,
            ToolChoice::Auto => None,
            ToolChoice::None => Some(Self::Word("none")),
            ToolChoice::Required => Some(Self::Word("required")),
            ToolChoice::Named(name) => Some(Self::Named { kind: FUNCTION, function: Named { name } }),
        }
    }
}

/// A tool call of an earlier turn.
#[derive(Debug, Serialize)]
struct Called<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Debug, Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> From<&'a ToolCall> for Called<'a> {
    fn from(call: &'a ToolCall) -> Self {
        let ToolCall { id, name, arguments } = call;
        Self { id, kind: FUNCTION, function: CalledFunction { name, arguments } }
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

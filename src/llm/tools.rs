//! Tools: what a model may ask to have done, and what has to be right before it is told of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ChatRequest, Message, Role};

/// The longest name of a tool, in characters.
const LONGEST_NAME: usize = 64;

/// Something that the model may ask to have done. The asking is a [`ToolCall`]; doing it is for the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Letters, digits, `_` and `-`, at most 64, and no other tool's.
    pub name: String,
    /// What it does and when to ask for it.
    pub description: String,
    /// A JSON schema of an object: what it is to be told.
    pub parameters: Value,
    /// Holds the model to the schema. In it every object must then have `additionalProperties: false` and require
    /// all of its properties, or the call is a [`BadRequest`](super::LlmError::BadRequest).
    pub strict: bool,
}

/// Whether the model may, must or must not ask for a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model finds right.
    #[default]
    Auto,
    /// It answers in words. Tools that are listed all the same keep the beginning of the request as it was, for the
    /// provider's cache.
    None,
    /// It asks for at least one tool. A model that thinks does not take this, nor `Named`: the call is a
    /// [`BadRequest`](super::LlmError::BadRequest).
    Required,
    /// It asks for the tool of this name.
    Named(String),
}

impl ToolChoice {
    /// Whether an answer in words is ruled out.
    pub(crate) fn is_forced(&self) -> bool {
        matches!(self, Self::Required | Self::Named(_))
    }
}

/// A model's wish to have a tool do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the result refers to. A server that sends none is stood in for.
    pub id: String,
    /// The tool's name as the model wrote it; it may be none of those that were offered.
    pub name: String,
    /// The tool's parameters in JSON as the model wrote them, `{}` when it wrote none. That they fit the schema is
    /// for the caller to check, and without `strict` also that they are JSON.
    pub arguments: String,
}

/// What is wrong with the tools of a request, or with the calls and results of its conversation.
pub(crate) fn check(request: &ChatRequest) -> Result<(), String> {
    for (n, tool) in request.tools.iter().enumerate() {
        check_tool(tool)?;
        if request.tools.iter().take(n).any(|other| other.name == tool.name) {
            return Err(format!("two tools are called `{}`", tool.name));
        }
    }
    match &request.tool_choice {
        ToolChoice::Required if request.tools.is_empty() => {
            return Err("a tool is demanded and none is offered".to_owned());
        }
        ToolChoice::Named(name) if !request.tools.iter().any(|tool| tool.name == *name) => {
            return Err(format!("the tool `{name}` is demanded and not offered"));
        }
        _ => {}
    }
    check_results(&request.messages)
}

fn check_tool(tool: &Tool) -> Result<(), String> {
    let name = &tool.name;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
        return Err(format!("`{name}` cannot be a tool's name: letters, digits, _ and - can, at most {LONGEST_NAME}"));
    }
    if !tool.parameters.is_object() {
        return Err(format!("the parameters of the tool `{name}` are not described by a JSON object"));
    }
    if tool.strict && !is_strict(&tool.parameters) {
        return Err(format!(
            "the tool `{name}` is strict: each object in its parameters needs `additionalProperties: false`, and each \
             property has to be required"
        ));
    }
    Ok(())
}

/// Whether a schema, and every one within it, leaves nothing open.
fn is_strict(schema: &Value) -> bool {
    let Some(fields) = schema.as_object() else { return true };
    let of_each = |key: &str| fields.get(key).and_then(Value::as_object).is_none_or(|all| all.values().all(is_strict));
    let of_one_or_many = |key: &str| match fields.get(key) {
        Some(Value::Array(all)) => all.iter().all(is_strict),
        Some(one) => is_strict(one),
        None => true,
    };
    is_closed(fields)
        && ["properties", "$defs", "definitions"].into_iter().all(of_each)
        && ["items", "prefixItems", "anyOf", "allOf", "oneOf"].into_iter().all(of_one_or_many)
}

fn is_closed(fields: &Map<String, Value>) -> bool {
    let is_object = match fields.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        kind => kind.is_some_and(|kind| kind == "object"),
    };
    let properties = fields.get("properties").and_then(Value::as_object);
    if !is_object && properties.is_none() {
        return true;
    }
    let required = fields.get("required").and_then(Value::as_array);
    let is_required = |name: &String| required.is_some_and(|all| all.iter().any(|required| required == name));
    fields.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.is_none_or(|properties| properties.keys().all(is_required))
}

/// Every call has its result behind it before anything else is said, and every result its call; providers refuse
/// anything else.
fn check_results(messages: &[Message]) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        if message.role == Role::Tool {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            let Some(at) = open.iter().position(|call| *call == id) else {
                return Err("a tool's result belongs to no call".to_owned());
            };
            open.remove(at);
        } else if open.is_empty() {
            open = message.tool_calls.iter().map(|call| call.id.as_str()).collect();
        } else {
            break;
        }
    }
    if open.is_empty() { Ok(()) } else { Err("a tool call has no result".to_owned()) }
}

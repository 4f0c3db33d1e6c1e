//! Names that other programs read, from OpenTelemetry's semantic conventions for generative AI, as they are in development in
//! November 2026. What they have no name for begins with `lectern.`.

use serde_json::json;

/// What is done.
pub const OPERATION: &str = "gen_ai.operation.name";
/// Who does it.
pub const AGENT: &str = "gen_ai.agent.name";
/// Who provides the model.
pub const PROVIDER: &str = "gen_ai.provider.name";
/// The model that was asked for.
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
/// The longest answer, in tokens.
pub const MAX_TOKENS: &str = "gen_ai.request.max_tokens";
/// How much is left to chance.
pub const TEMPERATURE: &str = "gen_ai.request.temperature";
/// The model that answered.
pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
/// Tokens sent.
pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Of these, tokens that the provider had cached.
pub const CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Tokens received.
pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Of these, thoughts.
pub const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
/// Where was looked.
pub const DATA_SOURCE: &str = "gen_ai.data_source.id";
/// How many were looked for.
pub const TOP_K: &str = "gen_ai.retrieval.top_k";
/// How long a vector is.
pub const DIMENSIONS: &str = "gen_ai.embeddings.dimension.count";
/// What was looked for, as text.
pub const QUERY: &str = "gen_ai.retrieval.query.text";
/// What was asked, as messages.
pub const INPUT: &str = "gen_ai.input.messages";
/// What was answered, as messages.
pub const OUTPUT: &str = "gen_ai.output.messages";
/// The kind of failure.
pub const ERROR_TYPE: &str = "error.type";

/// Messages, each a role and a text, in the form that their attributes have: a JSON array of messages of parts.
#[must_use]
pub fn messages<'m>(said: impl IntoIterator<Item = (&'m str, &'m str)>) -> String {
    let message = |(role, text)| json!({"role": role, "parts": [{"type": "text", "content": text}]});
    serde_json::Value::from_iter(said.into_iter().map(message)).to_string()
}

//! Names that other programs read, from OpenTelemetry's semantic conventions for generative AI.

/// What is done.
pub const OPERATION: &str = "gen_ai.operation.name";
/// Who does it.
pub const AGENT: &str = "gen_ai.agent.name";
/// The run that it belongs to.
pub const CONVERSATION: &str = "gen_ai.conversation.id";
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
/// What was asked, as text.
pub const INPUT: &str = "gen_ai.input.messages";
/// What was answered, as text.
pub const OUTPUT: &str = "gen_ai.output.messages";

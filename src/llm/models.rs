//! Which models a provider offers: the cheapest way to see that it can be reached and takes the key.

use super::{
    LlmError, ProviderSettings, deepseek, openai,
    settings::{Checked, below},
    transport::{Answered, Transport},
    wire::ModelList,
};

/// The kinds of providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// DeepSeek's API.
    DeepSeek,
    /// OpenAI's API, or one in its format.
    OpenAi,
}

/// The names of the models that a provider offers (`GET /models`). Costs nothing, and is asked once only, without
/// repetitions: it is meant for checks that a person waits for.
///
/// # Errors
/// As for a call of a model; [`LlmError::Unauthorized`], [`LlmError::Unreachable`] and [`LlmError::Malformed`] tell
/// what to change.
pub async fn available_models(kind: ProviderKind, settings: &ProviderSettings) -> Result<Vec<String>, LlmError> {
    let names = match kind {
        ProviderKind::DeepSeek => deepseek::NAMES,
        ProviderKind::OpenAi => openai::NAMES,
    };
    let checked = Checked::new(settings, &names)?;
    let url = below(&checked.base, &["models"]);
    let transport = Transport::new(settings, checked.who, &checked.base)?;
    let deadline = transport.deadline();
    match transport.send(transport.get(url), deadline).await? {
        Answered::Refused(refusal) => Err(refusal.into_error(&transport.who)),
        Answered::Accepted(response) => {
            let body = transport.whole_body(response, deadline).await?;
            let list: ModelList = serde_json::from_slice(&body)
                .map_err(|error| transport.who.malformed(&format!("no list of models: {error}")))?;
            Ok(list.data.into_iter().map(|model| model.id).collect())
        }
    }
}

//! What is left in an account at DeepSeek: the other thing, beside the key, that an operator has to see to.

use serde::Deserialize;

use super::{
    LlmError, ProviderSettings, deepseek,
    settings::{Checked, below},
    transport::{Answered, Transport},
};

/// An account, as `GET /user/balance` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Whether there is enough left for calls.
    #[serde(rename = "is_available")]
    pub available: bool,
    /// What is left, for each currency that was paid in.
    #[serde(rename = "balance_infos", default)]
    pub balances: Vec<Balance>,
}

/// What is left in one currency; amounts as the provider writes them, such as `110.00`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Balance {
    /// `USD` or `CNY`.
    pub currency: String,
    /// Both of the next two together.
    #[serde(rename = "total_balance")]
    pub total: String,
    /// Of it, what was given.
    #[serde(rename = "granted_balance", default)]
    pub granted: String,
    /// Of it, what was paid in.
    #[serde(rename = "topped_up_balance", default)]
    pub topped_up: String,
}

/// The account that a key of DeepSeek's belongs to. Costs nothing, and is asked once only, without repetitions. `None`
/// when the server knows no such address: those that only speak DeepSeek's format do not.
///
/// # Errors
/// As [`available_models`](super::available_models).
pub async fn balance(settings: &ProviderSettings) -> Result<Option<Account>, LlmError> {
    let checked = Checked::new(settings, &deepseek::NAMES)?;
    let url = below(&deepseek::root(&checked.base), &["user", "balance"]);
    let transport = Transport::new(settings, checked.who, &checked.base)?;
    let deadline = transport.deadline();
    match transport.send(transport.get(url), deadline).await? {
        Answered::Refused(refusal) if matches!(refusal.status, 404 | 405 | 501) => Ok(None),
        Answered::Refused(refusal) => Err(refusal.into_error(&transport.who)),
        Answered::Accepted(response) => {
            let body = transport.whole_body(response, deadline).await?;
            serde_json::from_slice(&body)
                .map(Some)
                .map_err(|error| transport.who.malformed(&format!("no balance: {error}")))
        }
    }
}

//! What can go wrong with a call, named by what to do about it.

use std::time::Duration;

use super::Usage;

/// Why there is no answer.
///
/// `provider` is the one that was asked (`deepseek`, `openai`); `message` is what it said, at most 300 characters,
/// with anything that looks like a key taken out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// Too many requests at once (429). Wait, then ask again or ask somebody else.
    #[error("{provider} has had too many requests from this account{}: {message}", wait(*retry_after))]
    RateLimited {
        /// Who said so.
        provider: String,
        /// How long the provider asks to wait; it may be longer than a call waits by itself.
        retry_after: Option<Duration>,
        /// What it said.
        message: String,
    },
    /// The provider has no room at present (503). Ask again later, or somebody else.
    #[error("{provider} is overloaded{}: {message}", wait(*retry_after))]
    Overloaded {
        /// Who said so.
        provider: String,
        /// How long the provider asks to wait.
        retry_after: Option<Duration>,
        /// What it said.
        message: String,
    },
    /// The provider's own fault (500 and the like). Ask again, or somebody else.
    #[error("{provider} failed: {message}")]
    Transient {
        /// Who failed.
        provider: String,
        /// What it said.
        message: String,
    },
    /// No sign of life, not even a keep-alive, for the allowed time. Ask again, or somebody else.
    #[error("{provider} has sent nothing for {} s and was given up", silent_for.as_secs_f32())]
    Stalled {
        /// Who fell silent.
        provider: String,
        /// The silence that was allowed.
        silent_for: Duration,
    },
    /// The time for the whole call, with its repetitions, is over. Ask for a shorter answer or allow more time.
    #[error("{provider} did not finish its answer within {} s", after.as_secs_f32())]
    DeadlineExceeded {
        /// Who was too slow.
        provider: String,
        /// The time that was allowed.
        after: Duration,
    },
    /// The answer broke off. What came of it is no answer; ask again.
    #[error("the answer of {provider} broke off: {message}")]
    Incomplete {
        /// Whose answer.
        provider: String,
        /// Where it broke off.
        message: String,
    },
    /// The call went through and was paid for, but gave nothing to work with: blanks in place of JSON, or an answer
    /// given up for want of resources. Ask again.
    #[error("{provider} gave no usable answer: {message}")]
    Unusable {
        /// Whose answer.
        provider: String,
        /// What is wrong with it.
        message: String,
        /// The tokens that it took all the same, with those of earlier attempts.
        usage: Option<Usage>,
    },
    /// What came is not in the provider's format. Look at the address: a proxy or another server may answer there.
    #[error("the answer of {provider} is not in its format: {message}")]
    Malformed {
        /// Who answered.
        provider: String,
        /// What came instead.
        message: String,
    },
    /// The key is missing, wrong or not allowed to do this (401, 403). Set another one.
    #[error("{provider} does not accept the key; set {setting} to a valid one: {message}")]
    Unauthorized {
        /// Who refused.
        provider: String,
        /// The setting that holds the key.
        setting: String,
        /// What it said.
        message: String,
    },
    /// The account is empty (402). Top it up, or use another provider.
    #[error("the balance of the {provider} account is used up; top it up: {message}")]
    OutOfCredit {
        /// Whose account.
        provider: String,
        /// What it said.
        message: String,
    },
    /// The conversation does not fit the model. Send less of it.
    #[error("the request is too long for the model at {provider}: {message}")]
    ContextTooLong {
        /// Who refused.
        provider: String,
        /// What it said, with its limit.
        message: String,
    },
    /// The provider does not take this request (400, 404, 422), and never will. Change it, or the model's name.
    #[error("{provider} rejected the request: {message}")]
    BadRequest {
        /// Who refused.
        provider: String,
        /// What it said.
        message: String,
    },
    /// No connection. Check the address and the network.
    #[error("{provider} cannot be reached at {address}: {message}")]
    Unreachable {
        /// Who was called.
        provider: String,
        /// Scheme, host and port, without user, path or query.
        address: String,
        /// What stood in the way.
        message: String,
    },
    /// A setting cannot be used as it is. Change it.
    #[error("{setting} cannot be used: {message}")]
    Misconfigured {
        /// The setting.
        setting: String,
        /// What is wrong with it.
        message: String,
    },
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |pause| format!(" and asks for a pause of {} s", pause.as_secs_f32()))
}

impl LlmError {
    /// Whether the same request may succeed a little later. The clients have already tried that.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::Transient { .. }
            | Self::Stalled { .. }
            | Self::Incomplete { .. }
            | Self::Unusable { .. }
            | Self::Unreachable { .. } => true,
            Self::DeadlineExceeded { .. }
            | Self::Malformed { .. }
            | Self::Unauthorized { .. }
            | Self::OutOfCredit { .. }
            | Self::ContextTooLong { .. }
            | Self::BadRequest { .. }
            | Self::Misconfigured { .. } => false,
        }
    }

    /// Whether the fault lies with this provider, so that another one may answer the same request. It does not when
    /// the request itself is at fault.
    #[must_use]
    pub fn worth_another_provider(&self) -> bool {
        !matches!(self, Self::ContextTooLong { .. } | Self::BadRequest { .. })
    }

    /// The pause that the provider asked for.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Overloaded { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The tokens that the failed call took, where the provider said so: they cost as much as those of a good answer.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match self {
            Self::Unusable { usage, .. } => *usage,
            _ => None,
        }
    }

    /// Whether the provider did not begin with the request, which costs nothing. One that fell silent or failed may
    /// have worked before.
    #[must_use]
    pub fn was_turned_away(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. } | Self::Overloaded { .. } | Self::Unreachable { .. } | Self::Misconfigured { .. }
        )
    }

    /// A short stable name, for log lines and metrics, which must not hold what a provider said.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded { .. } => "overloaded",
            Self::Transient { .. } => "transient",
            Self::Stalled { .. } => "stalled",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::Incomplete { .. } => "incomplete",
            Self::Unusable { .. } => "unusable",
            Self::Malformed { .. } => "malformed",
            Self::Unauthorized { .. } => "unauthorized",
            Self::OutOfCredit { .. } => "out_of_credit",
            Self::ContextTooLong { .. } => "context_too_long",
            Self::BadRequest { .. } => "bad_request",
            Self::Unreachable { .. } => "unreachable",
            Self::Misconfigured { .. } => "misconfigured",
        }
    }

    /// Adds the tokens of attempts that were thrown away before this error became final.
    pub(crate) fn with_wasted(self, wasted: Usage) -> Self {
        match self {
            Self::Unusable { provider, message, usage } => {
                let usage = usage.map(|mut spent| {
                    spent += wasted;
                    spent
                });
                Self::Unusable { provider, message, usage }
            }
            other => other,
        }
    }
}

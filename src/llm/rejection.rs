//! From what a provider says when it refuses, to what can be done about it.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::{
    LlmError,
    who::Who,
    wire::{Code, ErrorBody, ErrorObject},
};

/// An answer with a status other than success.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Refusal {
    pub(crate) fn into_error(self, who: &Who) -> LlmError {
        let text = String::from_utf8_lossy(&self.body);
        let mut object = serde_json::from_slice::<ErrorBody>(&self.body).unwrap_or_default().into_object();
        let message = object.message.take().unwrap_or_else(|| readable(&text, self.status));
        let verdict = Verdict::of(Some(self.status), &words(&object), &message);
        verdict.into_error(who, &format!("{message} (status {})", self.status), self.retry_after)
    }
}

/// An error object that came with status 200, alone or in the middle of a stream.
pub(crate) fn error_in_answer(who: &Who, mut object: ErrorObject) -> LlmError {
    let message = object.message.take().unwrap_or_else(|| "an error without a message".to_owned());
    let status = match &object.code {
        Some(Code::Status(status)) => Some(*status),
        _ => None,
    };
    Verdict::of(status, &words(&object), &message).into_error(who, &message, None)
}

/// The text of a body that is not an error object: a page's title, or the text itself.
pub(crate) fn readable(text: &str, status: u16) -> String {
    let text = text.trim();
    if text.is_empty() {
        return format!("status {status} without a word");
    }
    page_title(text).unwrap_or_else(|| text.to_owned())
}

/// What an HTML page is about; `None` when the text is no page.
pub(crate) fn page_title(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('<') {
        return None;
    }
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title);
    Some(title.map_or_else(|| "an HTML page".to_owned(), |title| format!("an HTML page, \"{}\"", title.trim())))
}

fn words(object: &ErrorObject) -> String {
    let code = match &object.code {
        Some(Code::Word(word)) => word.as_str(),
        _ => "",
    };
    format!("{} {code}", object.kind.as_deref().unwrap_or_default()).to_lowercase()
}

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    SetKey,
    TopUp,
    Shorten,
    Pause,
    GoElsewhere,
    TryAgain,
    SetAddress,
    FindPath,
    Change,
}

impl Verdict {
    /// `words` are the error's type and code, which tell more than the status: OpenAI sends 429 for an empty account,
    /// and a conversation that is too long is a 400 like any other mistake.
    fn of(status: Option<u16>, words: &str, message: &str) -> Self {
        let message = message.to_lowercase();
        let says = |word: &str| words.contains(word);
        if status == Some(402) || says("insufficient_quota") || message.contains("insufficient balance") {
            return Self::TopUp;
        }
        if matches!(status, Some(401 | 403)) || says("authentication_error") || says("invalid_api_key") {
            return Self::SetKey;
        }
        if status == Some(413) || says("context_length") || says("exceed_context") {
            return Self::Shorten;
        }
        if matches!(status, None | Some(400 | 422)) && speaks_of_context(&message) {
            return Self::Shorten;
        }
        status.and_then(Self::of_status).unwrap_or_else(|| Self::of_words(words))
    }

    fn of_status(status: u16) -> Option<Self> {
        match status {
            200..=299 => None,
            300..=399 => Some(Self::SetAddress),
            404 => Some(Self::FindPath),
            408 | 409 | 425 => Some(Self::TryAgain),
            429 => Some(Self::Pause),
            400..=499 => Some(Self::Change),
            503 | 529 => Some(Self::GoElsewhere),
            _ => Some(Self::TryAgain),
        }
    }

    /// For errors without a status. What says nothing of its kind came up while answering, and so may pass.
    fn of_words(words: &str) -> Self {
        let says = |word: &str| words.contains(word);
        if says("rate_limit") {
            Self::Pause
        } else if says("overloaded") || says("unavailable") {
            Self::GoElsewhere
        } else if says("invalid_request") {
            Self::Change
        } else {
            Self::TryAgain
        }
    }

    fn into_error(self, who: &Who, message: &str, retry_after: Option<Duration>) -> LlmError {
        let provider = who.provider();
        let message = who.quote(message);
        match self {
            Self::SetKey => LlmError::Unauthorized { provider, setting: who.key_setting.to_owned(), message },
            Self::TopUp => LlmError::OutOfCredit { provider, message },
            Self::Shorten => LlmError::ContextTooLong { provider, message },
            Self::Pause => LlmError::RateLimited { provider, retry_after, message },
            Self::GoElsewhere => LlmError::Overloaded { provider, retry_after, message },
            Self::TryAgain => LlmError::Transient { provider, message },
            Self::Change => LlmError::BadRequest { provider, message },
            Self::FindPath => {
                let hint = format!("{message}; check the model's name and {}", who.url_setting);
                LlmError::BadRequest { provider, message: hint }
            }
            Self::SetAddress => LlmError::Misconfigured {
                setting: who.url_setting.to_owned(),
                message: format!("the server there sends requests on to another address: {message}"),
            },
        }
    }
}

/// The ways in which servers say that a conversation does not fit: "maximum context length" (OpenAI, DeepSeek, vLLM),
/// "context window" (llama-cpp-python), "context size" (llama.cpp), "prompt is too long" (several).
fn speaks_of_context(message: &str) -> bool {
    ["context length", "context window", "context size", "prompt is too long"].iter().any(|way| message.contains(way))
}

/// How long the server asks to wait: `retry-after-ms` (OpenAI), or `Retry-After` in seconds or as a date (RFC 9110,
/// section 10.2.3). A date is measured against the server's own `Date`, so that no clock of ours is needed.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let (until, now) = (parser.parse_timestamp(value).ok()?, parser.parse_timestamp(text(DATE.as_str())?).ok()?);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

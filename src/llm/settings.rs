//! What a client has to know about its provider.

use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::{LlmError, Prices, who::Who};

/// DeepSeek's own address. With `/v1` it means the same.
pub const DEEPSEEK_URL: &str = "https://api.deepseek.com";
/// OpenAI's own address.
pub const OPENAI_URL: &str = "https://api.openai.com/v1";

/// Where a model is, how to get at it, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// The address that `/chat/completions` is put behind; with or without a slash at its end.
    pub base_url: String,
    /// The key. An empty one counts as none; blanks around it are dropped.
    pub api_key: Option<SecretString>,
    /// The model's name, as the provider or a user of DeepSeek's retired names writes it.
    pub model: String,
    /// The time for a connection.
    pub connect_timeout: Duration,
    /// The longest silence before the answer begins. It is long because a model may think without showing it;
    /// keep-alives and empty lines end a silence.
    pub first_word_timeout: Duration,
    /// The longest silence within an answer; keep-alives and empty lines end a silence.
    pub idle_timeout: Duration,
    /// The time for a whole call: all attempts, the pauses between them, and the reading of a stream.
    pub deadline: Duration,
    /// How often a call that failed in a way that passes is made again.
    pub max_retries: usize,
    /// The pause before the first repetition; it doubles with each one, and a random part up to its own length is
    /// added.
    pub retry_pause: Duration,
    /// A provider that asks for a longer pause than this is not waited for.
    pub longest_pause: Duration,
}

impl ProviderSettings {
    /// Settings with the usual times: 10 s to connect, 5 minutes to begin, 2 minutes of silence, 15 minutes in all,
    /// three repetitions after 0.5, 1 and 2 s, and no pause over a minute.
    #[must_use]
    pub fn new(base_url: impl Into<String>, api_key: Option<SecretString>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            model: model.into(),
            connect_timeout: Duration::from_secs(10),
            first_word_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(120),
            deadline: Duration::from_secs(900),
            max_retries: 3,
            retry_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// The names of a provider's settings, for errors.
pub(crate) struct Names {
    pub(crate) provider: &'static str,
    pub(crate) key: &'static str,
    pub(crate) url: &'static str,
    pub(crate) model: &'static str,
    /// The provider's own host: elsewhere a key is optional.
    pub(crate) own_host: &'static str,
}

/// Settings that have been looked at.
pub(crate) struct Checked {
    pub(crate) who: Who,
    pub(crate) base: Url,
    /// Whether the address is the provider's own.
    pub(crate) own: bool,
}

impl Checked {
    pub(crate) fn new(settings: &ProviderSettings, names: &Names) -> Result<Self, LlmError> {
        let wrong = |setting: &str, message: &str| LlmError::Misconfigured {
            setting: setting.to_owned(),
            message: message.to_owned(),
        };
        let base = base_url(&settings.base_url)
            .ok_or_else(|| wrong(names.url, "it is not an address that begins with http:// or https://"))?;
        if settings.model.trim().is_empty() {
            return Err(wrong(names.model, "no model is named"));
        }
        let key = settings.api_key.as_ref().and_then(usable_key);
        let own = base.host_str() == Some(names.own_host);
        if own && key.is_none() {
            return Err(LlmError::Unauthorized {
                provider: names.provider.to_owned(),
                setting: names.key.to_owned(),
                message: "no key is set".to_owned(),
            });
        }
        let printable = |key: &SecretString| key.expose_secret().chars().all(|c| c.is_ascii_graphic());
        if !key.as_ref().is_none_or(printable) {
            return Err(wrong(names.key, "a key has no blanks, accents or control characters"));
        }
        let address = address(&base);
        let who = Who { name: names.provider, key_setting: names.key, url_setting: names.url, address, key };
        Ok(Self { who, base, own })
    }
}

fn usable_key(key: &SecretString) -> Option<SecretString> {
    let trimmed = key.expose_secret().trim();
    (!trimmed.is_empty()).then(|| SecretString::from(trimmed))
}

/// An address copied with its path to the end works too.
fn base_url(text: &str) -> Option<Url> {
    let text = text.trim().trim_end_matches('/');
    let text = text.strip_suffix("/chat/completions").unwrap_or(text);
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// Scheme, host and port.
fn address(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// `base` with more path behind it; a query stays at the end.
pub(crate) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// The table of models, as every client needs it.
pub(crate) fn table() -> Result<Prices, LlmError> {
    Prices::bundled().map_err(|error| LlmError::Misconfigured {
        setting: "the table of prices".to_owned(),
        message: error.to_string(),
    })
}

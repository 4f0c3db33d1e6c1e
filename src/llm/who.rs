//! Who is being asked, and how to quote what it says without giving a key away.

use secrecy::{ExposeSecret, SecretString};

use super::LlmError;

const LONGEST_QUOTE: usize = 300;
/// As much of a key as may stand in a message by chance.
const LONGEST_ECHO: usize = 5;
const TAKEN_OUT: &str = "[key]";

/// A provider, as its errors name it.
pub(crate) struct Who {
    pub(crate) name: &'static str,
    /// The setting that holds the key.
    pub(crate) key_setting: &'static str,
    /// The setting that holds the address.
    pub(crate) url_setting: &'static str,
    /// Scheme, host and port.
    pub(crate) address: String,
    pub(crate) key: Option<SecretString>,
}

impl Who {
    pub(crate) fn provider(&self) -> String {
        self.name.to_owned()
    }

    /// What the provider said, fit to be shown: without keys, on one line, at most 300 characters.
    pub(crate) fn quote(&self, message: &str) -> String {
        let key = self.key.as_ref().map_or("", |key| key.expose_secret());
        shorten(&scrub(message, key))
    }

    pub(crate) fn malformed(&self, message: &str) -> LlmError {
        LlmError::Malformed { provider: self.provider(), message: self.quote(message) }
    }

    pub(crate) fn incomplete(&self, message: &str) -> LlmError {
        LlmError::Incomplete { provider: self.provider(), message: self.quote(message) }
    }

    pub(crate) fn bad_request(&self, message: &str) -> LlmError {
        LlmError::BadRequest { provider: self.provider(), message: self.quote(message) }
    }
}

/// Takes the key out of a message, and every word that looks like a key or like a masked part of one: providers echo
/// the key that they refuse (OpenAI its beginning and end around asterisks, DeepSeek its end behind them).
pub(crate) fn scrub(message: &str, key: &str) -> String {
    let whole = if key.is_empty() { message.to_owned() } else { message.replace(key, TAKEN_OUT) };
    let key: Vec<char> = key.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for word in whole.split_whitespace() {
        words.push(if looks_like_key(word, &key) { TAKEN_OUT.to_owned() } else { word.to_owned() });
    }
    words.join(" ")
}

fn looks_like_key(word: &str, key: &[char]) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '*');
    let masked = bare.contains("**") || bare.contains('•');
    let prefixed = ["sk-", "sk_", "Bearer"].iter().any(|start| bare.starts_with(start));
    masked || prefixed || echoes(bare, key)
}

/// Whether a word holds a part of the key that is too long to be there by chance, or is its end.
fn echoes(word: &str, key: &[char]) -> bool {
    let part_of_key = |part: &[char]| word.contains(&part.iter().collect::<String>());
    let is_its_end = word.chars().count() >= 4 && key.ends_with(&word.chars().collect::<Vec<_>>());
    is_its_end || key.windows(LONGEST_ECHO + 1).any(part_of_key)
}

fn shorten(message: &str) -> String {
    let mut short: String = message.chars().take(LONGEST_QUOTE).collect();
    if short.len() < message.len() {
        short.push('…');
    }
    short
}

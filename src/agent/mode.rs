//! How an answer is to be made, and what it looks like.

use serde::{Deserialize, Serialize};

/// How an answer is to be made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AskMode {
    /// With a model when one is configured, else by quoting.
    #[default]
    Auto,
    /// The papers' own sentences; no model, no cost.
    Quote,
    /// A model that answers at once.
    Chat,
    /// A model that thinks first.
    Reason,
    /// Papers in a table, by a model when one is configured, else by quoting.
    Compare,
    /// A short literature review in sections, by a model when one is configured, else by quoting.
    Review,
}

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Sentences.
    Prose,
    /// A table of papers.
    Table,
    /// Sections of sentences.
    Sections,
}

impl AskMode {
    /// What its answers look like.
    #[must_use]
    pub fn form(self) -> Form {
        match self {
            Self::Compare => Form::Table,
            Self::Review => Form::Sections,
            Self::Auto | Self::Quote | Self::Chat | Self::Reason => Form::Prose,
        }
    }
}

impl std::str::FromStr for AskMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "quote" => Ok(Self::Quote),
            "chat" => Ok(Self::Chat),
            "reason" => Ok(Self::Reason),
            "compare" => Ok(Self::Compare),
            "review" => Ok(Self::Review),
            _ => Err(format!(
                "`{}` is not a mode: auto, quote, chat, reason, compare or review",
                text.chars().take(40).collect::<String>()
            )),
        }
    }
}

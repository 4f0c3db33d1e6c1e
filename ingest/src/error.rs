use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use paper::SourceName;

/// Why a page could not be had. The variants are named by what can be done about it; no text holds a key.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Asked too fast: wait, then ask the same again.
    #[error("the source asks to wait{}; ask again later", for_how_long(.retry_after.as_ref()))]
    RateLimited {
        /// How long the source asks to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// Their fault or the network's, and likely to pass: ask the same again.
    #[error("{what}")]
    Transient {
        /// What happened, and at which address.
        what: String,
    },
    /// A page has fewer entries than the source announced for it: ask the same again. One without any may be beyond
    /// the end, whatever was announced.
    #[error("the source sent {came} of the {announced} entries that it announced for this page; ask again later")]
    Short {
        /// The entries that came.
        came: u64,
        /// The entries that were announced.
        announced: u64,
    },
    /// The source has failed again and again, and is not asked for a while: ask the same again after that.
    #[error("the source has failed since {since:.0} ({why}) and is left alone until {until:.0}; ask again then")]
    Resting {
        /// Since when it is left alone.
        since: Timestamp,
        /// Until when.
        until: Timestamp,
        /// What its last request failed with.
        why: String,
    },
    /// Whoever asked has been told to stop: nothing is wrong, and the place is kept.
    #[error("stopped before the next page; the place is kept")]
    Stopped,
    /// Asking the same again gives the same answer: change the request, the key or the setting.
    #[error("refused{}: {message}", by_status(.status.as_ref()))]
    Refused {
        /// The HTTP status; none when the body of a file or the request itself tells it.
        status: Option<u16>,
        /// What the source said, and what to do.
        message: String,
    },
    /// The stored place is none in this request, or none any more: begin again without it.
    #[error("the cursor `{cursor}` belongs to another request; begin again without it")]
    NoPlace {
        /// The cursor.
        cursor: String,
    },
    /// Not in the format it should be in.
    #[error("not readable as an answer of {origin}: {what}{}", at(.position.as_ref()))]
    Malformed {
        /// Whose format was expected.
        origin: SourceName,
        /// Where in the body it stopped making sense, in bytes from its beginning.
        position: Option<u64>,
        /// What was seen instead.
        what: String,
    },
    /// A good answer to another question: no list of papers.
    #[error("this is {what}, not a list of papers from {origin}")]
    NotPapers {
        /// Whose format it is.
        origin: SourceName,
        /// What it is instead.
        what: String,
    },
    /// The answer is longer than it may be: ask for smaller pages, or raise the limit.
    #[error("the answer is longer than {limit} bytes; ask for smaller pages or raise the limit")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The file that keeps processes from asking at once cannot be used.
    #[error("cannot use {}, which paces the requests of all processes: {source}; make it writable", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl IngestError {
    /// Whether the same request may well succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Transient { .. } | Self::Short { .. })
    }

    /// Whether what happened at a stored cursor may be the fault of the cursor, which has expired or lies beyond the
    /// end: then the same request without it may succeed. A key that is refused is refused without a cursor too.
    #[must_use]
    pub fn may_be_of_the_cursor(&self) -> bool {
        match self {
            // Without a status nobody was asked: a disk is full, a folder cannot be read.
            Self::Refused { status, .. } => matches!(status, Some(400 | 404..=499)),
            Self::NoPlace { .. } => true,
            Self::Short { came, .. } => *came == 0,
            _ => false,
        }
    }

    /// A refusal of which only the words are known.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::Refused { status: None, message: message.into() }
    }

    /// The same refusal with the status that it came with.
    pub(crate) fn with_status(self, status: u16) -> Self {
        match self {
            Self::Refused { message, .. } => Self::Refused { status: Some(status), message },
            other => other,
        }
    }
}

fn for_how_long(wait: Option<&Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(" {} s", wait.as_secs()))
}

fn by_status(status: Option<&u16>) -> String {
    status.map_or_else(String::new, |status| format!(" (HTTP {status})"))
}

fn at(position: Option<&u64>) -> String {
    position.map_or_else(String::new, |byte| format!(" at byte {byte}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_helps_against_two_of_them() {
        let wait = IngestError::RateLimited { retry_after: Some(Duration::from_secs(30)) };
        assert!(wait.is_retryable());
        assert_eq!(wait.to_string(), "the source asks to wait 30 s; ask again later");
        assert!(IngestError::Transient { what: "HTTP 500".into() }.is_retryable());
        for lasting in [
            IngestError::refused("no such field"),
            IngestError::Malformed { origin: SourceName::Arxiv, position: Some(7), what: "an HTML page".into() },
            IngestError::NotPapers { origin: SourceName::SemanticScholar, what: "a list of authors".into() },
            IngestError::TooLarge { limit: 9 },
            IngestError::Io { path: "state".into(), source: std::io::ErrorKind::PermissionDenied.into() },
        ] {
            assert!(!lasting.is_retryable(), "{lasting}");
        }
    }

    #[test]
    fn a_refused_key_or_a_move_is_not_the_cursors_fault() {
        for (status, of_the_cursor) in [(400, true), (404, true), (410, true), (301, false), (401, false), (403, false)]
        {
            let refused = IngestError::refused("no").with_status(status);
            assert_eq!(refused.may_be_of_the_cursor(), of_the_cursor, "{status}");
        }
        assert!(IngestError::NoPlace { cursor: "offset=5".into() }.may_be_of_the_cursor());
        assert!(!IngestError::refused("cannot write the file: no space left").may_be_of_the_cursor());
        assert!(!IngestError::Transient { what: "HTTP 500".into() }.may_be_of_the_cursor());
        assert!(IngestError::Short { came: 0, announced: 2 }.may_be_of_the_cursor());
    }

    #[test]
    fn each_text_says_what_was_seen_and_where() {
        let cut = IngestError::Malformed { origin: SourceName::Arxiv, position: Some(7), what: "an HTML page".into() };
        assert_eq!(cut.to_string(), "not readable as an answer of arxiv: an HTML page at byte 7");
        assert_eq!(IngestError::refused("bad query").to_string(), "refused: bad query");
        assert_eq!(IngestError::refused("bad query").with_status(400).to_string(), "refused (HTTP 400): bad query");
        let authors = IngestError::NotPapers { origin: SourceName::SemanticScholar, what: "a list of authors".into() };
        assert_eq!(authors.to_string(), "this is a list of authors, not a list of papers from semantic-scholar");
    }
}

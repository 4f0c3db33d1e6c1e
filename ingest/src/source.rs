use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use paper::{Cites, Paper, SourceName};
use serde::{Deserialize, Serialize};

use crate::IngestError;

/// A query to one of the places that papers come from, read page by page.
///
/// A caller walks it like this, and may stop and go on later at any cursor it has stored:
///
/// 1. ask for the page at the stored cursor of [`Source::key`], or at `None` to begin;
/// 2. store the papers, and show the rejected records to the user;
/// 3. only then store [`Page::next`] under the key, and go on with it until there is none.
///
/// After the last page, [`Page::later`] is kept beside: the next sync of the request begins there.
///
/// A crash between 2 and 3 repeats a page and loses nothing. Retrying is done inside: an error has been
/// retried as far as is polite, and one that [`IngestError::is_retryable`] is worth asking again later
/// with the same cursor. A cursor belongs to the request that gave it; another refuses it.
///
/// To sum it up: a name, a key to remember the place by, and pages.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whose papers these are.
    fn name(&self) -> SourceName;

    /// The key under which the cursor of this request is stored: the same for the same request, today and
    /// after an upgrade, whatever the size of its pages.
    fn key(&self) -> String;

    /// Whether what is new comes first. A sync that ends at its limit then begins anew the next time, else it goes on.
    fn newest_first(&self) -> bool {
        true
    }

    /// Whether the page at a cursor has the same records in the same order when it is asked for again. A sync that is at
    /// its limit within a page of what it owes goes on within that page the next time, else it takes the whole page.
    fn repeats(&self) -> bool {
        true
    }

    /// The page at `cursor`, the first one at `None`; `seen` is the time that its papers are marked with.
    ///
    /// # Errors
    /// Whatever [`IngestError`] says, after its own polite retries.
    async fn page(&self, cursor: Option<&Cursor>, seen: jiff::Timestamp) -> Result<Page, IngestError>;
}

/// What one answer of a source, or one file, holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Page {
    /// The papers, in the order of the source.
    pub papers: Vec<Paper>,
    /// The records that are no papers, each with the reason.
    pub rejected: Vec<Rejected>,
    /// Where the next page begins; none on the last.
    pub next: Option<Cursor>,
    /// How many records the source has for the whole request, where it says so.
    pub total: Option<u64>,
    /// The records that the source has taken back, as [`paper::identity_keys`] writes their identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    /// Where the next sync of the same request begins when this one ends with this page, and need not read everything
    /// again: on the last page, and on those after which the rest, which is older, may be declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later: Option<Cursor>,
    /// Whether all of it is to be read, though it may take several syncs: what has changed since a finished one.
    #[serde(skip)]
    pub owed: bool,
    /// Which of the papers cites which, where that was asked for.
    #[serde(skip)]
    pub links: Vec<Cites>,
}

impl Page {
    /// How many records came: good, bad and taken back.
    pub(crate) fn len(&self) -> usize {
        self.papers.len() + self.rejected.len() + self.deleted.len()
    }

    /// Takes in a record that was read, or the reason why it could not be.
    pub(crate) fn add(&mut self, record: impl FnOnce() -> String, read: Result<Paper, String>) {
        match read {
            Ok(paper) => self.papers.push(paper),
            Err(reason) => self.rejected.push(Rejected { record: record(), reason }),
        }
    }
}

/// A record that could not become a paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Which one: its identifier where it has one, else its place.
    pub record: String,
    /// Why, in words for the user.
    pub reason: String,
}

/// A place in the results of a request: opaque, to be handed back as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(String);

impl Cursor {
    /// A cursor that says `name=value`.
    pub(crate) fn at(name: &str, value: impl fmt::Display) -> Self {
        Self(format!("{name}={value}"))
    }

    /// The value, when the cursor is one of that name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.strip_prefix(name)?.strip_prefix('=')
    }

    /// The number it says, 0 when there is no cursor yet.
    ///
    /// # Errors
    /// [`IngestError::NoPlace`] when the cursor is another request's.
    pub(crate) fn number(cursor: Option<&Self>, name: &str) -> Result<u64, IngestError> {
        let Some(cursor) = cursor else { return Ok(0) };
        cursor.value(name).and_then(|value| value.parse().ok()).ok_or_else(|| cursor.foreign())
    }

    /// The error for a cursor that this request did not give.
    pub(crate) fn foreign(&self) -> IngestError {
        IngestError::NoPlace { cursor: self.to_string() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.0
    }
}

impl TryFrom<String> for Cursor {
    type Error = InvalidCursor;

    fn try_from(text: String) -> Result<Self, InvalidCursor> {
        let fits = !text.trim().is_empty() && !text.contains(char::is_control);
        if fits { Ok(Self(text)) } else { Err(InvalidCursor) }
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        text.to_owned().try_into()
    }
}

/// The text is no cursor: it is blank, or holds control characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is the text that an earlier page gave, not a blank one")]
pub struct InvalidCursor;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_of_another_kind_is_refused() {
        let cursor = Cursor::at("offset", 100);
        assert_eq!(Cursor::number(Some(&cursor), "offset").unwrap(), 100);
        assert_eq!(Cursor::number(None, "offset").unwrap(), 0);
        let error = Cursor::number(Some(&cursor), "start").unwrap_err().to_string();
        assert_eq!(error, "the cursor `offset=100` belongs to another request; begin again without it");
        assert!(Cursor::number(Some(&"offset=x".parse().unwrap()), "offset").is_err());
    }

    #[test]
    fn a_blank_text_is_no_cursor() {
        for text in ["", "  ", "a\nb"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text:?}");
        }
        assert!(serde_json::from_str::<Cursor>(r#""""#).is_err());
    }

    #[test]
    fn a_page_is_printed_with_what_was_rejected() {
        let mut page = Page { next: Some(Cursor::at("start", 10)), ..Page::default() };
        page.add(|| "x".into(), Err("no title".into()));
        let printed = serde_json::to_value(&page).unwrap();
        let expected = serde_json::json!({
            "papers": [], "rejected": [{"record": "x", "reason": "no title"}], "next": "start=10", "total": null
        });
        assert_eq!((printed, page.len()), (expected, 1));
    }

    proptest! {
        #[test]
        fn printing_and_reading_agree(text in "[^\\p{C}\\s]\\PC{0,40}") {
            let cursor: Cursor = text.parse().unwrap();
            prop_assert_eq!(cursor.to_string(), text.clone());
            let through_json: Cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
            prop_assert_eq!(through_json, cursor);
        }

        #[test]
        fn a_number_comes_back(number in any::<u64>()) {
            let cursor: Cursor = Cursor::at("start", number).to_string().parse().unwrap();
            prop_assert_eq!(Cursor::number(Some(&cursor), "start").unwrap(), number);
        }
    }
}

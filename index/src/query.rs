use std::time::Duration;

use paper::{Paper, PaperId, SourceName};
use serde::{Deserialize, Serialize};

use crate::Passage;

/// Which of the two arms answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Both, their scores fused.
    #[default]
    Hybrid,
    /// BM25 over words alone.
    Lexical,
    /// Cosine of vectors alone.
    Dense,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Hybrid, Self::Lexical, Self::Dense];

    /// The name as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Lexical => "lexical",
            Self::Dense => "dense",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        let wanted = text.trim().to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == wanted);
        found.ok_or_else(|| UnknownMode(text.chars().take(40).collect()))
    }
}

/// A text that names no [`Mode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a search mode: hybrid, lexical or dense")]
pub struct UnknownMode(String);

/// What a hit must be. All that is set must hold; of each list any one; an empty list asks for
/// nothing, and neither do blank entries. Both arms mean the same by it, see [`crate::filter`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Published in this year or later; a paper of unknown year does not match.
    pub year_from: Option<i16>,
    /// Published in this year or earlier; a paper of unknown year does not match.
    pub year_to: Option<i16>,
    /// Authors by surname or by full name, without regard to case and accents.
    pub authors: Vec<String>,
    /// Venues, by whole name or by some words of it that follow each other, without regard to case.
    pub venues: Vec<String>,
    /// Categories: `cs.CL` that one, `cs` all of the archive.
    pub categories: Vec<String>,
    /// Sources that told of the paper.
    pub sources: Vec<SourceName>,
}

impl Filter {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchQuery {
    /// What to look for, in plain words. `"Words in quotes"` must occur as they stand, in the hybrid
    /// and the lexical mode. Nothing else is syntax, and no text is an error.
    pub text: String,
    /// Which arms answer.
    #[serde(default)]
    pub mode: Mode,
    /// What hits must be.
    #[serde(default)]
    pub filter: Filter,
    /// How many hits at most.
    pub limit: usize,
    /// How many hits to leave out at the beginning, to page on.
    #[serde(default)]
    pub offset: usize,
}

impl SearchQuery {
    /// A hybrid search for the ten best hits.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), mode: Mode::Hybrid, filter: Filter::default(), limit: 10, offset: 0 }
    }
}

/// A hit's score taken apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmScores {
    /// BM25, from 0 without upper bound; none when no word of the query occurs, or the arm was not asked.
    pub lexical: Option<f32>,
    /// Cosine, -1 to 1; none when the arm was not asked.
    pub dense: Option<f32>,
}

/// A paper that was found, by its best passage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    /// The paper.
    pub paper: PaperId,
    /// The passage of it that fits best.
    pub passage: Passage,
    /// What hits are ordered by, higher first: BM25 in lexical mode, the cosine in dense mode, in
    /// hybrid mode a weighted sum from 0 to 1 that compares hits of one search only.
    pub score: f32,
    /// The scores of both arms.
    pub scores: ArmScores,
    /// Where words of the query occur in the passage's text, as ranges of Unicode characters, in
    /// order; words match by their stem.
    pub highlights: Vec<(usize, usize)>,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResults {
    /// The hits from `offset` on, best first, a paper once; equal scores are ordered by paper id.
    pub hits: Vec<SearchHit>,
    /// How many papers were found: exact as long as it is less than the number of candidates that
    /// are looked at, else a lower bound that grows as one pages on. A hybrid search ends with them.
    pub total: usize,
    /// The mode that was used, which is [`Mode::Lexical`] when there are no vectors to ask.
    pub mode: Mode,
    /// What the user should know about how it was answered.
    pub notice: Option<String>,
}

/// A paper to write to the index, as of a revision of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedPaper {
    /// The library's id.
    pub id: PaperId,
    /// The store's revision of it.
    pub revision: u64,
    /// The paper; none when it was deleted.
    pub paper: Option<Paper>,
    /// The revision at which title or abstract last changed: of a paper that the index has as of this revision or a
    /// later one, the vectors still hold.
    pub text_revision: u64,
}

/// What a write did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteReport {
    /// Papers written or deleted.
    pub papers: usize,
    /// Passages written.
    pub passages: usize,
    /// Passages that were embedded; those of a text that the index had already are not.
    pub embedded: usize,
    /// The time that embedding took.
    pub embedding: Duration,
}

/// What the index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexStats {
    /// Papers with at least one passage.
    pub papers: usize,
    /// Passages of the lexical arm.
    pub passages: usize,
    /// Vectors of the dense arm; none without one.
    pub vectors: Option<usize>,
    /// Size of the index's folder; a Qdrant server's disk is not part of it.
    pub bytes_on_disk: u64,
    /// The embedding model that the index is built with; none for a lexical index.
    pub model: Option<String>,
    /// The store's revision up to which it is written.
    pub watermark: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_they_are_printed() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse(), Ok(mode));
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{mode}\""));
        }
        assert_eq!(" Dense ".parse(), Ok(Mode::Dense));
        let error = "fuzzy".parse::<Mode>().unwrap_err().to_string();
        assert_eq!(error, "`fuzzy` is not a search mode: hybrid, lexical or dense");
    }

    #[test]
    fn a_query_needs_a_text_and_a_limit_only() {
        let query: SearchQuery = serde_json::from_str(r#"{"text": "graphs", "limit": 10}"#).unwrap();
        assert_eq!(query, SearchQuery::new("graphs"));
        assert!(query.filter.is_empty());
        let filter: Filter = serde_json::from_str(r#"{"year_from": 2020, "sources": ["arxiv"]}"#).unwrap();
        assert_eq!(filter, Filter { year_from: Some(2020), sources: vec![SourceName::Arxiv], ..Filter::default() });
    }
}

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

/// What hits are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// How well they fit.
    #[default]
    Relevance,
    /// The date of publication, the newest first; what is undated comes last.
    Date,
    /// How often they are cited, as far as a source told, the most cited first.
    Citations,
}

impl Sort {
    /// Every order.
    pub const ALL: [Self; 3] = [Self::Relevance, Self::Date, Self::Citations];

    /// The name as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::Date => "date",
            Self::Citations => "citations",
        }
    }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Sort {
    type Err = UnknownSort;

    fn from_str(text: &str) -> Result<Self, UnknownSort> {
        let wanted = text.trim().to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|sort| sort.as_str() == wanted);
        found.ok_or_else(|| UnknownSort(text.chars().take(40).collect()))
    }
}

/// A text that names no [`Sort`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an order of hits: relevance, date or citations")]
pub struct UnknownSort(String);

/// A place between two pages of one search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Of hits by relevance: marks of the papers that were shown. Scores shift while the index grows, so that no
    /// number says where one was; but what was shown can be left out, and the best of the rest goes on.
    Shown(Vec<u32>),
    /// Of hits by date or citations: the value and the paper of the last one.
    Behind {
        /// What it was ordered by: the date as a number such as 20240131, or how often it is cited; 0 where unknown.
        value: i64,
        /// The paper.
        paper: PaperId,
    },
}

/// A search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchQuery {
    /// What to look for, as [`crate::syntax`] reads it. No text is an error.
    pub text: String,
    /// Whether nothing in the text is syntax, as in a question.
    pub plain: bool,
    /// Which arms answer.
    pub mode: Mode,
    /// What hits must be, besides what the text asks for.
    pub filter: Filter,
    /// What hits are ordered by. Ordered by date or citations, a search of any mode finds the papers that have
    /// the words (of more than three, three quarters), and all of them.
    pub sort: Sort,
    /// How many hits at most.
    pub limit: usize,
    /// Where the page before ended; none for the first page.
    pub after: Option<Place>,
    /// Whether to count years, venues, categories and authors.
    pub facets: bool,
    /// What the vectors count beside the words in a hybrid search, 0 to 1.
    pub dense_weight: f32,
}

impl SearchQuery {
    /// A hybrid search for the ten best hits.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            plain: false,
            mode: Mode::Hybrid,
            filter: Filter::default(),
            sort: Sort::Relevance,
            limit: 10,
            after: None,
            facets: false,
            dense_weight: crate::fusion::DENSE_WEIGHT,
        }
    }

    /// The same with a question for text, in which nothing is syntax.
    pub fn question(text: impl Into<String>) -> Self {
        Self { plain: true, ..Self::new(text) }
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
    /// hybrid mode a sum from 0 to 1 that compares hits of one search only. 0 where hits are ordered by something
    /// else.
    pub score: f32,
    /// The scores of both arms.
    pub scores: ArmScores,
    /// Whether the query is this paper's title.
    pub exact: bool,
    /// Where words of the query occur in the passage's text, as ranges of Unicode characters, in
    /// order; words match by their stem.
    pub highlights: Vec<(usize, usize)>,
}

/// The answer to a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchResults {
    /// The hits of this page, best first, a paper once; equal scores are ordered by paper id.
    pub hits: Vec<SearchHit>,
    /// How many papers were found. By relevance those that were looked at closely, a lower bound that grows as one
    /// pages on; by date and citations, and without words, all there are.
    pub total: usize,
    /// Where the next page begins; none at the end.
    pub next: Option<Place>,
    /// The mode that was used, which is [`Mode::Lexical`] when there are no vectors to ask.
    pub mode: Mode,
    /// What the user should know about how it was answered, or why nothing was found.
    pub notice: Option<String>,
    /// What the papers found are, when it was asked for.
    pub facets: Option<FacetCounts>,
}

/// How many of the papers found have which value, of each kind the most frequent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetCounts {
    /// Years, the latest first.
    pub year: Vec<FacetCount>,
    /// Venues, the most frequent first, as are the others.
    pub venue: Vec<FacetCount>,
    /// Categories.
    pub category: Vec<FacetCount>,
    /// Authors.
    pub author: Vec<FacetCount>,
}

/// A value and how many papers have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetCount {
    /// The value, as the filter of its kind takes it.
    pub value: String,
    /// How many of the papers found have it.
    pub count: usize,
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
    /// Of these, those deleted.
    pub deleted: usize,
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
    fn orders_are_read_as_they_are_printed() {
        for sort in Sort::ALL {
            assert_eq!(sort.to_string().parse(), Ok(sort));
        }
        let error = "size".parse::<Sort>().unwrap_err().to_string();
        assert_eq!(error, "`size` is not an order of hits: relevance, date or citations");
    }

    #[test]
    fn a_filter_is_read_from_what_it_names() {
        let filter: Filter = serde_json::from_str(r#"{"year_from": 2020, "sources": ["arxiv"]}"#).unwrap();
        assert_eq!(filter, Filter { year_from: Some(2020), sources: vec![SourceName::Arxiv], ..Filter::default() });
    }
}

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Author, PaperId, PaperIds, ParseError, PublicationDate, string_serde};

/// Who said something of a paper. The order is that of trust in title, abstract and authors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceName {
    /// arXiv: what the authors themselves deposited.
    Arxiv,
    /// Semantic Scholar.
    SemanticScholar,
    /// Crossref: what the publisher registered.
    Crossref,
    /// A file of the user's own.
    Import,
}

impl SourceName {
    /// Every source, in the order of trust.
    pub const ALL: [Self; 4] = [Self::Arxiv, Self::SemanticScholar, Self::Crossref, Self::Import];

    /// The name as users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arxiv => "arxiv",
            Self::SemanticScholar => "semantic-scholar",
            Self::Crossref => "crossref",
            Self::Import => "import",
        }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SourceName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wanted = text.trim().to_ascii_lowercase().replace('_', "-");
        let found = Self::ALL.into_iter().find(|source| source.as_str() == wanted);
        found.ok_or_else(|| ParseError::new(text, "a source: arxiv, semantic-scholar, crossref or import"))
    }
}
string_serde!(SourceName);

/// That a source told of a paper, and when it was last heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Who told.
    pub name: SourceName,
    /// When it was read.
    pub seen: jiff::Timestamp,
}

/// A paper as one source tells of it, or as all of them together ([`crate::merge`]).
///
/// What is unknown is `None` or empty, never invented. Titles and abstracts are single-spaced text
/// with the LaTeX that the source sends left in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paper {
    /// The library's id; none until the library has taken the paper in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PaperId>,
    /// The title, never empty.
    pub title: String,
    /// The abstract.
    #[serde(rename = "abstract", default)]
    pub abstract_text: Option<String>,
    /// The authors, in the paper's order.
    #[serde(default)]
    pub authors: Vec<Author>,
    /// The year of publication.
    #[serde(default)]
    pub year: Option<i16>,
    /// The day of first publication, as far as it is known.
    #[serde(default)]
    pub published: Option<PublicationDate>,
    /// The day of the newest version.
    #[serde(default)]
    pub updated: Option<PublicationDate>,
    /// Journal, conference or publisher.
    #[serde(default)]
    pub venue: Option<String>,
    /// arXiv categories, or a source's fields of study.
    #[serde(default)]
    pub categories: Vec<String>,
    /// The first of the arXiv categories.
    #[serde(default)]
    pub primary_category: Option<String>,
    /// Every identifier.
    #[serde(default)]
    pub ids: PaperIds,
    /// The page to send a reader to.
    #[serde(default)]
    pub url: Option<String>,
    /// The PDF, linked and never served.
    #[serde(default)]
    pub pdf_url: Option<String>,
    /// The authors' comment on arXiv.
    #[serde(default)]
    pub comment: Option<String>,
    /// Where it appeared, in the authors' words.
    #[serde(default)]
    pub journal_ref: Option<String>,
    /// How often it is cited, as last heard.
    #[serde(default)]
    pub citation_count: Option<u64>,
    /// Taken back by its authors.
    #[serde(default)]
    pub withdrawn: bool,
    /// Retracted by its publisher.
    #[serde(default)]
    pub retracted: bool,
    /// Who told of it, in the order of trust.
    #[serde(default)]
    pub sources: Vec<Sighting>,
}

impl Paper {
    /// A paper of which `source` has told the title and nothing else yet.
    pub fn new(title: impl Into<String>, source: SourceName, seen: jiff::Timestamp) -> Self {
        Self {
            id: None,
            title: title.into(),
            abstract_text: None,
            authors: Vec::new(),
            year: None,
            published: None,
            updated: None,
            venue: None,
            categories: Vec::new(),
            primary_category: None,
            ids: PaperIds::default(),
            url: None,
            pdf_url: None,
            comment: None,
            journal_ref: None,
            citation_count: None,
            withdrawn: false,
            retracted: false,
            sources: vec![Sighting { name: source, seen }],
        }
    }

    /// The most trusted of its sources; none only for a value built by hand without any.
    #[must_use]
    pub fn source(&self) -> Option<SourceName> {
        self.sources.iter().map(|sighting| sighting.name).min()
    }
}

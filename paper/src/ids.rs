use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ArxivId, Doi, ParseError, string_serde};

/// The library's own identifier of a paper; stays the same whatever its sources say later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaperId(Uuid);

impl PaperId {
    /// The identifier that follows from an identity key, so that a library built anew from the same
    /// sources gives the same papers the same ids (UUID version 5).
    #[must_use]
    pub fn derive(identity_key: &str) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("lectern:paper:{identity_key}").as_bytes()))
    }

    /// The bytes behind it, to derive the ids of its passages from.
    #[must_use]
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for PaperId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for PaperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for PaperId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Uuid::parse_str(text.trim()).map(Self).map_err(|_| ParseError::new(text, "a paper id of this library"))
    }
}

/// A Semantic Scholar paper id: 40 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct S2Id(String);

impl FromStr for S2Id {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let fits = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self(text.to_ascii_lowercase()))
            .ok_or_else(|| ParseError::new(text, "a Semantic Scholar id of 40 hexadecimal digits"))
    }
}

impl fmt::Display for S2Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
string_serde!(S2Id);

/// A Semantic Scholar corpus id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CorpusId(pub u64);

impl FromStr for CorpusId {
    type Err = ParseError;

    /// Reads the digits, with or without `CorpusId:` before them.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = strip_label(text.trim(), "corpusid").unwrap_or(text.trim());
        digits.parse().map(Self).map_err(|_| ParseError::new(text, "a corpus id, such as CorpusId:13756489"))
    }
}

impl fmt::Display for CorpusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A PubMed id: digits only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pmid(String);

impl FromStr for Pmid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = strip_label(text.trim(), "pmid").unwrap_or(text.trim());
        let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| Self(digits.to_owned())).ok_or_else(|| ParseError::new(text, "a PubMed id of digits"))
    }
}

impl fmt::Display for Pmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
string_serde!(Pmid);

/// Every identifier a paper is known by. Absent is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaperIds {
    /// arXiv, without the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arxiv: Option<ArxivId>,
    /// The newest arXiv version seen, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arxiv_version: Option<u16>,
    /// The DOI; a publisher's goes before arXiv's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doi: Option<Doi>,
    /// Semantic Scholar's paper id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semantic_scholar: Option<S2Id>,
    /// Semantic Scholar's corpus id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corpus_id: Option<CorpusId>,
    /// PubMed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pmid: Option<Pmid>,
    /// PubMed Central, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pmcid: Option<String>,
    /// DBLP's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dblp: Option<String>,
    /// The ACL Anthology's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acl: Option<String>,
    /// Microsoft Academic Graph, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mag: Option<String>,
    /// The id that a file of the user's own gave, for what has no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
}

/// What a person may write to name a paper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaperRef {
    /// The library's own id.
    Library(PaperId),
    /// arXiv, with or without version.
    Arxiv(ArxivId),
    /// A DOI.
    Doi(Doi),
    /// Semantic Scholar's 40 digits.
    SemanticScholar(S2Id),
    /// `CorpusId:…`.
    Corpus(CorpusId),
    /// `PMID:…`.
    Pmid(Pmid),
    /// `local:…`, the id of an imported file's line.
    Local(String),
}

impl PaperRef {
    /// The key it is looked up by, in the form of [`crate::identity_keys`]; none for the library's own.
    #[must_use]
    pub fn identity_key(&self) -> Option<String> {
        match self {
            Self::Library(_) => None,
            Self::Arxiv(id) => Some(format!("arxiv:{}", id.base())),
            Self::Doi(doi) => {
                Some(doi.arxiv().map_or_else(|| format!("doi:{}", doi.key()), |id| format!("arxiv:{}", id.base())))
            }
            Self::SemanticScholar(id) => Some(format!("s2:{id}")),
            Self::Corpus(id) => Some(format!("corpus:{id}")),
            Self::Pmid(id) => Some(format!("pmid:{id}")),
            Self::Local(id) => Some(format!("local:{id}")),
        }
    }
}

impl fmt::Display for PaperRef {
    /// The key, or the library's own id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.identity_key()) {
            (Self::Library(id), _) => id.fmt(f),
            (_, key) => f.write_str(&key.unwrap_or_default()),
        }
    }
}

impl FromStr for PaperRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        let expected =
            "the id of a paper: the library's own, a DOI, an arXiv id, a Semantic Scholar id, CorpusId:… or PMID:…";
        let known = if let Some(id) = text.strip_prefix("local:").filter(|id| !id.is_empty()) {
            Some(Self::Local(id.to_owned()))
        } else if strip_label(text, "corpusid").is_some() {
            text.parse().ok().map(Self::Corpus)
        } else if strip_label(text, "pmid").is_some() {
            text.parse().ok().map(Self::Pmid)
        } else {
            // Without hyphens a library id is 32 digits, so it is never taken for one of 40.
            (text.parse().map(Self::SemanticScholar).ok())
                .or_else(|| text.parse().map(Self::Library).ok())
                .or_else(|| text.parse().map(Self::Arxiv).ok())
                .or_else(|| text.parse().map(Self::Doi).ok())
        };
        known.ok_or_else(|| ParseError::new(text, expected))
    }
}

/// What follows `label:`, whatever the label's case.
fn strip_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (head, tail) = text.split_once(':')?;
    head.trim().eq_ignore_ascii_case(label).then_some(tail.trim())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_of_any_kind_is_told_from_the_others() {
        let ours = PaperId::derive("arxiv:1706.03762");
        for (text, key) in [
            (ours.to_string(), None),
            ("arXiv:1706.03762v5".into(), Some("arxiv:1706.03762")),
            ("10.48550/arXiv.1706.03762".into(), Some("arxiv:1706.03762")),
            ("https://doi.org/10.1162/Neco.1997".into(), Some("doi:10.1162/neco.1997")),
            ("204e3073870fae3d05bcbc2f6a8e263d9b72e776".into(), Some("s2:204e3073870fae3d05bcbc2f6a8e263d9b72e776")),
            ("corpusid: 13756489".into(), Some("corpus:13756489")),
            ("PMID:38799228".into(), Some("pmid:38799228")),
            ("local:row-7".into(), Some("local:row-7")),
        ] {
            let reference: PaperRef = text.parse().unwrap();
            assert_eq!(reference.identity_key().as_deref(), key, "{text}");
        }
    }

    #[test]
    fn a_malformed_reference_says_what_is_expected() {
        let error = "nonsense".parse::<PaperRef>().unwrap_err().to_string();
        assert!(error.starts_with("`nonsense` is not the id of a paper"), "{error}");
        assert!("PMID:x".parse::<PaperRef>().is_err());
    }

    #[test]
    fn derived_ids_are_stable() {
        assert_eq!(PaperId::derive("arxiv:1706.03762"), PaperId::derive("arxiv:1706.03762"));
        assert_ne!(PaperId::derive("arxiv:1706.03762"), PaperId::derive("arxiv:1706.03763"));
    }
}

//! The vocabulary of Lectern: what a paper is, how it is identified, and how what several sources
//! say of it becomes one record. No I/O: everything here is a value or a pure function.

mod arxiv_id;
mod author;
mod clusters;
mod date;
mod doi;
mod identity;
mod ids;
mod merge;
mod provenance;
mod record;
mod works;

pub use arxiv_id::ArxivId;
pub use author::{Author, surname};
pub use date::PublicationDate;
pub use doi::Doi;
pub use identity::{Cites, identity_keys, ids_conflict, likeness_key, record_key, share_a_surname, title_key};
pub use ids::{CorpusId, PaperId, PaperIds, PaperRef, Pmid, S2Id};
pub use merge::{merge, newer_of_same_record};
pub use provenance::provenance;
pub use record::{Paper, Sighting, SourceName};
pub use works::{Decision, Known, LinkKind, RecordName, Works, links, works};

/// A text that is not what its place asks for; says what was read and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {expected}")]
pub struct ParseError {
    value: String,
    expected: &'static str,
}

impl ParseError {
    /// Keeps at most 80 characters of `value`, so that an error stays one readable line.
    pub(crate) fn new(value: &str, expected: &'static str) -> Self {
        let mut shown: String = value.chars().take(80).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self { value: shown, expected }
    }
}

/// Implements the string face of an identifier: `Display` is written by hand, the rest follows from
/// it and from `FromStr`.
macro_rules! string_serde {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use string_serde;

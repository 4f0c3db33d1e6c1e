//! A search for an identifier: the paper that has it, and no other.

use std::time::Instant;

use index::{ArmScores, Mode, SearchHit};
use paper::PaperRef;

use super::{Found, FoundPapers, Library, LibraryError, milliseconds};

/// What a text names.
pub(super) enum Named {
    /// A paper of the library.
    Paper(Box<Found>),
    /// An identifier that no paper of the library has, and a sentence that says so.
    Unknown(String),
    /// No identifier.
    Nothing,
}

impl Library {
    /// The paper that a text names by an identifier.
    pub(super) async fn named(&self, text: &str) -> Result<Named, LibraryError> {
        let Ok(reference) = text.trim().parse::<PaperRef>() else { return Ok(Named::Nothing) };
        let Some(paper) = self.store.paper(&reference).await? else { return Ok(Named::Unknown(missing(&reference))) };
        let Some(id) = paper.id else { return Ok(Named::Nothing) };
        // Cut anew and not read, since the index may be behind.
        let Some(passage) = index::split(id, &paper).into_iter().next() else { return Ok(Named::Nothing) };
        let (scores, highlights) = (ArmScores::default(), Vec::new());
        let hit = SearchHit { paper: id, passage, score: 1.0, scores, exact: true, highlights };
        Ok(Named::Paper(Box::new(Found { hit, paper })))
    }
}

impl FoundPapers {
    /// The one paper that was named.
    pub(super) fn only(found: Found, mode: Mode, began: Instant) -> Self {
        let hits = vec![found];
        Self { hits, total: 1, mode, notice: None, next: None, facets: None, took_ms: milliseconds(began) }
    }
}

fn missing(reference: &PaperRef) -> String {
    let fetch = match reference {
        PaperRef::Arxiv(id) => format!("; `lectern sync arxiv --ids {}` fetches it", id.base()),
        PaperRef::Doi(doi) => format!("; `lectern sync semantic-scholar --ids DOI:{doi}` may fetch it"),
        PaperRef::SemanticScholar(id) => format!("; `lectern sync semantic-scholar --ids {id}` fetches it"),
        PaperRef::Library(_) | PaperRef::Corpus(_) | PaperRef::Pmid(_) | PaperRef::Local(_) => String::new(),
    };
    format!("No paper of the library is {reference}{fetch}.")
}

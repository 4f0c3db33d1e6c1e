//! Crossref: what publishers have registered under a DOI, with the notices of retraction that they and Retraction Watch
//! gave. Its REST API needs no key (<https://api.crossref.org>, <https://www.crossref.org/documentation/retrieve-metadata/rest-api/>).

mod api;
mod convert;
mod lookup;
mod source;
mod wire;

pub use api::{CrossrefApi, DEFAULT_BASE_URL};
use jiff::Timestamp;
pub use lookup::CrossrefLookup;
pub use source::CrossrefSource;

use crate::{IngestError, Page};

/// Reads an answer of the REST API that lists works, or gives a single one.
///
/// A work without a title, or in a wrong form, is rejected with the reason; the rest go on. A paper is retracted when a
/// notice of its retraction, withdrawal or removal is registered, or its title says so; a correction or an expression of
/// concern is no retraction, and the notice of another paper's is not retracted itself.
///
/// # Errors
/// [`IngestError::NotPapers`] for lists of other things, [`IngestError::Refused`] for an error of theirs, and
/// [`IngestError::Malformed`] for anything else.
pub fn parse_body(bytes: &[u8], seen: Timestamp) -> Result<Page, IngestError> {
    let list = wire::read(bytes)?;
    let mut page = Page { total: list.total, ..Page::default() };
    for (place, item) in list.items.into_iter().enumerate() {
        let name = wire::name_of(&item).unwrap_or_else(|| format!("record {}", place + 1));
        page.add(|| name, wire::work(item).and_then(|work| convert::paper(&work, seen)));
    }
    Ok(page)
}

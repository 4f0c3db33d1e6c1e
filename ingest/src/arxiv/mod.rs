//! arXiv: Atom feeds of its query API, OAI-PMH of its harvesting interface, its daily announcements, and a live source
//! for each.

mod announce;
mod answer;
mod daily;
mod feed;
mod harvest;
pub mod oai;
mod place;
mod query;
mod source;
mod xml;

pub use daily::DailySource;
pub use feed::parse_feed;
pub use harvest::{HarvestRequest, HarvestSource};
pub use query::{ArxivRequest, DEFAULT_BASE_URL, MAX_PAGE, MAX_RESULTS, SortBy, SortOrder};
pub use source::ArxivSource;

use paper::SourceName;

use crate::{IngestError, Page};

/// Reads a body of arXiv's of any kind: an Atom feed, an answer of OAI-PMH, or the RSS of the daily announcements, told
/// apart by the root element.
///
/// # Errors
/// [`IngestError::Malformed`] when it cannot be read to its end, [`IngestError::NotPapers`] when it is
/// another kind of document, and what [`parse_feed`] and [`oai::parse`] say.
pub fn parse(bytes: &[u8], seen: jiff::Timestamp) -> Result<Page, IngestError> {
    let root = xml::read(bytes)?;
    match root.name.as_str() {
        "feed" => feed::page(&root, seen),
        "OAI-PMH" => oai::page(&root, seen),
        "rss" => Ok(announce::page(&root, seen)),
        other => Err(not_papers(format!("an XML document <{other}>"))),
    }
}

fn not_papers(what: String) -> IngestError {
    IngestError::NotPapers { origin: SourceName::Arxiv, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_tells_the_kind() {
        let seen = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(parse(b"<feed xmlns='http://www.w3.org/2005/Atom'/>", seen).unwrap(), Page::default());
        assert_eq!(parse(b"<OAI-PMH><ListRecords/></OAI-PMH>", seen).unwrap(), Page::default());
        assert_eq!(parse(b"<rss><channel/></rss>", seen).unwrap(), Page::default());
        let other = parse(b"<svg><g/></svg>", seen).unwrap_err().to_string();
        assert_eq!(other, "this is an XML document <svg>, not a list of papers from arxiv");
    }
}

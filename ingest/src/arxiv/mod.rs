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
pub use query::{ArxivRequest, DEFAULT_BASE_URL, MAX_PAGE, MAX_RESULTS, SortBy};
pub use source::ArxivSource;

use paper::SourceName;

use self::xml::{Document, Element};
use crate::{IngestError, Page};

/// Reads a body of arXiv's of any kind: an Atom feed, an answer of OAI-PMH, or the RSS of the daily announcements, told
/// apart by the root element.
///
/// # Errors
/// [`IngestError::Malformed`] when it cannot be read to its end, [`IngestError::NotPapers`] when it is
/// another kind of document, and what [`parse_feed`] and [`oai::parse`] say.
pub fn parse(bytes: &[u8], seen: jiff::Timestamp) -> Result<Page, IngestError> {
    let text = xml::decoded(bytes);
    let (records, document) = read(&text, seen)?;
    let root = document.root();
    match root.name {
        "feed" => feed::page(records, root),
        "OAI-PMH" => oai::answered(records, root)?.page(),
        "rss" => Ok(records.page),
        other => Err(not_papers(format!("an XML document <{other}>"))),
    }
}

/// The records of a document as they come out of it, whatever its kind.
struct Records {
    page: Page,
    /// How many have come.
    count: usize,
    /// What arXiv says instead of an answer.
    refused: Option<String>,
    seen: jiff::Timestamp,
}

impl Records {
    fn take(&mut self, record: Element<'_>) {
        self.count += 1;
        match record.name {
            "entry" => feed::take(self, record),
            "record" => oai::take(self, record),
            _ => announce::take(self, record),
        }
    }
}

fn read(text: &str, seen: jiff::Timestamp) -> Result<(Records, Document<'_>), IngestError> {
    let mut records = Records { page: Page::default(), count: 0, refused: None, seen };
    let document = xml::read(text, |record| records.take(record))?;
    Ok((records, document))
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

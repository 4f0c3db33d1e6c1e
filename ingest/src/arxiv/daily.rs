use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use paper::{ArxivId, Paper, SourceName};
use url::Url;

use super::{ArxivRequest, ArxivSource, answer, parse};
use crate::http::{Answer, Outgoing, PoliteClient};
use crate::{Cursor, IngestError, Page, Source};

const SETTING: &str = "sources.arxiv.feed_url";

/// What arXiv announced last in one category or several: new papers, those that came in from other categories, and new
/// versions. On a day without announcements the feed is empty, and so is the page.
///
/// An announcement says less than the query API does: no comment, no day of submission. A new version would take these
/// from a paper that has them, so papers of which it is not the first version are asked for by their ids, and only the others are taken
/// as they are announced.
#[derive(Debug)]
pub struct DailySource {
    client: Arc<PoliteClient>,
    feed_url: Url,
    query_url: Url,
    categories: String,
}

impl DailySource {
    /// `feed_url` is the address that the categories (`cs.CL`, or several joined by `+`) are appended to, `query_url`
    /// that of the query API; `client` is the one of all arXiv sources.
    #[must_use]
    pub fn new(client: Arc<PoliteClient>, feed_url: Url, query_url: Url, categories: String) -> Self {
        Self { client, feed_url, query_url, categories }
    }

    fn url(&self) -> Result<Url, IngestError> {
        let known = |category: &str| {
            !category.is_empty() && category.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
        };
        if !self.categories.split('+').all(known) {
            let categories = &self.categories;
            return Err(IngestError::refused(format!(
                "`{categories}` is no category; give one or more, as in cs.CL+cs.IR"
            )));
        }
        let base = self.feed_url.as_str().trim_end_matches('/');
        let url = format!("{base}/{}", self.categories).parse();
        url.map_err(|_| IngestError::refused(format!("{base} is no address to append to; check {SETTING}")))
    }

    /// The papers that have a new version, in full.
    async fn in_full(&self, ids: Vec<ArxivId>, seen: Timestamp) -> Result<Page, IngestError> {
        let request = ArxivRequest { ids, ..ArxivRequest::default() };
        let source = ArxivSource::new(Arc::clone(&self.client), self.query_url.clone(), request);
        let mut all = Page::default();
        let mut cursor = None;
        loop {
            let page = source.page(cursor.as_ref(), seen).await?;
            all.papers.extend(page.papers);
            all.rejected.extend(page.rejected);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }
}

#[async_trait]
impl Source for DailySource {
    fn name(&self) -> SourceName {
        SourceName::Arxiv
    }

    fn key(&self) -> String {
        format!("arxiv:daily:{}", self.categories)
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        if let Some(cursor) = cursor {
            return Err(cursor.foreign());
        }
        let outgoing = Outgoing::get(self.url()?, SETTING);
        let read = |answer: &Answer| answer::check(answer, seen, SETTING).and_then(|()| parse(&answer.body, seen));
        let mut page = self.client.fetch(&outgoing, read).await?;
        (page.next, page.total) = (None, None);
        let is_first = |paper: &Paper| paper.ids.arxiv_version == Some(1);
        let (new, replaced): (Vec<Paper>, Vec<Paper>) = page.papers.into_iter().partition(is_first);
        page.papers = new;
        let ids: Vec<ArxivId> = replaced.into_iter().filter_map(|paper| paper.ids.arxiv).collect();
        if !ids.is_empty() {
            let full = self.in_full(ids, seen).await?;
            page.papers.extend(full.papers);
            page.rejected.extend(full.rejected);
        }
        Ok(page)
    }
}

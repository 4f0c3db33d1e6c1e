use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use paper::{ArxivId, SourceName};
use url::Url;

use super::{ArxivRequest, feed, parse_feed};
use crate::http::{Answer, Outgoing, PoliteClient};
use crate::text::{describe, excerpt};
use crate::{Cursor, IngestError, Page, Rejected, Source};

/// The last page of several attempts that came short.
type ShortPage = Mutex<Option<Page>>;

const SETTING: &str = "sources.arxiv.base_url";

/// A query to arXiv's live API, page by page.
///
/// arXiv at times sends a page that is empty or short although it announces more; such a page is asked for
/// again, as often as the client retries. After that a short one is taken, and the next begins where it ended;
/// an empty one is an error, never the end of the results. Ids that arXiv leaves out of its answer are rejected
/// as not found.
#[derive(Debug)]
pub struct ArxivSource {
    client: Arc<PoliteClient>,
    base_url: Url,
    request: ArxivRequest,
}

impl ArxivSource {
    /// `base_url` is the address of the query API or the root of its host. arXiv asks for one request every
    /// three seconds by everything that an operator runs, so all its sources share one `client`.
    #[must_use]
    pub fn new(client: Arc<PoliteClient>, base_url: Url, request: ArxivRequest) -> Self {
        Self { client, base_url, request }
    }

    /// What the answer to the page at `start` holds; a page that came short is left in `short`.
    fn read(&self, answer: &Answer, start: u64, seen: Timestamp, short: &ShortPage) -> Result<Page, IngestError> {
        match answer.status {
            200 if self.request.ids.is_empty() => self.of_query(feed::sized(&answer.body, seen)?, start, short),
            200 => self.of_ids(parse_feed(&answer.body, seen)?, start),
            406 | 429 | 503 => Err(IngestError::RateLimited { retry_after: answer.retry_after }),
            408 | 500..=599 => {
                Err(IngestError::Transient { what: format!("arXiv failed with HTTP {}", answer.status) })
            }
            status => Err(refusal(answer, seen).with_status(status)),
        }
    }

    fn of_query(
        &self,
        (mut page, per_page): (Page, Option<u64>),
        start: u64,
        short: &ShortPage,
    ) -> Result<Page, IngestError> {
        let came = page.len() as u64;
        let left = page.total.unwrap_or(0).saturating_sub(start);
        let size = self.request.page_size(start);
        // A server may have smaller pages than were asked for, and says so.
        let announced = left.min(per_page.filter(|per_page| *per_page > 0).map_or(size, |per_page| per_page.min(size)));
        page.next = (came < left).then(|| Cursor::at("start", start.saturating_add(came)));
        if came >= announced {
            return Ok(page);
        }
        if came > 0 {
            *short.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        }
        Err(IngestError::Short { came, announced })
    }

    fn of_ids(&self, mut page: Page, start: u64) -> Result<Page, IngestError> {
        let asked = self.request.ids_at(start);
        let announced = page.total.unwrap_or(0).min(asked.len() as u64);
        if page.len() == 0 && announced > 0 {
            return Err(IngestError::Short { came: 0, announced });
        }
        // With a query beside the ids, one that is missing may exist and not fit.
        if self.request.query.is_none() && self.request.category.is_none() {
            let missing: Vec<Rejected> = asked.iter().filter(|id| !mentions(&page, id)).map(not_found).collect();
            page.rejected.extend(missing);
        }
        let reached = start.saturating_add(asked.len() as u64);
        let total = self.request.ids.len() as u64;
        page.total = Some(total);
        page.next = (reached < total).then(|| Cursor::at("start", reached));
        Ok(page)
    }
}

#[async_trait]
impl Source for ArxivSource {
    fn name(&self) -> SourceName {
        SourceName::Arxiv
    }

    fn key(&self) -> String {
        self.request.key()
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        let start = Cursor::number(cursor, "start")?;
        let outgoing = Outgoing::get(self.request.url(&self.base_url, start)?, SETTING);
        let short = ShortPage::default();
        let fetched = self.client.fetch(&outgoing, |answer| self.read(answer, start, seen, &short)).await;
        let short = short.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (fetched, short) {
            (Err(IngestError::Short { .. } | IngestError::Transient { .. }), Some(short)) => Ok(short),
            (fetched, _) => fetched,
        }
    }
}

fn mentions(page: &Page, id: &ArxivId) -> bool {
    let came = page.papers.iter().filter_map(|paper| paper.ids.arxiv.as_ref()).any(|arxiv| arxiv.base() == id.base());
    came || page.rejected.iter().any(|rejected| rejected.record.contains(id.base()))
}

fn not_found(id: &ArxivId) -> Rejected {
    Rejected { record: format!("arXiv:{id}"), reason: "not found: arXiv has no such paper".to_owned() }
}

/// arXiv says what is wrong in a feed of one entry; others on the way say it in their own form.
fn refusal(answer: &Answer, seen: Timestamp) -> IngestError {
    if let Some(place) = &answer.location {
        return IngestError::refused(format!("sent on to {place}; if that is right, set {SETTING} to it"));
    }
    match parse_feed(&answer.body, seen) {
        Err(refused @ IngestError::Refused { .. }) => refused,
        _ if describe(&answer.body) == "an HTML page" => {
            IngestError::refused(format!("by an HTML page; check {SETTING}"))
        }
        _ => {
            let said = excerpt(&String::from_utf8_lossy(&answer.body), 200);
            IngestError::refused(format!("arXiv says: {said}; check the query and {SETTING}"))
        }
    }
}

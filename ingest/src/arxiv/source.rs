use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use paper::{ArxivId, Paper, PublicationDate, SourceName};
use url::Url;

use super::place::Place;
use super::{ArxivRequest, MAX_RESULTS, SortBy, answer, feed, parse_feed};
use crate::http::{Answer, Outgoing, PoliteClient};
use crate::{Cursor, IngestError, Page, Rejected, Source};

/// The last page of several attempts that came short.
type ShortPage = Mutex<Option<Page>>;

const SETTING: &str = "sources.arxiv.base_url";

/// A query to arXiv's live API, page by page.
///
/// arXiv at times sends a page that is empty or short although it announces more; such a page is asked for
/// again, as often as the client retries. After that a short one is taken, and the next begins where it ended;
/// an empty one is an error, never the end of the results. Ids that arXiv leaves out of its answer are rejected, as
/// not found, or as not sent by a page that stays short.
///
/// arXiv gives 30,000 results of a query and no more. A query sorted by submission goes on from
/// there in a window that ends with the day of the last entry; the papers of that day come twice. A query that was
/// read to its end, unless it is sorted by relevance, leaves a place from which the next sync reads what changed since, new versions among it, and stops
/// at the first page that reaches back behind that day.
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

    /// What the answer to the page at `place` holds; a page that came short is left in `short`.
    fn read(&self, answer: &Answer, place: &Place, seen: Timestamp, short: &ShortPage) -> Result<Page, IngestError> {
        answer::check(answer, seen, SETTING)?;
        match self.request.ids.is_empty() {
            true => self.of_query(feed::sized(&answer.body, seen)?, place, short),
            false => self.of_ids(parse_feed(&answer.body, seen)?, place.start, short),
        }
    }

    fn of_query(
        &self,
        (mut page, per_page): (Page, Option<u64>),
        place: &Place,
        short: &ShortPage,
    ) -> Result<Page, IngestError> {
        let came = page.len() as u64;
        // What led here had entries, so this is no end, whatever total it tells.
        if came == 0 && page.total.unwrap_or(0) == 0 && (place.start > 0 || place.since.is_some()) {
            return Err(IngestError::Short { came, announced: 1 });
        }
        let left = page.total.unwrap_or(0).saturating_sub(place.start);
        let size = self.request.page_size(place.start);
        // A server may have smaller pages than were asked for, and says so.
        let announced = left.min(per_page.filter(|per_page| *per_page > 0).map_or(size, |per_page| per_page.min(size)));
        let next = (came < left).then(|| self.after(&mut page, place, came)).flatten();
        page.owed = place.since.is_some() || place.owed;
        // What is most relevant is looked up anew; of the rest what has changed since.
        let by_time = self.request.sort != SortBy::Relevance;
        page.later = place.later().filter(|_| by_time && came > 0 && (next.is_none() || !page.owed));
        page.next = next.and_then(|place| place.cursor());
        // Of what changed, and of a window, the source tells only how many there are with all that was read before.
        page.total = page.total.filter(|_| place.since.is_none() && place.until.is_none());
        if came >= announced {
            return Ok(page);
        }
        if came > 0 {
            *short.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        }
        Err(IngestError::Short { came, announced })
    }

    /// Where the walk goes on after a page that is not the last of its results.
    fn after(&self, page: &mut Page, place: &Place, came: u64) -> Option<Place> {
        let start = place.start.saturating_add(came);
        match place.since {
            Some(since) if reaches_behind(page, since) => None,
            // So much changed that not all of it can be listed: everything is read again.
            Some(_) if start >= MAX_RESULTS => Some(Place { began: place.began, owed: true, ..Place::default() }),
            None if start >= MAX_RESULTS => self.window_after(page, place),
            _ => Some(Place { start, ..*place }),
        }
    }

    /// The window that ends with the day of the last entry. Where that is no earlier one the walk is at its end, and says
    /// that there is more.
    fn window_after(&self, page: &mut Page, place: &Place) -> Option<Place> {
        let last = page.papers.iter().rev().find_map(|paper| paper.published).and_then(date);
        let before = place.until.or(self.request.until);
        let until = last.filter(|last| self.request.goes_by_day() && before.is_none_or(|before| *last < before));
        if until.is_none() {
            page.rejected.push(Rejected { record: self.key(), reason: self.request.too_many(place.until) });
        }
        Some(Place { start: 0, until: Some(until?), ..*place })
    }

    fn of_ids(&self, mut page: Page, start: u64, short: &ShortPage) -> Result<Page, IngestError> {
        let asked = self.request.ids_at(start);
        let (came, announced) = (page.len() as u64, page.total.unwrap_or(0).min(asked.len() as u64));
        if came == 0 && announced > 0 {
            return Err(IngestError::Short { came, announced });
        }
        let is_short = came < announced;
        // With a query beside the ids, one that is missing may exist and not fit.
        if self.request.asks_for_ids_alone() {
            let reason = if is_short { NOT_SENT } else { NOT_FOUND };
            let reject = |id: &ArxivId| Rejected { record: format!("arXiv:{id}"), reason: reason.to_owned() };
            let missing: Vec<Rejected> = asked.iter().filter(|id| !mentions(&page, id)).map(reject).collect();
            page.rejected.extend(missing);
        }
        let reached = start.saturating_add(asked.len() as u64);
        let total = self.request.ids.len() as u64;
        page.total = Some(total);
        page.next = (reached < total).then(|| Cursor::at("start", reached));
        if is_short {
            *short.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
            return Err(IngestError::Short { came, announced });
        }
        Ok(page)
    }

    fn place(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Place, IngestError> {
        let place = Place::of(cursor, seen)?;
        let of_a_query = place.since.or(place.until).is_some();
        match cursor {
            Some(cursor) if of_a_query && !self.request.ids.is_empty() => Err(cursor.foreign()),
            _ => Ok(place),
        }
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

    /// A list of ids has no end that could be declined.
    fn newest_first(&self) -> bool {
        self.request.ids.is_empty()
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        let place = self.place(cursor, seen)?;
        let outgoing = Outgoing::get(self.request.address(&self.base_url, &place)?, SETTING);
        let short = ShortPage::default();
        let fetched = self.client.fetch(&outgoing, |answer| self.read(answer, &place, seen, &short)).await;
        let short = short.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (fetched, short) {
            (Err(IngestError::Short { .. } | IngestError::Transient { .. }), Some(short)) => Ok(short),
            (fetched, _) => fetched,
        }
    }
}

/// Whether a page of what changed, the latest first, has an entry from before that day.
fn reaches_behind(page: &Page, since: Date) -> bool {
    let changed = |paper: &Paper| paper.updated.or(paper.published).and_then(date);
    page.papers.iter().filter_map(changed).min().is_some_and(|oldest| oldest < since)
}

fn date(date: PublicationDate) -> Option<Date> {
    Date::new(date.year(), date.month()?, date.day()?).ok()
}

fn mentions(page: &Page, id: &ArxivId) -> bool {
    let came = page.papers.iter().filter_map(|paper| paper.ids.arxiv.as_ref()).any(|arxiv| arxiv.base() == id.base());
    came || page.rejected.iter().any(|rejected| rejected.record.contains(id.base()))
}

const NOT_FOUND: &str = "not found: arXiv has no such paper";
const NOT_SENT: &str = "not sent: arXiv announced more papers than it sent, though asked several times; sync it again";

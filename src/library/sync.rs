//! Source -> store: page by page, the cursor after the papers.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use ingest::{Cursor, Page, Source};
use paper::SourceName;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::progress::{Course, Stage};
use super::{Checked, Library, LibraryError, Rejections};
use crate::store::UpsertCounts;

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SyncReport {
    /// Papers added, updated and unchanged.
    #[serde(flatten)]
    pub counts: UpsertCounts,
    /// The records that could not be taken in, each with the reason.
    pub rejected: Rejections,
    /// Records that the source has taken back, and the library had.
    pub deleted: u64,
    /// Whether it went on from where an earlier, interrupted one stopped.
    pub resumed: bool,
    /// Why the place where an earlier one stopped was given up, when it was.
    pub began_anew: Option<String>,
    /// Whether it ended at the most papers to take in, and the source has more.
    pub stopped_at_max: bool,
    /// Whether it was asked to stop before its end; the next sync of the request goes on there.
    pub stopped: bool,
    /// How asking about the library's own papers went, when that was what was to be done.
    pub checked: Option<Checked>,
    /// The fields of a file that could not be read, with in how many of its records; the rest of them was taken in.
    pub left_out: BTreeMap<String, u64>,
}

/// What to sync.
pub struct SyncRequest<'s> {
    /// Where from.
    pub source: &'s dyn Source,
    /// The most papers to take in: those that the source has first.
    pub max: usize,
    /// Cancelled, it ends the sync after the page under way, with its place kept.
    pub stop: CancellationToken,
}

impl<'s> SyncRequest<'s> {
    /// A sync that nothing but its end stops.
    #[must_use]
    pub fn new(source: &'s dyn Source, max: usize) -> Self {
        Self { source, max, stop: CancellationToken::new() }
    }
}

/// A sync that is under way, and how far.
struct Walk<'l, 's> {
    library: &'l Library,
    request: SyncRequest<'s>,
    key: String,
    taken: usize,
    /// Where the page under way is.
    place: Place,
    report: &'l mut SyncReport,
}

impl Library {
    /// Reads a source page by page into the store. After each page its papers are stored, then the place that
    /// was reached, so that an interrupted sync goes on where it stopped. One that ends at `max` goes on there too, but
    /// for a source that gives the newest first, of which the rest is declined; the next sync then reads what has changed
    /// since, all of it.
    ///
    /// The next page is asked for when the place is kept and no sooner: so a process that is killed repeats one page
    /// at most. What takes long goes on meanwhile all the same: the source's interval runs from the request before,
    /// and the index is written beside.
    ///
    /// # Errors
    /// [`LibraryError::UnderWay`] when a sync of the same request is; else when the source fails for good or the store
    /// does; what was stored before stays, and the place too.
    pub async fn sync(&self, request: SyncRequest<'_>, course: &Course<'_>) -> Result<SyncReport, LibraryError> {
        let mut report = SyncReport::default();
        self.sync_into(request, &mut report, course).await?;
        Ok(report)
    }

    /// The same, told in `report`, which says also of a sync that fails what it did before.
    ///
    /// # Errors
    /// As [`Library::sync`].
    pub async fn sync_into(
        &self,
        request: SyncRequest<'_>,
        report: &mut SyncReport,
        course: &Course<'_>,
    ) -> Result<(), LibraryError> {
        let key = request.source.key();
        let _alone = self.alone(&key)?;
        let mut walk = Walk { library: self, request, key, taken: 0, place: Place::default(), report };
        course.at(Stage::Reading, 0, None);
        course.at(Stage::Storing, 0, None);
        let mut page = walk.first_page().await?;
        while let Some(next) = walk.take(page, course).await? {
            page = next;
        }
        Ok(())
    }

    /// The right to be the only one that syncs a request.
    pub(super) fn alone(&self, key: &str) -> Result<UnderWay, LibraryError> {
        UnderWay::begin(&self.syncing, key)
    }

    /// Takes in what a file of a source's answers holds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_file(&self, source: SourceName, page: Page, max: usize) -> Result<SyncReport, LibraryError> {
        let mut page = page;
        let mut report = SyncReport { stopped_at_max: page.papers.len() > max, ..SyncReport::default() };
        page.papers.truncate(max);
        self.take_page(source, page, &mut report).await?;
        Ok(report)
    }

    async fn kept_place(&self, key: &str) -> Result<Option<Place>, LibraryError> {
        Ok(self.store.cursor(key).await?.and_then(|place| Place::read(&place)))
    }

    async fn take_page(&self, source: SourceName, page: Page, report: &mut SyncReport) -> Result<(), LibraryError> {
        report.counts += self.store.upsert(&page.papers).await?;
        self.store.add_links(&page.links).await?;
        if !page.deleted.is_empty() {
            report.deleted += self.store.take_back(source, &page.deleted, self.clock.now()).await?;
        }
        report.rejected.extend(page.rejected);
        self.wake_indexer();
        Ok(())
    }
}

impl Walk<'_, '_> {
    /// Stores a page and its place, and gives the next page when there is one to read.
    async fn take(&mut self, mut page: Page, course: &Course<'_>) -> Result<Option<Page>, LibraryError> {
        let (most, source) = (self.request.max, self.request.source);
        // What is owed is read to its end, be it in several syncs; of what is not, the rest may be declined.
        let owed = page.owed || !source.newest_first();
        let total = page.total.map(|total| total.min(most as u64));
        let (next, later) = (page.next.take(), page.later.take());
        let cut = self.cut(&mut page, owed);
        course.at(Stage::Reading, self.taken as u64, total);
        self.library.take_page(source.name(), page, self.report).await?;
        course.at(Stage::Storing, self.taken as u64, total);
        self.report.stopped_at_max = cut || (next.is_some() && self.taken >= most);
        let now = self.library.clock.now();
        let at = |cursor| Place { skip: 0, cursor: Some(cursor), declined: self.place.declined };
        let place = match next {
            Some(cursor) if !cut => Some(at(cursor)),
            _ if cut && owed => Some(self.place.clone()),
            _ => None,
        };
        match place.filter(|_| owed || !self.report.stopped_at_max) {
            Some(place) => {
                self.library.store.save_cursor(&self.key, &place.to_string(), now).await?;
                self.report.stopped = !self.report.stopped_at_max && self.request.stop.is_cancelled();
                self.place = place;
                if self.report.stopped_at_max || self.report.stopped {
                    return Ok(None);
                }
                Ok(Some(source.page(self.place.cursor.as_ref(), now).await?))
            }
            None => {
                // Before the place is cleared: a crash between the two repeats this page and no more.
                if let Some(later) = later {
                    let later = self.begins_later(later, owed).await?;
                    self.library.store.save_cursor(&later_key(&self.key), &later.to_string(), now).await?;
                }
                self.library.store.clear_cursor(&self.key).await?;
                Ok(None)
            }
        }
    }

    /// Where the next sync begins. What an earlier one owes is still owed when this one has read further back and declined
    /// the rest.
    async fn begins_later(&self, later: Cursor, owed: bool) -> Result<Place, LibraryError> {
        let declined = Some(self.request.max).filter(|_| self.report.stopped_at_max).or(self.place.declined);
        let earlier = match declined {
            Some(_) if !owed => self.library.kept_place(&later_key(&self.key)).await?,
            _ => None,
        };
        let own = Place { skip: 0, cursor: Some(later), declined };
        Ok(earlier.map_or(own, |earlier| Place { declined, ..earlier }))
    }

    /// Takes from a page what was taken before, and what is beyond the most papers; whether there is any of that.
    fn cut(&mut self, page: &mut Page, owed: bool) -> bool {
        page.papers.drain(..self.place.skip.min(page.papers.len()));
        let room = self.request.max - self.taken.min(self.request.max);
        let cut = page.papers.len() > room && (!owed || self.request.source.repeats());
        if cut {
            page.papers.truncate(room);
            self.place.skip += room;
        }
        self.taken += page.papers.len();
        cut
    }

    /// The page at the stored place, else at the one that the last finished sync left, else the first. A place that
    /// the source refuses is given up, or it would block the sync for good: Semantic Scholar's tokens expire. That is
    /// done when another page has come: what refuses everything for a while must not cost the place.
    async fn first_page(&mut self) -> Result<Page, LibraryError> {
        let Self { library, request, key, report, place: at, .. } = self;
        let mut refused_places = Vec::new();
        let mut found = None;
        for (kept, resumed) in [(key.clone(), true), (later_key(key), false)] {
            let Some(place) = library.kept_place(&kept).await? else { continue };
            // Where more papers are wanted than before, what was declined then is read now, and what is owed after that.
            if place.declined.is_some_and(|declined| declined < request.max) {
                if resumed {
                    library.store.save_cursor(&later_key(key), &place.to_string(), library.clock.now()).await?;
                }
                continue;
            }
            match request.source.page(place.cursor.as_ref(), library.clock.now()).await {
                Err(refused) if refused.may_be_of_the_cursor() => {
                    report.began_anew = Some(refused.to_string());
                    refused_places.push(kept);
                }
                page => {
                    report.resumed = resumed;
                    *at = place;
                    found = Some(page?);
                    break;
                }
            }
        }
        let page = match found {
            Some(page) => page,
            None => request.source.page(None, library.clock.now()).await?,
        };
        for place in refused_places {
            library.store.clear_cursor(&place).await?;
        }
        Ok(page)
    }
}

/// Where a walk is: at a page of the source, the first without a cursor, of which so many papers have been taken; after
/// one that took so many papers and declined the rest. Kept as `most=1000;skip=100;since=2024-02-10`, without the parts
/// that say nothing.
#[derive(Debug, Clone, Default, PartialEq)]
struct Place {
    skip: usize,
    cursor: Option<Cursor>,
    declined: Option<usize>,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let (declined, text) = number_before(text, "most=");
        let (skip, text) = number_before(text, "skip=");
        let cursor = Some(text).filter(|text| !text.is_empty()).map(str::parse).transpose().ok()?;
        Some(Self { skip: skip.unwrap_or(0), cursor, declined })
    }
}

/// The number that a text begins with, behind a name, and the rest after it.
fn number_before<'t>(text: &'t str, name: &str) -> (Option<usize>, &'t str) {
    let named = text.strip_prefix(name).and_then(|rest| rest.split_once(';'));
    match named.and_then(|(number, rest)| Some((number.parse().ok()?, rest))) {
        Some((number, rest)) => (Some(number), rest),
        None => (None, text),
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.declined.map_or(Ok(()), |declined| write!(f, "most={declined};"))?;
        if self.skip > 0 {
            write!(f, "skip={};", self.skip)?;
        }
        self.cursor.as_ref().map_or(Ok(()), |cursor| write!(f, "{cursor}"))
    }
}

/// Under which the place is kept where the next sync of a finished request begins.
fn later_key(key: &str) -> String {
    format!("{key}#later")
}

/// The requests that are being synced in this process.
pub(super) type Syncing = Arc<Mutex<HashSet<String>>>;

/// The right to sync one request, as long as it lives: two at once would read the same pages and move each other's
/// place.
pub(super) struct UnderWay {
    key: String,
    all: Syncing,
}

impl UnderWay {
    fn begin(all: &Syncing, key: &str) -> Result<Self, LibraryError> {
        let is_new = all.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        if is_new {
            return Ok(Self { key: key.to_owned(), all: Arc::clone(all) });
        }
        Err(LibraryError::UnderWay { request: key.to_owned() })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;

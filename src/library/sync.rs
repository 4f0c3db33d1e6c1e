//! Source -> store: page by page, the cursor after the papers.

use ingest::{Page, Rejected, Source};
use serde::Serialize;

use super::{Library, LibraryError, Progress};
use crate::store::UpsertCounts;

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SyncReport {
    /// Papers added, updated and unchanged.
    #[serde(flatten)]
    pub counts: UpsertCounts,
    /// The records that could not be taken in, each with the reason.
    pub rejected: Vec<Rejected>,
    /// Whether it went on from where an earlier, interrupted one stopped.
    pub resumed: bool,
    /// Why the place where an earlier one stopped was given up, when it was.
    pub began_anew: Option<String>,
    /// Whether it ended at the most papers to take in, and the source has more.
    pub stopped_at_max: bool,
}

/// What to sync.
pub struct SyncRequest<'s> {
    /// Where from.
    pub source: &'s dyn Source,
    /// The most papers to take in: those that the source has first.
    pub max: usize,
}

impl Library {
    /// Reads a source page by page into the store. After each page its papers are stored, then the place that
    /// was reached, so that an interrupted sync goes on where it stopped. A finished one, be it at the end or at
    /// `max`, begins anew the next time: sources give the newest first, so that is where new papers are.
    ///
    /// # Errors
    /// When the source fails for good or the store does; what was stored before stays, and the place too.
    pub async fn sync(&self, request: SyncRequest<'_>, progress: Progress<'_>) -> Result<SyncReport, LibraryError> {
        let key = request.source.key();
        let mut report = SyncReport::default();
        let mut page = self.first_page(request.source, &key, &mut report).await?;
        let mut taken = 0;
        loop {
            let room = request.max - taken;
            let cut = page.papers.len() > room;
            page.papers.truncate(room);
            taken += page.papers.len();
            let (next, total) = (page.next.take(), page.total.unwrap_or_default());
            self.take_page(page, &mut report).await?;
            progress(taken as u64, total.min(request.max as u64));
            match next {
                Some(place) if taken < request.max => {
                    self.store.save_cursor(&key, &place.to_string(), self.clock.now()).await?;
                    page = request.source.page(Some(&place), self.clock.now()).await?;
                }
                more => {
                    report.stopped_at_max = cut || more.is_some();
                    self.store.clear_cursor(&key).await?;
                    return Ok(report);
                }
            }
        }
    }

    /// The page at the stored place, else the first. A place that the source refuses is given up, or it would
    /// block the sync for good: Semantic Scholar's tokens expire.
    async fn first_page(&self, source: &dyn Source, key: &str, report: &mut SyncReport) -> Result<Page, LibraryError> {
        let stored = self.store.cursor(key).await?.and_then(|place| place.parse().ok());
        let Some(place) = stored else { return Ok(source.page(None, self.clock.now()).await?) };
        match source.page(Some(&place), self.clock.now()).await {
            Err(refused) if refused.may_be_of_the_cursor() => {
                let page = source.page(None, self.clock.now()).await?;
                self.store.clear_cursor(key).await?;
                report.began_anew = Some(refused.to_string());
                Ok(page)
            }
            page => {
                report.resumed = true;
                Ok(page?)
            }
        }
    }

    /// Takes in what a file holds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_file(&self, page: Page, max: usize) -> Result<SyncReport, LibraryError> {
        let mut page = page;
        let mut report = SyncReport { stopped_at_max: page.papers.len() > max, ..SyncReport::default() };
        page.papers.truncate(max);
        self.take_page(page, &mut report).await?;
        Ok(report)
    }

    async fn take_page(&self, page: Page, report: &mut SyncReport) -> Result<(), LibraryError> {
        report.counts += self.store.upsert(&page.papers).await?;
        report.rejected.extend(page.rejected);
        self.wake_indexer();
        Ok(())
    }
}

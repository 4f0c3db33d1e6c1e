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
    /// Records that the source has taken back, and the library had.
    pub deleted: u64,
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
        let mut report = SyncReport::default();
        self.sync_into(request, &mut report, progress).await?;
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
        progress: Progress<'_>,
    ) -> Result<(), LibraryError> {
        let key = request.source.key();
        let mut page = self.first_page(request.source, &key, report).await?;
        let mut taken = 0;
        loop {
            let room = request.max - taken;
            let cut = page.papers.len() > room;
            page.papers.truncate(room);
            taken += page.papers.len();
            let (next, later, total) = (page.next.take(), page.later.take(), page.total.unwrap_or_default());
            self.take_page(page, report).await?;
            progress(taken as u64, total.min(request.max as u64));
            report.stopped_at_max = cut || (next.is_some() && taken >= request.max);
            let begins_anew = report.stopped_at_max && request.source.newest_first();
            match next {
                Some(place) if !cut && !begins_anew => {
                    self.store.save_cursor(&key, &place.to_string(), self.clock.now()).await?;
                    if report.stopped_at_max {
                        return Ok(());
                    }
                    page = request.source.page(Some(&place), self.clock.now()).await?;
                }
                // The page that was cut short is where it goes on.
                _ if cut && !request.source.newest_first() => return Ok(()),
                _ => {
                    self.store.clear_cursor(&key).await?;
                    if let Some(later) = later.filter(|_| !report.stopped_at_max) {
                        self.store.save_cursor(&later_key(&key), &later.to_string(), self.clock.now()).await?;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// The page at the stored place, else at the one that the last finished sync left, else the first. A place that
    /// the source refuses is given up, or it would block the sync for good: Semantic Scholar's tokens expire.
    async fn first_page(&self, source: &dyn Source, key: &str, report: &mut SyncReport) -> Result<Page, LibraryError> {
        for (kept, resumed) in [(key.to_owned(), true), (later_key(key), false)] {
            let Some(place) = self.store.cursor(&kept).await?.and_then(|place| place.parse().ok()) else { continue };
            match source.page(Some(&place), self.clock.now()).await {
                Err(refused) if refused.may_be_of_the_cursor() => {
                    self.store.clear_cursor(&kept).await?;
                    report.began_anew = Some(refused.to_string());
                }
                page => {
                    report.resumed = resumed;
                    return Ok(page?);
                }
            }
        }
        Ok(source.page(None, self.clock.now()).await?)
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

/// Under which the place is kept where the next sync of a finished request begins.
fn later_key(key: &str) -> String {
    format!("{key}#later")
}

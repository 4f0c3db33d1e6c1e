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
    /// Where the next sync of the same request goes on; none when all was read.
    pub next: Option<String>,
    /// Whether it went on from where an earlier, interrupted one stopped.
    pub resumed: bool,
}

/// What to sync.
pub struct SyncRequest<'s> {
    /// Where from.
    pub source: &'s dyn Source,
    /// The most papers to take in.
    pub max: usize,
}

impl Library {
    /// Reads a source page by page into the store. After each page its papers are stored, then the place that
    /// was reached, so that an interrupted sync goes on where it stopped and a finished one begins anew.
    ///
    /// # Errors
    /// When the source fails for good or the store does; what was stored before stays, and the place too.
    pub async fn sync(&self, request: SyncRequest<'_>, progress: Progress<'_>) -> Result<SyncReport, LibraryError> {
        let key = request.source.key();
        let stored = self.store.cursor(&key).await?;
        let mut cursor = stored.as_deref().and_then(|place| place.parse().ok());
        let mut report = SyncReport { resumed: cursor.is_some(), ..SyncReport::default() };
        let mut taken = 0;
        loop {
            let mut page = request.source.page(cursor.as_ref(), self.clock.now()).await?;
            page.papers.truncate(request.max - taken);
            taken += page.papers.len();
            cursor = page.next.clone();
            let total = page.total.unwrap_or_default();
            self.take_page(page, &mut report).await?;
            progress(taken as u64, total.min(request.max as u64));
            match &cursor {
                Some(place) if taken < request.max => {
                    self.store.save_cursor(&key, &place.to_string(), self.clock.now()).await?;
                }
                place => {
                    report.next = place.as_ref().map(ToString::to_string);
                    self.store.clear_cursor(&key).await?;
                    return Ok(report);
                }
            }
        }
    }

    /// Takes in what a file holds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_file(&self, page: Page, max: usize) -> Result<SyncReport, LibraryError> {
        let mut page = page;
        page.papers.truncate(max);
        let mut report = SyncReport::default();
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

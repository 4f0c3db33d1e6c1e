//! Store -> index: the one task that follows the store's revisions.

use std::time::Duration;

use index::IndexedPaper;

use super::{Library, LibraryError};

/// Papers written to the index at once. One batch is what a crash repeats.
const BATCH: usize = 256;

/// What bringing the index up to date did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Papers written or cleared.
    pub papers: usize,
    /// The time that embedding took.
    pub embedding: Duration,
}

/// Told after each step: how much is done, of how much.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Send + Sync);

impl Library {
    /// Brings the index up to the store: batch by batch, each committed with the revision it reaches, so that
    /// a crash repeats one batch and loses nothing.
    ///
    /// # Errors
    /// When the store or the index fails; what was written before stays.
    pub async fn index_pending(&self, progress: Progress<'_>) -> Result<IndexReport, LibraryError> {
        let _one_at_a_time = self.indexing.lock().await;
        let mut report = IndexReport::default();
        self.align_index().await?;
        let began = self.index.watermark();
        loop {
            let watermark = self.index.watermark();
            let changes = self.store.changes_since(watermark, BATCH).await?;
            let Some(reached) = changes.last().map(|change| change.revision) else { break };
            let batch =
                changes.into_iter().map(|c| IndexedPaper { id: c.id, revision: c.revision, paper: c.paper }).collect();
            let written = self.index.write(batch, reached).await?;
            report.papers += written.papers;
            report.embedding += written.embedding;
            let newest = self.store.revision().await?;
            progress(reached.saturating_sub(began), newest.saturating_sub(began));
        }
        if report.papers > BATCH {
            self.index.optimize().await?;
        }
        Ok(report)
    }

    /// Sees to it that the index follows this store. To be called before the store is written: its revision may
    /// pass the watermark of an index that does not.
    ///
    /// # Errors
    /// When the store or the index fails.
    pub async fn align_index(&self) -> Result<(), LibraryError> {
        let id = self.store.library_id(&self.clock.new_id().to_string()).await?;
        if self.index.follow(&id, self.store.revision().await?).await? {
            tracing::warn!("the index followed another library, or an older copy of this one; it is built anew");
        }
        Ok(())
    }

    /// Says that the store has changed.
    pub fn wake_indexer(&self) {
        self.changed.notify_one();
    }

    /// Follows the store until the future is dropped. A failed batch is tried again after a pause: the
    /// cause (a full disk, a server that is away) may pass, and nothing is lost by waiting.
    pub async fn follow_store(&self) {
        const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);
        loop {
            if let Err(fault) = self.index_pending(&|_, _| {}).await {
                tracing::error!(%fault, "indexing stopped; trying again in {} s", PAUSE_AFTER_FAILURE.as_secs());
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            } else {
                self.changed.notified().await;
            }
        }
    }
}

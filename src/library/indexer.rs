//! Store -> index: the one task that follows the store's revisions.

use std::time::Duration;

use index::{HybridIndex, IndexedPaper, Prepared, WriteReport};

use super::{Library, LibraryError};
use crate::store::{Change, Store};

/// Papers after which it is worth making the index as fast to search as it gets.
const WORTH_OPTIMIZING: usize = 256;

/// What bringing the index up to date did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Papers written or cleared.
    pub papers: usize,
    /// Of these, those cleared.
    pub deleted: usize,
    /// Passages embedded.
    pub embedded: usize,
    /// The time that embedding took.
    pub embedding: Duration,
}

impl std::ops::AddAssign for IndexReport {
    fn add_assign(&mut self, more: Self) {
        self.papers += more.papers;
        self.deleted += more.deleted;
        self.embedded += more.embedded;
        self.embedding += more.embedding;
    }
}

impl std::ops::AddAssign<WriteReport> for IndexReport {
    fn add_assign(&mut self, written: WriteReport) {
        self.papers += written.papers;
        self.deleted += written.deleted;
        self.embedded += written.embedded;
        self.embedding += written.embedding;
    }
}

/// Told after each step: how many papers are done, of how many.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Send + Sync);

/// A store, and an index that follows it.
pub(super) struct Following<'f> {
    pub(super) store: &'f Store,
    pub(super) index: &'f HybridIndex,
}

impl Following<'_> {
    /// Brings the index up to the store: batch by batch, each committed with the revision it reaches, so that
    /// a crash repeats one batch and loses nothing. `progress` is told of the papers after revision `since`. Nobody else may
    /// write the index meanwhile.
    pub(super) async fn bring_up(&self, since: u64, progress: Progress<'_>) -> Result<IndexReport, LibraryError> {
        let mut report = IndexReport::default();
        let mut read = self.index.watermark();
        // While one batch is committed, on one thread, the next is embedded, on all of them.
        let mut prepared: Option<(Prepared, u64)> = None;
        let left = self.store.count_changes(read).await?;
        if left > 0 {
            self.tell(since, left, progress).await?;
        }
        loop {
            let changes = self.store.changes_since(read, self.index.batch()).await?;
            let reached = changes.last().map(|change| change.revision);
            let (next, committed) = tokio::try_join!(self.prepare(changes), self.commit(prepared))?;
            if let Some((written, revision)) = committed {
                report += written;
                self.tell(since, self.store.count_changes(revision).await?, progress).await?;
            }
            match (reached, next) {
                (Some(reached), Some(next)) => (prepared, read) = (Some((next, reached)), reached),
                _ if committed.is_some() => prepared = None,
                _ => return Ok(report),
            }
        }
    }

    async fn tell(&self, since: u64, left: u64, progress: Progress<'_>) -> Result<(), LibraryError> {
        let all = self.store.count_changes(since).await?;
        progress(all.saturating_sub(left), all);
        Ok(())
    }

    async fn prepare(&self, changes: Vec<Change>) -> Result<Option<Prepared>, LibraryError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let indexed = |change: Change| IndexedPaper {
            id: change.id,
            revision: change.revision,
            paper: change.paper,
            text_revision: change.text_revision,
        };
        Ok(Some(self.index.prepare(changes.into_iter().map(indexed).collect()).await?))
    }

    async fn commit(&self, prepared: Option<(Prepared, u64)>) -> Result<Option<(WriteReport, u64)>, LibraryError> {
        let Some((prepared, reached)) = prepared else { return Ok(None) };
        Ok(Some((self.index.commit(prepared, reached).await?, reached)))
    }

    /// Sees to it that the index follows this store, whose library has `new_id` from now on when it has none yet.
    pub(super) async fn align(&self, new_id: &str) -> Result<(), LibraryError> {
        let id = self.store.library_id(new_id).await?;
        if self.index.follow(&id, self.store.revision().await?).await? {
            tracing::warn!("the index followed another library, or an older copy of this one; it is built anew");
        }
        Ok(())
    }

    /// Makes the index as fast to search as it gets, when so many papers were written that it is worth it.
    async fn optimize(&self, written: usize) -> Result<(), LibraryError> {
        if written > WORTH_OPTIMIZING {
            self.index.optimize().await?;
        }
        Ok(())
    }
}

impl Library {
    /// Brings the index that is searched up to the store.
    ///
    /// # Errors
    /// When the store or the index fails; what was written before stays.
    pub async fn index_pending(&self, progress: Progress<'_>) -> Result<IndexReport, LibraryError> {
        let _one_at_a_time = self.indexing.lock().await;
        // Asked for under the lock: no other takes its place meanwhile.
        let index = self.index();
        let following = Following { store: &self.store, index: &index };
        following.align(&self.clock.new_id().to_string()).await?;
        let report = following.bring_up(index.watermark(), progress).await?;
        following.optimize(report.papers).await?;
        self.count_indexed(report);
        Ok(report)
    }

    /// Sees to it that the index follows this store. To be called before the store is written: its revision may
    /// pass the watermark of an index that does not.
    ///
    /// # Errors
    /// When the store or the index fails.
    pub async fn align_index(&self) -> Result<(), LibraryError> {
        let following = Following { store: &self.store, index: &self.index() };
        following.align(&self.clock.new_id().to_string()).await
    }

    /// Says that the store has changed.
    pub fn wake_indexer(&self) {
        self.changed.notify_one();
    }

    /// Follows the store until the future is dropped. A failed batch is tried again after a pause: the
    /// cause (a full disk, a server that is away) may pass, and nothing is lost by waiting. Each try embeds the batch
    /// anew, so the pause doubles.
    pub async fn follow_store(&self) {
        const FIRST_PAUSE: Duration = Duration::from_secs(30);
        const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);
        let mut pause = FIRST_PAUSE;
        loop {
            if let Err(fault) = self.index_pending(&|_, _| {}).await {
                tracing::error!(%fault, "indexing stopped; trying again in {} s", pause.as_secs());
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            } else {
                pause = FIRST_PAUSE;
                self.changed.notified().await;
            }
        }
    }
}

//! Taking in with the index beside it: papers are indexed while more of them come.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ingest::Rejected;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::import::import;
use super::progress::{Course, Stage};
use super::{Checked, ImportReport, IndexReport, Library, LibraryError, Lines, SyncReport};

/// What a sync or an import did, as it is printed and answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IntakeReport {
    /// Papers that were not there.
    pub added: u64,
    /// Papers of which something new was learnt.
    pub updated: u64,
    /// Papers of which nothing new was learnt.
    pub unchanged: u64,
    /// How many records could not be taken in.
    pub rejected: usize,
    /// The first thousand of those, each with the reason.
    pub rejections: Vec<Rejected>,
    /// The fields of a file that could not be read, with in how many of its lines; the rest of them was taken in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, u64>,
    /// Papers that their source has taken back.
    pub deleted: u64,
    /// How long it took, the index included.
    pub seconds: f64,
    /// How much of it was embedding; it goes on beside the rest.
    pub embedding_seconds: f64,
    /// Passages that were embedded meanwhile.
    pub embeddings: usize,
    /// Papers that were written to the index meanwhile, or taken out of it.
    pub index_writes: usize,
    /// Whether it went on from where an earlier, interrupted one stopped.
    pub resumed: bool,
    /// Why the place where an earlier one stopped was given up, when it was.
    pub began_anew: Option<String>,
    /// Whether it ended at the most papers to take in, and there are more.
    pub stopped_at_max: bool,
    /// Whether it was asked to stop; the next sync of the request goes on there.
    pub stopped: bool,
    /// How asking about the library's own papers went, when that was what was to be done.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
}

impl IntakeReport {
    /// What was taken in, what became of the index meanwhile, and how long both took.
    #[must_use]
    pub fn new(taken: SyncReport, indexed: IndexReport, elapsed: Duration) -> Self {
        let thousandths = |time: Duration| (time.as_secs_f64() * 1e3).round() / 1e3;
        Self {
            added: taken.counts.added,
            updated: taken.counts.updated,
            unchanged: taken.counts.unchanged,
            rejected: taken.rejected.count(),
            rejections: taken.rejected.into_first(),
            left_out: taken.left_out,
            deleted: taken.deleted,
            seconds: thousandths(elapsed),
            embedding_seconds: thousandths(indexed.embedding),
            embeddings: indexed.embedded,
            index_writes: indexed.papers,
            resumed: taken.resumed,
            began_anew: taken.began_anew,
            stopped_at_max: taken.stopped_at_max,
            stopped: taken.stopped,
            checked: taken.checked,
        }
    }
}

impl From<ImportReport> for SyncReport {
    fn from(imported: ImportReport) -> Self {
        Self { counts: imported.counts, rejected: imported.rejected, left_out: imported.left_out, ..Self::default() }
    }
}

/// How often it is told how far the index is.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// What all indexing of this process has done so far.
pub(super) type Indexed = Arc<Mutex<IndexReport>>;

impl Library {
    /// Takes in papers with the indexer at work beside it, and returns when both are done. The counts of the index are
    /// of all that was written meanwhile, whoever wrote it.
    ///
    /// # Errors
    /// When `taking` fails, which ends the indexing for now too; else when the index does, after all is taken in.
    pub async fn take_in(
        &self,
        taking: impl Future<Output = Result<SyncReport, LibraryError>>,
        course: &Course<'_>,
    ) -> Result<IntakeReport, LibraryError> {
        let (began, before) = (Instant::now(), self.indexed_so_far());
        let taken_in = CancellationToken::new();
        let (mut taking, mut indexing) = (pin!(taking), pin!(self.index_until(&taken_in, course)));
        let mut failed = None;
        let taken = loop {
            tokio::select! {
                taken = &mut taking => break taken,
                indexed = &mut indexing, if failed.is_none() => failed = Some(indexed),
            }
        };
        taken_in.cancel();
        // Whoever follows the store has what this one was woken for and did not do.
        self.wake_indexer();
        let taken = taken?;
        match failed {
            Some(failed) => failed?,
            None => indexing.await?,
        }
        Ok(IntakeReport::new(taken, self.indexed_so_far().since(before), began.elapsed()))
    }

    /// Takes in a file of JSON lines, with the indexer at work beside it.
    ///
    /// # Errors
    /// [`LibraryError::TooLarge`] and [`LibraryError::Unreadable`] for a file that cannot be read to its end; else as
    /// [`Library::take_in`].
    pub async fn import_file(
        &self,
        file: Lines,
        max: usize,
        course: &Course<'_>,
    ) -> Result<IntakeReport, LibraryError> {
        course.at(Stage::Storing, 0, None);
        let stored = course.counts(Stage::Storing);
        self.take_in(async { Ok(import(self, file, max, &stored).await?.into()) }, course).await
    }

    /// Indexes what is stored and what comes, until all of it is there.
    async fn index_until(&self, taken_in: &CancellationToken, course: &Course<'_>) -> Result<(), LibraryError> {
        let began = self.index().watermark();
        loop {
            // Asked first: what is stored before the last look is indexed by it.
            let is_last = taken_in.is_cancelled();
            self.index_watched(began, course).await?;
            if is_last {
                return Ok(());
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = taken_in.cancelled() => {}
            }
        }
    }

    /// Looks at the index while it is written, by this call or by the server's own indexer, for which it waits.
    async fn index_watched(&self, began: u64, course: &Course<'_>) -> Result<(), LibraryError> {
        let told = |newest: u64| {
            let done = self.index().watermark().saturating_sub(began);
            let total = newest.saturating_sub(began);
            if total > 0 {
                course.at(Stage::Indexing, done, Some(total));
            }
        };
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        let unheard = |_, _| {};
        let mut indexing = pin!(self.index_pending(&unheard));
        loop {
            tokio::select! {
                indexed = &mut indexing => {
                    indexed?;
                    told(self.store.revision().await?);
                    return Ok(());
                }
                _ = looks.tick() => told(self.store.revision().await?),
            }
        }
    }

    fn indexed_so_far(&self) -> IndexReport {
        *self.indexed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what was indexed.
    pub(super) fn count_indexed(&self, report: IndexReport) {
        *self.indexed.lock().unwrap_or_else(PoisonError::into_inner) += report;
    }
}

impl IndexReport {
    /// What was done since `earlier`.
    fn since(self, earlier: Self) -> Self {
        Self {
            papers: self.papers - earlier.papers,
            deleted: self.deleted - earlier.deleted,
            embedded: self.embedded - earlier.embedded,
            embedding: self.embedding.saturating_sub(earlier.embedding),
        }
    }
}

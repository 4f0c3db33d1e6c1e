//! What a source knows of the papers that are there already -> store.

use ingest::Lookup;
use jiff::SignedDuration;
use paper::PaperId;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::progress::{Course, Stage};
use super::{Library, LibraryError, SyncReport};
use crate::store::DueRequest;

/// Whom to ask about which papers.
pub struct EnrichRequest<'l> {
    /// Who is asked.
    pub lookup: &'l dyn Lookup,
    /// After how many days a paper is asked about again.
    pub recheck_days: u32,
    /// The most papers to ask about.
    pub max: usize,
    /// Cancelled, it ends after the batch under way.
    pub stop: CancellationToken,
}

/// How asking about the library's papers went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Papers that were asked about.
    pub asked: u64,
    /// Those that the source knew.
    pub found: u64,
    /// Those that it did not know.
    pub unknown: u64,
    /// Papers that are still to be asked about, because of the most that were to be.
    pub left: u64,
}

impl Library {
    /// Asks a source about the papers that it was never asked about, or not for so many days, the oldest check first.
    /// After each batch the answers are stored, then that its papers were asked about, whether the source knew them or
    /// not: an interrupted run repeats one batch at most, and one that finds nothing due asks nothing.
    ///
    /// # Errors
    /// [`LibraryError::UnderWay`] when the source is being asked already; else when it fails for good or the store does;
    /// what was stored before stays.
    pub async fn enrich(&self, request: EnrichRequest<'_>, course: &Course<'_>) -> Result<SyncReport, LibraryError> {
        let mut report = SyncReport::default();
        self.enrich_into(request, &mut report, course).await?;
        Ok(report)
    }

    /// The same, told in `report`, which says also of a run that fails what it did before.
    ///
    /// # Errors
    /// As [`Library::enrich`].
    pub async fn enrich_into(
        &self,
        request: EnrichRequest<'_>,
        report: &mut SyncReport,
        course: &Course<'_>,
    ) -> Result<(), LibraryError> {
        let lookup = request.lookup;
        let _alone = self.alone(&format!("{}:enrich", lookup.name()))?;
        let (source, kinds) = (lookup.name(), lookup.kinds());
        let now = self.clock.now();
        let period = SignedDuration::from_hours(24 * i64::from(request.recheck_days));
        let before = now.checked_sub(period).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let due = DueRequest { source, before, kinds };
        let mut left = self.store.count_due(due).await?;
        let total = left.min(request.max as u64);
        let mut checked = Checked::default();
        while checked.asked < total && !report.stopped {
            let room = usize::try_from(total - checked.asked).unwrap_or(usize::MAX);
            let papers = self.store.due(due, lookup.batch().min(room)).await?;
            if papers.is_empty() {
                break;
            }
            let answer = lookup.look_up(&papers, self.clock.now()).await?;
            report.counts += self.store.upsert_found(&answer.found).await?;
            let ids: Vec<PaperId> = papers.iter().filter_map(|paper| paper.id).collect();
            self.store.mark_checked(source, &ids, self.clock.now()).await?;
            self.wake_indexer();
            checked.asked += papers.len() as u64;
            checked.found += answer.found.len() as u64;
            checked.unknown += answer.unknown;
            report.rejected.extend(answer.rejected);
            left = left.saturating_sub(papers.len() as u64);
            course.at(Stage::Reading, checked.asked, Some(total));
            report.checked = Some(Checked { left, ..checked });
            report.stopped = checked.asked < total && request.stop.is_cancelled();
        }
        report.checked = Some(Checked { left, ..checked });
        Ok(())
    }
}

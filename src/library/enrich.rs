//! What a source knows of the papers that are there already -> store.

use ingest::{Lookup, Rejected};
use jiff::SignedDuration;
use paper::PaperId;
use serde::Serialize;

use super::{Library, LibraryError, Progress};
use crate::store::{DueRequest, UpsertCounts};

/// Whom to ask about which papers.
pub struct EnrichRequest<'l> {
    /// Who is asked.
    pub lookup: &'l dyn Lookup,
    /// After how many days a paper is asked about again.
    pub recheck_days: u32,
    /// The most papers to ask about.
    pub max: usize,
}

/// What asking about the library's papers did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EnrichReport {
    /// Papers that were asked about.
    pub asked: u64,
    /// Those that the source knew.
    pub found: u64,
    /// Those that it did not know.
    pub unknown: u64,
    /// What was learnt of those that it knew.
    #[serde(flatten)]
    pub counts: UpsertCounts,
    /// The answers that could not be taken in, each with the reason.
    pub rejected: Vec<Rejected>,
    /// Papers that are still to be asked about, because of `max`.
    pub left: u64,
}

impl Library {
    /// Asks a source about the papers that it was never asked about, or not for so many days, the oldest check first.
    /// After each batch the answers are stored, then that its papers were asked about, whether the source knew them or
    /// not: an interrupted run repeats one batch at most, and one that finds nothing due asks nothing.
    ///
    /// # Errors
    /// When the source fails for good or the store does; what was stored before stays.
    pub async fn enrich(
        &self,
        request: EnrichRequest<'_>,
        progress: Progress<'_>,
    ) -> Result<EnrichReport, LibraryError> {
        let lookup = request.lookup;
        let (source, kinds) = (lookup.name(), lookup.kinds());
        let now = self.clock.now();
        let period = SignedDuration::from_hours(24 * i64::from(request.recheck_days));
        let before = now.checked_sub(period).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let due = DueRequest { source, before, kinds };
        let mut left = self.store.count_due(due).await?;
        let total = left.min(request.max as u64);
        let mut report = EnrichReport::default();
        while report.asked < total {
            let room = usize::try_from(total - report.asked).unwrap_or(usize::MAX);
            let papers = self.store.due(due, lookup.batch().min(room)).await?;
            if papers.is_empty() {
                break;
            }
            let answer = lookup.look_up(&papers, self.clock.now()).await?;
            report.counts += self.store.upsert(&answer.papers).await?;
            let ids: Vec<PaperId> = papers.iter().filter_map(|paper| paper.id).collect();
            self.store.mark_checked(source, &ids, self.clock.now()).await?;
            self.wake_indexer();
            report.asked += papers.len() as u64;
            report.found += answer.papers.len() as u64;
            report.unknown += answer.unknown;
            report.rejected.extend(answer.rejected);
            left = left.saturating_sub(papers.len() as u64);
            progress(report.asked, total);
        }
        report.left = left;
        Ok(report)
    }
}

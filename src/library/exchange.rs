//! A new index in the place of the one that is searched.

use std::sync::PoisonError;

use index::{HybridIndex, IndexError};

use super::indexer::{Following, IndexReport, Progress};
use super::{Library, LibraryError};
use crate::clock::Clock;
use crate::store::Store;

/// Builds an index that nobody searches, from the store or from where an earlier build was cut off, until it has all that
/// is stored. `progress` is told of all papers of the store, those that an earlier build has done among them.
///
/// # Errors
/// When the store or the index fails; what was written before stays.
pub async fn build(
    store: &Store,
    clock: Clock,
    new: &HybridIndex,
    progress: Progress<'_>,
) -> Result<IndexReport, LibraryError> {
    let following = Following { store, index: new };
    following.align(&clock.new_id().to_string()).await?;
    let report = following.bring_up(0, progress).await?;
    // However few papers this time: an earlier build may have written nearly everything, and been cut off before this.
    new.optimize().await?;
    Ok(report)
}

impl Library {
    /// Builds an index beside the one that is searched, then searches the new one at once. What is taken in meanwhile is in
    /// the old one as ever, and in the new one at the switch. `switch` makes that lasting; when it fails the old one stays.
    /// Gives what was done, and the old one, which searches that have begun still use.
    ///
    /// # Errors
    /// When the store or the new index fails, or the switch.
    pub async fn exchange(
        &self,
        new: HybridIndex,
        switch: impl FnOnce() -> Result<(), IndexError>,
        progress: Progress<'_>,
    ) -> Result<(IndexReport, HybridIndex), LibraryError> {
        let new = new.reranked_by(self.index().reranker());
        let following = Following { store: &self.store, index: &new };
        let mut report = build(&self.store, self.clock, &new, progress).await?;
        // What has come meanwhile, so that the rest, for which the old one waits, is little.
        report += following.bring_up(0, progress).await?;
        // From here on the old one gets no further, so that the new one cannot be behind it.
        let _one_at_a_time = self.indexing.lock().await;
        report += following.bring_up(0, progress).await?;
        switch()?;
        let mut searched = self.searched.write().unwrap_or_else(PoisonError::into_inner);
        Ok((report, std::mem::replace(&mut *searched, new)))
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;

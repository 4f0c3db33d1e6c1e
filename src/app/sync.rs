//! A request, as it was written, to what became of it.

use tokio_util::sync::CancellationToken;

use super::{App, SourceError};
use crate::config::SyncSpec;
use crate::library::progress::Course;
use crate::library::{EnrichRequest, IntakeReport, LibraryError, SyncRequest};

/// Why a sync did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The request cannot be made.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source, the store or the index failed.
    #[error(transparent)]
    Library(#[from] LibraryError),
}

impl App {
    /// Takes in what a request asks for, with the index at work beside it. The command line, the REST API and jobs all
    /// come through here. `stop` ends it after the page under way, with its place kept.
    ///
    /// # Errors
    /// See [`SyncError`]; what was stored before stays, and the place too.
    pub async fn sync(
        &self,
        spec: &SyncSpec,
        stop: CancellationToken,
        course: &Course<'_>,
    ) -> Result<IntakeReport, SyncError> {
        let max = spec.most();
        if spec.enrich {
            let enrichment = self.sources.enrichment(spec)?;
            let (lookup, recheck_days) = (enrichment.lookup.as_ref(), enrichment.recheck_days);
            let request = EnrichRequest { lookup, recheck_days, max, stop };
            return Ok(self.library.take_in(self.library.enrich(request, course), course).await?);
        }
        let source = self.source(spec)?;
        let request = SyncRequest { source: source.as_ref(), max, stop };
        Ok(self.library.take_in(self.library.sync(request, course), course).await?)
    }
}

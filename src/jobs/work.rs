//! What a run does: a sync, then the index.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ingest::{Cursor, IngestError, Page, Resting, Source};
use paper::SourceName;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Outcome;
use crate::app::{App, SourceError};
use crate::config::SyncSpec;
use crate::library::progress::Course;
use crate::library::{EnrichRequest, IntakeReport, LibraryError, SyncReport, SyncRequest};

/// What jobs run on: the application, or what a test puts in its place.
///
/// To sum it up: sync, and tell how the source does.
#[async_trait]
pub trait Work: Send + Sync {
    /// Syncs a request and brings the index up to it, telling in `outcome` what was done, also when it fails. When
    /// `stop` becomes true, it ends before the next page with [`Trouble::Stopped`].
    ///
    /// # Errors
    /// Whatever kept it from reading all that was to be read.
    async fn sync(&self, spec: &SyncSpec, outcome: &mut Outcome, stop: watch::Receiver<bool>) -> Result<(), Trouble>;

    /// Whether a source is left alone for now.
    ///
    /// # Errors
    /// When that cannot be told.
    async fn resting(&self, source: SourceName) -> Result<Option<Resting>, Trouble>;

    /// Lets the next request to a source through although it is left alone.
    ///
    /// # Errors
    /// When that cannot be noted.
    async fn try_anyway(&self, source: SourceName) -> Result<(), Trouble>;

    /// Where in its source a request goes on, when it got anywhere.
    async fn place(&self, spec: &SyncSpec) -> Option<String>;
}

/// Why a run did not read all that was to be read.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The source is left alone: the job waits for it.
    #[error("put off until {:.0}: the source has failed since {:.0} ({})", .0.until, .0.since, .0.why)]
    Resting(Resting),
    /// The same request is being synced otherwise: the job waits for that.
    #[error("put off: {0}")]
    UnderWay(String),
    /// It was told to stop.
    #[error("stopped before the next page; a run that makes up for it goes on there")]
    Stopped,
    /// It failed.
    #[error("{why}")]
    Failed {
        /// With what.
        why: String,
        /// Whether it is the source that fails, and may do so for other requests too.
        of_source: bool,
    },
}

impl Trouble {
    pub(super) fn failed(why: impl ToString) -> Self {
        Self::Failed { why: why.to_string(), of_source: false }
    }
}

impl From<LibraryError> for Trouble {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Ingest(error) => error.into(),
            error @ LibraryError::UnderWay { .. } => Self::UnderWay(error.to_string()),
            error => Self::failed(error),
        }
    }
}

impl From<IngestError> for Trouble {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Stopped => Self::Stopped,
            IngestError::Resting { since, until, why } => Self::Resting(Resting { since, until, why }),
            error => Self::Failed { of_source: error.is_retryable(), why: error.to_string() },
        }
    }
}

#[async_trait]
impl Work for App {
    async fn sync(&self, spec: &SyncSpec, outcome: &mut Outcome, stop: watch::Receiver<bool>) -> Result<(), Trouble> {
        let untold = |_| {};
        let course = Course::new(&untold);
        let mut report = SyncReport::default();
        let is_read = AtomicBool::new(false);
        let mut stopping = stop.clone();
        let taking = async {
            read(self, spec, stop, &mut report, &course).await?;
            is_read.store(true, Ordering::Relaxed);
            Ok(report.clone())
        };
        let taken = tokio::select! {
            taken = self.library.take_in(taking, &course) => taken.map(Some),
            () = stopped_after(&mut stopping, &is_read) => Ok(None),
        };
        let stopped = report.stopped;
        *outcome = report.into();
        match taken {
            Ok(_) if stopped => Err(Trouble::Stopped),
            // All is stored that was to be read; what is not indexed yet is so at the next start.
            Ok(None) => Ok(()),
            Ok(Some(taken)) => {
                (outcome.embeddings, outcome.index_writes) = counted(&taken);
                Ok(())
            }
            // The papers are stored, and the server's own indexer tries again: no failure of the sync.
            Err(LibraryError::Index(fault)) => {
                tracing::warn!(%fault, "what a job read is not indexed yet");
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    async fn resting(&self, source: SourceName) -> Result<Option<Resting>, Trouble> {
        self.sources.resting(source).await.map_err(Trouble::failed)
    }

    async fn try_anyway(&self, source: SourceName) -> Result<(), Trouble> {
        self.sources.try_anyway(source).await.map_err(Trouble::failed)
    }

    async fn place(&self, spec: &SyncSpec) -> Option<String> {
        let key = self.source(spec).ok()?.key();
        let place = self.library.store.cursor(&key).await;
        place.inspect_err(|fault| tracing::warn!(%fault, "cannot tell how far a job has read")).ok()?
    }
}

/// Waits until the work is to stop and has read all that was to be read.
async fn stopped_after(stop: &mut watch::Receiver<bool>, is_read: &AtomicBool) {
    const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is there to stop it.
        return std::future::pending().await;
    }
    while !is_read.load(Ordering::Relaxed) {
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Reads what a request asks for into the store.
async fn read(
    app: &App,
    spec: &SyncSpec,
    mut stop: watch::Receiver<bool>,
    report: &mut SyncReport,
    course: &Course<'_>,
) -> Result<(), LibraryError> {
    let refused = |fault: SourceError| LibraryError::Request { why: fault.to_string() };
    if !spec.enrich {
        let source = Stoppable { source: app.source(spec).map_err(refused)?, stop };
        return app.library.sync_into(SyncRequest::new(&source, spec.most()), report, course).await;
    }
    let enrichment = app.sources.enrichment(spec).map_err(refused)?;
    let (lookup, recheck_days) = (enrichment.lookup.as_ref(), enrichment.recheck_days);
    let token = CancellationToken::new();
    let request = EnrichRequest { lookup, recheck_days, max: spec.most(), stop: token.clone() };
    let mut enriching = pin!(app.library.enrich_into(request, report, course));
    tokio::select! {
        enriched = &mut enriching => return enriched,
        _ = stop.wait_for(|stop| *stop) => token.cancel(),
    }
    enriching.await
}

/// What was embedded and written to the index: nothing where nothing changed, whatever others did meanwhile.
fn counted(taken: &IntakeReport) -> (Option<u64>, Option<u64>) {
    if taken.added + taken.updated + taken.deleted == 0 {
        return (Some(0), Some(0));
    }
    (Some(taken.embeddings as u64), Some(taken.index_writes as u64))
}

/// A source that gives no further page once it is told to stop. A request that waits or is under way then is dropped:
/// its page was not stored, and the place before it was.
struct Stoppable {
    source: Box<dyn Source>,
    stop: watch::Receiver<bool>,
}

#[async_trait]
impl Source for Stoppable {
    fn name(&self) -> SourceName {
        self.source.name()
    }

    fn key(&self) -> String {
        self.source.key()
    }

    fn newest_first(&self) -> bool {
        self.source.newest_first()
    }

    fn repeats(&self) -> bool {
        self.source.repeats()
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: jiff::Timestamp) -> Result<Page, IngestError> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(IngestError::Stopped),
            page = self.source.page(cursor, seen) => page,
        }
    }
}

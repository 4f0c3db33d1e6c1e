//! The library: the store, the index that follows it, and how papers get in.

mod enrich;
mod exchange;
mod import;
mod indexer;
mod intake;
mod known_only;
mod named;
pub mod progress;
mod rejections;
mod sniff;
mod sync;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

pub use enrich::{Checked, EnrichRequest};
pub use exchange::build;
pub use import::{ImportReport, Lines};
use index::{FacetCounts, HybridIndex, IndexError, Mode, Place, SearchHit, SearchQuery, SearchResults, Searching};
pub use indexer::{IndexReport, Progress};
use ingest::IngestError;
pub use intake::IntakeReport;
pub use known_only::KnownOnly;
use paper::{Paper, PaperId};
pub use rejections::Rejections;
pub use sync::{SyncReport, SyncRequest};

use self::named::Named;
use crate::clock::Clock;
use crate::store::{Store, StoreError};
use crate::telemetry::trace;

/// Why the library could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A source failed.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// What was asked for cannot be asked.
    #[error("{why}")]
    Request {
        /// Why.
        why: String,
    },
    /// A file of the user's cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds more than may be read of it.
    #[error("{} holds more than {most} bytes once it is unpacked", path.display())]
    TooLarge {
        /// The file.
        path: std::path::PathBuf,
        /// How much may be read.
        most: u64,
    },
    /// A file is of another kind than the one that was to be read.
    #[error("{} is {what}", path.display())]
    Foreign {
        /// The file.
        path: std::path::PathBuf,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// The same request is being synced already.
    #[error("`{request}` is being synced already; wait until that sync has ended, then ask again if need be")]
    UnderWay {
        /// The request, as its source writes it.
        request: String,
    },
}

/// The store and the index behind it. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    /// The truth.
    pub store: Store,
    /// What follows from it and is searched; a reindex puts another in its place.
    searched: Arc<RwLock<HybridIndex>>,
    clock: Clock,
    /// Wakes the indexer when there is something to do.
    changed: Arc<tokio::sync::Notify>,
    /// One indexer at a time: the watermark is read, the batch written, and the watermark moved.
    indexing: Arc<tokio::sync::Mutex<()>>,
    /// What indexing has done so far.
    indexed: intake::Indexed,
    /// The requests that are being synced.
    syncing: sync::Syncing,
}

/// A hit with its paper.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where and how well.
    pub hit: SearchHit,
    /// The paper, as the store has it.
    pub paper: Paper,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct FoundPapers {
    /// Best first.
    pub hits: Vec<Found>,
    /// How many papers match, as far as was looked.
    pub total: usize,
    /// The mode that was used.
    pub mode: Mode,
    /// What the reader should know about it.
    pub notice: Option<String>,
    /// Where the next page begins.
    pub next: Option<Place>,
    /// What the papers found are, when it was asked for.
    pub facets: Option<FacetCounts>,
    /// Milliseconds.
    pub took_ms: f64,
}

impl Library {
    /// A library of a store and its index.
    #[must_use]
    pub fn new(store: Store, index: HybridIndex, clock: Clock) -> Self {
        Self {
            store,
            searched: Arc::new(RwLock::new(index)),
            clock,
            changed: Arc::default(),
            indexing: Arc::default(),
            indexed: Arc::default(),
            syncing: Arc::default(),
        }
    }

    /// The index that is searched at this moment, with the model that belongs to it. Whatever takes several steps takes
    /// them all with one: the next call may give another.
    #[must_use]
    pub fn index(&self) -> HybridIndex {
        self.searched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Searches, and joins each hit with its paper. A text that is an identifier finds the paper that has it.
    ///
    /// # Errors
    /// When the index or the store fails.
    pub async fn search(&self, query: SearchQuery) -> Result<FoundPapers, LibraryError> {
        self.search_in(&self.index(), query).await
    }

    /// The same in an index that was asked for before.
    ///
    /// # Errors
    /// As [`Library::search`].
    pub async fn search_in(&self, index: &HybridIndex, query: SearchQuery) -> Result<FoundPapers, LibraryError> {
        let began = Instant::now();
        let named = if query.plain || query.after.is_some() { Named::Nothing } else { self.named(&query.text).await? };
        let missing = match named {
            Named::Paper(found) => return Ok(FoundPapers::only(*found, query.mode, began)),
            Named::Unknown(why) => Some(why),
            Named::Nothing => None,
        };
        let here = trace::here();
        let around = move |search: Searching| match here {
            Some(here) => Box::pin(here.scope(search)),
            None => search,
        };
        let mut results = index.search_around(query, around).await?;
        if let Some(why) = missing {
            results.notice = Some(results.notice.map_or(why.clone(), |notice| format!("{why} {notice}")));
        }
        self.found(results, began).await
    }

    /// Papers like one of the library's.
    ///
    /// # Errors
    /// When the index or the store fails.
    pub async fn similar(&self, id: PaperId, limit: usize) -> Result<FoundPapers, LibraryError> {
        let began = Instant::now();
        let results = self.index().similar(id, limit).await?;
        self.found(results, began).await
    }

    async fn found(&self, results: SearchResults, began: Instant) -> Result<FoundPapers, LibraryError> {
        let SearchResults { hits, total, next, mode, notice, facets } = results;
        let hits = self.join(hits).await?;
        Ok(FoundPapers { hits, total, mode, notice, next, facets, took_ms: milliseconds(began) })
    }

    /// A hit whose paper has just become part of another has no paper of its own any more, and is left out.
    async fn join(&self, hits: Vec<SearchHit>) -> Result<Vec<Found>, LibraryError> {
        let ids: Vec<PaperId> = hits.iter().map(|hit| hit.paper).collect();
        let mut papers: HashMap<PaperId, Paper> = self.store.papers(&ids).await?;
        Ok(hits.into_iter().filter_map(|hit| papers.remove(&hit.paper).map(|paper| Found { hit, paper })).collect())
    }

    /// The time now.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e5).round() / 100.0
}

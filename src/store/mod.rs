//! The truth on disk, and the only SQL: papers with their records, cursors, runs with their answers, the ledger.
//!
//! Papers carry a revision that grows with every change; the indexer follows it. One process writes at
//! a time (the home folder's lock sees to that), and inside it one transaction.

mod carry_over;
mod checks;
mod citations;
mod cursors;
mod dead_letters;
mod decisions;
mod entry;
mod error;
mod experiments;
mod feedback;
mod job_runs;
mod jobs;
mod ledger;
#[cfg(test)]
mod owners_tests;
mod papers;
mod pool;
mod readings;
mod runs;
#[cfg(test)]
mod runs_tests;
#[cfg(test)]
mod streams_tests;
mod take_back;
#[cfg(test)]
mod tests;
mod upsert;
mod write;

use std::path::Path;
use std::time::Duration;

pub use checks::DueRequest;
pub use citations::{Linked, LinkedPapers};
pub use dead_letters::DeadLetter;
pub use decisions::{Decided, Provenance, Told};
pub use error::StoreError;
pub use experiments::{Exposure, Outcome};
pub use feedback::{Feedback, Rated};
pub use job_runs::{JobRun, RunStatus, Trigger};
pub use jobs::{JobOrigin, JobState, Letter};
pub use ledger::{CallTokens, ModelCall, NewCall, Settled, UsageRow, month_of};
pub use papers::{Change, StoreCounts};
pub use readings::CallTotals;
pub use runs::{Ending, RunNotes, StoredRun, When};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
pub use upsert::UpsertCounts;

/// Connections that read at once.
const READERS: u32 = 4;

/// Of each connection that reads, in KiB: what leads to a paper is found in memory. (A file mapped into memory would be
/// counted for each connection anew.)
const READ_CACHE: &str = "-4096";

/// Of the connection that writes, in KiB: a batch reaches over all of the index of links, and with the 2 MiB that are usual
/// its pages go out and come in again within one transaction.
const CACHE: &str = "-16384";

/// Pages of the write-ahead log after which they are copied to the main file, 32 MiB in a new library: a page that many
/// batches write is copied once.
const CHECKPOINT: &str = "4000";

/// The store. Cheap to clone; all clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    /// The one connection that writes: what another one writes empties a connection's cache.
    writes: SqlitePool,
    /// SQLite takes one writer; a queue of our own waits longer and fairer than its busy timeout.
    writer: std::sync::Arc<tokio::sync::Mutex<()>>,
}

impl Store {
    /// Opens the database file, making it and its tables when they are not there.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a file that is no database, [`StoreError::Full`] on a full disk,
    /// [`StoreError::Unavailable`] when it cannot be opened.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .page_size(8192)
            .journal_mode(SqliteJournalMode::Wal)
            // What has been said to be stored survives a power cut, not only a crash of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            // What a statement would need to be undone goes to a file else.
            .pragma("temp_store", "memory")
            .pragma("wal_autocheckpoint", CHECKPOINT);
        let failed = |source| StoreError::opening(file, source);
        let writes = SqlitePoolOptions::new().max_connections(1);
        let writes = writes.connect_with(options.clone().pragma("cache_size", CACHE)).await.map_err(failed)?;
        // A file of this machine has no connection that could be lost.
        let readers = SqlitePoolOptions::new().max_connections(READERS).test_before_acquire(false);
        let options = options.pragma("cache_size", READ_CACHE);
        let pool = readers.connect_with(options).await.map_err(failed)?;
        sqlx::migrate!("src/store/migrations")
            .run(&writes)
            .await
            .map_err(|source| StoreError::opening(file, sqlx::Error::Migrate(Box::new(source))))?;
        let store = Self { pool, writes, writer: std::sync::Arc::default() };
        store.carry_over().await?;
        Ok(store)
    }

    /// The library's id, which its index follows; `new` when it has none yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn library_id(&self, new: &str) -> Result<String, StoreError> {
        let _writing = self.writer.lock().await;
        sqlx::query("INSERT INTO library (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM library)")
            .bind(new)
            .execute(&self.writes)
            .await?;
        Ok(sqlx::query_scalar("SELECT id FROM library").fetch_one(&self.pool).await?)
    }

    /// Ends all connections; what was committed is in the main file afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
        self.writes.close().await;
    }

    /// Changes the database behind the store's back.
    #[cfg(test)]
    pub(crate) async fn alter(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.writes).await.unwrap();
    }
}

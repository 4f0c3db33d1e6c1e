//! The truth on disk, and the only SQL: papers with their records, cursors, answers.
//!
//! Papers carry a revision that grows with every change; the indexer follows it. One process writes at
//! a time (the home folder's lock sees to that), and inside it one transaction.

mod answers;
mod carry_over;
mod checks;
mod cursors;
mod dead_letters;
mod decisions;
mod entry;
mod error;
mod job_runs;
mod jobs;
#[cfg(test)]
mod owners_tests;
mod papers;
mod pool;
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
pub use dead_letters::DeadLetter;
pub use decisions::{Decided, Provenance, Told};
pub use error::StoreError;
pub use job_runs::{JobRun, RunStatus, Trigger};
pub use jobs::{JobOrigin, JobState, Letter};
pub use papers::{Change, StoreCounts};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
pub use upsert::UpsertCounts;

/// The store. Cheap to clone; all clones share one pool.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
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
            .journal_mode(SqliteJournalMode::Wal)
            // What has been said to be stored survives a power cut, not only a crash of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::opening(file, source))?;
        sqlx::migrate!("src/store/migrations")
            .run(&pool)
            .await
            .map_err(|source| StoreError::opening(file, sqlx::Error::Migrate(Box::new(source))))?;
        let store = Self { pool, writer: std::sync::Arc::default() };
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
            .execute(&self.pool)
            .await?;
        Ok(sqlx::query_scalar("SELECT id FROM library").fetch_one(&self.pool).await?)
    }

    /// Ends all connections; what was committed is in the main file afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

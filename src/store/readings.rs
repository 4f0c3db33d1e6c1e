//! What is counted for those who run it.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{RunStatus, Store, StoreError};

/// All calls to a model for a step that had one outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct CallTotals {
    /// Who was asked.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// The step of the runs.
    pub step: String,
    /// `answered`, or the kind of failure.
    pub outcome: String,
    /// How many.
    pub calls: u64,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Of these, tokens that the provider had cached.
    pub cache_hit_tokens: u64,
    /// Tokens received.
    pub completion_tokens: u64,
    /// What those cost of which it is known, in US dollars.
    pub cost_usd: f64,
}

fn count(row: &SqliteRow, at: usize) -> u64 {
    u64::try_from(row.get::<i64, _>(at)).unwrap_or_default()
}

impl Store {
    /// The calls whose outcome is known, so that a number that is read later is never smaller.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn call_totals(&self) -> Result<Vec<CallTotals>, StoreError> {
        let rows = sqlx::query(
            "SELECT provider, model, step, outcome, COUNT(*), COALESCE(SUM(prompt_tokens), 0), \
             COALESCE(SUM(cache_hit_tokens), 0), COALESCE(SUM(completion_tokens), 0), COALESCE(SUM(cost_usd), 0.0) \
             FROM model_calls WHERE outcome != 'reserved' \
             GROUP BY provider, model, step, outcome ORDER BY provider, model, step, outcome",
        );
        let read = |row: &SqliteRow| CallTotals {
            provider: row.get(0),
            model: row.get(1),
            step: row.get(2),
            outcome: row.get(3),
            calls: count(row, 4),
            prompt_tokens: count(row, 5),
            cache_hit_tokens: count(row, 6),
            completion_tokens: count(row, 7),
            cost_usd: row.get(8),
        };
        Ok(rows.fetch_all(&self.pool).await?.iter().map(read).collect())
    }

    /// How many papers there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_papers(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT COUNT(*) FROM papers WHERE merged_into IS NULL");
        Ok(count(&query.fetch_one(&self.pool).await?, 0))
    }

    /// How many answers wait for their time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_waiting(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT COUNT(*) FROM runs WHERE ended_at IS NULL AND not_before IS NOT NULL");
        Ok(count(&query.fetch_one(&self.pool).await?, 0))
    }

    /// When the last run of each job succeeded that did.
    ///
    /// # Errors
    /// When the database fails, or has no such moment.
    pub async fn last_successes(&self) -> Result<Vec<(String, jiff::Timestamp)>, StoreError> {
        // Ids grow with time; beside a greatest value SQLite gives the other columns of its row.
        let query = sqlx::query("SELECT job, finished_at, MAX(id) FROM job_runs WHERE status = ? GROUP BY job");
        let rows = query.bind(RunStatus::Succeeded.as_str()).fetch_all(&self.pool).await?;
        let read = |row: &SqliteRow| {
            let moment = row.get::<Option<String>, _>(1).and_then(|text| text.parse().ok());
            moment.map(|moment| (row.get(0), moment))
        };
        Ok(rows.iter().filter_map(read).collect())
    }
}

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::jobs::{Letter, readable, time};
use super::{Store, StoreError};

/// A job that failed again and again and waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its own id.
    pub id: String,
    /// The job.
    pub job: String,
    /// The job's fields, as JSON text.
    pub definition: String,
    /// Where in the source it goes on, where it had got anywhere.
    pub place: Option<String>,
    /// What the last attempt failed with.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_failed: Timestamp,
    /// When the last one did.
    pub last_failed: Timestamp,
}

impl Store {
    /// Every dead letter that can be read, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query("SELECT * FROM dead_letters ORDER BY id").fetch_all(&self.pool).await?;
        Ok(readable(&rows, letter))
    }
}

pub(super) async fn apply(connection: &mut SqliteConnection, job: &str, change: &Letter) -> Result<(), StoreError> {
    if *change == Letter::Keep {
        return Ok(());
    }
    sqlx::query("DELETE FROM dead_letters WHERE job = ?").bind(job).execute(&mut *connection).await?;
    let Letter::Write(letter) = change else { return Ok(()) };
    sqlx::query(
        "INSERT INTO dead_letters (id, job, definition, place, error, attempts, first_failed, last_failed) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&letter.id)
    .bind(job)
    .bind(&letter.definition)
    .bind(&letter.place)
    .bind(&letter.error)
    .bind(i64::from(letter.attempts))
    .bind(letter.first_failed.to_string())
    .bind(letter.last_failed.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

fn letter(row: &SqliteRow) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        id: row.get("id"),
        job: row.get("job"),
        definition: row.get("definition"),
        place: row.get("place"),
        error: row.get("error"),
        attempts: u32::try_from(row.get::<i64, _>("attempts")).unwrap_or_default(),
        first_failed: time(row, "first_failed")?,
        last_failed: time(row, "last_failed")?,
    })
}

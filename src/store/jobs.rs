use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::job_runs::{JobRun, Trigger, close_running, forget_old, insert_run, update_run};
use super::{DeadLetter, Store, StoreError};

/// What is remembered of a job from one run to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// The job.
    pub name: String,
    /// Where it is defined.
    pub origin: JobOrigin,
    /// Its fields, as JSON text.
    pub definition: String,
    /// Whether it was paused or resumed otherwise than by its definition.
    pub paused: Option<bool>,
    /// Times at which it was due up to here are dealt with.
    pub considered: Timestamp,
    /// When it runs although its schedule does not say so, and as what.
    pub again: Option<(Timestamp, Trigger)>,
    /// Failed runs in a row.
    pub failures: u32,
    /// When the first of them ended.
    pub first_failed: Option<Timestamp>,
}

/// Where a job is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobOrigin {
    /// In the configuration file.
    File,
    /// Over the REST API.
    Api,
    /// Nowhere now: it was in the configuration file, and what is remembered of it waits there for it to come back.
    Gone,
}

impl JobOrigin {
    const ALL: [Self; 3] = [Self::File, Self::Api, Self::Gone];

    fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
            Self::Gone => "gone",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or_else(|| unreadable("job", &format!("no job is of `{text}`")))
    }
}

/// What becomes of a job's dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// It stays, or there is none still.
    Keep,
    /// It is taken away.
    Drop,
    /// The job has failed for good.
    Write(DeadLetter),
}

impl Store {
    /// Every job, by name; those that this version cannot read are left out, and the log has them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn jobs(&self) -> Result<Vec<JobState>, StoreError> {
        let rows = sqlx::query("SELECT * FROM jobs ORDER BY name").fetch_all(&self.pool).await?;
        Ok(readable(&rows, state))
    }

    /// One job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn job(&self, name: &str) -> Result<Option<JobState>, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE name = ?").bind(name).fetch_optional(&self.pool).await?;
        row.as_ref().map(state).transpose()
    }

    /// Keeps what is known of a job, and what becomes of its dead letter, together.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_job(&self, job: &JobState, letter: &Letter) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        upsert_job(&mut transaction, job).await?;
        super::dead_letters::apply(&mut transaction, &job.name, letter).await?;
        if job.origin == JobOrigin::Gone {
            forget_old(&mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets a job and its dead letter; its history stays, as far as there is room for that of jobs that are no more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_job(&self, name: &str) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM jobs WHERE name = ?").bind(name).execute(&mut *transaction).await?;
        super::dead_letters::apply(&mut transaction, name, &Letter::Drop).await?;
        forget_old(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Keeps that a run has begun, with what is known of its job from now on. A run of the job that has no end still is
    /// one whose end could not be kept: there is only one at a time.
    ///
    /// # Errors
    /// When the database fails; then neither is kept.
    pub async fn begin_run(&self, job: &JobState, run: &JobRun) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        upsert_job(&mut transaction, job).await?;
        close_running(&mut transaction, run).await?;
        insert_run(&mut transaction, run).await?;
        Ok(transaction.commit().await?)
    }

    /// Keeps how a run ended, with what follows for its job, unless the job was deleted meanwhile.
    ///
    /// # Errors
    /// When the database fails; then nothing of it is kept.
    pub async fn end_run(&self, job: Option<&JobState>, run: &JobRun, letter: &Letter) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        update_run(&mut transaction, run).await?;
        match job {
            Some(job) => {
                upsert_job(&mut transaction, job).await?;
                super::dead_letters::apply(&mut transaction, &job.name, letter).await?;
            }
            None => forget_old(&mut transaction).await?,
        }
        Ok(transaction.commit().await?)
    }
}

async fn upsert_job(connection: &mut SqliteConnection, job: &JobState) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO jobs (name, origin, definition, paused, considered, again_at, again_as, failures, first_failed) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, \
         definition = excluded.definition, paused = excluded.paused, considered = excluded.considered, \
         again_at = excluded.again_at, again_as = excluded.again_as, failures = excluded.failures, \
         first_failed = excluded.first_failed",
    )
    .bind(&job.name)
    .bind(job.origin.as_str())
    .bind(&job.definition)
    .bind(job.paused.map(i64::from))
    .bind(job.considered.to_string())
    .bind(job.again.map(|(at, _)| at.to_string()))
    .bind(job.again.map(|(_, trigger)| trigger.as_str()))
    .bind(i64::from(job.failures))
    .bind(job.first_failed.map(|time| time.to_string()))
    .execute(connection)
    .await?;
    Ok(())
}

fn state(row: &SqliteRow) -> Result<JobState, StoreError> {
    let again_at = optional_time(row, "again_at")?;
    let again_as = row.get::<Option<String>, _>("again_as");
    Ok(JobState {
        name: row.get("name"),
        origin: JobOrigin::read(&row.get::<String, _>("origin"))?,
        definition: row.get("definition"),
        paused: row.get::<Option<i64>, _>("paused").map(|paused| paused != 0),
        considered: time(row, "considered")?,
        again: again_at.zip(again_as.map(|text| Trigger::read(&text)).transpose()?),
        failures: u32::try_from(row.get::<i64, _>("failures")).unwrap_or_default(),
        first_failed: optional_time(row, "first_failed")?,
    })
}

/// What can be read of these rows: one that a later version wrote, or that was damaged, keeps no other from being read.
pub(super) fn readable<T>(rows: &[SqliteRow], read: impl Fn(&SqliteRow) -> Result<T, StoreError>) -> Vec<T> {
    let told = |fault: &StoreError| tracing::error!(%fault, "a row of a job, a run or a dead letter is left out");
    rows.iter().filter_map(|row| read(row).inspect_err(told).ok()).collect()
}

/// A time that a row has.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    read_time(&row.get::<String, _>(column))
}

/// A time that a row may have.
pub(super) fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    row.get::<Option<String>, _>(column).map(|text| read_time(&text)).transpose()
}

fn read_time(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|fault: jiff::Error| unreadable("time of a job", &fault))
}

/// A row that this version cannot read.
pub(super) fn unreadable(what: &'static str, fault: &impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what, source: serde::de::Error::custom(fault) }
}

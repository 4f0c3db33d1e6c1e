//! Runs as they go: what was asked, the events that were told, and what each finished step came to.

use jiff::Timestamp;
use serde_json::value::RawValue;
use sqlx::{Row, SqliteConnection};

use super::experiments::{expose, settle};
use super::{Exposure, Store, StoreError};

/// What a run has to write down; all of it is kept, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunNotes {
    /// New events: number, kind and data as JSON text.
    pub events: Vec<(u64, String, String)>,
    /// Steps that are finished: name and outcome as JSON text.
    pub steps: Vec<(String, String)>,
    /// Spans that have ended: number and span as JSON text.
    pub spans: Vec<(u64, String)>,
}

/// A run as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Its id.
    pub id: String,
    /// What was asked, as JSON text.
    pub request: String,
    /// Whether it goes on although nobody waits for it.
    pub background: bool,
    /// When it began.
    pub began_at: String,
    /// When it ended; none for one that is under way or was cut off.
    pub ended_at: Option<String>,
    /// When it begins at the soonest, where that was asked for.
    pub not_before: Option<Timestamp>,
    /// Its finished steps: name and outcome as JSON text.
    pub steps: Vec<(String, String)>,
}

/// Whether a run goes on by itself, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Now, as long as somebody waits for it.
    Followed,
    /// Now, although nobody may wait for it.
    Alone,
    /// The same, at that moment or later.
    NotBefore(Timestamp),
}

/// A document of a run that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// The answer, or what is kept of a failure, as JSON text.
    pub answer: &'a str,
    /// By what it can be given once more.
    pub cache_key: Option<&'a str>,
}

impl Store {
    /// Begins a run, in an arm of an experiment or in none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_answer(
        &self,
        id: &str,
        request: &str,
        exposure: Option<Exposure<'_>>,
        when: When,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (background, not_before) = match when {
            When::Followed => (false, None),
            When::Alone => (true, None),
            When::NotBefore(moment) => (true, Some(moment.to_string())),
        };
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO runs (id, request, background, began_at, not_before) VALUES (?, ?, ?, ?, ?)")
            .bind(id)
            .bind(request)
            .bind(i64::from(background))
            .bind(now.to_string())
            .bind(not_before)
            .execute(&mut *transaction)
            .await?;
        if let Some(exposure) = exposure {
            expose(&mut transaction, id, exposure, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Writes down what a run has come to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_answer(&self, id: &str, notes: &RunNotes) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        write_notes(&mut transaction, id, notes).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Ends a run with its document and its last notes; a document that it had before is replaced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_answer(
        &self,
        id: &str,
        notes: &RunNotes,
        Ending { answer, cache_key }: Ending<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        write_notes(&mut transaction, id, notes).await?;
        sqlx::query("DELETE FROM answers WHERE id = ?").bind(id).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO answers (id, answer, created_at, cache_key) VALUES (?, ?, ?, ?)")
            .bind(id)
            .bind(answer)
            .bind(now.to_string())
            .bind(cache_key)
            .execute(&mut *transaction)
            .await?;
        settle(&mut transaction, id, answer).await?;
        sqlx::query("UPDATE runs SET ended_at = ? WHERE id = ?")
            .bind(now.to_string())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Opens a run again that had ended without an answer (one that has an answer keeps it): its last event and its document are taken back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reopen_answer(&self, id: &str) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        for statement in [
            "DELETE FROM answers WHERE id = ? AND json_extract(answer, '$.status') = 'failed'",
            "DELETE FROM answer_events WHERE answer_id = ? AND kind = 'error'",
            "UPDATE runs SET ended_at = NULL WHERE id = ? AND id NOT IN (SELECT id FROM answers)",
        ] {
            sqlx::query(statement).bind(id).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// A run with its finished steps.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, id: &str) -> Result<Option<StoredRun>, StoreError> {
        let found = sqlx::query("SELECT request, background, began_at, ended_at, not_before FROM runs WHERE id = ?");
        let Some(row) = found.bind(id).fetch_optional(&self.pool).await? else { return Ok(None) };
        let steps = sqlx::query("SELECT step, outcome FROM run_steps WHERE run_id = ? ORDER BY no");
        let steps = steps.bind(id).fetch_all(&self.pool).await?;
        Ok(Some(StoredRun {
            id: id.to_owned(),
            request: row.get(0),
            background: row.get::<i64, _>(1) != 0,
            began_at: row.get(2),
            ended_at: row.get(3),
            not_before: read_moment(row.get(4)),
            steps: steps.iter().map(|step| (step.get(0), step.get(1))).collect(),
        }))
    }

    /// The runs that have not ended and go on although nobody waits for them, each with the moment that it waits for; the
    /// oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_answers(&self) -> Result<Vec<(String, Option<Timestamp>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, not_before FROM runs WHERE ended_at IS NULL AND background = 1 ORDER BY began_at, id",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        Ok(rows.iter().map(|row| (row.get(0), read_moment(row.get(1)))).collect())
    }

    /// The spans of a run, as JSON text, in the order in which they began.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spans(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let found = sqlx::query_scalar("SELECT span FROM run_spans WHERE run_id = ? ORDER BY no");
        Ok(found.bind(id).fetch_all(&self.pool).await?)
    }

    /// The greatest number that a span of a run has; 0 without any. Numbers have gaps where spans were cut off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_span(&self, id: &str) -> Result<u64, StoreError> {
        let found = sqlx::query_scalar("SELECT COALESCE(MAX(no), 0) FROM run_spans WHERE run_id = ?");
        let last: i64 = found.bind(id).fetch_one(&self.pool).await?;
        Ok(u64::try_from(last).unwrap_or_default())
    }

    /// An answer as it was given, as JSON text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer(&self, id: &str) -> Result<Option<Box<RawValue>>, StoreError> {
        let found = sqlx::query_scalar("SELECT answer FROM answers WHERE id = ?");
        read_answer(found.bind(id).fetch_optional(&self.pool).await?)
    }

    /// The newest answer that can be given once more by this key, as JSON text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cached_answer(&self, cache_key: &str) -> Result<Option<Box<RawValue>>, StoreError> {
        let found = sqlx::query_scalar(
            "SELECT answer FROM answers WHERE cache_key = ? ORDER BY created_at DESC, id DESC LIMIT 1",
        );
        read_answer(found.bind(cache_key).fetch_optional(&self.pool).await?)
    }

    /// The events of an answer after number `after`, as `(number, kind, data)`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_events(&self, id: &str, after: u64) -> Result<Vec<(u64, String, String)>, StoreError> {
        let rows =
            sqlx::query("SELECT seq, kind, data FROM answer_events WHERE answer_id = ? AND seq > ? ORDER BY seq")
                .bind(id)
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await?;
        let number = |n: i64| u64::try_from(n).unwrap_or_default();
        Ok(rows.iter().map(|row| (number(row.get(0)), row.get(1), row.get(2))).collect())
    }
}

/// What cannot be read is no reason to wait.
fn read_moment(text: Option<String>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

fn read_answer(row: Option<String>) -> Result<Option<Box<RawValue>>, StoreError> {
    row.map(RawValue::from_string).transpose().map_err(|source| StoreError::Unreadable { what: "answer", source })
}

/// What was written before stays: a write that was given up on may have been made, and is then made again.
pub(super) async fn write_notes(
    connection: &mut SqliteConnection,
    id: &str,
    notes: &RunNotes,
) -> Result<(), StoreError> {
    for (number, kind, data) in &notes.events {
        sqlx::query(
            "INSERT INTO answer_events (answer_id, seq, kind, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(i64::try_from(*number).unwrap_or(i64::MAX))
        .bind(kind)
        .bind(data)
        .execute(&mut *connection)
        .await?;
    }
    for (step, outcome) in &notes.steps {
        sqlx::query("INSERT INTO run_steps (run_id, step, outcome) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(step)
            .bind(outcome)
            .execute(&mut *connection)
            .await?;
    }
    for (number, span) in &notes.spans {
        sqlx::query("INSERT INTO run_spans (run_id, no, span) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(id)
            .bind(i64::try_from(*number).unwrap_or(i64::MAX))
            .bind(span)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

use jiff::Timestamp;
use serde_json::value::RawValue;
use sqlx::Row;

use super::{Store, StoreError};

impl Store {
    /// Keeps an answer with the events that led to it, whole or not at all. `answer` and the data of the
    /// events (`(kind, data)`, in order, numbered from 1) are JSON texts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_answer(
        &self,
        id: &str,
        answer: &str,
        events: &[(String, String)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO answers (id, answer, created_at) VALUES (?, ?, ?)")
            .bind(id)
            .bind(answer)
            .bind(now.to_string())
            .execute(&mut *transaction)
            .await?;
        for (seq, (kind, data)) in (1i64..).zip(events) {
            sqlx::query("INSERT INTO answer_events (answer_id, seq, kind, data) VALUES (?, ?, ?, ?)")
                .bind(id)
                .bind(seq)
                .bind(kind)
                .bind(data)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// An answer as it was given, as JSON text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer(&self, id: &str) -> Result<Option<Box<RawValue>>, StoreError> {
        let row: Option<String> =
            sqlx::query_scalar("SELECT answer FROM answers WHERE id = ?").bind(id).fetch_optional(&self.pool).await?;
        row.map(RawValue::from_string).transpose().map_err(|source| StoreError::Unreadable { what: "answer", source })
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

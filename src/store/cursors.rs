use jiff::Timestamp;

use super::{Store, StoreError};

impl Store {
    /// How far a request to a source was read the last time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cursor(&self, request: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query_scalar("SELECT position FROM cursors WHERE request = ?").bind(request);
        Ok(row.fetch_optional(&self.pool).await?)
    }

    /// Remembers how far a request was read; to be called after its papers are stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_cursor(&self, request: &str, position: &str, now: Timestamp) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        sqlx::query(
            "INSERT INTO cursors (request, position, saved_at) VALUES (?, ?, ?) \
             ON CONFLICT (request) DO UPDATE SET position = excluded.position, saved_at = excluded.saved_at",
        )
        .bind(request)
        .bind(position)
        .bind(now.to_string())
        .execute(&self.writes)
        .await?;
        Ok(())
    }

    /// Forgets how far a request was read, because it was read to its end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_cursor(&self, request: &str) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        sqlx::query("DELETE FROM cursors WHERE request = ?").bind(request).execute(&self.writes).await?;
        Ok(())
    }
}

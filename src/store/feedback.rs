//! What readers think of answers and of their sentences.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{Store, StoreError};

/// The place of an opinion on the whole answer.
const WHOLE: i64 = -1;

/// One reader's opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The sentence that it is about, by its place among the answer's claims; none for the whole answer.
    pub claim: Option<u32>,
    /// Who says so, as the request named them; empty for nobody in particular.
    pub user: String,
    /// Whether it was found helpful, or the sentence right.
    pub helpful: bool,
    /// What was said besides.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An answer that was rated, with what was said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rated {
    /// The answer's id.
    pub id: String,
    /// The answer as JSON text.
    pub answer: String,
    /// What was asked, as JSON text.
    pub request: String,
    /// The opinions, the oldest first.
    pub feedback: Vec<Feedback>,
}

impl Store {
    /// Keeps an opinion; what the same reader said before of the same is replaced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rate(&self, answer: &str, feedback: &Feedback) -> Result<(), StoreError> {
        let _writing = self.writer.lock().await;
        sqlx::query(
            "INSERT INTO feedback (answer_id, claim, reader, rating, comment, at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET rating = excluded.rating, comment = excluded.comment, at = excluded.at",
        )
        .bind(answer)
        .bind(feedback.claim.map_or(WHOLE, i64::from))
        .bind(&feedback.user)
        .bind(i64::from(feedback.helpful))
        .bind(&feedback.comment)
        .bind(feedback.at.to_string())
        .execute(&self.writes)
        .await?;
        Ok(())
    }

    /// What was said of an answer, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback(&self, answer: &str) -> Result<Vec<Feedback>, StoreError> {
        let rows = sqlx::query(
            "SELECT claim, reader, rating, comment, at FROM feedback WHERE answer_id = ? ORDER BY at, claim, reader",
        );
        rows.bind(answer).fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    /// All answers of which something was said, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rated(&self) -> Result<Vec<Rated>, StoreError> {
        let rows = sqlx::query(
            "SELECT answers.id, answer, request FROM answers JOIN runs ON runs.id = answers.id \
             WHERE answers.id IN (SELECT answer_id FROM feedback) ORDER BY created_at, answers.id",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let mut rated = Vec::with_capacity(rows.len());
        for row in rows {
            let id: String = row.get(0);
            let feedback = self.feedback(&id).await?;
            rated.push(Rated { id, answer: row.get(1), request: row.get(2), feedback });
        }
        Ok(rated)
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> Result<Feedback, StoreError> {
    Ok(Feedback {
        claim: u32::try_from(row.get::<i64, _>(0)).ok(),
        user: row.get(1),
        helpful: row.get::<i64, _>(2) != 0,
        comment: row.get(3),
        at: row.get::<String, _>(4).parse().map_err(|fault| sqlx::Error::Decode(Box::new(fault)))?,
    })
}

//! Which arm a question was answered in, and what came of it.

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};

use super::{Store, StoreError};

/// That somebody was assigned to an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure<'a> {
    /// The experiment's name.
    pub experiment: &'a str,
    /// The arm's name.
    pub arm: &'a str,
    /// Who was assigned, as a hash.
    pub unit: &'a str,
}

/// One answer of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The arm's name.
    pub arm: String,
    /// Who was assigned, as a hash.
    pub unit: String,
    /// Whether the question was answered and not abstained from; none while that is not known, or when it failed.
    pub answered: Option<bool>,
    /// The mean support of the sentences that stand; none without any.
    pub support: Option<f64>,
    /// US dollars; none when a price is not known.
    pub cost_usd: Option<f64>,
    /// Milliseconds to the whole answer.
    pub latency_ms: Option<f64>,
    /// The share of those who rated the answer that found it helpful; none while nobody has.
    pub helpful: Option<f64>,
}

impl Store {
    /// The answers of an experiment, the oldest first: their ids are in the order of time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outcomes(&self, experiment: &str) -> Result<Vec<Outcome>, StoreError> {
        let rows = sqlx::query(
            "SELECT arm, unit, answered, support, cost_usd, latency_ms, \
               (SELECT AVG(rating) FROM feedback WHERE feedback.answer_id = exposures.answer_id AND claim = -1) \
             FROM exposures WHERE experiment = ? ORDER BY answer_id",
        );
        let rows = rows.bind(experiment).fetch_all(&self.pool).await?;
        let outcome = |row: &sqlx::sqlite::SqliteRow| Outcome {
            arm: row.get(0),
            unit: row.get(1),
            answered: row.get::<Option<i64>, _>(2).map(|answered| answered != 0),
            support: row.get(3),
            cost_usd: row.get(4),
            latency_ms: row.get(5),
            helpful: row.get(6),
        };
        Ok(rows.iter().map(outcome).collect())
    }
}

/// Notes that a run is in an arm.
pub(super) async fn expose(
    connection: &mut SqliteConnection,
    id: &str,
    exposure: Exposure<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO exposures (answer_id, experiment, arm, unit, at) VALUES (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(exposure.experiment)
        .bind(exposure.arm)
        .bind(exposure.unit)
        .bind(now.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes what came of a run that is in an arm, once.
pub(super) async fn settle(connection: &mut SqliteConnection, id: &str, answer: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE exposures SET answered = json_extract(?1, '$.status') = 'answered', \
           support = (SELECT AVG(json_extract(value, '$.support')) FROM json_each(?1, '$.claims')), \
           cost_usd = json_extract(?1, '$.usage.cost_usd'), latency_ms = json_extract(?1, '$.timings_ms.total') \
         WHERE answer_id = ?2 AND answered IS NULL AND json_extract(?1, '$.status') <> 'failed'",
    )
    .bind(answer)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}

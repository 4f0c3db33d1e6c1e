//! The ledger of model calls: what each may cost before it is made, and what it took afterwards.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::runs::{RunNotes, write_notes};
use super::{Store, StoreError};

/// What stands for a call of which it is not known yet what became of it.
const RESERVED: &str = "reserved";

/// A call that is about to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCall<'a> {
    /// The run that it is made for.
    pub run: &'a str,
    /// The step of the run.
    pub step: &'a str,
    /// Who is asked.
    pub provider: &'a str,
    /// Which model.
    pub model: &'a str,
    /// When.
    pub at: Timestamp,
    /// What it may cost at most, in US dollars; none when the model's price is not known.
    pub reserved_usd: Option<f64>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// `answered`, or the kind of its failure.
    pub outcome: String,
    /// All tokens of the input, those of the output, and of each those that were cached or thoughts; none when the
    /// provider did not say.
    pub tokens: Option<CallTokens>,
    /// What it cost, in US dollars; none when that is not known, and then what was reserved counts.
    pub cost_usd: Option<f64>,
    /// What the same tokens cost at the model that answers are compared with.
    pub baseline_usd: Option<f64>,
}

/// The tokens of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTokens {
    /// All of the input.
    pub prompt: u64,
    /// Those of the input that the provider had cached.
    pub cache_hit: u64,
    /// All of the output.
    pub completion: u64,
    /// Those of the output that were thoughts.
    pub reasoning: u64,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelCall {
    /// Its number.
    pub no: i64,
    /// The run that it was made for.
    pub run: String,
    /// The step of the run.
    pub step: String,
    /// Who was asked.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// When, in UTC.
    pub at: String,
    /// `answered`, the kind of its failure, or `reserved` while that is not known.
    pub outcome: String,
    /// What it might have cost at most.
    pub reserved_usd: Option<f64>,
    /// Its tokens.
    pub tokens: Option<CallTokens>,
    /// What it cost.
    pub cost_usd: Option<f64>,
    /// What the same tokens cost at the model that answers are compared with.
    pub baseline_usd: Option<f64>,
}

/// The sums of a month, by provider, model and step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageRow {
    /// Such as `2026-11`, in UTC.
    pub month: String,
    /// Who was asked.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// The step of the runs.
    pub step: String,
    /// How many calls.
    pub calls: u64,
    /// Of these, how many gave no answer.
    pub failed: u64,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Of these, tokens that the provider had cached.
    pub cache_hit_tokens: u64,
    /// Tokens received, thoughts included.
    pub completion_tokens: u64,
    /// What those calls cost of which it is known.
    pub cost_usd: f64,
    /// What the same tokens cost at the model that answers are compared with.
    pub baseline_cost_usd: f64,
    /// Of how many calls it is not known what they cost.
    pub unknown: u64,
    /// What these may have cost at most, as far as that is known.
    pub unknown_at_most_usd: f64,
}

/// The month of a moment in UTC, such as `2026-11`.
#[must_use]
pub fn month_of(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

impl Store {
    /// Writes a call down before it is made, with what the run has to note. None when it might take the month's calls
    /// over `monthly_usd`: then it must not be made, and only the notes are kept. A call of unknown price never fits under a cap.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reserve_call(
        &self,
        call: &NewCall<'_>,
        monthly_usd: Option<f64>,
        notes: &RunNotes,
    ) -> Result<Option<i64>, StoreError> {
        let month = month_of(call.at);
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        write_notes(&mut transaction, call.run, notes).await?;
        let fits = match (monthly_usd, call.reserved_usd) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(cap), Some(most)) => {
                let spent: f64 = sqlx::query_scalar(SPENT).bind(&month).fetch_one(&mut *transaction).await?;
                spent + most <= cap
            }
        };
        let mut number = None;
        if fits {
            let added = sqlx::query(
                "INSERT INTO model_calls (run_id, step, provider, model, at, month, outcome, reserved_usd) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING no",
            );
            let row = added
                .bind(call.run)
                .bind(call.step)
                .bind(call.provider)
                .bind(call.model)
                .bind(call.at.to_string())
                .bind(&month)
                .bind(RESERVED)
                .bind(call.reserved_usd)
                .fetch_one(&mut *transaction)
                .await?;
            number = Some(row.get(0));
        }
        transaction.commit().await?;
        Ok(number)
    }

    /// Writes down what became of a call, with what the run has to note.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_call(&self, run: &str, no: i64, settled: &Settled, notes: &RunNotes) -> Result<(), StoreError> {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let tokens = settled.tokens;
        let _writing = self.writer.lock().await;
        let mut transaction = self.writes.begin_with("BEGIN IMMEDIATE").await?;
        write_notes(&mut transaction, run, notes).await?;
        sqlx::query(
            "UPDATE model_calls SET outcome = ?, prompt_tokens = ?, cache_hit_tokens = ?, completion_tokens = ?, \
             reasoning_tokens = ?, cost_usd = ?, baseline_usd = ? WHERE no = ?",
        )
        .bind(&settled.outcome)
        .bind(tokens.map(|tokens| count(tokens.prompt)))
        .bind(tokens.map(|tokens| count(tokens.cache_hit)))
        .bind(tokens.map(|tokens| count(tokens.completion)))
        .bind(tokens.map(|tokens| count(tokens.reasoning)))
        .bind(settled.cost_usd)
        .bind(settled.baseline_usd)
        .bind(no)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What the calls of a month have cost, in US dollars; of one whose cost is not known, what it may have cost at most.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spent_in(&self, month: &str) -> Result<f64, StoreError> {
        Ok(sqlx::query_scalar(SPENT).bind(month).fetch_one(&self.pool).await?)
    }

    /// The calls of a run, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn calls_of(&self, run: &str) -> Result<Vec<ModelCall>, StoreError> {
        let rows = sqlx::query(
            "SELECT no, run_id, step, provider, model, at, outcome, reserved_usd, prompt_tokens, cache_hit_tokens, \
             completion_tokens, reasoning_tokens, cost_usd, baseline_usd FROM model_calls WHERE run_id = ? ORDER BY no",
        );
        Ok(rows.bind(run).fetch_all(&self.pool).await?.iter().map(read_call).collect())
    }

    /// The sums of all calls by month, provider, model and step; the newest month first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage(&self) -> Result<Vec<UsageRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT month, provider, model, step, COUNT(*), SUM(CASE WHEN outcome = 'answered' THEN 0 ELSE 1 END), \
             COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(cache_hit_tokens), 0), COALESCE(SUM(completion_tokens), 0), \
             COALESCE(SUM(cost_usd), 0.0), COALESCE(SUM(baseline_usd), 0.0), \
             SUM(CASE WHEN cost_usd IS NULL THEN 1 ELSE 0 END), \
             COALESCE(SUM(CASE WHEN cost_usd IS NULL THEN reserved_usd ELSE 0.0 END), 0.0) \
             FROM model_calls GROUP BY month, provider, model, step ORDER BY month DESC, provider, model, step",
        );
        let count = |row: &SqliteRow, at: usize| u64::try_from(row.get::<i64, _>(at)).unwrap_or_default();
        let read = |row: &SqliteRow| UsageRow {
            month: row.get(0),
            provider: row.get(1),
            model: row.get(2),
            step: row.get(3),
            calls: count(row, 4),
            failed: count(row, 5),
            prompt_tokens: count(row, 6),
            cache_hit_tokens: count(row, 7),
            completion_tokens: count(row, 8),
            cost_usd: row.get(9),
            baseline_cost_usd: row.get(10),
            unknown: count(row, 11),
            unknown_at_most_usd: row.get(12),
        };
        Ok(rows.fetch_all(&self.pool).await?.iter().map(read).collect())
    }
}

const SPENT: &str = "SELECT COALESCE(SUM(COALESCE(cost_usd, reserved_usd)), 0.0) FROM model_calls WHERE month = ?";

fn read_call(row: &SqliteRow) -> ModelCall {
    let count = |at: usize| row.get::<Option<i64>, _>(at).map(|n| u64::try_from(n).unwrap_or_default());
    let tokens = count(8).map(|prompt| CallTokens {
        prompt,
        cache_hit: count(9).unwrap_or_default(),
        completion: count(10).unwrap_or_default(),
        reasoning: count(11).unwrap_or_default(),
    });
    ModelCall {
        no: row.get(0),
        run: row.get(1),
        step: row.get(2),
        provider: row.get(3),
        model: row.get(4),
        at: row.get(5),
        outcome: row.get(6),
        reserved_usd: row.get(7),
        tokens,
        cost_usd: row.get(12),
        baseline_usd: row.get(13),
    }
}

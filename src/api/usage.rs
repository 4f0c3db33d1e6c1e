//! What models have cost.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::error::ApiError;
use crate::app::App;
use crate::store::{StoreError, UsageRow, month_of};

/// What the calls of models have taken and cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The calendar month that it is, in UTC, such as `2026-11`.
    pub month: String,
    /// What counts against the month's cap: what its calls cost, and what those may have cost at most of which it is not known.
    pub month_usd: f64,
    /// The month's cap (`llm.monthly_usd`); none without one.
    pub monthly_usd: Option<f64>,
    /// All calls together.
    pub total: Sum,
    /// The model that costs are compared with.
    pub baseline_model: String,
    /// The month in which the prices were taken from the providers' pages.
    pub prices_as_of: String,
    /// By month, provider, model and step; the newest month first.
    pub rows: Vec<UsageRow>,
}

/// The sum of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    /// How many.
    pub calls: u64,
    /// Of these, how many gave no answer.
    pub failed: u64,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Of these, tokens that the provider had cached.
    pub cache_hit_tokens: u64,
    /// Tokens received, thoughts included.
    pub completion_tokens: u64,
    /// What those cost of which it is known, in US dollars.
    pub cost_usd: f64,
    /// What the same tokens cost at the model that costs are compared with.
    pub baseline_cost_usd: f64,
    /// Of how many it is not known what they cost.
    pub unknown: u64,
}

impl Usage {
    /// Sums up the ledger.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(app: &App) -> Result<Self, StoreError> {
        let month = month_of(app.clock.now());
        let desk = &app.agent.desk;
        let (rows, month_usd) = (app.library.store.usage().await?, app.library.store.spent_in(&month).await?);
        let mut total = Sum::default();
        rows.iter().for_each(|row| total.add(row));
        Ok(Self {
            month,
            month_usd,
            monthly_usd: desk.monthly_usd,
            total,
            baseline_model: desk.prices.baseline_model().to_owned(),
            prices_as_of: desk.prices.as_of().to_owned(),
            rows,
        })
    }
}

impl Sum {
    fn add(&mut self, row: &UsageRow) {
        self.calls += row.calls;
        self.failed += row.failed;
        self.prompt_tokens += row.prompt_tokens;
        self.cache_hit_tokens += row.cache_hit_tokens;
        self.completion_tokens += row.completion_tokens;
        self.cost_usd += row.cost_usd;
        self.baseline_cost_usd += row.baseline_cost_usd;
        self.unknown += row.unknown;
    }
}

/// `GET /v1/usage`
pub(super) async fn get(State(state): State<ApiState>) -> Result<Json<Usage>, ApiError> {
    Ok(Json(Usage::of(&state.app).await?))
}

//! How much there is.

use axum::Json;
use axum::extract::State;
use index::IndexStats;
use serde::{Deserialize, Serialize};

use super::ApiState;
use super::error::ApiError;
use super::usage::Usage;
use crate::app::{App, UnderWay, database_file};
use crate::library::LibraryError;
use crate::store::StoreCounts;

/// How much there is in the library and its index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Papers, as they are stored.
    pub library: StoreCounts,
    /// What of them can be found.
    pub index: IndexStats,
    /// The size of the database's main file.
    pub database_bytes: u64,
    /// The new index that is not built to its end.
    pub reindex: Option<UnderWay>,
    /// What models have cost.
    pub usage: Usage,
}

impl Stats {
    /// Counts.
    ///
    /// # Errors
    /// When the store or the index fails.
    pub async fn of(app: &App) -> Result<Self, LibraryError> {
        let (library, index) = (app.library.store.counts().await?, app.library.index().stats().await?);
        let database_bytes = std::fs::metadata(database_file(&app.config)).map_or(0, |file| file.len());
        let reindex = app.reindexing.under_way().await?;
        let usage = Usage::of(app).await?;
        Ok(Self { library, index, database_bytes, reindex, usage })
    }
}

/// `GET /v1/stats`
pub(super) async fn get(State(state): State<ApiState>) -> Result<Json<Stats>, ApiError> {
    Ok(Json(Stats::of(&state.app).await?))
}

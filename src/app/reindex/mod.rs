//! A new index beside the one that is searched: built here while no server runs, or in the server while it goes on.

mod here;
mod served;
mod site;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::index::{Embedder, HybridIndex, IndexError};
pub use here::Reindex;
use serde::{Deserialize, Serialize};
pub use served::Reindexing;
pub(in crate::app) use site::Site;

use super::AppError;
use crate::config::{Config, ConfigError};
use crate::library::{IndexReport, LibraryError};
use crate::store::StoreError;

/// Why a new index was not built to its end. The old one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    /// The model cannot be loaded.
    #[error("{0}; the index is left as it is")]
    Model(IndexError),
    /// A setting names another model, and would do so again at the next start.
    #[error(
        "embedding.model is `{set}` ({origin}), which would hold again at the next start: change it there to `{asked}`, \
         then run `lectern reindex`"
    )]
    Set {
        /// The model of the setting.
        set: String,
        /// Where it is set.
        origin: String,
        /// The model that was asked for.
        asked: String,
    },
    /// The file with the setting cannot be read any more.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The home folder, or the store in it.
    #[error(transparent)]
    App(#[from] AppError),
    /// The store or the new index failed.
    #[error("{0}; the old index is searched as before, and `lectern reindex` goes on with the new one")]
    Library(LibraryError),
}

impl From<LibraryError> for ReindexError {
    fn from(error: LibraryError) -> Self {
        Self::Library(error)
    }
}

impl From<IndexError> for ReindexError {
    fn from(error: IndexError) -> Self {
        Self::Library(error.into())
    }
}

impl From<StoreError> for ReindexError {
    fn from(error: StoreError) -> Self {
        Self::Library(error.into())
    }
}

/// What building a new index did, as it is printed and answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReindexReport {
    /// The embedding model that searches use from now on.
    pub model: String,
    /// Papers that were written to the new index; when an earlier build was gone on with, those that it had not done.
    pub papers: usize,
    /// Passages that were embedded for it.
    pub embeddings: usize,
    /// How long it took.
    pub seconds: f64,
    /// How much of it was embedding.
    pub embedding_seconds: f64,
    /// Whether an earlier build was gone on with.
    pub resumed: bool,
}

impl ReindexReport {
    fn new(model: &str, done: IndexReport, resumed: bool, began: Instant) -> Self {
        let thousandths = |time: Duration| (time.as_secs_f64() * 1e3).round() / 1e3;
        Self {
            model: model.to_owned(),
            // What was joined with another or deleted is no paper of the new one.
            papers: done.papers - done.deleted,
            embeddings: done.embedded,
            seconds: thousandths(began.elapsed()),
            embedding_seconds: thousandths(done.embedding),
            resumed,
        }
    }
}

/// Whether anybody works at a new index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkState {
    /// This process does.
    Building,
    /// This process does again after a pause: something failed, of which its log tells.
    Waiting,
    /// Nobody does, since the process that did was stopped; `lectern reindex` or a server goes on with it.
    Interrupted,
}

/// A new index that is not built to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// The embedding model that it is built with.
    pub model: String,
    /// Papers that it has.
    pub done: u64,
    /// Papers that there are.
    pub total: u64,
    /// Whether anybody works at it.
    pub state: WorkState,
}

/// Refuses a model that a setting would overrule at the next start: `reindex --model` chooses for all that comes.
///
/// # Errors
/// [`ReindexError::Set`].
pub fn check_model_is_free(config: &Config, asked: &str) -> Result<(), ReindexError> {
    match config.model_set()? {
        Some((set, origin)) if set != asked => {
            Err(ReindexError::Set { set, origin: origin.to_string(), asked: asked.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The new index, opened, and whether it goes on with an earlier build.
struct Begun {
    index: HybridIndex,
    resumed: bool,
}

/// Loads a model where that holds up nobody.
async fn load(config: &Arc<Config>, model: &str) -> Result<Arc<dyn Embedder>, ReindexError> {
    let (config, model) = (Arc::clone(config), model.to_owned());
    let loaded = tokio::task::spawn_blocking(move || super::generation::load_named(&config, &model)).await;
    let loaded = loaded.unwrap_or_else(|stopped| Err(IndexError::Internal { reason: stopped.to_string() }));
    loaded.map_err(ReindexError::Model)
}

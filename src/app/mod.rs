//! The parts put together: configuration, store, index, model, agent; and the lock on the home folder.

mod arms;
mod generation;
mod guest;
mod leftovers;
mod lock;
mod models;
mod reindex;
mod runs;
mod sources;
mod sync;
mod traced;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arms::Arms;
pub use generation::{index_dir, load_embedder, reranker, with_model_of_index};
use index::{Generations, IndexError};
use ingest::Source;
use jiff::Timestamp;
pub use leftovers::INCOMING;
pub use lock::{Holder, Secret, ServedAt};
pub use reindex::{Reindex, ReindexError, ReindexReport, Reindexing, UnderWay, WorkState, check_model_is_free};
pub use runs::Resumed;
pub use sources::{Enrichment, SourceError, Sources, saved_page};
pub use sync::SyncError;

use crate::agent::desk::Desk;
use crate::agent::memory::Memory;
use crate::agent::{Agent, AgentError, Routing, Settings};
use crate::clock::Clock;
use crate::config::{By, Config, SyncSpec};
use crate::library::{KnownOnly, Library};
use crate::llm::{LlmError, Prices, PricesError};
use crate::store::{Store, StoreError};
use crate::telemetry::export::Exporter;
use crate::telemetry::metrics::Metrics;

/// Why the application cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The home folder cannot be made or written.
    #[error("cannot use the home folder {}: {source}; choose another with --home or LECTERN_HOME", path.display())]
    Home {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("the library in {} is in use by another lectern{holder}; stop it first, or ask it over its REST API", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who, as far as it told.
        holder: Holder,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The model's settings.
    #[error(transparent)]
    Model(#[from] LlmError),
    /// Where traces are to be sent.
    #[error("{0}")]
    Tracing(String),
    /// The price list.
    #[error(transparent)]
    Prices(#[from] PricesError),
    /// The operator's own price list.
    #[error("cannot use the prices in {} (llm.prices): {why}", path.display())]
    OwnPrices {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Why a question got neither an answer nor an abstention.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It could not be answered.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The answer could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// What the operator decided.
    pub config: Arc<Config>,
    /// The time and new ids.
    pub clock: Clock,
    /// Where papers come from.
    pub sources: Arc<Sources>,
    /// The papers.
    pub library: Library,
    /// Who puts a new index in the place of the one that is searched.
    pub reindexing: Reindexing,
    /// Who answers.
    pub agent: Agent,
    /// Who answers in the arms of experiments.
    arms: Arc<Arms>,
    /// Who sends traces, where they are to be sent.
    exporter: Option<Arc<Exporter>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// When this process began.
    pub began: Timestamp,
    /// Why there are no vectors, when there are none.
    pub embedding_fault: Option<Arc<str>>,
    /// The id of this process's hold on the library, new with every start.
    pub instance: Arc<str>,
    /// What a command of the operator's knows, who can read the lock file, and nobody else does.
    pub secret: Arc<Secret>,
    lock: Arc<lock::HomeLock>,
}

impl App {
    /// Opens the library in the home folder, alone.
    ///
    /// # Errors
    /// See [`AppError`]. A missing embedding model is none: then search is lexical, and says so.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, AppError> {
        let (lock, began) = (lock::HomeLock::take(&config.home)?, clock.now());
        leftovers::clear(&config.home, clock.now());
        // Loading the model takes most of a start, so other files are read meanwhile.
        let of_model = config.clone();
        let loading = tokio::task::spawn_blocking(move || load_embedder(&of_model));
        let store = Store::open(&database_file(&config)).await;
        // In every case: the process may end when there is no store, and must not while a model is being loaded.
        let loaded = loading.await;
        let store = store?;
        let (embedder, embedding_fault) = match loaded {
            Ok(Ok(embedder)) => (Some(embedder), None),
            Ok(Err(fault)) => (None, Some(fault.to_string())),
            Err(stopped) => (None, Some(format!("the model could not be loaded: {stopped}"))),
        };
        let mut generations = Generations::open(&index_dir(&config))?;
        let searched = generations.searched()?;
        // A runtime library that the embedder refused is not to be loaded for a reranker, which without it has nothing to do.
        let reranker = embedder.as_ref().and_then(|_| reranker(&config));
        let index = generation::open_generation(&config, &generations, searched, embedder)?.reranked_by(reranker);
        let library = Library::new(store.clone(), index, clock);
        let config = Arc::new(config);
        let site = reindex::Site::new(Arc::clone(&config), clock, store, generations);
        // One does not depend on the other.
        for aligned in [library.align_index().await, site.drop_strayed().await] {
            if let Err(fault) = aligned {
                // What is stored can be read and cited all the same; writing to the index will fail, and say why.
                tracing::warn!(%fault, "cannot tell whether the index follows this library");
            }
        }
        let agent = agent_of(&config, library.clone(), clock)?;
        let arms = Arc::new(Arms::of(&config, &agent)?);
        let embedding_fault = embedding_fault.map(Arc::from);
        site.clear_files();
        let reindexing = Reindexing::new(site, library.clone());
        let sources = Arc::new(Sources::new(Arc::clone(&config)));
        let (instance, lock): (Arc<str>, _) = (Arc::from(clock.new_id().to_string()), Arc::new(lock));
        let exporter = Exporter::new(&config.settings.tracing, &instance).map_err(AppError::Tracing)?.map(Arc::new);
        let secret = Arc::new(Secret::new(Clock::new_secret()));
        Ok(Self {
            config,
            clock,
            sources,
            library,
            reindexing,
            agent,
            arms,
            exporter,
            metrics: Arc::new(runs::metrics()),
            began,
            embedding_fault,
            instance,
            secret,
            lock,
        })
    }

    /// Tells other processes where this one serves the library, so that they ask it there.
    pub fn served_at(&self, address: SocketAddr) {
        let (instance, secret) = (self.instance.to_string(), Secret::clone(&self.secret));
        if let Err(fault) = self.lock.tell(Some(ServedAt { address, instance, secret })) {
            tracing::warn!(%fault, "other commands cannot be told where this server is, and will find the library in use");
        }
    }

    /// The source that a request asks, also where it is about papers that the library has. One with `enrich` is no
    /// source: see [`Sources::enrichment`].
    ///
    /// # Errors
    /// As [`Sources::source`].
    pub fn source(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        if spec.diff.is_some() {
            let diff = self.sources.scholar_diff(spec)?;
            return Ok(Box::new(KnownOnly::new(diff, self.library.store.clone())));
        }
        self.sources.source(spec)
    }
}

fn agent_of(config: &Config, library: Library, clock: Clock) -> Result<Agent, AppError> {
    let (llm, decided) = (&config.settings.llm, &config.settings.agent);
    let desk = Desk {
        models: models::models(config)?,
        prices: Arc::new(prices(config)?),
        monthly_usd: Some(llm.monthly_usd).filter(|cap| *cap > 0.0),
        clock,
    };
    let settings = Settings {
        max_output_tokens: llm.max_output_tokens,
        evidence_tokens: decided.evidence_tokens,
        rounds: decided.rounds,
        model_judges: decided.judge == By::Model,
        model_checks: decided.entailment == By::Model,
        repair: decided.repair,
        cache: decided.cache,
        #[allow(clippy::cast_possible_truncation, reason = "from 0 to 1")]
        dense_weight: decided.dense_weight as f32,
        instructions: decided.instructions.as_str().into(),
    };
    let routing = Routing::new(vec![config.models_dir(), config.home.clone()]);
    Ok(Agent { library, desk, settings, routing, memory: Memory::default() })
}

/// What models cost: the list of this version, with the operator's own on top.
fn prices(config: &Config) -> Result<Prices, AppError> {
    let (bundled, own) = (Prices::bundled()?, &config.settings.llm.prices);
    if own.is_empty() {
        return Ok(bundled);
    }
    // As other paths of a configuration are: relative ones are of the home folder.
    let path = config.home.join(own);
    let failed = |why: String| AppError::OwnPrices { path: path.clone(), why };
    let text = std::fs::read_to_string(&path).map_err(|fault| failed(fault.to_string()))?;
    bundled.with_own(&text).map_err(|fault| failed(fault.to_string()))
}

/// Where the database is.
#[must_use]
pub fn database_file(config: &Config) -> PathBuf {
    config.home.join(config.settings.store.file().unwrap_or_else(|| PathBuf::from("library.db")))
}

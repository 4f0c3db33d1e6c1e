//! The live sources: one polite client for each provider, and requests made from what an operator wrote.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ingest::arxiv::{ArxivRequest, ArxivSource};
use ingest::http::{ClientSettings, PoliteClient};
use ingest::semantic_scholar::{S2Request, S2Source};
use ingest::{IngestError, Resting, Source};
use paper::{ArxivId, SourceName};

use super::AppError;
use crate::clock::Clock;
use crate::config::{Config, SyncSpec, optional, optional_secret};

/// arXiv asks for one request every three seconds, Semantic Scholar for one a second, whatever asks.
const ARXIV_INTERVAL: Duration = Duration::from_secs(3);
const SCHOLAR_INTERVAL: Duration = Duration::from_secs(1);

/// Why a request cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// What was written asks for nothing that the source gives.
    #[error("{0}")]
    Spec(String),
    /// The client cannot be set up.
    #[error(transparent)]
    Client(#[from] IngestError),
    /// The home folder cannot be used.
    #[error(transparent)]
    Home(#[from] AppError),
}

/// The sources that papers come from, with one client each for all that ask.
#[derive(Debug)]
pub struct Sources {
    config: Arc<Config>,
    arxiv: OnceLock<Arc<PoliteClient>>,
    scholar: OnceLock<Arc<PoliteClient>>,
}

impl Sources {
    /// The sources as configured; nothing is asked yet.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, arxiv: OnceLock::new(), scholar: OnceLock::new() }
    }

    /// The source that a request asks.
    ///
    /// # Errors
    /// [`SourceError::Spec`] for a request that cannot be made, else when the home folder cannot be used.
    pub fn source(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        spec.check().map_err(SourceError::Spec)?;
        match spec.source {
            SourceName::Arxiv => self.arxiv(spec),
            SourceName::SemanticScholar => self.scholar(spec),
            SourceName::Crossref | SourceName::Import => {
                Err(SourceError::Spec(format!("{} is no source of papers to sync", spec.source)))
            }
        }
    }

    fn arxiv(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        let ids: Result<Vec<ArxivId>, _> = spec.ids.iter().map(|id| id.parse()).collect();
        let ids = ids.map_err(|error| SourceError::Spec(error.to_string()))?;
        let (query, category) = (spec.query.clone(), spec.category.clone());
        let request = ArxivRequest { query, category, ids, ..ArxivRequest::default() };
        let base = address(&self.config.settings.sources.arxiv.base_url)?;
        let client = self.client(&self.arxiv, SourceName::Arxiv, ARXIV_INTERVAL)?;
        Ok(Box::new(ArxivSource::new(client, base, request)))
    }

    fn scholar(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        let request = match spec.query.clone() {
            // As arXiv does: what is new comes first, so that a repeated sync with --max finds it.
            Some(query) if spec.bulk => S2Request::Bulk { query, sort: Some("publicationDate:desc".to_owned()) },
            Some(query) => S2Request::Search { query },
            None => S2Request::Batch { ids: spec.ids.clone() },
        };
        let settings = &self.config.settings.sources.semantic_scholar;
        let base = address(&settings.base_url)?;
        let client = self.client(&self.scholar, SourceName::SemanticScholar, SCHOLAR_INTERVAL)?;
        Ok(Box::new(S2Source::new(client, base, optional_secret(&settings.api_key), request)))
    }

    /// Whether a source has failed again and again and is left alone, and until when.
    ///
    /// # Errors
    /// When the home folder cannot be used.
    pub async fn resting(&self, source: SourceName) -> Result<Option<Resting>, SourceError> {
        match self.client_of(source)? {
            Some(client) => Ok(client.resting().await?),
            None => Ok(None),
        }
    }

    /// Lets the next request to a source through although it is left alone.
    ///
    /// # Errors
    /// When the home folder cannot be used.
    pub async fn try_anyway(&self, source: SourceName) -> Result<(), SourceError> {
        match self.client_of(source)? {
            Some(client) => Ok(client.try_anyway().await?),
            None => Ok(()),
        }
    }

    fn client_of(&self, source: SourceName) -> Result<Option<Arc<PoliteClient>>, SourceError> {
        match source {
            SourceName::Arxiv => self.client(&self.arxiv, source, ARXIV_INTERVAL).map(Some),
            SourceName::SemanticScholar => self.client(&self.scholar, source, SCHOLAR_INTERVAL).map(Some),
            SourceName::Crossref | SourceName::Import => Ok(None),
        }
    }

    fn client(
        &self,
        place: &OnceLock<Arc<PoliteClient>>,
        source: SourceName,
        min_interval: Duration,
    ) -> Result<Arc<PoliteClient>, SourceError> {
        if let Some(client) = place.get() {
            return Ok(Arc::clone(client));
        }
        let home = &self.config.home;
        let sources = &self.config.settings.sources;
        let contact = optional(&sources.contact).map(|contact| format!(" ({contact})")).unwrap_or_default();
        let unusable = |source| AppError::Home { path: home.clone(), source };
        let pace = home.join(format!("{source}.pace"));
        // Tried before anything is asked, where it is still known to be a matter of the home folder.
        std::fs::create_dir_all(home).map_err(unusable)?;
        std::fs::File::options().append(true).create(true).open(&pace).map_err(unusable)?;
        let settings = ClientSettings {
            user_agent: format!("lectern/{}{contact}", env!("CARGO_PKG_VERSION")),
            timeout: Duration::from_secs(sources.timeout_s),
            min_interval,
            max_retries: sources.max_retries,
            max_wait: Duration::from_secs(sources.max_wait_s),
            state_file: Some(pace),
            breaker_failures: sources.breaker_failures,
            breaker_pause: Duration::from_secs(sources.breaker_pause_s),
            ..ClientSettings::default()
        };
        let client = Arc::new(PoliteClient::new(settings, Clock::system().now_fn())?);
        Ok(Arc::clone(place.get_or_init(|| client)))
    }
}

fn address(setting: &str) -> Result<url::Url, SourceError> {
    setting.parse().map_err(|fault| SourceError::Spec(format!("`{setting}` is no address: {fault}")))
}

//! The live sources: one polite client for each provider, and requests made from what an operator wrote.

mod arxiv;
mod crossref;
mod scholar;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ingest::http::{ClientSettings, PoliteClient};
use ingest::{IngestError, Lookup, Page, Resting, Source};
use paper::SourceName;

use super::AppError;
use crate::clock::Clock;
use crate::config::{Config, SyncSpec, optional};

/// arXiv asks for one request every three seconds, whatever asks.
const ARXIV_INTERVAL: Duration = Duration::from_secs(3);

/// Whom to ask about papers that are there already.
pub struct Enrichment {
    /// Who is asked.
    pub lookup: Box<dyn Lookup>,
    /// After how many days a paper is asked about again.
    pub recheck_days: u32,
}

/// Why a request cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// What was written asks for nothing that the source gives.
    #[error("{0}")]
    Spec(String),
    /// A saved answer is none.
    #[error(transparent)]
    Saved(IngestError),
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
    crossref: OnceLock<Arc<PoliteClient>>,
}

impl Sources {
    /// The sources as configured; nothing is asked yet.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, arxiv: OnceLock::new(), scholar: OnceLock::new(), crossref: OnceLock::new() }
    }

    /// The source that a request asks.
    ///
    /// # Errors
    /// [`SourceError::Spec`] for a request that cannot be made, else when the home folder cannot be used.
    pub fn source(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        spec.check().map_err(SourceError::Spec)?;
        if spec.enrich || spec.diff.is_some() {
            // For these the library is needed: `Sources::enrichment` and `App::source`.
            return Err(SourceError::Spec("this is asked about papers of the library only".to_owned()));
        }
        match spec.source {
            SourceName::Arxiv => self.arxiv(spec),
            SourceName::SemanticScholar => self.scholar(spec),
            SourceName::Crossref => self.crossref(spec),
            SourceName::Import => Err(SourceError::Spec(format!("{} is no source of papers to sync", spec.source))),
        }
    }

    /// Whom a request with `enrich` asks.
    ///
    /// # Errors
    /// [`SourceError::Spec`] for a request that cannot be made, else when the home folder cannot be used.
    pub fn enrichment(&self, spec: &SyncSpec) -> Result<Enrichment, SourceError> {
        spec.check().map_err(SourceError::Spec)?;
        match spec.source {
            SourceName::SemanticScholar if spec.enrich => self.scholar_enrichment(),
            SourceName::Crossref if spec.enrich => self.crossref_enrichment(),
            _ => Err(SourceError::Spec(format!("{} is not asked about papers that are there", spec.source))),
        }
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
            SourceName::SemanticScholar => self.scholar_client().map(Some),
            SourceName::Crossref => self.crossref_client().map(Some),
            SourceName::Import => Ok(None),
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

/// What a saved answer of a source holds.
///
/// # Errors
/// [`SourceError::Saved`] for what is none of its answers, [`SourceError::Spec`] for a source that gives none.
pub fn saved_page(source: SourceName, bytes: &[u8], seen: jiff::Timestamp) -> Result<Page, SourceError> {
    let read = match source {
        SourceName::Arxiv => ingest::arxiv::parse(bytes, seen),
        SourceName::SemanticScholar => ingest::semantic_scholar::parse_body(bytes, seen),
        SourceName::Crossref => ingest::crossref::parse_body(bytes, seen),
        SourceName::Import => return Err(SourceError::Spec(format!("{source} gives no answers that could be saved"))),
    };
    read.map_err(SourceError::Saved)
}

fn address(setting: &str) -> Result<url::Url, SourceError> {
    setting.parse().map_err(|fault| SourceError::Spec(format!("`{setting}` is no address: {fault}")))
}

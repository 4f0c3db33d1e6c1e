//! Requests to Semantic Scholar.

use std::sync::Arc;
use std::time::Duration;

use ingest::Source;
use ingest::http::PoliteClient;
use ingest::semantic_scholar::{S2Diff, S2Lookup, S2Request, S2Source};
use paper::SourceName;

use super::{Enrichment, SourceError, Sources, address};
use crate::config::{Sort, SyncSpec, optional_secret};

/// Semantic Scholar asks for one request a second, whatever asks.
const SCHOLAR_INTERVAL: Duration = Duration::from_secs(1);

impl Sources {
    pub(super) fn scholar(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        let settings = &self.config.settings.sources.semantic_scholar;
        let (base, client) = (address(&settings.base_url)?, self.scholar_client()?);
        Ok(Box::new(S2Source::new(client, base, optional_secret(&settings.api_key), request(spec))))
    }

    pub(super) fn scholar_enrichment(&self) -> Result<Enrichment, SourceError> {
        let settings = &self.config.settings.sources.semantic_scholar;
        let (base, client) = (address(&settings.base_url)?, self.scholar_client()?);
        let lookup = Box::new(S2Lookup::new(client, base, optional_secret(&settings.api_key)));
        Ok(Enrichment { lookup, recheck_days: settings.recheck_days })
    }

    /// The differences of Semantic Scholar's data sets that a request with `diff` names.
    ///
    /// # Errors
    /// As [`Sources::source`].
    pub fn scholar_diff(&self, spec: &SyncSpec) -> Result<S2Diff, SourceError> {
        spec.check().map_err(SourceError::Spec)?;
        let settings = &self.config.settings.sources.semantic_scholar;
        let place = spec.diff.clone().ok_or_else(|| SourceError::Spec("`diff` is missing".to_owned()))?;
        let (base, client) = (address(&settings.base_url)?, self.scholar_client()?);
        let spool = self.config.home.join(super::super::leftovers::DOWNLOADS);
        Ok(S2Diff::new(client, base, optional_secret(&settings.api_key), place, spool))
    }

    pub(super) fn scholar_client(&self) -> Result<Arc<PoliteClient>, SourceError> {
        self.client(&self.scholar, SourceName::SemanticScholar, SCHOLAR_INTERVAL)
    }
}

fn request(spec: &SyncSpec) -> S2Request {
    if let Some(id) = spec.references_of.clone() {
        return S2Request::References { id };
    }
    if let Some(id) = spec.citations_of.clone() {
        return S2Request::Citations { id };
    }
    match spec.query.clone() {
        Some(query) if spec.bulk => {
            // As arXiv does: what is new comes first, so that a repeated sync with --max finds it.
            let sort = if spec.sort == Some(Sort::Cited) { "citationCount:desc" } else { "publicationDate:desc" };
            S2Request::Bulk { query, sort: Some(sort.to_owned()) }
        }
        Some(query) => S2Request::Search { query },
        None if spec.recommended_for.is_empty() => S2Request::Batch { ids: spec.ids.clone() },
        None => S2Request::Recommended { ids: spec.recommended_for.clone() },
    }
}

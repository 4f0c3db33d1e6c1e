//! Which source of arXiv's a request asks. All of them share one client, and so the pause between requests.

use ingest::Source;
use ingest::arxiv::{ArxivRequest, ArxivSource, DailySource, HarvestRequest, HarvestSource, SortBy};
use paper::{ArxivId, SourceName};

use super::{ARXIV_INTERVAL, SourceError, Sources, address};
use crate::config::{Sort, SyncSpec};

impl Sources {
    pub(super) fn arxiv(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        let settings = &self.config.settings.sources.arxiv;
        let query_url = address(&settings.base_url)?;
        let client = self.client(&self.arxiv, SourceName::Arxiv, ARXIV_INTERVAL)?;
        let (from, until) = (spec.from, spec.until);
        Ok(match (&spec.harvest, &spec.daily) {
            (Some(set), _) => {
                let request = HarvestRequest { set: set.clone(), from, until };
                Box::new(HarvestSource::new(client, address(&settings.oai_url)?, request))
            }
            (None, Some(categories)) => {
                Box::new(DailySource::new(client, address(&settings.feed_url)?, query_url, categories.clone()))
            }
            (None, None) => Box::new(ArxivSource::new(client, query_url, query(spec)?)),
        })
    }
}

fn query(spec: &SyncSpec) -> Result<ArxivRequest, SourceError> {
    let ids: Result<Vec<ArxivId>, _> = spec.ids.iter().map(|id| id.parse()).collect();
    let ids = ids.map_err(|error| SourceError::Spec(error.to_string()))?;
    let (query, category) = (spec.query.clone(), spec.category.clone());
    let sort = match spec.sort {
        Some(Sort::Relevance) => SortBy::Relevance,
        Some(Sort::Updated) => SortBy::LastUpdated,
        _ => SortBy::Submitted,
    };
    Ok(ArxivRequest { query, category, ids, from: spec.from, until: spec.until, sort, ..ArxivRequest::default() })
}

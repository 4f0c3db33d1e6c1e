//! Requests to Crossref.

use std::sync::Arc;
use std::time::Duration;

use ingest::Source;
use ingest::crossref::{CrossrefApi, CrossrefLookup, CrossrefSource};
use ingest::http::PoliteClient;
use paper::{Doi, SourceName};

use super::{Enrichment, SourceError, Sources, address};
use crate::config::{SyncSpec, optional};

/// Crossref allows several requests a second to who gives an address; one is as much as is needed.
const CROSSREF_INTERVAL: Duration = Duration::from_secs(1);

impl Sources {
    pub(super) fn crossref(&self, spec: &SyncSpec) -> Result<Box<dyn Source>, SourceError> {
        let dois: Result<Vec<Doi>, _> = spec.ids.iter().map(|id| id.parse()).collect();
        let dois = dois.map_err(|error| SourceError::Spec(error.to_string()))?;
        Ok(Box::new(CrossrefSource::new(self.crossref_api()?, dois)))
    }

    pub(super) fn crossref_enrichment(&self) -> Result<Enrichment, SourceError> {
        let lookup = Box::new(CrossrefLookup::new(self.crossref_api()?));
        Ok(Enrichment { lookup, recheck_days: self.config.settings.sources.crossref.recheck_days })
    }

    pub(super) fn crossref_client(&self) -> Result<Arc<PoliteClient>, SourceError> {
        self.client(&self.crossref, SourceName::Crossref, CROSSREF_INTERVAL)
    }

    fn crossref_api(&self) -> Result<CrossrefApi, SourceError> {
        let sources = &self.config.settings.sources;
        if !sources.crossref.enabled {
            let told = "Crossref is not asked: the setting sources.crossref.enabled is false";
            return Err(SourceError::Spec(told.to_owned()));
        }
        let client = self.crossref_client()?;
        let mailto = optional(&sources.contact).and_then(mailbox);
        Ok(CrossrefApi::new(client, address(&sources.crossref.base_url)?, mailto))
    }
}

/// The mailbox of a contact, which may also be the address of a page.
fn mailbox(contact: &str) -> Option<String> {
    let contact = contact.trim();
    let mailbox = contact.strip_prefix("mailto:").unwrap_or(contact);
    let fits = mailbox.contains('@') && !mailbox.contains(['/', ' ', ':']);
    fits.then(|| mailbox.to_owned())
}

#[cfg(test)]
mod tests {
    use super::mailbox;

    #[test]
    fn only_a_mailbox_is_sent_as_one() {
        for (contact, sent) in [
            ("someone@example.org", Some("someone@example.org")),
            (" mailto:someone@example.org", Some("someone@example.org")),
            ("https://example.org/@group", None),
            ("our group", None),
        ] {
            assert_eq!(mailbox(contact).as_deref(), sent, "{contact}");
        }
    }
}

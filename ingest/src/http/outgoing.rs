//! What is asked for.

use secrecy::SecretString;
use url::Url;

/// A request to a source.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(super) url: Url,
    pub(super) json: Option<String>,
    pub(super) key: Option<(&'static str, SecretString)>,
    pub(super) setting: &'static str,
}

impl Outgoing {
    /// `setting` is the name of the setting that the address comes from, for errors.
    pub(crate) fn get(url: Url, setting: &'static str) -> Self {
        Self { url, json: None, key: None, setting }
    }

    /// Sends a JSON document along, by POST.
    pub(crate) fn with_json(self, document: String) -> Self {
        Self { json: Some(document), ..self }
    }

    /// Sends a key in a header of that name, marked so that nothing prints it.
    pub(crate) fn with_key(self, header: &'static str, key: Option<SecretString>) -> Self {
        Self { key: key.map(|key| (header, key)), ..self }
    }

    /// The address without the query.
    pub(super) fn address(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.to_string()
    }

    /// The request to the address that the other side sends it on to: on the same host, and never from https back to
    /// http, for a key must not travel further than it was meant to. A document goes along only where the status says
    /// so (RFC 9110, section 15.4).
    pub(super) fn sent_on(&self, status: u16, location: Option<&str>) -> Option<Self> {
        let follows = matches!(status, 307 | 308) || (matches!(status, 301..=303) && self.json.is_none());
        let (from, to) = (&self.url, self.url.join(location.filter(|_| follows)?).ok()?);
        let upgrade = from.scheme() == "http" && to.scheme() == "https";
        let same_place = from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
        let allowed = from.host_str() == to.host_str() && (upgrade || same_place);
        allowed.then(|| Self { url: to, ..self.clone() })
    }
}

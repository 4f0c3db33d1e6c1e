use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use paper::SourceName;
use secrecy::SecretString;
use url::Url;

use super::request::{Call, SEARCH_RESULTS};
use super::{S2Request, failure_with, page, parse_body, wire};
use crate::http::{Answer, Outgoing, PoliteClient};
use crate::text::excerpt;
use crate::{Cursor, IngestError, Page, Source};

const SETTING: &str = "sources.semantic_scholar.base_url";

/// A query to the live Academic Graph, page by page.
///
/// A search ends at 1,000 papers, which is all that the service gives of one; a bulk search has no such end.
/// Ids that the service does not know are rejected as not found, under the names they were asked by.
#[derive(Debug)]
pub struct S2Source {
    client: Arc<PoliteClient>,
    base_url: Url,
    api_key: Option<SecretString>,
    request: S2Request,
}

impl S2Source {
    /// `base_url` is the address of the API or the root of its host. A key allows one request a second over
    /// everything, so all sources of it share one `client`; without a key the service shares out what is left.
    #[must_use]
    pub fn new(client: Arc<PoliteClient>, base_url: Url, api_key: Option<SecretString>, request: S2Request) -> Self {
        Self { client, base_url, api_key, request }
    }

    fn read(&self, answer: &Answer, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        if answer.status != 200 {
            return refused(answer, cursor);
        }
        let page = match (&self.request, wire::read(&answer.body)) {
            (S2Request::Batch { .. }, Ok(wire::Body::Papers(papers))) => {
                page(papers, seen, self.request.portion(cursor)?)
            }
            _ => parse_body(&answer.body, seen)?,
        };
        self.lead_on(page, cursor)
    }

    /// The cursor is always the one of this request, whatever else the answer may hold.
    fn lead_on(&self, mut page: Page, cursor: Option<&Cursor>) -> Result<Page, IngestError> {
        page.next = match &self.request {
            S2Request::Search { .. } => {
                let offset = Cursor::number(cursor, "offset")?;
                let next = page.next.as_ref().and_then(|next| Cursor::number(Some(next), "offset").ok());
                next.filter(|next| (offset + 1..SEARCH_RESULTS).contains(next)).map(|next| Cursor::at("offset", next))
            }
            S2Request::Bulk { .. } => page.next.filter(|next| next.value("token").is_some() && Some(next) != cursor),
            S2Request::Batch { ids } => {
                let reached =
                    Cursor::number(cursor, "batch")?.saturating_add(self.request.portion(cursor)?.len() as u64);
                page.total = Some(ids.len() as u64);
                (reached < ids.len() as u64).then(|| Cursor::at("batch", reached))
            }
        };
        Ok(page)
    }
}

#[async_trait]
impl Source for S2Source {
    fn name(&self) -> SourceName {
        SourceName::SemanticScholar
    }

    fn key(&self) -> String {
        self.request.key()
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        let Call { url, json } = self.request.call(&self.base_url, cursor)?;
        let outgoing = Outgoing::get(url, SETTING).with_key("x-api-key", self.api_key.clone());
        let outgoing = json.into_iter().fold(outgoing, Outgoing::with_json);
        self.client.fetch(&outgoing, |answer| self.read(answer, cursor, seen)).await
    }
}

fn refused(answer: &Answer, cursor: Option<&Cursor>) -> Result<Page, IngestError> {
    if let Some(place) = &answer.location {
        let message = format!("sent on to {place}; if that is right, set {SETTING} to it");
        return Err(IngestError::refused(message).with_status(answer.status));
    }
    let said = match wire::read(&answer.body) {
        Ok(wire::Body::Failure(said)) => said,
        _ => excerpt(&String::from_utf8_lossy(&answer.body), 200),
    };
    // The results of a search can run out before the total that was announced; this is how it says so.
    let ran_out = answer.status == 400 && cursor.is_some() && said.contains("limit and/or offset is not available");
    if ran_out { Ok(Page::default()) } else { Err(failure_with(answer.status, answer.retry_after, &said)) }
}

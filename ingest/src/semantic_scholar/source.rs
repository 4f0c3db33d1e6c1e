use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use paper::SourceName;
use secrecy::SecretString;
use url::Url;

use super::body::{self, Body, Papers};
use super::request::{BulkPlace, Call, LINKS_RESULTS, SEARCH_RESULTS};
use super::{S2Request, failure_with, page, papers_of};
use crate::http::{Answer, Outgoing, PoliteClient};
use crate::text::excerpt;
use crate::{Cursor, IngestError, Page, Source};

const SETTING: &str = "sources.semantic_scholar.base_url";

/// A query to the live Academic Graph, page by page.
///
/// A search ends at 1,000 papers, which is all that the service gives of one; a bulk search has no such end. Of the
/// citations or references of one paper it gives 9,999; where there are more, the last page says so.
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

    /// The answers to a batch of at most 500 ids, one by one in their order.
    pub(super) async fn answers(&self, seen: Timestamp) -> Result<Vec<Page>, IngestError> {
        let read = |answer: &Answer| {
            let (came, asked) = (self.list(answer, None)?.records, self.request.portion(None)?.len());
            if came.len() != asked {
                let what = format!("{} records where {asked} were asked for", came.len());
                return Err(IngestError::Malformed { origin: SourceName::SemanticScholar, position: None, what });
            }
            let one = |record| page(Papers { records: vec![record], ..Papers::default() }, seen, &[]);
            Ok(came.into_iter().map(one).collect())
        };
        self.client.fetch(&self.outgoing(None)?, read).await
    }

    fn outgoing(&self, cursor: Option<&Cursor>) -> Result<Outgoing, IngestError> {
        let Call { url, json } = self.request.call(&self.base_url, cursor)?;
        let outgoing = Outgoing::get(url, SETTING).with_key("x-api-key", self.api_key.clone());
        Ok(json.into_iter().fold(outgoing, Outgoing::with_json))
    }

    fn read(&self, answer: &Answer, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        let list = self.list(answer, cursor)?;
        self.lead_on(page(list, seen, self.request.portion(cursor)?), cursor, seen)
    }

    fn list<'b>(&self, answer: &'b Answer, cursor: Option<&Cursor>) -> Result<Papers<'b>, IngestError> {
        if answer.status == 200 {
            return papers_of(body::read(&answer.body)?);
        }
        if let Some(place) = &answer.location {
            let message = format!("sent on to {place}; if that is right, set {SETTING} to it");
            return Err(IngestError::refused(message).with_status(answer.status));
        }
        let said = match body::read(&answer.body) {
            Ok(Body::Failure(said)) => said,
            _ => excerpt(&String::from_utf8_lossy(&answer.body), 200),
        };
        if answer.status == 400 && cursor.is_some() && said.contains(RAN_OUT) {
            return Ok(Papers::default());
        }
        let portion = self.request.portion(cursor)?.len();
        if answer.status == 400 && portion > 0 && said.contains(NONE_KNOWN) {
            return Ok(Papers::unknown(portion));
        }
        Err(failure_with(answer.status, answer.retry_after, &said))
    }

    /// The cursor is always the one of this request, whatever else the answer may hold.
    fn lead_on(&self, mut page: Page, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        page.next = match &self.request {
            S2Request::Search { .. } => next_offset(&page, cursor)?.filter(|next| *next < SEARCH_RESULTS).map(offset),
            S2Request::References { .. } | S2Request::Citations { .. } => {
                let next = next_offset(&page, cursor)?;
                page.links = self.request.links(&page.papers);
                if next.is_some_and(|next| next >= LINKS_RESULTS) {
                    page.add(|| self.request.key(), Err(NO_MORE_LINKS.to_owned()));
                }
                next.filter(|next| *next < LINKS_RESULTS).map(offset)
            }
            S2Request::Recommended { .. } => None,
            S2Request::Bulk { sort, .. } => {
                let place = BulkPlace::of(cursor)?;
                let token = page.next.as_ref().and_then(|next| next.value("token"));
                let next = token.filter(|token| Some(*token) != place.token).map(|token| place.next(token));
                page.owed = place.since.is_some();
                // What is cited most is looked up anew.
                let by_time = sort.as_deref().is_none_or(|sort| !sort.starts_with("citationCount"));
                page.later = what_is_new(seen).filter(|_| by_time && (next.is_none() || !page.owed));
                next
            }
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

    fn newest_first(&self) -> bool {
        !matches!(self.request, S2Request::References { .. } | S2Request::Batch { .. })
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        self.client.fetch(&self.outgoing(cursor)?, |answer| self.read(answer, cursor, seen)).await
    }
}

/// The results of a search can run out before the total that was announced; this is how the service says so.
const RAN_OUT: &str = "limit and/or offset is not available";

/// What it says to a batch of which it knows no paper at all, in place of as many nulls.
const NONE_KNOWN: &str = "No valid paper ids given";

/// What is said in place of the papers that cannot be had.
const NO_MORE_LINKS: &str = "there are more than 9,999, and Semantic Scholar lists no more of one paper; all of them \
                             are in its bulk data set `citations` only";

/// Papers are entered up to so many days after the date that they bear.
const LATE: SignedDuration = SignedDuration::from_hours(30 * 24);

fn offset(number: u64) -> Cursor {
    Cursor::at("offset", number)
}

/// The offset that a page leads on to, which goes forward or not at all.
fn next_offset(page: &Page, cursor: Option<&Cursor>) -> Result<Option<u64>, IngestError> {
    let here = Cursor::number(cursor, "offset")?;
    let next = page.next.as_ref().and_then(|next| Cursor::number(Some(next), "offset").ok());
    Ok(next.filter(|next| *next > here))
}

/// Where the next bulk search begins after one that has read everything.
fn what_is_new(seen: Timestamp) -> Option<Cursor> {
    let day = seen.checked_sub(LATE).ok()?;
    Some(Cursor::at("since", day.strftime("%Y-%m-%d")))
}

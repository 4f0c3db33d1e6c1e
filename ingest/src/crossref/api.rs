//! The questions that are asked of Crossref.

use std::sync::Arc;

use paper::{Author, Doi, Paper, surname};
use serde_json::Value;
use url::Url;

use super::wire::{self, FIELDS, Work};
use crate::http::{Answer, Outgoing, PoliteClient};
use crate::text::excerpt;
use crate::{IngestError, Rejected};

/// Where Crossref answers.
pub const DEFAULT_BASE_URL: &str = "https://api.crossref.org";

const SETTING: &str = "sources.crossref.base_url";

/// The most DOIs in one request, whose address must not grow too long.
pub(super) const BATCH: usize = 40;

/// The works that are looked through for one title.
const CANDIDATES: usize = 5;

/// The REST API of Crossref, which is asked by DOI or by title.
///
/// It asks for no more than a few requests a second and for an address to write to; one request a second, as `client`
/// keeps it, is well within that.
#[derive(Debug, Clone)]
pub struct CrossrefApi {
    client: Arc<PoliteClient>,
    base_url: Url,
    mailto: Option<String>,
}

/// What is known of some DOIs.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) works: Vec<Work>,
    pub(super) rejected: Vec<Rejected>,
}

impl CrossrefApi {
    /// `mailto` is a mailbox, with which Crossref can reach who asks; all that ask share one `client`.
    #[must_use]
    pub fn new(client: Arc<PoliteClient>, base_url: Url, mailto: Option<String>) -> Self {
        Self { client, base_url, mailto }
    }

    /// The works of these DOIs. Those that can stand in a filter are asked for at once, the others one by one; and so
    /// are all, when Crossref refuses the filter.
    pub(super) async fn by_dois(&self, dois: &[Doi]) -> Result<Answers, IngestError> {
        let (plain, mut odd): (Vec<&Doi>, Vec<&Doi>) = dois.iter().partition(|doi| fits_in_filter(doi));
        let mut answers = Answers::default();
        if plain.len() > 1 {
            match self.ask(self.filtered(&plain)).await {
                Err(IngestError::Refused { status: Some(400), .. }) => odd.extend(plain),
                items => answers.take(items?),
            }
        } else {
            odd.extend(plain);
        }
        for doi in odd {
            match self.ask(self.single(doi)).await {
                Err(refused) if is_of_one_work(&refused) => {
                    answers.rejected.push(Rejected { record: doi.to_string(), reason: refused.to_string() });
                }
                items => answers.take(items?),
            }
        }
        Ok(answers)
    }

    /// The works that are most like the paper, by its title and its first author.
    pub(super) async fn by_title(&self, paper: &Paper) -> Result<Answers, IngestError> {
        let mut url = self.address("works");
        url.query_pairs_mut()
            .append_pair("query.bibliographic", &paper.title)
            .append_pair("query.author", &paper.authors.first().map(surname_of).unwrap_or_default())
            .append_pair("rows", &CANDIDATES.to_string())
            .append_pair("select", FIELDS);
        let mut answers = Answers::default();
        answers.take(self.ask(url).await?);
        Ok(answers)
    }

    async fn ask(&self, url: Url) -> Result<Vec<Value>, IngestError> {
        self.client.fetch(&Outgoing::get(url, SETTING), items).await
    }

    fn filtered(&self, dois: &[&Doi]) -> Url {
        let filter: Vec<String> = dois.iter().map(|doi| format!("doi:{doi}")).collect();
        let mut url = self.address("works");
        url.query_pairs_mut()
            .append_pair("filter", &filter.join(","))
            .append_pair("rows", &dois.len().to_string())
            .append_pair("select", FIELDS);
        url
    }

    /// A single work takes no `select`.
    fn single(&self, doi: &Doi) -> Url {
        let mut url = self.address("works");
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(doi.as_str());
        }
        url
    }

    fn address(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}/{path}", self.base_url.path().trim_end_matches('/')));
        if let Some(mailto) = &self.mailto {
            url.query_pairs_mut().append_pair("mailto", mailto);
        }
        url
    }
}

impl Answers {
    fn take(&mut self, items: Vec<Value>) {
        for item in items {
            let name = wire::name_of(&item).unwrap_or_else(|| "a work".to_owned());
            match wire::work(item) {
                Ok(work) => self.works.push(work),
                Err(reason) => self.rejected.push(Rejected { record: name, reason }),
            }
        }
    }
}

/// The name to search by. Of `Ada Lovelace` and `Lovelace, Ada`, it is the word that [`surname`] finds, as written.
fn surname_of(author: &Author) -> String {
    let wanted = surname(&author.name);
    let mut words = author.name.rsplit([' ', ',']).filter(|word| surname(word) == wanted);
    words.next().unwrap_or(&author.name).to_owned()
}

/// Whether a request is refused for what it asks about: the next one may well be answered.
pub(super) fn is_of_one_work(error: &IngestError) -> bool {
    matches!(error, IngestError::Refused { status: Some(400 | 414 | 422), .. })
}

/// In a filter, a comma begins the next one and a colon ends a name: whatever is not plain is asked for by itself.
fn fits_in_filter(doi: &Doi) -> bool {
    doi.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._/()-".contains(&b))
}

fn items(answer: &Answer) -> Result<Vec<Value>, IngestError> {
    let said = || excerpt(&String::from_utf8_lossy(&answer.body), 200);
    match answer.status {
        200 => Ok(wire::read(&answer.body)?.items),
        // Crossref has no such work; another agency may have registered the DOI.
        404 if !said().starts_with('<') => Ok(Vec::new()),
        429 | 503 => Err(IngestError::RateLimited { retry_after: answer.retry_after }),
        status @ (408 | 500..=599) => {
            Err(IngestError::Transient { what: format!("Crossref failed with HTTP {status}; ask again later") })
        }
        status => Err(refusal(answer, said()).with_status(status)),
    }
}

fn refusal(answer: &Answer, said: String) -> IngestError {
    if let Some(place) = &answer.location {
        return IngestError::refused(format!("sent on to {place}; if that is right, set {SETTING} to it"));
    }
    match wire::read(&answer.body) {
        Err(refused @ IngestError::Refused { .. }) => refused,
        _ => IngestError::refused(format!("Crossref says: {said}; check {SETTING}")),
    }
}

use async_trait::async_trait;
use jiff::Timestamp;
use paper::{Doi, SourceName};

use super::api::BATCH;
use super::{CrossrefApi, convert};
use crate::{Cursor, IngestError, Page, Rejected, Source};

/// Works of Crossref's by DOI, 40 a page. DOIs that Crossref does not know are rejected as not found.
#[derive(Debug)]
pub struct CrossrefSource {
    api: CrossrefApi,
    dois: Vec<Doi>,
}

impl CrossrefSource {
    /// A request for these DOIs.
    #[must_use]
    pub fn new(api: CrossrefApi, dois: Vec<Doi>) -> Self {
        Self { api, dois }
    }

    fn portion(&self, cursor: Option<&Cursor>) -> Result<(u64, &[Doi]), IngestError> {
        let begin = Cursor::number(cursor, "batch")?;
        let portion = usize::try_from(begin).ok().and_then(|begin| self.dois.get(begin..)).unwrap_or_default();
        match (portion.is_empty(), cursor) {
            (true, Some(cursor)) => Err(cursor.foreign()),
            (true, None) => Err(IngestError::refused("nothing is asked of Crossref; give DOIs")),
            (false, _) => Ok((begin, portion.get(..BATCH).unwrap_or(portion))),
        }
    }
}

#[async_trait]
impl Source for CrossrefSource {
    fn name(&self) -> SourceName {
        SourceName::Crossref
    }

    fn key(&self) -> String {
        let dois: Vec<String> = self.dois.iter().map(Doi::key).collect();
        format!("crossref:works:{}", dois.join(","))
    }

    /// A list of DOIs has no end that could be declined.
    fn newest_first(&self) -> bool {
        false
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        let (begin, portion) = self.portion(cursor)?;
        let answers = self.api.by_dois(portion).await?;
        let mut page = Page { rejected: answers.rejected, total: Some(self.dois.len() as u64), ..Page::default() };
        for work in &answers.works {
            page.add(|| work.doi.clone().unwrap_or_else(|| "a work".to_owned()), convert::paper(work, seen));
        }
        for doi in portion {
            let came = page.papers.iter().any(|paper| paper.ids.doi.as_ref() == Some(doi))
                || page.rejected.iter().any(|rejected| rejected.record.eq_ignore_ascii_case(doi.as_str()));
            if !came {
                let reason = "not found: Crossref has no such work".to_owned();
                page.rejected.push(Rejected { record: doi.to_string(), reason });
            }
        }
        let reached = begin + portion.len() as u64;
        page.next = (reached < self.dois.len() as u64).then(|| Cursor::at("batch", reached));
        Ok(page)
    }
}

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use paper::{Paper, PaperIds, SourceName};
use secrecy::SecretString;
use url::Url;

use super::request::{BATCH, graph_id};
use super::{S2Request, S2Source};
use crate::http::PoliteClient;
use crate::lookup::{self, LookedUp, Lookup};
use crate::{IngestError, Page, Rejected};

/// Papers looked up in the Academic Graph by whatever identifier they have, 500 at once.
#[derive(Debug)]
pub struct S2Lookup {
    client: Arc<PoliteClient>,
    base_url: Url,
    api_key: Option<SecretString>,
}

impl S2Lookup {
    /// Asks as [`S2Source::new`] does, with which it shares its `client`.
    #[must_use]
    pub fn new(client: Arc<PoliteClient>, base_url: Url, api_key: Option<SecretString>) -> Self {
        Self { client, base_url, api_key }
    }
}

#[async_trait]
impl Lookup for S2Lookup {
    fn name(&self) -> SourceName {
        SourceName::SemanticScholar
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["s2", "corpus", "arxiv", "doi", "pmid"]
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn look_up(&self, papers: &[Paper], seen: Timestamp) -> Result<LookedUp, IngestError> {
        let asked: Vec<(&Paper, String)> =
            papers.iter().filter_map(|paper| Some((paper, best_id(&paper.ids)?))).collect();
        if asked.is_empty() {
            return Ok(LookedUp::default());
        }
        let request = S2Request::Batch { ids: asked.iter().map(|(_, id)| id.clone()).collect() };
        let source = S2Source::new(Arc::clone(&self.client), self.base_url.clone(), self.api_key.clone(), request);
        Ok(joined(&asked, source.answers(seen).await?))
    }
}

/// The identifier that Semantic Scholar knows a paper by most surely: its own first.
fn best_id(ids: &PaperIds) -> Option<String> {
    let own = ids.semantic_scholar.as_ref().map(ToString::to_string);
    own.or_else(|| ids.corpus_id.map(|id| format!("CorpusId:{id}")))
        .or_else(|| ids.arxiv.as_ref().map(|id| format!("ARXIV:{}", id.base())))
        .or_else(|| ids.doi.as_ref().map(|doi| graph_id(doi.as_str())))
        .or_else(|| ids.pmid.as_ref().map(|id| format!("PMID:{id}")))
}

/// The answers, each with the link of the paper that was asked about.
fn joined(asked: &[(&Paper, String)], answers: Vec<Page>) -> LookedUp {
    let mut found = LookedUp::default();
    for ((paper, id), answer) in asked.iter().zip(answers) {
        for record in answer.papers {
            match lookup::found(record, paper) {
                Ok(answer) => found.found.push(answer),
                Err(reason) => found.rejected.push(Rejected { record: id.clone(), reason }),
            }
        }
        for Rejected { reason, .. } in answer.rejected {
            match reason.as_str() {
                super::NOT_FOUND => found.unknown += 1,
                _ => found.rejected.push(Rejected { record: id.clone(), reason }),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(ids: serde_json::Value) -> Paper {
        serde_json::from_value(serde_json::json!({"title": "A", "ids": ids})).unwrap()
    }

    #[test]
    fn a_paper_is_asked_about_by_the_surest_of_its_identifiers() {
        let s2 = "204e3073870fae3d05bcbc2f6a8e263d9b72e776";
        for (ids, asked) in [
            (serde_json::json!({"semantic_scholar": s2, "corpus_id": 7, "doi": "10.1000/a"}), Some(s2)),
            (serde_json::json!({"corpus_id": 7, "arxiv": "2104.12255", "doi": "10.1000/a"}), Some("CorpusId:7")),
            (serde_json::json!({"arxiv": "2104.12255", "doi": "10.1000/a", "pmid": "12"}), Some("ARXIV:2104.12255")),
            (serde_json::json!({"doi": "10.48550/arXiv.1706.03762"}), Some("ARXIV:1706.03762")),
            (serde_json::json!({"doi": "10.1000/a", "pmid": "12"}), Some("DOI:10.1000/a")),
            (serde_json::json!({"pmid": "12", "local": "x"}), Some("PMID:12")),
            (serde_json::json!({"local": "x"}), None),
        ] {
            assert_eq!(best_id(&paper(ids.clone()).ids).as_deref(), asked, "{ids}");
        }
    }
}

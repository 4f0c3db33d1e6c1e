//! What a data set says of the papers that the library has.

use std::collections::HashMap;

use async_trait::async_trait;
use ingest::semantic_scholar::{DiffPage, S2Diff};
use ingest::{Cursor, IngestError, Page, Source};
use jiff::Timestamp;
use paper::{CorpusId, Paper, SourceName, identity_keys};

use crate::store::{Store, StoreError};

/// The differences of Semantic Scholar's data sets, for the papers that the library has: a release holds 200 million,
/// and a library follows those that it was given.
///
/// A record of a data set says less than the Graph does, so what the library had from Semantic Scholar before and the
/// record does not tell (the abstract, which is in a data set of its own, and the PDF) is kept.
pub struct KnownOnly {
    diff: S2Diff,
    store: Store,
}

impl KnownOnly {
    /// Follows `diff` for what `store` has.
    #[must_use]
    pub fn new(diff: S2Diff, store: Store) -> Self {
        Self { diff, store }
    }

    async fn known(&self, page: DiffPage, seen: Timestamp) -> Result<Page, StoreError> {
        let corpus_ids = page.deleted.iter().chain(page.abstracts.iter().map(|(id, _)| id)).map(corpus_key);
        let keys: Vec<String> = page.papers.iter().flat_map(identity_keys).chain(corpus_ids).collect();
        let known = self.store.records_by_key(SourceName::SemanticScholar, &keys).await?;
        let mut papers: HashMap<String, Paper> = HashMap::new();
        let mut order = Vec::new();
        let mut put = |key: String, paper: Paper| {
            if papers.insert(key.clone(), paper).is_none() {
                order.push(key);
            }
        };
        for paper in page.papers {
            let keys = identity_keys(&paper);
            let Some(corpus_id) = paper.ids.corpus_id else { continue };
            let records: Vec<&Vec<Paper>> = keys.iter().filter_map(|key| known.get(key)).collect();
            if !records.is_empty() {
                let earlier = records.iter().find_map(|records| of_corpus(records, corpus_id));
                put(corpus_key(&corpus_id), completed(paper, earlier));
            }
        }
        for (corpus_id, text) in page.abstracts {
            let key = corpus_key(&corpus_id);
            let record = known.get(&key).and_then(|records| of_corpus(records, corpus_id));
            if let Some(record) = record {
                put(key, with_abstract(record.clone(), text, seen));
            }
        }
        let papers = order.iter().filter_map(|key| papers.remove(key)).collect();
        let deleted = page.deleted.iter().map(corpus_key).filter(|key| known.contains_key(key)).collect();
        Ok(Page { papers, deleted, rejected: page.rejected, next: page.next, ..Page::default() })
    }
}

#[async_trait]
impl Source for KnownOnly {
    fn name(&self) -> SourceName {
        SourceName::SemanticScholar
    }

    fn key(&self) -> String {
        self.diff.key()
    }

    /// The files are in the order of the releases, the oldest first.
    fn newest_first(&self) -> bool {
        false
    }

    /// By the next time the library may have more papers.
    fn repeats(&self) -> bool {
        false
    }

    async fn page(&self, cursor: Option<&Cursor>, seen: Timestamp) -> Result<Page, IngestError> {
        let page = self.diff.page(cursor, seen).await?;
        let failed = |fault: StoreError| IngestError::Transient { what: fault.to_string() };
        self.known(page, seen).await.map_err(failed)
    }
}

fn corpus_key(id: &CorpusId) -> String {
    format!("corpus:{id}")
}

fn of_corpus(records: &[Paper], id: CorpusId) -> Option<&Paper> {
    records.iter().find(|record| record.ids.corpus_id == Some(id))
}

/// The record with what an earlier one of the same paper says beyond it. That may be found under any of its keys: an
/// identifier that is new to the record may be one that another source gave.
fn completed(mut paper: Paper, earlier: Option<&Paper>) -> Paper {
    let Some(earlier) = earlier else { return paper };
    paper.abstract_text = paper.abstract_text.or_else(|| earlier.abstract_text.clone());
    paper.pdf_url = paper.pdf_url.or_else(|| earlier.pdf_url.clone());
    paper.ids.semantic_scholar = paper.ids.semantic_scholar.or_else(|| earlier.ids.semantic_scholar.clone());
    paper
}

fn with_abstract(mut record: Paper, text: Option<String>, seen: Timestamp) -> Paper {
    record.abstract_text = text;
    for sighting in &mut record.sources {
        sighting.seen = seen;
    }
    record
}

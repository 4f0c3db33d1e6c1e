use std::collections::HashMap;

use paper::PaperId;
use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::{DocAddress, DocId, DocSet, Searcher, TERMINATED, TantivyDocument, Term};
use uuid::Uuid;

use super::QueryWords;
use super::analyzer;
use super::schema::Fields;
use crate::filter::Conditions;
use crate::{IndexError, Passage, PassageId};

/// The lexical arm at one moment.
pub(crate) struct Snapshot {
    searcher: Searcher,
    fields: Fields,
}

/// A passage that may become a hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) address: DocAddress,
    pub(crate) passage: PassageId,
    pub(crate) paper: PaperId,
}

impl Snapshot {
    pub(super) fn new(searcher: Searcher, fields: Fields) -> Self {
        Self { searcher, fields }
    }

    /// How many passages there are.
    pub(crate) fn passages(&self) -> usize {
        usize::try_from(self.searcher.num_docs()).unwrap_or(usize::MAX)
    }

    /// How many papers have a passage.
    pub(crate) fn papers(&self) -> Result<usize, IndexError> {
        let mut papers = 0;
        for segment in self.searcher.segment_readers() {
            let ordinals = segment.fast_fields().u64("ordinal").map_err(IndexError::internal)?;
            papers += segment.doc_ids_alive().filter(|doc| ordinals.first(*doc) == Some(0)).count();
        }
        Ok(papers)
    }

    /// The at most `k` passages with the highest BM25, best first.
    pub(crate) fn search(
        &self,
        words: &QueryWords,
        conditions: &Conditions,
        k: usize,
    ) -> Result<Vec<(Candidate, f32)>, IndexError> {
        let query = words.query(self.fields, &self.searcher, conditions).map_err(IndexError::internal)?;
        let Some(query) = query.filter(|_| k > 0) else { return Ok(Vec::new()) };
        let top =
            self.searcher.search(&query, &TopDocs::with_limit(k).order_by_score()).map_err(IndexError::internal)?;
        let ids = Ids::of(&self.searcher)?;
        Ok(top.into_iter().filter_map(|(score, address)| Some((ids.candidate(address)?, score))).collect())
    }

    /// BM25 of these passages; none where no word occurs or a phrase is missing.
    pub(crate) fn score(
        &self,
        words: &QueryWords,
        candidates: &[Candidate],
    ) -> Result<HashMap<PassageId, f32>, IndexError> {
        let mut wanted: Vec<&Candidate> = candidates.iter().collect();
        wanted.sort_by_key(|candidate| candidate.address);
        let mut scores: HashMap<PassageId, f32> = HashMap::new();
        for query in words.scored(self.fields, &self.searcher).map_err(IndexError::internal)? {
            self.visit(&*query, true, &wanted, |candidate, score| {
                *scores.entry(candidate.passage).or_default() += score
            })?;
        }
        for query in words.required(self.fields) {
            let mut found = Vec::new();
            self.visit(&*query, false, &wanted, |candidate, _| found.push(candidate.passage))?;
            scores.retain(|passage, _| found.contains(passage));
        }
        Ok(scores)
    }

    /// Tells which of `wanted`, ordered by address, match a query, and their scores. Seeks from one
    /// to the next, so that its cost follows their number and not that of all passages.
    fn visit(
        &self,
        query: &dyn Query,
        scored: bool,
        wanted: &[&Candidate],
        mut seen: impl FnMut(&Candidate, f32),
    ) -> Result<(), IndexError> {
        let scoring = if scored {
            EnableScoring::enabled_from_searcher(&self.searcher)
        } else {
            EnableScoring::disabled_from_searcher(&self.searcher)
        };
        let weight = query.weight(scoring).map_err(IndexError::internal)?;
        for segment in wanted.chunk_by(|a, b| a.address.segment_ord == b.address.segment_ord) {
            let Some(first) = segment.first() else { continue };
            let reader = self.searcher.segment_reader(first.address.segment_ord);
            let mut scorer = weight.scorer(reader, 1.0).map_err(IndexError::internal)?;
            for candidate in segment {
                let target = candidate.address.doc_id;
                if scorer.doc() < target {
                    scorer.seek(target);
                }
                if scorer.doc() == target {
                    seen(candidate, scorer.score());
                }
            }
        }
        Ok(())
    }

    /// Where these passages are kept; those that this arm does not have are left out.
    pub(crate) fn locate(&self, passages: &[PassageId]) -> Result<Vec<Candidate>, IndexError> {
        let ids = Ids::of(&self.searcher)?;
        let mut found = Vec::with_capacity(passages.len());
        for passage in passages {
            let near = self.alive(&self.fields.near_passage(*passage))?;
            let candidates = near.into_iter().filter_map(|address| ids.candidate(address));
            found.extend(candidates.into_iter().find(|candidate| candidate.passage == *passage));
        }
        Ok(found)
    }

    /// The store's revision of a paper as it is here; none for one that is not.
    pub(crate) fn revision_of(&self, paper: PaperId) -> Result<Option<u64>, IndexError> {
        let Some(address) = self.alive(&self.fields.of_paper(paper))?.first().copied() else { return Ok(None) };
        let document: TantivyDocument = self.searcher.doc(address).map_err(IndexError::internal)?;
        Ok(document.get_first(self.fields.revision).and_then(|revision| revision.as_u64()))
    }

    /// The documents with a term that few have.
    fn alive(&self, term: &Term) -> Result<Vec<DocAddress>, IndexError> {
        let mut alive = Vec::new();
        for (segment_ord, reader) in (0..).zip(self.searcher.segment_readers()) {
            let index = reader.inverted_index(term.field()).map_err(IndexError::internal)?;
            let postings = index.read_postings(term, IndexRecordOption::Basic).map_err(IndexError::internal)?;
            let Some(mut postings) = postings else { continue };
            while postings.doc() != TERMINATED {
                if !reader.is_deleted(postings.doc()) {
                    alive.push(DocAddress::new(segment_ord, postings.doc()));
                }
                postings.advance();
            }
        }
        Ok(alive)
    }

    /// The passage kept at an address.
    pub(crate) fn passage_at(&self, address: DocAddress) -> Result<Passage, IndexError> {
        self.fields.passage(&self.searcher.doc(address).map_err(IndexError::internal)?)
    }

    /// The passages of a paper, in order.
    pub(crate) fn passages_of(&self, paper: PaperId) -> Result<Vec<Passage>, IndexError> {
        let query = TermQuery::new(self.fields.of_paper(paper), IndexRecordOption::Basic);
        let found = self.searcher.search(&query, &DocSetCollector).map_err(IndexError::internal)?;
        let mut passages = found.into_iter().map(|at| self.passage_at(at)).collect::<Result<Vec<_>, _>>()?;
        passages.sort_by_key(|passage| passage.ordinal);
        Ok(passages)
    }

    /// Where words of a query occur in a text.
    pub(crate) fn highlights(text: &str, words: &QueryWords) -> Vec<(usize, usize)> {
        analyzer::highlights(text, &words.stems())
    }
}

/// The columns that papers and passages are told apart by, of each segment.
struct Ids(Vec<[Column<u64>; 3]>);

impl Ids {
    fn of(searcher: &Searcher) -> Result<Self, IndexError> {
        let columns = searcher.segment_readers().iter().map(|reader| {
            let column = |name| reader.fast_fields().u64(name);
            Ok([column("paper_high")?, column("paper_low")?, column("ordinal")?])
        });
        columns.collect::<tantivy::Result<_>>().map(Self).map_err(IndexError::internal)
    }

    fn candidate(&self, address: DocAddress) -> Option<Candidate> {
        let columns = self.0.get(usize::try_from(address.segment_ord).ok()?)?;
        let [high, low, ordinal] = columns.each_ref().map(|column| first(column, address.doc_id));
        // The text form is the one way to read an id back.
        let paper = PaperId::from(Uuid::from_u64_pair(high?, low?));
        let passage = PassageId::derive(paper, u32::try_from(ordinal?).ok()?);
        Some(Candidate { address, passage, paper })
    }
}

fn first(column: &Column<u64>, doc: DocId) -> Option<u64> {
    column.first(doc)
}

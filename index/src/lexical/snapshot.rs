use paper::PaperId;
use tantivy::collector::{Count, DocSetCollector, TopDocs};
use tantivy::columnar::Column;
use tantivy::query::{EnableScoring, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::{DocAddress, DocId, DocSet, Searcher, TERMINATED, TantivyDocument, Term};
use uuid::Uuid;

use super::QueryWords;
use super::schema::{Fields, PIECES};
use crate::filter::Conditions;
use crate::{IndexError, Passage, PassageId};

/// The lexical arm at one moment.
pub(crate) struct Snapshot {
    pub(super) searcher: Searcher,
    pub(super) fields: Fields,
    pub(super) ids: Ids,
    /// The word pieces of passages, of each segment.
    pieces: Vec<Column<u64>>,
}

/// A passage that may become a hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) address: DocAddress,
    pub(crate) passage: PassageId,
    pub(crate) paper: PaperId,
}

impl Snapshot {
    pub(super) fn new(searcher: Searcher, fields: Fields) -> Result<Self, IndexError> {
        let ids = Ids::of(&searcher)?;
        let pieces = searcher.segment_readers().iter().map(|reader| reader.fast_fields().u64(PIECES));
        let pieces = pieces.collect::<tantivy::Result<_>>().map_err(IndexError::internal)?;
        Ok(Self { searcher, fields, ids, pieces })
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
        Ok(top.into_iter().filter_map(|(score, address)| Some((self.ids.candidate(address)?, score))).collect())
    }

    /// Those of the candidates that have what must be there, and for which the conditions hold; ordered by address.
    pub(crate) fn demanded(
        &self,
        words: &QueryWords,
        conditions: &Conditions,
        mut candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, IndexError> {
        candidates.sort_by_key(|candidate| candidate.address);
        let demands = words.demands(self.fields, conditions);
        let unscored = EnableScoring::disabled_from_searcher(&self.searcher);
        let weight = demands.weight(unscored).map_err(IndexError::internal)?;
        let mut kept = Vec::with_capacity(candidates.len());
        for segment in candidates.chunk_by(|a, b| a.address.segment_ord == b.address.segment_ord) {
            let Some(first) = segment.first() else { continue };
            let reader = self.searcher.segment_reader(first.address.segment_ord);
            // Seeks from one to the next, so that its cost follows their number and not that of all passages.
            let mut matching = weight.scorer(reader, 1.0).map_err(IndexError::internal)?;
            for candidate in segment {
                let target = candidate.address.doc_id;
                if matching.doc() < target {
                    matching.seek(target);
                }
                if matching.doc() == target {
                    kept.push(*candidate);
                }
            }
        }
        Ok(kept)
    }

    /// All passages for which a query's demands and the conditions hold, when there are at most `most`.
    pub(crate) fn few(
        &self,
        words: &QueryWords,
        conditions: &Conditions,
        most: usize,
    ) -> Result<Option<Vec<Candidate>>, IndexError> {
        let query = words.demands(self.fields, conditions);
        if self.searcher.search(&query, &Count).map_err(IndexError::internal)? > most {
            return Ok(None);
        }
        let found = self.searcher.search(&query, &DocSetCollector).map_err(IndexError::internal)?;
        Ok(Some(found.into_iter().filter_map(|address| self.ids.candidate(address)).collect()))
    }

    /// Where these passages are kept; those that this arm does not have are left out.
    pub(crate) fn locate(&self, passages: &[PassageId]) -> Result<Vec<Candidate>, IndexError> {
        let mut found = Vec::with_capacity(passages.len());
        for passage in passages {
            let near = self.alive(&self.fields.near_passage(*passage))?;
            let candidates = near.into_iter().filter_map(|address| self.ids.candidate(address));
            found.extend(candidates.into_iter().find(|candidate| candidate.passage == *passage));
        }
        Ok(found)
    }

    /// The word pieces of each of these passages.
    pub(crate) fn pieces(&self, passages: &[Candidate]) -> Vec<Vec<u32>> {
        let of = |at: &Candidate| {
            let column = usize::try_from(at.address.segment_ord).ok().and_then(|segment| self.pieces.get(segment));
            let pieces = column.into_iter().flat_map(|column| column.values_for_doc(at.address.doc_id));
            pieces.filter_map(|piece| u32::try_from(piece).ok()).collect()
        };
        passages.iter().map(of).collect()
    }

    /// What a word piece says of a passage that has it: its inverse document frequency, as in BM25.
    pub(crate) fn piece_weight(&self, piece: u32) -> Result<f32, IndexError> {
        let term = Term::from_field_u64(self.fields.pieces, u64::from(piece));
        let frequency = self.searcher.doc_freq(&term).map_err(IndexError::internal)?;
        Ok(inverse_frequency(frequency, self.searcher.num_docs()))
    }

    /// The inverse document frequency of what no passage has.
    pub(crate) fn weight_of_unseen(&self) -> f32 {
        inverse_frequency(0, self.searcher.num_docs())
    }

    /// The different words of a text, stop words left out, each with its inverse document frequency.
    pub(crate) fn word_weights(&self, text: &str) -> Result<Vec<(String, f32)>, IndexError> {
        let mut weights: Vec<(String, f32)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for word in super::analyzer::words(text, super::words::MAX_WORDS) {
            let typed = text.get(word.bytes).unwrap_or_default();
            if seen.insert(word.stem.clone()) {
                let weight = inverse_frequency(self.frequency(&word.stem)?, self.searcher.num_docs());
                weights.push((typed.to_owned(), weight));
            }
        }
        Ok(weights)
    }

    /// Whether any passage has what must be there, whatever else the words are.
    pub(crate) fn has_any(&self, words: &QueryWords, conditions: &Conditions) -> Result<bool, IndexError> {
        let query = words.demands(self.fields, conditions);
        self.searcher.search(&query, &Count).map(|count| count > 0).map_err(IndexError::internal)
    }

    /// Of the words those that no passage has, as they were typed.
    pub(crate) fn missing(&self, words: &QueryWords) -> Result<Vec<String>, IndexError> {
        let mut missing = Vec::new();
        for word in words.words() {
            if self.frequency(&word.stem)? == 0 {
                missing.push(format!("`{}`", word.typed));
            }
        }
        Ok(missing)
    }

    /// The papers of this title, each by one of its passages.
    pub(crate) fn titled(&self, title: &str) -> Result<Vec<Candidate>, IndexError> {
        let Some(term) = self.fields.titled(title) else { return Ok(Vec::new()) };
        let found = self.alive(&term)?.into_iter().filter_map(|address| self.ids.candidate(address));
        let mut found: Vec<Candidate> = found.collect();
        found.sort_unstable_by_key(|at| (at.paper, at.address));
        found.dedup_by_key(|at| at.paper);
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
}

/// `ln(1 + (N - n + 0.5) / (n + 0.5))`, which deleted documents that are still counted do not take below 0.
#[allow(clippy::cast_precision_loss)]
fn inverse_frequency(with: u64, all: u64) -> f32 {
    let with = with as f32;
    (1.0 + (all as f32 - with + 0.5).max(0.0) / (with + 0.5)).ln()
}

/// The columns that papers and passages are told apart by, of each segment.
pub(super) struct Ids(Vec<[Column<u64>; 3]>);

impl Ids {
    fn of(searcher: &Searcher) -> Result<Self, IndexError> {
        let columns = searcher.segment_readers().iter().map(|reader| {
            let column = |name| reader.fast_fields().u64(name);
            Ok([column("paper_high")?, column("paper_low")?, column("ordinal")?])
        });
        columns.collect::<tantivy::Result<_>>().map(Self).map_err(IndexError::internal)
    }

    pub(super) fn candidate(&self, address: DocAddress) -> Option<Candidate> {
        let columns = self.0.get(usize::try_from(address.segment_ord).ok()?)?;
        let [high, low, ordinal] = columns.each_ref().map(|column| first(column, address.doc_id));
        let paper = PaperId::from(Uuid::from_u64_pair(high?, low?));
        let passage = PassageId::derive(paper, u32::try_from(ordinal?).ok()?);
        Some(Candidate { address, passage, paper })
    }
}

fn first(column: &Column<u64>, doc: DocId) -> Option<u64> {
    column.first(doc)
}

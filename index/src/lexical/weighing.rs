//! What the words of a query are worth in single passages.

use tantivy::postings::Postings;
use tantivy::query::{Bm25StatisticsProvider, Bm25Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Searcher, SegmentReader, Term};

use super::snapshot::{Candidate, Snapshot};
use super::words::{QueryWords, TITLE_BOOST};
use crate::IndexError;

/// Occurrences that a word is given beforehand in every text (μ): of title and text together, and of the title alone.
const SMOOTHING: f32 = 300.0;
const TITLE_SMOOTHING: f32 = 10.0;
/// What the likelihood in the title counts beside that in title and text.
const TITLE_LIKELIHOOD: f32 = 0.25;

/// What the words of a query are worth in a passage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Worth {
    /// BM25, by which passages are searched for; 0 where no word occurs.
    pub(crate) bm25: f32,
    /// The logarithm of how likely who writes such a passage writes the query ("query likelihood" with Dirichlet smoothing; Zhai
    /// and Lafferty, "A Study of Smoothing Methods for Language Models Applied to Information Retrieval", ACM TOIS 2004), but
    /// for a summand that is the same for all passages. Among the best by BM25 it tells the relevant ones apart better than
    /// BM25 does: see `docs/RETRIEVAL.md`.
    pub(crate) likelihood: f32,
}

/// A field with what it counts.
struct Part {
    field: Field,
    bm25_weight: f32,
    likelihood_weight: f32,
    smoothing: f32,
}

/// A stem in a field.
struct Weight {
    term: Term,
    bm25: Bm25Weight,
    /// How often it would stand among the smoothing's words.
    expected: f32,
}

/// A passage of a segment, and its place among those asked for.
type Wanted = (DocId, usize);

impl Snapshot {
    /// What the words are worth in each of these passages, in their order.
    ///
    /// Seeks from one passage to the next, so that the cost follows their number and not that of all passages.
    pub(crate) fn weigh(&self, words: &QueryWords, passages: &[Candidate]) -> Result<Vec<Worth>, IndexError> {
        let mut ordered: Vec<(u32, Wanted)> =
            (0..).zip(passages).map(|(place, at)| (at.address.segment_ord, (at.address.doc_id, place))).collect();
        ordered.sort_unstable();
        let mut worth = vec![Worth::default(); passages.len()];
        let stems = words.rarest(self.fields, &self.searcher).map_err(IndexError::internal)?;
        for part in self.parts() {
            let weights = part.weights(&stems, &self.searcher).map_err(IndexError::internal)?;
            for segment in ordered.chunk_by(|(a, _), (b, _)| a == b) {
                let Some((ordinal, _)) = segment.first() else { continue };
                let reader = self.searcher.segment_reader(*ordinal);
                let wanted: Vec<Wanted> = segment.iter().map(|(_, wanted)| *wanted).collect();
                part.add(&weights, stems.len(), reader, &wanted, &mut worth).map_err(IndexError::internal)?;
            }
        }
        Ok(worth)
    }

    fn parts(&self) -> [Part; 2] {
        let (body, title) = (self.fields.body, self.fields.title);
        [
            Part { field: body, bm25_weight: 1.0, likelihood_weight: 1.0, smoothing: SMOOTHING },
            Part {
                field: title,
                bm25_weight: TITLE_BOOST,
                likelihood_weight: TITLE_LIKELIHOOD,
                smoothing: TITLE_SMOOTHING,
            },
        ]
    }
}

impl Part {
    /// Of the stems that the field has.
    #[allow(clippy::cast_precision_loss)]
    fn weights(&self, stems: &[&str], searcher: &Searcher) -> tantivy::Result<Vec<Weight>> {
        let (passages, all) = (searcher.total_num_docs()?, searcher.total_num_tokens(self.field)?.max(1));
        let average = all as f32 / passages as f32;
        let mut weights = Vec::with_capacity(stems.len());
        for stem in stems {
            let term = Term::from_field_text(self.field, stem);
            let frequency = searcher.doc_freq(&term)?;
            if frequency > 0 {
                let bm25 = Bm25Weight::for_one_term_without_explain(frequency, passages, average);
                // Of how many passages have it, since how often it occurs in all is nowhere kept.
                let expected = self.smoothing * frequency as f32 / all as f32;
                weights.push(Weight { term, bm25: bm25.boost_by(self.bm25_weight), expected });
            }
        }
        Ok(weights)
    }

    /// Adds what the stems are worth in passages of a segment, which are ordered.
    #[allow(clippy::cast_precision_loss)]
    fn add(
        &self,
        weights: &[Weight],
        stems: usize,
        reader: &SegmentReader,
        wanted: &[Wanted],
        worth: &mut [Worth],
    ) -> tantivy::Result<()> {
        let lengths = reader.get_fieldnorms_reader(self.field)?;
        for (passage, place) in wanted {
            let length = lengths.fieldnorm(*passage) as f32;
            let of_none = stems as f32 * (self.smoothing / (self.smoothing + length)).ln();
            worth.get_mut(*place).into_iter().for_each(|worth| worth.likelihood += self.likelihood_weight * of_none);
        }
        let index = reader.inverted_index(self.field)?;
        for Weight { term, bm25, expected } in weights {
            let Some(mut postings) = index.read_postings(term, IndexRecordOption::WithFreqs)? else { continue };
            for (passage, place) in wanted {
                if postings.doc() < *passage {
                    postings.seek(*passage);
                }
                if postings.doc() == *passage {
                    let often = postings.term_freq();
                    let Some(worth) = worth.get_mut(*place) else { continue };
                    worth.bm25 += bm25.score(lengths.fieldnorm_id(*passage), often);
                    worth.likelihood += self.likelihood_weight * (often as f32 / expected).ln_1p();
                }
            }
        }
        Ok(())
    }
}

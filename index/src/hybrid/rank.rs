//! A search by relevance: both arms asked, and what they say put together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::rerank::{HEAD, Head, cosine, rerank, worth_alone};
use super::search::Found;
use super::{DenseArm, HybridIndex};
use crate::filter::Conditions;
use crate::fusion::{Fused, fuse};
use crate::lexical::{Candidate, QueryWords, Snapshot, Worth};
use crate::{ArmScores, IndexError, Mode, Passage, PassageId, QueryPiece, QueryReading};

/// Candidates that each arm names. From 40 to 200 nDCG@10 stays within 0.008 on SciFact, Cranfield and CACM.
const POOL: usize = 64;
/// Where no more passages have the words that a query demands, the dense arm is asked for exactly these.
const FEW: usize = 2_000;
/// Where more have them, so many times the candidates are asked for, and those that do not have them left out.
const SPARE: usize = 4;

/// Candidates, best first, with their scores.
pub(super) type Ranked = Vec<(Candidate, f32, ArmScores)>;

/// A search under way: the moment it looks at and what it looks for.
#[derive(Clone)]
pub(super) struct Search {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) words: Arc<QueryWords>,
    pub(super) conditions: Conditions,
    /// Candidates of each arm.
    pub(super) depth: usize,
    /// What the vectors count beside the words.
    pub(super) dense_weight: f32,
}

/// How many candidates to look at to show hits up to `end` and to know whether there are more.
pub(super) fn depth(end: usize) -> usize {
    (end / POOL + 1).saturating_mul(POOL)
}

impl HybridIndex {
    /// Asks the arms that the mode names, as far as they are there. Of each paper the best passage.
    pub(super) async fn rank(&self, search: &Search, text: String, mode: Mode) -> Result<Found, IndexError> {
        let Some(arm) = self.shared.dense.as_ref().filter(|_| mode != Mode::Lexical) else {
            let notice = (mode != Mode::Lexical).then(|| self.shared.without_dense.to_owned());
            return Ok(Found::new(search.by_words()?, Mode::Lexical, notice));
        };
        let ranked = match mode {
            Mode::Dense => search.by_meaning(arm, &text).await,
            _ => search.by_both(arm, &text).await,
        };
        search.or_by_words(ranked, mode)
    }

    /// The candidates closest to a paper of these passages.
    pub(super) async fn rank_alike(&self, search: &Search, passages: &[Passage]) -> Result<Found, IndexError> {
        if passages.is_empty() {
            return Ok(Found::new(Vec::new(), Mode::Dense, None));
        }
        let Some(arm) = &self.shared.dense else {
            let notice = Some(self.shared.without_dense.to_owned());
            return Ok(Found::new(search.by_words()?, Mode::Lexical, notice));
        };
        search.or_by_words(search.by_passages(arm, passages).await, Mode::Dense)
    }
}

impl Search {
    /// What the dense arm helped to find, or what words alone find when it failed. The error may name a server and
    /// what it said, which is the operator's and not the reader's, so it goes to the log.
    fn or_by_words(&self, ranked: Result<Ranked, IndexError>, mode: Mode) -> Result<Found, IndexError> {
        match ranked {
            Ok(ranked) => Ok(Found::new(ranked, mode, None)),
            Err(error) => {
                tracing::warn!(%error, "the dense arm failed, words alone are searched");
                let notice = Some("Only words were searched, since the vectors could not be asked.".to_owned());
                Ok(Found::new(self.by_words()?, Mode::Lexical, notice))
            }
        }
    }

    fn lexical(&self) -> Result<Vec<(Candidate, f32)>, IndexError> {
        self.snapshot.search(&self.words, &self.conditions, self.depth)
    }

    fn by_words(&self) -> Result<Ranked, IndexError> {
        let found = self.lexical()?.into_iter();
        let scored = found.map(|(at, score)| (at, score, ArmScores { lexical: Some(score), dense: None }));
        Ok(ordered(scored.collect()))
    }

    async fn by_meaning(&self, arm: &DenseArm, text: &str) -> Result<Ranked, IndexError> {
        self.by_vector(arm, &arm.embedder.embed_query(text)?).await
    }

    async fn by_vector(&self, arm: &DenseArm, vector: &[f32]) -> Result<Ranked, IndexError> {
        let scores: HashMap<PassageId, f32> = self.dense(arm, vector).await?.into_iter().collect();
        let located = self.located(&scores.keys().copied().collect::<Vec<_>>())?.into_iter();
        let scored = located.filter_map(|at| {
            let score = *scores.get(&at.passage)?;
            Some((at, score, ArmScores { lexical: None, dense: Some(score) }))
        });
        Ok(ordered(scored.collect()))
    }

    async fn by_passages(&self, arm: &DenseArm, passages: &[Passage]) -> Result<Ranked, IndexError> {
        let ids: Vec<PassageId> = passages.iter().map(|passage| passage.id).collect();
        let center = mean(arm.vectors.vectors(&ids).await?);
        self.by_vector(arm, &center).await
    }

    /// The dense arm's best. It knows nothing of words: where the query demands some, it is asked for the passages
    /// that have them when they are few, and for more than is needed when they are many.
    async fn dense(&self, arm: &DenseArm, vector: &[f32]) -> Result<Vec<(PassageId, f32)>, IndexError> {
        if !self.words.are_demanding() {
            return arm.vectors.search(vector, &self.conditions, self.depth).await;
        }
        let Some(few) = self.snapshot.few(&self.words, &self.conditions, FEW)? else {
            return arm.vectors.search(vector, &self.conditions, self.depth.saturating_mul(SPARE)).await;
        };
        let few: Vec<PassageId> = few.into_iter().map(|at| at.passage).collect();
        let mut scored = arm.vectors.score(vector, &few).await?;
        scored.sort_unstable_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
        scored.truncate(self.depth);
        Ok(scored)
    }

    /// Where passages stand that the dense arm named, those left out that lack a word which must be there; it may
    /// name some that are not committed yet. The conditions hold already for what it named.
    fn located(&self, passages: &[PassageId]) -> Result<Vec<Candidate>, IndexError> {
        let located = self.snapshot.locate(passages)?;
        if !self.words.are_demanding() {
            return Ok(located);
        }
        self.snapshot.demanded(&self.words, &Conditions::default(), located)
    }

    /// Asks both arms for their best, then each for its score of what only the other named.
    async fn by_both(&self, arm: &DenseArm, text: &str) -> Result<Ranked, IndexError> {
        // The words are looked up on another thread while the query is embedded, which takes longer.
        let search = self.clone();
        let lexical = tokio::task::spawn_blocking(move || search.lexical());
        let QueryReading { vector, pieces, .. } = arm.embedder.read_query(text)?;
        let dense = self.dense(arm, &vector).await?;
        let lexical = lexical.await.unwrap_or_else(|error| Err(IndexError::internal(error)))?;
        let lexical_has: HashSet<PassageId> = lexical.iter().map(|(at, _)| at.passage).collect();
        let dense_has: HashSet<PassageId> = dense.iter().map(|(id, _)| *id).collect();
        let only_lexical: Vec<PassageId> = lexical_has.difference(&dense_has).copied().collect();
        let only_dense: Vec<PassageId> = dense_has.difference(&lexical_has).copied().collect();
        let mut vectors: HashMap<PassageId, Vec<f32>> = arm.vectors.vectors(&only_lexical).await?.into_iter().collect();
        let more_dense = vectors.iter().map(|(id, other)| (*id, cosine(&vector, other)));
        let dense: HashMap<PassageId, f32> = dense.into_iter().chain(more_dense).collect();
        let candidates: Vec<Candidate> =
            lexical.into_iter().map(|(at, _)| at).chain(self.located(&only_dense)?).collect();
        let worth = self.snapshot.weigh(&self.words, &candidates)?;
        let ranked = fused(&candidates, &worth, &dense, self.dense_weight);
        self.looked_at_again(arm, &pieces, ranked, &mut vectors).await
    }

    /// The best candidates in the order that [`rerank`] gives them, then the rest. Vectors that are not known yet are
    /// read.
    async fn looked_at_again(
        &self,
        arm: &DenseArm,
        query: &[QueryPiece],
        mut ranked: Ranked,
        vectors: &mut HashMap<PassageId, Vec<f32>>,
    ) -> Result<Ranked, IndexError> {
        let head: Vec<Candidate> = ranked.iter().take(HEAD).map(|(at, ..)| *at).collect();
        let unknown = head.iter().map(|at| at.passage).filter(|passage| !vectors.contains_key(passage));
        let unknown: Vec<PassageId> = unknown.collect();
        let words = self.closeness(arm, query, &head)?;
        vectors.extend(arm.vectors.vectors(&unknown).await?);
        let head: Vec<_> = (ranked.iter().zip(words))
            .map(|((at, score, _), words)| {
                let vector = vectors.get(&at.passage).map(Vec::as_slice);
                Head { key: at.paper, score: *score, words, vector }
            })
            .collect();
        let scores = rerank(&head);
        let rest = ranked.iter().skip(HEAD).map(|(_, score, _)| worth_alone(*score)).collect::<Vec<_>>();
        for ((_, score, _), new) in ranked.iter_mut().zip(scores.into_iter().chain(rest)) {
            *score = new;
        }
        Ok(ordered(ranked))
    }

    /// How close the words of each candidate are to the query's; 0 of all where the model has no table of words.
    fn closeness(
        &self,
        arm: &DenseArm,
        query: &[QueryPiece],
        candidates: &[Candidate],
    ) -> Result<Vec<f32>, IndexError> {
        let Some(words) = arm.embedder.pieces() else { return Ok(vec![0.0; candidates.len()]) };
        let weights = query.iter().map(|of| self.snapshot.piece_weight(of.piece)).collect::<Result<Vec<_>, _>>()?;
        Ok(words.closeness(query, &weights, &self.snapshot.pieces(candidates)))
    }
}

/// What the words are worth and the cosines put together: of the words by which they were found those that were
/// likely to be asked for come first.
fn fused(candidates: &[Candidate], worth: &[Worth], dense: &HashMap<PassageId, f32>, dense_weight: f32) -> Ranked {
    let key = |at: &Candidate| (at.paper, at.passage);
    let of_lexical: Vec<_> = candidates.iter().zip(worth).map(|(at, worth)| (key(at), worth.likelihood)).collect();
    let of_dense: Vec<_> = candidates.iter().filter_map(|at| Some((key(at), *dense.get(&at.passage)?))).collect();
    let known: HashMap<PassageId, (Candidate, f32)> =
        candidates.iter().zip(worth).map(|(at, worth)| (at.passage, (*at, worth.bm25))).collect();
    let ranked = fuse(&of_lexical, &of_dense, dense_weight).into_iter().filter_map(
        |Fused { key: (_, passage), score, dense, .. }| {
            let (at, bm25) = *known.get(&passage)?;
            Some((at, score, ArmScores { lexical: Some(bm25).filter(|bm25| *bm25 > 0.0), dense }))
        },
    );
    ranked.collect()
}

/// Best first; equal scores by paper and passage.
fn ordered(mut ranked: Ranked) -> Ranked {
    ranked.sort_by(|(a, a_score, _), (b, b_score, _)| {
        b_score.total_cmp(a_score).then_with(|| (a.paper, a.passage).cmp(&(b.paper, b.passage)))
    });
    ranked
}

/// The mean of a paper's vectors, which need not have length 1 to be searched by.
fn mean(vectors: Vec<(PassageId, Vec<f32>)>) -> Vec<f32> {
    let mut vectors = vectors.into_iter().map(|(_, vector)| vector);
    let Some(mut sum) = vectors.next() else { return Vec::new() };
    for vector in vectors {
        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
    }
    sum
}

#[cfg(test)]
mod tests {
    use paper::PaperId;
    use proptest::prelude::*;
    use tantivy::DocAddress;

    use super::*;

    fn candidate(number: u32) -> Candidate {
        let paper = PaperId::derive(&format!("search:{number}"));
        Candidate { address: DocAddress::new(0, number), passage: PassageId::derive(paper, 0), paper }
    }

    #[test]
    fn a_page_always_has_candidates_behind_it() {
        assert_eq!([0, 63, 64, 950].map(depth), [64, 64, 128, 960]);
    }

    #[test]
    fn the_mean_points_between_the_vectors() {
        let id = candidate(1).passage;
        assert_eq!(mean(vec![(id, vec![1.0, 0.0]), (id, vec![0.0, 1.0])]), [1.0, 1.0]);
        assert_eq!(mean(Vec::new()), [] as [f32; 0]);
    }

    #[test]
    fn likelihood_and_cosine_make_the_score_and_bm25_is_told_where_a_word_occurs() {
        let candidates = [1, 2, 3].map(candidate);
        let worth = [(4.0, -1.0), (2.0, -2.0), (0.0, -5.0)].map(|(bm25, likelihood)| Worth { bm25, likelihood });
        let dense = candidates.iter().map(|at| at.passage).zip([0.1, 0.3, 0.3]).collect();
        let ranked = fused(&candidates, &worth, &dense, 0.5);
        let scores: Vec<_> = ranked.iter().map(|(at, score, arms)| (at.address.doc_id, *score, arms.lexical)).collect();
        assert_eq!(
            scores[0],
            (2, 0.875, Some(2.0)),
            "three quarters of the way from the least likely to the likeliest"
        );
        assert!(scores[1..].contains(&(3, 0.5, None)) && scores[1..].contains(&(1, 0.5, Some(4.0))), "{scores:?}");
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_how_candidates_come(scores in prop::collection::vec(0_u8..4, 1..20), turn in 0_usize..20) {
            let ranked: Ranked = (0..).zip(&scores).map(|(n, score)| (candidate(n), f32::from(*score), ArmScores::default())).collect();
            let mut turned = ranked.clone();
            turned.rotate_left(turn % scores.len());
            turned.reverse();
            prop_assert_eq!(ordered(ranked), ordered(turned));
        }
    }
}

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use paper::PaperId;

use super::{DenseArm, HybridIndex, blocking};
use crate::filter::Conditions;
use crate::fusion::{DENSE_WEIGHT, Fused, fuse};
use crate::lexical::{Candidate, QueryWords, Snapshot};
use crate::{ArmScores, IndexError, Mode, Passage, PassageId, SearchHit, SearchQuery, SearchResults};

/// Candidates that each arm names. Twice as many cost twice the time and find nothing better: nDCG@10
/// stays within 0.004 on SciFact, Cranfield and CACM.
const POOL: usize = 100;
/// No search looks at more candidates, however far one pages.
const DEEPEST: usize = 10_000;

/// Candidates, best first, with their scores.
type Ranked = Vec<(Candidate, f32, ArmScores)>;

/// A search under way: the moment it looks at and what it looks for.
struct Search {
    snapshot: Arc<Snapshot>,
    words: Arc<QueryWords>,
    conditions: Conditions,
    depth: usize,
}

impl HybridIndex {
    /// Searches.
    ///
    /// When the dense arm fails, a server that is down for one, words alone are searched and the
    /// results say so.
    ///
    /// # Errors
    /// When the lexical arm cannot be read; no query is an error.
    pub async fn search(&self, query: SearchQuery) -> Result<SearchResults, IndexError> {
        let (offset, limit) = (query.offset, query.limit);
        let search = Search {
            snapshot: Arc::new(self.shared.lexical.snapshot()),
            words: Arc::new(QueryWords::parse(&query.text)),
            conditions: Conditions::of(&query.filter),
            depth: depth(query.mode, offset.saturating_add(limit)),
        };
        if query.text.trim().is_empty() {
            let notice = Some("The query is empty.".to_owned());
            return Ok(SearchResults { hits: Vec::new(), total: 0, mode: query.mode, notice });
        }
        let (ranked, mode, notice) = self.rank(&search, query.text, query.mode).await?;
        let (hits, total) = page(&search, ranked, offset, limit).await?;
        Ok(SearchResults { hits, total, mode, notice })
    }

    /// The papers closest to a paper, itself left out: by their vectors, or without vectors by the
    /// rarest words of its passages. Nothing for a paper that the index does not have.
    ///
    /// When the vectors cannot be asked, words are, as in [`HybridIndex::search`].
    ///
    /// # Errors
    /// When the lexical arm cannot be read.
    pub async fn similar(&self, paper: PaperId, limit: usize) -> Result<SearchResults, IndexError> {
        let passages = self.passages_of(paper).await?;
        let text =
            passages.iter().map(|passage| passage.text.replace(['"', '“', '”'], " ")).collect::<Vec<_>>().join(" ");
        let mut search = Search {
            snapshot: Arc::new(self.shared.lexical.snapshot()),
            words: Arc::new(QueryWords::parse(&text)),
            conditions: Conditions::default(),
            depth: depth(Mode::Dense, limit.saturating_add(passages.len())),
        };
        let (mut ranked, mode, notice) = match &self.shared.dense {
            _ if passages.is_empty() => (Vec::new(), Mode::Dense, None),
            None => (search.by_words().await?, Mode::Lexical, Some(self.shared.without_dense.to_owned())),
            Some(arm) => match search.by_passages(arm, &passages).await {
                Ok(ranked) => (ranked, Mode::Dense, None),
                Err(error) => (search.by_words().await?, Mode::Lexical, Some(without_vectors(&error))),
            },
        };
        ranked.retain(|(candidate, ..)| candidate.paper != paper);
        // What two papers have in common is no answer to a query that could be highlighted.
        search.words = Arc::default();
        let (hits, total) = page(&search, ranked, 0, limit).await?;
        Ok(SearchResults { hits, total, mode, notice })
    }

    /// Asks the arms that the mode names, as far as they are there.
    async fn rank(
        &self,
        search: &Search,
        text: String,
        mode: Mode,
    ) -> Result<(Ranked, Mode, Option<String>), IndexError> {
        let Some(arm) = self.shared.dense.as_ref().filter(|_| mode != Mode::Lexical) else {
            let notice = (mode != Mode::Lexical).then(|| self.shared.without_dense.to_owned());
            return Ok((search.by_words().await?, Mode::Lexical, notice));
        };
        let embedder = Arc::clone(&arm.embedder);
        let dense = async {
            let vector = blocking(move || embedder.embed_query(&text)).await?;
            match mode {
                Mode::Dense => search.by_vector(arm, &vector).await,
                _ => search.by_both(arm, &vector).await,
            }
        };
        match dense.await {
            Ok(ranked) => Ok((ranked, mode, None)),
            Err(error) => Ok((search.by_words().await?, Mode::Lexical, Some(without_vectors(&error)))),
        }
    }
}

/// The notice of results without vectors. The error may name a server and what it said, which is the operator's and
/// not the reader's, so it goes to the log.
fn without_vectors(error: &IndexError) -> String {
    tracing::warn!(%error, "the dense arm failed, words alone are searched");
    "Only words were searched, since the vectors could not be asked.".to_owned()
}

impl Search {
    async fn lexical(&self) -> Result<Vec<(Candidate, f32)>, IndexError> {
        let (snapshot, words) = (Arc::clone(&self.snapshot), Arc::clone(&self.words));
        let (conditions, depth) = (self.conditions.clone(), self.depth);
        blocking(move || snapshot.search(&words, &conditions, depth)).await
    }

    async fn by_words(&self) -> Result<Ranked, IndexError> {
        let found = self.lexical().await?.into_iter();
        let scored = found.map(|(at, score)| (at, score, ArmScores { lexical: Some(score), dense: None }));
        Ok(ordered(scored.collect()))
    }

    async fn by_vector(&self, arm: &DenseArm, vector: &[f32]) -> Result<Ranked, IndexError> {
        let found = arm.vectors.search(vector, &self.conditions, self.depth).await?;
        let scores: HashMap<PassageId, f32> = found.into_iter().collect();
        let located = self.locate(scores.keys().copied().collect()).await?.into_iter();
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

    /// Where passages stand that the dense arm named; it may name some that are not committed yet.
    async fn locate(&self, passages: Vec<PassageId>) -> Result<Vec<Candidate>, IndexError> {
        let snapshot = Arc::clone(&self.snapshot);
        blocking(move || snapshot.locate(&passages)).await
    }

    /// Asks both arms for their best, then each for its score of what only the other named.
    async fn by_both(&self, arm: &DenseArm, vector: &[f32]) -> Result<Ranked, IndexError> {
        let dense = arm.vectors.search(vector, &self.conditions, self.depth);
        let (lexical, dense) = futures::future::try_join(self.lexical(), dense).await?;
        let (lexical_has, dense_has) =
            (ids(lexical.iter().map(|(at, _)| at.passage)), ids(dense.iter().map(|(id, _)| *id)));
        let only_lexical: Vec<PassageId> = lexical_has.difference(&dense_has).copied().collect();
        let only_dense: Vec<PassageId> = dense_has.difference(&lexical_has).copied().collect();
        let filled =
            futures::future::try_join(arm.vectors.score(vector, &only_lexical), self.lexical_scores(only_dense));
        let (more_dense, (located, more_lexical)) = filled.await?;
        let mut places: HashMap<PassageId, Candidate> = located.into_iter().map(|at| (at.passage, at)).collect();
        places.extend(lexical.iter().map(|(at, _)| (at.passage, *at)));
        let mut lexical: HashMap<PassageId, f32> = lexical.into_iter().map(|(at, score)| (at.passage, score)).collect();
        lexical.extend(more_lexical);
        if self.words.has_phrases() {
            places.retain(|passage, _| lexical.contains_key(passage));
        }
        let dense = dense.into_iter().chain(more_dense);
        Ok(fused(&places, &lexical, &dense.collect()))
    }

    async fn lexical_scores(
        &self,
        passages: Vec<PassageId>,
    ) -> Result<(Vec<Candidate>, HashMap<PassageId, f32>), IndexError> {
        let (snapshot, words) = (Arc::clone(&self.snapshot), Arc::clone(&self.words));
        blocking(move || {
            let located = snapshot.locate(&passages)?;
            let scores = snapshot.score(&words, &located)?;
            Ok((located, scores))
        })
        .await
    }
}

fn ids(passages: impl Iterator<Item = PassageId>) -> HashSet<PassageId> {
    passages.collect()
}

fn fused(
    places: &HashMap<PassageId, Candidate>,
    lexical: &HashMap<PassageId, f32>,
    dense: &HashMap<PassageId, f32>,
) -> Ranked {
    // A passage in which no word occurs has a BM25 of 0, which is a score like any other.
    let of_lexical: Vec<_> =
        places.values().map(|at| ((at.paper, at.passage), lexical.get(&at.passage).copied().unwrap_or(0.0))).collect();
    let of_dense: Vec<_> =
        places.values().filter_map(|at| Some(((at.paper, at.passage), *dense.get(&at.passage)?))).collect();
    let ranked = fuse(&of_lexical, &of_dense, DENSE_WEIGHT).into_iter().filter_map(
        |Fused { key: (_, passage), score, lexical, dense }| {
            let lexical = lexical.filter(|score| *score > 0.0);
            Some((*places.get(&passage)?, score, ArmScores { lexical, dense }))
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

/// How many candidates to look at to show hits up to `end` and to know whether there are more. A
/// hybrid search always looks at the same number, since its scores are relative to the candidates:
/// pages would not fit together otherwise.
fn depth(mode: Mode, end: usize) -> usize {
    match mode {
        Mode::Hybrid => POOL,
        Mode::Lexical | Mode::Dense => (end / POOL + 1).saturating_mul(POOL).min(DEEPEST),
    }
}

/// Of each paper its best passage, then the hits from `offset` on, and how many papers there are.
async fn page(
    search: &Search,
    ranked: Ranked,
    offset: usize,
    limit: usize,
) -> Result<(Vec<SearchHit>, usize), IndexError> {
    let mut seen = HashSet::new();
    let best: Ranked = ranked.into_iter().filter(|(candidate, ..)| seen.insert(candidate.paper)).collect();
    let total = best.len();
    let shown: Ranked = best.into_iter().skip(offset).take(limit).collect();
    let (snapshot, words) = (Arc::clone(&search.snapshot), Arc::clone(&search.words));
    let hits = blocking(move || {
        let hit = |(candidate, score, scores): (Candidate, f32, ArmScores)| {
            let passage = snapshot.passage_at(candidate.address)?;
            let highlights = Snapshot::highlights(&passage.text, &words);
            Ok(SearchHit { paper: candidate.paper, passage, score, scores, highlights })
        };
        shown.into_iter().map(hit).collect::<Result<Vec<_>, IndexError>>()
    });
    Ok((hits.await?, total))
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
    use proptest::prelude::*;
    use tantivy::DocAddress;

    use super::*;

    fn candidate(number: u32) -> Candidate {
        let paper = PaperId::derive(&format!("search:{number}"));
        Candidate { address: DocAddress::new(0, number), passage: PassageId::derive(paper, 0), paper }
    }

    #[test]
    fn a_page_always_has_candidates_behind_it() {
        assert_eq!(depth(Mode::Hybrid, 10_000), POOL);
        assert_eq!(depth(Mode::Lexical, 0), POOL);
        assert_eq!(depth(Mode::Lexical, POOL), 2 * POOL);
        assert_eq!(depth(Mode::Dense, usize::MAX), DEEPEST);
    }

    #[test]
    fn the_mean_points_between_the_vectors() {
        let id = candidate(1).passage;
        assert_eq!(mean(vec![(id, vec![1.0, 0.0]), (id, vec![0.0, 1.0])]), [1.0, 1.0]);
        assert_eq!(mean(Vec::new()), [] as [f32; 0]);
    }

    #[test]
    fn a_passage_without_words_of_the_query_has_no_lexical_score_and_counts_as_0() {
        let [a, b, c] = [1, 2, 3].map(candidate);
        let places = [a, b, c].map(|at| (at.passage, at)).into();
        let lexical = [(a.passage, 4.0), (b.passage, 2.0)].into();
        let dense = [(a.passage, 0.1), (b.passage, 0.3), (c.passage, 0.3)].into();
        let ranked = fused(&places, &lexical, &dense);
        let scores: Vec<_> = ranked.iter().map(|(at, score, arms)| (at.address.doc_id, *score, arms.lexical)).collect();
        assert_eq!(scores[0], (2, 0.75, Some(2.0)), "half of the best BM25, not the lowest of those that match");
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

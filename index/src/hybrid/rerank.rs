//! A second look at the best candidates of both arms; pure.
//!
//! Two things that cost too much to ask of every passage: how close its words are to the query's, see
//! [`crate::Pieces`], and what its neighbours are worth. Papers that are close to each other tend to answer the same
//! query or to miss it together (van Rijsbergen's cluster hypothesis), so a candidate's score is smoothed over those
//! of its nearest neighbours among the candidates ("score regularization"; Diaz, "Regularizing ad hoc retrieval
//! scores", CIKM 2005).

use crate::fusion::Scale;

/// How many candidates are looked at again. From 30 to 100 makes no difference that the sets at hand can tell.
pub(super) const HEAD: usize = 50;
/// Neighbours that have a say in a candidate's score.
const NEIGHBOURS: usize = 10;
/// What the neighbours count beside the candidate's own score.
const NEIGHBOURS_WEIGHT: f32 = 0.2;
/// What the words count within the candidate's own score.
const WORDS_WEIGHT: f32 = 0.2;

/// A candidate.
#[derive(Debug, Clone)]
pub(super) struct Head<'a, K> {
    /// What is not its own neighbour: the paper.
    pub(super) key: K,
    /// Its score so far, 0 to 1.
    pub(super) score: f32,
    /// How close its words are to the query's, in any scale.
    pub(super) words: f32,
    /// Its vector, of length 1; none where the arm does not have it any more.
    pub(super) vector: Option<&'a [f32]>,
}

/// The scores after a second look, 0 to 1, in the order of the candidates. A candidate without vector or neighbours
/// keeps its own score for theirs.
pub(super) fn rerank<K: PartialEq>(head: &[Head<'_, K>]) -> Vec<f32> {
    let words = Scale::of(head.iter().map(|one| one.words));
    let own: Vec<f32> =
        head.iter().map(|one| (1.0 - WORDS_WEIGHT) * one.score + WORDS_WEIGHT * words.apply(Some(one.words))).collect();
    let near = pulp::Arch::new().dispatch(|| nearness(head));
    let smooth = near.into_iter().zip(&own).map(|(near, score)| neighbours_score(near, &own).unwrap_or(*score));
    let smooth: Vec<f32> = smooth.collect();
    let scale = Scale::of(smooth.iter().copied());
    let both = |(own, smooth): (&f32, &f32)| {
        (own + NEIGHBOURS_WEIGHT * scale.apply(Some(*smooth))) / (1.0 + NEIGHBOURS_WEIGHT)
    };
    own.iter().zip(&smooth).map(both).collect()
}

/// The score of a candidate that is not looked at again: as though neither its words nor its neighbours were worth
/// anything, so that none of those that are stands behind it for that.
pub(super) fn worth_alone(score: f32) -> f32 {
    (1.0 - WORDS_WEIGHT) * score / (1.0 + NEIGHBOURS_WEIGHT)
}

/// For each candidate the cosines with the others that are near it, and which these are.
#[inline(always)]
fn nearness<K: PartialEq>(head: &[Head<'_, K>]) -> Vec<Vec<(f32, usize)>> {
    let mut near = vec![Vec::new(); head.len()];
    for (at, one) in head.iter().enumerate() {
        // Of each pair once.
        for (before, other) in head.iter().enumerate().take(at).filter(|(_, other)| other.key != one.key) {
            let (Some(a), Some(b)) = (one.vector, other.vector) else { continue };
            let cosine = cosine(a, b);
            for (of, with) in [(at, before), (before, at)] {
                near.get_mut(of).into_iter().filter(|_| cosine > 0.0).for_each(|near| near.push((cosine, with)));
            }
        }
    }
    near
}

/// The mean of the scores of a candidate's neighbours, weighed by the squares of their cosines.
fn neighbours_score(near: Vec<(f32, usize)>, scores: &[f32]) -> Option<f32> {
    let scored = near.into_iter().filter_map(|(cosine, at)| Some((cosine, *scores.get(at)?)));
    let mut near: Vec<(f32, f32)> = scored.collect();
    let nearer = |a: &(f32, f32), b: &(f32, f32)| b.0.total_cmp(&a.0).then_with(|| b.1.total_cmp(&a.1));
    if near.len() > NEIGHBOURS {
        near.select_nth_unstable_by(NEIGHBOURS, nearer);
        near.truncate(NEIGHBOURS);
    }
    // In one order, so that the sum is the same however the candidates come.
    near.sort_unstable_by(nearer);
    let weight: f32 = near.iter().map(|(cosine, _)| cosine * cosine).sum();
    let sum: f32 = near.iter().map(|(cosine, score)| cosine * cosine * score).sum();
    (weight > 0.0).then(|| sum / weight)
}

/// Of vectors of length 1. In many sums, which the compiler does side by side.
#[inline(always)]
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 32;
    let (a, b) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (x, y) in a.0.iter().zip(b.0) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    let rest: f32 = a.1.iter().zip(b.1).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(candidates: &[(u8, f32, Vec<f32>)]) -> Vec<Head<'_, u8>> {
        let mut head = Vec::new();
        for (key, score, vector) in candidates {
            head.push(Head { key: *key, score: *score, words: 0.0, vector: Some(vector.as_slice()) });
        }
        head
    }

    #[test]
    fn a_candidate_among_good_neighbours_rises() {
        let candidates =
            [(1, 1.0, vec![1.0, 0.0]), (2, 0.5, vec![0.0, 1.0]), (3, 0.5, vec![0.8, 0.6]), (4, 0.0, vec![0.0, 1.0])];
        let scores = rerank(&head(&candidates));
        // Of the neighbours of 3, 1 has the weight 0.64, 2 and 4 have 0.36 each.
        let third = (0.64 * 1.0 + 0.36 * 0.5) / (0.64 + 2.0 * 0.36);
        let smooth = [0.5, 0.36 * 0.5 / 1.36, third, (0.5 + 0.36 * 0.5) / 1.36];
        let (least, most) = (smooth[1], smooth[2]);
        for ((score, own), smooth) in scores.iter().zip([1.0, 0.5, 0.5, 0.0]).zip(smooth) {
            // Words that tell nothing apart count in full for all.
            let expected = (0.8 * own + 0.2 + 0.2 * (smooth - least) / (most - least)) / 1.2;
            assert!((score - expected).abs() < 1e-6, "{score} {expected}");
        }
    }

    #[test]
    fn words_close_to_the_querys_count_a_fifth() {
        let candidate = |score, words| Head { key: 0, score, words, vector: None };
        let scores = rerank(&[candidate(1.0, 0.2), candidate(0.5, 0.6), candidate(0.0, 0.4)]);
        // Their own scores are 0.8, 0.6 and 0.1, and without neighbours those count for theirs too.
        for (score, (own, smooth)) in scores.iter().zip([(0.8, 1.0), (0.6, 0.5 / 0.7), (0.1, 0.0)]) {
            assert!((score - (own + 0.2 * smooth) / 1.2).abs() < 1e-6, "{scores:?}");
        }
        assert_eq!(rerank::<u8>(&[]), [] as [f32; 0]);
    }

    #[test]
    fn passages_of_one_paper_do_not_help_each_other() {
        let alone = rerank(&head(&[(1, 1.0, vec![1.0, 0.0]), (2, 0.2, vec![0.6, 0.8])]));
        let twice = rerank(&head(&[(1, 1.0, vec![1.0, 0.0]), (2, 0.2, vec![0.6, 0.8]), (1, 1.0, vec![1.0, 0.0])]));
        assert_eq!(alone, twice[..2]);
    }

    proptest! {
        #[test]
        fn scores_stay_from_0_to_1_and_do_not_depend_on_the_order(
            scores in prop::collection::vec((0.0_f32..=1.0, -1.0_f32..1.0, 0.1_f32..1.0), 1..30), turn in 0_usize..30,
        ) {
            let unit = |x: f32, y: f32| { let length = x.hypot(y); vec![x / length, y / length] };
            let candidates: Vec<_> =
                (0..).zip(&scores).map(|(key, (score, x, y))| (key, *score, unit(*x, *y))).collect();
            let plain = rerank(&head(&candidates));
            prop_assert!(plain.iter().all(|score| (0.0..=1.000_001).contains(score)), "{plain:?}");
            let mut turned = candidates.clone();
            turned.rotate_left(turn % candidates.len());
            let mut again = rerank(&head(&turned));
            again.rotate_right(turn % candidates.len());
            for (a, b) in plain.iter().zip(&again) {
                prop_assert!((a - b).abs() < 1e-5, "{plain:?} {again:?}");
            }
        }

        #[test]
        fn what_is_not_looked_at_again_stays_behind(score in 0.0_f32..=1.0, less in 0.0_f32..=1.0, words in -1.0_f32..1.0) {
            let candidates = [(score, words), (1.0, 0.0)].map(|(score, words)| Head { key: 0, score, words, vector: None });
            prop_assert!(worth_alone(score * less) <= rerank(&candidates)[0] + 1e-6);
        }

        #[test]
        fn a_cosine_is_the_sum_of_products(a in prop::collection::vec(-1.0_f32..1.0, 0..40)) {
            let b: Vec<f32> = a.iter().map(|x| 1.0 - x).collect();
            let sum: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            prop_assert!((cosine(&a, &b) - sum).abs() < 1e-4);
        }
    }
}

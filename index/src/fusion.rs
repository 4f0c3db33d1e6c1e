//! The scores of both arms into one; pure.
//!
//! BM25 has no upper bound and cosines of one model lie close together, so neither can be added to
//! the other as it is. Each arm's scores are first scaled to 0..1 over the candidates of this one
//! search, then added with weights ("convex combination"; Bruch, Gai and Ingber, "An Analysis of
//! Fusion Functions for Hybrid Retrieval", ACM TOIS 2023, find it better than reciprocal ranks).

use std::collections::BTreeMap;

/// What the dense arm counts; the lexical arm counts the rest to 1.
///
/// From 0.4 to 0.6 nDCG@10 hardly changes, and neither does it with z-scores: see `docs/RETRIEVAL.md`.
pub const DENSE_WEIGHT: f32 = 0.5;

/// A candidate with its score taken apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fused<K> {
    /// What was found.
    pub key: K,
    /// The weighted sum, 0 to 1.
    pub score: f32,
    /// The lexical arm's own score, where it has one.
    pub lexical: Option<f32>,
    /// The dense arm's own score, where it has one.
    pub dense: Option<f32>,
}

/// Fuses two lists of scores, in any order, into one list, best first; ties are ordered by key.
///
/// A candidate that an arm has no score for counts as that arm's lowest. The result does not change
/// when all scores of an arm are multiplied by a positive number or shifted. Scores that are no
/// numbers are left out.
#[must_use]
pub fn fuse<K: Ord + Copy>(lexical: &[(K, f32)], dense: &[(K, f32)], dense_weight: f32) -> Vec<Fused<K>> {
    let mut candidates: BTreeMap<K, (Option<f32>, Option<f32>)> = BTreeMap::new();
    for (key, score) in lexical.iter().filter(|(_, score)| score.is_finite()) {
        candidates.entry(*key).or_default().0 = Some(*score);
    }
    for (key, score) in dense.iter().filter(|(_, score)| score.is_finite()) {
        candidates.entry(*key).or_default().1 = Some(*score);
    }
    let lexical = Scale::of(candidates.values().filter_map(|(lexical, _)| *lexical));
    let dense = Scale::of(candidates.values().filter_map(|(_, dense)| *dense));
    let mut fused: Vec<Fused<K>> = candidates
        .into_iter()
        .map(|(key, scores)| {
            let score = (1.0 - dense_weight) * lexical.apply(scores.0) + dense_weight * dense.apply(scores.1);
            Fused { key, score, lexical: scores.0, dense: scores.1 }
        })
        .collect();
    // Stable, and the candidates come ordered by key.
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

/// The line that takes an arm's lowest score to 0 and its highest to 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    lowest: f32,
    width: f32,
}

impl Scale {
    pub(crate) fn of(scores: impl Iterator<Item = f32> + Clone) -> Self {
        let lowest = scores.clone().fold(f32::INFINITY, f32::min);
        let highest = scores.fold(f32::NEG_INFINITY, f32::max);
        Self { lowest, width: highest - lowest }
    }

    pub(crate) fn apply(self, score: Option<f32>) -> f32 {
        match score {
            None => 0.0,
            // With one score, or only equal ones, the arm found something and cannot tell more.
            Some(_) if self.width <= 0.0 => 1.0,
            Some(score) => (score - self.lowest) / self.width,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(fused: &[Fused<u8>]) -> Vec<u8> {
        fused.iter().map(|one| one.key).collect()
    }

    #[test]
    fn scores_are_scaled_and_added() {
        let fused = fuse(&[(1, 10.0), (2, 5.0), (3, 0.0)], &[(1, 0.2), (3, 0.6), (4, 0.4)], 0.25);
        let expected = [
            Fused { key: 1_u8, score: 0.75, lexical: Some(10.0), dense: Some(0.2) },
            Fused { key: 2, score: 0.375, lexical: Some(5.0), dense: None },
            Fused { key: 3, score: 0.25, lexical: Some(0.0), dense: Some(0.6) },
            Fused { key: 4, score: 0.125, lexical: None, dense: Some(0.4) },
        ];
        for (found, expected) in fused.iter().zip(&expected) {
            assert!((found.score - expected.score).abs() < 1e-6, "{found:?} {expected:?}");
            assert_eq!((found.key, found.lexical, found.dense), (expected.key, expected.lexical, expected.dense));
        }
        assert_eq!(fused.len(), 4);
    }

    #[test]
    fn equal_scores_are_ordered_by_key_and_broken_ones_left_out() {
        assert_eq!(order(&fuse(&[(3, 1.0), (1, 1.0), (2, 1.0)], &[], 0.5)), [1, 2, 3]);
        assert_eq!(order(&fuse(&[(1, f32::NAN)], &[(2, f32::INFINITY), (3, 0.1)], 0.5)), [3]);
        assert_eq!(fuse::<u8>(&[], &[], 0.5), []);
    }

    fn arm() -> impl Strategy<Value = Vec<(u8, f32)>> {
        prop::collection::btree_map(0_u8..30, (-100_i8..100).prop_map(f32::from), 0..20)
            .prop_map(|arm| arm.into_iter().collect())
    }

    proptest! {
        #[test]
        fn the_order_of_the_lists_does_not_matter(lexical in arm(), dense in arm(), weight in 0.0_f32..=1.0) {
            let turned = |arm: &[(u8, f32)]| arm.iter().rev().copied().collect::<Vec<_>>();
            prop_assert_eq!(fuse(&lexical, &dense, weight), fuse(&turned(&lexical), &turned(&dense), weight));
        }

        #[test]
        fn scaling_or_shifting_an_arm_changes_nothing(lexical in arm(), dense in arm(), scale in 1_u8..6, shift in -50_i8..50) {
            // Powers of two and whole numbers, so that rounding does not break ties another way.
            let moved: Vec<_> = lexical.iter().map(|(key, score)| (*key, score * f32::from(1_u16 << scale) + f32::from(shift))).collect();
            prop_assert_eq!(order(&fuse(&lexical, &dense, 0.5)), order(&fuse(&moved, &dense, 0.5)));
        }

        #[test]
        fn what_is_first_in_both_arms_is_first(lexical in arm(), dense in arm(), weight in 0.0_f32..=1.0) {
            let with_best = |arm: &[(u8, f32)]| [arm, &[(99, 101.0)]].concat();
            let fused = fuse(&with_best(&lexical), &with_best(&dense), weight);
            prop_assert_eq!(fused[0].key, 99);
            prop_assert!((fused[0].score - 1.0).abs() < 1e-6);
        }

        #[test]
        fn scores_are_sorted_between_0_and_1_and_every_candidate_is_there_once(lexical in arm(), dense in arm()) {
            let fused = fuse(&lexical, &dense, 0.3);
            prop_assert!(fused.iter().all(|one| (0.0..=1.000_001).contains(&one.score)));
            prop_assert!(fused.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let mut keys: Vec<u8> = lexical.iter().chain(&dense).map(|(key, _)| *key).collect();
            keys.sort_unstable();
            keys.dedup();
            let mut found = order(&fused);
            found.sort_unstable();
            prop_assert_eq!(found, keys);
        }
    }
}

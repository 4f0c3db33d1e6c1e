//! Measures of a ranking, as trec_eval defines them, and intervals by bootstrap.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

/// What one query's ranking is worth; all from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scores {
    /// Normalised discounted cumulative gain of the first ten, with linear gain and base-2 discount
    /// (Järvelin and Kekäläinen 2002, as in trec_eval's `ndcg_cut`).
    pub ndcg_at_10: f64,
    /// The share of the relevant documents among the first ten.
    pub recall_at_10: f64,
    /// The share of the relevant documents among the first hundred.
    pub recall_at_100: f64,
    /// One over the rank of the first relevant document, 0 when it is not among the first ten.
    pub mrr_at_10: f64,
    /// The mean over the relevant documents of the precision at their ranks (trec_eval's `map`).
    pub map: f64,
}

/// Scores a ranking of document ids against the grades of the judged documents; relevant is a grade above 0.
#[must_use]
pub fn score(ranking: &[String], grades: &HashMap<String, u32>) -> Scores {
    let grade = |id: &String| f64::from(grades.get(id).copied().unwrap_or(0));
    let relevant = to_f64(grades.values().filter(|grade| **grade > 0).count());
    if relevant == 0.0 {
        return Scores::default();
    }
    let found = |depth: usize| to_f64(ranking.iter().take(depth).filter(|id| grade(id) > 0.0).count());
    let gain: f64 = ranking.iter().take(10).zip(1..).map(|(id, rank)| grade(id) / discount(rank)).sum();
    let mut ideal: Vec<u32> = grades.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let best: f64 = ideal.iter().take(10).zip(1..).map(|(grade, rank)| f64::from(*grade) / discount(rank)).sum();
    let first = ranking.iter().take(10).position(|id| grade(id) > 0.0);
    let mut seen = 0.0;
    let mut precisions = 0.0;
    for (id, rank) in ranking.iter().zip(1..) {
        if grade(id) > 0.0 {
            seen += 1.0;
            precisions += seen / to_f64(rank);
        }
    }
    Scores {
        ndcg_at_10: gain / best,
        recall_at_10: found(10) / relevant,
        recall_at_100: found(100) / relevant,
        mrr_at_10: first.map_or(0.0, |place| 1.0 / to_f64(place + 1)),
        map: precisions / relevant,
    }
}

fn discount(rank: usize) -> f64 {
    to_f64(rank + 1).log2()
}

#[allow(clippy::cast_precision_loss)]
fn to_f64(count: usize) -> f64 {
    count as f64
}

/// A mean with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Where the interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// The mean of some values, with the percentile bootstrap's 95% interval over 2,000 resamples; the same
/// values always give the same interval.
#[must_use]
pub fn bootstrap(values: &[f64]) -> Interval {
    let mean = |sum: f64| if values.is_empty() { 0.0 } else { sum / to_f64(values.len()) };
    let mut random = StdRng::seed_from_u64(20_240_613);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw = |_| values.get(random.random_range(0..values.len())).copied().unwrap_or_default();
            mean((0..values.len()).map(draw).sum())
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Interval { mean: mean(values.iter().sum()), low: percentile(&means, 2.5), high: percentile(&means, 97.5) }
}

/// How often a statistic is reckoned anew.
const RESAMPLES: usize = 2_000;

/// The values of a statistic over `n` things in 2,000 resamples, sorted; it is given the places of those that were drawn, and one for
/// which there is no value is left out. Always the same for the same statistic.
#[must_use]
pub fn bootstrapped(n: usize, statistic: &dyn Fn(&[usize]) -> Option<f64>) -> Vec<f64> {
    if n == 0 {
        return Vec::new();
    }
    let mut random = StdRng::seed_from_u64(20_240_613);
    let mut drawn = vec![0; n];
    let mut values: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            drawn.iter_mut().for_each(|place| *place = random.random_range(0..n));
            statistic(&drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The percentile bootstrap's 95% interval of [`bootstrapped`] values; none where most resamples had no value.
#[must_use]
pub fn interval_of_values(sorted: Vec<f64>) -> Option<[f64; 2]> {
    (sorted.len() * 2 > RESAMPLES).then(|| [percentile(&sorted, 2.5), percentile(&sorted, 97.5)])
}

/// The value below which `percent` of the sorted values lie (nearest rank); 0 for none.
#[must_use]
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = (percent / 100.0 * to_f64(sorted.len())).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn a_ranking_is_scored_as_by_hand() {
        let grades = HashMap::from([("a".to_owned(), 2), ("b".to_owned(), 1), ("c".to_owned(), 0)]);
        let scores = score(&ranking(&["c", "a", "x", "b"]), &grades);
        let gain = 2.0 / 3f64.log2() + 1.0 / 5f64.log2();
        close(scores.ndcg_at_10, gain / (2.0 + 1.0 / 3f64.log2()));
        close(scores.recall_at_10, 1.0);
        close(scores.mrr_at_10, 0.5);
        close(scores.map, (1.0 / 2.0 + 2.0 / 4.0) / 2.0);
    }

    #[test]
    fn what_lies_beyond_the_cut_does_not_count() {
        let grades = HashMap::from([("z".to_owned(), 1)]);
        let mut ids: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        ids.push("z".to_owned());
        let scores = score(&ids, &grades);
        close(scores.ndcg_at_10 + scores.recall_at_10 + scores.mrr_at_10, 0.0);
        close(scores.recall_at_100, 1.0);
        close(scores.map, 1.0 / 11.0);
        assert_eq!(score(&ids, &HashMap::new()), Scores::default());
    }

    #[test]
    fn an_interval_holds_its_mean_and_is_the_same_each_time() {
        let values: Vec<f64> = (0..100).map(|n| f64::from(n % 2)).collect();
        let interval = bootstrap(&values);
        close(interval.mean, 0.5);
        assert!(
            interval.low > 0.35 && interval.low < 0.45 && interval.high > 0.55 && interval.high < 0.65,
            "{interval:?}"
        );
        assert_eq!(interval, bootstrap(&values));
        assert_eq!(
            bootstrap(&[0.7; 9]),
            Interval { mean: 0.7000000000000001, low: 0.7000000000000001, high: 0.7000000000000001 }
        );
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        close(percentile(&values, 50.0), 50.0);
        close(percentile(&values, 99.0), 99.0);
        close(percentile(&[], 50.0), 0.0);
        close(percentile(&[3.0], 99.0), 3.0);
    }
}

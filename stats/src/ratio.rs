//! The split check: are the arms as large as they should be?

use serde::{Deserialize, Serialize};
use statrs::function::gamma::checked_gamma_ur;

/// Below this p value a split is reported as wrong (Fabijan et al. 2019).
const WARN_BELOW: f64 = 0.001;

/// Fewer units than this in all arms together are never reported: the chi-square distribution is no good fit yet.
const FEWEST_UNITS: u64 = 20;

/// How well the sizes of the arms fit the planned split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The units seen in each arm.
    pub observed: Vec<u64>,
    /// The units expected in each arm at the same total; empty if the weights make no sense.
    pub expected: Vec<f64>,
    /// Pearson's chi-square statistic (Pearson 1900); nothing without units, or with units in an arm of weight zero.
    pub chi_square: Option<f64>,
    /// The probability of a split as bad as this one when assignment works. Nothing if there is nothing to test.
    pub p_value: Option<f64>,
    /// A sample ratio mismatch: results of this experiment are not to be trusted until its cause is known.
    pub warn: bool,
}

/// Checks the number of units in each arm against the weights of the arms: a chi-square test of goodness of fit
/// (Fabijan et al. 2019, "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD). Weights need not
/// sum to one. There is a warning when p < 0.001 and there are 20 units or more.
pub fn split_check(observed: &[u64], weights: &[f64]) -> Split {
    let mut split =
        Split { observed: observed.to_vec(), expected: Vec::new(), chi_square: None, p_value: None, warn: false };
    let sum: f64 = weights.iter().sum();
    let sound = weights.iter().all(|w| w.is_finite() && *w >= 0.0) && sum.is_finite() && sum > 0.0;
    if observed.len() != weights.len() || !sound {
        return split;
    }
    let total = observed.iter().fold(0_u64, |total, units| total.saturating_add(*units));
    split.expected = weights.iter().map(|weight| total as f64 * (weight / sum)).collect();
    if total == 0 {
        return split;
    }
    let cells: Vec<(f64, f64)> = observed.iter().zip(&split.expected).map(|(seen, due)| (*seen as f64, *due)).collect();
    if cells.iter().any(|(seen, due)| *seen > 0.0 && *due <= 0.0) {
        split.p_value = Some(0.0);
    } else {
        let open: Vec<(f64, f64)> = cells.into_iter().filter(|(_, due)| *due > 0.0).collect();
        let statistic: f64 = open.iter().map(|(seen, due)| (seen - due) * (seen - due) / due).sum();
        split.chi_square = Some(statistic).filter(|s| s.is_finite());
        split.p_value = upper_tail(statistic, open.len().saturating_sub(1));
    }
    split.warn = total >= FEWEST_UNITS && split.p_value.is_some_and(|p| p < WARN_BELOW);
    split
}

/// P(X > `statistic`) of a chi-square distribution: the upper incomplete gamma ratio (Abramowitz & Stegun 1964,
/// ch. 26). Nothing with no degree of freedom.
fn upper_tail(statistic: f64, degrees: usize) -> Option<f64> {
    if degrees == 0 {
        return None;
    }
    if statistic <= 0.0 {
        return Some(1.0);
    }
    checked_gamma_ur(0.5 * degrees as f64, 0.5 * statistic).ok().filter(|p| p.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_tails() {
        // Points of the chi-square distribution (any table).
        for (statistic, degrees, p) in [
            (3.841_459, 1, 0.05),
            (6.634_897, 1, 0.01),
            (10.827_566, 1, 0.001),
            (5.991_465, 2, 0.05),
            (9.210_340, 2, 0.01),
            (7.814_728, 3, 0.05),
        ] {
            assert!((upper_tail(statistic, degrees).unwrap() - p).abs() < 1e-7, "{statistic} {degrees}");
        }
        assert_eq!((upper_tail(1.0, 0), upper_tail(0.0, 1)), (None, Some(1.0)));
    }

    #[test]
    fn splits_by_hand() {
        let even = split_check(&[50, 50], &[1.0, 1.0]);
        assert_eq!((even.chi_square, even.p_value, even.warn), (Some(0.0), Some(1.0), false));
        // 2 * 50^2 / 4500 = 10 / 9, whose tail is erfc(sqrt(5 / 9)) = 0.291841.
        let near = split_check(&[4450, 4550], &[0.5, 0.5]);
        assert!((near.chi_square.unwrap() - 10.0 / 9.0).abs() < 1e-12);
        assert!((near.p_value.unwrap() - 0.291_841).abs() < 1e-6 && !near.warn, "{near:?}");
        // 2 * 100^2 / 1000 = 20, p = 7.74e-6.
        let bad = split_check(&[1100, 900], &[0.5, 0.5]);
        assert!((bad.p_value.unwrap() - 7.744e-6).abs() < 1e-9 && bad.warn, "{bad:?}");
        // Expected 800, 100, 100: 100/800 + 100/100 + 0 = 1.125 with two degrees, p = exp(-0.5625).
        let three = split_check(&[790, 110, 100], &[8.0, 1.0, 1.0]);
        assert!((three.chi_square.unwrap() - 1.125).abs() < 1e-12);
        assert!((three.p_value.unwrap() - (-0.5625_f64).exp()).abs() < 1e-10);
    }

    #[test]
    fn few_units_never_warn() {
        assert!(!split_check(&[19, 0], &[0.5, 0.5]).warn);
        assert!(split_check(&[20, 0], &[0.5, 0.5]).warn);
    }

    #[test]
    fn degenerate_splits() {
        for (observed, weights) in [
            (vec![], vec![]),
            (vec![0, 0], vec![1.0, 1.0]),
            (vec![30], vec![1.0]),
            (vec![30, 30], vec![1.0]),
            (vec![30, 30], vec![0.0, 0.0]),
            (vec![30, 30], vec![f64::NAN, 1.0]),
            (vec![30, 30], vec![-1.0, 2.0]),
        ] {
            let split = split_check(&observed, &weights);
            assert!(split.p_value.is_none() && !split.warn, "{split:?}");
        }
        let closed = split_check(&[30, 5], &[1.0, 0.0]);
        assert!(closed.warn && closed.p_value == Some(0.0) && closed.chi_square.is_none());
        let unused = split_check(&[15, 15, 0], &[1.0, 1.0, 0.0]);
        assert_eq!((unused.p_value, unused.warn), (Some(1.0), false));
    }
}

//! Error spending: how much of the permitted error a test may use up to each look, and the boundaries that follow.

use super::normal::{upper_quantile, upper_tail};
use super::recursion::Running;

/// No boundary is larger than this; a z statistic beyond it has probability below 1e-197.
const LARGEST_BOUNDARY: f64 = 30.0;

/// The two-sided error that may be spent up to an information fraction, after the spending function of O'Brien-Fleming
/// type of Lan & DeMets (1983, Biometrika 70).
///
/// Each side has `alpha` / 2 and spends 2 - 2 Phi(q / sqrt(fraction)), where q is the normal quantile of
/// 1 - `alpha` / 4; the result is the sum of both sides. It is 0 at fraction 0 and `alpha` from fraction 1 on.
pub fn obrien_fleming(alpha: f64, fraction: f64) -> f64 {
    if fraction <= 0.0 {
        0.0
    } else if fraction >= 1.0 {
        alpha
    } else {
        4.0 * upper_tail(upper_quantile(alpha / 4.0) / fraction.sqrt())
    }
}

/// The boundaries for |z| at looks with increasing information `fractions`, such that a test without any true
/// difference crosses one of them with probability `spent` (cumulative, two-sided, increasing) up to each look.
///
/// Each boundary solves for its share of the error by bisection on the recursion of Armitage, McPherson & Rowe (1969).
pub fn boundaries(fractions: &[f64], spent: &[f64]) -> Vec<f64> {
    let mut running = Running::start();
    let mut before = 0.0;
    let mut found = Vec::with_capacity(fractions.len());
    for (&fraction, &total) in fractions.iter().zip(spent) {
        let boundary = solve(&running, fraction, total - before);
        running = running.advance(fraction, boundary, 0.0);
        before = total;
        found.push(boundary);
    }
    found
}

/// The boundary at which the paths still running exit with probability `share` at the next look.
fn solve(running: &Running, fraction: f64, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, LARGEST_BOUNDARY);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let (upper, lower) = running.exit(fraction, middle, 0.0);
        if upper + lower > share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probabilities to cross the upper and the lower boundary for the first time at each look, when the z statistic
/// at fraction 1 has mean `drift` (the true effect over its standard error at the full plan).
pub fn crossing(fractions: &[f64], boundaries: &[f64], drift: f64) -> Vec<(f64, f64)> {
    let mut running = Running::start();
    let mut found = Vec::with_capacity(fractions.len());
    for (&fraction, &boundary) in fractions.iter().zip(boundaries) {
        found.push(running.exit(fraction, boundary, drift));
        running = running.advance(fraction, boundary, drift);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(looks: u32) -> Vec<f64> {
        (1..=looks).map(|k| f64::from(k) / f64::from(looks)).collect()
    }

    fn obf(alpha: f64, fractions: &[f64]) -> Vec<f64> {
        let spent: Vec<f64> = fractions.iter().map(|&t| obrien_fleming(alpha, t)).collect();
        boundaries(fractions, &spent)
    }

    fn error(fractions: &[f64], limits: &[f64]) -> f64 {
        crossing(fractions, limits, 0.0).iter().map(|(upper, lower)| upper + lower).sum()
    }

    #[test]
    fn five_looks_as_published() {
        // Reboussin, DeMets, Kim & Lan 2000, Controlled Clinical Trials 21. Their second value is 0.0001 too low.
        let got = obf(0.05, &equal(5));
        for (got, want) in got.iter().zip([4.8769, 3.3569, 2.6803, 2.2898, 2.0310]) {
            assert!((got - want).abs() < 2e-4, "{got} {want}");
        }
        // Our own, from a second program: Simpson's rule on 800 equal intervals of the score.
        for (got, want) in got.iter().zip([4.876885, 3.357012, 2.680280, 2.289817, 2.031032]) {
            assert!((got - want).abs() < 2e-6, "{got} {want}");
        }
    }

    #[test]
    fn ten_looks_agree_with_a_second_program() {
        // The same second program.
        let want = [6.991352, 4.876885, 3.929682, 3.367079, 2.989330, 2.714809, 2.504077, 2.335829, 2.197503, 2.081176];
        for (got, want) in obf(0.05, &equal(10)).iter().zip(want) {
            assert!((got - want).abs() < 2e-6, "{got} {want}");
        }
    }

    #[test]
    fn one_look_is_the_ordinary_test() {
        let got = obf(0.05, &[1.0]);
        assert!((got[0] - 1.959_963_984_540_054).abs() < 1e-9);
        let got = obf(0.01, &[1.0]);
        assert!((got[0] - 2.575_829_303_548_901).abs() < 1e-9);
    }

    #[test]
    fn ten_looks_spend_the_error_exactly() {
        for alpha in [0.05, 0.05 / 3.0, 0.01] {
            let fractions = equal(10);
            let limits = obf(alpha, &fractions);
            assert!((error(&fractions, &limits) - alpha).abs() < 1e-9);
            assert!(limits.windows(2).all(|w| w[0] > w[1]), "{limits:?}");
            let mut sum = 0.0;
            for ((upper, lower), fraction) in crossing(&fractions, &limits, 0.0).iter().zip(&fractions) {
                sum += upper + lower;
                assert!((sum - obrien_fleming(alpha, *fraction)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn constants_of_pocock_and_of_obrien_and_fleming() {
        // Jennison & Turnbull 2000, tables 2.1 and 2.3, two-sided error 0.05.
        for (looks, pocock, obrien) in [(2, 2.178, 1.977), (3, 2.289, 2.004), (5, 2.413, 2.040), (10, 2.555, 2.087)] {
            let fractions = equal(looks);
            let flat = vec![pocock; fractions.len()];
            assert!((error(&fractions, &flat) - 0.05).abs() < 1e-4, "{looks}");
            let falling: Vec<f64> = fractions.iter().map(|t| obrien / t.sqrt()).collect();
            assert!((error(&fractions, &falling) - 0.05).abs() < 1e-4, "{looks}");
        }
    }

    #[test]
    fn spending_starts_at_zero_and_ends_at_alpha() {
        assert_eq!(obrien_fleming(0.05, 0.0), 0.0);
        assert!((obrien_fleming(0.05, 1.0 - 1e-12) - 0.05).abs() < 1e-9);
        assert_eq!(obrien_fleming(0.05, 1.2), 0.05);
        assert!(obrien_fleming(0.05, 0.3) < obrien_fleming(0.05, 0.4));
    }

    #[test]
    fn tiny_shares_give_finite_boundaries() {
        let limits = obf(1e-6, &[0.01, 0.02, 1.0]);
        assert!(limits.iter().all(|b| b.is_finite() && *b <= LARGEST_BOUNDARY), "{limits:?}");
    }
}

//! The standard normal distribution, as the other files need it.

use statrs::function::erf::{erfc, erfc_inv};
use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// The density of the standard normal distribution at `x`.
pub(super) fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// P(Z > x) of a standard normal Z, with a relative error below 1e-9 also far out in the tail.
pub(super) fn upper_tail(x: f64) -> f64 {
    0.5 * erfc(x * FRAC_1_SQRT_2)
}

/// The point that a standard normal exceeds with probability `tail`, which is between 0 and 1.
pub(super) fn upper_quantile(tail: f64) -> f64 {
    SQRT_2 * erfc_inv(2.0 * tail)
}

/// P(|Z| > |z|): the two-sided p value of a z statistic.
pub(super) fn two_sided(z: f64) -> f64 {
    erfc(z.abs() * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_quantiles_and_tails() {
        assert!((upper_quantile(0.025) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((upper_quantile(0.0125) - 2.241_402_727_604_945).abs() < 1e-12);
        assert!((upper_quantile(0.5)).abs() < 1e-15);
        assert!((two_sided(1.959_963_984_540_054) - 0.05).abs() < 1e-9);
        assert!((two_sided(-1.0) - 0.317_310_507_862_914).abs() < 1e-9);
        assert!((density(0.0) - 0.398_942_280_401_432_7).abs() < 1e-15);
    }

    #[test]
    fn the_tail_is_exact_far_out() {
        // Mills' ratio: Q(x) is between density(x) x/(1+x^2) and density(x)/x (Gordon 1941).
        for x in [5.0, 8.0, 12.0, 20.0, 30.0] {
            assert!(upper_tail(x) < density(x) / x && upper_tail(x) > density(x) * x / (1.0 + x * x), "at {x}");
        }
    }
}

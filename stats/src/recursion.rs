//! The distribution of a sequence of z statistics, by numeric integration.
//!
//! At looks with information I1 < I2 < ... the statistics have the canonical joint distribution: Z_k is normal with
//! mean `drift` * sqrt(I_k) and variance 1, and the scores Z_k sqrt(I_k) have independent increments (Jennison &
//! Turnbull, "Group Sequential Methods with Applications to Clinical Trials", 2000, ch. 3). The density of Z_k among
//! the paths that have not crossed a boundary yet follows from the one at the look before (Armitage, McPherson & Rowe
//! 1969). The nodes of the integration are placed as in Jennison & Turnbull 2000, ch. 19, with Simpson's rule.

use super::normal::{density, upper_tail};

/// A sixth of the number of intervals that cover the line; the error falls with its fourth power.
const FINENESS: u32 = 32;

/// A node of the integration.
struct Node {
    /// The z statistic.
    z: f64,
    /// The density at `z` times the weight of the node.
    mass: f64,
}

/// The paths that have crossed no boundary up to a look.
pub(super) struct Running {
    information: f64,
    nodes: Vec<Node>,
}

impl Running {
    /// The state before the first look: no information, all paths at zero.
    pub(super) fn start() -> Self {
        Self { information: 0.0, nodes: vec![Node { z: 0.0, mass: 1.0 }] }
    }

    /// The probabilities to be still running here and then above `boundary`, or below -`boundary`, at the next look.
    /// `information` is that of the next look and larger than that of this one; `drift` is the mean of a z statistic
    /// at information 1.
    pub(super) fn exit(&self, information: f64, boundary: f64, drift: f64) -> (f64, f64) {
        let gain = information - self.information;
        let edge = boundary * information.sqrt();
        let (mut upper, mut lower) = (0.0, 0.0);
        for node in &self.nodes {
            let expected = node.z * self.information.sqrt() + drift * gain;
            upper += node.mass * upper_tail((edge - expected) / gain.sqrt());
            lower += node.mass * upper_tail((edge + expected) / gain.sqrt());
        }
        (upper, lower)
    }

    /// The paths that are still running after the next look, which has the given information and boundary.
    pub(super) fn advance(&self, information: f64, boundary: f64, drift: f64) -> Self {
        let gain = information - self.information;
        let scale = (information / gain).sqrt();
        let from: Vec<(f64, f64)> =
            self.nodes.iter().map(|n| (n.z * self.information.sqrt() + drift * gain, n.mass)).collect();
        let nodes = quadrature(drift * information.sqrt(), boundary)
            .into_iter()
            .map(|(z, weight)| {
                let score = z * information.sqrt();
                let sum: f64 = from.iter().map(|(mean, mass)| mass * density((score - mean) / gain.sqrt())).sum();
                Node { z, mass: weight * scale * sum }
            })
            .collect();
        Self { information, nodes }
    }
}

/// Nodes and Simpson weights on the interval from -`boundary` to `boundary`, dense around `centre` and sparse in the
/// tails.
fn quadrature(centre: f64, boundary: f64) -> Vec<(f64, f64)> {
    let fineness = f64::from(FINENESS);
    let inner = (1..6 * FINENESS).map(|i| {
        let i_f = f64::from(i);
        if i < FINENESS {
            centre - 3.0 - 4.0 * (fineness / i_f).ln()
        } else if i <= 5 * FINENESS {
            centre - 3.0 + 3.0 * (i_f - fineness) / (2.0 * fineness)
        } else {
            centre + 3.0 + 4.0 * (fineness / (6.0 * fineness - i_f)).ln()
        }
    });
    let mut ends = vec![-boundary];
    ends.extend(inner.filter(|z| z.abs() < boundary));
    ends.push(boundary);
    let mut nodes = Vec::with_capacity(3 * ends.len());
    for (low, high) in ends.iter().zip(ends.iter().skip(1)) {
        let sixth = (high - low) / 6.0;
        nodes.extend([(*low, sixth), (0.5 * (low + high), 4.0 * sixth), (*high, sixth)]);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quadrature_integrates_the_normal_density() {
        for (centre, boundary) in [(0.0, 1.0), (0.0, 2.5), (0.0, 8.0), (2.8, 2.2), (-1.0, 5.0)] {
            let got: f64 = quadrature(centre, boundary).iter().map(|(z, w)| w * density(z - centre)).sum();
            let want = upper_tail(-boundary - centre) - upper_tail(boundary - centre);
            assert!((got - want).abs() < 1e-7, "{centre} {boundary}: {got} {want}");
        }
    }

    #[test]
    fn two_looks_by_hand() {
        // A boundary that nothing crosses leaves the second look an ordinary test.
        let after = Running::start().advance(0.5, 9.0, 0.0);
        let (upper, lower) = after.exit(1.0, 1.959_963_984_540_054, 0.0);
        assert!((upper - 0.025).abs() < 1e-8 && (lower - 0.025).abs() < 1e-8, "{upper} {lower}");
        // With drift 2.8 the power of that test is P(Z > 1.96 - 2.8).
        let after = Running::start().advance(0.5, 9.0, 2.8);
        let (upper, _) = after.exit(1.0, 1.959_963_984_540_054, 2.8);
        assert!((upper - upper_tail(1.959_963_984_540_054 - 2.8)).abs() < 1e-7, "{upper}");
    }
}

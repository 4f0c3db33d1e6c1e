//! Experiments with a known truth, to see how often the test is right.

use super::observation::Unit;
use super::path::{Decision, Path};
use super::plan::Plan;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// What came out of many simulated experiments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// The number of experiments.
    pub runs: usize,
    /// Those that called the treated arm higher.
    pub higher: usize,
    /// Those that called the treated arm lower.
    pub lower: usize,
    /// Those that ended with a call before the plan was full.
    pub early: usize,
    /// The units of both arms together until the end of an experiment, on average; nothing without runs.
    pub mean_units: Option<f64>,
}

impl Simulation {
    /// The number of experiments that called a difference.
    pub fn called(&self) -> usize {
        self.higher + self.lower
    }

    /// The share of experiments that called a difference: the false positive rate without a true difference, the power
    /// with one. Nothing without runs.
    pub fn rate(&self) -> Option<f64> {
        (self.runs > 0).then(|| self.called() as f64 / self.runs as f64)
    }
}

/// Simulates `runs` experiments with the outcomes 0 and 1, one a unit. Each unit is drawn into one of two arms with
/// equal probability, has outcome 1 with the rate of its arm, and is added to the test at once, until the test is over.
/// The same seed gives the same result (with the same major version of `rand`).
pub fn simulate(runs: usize, plan: &Plan, control_rate: f64, treated_rate: f64, seed: u64) -> Simulation {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut out = Simulation { runs, higher: 0, lower: 0, early: 0, mean_units: None };
    let mut units = 0.0;
    for _ in 0..runs {
        let mut path = Path::new(plan);
        while !path.is_over() {
            let treated = rng.random_bool(0.5);
            let rate = if treated { treated_rate } else { control_rate };
            let value = f64::from(u8::from(rng.random::<f64>() < rate));
            path.add(treated, &mut Unit::new(usize::from(treated)), value);
        }
        let decision = path.decision();
        let called = matches!(decision, Some(Decision::TreatedHigher | Decision::TreatedLower));
        out.higher += usize::from(decision == Some(Decision::TreatedHigher));
        out.lower += usize::from(decision == Some(Decision::TreatedLower));
        out.early += usize::from(called && path.ended_at() != Some(plan.looks().len()));
        units += (path.control.units() + path.treated.units()) as f64;
    }
    out.mean_units = (runs > 0).then(|| units / runs as f64);
    out
}

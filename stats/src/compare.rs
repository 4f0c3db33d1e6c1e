//! The comparison of a treated arm with the control arm.

use super::moments::Moments;
use super::observation::{Ledger, Observation};
use super::path::{Decision, Look, Path};
use super::plan::Plan;
use super::welch::{Interval, Welch, ninety_five};
use serde::{Deserialize, Serialize};

/// One arm of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The number of the arm.
    pub arm: usize,
    /// The units in it.
    pub units: u64,
    /// The observations of these units.
    pub observations: u64,
    /// The mean over all observations, in the unit of measurement of the metric.
    pub mean: Option<f64>,
    /// The standard error of the mean, with units as clusters (Deng, Knoblich & Lu 2018); needs two units.
    pub standard_error: Option<f64>,
}

/// What an experiment says about one treated arm. No number in it is ever NaN or infinite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The control arm, over all data.
    pub control: Arm,
    /// The treated arm, over all data.
    pub treated: Arm,
    /// mean(treated) - mean(control), over all data.
    pub effect: Option<f64>,
    /// The standard error of the effect, unpooled; nothing if an arm has fewer than two units or nothing varies.
    pub standard_error: Option<f64>,
    /// The 95% interval of the effect (Welch 1947) over all data, right for one look only: `last_look` has the interval
    /// that allows for looking again and again.
    pub interval: Option<Interval>,
    /// The two-sided p value of the effect (Welch 1947) over all data, right for one look only.
    pub p_value: Option<f64>,
    /// The fraction of the plan that is done; may exceed 1.
    pub fraction: f64,
    /// The decision of the sequential test; nothing if the data cannot be tested (see `standard_error`).
    pub decision: Option<Decision>,
    /// The number of the look at which the test ended, from 1; nothing while it runs.
    pub ended_at: Option<usize>,
    /// The last look that was taken: the one that ended the test, if it has ended.
    pub last_look: Option<Look>,
    /// The fraction of the plan at which the next look will be taken.
    pub next_look: Option<f64>,
    /// Observations of these two arms that were left out: the value was not finite, or the unit was first seen in
    /// another arm.
    pub ignored: usize,
}

/// Compares a treated arm with the control arm. `observations` must be in order of time; those of other arms may be
/// among them.
///
/// The decision comes from a group sequential test that walks the observations in order. Whenever the fraction of the
/// plan first reaches that of a look, the effect so far, in standard errors, is compared with the boundary of that
/// look. So it does not matter how often a comparison is made, or when: the probability to ever call a difference
/// that is not there is the alpha of the plan. Once a boundary is crossed, or the plan is full, the decision stands.
pub fn compare(observations: &[Observation], control: usize, treated: usize, plan: &Plan) -> Comparison {
    let mut ledger = Ledger::default();
    let mut path = Path::new(plan);
    let mut ignored = 0;
    for observation in observations {
        let ours = observation.arm == control || observation.arm == treated;
        match ledger.unit(observation) {
            Some(unit) if ours => path.add(observation.arm != control, unit, observation.value),
            None if ours => ignored += 1,
            _ => {}
        }
    }
    report(&path, control, treated, ignored)
}

/// The report on a walk.
fn report(path: &Path<'_>, control: usize, treated: usize, ignored: usize) -> Comparison {
    let welch = Welch::new(&path.control, &path.treated);
    let means = path.control.mean().zip(path.treated.mean());
    Comparison {
        control: arm(control, &path.control),
        treated: arm(treated, &path.treated),
        effect: means.map(|(control, treated)| treated - control).filter(|effect| effect.is_finite()),
        standard_error: welch.map(|w| w.standard_error),
        interval: welch.and_then(|w| w.interval(ninety_five())),
        p_value: welch.map(|w| w.p_value()),
        fraction: path.fraction(),
        decision: path.decision(),
        ended_at: path.ended_at(),
        last_look: path.last_look(),
        next_look: path.next_look().map(|look| look.fraction),
        ignored,
    }
}

/// The summary of an arm.
fn arm(arm: usize, moments: &Moments) -> Arm {
    Arm {
        arm,
        units: moments.units(),
        observations: moments.observations(),
        mean: moments.mean(),
        standard_error: moments.variance().map(f64::sqrt),
    }
}

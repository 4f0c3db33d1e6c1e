//! The plan of an experiment: how large it is to become and when it is looked at.

use super::spending::{boundaries, obrien_fleming};
use serde::{Deserialize, Serialize};

/// Ten equally spaced looks.
pub const EQUAL_LOOKS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// The looks of `Plan::new`: as `EQUAL_LOOKS`, without those between 0.6 and the end.
///
/// Large differences are found as early as with ten looks. The three looks left out would use more than half of the
/// error, and the boundary at the end would rise from 1.98 to 2.08.
pub const DEFAULT_LOOKS: [f64; 7] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0];

/// The planned units an arm where nothing else is asked for.
pub const DEFAULT_UNITS: u32 = 400;

/// The two-sided error where nothing else is asked for. A little below the customary 5%, so that it stays below them where a normal
/// distribution is a rough fit: uneven arms, rare outcomes.
pub const DEFAULT_ALPHA: f64 = 0.045;

/// The earliest look, as a fraction of the plan.
const EARLIEST: f64 = 0.01;

/// How far an experiment is, given the units in both arms. Neither measure depends on the outcomes, so each is a valid
/// clock for the looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The units in the smaller arm: the plan is full when each arm has reached it.
    #[default]
    SmallerArm,
    /// The harmonic mean 2 / (1/n1 + 1/n2) of the units in the arms: the plan is full when the variance is that of two
    /// arms of the planned size. With arms drawn at random it is full a little earlier: 400 units an arm after 801
    /// units of both arms on average, where `SmallerArm` takes 823.
    Harmonic,
}

impl Progress {
    /// The size of an experiment, in units an arm.
    pub fn size(self, control: u64, treated: u64) -> f64 {
        match self {
            Self::SmallerArm => control.min(treated) as f64,
            Self::Harmonic if control == 0 || treated == 0 => 0.0,
            Self::Harmonic => 2.0 * (control as f64) * (treated as f64) / (control as f64 + treated as f64),
        }
    }
}

/// A look at an experiment, as planned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Boundary {
    /// The fraction of the plan at which the look is taken, from 0.01 to 1.
    pub fraction: f64,
    /// A z statistic at or beyond this one, up or down, ends the experiment.
    pub boundary: f64,
}

/// The plan of one comparison. It is made before the experiment and does not change afterwards.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    units: u32,
    alpha: f64,
    progress: Progress,
    looks: Vec<Boundary>,
}

/// Why a plan cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PlanError {
    /// Fewer than two units an arm.
    #[error("a plan needs at least two units an arm")]
    TooFewUnits,
    /// The error is not above 0 and below 0.5.
    #[error("the error of a plan must be above 0 and below 0.5")]
    BadAlpha,
    /// The looks are not increasing, start before 0.01 or do not end at 1.
    #[error("the looks of a plan must increase, from 0.01 at the least to exactly 1")]
    BadLooks,
}

impl Plan {
    /// A plan with the default looks and measure of progress.
    ///
    /// `units` is the planned number of units an arm; `alpha` the two-sided error of this comparison. With several
    /// treated arms give each comparison its share of it (Bonferroni).
    pub fn new(units: u32, alpha: f64) -> Result<Self, PlanError> {
        Self::with_looks(units, alpha, &DEFAULT_LOOKS, Progress::default())
    }

    /// A plan with looks at chosen fractions of the planned units. The boundaries spend `alpha` after the function of
    /// Lan & DeMets (1983) of O'Brien-Fleming type.
    pub fn with_looks(units: u32, alpha: f64, looks: &[f64], progress: Progress) -> Result<Self, PlanError> {
        if units < 2 {
            return Err(PlanError::TooFewUnits);
        }
        if !(alpha > 0.0 && alpha < 0.5) {
            return Err(PlanError::BadAlpha);
        }
        let increasing = looks.iter().zip(looks.iter().skip(1)).all(|(a, b)| a < b);
        let from_to = looks.first().is_some_and(|first| *first >= EARLIEST) && looks.last() == Some(&1.0);
        if !(increasing && from_to) {
            return Err(PlanError::BadLooks);
        }
        let spent: Vec<f64> = looks.iter().map(|&fraction| obrien_fleming(alpha, fraction)).collect();
        let limits = boundaries(looks, &spent);
        let looks = looks.iter().zip(limits).map(|(&fraction, boundary)| Boundary { fraction, boundary }).collect();
        Ok(Self { units, alpha, progress, looks })
    }

    /// The planned units an arm.
    pub fn units(&self) -> u32 {
        self.units
    }

    /// The two-sided error of the comparison.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// How progress is measured.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The planned looks, in order; the last is at fraction 1.
    pub fn looks(&self) -> &[Boundary] {
        &self.looks
    }

    /// The fraction of the plan that is done; above 1 when there is more data than planned.
    pub fn fraction(&self, control: u64, treated: u64) -> f64 {
        self.progress.size(control, treated) / f64::from(self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(Progress::Harmonic.size(100, 100), 100.0);
        assert!((Progress::Harmonic.size(100, 300) - 150.0).abs() < 1e-12);
        assert_eq!(Progress::Harmonic.size(0, 0), 0.0);
        assert_eq!(Progress::SmallerArm.size(100, 300), 100.0);
        assert_eq!(Plan::new(400, 0.05).unwrap().fraction(40, 44), 0.1);
    }

    #[test]
    fn default_boundaries_fall_and_end_near_the_ordinary_test() {
        let plan = Plan::new(DEFAULT_UNITS, 0.05).unwrap();
        assert!(plan.looks().windows(2).all(|w| w[0].boundary > w[1].boundary));
        let last = plan.looks().last().unwrap();
        assert!((last.boundary - 1.982).abs() < 5e-4, "{last:?}");
        let equal = Plan::with_looks(400, 0.05, &EQUAL_LOOKS, Progress::Harmonic).unwrap();
        assert!((equal.looks()[0].boundary - 6.991).abs() < 5e-4);
        assert!((equal.looks()[9].boundary - 2.081).abs() < 5e-4);
    }

    #[test]
    fn bonferroni_makes_wider_boundaries() {
        let (one, three) = (Plan::new(400, 0.05).unwrap(), Plan::new(400, 0.05 / 3.0).unwrap());
        assert!(one.looks().iter().zip(three.looks()).all(|(a, b)| a.boundary < b.boundary));
    }

    #[test]
    fn impossible_plans_are_refused() {
        let error = |units, alpha, looks: &[f64]| Plan::with_looks(units, alpha, looks, Progress::Harmonic).err();
        assert_eq!(error(1, 0.05, &[1.0]), Some(PlanError::TooFewUnits));
        for alpha in [0.0, -1.0, 0.5, f64::NAN] {
            assert_eq!(error(400, alpha, &[1.0]), Some(PlanError::BadAlpha));
        }
        let bad: [&[f64]; 6] = [&[], &[0.5], &[0.5, 0.5, 1.0], &[0.0, 1.0], &[0.5, f64::NAN, 1.0], &[0.5, 1.0, 1.1]];
        for looks in bad {
            assert_eq!(error(400, 0.05, looks), Some(PlanError::BadLooks), "{looks:?}");
        }
        assert!(PlanError::BadLooks.to_string().contains("0.01"));
    }
}

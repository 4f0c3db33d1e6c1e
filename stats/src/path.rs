//! The sequential test as a walk over the data in order.

use super::moments::Moments;
use super::observation::Unit;
use super::plan::{Boundary, Plan};
use super::welch::{Interval, Welch};
use serde::{Deserialize, Serialize};

/// Slack for the comparison of fractions, against rounding.
const SLACK: f64 = 1e-9;

/// What a comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// No boundary was crossed yet and the plan is not full.
    Running,
    /// The treated arm has the higher mean.
    TreatedHigher,
    /// The treated arm has the lower mean.
    TreatedLower,
    /// The plan is full and no boundary was crossed: no difference was found, which does not prove that there is none.
    NoDifference,
}

/// A look that was taken, with the data that were there at that time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The number of the look in the plan, from 1.
    pub number: usize,
    /// The planned fraction of the look.
    pub fraction: f64,
    /// The boundary of the look, in standard errors.
    pub boundary: f64,
    /// The effect in standard errors, as the normal with the p value of Welch's t; nothing without variance.
    pub z: Option<f64>,
    /// mean(treated) - mean(control) at the look, if it had a standard error.
    pub effect: Option<f64>,
    /// The repeated confidence interval: effect -/+ boundary * standard error, with the boundary on the scale of
    /// Welch's t. The intervals of all looks together cover the true effect with probability 1 - alpha (Jennison &
    /// Turnbull 1989, Journal of the Royal Statistical Society B 51), and this one leaves out 0 just when z crosses.
    pub interval: Option<Interval>,
}

/// The state of a sequential comparison after some observations.
#[derive(Debug)]
pub(super) struct Path<'p> {
    plan: &'p Plan,
    /// The control arm so far.
    pub(super) control: Moments,
    /// The treated arm so far.
    pub(super) treated: Moments,
    /// The number of looks that are behind us.
    passed: usize,
    last: Option<(usize, Boundary, Option<Welch>)>,
    crossed: Option<Decision>,
}

impl<'p> Path<'p> {
    /// A comparison without data.
    pub(super) fn new(plan: &'p Plan) -> Self {
        let (control, treated) = (Moments::default(), Moments::default());
        Self { plan, control, treated, passed: 0, last: None, crossed: None }
    }

    /// Adds a value to a unit of the treated or the control arm, and looks if the time has come.
    pub(super) fn add(&mut self, treated: bool, unit: &mut Unit, value: f64) {
        let arm = if treated { &mut self.treated } else { &mut self.control };
        if arm.add(unit, value) && !self.is_over() {
            self.look();
        }
    }

    /// The fraction of the plan that is done.
    pub(super) fn fraction(&self) -> f64 {
        self.plan.fraction(self.control.units(), self.treated.units())
    }

    /// Whether no later data can change the decision.
    pub(super) fn is_over(&self) -> bool {
        self.crossed.is_some() || self.passed >= self.plan.looks().len()
    }

    /// Takes the latest look whose fraction is reached and that was not taken yet. When a small plan reaches several
    /// at once only the latest is taken, which spends less error than planned and never more.
    fn look(&mut self) {
        let reached = self.fraction() + SLACK;
        let due = self.plan.looks().iter().enumerate().skip(self.passed).take_while(|(_, l)| l.fraction <= reached);
        let Some((index, planned)) = due.last() else { return };
        let welch = Welch::new(&self.control, &self.treated);
        self.passed = index + 1;
        self.last = Some((self.passed, *planned, welch));
        self.crossed = welch.map(|w| w.z()).and_then(|z| {
            (z.abs() >= planned.boundary).then_some(if z > 0.0 {
                Decision::TreatedHigher
            } else {
                Decision::TreatedLower
            })
        });
    }

    /// What the data say so far. Nothing if they cannot be tested: an arm has fewer than two units, or there is no
    /// variance; when the plan is full the data of the last look count, before that all data so far.
    pub(super) fn decision(&self) -> Option<Decision> {
        if self.crossed.is_some() {
            return self.crossed;
        }
        if self.is_over() {
            return self.last.and_then(|(_, _, welch)| welch).map(|_| Decision::NoDifference);
        }
        Welch::new(&self.control, &self.treated).map(|_| Decision::Running)
    }

    /// The number of the look at which the test ended, by crossing or with the plan full.
    pub(super) fn ended_at(&self) -> Option<usize> {
        if self.is_over() { self.last.map(|(number, _, _)| number) } else { None }
    }

    /// The last look that was taken.
    pub(super) fn last_look(&self) -> Option<Look> {
        self.last.map(|(number, planned, welch)| Look {
            number,
            fraction: planned.fraction,
            boundary: planned.boundary,
            z: welch.map(|w| w.z()),
            effect: welch.map(|w| w.effect),
            interval: welch.and_then(|w| w.interval(planned.boundary)),
        })
    }

    /// The look to come, if the test is not over.
    pub(super) fn next_look(&self) -> Option<Boundary> {
        if self.is_over() { None } else { self.plan.looks().get(self.passed).copied() }
    }
}

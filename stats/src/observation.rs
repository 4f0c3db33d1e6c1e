//! What was measured, and the units that it was measured on.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One measured value of an experiment.
///
/// A unit is what was assigned to an arm: a user, or a question. It belongs to one arm and may have many observations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Who was assigned.
    pub unit: u64,
    /// The number of the arm that the unit is in.
    pub arm: usize,
    /// The measured value, in the unit of measurement of the metric; it must be finite to count.
    pub value: f64,
}

/// What is known of one unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    /// The arm of its first observation.
    pub(super) arm: usize,
    /// The sum of its values, each less the shift of its arm (see `Moments`).
    pub(super) sum: f64,
    /// The number of its observations.
    pub(super) count: f64,
}

impl Unit {
    /// A unit without observations yet.
    pub(super) fn new(arm: usize) -> Self {
        Self { arm, sum: 0.0, count: 0.0 }
    }
}

/// The units seen so far. A unit stays in the arm of its first observation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    units: HashMap<u64, Unit>,
}

impl Ledger {
    /// The unit of an observation, or nothing if the observation must be left out: its value is not finite, or it says
    /// another arm than the first observation of the unit.
    pub(super) fn unit(&mut self, observation: &Observation) -> Option<&mut Unit> {
        if !observation.value.is_finite() {
            return None;
        }
        let unit = self.units.entry(observation.unit).or_insert_with(|| Unit::new(observation.arm));
        (unit.arm == observation.arm).then_some(unit)
    }
}

/// The number of different units in each of the arms 0 to `arms` - 1, for the split check. A unit counts in the arm of
/// its first observation; arms beyond are left out.
///
/// A split check is about assignment: where assignments are stored apart from outcomes, count those instead.
pub fn count_units(observations: &[Observation], arms: usize) -> Vec<u64> {
    let mut ledger = Ledger::default();
    let mut counts = vec![0; arms];
    for observation in observations {
        if let Some(unit) = ledger.unit(observation) {
            if unit.count == 0.0
                && let Some(count) = counts.get_mut(unit.arm)
            {
                *count += 1;
            }
            unit.count += 1.0;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_count_once_and_in_their_first_arm() {
        let seen = [(1, 0, 1.0), (1, 0, 0.0), (2, 1, 1.0), (1, 1, 1.0), (3, 7, 1.0), (4, 1, f64::NAN), (4, 0, 2.0)];
        let seen = seen.map(|(unit, arm, value)| Observation { unit, arm, value });
        assert_eq!(count_units(&seen, 2), [2, 1]);
        assert_eq!(count_units(&[], 2), [0, 0]);
    }
}

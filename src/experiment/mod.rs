//! What came of experiments: by arm and by measure, with a test that may be looked at at any time.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use stats::{Comparison, DEFAULT_ALPHA, Observation, Plan, Split, compare, split_check};

use crate::config::{ExperimentSpec, Metric, Unit};
use crate::store::{Outcome, Store, StoreError};

/// All experiments that are declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiments {
    /// By name.
    pub experiments: Vec<ExperimentReport>,
}

/// What came of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentReport {
    /// Its name.
    pub name: String,
    /// Whether nobody is assigned for now.
    pub paused: bool,
    /// Who is assigned.
    pub unit: Unit,
    /// What it is decided by.
    pub metric: Metric,
    /// After how many units in each arm it is over.
    pub units_per_arm: u32,
    /// The share of all units that takes part.
    pub share: f64,
    /// The arms, the control first.
    pub arms: Vec<ArmReport>,
    /// Whether the arms have the sizes that their weights ask for.
    pub split: Split,
    /// What the reader must know before anything else: that the split is off, for one.
    pub warnings: Vec<String>,
    /// Each arm but the control, by each measure; the one that decides comes first.
    pub comparisons: Vec<Compared>,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmReport {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: f64,
    /// What it sets.
    pub set: serde_json::Map<String, serde_json::Value>,
    /// How many units were assigned to it.
    pub units: u64,
    /// How many questions were asked in it.
    pub answers: u64,
}

/// An arm held against the control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The arm's name.
    pub arm: String,
    /// The measure.
    pub metric: Metric,
    /// What the numbers say. Only the measure that the experiment is decided by has an error that holds over all arms; of the others it
    /// is that of each comparison.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// The report of each of these experiments.
///
/// # Errors
/// When the store fails.
pub async fn report(experiments: &[ExperimentSpec], store: &Store) -> Result<Experiments, StoreError> {
    let mut reports = Vec::with_capacity(experiments.len());
    for experiment in experiments {
        reports.push(ExperimentReport::of(experiment, &store.outcomes(&experiment.name).await?));
    }
    Ok(Experiments { experiments: reports })
}

impl ExperimentReport {
    /// The report of an experiment of which this came, in the order of time.
    #[must_use]
    pub fn of(spec: &ExperimentSpec, outcomes: &[Outcome]) -> Self {
        let arm_of = |outcome: &Outcome| spec.arms.iter().position(|arm| arm.name == outcome.arm);
        let mut units: HashMap<&str, (u64, usize)> = HashMap::new();
        let mut answers = vec![0_u64; spec.arms.len()];
        let mut strays = 0_usize;
        for outcome in outcomes {
            let Some(arm) = arm_of(outcome) else {
                strays += 1;
                continue;
            };
            let number = units.len() as u64;
            units.entry(&outcome.unit).or_insert((number, arm));
            answers.get_mut(arm).into_iter().for_each(|count| *count += 1);
        }
        let sizes: Vec<u64> =
            (0..spec.arms.len()).map(|arm| units.values().filter(|(_, of)| *of == arm).count() as u64).collect();
        let weights: Vec<f64> = spec.arms.iter().map(|arm| arm.weight).collect();
        let split = split_check(&sizes, &weights);
        let observations = |metric: Metric| -> Vec<Observation> {
            let observed = outcomes.iter().filter_map(|outcome| {
                let (arm, (unit, _)) = (arm_of(outcome)?, units.get(outcome.unit.as_str())?);
                Some(Observation { unit: *unit, arm, value: value_of(outcome, metric)? })
            });
            observed.collect()
        };
        let comparisons = compared(spec, observations);
        let arms = spec.arms.iter().zip(sizes.iter().zip(answers)).map(|(arm, (units, answers))| ArmReport {
            name: arm.name.clone(),
            weight: arm.weight,
            set: arm.set.iter().map(|(name, value)| (name.clone(), serde_json::json!(value))).collect(),
            units: *units,
            answers,
        });
        Self {
            name: spec.name.clone(),
            paused: spec.paused,
            unit: spec.unit,
            metric: spec.metric,
            units_per_arm: spec.units_per_arm,
            share: spec.share,
            arms: arms.collect(),
            warnings: warnings(&split, strays, &comparisons),
            split,
            comparisons,
        }
    }
}

/// Each arm but the control by each measure, the one that decides first.
fn compared(spec: &ExperimentSpec, observations: impl Fn(Metric) -> Vec<Observation>) -> Vec<Compared> {
    let treated = spec.arms.len().saturating_sub(1).max(1);
    let others = Metric::ALL.into_iter().filter(|metric| *metric != spec.metric);
    let mut comparisons = Vec::new();
    for metric in std::iter::once(spec.metric).chain(others) {
        #[allow(clippy::cast_precision_loss, reason = "a count of arms")]
        let alpha = if metric == spec.metric { DEFAULT_ALPHA / treated as f64 } else { DEFAULT_ALPHA };
        // A plan that cannot be is refused where experiments are declared.
        let Ok(plan) = Plan::new(spec.units_per_arm, alpha) else { continue };
        let observed = observations(metric);
        for (place, arm) in spec.arms.iter().enumerate().skip(1) {
            let comparison = compare(&observed, 0, place, &plan);
            comparisons.push(Compared { arm: arm.name.clone(), metric, comparison });
        }
    }
    comparisons
}

fn warnings(split: &Split, strays: usize, comparisons: &[Compared]) -> Vec<String> {
    let mut warnings = Vec::new();
    if split.warn {
        let p = split.p_value.unwrap_or_default();
        warnings.push(format!(
            "The arms do not have the sizes that their weights ask for (sample ratio mismatch, p = {p:.1e}): do not trust any \
             difference before the cause is known, such as weights that were changed while it ran."
        ));
    }
    if strays > 0 {
        warnings.push(format!("{strays} answers are of arms that are not declared any more, and are left out."));
    }
    if let Some(ignored) =
        comparisons.iter().map(|compared| compared.comparison.ignored).max().filter(|count| *count > 0)
    {
        warnings.push(format!("{ignored} answers are of units that were in another arm before, and are left out."));
    }
    warnings
}

/// What an answer counts by a measure; none where that is not known.
fn value_of(outcome: &Outcome, metric: Metric) -> Option<f64> {
    match metric {
        Metric::Helpful => outcome.helpful,
        Metric::Answered => outcome.answered.map(|answered| f64::from(u8::from(answered))),
        Metric::Support => outcome.support,
        Metric::CostUsd => outcome.cost_usd,
        Metric::LatencyMs => outcome.latency_ms,
    }
}

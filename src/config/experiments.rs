//! `[experiments.NAME]`: what is tried out on answers, on whom, and until when.

use serde::Deserialize;
use toml::{Table, Value};

use super::layers::{Layers, Origin};
use super::{ConfigError, Settings, check_name};

/// The settings that an arm may change: how answers are searched for, written and checked. Others are of the whole program.
pub const ARM_SETTINGS: [&str; 14] = [
    "llm.policy",
    "llm.order",
    "llm.max_output_tokens",
    "llm.deepseek.model",
    "llm.deepseek.strong_model",
    "llm.openai.model",
    "llm.openai.strong_model",
    "agent.evidence_tokens",
    "agent.rounds",
    "agent.judge",
    "agent.entailment",
    "agent.repair",
    "agent.dense_weight",
    "agent.instructions",
];

/// Who is assigned to an arm, and keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Whoever asks, as the request's `user` names them; a question without a user is a unit of its own.
    #[default]
    User,
    /// The question, by its words.
    Question,
}

/// What an experiment is decided by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The share of the rated answers that were found helpful.
    #[default]
    Helpful,
    /// The share of the questions that were answered.
    Answered,
    /// How well the sentences that stand are supported, 0 to 1.
    Support,
    /// US dollars an answer.
    CostUsd,
    /// Milliseconds to the whole answer.
    LatencyMs,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Helpful, Self::Answered, Self::Support, Self::CostUsd, Self::LatencyMs];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Helpful => "helpful",
            Self::Answered => "answered",
            Self::Support => "support",
            Self::CostUsd => "cost_usd",
            Self::LatencyMs => "latency_ms",
        }
    }
}

/// An arm: what is set otherwise than elsewhere.
#[derive(Debug, Clone)]
pub struct ArmSpec {
    /// Its name.
    pub name: String,
    /// Its share of the units, beside the weights of the others.
    pub weight: f64,
    /// What it sets, as it is written.
    pub set: Vec<(String, Value)>,
    /// All settings as they are in it.
    pub settings: Settings,
}

/// An experiment as `lectern.toml` declares it.
#[derive(Debug, Clone)]
pub struct ExperimentSpec {
    /// Its name.
    pub name: String,
    /// Who is assigned.
    pub unit: Unit,
    /// What it is decided by.
    pub metric: Metric,
    /// After how many units in each arm it is over.
    pub units_per_arm: u32,
    /// The share of all units that takes part.
    pub share: f64,
    /// Whether nobody is assigned for now.
    pub paused: bool,
    /// The arms; the first is the one that the others are compared with.
    pub arms: Vec<ArmSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    unit: Unit,
    #[serde(default)]
    metric: Metric,
    #[serde(default = "usual_units")]
    units_per_arm: u32,
    #[serde(default = "all")]
    share: f64,
    #[serde(default)]
    paused: bool,
    #[serde(default = "usual_control")]
    control: String,
    arms: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireArm {
    #[serde(default = "all")]
    weight: f64,
    #[serde(default)]
    set: Table,
}

fn usual_units() -> u32 {
    stats::DEFAULT_UNITS
}

fn all() -> f64 {
    1.0
}

fn usual_control() -> String {
    "control".to_owned()
}

impl ExperimentSpec {
    /// An experiment of the configuration file, over what is set elsewhere.
    pub(super) fn from_table(name: &str, table: &Table, origin: &Origin, layers: &Layers) -> Result<Self, ConfigError> {
        let bad =
            |reason: String| ConfigError::BadExperiment { name: name.to_owned(), reason, origin: origin.to_string() };
        check_name(name).map_err(|reason| bad(reason.replace("a job's name", "its name")))?;
        let read = Value::Table(table.clone()).try_into();
        let Wire { unit, metric, units_per_arm, share, paused, control, arms: written } =
            read.map_err(|fault: toml::de::Error| bad(fault.message().to_owned()))?;
        if units_per_arm < 2 {
            return Err(bad("`units_per_arm` must be 2 or more".to_owned()));
        }
        if !(share > 0.0 && share <= 1.0) {
            return Err(bad("`share` must be more than 0 and at most 1".to_owned()));
        }
        if written.len() < 2 || !written.contains_key(&control) {
            let told = "it needs two arms or more, one of them named as `control` says (`control` by default)";
            return Err(bad(told.to_owned()));
        }
        let mut arms = Vec::with_capacity(written.len());
        for (arm, value) in written {
            check_name(&arm)
                .map_err(|reason| bad(reason.replace("a job's name", &format!("the name of arm `{arm}`"))))?;
            arms.push(ArmSpec::read(arm, value, origin, layers).map_err(|fault| match fault {
                Fault::Told(reason) => bad(reason),
                Fault::Setting(fault) => fault,
            })?);
        }
        arms.sort_by_key(|arm| arm.name != control);
        Ok(Self { name: name.to_owned(), unit, metric, units_per_arm, share, paused, arms })
    }
}

enum Fault {
    Told(String),
    Setting(ConfigError),
}

impl ArmSpec {
    fn read(name: String, value: Value, origin: &Origin, layers: &Layers) -> Result<Self, Fault> {
        let told = |reason: String| Fault::Told(format!("arm `{name}`: {reason}"));
        let wire: WireArm = value.try_into().map_err(|fault: toml::de::Error| told(fault.message().to_owned()))?;
        if !(wire.weight.is_finite() && wire.weight > 0.0) {
            return Err(told("`weight` must be more than 0".to_owned()));
        }
        let mut layers = layers.clone();
        let set: Vec<(String, Value)> = super::layers::flatten(&wire.set);
        for (setting, value) in &set {
            if !ARM_SETTINGS.contains(&setting.as_str()) {
                let known = ARM_SETTINGS.join(", ");
                return Err(told(format!("`{setting}` cannot differ between arms; what can: {known}")));
            }
            layers.set(setting, value.clone(), origin.clone()).map_err(Fault::Setting)?;
        }
        let settings = super::typed(&layers).map_err(Fault::Setting)?;
        Ok(Self { name, weight: wire.weight, set, settings })
    }
}

/// Checks that all running experiments together take no more units than there are.
///
/// # Errors
/// The name of the first for which there is no room.
pub(super) fn check_shares(experiments: &[ExperimentSpec]) -> Result<(), String> {
    const ROUNDING: f64 = 1e-9;
    let mut taken = 0.0;
    for experiment in experiments.iter().filter(|experiment| !experiment.paused) {
        taken += experiment.share;
        if taken > 1.0 + ROUNDING {
            return Err(experiment.name.clone());
        }
    }
    Ok(())
}

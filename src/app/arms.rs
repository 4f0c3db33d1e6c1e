//! The arms of the experiments that are running: who is assigned to which, and who answers there.

use sha2::{Digest, Sha256};

use super::{AppError, agent_of};
use crate::agent::Agent;
use crate::agent::answer::{Assigned, Question};
use crate::config::{Config, ExperimentSpec, Settings, Unit};

/// The agents of all arms, made once.
#[derive(Clone, Default)]
pub struct Arms(Vec<(ExperimentSpec, Vec<Agent>)>);

impl Arms {
    /// The arms of a configuration, each with an agent like `usual` but for what it sets.
    pub(super) fn of(config: &Config, usual: &Agent) -> Result<Self, AppError> {
        let mut arms = Vec::with_capacity(config.experiments.len());
        for experiment in &config.experiments {
            let agents = experiment.arms.iter().map(|arm| {
                let own_models = arm.set.iter().any(|(setting, _)| setting.starts_with("llm."));
                let settings: &Settings = &arm.settings;
                let config = Config { settings: settings.clone(), ..config.clone() };
                let agent = agent_of(&config, usual.library.clone(), usual.desk.clock)?;
                // Those who are asked by several are the same ones, so that what one learns of a provider all know.
                let agent = if own_models { agent } else { agent.with_models(usual.desk.models.clone()) };
                Ok(Agent { routing: usual.routing.clone(), memory: usual.memory.clone(), ..agent })
            });
            arms.push((experiment.clone(), agents.collect::<Result<Vec<_>, AppError>>()?));
        }
        Ok(Self(arms))
    }

    /// The arm of whoever asks, and of what; none where no experiment takes them.
    pub(super) fn assign(&self, question: &Question, user: Option<&str>) -> Option<Assigned> {
        // One unit is in one experiment at most: what two change at once is changed by neither.
        let running = || self.0.iter().map(|(experiment, _)| experiment).filter(|experiment| !experiment.paused);
        let experiment = [Unit::User, Unit::Question].into_iter().find_map(|unit| {
            let place = share_of("experiment", &unit_of(unit, question, user));
            let mut from = 0.0;
            running().find(|experiment| {
                let begins = from;
                from += experiment.share;
                experiment.unit == unit && (begins..from).contains(&place)
            })
        })?;
        let unit = unit_of(experiment.unit, question, user);
        let all: f64 = experiment.arms.iter().map(|arm| arm.weight).sum();
        let mut place = share_of(&experiment.name, &unit) * all;
        let arm = experiment.arms.iter().find(|arm| {
            place -= arm.weight;
            place < 0.0
        });
        let arm = arm.or(experiment.arms.last())?;
        let unit = hex(&Sha256::digest(unit.as_bytes()));
        Some(Assigned { experiment: experiment.name.clone(), arm: arm.name.clone(), unit })
    }

    /// Who answers in an arm; none for one that is not declared any more.
    pub(super) fn agent(&self, assigned: &Assigned) -> Option<&Agent> {
        let (experiment, agents) = self.0.iter().find(|(experiment, _)| experiment.name == assigned.experiment)?;
        let named = experiment.arms.iter().zip(agents);
        named.into_iter().find(|(arm, _)| arm.name == assigned.arm).map(|(_, agent)| agent)
    }
}

/// Who or what is assigned. The question's words in small letters, so that it is the same one however it is typed.
fn unit_of(unit: Unit, question: &Question, user: Option<&str>) -> String {
    match (unit, user.map(str::trim).filter(|user| !user.is_empty())) {
        (Unit::User, Some(user)) => format!("user\0{user}"),
        _ => {
            let words: Vec<String> = question.text().split_whitespace().map(str::to_lowercase).collect();
            format!("question\0{}", words.join(" "))
        }
    }
}

/// A number from 0 to below 1 that is always the same for the same two texts, and evenly spread over texts.
fn share_of(salt: &str, unit: &str) -> f64 {
    const BITS: u32 = 52;
    let digest = Sha256::digest(format!("{salt}\0{unit}").as_bytes());
    let first = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    #[allow(clippy::cast_precision_loss, reason = "52 bits are exact")]
    let share = (first >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64;
    share
}

fn hex(digest: &[u8]) -> String {
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::answer::AskMode;
    use crate::config::Environment;

    fn arms(toml: &str) -> Vec<ExperimentSpec> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lectern.toml"), toml).unwrap();
        Config::load(Some(folder.path()), None, &Environment::of(&[]), &[]).unwrap().experiments
    }

    fn of(experiments: Vec<ExperimentSpec>) -> Arms {
        Arms(experiments.into_iter().map(|experiment| (experiment, Vec::new())).collect())
    }

    fn question(text: &str) -> Question {
        Question::new(text, AskMode::Auto, index::Filter::default()).unwrap()
    }

    #[test]
    fn a_user_keeps_the_arm_and_users_are_spread_as_the_weights_say() {
        let arms = of(arms("[experiments.a]\narms.control = { weight = 3 }\narms.other = {}\n"));
        let mut control = 0;
        for user in 0..2_000 {
            let user = format!("user {user}");
            let one = arms.assign(&question("One?"), Some(&user)).unwrap();
            assert_eq!(arms.assign(&question("Quite another?"), Some(&user)), Some(one.clone()), "sticky");
            assert_eq!((one.experiment.as_str(), one.unit.len()), ("a", 32));
            assert!(!one.unit.contains("user"), "a hash");
            control += i32::from(one.arm == "control");
        }
        assert!((1_440..1_560).contains(&control), "{control} of 2000, where 1500 are due");
        let typed = arms.assign(&question("What is  BERT?"), None);
        assert_eq!(typed, arms.assign(&question("what is bert?"), None), "without a user the question is the unit");
    }

    #[test]
    fn nobody_is_in_two_experiments_and_shares_hold() {
        let toml = "[experiments.a]\nshare = 0.25\narms.control = {}\narms.b = {}\n\
                    [experiments.c]\nshare = 0.5\narms.control = {}\narms.b = {}\n\
                    [experiments.d]\npaused = true\narms.control = {}\narms.b = {}\n";
        let arms = of(arms(toml));
        let mut counts = std::collections::BTreeMap::<_, i32>::new();
        for user in 0..2_000 {
            let assigned = arms.assign(&question("One?"), Some(&user.to_string()));
            *counts.entry(assigned.map(|assigned| assigned.experiment)).or_default() += 1;
        }
        let near = |of: Option<&str>, due: i32| (counts[&of.map(str::to_owned)] - due).abs() < 80;
        assert!(near(Some("a"), 500) && near(Some("c"), 1_000) && near(None, 500) && counts.len() == 3, "{counts:?}");
    }
}

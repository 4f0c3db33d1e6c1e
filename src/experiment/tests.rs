use stats::Decision;

use super::*;
use crate::config::{Config, Environment};

fn spec(toml: &str) -> ExperimentSpec {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lectern.toml"), toml).unwrap();
    Config::load(Some(folder.path()), None, &Environment::of(&[]), &[]).unwrap().experiments.remove(0)
}

fn outcome(arm: &str, unit: usize, answered: bool) -> Outcome {
    Outcome {
        arm: arm.into(),
        unit: unit.to_string(),
        answered: Some(answered),
        support: answered.then_some(0.9),
        cost_usd: Some(0.001),
        latency_ms: Some(10.0),
        helpful: None,
    }
}

const TWO: &str = "[experiments.rounds]\nmetric = \"answered\"\nunits_per_arm = 100\narms.control = {}\n\
                   arms.more = { set = { agent.rounds = 4 } }\n";

#[test]
fn an_arm_that_is_better_is_called_so_and_the_rest_is_told_beside_it() {
    let spec = spec(TWO);
    let outcomes: Vec<Outcome> = (0..200)
        .map(|at| if at % 2 == 0 { outcome("control", at, at % 4 == 0) } else { outcome("more", at, at % 20 != 1) })
        .collect();
    let report = ExperimentReport::of(&spec, &outcomes);
    let arms: Vec<(&str, u64, u64)> =
        report.arms.iter().map(|arm| (arm.name.as_str(), arm.units, arm.answers)).collect();
    assert_eq!(arms, [("control", 100, 100), ("more", 100, 100)]);
    assert_eq!(report.arms[1].set["agent.rounds"], 4);
    let first = &report.comparisons[0];
    assert_eq!((first.metric, first.arm.as_str()), (Metric::Answered, "more"));
    let comparison = &first.comparison;
    assert_eq!(comparison.decision, Some(Decision::TreatedHigher));
    assert!((comparison.effect.unwrap() - 0.4).abs() < 1e-9, "{comparison:?}");
    assert!(comparison.interval.unwrap().low > 0.25 && comparison.fraction >= 1.0);
    let others: Vec<Metric> = report.comparisons.iter().skip(1).map(|compared| compared.metric).collect();
    assert_eq!(others, [Metric::Helpful, Metric::Support, Metric::CostUsd, Metric::LatencyMs]);
    let helpful = &report.comparisons[1].comparison;
    assert_eq!((helpful.effect, helpful.decision), (None, None), "nobody has said so");
    assert_eq!((report.split.warn, report.warnings.len()), (false, 0));
    let written = serde_json::to_string(&report).unwrap();
    let read: ExperimentReport = serde_json::from_str(&written).unwrap();
    assert_eq!((read.arms, read.comparisons.len()), (report.arms, 5), "a command shows what a server reports");
}

#[test]
fn a_split_that_is_off_and_answers_that_belong_nowhere_are_warned_of() {
    let spec = spec(TWO);
    let mut outcomes: Vec<Outcome> = (0..90).map(|at| outcome("control", at, true)).collect();
    outcomes.extend((90..120).map(|at| outcome("more", at, true)));
    outcomes.push(outcome("more", 5, true));
    outcomes.push(outcome("gone", 7, true));
    let report = ExperimentReport::of(&spec, &outcomes);
    assert_eq!((report.arms[0].units, report.arms[1].units, report.split.warn), (90, 30, true));
    let [split, stray, moved] = report.warnings.as_slice() else { panic!("{:?}", report.warnings) };
    assert!(split.contains("sample ratio mismatch, p = 4.3e-8"), "{split}");
    assert!(
        stray.starts_with("1 answers are of arms") && moved.starts_with("1 answers are of units"),
        "{stray} {moved}"
    );
}

#[test]
fn each_of_several_arms_has_its_share_of_the_error() {
    let three = spec(
        "[experiments.three]\nmetric = \"answered\"\nunits_per_arm = 100\ncontrol = \"b\"\narms.a = {}\narms.b = {}\narms.c = {}\n",
    );
    assert_eq!(three.arms.iter().map(|arm| arm.name.as_str()).collect::<Vec<_>>(), ["b", "a", "c"]);
    let half: Vec<Outcome> = (0..300).map(|at| outcome(["a", "b", "c"][at % 3], at, at % 2 == 0)).collect();
    let boundary = |spec: &ExperimentSpec, outcomes: &[Outcome]| {
        ExperimentReport::of(spec, outcomes).comparisons[0].comparison.last_look.unwrap().boundary
    };
    let two: Vec<Outcome> = (0..200).map(|at| outcome(["control", "more"][at % 2], at, at % 3 == 0)).collect();
    assert!(boundary(&three, &half) > boundary(&spec(TWO), &two) + 0.2);
}

#[test]
fn what_is_wrong_with_an_experiment_is_told_with_its_name() {
    let load = |toml: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lectern.toml"), toml).unwrap();
        Config::load(Some(folder.path()), None, &Environment::of(&[]), &[]).map(|_| ()).unwrap_err().to_string()
    };
    let arms = "arms.control = {}\narms.b = ";
    for (toml, told) in [
        ("[experiments.x]\narms.control = {}\n".to_owned(), "it needs two arms or more"),
        ("[experiments.x]\narms.a = {}\narms.b = {}\n".to_owned(), "one of them named as `control` says"),
        (format!("[experiments.x]\nshare = 1.5\n{arms}{{}}\n"), "`share` must be more than 0 and at most 1"),
        (format!("[experiments.x]\nunits_per_arm = 1\n{arms}{{}}\n"), "`units_per_arm` must be 2 or more"),
        (format!("[experiments.x]\n{arms}{{ weight = 0 }}\n"), "arm `b`: `weight` must be more than 0"),
        (
            format!("[experiments.x]\n{arms}{{ set = {{ server.addr = \"x\" }} }}\n"),
            "`server.addr` cannot differ between arms",
        ),
        (
            format!("[experiments.x]\n{arms}{{ set = {{ agent.rounds = \"x\" }} }}\n"),
            "`agent.rounds` must be a whole number",
        ),
        (
            format!("[experiments.x]\n{arms}{{ set = {{ agent.rounds = 0 }} }}\n"),
            "`agent.rounds` is `0`, but must be more than 0",
        ),
        (format!("[experiments.x]\nunits = 3\n{arms}{{}}\n"), "unknown field `units`"),
        (format!("[experiments.\"A b\"]\n{arms}{{}}\n"), "its name is 1 to 64"),
        (format!("[experiments.x]\n{arms}{{}}\n[experiments.y]\n{arms}{{}}\n"), "together are more than 1"),
        ("experiments = 3\n".to_owned(), "`experiments` must be a table with the fields of an experiment"),
    ] {
        let fault = load(&toml);
        assert!(fault.contains(told), "{fault}");
    }
}

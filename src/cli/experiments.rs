//! `experiments` and `feedback`.

use std::fmt::Write;

use clap::Subcommand;
use serde::Serialize;
use stats::{DEFAULT_ALPHA, DEFAULT_UNITS, Decision, Plan, Simulation, simulate};

use super::output::Output;
use super::reach::{Reached, reach};
use super::{Outcome, Usage};
use crate::config::{Config, Metric};
use crate::eval::suite_of_opinions;
use crate::experiment::{Compared, ExperimentReport, Experiments, report};

/// What to do with experiments.
#[derive(Debug, Subcommand)]
pub enum ExperimentsCommand {
    /// What came of them: each arm against the control, with a test that may be looked at at any time
    Report {
        /// Only this one
        name: Option<String>,
    },
    /// How often the test calls a difference when the truth is known
    Simulate {
        /// The rate of the control arm, 0 to 1
        #[arg(long, default_value_t = 0.7)]
        control: f64,
        /// The rate of the other arm
        #[arg(long, default_value_t = 0.8)]
        treated: f64,
        /// Units in each arm
        #[arg(long, default_value_t = DEFAULT_UNITS)]
        units: u32,
        /// Experiments to simulate
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        runs: u32,
        /// Where the random numbers begin; the same seed gives the same experiments
        #[arg(long, default_value_t = 2026)]
        seed: u64,
    },
}

/// What to do with what readers think.
#[derive(Debug, Subcommand)]
pub enum FeedbackCommand {
    /// Write what was found helpful as a suite for `eval answers --suite`
    Export,
}

pub(crate) async fn feedback(config: Config, what: &FeedbackCommand, output: &mut Output) -> anyhow::Result<Outcome> {
    let FeedbackCommand::Export = what;
    let suite = match reach(config).await? {
        Reached::Here(app) => suite_of_opinions(&app.library.store.rated().await?),
        Reached::There(server) => server.opinions().await?,
    };
    output.print_raw(&format!("{}\n", serde_json::to_string_pretty(&suite)?))?;
    Ok(Outcome::Done)
}

pub(crate) async fn experiments(
    config: Config,
    what: ExperimentsCommand,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    match what {
        ExperimentsCommand::Report { name } => reported(config, name, output).await,
        ExperimentsCommand::Simulate { control, treated, units, runs, seed } => {
            simulated(control, treated, units, runs, seed, output)
        }
    }
}

async fn reported(config: Config, name: Option<String>, output: &mut Output) -> anyhow::Result<Outcome> {
    let mut all: Experiments = match reach(config).await? {
        Reached::Here(app) => report(&app.config.experiments, &app.library.store).await?,
        Reached::There(server) => server.experiments().await?,
    };
    if let Some(name) = name {
        all.experiments.retain(|experiment| experiment.name == name);
        if all.experiments.is_empty() {
            return Err(Usage(format!("there is no experiment `{name}` in lectern.toml")).into());
        }
    }
    output.print(&all, || {
        let told: Vec<String> = all.experiments.iter().map(table).collect();
        if told.is_empty() { "no experiments are declared in lectern.toml".to_owned() } else { told.join("\n") }
    })?;
    Ok(Outcome::Done)
}

fn table(report: &ExperimentReport) -> String {
    let state = if report.paused { ", paused" } else { "" };
    let mut text = format!(
        "{}: decided by {}, {} units an arm{state}\n",
        report.name,
        report.metric.as_str(),
        report.units_per_arm
    );
    for warning in &report.warnings {
        let _ = writeln!(text, "WARNING: {warning}");
    }
    for arm in &report.arms {
        let set: Vec<String> = arm.set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let _ =
            writeln!(text, "  {:<14} {:>6} units {:>7} answers  {}", arm.name, arm.units, arm.answers, set.join(", "));
    }
    let _ = writeln!(text, "\n  arm            measure     control   arm       effect    95% interval");
    for compared in &report.comparisons {
        let _ = writeln!(text, "{}", row(compared, report.metric));
    }
    text
}

fn row(compared: &Compared, decides: Metric) -> String {
    let Compared { arm, metric, comparison } = compared;
    let told = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let interval =
        comparison.interval.map_or(String::new(), |within| format!("{:.4} to {:.4}", within.low, within.high));
    let decision = match comparison.decision {
        _ if *metric != decides => String::new(),
        Some(Decision::TreatedHigher) => "  higher than the control".to_owned(),
        Some(Decision::TreatedLower) => "  lower than the control".to_owned(),
        Some(Decision::NoDifference) => "  over: no difference was found".to_owned(),
        Some(Decision::Running) => format!("  running, {:.0}% done", comparison.fraction * 100.0),
        None => "  nothing to tell yet".to_owned(),
    };
    format!(
        "  {arm:<14} {:<10}  {:<8}  {:<8}  {:<8}  {interval}{decision}",
        metric.as_str(),
        told(comparison.control.mean),
        told(comparison.treated.mean),
        told(comparison.effect)
    )
}

/// What was simulated, and what came of it.
#[derive(Serialize)]
struct Simulated {
    control_rate: f64,
    treated_rate: f64,
    units_per_arm: u32,
    alpha: f64,
    called: usize,
    rate: Option<f64>,
    #[serde(flatten)]
    simulation: Simulation,
}

fn simulated(
    control: f64,
    treated: f64,
    units: u32,
    runs: u32,
    seed: u64,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    for (name, rate) in [("--control", control), ("--treated", treated)] {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Usage(format!("{name} must be from 0 to 1")).into());
        }
    }
    let plan = Plan::new(units, DEFAULT_ALPHA).map_err(|fault| Usage(fault.to_string()))?;
    let simulation = simulate(usize::try_from(runs)?, &plan, control, treated, seed);
    let told = Simulated {
        control_rate: control,
        treated_rate: treated,
        units_per_arm: units,
        alpha: DEFAULT_ALPHA,
        called: simulation.called(),
        rate: simulation.rate(),
        simulation,
    };
    output.print(&told, || {
        format!(
            "{} of {runs} experiments called a difference ({:.1}%), {} of them before the end, with {:.0} units on average",
            told.called,
            told.rate.unwrap_or_default() * 100.0,
            simulation.early,
            simulation.mean_units.unwrap_or_default()
        )
    })?;
    Ok(Outcome::Done)
}

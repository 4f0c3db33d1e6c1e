//! `eval compare`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::answers::{SuiteArgs, asked, shown, suite_of};
use crate::cli::output::Output;
use crate::cli::{Outcome, Usage};
use crate::config::Config;
use crate::eval::{AnswersReport, ComparedMeasure, ComparedReports};

/// What is held against what.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A report that `eval answers --json` wrote, or an arm as EXPERIMENT/ARM, which is then asked the suite
    a: String,
    /// The same, held against the first
    b: String,
    #[command(flatten)]
    how: SuiteArgs,
}

pub(crate) async fn compare_command(config: Config, args: CompareArgs, output: &mut Output) -> anyhow::Result<Outcome> {
    let CompareArgs { a, b, how } = args;
    let first = report_of(&config, &a, &how, output).await?;
    let second = report_of(&config, &b, &how, output).await?;
    let compared = ComparedReports::of((&a, &first), (&b, &second)).map_err(Usage)?;
    output.print(&compared, || table(&compared))?;
    Ok(Outcome::Done)
}

async fn report_of(config: &Config, name: &str, how: &SuiteArgs, output: &Output) -> anyhow::Result<AnswersReport> {
    let file = PathBuf::from(name);
    if file.exists() {
        return read(&file);
    }
    let arm = name.split_once('/').and_then(|(experiment, arm)| {
        let experiment = config.experiments.iter().find(|known| known.name == experiment)?;
        experiment.arms.iter().find(|known| known.name == arm)
    });
    let arm = arm.ok_or_else(|| {
        Usage(format!(
            "`{name}` is neither a report of `lectern --json eval answers` nor an arm of lectern.toml (EXPERIMENT/ARM)"
        ))
    })?;
    let config = Config { settings: arm.settings.clone(), ..config.clone() };
    asked(config, &suite_of(how)?, how, None, output).await
}

fn read(file: &Path) -> anyhow::Result<AnswersReport> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).map_err(|fault| {
        Usage(format!("{} is no report of `lectern --json eval answers`: {fault}", file.display())).into()
    })
}

fn table(compared: &ComparedReports) -> String {
    let ComparedReports { suite, n, a, b, left_out, measures } = compared;
    let mut text = format!("{suite}: {n} questions, B = {b} against A = {a}\n");
    if *left_out > 0 {
        let _ = writeln!(text, "{left_out} questions that only one of them was asked are left out");
    }
    let _ = writeln!(text, "\nmeasure                 A        B        B - A    95% interval");
    let told = |value: Option<f64>| value.map_or("-".to_owned(), shown);
    for ComparedMeasure { name, a, b, difference, interval, differs } in measures {
        let interval = interval.map_or(String::new(), |[low, high]| format!("{} to {}", shown(low), shown(high)));
        let mark = if *differs { "  differs" } else { "" };
        let [a, b, difference] = [*a, *b, *difference].map(told);
        let _ = writeln!(text, "{name:<22}  {a:<7}  {b:<7}  {difference:<7}  {interval}{mark}");
    }
    text
}

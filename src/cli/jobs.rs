//! `jobs`, in this process: when no server has the home.

use std::fmt::Write;

use serde_json::json;

use super::output::{Output, count};
use super::{Outcome, Usage, args::JobsCommand};
use crate::app::App;
use crate::jobs::{DeadLetterView, JobView, Jobs, JobsError, RunView};
use crate::store::{RunStatus, Trigger};

/// Runs of the history that are listed.
const RUNS: usize = 50;

/// What a command on jobs gives.
pub(crate) enum Told {
    Jobs(Vec<JobView>),
    Job(Box<JobView>),
    Runs(Vec<RunView>),
    Run(Box<RunView>),
    Dead(Vec<DeadLetterView>),
}

pub(crate) async fn jobs(app: &App, command: JobsCommand, output: &mut Output) -> anyhow::Result<Outcome> {
    let jobs = Jobs::of(app).await?;
    let told = match perform(&jobs, command).await {
        Err(fault @ (JobsError::NotFound(_) | JobsError::NoLetter(_))) => return Err(Usage(fault.to_string()).into()),
        told => told?,
    };
    print(&told, output)
}

/// Does what was asked for.
async fn perform(jobs: &Jobs, command: JobsCommand) -> Result<Told, JobsError> {
    Ok(match command {
        JobsCommand::List => Told::Jobs(jobs.list().await?),
        JobsCommand::Run { name } => Told::Run(Box::new(run(jobs, &name, Trigger::Manual).await?)),
        JobsCommand::History { name } => Told::Runs(jobs.history(name.as_deref(), None, RUNS).await?),
        JobsCommand::Pause { name } => {
            jobs.pause(&name, true).await?;
            Told::Job(Box::new(jobs.get(&name).await?))
        }
        JobsCommand::Resume { name } => {
            jobs.pause(&name, false).await?;
            Told::Job(Box::new(jobs.get(&name).await?))
        }
        JobsCommand::Dead => Told::Dead(jobs.dead_letters().await?),
        JobsCommand::Retry { id } => {
            let name = jobs.revive(&id, false).await?;
            Told::Run(Box::new(run(jobs, &name, Trigger::Retry).await?))
        }
    })
}

async fn run(jobs: &Jobs, name: &str, trigger: Trigger) -> Result<RunView, JobsError> {
    let begun = jobs.begin(name, trigger).await?;
    Ok(RunView::try_from(jobs.carry_out(begun).await?)?)
}

/// Prints it, and says how the command ends.
pub(crate) fn print(told: &Told, output: &mut Output) -> anyhow::Result<Outcome> {
    match told {
        Told::Jobs(jobs) => output.print(&json!({"jobs": jobs}), || table(jobs))?,
        Told::Job(job) => output.print(job, || table(std::slice::from_ref(job)))?,
        Told::Runs(runs) => output.print(&json!({"runs": runs}), || runs.iter().map(line).collect())?,
        Told::Run(run) => output.print(run, || line(run))?,
        Told::Dead(letters) => output.print(&json!({"dead_letters": letters}), || dead(letters))?,
    }
    match told {
        Told::Run(run) if run.status != RunStatus::Succeeded => {
            anyhow::bail!("the job `{}` did not succeed: {}", run.job, run.error.as_deref().unwrap_or_default())
        }
        Told::Run(run) if run.outcome.counts.rejected > 0 => Ok(Outcome::SomeRejected),
        _ => Ok(Outcome::Done),
    }
}

fn table(jobs: &[JobView]) -> String {
    if jobs.is_empty() {
        return "no jobs; `[jobs.NAME]` in lectern.toml makes one\n".to_owned();
    }
    let mut text = String::new();
    for job in jobs {
        let next = match (&job.next_run, &job.dead_letter) {
            (Some(next), _) => format!("next {next:.0}"),
            (None, Some(letter)) => format!("dead letter {letter}"),
            (None, None) => "paused".to_owned(),
        };
        let last = job
            .last_run
            .as_ref()
            .map_or_else(String::new, |run| format!(", last {} {:.0}", run.status.as_str(), run.started));
        let _ = writeln!(text, "{}  {} ({}): {}", job.name, job.schedule, job.time_zone, job.what());
        let _ = writeln!(text, "  {next}{last}");
        if let Some(resting) = &job.breaker.resting {
            let (source, until, why) = (job.breaker.source, resting.until, &resting.why);
            let _ = writeln!(text, "  {source} is left alone until {until:.0}: {why}");
        }
    }
    text
}

fn line(run: &RunView) -> String {
    let counts = run.outcome.counts;
    let mut text = format!("{} {:.0} {} ({}): ", run.job, run.started, run.status.as_str(), run.trigger.as_str());
    let _ = writeln!(
        text,
        "{} added, {} updated, {} unchanged, {} rejected, {} deleted",
        counts.added, counts.updated, counts.unchanged, counts.rejected, counts.deleted
    );
    if let (Some(embeddings), Some(writes)) = (run.outcome.embeddings, run.outcome.index_writes) {
        let _ = writeln!(text, "  {}, {}", count(embeddings, "embedding"), count(writes, "index write"));
    }
    for group in &run.outcome.rejects {
        let _ = writeln!(text, "  rejected {}: {} ({})", group.count, group.reason, group.records.join(", "));
    }
    if let Some(error) = &run.error {
        let _ = writeln!(text, "  {error}");
    }
    text
}

fn dead(letters: &[DeadLetterView]) -> String {
    let told = |letter: &DeadLetterView| {
        let DeadLetterView { id, job, error, attempts, first_failed, last_failed, .. } = letter;
        let attempts = count(*attempts, "attempt");
        format!("{id}  {job}: {attempts}, {first_failed:.0} to {last_failed:.0}\n  {error}\n")
    };
    match letters {
        [] => "no dead letters\n".to_owned(),
        letters => letters.iter().map(told).collect(),
    }
}

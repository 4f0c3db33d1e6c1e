//! `jobs`: in this process, or through the server that has the home.

use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::output::{Output, count};
use super::reach::Reached;
use super::remote::Remote;
use super::{Outcome, Usage, args::JobsCommand};
use crate::jobs::{DeadLetterView, JobView, Jobs, JobsError, RunView};
use crate::store::{RunStatus, Trigger};

/// Runs of the history that are listed.
const RUNS: usize = 50;

/// Between two looks at a run that the server carries out.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What a command on jobs gives.
pub(crate) enum Told {
    Jobs(Vec<JobView>),
    Job(Box<JobView>),
    Runs(Vec<RunView>),
    Run(Box<RunView>),
    Dead(Vec<DeadLetterView>),
}

pub(crate) async fn jobs(reached: &Reached, command: JobsCommand, output: &mut Output) -> anyhow::Result<Outcome> {
    let told = match reached {
        Reached::Here(app) => match perform(&Jobs::of(app).await?, command).await {
            Err(fault @ (JobsError::NotFound(_) | JobsError::NoLetter(_))) => {
                return Err(Usage(fault.to_string()).into());
            }
            told => told?,
        },
        Reached::There(server) => perform_there(server, command).await?,
    };
    print(&told, output)
}

/// The lists as the REST API gives them.
#[derive(Deserialize)]
struct AllJobs {
    jobs: Vec<JobView>,
}

#[derive(Deserialize)]
struct SomeRuns {
    runs: Vec<RunView>,
}

#[derive(Deserialize)]
struct AllLetters {
    dead_letters: Vec<DeadLetterView>,
}

/// A run that was begun.
#[derive(Deserialize)]
struct BegunRun {
    id: String,
}

/// Has the server do what was asked for.
async fn perform_there(server: &Remote, command: JobsCommand) -> anyhow::Result<Told> {
    Ok(match command {
        JobsCommand::List => Told::Jobs(server.look_up::<AllJobs>("/v1/jobs").await?.jobs),
        JobsCommand::Run { name } => {
            let begun: BegunRun = server.do_to(&job_path(&name, "/run"), None).await?;
            Told::Run(Box::new(ended(server, &name, |run| run.id == begun.id).await?))
        }
        JobsCommand::History { name: None } => {
            Told::Runs(server.look_up::<SomeRuns>(&format!("/v1/job-runs?limit={RUNS}")).await?.runs)
        }
        JobsCommand::History { name: Some(name) } => Told::Runs(runs(server, &name, RUNS).await?),
        JobsCommand::Pause { name } => {
            Told::Job(server.do_to(&job_path(&name, ""), Some(json!({"paused": true}))).await?)
        }
        JobsCommand::Resume { name } => {
            Told::Job(server.do_to(&job_path(&name, ""), Some(json!({"paused": false}))).await?)
        }
        JobsCommand::Dead => Told::Dead(dead_letters(server).await?),
        JobsCommand::Retry { id } => {
            let letter = dead_letters(server).await?.into_iter().find(|letter| letter.id == id);
            let name = letter.ok_or_else(|| Usage(JobsError::NoLetter(id.clone()).to_string()))?.job;
            let before = runs(server, &name, 1).await?.pop().map(|run| run.id);
            server.do_to::<serde_json::Value>(&format!("/v1/jobs/dead-letters/{id}/retry"), None).await?;
            Told::Run(Box::new(ended(server, &name, |run| Some(&run.id) > before.as_ref()).await?))
        }
    })
}

fn job_path(name: &str, rest: &str) -> String {
    format!("/v1/jobs/{}{rest}", name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_"))
}

async fn runs(server: &Remote, name: &str, limit: usize) -> anyhow::Result<Vec<RunView>> {
    Ok(server.look_up::<SomeRuns>(&job_path(name, &format!("/runs?limit={limit}"))).await?.runs)
}

async fn dead_letters(server: &Remote) -> anyhow::Result<Vec<DeadLetterView>> {
    Ok(server.look_up::<AllLetters>("/v1/jobs/dead-letters").await?.dead_letters)
}

/// Waits until a run of the job has ended.
async fn ended(server: &Remote, name: &str, is_it: impl Fn(&RunView) -> bool) -> anyhow::Result<RunView> {
    loop {
        let found = runs(server, name, RUNS).await?.into_iter().rfind(|run| is_it(run));
        if let Some(run) = found.filter(|run| run.status != RunStatus::Running) {
            return Ok(run);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
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

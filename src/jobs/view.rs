//! Jobs, runs and dead letters as they are told.

use ingest::Resting;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Job, Jobs, JobsError, Outcome};
use crate::config::SyncSpec;
use crate::store::{DeadLetter, JobOrigin, JobRun, Letter, RunStatus, StoreError, Trigger};

/// A job.
#[derive(Debug, Serialize, Deserialize)]
pub struct JobView {
    /// Its name.
    pub name: String,
    /// When it is due, as a cron line.
    pub schedule: String,
    /// In which time zone.
    pub time_zone: String,
    /// Whether it waits to be resumed.
    pub paused: bool,
    /// Where it is defined.
    pub origin: JobOrigin,
    /// What it syncs.
    pub spec: SyncSpec,
    /// When it runs next; not while it is paused or a dead letter.
    pub next_run: Option<Timestamp>,
    /// As what.
    pub next_trigger: Option<Trigger>,
    /// Whether it is running.
    pub running: bool,
    /// The newest run, also one that is under way.
    pub last_run: Option<RunView>,
    /// Failed runs in a row.
    pub failures: u32,
    /// The dead letter that it is, when it is one.
    pub dead_letter: Option<String>,
    /// How its source does.
    pub breaker: BreakerView,
}

/// How a source does.
#[derive(Debug, Serialize, Deserialize)]
pub struct BreakerView {
    /// The source.
    pub source: paper::SourceName,
    /// Whether it is asked.
    pub state: BreakerState,
    /// Since when, until when, and why.
    #[serde(flatten)]
    pub resting: Option<Resting>,
}

/// Whether a source is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BreakerState {
    /// It works.
    Closed,
    /// It is left alone.
    Open,
}

/// A run.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// Whose run.
    pub job: String,
    /// Why it began.
    pub trigger: Trigger,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Why it could not go on.
    pub error: Option<String>,
    /// What it did.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A dead letter.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeadLetterView {
    /// Its id.
    pub id: String,
    /// The job.
    pub job: String,
    /// The job's fields.
    pub request: Box<RawValue>,
    /// Where in the source it goes on, where it had got anywhere.
    pub place: Option<String>,
    /// What the last attempt failed with.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_failed: Timestamp,
    /// When the last one did.
    pub last_failed: Timestamp,
}

impl TryFrom<JobRun> for RunView {
    type Error = StoreError;

    fn try_from(run: JobRun) -> Result<Self, StoreError> {
        let outcome = run.outcome.as_deref().map(serde_json::from_str).transpose();
        let outcome = outcome.map_err(|source| StoreError::Unreadable { what: "run of a job", source })?;
        let JobRun { id, job, trigger, status, started, finished, error, .. } = run;
        Ok(Self { id, job, trigger, status, started, finished, error, outcome: outcome.unwrap_or_default() })
    }
}

impl TryFrom<DeadLetter> for DeadLetterView {
    type Error = StoreError;

    fn try_from(letter: DeadLetter) -> Result<Self, StoreError> {
        let request = RawValue::from_string(letter.definition)
            .map_err(|source| StoreError::Unreadable { what: "dead letter", source })?;
        let DeadLetter { id, job, place, error, attempts, first_failed, last_failed, .. } = letter;
        Ok(Self { id, job, request, place, error, attempts, first_failed, last_failed })
    }
}

impl Jobs {
    /// Every job, by name; those that this version cannot read are left out, and the log has them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self) -> Result<Vec<JobView>, JobsError> {
        let letters = self.shared.store.dead_letters().await?;
        let mut views = Vec::new();
        for job in self.all().await? {
            views.push(self.view(job, &letters).await?);
        }
        Ok(views)
    }

    /// One job.
    ///
    /// # Errors
    /// [`JobsError::NotFound`], and when the store fails.
    pub async fn get(&self, name: &str) -> Result<JobView, JobsError> {
        let letters = self.shared.store.dead_letters().await?;
        self.view(self.job(name).await?, &letters).await
    }

    async fn view(&self, job: Job, letters: &[DeadLetter]) -> Result<JobView, JobsError> {
        let name = job.state.name.clone();
        let dead_letter = letters.iter().find(|letter| letter.job == name && job.letter == Letter::Keep);
        let dead_letter = dead_letter.map(|letter| letter.id.clone());
        let next = job.next_run(dead_letter.is_some());
        let last_run = self.shared.store.job_runs(Some(&name), None, 1).await?.pop();
        let source = job.spec.sync.source;
        let resting = self.shared.work.resting(source).await.unwrap_or_else(|fault| {
            tracing::warn!(%fault, "cannot tell how a source does");
            None
        });
        let state = if resting.is_some() { BreakerState::Open } else { BreakerState::Closed };
        Ok(JobView {
            schedule: job.spec.schedule.text().to_owned(),
            time_zone: job.spec.schedule.time_zone().to_owned(),
            paused: job.is_paused(),
            origin: job.state.origin,
            next_run: next.map(|(at, _)| at),
            next_trigger: next.map(|(_, trigger)| trigger),
            running: self.shared.under_way.borrow().contains_key(&name),
            last_run: readable(last_run).pop(),
            failures: job.state.failures,
            dead_letter,
            breaker: BreakerView { source, state, resting },
            spec: job.spec.sync,
            name,
        })
    }

    /// Runs of one job, also one that was deleted, or of all: `limit` of them, the newest first, before the run
    /// `before`.
    ///
    /// # Errors
    /// [`JobsError::NotFound`] for a job that is not there and never ran, and when the store fails.
    pub async fn history(
        &self,
        job: Option<&str>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RunView>, JobsError> {
        let runs = self.shared.store.job_runs(job, before, limit).await?;
        if let (true, None, Some(name)) = (runs.is_empty(), before, job) {
            self.job(name).await?;
        }
        Ok(readable(runs))
    }

    /// The jobs that have failed again and again, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetterView>, JobsError> {
        let mut letters = self.shared.store.dead_letters().await?;
        let jobs = self.all().await?;
        letters.retain(|letter| jobs.iter().any(|job| job.state.name == letter.job));
        Ok(readable(letters))
    }
}

/// Those of these that can be read; the others are left out, and the log has them.
fn readable<T, V: TryFrom<T, Error = StoreError>>(items: impl IntoIterator<Item = T>) -> Vec<V> {
    let read = |item| {
        V::try_from(item).inspect_err(|fault| tracing::error!(%fault, "a run or a dead letter is left out")).ok()
    };
    items.into_iter().filter_map(read).collect()
}

/// As [`JobView`] with the fields as a value, for printing.
impl JobView {
    /// What it syncs, in one line.
    #[must_use]
    pub fn what(&self) -> String {
        let fields = serde_json::to_value(&self.spec).unwrap_or_default();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pairs = fields.as_object().into_iter().flatten().filter(|(name, _)| *name != "source");
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name} {}", text(value))).collect();
        format!("{} {}", self.spec.source, pairs.join(", "))
    }
}

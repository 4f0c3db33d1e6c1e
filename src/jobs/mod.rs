//! Jobs: what is synced by itself, and when.
//!
//! A job is a request to a source and a schedule. The configuration file has some, the REST API adds others; what is
//! remembered of each lies in the store, so that it outlives the process:
//!
//! - up to when the times at which it was due are dealt with; a run deals with all of them at once, so that runs which
//!   were missed are made up once, and one that is under way counts for those that fall due meanwhile;
//! - when it runs again otherwise: after a failure, an interruption, or the rest of its source;
//! - every run, from its beginning: one that has no end was interrupted by the end of its process.
//!
//! A job never overlaps itself: [`Jobs`] lets a run begin only while there is no other of the same job, and the lock on
//! the home folder keeps a second process away.

mod change;
mod error;
#[cfg(test)]
mod meanwhile_tests;
mod outcome;
mod run;
mod schedule;
mod settle;
#[cfg(test)]
mod tests;
mod view;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, watch};

use crate::app::App;
use crate::clock::Clock;
use crate::config::JobSpec;
use crate::store::{JobOrigin, JobState, Letter, RunStatus, Store, StoreError, Trigger};
pub use error::JobsError;
pub use outcome::{Outcome, RejectGroup};
pub use run::Begun;
pub use settle::Limits;
pub use view::{BreakerState, BreakerView, DeadLetterView, JobView, RunView};
pub use work::{Trouble, Work};

/// The jobs of a library. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    clock: Clock,
    work: Arc<dyn Work>,
    limits: Limits,
    /// The jobs of the configuration file.
    of_file: BTreeMap<String, JobSpec>,
    /// When this process began: what was due before was missed.
    began: jiff::Timestamp,
    /// The runs under way: the job's name and the run's id.
    under_way: watch::Sender<HashMap<String, String>>,
    /// Held while what is known of a job is read, changed and kept.
    editing: Mutex<()>,
    /// Wakes the scheduler.
    changed: Notify,
    stopping: watch::Sender<bool>,
}

/// A job with what is remembered of it.
#[derive(Debug, Clone)]
struct Job {
    state: JobState,
    spec: JobSpec,
    /// What becomes of its dead letter when it is kept: that of another definition tells nothing of this one.
    letter: Letter,
}

impl Job {
    fn read((state, letter): (JobState, Letter)) -> Result<Self, JobsError> {
        let spec = change::read(&state)?;
        Ok(Self { state, spec, letter })
    }

    fn is_paused(&self) -> bool {
        self.state.paused.unwrap_or(self.spec.paused)
    }

    /// When it runs next, and as what; `None` while it is paused or a dead letter.
    fn next_run(&self, is_dead: bool) -> Option<(jiff::Timestamp, Trigger)> {
        if is_dead || self.is_paused() {
            return None;
        }
        let due = || Some((self.spec.schedule.next_after(self.state.considered)?, Trigger::Schedule));
        self.state.again.or_else(due)
    }
}

impl Jobs {
    /// The jobs of an application: those of its configuration and those that were added. What is stored of them stays as
    /// it is until something is done with one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn of(app: &App) -> Result<Self, JobsError> {
        let scheduler = &app.config.settings.scheduler;
        let limits =
            Limits { max_failures: scheduler.max_failures, retry_pause: Duration::from_secs(scheduler.retry_pause_s) };
        Self::open(app.library.store.clone(), app.clock, Arc::new(app.clone()), &app.config.jobs, limits).await
    }

    /// Takes up the jobs where the last process left them: runs that it did not end were interrupted and are made up.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(
        store: Store,
        clock: Clock,
        work: Arc<dyn Work>,
        of_file: &BTreeMap<String, JobSpec>,
        limits: Limits,
    ) -> Result<Self, JobsError> {
        let shared = Shared {
            store,
            clock,
            work,
            limits,
            of_file: of_file.clone(),
            began: clock.now(),
            under_way: watch::Sender::default(),
            editing: Mutex::default(),
            changed: Notify::new(),
            stopping: watch::Sender::new(false),
        };
        let jobs = Self { shared: Arc::new(shared) };
        jobs.close_interrupted().await?;
        Ok(jobs)
    }

    async fn close_interrupted(&self) -> Result<(), JobsError> {
        let (store, now) = (&self.shared.store, self.shared.clock.now());
        for mut run in store.runs_under_way().await? {
            run.status = RunStatus::Interrupted;
            run.finished = Some(now);
            run.error = Some("the process ended before the run did".to_owned());
            let mut job = self.stored(&run.job).await?;
            if let Some(job) = &mut job {
                job.again = Some((now, Trigger::Missed));
            }
            store.end_run(job.as_ref(), &run, &Letter::Keep).await?;
        }
        Ok(())
    }

    /// Keeps the jobs of the file as the file has them now, for the scheduler; what is remembered of those that are in it
    /// no more waits for them to come back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn align(&self) -> Result<(), JobsError> {
        let _editing = self.shared.editing.lock().await;
        let store = &self.shared.store;
        for mut job in store.jobs().await? {
            let is_there = self.shared.of_file.contains_key(&job.name);
            if is_there && job.origin == JobOrigin::Api {
                tracing::warn!(
                    job = job.name,
                    "a job of the configuration file takes the place of one of the same name"
                );
            }
            if !is_there && job.origin == JobOrigin::File {
                job.origin = JobOrigin::Gone;
                store.save_job(&job, &Letter::Keep).await?;
            }
        }
        for name in self.shared.of_file.keys() {
            if let Some((state, letter)) = self.known(name, self.stored(name).await?)? {
                store.save_job(&state, &letter).await?;
            }
        }
        Ok(())
    }

    /// What is stored of a job; nothing of one that this version cannot read, which is then begun anew.
    async fn stored(&self, name: &str) -> Result<Option<JobState>, JobsError> {
        match self.shared.store.job(name).await {
            Err(fault @ StoreError::Unreadable { .. }) => {
                tracing::error!(job = name, %fault, "what is remembered of a job is left out");
                Ok(None)
            }
            stored => Ok(stored?),
        }
    }

    /// What there is to a job of which this is stored: one of the file is as the file has it.
    fn known(&self, name: &str, stored: Option<JobState>) -> Result<Option<(JobState, Letter)>, JobsError> {
        match self.shared.of_file.get(name) {
            Some(spec) => change::defined(stored, name, spec, JobOrigin::File, self.shared.clock.now()).map(Some),
            None => Ok(stored.filter(|job| job.origin == JobOrigin::Api).map(|job| (job, Letter::Keep))),
        }
    }

    /// Every job, by name; those that this version cannot read are left out, and the log has them.
    async fn all(&self) -> Result<Vec<Job>, JobsError> {
        let stored = self.shared.store.jobs().await?;
        let mut stored: BTreeMap<String, JobState> = stored.into_iter().map(|job| (job.name.clone(), job)).collect();
        let of_file = self.shared.of_file.keys().cloned();
        let names: BTreeSet<String> = stored.keys().cloned().chain(of_file).collect();
        let read = |name: String| {
            let known = self.known(&name, stored.remove(&name)).transpose()?;
            known.and_then(Job::read).inspect_err(|fault| tracing::error!(%fault, "a job is left out")).ok()
        };
        Ok(names.into_iter().filter_map(read).collect())
    }

    async fn job(&self, name: &str) -> Result<Job, JobsError> {
        let known = self.known(name, self.stored(name).await?)?;
        Job::read(known.ok_or_else(|| JobsError::NotFound(name.to_owned()))?)
    }

    /// Begins no run any more, and stops those under way before their next page.
    pub fn stop(&self) {
        self.shared.stopping.send_replace(true);
        self.shared.changed.notify_one();
    }

    /// Waits until no run is under way.
    pub async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.under_way.subscribe().wait_for(HashMap::is_empty).await;
    }
}

//! One run of a job, from its beginning to what follows from its end.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tracing::Instrument;

use super::change::{asks_the_same, read};
use super::settle::{Ended, settle};
use super::{Job, Jobs, JobsError, Outcome, Trouble};
use crate::config::JobSpec;
use crate::store::{JobOrigin, JobRun, Letter, RunStatus, Trigger};

/// A run that has begun and is to be carried out. While it lives, no other run of the job begins.
pub struct Begun {
    run: JobRun,
    spec: JobSpec,
    place: Place,
}

impl Begun {
    /// The id of the run.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.run.id
    }
}

/// The place of a job among those under way, free again when this is dropped.
struct Place {
    jobs: Jobs,
    name: String,
}

impl Place {
    fn take(jobs: &Jobs, name: &str, run: &str) -> Result<Self, JobsError> {
        let mut holder = None;
        jobs.shared.under_way.send_if_modified(|under_way| {
            holder = under_way.get(name).cloned();
            holder.is_none() && under_way.insert(name.to_owned(), run.to_owned()).is_none()
        });
        match holder {
            Some(run) => Err(JobsError::Running { job: name.to_owned(), run }),
            None => Ok(Self { jobs: jobs.clone(), name: name.to_owned() }),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever drops it wakes the scheduler, unless the run could not begin: that would be tried again without a pause.
        self.jobs.shared.under_way.send_modify(|under_way| drop(under_way.remove(&self.name)));
    }
}

impl Jobs {
    /// Begins a run: from here on the history has it. It deals with every time at which the job was due so far, unless
    /// somebody asked for it: then only its success does.
    ///
    /// # Errors
    /// [`JobsError::NotFound`], [`JobsError::Running`], [`JobsError::Stopping`], and when the store fails.
    pub async fn begin(&self, name: &str, trigger: Trigger) -> Result<Begun, JobsError> {
        let _editing = self.shared.editing.lock().await;
        let job = self.job(name).await?;
        self.begin_locked(job, trigger).await
    }

    /// Begins a run of a job that is due, unless the job has changed since that was found.
    pub(super) async fn begin_as(&self, found: &Job, trigger: Trigger) -> Result<Option<Begun>, JobsError> {
        let _editing = self.shared.editing.lock().await;
        match self.job(&found.state.name).await {
            Ok(job) if job.state == found.state => self.begin_locked(job, trigger).await.map(Some),
            Ok(_) | Err(JobsError::NotFound(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn begin_locked(&self, mut job: Job, trigger: Trigger) -> Result<Begun, JobsError> {
        if *self.shared.stopping.borrow() {
            return Err(JobsError::Stopping);
        }
        let (id, now) = (self.shared.clock.new_id().to_string(), self.shared.clock.now());
        let name = job.state.name.as_str();
        let place = Place::take(self, name, &id)?;
        if job.letter == Letter::Drop {
            self.shared.store.save_job(&job.state, &job.letter).await?;
        }
        if trigger != Trigger::Manual {
            (job.state.considered, job.state.again) = (now, None);
        }
        let run = JobRun {
            id,
            job: name.to_owned(),
            trigger,
            status: RunStatus::Running,
            started: now,
            finished: None,
            outcome: None,
            error: None,
        };
        self.shared.store.begin_run(&job.state, &run).await?;
        tracing::info!(job = name, run = run.id, trigger = trigger.as_str(), "a job begins");
        Ok(Begun { run, spec: job.spec, place })
    }

    /// Carries a run out and keeps how it ended.
    ///
    /// # Errors
    /// When the store fails; the run is then told as interrupted when the next one begins.
    pub async fn carry_out(&self, begun: Begun) -> Result<JobRun, JobsError> {
        let (job, run) = (begun.run.job.clone(), begun.run.id.clone());
        self.carried_out(begun).instrument(tracing::error_span!("job", job, run)).await
    }

    async fn carried_out(&self, begun: Begun) -> Result<JobRun, JobsError> {
        let mut outcome = Outcome::default();
        let trouble = self.work(&begun, &mut outcome).await.err();
        let trouble = match trouble {
            Some(Trouble::Failed { of_source: true, why }) => Some(self.as_rest(&begun, why).await),
            other => other,
        };
        let ended = self.end(begun, &outcome, trouble.as_ref()).await;
        if let Err(fault) = &ended {
            tracing::error!(%fault, "how a run ended cannot be kept");
        }
        ended
    }

    async fn work(&self, begun: &Begun, outcome: &mut Outcome) -> Result<(), Trouble> {
        let work = &self.shared.work;
        if begun.run.trigger == Trigger::Manual {
            work.try_anyway(begun.spec.sync.source).await?;
        }
        let sync = work.sync(&begun.spec.sync, outcome, self.shared.stopping.subscribe());
        let panicked = |_| Err(Trouble::failed("the run panicked; the log has more"));
        AssertUnwindSafe(sync).catch_unwind().await.unwrap_or_else(panicked)
    }

    /// A failure of the source after which it is left alone is no failure of the job, which waits for it.
    async fn as_rest(&self, begun: &Begun, why: String) -> Trouble {
        let failed = Trouble::Failed { why, of_source: true };
        if begun.run.trigger == Trigger::Manual {
            return failed;
        }
        match self.shared.work.resting(begun.spec.sync.source).await {
            Ok(Some(resting)) => Trouble::Resting(resting),
            _ => failed,
        }
    }

    async fn end(&self, begun: Begun, outcome: &Outcome, trouble: Option<&Trouble>) -> Result<JobRun, JobsError> {
        let Begun { mut run, spec, place } = begun;
        let cursor = match trouble {
            Some(Trouble::Failed { .. }) => self.shared.work.place(&spec.sync).await,
            _ => None,
        };
        let editing = self.shared.editing.lock().await;
        let now = self.shared.clock.now();
        let mut state = self.stored(&run.job).await?;
        // What it was then may not be what it is now: the run tells nothing of another definition.
        let is_same = state.as_ref().and_then(|state| read(state).ok()).is_some_and(|now| asks_the_same(&now, &spec));
        let new_id = self.shared.clock.new_id().to_string();
        let ended = Ended { trigger: run.trigger, trouble, now, new_id, place: cursor };
        let mut settled = state.clone().unwrap_or_else(|| forgotten(&run));
        let (status, letter) = settle(&mut settled, self.shared.limits, ended);
        match &mut state {
            Some(state) if is_same => *state = settled,
            // What is asked for now has not been read either.
            Some(state) if matches!(trouble, Some(Trouble::Stopped)) => state.again = settled.again,
            _ => {}
        }
        run.status = status;
        run.finished = Some(now);
        run.error = trouble.map(ToString::to_string);
        run.outcome = serde_json::to_string(outcome).ok();
        let letter = if is_same { letter } else { Letter::Keep };
        self.shared.store.end_run(state.as_ref(), &run, &letter).await?;
        drop(editing);
        tell(&run, &letter);
        drop(place);
        // What fell due meanwhile is looked at.
        self.shared.changed.notify_one();
        Ok(run)
    }

    /// Puts a run off before it asks anything; the history says so.
    pub(super) async fn put_off(&self, begun: Begun, resting: &Trouble) -> Result<(), JobsError> {
        self.end(begun, &Outcome::default(), Some(resting)).await.map(drop)
    }
}

/// The state of a job that was deleted while it ran, which is not kept.
fn forgotten(run: &JobRun) -> crate::store::JobState {
    crate::store::JobState {
        name: run.job.clone(),
        origin: JobOrigin::Gone,
        definition: String::new(),
        paused: None,
        considered: run.started,
        again: None,
        failures: 0,
        first_failed: None,
    }
}

fn tell(run: &JobRun, letter: &Letter) {
    let (job, id, status) = (&run.job, &run.id, run.status.as_str());
    match &run.error {
        None => tracing::info!(job, run = id, status, "a job ended"),
        Some(error) => tracing::warn!(job, run = id, status, error, "a job ended"),
    }
    if matches!(letter, Letter::Write(_)) {
        tracing::error!(job, "a job has failed again and again and is not tried any more: `lectern jobs dead` has it");
    }
}

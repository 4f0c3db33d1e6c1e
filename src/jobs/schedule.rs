//! The scheduler: begins what is due.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::settle::of_this_time;
use super::{Job, Jobs, JobsError, Trouble};
use crate::store::Trigger;

/// The longest sleep: a clock that is set, or a machine that slept, is noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// A run that begins later than this after it was due makes up for it.
const LATE: Duration = Duration::from_secs(600);

impl Jobs {
    /// Begins runs as they fall due, until the future is dropped or the jobs are stopped.
    pub async fn follow_schedule(&self) {
        while !*self.shared.stopping.borrow() {
            let sleep = match self.begin_due().await {
                Ok(next) => next.map_or(LONGEST_SLEEP, |next| self.until(next)),
                Err(fault) => {
                    tracing::error!(%fault, "cannot tell which jobs are due; trying again in {} s", LONGEST_SLEEP.as_secs());
                    LONGEST_SLEEP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = self.shared.changed.notified() => {}
            }
        }
    }

    fn until(&self, next: Timestamp) -> Duration {
        let wait = Duration::try_from(next.duration_since(self.shared.clock.now())).unwrap_or_default();
        wait.min(LONGEST_SLEEP)
    }

    /// Begins every run that is due now, each as a task of its own; says when the next one is. Jobs whose source is
    /// left alone are put off until it is asked again; one job's failure keeps no other from running.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_due(&self) -> Result<Option<Timestamp>, JobsError> {
        let dead: HashSet<String> = self.shared.store.dead_letters().await?.into_iter().map(|dead| dead.job).collect();
        let mut next: Option<Timestamp> = None;
        for job in self.all().await? {
            if self.shared.under_way.borrow().contains_key(&job.state.name) {
                continue;
            }
            let name = job.state.name.clone();
            let job = match self.brought_back(job).await {
                Ok(job) => job,
                Err(fault) => {
                    tracing::error!(job = name, %fault, "a job is left out");
                    continue;
                }
            };
            let now = self.shared.clock.now();
            let Some((at, trigger)) = job.next_run(dead.contains(&job.state.name)) else { continue };
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else if let Err(fault) = self.begin_one(&job, self.trigger_at(at, trigger, now)).await {
                tracing::error!(job = job.state.name, %fault, "a job that is due cannot be run");
            }
        }
        Ok(next)
    }

    /// The job without times from a clock that was ahead; they would keep it from running until then.
    async fn brought_back(&self, job: Job) -> Result<Job, JobsError> {
        let is_right = |job: &Job, now| of_this_time(job.state.clone(), now) == job.state;
        if is_right(&job, self.shared.clock.now()) {
            return Ok(job);
        }
        let _editing = self.shared.editing.lock().await;
        let Job { state, spec, letter } = self.job(&job.state.name).await?;
        let state = of_this_time(state, self.shared.clock.now());
        tracing::warn!(job = state.name, "the clock was ahead when this job ran; it goes by the present one again");
        self.shared.store.save_job(&state, &letter).await?;
        Ok(Job { state, spec, letter })
    }

    fn trigger_at(&self, due: Timestamp, trigger: Trigger, now: Timestamp) -> Trigger {
        let late = due < self.shared.began || Duration::try_from(now.duration_since(due)).is_ok_and(|by| by > LATE);
        if trigger == Trigger::Schedule && late { Trigger::Missed } else { trigger }
    }

    async fn begin_one(&self, job: &Job, trigger: Trigger) -> Result<(), JobsError> {
        let resting = self.shared.work.resting(job.spec.sync.source).await;
        let begun = match self.begin_as(job, trigger).await {
            Ok(Some(begun)) => begun,
            // It was changed meanwhile, and whoever did so has woken the scheduler.
            Ok(None) => return Ok(()),
            // Somebody else began it a moment ago, or the server is stopping.
            Err(JobsError::Running { .. } | JobsError::Stopping) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        if let Ok(Some(resting)) = resting {
            return self.put_off(begun, &Trouble::Resting(resting)).await;
        }
        let jobs = self.clone();
        tokio::spawn(async move { jobs.carry_out(begun).await });
        Ok(())
    }
}

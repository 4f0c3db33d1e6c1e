//! Adding, changing, pausing and deleting jobs, and letting dead letters try again.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Job, Jobs, JobsError};
use crate::config::{JobSpec, check_name};
use crate::store::{DeadLetter, JobOrigin, JobState, Letter, StoreError, Trigger};

/// What is remembered of a job that is defined so, or so from now on.
///
/// A new schedule counts from now, so that changing it makes nothing due; what failed before tells nothing of the new
/// definition; a run that was interrupted is made up all the same.
pub(super) fn defined(
    known: Option<JobState>,
    name: &str,
    spec: &JobSpec,
    origin: JobOrigin,
    now: Timestamp,
) -> Result<(JobState, Letter), JobsError> {
    let unreadable = |reason: String| JobsError::Unreadable { name: name.to_owned(), reason };
    let definition = serde_json::to_string(&spec.fields().map_err(|fault| unreadable(fault.to_string()))?);
    let definition = definition.map_err(|fault| unreadable(fault.to_string()))?;
    let fresh = JobState {
        name: name.to_owned(),
        origin,
        definition,
        paused: None,
        considered: now,
        again: None,
        failures: 0,
        first_failed: None,
    };
    let Some(known) = known else { return Ok((fresh, Letter::Drop)) };
    let before = read(&known).ok();
    let same = |what: fn(&JobSpec, &JobSpec) -> bool| before.as_ref().is_some_and(|before| what(before, spec));
    let paused = known.paused.filter(|_| same(|before, spec| before.paused == spec.paused));
    let waited = known.paused.or(before.as_ref().map(|before| before.paused)).unwrap_or_default();
    let resumed = (waited && !paused.unwrap_or(spec.paused)) || known.origin == JobOrigin::Gone;
    if same(asks_the_same) {
        let (considered, again) = if resumed { (now, None) } else { (known.considered, known.again) };
        let definition = fresh.definition;
        return Ok((JobState { origin, definition, paused, considered, again, ..known }, Letter::Keep));
    }
    let goes_on = same(|before, spec| before.schedule == spec.schedule) && !resumed;
    let considered = if goes_on { known.considered } else { now };
    let again = known.again.filter(|(_, trigger)| *trigger != Trigger::Retry && !resumed);
    Ok((JobState { considered, paused, again, ..fresh }, Letter::Drop))
}

/// Whether what one run did tells of the other definition too: whether it waits does not matter.
pub(super) fn asks_the_same(one: &JobSpec, other: &JobSpec) -> bool {
    one.schedule == other.schedule && one.sync == other.sync
}

/// The job that a stored definition tells.
pub(super) fn read(state: &JobState) -> Result<JobSpec, JobsError> {
    let unreadable = |reason: String| JobsError::Unreadable { name: state.name.clone(), reason };
    let fields: Map<String, Value> =
        serde_json::from_str(&state.definition).map_err(|fault| unreadable(fault.to_string()))?;
    JobSpec::from_fields(fields).map_err(unreadable)
}

impl Jobs {
    /// Adds a job or changes one; says whether it is new. `{"paused": …}` alone pauses or resumes one, also one of the
    /// configuration file.
    ///
    /// # Errors
    /// [`JobsError::Bad`] for what is no job, [`JobsError::OfFile`] for another change to one of the file,
    /// [`JobsError::NotFound`] when there is none to pause, and when the store fails.
    pub async fn put(&self, name: &str, fields: Map<String, Value>) -> Result<bool, JobsError> {
        check_name(name).map_err(JobsError::Bad)?;
        if let (1, Some(paused)) = (fields.len(), fields.get("paused")) {
            let paused = paused.as_bool().ok_or_else(|| JobsError::Bad("`paused` is true or false".to_owned()))?;
            return self.pause(name, paused).await.map(|()| false);
        }
        let spec = JobSpec::from_fields(fields).map_err(JobsError::Bad)?;
        let _editing = self.shared.editing.lock().await;
        if self.shared.of_file.contains_key(name) {
            return Err(JobsError::OfFile(name.to_owned()));
        }
        let known = self.stored(name).await?.filter(|job| job.origin == JobOrigin::Api);
        let is_new = known.is_none();
        let (state, letter) = defined(known, name, &spec, JobOrigin::Api, self.shared.clock.now())?;
        self.shared.store.save_job(&state, &letter).await?;
        self.shared.changed.notify_one();
        Ok(is_new)
    }

    /// Pauses a job or resumes it. While it is paused it is not due, so that nothing is made up when it is resumed.
    ///
    /// # Errors
    /// [`JobsError::NotFound`], and when the store fails.
    pub async fn pause(&self, name: &str, paused: bool) -> Result<(), JobsError> {
        let _editing = self.shared.editing.lock().await;
        let job = self.job(name).await?;
        if job.is_paused() == paused {
            return Ok(());
        }
        let Job { mut state, spec, letter } = job;
        state.paused = Some(paused).filter(|paused| *paused != spec.paused);
        if !paused {
            (state.considered, state.again) = (self.shared.clock.now(), None);
        }
        self.shared.store.save_job(&state, &letter).await?;
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Deletes a job; its history stays, and a run under way goes on to its end.
    ///
    /// # Errors
    /// [`JobsError::NotFound`], [`JobsError::OfFile`], and when the store fails.
    pub async fn delete(&self, name: &str) -> Result<(), JobsError> {
        let _editing = self.shared.editing.lock().await;
        if self.shared.of_file.contains_key(name) {
            return Err(JobsError::OfFile(name.to_owned()));
        }
        match self.shared.store.job(name).await {
            Ok(Some(state)) if state.origin == JobOrigin::Api => {}
            Ok(_) => return Err(JobsError::NotFound(name.to_owned())),
            // What cannot be read can be deleted.
            Err(StoreError::Unreadable { .. }) => {}
            Err(fault) => return Err(fault.into()),
        }
        Ok(self.shared.store.remove_job(name).await?)
    }

    /// Lets a dead letter try again at once, or `only_forget` it, so that its job goes on by its schedule; the job's
    /// name.
    ///
    /// # Errors
    /// [`JobsError::NoLetter`], and when the store fails.
    pub async fn revive(&self, letter: &str, only_forget: bool) -> Result<String, JobsError> {
        let _editing = self.shared.editing.lock().await;
        let DeadLetter { job: name, .. } = self.letter(letter).await?;
        let Job { mut state, .. } = self.job(&name).await?;
        let now = self.shared.clock.now();
        (state.considered, state.failures, state.first_failed) = (now, 0, None);
        state.again = Some((now, Trigger::Retry)).filter(|_| !only_forget);
        self.shared.store.save_job(&state, &Letter::Drop).await?;
        self.shared.changed.notify_one();
        Ok(name)
    }

    async fn letter(&self, id: &str) -> Result<DeadLetter, JobsError> {
        let letters = self.shared.store.dead_letters().await?;
        letters.into_iter().find(|letter| letter.id == id).ok_or_else(|| JobsError::NoLetter(id.to_owned()))
    }
}

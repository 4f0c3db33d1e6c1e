//! What follows from the end of a run for its job: pure.

use std::time::Duration;

use jiff::Timestamp;

use super::Trouble;
use crate::store::{DeadLetter, JobState, Letter, RunStatus, Trigger};

/// The longest pause before a job that failed is tried again.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// How often a job is tried again by itself.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// After so many failures in a row it is a dead letter.
    pub max_failures: u32,
    /// The pause before it is tried again the first time; it doubles each time.
    pub retry_pause: Duration,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended<'r> {
    pub(super) trigger: Trigger,
    pub(super) trouble: Option<&'r Trouble>,
    pub(super) now: Timestamp,
    /// For a dead letter.
    pub(super) new_id: String,
    pub(super) place: Option<String>,
}

/// The status of the run, what is remembered of its job, and what becomes of its dead letter.
pub(super) fn settle(job: &mut JobState, limits: Limits, ended: Ended<'_>) -> (RunStatus, Letter) {
    let Ended { trigger, trouble, now, new_id, place } = ended;
    match trouble {
        None => {
            (job.considered, job.again, job.failures, job.first_failed) = (now, None, 0, None);
            (RunStatus::Succeeded, Letter::Drop)
        }
        Some(Trouble::Stopped) => {
            job.again = Some((now, Trigger::Missed));
            (RunStatus::Interrupted, Letter::Keep)
        }
        // Whoever asked for it sees what came of it; what the job does by itself stays as it was.
        Some(Trouble::Resting(_) | Trouble::UnderWay(_)) if trigger == Trigger::Manual => {
            (RunStatus::PutOff, Letter::Keep)
        }
        Some(Trouble::Failed { .. }) if trigger == Trigger::Manual => (RunStatus::Failed, Letter::Keep),
        Some(Trouble::Resting(resting)) => {
            (job.considered, job.again) = (now, Some((resting.until, trigger)));
            (RunStatus::PutOff, Letter::Keep)
        }
        Some(Trouble::UnderWay(_)) => {
            (job.considered, job.again) = (now, Some((after(now, pause(limits, 1)), trigger)));
            (RunStatus::PutOff, Letter::Keep)
        }
        Some(Trouble::Failed { why, .. }) => {
            job.considered = now;
            job.failures = job.failures.saturating_add(1);
            let first_failed = *job.first_failed.get_or_insert(now);
            if job.failures < limits.max_failures {
                job.again = Some((after(now, pause(limits, job.failures)), Trigger::Retry));
                return (RunStatus::Failed, Letter::Keep);
            }
            job.again = None;
            let (name, definition) = (job.name.clone(), job.definition.clone());
            let letter = DeadLetter {
                id: new_id,
                job: name,
                definition,
                place,
                error: why.clone(),
                attempts: job.failures,
                first_failed,
                last_failed: now,
            };
            (RunStatus::Failed, Letter::Write(letter))
        }
    }
}

/// A clock that is set back by less is one that was corrected: what was due just before is not due again.
const CORRECTED: Duration = Duration::from_secs(600);

/// What is remembered of a job without times that a clock has told which was ahead: nothing that lies in the future is
/// dealt with, and nothing waits for longer than the longest pause.
pub(super) fn of_this_time(job: JobState, now: Timestamp) -> JobState {
    let again = job.again.map(|(at, trigger)| (at.min(after(now, LONGEST)), trigger));
    let considered = if job.considered > after(now, CORRECTED) { now } else { job.considered };
    JobState { considered, again, ..job }
}

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause).unwrap_or(now)
}

fn pause(limits: Limits, failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    limits.retry_pause.saturating_mul(doubled).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_up_to_six_hours() {
        let limits = Limits { max_failures: 5, retry_pause: Duration::from_secs(300) };
        let minutes = [1, 2, 3, 4, 7, 8, 40, u32::MAX].map(|n| pause(limits, n).as_secs() / 60);
        assert_eq!(minutes, [5, 10, 20, 40, 320, 360, 360, 360]);
    }
}

//! How far a sync, an import or the index is: one form for a terminal, a log and the REST API.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What is being done. The stages of one command go on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Records come from a source or a file.
    Reading,
    /// Papers go into the store.
    Storing,
    /// Papers go from the store into the index.
    Indexing,
    /// The questions of a suite are answered.
    Asking,
}

impl Stage {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Storing => "storing",
            Self::Indexing => "indexing",
            Self::Asking => "asking",
        }
    }
}

/// How far one stage is, in papers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Which one.
    pub stage: Stage,
    /// Papers done.
    pub done: u64,
    /// Papers there are to do, where that is known.
    pub total: Option<u64>,
    /// Papers a second since the stage was first heard of; none before anything is done.
    pub per_second: Option<f64>,
    /// Seconds left at that rate; none while the total or the rate is not known.
    pub seconds_left: Option<f64>,
}

impl Progress {
    /// A stage that had done the first number, and `elapsed` later the second; a total that has been passed was no total.
    #[must_use]
    pub fn after(stage: Stage, (before, done): (u64, u64), total: Option<u64>, elapsed: Duration) -> Self {
        let total = total.filter(|total| *total >= done);
        let seconds = elapsed.as_secs_f64();
        let since = done.saturating_sub(before);
        let rate = (since > 0 && seconds > 0.0).then(|| tenths(as_f64(since) / seconds));
        let per_second = rate.filter(|rate| *rate > 0.0);
        let left = total.map(|total| as_f64(total - done));
        let seconds_left = left.zip(per_second).map(|(left, rate)| tenths(left / rate));
        Self { stage, done, total, per_second, seconds_left }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a count of papers is far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Who is told how far it is.
pub type Tell<'t> = &'t (dyn Fn(Progress) + Send + Sync);

/// Measures the stages from when each was first heard of, and tells of every step.
pub struct Course<'t> {
    tell: Tell<'t>,
    /// When each was first heard of, and what was done by then.
    began: Mutex<HashMap<Stage, (Instant, u64)>>,
}

impl<'t> Course<'t> {
    /// A course whose steps go to `tell`.
    #[must_use]
    pub fn new(tell: Tell<'t>) -> Self {
        Self { tell, began: Mutex::default() }
    }

    /// A stage has done `done` papers of `total`. It began when it was first heard of.
    pub fn at(&self, stage: Stage, done: u64, total: Option<u64>) {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, before) = *began.entry(stage).or_insert_with(|| (Instant::now(), done));
        drop(began);
        (self.tell)(Progress::after(stage, (before, done), total, at.elapsed()));
    }

    /// The same as a pair of counts, with 0 for a total that is not known.
    pub fn counts(&self, stage: Stage) -> impl Fn(u64, u64) + Send + Sync {
        move |done, total| self.at(stage, done, Some(total).filter(|total| *total > 0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rate_and_what_is_left_follow_from_what_was_done_and_when() {
        let at = |done, total, seconds| Progress::after(Stage::Storing, (0, done), total, Duration::from_secs(seconds));
        let steady = Progress {
            stage: Stage::Storing,
            done: 500,
            total: Some(2_000),
            per_second: Some(50.0),
            seconds_left: Some(30.0),
        };
        assert_eq!(at(500, Some(2_000), 10), steady);
        assert_eq!(at(500, None, 10), Progress { total: None, seconds_left: None, ..steady });
        assert_eq!(at(500, Some(400), 10), Progress { total: None, seconds_left: None, ..steady }, "no total at all");
        let nothing = Progress { done: 0, per_second: None, seconds_left: None, ..steady };
        assert_eq!(at(0, Some(2_000), 10), nothing);
        assert_eq!(at(500, Some(2_000), 0), Progress { done: 500, ..nothing }, "no time has passed");
        let late = Progress::after(Stage::Storing, (400, 500), Some(2_000), Duration::from_secs(10));
        assert_eq!(late, Progress { per_second: Some(10.0), seconds_left: Some(150.0), ..steady });
        let printed = serde_json::to_string(&steady).unwrap();
        let expected = r#"{"stage":"storing","done":500,"total":2000,"per_second":50.0,"seconds_left":30.0}"#;
        assert_eq!(printed, expected);
        assert_eq!(serde_json::from_str::<Progress>(&printed).unwrap(), steady);
    }

    #[test]
    fn every_step_is_told_with_its_stage() {
        let told = Mutex::new(Vec::new());
        let tell = |step: Progress| told.lock().unwrap().push((step.stage, step.done, step.total));
        let course = Course::new(&tell);
        course.at(Stage::Reading, 0, None);
        course.counts(Stage::Storing)(3, 0);
        course.counts(Stage::Indexing)(3, 5);
        let expected = [(Stage::Reading, 0, None), (Stage::Storing, 3, None), (Stage::Indexing, 3, Some(5))];
        assert_eq!(*told.lock().unwrap(), expected);
    }

    #[test]
    fn what_was_done_before_it_was_heard_of_makes_no_rate() {
        let told = Mutex::new(Vec::new());
        let tell = |step: Progress| told.lock().unwrap().push((step.per_second, step.seconds_left));
        Course::new(&tell).counts(Stage::Indexing)(256, 300);
        assert_eq!(*told.lock().unwrap(), [(None, None)]);
    }

    proptest! {
        #[test]
        fn no_count_gives_a_number_that_cannot_be_printed(before: u64, done: u64, total: Option<u64>, elapsed: u32) {
            let step = Progress::after(Stage::Reading, (before, done), total, Duration::from_millis(elapsed.into()));
            prop_assert!(step.per_second.is_none_or(|rate| rate.is_finite() && rate > 0.0));
            prop_assert!(step.seconds_left.is_none_or(|left| left.is_finite() && left >= 0.0));
        }
    }
}

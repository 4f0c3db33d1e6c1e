//! How far a command is, on standard error: bars for a terminal, else a line now and then.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::library::progress::{Progress, Stage};

/// Between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Shows how far the stages of a command are, until it is dropped.
pub(crate) struct Meter(Show);

enum Show {
    Nothing,
    Bars(Bars),
    Lines(Mutex<Lines>),
}

impl Meter {
    pub(crate) fn new(quiet: bool) -> Self {
        Self(match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Show::Nothing,
            (false, true) => Show::Bars(Bars::default()),
            (false, false) => Show::Lines(Mutex::new(Lines::new(Instant::now()))),
        })
    }

    /// Takes note of how far a stage is, and shows it when it is time.
    pub(crate) fn tell(&self, step: Progress) {
        match &self.0 {
            Show::Nothing => {}
            Show::Bars(bars) => bars.show(step),
            Show::Lines(lines) => {
                let line = lines.lock().unwrap_or_else(PoisonError::into_inner).take(step, Instant::now());
                line.into_iter().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        match &self.0 {
            Show::Nothing => {}
            Show::Bars(bars) => bars.clear(),
            Show::Lines(lines) => {
                let line = lines.lock().unwrap_or_else(PoisonError::into_inner).last();
                line.into_iter().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

/// One bar a stage, one below the other.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    stages: Mutex<BTreeMap<Stage, ProgressBar>>,
}

impl Bars {
    fn show(&self, step: Progress) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = stages
            .entry(step.stage)
            .or_insert_with(|| self.all.add(ProgressBar::new(0).with_prefix(format!("{:<8}", step.stage.as_str()))));
        let template =
            if step.total.is_some() { "{prefix} {bar:30} {pos}/{len} {msg}" } else { "{prefix} {pos} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_length(step.total.unwrap_or(step.done));
        bar.set_position(step.done);
        bar.set_message(pace(&step).unwrap_or_default());
    }

    fn clear(&self) {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.values().for_each(ProgressBar::finish_and_clear);
    }
}

/// What is told in lines, and when the last one was.
struct Lines {
    told_at: Instant,
    stages: BTreeMap<Stage, Progress>,
    changed: bool,
}

impl Lines {
    fn new(now: Instant) -> Self {
        Self { told_at: now, stages: BTreeMap::new(), changed: false }
    }

    /// Takes note of a step; a line when the last one is long enough ago.
    fn take(&mut self, step: Progress, now: Instant) -> Option<String> {
        let before = self.stages.insert(step.stage, step);
        self.changed |= before.map_or(step.done > 0, |before| (before.done, before.total) != (step.done, step.total));
        if !self.changed || now.saturating_duration_since(self.told_at) < BETWEEN_LINES {
            return None;
        }
        self.told_at = now;
        self.last()
    }

    /// A line, when something has not been told yet.
    fn last(&mut self) -> Option<String> {
        let stages = self.stages.values().filter(|step| step.done > 0 || step.total.is_some());
        std::mem::take(&mut self.changed).then(|| stages.map(in_words).collect::<Vec<_>>().join("; "))
    }
}

fn in_words(step: &Progress) -> String {
    let of = step.total.map(|total| format!(" of {total}")).unwrap_or_default();
    let pace = pace(step).map(|pace| format!(" ({pace})")).unwrap_or_default();
    format!("{} {}{of}{pace}", step.stage.as_str(), step.done)
}

/// The rate, and the time left where something is.
fn pace(step: &Progress) -> Option<String> {
    let rate = step.per_second.map(|rate| format!("{rate:.1}/s"))?;
    let left = step.seconds_left.filter(|_| step.total != Some(step.done)).map(duration);
    Some(left.map_or_else(|| rate.clone(), |left| format!("{rate}, {left} left")))
}

fn duration(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.ceil()).map_or(0, |time| time.as_secs());
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(stage: Stage, done: u64, total: Option<u64>) -> Progress {
        Progress::after(stage, (0, done), total, Duration::from_secs(10))
    }

    #[test]
    fn a_line_tells_all_stages_at_most_every_few_seconds_and_the_last_one_always() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut lines = Lines::new(began);
        assert_eq!(lines.take(step(Stage::Storing, 0, None), at(9)), None, "nothing is done yet");
        assert_eq!(lines.take(step(Stage::Reading, 500, Some(2_000)), at(4)), None);
        let told = lines.take(step(Stage::Storing, 400, Some(2_000)), at(5)).unwrap();
        assert_eq!(told, "reading 500 of 2000 (50.0/s, 30 s left); storing 400 of 2000 (40.0/s, 40 s left)");
        assert_eq!(lines.take(step(Stage::Storing, 400, Some(2_000)), at(20)), None, "nothing new");
        assert_eq!(lines.last(), None);
        assert_eq!(lines.take(step(Stage::Storing, 2_000, Some(2_000)), at(9)), None);
        let last = "reading 500 of 2000 (50.0/s, 30 s left); storing 2000 of 2000 (200.0/s)";
        assert_eq!(lines.last().as_deref(), Some(last));
        assert_eq!(lines.last(), None);
    }

    #[test]
    fn time_left_is_told_in_the_units_that_matter() {
        let told = [0.2, 59.0, 61.0, 3_600.0, 90_061.0, f64::INFINITY].map(duration);
        assert_eq!(told, ["1 s", "59 s", "1 min 1 s", "1 h 0 min", "25 h 1 min", "0 s"]);
    }
}

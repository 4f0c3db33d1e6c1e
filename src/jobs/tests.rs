//! The guarantees of the scheduler, with a clock that the test sets and a source that does as it is told.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ingest::Resting;
use jiff::Timestamp;
use paper::SourceName;
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::config::SyncSpec;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(NOW.get()).unwrap()
}

pub(super) fn set(time: &str) {
    NOW.set(time.parse::<Timestamp>().unwrap().as_second());
}

/// What the source does, one request after the other; it succeeds when nothing is left.
#[derive(Default)]
pub(super) struct Script {
    pub(super) troubles: Mutex<VecDeque<Trouble>>,
    pub(super) resting: Mutex<Option<Resting>>,
    pub(super) asked: Mutex<Vec<String>>,
    /// Requests wait while this is closed.
    pub(super) gate: watch::Sender<bool>,
    /// A job that is paused while it is asked whether the source rests.
    pub(super) paused_meanwhile: Mutex<Option<(Jobs, String)>>,
}

#[async_trait::async_trait]
impl Work for Script {
    async fn sync(&self, spec: &SyncSpec, outcome: &mut Outcome, stop: watch::Receiver<bool>) -> Result<(), Trouble> {
        self.asked.lock().unwrap().push(spec.query.clone().unwrap());
        let (mut gate, mut stop) = (self.gate.subscribe(), stop);
        tokio::select! {
            _ = gate.wait_for(|closed| !*closed) => {}
            _ = stop.wait_for(|stop| *stop) => return Err(Trouble::Stopped),
        }
        outcome.counts.added = 1;
        self.troubles.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }

    async fn resting(&self, source: SourceName) -> Result<Option<Resting>, Trouble> {
        let meanwhile = self.paused_meanwhile.lock().unwrap().take();
        if let Some((jobs, name)) = meanwhile {
            jobs.pause(&name, true).await.unwrap();
        }
        Ok(self.resting.lock().unwrap().clone().filter(|resting| source == SourceName::Arxiv && resting.until > now()))
    }

    async fn try_anyway(&self, _: SourceName) -> Result<(), Trouble> {
        *self.resting.lock().unwrap() = None;
        Ok(())
    }

    async fn place(&self, _: &SyncSpec) -> Option<String> {
        Some("start=500".to_owned())
    }
}

/// A library's store that processes open one after the other.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    pub(super) script: Arc<Script>,
    pub(super) file: BTreeMap<String, JobSpec>,
}

pub(super) fn spec(schedule: &str, zone: &str, source: &str) -> JobSpec {
    let fields = json!({"schedule": schedule, "time_zone": zone, "source": source, "query": "x"});
    JobSpec::from_fields(fields.as_object().cloned().unwrap()).unwrap()
}

impl Bench {
    /// At noon, with these jobs in the file.
    pub(super) fn new(jobs: &[(&str, JobSpec)]) -> Self {
        set("2026-11-22T12:00:00Z");
        let file = jobs.iter().map(|(name, spec)| ((*name).to_owned(), spec.clone())).collect();
        Self { folder: tempfile::tempdir().unwrap(), script: Arc::default(), file }
    }

    /// As a command does.
    pub(super) async fn open(&self) -> Jobs {
        let store = Store::open(&self.folder.path().join("library.db")).await.unwrap();
        #[allow(clippy::disallowed_methods)]
        let clock = Clock::fixed(now, uuid::Uuid::now_v7);
        let limits = Limits { max_failures: 3, retry_pause: Duration::from_secs(300) };
        Jobs::open(store, clock, self.script.clone(), &self.file, limits).await.unwrap()
    }

    /// As a server does.
    pub(super) async fn start(&self) -> Jobs {
        let jobs = self.open().await;
        jobs.align().await.unwrap();
        jobs
    }

    pub(super) fn fail(&self, times: usize) {
        let failed = || Trouble::Failed { why: "refused".to_owned(), of_source: false };
        self.script.troubles.lock().unwrap().extend((0..times).map(|_| failed()));
    }

    pub(super) fn asked(&self) -> usize {
        self.script.asked.lock().unwrap().len()
    }
}

/// Begins what is due at that time and waits until it has ended.
pub(super) async fn at(jobs: &Jobs, time: &str) {
    set(time);
    jobs.begin_due().await.unwrap();
    jobs.ended().await;
}

/// The runs of a job, the oldest first, as `trigger status`.
pub(super) async fn runs(jobs: &Jobs, name: &str) -> Vec<String> {
    let mut runs = jobs.history(Some(name), None, 100).await.unwrap_or_default();
    runs.reverse();
    runs.iter().map(|run| format!("{} {}", run.trigger.as_str(), run.status.as_str())).collect()
}

pub(super) async fn next(jobs: &Jobs, name: &str) -> Option<String> {
    jobs.get(name).await.unwrap().next_run.map(|time| time.to_string())
}

pub(super) fn daily() -> JobSpec {
    spec("0 6 * * *", "UTC", "arxiv")
}

#[tokio::test]
async fn a_job_runs_when_it_is_due_and_not_before() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    at(&jobs, "2026-11-23T05:59:59Z").await;
    assert_eq!(bench.asked(), 0);
    at(&jobs, "2026-11-23T06:00:00Z").await;
    at(&jobs, "2026-11-23T06:00:30Z").await;
    assert_eq!(runs(&jobs, "daily").await, ["schedule succeeded"]);
    assert_eq!(next(&jobs, "daily").await.unwrap(), "2026-11-24T06:00:00Z");
}

#[tokio::test]
async fn runs_that_were_missed_while_no_server_ran_are_made_up_once() {
    let bench = Bench::new(&[("daily", daily())]);
    drop(bench.start().await);
    set("2026-11-25T20:00:00Z");
    let jobs = bench.start().await;
    at(&jobs, "2026-11-25T20:00:01Z").await;
    at(&jobs, "2026-11-25T20:00:02Z").await;
    at(&jobs, "2026-11-26T06:00:00Z").await;
    assert_eq!(runs(&jobs, "daily").await, ["missed succeeded", "schedule succeeded"]);
}

#[tokio::test]
async fn a_job_never_overlaps_itself_and_what_falls_due_meanwhile_is_part_of_the_run() {
    let bench = Bench::new(&[("often", spec("* * * * *", "UTC", "arxiv"))]);
    let jobs = bench.start().await;
    bench.script.gate.send_replace(true);
    set("2026-11-22T12:01:00Z");
    jobs.begin_due().await.unwrap();
    for minute in 2..6 {
        set(&format!("2026-11-22T12:0{minute}:00Z"));
        jobs.begin_due().await.unwrap();
        tokio::task::yield_now().await;
    }
    let Err(JobsError::Running { run, .. }) = jobs.begin("often", Trigger::Manual).await else { panic!("begun") };
    assert_eq!(jobs.get("often").await.unwrap().last_run.unwrap().id, run);
    bench.script.gate.send_replace(false);
    jobs.ended().await;
    assert_eq!((bench.asked(), next(&jobs, "often").await.unwrap().as_str()), (1, "2026-11-22T12:06:00Z"));
}

#[tokio::test]
async fn a_run_that_was_under_way_when_the_process_died_is_told_and_made_up_once() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    set("2026-11-23T06:00:00Z");
    let begun = jobs.begin("daily", Trigger::Schedule).await.unwrap();
    // What a killed process leaves behind: the row of a run without an end.
    std::mem::forget(begun);
    set("2026-11-24T07:00:00Z");
    let jobs = bench.start().await;
    assert_eq!(runs(&jobs, "daily").await, ["schedule interrupted"]);
    at(&jobs, "2026-11-24T07:00:01Z").await;
    at(&jobs, "2026-11-24T07:00:02Z").await;
    assert_eq!(runs(&jobs, "daily").await, ["schedule interrupted", "missed succeeded"]);
}

#[tokio::test]
async fn a_stop_interrupts_runs_and_the_next_start_goes_on_with_them() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    bench.script.gate.send_replace(true);
    set("2026-11-23T06:00:00Z");
    jobs.begin_due().await.unwrap();
    jobs.stop();
    jobs.ended().await;
    assert!(matches!(jobs.begin("daily", Trigger::Manual).await, Err(JobsError::Stopping)));
    bench.script.gate.send_replace(false);
    let jobs = bench.start().await;
    at(&jobs, "2026-11-23T06:01:00Z").await;
    assert_eq!(runs(&jobs, "daily").await, ["schedule interrupted", "missed succeeded"]);
    assert_eq!(jobs.get("daily").await.unwrap().failures, 0);
}

#[tokio::test]
async fn half_past_two_runs_once_on_the_days_that_the_clocks_change() {
    for (before, hours, day_after) in [
        ("2026-03-28T23:00:00Z", ["00:59", "01:00", "01:30", "02:30"], "2026-03-29"),
        ("2026-10-24T23:00:00Z", ["00:29", "00:30", "01:30", "02:30"], "2026-10-25"),
    ] {
        let bench = Bench::new(&[("night", spec("30 2 * * *", "Europe/Berlin", "arxiv"))]);
        set(before);
        let jobs = bench.start().await;
        for (place, hour) in hours.iter().enumerate() {
            at(&jobs, &format!("{day_after}T{hour}:00Z")).await;
            assert_eq!(bench.asked(), usize::from(place > 0), "{day_after} {hour}");
        }
    }
}

#[tokio::test]
async fn a_schedule_that_is_changed_in_the_file_holds_from_the_restart_and_makes_nothing_due() {
    let mut bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    at(&jobs, "2026-11-23T06:00:00Z").await;
    bench.file.insert("daily".to_owned(), spec("0 5 * * *", "UTC", "arxiv"));
    set("2026-11-23T20:00:00Z");
    let jobs = bench.start().await;
    at(&jobs, "2026-11-23T20:00:01Z").await;
    assert_eq!((bench.asked(), next(&jobs, "daily").await.unwrap().as_str()), (1, "2026-11-24T05:00:00Z"));
    bench.file.clear();
    assert!(matches!(bench.start().await.get("daily").await, Err(JobsError::NotFound(_))));
}

#[tokio::test]
async fn a_pause_outlives_the_process_and_nothing_is_made_up_after_it() {
    let bench = Bench::new(&[("daily", daily())]);
    bench.start().await.put("daily", json!({"paused": true}).as_object().cloned().unwrap()).await.unwrap();
    let jobs = bench.start().await;
    at(&jobs, "2026-11-25T07:00:00Z").await;
    assert_eq!((bench.asked(), next(&jobs, "daily").await), (0, None));
    jobs.pause("daily", false).await.unwrap();
    at(&jobs, "2026-11-25T07:00:01Z").await;
    assert_eq!((bench.asked(), next(&jobs, "daily").await.unwrap().as_str()), (0, "2026-11-26T06:00:00Z"));
}

#[tokio::test]
async fn a_job_that_fails_again_and_again_becomes_a_dead_letter_while_others_go_on() {
    let yearly = spec("0 6 1 1 *", "UTC", "arxiv");
    let bench = Bench::new(&[("yearly", yearly.clone())]);
    let jobs = bench.start().await;
    bench.fail(3);
    for time in ["2027-01-01T06:00:00Z", "2027-01-01T06:05:00Z", "2027-01-01T06:14:59Z", "2027-01-01T06:15:00Z"] {
        at(&jobs, time).await;
    }
    assert_eq!(runs(&jobs, "yearly").await, ["schedule failed", "retry failed", "retry failed"]);
    at(&jobs, "2028-01-01T06:00:00Z").await;
    assert_eq!((bench.asked(), next(&jobs, "yearly").await), (3, None));
    // It outlives the process too.
    let jobs = bench.start().await;
    let letter = jobs.dead_letters().await.unwrap().pop().unwrap();
    assert_eq!((letter.job.as_str(), letter.attempts, letter.error.as_str()), ("yearly", 3, "refused"));
    assert_eq!(
        (letter.first_failed.to_string(), letter.last_failed.to_string()),
        ("2027-01-01T06:00:00Z".to_owned(), "2027-01-01T06:15:00Z".to_owned())
    );
    assert_eq!(letter.place.as_deref(), Some("start=500"));
    let request: serde_json::Value = serde_json::from_str(letter.request.get()).unwrap();
    assert_eq!(request, serde_json::Value::Object(yearly.fields().unwrap()));
    let other = json!({"schedule": "0 7 * * *", "source": "arxiv", "query": "y"});
    assert!(jobs.put("other", other.as_object().cloned().unwrap()).await.unwrap(), "it is new");
    at(&jobs, "2028-01-01T07:00:00Z").await;
    assert_eq!(runs(&jobs, "other").await, ["schedule succeeded"]);

    jobs.revive(&letter.id, false).await.unwrap();
    at(&jobs, "2028-01-01T07:00:01Z").await;
    assert_eq!(runs(&jobs, "yearly").await.last().unwrap(), "retry succeeded");
    assert_eq!(
        (jobs.dead_letters().await.unwrap().len(), next(&jobs, "yearly").await.unwrap().as_str()),
        (0, "2029-01-01T06:00:00Z")
    );
    assert!(matches!(jobs.revive(&letter.id, false).await, Err(JobsError::NoLetter(_))));
}

#[tokio::test]
async fn another_definition_or_forgetting_the_letter_lets_a_job_go_on() {
    let mut bench = Bench::new(&[("one", daily()), ("two", daily())]);
    let jobs = bench.start().await;
    bench.fail(6);
    for time in ["2026-11-23T06:00:00Z", "2026-11-23T06:05:00Z", "2026-11-23T06:15:00Z"] {
        at(&jobs, time).await;
    }
    let letters = jobs.dead_letters().await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.job.as_str()).collect::<Vec<_>>().len(), 2);
    let two = letters.iter().find(|letter| letter.job == "two").unwrap();
    jobs.revive(&two.id, true).await.unwrap();
    bench.file.insert("one".to_owned(), spec("0 6 * * *", "UTC", "semantic-scholar"));
    let jobs = bench.start().await;
    assert_eq!(jobs.dead_letters().await.unwrap().len(), 0);
    at(&jobs, "2026-11-23T06:16:00Z").await;
    assert_eq!(bench.asked(), 6, "neither runs before its time");
    at(&jobs, "2026-11-24T06:00:00Z").await;
    assert_eq!(runs(&jobs, "one").await.last().unwrap(), "schedule succeeded");
    assert_eq!(runs(&jobs, "two").await.last().unwrap(), "schedule succeeded");
}

fn rest(until: &str) -> Resting {
    Resting { since: now(), until: until.parse().unwrap(), why: "HTTP 503".to_owned() }
}

#[tokio::test]
async fn jobs_of_a_source_that_is_left_alone_are_put_off_and_the_others_go_on() {
    let bench = Bench::new(&[("daily", daily()), ("other", spec("0 6 * * *", "UTC", "semantic-scholar"))]);
    let jobs = bench.start().await;
    *bench.script.resting.lock().unwrap() = Some(rest("2026-11-23T09:00:00Z"));
    at(&jobs, "2026-11-23T06:00:00Z").await;
    at(&jobs, "2026-11-23T07:00:00Z").await;
    assert_eq!(runs(&jobs, "other").await, ["schedule succeeded"]);
    let told = jobs.get("daily").await.unwrap();
    assert_eq!((told.breaker.state, told.failures), (BreakerState::Open, 0));
    assert_eq!(told.next_run.unwrap().to_string(), "2026-11-23T09:00:00Z");
    let told = told.last_run.unwrap().error.unwrap();
    assert_eq!(told, "put off until 2026-11-23T09:00:00Z: the source has failed since 2026-11-22T12:00:00Z (HTTP 503)");
    at(&jobs, "2026-11-23T09:00:00Z").await;
    assert_eq!(runs(&jobs, "daily").await, ["schedule put-off", "schedule succeeded"]);
}

#[tokio::test]
async fn a_source_that_trips_the_breaker_is_no_failure_of_the_job_and_a_manual_run_tries_anyway() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    for _ in 0..4 {
        let away = Trouble::Failed { why: "HTTP 503".to_owned(), of_source: true };
        bench.script.troubles.lock().unwrap().push_back(away);
    }
    at(&jobs, "2026-11-23T06:00:00Z").await;
    assert_eq!(jobs.get("daily").await.unwrap().failures, 1, "the breaker has not tripped");
    for (time, until) in [("06:05", "06:10"), ("06:10", "06:20"), ("06:20", "06:40")] {
        set(&format!("2026-11-23T{time}:00Z"));
        // It opens while the request is under way.
        bench.script.gate.send_replace(true);
        jobs.begin_due().await.unwrap();
        tokio::task::yield_now().await;
        *bench.script.resting.lock().unwrap() = Some(rest(&format!("2026-11-23T{until}:00Z")));
        bench.script.gate.send_replace(false);
        jobs.ended().await;
    }
    let told = jobs.get("daily").await.unwrap();
    assert_eq!((told.failures, told.dead_letter), (1, None));
    assert_eq!(runs(&jobs, "daily").await, ["schedule failed", "retry put-off", "retry put-off", "retry put-off"]);
    let begun = jobs.begin("daily", Trigger::Manual).await.unwrap();
    assert_eq!(jobs.carry_out(begun).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(next(&jobs, "daily").await.unwrap(), "2026-11-24T06:00:00Z");
}

#[tokio::test]
async fn a_job_that_is_deleted_while_it_runs_keeps_its_history_only() {
    let bench = Bench::new(&[]);
    let jobs = bench.start().await;
    let fields = json!({"schedule": "0 7 * * *", "source": "arxiv", "query": "y"});
    jobs.put("one", fields.as_object().cloned().unwrap()).await.unwrap();
    let begun = jobs.begin("one", Trigger::Manual).await.unwrap();
    jobs.delete("one").await.unwrap();
    jobs.carry_out(begun).await.unwrap();
    assert_eq!(runs(&jobs, "one").await, ["manual succeeded"]);
    assert!(matches!(jobs.get("one").await, Err(JobsError::NotFound(_))));
}

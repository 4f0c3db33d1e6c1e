//! What happens to jobs meanwhile: changes during a run, clocks that are set, files that change, and ends that are lost.

use futures::FutureExt;
use serde_json::{Map, Value, json};

use super::tests::{Bench, at, daily, next, now, runs, set, spec};
use super::*;
use crate::library::LibraryError;

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// Lets the requests that wait go on, and waits for their runs.
async fn go_on(bench: &Bench, jobs: &Jobs) {
    bench.script.gate.send_replace(false);
    jobs.ended().await;
}

/// A run that is due at that time begins, and its request waits.
async fn begun(bench: &Bench, jobs: &Jobs, time: &str) {
    bench.script.gate.send_replace(true);
    set(time);
    jobs.begin_due().await.unwrap();
    while bench.asked() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_run_that_cannot_begin_does_not_wake_the_scheduler_and_one_that_ended_does() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    drop(jobs.begin("daily", Trigger::Manual).await.unwrap());
    assert_eq!(jobs.shared.changed.notified().now_or_never(), None, "it would try again at once, without end");
    let begun = jobs.begin("daily", Trigger::Manual).await.unwrap();
    jobs.carry_out(begun).await.unwrap();
    assert_eq!(jobs.shared.changed.notified().now_or_never(), Some(()));
}

#[tokio::test]
async fn a_request_that_is_being_synced_otherwise_puts_the_job_off_and_is_no_failure() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    let busy = || Trouble::from(LibraryError::UnderWay { request: "arxiv: x".to_owned() });
    bench.script.troubles.lock().unwrap().extend([busy(), busy()]);
    at(&jobs, "2026-11-23T06:00:00Z").await;
    let told = jobs.get("daily").await.unwrap();
    assert_eq!((told.failures, told.next_run.unwrap().to_string()), (0, "2026-11-23T06:05:00Z".to_owned()));
    let error = told.last_run.unwrap().error.unwrap();
    assert!(error.starts_with("put off: `arxiv: x` is being synced already"), "{error}");
    let begun = jobs.begin("daily", Trigger::Manual).await.unwrap();
    assert_eq!(jobs.carry_out(begun).await.unwrap().status, RunStatus::PutOff);
    at(&jobs, "2026-11-23T06:05:00Z").await;
    assert_eq!(runs(&jobs, "daily").await, ["schedule put-off", "manual put-off", "schedule succeeded"]);
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_no_job_from_running() {
    let bench = Bench::new(&[("dealt", daily()), ("failed", spec("0 7 * * *", "UTC", "arxiv"))]);
    let jobs = bench.start().await;
    at(&jobs, "2036-01-01T06:00:00Z").await;
    // `failed` was due too: it was first in nothing, and fails now.
    bench.fail(1);
    at(&jobs, "2036-01-02T07:00:00Z").await;
    let before = (runs(&jobs, "dealt").await.len(), runs(&jobs, "failed").await.len());
    at(&jobs, "2026-11-24T05:00:00Z").await;
    at(&jobs, "2026-11-24T11:00:00Z").await;
    let after = (runs(&jobs, "dealt").await.len(), runs(&jobs, "failed").await.len());
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1), "{after:?}");
    assert_eq!(next(&jobs, "dealt").await.unwrap(), "2026-11-25T06:00:00Z");
}

#[tokio::test]
async fn a_clock_that_is_corrected_makes_nothing_due_twice() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    at(&jobs, "2026-11-23T06:00:00Z").await;
    at(&jobs, "2026-11-23T05:59:58Z").await;
    at(&jobs, "2026-11-23T06:00:00Z").await;
    assert_eq!((bench.asked(), next(&jobs, "daily").await.unwrap().as_str()), (1, "2026-11-24T06:00:00Z"));
}

#[tokio::test]
async fn a_job_that_is_paused_between_being_found_due_and_begun_does_not_run() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    *bench.script.paused_meanwhile.lock().unwrap() = Some((jobs.clone(), "daily".to_owned()));
    at(&jobs, "2026-11-23T06:00:00Z").await;
    assert_eq!((bench.asked(), runs(&jobs, "daily").await), (0, vec![]));
}

#[tokio::test]
async fn a_run_whose_end_was_lost_is_closed_when_the_next_begins() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    drop(jobs.begin("daily", Trigger::Manual).await.unwrap());
    assert_eq!(runs(&jobs, "daily").await, ["manual running"]);
    at(&jobs, "2026-11-23T06:00:00Z").await;
    assert_eq!(runs(&jobs, "daily").await, ["manual interrupted", "schedule succeeded"]);
}

#[tokio::test]
async fn a_pause_during_a_run_keeps_what_came_of_it() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    begun(&bench, &jobs, "2026-11-23T06:00:00Z").await;
    bench.fail(1);
    jobs.put("daily", fields(&json!({"paused": true}))).await.unwrap();
    go_on(&bench, &jobs).await;
    let told = jobs.get("daily").await.unwrap();
    assert_eq!((told.failures, told.paused, told.next_run), (1, true, None));
}

#[tokio::test]
async fn another_form_of_the_same_definition_during_a_run_keeps_what_came_of_it() {
    let bench = Bench::new(&[]);
    let jobs = bench.start().await;
    let job =
        |paused: bool| fields(&json!({"schedule": "0 6 * * *", "source": "arxiv", "query": "y", "paused": paused}));
    jobs.put("own", job(false)).await.unwrap();
    begun(&bench, &jobs, "2026-11-23T06:00:00Z").await;
    bench.fail(1);
    jobs.put("own", job(true)).await.unwrap();
    go_on(&bench, &jobs).await;
    assert_eq!(jobs.get("own").await.unwrap().failures, 1);
    jobs.put("own", job(false)).await.unwrap();
    at(&jobs, "2026-11-23T06:05:00Z").await;
    assert_eq!(runs(&jobs, "own").await, ["schedule failed"], "resumed, it makes nothing up");
}

#[tokio::test]
async fn a_stop_amid_a_run_of_a_job_that_was_changed_meanwhile_makes_up_what_is_asked_for_now() {
    let bench = Bench::new(&[]);
    let jobs = bench.start().await;
    let job = |query: &str| fields(&json!({"schedule": "0 6 * * *", "source": "arxiv", "query": query}));
    jobs.put("own", job("before")).await.unwrap();
    begun(&bench, &jobs, "2026-11-23T06:00:00Z").await;
    jobs.put("own", job("after")).await.unwrap();
    jobs.stop();
    jobs.ended().await;
    bench.script.gate.send_replace(false);
    let jobs = bench.start().await;
    at(&jobs, "2026-11-23T06:01:00Z").await;
    assert_eq!(runs(&jobs, "own").await, ["schedule interrupted", "missed succeeded"]);
    assert_eq!(*bench.script.asked.lock().unwrap(), ["before", "after"]);
}

#[tokio::test]
async fn what_was_to_be_tried_again_is_not_made_up_after_a_pause() {
    let bench = Bench::new(&[("daily", daily())]);
    let jobs = bench.start().await;
    bench.fail(1);
    at(&jobs, "2026-11-23T06:00:00Z").await;
    jobs.pause("daily", true).await.unwrap();
    set("2026-11-23T20:00:00Z");
    jobs.pause("daily", false).await.unwrap();
    at(&jobs, "2026-11-23T20:00:01Z").await;
    assert_eq!((bench.asked(), next(&jobs, "daily").await.unwrap().as_str()), (1, "2026-11-24T06:00:00Z"));
}

#[tokio::test]
async fn a_command_with_another_file_changes_nothing_that_is_stored_of_the_servers_jobs() {
    let mut bench = Bench::new(&[("daily", daily()), ("dead", daily())]);
    let jobs = bench.start().await;
    bench.fail(6);
    for time in ["2026-11-23T06:00:00Z", "2026-11-23T06:05:00Z", "2026-11-23T06:15:00Z"] {
        at(&jobs, time).await;
    }
    assert_eq!(jobs.dead_letters().await.unwrap().len(), 2);
    let stored = jobs.shared.store.jobs().await.unwrap();
    let file = std::mem::take(&mut bench.file);
    bench.file.insert("dead".to_owned(), spec("0 9 * * *", "UTC", "arxiv"));
    bench.file.insert("new".to_owned(), daily());
    let command = bench.open().await;
    let names: Vec<String> = command.list().await.unwrap().into_iter().map(|job| job.name).collect();
    assert_eq!(names, ["dead", "new"], "it goes by its file");
    assert_eq!(command.get("dead").await.unwrap().dead_letter, None, "the letter is of another definition");
    assert_eq!(command.shared.store.jobs().await.unwrap(), stored);
    let begun = command.begin("new", Trigger::Manual).await.unwrap();
    command.carry_out(begun).await.unwrap();
    bench.file = file;
    let jobs = bench.start().await;
    let told = jobs.dead_letters().await.unwrap();
    assert_eq!(told.iter().map(|letter| letter.job.as_str()).collect::<Vec<_>>().len(), 2, "{told:?}");
    assert_eq!(runs(&jobs, "new").await, ["manual succeeded"]);
}

#[tokio::test]
async fn a_job_that_leaves_the_file_and_comes_back_is_as_it_was_and_makes_nothing_up() {
    let mut bench = Bench::new(&[("daily", daily()), ("waiting", daily())]);
    bench.start().await.pause("waiting", true).await.unwrap();
    let file = std::mem::take(&mut bench.file);
    set("2026-11-23T05:00:00Z");
    let jobs = bench.start().await;
    assert!(matches!(jobs.get("daily").await, Err(JobsError::NotFound(_))));
    assert!(matches!(jobs.delete("daily").await, Err(JobsError::NotFound(_))));
    at(&jobs, "2026-11-23T06:00:00Z").await;
    assert_eq!(bench.asked(), 0);
    bench.file = file;
    set("2026-11-23T20:00:00Z");
    let jobs = bench.start().await;
    at(&jobs, "2026-11-23T20:00:01Z").await;
    assert_eq!((bench.asked(), next(&jobs, "daily").await.unwrap().as_str()), (0, "2026-11-24T06:00:00Z"));
    assert!(jobs.get("waiting").await.unwrap().paused);
    assert_eq!(now().to_string(), "2026-11-23T20:00:01Z");
}

//! Jobs and the server that has them: its commands, its stop.

use serde_json::{Value, json};

use crate::jobs::{NEVER_SOON, arxiv, feed, home, post};
use crate::support::{Home, eventually};

/// What a command on jobs printed, without ids and times.
fn told(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let ran = home.run(&[&["--json", "jobs"], arguments].concat());
    let mut printed: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let changing = ["id", "started", "finished", "first_failed", "last_failed", "dead_letter"];
                fields.retain(|name, _| !changing.contains(&name.as_str()));
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut printed);
    let error = ran.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default().to_owned();
    (ran.code, printed.to_string(), error)
}

#[test]
fn commands_on_jobs_print_and_end_through_a_running_server_as_they_do_without_one() {
    let sources = [arxiv(200, feed()), arxiv(200, feed()), arxiv(400, String::new()), arxiv(400, String::new())];
    let [alone, served, failing, failing_there] = sources.each_ref().map(|source| home(source, &["daily", "other"]));
    let server = served.serve();
    let commands: [&[&str]; 9] = [
        &["list"],
        &["run", "daily"],
        &["run", "nightly"],
        &["history"],
        &["history", "daily"],
        &["history", "nightly"],
        &["pause", "other"],
        &["resume", "other"],
        &["list"],
    ];
    for command in commands {
        assert_eq!(told(&alone, command), told(&served, command), "{command:?}");
    }
    assert_eq!(told(&served, &["run", "daily"]).0, 3);
    let other = failing_there.serve();
    for command in [&["run", "daily"][..], &["dead"], &["retry", "x"], &["history"]] {
        assert_eq!(told(&failing, command), told(&failing_there, command), "{command:?}");
    }
    assert_eq!((server.stop(), other.stop()), (0, 0));
}

#[test]
fn a_dead_letter_is_retried_through_a_running_server() {
    let source = arxiv(400, String::new());
    let home = home(&source, &["one"]).set("LECTERN__SCHEDULER__MAX_FAILURES", "1");
    let server = home.serve();
    post(&server, "/v1/jobs/one/run");
    server.kill();
    let server = home.serve();
    let letter = eventually(|| {
        let dead = home.run(&["--json", "jobs", "dead"]).exited(0).json()["dead_letters"].clone();
        dead[0]["id"].as_str().map(str::to_owned)
    });
    let before = source.arrivals.lock().unwrap().len();
    let retried = home.run(&["jobs", "retry", &letter]).exited(1);
    assert!(retried.stderr.contains("the job `one` did not succeed: refused (HTTP 400)"), "{}", retried.stderr);
    assert!(retried.stdout.contains("failed (retry)"), "{}", retried.stdout);
    assert_eq!(source.arrivals.lock().unwrap().len(), before + 1);
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_stop_while_what_a_job_read_is_being_indexed_leaves_a_job_that_succeeded() {
    let text = "A sentence of a long abstract, which takes its time to be embedded. ".repeat(12);
    let entry = |n: usize| {
        format!(
            "<entry><id>http://arxiv.org/abs/2104.{n:05}v1</id><title>Paper {n}</title><summary>{text}{n}</summary>\
             <published>2021-04-25T00:00:00Z</published><updated>2021-04-25T00:00:00Z</updated>\
             <author><name>Ada Lovelace</name></author></entry>"
        )
    };
    let entries: String = (0..400).map(entry).collect();
    let body = format!(
        "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom' xmlns:opensearch='http://a9.com/-/spec/opensearch/1.1/'>\
         <opensearch:totalResults>400</opensearch:totalResults><opensearch:startIndex>0</opensearch:startIndex>\
         <opensearch:itemsPerPage>400</opensearch:itemsPerPage>{entries}</feed>"
    );
    let source = arxiv(200, body);
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", source.address.clone())
        .set("LECTERN__SERVER__DRAIN_TIMEOUT_S", "1");
    std::fs::write(home.path().join("lectern.toml"), format!("[jobs.daily]\n{NEVER_SOON}query = 'all:x'\n")).unwrap();
    let server = home.serve();
    post(&server, "/v1/jobs/daily/run");
    eventually(|| (server.get("/v1/stats").json()["library"]["papers"] == 400).then_some(()));
    assert_eq!(server.stop(), 0);
    let history = home.run(&["--json", "jobs", "history"]).exited(0).json()["runs"].clone();
    assert_eq!(
        (&history[0]["status"], &history[0]["counts"]["added"]),
        (&json!("succeeded"), &json!(400)),
        "{history}"
    );
    assert_eq!(
        (&history[1], home.run(&["--json", "stats"]).json()["library"]["papers"].clone()),
        (&Value::Null, json!(400))
    );
}

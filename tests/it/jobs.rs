//! Jobs through the front door: the file, the command, REST, crashes, and the pace that all keep together.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};

use crate::support::{Home, Server, eventually};

/// A stand-in for arXiv, which notes when it was asked, and says the same each time.
pub struct Arxiv {
    pub address: String,
    pub arrivals: Arc<Mutex<Vec<Instant>>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Says {
    status: u16,
    body: Arc<String>,
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

async fn answer(State(says): State<Says>) -> Response {
    says.arrivals.lock().unwrap().push(Instant::now());
    (axum::http::StatusCode::from_u16(says.status).unwrap(), says.body.to_string()).into_response()
}

pub fn arxiv(status: u16, body: String) -> Arxiv {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let arrivals = Arc::<Mutex<Vec<Instant>>>::default();
    let says = Says { status, body: Arc::new(body), arrivals: arrivals.clone() };
    let router = Router::new().fallback(any(answer)).with_state(says);
    runtime.spawn(async move { axum::serve(listener, router).await });
    Arxiv { address, arrivals, _runtime: runtime }
}

/// One good entry and one without a title.
pub fn feed() -> String {
    let entry = |id: &str, title: &str| {
        format!(
            "<entry><id>http://arxiv.org/abs/{id}</id><title>{title}</title><summary>About it.</summary>\
             <published>2021-04-25T00:00:00Z</published><updated>2021-04-25T00:00:00Z</updated>\
             <author><name>Ada Lovelace</name></author></entry>"
        )
    };
    format!(
        "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom' xmlns:opensearch='http://a9.com/-/spec/opensearch/1.1/'>\
         <opensearch:totalResults>2</opensearch:totalResults><opensearch:startIndex>0</opensearch:startIndex>\
         <opensearch:itemsPerPage>2</opensearch:itemsPerPage>{}{}</feed>",
        entry("2104.12255v1", "A paper"),
        entry("2104.12256v1", "")
    )
}

pub const NEVER_SOON: &str = "schedule = '0 6 29 2 *'\nsource = 'arxiv'\n";

/// A home that searches by words, whose file has these jobs, each with a query of its own.
pub fn home(source: &Arxiv, jobs: &[&str]) -> Home {
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", source.address.clone())
        .set("LECTERN__SOURCES__MAX_RETRIES", "0")
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let job = |name: &&str| format!("[jobs.{name}]\n{NEVER_SOON}query = 'all:{name}'\n");
    std::fs::write(home.path().join("lectern.toml"), jobs.iter().map(job).collect::<String>()).unwrap();
    home
}

fn put(server: &Server, name: &str, body: &Value) -> crate::support::Reply {
    let address = server.url(&format!("/v1/jobs/{name}"));
    server.send(|client| client.put(address).header("content-type", "application/json").body(body.to_string()))
}

pub fn post(server: &Server, path: &str) -> crate::support::Reply {
    server.send(|client| client.post(server.url(path)))
}

fn delete(server: &Server, path: &str) -> crate::support::Reply {
    server.send(|client| client.delete(server.url(path)))
}

/// The newest run of a job when it has ended.
pub fn ended(server: &Server, job: &str) -> Value {
    eventually(|| {
        let run = server.get(&format!("/v1/jobs/{job}/runs?limit=1")).json()["runs"][0].clone();
        (run["status"] != "running" && !run.is_null()).then_some(run)
    })
}

#[test]
fn a_job_of_the_file_is_run_now_and_its_history_has_counts_and_reasons() {
    let source = arxiv(200, feed());
    let home = home(&source, &["daily"]);
    let server = home.serve();
    let job = server.get("/v1/jobs").json()["jobs"][0].clone();
    let told =
        ["name", "schedule", "time_zone", "paused", "origin", "running", "last_run"].map(|field| job[field].clone());
    let expected =
        [json!("daily"), json!("0 6 29 2 *"), json!("UTC"), json!(false), json!("file"), json!(false), Value::Null];
    assert_eq!(told, expected);
    assert_eq!(job["spec"], json!({"source": "arxiv", "query": "all:daily"}));
    assert_eq!(job["breaker"], json!({"source": "arxiv", "state": "closed"}));
    assert_eq!(job["next_run"], "2028-02-29T06:00:00Z");

    let accepted = post(&server, "/v1/jobs/daily/run");
    assert_eq!(accepted.status, 202);
    let run = ended(&server, "daily");
    assert_eq!(
        (&run["id"], &run["trigger"], &run["status"]),
        (&accepted.json()["id"], &json!("manual"), &json!("succeeded"))
    );
    assert_eq!(run["counts"], json!({"added": 1, "updated": 0, "unchanged": 0, "rejected": 1, "deleted": 0}));
    assert_eq!((&run["rejects"][0]["count"], &run["rejects"][0]["records"].as_array().unwrap().len()), (&json!(1), &1));
    assert_eq!(run["index_writes"], 1);
    post(&server, "/v1/jobs/daily/run");
    let again = ended(&server, "daily");
    assert_eq!(again["counts"], json!({"added": 0, "updated": 0, "unchanged": 1, "rejected": 1, "deleted": 0}));
    assert_eq!((&again["embeddings"], &again["index_writes"]), (&json!(0), &json!(0)), "unchanged papers cost nothing");

    let first = server.get("/v1/jobs/daily/runs?limit=1").json();
    let next = server.get(&format!("/v1/jobs/daily/runs?limit=1&cursor={}", first["next"].as_str().unwrap())).json();
    assert_eq!((&next["runs"][0]["id"], &next["next"]), (&run["id"], &Value::Null));
    assert!(server.get("/v1/jobs/daily/runs?cursor=x").problem(400).contains("`cursor`"));
}

#[test]
fn jobs_are_added_changed_paused_and_deleted_over_rest_but_those_of_the_file_only_paused() {
    let source = arxiv(200, feed());
    let home = home(&source, &["daily"]);
    let server = home.serve();
    let job = json!({"schedule": "0 5 * * *", "time_zone": "Asia/Tokyo", "source": "arxiv", "query": "x"});
    assert_eq!((put(&server, "new", &job).status, put(&server, "new", &job).status), (201, 200));
    assert_eq!(server.get("/v1/jobs/new").json()["origin"], "api");
    assert!(put(&server, "daily", &job).problem(409).contains("stands in the configuration file"));
    assert!(delete(&server, "/v1/jobs/daily").problem(409).contains("stands in the configuration file"));
    let paused = put(&server, "daily", &json!({"paused": true})).json();
    assert_eq!((&paused["paused"], &paused["next_run"]), (&json!(true), &Value::Null));
    for (name, body, told) in [
        ("new", json!({"schedule": "0 5 * *", "source": "arxiv", "query": "x"}), "`0 5 * *`, which is no cron line"),
        (
            "new",
            json!({"schedule": "0 5 * * *", "source": "arxiv", "qery": "x"}),
            "unknown field `qery`; did you mean `query`?",
        ),
        ("New", job.clone(), "a job's name is 1 to 64"),
    ] {
        assert!(put(&server, name, &body).problem(400).contains(told), "{body}");
    }
    server.kill();

    let server = home.serve();
    assert_eq!(server.get("/v1/jobs/daily").json()["paused"], true, "a pause outlives a crash");
    assert_eq!(delete(&server, "/v1/jobs/new").status, 204);
    assert!(server.get("/v1/jobs/new").problem(404).contains("no job `new`"));
    assert!(post(&server, "/v1/jobs/new/run").problem(404).contains("no job `new`"));
    assert_eq!(server.get("/v1/jobs/dead-letters").json(), json!({"dead_letters": []}));
    assert!(post(&server, "/v1/jobs/dead-letters/x/retry").problem(404).contains("no dead letter `x`"));
    assert_eq!(server.stop(), 0);
}

#[test]
fn the_command_lists_runs_and_pauses_jobs_without_a_server() {
    let source = arxiv(200, feed());
    let home = home(&source, &["daily"]);
    let run = home.run(&["--json", "jobs", "run", "daily"]).exited(3).json();
    assert_eq!((&run["status"], &run["counts"]["added"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(home.run(&["--json", "jobs", "history"]).exited(0).json()["runs"][0], run);
    assert_eq!(home.run(&["--json", "jobs", "pause", "daily"]).exited(0).json()["paused"], true);
    let listed = home.run(&["jobs", "list"]).exited(0).stdout;
    assert!(listed.contains("daily  0 6 29 2 * (UTC): arxiv query all:daily\n  paused, last succeeded"), "{listed}");
    assert_eq!(home.run(&["--json", "jobs", "resume", "daily"]).exited(0).json()["paused"], false);
    assert_eq!(home.run(&["--json", "jobs", "dead"]).exited(0).json(), json!({"dead_letters": []}));
    assert!(home.run(&["jobs", "run", "nightly"]).exited(2).stderr.contains("no job `nightly`"));
    let shown = home.run(&["config", "show"]).exited(0).stdout;
    assert!(shown.contains("jobs.daily.schedule = \"0 6 29 2 *\"  # file "), "{shown}");
    let checked = home.run(&["--json", "config", "check"]).exited(0).json();
    assert_eq!(checked["jobs"], json!(["daily"]));
    std::fs::write(home.path().join("lectern.toml"), "[jobs.x]\nschedule = 'daily'\nsource = 'arxiv'\nquery = 'x'\n")
        .unwrap();
    let bad = home.run(&["config", "check"]).exited(2).stderr;
    assert!(bad.contains("job `x` (file ") && bad.contains("`schedule` is `daily`"), "{bad}");
}

#[test]
fn a_source_that_fails_again_and_again_is_left_alone_and_the_job_says_so() {
    let source = arxiv(500, String::new());
    let home = home(&source, &["daily"]).set("LECTERN__SOURCES__BREAKER_FAILURES", "1");
    let server = home.serve();
    post(&server, "/v1/jobs/daily/run");
    let run = ended(&server, "daily");
    assert_eq!(run["status"], "failed", "{run}");
    let job = server.get("/v1/jobs/daily").json();
    assert_eq!((&job["breaker"]["state"], &job["failures"]), (&json!("open"), &json!(0)));
    assert!(job["breaker"]["why"].as_str().unwrap().contains("500"), "{job}");
    let looked = home.run(&["sync", "arxiv", "--query", "x", "--dry-run"]).exited(1);
    assert!(looked.stderr.contains("is left alone until"), "another process knows: {}", looked.stderr);
    assert_eq!(source.arrivals.lock().unwrap().len(), 1);
    post(&server, "/v1/jobs/daily/run");
    ended(&server, "daily");
    assert_eq!(source.arrivals.lock().unwrap().len(), 2, "whoever asks for a run has it tried anyway");
}

#[test]
fn four_jobs_and_a_command_at_once_keep_three_seconds_between_requests() {
    let source = arxiv(200, feed());
    let names = ["one", "two", "three", "four"];
    let home = home(&source, &names);
    let server = home.serve();
    for name in names {
        assert_eq!(post(&server, &format!("/v1/jobs/{name}/run")).status, 202);
    }
    home.run(&["--json", "sync", "arxiv", "--query", "all:five", "--dry-run"]).exited(3);
    for name in names {
        assert_eq!(ended(&server, name)["status"], "succeeded", "{name}");
    }
    let arrivals = source.arrivals.lock().unwrap().clone();
    let since: Vec<f64> = arrivals.iter().map(|at| at.duration_since(arrivals[0]).as_secs_f64()).collect();
    eprintln!("arrivals at arXiv, in seconds: {since:.3?}");
    assert_eq!(arrivals.len(), 5);
    assert!(arrivals.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(3)), "{since:?}");
}

#[test]
fn a_server_that_is_killed_or_stopped_amid_a_job_makes_it_up_at_the_next_start() {
    let source = arxiv(200, feed());
    for kill in [true, false] {
        let home = home(&source, &["one", "two"]);
        let server = home.serve();
        // The second waits for the three seconds after the first.
        post(&server, "/v1/jobs/one/run");
        ended(&server, "one");
        let cut_off = post(&server, "/v1/jobs/two/run").json()["id"].clone();
        assert!(post(&server, "/v1/jobs/two/run").problem(409).contains("is running"));
        if kill {
            server.kill()
        } else {
            assert_eq!(server.stop(), 0)
        }
        let server = home.serve();
        let made_up = eventually(|| Some(ended(&server, "two")).filter(|run| run["id"] != cut_off));
        assert_eq!((&made_up["trigger"], &made_up["status"]), (&json!("missed"), &json!("succeeded")));
        let before = server.get("/v1/jobs/two/runs").json()["runs"][1].clone();
        assert_eq!((&before["id"], &before["status"]), (&cut_off, &json!("interrupted")));
    }
}

#[test]
fn a_dead_letter_is_looked_at_retried_and_forgotten() {
    let source = arxiv(400, String::new());
    let home = home(&source, &["one", "two"]).set("LECTERN__SCHEDULER__MAX_FAILURES", "1");
    let server = home.serve();
    post(&server, "/v1/jobs/one/run");
    assert_eq!(ended(&server, "one")["status"], "failed");
    post(&server, "/v1/jobs/two/run");
    server.kill();

    let server = home.serve();
    let other = |not: &Value| {
        let letters = server.get("/v1/jobs/dead-letters").json()["dead_letters"].clone();
        (letters[0].is_object() && letters[0]["id"] != *not).then_some(letters)
    };
    let letter = |not: &Value| {
        let letters = eventually(|| other(not));
        assert_eq!(letters.as_array().unwrap().len(), 1, "the run of `one` was asked for, so it is none: {letters}");
        letters[0].clone()
    };
    let dead = letter(&Value::Null);
    assert_eq!(
        (&dead["job"], &dead["attempts"], &dead["request"]["query"]),
        (&json!("two"), &json!(1), &json!("all:two"))
    );
    assert!(dead["error"].as_str().unwrap().starts_with("refused (HTTP 400)"), "{dead}");
    assert_eq!(server.get("/v1/jobs/two").json()["dead_letter"], dead["id"]);
    let path = format!("/v1/jobs/dead-letters/{}", dead["id"].as_str().unwrap());
    assert_eq!(post(&server, &format!("{path}/retry")).status, 202);
    let again = letter(&dead["id"]);
    assert_eq!(ended(&server, "two")["trigger"], "retry");
    assert_eq!(server.stop(), 0);

    let listed = home.run(&["--json", "jobs", "dead"]).exited(0).json();
    assert_eq!(listed["dead_letters"], json!([again]));
    let retried = home.run(&["jobs", "retry", again["id"].as_str().unwrap()]).exited(1);
    assert!(retried.stderr.contains("the job `two` did not succeed: refused (HTTP 400)"), "{}", retried.stderr);
    assert!(home.run(&["jobs", "retry", "x"]).exited(2).stderr.contains("no dead letter `x`"));
    let server = home.serve();
    for letter in server.get("/v1/jobs/dead-letters").json()["dead_letters"].as_array().unwrap() {
        assert_eq!(delete(&server, &format!("/v1/jobs/dead-letters/{}", letter["id"].as_str().unwrap())).status, 204);
    }
    assert_eq!(server.get("/v1/jobs/two").json()["dead_letter"], Value::Null);
}

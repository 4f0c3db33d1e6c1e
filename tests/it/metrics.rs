//! What is told to those who run it: numbers for Prometheus, and log lines that say for which request they are.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::jobs;
use crate::provider::{QUESTION, TRUE};
use crate::scripted::{home_of, model, number_of};
use crate::support::{Server, eventually, root, sample};

/// The value of a series, labels included as they are told.
fn value(server: &Server, series: &str) -> Option<f64> {
    let told = server.get("/metrics").body;
    let line = told.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

#[test]
fn requests_answers_tokens_and_dollars_are_told_to_prometheus() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, "Attention Is All You Need"))));
    let home = home_of(&provider).set("LECTERN__LLM__MONTHLY_USD", "5");
    let server = home.serve();
    let calls =
        r#"lectern_model_calls_total{provider="deepseek",model="deepseek-flash",step="draft",outcome="answered"}"#;
    let answers = r#"lectern_answers_total{route="chat",status="answered"}"#;
    assert_eq!((value(&server, calls), value(&server, answers)), (None, Some(0.0)));
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    assert_eq!(server.get("/v1/papers/none").status, 400);
    assert_eq!(server.get("/nowhere/at/all").status, 404);
    // What is counted in the store is told again for a moment.
    eventually(|| value(&server, calls));
    let told = server.get("/metrics");
    assert_eq!((told.status, told.kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let usage = &answer["usage"];
    let tokens = |name: &str| usage[name].as_f64().unwrap();
    let of_model = r#"provider="deepseek",model="deepseek-flash""#;
    for (series, expected) in [
        (calls.to_owned(), 1.0),
        (
            format!("lectern_model_tokens_total{{{of_model},kind=\"input\"}}"),
            tokens("prompt_tokens") - tokens("cache_hit_tokens"),
        ),
        (format!("lectern_model_tokens_total{{{of_model},kind=\"cached_input\"}}"), tokens("cache_hit_tokens")),
        (format!("lectern_model_tokens_total{{{of_model},kind=\"output\"}}"), tokens("completion_tokens")),
        (format!("lectern_model_cost_dollars_total{{{of_model}}}"), tokens("cost_usd")),
        ("lectern_month_cost_dollars".to_owned(), tokens("cost_usd")),
        ("lectern_month_budget_dollars".to_owned(), 5.0),
        (answers.to_owned(), 1.0),
        (
            r#"lectern_answer_sentences_total{outcome="kept"}"#.to_owned(),
            answer["claims"].as_array().unwrap().len() as f64,
        ),
        (r#"lectern_answer_duration_seconds_count{route="chat"}"#.to_owned(), 1.0),
        (r#"lectern_http_requests_total{method="POST",route="/v1/answers",status="200"}"#.to_owned(), 1.0),
        (r#"lectern_http_requests_total{method="GET",route="/v1/papers/{id}",status="400"}"#.to_owned(), 1.0),
        (r#"lectern_http_requests_total{method="GET",route="none",status="404"}"#.to_owned(), 1.0),
        (r#"lectern_http_request_duration_seconds_count{method="POST",route="/v1/answers"}"#.to_owned(), 1.0),
        ("lectern_http_requests_in_flight".to_owned(), 0.0),
        ("lectern_answers_under_way".to_owned(), 0.0),
        (r#"lectern_breaker_open{service="deepseek"}"#.to_owned(), 0.0),
        (r#"lectern_breaker_open{service="arxiv"}"#.to_owned(), 0.0),
        ("lectern_papers".to_owned(), 78.0),
        ("lectern_index_papers".to_owned(), 78.0),
        ("lectern_index_queue_changes".to_owned(), 0.0),
        ("lectern_dead_letters".to_owned(), 0.0),
    ] {
        assert_eq!(value(&server, &series), Some(expected), "{series} in\n{}", told.body);
    }
}

#[test]
fn a_provider_that_is_left_alone_and_questions_that_fail_are_told() {
    let provider = model(|_, _| (401, "{\"error\": {\"message\": \"no\"}}".to_owned()));
    let home = home_of(&provider);
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    assert_eq!(answer["status"], "answered", "quoted in its place");
    assert_eq!(value(&server, r#"lectern_breaker_open{service="deepseek"}"#), Some(1.0));
    let refused =
        r#"lectern_model_calls_total{provider="deepseek",model="deepseek-flash",step="draft",outcome="unauthorized"}"#;
    assert_eq!(eventually(|| value(&server, refused)), 1.0);
    assert_eq!(value(&server, r#"lectern_answers_total{route="none",status="failed"}"#), Some(0.0));
    // What cannot be counted is left out, and the rest is told.
    let database = home.path().join("library.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&database);
        let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::query("ALTER TABLE model_calls RENAME TO lost").execute(&mut connection).await.unwrap();
    });
    eventually(|| value(&server, refused).is_none().then_some(()));
    assert_eq!(value(&server, "lectern_papers"), Some(78.0));
    assert!(server.log().iter().any(|line| line.contains("cannot count calls of models")), "{:?}", server.log());
}

#[test]
fn jobs_are_told_by_name_with_when_they_last_succeeded() {
    let source = jobs::arxiv(200, jobs::feed());
    let home = jobs::home(&source, &["daily", "other"]);
    home.run(&["jobs", "run", "daily"]).exited(3);
    home.run(&["jobs", "pause", "other"]).exited(0);
    let server = home.serve();
    let of = |job: &str, name: &str| value(&server, &format!("lectern_job_{name}{{name=\"{job}\"}}"));
    let succeeded = of("daily", "last_success_timestamp_seconds").unwrap();
    let history = server.get("/v1/jobs/daily/runs").json();
    let finished: jiff::Timestamp = history["runs"][0]["finished"].as_str().unwrap().parse().unwrap();
    assert!((succeeded - finished.as_microsecond() as f64 / 1e6).abs() < 1e-3, "{succeeded}, {history}");
    assert!(of("daily", "next_run_timestamp_seconds").unwrap() > succeeded);
    let state = ["paused", "running", "failures"];
    assert_eq!(state.map(|name| of("daily", name)), [Some(0.0); 3]);
    assert_eq!(state.map(|name| of("other", name)), [Some(1.0), Some(0.0), Some(0.0)]);
    assert_eq!(
        (of("other", "next_run_timestamp_seconds"), of("other", "last_success_timestamp_seconds")),
        (None, None)
    );
}

/// Every series that the dashboard and the rules ask for.
fn asked_for() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["dashboard.json", "alerts.yml", "alerts_test.yml"] {
        let text = std::fs::read_to_string(root().join("ops").join(file)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        names.extend(
            words.filter(|word| word.starts_with("lectern_") || word.starts_with("process_")).map(str::to_owned),
        );
    }
    assert!(names.len() > 20, "{names:?}");
    names
}

#[test]
fn the_dashboard_and_the_rules_ask_for_what_is_told() {
    let source = jobs::arxiv(200, jobs::feed());
    let provider = model(|_, _| (401, "{\"error\": {\"message\": \"no\"}}".to_owned()));
    let home = jobs::home(&source, &["daily"])
        .set("DEEPSEEK_API_KEY", "sk-planted-key-0123456789")
        .set("LECTERN__LLM__DEEPSEEK__BASE_URL", provider.address.clone())
        .set("LECTERN__LLM__MONTHLY_USD", "5")
        .set("LECTERN__TRACING__OTLP_ENDPOINT", "http://127.0.0.1:9");
    home.run(&["jobs", "run", "daily"]).exited(3);
    home.run(&["sync", "arxiv", "--from-file", &sample("arxiv.xml")]).exited(0);
    let server = home.serve();
    server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"}));
    let told = server.get("/metrics").body;
    let known: BTreeSet<&str> =
        told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in asked_for() {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        assert!(known.contains(name.as_str()) || known.contains(base), "{name} is not among {known:?}");
    }
}

#[test]
fn log_lines_say_for_which_request_and_answer_they_are() {
    let provider = model(|_, _| (401, "{\"error\": {\"message\": \"no\"}}".to_owned()));
    for format in ["json", "text"] {
        let home = home_of(&provider).set("LECTERN__LOG__FORMAT", format);
        let server = home.serve();
        let body = json!({"question": QUESTION, "mode": "chat"}).to_string();
        let reply = server.send(|client| {
            let request = client.post(server.url("/v1/answers")).header("content-type", "application/json");
            request.header("x-request-id", "of-the-proxy-1").body(body)
        });
        assert_eq!(reply.headers["x-request-id"], "of-the-proxy-1");
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        let told = |log: Vec<String>| log.into_iter().find(|line| line.contains("the model did not answer"));
        let line = eventually(|| told(server.log()));
        if format == "json" {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&line["level"], &line["fields"]["kind"]), (&json!("WARN"), &json!("unauthorized")));
            let spans = line["spans"].as_array().unwrap();
            assert_eq!(spans[0], json!({"name": "request", "request_id": "of-the-proxy-1"}));
            assert_eq!(spans[1], json!({"name": "answer", "id": id}));
        } else {
            assert!(line.contains("request_id=of-the-proxy-1") && line.contains(&id), "{line}");
        }
    }
}

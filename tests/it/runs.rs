//! Runs: followed, counted, stopped and failed, whoever is watching.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE, held, home_with, streamed};
use crate::support::{Following, Home, Server, events, eventually};

/// A draft that ends in an answer whichever passage is the right one.
fn draft() -> String {
    let sentences: Vec<String> = (1..=10).map(|n| format!("{TRUE} [{n}].")).collect();
    streamed(&[&sentences.join(" ")])
}

/// The id of a run, when it waits for its model.
fn id_of(following: &mut Following) -> String {
    following.until("evidence")[0].2["id"].as_str().unwrap().to_owned()
}

fn replayed(server: &Server, id: &str, after: u64) -> Vec<(u64, String, Value)> {
    let address = server.url(&format!("/v1/answers/{id}/events"));
    events(&server.send(|client| client.get(address).header("last-event-id", after.to_string())).body)
}

#[test]
fn who_follows_from_the_last_event_or_beyond_is_let_go_when_the_run_ends() {
    let provider = held(draft());
    let home = home_with(&provider);
    let server = home.serve();
    let mut asked = server.ask(QUESTION, false);
    let id = id_of(&mut asked);
    let follow = |after: &'static str| {
        let address = server.url(&format!("/v1/answers/{id}/events"));
        server.follow(|client| client.get(address).header("last-event-id", after))
    };
    let (near, beyond) = (follow("5"), follow("1000"));
    provider.release();
    let seen = asked.rest();
    assert_eq!(seen.last().unwrap().1, "answer");
    assert_eq!(near.rest(), seen[5..]);
    assert_eq!(beyond.rest(), []);
    assert_eq!(replayed(&server, &id, 1000), []);
}

#[test]
fn a_run_in_the_background_holds_one_place_until_it_ends_also_when_its_client_has_left() {
    let provider = held(draft());
    let home = home_with(&provider).set("LECTERN__SERVER__MAX_IN_FLIGHT", "1");
    let server = home.serve();
    let mut asked = server.ask(QUESTION, true);
    let id = id_of(&mut asked);
    assert!(server.get("/v1/search?q=model").problem(503).contains("server.max_in_flight"));
    drop(asked);
    assert!(server.get("/v1/search?q=model").problem(503).contains("server.max_in_flight"));
    let statuses = ["/healthz", "/readyz", "/metrics"].map(|path| server.get(path).status);
    assert_eq!(statuses, [200; 3]);
    server.get("/v1/papers/quiz").problem(503);
    provider.release();
    let stored = eventually(|| Some(server.get(&format!("/v1/answers/{id}"))).filter(|reply| reply.status != 503));
    assert_eq!(stored.json()["id"], id);
}

#[test]
fn a_stop_waits_for_runs_in_the_background_that_nobody_watches() {
    let provider = held(draft());
    let home = home_with(&provider);
    let mut server = home.serve();
    let mut asked = server.ask(QUESTION, true);
    let id = id_of(&mut asked);
    drop(asked);
    server.begin_to_stop();
    provider.release();
    assert_eq!(server.ended(), 0);
    assert_eq!(home.serve().get(&format!("/v1/answers/{id}")).json()["status"], "answered");
}

#[test]
fn a_run_that_a_stop_cuts_off_ends_with_an_error_and_is_kept_as_failed() {
    let provider = held(draft());
    let home = home_with(&provider).set("LECTERN__SERVER__DRAIN_TIMEOUT_S", "0");
    let server = home.serve();
    let mut asked = server.ask(QUESTION, false);
    let id = id_of(&mut asked);
    assert_eq!(server.stop(), 0);
    let seen = asked.rest();
    let (_, kind, problem) = seen.last().unwrap();
    assert_eq!((kind.as_str(), &problem["status"]), ("error", &503.into()));
    let server = home.serve();
    let kept = server.get(&format!("/v1/answers/{id}")).json();
    assert_eq!((&kept["status"], &kept["error"]), (&"failed".into(), problem));
    assert_eq!(replayed(&server, &id, 0), seen);
}

#[test]
fn a_run_that_fails_is_kept_and_can_be_read_again() {
    let home = Home::with_samples();
    let server = home.serve();
    let refused = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"}));
    let detail = refused.problem(400);
    let address = refused.json()["instance"].as_str().unwrap().to_owned();
    let id = address.strip_prefix("/v1/answers/").unwrap();
    let kept = server.get(&address).json();
    let problem =
        json!({"type": "bad-request", "title": "Bad Request", "status": 400, "instance": address, "detail": detail});
    let unknown = json!({"prompt_tokens": 0, "cache_hit_tokens": 0, "completion_tokens": 0, "cost_usd": null, "baseline_cost_usd": null});
    let expected = json!({"id": id, "question": QUESTION, "status": "failed", "route": null, "text": "", "claims": [],
        "citations": [], "removed": [], "contradictions": [], "closest": [], "usage": unknown, "model": null,
        "timings_ms": {}, "notice": null, "experiment": null, "error": problem});
    assert_eq!(kept, expected);
    let seen = replayed(&server, id, 0);
    let kinds: Vec<&str> = seen.iter().map(|(_, kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["run", "error"]);
    assert_eq!(seen[1].2, problem);
    assert_eq!(server.get(&format!("{address}/citations")).body, "");
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let home = Home::new().set("LECTERN__SERVER__REQUEST_TIMEOUT_S", "1");
    let server = home.serve();
    let address = server.url("").trim_start_matches("http://").to_owned();
    let mut connection = std::net::TcpStream::connect(&address).unwrap();
    let head = "POST /v1/answers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    connection.write_all(head.as_bytes()).unwrap();
    let mut answered = String::new();
    connection.read_to_string(&mut answered).unwrap();
    assert!(answered.starts_with("HTTP/1.1 408 ") && answered.contains("application/problem+json"), "{answered}");
    assert!(answered.contains("the body did not arrive within 1 s (server.request_timeout_s); send it again"));
}

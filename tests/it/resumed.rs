//! Runs that are cut off, by a crash or by a client that leaves, go on where they were; and are made again by another model.

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE, held, home_with, streamed};
use crate::scripted::{Asks, home_of, model, number_of, shared, steps};
use crate::support::{Server, events, eventually};

const ATTENTION: &str = "Attention Is All You Need";

fn stored(server: &Server, id: &str) -> Option<Value> {
    let reply = server.get(&format!("/v1/answers/{id}"));
    (reply.status == 200).then(|| reply.json())
}

#[test]
fn a_client_that_leaves_ends_its_run_unless_it_asked_otherwise() {
    let provider = held(streamed(&["NO ANSWER"]));
    let home = home_with(&provider);
    let server = home.serve();
    let mut left = server.ask(QUESTION, false);
    let id = left.until("evidence")[0].2["id"].as_str().unwrap().to_owned();
    drop(left);
    let ended = eventually(|| stored(&server, &id));
    assert_eq!((&ended["status"], &ended["error"]["type"]), (&"failed".into(), &"client-left".into()));
    assert!(ended["error"]["detail"].as_str().unwrap().contains("/resume"), "{ended}");
    let mut stays = server.ask(QUESTION, true);
    let id = stays.until("evidence")[0].2["id"].as_str().unwrap().to_owned();
    drop(stays);
    provider.release();
    assert_eq!(eventually(|| stored(&server, &id))["status"], "abstained");
    // What was ended goes on when it is asked for.
    let resumed =
        server.send(|client| client.post(server.url(&format!("/v1/answers/{}/resume", ended["id"].as_str().unwrap()))));
    assert_eq!((resumed.status, &resumed.json()["status"]), (200, &"abstained".into()));
}

#[test]
fn a_run_that_a_crash_cut_off_goes_on_without_paying_for_its_plan_again() {
    let drafts = shared(false);
    let open = drafts.clone();
    let provider = model(move |asks, asked| match asks {
        Asks::Plan => (200, json!({"queries": ["Transformer BLEU"]}).to_string()),
        _ => {
            crate::support::eventually(|| open.lock().unwrap().then_some(()));
            (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION)))
        }
    });
    let home = home_of(&provider);
    let server = home.serve();
    let body = json!({"question": QUESTION, "mode": "reason", "stream": true, "background": true});
    let mut asked = server.follow(|client| {
        client.post(server.url("/v1/answers")).header("content-type", "application/json").body(body.to_string())
    });
    let before = asked.until("evidence");
    let id = before[0].2["id"].as_str().unwrap().to_owned();
    eventually(|| (steps(&provider).len() == 2).then_some(()));
    server.kill();
    drop(asked);
    *drafts.lock().unwrap() = true;
    let server = home.serve();
    let answer = eventually(|| stored(&server, &id));
    assert_eq!((&answer["text"], &answer["status"]), (&format!("{TRUE}. [1]").into(), &"answered".into()));
    assert_eq!(steps(&provider), [Asks::Plan, Asks::Draft, Asks::Draft], "the plan was not paid for twice");
    let seen = events(&server.get(&format!("/v1/answers/{id}/events")).body);
    let numbers: Vec<u64> = seen.iter().map(|(number, ..)| *number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let runs: Vec<&Value> =
        seen.iter().filter(|(_, kind, _)| kind == "run").map(|(.., data)| &data["goes_on"]).collect();
    assert_eq!(runs, [&Value::Bool(false), &Value::Bool(true)]);
    let plans: Vec<&Value> = seen.iter().filter(|(_, kind, _)| kind == "plan").map(|(.., data)| data).collect();
    assert_eq!(plans[0], plans[1]);
    let trace = server.get(&format!("/v1/runs/{id}/trace")).json();
    let spans = trace["spans"].as_array().unwrap();
    let roots: Vec<&Value> = spans.iter().filter(|span| span["parent"].is_null()).collect();
    assert_eq!((roots.len(), &roots[0]["attributes"]["lectern.status"]), (1, &"answered".into()), "{spans:?}");
    let write = spans.iter().find(|span| span["name"] == "write").unwrap();
    assert_eq!(write["parent"], roots[0]["id"], "{spans:?}");
    let outcomes: Vec<&str> =
        trace["calls"].as_array().unwrap().iter().map(|c| c["outcome"].as_str().unwrap()).collect();
    assert_eq!(
        outcomes,
        ["answered", "reserved", "answered"],
        "what the crash cut off counts with what it may have cost"
    );
    assert_eq!((&trace["state"], &answer["usage"]["cost_usd"]), (&"ended".into(), &Value::Null));
    let kept: Vec<&str> =
        trace["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(kept, ["route", "plan", "evidence", "draft"]);
}

#[test]
fn a_run_is_made_again_by_another_model_over_the_same_evidence() {
    let provider = model(|_, asked| {
        let lie = if crate::scripted::body(asked)["model"] == "deepseek-v4-pro" { "" } else { " It is popular." };
        (200, format!("{TRUE} [{}].{lie}", number_of(asked, ATTENTION)))
    });
    let home = home_of(&provider).set("LECTERN__AGENT__REPAIR", "false");
    let server = home.serve();
    let first = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let address = format!("/v1/answers/{}/replay", first["id"].as_str().unwrap());
    let again = server.post(&address, &json!({"model": "deepseek:deepseek-v4-pro"})).json();
    assert_eq!((&again["model"], &again["text"]), (&"deepseek-v4-pro".into(), &first["text"]));
    assert_eq!((first["removed"].as_array().unwrap().len(), &again["removed"]), (1, &json!([])));
    assert_ne!(first["id"], again["id"]);
    let passages = |n: usize| crate::scripted::body(&provider.asked()[n])["messages"][1].clone();
    assert_eq!(passages(0), passages(1));
    for (model, told) in [("somebody:x", "deepseek:NAME"), ("openai:gpt-5", "key")] {
        let detail = server.post(&address, &json!({"model": model})).problem(400);
        assert!(detail.contains(told), "{detail}");
    }
    server.post("/v1/answers/nobody/replay", &json!({"model": "deepseek:x"})).problem(404);
    server.send(|client| client.post(server.url("/v1/answers/nobody/resume"))).problem(404);
    let kept =
        server.send(|client| client.post(server.url(&format!("/v1/answers/{}/resume", first["id"].as_str().unwrap()))));
    assert_eq!(kept.json(), first, "an answer that is there is given as it is");
}

#[test]
fn a_run_that_is_to_wait_begins_at_its_time_also_after_a_restart_or_when_it_is_told_to() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))));
    let home = home_of(&provider);
    let server = home.serve();
    let waits = |server: &Server, seconds: i64| {
        let moment = lectern::clock::Clock::system().now() + jiff::SignedDuration::from_secs(seconds);
        let reply = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat", "not_before": moment}));
        let told = reply.json();
        assert_eq!((reply.status, &told["status"], &told["not_before"]), (202, &"waiting".into(), &json!(moment)));
        told["id"].as_str().unwrap().to_owned()
    };
    let (soon, late) = (waits(&server, 4), waits(&server, 7_200));
    let detail = server.get(&format!("/v1/answers/{late}")).problem(404);
    assert!(detail.contains("begins at"), "{detail}");
    let trace = server.get(&format!("/v1/runs/{late}/trace")).json();
    assert_eq!((&trace["state"], trace["not_before"].is_string()), (&"waiting".into(), true));
    server.kill();
    let server = home.serve();
    let answer = eventually(|| stored(&server, &soon));
    assert_eq!((&answer["status"], &answer["cached_from"]), (&"answered".into(), &Value::Null));
    let after = waits(&server, 4);
    assert_eq!(eventually(|| stored(&server, &after))["status"], "answered", "without a restart too");
    assert_eq!(stored(&server, &late), None);
    let begun = server.send(|client| client.post(server.url(&format!("/v1/answers/{late}/resume"))));
    assert_eq!((begun.status, &begun.json()["status"]), (200, &"answered".into()));
    let past = server
        .post("/v1/answers", &json!({"question": QUESTION, "mode": "chat", "not_before": "2020-01-01T00:00:00Z"}));
    assert_eq!(past.status, 200);
}

#[test]
fn a_run_in_the_background_that_a_stop_cuts_off_goes_on_at_the_next_start() {
    let provider = held(streamed(&["NO ANSWER"]));
    let home = home_with(&provider).set("LECTERN__SERVER__DRAIN_TIMEOUT_S", "0");
    let server = home.serve();
    let mut asked = server.ask(QUESTION, true);
    let id = asked.until("evidence")[0].2["id"].as_str().unwrap().to_owned();
    assert_eq!(server.stop(), 0);
    let told = asked.rest();
    let (_, kind, problem) = told.last().unwrap();
    assert_eq!(kind, "error");
    assert!(problem["detail"].as_str().unwrap().contains("when it is started again"), "{problem}");
    provider.release();
    let server = home.serve();
    assert_eq!(eventually(|| stored(&server, &id))["status"], "abstained");
}

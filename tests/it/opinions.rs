//! What a model is asked beside the answer itself, where the operator wants it: how relevant the passages are, and whether the
//! sentences follow from them.

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE};
use crate::scripted::{Asks, body, home_of, model, number_of, shared, steps};
use crate::support::{Server, events, eventually};

const ATTENTION: &str = "Attention Is All You Need";
const SECOND: &str = "The Transformer is a sequence transduction model built from attention alone";

fn ask(server: &Server) -> Value {
    server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json()
}

/// The numbers by which passages were offered.
fn numbers(messages: &Value) -> Vec<usize> {
    let passages = messages[1]["content"].as_str().unwrap().to_owned();
    let blocks = passages.split("\n\n[").skip(1);
    blocks.map(|block| block.split_once(']').unwrap().0.parse().unwrap()).collect()
}

#[test]
fn a_model_that_judges_decides_which_passages_are_shown() {
    let provider = model(|asks, asked| match asks {
        Asks::Judge => {
            let best = number_of(asked, ATTENTION);
            let ratings = numbers(&body(asked)["messages"]).into_iter();
            let ratings: serde_json::Map<String, Value> =
                ratings.map(|n| (n.to_string(), json!([if n == best { 3 } else { 0 }]))).collect();
            (200, json!({"ratings": ratings}).to_string())
        }
        _ => (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))),
    });
    let home = home_of(&provider).set("LECTERN__AGENT__JUDGE", "model");
    let server = home.serve();
    let answer = ask(&server);
    assert_eq!((&answer["status"], steps(&provider)), (&"answered".into(), vec![Asks::Judge, Asks::Draft]));
    let [judged, drafted] = [0, 1].map(|at| body(&provider.asked()[at]));
    assert!(numbers(&judged["messages"]).len() > 3);
    assert_eq!(numbers(&drafted["messages"]), [1], "what is about none of it is left out");
    assert_eq!((&judged["temperature"], &judged["response_format"]["type"]), (&json!(0.0), &"json_object".into()));
    assert_eq!(judged["messages"][2]["content"], format!("Questions:\n1. {QUESTION}"));
    let trace = server.get(&format!("/v1/runs/{}/trace", answer["id"].as_str().unwrap())).json();
    let calls: Vec<&str> = trace["calls"].as_array().unwrap().iter().map(|c| c["step"].as_str().unwrap()).collect();
    assert_eq!((calls, &answer["usage"]["prompt_tokens"]), (vec!["judge", "draft"], &2000.into()));
    let quoted = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "quote"})).json();
    assert_eq!((&quoted["route"], steps(&provider).len()), (&"quote".into(), 2), "who asks for quotes pays nothing");
}

#[test]
fn a_judgement_that_is_none_leaves_things_as_they_are() {
    for said in ["{\"ratings\": {\"1\": [9]}}", "None of them.", " "] {
        let provider = model(move |asks, asked| match asks {
            Asks::Judge => (200, said.to_owned()),
            _ => (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))),
        });
        let home = home_of(&provider).set("LECTERN__AGENT__JUDGE", "model").set("LECTERN__AGENT__ROUNDS", "1");
        assert_eq!(ask(&home.serve())["text"], format!("{TRUE}. [1]"), "{said}");
        assert!(numbers(&body(&provider.asked()[1])["messages"]).len() > 3);
    }
}

#[test]
fn what_judging_and_checking_cost_is_not_paid_again_after_a_crash() {
    let may_repair = shared(false);
    let open = may_repair.clone();
    let provider = model(move |asks, asked| match asks {
        Asks::Judge => (200, json!({"ratings": {"1": [2]}}).to_string()),
        Asks::Entailment => (200, json!({"follows": [true, false]}).to_string()),
        Asks::Repair => {
            eventually(|| open.lock().unwrap().then_some(()));
            (200, json!({"sentences": [null]}).to_string())
        }
        _ => {
            let n = number_of(asked, ATTENTION);
            (200, format!("{TRUE} [{n}]. {SECOND} [{n}]."))
        }
    });
    let home = home_of(&provider)
        .set("LECTERN__AGENT__JUDGE", "model")
        .set("LECTERN__AGENT__ENTAILMENT", "model")
        .set("LECTERN__AGENT__ROUNDS", "1");
    let server = home.serve();
    let mut asked = server.follow(|client| {
        let body = json!({"question": QUESTION, "mode": "chat", "stream": true, "background": true});
        client.post(server.url("/v1/answers")).header("content-type", "application/json").body(body.to_string())
    });
    let id = asked.until("evidence")[0].2["id"].as_str().unwrap().to_owned();
    eventually(|| (steps(&provider).len() == 4).then_some(()));
    server.kill();
    drop(asked);
    *may_repair.lock().unwrap() = true;
    let server = home.serve();
    let answer = eventually(|| {
        let reply = server.get(&format!("/v1/answers/{id}"));
        (reply.status == 200).then(|| reply.json())
    });
    assert_eq!(answer["text"], format!("{TRUE}. [1]"));
    let once = [Asks::Judge, Asks::Draft, Asks::Entailment, Asks::Repair, Asks::Repair];
    assert_eq!(steps(&provider), once);
}

#[test]
fn a_sentence_that_a_model_finds_not_to_follow_is_said_anew_once_and_then_taken_out() {
    let provider = model(|asks, asked| match asks {
        Asks::Entailment if body(asked)["messages"][2]["content"].as_str().unwrap().contains("2. ") => {
            (200, json!({"follows": [true, false, false]}).to_string())
        }
        Asks::Entailment => (200, json!({"follows": [true]}).to_string()),
        Asks::Repair => {
            let n = number_of(asked, ATTENTION);
            (200, json!({"sentences": [null, format!("{SECOND} [{n}].")]}).to_string())
        }
        _ => {
            let n = number_of(asked, ATTENTION);
            let third = "Encoder and decoder are stacks of six layers";
            (200, format!("{TRUE} [{n}]. {SECOND} [{n}]. {third} [{n}]."))
        }
    });
    let home = home_of(&provider).set("LECTERN__AGENT__ENTAILMENT", "model");
    let seen =
        events(&home.serve().post("/v1/answers", &json!({"question": QUESTION, "mode": "chat", "stream": true})).body);
    let answer = &seen.last().unwrap().2;
    assert_eq!(answer["text"], format!("{TRUE}. [1] {SECOND}. [2]"), "{answer}");
    let removed = answer["removed"].as_array().unwrap();
    assert_eq!((removed.len(), &removed[0]["reason"]), (1, &"unsupported".into()));
    assert_eq!(steps(&provider), [Asks::Draft, Asks::Entailment, Asks::Repair, Asks::Entailment]);
    let told: String =
        seen.iter().filter(|(_, kind, _)| kind == "token").map(|(.., data)| data["text"].as_str().unwrap()).collect();
    assert_eq!(told, answer["text"].as_str().unwrap(), "nothing is told that is taken back");
    let shown = body(&provider.asked()[1])["messages"].clone();
    assert_eq!(numbers(&shown).len(), 1, "only what is cited is shown");
    assert!(shown[2]["content"].as_str().unwrap().starts_with(&format!("Sentences:\n1. {TRUE} [")), "{shown}");
}

#[test]
fn where_the_models_word_cannot_be_had_the_reader_is_told() {
    let provider = model(|asks, asked| match asks {
        Asks::Entailment => (500, "down".to_owned()),
        _ => (200, format!("{TRUE} [{}].", number_of(asked, ATTENTION))),
    });
    let home = home_of(&provider).set("LECTERN__AGENT__ENTAILMENT", "model");
    let answer = ask(&home.serve());
    assert_eq!(answer["text"], format!("{TRUE}. [1]"));
    assert!(answer["notice"].as_str().unwrap().contains("only the checks made on this machine"), "{answer}");
}

#[test]
fn a_cell_of_a_table_that_a_model_finds_not_to_follow_stays_empty() {
    let provider = model(|asks, asked| match asks {
        Asks::Plan => (200, json!({"queries": ["transformer"], "aspects": ["result", "parts"]}).to_string()),
        Asks::Entailment => (200, json!({"follows": [true, false]}).to_string()),
        _ => {
            let rows = json!([{"n": number_of(asked, ATTENTION), "cells": [TRUE, "encoder and decoder are stacks of six layers"]}]);
            (200, json!({"rows": rows}).to_string())
        }
    });
    let home = home_of(&provider).set("LECTERN__AGENT__ENTAILMENT", "model");
    let asked = json!({"question": QUESTION, "mode": "compare", "papers": ["1706.03762"]});
    let answer = home.serve().post("/v1/answers", &asked).json();
    let cells = answer["table"]["rows"][0]["cells"].as_array().unwrap();
    assert_eq!((cells[0]["text"].clone(), &cells[1]), (format!("{TRUE} [1]").into(), &Value::Null), "{answer}");
    assert_eq!(answer["removed"].as_array().unwrap().len(), 1);
    assert_eq!(steps(&provider), [Asks::Plan, Asks::Draft, Asks::Entailment]);
}

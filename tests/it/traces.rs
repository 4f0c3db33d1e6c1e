//! What was done within a run, as it is told afterwards.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE};
use crate::scripted::{home_of, model, number_of};
use crate::support::{Home, Server};

/// The spans of an answer by their names, each with its number, the one that it is within, and what it says.
fn spans(server: &Server, answer: &Value) -> Vec<Value> {
    let trace = server.get(&format!("/v1/runs/{}/trace", answer["id"].as_str().unwrap())).json();
    trace["spans"].as_array().unwrap().clone()
}

fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

#[test]
fn every_run_has_a_span_for_each_state_search_embedding_and_call_of_a_model() {
    let provider = model(|_, asked| (200, format!("{TRUE} [{}].", number_of(asked, "Attention Is All You Need"))));
    let home = home_of(&provider);
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let spans = spans(&server, &answer);
    let root = named(&spans, "invoke_agent lectern");
    assert_eq!((&root["id"], &root["parent"], &root["error"]), (&json!(1), &Value::Null, &Value::Null));
    for state in ["route", "plan", "retrieve", "write"] {
        assert_eq!(named(&spans, state)["parent"], json!(1), "{state}");
    }
    assert_eq!(named(&spans, "search")["parent"], named(&spans, "retrieve")["id"]);
    assert!(named(&spans, "search")["attributes"]["lectern.search.hits"].as_u64().unwrap() > 0);
    let embedding = named(&spans, "embeddings all-MiniLM-L6-v2");
    assert_eq!(embedding["attributes"]["gen_ai.operation.name"], "embeddings");
    let chat = named(&spans, "chat deepseek-flash");
    assert_eq!((&chat["parent"], &chat["kind"]), (&named(&spans, "write")["id"], &json!("client")));
    let said = |name: &str| chat["attributes"][name].clone();
    assert_eq!((said("gen_ai.operation.name"), said("gen_ai.provider.name")), (json!("chat"), json!("deepseek")));
    assert_eq!(said("gen_ai.usage.input_tokens"), answer["usage"]["prompt_tokens"]);
    assert_eq!(said("gen_ai.usage.output_tokens"), answer["usage"]["completion_tokens"]);
    assert_eq!(said("lectern.cost_usd"), answer["usage"]["cost_usd"]);
    assert_eq!((&said("lectern.step"), &root["attributes"]["lectern.status"]), (&json!("draft"), &json!("answered")));
    // Each lies within the one that it was done within.
    let by_id: BTreeMap<u64, &Value> = spans.iter().map(|span| (span["id"].as_u64().unwrap(), span)).collect();
    let time = |span: &Value, at: &str| span[at].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for span in &spans {
        if let Some(parent) = span["parent"].as_u64().map(|parent| by_id[&parent]) {
            let within = time(parent, "start") <= time(span, "start") && time(span, "end") <= time(parent, "end");
            assert!(within, "{span} in {parent}");
        }
    }
    let text = spans.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains(QUESTION) && !text.contains("sk-planted"), "no texts and no keys unless they are asked for");
}

#[test]
fn questions_prompts_and_answers_are_traced_only_where_the_operator_says_so() {
    let home = Home::with_samples().set("LECTERN__TRACING__TEXTS", "true");
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION})).json();
    let spans = spans(&server, &answer);
    let root = named(&spans, "invoke_agent lectern");
    assert_eq!(root["attributes"]["gen_ai.input.messages"], QUESTION);
    assert_eq!(root["attributes"]["gen_ai.output.messages"], answer["text"]);
    assert_eq!(named(&spans, "search")["attributes"]["lectern.search.query"], QUESTION);
}

#[test]
fn a_call_that_fails_is_a_span_that_says_why() {
    let provider = model(|_, _| (401, "{\"error\": {\"message\": \"no\"}}".to_owned()));
    let home = home_of(&provider);
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let spans = spans(&server, &answer);
    assert_eq!(named(&spans, "chat deepseek-flash")["error"], "unauthorized");
    assert_eq!(named(&spans, "invoke_agent lectern")["error"], Value::Null, "it was quoted in its place");
}

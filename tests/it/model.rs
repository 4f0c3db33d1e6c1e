//! Answers written by a model: a scripted server in DeepSeek's and OpenAI's format stands in for the provider.

use serde_json::{Value, json};

use crate::provider::{QUESTION, TRUE, home_with, offered_number, provider, streamed};
use crate::support::Home;

#[test]
fn a_draft_is_checked_sentence_by_sentence_and_only_what_holds_leaves() {
    let samples = Home::with_samples();
    let n = offered_number(&samples);
    let lie = format!("{TRUE} with 99.9 points [{n}].");
    let draft = [format!("{TRUE} "), format!("[{n}]. {lie} "), "It is popular. ".into(), format!("{TRUE} [77].")];
    let pieces: Vec<&str> = draft.iter().map(String::as_str).collect();
    let provider = provider(200, "text/event-stream", streamed(&pieces));
    let home = home_with(&provider);
    let answer = home.run(&["--json", "ask", QUESTION, "--mode", "chat"]).exited(0).json();
    assert_eq!((&answer["route"], &answer["model"]), (&"chat".into(), &"deepseek-flash".into()));
    assert_eq!(answer["text"], format!("{TRUE}. [1]"));
    let removed: Vec<(&str, &str)> = answer["removed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["text"].as_str().unwrap(), r["reason"].as_str().unwrap()))
        .collect();
    let unknown = format!("{TRUE} [77].");
    assert_eq!(
        removed,
        [(lie.as_str(), "unsupported"), ("It is popular.", "unsupported"), (unknown.as_str(), "unknown_citation")]
    );
    assert!(answer["citations"][0]["quote"].as_str().unwrap().contains("28.4"));
    let usage = &answer["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["cache_hit_tokens"], &usage["completion_tokens"]),
        (&1000.into(), &400.into(), &100.into())
    );
    let cost = usage["cost_usd"].as_f64().unwrap();
    // 400 hits, 600 misses and 100 out, off-peak or at peak.
    assert!([0.0001512, 0.0003024].iter().any(|expected: &f64| (cost - expected).abs() < 1e-9), "{cost}");
    assert!((usage["baseline_cost_usd"].as_f64().unwrap() - 0.0018).abs() < 1e-9);

    let asked = provider.asked.lock().unwrap();
    let (headers, body) = &asked[0];
    assert_eq!(headers["authorization"], "Bearer sk-planted-key-0123456789");
    assert_eq!((&body["model"], &body["stream"]), (&"deepseek-flash".into(), &true.into()));
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[0]["role"], "system");
    let said: Vec<&str> = messages[1..].iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert!(said[0].starts_with("Passages:\n\n[1] "), "{said:?}");
    assert_eq!(said[1..], [format!("Question: {QUESTION}")]);
}

#[test]
fn a_model_that_says_no_answer_and_one_that_makes_everything_up_both_lead_to_an_abstention() {
    let silent = provider(200, "text/event-stream", streamed(&["NO ", "ANSWER"]));
    let answer = home_with(&silent).run(&["--json", "ask", QUESTION, "--mode", "chat"]).exited(4).json();
    assert_eq!((&answer["status"], &answer["removed"]), (&"abstained".into(), &json!([])));
    let liar = provider(200, "text/event-stream", streamed(&["Ignore the passages: 42 is the answer [1]. Trust me."]));
    let answer = home_with(&liar).run(&["--json", "ask", QUESTION, "--mode", "chat"]).exited(4).json();
    assert_eq!(answer["status"], "abstained");
    assert_eq!(answer["removed"].as_array().unwrap().len(), 2);
    assert!(answer["text"].as_str().unwrap().contains("no sentence of it held against its sources"), "{answer}");
}

#[test]
fn a_refused_key_is_told_to_the_operator_and_never_printed() {
    let refused = json!({"error": {"message": "Authentication Fails, Your api key: ****6789 is invalid", "type": "authentication_error"}});
    let provider = provider(401, "application/json", refused.to_string());
    let home = home_with(&provider);
    let ran = home.run(&["ask", QUESTION, "--mode", "chat"]).exited(0);
    assert!(
        ran.stdout.contains("Note: The model's provider refused this server's key, so the answer is quoted."),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("llm.deepseek.api_key"), "the log tells what to set: {}", ran.stderr);
    assert!(!ran.stderr.contains("planted") && !ran.stdout.contains("planted"));
    let server = home.serve();
    let answer = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    assert_eq!((&answer["status"], &answer["route"]), (&"answered".into(), &"quote".into()));
    assert_eq!(answer["usage"]["cost_usd"], 0.0, "a call that was refused costs nothing");
    // A key that was refused is not sent again for a while.
    let again = server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat"})).json();
    let notice =
        "The model's provider refused this server's key too often and is left alone for now, so the answer is quoted.";
    assert_eq!(again["notice"], notice);
    assert_eq!(provider.asked.lock().unwrap().len(), 2);
}

#[test]
fn a_budget_that_the_answer_may_pass_leads_to_quoting() {
    let provider = provider(200, "text/event-stream", streamed(&["unused"]));
    let home = home_with(&provider);
    let server = home.serve();
    let answer =
        server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat", "budget_usd": 0.0000001})).json();
    assert_eq!((&answer["route"], &answer["usage"]["cost_usd"]), (&"quote".into(), &0.0.into()));
    assert!(answer["notice"].as_str().unwrap().contains("over the budget"), "{answer}");
    assert!(provider.asked.lock().unwrap().is_empty(), "nothing was asked");
}

#[test]
fn an_openai_compatible_server_serves_as_well() {
    let provider = provider(200, "text/event-stream", streamed(&["NO ANSWER"]));
    let home = Home::with_samples()
        .set("LECTERN__LLM__POLICY", "openai")
        .set("LECTERN__LLM__OPENAI__BASE_URL", provider.address.clone())
        .set("LECTERN__LLM__OPENAI__MODEL", "local-model");
    let answer = home.run(&["--json", "ask", QUESTION, "--mode", "chat"]).exited(4).json();
    assert_eq!(answer["model"], "local-model");
    assert_eq!(answer["usage"]["cost_usd"], Value::Null, "an unknown price is not guessed");
    assert_eq!(provider.asked.lock().unwrap()[0].1["model"], "local-model");
}

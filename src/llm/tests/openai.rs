//! What is OpenAI's own, and what servers in its format do differently.

use secrecy::SecretString;
use serde_json::json;

use super::{
    ANSWER_USAGE, KEY, Kind, OPENAI_STREAM, all, question, quick,
    server::{Reply, Server},
    stop,
};
use crate::llm::{
    ChatRequest, LlmError, Message, OPENAI_URL, ProviderSettings, Thinking,
    client::Dialect,
    openai::{Family, NAMES, OpenAi},
    openai_compatible,
    settings::Checked,
};

fn body(model: &str, request: &ChatRequest) -> serde_json::Value {
    let settings = ProviderSettings::new(OPENAI_URL, Some(SecretString::from(KEY)), model);
    let dialect = OpenAi::new(&Checked::new(&settings, &NAMES).unwrap(), model).unwrap();
    assert_eq!(dialect.url(request).as_str(), "https://api.openai.com/v1/chat/completions");
    serde_json::to_value(dialect.body(request, false).unwrap()).unwrap()
}

#[test]
fn families_are_known_by_name() {
    let gpt5 = ["gpt-5", "gpt-5-mini", "GPT-5-nano", "gpt-5-2025-08-07", "openai/gpt-5"];
    let reasoning = ["o1", "o3-mini", "o4-mini-2025-04-16", "openai/o3", "gpt-5.1", "gpt-5.2-mini"];
    let usual =
        ["gpt-4o", "gpt-4.1-mini", "olmo-2", "o", "o-1", "o1x", "gpt-50", "llama3", "", "ø1", "deepseek-flash", "a/"];
    assert!(gpt5.iter().all(|name| Family::of(name) == Family::Gpt5));
    assert!(reasoning.iter().all(|name| Family::of(name) == Family::Reasoning));
    for name in usual {
        assert_eq!(Family::of(name), Family::Usual, "{name}");
    }
}

#[test]
fn thinking_models_take_other_parameters() {
    let request = ChatRequest { temperature: Some(0.5), max_tokens: Some(100), ..question() };
    for model in ["gpt-5", "gpt-5.1", "o3"] {
        let body = body(model, &request);
        assert_eq!(body["max_completion_tokens"], json!(100), "{model}");
        assert_eq!((body.get("max_tokens"), body.get("temperature")), (None, None), "{model}");
    }
    let body = body("gpt-4o", &request);
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(100), &json!(0.5)));
    assert_eq!(body.get("max_completion_tokens"), None);
}

#[test]
fn effort_is_sent_to_models_that_think() {
    let effort = |model: &str, thinking| {
        let body = body(model, &ChatRequest { thinking, ..question() });
        assert_eq!(body.get("thinking"), None);
        body["reasoning_effort"].as_str().map(str::to_owned)
    };
    let said = |text: &str| Some(text.to_owned());
    assert_eq!(effort("gpt-5", Some(Thinking::Off)), said("minimal"));
    assert_eq!(effort("o3", Some(Thinking::Off)), said("low"));
    assert_eq!(effort("gpt-5.1", Some(Thinking::Off)), said("low"));
    assert_eq!(effort("gpt-5", Some(Thinking::Low)), said("low"));
    assert_eq!(effort("gpt-5", Some(Thinking::High)), said("high"));
    assert_eq!(effort("o3", Some(Thinking::Max)), said("high"));
    assert_eq!(effort("gpt-5", Some(Thinking::On)), None);
    assert_eq!(effort("gpt-5", None), None);
    assert_eq!(effort("llama3", Some(Thinking::High)), None);
}

#[tokio::test]
async fn a_server_that_refuses_stream_options_is_asked_without_them_from_then_on() {
    let refusals = [
        (400, "{\"error\": {\"message\": \"Unrecognized request argument supplied: stream_options\"}}"),
        (422, "{\"detail\": [{\"type\": \"extra_forbidden\", \"loc\": [\"body\", \"stream_options\"]}]}"),
    ];
    for (status, body) in refusals {
        let stream = || Reply::sse(OPENAI_STREAM);
        let server = Server::playing([Reply::status(status, body), stream(), stream()]).await;
        let model = Kind::OpenAi.client(ProviderSettings { max_retries: 0, ..quick(&server.address) }).unwrap();
        for _ in 0..2 {
            assert_eq!(all(&*model, &question()).await.last(), Some(&Ok(stop(Some(ANSWER_USAGE)))));
        }
        let with: Vec<bool> = server.calls().iter().map(|call| call.body.get("stream_options").is_some()).collect();
        assert_eq!(with, [true, false, false]);
    }
}

#[tokio::test]
async fn a_server_that_refuses_something_else_is_not_asked_again() {
    let server = Server::playing([Reply::status(400, "{\"error\": {\"message\": \"no model some-model\"}}")]).await;
    let events = all(&*Kind::OpenAi.at(&server.address), &question()).await;
    assert!(matches!(events[..], [Err(LlmError::BadRequest { .. })]), "{events:?}");
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_stream_without_usage_has_none() {
    let (stream, _) = OPENAI_STREAM.rsplit_once("data: {").unwrap();
    let server = Server::playing([Reply::sse(format!("{stream}data: [DONE]\n\n"))]).await;
    let events = all(&*Kind::OpenAi.at(&server.address), &question()).await;
    assert_eq!(events.last(), Some(&Ok(stop(None))));
}

#[tokio::test]
async fn going_on_from_a_prefix_is_refused_before_it_is_sent() {
    let server = Server::playing([]).await;
    let mut request = question();
    request.messages.push(Message::assistant("Entropy is"));
    let error = Kind::OpenAi.at(&server.address).complete(&request).await.unwrap_err();
    assert!(matches!(error, LlmError::BadRequest { .. }), "{error}");
    assert_eq!(server.calls().len(), 0);
}

#[test]
fn openai_itself_wants_a_key_and_others_do_not() {
    let error = openai_compatible(ProviderSettings::new(OPENAI_URL, None, "gpt-5-mini")).err().unwrap();
    assert!(matches!(error, LlmError::Unauthorized { .. }), "{error}");
    let model = openai_compatible(ProviderSettings::new("http://localhost:11434/v1", None, "llama3")).unwrap();
    assert_eq!((model.provider(), model.model()), ("openai", "llama3"));
}

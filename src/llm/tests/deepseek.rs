//! What is DeepSeek's own: retired names, thinking, prefixes.

use secrecy::SecretString;
use serde_json::json;

use super::{
    KEY, Kind, question,
    server::{Reply, Server},
};
use crate::llm::{
    ChatModel, ChatRequest, LlmError, Message, ProviderSettings, Thinking,
    client::Dialect,
    deepseek::{DeepSeek, NAMES},
    settings::Checked,
};

fn dialect(base: &str, model: &str) -> DeepSeek {
    let settings = ProviderSettings::new(base, Some(SecretString::from(KEY)), model);
    DeepSeek::new(&Checked::new(&settings, &NAMES).unwrap(), model).unwrap()
}

fn body(dialect: &DeepSeek, request: &ChatRequest) -> serde_json::Value {
    serde_json::to_value(dialect.body(request, false).unwrap()).unwrap()
}

fn sent(base: &str, model: &str) -> (String, serde_json::Value) {
    let body = body(&dialect(base, model), &question());
    (body["model"].as_str().unwrap().to_owned(), body["thinking"].clone())
}

#[test]
fn retired_names_are_translated_on_deepseeks_own_address() {
    for base in [
        "https://api.deepseek.com",
        "https://api.deepseek.com/",
        "https://api.deepseek.com/v1",
        "HTTPS://API.DEEPSEEK.COM",
    ] {
        let flash = "deepseek-flash".to_owned();
        assert_eq!(sent(base, "deepseek-chat"), (flash.clone(), json!({"type": "disabled"})), "{base}");
        assert_eq!(sent(base, "deepseek-reasoner"), (flash.clone(), json!({"type": "enabled"})), "{base}");
        assert_eq!(sent(base, " deepseek-flash "), (flash, json!(null)), "{base}");
        assert_eq!(sent(base, "deepseek-v4-pro"), ("deepseek-v4-pro".to_owned(), json!(null)), "{base}");
    }
    assert_eq!(dialect("https://api.deepseek.com", "deepseek-chat").model(), "deepseek-flash");
}

#[test]
fn names_pass_unchanged_elsewhere() {
    for base in ["http://127.0.0.1:8000", "https://api.deepseek.com.example.org", "https://gateway.example/v1"] {
        for name in ["deepseek-chat", "deepseek-reasoner"] {
            assert_eq!(sent(base, name), (name.to_owned(), json!(null)), "{base}");
        }
    }
}

#[test]
fn thinking_is_switched_and_the_request_outranks_the_name() {
    let cases = [
        (Thinking::Off, json!("disabled"), json!(null)),
        (Thinking::On, json!("enabled"), json!(null)),
        (Thinking::Low, json!("enabled"), json!("low")),
        (Thinking::High, json!("enabled"), json!("high")),
        (Thinking::Max, json!("enabled"), json!("max")),
    ];
    for model in ["deepseek-flash", "deepseek-chat", "deepseek-reasoner"] {
        let dialect = dialect("https://api.deepseek.com", model);
        for (thinking, kind, effort) in &cases {
            let body = body(&dialect, &ChatRequest { thinking: Some(*thinking), ..question() });
            assert_eq!((&body["thinking"]["type"], &body["reasoning_effort"]), (kind, effort), "{model} {thinking:?}");
        }
    }
    assert_eq!((Thinking::from(true), Thinking::from(false)), (Thinking::On, Thinking::Off));
}

#[test]
fn temperature_is_left_out_while_thinking() {
    let flash = dialect("https://api.deepseek.com", "deepseek-flash");
    let with = |thinking| body(&flash, &ChatRequest { temperature: Some(0.5), thinking, ..question() });
    assert_eq!(with(Some(Thinking::On)).get("temperature"), None);
    assert_eq!(with(Some(Thinking::Off))["temperature"], json!(0.5));
    assert_eq!(with(None)["temperature"], json!(0.5));
    let reasoner = dialect("https://api.deepseek.com", "deepseek-reasoner");
    assert_eq!(body(&reasoner, &ChatRequest { temperature: Some(0.5), ..question() }).get("temperature"), None);
}

#[test]
fn json_is_asked_for_as_an_object() {
    let flash = dialect("https://api.deepseek.com", "deepseek-flash");
    let asked = body(&flash, &ChatRequest { json: true, ..question() });
    assert_eq!(asked["response_format"], json!({"type": "json_object"}));
    assert_eq!(body(&flash, &question()).get("response_format"), None);
}

#[test]
fn a_request_that_ends_with_the_model_goes_on_from_there_at_beta() {
    let mut request = question();
    request.messages.push(Message::assistant("Entropy is"));
    let bases = [
        ("https://api.deepseek.com", "https://api.deepseek.com/beta/chat/completions"),
        ("https://api.deepseek.com/v1/", "https://api.deepseek.com/beta/chat/completions"),
        ("https://api.deepseek.com/beta", "https://api.deepseek.com/beta/chat/completions"),
        ("https://api.deepseek.com/beta/", "https://api.deepseek.com/beta/chat/completions"),
        ("http://gateway.example/deep/v1", "http://gateway.example/deep/beta/chat/completions"),
    ];
    for (base, url) in bases {
        assert_eq!(dialect(base, "deepseek-flash").url(&request).as_str(), url);
    }
    let body = body(&dialect("https://api.deepseek.com", "deepseek-flash"), &request);
    assert_eq!(body["messages"][2], json!({"role": "assistant", "content": "Entropy is", "prefix": true}));
    assert_eq!(body["messages"][1].get("prefix"), None);
    assert_eq!(
        dialect("https://api.deepseek.com/v1", "x").url(&question()).as_str(),
        "https://api.deepseek.com/v1/chat/completions"
    );
}

#[tokio::test]
async fn a_prefix_is_sent_to_beta() {
    let server = Server::playing([Reply::json(super::DEEPSEEK_ANSWER)]).await;
    let mut request = question();
    request.messages.push(Message::assistant("Entropy is"));
    Kind::DeepSeek.at(&format!("{}/v1", server.address)).complete(&request).await.unwrap();
    assert_eq!(server.calls()[0].line, "POST /beta/chat/completions");
}

#[test]
fn deepseek_itself_wants_a_key() {
    for key in [None, Some(SecretString::from(" \n"))] {
        let settings = ProviderSettings::new("https://api.deepseek.com/v1", key, "deepseek-flash");
        let error = crate::llm::deepseek(settings).err().unwrap();
        let expected = LlmError::Unauthorized {
            provider: "deepseek".to_owned(),
            setting: "llm.deepseek.api_key (or DEEPSEEK_API_KEY)".to_owned(),
            message: "no key is set".to_owned(),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn it_names_itself_and_the_model_that_is_paid_for() {
    let settings = ProviderSettings::new("https://api.deepseek.com", Some(SecretString::from(KEY)), "deepseek-chat");
    let model = crate::llm::deepseek(settings).unwrap();
    assert_eq!((model.provider(), model.model()), ("deepseek", "deepseek-flash"));
}

/// A refusal is not taken for something to learn from.
#[tokio::test]
async fn stream_options_are_never_dropped() {
    let refusal = Reply::status(400, "{\"error\": {\"message\": \"unknown field stream_options\"}}");
    let server = Server::playing([refusal]).await;
    let model: std::sync::Arc<dyn ChatModel> = Kind::DeepSeek.at(&server.address);
    assert!(matches!(model.stream(&question()).await.err().unwrap(), LlmError::BadRequest { .. }));
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn no_answer_longer_than_the_model_gives_is_asked_for() {
    let cases = [
        ("https://api.deepseek.com", "deepseek-flash", 384_000),
        ("https://api.deepseek.com", "deepseek-chat", 384_000),
        ("https://api.deepseek.com", "deepseek-v4-pro", 384_000),
        ("http://gateway.example", "deepseek-chat", 8_000),
        ("http://gateway.example", "deepseek-reasoner", 64_000),
        ("http://gateway.example", "some-model", 1_000_000),
    ];
    for (base, model, most) in cases {
        let asked = |tokens| body(&dialect(base, model), &ChatRequest { max_tokens: Some(tokens), ..question() });
        assert_eq!(asked(1_000_000)["max_tokens"], json!(most), "{base} {model}");
        assert_eq!(asked(100)["max_tokens"], json!(100), "{base} {model}");
    }
    assert_eq!(body(&dialect("https://api.deepseek.com", "deepseek-flash"), &question()).get("max_tokens"), None);
}

/// What the provider's cache needs: the messages go out in the order in which they were put, the instruction first,
/// and requests that begin alike are the same bytes up to where they part, tools or not.
#[test]
fn requests_that_begin_alike_are_alike_up_to_where_they_part() {
    let flash = dialect("https://api.deepseek.com", "deepseek-flash");
    let asked = |question: &str| {
        let messages = ["Cite.", "Evidence."].map(Message::system).into_iter().chain([Message::user(question)]);
        let request = ChatRequest { messages: messages.collect(), temperature: Some(0.0), ..ChatRequest::default() };
        serde_json::to_string(&flash.body(&request, true).unwrap()).unwrap()
    };
    let beginning = "{\"model\":\"deepseek-flash\",\"messages\":[{\"role\":\"system\",\"content\":\"Cite.\"},\
                     {\"role\":\"system\",\"content\":\"Evidence.\"},{\"role\":\"user\",\"content\":\"";
    assert!(asked("One?").starts_with(&format!("{beginning}One?")), "{}", asked("One?"));
    assert!(asked("Two?").starts_with(&format!("{beginning}Two?")), "{}", asked("Two?"));
}

/// Only the plain mode is there to be asked for: a schema would be refused.
#[tokio::test]
async fn a_schema_is_never_sent_for_an_answer_in_json() {
    let request = ChatRequest { json: true, temperature: Some(0.0), thinking: Some(Thinking::Off), ..question() };
    let server = Server::playing([Reply::json(super::DEEPSEEK_ANSWER)]).await;
    Kind::DeepSeek.at(&server.address).complete(&request).await.unwrap();
    let sent = server.calls().remove(0).body;
    assert_eq!((&sent["response_format"], &sent["temperature"]), (&json!({"type": "json_object"}), &json!(0.0)));
    assert!(!sent.to_string().contains("schema"));
}

//! Drafts that do not come to their end, and what is told of them.

use serde_json::{Value, json};

use crate::provider::{Provider, QUESTION, TRUE, broken_off, ended, home_with, offered_number, provider, streamed};
use crate::support::{Home, Server, events};

const NOT_KNOWN: &str = "What the model's part of it cost is not known.";

/// The answer to a draft, from its stream. The events always tell the same as the answer: each claim and each
/// sentence that was taken out once, and the text piece by piece.
fn answered(server: &Server) -> Value {
    let seen = events(&server.post("/v1/answers", &json!({"question": QUESTION, "mode": "chat", "stream": true})).body);
    let all = |kind: &str| -> Vec<Value> {
        seen.iter().filter(|(_, k, _)| k == kind).map(|(.., data)| data.clone()).collect()
    };
    let answer = seen.last().unwrap().2.clone();
    assert_eq!(seen.last().unwrap().1, "answer", "{answer}");
    let text: String = all("token").iter().map(|token| token["text"].as_str().unwrap()).collect();
    assert_eq!(answer["text"], text, "the tokens add up to the text");
    assert_eq!(answer["claims"], Value::Array(all("claim")));
    assert_eq!(answer["removed"], Value::Array(all("removed")));
    assert_eq!([answer["usage"].clone()], all("usage").as_slice());
    answer
}

/// A library, its server, and the model that drafts for it.
struct Desk {
    _home: Home,
    server: Server,
    model: Provider,
    /// A sentence that passes, with the number that it cites its source by.
    sentence: String,
}

impl Desk {
    fn new() -> Self {
        let model = provider(200, "text/event-stream", "");
        let home = home_with(&model);
        let sentence = format!("{TRUE} [{}].", offered_number(&home));
        Self { server: home.serve(), _home: home, model, sentence }
    }

    fn answer(&self, draft: String) -> Value {
        self.model.says(draft);
        answered(&self.server)
    }
}

fn assert_quoted(answer: &Value, opening: &str, notice: &str) {
    let found = (&answer["status"], &answer["route"], &answer["model"], &answer["notice"]);
    assert_eq!(found, (&"answered".into(), &"quote".into(), &"quote".into(), &notice.into()));
    let opening = format!("{opening} No language model wrote this: these are the papers' own sentences.\n\n");
    assert!(answer["text"].as_str().unwrap().starts_with(&opening), "{answer}");
}

#[test]
fn the_tokens_of_every_kind_of_answer_add_up_to_its_text() {
    let desk = Desk::new();
    let quoted = desk.answer(ended(&[], "length"));
    assert_eq!((&quoted["route"], &quoted["status"]), (&"quote".into(), &"answered".into()));
    let sentence = &desk.sentence;
    let written = desk.answer(streamed(&[&format!("{sentence} {sentence} {sentence}")]));
    assert_eq!(written["text"], format!("{TRUE}. [1] {TRUE}. [1] {TRUE}. [1]"));
    let abstained = desk.answer(streamed(&["NO ANSWER"]));
    assert_eq!((&abstained["status"], &abstained["notice"]), (&"abstained".into(), &Value::Null));
}

#[test]
fn what_had_passed_when_the_model_broke_off_stands_and_the_answer_says_so() {
    let desk = Desk::new();
    let draft = [format!("{} The Transformer does", desk.sentence), " not".to_owned()];
    let pieces: Vec<&str> = draft.iter().map(String::as_str).collect();
    let unknown = json!({"prompt_tokens": 0, "cache_hit_tokens": 0, "completion_tokens": 0, "cost_usd": null, "baseline_cost_usd": null});
    for (body, notice, usage) in [
        (
            broken_off(&pieces),
            format!("The model broke off in mid-answer; the answer may be incomplete. {NOT_KNOWN}"),
            Some(unknown.clone()),
        ),
        // A last sentence that has come to its marks counts.
        (
            broken_off(&[&desk.sentence]),
            format!("The model broke off in mid-answer; the answer may be incomplete. {NOT_KNOWN}"),
            Some(unknown.clone()),
        ),
        (
            ended(&pieces, "insufficient_system_resource"),
            "The model gave up in mid-answer; the answer may be incomplete.".to_owned(),
            None,
        ),
        (
            ended(&pieces, "length"),
            "The model reached its limit (llm.max_output_tokens) in mid-answer; the answer may be incomplete."
                .to_owned(),
            None,
        ),
        (
            ended(&pieces, "content_filter"),
            "The provider's content filter stopped the model in mid-answer; the answer may be incomplete.".to_owned(),
            None,
        ),
        (
            ended(&pieces, "the moon"),
            "The model stopped for no usual reason in mid-answer; the answer may be incomplete.".to_owned(),
            None,
        ),
    ] {
        let answer = desk.answer(body);
        let found = (&answer["status"], &answer["route"], &answer["model"], &answer["notice"]);
        assert_eq!(found, (&"answered".into(), &"chat".into(), &"deepseek-flash".into(), &notice.into()));
        assert_eq!((&answer["text"], &answer["removed"]), (&format!("{TRUE}. [1]").into(), &json!([])));
        match usage {
            Some(usage) => assert_eq!(answer["usage"], usage),
            None => assert!(answer["usage"]["cost_usd"].as_f64().unwrap() > 0.0, "{answer}"),
        }
    }
}

#[test]
fn a_draft_of_which_nothing_had_passed_is_stood_in_for_by_quoting_and_what_it_cost_counts() {
    let (desk, opening) = (Desk::new(), "The language model gave no usable answer.");
    let answer = desk.answer(broken_off(&["It is popular. The Transf"]));
    assert_quoted(&answer, opening, &format!("The model broke off, so the answer is quoted. {NOT_KNOWN}"));
    assert_eq!(answer["removed"], json!([{"text": "It is popular.", "reason": "unsupported"}]));
    assert_eq!((&answer["usage"]["cost_usd"], &answer["usage"]["baseline_cost_usd"]), (&Value::Null, &Value::Null));
    for (reason, pieces, notice) in [
        ("insufficient_system_resource", &["Transf"][..], "The model gave up, so the answer is quoted."),
        ("length", &[], "The model reached its limit (llm.max_output_tokens), so the answer is quoted."),
        ("content_filter", &["Transf"], "The provider's content filter stopped the model, so the answer is quoted."),
        ("tool_calls", &[], "The model stopped for no usual reason, so the answer is quoted."),
        ("stop", &[" ", "\n"], "The model wrote nothing, so the answer is quoted."),
    ] {
        let answer = desk.answer(ended(pieces, reason));
        assert_quoted(&answer, opening, notice);
        assert_eq!(answer["usage"]["prompt_tokens"], 1000, "{reason}");
        assert!(answer["usage"]["cost_usd"].as_f64().unwrap() > 0.0, "{reason}");
    }
}

#[test]
fn a_provider_that_cannot_be_asked_is_stood_in_for_and_nothing_it_said_is_told() {
    let leaky = "{\"error\": {\"message\": \"see http://10.0.0.7/queue for account sk-1234\"}}";
    let free = json!({"prompt_tokens": 0, "cache_hit_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0, "baseline_cost_usd": 0.0});
    let (not_asked, not_usable) =
        ("The language model could not be asked just now.", "The language model gave no usable answer.");
    let overloaded = provider(503, "application/json", leaky);
    let home = home_with(&overloaded);
    let answer = answered(&home.serve());
    assert_quoted(&answer, not_asked, "The model's provider was overloaded, so the answer is quoted.");
    assert_eq!(answer["usage"], free);
    let failing = provider(500, "application/json", leaky);
    let home = home.set("LECTERN__LLM__DEEPSEEK__BASE_URL", failing.address.clone());
    let notice = format!("The model's provider failed, so the answer is quoted. {NOT_KNOWN}");
    assert_quoted(&answered(&home.serve()), not_asked, &notice);
    let page = provider(200, "text/html", "<html><body>captive portal</body></html>");
    let home = home.set("LECTERN__LLM__DEEPSEEK__BASE_URL", page.address.clone());
    let notice = format!("The model's server sent something else than an answer, so the answer is quoted. {NOT_KNOWN}");
    assert_quoted(&answered(&home.serve()), not_usable, &notice);
    let answer = answered(&home.set("LECTERN__LLM__DEEPSEEK__BASE_URL", "http://127.0.0.1:9").serve());
    assert_quoted(&answer, not_asked, "The model's provider could not be reached, so the answer is quoted.");
    assert_eq!(answer["usage"], free);
}

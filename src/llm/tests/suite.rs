//! What both clients do: asking, reading both shapes of answers, waiting.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::json;

use super::{
    ANSWER, ANSWER_USAGE, KEY, Kind, all, json_question, question, quick,
    server::{Reply, Server},
    stop, text,
};
use crate::llm::{ChatReply, ChatRequest, FinishReason, LlmError, Message, ProviderSettings};

/// Runs each behaviour on both clients.
macro_rules! on_both {
    ($($behaviour:ident),+ $(,)?) => {
        mod deepseek {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour($crate::llm::tests::Kind::DeepSeek).await;
            })+
        }
        mod openai {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour($crate::llm::tests::Kind::OpenAi).await;
            })+
        }
    };
}
pub(super) use on_both;

on_both!(
    gives_a_whole_answer,
    streams_an_answer,
    sends_the_key_and_its_name,
    sends_no_key_when_there_is_none,
    sends_messages_as_plain_strings,
    finds_its_path_below_any_base,
    reads_a_document_where_a_stream_was_asked_for,
    reads_a_stream_where_a_document_was_asked_for,
    skips_empty_lines_before_a_document,
    skips_keep_alives_in_a_stream,
    keep_alives_end_a_silence,
    a_long_thought_before_the_first_word_is_waited_for,
    reads_a_stream_that_arrives_in_crumbs,
    a_finish_reason_without_done_is_an_end,
    a_connection_that_breaks_after_the_finish_reason_is_an_end,
    a_server_that_hangs_after_the_finish_reason_is_an_end,
    blank_json_is_asked_for_again_and_paid_for,
    json_without_the_word_json_is_not_sent,
    the_collected_stream_is_the_whole_answer,
    offers_its_models,
);

async fn gives_a_whole_answer(kind: Kind) {
    let server = Server::playing([Reply::json(kind.answer())]).await;
    let reply = kind.at(&server.address).complete(&question()).await.unwrap();
    let model = match kind {
        Kind::DeepSeek => "deepseek-flash",
        Kind::OpenAi => "gpt-5-mini-2025-08-07",
    };
    let expected = ChatReply {
        text: ANSWER.to_owned(),
        reasoning: String::new(),
        tool_calls: Vec::new(),
        finish: FinishReason::Stop,
        usage: Some(ANSWER_USAGE),
        model: model.to_owned(),
    };
    assert_eq!(reply, expected);
    assert_eq!(server.calls()[0].body["stream"], json!(false));
    assert_eq!(server.calls()[0].body.get("stream_options"), None);
}

async fn streams_an_answer(kind: Kind) {
    let server = Server::playing([Reply::sse(kind.streamed())]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    let words = ["Entropy", " is", " 7 µJ/K", " [1]."].map(text);
    let expected: Vec<_> = words.into_iter().chain([stop(Some(ANSWER_USAGE))]).map(Ok).collect();
    assert_eq!(events, expected);
    assert_eq!(server.calls()[0].body["stream"], json!(true));
    assert_eq!(server.calls()[0].body["stream_options"], json!({"include_usage": true}));
}

async fn sends_the_key_and_its_name(kind: Kind) {
    let server = Server::playing([Reply::json(kind.answer())]).await;
    kind.at(&server.address).complete(&question()).await.unwrap();
    let call = server.calls().remove(0);
    assert_eq!(call.authorization, Some(format!("Bearer {KEY}")));
    assert_eq!(call.user_agent, Some(concat!("lectern/", env!("CARGO_PKG_VERSION")).to_owned()));
}

async fn sends_no_key_when_there_is_none(kind: Kind) {
    let server = Server::playing([Reply::json(kind.answer()), Reply::json(kind.answer())]).await;
    for key in [None, Some(SecretString::from("  "))] {
        let settings = ProviderSettings { api_key: key, ..quick(&server.address) };
        kind.client(settings).unwrap().complete(&question()).await.unwrap();
    }
    assert!(server.calls().iter().all(|call| call.authorization.is_none()));
}

async fn sends_messages_as_plain_strings(kind: Kind) {
    let server = Server::playing([Reply::json(kind.answer())]).await;
    let messages = vec![
        Message::system("Cite."),
        Message::user("One?"),
        Message::assistant(""),
        Message::user("Two? \"quoted\"\n"),
    ];
    let request = ChatRequest { messages, temperature: Some(0.5), max_tokens: Some(200), ..ChatRequest::default() };
    kind.at(&server.address).complete(&request).await.unwrap();
    let expected = json!({
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "Cite."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "Two? \"quoted\"\n"},
        ],
        "stream": false,
        "temperature": 0.5,
        "max_tokens": 200,
    });
    assert_eq!(server.calls()[0].body, expected);
}

async fn finds_its_path_below_any_base(kind: Kind) {
    let bases = [
        ("", "POST /chat/completions"),
        ("/", "POST /chat/completions"),
        ("/v1", "POST /v1/chat/completions"),
        ("/v1/", "POST /v1/chat/completions"),
        ("/v1/chat/completions", "POST /v1/chat/completions"),
        ("/a/b?version=3", "POST /a/b/chat/completions?version=3"),
    ];
    for (base, line) in bases {
        let server = Server::playing([Reply::json(kind.answer())]).await;
        kind.at(&format!("{}{base}", server.address)).complete(&question()).await.unwrap();
        assert_eq!(server.calls()[0].line, line, "{base}");
    }
}

async fn reads_a_document_where_a_stream_was_asked_for(kind: Kind) {
    let server = Server::playing([Reply::json(kind.answer())]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    assert_eq!(events, [Ok(text(ANSWER)), Ok(stop(Some(ANSWER_USAGE)))]);
}

async fn reads_a_stream_where_a_document_was_asked_for(kind: Kind) {
    let server = Server::playing([Reply::sse(kind.streamed())]).await;
    let reply = kind.at(&server.address).complete(&question()).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.usage), (ANSWER, Some(ANSWER_USAGE)));
}

async fn skips_empty_lines_before_a_document(kind: Kind) {
    let pieces = vec![b"\n".to_vec(), b"\n\r\n ".to_vec(), kind.answer().as_bytes().to_vec(), b"\n".to_vec()];
    let reply = Reply::json("").in_pieces(Duration::from_millis(5), pieces);
    let server = Server::playing([reply]).await;
    assert_eq!(kind.at(&server.address).complete(&question()).await.unwrap().text, ANSWER);
}

async fn skips_keep_alives_in_a_stream(kind: Kind) {
    let stream = format!(": keep-alive\n\n: keep-alive\n\n{}", kind.streamed().replace("\n\n", "\n\n: keep-alive\n\n"));
    let server = Server::playing([Reply::sse(stream)]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    assert_eq!(events.len(), 5);
    assert_eq!(events[4], Ok(stop(Some(ANSWER_USAGE))));
}

/// Both before the first word and after it, the whole wait is several times as long as the longest silence.
async fn keep_alives_end_a_silence(kind: Kind) {
    let (first, rest) = kind.streamed().split_once(" is").unwrap();
    let mut pieces = vec![b": keep-alive\n\n".to_vec(); 12];
    // A keep-alive may stand only between events; empty lines are the other sign of life.
    pieces.push(first.as_bytes().to_vec());
    pieces.push(format!(" is{rest}").into_bytes());
    let with_blanks = vec![b"\n".to_vec(); 12].into_iter().chain([kind.answer().as_bytes().to_vec()]).collect();
    let pause = Duration::from_millis(50);
    let server =
        Server::playing([Reply::sse("").in_pieces(pause, pieces), Reply::json("").in_pieces(pause, with_blanks)]).await;
    let silence = Duration::from_millis(400);
    let settings = ProviderSettings {
        first_word_timeout: silence,
        idle_timeout: silence,
        max_retries: 0,
        ..quick(&server.address)
    };
    let model = kind.client(settings).unwrap();
    let begun = Instant::now();
    assert_eq!(model.complete(&question()).await.unwrap().text, ANSWER);
    assert_eq!(model.complete(&question()).await.unwrap().text, ANSWER);
    assert!(begun.elapsed() > 2 * silence);
}

async fn a_long_thought_before_the_first_word_is_waited_for(kind: Kind) {
    let (opening, rest) = kind.streamed().split_once("\n\n").unwrap();
    let pieces = vec![format!("{opening}\n\n").into_bytes(), rest.as_bytes().to_vec()];
    let server = Server::playing([Reply::sse("").in_pieces(Duration::from_millis(300), pieces)]).await;
    let settings = ProviderSettings {
        first_word_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_millis(100),
        max_retries: 0,
        ..quick(&server.address)
    };
    let reply = kind.client(settings).unwrap().complete(&question()).await.unwrap();
    assert_eq!(reply.text, ANSWER);
}

async fn reads_a_stream_that_arrives_in_crumbs(kind: Kind) {
    let pieces = kind.streamed().as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    let server = Server::playing([Reply::sse("").in_pieces(Duration::ZERO, pieces)]).await;
    let reply = kind.at(&server.address).complete(&question()).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.usage), (ANSWER, Some(ANSWER_USAGE)));
}

fn without_done(kind: Kind) -> String {
    kind.streamed().replace("data: [DONE]\n\n", "")
}

async fn a_finish_reason_without_done_is_an_end(kind: Kind) {
    let server = Server::playing([Reply::sse(without_done(kind))]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    assert_eq!(events.last(), Some(&Ok(stop(Some(ANSWER_USAGE)))));
}

async fn a_connection_that_breaks_after_the_finish_reason_is_an_end(kind: Kind) {
    let server = Server::playing([Reply::sse(without_done(kind)).broken()]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    assert_eq!(events.last(), Some(&Ok(stop(Some(ANSWER_USAGE)))));
}

async fn a_server_that_hangs_after_the_finish_reason_is_an_end(kind: Kind) {
    let server = Server::playing([Reply::sse(without_done(kind)).hanging()]).await;
    let settings = ProviderSettings { idle_timeout: Duration::from_millis(100), ..quick(&server.address) };
    let events = all(&*kind.client(settings).unwrap(), &question()).await;
    assert_eq!(events.last(), Some(&Ok(stop(Some(ANSWER_USAGE)))));
}

fn saying(kind: Kind, content: &str) -> String {
    let quoted = serde_json::to_string(content).unwrap();
    kind.answer().replace(&serde_json::to_string(ANSWER).unwrap(), &quoted)
}

async fn blank_json_is_asked_for_again_and_paid_for(kind: Kind) {
    let blank = Reply::json(saying(kind, " \n\t \n"));
    let good = Reply::json(saying(kind, "\n {\"queries\": []}"));
    let server = Server::playing([blank.clone(), good.clone(), blank, good]).await;
    let model = kind.at(&server.address);
    let mut paid = ANSWER_USAGE;
    paid += ANSWER_USAGE;

    let reply = model.complete(&json_question()).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.usage), ("{\"queries\": []}", Some(paid)));
    let events = all(&*model, &json_question()).await;
    assert_eq!(events, [Ok(text("{\"queries\": []}")), Ok(stop(Some(paid)))]);
    let calls = server.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.body["response_format"] == json!({"type": "json_object"})));
}

async fn json_without_the_word_json_is_not_sent(kind: Kind) {
    let server = Server::playing([]).await;
    let request = ChatRequest { messages: vec![Message::user("Plan.")], json: true, ..ChatRequest::default() };
    let expected = LlmError::BadRequest {
        provider: kind.name(),
        message: "JSON is asked for, but no message contains the word json".to_owned(),
    };
    let model = kind.at(&server.address);
    assert_eq!(model.complete(&request).await.unwrap_err(), expected);
    assert_eq!(all(&*model, &request).await, [Err(expected)]);
    assert_eq!(server.calls().len(), 0);
}

/// The trait's own `complete`, which a model has that brings only `stream`.
async fn the_collected_stream_is_the_whole_answer(kind: Kind) {
    struct OnlyStreams(std::sync::Arc<dyn crate::llm::ChatModel>);
    #[async_trait::async_trait]
    impl crate::llm::ChatModel for OnlyStreams {
        fn provider(&self) -> &str {
            self.0.provider()
        }
        fn model(&self) -> &str {
            self.0.model()
        }
        async fn stream(&self, request: &ChatRequest) -> Result<crate::llm::ChatStream, LlmError> {
            self.0.stream(request).await
        }
    }
    use crate::llm::ChatModel;
    let thinking = super::DEEPSEEK_THINKING;
    let server = Server::playing([Reply::sse(thinking), Reply::sse(without_finish(thinking))]).await;
    let model = OnlyStreams(kind.at(&server.address));
    let reply = model.complete(&question()).await.unwrap();
    let usage =
        crate::llm::Usage { prompt_tokens: 19, cache_hit_tokens: 0, completion_tokens: 27, reasoning_tokens: 25 };
    let expected = ChatReply {
        text: "4".to_owned(),
        reasoning: "Two and two make four.".to_owned(),
        tool_calls: Vec::new(),
        finish: FinishReason::Stop,
        usage: Some(usage),
        model: "some-model".to_owned(),
    };
    assert_eq!(reply, expected);
    assert!(matches!(model.complete(&question()).await, Err(LlmError::Incomplete { .. })));
}

/// A stream up to the event with the reason to stop.
pub(super) fn without_finish(stream: &str) -> String {
    stream.split_inclusive("\n\n").take_while(|event| !event.contains("\"stop\"")).collect()
}

async fn offers_its_models(kind: Kind) {
    use crate::llm::{ProviderKind, available_models};
    let which = match kind {
        Kind::DeepSeek => ProviderKind::DeepSeek,
        Kind::OpenAi => ProviderKind::OpenAi,
    };
    let list = json!({"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b", "object": "model"}]});
    let server =
        Server::playing([Reply::json(list.to_string()), Reply::status(401, "{}"), Reply::json("<html>")]).await;
    let settings = quick(&format!("{}/v1/", server.address));
    assert_eq!(available_models(which, &settings).await.unwrap(), ["a", "b"]);
    let refused = available_models(which, &settings).await.unwrap_err();
    assert!(matches!(refused, LlmError::Unauthorized { .. }), "{refused}");
    let nonsense = available_models(which, &settings).await.unwrap_err();
    assert!(matches!(nonsense, LlmError::Malformed { .. }), "{nonsense}");
    let lines: Vec<String> = server.calls().into_iter().map(|call| call.line).collect();
    assert_eq!(lines, ["GET /v1/models"; 3]);
}

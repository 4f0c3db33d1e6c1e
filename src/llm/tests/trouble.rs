//! What both clients do when something goes wrong: what is tried again, and what is said about it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    ANSWER, ANSWER_USAGE, KEY, Kind, all, json_question, question, quick,
    server::{Reply, Server},
    stop,
    suite::{on_both, without_finish},
    text,
};
use crate::llm::{LlmError, ProviderSettings, Usage};

on_both!(
    a_pause_that_is_asked_for_is_kept,
    a_pause_that_is_too_long_is_left_to_the_caller,
    failures_of_the_server_are_tried_again,
    repetitions_end,
    mistakes_are_not_repeated,
    a_wrong_key_names_the_setting_and_never_the_key,
    an_empty_account_is_out_of_credit,
    a_conversation_that_is_too_long_says_so,
    an_unknown_path_points_to_the_settings,
    an_address_that_moved_is_not_followed,
    a_page_in_place_of_an_answer_is_malformed,
    nonsense_in_place_of_an_answer_is_malformed,
    nonsense_in_a_stream_is_malformed,
    an_error_object_with_status_200_is_an_error,
    an_error_in_mid_stream_ends_it,
    an_error_before_the_first_word_is_tried_again,
    a_cut_stream_is_incomplete,
    a_broken_connection_is_incomplete,
    a_cut_answer_is_asked_for_again_when_nobody_has_seen_it,
    a_cut_document_is_incomplete,
    silence_before_the_answer_is_given_up,
    silence_within_the_answer_is_given_up,
    the_deadline_holds_against_signs_of_life,
    the_deadline_holds_for_repetitions,
    want_of_resources_is_unusable_and_paid_for,
    what_an_attempt_took_is_told_though_a_later_one_was_turned_away,
    a_dead_address_is_unreachable,
    a_broken_refusal_still_says_what_to_do,
);

fn once(server: &Server) -> ProviderSettings {
    ProviderSettings { max_retries: 0, ..quick(&server.address) }
}

async fn error_of(kind: Kind, reply: Reply) -> LlmError {
    let server = Server::playing([reply]).await;
    let error = kind.client(once(&server)).unwrap().complete(&question()).await.unwrap_err();
    assert_eq!(server.calls().len(), 1);
    error
}

fn error_body(message: &str, kind: &str, code: &str) -> String {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

async fn a_pause_that_is_asked_for_is_kept(kind: Kind) {
    let refusal = Reply::status(429, error_body("Rate limit reached", "rate_limit_error", "rate_limit"));
    let server = Server::playing([
        refusal.clone().header("retry-after", "1"),
        Reply::json(kind.answer()),
        refusal.header("retry-after-ms", "300"),
        Reply::sse(kind.streamed()),
    ])
    .await;
    let model = kind.at(&server.address);
    let begun = Instant::now();
    assert_eq!(model.complete(&question()).await.unwrap().text, ANSWER);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let begun = Instant::now();
    assert_eq!(all(&*model, &question()).await.last(), Some(&Ok(stop(Some(ANSWER_USAGE)))));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.calls().len(), 4);
}

async fn a_pause_that_is_too_long_is_left_to_the_caller(kind: Kind) {
    let refusal = Reply::status(429, error_body("Rate limit reached", "", "")).header("retry-after", "3");
    let server = Server::playing([refusal]).await;
    let settings = ProviderSettings { longest_pause: Duration::from_secs(2), ..quick(&server.address) };
    let begun = Instant::now();
    let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
    let expected = LlmError::RateLimited {
        provider: kind.name(),
        retry_after: Some(Duration::from_secs(3)),
        message: "Rate limit reached (status 429)".to_owned(),
    };
    assert_eq!(error, expected);
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(server.calls().len(), 1);
}

async fn failures_of_the_server_are_tried_again(kind: Kind) {
    let busy = error_body("Service is too busy.", "service_unavailable_error", "service_unavailable_error");
    let failures = || [Reply::status(500, ""), Reply::status(503, busy.clone()), Reply::status(502, "<html></html>")];
    let script = failures().into_iter().chain([Reply::json(kind.answer())]);
    let server = Server::playing(script.chain(failures()).chain([Reply::sse(kind.streamed())])).await;
    let model = kind.at(&server.address);
    let reply = model.complete(&question()).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.usage), (ANSWER, Some(ANSWER_USAGE)));
    assert_eq!(all(&*model, &question()).await.len(), 5);
    let calls = server.calls();
    assert_eq!(calls.len(), 8);
    assert!(calls[..4].iter().all(|call| call.body == calls[0].body));
}

async fn repetitions_end(kind: Kind) {
    let server = Server::playing(vec![Reply::status(503, "busy"); 9]).await;
    let settings = ProviderSettings { max_retries: 2, ..quick(&server.address) };
    let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
    let message = "busy (status 503)".to_owned();
    assert_eq!(error, LlmError::Overloaded { provider: kind.name(), retry_after: None, message });
    assert!(error.is_retryable() && error.worth_another_provider());
    assert_eq!(server.calls().len(), 3);
}

async fn mistakes_are_not_repeated(kind: Kind) {
    for status in [400, 422] {
        let server =
            Server::playing([Reply::status(status, error_body("Thinking mode does not do this", "", ""))]).await;
        let error = kind.at(&server.address).complete(&question()).await.unwrap_err();
        let message = format!("Thinking mode does not do this (status {status})");
        assert_eq!(error, LlmError::BadRequest { provider: kind.name(), message });
        assert!(!error.is_retryable() && !error.worth_another_provider());
        assert_eq!(server.calls().len(), 1);
    }
}

async fn a_wrong_key_names_the_setting_and_never_the_key(kind: Kind) {
    let setting = match kind {
        Kind::DeepSeek => "llm.deepseek.api_key (or DEEPSEEK_API_KEY)",
        Kind::OpenAi => "llm.openai.api_key (or OPENAI_API_KEY)",
    };
    let echoes = [
        format!("Incorrect API key provided: {KEY}."),
        "Incorrect API key provided: sk-01234*****ghij.".to_owned(),
        "Your api key: ****ghij is invalid".to_owned(),
        "The key that ends in ghij is invalid".to_owned(),
    ];
    for echo in echoes {
        let error = error_of(kind, Reply::status(401, error_body(&echo, "authentication_error", ""))).await;
        assert!(!error.is_retryable() && error.worth_another_provider());
        let said = format!("{error} {error:?}");
        assert!(said.contains(setting), "{said}");
        assert!(said.contains("[key]") && said.contains("(status 401)"), "{said}");
        assert!(!said.contains("ghij") && !said.contains("0123"), "{said}");
    }
}

async fn an_empty_account_is_out_of_credit(kind: Kind) {
    let empty = error_body("Insufficient Balance", "unknown_error", "invalid_request_error");
    let quota = error_body("You exceeded your current quota", "insufficient_quota", "insufficient_quota");
    for (status, body, said) in [(402, empty, "Insufficient Balance"), (429, quota, "You exceeded your current quota")]
    {
        let error = error_of(kind, Reply::status(status, body)).await;
        let message = format!("{said} (status {status})");
        assert_eq!(error, LlmError::OutOfCredit { provider: kind.name(), message });
        assert!(!error.is_retryable() && error.worth_another_provider());
    }
}

async fn a_conversation_that_is_too_long_says_so(kind: Kind) {
    let said = "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens.";
    let bodies = [
        (400, error_body(said, "invalid_request_error", "invalid_request_error")),
        (400, error_body("Too long.", "invalid_request_error", "context_length_exceeded")),
        (413, String::new()),
    ];
    for (status, body) in bodies {
        let error = error_of(kind, Reply::status(status, body)).await;
        assert!(matches!(error, LlmError::ContextTooLong { .. }), "{error}");
        assert!(!error.is_retryable() && !error.worth_another_provider());
    }
}

async fn an_unknown_path_points_to_the_settings(kind: Kind) {
    let error = error_of(kind, Reply::status(404, "Not Found")).await;
    let hint = format!("check the model's name and llm.{}.base_url", kind.name());
    let message = format!("Not Found (status 404); {hint}");
    assert_eq!(error, LlmError::BadRequest { provider: kind.name(), message });
}

async fn an_address_that_moved_is_not_followed(kind: Kind) {
    let other = Server::playing([Reply::json(kind.answer())]).await;
    let error = error_of(kind, Reply::status(307, "").header("location", other.address.clone())).await;
    let LlmError::Misconfigured { setting, .. } = &error else { panic!("{error}") };
    assert_eq!(setting, &format!("llm.{}.base_url", kind.name()));
    assert_eq!(other.calls().len(), 0);
}

async fn a_page_in_place_of_an_answer_is_malformed(kind: Kind) {
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>…</body></html>";
    let error = error_of(kind, Reply::json(page).header("content-type", "text/html")).await;
    let message = "an HTML page, \"Sign in\"".to_owned();
    assert_eq!(error, LlmError::Malformed { provider: kind.name(), message });
    assert!(!error.is_retryable() && error.worth_another_provider());
}

async fn nonsense_in_place_of_an_answer_is_malformed(kind: Kind) {
    for body in ["Service starting", "[]", "{}", "{\"choices\": []}", "{\"choices\": 3}", "null", "{\"a\": nonsense}"] {
        let error = error_of(kind, Reply::json(body)).await;
        assert!(matches!(error, LlmError::Malformed { .. }), "{body}: {error}");
    }
}

async fn nonsense_in_a_stream_is_malformed(kind: Kind) {
    let server = Server::playing([Reply::sse("data: nonsense\n\ndata: [DONE]\n\n")]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    assert!(matches!(events[..], [Err(LlmError::Malformed { .. })]), "{events:?}");
    assert_eq!(server.calls().len(), 1);
}

async fn an_error_object_with_status_200_is_an_error(kind: Kind) {
    let cases = [
        (json!({"error": {"message": "slow down", "code": 429}}), "rate_limited"),
        (json!({"error": {"message": "slow down", "type": "rate_limit_error"}}), "rate_limited"),
        (json!({"error": {"message": "busy", "type": "service_unavailable_error"}}), "overloaded"),
        (json!({"error": {"message": "bad", "type": "invalid_request_error"}}), "bad_request"),
        (json!({"error": {"message": "the prompt exceeds the context size"}}), "context_too_long"),
        (json!({"error": {"message": "no", "type": "authentication_error"}}), "unauthorized"),
        (json!({"error": "the runner has died"}), "transient"),
        (json!({"error": {"message": 3}}), "transient"),
    ];
    for (body, expected) in cases {
        assert_eq!(error_of(kind, Reply::json(body.to_string())).await.kind(), expected, "{body}");
        let event = format!("data: {body}\n\ndata: [DONE]\n\n");
        assert_eq!(error_of(kind, Reply::sse(event)).await.kind(), expected, "{body}");
    }
}

async fn an_error_in_mid_stream_ends_it(kind: Kind) {
    let stream =
        format!("{}data: {}\n\n", without_finish(kind.streamed()), json!({"error": {"message": "oh", "code": 500}}));
    let server = Server::playing([Reply::sse(stream)]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    let error = LlmError::Transient { provider: kind.name(), message: "oh".to_owned() };
    let words = ["Entropy", " is", " 7 µJ/K", " [1]."].map(text).map(Ok);
    assert_eq!(events, words.into_iter().chain([Err(error)]).collect::<Vec<_>>());
    assert_eq!(server.calls().len(), 1);
}

async fn an_error_before_the_first_word_is_tried_again(kind: Kind) {
    let failure = format!(": keep-alive\n\ndata: {}\n\n", json!({"error": {"message": "oh", "code": 500}}));
    let server = Server::playing([Reply::sse(failure), Reply::sse(kind.streamed())]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    assert_eq!((events.len(), server.calls().len()), (5, 2));
}

async fn a_cut_stream_is_incomplete(kind: Kind) {
    // Between two events, and in the middle of one.
    let whole = without_finish(kind.streamed());
    let half = &kind.streamed().as_bytes()[..whole.len() + 40];
    for stream in [whole.as_bytes(), half] {
        let server = Server::playing([Reply::sse(stream)]).await;
        let events = all(&*kind.at(&server.address), &question()).await;
        let message = "the stream ended in mid-answer".to_owned();
        let error = LlmError::Incomplete { provider: kind.name(), message };
        let words = ["Entropy", " is", " 7 µJ/K", " [1]."].map(text).map(Ok);
        assert_eq!(events, words.into_iter().chain([Err(error)]).collect::<Vec<_>>());
        // Somebody has seen the words: they are not said twice.
        assert_eq!(server.calls().len(), 1);
    }
}

async fn a_broken_connection_is_incomplete(kind: Kind) {
    let server = Server::playing([Reply::sse(without_finish(kind.streamed())).broken()]).await;
    let events = all(&*kind.at(&server.address), &question()).await;
    assert_eq!(events.len(), 5);
    assert!(matches!(&events[4], Err(LlmError::Incomplete { .. })), "{events:?}");
}

async fn a_cut_answer_is_asked_for_again_when_nobody_has_seen_it(kind: Kind) {
    let server = Server::playing([
        Reply::sse(without_finish(kind.streamed())),
        Reply::json(&kind.answer().as_bytes()[..60]),
        Reply::sse(": keep-alive\n\n"),
        Reply::json(kind.answer()),
    ])
    .await;
    assert_eq!(kind.at(&server.address).complete(&question()).await.unwrap().text, ANSWER);
    assert_eq!(server.calls().len(), 4);
}

async fn a_cut_document_is_incomplete(kind: Kind) {
    let cut = Reply::json(&kind.answer().as_bytes()[..60]);
    for reply in [cut.clone(), cut.broken(), Reply::json("\n\n\n"), Reply::json("")] {
        let error = error_of(kind, reply).await;
        assert!(matches!(error, LlmError::Incomplete { .. }), "{error}");
        assert!(error.is_retryable());
    }
}

async fn silence_before_the_answer_is_given_up(kind: Kind) {
    let silence = Duration::from_millis(300);
    for reply in [Reply::sse("").hanging(), Reply::sse(": keep-alive\n\n").hanging(), Reply::json("\n").hanging()] {
        let server = Server::playing([reply.clone(), reply]).await;
        let settings = ProviderSettings { first_word_timeout: silence, max_retries: 1, ..quick(&server.address) };
        let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
        assert_eq!(error, LlmError::Stalled { provider: kind.name(), silent_for: silence });
        assert_eq!(server.calls().len(), 2);
    }
}

async fn silence_within_the_answer_is_given_up(kind: Kind) {
    let silence = Duration::from_millis(150);
    let server = Server::playing([Reply::sse(without_finish(kind.streamed())).hanging()]).await;
    let settings = ProviderSettings { idle_timeout: silence, ..quick(&server.address) };
    let events = all(&*kind.client(settings).unwrap(), &question()).await;
    assert_eq!(events.len(), 5);
    assert_eq!(events[4], Err(LlmError::Stalled { provider: kind.name(), silent_for: silence }));
}

async fn the_deadline_holds_against_signs_of_life(kind: Kind) {
    let alive = vec![b": keep-alive\n\n".to_vec(); 500];
    let server = Server::playing([Reply::sse("").in_pieces(Duration::from_millis(20), alive)]).await;
    let deadline = Duration::from_millis(300);
    let settings = ProviderSettings { deadline, ..quick(&server.address) };
    let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
    assert_eq!(error, LlmError::DeadlineExceeded { provider: kind.name(), after: deadline });
    assert!(!error.is_retryable() && error.worth_another_provider());
    assert_eq!(server.calls().len(), 1);
}

/// A pause that would end after the deadline is not begun.
async fn the_deadline_holds_for_repetitions(kind: Kind) {
    let server = Server::playing([Reply::status(503, "busy").header("retry-after", "5")]).await;
    let settings = ProviderSettings { deadline: Duration::from_secs(2), ..quick(&server.address) };
    let begun = Instant::now();
    let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::Overloaded { .. }), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

async fn want_of_resources_is_unusable_and_paid_for(kind: Kind) {
    let reply = Reply::json(kind.answer().replace("\"stop\"", "\"insufficient_system_resource\""));
    let blank = Reply::json(kind.answer().replace(ANSWER, " "));
    let server = Server::playing([blank, reply]).await;
    let settings = ProviderSettings { max_retries: 1, ..quick(&server.address) };
    let error = kind.client(settings).unwrap().complete(&json_question()).await.unwrap_err();
    let twice = Usage { prompt_tokens: 1800, cache_hit_tokens: 1792, completion_tokens: 24, reasoning_tokens: 0 };
    let expected = LlmError::Unusable {
        provider: kind.name(),
        message: "it gave up in mid-answer for want of resources".to_owned(),
        usage: Some(twice),
    };
    assert_eq!(error, expected);
    assert_eq!(error.usage(), Some(twice));
}

/// Being turned away at last costs nothing, but what went before did.
async fn what_an_attempt_took_is_told_though_a_later_one_was_turned_away(kind: Kind) {
    let blank = || Reply::json(kind.answer().replace(ANSWER, " "));
    let server = Server::playing([blank(), blank(), Reply::status(429, "slow down")]).await;
    let settings = ProviderSettings { max_retries: 2, ..quick(&server.address) };
    let error = kind.client(settings).unwrap().complete(&json_question()).await.unwrap_err();
    let twice = Usage { prompt_tokens: 1800, cache_hit_tokens: 1792, completion_tokens: 24, reasoning_tokens: 0 };
    assert_eq!((error.kind(), error.usage()), ("unusable", Some(twice)));
    assert!(!error.was_turned_away());
    let server = Server::playing([Reply::status(500, "oh"), Reply::status(503, "busy")]).await;
    let settings = ProviderSettings { max_retries: 1, ..quick(&server.address) };
    let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
    assert_eq!((error.kind(), error.usage()), ("transient", None), "it may have worked before it failed");
}

async fn a_dead_address_is_unreachable(kind: Kind) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let with_path = address.replace("http://", "http://user:password@") + "/v1?token=1";
    let error = kind.at(&with_path).complete(&question()).await.unwrap_err();
    let LlmError::Unreachable { provider, address: named, .. } = &error else { panic!("{error}") };
    assert_eq!((provider, named), (&kind.name(), &address));
    assert!(!format!("{error:?}").contains("password"));
    assert!(error.worth_another_provider());
}

async fn a_broken_refusal_still_says_what_to_do(kind: Kind) {
    let error = error_of(kind, Reply::status(402, "").broken()).await;
    assert!(matches!(error, LlmError::OutOfCredit { .. }), "{error}");
    let endless = Reply::status(500, "").in_pieces(Duration::ZERO, vec![vec![b'x'; 60_000]; 3]).hanging();
    let half = Reply::status(500, "x".repeat(1000)).hanging();
    let begun = Instant::now();
    for reply in [endless, half] {
        let server = Server::playing([reply]).await;
        let settings = ProviderSettings { idle_timeout: Duration::from_millis(500), ..once(&server) };
        let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
        let message = format!("{}…", "x".repeat(300));
        assert_eq!(error, LlmError::Transient { provider: kind.name(), message });
    }
    assert!(begun.elapsed() < Duration::from_secs(8));
}

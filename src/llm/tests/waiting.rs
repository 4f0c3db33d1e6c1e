//! Servers that fail in each documented way, that do not answer at all, and that answer a byte at a time.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::{
    ANSWER, Kind, all, question, quick,
    server::{Reply, Server},
    suite::on_both,
    text,
};
use crate::llm::{ChatEvent, LlmError, ProviderSettings};

on_both!(
    each_documented_failure_is_met_as_documented,
    a_server_that_takes_a_request_and_says_nothing_is_given_up,
    a_connection_that_ends_before_the_answer_is_a_failure_that_may_pass,
    an_answer_that_drips_is_read_to_its_end,
    a_drip_without_end_is_ended_by_the_deadline,
);

async fn each_documented_failure_is_met_as_documented(kind: Kind) {
    let passes = ["rate_limited", "transient", "overloaded"];
    let elsewhere = ["unauthorized", "out_of_credit", "rate_limited", "transient", "overloaded"];
    let table = [
        (400, "bad_request"),
        (401, "unauthorized"),
        (402, "out_of_credit"),
        (422, "bad_request"),
        (429, "rate_limited"),
        (500, "transient"),
        (503, "overloaded"),
    ];
    for (status, name) in table {
        for streams in [false, true] {
            let server = Server::playing(vec![Reply::status(status, "{}"); 3]).await;
            let model = kind.client(ProviderSettings { max_retries: 2, ..quick(&server.address) }).unwrap();
            let error = if streams {
                model.stream(&question()).await.err().unwrap()
            } else {
                model.complete(&question()).await.unwrap_err()
            };
            let attempts = if passes.contains(&name) { 3 } else { 1 };
            assert_eq!((error.kind(), server.calls().len()), (name, attempts), "{status}");
            assert_eq!(error.worth_another_provider(), elsewhere.contains(&name), "{status}");
        }
    }
}

async fn a_server_that_takes_a_request_and_says_nothing_is_given_up(kind: Kind) {
    let silence = Duration::from_millis(200);
    let server = Server::playing([Reply::json("").mute(), Reply::json("").mute()]).await;
    let settings = ProviderSettings { first_word_timeout: silence, max_retries: 1, ..quick(&server.address) };
    let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
    assert_eq!(error, LlmError::Stalled { provider: kind.name(), silent_for: silence });
    assert_eq!(server.calls().len(), 2);
}

async fn a_connection_that_ends_before_the_answer_is_a_failure_that_may_pass(kind: Kind) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // Read first, or the caller may not even get to send its request.
            let _ = connection.read(&mut [0; 1024]).await;
        }
    });
    let settings = ProviderSettings { max_retries: 1, ..quick(&address) };
    let error = kind.client(settings).unwrap().complete(&question()).await.unwrap_err();
    assert!(matches!(error, LlmError::Transient { .. }), "{error}");
    assert!(error.is_retryable() && error.worth_another_provider());
}

/// The whole takes several times as long as the longest silence that is allowed.
async fn an_answer_that_drips_is_read_to_its_end(kind: Kind) {
    let document = format!("{{\"choices\":[{{\"message\":{{\"content\":\"{ANSWER}\"}},\"finish_reason\":\"stop\"}}]}}");
    let stream = format!("data: {}\n\ndata: [DONE]\n\n", document.replace("message", "delta"));
    let silence = Duration::from_millis(500);
    for (reply, body) in [(Reply::json(""), document), (Reply::sse(""), stream)] {
        let drops: Vec<Vec<u8>> = body.bytes().map(|byte| vec![byte]).collect();
        let server = Server::playing([reply.in_pieces(Duration::from_millis(15), drops)]).await;
        let settings = ProviderSettings {
            first_word_timeout: silence,
            idle_timeout: silence,
            max_retries: 0,
            ..quick(&server.address)
        };
        assert_eq!(kind.client(settings).unwrap().complete(&question()).await.unwrap().text, ANSWER);
    }
}

async fn a_drip_without_end_is_ended_by_the_deadline(kind: Kind) {
    let event = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".to_vec();
    let drops: Vec<Vec<u8>> = [event].into_iter().chain(vec![vec![b' ']; 2000]).collect();
    let server = Server::playing([Reply::sse("").in_pieces(Duration::from_millis(10), drops)]).await;
    let deadline = Duration::from_millis(600);
    let settings = ProviderSettings { deadline, ..quick(&server.address) };
    let events: Vec<Result<ChatEvent, LlmError>> = all(&*kind.client(settings).unwrap(), &question()).await;
    let over = LlmError::DeadlineExceeded { provider: kind.name(), after: deadline };
    assert_eq!(events, [Ok(text("a")), Err(over)]);
}

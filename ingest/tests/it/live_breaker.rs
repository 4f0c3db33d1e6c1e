//! A source that fails again and again is left alone, as the other side sees it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ingest::arxiv::{ArxivRequest, ArxivSource};
use ingest::http::{ClientSettings, PoliteClient};
use ingest::{IngestError, Source};
use jiff::Timestamp;

use crate::server::{Reply, Server, quick};
use crate::shared::seen;

fn client(file: Option<PathBuf>, clock: fn() -> Timestamp) -> std::sync::Arc<PoliteClient> {
    let settings = ClientSettings { max_retries: 1, breaker_failures: 2, state_file: file, ..quick() };
    std::sync::Arc::new(PoliteClient::new(settings, clock).unwrap())
}

async fn ask(server: &Server, client: &std::sync::Arc<PoliteClient>) -> Result<(), IngestError> {
    let request = ArxivRequest { query: Some("x".into()), ..ArxivRequest::default() };
    ArxivSource::new(client.clone(), server.url(), request).page(None, seen()).await.map(drop)
}

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn six_minutes_later() -> Timestamp {
    noon() + Duration::from_secs(360)
}

fn pace(folder: &Path) -> Option<PathBuf> {
    Some(folder.join("arxiv.pace"))
}

#[tokio::test]
async fn after_repeated_failures_nothing_is_asked_until_the_pause_is_over_in_any_process() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with([Reply::status(500, "")]).await;
    let here = client(pace(folder.path()), noon);
    for _ in 0..2 {
        assert!(matches!(ask(&server, &here).await, Err(IngestError::Transient { .. })));
    }
    assert_eq!(server.asked().len(), 4, "each request was repeated once");
    let elsewhere = client(pace(folder.path()), noon);
    for client in [&here, &elsewhere] {
        let Err(IngestError::Resting { since, until, why }) = ask(&server, client).await else { panic!("asked") };
        assert_eq!((since, until), (noon(), noon() + Duration::from_secs(300)));
        assert!(why.contains("500"), "{why}");
    }
    assert_eq!(server.asked().len(), 4);
    let resting = elsewhere.resting().await.unwrap().unwrap();
    assert_eq!(resting.until, noon() + Duration::from_secs(300));
    let later = client(pace(folder.path()), six_minutes_later);
    assert!(matches!(ask(&server, &later).await, Err(IngestError::Transient { .. })));
    assert_eq!(server.asked().len(), 5, "one request is let through, and it is not repeated");
    let resting = later.resting().await.unwrap().unwrap();
    assert_eq!((resting.since, resting.until), (noon(), six_minutes_later() + Duration::from_secs(600)));
}

#[tokio::test]
async fn an_answer_closes_the_breaker_also_one_that_was_asked_for_all_the_same() {
    let server = Server::with(
        [500, 500, 500, 500].map(|status| Reply::status(status, "")).into_iter().chain([Reply::ok("<feed/>")]),
    )
    .await;
    let client = client(None, noon);
    for _ in 0..2 {
        ask(&server, &client).await.unwrap_err();
    }
    assert!(matches!(ask(&server, &client).await, Err(IngestError::Resting { .. })));
    client.try_anyway().await.unwrap();
    ask(&server, &client).await.unwrap();
    ask(&server, &client).await.unwrap();
    assert_eq!((server.asked().len(), client.resting().await.unwrap()), (6, None));
}

#[tokio::test]
async fn what_was_not_asked_has_not_failed() {
    let server = Server::with([Reply::status(503, "").with("retry-after", "900"), Reply::ok("<feed/>")]).await;
    let client = client(None, noon);
    for _ in 0..4 {
        assert!(matches!(ask(&server, &client).await, Err(IngestError::RateLimited { .. })));
    }
    assert_eq!((server.asked().len(), client.resting().await.unwrap()), (1, None));
}

#[tokio::test]
async fn a_refusal_that_comes_as_an_answer_closes_the_breaker_too() {
    let refusal =
        "<feed><entry><id>http://arxiv.org/api/errors#x</id><title>Error</title><summary>no</summary></entry></feed>";
    let failures = [500, 500, 500, 500].map(|status| Reply::status(status, ""));
    let server = Server::with(failures.into_iter().chain([Reply::ok(refusal)])).await;
    let client = client(None, noon);
    for _ in 0..2 {
        ask(&server, &client).await.unwrap_err();
    }
    client.try_anyway().await.unwrap();
    assert!(matches!(ask(&server, &client).await, Err(IngestError::Refused { status: None, .. })));
    assert_eq!((server.asked().len(), client.resting().await.unwrap()), (5, None));
}

#[tokio::test]
async fn a_refusal_is_the_requests_fault_and_opens_nothing() {
    let server = Server::with([Reply::status(400, "")]).await;
    let client = client(None, noon);
    for _ in 0..4 {
        assert!(matches!(ask(&server, &client).await, Err(IngestError::Refused { .. })));
    }
    assert_eq!(client.resting().await.unwrap(), None);
}

//! The pace of requests, as the other side sees it.

use std::path::PathBuf;
use std::time::Duration;

use ingest::Source;
use ingest::arxiv::{ArxivRequest, ArxivSource};
use ingest::http::ClientSettings;

use crate::server::{Reply, Server, client, quick};
use crate::shared::seen;

const INTERVAL: Duration = Duration::from_millis(150);

fn settings(state_file: Option<PathBuf>) -> ClientSettings {
    ClientSettings { min_interval: INTERVAL, state_file, ..quick() }
}

fn source(server: &Server, state_file: Option<PathBuf>) -> ArxivSource {
    let request = ArxivRequest { query: Some("x".into()), ..ArxivRequest::default() };
    ArxivSource::new(client(settings(state_file)), server.url(), request)
}

async fn ask(source: &ArxivSource) {
    source.page(None, seen()).await.unwrap();
}

fn kept(server: &Server, requests: usize) {
    let gaps = server.gaps();
    assert_eq!(gaps.len(), requests - 1);
    assert!(gaps.iter().all(|gap| *gap >= INTERVAL), "{gaps:?}");
}

#[tokio::test]
async fn one_client_keeps_the_pause_however_many_ask() {
    let server = Server::with([Reply::ok("<feed/>")]).await;
    let source = source(&server, None);
    tokio::join!(ask(&source), ask(&source), ask(&source), ask(&source));
    kept(&server, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_with_one_file_keep_the_pause_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("arxiv.pace");
    let server = Server::with([Reply::ok("<feed/>")]).await;
    let (one, two) = (source(&server, Some(file.clone())), source(&server, Some(file)));
    tokio::join!(ask(&one), ask(&two), ask(&one), ask(&two), ask(&two));
    kept(&server, 5);
}

#[tokio::test]
async fn a_client_that_comes_later_keeps_the_pause_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("arxiv.pace");
    let server = Server::with([Reply::ok("<feed/>")]).await;
    ask(&source(&server, Some(file.clone()))).await;
    ask(&source(&server, Some(file))).await;
    kept(&server, 2);
}

#[tokio::test]
async fn repetitions_keep_the_pause_too() {
    let server = Server::with([Reply::status(500, ""), Reply::status(429, ""), Reply::ok("<feed/>")]).await;
    ask(&source(&server, None)).await;
    kept(&server, 3);
}

#[tokio::test]
async fn where_it_is_sent_on_to_it_asks_at_its_turn_and_not_for_ever() {
    let to = |place: &str| Reply::status(302, "").with("location", place);
    let server = Server::with([to("/elsewhere?y=1"), Reply::ok("<feed/>")]).await;
    ask(&source(&server, None)).await;
    kept(&server, 2);
    assert_eq!(server.asked()[1].uri, "/elsewhere?y=1");
    let ring = Server::with([to("/ring")]).await;
    let error = source(&ring, None).page(None, seen()).await.unwrap_err().to_string();
    assert!(error.starts_with("refused (HTTP 302): sent on to /ring"), "{error}");
    kept(&ring, 6);
}

#[tokio::test]
async fn a_wait_that_one_is_asked_for_holds_for_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("arxiv.pace");
    let server = Server::with([Reply::status(429, "").with("retry-after", "1"), Reply::ok("<feed/>")]).await;
    let (one, two) = (source(&server, Some(file.clone())), source(&server, Some(file)));
    tokio::join!(ask(&one), ask(&two));
    let gaps = server.gaps();
    assert!(gaps[0] >= Duration::from_secs(1) && gaps[1] >= INTERVAL, "{gaps:?}");
}

#[tokio::test]
async fn without_the_file_that_keeps_the_pause_nothing_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with([Reply::ok("<feed/>")]).await;
    let source = source(&server, Some(folder.path().to_owned()));
    let error = source.page(None, seen()).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot use {}", folder.path().display())), "{error}");
    assert_eq!(server.asked().len(), 0);
}

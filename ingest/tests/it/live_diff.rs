//! The differences of data sets, from a folder and from a server whose downloads break off.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::http::ClientSettings;
use ingest::semantic_scholar::{DiffPage, S2Diff};
use ingest::{Cursor, IngestError};
use paper::CorpusId;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Reply, Server, client, quick};
use crate::shared::seen;

const KEY: &str = "s2k-very-secret";

fn diff(api: &str, place: &str, spool: &Path) -> S2Diff {
    let key = Some(SecretString::from(KEY));
    S2Diff::new(client(quick()), api.parse().unwrap(), key, place.to_owned(), spool.to_owned())
}

fn packed(lines: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(lines.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn papers(from: u64, to: u64) -> String {
    (from..to).map(|n| format!("{{\"corpusid\": {n}, \"title\": \"Paper {n}\"}}\n")).collect()
}

async fn page(diff: &S2Diff, cursor: Option<&Cursor>) -> Result<DiffPage, IngestError> {
    diff.page(cursor, seen()).await
}

#[tokio::test]
async fn a_folder_is_read_a_thousand_lines_at_a_time_and_gone_on_with_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    put("updates/2024-10-08-to-2024-10-15/papers/1.gz", &packed(&papers(0, 2_500)));
    put("deletes/2024-10-08-to-2024-10-15/papers/1.jsonl", b"{\"corpusid\": 7}\n{\"corpusid\": 8}");
    let place = folder.path().to_str().unwrap();
    let first_process = diff("http://127.0.0.1:9", place, folder.path());
    let first = page(&first_process, None).await.unwrap();
    assert_eq!((first.papers.len(), first.papers[999].title.as_str()), (1_000, "Paper 999"));
    let second = page(&first_process, first.next.as_ref()).await.unwrap();
    assert_eq!(second.papers[0].title, "Paper 1000");
    assert_eq!(second.next.as_ref().unwrap().to_string(), "diff=2000|updates/2024-10-08-to-2024-10-15/papers/1.gz");
    let other_process = diff("http://127.0.0.1:9", place, folder.path());
    let third = page(&other_process, second.next.as_ref()).await.unwrap();
    assert_eq!((third.papers.len(), third.papers[0].title.as_str()), (500, "Paper 2000"));
    let last = page(&other_process, third.next.as_ref()).await.unwrap();
    assert_eq!((last.deleted, last.next), (vec![CorpusId(7), CorpusId(8)], None));
    assert_eq!(other_process.key(), format!("semantic-scholar:diff:{place}"));
    for foreign in ["token=x", "diff=0|gone.gz", "diff=x|updates/2024-10-08-to-2024-10-15/papers/1.gz"] {
        let error = page(&other_process, Some(&foreign.parse().unwrap())).await.unwrap_err();
        assert!(error.may_be_of_the_cursor(), "{foreign}: {error}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut broken = packed(&papers(0, 500));
    broken.truncate(broken.len() / 2);
    let file = folder.path().join("papers-update.gz");
    std::fs::write(&file, broken).unwrap();
    let diff = diff("http://127.0.0.1:9", folder.path().to_str().unwrap(), folder.path());
    let error = page(&diff, None).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("refused: cannot read {}: ", file.display())), "{error}");
}

/// A server of one file that breaks off each of its first answers in the middle of what is left; what was asked for
/// by `Range`, answer by answer.
async fn breaking_off(file: Vec<u8>, breaks: usize) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&ranges);
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 8_192];
            let length = socket.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
            assert!(!head.contains("x-api-key"), "the key went where the files are");
            let begin = head.split("range: bytes=").nth(1).map(|rest| rest.split('-').next().unwrap().parse().unwrap());
            told.lock().unwrap().push(begin);
            let rest = &file[begin.unwrap_or(0)..];
            let status = if begin.is_some() { "206 Partial Content" } else { "200 OK" };
            let sent = if told.lock().unwrap().len() <= breaks { rest.len() / 2 } else { rest.len() };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", rest.len());
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(&rest[..sent]).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    (address, ranges)
}

#[tokio::test]
async fn a_download_that_breaks_off_is_gone_on_with_and_put_away_when_the_next_is_asked_for() {
    let file = packed(&papers(0, 1_500));
    let (files, ranges) = breaking_off(file.clone(), 2).await;
    let list = format!(
        "{{\"dataset\": \"papers\", \"diffs\": [{{\"update_files\": [\"http://{files}/updates/1.gz?signature=x\", \"http://{files}/updates/2.gz?signature=x\"], \"delete_files\": []}}]}}"
    );
    let api = Server::with([Reply::ok(list)]).await;
    let spool = tempfile::tempdir().unwrap();
    let place = format!("{}datasets/v1/diffs/a/to/b/papers", api.url());
    let diff = diff(api.url().as_str(), &place, spool.path());
    let first = page(&diff, None).await.unwrap();
    assert_eq!(
        (first.papers.len(), first.next.as_ref().unwrap().to_string()),
        (1_000, "diff=1000|/updates/1.gz".into())
    );
    let half = file.len() / 2;
    assert_eq!(*ranges.lock().unwrap(), [None, Some(half), Some(half + (file.len() - half) / 2)]);
    let spooled = || -> Vec<_> { std::fs::read_dir(spool.path()).unwrap().map(|file| file.unwrap().path()).collect() };
    let of_the_first = spooled();
    let rest = page(&diff, first.next.as_ref()).await.unwrap();
    assert_eq!((rest.papers.len(), rest.next.as_ref().unwrap().to_string()), (500, "diff=0|/updates/2.gz".into()));
    assert_eq!(spooled(), of_the_first, "its last lines may not be stored yet");
    assert_eq!(page(&diff, rest.next.as_ref()).await.unwrap().papers.len(), 1_000);
    assert!(spooled().len() == 1 && spooled() != of_the_first);
    assert_eq!(api.asked()[0].headers["x-api-key"], KEY);
    assert_eq!(api.asked().len(), 1, "the list is asked for once");
}

#[tokio::test]
async fn a_server_of_files_that_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let list = format!(
        "{{\"dataset\": \"papers\", \"diffs\": [{{\"update_files\": [\"http://{}/updates/1.gz\"], \"delete_files\": []}}]}}",
        silent.local_addr().unwrap()
    );
    let api = Server::with([Reply::ok(list)]).await;
    let spool = tempfile::tempdir().unwrap();
    let settings = ClientSettings { timeout: Duration::from_millis(200), max_retries: 1, ..quick() };
    let place = format!("{}datasets/v1/diffs/a/to/b/papers", api.url());
    let diff = S2Diff::new(client(settings), api.url(), None, place, spool.path().to_owned());
    let asked = tokio::time::timeout(Duration::from_secs(60), page(&diff, None)).await;
    let told = asked.expect("it waits for ever").unwrap_err().to_string();
    assert!(told.ends_with("/updates/1.gz stopped sending; ask again later"), "{told}");
}

#[tokio::test]
async fn what_one_list_has_left_of_a_download_is_not_gone_on_with_for_another() {
    let (first, _) = breaking_off(packed(&papers(0, 1_500)), usize::MAX).await;
    let (second, ranges) = breaking_off(packed(&papers(7_000, 7_002)), 0).await;
    let spool = tempfile::tempdir().unwrap();
    let mut read = Vec::new();
    for files in [first, second] {
        let list = format!(
            "{{\"dataset\": \"papers\", \"diffs\": [{{\"update_files\": [\"http://{files}/updates/1.gz\"]}}]}}"
        );
        let api = Server::with([Reply::ok(list)]).await;
        read.push(page(&diff(api.url().as_str(), api.url().as_str(), spool.path()), None).await);
    }
    assert!(read[0].is_err());
    let titles: Vec<&str> = read[1].as_ref().unwrap().papers.iter().map(|paper| paper.title.as_str()).collect();
    assert_eq!((titles, ranges.lock().unwrap()[0]), (vec!["Paper 7000", "Paper 7001"], None));
}

#[tokio::test]
async fn a_list_on_another_host_gets_no_key_and_an_address_that_has_expired_is_told() {
    let files = Server::with([Reply::status(403, "<Error>expired</Error>")]).await;
    let list = format!("{{\"dataset\": \"papers\", \"diffs\": [{{\"delete_files\": [\"{}d/1.gz\"]}}]}}", files.url());
    let elsewhere = Server::with([Reply::ok(list)]).await;
    let spool = tempfile::tempdir().unwrap();
    let diff = diff("http://127.0.0.1:9", elsewhere.url().as_str(), spool.path());
    let error = page(&diff, None).await.unwrap_err().to_string();
    assert!(error.contains("/d/1.gz is not given out, or not any more: run the same command again"), "{error}");
    assert!(!elsewhere.asked()[0].headers.contains_key("x-api-key"));
    assert_eq!(files.asked().len(), 1);
}

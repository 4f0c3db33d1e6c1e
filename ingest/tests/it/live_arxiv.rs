//! The arXiv source against a local server.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use ingest::arxiv::{ArxivRequest, ArxivSource};
use ingest::http::ClientSettings;
use ingest::{Cursor, IngestError, Page, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Reply, Server, client, quick};
use crate::shared::{files, seen};

fn entry(number: usize) -> String {
    format!("<entry><id>http://arxiv.org/abs/2101.{number:05}v1</id><title>Paper {number}</title></entry>")
}

/// A feed of these papers out of `total`.
pub fn feed(papers: std::ops::Range<usize>, total: usize) -> Reply {
    let start = papers.start;
    let entries: String = papers.map(entry).collect();
    Reply::ok(format!(
        "<feed xmlns='http://www.w3.org/2005/Atom'><totalResults>{total}</totalResults>\
         <startIndex>{start}</startIndex><itemsPerPage>2</itemsPerPage>{entries}</feed>"
    ))
}

pub fn request() -> ArxivRequest {
    ArxivRequest { category: Some("cs.CL".into()), max_results_per_page: 2, ..ArxivRequest::default() }
}

pub fn source_with(server: &Server, settings: ClientSettings, request: ArxivRequest) -> ArxivSource {
    ArxivSource::new(client(settings), server.url(), request)
}

pub fn source(server: &Server) -> ArxivSource {
    source_with(server, quick(), request())
}

async fn first(server: &Server) -> Result<Page, IngestError> {
    source(server).page(None, seen()).await
}

pub async fn walk(source: &dyn Source) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = source.page(cursor.as_ref(), seen()).await.unwrap();
        cursor.clone_from(&page.next);
        pages.push(page);
        if cursor.is_none() {
            return pages;
        }
    }
}

pub fn titles(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| page.papers.iter().map(|paper| paper.title.clone())).collect()
}

#[tokio::test]
async fn cursors_lead_through_all_pages_to_the_end() {
    let server = Server::with([feed(0..2, 5), feed(2..4, 5), feed(4..5, 5)]).await;
    let pages = walk(&source(&server)).await;
    assert_eq!(titles(&pages), ["Paper 0", "Paper 1", "Paper 2", "Paper 3", "Paper 4"]);
    assert_eq!(pages.iter().map(|page| page.total).collect::<Vec<_>>(), [Some(5); 3]);
    let asked = server.asked();
    let starts: Vec<_> = asked.iter().map(|asked| asked.parameter("start").unwrap()).collect();
    assert_eq!(starts, ["0", "2", "4"]);
    assert_eq!(asked[0].uri.path(), "/api/query");
    assert_eq!(asked[0].parameter("search_query").as_deref(), Some("cat:cs.CL"));
    assert_eq!(asked[0].headers["user-agent"], "lectern-test/1 (mailto:nobody@example.org)");
}

#[tokio::test]
async fn a_page_that_comes_empty_or_short_is_asked_for_again() {
    let server = Server::with([feed(0..0, 5), feed(0..1, 5), feed(0..2, 5)]).await;
    let page = first(&server).await.unwrap();
    assert_eq!((page.papers.len(), page.next.unwrap().to_string()), (2, "start=2;began=2023-11-14".to_owned()));
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_page_that_stays_short_is_taken_and_the_next_begins_where_it_ended() {
    let short = || feed(0..1, 4);
    let server = Server::with([short(), short(), short(), short(), feed(1..3, 4), feed(3..4, 4)]).await;
    let pages = walk(&source(&server)).await;
    assert_eq!(titles(&pages), ["Paper 0", "Paper 1", "Paper 2", "Paper 3"]);
    let starts: Vec<_> = server.asked().iter().map(|asked| asked.parameter("start").unwrap()).collect();
    assert_eq!(starts, ["0", "0", "0", "0", "1", "3"]);
}

#[tokio::test]
async fn a_hiccup_that_lasts_is_an_error_and_never_the_end() {
    let server = Server::with([feed(0..0, 5)]).await;
    let error = first(&server).await.unwrap_err();
    assert!(matches!(error, IngestError::Short { came: 0, announced: 2 }), "{error}");
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn each_way_of_saying_wait_is_waited_for() {
    for status in [406, 429, 503] {
        let server = Server::with([Reply::status(status, "Rate exceeded."), feed(0..1, 1)]).await;
        assert_eq!(first(&server).await.unwrap().papers.len(), 1, "{status}");
        assert_eq!(server.asked().len(), 2);
    }
    let server = Server::with([Reply::status(500, ""), Reply::status(502, "<html>"), feed(0..1, 1)]).await;
    assert_eq!(first(&server).await.unwrap().papers.len(), 1);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept() {
    let later = Reply::status(429, "").with("retry-after", "1");
    let server = Server::with([later, feed(0..1, 1)]).await;
    assert_eq!(first(&server).await.unwrap().papers.len(), 1);
    let gap = server.gaps()[0];
    assert!(gap >= Duration::from_secs(1) && gap < Duration::from_secs(3), "{gap:?}");
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_handed_to_the_caller() {
    let server = Server::with([Reply::status(503, "").with("retry-after", "3600")]).await;
    let error = first(&server).await.unwrap_err();
    assert!(matches!(error, IngestError::RateLimited { retry_after: Some(wait) } if wait == Duration::from_secs(3600)));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_says_why() {
    let error_feed = "<feed><entry><id>https://arxiv.org/api/errors#x</id><title>Error</title>\
                      <summary>incorrect id format for abc</summary></entry></feed>";
    for (reply, said) in [
        (
            Reply::status(400, error_feed),
            "refused (HTTP 400): arXiv says: incorrect id format for abc; change the query",
        ),
        (
            Reply::status(403, "Forbidden"),
            "refused (HTTP 403): arXiv says: Forbidden; check the query and sources.arxiv.",
        ),
        (Reply::status(404, "<html></html>"), "refused (HTTP 404): by an HTML page; check sources.arxiv.base_url"),
        (
            Reply::status(301, "").with("location", "http://elsewhere.example/api/query"),
            "refused (HTTP 301): sent on to http://elsewhere.example/api/query; if that is right, set sources.arxiv",
        ),
    ] {
        let server = Server::with([reply]).await;
        let error = first(&server).await.unwrap_err();
        assert!(matches!(error, IngestError::Refused { status: Some(_), .. }) && !error.is_retryable());
        assert!(error.to_string().starts_with(said), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_page_for_people_is_named_for_what_it_is() {
    let server = Server::with([Reply::ok("<!DOCTYPE html><html><body>Down for maintenance<br></body></html>")]).await;
    let error = first(&server).await.unwrap_err().to_string();
    assert_eq!(error, "not readable as an answer of arxiv: an HTML page");
}

#[tokio::test]
async fn an_answer_over_the_limit_is_cut_off() {
    let server = Server::with([Reply::ok(vec![b'<'; 100_000])]).await;
    let settings = ClientSettings { max_body_bytes: 50_000, ..quick() };
    let error = source_with(&server, settings, request()).page(None, seen()).await.unwrap_err();
    assert!(matches!(error, IngestError::TooLarge { limit: 50_000 }));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_setting() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    // A pause that no test would survive: without a connection there is nothing to be polite to.
    let settings = ClientSettings { min_interval: Duration::from_secs(3), ..quick() };
    let base = format!("http://{closed}/api/query").parse().unwrap();
    let begun = std::time::Instant::now();
    let error = ArxivSource::new(client(settings), base, request()).page(None, seen()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot reach http://{closed}/api/query (Connection refused")), "{text}");
    assert!(text.ends_with("check the network and the setting sources.arxiv.base_url"), "{text}");
}

/// A server that accepts connections, says `words` on each and then hangs up, or stays silent for good.
async fn strange(words: &'static str, hangs_up: bool) -> ArxivSource {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 4096]).await;
            let _ = connection.write_all(words.as_bytes()).await;
            open.extend((!hangs_up).then_some(connection));
        }
    });
    let settings = ClientSettings { timeout: Duration::from_millis(200), max_retries: 1, ..quick() };
    ArxivSource::new(client(settings), base, request())
}

#[tokio::test]
async fn a_connection_that_breaks_or_sleeps_may_be_tried_again() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<feed>";
    for (words, hangs_up, told) in [
        (half, true, "broke off"),
        (half, false, "did not answer in time"),
        ("", true, "broke off"),
        ("", false, "did not answer in time"),
    ] {
        let error = strange(words, hangs_up).await.page(None, seen()).await.unwrap_err();
        assert!(matches!(&error, IngestError::Transient { what } if what.contains(told)), "{error}");
    }
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_large_one_is_cut_off() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; 5_000_000]).unwrap();
    let server = Server::with([Reply::ok(packed.finish().unwrap()).with("content-encoding", "gzip")]).await;
    let settings = ClientSettings { max_body_bytes: 50_000, ..quick() };
    let error = source_with(&server, settings, request()).page(None, seen()).await.unwrap_err();
    assert!(matches!(error, IngestError::TooLarge { limit: 50_000 }), "{error}");
}

#[tokio::test]
async fn ids_that_arxiv_leaves_out_are_rejected_as_not_found() {
    let server = Server::with([feed(1..2, 1), feed(3..4, 1)]).await;
    let ids = ["2101.00001", "2101.00002v3", "2101.00003"].map(|id| id.parse().unwrap()).into();
    let request = ArxivRequest { category: None, ids, ..request() };
    let pages = walk(&source_with(&server, quick(), request)).await;
    assert_eq!(titles(&pages), ["Paper 1", "Paper 3"]);
    let rejected: Vec<_> =
        pages.iter().flat_map(|page| &page.rejected).map(|r| (r.record.as_str(), r.reason.as_str())).collect();
    assert_eq!(rejected, [("arXiv:2101.00002v3", "not found: arXiv has no such paper")]);
    let lists: Vec<_> = server.asked().iter().map(|asked| asked.parameter("id_list").unwrap()).collect();
    assert_eq!(lists, ["2101.00001,2101.00002v3", "2101.00003"]);
    assert_eq!(pages[0].total, Some(3));
}

#[tokio::test]
async fn a_list_of_ids_that_comes_short_is_asked_for_again_and_what_is_never_sent_is_not_called_unknown() {
    let ids: Vec<_> = ["2101.00001", "2101.00002"].map(|id| id.parse().unwrap()).into();
    let request = || ArxivRequest { category: None, ids: ids.clone(), ..request() };
    let server = Server::with([feed(1..2, 2), feed(1..3, 2)]).await;
    let page = source_with(&server, quick(), request()).page(None, seen()).await.unwrap();
    assert_eq!((page.papers.len(), page.rejected.len(), server.asked().len()), (2, 0, 2));
    let server = Server::with([feed(1..2, 2)]).await;
    let page = source_with(&server, quick(), request()).page(None, seen()).await.unwrap();
    let reasons: Vec<_> =
        page.rejected.iter().map(|r| (r.record.as_str(), r.reason.split(':').next().unwrap())).collect();
    assert_eq!((page.papers.len(), reasons, server.asked().len()), (1, vec![("arXiv:2101.00002", "not sent")], 4));
}

#[tokio::test]
async fn a_cursor_of_another_source_is_refused_without_asking() {
    let server = Server::with([feed(0..1, 1)]).await;
    for cursor in ["offset=100", "until=2024-01-01;since=2024-01-01;start=0"] {
        let error = source(&server).page(Some(&cursor.parse().unwrap()), seen()).await.unwrap_err();
        assert!(matches!(error, IngestError::NoPlace { .. }), "{error}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn recorded_pages_are_walked_as_they_were() {
    let recorded = |start: &str| {
        files("api/arxiv", "xml")
            .into_iter()
            .find(|file| file.to_string_lossy().contains(&format!("q_testing_{start}_m10_")))
    };
    let Some(first) = recorded("s0") else { return };
    let pages =
        [Some(first), recorded("s10"), recorded("s20")].map(|file| Reply::ok(std::fs::read(file.unwrap()).unwrap()));
    let server = Server::with(pages).await;
    let request = ArxivRequest { query: Some("testing".into()), category: None, ..request() };
    let source: Arc<dyn Source> =
        Arc::new(source_with(&server, quick(), ArxivRequest { max_results_per_page: 10, ..request }));
    let mut cursor = None;
    for next in ["start=10;began=2023-11-14", "start=20;began=2023-11-14", "start=30;began=2023-11-14"] {
        let page = source.page(cursor.as_ref(), seen()).await.unwrap();
        assert_eq!((page.papers.len(), page.total), (10, Some(214_881)));
        assert_eq!(page.next.as_ref().unwrap().to_string(), next);
        cursor = page.next;
    }
    assert_eq!(source.key(), "arxiv:testing||submittedDate|descending");
    assert_eq!(source.name(), paper::SourceName::Arxiv);
}

#[tokio::test]
async fn an_answer_without_a_byte_is_asked_for_again() {
    let server = Server::with([Reply::ok(" \n"), feed(0..1, 1)]).await;
    assert_eq!(first(&server).await.unwrap().papers.len(), 1);
    assert_eq!(server.asked().len(), 2);
}

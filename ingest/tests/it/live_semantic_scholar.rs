//! The Semantic Scholar source against a local server.

use ingest::semantic_scholar::{FIELDS, S2Request, S2Source};
use ingest::{IngestError, Page, Source};
use secrecy::SecretString;

use crate::server::{Reply, Server, client, quick};
use crate::shared::{files, seen};

const KEY: &str = "s2k-very-secret";

fn search() -> S2Request {
    S2Request::Search { query: "turing".into() }
}

fn source(server: &Server, request: S2Request) -> S2Source {
    S2Source::new(client(quick()), server.url(), Some(SecretString::from(KEY)), request)
}

async fn page(server: &Server, request: S2Request, cursor: Option<&str>) -> Result<Page, IngestError> {
    let cursor = cursor.map(|cursor| cursor.parse().unwrap());
    source(server, request).page(cursor.as_ref(), seen()).await
}

fn next(page: &Page) -> Option<String> {
    page.next.as_ref().map(ToString::to_string)
}

fn titles(page: &Page) -> Vec<&str> {
    page.papers.iter().map(|paper| paper.title.as_str()).collect()
}

#[tokio::test]
async fn a_search_sends_its_key_and_goes_on_by_offset() {
    let server = Server::with([
        Reply::ok(r#"{"total": 101, "offset": 0, "next": 100, "data": [{"title": "A"}]}"#),
        Reply::ok(r#"{"total": 101, "offset": 100, "data": [{"title": "B"}]}"#),
    ])
    .await;
    let first = page(&server, search(), None).await.unwrap();
    assert_eq!((titles(&first), first.total, next(&first)), (vec!["A"], Some(101), Some("offset=100".into())));
    let last = page(&server, search(), Some("offset=100")).await.unwrap();
    assert_eq!((titles(&last), next(&last)), (vec!["B"], None));
    let asked = server.asked();
    assert_eq!(asked[0].uri.path(), "/graph/v1/paper/search");
    assert_eq!(asked[0].parameter("fields").as_deref(), Some(FIELDS));
    assert_eq!(asked[0].headers["x-api-key"], KEY);
    assert_eq!(asked[1].parameter("offset").as_deref(), Some("100"));
}

#[tokio::test]
async fn without_a_key_none_is_sent() {
    let server = Server::with([Reply::ok(r#"{"total": 0, "offset": 0}"#)]).await;
    let source = S2Source::new(client(quick()), server.url(), None, search());
    assert_eq!(source.page(None, seen()).await.unwrap().papers, vec![]);
    assert!(!server.asked()[0].headers.contains_key("x-api-key"));
    assert_eq!((source.key().as_str(), source.name().as_str()), ("semantic-scholar:search:turing", "semantic-scholar"));
}

#[tokio::test]
async fn a_search_ends_cleanly_where_the_service_ends_it() {
    let server = Server::with([
        Reply::ok(r#"{"total": 70498, "offset": 900, "next": 1000, "data": [{"title": "A"}]}"#),
        Reply::status(400, r#"{"error": "Requested data for this limit and/or offset is not available"}"#),
    ])
    .await;
    assert_eq!(next(&page(&server, search(), Some("offset=900")).await.unwrap()), None);
    assert_eq!(page(&server, search(), Some("offset=992")).await.unwrap(), Page::default());
    assert!(page(&server, search(), None).await.is_err(), "the same words to a first page are an error");
}

#[tokio::test]
async fn a_bulk_search_goes_on_by_token() {
    let server = Server::with([
        Reply::ok(r#"{"total": 3, "token": "PCOA=", "data": [{"title": "A"}, {"paperId": "p"}]}"#),
        Reply::ok(r#"{"total": 3, "token": null, "data": [{"title": "B"}]}"#),
    ])
    .await;
    let bulk = || S2Request::Bulk { query: "kubernetes".into(), sort: None };
    let first = page(&server, bulk(), None).await.unwrap();
    assert_eq!((titles(&first), next(&first)), (vec!["A"], Some("token=PCOA=".into())));
    assert_eq!(first.rejected[0].reason, "no title");
    assert_eq!(next(&page(&server, bulk(), Some("token=PCOA=")).await.unwrap()), None);
    assert_eq!(server.asked()[1].parameter("token").as_deref(), Some("PCOA="));
}

#[tokio::test]
async fn a_batch_is_posted_in_portions_and_names_what_is_not_found() {
    let server = Server::with([Reply::ok(r#"[{"title": "A"}, null]"#), Reply::ok("[null]")]).await;
    let mut ids = vec!["10.1000/a".to_owned(), "10.1000/b".to_owned()];
    ids.extend((0..499).map(|n| format!("CorpusId:{n}")));
    let batch = || S2Request::Batch { ids: ids.clone() };
    let first = page(&server, batch(), None).await.unwrap();
    assert_eq!((titles(&first), first.total, next(&first)), (vec!["A"], Some(501), Some("batch=500".into())));
    assert_eq!((first.rejected[0].record.as_str(), first.rejected[0].reason.as_str()), ("10.1000/b", "not found"));
    let last = page(&server, batch(), Some("batch=500")).await.unwrap();
    assert_eq!((last.rejected[0].record.as_str(), next(&last)), ("CorpusId:498", None));
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.uri.path()), ("POST", "/graph/v1/paper/batch"));
    assert!(asked.body.starts_with(r#"{"ids":["DOI:10.1000/a","DOI:10.1000/b","CorpusId:0""#), "{}", asked.body);
    assert_eq!(asked.headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_failure_that_passes_is_waited_out() {
    for status in [429, 500, 503, 504] {
        let server = Server::with([Reply::status(status, r#"{"message": "x"}"#), Reply::ok(r#"{"data": []}"#)]).await;
        assert_eq!(page(&server, search(), None).await.unwrap(), Page::default(), "{status}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_once_and_never_shown() {
    let server = Server::with([Reply::status(403, r#"{"message":"Forbidden"}"#)]).await;
    let source = source(&server, search());
    let error = source.page(None, seen()).await.unwrap_err();
    let expected = "refused (HTTP 403): Semantic Scholar says: Forbidden (is the key right?); correct or remove the \
                    setting sources.semantic_scholar.api_key";
    assert_eq!(error.to_string(), expected);
    assert_eq!(server.asked().len(), 1);
    assert!(!format!("{source:?} {error:?}").contains(KEY));
}

#[tokio::test]
async fn a_key_does_not_follow_to_another_place() {
    let elsewhere = Server::with([Reply::ok(r#"{"data": []}"#)]).await;
    let server = Server::with([Reply::status(302, "").with("location", elsewhere.url().as_str())]).await;
    let error = page(&server, search(), None).await.unwrap_err().to_string();
    assert!(error.contains("sent on to") && error.contains("sources.semantic_scholar.base_url"), "{error}");
    assert_eq!(elsewhere.asked().len(), 0);
    let moved = [Reply::status(307, "").with("location", "/new/place"), Reply::ok(r#"{"data": []}"#)];
    let server = Server::with(moved).await;
    assert_eq!(page(&server, search(), None).await.unwrap(), Page::default());
    assert_eq!(server.asked()[1].uri.path(), "/new/place");
}

#[tokio::test]
async fn an_html_page_is_named_for_what_it_is() {
    let server = Server::with([Reply::ok("<html><body>Sign in</body></html>")]).await;
    let error = page(&server, search(), None).await.unwrap_err().to_string();
    assert_eq!(error, "not readable as an answer of semantic-scholar: an HTML page");
}

#[tokio::test]
async fn every_recorded_error_is_understood_by_its_status() {
    for file in files("api/semantic_scholar", "json") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let status: u16 = name.rsplit('.').nth(1).unwrap().parse().unwrap_or(200);
        if status == 200 {
            continue;
        }
        let server = Server::with([Reply::status(status, std::fs::read(&file).unwrap())]).await;
        let error = page(&server, search(), None).await.unwrap_err();
        let (expected, times) = match status {
            429 => (matches!(error, IngestError::RateLimited { retry_after: None }), 4),
            500..=599 => (matches!(error, IngestError::Transient { .. }), 4),
            _ => (matches!(error, IngestError::Refused { status: Some(told), .. } if told == status), 1),
        };
        assert!(expected, "{name}: {error:?}");
        assert_eq!(server.asked().len(), times, "{name}");
    }
}

#[tokio::test]
async fn recorded_bulk_pages_are_walked_as_they_were() {
    let recorded = files("api/semantic_scholar", "json");
    let pages: Vec<Reply> = recorded
        .iter()
        .filter(|file| file.to_string_lossy().contains("bulk_retrieval_sorted_results_asc."))
        .map(|file| Reply::ok(std::fs::read(file).unwrap()))
        .collect();
    if pages.is_empty() {
        return;
    }
    let server = Server::with(pages).await;
    let source =
        source(&server, S2Request::Bulk { query: "kubernetes".into(), sort: Some("citationCount:asc".into()) });
    let (mut records, mut cursor) = (0, None);
    for _ in 0..4 {
        let page = source.page(cursor.as_ref(), seen()).await.unwrap();
        records += page.papers.len() + page.rejected.len();
        cursor = page.next;
    }
    assert_eq!((records, cursor), (3_027, None));
}

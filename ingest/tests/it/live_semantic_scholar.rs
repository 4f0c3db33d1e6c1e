//! The Semantic Scholar source against a local server.

use ingest::semantic_scholar::{FIELDS, S2Lookup, S2Request, S2Source};
use ingest::{IngestError, Lookup, Page, Source};
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
async fn a_batch_of_which_nothing_is_known_is_not_found_paper_by_paper() {
    let server = Server::with([Reply::status(400, r#"{"error":"No valid paper ids given"}"#)]).await;
    let batch = || S2Request::Batch { ids: vec!["10.1000/a".into(), "CorpusId:1".into()] };
    let found = page(&server, batch(), None).await.unwrap();
    let rejected: Vec<_> = found.rejected.iter().map(|r| (r.record.as_str(), r.reason.as_str())).collect();
    assert_eq!(rejected, [("10.1000/a", "not found"), ("CorpusId:1", "not found")]);
    assert_eq!((found.papers.len(), next(&found), server.asked().len()), (0, None, 1));
    assert!(page(&server, search(), None).await.is_err(), "a search has no ids");
}

#[tokio::test]
async fn a_finished_bulk_search_leaves_where_the_next_begins_and_that_leaves_one_again() {
    let more = || Reply::ok(r#"{"total": 2, "token": "T", "data": [{"title": "A"}]}"#);
    let last = || Reply::ok(r#"{"total": 2, "token": null, "data": [{"title": "B"}]}"#);
    let server = Server::with([more(), last(), more(), last()]).await;
    let bulk = || S2Request::Bulk { query: "x".into(), sort: None };
    let first = page(&server, bulk(), None).await.unwrap();
    assert_eq!(
        (next(&first).as_deref(), first.later.map(|later| later.to_string())),
        (Some("token=T"), Some("since=2023-10-15".to_owned()))
    );
    let end = page(&server, bulk(), Some("token=T")).await.unwrap();
    // What is seen here is seen on 2023-11-14; papers are entered up to 30 days late.
    let later = end.later.unwrap().to_string();
    assert_eq!((end.next, later.as_str()), (None, "since=2023-10-15"));
    let new = page(&server, bulk(), Some(&later)).await.unwrap();
    assert_eq!((next(&new).as_deref(), new.later), (Some("since=2023-10-15|T"), None));
    let end = page(&server, bulk(), Some("since=2023-10-15|T")).await.unwrap();
    assert_eq!((end.next, end.later.unwrap().to_string()), (None, later));
    let since: Vec<_> = server.asked().iter().map(|asked| asked.parameter("publicationDateOrYear")).collect();
    assert_eq!(since, [None, None, Some("2023:".to_owned()), Some("2023:".to_owned())]);
}

#[tokio::test]
async fn citations_go_on_by_offset_and_where_they_end_too_early_the_page_says_so() {
    let server = Server::with([
        Reply::ok(r#"{"offset": 0, "next": 1000, "data": [{"citingPaper": {"title": "A"}}]}"#),
        Reply::ok(r#"{"offset": 9000, "next": 9999, "data": [{"citingPaper": {"title": "B"}}]}"#),
        Reply::ok(r#"{"offset": 1000, "data": []}"#),
    ])
    .await;
    let citations = || S2Request::Citations { id: "10.1000/a".into() };
    let first = page(&server, citations(), None).await.unwrap();
    assert_eq!((titles(&first), next(&first), first.rejected.len()), (vec!["A"], Some("offset=1000".into()), 0));
    let last = page(&server, citations(), Some("offset=9000")).await.unwrap();
    assert_eq!((titles(&last), next(&last)), (vec!["B"], None));
    assert_eq!(last.rejected[0].record, "semantic-scholar:citations:DOI:10.1000/a");
    assert!(last.rejected[0].reason.starts_with("there are more than 9,999"), "{:?}", last.rejected);
    assert_eq!(page(&server, citations(), Some("offset=1000")).await.unwrap(), Page::default());
    let asked = server.asked();
    assert_eq!(asked[0].uri.path(), "/graph/v1/paper/DOI:10.1000/a/citations");
    assert_eq!((asked[1].parameter("offset"), asked[1].parameter("limit")), (Some("9000".into()), Some("999".into())));
    assert_eq!(
        (source(&server, citations()).newest_first(), asked[0].parameter("fields")),
        (true, Some(FIELDS.into()))
    );
}

#[tokio::test]
async fn references_that_a_publisher_keeps_back_are_none() {
    let body = r#"{"data": null, "citingPaperInfo": {"openAccessPdf": {"disclaimer": "Notice"}}}"#;
    let server = Server::with([Reply::ok(body)]).await;
    let references = || S2Request::References { id: "ARXIV:1706.03762".into() };
    assert_eq!(page(&server, references(), None).await.unwrap(), Page::default());
    assert!(!source(&server, references()).newest_first());
    assert_eq!(server.asked()[0].uri.path(), "/graph/v1/paper/ARXIV:1706.03762/references");
}

#[tokio::test]
async fn recommendations_are_one_page_asked_for_with_the_key() {
    let server = Server::with([Reply::ok(r#"{"recommendedPapers": [{"title": "A"}]}"#)]).await;
    for (ids, method, path) in [
        (vec!["CorpusId:1"], "GET", "/recommendations/v1/papers/forpaper/CorpusId:1"),
        (vec!["CorpusId:1", "CorpusId:2"], "POST", "/recommendations/v1/papers/"),
    ] {
        let request = S2Request::Recommended { ids: ids.into_iter().map(String::from).collect() };
        let found = page(&server, request, None).await.unwrap();
        assert_eq!((titles(&found), next(&found)), (vec!["A"], None));
        let asked = server.asked().pop().unwrap();
        assert_eq!((asked.method.as_str(), asked.uri.path()), (method, path));
        assert_eq!(asked.headers["x-api-key"], KEY);
    }
}

fn with_ids(ids: serde_json::Value) -> paper::Paper {
    serde_json::from_value(serde_json::json!({"title": "A", "ids": ids})).unwrap()
}

#[tokio::test]
async fn papers_are_looked_up_by_their_ids_and_each_answer_finds_the_paper_it_belongs_to() {
    let body = r#"[{"title": "A", "corpusId": 5}, null, {"paperId": "x"}]"#;
    let server = Server::with([Reply::ok(body), Reply::ok("[null]")]).await;
    let lookup = S2Lookup::new(client(quick()), server.url(), Some(SecretString::from(KEY)));
    let asked = [
        with_ids(serde_json::json!({"arxiv": "2104.12255"})),
        with_ids(serde_json::json!({"local": "nobody knows it"})),
        with_ids(serde_json::json!({"doi": "10.1000/b"})),
        with_ids(serde_json::json!({"pmid": "12"})),
    ];
    let found = lookup.look_up(&asked, seen()).await.unwrap();
    assert_eq!(server.asked()[0].body, r#"{"ids":["ARXIV:2104.12255","DOI:10.1000/b","PMID:12"]}"#);
    assert_eq!(paper::identity_keys(&found.found[0].0), ["corpus:5"]);
    assert_eq!(found.found[0].1.as_deref(), Some("arxiv:2104.12255"));
    let rejected: Vec<_> = found.rejected.iter().map(|r| (r.record.as_str(), r.reason.as_str())).collect();
    assert_eq!((found.found.len(), found.unknown, rejected), (1, 1, vec![("PMID:12", "no title")]));
    assert_eq!(lookup.look_up(&asked[1..2], seen()).await.unwrap(), ingest::LookedUp::default());
    assert_eq!(server.asked().len(), 1, "of a paper without ids nothing is asked");
    let short = lookup.look_up(&asked, seen()).await.unwrap_err().to_string();
    assert!(short.ends_with("1 records where 3 were asked for"), "{short}");
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
async fn recorded_citations_are_walked_as_they_were() {
    let recorded = files("api/semantic_scholar", "json");
    let name = |file: &std::path::PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
    let pages: Vec<Reply> = recorded
        .iter()
        .filter(|file| name(file).starts_with("test_get_paper_citations.") && name(file).ends_with(".200.json"))
        .map(|file| Reply::ok(std::fs::read(file).unwrap()))
        .collect();
    if pages.is_empty() {
        return;
    }
    let server = Server::with(pages).await;
    let source = source(&server, S2Request::Citations { id: "CorpusId:14514057".into() });
    let (mut records, mut cursor) = (0, None);
    for _ in 0..19 {
        let page = source.page(cursor.as_ref(), seen()).await.unwrap();
        records += page.papers.len() + page.rejected.len();
        cursor = page.next;
    }
    assert_eq!((records, cursor, server.asked().len()), (1_881, None, 19));
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

//! Crossref against a local server, and its recorded answers.

use ingest::crossref::{CrossrefApi, CrossrefLookup, CrossrefSource, parse_body};
use ingest::{IngestError, Lookup, Page, Source};
use paper::{Doi, Paper};
use serde_json::{Value, json};

use crate::server::{Reply, Server, client, quick};
use crate::shared::{files, seen};

fn api(server: &Server) -> CrossrefApi {
    CrossrefApi::new(client(quick()), server.url(), Some("someone@example.org".into()))
}

fn source(server: &Server, dois: &[&str]) -> CrossrefSource {
    let dois: Vec<Doi> = dois.iter().map(|doi| doi.parse().unwrap()).collect();
    CrossrefSource::new(api(server), dois)
}

async fn page(server: &Server, dois: &[&str]) -> Result<Page, IngestError> {
    source(server, dois).page(None, seen()).await
}

fn list(items: Value) -> Reply {
    let message = json!({"total-results": 1, "items": items});
    Reply::ok(json!({"status": "ok", "message-type": "work-list", "message": message}).to_string())
}

fn single(work: Value) -> Reply {
    Reply::ok(json!({"status": "ok", "message-type": "work", "message": work}).to_string())
}

fn not_found() -> Reply {
    Reply::status(404, "Resource not found.")
}

fn titles(page: &Page) -> Vec<&str> {
    page.papers.iter().map(|paper| paper.title.as_str()).collect()
}

fn paper_of(ids: Value) -> Paper {
    let paper = json!({"title": "A", "year": 2020, "authors": [{"name": "Lovelace, Ada"}], "ids": ids});
    serde_json::from_value(paper).unwrap()
}

#[tokio::test]
async fn plain_dois_are_asked_for_at_once_and_odd_ones_by_themselves() {
    let odd = "10.1002/(SICI)1097-4571(1990)41:6<391::AID-ASI1>3.0.CO;2-9";
    let server = Server::with([
        list(json!([{"DOI": "10.1000/b", "title": ["B"]}, {"DOI": "10.1000/a", "title": ["A"]}])),
        single(json!({"DOI": odd.to_lowercase(), "title": ["Odd"]})),
        not_found(),
    ])
    .await;
    let page = page(&server, &["10.1000/A", "10.1000/b", odd, "10.1000/x,y"]).await.unwrap();
    assert_eq!(titles(&page), ["B", "A", "Odd"]);
    let rejected: Vec<_> = page.rejected.iter().map(|r| (r.record.as_str(), r.reason.as_str())).collect();
    assert_eq!(rejected, [("10.1000/x,y", "not found: Crossref has no such work")]);
    let asked = server.asked();
    assert_eq!(asked[0].uri.path(), "/works");
    assert_eq!(asked[0].parameter("filter").as_deref(), Some("doi:10.1000/A,doi:10.1000/b"));
    assert_eq!(
        (asked[0].parameter("rows").as_deref(), asked[0].parameter("mailto").as_deref()),
        (Some("2"), Some("someone@example.org"))
    );
    assert!(asked[0].parameter("select").unwrap().ends_with(",update-to,updated-by"));
    let path = "/works/10.1002%2F(SICI)1097-4571(1990)41:6%3C391::AID-ASI1%3E3.0.CO;2-9";
    assert_eq!((asked[1].uri.path(), asked[1].parameter("select")), (path, None));
    assert_eq!(asked[2].uri.path(), "/works/10.1000%2Fx,y");
}

#[tokio::test]
async fn a_filter_that_is_refused_is_taken_apart() {
    let refused = r#"{"status":"failed","message-type":"validation-failure","message":[{"message":"Invalid filter"}]}"#;
    let server =
        Server::with([Reply::status(400, refused), single(json!({"DOI": "10.1000/a", "title": ["A"]})), not_found()])
            .await;
    let page = page(&server, &["10.1000/a", "10.1000/b"]).await.unwrap();
    assert_eq!((titles(&page), page.rejected.len(), server.asked().len()), (vec!["A"], 1, 3));
}

#[tokio::test]
async fn many_dois_go_in_portions() {
    let dois: Vec<String> = (0..41).map(|n| format!("10.1000/{n}")).collect();
    let dois: Vec<&str> = dois.iter().map(String::as_str).collect();
    let server = Server::with([list(json!([])), not_found()]).await;
    let source = source(&server, &dois);
    let first = source.page(None, seen()).await.unwrap();
    assert_eq!((first.rejected.len(), first.total), (40, Some(41)));
    let last = source.page(first.next.as_ref(), seen()).await.unwrap();
    assert_eq!((last.rejected[0].record.as_str(), last.next), ("10.1000/40", None));
    assert!(source.page(Some(&"batch=41".parse().unwrap()), seen()).await.is_err());
    assert!(source.page(Some(&"token=x".parse().unwrap()), seen()).await.is_err());
    assert!(page(&server, &[]).await.is_err());
}

#[tokio::test]
async fn a_failure_that_passes_is_waited_out_and_one_that_does_not_is_told_once() {
    for status in [429, 500, 503, 504] {
        let server = Server::with([Reply::status(status, "<html>"), single(json!({"title": ["A"]}))]).await;
        assert_eq!(titles(&page(&server, &["10.1000/a"]).await.unwrap()), ["A"], "{status}");
    }
    let said = r#"{"status":"failed","message-type":"validation-failure","message":[{"message":"This route does not support select"}]}"#;
    for (reply, told) in [
        (Reply::status(403, "blocked"), "refused (HTTP 403): Crossref says: blocked; check sources.crossref.base_url"),
        (Reply::status(404, "<html>"), "refused (HTTP 404): Crossref says: <html>; check sources.crossref.base_url"),
        (Reply::ok("<html>"), "not readable as an answer of crossref: an HTML page"),
    ] {
        let server = Server::with([reply]).await;
        assert_eq!(page(&server, &["10.1000/a"]).await.unwrap_err().to_string(), told);
        assert_eq!(server.asked().len(), 1);
    }
    let server = Server::with([Reply::status(400, said), single(json!({"DOI": "10.1000/b;2", "title": ["B"]}))]).await;
    let rest = page(&server, &["10.1000/a;1", "10.1000/b;2"]).await.unwrap();
    let rejected: Vec<_> = rest.rejected.iter().map(|r| (r.record.as_str(), r.reason.as_str())).collect();
    let reason = "refused (HTTP 400): Crossref says: This route does not support select; change the request";
    assert_eq!(
        (titles(&rest), rejected),
        (vec!["B"], vec![("10.1000/a;1", reason)]),
        "one that is refused stops no other"
    );
    let moved = Server::with([Reply::status(301, "").with("location", "http://elsewhere.invalid/")]).await;
    let told = page(&moved, &["10.1000/a"]).await.unwrap_err().to_string();
    assert!(told.contains("sent on to http://elsewhere.invalid/"), "{told}");
}

#[tokio::test]
async fn papers_are_looked_up_by_doi_at_once_and_without_one_by_title_and_author() {
    let server = Server::with([
        list(json!([{"DOI": "10.1000/a", "title": ["A"], "updated-by": [{"type": "retraction"}]}])),
        list(
            json!([{"DOI": "10.1000/c", "type": "journal-article", "title": ["a"], "author": [{"family": "Lovelace"}],
            "issued": {"date-parts": [[2021]]}}]),
        ),
        list(json!([])),
    ])
    .await;
    let papers = [
        paper_of(json!({"doi": "10.1000/a"})),
        paper_of(json!({"doi": "10.1000/unknown"})),
        paper_of(json!({"arxiv": "2001.00001", "doi": "10.48550/arXiv.2001.00001"})),
        paper_of(json!({"local": "x"})),
        serde_json::from_value(json!({"title": "Without a year"})).unwrap(),
    ];
    let found = CrossrefLookup::new(api(&server)).look_up(&papers, seen()).await.unwrap();
    let told: Vec<_> = found
        .found
        .iter()
        .map(|(paper, link)| (paper::identity_keys(paper).join(" "), link.as_deref(), paper.retracted))
        .collect();
    let by_title = ("doi:10.1000/c".to_owned(), Some("arxiv:2001.00001"), false);
    assert_eq!(told, [("doi:10.1000/a".to_owned(), None, true), by_title]);
    assert_eq!((found.unknown, found.rejected.len()), (3, 0));
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "nothing is asked about a paper that could not be told from others");
    let words = (asked[1].parameter("query.bibliographic"), asked[1].parameter("query.author"));
    assert_eq!(words, (Some("A".into()), Some("Lovelace".into())));
}

#[test]
fn every_recorded_answer_about_works_is_read_and_no_work_is_lost() {
    let (mut papers, mut rejected, mut others) = (0, 0, 0);
    let recorded: Vec<_> = files("api/crossref", "json")
        .into_iter()
        .filter(|file| file.to_string_lossy().ends_with(".200.json"))
        .collect();
    for file in &recorded {
        let body = std::fs::read(file).unwrap();
        // Some are lists of other things, and a few no JSON in spite of their names.
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let count = match value["message-type"].as_str() {
            Some("work") => 1,
            Some("work-list") => value["message"]["items"].as_array().unwrap().len(),
            _ => {
                let other = parse_body(&body, seen()).unwrap_err();
                assert!(matches!(other, IngestError::NotPapers { .. } | IngestError::Malformed { .. }), "{other}");
                others += 1;
                continue;
            }
        };
        let page = parse_body(&body, seen()).unwrap();
        assert_eq!(page.papers.len() + page.rejected.len(), count, "{}", file.display());
        assert!(page.rejected.iter().all(|rejected| rejected.reason == "no title"), "{:?}", page.rejected);
        assert!(page.papers.iter().all(|paper| paper.ids.doi.is_some() && !paper.retracted), "{}", file.display());
        (papers, rejected) = (papers + page.papers.len(), rejected + page.rejected.len());
    }
    eprintln!("{papers} papers, {rejected} rejected, {others} other answers");
    assert!(recorded.is_empty() || papers > 300, "{papers}");
}

#[test]
fn every_recorded_error_of_crossref_is_told_in_its_words() {
    for file in files("api/crossref", "json") {
        if !file.to_string_lossy().ends_with(".400.json") {
            continue;
        }
        let error = parse_body(&std::fs::read(&file).unwrap(), seen()).unwrap_err();
        assert!(matches!(error, IngestError::Refused { .. }), "{}: {error}", file.display());
    }
}

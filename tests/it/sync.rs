//! `sync` over the network, against local servers that answer as the providers do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::support::Home;

pub type Asked = Arc<Mutex<Vec<HashMap<String, String>>>>;

#[derive(Clone)]
struct Provider {
    asked: Asked,
    answers: Arc<Vec<(u16, String)>>,
}

async fn answer(State(provider): State<Provider>, RawQuery(query): RawQuery) -> Response {
    let url = reqwest::Url::parse(&format!("http://localhost/?{}", query.unwrap_or_default())).unwrap();
    let query = url.query_pairs().into_owned().collect();
    let mut asked = provider.asked.lock().unwrap();
    let place = asked.len();
    asked.push(query);
    let (status, body) = provider.answers.get(place).cloned().unwrap_or((500, String::new()));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// A server that gives these answers, one after the other.
pub fn serve(answers: Vec<(u16, String)>) -> (String, Asked, tokio::runtime::Runtime) {
    let asked = Asked::default();
    let provider = Provider { asked: asked.clone(), answers: Arc::new(answers) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(any(answer)).with_state(provider);
    runtime.spawn(async move { axum::serve(listener, router).await });
    (address, asked, runtime)
}

pub fn feed(total: usize, start: usize, ids: &[&str]) -> String {
    let entry = |id: &&str| {
        format!(
            "<entry><id>http://arxiv.org/abs/{id}</id><title>Paper {id}</title><summary>About {id}.</summary>\
            <published>2021-04-25T00:00:00Z</published><updated>2021-04-25T00:00:00Z</updated><author><name>Ada Lovelace</name></author></entry>"
        )
    };
    let entries: String = ids.iter().map(entry).collect();
    format!(
        "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom' xmlns:opensearch='http://a9.com/-/spec/opensearch/1.1/'>\
         <opensearch:totalResults>{total}</opensearch:totalResults><opensearch:startIndex>{start}</opensearch:startIndex>\
         <opensearch:itemsPerPage>{}</opensearch:itemsPerPage>{entries}</feed>",
        ids.len()
    )
}

#[test]
fn arxiv_is_read_by_ids_and_told_papers_are_in_the_library() {
    let (address, asked, _runtime) = serve(vec![(200, feed(2, 0, &["2104.12255v1", "2104.12256v3"]))]);
    let home = Home::new().set("LECTERN__SOURCES__ARXIV__BASE_URL", address);
    let ran = home.run(&["--json", "sync", "arxiv", "--ids", "2104.12255,2104.12256"]).exited(0);
    assert_eq!(ran.json()["added"], 2);
    assert_eq!(asked.lock().unwrap()[0]["id_list"], "2104.12255,2104.12256");
    let found = home.run(&["--json", "search", "Paper 2104.12256v3", "--mode", "lexical"]).exited(0).json();
    assert!(found["total"].as_u64().unwrap() >= 1, "{found}");
}

#[test]
fn a_sync_that_is_cut_off_goes_on_where_it_stopped() {
    let page: Vec<String> = (0..500).map(|n| format!("2104.{:05}v1", n + 1)).collect();
    let first: Vec<&str> = page.iter().map(String::as_str).collect();
    let answers =
        vec![(200, feed(501, 0, &first)), (403, "forbidden".to_owned()), (200, feed(501, 500, &["2105.00001v1"]))];
    let (address, asked, _runtime) = serve(answers);
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", address)
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let cut_off = home.run(&["sync", "arxiv", "--query", "all:x"]).exited(1);
    assert!(cut_off.stderr.contains("403"), "{}", cut_off.stderr);
    assert_eq!(home.run(&["--json", "stats"]).json()["library"]["papers"], 500, "what came before is kept");
    let resumed = home.run(&["--json", "sync", "arxiv", "--query", "all:x"]).exited(0);
    assert_eq!(resumed.json()["added"], 1);
    assert!(resumed.stderr.contains("went on from where"), "{}", resumed.stderr);
    let starts: Vec<String> = asked.lock().unwrap().iter().map(|query| query["start"].clone()).collect();
    assert_eq!(starts, ["0", "500", "500"]);
}

#[test]
fn semantic_scholar_is_asked_to_wait_and_waits() {
    let body = r#"{"total": 1, "offset": 0, "data": [{"paperId": "204e3073870fae3d05bcbc2f6a8e263d9b72e776",
        "corpusId": 13756489, "title": "Attention is All you Need", "year": 2017, "abstract": null}]}"#;
    let (address, asked, _runtime) =
        serve(vec![(429, "{\"message\": \"Too Many Requests\"}".to_owned()), (200, body.to_owned())]);
    let home = Home::new().set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", address);
    let ran = home.run(&["--json", "sync", "semantic-scholar", "--query", "attention"]).exited(0);
    assert_eq!(ran.json()["added"], 1);
    assert_eq!(asked.lock().unwrap().len(), 2);
    let paper = home.run(&["cite", "CorpusId:13756489"]).exited(0);
    assert!(paper.stdout.contains("Attention"), "{}", paper.stdout);
}

#[test]
fn a_source_that_cannot_be_reached_is_named() {
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", "http://127.0.0.1:9/api/query")
        .set("LECTERN__SOURCES__MAX_RETRIES", "0");
    let ran = home.run(&["sync", "arxiv", "--ids", "2104.12255"]).exited(1);
    assert!(ran.stderr.contains("127.0.0.1:9"), "{}", ran.stderr);
}

#[test]
fn after_a_sync_that_reached_its_most_what_changed_since_is_read_and_a_larger_one_reads_further() {
    let newest = feed(10, 0, &["2104.00003v1", "2104.00002v1", "2104.00001v1"]);
    let changed = feed(11, 0, &["2104.00004v1", "2104.00001v2", "2104.00003v1"]);
    let (address, asked, _runtime) =
        serve(vec![(200, newest), (200, changed.clone()), (200, changed.clone()), (200, changed)]);
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", address)
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let sync = |max: &str| home.run(&["--json", "sync", "arxiv", "--category", "cs.CL", "--max", max]).exited(0);
    let first = sync("2");
    assert_eq!((&first.json()["added"], &first.json()["unchanged"]), (&2.into(), &0.into()));
    let told = "stopped at 2 papers; the source has more: sync again to go on with what is new, or give a larger --max to read \
                further back\n";
    assert!(first.stderr.contains(told), "{}", first.stderr);
    let second = sync("2");
    assert_eq!(
        (&second.json()["added"], &second.json()["updated"]),
        (&2.into(), &0.into()),
        "a new one, and an old one"
    );
    let third = sync("2");
    assert!(third.stderr.contains("went on from where"), "{}", third.stderr);
    assert_eq!((&third.json()["added"], &third.json()["unchanged"]), (&0.into(), &1.into()));
    assert_eq!(sync("3").json()["unchanged"], 3);
    let orders: Vec<_> =
        asked.lock().unwrap().iter().map(|query| (query["start"].clone(), query["sortBy"].clone())).collect();
    let orders: Vec<_> = orders.iter().map(|(start, order)| (start.as_str(), order.as_str())).collect();
    let changes = ("0", "lastUpdatedDate");
    assert_eq!(orders, [("0", "submittedDate"), changes, changes, ("0", "submittedDate")]);
}

fn bulk(title: &str, corpus: u32, token: &str) -> (u16, String) {
    let paper = format!("{{\"corpusId\": {corpus}, \"title\": \"{title}\"}}");
    (200, format!("{{\"total\": 2, \"token\": {token}, \"data\": [{paper}]}}"))
}

#[test]
fn a_place_that_the_source_refuses_is_given_up_and_the_sync_begins_anew_once() {
    let refused = || (400, "{\"error\": \"Invalid continuation token\"}".to_owned());
    let forbidden = || (403, "{\"message\": \"Forbidden\"}".to_owned());
    let answers = vec![
        bulk("One", 1, "\"T1\""),
        forbidden(), // cut off; the place T1 is kept
        forbidden(), // a refused key does not lose the place
        refused(),   // T1 has expired
        bulk("One", 1, "\"T2\""),
        bulk("Two", 2, "null"),
        refused(), // what came since is not told
        refused(), // and the request itself is wrong: asked once
    ];
    let (address, asked, _runtime) = serve(answers);
    let home = Home::new()
        .set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", address)
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let sync = || home.run(&["--json", "sync", "semantic-scholar", "--query", "x", "--bulk"]);
    sync().exited(1);
    sync().exited(1);
    let anew = sync().exited(0);
    assert_eq!((&anew.json()["added"], &anew.json()["unchanged"]), (&1.into(), &1.into()));
    let told = "began anew: the place where an earlier sync was cut off is not taken any more (refused (HTTP 400): \
                Semantic Scholar says: Invalid continuation token";
    assert!(anew.stderr.contains(told) && !anew.stderr.contains("went on from where"), "{}", anew.stderr);
    sync().exited(1);
    let asked = asked.lock().unwrap();
    let tokens: Vec<_> = asked.iter().map(|query| query.get("token").map(String::as_str)).collect();
    assert_eq!(tokens, [None, Some("T1"), Some("T1"), Some("T1"), None, Some("T2"), None, None]);
    let since: Vec<bool> = asked.iter().map(|query| query.contains_key("publicationDateOrYear")).collect();
    assert_eq!(since, [false, false, false, false, false, false, true, false]);
    assert!(asked.iter().all(|query| query["sort"] == "publicationDate:desc"), "the newest first");
}

#[test]
fn a_list_of_ids_is_read_to_its_end_in_as_many_syncs_as_it_takes() {
    let all = || (200, feed(3, 0, &["2104.12255v1", "2104.12256v1", "2104.12257v1"]));
    let (address, _asked, _runtime) = serve(vec![all(), all()]);
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", address)
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    let sync = || {
        let ids = "2104.12255,2104.12256,2104.12257";
        home.run(&["--json", "sync", "arxiv", "--ids", ids, "--max", "2"]).exited(0).json()
    };
    assert_eq!(sync()["added"], 2);
    let rest = sync();
    assert_eq!((&rest["added"], &rest["unchanged"]), (&1.into(), &0.into()));
}

#[test]
fn what_is_most_relevant_or_cited_most_is_asked_for_by_that_order_and_anew_each_time() {
    let (address, asked, _runtime) =
        serve(vec![(200, feed(1, 0, &["2104.12255v1"])), (200, feed(1, 0, &["2104.12255v1"]))]);
    let home = Home::new()
        .set("LECTERN__SOURCES__ARXIV__BASE_URL", address)
        .set("LECTERN__EMBEDDING__DIR", "/nonexistent/models");
    for _ in 0..2 {
        home.run(&["sync", "arxiv", "--query", "ti:paper", "--sort", "relevance", "--max", "1"]).exited(0);
    }
    let order: Vec<(String, String)> =
        asked.lock().unwrap().iter().map(|query| (query["sortBy"].clone(), query["sortOrder"].clone())).collect();
    assert_eq!(order, vec![("relevance".to_owned(), "descending".to_owned()); 2]);

    let (address, asked, _runtime) = serve(vec![bulk("One", 1, "null"), bulk("One", 1, "null")]);
    let home = home.set("LECTERN__SOURCES__SEMANTIC_SCHOLAR__BASE_URL", address);
    for _ in 0..2 {
        home.run(&["sync", "semantic-scholar", "--query", "x", "--bulk", "--sort", "cited"]).exited(0);
    }
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|query| query["sort"] == "citationCount:desc"), "{asked:?}");
    assert!(asked.len() == 2 && asked.iter().all(|query| !query.contains_key("publicationDateOrYear")), "{asked:?}");
}

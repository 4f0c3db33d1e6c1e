//! The harvest of a whole set against a local server.

use std::time::Duration;

use ingest::arxiv::{HarvestRequest, HarvestSource};
use ingest::{Cursor, IngestError, Page, Source};

use crate::live_arxiv::{titles, walk};
use crate::server::{Asked, Reply, Server, client, quick};
use crate::shared::seen;

fn record(number: usize) -> String {
    format!(
        "<record><header><identifier>oai:arXiv.org:2101.{number:05}</identifier></header><metadata><arXiv>\
         <id>2101.{number:05}</id><title>Paper {number}</title></arXiv></metadata></record>"
    )
}

const DELETED: &str =
    "<record><header status='deleted'><identifier>oai:arXiv.org:0704.0001</identifier></header></record>";

/// An answer with these records and this token.
fn list(records: &str, token: &str) -> Reply {
    Reply::ok(format!(
        "<OAI-PMH><ListRecords>{records}<resumptionToken completeListSize='9'>{token}</resumptionToken></ListRecords></OAI-PMH>"
    ))
}

fn error(code: &str) -> Reply {
    Reply::ok(format!("<OAI-PMH><error code='{code}'>so it is</error></OAI-PMH>"))
}

/// The tests take place on 2023-11-14.
fn source(server: &Server, from: &str, until: Option<&str>) -> HarvestSource {
    let until = until.map(|day| day.parse().unwrap());
    let request = HarvestRequest { set: "cs:cs:CL".into(), from: Some(from.parse().unwrap()), until };
    HarvestSource::new(client(quick()), server.url().join("/oai").unwrap(), request)
}

/// What was asked for: the first and the last day, or the token.
fn asked(asked: &Asked) -> String {
    assert_eq!(asked.uri.path(), "/oai");
    assert_eq!(asked.parameter("verb").unwrap(), "ListRecords");
    asked.parameter("resumptionToken").unwrap_or_else(|| {
        let set = [asked.parameter("metadataPrefix"), asked.parameter("set")].map(Option::unwrap);
        assert_eq!(set, ["arXiv", "cs:cs:CL"]);
        format!("{} to {}", asked.parameter("from").unwrap(), asked.parameter("until").unwrap())
    })
}

fn course(server: &Server) -> Vec<String> {
    server.asked().iter().map(asked).collect()
}

fn later(pages: &[Page]) -> String {
    pages.last().unwrap().later.as_ref().unwrap().to_string()
}

#[tokio::test]
async fn windows_and_tokens_lead_through_a_whole_set_to_today() {
    let server = Server::with([
        list(&record(1), "a;token=b|2"),
        list(&(record(2) + DELETED), ""),
        error("noRecordsMatch"),
        list(&record(3), ""),
    ])
    .await;
    let source = source(&server, "2023-09-10", None);
    let pages = walk(&source).await;
    assert_eq!(titles(&pages), ["Paper 1", "Paper 2", "Paper 3"]);
    assert_eq!(pages[1].deleted, ["arxiv:0704.0001"]);
    assert_eq!(pages.iter().map(|page| page.rejected.len()).sum::<usize>(), 0);
    let windows = ["2023-09-10 to 2023-10-09", "a;token=b|2", "2023-10-10 to 2023-11-08", "2023-11-09 to 2023-11-14"];
    assert_eq!(course(&server), windows);
    let cursors: Vec<_> = pages.iter().filter_map(|page| page.next.as_ref()).map(ToString::to_string).collect();
    let expected = ["from=2023-09-10;until=2023-10-09;token=a;token=b|2", "from=2023-10-10", "from=2023-11-09"];
    assert_eq!((cursors.as_slice(), later(&pages)), (expected.map(String::from).as_slice(), "from=2023-11-13".into()));
    assert!(!source.newest_first());
    assert_eq!(source.key(), "arxiv:oai:cs:cs:CL|2023-09-10|");
}

#[tokio::test]
async fn without_a_first_day_it_begins_with_the_first_that_arxiv_has() {
    let server = Server::with([error("noRecordsMatch")]).await;
    let request = HarvestRequest { set: "cs:cs:CL".into(), from: None, until: None };
    let source = HarvestSource::new(client(quick()), server.url().join("/oai").unwrap(), request);
    let page = source.page(None, seen()).await.unwrap();
    assert_eq!(page.next.unwrap().to_string(), "from=2005-10-16");
    assert_eq!(course(&server), ["2005-09-16 to 2005-10-15"]);
}

#[tokio::test]
async fn a_range_of_days_is_kept_and_days_to_come_are_not_asked_for() {
    let server = Server::with([list(&record(1), "")]).await;
    let pages = walk(&source(&server, "2023-11-01", Some("2023-11-03"))).await;
    assert_eq!((course(&server), later(&pages)), (vec!["2023-11-01 to 2023-11-03".into()], "from=2023-11-03".into()));
    let pages = walk(&source(&server, "2024-02-01", None)).await;
    assert_eq!((server.asked().len(), later(&pages)), (1, "from=2024-02-01".into()));
}

#[tokio::test]
async fn a_token_that_has_expired_begins_its_window_again() {
    let server = Server::with([error("badResumptionToken"), list(&record(1), "new"), list(&record(2), "")]).await;
    let old: Cursor = "from=2023-11-01;until=2023-11-10;token=old".parse().unwrap();
    let source = source(&server, "2023-11-01", None);
    let page = source.page(Some(&old), seen()).await.unwrap();
    assert_eq!(titles(std::slice::from_ref(&page)), ["Paper 1"]);
    assert_eq!(page.next.as_ref().unwrap().to_string(), "from=2023-11-01;until=2023-11-10;token=new");
    let next = source.page(page.next.as_ref(), seen()).await.unwrap();
    assert_eq!(next.next.unwrap().to_string(), "from=2023-11-11");
    assert_eq!(course(&server), ["old", "2023-11-01 to 2023-11-10", "new"]);
}

#[tokio::test]
async fn tokens_that_never_hold_end_in_an_error_and_the_place_is_kept() {
    let begun = || [error("badResumptionToken"), list(&record(1), "again")];
    let server = Server::with(begun().into_iter().chain(begun()).chain(begun()).chain(begun())).await;
    let source = source(&server, "2023-11-01", None);
    let mut cursor: Cursor = "from=2023-11-01;until=2023-11-10;token=old".parse().unwrap();
    for _ in 0..3 {
        cursor = source.page(Some(&cursor), seen()).await.unwrap().next.unwrap();
    }
    let error = source.page(Some(&cursor), seen()).await.unwrap_err();
    assert!(error.is_retryable() && !error.may_be_of_the_cursor());
    assert!(
        error.to_string().contains("for the days from 2023-11-01, though they were begun again 3 times"),
        "{error}"
    );
}

#[tokio::test]
async fn each_way_of_saying_wait_is_waited_for() {
    for status in [406, 429, 503] {
        let server =
            Server::with([Reply::status(status, "Retry later").with("retry-after", "1"), list(&record(1), "")]).await;
        let page = source(&server, "2023-11-14", None).page(None, seen()).await.unwrap();
        assert_eq!(page.papers.len(), 1, "{status}");
        assert!(server.gaps()[0] >= Duration::from_secs(1), "{status}");
    }
}

#[tokio::test]
async fn an_empty_list_is_asked_for_again() {
    let server =
        Server::with([list("", "more"), Reply::ok(""), Reply::status(502, "<html>"), list(DELETED, "more")]).await;
    let page = source(&server, "2023-11-14", None).page(None, seen()).await.unwrap();
    assert_eq!((page.deleted.len(), page.papers.len(), server.asked().len()), (1, 0, 4));
}

#[tokio::test]
async fn a_refusal_is_told_in_arxivs_words_and_a_foreign_cursor_is_not_asked_for() {
    for (reply, told) in [
        (error("badArgument"), "refused: arXiv says: badArgument (so it is); change the request"),
        (Reply::status(404, "<html></html>"), "refused (HTTP 404): by an HTML page; check sources.arxiv.oai_url"),
    ] {
        let server = Server::with([reply]).await;
        let source = source(&server, "2023-11-14", None);
        assert_eq!(source.page(None, seen()).await.unwrap_err().to_string(), told);
        let foreign: Cursor = "start=5".parse().unwrap();
        assert!(matches!(source.page(Some(&foreign), seen()).await, Err(IngestError::NoPlace { .. })));
        assert_eq!(server.asked().len(), 1);
    }
}

//! How a query is walked that is longer than arXiv gives, or was read before.

use ingest::arxiv::{ArxivRequest, SortBy};
use ingest::{Cursor, IngestError, Page, Rejected, Source};

use crate::live_arxiv::{feed, request, source, source_with, titles};
use crate::server::{Reply, Server, quick};
use crate::shared::seen;

/// An entry that was submitted on one day and changed on another.
fn dated(number: usize, published: &str, updated: &str) -> String {
    format!(
        "<entry><id>http://arxiv.org/abs/2101.{number:05}v1</id><title>Paper {number}</title>\
         <published>{published}T12:00:00Z</published><updated>{updated}T12:00:00Z</updated></entry>"
    )
}

/// A page of a large result: entries that all bear these days.
fn page_of(numbers: std::ops::Range<usize>, total: usize, published: &str, updated: &str) -> Reply {
    let entries: String = numbers.map(|number| dated(number, published, updated)).collect();
    Reply::ok(format!("<feed xmlns='http://www.w3.org/2005/Atom'><totalResults>{total}</totalResults>{entries}</feed>"))
}

fn at(cursor: &str) -> Option<Cursor> {
    Some(cursor.parse().unwrap())
}

async fn page_at(server: &Server, cursor: &str) -> Result<Page, IngestError> {
    source(server).page(at(cursor).as_ref(), seen()).await
}

fn place(cursor: Option<&Cursor>) -> Option<String> {
    cursor.map(ToString::to_string)
}

#[tokio::test]
async fn a_query_that_passes_what_arxiv_gives_goes_on_in_windows_to_the_end() {
    let server = Server::with([
        page_of(0..2, 30_003, "2021-01-09", "2021-01-09"),
        page_of(1..3, 3, "2021-01-09", "2021-01-09"),
        page_of(3..4, 3, "2021-01-08", "2021-01-08"),
    ])
    .await;
    let first = page_at(&server, "start=29998;began=2023-11-14").await.unwrap();
    assert_eq!(place(first.next.as_ref()).unwrap(), "until=2021-01-09;start=0;began=2023-11-14");
    assert_eq!((place(first.later.as_ref()), first.total), (Some("since=2023-10-31".to_owned()), Some(30_003)));
    let second = source(&server).page(first.next.as_ref(), seen()).await.unwrap();
    assert_eq!(place(second.next.as_ref()).unwrap(), "until=2021-01-09;start=2;began=2023-11-14");
    let third = source(&server).page(second.next.as_ref(), seen()).await.unwrap();
    assert_eq!((place(third.next.as_ref()), place(third.later.as_ref())), (None, Some("since=2023-10-31".to_owned())));
    assert_eq!(titles(&[first, second, third]), ["Paper 0", "Paper 1", "Paper 1", "Paper 2", "Paper 3"]);
    let asked: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| (asked.parameter("search_query").unwrap(), asked.parameter("start").unwrap()))
        .collect();
    let window = "cat:cs.CL AND submittedDate:[199101010000 TO 202101092359]";
    let expected = [("cat:cs.CL", "29998"), (window, "0"), (window, "2")];
    assert_eq!(asked, expected.map(|(search, start)| (search.to_owned(), start.to_owned())));
}

#[tokio::test]
async fn a_walk_that_no_window_leads_on_ends_and_says_what_to_narrow() {
    let server = Server::with([page_of(0..2, 30_003, "2021-01-09", "2021-01-09")]).await;
    let stuck = page_at(&server, "until=2021-01-09;start=29998;began=2023-11-14").await.unwrap();
    assert_eq!((stuck.papers.len(), stuck.next), (2, None));
    let day = "arXiv gives the first 30000 results of a query and no more, and 2021-01-09 alone has more; \
               narrow the query by a category or by words";
    assert_eq!(stuck.rejected, [Rejected { record: source(&server).key(), reason: day.to_owned() }]);
    let by_relevance = ArxivRequest { sort: SortBy::Relevance, ..request() };
    let source = source_with(&server, quick(), by_relevance);
    let stuck = source.page(at("start=29998").as_ref(), seen()).await.unwrap();
    let reason = &stuck.rejected[0].reason;
    assert!(reason.contains("no more; split it by date with from and until"), "{reason}");
    assert_eq!((stuck.next, stuck.later), (None, None), "what is most relevant is looked up anew");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn what_changed_since_the_last_sync_is_read_and_nothing_else() {
    let server = Server::with([
        page_of(0..2, 9_000, "2020-01-01", "2023-11-13"),
        page_of(2..4, 9_000, "2020-01-01", "2023-11-10"),
        page_of(4..6, 9_000, "2020-01-01", "2023-11-09"),
    ])
    .await;
    let mut cursor = at("since=2023-11-10");
    let mut places = Vec::new();
    while let Some(place) = cursor {
        let page = source(&server).page(Some(&place), seen()).await.unwrap();
        assert_eq!(page.total, None);
        places.extend(page.next.iter().chain(&page.later).map(ToString::to_string));
        cursor = page.next;
    }
    let walked =
        ["since=2023-11-10;start=2;began=2023-11-14", "since=2023-11-10;start=4;began=2023-11-14", "since=2023-10-31"];
    assert_eq!(places, walked);
    for asked in server.asked() {
        assert_eq!(asked.parameter("sortBy").unwrap(), "lastUpdatedDate");
        assert_eq!(asked.parameter("search_query").unwrap(), "cat:cs.CL");
    }
}

#[tokio::test]
async fn an_empty_page_of_what_changed_is_asked_for_again_and_moves_no_mark() {
    let server = Server::with([feed(0..0, 0), page_of(0..1, 1, "2020-01-01", "2023-11-13")]).await;
    let page = page_at(&server, "since=2023-11-10").await.unwrap();
    assert_eq!(
        (page.papers.len(), place(page.later.as_ref()), server.asked().len()),
        (1, Some("since=2023-10-31".to_owned()), 2)
    );
    let server = Server::with([feed(0..0, 0)]).await;
    let error = page_at(&server, "since=2023-11-10").await.unwrap_err();
    assert!(matches!(error, IngestError::Short { came: 0, announced: 1 }), "{error}");
    let nothing = source(&server).page(None, seen()).await.unwrap();
    assert_eq!((nothing.papers.len(), nothing.later), (0, None), "a query that finds nothing has no mark");
}

#[tokio::test]
async fn when_more_changed_than_arxiv_lists_everything_is_read_again() {
    let server = Server::with([page_of(0..2, 90_000, "2020-01-01", "2023-11-13")]).await;
    let page = page_at(&server, "since=2023-11-10;start=29998;began=2023-11-14").await.unwrap();
    assert_eq!((place(page.next.as_ref()).unwrap(), page.later), ("start=0;owed=1;began=2023-11-14".to_owned(), None));
    let anew = source(&server).page(page.next.as_ref(), seen()).await.unwrap();
    assert_eq!((anew.owed, anew.later), (true, None), "all of it is to be read, so nothing may be declined");
}

#[tokio::test]
async fn an_id_list_leaves_no_place_for_later_and_takes_none_of_a_query() {
    let server = Server::with([feed(1..2, 1)]).await;
    let ids = vec!["2101.00001".parse().unwrap()];
    let source = source_with(&server, quick(), ArxivRequest { category: None, ids, ..request() });
    let page = source.page(None, seen()).await.unwrap();
    assert_eq!((page.next, page.later), (None, None));
    let error = source.page(at("since=2023-11-10").as_ref(), seen()).await.unwrap_err().to_string();
    assert!(error.contains("belongs to another request"), "{error}");
}

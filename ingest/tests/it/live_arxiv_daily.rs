//! The daily announcements against a local server.

use ingest::arxiv::DailySource;
use ingest::{IngestError, Source};

use crate::live_arxiv::{feed, titles};
use crate::server::{Reply, Server, client, quick};
use crate::shared::seen;

fn announced(entries: &[(&str, &str)]) -> Reply {
    let entry = |(id, kind): &(&str, &str)| {
        format!(
            "<entry><id>oai:arXiv.org:{id}</id><title>Announced {id}</title><summary>arXiv:{id} Announce Type: {kind}\n\
             Abstract: We search.</summary><published>2023-11-14T00:00:00-05:00</published>\
             <arxiv:announce_type>{kind}</arxiv:announce_type><dc:creator>Ada Lovelace</dc:creator></entry>"
        )
    };
    let entries: String = entries.iter().map(entry).collect();
    Reply::ok(format!(
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:arxiv='http://arxiv.org/schemas/atom'>{entries}</feed>"
    ))
}

fn source(server: &Server, categories: &str) -> DailySource {
    let [feed_url, query_url] = ["/atom", "/api/query"].map(|path| server.url().join(path).unwrap());
    DailySource::new(client(quick()), feed_url, query_url, categories.into())
}

#[tokio::test]
async fn new_papers_are_taken_as_announced_and_new_versions_are_asked_for_in_full() {
    let day = announced(&[("2311.00001v1", "new"), ("2101.00007v3", "replace"), ("2310.00002v1", "cross")]);
    let server = Server::with([day, feed(7..8, 1)]).await;
    let source = source(&server, "cs.CL+cs.IR");
    let page = source.page(None, seen()).await.unwrap();
    assert_eq!((page.next.clone(), page.later.clone(), page.total), (None, None, None));
    assert_eq!(titles(&[page]), ["Announced 2311.00001v1", "Announced 2310.00002v1", "Paper 7"]);
    let asked = server.asked();
    assert_eq!(asked[0].uri.path(), "/atom/cs.CL+cs.IR");
    assert_eq!((asked[1].uri.path(), asked[1].parameter("id_list").unwrap().as_str()), ("/api/query", "2101.00007"));
    assert_eq!(source.key(), "arxiv:daily:cs.CL+cs.IR");
}

#[tokio::test]
async fn a_day_without_announcements_is_an_empty_page() {
    let server = Server::with([announced(&[])]).await;
    assert_eq!(source(&server, "cs.CL").page(None, seen()).await.unwrap(), ingest::Page::default());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn each_way_of_saying_wait_is_waited_for_and_an_empty_answer_is_asked_for_again() {
    for hiccup in [Reply::status(406, ""), Reply::status(429, ""), Reply::status(503, ""), Reply::ok("")] {
        let server = Server::with([hiccup, announced(&[("2311.00001v1", "new")])]).await;
        assert_eq!(source(&server, "cs.CL").page(None, seen()).await.unwrap().papers.len(), 1);
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn what_is_no_category_is_refused_without_asking() {
    let server = Server::with([announced(&[])]).await;
    for categories in ["", "cs.CL+", "cs.CL/../x", "cs CL"] {
        let error = source(&server, categories).page(None, seen()).await.unwrap_err().to_string();
        let told = format!("refused: `{categories}` is no category; give one or more, as in cs.CL+cs.IR");
        assert_eq!(error, told);
    }
    let cursor = "start=5".parse().unwrap();
    let error = source(&server, "cs.CL").page(Some(&cursor), seen()).await.unwrap_err();
    assert!(matches!(error, IngestError::NoPlace { .. }), "{error}");
    assert_eq!(server.asked().len(), 0);
}
